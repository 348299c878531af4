//! Keeps what one thread frees, as it was when it was freed, to be searched for secrets.
//!
//! ```text
//!   watched(work)   freed ----> Freed: the block itself, and who freed it ----> find(secrets)
//!                   grown ----> always a new block; the old one is kept as freed
//!   otherwise       freed as usual
//! ```
//!
//! Secrets are often known only after the memory they were made in is gone; hence first keep, then search. New memory is filled with a
//! pattern, so that nothing old is found in a block that was never written. Blocks of C (the AEAD library asks `malloc` itself) are seen
//! where the C library lets a program put its own functions in front, which is glibc.
#![allow(dead_code, reason = "other crates' tests use a part of it")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::backtrace::Backtrace;
use std::cell::Cell;
use std::fmt;

use super::known::{Form, Known};

/// What was freed while somebody watched.
pub(crate) struct Freed {
    blocks: Vec<Block>,
}

struct Block {
    start: *mut u8,
    len: usize,
    /// Rust's; a block of C's has none.
    layout: Option<Layout>,
    by: Backtrace,
}

// SAFETY: the blocks belong to nobody else any more.
unsafe impl Send for Freed {}

/// A secret in a freed block.
pub(crate) struct Found {
    pub(crate) secret: String,
    pub(crate) form: Form,
    /// Where in the block, and how long that is.
    pub(crate) at: usize,
    pub(crate) len: usize,
    /// The functions that freed it, innermost first.
    pub(crate) by: String,
}

/// Runs `work` and keeps what this thread frees meanwhile.
pub(crate) fn watched<R>(work: impl FnOnce() -> R) -> (R, Freed) {
    let mut freed = Freed { blocks: Vec::with_capacity(1 << 14) };
    let outer = WATCHING.replace(&raw mut freed.blocks);
    assert!(outer.is_null(), "watched already");
    let _end = End;
    let result = work();
    WATCHING.set(std::ptr::null_mut());
    (result, freed)
}

/// Runs `work`, which is the test's own affair, unwatched.
pub(crate) fn unwatched<R>(work: impl FnOnce() -> R) -> R {
    struct Back(*mut Vec<Block>);
    impl Drop for Back {
        fn drop(&mut self) {
            WATCHING.set(self.0);
        }
    }
    let _back = Back(WATCHING.replace(std::ptr::null_mut()));
    work()
}

/// Clears what earlier calls have left on the stack, which is nobody's promise: a value that is moved to the heap takes along what lay in its
/// unused parts.
#[inline(never)]
pub(crate) fn clear_stack() {
    std::hint::black_box(&mut [0_u8; 1 << 19]);
}

/// A test that fails within does not leave a pointer to memory that is gone.
struct End;

impl Drop for End {
    fn drop(&mut self) {
        WATCHING.set(std::ptr::null_mut());
    }
}

impl Freed {
    pub(crate) fn blocks(&self) -> usize {
        self.blocks.len()
    }

    /// Where any of the secrets lies in what was freed: once for each secret and block.
    pub(crate) fn find(&self, known: &Known) -> Vec<Found> {
        let needles = known.needles();
        let mut found = Vec::new();
        for block in &self.blocks {
            // SAFETY: the block was not given back, and all of it was written: by its owner, or with the pattern when it was new.
            let bytes = unsafe { std::slice::from_raw_parts(block.start, block.len) };
            for (secret, form, at) in needles.find(bytes) {
                let by = functions(&block.by);
                found.push(Found { secret: secret.to_owned(), form, at, len: block.len, by });
            }
        }
        found
    }
}

impl Found {
    /// The innermost function that is not the standard library's.
    pub(crate) fn freed_by(&self) -> &str {
        const STANDARD: &[&str] = &["core::", "alloc::", "<alloc::", "<core::", "__rust", "__rdl"];
        // Where they were inlined their names have no path.
        const ALLOCATING: &[&str] = &[
            "alloc",
            "dealloc",
            "realloc",
            "shrink",
            "grow",
            "finish_grow",
            "do_reserve",
            "reserve",
            "from_raw",
        ];
        let ours = |name: &&str| {
            !STANDARD.iter().any(|path| name.starts_with(path))
                && !ALLOCATING.iter().any(|word| name.starts_with(word))
        };
        self.by.lines().map(str::trim).find(ours).unwrap_or_default()
    }
}

impl Drop for Freed {
    fn drop(&mut self) {
        for block in self.blocks.drain(..) {
            // SAFETY: whoever freed the block had it from this allocator with this layout, and it was kept since.
            unsafe { give_back(&block) };
        }
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { secret, form, at, len, by } = self;
        write!(f, "{secret}, {form:?}, at {at} of a block of {len} bytes, freed by\n{by}")
    }
}

/// The names in a backtrace from where memory was freed to where the test began, a line each.
fn functions(by: &Backtrace) -> String {
    let text = by.to_string();
    let names = text.lines().filter(|line| !line.trim_start().starts_with("at "));
    let names = names.filter_map(|line| line.split_once(": ").map(|(_, name)| name));
    let inner = names.skip_while(|name| name.contains("backtrace") || name.contains("secrets::heap"));
    let until_test = inner.take_while(|name| !name.contains("secrets::heap::watched"));
    until_test.map(|name| format!("    {name}\n")).collect()
}

/// How often this thread has asked for Rust's memory.
pub(crate) fn requests() -> usize {
    REQUESTS.get()
}

thread_local! {
    static REQUESTS: Cell<usize> = const { Cell::new(0) };
    static WATCHING: Cell<*mut Vec<Block>> = const { Cell::new(std::ptr::null_mut()) };
}

/// What new memory is filled with.
const PATTERN: u8 = 0xa5;

/// Keeps a block that is being freed. Says whether it did.
fn keep(start: *mut u8, len: usize, layout: Option<Layout>) -> bool {
    // A thread that is about to end watches nothing.
    let Ok(watching) = WATCHING.try_with(|watching| watching.replace(std::ptr::null_mut())) else {
        return false;
    };
    // A test that fails shows a backtrace, and there is one at a time.
    if watching.is_null() || start.is_null() || std::thread::panicking() {
        return false;
    }
    // What is allocated here is the test's own: nobody watches until the end of this function.
    let by = Backtrace::force_capture();
    // SAFETY: `watched` holds the vector until it has taken the pointer away.
    unsafe { &mut *watching }.push(Block { start, len, layout, by });
    WATCHING.set(watching);
    true
}

/// # Safety
/// The block was kept, and is given back once.
unsafe fn give_back(block: &Block) {
    match block.layout {
        // SAFETY: the caller's promise.
        Some(layout) => unsafe { System.dealloc(block.start, layout) },
        #[cfg(all(target_os = "linux", target_env = "gnu"))]
        // SAFETY: the caller's promise.
        None => unsafe { glibc::free_now(block.start.cast()) },
        #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
        None => {}
    }
}

struct Keeping;

#[global_allocator]
static ALLOCATOR: Keeping = Keeping;

// SAFETY: memory comes from the system's allocator and goes back to it, at once or when nobody searches it any more.
unsafe impl GlobalAlloc for Keeping {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // A thread that is about to end has no counter any more.
        let _gone = REQUESTS.try_with(|requests| requests.set(requests.get() + 1));
        // SAFETY: the caller keeps the contract of `alloc`.
        let start = unsafe { System.alloc(layout) };
        if !start.is_null() {
            // SAFETY: it was given for so many bytes.
            unsafe { start.write_bytes(PATTERN, layout.size()) };
        }
        start
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let _gone = REQUESTS.try_with(|requests| requests.set(requests.get() + 1));
        // SAFETY: the caller keeps the contract of `alloc_zeroed`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        if !keep(ptr, layout.size(), Some(layout)) {
            // SAFETY: the caller keeps the contract of `dealloc`, and `ptr` came from the system's allocator.
            unsafe { System.dealloc(ptr, layout) };
        }
    }

    /// Always moves: whether the system's allocator finds room behind the block is chance.
    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller promises that the size does not overflow when it is rounded up.
        let new_layout = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
        // SAFETY: the caller promises a size that is not zero.
        let new = unsafe { self.alloc(new_layout) };
        if !new.is_null() {
            // SAFETY: both are at least as long, and new memory overlaps with nothing.
            unsafe { new.copy_from_nonoverlapping(ptr, layout.size().min(new_size)) };
            // SAFETY: the caller gives the old block up.
            unsafe { self.dealloc(ptr, layout) };
        }
        new
    }
}

/// The functions of the C library's heap, in front of glibc's own.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod glibc {
    use core::ffi::c_void;

    use super::{PATTERN, keep};

    unsafe extern "C" {
        fn __libc_malloc(size: usize) -> *mut c_void;
        fn __libc_free(ptr: *mut c_void);
        fn malloc_usable_size(ptr: *mut c_void) -> usize;
    }

    /// # Safety
    /// A block of glibc's heap that nobody uses any more.
    pub(super) unsafe fn free_now(ptr: *mut c_void) {
        // SAFETY: the caller's promise.
        unsafe { __libc_free(ptr) };
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn malloc(size: usize) -> *mut c_void {
        // SAFETY: as the caller's.
        let ptr = unsafe { __libc_malloc(size) };
        if !ptr.is_null() {
            // SAFETY: glibc says that the block is so long.
            let len = unsafe { malloc_usable_size(ptr) };
            // SAFETY: as before.
            unsafe { ptr.cast::<u8>().write_bytes(PATTERN, len) };
        }
        ptr
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn realloc(ptr: *mut c_void, size: usize) -> *mut c_void {
        if ptr.is_null() {
            // SAFETY: as the caller's.
            return unsafe { malloc(size) };
        }
        if size == 0 {
            // SAFETY: as the caller's.
            unsafe { free(ptr) };
            return core::ptr::null_mut();
        }
        // SAFETY: as the caller's.
        let new = unsafe { malloc(size) };
        if !new.is_null() {
            // SAFETY: `ptr` is a live block of glibc's heap.
            let len = unsafe { malloc_usable_size(ptr) };
            // SAFETY: both are at least as long, and new memory overlaps with nothing.
            unsafe { new.cast::<u8>().copy_from_nonoverlapping(ptr.cast(), len.min(size)) };
            // SAFETY: the caller gives the old block up.
            unsafe { free(ptr) };
        }
        new
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn free(ptr: *mut c_void) {
        if ptr.is_null() {
            return;
        }
        // SAFETY: `ptr` is a live block of glibc's heap.
        let len = unsafe { malloc_usable_size(ptr) };
        if !keep(ptr.cast(), len, None) {
            // SAFETY: as the caller's.
            unsafe { __libc_free(ptr) };
        }
    }
}

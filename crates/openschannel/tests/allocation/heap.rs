//! Counts what one thread takes from the heap.
//!
//! Rust's own allocations are seen by the global allocator. The AEAD library is C and asks `malloc` itself, so where the C library
//! lets a program put its own `malloc` in front (glibc), that is counted too, and then covers both.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// What was counted on this thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Count {
    /// Calls that asked for memory, since the thread began.
    pub(crate) requests: u64,
    /// Bytes held now; negative when this thread has freed what another one took.
    pub(crate) bytes: i64,
}

/// Rust's allocations alone.
pub(crate) fn rust() -> Count {
    read(&RUST)
}

/// All allocations, those of C included; on other systems than Linux with glibc, Rust's alone.
pub(crate) fn all() -> Count {
    if cfg!(all(target_os = "linux", target_env = "gnu")) { read(&C) } else { rust() }
}

/// Requests while `work` runs: Rust's, and all.
pub(crate) fn requests_of<R>(work: impl FnOnce() -> R) -> (R, [u64; 2]) {
    let before = [rust().requests, all().requests];
    let result = work();
    (result, [rust().requests - before[0], all().requests - before[1]])
}

type Counter = Cell<(u64, i64)>;

thread_local! {
    // Neither needs to be made or dropped, so reading them allocates nothing.
    static RUST: Counter = const { Cell::new((0, 0)) };
    #[cfg_attr(not(all(target_os = "linux", target_env = "gnu")), expect(dead_code, reason = "counted on glibc only"))]
    static C: Counter = const { Cell::new((0, 0)) };
}

fn read(counter: &'static std::thread::LocalKey<Counter>) -> Count {
    let (requests, bytes) = counter.get();
    Count { requests, bytes }
}

fn note(counter: &'static std::thread::LocalKey<Counter>, requests: u64, bytes: i64) {
    // A thread that is about to end has no counter any more.
    let _gone = counter.try_with(|counter| {
        let (all_requests, all_bytes) = counter.get();
        counter.set((all_requests + requests, all_bytes + bytes));
    });
}

fn signed(len: usize) -> i64 {
    i64::try_from(len).unwrap_or(i64::MAX)
}

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: every call is passed on to the system's allocator as it came, and its answer is returned as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(&RUST, 1, signed(layout.size()));
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(&RUST, 1, signed(layout.size()));
        // SAFETY: the caller keeps the contract of `alloc_zeroed`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        note(&RUST, 0, -signed(layout.size()));
        // SAFETY: the caller keeps the contract of `dealloc`, and `ptr` came from the system's allocator.
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        note(&RUST, 1, signed(new_size) - signed(layout.size()));
        // SAFETY: the caller keeps the contract of `realloc`, and `ptr` came from the system's allocator.
        unsafe { System.realloc(ptr, layout, new_size) }
    }
}

/// The functions of the C library's heap, in front of glibc's own.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod glibc {
    use core::ffi::{c_int, c_void};

    use super::{C, note, signed};

    unsafe extern "C" {
        fn __libc_malloc(size: usize) -> *mut c_void;
        fn __libc_calloc(count: usize, size: usize) -> *mut c_void;
        fn __libc_realloc(ptr: *mut c_void, size: usize) -> *mut c_void;
        fn __libc_memalign(alignment: usize, size: usize) -> *mut c_void;
        fn __libc_free(ptr: *mut c_void);
        fn malloc_usable_size(ptr: *mut c_void) -> usize;
    }

    /// What a block really takes: the size asked for, rounded up by the heap.
    fn size_of_block(ptr: *mut c_void) -> i64 {
        // SAFETY: `ptr` is null or a live block of glibc's heap; every caller below holds it.
        signed(unsafe { malloc_usable_size(ptr) })
    }

    fn taken(ptr: *mut c_void) -> *mut c_void {
        note(&C, 1, size_of_block(ptr));
        ptr
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn malloc(size: usize) -> *mut c_void {
        // SAFETY: as the caller's.
        taken(unsafe { __libc_malloc(size) })
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn calloc(count: usize, size: usize) -> *mut c_void {
        // SAFETY: as the caller's.
        taken(unsafe { __libc_calloc(count, size) })
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn realloc(ptr: *mut c_void, size: usize) -> *mut c_void {
        note(&C, 0, -size_of_block(ptr));
        // SAFETY: as the caller's.
        taken(unsafe { __libc_realloc(ptr, size) })
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn memalign(alignment: usize, size: usize) -> *mut c_void {
        // SAFETY: as the caller's.
        taken(unsafe { __libc_memalign(alignment, size) })
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn aligned_alloc(alignment: usize, size: usize) -> *mut c_void {
        // SAFETY: as the caller's.
        taken(unsafe { __libc_memalign(alignment, size) })
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn posix_memalign(place: *mut *mut c_void, alignment: usize, size: usize) -> c_int {
        const ENOMEM: c_int = 12;
        // SAFETY: as the caller's.
        let ptr = taken(unsafe { __libc_memalign(alignment, size) });
        if ptr.is_null() {
            return ENOMEM;
        }
        // SAFETY: the caller gives a place for one pointer.
        unsafe { place.write(ptr) };
        0
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn free(ptr: *mut c_void) {
        note(&C, 0, -size_of_block(ptr));
        // SAFETY: as the caller's.
        unsafe { __libc_free(ptr) }
    }
}

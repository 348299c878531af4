//! Memory given out to the caller, who returns it with FreeContextBuffer (section 2.10).
//!
//! Every block is remembered by its address, so that FreeContextBuffer frees what is the library's and nothing else. Blocks are
//! wiped when they come back: some hold keying material.

use std::collections::HashMap;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use zeroize::Zeroize;

/// As C's allocators align: fit for any structure.
#[derive(Clone, Copy, Default)]
#[repr(C, align(16))]
struct Unit([u8; 16]);

impl zeroize::DefaultIsZeroes for Unit {}

static GIVEN_OUT: LazyLock<Mutex<HashMap<usize, Outside>>> = LazyLock::new(Mutex::default);

/// A box the caller has the address of.
struct Outside(NonNull<[Unit]>);

// SAFETY: the block belongs to nobody's thread; it is reached only to free it, under the map's lock.
unsafe impl Send for Outside {}

/// A zeroed block on its way out; wiped and freed if it is dropped before [`Block::give_out`].
pub(crate) struct Block {
    /// A box, kept as a pointer that all others come from: a box may count on nobody else having its address, and blocks have
    /// pointers into themselves.
    units: NonNull<[Unit]>,
    len: usize,
}

impl Block {
    /// `len` bytes. A block of no bytes has an address of its own too.
    pub(crate) fn new(len: usize) -> Self {
        let units = vec![Unit::default(); len.div_ceil(size_of::<Unit>()).max(1)];
        Self { units: NonNull::from(Box::leak(units.into_boxed_slice())), len }
    }

    pub(crate) fn copy_of(bytes: &[u8]) -> Self {
        let mut block = Self::new(bytes.len());
        block.bytes().copy_from_slice(bytes);
        block
    }

    pub(crate) fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: the units hold at least `len` initialised bytes, and are borrowed as long as the slice.
        unsafe { std::slice::from_raw_parts_mut(self.address(), self.len) }
    }

    /// The address the block has now and keeps, for pointers inside it.
    pub(crate) fn address(&mut self) -> *mut u8 {
        self.units.cast().as_ptr()
    }

    /// Hands the block to the caller.
    pub(crate) fn give_out(self) -> NonNull<u8> {
        let outside = ManuallyDrop::new(self).units;
        given_out().insert(outside.addr().get(), Outside(outside));
        outside.cast()
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: it came out of a box, and nobody was given it.
        unsafe { release(self.units) };
    }
}

/// Takes a block back. Says whether it was one.
pub(crate) fn take_back(address: *mut core::ffi::c_void) -> bool {
    let Some(Outside(outside)) = given_out().remove(&address.addr()) else { return false };
    // SAFETY: it came out of a box, and is in nobody's map any more.
    unsafe { release(outside) };
    true
}

/// # Safety
/// The units came out of a box, and nobody else frees or reads them.
unsafe fn release(units: NonNull<[Unit]>) {
    // SAFETY: the caller's promise.
    let mut units = unsafe { Box::from_raw(units.as_ptr()) };
    units.zeroize();
}

/// Sizes of what is still outside, for the leak report.
pub(crate) fn outstanding() -> Vec<usize> {
    given_out().values().map(|block| block.0.len() * size_of::<Unit>()).collect()
}

fn given_out() -> MutexGuard<'static, HashMap<usize, Outside>> {
    // A map behind a panic is still a map: every change is one insertion or removal.
    GIVEN_OUT.lock().unwrap_or_else(PoisonError::into_inner)
}

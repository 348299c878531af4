//! The caller's structure: at any address, as large as the caller says, written only when all is well.

use core::ffi::c_void;

use openschannel::status::ErrorStatus;

/// Where an answer goes; large enough, as far as the caller says.
pub(crate) struct Place<T>(*mut T);

impl<T: Copy> Place<T> {
    pub(crate) fn new(buffer: *mut c_void, len: Option<u32>) -> Result<Self, ErrorStatus> {
        if buffer.is_null() {
            return Err(ErrorStatus::InternalError);
        }
        if len.is_some_and(|len| usize::try_from(len).is_ok_and(|len| len < size_of::<T>())) {
            return Err(ErrorStatus::BufferTooSmall);
        }
        Ok(Self(buffer.cast()))
    }

    /// What the caller put there.
    ///
    /// # Safety
    /// The buffer holds a `T`, aligned or not.
    pub(crate) unsafe fn read(&self) -> T {
        // SAFETY: the caller's promise.
        unsafe { self.0.read_unaligned() }
    }

    /// # Safety
    /// The buffer has room for a `T`, aligned or not.
    pub(crate) unsafe fn write(self, value: T) {
        // SAFETY: the caller's promise.
        unsafe { self.0.write_unaligned(value) };
    }
}

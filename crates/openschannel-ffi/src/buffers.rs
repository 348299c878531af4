//! SecBufferDesc, as it lies in the caller's memory.
//!
//! Descriptors are read whole before anything is written: a caller may pass the same one for input and output, and may let buffers
//! overlap. Every access is unaligned and by copy, so that no reference to the caller's memory outlives it.

use core::ffi::c_void;
use core::slice;

use openschannel::status::ErrorStatus;

use crate::types::{SecBuffer, SecBufferDesc, buffer_type};

/// More buffers than any caller uses (msquic's eight are the most seen); beyond it the descriptor is taken for damaged.
const MAX_BUFFERS: u32 = 64;

/// A descriptor that was read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Descriptor {
    first: *mut SecBuffer,
    count: usize,
}

/// What a SecBuffer says of its memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    pub(crate) start: *mut u8,
    pub(crate) len: usize,
}

impl Descriptor {
    /// None for a null pointer.
    ///
    /// # Safety
    /// `descriptor` is null or points to a SecBufferDesc whose buffers can be read and written until the call that got it returns.
    pub(crate) unsafe fn read(descriptor: *const SecBufferDesc) -> Result<Option<Self>, ErrorStatus> {
        if descriptor.is_null() {
            return Ok(None);
        }
        // SAFETY: not null, so readable by the caller's promise.
        let SecBufferDesc { count, buffers, .. } = unsafe { descriptor.read_unaligned() };
        if count > MAX_BUFFERS || (buffers.is_null() && count > 0) {
            return Err(ErrorStatus::InvalidToken);
        }
        Ok(Some(Self { first: buffers, count: count as usize }))
    }

    pub(crate) fn count(&self) -> usize {
        self.count
    }

    #[inline]
    pub(crate) fn get(&self, index: usize) -> Option<SecBuffer> {
        // SAFETY: inside the array that `read` was promised.
        (index < self.count).then(|| unsafe { self.first.wrapping_add(index).read_unaligned() })
    }

    /// Writes a buffer; an index past the end writes nothing.
    #[inline]
    pub(crate) fn set(&self, index: usize, buffer: SecBuffer) {
        if index < self.count {
            // SAFETY: inside the array that `read` was promised.
            unsafe { self.first.wrapping_add(index).write_unaligned(buffer) };
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, SecBuffer)> + '_ {
        (0..self.count).filter_map(|index| Some((index, self.get(index)?)))
    }

    /// The first buffer of a type.
    pub(crate) fn find(&self, wanted: u32) -> Option<(usize, SecBuffer)> {
        self.iter().find(|(_, buffer)| buffer.kind() == wanted)
    }
}

impl SecBuffer {
    /// Its type without the attribute bits.
    #[inline]
    pub(crate) fn kind(&self) -> u32 {
        self.buffer_type & buffer_type::TYPE_MASK
    }

    /// Whether its memory may be written.
    #[inline]
    pub(crate) fn is_writable(&self) -> bool {
        self.buffer_type & (buffer_type::READONLY | buffer_type::READONLY_WITH_CHECKSUM) == 0
    }

    /// Its memory. None where a length comes without an address, or is longer than anything in memory: on 32-bit systems a `cbBuffer`
    /// can say so.
    #[inline]
    pub(crate) fn memory(&self) -> Option<Memory> {
        let len = self.len as usize;
        if self.buffer.is_null() && len > 0 || isize::try_from(len).is_err() {
            return None;
        }
        Some(Memory { start: self.buffer.cast(), len })
    }
}

impl Memory {
    /// # Safety
    /// The memory can be read, and nobody writes it as long as the slice lives.
    pub(crate) unsafe fn as_slice<'a>(self) -> &'a [u8] {
        if self.len == 0 {
            return &[];
        }
        // SAFETY: the caller's promise; not null, because `SecBuffer::memory` refuses that.
        unsafe { slice::from_raw_parts(self.start, self.len) }
    }

    /// # Safety
    /// The memory can be read and written, and nobody else does as long as the slice lives.
    pub(crate) unsafe fn as_mut_slice<'a>(self) -> &'a mut [u8] {
        if self.len == 0 {
            return &mut [];
        }
        // SAFETY: the caller's promise; not null, because `SecBuffer::memory` refuses that.
        unsafe { slice::from_raw_parts_mut(self.start, self.len) }
    }

    /// Whether two pieces of memory share a byte.
    #[inline]
    pub(crate) fn overlaps(self, other: Self) -> bool {
        let (a, b) = (self.start.addr(), other.start.addr());
        self.len > 0 && other.len > 0 && a < b.saturating_add(other.len) && b < a.saturating_add(self.len)
    }

    /// The memory of both, where `next` begins at this one's end.
    #[inline]
    pub(crate) fn joined(self, next: Self) -> Option<Self> {
        let len = self.len.checked_add(next.len).filter(|len| isize::try_from(*len).is_ok())?;
        (self.start.addr().checked_add(self.len)? == next.start.addr())
            .then_some(Self { start: self.start, len })
    }
}

/// A buffer of `kind` over `len` bytes from `start`.
pub(crate) fn buffer(kind: u32, start: *mut u8, len: usize) -> SecBuffer {
    SecBuffer { len: length(len), buffer_type: kind, buffer: start.cast::<c_void>() }
}

/// A length as `cbBuffer`. Every length here came out of a `cbBuffer` or is a token's.
pub(crate) fn length(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

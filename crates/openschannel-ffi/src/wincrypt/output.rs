//! Answers of a size that callers ask for first.

use super::last_error::code;
use super::text::{from_narrow, to_narrow, to_wide};

/// A structure with what its pointers point to, not yet at an address.
#[derive(Debug, Default)]
pub(super) struct Relocatable {
    bytes: Vec<u8>,
    /// Where a pointer stands, and how far behind the start of the whole it points.
    pointers: Vec<(usize, usize)>,
}

impl Relocatable {
    pub(super) fn plain(bytes: &[u8]) -> Self {
        Self { bytes: bytes.to_vec(), pointers: Vec::new() }
    }

    /// Room for `len` bytes, zeroed and aligned for anything. Says where it starts.
    pub(super) fn reserve(&mut self, len: usize) -> usize {
        let start = self.bytes.len().next_multiple_of(size_of::<usize>());
        self.bytes.resize(start + len, 0);
        start
    }

    pub(super) fn put(&mut self, at: usize, bytes: &[u8]) {
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
    }

    pub(super) fn put_u32(&mut self, at: usize, value: u32) {
        self.put(at, &value.to_ne_bytes());
    }

    /// Appends `bytes` and lets the pointer at `at` point to them.
    pub(super) fn point(&mut self, at: usize, bytes: &[u8]) {
        let target = self.reserve(bytes.len());
        self.put(target, bytes);
        self.point_to(at, target);
    }

    pub(super) fn point_to(&mut self, at: usize, target: usize) {
        self.pointers.push((at, target));
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The bytes, with pointers as they are right at `address`.
    pub(super) fn at(mut self, address: usize) -> Vec<u8> {
        for (at, target) in std::mem::take(&mut self.pointers) {
            self.put(at, &address.wrapping_add(target).to_ne_bytes());
        }
        self.bytes
    }
}

/// The usual convention: no place, only the size is wanted; too small a place, ERROR_MORE_DATA and the size.
///
/// # Safety
/// `len` is null or points to a DWORD; `place` is null or points to as many bytes as that says.
pub(super) unsafe fn copy_out(answer: Relocatable, place: *mut u8, len: *mut u32) -> Result<(), u32> {
    if len.is_null() {
        return Err(code::ERROR_INVALID_PARAMETER);
    }
    let needed = u32::try_from(answer.len()).map_err(|_| code::ERROR_INVALID_PARAMETER)?;
    // SAFETY: the caller vouches for it; it is not null.
    let room = unsafe { len.read_unaligned() };
    // SAFETY: as above.
    unsafe { len.write_unaligned(needed) };
    if place.is_null() {
        return Ok(());
    }
    if room < needed {
        return Err(code::ERROR_MORE_DATA);
    }
    let bytes = answer.at(place.addr());
    // SAFETY: the caller vouches for `room` bytes, which are enough.
    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), place, bytes.len()) };
    Ok(())
}

/// A character of C's strings.
pub(super) trait Unit: Copy + Default {
    /// With its terminator.
    fn encode(text: &str) -> Vec<Self>;
}

impl Unit for u8 {
    fn encode(text: &str) -> Vec<Self> {
        to_narrow(text)
    }
}

impl Unit for u16 {
    fn encode(text: &str) -> Vec<Self> {
        to_wide(text)
    }
}

/// Strings as CertNameToStr and CertGetNameString return them: the number of characters with the terminator; without a place what would
/// be needed, in too small a place what fits, terminated.
///
/// # Safety
/// `place` is null or points to room for `room` characters.
pub(super) unsafe fn string_out<U: Unit>(text: &[U], place: *mut U, room: u32) -> u32 {
    let needed = u32::try_from(text.len()).unwrap_or(u32::MAX);
    if place.is_null() || room == 0 {
        return needed;
    }
    let fitting = needed.min(room);
    let kept = text.len().min(fitting as usize).saturating_sub(1);
    // SAFETY: the caller vouches for the room, of which one less is used here.
    unsafe { std::ptr::copy_nonoverlapping(text.as_ptr(), place, kept) };
    // SAFETY: the last character of what fits.
    unsafe { place.wrapping_add(kept).write_unaligned(U::default()) };
    fitting
}

/// An object identifier in the place of which a number may stand.
///
/// # Safety
/// `id` is a number or points to a C string.
pub(super) unsafe fn number_or_oid(id: *const core::ffi::c_char) -> Result<usize, String> {
    const LAST_NUMBER: usize = 0xFFFF;
    if id.addr() <= LAST_NUMBER {
        return Ok(id.addr());
    }
    // SAFETY: the caller vouches for what is not a number.
    Err(unsafe { from_narrow(id) }.unwrap_or_default())
}

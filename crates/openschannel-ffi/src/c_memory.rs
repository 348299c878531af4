//! Reading what callers built: structures and arrays that may lie at any address.

use openschannel::status::{Error, ErrorStatus};

use crate::types::UnicodeString;

/// One value.
///
/// # Safety
/// `from` points to a `T`, aligned or not.
pub(crate) unsafe fn read<T: Copy>(from: *const T) -> T {
    // SAFETY: the caller's promise.
    unsafe { from.read_unaligned() }
}

/// `count` values. None behind a null pointer is SEC_E_INVALID_PARAMETER, and so are more than `most`.
///
/// # Safety
/// `from` is null or points to `count` values, aligned or not.
pub(crate) unsafe fn read_array<T: Copy>(from: *const T, count: u32, most: usize) -> Result<Vec<T>, Error> {
    let count = usize::try_from(count).ok().filter(|count| *count <= most).ok_or_else(invalid)?;
    if count > 0 && from.is_null() {
        return Err(invalid());
    }
    Ok((0..count)
        .map(|index| {
            // SAFETY: within the array the caller speaks of.
            unsafe { read(from.wrapping_add(index)) }
        })
        .collect())
}

/// A UNICODE_STRING's text. Its length does not count a NUL, but msquic's does.
///
/// # Safety
/// The string's buffer is null or holds as many bytes as the string says.
pub(crate) unsafe fn read_string(string: UnicodeString) -> Result<String, Error> {
    let units = u32::from(string.length / 2);
    if !string.length.is_multiple_of(2) {
        return Err(invalid());
    }
    // SAFETY: the caller's promise; a length of 16 bits is bound enough.
    let units = unsafe { read_array(string.buffer.cast_const(), units, usize::from(u16::MAX)) }?;
    String::from_utf16(units.strip_suffix(&[0]).unwrap_or(&units)).map_err(|_| invalid())
}

pub(crate) fn invalid() -> Error {
    Error::new(ErrorStatus::InvalidParameter)
}

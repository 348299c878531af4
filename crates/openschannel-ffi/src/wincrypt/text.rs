//! Strings of C: narrow ones in UTF-8, wide ones in UTF-16.

use core::ffi::{CStr, c_char};

use zeroize::Zeroizing;

use crate::strings::Character as _;
use crate::types::SecWchar;

/// No string that is passed here is longer; an array without an end is found out.
const LONGEST: usize = 1 << 20;

/// # Safety
/// `text` is null or points to a string with its terminator.
pub(super) unsafe fn from_narrow(text: *const c_char) -> Option<String> {
    if text.is_null() {
        return None;
    }
    // SAFETY: the caller vouches for the string; it is not null.
    let text = unsafe { CStr::from_ptr(text) };
    Some(text.to_string_lossy().into_owned())
}

/// # Safety
/// `text` is null or points to a string with its terminator.
pub(super) unsafe fn from_wide(text: *const u16) -> Option<String> {
    if text.is_null() {
        return None;
    }
    let mut units = Vec::new();
    for position in 0..LONGEST {
        let place = text.wrapping_add(position);
        // SAFETY: the caller vouches for the string up to its terminator, which has not come yet.
        match unsafe { place.read_unaligned() } {
            0 => return Some(String::from_utf16_lossy(&units)),
            unit => units.push(unit),
        }
    }
    None
}

/// A password: as [`from_wide`], and wiped. Its memory is as large as it becomes, because growing leaves copies.
///
/// # Safety
/// As there.
pub(super) unsafe fn secret_from_wide(text: *const u16) -> Option<Zeroizing<String>> {
    if text.is_null() {
        return None;
    }
    // SAFETY: the caller vouches for the string up to its terminator, and the positions before this one are none.
    let unit = |position: usize| unsafe { text.wrapping_add(position).read_unaligned() };
    let len = (0..LONGEST).find(|position| unit(*position) == 0)?;
    /// A unit alone, or half of a pair, takes no more bytes in UTF-8.
    const MAX_UTF8: usize = 3;
    let mut secret = Zeroizing::new(String::with_capacity(MAX_UTF8 * len));
    let characters = char::decode_utf16((0..len).map(unit));
    secret.extend(characters.map(|character| character.unwrap_or(char::REPLACEMENT_CHARACTER)));
    Some(secret)
}

/// With its terminator, and no other.
pub(super) fn to_wide(text: &str) -> Vec<u16> {
    SecWchar::terminated(text)
}

/// With its terminator, and no other.
pub(super) fn to_narrow(text: &str) -> Vec<u8> {
    u8::terminated(text)
}

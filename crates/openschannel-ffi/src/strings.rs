//! Strings in and out: UTF-16 for the W functions, UTF-8 for the A functions. On Windows the A functions' strings are in the system's code page.

use std::borrow::Cow;

use openschannel::status::ErrorStatus;

use crate::memory::Block;
use crate::types::SecWchar;

/// Longer names than this are none: a DNS name has 253 characters, a principal's is a little longer.
const LONGEST: usize = 4096;

/// A NUL-terminated UTF-16 string; None for a null pointer.
///
/// # Errors
/// SEC_E_TARGET_UNKNOWN: not UTF-16, or longer than any name.
///
/// # Safety
/// `text` is null or points to a NUL-terminated string.
pub(crate) unsafe fn wide(text: *const SecWchar) -> Result<Option<String>, ErrorStatus> {
    if text.is_null() {
        return Ok(None);
    }
    // SAFETY: the caller's promise.
    let units = unsafe { until_nul(text) }.ok_or(ErrorStatus::TargetUnknown)?;
    String::from_utf16(&units).map(Some).map_err(|_| ErrorStatus::TargetUnknown)
}

/// A NUL-terminated string of the A functions; None for a null pointer.
///
/// # Errors
/// SEC_E_TARGET_UNKNOWN: not in the encoding, or longer than any name.
///
/// # Safety
/// `text` is null or points to a NUL-terminated string.
pub(crate) unsafe fn ansi(text: *const u8) -> Result<Option<String>, ErrorStatus> {
    if text.is_null() {
        return Ok(None);
    }
    // SAFETY: the caller's promise.
    let bytes = unsafe { until_nul(text) }.ok_or(ErrorStatus::TargetUnknown)?;
    decode(bytes).map(Some)
}

#[cfg(not(windows))]
fn decode(bytes: Vec<u8>) -> Result<String, ErrorStatus> {
    String::from_utf8(bytes).map_err(|_| ErrorStatus::TargetUnknown)
}

#[cfg(windows)]
fn decode(bytes: Vec<u8>) -> Result<String, ErrorStatus> {
    crate::windows::strings::decode_ansi(&bytes).ok_or(ErrorStatus::TargetUnknown)
}

/// The units of a string with its zero; None for null, or where it is longer than any name.
///
/// # Safety
/// `text` is null or points to a string that ends with a zero.
pub(crate) unsafe fn terminated_units<C: Copy + Default + PartialEq>(text: *const C) -> Option<Vec<C>> {
    if text.is_null() {
        return None;
    }
    // SAFETY: the caller's promise.
    let mut units = unsafe { until_nul(text) }?;
    units.push(C::default());
    Some(units)
}

/// # Safety
/// `text` points to a string that ends with a zero.
unsafe fn until_nul<C: Copy + Default + PartialEq>(text: *const C) -> Option<Vec<C>> {
    let mut units = Vec::new();
    loop {
        // SAFETY: no zero has been met, so the string goes on.
        let unit = unsafe { text.wrapping_add(units.len()).read_unaligned() };
        if unit == C::default() {
            return Some(units);
        }
        if units.len() == LONGEST {
            return None;
        }
        units.push(unit);
    }
}

/// A character type of the interface.
pub(crate) trait Character: Copy + Default + 'static {
    /// A string in it, with its NUL.
    fn terminated(text: &str) -> Vec<Self>;
}

/// A NUL inside a name, out of a certificate for instance, would have C take the front of it for the whole, or for two: in its place
/// stands what no name has.
fn without_nul(text: &str) -> Cow<'_, str> {
    match text.contains('\0') {
        true => text.replace('\0', "\u{fffd}").into(),
        false => text.into(),
    }
}

impl Character for u8 {
    fn terminated(text: &str) -> Vec<Self> {
        // Every string given out is ASCII, or a name that the A functions show in UTF-8.
        without_nul(text).bytes().chain([0]).collect()
    }
}

impl Character for SecWchar {
    fn terminated(text: &str) -> Vec<Self> {
        without_nul(text).encode_utf16().chain([0]).collect()
    }
}

/// A string in a block of its own, on its way out.
pub(crate) fn block<C: Character>(text: &str) -> Block {
    let units = C::terminated(text);
    let mut block = Block::new(size_of_val::<[C]>(&units));
    let start = block.address().cast::<C>();
    // SAFETY: the block has room for the units, and blocks are aligned for any type.
    unsafe { core::ptr::copy_nonoverlapping(units.as_ptr(), start, units.len()) };
    block
}

//! QueryContextAttributes and SetContextAttributes (sections 2.9, 3.6, 7).

use core::ffi::c_void;

use openschannel::status::ErrorStatus;

use crate::handles::Connection;

/// What SetContextAttributes left for later queries.
#[derive(Debug, Default)]
pub(crate) struct Requested {}

/// In which form strings go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Charset {
    /// The A functions.
    Ansi,
    /// The W functions.
    Wide,
}

/// QueryContextAttributes.
///
/// # Safety
/// `buffer` is null or points to the structure of `attribute`; `len` is its size where the caller said it (the Ex calls).
pub(crate) unsafe fn query(
    _connection: Connection<'_>,
    _charset: Charset,
    _attribute: u32,
    _buffer: *mut c_void,
    _len: Option<u32>,
) -> Result<(), ErrorStatus> {
    Err(ErrorStatus::UnsupportedFunction)
}

/// SetContextAttributes.
///
/// # Safety
/// `buffer` is null or points to `len` bytes.
pub(crate) unsafe fn set(
    _connection: Connection<'_>,
    _attribute: u32,
    _buffer: *const c_void,
    _len: u32,
) -> Result<(), ErrorStatus> {
    Err(ErrorStatus::UnsupportedFunction)
}

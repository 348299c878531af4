//! What is not ours: handles, packages and memory of the system's own providers. On Windows they are passed on to the system; elsewhere
//! there is nobody to pass them to.

use openschannel::status::ErrorStatus;

use crate::function_table::SecurityFunctionTable;
use crate::handles::{contexts, credentials};
use crate::types::{SecHandle, SecWchar};

/// The handle behind a pointer; SEC_E_INVALID_HANDLE for null.
///
/// # Safety
/// `handle` is null or points to a handle.
#[inline]
pub(crate) unsafe fn read_handle(handle: *const SecHandle) -> Result<SecHandle, ErrorStatus> {
    if handle.is_null() {
        return Err(ErrorStatus::InvalidHandle);
    }
    // SAFETY: not null, so readable by the caller's promise.
    Ok(unsafe { handle.read_unaligned() })
}

/// The system's table, where a handle is not one of ours.
///
/// # Safety
/// `handle` is null or points to a handle.
#[inline]
pub(crate) unsafe fn of_handle(handle: *const SecHandle) -> Option<&'static SecurityFunctionTable<SecWchar>> {
    if !cfg!(windows) {
        return None;
    }
    // SAFETY: the caller's promise.
    let handle = unsafe { read_handle(handle) }.ok()?;
    if is_ours(handle) || is_no_handle(handle) { None } else { wide() }
}

/// The system's own table of W functions, if it can be reached without coming back here.
#[cfg(windows)]
pub(crate) fn wide() -> Option<&'static SecurityFunctionTable<SecWchar>> {
    crate::windows::system::table_w()
}

/// The system's own table of A functions.
#[cfg(windows)]
pub(crate) fn ansi() -> Option<&'static SecurityFunctionTable<u8>> {
    crate::windows::system::table_a()
}

#[cfg(not(windows))]
pub(crate) fn wide() -> Option<&'static SecurityFunctionTable<SecWchar>> {
    None
}

#[cfg(not(windows))]
pub(crate) fn ansi() -> Option<&'static SecurityFunctionTable<u8>> {
    None
}

/// Of either kind: one of the wrong kind is refused here (aws-c-io deletes its credential as if it were a context).
#[inline]
fn is_ours(handle: SecHandle) -> bool {
    contexts().could_be(handle) || credentials().could_be(handle)
}

/// Whether a pointer leads to none of anybody's handles.
///
/// # Safety
/// `handle` is null or points to a handle.
#[inline]
pub(crate) unsafe fn names_nobody(handle: *const SecHandle) -> bool {
    // SAFETY: the caller's promise.
    unsafe { read_handle(handle) }.map_or(true, is_no_handle)
}

fn is_no_handle(handle: SecHandle) -> bool {
    let words = (handle.lower, handle.upper);
    words == (0, 0) || words == (usize::MAX, usize::MAX) || words == (usize::MAX - 1, usize::MAX - 1)
}

/// Calls the system's table and returns its answer, if there is one; SEC_E_UNSUPPORTED_FUNCTION for a hole in it.
macro_rules! pass_on {
    ($table:expr, $entry:ident($($argument:expr),* $(,)?)) => {
        if let Some(table) = $table {
            return match table.$entry {
                // SAFETY: the caller's arguments as they came.
                Some(call) => unsafe { call($($argument),*) },
                None => $crate::boundary::code(
                    ::openschannel::status::ErrorStatus::UnsupportedFunction.code(),
                ),
            };
        }
    };
}

/// Passes a call on whose handle is somebody else's.
macro_rules! forward {
    ($handle:expr, $entry:ident($($argument:expr),* $(,)?)) => {
        // SAFETY: the caller's promise.
        $crate::elsewhere::pass_on!(unsafe { $crate::elsewhere::of_handle($handle) }, $entry($($argument),*));
    };
}

pub(crate) use {forward, pass_on};

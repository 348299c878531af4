//! GetLastError and SetLastError, and what is set here.

use std::cell::Cell;

thread_local! {
    static LAST_ERROR: Cell<u32> = const { Cell::new(0) };
}

/// Windows' error numbers, as many as are used here. HRESULTs and plain ones mix, as they do there.
pub(super) mod code {
    pub(crate) const ERROR_FILE_NOT_FOUND: u32 = 2;
    pub(crate) const ERROR_ACCESS_DENIED: u32 = 5;
    pub(crate) const ERROR_INVALID_DATA: u32 = 13;
    pub(crate) const ERROR_INVALID_PASSWORD: u32 = 86;
    pub(crate) const ERROR_INVALID_PARAMETER: u32 = 87;
    pub(crate) const ERROR_MORE_DATA: u32 = 234;
    pub(crate) const ERROR_INTERNAL_ERROR: u32 = 1359;
    pub(crate) const E_INVALIDARG: u32 = 0x8007_0057;
    pub(crate) const NTE_BAD_KEY: u32 = 0x8009_0003;
    pub(crate) const NTE_BAD_KEYSET: u32 = 0x8009_0016;
    pub(crate) const CRYPT_E_BAD_ENCODE: u32 = 0x8009_2002;
    pub(crate) const CRYPT_E_NOT_FOUND: u32 = 0x8009_2004;
    pub(crate) const CRYPT_E_EXISTS: u32 = 0x8009_2005;
    pub(crate) const CRYPT_E_SELF_SIGNED: u32 = 0x8009_2007;
    pub(crate) const CRYPT_E_NO_MATCH: u32 = 0x8009_2009;
    pub(crate) const CRYPT_E_NO_KEY_PROPERTY: u32 = 0x8009_200B;
    pub(crate) const CRYPT_E_REVOKED: u32 = 0x8009_2010;
    pub(crate) const CRYPT_E_NO_REVOCATION_CHECK: u32 = 0x8009_2012;
    pub(crate) const CRYPT_E_REVOCATION_OFFLINE: u32 = 0x8009_2013;
    pub(crate) const CRYPT_E_PENDING_CLOSE: u32 = 0x8009_200F;
    pub(crate) const CRYPT_E_ASN1_EOD: u32 = 0x8009_3102;
    pub(crate) const CRYPT_E_ASN1_BADTAG: u32 = 0x8009_310B;
}

/// `GetLastError`: what the thread's last failed call had to say.
///
/// # Safety
/// None is needed.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn GetLastError() -> u32 {
    LAST_ERROR.try_with(Cell::get).unwrap_or(0)
}

/// `SetLastError`
///
/// # Safety
/// None is needed.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn SetLastError(error: u32) {
    set(error);
}

/// A thread that is ending has nobody left to ask.
pub(super) fn set(error: u32) {
    let _ = LAST_ERROR.try_with(|last| last.set(error));
}

/// Runs the body of an exported function that answers BOOL: FALSE leaves the reason behind.
pub(super) fn answer(body: impl FnOnce() -> Result<(), u32>) -> i32 {
    match crate::boundary::value(Err(code::ERROR_INTERNAL_ERROR), body) {
        Ok(()) => 1,
        Err(error) => {
            set(error);
            0
        }
    }
}

/// The same for functions that answer with something else, `fallen` when they fail.
pub(super) fn value<T>(fallen: T, body: impl FnOnce() -> Result<T, u32>) -> T {
    match crate::boundary::value(Err(code::ERROR_INTERNAL_ERROR), body) {
        Ok(value) => value,
        Err(error) => {
            set(error);
            fallen
        }
    }
}

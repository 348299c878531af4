//! AcquireCredentialsHandle and the other calls on credential handles (sections 2.2, 2.3, 2.9).

use core::ffi::c_void;

use openschannel::status::{ErrorStatus, SuccessStatus};

use crate::boundary::{self, Answer};
use crate::credentials::{self as room, Extras};
use crate::elsewhere;
use crate::handles::credentials;
use crate::packages;
use crate::strings;
use crate::types::{SecHandle, SecWchar, SecurityStatusCode, TimeStamp};

/// The same call for either character type.
macro_rules! acquire_credentials_handle {
    ($($(#[$meta:meta])* $name:ident, $char:ty, $charset:ident, $table:ident;)+) => { $(
        $(#[$meta])*
        #[unsafe(no_mangle)]
        pub unsafe extern "system" fn $name(
            pszPrincipal: *const $char,
            pszPackage: *const $char,
            fCredentialUse: u32,
            pvLogonId: *const c_void,
            pAuthData: *const c_void,
            pGetKeyFn: *const c_void,
            pvGetKeyArgument: *const c_void,
            phCredential: *mut SecHandle,
            ptsExpiry: *mut TimeStamp,
        ) -> SecurityStatusCode {
            // SAFETY: the caller's promise.
            let package = unsafe { strings::$charset(pszPackage) }.ok().flatten();
            if !package.as_deref().is_some_and(packages::is_ours) {
                elsewhere::pass_on!(
                    elsewhere::$table(),
                    acquire_credentials_handle(
                        pszPrincipal,
                        pszPackage,
                        fCredentialUse,
                        pvLogonId,
                        pAuthData,
                        pGetKeyFn,
                        pvGetKeyArgument,
                        phCredential,
                        ptsExpiry
                    )
                );
                return boundary::code(ErrorStatus::SecpkgNotFound.code());
            }
            // SAFETY: the caller's promise.
            boundary::status(|| unsafe {
                acquire(fCredentialUse, pAuthData, &Extras::default(), phCredential, ptsExpiry)
            })
        }
    )+ };
}

acquire_credentials_handle! {
    /// AcquireCredentialsHandleW: credentials of a client (SECPKG_CRED_OUTBOUND) or a server (SECPKG_CRED_INBOUND). `pAuthData` is null, a
    /// SCHANNEL_CRED or a SCH_CREDENTIALS; everything needed is copied. The other parameters are not looked at.
    ///
    /// - SEC_E_SECPKG_NOT_FOUND: no package of that name.
    /// - SEC_E_NO_CREDENTIALS: another `fCredentialUse`, a server without `pAuthData`, a certificate without its private key.
    /// - SEC_E_UNKNOWN_CREDENTIALS: another version, another format, something that is no certificate.
    /// - SEC_E_ALGORITHM_MISMATCH: no protocol remains, or TLS and DTLS are mixed.
    /// - SEC_E_INVALID_PARAMETER: `phCredential` is null, or there is more of something than may be.
    ///
    /// # Safety
    /// Pointers are null or point to what the SDK says.
    AcquireCredentialsHandleW, SecWchar, wide, wide;
    /// AcquireCredentialsHandleA: as [`AcquireCredentialsHandleW`].
    ///
    /// # Safety
    /// As there.
    AcquireCredentialsHandleA, u8, ansi, ansi;
}

/// What all ways to acquire credentials come to.
///
/// # Safety
/// As [`AcquireCredentialsHandleW`].
pub(crate) unsafe fn acquire(
    credential_use: u32,
    auth_data: *const c_void,
    extras: &Extras,
    handle: *mut SecHandle,
    expiry: *mut TimeStamp,
) -> Answer {
    // SAFETY: the caller's promise.
    let credential =
        unsafe { room::acquire(credential_use, auth_data, extras) }.map_err(|error| error.status())?;
    if handle.is_null() {
        return Err(ErrorStatus::InvalidParameter);
    }
    let until = credential.expiry();
    let made = credentials().insert(credential)?;
    // SAFETY: not null, so writable by the caller's promise.
    unsafe { handle.write_unaligned(made) };
    if !expiry.is_null() {
        // SAFETY: as above.
        unsafe { expiry.write_unaligned(until) };
    }
    Ok(SuccessStatus::Ok)
}

/// FreeCredentialsHandle. Contexts made from the credential stay valid.
///
/// - SEC_E_INVALID_HANDLE: not a credential, or freed before.
///
/// # Safety
/// `phCredential` is null or points to a handle.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn FreeCredentialsHandle(phCredential: *const SecHandle) -> SecurityStatusCode {
    elsewhere::forward!(phCredential, free_credentials_handle(phCredential));
    boundary::status(|| {
        // SAFETY: the caller's promise.
        credentials().remove(unsafe { elsewhere::read_handle(phCredential) }?)?;
        Ok(SuccessStatus::Ok)
    })
}

/// # Safety
/// `handle` is null or points to a handle; `buffer` is null or points to the attribute's structure.
unsafe fn query(
    handle: *const SecHandle,
    attribute: u32,
    buffer: *mut c_void,
    len: Option<u32>,
) -> SecurityStatusCode {
    boundary::status(|| {
        // SAFETY: the caller's promise.
        let credential = credentials().get(unsafe { elsewhere::read_handle(handle) }?)?;
        // SAFETY: the caller's promise.
        unsafe { room::query(&credential, attribute, buffer, len) }?;
        Ok(SuccessStatus::Ok)
    })
}

macro_rules! query_credentials {
    ($($(#[$meta:meta])* $name:ident, $name_ex:ident, $set:ident, $table:ident;)+) => { $(
        $(#[$meta])*
        ///
        /// - SEC_E_INVALID_HANDLE; SEC_E_INTERNAL_ERROR: `pBuffer` is null; SEC_E_NO_CREDENTIALS: SECPKG_CRED_ATTR_NAMES;
        ///   SEC_E_UNSUPPORTED_FUNCTION: any other attribute.
        ///
        /// # Safety
        /// `phCredential` is null or points to a handle; `pBuffer` is null or points to the attribute's structure.
        #[unsafe(no_mangle)]
        pub unsafe extern "system" fn $name(
            phCredential: *const SecHandle,
            ulAttribute: u32,
            pBuffer: *mut c_void,
        ) -> SecurityStatusCode {
            // SAFETY: the caller's promise.
            if unsafe { elsewhere::of_handle(phCredential) }.is_some() {
                elsewhere::pass_on!(
                    elsewhere::$table(),
                    query_credentials_attributes(phCredential, ulAttribute, pBuffer)
                );
            }
            // SAFETY: the caller's promise.
            unsafe { query(phCredential, ulAttribute, pBuffer, None) }
        }

        #[doc = concat!("[`", stringify!($name), "`] with the buffer's size.")]
        ///
        /// - SEC_E_BUFFER_TOO_SMALL: `cbBuffer` is less than the structure's size.
        ///
        /// # Safety
        /// As there.
        #[unsafe(no_mangle)]
        pub unsafe extern "system" fn $name_ex(
            phCredential: *const SecHandle,
            ulAttribute: u32,
            pBuffer: *mut c_void,
            cbBuffer: u32,
        ) -> SecurityStatusCode {
            // SAFETY: the caller's promise.
            if unsafe { elsewhere::of_handle(phCredential) }.is_some() {
                elsewhere::pass_on!(
                    elsewhere::$table(),
                    query_credentials_attributes_ex(phCredential, ulAttribute, pBuffer, cbBuffer)
                );
            }
            // SAFETY: the caller's promise.
            unsafe { query(phCredential, ulAttribute, pBuffer, Some(cbBuffer)) }
        }

        /// SetCredentialsAttributes: SECPKG_ATTR_SESSION_TICKET_KEYS on a server's credentials.
        ///
        /// - SEC_E_INVALID_HANDLE; SEC_E_UNSUPPORTED_FUNCTION: any other attribute.
        ///
        /// # Safety
        /// `phCredential` is null or points to a handle; `pBuffer` is null or points to `cbBuffer` bytes.
        #[unsafe(no_mangle)]
        pub unsafe extern "system" fn $set(
            phCredential: *const SecHandle,
            ulAttribute: u32,
            pBuffer: *mut c_void,
            cbBuffer: u32,
        ) -> SecurityStatusCode {
            // SAFETY: the caller's promise.
            if unsafe { elsewhere::of_handle(phCredential) }.is_some() {
                elsewhere::pass_on!(
                    elsewhere::$table(),
                    set_credentials_attributes(phCredential, ulAttribute, pBuffer, cbBuffer)
                );
            }
            boundary::status(|| {
                // SAFETY: the caller's promise.
                let credential = credentials().get(unsafe { elsewhere::read_handle(phCredential) }?)?;
                // SAFETY: the caller's promise.
                unsafe { room::set(&credential, ulAttribute, pBuffer, cbBuffer) }?;
                Ok(SuccessStatus::Ok)
            })
        }
    )+ };
}

query_credentials! {
    /// QueryCredentialsAttributesW.
    QueryCredentialsAttributesW, QueryCredentialsAttributesExW, SetCredentialsAttributesW, wide;
    /// QueryCredentialsAttributesA: no attribute here has a string in it.
    QueryCredentialsAttributesA, QueryCredentialsAttributesExA, SetCredentialsAttributesA, ansi;
}

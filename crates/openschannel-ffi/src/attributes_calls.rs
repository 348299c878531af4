//! QueryContextAttributes and SetContextAttributes (section 2.9).

use core::ffi::c_void;

use openschannel::status::SuccessStatus;

use crate::attributes::{self as room, Charset};
use crate::boundary;
use crate::elsewhere;
use crate::handles::contexts;
use crate::types::{SecHandle, SecurityStatusCode};

/// # Safety
/// `handle` is null or points to a handle; `buffer` is null or points to the attribute's structure.
unsafe fn query(
    handle: *const SecHandle,
    charset: Charset,
    attribute: u32,
    buffer: *mut c_void,
    len: Option<u32>,
) -> SecurityStatusCode {
    boundary::status(|| {
        // SAFETY: the caller's promise.
        let handle = unsafe { elsewhere::read_handle(handle) }?;
        contexts().whole(handle, |connection| {
            // SAFETY: the caller's promise.
            unsafe { room::query(connection, charset, attribute, buffer, len) }
        })?;
        Ok(SuccessStatus::Ok)
    })
}

macro_rules! context_attributes {
    ($($(#[$meta:meta])* $name:ident, $name_ex:ident, $set:ident, $charset:ident, $table:ident;)+) => { $(
        $(#[$meta])*
        ///
        /// - SEC_E_INVALID_HANDLE: no such context, or for most attributes an unfinished handshake (section 3.6).
        /// - SEC_E_INTERNAL_ERROR: `pBuffer` is null. SEC_E_UNSUPPORTED_FUNCTION: no such attribute here.
        /// - SEC_E_NO_CREDENTIALS: there is no such certificate.
        ///
        /// What a structure points to is freed with FreeContextBuffer, certificates with CertFreeCertificateContext.
        ///
        /// # Safety
        /// `phContext` is null or points to a handle; `pBuffer` is null or points to the attribute's structure.
        #[unsafe(no_mangle)]
        pub unsafe extern "system" fn $name(
            phContext: *const SecHandle,
            ulAttribute: u32,
            pBuffer: *mut c_void,
        ) -> SecurityStatusCode {
            // SAFETY: the caller's promise.
            if unsafe { elsewhere::of_handle(phContext) }.is_some() {
                elsewhere::pass_on!(
                    elsewhere::$table(),
                    query_context_attributes(phContext, ulAttribute, pBuffer)
                );
            }
            // SAFETY: the caller's promise.
            unsafe { query(phContext, Charset::$charset, ulAttribute, pBuffer, None) }
        }

        #[doc = concat!("[`", stringify!($name), "`] with the buffer's size.")]
        ///
        /// - SEC_E_BUFFER_TOO_SMALL: `cbBuffer` is less than the structure's size.
        ///
        /// # Safety
        /// As there.
        #[unsafe(no_mangle)]
        pub unsafe extern "system" fn $name_ex(
            phContext: *const SecHandle,
            ulAttribute: u32,
            pBuffer: *mut c_void,
            cbBuffer: u32,
        ) -> SecurityStatusCode {
            // SAFETY: the caller's promise.
            if unsafe { elsewhere::of_handle(phContext) }.is_some() {
                elsewhere::pass_on!(
                    elsewhere::$table(),
                    query_context_attributes_ex(phContext, ulAttribute, pBuffer, cbBuffer)
                );
            }
            // SAFETY: the caller's promise.
            unsafe { query(phContext, Charset::$charset, ulAttribute, pBuffer, Some(cbBuffer)) }
        }

        /// SetContextAttributes.
        ///
        /// - SEC_E_INVALID_HANDLE; SEC_E_UNSUPPORTED_FUNCTION: no attribute that can be set, or not now.
        ///
        /// # Safety
        /// `phContext` is null or points to a handle; `pBuffer` is null or points to `cbBuffer` bytes.
        #[unsafe(no_mangle)]
        pub unsafe extern "system" fn $set(
            phContext: *const SecHandle,
            ulAttribute: u32,
            pBuffer: *mut c_void,
            cbBuffer: u32,
        ) -> SecurityStatusCode {
            // SAFETY: the caller's promise.
            if unsafe { elsewhere::of_handle(phContext) }.is_some() {
                elsewhere::pass_on!(
                    elsewhere::$table(),
                    set_context_attributes(phContext, ulAttribute, pBuffer, cbBuffer)
                );
            }
            boundary::status(|| {
                // SAFETY: the caller's promise.
                let handle = unsafe { elsewhere::read_handle(phContext) }?;
                contexts().whole(handle, |connection| {
                    // SAFETY: the caller's promise.
                    unsafe { room::set(connection, ulAttribute, pBuffer, cbBuffer) }
                })?;
                Ok(SuccessStatus::Ok)
            })
        }
    )+ };
}

context_attributes! {
    /// QueryContextAttributesW: what is known about a connection.
    QueryContextAttributesW, QueryContextAttributesExW, SetContextAttributesW, Wide, wide;
    /// QueryContextAttributesA: as the W function; strings that are pointed to are 8-bit ones.
    QueryContextAttributesA, QueryContextAttributesExA, SetContextAttributesA, Ansi, ansi;
}

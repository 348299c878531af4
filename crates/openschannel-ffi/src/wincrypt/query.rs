//! CryptQueryObject: what a file or a blob holds, as far as certificates go.

use core::ffi::c_void;
use std::sync::Arc;

use openschannel::credentials::PfxContents;

use super::certificate::{Parsed, Properties};
use super::import::{blob, certificates};
use super::last_error::{answer, code};
use super::registry::{StoreKind, registry};
use super::stores::add;
use super::text::from_wide;
use super::types::{CERT_CONTEXT, HCERTSTORE, X509_ASN_ENCODING};

/// `CERT_QUERY_OBJECT_*`
const OBJECT_FILE: u32 = 1;
const OBJECT_BLOB: u32 = 2;
/// `CERT_QUERY_CONTENT_*`
const CONTENT_CERT: u32 = 1;
const CONTENT_PFX: u32 = 12;
/// `CERT_QUERY_FORMAT_*`
const FORMAT_BINARY: u32 = 1;
const FORMAT_BASE64: u32 = 2;

/// `CERT_STORE_ADD_ALWAYS`
const ADD_ALWAYS: u32 = 4;

/// Larger files are no certificates.
const LARGEST_FILE: u64 = 64 << 20;

/// `CryptQueryObject`: certificates in DER or PEM (CERT_QUERY_CONTENT_CERT), and whether it is PKCS #12 (CERT_QUERY_CONTENT_PFX, to be
/// opened with PFXImportCertStore). FALSE with CRYPT_E_NO_MATCH for everything else, and for what was not among the expected kinds.
///
/// # Safety
/// `pvObject` points to a blob, for CERT_QUERY_OBJECT_FILE to a file name of 16-bit units; all others are null or point to what they are
/// to receive.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn CryptQueryObject(
    dwObjectType: u32,
    pvObject: *const c_void,
    dwExpectedContentTypeFlags: u32,
    dwExpectedFormatTypeFlags: u32,
    _dwFlags: u32,
    pdwMsgAndCertEncodingType: *mut u32,
    pdwContentType: *mut u32,
    pdwFormatType: *mut u32,
    phCertStore: *mut HCERTSTORE,
    phMsg: *mut *mut c_void,
    ppvContext: *mut *const c_void,
) -> i32 {
    answer(|| {
        // SAFETY: as the caller's.
        let bytes = unsafe { object(dwObjectType, pvObject) }?;
        let found = Found::in_bytes(&bytes).ok_or(code::CRYPT_E_NO_MATCH)?;
        let expected = dwExpectedContentTypeFlags & 1 << found.content != 0
            && dwExpectedFormatTypeFlags & 1 << found.format != 0;
        if !expected {
            return Err(code::CRYPT_E_NO_MATCH);
        }
        // SAFETY: as the caller's.
        unsafe { put(pdwMsgAndCertEncodingType, X509_ASN_ENCODING) };
        // SAFETY: as the caller's.
        unsafe { put(pdwContentType, found.content) };
        // SAFETY: as the caller's.
        unsafe { put(pdwFormatType, found.format) };
        // SAFETY: as the caller's.
        unsafe { put(phMsg, std::ptr::null_mut()) };
        let mut registry = registry();
        let mut store = std::ptr::null_mut();
        let mut context: *const CERT_CONTEXT = std::ptr::null();
        let is_wanted = !phCertStore.is_null() || !ppvContext.is_null();
        if is_wanted && !found.certificates.is_empty() {
            store = registry.open_store(StoreKind::Memory);
            for parsed in found.certificates {
                let added = add(&mut registry, store, parsed, Properties::default(), ADD_ALWAYS)?;
                if context.is_null() && !ppvContext.is_null() {
                    context = registry.refer(&added);
                }
            }
            if phCertStore.is_null() {
                // The context keeps it.
                registry.close_store(store, false)?;
            }
        }
        // SAFETY: as the caller's.
        unsafe { put(phCertStore, store) };
        // SAFETY: as the caller's.
        unsafe { put(ppvContext, context.cast()) };
        Ok(())
    })
}

struct Found {
    content: u32,
    format: u32,
    certificates: Vec<Arc<Parsed>>,
}

impl Found {
    fn in_bytes(bytes: &[u8]) -> Option<Self> {
        if PfxContents::looks_like_one(bytes) {
            return Some(Self { content: CONTENT_PFX, format: FORMAT_BINARY, certificates: Vec::new() });
        }
        if let Some(parsed) = Parsed::read(bytes) {
            return Some(Self { content: CONTENT_CERT, format: FORMAT_BINARY, certificates: vec![parsed] });
        }
        let certificates = certificates(bytes).ok()?;
        Some(Self { content: CONTENT_CERT, format: FORMAT_BASE64, certificates })
    }
}

/// # Safety
/// As [`CryptQueryObject`].
unsafe fn object(kind: u32, object: *const c_void) -> Result<Vec<u8>, u32> {
    match kind {
        // SAFETY: as the caller's.
        OBJECT_BLOB => unsafe { blob(object.cast()) }.map(<[u8]>::to_vec).ok_or(code::E_INVALIDARG),
        OBJECT_FILE => {
            // SAFETY: as the caller's.
            let name = unsafe { from_wide(object.cast()) }.ok_or(code::E_INVALIDARG)?;
            let found = std::fs::metadata(&name).map_err(|_| code::ERROR_FILE_NOT_FOUND)?;
            if !found.is_file() || found.len() > LARGEST_FILE {
                return Err(code::CRYPT_E_NO_MATCH);
            }
            std::fs::read(&name).map_err(|_| code::ERROR_FILE_NOT_FOUND)
        }
        _ => Err(code::E_INVALIDARG),
    }
}

/// # Safety
/// `place` is null or points to a `T`.
unsafe fn put<T>(place: *mut T, value: T) {
    if !place.is_null() {
        // SAFETY: the caller vouches for it; it is not null.
        unsafe { place.write_unaligned(value) };
    }
}

//! Certificate contexts: made, duplicated, freed.

use super::certificate::{Parsed, Properties};
use super::last_error::{code, value};
use super::registry::registry;
use super::types::{CERT_CONTEXT, CERT_ENCODING_TYPE_MASK, X509_ASN_ENCODING, slice};

/// `CertCreateCertificateContext`: a certificate in DER becomes a context, which is to be freed with CertFreeCertificateContext.
/// NULL with E_INVALIDARG for another encoding type, with a CRYPT_E_ASN1_ error for what is no certificate.
///
/// # Safety
/// `pbCertEncoded` is null or points to `cbCertEncoded` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn CertCreateCertificateContext(
    dwCertEncodingType: u32,
    pbCertEncoded: *const u8,
    cbCertEncoded: u32,
) -> *const CERT_CONTEXT {
    value(std::ptr::null(), || {
        // SAFETY: as the caller's.
        let bytes = unsafe { slice(pbCertEncoded, cbCertEncoded) };
        let parsed = read(dwCertEncodingType, bytes)?;
        Ok(registry().add_loose(parsed, Properties::default()).context())
    })
}

/// `CertDuplicateCertificateContext`: one more reference to the same context. NULL for what is no context, E_INVALIDARG.
///
/// # Safety
/// None is needed: a pointer that is not ours is not followed.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn CertDuplicateCertificateContext(
    pCertContext: *const CERT_CONTEXT,
) -> *const CERT_CONTEXT {
    value(std::ptr::null(), || {
        if pCertContext.is_null() {
            return Ok(pCertContext);
        }
        registry().duplicate(pCertContext).ok_or(code::E_INVALIDARG)
    })
}

/// `CertFreeCertificateContext`: gives a reference back. TRUE always, as documented.
///
/// # Safety
/// None is needed: a pointer that is not ours is not followed.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn CertFreeCertificateContext(pCertContext: *const CERT_CONTEXT) -> i32 {
    crate::boundary::value(1, || {
        registry().release(pCertContext);
        1
    })
}

/// A certificate from the caller's memory.
pub(super) fn read(encoding: u32, bytes: Option<&[u8]>) -> Result<std::sync::Arc<Parsed>, u32> {
    if encoding & CERT_ENCODING_TYPE_MASK != X509_ASN_ENCODING {
        return Err(code::E_INVALIDARG);
    }
    let bytes = bytes.filter(|bytes| !bytes.is_empty()).ok_or(code::CRYPT_E_ASN1_EOD)?;
    Parsed::read(bytes).ok_or_else(|| match bytes.first() {
        Some(&SEQUENCE) => code::CRYPT_E_ASN1_EOD,
        _ => code::CRYPT_E_ASN1_BADTAG,
    })
}

const SEQUENCE: u8 = 0x30;

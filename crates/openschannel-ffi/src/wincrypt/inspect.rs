//! Looking into certificates, and comparing them.

use core::ffi::{c_char, c_void};
use std::time::SystemTime;

use x509_parser::asn1_rs::{Any, FromDer};
use x509_parser::public_key::RSAPublicKey;

use super::chain::{file_time, usages};
use super::import::blob;
use super::last_error::{answer, code, value};
use super::output::copy_out;
use super::registry::certificate;
use super::text::from_narrow;
use super::types::{BitBlob, Blob, CERT_CONTEXT, CertInfo, Extension, FileTime, PublicKeyInfo, slice};

const KEY_USAGE: &str = "2.5.29.15";
const RSA: &str = "1.2.840.113549.1.1.1";

/// Named curves: their DER object identifier and the bits of a key.
const CURVES: &[(&[u8], u32)] = &[
    (&[6, 8, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 3, 1, 7], 256),
    (&[6, 5, 0x2B, 0x81, 4, 0, 0x22], 384),
    (&[6, 5, 0x2B, 0x81, 4, 0, 0x23], 521),
];

/// `CertCompareCertificate`: whether issuer and serial number are the same.
///
/// # Safety
/// Both are null or point to a CERT_INFO of which these say the truth.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn CertCompareCertificate(
    _dwCertEncodingType: u32,
    pCertId1: *const CertInfo,
    pCertId2: *const CertInfo,
) -> i32 {
    crate::boundary::value(0, || {
        if [pCertId1, pCertId2].iter().any(|id| id.is_null() || !id.is_aligned()) {
            return 0;
        }
        // SAFETY: the caller vouches for it; it is neither null nor misaligned.
        let first = unsafe { &*pCertId1 };
        // SAFETY: as above.
        let second = unsafe { &*pCertId2 };
        // SAFETY: the caller vouches for the blobs.
        let same = |first: &Blob, second: &Blob| unsafe { first.bytes() }.zip(unsafe { second.bytes() });
        let issuer = same(&first.issuer, &second.issuer).is_some_and(|(a, b)| same_name(a, b));
        let serial =
            same(&first.serial, &second.serial).is_some_and(|(a, b)| significant(a) == significant(b));
        i32::from(issuer && serial)
    })
}

/// `CertCompareCertificateName`: whether two encoded names are the same, byte for byte.
///
/// # Safety
/// Both are null or point to a blob that says the truth.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn CertCompareCertificateName(
    _dwCertEncodingType: u32,
    pCertName1: *const Blob,
    pCertName2: *const Blob,
) -> i32 {
    // SAFETY: as the caller's.
    unsafe { compare(pCertName1, pCertName2, same_name) }
}

/// `CertCompareIntegerBlob`: whether two little-endian integers are the same, signs that say nothing new aside.
///
/// # Safety
/// Both are null or point to a blob that says the truth.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn CertCompareIntegerBlob(pInt1: *const Blob, pInt2: *const Blob) -> i32 {
    // SAFETY: as the caller's.
    unsafe { compare(pInt1, pInt2, |first, second| significant(first) == significant(second)) }
}

/// `CertComparePublicKeyInfo`: whether algorithm and key are the same.
///
/// # Safety
/// Both are null or point to a CERT_PUBLIC_KEY_INFO that says the truth.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn CertComparePublicKeyInfo(
    _dwCertEncodingType: u32,
    pPublicKey1: *const PublicKeyInfo,
    pPublicKey2: *const PublicKeyInfo,
) -> i32 {
    crate::boundary::value(0, || {
        // SAFETY: as the caller's.
        let first = unsafe { PublicKey::read(pPublicKey1) };
        // SAFETY: as the caller's.
        let second = unsafe { PublicKey::read(pPublicKey2) };
        i32::from(first.zip(second).is_some_and(|(first, second)| {
            first.oid == second.oid && first.parameters == second.parameters && first.key == second.key
        }))
    })
}

/// `CertGetPublicKeyLength`: in bits; 0 for a key of a kind that is not known.
///
/// # Safety
/// `pPublicKey` is null or points to a CERT_PUBLIC_KEY_INFO that says the truth.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn CertGetPublicKeyLength(
    _dwCertEncodingType: u32,
    pPublicKey: *const PublicKeyInfo,
) -> u32 {
    value(0, || {
        // SAFETY: as the caller's.
        let key = unsafe { PublicKey::read(pPublicKey) }.ok_or(code::E_INVALIDARG)?;
        if key.oid == RSA {
            let (_, rsa) = RSAPublicKey::from_der(key.key).map_err(|_| code::CRYPT_E_BAD_ENCODE)?;
            return u32::try_from(rsa.key_size()).map_err(|_| code::CRYPT_E_BAD_ENCODE);
        }
        let curve = CURVES.iter().find(|(oid, _)| *oid == key.parameters);
        curve.map(|(_, bits)| *bits).ok_or(code::NTE_BAD_KEY)
    })
}

/// `CertVerifyTimeValidity`: -1 before the time, 1 after it, 0 in it; for NULL as `pTimeToVerify` now.
///
/// # Safety
/// `pTimeToVerify` is null or points to a FILETIME, `pCertInfo` to a CERT_INFO with its two dates.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn CertVerifyTimeValidity(
    pTimeToVerify: *const FileTime,
    pCertInfo: *const CertInfo,
) -> i32 {
    crate::boundary::value(1, || {
        // SAFETY: the caller vouches for it.
        let time = (!pTimeToVerify.is_null()).then(|| unsafe { pTimeToVerify.read_unaligned() });
        if pCertInfo.is_null() || !pCertInfo.is_aligned() {
            return 1;
        }
        // SAFETY: the caller vouches for it; it is neither null nor misaligned.
        time_validity(unsafe { &*pCertInfo }, time)
    })
}

/// `CertFindExtension`: the extension with that object identifier; NULL when there is none.
///
/// # Safety
/// `pszObjId` is null or a C string; `rgExtensions` points to as many extensions as are said, with strings.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn CertFindExtension(
    pszObjId: *const c_char,
    cExtensions: u32,
    rgExtensions: *const Extension,
) -> *const Extension {
    value(std::ptr::null(), || {
        // SAFETY: as the caller's.
        let oid = unsafe { from_narrow(pszObjId) }.ok_or(code::ERROR_INVALID_PARAMETER)?;
        // SAFETY: as the caller's.
        let found = unsafe { find_extension(&oid, cExtensions, rgExtensions) };
        Ok(found.map_or(std::ptr::null(), std::ptr::from_ref))
    })
}

/// `CertGetIntendedKeyUsage`: the bytes of the key usage; FALSE with last error 0 for a certificate without.
///
/// # Safety
/// `pCertInfo` is null or points to a CERT_INFO whose extensions say the truth; `pbKeyUsage` points to `cbKeyUsage` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn CertGetIntendedKeyUsage(
    _dwCertEncodingType: u32,
    pCertInfo: *const CertInfo,
    pbKeyUsage: *mut u8,
    cbKeyUsage: u32,
) -> i32 {
    answer(|| {
        if pCertInfo.is_null() || !pCertInfo.is_aligned() || pbKeyUsage.is_null() {
            return Err(code::E_INVALIDARG);
        }
        // SAFETY: the caller vouches for it; it is neither null nor misaligned.
        let info = unsafe { &*pCertInfo };
        // SAFETY: the caller vouches for the extensions.
        let extension = unsafe { find_extension(KEY_USAGE, info.extension_count, info.extensions) };
        // SAFETY: and for their values.
        let encoded = extension.and_then(|extension| unsafe { extension.value.bytes() });
        let bits = encoded.and_then(|encoded| Any::from_der(encoded).ok()).map(|(_, bits)| bits.data);
        let usage = bits.and_then(|bits| bits.split_first()).map(|(_, usage)| usage).ok_or(0_u32)?;
        let room = cbKeyUsage as usize;
        // SAFETY: the caller vouches for the room.
        unsafe { pbKeyUsage.write_bytes(0, room) };
        // SAFETY: as above; no more is copied than there is of either.
        unsafe { std::ptr::copy_nonoverlapping(usage.as_ptr(), pbKeyUsage, room.min(usage.len())) };
        Ok(())
    })
}

/// `CertGetEnhancedKeyUsage`: the object identifiers of the extended key usage. None with last error CRYPT_E_NOT_FOUND is any usage,
/// with last error 0 none at all.
///
/// # Safety
/// `pcbUsage` is null or points to a DWORD; `pUsage` is null or points to as many bytes as that says.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn CertGetEnhancedKeyUsage(
    pCertContext: *const CERT_CONTEXT,
    _dwFlags: u32,
    pUsage: *mut c_void,
    pcbUsage: *mut u32,
) -> i32 {
    let mut any = false;
    let done = answer(|| {
        let certificate = certificate(pCertContext).ok_or(code::E_INVALIDARG)?;
        let usages = usages(certificate.parsed());
        any = usages.is_none();
        let usages = usages.unwrap_or_default();
        // SAFETY: as the caller's.
        unsafe { copy_out(super::decode::usages(&usages), pUsage.cast(), pcbUsage) }
    });
    if done != 0 {
        super::last_error::set(if any { code::CRYPT_E_NOT_FOUND } else { 0 });
    }
    done
}

/// Names are compared as they are encoded, as Windows does.
pub(super) fn same_name(first: &[u8], second: &[u8]) -> bool {
    first == second
}

/// -1, 0, 1: before, in, behind the time of validity.
pub(super) fn time_validity(info: &CertInfo, time: Option<FileTime>) -> i32 {
    let now = time.unwrap_or_else(|| file_time(SystemTime::now())).ticks();
    i32::from(now > info.not_after.ticks()) - i32::from(now < info.not_before.ticks())
}

/// A CERT_PUBLIC_KEY_INFO of the caller's.
struct PublicKey<'a> {
    oid: String,
    parameters: &'a [u8],
    key: &'a [u8],
}

impl PublicKey<'_> {
    /// # Safety
    /// `info` is null or points to a CERT_PUBLIC_KEY_INFO that says the truth.
    unsafe fn read(info: *const PublicKeyInfo) -> Option<Self> {
        if info.is_null() {
            return None;
        }
        // SAFETY: the caller vouches for it; it is not null.
        let info = unsafe { info.read_unaligned() };
        // SAFETY: the caller vouches for the string.
        let oid = unsafe { from_narrow(info.algorithm.oid) }?;
        // SAFETY: the caller vouches for the blobs.
        let parameters = unsafe { info.algorithm.parameters.bytes() }?;
        let BitBlob { len, data, .. } = info.key;
        // SAFETY: as above.
        let key = unsafe { slice(data, len) }?;
        Some(Self { oid, parameters, key })
    }
}

/// # Safety
/// `extensions` points to `count` extensions, with strings.
unsafe fn find_extension<'a>(oid: &str, count: u32, extensions: *const Extension) -> Option<&'a Extension> {
    // SAFETY: the caller vouches for the array.
    let extensions = unsafe { slice(extensions, count) }?;
    extensions.iter().find(|extension| {
        // SAFETY: the caller vouches for the strings.
        unsafe { from_narrow(extension.oid) }.as_deref() == Some(oid)
    })
}

/// # Safety
/// Both are null or point to a blob that says the truth.
unsafe fn compare(first: *const Blob, second: *const Blob, same: impl Fn(&[u8], &[u8]) -> bool) -> i32 {
    crate::boundary::value(0, || {
        // SAFETY: as the caller's.
        let first = unsafe { blob(first) };
        // SAFETY: as the caller's.
        let second = unsafe { blob(second) };
        i32::from(first.zip(second).is_some_and(|(first, second)| same(first, second)))
    })
}

/// A little-endian integer without the bytes that only repeat its sign.
pub(super) fn significant(integer: &[u8]) -> &[u8] {
    let mut integer = integer;
    while let [.., before, last] = integer {
        let sign_repeated = matches!((*last, before & 0x80), (0, 0) | (0xFF, 0x80));
        if !sign_repeated {
            break;
        }
        integer = &integer[..integer.len() - 1];
    }
    integer
}

//! Properties: what is attached to a certificate, and what is worked out of it.

use core::ffi::c_void;

use aws_lc_rs::digest;

use super::certificate::{Certificate, Properties};
use super::chain::subject_key_id;
use super::import::blob;
use super::last_error::{answer, code};
use super::output::{Relocatable, copy_out};
use super::registry::certificate;
use super::text::{from_wide, to_wide};
use super::types::CERT_CONTEXT;

/// `CERT_*_PROP_ID`
pub(super) mod id {
    pub(crate) const KEY_PROV_HANDLE: u32 = 1;
    pub(crate) const KEY_PROV_INFO: u32 = 2;
    pub(crate) const SHA1_HASH: u32 = 3;
    pub(crate) const KEY_CONTEXT: u32 = 5;
    pub(crate) const KEY_SPEC: u32 = 6;
    pub(crate) const FRIENDLY_NAME: u32 = 11;
    pub(crate) const ACCESS_STATE: u32 = 14;
    pub(crate) const SIGNATURE_HASH: u32 = 15;
    pub(crate) const KEY_IDENTIFIER: u32 = 20;
    pub(crate) const DATE_STAMP: u32 = 27;
    pub(crate) const NCRYPT_KEY_HANDLE: u32 = 78;
    pub(crate) const SIGN_HASH_CNG_ALG: u32 = 89;
    pub(crate) const SHA256_HASH: u32 = 107;
    pub(crate) const LAST: u32 = 0xFFFF;
}

/// Where the caller says a private key is: `CRYPT_KEY_PROV_INFO` without its parameters.
#[derive(Clone, Debug)]
pub(super) struct KeyLocation {
    container: Option<String>,
    provider: Option<String>,
    provider_type: u32,
    flags: u32,
    key_spec: u32,
}

/// `CRYPT_KEY_PROV_INFO`
#[repr(C)]
#[derive(Clone, Copy)]
struct KeyProvInfo {
    container: *const u16,
    provider: *const u16,
    provider_type: u32,
    flags: u32,
    parameter_count: u32,
    parameters: *const c_void,
    key_spec: u32,
}

/// `CERT_KEY_CONTEXT`
const KEY_CONTEXT_SIZE: usize = size_of::<usize>() * 3;
/// Its `dwKeySpec`
const KEY_CONTEXT_SPEC: usize = size_of::<usize>() * 2;

/// The store's own keys have no container; this is what they are said to be in.
const PROVIDER_NAME: &str = "OpenSchannel";

impl Properties {
    /// Whether the caller says where its private key is, which is never here.
    pub(super) fn names_a_key(&self) -> bool {
        let handles = [id::KEY_PROV_HANDLE, id::KEY_CONTEXT, id::NCRYPT_KEY_HANDLE];
        self.key_location.is_some() || handles.iter().any(|id| self.values.contains_key(id))
    }
}

/// `CertGetCertificateContextProperty`. FALSE with CRYPT_E_NOT_FOUND for a property that is not there, ERROR_MORE_DATA for too small a
/// place.
///
/// # Safety
/// `pcbData` is null or points to a DWORD; `pvData` is null or points to as many bytes as that says.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn CertGetCertificateContextProperty(
    pCertContext: *const CERT_CONTEXT,
    dwPropId: u32,
    pvData: *mut c_void,
    pcbData: *mut u32,
) -> i32 {
    answer(|| {
        let certificate = certificate(pCertContext).ok_or(code::E_INVALIDARG)?;
        let value = get(&certificate, dwPropId).ok_or(code::CRYPT_E_NOT_FOUND)?;
        // SAFETY: as the caller's.
        unsafe { copy_out(value, pvData.cast(), pcbData) }
    })
}

/// `CertSetCertificateContextProperty`. `pvData` points to what the property is made of, as documented: a CRYPT_DATA_BLOB for most. NULL
/// takes the property away; that of CERT_KEY_PROV_INFO_PROP_ID the private key too.
///
/// # Safety
/// `pvData` is null, a handle for the properties that are one, or points to what the property is made of.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn CertSetCertificateContextProperty(
    pCertContext: *const CERT_CONTEXT,
    dwPropId: u32,
    _dwFlags: u32,
    pvData: *const c_void,
) -> i32 {
    answer(|| {
        let certificate = certificate(pCertContext).ok_or(code::E_INVALIDARG)?;
        if dwPropId == 0 || dwPropId > id::LAST {
            return Err(code::E_INVALIDARG);
        }
        if pvData.is_null() {
            let mut properties = certificate.properties();
            properties.values.remove(&dwPropId);
            if dwPropId == id::KEY_PROV_INFO {
                properties.key_location = None;
                properties.key = None;
            }
            return Ok(());
        }
        let bytes = match dwPropId {
            id::KEY_PROV_INFO => {
                // SAFETY: as the caller's.
                let location = unsafe { read_location(pvData) };
                certificate.properties().key_location = Some(location);
                return Ok(());
            }
            id::KEY_PROV_HANDLE | id::NCRYPT_KEY_HANDLE => pvData.addr().to_ne_bytes().to_vec(),
            // SAFETY: as the caller's.
            id::KEY_CONTEXT => unsafe { copy(pvData, KEY_CONTEXT_SIZE) },
            // SAFETY: as the caller's.
            id::KEY_SPEC | id::ACCESS_STATE => unsafe { copy(pvData, size_of::<u32>()) },
            // SAFETY: as the caller's.
            id::DATE_STAMP => unsafe { copy(pvData, size_of::<u64>()) },
            // SAFETY: as the caller's.
            _ => unsafe { blob(pvData.cast()) }.ok_or(code::E_INVALIDARG)?.to_vec(),
        };
        certificate.properties().values.insert(dwPropId, bytes);
        Ok(())
    })
}

/// `CertEnumCertificateContextProperties`: the number of the property behind `dwPropId`; 0 behind the last one.
///
/// # Safety
/// None is needed: a pointer that is not ours is not followed.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn CertEnumCertificateContextProperties(
    pCertContext: *const CERT_CONTEXT,
    dwPropId: u32,
) -> u32 {
    super::last_error::value(0, || {
        let certificate = certificate(pCertContext).ok_or(code::E_INVALIDARG)?;
        let properties = certificate.properties();
        let location = properties.key_location.is_some() || properties.key.is_some();
        let own = location.then_some(id::KEY_PROV_INFO);
        let behind = properties.values.keys().copied().chain(own).filter(|id| *id > dwPropId);
        Ok(behind.min().unwrap_or(0))
    })
}

/// What a property is; also for CERT_FIND_PROPERTY and the hashes to find certificates by.
pub(super) fn get(certificate: &Certificate, property: u32) -> Option<Relocatable> {
    let properties = certificate.properties();
    let stored = properties.values.get(&property);
    if let Some(stored) = stored {
        return Some(Relocatable::plain(stored));
    }
    let word = |value: u32| Some(Relocatable::plain(&value.to_ne_bytes()));
    match property {
        id::KEY_PROV_INFO => {
            let own = properties.key.as_ref().map(|_| own_location(certificate));
            return properties.key_location.clone().or(own).map(|location| location.relocatable());
        }
        id::KEY_SPEC => {
            if let Some(context) = properties.values.get(&id::KEY_CONTEXT) {
                let spec = context.get(KEY_CONTEXT_SPEC..KEY_CONTEXT_SPEC + size_of::<u32>())?;
                return Some(Relocatable::plain(spec));
            }
            return properties.key_location.as_ref().and_then(|location| word(location.key_spec));
        }
        id::ACCESS_STATE => return word(0),
        _ => {}
    }
    drop(properties);
    hash(certificate, property).map(|bytes| Relocatable::plain(&bytes))
}

/// The properties that follow from the certificate itself.
pub(super) fn hash(certificate: &Certificate, property: u32) -> Option<Vec<u8>> {
    let of = |algorithm, bytes: &[u8]| digest::digest(algorithm, bytes).as_ref().to_vec();
    let sha1 = &digest::SHA1_FOR_LEGACY_USE_ONLY;
    match property {
        id::SHA1_HASH => Some(of(sha1, certificate.der())),
        id::SHA256_HASH => Some(of(&digest::SHA256, certificate.der())),
        id::KEY_IDENTIFIER => {
            let parsed = certificate.parsed();
            Some(subject_key_id(parsed).unwrap_or_else(|| of(sha1, &parsed.names().public_key)))
        }
        id::SIGNATURE_HASH => {
            let x509 = certificate.parsed().x509()?;
            let algorithm = match signature_names(&x509.signature_algorithm.algorithm.to_id_string())?.1 {
                "SHA1" => sha1,
                "SHA256" => &digest::SHA256,
                "SHA384" => &digest::SHA384,
                _ => &digest::SHA512,
            };
            Some(of(algorithm, x509.tbs_certificate.as_ref()))
        }
        id::SIGN_HASH_CNG_ALG => {
            let x509 = certificate.parsed().x509()?;
            let (key, hash) = signature_names(&x509.signature_algorithm.algorithm.to_id_string())?;
            Some(to_wide(&format!("{key}/{hash}")).iter().flat_map(|unit| unit.to_ne_bytes()).collect())
        }
        _ => None,
    }
}

/// CNG's names for the two halves of a signature algorithm.
fn signature_names(oid: &str) -> Option<(&'static str, &'static str)> {
    Some(match oid {
        "1.2.840.113549.1.1.5" => ("RSA", "SHA1"),
        "1.2.840.113549.1.1.11" => ("RSA", "SHA256"),
        "1.2.840.113549.1.1.12" => ("RSA", "SHA384"),
        "1.2.840.113549.1.1.13" => ("RSA", "SHA512"),
        "1.2.840.10045.4.1" => ("ECDSA", "SHA1"),
        "1.2.840.10045.4.3.2" => ("ECDSA", "SHA256"),
        "1.2.840.10045.4.3.3" => ("ECDSA", "SHA384"),
        "1.2.840.10045.4.3.4" => ("ECDSA", "SHA512"),
        _ => return None,
    })
}

impl KeyLocation {
    fn relocatable(&self) -> Relocatable {
        let mut answer = Relocatable::default();
        let start = answer.reserve(size_of::<KeyProvInfo>());
        answer.put_u32(start + std::mem::offset_of!(KeyProvInfo, provider_type), self.provider_type);
        answer.put_u32(start + std::mem::offset_of!(KeyProvInfo, flags), self.flags);
        answer.put_u32(start + std::mem::offset_of!(KeyProvInfo, key_spec), self.key_spec);
        let names = [
            (std::mem::offset_of!(KeyProvInfo, container), &self.container),
            (std::mem::offset_of!(KeyProvInfo, provider), &self.provider),
        ];
        for (at, name) in names {
            if let Some(name) = name {
                let units: Vec<u8> = to_wide(name).iter().flat_map(|unit| unit.to_ne_bytes()).collect();
                answer.point(start + at, &units);
            }
        }
        answer
    }
}

/// A key of ours has no container; its certificate's fingerprint is as good a name as any.
fn own_location(certificate: &Certificate) -> KeyLocation {
    let fingerprint = hash(certificate, id::SHA1_HASH).unwrap_or_default();
    let container = fingerprint.iter().map(|byte| format!("{byte:02x}")).collect();
    KeyLocation {
        container: Some(container),
        provider: Some(PROVIDER_NAME.to_owned()),
        provider_type: 0,
        flags: 0,
        key_spec: 0,
    }
}

/// # Safety
/// `info` points to a CRYPT_KEY_PROV_INFO.
unsafe fn read_location(info: *const c_void) -> KeyLocation {
    // SAFETY: the caller vouches for the structure.
    let info = unsafe { info.cast::<KeyProvInfo>().read_unaligned() };
    // SAFETY: the caller vouches for the strings.
    let container = unsafe { from_wide(info.container) };
    // SAFETY: as above.
    let provider = unsafe { from_wide(info.provider) };
    let KeyProvInfo { provider_type, flags, key_spec, .. } = info;
    KeyLocation { container, provider, provider_type, flags, key_spec }
}

/// # Safety
/// `data` points to `len` bytes.
unsafe fn copy(data: *const c_void, len: usize) -> Vec<u8> {
    // SAFETY: the caller vouches for the memory.
    unsafe { std::slice::from_raw_parts(data.cast::<u8>(), len) }.to_vec()
}

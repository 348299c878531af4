//! Finding certificates in stores.

use core::ffi::{c_char, c_void};

use openschannel::credentials::{SignatureCheck, check_signature};

use super::certificate::Certificate;
use super::chain::{is_self_signed, key_ids_agree, usages};
use super::import::blob;
use super::inspect::{same_name, significant, time_validity};
use super::last_error::{answer, code, value};
use super::names::{attributes, to_text};
use super::properties::{get, hash, id};
use super::registry::{certificate, registry};
use super::stores::next;
use super::text::{from_narrow, from_wide};
use super::types::{Blob, CERT_CONTEXT, CertInfo, EnhancedKeyUsage, HCERTSTORE, PublicKeyInfo, slice};

/// `CERT_COMPARE_*`: the upper half of dwFindType.
mod compare {
    pub(super) const ANY: u32 = 0;
    pub(super) const SHA1_HASH: u32 = 1;
    pub(super) const NAME: u32 = 2;
    pub(super) const ATTR: u32 = 3;
    pub(super) const PROPERTY: u32 = 5;
    pub(super) const PUBLIC_KEY: u32 = 6;
    pub(super) const NAME_STR_A: u32 = 7;
    pub(super) const NAME_STR_W: u32 = 8;
    pub(super) const ENHKEY_USAGE: u32 = 10;
    pub(super) const SUBJECT_CERT: u32 = 11;
    pub(super) const ISSUER_OF: u32 = 12;
    pub(super) const EXISTING: u32 = 13;
    pub(super) const SIGNATURE_HASH: u32 = 14;
    pub(super) const KEY_IDENTIFIER: u32 = 15;
    pub(super) const HASH_STR: u32 = 20;
    pub(super) const HAS_PRIVATE_KEY: u32 = 21;
}

/// `CERT_COMPARE_SHIFT`
const COMPARE_SHIFT: u32 = 16;
/// `CERT_INFO_SUBJECT_FLAG`: the lower half says whose name is meant.
const SUBJECT: u32 = 7;

/// `CERT_STORE_*_FLAG` of CertVerifySubjectCertificateContext
const CHECK_SIGNATURE: u32 = 1;
const CHECK_TIME: u32 = 2;
const CHECK_REVOCATION: u32 = 4;
const NO_CRL: u32 = 0x1_0000;

/// `CERT_RDN`
#[repr(C)]
#[derive(Clone, Copy)]
struct Rdn {
    count: u32,
    attributes: *const RdnAttribute,
}

/// `CERT_RDN_ATTR`
#[repr(C)]
#[derive(Clone, Copy)]
struct RdnAttribute {
    oid: *const c_char,
    value_type: u32,
    value: Blob,
}

/// `CERT_CASE_INSENSITIVE_IS_RDN_ATTRS_FLAG`
const CASE_INSENSITIVE: u32 = 2;
/// `CERT_UNICODE_IS_RDN_ATTRS_FLAG`
const UNICODE: u32 = 1;

/// `CertFindCertificateInStore`: the next certificate behind `pPrevCertContext`, whose reference is given back, that is as `dwFindType`
/// and `pvFindPara` say. NULL with CRYPT_E_NOT_FOUND when there is none, E_INVALIDARG for kinds of search there are not here.
///
/// # Safety
/// `pvFindPara` points to what the kind of search takes.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn CertFindCertificateInStore(
    hCertStore: HCERTSTORE,
    _dwCertEncodingType: u32,
    dwFindFlags: u32,
    dwFindType: u32,
    pvFindPara: *const c_void,
    pPrevCertContext: *const CERT_CONTEXT,
) -> *const CERT_CONTEXT {
    value(std::ptr::null(), || {
        // SAFETY: as the caller's.
        match unsafe { wanted(dwFindFlags, dwFindType, pvFindPara) } {
            Ok(wanted) => next(hCertStore, pPrevCertContext, wanted),
            Err(error) => {
                registry().release(pPrevCertContext);
                Err(error)
            }
        }
    })
}

/// `CertGetIssuerCertificateFromStore`: the next certificate that signed the subject's; `pdwFlags` as for
/// CertVerifySubjectCertificateContext. NULL with CRYPT_E_SELF_SIGNED for a root, CRYPT_E_NOT_FOUND when there is none.
///
/// # Safety
/// `pdwFlags` is null or points to a DWORD.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn CertGetIssuerCertificateFromStore(
    hCertStore: HCERTSTORE,
    pSubjectContext: *const CERT_CONTEXT,
    pPrevIssuerContext: *const CERT_CONTEXT,
    pdwFlags: *mut u32,
) -> *const CERT_CONTEXT {
    value(std::ptr::null(), || {
        let Some(subject) = certificate(pSubjectContext) else {
            registry().release(pPrevIssuerContext);
            return Err(code::E_INVALIDARG);
        };
        if is_self_signed(subject.parsed()) {
            registry().release(pPrevIssuerContext);
            return Err(code::CRYPT_E_SELF_SIGNED);
        }
        let issuer = next(hCertStore, pPrevIssuerContext, |candidate| may_be_issuer(candidate, &subject))?;
        if !pdwFlags.is_null()
            && let Some(found) = certificate(issuer)
        {
            // SAFETY: as the caller's.
            unsafe { verify(&subject, &found, pdwFlags) };
        }
        Ok(issuer)
    })
}

/// `CertGetSubjectCertificateFromStore`: the certificate with the issuer and the serial number of `pCertId`.
///
/// # Safety
/// `pCertId` is null or points to a CERT_INFO of which these two say the truth.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn CertGetSubjectCertificateFromStore(
    hCertStore: HCERTSTORE,
    _dwCertEncodingType: u32,
    pCertId: *const CertInfo,
) -> *const CERT_CONTEXT {
    value(std::ptr::null(), || {
        // SAFETY: as the caller's.
        let wanted = unsafe { with_id(pCertId) }?;
        next(hCertStore, std::ptr::null(), wanted)
    })
}

/// `CertVerifySubjectCertificateContext`: takes from `pdwFlags` every check that the subject passes: CERT_STORE_SIGNATURE_FLAG,
/// CERT_STORE_TIME_VALIDITY_FLAG. Revocation is never known: CERT_STORE_NO_CRL_FLAG.
///
/// # Safety
/// `pdwFlags` is null or points to a DWORD.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn CertVerifySubjectCertificateContext(
    pSubject: *const CERT_CONTEXT,
    pIssuer: *const CERT_CONTEXT,
    pdwFlags: *mut u32,
) -> i32 {
    answer(|| {
        let subject = certificate(pSubject).ok_or(code::E_INVALIDARG)?;
        if pdwFlags.is_null() {
            return Err(code::E_INVALIDARG);
        }
        let issuer = match certificate(pIssuer) {
            Some(issuer) => issuer,
            None if pIssuer.is_null() => subject.clone(),
            None => return Err(code::E_INVALIDARG),
        };
        // SAFETY: as the caller's.
        unsafe { verify(&subject, &issuer, pdwFlags) };
        Ok(())
    })
}

/// # Safety
/// `flags` points to a DWORD.
unsafe fn verify(subject: &Certificate, issuer: &Certificate, flags: *mut u32) {
    // SAFETY: the caller vouches for it.
    let asked = unsafe { flags.read_unaligned() };
    let mut failed = asked;
    if check_signature(subject.der(), issuer.der()) == SignatureCheck::Valid {
        failed &= !CHECK_SIGNATURE;
    }
    if time_validity(subject.parsed().info(), None) == 0 {
        failed &= !CHECK_TIME;
    }
    if asked & CHECK_REVOCATION != 0 {
        failed |= NO_CRL;
    }
    // SAFETY: as above.
    unsafe { flags.write_unaligned(failed) };
}

fn may_be_issuer(candidate: &Certificate, of: &Certificate) -> bool {
    candidate.parsed().names().subject == of.parsed().names().issuer
        && key_ids_agree(of.parsed(), candidate.parsed())
}

type Wanted = Box<dyn Fn(&Certificate) -> bool>;

/// # Safety
/// `parameter` points to what the kind of search takes.
unsafe fn wanted(flags: u32, find_type: u32, parameter: *const c_void) -> Result<Wanted, u32> {
    let of_subject = find_type & 0xFFFF == SUBJECT;
    let name_of = move |certificate: &Certificate| {
        let names = certificate.parsed().names();
        if of_subject { names.subject.clone() } else { names.issuer.clone() }
    };
    // SAFETY: the caller vouches for the blob where one is taken.
    let bytes = || unsafe { blob(parameter.cast()) }.map(<[u8]>::to_vec).ok_or(code::E_INVALIDARG);
    let by_property = |property| {
        let wanted = bytes()?;
        Ok(Box::new(move |c: &Certificate| hash(c, property).as_deref() == Some(&wanted[..])) as Wanted)
    };
    match find_type >> COMPARE_SHIFT {
        compare::ANY => Ok(Box::new(|_| true)),
        compare::SHA1_HASH => by_property(id::SHA1_HASH),
        compare::SIGNATURE_HASH => by_property(id::SIGNATURE_HASH),
        compare::KEY_IDENTIFIER => by_property(id::KEY_IDENTIFIER),
        compare::NAME => {
            let wanted = bytes()?;
            Ok(Box::new(move |certificate| same_name(&name_of(certificate), &wanted)))
        }
        compare::NAME_STR_A | compare::NAME_STR_W => {
            let wanted = match find_type >> COMPARE_SHIFT == compare::NAME_STR_W {
                // SAFETY: the caller vouches for the string.
                true => unsafe { from_wide(parameter.cast()) },
                // SAFETY: as above.
                false => unsafe { from_narrow(parameter.cast()) },
            };
            let wanted = wanted.unwrap_or_default().to_lowercase();
            Ok(Box::new(move |certificate| {
                to_text(&name_of(certificate), SIMPLE).to_lowercase().contains(&wanted)
            }))
        }
        compare::ATTR => {
            // SAFETY: as the caller's.
            let pairs = unsafe { attribute_pairs(parameter.cast(), flags) }?;
            let insensitive = flags & CASE_INSENSITIVE != 0;
            Ok(Box::new(move |certificate| {
                let name = attributes(&name_of(certificate));
                pairs.iter().all(|(oid, wanted)| {
                    name.iter().any(|(found, value)| match insensitive {
                        true => found == oid && value.to_lowercase() == wanted.to_lowercase(),
                        false => found == oid && value == wanted,
                    })
                })
            }))
        }
        compare::PROPERTY => {
            if parameter.is_null() {
                return Err(code::E_INVALIDARG);
            }
            // SAFETY: the caller vouches for a DWORD.
            let property = unsafe { parameter.cast::<u32>().read_unaligned() };
            Ok(Box::new(move |certificate| get(certificate, property).is_some()))
        }
        compare::PUBLIC_KEY => {
            if parameter.is_null() {
                return Err(code::E_INVALIDARG);
            }
            // SAFETY: the caller vouches for the structure.
            let info = unsafe { parameter.cast::<PublicKeyInfo>().read_unaligned() };
            // SAFETY: and for what it says.
            let key = unsafe { slice(info.key.data, info.key.len) }.ok_or(code::E_INVALIDARG)?.to_vec();
            Ok(Box::new(move |certificate| {
                let x509 = certificate.parsed().x509();
                x509.is_some_and(|x509| *x509.public_key().subject_public_key.data == key[..])
            }))
        }
        compare::ENHKEY_USAGE => {
            // SAFETY: the caller vouches for the structure.
            let oids = unsafe { usage_oids(parameter.cast()) }?;
            Ok(Box::new(move |certificate| {
                usages(certificate.parsed())
                    .is_none_or(|allowed| oids.iter().all(|oid| allowed.contains(oid)))
            }))
        }
        compare::SUBJECT_CERT => {
            // SAFETY: the caller vouches for the structure.
            unsafe { with_id(parameter.cast()) }
        }
        compare::ISSUER_OF => {
            let subject = certificate(parameter.cast()).ok_or(code::E_INVALIDARG)?;
            Ok(Box::new(move |candidate| may_be_issuer(candidate, &subject)))
        }
        compare::EXISTING => {
            let other = certificate(parameter.cast()).ok_or(code::E_INVALIDARG)?;
            Ok(Box::new(move |candidate| {
                let (ours, theirs) = (candidate.parsed().names(), other.parsed().names());
                ours.issuer == theirs.issuer && ours.serial == theirs.serial
            }))
        }
        compare::HASH_STR => {
            // SAFETY: the caller vouches for the string.
            let wanted = unsafe { from_wide(parameter.cast()) }.ok_or(code::E_INVALIDARG)?.to_lowercase();
            Ok(Box::new(move |certificate| {
                let found = hash(certificate, id::SHA1_HASH).unwrap_or_default();
                found.iter().map(|byte| format!("{byte:02x}")).collect::<String>() == wanted
            }))
        }
        compare::HAS_PRIVATE_KEY => Ok(Box::new(|certificate| {
            let properties = certificate.properties();
            properties.key.is_some() || properties.names_a_key()
        })),
        _ => Err(code::E_INVALIDARG),
    }
}

/// `CERT_SIMPLE_NAME_STR`
const SIMPLE: u32 = 1;

/// By issuer and serial number.
///
/// # Safety
/// `id` is null or points to a CERT_INFO of which these two say the truth.
unsafe fn with_id(id: *const CertInfo) -> Result<Wanted, u32> {
    if id.is_null() || !id.is_aligned() {
        return Err(code::E_INVALIDARG);
    }
    // SAFETY: the caller vouches for it; it is neither null nor misaligned.
    let id = unsafe { &*id };
    // SAFETY: the caller vouches for the blob.
    let issuer = unsafe { id.issuer.bytes() }.ok_or(code::E_INVALIDARG)?.to_vec();
    // SAFETY: as above.
    let serial = unsafe { id.serial.bytes() }.ok_or(code::E_INVALIDARG)?;
    let serial = significant(serial).to_vec();
    Ok(Box::new(move |certificate| {
        let names = certificate.parsed().names();
        let little_endian: Vec<u8> = names.serial.iter().rev().copied().collect();
        names.issuer == issuer && significant(&little_endian) == serial
    }))
}

/// # Safety
/// `rdn` is null or points to a CERT_RDN that says the truth.
unsafe fn attribute_pairs(rdn: *const Rdn, flags: u32) -> Result<Vec<(String, String)>, u32> {
    if rdn.is_null() {
        return Err(code::E_INVALIDARG);
    }
    // SAFETY: the caller vouches for it; it is not null.
    let rdn = unsafe { rdn.read_unaligned() };
    // SAFETY: the caller vouches for the array.
    let attributes = unsafe { slice(rdn.attributes, rdn.count) }.ok_or(code::E_INVALIDARG)?;
    let mut pairs = Vec::with_capacity(attributes.len());
    for attribute in attributes {
        // SAFETY: the caller vouches for the string.
        let oid = unsafe { from_narrow(attribute.oid) }.ok_or(code::E_INVALIDARG)?;
        // SAFETY: the caller vouches for the blob.
        let value = unsafe { attribute.value.bytes() }.ok_or(code::E_INVALIDARG)?;
        let text = match flags & UNICODE != 0 {
            true => {
                let units: Vec<u16> =
                    value.chunks_exact(2).map(|pair| u16::from_ne_bytes([pair[0], pair[1]])).collect();
                String::from_utf16_lossy(&units)
            }
            false => String::from_utf8_lossy(value).into_owned(),
        };
        pairs.push((oid, text.trim_end_matches('\0').to_owned()));
    }
    Ok(pairs)
}

/// # Safety
/// `usage` is null or points to a CERT_ENHKEY_USAGE that says the truth.
pub(super) unsafe fn usage_oids(usage: *const EnhancedKeyUsage) -> Result<Vec<String>, u32> {
    if usage.is_null() {
        return Ok(Vec::new());
    }
    // SAFETY: the caller vouches for it; it is not null.
    let usage = unsafe { usage.read_unaligned() };
    // SAFETY: the caller vouches for the array.
    let oids = unsafe { slice(usage.oids, usage.count) }.ok_or(code::E_INVALIDARG)?;
    let mut found = Vec::with_capacity(oids.len());
    for oid in oids {
        // SAFETY: the caller vouches for the strings.
        found.push(unsafe { from_narrow(*oid) }.ok_or(code::E_INVALIDARG)?);
    }
    Ok(found)
}

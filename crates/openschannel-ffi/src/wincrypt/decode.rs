//! CryptDecodeObject, for the few structures that callers of Schannel look into.

use core::ffi::{c_char, c_void};

use x509_parser::asn1_rs::FromDer;
use x509_parser::extensions::{BasicConstraints, ExtendedKeyUsage, GeneralName, SubjectAlternativeName};

use super::chain::usage_names;
use super::last_error::{answer, code};
use super::output::{Relocatable, copy_out, number_or_oid};
use super::text::{to_narrow, to_wide};
use super::types::{Blob, CERT_ENCODING_TYPE_MASK, EnhancedKeyUsage, X509_ASN_ENCODING, len32, slice};
use crate::memory::{Block, take_back};

/// `lpszStructType`, as far as it is decoded here.
#[derive(Clone, Copy)]
enum Structure {
    AlternateName,
    BasicConstraints,
    EnhancedKeyUsage,
}

/// `CRYPT_DECODE_ALLOC_FLAG`
const ALLOC: u32 = 0x8000;

/// `CERT_ALT_NAME_INFO`
#[repr(C)]
struct AlternateNames {
    count: u32,
    entries: *const AlternateName,
}

/// `CERT_ALT_NAME_ENTRY`; its union as the largest of its members.
#[repr(C)]
struct AlternateName {
    choice: u32,
    value: Blob,
}

/// `CERT_OTHER_NAME`
#[repr(C)]
struct OtherName {
    oid: *const c_char,
    value: Blob,
}

/// `CERT_BASIC_CONSTRAINTS2_INFO`
const BASIC_CONSTRAINTS_SIZE: usize = 12;

/// `CRYPT_DECODE_PARA`
#[repr(C)]
#[derive(Clone, Copy)]
struct DecodePara {
    size: u32,
    alloc: Option<unsafe extern "system" fn(usize) -> *mut c_void>,
    free: *const c_void,
}

/// `CryptDecodeObjectEx`: X509_ALTERNATE_NAME, X509_ENHANCED_KEY_USAGE and X509_BASIC_CONSTRAINTS2, and their extensions by object
/// identifier. FALSE with ERROR_FILE_NOT_FOUND for all other structures. Memory of CRYPT_DECODE_ALLOC_FLAG is freed with LocalFree.
///
/// # Safety
/// `lpszStructType` is a number or a C string; `pbEncoded` points to `cbEncoded` bytes; `pDecodePara` is null or points to a
/// CRYPT_DECODE_PARA; `pcbStructInfo` is null or points to a DWORD, `pvStructInfo` is null or points to as many bytes as that says, with
/// CRYPT_DECODE_ALLOC_FLAG to a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn CryptDecodeObjectEx(
    dwCertEncodingType: u32,
    lpszStructType: *const c_char,
    pbEncoded: *const u8,
    cbEncoded: u32,
    dwFlags: u32,
    pDecodePara: *const c_void,
    pvStructInfo: *mut c_void,
    pcbStructInfo: *mut u32,
) -> i32 {
    answer(|| {
        if dwCertEncodingType & CERT_ENCODING_TYPE_MASK != X509_ASN_ENCODING {
            return Err(code::ERROR_FILE_NOT_FOUND);
        }
        // SAFETY: as the caller's.
        let structure = unsafe { structure(lpszStructType) }.ok_or(code::ERROR_FILE_NOT_FOUND)?;
        // SAFETY: as the caller's.
        let encoded = unsafe { slice(pbEncoded, cbEncoded) }.ok_or(code::E_INVALIDARG)?;
        let decoded = decode(structure, encoded).ok_or(code::CRYPT_E_BAD_ENCODE)?;
        if dwFlags & ALLOC == 0 {
            // SAFETY: as the caller's.
            return unsafe { copy_out(decoded, pvStructInfo.cast(), pcbStructInfo) };
        }
        if pvStructInfo.is_null() {
            return Err(code::E_INVALIDARG);
        }
        let len = decoded.len();
        // SAFETY: as the caller's.
        let memory = unsafe { allocate(decoded, pDecodePara.cast()) }.ok_or(code::ERROR_INTERNAL_ERROR)?;
        // SAFETY: the caller vouches for a pointer; it is not null.
        unsafe { pvStructInfo.cast::<*mut c_void>().write_unaligned(memory) };
        if !pcbStructInfo.is_null() {
            // SAFETY: the caller vouches for it; it is not null.
            unsafe { pcbStructInfo.write_unaligned(u32::try_from(len).unwrap_or(u32::MAX)) };
        }
        Ok(())
    })
}

/// `CryptDecodeObject`: the same without memory of its own.
///
/// # Safety
/// As [`CryptDecodeObjectEx`].
#[unsafe(no_mangle)]
pub unsafe extern "system" fn CryptDecodeObject(
    dwCertEncodingType: u32,
    lpszStructType: *const c_char,
    pbEncoded: *const u8,
    cbEncoded: u32,
    dwFlags: u32,
    pvStructInfo: *mut c_void,
    pcbStructInfo: *mut u32,
) -> i32 {
    // SAFETY: as the caller's.
    unsafe {
        CryptDecodeObjectEx(
            dwCertEncodingType,
            lpszStructType,
            pbEncoded,
            cbEncoded,
            dwFlags & !ALLOC,
            std::ptr::null(),
            pvStructInfo,
            pcbStructInfo,
        )
    }
}

/// `LocalFree`: memory of CRYPT_DECODE_ALLOC_FLAG. NULL when it is freed, else what was passed, with ERROR_INVALID_PARAMETER.
///
/// # Safety
/// None is needed: memory that is not ours is not touched.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn LocalFree(hMem: *mut c_void) -> *mut c_void {
    super::last_error::value(hMem, || match hMem.is_null() || take_back(hMem) {
        true => Ok(std::ptr::null_mut()),
        false => Err(code::ERROR_INVALID_PARAMETER),
    })
}

/// # Safety
/// `structure` is a number or a C string.
unsafe fn structure(structure: *const c_char) -> Option<Structure> {
    // SAFETY: as the caller's.
    match unsafe { number_or_oid(structure) } {
        Ok(12) => Some(Structure::AlternateName),
        Ok(15) => Some(Structure::BasicConstraints),
        Ok(36) => Some(Structure::EnhancedKeyUsage),
        Ok(_) => None,
        Err(oid) => match oid.as_str() {
            "2.5.29.17" | "2.5.29.18" => Some(Structure::AlternateName),
            "2.5.29.19" => Some(Structure::BasicConstraints),
            "2.5.29.37" => Some(Structure::EnhancedKeyUsage),
            _ => None,
        },
    }
}

fn decode(structure: Structure, encoded: &[u8]) -> Option<Relocatable> {
    match structure {
        Structure::AlternateName => {
            let (_, names) = SubjectAlternativeName::from_der(encoded).ok()?;
            Some(alternate_names(&names.general_names))
        }
        Structure::BasicConstraints => {
            let (_, constraints) = BasicConstraints::from_der(encoded).ok()?;
            let mut out = Relocatable::default();
            out.reserve(BASIC_CONSTRAINTS_SIZE);
            out.put_u32(0, u32::from(constraints.ca));
            out.put_u32(4, u32::from(constraints.path_len_constraint.is_some()));
            out.put_u32(8, constraints.path_len_constraint.unwrap_or(0));
            Some(out)
        }
        Structure::EnhancedKeyUsage => {
            let (_, usage) = ExtendedKeyUsage::from_der(encoded).ok()?;
            Some(usages(&usage_names(&usage)))
        }
    }
}

/// A CERT_ENHKEY_USAGE.
pub(super) fn usages(oids: &[String]) -> Relocatable {
    let mut out = Relocatable::default();
    let start = out.reserve(size_of::<EnhancedKeyUsage>());
    out.put_u32(start + std::mem::offset_of!(EnhancedKeyUsage, count), len32(oids));
    let array = out.reserve(size_of_val(oids) / size_of::<String>() * size_of::<usize>());
    out.point_to(start + std::mem::offset_of!(EnhancedKeyUsage, oids), array);
    for (index, oid) in oids.iter().enumerate() {
        out.point(array + index * size_of::<usize>(), &to_narrow(oid));
    }
    out
}

fn alternate_names(names: &[GeneralName<'_>]) -> Relocatable {
    let mut out = Relocatable::default();
    let start = out.reserve(size_of::<AlternateNames>());
    let known: Vec<_> = names.iter().filter(|name| choice(name) != 0).collect();
    out.put_u32(start + std::mem::offset_of!(AlternateNames, count), len32(&known));
    let array = out.reserve(known.len() * size_of::<AlternateName>());
    out.point_to(start + std::mem::offset_of!(AlternateNames, entries), array);
    let wide = |text: &str| to_wide(text).iter().flat_map(|unit| unit.to_ne_bytes()).collect::<Vec<u8>>();
    for (index, name) in known.into_iter().enumerate() {
        let entry = array + index * size_of::<AlternateName>();
        let value = entry + std::mem::offset_of!(AlternateName, value);
        out.put_u32(entry + std::mem::offset_of!(AlternateName, choice), choice(name));
        match name {
            GeneralName::RFC822Name(text) | GeneralName::DNSName(text) | GeneralName::URI(text) => {
                out.point(value, &wide(text));
            }
            GeneralName::DirectoryName(name) => put_blob(&mut out, value, name.as_raw()),
            GeneralName::IPAddress(bytes) => put_blob(&mut out, value, bytes),
            GeneralName::RegisteredID(oid) => out.point(value, &to_narrow(&oid.to_id_string())),
            GeneralName::OtherName(oid, bytes) => {
                let other = out.reserve(size_of::<OtherName>());
                out.point_to(value, other);
                out.point(other + std::mem::offset_of!(OtherName, oid), &to_narrow(&oid.to_id_string()));
                put_blob(&mut out, other + std::mem::offset_of!(OtherName, value), bytes);
            }
            _ => {}
        }
    }
    out
}

fn put_blob(out: &mut Relocatable, at: usize, bytes: &[u8]) {
    out.put_u32(at + std::mem::offset_of!(Blob, len), len32(bytes));
    out.point(at + std::mem::offset_of!(Blob, data), bytes);
}

/// `CERT_ALT_NAME_*`; 0 for kinds nobody decodes.
fn choice(name: &GeneralName<'_>) -> u32 {
    match name {
        GeneralName::OtherName(..) => 1,
        GeneralName::RFC822Name(_) => 2,
        GeneralName::DNSName(_) => 3,
        GeneralName::DirectoryName(_) => 5,
        GeneralName::URI(_) => 7,
        GeneralName::IPAddress(_) => 8,
        GeneralName::RegisteredID(_) => 9,
        _ => 0,
    }
}

/// # Safety
/// `para` is null or points to a CRYPT_DECODE_PARA.
unsafe fn allocate(decoded: Relocatable, para: *const DecodePara) -> Option<*mut c_void> {
    let own = if para.is_null() {
        None
    } else {
        // SAFETY: the caller vouches for it; it is not null.
        unsafe { para.read_unaligned() }.alloc
    };
    let Some(alloc) = own else {
        let mut block = Block::new(decoded.len());
        let bytes = decoded.at(block.address().addr());
        block.bytes().copy_from_slice(&bytes);
        return Some(block.give_out().as_ptr().cast());
    };
    let len = decoded.len();
    // SAFETY: the caller vouches for its own function.
    let memory = unsafe { alloc(len) };
    if memory.is_null() {
        return None;
    }
    let bytes = decoded.at(memory.addr());
    // SAFETY: the caller's function gave room for `len` bytes.
    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), memory.cast(), len) };
    Some(memory)
}

//! The structures of `wincrypt.h`, as Windows lays them out on 64-bit systems.

use core::ffi::{c_char, c_void};

pub(super) use crate::types::layout;

/// A certificate store: a number that is looked up, never an address.
pub type HCERTSTORE = *mut c_void;

/// A configured chain engine, or one of the predefined ones.
pub type ChainEngineHandle = *mut c_void;

/// `CERT_CONTEXT`: a certificate, counted.
#[repr(C)]
#[derive(Debug)]
#[expect(missing_docs, reason = "the fields are those of the SDK's header")]
pub struct CERT_CONTEXT {
    pub encoding: u32,
    pub encoded: *const u8,
    pub encoded_len: u32,
    pub info: *const CertInfo,
    pub store: HCERTSTORE,
}
layout!(CERT_CONTEXT, 40, encoding @ 0, encoded @ 8, encoded_len @ 16, info @ 24, store @ 32);

/// `CRYPT_DATA_BLOB` and its many names.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the fields are those of the SDK's header")]
pub struct Blob {
    pub len: u32,
    pub data: *const u8,
}
layout!(Blob, 16, len @ 0, data @ 8);

/// `CRYPT_BIT_BLOB`
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the fields are those of the SDK's header")]
pub struct BitBlob {
    pub len: u32,
    pub data: *const u8,
    pub unused_bits: u32,
}
layout!(BitBlob, 24, len @ 0, data @ 8, unused_bits @ 16);

/// `FILETIME`: tenths of microseconds since 1601.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of the SDK's header")]
pub struct FileTime {
    pub low: u32,
    pub high: u32,
}

/// `CRYPT_ALGORITHM_IDENTIFIER`
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the fields are those of the SDK's header")]
pub struct AlgorithmId {
    pub oid: *const c_char,
    pub parameters: Blob,
}
layout!(AlgorithmId, 24, oid @ 0, parameters @ 8);

/// `CERT_PUBLIC_KEY_INFO`
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the fields are those of the SDK's header")]
pub struct PublicKeyInfo {
    pub algorithm: AlgorithmId,
    pub key: BitBlob,
}
layout!(PublicKeyInfo, 48, algorithm @ 0, key @ 24);

/// `CERT_EXTENSION`
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the fields are those of the SDK's header")]
pub struct Extension {
    pub oid: *const c_char,
    pub critical: i32,
    pub value: Blob,
}
layout!(Extension, 32, oid @ 0, critical @ 8, value @ 16);

/// `CERT_INFO`
#[repr(C)]
#[derive(Debug)]
#[expect(missing_docs, reason = "the fields are those of the SDK's header")]
pub struct CertInfo {
    pub version: u32,
    /// Little-endian.
    pub serial: Blob,
    pub signature_algorithm: AlgorithmId,
    pub issuer: Blob,
    pub not_before: FileTime,
    pub not_after: FileTime,
    pub subject: Blob,
    pub public_key: PublicKeyInfo,
    pub issuer_id: BitBlob,
    pub subject_id: BitBlob,
    pub extension_count: u32,
    pub extensions: *const Extension,
}
layout!(
    CertInfo, 208, version @ 0, serial @ 8, signature_algorithm @ 24, issuer @ 48, not_before @ 64, not_after @ 72,
    subject @ 80, public_key @ 96, issuer_id @ 144, subject_id @ 168, extension_count @ 192, extensions @ 200,
);

/// `CERT_TRUST_STATUS`
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of the SDK's header")]
pub struct TrustStatus {
    pub error: u32,
    pub info: u32,
}

/// `CERT_REVOCATION_INFO`
#[repr(C)]
#[derive(Debug)]
#[expect(missing_docs, reason = "the fields are those of the SDK's header")]
pub struct RevocationInfo {
    pub size: u32,
    pub result: u32,
    pub oid: *const c_char,
    pub specific: *mut c_void,
    pub has_freshness_time: i32,
    pub freshness_time: u32,
    pub crl: *mut c_void,
}
layout!(
    RevocationInfo, 40, size @ 0, result @ 4, oid @ 8, specific @ 16, has_freshness_time @ 24,
    freshness_time @ 28, crl @ 32,
);

/// `CERT_ENHKEY_USAGE`
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the fields are those of the SDK's header")]
pub struct EnhancedKeyUsage {
    pub count: u32,
    pub oids: *const *const c_char,
}
layout!(EnhancedKeyUsage, 16, count @ 0, oids @ 8);

/// `CERT_CHAIN_ELEMENT`
#[repr(C)]
#[derive(Debug)]
#[expect(missing_docs, reason = "the fields are those of the SDK's header")]
pub struct ChainElement {
    pub size: u32,
    pub certificate: *const CERT_CONTEXT,
    pub trust: TrustStatus,
    pub revocation: *const RevocationInfo,
    pub issuance_usage: *const EnhancedKeyUsage,
    pub application_usage: *const EnhancedKeyUsage,
    pub extended_error: *const u16,
}
layout!(
    ChainElement, 56, size @ 0, certificate @ 8, trust @ 16, revocation @ 24, issuance_usage @ 32,
    application_usage @ 40, extended_error @ 48,
);

/// `CERT_SIMPLE_CHAIN`
#[repr(C)]
#[derive(Debug)]
#[expect(missing_docs, reason = "the fields are those of the SDK's header")]
pub struct SimpleChain {
    pub size: u32,
    pub trust: TrustStatus,
    pub element_count: u32,
    pub elements: *const *const ChainElement,
    pub trust_list: *mut c_void,
    pub has_freshness_time: i32,
    pub freshness_time: u32,
}
layout!(
    SimpleChain, 40, size @ 0, trust @ 4, element_count @ 12, elements @ 16, trust_list @ 24,
    has_freshness_time @ 32, freshness_time @ 36,
);

/// `CERT_CHAIN_CONTEXT`: a chain, counted.
#[repr(C)]
#[derive(Debug)]
#[expect(missing_docs, reason = "the fields are those of the SDK's header")]
pub struct CERT_CHAIN_CONTEXT {
    pub size: u32,
    pub trust: TrustStatus,
    pub chain_count: u32,
    pub chains: *const *const SimpleChain,
    pub lower_quality_count: u32,
    pub lower_quality: *const *const Self,
    pub has_freshness_time: i32,
    pub freshness_time: u32,
    pub create_flags: u32,
    pub id: [u8; 16],
}
layout!(
    CERT_CHAIN_CONTEXT, 72, size @ 0, trust @ 4, chain_count @ 12, chains @ 16, lower_quality_count @ 24,
    lower_quality @ 32, has_freshness_time @ 40, freshness_time @ 44, create_flags @ 48, id @ 52,
);

impl Blob {
    pub(super) const EMPTY: Self = Self { len: 0, data: std::ptr::null() };

    /// A blob that points into `bytes`, which have to outlive it.
    pub(super) fn of(bytes: &[u8]) -> Self {
        Self { len: len32(bytes), data: bytes.as_ptr() }
    }

    /// # Safety
    /// What the fields say of memory is true, for as long as the slice is used.
    pub(super) unsafe fn bytes<'a>(&self) -> Option<&'a [u8]> {
        // SAFETY: the caller vouches for the fields.
        unsafe { slice(self.data, self.len) }
    }
}

impl FileTime {
    /// Seconds of the Unix epoch; what a FILETIME cannot express becomes its nearest end.
    pub(super) fn from_unix(seconds: i64) -> Self {
        let ticks = i128::from(seconds) * TICKS_PER_SECOND + i128::from(UNIX_EPOCH_TICKS);
        Self::from_ticks(u64::try_from(ticks.max(0)).unwrap_or(u64::MAX))
    }

    pub(super) fn ticks(self) -> u64 {
        u64::from(self.high) << 32 | u64::from(self.low)
    }

    #[expect(clippy::cast_possible_truncation, reason = "split in halves")]
    fn from_ticks(ticks: u64) -> Self {
        Self { low: ticks as u32, high: (ticks >> 32) as u32 }
    }
}

pub(super) const TICKS_PER_SECOND: i128 = 10_000_000;

/// 1970 as a FILETIME.
pub(super) const UNIX_EPOCH_TICKS: u64 = 116_444_736_000_000_000;

/// `X509_ASN_ENCODING`
pub(super) const X509_ASN_ENCODING: u32 = 1;
/// `CERT_ENCODING_TYPE_MASK`
pub(super) const CERT_ENCODING_TYPE_MASK: u32 = 0xFFFF;

/// A length that C sees. What is longer than 4 GiB never gets in: every input's length is a DWORD.
pub(super) fn len32<T>(items: &[T]) -> u32 {
    u32::try_from(items.len()).unwrap_or(u32::MAX)
}

/// An array from C. None for a null pointer with a length.
///
/// # Safety
/// `data` is null or points to `len` items, for as long as the slice is used.
pub(super) unsafe fn slice<'a, T>(data: *const T, len: u32) -> Option<&'a [T]> {
    if len == 0 {
        return Some(&[]);
    }
    // Misaligned arrays are nobody's: C cannot read them either.
    if data.is_null() || !data.is_aligned() {
        return None;
    }
    // SAFETY: the caller vouches for the memory; it is neither null nor misaligned.
    Some(unsafe { std::slice::from_raw_parts(data, len as usize) })
}

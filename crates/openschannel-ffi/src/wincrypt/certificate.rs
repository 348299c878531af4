//! A certificate in memory: its encoding, and CERT_INFO over it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ffi::c_char;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use openschannel::credentials::PrivateKey;
use x509_parser::asn1_rs::{Any, BitString, FromDer};
use x509_parser::certificate::X509Certificate;
use x509_parser::x509::AlgorithmIdentifier;

use super::properties::KeyLocation;
use super::types::{
    AlgorithmId, BitBlob, Blob, CERT_CONTEXT, CertInfo, Extension, FileTime, HCERTSTORE, PublicKeyInfo,
    X509_ASN_ENCODING, len32,
};

/// What C has a pointer to: the context. One of these belongs to one store, or to none.
pub(super) struct Certificate {
    context: CERT_CONTEXT,
    parsed: Arc<Parsed>,
    properties: Mutex<Properties>,
}

// SAFETY: the pointers lead into `parsed`, which is never written; the rest is behind a lock.
unsafe impl Send for Certificate {}
// SAFETY: as above.
unsafe impl Sync for Certificate {}

/// What is attached to a certificate and not part of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Properties {
    /// The private key. It never gets out.
    pub(super) key: Option<Arc<dyn PrivateKey>>,
    /// Where the caller says a private key is.
    pub(super) key_location: Option<KeyLocation>,
    /// What the caller set, by property number, as CertGetCertificateContextProperty is to return it.
    pub(super) values: BTreeMap<u32, Vec<u8>>,
}

impl Certificate {
    pub(super) fn new(parsed: Arc<Parsed>, store: HCERTSTORE, properties: Properties) -> Arc<Self> {
        let context = CERT_CONTEXT {
            encoding: X509_ASN_ENCODING,
            encoded: parsed.der.as_ptr(),
            encoded_len: len32(&parsed.der),
            info: Arc::as_ptr(&parsed.info),
            store,
        };
        Arc::new(Self { context, parsed, properties: Mutex::new(properties) })
    }

    /// What C knows it by; stays the same as long as it exists.
    pub(super) fn context(self: &Arc<Self>) -> *const CERT_CONTEXT {
        // By way of the whole, so that the pointer does not depend on a reference that has ended.
        Arc::as_ptr(self).cast::<u8>().wrapping_add(std::mem::offset_of!(Self, context)).cast()
    }

    pub(super) fn store(&self) -> HCERTSTORE {
        self.context.store
    }

    pub(super) fn parsed(&self) -> &Arc<Parsed> {
        &self.parsed
    }

    pub(super) fn der(&self) -> &[u8] {
        &self.parsed.der
    }

    pub(super) fn properties(&self) -> MutexGuard<'_, Properties> {
        self.properties.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn key(&self) -> Option<Arc<dyn PrivateKey>> {
        self.properties().key.clone()
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").field("parsed", &self.parsed).finish_non_exhaustive()
    }
}

/// The immutable part, shared by all contexts of the same certificate. Its parts are behind `Arc`s because C has pointers into them:
/// what a `Box` owns may not be pointed at by anybody else once the box is moved.
pub(super) struct Parsed {
    der: Arc<[u8]>,
    info: Arc<CertInfo>,
    /// What `info` points to, beside the encoding.
    _strings: Vec<Arc<[u8]>>,
    _extensions: Arc<[Extension]>,
    names: Names,
}

// SAFETY: the pointers lead into memory that is owned here and never written.
unsafe impl Send for Parsed {}
// SAFETY: as above.
unsafe impl Sync for Parsed {}

/// What chains are put together by.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    pub(super) subject: Vec<u8>,
    pub(super) issuer: Vec<u8>,
    /// As encoded: big-endian, with its sign.
    pub(super) serial: Vec<u8>,
    /// DER SubjectPublicKeyInfo.
    pub(super) public_key: Vec<u8>,
}

impl Parsed {
    /// Reads the certificate at the start of `bytes`; what follows it is not looked at. None when there is none.
    #[expect(clippy::arc_with_non_send_sync, reason = "the whole is both")]
    pub(super) fn read(bytes: &[u8]) -> Option<Arc<Self>> {
        let (rest, _) = x509_parser::parse_x509_certificate(bytes).ok()?;
        let der: Arc<[u8]> = bytes[..bytes.len() - rest.len()].into();
        let (_, certificate) = x509_parser::parse_x509_certificate(&der).ok()?;
        let mut strings = Strings::default();
        let extensions = extensions(&certificate, &mut strings);
        let info = info(&certificate, &extensions, &mut strings)?;
        let names = Names {
            subject: certificate.subject().as_raw().to_vec(),
            issuer: certificate.issuer().as_raw().to_vec(),
            serial: certificate.raw_serial().to_vec(),
            public_key: certificate.public_key().raw.to_vec(),
        };
        drop(certificate);
        let parsed = Self { der, info: Arc::new(info), _strings: strings.0, _extensions: extensions, names };
        Some(Arc::new(parsed))
    }

    pub(super) fn der(&self) -> &[u8] {
        &self.der
    }

    pub(super) fn names(&self) -> &Names {
        &self.names
    }

    pub(super) fn info(&self) -> &CertInfo {
        &self.info
    }

    pub(super) fn is_self_issued(&self) -> bool {
        self.names.subject == self.names.issuer
    }

    /// The parsed form, for whoever wants more than CERT_INFO. None never happens: it has been parsed before.
    pub(super) fn x509(&self) -> Option<X509Certificate<'_>> {
        x509_parser::parse_x509_certificate(&self.der).ok().map(|(_, certificate)| certificate)
    }
}

impl fmt::Debug for Parsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subject = self.x509().map(|certificate| certificate.subject().to_string());
        f.debug_struct("Parsed").field("subject", &subject).finish_non_exhaustive()
    }
}

/// Memory that CERT_INFO points to and the encoding does not have.
#[derive(Default)]
struct Strings(Vec<Arc<[u8]>>);

impl Strings {
    fn keep(&mut self, bytes: Vec<u8>) -> *const u8 {
        let bytes: Arc<[u8]> = bytes.into();
        let start = bytes.as_ptr();
        self.0.push(bytes);
        start
    }

    fn oid(&mut self, oid: &str) -> *const c_char {
        let mut text = oid.as_bytes().to_vec();
        text.push(0);
        self.keep(text).cast()
    }
}

fn info(
    certificate: &X509Certificate<'_>,
    extensions: &[Extension],
    strings: &mut Strings,
) -> Option<CertInfo> {
    let mut serial = certificate.raw_serial().to_vec();
    serial.reverse();
    let serial_len = len32(&serial);
    let validity = certificate.validity();
    let spki = certificate.public_key();
    // The sequence's content starts with the algorithm.
    let (_, sequence) = Any::from_der(spki.raw).ok()?;
    let key_algorithm = algorithm(&spki.algorithm, sequence.data, strings)?;
    let (_, tbs) = Any::from_der(certificate.tbs_certificate.as_ref()).ok()?;
    let signature_algorithm =
        algorithm(&certificate.tbs_certificate.signature, behind_serial(tbs.data)?, strings)?;
    let unique = |id: Option<&BitString<'_>>| id.map_or_else(no_bits, bits);
    Some(CertInfo {
        version: certificate.version().0,
        serial: Blob { len: serial_len, data: strings.keep(serial) },
        signature_algorithm,
        issuer: Blob::of(certificate.issuer().as_raw()),
        not_before: FileTime::from_unix(validity.not_before.timestamp()),
        not_after: FileTime::from_unix(validity.not_after.timestamp()),
        subject: Blob::of(certificate.subject().as_raw()),
        public_key: PublicKeyInfo { algorithm: key_algorithm, key: bits(&spki.subject_public_key) },
        issuer_id: unique(certificate.issuer_uid.as_ref().map(|id| &id.0)),
        subject_id: unique(certificate.subject_uid.as_ref().map(|id| &id.0)),
        extension_count: len32(extensions),
        extensions: if extensions.is_empty() { std::ptr::null() } else { extensions.as_ptr() },
    })
}

fn extensions(certificate: &X509Certificate<'_>, strings: &mut Strings) -> Arc<[Extension]> {
    let extension = certificate.extensions().iter().map(|extension| Extension {
        oid: strings.oid(&extension.oid.to_id_string()),
        critical: i32::from(extension.critical),
        value: Blob::of(extension.value),
    });
    extension.collect()
}

/// `encoded` starts with the algorithm's encoding; its parameters are wanted as they stand there.
fn algorithm(
    algorithm: &AlgorithmIdentifier<'_>,
    encoded: &[u8],
    strings: &mut Strings,
) -> Option<AlgorithmId> {
    let (_, sequence) = Any::from_der(encoded).ok()?;
    let (parameters, _) = Any::from_der(sequence.data).ok()?;
    let parameters = if parameters.is_empty() { Blob::EMPTY } else { Blob::of(parameters) };
    Some(AlgorithmId { oid: strings.oid(&algorithm.algorithm.to_id_string()), parameters })
}

/// The content of a TBSCertificate from its signature algorithm on: behind the optional version and the serial number.
fn behind_serial(tbs: &[u8]) -> Option<&[u8]> {
    const VERSION: u8 = 0xA0;
    let (mut rest, _) = Any::from_der(tbs).ok()?;
    if tbs.first() == Some(&VERSION) {
        rest = Any::from_der(rest).ok()?.0;
    }
    Some(rest)
}

fn bits(bits: &BitString<'_>) -> BitBlob {
    // DER is never put together from parts; a copy would not outlive this function.
    let Cow::Borrowed(data) = bits.data else { return no_bits() };
    let Blob { len, data } = Blob::of(data);
    BitBlob { len, data, unused_bits: u32::from(bits.unused_bits) }
}

fn no_bits() -> BitBlob {
    BitBlob { len: 0, data: std::ptr::null(), unused_bits: 0 }
}

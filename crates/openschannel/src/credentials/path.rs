//! The steps of path validation one by one, for callers who build chains themselves and report on every certificate of them.

use std::time::{SystemTime, UNIX_EPOCH};

use rustls::crypto::aws_lc_rs;
use rustls_pki_types::{CertificateDer, ServerName, SignatureVerificationAlgorithm, UnixTime};
use webpki::{EndEntityCert, Error as PathError, ExtendedKeyUsageValidator, KeyPurposeIdIter};
use x509_parser::asn1_rs::{Any, BitString, FromDer};

/// Whether a certificate bears another one's signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SignatureCheck {
    /// It does.
    Valid,
    /// It does not, or one of the two cannot be parsed.
    Invalid,
    /// Of a kind that is not verified here: MD5, SHA-1, unusual curves.
    Unsupported,
}

/// Why a path is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PathFailure {
    /// A certificate is not valid at that time.
    Time,
    /// A signature is not its issuer's.
    Signature,
    /// An issuer is no authority, or the path is longer than one of them allows.
    BasicConstraints,
    /// A name is not one that an authority above may certify.
    NameConstraints,
    /// A critical extension is not understood.
    CriticalExtension,
    /// The first certificate is an authority's, which this kind of validation does not accept there.
    Authority,
    /// Anything else.
    Other,
}

/// Validates a path (RFC 5280 section 6): the end entity first, a certificate that is trusted last, each certified by the one behind
/// it. Dates, signatures, basic and name constraints, critical extensions; not the usage, the name, or revocation. Nothing is asked of
/// the trusted certificate itself.
///
/// # Errors
/// The first thing that is wrong.
pub fn verify_path(path: &[&[u8]], now: SystemTime) -> Result<(), PathFailure> {
    let [end_entity, issuers @ .., root] = path else { return Err(PathFailure::Other) };
    let root = CertificateDer::from(*root);
    let anchor = webpki::anchor_from_trusted_cert(&root).map_err(|error| failure(&error))?;
    let end_entity = CertificateDer::from(*end_entity);
    let end_entity = EndEntityCert::try_from(&end_entity).map_err(|error| failure(&error))?;
    let issuers: Vec<_> = issuers.iter().map(|issuer| CertificateDer::from(*issuer)).collect();
    let now = UnixTime::since_unix_epoch(now.duration_since(UNIX_EPOCH).unwrap_or_default());
    end_entity
        .verify_for_usage(algorithms(), &[anchor], &issuers, now, AnyUsage, None, None)
        .map(|_| ())
        .map_err(|error| failure(&error))
}

/// Checks one signature: whether `certificate` was signed with the private key of `issuer`.
pub fn check_signature(certificate: &[u8], issuer: &[u8]) -> SignatureCheck {
    let (Some(signed), Some(issuer)) = (Signed::read(certificate), PublicKey::read(issuer)) else {
        return SignatureCheck::Invalid;
    };
    let fitting = algorithms().iter().filter(|algorithm| {
        algorithm.signature_alg_id().as_ref() == signed.algorithm
            && algorithm.public_key_alg_id().as_ref() == issuer.algorithm
    });
    let mut outcome = SignatureCheck::Unsupported;
    for algorithm in fitting {
        match algorithm.verify_signature(issuer.key, signed.message, signed.signature) {
            Ok(()) => return SignatureCheck::Valid,
            Err(_) => outcome = SignatureCheck::Invalid,
        }
    }
    outcome
}

/// Whether a certificate is for a name: a DNS name, with or without a dot at its end, or an IP address. The names count that stand in
/// the subject's alternative names, and no others (RFC 9525).
pub fn is_valid_for_name(certificate: &[u8], name: &str) -> bool {
    let certificate = CertificateDer::from(certificate);
    let Ok(certificate) = EndEntityCert::try_from(&certificate) else { return false };
    ServerName::try_from(name.strip_suffix('.').unwrap_or(name))
        .is_ok_and(|name| certificate.verify_is_valid_for_subject_name(&name).is_ok())
}

/// The usage is not looked at.
#[derive(Clone, Copy)]
struct AnyUsage;

impl ExtendedKeyUsageValidator for AnyUsage {
    fn validate(&self, _: KeyPurposeIdIter<'_, '_>) -> Result<(), PathError> {
        Ok(())
    }
}

/// A certificate as its signature sees it.
struct Signed<'a> {
    message: &'a [u8],
    /// The content of the AlgorithmIdentifier.
    algorithm: &'a [u8],
    signature: &'a [u8],
}

impl<'a> Signed<'a> {
    fn read(certificate: &'a [u8]) -> Option<Self> {
        let (_, sequence) = Any::from_der(certificate).ok()?;
        let content = sequence.data;
        let (rest, _) = Any::from_der(content).ok()?;
        let message = &content[..content.len() - rest.len()];
        let (rest, algorithm) = Any::from_der(rest).ok()?;
        Some(Self { message, algorithm: algorithm.data, signature: whole_bytes(rest)? })
    }
}

struct PublicKey<'a> {
    /// The content of the AlgorithmIdentifier.
    algorithm: &'a [u8],
    key: &'a [u8],
}

impl<'a> PublicKey<'a> {
    fn read(certificate: &'a [u8]) -> Option<Self> {
        let (_, certificate) = x509_parser::parse_x509_certificate(certificate).ok()?;
        let spki: &'a [u8] = certificate.tbs_certificate.subject_pki.raw;
        let (_, sequence) = Any::from_der(spki).ok()?;
        let (rest, algorithm) = Any::from_der(sequence.data).ok()?;
        Some(Self { algorithm: algorithm.data, key: whole_bytes(rest)? })
    }
}

/// A BIT STRING of whole bytes.
fn whole_bytes(encoded: &[u8]) -> Option<&[u8]> {
    let (_, bits) = Any::from_der(encoded).ok()?;
    let (unused, bytes) = bits.data.split_first()?;
    (BitString::try_from(&bits).is_ok() && *unused == 0).then_some(bytes)
}

fn algorithms() -> &'static [&'static dyn SignatureVerificationAlgorithm] {
    aws_lc_rs::default_provider().signature_verification_algorithms.all
}

fn failure(error: &PathError) -> PathFailure {
    match error {
        PathError::CertExpired { .. }
        | PathError::CertNotValidYet { .. }
        | PathError::InvalidCertValidity => PathFailure::Time,
        PathError::InvalidSignatureForPublicKey | PathError::UnknownIssuer => PathFailure::Signature,
        PathError::EndEntityUsedAsCa | PathError::PathLenConstraintViolated => PathFailure::BasicConstraints,
        PathError::NameConstraintViolation => PathFailure::NameConstraints,
        PathError::UnsupportedCriticalExtension => PathFailure::CriticalExtension,
        PathError::CaUsedAsEndEntity => PathFailure::Authority,
        _ => PathFailure::Other,
    }
}

//! Reading certificates: what attributes, name selection and validation want to know.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest;
use x509_parser::asn1_rs::{Any, Class, FromDer};
use x509_parser::certificate::{Validity, X509Certificate};
#[cfg(any(test, feature = "system-trust"))]
use x509_parser::extensions::GeneralName;
use x509_parser::signature_algorithm::SignatureAlgorithm;
use x509_parser::time::ASN1Time;

/// First and last moment of validity.
pub(crate) fn validity(der: &[u8]) -> Option<(SystemTime, SystemTime)> {
    // What lies in front is skipped, what lies behind is not looked at: a handshake asks for nothing else.
    let (_, certificate) = Any::from_der(der).ok()?;
    let (_, to_be_signed) = Any::from_der(certificate.data).ok()?;
    let (after, first) = Any::from_der(to_be_signed.data).ok()?;
    let has_version = first.header.class() == Class::ContextSpecific;
    let (after_serial, _) = if has_version { Any::from_der(after).ok()? } else { (after, first) };
    let (after_signature, _) = Any::from_der(after_serial).ok()?;
    let (after_issuer, _) = Any::from_der(after_signature).ok()?;
    let (_, validity) = Validity::from_der(after_issuer).ok()?;
    Some((system_time(validity.not_before)?, system_time(validity.not_after)?))
}

/// The subject's name, for humans.
pub(crate) fn subject(der: &[u8]) -> Option<String> {
    Some(parse(der)?.subject().to_string())
}

/// What SECPKG_ATTR_LOCAL_CERT_INFO and SECPKG_ATTR_KEY_INFO say of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateSummary {
    /// The subject's name, for humans.
    pub subject: String,
    /// The issuer's name, for humans.
    pub issuer: String,
    /// The length of the public key in bits; 0 where its kind is not known.
    pub key_bits: u32,
    /// Whether the public key is an RSA key.
    pub is_rsa: bool,
}

impl CertificateSummary {
    /// Reads a certificate in DER.
    pub fn from_der(der: &[u8]) -> Option<Self> {
        let certificate = parse(der)?;
        let key = certificate.public_key().parsed().ok();
        Some(Self {
            subject: certificate.subject().to_string(),
            issuer: certificate.issuer().to_string(),
            key_bits: key.as_ref().and_then(|key| u32::try_from(key.key_size()).ok()).unwrap_or(0),
            is_rsa: matches!(key, Some(x509_parser::public_key::PublicKey::RSA(_))),
        })
    }
}

/// Subject and issuer, each as DER.
pub(crate) fn raw_names(der: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let certificate = parse(der)?;
    Some((certificate.subject().as_raw().to_vec(), certificate.issuer().as_raw().to_vec()))
}

/// The certificate's hash for `tls-server-end-point`; `None` where RFC 5929 defines none.
pub(crate) fn end_point_hash(der: &[u8]) -> Option<Vec<u8>> {
    let algorithm = match signature_hash(der)? {
        SignatureHash::Sha256 => &digest::SHA256,
        SignatureHash::Sha384 => &digest::SHA384,
        SignatureHash::Sha512 => &digest::SHA512,
    };
    Some(digest::digest(algorithm, der).as_ref().to_vec())
}

/// The hash that `tls-server-end-point` is made with (RFC 5929 section 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SignatureHash {
    Sha256,
    Sha384,
    Sha512,
}

/// The hash of the certificate's own signature, SHA-256 in place of MD5 and SHA-1. `None` where RFC 5929 defines no
/// binding: signatures without one hash, such as Ed25519.
fn signature_hash(der: &[u8]) -> Option<SignatureHash> {
    let certificate = parse(der)?;
    let algorithm = &certificate.signature_algorithm;
    let oid = match SignatureAlgorithm::try_from(algorithm) {
        Ok(SignatureAlgorithm::RSASSA_PSS(parameters)) => parameters.hash_algorithm_oid().to_id_string(),
        _ => algorithm.algorithm.to_id_string(),
    };
    match oid.as_str() {
        // MD5, SHA-1 and SHA-256 with RSA; SHA-1 and SHA-256 with ECDSA; SHA-1 and SHA-256 alone, in PSS.
        "1.2.840.113549.1.1.4" | "1.2.840.113549.1.1.5" | "1.2.840.113549.1.1.11" => {
            Some(SignatureHash::Sha256)
        }
        "1.2.840.10045.4.1" | "1.2.840.10045.4.3.2" => Some(SignatureHash::Sha256),
        "1.3.14.3.2.26" | "2.16.840.1.101.3.4.2.1" => Some(SignatureHash::Sha256),
        "1.2.840.113549.1.1.12" | "1.2.840.10045.4.3.3" | "2.16.840.1.101.3.4.2.2" => {
            Some(SignatureHash::Sha384)
        }
        "1.2.840.113549.1.1.13" | "1.2.840.10045.4.3.4" | "2.16.840.1.101.3.4.2.3" => {
            Some(SignatureHash::Sha512)
        }
        _ => None,
    }
}

/// Whether these bytes are one certificate and nothing else.
pub(super) fn is_certificate(der: &[u8]) -> bool {
    parse(der).is_some()
}

/// The public key as DER `SubjectPublicKeyInfo`.
pub(super) fn public_key(der: &[u8]) -> Option<Vec<u8>> {
    Some(parse(der)?.public_key().raw.to_vec())
}

/// Whether subject and issuer are the same.
pub(super) fn is_self_issued(der: &[u8]) -> bool {
    parse(der).is_some_and(|c| c.subject().as_raw() == c.issuer().as_raw())
}

/// What a certificate is to be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Usage {
    Server,
    Client,
}

/// Whether extended key usage allows that; a certificate without the extension allows everything
/// (RFC 5280 section 4.2.1.12).
pub(super) fn allows(der: &[u8], usage: Usage) -> bool {
    let Some(certificate) = parse(der) else { return false };
    match certificate.extended_key_usage() {
        Ok(None) => true,
        Ok(Some(extension)) => {
            let allowed = match usage {
                Usage::Server => extension.value.server_auth,
                Usage::Client => extension.value.client_auth,
            };
            allowed || extension.value.any
        }
        Err(_) => false,
    }
}

/// A name this certificate is valid for, made concrete where it is a wildcard. For validation that must not depend
/// on the name, through an interface that wants one.
#[cfg(any(test, feature = "system-trust"))]
pub(super) fn some_name(der: &[u8]) -> Option<String> {
    let certificate = parse(der)?;
    let names = certificate.subject_alternative_name().ok()??;
    names.value.general_names.iter().find_map(|name| match name {
        GeneralName::DNSName(dns) => Some(dns.replacen('*', "any", 1)),
        GeneralName::IPAddress(bytes) => {
            if let Ok(v4) = <[u8; 4]>::try_from(*bytes) {
                return Some(std::net::Ipv4Addr::from(v4).to_string());
            }
            <[u8; 16]>::try_from(*bytes).ok().map(|v6| std::net::Ipv6Addr::from(v6).to_string())
        }
        _ => None,
    })
}

fn parse(der: &[u8]) -> Option<X509Certificate<'_>> {
    match x509_parser::parse_x509_certificate(der) {
        Ok(([], certificate)) => Some(certificate),
        _ => None,
    }
}

fn system_time(time: ASN1Time) -> Option<SystemTime> {
    let seconds = time.timestamp();
    let distance = Duration::from_secs(seconds.unsigned_abs());
    if seconds < 0 { UNIX_EPOCH.checked_sub(distance) } else { UNIX_EPOCH.checked_add(distance) }
}

//! PKCS #12 (RFC 7292).

use std::fmt;
use std::sync::Arc;

use p12_keystore::error::Error as ArchiveError;
use p12_keystore::{Pkcs12Archive, PrivateKeyBag};
use rustls_pki_types::PrivateKeyDer;
use x509_parser::asn1_rs::{Any, FromDer, Tag};
use zeroize::Zeroizing;

use super::identity::{no_key, unusable};
use super::signing::{PrivateKey, SoftwareKey};
use super::x509;
use crate::status::Error;

/// All that a PKCS #12 file (`.pfx`, `.p12`) holds, for callers who keep certificates in stores of their own. Whoever wants the one
/// identity in it reads it with [`Identity::from_pfx`](super::Identity::from_pfx).
#[derive(Debug)]
#[non_exhaustive]
pub struct PfxContents {
    /// The certificates in the file's order. There may be none.
    pub certificates: Vec<PfxCertificate>,
}

/// A certificate of a PKCS #12 file.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PfxCertificate {
    /// DER.
    pub der: Vec<u8>,
    /// Its private key, if the file has it.
    pub key: Option<Arc<dyn PrivateKey>>,
    /// What the file calls it.
    pub friendly_name: Option<String>,
}

/// Why a PKCS #12 file could not be read; the errors inside say it in words.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum PfxError {
    /// The password is wrong, or the file was changed: these cannot be told apart.
    Password(Error),
    /// It is damaged, of an unsupported kind, or no such file.
    Unreadable(Error),
}

impl PfxContents {
    /// Reads a file. Private keys without a certificate, and such as nobody could use with TLS, are left out.
    ///
    /// # Errors
    /// See [`PfxError`].
    pub fn open(pfx: &[u8], password: &str) -> Result<Self, PfxError> {
        let archive = Pkcs12Archive::from_pkcs12(pfx, password).map_err(|error| match error {
            ArchiveError::MacError(_) | ArchiveError::UnpadError | ArchiveError::Pkcs5Error(_) => {
                PfxError::Password(explain(&error))
            }
            _ => PfxError::Unreadable(explain(&error)),
        })?;
        let keys: Vec<Arc<dyn PrivateKey>> = archive
            .keys
            .iter()
            .filter_map(|bag| SoftwareKey::load(&PrivateKeyDer::try_from(bag.key.as_der()).ok()?))
            .map(|key| Arc::new(key) as Arc<dyn PrivateKey>)
            .collect();
        let key_of = |der: &[u8]| {
            let public_key = x509::public_key(der)?;
            keys.iter().find(|key| key.public_key_der().as_deref() == Some(&public_key[..])).cloned()
        };
        let certificates = archive.certs.into_iter().map(|bag| {
            let der = bag.cert.as_der().to_vec();
            PfxCertificate { key: key_of(&der), friendly_name: bag.friendly_name, der }
        });
        Ok(Self { certificates: certificates.collect() })
    }

    /// Whether the outermost layer is that of a PKCS #12 file.
    pub fn looks_like_one(bytes: &[u8]) -> bool {
        const VERSION: &[u8] = &[3];
        let contents = |bytes| Any::from_der(bytes).ok();
        let Some((_, outer)) = contents(bytes).filter(|(_, outer)| outer.tag() == Tag::Sequence) else {
            return false;
        };
        let Some((rest, version)) = contents(outer.data) else { return false };
        let is_safe = |(_, safe): (_, Any<'_>)| safe.tag() == Tag::Sequence;
        version.tag() == Tag::Integer && version.data == VERSION && contents(rest).is_some_and(is_safe)
    }
}

impl fmt::Display for PfxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Password(error) | Self::Unreadable(error)) = self;
        error.fmt(f)
    }
}

impl std::error::Error for PfxError {}

/// What a file holds of one identity.
pub(super) struct Contents {
    /// DER, leaf first and without its root.
    pub(super) chain: Vec<Vec<u8>>,
    /// The leaf's key, PKCS #8.
    pub(super) key: Zeroizing<Vec<u8>>,
}

pub(super) fn open(pfx: &[u8], password: &str) -> Result<Contents, Error> {
    let archive = Pkcs12Archive::from_pkcs12(pfx, password).map_err(|error| explain(&error))?;
    if archive.keys.is_empty() {
        return Err(no_key("the PKCS #12 file holds no private key"));
    }
    let certificates: Vec<_> = archive.certs.iter().map(|bag| bag.cert.as_der()).collect();
    for key in &archive.keys {
        if let Some(leaf) = leaf_of(key, &archive, &certificates) {
            let key = Zeroizing::new(key.key.as_der().to_vec());
            return Ok(Contents { chain: chain_from(leaf, &certificates), key });
        }
    }
    Err(unusable("the PKCS #12 file holds no certificate for its private key"))
}

/// By public key; by the file's own linking when the key cannot be read, which is then said later.
fn leaf_of<'a>(
    key: &PrivateKeyBag,
    archive: &'a Pkcs12Archive,
    certificates: &[&'a [u8]],
) -> Option<&'a [u8]> {
    let public_key = PrivateKeyDer::try_from(key.key.as_der())
        .ok()
        .and_then(|der| SoftwareKey::load(&der))
        .and_then(|key| key.public_key_der());
    if let Some(public_key) = public_key {
        return certificates
            .iter()
            .copied()
            .find(|c| x509::public_key(c).as_deref() == Some(&public_key[..]));
    }
    let id = key.local_key_id.as_ref()?.as_ref();
    archive.certs.iter().find(|bag| bag.local_key_id.as_deref() == Some(id)).map(|bag| bag.cert.as_der())
}

/// From the leaf upwards; every certificate is used once, so that names which go in circles come to an end.
fn chain_from(leaf: &[u8], certificates: &[&[u8]]) -> Vec<Vec<u8>> {
    let mut chain = vec![leaf.to_vec()];
    let mut wanted = x509::raw_names(leaf).map(|(_, issuer)| issuer);
    while let Some(issuer) = wanted {
        let next = certificates.iter().find(|certificate| {
            let is_issuer = x509::raw_names(certificate).is_some_and(|(subject, _)| subject == issuer);
            is_issuer && !x509::is_self_issued(certificate) && !chain.iter().any(|used| used == *certificate)
        });
        wanted = next.and_then(|certificate| x509::raw_names(certificate)).map(|(_, issuer)| issuer);
        chain.extend(next.map(|certificate| certificate.to_vec()));
    }
    chain
}

fn explain(error: &ArchiveError) -> Error {
    match error {
        ArchiveError::MacError(_) => unusable("the password is wrong, or the PKCS #12 file was changed"),
        // Without a MAC the first thing to fail is the decryption.
        ArchiveError::UnpadError | ArchiveError::Pkcs5Error(_) => {
            unusable("the PKCS #12 file cannot be decrypted: the password is wrong, or the file is damaged")
        }
        ArchiveError::UnsupportedEncryptionScheme
        | ArchiveError::UnsupportedMacAlgorithm
        | ArchiveError::UnsupportedContentType
        | ArchiveError::UnsupportedCertificateType => {
            unusable(format!("the PKCS #12 file cannot be read: {error}"))
        }
        _ => unusable(format!("the PKCS #12 file is damaged: {error}")),
    }
}

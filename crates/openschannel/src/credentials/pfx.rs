//! PKCS #12 (RFC 7292).

use p12_keystore::error::Error as PfxError;
use p12_keystore::{Pkcs12Archive, PrivateKeyBag};
use rustls_pki_types::PrivateKeyDer;
use zeroize::Zeroizing;

use super::identity::{no_key, unusable};
use super::signing::{PrivateKey, SoftwareKey};
use super::x509;
use crate::status::Error;

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

fn explain(error: &PfxError) -> Error {
    match error {
        PfxError::MacError(_) => unusable("the password is wrong, or the PKCS #12 file was changed"),
        // Without a MAC the first thing to fail is the decryption.
        PfxError::UnpadError | PfxError::Pkcs5Error(_) => {
            unusable("the PKCS #12 file cannot be decrypted: the password is wrong, or the file is damaged")
        }
        PfxError::UnsupportedEncryptionScheme
        | PfxError::UnsupportedMacAlgorithm
        | PfxError::UnsupportedContentType
        | PfxError::UnsupportedCertificateType => {
            unusable(format!("the PKCS #12 file cannot be read: {error}"))
        }
        _ => unusable(format!("the PKCS #12 file is damaged: {error}")),
    }
}

//! Certificates with their private keys.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroizing;

use super::pfx;
use super::signing::{EngineKey, PrivateKey, SoftwareKey};
use super::x509;
use crate::status::{Error, ErrorStatus};

/// A certificate chain, leaf first, and the private key of the leaf. Cheap to clone.
///
/// Failures of all constructors: `SEC_E_NO_CREDENTIALS` when there is no private key, `SEC_E_UNKNOWN_CREDENTIALS` for
/// everything else that is wrong (section 2.2); the reason says what.
#[derive(Clone)]
pub struct Identity {
    inner: Arc<Inner>,
}

struct Inner {
    key: Arc<dyn PrivateKey>,
    certified: Arc<CertifiedKey>,
    expiry: Option<SystemTime>,
}

impl Identity {
    /// Reads PEM. Both may be the same file; certificates after the leaf are its intermediates in sending order.
    /// Keys: PKCS #8, PKCS #1 and SEC 1, unencrypted.
    ///
    /// # Errors
    /// See [`Identity`].
    pub fn from_pem(chain_pem: &[u8], key_pem: &[u8]) -> Result<Self, Error> {
        let mut chain = Vec::new();
        for certificate in CertificateDer::pem_slice_iter(chain_pem) {
            chain.push(certificate.map_err(|error| damaged_pem("certificate", &error))?.to_vec());
        }
        if chain.is_empty() {
            return Err(unusable("there is no CERTIFICATE section in the PEM data"));
        }
        let keys = pem_keys(key_pem)?;
        // A file with several keys is unusual but harmless: the leaf says which one is meant.
        let mut mismatch = None;
        for key in &keys {
            match Self::with_loaded_key(chain.clone(), key) {
                Err(error) => mismatch = mismatch.or(Some(error)),
                done => return done,
            }
        }
        Err(mismatch.unwrap_or_else(|| no_key("there is no PRIVATE KEY section in the PEM data")))
    }

    /// Takes DER certificates, leaf first, and a key in PKCS #8, PKCS #1 or SEC 1.
    ///
    /// # Errors
    /// See [`Identity`].
    pub fn from_der(chain: Vec<Vec<u8>>, key_der: &[u8]) -> Result<Self, Error> {
        if key_der.is_empty() {
            return Err(no_key("the private key is empty"));
        }
        let key = PrivateKeyDer::try_from(key_der)
            .map_err(|_| unusable("the private key is neither PKCS #8 nor PKCS #1 nor SEC 1"))?;
        Self::with_loaded_key(chain, &key)
    }

    /// Reads a PKCS #12 file (`.pfx`, `.p12`): what Windows exports, and `openssl pkcs12`, with or without `-legacy`.
    ///
    /// Of several keys the first one with a certificate counts. The chain is put in order by its names; certificates
    /// that do not belong to it are left out, and so is a root, which peers have or do not trust.
    ///
    /// # Errors
    /// See [`Identity`]; a wrong password and a file that was changed cannot be told apart.
    pub fn from_pfx(pfx: &[u8], password: &str) -> Result<Self, Error> {
        let contents = pfx::open(pfx, password)?;
        Self::from_der(contents.chain, &contents.key)
    }

    /// Takes DER certificates, leaf first, and a key that may live anywhere.
    ///
    /// # Errors
    /// See [`Identity`].
    pub fn new(chain: Vec<Vec<u8>>, key: Arc<dyn PrivateKey>) -> Result<Self, Error> {
        let Some(leaf) = chain.first() else { return Err(unusable("there is no certificate")) };
        for (index, certificate) in chain.iter().enumerate() {
            if !x509::is_certificate(certificate) {
                return Err(unusable(format!("certificate {} of the chain cannot be parsed", index + 1)));
            }
        }
        if let Some(public_key) = key.public_key_der() {
            let owner = chain.iter().position(|c| x509::public_key(c).as_deref() == Some(&public_key[..]));
            match owner {
                Some(0) => {}
                Some(index) => {
                    return Err(unusable(format!(
                        "the private key belongs to certificate {} of the chain; its certificate has to come first",
                        index + 1
                    )));
                }
                None => return Err(unusable("the private key does not belong to the certificate")),
            }
        }
        let expiry = x509::validity(leaf).map(|(_, not_after)| not_after);
        let engine_key = Arc::new(EngineKey::new(Arc::clone(&key)));
        let chain = chain.into_iter().map(CertificateDer::from).collect();
        let certified = Arc::new(CertifiedKey::new(chain, engine_key));
        Ok(Self { inner: Arc::new(Inner { key, certified, expiry }) })
    }

    /// The certificates in DER, leaf first; never empty.
    pub fn chain(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.inner.certified.cert.iter().map(AsRef::as_ref)
    }

    /// The leaf's private key.
    pub fn key(&self) -> &Arc<dyn PrivateKey> {
        &self.inner.key
    }

    /// When the leaf ends to be valid; `None` for a date beyond what the operating system can express.
    pub fn expiry(&self) -> Option<SystemTime> {
        self.inner.expiry
    }

    pub(super) fn certified(&self) -> &Arc<CertifiedKey> {
        &self.inner.certified
    }

    fn with_loaded_key(chain: Vec<Vec<u8>>, key: &PrivateKeyDer<'_>) -> Result<Self, Error> {
        let key = SoftwareKey::load(key).ok_or_else(|| {
            unusable("the private key is damaged, or of a kind that cannot be used with TLS")
        })?;
        Self::new(chain, Arc::new(key))
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subject = self.chain().next().and_then(x509::subject);
        f.debug_struct("Identity")
            .field("subject", &subject)
            .field("certificates", &self.chain().len())
            .field("key", &self.inner.key.algorithm())
            .finish()
    }
}

/// Every unencrypted private key section.
fn pem_keys(pem: &[u8]) -> Result<Vec<Zeroizing<PrivateKeyDer<'static>>>, Error> {
    let encrypted = || {
        let marks = [&b"BEGIN ENCRYPTED PRIVATE KEY"[..], b"Proc-Type: 4,ENCRYPTED"];
        let found = marks.iter().any(|mark| pem.windows(mark.len()).any(|window| window == *mark));
        found.then(|| unusable("the PEM private key is encrypted; decrypt it, or use a PKCS #12 file"))
    };
    let mut keys = Vec::new();
    for key in PrivateKeyDer::pem_slice_iter(pem) {
        // The old way of encrypting puts headers into the section, and so looks damaged.
        let key = key.map_err(|error| encrypted().unwrap_or_else(|| damaged_pem("private key", &error)))?;
        keys.push(Zeroizing::new(key));
    }
    if keys.is_empty() {
        return Err(encrypted().unwrap_or_else(|| no_key("there is no PRIVATE KEY section in the PEM data")));
    }
    Ok(keys)
}

fn damaged_pem(what: &str, error: &pem::Error) -> Error {
    unusable(format!("the PEM {what} is damaged: {error}"))
}

pub(super) fn unusable(reason: impl Into<Cow<'static, str>>) -> Error {
    Error::new(ErrorStatus::UnknownCredentials).because(reason)
}

pub(super) fn no_key(reason: &'static str) -> Error {
    Error::new(ErrorStatus::NoCredentials).because(reason)
}

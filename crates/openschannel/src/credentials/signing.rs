//! Private keys as a trait, so that a key may live in a file, a token or another process.

use std::fmt;
use std::sync::Arc;

use rustls::SignatureAlgorithm;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::sign::{CertifiedKey, Signer, SigningKey};
use rustls_pki_types::{PrivateKeyDer, SubjectPublicKeyInfoDer};

use super::slot;
use crate::status::{Error, ErrorStatus, Fault};

/// A private key that signs handshakes.
///
/// Keys read by [`Identity`](super::Identity) implement it in memory; implement it for a key that must not leave
/// its place. Every call may come from any thread.
pub trait PrivateKey: Send + Sync + fmt::Debug {
    /// The kind of key, which decides the TLS 1.2 cipher suites it can be used with.
    fn algorithm(&self) -> KeyAlgorithm;

    /// The scheme to sign with, out of those the peer can verify; `None` when the key can do none of them.
    ///
    /// RFC 8446 section 4.2.3 rules out PKCS #1 v1.5 and SHA-1 in TLS 1.3; such schemes are not among `offered` then.
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<SignatureScheme>;

    /// Signs `message`; the scheme says how it is hashed.
    ///
    /// # Errors
    /// Whatever kept the key from signing. The handshake fails with that status.
    fn sign(&self, scheme: SignatureScheme, message: &[u8]) -> Result<Vec<u8>, Error>;

    /// The public half as DER `SubjectPublicKeyInfo`, to find out that key and certificate belong together. `None`
    /// when it is not known; a wrong pairing then shows only when the peer refuses the signature.
    fn public_key_der(&self) -> Option<Vec<u8>> {
        None
    }
}

/// Kinds of keys that certificates are used with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyAlgorithm {
    /// RSA, for PKCS #1 v1.5 and PSS signatures.
    Rsa,
    /// ECDSA on a NIST curve.
    Ecdsa,
    /// Ed25519.
    Ed25519,
}

/// A TLS signature scheme (RFC 8446 section 4.2.3): algorithm, hash and, in TLS 1.3, curve.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SignatureScheme(pub u16);

macro_rules! schemes {
    ($($name:ident = $id:literal)+) => {
        impl SignatureScheme {
            $(#[doc = concat!("IANA signature scheme ", stringify!($id), ".")] pub const $name: Self = Self($id);)+

            /// The IANA name, in capitals; `unknown` for a number that is not listed here.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)+
                    _ => "unknown",
                }
            }
        }
    };
}

schemes! {
    RSA_PKCS1_SHA1 = 0x0201
    ECDSA_SHA1 = 0x0203
    RSA_PKCS1_SHA256 = 0x0401
    ECDSA_SECP256R1_SHA256 = 0x0403
    RSA_PKCS1_SHA384 = 0x0501
    ECDSA_SECP384R1_SHA384 = 0x0503
    RSA_PKCS1_SHA512 = 0x0601
    ECDSA_SECP521R1_SHA512 = 0x0603
    RSA_PSS_RSAE_SHA256 = 0x0804
    RSA_PSS_RSAE_SHA384 = 0x0805
    RSA_PSS_RSAE_SHA512 = 0x0806
    ED25519 = 0x0807
    ED448 = 0x0808
}

impl fmt::Debug for SignatureScheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (0x{:04x})", self.name(), self.0)
    }
}

/// A key in this process' memory.
pub(super) struct SoftwareKey {
    key: Arc<dyn SigningKey>,
    algorithm: KeyAlgorithm,
}

impl SoftwareKey {
    /// PKCS #8, PKCS #1 (RSA) and SEC 1 (EC). `None` when it is none of these, or of a kind nobody could use: RSA
    /// below 2048 bits, a curve other than P-256, P-384 and P-521.
    pub(super) fn load(der: &PrivateKeyDer<'_>) -> Option<Self> {
        let key = any_supported_type(der).ok()?;
        let algorithm = match key.algorithm() {
            SignatureAlgorithm::RSA => KeyAlgorithm::Rsa,
            SignatureAlgorithm::ECDSA => KeyAlgorithm::Ecdsa,
            SignatureAlgorithm::ED25519 => KeyAlgorithm::Ed25519,
            _ => return None,
        };
        Some(Self { key, algorithm })
    }
}

impl PrivateKey for SoftwareKey {
    fn algorithm(&self) -> KeyAlgorithm {
        self.algorithm
    }

    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<SignatureScheme> {
        let signer =
            self.key.choose_scheme(&offered.iter().map(|scheme| scheme.0.into()).collect::<Vec<_>>())?;
        Some(SignatureScheme(signer.scheme().into()))
    }

    fn sign(&self, scheme: SignatureScheme, message: &[u8]) -> Result<Vec<u8>, Error> {
        let signer = self.key.choose_scheme(&[scheme.0.into()]).ok_or_else(|| {
            Error::new(ErrorStatus::AlgorithmMismatch).because("the key cannot sign with that scheme")
        })?;
        signer.sign(message).map_err(|_| {
            Error::new(ErrorStatus::InternalError).because("the private key did not sign").by(Fault::Local)
        })
    }

    fn public_key_der(&self) -> Option<Vec<u8>> {
        self.key.public_key().map(|spki| spki.to_vec())
    }
}

impl fmt::Debug for SoftwareKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SoftwareKey").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

/// A [`PrivateKey`] as rustls wants it.
#[derive(Debug)]
pub(super) struct EngineKey {
    key: Arc<dyn PrivateKey>,
    spki: Option<Vec<u8>>,
}

impl EngineKey {
    pub(super) fn new(key: Arc<dyn PrivateKey>) -> Self {
        let spki = key.public_key_der();
        Self { key, spki }
    }
}

impl SigningKey for EngineKey {
    fn choose_scheme(&self, offered: &[rustls::SignatureScheme]) -> Option<Box<dyn Signer>> {
        let offered: Vec<_> = offered.iter().map(|&scheme| SignatureScheme(scheme.into())).collect();
        let scheme = self.key.choose_scheme(&offered).filter(|chosen| offered.contains(chosen))?;
        Some(Box::new(EngineSigner { key: Arc::clone(&self.key), scheme }))
    }

    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        self.spki.as_deref().map(SubjectPublicKeyInfoDer::from)
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        match self.key.algorithm() {
            KeyAlgorithm::Rsa => SignatureAlgorithm::RSA,
            KeyAlgorithm::Ecdsa => SignatureAlgorithm::ECDSA,
            KeyAlgorithm::Ed25519 => SignatureAlgorithm::ED25519,
        }
    }
}

/// The key as a credential may use it that allows only some schemes.
pub(super) fn restricted(
    key: &Arc<CertifiedKey>,
    allowed: Option<&Arc<[SignatureScheme]>>,
) -> Arc<CertifiedKey> {
    let Some(allowed) = allowed else { return Arc::clone(key) };
    let inner = Arc::clone(&key.key);
    let mut certified = CertifiedKey::clone(key);
    certified.key = Arc::new(RestrictedKey { inner, allowed: Arc::clone(allowed) });
    Arc::new(certified)
}

#[derive(Debug)]
struct RestrictedKey {
    inner: Arc<dyn SigningKey>,
    allowed: Arc<[SignatureScheme]>,
}

impl SigningKey for RestrictedKey {
    fn choose_scheme(&self, offered: &[rustls::SignatureScheme]) -> Option<Box<dyn Signer>> {
        let allowed =
            |scheme: &rustls::SignatureScheme| self.allowed.contains(&SignatureScheme((*scheme).into()));
        self.inner.choose_scheme(&offered.iter().copied().filter(allowed).collect::<Vec<_>>())
    }

    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        self.inner.public_key()
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        self.inner.algorithm()
    }
}

#[derive(Debug)]
struct EngineSigner {
    key: Arc<dyn PrivateKey>,
    scheme: SignatureScheme,
}

impl Signer for EngineSigner {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        self.key.sign(self.scheme, message).map_err(|error| {
            let told = rustls::Error::General(error.to_string());
            slot::current(|slot| slot.key_error = Some(error));
            told
        })
    }

    fn scheme(&self) -> rustls::SignatureScheme {
        self.scheme.0.into()
    }
}

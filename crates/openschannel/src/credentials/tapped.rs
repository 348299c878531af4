//! The engine's cipher suites, each with an AEAD that notes in the slot what it is given: every key of a connection, how many records the
//! engine has made and read under it, and the two messages under keys that attributes are made of.
//!
//! The engine derives each key anyway. Whoever derives it again from a secret, or asks the engine to, pays for it once more, and a resumed
//! session of TLS 1.2 is hardly more than such derivations. And so the numbers by which records are told apart come from who counts them.

use std::mem;
use std::sync::LazyLock;

use rustls::crypto::cipher::{
    AeadKey, InboundOpaqueMessage, InboundPlainMessage, Iv, KeyBlockShape, MessageDecrypter,
    MessageEncrypter, OutboundChunks, OutboundOpaqueMessage, OutboundPlainMessage, Tls12AeadAlgorithm,
    Tls13AeadAlgorithm, UnsupportedOperationError,
};
use rustls::{
    CipherSuiteCommon, ConnectionTrafficSecrets, ContentType, Error, SupportedCipherSuite, Tls12CipherSuite,
    Tls13CipherSuite,
};
use zeroize::Zeroizing;

use super::CipherSuite;
use super::slot::{self, DirectionKeys, EngineKeys};
use crate::record::{EXPLICIT_NONCE_LEN, KeyMaterial, Protection, TAG_LEN};

/// The suite as the engine gets it.
pub(super) fn tapped(suite: CipherSuite) -> SupportedCipherSuite {
    /// The engine wants suites that live for ever: made once.
    static ALL: LazyLock<Vec<(CipherSuite, SupportedCipherSuite)>> =
        LazyLock::new(|| CipherSuite::ALL.iter().map(|&suite| (suite, tap(suite))).collect());
    let found = ALL.iter().find(|(known, _)| *known == suite);
    found.map_or_else(|| suite.engine(), |(_, tapped)| *tapped)
}

fn tap(suite: CipherSuite) -> SupportedCipherSuite {
    let protection = protection(suite);
    with_ciphers(
        suite.engine(),
        |inner| Box::leak(Box::new(Tapped { inner, protection })),
        |inner| Box::leak(Box::new(Tapped { inner, protection })),
    )
}

/// The suite with another AEAD. Leaks, as the engine wants suites that live for ever.
pub(super) fn with_ciphers(
    suite: SupportedCipherSuite,
    tls13: impl FnOnce(&'static dyn Tls13AeadAlgorithm) -> &'static dyn Tls13AeadAlgorithm,
    tls12: impl FnOnce(&'static dyn Tls12AeadAlgorithm) -> &'static dyn Tls12AeadAlgorithm,
) -> SupportedCipherSuite {
    let common = |common: &CipherSuiteCommon| CipherSuiteCommon {
        suite: common.suite,
        hash_provider: common.hash_provider,
        confidentiality_limit: common.confidentiality_limit,
    };
    match suite {
        SupportedCipherSuite::Tls13(suite) => {
            SupportedCipherSuite::Tls13(Box::leak(Box::new(Tls13CipherSuite {
                common: common(&suite.common),
                hkdf_provider: suite.hkdf_provider,
                aead_alg: tls13(suite.aead_alg),
                quic: None,
            })))
        }
        SupportedCipherSuite::Tls12(suite) => {
            SupportedCipherSuite::Tls12(Box::leak(Box::new(Tls12CipherSuite {
                common: common(&suite.common),
                prf_provider: suite.prf_provider,
                kx: suite.kx,
                sign: suite.sign,
                aead_alg: tls12(suite.aead_alg),
            })))
        }
    }
}

/// How records are protected with it.
pub(crate) fn protection(suite: CipherSuite) -> Protection {
    use CipherSuite as S;
    match suite {
        S::TLS_AES_128_GCM_SHA256 => Protection::Tls13Aes128Gcm,
        S::TLS_AES_256_GCM_SHA384 => Protection::Tls13Aes256Gcm,
        S::TLS_CHACHA20_POLY1305_SHA256 => Protection::Tls13ChaCha20Poly1305,
        S::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 | S::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 => {
            Protection::Tls12Aes128Gcm
        }
        S::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 | S::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 => {
            Protection::Tls12Aes256Gcm
        }
        S::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 | S::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256 => {
            Protection::Tls12ChaCha20Poly1305
        }
    }
}

struct Tapped<T: ?Sized + 'static> {
    inner: &'static T,
    protection: Protection,
}

impl<T: ?Sized> Tapped<T> {
    /// `iv` is what the suite has of it before the first record.
    fn note(&self, direction: fn(&mut EngineKeys) -> &mut DirectionKeys, key: &AeadKey, iv: &[&[u8]]) {
        let mut whole = Zeroizing::new([0; 12]);
        for (to, from) in whole.iter_mut().zip(iv.iter().copied().flatten()) {
            *to = *from;
        }
        // A key of another length than the suite's the engine does not make; without it the hand-over fails.
        let Ok(material) = KeyMaterial::new(self.protection, key.as_ref(), &whole) else { return };
        slot::current(|slot| direction(&mut slot.secrets.keys).change(material));
    }
}

impl Tls13AeadAlgorithm for Tapped<dyn Tls13AeadAlgorithm> {
    fn encrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageEncrypter> {
        self.note(|keys| &mut keys.write, &key, &[iv.as_ref()]);
        Box::new(Encrypter { inner: Late::of(self.inner, key, iv), protection: self.protection })
    }

    fn decrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageDecrypter> {
        self.note(|keys| &mut keys.read, &key, &[iv.as_ref()]);
        Box::new(Decrypter { inner: Late::of(self.inner, key, iv), protection: self.protection })
    }

    fn key_len(&self) -> usize {
        self.inner.key_len()
    }

    fn extract_keys(
        &self,
        key: AeadKey,
        iv: Iv,
    ) -> Result<ConnectionTrafficSecrets, UnsupportedOperationError> {
        self.inner.extract_keys(key, iv)
    }
}

impl Tls12AeadAlgorithm for Tapped<dyn Tls12AeadAlgorithm> {
    fn encrypter(&self, key: AeadKey, iv: &[u8], extra: &[u8]) -> Box<dyn MessageEncrypter> {
        self.note(|keys| &mut keys.write, &key, &[iv, extra]);
        Box::new(Encrypter {
            inner: Late::Made(self.inner.encrypter(key, iv, extra)),
            protection: self.protection,
        })
    }

    fn decrypter(&self, key: AeadKey, iv: &[u8]) -> Box<dyn MessageDecrypter> {
        self.note(|keys| &mut keys.read, &key, &[iv]);
        Box::new(Decrypter { inner: Late::Made(self.inner.decrypter(key, iv)), protection: self.protection })
    }

    fn key_block_shape(&self) -> KeyBlockShape {
        self.inner.key_block_shape()
    }

    fn extract_keys(
        &self,
        key: AeadKey,
        iv: &[u8],
        explicit: &[u8],
    ) -> Result<ConnectionTrafficSecrets, UnsupportedOperationError> {
        self.inner.extract_keys(key, iv, explicit)
    }
}

/// The engine's own, made when it is first used: the keys of a connection's data never are, for by then the engine is gone.
enum Late<T: ?Sized> {
    Made(Box<T>),
    Not { algorithm: &'static dyn Tls13AeadAlgorithm, key: AeadKey, iv: Zeroizing<[u8; 12]> },
}

impl<T: ?Sized> Late<T> {
    fn of(algorithm: &'static dyn Tls13AeadAlgorithm, key: AeadKey, iv: Iv) -> Self {
        let mut own = Zeroizing::new([0; 12]);
        for (to, from) in own.iter_mut().zip(iv.as_ref()) {
            *to = *from;
        }
        Self::Not { algorithm, key, iv: own }
    }

    fn get(&mut self, make: fn(&dyn Tls13AeadAlgorithm, AeadKey, Iv) -> Box<T>) -> Option<&mut T> {
        if let Self::Not { algorithm, key, iv } = self {
            // Written over: what is moved away stays where it was.
            let key = mem::replace(key, AeadKey::from([0; 32]));
            let made = make(*algorithm, key, Iv::from(**iv));
            *self = Self::Made(made);
        }
        match self {
            Self::Made(made) => Some(made),
            Self::Not { .. } => None,
        }
    }
}

struct Encrypter {
    inner: Late<dyn MessageEncrypter>,
    protection: Protection,
}

impl MessageEncrypter for Encrypter {
    fn encrypt(
        &mut self,
        message: OutboundPlainMessage<'_>,
        seq: u64,
    ) -> Result<OutboundOpaqueMessage, Error> {
        let is_handshake = message.typ == ContentType::Handshake;
        slot::current(|slot| {
            slot.secrets.keys.write.records = seq.saturating_add(1);
            if is_handshake {
                match &message.payload {
                    OutboundChunks::Single(content) => slot.secrets.note_sent(content, self.protection),
                    chunks => slot.secrets.note_sent(&chunks.to_vec(), self.protection),
                }
            }
        });
        let inner = self.inner.get(|algorithm, key, iv| algorithm.encrypter(key, iv));
        inner.ok_or(Error::EncryptError)?.encrypt(message, seq)
    }

    fn encrypted_payload_len(&self, payload_len: usize) -> usize {
        payload_len
            + match self.protection {
                Protection::Tls12Aes128Gcm | Protection::Tls12Aes256Gcm => EXPLICIT_NONCE_LEN + TAG_LEN,
                _ => self.protection.trailer_len(),
            }
    }
}

struct Decrypter {
    inner: Late<dyn MessageDecrypter>,
    protection: Protection,
}

impl MessageDecrypter for Decrypter {
    fn decrypt<'a>(
        &mut self,
        message: InboundOpaqueMessage<'a>,
        seq: u64,
    ) -> Result<InboundPlainMessage<'a>, Error> {
        let inner = self.inner.get(|algorithm, key, iv| algorithm.decrypter(key, iv));
        let opened = inner.ok_or(Error::DecryptError)?.decrypt(message, seq)?;
        slot::current(|slot| {
            slot.secrets.keys.read.records = seq.saturating_add(1);
            if opened.typ == ContentType::Handshake {
                slot.secrets.note_received(opened.payload, self.protection);
            }
        });
        Ok(opened)
    }
}

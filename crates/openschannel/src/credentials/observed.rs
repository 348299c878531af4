//! For tests: the engine's cipher suites, with every (key, nonce) they seal under noted beside those of `record/`.

use std::cell::Cell;

use rustls::crypto::cipher::{
    AeadKey, Iv, KeyBlockShape, MessageDecrypter, MessageEncrypter, OutboundOpaqueMessage,
    OutboundPlainMessage, Tls12AeadAlgorithm, Tls13AeadAlgorithm, UnsupportedOperationError,
};
use rustls::{ConnectionTrafficSecrets, Error, SupportedCipherSuite};

use super::tapped::with_ciphers;
use crate::record;

thread_local! {
    static ON: Cell<bool> = const { Cell::new(false) };
}

/// Credentials that this thread acquires from now on note what their engine seals.
pub(crate) fn switch_on() {
    ON.set(true);
}

/// The suite, watched if [`switch_on`] was called on this thread. Leaks, as the engine wants suites that live for ever.
pub(super) fn watched(suite: SupportedCipherSuite) -> SupportedCipherSuite {
    if !ON.get() {
        return suite;
    }
    let tls13 = |inner| -> &'static dyn Tls13AeadAlgorithm { Box::leak(Box::new(Watched(inner))) };
    let tls12 = |inner| -> &'static dyn Tls12AeadAlgorithm { Box::leak(Box::new(Watched(inner))) };
    with_ciphers(suite, tls13, tls12)
}

struct Watched<T: ?Sized + 'static>(&'static T);

impl Tls13AeadAlgorithm for Watched<dyn Tls13AeadAlgorithm> {
    fn encrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageEncrypter> {
        let mut base = [0; 12];
        base.copy_from_slice(iv.as_ref());
        Box::new(Noting { key: record::identity_of(key.as_ref()), base, inner: self.0.encrypter(key, iv) })
    }

    fn decrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageDecrypter> {
        self.0.decrypter(key, iv)
    }

    fn key_len(&self) -> usize {
        self.0.key_len()
    }

    fn extract_keys(
        &self,
        key: AeadKey,
        iv: Iv,
    ) -> Result<ConnectionTrafficSecrets, UnsupportedOperationError> {
        self.0.extract_keys(key, iv)
    }
}

impl Tls12AeadAlgorithm for Watched<dyn Tls12AeadAlgorithm> {
    fn encrypter(&self, key: AeadKey, iv: &[u8], extra: &[u8]) -> Box<dyn MessageEncrypter> {
        let mut base = [0; 12];
        base.copy_from_slice(&[iv, extra].concat());
        Box::new(Noting {
            key: record::identity_of(key.as_ref()),
            base,
            inner: self.0.encrypter(key, iv, extra),
        })
    }

    fn decrypter(&self, key: AeadKey, iv: &[u8]) -> Box<dyn MessageDecrypter> {
        self.0.decrypter(key, iv)
    }

    fn key_block_shape(&self) -> KeyBlockShape {
        self.0.key_block_shape()
    }

    fn extract_keys(
        &self,
        key: AeadKey,
        iv: &[u8],
        explicit: &[u8],
    ) -> Result<ConnectionTrafficSecrets, UnsupportedOperationError> {
        self.0.extract_keys(key, iv, explicit)
    }
}

struct Noting {
    key: [u8; 8],
    base: [u8; 12],
    inner: Box<dyn MessageEncrypter>,
}

impl MessageEncrypter for Noting {
    fn encrypt(
        &mut self,
        message: OutboundPlainMessage<'_>,
        seq: u64,
    ) -> Result<OutboundOpaqueMessage, Error> {
        record::note_sealed(self.key, record::nonce(&self.base, seq));
        self.inner.encrypt(message, seq)
    }

    fn encrypted_payload_len(&self, payload_len: usize) -> usize {
        self.inner.encrypted_payload_len(payload_len)
    }
}

//! The parts of both key schedules that outlive the engine: traffic keys, key updates, exporters, and the keys of an
//! unfinished handshake (RFC 8446 section 7, RFC 5246 sections 5 and 6.3, RFC 5705).

use core::fmt;

use aws_lc_rs::hmac;
use rustls::crypto::tls13::{HkdfExpander, OkmBlock};
use rustls::{ConnectionTrafficSecrets, SupportedCipherSuite, Tls12CipherSuite, Tls13CipherSuite};
use zeroize::Zeroizing;

use crate::credentials::CipherSuite;
use crate::record::{KeyMaterial, Protection, WrongKeyLength};

/// Longest hash output of a TLS 1.3 suite here (SHA-384).
const MAX_HASH_LEN: usize = 48;

/// Most bytes one exporter call gives: HKDF-Expand ends at 255 hash outputs (RFC 5869 section 2.3).
const MAX_EXPORT_BLOCKS: usize = 255;

/// A secret the keys of one direction come from.
pub(crate) struct TrafficSecret<'a> {
    suite: &'static Tls13CipherSuite,
    secret: &'a [u8],
}

impl<'a> TrafficSecret<'a> {
    pub(super) fn new(suite: &'static Tls13CipherSuite, secret: &'a [u8]) -> Option<Self> {
        let len = suite.common.hash_provider.output_len();
        let fits = secret.len() == len && len <= MAX_HASH_LEN;
        fits.then_some(Self { suite, secret })
    }

    /// Key and IV of this generation (RFC 8446 section 7.3).
    pub(super) fn key_material(&self) -> Result<KeyMaterial, WrongKeyLength> {
        let protection = tls13_protection(self.suite).ok_or(WrongKeyLength)?;
        let expander = self.expander();
        let mut key = Zeroizing::new([0; 32]);
        let key = key.get_mut(..protection.key_len()).ok_or(WrongKeyLength)?;
        let mut iv = Zeroizing::new([0; 12]);
        expand_label(&*expander, b"key", &[], key)?;
        expand_label(&*expander, b"iv", &[], &mut *iv)?;
        KeyMaterial::new(protection, key, &iv)
    }

    fn expander(&self) -> Box<dyn HkdfExpander> {
        self.suite.hkdf_provider.expander_for_okm(&OkmBlock::new(self.secret))
    }
}

/// The secret one direction's next TLS 1.3 keys come from; steps forward with every KeyUpdate.
///
/// Vacant until it lies where it stays: a move would leave the secret behind.
pub(crate) struct KeySource(Zeroizing<[u8; MAX_HASH_LEN]>);

impl KeySource {
    pub(crate) fn vacant() -> Self {
        Self(Zeroizing::new([0; MAX_HASH_LEN]))
    }

    /// As long as the hash of the suite, or shorter than any.
    pub(crate) fn set(&mut self, secret: &[u8]) {
        for (to, from) in self.0.iter_mut().zip(secret) {
            *to = *from;
        }
    }

    /// Steps to the next generation and gives its keys (RFC 8446 section 7.2).
    pub(crate) fn update(&mut self, protection: Protection) -> Result<KeyMaterial, WrongKeyLength> {
        let suite = tls13_suite(protection).ok_or(WrongKeyLength)?;
        let secret = self.0.get_mut(..suite.common.hash_provider.output_len()).ok_or(WrongKeyLength)?;
        // The engine's expander has a copy of its own, so the next secret can take the place of this one.
        let expander = TrafficSecret { suite, secret }.expander();
        expand_label(&*expander, b"traffic upd", &[], secret)?;
        TrafficSecret { suite, secret }.key_material()
    }

    /// Another one of the same generation: for tests that go on from one state in many ways.
    #[cfg(test)]
    pub(crate) fn fork(&self) -> Self {
        Self(self.0.clone())
    }

    #[cfg(test)]
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.0.to_vec()
    }
}

impl fmt::Debug for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeySource").finish_non_exhaustive()
    }
}

/// What keying material is exported from: TLS 1.3's exporter secret, TLS 1.2's master secret.
///
/// Vacant until it lies where it stays: a move would leave the secret behind.
pub(crate) struct ExporterSecret(Zeroizing<[u8; MAX_HASH_LEN]>);

impl ExporterSecret {
    pub(crate) fn vacant() -> Self {
        Self(Zeroizing::new([0; MAX_HASH_LEN]))
    }

    /// As long as the hash of the suite (TLS 1.3), or 48 bytes (TLS 1.2).
    pub(crate) fn set(&mut self, secret: &[u8]) {
        for (to, from) in self.0.iter_mut().zip(secret) {
            *to = *from;
        }
    }

    #[cfg(test)]
    pub(crate) fn fork(&self) -> Self {
        Self(self.0.clone())
    }

    /// `randoms` are TLS 1.2's.
    pub(crate) fn exporter<'a>(
        &'a self,
        suite: CipherSuite,
        randoms: Option<&'a Randoms>,
    ) -> Option<Exporter<'a>> {
        match (suite.engine(), randoms) {
            (SupportedCipherSuite::Tls13(suite), _) => {
                let secret = self.0.get(..suite.common.hash_provider.output_len())?;
                Some(Exporter::Tls13 { suite, secret })
            }
            (SupportedCipherSuite::Tls12(suite), Some(randoms)) => {
                Some(Exporter::Tls12 { suite, master: &*self.0, randoms })
            }
            (SupportedCipherSuite::Tls12(_), None) => None,
        }
    }
}

/// The hellos' random bytes, the client's first.
pub(crate) type Randoms = [u8; 64];

/// Keying material of one connection.
pub(crate) enum Exporter<'a> {
    /// RFC 8446 section 7.5.
    Tls13 { suite: &'static Tls13CipherSuite, secret: &'a [u8] },
    /// RFC 5705 section 4.
    Tls12 { suite: &'static Tls12CipherSuite, master: &'a [u8], randoms: &'a Randoms },
}

/// Longest exporter label: HKDF-Expand-Label has one byte for its length and puts six bytes in front (RFC 8446 section 7.1).
const MAX_LABEL_LEN: usize = 249;

/// Label, context or output is longer than the derivation takes, or label or output is empty.
#[derive(Debug)]
pub(crate) struct CannotExport;

impl Exporter<'_> {
    /// The bounds of TLS 1.3 hold for TLS 1.2 as well, so that what works with one version works with the other.
    pub(crate) fn export(
        &self,
        label: &[u8],
        context: Option<&[u8]>,
        output: &mut [u8],
    ) -> Result<(), CannotExport> {
        let hash = match self {
            Self::Tls13 { suite, .. } => suite.common.hash_provider,
            Self::Tls12 { suite, .. } => suite.common.hash_provider,
        };
        let len = hash.output_len();
        // The engine panics when it is asked for nothing.
        let nothing = label.is_empty() || output.is_empty();
        let context_len = context.map_or(0, <[u8]>::len);
        let too_long = label.len() > MAX_LABEL_LEN
            || context_len > usize::from(u16::MAX)
            || output.len() > MAX_EXPORT_BLOCKS * len;
        if nothing || too_long {
            return Err(CannotExport);
        }
        match self {
            Self::Tls13 { suite, secret } => {
                if secret.len() > OkmBlock::MAX_LEN {
                    return Err(CannotExport);
                }
                let mut derived = Zeroizing::new([0; MAX_HASH_LEN]);
                let derived = derived.get_mut(..len).ok_or(CannotExport)?;
                let expander = suite.hkdf_provider.expander_for_okm(&OkmBlock::new(secret));
                expand_label(&*expander, label, hash.hash(&[]).as_ref(), derived)
                    .map_err(|_| CannotExport)?;
                let expander = suite.hkdf_provider.expander_for_okm(&OkmBlock::new(derived));
                // In TLS 1.3 no context and an empty one give the same bytes.
                let context = hash.hash(context.unwrap_or_default());
                expand_label(&*expander, b"exporter", context.as_ref(), output).map_err(|_| CannotExport)
            }
            Self::Tls12 { suite, master, randoms } => {
                let mut seed = randoms.to_vec();
                if let Some(context) = context {
                    seed.extend(u16::try_from(context.len()).map_err(|_| CannotExport)?.to_be_bytes());
                    seed.extend(context);
                }
                suite.prf_provider.for_secret(output, master, label, &seed);
                Ok(())
            }
        }
    }
}

impl Exporter<'_> {
    /// TLS 1.2: what EAP-TLS calls the IV, `PRF("", label, client random + server random)` (RFC 5216 section 2.3). Public bytes, which
    /// the engine's PRF does not give: it wants a secret.
    pub(crate) fn without_secret(&self, label: &[u8], output: &mut [u8]) -> Option<()> {
        let Self::Tls12 { suite, randoms, .. } = self else { return None };
        let algorithm = match suite.common.hash_provider.output_len() {
            48 => hmac::HMAC_SHA384,
            _ => hmac::HMAC_SHA256,
        };
        p_hash(algorithm, &[], &[label, randoms.as_slice()].concat(), output)
    }
}

/// P_hash of RFC 5246 section 5.
fn p_hash(algorithm: hmac::Algorithm, secret: &[u8], seed: &[u8], output: &mut [u8]) -> Option<()> {
    let key = hmac::Key::new(algorithm, secret);
    let mut chain = hmac::sign(&key, seed);
    for block in output.chunks_mut(algorithm.digest_algorithm().output_len()) {
        let bytes = hmac::sign(&key, &[chain.as_ref(), seed].concat());
        block.copy_from_slice(bytes.as_ref().get(..block.len())?);
        chain = hmac::sign(&key, chain.as_ref());
    }
    Some(())
}

impl fmt::Debug for ExporterSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExporterSecret").finish_non_exhaustive()
    }
}

/// The keys the engine hands over when the handshake is finished.
pub(super) fn extracted(
    tls13: bool,
    secrets: &ConnectionTrafficSecrets,
) -> Result<KeyMaterial, WrongKeyLength> {
    let (protection, key, iv) = match (secrets, tls13) {
        (ConnectionTrafficSecrets::Aes128Gcm { key, iv }, true) => (Protection::Tls13Aes128Gcm, key, iv),
        (ConnectionTrafficSecrets::Aes128Gcm { key, iv }, false) => (Protection::Tls12Aes128Gcm, key, iv),
        (ConnectionTrafficSecrets::Aes256Gcm { key, iv }, true) => (Protection::Tls13Aes256Gcm, key, iv),
        (ConnectionTrafficSecrets::Aes256Gcm { key, iv }, false) => (Protection::Tls12Aes256Gcm, key, iv),
        (ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv }, true) => {
            (Protection::Tls13ChaCha20Poly1305, key, iv)
        }
        (ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv }, false) => {
            (Protection::Tls12ChaCha20Poly1305, key, iv)
        }
        _ => return Err(WrongKeyLength),
    };
    KeyMaterial::new(protection, key.as_ref(), iv.as_ref().try_into().map_err(|_| WrongKeyLength)?)
}

/// The write keys of a TLS 1.2 connection, each with the explicit nonce base the engine uses for its own records.
pub(super) struct Tls12Keys {
    pub(super) client: KeyMaterial,
    pub(super) server: KeyMaterial,
}

/// Expands the master secret as the engine does (RFC 5246 section 6.3): keys, IVs, and behind them eight bytes that AES-GCM takes
/// as the base of its explicit nonces.
pub(super) fn tls12_keys(
    suite: &'static Tls12CipherSuite,
    master: &[u8],
    client_random: &[u8; 32],
    server_random: &[u8; 32],
) -> Result<Tls12Keys, WrongKeyLength> {
    let protection = tls12_protection(suite).ok_or(WrongKeyLength)?;
    let gcm = protection != Protection::Tls12ChaCha20Poly1305;
    let (key_len, iv_len, extra) = (protection.key_len(), if gcm { 4 } else { 12 }, if gcm { 8 } else { 0 });
    let mut block = Zeroizing::new(vec![0; 2 * key_len + 2 * iv_len + extra]);
    suite.prf_provider.for_secret(
        &mut block,
        master,
        b"key expansion",
        &[server_random.as_slice(), client_random].concat(),
    );
    // `block` was made as long as these parts together.
    let (client_key, rest) = block.split_at(key_len);
    let (server_key, rest) = rest.split_at(key_len);
    let (client_iv, rest) = rest.split_at(iv_len);
    let (server_iv, extra) = rest.split_at(iv_len);
    let whole_iv = |front: &[u8]| -> Result<Zeroizing<[u8; 12]>, WrongKeyLength> {
        let mut iv = Zeroizing::new([0; 12]);
        let (to_front, to_extra) = iv.split_at_mut_checked(front.len()).ok_or(WrongKeyLength)?;
        to_front.copy_from_slice(front);
        to_extra.copy_from_slice(extra.get(..to_extra.len()).ok_or(WrongKeyLength)?);
        Ok(iv)
    };
    Ok(Tls12Keys {
        client: KeyMaterial::new(protection, client_key, &*whole_iv(client_iv)?)?,
        server: KeyMaterial::new(protection, server_key, &*whole_iv(server_iv)?)?,
    })
}

/// HKDF-Expand-Label (RFC 8446 section 7.1).
fn expand_label(
    expander: &dyn HkdfExpander,
    label: &[u8],
    context: &[u8],
    output: &mut [u8],
) -> Result<(), WrongKeyLength> {
    const PREFIX: &[u8] = b"tls13 ";
    let len = u16::try_from(output.len()).map_err(|_| WrongKeyLength)?.to_be_bytes();
    let label_len = [u8::try_from(PREFIX.len() + label.len()).map_err(|_| WrongKeyLength)?];
    let context_len = [u8::try_from(context.len()).map_err(|_| WrongKeyLength)?];
    expander
        .expand_slice(&[&len, &label_len, PREFIX, label, &context_len, context], output)
        .map_err(|_| WrongKeyLength)
}

fn tls13_suite(protection: Protection) -> Option<&'static Tls13CipherSuite> {
    match protection {
        Protection::Tls13Aes128Gcm => CipherSuite::TLS_AES_128_GCM_SHA256,
        Protection::Tls13Aes256Gcm => CipherSuite::TLS_AES_256_GCM_SHA384,
        Protection::Tls13ChaCha20Poly1305 => CipherSuite::TLS_CHACHA20_POLY1305_SHA256,
        _ => return None,
    }
    .engine()
    .tls13()
}

fn tls13_protection(suite: &'static Tls13CipherSuite) -> Option<Protection> {
    match u16::from(SupportedCipherSuite::Tls13(suite).suite()) {
        0x1301 => Some(Protection::Tls13Aes128Gcm),
        0x1302 => Some(Protection::Tls13Aes256Gcm),
        0x1303 => Some(Protection::Tls13ChaCha20Poly1305),
        _ => None,
    }
}

fn tls12_protection(suite: &'static Tls12CipherSuite) -> Option<Protection> {
    match u16::from(SupportedCipherSuite::Tls12(suite).suite()) {
        0xc02b | 0xc02f => Some(Protection::Tls12Aes128Gcm),
        0xc02c | 0xc030 => Some(Protection::Tls12Aes256Gcm),
        0xcca8 | 0xcca9 => Some(Protection::Tls12ChaCha20Poly1305),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use rustls::crypto::aws_lc_rs::cipher_suite;

    use super::*;

    /// Records one key may protect (RFC 8446 section 5.5), as the engine has it.
    #[test]
    fn limits_are_the_engines() {
        for suite in CipherSuite::ALL {
            let (protection, limit) = match suite.engine() {
                SupportedCipherSuite::Tls13(suite) => {
                    let protection = tls13_protection(suite).unwrap();
                    assert!(std::ptr::eq(tls13_suite(protection).unwrap(), suite), "{protection:?}");
                    (protection, suite.common.confidentiality_limit)
                }
                SupportedCipherSuite::Tls12(suite) => {
                    (tls12_protection(suite).unwrap(), suite.common.confidentiality_limit)
                }
            };
            assert_eq!(protection.confidentiality_limit(), limit, "{suite}");
        }
    }

    /// With a secret the engine's PRF says what is right.
    #[test]
    fn p_hash_is_the_engines() {
        let suites = [
            (cipher_suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, hmac::HMAC_SHA256),
            (cipher_suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, hmac::HMAC_SHA384),
        ];
        for (suite, algorithm) in suites {
            let SupportedCipherSuite::Tls12(suite) = suite else { panic!("a suite of TLS 1.2") };
            for len in [1, 32, 48, 64, 97] {
                let (mut own, mut engines) = (vec![0; len], vec![0; len]);
                p_hash(algorithm, b"secret", b"labelseed", &mut own).unwrap();
                suite.prf_provider.for_secret(&mut engines, b"secret", b"label", b"seed");
                assert_eq!(own, engines, "{len}");
            }
        }
    }
}

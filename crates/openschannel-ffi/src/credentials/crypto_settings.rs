//! TLS_PARAMETERS and CRYPTO_SETTINGS: a list of what is disabled, by the names of Windows' cryptography.

use openschannel::credentials::{NamedGroup, SignatureScheme};

use super::offer::{self, Cipher, Offer};
use super::protocols;

/// One TLS_PARAMETERS.
#[derive(Clone, Debug)]
pub(super) struct Parameters {
    /// For contexts with one of these identifiers; for all if it is empty.
    pub(super) alpn: Vec<Vec<u8>>,
    /// `grbitDisabledProtocols`
    pub(super) disabled_protocols: u32,
    pub(super) denied: Vec<Denied>,
    /// TLS_PARAMS_OPTIONAL: to be heeded only where no handshake fails for it.
    pub(super) optional: bool,
}

impl Parameters {
    /// Whether they hold for a context with these identifiers. One that offers several is held by what is said of any of them: which one
    /// will be agreed on is not known when the ClientHello is made.
    pub(super) fn apply_to(&self, alpn: &[Vec<u8>]) -> bool {
        self.alpn.is_empty() || self.alpn.iter().any(|id| alpn.contains(id))
    }

    pub(super) fn restrict(&self, offer: &mut Offer, inbound: bool) {
        let mut restricted = offer.clone();
        for denied in &self.denied {
            denied.remove_from(&mut restricted);
        }
        if self.optional {
            offer.prefer(&restricted);
        } else {
            restricted.protocols = protocols::without(offer.protocols, self.disabled_protocols, inbound);
            *offer = restricted;
        }
    }
}

/// One CRYPTO_SETTINGS.
#[derive(Clone, Debug)]
pub(super) struct Denied {
    usage: Usage,
    algorithm: Algorithm,
    modes: Vec<Mode>,
    /// Whether there were chaining modes at all; unknown ones deny nothing.
    only_modes: bool,
    /// Lengths in bits that stay permitted, if not all are denied.
    permitted: Option<(u32, u32)>,
}

/// `eTlsAlgorithmUsage`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Usage {
    KeyExchange,
    /// Of the handshake or of certificates: TLS as the engine speaks it has one list for both.
    Signature,
    Cipher,
    Digest,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Algorithm {
    Aes,
    ChaCha20,
    /// SHA-2, in bits.
    Hash(u32),
    Ecdh,
    /// ECDH on one curve.
    EcdhOn(NamedGroup),
    MlKem,
    Rsa,
    /// RSA with one padding: SslStream gives the padding's name in place of the algorithm's.
    RsaWith(Mode),
    Ecdsa,
    /// ECDSA on one curve, in bits.
    EcdsaOn(u32),
    Ed25519,
    /// Nothing that is used here.
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Gcm,
    Pss,
    Pkcs1,
}

impl Denied {
    /// [`None`]: a usage that does not exist, or a length beside a name that implies one.
    pub(super) fn new(
        usage: i32,
        name: &str,
        modes: Vec<String>,
        min_bits: u32,
        max_bits: u32,
    ) -> Option<Self> {
        let usage = match usage {
            0 => Usage::KeyExchange,
            1 | 4 => Usage::Signature,
            2 => Usage::Cipher,
            3 => Usage::Digest,
            _ => return None,
        };
        let algorithm = Algorithm::named(name);
        if (min_bits, max_bits) != (0, 0) && algorithm.implies_length() {
            return None;
        }
        let most = if max_bits == 0 { u32::MAX } else { max_bits };
        let permitted = ((min_bits, max_bits) != (0, 0)).then_some((min_bits, most));
        let only_modes = !modes.is_empty();
        let modes = modes.iter().filter_map(|mode| Mode::named(mode)).collect();
        Some(Self { usage, algorithm, modes, only_modes, permitted })
    }

    fn remove_from(&self, offer: &mut Offer) {
        match self.usage {
            Usage::Cipher => offer.suites.retain(|suite| {
                let (cipher, bits) = offer::cipher(*suite);
                let named = match cipher {
                    Cipher::AesGcm => self.algorithm == Algorithm::Aes && self.hits_mode(Mode::Gcm),
                    Cipher::ChaCha20 => self.algorithm == Algorithm::ChaCha20 && !self.only_modes,
                };
                !(named && self.hits_length(bits))
            }),
            Usage::Digest => {
                offer.suites.retain(|suite| self.algorithm != Algorithm::Hash(offer::suite_hash(*suite)));
            }
            Usage::KeyExchange => {
                offer.groups.retain(|group| !(self.hits_group(*group) && self.hits_length(group.bits())));
            }
            Usage::Signature => offer.schemes.retain(|scheme| !self.hits_scheme(*scheme)),
        }
    }

    fn hits_mode(&self, mode: Mode) -> bool {
        !self.only_modes || self.modes.contains(&mode)
    }

    fn hits_length(&self, bits: u32) -> bool {
        self.permitted.is_none_or(|(least, most)| !(least..=most).contains(&bits))
    }

    fn hits_group(&self, group: NamedGroup) -> bool {
        let classical = match group {
            NamedGroup::X25519MLKEM768 => Some(NamedGroup::X25519),
            NamedGroup::SECP256R1MLKEM768 => Some(NamedGroup::SECP256R1),
            NamedGroup::MLKEM768 | NamedGroup::MLKEM1024 => None,
            group => Some(group),
        };
        match self.algorithm {
            Algorithm::Ecdh => classical.is_some(),
            Algorithm::EcdhOn(curve) => classical == Some(curve),
            Algorithm::MlKem => classical != Some(group),
            _ => false,
        }
    }

    fn hits_scheme(&self, scheme: SignatureScheme) -> bool {
        match self.algorithm {
            Algorithm::Rsa if offer::is_rsa(scheme) => {
                let mode = if offer::is_pss(scheme) { Mode::Pss } else { Mode::Pkcs1 };
                self.hits_mode(mode) && self.hits_some_rsa_key()
            }
            Algorithm::RsaWith(mode) if offer::is_rsa(scheme) => {
                (mode == Mode::Pss) == offer::is_pss(scheme) && self.hits_some_rsa_key()
            }
            Algorithm::Ecdsa => offer::ecdsa_curve(scheme).is_some_and(|bits| self.hits_length(bits)),
            Algorithm::EcdsaOn(bits) => offer::ecdsa_curve(scheme) == Some(bits),
            Algorithm::Ed25519 => scheme == SignatureScheme::ED25519,
            Algorithm::Hash(bits) => offer::scheme_hash(scheme) == Some(bits),
            _ => false,
        }
    }

    /// Nobody tells the length of a key before it has signed, so a permission that does not cover every length the engine takes
    /// (2048 to 8192 bits) denies RSA as a whole.
    fn hits_some_rsa_key(&self) -> bool {
        self.permitted.is_none_or(|(least, most)| least > 2048 || most < 8192)
    }
}

impl Algorithm {
    /// By CNG identifier, in any case.
    fn named(name: &str) -> Self {
        match name.to_ascii_uppercase().as_str() {
            "AES" => Self::Aes,
            "CHACHA20_POLY1305" => Self::ChaCha20,
            "SHA256" => Self::Hash(256),
            "SHA384" => Self::Hash(384),
            "SHA512" => Self::Hash(512),
            "ECDH" => Self::Ecdh,
            "ECDH_P256" | "NISTP256" | "SECP256R1" => Self::EcdhOn(NamedGroup::SECP256R1),
            "ECDH_P384" | "NISTP384" | "SECP384R1" => Self::EcdhOn(NamedGroup::SECP384R1),
            "CURVE25519" | "25519" | "X25519" | "ECDH_25519" => Self::EcdhOn(NamedGroup::X25519),
            "ML-KEM" | "MLKEM" => Self::MlKem,
            "RSA" | "RSA_SIGN" => Self::Rsa,
            "SCH_RSA_PSS_PAD" => Self::RsaWith(Mode::Pss),
            "SCH_RSA_PKCS_PAD" => Self::RsaWith(Mode::Pkcs1),
            "ECDSA" => Self::Ecdsa,
            "ECDSA_P256" => Self::EcdsaOn(256),
            "ECDSA_P384" => Self::EcdsaOn(384),
            "ECDSA_P521" => Self::EcdsaOn(521),
            "ED25519" => Self::Ed25519,
            _ => Self::Other,
        }
    }

    fn implies_length(self) -> bool {
        matches!(self, Self::ChaCha20 | Self::Hash(_) | Self::EcdhOn(_) | Self::EcdsaOn(_) | Self::Ed25519)
    }
}

impl Mode {
    fn named(name: &str) -> Option<Self> {
        match name {
            "ChainingModeGCM" => Some(Self::Gcm),
            "SCH_RSA_PSS_PAD" => Some(Self::Pss),
            "SCH_RSA_PKCS_PAD" => Some(Self::Pkcs1),
            // ChainingModeCBC, ChainingModeCCM: no suite here has them.
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that finds the unexpected is to stop there")]

    use openschannel::credentials::{CipherSuite, Protocols};

    use super::super::Extras;
    use super::*;

    fn everything() -> Offer {
        let extras = Extras {
            groups: Some(NamedGroup::ALL.iter().map(|group| group.id()).collect()),
            cipher_suites: Some(CipherSuite::ALL.iter().map(|suite| suite.id()).collect()),
            ..Extras::default()
        };
        Offer::new(Protocols::SUPPORTED, &extras)
    }

    /// Numbers of what a setting takes away: suites, groups, schemes.
    fn taken(
        usage: i32,
        name: &str,
        modes: &[&str],
        least: u32,
        most: u32,
    ) -> (Vec<u16>, Vec<u16>, Vec<u16>) {
        let modes = modes.iter().map(|&mode| mode.to_owned()).collect();
        let before = everything();
        let mut after = before.clone();
        Denied::new(usage, name, modes, least, most).unwrap().remove_from(&mut after);
        let gone =
            |before: Vec<u16>, after: Vec<u16>| before.into_iter().filter(|id| !after.contains(id)).collect();
        let ids = |offer: &Offer| {
            (
                offer.suites.iter().map(|suite| suite.id()).collect::<Vec<_>>(),
                offer.groups.iter().map(|group| group.id()).collect::<Vec<_>>(),
                offer.schemes.iter().map(|scheme| scheme.0).collect::<Vec<_>>(),
            )
        };
        let (before, after) = (ids(&before), ids(&after));
        let mut schemes: Vec<u16> = gone(before.2, after.2);
        schemes.sort_unstable();
        (gone(before.0, after.0), gone(before.1, after.1), schemes)
    }

    const NOTHING: (Vec<u16>, Vec<u16>, Vec<u16>) = (vec![], vec![], vec![]);

    fn suites(ids: &[u16]) -> (Vec<u16>, Vec<u16>, Vec<u16>) {
        (ids.to_vec(), vec![], vec![])
    }

    fn groups(ids: &[u16]) -> (Vec<u16>, Vec<u16>, Vec<u16>) {
        (vec![], ids.to_vec(), vec![])
    }

    fn schemes(ids: &[u16]) -> (Vec<u16>, Vec<u16>, Vec<u16>) {
        (vec![], vec![], ids.to_vec())
    }

    #[test]
    fn ciphers_and_modes() {
        let aes = suites(&[0x1302, 0x1301, 0xc02c, 0xc02b, 0xc030, 0xc02f]);
        assert_eq!(taken(2, "AES", &[], 0, 0), aes);
        assert_eq!(taken(2, "aes", &["ChainingModeGCM", "ChainingModeCBC"], 0, 0), aes);
        assert_eq!(taken(2, "AES", &["ChainingModeCBC"], 0, 0), NOTHING);
        assert_eq!(taken(2, "AES", &["ChainingModeCCM"], 0, 0), NOTHING);
        assert_eq!(taken(2, "AES", &[], 256, 0), suites(&[0x1301, 0xc02b, 0xc02f]));
        assert_eq!(taken(2, "AES", &["ChainingModeGCM"], 0, 128), suites(&[0x1302, 0xc02c, 0xc030]));
        assert_eq!(taken(2, "CHACHA20_POLY1305", &[], 0, 0), suites(&[0x1303, 0xcca9, 0xcca8]));
        for unused in ["RC4", "3DES", "DES", "RC2", "NULL", "MD5", ""] {
            assert_eq!(taken(2, unused, &[], 0, 0), NOTHING, "{unused}");
            assert_eq!(taken(2, unused, &[], 64, 128), NOTHING, "{unused}");
        }
        for other_usage in [0, 1, 3, 4] {
            assert_eq!(taken(other_usage, "AES", &[], 0, 0), NOTHING);
        }
    }

    #[test]
    fn digests() {
        assert_eq!(taken(3, "SHA384", &[], 0, 0), suites(&[0x1302, 0xc02c, 0xc030]));
        assert_eq!(taken(3, "SHA256", &[], 0, 0).0.len(), 6);
        for unused in ["SHA1", "SHA512", "MD5"] {
            assert_eq!(taken(3, unused, &[], 0, 0), NOTHING);
        }
        assert_eq!(taken(1, "SHA256", &[], 0, 0), schemes(&[0x0401, 0x0403, 0x0804]));
        assert_eq!(taken(4, "SHA512", &[], 0, 0), schemes(&[0x0601, 0x0603, 0x0806]));
    }

    #[test]
    fn key_exchange() {
        assert_eq!(taken(0, "ECDH", &[], 0, 0), groups(&[0x11ec, 0x1d, 0x17, 0x18, 0x11eb]));
        assert_eq!(taken(0, "ECDH_P256", &[], 0, 0), groups(&[0x17, 0x11eb]));
        assert_eq!(taken(0, "ECDH_P384", &[], 0, 0), groups(&[0x18]));
        assert_eq!(taken(0, "ECDH_P521", &[], 0, 0), NOTHING);
        for name in ["curve25519", "25519", "x25519"] {
            assert_eq!(taken(0, name, &[], 0, 0), groups(&[0x11ec, 0x1d]), "{name}");
        }
        assert_eq!(taken(0, "ML-KEM", &[], 0, 0), groups(&[0x11ec, 0x11eb, 0x0201, 0x0202]));
        assert_eq!(taken(0, "ECDH", &[], 384, 0), groups(&[0x11ec, 0x1d, 0x17, 0x11eb]));
        assert_eq!(taken(0, "ECDH", &[], 0, 256), groups(&[0x18]));
        // Suites with static RSA or finite-field DH are not here to be denied.
        assert_eq!(taken(0, "RSA", &[], 0, 0), NOTHING);
        assert_eq!(taken(0, "DH", &[], 0, 2048), NOTHING);
    }

    #[test]
    fn signatures_and_paddings() {
        let (pkcs1, pss) = ([0x0401, 0x0501, 0x0601], [0x0804, 0x0805, 0x0806]);
        for usage in [1, 4] {
            assert_eq!(taken(usage, "SCH_RSA_PKCS_PAD", &[], 0, 0), schemes(&pkcs1));
            assert_eq!(taken(usage, "SCH_RSA_PSS_PAD", &[], 0, 0), schemes(&pss));
            let rsa = schemes(&[&pkcs1[..], &pss[..]].concat());
            assert_eq!(taken(usage, "RSA", &[], 0, 0), rsa);
            assert_eq!(taken(usage, "RSA", &["SCH_RSA_PSS_PAD"], 0, 0), schemes(&pss));
            assert_eq!(taken(usage, "RSA", &["SCH_RSA_PKCS_PAD"], 0, 0), schemes(&pkcs1));
            assert_eq!(taken(usage, "RSA", &[], 1024, 16384), NOTHING);
            assert_eq!(taken(usage, "RSA", &[], 3072, 0), rsa);
            assert_eq!(taken(usage, "ECDSA", &[], 0, 0), schemes(&[0x0403, 0x0503, 0x0603]));
            assert_eq!(taken(usage, "ECDSA", &[], 384, 384), schemes(&[0x0403, 0x0603]));
            assert_eq!(taken(usage, "ECDSA_P256", &[], 0, 0), schemes(&[0x0403]));
            assert_eq!(taken(usage, "ECDSA_P521", &[], 0, 0), schemes(&[0x0603]));
            assert_eq!(taken(usage, "DSA", &[], 0, 0), NOTHING);
        }
    }

    #[test]
    fn settings_that_contradict_themselves_are_refused() {
        for name in ["ECDH_P256", "ECDSA_P384", "SHA256", "CHACHA20_POLY1305", "curve25519"] {
            assert!(Denied::new(0, name, Vec::new(), 1, 0).is_none(), "{name}");
            assert!(Denied::new(0, name, Vec::new(), 0, 1).is_none(), "{name}");
        }
        assert!(Denied::new(5, "AES", Vec::new(), 0, 0).is_none());
        assert!(Denied::new(-1, "AES", Vec::new(), 0, 0).is_none());
    }
}

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

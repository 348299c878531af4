//! What may be negotiated, before anything of it was cut away.

use openschannel::credentials::{CipherSuite, Identity, NamedGroup, Protocols, SignatureScheme};

use super::Extras;

/// Suites and groups of Windows' defaults that the engine has, in Windows' order (section 6.7): ChaCha20 and ML-KEM are there and off.
const SUITES: [CipherSuite; 6] = [
    CipherSuite::TLS_AES_256_GCM_SHA384,
    CipherSuite::TLS_AES_128_GCM_SHA256,
    CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
];
const GROUPS: [NamedGroup; 3] = [NamedGroup::X25519, NamedGroup::SECP256R1, NamedGroup::SECP384R1];

/// What the engine can verify.
const SCHEMES: [SignatureScheme; 10] = [
    SignatureScheme::ECDSA_SECP384R1_SHA384,
    SignatureScheme::ECDSA_SECP256R1_SHA256,
    SignatureScheme::ECDSA_SECP521R1_SHA512,
    SignatureScheme::ED25519,
    SignatureScheme::RSA_PSS_RSAE_SHA512,
    SignatureScheme::RSA_PSS_RSAE_SHA384,
    SignatureScheme::RSA_PSS_RSAE_SHA256,
    SignatureScheme::RSA_PKCS1_SHA512,
    SignatureScheme::RSA_PKCS1_SHA384,
    SignatureScheme::RSA_PKCS1_SHA256,
];

/// Lists in order of preference.
#[derive(Clone, Debug)]
pub(super) struct Offer {
    pub(super) protocols: Protocols,
    pub(super) suites: Vec<CipherSuite>,
    pub(super) groups: Vec<NamedGroup>,
    pub(super) schemes: Vec<SignatureScheme>,
}

impl Offer {
    pub(super) fn new(protocols: Protocols, extras: &Extras) -> Self {
        let suites = extras.cipher_suites.as_ref();
        let groups = extras.groups.as_ref();
        Self {
            protocols,
            suites: suites.map_or_else(
                || SUITES.to_vec(),
                |ids| ids.iter().copied().filter_map(CipherSuite::from_id).collect(),
            ),
            groups: groups.map_or_else(
                || GROUPS.to_vec(),
                |ids| ids.iter().copied().filter_map(NamedGroup::from_id).collect(),
            ),
            schemes: SCHEMES.to_vec(),
        }
    }

    /// Takes TLS 1.3 away where none of the keys can sign for it: an old smart card or CSP that knows no PSS. TLS 1.2 serves it.
    pub(super) fn without_useless_versions(&mut self, identities: &[Identity]) {
        let tls13: Vec<_> = self.schemes.iter().copied().filter(|scheme| !is_pkcs1(*scheme)).collect();
        let signs = |identity: &Identity| identity.key().choose_scheme(&tls13).is_some();
        if !identities.is_empty()
            && self.protocols.contains(Protocols::TLS1_2)
            && !identities.iter().any(signs)
        {
            self.protocols.remove(Protocols::TLS1_3);
        }
    }

    /// Puts what `preferred` kept first, and the rest behind it.
    pub(super) fn prefer(&mut self, preferred: &Self) {
        self.suites.sort_by_key(|suite| !preferred.suites.contains(suite));
        self.groups.sort_by_key(|group| !preferred.groups.contains(group));
        self.schemes.sort_by_key(|scheme| !preferred.schemes.contains(scheme));
    }

    /// The schemes, where they are not simply all.
    pub(super) fn restricted_schemes(&self) -> Option<&[SignatureScheme]> {
        (self.schemes != SCHEMES).then_some(&self.schemes)
    }
}

/// What protects a suite's records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cipher {
    AesGcm,
    ChaCha20,
}

pub(super) fn cipher(suite: CipherSuite) -> (Cipher, u32) {
    let name = suite.name();
    if name.contains("CHACHA20") {
        (Cipher::ChaCha20, 256)
    } else if name.contains("AES_128") {
        (Cipher::AesGcm, 128)
    } else {
        (Cipher::AesGcm, 256)
    }
}

/// The hash of a suite's key derivation, in bits.
pub(super) fn suite_hash(suite: CipherSuite) -> u32 {
    if suite.name().ends_with("SHA384") { 384 } else { 256 }
}

/// Whether a suite's name lets only this kind of certificate in; TLS 1.3 suites let any.
pub(super) fn is_rsa_suite(suite: CipherSuite) -> bool {
    suite.name().contains("_RSA_")
}

pub(super) fn is_ecdsa_suite(suite: CipherSuite) -> bool {
    suite.name().contains("_ECDSA_")
}

pub(super) fn is_pkcs1(scheme: SignatureScheme) -> bool {
    matches!(
        scheme,
        SignatureScheme::RSA_PKCS1_SHA256
            | SignatureScheme::RSA_PKCS1_SHA384
            | SignatureScheme::RSA_PKCS1_SHA512
    )
}

pub(super) fn is_pss(scheme: SignatureScheme) -> bool {
    matches!(
        scheme,
        SignatureScheme::RSA_PSS_RSAE_SHA256
            | SignatureScheme::RSA_PSS_RSAE_SHA384
            | SignatureScheme::RSA_PSS_RSAE_SHA512
    )
}

pub(super) fn is_rsa(scheme: SignatureScheme) -> bool {
    is_pkcs1(scheme) || is_pss(scheme)
}

/// The curve of an ECDSA scheme, in bits.
pub(super) fn ecdsa_curve(scheme: SignatureScheme) -> Option<u32> {
    match scheme {
        SignatureScheme::ECDSA_SECP256R1_SHA256 => Some(256),
        SignatureScheme::ECDSA_SECP384R1_SHA384 => Some(384),
        SignatureScheme::ECDSA_SECP521R1_SHA512 => Some(521),
        _ => None,
    }
}

/// What a scheme hashes with, in bits. Ed25519 brings its own.
pub(super) fn scheme_hash(scheme: SignatureScheme) -> Option<u32> {
    let name = scheme.name();
    [256, 384, 512].into_iter().find(|bits| name.ends_with(&format!("SHA{bits}")))
}

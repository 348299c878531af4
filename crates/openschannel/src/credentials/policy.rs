//! What may be negotiated: protocol versions, cipher suites, groups.

use std::fmt;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs::{self, cipher_suite, kx_group};
use rustls::crypto::{CryptoProvider, SupportedKxGroup};
use rustls::{SupportedCipherSuite, SupportedProtocolVersion};

use super::SignatureScheme;
use crate::status::{Error, ErrorStatus};

bitflags::bitflags! {
    /// Protocol versions to allow. Only TLS 1.2 and TLS 1.3 can be had; the others exist to be refused (section 6.1).
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct Protocols: u32 {
        /// SSL 3.0; out of reach.
        const SSL3 = 1 << 0;
        /// TLS 1.0; out of reach.
        const TLS1_0 = 1 << 1;
        /// TLS 1.1; out of reach.
        const TLS1_1 = 1 << 2;
        /// TLS 1.2, RFC 5246.
        const TLS1_2 = 1 << 3;
        /// TLS 1.3, RFC 8446.
        const TLS1_3 = 1 << 4;
        /// DTLS 1.0; out of reach.
        const DTLS1_0 = 1 << 8;
        /// DTLS 1.2; out of reach.
        const DTLS1_2 = 1 << 9;
    }
}

impl Protocols {
    /// What the engine can do, and what an empty request stands for.
    pub const SUPPORTED: Self = Self::TLS1_2.union(Self::TLS1_3);

    const STREAM: Self = Self::SSL3.union(Self::TLS1_0).union(Self::TLS1_1).union(Self::SUPPORTED);
    const DATAGRAM: Self = Self::DTLS1_0.union(Self::DTLS1_2);
}

impl Default for Protocols {
    /// [`Protocols::SUPPORTED`]
    fn default() -> Self {
        Self::SUPPORTED
    }
}

/// Names a suite or group once: the enum, its number, and the engine's object.
macro_rules! algorithms {
    (
        $(#[$attribute:meta])*
        $enum:ident, $kind:literal, $engine:ty { $($variant:ident = $id:literal => $object:expr;)+ }
    ) => {
        $(#[$attribute])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        #[repr(u16)]
        pub enum $enum {
            $(#[doc = concat!("IANA ", $kind, " ", stringify!($id), ".")] $variant = $id,)+
        }

        impl $enum {
            /// Everything the engine can do, in the default order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The IANA number.
            pub const fn id(self) -> u16 {
                self as u16
            }

            /// The IANA name, in capitals.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant),)+ }
            }

            /// By IANA number.
            pub const fn from_id(id: u16) -> Option<Self> {
                match id {
                    $($id => Some(Self::$variant),)+
                    _ => None,
                }
            }

            /// By IANA name, in any case.
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|known| known.name().eq_ignore_ascii_case(name))
            }

            pub(crate) fn engine(self) -> $engine {
                match self { $(Self::$variant => $object,)+ }
            }
        }

        impl fmt::Display for $enum {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.name())
            }
        }
    };
}

algorithms! {
    /// A cipher suite of the engine's: AEAD only, with ephemeral key exchange only.
    ///
    /// What section 6.7 lists besides (CBC, static RSA, DHE, NULL) counts as not supported.
    #[allow(non_camel_case_types)]
    CipherSuite, "cipher suite", SupportedCipherSuite {
        TLS_AES_256_GCM_SHA384 = 0x1302 => cipher_suite::TLS13_AES_256_GCM_SHA384;
        TLS_AES_128_GCM_SHA256 = 0x1301 => cipher_suite::TLS13_AES_128_GCM_SHA256;
        TLS_CHACHA20_POLY1305_SHA256 = 0x1303 => cipher_suite::TLS13_CHACHA20_POLY1305_SHA256;
        TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 = 0xc02c => cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384;
        TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 = 0xc02b => cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256;
        TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 = 0xcca9
            => cipher_suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256;
        TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 = 0xc030 => cipher_suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384;
        TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 = 0xc02f => cipher_suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256;
        TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256 = 0xcca8
            => cipher_suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256;
    }
}

#[cfg(test)]
use super::observed::watched;

#[cfg(not(test))]
fn watched(suite: SupportedCipherSuite) -> SupportedCipherSuite {
    suite
}

impl CipherSuite {
    /// The one protocol version this suite belongs to.
    pub fn protocol(self) -> Protocols {
        match self.engine() {
            SupportedCipherSuite::Tls12(_) => Protocols::TLS1_2,
            SupportedCipherSuite::Tls13(_) => Protocols::TLS1_3,
        }
    }
}

algorithms! {
    /// A key exchange group of the engine's.
    NamedGroup, "group", &'static dyn SupportedKxGroup {
        X25519MLKEM768 = 0x11ec => kx_group::X25519MLKEM768;
        X25519 = 0x001d => kx_group::X25519;
        SECP256R1 = 0x0017 => kx_group::SECP256R1;
        SECP384R1 = 0x0018 => kx_group::SECP384R1;
        SECP256R1MLKEM768 = 0x11eb => kx_group::SECP256R1MLKEM768;
        MLKEM768 = 0x0201 => kx_group::MLKEM768;
        MLKEM1024 = 0x0202 => kx_group::MLKEM1024;
    }
}

impl NamedGroup {
    /// Hybrids that few peers know, and ML-KEM without a classical half, are had on request only.
    pub const DEFAULT: &'static [Self] =
        &[Self::X25519MLKEM768, Self::X25519, Self::SECP256R1, Self::SECP384R1];

    /// The size as `SECPKG_ATTR_CONNECTION_INFO` reports it: the curve's, for hybrids that of their classical half,
    /// for ML-KEM the parameter set's number.
    pub const fn bits(self) -> u32 {
        match self {
            Self::X25519MLKEM768 | Self::X25519 => 255,
            Self::SECP256R1 | Self::SECP256R1MLKEM768 => 256,
            Self::SECP384R1 => 384,
            Self::MLKEM768 => 768,
            Self::MLKEM1024 => 1024,
        }
    }

    /// Whether TLS 1.2 can use it too; the post-quantum groups belong to TLS 1.3.
    pub fn usable_in_tls12(self) -> bool {
        self.engine().usable_for_version(rustls::ProtocolVersion::TLSv1_2)
    }

    pub(super) fn from_engine(group: rustls::NamedGroup) -> Option<Self> {
        Self::from_id(group.into())
    }

    pub(super) fn to_engine(self) -> rustls::NamedGroup {
        self.engine().name()
    }
}

/// The part of a request that this room turns into a policy.
#[derive(Clone, Debug, Default)]
pub(super) struct PolicyRequest {
    pub(super) protocols: Protocols,
    /// IANA numbers, known or not; `None` is the default list.
    pub(super) cipher_suites: Option<Vec<u16>>,
    pub(super) groups: Option<Vec<u16>>,
    pub(super) signatures: Option<Vec<SignatureScheme>>,
}

/// What was settled at acquisition.
#[derive(Clone)]
pub(super) struct Policy {
    pub(super) protocols: Protocols,
    pub(super) cipher_suites: Vec<CipherSuite>,
    pub(super) groups: Vec<NamedGroup>,
    /// What both sides may sign with; `None` is whatever the engine can do.
    pub(super) signatures: Option<Arc<[SignatureScheme]>>,
    pub(super) provider: Arc<CryptoProvider>,
}

impl Policy {
    /// Intersects the request with what the engine can do.
    ///
    /// What is out of reach is ignored beside something that is not; alone it is `SEC_E_ALGORITHM_MISMATCH`
    /// (sections 2.2, 6.1). So is every combination that leaves no version with both a suite and a group.
    pub(super) fn settle(request: &PolicyRequest) -> Result<Self, Error> {
        let asked = request.protocols;
        if asked.intersects(Protocols::STREAM) && asked.intersects(Protocols::DATAGRAM) {
            return Err(mismatch("TLS and DTLS versions are asked for together"));
        }
        let mut protocols =
            if asked.is_empty() { Protocols::SUPPORTED } else { asked & Protocols::SUPPORTED };
        if protocols.is_empty() {
            return Err(mismatch("none of the protocol versions asked for is supported"));
        }
        let mut cipher_suites =
            select(request.cipher_suites.as_deref(), CipherSuite::ALL, CipherSuite::from_id);
        let groups = select(request.groups.as_deref(), NamedGroup::DEFAULT, NamedGroup::from_id);
        if let Some(allowed) = &request.signatures {
            cipher_suites.retain(|suite| allowed.iter().any(|scheme| fits(*scheme, *suite)));
        }
        for version in [Protocols::TLS1_2, Protocols::TLS1_3] {
            let suite = cipher_suites.iter().any(|suite| suite.protocol() == version);
            let group = groups.iter().any(|group| version == Protocols::TLS1_3 || group.usable_in_tls12());
            if !suite || !group {
                protocols.remove(version);
            }
        }
        if protocols.is_empty() {
            return Err(mismatch("no protocol version is left with a cipher suite, a group and a signature"));
        }
        cipher_suites.retain(|suite| protocols.contains(suite.protocol()));
        let provider = CryptoProvider {
            cipher_suites: cipher_suites.iter().map(|suite| watched(suite.engine())).collect(),
            kx_groups: groups.iter().map(|group| group.engine()).collect(),
            ..aws_lc_rs::default_provider()
        };
        let signatures = request.signatures.as_deref().map(Arc::from);
        Ok(Self { protocols, cipher_suites, groups, signatures, provider: Arc::new(provider) })
    }

    /// The versions as the engine wants them.
    pub(super) fn versions(&self) -> Vec<&'static SupportedProtocolVersion> {
        let mut versions = Vec::with_capacity(2);
        if self.protocols.contains(Protocols::TLS1_3) {
            versions.push(&rustls::version::TLS13);
        }
        if self.protocols.contains(Protocols::TLS1_2) {
            versions.push(&rustls::version::TLS12);
        }
        versions
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policy")
            .field("protocols", &self.protocols)
            .field("cipher_suites", &self.cipher_suites)
            .field("groups", &self.groups)
            .finish_non_exhaustive()
    }
}

/// Whether a handshake with this suite can be signed so, by an engine that knows the scheme.
fn fits(scheme: SignatureScheme, suite: CipherSuite) -> bool {
    let for_rsa = match scheme {
        SignatureScheme::RSA_PKCS1_SHA256
        | SignatureScheme::RSA_PKCS1_SHA384
        | SignatureScheme::RSA_PKCS1_SHA512 => return suite.name().contains("_RSA_"),
        SignatureScheme::RSA_PSS_RSAE_SHA256
        | SignatureScheme::RSA_PSS_RSAE_SHA384
        | SignatureScheme::RSA_PSS_RSAE_SHA512 => true,
        SignatureScheme::ECDSA_SECP256R1_SHA256
        | SignatureScheme::ECDSA_SECP384R1_SHA384
        | SignatureScheme::ECDSA_SECP521R1_SHA512
        | SignatureScheme::ED25519 => false,
        _ => return false,
    };
    suite.protocol() == Protocols::TLS1_3 || suite.name().contains("_RSA_") == for_rsa
}

/// The known ones among `ids`, in that order and each once.
fn select<T: Copy + PartialEq>(ids: Option<&[u16]>, default: &[T], from_id: fn(u16) -> Option<T>) -> Vec<T> {
    let Some(ids) = ids else { return default.to_vec() };
    let mut known = Vec::new();
    for algorithm in ids.iter().filter_map(|&id| from_id(id)) {
        if !known.contains(&algorithm) {
            known.push(algorithm);
        }
    }
    known
}

fn mismatch(reason: &'static str) -> Error {
    Error::new(ErrorStatus::AlgorithmMismatch).because(reason)
}

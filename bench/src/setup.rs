//! What a pair of connections negotiates, and the certificates that it does it with.

use std::fmt;
use std::sync::LazyLock;

/// The name in every certificate, which every client checks.
pub const NAME: &str = "server.test";

/// How many tickets a TLS 1.3 server issues in a resumed setup: rustls' default, which the provider has no setting for.
pub const TICKETS: usize = 2;

/// A protocol version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Version {
    /// RFC 5246.
    Tls12,
    /// RFC 8446.
    Tls13,
}

impl Version {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Tls13, Self::Tls12];
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tls12 => "TLS 1.2",
            Self::Tls13 => "TLS 1.3",
        })
    }
}

/// The algorithm that protects records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Aead {
    /// With SHA-256.
    Aes128Gcm,
    /// With SHA-384.
    Aes256Gcm,
    /// With SHA-256.
    ChaCha20Poly1305,
}

impl Aead {
    /// All three.
    pub const ALL: [Self; 3] = [Self::Aes128Gcm, Self::Aes256Gcm, Self::ChaCha20Poly1305];

    /// The cipher suite's IANA number, in TLS 1.2 with ECDHE and the signature algorithm of the key.
    #[must_use]
    pub fn suite(self, version: Version, key: KeyKind) -> u16 {
        match (version, key, self) {
            (Version::Tls13, _, Self::Aes128Gcm) => 0x1301,
            (Version::Tls13, _, Self::Aes256Gcm) => 0x1302,
            (Version::Tls13, _, Self::ChaCha20Poly1305) => 0x1303,
            (Version::Tls12, KeyKind::EcdsaP256, Self::Aes128Gcm) => 0xc02b,
            (Version::Tls12, KeyKind::EcdsaP256, Self::Aes256Gcm) => 0xc02c,
            (Version::Tls12, KeyKind::EcdsaP256, Self::ChaCha20Poly1305) => 0xcca9,
            (Version::Tls12, KeyKind::Rsa2048, Self::Aes128Gcm) => 0xc02f,
            (Version::Tls12, KeyKind::Rsa2048, Self::Aes256Gcm) => 0xc030,
            (Version::Tls12, KeyKind::Rsa2048, Self::ChaCha20Poly1305) => 0xcca8,
        }
    }
}

impl fmt::Display for Aead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Aes128Gcm => "AES-128-GCM",
            Self::Aes256Gcm => "AES-256-GCM",
            Self::ChaCha20Poly1305 => "ChaCha20-Poly1305",
        })
    }
}

/// The key in the server's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KeyKind {
    /// ECDSA over P-256.
    EcdsaP256,
    /// RSA of 2048 bits.
    Rsa2048,
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EcdsaP256 => "ECDSA P-256",
            Self::Rsa2048 => "RSA 2048",
        })
    }
}

/// The group of the key exchange. In TLS 1.2 P-256 is offered too: some peers want it for the signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Group {
    /// RFC 7748.
    X25519,
    /// The hybrid with ML-KEM-768, TLS 1.3 only.
    X25519Mlkem768,
}

impl Group {
    /// IANA's number.
    #[must_use]
    pub fn id(self) -> u16 {
        match self {
            Self::X25519 => 29,
            Self::X25519Mlkem768 => 4588,
        }
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::X25519 => "X25519",
            Self::X25519Mlkem768 => "X25519MLKEM768",
        })
    }
}

/// What a pair negotiates, and nothing else: both sides allow exactly this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Setup {
    /// The protocol version.
    pub version: Version,
    /// The algorithm that protects records.
    pub aead: Aead,
    /// The key in the server's certificate.
    pub key: KeyKind,
    /// The group of the key exchange.
    pub group: Group,
    /// Whether the client resumes a session. Otherwise the server issues no tickets, and nobody remembers sessions.
    pub resumed: bool,
}

impl Setup {
    /// A full handshake with ECDSA P-256 and X25519: what the suites about records use.
    #[must_use]
    pub fn records(version: Version, aead: Aead) -> Self {
        Self { version, aead, key: KeyKind::EcdsaP256, group: Group::X25519, resumed: false }
    }

    /// Whether the protocol has it: hybrid groups are TLS 1.3's.
    #[must_use]
    pub fn is_possible(&self) -> bool {
        (self.version, self.group) != (Version::Tls12, Group::X25519Mlkem768)
    }

    /// The cipher suite's IANA number.
    #[must_use]
    pub fn suite(&self) -> u16 {
        self.aead.suite(self.version, self.key)
    }

    /// Panics unless this is what was negotiated: otherwise something else would be measured.
    pub fn check(&self, negotiated: &Negotiated) {
        let Negotiated { version, suite, group, resumed } = *negotiated;
        assert_eq!((version, suite, resumed), (self.version, self.suite(), self.resumed), "negotiated");
        assert!(group.is_none_or(|group| group == self.group.id()), "{group:?} instead of {}", self.group);
    }
}

/// What a connection says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Negotiated {
    /// The protocol version.
    pub version: Version,
    /// The cipher suite's IANA number.
    pub suite: u16,
    /// The group's IANA number, unless the library does not tell, or no key was exchanged (TLS 1.2, resumed).
    pub group: Option<u16>,
    /// Whether a session was resumed.
    pub resumed: bool,
}

/// A root, and a server's certificate that it has signed.
#[derive(Debug)]
pub struct Certificates {
    /// The root's certificate.
    pub root_der: Vec<u8>,
    /// The same as PEM.
    pub root_pem: String,
    /// The server's certificate.
    pub leaf_der: Vec<u8>,
    /// The same as PEM.
    pub leaf_pem: String,
    /// Its key, PKCS #8.
    pub key_der: Vec<u8>,
    /// The same as PEM.
    pub key_pem: String,
}

/// The certificates for a kind of key, made once a process.
#[must_use]
pub fn certificates(kind: KeyKind) -> &'static Certificates {
    static ECDSA: LazyLock<Certificates> = LazyLock::new(|| made(KeyKind::EcdsaP256));
    static RSA: LazyLock<Certificates> = LazyLock::new(|| made(KeyKind::Rsa2048));
    match kind {
        KeyKind::EcdsaP256 => &ECDSA,
        KeyKind::Rsa2048 => &RSA,
    }
}

/// Both certificates have the same kind of key.
fn made(kind: KeyKind) -> Certificates {
    use rcgen::{
        BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
        KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, RsaKeySize,
    };
    let key = || match kind {
        KeyKind::EcdsaP256 => KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256),
        KeyKind::Rsa2048 => KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048),
    };
    let (root_key, leaf_key) = (key().expect("a key"), key().expect("a key"));
    let mut root = CertificateParams::default();
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    root.distinguished_name.push(DnType::CommonName, "benchmark root");
    root.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let root_certificate = root.self_signed(&root_key).expect("a root");
    let issuer = Issuer::new(root, root_key);
    let mut leaf = CertificateParams::new(vec![NAME.to_owned()]).expect("a name");
    leaf.distinguished_name.push(DnType::CommonName, NAME);
    leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let leaf_certificate = leaf.signed_by(&leaf_key, &issuer).expect("a certificate");
    Certificates {
        root_der: root_certificate.der().to_vec(),
        root_pem: root_certificate.pem(),
        leaf_der: leaf_certificate.der().to_vec(),
        leaf_pem: leaf_certificate.pem(),
        key_der: leaf_key.serialize_der(),
        key_pem: leaf_key.serialize_pem(),
    }
}

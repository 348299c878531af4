//! The certificates of a run: the directory that subjects are given, and the conductor's credentials.

use std::fs;
use std::path::Path;

use openschannel::credentials::{InboundCredentials, NamedGroup, OutboundCredentials};
use openschannel_interop::certificates::Certificates;
use p12_keystore::{Certificate, KeyStore, KeyStoreEntry, PrivateKey, PrivateKeyChain};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject;

use crate::cell::Version;

/// The password of `server.p12`.
pub const PASSWORD: &str = "conformance";

/// Quick ones that everybody has.
const GROUPS: [NamedGroup; 2] = [NamedGroup::X25519, NamedGroup::SECP256R1];

/// A directory with `ca.pem`, `chain.pem`, `key.pem` and `server.p12`, gone when dropped.
#[derive(Debug)]
pub struct Files {
    certificates: Certificates,
    outbound: [OutboundCredentials; 2],
    inbound: [InboundCredentials; 2],
}

impl Files {
    /// Makes them.
    pub fn new() -> Self {
        let certificates = Certificates::new();
        let files = &certificates.ecdsa;
        fs::copy(&files.certificate, certificates.directory().join("chain.pem")).unwrap();
        fs::copy(&files.key, certificates.directory().join("key.pem")).unwrap();
        let key = PrivatePkcs8KeyDer::from_pem_file(&files.key).unwrap();
        let chain = files.chain().iter().map(|der| Certificate::from_der(der).unwrap());
        let mut store = KeyStore::new();
        let entry =
            PrivateKeyChain::new(vec![1], PrivateKey::from_der(key.secret_pkcs8_der()).unwrap(), chain);
        store.add_entry("server", KeyStoreEntry::PrivateKeyChain(entry));
        certificates.write("server.p12", &store.writer(PASSWORD).write().unwrap());
        let outbound = Version::ALL.map(|version| {
            certificates
                .outbound()
                .protocols(version.protocols())
                .groups(&GROUPS)
                .resumption(false)
                .acquire()
                .unwrap()
        });
        let inbound = Version::ALL.map(|version| {
            certificates.inbound().protocols(version.protocols()).groups(&GROUPS).acquire().unwrap()
        });
        Self { certificates, outbound, inbound }
    }

    /// Where they lie.
    pub fn directory(&self) -> &Path {
        self.certificates.directory()
    }

    /// A client's, for a version.
    pub fn outbound(&self, version: Version) -> &OutboundCredentials {
        &self.outbound[version as usize]
    }

    /// A server's, for a version.
    pub fn inbound(&self, version: Version) -> &InboundCredentials {
        &self.inbound[version as usize]
    }
}

impl Default for Files {
    fn default() -> Self {
        Self::new()
    }
}

//! An authority and what it has signed, as PEM files for other programs and as credentials for the provider.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use openschannel::credentials::{
    Identity, InboundBuilder, InboundCredentials, OutboundBuilder, OutboundCredentials, Trust,
};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_RSA_SHA256, RsaKeySize,
};
use tempfile::TempDir;

/// The name that every server certificate is for.
pub const SERVER_NAME: &str = "server.test";

/// The common name of the client certificate.
pub const CLIENT_NAME: &str = "client.test";

/// A directory with certificates, gone when dropped. Data files of a test may lie there too.
#[derive(Debug)]
pub struct Certificates {
    directory: TempDir,
    authority: Vec<u8>,
    authority_name: String,
    /// Server, P-256.
    pub ecdsa: Files,
    /// Server, RSA 2048.
    pub rsa: Files,
    /// Client, P-256.
    pub client: Files,
}

/// One certificate.
#[derive(Debug)]
pub struct Files {
    /// The certificate with the authority's behind it, PEM.
    pub certificate: PathBuf,
    /// Its key, PKCS#8 PEM.
    pub key: PathBuf,
    chain: Vec<Vec<u8>>,
}

impl Files {
    /// For the provider.
    pub fn identity(&self) -> Identity {
        let read = |path| std::fs::read(path).unwrap();
        Identity::from_pem(&read(&self.certificate), &read(&self.key)).unwrap()
    }

    /// The certificates in the file, DER.
    pub fn chain(&self) -> &[Vec<u8>] {
        &self.chain
    }

    /// `cert=F` and `key=F` for a scripted peer.
    pub fn options(&self) -> [String; 2] {
        [format!("cert={}", self.certificate.display()), format!("key={}", self.key.display())]
    }
}

impl Certificates {
    /// Makes them.
    pub fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let directory = tempfile::tempdir().unwrap();
        // A name of its own: a stranger's signature is not to be taken for a forged one.
        let authority_name = format!("interop authority {}", COUNT.fetch_add(1, Ordering::Relaxed));
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, authority_name.as_str());
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key).unwrap();
        std::fs::write(directory.path().join("ca.pem"), certificate.pem()).unwrap();
        let signer = Signer {
            pem: certificate.pem(),
            der: certificate.der().to_vec(),
            issuer: Issuer::new(params, key),
        };
        let rsa = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
        let p256 = || KeyPair::generate().unwrap();
        let (server, client) = (ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth);
        Self {
            authority: certificate.der().to_vec(),
            authority_name,
            ecdsa: signer.sign(&p256(), SERVER_NAME, server.clone(), directory.path(), "ecdsa"),
            rsa: signer.sign(&rsa, SERVER_NAME, server, directory.path(), "rsa"),
            client: signer.sign(&p256(), CLIENT_NAME, client, directory.path(), "client"),
            directory,
        }
    }

    /// Where they lie.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The authority's certificate, PEM.
    pub fn authority_file(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    /// The authority's certificate, DER.
    pub fn authority(&self) -> &[u8] {
        &self.authority
    }

    /// The authority's name, a DER `Name`: one common name.
    pub fn authority_name(&self) -> Vec<u8> {
        let text = self.authority_name.as_bytes();
        let wrap = |tag: u8, content: &[u8]| [&[tag, u8::try_from(content.len()).unwrap()], content].concat();
        let common_name = [&[0x06, 0x03, 0x55, 0x04, 0x03], &*wrap(0x0C, text)].concat();
        wrap(0x30, &wrap(0x31, &wrap(0x30, &common_name)))
    }

    /// Writes a file beside them and gives its path as a program's argument.
    pub fn write(&self, name: &str, content: &[u8]) -> String {
        let path = self.directory.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    }

    /// A client that trusts the authority.
    pub fn outbound(&self) -> OutboundBuilder {
        OutboundCredentials::builder().trust(self.trust())
    }

    /// A server with both certificates, which trusts the authority for clients.
    pub fn inbound(&self) -> InboundBuilder {
        InboundCredentials::builder()
            .identity(self.ecdsa.identity())
            .identity(self.rsa.identity())
            .trust(self.trust())
    }

    /// Options of a scripted server: both certificates, and the authority for clients.
    pub fn server_options(&self) -> Vec<String> {
        let mut options = vec![format!("ca={}", self.authority_file().display())];
        options.extend(self.ecdsa.options());
        options.extend(self.rsa.options().map(|option| option.replacen('=', "2=", 1)));
        options
    }

    /// Options of a scripted client: the authority.
    pub fn client_options(&self) -> Vec<String> {
        vec![format!("ca={}", self.authority_file().display())]
    }

    fn trust(&self) -> Trust {
        Trust::Roots(vec![self.authority.clone()])
    }
}

impl Default for Certificates {
    fn default() -> Self {
        Self::new()
    }
}

struct Signer {
    pem: String,
    der: Vec<u8>,
    issuer: Issuer<'static, KeyPair>,
}

impl Signer {
    fn sign(
        &self,
        key: &KeyPair,
        name: &str,
        usage: ExtendedKeyUsagePurpose,
        directory: &Path,
        stem: &str,
    ) -> Files {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![usage];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let certificate = params.signed_by(key, &self.issuer).unwrap();
        let files = Files {
            certificate: directory.join(format!("{stem}.pem")),
            key: directory.join(format!("{stem}.key")),
            chain: vec![certificate.der().to_vec(), self.der.clone()],
        };
        std::fs::write(&files.certificate, certificate.pem() + &self.pem).unwrap();
        std::fs::write(&files.key, key.serialize_pem()).unwrap();
        files
    }
}

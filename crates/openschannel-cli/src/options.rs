//! Options that `connect` and `serve` share, and what they make of them.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, ValueEnum};
use openschannel::attributes::Protocol;
use openschannel::credentials::{CipherSuite, Identity, KeyLog, KeyLogFile, NamedGroup, Protocols, Trust};
use openschannel::status::{Error, ErrorStatus};
use zeroize::Zeroizing;

use crate::exit::Failure;

/// A protocol version as it is written on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Version {
    /// TLS 1.2, RFC 5246
    #[value(name = "tls1.2")]
    Tls12,
    /// TLS 1.3, RFC 8446
    #[value(name = "tls1.3")]
    Tls13,
}

impl Version {
    pub(crate) fn protocol(self) -> Protocol {
        match self {
            Self::Tls12 => Protocol::Tls12,
            Self::Tls13 => Protocol::Tls13,
        }
    }
}

/// What may be negotiated, and what is shown of it.
#[derive(Debug, Args)]
pub(crate) struct TlsOptions {
    /// The lowest protocol version
    #[arg(long, value_enum, value_name = "VERSION", default_value = "tls1.2")]
    min_protocol: Version,
    /// The highest protocol version
    #[arg(long, value_enum, value_name = "VERSION", default_value = "tls1.3")]
    max_protocol: Version,
    /// Cipher suites by IANA name, the preferred one first [default: all]
    #[arg(long, value_name = "A,B", value_delimiter = ',', value_parser = parse_suite)]
    suites: Vec<CipherSuite>,
    /// Key exchange groups by IANA name, the preferred one first [default: X25519MLKEM768,X25519,SECP256R1,SECP384R1]
    #[arg(long, value_name = "A,B", value_delimiter = ',', value_parser = parse_group)]
    groups: Vec<NamedGroup>,
    /// Application protocols (ALPN), the preferred one first, such as h2,http/1.1
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    alpn: Vec<String>,
    /// Append the session secrets to this file, for Wireshark; whoever reads it reads the traffic
    #[arg(long, value_name = "FILE")]
    keylog: Option<PathBuf>,
    /// Show every SSPI call with its status and records, on stderr
    #[arg(long)]
    pub(crate) trace: bool,
    /// Reports as JSON, one object on a line
    #[arg(long)]
    pub(crate) json: bool,
}

impl TlsOptions {
    pub(crate) fn protocols(&self) -> Result<Protocols, Failure> {
        match (self.min_protocol, self.max_protocol) {
            (Version::Tls12, Version::Tls12) => Ok(Protocols::TLS1_2),
            (Version::Tls12, Version::Tls13) => Ok(Protocols::TLS1_2 | Protocols::TLS1_3),
            (Version::Tls13, Version::Tls13) => Ok(Protocols::TLS1_3),
            (Version::Tls13, Version::Tls12) => {
                Err(Failure::usage("--min-protocol is higher than --max-protocol"))
            }
        }
    }

    /// [`None`] for the default list.
    pub(crate) fn suites(&self) -> Option<&[CipherSuite]> {
        (!self.suites.is_empty()).then_some(&self.suites)
    }

    /// [`None`] for the default list.
    pub(crate) fn groups(&self) -> Option<&[NamedGroup]> {
        (!self.groups.is_empty()).then_some(&self.groups)
    }

    pub(crate) fn alpn(&self) -> Vec<Vec<u8>> {
        self.alpn.iter().map(|id| id.as_bytes().to_vec()).collect()
    }

    pub(crate) fn key_log(&self) -> Result<Option<Arc<dyn KeyLog>>, Failure> {
        let Some(path) = &self.keylog else { return Ok(None) };
        let log = KeyLogFile::create(path)
            .map_err(|error| Failure::new(format!("cannot open the key log {}: {error}", path.display())))?;
        Ok(Some(Arc::new(log)))
    }
}

/// Sets what [`TlsOptions`] say on an outbound or inbound builder, which have no type in common.
macro_rules! with_tls_options {
    ($builder:expr, $options:expr) => {{
        let options: &$crate::options::TlsOptions = $options;
        let mut builder = $builder.protocols(options.protocols()?).alpn(options.alpn());
        if let Some(suites) = options.suites() {
            builder = builder.cipher_suites(suites);
        }
        if let Some(groups) = options.groups() {
            builder = builder.groups(groups);
        }
        if let Some(log) = options.key_log()? {
            builder = builder.key_log(log);
        }
        builder
    }};
}

pub(crate) use with_tls_options;

/// The own certificate with its private key.
#[derive(Debug, Args)]
pub(crate) struct IdentityOptions {
    /// The own certificate chain, PEM, leaf first
    #[arg(long, value_name = "FILE", conflicts_with = "pfx")]
    cert: Option<PathBuf>,
    /// Its private key, PEM [default: in the certificate's file]
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// Certificate chain and key in one PKCS #12 file
    #[arg(long, value_name = "FILE")]
    pfx: Option<PathBuf>,
    /// The password of the PKCS #12 file [default: empty]
    #[arg(long, value_name = "PASSWORD", requires = "pfx", value_parser = secret)]
    pass: Option<Zeroizing<String>>,
}

impl IdentityOptions {
    pub(crate) fn load(&self) -> Result<Option<Identity>, Failure> {
        if let Some(path) = &self.pfx {
            let password = self.pass.as_ref().map_or("", |password| password.as_str());
            let identity = Identity::from_pfx(&read(path)?, password);
            return identity.map(Some).map_err(|error| {
                Failure::new(format!("{}: {error}", path.display()))
                    .hint("give the right password with --pass PASSWORD")
            });
        }
        let Some(chain) = &self.cert else { return Ok(None) };
        let key = self.key.as_ref().unwrap_or(chain);
        Identity::from_pem(&read(chain)?, &read(key)?).map(Some).map_err(|error| {
            let files = match &self.key {
                Some(key) => format!("{}, {}", chain.display(), key.display()),
                None => chain.display().to_string(),
            };
            let failure = Failure::new(format!("{files}: {error}"));
            match error.status() {
                ErrorStatus::NoCredentials => failure.hint("name the file with the private key: --key FILE"),
                _ => failure
                    .hint("--cert takes a PEM chain with the leaf first, --key its unencrypted PEM key"),
            }
        })
    }
}

/// Trust in the certificates of a PEM file, and in no others.
pub(crate) fn read_roots(path: &Path) -> Result<Trust, Failure> {
    Trust::roots_from_pem(&read(path)?).map_err(|error| {
        Failure::new(format!("{}: {error}", path.display())).hint("give a file with PEM certificates")
    })
}

/// A file that may hold a private key.
pub(crate) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let read = std::fs::read(path).map(Zeroizing::new);
    read.map_err(|error| Failure::new(format!("cannot read {}: {error}", path.display())))
}

/// An argument that is not shown when the options are.
fn secret(argument: &str) -> Result<Zeroizing<String>, Infallible> {
    Ok(Zeroizing::new(argument.to_owned()))
}

/// What AcquireCredentialsHandle refused.
pub(crate) fn not_acquired(error: &Error) -> Failure {
    let failure = Failure::new(format!("these settings cannot be used: {error}"));
    match error.status() {
        ErrorStatus::AlgorithmMismatch => {
            failure.hint("let --suites, --groups, --min-protocol and --max-protocol have a version in common")
        }
        _ => failure,
    }
}

fn parse_suite(name: &str) -> Result<CipherSuite, String> {
    CipherSuite::from_name(name).ok_or_else(|| unknown(CipherSuite::ALL))
}

fn parse_group(name: &str) -> Result<NamedGroup, String> {
    NamedGroup::from_name(name).ok_or_else(|| unknown(NamedGroup::ALL))
}

fn unknown<T: ToString>(known: &[T]) -> String {
    let names: Vec<String> = known.iter().map(T::to_string).collect();
    format!("there are {}", names.join(", "))
}

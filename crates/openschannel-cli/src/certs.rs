//! A certificate for a server that was given none: good for this machine's own names, and for a short time.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use openschannel::credentials::Identity;
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose};

use crate::exit::Failure;

/// The names and addresses it is for.
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// Long enough for a server that is left running, short enough that nobody builds on it.
const VALID_FOR: Duration = Duration::from_secs(30 * 24 * 3600);

/// Peers whose clocks are behind are served as well.
const VALID_BEFORE: Duration = Duration::from_secs(24 * 3600);

/// File names that are tried in the temporary directory before giving up.
const MAX_FILE_NAMES: u32 = 100;

/// A self-signed ECDSA P-256 certificate; its key is never written anywhere.
#[derive(Debug)]
pub(crate) struct ThrowAway {
    pub(crate) identity: Identity,
    pub(crate) der: Vec<u8>,
    pem: String,
}

impl ThrowAway {
    pub(crate) fn make() -> Result<Self, Failure> {
        let failed = |error: rcgen::Error| Failure::new(format!("cannot make a certificate: {error}"));
        let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).map_err(failed)?;
        let mut params = CertificateParams::new(NAMES.map(str::to_owned)).map_err(failed)?;
        params.distinguished_name.push(DnType::CommonName, "OpenSchannel throw-away certificate");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let now = rcgen::date_time_ymd(1970, 1, 1)
            + SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        params.not_before = now - VALID_BEFORE;
        params.not_after = now + VALID_FOR;
        let certificate = params.self_signed(&key).map_err(failed)?;
        let (pem, der) = (certificate.pem(), certificate.der().to_vec());
        let identity = Identity::from_der(vec![der.clone()], key.serialized_der())
            .map_err(|error| Failure::new(format!("cannot use the certificate just made: {error}")))?;
        Ok(Self { identity, der, pem })
    }

    /// Writes the certificate where clients can be pointed to it: to `path`, otherwise to a new file in the temporary
    /// directory. Gives the path.
    pub(crate) fn write(&self, path: Option<&Path>) -> Result<PathBuf, Failure> {
        let written = match path {
            Some(path) => std::fs::write(path, &self.pem).map(|()| path.to_owned()),
            None => self.write_to_temporary(),
        };
        written.map_err(|error| {
            let place = path.map_or_else(std::env::temp_dir, Path::to_owned);
            Failure::new(format!("cannot write the certificate to {}: {error}", place.display()))
                .hint("name another place with --write-ca FILE")
        })
    }

    /// Only into a file that did not exist: in a directory that all may write to, somebody may have put a link there.
    fn write_to_temporary(&self) -> io::Result<PathBuf> {
        let (directory, process) = (std::env::temp_dir(), std::process::id());
        for attempt in 0..MAX_FILE_NAMES {
            let path = directory.join(format!("openschannel-{process}-{attempt}.pem"));
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(mut file) => return file.write_all(self.pem.as_bytes()).map(|()| path),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }
}

//! Session secrets for debugging tools, in the key log format of NSS.

use std::fmt::{self, Write as _};
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use zeroize::Zeroizing;

use super::slot;

/// Receives the secrets of every connection made with a credential: whoever has them reads the traffic.
///
/// Off unless [`key_log`](super::OutboundBuilder::key_log) was called; no environment variable turns it on.
pub trait KeyLog: Send + Sync + fmt::Debug {
    /// One secret, under its label in the key log format (`CLIENT_RANDOM`, `CLIENT_TRAFFIC_SECRET_0`, ...).
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]);
}

/// Appends to a file that Wireshark and its like read.
#[derive(Debug)]
pub struct KeyLogFile {
    file: Mutex<File>,
}

impl KeyLogFile {
    /// Opens or creates the file; what stands in it stays. Several processes may share it: every secret is one write.
    ///
    /// On Unix it is readable and writable for its owner only, also when it existed with wider permissions, and nobody else gets the
    /// secrets by having prepared the path: it has to be a regular file of this process' user, under this one name, and not a symbolic
    /// link.
    ///
    /// # Errors
    /// What the operating system says; [`io::ErrorKind::InvalidInput`] for a file of another kind,
    /// [`io::ErrorKind::PermissionDenied`] for one of somebody else's. Neither is written to or changed.
    pub fn create(path: impl AsRef<Path>) -> io::Result<Self> {
        Ok(Self { file: Mutex::new(open(path.as_ref())?) })
    }
}

#[cfg(not(unix))]
fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

#[cfg(unix)]
fn open(path: &Path) -> io::Result<File> {
    use std::fs::{Permissions, symlink_metadata};
    use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};

    const OWNER_ONLY: u32 = 0o600;
    let mut options = OpenOptions::new();
    options.append(true).mode(OWNER_ONLY);
    // This does not follow a link; opening what is there would, and a pipe would even wait for its reader.
    match options.create_new(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        done => return done,
    }
    let refuse = |kind, reason| Err(io::Error::new(kind, reason));
    let named = symlink_metadata(path)?;
    if !named.is_file() {
        return refuse(io::ErrorKind::InvalidInput, "a key log is a regular file, and no symbolic link");
    }
    let file = options.create_new(false).open(path)?;
    let opened = file.metadata()?;
    // Whoever may write to the directory may have put another file there in between.
    if (opened.dev(), opened.ino()) != (named.dev(), named.ino()) {
        return refuse(io::ErrorKind::InvalidInput, "the key log was replaced while it was opened");
    }
    if opened.nlink() != 1 {
        return refuse(io::ErrorKind::InvalidInput, "the key log has other names");
    }
    // Root can open everybody's files; the others are told by the operating system.
    if opened.uid() != own_uid()? {
        return refuse(io::ErrorKind::PermissionDenied, "the key log belongs to somebody else");
    }
    file.set_permissions(Permissions::from_mode(OWNER_ONLY))?;
    Ok(file)
}

/// To whom belongs what this process makes.
#[cfg(unix)]
fn own_uid() -> io::Result<u32> {
    use std::os::fd::OwnedFd;
    use std::os::unix::fs::MetadataExt as _;

    let (pipe, _) = io::pipe()?;
    Ok(File::from(OwnedFd::from(pipe)).metadata()?.uid())
}

impl KeyLog for KeyLogFile {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        // Reserved in full: a string that grows leaves copies of the secret behind.
        let length = label.len() + 2 * (client_random.len() + secret.len()) + 3;
        let mut line = Zeroizing::new(String::with_capacity(length));
        line.push_str(label);
        for bytes in [client_random, secret] {
            line.push(' ');
            for byte in bytes {
                // Writing to a string does not fail.
                let _ = write!(line, "{byte:02x}");
            }
        }
        line.push('\n');
        // One write for the whole line, so that several processes can share the file.
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = file.write_all(line.as_bytes()) {
            tracing::warn!(%error, "the key log could not be written");
        }
    }
}

/// rustls' key log: fills the slot's secrets, then tells the user's log if there is one.
#[derive(Debug)]
pub(super) struct EngineKeyLog(pub(super) Option<Arc<dyn KeyLog>>);

impl rustls::KeyLog for EngineKeyLog {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        slot::current(|slot| slot.secrets.keep(label, client_random, secret));
        if let Some(user) = &self.0 {
            user.log(label, client_random, secret);
        }
    }
}

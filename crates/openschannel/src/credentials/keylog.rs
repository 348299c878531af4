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
    /// Opens or creates the file; what stands in it stays. On Unix it is readable and writable for its owner only,
    /// also when it existed with wider permissions.
    ///
    /// # Errors
    /// What the operating system says, among it that somebody else owns the file.
    pub fn create(path: impl AsRef<Path>) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.append(true).create(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt;
            options.mode(OWNER_ONLY);
        }
        let file = options.open(path)?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            file.set_permissions(std::fs::Permissions::from_mode(OWNER_ONLY))?;
        }
        Ok(Self { file: Mutex::new(file) })
    }
}

#[cfg(unix)]
const OWNER_ONLY: u32 = 0o600;

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

//! The key log that the environment asks for.

use std::ffi::OsString;
use std::sync::{Arc, LazyLock};

use openschannel::credentials::{KeyLog, KeyLogFile};

use crate::debug;

/// Read once: C programs change their environment while others read it.
static FROM_ENVIRONMENT: LazyLock<Option<Arc<dyn KeyLog>>> =
    LazyLock::new(|| wanted(&debug::words(), std::env::var_os("SSLKEYLOGFILE")));

/// The file SSLKEYLOGFILE names, if OPENSCHANNEL_DEBUG has the word `keylog`. SSLKEYLOGFILE alone turns nothing on: it is set for
/// browsers, and a library must not take that for leave to give its users' keys away.
pub(super) fn from_environment() -> Option<Arc<dyn KeyLog>> {
    FROM_ENVIRONMENT.clone()
}

fn wanted(words: &str, file: Option<OsString>) -> Option<Arc<dyn KeyLog>> {
    if !debug::has(words, "keylog") {
        return None;
    }
    // A file that cannot be opened is no reason to keep the program from its connections.
    let file = KeyLogFile::create(file.filter(|name| !name.is_empty())?).ok()?;
    Some(Arc::new(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_logged_on_two_wishes_only() {
        let file = std::env::temp_dir().join(format!("openschannel-key-log-{}", std::process::id()));
        let name = || Some(file.clone().into_os_string());
        assert!(wanted("leaks", name()).is_none());
        assert!(wanted("", name()).is_none());
        assert!(wanted("nokeylog", name()).is_none());
        assert!(wanted("keylog", None).is_none());
        assert!(wanted("keylog", Some(OsString::new())).is_none());
        assert!(!file.exists());
        assert!(wanted("leaks,keylog", name()).is_some());
        assert!(std::fs::remove_file(&file).is_ok());
    }
}

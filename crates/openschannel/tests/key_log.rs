//! Key log files: who can read them, and who can have them written.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by it")]

use std::fs::{self, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use openschannel::credentials::{KeyLog as _, KeyLogFile};

#[test]
fn it_is_made_for_its_owner_only() {
    let directory = Directory::new("made");
    let path = directory.path("keys");
    let log = KeyLogFile::create(&path).unwrap();
    assert_eq!(mode(&path), 0o600);
    log.log("CLIENT_RANDOM", &[0x0a; 2], &[0xbc; 3]);
    assert_eq!(fs::read_to_string(&path).unwrap(), "CLIENT_RANDOM 0a0a bcbcbc\n");
}

#[test]
fn one_that_exists_is_kept_and_closed_to_others() {
    let directory = Directory::new("kept");
    let path = directory.path("keys");
    fs::write(&path, "# before\n").unwrap();
    for wide in [0o666, 0o644, 0o640, 0o400] {
        fs::set_permissions(&path, Permissions::from_mode(wide)).unwrap();
        match KeyLogFile::create(&path) {
            Ok(_) => assert_eq!(mode(&path), 0o600),
            // Whoever is not root cannot open what may not be written.
            Err(error) => assert_eq!((error.kind(), wide), (ErrorKind::PermissionDenied, 0o400)),
        }
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), "# before\n");
}

/// A link may have been put there by somebody who may write to the directory, but not to where it leads.
#[test]
fn no_link_is_followed() {
    let directory = Directory::new("links");
    let target = directory.path("target");
    fs::write(&target, "precious\n").unwrap();
    fs::set_permissions(&target, Permissions::from_mode(0o644)).unwrap();
    symlink(&target, directory.path("symbolic")).unwrap();
    symlink(directory.path("nowhere"), directory.path("dangling")).unwrap();
    fs::hard_link(&target, directory.path("hard")).unwrap();
    for name in ["symbolic", "dangling", "hard"] {
        assert_eq!(refusal(&directory.path(name)), ErrorKind::InvalidInput, "{name}");
    }
    assert!(!directory.path("nowhere").exists());
    assert_eq!((mode(&target), fs::read_to_string(&target).unwrap()), (0o644, "precious\n".to_owned()));
}

/// `SSLKEYLOGFILE=/dev/null` in the environment of root must not close /dev/null to everybody else.
#[test]
fn only_regular_files_are_taken() {
    let directory = Directory::new("kinds");
    let socket = directory.path("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let null = Path::new("/dev/null");
    let before = (mode(null), mode(&directory.0), mode(&socket));
    for path in [null, &directory.0, &socket] {
        assert_eq!(refusal(path), ErrorKind::InvalidInput, "{}", path.display());
    }
    assert_eq!((mode(null), mode(&directory.0), mode(&socket)), before);
    assert_eq!(refusal(&directory.path("missing/keys")), ErrorKind::NotFound);
}

#[test]
fn nobody_elses_file_is_taken() {
    let directory = Directory::new("owner");
    let path = directory.path("keys");
    fs::write(&path, "").unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
    // Only root can give a file away; everybody else has root's at hand.
    let path = if chown(&path, Some(1), None).is_ok() { path } else { PathBuf::from("/etc/passwd") };
    let before = (mode(&path), fs::metadata(&path).unwrap().uid());
    assert_eq!(refusal(&path), ErrorKind::PermissionDenied);
    assert_eq!((mode(&path), fs::metadata(&path).unwrap().uid()), before);
}

const LINES: usize = 2_000;

/// Several processes write to one file, and every line is whole.
#[test]
fn processes_share_it() {
    const FILE: &str = "OPENSCHANNEL_TEST_KEY_LOG";
    const SECRET: &str = "OPENSCHANNEL_TEST_SECRET";
    if let Some(path) = std::env::var_os(FILE) {
        let secret = [std::env::var(SECRET).unwrap().parse().unwrap(); 48];
        let log = KeyLogFile::create(path).unwrap();
        (0..LINES).for_each(|_| log.log("CLIENT_TRAFFIC_SECRET_0", &[1; 32], &secret));
        return;
    }
    let directory = Directory::new("shared");
    let path = directory.path("keys");
    let again = |secret: u8| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "processes_share_it"]).env(FILE, &path).env(SECRET, secret.to_string());
        command.stdout(std::process::Stdio::null()).spawn().unwrap()
    };
    let children = [2, 3, 4].map(again);
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let text = fs::read_to_string(&path).unwrap();
    for secret in [2, 3, 4] {
        let line =
            format!("CLIENT_TRAFFIC_SECRET_0 {} {}", "01".repeat(32), format!("{secret:02x}").repeat(48));
        assert_eq!(text.lines().filter(|found| *found == line).count(), LINES);
    }
    assert_eq!(text.lines().count(), 3 * LINES);
}

fn refusal(path: &Path) -> ErrorKind {
    KeyLogFile::create(path).unwrap_err().kind()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// One of the test's own, gone at its end.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("openschannel-key-log-{name}-{}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

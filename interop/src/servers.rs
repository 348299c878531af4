//! Other people's HTTPS servers, as `interop/servers` starts them: each in a process group of its own, ended when dropped.

use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::certificates::{Certificates, Files};
use crate::data::random;
use crate::process::{Process, run};
use crate::program::openschannel_program;
use crate::{DEADLINE, free_port};

/// The length of `/large`. More than the buffers of both sockets of a connection take (10 MiB at Linux' defaults): a server that is to
/// send the rest of it after a close_notify still has a rest.
pub const LARGE: usize = 16 << 20;

/// Between two looks at a server that does not listen yet.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Server {
    /// Its file in `interop/servers`, without ".sh".
    pub name: &'static str,
    /// For people.
    pub title: &'static str,
    /// A path it answers with a few bytes.
    pub small: &'static str,
    /// A path it answers with [`LARGE`] bytes, if it can.
    pub large: Option<&'static str>,
}

impl Server {
    const fn new(name: &'static str, title: &'static str) -> Self {
        Self { name, title, small: "/", large: Some("/large") }
    }

    /// All of them, in the order of the table in docs/servers.md.
    pub const ALL: [Self; 10] = [
        Self::new("nginx", "nginx"),
        Self::new("apache", "Apache httpd"),
        Self::new("haproxy", "HAProxy"),
        Self::new("go", "Go"),
        Self::new("node", "Node"),
        Self::new("java", "Java"),
        Self { large: None, ..Self::new("gnutls", "gnutls-serv") },
        Self { large: None, ..Self::new("s_server-www", "s_server -www") },
        Self { small: "/index.html", ..Self::new("s_server-files", "s_server -WWW") },
        Self::new("openschannel", "openschannel serve"),
    ];

    /// The one of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|server| server.name == name)
    }

    /// What it is: a line with its version and that of its TLS library.
    pub fn version(&self) -> String {
        run(self.command().arg("--version")).text()
    }

    /// Starts it and waits until it listens. A server that ends instead fails the test with all it has said.
    pub fn start(self, certificates: &Certificates) -> Running {
        let directory = content(&certificates.ecdsa);
        let port = free_port();
        let mut process = Process::start(self.command().arg(directory.path()).arg(port.to_string()));
        let began = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            if process.has_ended() {
                let finished = process.finish();
                panic!(
                    "{} does not start: {}\n{}\n{}",
                    self.name,
                    finished.status,
                    finished.text(),
                    finished.errors
                );
            }
            assert!(began.elapsed() < DEADLINE, "{} does not listen after {DEADLINE:?}", self.name);
            thread::sleep(LOOK_AGAIN);
        }
        Running { server: self, port, process: Some(process), _directory: directory }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(directory().join("start"));
        command.arg(self.name).env("OPENSCHANNEL_BIN", openschannel_program());
        command
    }
}

/// A server at work.
#[derive(Debug)]
pub struct Running {
    /// Which.
    pub server: Server,
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
    process: Option<Process>,
    _directory: TempDir,
}

impl Running {
    /// Ends it. Gives what it has said.
    pub fn end(mut self) -> String {
        self.process.take().map(ended).unwrap_or_default()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.process.take().map(ended);
    }
}

/// The end of its input ends it.
fn ended(process: Process) -> String {
    let finished = process.finish();
    let mut said = finished.text();
    write!(said, "{}", finished.errors).unwrap();
    said
}

/// A directory as `start` wants it.
fn content(files: &Files) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    fs::copy(&files.certificate, path.join("chain.pem")).unwrap();
    fs::copy(&files.key, path.join("key.pem")).unwrap();
    fs::create_dir(path.join("www")).unwrap();
    fs::write(path.join("www/index.html"), "<p>hello</p>\n").unwrap();
    fs::write(path.join("www/large"), random(1, LARGE)).unwrap();
    directory
}

/// `interop/servers`.
pub fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("servers")
}

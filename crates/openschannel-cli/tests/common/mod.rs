//! The program as a child process, and peers for it that behave as a test wants.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper that fails fails the test")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Output, Stdio};
use std::thread::JoinHandle;

use openschannel::ContextOptions;
use openschannel::credentials::{Identity, InboundCredentials, OutboundCredentials, Protocols, Trust};
use openschannel_stream::blocking::TlsStream;
use openschannel_stream::{Advance, Driver};
use serde_json::Value;

pub fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_openschannel"))
}

/// A running child with its pipes; ended with the test.
pub struct Running {
    pub child: Child,
    pub stdin: Option<ChildStdin>,
    pub stdout: BufReader<ChildStdout>,
    pub stderr: BufReader<ChildStderr>,
}

impl Running {
    pub fn start(command: &mut Command) -> Self {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        Self {
            child,
            stdin,
            stdout: BufReader::new(stdout.unwrap()),
            stderr: BufReader::new(stderr.unwrap()),
        }
    }

    /// Closes stdin and waits for the end: exit code, the rest of stdout, the rest of stderr.
    pub fn finish(mut self) -> (Option<i32>, Vec<u8>, String) {
        drop(self.stdin.take());
        self.wait()
    }

    /// As [`Running::finish`], and leaves stdin open.
    pub fn wait(&mut self) -> (Option<i32>, Vec<u8>, String) {
        let (mut out, mut err) = (Vec::new(), String::new());
        let Self { stdout, stderr, child, .. } = self;
        std::thread::scope(|scope| {
            scope.spawn(|| stdout.read_to_end(&mut out).unwrap());
            stderr.read_to_string(&mut err).unwrap();
        });
        (child.wait().unwrap().code(), out, err)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended as a rule.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// `openschannel serve --json` on a free port, with a throw-away certificate.
pub struct Served {
    pub running: Running,
    pub port: u16,
    pub ca: PathBuf,
    _directory: tempfile::TempDir,
}

impl Served {
    pub fn start(arguments: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let ca = directory.path().join("ca.pem");
        let mut command = program();
        command.args(["serve", "--listen", "127.0.0.1:0", "--json", "--write-ca"]).arg(&ca).args(arguments);
        let mut running = Running::start(&mut command);
        let first = next_line(&mut running.stdout);
        assert_eq!(first["event"], "listening", "{first}");
        let port = first["port"].as_u64().unwrap().try_into().unwrap();
        Self { running, port, ca, _directory: directory }
    }

    pub fn connect(&self, arguments: &[&str]) -> Running {
        connect(self.port, &["--ca", self.ca.to_str().unwrap()], arguments)
    }

    pub fn address(&self) -> (&'static str, u16) {
        ("127.0.0.1", self.port)
    }

    /// A client within the test.
    pub fn client(&self, protocols: Protocols) -> TlsStream<TcpStream> {
        let trust = Trust::roots_from_pem(&std::fs::read(&self.ca).unwrap()).unwrap();
        let credentials = OutboundCredentials::builder().protocols(protocols).trust(trust).acquire().unwrap();
        let socket = TcpStream::connect(self.address()).unwrap();
        TlsStream::connect(socket, &credentials, Some("localhost"), &ContextOptions::default()).unwrap()
    }

    pub fn next_line(&mut self) -> Value {
        next_line(&mut self.running.stdout)
    }

    #[cfg(unix)]
    pub fn signal(&self, name: &str) {
        let id = self.running.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }
}

pub fn connect(port: u16, trust: &[&str], arguments: &[&str]) -> Running {
    let mut command = program();
    command.arg("connect").arg(format!("localhost:{port}")).args(trust).arg("--json").args(arguments);
    Running::start(&mut command)
}

fn next_line(stdout: &mut BufReader<ChildStdout>) -> Value {
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
}

/// The closing report, which is the last line.
pub fn report(stderr: &str) -> Value {
    serde_json::from_str(stderr.lines().last().unwrap_or_default())
        .unwrap_or_else(|error| panic!("{error}: {stderr}"))
}

pub fn run(arguments: &[&str]) -> Output {
    program().args(arguments).stdin(Stdio::null()).output().unwrap()
}

/// A self-signed certificate for localhost.
pub struct Certificate {
    pub pem: String,
    pub key_pem: String,
}

impl Certificate {
    pub fn make() -> Self {
        let rcgen::CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        Self { pem: cert.pem(), key_pem: signing_key.serialize_pem() }
    }

    pub fn write(&self, directory: &Path) -> (String, String) {
        let (chain, key) = (directory.join("chain.pem"), directory.join("key.pem"));
        std::fs::write(&chain, &self.pem).unwrap();
        std::fs::write(&key, &self.key_pem).unwrap();
        (chain.to_str().unwrap().to_owned(), key.to_str().unwrap().to_owned())
    }
}

/// A server for one connection that does what the test says once the handshake is finished.
pub struct Peer {
    pub port: u16,
    pub ca: tempfile::NamedTempFile,
    thread: JoinHandle<()>,
}

impl Peer {
    pub fn start(protocols: Protocols, act: impl FnOnce(Driver, TcpStream) + Send + 'static) -> Self {
        let certificate = Certificate::make();
        let identity =
            Identity::from_pem(certificate.pem.as_bytes(), certificate.key_pem.as_bytes()).unwrap();
        let credentials =
            InboundCredentials::builder().protocols(protocols).identity(identity).acquire().unwrap();
        Self::raw(&certificate.pem, move |mut socket| {
            let mut driver = Driver::server(&credentials, &ContextOptions::default());
            while driver.advance().unwrap() != Advance::Established {
                transmit(&mut driver, &mut socket);
                let n = socket.read(driver.receive_space()).unwrap();
                assert_ne!(n, 0, "the client went away");
                driver.received(n);
            }
            transmit(&mut driver, &mut socket);
            act(driver, socket);
        })
    }

    /// Without a handshake.
    pub fn raw(ca: &str, act: impl FnOnce(TcpStream) + Send + 'static) -> Self {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(ca.as_bytes()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let thread = std::thread::spawn(move || act(listener.accept().unwrap().0));
        Self { port, ca: file, thread }
    }

    pub fn connect(&self, arguments: &[&str]) -> Running {
        connect(self.port, &["--ca", self.ca.path().to_str().unwrap()], arguments)
    }

    /// Waits for the thread, and fails if it did.
    pub fn done(self) {
        self.thread.join().unwrap();
    }
}

/// Sends all that waits.
pub fn transmit(driver: &mut Driver, socket: &mut TcpStream) {
    let bytes = driver.transmit().to_vec();
    socket.write_all(&bytes).unwrap();
    driver.transmitted(bytes.len());
}

pub fn send(driver: &mut Driver, socket: &mut TcpStream, data: &[u8]) {
    assert_eq!(driver.write(data).unwrap(), data.len());
    transmit(driver, socket);
}

/// Something that does not compress and does not repeat.
pub fn noise(len: usize) -> Vec<u8> {
    let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
    std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    })
    .take(len)
    .collect()
}

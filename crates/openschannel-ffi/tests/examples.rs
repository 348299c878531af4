//! The C examples, compiled and at work: with each other, in both versions of TLS, and cut off from each other.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod support;

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::LazyLock;
use std::thread;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use support::{compiler, in_crate, library_directory, succeed};
use tempfile::TempDir;

const HOST: &str = "localhost";
const PAGE: &str = "Hello from Schannel\n";

#[test]
fn the_client_closes() {
    for version in ["--tls12", "--tls13"] {
        let server = Server::start(&[version, "--once"]);
        let client =
            client(server.port, &["--ca", &FILES.authority(), version, "--say", "does it come back?"]);
        assert_eq!(text(&client.stdout), "does it come back?");
        ended(&client, 0, "client: closed by both sides");
        let name = if version == "--tls12" { "TLS 1.2" } else { "TLS 1.3" };
        assert!(text(&client.stderr).contains(name), "{}", text(&client.stderr));
        ended(&server.finish(), 0, "server: closed by both sides");
    }
}

#[test]
fn the_server_closes() {
    for version in ["--tls12", "--tls13"] {
        let server = Server::start(&[version, "--once"]);
        let client = client(server.port, &["--ca", &FILES.authority()]);
        assert!(text(&client.stdout).ends_with(PAGE), "{}", text(&client.stdout));
        ended(&client, 0, "client: closed by both sides");
        ended(&server.finish(), 0, "server: closed by both sides");
    }
}

/// More than a record, and more than the sockets hold.
#[test]
fn much_comes_back_whole() {
    let much = "0123456789abcdef".repeat(7000);
    let server = Server::start(&["--once"]);
    let client = client(server.port, &["--insecure", "--say", &much]);
    assert!(text(&client.stdout) == much, "{} of {} bytes", client.stdout.len(), much.len());
    ended(&client, 0, "client: closed by both sides");
    ended(&server.finish(), 0, "server: closed by both sides");
}

#[test]
fn both_sides_learn_of_the_protocol() {
    let server = Server::start(&["--alpn", "echo/1", "--once"]);
    let client = client(server.port, &["--insecure", "--alpn", "echo/1", "--say", "x"]);
    ended(&client, 0, "client: protocol echo/1");
    ended(&server.finish(), 0, "server: protocol echo/1");
}

#[test]
fn a_stranger_is_refused() {
    let server = Server::start(&["--once"]);
    let client = client(server.port, &["--ca", &FILES.stranger(), "--say", "x"]);
    ended(&client, 2, "client: certificate: failed: 0x800b010a");
    // unknown_ca, which Schannel reports as this.
    ended(&server.finish(), 4, "server: failed: 0x80090325");
}

#[test]
fn without_a_version_in_common_there_is_no_connection() {
    let server = Server::start(&["--tls12", "--once"]);
    let client = client(server.port, &["--insecure", "--tls13", "--say", "x"]);
    ended(&client, 2, "client: handshake: failed");
    ended(&server.finish(), 2, "server: handshake: failed");
}

/// The server's close_notify never arrives: what the client has may not be all.
#[test]
fn a_cut_is_not_taken_for_an_end() {
    let server = Server::start(&["--tls13", "--once"]);
    let client = client(relay_without_close(server.port), &["--insecure"]);
    assert!(text(&client.stdout).ends_with(PAGE), "{}", text(&client.stdout));
    ended(&client, 3, "client: cut");
    ended(&server.finish(), 0, "server: closed by both sides");
}

fn ended(output: &Output, code: i32, said: &str) {
    let (complaints, heard) = (text(&output.stderr), text(&output.stdout));
    assert!(
        output.status.code() == Some(code) && complaints.contains(said),
        "{}\n{heard}{complaints}",
        output.status
    );
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn client(port: u16, options: &[&str]) -> Output {
    program("schannel_client").args([HOST, &port.to_string()]).args(options).output().unwrap()
}

/// With the library it was linked with: cargo's search path may lead to an older one.
fn program(name: &str) -> Command {
    let mut command = Command::new(FILES.path(name));
    command.env_remove("LD_LIBRARY_PATH");
    command
}

/// Killed when dropped.
struct Server {
    child: Option<Child>,
    port: u16,
}

impl Server {
    fn start(options: &[&str]) -> Self {
        let mut command = program("schannel_server");
        command.arg("0").arg(FILES.path("server.pem")).arg(FILES.path("server.key")).args(options);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        match line.trim().strip_prefix("listening on port ") {
            Some(port) => Self { child: Some(child), port: port.parse().unwrap() },
            None => panic!("{:?}", child.wait_with_output()),
        }
    }

    fn finish(mut self) -> Output {
        self.child.take().unwrap().wait_with_output().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().ok();
            child.wait().ok();
        }
    }
}

/// Passes one connection on to `port`, without the records from there that a TLS 1.3 close_notify fits into.
fn relay_without_close(port: u16) -> u16 {
    const CLOSE_NOTIFY: [u8; 5] = [0x17, 3, 3, 0, 19];
    let listener = TcpListener::bind((HOST, 0)).unwrap();
    let own_port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let mut server = TcpStream::connect((HOST, port)).unwrap();
        let (mut from_client, mut to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        let upwards = thread::spawn(move || {
            io::copy(&mut from_client, &mut to_server).ok();
            to_server.shutdown(std::net::Shutdown::Write).ok();
        });
        let mut header = [0; 5];
        while server.read_exact(&mut header).is_ok() {
            let mut body = vec![0; u16::from_be_bytes([header[3], header[4]]).into()];
            server.read_exact(&mut body).unwrap();
            if header != CLOSE_NOTIFY {
                client.write_all(&[&header[..], &body].concat()).unwrap();
            }
        }
        client.shutdown(std::net::Shutdown::Write).ok();
        upwards.join().unwrap();
    });
    own_port
}

/// Made once: the programs, a server's certificate with its authority, and another authority.
struct Files(TempDir);

static FILES: LazyLock<Files> = LazyLock::new(Files::make);

impl Files {
    fn make() -> Self {
        let files = Self(tempfile::tempdir().unwrap());
        for program in ["schannel_client", "schannel_server"] {
            compile(&in_crate(&format!("examples/c/{program}.c")), &files.path(program));
        }
        let (certificate, issuer) = authority("example authority");
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![HOST.to_owned()]).unwrap();
        let leaf = params.signed_by(&key, &issuer).unwrap();
        files.write("server.pem", &leaf.pem());
        files.write("server.key", &key.serialize_pem());
        files.write("authority.pem", &certificate);
        files.write("stranger.pem", &authority("another authority").0);
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, content: &str) {
        std::fs::write(self.path(name), content).unwrap();
    }

    fn authority(&self) -> String {
        self.path("authority.pem").display().to_string()
    }

    fn stranger(&self) -> String {
        self.path("stranger.pem").display().to_string()
    }
}

fn authority(name: &str) -> (String, Issuer<'static, KeyPair>) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    let certificate = params.self_signed(&key).unwrap();
    (certificate.pem(), Issuer::new(params, key))
}

/// As a user would, but for the name that cargo gives the library.
fn compile(source: &Path, program: &Path) {
    let directory = library_directory();
    let mut command = compiler("gnu11");
    command.args(["-g", "-O1"]).arg(source).arg("-o").arg(program);
    command.arg("-L").arg(&directory).arg("-lopenschannel_ffi");
    command.arg(format!("-Wl,-rpath,{}", directory.display()));
    succeed(&mut command);
}

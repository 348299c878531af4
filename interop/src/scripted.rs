//! Scripted peers: one end of a connection on somebody else's TLS. Their language is described in `peers/README.md`.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::slice;
use std::sync::LazyLock;

use crate::process::{Process, run};
use crate::{accept, listen, port};

/// A TLS implementation that follows scripts.
#[derive(Debug)]
pub struct Implementation {
    /// For messages.
    pub name: &'static str,
    command: &'static LazyLock<Vec<String>>,
}

/// The system's libssl.
pub static OPENSSL: Implementation = Implementation { name: "OpenSSL", command: &OPENSSL_COMMAND };

/// The OpenSSL of Python's `cryptography` wheel: newer than the system's, and with post-quantum groups.
pub static PYOPENSSL: Implementation = Implementation { name: "pyOpenSSL", command: &PYOPENSSL_COMMAND };

/// Go's crypto/tls.
pub static GO: Implementation = Implementation { name: "Go", command: &GO_COMMAND };

/// The JDK's JSSE.
pub static JAVA: Implementation = Implementation { name: "Java", command: &JAVA_COMMAND };

static OPENSSL_COMMAND: LazyLock<Vec<String>> = LazyLock::new(|| {
    let source = sources().join("openssl_peer.c");
    let program = built(slice::from_ref(&source), "openssl_peer", |target| {
        run(Command::new("cc").args(["-O2", "-o"]).arg(target).arg(&source).args(["-lssl", "-lcrypto"]));
    });
    vec![program]
});

static PYOPENSSL_COMMAND: LazyLock<Vec<String>> = LazyLock::new(|| {
    let script = sources().join("pyopenssl_peer.py").display().to_string();
    vec![python().display().to_string(), script]
});

static GO_COMMAND: LazyLock<Vec<String>> = LazyLock::new(|| {
    let source = sources().join("go_peer.go");
    let program = built(slice::from_ref(&source), "go_peer", |target| {
        run(Command::new("go").args(["build", "-o"]).arg(target).arg(&source));
    });
    vec![program]
});

static JAVA_COMMAND: LazyLock<Vec<String>> = LazyLock::new(|| {
    let source = sources().join("JavaPeer.java");
    let classes = built(slice::from_ref(&source), "java_peer", |target| {
        run(Command::new("javac").arg("-d").arg(target).arg(&source));
    });
    let options = [
        "java",
        // A peer lives a second: the time goes into starting up.
        "-XX:TieredStopAtLevel=1",
        "-XX:+UseSerialGC",
        // Otherwise a transport's end between two records passes for an orderly one.
        "-Dcom.sun.net.ssl.requireCloseNotify=true",
        "-cp",
        &classes,
        "JavaPeer",
    ];
    options.map(str::to_owned).into()
});

impl Implementation {
    /// A server that waits for connections, and its port.
    pub fn serve(&self, options: &[String], steps: &[&str]) -> (Peer, u16) {
        let mut peer = self.start("server", options, steps);
        let port = peer.0.line("ready ")["ready ".len()..].parse().unwrap();
        (peer, port)
    }

    /// A client that connects to the listener it comes with: [`Peer::accepted_by`].
    pub fn connect(&self, options: &[String], steps: &[&str]) -> (Peer, TcpListener) {
        let listener = listen();
        (self.connect_to(port(&listener), options, steps), listener)
    }

    /// A client of whatever listens on that port.
    pub fn connect_to(&self, port: u16, options: &[String], steps: &[&str]) -> Peer {
        let options: Vec<String> = options.iter().cloned().chain([format!("port={port}")]).collect();
        self.start("client", &options, steps)
    }

    fn start(&self, role: &str, options: &[String], steps: &[&str]) -> Peer {
        let (program, arguments) = self.command.split_first().unwrap();
        let mut command = Command::new(program);
        command.args(arguments).arg(role).args(options).arg("--").args(steps);
        Peer(Process::start(&mut command))
    }
}

/// A peer at work.
#[derive(Debug)]
pub struct Peer(Process);

impl Peer {
    /// A client's next connection.
    pub fn accepted_by(&mut self, listener: &TcpListener) -> TcpStream {
        // Its kernel has connected it already, so that accepting does not wait for a peer that failed before.
        self.0.line("connected");
        accept(listener)
    }

    /// The line of its next step of that name.
    pub fn step(&mut self, name: &str) -> Report {
        let line = self.0.line(name);
        Report(line)
    }

    /// Lets a peer that holds its connection go on.
    pub fn release(&mut self) {
        self.0.close_input();
    }

    /// Fails the test unless it has done all its steps.
    #[track_caller]
    pub fn finish(self) {
        let finished = self.0.finish().succeeded();
        assert_eq!(finished.output.last().map(String::as_str), Some("done"), "{}", finished.text());
    }

    /// Fails the test unless one of its steps failed. Gives that step's line.
    #[track_caller]
    pub fn finish_failing(self) -> Report {
        let finished = self.0.finish();
        assert_eq!(finished.status.code(), Some(1), "{}\n{}", finished.text(), finished.errors);
        Report(finished.output.last().cloned().unwrap_or_default())
    }
}

/// What a step printed: a word and `name=value` pairs.
#[derive(Debug)]
pub struct Report(String);

impl Report {
    /// A value; fails the test if there is none of that name.
    #[track_caller]
    pub fn value(&self, name: &str) -> &str {
        self.0
            .split(' ')
            .filter_map(|word| word.split_once('='))
            .find_map(|(key, value)| (key == name).then_some(value))
            .unwrap_or_else(|| panic!("no {name} in \"{}\"", self.0))
    }

    /// The line itself.
    pub fn text(&self) -> &str {
        &self.0
    }
}

/// The sources of the peers.
pub fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("peers")
}

/// Python in the virtual environment that `peers/setup` makes.
pub fn python() -> PathBuf {
    let path = build_directory().join("venv/bin/python");
    assert!(path.exists(), "{} is not there; interop/peers/setup makes it", path.display());
    path
}

/// Where peers are built: beside the tests.
fn build_directory() -> PathBuf {
    // TARGET/PROFILE/deps/TEST or TARGET/PROFILE/PROGRAM
    let program = std::env::current_exe().unwrap();
    let beside = program.parent().unwrap();
    let profile = if beside.ends_with("deps") { beside.parent().unwrap() } else { beside };
    profile.parent().unwrap().join("interop-peers")
}

/// Somebody else's program, made by `build` at the path it is given if one of its sources is newer. Says where it is.
pub fn built(sources: &[PathBuf], target: &str, build: impl FnOnce(&Path)) -> String {
    let target = build_directory().join(target);
    let modified = |path: &Path| std::fs::metadata(path).and_then(|data| data.modified()).ok();
    let newest = sources.iter().map(|source| modified(source)).max().flatten();
    if modified(&target) < newest {
        // Built beside its place and moved there whole: several test programs may be at it.
        let beside = target.with_extension(std::process::id().to_string());
        std::fs::create_dir_all(build_directory()).unwrap();
        build(&beside);
        if target.is_dir() {
            std::fs::remove_dir_all(&target).ok();
        }
        std::fs::rename(&beside, &target).unwrap();
    }
    target.display().to_string()
}

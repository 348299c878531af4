//! The project's own program, `openschannel`, against other implementations.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use serde_json::Value;

use crate::certificates::{Certificates, SERVER_NAME};

/// Names the variable that gives the program to test.
const PROGRAM_VARIABLE: &str = "OPENSCHANNEL_BIN";

/// A command line of `openschannel`: the program that the variable `OPENSCHANNEL_BIN` names, otherwise the workspace's, built as the
/// tests are.
pub fn openschannel() -> Command {
    Command::new(openschannel_program())
}

/// Where that program lies.
pub fn openschannel_program() -> &'static Path {
    static PROGRAM: LazyLock<PathBuf> = LazyLock::new(|| match std::env::var_os(PROGRAM_VARIABLE) {
        Some(path) => path.into(),
        None => build(),
    });
    &PROGRAM
}

/// How `openschannel connect` ended.
#[derive(Debug)]
pub struct Connected {
    /// Its exit code.
    pub code: Option<i32>,
    /// What came from the peer.
    pub received: Vec<u8>,
    /// The closing report.
    pub report: Value,
}

/// Runs `openschannel connect` with a file as standard input, to its end. It ends by itself: handshake and silence have their time
/// limits in the program.
pub fn run_connect(certificates: &Certificates, port: u16, input: &str, options: &[&str]) -> Connected {
    let output = openschannel()
        .args(["connect", &format!("127.0.0.1:{port}"), "--sni", SERVER_NAME, "--json", "--ca"])
        .arg(certificates.authority_file())
        .args(options)
        .stdin(Stdio::from(File::open(input).unwrap()))
        .output()
        .unwrap();
    let report = String::from_utf8(output.stderr).unwrap();
    let report = serde_json::from_str(&report).unwrap_or_else(|error| panic!("{error}: {report}"));
    Connected { code: output.status.code(), received: output.stdout, report }
}

fn build() -> PathBuf {
    // TARGET/PROFILE/deps/TEST, or TARGET/PROFILE/PROGRAM
    let own = std::env::current_exe().unwrap();
    let profile = own.ancestors().skip(1).find(|path| !path.ends_with("deps")).unwrap();
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "-p", "openschannel-cli", "--target-dir"]).arg(profile.parent().unwrap());
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    // Without the deadline of other programs: it may be the whole dependency tree.
    let status = cargo.current_dir(Path::new(env!("CARGO_MANIFEST_DIR"))).status().unwrap();
    assert!(status.success(), "{cargo:?}: {status}");
    profile.join(format!("openschannel{}", std::env::consts::EXE_SUFFIX))
}

//! The C programs of `tests/c`, compiled as a user of the library would and run: the conformance list, the shapes of real callers, misuse,
//! many connections, many threads. The ignored tests run them longer, and under valgrind; tsan.sh runs the threads under ThreadSanitizer.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_RSA_SHA256, RsaKeySize,
};
use support::{compiler, in_crate, library_directory, succeed};
use tempfile::TempDir;

/// The name the programs connect to.
const HOST: &str = "server.test";

#[test]
fn conformance() {
    run("conformance", &[]);
}

#[test]
fn alerts() {
    run("alerts", &[]);
}

#[test]
fn closing() {
    run("closing", &[]);
}

#[test]
fn callers() {
    run("callers", &[]);
}

#[test]
fn particulars() {
    run("particulars", &[]);
}

#[test]
fn misuse() {
    run("misuse", &[]);
}

#[test]
fn churn() {
    run("churn", &["2000"]);
}

#[test]
fn threads() {
    run("threads", &["2"]);
}

#[test]
#[ignore = "takes minutes"]
fn churn_of_100_000_connections() {
    run("churn", &["100000"]);
}

#[test]
#[ignore = "takes minutes"]
fn threads_for_half_a_minute() {
    run("threads", &["30"]);
}

#[test]
#[ignore = "needs valgrind"]
fn conformance_under_valgrind() {
    run_checked("conformance", &[]);
}

/// As far as they are assigned: every instruction is checked.
#[test]
#[ignore = "needs valgrind"]
fn alerts_under_valgrind() {
    run_checked("alerts", &["121"]);
}

#[test]
#[ignore = "needs valgrind"]
fn callers_under_valgrind() {
    run_checked("callers", &[]);
}

#[test]
#[ignore = "needs valgrind"]
fn particulars_under_valgrind() {
    run_checked("particulars", &[]);
}

#[test]
#[ignore = "needs valgrind"]
fn misuse_under_valgrind() {
    run_checked("misuse", &[]);
}

#[test]
#[ignore = "needs valgrind"]
fn churn_under_valgrind() {
    run_checked("churn", &["200"]);
}

/// Valgrind runs one thread at a time, and still sees memory that is used behind its end.
#[test]
#[ignore = "needs valgrind"]
fn threads_under_valgrind() {
    run_checked("threads", &["10"]);
}

fn run(program: &str, arguments: &[&str]) {
    let mut command = Command::new(compiled(program));
    finish(command.arg(FILES.0.path()).args(arguments));
}

/// No invalid access, no decision on memory that was never written, and nothing lost at the end. No suppressions: aws-lc and Rust's
/// library need none. What is "possibly lost" are hash tables that live as long as the library, whose pointers lead into their middle.
fn run_checked(program: &str, arguments: &[&str]) {
    let mut command = Command::new("valgrind");
    command.args(["--quiet", "--error-exitcode=99", "--leak-check=full", "--fair-sched=yes"]);
    command.args(["--errors-for-leak-kinds=definite,indirect", "--show-leak-kinds=definite,indirect"]);
    finish(command.arg(compiled(program)).arg(FILES.0.path()).args(arguments));
}

/// Ends well, leaves nothing behind and says what it did.
fn finish(command: &mut Command) {
    // Cargo puts its own directories there, and the library of an earlier `cargo build` with them: the rpath knows the one to use.
    command.env_remove("LD_LIBRARY_PATH").env("OPENSCHANNEL_DEBUG", "leaks");
    // The programs whose credentials validate trust this authority as the system's.
    command.env("SSL_CERT_FILE", FILES.0.path().join("authority.pem")).env_remove("SSL_CERT_DIR");
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (said, complained) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{said}\n{complained}", output.status);
    assert!(complained.contains("openschannel: 0 alive at exit"), "{said}\n{complained}");
    println!("{said}{complained}");
}

/// As a user would, but for the name that cargo gives the library.
fn compiled(program: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("c_programs");
    fs::create_dir_all(&directory).unwrap();
    // Tests of the same program run at once: each its own file.
    let name = std::thread::current().name().unwrap_or("test").to_owned();
    let executable = directory.join(format!("{program}-{name}"));
    let library = library_directory();
    let source = |name: &str| in_crate(&format!("tests/c/{name}.c"));
    succeed(
        compiler("c11")
            .args(["-g", "-pthread"])
            .arg("-o")
            .arg(&executable)
            .args([source(program), source("harness"), source("connection")])
            .arg("-L")
            .arg(&library)
            .arg(format!("-Wl,-rpath,{}", library.display()))
            .arg("-lopenschannel_ffi"),
    );
    executable
}

/// Certificates, made once.
struct Files(TempDir);

static FILES: LazyLock<Files> = LazyLock::new(Files::make);

impl Files {
    fn make() -> Self {
        let files = Self(tempfile::tempdir().unwrap());
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.distinguished_name.push(rcgen::DnType::CommonName, "authority of the C tests");
        files.write("authority.pem", &params.self_signed(&key).unwrap().pem());
        let issuer = Issuer::new(params, key);
        let sign = |name: &str, host: &str, key: &KeyPair, purpose| {
            let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
            params.distinguished_name.push(rcgen::DnType::CommonName, host);
            params.extended_key_usages = vec![purpose];
            files.write(&format!("{name}.pem"), &params.signed_by(key, &issuer).unwrap().pem());
            files.write(&format!("{name}.key"), &key.serialize_pem());
        };
        sign("server", HOST, &KeyPair::generate().unwrap(), ExtendedKeyUsagePurpose::ServerAuth);
        sign("client", "client.test", &KeyPair::generate().unwrap(), ExtendedKeyUsagePurpose::ClientAuth);
        // By nobody the programs trust.
        let rsa = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
        let mut params = CertificateParams::new(vec![HOST.to_owned()]).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, HOST);
        files.write("other.pem", &params.self_signed(&rsa).unwrap().pem());
        files.write("other.key", &rsa.serialize_pem());
        files
    }

    fn write(&self, name: &str, content: &str) {
        fs::write(self.0.path().join(name), content).unwrap();
    }
}

//! `openschannel serve` and `openschannel connect` with PFX files that OpenSSL has written, for both sides' certificates.

use openschannel_interop::certificates::{Certificates, Files};
use openschannel_interop::process::{Process, run};
use openschannel_interop::program::{openschannel, run_connect};
use serde_json::Value;

/// The certificate and key of `files` as a PFX file with the password "geheim".
fn pfx(certificates: &Certificates, name: &str, files: &Files, options: &[&str]) -> String {
    let path = certificates.write(name, b"");
    run(std::process::Command::new("openssl")
        .args(["pkcs12", "-export", "-passout", "pass:geheim", "-out", &path, "-in"])
        .arg(&files.certificate)
        .arg("-inkey")
        .arg(&files.key)
        .args(options));
    path
}

#[test]
#[ignore = "needs openssl"]
fn both_sides_show_certificates_from_pfx_files() {
    let certificates = Certificates::new();
    for options in [&[][..], &["-legacy"]] {
        let server = pfx(&certificates, "server.pfx", &certificates.rsa, options);
        let client = pfx(&certificates, "client.pfx", &certificates.client, options);
        let mut serving = Process::start(
            openschannel()
                .args(["serve", "--listen", "127.0.0.1:0", "--json", "--accept-count", "1", "--echo"])
                .args(["--pfx", &server, "--pass", "geheim", "--client-auth", "require", "--client-ca"])
                .arg(certificates.authority_file()),
        );
        let listening: Value = serde_json::from_str(&serving.line("{")).unwrap();
        let port = listening["port"].as_u64().unwrap().try_into().unwrap();
        let input = certificates.write("input", b"both have shown one");
        let ended = run_connect(&certificates, port, &input, &["--pfx", &client, "--pass", "geheim"]);
        assert_eq!(
            (ended.code, ended.received.as_slice()),
            (Some(0), &b"both have shown one"[..]),
            "{}",
            ended.report
        );
        serving.finish().succeeded();
    }
}

#[test]
#[ignore = "needs openssl"]
fn a_wrong_password_is_said() {
    let certificates = Certificates::new();
    let file = pfx(&certificates, "client.pfx", &certificates.client, &[]);
    let output =
        openschannel().args(["connect", "127.0.0.1:1", "--pfx", &file, "--pass", "falsch"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("password"), "{said}");
}

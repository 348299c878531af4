//! What the program prints holds no secret: neither lines for people nor JSON, with traces, key logs and wrong passwords.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by it")]

mod common;
/// Memory is searched in the libraries' tests; of what they share only texts are of use here.
mod heap {
    pub(crate) fn unwatched<R>(work: impl FnOnce() -> R) -> R {
        work()
    }
}
#[path = "../../openschannel/tests/secrets/known.rs"]
mod known;

use std::io::Write as _;
use std::path::Path;

use common::*;
use known::{Known, Told, canary};

#[test]
fn connections_print_no_secret() {
    let directory = tempfile::tempdir().unwrap();
    let mut known = Known::default();
    let (password, pfx, ca) = identity(directory.path(), &mut known);
    let data = canary(5_000);
    known.add("plaintext", &data);
    let logs = ["server", "client"].map(|side| directory.path().join(side).display().to_string());
    let mut printed = String::new();
    for version in ["tls1.2", "tls1.3"] {
        let versions = ["--min-protocol", version, "--max-protocol", version];
        let mut server = program();
        server.args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--echo",
            "--json",
            "--trace",
            "--keylog",
            &logs[0],
        ]);
        let mut server = Running::start(server.args(["--pfx", &pfx, "--pass", &password]).args(versions));
        let listening = line_of(&mut server);
        let port = serde_json::from_str::<serde_json::Value>(&listening).unwrap()["port"].as_u64().unwrap();
        printed += &listening;
        for json in [true, false] {
            let mut client = program();
            client
                .arg("connect")
                .arg(format!("localhost:{port}"))
                .args(["--ca", &ca, "--trace", "--keylog", &logs[1]]);
            let mut client = Running::start(client.args(versions).args(json.then_some("--json")));
            client.stdin.as_mut().unwrap().write_all(&data).unwrap();
            let (code, echo, told) = client.finish();
            assert_eq!((code, &echo), (Some(0), &data), "{told}");
            assert!(told.contains("EncryptMessage"), "{told}");
            printed += &told;
        }
        // The certificate is not this one's: the handshake fails.
        let refused = connect(port.try_into().unwrap(), &[], &["--trace"]).finish();
        assert_ne!(refused.0, Some(0));
        printed += &refused.2;
        server.child.kill().unwrap();
        let (_, reports, trace) = server.wait();
        assert!(trace.contains("DecryptMessage"), "{trace}");
        printed += &String::from_utf8(reports).unwrap();
        printed += &trace;
    }
    for log in &logs {
        known.add_logged(&Told::of(&std::fs::read_to_string(log).unwrap()));
    }
    assert_holds_none(&printed, &known);
}

#[test]
fn a_refused_identity_prints_no_secret() {
    let directory = tempfile::tempdir().unwrap();
    let mut known = Known::default();
    let (password, pfx, ca) = identity(directory.path(), &mut known);
    let wrong = String::from_utf8(canary(20)).unwrap();
    known.add("wrong password", wrong.as_bytes());
    let key = directory.path().join("key.pem").display().to_string();
    for (arguments, refusal) in [
        (&["--pfx", &pfx, "--pass", &wrong][..], "password"),
        (&["--pfx", &ca, "--pass", &password], "PKCS #12 file"),
        (&["--pfx", &pfx, "--pass", &password, "--nonsense"], "--nonsense"),
        (&["--cert", &key, "--key", &key], "no CERTIFICATE section"),
        (&["--cert", &ca], "no PRIVATE KEY section"),
        (&["--cert", &key, "--pass", &password], "no CERTIFICATE section"),
    ] {
        let output = run(&[&["serve", "--listen", "127.0.0.1:0", "--echo", "--json"], arguments].concat());
        assert!(!output.status.success(), "{arguments:?}");
        let printed = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
        assert!(printed.contains(refusal), "{arguments:?}: {printed}");
        assert_holds_none(&printed, &known);
    }
}

fn assert_holds_none(printed: &str, known: &Known) {
    let printed: String = printed.split_whitespace().collect();
    let needles = known.text_needles();
    let found = needles.find(printed.as_bytes());
    assert!(found.is_empty(), "{found:?}");
    writeln!(std::io::stderr(), "searched {} bytes of output for {} secrets", printed.len(), known.len())
        .ok();
}

fn line_of(running: &mut Running) -> String {
    let mut line = String::new();
    std::io::BufRead::read_line(&mut running.stdout, &mut line).unwrap();
    line
}

/// A PKCS #12 file's password and its path, and that of the certificate; `key.pem` lies beside them.
fn identity(directory: &Path, known: &mut Known) -> (String, String, String) {
    use p12_keystore::{Certificate, KeyStore, KeyStoreEntry, PrivateKey, PrivateKeyChain};
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = made.signing_key.serialize_der();
    let password = String::from_utf8(canary(24)).unwrap();
    known.add_p256("private key", &key);
    known.add("password", password.as_bytes());
    let mut store = KeyStore::new();
    let chain = [Certificate::from_der(made.cert.der()).unwrap()];
    let entry = PrivateKeyChain::new("1", PrivateKey::from_der(&key).unwrap(), chain);
    store.add_entry("server", KeyStoreEntry::PrivateKeyChain(entry));
    let file = store.writer(&password).encryption_iterations(100).mac_iterations(100).write().unwrap();
    let [pfx, ca, key] = ["server.p12", "ca.pem", "key.pem"].map(|name| directory.join(name));
    std::fs::write(&pfx, file).unwrap();
    std::fs::write(&ca, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    (password, pfx.display().to_string(), ca.display().to_string())
}

//! A program with more rights than whoever runs it does not hear that one's environment: neither debug words, nor a key log, nor roots.
//! Really run as one: a copy of this test, set-user-ID.
//!
//! It is given to a user with fewer rights than any, not to root: nobody gains by running it in the meantime.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test")]

#[allow(dead_code, clippy::multiple_unsafe_ops_per_block, reason = "another test's")]
#[path = "random_calls/pair.rs"]
mod pair;
#[allow(dead_code, clippy::print_stdout, reason = "another test's")]
#[path = "random_calls/random.rs"]
mod random;

use core::ptr::{null, null_mut};
use std::fs::{self, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use openschannel_ffi::FreeCredentialsHandle;
use openschannel_ffi::types::{CERT_CONTEXT, SecHandle};
use openschannel_ffi::wincrypt::{CertEnumCertificatesInStore, CertOpenSystemStoreW, OpenSchannelImportPem};
use pair::{CONTINUE_NEEDED, OK, Pair, acquire_with, auth_data};

/// Where the certificate lies that the environment names as a root; set in the child only.
const CERTIFICATES: &str = "OPENSCHANNEL_TEST_CERTIFICATES";

/// Chowning takes root's rights, and clears the bit: so in this order.
const SET_USER_ID: &str = r#"
    [ "$(id -u)" = 0 ] || sudo="sudo -n"
    $sudo chown 65534:65534 "$1" && $sudo chmod 4755 "$1"
"#;

const UNTRUSTED_ROOT: i32 = 0x8009_0325_u32.cast_signed();

#[test]
#[ignore = "needs root, or sudo without a password"]
fn the_environment_is_not_heard_with_borrowed_rights() {
    if let Some(directory) = std::env::var_os(CERTIFICATES) {
        return tell_what_is_heard(Path::new(&directory));
    }
    let directory = tempfile::tempdir().unwrap();
    let (program, logs) = (directory.path().join("test"), directory.path().join("logs"));
    let allow = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    // Whatever is not done afterwards is not to be for want of rights.
    for (name, text) in [("root.pem", made.cert.pem()), ("key.pem", made.signing_key.serialize_pem())] {
        fs::write(directory.path().join(name), text).unwrap();
        allow(&directory.path().join(name), 0o644);
    }
    fs::create_dir(&logs).unwrap();
    allow(&logs, 0o777);
    allow(directory.path(), 0o755);
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    allow(&program, 0o755);

    let plain = heard_by(&program, directory.path(), &logs.join("plain"));
    assert_eq!((plain.rights, &*plain.heard), (Rights::Own, "store peer leaks keylog"));

    let done = Command::new("sh").args(["-c", SET_USER_ID, "sh"]).arg(&program).status().unwrap();
    assert!(
        done.success(),
        "this test makes a set-user-ID program: run it as root, or with sudo that asks nothing"
    );
    let privileged = heard_by(&program, directory.path(), &logs.join("privileged"));
    assert_eq!(privileged.rights, Rights::Borrowed, "{} is mounted nosuid?", directory.path().display());
    assert_eq!(privileged.heard, "");
}

#[derive(Debug, PartialEq, Eq)]
enum Rights {
    Own,
    Borrowed,
}

struct Told {
    rights: Rights,
    /// What of the environment, in words.
    heard: String,
}

/// Runs the copy with an environment that asks for everything.
fn heard_by(program: &Path, directory: &Path, key_log: &Path) -> Told {
    let mut child = Command::new(program);
    child.args(["--exact", "the_environment_is_not_heard_with_borrowed_rights", "--ignored", "--nocapture"]);
    child.env(CERTIFICATES, directory);
    child.env("SSL_CERT_FILE", directory.join("root.pem")).env_remove("SSL_CERT_DIR");
    child.env("OPENSCHANNEL_DEBUG", "leaks,keylog").env("SSLKEYLOGFILE", key_log);
    let output = child.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}{complained}");
    let told = |word: &str| complained.lines().any(|line| line == word);
    let heard = [
        ("store", told("heard: store")),
        ("peer", told("heard: peer")),
        ("leaks", complained.contains("alive at exit")),
        ("keylog", key_log.exists()),
    ];
    let heard: Vec<_> = heard.iter().filter(|(_, heard)| *heard).map(|(word, _)| *word).collect();
    let rights = if told("borrowed rights") { Rights::Borrowed } else { Rights::Own };
    Told { rights, heard: heard.join(" ") }
}

/// The child: a line for each thing.
fn tell_what_is_heard(directory: &Path) {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let users: Vec<_> =
        status.lines().find_map(|line| line.strip_prefix("Uid:")).unwrap().split_whitespace().collect();
    let certificate = import(directory);
    let heard = [
        ("borrowed rights", users[0] != users[1]),
        ("heard: store", is_in_the_root_store(certificate)),
        ("heard: peer", is_trusted_as_a_peer(certificate)),
    ];
    let mut stderr = std::io::stderr().lock();
    for (line, _) in heard.iter().filter(|(_, heard)| *heard) {
        writeln!(stderr, "{line}").unwrap();
    }
}

fn import(directory: &Path) -> *const CERT_CONTEXT {
    let [chain, key] = ["root.pem", "key.pem"].map(|name| fs::read(directory.join(name)).unwrap());
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap();
    let mut context = null();
    // SAFETY: the lengths are those of the texts.
    let done = unsafe {
        OpenSchannelImportPem(
            chain.as_ptr(),
            length(&chain),
            key.as_ptr(),
            length(&key),
            null_mut(),
            &raw mut context,
        )
    };
    assert_ne!(done, 0);
    context
}

fn is_in_the_root_store(certificate: *const CERT_CONTEXT) -> bool {
    let name: Vec<u16> = "ROOT\0".encode_utf16().collect();
    // SAFETY: the name lives through the call.
    let store = unsafe { CertOpenSystemStoreW(0, name.as_ptr()) };
    assert!(!store.is_null());
    let wanted = der(certificate);
    let mut found = false;
    let mut at = null();
    loop {
        // SAFETY: a store that is open, and what it gave out last.
        at = unsafe { CertEnumCertificatesInStore(store, at) };
        if at.is_null() {
            return found;
        }
        found |= der(at) == wanted;
    }
}

fn der(certificate: *const CERT_CONTEXT) -> Vec<u8> {
    // SAFETY: a context that was given out and not freed.
    let context = unsafe { &*certificate };
    // SAFETY: the context says how many bytes there are.
    unsafe { core::slice::from_raw_parts(context.encoded, context.encoded_len as usize) }.to_vec()
}

/// Whether a client that validates by the system's roots takes a server with this certificate.
fn is_trusted_as_a_peer(certificate: *const CERT_CONTEXT) -> bool {
    let mut pair = Pair::of(0x2000, 0x1000);
    for (side, inbound) in pair.sides.iter_mut().zip([false, true]) {
        // SAFETY: a handle of ours.
        assert_eq!(unsafe { FreeCredentialsHandle(&raw const side.credential) }, OK);
        side.credential = acquire(inbound, certificate);
    }
    let [client, server] = &mut pair.sides;
    let (_, hello, _) = client.token_call(&[]);
    let (_, mut flight, _) = server.token_call(&hello);
    let status = loop {
        let (status, _, extra) = client.token_call(&flight);
        if status != CONTINUE_NEEDED {
            break status;
        }
        assert_ne!(extra, 0, "the server's flight is the whole of it");
        flight.drain(..flight.len() - extra);
    };
    assert!([OK, UNTRUSTED_ROOT].contains(&status), "{status:#x}");
    status == OK
}

/// With the validation that a credential has unless it says otherwise.
fn acquire(inbound: bool, certificate: *const CERT_CONTEXT) -> SecHandle {
    let mut auth = auth_data(inbound, if inbound { 0x1000 } else { 0x2000 }, &mut [null()]);
    let mut certificates = [certificate];
    auth.creds = certificates.as_mut_ptr();
    auth.flags = 0;
    acquire_with(inbound, &auth)
}

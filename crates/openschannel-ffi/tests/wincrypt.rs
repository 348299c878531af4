//! wincrypt.h from C: `tests/c/wincrypt_test.c`, compiled against the headers and linked with the library, on certificates made here.
//! Wants a C compiler, `$CC` or `cc`; the ignored test valgrind too.
#![cfg(not(windows))]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use p12_keystore::{Certificate, KeyStore, KeyStoreEntry, PrivateKey, PrivateKeyChain};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints, RsaKeySize, SanType,
};

#[test]
fn a_c_program_finds_wincrypt_as_on_windows() {
    run(&[]);
}

#[test]
#[ignore = "needs valgrind"]
fn without_errors_and_leaks_under_valgrind() {
    let kinds = "definite,indirect";
    run(&[
        "valgrind",
        "--quiet",
        "--leak-check=full",
        // What lives as long as the process is reachable, or looks possibly lost: hash maps point into their own memory.
        &format!("--show-leak-kinds={kinds}"),
        &format!("--errors-for-leak-kinds={kinds}"),
        "--error-exitcode=9",
    ]);
}

/// Runs the program, with something in front of it or without. It has to be content, and to leave nothing behind.
fn run(runner: &[&str]) {
    let directory = tempfile::tempdir().unwrap();
    make_certificates(directory.path());
    let program = compile(directory.path());
    let program = program.to_str().unwrap();
    let words = [runner, &[program]].concat();
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).arg(directory.path()).env("OPENSCHANNEL_DEBUG", "leaks");
    command.env_remove("SSL_CERT_DIR").env("SSL_CERT_FILE", directory.path().join("root.pem"));
    // Cargo's own directories stand there, and a library in them that an earlier build has left.
    command.env_remove("LD_LIBRARY_PATH");
    let output = command.output().unwrap();
    let (said, complained) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}{complained}");
    assert!(said.ends_with(" checks\n"), "{said}");
    assert_eq!(complained, "openschannel: 0 alive at exit\n");
}

fn compile(directory: &Path) -> PathBuf {
    let program = directory.join("wincrypt_test");
    let libraries = env::current_exe().unwrap().parent().unwrap().to_owned();
    let compiler = env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    let mut command = Command::new(compiler);
    command.args(["-std=c11", "-g", "-Wall", "-Wextra", "-Werror", "-I"]).arg(in_crate("include"));
    command.arg("-o").arg(&program).arg(in_crate("tests/c/wincrypt_test.c"));
    command.arg("-L").arg(&libraries).arg("-lopenschannel_ffi");
    command.arg(format!("-Wl,-rpath,{}", libraries.display()));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    program
}

fn make_certificates(directory: &Path) {
    let write = |name: &str, bytes: &[u8]| fs::write(directory.join(name), bytes).unwrap();
    let root = CertifiedIssuer::self_signed(authority("Test Root"), key()).unwrap();
    let intermediate = CertifiedIssuer::signed_by(authority("Test Intermediate"), key(), &root).unwrap();
    let stranger = CertifiedIssuer::self_signed(authority("Stranger"), key()).unwrap();
    let mut constraining = authority("Constraining");
    constraining.name_constraints = Some(NameConstraints {
        permitted_subtrees: vec![GeneralSubtree::DnsName("other.example".to_owned())],
        excluded_subtrees: Vec::new(),
    });
    let constraining = CertifiedIssuer::signed_by(constraining, key(), &root).unwrap();
    let mut mail = authority("Mail");
    mail.extended_key_usages = vec![ExtendedKeyUsagePurpose::EmailProtection];
    let mail = CertifiedIssuer::signed_by(mail, key(), &root).unwrap();
    write("mail.der", mail.der());
    write("root.der", root.der());
    write("root.pem", root.pem().as_bytes());
    write("intermediate.der", intermediate.der());
    write("constraining.der", constraining.der());

    let leaf_key = key();
    let leaf = leaf().signed_by(&leaf_key, &intermediate).unwrap();
    let chain = format!("{}{}{}", leaf.pem(), intermediate.pem(), root.pem());
    write("leaf.der", leaf.der());
    write("leaf.pem", format!("text before it\n{}", leaf.pem()).as_bytes());
    write("chain.pem", chain.as_bytes());
    write("key.pem", leaf_key.serialize_pem().as_bytes());
    write("key.der", leaf_key.serialized_der());
    write("both.pem", format!("{chain}{}", leaf_key.serialize_pem()).as_bytes());
    write("other-key.pem", key().serialize_pem().as_bytes());
    write("all.pfx", &pfx(&leaf_key, &[leaf.der(), intermediate.der(), root.der()]));

    let variant = |name: &str, issuer: &Issuer<'_, KeyPair>, change: &dyn Fn(&mut CertificateParams)| {
        let mut params = self::leaf();
        change(&mut params);
        write(name, params.signed_by(&key(), issuer).unwrap().der());
    };
    variant("expired.der", &intermediate, &|params| params.not_after = rcgen::date_time_ymd(2001, 1, 1));
    variant("partial.der", &stranger, &|_| ());
    variant("client.der", &intermediate, &|params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    });
    variant("constrained.der", &constraining, &|_| ());
    variant("mail-issued.der", &mail, &|_| ());
    variant("below-leaf.der", &Issuer::new(self::leaf(), leaf_key), &|_| ());
    variant("critical.der", &intermediate, &|params| {
        let mut extension = CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99999, 1], vec![5, 0]);
        extension.set_criticality(true);
        params.custom_extensions.push(extension);
    });
    variant("revocable.der", &intermediate, &|params| {
        let uris = vec!["http://crl.example/".to_owned()];
        params.crl_distribution_points.push(rcgen::CrlDistributionPoint { uris });
    });
    write("untrusted.der", self::leaf().self_signed(&key()).unwrap().der());
    let mut tampered = self::leaf().signed_by(&key(), &intermediate).unwrap().der().to_vec();
    *tampered.last_mut().unwrap() ^= 1;
    write("tampered.der", &tampered);

    let mut named = CertificateParams::new(vec!["b.example".to_owned(), "*.c.example".to_owned()]).unwrap();
    let mut name = rcgen::DistinguishedName::new();
    name.push(DnType::CountryName, "DE");
    name.push(DnType::OrganizationName, "Example, Inc.");
    name.push(DnType::OrganizationalUnitName, "The \"Unit\"");
    name.push(DnType::CommonName, "N\u{e4}me");
    named.distinguished_name = name;
    named.subject_alt_names.push(SanType::Rfc822Name("a@b.example".try_into().unwrap()));
    named.subject_alt_names.push(SanType::URI("https://b.example/".try_into().unwrap()));
    write("named.der", named.signed_by(&key(), &intermediate).unwrap().der());
    let rsa = KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    let rsa = CertificateParams::new(Vec::new()).unwrap().self_signed(&rsa).unwrap();
    write("rsa.der", rsa.der());
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.use_authority_key_identifier_extension = true;
    params
}

fn leaf() -> CertificateParams {
    let mut params = CertificateParams::new(vec!["a.example".to_owned(), "192.0.2.7".to_owned()]).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "a.example");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    params
}

fn key() -> KeyPair {
    KeyPair::generate().unwrap()
}

fn pfx(key: &KeyPair, chain: &[&[u8]]) -> Vec<u8> {
    let key = PrivateKey::from_der(key.serialized_der()).unwrap();
    let chain: Vec<_> = chain.iter().map(|der| Certificate::from_der(der).unwrap()).collect();
    let mut store = KeyStore::new();
    store.add_entry("leaf", KeyStoreEntry::PrivateKeyChain(PrivateKeyChain::new(vec![1], key, chain)));
    store.writer("secret").write().unwrap()
}

fn in_crate(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

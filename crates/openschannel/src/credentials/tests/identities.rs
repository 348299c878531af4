//! Identities in every format, and what is wrong with the broken ones.

use std::sync::Arc;

use p12_keystore::{
    Certificate, EncryptionAlgorithm, KeyStore, KeyStoreEntry, MacAlgorithm, PrivateKeyChain,
};
use rcgen::{IsCa, KeyPair, RsaKeySize};

use super::fixtures::{self, decode, leaf_pem};
use super::*;
use crate::credentials::signing::SoftwareKey;
use crate::status::ErrorStatus;

#[track_caller]
fn refused(outcome: Result<Identity, crate::status::Error>, status: ErrorStatus, reason: &str) {
    let error = outcome.unwrap_err();
    assert_eq!(error.status(), status, "{error}");
    assert!(error.reason().contains(reason), "{error}");
}

#[test]
fn pem_chain_and_key_in_two_files_or_in_one() {
    let authority = Authority::new("Root");
    let key = KeyPair::generate().unwrap();
    let leaf = named("leaf", &["a.example"]).signed_by(&key, &authority.issuer).unwrap();
    let root = authority.issuer.key();
    let chain = format!("{}{}", leaf.pem(), named("x", &[]).self_signed(root).unwrap().pem());
    let identity = Identity::from_pem(chain.as_bytes(), key.serialize_pem().as_bytes()).unwrap();
    assert_eq!(identity.chain().len(), 2);
    assert_eq!(identity.chain().next(), Some(leaf.der().as_ref()));
    assert_eq!(identity.key().algorithm(), KeyAlgorithm::Ecdsa);

    let one_file = format!("{}{}{}", key.serialize_pem(), leaf.pem(), key.serialize_pem());
    assert!(Identity::from_pem(one_file.as_bytes(), one_file.as_bytes()).is_ok());
    let two_keys = format!("{}{}", KeyPair::generate().unwrap().serialize_pem(), key.serialize_pem());
    assert!(Identity::from_pem(chain.as_bytes(), two_keys.as_bytes()).is_ok());
}

#[test]
fn keys_of_every_kind_and_encoding() {
    let authority = Authority::new("Root");
    let kinds = [
        (KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256), KeyAlgorithm::Ecdsa),
        (KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384), KeyAlgorithm::Ecdsa),
        (KeyPair::generate_for(&rcgen::PKCS_ECDSA_P521_SHA512), KeyAlgorithm::Ecdsa),
        (KeyPair::generate_for(&rcgen::PKCS_ED25519), KeyAlgorithm::Ed25519),
        (KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048), KeyAlgorithm::Rsa),
    ];
    for (key, algorithm) in kinds {
        let key = key.unwrap();
        let chain = vec![authority.certificate(&key, &["a.example"], |_| ())];
        let identity = Identity::from_der(chain.clone(), &key.serialize_der()).unwrap();
        assert_eq!(identity.key().algorithm(), algorithm);
        if algorithm == KeyAlgorithm::Rsa {
            // PKCS #8 wraps PKCS #1 behind a header of fixed length for this size.
            let pkcs1 = key.serialize_der()[26..].to_vec();
            assert!(Identity::from_der(chain, &pkcs1).is_ok(), "PKCS #1");
        }
    }
    let sec1 = Identity::from_pem(leaf_pem().as_bytes(), fixtures::SEC1_PEM.as_bytes()).unwrap();
    assert_eq!(sec1.key().algorithm(), KeyAlgorithm::Ecdsa);
}

#[test]
fn broken_pem_and_der_is_refused_with_a_reason() {
    let authority = Authority::new("Root");
    let key = KeyPair::generate().unwrap();
    let chain = vec![authority.certificate(&key, &["a.example"], |_| ()), authority.der];
    let pem = leaf_pem();
    let (no_key, unknown) = (ErrorStatus::NoCredentials, ErrorStatus::UnknownCredentials);

    let from_pem = |chain: &str, key: &str| Identity::from_pem(chain.as_bytes(), key.as_bytes());
    refused(from_pem("", fixtures::SEC1_PEM), unknown, "no CERTIFICATE section");
    refused(from_pem(&pem, &pem), no_key, "no PRIVATE KEY section");
    refused(from_pem(&pem, fixtures::PKCS8_ENCRYPTED_PEM), unknown, "encrypted");
    refused(from_pem(&pem, fixtures::OLD_ENCRYPTED_PEM), unknown, "encrypted");
    refused(from_pem(&pem, &key.serialize_pem()), unknown, "does not belong");
    refused(from_pem(&pem, &fixtures::SEC1_PEM.replace("MHc", "M*c")), unknown, "damaged");
    refused(from_pem(&pem.replace("MII", "M*I"), fixtures::SEC1_PEM), unknown, "certificate is damaged");

    refused(Identity::from_der(chain.clone(), &[]), no_key, "empty");
    refused(Identity::from_der(chain.clone(), &[1, 2, 3]), unknown, "neither PKCS #8");
    refused(Identity::from_der(vec![], &key.serialize_der()), unknown, "no certificate");
    let cut = key.serialize_der();
    refused(Identity::from_der(chain.clone(), &cut[..cut.len() - 9]), unknown, "key");
    let reversed: Vec<_> = chain.iter().rev().cloned().collect();
    refused(Identity::from_der(reversed, &key.serialize_der()), unknown, "certificate 2 of the chain");
    let mut trailing = chain;
    trailing[1].push(0);
    refused(Identity::from_der(trailing, &key.serialize_der()), unknown, "certificate 2 of the chain");
}

#[test]
fn pfx_files_of_openssl() {
    let expected = decode(fixtures::LEAF);
    for (name, file, password) in [
        ("modern", fixtures::MODERN, "correct"),
        ("legacy", fixtures::LEGACY, "correct"),
        ("without a MAC", fixtures::WITHOUT_MAC, "correct"),
        ("empty password", fixtures::EMPTY_PASSWORD, ""),
    ] {
        let identity = Identity::from_pfx(&decode(file), password).unwrap_or_else(|e| panic!("{name}: {e}"));
        // The root is in the file and not in the chain.
        assert_eq!(identity.chain().collect::<Vec<_>>(), [&expected[..]], "{name}");
    }
}

#[test]
fn pfx_files_of_the_java_kind_with_a_chain() {
    let root = Authority::new("Root");
    let middle_key = KeyPair::generate().unwrap();
    let mut middle_params = named("Middle", &[]);
    middle_params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let middle = middle_params.signed_by(&middle_key, &root.issuer).unwrap().der().to_vec();
    let issuer = Issuer::new(middle_params, middle_key);
    let key = KeyPair::generate().unwrap();
    let leaf = named("leaf", &["a.example"]).signed_by(&key, &issuer).unwrap().der().to_vec();

    let certificates = [&leaf, &middle, &root.der].map(|der| Certificate::from_der(der).unwrap());
    let key = p12_keystore::PrivateKey::from_der(&key.serialize_der()).unwrap();
    let mut store = KeyStore::new();
    store.add_entry("server", KeyStoreEntry::PrivateKeyChain(PrivateKeyChain::new("1", key, certificates)));
    for algorithm in [
        EncryptionAlgorithm::PbeWithHmacSha256AndAes256,
        EncryptionAlgorithm::PbeWithShaAnd3KeyTripleDesCbc,
        EncryptionAlgorithm::PbeWithShaAnd40BitRc4Cbc,
    ] {
        let mac = MacAlgorithm::HmacSha256;
        let pfx = store.writer("geheim").encryption_algorithm(algorithm).mac_algorithm(mac).write().unwrap();
        let identity = Identity::from_pfx(&pfx, "geheim").unwrap();
        assert_eq!(identity.chain().collect::<Vec<_>>(), [&leaf[..], &middle[..]], "{algorithm:?}");
    }
}

#[test]
fn broken_pfx_files_are_refused_with_a_reason() {
    let unknown = ErrorStatus::UnknownCredentials;
    let modern = decode(fixtures::MODERN);
    refused(Identity::from_pfx(&modern, "wrong"), unknown, "password is wrong");
    refused(Identity::from_pfx(&decode(fixtures::LEGACY), "wrong"), unknown, "password is wrong");
    refused(Identity::from_pfx(&decode(fixtures::WITHOUT_MAC), "wrong"), unknown, "password is wrong");
    refused(Identity::from_pfx(&modern[..900], "correct"), unknown, "damaged");
    refused(Identity::from_pfx(b"not a file", "correct"), unknown, "damaged");
    let without_key = decode(fixtures::WITHOUT_KEY);
    refused(Identity::from_pfx(&without_key, "correct"), ErrorStatus::NoCredentials, "no private key");
    let mut changed = modern;
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    refused(Identity::from_pfx(&changed, "correct"), unknown, "changed");
}

#[test]
fn expiry_is_the_earliest_end_of_validity() {
    let authority = Authority::new("Root");
    let until = |year| {
        authority.identity_with(&rcgen::PKCS_ED25519, &["a.example"], |params| {
            params.not_after = rcgen::date_time_ymd(year, 1, 1);
        })
    };
    let (early, late) = (until(2030), until(2040));
    let end = early.expiry().unwrap();
    assert_eq!(end, UNIX_EPOCH + Duration::from_secs(1_893_456_000));
    let server = InboundCredentials::builder().identity(late.clone()).identity(early).acquire().unwrap();
    assert_eq!(server.expiry(), Some(end));
    let client = OutboundCredentials::builder().identity(late).acquire().unwrap();
    assert!(client.expiry().unwrap() > end);
    assert_eq!(OutboundCredentials::builder().acquire().unwrap().expiry(), None);
}

#[test]
fn nothing_secret_is_shown() {
    let key = KeyPair::generate().unwrap();
    let der = Authority::new("Root").certificate(&key, &["a.example"], |_| ());
    let identity = Identity::from_der(vec![der], &key.serialize_der()).unwrap();
    let client = OutboundCredentials::builder().identity(identity.clone());
    let server = InboundCredentials::builder().identity(identity.clone());
    let shown = format!(
        "{identity:?} {:?} {client:?} {server:?} {:?} {:?}",
        identity.certified(),
        client.clone().acquire().unwrap(),
        server.clone().acquire().unwrap()
    );
    assert!(shown.contains("CN=leaf"), "{shown}");
    // The private scalar stands behind this tag in PKCS #8 (RFC 5915).
    let pkcs8 = key.serialize_der();
    let start = pkcs8.windows(5).position(|window| window == [2, 1, 1, 4, 32]).unwrap() + 5;
    let secret = &pkcs8[start..start + 32];
    let hexadecimal: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let decimal = format!("{:?}", &secret[..8]);
    let decimal = decimal.trim_matches(['[', ']']);
    assert!(!shown.to_lowercase().contains(&hexadecimal[..16]) && !shown.contains(decimal));
}

#[test]
fn a_key_of_a_kind_nobody_has_does_not_load() {
    let short = rustls_pki_types::PrivateKeyDer::try_from(&[0x30, 0x03, 0x02, 0x01, 0x00][..]);
    assert!(short.is_err() || SoftwareKey::load(&short.unwrap()).is_none());
    let none: Arc<dyn PrivateKey> =
        Arc::new(SoftwareKey::load(&key_der(&KeyPair::generate().unwrap())).unwrap());
    assert_eq!(none.choose_scheme(&[SignatureScheme::ED448, SignatureScheme(0x1234)]), None);
    assert_eq!(
        none.sign(SignatureScheme::ED448, b"x").map_err(|e| e.status()),
        Err(ErrorStatus::AlgorithmMismatch)
    );
}

fn key_der(key: &KeyPair) -> rustls_pki_types::PrivateKeyDer<'static> {
    rustls_pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap()
}

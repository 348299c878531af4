//! The keys that the engine's suites note: those of both ends are one, and they are what the engine itself gives.

use rustls::ConnectionTrafficSecrets;

use super::*;
use crate::credentials::slot::DirectionKeys;
use crate::record::{ContentType, KeyMaterial, Opener, Protection, Sealer};

fn record(key: &KeyMaterial, seq: u64) -> Vec<u8> {
    let mut sealer = Sealer::new(key, seq).unwrap();
    let mut record = vec![0; sealer.record_len(5)];
    sealer.seal_copy(ContentType::APPLICATION_DATA, b"hello", &mut record).unwrap();
    record
}

fn opens(key: &KeyMaterial, seq: u64, record: &[u8]) -> bool {
    Opener::new(key, seq).unwrap().open(&mut record.to_vec()).is_ok()
}

fn as_material(suite: CipherSuite, secrets: &ConnectionTrafficSecrets) -> KeyMaterial {
    let is_tls13 = suite.protocol() == Protocols::TLS1_3;
    let (protection, key, iv) = match (secrets, is_tls13) {
        (ConnectionTrafficSecrets::Aes128Gcm { key, iv }, true) => (Protection::Tls13Aes128Gcm, key, iv),
        (ConnectionTrafficSecrets::Aes128Gcm { key, iv }, false) => (Protection::Tls12Aes128Gcm, key, iv),
        (ConnectionTrafficSecrets::Aes256Gcm { key, iv }, true) => (Protection::Tls13Aes256Gcm, key, iv),
        (ConnectionTrafficSecrets::Aes256Gcm { key, iv }, false) => (Protection::Tls12Aes256Gcm, key, iv),
        (ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv }, true) => {
            (Protection::Tls13ChaCha20Poly1305, key, iv)
        }
        (ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv }, false) => {
            (Protection::Tls12ChaCha20Poly1305, key, iv)
        }
        _ => panic!("no suite of ours"),
    };
    KeyMaterial::new(protection, key.as_ref(), iv.as_ref().try_into().unwrap()).unwrap()
}

#[test]
fn the_keys_of_both_ends_are_one_and_the_engines() {
    let authority = Authority::new("Root");
    for &suite in CipherSuite::ALL {
        let key = if suite.name().contains("RSA") {
            KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap()
        } else {
            KeyPair::generate().unwrap()
        };
        let chain = vec![authority.certificate(&key, &["a.example"], |_| ())];
        let identity = Identity::from_der(chain, &key.serialize_der()).unwrap();
        let server = InboundCredentials::builder().identity(identity).cipher_suites(&[suite]);
        let server = server.acquire().unwrap();
        let client = OutboundCredentials::builder().trust(authority.trust()).acquire().unwrap();
        for resumed in [false, true] {
            let outcome = connect(&client, &server, "a.example").succeeded();
            assert_eq!(outcome.resumed(), resumed, "{suite}");
            let (ours, theirs) = (&outcome.client_slot.secrets, &outcome.server_slot.secrets);
            let is_tls13 = suite.protocol() == Protocols::TLS1_3;
            for (write, read) in
                [(&ours.keys.write, &theirs.keys.read), (&theirs.keys.write, &ours.keys.read)]
            {
                let pairs = |of: fn(&DirectionKeys) -> &Option<KeyMaterial>| (of(write), of(read));
                match pairs(|keys| &keys.former) {
                    (Some(write), Some(read)) if is_tls13 => {
                        assert!(opens(read, 3, &record(write, 3)), "{suite}");
                    }
                    (None, None) if !is_tls13 => {}
                    _ => panic!("{suite}"),
                }
                let (Some(write), Some(read)) = pairs(|keys| &keys.current) else { panic!("{suite}") };
                assert!(opens(read, 7, &record(write, 7)), "{suite}");
                assert!(!opens(read, 8, &record(write, 7)), "{suite}");
            }
            assert_eq!(ours.keys.write.records, theirs.keys.read.records, "{suite}");
            assert_eq!(theirs.keys.write.records, ours.keys.read.records, "{suite}");
            assert_eq!(ours.first_verify_data, theirs.first_verify_data, "{suite}");
            assert_eq!(ours.first_verify_data.is_some(), !is_tls13, "{suite}");

            let engines = outcome.client_connection.dangerous_extract_secrets().unwrap();
            for ((seq, secrets), keys) in [(&engines.tx, &ours.keys.write), (&engines.rx, &ours.keys.read)] {
                assert_eq!(*seq, keys.records, "{suite}");
                // The nonce base, too: that of reading in TLS 1.2 is the peer's to choose, of which the record tells.
                let reads_tls12 = !is_tls13 && std::ptr::eq(keys, &ours.keys.read);
                let engines = record(&as_material(suite, secrets), *seq);
                let noted = record(keys.current.as_ref().unwrap(), *seq);
                let gcm = !suite.name().contains("CHACHA");
                assert_eq!(engines == noted, !(reads_tls12 && gcm), "{suite}");
                assert!(opens(keys.current.as_ref().unwrap(), *seq, &engines), "{suite}");
            }
        }
    }
}

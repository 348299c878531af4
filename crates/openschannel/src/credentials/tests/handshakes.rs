//! What the callbacks do in real handshakes: selection, foreign keys and verifiers, client certificates, secrets.

use std::sync::{Arc, Mutex};

use rcgen::KeyPair;
use rustls::PeerIncompatible;

use super::*;
use crate::alert::AlertDescription;
use crate::credentials::signing::SoftwareKey;
use crate::status::{Error, ErrorStatus};

/// A key that lives somewhere else: counts its signatures, and may refuse.
#[derive(Debug)]
struct ForeignKey {
    inner: SoftwareKey,
    signatures: Mutex<Vec<SignatureScheme>>,
    refuses: bool,
    knows_nothing: bool,
}

impl ForeignKey {
    fn new(key: &KeyPair, refuses: bool) -> Arc<Self> {
        let der = rustls_pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        Arc::new(Self {
            inner: SoftwareKey::load(&der).unwrap(),
            signatures: Mutex::default(),
            refuses,
            knows_nothing: false,
        })
    }
}

impl PrivateKey for ForeignKey {
    fn algorithm(&self) -> KeyAlgorithm {
        self.inner.algorithm()
    }

    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<SignatureScheme> {
        self.inner.choose_scheme(offered).filter(|_| !self.knows_nothing)
    }

    fn sign(&self, scheme: SignatureScheme, message: &[u8]) -> Result<Vec<u8>, Error> {
        if self.refuses {
            return Err(Error::new(ErrorStatus::LogonDenied).because("the token is locked"));
        }
        self.signatures.lock().unwrap().push(scheme);
        self.inner.sign(scheme, message)
    }
}

#[test]
fn a_foreign_key_signs_for_server_and_client() {
    let authority = Authority::new("Root");
    let key = KeyPair::generate().unwrap();
    let foreign = ForeignKey::new(&key, false);
    let chain = vec![authority.certificate(&key, &["a.example"], |_| ())];
    let identity = Identity::new(chain.clone(), foreign.clone()).unwrap();
    for version in [Protocols::TLS1_2, Protocols::TLS1_3] {
        let server = InboundCredentials::builder().identity(identity.clone()).trust(authority.trust());
        let server = server.client_auth(ClientAuth::Require).acquire().unwrap();
        let client = OutboundCredentials::builder().identity(identity.clone()).trust(authority.trust());
        let client = client.protocols(version).acquire().unwrap();
        let outcome = connect(&client, &server, "a.example").succeeded();
        assert_eq!(outcome.server_slot.peer_chain, chain);
        assert_eq!(outcome.server_slot.validation, Some(Ok(())));
        assert!(outcome.client_slot.local_key.is_some() && outcome.server_slot.local_key.is_some());
    }
    assert_eq!(*foreign.signatures.lock().unwrap(), [SignatureScheme::ECDSA_SECP256R1_SHA256; 4]);
}

#[test]
fn a_key_that_refuses_says_why() {
    let authority = Authority::new("Root");
    let key = KeyPair::generate().unwrap();
    let chain = vec![authority.certificate(&key, &["a.example"], |_| ())];
    let locked = Identity::new(chain, ForeignKey::new(&key, true)).unwrap();
    let server = InboundCredentials::builder().identity(locked).acquire().unwrap();
    let client = OutboundCredentials::builder().trust(authority.trust()).acquire().unwrap();
    let outcome = connect(&client, &server, "a.example");
    assert!(outcome.server.is_err());
    let error = outcome.server_slot.key_error.unwrap();
    assert_eq!((error.status(), error.reason()), (ErrorStatus::LogonDenied, "the token is locked"));
}

#[test]
fn a_client_key_that_knows_none_of_the_schemes_is_as_good_as_none() {
    let authority = Authority::new("Root");
    let key = KeyPair::generate().unwrap();
    let mut useless = Arc::into_inner(ForeignKey::new(&key, false)).unwrap();
    useless.knows_nothing = true;
    let identity =
        Identity::new(vec![authority.certificate(&key, &["client"], |_| ())], Arc::new(useless)).unwrap();
    let client =
        OutboundCredentials::builder().trust(authority.trust()).identity(identity).acquire().unwrap();
    let server = InboundCredentials::builder().identity(authority.identity(&["a.example"]));
    let server = server.client_auth(ClientAuth::Request).acquire().unwrap();
    let outcome = connect(&client, &server, "a.example").succeeded();
    assert!(outcome.client_slot.local_key.is_none() && outcome.server_slot.peer_chain.is_empty());
}

#[test]
fn possession_is_proven_even_under_manual_validation() {
    let authority = Authority::new("Root");
    let (own, other) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let chain = vec![authority.certificate(&own, &["a.example"], |_| ())];
    // Without a public half to compare nothing is noticed before the peer looks.
    let stolen = Identity::new(chain, ForeignKey::new(&other, false)).unwrap();
    for version in [Protocols::TLS1_2, Protocols::TLS1_3] {
        let server = InboundCredentials::builder().identity(stolen.clone()).acquire().unwrap();
        let manual = OutboundCredentials::builder().validation(Validation::Manual).protocols(version);
        let outcome = connect(&manual.acquire().unwrap(), &server, "a.example");
        assert!(outcome.client.is_err());
        assert_eq!(alert_of(&outcome.server), 51, "decrypt_error");

        let server = InboundCredentials::builder().identity(authority.identity(&["a.example"]));
        let server =
            server.client_auth(ClientAuth::Require).validation(Validation::Manual).acquire().unwrap();
        let client = OutboundCredentials::builder().identity(stolen.clone()).trust(authority.trust());
        assert!(connect(&client.protocols(version).acquire().unwrap(), &server, "a.example").server.is_err());
    }
}

/// Role, name, number of intermediates, flags.
type Question = (PeerRole, Option<String>, usize, VerifyFlags);

/// Remembers what it was asked.
#[derive(Debug, Default)]
struct ForeignVerifier {
    seen: Mutex<Vec<Question>>,
    alert: Option<AlertDescription>,
}

impl PeerVerifier for ForeignVerifier {
    fn verify(&self, peer: &PeerChain<'_>) -> Result<(), Rejection> {
        let name = peer.name.map(str::to_owned);
        self.seen.lock().unwrap().push((peer.role, name, peer.intermediates.len(), peer.flags));
        match self.alert {
            Some(alert) => Err(Rejection::new(ErrorStatus::LogonDenied).with_alert(alert)),
            None => Ok(()),
        }
    }

    fn root_hints(&self) -> Vec<Vec<u8>> {
        vec![vec![0x30, 0]]
    }
}

#[test]
fn a_foreign_verifier_judges_both_roles() {
    let (server_ca, client_ca) = (Authority::new("Servers"), Authority::new("Clients"));
    let (for_server, for_client) =
        (Arc::new(ForeignVerifier::default()), Arc::new(ForeignVerifier::default()));
    let server = InboundCredentials::builder().identity(server_ca.identity(&["a.example"]));
    let server =
        server.client_auth(ClientAuth::Request).trust(Trust::Custom(for_server.clone())).acquire().unwrap();
    let flags = VerifyFlags::REVOCATION_CHECK_CHAIN;
    let client = OutboundCredentials::builder().identity(client_ca.identity(&["client"])).verify_flags(flags);
    let client = client.trust(Trust::Custom(for_client.clone())).acquire().unwrap();
    let outcome = connect(&client, &server, "a.example").succeeded();
    assert_eq!(outcome.client_slot.issuers, [[0x30, 0]]);
    assert_eq!(*for_client.seen.lock().unwrap(), [(PeerRole::Server, Some("a.example".into()), 0, flags)]);
    assert_eq!(*for_server.seen.lock().unwrap(), [(PeerRole::Client, None, 0, VerifyFlags::empty())]);
}

#[test]
fn a_foreign_alert_is_in_the_slot() {
    let verifier = ForeignVerifier { alert: Some(AlertDescription::ACCESS_DENIED), ..Default::default() };
    let server = InboundCredentials::builder().identity(Authority::new("Root").identity(&["a.example"]));
    let client = OutboundCredentials::builder().trust(Trust::Custom(Arc::new(verifier))).acquire().unwrap();
    let outcome = connect(&client, &server.acquire().unwrap(), "a.example");
    let rejection = outcome.client_slot.rejection.unwrap();
    assert_eq!(
        (rejection.status, rejection.alert),
        (ErrorStatus::LogonDenied, AlertDescription::ACCESS_DENIED)
    );
}

#[test]
fn clients_are_asked_as_the_credential_or_the_context_says() {
    let authority = Authority::new("Root");
    let server = |client_auth| {
        let server = InboundCredentials::builder().identity(authority.identity(&["a.example"]));
        server.client_auth(client_auth).trust(authority.trust()).acquire().unwrap()
    };
    let override_with = |client_auth| ConnectionSlot { client_auth, ..ConnectionSlot::default() };
    for version in [Protocols::TLS1_2, Protocols::TLS1_3] {
        let client = OutboundCredentials::builder().trust(authority.trust()).protocols(version);
        let anonymous = client.clone().acquire().unwrap();
        let named = client.clone().identity(authority.identity(&["client"])).acquire().unwrap();
        let stranger = client.identity(Authority::new("Other").identity(&["client"])).acquire().unwrap();
        for (credential, context) in [
            (ClientAuth::None, None),
            (ClientAuth::Request, None),
            (ClientAuth::Require, None),
            (ClientAuth::None, Some(ClientAuth::Request)),
            (ClientAuth::None, Some(ClientAuth::Require)),
            (ClientAuth::Require, Some(ClientAuth::None)),
            (ClientAuth::Require, Some(ClientAuth::Request)),
        ] {
            let server = server(credential);
            let asked = context.unwrap_or(credential);
            let meet = |client: &OutboundCredentials| {
                connect_with(client, &server, "a.example", slot_of(client), override_with(context))
            };
            let about = format!("{version:?} {credential:?} {context:?}");
            let outcome = meet(&named).succeeded();
            assert_eq!(outcome.server_slot.peer_chain.is_empty(), asked == ClientAuth::None, "{about}");
            assert_eq!(outcome.client_slot.issuers.is_empty(), asked == ClientAuth::None, "{about}");
            let outcome = meet(&anonymous);
            assert_eq!(outcome.server.is_ok(), asked != ClientAuth::Require, "{about}");
            if asked == ClientAuth::Require {
                assert_eq!(alert_of(&outcome.client), 116, "{about}");
            } else {
                assert!(outcome.server_slot.peer_chain.is_empty() && outcome.client_slot.local_key.is_none());
            }
            let outcome = meet(&stranger);
            assert_eq!(outcome.server.is_ok(), asked == ClientAuth::None, "{about}");
            if asked != ClientAuth::None {
                assert_eq!(alert_of(&outcome.client), 48, "{about}");
                let status = outcome.server_slot.rejection.map(|rejection| rejection.status);
                assert_eq!(status, Some(ErrorStatus::UntrustedRoot));
            }
        }
    }
}

#[test]
fn the_context_presents_its_own_certificate() {
    let authority = Authority::new("Root");
    let server = InboundCredentials::builder().identity(authority.identity(&["a.example"]));
    let server = server.client_auth(ClientAuth::Request).trust(authority.trust()).acquire().unwrap();
    let client = OutboundCredentials::builder().trust(authority.trust()).acquire().unwrap();
    let other = authority.identity(&["client"]);
    let slot = ConnectionSlot { client_key: Some(other.certified().clone()), ..ConnectionSlot::default() };
    let outcome = connect_with(&client, &server, "a.example", slot, ConnectionSlot::default()).succeeded();
    assert_eq!(outcome.server_slot.peer_chain, [leaf(&other)]);
    assert!(outcome.client_slot.peer_signature_schemes.contains(&SignatureScheme::ED25519.0));
}

#[test]
fn long_lists_of_authorities_are_left_out() {
    #[derive(Debug)]
    struct Verbose(usize);
    impl PeerVerifier for Verbose {
        fn verify(&self, _: &PeerChain<'_>) -> Result<(), Rejection> {
            Ok(())
        }

        fn root_hints(&self) -> Vec<Vec<u8>> {
            vec![vec![0x30; 128]; self.0]
        }
    }
    let authority = Authority::new("Root");
    let client = OutboundCredentials::builder().trust(authority.trust()).acquire().unwrap();
    for (count, sent) in [(96, 96), (97, 0)] {
        let server = InboundCredentials::builder().identity(authority.identity(&["a.example"]));
        let server = server.client_auth(ClientAuth::Request).trust(Trust::Custom(Arc::new(Verbose(count))));
        let outcome = connect(&client, &server.acquire().unwrap(), "a.example").succeeded();
        assert_eq!(outcome.client_slot.issuers.len(), sent);
    }
}

#[test]
fn a_server_chooses_by_key_then_by_name() {
    let authority = Authority::new("Root");
    let ec = |name| authority.identity_with(&rcgen::PKCS_ECDSA_P256_SHA256, &[name], |_| ());
    let rsa = |name| {
        let key = KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap();
        Identity::from_der(vec![authority.certificate(&key, &[name], |_| ())], &key.serialize_der()).unwrap()
    };
    let identities = [ec("a.example"), ec("*.b.example"), rsa("a.example"), rsa("c.example")];
    let server =
        identities.iter().cloned().fold(InboundCredentials::builder(), |b, identity| b.identity(identity));
    let server = server.acquire().unwrap();
    assert_eq!(server.identities().len(), 4);
    let client = OutboundCredentials::builder().trust(authority.trust()).server_name_check(false);
    let ec_only = [CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256];
    let rsa_only = [CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256];
    for (suites, name, expected) in [
        (&[CipherSuite::TLS_AES_128_GCM_SHA256], "a.example", 0),
        (&[CipherSuite::TLS_AES_128_GCM_SHA256], "x.b.example", 1),
        (&[CipherSuite::TLS_AES_128_GCM_SHA256], "c.example", 3),
        (&[CipherSuite::TLS_AES_128_GCM_SHA256], "unknown.example", 0),
        (&[CipherSuite::TLS_AES_128_GCM_SHA256], "192.0.2.1", 0),
        (&ec_only, "c.example", 0),
        (&ec_only, "x.b.example", 1),
        (&rsa_only, "a.example", 2),
        (&rsa_only, "x.b.example", 2),
        (&rsa_only, "c.example", 3),
    ] {
        let client = client.clone().cipher_suites(suites).acquire().unwrap();
        let outcome = connect(&client, &server, name).succeeded();
        assert_eq!(outcome.client_slot.peer_chain, [leaf(&identities[expected])], "{suites:?} {name}");
        let sni = (!name.starts_with('1')).then_some(name);
        assert_eq!(outcome.server_slot.server_name.as_deref(), sni);
        let used = outcome.server_slot.local_key.unwrap();
        assert!(Arc::ptr_eq(&used, identities[expected].certified()));
        assert!(!outcome.server_slot.no_certificate);
    }
}

#[test]
fn a_server_without_a_fitting_certificate_sends_handshake_failure() {
    let authority = Authority::new("Root");
    let server =
        InboundCredentials::builder().identity(authority.identity(&["a.example"])).acquire().unwrap();
    let rsa_only = [CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256];
    let client = OutboundCredentials::builder().cipher_suites(&rsa_only).acquire().unwrap();
    let outcome = connect(&client, &server, "a.example");
    assert!(matches!(
        outcome.server,
        Err(rustls::Error::PeerIncompatible(PeerIncompatible::NoCipherSuitesInCommon))
    ));
    assert_eq!(alert_of(&outcome.client), 40);
    assert!(!outcome.server_slot.no_certificate);
}

#[test]
fn a_server_without_any_certificate_says_so_in_the_slot() {
    let server = InboundCredentials::builder().acquire().unwrap();
    assert!(server.identities().is_empty());
    let client = OutboundCredentials::builder().acquire().unwrap();
    let outcome = connect(&client, &server, "a.example");
    assert!(outcome.server.is_err() && outcome.server_slot.no_certificate);
}

#[test]
fn secrets_of_both_ends_agree_and_reach_the_users_log() {
    #[derive(Debug, Default)]
    struct Lines(Mutex<Vec<(String, Vec<u8>)>>);
    impl KeyLog for Lines {
        fn log(&self, label: &str, _: &[u8], secret: &[u8]) {
            self.0.lock().unwrap().push((label.into(), secret.into()));
        }
    }
    let authority = Authority::new("Root");
    let server =
        InboundCredentials::builder().identity(authority.identity(&["a.example"])).acquire().unwrap();
    for version in [Protocols::TLS1_2, Protocols::TLS1_3] {
        let log = Arc::new(Lines::default());
        let client =
            OutboundCredentials::builder().trust(authority.trust()).protocols(version).key_log(log.clone());
        let outcome = connect(&client.acquire().unwrap(), &server, "a.example").succeeded();
        let (ours, theirs) = (outcome.client_slot.secrets, outcome.server_slot.secrets);
        assert_eq!(ours.client_random, theirs.client_random);
        assert_eq!(ours.master, theirs.master);
        assert_eq!(ours.exporter, theirs.exporter);
        assert_eq!(
            (ours.client_traffic, ours.server_traffic),
            (theirs.client_traffic, theirs.server_traffic)
        );
        let is_tls12 = version == Protocols::TLS1_2;
        assert_eq!((ours.master.is_some(), ours.exporter.is_some()), (is_tls12, !is_tls12));
        let expected =
            if is_tls12 { ("CLIENT_RANDOM", ours.master) } else { ("EXPORTER_SECRET", ours.exporter) };
        let logged = log.0.lock().unwrap();
        let secret = logged.iter().find(|(label, _)| label == expected.0).map(|(_, secret)| secret);
        assert_eq!(secret, expected.1.as_deref());
    }
}

#[test]
fn the_key_log_file_is_in_nss_format_and_for_its_owner_only() {
    let path = std::env::temp_dir().join(format!("openschannel-keylog-{}", std::process::id()));
    std::fs::write(&path, "# kept\n").unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    }
    let log = KeyLogFile::create(&path).unwrap();
    log.log("CLIENT_RANDOM", &[0x01, 0xAB], &[0xFF, 0x00]);
    log.log("EXPORTER_SECRET", &[2], &[3]);
    let text = std::fs::read_to_string(&path).unwrap();
    #[cfg(unix)]
    let mode = {
        use std::os::unix::fs::PermissionsExt;
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o777
    };
    std::fs::remove_file(&path).unwrap();
    assert_eq!(text, "# kept\nCLIENT_RANDOM 01ab ff00\nEXPORTER_SECRET 02 03\n");
    #[cfg(unix)]
    assert_eq!(mode, 0o600);

    let created = KeyLogFile::create(&path).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
    drop(created);
    std::fs::remove_file(&path).unwrap();
    assert!(KeyLogFile::create(std::env::temp_dir()).is_err());
}

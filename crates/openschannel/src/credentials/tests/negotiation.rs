//! Versions, suites, groups, ALPN: what is refused at acquisition and what is negotiated.

use std::slice::from_ref;
use std::sync::Arc;

use super::*;
use crate::status::{Error, ErrorStatus};

fn asked(protocols: Protocols) -> Result<Protocols, ErrorStatus> {
    let client = OutboundCredentials::builder().protocols(protocols).acquire().map(|c| c.protocols());
    let server = InboundCredentials::builder().protocols(protocols).acquire().map(|s| s.protocols());
    assert_eq!(client, server);
    client.map_err(|error| error.status())
}

#[test]
fn versions_out_of_reach_are_ignored_beside_others_and_refused_alone() {
    let mismatch = Err(ErrorStatus::AlgorithmMismatch);
    assert_eq!(asked(Protocols::empty()), Ok(Protocols::SUPPORTED));
    assert_eq!(asked(Protocols::TLS1_2), Ok(Protocols::TLS1_2));
    assert_eq!(asked(Protocols::TLS1_3 | Protocols::TLS1_0), Ok(Protocols::TLS1_3));
    let old = [Protocols::SSL3, Protocols::TLS1_0, Protocols::TLS1_1, Protocols::DTLS1_0, Protocols::DTLS1_2];
    for protocol in old {
        assert_eq!(asked(protocol), mismatch, "{protocol:?}");
    }
    assert_eq!(asked(Protocols::TLS1_3 | Protocols::DTLS1_2), mismatch);
    assert_eq!(asked(Protocols::from_bits_retain(1 << 30)), mismatch);
}

#[test]
fn suites_and_groups_out_of_reach_are_ignored_beside_others_and_refused_alone() {
    let with = |protocols, suites: &[u16], groups: &[u16]| -> Result<_, Error> {
        let suites = suites.iter().copied();
        let builder = OutboundCredentials::builder().protocols(protocols).cipher_suite_ids(suites);
        let credentials = builder.group_ids(groups.iter().copied()).acquire()?;
        Ok((credentials.protocols(), credentials.cipher_suites().to_vec(), credentials.groups().to_vec()))
    };
    let both = Protocols::empty();
    let (aes, cbc, x25519) = (0x1301, 0xc024, 0x001d);
    let settled = with(both, &[cbc, aes, aes, 0xc02f], &[0x0019, x25519]).unwrap();
    let suites =
        vec![CipherSuite::TLS_AES_128_GCM_SHA256, CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256];
    assert_eq!(settled, (Protocols::SUPPORTED, suites, vec![NamedGroup::X25519]));
    assert_eq!(with(both, &[aes], &[x25519]).unwrap().0, Protocols::TLS1_3);
    assert_eq!(with(both, &[0xc02f], &[x25519]).unwrap().0, Protocols::TLS1_2);
    assert_eq!(with(both, &[aes, 0xc02f], &[0x11ec]).unwrap().0, Protocols::TLS1_3, "TLS 1.2 has no ML-KEM");
    let only = with(Protocols::TLS1_3, &[aes, 0xc02f], &[x25519]).unwrap().1;
    assert_eq!(only, [CipherSuite::TLS_AES_128_GCM_SHA256], "what cannot be negotiated is not listed");
    for (protocols, suites, groups) in [
        (both, &[cbc][..], &[x25519][..]),
        (both, &[], &[x25519]),
        (both, &[aes], &[0x0019]),
        (both, &[aes], &[]),
        (Protocols::TLS1_2, &[aes], &[x25519]),
        (Protocols::TLS1_3, &[0xc02f], &[x25519]),
        (Protocols::TLS1_2, &[0xc02f], &[0x11ec]),
    ] {
        let status = with(protocols, suites, groups).map_err(|error| error.status());
        assert_eq!(
            status.unwrap_err(),
            ErrorStatus::AlgorithmMismatch,
            "{protocols:?} {suites:x?} {groups:x?}"
        );
    }
}

#[test]
fn names_and_numbers_of_suites_and_groups() {
    assert_eq!(CipherSuite::ALL.len(), 9);
    for suite in CipherSuite::ALL {
        assert_eq!(CipherSuite::from_id(suite.id()), Some(*suite));
        assert_eq!(CipherSuite::from_name(&suite.name().to_lowercase()), Some(*suite));
        let protocol = if suite.id() >> 8 == 0x13 { Protocols::TLS1_3 } else { Protocols::TLS1_2 };
        assert_eq!(suite.protocol(), protocol);
    }
    assert_eq!(CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384.id(), 0xc030);
    assert_eq!(CipherSuite::TLS_AES_256_GCM_SHA384.to_string(), "TLS_AES_256_GCM_SHA384");
    assert_eq!((CipherSuite::from_name("AES"), CipherSuite::from_id(0)), (None, None));
    for group in NamedGroup::ALL {
        assert_eq!(NamedGroup::from_id(group.id()), Some(*group));
        assert_eq!(NamedGroup::from_name(group.name()), Some(*group));
        assert_eq!(NamedGroup::from_engine(group.to_engine()), Some(*group));
    }
    assert_eq!(NamedGroup::DEFAULT[0], NamedGroup::X25519MLKEM768);
    assert_eq!((NamedGroup::X25519.bits(), NamedGroup::SECP384R1.bits()), (255, 384));
    assert_eq!(Protocols::default(), Protocols::SUPPORTED);
}

#[test]
fn every_suite_and_group_can_be_negotiated() {
    let authority = Authority::new("Root");
    let rsa = KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap();
    let chain = vec![authority.certificate(&rsa, &["a.example"], |_| ())];
    let rsa = Identity::from_der(chain, &rsa.serialize_der()).unwrap();
    let server = InboundCredentials::builder().identity(authority.identity(&["a.example"])).identity(rsa);
    let server = server.groups(NamedGroup::ALL).acquire().unwrap();
    let client = OutboundCredentials::builder().trust(authority.trust());
    for suite in CipherSuite::ALL {
        let client = client.clone().cipher_suites(&[*suite]).acquire().unwrap();
        let outcome = connect(&client, &server, "a.example").succeeded();
        let negotiated = outcome.client_connection.negotiated_cipher_suite().unwrap();
        assert_eq!(u16::from(negotiated.suite()), suite.id());
    }
    for group in NamedGroup::ALL {
        let client = client.clone().groups(&[*group]).acquire().unwrap();
        let outcome = connect(&client, &server, "a.example").succeeded();
        let negotiated = outcome.client_connection.negotiated_key_exchange_group().unwrap();
        assert_eq!(u16::from(negotiated.name()), group.id());
    }
}

#[test]
fn the_server_prefers_its_own_order() {
    let authority = Authority::new("Root");
    let order = [CipherSuite::TLS_CHACHA20_POLY1305_SHA256, CipherSuite::TLS_AES_128_GCM_SHA256];
    let server =
        InboundCredentials::builder().identity(authority.identity(&["a.example"])).cipher_suites(&order);
    let reversed = [order[1], order[0]];
    let client =
        OutboundCredentials::builder().trust(authority.trust()).cipher_suites(&reversed).acquire().unwrap();
    let outcome = connect(&client, &server.acquire().unwrap(), "a.example").succeeded();
    let negotiated = outcome.client_connection.negotiated_cipher_suite().unwrap();
    assert_eq!(u16::from(negotiated.suite()), order[0].id());
}

#[test]
fn alpn_is_the_credentials_or_the_contexts() {
    let authority = Authority::new("Root");
    let ids = |ids: &[&str]| ids.iter().map(|id| id.as_bytes().to_vec()).collect::<Vec<_>>();
    let server = InboundCredentials::builder().identity(authority.identity(&["a.example"]));
    let server = server.alpn(ids(&["h2", "http/1.1"])).acquire().unwrap();
    let client = OutboundCredentials::builder().trust(authority.trust()).alpn(ids(&["http/1.1", "h2"]));
    let outcome = connect(&client.acquire().unwrap(), &server, "a.example").succeeded();
    assert_eq!(outcome.client_connection.alpn_protocol(), Some(&b"h2"[..]), "the server's order");
    let own = server.server_config(None);
    assert!(Arc::ptr_eq(&own, &server.server_config(None)));
    assert!(Arc::ptr_eq(&own, &server.server_config(Some(&ids(&["h2", "http/1.1"])))));
    let other = server.server_config(Some(&ids(&["imap"])));
    assert_eq!(other.alpn_protocols, ids(&["imap"]));
    assert!(Arc::ptr_eq(&own.session_storage, &other.session_storage), "and shares everything else");
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let invalid = |builder: OutboundBuilder| builder.acquire().unwrap_err().status();
    let builder = OutboundCredentials::builder;
    assert_eq!(invalid(builder().alpn(vec![vec![]])), ErrorStatus::InvalidParameter);
    assert_eq!(invalid(builder().alpn(vec![vec![b'x'; 256]])), ErrorStatus::InvalidParameter);
    assert_eq!(invalid(builder().alpn(vec![vec![b'x']; 17])), ErrorStatus::InvalidParameter);
    assert_eq!(invalid(builder().rekey_after(0)), ErrorStatus::InvalidParameter);
    assert!(builder().alpn(vec![vec![b'x'; 255]; 16]).rekey_after(1).acquire().is_ok());
    let identity = Authority::new("Root").identity(&["a.example"]);
    let crowd =
        |count| (0..count).fold(InboundCredentials::builder(), |b, _| b.identity(identity.clone())).acquire();
    assert!(crowd(100).is_ok());
    assert_eq!(crowd(101).unwrap_err().status(), ErrorStatus::InvalidParameter);
}

#[test]
fn handles_keep_what_contexts_are_to_do() {
    let one = OutboundCredentials::builder().post_handshake(PostHandshake::Compatible).rekey_after(7);
    let one = one.acquire().unwrap();
    assert_eq!((one.post_handshake(), one.rekey_after()), (PostHandshake::Compatible, Some(7)));
    assert!(one.alpn().is_empty());
    assert!(one.identity().is_none());
    let server = InboundCredentials::builder().client_auth(ClientAuth::Request).acquire().unwrap();
    assert_eq!((server.post_handshake(), server.rekey_after()), (PostHandshake::Quiet, None));
}

#[test]
fn signatures_are_what_both_sides_allow() {
    use crate::credentials::SignatureScheme as Scheme;
    let authority = Authority::new("Root");
    let server = |schemes: &[Scheme]| {
        let builder = InboundCredentials::builder().identity(authority.identity(&["a.example"]));
        builder.signature_schemes(schemes).acquire().unwrap()
    };
    let client = |version, schemes: &[Scheme]| {
        let builder = OutboundCredentials::builder().trust(authority.trust()).protocols(version);
        builder.signature_schemes(schemes).acquire().unwrap()
    };
    let (p256, p384) = (Scheme::ECDSA_SECP256R1_SHA256, Scheme::ECDSA_SECP384R1_SHA384);
    for version in [Protocols::TLS1_2, Protocols::TLS1_3] {
        let both = connect(&client(version, &[p384, p256]), &server(&[p256]), "a.example").succeeded();
        let told = &both.server_slot.peer_signature_schemes;
        assert!(
            told.contains(&p256.0) && told.iter().all(|scheme| [p256.0, p384.0].contains(scheme)),
            "{told:x?}"
        );
        // The key is P-256: neither may it sign with what the server denies it, nor with what the client did not offer.
        let unwilling = connect(
            &client(version, &[p384, p256]),
            &server(&[Scheme::RSA_PSS_RSAE_SHA256, p384]),
            "a.example",
        );
        assert!(unwilling.server.is_err(), "{version:?}");
    }
}

#[test]
fn signatures_decide_about_suites_and_versions() {
    use crate::credentials::SignatureScheme as Scheme;
    let with = |schemes: &[Scheme]| {
        let builder = OutboundCredentials::builder().signature_schemes(schemes);
        builder
            .acquire()
            .map(|client| (client.protocols(), client.cipher_suites().len()))
            .map_err(|e| e.status())
    };
    assert_eq!(with(&[Scheme::RSA_PKCS1_SHA256]), Ok((Protocols::TLS1_2, 3)));
    assert_eq!(with(&[Scheme::RSA_PSS_RSAE_SHA256]), Ok((Protocols::SUPPORTED, 6)));
    assert_eq!(with(&[Scheme::ED25519, Scheme(0x9999)]), Ok((Protocols::SUPPORTED, 6)));
    assert_eq!(with(&[Scheme::ED25519, Scheme::RSA_PKCS1_SHA512]), Ok((Protocols::SUPPORTED, 9)));
    for none in [&[][..], &[Scheme::RSA_PKCS1_SHA1, Scheme::ED448]] {
        assert_eq!(with(none), Err(ErrorStatus::AlgorithmMismatch));
    }
}

#[test]
fn tickets_under_shared_keys_resume_at_another_credential() {
    let authority = Authority::new("Root");
    let server = |keys: &[TicketKey]| {
        let server =
            InboundCredentials::builder().identity(authority.identity(&["a.example"])).acquire().unwrap();
        server.set_ticket_keys(keys).unwrap();
        server
    };
    let (one, two) = (TicketKey::new([1; 16], &[1; 64]).unwrap(), TicketKey::new([2; 16], &[2; 64]).unwrap());
    for version in [Protocols::TLS1_2, Protocols::TLS1_3] {
        let client =
            OutboundCredentials::builder().trust(authority.trust()).protocols(version).acquire().unwrap();
        let (old, new, foreign) =
            (server(from_ref(&one)), server(&[two.clone(), one.clone()]), server(from_ref(&two)));
        let resumed = |server| connect(&client, server, "a.example").succeeded().resumed();
        assert!(!resumed(&old));
        assert!(resumed(&new), "{version:?}");
        assert!(resumed(&foreign), "under the new key: {version:?}");
        assert!(!resumed(&old), "which the old server has not got: {version:?}");
    }
    assert_eq!(
        server(from_ref(&one)).set_ticket_keys(&[]).unwrap_err().status(),
        ErrorStatus::InvalidParameter
    );
}

/// A server's key that signs with P-256 whatever the client offered.
#[derive(Debug)]
struct Stubborn(Arc<dyn rustls::sign::SigningKey>);

impl rustls::sign::SigningKey for Stubborn {
    fn choose_scheme(&self, _: &[rustls::SignatureScheme]) -> Option<Box<dyn rustls::sign::Signer>> {
        self.0.choose_scheme(&[rustls::SignatureScheme::ECDSA_NISTP256_SHA256])
    }

    fn algorithm(&self) -> rustls::SignatureAlgorithm {
        self.0.algorithm()
    }
}

#[test]
fn a_signature_that_was_not_allowed_is_refused() {
    use crate::credentials::SignatureScheme as Scheme;
    let authority = Authority::new("Root");
    for (allowed, passes) in [(Scheme::ECDSA_SECP256R1_SHA256, true), (Scheme::ECDSA_SECP384R1_SHA384, false)]
    {
        let builder = OutboundCredentials::builder().trust(authority.trust()).protocols(Protocols::TLS1_3);
        let client = builder.signature_schemes(&[allowed]).acquire().unwrap();
        let mut key = rustls::sign::CertifiedKey::clone(authority.identity(&["a.example"]).certified());
        key.key = Arc::new(Stubborn(key.key));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config =
            rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let resolver = Arc::new(rustls::sign::SingleCertAndKey::from(key));
        let config = config.unwrap().with_no_client_auth().with_cert_resolver(resolver);

        let mut slot = Box::new(slot_of(&client));
        let name = ServerName::try_from("a.example").unwrap();
        let config_of_client = Arc::clone(client.client_config());
        let mut client = with_slot(&mut slot, || ClientConnection::new(config_of_client, name)).unwrap();
        let mut server = ServerConnection::new(Arc::new(config)).unwrap();
        let mut wire = Vec::new();
        client.write_tls(&mut wire).unwrap();
        server.read_tls(&mut &wire[..]).unwrap();
        server.process_new_packets().unwrap();
        wire.clear();
        while server.wants_write() {
            server.write_tls(&mut wire).unwrap();
        }
        client.read_tls(&mut &wire[..]).unwrap();
        let outcome = with_slot(&mut slot, || client.process_new_packets()).map(|_| ());
        let refusal = rustls::PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme;
        assert_eq!(outcome, if passes { Ok(()) } else { Err(refusal.into()) }, "{allowed:?}");
    }
}

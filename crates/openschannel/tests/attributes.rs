//! What is known of a finished handshake, and of the session it leaves (sections 6.3, 6.4, 7).
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod common;

use common::*;
use openschannel::credentials::{
    CipherSuite, InboundCredentials, NamedGroup, OutboundCredentials, Protocols,
};
use openschannel::status::ErrorStatus;
use openschannel::{ContextOptions, ControlToken, SecurityContext, TokenBuffer};

fn establish(outbound: &OutboundCredentials, inbound: &InboundCredentials) -> Pair {
    Pair::establish(outbound, inbound, &ContextOptions::default())
}

/// Section 7.
#[test]
fn a_finished_handshake_can_be_asked_about() {
    for suite in CipherSuite::ALL {
        let (outbound, inbound) = credentials_for(*suite);
        let options = ContextOptions {
            alpn: Some(vec![b"h2".to_vec(), b"http/1.1".to_vec()]),
            ..ContextOptions::default()
        };
        let pair = Pair::establish(&outbound, &inbound, &options);
        let (client, server) = (pair.client.attributes().unwrap(), pair.server.attributes().unwrap());
        for attributes in [client, server] {
            assert_eq!(attributes.cipher_suite(), *suite);
            assert_eq!(attributes.named_group(), Some(NamedGroup::X25519));
            assert_eq!(attributes.application_protocol(), Some(&b"h2"[..]));
            assert_eq!(attributes.cipher_info().cipher_suite, suite.id());
            assert_eq!(attributes.cipher_info().key_type, 0x1d);
            let info = attributes.connection_info();
            assert_eq!((info.hash_strength, info.exchange, info.exchange_strength), (0, 0xAE06, 255));
            assert_eq!(info.hash, if suite.name().ends_with("384") { 0x800D } else { 0x800C });
            let sizes = attributes.stream_sizes();
            let expected = match suite.name() {
                name if !name.contains("WITH") => (5, 44),
                name if name.contains("CHACHA20") => (5, 16),
                _ => (13, 16),
            };
            assert_eq!(
                (sizes.header, sizes.trailer, sizes.maximum_message, sizes.buffers),
                (expected.0, expected.1, 16384, 4)
            );
        }
        let tls13 = !suite.name().contains("WITH");
        let protocols = (client.connection_info().protocol, server.connection_info().protocol);
        assert_eq!(protocols, if tls13 { (0x2000, 0x1000) } else { (0x800, 0x400) });
        assert_eq!(server.server_name(), Some(NAME));
        assert_eq!(client.remote_certificates().unwrap(), server.local_certificates().unwrap());
        assert!(server.remote_certificates().is_err());
        assert!(client.expiry().is_some());
        assert!(!client.session_info().resumed);

        let exported = |attributes: &openschannel::attributes::Attributes, context| {
            let mut output = [0; 70];
            attributes.export_keying_material(b"EXPORTER-test", context, &mut output).unwrap();
            output
        };
        for context in [None, Some(&b""[..]), Some(&b"context"[..])] {
            assert_eq!(exported(client, context), exported(server, context), "{suite}");
        }
        assert_eq!(exported(client, None) == exported(client, Some(b"")), tls13, "RFC 5705 tells them apart");
        assert_ne!(exported(client, None), exported(client, Some(b"context")));
        assert_eq!(client.exporter_bindings().unwrap(), server.exporter_bindings().unwrap());
        let end_point = client.endpoint_bindings().unwrap();
        assert_eq!((end_point.clone(), end_point.len()), (server.endpoint_bindings().unwrap(), 21 + 32));
        if tls13 {
            assert_eq!(client.unique_bindings().unwrap_err().status(), ErrorStatus::UnsupportedFunction);
        } else {
            let unique = client.unique_bindings().unwrap();
            assert_eq!((unique.clone(), unique.len()), (server.unique_bindings().unwrap(), 11 + 12));
        }
    }
}

#[test]
fn tls_unique_of_a_resumed_session_is_the_servers_finished() {
    let (outbound, inbound) = credentials(Protocols::TLS1_2);
    establish(&outbound, &inbound);
    let pair = establish(&outbound, &inbound);
    assert!(pair.client.attributes().unwrap().session_info().resumed);
    let unique = pair.client.attributes().unwrap().unique_bindings().unwrap();
    assert_eq!(unique, pair.server.attributes().unwrap().unique_bindings().unwrap());
    assert!(pair.client.attributes().unwrap().named_group().is_none());
}

/// Section 6.3: SCHANNEL_SESSION on either side, before or behind the handshake's end.
#[test]
fn the_session_token_switches_resumption_off() {
    for version in VERSIONS {
        let resumes = |before: &dyn Fn(&mut Pair), after: &dyn Fn(&mut Pair)| {
            let (outbound, inbound) = credentials(version);
            let mut pair = Pair::begin(&outbound, &inbound, &ContextOptions::default());
            before(&mut pair);
            while !pair.client.is_established() || !pair.server.is_established() {
                if !pair.client.is_established() {
                    let written = deliver(&mut pair.client, &mut pair.to_client);
                    pair.to_server.extend(written);
                }
                if !pair.server.is_established() {
                    let written = deliver(&mut pair.server, &mut pair.to_server);
                    pair.to_client.extend(written);
                }
            }
            after(&mut pair);
            pair.settle();
            drop(pair);
            establish(&outbound, &inbound).client.attributes().unwrap().session_info().resumed
        };
        let nothing = |_: &mut Pair| {};
        let off = ControlToken::Session { reconnects: false };
        assert!(resumes(&nothing, &nothing), "{version:?}: on by default");
        assert!(!resumes(&|pair| pair.client.apply_control_token(off).unwrap(), &nothing), "{version:?}");
        assert!(!resumes(&nothing, &|pair| pair.client.apply_control_token(off).unwrap()), "{version:?}");
        assert!(!resumes(&|pair| pair.server.apply_control_token(off).unwrap(), &nothing), "{version:?}");
        assert!(!resumes(&nothing, &|pair| pair.server.apply_control_token(off).unwrap()), "{version:?}");
    }
}

#[test]
fn targets_are_names_or_addresses() {
    let (outbound, inbound) = credentials(Protocols::TLS1_3);
    let options = ContextOptions::default();
    for (target, status) in [("bad name", ErrorStatus::TargetUnknown), ("a..b", ErrorStatus::TargetUnknown)] {
        let error =
            SecurityContext::initialize(&outbound, Some(target), &options, &mut TokenBuffer::allocate())
                .unwrap_err();
        assert_eq!(error.status(), status, "{target}");
    }
    let (error, _) = refused_by_client(&outbound, &inbound, "127.0.0.1");
    assert_eq!(error.status(), ErrorStatus::WrongPrincipal);
    for (target, sni) in
        [(Some("server.test."), Some(NAME)), (Some("127.0.0.1"), None), (Some(""), None), (None, None)]
    {
        let options = ContextOptions { manual_validation: true, ..ContextOptions::default() };
        let mut output = TokenBuffer::allocate();
        let (client, _) = SecurityContext::initialize(&outbound, target, &options, &mut output).unwrap();
        let hello = output.into_vec();
        let mut output = TokenBuffer::allocate();
        let (server, _) = SecurityContext::accept(&inbound, &options, &hello, &mut output).unwrap();
        let mut pair = Pair { client, server, to_client: output.into_vec(), to_server: Vec::new() };
        pair.to_server = deliver(&mut pair.client, &mut pair.to_client);
        deliver(&mut pair.server, &mut pair.to_server);
        assert_eq!(pair.server.attributes().unwrap().server_name(), sni, "{target:?}");
    }
}

/// Section 7: SECPKG_ATTR_NEGOTIATED_TLS_EXTENSIONS. Both sides tell the same, also what a TLS 1.3 server answers under encryption.
#[test]
fn both_sides_know_the_extensions_they_use() {
    let (alpn_number, versions, key_share, pre_shared_key) = (16, 43, 51, 41);
    for protocols in VERSIONS {
        let (outbound, inbound) = credentials(protocols);
        let tls13 = protocols == Protocols::TLS1_3;
        for resumed in [false, true] {
            for alpn in [None, Some(vec![b"h2".to_vec()])] {
                let options = ContextOptions { alpn: alpn.clone(), ..ContextOptions::default() };
                let mut pair = Pair::establish(&outbound, &inbound, &options);
                pair.settle();
                let (client, server) = (pair.client.attributes().unwrap(), pair.server.attributes().unwrap());
                let used = client.negotiated_extensions();
                assert_eq!(used, server.negotiated_extensions());
                assert_eq!(used.contains(&alpn_number), alpn.is_some());
                assert_eq!((used.contains(&versions), used.contains(&key_share)), (tls13, tls13));
                if resumed {
                    assert_eq!(used.contains(&pre_shared_key), tls13);
                }
            }
        }
    }
}

/// RFC 5216 section 2.3, RFC 9190 section 2.3.
#[test]
fn both_sides_derive_the_same_eap_keys() {
    for protocols in VERSIONS {
        let pair = Pair::quiet(protocols);
        let (client, server) = (pair.client.attributes().unwrap(), pair.server.attributes().unwrap());
        let block = client.eap_key_block(b"client EAP encryption", 13).unwrap();
        assert_eq!(block, server.eap_key_block(b"client EAP encryption", 13).unwrap());
        assert_ne!(block.0, server.eap_key_block(b"ttls keying material", 21).unwrap().0);
        assert_eq!(block.1 == [0; 64], protocols == Protocols::TLS1_3);
        let other = Pair::quiet(protocols);
        let other = other.client.attributes().unwrap().eap_key_block(b"client EAP encryption", 13).unwrap();
        assert_ne!(block.0, other.0, "another connection");
    }
}

//! Every cipher suite of both versions with every classical group, both roles: ten megabytes each way, and the end from either
//! side.

use openschannel::Role;
use openschannel::credentials::{CipherSuite, NamedGroup, Protocols};
use openschannel_interop::certificates::Certificates;
use openschannel_interop::scripted::OPENSSL;

use super::conversations::{Conversation, First};

/// OpenSSL's names for the TLS 1.2 suites; for those of TLS 1.3 it has the RFC's.
const SUITES: [(CipherSuite, &str); 9] = [
    (CipherSuite::TLS_AES_256_GCM_SHA384, "TLS_AES_256_GCM_SHA384"),
    (CipherSuite::TLS_AES_128_GCM_SHA256, "TLS_AES_128_GCM_SHA256"),
    (CipherSuite::TLS_CHACHA20_POLY1305_SHA256, "TLS_CHACHA20_POLY1305_SHA256"),
    (CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, "ECDHE-ECDSA-AES256-GCM-SHA384"),
    (CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, "ECDHE-ECDSA-AES128-GCM-SHA256"),
    (CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, "ECDHE-ECDSA-CHACHA20-POLY1305"),
    (CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, "ECDHE-RSA-AES256-GCM-SHA384"),
    (CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, "ECDHE-RSA-AES128-GCM-SHA256"),
    (CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, "ECDHE-RSA-CHACHA20-POLY1305"),
];

/// With OpenSSL's names for them where it takes a list, and where it reports one.
const GROUPS: [(NamedGroup, &str, &str); 3] = [
    (NamedGroup::X25519, "X25519", "x25519"),
    (NamedGroup::SECP256R1, "P-256", "secp256r1"),
    (NamedGroup::SECP384R1, "P-384", "secp384r1"),
];

#[test]
fn the_table_of_suites_is_whole() {
    let listed: Vec<_> = SUITES.map(|(suite, _)| suite.id()).into();
    for suite in CipherSuite::ALL {
        assert!(listed.contains(&suite.id()), "{suite}");
    }
    assert_eq!(listed.len(), CipherSuite::ALL.len());
}

#[test]
#[ignore = "needs openssl"]
fn client_with_every_tls12_suite_and_group() {
    every_suite_and_group(Protocols::TLS1_2, Role::Client);
}

#[test]
#[ignore = "needs openssl"]
fn client_with_every_tls13_suite_and_group() {
    every_suite_and_group(Protocols::TLS1_3, Role::Client);
}

#[test]
#[ignore = "needs openssl"]
fn server_with_every_tls12_suite_and_group() {
    every_suite_and_group(Protocols::TLS1_2, Role::Server);
}

#[test]
#[ignore = "needs openssl"]
fn server_with_every_tls13_suite_and_group() {
    every_suite_and_group(Protocols::TLS1_3, Role::Server);
}

/// The client's first key share is of a group the server does not take: HelloRetryRequest, made by either side.
#[test]
#[ignore = "needs openssl"]
fn a_hello_retry_request_leads_to_the_common_group() {
    let certificates = Certificates::new();
    for role in [Role::Client, Role::Server] {
        let mut conversation = Conversation::new(&certificates, &OPENSSL, role);
        let client_groups = [NamedGroup::SECP384R1, NamedGroup::X25519];
        conversation.outbound = conversation.outbound.groups(&client_groups);
        conversation.inbound = conversation.inbound.groups(&[NamedGroup::X25519]);
        let peer_groups = if role == Role::Client { "groups=X25519" } else { "groups=P-384:X25519" };
        let conversation = conversation.peer([peer_groups.to_owned()]);
        let (connection, handshake) = conversation.exchange_and_close(First::Ours);
        assert_eq!(connection.attributes().named_group(), Some(NamedGroup::X25519));
        assert_eq!(handshake.value("group"), "x25519");
    }
}

fn every_suite_and_group(protocols: Protocols, role: Role) {
    let certificates = Certificates::new();
    let suites = SUITES.iter().filter(|(suite, _)| suite.protocol() == protocols);
    for ((suite, peer_suite), (group, peer_group, reported_group)) in
        suites.flat_map(|suite| GROUPS.iter().map(move |group| (suite, group)))
    {
        let mut conversation = Conversation::new(&certificates, &OPENSSL, role);
        // A TLS 1.2 client names the curve of the server's certificate among its groups too.
        let client_groups =
            if *group == NamedGroup::SECP256R1 { vec![*group] } else { vec![*group, NamedGroup::SECP256R1] };
        conversation.outbound = conversation.outbound.cipher_suites(&[*suite]).groups(&client_groups);
        conversation.inbound = conversation.inbound.cipher_suites(&[*suite]).groups(&[*group]);
        let peer_groups = match role {
            Role::Server if *group != NamedGroup::SECP256R1 => format!("groups={peer_group}:P-256"),
            _ => format!("groups={peer_group}"),
        };
        let (list, version) =
            if protocols == Protocols::TLS1_3 { ("suites", "1.3") } else { ("ciphers", "1.2") };
        let conversation = conversation.peer([
            format!("{list}={peer_suite}"),
            peer_groups,
            format!("min={version}"),
            format!("max={version}"),
        ]);
        for first in [First::Ours, First::Theirs] {
            let (connection, theirs) = conversation.exchange_and_close(first);
            let ours = connection.attributes();
            assert_eq!((ours.cipher_suite(), ours.named_group()), (*suite, Some(*group)));
            assert_eq!((theirs.value("cipher"), theirs.value("group")), (suite.name(), *reported_group));
        }
    }
}

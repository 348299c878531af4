//! Post-quantum key exchange, against the OpenSSL of Python's `cryptography` wheel (3.5 or later); and that OpenSSL's closing, which
//! is newer than the system's.

use openschannel::Role;
use openschannel::credentials::{NamedGroup, Protocols};
use openschannel_interop::certificates::Certificates;
use openschannel_interop::scripted::PYOPENSSL;

use super::conversations::{Conversation, First, ROLES, VERSIONS, our_ends, their_ends};

/// With OpenSSL's names.
const GROUPS: [(NamedGroup, &str); 4] = [
    (NamedGroup::X25519MLKEM768, "X25519MLKEM768"),
    (NamedGroup::SECP256R1MLKEM768, "SecP256r1MLKEM768"),
    (NamedGroup::MLKEM768, "MLKEM768"),
    (NamedGroup::MLKEM1024, "MLKEM1024"),
];

#[test]
#[ignore = "needs pyOpenSSL"]
fn every_post_quantum_group_in_both_roles() {
    let certificates = Certificates::new();
    for (group, name) in GROUPS {
        for role in ROLES {
            for first in [First::Ours, First::Theirs] {
                let mut conversation =
                    Conversation::new(&certificates, &PYOPENSSL, role).version(VERSIONS[1]);
                conversation.outbound = conversation.outbound.groups(&[group]);
                conversation.inbound = conversation.inbound.groups(&[group]);
                let conversation = conversation.peer([format!("groups={name}")]);
                let (connection, handshake) = conversation.exchange_and_close(first);
                assert_eq!(connection.attributes().named_group(), Some(group), "{role:?} {first:?}");
                assert!(handshake.value("group").eq_ignore_ascii_case(name), "{}", handshake.text());
            }
        }
    }
}

/// Neither side is told anything about groups.
#[test]
#[ignore = "needs pyOpenSSL"]
fn the_defaults_of_both_sides_meet_at_x25519mlkem768() {
    let certificates = Certificates::new();
    for role in ROLES {
        let (connection, _) =
            Conversation::new(&certificates, &PYOPENSSL, role).exchange_and_close(First::Ours);
        assert_eq!(connection.attributes().named_group(), Some(NamedGroup::X25519MLKEM768));
        assert_eq!(connection.attributes().protocol().wire_version(), 0x0304);
    }
}

/// A server without the client's first choice asks again: the large key share is replaced by a small one, and the other way round.
#[test]
#[ignore = "needs pyOpenSSL"]
fn a_hello_retry_request_changes_between_classical_and_post_quantum() {
    let certificates = Certificates::new();
    let (pq, classical) = (NamedGroup::X25519MLKEM768, NamedGroup::SECP384R1);
    for (wanted, other) in [(pq, classical), (classical, pq)] {
        let name = |group| if group == pq { "X25519MLKEM768" } else { "P-384" };
        // Our client, their server.
        let mut conversation =
            Conversation::new(&certificates, &PYOPENSSL, Role::Client).version(VERSIONS[1]);
        conversation.outbound = conversation.outbound.groups(&[other, wanted]);
        let conversation = conversation.peer([format!("groups={}", name(wanted))]);
        let (connection, _) = conversation.exchange_and_close(First::Ours);
        assert_eq!(connection.attributes().named_group(), Some(wanted));
        // Their client, our server.
        let mut conversation =
            Conversation::new(&certificates, &PYOPENSSL, Role::Server).version(VERSIONS[1]);
        conversation.inbound = conversation.inbound.groups(&[wanted]);
        let conversation = conversation.peer([format!("groups={}:{}", name(other), name(wanted))]);
        let (connection, _) = conversation.exchange_and_close(First::Ours);
        assert_eq!(connection.attributes().named_group(), Some(wanted));
    }
}

/// A post-quantum group has no meaning in TLS 1.2: the classical ones are used there.
#[test]
#[ignore = "needs pyOpenSSL"]
fn tls12_goes_on_with_classical_groups() {
    let certificates = Certificates::new();
    for role in ROLES {
        let conversation = Conversation::new(&certificates, &PYOPENSSL, role).version(VERSIONS[0]);
        let (connection, _) = conversation.exchange_and_close(First::Theirs);
        let group = connection.attributes().named_group().unwrap();
        assert_ne!(group, NamedGroup::X25519MLKEM768);
        assert_eq!(connection.attributes().cipher_suite().protocol(), Protocols::TLS1_2);
    }
}

#[test]
#[ignore = "needs pyOpenSSL"]
fn the_new_openssl_ends_as_the_old_one() {
    their_ends(&PYOPENSSL);
    our_ends(&PYOPENSSL, "eof");
}

//! Ends of all kinds, made by OpenSSL: the provider's verdict, and what OpenSSL finds at the ends made here. What the program
//! makes of them is in `program_closing`.

use openschannel::ReadEnd;
use openschannel::alert::AlertDescription;
use openschannel::status::ErrorStatus;
use openschannel_interop::certificates::Certificates;
use openschannel_interop::connection::Incoming;
use openschannel_interop::data::{random, sha256};
use openschannel_interop::scripted::OPENSSL;

use super::conversations::{Conversation, First, ROLES, SOME, VERSIONS, close, half_close, our_ends};

/// Has the peer end in both roles and both versions, each time on a connection that some data went over before.
fn with_every_role_and_version(peer_ends: &[&str], expected: ReadEnd) {
    let certificates = Certificates::new();
    let theirs = random(1, SOME);
    let send = format!("send:{}", certificates.write("theirs", &theirs));
    // Once it has read "go" nothing of ours is left unread: closing on top of that would be a reset.
    let steps: Vec<&str> =
        ["handshake", "recv:2", &send].into_iter().chain(peer_ends.iter().copied()).collect();
    for role in ROLES {
        for version in VERSIONS {
            let conversation = Conversation::new(&certificates, &OPENSSL, role).version(version);
            let (peer, mut connection) = conversation.open(&steps);
            connection.send(b"go");
            let everything = connection.receive_all();
            assert_eq!(everything.end, expected, "{role:?} {version:?}");
            assert_eq!((everything.bytes, everything.sha256), (SOME, sha256(&theirs)));
            let report = connection.report();
            assert_eq!((report.read_end, report.bytes_received), (expected, SOME as u64));
            assert!(report.handshake_complete && !report.close_sent);
            // The verdict stays, also when this side closes afterwards.
            assert_eq!(connection.receive(), Incoming::End(expected));
            peer.finish();
        }
    }
}

#[test]
#[ignore = "needs openssl"]
fn an_end_without_close_notify_is_truncated() {
    with_every_role_and_version(&["close"], ReadEnd::Truncated { inside_record: false });
}

#[test]
#[ignore = "needs openssl"]
fn an_end_inside_a_record_is_truncated_and_says_so() {
    with_every_role_and_version(&["cut:1", "close"], ReadEnd::Truncated { inside_record: true });
    with_every_role_and_version(&["cut:1000", "close"], ReadEnd::Truncated { inside_record: true });
}

#[test]
#[ignore = "needs openssl"]
fn an_end_inside_a_record_header_is_truncated_inside_it() {
    let certificates = Certificates::new();
    for version in VERSIONS {
        // A data record of 1000 bytes: 1022 in TLS 1.3, 1029 in TLS 1.2. Three bytes of it are sent.
        let cut = if version.0 == "1.3" { "cut:1019" } else { "cut:1026" };
        let conversation = Conversation::new(&certificates, &OPENSSL, openschannel::Role::Client)
            .version(version)
            .peer(["ciphers=ECDHE-ECDSA-AES128-GCM-SHA256".to_owned()]);
        let (mut peer, mut connection) = conversation.open(&["handshake", cut, "close"]);
        let everything = connection.receive_all();
        assert_eq!((everything.bytes, everything.end), (0, ReadEnd::Truncated { inside_record: true }));
        assert_eq!(peer.step("cut").value("bytes"), "3");
        peer.finish();
    }
}

/// A reset may overtake data that was not read yet; so this peer waits until it was.
#[test]
#[ignore = "needs openssl"]
fn a_reset_is_a_reset() {
    let certificates = Certificates::new();
    let theirs = random(1, SOME);
    let send = format!("send:{}", certificates.write("theirs", &theirs));
    for role in ROLES {
        for version in VERSIONS {
            let conversation = Conversation::new(&certificates, &OPENSSL, role).version(version);
            let (peer, mut connection) = conversation.open(&["handshake", &send, "recv:2", "reset"]);
            assert_eq!(connection.receive_exactly(SOME), sha256(&theirs));
            connection.send(b"go");
            assert_eq!(connection.receive(), Incoming::End(ReadEnd::Reset), "{role:?} {version:?}");
            assert_eq!(connection.report().read_end, ReadEnd::Reset);
            peer.finish();
        }
    }
}

/// close_notify came first: the end is clean, whatever becomes of the transport.
#[test]
#[ignore = "needs openssl"]
fn a_reset_behind_a_close_notify_changes_nothing() {
    let certificates = Certificates::new();
    for role in ROLES {
        for version in VERSIONS {
            let conversation = Conversation::new(&certificates, &OPENSSL, role).version(version);
            let (peer, mut connection) = conversation.open(&["handshake", "shutdown", "recv:2", "reset"]);
            assert_eq!(connection.receive(), Incoming::End(ReadEnd::Clean));
            connection.send(b"go");
            peer.finish();
            assert_eq!(connection.receive(), Incoming::End(ReadEnd::Clean));
            connection.shut_down();
            let report = connection.report();
            assert_eq!((report.read_end, report.close_sent), (ReadEnd::Clean, true));
        }
    }
}

/// OpenSSL finds a record changed on the way and ends the connection with bad_record_mac.
#[test]
#[ignore = "needs openssl"]
fn a_fatal_alert_ends_the_connection_and_is_named() {
    let certificates = Certificates::new();
    for role in ROLES {
        for version in VERSIONS {
            let conversation = Conversation::new(&certificates, &OPENSSL, role).version(version);
            let (mut peer, mut connection) = conversation.open(&["handshake", "spoil", "fin"]);
            connection.send(b"changed on the way");
            assert_eq!(
                connection.receive(),
                Incoming::End(ReadEnd::Alert(AlertDescription::BAD_RECORD_MAC)),
                "{role:?} {version:?}"
            );
            assert!(peer.step("spoilt").value("end").starts_with("error:"));
            // A connection that a fatal alert has ended takes no close_notify any more (section 4.4 #19).
            assert!(connection.shut_down().is_empty());
            assert!(!connection.report().close_sent);
            peer.finish();
        }
    }
}

/// In TLS 1.3 the client's handshake is over when the server misses its certificate.
#[test]
#[ignore = "needs openssl"]
fn a_tls13_client_without_certificate_learns_of_it_by_alert_116() {
    let certificates = Certificates::new();
    let conversation = Conversation::new(&certificates, &OPENSSL, openschannel::Role::Client)
        .version(VERSIONS[1])
        .peer(["verify=require".to_owned()]);
    let (peer, mut connection) = conversation.open(&["handshake"]);
    assert_eq!(connection.receive(), Incoming::End(ReadEnd::Alert(AlertDescription::CERTIFICATE_REQUIRED)));
    assert!(peer.finish_failing().text().starts_with("error handshake"));
}

#[test]
#[ignore = "needs openssl"]
fn a_tls12_client_without_certificate_is_refused_in_the_handshake() {
    let certificates = Certificates::new();
    let conversation = Conversation::new(&certificates, &OPENSSL, openschannel::Role::Client)
        .version(VERSIONS[0])
        .peer(["verify=require".to_owned()]);
    let (peer, connection) = conversation.attempt(&["handshake"]);
    let failure = connection.unwrap_err();
    assert_eq!(failure.read_end, ReadEnd::Alert(AlertDescription::HANDSHAKE_FAILURE));
    assert_eq!(failure.status(), ErrorStatus::IllegalMessage);
    peer.finish_failing();
}

/// No version in common: OpenSSL is told by an alert when it is the client, and tells when it is the server.
#[test]
#[ignore = "needs openssl"]
fn a_handshake_that_fails_tells_the_peer() {
    let certificates = Certificates::new();
    for role in ROLES {
        let mut conversation = Conversation::new(&certificates, &OPENSSL, role).version(VERSIONS[0]);
        conversation.outbound = conversation.outbound.protocols(VERSIONS[1].1);
        conversation.inbound = conversation.inbound.protocols(VERSIONS[1].1);
        let (peer, connection) = conversation.attempt(&["handshake"]);
        let failure = connection.unwrap_err();
        let report = peer.finish_failing();
        match role {
            openschannel::Role::Client => {
                assert_eq!(failure.read_end, ReadEnd::Alert(AlertDescription::PROTOCOL_VERSION));
                assert_eq!(failure.status(), ErrorStatus::UnsupportedFunction);
            }
            openschannel::Role::Server => {
                assert_eq!(failure.status(), ErrorStatus::UnsupportedFunction);
                assert_eq!(report.value("end"), "alert:70");
            }
        }
    }
}

/// A certificate of an unknown authority: unknown_ca, and OpenSSL hears it.
#[test]
#[ignore = "needs openssl"]
fn a_certificate_that_is_refused_tells_the_peer_why() {
    let (certificates, stranger) = (Certificates::new(), Certificates::new());
    for version in VERSIONS {
        let mut conversation =
            Conversation::new(&certificates, &OPENSSL, openschannel::Role::Client).version(version);
        conversation.outbound = stranger.outbound().protocols(version.1);
        let (peer, connection) = conversation.attempt(&["handshake", "read"]);
        assert_eq!(connection.unwrap_err().status(), ErrorStatus::UntrustedRoot);
        assert_eq!(peer.finish_failing().value("end"), "alert:48");
    }
}

/// The transport ends in the middle of the handshake.
#[test]
#[ignore = "needs openssl"]
fn a_peer_that_goes_away_in_the_handshake() {
    let certificates = Certificates::new();
    for role in ROLES {
        let conversation = Conversation::new(&certificates, &OPENSSL, role);
        let (peer, connection) = conversation.attempt(&["close"]);
        let failure = connection.unwrap_err();
        assert!(failure.error.is_none(), "{failure:?}");
        // A server that closes without having read our hello resets; a client that says nothing does not.
        let expected = match role {
            openschannel::Role::Client => [ReadEnd::Reset, ReadEnd::Truncated { inside_record: false }],
            openschannel::Role::Server => [ReadEnd::Truncated { inside_record: false }; 2],
        };
        assert!(expected.contains(&failure.read_end), "{failure:?}");
        peer.finish();
    }
}

/// A peer that reads our close_notify and does nothing: the sending direction is closed, the receiving one is open, and stays so.
#[test]
#[ignore = "needs openssl"]
fn a_peer_that_never_answers_leaves_the_read_side_open() {
    let certificates = Certificates::new();
    for role in ROLES {
        for version in VERSIONS {
            let conversation = Conversation::new(&certificates, &OPENSSL, role).version(version);
            let (mut peer, mut connection) = conversation.open(&["handshake", "read", "hold"]);
            connection.shut_down();
            assert_eq!(peer.step("received").value("end"), "close_notify");
            peer.step("holding");
            let report = connection.report();
            assert_eq!((report.read_end, report.close_sent), (ReadEnd::Open, true));
            // Then it goes away without a word.
            peer.release();
            let expected = ReadEnd::Truncated { inside_record: false };
            assert_eq!(connection.receive_all().end, expected);
            peer.finish();
        }
    }
}

/// Half-close. OpenSSL's TLS 1.2 goes on sending after it has received close_notify, too.
#[test]
#[ignore = "needs openssl"]
fn data_still_flows_against_a_closed_direction() {
    for version in VERSIONS {
        for first in [First::Ours, First::Theirs] {
            half_close(&OPENSSL, version, first);
        }
    }
}

/// Both close_notify pass each other on the wire.
#[test]
#[ignore = "needs openssl"]
fn both_sides_may_close_at_once() {
    let certificates = Certificates::new();
    for role in ROLES {
        for version in VERSIONS {
            let conversation = Conversation::new(&certificates, &OPENSSL, role).version(version);
            let (mut peer, mut connection) = conversation.open(&["handshake", "recv:2", "shutdown", "read"]);
            connection.send(b"go");
            connection.shut_down();
            assert_eq!(peer.step("received").value("end"), "open");
            close(&mut peer, &mut connection, First::Theirs);
            peer.finish();
        }
    }
}

/// Section 4.4 #16: asked for again, the shutdown gives the same record. A peer that gets it twice is not disturbed.
#[test]
#[ignore = "needs openssl"]
fn a_close_notify_sent_twice_is_one_end() {
    let certificates = Certificates::new();
    for role in ROLES {
        for version in VERSIONS {
            let conversation = Conversation::new(&certificates, &OPENSSL, role).version(version);
            let (mut peer, mut connection) = conversation.open(&["handshake", "read", "shutdown"]);
            let first = connection.shut_down();
            assert_eq!(connection.shut_down(), first);
            assert_eq!(peer.step("received").value("end"), "close_notify");
            assert_eq!(connection.receive_all().end, ReadEnd::Clean);
            peer.finish();
        }
    }
}

#[test]
#[ignore = "needs openssl"]
fn openssl_tells_our_ends_apart() {
    our_ends(&OPENSSL, "eof");
}

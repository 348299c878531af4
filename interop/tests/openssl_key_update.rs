//! TLS 1.3 KeyUpdate in the middle of the data: from either side, with and without a request for the other's, and by the limit
//! of records.

use openschannel::credentials::PostHandshake;
use openschannel::{KeyUpdateRequest, ReadEnd, Role};
use openschannel_interop::certificates::Certificates;
use openschannel_interop::connection::Connection;
use openschannel_interop::data::{TEN_MEGABYTES, random, sha256};
use openschannel_interop::scripted::{OPENSSL, Peer, Report};

use super::conversations::{Conversation, First, ROLES, VERSIONS, close};

/// Ten megabytes each way with updates in the middle, then a word each way so that owed answers travel, then the end. Gives OpenSSL's
/// count.
fn updates(
    role: Role,
    ours: Option<KeyUpdateRequest>,
    theirs: Option<&str>,
    adjust: impl Fn(&mut Conversation<'_>),
) -> (String, String) {
    let certificates = Certificates::new();
    let (our_data, their_data) = (random(1, TEN_MEGABYTES), random(2, TEN_MEGABYTES));
    let file = certificates.write("theirs", &their_data);
    let both = match theirs {
        Some(update) => format!("both:{file}:{TEN_MEGABYTES}:{update}"),
        None => format!("both:{file}:{TEN_MEGABYTES}"),
    };
    let word = format!("send:{}", certificates.write("word", b"over"));
    let steps = ["handshake", &both, "recv:2", &word, "keyupdates", "read", "shutdown"];
    let mut conversation = Conversation::new(&certificates, &OPENSSL, role).version(VERSIONS[1]);
    adjust(&mut conversation);
    let (mut peer, connection) = conversation.open(&steps);
    let (mut connection, received) = connection.exchange(&our_data, their_data.len(), ours);
    assert_eq!(received, sha256(&their_data));
    assert_eq!(peer.step("received").value("sha256"), sha256(&our_data));
    connection.send(b"go");
    assert_eq!(connection.receive_exactly(4), sha256(b"over"));
    let count = counted(&mut peer);
    assert_eq!(peer_end(&mut peer, &mut connection), ReadEnd::Clean);
    peer.finish();
    count
}

fn counted(peer: &mut Peer) -> (String, String) {
    let counts: Report = peer.step("keyupdates");
    (counts.value("sent").to_owned(), counts.value("received").to_owned())
}

fn peer_end(peer: &mut Peer, connection: &mut Connection) -> ReadEnd {
    close(peer, connection, First::Ours);
    connection.report().read_end
}

fn counts(sent: u32, received: u32) -> (String, String) {
    (sent.to_string(), received.to_string())
}

#[test]
#[ignore = "needs openssl"]
fn openssl_updates_its_keys() {
    for role in ROLES {
        assert_eq!(updates(role, None, Some("plain"), |_| {}), counts(1, 0), "{role:?}");
    }
}

#[test]
#[ignore = "needs openssl"]
fn openssl_asks_for_an_update_and_gets_one() {
    for role in ROLES {
        assert_eq!(updates(role, None, Some("request"), |_| {}), counts(1, 1), "{role:?}");
    }
}

#[test]
#[ignore = "needs openssl"]
fn we_update_our_keys() {
    for role in ROLES {
        let count = updates(role, Some(KeyUpdateRequest::NotRequested), None, |_| {});
        assert_eq!(count, counts(0, 1), "{role:?}");
    }
}

#[test]
#[ignore = "needs openssl"]
fn we_ask_for_an_update_and_get_one() {
    for role in ROLES {
        let count = updates(role, Some(KeyUpdateRequest::Requested), None, |_| {});
        assert_eq!(count, counts(1, 1), "{role:?}");
    }
}

/// Requests that cross each other: each side answers the other's.
#[test]
#[ignore = "needs openssl"]
fn both_ask_at_once() {
    for role in ROLES {
        let (sent, received) = updates(role, Some(KeyUpdateRequest::Requested), Some("request"), |_| {});
        // An own update that goes out after the other's request came in is its answer, too.
        for count in [sent, received] {
            assert!(["1", "2"].contains(&count.as_str()), "{role:?}: {count}");
        }
    }
}

/// 10 MB are 611 records, and the answer to "go" is one more: six times a hundred.
#[test]
#[ignore = "needs openssl"]
fn keys_are_renewed_by_the_count_of_records() {
    for role in ROLES {
        let count = updates(role, None, None, |conversation| {
            conversation.outbound = conversation.outbound.clone().rekey_after(100);
            conversation.inbound = conversation.inbound.clone().rekey_after(100);
        });
        assert_eq!(count, counts(0, 6), "{role:?}");
    }
}

/// Section 4.4 #6: a request that arrives after the own close changes the receiving key and is not answered.
#[test]
#[ignore = "needs openssl"]
fn an_update_asked_for_after_our_close_is_followed_but_not_answered() {
    let certificates = Certificates::new();
    let theirs = random(2, TEN_MEGABYTES);
    let both = format!("both:{}:0:request", certificates.write("theirs", &theirs));
    for role in ROLES {
        let conversation = Conversation::new(&certificates, &OPENSSL, role).version(VERSIONS[1]);
        let (mut peer, mut connection) =
            conversation.open(&["handshake", "read", &both, "keyupdates", "shutdown"]);
        connection.shut_down();
        assert_eq!(peer.step("received").value("end"), "close_notify");
        let everything = connection.receive_all();
        assert_eq!((everything.sha256, everything.end), (sha256(&theirs), ReadEnd::Clean));
        assert!(!connection.answer_key_update());
        assert_eq!(counted(&mut peer), counts(1, 0));
        peer.finish();
    }
}

/// Compatible mode (section 8.1): tickets and updates come as SEC_I_RENEGOTIATE, and the token call answers them.
#[test]
#[ignore = "needs openssl"]
fn compatible_mode_answers_in_the_token_call() {
    let certificates = Certificates::new();
    let theirs = random(2, TEN_MEGABYTES);
    let both = format!("both:{}:0:request", certificates.write("theirs", &theirs));
    for role in ROLES {
        let mut conversation = Conversation::new(&certificates, &OPENSSL, role).version(VERSIONS[1]);
        conversation.options.post_handshake = Some(PostHandshake::Compatible);
        let steps = ["handshake", &both, "recv:2", "keyupdates", "read", "shutdown"];
        let (mut peer, mut connection) = conversation.open(&steps);
        assert_eq!(connection.receive_exactly(theirs.len()), sha256(&theirs));
        connection.send(b"go");
        assert_eq!(counted(&mut peer), counts(1, 1), "{role:?}");
        assert_eq!(peer_end(&mut peer, &mut connection), ReadEnd::Clean);
        peer.finish();
    }
}

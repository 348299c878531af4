//! Sessions: which handshakes are resumed, and which must not be.

use std::sync::Arc;

use super::*;
use crate::credentials::clock::tests::ManualClock;

const BOTH: [Protocols; 2] = [Protocols::TLS1_2, Protocols::TLS1_3];

struct Pair {
    authority: Authority,
    client: OutboundCredentials,
    server: InboundCredentials,
}

fn pair(
    version: Protocols,
    edit_client: impl FnOnce(OutboundBuilder) -> OutboundBuilder,
    edit_server: impl FnOnce(InboundBuilder) -> InboundBuilder,
) -> Pair {
    let authority = Authority::new("Root");
    let client = OutboundCredentials::builder().trust(authority.trust()).protocols(version);
    let client = edit_client(client.identity(authority.identity(&["client"]))).acquire().unwrap();
    let server = InboundCredentials::builder()
        .identity(authority.identity(&["a.example", "b.example"]))
        .trust(authority.trust());
    let server = edit_server(server).acquire().unwrap();
    Pair { authority, client, server }
}

impl Pair {
    #[track_caller]
    fn resumes(&self) -> bool {
        connect(&self.client, &self.server, "a.example").succeeded().resumed()
    }

    #[track_caller]
    fn resumes_with(&self, client: ConnectionSlot, server: ConnectionSlot) -> bool {
        connect_with(&self.client, &self.server, "a.example", client, server).succeeded().resumed()
    }
}

fn asking(client_auth: ClientAuth) -> ConnectionSlot {
    ConnectionSlot { client_auth: Some(client_auth), ..ConnectionSlot::default() }
}

#[test]
fn the_second_handshake_is_short_by_ticket_and_by_session_id() {
    for version in BOTH {
        for tickets in [true, false] {
            let pair = pair(version, |c| c, |s| s.tickets(tickets));
            let first = connect(&pair.client, &pair.server, "a.example").succeeded();
            assert!(!first.resumed(), "{version:?} {tickets}");
            let second = connect(&pair.client, &pair.server, "A.example").succeeded();
            assert!(second.resumed(), "{version:?} {tickets}");
            let slot = &second.client_slot;
            assert_eq!((slot.peer_chain.len(), &slot.validation), (0, &None));
            assert_eq!(second.client_connection.peer_certificates().unwrap().len(), 1, "kept in the session");
            assert!(pair.resumes(), "and so is the third");
            assert!(
                !connect(&pair.client, &pair.server, "b.example").succeeded().resumed(),
                "another target"
            );
        }
    }
}

#[test]
fn another_credential_does_not_share_sessions() {
    for version in BOTH {
        let pair = pair(version, |c| c, |s| s);
        pair.resumes();
        let store = Arc::new(MemoryClientSessions::default());
        let builder = OutboundCredentials::builder().trust(pair.authority.trust()).protocols(version);
        let builder = builder.session_store(store);
        let (one, two) = (builder.clone().acquire().unwrap(), builder.acquire().unwrap());
        connect(&one, &pair.server, "a.example").succeeded();
        assert!(
            !connect(&two, &pair.server, "a.example").succeeded().resumed(),
            "not even from a shared store"
        );
        let other =
            InboundCredentials::builder().identity(pair.server.identities()[0].clone()).acquire().unwrap();
        assert!(!connect(&pair.client, &other, "a.example").succeeded().resumed());
    }
}

#[test]
fn disabled_sessions_are_neither_offered_nor_kept() {
    let disabled = || ConnectionSlot { sessions_disabled: true, ..ConnectionSlot::default() };
    for version in BOTH {
        for tickets in [true, false] {
            let fresh = || pair(version, |c| c, |s| s.tickets(tickets));
            let about = format!("{version:?} {tickets}");
            let plain = ConnectionSlot::default;

            let pair = fresh();
            pair.resumes_with(disabled(), plain());
            assert!(!pair.resumes(), "not kept by the client, {about}");
            assert!(pair.resumes());
            assert!(!pair.resumes_with(disabled(), plain()), "not offered by the client, {about}");

            let pair = fresh();
            let outcome =
                connect_with(&pair.client, &pair.server, "a.example", plain(), disabled()).succeeded();
            assert!(outcome.server_slot.server_session_ids.is_empty());
            assert_eq!(outcome.client_connection.tls13_tickets_received(), 0);
            assert!(!pair.resumes(), "not given by the server, {about}");
            assert!(!pair.resumes_with(plain(), disabled()), "not accepted by the server, {about}");

            let off = |version| self::pair(version, |c| c.resumption(false), |s| s.tickets(tickets));
            let pair = off(version);
            pair.resumes();
            assert!(!pair.resumes(), "client credential, {about}");
            let pair = self::pair(version, |c| c, |s| s.tickets(tickets).resumption(false));
            pair.resumes();
            assert!(!pair.resumes(), "server credential, {about}");
        }
    }
}

#[test]
fn a_context_without_sessions_promises_none() {
    let server = pair(Protocols::TLS1_2, |c| c, |s| s).server;
    let config = server.server_config(None);
    let promises = |slot| {
        with_slot(&mut Box::new(slot), || (config.ticketer.enabled(), config.session_storage.can_cache()))
    };
    assert_eq!(promises(ConnectionSlot::default()), (true, true));
    assert_eq!(
        promises(ConnectionSlot { sessions_disabled: true, ..ConnectionSlot::default() }),
        (false, false)
    );
    assert!(!config.ticketer.enabled() && !config.session_storage.can_cache(), "nor one without a slot");
}

/// Takes every target for the same.
#[derive(Debug, Default)]
struct Forgetful(MemoryClientSessions);

impl ClientSessionStore for Forgetful {
    fn put(&self, _: &str, session: ClientSession) {
        self.0.put("", session);
    }

    fn get_tls12(&self, _: &str) -> Option<ClientSession> {
        self.0.get_tls12("")
    }

    fn take_tls13(&self, _: &str) -> Option<ClientSession> {
        self.0.take_tls13("")
    }

    fn remove_tls12(&self, _: &str) {}

    fn remove(&self, _: &str) {}

    fn set_group_hint(&self, _: &str, _: NamedGroup) {}

    fn group_hint(&self, _: &str) -> Option<NamedGroup> {
        None
    }
}

#[test]
fn a_session_that_was_offered_and_not_resumed_leaves_no_trace() {
    for version in BOTH {
        for tickets in [true, false] {
            let pair =
                pair(version, |c| c.session_store(Arc::new(Forgetful::default())), |s| s.tickets(tickets));
            let first = connect(&pair.client, &pair.server, "a.example").succeeded();
            // The server reads the session, and sees that it was made for another name.
            let second = connect(&pair.client, &pair.server, "b.example").succeeded();
            assert!(!second.resumed());
            assert_eq!(second.client_slot.session.since, None);
            let marks = [first, second].map(|outcome| outcome.server_slot.session.mark.unwrap());
            assert_ne!(marks[0], marks[1], "{version:?} {tickets}");
        }
    }
}

#[test]
fn nameless_targets_keep_nothing() {
    for version in BOTH {
        let pair = pair(version, |c| c.server_name_check(false), |s| s);
        let nameless = || ConnectionSlot { no_target: true, ..ConnectionSlot::default() };
        for _ in 0..2 {
            let slot = ConnectionSlot::default();
            let outcome = connect_with(&pair.client, &pair.server, "192.0.2.1", nameless(), slot).succeeded();
            assert!(!outcome.resumed());
        }
    }
}

#[test]
fn both_ends_can_forget() {
    for version in BOTH {
        for tickets in [true, false] {
            let pair = pair(version, |c| c, |s| s.tickets(tickets));
            pair.resumes();
            pair.client.forget_session("A.EXAMPLE.");
            assert!(!pair.resumes(), "forgotten by the client");

            let first = connect(&pair.client, &pair.server, "b.example").succeeded();
            let second = connect(&pair.client, &pair.server, "b.example").succeeded();
            assert!(second.resumed());
            for slot in [&first.server_slot, &second.server_slot] {
                assert!(!slot.server_session_ids.is_empty(), "{version:?} {tickets}");
            }
            pair.server.forget_sessions(&second.server_slot.server_session_ids);
            let third = connect(&pair.client, &pair.server, "b.example").succeeded();
            assert!(!third.resumed(), "forgotten by the server: {version:?} {tickets}");
        }
    }
}

#[test]
fn a_lifespan_ends_however_often_the_session_was_resumed() {
    for version in BOTH {
        for tickets in [true, false] {
            let hour = Duration::from_secs(3600);
            let clocks = [ManualClock::at(noon()), ManualClock::at(noon())];
            let lives = |client, server| {
                let (client_clock, server_clock) = (clocks[0].clone(), clocks[1].clone());
                pair(
                    version,
                    |c| c.clock(client_clock).session_lifespan(client),
                    |s| s.clock(server_clock).session_lifespan(server).tickets(tickets),
                )
            };
            // Long enough that only the other end's lifespan is the one that counts.
            for pair in [lives(hour, days(1)), lives(days(1), hour)] {
                assert!(!pair.resumes());
                for _ in 0..3 {
                    clocks.iter().for_each(|clock| clock.advance(hour / 4));
                    assert!(pair.resumes(), "{version:?} {tickets}");
                }
                clocks.iter().for_each(|clock| clock.advance(hour / 4));
                assert!(!pair.resumes(), "{version:?} {tickets}");
                assert!(pair.resumes(), "and a new life begins");
            }
        }
    }
}

/// RFC 9846 section 4.7.1: neither side goes beyond seven days, whatever its credential says.
#[test]
fn no_ticket_lives_for_longer_than_a_week() {
    let store = Arc::new(MemoryClientSessions::new(4));
    let month = days(30);
    let pair = pair(
        Protocols::TLS1_3,
        |c| c.session_lifespan(month).session_store(store.clone()),
        |s| s.session_lifespan(month),
    );
    pair.server.set_ticket_keys(&[TicketKey::new([1; 16], &[2; 32]).unwrap()]).unwrap();
    let config = pair.server.server_config(None);
    let promised = with_slot(&mut Box::default(), || config.ticketer.lifetime());
    assert_eq!(promised, 7 * 24 * 3600);
    pair.resumes();
    let kept = store.take_tls13("a.example").unwrap();
    assert!(kept.expires() <= SystemTime::now() + days(7), "{kept:?}");
}

#[test]
fn a_session_answers_only_what_its_server_context_would_have_asked() {
    use ClientAuth::{None, Request, Require};
    for version in BOTH {
        for tickets in [true, false] {
            for (made, with_key, asked, allowed) in [
                (None, true, None, true),
                (None, true, Request, false),
                (None, true, Require, false),
                (Request, true, Request, true),
                (Request, true, Require, true),
                (Request, true, None, false),
                (Require, true, Require, true),
                (Request, false, Request, true),
            ] {
                let pair = pair(version, |c| c, |s| s.tickets(tickets));
                let slot = || if with_key { slot_of(&pair.client) } else { ConnectionSlot::default() };
                pair.resumes_with(slot(), asking(made));
                let about = format!("{version:?} {tickets} {made:?} {with_key} {asked:?}");
                assert_eq!(pair.resumes_with(slot(), asking(asked)), allowed, "{about}");
                assert!(!allowed || pair.resumes_with(slot(), asking(asked)), "and once more, {about}");
            }
            // A client that withheld its certificate is not let in by the session of that connection.
            let pair = pair(version, |c| c, |s| s.tickets(tickets));
            pair.resumes_with(ConnectionSlot::default(), asking(Request));
            let slot = ConnectionSlot::default();
            let outcome = connect_with(&pair.client, &pair.server, "a.example", slot, asking(Require));
            assert!(outcome.server.is_err() && !outcome.resumed(), "{version:?} {tickets}");
        }
    }
}

#[test]
fn what_was_not_validated_is_for_those_who_do_not_ask_for_it() {
    let manual =
        |client_key| ConnectionSlot { manual_validation: true, client_key, ..ConnectionSlot::default() };
    for version in BOTH {
        let pair = pair(version, |c| c, |s| s.client_auth(ClientAuth::Request));
        let key = || pair.client.certified_key();
        let plain = ConnectionSlot::default;
        let automatic = || slot_of(&pair.client);
        pair.resumes_with(manual(key()), plain());
        assert!(pair.resumes_with(manual(key()), plain()), "manual after manual, {version:?}");
        assert!(!pair.resumes_with(automatic(), plain()), "the server was not validated, {version:?}");
        assert!(pair.resumes_with(automatic(), plain()), "automatic after automatic, {version:?}");
        pair.client.forget_session("a.example");

        pair.resumes_with(automatic(), manual(None));
        assert!(!pair.resumes_with(automatic(), plain()), "the client was not validated, {version:?}");
        pair.client.forget_session("a.example");
        pair.resumes_with(automatic(), manual(None));
        assert!(pair.resumes_with(automatic(), manual(None)), "and need not be, {version:?}");
    }
}

#[test]
fn a_session_made_with_a_certificate_needs_that_certificate() {
    for version in BOTH {
        let pair = pair(version, |c| c, |s| s.client_auth(ClientAuth::Request));
        let other = pair.authority.identity(&["other"]);
        let with = |client_key| ConnectionSlot { client_key, ..ConnectionSlot::default() };
        let plain = ConnectionSlot::default;
        pair.resumes_with(slot_of(&pair.client), plain());
        assert!(!pair.resumes_with(with(Some(other.certified().clone())), plain()), "{version:?}");
        pair.client.forget_session("a.example");
        pair.resumes_with(slot_of(&pair.client), plain());
        assert!(pair.resumes_with(slot_of(&pair.client), plain()), "{version:?}");
        assert!(!pair.resumes_with(with(None), plain()), "{version:?}");
        pair.client.forget_session("a.example");
        pair.resumes_with(slot_of(&pair.client), plain());
        for _ in 0..2 {
            assert!(pair.resumes_with(slot_of(&pair.client), plain()), "{version:?}");
        }
    }
}

#[test]
fn tickets_can_be_taken_in_with_a_slot_of_their_own() {
    let slot = ConnectionSlot { manual_validation: true, ..ConnectionSlot::default() };
    let tickets = slot.for_tickets().expect("sessions are kept");
    assert!(tickets.slot().manual_validation && tickets.slot().keeps_sessions());
    let refused = Err(Rejection::new(crate::status::ErrorStatus::UntrustedRoot));
    for (why, slot) in [
        ("switched off", ConnectionSlot { sessions_disabled: true, ..ConnectionSlot::default() }),
        ("no target", ConnectionSlot { no_target: true, ..ConnectionSlot::default() }),
        ("a refused peer", ConnectionSlot { validation: Some(refused), ..ConnectionSlot::default() }),
    ] {
        assert!(slot.for_tickets().is_none(), "{why}: no session is left");
    }
}

#[test]
fn foreign_stores_are_used() {
    for version in BOTH {
        let clients = Arc::new(MemoryClientSessions::new(4));
        let servers = Arc::new(MemoryServerSessions::new(4, days(1), Arc::new(SystemClock)));
        let pair = pair(
            version,
            |c| c.session_store(clients.clone()),
            |s| s.session_store(servers.clone()).tickets(false),
        );
        let outcome = connect(&pair.client, &pair.server, "a.example").succeeded();
        let keys = &outcome.server_slot.server_session_ids;
        assert!(keys.iter().any(|key| servers.get(key).is_some()));
        let kept = match version {
            Protocols::TLS1_2 => clients.get_tls12("a.example"),
            _ => clients.take_tls13("a.example"),
        };
        let kept = kept.unwrap();
        assert_eq!(kept.protocol(), version);
        assert!(kept.expires() > SystemTime::now());
        assert!(format!("{kept:?}").len() < 150);
        clients.remove("a.example");
        assert!(!pair.resumes());
    }
}

#[test]
fn the_group_a_server_liked_is_remembered() {
    let store = Arc::new(MemoryClientSessions::default());
    let order = [NamedGroup::X25519, NamedGroup::SECP384R1];
    let pair = pair(
        Protocols::TLS1_3,
        |c| c.groups(&order).session_store(store.clone()).resumption(false),
        |s| s.groups(&[NamedGroup::SECP384R1]),
    );
    let first = connect(&pair.client, &pair.server, "a.example").succeeded();
    assert_eq!(first.kind, Some(HandshakeKind::FullWithHelloRetryRequest));
    assert_eq!(store.group_hint("a.example"), Some(NamedGroup::SECP384R1));
    let second = connect(&pair.client, &pair.server, "a.example").succeeded();
    assert_eq!(second.kind, Some(HandshakeKind::Full));
}

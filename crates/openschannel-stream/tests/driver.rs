//! The driver between two wires: data, key updates, alerts, and what the observer is told.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod harness;

use std::sync::{Arc, Mutex};

use harness::common::{CERTIFICATES, VERSIONS, identity, inbound, other, outbound};
use harness::{Duo, boundaries, pattern, quick_credentials};
use openschannel::alert::{Alert, AlertDescription, AlertLevel};
use openschannel::credentials::{ClientAuth, PostHandshake, Protocols, Trust};
use openschannel::status::{ErrorStatus, SecurityStatus, SuccessStatus};
use openschannel::{ContextOptions, KeyUpdateRequest, ReadEnd, Role, TransportEnd};
use openschannel_stream::{Advance, Driver, Event, Plaintext};

const ROLES: [Role; 2] = [Role::Client, Role::Server];

#[test]
fn data_of_every_size_goes_both_ways() {
    for version in VERSIONS {
        for chunk in [1, 1000, usize::MAX] {
            let mut duo = Duo::established(version);
            duo.chunk = chunk;
            for size in [1, 2, 255, 16_383, 16_384, 16_385, 200_000] {
                if chunk == 1 && size > 300 {
                    continue;
                }
                for writer in ROLES {
                    let data = pattern(size);
                    duo.write(writer, &data);
                    assert_eq!(
                        duo.read(other(writer)).unwrap(),
                        (data, None),
                        "{version:?} {writer:?} {size} by {chunk}"
                    );
                }
            }
        }
    }
}

#[test]
fn the_handshake_goes_byte_by_byte() {
    for version in VERSIONS {
        let (outbound, inbound) = quick_credentials(version);
        let mut duo = Duo::new(&outbound, &inbound);
        duo.chunk = 1;
        duo.settle().unwrap();
        assert_eq!(duo.client.advance().unwrap(), Advance::Established);
        assert_eq!(duo.server.advance().unwrap(), Advance::Established);
    }
}

/// What the token call gives back as EXTRA is for DecryptMessage: nothing is lost that rides behind the last flight.
#[test]
fn data_behind_the_last_flight_is_not_lost() {
    for version in VERSIONS {
        let (outbound, inbound) = quick_credentials(version);
        let mut duo = Duo::new(&outbound, &inbound);
        // The side that finishes last gets the flight, the data and the close in one piece.
        let (first, last) = match version {
            Protocols::TLS1_2 => (Role::Server, Role::Client),
            _ => (Role::Client, Role::Server),
        };
        for turn in [Role::Client, Role::Server].into_iter().cycle() {
            duo.side(turn).advance().unwrap();
            if duo.side(first).is_established() {
                break;
            }
            duo.flush(turn);
            let bytes: Vec<u8> = duo.link_to(other(turn)).under_way.drain(..).collect();
            put(duo.side(other(turn)), &bytes);
        }
        assert!(!duo.side(last).is_established());
        duo.side(first).write(b"at once").unwrap();
        duo.side(first).close_write().unwrap();
        duo.flush(first);
        let bytes: Vec<u8> = duo.link_to(last).under_way.drain(..).collect();
        put(duo.side(last), &bytes);
        assert_eq!(duo.side(last).advance().unwrap(), Advance::Established);
        assert_eq!(duo.side(last).fill_plaintext().unwrap(), Plaintext::Data(b"at once"));
        duo.side(last).consume(7);
        assert_eq!(duo.side(last).fill_plaintext().unwrap(), Plaintext::End(ReadEnd::Clean));
    }
}

fn put(side: &mut Driver, bytes: &[u8]) {
    let mut bytes = bytes;
    while !bytes.is_empty() {
        let space = side.receive_space();
        let n = space.len().min(bytes.len());
        space[..n].copy_from_slice(&bytes[..n]);
        side.received(n);
        bytes = &bytes[n..];
    }
}

#[test]
fn a_client_without_a_certificate_goes_on_without_one() {
    for version in VERSIONS {
        for (auth, certificate, accepted) in [
            (ClientAuth::Request, false, true),
            (ClientAuth::Request, true, true),
            (ClientAuth::Require, true, true),
            (ClientAuth::Require, false, false),
        ] {
            let mut outbound = outbound().protocols(version);
            if certificate {
                outbound = outbound.identity(identity(&CERTIFICATES.client));
            }
            let inbound = inbound().protocols(version).client_auth(auth).acquire().unwrap();
            let mut duo = Duo::new(&outbound.acquire().unwrap(), &inbound);
            let settled = duo.settle();
            assert_eq!(settled.is_ok(), accepted, "{version:?} {auth:?} {certificate}: {settled:?}");
            if accepted {
                let chain = duo.server.attributes().unwrap().remote_certificates().is_ok();
                assert_eq!(chain, certificate);
                continue;
            }
            // The client hears why, in the handshake or, in TLS 1.3, behind it.
            let error = match duo.client.is_established() {
                true => duo.client.fill_plaintext().unwrap_err(),
                false => duo.client.advance().unwrap_err(),
            };
            assert!(error.received_alert().is_some(), "{error}");
            assert!(matches!(duo.client.closing_report().read_end, ReadEnd::Alert(_)));
            assert!(matches!(duo.server.closing_report().read_end, ReadEnd::Failed(_)));
        }
    }
}

#[test]
fn either_side_closes_first_and_the_other_may_go_on() {
    for version in VERSIONS {
        for first in ROLES {
            let mut duo = Duo::established(version);
            let second = other(first);
            duo.write(first, b"that is all");
            duo.side(first).close_write().unwrap();
            let once = duo.side(first).transmit().len();
            duo.side(first).close_write().unwrap();
            assert_eq!(duo.side(first).transmit().len(), once, "one close_notify");
            assert_eq!(duo.side(first).write(b"x").unwrap_err().status(), ErrorStatus::ContextExpired);
            assert_eq!(duo.read(second).unwrap(), (b"that is all".to_vec(), Some(ReadEnd::Clean)));
            // Half-close: more than a buffer's worth comes back.
            let answer = pattern(300_000);
            duo.write(second, &answer);
            duo.side(second).close_write().unwrap();
            assert_eq!(duo.read(first).unwrap(), (answer, Some(ReadEnd::Clean)));
            // A reset changes no verdict.
            for role in ROLES {
                duo.side(role).transport_ended(TransportEnd::Reset);
                assert_eq!(duo.read(role).unwrap(), (vec![], Some(ReadEnd::Clean)));
                let report = duo.side(role).closing_report();
                assert_eq!((report.read_end, report.close_sent), (ReadEnd::Clean, true));
            }
        }
    }
}

#[test]
fn records_that_came_before_the_transport_ended_count() {
    for end in [TransportEnd::Eof, TransportEnd::Reset] {
        let mut duo = Duo::established(Protocols::TLS1_3);
        duo.write(Role::Client, b"last words");
        duo.client.close_write().unwrap();
        duo.flush(Role::Client);
        let bytes: Vec<u8> = duo.to_server.under_way.drain(..).collect();
        put(&mut duo.server, &bytes);
        duo.server.transport_ended(end);
        assert_eq!(duo.server.fill_plaintext().unwrap(), Plaintext::Data(b"last words"));
        duo.server.consume(10);
        assert_eq!(duo.server.fill_plaintext().unwrap(), Plaintext::End(ReadEnd::Clean));
    }
}

#[test]
fn a_key_update_in_the_middle_of_data_is_answered_even_when_idle() {
    for asker in ROLES {
        let answerer = other(asker);
        let mut duo = Duo::established(Protocols::TLS1_3);
        let (before, behind) = (pattern(40_000), pattern(30_000));
        duo.write(asker, &before);
        duo.side(asker).key_update(KeyUpdateRequest::Requested).unwrap();
        duo.side(asker).key_update(KeyUpdateRequest::Requested).unwrap();
        duo.write(asker, &behind);
        duo.flush(asker);
        let bytes: Vec<u8> = duo.link_to(answerer).under_way.drain(..).collect();
        let mut read = Vec::new();
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let space = duo.side(answerer).receive_space();
            let n = space.len().min(rest.len());
            space[..n].copy_from_slice(&rest[..n]);
            duo.side(answerer).received(n);
            rest = &rest[n..];
            while let Plaintext::Data(data) = duo.side(answerer).fill_plaintext().unwrap() {
                read.extend_from_slice(data);
                let len = data.len();
                duo.side(answerer).consume(len);
            }
        }
        assert_eq!(read, [before, behind].concat());
        // Two requests in a row, one answer: 27 bytes.
        assert_eq!(duo.side(answerer).transmit().len(), 27);
        duo.write(answerer, b"under the new key");
        assert_eq!(duo.read(asker).unwrap(), (b"under the new key".to_vec(), None));
        assert!(duo.side(asker).transmit().is_empty(), "an answer asks for none");
        // With no data about, either.
        duo.side(asker).key_update(KeyUpdateRequest::Requested).unwrap();
        duo.settle().unwrap();
        assert_eq!(duo.side(answerer).fill_plaintext().unwrap(), Plaintext::NeedsReceive);
        assert_eq!(duo.side(answerer).transmit().len(), 27);
    }
    let mut duo = Duo::established(Protocols::TLS1_2);
    let refused = duo.client.key_update(KeyUpdateRequest::Requested).unwrap_err();
    assert_eq!(refused.status(), ErrorStatus::UnsupportedFunction);
}

/// Section 4.4 #6.
#[test]
fn a_key_update_behind_the_own_close_is_not_answered() {
    for closed in ROLES {
        let asker = other(closed);
        let mut duo = Duo::established(Protocols::TLS1_3);
        duo.side(closed).close_write().unwrap();
        duo.flush(closed);
        duo.side(asker).key_update(KeyUpdateRequest::Requested).unwrap();
        duo.write(asker, b"still here");
        assert_eq!(duo.read(closed).unwrap(), (b"still here".to_vec(), None));
        assert!(duo.side(closed).transmit().is_empty());
        assert_eq!(duo.read(asker).unwrap(), (vec![], Some(ReadEnd::Clean)));
    }
}

/// A peer that asks for key updates and never reads makes this side hold no more than its buffer.
#[test]
fn what_waits_for_the_transport_is_bounded() {
    for version in VERSIONS {
        let mut duo = Duo::established(version);
        let data = pattern(1_000_000);
        let written = duo.client.write(&data).unwrap();
        assert!((16_384..=4 * 16_384).contains(&written), "{written}");
        assert_eq!(duo.client.write(&data[written..]).unwrap(), 0);
        let full = duo.client.transmit().len();
        assert!(full <= 4 * 16_500, "{full}");
        if version == Protocols::TLS1_3 {
            for _ in 0..10_000 {
                duo.server.key_update(KeyUpdateRequest::Requested).unwrap();
                duo.server.write(b"!").unwrap();
                duo.flush(Role::Server);
                let bytes: Vec<u8> = duo.to_client.under_way.drain(..).collect();
                put(&mut duo.client, &bytes);
                while let Plaintext::Data(_) = duo.client.fill_plaintext().unwrap() {
                    duo.client.consume(1);
                }
            }
            assert!(duo.client.transmit().len() <= 4 * 16_500);
        }
        let refused = (0..1_000)
            .find_map(|_| duo.client.send_alert(Alert::warning(AlertDescription::USER_CANCELED)).err());
        assert_eq!(refused.map(|error| error.status()), Some(ErrorStatus::InsufficientMemory));
        // An end is always let in.
        duo.client.close_write().unwrap();
    }
}

#[test]
fn a_fatal_alert_is_the_verdict() {
    for version in VERSIONS {
        for sender in ROLES {
            let mut duo = Duo::established(version);
            duo.write(sender, b"before");
            duo.side(sender).send_alert(Alert::fatal(AlertDescription::ACCESS_DENIED)).unwrap();
            let reader = other(sender);
            duo.settle().unwrap();
            assert_eq!(duo.side(reader).fill_plaintext().unwrap(), Plaintext::Data(b"before"));
            duo.side(reader).consume(6);
            for _ in 0..2 {
                let error = duo.side(reader).fill_plaintext().unwrap_err();
                assert_eq!(error.status(), ErrorStatus::LogonDenied);
                assert_eq!(error.received_alert().unwrap().description, AlertDescription::ACCESS_DENIED);
            }
            assert_eq!(
                duo.side(reader).closing_report().read_end,
                ReadEnd::Alert(AlertDescription::ACCESS_DENIED)
            );
            assert!(duo.side(reader).transmit().is_empty(), "a fatal alert is not answered");
            for role in ROLES {
                assert_eq!(duo.side(role).write(b"x").unwrap_err().status(), ErrorStatus::ContextExpired);
                duo.side(role).close_write().unwrap();
                assert!(duo.side(role).transmit().is_empty());
            }
        }
    }
}

#[test]
fn a_corrupted_record_fails_and_the_peer_is_told() {
    for version in VERSIONS {
        for reader in ROLES {
            let mut duo = Duo::established(version);
            duo.write(other(reader), b"genuine");
            duo.write(other(reader), b"forged");
            let link = duo.link_to(reader);
            let last = link.under_way.len() - 1;
            link.under_way[last] ^= 1;
            duo.settle().unwrap();
            assert_eq!(duo.side(reader).fill_plaintext().unwrap(), Plaintext::Data(b"genuine"));
            duo.side(reader).consume(7);
            for _ in 0..2 {
                let error = duo.side(reader).fill_plaintext().unwrap_err();
                assert_eq!(error.status(), ErrorStatus::MessageAltered);
            }
            // A transport's end behind it, and the own close, change nothing.
            duo.side(reader).transport_ended(TransportEnd::Eof);
            duo.side(reader).close_write().unwrap();
            let report = duo.side(reader).closing_report();
            assert_eq!(
                (report.read_end, report.close_sent),
                (ReadEnd::Failed(ErrorStatus::MessageAltered), false)
            );
            let error = duo.read(other(reader)).unwrap_err();
            assert_eq!(error.received_alert().unwrap().description, AlertDescription::BAD_RECORD_MAC);
            let told = duo.side(other(reader)).closing_report().read_end;
            assert_eq!(told, ReadEnd::Alert(AlertDescription::BAD_RECORD_MAC));
        }
    }
}

#[test]
fn a_handshake_that_fails_tells_the_peer() {
    // A client that trusts nobody the server knows.
    for version in VERSIONS {
        let (_, inbound) = quick_credentials(version);
        let stranger = identity(&CERTIFICATES.client);
        let trusting_another = Trust::Roots(stranger.chain().map(<[u8]>::to_vec).collect());
        let outbound = outbound().protocols(version).trust(trusting_another).acquire().unwrap();
        let mut duo = Duo::new(&outbound, &inbound);
        let error = duo.settle().unwrap_err();
        assert_eq!(error.status(), ErrorStatus::UntrustedRoot);
        let told = duo.server.advance().unwrap_err();
        assert_eq!(told.received_alert().map(|alert| alert.level), Some(AlertLevel::FATAL));
        assert!(matches!(duo.server.closing_report().read_end, ReadEnd::Alert(_)));
    }
    // What is no TLS at all, where there is not even a context yet.
    let (_, inbound) = quick_credentials(Protocols::TLS1_3);
    let mut server = Driver::server(&inbound, &ContextOptions::default());
    put(&mut server, b"GET / HTTP/1.0\r\n\r\n");
    assert!(server.advance().is_err() && server.advance().is_err());
    assert!(matches!(server.closing_report().read_end, ReadEnd::Failed(_)));
    server.transport_ended(TransportEnd::Eof);
    assert!(matches!(server.closing_report().read_end, ReadEnd::Failed(_)));
    server.close_write().unwrap();
}

#[test]
fn compatible_mode_needs_no_care_and_keys_are_refreshed_in_both() {
    for mode in [PostHandshake::Quiet, PostHandshake::Compatible] {
        let outbound = outbound().post_handshake(mode).rekey_after(3).acquire().unwrap();
        let inbound = inbound().post_handshake(mode).rekey_after(5).acquire().unwrap();
        let mut duo = Duo::established_with(&outbound, &inbound);
        for round in 0..20 {
            for writer in ROLES {
                let data = pattern(10_000 + round);
                duo.write(writer, &data);
                if round % 3 == 0 {
                    duo.side(writer).key_update(KeyUpdateRequest::Requested).unwrap();
                }
                assert_eq!(duo.read(other(writer)).unwrap(), (data, None), "{mode:?} {writer:?} {round}");
            }
        }
        duo.client.close_write().unwrap();
        assert_eq!(duo.read(Role::Server).unwrap(), (vec![], Some(ReadEnd::Clean)));
    }
}

/// The room for it does not depend on the mode: a transfer never comes to the end of its key.
#[test]
fn keys_are_refreshed_behind_data() {
    for mode in [PostHandshake::Quiet, PostHandshake::Compatible] {
        let outbound = outbound().post_handshake(mode).rekey_after(3).acquire().unwrap();
        let mut duo = Duo::established_with(&outbound, &inbound().acquire().unwrap());
        let trace = watch(&mut duo.client);
        duo.write(Role::Client, &pattern(10 * 16_384));
        let refreshed = trace.lock().unwrap().records_out.iter().filter(|record| record.1 == 27).count();
        assert_eq!(refreshed, 3, "{mode:?}");
        assert_eq!(duo.read(Role::Server).unwrap().0.len(), 10 * 16_384);
    }
}

#[derive(Default)]
struct Trace {
    calls: Vec<(&'static str, SecurityStatus)>,
    bytes_in: usize,
    bytes_out: usize,
    data: usize,
    records_in: Vec<(u8, usize)>,
    records_out: Vec<(u8, usize)>,
    alerts: Vec<(Alert, bool)>,
}

fn watch(side: &mut Driver) -> Arc<Mutex<Trace>> {
    let trace = Arc::new(Mutex::new(Trace::default()));
    let seen = trace.clone();
    side.set_observer(Box::new(move |event: &Event<'_>| {
        let mut trace = seen.lock().unwrap();
        trace.calls.push((event.call, event.status));
        trace.bytes_in += event.bytes_in;
        trace.bytes_out += event.bytes_out;
        trace.data += event.data;
        trace.records_in.extend(event.records_in.iter().map(|record| (record.content_type, record.len)));
        trace.records_out.extend(event.records_out.iter().map(|record| (record.content_type, record.len)));
        trace.alerts.extend(event.alert.map(|alert| (alert, event.alert_sent)));
    }));
    trace
}

#[test]
fn an_observer_sees_every_call_record_and_alert() {
    for version in VERSIONS {
        let (outbound, inbound) = quick_credentials(version);
        let mut duo = Duo::new(&outbound, &inbound);
        let (client, server) = (watch(&mut duo.client), watch(&mut duo.server));
        duo.settle().unwrap();
        duo.write(Role::Client, &pattern(20_000));
        duo.client.close_write().unwrap();
        duo.read(Role::Server).unwrap();
        duo.server.close_write().unwrap();
        duo.read(Role::Client).unwrap();
        let (client, server) = (client.lock().unwrap(), server.lock().unwrap());
        for (out, into, link) in [(&client, &server, &duo.to_server), (&server, &client, &duo.to_client)] {
            assert_eq!((out.bytes_out, into.bytes_in), (link.sent.len(), link.sent.len()));
            let mut at = 0;
            let ends: Vec<_> = out
                .records_out
                .iter()
                .map(|record| {
                    at += record.1;
                    at
                })
                .collect();
            assert_eq!(ends[..], boundaries(&link.sent)[1..]);
            assert_eq!(out.records_out, into.records_in);
            assert!(
                out.records_out
                    .iter()
                    .zip(boundaries(&link.sent))
                    .all(|(record, at)| record.0 == link.sent[at])
            );
        }
        assert_eq!((client.data, server.data), (20_000, 20_000));
        let both = [(Alert::CLOSE_NOTIFY, true), (Alert::CLOSE_NOTIFY, false)];
        assert_eq!(client.alerts, both);
        assert_eq!(server.alerts, [both[1], both[0]]);
        assert_eq!(client.calls[0], ("InitializeSecurityContext", SuccessStatus::ContinueNeeded.into()));
        let closing = [
            ("DecryptMessage", SuccessStatus::ContextExpired.into()),
            ("ApplyControlToken(SCHANNEL_SHUTDOWN)", SuccessStatus::Ok.into()),
            ("AcceptSecurityContext", SuccessStatus::Ok.into()),
        ];
        assert_eq!(server.calls[server.calls.len() - 3..], closing);
        assert!(client.calls.contains(&("EncryptMessage", SuccessStatus::Ok.into())));
    }
}

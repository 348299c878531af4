//! The two halves of a driver: data, key updates, failures and the end, each on its own.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod harness;

use std::sync::{Arc, Mutex};

use harness::common::{VERSIONS, other};
use harness::{Duo, pattern, quick_credentials};
use openschannel::alert::{Alert, AlertDescription};
use openschannel::credentials::{PostHandshake, Protocols};
use openschannel::status::ErrorStatus;
use openschannel::{ContextOptions, KeyUpdateRequest, ReadEnd, Role, TransportEnd};
use openschannel_stream::{Driver, Event, Plaintext, ReceiveDriver, SendDriver};

/// A connection whose client is in halves.
struct Halved {
    send: SendDriver,
    receive: ReceiveDriver,
    server: Driver,
}

fn halved(protocols: Protocols) -> Halved {
    let Duo { client, server, .. } = Duo::established(protocols);
    let (send, receive) = client.split().unwrap();
    Halved { send, receive, server }
}

impl Halved {
    /// What the sending half has goes to the server.
    fn up(&mut self) {
        let bytes = self.send.transmit().to_vec();
        self.send.transmitted(bytes.len());
        put(&bytes, |space| {
            self.server.receive_space().iter_mut().zip(space).map(|(to, from)| *to = *from).count()
        });
        self.server.received(bytes.len());
    }

    /// What the server has goes to the receiving half.
    fn down(&mut self) {
        let bytes = self.server.transmit().to_vec();
        self.server.transmitted(bytes.len());
        self.give(&bytes);
    }

    fn give(&mut self, bytes: &[u8]) {
        put(bytes, |space| {
            self.receive.receive_space().iter_mut().zip(space).map(|(to, from)| *to = *from).count()
        });
        self.receive.received(bytes.len());
    }

    fn server_reads(&mut self) -> Vec<u8> {
        let Plaintext::Data(data) = self.server.fill_plaintext().unwrap() else { panic!("no data") };
        let data = data.to_vec();
        self.server.consume(data.len());
        data
    }

    fn client_reads(&mut self) -> Vec<u8> {
        let Plaintext::Data(data) = self.receive.fill_plaintext().unwrap() else { panic!("no data") };
        let data = data.to_vec();
        self.receive.consume(data.len());
        data
    }
}

fn put(bytes: &[u8], copy: impl FnOnce(&[u8]) -> usize) {
    assert_eq!(copy(bytes), bytes.len(), "there is room");
}

#[test]
fn each_direction_ends_by_itself() {
    for version in VERSIONS {
        let mut pair = halved(version);
        assert_eq!(pair.send.write(b"question").unwrap(), 8);
        pair.send.close_write().unwrap();
        pair.send.close_write().unwrap();
        pair.up();
        assert_eq!(pair.server_reads(), b"question");
        assert_eq!(pair.server.fill_plaintext().unwrap(), Plaintext::End(ReadEnd::Clean));
        assert_eq!(pair.send.write(b"more").unwrap_err().status(), ErrorStatus::ContextExpired);
        assert!(pair.send.transmit().is_empty(), "one close_notify, and nothing behind it");

        // The other direction goes on.
        pair.server.write(b"answer").unwrap();
        pair.server.close_write().unwrap();
        pair.down();
        assert_eq!(pair.client_reads(), b"answer");
        assert_eq!(pair.receive.fill_plaintext().unwrap(), Plaintext::End(ReadEnd::Clean));
        assert_eq!((pair.send.bytes_sent(), pair.receive.bytes_received()), (8, 6));

        let report = Driver::join(pair.send, pair.receive).unwrap().closing_report();
        assert_eq!((report.read_end, report.close_sent), (ReadEnd::Clean, true));
        assert_eq!((report.bytes_sent, report.bytes_received), (8, 6));
    }
}

/// Bytes that were sealed or received before go with their half, once.
#[test]
fn what_waits_goes_with_its_half() {
    for version in VERSIONS {
        let Duo { mut client, mut server, .. } = Duo::established(version);
        server.write(b"received").unwrap();
        let bytes = server.transmit().to_vec();
        server.transmitted(bytes.len());
        client.receive_space()[..bytes.len()].copy_from_slice(&bytes);
        client.received(bytes.len());
        client.write(b"sealed").unwrap();
        let (send, receive) = client.split().unwrap();
        let mut pair = Halved { send, receive, server };
        assert_eq!(pair.client_reads(), b"received");
        pair.up();
        assert_eq!(pair.server_reads(), b"sealed");
        let client = Driver::join(pair.send, pair.receive).unwrap();
        assert!(client.transmit().is_empty());
    }
}

#[test]
fn two_threads_use_the_halves_at_once() {
    const BYTES: usize = 2_000_000;
    for version in VERSIONS {
        let Duo { client, server, .. } = Duo::established(version);
        let (mut client_send, mut client_receive) = client.split().unwrap();
        let (mut server_send, mut server_receive) = server.split().unwrap();
        let (up, at_server) = std::sync::mpsc::sync_channel::<Vec<u8>>(2);
        let (down, at_client) = std::sync::mpsc::sync_channel::<Vec<u8>>(2);
        let data = pattern(BYTES);
        let send = |half: &mut SendDriver, wire: std::sync::mpsc::SyncSender<Vec<u8>>| {
            let mut left = &data[..];
            while !left.is_empty() {
                // Every request is answered by the other side's sending half, whatever else it does.
                if half.attributes().protocol() == openschannel::attributes::Protocol::Tls13 {
                    half.key_update(KeyUpdateRequest::Requested).unwrap();
                }
                left = &left[half.write(left).unwrap()..];
                wire.send(half.transmit().to_vec()).unwrap();
                half.transmitted(usize::MAX);
            }
            half.close_write().unwrap();
            wire.send(half.transmit().to_vec()).unwrap();
        };
        let receive = |half: &mut ReceiveDriver, wire: std::sync::mpsc::Receiver<Vec<u8>>| {
            let mut all = Vec::new();
            for bytes in wire {
                let mut bytes = &bytes[..];
                while !bytes.is_empty() {
                    let space = half.receive_space();
                    let n = space.len().min(bytes.len());
                    space[..n].copy_from_slice(&bytes[..n]);
                    half.received(n);
                    bytes = &bytes[n..];
                    while let Plaintext::Data(data) = half.fill_plaintext().unwrap() {
                        all.extend_from_slice(data);
                        let n = data.len();
                        half.consume(n);
                    }
                }
            }
            all
        };
        std::thread::scope(|scope| {
            scope.spawn(|| send(&mut client_send, up));
            scope.spawn(|| send(&mut server_send, down));
            let server = scope.spawn(|| receive(&mut server_receive, at_server));
            assert!(receive(&mut client_receive, at_client) == data, "{version:?}");
            assert!(server.join().unwrap() == data, "{version:?}");
        });
        assert_eq!((client_receive.read_end(), server_receive.read_end()), (ReadEnd::Clean, ReadEnd::Clean));
    }
}

/// RFC 8446 section 4.6.3: the answer comes before the next data.
#[test]
fn the_sending_half_answers_a_key_update() {
    let mut pair = halved(Protocols::TLS1_3);
    pair.server.key_update(KeyUpdateRequest::Requested).unwrap();
    pair.down();
    assert_eq!(pair.receive.fill_plaintext().unwrap(), Plaintext::NeedsReceive);
    pair.send.catch_up();
    assert_eq!(pair.send.transmit().len(), 27, "a KeyUpdate");
    pair.send.catch_up();
    assert_eq!(pair.send.transmit().len(), 27, "one is enough");
    pair.send.write(b"under the new key").unwrap();
    pair.up();
    assert_eq!(pair.server_reads(), b"under the new key");

    // Behind the own close nothing is answered.
    pair.send.close_write().unwrap();
    pair.up();
    pair.server.key_update(KeyUpdateRequest::Requested).unwrap();
    pair.down();
    assert_eq!(pair.receive.fill_plaintext().unwrap(), Plaintext::NeedsReceive);
    pair.send.catch_up();
    assert!(pair.send.transmit().is_empty());
}

#[test]
fn what_fails_while_reading_is_told_by_the_sending_half() {
    let uses: [fn(&mut SendDriver); 4] = [
        |send| assert_eq!(send.write(b"x").unwrap_err().status(), ErrorStatus::ContextExpired),
        |send| send.catch_up(),
        |send| send.close_write().unwrap(),
        |send| assert!(send.send_alert(Alert::fatal(AlertDescription::INTERNAL_ERROR)).is_err()),
    ];
    for version in VERSIONS {
        for used in uses {
            let mut pair = halved(version);
            pair.give(&[&[23, 3, 3, 0, 40][..], &[7; 40]].concat());
            assert_eq!(pair.receive.fill_plaintext().unwrap_err().status(), ErrorStatus::MessageAltered);
            assert_eq!(pair.receive.fill_plaintext().unwrap_err().status(), ErrorStatus::MessageAltered);
            assert!(pair.send.is_closed());
            used(&mut pair.send);
            pair.up();
            let error = pair.server.fill_plaintext().unwrap_err();
            assert_eq!(
                error.received_alert(),
                Some(Alert::fatal(AlertDescription::BAD_RECORD_MAC)),
                "{version:?}"
            );
            used(&mut pair.send);
            assert!(pair.send.transmit().is_empty(), "told once");
        }
    }
}

#[test]
fn a_cut_is_the_receiving_halfs_verdict() {
    for (end, cut_inside, verdict) in [
        (TransportEnd::Eof, false, ReadEnd::Truncated { inside_record: false }),
        (TransportEnd::Eof, true, ReadEnd::Truncated { inside_record: true }),
        (TransportEnd::Reset, false, ReadEnd::Reset),
    ] {
        let mut pair = halved(Protocols::TLS1_3);
        pair.server.write(b"all there is").unwrap();
        pair.down();
        if cut_inside {
            pair.give(&[23, 3, 3]);
        }
        pair.receive.transport_ended(end);
        assert_eq!(pair.client_reads(), b"all there is", "what was received whole is delivered first");
        assert_eq!(pair.receive.fill_plaintext().unwrap(), Plaintext::End(verdict));
        assert_eq!(pair.receive.read_end(), verdict);
        // Writing goes on until the transport says otherwise.
        assert_eq!(pair.send.write(b"still").unwrap(), 5);
    }
}

#[test]
fn only_a_finished_handshake_splits_and_only_twins_join() {
    let (outbound, inbound) = quick_credentials(Protocols::TLS1_3);
    let mut duo = Duo::new(&outbound, &inbound);
    let client = std::mem::replace(&mut duo.client, Driver::server(&inbound, &ContextOptions::default()));
    duo.client = *client.split().unwrap_err();
    let server = std::mem::replace(&mut duo.server, Driver::server(&inbound, &ContextOptions::default()));
    duo.server = *server.split().unwrap_err();
    duo.settle().unwrap();
    assert!(duo.client.is_established(), "the refusal has changed nothing");

    let (send, receive) = duo.client.split().unwrap();
    let (other_send, other_receive) = duo.server.split().unwrap();
    let (send, other_receive) = *Driver::join(send, other_receive).unwrap_err();
    let mut client = Driver::join(send, receive).unwrap();
    let server = Driver::join(other_send, other_receive).unwrap();
    assert_eq!((client.role(), server.role()), (Role::Client, other(Role::Client)));
    assert_eq!(client.write(b"as before").unwrap(), 9);
}

/// Nobody could make the token call that SEC_I_RENEGOTIATE asks for.
#[test]
fn halves_of_a_compatible_context_consume_tickets() {
    let (outbound, inbound) = quick_credentials(Protocols::TLS1_3);
    let compatible =
        ContextOptions { post_handshake: Some(PostHandshake::Compatible), ..ContextOptions::default() };
    let mut duo = Duo::new(&outbound, &inbound);
    duo.client = Driver::client(&outbound, Some(harness::common::NAME), &compatible).unwrap();
    while !(duo.client.is_established() && duo.server.is_established()) {
        duo.client.advance().unwrap();
        duo.server.advance().unwrap();
        duo.flush(Role::Client);
        let bytes: Vec<u8> = duo.to_server.under_way.drain(..).collect();
        put(&bytes, |from| {
            duo.server.receive_space().iter_mut().zip(from).map(|(to, from)| *to = *from).count()
        });
        duo.server.received(bytes.len());
        if !duo.client.is_established() {
            let bytes = duo.server.transmit().to_vec();
            duo.server.transmitted(bytes.len());
            put(&bytes, |from| {
                duo.client.receive_space().iter_mut().zip(from).map(|(to, from)| *to = *from).count()
            });
            duo.client.received(bytes.len());
        }
    }
    assert!(!duo.server.transmit().is_empty(), "the tickets");
    let (send, receive) = duo.client.split().unwrap();
    let mut pair = Halved { send, receive, server: duo.server };
    pair.server.write(b"behind the tickets").unwrap();
    pair.down();
    assert_eq!(pair.client_reads(), b"behind the tickets");
}

#[test]
fn an_observer_is_told_by_both_halves() {
    let Duo { mut client, server, .. } = Duo::established(Protocols::TLS1_3);
    let calls = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&calls);
    client.set_observer(Box::new(move |event: &Event<'_>| {
        seen.lock().unwrap().push((event.call, event.alert));
    }));
    // Of its first call it was told at once.
    assert_eq!(calls.lock().unwrap().drain(..).count(), 1);
    let (send, receive) = client.split().unwrap();
    let mut pair = Halved { send, receive, server };
    pair.server.write(b"down").unwrap();
    pair.down();
    pair.client_reads();
    pair.send.write(b"up").unwrap();
    pair.send.key_update(KeyUpdateRequest::NotRequested).unwrap();
    pair.send.close_write().unwrap();
    assert_eq!(
        *calls.lock().unwrap(),
        [
            ("DecryptMessage", None),
            ("EncryptMessage", None),
            ("KeyUpdate", None),
            ("ApplyControlToken(SCHANNEL_SHUTDOWN)", Some(Alert::CLOSE_NOTIFY)),
        ]
    );
}

//! One thread encrypts while another decrypts on the same context (section 2, "Threads"), at both ends at once.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by it")]

mod common;

use std::io::Write as _;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, LazyLock, Mutex};
use std::thread;
use std::time::Instant;

use common::*;
use openschannel::credentials::{
    ClientSession, ClientSessionStore, MemoryClientSessions, NamedGroup, Protocols,
};
use openschannel::status::{ErrorStatus, SuccessStatus};
use openschannel::{
    ContextOptions, KeyUpdateRequest, ReadEnd, ReceiveHalf, SecurityContext, SendHalf, TokenBuffer,
};

/// Bytes each way, 1 GB.
const TOTAL: u64 = 1 << 30;

const MESSAGE: usize = 16_384;

/// Both sides ask for new keys every so many records.
const RECORDS_PER_UPDATE: u64 = 1_000;

/// Records on their way in one direction: enough that neither thread waits for each single record of the other.
const IN_FLIGHT: usize = 32;

/// A prime, so that what stands at a place of the stream differs from record to record.
const PERIOD: usize = 65_521;

/// What the stream holds, at any place: `PERIOD` bytes over and over, with enough behind them to cut a message out.
static PATTERN: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes: Vec<u8> = (0..PERIOD)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_be_bytes()[0]
        })
        .collect();
    bytes.extend_from_within(..MESSAGE);
    bytes
});

fn pattern(at: u64, len: usize) -> &'static [u8] {
    let start = usize::try_from(at % PERIOD as u64).unwrap();
    &PATTERN[start..start + len]
}

/// A direction of a transport; empty buffers go back for the next record.
struct Wire {
    out: SyncSender<Vec<u8>>,
    recycled: Receiver<Vec<u8>>,
}

struct WireEnd {
    incoming: Receiver<Vec<u8>>,
    recycled: SyncSender<Vec<u8>>,
}

fn wire() -> (Wire, WireEnd) {
    let (out, incoming) = sync_channel(IN_FLIGHT);
    let (back, recycled) = sync_channel(IN_FLIGHT + 1);
    (Wire { out, recycled }, WireEnd { incoming, recycled: back })
}

/// What one sending thread did.
struct Sent {
    updates_asked: u64,
}

fn pump_out(mut send: SendHalf, wire: Wire, total: u64) -> Sent {
    let sizes = send.attributes().stream_sizes();
    let is_tls13 = sizes.trailer == 44;
    let mut updates_asked = 0;
    let mut records = 0_u64;
    while send.bytes_sent() < total {
        let mut buffer = wire.recycled.try_recv().unwrap_or_default();
        buffer.resize(sizes.header + MESSAGE + sizes.trailer, 0);
        buffer[sizes.header..][..MESSAGE].copy_from_slice(pattern(send.bytes_sent(), MESSAGE));
        // The answer to the peer's KeyUpdate rides in the trailer.
        let len = send.encrypt_contiguous(&mut buffer, MESSAGE).unwrap();
        buffer.truncate(len);
        wire.out.send(buffer).unwrap();
        records += 1;
        if records.is_multiple_of(RECORDS_PER_UPDATE) {
            let mut output = TokenBuffer::allocate();
            let asked = send.key_update(KeyUpdateRequest::Requested, &mut output);
            if is_tls13 {
                asked.unwrap();
                updates_asked += 1;
                wire.out.send(output.into_vec()).unwrap();
            } else {
                assert_eq!(asked.unwrap_err().status(), ErrorStatus::UnsupportedFunction);
            }
        }
    }
    wire.out.send(send.close().unwrap()).unwrap();
    Sent { updates_asked }
}

/// Reads to the peer's end; gives the half and how many handshake records came.
fn pump_in(mut receive: ReceiveHalf, end: WireEnd) -> (ReceiveHalf, u64) {
    let mut handshake_records = 0;
    for mut buffer in end.incoming {
        let mut at = 0;
        while at < buffer.len() {
            let before = receive.bytes_received();
            let message = receive.decrypt(&mut buffer[at..]).unwrap();
            if message.status == SuccessStatus::ContextExpired {
                return (receive, handshake_records);
            }
            assert_eq!(message.status, SuccessStatus::Ok);
            let data = &buffer[at + message.data.start..at + message.data.end];
            assert!(data == pattern(before, data.len()), "wrong bytes behind {before}");
            handshake_records += u64::from(data.is_empty());
            at += message.extra.start;
        }
        end.recycled.try_send(buffer).ok();
    }
    panic!("the transport ended without a close_notify");
}

fn halves(context: SecurityContext) -> (SendHalf, ReceiveHalf) {
    context.split().map_err(|_| "not established").unwrap()
}

fn full_duplex(protocols: Protocols) {
    let started = Instant::now();
    let Pair { client, server, .. } = Pair::quiet(protocols);
    let ((client_send, client_receive), (server_send, server_receive)) = (halves(client), halves(server));
    let (up, up_end) = wire();
    let (down, down_end) = wire();
    thread::scope(|scope| {
        let client_sent = scope.spawn(|| pump_out(client_send, up, TOTAL));
        let server_sent = scope.spawn(|| pump_out(server_send, down, TOTAL));
        let client_read = scope.spawn(|| pump_in(client_receive, down_end));
        let server_read = scope.spawn(|| pump_in(server_receive, up_end));
        let asked = [client_sent.join().unwrap().updates_asked, server_sent.join().unwrap().updates_asked];
        let read = [client_read.join().unwrap(), server_read.join().unwrap()];
        for (receive, _) in &read {
            assert_eq!((receive.read_end(), receive.bytes_received()), (ReadEnd::Clean, TOTAL));
        }
        for (own_asked, peer_asked, arrived) in
            [(asked[0], asked[1], read[0].1), (asked[1], asked[0], read[1].1)]
        {
            if protocols == Protocols::TLS1_3 {
                assert_eq!(own_asked, TOTAL / MESSAGE as u64 / RECORDS_PER_UPDATE);
                // The peer's own, and its answers to ours: several questions may get one answer, one may ride on the peer's own, and
                // those that come when the peer has closed get none.
                assert!((peer_asked..=peer_asked + own_asked).contains(&arrived), "{arrived} KeyUpdates");
            } else {
                assert_eq!((own_asked, arrived), (0, 0));
            }
        }
    });
    // Past the test harness, which shows print! of failed tests only.
    writeln!(std::io::stderr(), "{protocols:?}: {TOTAL} bytes each way in {:.1?}", started.elapsed()).ok();
}

#[test]
fn a_gigabyte_each_way_under_tls12() {
    full_duplex(Protocols::TLS1_2);
}

#[test]
fn a_gigabyte_each_way_under_tls13() {
    full_duplex(Protocols::TLS1_3);
}

/// A session store that blocks the thread that puts a session in until it is let go.
#[derive(Debug)]
struct Gate {
    inner: MemoryClientSessions,
    entered: SyncSender<()>,
    leave: Mutex<Receiver<()>>,
}

impl ClientSessionStore for Gate {
    fn put(&self, target: &str, session: ClientSession) {
        self.entered.send(()).unwrap();
        self.leave.lock().unwrap().recv().unwrap();
        self.inner.put(target, session);
    }

    fn get_tls12(&self, target: &str) -> Option<ClientSession> {
        self.inner.get_tls12(target)
    }

    fn take_tls13(&self, target: &str) -> Option<ClientSession> {
        self.inner.take_tls13(target)
    }

    fn remove_tls12(&self, target: &str) {
        self.inner.remove_tls12(target);
    }

    fn remove(&self, target: &str) {
        self.inner.remove(target);
    }

    fn set_group_hint(&self, target: &str, group: NamedGroup) {
        self.inner.set_group_hint(target, group);
    }

    fn group_hint(&self, target: &str) -> Option<NamedGroup> {
        self.inner.group_hint(target)
    }
}

/// No lock is held across a call that the other half could want: while DecryptMessage stands still in the middle of a ticket, in a
/// session store that does not return, everything the sending half can do goes on on another thread, its end included. With a lock common
/// to both halves this test would not come to its end.
#[test]
fn the_sending_half_goes_on_while_decrypting_stands_still() {
    // Room for as many sessions as there may be.
    let (entered, has_entered) = sync_channel(8);
    let (let_go, leave) = sync_channel(8);
    let gate = Gate { inner: MemoryClientSessions::new(8), entered, leave: Mutex::new(leave) };
    let outbound = outbound().protocols(Protocols::TLS1_3).session_store(Arc::new(gate)).acquire().unwrap();
    let inbound = inbound().protocols(Protocols::TLS1_3).acquire().unwrap();
    let Pair { client, server, to_client, .. } =
        Pair::establish(&outbound, &inbound, &ContextOptions::default());
    assert!(!to_client.is_empty(), "tickets wait");
    let ((mut send, mut receive), (_server_send, mut server_receive)) = (halves(client), halves(server));

    let reading = thread::spawn(move || {
        let mut tickets = to_client;
        while !tickets.is_empty() {
            let message = receive.decrypt(&mut tickets).unwrap();
            assert_eq!((message.status, message.data.len()), (SuccessStatus::Ok, 0));
            tickets.drain(..message.extra.start);
        }
        receive
    });
    has_entered.recv().unwrap();

    let mut buffer = vec![0; 5 + MESSAGE + 44];
    for round in 0..1_000 {
        let at = send.bytes_sent();
        buffer[5..][..MESSAGE].copy_from_slice(pattern(at, MESSAGE));
        let len = send.encrypt_contiguous(&mut buffer, MESSAGE).unwrap();
        let message = server_receive.decrypt(&mut buffer[..len]).unwrap();
        assert!(buffer[message.data] == *pattern(at, MESSAGE));
        if round % 100 == 0 {
            let mut update = TokenBuffer::allocate();
            send.key_update(KeyUpdateRequest::NotRequested, &mut update).unwrap();
            server_receive.decrypt(&mut update.into_vec()).unwrap();
        }
    }
    let mut close_notify = send.close().unwrap();
    assert_eq!(server_receive.decrypt(&mut close_notify).unwrap().status, SuccessStatus::ContextExpired);
    assert_eq!(server_receive.read_end(), ReadEnd::Clean);
    assert!(!reading.is_finished());

    for _ in 0..8 {
        let_go.send(()).unwrap();
    }
    assert_eq!(reading.join().unwrap().read_end(), ReadEnd::Open);
}

/// The other way round: the thread with the sending half never gives a sign of life, and the receiving half does all it can.
#[test]
fn the_receiving_half_goes_on_while_nothing_is_sent() {
    for protocols in VERSIONS {
        let Pair { client, mut server, .. } = Pair::quiet(protocols);
        let (send, mut receive) = halves(client);
        let (stop, stopped) = sync_channel::<()>(1);
        let idle = thread::spawn(move || {
            stopped.recv().ok();
            send
        });
        for _ in 0..100 {
            let at = receive.bytes_received();
            let record = encrypt(&mut server, pattern(at, MESSAGE)).unwrap();
            let mut buffer = record;
            let message = receive.decrypt(&mut buffer).unwrap();
            assert!(buffer[message.data] == *pattern(at, MESSAGE));
            if protocols == Protocols::TLS1_3 {
                let mut update = TokenBuffer::allocate();
                server.key_update(KeyUpdateRequest::Requested, &mut update).unwrap();
                receive.decrypt(&mut update.into_vec()).unwrap();
            }
        }
        let end = receive.decrypt(&mut shut_down(&mut server)).unwrap();
        assert_eq!((end.status, receive.read_end()), (SuccessStatus::ContextExpired, ReadEnd::Clean));
        drop(stop);
        let send = idle.join().unwrap();
        assert_eq!(
            send.is_reply_due(),
            protocols == Protocols::TLS1_3,
            "a hundred requests are one answer owed"
        );
    }
}

/// Each half can go to a thread of its own, and neither can be used by two at once: all that works needs `&mut`.
#[test]
fn the_halves_can_be_sent() {
    fn can_be_sent<T: Send + 'static>() {}
    can_be_sent::<SendHalf>();
    can_be_sent::<ReceiveHalf>();
    can_be_sent::<SecurityContext>();
}

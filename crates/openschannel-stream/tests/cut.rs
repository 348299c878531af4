//! A conversation whose transport ends at every single byte: only a whole close_notify is a clean end (section 4.4 #8 to #11).
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod harness;

use harness::common::{VERSIONS, other};
use harness::{Duo, Link, boundaries, quick_credentials};
use openschannel::credentials::Protocols;
use openschannel::{ReadEnd, Role, TransportEnd};
use openschannel_stream::{Advance, Driver, Plaintext};

/// What both sides do whenever they can: the client asks and closes, the server answers and closes.
fn converse(version: Protocols, cut: (Role, usize, TransportEnd)) -> Duo {
    let (outbound, inbound) = quick_credentials(version);
    let mut duo = Duo::new(&outbound, &inbound);
    let link = Link { cut: Some((cut.1, cut.2)), ..Link::default() };
    match cut.0 {
        Role::Client => duo.to_client = link,
        Role::Server => duo.to_server = link,
    }
    let mut asked = false;
    loop {
        duo.settle().unwrap();
        let before = (duo.to_client.sent.len(), duo.to_server.sent.len());
        if duo.client.is_established() && !asked {
            asked = true;
            assert_eq!(duo.client.write(b"question").unwrap(), 8);
            duo.client.close_write().unwrap();
        }
        if duo.server.is_established()
            && read(&mut duo.server) == Some(ReadEnd::Clean)
            && !duo.server.closing_report().close_sent
        {
            assert_eq!(duo.server.write(b"answer").unwrap(), 6);
            duo.server.close_write().unwrap();
        }
        duo.settle().unwrap();
        if (duo.to_client.sent.len(), duo.to_server.sent.len()) == before {
            break;
        }
    }
    duo
}

/// Reads what there is and gives the verdict, if there is one.
fn read(side: &mut Driver) -> Option<ReadEnd> {
    if !side.is_established() {
        return match side.advance().unwrap() {
            Advance::Ended(end) => Some(end),
            _ => None,
        };
    }
    loop {
        match side.fill_plaintext().unwrap() {
            Plaintext::Data(data) => {
                let len = data.len();
                side.consume(len);
            }
            Plaintext::End(end) => return Some(end),
            Plaintext::NeedsReceive => return None,
        }
    }
}

fn cut_everywhere(version: Protocols, reader: Role, end: TransportEnd, stride: usize) {
    let mut at = 0;
    loop {
        let mut duo = converse(version, (reader, at, end));
        let verdict = read(duo.side(reader));
        let report = duo.side(reader).closing_report();
        let sent = duo.link_to(reader).sent.clone();
        // The lengths of signatures differ from run to run, and so does where the stream ends.
        let whole = at >= sent.len() && duo.side(other(reader)).closing_report().close_sent;
        let expected = match end {
            _ if whole => ReadEnd::Clean,
            TransportEnd::Reset => ReadEnd::Reset,
            TransportEnd::Eof => ReadEnd::Truncated { inside_record: !boundaries(&sent).contains(&at) },
        };
        assert_eq!(verdict, Some(expected), "{version:?} {reader:?} {end:?} at {at} of {}", sent.len());
        assert_eq!(report.read_end, expected);
        assert_eq!(report.handshake_complete, duo.side(reader).is_established());
        if whole {
            assert_eq!(report.bytes_received, if reader == Role::Server { 8 } else { 6 });
            break;
        }
        // An end in the handshake is one: nothing was delivered.
        assert!(report.handshake_complete || report.bytes_received == 0);
        assert!(at < 100_000, "it never ends");
        at += if stride == 1 || at + stride < sent.len() { stride } else { 1 };
    }
}

#[test]
fn an_eof_at_every_byte_a_tls13_client_reads() {
    cut_everywhere(Protocols::TLS1_3, Role::Client, TransportEnd::Eof, 1);
}

#[test]
fn an_eof_at_every_byte_a_tls13_server_reads() {
    cut_everywhere(Protocols::TLS1_3, Role::Server, TransportEnd::Eof, 1);
}

#[test]
fn an_eof_at_every_byte_a_tls12_client_reads() {
    cut_everywhere(Protocols::TLS1_2, Role::Client, TransportEnd::Eof, 1);
}

#[test]
fn an_eof_at_every_byte_a_tls12_server_reads() {
    cut_everywhere(Protocols::TLS1_2, Role::Server, TransportEnd::Eof, 1);
}

#[test]
fn a_reset_is_a_reset_wherever_it_comes_but_behind_a_close_notify() {
    for version in VERSIONS {
        for reader in [Role::Client, Role::Server] {
            cut_everywhere(version, reader, TransportEnd::Reset, 23);
        }
    }
}

//! Clients that hold on: slow ones, silent ones, vanished ones. `serve` lets go of each within its limits, which are made small here and
//! waited for; nothing that a client dribbles puts them off.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use common::*;
use openschannel::ContextOptions;
use openschannel::ReadEnd;
use openschannel::alert::AlertDescription;
use openschannel::credentials::{OutboundCredentials, Protocols, Trust};
use openschannel_stream::Driver;
use openschannel_stream::blocking::TlsStream;
use serde_json::Value;

/// Between two bytes of a client that dribbles: so short that its bytes come in time by themselves, so long that all of them do not.
const DRIP: Duration = Duration::from_millis(20);

/// When a server has not let go by then it will not.
const FOR_EVER: Duration = Duration::from_secs(60);

/// More than all buffers hold.
const ENDLESS: u64 = 200 << 20;

const VERSIONS: [Protocols; 2] = [Protocols::TLS1_2, Protocols::TLS1_3];

fn site() -> tempfile::TempDir {
    let site = tempfile::tempdir().unwrap();
    std::fs::write(site.path().join("small"), "small").unwrap();
    std::fs::File::create(site.path().join("endless")).unwrap().set_len(ENDLESS).unwrap();
    site
}

fn www(site: &Path, arguments: &[&str]) -> Served {
    Served::start(&[&["--www", site.to_str().unwrap()], arguments].concat())
}

fn credentials(server: &Served, protocols: Protocols) -> OutboundCredentials {
    let trust = Trust::roots_from_pem(&std::fs::read(&server.ca).unwrap()).unwrap();
    OutboundCredentials::builder().protocols(protocols).trust(trust).acquire().unwrap()
}

fn hello(server: &Served, protocols: Protocols) -> Vec<u8> {
    let credentials = credentials(server, protocols);
    let driver = Driver::client(&credentials, Some("localhost"), &ContextOptions::default()).unwrap();
    driver.transmit().to_vec()
}

/// A client that waits for its turn, but not for ever.
fn patient(server: &Served) -> TlsStream<TcpStream> {
    let socket = TcpStream::connect(server.address()).unwrap();
    socket.set_read_timeout(Some(FOR_EVER)).unwrap();
    let credentials = credentials(server, Protocols::TLS1_3);
    TlsStream::connect(socket, &credentials, Some("localhost"), &ContextOptions::default()).unwrap()
}

/// Sends `bytes` one by one, each when the server has had the time of a drip to say that it ends. Answers how many went out before it did.
fn dribble(socket: &mut TcpStream, bytes: &[u8]) -> usize {
    socket.set_read_timeout(Some(DRIP)).unwrap();
    for (sent, byte) in bytes.iter().enumerate() {
        if socket.write_all(&[*byte]).is_err() {
            return sent;
        }
        match socket.read(&mut [0; 1000]) {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            _ => return sent,
        }
    }
    bytes.len()
}

fn error_of(line: &Value) -> &str {
    line["error"].as_str().unwrap_or_default()
}

#[test]
fn a_handshake_that_dribbles_stops_or_never_begins_is_let_go() {
    let mut server = Served::start(&["--echo", "--handshake-time", "0.5", "--close-time", "0.1"]);
    for protocols in VERSIONS {
        let hello = hello(&server, protocols);
        // Long enough to be under way when the time is over, though every byte of it comes in time.
        let hello = [hello.as_slice(), &[0; 1000]].concat();
        let mut slow = TcpStream::connect(server.address()).unwrap();
        let mut stopped = TcpStream::connect(server.address()).unwrap();
        let silent = TcpStream::connect(server.address()).unwrap();
        stopped.write_all(&hello[..hello.len() - 1000]).unwrap();
        // Its last byte is the one that is answered.
        assert!(dribble(&mut slow, &hello) + 1 < hello.len() - 1000, "it was let say everything");
        for _ in 0..3 {
            let line = server.next_line();
            assert!(error_of(&line).contains("did not finish the handshake in time"), "{line}");
            assert_eq!((&line["handshake_complete"], &line["read_end"]), (&false.into(), &"open".into()));
        }
        drop((stopped, silent));
    }
}

/// Whoever waits in the queue has his turn when those are gone who held all places and said nothing.
#[test]
fn silent_clients_hold_all_places_for_the_handshake_time_only() {
    let mut server =
        Served::start(&["--echo", "--max-connections", "2", "--handshake-time", "2", "--close-time", "0.1"]);
    let silent: Vec<_> = (0..2).map(|_| TcpStream::connect(server.address()).unwrap()).collect();
    // One behind the other, and more than there are places: each is given back.
    for _ in 0..5 {
        let mut honest = patient(&server);
        honest.write_all(b"hello").unwrap();
        honest.read_exact(&mut [0; 5]).unwrap();
        honest.close(FOR_EVER).unwrap();
    }
    let lines: Vec<_> = (0..7).map(|_| server.next_line()).collect();
    // Before the first of them was one let go that said nothing; the other may have been so at the same moment.
    assert!(error_of(&lines[0]).contains("handshake in time"), "{lines:?}");
    assert_eq!(lines.iter().filter(|line| line["read_end"] == "clean").count(), 5, "{lines:?}");
    drop(silent);
}

/// The head of a request byte by byte, and header fields without an end.
#[test]
fn a_request_that_never_ends_is_let_go() {
    let site = site();
    let mut server = www(site.path(), &["--idle-time", "1"]);
    for protocols in VERSIONS {
        let mut client = server.client(protocols);
        client.write_all(b"GET /small HTTP/1.1\r\nHost: a\r\n").unwrap();
        client.flush().unwrap();
        let mut fields = b"X: y\r\n".iter().cycle();
        let read = wait_for_bytes(&mut client, DRIP, |client| {
            client.write_all(&[*fields.next().unwrap()]).unwrap();
        });
        // Nothing was answered, so that the end is one in order.
        assert_eq!(read, 0);
        assert_eq!(client.report().read_end, ReadEnd::Clean);
        client.close(FOR_EVER).unwrap();
        assert_eq!(server.next_line()["bytes_sent"], 0);
    }
}

/// One request behind the other, and an echo without an end: each keeps the connection busy, and none keeps it for ever. The handshake
/// counts too: a machine that is too slow to have more than one round in the time is given more of it.
#[test]
fn a_client_that_always_wants_more_is_closed_in_order() {
    let site = site();
    for request in ["GET /small HTTP/1.1\r\nHost: a\r\n\r\n", "x"] {
        for protocols in VERSIONS {
            let busy = ["1", "8", "40"].iter().any(|time| {
                let server = match request {
                    "x" => Served::start(&["--echo", "--connection-time", time]),
                    _ => www(site.path(), &["--connection-time", time]),
                };
                rounds_until_closed(server, protocols, request) > 1
            });
            assert!(busy, "no connection has had a second round");
        }
    }
}

fn rounds_until_closed(mut server: Served, protocols: Protocols, request: &str) -> usize {
    let mut client = server.client(protocols);
    let began = Instant::now();
    let mut rounds = 0;
    // Until the answer is the last one, or the end comes in its place.
    loop {
        assert!(began.elapsed() < FOR_EVER, "it may go on for ever");
        if client.write_all(request.as_bytes()).and_then(|()| client.flush()).is_err() {
            break;
        }
        let mut answer = Vec::new();
        let wanted: &[u8] = if request == "x" { b"x" } else { b"small" };
        let mut byte = [0];
        while !answer.ends_with(wanted) && client.read(&mut byte).unwrap() == 1 {
            answer.push(byte[0]);
        }
        if !answer.ends_with(wanted) {
            assert!(answer.is_empty(), "an answer that was begun is finished");
            break;
        }
        rounds += 1;
    }
    assert_eq!(client.report().read_end, ReadEnd::Clean);
    client.close(FOR_EVER).unwrap();
    let line = server.next_line();
    assert_eq!((&line["read_end"], error_of(&line)), (&"clean".into(), ""), "{line}");
    rounds
}

/// A byte of the answer now and then, or none at all: what was sent ends in an alert, not like a whole answer.
#[test]
fn a_client_that_does_not_take_its_answer_is_let_go() {
    let site = site();
    let mut server = www(site.path(), &["--stall-time", "1", "--close-time", "0.1"]);
    let mut clients = VERSIONS.map(|protocols| server.client(protocols));
    for client in &mut clients {
        client.write_all(b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        client.flush().unwrap();
        // Whoever takes a byte is no better than who takes none: it is the piece that counts.
        client.read_exact(&mut [0]).unwrap();
    }
    for client in &mut clients {
        let line = server.next_line();
        assert!(error_of(&line).contains("does not take its answer"), "{line}");
        assert_ne!(line["close_sent"], true, "{line}");
        assert_broken_off(client);
    }
}

#[test]
fn a_client_that_does_not_take_its_echo_is_let_go() {
    let mut server = Served::start(&["--echo", "--stall-time", "1", "--close-time", "0.1"]);
    let mut client = server.client(Protocols::TLS1_3);
    // It says and says, and does not read: until neither socket takes more.
    client.get_mut().set_nonblocking(true).unwrap();
    let said = [7; 16_384];
    let mut written = 0;
    let line = std::thread::scope(|scope| {
        let line = scope.spawn(|| server.next_line());
        while !line.is_finished() {
            match client.write(&said) {
                Ok(n) => written += n,
                Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::yield_now(),
                Err(_) => break,
            }
        }
        line.join().unwrap()
    });
    assert!(error_of(&line).contains("does not take its echo"), "{line}");
    assert_ne!(line["close_sent"], true, "{line}");
    client.get_mut().set_nonblocking(false).unwrap();
    assert_broken_off(&mut client);
}

/// What had been sent is there, and behind it an alert or, if there was no room for it, nothing; an end in order never.
fn assert_broken_off(client: &mut TlsStream<TcpStream>) {
    let mut rest = Vec::new();
    assert!(client.read_to_end(&mut rest).is_err());
    assert!((rest.len() as u64) < ENDLESS);
    let end = client.report().read_end;
    let alert = ReadEnd::Alert(AlertDescription::INTERNAL_ERROR);
    assert!(end == alert || matches!(end, ReadEnd::Truncated { .. } | ReadEnd::Reset), "{end:?}");
}

/// The server has closed, and the client never answers: neither by a close_notify nor by anything else.
#[test]
fn a_close_that_is_never_answered_is_given_up() {
    let mut server = Served::start(&["--echo", "--idle-time", "0.2", "--close-time", "1"]);
    let clients = VERSIONS.map(|protocols| {
        let mut client = server.client(protocols);
        assert_eq!(client.read(&mut [0]).unwrap(), 0);
        client
    });
    for _ in &clients {
        let line = server.next_line();
        assert_eq!((&line["read_end"], &line["close_sent"]), (&"open".into(), &true.into()), "{line}");
    }
}

/// The peer of a connection that lasts asks for new keys again and again: that is no sign of life. They come so seldom that the time is
/// over long before there are too many of them, and a server that they kept would find out only then, with an alert.
#[test]
fn key_updates_do_not_put_the_idle_time_off() {
    let mut server = Served::start(&["--echo", "--idle-time", "1"]);
    let mut client = server.client(Protocols::TLS1_3);
    let read = wait_for_bytes(&mut client, 3 * DRIP, |client| {
        client.driver_mut().key_update(openschannel::KeyUpdateRequest::Requested).unwrap();
    });
    assert_eq!(read, 0);
    assert_eq!(client.report().read_end, ReadEnd::Clean);
    client.close(FOR_EVER).unwrap();
    assert_eq!(server.next_line()["bytes_received"], 0);
}

/// Lets the client say something every so often, until there is something to read; how much that is.
fn wait_for_bytes(
    client: &mut TlsStream<TcpStream>,
    every: Duration,
    mut say: impl FnMut(&mut TlsStream<TcpStream>),
) -> usize {
    client.get_mut().set_read_timeout(Some(every)).unwrap();
    let began = Instant::now();
    loop {
        match client.read(&mut [0]) {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            other => break other.unwrap(),
        }
        assert!(began.elapsed() < FOR_EVER, "it may go on for ever");
        say(client);
        client.flush().unwrap();
    }
}

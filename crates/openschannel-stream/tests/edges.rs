//! What is easily lost at the edges: alerts between the halves, the last word of a full connection, a reset that only one half met,
//! transports with moods.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod harness;

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use harness::common::{NAME, VERSIONS, credentials};
use harness::{Duo, Socket, pattern, quick_credentials, sockets};
use openschannel::alert::{Alert, AlertDescription};
use openschannel::credentials::{PostHandshake, Protocols};
use openschannel::status::ErrorStatus;
use openschannel::{ContextOptions, KeyUpdateRequest, ReadEnd, Role, TransportEnd};
use openschannel_stream::blocking::{TlsStream, Transport};
use openschannel_stream::{
    Advance, CloseBudget, CloseFailed, Driver, Event, Plaintext, TlsAcceptor, TlsConnector,
};

const AGES: Duration = Duration::from_secs(3_600);

fn give(driver: &mut Driver, bytes: &[u8]) {
    driver.receive_space()[..bytes.len()].copy_from_slice(bytes);
    driver.received(bytes.len());
}

fn forged() -> Vec<u8> {
    [&[23, 3, 3, 0, 40][..], &[7; 40]].concat()
}

/// A failure that the receiving half has found is told when both halves are one again.
#[test]
fn joining_loses_no_alert_that_is_owed() {
    for version in VERSIONS {
        let Duo { client, mut server, .. } = Duo::established(version);
        let (send, mut receive) = client.split().unwrap();
        let forged = forged();
        receive.receive_space()[..forged.len()].copy_from_slice(&forged);
        receive.received(forged.len());
        assert_eq!(receive.fill_plaintext().unwrap_err().status(), ErrorStatus::MessageAltered);
        let mut client = Driver::join(send, receive).unwrap();
        client.close_write().unwrap();
        let told = client.transmit().to_vec();
        give(&mut server, &told);
        let alert = server.fill_plaintext().unwrap_err().received_alert();
        assert_eq!(alert, Some(Alert::fatal(AlertDescription::BAD_RECORD_MAC)), "{version:?}");
    }
}

/// A fatal alert ends the connection, also of a server that has nobody to tell yet: whoever comes then is not served.
#[test]
fn a_fatal_alert_before_the_client_came_ends_the_connection() {
    for version in VERSIONS {
        let (outbound, inbound) = quick_credentials(version);
        let mut duo = Duo::new(&outbound, &inbound);
        duo.server.send_alert(Alert::fatal(AlertDescription::INTERNAL_ERROR)).unwrap();
        let hello = duo.client.transmit().to_vec();
        give(&mut duo.server, &hello);
        for _ in 0..2 {
            let error = duo.server.advance().unwrap_err();
            assert_eq!(error.status(), ErrorStatus::ContextExpired, "{version:?}");
        }
        assert!(duo.server.transmit().is_empty());
        let report = duo.server.closing_report();
        assert_eq!(
            report.read_end,
            ReadEnd::Failed(ErrorStatus::ContextExpired),
            "as behind any own fatal alert"
        );
        assert!(!report.handshake_complete);
    }
}

/// The first end decides: an alert that nobody hears any more makes no failure of a cut.
#[test]
fn a_fatal_alert_behind_the_transports_end_changes_no_verdict() {
    let (outbound, inbound) = quick_credentials(VERSIONS[0]);
    for (end, verdict) in [
        (TransportEnd::Eof, ReadEnd::Truncated { inside_record: false }),
        (TransportEnd::Reset, ReadEnd::Reset),
    ] {
        let mut duo = Duo::new(&outbound, &inbound);
        duo.server.transport_ended(end);
        for _ in 0..2 {
            assert!(matches!(duo.server.advance(), Ok(Advance::Ended(end)) if end == verdict), "{verdict:?}");
            duo.server.send_alert(Alert::fatal(AlertDescription::INTERNAL_ERROR)).ok();
        }
        assert_eq!(duo.server.closing_report().read_end, verdict);
    }
}

/// A server has nobody to tell before the first ClientHello; afterwards it does.
#[test]
fn a_close_before_the_client_came_is_told_when_it_has_come() {
    for version in VERSIONS {
        let (outbound, inbound) = quick_credentials(version);
        let mut duo = Duo::new(&outbound, &inbound);
        duo.server.close_write().unwrap();
        assert!(duo.server.transmit().is_empty());
        duo.settle().unwrap();
        assert_eq!(duo.read(Role::Client).unwrap(), (Vec::new(), Some(ReadEnd::Clean)), "{version:?}");
        assert!(duo.server.closing_report().close_sent);
        // Reading goes on.
        duo.write(Role::Client, b"half-close");
        assert_eq!(duo.read(Role::Server).unwrap().0, b"half-close");
    }
}

/// A fatal alert is an end of its own: no SHUTDOWN is asked for behind it, however often the handshake is asked about.
#[test]
fn nothing_is_called_behind_a_fatal_alert() {
    for version in VERSIONS {
        let mut client = Duo::established(version).client;
        client.send_alert(Alert::fatal(AlertDescription::INTERNAL_ERROR)).unwrap();
        let calls = Arc::new(Mutex::new(0));
        let counted = Arc::clone(&calls);
        client.set_observer(Box::new(move |_: &Event<'_>| *counted.lock().unwrap() += 1));
        let told = std::mem::take(&mut *calls.lock().unwrap());
        assert!(told <= 1, "of the first call, made before");
        let waiting = client.transmit().len();
        assert_eq!(client.advance().unwrap(), Advance::Established);
        assert_eq!((client.transmit().len(), *calls.lock().unwrap()), (waiting, 0), "{version:?}");
    }
}

/// And one that the whole has told already is not told again by the half.
#[test]
fn splitting_tells_no_failure_twice() {
    for version in VERSIONS {
        let Duo { mut client, .. } = Duo::established(version);
        give(&mut client, &forged());
        client.fill_plaintext().unwrap_err();
        assert!(!client.transmit().is_empty(), "the alert");
        client.transmitted(usize::MAX);
        let (mut send, _receive) = client.split().unwrap();
        send.catch_up();
        send.close_write().unwrap();
        assert!(send.is_closed());
        assert!(send.transmit().is_empty(), "{version:?}: {} bytes once more", send.transmit().len());
    }
}

/// The output is full of records of one byte, so that it has no room for an alert. A close_notify in its place would make what was sent
/// so far look complete.
#[test]
fn a_fatal_alert_finds_room_in_a_full_output() {
    for version in VERSIONS {
        let alert = Alert::fatal(AlertDescription::INTERNAL_ERROR);
        let full = |write: &mut dyn FnMut() -> usize| while write() > 0 {};

        let mut duo = Duo::established(version);
        full(&mut || duo.client.write(b"x").unwrap());
        duo.client.send_alert(alert).unwrap();
        duo.client.close_write().unwrap();
        let error = loop {
            match duo.read(Role::Server) {
                Ok((data, None)) => assert!(!data.is_empty(), "the alert never comes"),
                Ok((_, Some(end))) => panic!("{version:?}: {end:?}"),
                Err(error) => break error,
            }
        };
        assert_eq!(error.received_alert(), Some(alert), "{version:?}");

        let (mut send, _receive) = Duo::established(version).client.split().unwrap();
        full(&mut || send.write(b"x").unwrap());
        send.send_alert(alert).unwrap();
    }
}

/// In compatible mode each KeyUpdate is answered at once, and data between them keeps them from counting as a flood.
#[test]
fn a_peer_that_asks_for_keys_and_does_not_read_fills_nothing() {
    let (outbound, inbound) = quick_credentials(Protocols::TLS1_3);
    let compatible =
        ContextOptions { post_handshake: Some(PostHandshake::Compatible), ..ContextOptions::default() };
    let mut duo = Duo::new(&outbound, &inbound);
    duo.server = Driver::server(&inbound, &compatible);
    duo.settle().unwrap();
    assert_eq!(duo.client.fill_plaintext().unwrap(), Plaintext::NeedsReceive, "tickets");
    let mut heard = 0;
    for _ in 0..20_000 {
        // Our own drivers do not ask again before they have heard the answer: this one hears it though it was never sent.
        let answers = duo.server.transmit().get(heard..).unwrap_or_default().to_vec();
        heard += answers.len();
        give(&mut duo.client, &answers);
        assert_eq!(duo.client.fill_plaintext().unwrap(), Plaintext::NeedsReceive);
        duo.client.key_update(KeyUpdateRequest::Requested).unwrap();
        duo.client.write(b"x").unwrap();
        let asked = duo.client.transmit().to_vec();
        duo.client.transmitted(usize::MAX);
        give(&mut duo.server, &asked);
        match duo.server.fill_plaintext() {
            Ok(Plaintext::Data(data)) => assert_eq!(data, b"x"),
            other => {
                assert_eq!(other.unwrap_err().status(), ErrorStatus::InsufficientMemory);
                assert!(duo.server.transmit().len() > 100_000, "more than data may take");
                return;
            }
        }
        duo.server.consume(1);
        assert!(duo.server.transmit().len() < 200_000, "{}", duo.server.transmit().len());
    }
    panic!("{} bytes wait", duo.server.transmit().len());
}

fn streams(version: Protocols) -> (TlsStream<Moody>, TlsStream<Socket>) {
    let (outbound, inbound) = credentials(version);
    let options = ContextOptions::default();
    let (client, server) = sockets();
    let client = Moody { socket: client, full: false, gone: false, shrug: false };
    let mut client = TlsStream::from_driver(client, Driver::client(&outbound, Some(NAME), &options).unwrap());
    let mut server = TlsStream::from_driver(server, Driver::server(&inbound, &options));
    let mut done = [false; 2];
    while done != [true; 2] {
        done = [client.handshake().is_ok(), server.handshake().is_ok()];
    }
    assert_eq!(client.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock, "tickets");
    (client, server)
}

/// A socket with one trait or the other.
struct Moody {
    socket: Socket,
    /// It takes nothing.
    full: bool,
    /// It says that it has taken nothing, and not why.
    shrug: bool,
    /// It takes no timeouts: as macOS, once both directions have ended.
    gone: bool,
}

impl Moody {
    fn set(&self) -> io::Result<()> {
        if self.gone { Err(ErrorKind::InvalidInput.into()) } else { Ok(()) }
    }
}

impl Read for Moody {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.socket.read(buf)
    }
}

impl Write for Moody {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match (self.full, self.shrug) {
            (true, _) => Err(ErrorKind::WouldBlock.into()),
            (_, true) => Ok(0),
            _ => self.socket.write(buf),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush()
    }
}

impl Transport for Moody {
    fn shutdown_write(&mut self) -> io::Result<()> {
        self.socket.shutdown_write()
    }

    fn read_timeout(&self) -> io::Result<Option<Duration>> {
        Ok(None)
    }

    fn set_read_timeout(&mut self, _: Option<Duration>) -> io::Result<()> {
        self.set()
    }

    fn write_timeout(&self) -> io::Result<Option<Duration>> {
        Ok(None)
    }

    fn set_write_timeout(&mut self, _: Option<Duration>) -> io::Result<()> {
        self.set()
    }
}

#[test]
fn a_socket_that_takes_no_options_behind_its_end_is_closed_in_order() {
    for version in VERSIONS {
        let (mut client, mut server) = streams(version);
        server.write_all(b"last words").unwrap();
        server.close_write().unwrap();
        client.get_mut().gone = true;
        let report = client.close(AGES).unwrap();
        assert_eq!((report.read_end, report.close_sent, report.limit), (ReadEnd::Clean, true, None));
        assert_eq!(report.discarded, 10);
    }
}

/// Who is told to wait must have read what has come: of that, an edge-triggered poll does not tell again.
#[test]
fn a_close_that_finds_no_room_reads_all_that_has_come() {
    for version in VERSIONS {
        let (mut client, mut server) = streams(version);
        client.get_mut().full = true;
        client.get_mut().socket.chunk = 1_000;
        server.write_all(&pattern(50_000)).unwrap();
        let budget = CloseBudget::new(u64::MAX, AGES);
        assert_eq!(client.close(budget).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert_eq!(
            client.get_mut().read(&mut [0; 1]).unwrap_err().kind(),
            ErrorKind::WouldBlock,
            "{version:?}"
        );
        assert_eq!(client.report().bytes_received, 50_000);
        // And then it goes on.
        client.get_mut().full = false;
        server.close_write().unwrap();
        assert_eq!(client.close(budget).unwrap().read_end, ReadEnd::Clean);
        let Plaintext::NeedsReceive = server.driver_mut().fill_plaintext().unwrap() else {
            panic!("nothing was read")
        };
        assert_eq!(server.read(&mut [0]).unwrap(), 0);
    }
}

/// Asking again and again would never end; and what is missing stays missing, whatever the transport says later.
#[test]
fn a_transport_that_shrugs_fails_the_close() {
    for version in VERSIONS {
        let (mut client, mut server) = streams(version);
        client.get_mut().full = true;
        assert_eq!(client.write(b"never sent").unwrap(), 10);
        client.get_mut().full = false;
        client.get_mut().shrug = true;
        server.close_write().unwrap();
        for _ in 0..2 {
            let error = client.close(AGES).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::WriteZero);
            let failed = error.get_ref().and_then(|source| source.downcast_ref::<CloseFailed>()).unwrap();
            assert_eq!((failed.report().read_end, failed.report().close_sent), (ReadEnd::Clean, false));
            client.get_mut().shrug = false;
        }
    }
}

/// No sum of times overflows, and no socket refuses them.
#[test]
fn all_the_time_in_the_world_is_a_budget() {
    let (outbound, inbound) = credentials(Protocols::TLS1_3);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let forever = CloseBudget::new(u64::MAX, Duration::MAX);
    let server = thread::spawn(move || {
        // A transport that is known when the program runs can be closed in order too.
        let transport: Box<dyn Transport> = Box::new(listener.accept().unwrap().0);
        TlsAcceptor::from(inbound).accept(transport).unwrap().close(forever).unwrap()
    });
    let mut stream =
        TlsConnector::from(outbound).connect(NAME, TcpStream::connect(address).unwrap()).unwrap();
    for report in [stream.close(forever).unwrap(), server.join().unwrap()] {
        assert_eq!((report.read_end, report.close_sent, report.limit), (ReadEnd::Clean, true, None));
    }
}

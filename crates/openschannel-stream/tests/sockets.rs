//! Both adaptors over real sockets.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod harness;

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use harness::common::{NAME, VERSIONS, credentials};
use openschannel::credentials::Protocols;
use openschannel::{ContextOptions, ReadEnd};
use openschannel_stream::blocking::TlsStream;
use openschannel_stream::{CloseBudget, CloseLimit, TlsAcceptor, TlsConnector};

#[test]
fn blocking_streams_talk_and_close_over_tcp() {
    for version in VERSIONS {
        let (outbound, inbound) = credentials(version);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let (socket, _) = listener.accept().unwrap();
            let mut stream = TlsStream::accept(socket, &inbound, &ContextOptions::default()).unwrap();
            let mut request = String::new();
            stream.read_to_string(&mut request).unwrap();
            // The client has closed: half-close lets the answer through.
            stream.write_all(request.to_uppercase().as_bytes()).unwrap();
            stream.close_write().unwrap();
            stream.report()
        });
        let socket = TcpStream::connect(address).unwrap();
        let mut stream =
            TlsStream::connect(socket, &outbound, Some(NAME), &ContextOptions::default()).unwrap();
        stream.write_all(b"hello").unwrap();
        stream.close_write().unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert_eq!(answer, "HELLO");
        for report in [stream.report(), server.join().unwrap()] {
            assert_eq!((report.read_end, report.close_sent), (ReadEnd::Clean, true));
            assert_eq!((report.bytes_sent, report.bytes_received), (5, 5));
        }
    }
}

/// The kernel of a side that closes with data unread sends a reset: no clean end, and known as what it is.
#[cfg(target_os = "linux")]
#[test]
fn a_reset_by_the_kernel_is_no_end() {
    for version in VERSIONS {
        let (outbound, inbound) = credentials(version);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            TlsStream::accept(listener.accept().unwrap().0, &inbound, &ContextOptions::default()).unwrap()
        });
        let socket = TcpStream::connect(address).unwrap();
        let mut stream =
            TlsStream::connect(socket, &outbound, Some(NAME), &ContextOptions::default()).unwrap();
        let server = server.join().unwrap();
        stream.write_all(b"never read").unwrap();
        drop(server);
        let error = stream.read(&mut [0; 1]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        assert_eq!(stream.report().read_end, ReadEnd::Reset);
        // Closing a connection that is gone fails, and does not panic or hang.
        assert!(stream.close_write().is_err());
        assert_eq!(stream.linger(Duration::from_secs(60)).unwrap().read_end, ReadEnd::Reset);
    }
}

/// A client that sends its hello a byte at a time is let go when the time is over, and one that does not is served.
#[test]
fn a_handshake_has_an_end_however_it_dribbles() {
    let (outbound, inbound) = credentials(VERSIONS[1]);
    let acceptor = TlsAcceptor::from(inbound);
    for (time, dribbles) in [(Duration::from_millis(300), true), (Duration::from_secs(60), false)] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let acceptor = acceptor.clone();
        let server = thread::spawn(move || {
            let mut stream = acceptor.begin(listener.accept().unwrap().0);
            stream.get_ref().set_read_timeout(Some(Duration::from_secs(3_600))).unwrap();
            let shaken = stream.handshake_within(time);
            let timeouts =
                (stream.get_ref().read_timeout().unwrap(), stream.get_ref().write_timeout().unwrap());
            assert_eq!(timeouts, (Some(Duration::from_secs(3_600)), None), "they are set back");
            shaken.map_err(|error| error.kind())
        });
        if dribbles {
            // A record of which every byte comes long before the time is over, and all of them long after.
            let record = [&[22, 3, 1, 4, 0][..], &[0; 1024]].concat();
            socket.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
            let sent = record.iter().take_while(|byte| {
                let waits =
                    |error: &io::Error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
                socket.write_all(&[**byte]).is_ok() && socket.read(&mut [0]).is_err_and(|error| waits(&error))
            });
            assert!(sent.count() < record.len());
            assert_eq!(server.join().unwrap(), Err(ErrorKind::TimedOut));
        } else {
            let client = TlsConnector::from(outbound.clone()).connect(NAME, socket);
            assert_eq!(server.join().unwrap(), Ok(()));
            assert!(client.is_ok());
        }
    }
}

/// A peer that neither sends nor closes holds nobody for longer than the budget.
#[test]
fn lingering_over_tcp_ends_in_time() {
    let (outbound, inbound) = credentials(VERSIONS[1]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = thread::spawn(move || {
        TlsStream::accept(listener.accept().unwrap().0, &inbound, &ContextOptions::default()).unwrap()
    });
    let socket = TcpStream::connect(address).unwrap();
    let mut stream = TlsStream::connect(socket, &outbound, Some(NAME), &ContextOptions::default()).unwrap();
    let mut server = server.join().unwrap();
    stream.close_write().unwrap();
    let lingered = stream.linger(Duration::from_millis(20)).unwrap();
    assert_eq!((lingered.read_end, lingered.limit), (ReadEnd::Open, Some(CloseLimit::Time)));
    assert_eq!(stream.get_ref().read_timeout().unwrap(), None);
    // The peer answers after all, and nothing was lost by having waited in vain.
    server.write_all(b"late").unwrap();
    server.close_write().unwrap();
    let lingered = stream.linger(Duration::from_secs(60)).unwrap();
    assert_eq!((lingered.read_end, lingered.discarded), (ReadEnd::Clean, 4));
}

/// Two streams over TCP.
fn established(version: Protocols) -> (TlsStream<TcpStream>, TlsStream<TcpStream>) {
    let (outbound, inbound) = credentials(version);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = thread::spawn(move || {
        TlsStream::accept(listener.accept().unwrap().0, &inbound, &ContextOptions::default()).unwrap()
    });
    let socket = TcpStream::connect(address).unwrap();
    let client = TlsStream::connect(socket, &outbound, Some(NAME), &ContextOptions::default()).unwrap();
    (client, server.join().unwrap())
}

/// Writes until neither the socket nor the stream takes more, and has not for a while: what a socket takes grows as it goes.
fn fill(stream: &mut TlsStream<TcpStream>) -> u64 {
    stream.get_ref().set_write_timeout(Some(Duration::from_millis(30))).unwrap();
    let mut written = 0;
    let error = loop {
        match stream.write(&[7; 16_384]) {
            Ok(n) => written += n as u64,
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    stream.get_ref().set_write_timeout(None).unwrap();
    written
}

/// A peer that does not read holds nobody for longer than the budget either, whatever timeouts the socket has.
#[test]
fn closing_over_tcp_ends_in_time_though_nobody_reads() {
    for version in VERSIONS {
        let (mut client, mut server) = established(version);
        let written = fill(&mut client);
        client.get_ref().set_write_timeout(Some(Duration::from_secs(3_600))).unwrap();
        let report = client.close(Duration::from_millis(20)).unwrap();
        assert_eq!((report.close_sent, report.limit), (false, Some(CloseLimit::Time)));
        assert_eq!(report.read_end, ReadEnd::Open);
        let timeouts = (client.get_ref().read_timeout().unwrap(), client.get_ref().write_timeout().unwrap());
        assert_eq!(timeouts, (None, Some(Duration::from_secs(3_600))), "the caller's are back");
        // It reads after all: nothing was lost by having waited in vain.
        let server = thread::spawn(move || {
            let read = io::copy(&mut server, &mut io::sink()).unwrap();
            (read, server.close(Duration::from_secs(60)).unwrap())
        });
        let report = client.close(Duration::from_secs(60)).unwrap();
        assert_eq!((report.close_sent, report.limit, report.read_end), (true, None, ReadEnd::Clean));
        let (read, report) = server.join().unwrap();
        assert_eq!((read, report.read_end), (written, ReadEnd::Clean));
    }
}

/// Both sides have written more than the wire holds. Whoever waited for room before he reads would wait for the other for ever.
#[test]
fn closing_over_tcp_from_both_sides_with_full_buffers_ends() {
    for version in VERSIONS {
        let (mut client, mut server) = established(version);
        let written = [fill(&mut client), fill(&mut server)];
        let budget = CloseBudget::new(u64::MAX, Duration::from_secs(60));
        let server = thread::spawn(move || server.close(budget).unwrap());
        let reports = [server, thread::spawn(move || client.close(budget).unwrap())]
            .map(|thread| thread.join().unwrap());
        for (report, written) in reports.iter().zip(written) {
            assert_eq!((report.read_end, report.close_sent, report.limit), (ReadEnd::Clean, true, None));
            assert_eq!(report.discarded, written);
        }
    }
}

//! Both adaptors over real sockets.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod harness;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use harness::common::{NAME, VERSIONS, credentials};
use openschannel::{ContextOptions, ReadEnd};
use openschannel_stream::CloseLimit;
use openschannel_stream::blocking::TlsStream;

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
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        assert_eq!(stream.report().read_end, ReadEnd::Reset);
        // Closing a connection that is gone fails, and does not panic or hang.
        assert!(stream.close_write().is_err());
        assert_eq!(stream.linger(Duration::from_secs(60)).unwrap().read_end, ReadEnd::Reset);
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

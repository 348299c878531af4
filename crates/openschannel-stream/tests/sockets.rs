//! Both adaptors over real sockets.

mod harness;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use harness::common::{NAME, VERSIONS, credentials};
use openschannel::{ContextOptions, ReadEnd};
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

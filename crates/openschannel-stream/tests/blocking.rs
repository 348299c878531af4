//! The blocking adaptor over a socket in memory that moves a byte at a time and stumbles at every call.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod harness;

use std::io::{self, BufRead, ErrorKind, Read, Write};
use std::time::Duration;

use harness::common::{NAME, VERSIONS, credentials};
use harness::{Socket, pattern, sockets};
use openschannel::alert::{Alert, AlertDescription};
use openschannel::credentials::Protocols;
use openschannel::status::{Error, ErrorStatus};
use openschannel::{ContextOptions, KeyUpdateRequest, ReadEnd};
use openschannel_stream::blocking::{TlsStream, Transport};
use openschannel_stream::{CloseBudget, CloseLimit, Driver, ReadEnded};

type Stream = TlsStream<Socket>;

/// Two streams before their handshake.
fn streams(version: Protocols) -> (Stream, Stream) {
    let (outbound, inbound) = credentials(version);
    let options = ContextOptions::default();
    let (client, server) = sockets();
    let driver = Driver::client(&outbound, Some(NAME), &options).unwrap();
    (
        TlsStream::from_driver(client, driver),
        TlsStream::from_driver(server, Driver::server(&inbound, &options)),
    )
}

fn established(version: Protocols) -> (Stream, Stream) {
    let (mut client, mut server) = streams(version);
    shake_hands(&mut client, &mut server);
    (client, server)
}

fn shake_hands(client: &mut Stream, server: &mut Stream) {
    for _ in 0..1_000_000 {
        let done = [client.handshake(), server.handshake()].map(|result| again(result).is_some());
        if done == [true, true] {
            return;
        }
    }
    panic!("the handshake stands still");
}

/// [`None`]: to be called again.
fn again<T>(result: io::Result<T>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(error) if error.kind() == ErrorKind::WouldBlock => None,
        Err(error) => panic!("{error}"),
    }
}

fn insist<T>(mut call: impl FnMut() -> io::Result<T>) -> T {
    (0..1_000_000).find_map(|_| again(call())).expect("it never succeeds")
}

#[test]
fn every_call_can_be_asked_again() {
    for version in VERSIONS {
        let (mut client, mut server) = streams(version);
        for socket in [client.get_mut(), server.get_mut()] {
            (socket.chunk, socket.stutter) = (1, true);
        }
        shake_hands(&mut client, &mut server);
        for (writer, reader) in [(0, 1), (1, 0)] {
            let sides = [&mut client, &mut server];
            let data = pattern(20_000);
            let (mut written, mut read) = (0, Vec::new());
            while read.len() < data.len() {
                if written < data.len() {
                    written += again(sides[writer].write(&data[written..])).unwrap_or(0);
                } else {
                    again(sides[writer].flush());
                }
                let mut buffer = [0; 777];
                let n = again(sides[reader].read(&mut buffer)).unwrap_or(0);
                read.extend_from_slice(&buffer[..n]);
            }
            assert!(read == data);
        }
        // The client ends first; the server's last words still arrive.
        insist(|| client.close_write());
        assert_eq!(insist(|| server.read(&mut [0; 9])), 0);
        let written = insist(|| server.write(b"goodbye"));
        assert_eq!(written, 7);
        insist(|| server.close_write());
        insist(|| server.close_write());
        let mut words = Vec::new();
        loop {
            let mut word = [0; 1];
            match insist(|| client.read(&mut word)) {
                0 => break,
                _ => words.push(word[0]),
            }
        }
        assert_eq!(words, b"goodbye");
        for stream in [&client, &server] {
            assert_eq!((stream.report().read_end, stream.report().close_sent), (ReadEnd::Clean, true));
        }
    }
}

#[test]
fn writing_after_the_own_close_is_a_broken_pipe() {
    for version in VERSIONS {
        let (mut client, mut server) = established(version);
        client.close_write().unwrap();
        let error = client.write(b"more").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        assert_eq!(source(&error).status(), ErrorStatus::ContextExpired);
        assert_eq!(server.read(&mut [0; 4]).unwrap(), 0);
    }
}

fn source(error: &io::Error) -> &Error {
    error.get_ref().and_then(|source| source.downcast_ref()).expect("the provider's error")
}

fn ended(error: &io::Error) -> &ReadEnded {
    error.get_ref().and_then(|source| source.downcast_ref()).expect("a verdict")
}

#[test]
fn a_cut_and_a_reset_are_told_apart() {
    for version in VERSIONS {
        // Between records.
        let (mut client, mut server) = established(version);
        client.write_all(b"twelve bytes").unwrap();
        client.get_mut().shutdown_write().unwrap();
        let mut data = Vec::new();
        let error = server.read_to_end(&mut data).unwrap_err();
        assert_eq!((error.kind(), &data[..]), (ErrorKind::UnexpectedEof, &b"twelve bytes"[..]));
        assert_eq!(ended(&error).end(), ReadEnd::Truncated { inside_record: false });
        assert_eq!((ended(&error).delivered(), ended(&error).in_handshake()), (12, false));
        assert_eq!(ended(&server.read(&mut data).unwrap_err()).delivered(), 12, "asked again, told again");

        // Inside one.
        let (mut client, mut server) = established(version);
        client.get_mut().write_all(&[23, 3, 3, 0]).unwrap();
        client.get_mut().shutdown_write().unwrap();
        let error = server.read(&mut [0; 9]).unwrap_err();
        assert_eq!(ended(&error).end(), ReadEnd::Truncated { inside_record: true });

        // By a reset, with the transport's error kept.
        let (mut client, mut server) = established(version);
        client.write_all(b"abc").unwrap();
        client.get_mut().reset_peer();
        let mut data = Vec::new();
        let error = server.read_to_end(&mut data).unwrap_err();
        assert_eq!((error.kind(), &data[..]), (ErrorKind::ConnectionReset, &b"abc"[..]));
        assert_eq!(ended(&error).end(), ReadEnd::Reset);
        assert!(std::error::Error::source(ended(&error)).is_some());

        // A reset behind a close_notify is none, nor is an answer that cannot be sent.
        let (mut client, mut server) = established(version);
        client.write_all(b"abc").unwrap();
        client.close_notify().unwrap();
        client.get_mut().reset_peer();
        // What was encrypted counts as written; that it met the reset is told behind it.
        assert_eq!(server.write(b"x").unwrap(), 1);
        assert_eq!(server.flush().unwrap_err().kind(), ErrorKind::BrokenPipe);
        assert_eq!(server.read_to_end(&mut Vec::new()).unwrap(), 3);
        assert_eq!(server.report().read_end, ReadEnd::Clean);
        assert!(server.close_write().is_err());
        assert_eq!(server.read(&mut [0; 9]).unwrap(), 0);
    }
}

#[test]
fn a_handshake_that_is_cut_says_so() {
    for version in VERSIONS {
        let (mut client, mut server) = streams(version);
        client.get_mut().write_all(&[22, 3]).unwrap();
        client.get_mut().shutdown_write().unwrap();
        let error = server.handshake().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
        assert!(ended(&error).in_handshake());
        assert_eq!(ended(&error).end(), ReadEnd::Truncated { inside_record: true });
        assert!(!server.report().handshake_complete);
        // A close in the middle of it is no success either.
        let (mut client, mut server) = streams(version);
        again(client.handshake());
        client.close_notify().unwrap();
        let error = server.handshake().unwrap_err();
        assert_eq!(ended(&error).end(), ReadEnd::Clean);
    }
}

/// The peer's reason is read even though it takes no more from us.
#[test]
fn a_refusal_is_heard_though_sending_fails() {
    let (mut client, mut server) = streams(Protocols::TLS1_3);
    again(client.handshake());
    again(server.handshake());
    server.driver_mut().send_alert(Alert::fatal(AlertDescription::ACCESS_DENIED)).unwrap();
    server.flush().unwrap();
    server.get_mut().reset_peer();
    let error = client.handshake().unwrap_err();
    assert_eq!(source(&error).received_alert().unwrap().description, AlertDescription::ACCESS_DENIED);
}

#[test]
fn failures_carry_the_providers_error() {
    for version in VERSIONS {
        let (mut client, mut server) = established(version);
        client.get_mut().write_all(&[23, 3, 3, 0, 40]).unwrap();
        client.get_mut().write_all(&[7; 40]).unwrap();
        for _ in 0..2 {
            let error = server.read(&mut [0; 9]).unwrap_err();
            assert_eq!(
                (error.kind(), source(&error).status()),
                (ErrorKind::InvalidData, ErrorStatus::MessageAltered)
            );
        }
        // The alert is on its way already.
        let error = client.read(&mut [0; 9]).unwrap_err();
        assert_eq!(source(&error).received_alert().unwrap().description, AlertDescription::BAD_RECORD_MAC);
    }
}

#[test]
fn a_key_update_is_answered_by_reading() {
    let (mut client, mut server) = established(Protocols::TLS1_3);
    client.driver_mut().key_update(KeyUpdateRequest::Requested).unwrap();
    client.write_all(b"line\n").unwrap();
    let mut line = String::new();
    server.read_line(&mut line).unwrap();
    assert_eq!(line, "line\n");
    assert_eq!(server.driver().transmit().len(), 27);
    assert_eq!(server.read(&mut [0; 1]).unwrap_err().kind(), ErrorKind::WouldBlock);
    assert!(server.driver().transmit().is_empty(), "sent before waiting");
    server.write_all(b"ok").unwrap();
    assert_eq!(client.read(&mut [0; 9]).unwrap(), 2);
}

#[test]
fn lingering_ends_by_the_peer_by_bytes_or_by_time() {
    for version in VERSIONS {
        // Nothing comes: the transport does not block, and its owner is told.
        let (mut client, mut server) = established(version);
        client.get_mut().timeout = Some(Duration::from_secs(77));
        client.close_write().unwrap();
        let error = client.linger(Duration::from_secs(60)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        assert_eq!(client.get_ref().timeout, Some(Duration::from_secs(77)), "the caller's timeout is back");
        let lingered = client.linger(Duration::ZERO).unwrap();
        assert_eq!((lingered.limit, lingered.read_end), (Some(CloseLimit::Time), ReadEnd::Open));

        // More comes than is wanted.
        server.write_all(&pattern(50_000)).unwrap();
        let little = CloseBudget::new(1_000, Duration::from_secs(60));
        let mut lingered = client.linger(little).unwrap();
        assert_eq!(lingered.limit, Some(CloseLimit::Bytes));
        assert!(lingered.discarded < 50_000);

        // The peer ends; what was read is counted over all calls.
        server.close_write().unwrap();
        while lingered.limit == Some(CloseLimit::Bytes) {
            lingered = client.linger(little).unwrap();
        }
        assert_eq!((lingered.limit, lingered.read_end, lingered.discarded), (None, ReadEnd::Clean, 50_000));

        // Or what comes is wanted after all.
        let (mut client, mut server) = established(version);
        client.close_write().unwrap();
        server.write_all(b"an answer under way").unwrap();
        server.get_mut().shutdown_write().unwrap();
        let mut late = Vec::new();
        let lingered =
            client.linger_with(CloseBudget::default(), |data| late.extend_from_slice(data)).unwrap();
        assert_eq!(late, b"an answer under way");
        assert_eq!(lingered.read_end, ReadEnd::Truncated { inside_record: false });
    }
}

/// The last step is the peer's; meanwhile each call answers WouldBlock, and nothing is done twice.
#[test]
fn closing_both_sides_by_turns_comes_to_a_clean_end() {
    for version in VERSIONS {
        let (mut client, mut server) = established(version);
        client.write_all(b"never read").unwrap();
        for socket in [client.get_mut(), server.get_mut()] {
            (socket.chunk, socket.stutter) = (1, true);
        }
        let mut reports = [None, None];
        for _ in 0..1_000 {
            for (stream, report) in [&mut client, &mut server].into_iter().zip(&mut reports) {
                if report.is_none() {
                    *report = again(stream.close(Duration::from_secs(60)));
                }
            }
        }
        for (report, discarded) in reports.map(Option::unwrap).iter().zip([0, 10]) {
            assert_eq!((report.read_end, report.limit), (ReadEnd::Clean, None));
            assert_eq!((report.close_sent, report.discarded), (true, discarded));
        }
    }
}

//! Streams whose two directions are owned apart, over real sockets.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]
#![cfg(feature = "tokio")]

mod harness;

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use harness::common::{NAME, VERSIONS, credentials};
use harness::pattern;
use openschannel::alert::{Alert, AlertDescription};
use openschannel::credentials::Protocols;
use openschannel::status::Error;
use openschannel::{ContextOptions, KeyUpdateRequest, ReadEnd};
use openschannel_stream::blocking::{self, Halves};
use openschannel_stream::{Driver, ReadEnded, TlsAcceptor, TlsConnector, Truncation};

/// More than the buffers of both sockets hold, so that a writer waits for its reader.
const BYTES: usize = 8 << 20;

type Stream = blocking::TlsStream<TcpStream>;

fn tcp() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (client, listener.accept().unwrap().0)
}

fn established(version: Protocols) -> (Stream, Stream) {
    let (outbound, inbound) = credentials(version);
    let (client, server) = tcp();
    let server = thread::spawn(move || TlsAcceptor::from(inbound).accept(server).unwrap());
    let client = TlsConnector::from(outbound).connect(NAME, client).unwrap();
    (client, server.join().unwrap())
}

/// Every direction is full all the time; whoever waited with a lock in his hand would wait for ever.
#[test]
fn four_threads_use_two_connections_ends_at_once() {
    for version in VERSIONS {
        let (client, server) = established(version);
        let data = pattern(BYTES);
        let both = [client, server].map(|stream| stream.into_split().unwrap());
        let both: Vec<Halves<TcpStream>> = thread::scope(|scope| {
            let running = both.map(|(mut read, mut write)| {
                let data = &data;
                let reader = scope.spawn(move || {
                    let mut all = Vec::new();
                    read.read_to_end(&mut all).unwrap();
                    assert!(all == *data);
                    assert_eq!(read.driver().read_end(), ReadEnd::Clean);
                    read
                });
                let writer = scope.spawn(move || {
                    write.write_all(data).unwrap();
                    write.close_write().unwrap();
                    write.close_write().unwrap();
                    assert_eq!(write.write(b"more").unwrap_err().kind(), ErrorKind::BrokenPipe);
                    write
                });
                (reader, writer)
            });
            running.map(|(reader, writer)| (reader.join().unwrap(), writer.join().unwrap())).into()
        });
        for (read, write) in both {
            let mut whole = Stream::reunite(read, write).unwrap();
            let report = whole.close(Duration::from_secs(10)).unwrap();
            assert_eq!((report.read_end, report.close_sent, report.limit), (ReadEnd::Clean, true, None));
            assert_eq!(whole.report().bytes_received, BYTES as u64);
        }
    }
}

/// The writing half answers what the reading half was asked, with its next flush.
#[test]
fn a_key_update_is_answered_by_the_other_half() {
    let (client, mut server) = established(Protocols::TLS1_3);
    let (mut read, mut write) = client.into_split().unwrap();
    server.driver_mut().key_update(KeyUpdateRequest::Requested).unwrap();
    server.write_all(b"under the new key").unwrap();
    let mut space = [0; 17];
    read.read_exact(&mut space).unwrap();
    assert_eq!(write.driver().transmit().len(), 0);
    write.flush().unwrap();
    write.write_all(b"and so am I").unwrap();
    let mut space = [0; 11];
    server.read_exact(&mut space).unwrap();
    assert_eq!(&space, b"and so am I");
}

#[test]
fn a_failure_is_told_by_the_other_half() {
    for version in VERSIONS {
        let (client, mut server) = established(version);
        let (mut read, mut write) = client.into_split().unwrap();
        server.get_mut().write_all(&[&[23, 3, 3, 0, 40][..], &[7; 40]].concat()).unwrap();
        assert_eq!(read.read(&mut [0]).unwrap_err().kind(), ErrorKind::InvalidData);
        assert_eq!(write.write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
        let error = server.read(&mut [0]).unwrap_err();
        let alert =
            error.get_ref().and_then(|source| source.downcast_ref::<Error>()).unwrap().received_alert();
        assert_eq!(alert, Some(Alert::fatal(AlertDescription::BAD_RECORD_MAC)), "{version:?}");
    }
}

#[test]
fn a_cut_is_an_error_or_what_the_policy_says() {
    for version in VERSIONS {
        let (client, mut server) = established(version);
        let (mut read, write) = client.into_split().unwrap();
        server.write_all(b"all there is").unwrap();
        drop(server);
        let mut all = Vec::new();
        let error = read.read_to_end(&mut all).unwrap_err();
        assert_eq!((error.kind(), &all[..]), (ErrorKind::UnexpectedEof, &b"all there is"[..]));
        let ended = error.get_ref().and_then(|source| source.downcast_ref::<ReadEnded>()).unwrap();
        assert_eq!((ended.delivered(), ended.in_handshake()), (12, false));
        read.set_truncation(Truncation::AcceptAtRecordBoundary);
        assert_eq!(read.read(&mut [0]).unwrap(), 0);
        // What the halves knew, the whole knows.
        let whole = Stream::reunite(read, write).unwrap();
        assert_eq!(whole.truncation(), Truncation::AcceptAtRecordBoundary);
        assert_eq!(whole.report().read_end, ReadEnd::Truncated { inside_record: false });
    }
}

/// A socket tells of its reset once, to whoever asks first; behind that reading looks like a FIN, which a policy might take for an end.
#[cfg(target_os = "linux")]
#[test]
fn a_reset_that_the_writing_half_meets_is_the_reading_halfs_too() {
    for version in VERSIONS {
        let (client, server) = established(version);
        let (mut read, mut write) = client.into_split().unwrap();
        write.write_all(b"never read").unwrap();
        drop(server);
        let error = loop {
            if let Err(error) = write.write(b"more") {
                break error;
            }
        };
        read.set_truncation(Truncation::Accept);
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        assert_eq!(read.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset, "{version:?}");
        assert_eq!(read.driver().read_end(), ReadEnd::Reset);
    }
}

#[test]
fn what_does_not_split_or_fit_comes_back() {
    let (outbound, _) = credentials(Protocols::TLS1_3);
    let (client, _server) = tcp();
    let driver = Driver::client(&outbound, Some(NAME), &ContextOptions::default()).unwrap();
    let refused = blocking::TlsStream::from_driver(client, driver).into_split().unwrap_err();
    assert!(refused.to_string().contains("handshake"), "{refused}");
    let (stream, error) = refused.into_parts();
    assert_eq!(error.kind(), ErrorKind::NotConnected);
    assert!(!stream.driver().transmit().is_empty(), "the ClientHello waits as before");

    let (client, server) = established(Protocols::TLS1_3);
    let ((client_read, client_write), (server_read, server_write)) =
        (client.into_split().unwrap(), server.into_split().unwrap());
    let (client_read, server_write) = *Stream::reunite(client_read, server_write).unwrap_err();
    let mut client = Stream::reunite(client_read, client_write).unwrap();
    let mut server = Stream::reunite(server_read, server_write).unwrap();
    client.write_all(b"as before").unwrap();
    let mut space = [0; 9];
    server.read_exact(&mut space).unwrap();
    assert_eq!(&space, b"as before");
}

#[cfg(feature = "tokio")]
mod tasks {
    use super::*;
    use ::tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use ::tokio::net::TcpStream as Tcp;
    use openschannel_stream::tokio as asynchronous;

    type Stream = asynchronous::TlsStream<Tcp>;

    fn run(test: impl Future<Output = ()>) {
        let mut runtime = ::tokio::runtime::Builder::new_multi_thread();
        runtime.worker_threads(2).enable_all().build().unwrap().block_on(test);
    }

    async fn established(version: Protocols) -> (Stream, Stream) {
        let (outbound, inbound) = credentials(version);
        let (client, server) = tcp();
        let [client, server] = [client, server].map(|socket| {
            socket.set_nonblocking(true).unwrap();
            Tcp::from_std(socket).unwrap()
        });
        let (acceptor, connector) = (TlsAcceptor::from(inbound), TlsConnector::from(outbound));
        let server = ::tokio::spawn(async move { acceptor.accept_async(server).await.unwrap() });
        (connector.connect_async(NAME, client).await.unwrap(), server.await.unwrap())
    }

    #[test]
    fn four_tasks_use_two_connections_ends_at_once() {
        run(async {
            for version in VERSIONS {
                let (client, server) = established(version).await;
                let both = [client, server].map(|stream| stream.into_split().unwrap());
                let mut tasks = Vec::new();
                for (mut read, mut write) in both {
                    let reader = ::tokio::spawn(async move {
                        let mut all = Vec::new();
                        read.read_to_end(&mut all).await.unwrap();
                        assert!(all == pattern(BYTES));
                        read
                    });
                    let writer = ::tokio::spawn(async move {
                        write.write_all(&pattern(BYTES)).await.unwrap();
                        write.shutdown().await.unwrap();
                        assert_eq!(write.write(b"more").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
                        write
                    });
                    tasks.push((reader, writer));
                }
                for (reader, writer) in tasks {
                    let mut whole = Stream::reunite(reader.await.unwrap(), writer.await.unwrap()).unwrap();
                    let report = whole.close(Duration::from_secs(10)).await.unwrap();
                    assert_eq!(
                        (report.read_end, report.close_sent, report.limit),
                        (ReadEnd::Clean, true, None)
                    );
                }
            }
        });
    }

    #[test]
    fn a_failure_is_told_by_the_other_half() {
        run(async {
            for version in VERSIONS {
                let (client, mut server) = established(version).await;
                let (mut read, mut write) = client.into_split().unwrap();
                server.get_mut().write_all(&[&[23, 3, 3, 0, 40][..], &[7; 40]].concat()).await.unwrap();
                assert_eq!(read.read(&mut [0]).await.unwrap_err().kind(), ErrorKind::InvalidData);
                write.flush().await.unwrap();
                let error = server.read(&mut [0]).await.unwrap_err();
                let source = error.get_ref().and_then(|source| source.downcast_ref::<Error>()).unwrap();
                assert_eq!(source.received_alert(), Some(Alert::fatal(AlertDescription::BAD_RECORD_MAC)));
            }
        });
    }

    #[test]
    fn halves_of_two_connections_do_not_join() {
        run(async {
            let (client, server) = established(Protocols::TLS1_2).await;
            let (client, server) = (client.into_split().unwrap(), server.into_split().unwrap());
            let (read, write) = *Stream::reunite(client.0, server.1).unwrap_err();
            assert!(Stream::reunite(read, client.1).is_ok());
            assert!(Stream::reunite(server.0, write).is_ok());
        });
    }
}

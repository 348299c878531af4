//! Two sides that both say more than everything between them holds, over real sockets with small buffers, and that read a byte at a
//! time: neither waits for the other for ever, and every byte arrives.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]
#![cfg(feature = "tokio")]

#[path = "../../openschannel/tests/common/mod.rs"]
mod common;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use common::{NAME, VERSIONS, credentials};
use openschannel::ReadEnd;
use openschannel::credentials::Protocols;
use openschannel_stream::{CloseReport, TlsAcceptor, TlsConnector, blocking, tokio::TlsStream};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;
use tokio::runtime::{Builder, Runtime};

/// Asked of the system for each direction of each socket; it makes it a little more.
const BUFFER: u32 = 4_096;

/// Of a direction: more than the sockets and the streams have room for, which is some 150 KiB.
const BYTES: usize = 400_000;

/// A write that fills the stream's output.
const WRITE: usize = 100_000;

/// More time than a test takes.
const PATIENCE: Duration = Duration::from_secs(60);

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// Two connected sockets with small buffers, set before they are connected so that the windows are small too.
async fn sockets() -> [tokio::net::TcpStream; 2] {
    let small = || {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_send_buffer_size(BUFFER).unwrap();
        socket.set_recv_buffer_size(BUFFER).unwrap();
        socket
    };
    let listening = small();
    listening.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = listening.listen(1).unwrap();
    let client = small().connect(listener.local_addr().unwrap());
    let (client, server) = tokio::join!(client, listener.accept());
    [client.unwrap(), server.unwrap().0]
}

/// A client and a server over such sockets.
async fn connected(version: Protocols) -> [TlsStream<tokio::net::TcpStream>; 2] {
    let (outbound, inbound) = credentials(version);
    let [client, server] = sockets().await;
    let server = tokio::spawn(async move { TlsAcceptor::from(inbound).accept_async(server).await.unwrap() });
    let client = TlsConnector::from(outbound).connect_async(NAME, client).await.unwrap();
    [client, server.await.unwrap()]
}

/// What a side says: of its own, so that no byte is taken for the other's.
fn said_by(side: usize) -> Vec<u8> {
    (0..BYTES).map(|i| (i * 7 + i / 251 + side * 101).to_le_bytes()[0]).collect()
}

fn assert_clean(report: &CloseReport) {
    assert_eq!((report.read_end, report.close_sent, report.limit), (ReadEnd::Clean, true, None));
}

#[test]
fn four_threads_end_clean() {
    for version in VERSIONS {
        let (outbound, inbound) = credentials(version);
        let [client, server] = runtime().block_on(sockets()).map(|socket| {
            let socket = socket.into_std().unwrap();
            socket.set_nonblocking(false).unwrap();
            socket
        });
        let server = thread::spawn(move || TlsAcceptor::from(inbound).accept(server).unwrap());
        let client = TlsConnector::from(outbound).connect(NAME, client).unwrap();
        let halves = [client, server.join().unwrap()].map(|stream| stream.into_split().unwrap());
        thread::scope(|scope| {
            let running = halves.into_iter().enumerate().map(|(side, (mut read, mut write))| {
                let writer = scope.spawn(move || {
                    for part in said_by(side).chunks(WRITE) {
                        write.write_all(part).unwrap();
                    }
                    write.close_write().unwrap();
                    write
                });
                let reader = scope.spawn(move || {
                    let mut all = Vec::new();
                    let mut byte = [0];
                    while read.read(&mut byte).unwrap() == 1 {
                        all.push(byte[0]);
                    }
                    assert!(all == said_by(1 - side));
                    read
                });
                (reader, writer)
            });
            for (reader, writer) in running.collect::<Vec<_>>() {
                let (read, write) = (reader.join().unwrap(), writer.join().unwrap());
                let mut whole = blocking::TlsStream::<TcpStream>::reunite(read, write).unwrap();
                assert_clean(&whole.close(PATIENCE).unwrap());
            }
        });
    }
}

#[test]
fn four_tasks_end_clean() {
    runtime().block_on(async {
        for version in VERSIONS {
            let running = connected(version).await.into_iter().enumerate().map(|(side, stream)| {
                let (mut read, mut write) = stream.into_split().unwrap();
                let writer = tokio::spawn(async move {
                    for part in said_by(side).chunks(WRITE) {
                        write.write_all(part).await.unwrap();
                    }
                    write.close_write().await.unwrap();
                    write
                });
                let reader = tokio::spawn(async move {
                    let mut all = Vec::new();
                    let mut byte = [0];
                    while read.read(&mut byte).await.unwrap() == 1 {
                        all.push(byte[0]);
                    }
                    assert!(all == said_by(1 - side));
                    read
                });
                (reader, writer)
            });
            for (reader, writer) in running.collect::<Vec<_>>() {
                let mut whole =
                    TlsStream::<tokio::net::TcpStream>::reunite(reader.await.unwrap(), writer.await.unwrap())
                        .unwrap();
                assert_clean(&whole.close(PATIENCE).await.unwrap());
            }
        }
    });
}

/// Neither reads before it has said everything; closing is what makes room, since it reads while it cannot send.
#[test]
fn sides_that_close_with_everything_full_end_clean() {
    runtime().block_on(async {
        for version in VERSIONS {
            let closing = connected(version).await.map(|mut stream| {
                tokio::spawn(async move {
                    // As much as goes in without anybody reading.
                    let said = said_by(0);
                    let mut written = 0;
                    while let Some(n) = once(stream.write(&said[..WRITE])) {
                        written += n;
                        assert!(written < 1 << 30, "a socket without an end");
                    }
                    let report = stream.close(PATIENCE).await.unwrap();
                    assert_clean(&report);
                    (written as u64, report.discarded)
                })
            });
            let [one, other] = closing;
            let ((one_said, one_heard), (other_said, other_heard)) =
                (one.await.unwrap(), other.await.unwrap());
            assert_eq!((one_said, other_said), (other_heard, one_heard));
            assert!(one_said > 0 && other_said > 0);
        }
    });
}

/// What a call has to say at once.
fn once<T>(call: impl Future<Output = std::io::Result<T>>) -> Option<T> {
    use std::task::{Context, Poll, Waker};
    match std::pin::pin!(call).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => Some(done.unwrap()),
        Poll::Pending => None,
    }
}

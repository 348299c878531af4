//! Real sockets: a close destroys nothing that the peer has not read, and a socket that is merely dropped does.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]
#![cfg(target_os = "linux")]

#[path = "../../openschannel/tests/common/mod.rs"]
mod common;

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use common::{NAME, VERSIONS, credentials};
use openschannel::ReadEnd;
use openschannel_stream::blocking::TlsStream;
use openschannel_stream::{CloseBudget, CloseReport, TlsAcceptor, TlsConnector};

/// What the client sends and the server never reads.
const UPLOAD: usize = 100_000;

/// What the client sends when it has read the server's end.
const LATE: usize = 50_000;

/// More time than a test takes.
const BUDGET: CloseBudget = CloseBudget::new(1 << 20, Duration::from_secs(60));

/// How the server ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Close,
    /// A close_notify, and the socket is dropped.
    Naive,
}

/// What the server and the client tell each other besides.
struct Signals {
    /// The upload is sent.
    uploaded: Receiver<()>,
    /// The client may read now: so much was written.
    written: Sender<usize>,
}

type Server = fn(TcpStream, &TlsAcceptor, &Signals, Ending) -> Option<CloseReport>;

/// Writes until neither the socket nor the stream takes more, so that much of it is still in this side's kernel.
fn serve_blocking(
    socket: TcpStream,
    acceptor: &TlsAcceptor,
    signals: &Signals,
    ending: Ending,
) -> Option<CloseReport> {
    let mut stream = acceptor.accept(socket).unwrap();
    signals.uploaded.recv().unwrap();
    stream.get_ref().set_nonblocking(true).unwrap();
    let written = fill(|data| match stream.write(data) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => None,
        written => Some(written.unwrap()),
    });
    stream.get_ref().set_nonblocking(false).unwrap();
    match ending {
        Ending::Close => {
            signals.written.send(written).unwrap();
            Some(stream.close(BUDGET).unwrap())
        }
        Ending::Naive => {
            stream.get_ref().set_nonblocking(true).unwrap();
            stream.close_notify().ok();
            drop(stream);
            signals.written.send(written).unwrap();
            None
        }
    }
}

#[cfg(feature = "tokio")]
fn serve_async(
    socket: TcpStream,
    acceptor: &TlsAcceptor,
    signals: &Signals,
    ending: Ending,
) -> Option<CloseReport> {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};
    use tokio::io::AsyncWriteExt;

    fn once<T>(call: impl Future<Output = T>) -> Option<T> {
        match pin!(call).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        }
    }
    socket.set_nonblocking(true).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let socket = tokio::net::TcpStream::from_std(socket).unwrap();
        let mut stream = acceptor.accept_async(socket).await.unwrap();
        signals.uploaded.recv().unwrap();
        let written = fill(|data| once(stream.write(data)).map(Result::unwrap));
        match ending {
            Ending::Close => {
                signals.written.send(written).unwrap();
                Some(stream.close(BUDGET).await.unwrap())
            }
            Ending::Naive => {
                once(stream.close_notify());
                drop(stream);
                signals.written.send(written).unwrap();
                None
            }
        }
    })
}

fn fill(mut write: impl FnMut(&[u8]) -> Option<usize>) -> usize {
    let data = [7; 16_384];
    let mut written = 0;
    while let Some(n) = write(&data) {
        written += n;
        assert!(written < 1 << 30, "a socket without an end");
    }
    written
}

/// What the client saw.
struct Seen {
    /// Bytes the server wrote, and bytes that arrived.
    written: usize,
    read: usize,
    end: io::Result<()>,
    late: io::Result<()>,
    /// What the socket says behind everything.
    last: io::Result<usize>,
    report: Option<CloseReport>,
}

fn converse((connector, acceptor): &(TlsConnector, TlsAcceptor), server: Server, ending: Ending) -> Seen {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (has_uploaded, uploaded) = channel();
    let (written, may_read) = channel();
    let signals = Signals { uploaded, written };
    let acceptor = acceptor.clone();
    let server = thread::spawn(move || server(listener.accept().unwrap().0, &acceptor, &signals, ending));
    let mut stream = connector.connect(NAME, TcpStream::connect(address).unwrap()).unwrap();
    stream.write_all(&[1; UPLOAD]).unwrap();
    has_uploaded.send(()).unwrap();
    let written = may_read.recv().unwrap();
    let (read, end) = read_all(&mut stream);
    let late = [2; LATE].chunks(1_000).try_for_each(|part| stream.write_all(part));
    stream.close_write().ok();
    let last = stream.get_mut().read(&mut [0; 1]);
    // So that the server's wait ends; the socket's own end has said nothing wrong so far.
    drop(stream);
    let report = server.join().unwrap();
    Seen { written, read, end, late, last, report }
}

fn read_all(stream: &mut TlsStream<TcpStream>) -> (usize, io::Result<()>) {
    let mut buffer = vec![0; 1 << 16];
    let mut read = 0;
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return (read, Ok(())),
            Ok(n) => read += n,
            Err(error) => return (read, Err(error)),
        }
    }
}

fn a_close_resets_nothing(server: Server) {
    for version in VERSIONS {
        let (outbound, inbound) = credentials(version);
        let both = (TlsConnector::from(outbound), TlsAcceptor::from(inbound));

        let seen = converse(&both, server, Ending::Close);
        seen.end.unwrap();
        assert_eq!(seen.read, seen.written, "{version:?}: everything arrives");
        seen.late.unwrap();
        assert_eq!(seen.last.unwrap(), 0, "{version:?}: the socket ends with a FIN");
        let report = seen.report.unwrap();
        assert_eq!((report.read_end, report.close_sent, report.limit), (ReadEnd::Clean, true, None));
        assert_eq!(report.discarded, (UPLOAD + LATE) as u64);

        // The same without the patience, to show that this test can tell.
        let seen = converse(&both, server, Ending::Naive);
        assert_eq!(seen.end.unwrap_err().kind(), ErrorKind::ConnectionReset, "{version:?}");
        assert!(seen.read < seen.written, "{version:?}: the reset has destroyed what was under way");
        assert!(seen.late.is_err());
    }
}

#[test]
fn closing_a_blocking_stream_resets_nothing() {
    a_close_resets_nothing(serve_blocking);
}

#[cfg(feature = "tokio")]
#[test]
fn closing_an_asynchronous_stream_resets_nothing() {
    a_close_resets_nothing(serve_async);
}

//! The tokio adaptor: over pipes of any width, over TCP, and with futures dropped half-way.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]
#![cfg(feature = "tokio")]

mod harness;

use std::future::{Future, poll_fn};
use std::io::{self, ErrorKind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use ::tokio::io::{
    AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex, split,
};
use ::tokio::net::{TcpListener, TcpStream};
use harness::common::{NAME, VERSIONS, credentials};
use harness::pattern;
use openschannel::alert::{Alert, AlertDescription};
use openschannel::credentials::Protocols;
use openschannel::status::{Error, ErrorStatus};
use openschannel::{ContextOptions, KeyUpdateRequest, ReadEnd};
use openschannel_stream::tokio::TlsStream;
use openschannel_stream::{CloseBudget, CloseLimit, Driver, ReadEnded};

fn run<F: Future>(work: F) -> F::Output {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(work)
}

/// Runs two futures in one task.
async fn both<A: Future, B: Future>(a: A, b: B) -> (A::Output, B::Output) {
    let (mut a, mut b) = (pin!(a), pin!(b));
    let (mut first, mut second) = (None, None);
    poll_fn(|cx| {
        if first.is_none()
            && let Poll::Ready(output) = a.as_mut().poll(cx)
        {
            first = Some(output);
        }
        if second.is_none()
            && let Poll::Ready(output) = b.as_mut().poll(cx)
        {
            second = Some(output);
        }
        match (first.take(), second.take()) {
            (Some(a), Some(b)) => Poll::Ready((a, b)),
            (a, b) => {
                (first, second) = (a, b);
                Poll::Pending
            }
        }
    })
    .await
}

async fn connect<S: AsyncRead + AsyncWrite + Unpin>(
    version: Protocols,
    client: S,
    server: S,
) -> (TlsStream<S>, TlsStream<S>) {
    let (outbound, inbound) = credentials(version);
    let options = ContextOptions::default();
    let (client, server) = both(
        TlsStream::connect(client, &outbound, Some(NAME), &options),
        TlsStream::accept(server, &inbound, &options),
    )
    .await;
    (client.unwrap(), server.unwrap())
}

async fn over_pipe(version: Protocols, width: usize) -> (TlsStream<DuplexStream>, TlsStream<DuplexStream>) {
    let (client, server) = duplex(width);
    connect(version, client, server).await
}

/// Handshake, then both directions at once, each half in a task of its own.
async fn talk<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(
    version: Protocols,
    transports: (S, S),
    size: usize,
) -> (TlsStream<S>, TlsStream<S>) {
    let (outbound, inbound) = credentials(version);
    let options = ContextOptions::default();
    let client = Driver::client(&outbound, Some(NAME), &options).unwrap();
    let streams = [
        TlsStream::from_driver(transports.0, client),
        TlsStream::from_driver(transports.1, Driver::server(&inbound, &options)),
    ];
    let [one, two] = streams.map(|mut stream| async move {
        stream.handshake().await.unwrap();
        let (mut reader, mut writer) = split(stream);
        let write = tokio::spawn(async move {
            writer.write_all(&pattern(size)).await.unwrap();
            writer.shutdown().await.unwrap();
            writer
        });
        let mut data = Vec::new();
        reader.read_to_end(&mut data).await.unwrap();
        assert!(data == pattern(size));
        reader.unsplit(write.await.unwrap())
    });
    both(one, two).await
}

#[test]
fn split_streams_talk_over_pipes_of_any_width() {
    run(async {
        for version in VERSIONS {
            for (width, size) in [(1, 3_000), (7, 20_000), (100, 50_000), (65_536, 2_000_000)] {
                let (client, server) = talk(version, duplex(width), size).await;
                for report in [client.report(), server.report()] {
                    assert_eq!((report.read_end, report.close_sent), (ReadEnd::Clean, true));
                    assert_eq!(report.bytes_received, size as u64);
                }
            }
        }
    });
}

#[test]
fn split_streams_talk_over_tcp() {
    run(async {
        for version in VERSIONS {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let (client, server) = both(TcpStream::connect(address), listener.accept()).await;
            let (mut client, mut server) =
                talk(version, (client.unwrap(), server.unwrap().0), 5_000_000).await;
            // The FIN came behind the close_notify: nothing is left to wait for.
            assert_eq!(client.linger(Duration::from_secs(60)).await.read_end, ReadEnd::Clean);
            assert_eq!(server.get_mut().read(&mut [0; 1]).await.unwrap(), 0);
        }
    });
}

#[test]
fn lines_are_read_where_they_were_decrypted() {
    run(async {
        let (mut client, mut server) = over_pipe(Protocols::TLS1_3, 1_000).await;
        client.write_all(b"one\ntwo\nthree").await.unwrap();
        client.close_write().await.unwrap();
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if server.read_line(&mut line).await.unwrap() == 0 {
                break;
            }
            lines.push(line);
        }
        assert_eq!(lines, ["one\n", "two\n", "three"]);
    });
}

#[test]
fn ends_and_refusals_are_told_apart() {
    fn source<T: std::error::Error + 'static>(error: &io::Error) -> &T {
        error.get_ref().and_then(|source| source.downcast_ref()).expect("another source")
    }
    run(async {
        for version in VERSIONS {
            let (mut client, mut server) = over_pipe(version, 9_999).await;
            client.close_write().await.unwrap();
            client.close_write().await.unwrap();
            let error = client.write(b"x").await.unwrap_err();
            assert_eq!(
                (error.kind(), source::<Error>(&error).status()),
                (ErrorKind::BrokenPipe, ErrorStatus::ContextExpired)
            );
            // Half-close.
            server.write_all(b"still there").await.unwrap();
            server.flush().await.unwrap();
            let mut data = [0; 11];
            client.read_exact(&mut data).await.unwrap();
            assert_eq!(&data, b"still there");
            drop(server);
            let error = client.read(&mut data).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
            assert_eq!(source::<ReadEnded>(&error).end(), ReadEnd::Truncated { inside_record: false });
            assert_eq!(source::<ReadEnded>(&error).delivered(), 11);

            let (mut client, mut server) = over_pipe(version, 9_999).await;
            client.driver_mut().send_alert(Alert::fatal(AlertDescription::INTERNAL_ERROR)).unwrap();
            client.flush().await.unwrap();
            let error = server.read(&mut data).await.unwrap_err();
            assert_eq!(
                (error.kind(), source::<Error>(&error).status()),
                (ErrorKind::InvalidData, ErrorStatus::InternalError)
            );

            // A forged record: the peer hears of it before this side's caller does anything.
            let (mut client, mut server) = over_pipe(version, 9_999).await;
            client.get_mut().write_all(&[23, 3, 3, 0, 30]).await.unwrap();
            client.get_mut().write_all(&[1; 30]).await.unwrap();
            let error = server.read(&mut data).await.unwrap_err();
            assert_eq!(source::<Error>(&error).status(), ErrorStatus::MessageAltered);
            let error = client.read(&mut data).await.unwrap_err();
            assert_eq!(
                source::<Error>(&error).received_alert().unwrap().description,
                AlertDescription::BAD_RECORD_MAC
            );
        }
    });
}

/// Lets every other call wait, and moves a few bytes at a time.
struct Hesitant {
    inner: DuplexStream,
    /// Whether the last call of a kind had to wait: a read, anything else.
    waited: [bool; 2],
    chunk: usize,
}

impl Hesitant {
    fn hesitate(&mut self, kind: usize, cx: &Context<'_>) -> bool {
        self.waited[kind] = !self.waited[kind];
        if self.waited[kind] {
            cx.waker().wake_by_ref();
        }
        self.waited[kind]
    }
}

impl AsyncRead for Hesitant {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.hesitate(0, cx) {
            return Poll::Pending;
        }
        let mut little = vec![0; self.chunk.min(buf.remaining())];
        let mut part = ReadBuf::new(&mut little);
        let read = Pin::new(&mut self.inner).poll_read(cx, &mut part);
        buf.put_slice(part.filled());
        read
    }
}

impl AsyncWrite for Hesitant {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.hesitate(1, cx) {
            return Poll::Pending;
        }
        let n = buf.len().min(self.chunk);
        Pin::new(&mut self.inner).poll_write(cx, &buf[..n])
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.hesitate(1, cx) { Poll::Pending } else { Pin::new(&mut self.inner).poll_flush(cx) }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.hesitate(1, cx) { Poll::Pending } else { Pin::new(&mut self.inner).poll_shutdown(cx) }
    }
}

/// Polls a future once and drops it.
fn once<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// Every future is given one poll and dropped if that was not enough; the bytes arrive once and in order.
#[test]
fn no_future_loses_anything_by_being_dropped() {
    for version in VERSIONS {
        let (outbound, inbound) = credentials(version);
        let options = ContextOptions::default();
        let (client, server) = duplex(2_000);
        let hesitant =
            |inner, driver| TlsStream::from_driver(Hesitant { inner, waited: [false; 2], chunk: 5 }, driver);
        let mut client = hesitant(client, Driver::client(&outbound, Some(NAME), &options).unwrap());
        let mut server = hesitant(server, Driver::server(&inbound, &options));
        let mut done = [false, false];
        while done != [true, true] {
            done[0] |= once(client.handshake()).map(Result::unwrap).is_some();
            done[1] |= once(server.handshake()).map(Result::unwrap).is_some();
        }
        let data = pattern(100_000);
        let (mut written, mut read, mut ended) = (0, Vec::new(), false);
        let mut closed = false;
        while !ended {
            if written < data.len() {
                written += once(client.write(&data[written..])).map_or(0, Result::unwrap);
            } else if !closed {
                closed = once(client.close_write()).map(Result::unwrap).is_some();
            }
            let mut buffer = [0; 333];
            if let Some(n) = once(server.read(&mut buffer)) {
                let n = n.unwrap();
                read.extend_from_slice(&buffer[..n]);
                ended = n == 0;
            }
        }
        assert!(read == data);
        assert!(closed || once(client.close_write()).is_some() || client.report().close_sent);
        assert_eq!(server.report().read_end, ReadEnd::Clean);
        // Lingering goes on where it was dropped.
        let linger = |stream: &mut TlsStream<Hesitant>| {
            let budget = CloseBudget::new(10_000, Duration::from_secs(60));
            once(stream.linger(budget))
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let _entered = runtime.enter();
        let mut closed = false;
        let lingered = loop {
            if let Some(lingered) = linger(&mut client) {
                break lingered;
            }
            closed = closed || once(server.close_write()).map(Result::unwrap).is_some();
        };
        assert_eq!((lingered.read_end, lingered.limit), (ReadEnd::Clean, None));
    }
}

#[derive(Default)]
struct Counter(AtomicUsize);

impl Wake for Counter {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// The transport remembers one waker for writing. A reader that answers a KeyUpdate must not take the writer's place.
#[test]
fn a_reader_that_sends_does_not_put_the_writer_to_sleep() {
    run(async {
        let (mut client, mut server) = over_pipe(Protocols::TLS1_3, 4_096).await;
        // The client reads its tickets, and stalls the server's pipe no more.
        assert!(once(client.read(&mut [0; 1])).is_none());
        let (reader, writer) = (Arc::new(Counter::default()), Arc::new(Counter::default()));
        let data = pattern(200_000);
        let write = |client: &mut TlsStream<DuplexStream>| {
            Pin::new(client).poll_write(&mut Context::from_waker(&writer.clone().into()), &data)
        };
        while write(&mut client).is_ready() {}
        server.driver_mut().key_update(KeyUpdateRequest::Requested).unwrap();
        server.flush().await.unwrap();
        let mut buffer = [0; 10];
        let read = Pin::new(&mut client)
            .poll_read(&mut Context::from_waker(&reader.clone().into()), &mut ReadBuf::new(&mut buffer));
        assert!(read.is_pending());
        let before = writer.0.load(Ordering::SeqCst);
        let mut drained = [0; 4_096];
        server.get_mut().read_exact(&mut drained).await.unwrap();
        assert!(writer.0.load(Ordering::SeqCst) > before, "the writer sleeps on");
        assert!(reader.0.load(Ordering::SeqCst) > 0);
    });
}

#[test]
fn lingering_has_limits() {
    run(async {
        for version in VERSIONS {
            let (mut client, server) = over_pipe(version, 65_536).await;
            client.close_write().await.unwrap();
            // The peer says nothing.
            let lingered = client.linger(Duration::from_millis(1)).await;
            assert_eq!((lingered.limit, lingered.read_end), (Some(CloseLimit::Time), ReadEnd::Open));
            // The peer never stops.
            let (reading, mut writing) = split(server);
            let flood = tokio::spawn(async move { while writing.write_all(&[0; 1_000]).await.is_ok() {} });
            let mut seen = 0;
            let budget = CloseBudget::new(300_000, Duration::from_secs(60));
            let lingered = client.linger_with(budget, |data| seen += data.len() as u64).await;
            assert_eq!((lingered.limit, lingered.read_end), (Some(CloseLimit::Bytes), ReadEnd::Open));
            assert_eq!(lingered.discarded, seen);
            assert!((200_000..400_000).contains(&seen), "{seen}");
            drop(client);
            flood.await.unwrap();
            drop(reading);
        }
    });
}

/// A task that flushes whenever it is polled must not wake itself by that: it would never sleep again.
#[test]
fn a_task_that_flushes_whenever_it_is_polled_sleeps() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (mut client, mut server) = over_pipe(Protocols::TLS1_3, 1 << 16).await;
        let other = tokio::spawn(async move {
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            server.write_all(b"awake").await.unwrap();
            server.flush().await.unwrap();
            server
        });
        let mut polls = 0;
        let mut buffer = [0; 8];
        let read = poll_fn(|cx| {
            polls += 1;
            let _flushed = Pin::new(&mut client).poll_flush(cx).is_ready();
            let mut space = ReadBuf::new(&mut buffer);
            Pin::new(&mut client).poll_read(cx, &mut space).map_ok(|()| space.filled().len())
        })
        .await;
        assert_eq!(read.unwrap(), 5);
        assert!(polls < 20, "{polls} polls in 100 turns of the other task");
        drop(other.await.unwrap());
    });
}

/// What the peer has under way behind a failure is read too: on a socket it would meet a reset, which destroys the alert.
#[test]
fn lingering_behind_a_failure_reads_on() {
    run(async {
        for version in VERSIONS {
            let (client, mut server) = over_pipe(version, 1 << 16).await;
            let (mut transport, _) = client.into_parts();
            let forged = [&[23, 3, 3, 0, 40][..], &[0; 40]].concat();
            transport.write_all(&forged).await.unwrap();
            let error = server.read_u8().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidData);
            transport.write_all(&[7; 5000]).await.unwrap();
            server.close_write().await.unwrap();
            let lingered = server.linger(CloseBudget::new(100, Duration::from_secs(10))).await;
            assert_eq!(lingered.limit, Some(CloseLimit::Bytes), "{version:?}: the peer has not ended");
            drop(transport);
            let lingered = server.linger(CloseBudget::new(1 << 20, Duration::from_secs(10))).await;
            assert_eq!(lingered.limit, None, "{version:?}: now it has");
        }
    });
}

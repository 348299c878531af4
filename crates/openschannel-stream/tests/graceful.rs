//! The end of a server: who is told what when, and how it is counted. Time here is tokio's own, which stands still while anybody works.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]
#![cfg(feature = "tokio")]

mod harness;

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use ::tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use ::tokio::task::JoinHandle;
use ::tokio::time::Instant;
use harness::common::{NAME, VERSIONS};
use harness::quick_credentials;
use openschannel::alert::AlertDescription;
use openschannel::credentials::{InboundCredentials, OutboundCredentials, Protocols};
use openschannel::{ContextOptions, ReadEnd};
use openschannel_stream::graceful::{GracefulShutdown, Guard, Idle, ShutdownBudget};
use openschannel_stream::tokio::TlsStream;

type Stream = TlsStream<DuplexStream>;

const SECOND: Duration = Duration::from_secs(1);

/// For all of a shutdown, and of it for the last word.
const BUDGET: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(2));

fn budget() -> ShutdownBudget {
    ShutdownBudget::new(BUDGET.0, BUDGET.1)
}

async fn pair(credentials: &(OutboundCredentials, InboundCredentials)) -> (Stream, Stream) {
    let (client, server) = duplex(64 * 1024);
    let options = ContextOptions::default();
    let (client, server) = tokio::join!(
        TlsStream::connect(client, &credentials.0, Some(NAME), &options),
        TlsStream::accept(server, &credentials.1, &options),
    );
    (client.unwrap(), server.unwrap())
}

/// What a server does with a connection: an echo until one of the two is done.
async fn echo(mut stream: Stream, guard: Guard) {
    let mut data = [0; 1024];
    while matches!(guard.idle(&mut stream).await, Idle::Data) {
        let n = stream.read(&mut data).await.unwrap();
        stream.write_all(&data[..n]).await.unwrap();
        stream.flush().await.unwrap();
    }
    guard.close(&mut stream, SECOND).await.ok();
    guard.report(&stream.report());
}

async fn exchange(client: &mut Stream) {
    client.write_all(b"hello").await.unwrap();
    client.flush().await.unwrap();
    client.read_exact(&mut [0; 5]).await.unwrap();
}

/// How a client ends that its server has asked to.
#[derive(Clone, Copy)]
enum Manner {
    Answers,
    /// Reads, and never says a word again.
    IsSilent,
    /// Ends the transport without a close_notify.
    Cuts,
    /// Sends a fatal alert.
    Alerts,
}

/// Gives back what the client has learnt.
fn client(mut stream: Stream, manner: Manner) -> JoinHandle<(ReadEnd, Stream)> {
    tokio::spawn(async move {
        assert_eq!(stream.read(&mut [0]).await.unwrap(), 0, "the server closes in order");
        match manner {
            Manner::Answers => stream.close_write().await.unwrap(),
            Manner::IsSilent => {}
            Manner::Cuts => stream.get_mut().shutdown().await.unwrap(),
            Manner::Alerts => {
                let alert = openschannel::alert::Alert::fatal(AlertDescription::INTERNAL_ERROR);
                stream.driver_mut().send_alert(alert).unwrap();
                stream.flush().await.unwrap();
            }
        }
        (stream.report().read_end, stream)
    })
}

#[tokio::test(start_paused = true)]
async fn every_connection_is_closed_in_order_and_counted_by_how_its_peer_ended() {
    for version in VERSIONS {
        let credentials = quick_credentials(version);
        let graceful = GracefulShutdown::new();
        let mut clients = Vec::new();
        let manners = [Manner::Answers, Manner::IsSilent, Manner::Cuts, Manner::Alerts];
        for index in 0..40 {
            let (mut stream, server) = pair(&credentials).await;
            tokio::spawn(echo(server, graceful.guard()));
            exchange(&mut stream).await;
            clients.push(client(stream, manners[index % manners.len()]));
        }
        assert_eq!((graceful.live(), graceful.tally().connections), (40, 0));
        let tally = graceful.shutdown(budget()).await;
        assert_eq!((graceful.live(), tally), (0, graceful.tally()));
        assert_eq!((tally.connections, tally.in_order, tally.open), (40, 10, 10), "{tally}");
        assert_eq!((tally.truncated, tally.alert), (10, 10), "{tally}");
        assert_eq!((tally.failed, tally.reset, tally.aborted), (0, 0, 0), "{tally}");
        assert_eq!((tally.bytes_sent, tally.bytes_received), (200, 200));
        for client in clients {
            assert_eq!(client.await.unwrap().0, ReadEnd::Clean);
        }
    }
}

/// The peer is told that what it waits for will not come, and once it has gone nobody waits any longer.
#[tokio::test(start_paused = true)]
async fn a_connection_that_is_not_done_says_so_at_the_last_word() {
    for version in VERSIONS {
        let (mut client, mut server) = pair(&quick_credentials(version)).await;
        let graceful = GracefulShutdown::new();
        let guard = graceful.guard();
        let begin = Instant::now();
        tokio::spawn(async move {
            guard.last_word().await;
            assert_eq!(begin.elapsed(), BUDGET.0 - BUDGET.1);
            guard.give_up(&mut server).await;
            guard.report(&server.report());
        });
        let client = tokio::spawn(async move {
            client.read(&mut [0]).await.unwrap_err();
            client.report().read_end
        });
        let tally = graceful.shutdown(budget()).await;
        assert_eq!((tally.connections, tally.aborted), (1, 1), "{tally}");
        assert_eq!(begin.elapsed(), BUDGET.0 - BUDGET.1);
        assert_eq!(client.await.unwrap(), ReadEnd::Alert(AlertDescription::INTERNAL_ERROR));
    }
}

/// Its time for an answer is cut, not its close: that went out.
#[tokio::test(start_paused = true)]
async fn a_close_under_way_at_the_last_word_is_not_given_up() {
    for (answers, in_order, open) in [(true, 1, 0), (false, 0, 1)] {
        let (mut client, mut server) = pair(&quick_credentials(Protocols::TLS1_3)).await;
        let graceful = GracefulShutdown::new();
        let guard = graceful.guard();
        tokio::spawn(async move {
            guard.close(&mut server, 3600 * SECOND).await.unwrap();
            guard.report(&server.report());
        });
        let client = tokio::spawn(async move {
            assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
            tokio::time::sleep(BUDGET.0 - BUDGET.1 / 2).await;
            if answers {
                client.close_write().await.unwrap();
            }
            client
        });
        let tally = graceful.shutdown(budget()).await;
        assert_eq!((tally.in_order, tally.open, tally.connections), (in_order, open, 1), "{tally}");
        assert_eq!(client.await.unwrap().report().read_end, ReadEnd::Clean);
    }
}

/// A peer that takes nothing: neither a close nor a last word gets through.
#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_read_holds_nobody_up() {
    let (client, mut server) = pair(&quick_credentials(Protocols::TLS1_3)).await;
    let graceful = GracefulShutdown::new();
    let guard = graceful.guard();
    let stuck = tokio::spawn(async move {
        let endless = vec![0; 1 << 20];
        assert!(tokio::time::timeout(SECOND, server.write_all(&endless)).await.is_err(), "nobody reads");
        guard.asked().await;
        let closed = guard.close(&mut server, 3600 * SECOND).await;
        guard.report(&server.report());
        (closed.unwrap_err().kind(), server)
    });
    let begin = Instant::now();
    let tally = graceful.shutdown(budget()).await;
    assert_eq!((tally.connections, tally.aborted), (1, 1), "{tally}");
    assert!(begin.elapsed() < BUDGET.0, "it was told before the end, to report");
    assert_eq!(stuck.await.unwrap().0, std::io::ErrorKind::TimedOut);
    drop(client);
}

#[tokio::test(start_paused = true)]
async fn who_does_not_listen_counts_as_aborted_when_the_time_is_over() {
    let graceful = GracefulShutdown::new();
    let deaf = graceful.guard();
    let broken = graceful.guard();
    let task = tokio::spawn(async move {
        let _broken = broken;
        panic!("on purpose: a task that breaks down");
    });
    assert!(task.await.is_err());
    assert_eq!((graceful.live(), graceful.tally().aborted), (1, 1));
    let begin = Instant::now();
    let tally = graceful.shutdown(budget()).await;
    assert_eq!(begin.elapsed(), BUDGET.0);
    assert_eq!((tally.connections, tally.aborted), (2, 2), "{tally}");
    // It still lives, and its end still counts.
    deaf.over().await;
    drop(deaf);
    assert_eq!(graceful.tally(), tally);
}

#[tokio::test(start_paused = true)]
async fn signals_are_states() {
    let graceful = GracefulShutdown::new();
    let guard = graceful.guard();
    assert!(!guard.is_asked());
    // Waiting may be broken off and taken up again.
    assert!(tokio::time::timeout(SECOND, guard.asked()).await.is_err());
    let (tally, ()) = tokio::join!(graceful.shutdown(budget()), async {
        guard.asked().await;
        guard.asked().await;
        assert!(guard.is_asked());
        let late = graceful.guard();
        assert!(late.is_asked());
        late.asked().await;
        late.last_word().await;
        guard.over().await;
        late.last_word().await;
        drop((late, guard));
    });
    assert_eq!((tally.connections, tally.aborted), (2, 2));

    // Whoever could ask has gone.
    let guard = GracefulShutdown::new().guard();
    assert!(tokio::time::timeout(SECOND, guard.asked()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_may_be_dropped_and_begun_again() {
    let (mut client, server) = pair(&quick_credentials(Protocols::TLS1_3)).await;
    let graceful = GracefulShutdown::new();
    tokio::spawn(echo(server, graceful.guard()));
    exchange(&mut client).await;
    assert!(tokio::time::timeout(SECOND / 2, graceful.shutdown(budget())).await.is_err());
    assert_eq!(client.read(&mut [0]).await.unwrap(), 0, "asked all the same");
    client.close_write().await.unwrap();
    let tally = graceful.shutdown(budget()).await;
    assert_eq!((tally.connections, tally.in_order), (1, 1), "{tally}");
    assert_eq!(graceful.shutdown(Duration::ZERO).await, tally, "nobody is left");
}

/// Without being asked to, as for a server that was to serve so many and no more.
/// Nobody keeps the time any more: a last word that waits for its peer must not wait for ever.
#[tokio::test(start_paused = true)]
async fn a_shutdown_that_goes_away_at_the_last_word_ends_it() {
    let graceful = GracefulShutdown::new();
    let guard = graceful.guard();
    let begun =
        tokio::time::timeout(SECOND, graceful.shutdown(ShutdownBudget::new(BUDGET.0, BUDGET.0))).await;
    assert!(begun.is_err(), "the guard is held");
    drop(graceful);
    guard.last_word().await;
    tokio::time::timeout(SECOND, guard.over()).await.unwrap();

    // Before that it leaves the time to whoever closes.
    let graceful = GracefulShutdown::new();
    let guard = graceful.guard();
    assert!(tokio::time::timeout(SECOND, graceful.shutdown(budget())).await.is_err());
    drop(graceful);
    guard.asked().await;
    assert!(tokio::time::timeout(SECOND, guard.last_word()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn drained_waits_for_the_last_one_and_asks_nobody() {
    let graceful = GracefulShutdown::new();
    graceful.drained().await;
    let (first, second) = (graceful.guard(), graceful.guard());
    let mut drained = pin!(graceful.drained());
    let mut poll = || drained.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(poll().is_pending());
    drop(first);
    assert!(poll().is_pending());
    assert!(!second.is_asked());
    drop(second);
    assert!(poll().is_ready());
}

#[tokio::test(start_paused = true)]
async fn idle_says_what_ended_it() {
    let (mut client, mut server) = pair(&quick_credentials(Protocols::TLS1_3)).await;
    let graceful = GracefulShutdown::new();
    let guard = graceful.guard();
    client.write_all(b"hello").await.unwrap();
    assert!(matches!(guard.idle(&mut server).await, Idle::Data));
    assert!(matches!(guard.idle(&mut server).await, Idle::Data), "it takes nothing");
    let mut data = [0; 5];
    server.read_exact(&mut data).await.unwrap();
    assert_eq!(&data, b"hello");
    client.close_write().await.unwrap();
    assert!(matches!(guard.idle(&mut server).await, Idle::PeerEnded));
    guard.report_failed(&server.report());
    assert_eq!(graceful.tally().failed, 1);

    let (_client, mut server) = pair(&quick_credentials(Protocols::TLS1_3)).await;
    let guard = graceful.guard();
    let (_, idle) = tokio::join!(graceful.shutdown(SECOND), async {
        let idle = guard.idle(&mut server).await;
        drop(guard);
        idle
    });
    assert!(matches!(idle, Idle::Asked));
}

#[tokio::test(start_paused = true)]
async fn adopted_streams_are_closed_by_the_helper() {
    let credentials = quick_credentials(Protocols::TLS1_3);
    let graceful = GracefulShutdown::new();
    let (mut leaves_first, server) = pair(&credentials).await;
    graceful.adopt(server, SECOND);
    leaves_first.close_write().await.unwrap();
    assert_eq!(leaves_first.read(&mut [0]).await.unwrap(), 0, "the close is answered");
    graceful.drained().await;
    assert_eq!(graceful.tally().in_order, 1);

    let mut clients = Vec::new();
    for index in 0..20 {
        let (mut stream, server) = pair(&credentials).await;
        graceful.adopt(server, SECOND);
        if index % 2 == 0 {
            stream.write_all(b"nobody wants it").await.unwrap();
        }
        clients.push(client(stream, Manner::Answers));
    }
    let tally = graceful.shutdown(budget()).await;
    assert_eq!((tally.connections, tally.in_order), (21, 21), "{tally}");
    assert_eq!(tally.bytes_received, 150);
    for client in clients {
        assert_eq!(client.await.unwrap().0, ReadEnd::Clean);
    }
}

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Who waits to be asked is woken by that and by nothing that happens to others.
#[tokio::test(start_paused = true)]
async fn nobody_is_woken_for_nothing() {
    let graceful = GracefulShutdown::new();
    let guard = graceful.guard();
    let count = Arc::new(Count::default());
    let waker = Waker::from(Arc::clone(&count));
    let mut asked = pin!(guard.asked());
    assert!(asked.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    for _ in 0..1_000 {
        drop(graceful.guard());
    }
    assert_eq!(count.0.load(Ordering::Relaxed), 0);
    let mut shutdown = pin!(graceful.shutdown(budget()));
    poll_fn(|cx| {
        assert!(shutdown.as_mut().poll(cx).is_pending());
        Poll::Ready(())
    })
    .await;
    assert_eq!(count.0.load(Ordering::Relaxed), 1);
    assert!(asked.as_mut().poll(&mut Context::from_waker(&waker)).is_ready());
}

#[test]
fn a_guard_is_small_and_budgets_add_up() {
    assert!(size_of::<Guard>() <= 4 * size_of::<usize>(), "{}", size_of::<Guard>());
    let of = |time: Duration| ShutdownBudget::from(time).last_word;
    assert_eq!((of(10 * SECOND), of(SECOND), of(Duration::ZERO)), (SECOND, SECOND / 5, Duration::ZERO));
    assert_eq!(ShutdownBudget::new(SECOND, 2 * SECOND).last_word, SECOND);
}

//! The end of a server: thousands of live connections closed in order within one deadline, and an account of how each ended.
//!
//! ```text
//!              shutdown(budget)       budget.time - budget.last_word       budget.time
//!   running -------------------> asked ----------------------> last word -------------> over
//!                                  |                               |                      |
//!   Guard::asked()  ---------------+                               |                      |
//!     finish what is under way,                                    |                      |
//!     then close in order                                          |                      |
//!   Guard::last_word()  -------------------------------------------+                      |
//!     tell the peer by an alert that the rest will not come                               |
//!   Guard::over()  -----------------------------------------------------------------------+
//! ```
//!
//! Each connection's task holds a [`Guard`], waits for its signals beside its own work, and ends by [`Guard::report`]. The signals are
//! states and not events: who asks late, or takes a guard after the shutdown has begun, is told at once. There is one timer, that of
//! [`GracefulShutdown::shutdown`]; a guard has three words, and an entry in a list while it is waited on.
//!
//! # Beside other helpers
//!
//! A cancellation token and a task tracker know when tasks have ended, and not how their connections did. What serves HTTP has a
//! graceful shutdown of its own, such as hyper's: call it when [`Guard::asked`] is ready, let it finish its answers, and close the
//! stream it gives back with [`Guard::close`]. Streams that are split close by their own means; the signals and [`Guard::report`] serve
//! them as well.
//!
//! # Example
//!
//! ```
//! use std::time::Duration;
//!
//! use openschannel::ContextOptions;
//! # use openschannel::credentials::{Identity, InboundCredentials, OutboundCredentials, Trust};
//! use openschannel_stream::graceful::{GracefulShutdown, Guard};
//! use openschannel_stream::tokio::TlsStream;
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//! use tokio::net::{TcpListener, TcpStream};
//!
//! /// Echoes until the client closes or the server stops, and closes in order either way.
//! async fn connection(mut stream: TlsStream<TcpStream>, guard: Guard) {
//!     let mut data = [0; 4096];
//!     loop {
//!         let n = tokio::select! {
//!             n = stream.read(&mut data) => n.unwrap_or(0),
//!             () = guard.asked() => 0,
//!         };
//!         if n == 0 || stream.write_all(&data[..n]).await.is_err() || stream.flush().await.is_err() {
//!             break;
//!         }
//!     }
//!     guard.close(&mut stream, Duration::from_secs(2)).await.ok();
//!     guard.report(&stream.report());
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
//! # let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
//! # let identity = Identity::from_pem(chain.as_bytes(), key.as_bytes())?;
//! # let inbound = InboundCredentials::builder().identity(identity).acquire()?;
//! # let trust = Trust::Roots(vec![made.cert.der().to_vec()]);
//! # let outbound = OutboundCredentials::builder().trust(trust).acquire()?;
//! let listener = TcpListener::bind("127.0.0.1:0").await?;
//! # let address = listener.local_addr()?;
//! # let client = tokio::spawn(async move {
//! #     let socket = TcpStream::connect(address).await?;
//! #     let mut stream = TlsStream::connect(socket, &outbound, Some("localhost"), &ContextOptions::default()).await?;
//! #     let end = stream.read(&mut [0]).await?;
//! #     stream.close_write().await?;
//! #     Ok::<_, std::io::Error>(end)
//! # });
//! let graceful = GracefulShutdown::new();
//! let (socket, _) = listener.accept().await?; // in a loop, until the server is asked to stop
//! let stream = TlsStream::accept(socket, &inbound, &ContextOptions::default()).await?;
//! tokio::spawn(connection(stream, graceful.guard()));
//!
//! drop(listener); // nobody new
//! let tally = graceful.shutdown(Duration::from_secs(10)).await;
//! assert_eq!((tally.connections, tally.in_order), (1, 1));
//! println!("{tally}");
//! # assert_eq!(client.await??, 0);
//! # Ok(())
//! # }
//! ```

mod guard;
mod tally;

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use ::tokio::io::{AsyncRead, AsyncWrite};
use ::tokio::sync::watch;
use ::tokio::time::{Instant, timeout_at};

use crate::close::CloseBudget;
use crate::tokio::TlsStream;

use tally::Counters;

pub use guard::{Guard, Idle};
pub use tally::Tally;

/// What is kept for the last word without being told otherwise: an alert goes out in one write, and one that finds no room would not
/// find it later.
const LAST_WORD: Duration = Duration::from_secs(1);

/// Of the last word's time, what is kept for tasks that were told that it is over, to report.
const REPORT_TIME: Duration = Duration::from_millis(100);

/// What a shutdown may take. `Duration::into` keeps a second of it, or a fifth if that is less, for the last word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShutdownBudget {
    /// From the call until all connections are given up.
    pub time: Duration,
    /// At the end of `time`: what connections have that must be given up, to tell their peers so.
    pub last_word: Duration,
}

impl ShutdownBudget {
    /// Both times. A last word that is longer than the whole is the whole.
    pub fn new(time: Duration, last_word: Duration) -> Self {
        Self { time, last_word: last_word.min(time) }
    }
}

impl From<Duration> for ShutdownBudget {
    fn from(time: Duration) -> Self {
        Self::new(time, LAST_WORD.min(time / 5))
    }
}

/// How far a shutdown is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Running,
    Asked,
    LastWord,
    Over,
}

/// Knows all live connections of a server, and ends them. Shared by reference or in an [`Arc`].
#[derive(Debug)]
pub struct GracefulShutdown {
    phase: watch::Sender<Phase>,
    counters: Arc<Counters>,
}

impl GracefulShutdown {
    /// Without any connection.
    pub fn new() -> Self {
        Self { phase: watch::Sender::new(Phase::Running), counters: Arc::default() }
    }

    /// For one connection, from before its handshake to its end.
    pub fn guard(&self) -> Guard {
        Guard::new(self.phase.subscribe(), Arc::clone(&self.counters))
    }

    /// Guards that exist.
    pub fn live(&self) -> u64 {
        self.counters.live()
    }

    /// What became of the connections that have ended.
    pub fn tally(&self) -> Tally {
        self.counters.tally()
    }

    /// Takes a stream that nobody works with any more and closes it when the shutdown begins or its peer closes, in order and within
    /// `budget`, in a task of its own. What the peer sends meanwhile is read and dropped.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn adopt<S>(&self, mut stream: TlsStream<S>, budget: impl Into<CloseBudget>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (guard, budget) = (self.guard(), budget.into());
        drop(::tokio::spawn(async move {
            unless(guard.asked(), stream.linger(CloseBudget::new(u64::MAX, Duration::MAX))).await;
            guard.close(&mut stream, budget).await.ok();
            guard.report(&stream.report());
        }));
    }

    /// Waits until no connection is left, and asks none to end.
    pub async fn drained(&self) {
        self.counters.drained().await;
    }

    /// Asks every connection to end and waits until all have, but no longer than `budget`: what is left then counts as
    /// [`Tally::aborted`], and its tasks are the caller's to end. Take no new connections before.
    ///
    /// Dropped before it is done, it leaves the connections asked; another call goes on with a budget of its own.
    pub async fn shutdown(&self, budget: impl Into<ShutdownBudget>) -> Tally {
        let budget = budget.into();
        let begin = Instant::now();
        let report_time = REPORT_TIME.min(budget.last_word / 2);
        for (phase, left) in
            [(Phase::Asked, budget.last_word), (Phase::LastWord, report_time), (Phase::Over, Duration::ZERO)]
        {
            self.phase.send_if_modified(|now| {
                let later = phase > *now;
                *now = phase.max(*now);
                later
            });
            let next = begin.checked_add(budget.time.saturating_sub(left));
            if within(next, self.drained()).await {
                return self.tally();
            }
        }
        let mut tally = self.tally();
        let live = self.live();
        tally.aborted += live;
        tally.connections += live;
        tally
    }
}

impl Default for GracefulShutdown {
    fn default() -> Self {
        Self::new()
    }
}

/// `work`, unless `signal` comes first.
async fn unless<T>(signal: impl Future<Output = ()>, work: impl Future<Output = T>) -> Option<T> {
    let (mut signal, mut work) = (pin!(signal), pin!(work));
    poll_fn(|cx| match work.as_mut().poll(cx) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending => signal.as_mut().poll(cx).map(|()| None),
    })
    .await
}

/// Says whether `done` was in time; without an end of time it is.
async fn within(end: Option<Instant>, done: impl Future<Output = ()>) -> bool {
    match end {
        Some(end) => timeout_at(end, done).await.is_ok(),
        None => {
            done.await;
            true
        }
    }
}

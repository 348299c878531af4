//! What a client may cost. Nothing waits for one without an end, and no byte that it dribbles puts that end off.
//!
//! ```text
//!   accepted --> handshake --> service --> close --> gone
//!      |             |            |          |
//!      places        handshake    |          close
//!                                 +-- waiting for a request, or for data: idle
//!                                 +-- sending: stall, for each piece
//!                                 +-- taking further work: connection
//! ```

use std::time::Duration;

use clap::Args;
use openschannel_stream::CloseBudget;
use openschannel_stream::graceful::Guard;
use tokio::time::{Instant, sleep_until};

use crate::connect::parse_seconds;

/// Connections at once; more wait in the system's queue. Each costs a file descriptor and, while data flows, some 400 KiB; an idle one
/// some 7.
pub(super) const MAX_CONNECTIONS: usize = 50_000;

/// For the whole handshake: nobody holds a place without showing at least that he speaks TLS.
const HANDSHAKE_TIME: Duration = Duration::from_secs(20);

/// From the end of an answer to the end of the next request's head: a browser asks again within seconds or not at all.
const REQUEST_TIME: Duration = Duration::from_secs(30);

/// Of silence, with --echo: who sends nothing for so long is not coming back.
const SILENCE: Duration = Duration::from_secs(300);

/// For the client to take one piece of what it is sent, 256 KiB of a file or 64 of an echo: 4 KiB a second is slower than any line in
/// use.
const STALL_TIME: Duration = Duration::from_secs(60);

/// With --www: longer than anybody looks at one page, short beside the life of a server whose certificates and files change.
const ASKING_TIME: Duration = Duration::from_secs(3_600);

/// With --echo, which is for tests: long ones take a night.
const ECHOING_TIME: Duration = Duration::from_secs(86_400);

/// For the close_notify to get into the transport and the peer to end its side after this one has. Shorter than the time a stopping
/// server has, so that a silent peer is let go of and reported. What the peer may still send meanwhile is read, so that no reset
/// destroys what it has not read yet.
const CLOSE_BUDGET: CloseBudget = CloseBudget::new(64 << 20, Duration::from_secs(3));

#[derive(Debug, Args)]
#[command(next_help_heading = "What a client may cost")]
pub(super) struct LimitOptions {
    /// Serve so many connections at once; more wait until some have ended [default: 50000, which is the most]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=MAX_CONNECTIONS as i64))]
    max_connections: Option<u32>,
    /// Let go of a client whose handshake takes longer [default: 20]
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    handshake_time: Option<Duration>,
    /// Close a connection that has had nothing to do for so many seconds; with --www the whole head of a request has to be there by
    /// then [default: 30 with --www, 300 with --echo]
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    idle_time: Option<Duration>,
    /// Let go of a client that takes longer for one piece of what it is sent, 256 KiB with --www and 64 KiB with --echo [default: 60]
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    stall_time: Option<Duration>,
    /// Take no further request or data from a client that has been there for so long, and close when it has its answer [default: 3600
    /// with --www, 86400 with --echo]
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    connection_time: Option<Duration>,
    /// Wait so long for a client to take the end of the connection and to end its side too [default: 3]
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    close_time: Option<Duration>,
}

/// The times that a connection has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// For the whole handshake.
    pub(super) handshake: Duration,
    /// For the head of a request, or of silence.
    pub(super) idle: Duration,
    /// For each piece of an answer.
    pub(super) stall: Duration,
    /// For taking further requests or data.
    pub(super) connection: Duration,
    /// For the end.
    pub(super) close: CloseBudget,
}

impl LimitOptions {
    pub(super) fn places(&self) -> usize {
        self.max_connections.and_then(|number| usize::try_from(number).ok()).unwrap_or(MAX_CONNECTIONS)
    }

    pub(super) fn limits(&self, is_echo: bool) -> Limits {
        let (idle, connection) = if is_echo { (SILENCE, ECHOING_TIME) } else { (REQUEST_TIME, ASKING_TIME) };
        Limits {
            handshake: self.handshake_time.unwrap_or(HANDSHAKE_TIME),
            idle: self.idle_time.unwrap_or(idle),
            stall: self.stall_time.unwrap_or(STALL_TIME),
            connection: self.connection_time.unwrap_or(connection),
            close: CloseBudget::new(CLOSE_BUDGET.bytes, self.close_time.unwrap_or(CLOSE_BUDGET.time)),
        }
    }
}

/// How long a connection takes further work: until its time is over or the server stops.
pub(super) struct Term<'a> {
    guard: &'a Guard,
    end: Instant,
}

impl<'a> Term<'a> {
    pub(super) fn begin(limits: &Limits, guard: &'a Guard) -> Self {
        Self { guard, end: Instant::now() + limits.connection }
    }

    pub(super) fn is_over(&self) -> bool {
        self.guard.is_asked() || Instant::now() >= self.end
    }

    pub(super) async fn over(&self) {
        tokio::select! {
            () = self.guard.asked() => {}
            () = sleep_until(self.end) => {}
        }
    }
}

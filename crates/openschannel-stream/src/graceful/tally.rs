//! How many connections ended how.

use std::fmt;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};

use ::tokio::sync::Notify;
use openschannel::{ClosingReport, ReadEnd};

/// What became of a server's connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tally {
    /// All of them: the sum of the seven below.
    pub connections: u64,
    /// Both sides ended in order.
    pub in_order: u64,
    /// The transport ended without the peer's close_notify.
    pub truncated: u64,
    /// The transport was reset.
    pub reset: u64,
    /// The peer ended the connection by a fatal alert.
    pub alert: u64,
    /// The connection failed, or this side did not end in order.
    pub failed: u64,
    /// The peer never ended its side, or this one had to let go first.
    pub open: u64,
    /// Not done when the time was over, and given up; or without a report, because its task was ended or broke down.
    pub aborted: u64,
    /// Plaintext bytes sent.
    pub bytes_sent: u64,
    /// Plaintext bytes received.
    pub bytes_received: u64,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { connections, in_order, truncated, reset, alert, failed, open, aborted, .. } = self;
        write!(
            f,
            "{connections} connections: {in_order} ended in order, {truncated} truncated, {reset} reset, \
             {alert} ended by an alert, {failed} failed, {open} not ended by the peer, {aborted} aborted"
        )
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    InOrder,
    Truncated,
    Reset,
    Alert,
    Failed,
    Open,
    Aborted,
}

impl Outcome {
    pub(super) fn of(report: &ClosingReport) -> Self {
        match report.read_end {
            ReadEnd::Clean if report.close_sent && report.handshake_complete => Self::InOrder,
            ReadEnd::Clean | ReadEnd::Failed(_) => Self::Failed,
            ReadEnd::Truncated { .. } => Self::Truncated,
            ReadEnd::Reset => Self::Reset,
            ReadEnd::Alert(_) => Self::Alert,
            ReadEnd::Open => Self::Open,
        }
    }
}

/// A [`Tally`] that many tasks count into. Each number is right by itself; a sum that is read while connections end may be one behind.
#[derive(Debug, Default)]
pub(super) struct Counters {
    live: AtomicU64,
    outcomes: [AtomicU64; 7],
    bytes_sent: AtomicU64,
    bytes_received: AtomicU64,
    /// None lives any more.
    drained: Notify,
}

impl Counters {
    pub(super) fn begin(&self) {
        self.live.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn end(&self, outcome: Outcome, bytes_sent: u64, bytes_received: u64) {
        self.bytes_sent.fetch_add(bytes_sent, Ordering::Relaxed);
        self.bytes_received.fetch_add(bytes_received, Ordering::Relaxed);
        if let Some(count) = self.outcomes.get(outcome as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        // Who sees that none is left sees all that was counted.
        if self.live.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.drained.notify_waiters();
        }
    }

    pub(super) async fn drained(&self) {
        loop {
            let mut notified = pin!(self.drained.notified());
            // From here on: what ends between the look and the wait is not missed.
            notified.as_mut().enable();
            if self.live.load(Ordering::Acquire) == 0 {
                return;
            }
            notified.await;
        }
    }

    pub(super) fn live(&self) -> u64 {
        self.live.load(Ordering::Relaxed)
    }

    pub(super) fn tally(&self) -> Tally {
        let count = |outcome: Outcome| {
            self.outcomes.get(outcome as usize).map_or(0, |count| count.load(Ordering::Relaxed))
        };
        let mut tally = Tally {
            connections: 0,
            in_order: count(Outcome::InOrder),
            truncated: count(Outcome::Truncated),
            reset: count(Outcome::Reset),
            alert: count(Outcome::Alert),
            failed: count(Outcome::Failed),
            open: count(Outcome::Open),
            aborted: count(Outcome::Aborted),
            bytes_sent: self.bytes_sent.load(Ordering::Relaxed),
            bytes_received: self.bytes_received.load(Ordering::Relaxed),
        };
        let Tally { in_order, truncated, reset, alert, failed, open, aborted, .. } = tally;
        tally.connections = in_order + truncated + reset + alert + failed + open + aborted;
        tally
    }
}

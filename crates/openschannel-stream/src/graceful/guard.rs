//! [`Guard`]: one connection's part in a shutdown.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ::tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite};
use ::tokio::sync::watch;
use openschannel::ClosingReport;
use openschannel::alert::{Alert, AlertDescription};

use crate::close::{CloseBudget, CloseReport};
use crate::tokio::TlsStream;

use super::tally::{Counters, Outcome};
use super::{Phase, unless};

/// Held by a connection's task as long as the connection lives. One that is dropped without [`Guard::report`] counts as aborted.
#[derive(Debug)]
#[must_use = "a guard that is dropped counts as a connection that was aborted"]
pub struct Guard {
    phase: watch::Receiver<Phase>,
    counters: Arc<Counters>,
    /// It was told that the rest will not come, or could not even be told.
    given_up: AtomicBool,
    reported: bool,
}

/// What ended the waiting of [`Guard::idle`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Idle {
    /// Data waits to be read: go on with it.
    Data,
    /// The peer has closed its side, or reading has failed: close.
    PeerEnded,
    /// The shutdown has begun: close.
    Asked,
}

impl Guard {
    pub(super) fn new(phase: watch::Receiver<Phase>, counters: Arc<Counters>) -> Self {
        counters.begin();
        Self { phase, counters, given_up: AtomicBool::new(false), reported: false }
    }

    /// Whether the shutdown has begun: take no more work, such as another request.
    pub fn is_asked(&self) -> bool {
        *self.phase.borrow() >= Phase::Asked
    }

    /// Until the shutdown begins. Like the other signals it may be waited for again, and dropped at any time.
    pub async fn asked(&self) {
        self.reached(Phase::Asked).await;
    }

    /// Until the time for finishing is over and only that for a last word is left. What is not sent by now will not be: tell the peer
    /// with [`Guard::give_up`].
    pub async fn last_word(&self) {
        self.reached(Phase::LastWord).await;
    }

    /// Until all time is over. The task should end and drop the connection.
    pub async fn over(&self) {
        self.reached(Phase::Over).await;
    }

    /// Waits with a stream that has nothing to do, such as one kept for the next request.
    pub async fn idle<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: &mut TlsStream<S>) -> Idle {
        let read = async { stream.fill_buf().await.is_ok_and(|data| !data.is_empty()) };
        match unless(self.asked(), read).await {
            Some(true) => Idle::Data,
            Some(false) => Idle::PeerEnded,
            None => Idle::Asked,
        }
    }

    /// Closes in order: [`TlsStream::close`], which at [`Guard::last_word`] turns into [`Guard::give_up`].
    ///
    /// # Errors
    /// As there. [`TimedOut`](io::ErrorKind::TimedOut): the shutdown left no time.
    pub async fn close<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: &mut TlsStream<S>,
        budget: impl Into<CloseBudget>,
    ) -> io::Result<CloseReport> {
        if let Some(closed) = unless(self.last_word(), stream.close(budget)).await {
            return closed;
        }
        self.give_up(stream).await;
        match self.given_up.load(Ordering::Relaxed) {
            true => {
                Err(io::Error::new(io::ErrorKind::TimedOut, "the shutdown left no time to close in order"))
            }
            // Without time to wait in it only reports.
            false => Ok(stream.linger(Duration::ZERO).await),
        }
    }

    /// The last word of a connection that is not done: an alert behind what was sent, so that its end is taken neither for an end in
    /// order nor for a cut wire; and then reading on until the peer ends or [`Guard::over`], so that no reset destroys it. The
    /// connection counts as [`Tally::aborted`](super::Tally::aborted), unless its close_notify got out and only the peer's end was
    /// missing.
    pub async fn give_up<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: &mut TlsStream<S>) {
        let closed = stream.report().close_sent;
        if !closed {
            stream.driver_mut().send_alert(Alert::fatal(AlertDescription::INTERNAL_ERROR)).ok();
        }
        // The time that is left is the limit.
        unless(self.over(), stream.close(CloseBudget::new(u64::MAX, Duration::MAX))).await;
        let given_up = !closed || !stream.driver().transmit().is_empty();
        self.given_up.fetch_or(given_up, Ordering::Relaxed);
    }

    /// Counts the connection as its report has it: in order if both sides ended so, and otherwise by how reading ended.
    pub fn report(self, report: &ClosingReport) {
        self.count(Outcome::of(report), report);
    }

    /// Counts the connection as failed, whatever its report says: what was asked of it was not done.
    pub fn report_failed(self, report: &ClosingReport) {
        self.count(Outcome::Failed, report);
    }

    fn count(mut self, outcome: Outcome, report: &ClosingReport) {
        let outcome = if *self.given_up.get_mut() { Outcome::Aborted } else { outcome };
        self.counters.end(outcome, report.bytes_sent, report.bytes_received);
        self.reported = true;
    }

    async fn reached(&self, phase: Phase) {
        let mut watched = self.phase.clone();
        if watched.wait_for(|now| *now >= phase).await.is_err() && *watched.borrow() < Phase::LastWord {
            // Whoever could ask is gone: nobody will. But he who goes between the last word and the end takes the time with him.
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if !self.reported {
            self.counters.end(Outcome::Aborted, 0, 0);
        }
    }
}

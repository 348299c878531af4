//! Closing a stream over an asynchronous transport.

use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use ::tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use ::tokio::time::{Instant, timeout_at};

use super::{Sender, TlsStream};
use crate::close::{
    Begun, CloseBudget, CloseLimit, CloseReport, Closing, DISCARDED_AT_ONCE, Stage, Wanted, take_in,
};
use crate::error::refused;

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream<S> {
    /// Closes the connection and destroys nothing: sends what waits and the close_notify, ends the transport's sending direction, and
    /// reads on until the peer has ended too, within `budget`. What comes meanwhile, and what was received and not read before, is
    /// thrown away and counted. The socket may be dropped afterwards.
    ///
    /// It does not wait for longer than the budget, not for a peer that takes nothing either. The future may be dropped: another call
    /// goes on, and the time counts from the first. It wants a runtime with a timer.
    ///
    /// # Errors
    /// A [`CloseFailed`](crate::CloseFailed) with the transport's error: something could not be sent. What the peer had to say was read
    /// all the same. That only the close_notify could not be sent, to a peer that had closed, is none.
    ///
    /// # Panics
    /// As [`::tokio::time::sleep`], without such a runtime.
    pub async fn close(&mut self, budget: impl Into<CloseBudget>) -> io::Result<CloseReport> {
        let budget = budget.into();
        let began = self.closing.get_or_insert_with(|| Closing::new(Instant::now(), Begun::Close)).began;
        let bounds = Bounds::new(began, budget);
        let closing = poll_fn(|cx| self.poll_close(cx, bounds));
        let limit = bounds.keep(closing).await;
        let report = self.close_report(limit);
        self.closing.take().map_or(Ok(report), |closing| closing.finish(report))
    }

    /// Reads until the peer ends, within `budget`, and throws away what comes: the last step of [`TlsStream::close`], for who has
    /// called [`TlsStream::close_write`]. The time counts from each call. It wants a runtime with a timer, and panics without.
    pub async fn linger(&mut self, budget: impl Into<CloseBudget>) -> CloseReport {
        self.linger_with(budget, |_| ()).await
    }

    /// As [`TlsStream::linger`], and gives what comes to `deliver`.
    pub async fn linger_with(
        &mut self,
        budget: impl Into<CloseBudget>,
        mut deliver: impl FnMut(&[u8]),
    ) -> CloseReport {
        let budget = budget.into();
        let mut lingering = Closing::new(Instant::now(), Begun::Linger);
        let bounds = Bounds::new(lingering.began, budget);
        let reading = poll_fn(|cx| self.poll_peers_end(cx, &mut lingering, bounds, &mut deliver));
        let limit = bounds.keep(reading).await;
        self.close_report(limit)
    }

    fn close_report(&self, limit: Option<CloseLimit>) -> CloseReport {
        CloseReport::new(&self.driver, &self.incoming, &self.outgoing, limit)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>, bounds: Bounds) -> Poll<Option<CloseLimit>> {
        // It lies apart from the rest while both are worked on.
        let Some(mut closing) = self.closing.take() else { return Poll::Ready(None) };
        let polled = match self.poll_send_end(cx, &mut closing) {
            Poll::Ready(()) => self.poll_peers_end(cx, &mut closing, bounds, &mut |_| ()),
            Poll::Pending => {
                // Perhaps for a peer that does not read before it has written.
                if self.driver.is_established() {
                    let _whatever_comes = self.poll_peers_end(cx, &mut closing, bounds, &mut |_| ());
                }
                if bounds.are_over() { Poll::Ready(Some(CloseLimit::Time)) } else { Poll::Pending }
            }
        };
        self.closing = Some(closing);
        polled
    }

    /// The stages Send and Shut.
    fn poll_send_end(&mut self, cx: &mut Context<'_>, closing: &mut Closing<Instant>) -> Poll<()> {
        if closing.stage == Stage::Send {
            let sent = match self.driver.close_write().map_err(refused) {
                Ok(()) => ready!(self.poll_send(cx, Sender::Writer)),
                Err(error) => Err(error),
            };
            closing.sent(sent, &self.driver, &mut self.outgoing, &mut self.send_error);
        }
        if closing.stage == Stage::Shut {
            let shut = ready!(self.poll_shut_transport(cx));
            closing.shut(shut, &self.driver, &self.outgoing, &mut self.send_error);
        }
        Poll::Ready(())
    }

    /// The stage Read.
    fn poll_peers_end(
        &mut self,
        cx: &mut Context<'_>,
        closing: &mut Closing<Instant>,
        bounds: Bounds,
        deliver: &mut impl FnMut(&[u8]),
    ) -> Poll<Option<CloseLimit>> {
        loop {
            let wanted = take_in(&mut self.driver, &mut self.incoming.discarded, deliver);
            if wanted == Wanted::Nothing {
                return Poll::Ready(None);
            }
            // Asked before each reading: a transport that always has something would never let the timer have its say.
            if let Some(limit) = bounds.limit(closing.received) {
                return Poll::Ready((wanted != Wanted::Leftovers).then_some(limit));
            }
            match wanted {
                Wanted::Input => closing.received += ready!(self.poll_receive(cx)) as u64,
                Wanted::Anything | Wanted::Leftovers | Wanted::Nothing => {
                    let mut nobody = [0; DISCARDED_AT_ONCE];
                    let mut space = ReadBuf::new(&mut nobody);
                    match Pin::new(&mut self.transport).poll_read(cx, &mut space) {
                        Poll::Ready(Err(error)) if error.kind() == ErrorKind::Interrupted => {}
                        Poll::Pending if wanted == Wanted::Anything => return Poll::Pending,
                        Poll::Ready(Ok(())) if !space.filled().is_empty() => {
                            closing.received += space.filled().len() as u64;
                        }
                        _ => return Poll::Ready(None),
                    }
                }
            }
        }
    }
}

/// A budget whose time has begun.
#[derive(Clone, Copy)]
struct Bounds {
    bytes: u64,
    /// [`None`] if it is further off than clocks go.
    deadline: Option<Instant>,
}

impl Bounds {
    fn new(began: Instant, budget: CloseBudget) -> Self {
        Self { bytes: budget.bytes, deadline: began.checked_add(budget.time) }
    }

    fn limit(self, received: u64) -> Option<CloseLimit> {
        match received >= self.bytes {
            true => Some(CloseLimit::Bytes),
            false => self.are_over().then_some(CloseLimit::Time),
        }
    }

    fn are_over(self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    async fn keep(self, closing: impl Future<Output = Option<CloseLimit>>) -> Option<CloseLimit> {
        match self.deadline {
            Some(deadline) => timeout_at(deadline, closing).await.unwrap_or(Some(CloseLimit::Time)),
            None => closing.await,
        }
    }
}

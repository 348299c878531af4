//! Closing a stream over a transport that blocks, or does not.

use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};

use super::{TlsStream, Transport, shut};
use crate::close::{
    Begun, CloseBudget, CloseLimit, CloseReport, Closing, DISCARDED_AT_ONCE, Stage, Wanted, take_in,
};
use crate::error::{is_retry, refused};

/// How long sending waits for room before it looks whether the peer waits for it to read: short beside a round trip's worth of
/// patience, long beside a system call.
const TURN: Duration = Duration::from_millis(20);

/// How often is read before sending has its turn again: about a mebibyte, so that a peer that sends and sends does not have it all.
const READS_A_TURN: usize = 16;

/// The shortest timeout that is set on a transport: zero would stand for none, and clocks of sockets are coarse.
pub(super) const MOMENT: Duration = Duration::from_millis(1);

impl<S: Transport> TlsStream<S> {
    /// Closes the sending direction: [`TlsStream::close_notify`], then the transport's own end of sending. Reading goes on. May be
    /// called again.
    ///
    /// # Errors
    /// The transport's. That it is not connected any more is none.
    pub fn close_write(&mut self) -> io::Result<()> {
        self.close_notify()?;
        self.shut_transport()
    }

    /// Closes the connection and destroys nothing: sends what waits and the close_notify, ends the transport's sending direction, and
    /// reads on until the peer has ended too, within `budget`. What comes meanwhile, and what was received and not read before, is
    /// thrown away and counted. The socket may be dropped afterwards.
    ///
    /// It does not wait for longer than the budget, not for a peer that takes nothing either, whatever timeouts the transport has;
    /// they are set back. A transport of one's own that goes on blocking behind [`Transport::set_read_timeout`] and
    /// [`Transport::set_write_timeout`] cannot be held to it. On a transport that says [`ErrorKind::WouldBlock`] that is given on: call
    /// again, and the time counts from the first call.
    ///
    /// # Errors
    /// A [`CloseFailed`](crate::CloseFailed) with the transport's error: something could not be sent. What the peer had to say was read
    /// all the same. That only the close_notify could not be sent, to a peer that had closed, is none. And as
    /// [`Transport::set_read_timeout`] and [`Transport::set_write_timeout`].
    pub fn close(&mut self, budget: impl Into<CloseBudget>) -> io::Result<CloseReport> {
        let budget = budget.into();
        let timeout = self.transport.write_timeout()?;
        let mut closing = self.begun_or_new(Begun::Close);
        let sent = self.send_end(&mut closing, budget);
        // A transport that is gone may refuse; it then does not wait either.
        self.transport.set_write_timeout(timeout).ok();
        self.finish(closing, budget, sent, &mut |_| ())
    }

    /// Reads until the peer ends, within `budget`, and throws away what comes: the last step of [`TlsStream::close`], for who has
    /// called [`TlsStream::close_write`]. [`ErrorKind::WouldBlock`] as there.
    ///
    /// # Errors
    /// As [`Transport::set_read_timeout`].
    pub fn linger(&mut self, budget: impl Into<CloseBudget>) -> io::Result<CloseReport> {
        self.linger_with(budget, |_| ())
    }

    /// As [`TlsStream::linger`], and gives what comes to `deliver`.
    ///
    /// # Errors
    /// As there.
    pub fn linger_with(
        &mut self,
        budget: impl Into<CloseBudget>,
        mut deliver: impl FnMut(&[u8]),
    ) -> io::Result<CloseReport> {
        let closing = self.begun_or_new(Begun::Linger);
        self.finish(closing, budget.into(), Ok(None), &mut deliver)
    }

    /// What an earlier call of the same kind could not finish because the transport does not block.
    fn begun_or_new(&mut self, begun: Begun) -> Closing<Instant> {
        self.closing
            .take()
            .filter(|closing| closing.begun == begun)
            .unwrap_or_else(|| Closing::new(Instant::now(), begun))
    }

    fn shut_transport(&mut self) -> io::Result<()> {
        shut(&mut self.transport, &mut self.outgoing).map_err(|error| self.incoming.reset.note(error))
    }

    /// The stages Send and Shut.
    fn send_end(
        &mut self,
        closing: &mut Closing<Instant>,
        budget: CloseBudget,
    ) -> io::Result<Option<CloseLimit>> {
        if closing.stage == Stage::Send {
            let mut sent = self.driver.close_write().map_err(refused);
            while sent.is_ok() {
                let left = remaining(closing, budget);
                unless_gone(self.transport.set_write_timeout(Some(left.clamp(MOMENT, TURN))))?;
                let asked = Instant::now();
                match self
                    .send_once()
                    .and_then(|more| if more { Ok(true) } else { self.send_all().map(|()| false) })
                {
                    Ok(true) if left.is_zero() => return Ok(Some(CloseLimit::Time)),
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(error) if is_retry(&error) => {
                        let waited = has_waited(asked.elapsed(), left.clamp(MOMENT, TURN));
                        let received = self.make_room(closing, budget)?;
                        if remaining(closing, budget).is_zero() {
                            return Ok(Some(CloseLimit::Time));
                        }
                        // As long as something comes its owner is not asked to wait: of what has come already it may hear nothing.
                        if !waited && received == 0 {
                            return Err(error);
                        }
                    }
                    Err(error) => sent = Err(error),
                }
            }
            closing.sent(sent, &self.driver, &mut self.outgoing, &mut self.send_error);
        }
        if closing.stage == Stage::Shut {
            let shut = self.shut_transport();
            if let Err(error) = &shut
                && is_retry(error)
            {
                return if remaining(closing, budget).is_zero() {
                    Ok(Some(CloseLimit::Time))
                } else {
                    shut.map(|()| None)
                };
            }
            closing.shut(shut, &self.driver, &self.outgoing, &mut self.send_error);
        }
        Ok(None)
    }

    /// Sending waits: perhaps for a peer that does not read before it has written. Says how much it had.
    fn make_room(&mut self, closing: &mut Closing<Instant>, budget: CloseBudget) -> io::Result<u64> {
        if !self.driver.is_established() {
            return Ok(0);
        }
        let before = closing.received;
        let timeout = self.transport.read_timeout()?;
        unless_gone(self.transport.set_read_timeout(Some(MOMENT)))?;
        for _ in 0..READS_A_TURN {
            let wanted = take_in(&mut self.driver, &mut self.incoming.discarded, &mut |_| ());
            if wanted != Wanted::Input || closing.received >= budget.bytes {
                break;
            }
            match self.receive() {
                Ok(0) | Err(_) => break,
                Ok(n) => closing.received += n as u64,
            }
        }
        self.transport.set_read_timeout(timeout).ok();
        Ok(closing.received - before)
    }

    /// The stage Read, and the report.
    fn finish(
        &mut self,
        mut closing: Closing<Instant>,
        budget: CloseBudget,
        sent: io::Result<Option<CloseLimit>>,
        deliver: &mut impl FnMut(&[u8]),
    ) -> io::Result<CloseReport> {
        let limit = match sent {
            Ok(None) => self.transport.read_timeout().and_then(|timeout| {
                let read = self.read_to_end(&mut closing, budget, deliver);
                self.transport.set_read_timeout(timeout).ok();
                read
            }),
            other => other,
        };
        let limit = match limit {
            Ok(limit) => limit,
            Err(error) => {
                self.closing = Some(closing);
                return Err(error);
            }
        };
        closing.finish(CloseReport::new(&self.driver, &self.incoming, &self.outgoing, limit))
    }

    fn read_to_end(
        &mut self,
        closing: &mut Closing<Instant>,
        budget: CloseBudget,
        deliver: &mut impl FnMut(&[u8]),
    ) -> io::Result<Option<CloseLimit>> {
        loop {
            let wanted = take_in(&mut self.driver, &mut self.incoming.discarded, deliver);
            if wanted == Wanted::Nothing {
                return Ok(None);
            }
            let left = remaining(closing, budget);
            let limit = match (closing.received >= budget.bytes, left.is_zero()) {
                (true, _) => Some(CloseLimit::Bytes),
                (false, true) => Some(CloseLimit::Time),
                (false, false) => None,
            };
            if limit.is_some() {
                return Ok(limit.filter(|_| wanted != Wanted::Leftovers));
            }
            let timeout = if wanted == Wanted::Leftovers { MOMENT } else { left.max(MOMENT) };
            unless_gone(self.transport.set_read_timeout(Some(timeout)))?;
            let asked = Instant::now();
            let read = match wanted {
                Wanted::Input => self.receive(),
                _ => self.transport.read(&mut [0; DISCARDED_AT_ONCE]),
            };
            match read {
                Ok(0) if wanted != Wanted::Input => return Ok(None),
                Ok(n) => closing.received += n as u64,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if !is_retry(&error) || wanted == Wanted::Leftovers => return Ok(None),
                Err(error) if !has_waited(asked.elapsed(), timeout) => return Err(error),
                Err(_) => {}
            }
        }
    }
}

fn remaining(closing: &Closing<Instant>, budget: CloseBudget) -> Duration {
    budget.time.saturating_sub(closing.began.elapsed())
}

/// A socket of macOS takes no option any more once both its directions have ended. It does not wait either.
pub(super) fn unless_gone(set: io::Result<()>) -> io::Result<()> {
    set.or_else(|error| if error.kind() == ErrorKind::InvalidInput { Ok(()) } else { Err(error) })
}

/// Whether a transport that gave up has waited for the timeout that was set. One that has not does not block: it is its owner who
/// knows when to ask again.
pub(super) fn has_waited(waited: Duration, timeout: Duration) -> bool {
    waited >= timeout / 2
}

//! A handshake that has an end, over a transport that blocks.

use std::io::{self, ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use super::close::{MOMENT, has_waited, unless_gone};
use super::{TlsStream, Transport};
use crate::error::is_retry;

impl<S: Transport> TlsStream<S> {
    /// [`TlsStream::handshake`], over when `time` is, however little at a time the peer sends or takes: a timeout of the transport's own
    /// begins again with every call. Its timeouts are set to what is left before each call that reads, writes or flushes, a millisecond
    /// at least, and are set back behind the last. A transport of one's own that goes on blocking behind them cannot be held to it.
    ///
    /// # Errors
    /// As [`TlsStream::handshake`], and as [`Transport::set_read_timeout`] and [`Transport::set_write_timeout`].
    /// [`ErrorKind::TimedOut`]: the time is over. The stream is as it was; a further call goes on, with a time of its own.
    pub fn handshake_within(&mut self, time: Duration) -> io::Result<()> {
        let (read, write) = (self.transport.read_timeout()?, self.transport.write_timeout()?);
        let began = Instant::now();
        let shaken = self.shake_for(time, || began.elapsed());
        // A transport that is gone may refuse; it then does not wait either.
        self.transport.set_read_timeout(read).ok();
        self.transport.set_write_timeout(write).ok();
        shaken
    }

    /// `passed` says how much of the time that is.
    fn shake_for(&mut self, time: Duration, passed: impl Fn() -> Duration) -> io::Result<()> {
        let mut deadline = Deadline { time, passed, has_waited: false, refused: None };
        loop {
            match self.shake_over(|transport| Timed { transport, deadline: &mut deadline }) {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                // One that has not waited does not block: it is its owner who knows when to ask again.
                Err(error) if is_retry(&error) && deadline.has_waited => {}
                Err(error) if is_retry(&error) => return Err(deadline.refused.take().unwrap_or(error)),
                Err(error) => return Err(error),
            }
        }
    }
}

/// How long calls of the transport's may still wait.
struct Deadline<P> {
    time: Duration,
    passed: P,
    /// Whether the last call has waited for as long as it was let.
    has_waited: bool,
    /// The transport takes no timeout.
    refused: Option<io::Error>,
}

impl<P: Fn() -> Duration> Deadline<P> {
    /// A call of the transport's, with a timeout `set` before it. What was not called was not ended either: its errors are those of a
    /// call that can be made again.
    fn call<S, T>(
        &mut self,
        transport: &mut S,
        set: impl FnOnce(&mut S, Option<Duration>) -> io::Result<()>,
        call: impl FnOnce(&mut S) -> io::Result<T>,
    ) -> io::Result<T> {
        self.has_waited = false;
        let asked = (self.passed)();
        let left = self.time.saturating_sub(asked);
        if left.is_zero() {
            return Err(io::Error::new(ErrorKind::TimedOut, "the handshake was not finished in time"));
        }
        let timeout = left.max(MOMENT);
        if let Err(error) = unless_gone(set(transport, Some(timeout))) {
            self.refused = Some(error);
            return Err(ErrorKind::WouldBlock.into());
        }
        let result = call(transport);
        self.has_waited = has_waited((self.passed)().saturating_sub(asked), timeout);
        result
    }
}

/// A transport in a handshake that has an end.
struct Timed<'a, S, P> {
    transport: &'a mut S,
    deadline: &'a mut Deadline<P>,
}

impl<S: Transport, P: Fn() -> Duration> Read for Timed<'_, S, P> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.deadline.call(self.transport, S::set_read_timeout, |transport| transport.read(buf))
    }
}

impl<S: Transport, P: Fn() -> Duration> Write for Timed<'_, S, P> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.deadline.call(self.transport, S::set_write_timeout, |transport| transport.write(buf))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.deadline.call(self.transport, S::set_write_timeout, S::flush)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

    use std::cell::Cell;
    use std::rc::Rc;

    use openschannel::ContextOptions;
    use openschannel::credentials::{OutboundCredentials, Trust};

    use super::*;
    use crate::Driver;

    const SECOND: Duration = Duration::from_secs(1);

    /// A peer that takes a byte a second and says one a second, on a clock that only its calls move.
    #[derive(Debug, Default)]
    struct Slow {
        clock: Rc<Cell<Duration>>,
        /// Bytes that it takes.
        takes: usize,
        taken: usize,
        read: usize,
        /// Set for the next call, and used up by it.
        armed: [Option<Duration>; 2],
        /// What the calls were armed with.
        timeouts: Vec<Duration>,
        /// It cannot wait.
        refuses: bool,
    }

    const READ: usize = 0;
    const WRITE: usize = 1;

    impl Slow {
        /// Waits until the call has something, or for as long as it was armed.
        fn wait(&mut self, direction: usize, has_something: bool) -> io::Result<()> {
            assert!(self.timeouts.len() < 100_000, "it may go on for ever");
            let timeout = self.armed[direction].take().unwrap();
            self.timeouts.push(timeout);
            self.clock.set(self.clock.get() + if has_something { timeout.min(SECOND) } else { timeout });
            if has_something && timeout >= SECOND { Ok(()) } else { Err(ErrorKind::WouldBlock.into()) }
        }

        fn arm(&mut self, direction: usize, timeout: Option<Duration>) -> io::Result<()> {
            if self.refuses {
                return Err(ErrorKind::Unsupported.into());
            }
            self.armed[direction] = timeout;
            Ok(())
        }
    }

    impl Read for Slow {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            self.wait(READ, true)?;
            // A record that is long enough to last.
            buf[0] = [22, 3, 1, 64].get(self.read).copied().unwrap_or_default();
            self.read += 1;
            Ok(1)
        }
    }

    impl Write for Slow {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            let has_room = self.taken < self.takes;
            self.wait(WRITE, has_room)?;
            self.taken += 1;
            Ok(1)
        }

        fn flush(&mut self) -> io::Result<()> {
            self.wait(WRITE, true)
        }
    }

    impl Transport for Slow {
        fn shutdown_write(&mut self) -> io::Result<()> {
            Ok(())
        }

        fn read_timeout(&self) -> io::Result<Option<Duration>> {
            Ok(None)
        }

        fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
            self.arm(READ, timeout)
        }

        fn write_timeout(&self) -> io::Result<Option<Duration>> {
            Ok(None)
        }

        fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
            self.arm(WRITE, timeout)
        }
    }

    fn client(slow: Slow) -> TlsStream<Slow> {
        let credentials = OutboundCredentials::builder().trust(Trust::Roots(Vec::new())).acquire().unwrap();
        let driver = Driver::client(&credentials, Some("localhost"), &ContextOptions::default()).unwrap();
        TlsStream::from_driver(slow, driver)
    }

    fn shake(stream: &mut TlsStream<Slow>, time: Duration) -> io::Error {
        let clock = Rc::clone(&stream.get_ref().clock);
        let began = clock.get();
        stream.shake_for(time, || clock.get() - began).unwrap_err()
    }

    /// Each call has what those before it have left, and not more.
    #[test]
    fn a_peer_that_takes_and_says_a_byte_at_a_time_has_the_time_once() {
        for time in [10 * SECOND, 10 * SECOND + SECOND / 2, 100_000 * SECOND] {
            let mut stream = client(Slow { takes: usize::MAX, ..Slow::default() });
            let hello = stream.driver().transmit().len();
            let clock = Rc::clone(&stream.get_ref().clock);
            let error = shake(&mut stream, time);
            let slow = stream.get_ref();
            if time.as_secs() == 10 {
                assert_eq!(error.kind(), ErrorKind::TimedOut);
                assert_eq!(clock.get(), time);
                // Nothing is lost: a further call goes on with the next byte.
                assert_eq!((slow.taken, slow.read), (10, 0));
                let expected: Vec<_> =
                    (0_u32..).map(|second| time - second * SECOND).take(slow.timeouts.len()).collect();
                assert_eq!(slow.timeouts, expected);
                shake(&mut stream, time);
                assert_eq!(stream.get_ref().taken, 20);
            } else {
                // The record is read to its end and is no ServerHello.
                assert_eq!(error.kind(), ErrorKind::InvalidData, "{error}");
                assert!(slow.taken >= hello, "an alert at most comes behind it");
                assert!(slow.timeouts.is_sorted_by(|before, after| before > after));
            }
        }
    }

    #[test]
    fn a_peer_that_takes_nothing_has_the_time_once() {
        let mut stream = client(Slow { takes: 5, ..Slow::default() });
        assert_eq!(shake(&mut stream, 10 * SECOND).kind(), ErrorKind::TimedOut);
        assert_eq!(stream.get_ref().clock.get(), 10 * SECOND);
    }

    /// It is asked again, and nothing has ended.
    #[test]
    fn a_transport_that_refuses_a_timeout_says_so() {
        let mut stream = client(Slow { takes: usize::MAX, refuses: true, ..Slow::default() });
        assert_eq!(shake(&mut stream, SECOND).kind(), ErrorKind::Unsupported);
        stream.get_mut().refuses = false;
        shake(&mut stream, 5 * SECOND);
        assert_eq!(stream.get_ref().taken, 5);
    }
}

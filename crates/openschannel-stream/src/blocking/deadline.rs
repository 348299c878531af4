//! A handshake that has an end, over a transport that blocks.

use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};

use super::close::{MOMENT, has_waited, unless_gone};
use super::{TlsStream, Transport};
use crate::error::is_retry;

impl<S: Transport> TlsStream<S> {
    /// [`TlsStream::handshake`], over when `time` is, however little at a time the peer sends: a timeout of the transport's own begins
    /// again with every byte. Those timeouts are set meanwhile, and set back.
    ///
    /// # Errors
    /// As [`TlsStream::handshake`], and as [`Transport::set_read_timeout`] and [`Transport::set_write_timeout`].
    /// [`ErrorKind::TimedOut`]: the time is over. The stream is as it was; a further call goes on, with a time of its own.
    pub fn handshake_within(&mut self, time: Duration) -> io::Result<()> {
        let (read, write) = (self.transport.read_timeout()?, self.transport.write_timeout()?);
        let shaken = self.shake_for(time);
        // A transport that is gone may refuse; it then does not wait either.
        self.transport.set_read_timeout(read).ok();
        self.transport.set_write_timeout(write).ok();
        shaken
    }

    fn shake_for(&mut self, time: Duration) -> io::Result<()> {
        let began = Instant::now();
        loop {
            let left = time.saturating_sub(began.elapsed());
            if left.is_zero() {
                return Err(io::Error::new(ErrorKind::TimedOut, "the handshake was not finished in time"));
            }
            let timeout = left.max(MOMENT);
            unless_gone(self.transport.set_read_timeout(Some(timeout)))?;
            unless_gone(self.transport.set_write_timeout(Some(timeout)))?;
            let asked = Instant::now();
            match self.shake() {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                // One that has not waited does not block: it is its owner who knows when to ask again.
                Err(error) if is_retry(&error) && has_waited(asked, timeout) => {}
                Err(error) => return Err(error),
            }
        }
    }
}

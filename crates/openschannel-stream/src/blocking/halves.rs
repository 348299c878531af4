//! The two directions of a stream, for two threads.

use std::io::{self, BufRead, Read, Write};
use std::sync::Arc;

use crate::directions::{Incoming, Outgoing, Reset};
use crate::driver::Plaintext;
use crate::error::{alike, failed, refused, unfinished};
use crate::halves::{ReceiveDriver, SendDriver};
use crate::split::{Parts, SplitError, SplitTransport, halves, reunite};

use super::{TlsStream, Transport, receive, send_all, send_once, shut};

/// The reading direction of a [`TlsStream`], made by [`TlsStream::into_split`]. Reading ends as there.
///
/// What it finds out and the peer is to hear (the answer to a KeyUpdate, the alert for a failure) the [`WriteHalf`] sends with its next
/// write or flush.
#[derive(Debug)]
pub struct ReadHalf<R> {
    transport: R,
    driver: ReceiveDriver,
    incoming: Incoming,
    is_gone: fn(&R) -> bool,
}

/// The writing direction of a [`TlsStream`], made by [`TlsStream::into_split`]. Dropping it sends nothing: [`WriteHalf::close_write`]
/// it.
#[derive(Debug)]
#[must_use = "a stream whose writing half is dropped without close_write() looks cut to the peer"]
pub struct WriteHalf<W> {
    transport: W,
    driver: SendDriver,
    outgoing: Outgoing,
    reset: Arc<Reset>,
}

halves!();

impl<R: Read> BufRead for ReadHalf<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        loop {
            match self.driver.fill_plaintext().map_err(failed)? {
                Plaintext::Data(_) => break,
                Plaintext::NeedsReceive => {
                    receive(&mut self.transport, &mut self.driver, &mut self.incoming, self.is_gone)?
                }
                Plaintext::End(end) if self.incoming.truncation.reads_as_end(end) => break,
                Plaintext::End(end) => {
                    return Err(self.incoming.ended(end, self.driver.bytes_received(), false));
                }
            };
        }
        Ok(self.driver.plaintext())
    }

    fn consume(&mut self, amount: usize) {
        self.driver.consume(amount);
    }
}

impl<R: Read> Read for ReadHalf<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        let mut data = self.fill_buf()?;
        let n = data.read(buf)?;
        self.driver.consume(n);
        Ok(n)
    }
}

impl<W: Write> WriteHalf<W> {
    /// Sends what waits and then a close_notify, and leaves the transport as it is. Reading goes on. May be called again.
    ///
    /// # Errors
    /// The transport's.
    pub fn close_notify(&mut self) -> io::Result<()> {
        self.driver.close_write().map_err(refused)?;
        self.flush()?;
        self.outgoing.note_close(self.driver.close_sent());
        Ok(())
    }

    fn send(&mut self) -> io::Result<()> {
        let _under_way = self.reset.sending();
        while send_once(&mut self.transport, &mut self.driver, &mut self.outgoing)
            .map_err(|error| self.reset.note(error))?
        {}
        Ok(())
    }

    fn send_all(&mut self) -> io::Result<()> {
        let _under_way = self.reset.sending();
        send_all(&mut self.transport, &mut self.driver, &mut self.outgoing)
            .map_err(|error| self.reset.note(error))
    }
}

impl<W: Transport> WriteHalf<W> {
    /// [`WriteHalf::close_notify`], then the transport's own end of sending. Reading goes on. May be called again.
    ///
    /// # Errors
    /// The transport's. That it is not connected any more is none.
    pub fn close_write(&mut self) -> io::Result<()> {
        self.close_notify()?;
        let _under_way = self.reset.sending();
        shut(&mut self.transport, &mut self.outgoing).map_err(|error| self.reset.note(error))
    }
}

impl<W: Write> Write for WriteHalf<W> {
    /// As [`TlsStream`]'s. Refused, with [`ErrorKind::BrokenPipe`](io::ErrorKind::BrokenPipe), once the reading half has met a failure;
    /// the alert for it is sent then.
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.outgoing.tell_late()?;
        loop {
            let written = match self.driver.write(buf) {
                Ok(written) => written,
                Err(error) => {
                    // The alert is sent as far as it goes; the refusal is what counts.
                    self.send_all().ok();
                    return Err(refused(error));
                }
            };
            match self.send() {
                Err(error) if written == 0 => return Err(error),
                Err(error) => self.outgoing.fail_later(error),
                Ok(()) => {}
            }
            if written > 0 || buf.is_empty() {
                return Ok(written);
            }
        }
    }

    /// Sends what waits, and what the reading half has found out that the peer is to hear.
    fn flush(&mut self) -> io::Result<()> {
        self.outgoing.tell_late()?;
        self.driver.catch_up();
        self.send_all()
    }
}

//! A stream over anything that is [`Read`] and [`Write`].
//!
//! Made for blocking transports. On one that answers [`ErrorKind::WouldBlock`] every method gives that error on and may be called
//! again: nothing is lost and nothing is done twice.

use std::io::{self, BufRead, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use openschannel::credentials::{InboundCredentials, OutboundCredentials};
use openschannel::{ClosingReport, ContextOptions, ReadEnd, TransportEnd};

use crate::driver::{Advance, Driver, Plaintext};
use crate::error::{ReadEnded, failed, is_retry, refused, transport_end, unusable, write_zero};
use crate::linger::{DISCARDED_AT_ONCE, LingerBudget, LingerLimit, Lingered};

/// What ending a connection in good order takes beyond reading and writing.
pub trait Transport: Read + Write {
    /// Ends the sending direction: a FIN. Reading goes on.
    ///
    /// # Errors
    /// The transport's.
    fn shutdown_write(&mut self) -> io::Result<()>;

    /// How long a read waits; [`None`] is for ever.
    ///
    /// # Errors
    /// The transport's.
    fn read_timeout(&self) -> io::Result<Option<Duration>>;

    /// Sets how long a read waits.
    ///
    /// # Errors
    /// The transport's.
    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()>;
}

macro_rules! sockets {
    ($($(#[$attribute:meta])* $socket:ty),*) => {$(
        $(#[$attribute])*
        impl Transport for $socket {
            fn shutdown_write(&mut self) -> io::Result<()> {
                self.shutdown(Shutdown::Write)
            }

            fn read_timeout(&self) -> io::Result<Option<Duration>> {
                <$socket>::read_timeout(self)
            }

            fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
                <$socket>::set_read_timeout(self, timeout)
            }
        }
    )*};
}

sockets!(
    TcpStream,
    #[cfg(unix)]
    UnixStream
);

/// A connection. Dropping it sends nothing: close it with [`TlsStream::close_write`], and [`TlsStream::linger`] for the peer.
///
/// Reading gives `Ok(0)` only behind the peer's close_notify. Otherwise it fails: [`ErrorKind::UnexpectedEof`] for a transport that
/// ended without one and [`ErrorKind::ConnectionReset`], both with a [`ReadEnded`]; [`ErrorKind::InvalidData`] for a fatal alert or a
/// failure, with an [`openschannel::status::Error`].
#[derive(Debug)]
pub struct TlsStream<S> {
    transport: S,
    driver: Driver,
    /// What the transport's end was, for the error that tells it.
    transport_error: Option<io::Error>,
    /// Why the handshake could not be sent.
    send_error: Option<io::Error>,
    /// The transport was given bytes and has not been flushed since.
    unflushed: bool,
    transport_shut: bool,
    discarded: u64,
}

impl<S: Read + Write> TlsStream<S> {
    /// Connects as a client to `target`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`]: the target cannot be a server's name. Otherwise as [`TlsStream::handshake`].
    pub fn connect(
        transport: S,
        credentials: &OutboundCredentials,
        target: Option<&str>,
        options: &ContextOptions,
    ) -> io::Result<Self> {
        let driver = Driver::client(credentials, target, options).map_err(unusable)?;
        let mut stream = Self::from_driver(transport, driver);
        stream.handshake()?;
        Ok(stream)
    }

    /// Accepts a client.
    ///
    /// # Errors
    /// As [`TlsStream::handshake`].
    pub fn accept(
        transport: S,
        credentials: &InboundCredentials,
        options: &ContextOptions,
    ) -> io::Result<Self> {
        let mut stream = Self::from_driver(transport, Driver::server(credentials, options));
        stream.handshake()?;
        Ok(stream)
    }

    /// A stream with its handshake still to do: for a driver with an observer, or to have the stream when the handshake fails.
    pub fn from_driver(transport: S, driver: Driver) -> Self {
        Self {
            transport,
            driver,
            transport_error: None,
            send_error: None,
            unflushed: false,
            transport_shut: false,
            discarded: 0,
        }
    }

    /// Does the handshake.
    ///
    /// # Errors
    /// As reading; an end of the transport's, and a close_notify too, carries a [`ReadEnded`]. The alert for the peer was sent as
    /// far as the transport took it.
    pub fn handshake(&mut self) -> io::Result<()> {
        loop {
            let advanced = self.driver.advance();
            match self.flush() {
                // The peer may have said why it takes no more: what it sent is read first.
                Err(error) if !is_retry(&error) => {
                    self.driver.transmitted(self.driver.transmit().len());
                    self.send_error.get_or_insert(error);
                }
                Err(error) if advanced.is_ok() => return Err(error),
                _ => {}
            }
            match advanced.map_err(failed)? {
                Advance::Established if self.send_error.is_none() => return Ok(()),
                Advance::Established => match self.driver.fill_plaintext().map_err(failed)? {
                    Plaintext::NeedsReceive => {}
                    _ => return self.send_error.take().map_or(Ok(()), Err),
                },
                Advance::Ended(end) => return Err(self.ended(end)),
                Advance::NeedsReceive => {}
            }
            self.receive()?;
        }
    }

    /// Sends what waits and then a close_notify, and leaves the transport as it is. Reading goes on. May be called again.
    ///
    /// # Errors
    /// The transport's.
    pub fn close_notify(&mut self) -> io::Result<()> {
        self.driver.close_write().map_err(refused)?;
        self.flush()
    }

    /// How the connection stands or has ended.
    pub fn report(&self) -> ClosingReport {
        self.driver.closing_report()
    }

    /// The driver: what was negotiated, key updates, alerts. What it wants sent goes out with the next write or flush.
    pub fn driver(&self) -> &Driver {
        &self.driver
    }

    /// As [`TlsStream::driver`].
    pub fn driver_mut(&mut self) -> &mut Driver {
        &mut self.driver
    }

    /// The transport.
    pub fn get_ref(&self) -> &S {
        &self.transport
    }

    /// The transport. Bytes read from it or written to it are lost to the connection.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.transport
    }

    /// The transport and the driver, with whatever it holds.
    pub fn into_parts(self) -> (S, Driver) {
        (self.transport, self.driver)
    }

    /// One read of the transport's. Its end is the driver's to report.
    fn receive(&mut self) -> io::Result<usize> {
        loop {
            match self.transport.read(self.driver.receive_space()) {
                Ok(0) => self.driver.transport_ended(TransportEnd::Eof),
                Ok(n) => {
                    self.driver.received(n);
                    return Ok(n);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if is_retry(&error) => return Err(error),
                Err(error) => {
                    self.driver.transport_ended(transport_end(&error));
                    self.transport_error.get_or_insert(error);
                }
            }
            return Ok(0);
        }
    }

    fn send(&mut self) -> io::Result<()> {
        while !self.driver.transmit().is_empty() {
            match self.transport.write(self.driver.transmit()) {
                Ok(0) => return Err(write_zero()),
                Ok(n) => {
                    self.driver.transmitted(n);
                    self.unflushed = true;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn ended(&mut self, end: ReadEnd) -> io::Error {
        let report = self.driver.closing_report();
        ReadEnded::new(end, report.bytes_received, !report.handshake_complete, self.transport_error.take())
            .into()
    }
}

impl<S: Transport> TlsStream<S> {
    /// Closes the sending direction: [`TlsStream::close_notify`], then the transport's own end of sending. Reading goes on. May be
    /// called again.
    ///
    /// # Errors
    /// The transport's. That it is not connected any more is none.
    pub fn close_write(&mut self) -> io::Result<()> {
        self.close_notify()?;
        if !self.transport_shut {
            match self.transport.shutdown_write() {
                Err(error) if error.kind() != ErrorKind::NotConnected => return Err(error),
                _ => self.transport_shut = true,
            }
        }
        Ok(())
    }

    /// Reads until the peer ends, within `budget`, and throws away what comes: the last step of a close that destroys nothing, behind
    /// [`TlsStream::close_write`].
    ///
    /// # Errors
    /// Only if the transport's read timeout cannot be set. How the peer ended is in [`Lingered::read_end`].
    pub fn linger(&mut self, budget: impl Into<LingerBudget>) -> io::Result<Lingered> {
        self.linger_with(budget, |_| ())
    }

    /// As [`TlsStream::linger`], and gives what comes to `deliver`.
    ///
    /// # Errors
    /// As there.
    pub fn linger_with(
        &mut self,
        budget: impl Into<LingerBudget>,
        deliver: impl FnMut(&[u8]),
    ) -> io::Result<Lingered> {
        let timeout = self.transport.read_timeout()?;
        let limit = self.read_until_end(budget.into(), timeout, deliver);
        // A transport that is gone may refuse; it then does not wait either.
        self.transport.set_read_timeout(timeout).ok();
        Ok(Lingered { read_end: self.report().read_end, limit: limit?, discarded: self.discarded })
    }

    fn read_until_end(
        &mut self,
        budget: LingerBudget,
        timeout: Option<Duration>,
        mut deliver: impl FnMut(&[u8]),
    ) -> io::Result<Option<LingerLimit>> {
        let begin = Instant::now();
        let mut received = 0;
        loop {
            let failed = match self.driver.fill_plaintext() {
                Ok(Plaintext::Data(data)) => {
                    let len = data.len();
                    deliver(data);
                    self.discarded += len as u64;
                    self.driver.consume(len);
                    continue;
                }
                Ok(Plaintext::End(_)) => return Ok(None),
                Ok(Plaintext::NeedsReceive) => false,
                // The peer is told; what it has under way must not meet a closed socket, whose reset would destroy the alert.
                Err(_) => true,
            };
            if received >= budget.bytes {
                return Ok(Some(LingerLimit::Bytes));
            }
            let left = budget.time.saturating_sub(begin.elapsed());
            if left.is_zero() {
                return Ok(Some(LingerLimit::Time));
            }
            self.transport.set_read_timeout(Some(timeout.map_or(left, |own| own.min(left))))?;
            let read = if failed { self.transport.read(&mut [0; DISCARDED_AT_ONCE]) } else { self.receive() };
            match read {
                Ok(0) if failed => return Ok(None),
                Ok(n) => received += n as u64,
                Err(error) if failed && error.kind() == ErrorKind::Interrupted => {}
                Err(error) if failed && !is_retry(&error) => return Ok(None),
                Err(_) => return Ok(Some(LingerLimit::Time)),
            }
        }
    }
}

impl<S: Read + Write> BufRead for TlsStream<S> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        loop {
            let plaintext = self.driver.fill_plaintext();
            let end = match plaintext {
                Ok(Plaintext::Data(_)) => break,
                Ok(Plaintext::NeedsReceive) => None,
                Ok(Plaintext::End(end)) => Some(end),
                Err(error) => {
                    // The alert is sent as far as it goes; the failure is what counts.
                    self.flush().ok();
                    return Err(failed(error));
                }
            };
            // The answer to a KeyUpdate. That it cannot be sent is for the next write to find out.
            self.flush().ok();
            match end {
                None => self.receive()?,
                Some(ReadEnd::Clean) => break,
                Some(end) => return Err(self.ended(end)),
            };
        }
        Ok(self.driver.plaintext())
    }

    fn consume(&mut self, amount: usize) {
        self.driver.consume(amount);
    }
}

impl<S: Read + Write> Read for TlsStream<S> {
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

impl<S: Read + Write> Write for TlsStream<S> {
    /// Encrypts and sends. Bytes that were encrypted count as written even if the transport has not taken all of them yet.
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        loop {
            let written = self.driver.write(buf).map_err(refused)?;
            match self.send() {
                Err(error) if written == 0 || !is_retry(&error) => return Err(error),
                _ if written > 0 || buf.is_empty() => return Ok(written),
                _ => {}
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.send()?;
        if self.unflushed {
            self.transport.flush()?;
            self.unflushed = false;
        }
        Ok(())
    }
}

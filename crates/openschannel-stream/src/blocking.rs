//! A stream over anything that is [`Read`] and [`Write`].
//!
//! Made for blocking transports. On one that answers [`ErrorKind::WouldBlock`] every method gives that error on and may be called
//! again: nothing is lost and nothing is done twice.

mod close;
mod deadline;
mod halves;

pub use halves::{Halves, ReadHalf, WriteHalf};

use std::io::{self, BufRead, ErrorKind, IoSlice, Read, Write};
use std::net::{Shutdown, TcpStream};
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use openschannel::credentials::{InboundCredentials, OutboundCredentials};
use openschannel::{ClosingReport, ContextOptions, ReadEnd};

use crate::Truncation;
use crate::close::Closing;
use crate::directions::{Incoming, Outgoing, Receive, Transmit};
use crate::driver::{Advance, Driver, Plaintext};
use crate::error::{alike, failed, is_gone, is_retry, refused, unusable, write_zero};
use crate::vectored::gather;

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
    /// The transport's. [`ErrorKind::InvalidInput`] is taken to say that both its directions have ended, so that no read waits.
    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()>;

    /// How long a write waits; [`None`] is for ever.
    ///
    /// # Errors
    /// The transport's.
    fn write_timeout(&self) -> io::Result<Option<Duration>>;

    /// Sets how long a write waits.
    ///
    /// # Errors
    /// The transport's; as [`Transport::set_read_timeout`].
    fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()>;
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

            fn write_timeout(&self) -> io::Result<Option<Duration>> {
                <$socket>::write_timeout(self)
            }

            fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
                <$socket>::set_write_timeout(self, timeout)
            }
        }
    )*};
}

sockets!(
    TcpStream,
    #[cfg(unix)]
    UnixStream
);

macro_rules! pointers {
    ($($pointer:ty),*) => {$(
        impl<T: Transport + ?Sized> Transport for $pointer {
            fn shutdown_write(&mut self) -> io::Result<()> {
                (**self).shutdown_write()
            }

            fn read_timeout(&self) -> io::Result<Option<Duration>> {
                (**self).read_timeout()
            }

            fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
                (**self).set_read_timeout(timeout)
            }

            fn write_timeout(&self) -> io::Result<Option<Duration>> {
                (**self).write_timeout()
            }

            fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
                (**self).set_write_timeout(timeout)
            }
        }
    )*};
}

pointers!(&mut T, Box<T>);

/// A connection. Dropping it sends nothing, and to the peer it looks cut: [`TlsStream::close`] it.
///
/// Reading gives `Ok(0)` only behind the peer's close_notify, or what its [`Truncation`] policy accepts in its place. Otherwise it fails:
/// [`ErrorKind::UnexpectedEof`] for a transport that ended without one and [`ErrorKind::ConnectionReset`], both with a [`ReadEnded`](crate::ReadEnded);
/// [`ErrorKind::InvalidData`] for a fatal alert or a failure, with an [`openschannel::status::Error`]. Reading again gives the same.
#[derive(Debug)]
#[must_use = "a stream that is dropped without close() looks cut to the peer"]
pub struct TlsStream<S> {
    transport: S,
    driver: Driver,
    incoming: Incoming,
    outgoing: Outgoing,
    /// Why the handshake, or what a close had to send, could not be sent. What is missing there cannot be made up for.
    send_error: Option<io::Error>,
    closing: Option<Closing<Instant>>,
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
            incoming: Incoming::default(),
            outgoing: Outgoing::default(),
            send_error: None,
            closing: None,
        }
    }

    /// Does the handshake.
    ///
    /// # Errors
    /// As reading; an end of the transport's, and a close_notify too, carries a [`ReadEnded`](crate::ReadEnded). The alert for the peer was sent as
    /// far as the transport took it.
    pub fn handshake(&mut self) -> io::Result<()> {
        while !self.shake_over(|transport| transport)? {}
        Ok(())
    }

    /// Sends what waits and then a close_notify, and leaves the transport as it is. Reading goes on. May be called again.
    ///
    /// # Errors
    /// The transport's.
    pub fn close_notify(&mut self) -> io::Result<()> {
        self.driver.close_write().map_err(refused)?;
        self.flush()?;
        self.outgoing.note_close(self.driver.closing_report().close_sent);
        Ok(())
    }

    /// What a transport's end without a close_notify means to readers.
    pub fn truncation(&self) -> Truncation {
        self.incoming.truncation
    }

    /// As [`TlsStream::truncation`]. It may be changed at any time, behind the end too.
    pub fn set_truncation(&mut self, truncation: Truncation) {
        self.incoming.truncation = truncation;
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

    /// A turn of the handshake, over what `over` makes of the transport: what is to be sent, and one read. Says whether it is finished.
    fn shake_over<'a, T: Read + Write>(&'a mut self, over: impl FnOnce(&'a mut S) -> T) -> io::Result<bool> {
        let Self { transport, driver, incoming, outgoing, send_error, .. } = self;
        let mut transport = over(transport);
        let advanced = driver.advance();
        let sent = match send_error {
            Some(error) => Err(alike(error)),
            None => send_all(&mut transport, driver, outgoing).map_err(|error| incoming.reset.note(error)),
        };
        let advanced = advanced.map_err(failed)?;
        if let Err(error) = sent {
            if is_retry(&error) {
                return Err(error);
            }
            let kept = alike(send_error.get_or_insert(error));
            // The peer may have said why it takes no more: what it sent is read first.
            if !is_gone(&kept) {
                return Err(kept);
            }
        }
        match advanced {
            Advance::Established if send_error.is_none() => return Ok(true),
            Advance::Established => match driver.fill_plaintext().map_err(failed)? {
                Plaintext::NeedsReceive => {}
                // What has come is for reading; the error is met again by whoever writes.
                Plaintext::Data(_) | Plaintext::End(ReadEnd::Clean) => return Ok(true),
                Plaintext::End(end) => return Err(ended(driver, incoming, end)),
            },
            Advance::Ended(end) => return Err(ended(driver, incoming, end)),
            Advance::NeedsReceive => {}
        }
        receive(&mut transport, driver, incoming, nobody_sends)?;
        Ok(false)
    }

    /// One read of the transport's. Its end is the driver's to report.
    fn receive(&mut self) -> io::Result<usize> {
        receive(&mut self.transport, &mut self.driver, &mut self.incoming, nobody_sends)
    }

    fn send(&mut self) -> io::Result<()> {
        while self.send_once()? {}
        Ok(())
    }

    /// Sends everything that waits, and flushes the transport.
    fn send_all(&mut self) -> io::Result<()> {
        if let Some(error) = &self.send_error {
            return Err(alike(error));
        }
        send_all(&mut self.transport, &mut self.driver, &mut self.outgoing)
            .map_err(|error| self.incoming.reset.note(error))
    }

    /// One write of the transport's. Says whether more waits.
    fn send_once(&mut self) -> io::Result<bool> {
        if let Some(error) = &self.send_error {
            return Err(alike(error));
        }
        send_once(&mut self.transport, &mut self.driver, &mut self.outgoing)
            .map_err(|error| self.incoming.reset.note(error))
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
                    self.send_all().ok();
                    return Err(failed(error));
                }
            };
            // The answer to a KeyUpdate. That it cannot be sent is for the next write to find out.
            self.send_all().ok();
            match end {
                None => self.receive()?,
                Some(end) if self.incoming.truncation.reads_as_end(end) => break,
                Some(end) => return Err(ended(&self.driver, &self.incoming, end)),
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
    /// Encrypts and sends. Bytes that were encrypted count as written even if the transport has not taken all of them yet; that it
    /// failed the next write or flush says.
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.outgoing.tell_late()?;
        loop {
            let written = self.driver.write(buf).map_err(refused)?;
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

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.write(&gather(bufs))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.outgoing.tell_late()?;
        self.send_all()
    }
}

/// The error that tells how reading ended.
fn ended(driver: &Driver, incoming: &Incoming, end: ReadEnd) -> io::Error {
    let report = driver.closing_report();
    incoming.ended(end, report.bytes_received, !report.handshake_complete)
}

/// For [`receive`], of a stream that is whole.
fn nobody_sends<R>(_transport: &R) -> bool {
    false
}

fn receive<R: Read>(
    transport: &mut R,
    driver: &mut impl Receive,
    incoming: &mut Incoming,
    is_gone: impl FnOnce(&R) -> bool,
) -> io::Result<usize> {
    loop {
        match transport.read(driver.receive_space()) {
            Ok(0) => driver.transport_ended(incoming.eof(|| is_gone(transport))),
            Ok(n) => {
                driver.received(n);
                return Ok(n);
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) if is_retry(&error) => return Err(error),
            Err(error) => driver.transport_ended(incoming.failed(error)),
        }
        return Ok(0);
    }
}

fn send_all(
    transport: &mut impl Write,
    driver: &mut impl Transmit,
    outgoing: &mut Outgoing,
) -> io::Result<()> {
    while send_once(transport, driver, outgoing)? {}
    flush(transport, outgoing)
}

fn send_once(
    transport: &mut impl Write,
    driver: &mut impl Transmit,
    outgoing: &mut Outgoing,
) -> io::Result<bool> {
    if outgoing.shut {
        // The end was sent; what came to wait since, a failure's alert, is late.
        driver.transmitted(driver.transmit().len());
    }
    if driver.transmit().is_empty() {
        return Ok(false);
    }
    match transport.write(driver.transmit()) {
        Ok(0) => return Err(write_zero()),
        Ok(n) => {
            driver.transmitted(n);
            outgoing.unflushed = true;
        }
        Err(error) if error.kind() == ErrorKind::Interrupted => {}
        Err(error) => return Err(error),
    }
    Ok(!driver.transmit().is_empty())
}

fn flush(transport: &mut impl Write, outgoing: &mut Outgoing) -> io::Result<()> {
    while outgoing.unflushed {
        match transport.flush() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
            Ok(()) => outgoing.unflushed = false,
        }
    }
    Ok(())
}

/// Ends the transport's sending direction, once. That it is not connected any more is no error.
fn shut(transport: &mut impl Transport, outgoing: &mut Outgoing) -> io::Result<()> {
    while !outgoing.shut {
        match transport.shutdown_write() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() != ErrorKind::NotConnected => return Err(error),
            _ => outgoing.shut = true,
        }
    }
    Ok(())
}

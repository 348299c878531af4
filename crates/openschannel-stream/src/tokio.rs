//! A stream over anything that is [`AsyncRead`] and [`AsyncWrite`].
//!
//! Every future here may be dropped before it is done: what was received stays, what was encrypted is still sent, and a close that was
//! begun goes on where it stood.

mod close;

use std::future::poll_fn;
use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker, ready};

use ::tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, ReadBuf};
use ::tokio::time::Instant;
use openschannel::credentials::{InboundCredentials, OutboundCredentials};
use openschannel::{ClosingReport, ContextOptions, ReadEnd, TransportEnd};

use crate::Truncation;
use crate::close::Closing;
use crate::driver::{Advance, Driver, Plaintext};
use crate::error::{ReadEnded, alike, failed, is_end_of_both, refused, transport_end, unusable, write_zero};
use crate::vectored::gather;

/// A connection. Dropping it sends nothing, and to the peer it looks cut: [`TlsStream::close`] it.
/// [`AsyncWriteExt::shutdown`](::tokio::io::AsyncWriteExt::shutdown) is [`TlsStream::close_write`] and waits for no peer.
///
/// Reading ends as in [`blocking`](crate::blocking::TlsStream). Writing encrypts into a bounded buffer and sends as far as the
/// transport takes it; flush behind what must not wait.
#[derive(Debug)]
#[must_use = "a stream that is dropped without close() looks cut to the peer"]
pub struct TlsStream<S> {
    transport: S,
    driver: Driver,
    truncation: Truncation,
    /// What the transport's end was, for the error that tells it.
    transport_error: Option<Arc<io::Error>>,
    /// Sending met a reset: what looks like a FIN behind it is none.
    reset: Option<io::Error>,
    /// Why the handshake could not be sent. What is missing there cannot be made up for.
    send_error: Option<io::Error>,
    /// The transport was given bytes and has not been flushed since.
    unflushed: bool,
    transport_shut: bool,
    /// The transport took the close_notify.
    close_sent: bool,
    closing: Option<Closing<Instant>>,
    discarded: u64,
    /// The tasks that wait until the transport takes more bytes: one reads and one writes, behind [`split`](::tokio::io::split), and
    /// the transport remembers only the last waker it was given.
    waiting: [Option<Waker>; 2],
}

/// Who wants bytes sent; an index into [`TlsStream::waiting`].
#[derive(Clone, Copy)]
enum Sender {
    Reader = 0,
    Writer = 1,
}

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream<S> {
    /// Connects as a client to `target`.
    ///
    /// # Errors
    /// As [`blocking::TlsStream::connect`](crate::blocking::TlsStream::connect).
    pub async fn connect(
        transport: S,
        credentials: &OutboundCredentials,
        target: Option<&str>,
        options: &ContextOptions,
    ) -> io::Result<Self> {
        let driver = Driver::client(credentials, target, options).map_err(unusable)?;
        let mut stream = Self::from_driver(transport, driver);
        stream.handshake().await?;
        Ok(stream)
    }

    /// Accepts a client.
    ///
    /// # Errors
    /// As [`TlsStream::handshake`].
    pub async fn accept(
        transport: S,
        credentials: &InboundCredentials,
        options: &ContextOptions,
    ) -> io::Result<Self> {
        let mut stream = Self::from_driver(transport, Driver::server(credentials, options));
        stream.handshake().await?;
        Ok(stream)
    }

    /// A stream with its handshake still to do: for a driver with an observer, or to have the stream when the handshake fails.
    pub fn from_driver(transport: S, driver: Driver) -> Self {
        Self {
            transport,
            driver,
            truncation: Truncation::default(),
            transport_error: None,
            reset: None,
            send_error: None,
            unflushed: false,
            transport_shut: false,
            close_sent: false,
            closing: None,
            discarded: 0,
            waiting: [None, None],
        }
    }

    /// Does the handshake.
    ///
    /// # Errors
    /// As [`blocking::TlsStream::handshake`](crate::blocking::TlsStream::handshake).
    pub async fn handshake(&mut self) -> io::Result<()> {
        poll_fn(|cx| self.poll_handshake(cx)).await
    }

    /// Sends what waits and then a close_notify, and leaves the transport as it is. Reading goes on. May be called again.
    ///
    /// # Errors
    /// The transport's.
    pub async fn close_notify(&mut self) -> io::Result<()> {
        poll_fn(|cx| self.poll_close_notify(cx)).await
    }

    /// Closes the sending direction: [`TlsStream::close_notify`], then the transport's own end of sending. Reading goes on. May be
    /// called again.
    ///
    /// # Errors
    /// The transport's. That it is not connected any more is none.
    pub async fn close_write(&mut self) -> io::Result<()> {
        poll_fn(|cx| Pin::new(&mut *self).poll_shutdown(cx)).await
    }

    /// What a transport's end without a close_notify means to readers.
    pub fn truncation(&self) -> Truncation {
        self.truncation
    }

    /// As [`TlsStream::truncation`]. It may be changed at any time, behind the end too.
    pub fn set_truncation(&mut self, truncation: Truncation) {
        self.truncation = truncation;
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

    fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let advanced = self.driver.advance();
            let sent = self.poll_send(cx, Sender::Writer);
            let is_sent = sent.is_ready();
            if let Poll::Ready(Err(error)) = sent {
                // The peer may have said why it takes no more: what it sent is read first.
                self.send_error.get_or_insert(error);
            }
            match advanced.map_err(failed)? {
                Advance::Established if !is_sent => return Poll::Pending,
                Advance::Established if self.send_error.is_none() => return Poll::Ready(Ok(())),
                Advance::Established => match self.driver.fill_plaintext().map_err(failed)? {
                    Plaintext::NeedsReceive => {}
                    // What has come is for reading; the error is met again by whoever writes.
                    Plaintext::Data(_) | Plaintext::End(ReadEnd::Clean) => return Poll::Ready(Ok(())),
                    Plaintext::End(end) => return Poll::Ready(Err(self.ended(end))),
                },
                Advance::Ended(end) => return Poll::Ready(Err(self.ended(end))),
                Advance::NeedsReceive => {}
            }
            ready!(self.poll_receive(cx));
        }
    }

    fn poll_close_notify(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.driver.close_write().map_err(refused)?;
        ready!(self.poll_send(cx, Sender::Writer))?;
        self.close_sent |= self.driver.closing_report().close_sent;
        Poll::Ready(Ok(()))
    }

    fn poll_shut_transport(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.transport_shut {
            match ready!(Pin::new(&mut self.transport).poll_shutdown(cx)) {
                Err(error) if error.kind() != ErrorKind::NotConnected => {
                    return Poll::Ready(Err(self.note_reset(error)));
                }
                _ => self.transport_shut = true,
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Ready with whether reading has ended, for the caller to ask how; with plaintext waiting if not.
    fn poll_plaintext(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let end = match self.driver.fill_plaintext() {
                Ok(Plaintext::Data(_)) => Some(Ok(ReadEnd::Clean)),
                Ok(Plaintext::End(end)) => Some(Ok(end)),
                Ok(Plaintext::NeedsReceive) => None,
                Err(error) => Some(Err(error)),
            };
            // The answer to a KeyUpdate, or the alert for a failure. That it cannot be sent is for a write to find out.
            if !self.driver.transmit().is_empty() || self.unflushed {
                drop(self.poll_send(cx, Sender::Reader));
            }
            match end {
                None => ready!(self.poll_receive(cx)),
                Some(Ok(end)) if self.truncation.reads_as_end(end) => return Poll::Ready(Ok(())),
                Some(Ok(end)) => return Poll::Ready(Err(self.ended(end))),
                Some(Err(error)) => return Poll::Ready(Err(failed(error))),
            };
        }
    }

    /// One read of the transport's. Its end is the driver's to report.
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<usize> {
        let mut space = ReadBuf::new(self.driver.receive_space());
        match Pin::new(&mut self.transport).poll_read(cx, &mut space) {
            Poll::Pending => {
                self.driver.release_buffers();
                Poll::Pending
            }
            Poll::Ready(Ok(())) => {
                let n = space.filled().len();
                match n {
                    0 => self.eof(),
                    n => self.driver.received(n),
                }
                Poll::Ready(n)
            }
            Poll::Ready(Err(error)) => {
                self.driver.transport_ended(transport_end(&error));
                self.transport_error.get_or_insert_with(|| Arc::new(error));
                Poll::Ready(0)
            }
        }
    }

    /// Sends everything that waits, and flushes the transport.
    fn poll_send(&mut self, cx: &mut Context<'_>, sender: Sender) -> Poll<io::Result<()>> {
        self.poll_waking(cx, sender, |stream, cx| {
            ready!(stream.poll_transmit(cx))?;
            if stream.unflushed {
                ready!(Pin::new(&mut stream.transport).poll_flush(cx))
                    .map_err(|error| stream.note_reset(error))?;
                stream.unflushed = false;
            }
            Poll::Ready(Ok(()))
        })
    }

    /// Runs `send` with a waker for everybody who waits for it.
    fn poll_waking(
        &mut self,
        cx: &mut Context<'_>,
        sender: Sender,
        send: impl FnOnce(&mut Self, &mut Context<'_>) -> Poll<io::Result<()>>,
    ) -> Poll<io::Result<()>> {
        let waker = self.join_waiting(cx.waker(), sender);
        let sent = send(self, &mut Context::from_waker(&waker));
        if sent.is_ready() {
            // The other one that waits finds room now, or meets the error. This one is not woken: it has its answer, and would be
            // polled again for nothing, for ever if it sends whenever it is polled. `will_wake` cannot be relied on to tell it.
            let [reader, writer] = &mut self.waiting;
            let (own, other) = match sender {
                Sender::Reader => (reader, writer),
                Sender::Writer => (writer, reader),
            };
            *own = None;
            if let Some(other) = other.take().filter(|other| !other.will_wake(cx.waker())) {
                other.wake();
            }
        }
        sent
    }

    fn poll_transmit(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.transport_shut {
            // The end was sent; what came to wait since, a failure's alert, is late.
            self.driver.transmitted(self.driver.transmit().len());
        }
        if let Some(error) = &self.send_error {
            return Poll::Ready(Err(alike(error)));
        }
        while !self.driver.transmit().is_empty() {
            let n = ready!(Pin::new(&mut self.transport).poll_write(cx, self.driver.transmit()))
                .map_err(|error| self.note_reset(error))?;
            if n == 0 {
                return Poll::Ready(Err(write_zero()));
            }
            self.driver.transmitted(n);
            self.unflushed = true;
        }
        Poll::Ready(Ok(()))
    }

    /// Notes that `sender` waits, and gives a waker for everybody who does.
    fn join_waiting(&mut self, waker: &Waker, sender: Sender) -> Waker {
        let (own, other) = match (&mut self.waiting, sender) {
            ([reader, writer], Sender::Reader) => (reader, writer),
            ([reader, writer], Sender::Writer) => (writer, reader),
        };
        match own {
            Some(known) => known.clone_from(waker),
            None => *own = Some(waker.clone()),
        }
        match other {
            Some(other) if !other.will_wake(waker) => Arc::new(Both(waker.clone(), other.clone())).into(),
            _ => waker.clone(),
        }
    }

    fn eof(&mut self) {
        match self.reset.take() {
            Some(error) => {
                self.driver.transport_ended(TransportEnd::Reset);
                self.transport_error.get_or_insert_with(|| Arc::new(error));
            }
            None => self.driver.transport_ended(TransportEnd::Eof),
        }
    }

    fn note_reset(&mut self, error: io::Error) -> io::Error {
        if is_end_of_both(&error) {
            self.reset.get_or_insert_with(|| alike(&error));
        }
        error
    }

    fn ended(&self, end: ReadEnd) -> io::Error {
        let report = self.driver.closing_report();
        let transport = self.transport_error.clone();
        ReadEnded::new(end, report.bytes_received, !report.handshake_complete, transport).into()
    }
}

/// Wakes two tasks.
struct Both(Waker, Waker);

impl Wake for Both {
    fn wake(self: Arc<Self>) {
        self.0.wake_by_ref();
        self.1.wake_by_ref();
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncBufRead for TlsStream<S> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let stream = self.get_mut();
        ready!(stream.poll_plaintext(cx))?;
        Poll::Ready(Ok(stream.driver.plaintext()))
    }

    fn consume(self: Pin<&mut Self>, amount: usize) {
        self.get_mut().driver.consume(amount);
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for TlsStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        ready!(self.poll_plaintext(cx))?;
        let data = self.driver.plaintext();
        let n = data.len().min(buf.remaining());
        buf.put_slice(data.get(..n).unwrap_or_default());
        self.driver.consume(n);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TlsStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            let written = self.driver.write(buf).map_err(refused)?;
            let sent = self.poll_waking(cx, Sender::Writer, Self::poll_transmit);
            if let Poll::Ready(Err(error)) = sent {
                return Poll::Ready(Err(error));
            }
            if written > 0 || buf.is_empty() {
                return Poll::Ready(Ok(written));
            }
            ready!(sent)?;
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_write(cx, &gather(bufs))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_send(cx, Sender::Writer)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_close_notify(cx))?;
        self.poll_shut_transport(cx)
    }
}

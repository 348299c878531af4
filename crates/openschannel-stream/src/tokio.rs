//! A stream over anything that is [`AsyncRead`] and [`AsyncWrite`].
//!
//! Every future here may be dropped before it is done: what was received stays, what was encrypted is still sent, and a close that was
//! begun goes on where it stood.

mod close;
mod halves;

pub use halves::{Halves, ReadHalf, WriteHalf};

use std::future::poll_fn;
use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker, ready};

use ::tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, ReadBuf};
use ::tokio::time::Instant;
use openschannel::credentials::{InboundCredentials, OutboundCredentials};
use openschannel::{ClosingReport, ContextOptions, ReadEnd};

use crate::Truncation;
use crate::close::Closing;
use crate::directions::{Incoming, Outgoing, Receive, Transmit};
use crate::driver::{Advance, Driver, Plaintext};
use crate::error::{alike, failed, is_gone, refused, unusable, write_zero};
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
    incoming: Incoming,
    outgoing: Outgoing,
    /// Why the handshake, or what a close had to send, could not be sent. What is missing there cannot be made up for.
    send_error: Option<io::Error>,
    closing: Option<Closing<Instant>>,
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
    pub fn from_driver(transport: S, mut driver: Driver) -> Self {
        driver.reading.input.set_releases(true);
        Self {
            transport,
            driver,
            incoming: Incoming::default(),
            outgoing: Outgoing::default(),
            send_error: None,
            closing: None,
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
    pub fn into_parts(mut self) -> (S, Driver) {
        self.driver.reading.input.set_releases(false);
        (self.transport, self.driver)
    }

    fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let advanced = self.driver.advance();
            let sent = self.poll_send(cx, Sender::Writer);
            let is_sent = sent.is_ready();
            let advanced = advanced.map_err(failed)?;
            if let Poll::Ready(Err(error)) = sent {
                let kept = alike(self.send_error.get_or_insert(error));
                // The peer may have said why it takes no more: what it sent is read first.
                if !is_gone(&kept) {
                    return Poll::Ready(Err(kept));
                }
            }
            match advanced {
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
        self.outgoing.tell_late()?;
        ready!(self.poll_send(cx, Sender::Writer))?;
        self.outgoing.note_close(self.driver.closing_report().close_sent);
        Poll::Ready(Ok(()))
    }

    fn poll_shut_transport(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        poll_shut(cx, &mut self.transport, &mut self.outgoing)
            .map_err(|error| self.incoming.reset.note(error))
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
            if !self.driver.transmit().is_empty() || self.outgoing.unflushed {
                drop(self.poll_send(cx, Sender::Reader));
            }
            match end {
                None => ready!(self.poll_receive(cx)),
                Some(Ok(end)) if self.incoming.truncation.reads_as_end(end) => return Poll::Ready(Ok(())),
                Some(Ok(end)) => return Poll::Ready(Err(self.ended(end))),
                Some(Err(error)) => return Poll::Ready(Err(failed(error))),
            };
        }
    }

    /// One read of the transport's. Its end is the driver's to report.
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<usize> {
        // Nobody sends meanwhile.
        poll_receive(cx, &mut self.transport, &mut self.driver, &mut self.incoming, |_| false)
    }

    /// Sends everything that waits, and flushes the transport.
    fn poll_send(&mut self, cx: &mut Context<'_>, sender: Sender) -> Poll<io::Result<()>> {
        self.poll_waking(cx, sender, |stream, cx| {
            ready!(stream.poll_transmit(cx))?;
            poll_flush(cx, &mut stream.transport, &mut stream.outgoing)
                .map_err(|error| stream.incoming.reset.note(error))
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
        if let Some(error) = &self.send_error {
            return Poll::Ready(Err(alike(error)));
        }
        poll_transmit(cx, &mut self.transport, &mut self.driver, &mut self.outgoing)
            .map_err(|error| self.incoming.reset.note(error))
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

    fn ended(&self, end: ReadEnd) -> io::Error {
        let report = self.driver.closing_report();
        self.incoming.ended(end, report.bytes_received, !report.handshake_complete)
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
        hand_out(&mut self.driver, buf);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TlsStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.outgoing.tell_late()?;
        loop {
            let written = self.driver.write(buf).map_err(refused)?;
            match self.poll_waking(cx, Sender::Writer, Self::poll_transmit) {
                Poll::Ready(Err(error)) if written == 0 => return Poll::Ready(Err(error)),
                Poll::Ready(Err(error)) => self.outgoing.fail_later(error),
                Poll::Pending if written == 0 && !buf.is_empty() => return Poll::Pending,
                _ => {}
            }
            if written > 0 || buf.is_empty() {
                return Poll::Ready(Ok(written));
            }
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
        self.outgoing.tell_late()?;
        self.poll_send(cx, Sender::Writer)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_close_notify(cx))?;
        self.poll_shut_transport(cx)
    }
}

/// A transport of one's own may hand on what a system call says; a signal in between is no reason to give up.
fn is_interrupted<T>(polled: &Poll<io::Result<T>>) -> bool {
    matches!(polled, Poll::Ready(Err(error)) if error.kind() == ErrorKind::Interrupted)
}

fn poll_receive<R: AsyncRead + Unpin>(
    cx: &mut Context<'_>,
    transport: &mut R,
    driver: &mut impl Receive,
    incoming: &mut Incoming,
    is_gone: impl FnOnce(&R) -> bool,
) -> Poll<usize> {
    let (polled, n) = loop {
        let mut space = ReadBuf::new(driver.receive_space());
        let polled = Pin::new(&mut *transport).poll_read(cx, &mut space);
        if !is_interrupted(&polled) {
            break (polled, space.filled().len());
        }
    };
    match polled {
        Poll::Pending => {
            driver.release_buffers();
            Poll::Pending
        }
        Poll::Ready(Ok(())) => {
            match n {
                0 => driver.transport_ended(incoming.eof(|| is_gone(transport))),
                n => driver.received(n),
            }
            Poll::Ready(n)
        }
        Poll::Ready(Err(error)) => {
            driver.transport_ended(incoming.failed(error));
            Poll::Ready(0)
        }
    }
}

/// As much plaintext as `buf` has room for.
fn hand_out(driver: &mut impl Receive, buf: &mut ReadBuf<'_>) {
    let data = driver.plaintext();
    let n = data.len().min(buf.remaining());
    buf.put_slice(data.get(..n).unwrap_or_default());
    driver.consume(n);
}

fn poll_transmit<W: AsyncWrite + Unpin>(
    cx: &mut Context<'_>,
    transport: &mut W,
    driver: &mut impl Transmit,
    outgoing: &mut Outgoing,
) -> Poll<io::Result<()>> {
    if outgoing.shut {
        // The end was sent; what came to wait since, a failure's alert, is late.
        driver.transmitted(driver.transmit().len());
    }
    while !driver.transmit().is_empty() {
        let polled = Pin::new(&mut *transport).poll_write(cx, driver.transmit());
        if is_interrupted(&polled) {
            continue;
        }
        let n = ready!(polled)?;
        if n == 0 {
            return Poll::Ready(Err(write_zero()));
        }
        driver.transmitted(n);
        outgoing.unflushed = true;
    }
    Poll::Ready(Ok(()))
}

fn poll_flush<W: AsyncWrite + Unpin>(
    cx: &mut Context<'_>,
    transport: &mut W,
    outgoing: &mut Outgoing,
) -> Poll<io::Result<()>> {
    while outgoing.unflushed {
        let polled = Pin::new(&mut *transport).poll_flush(cx);
        if !is_interrupted(&polled) {
            ready!(polled)?;
            outgoing.unflushed = false;
        }
    }
    Poll::Ready(Ok(()))
}

/// Ends the transport's sending direction, once. That it is not connected any more is no error.
fn poll_shut<W: AsyncWrite + Unpin>(
    cx: &mut Context<'_>,
    transport: &mut W,
    outgoing: &mut Outgoing,
) -> Poll<io::Result<()>> {
    while !outgoing.shut {
        match ready!(Pin::new(&mut *transport).poll_shutdown(cx)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() != ErrorKind::NotConnected => return Poll::Ready(Err(error)),
            _ => outgoing.shut = true,
        }
    }
    Poll::Ready(Ok(()))
}

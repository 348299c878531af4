//! The two directions of a stream, for two tasks.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use ::tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, ReadBuf};

use crate::directions::{Incoming, Outgoing, Reset};
use crate::driver::Plaintext;
use crate::error::{alike, failed, refused, unfinished};
use crate::halves::{ReceiveDriver, SendDriver};
use crate::split::{Parts, SplitError, SplitTransport, halves, reunite};

use super::{TlsStream, hand_out, poll_flush, poll_receive, poll_shut, poll_transmit};

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
/// it, or [`AsyncWriteExt::shutdown`](::tokio::io::AsyncWriteExt::shutdown), which is the same.
#[derive(Debug)]
#[must_use = "a stream whose writing half is dropped without close_write() looks cut to the peer"]
pub struct WriteHalf<W> {
    transport: W,
    driver: SendDriver,
    outgoing: Outgoing,
    reset: Arc<Reset>,
}

halves!(waiting: [None, None]);

impl<R: AsyncRead + Unpin> ReadHalf<R> {
    fn poll_plaintext(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            match self.driver.fill_plaintext().map_err(failed)? {
                Plaintext::Data(_) => return Poll::Ready(Ok(())),
                Plaintext::NeedsReceive => {
                    ready!(poll_receive(
                        cx,
                        &mut self.transport,
                        &mut self.driver,
                        &mut self.incoming,
                        self.is_gone
                    ));
                }
                Plaintext::End(end) if self.incoming.truncation.reads_as_end(end) => {
                    return Poll::Ready(Ok(()));
                }
                Plaintext::End(end) => {
                    let delivered = self.driver.bytes_received();
                    return Poll::Ready(Err(self.incoming.ended(end, delivered, false)));
                }
            }
        }
    }
}

impl<R: AsyncRead + Unpin> AsyncBufRead for ReadHalf<R> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let half = self.get_mut();
        ready!(half.poll_plaintext(cx))?;
        Poll::Ready(Ok(half.driver.plaintext()))
    }

    fn consume(self: Pin<&mut Self>, amount: usize) {
        self.get_mut().driver.consume(amount);
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for ReadHalf<R> {
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

impl<W: AsyncWrite + Unpin> WriteHalf<W> {
    /// Sends what waits and then a close_notify, and leaves the transport as it is. Reading goes on. May be called again.
    ///
    /// # Errors
    /// The transport's.
    pub async fn close_notify(&mut self) -> io::Result<()> {
        poll_fn(|cx| self.poll_close_notify(cx)).await
    }

    /// [`WriteHalf::close_notify`], then the transport's own end of sending. Reading goes on. May be called again.
    ///
    /// # Errors
    /// The transport's. That it is not connected any more is none.
    pub async fn close_write(&mut self) -> io::Result<()> {
        poll_fn(|cx| Pin::new(&mut *self).poll_shutdown(cx)).await
    }

    fn poll_close_notify(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.driver.close_write().map_err(refused)?;
        self.outgoing.tell_late()?;
        ready!(self.poll_send(cx))?;
        self.outgoing.note_close(self.driver.close_sent());
        Poll::Ready(Ok(()))
    }

    /// Sends everything that waits, and flushes the transport.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_transmit(cx))?;
        let _under_way = self.reset.sending();
        poll_flush(cx, &mut self.transport, &mut self.outgoing).map_err(|error| self.reset.note(error))
    }

    fn poll_transmit(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let _under_way = self.reset.sending();
        poll_transmit(cx, &mut self.transport, &mut self.driver, &mut self.outgoing)
            .map_err(|error| self.reset.note(error))
    }
}

impl<W: AsyncWrite + Unpin> AsyncWrite for WriteHalf<W> {
    /// As [`TlsStream`]'s. Refused, with [`ErrorKind::BrokenPipe`](io::ErrorKind::BrokenPipe), once the reading half has met a failure;
    /// the alert for it is sent then, as far as the transport takes it.
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.outgoing.tell_late()?;
        loop {
            let written = match self.driver.write(buf) {
                Ok(written) => written,
                Err(error) => {
                    let _best_effort = self.poll_send(cx);
                    return Poll::Ready(Err(refused(error)));
                }
            };
            match self.poll_transmit(cx) {
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

    /// Sends what waits, and what the reading half has found out that the peer is to hear.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.outgoing.tell_late()?;
        self.driver.catch_up();
        self.poll_send(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_close_notify(cx))?;
        let half = &mut *self;
        let _under_way = half.reset.sending();
        poll_shut(cx, &mut half.transport, &mut half.outgoing).map_err(|error| half.reset.note(error))
    }
}

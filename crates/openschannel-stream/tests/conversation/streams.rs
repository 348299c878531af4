//! Either kind of stream, with the same calls.

use std::future::poll_fn;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::task::Poll;

use openschannel::ClosingReport;
use openschannel::attributes::Protocol;
use openschannel_stream::{CloseBudget, CloseReport, Driver, Truncation, blocking};

use super::wire::Wire;

/// What a conversation needs of a stream.
pub trait Stream {
    fn over(wire: Wire, driver: Driver) -> Self;
    async fn handshake(&mut self) -> io::Result<()>;
    async fn read(&mut self, buf: &mut [u8]) -> io::Result<usize>;
    async fn write(&mut self, buf: &[u8]) -> io::Result<usize>;
    async fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize>;
    async fn flush(&mut self) -> io::Result<()>;
    async fn close_notify(&mut self) -> io::Result<()>;
    async fn close_write(&mut self) -> io::Result<()>;
    async fn close(&mut self, budget: impl Into<CloseBudget> + Copy) -> io::Result<CloseReport>;
    fn set_truncation(&mut self, truncation: Truncation);
    fn driver(&mut self) -> &mut Driver;
    fn wire(&mut self) -> &mut Wire;

    fn report(&mut self) -> ClosingReport {
        self.driver().closing_report()
    }

    fn is_tls13(&mut self) -> bool {
        self.driver().attributes().unwrap().protocol() == Protocol::Tls13
    }
}

pub type Blocking = blocking::TlsStream<Wire>;

/// A call that would block is made again with every poll.
async fn again<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    poll_fn(|_| match call() {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Poll::Pending,
        result => Poll::Ready(result),
    })
    .await
}

impl Stream for Blocking {
    fn over(wire: Wire, driver: Driver) -> Self {
        Self::from_driver(wire, driver)
    }

    async fn handshake(&mut self) -> io::Result<()> {
        again(|| self.handshake()).await
    }

    async fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        again(|| Read::read(self, buf)).await
    }

    async fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        again(|| Write::write(self, buf)).await
    }

    async fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        again(|| Write::write_vectored(self, bufs)).await
    }

    async fn flush(&mut self) -> io::Result<()> {
        again(|| Write::flush(self)).await
    }

    async fn close_notify(&mut self) -> io::Result<()> {
        again(|| self.close_notify()).await
    }

    async fn close_write(&mut self) -> io::Result<()> {
        again(|| self.close_write()).await
    }

    async fn close(&mut self, budget: impl Into<CloseBudget> + Copy) -> io::Result<CloseReport> {
        again(|| self.close(budget)).await
    }

    fn set_truncation(&mut self, truncation: Truncation) {
        self.set_truncation(truncation);
    }

    fn driver(&mut self) -> &mut Driver {
        self.driver_mut()
    }

    fn wire(&mut self) -> &mut Wire {
        self.get_mut()
    }
}

#[cfg(feature = "tokio")]
pub type Asynchronous = openschannel_stream::tokio::TlsStream<Wire>;

#[cfg(feature = "tokio")]
impl Stream for Asynchronous {
    fn over(wire: Wire, driver: Driver) -> Self {
        Self::from_driver(wire, driver)
    }

    async fn handshake(&mut self) -> io::Result<()> {
        self.handshake().await
    }

    async fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        tokio::io::AsyncReadExt::read(self, buf).await
    }

    async fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        tokio::io::AsyncWriteExt::write(self, buf).await
    }

    async fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        tokio::io::AsyncWriteExt::write_vectored(self, bufs).await
    }

    async fn flush(&mut self) -> io::Result<()> {
        tokio::io::AsyncWriteExt::flush(self).await
    }

    async fn close_notify(&mut self) -> io::Result<()> {
        self.close_notify().await
    }

    async fn close_write(&mut self) -> io::Result<()> {
        self.close_write().await
    }

    async fn close(&mut self, budget: impl Into<CloseBudget> + Copy) -> io::Result<CloseReport> {
        self.close(budget).await
    }

    fn set_truncation(&mut self, truncation: Truncation) {
        self.set_truncation(truncation);
    }

    fn driver(&mut self) -> &mut Driver {
        self.driver_mut()
    }

    fn wire(&mut self) -> &mut Wire {
        self.get_mut()
    }
}

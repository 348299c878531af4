//! The two directions of a stream, for two threads.

use std::io::{self, BufRead, ErrorKind, Read, Write};
use std::sync::Arc;

use openschannel::{ReadEnd, TransportEnd};

use crate::Truncation;
use crate::driver::{Driver, Plaintext};
use crate::error::{ReadEnded, failed, is_retry, refused, transport_end, unfinished, write_zero};
use crate::halves::{ReceiveDriver, SendDriver};
use crate::split::{SplitError, SplitTransport};

use super::{TlsStream, Transport};

/// The reading direction of a [`TlsStream`], made by [`TlsStream::split`]. Reading ends as there.
///
/// What it finds out and the peer is to hear (the answer to a KeyUpdate, the alert for a failure) the [`WriteHalf`] sends with its next
/// write or flush.
#[derive(Debug)]
pub struct ReadHalf<R> {
    transport: R,
    driver: ReceiveDriver,
    truncation: Truncation,
    transport_error: Option<Arc<io::Error>>,
    discarded: u64,
}

/// The writing direction of a [`TlsStream`], made by [`TlsStream::split`]. Dropping it sends nothing: [`WriteHalf::close_write`] it.
#[derive(Debug)]
#[must_use = "a stream whose writing half is dropped without close_write() looks cut to the peer"]
pub struct WriteHalf<W> {
    transport: W,
    driver: SendDriver,
    unflushed: bool,
    transport_shut: bool,
    close_sent: bool,
}

impl<S: SplitTransport> TlsStream<S> {
    /// The two directions, for two threads; neither ever waits for the other. Each ends by itself: the writing half with
    /// [`WriteHalf::close_write`], the reading half when the peer ends. [`TlsStream::reunite`] makes one stream of them again, to
    /// [`close`](TlsStream::close) it within a budget for instance.
    ///
    /// # Errors
    /// The stream, unchanged: the handshake is not finished ([`ErrorKind::NotConnected`]), or the transport cannot be split.
    pub fn split(
        self,
    ) -> Result<(ReadHalf<S::ReadHalf>, WriteHalf<S::WriteHalf>), SplitError<Self>> {
        if !self.driver.is_established() {
            return Err(SplitError::new(self, unfinished()));
        }
        let Self { transport, driver, truncation, transport_error, reset, unflushed, transport_shut, close_sent, discarded, send_error, closing } = self;
        let whole = |transport, driver| Self {
            transport,
            driver,
            truncation,
            transport_error: transport_error.clone(),
            reset,
            send_error,
            unflushed,
            transport_shut,
            close_sent,
            closing,
            discarded,
        };
        let (read, write) = match transport.split() {
            Ok(halves) => halves,
            Err(refused) => {
                let (transport, error) = refused.into_parts();
                return Err(SplitError::new(whole(transport, driver), error));
            }
        };
        todo!()
    }
}

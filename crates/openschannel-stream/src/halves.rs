//! [`SendDriver`] and [`ReceiveDriver`]: the directions of a connection, one a thread or task.
//!
//! ```text
//!   transport <-- transmit(), transmitted() <-- SendDriver <------ write(), close_write()
//!                                                   :
//!                                    a few bits: reply due, alert owed
//!                                                   :
//!   transport --> receive_space(), received() --> ReceiveDriver --> fill_plaintext(), consume()
//! ```
//!
//! Neither waits for the other. What reading finds out and the peer is to hear, the answer to a KeyUpdate and the alert for a failure, is
//! sent by the sending half when it is used next: by a write, a flush, or its close. A KeyUpdate has to be answered before the next data
//! and not earlier (RFC 8446 section 4.6.3).

use std::fmt;

use openschannel::alert::{Alert, AlertLevel};
use openschannel::attributes::Attributes;
use openschannel::status::Error;
use openschannel::{KeyUpdateRequest, ReadEnd, TransportEnd};

use crate::buffers::Output;
use crate::driver::Plaintext;
use crate::half_calls::{ReceiveCalls, SendCalls};
use crate::reading::Reading;
use crate::writing::{ALERT_ROOM, Unclosed, refuse_closed, refuse_if_full, write_records};

/// The sending direction of a [`Driver`](crate::Driver), made by [`Driver::split`](crate::Driver::split).
#[must_use = "a connection that is dropped without close_write() looks like a cut wire to the peer"]
pub struct SendDriver {
    pub(crate) calls: SendCalls,
    pub(crate) output: Output,
    pub(crate) write_closed: bool,
    pub(crate) unclosed: Unclosed,
}

impl SendDriver {
    /// Bytes for the peer.
    pub fn transmit(&self) -> &[u8] {
        self.output.waiting()
    }

    /// The transport took `n` bytes from the front of [`SendDriver::transmit`].
    pub fn transmitted(&mut self, n: usize) {
        self.output.sent(n);
    }

    /// Encrypts from the front of `data` and says how many bytes: zero when [`SendDriver::transmit`] is full.
    ///
    /// # Errors
    /// SEC_E_CONTEXT_EXPIRED after [`SendDriver::close_write`], a fatal alert or a failure, the receiving half's too; the alert the peer is
    /// owed for that is in [`SendDriver::transmit`].
    pub fn write(&mut self, data: &[u8]) -> Result<usize, Error> {
        self.catch_up();
        if self.write_closed {
            return Err(refuse_closed());
        }
        let sizes = self.attributes().stream_sizes();
        let calls = &mut self.calls;
        let written =
            write_records(&mut self.output, sizes, data, |chunk, output| calls.encrypt(chunk, output));
        if written.is_err() {
            // The receiving half may have failed just now.
            self.catch_up();
        }
        written
    }

    /// Puts into [`SendDriver::transmit`] what the receiving half has found out that the peer is to hear. Every other call here does
    /// so too.
    pub fn catch_up(&mut self) {
        if !self.write_closed && self.calls.half.is_closed() {
            // What cannot be sealed any more cannot be told.
            self.calls.shut_down(&mut self.output).ok();
            self.end();
        }
        // A peer that asks and does not read fills nothing: with a full buffer the reply waits. A key that cannot seal a reply cannot
        // seal data either, and the next write says so.
        if !self.write_closed && self.calls.half.is_reply_due() && self.output.has_room(ALERT_ROOM) {
            self.calls.answer_key_update(&mut self.output).ok();
        }
    }

    /// Closes the direction: the close_notify is in [`SendDriver::transmit`], behind all data; after a failure the alert for it, unless
    /// the peer was told. The other direction goes on. A second call does nothing.
    ///
    /// # Errors
    /// SEC_E_ENCRYPT_FAILURE: the key has protected as many records as it may.
    pub fn close_write(&mut self) -> Result<(), Error> {
        if !self.write_closed {
            let before = self.output.waiting().len();
            self.calls.shut_down(&mut self.output)?;
            if self.close_sent() {
                self.output.closed(before);
            }
            self.end();
        }
        Ok(())
    }

    /// Sends an alert. A fatal one ends the connection, a close_notify is [`SendDriver::close_write`].
    ///
    /// # Errors
    /// As [`Driver::send_alert`](crate::Driver::send_alert).
    pub fn send_alert(&mut self, alert: Alert) -> Result<(), Error> {
        if alert.is_close_notify() {
            return self.close_write();
        }
        self.catch_up();
        if self.write_closed {
            return Err(refuse_closed());
        }
        let is_last = alert.level == AlertLevel::FATAL;
        if !is_last {
            refuse_if_full(&self.output)?;
        }
        self.calls.alert(alert, &mut self.output)?;
        if is_last {
            self.end();
        }
        Ok(())
    }

    /// Changes the sending keys, and asks the peer to do the same if `request` says so.
    ///
    /// # Errors
    /// As [`Driver::key_update`](crate::Driver::key_update).
    pub fn key_update(&mut self, request: KeyUpdateRequest) -> Result<(), Error> {
        refuse_if_full(&self.output)?;
        let updated = self.calls.key_update(request, &mut self.output);
        if updated.is_err() {
            self.catch_up();
        }
        updated
    }

    /// Whether nothing more can be written: closed, or the connection has failed.
    pub fn is_closed(&self) -> bool {
        self.write_closed || self.calls.half.is_closed()
    }

    /// Whether the close_notify was made.
    pub fn close_sent(&self) -> bool {
        self.calls.half.close_sent()
    }

    /// Whether `receive` is the other direction of the same connection.
    pub(crate) fn is_twin_of(&self, receive: &ReceiveDriver) -> bool {
        self.calls.half.is_twin_of(&receive.calls.half)
    }

    /// Plaintext bytes encrypted so far.
    pub fn bytes_sent(&self) -> u64 {
        self.calls.half.bytes_sent()
    }

    /// What was negotiated.
    pub fn attributes(&self) -> &Attributes {
        self.calls.half.attributes()
    }

    fn end(&mut self) {
        self.write_closed = true;
        self.unclosed.ended();
    }
}

impl fmt::Debug for SendDriver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendDriver")
            .field("closed", &self.is_closed())
            .field("bytes_sent", &self.bytes_sent())
            .field("waiting", &self.transmit().len())
            .finish_non_exhaustive()
    }
}

/// The receiving direction of a [`Driver`](crate::Driver), made by [`Driver::split`](crate::Driver::split).
pub struct ReceiveDriver {
    pub(crate) calls: ReceiveCalls,
    pub(crate) reading: Reading,
}

impl ReceiveDriver {
    /// Room for bytes from the transport. It is empty only while received data waits to be read.
    pub fn receive_space(&mut self) -> &mut [u8] {
        self.reading.space()
    }

    /// The transport put `n` bytes at the front of [`ReceiveDriver::receive_space`].
    pub fn received(&mut self, n: usize) {
        self.reading.input.received(n);
    }

    /// The transport gives no more bytes: [`Driver::transport_ended`](crate::Driver::transport_ended).
    pub fn transport_ended(&mut self, end: TransportEnd) {
        self.reading.transport_ended(end);
    }

    /// Gives back memory that holds nothing.
    pub fn release_buffers(&mut self) {
        self.reading.input.release();
    }

    /// The next data, decrypted where it was received.
    ///
    /// # Errors
    /// A fatal alert came ([`Error::received_alert`]), or what came is no TLS; then the sending half tells the peer when it is used next.
    /// Asked again, the same error.
    pub fn fill_plaintext(&mut self) -> Result<Plaintext<'_>, Error> {
        let filled = self.reading.fill(&mut self.calls)?;
        Ok(self.reading.plaintext(filled))
    }

    /// Takes `n` bytes away from the front of [`Plaintext::Data`].
    pub fn consume(&mut self, n: usize) {
        self.reading.input.consume_plaintext(n);
    }

    /// How this direction stands or has ended.
    pub fn read_end(&self) -> ReadEnd {
        self.calls.half.read_end()
    }

    /// Plaintext bytes decrypted so far.
    pub fn bytes_received(&self) -> u64 {
        self.calls.half.bytes_received()
    }

    /// What was negotiated.
    pub fn attributes(&self) -> &Attributes {
        self.calls.half.attributes()
    }

    pub(crate) fn plaintext(&self) -> &[u8] {
        self.reading.input.plaintext()
    }
}

impl fmt::Debug for ReceiveDriver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceiveDriver")
            .field("read_end", &self.read_end())
            .field("bytes_received", &self.bytes_received())
            .field("received", &self.reading.input.len())
            .finish_non_exhaustive()
    }
}

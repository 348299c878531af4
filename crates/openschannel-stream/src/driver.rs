//! [`Driver`]: a context between two byte queues.

use std::fmt;

use openschannel::alert::{Alert, AlertLevel};
use openschannel::attributes::Attributes;
use openschannel::credentials::{InboundCredentials, OutboundCredentials};
use openschannel::status::{Error, ErrorStatus, SuccessStatus};
use openschannel::{
    ClosingReport, ContextOptions, ControlToken, KeyUpdateRequest, ReadEnd, Role, SecurityContext,
    TransportEnd,
};

use crate::buffers::{INPUT_LARGE, Input, OUTPUT_LIMIT, Output};
use crate::calls::{Calls, no_context, trailer_room};
use crate::observer::Observer;

/// Moves bytes between a security context and a transport, and does no I/O itself.
///
/// ```text
///    transport --> receive_space(), received() --+              +--> fill_plaintext(), consume()
///                                                |   context    |
///    transport <-- transmit(), transmitted() <---+              +<-- write(), close_write()
/// ```
///
/// After every call send what [`Driver::transmit`] holds. When a call says that it needs more, receive. Tell the driver
/// when the transport ends, and it gives the verdict on how the connection did.
pub struct Driver {
    calls: Calls,
    input: Input,
    output: Output,
    /// Received bytes without which the next call would answer SEC_E_INCOMPLETE_MESSAGE.
    need: usize,
    transport: Option<TransportEnd>,
    /// How reading ended, unless by a failure.
    end: Option<ReadEnd>,
    /// What ended the connection; answered again to whoever asks again.
    failure: Option<Error>,
    write_closed: bool,
}

/// How far the handshake is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advance {
    /// It waits for the peer: send, then receive.
    NeedsReceive,
    /// It is finished. Its last flight may wait in [`Driver::transmit`].
    Established,
    /// It will not be: the peer closed or the transport ended.
    Ended(ReadEnd),
}

/// What there is to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plaintext<'a> {
    /// Data, never empty; [`Driver::consume`] takes it away.
    Data(&'a [u8]),
    /// Nothing yet: receive.
    NeedsReceive,
    /// Nothing any more: [`ReadEnd::Clean`], or the transport ended.
    End(ReadEnd),
}

impl Driver {
    /// A client. Its ClientHello waits in [`Driver::transmit`].
    ///
    /// # Errors
    /// As [`SecurityContext::initialize`].
    pub fn client(
        credentials: &OutboundCredentials,
        target: Option<&str>,
        options: &ContextOptions,
    ) -> Result<Self, Error> {
        let mut output = Output::default();
        let calls = Calls::client(credentials, target, options, &mut output)?;
        Ok(Self::new(calls, output))
    }

    /// A server.
    pub fn server(credentials: &InboundCredentials, options: &ContextOptions) -> Self {
        Self::new(Calls::server(credentials, options), Output::default())
    }

    /// Has `observer` told of every call; a client's first one, already made, included.
    pub fn set_observer(&mut self, observer: Box<dyn Observer + Send>) {
        self.calls.set_observer(observer);
    }

    /// Room for bytes from the transport. It is empty only while received data waits to be read.
    pub fn receive_space(&mut self) -> &mut [u8] {
        self.input.space(self.need)
    }

    /// The transport put `n` bytes at the front of [`Driver::receive_space`].
    pub fn received(&mut self, n: usize) {
        self.input.received(n);
    }

    /// The transport gives no more bytes. Records that were received whole are still read; the verdict follows them. Only the first
    /// call counts.
    pub fn transport_ended(&mut self, end: TransportEnd) {
        self.transport.get_or_insert(end);
    }

    /// Bytes for the peer.
    pub fn transmit(&self) -> &[u8] {
        self.output.waiting()
    }

    /// The transport took `n` bytes from the front of [`Driver::transmit`].
    pub fn transmitted(&mut self, n: usize) {
        self.output.sent(n);
    }

    /// Gives back memory that holds nothing. Call it before a long wait; [`Driver::fill_plaintext`] does so itself when little comes.
    pub fn release_buffers(&mut self) {
        self.input.release();
    }

    /// Goes on with the handshake. A server that asks for a certificate this side does not have (SEC_I_INCOMPLETE_CREDENTIALS) gets
    /// none.
    ///
    /// # Errors
    /// The handshake has failed; the alert for the peer is in [`Driver::transmit`]. Asked again, the same error.
    pub fn advance(&mut self) -> Result<Advance, Error> {
        let mut declined = false;
        loop {
            if let Some(failure) = &self.failure {
                return Err(failure.clone());
            }
            if self.calls.is_established() {
                return Ok(Advance::Established);
            }
            if let Some(end) = self.end {
                return Ok(Advance::Ended(end));
            }
            if self.input.len() < self.need {
                match self.starve() {
                    true => continue,
                    false => return Ok(Advance::NeedsReceive),
                }
            }
            let before = self.input.len();
            match self.calls.token(self.input.unread(), &mut self.output) {
                Ok(outcome) => {
                    self.input.consume(outcome.consumed);
                    self.need = 1;
                    match outcome.status {
                        SuccessStatus::ContextExpired => {
                            self.end = Some(self.calls.closing_report().read_end);
                        }
                        SuccessStatus::IncompleteCredentials if !declined => declined = true,
                        SuccessStatus::Ok => {}
                        // Asked twice, or not a byte of progress: more input is the only thing that can change the answer.
                        _ if outcome.consumed == 0 => self.need = before + 1,
                        _ => {}
                    }
                }
                Err(error) if error.status() == ErrorStatus::IncompleteMessage => self.lacks(before, &error),
                Err(error) => self.failure = Some(error),
            }
        }
    }

    /// The next data, decrypted where it was received. An answer to the peer's KeyUpdate may be in [`Driver::transmit`] afterwards.
    ///
    /// # Errors
    /// A fatal alert came ([`Error::received_alert`]), or what came is no TLS; then the alert for the peer is in
    /// [`Driver::transmit`]. Asked again, the same error. SEC_E_INVALID_HANDLE before the handshake is finished.
    pub fn fill_plaintext(&mut self) -> Result<Plaintext<'_>, Error> {
        if !self.calls.is_established() {
            return Err(self.failure.clone().unwrap_or_else(no_context));
        }
        while self.input.plaintext().is_empty() {
            if let Some(failure) = &self.failure {
                return Err(failure.clone());
            }
            if let Some(end) = self.end {
                self.input.release();
                return Ok(Plaintext::End(end));
            }
            if self.input.len() >= self.need {
                self.read_record();
            } else if !self.starve() {
                self.answer_key_update();
                if !self.input.is_busy() {
                    self.input.release();
                }
                return Ok(Plaintext::NeedsReceive);
            }
        }
        self.answer_key_update();
        Ok(Plaintext::Data(self.input.plaintext()))
    }

    /// Takes `n` bytes away from the front of [`Plaintext::Data`].
    pub fn consume(&mut self, n: usize) {
        self.input.consume_plaintext(n);
    }

    /// Encrypts from the front of `data` and says how many bytes: zero when [`Driver::transmit`] is full.
    ///
    /// # Errors
    /// As [`openschannel::SendHalf::encrypt`]: SEC_E_CONTEXT_EXPIRED after [`Driver::close_write`], a fatal alert or a failure;
    /// SEC_E_INVALID_HANDLE before the handshake is finished.
    pub fn write(&mut self, data: &[u8]) -> Result<usize, Error> {
        if self.write_closed || self.failure.is_some() {
            return Err(Error::new(ErrorStatus::ContextExpired)
                .because("this side has closed, or the connection has failed"));
        }
        let sizes = self.attributes()?.stream_sizes();
        let overhead = sizes.header + trailer_room(sizes.trailer);
        self.answer_key_update();
        let records = data.len().div_ceil(sizes.maximum_message.max(1));
        let room = OUTPUT_LIMIT.saturating_sub(self.transmit().len());
        if !data.is_empty() {
            self.output.reserve(records.saturating_mul(overhead).saturating_add(data.len()).min(room));
        }
        let mut written = 0;
        for chunk in data.chunks(sizes.maximum_message.max(1)) {
            if !self.output.has_room(overhead + chunk.len()) {
                break;
            }
            match self.calls.encrypt(chunk, &mut self.output) {
                Ok(()) => written += chunk.len(),
                // What is sealed is sent; the next call meets the failure again.
                Err(_) if written > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(written)
    }

    /// Closes the sending direction by the documented procedure: ApplyControlToken(SCHANNEL_SHUTDOWN) and a token call. The
    /// close_notify is in [`Driver::transmit`], behind all data. Reading goes on. A second call does nothing, nor does one after a
    /// failure, of which the peer is told by its alert, nor one before a server has heard from a client.
    ///
    /// # Errors
    /// SEC_E_ENCRYPT_FAILURE: the key has protected as many records as it may.
    pub fn close_write(&mut self) -> Result<(), Error> {
        if !self.write_closed && self.failure.is_none() {
            self.calls.control(ControlToken::Shutdown, &mut self.output)?;
        }
        self.write_closed = true;
        Ok(())
    }

    /// Sends an alert: ApplyControlToken(SCHANNEL_ALERT) and a token call. A fatal one ends the connection, a close_notify is
    /// [`Driver::close_write`].
    ///
    /// # Errors
    /// SEC_E_CONTEXT_EXPIRED: this side has closed, or the connection has failed. SEC_E_INSUFFICIENT_MEMORY: [`Driver::transmit`] is full.
    pub fn send_alert(&mut self, alert: Alert) -> Result<(), Error> {
        if alert.is_close_notify() {
            return self.close_write();
        }
        if self.write_closed || self.failure.is_some() {
            return Err(Error::new(ErrorStatus::ContextExpired).because("nothing is sent behind the end"));
        }
        self.refuse_if_full()?;
        self.calls.control(ControlToken::Alert(alert), &mut self.output)?;
        self.write_closed = alert.level == AlertLevel::FATAL;
        Ok(())
    }

    /// Changes the sending keys, and asks the peer to do the same if `request` says so.
    ///
    /// # Errors
    /// As [`openschannel::SendHalf::key_update`]. SEC_E_INSUFFICIENT_MEMORY: [`Driver::transmit`] is full.
    pub fn key_update(&mut self, request: KeyUpdateRequest) -> Result<(), Error> {
        self.refuse_if_full()?;
        self.calls.key_update(request, &mut self.output)
    }

    /// How the connection stands or has ended.
    pub fn closing_report(&self) -> ClosingReport {
        self.calls.closing_report()
    }

    /// What was negotiated.
    ///
    /// # Errors
    /// SEC_E_INVALID_HANDLE before the handshake is finished.
    pub fn attributes(&self) -> Result<&Attributes, Error> {
        self.context().ok_or_else(no_context)?.attributes()
    }

    /// The context; none on a server that has not received a whole ClientHello record yet.
    pub fn context(&self) -> Option<&SecurityContext> {
        self.calls.context()
    }

    /// As [`Driver::context`]. Records taken in or made behind the driver's back are lost to it.
    pub fn context_mut(&mut self) -> Option<&mut SecurityContext> {
        self.calls.context_mut()
    }

    /// Which side this is.
    pub fn role(&self) -> Role {
        self.calls.role()
    }

    /// Whether the handshake is finished.
    pub fn is_established(&self) -> bool {
        self.calls.is_established()
    }

    pub(crate) fn plaintext(&self) -> &[u8] {
        self.input.plaintext()
    }

    fn new(calls: Calls, output: Output) -> Self {
        Self {
            calls,
            input: Input::default(),
            output,
            need: 1,
            transport: None,
            end: None,
            failure: None,
            write_closed: false,
        }
    }

    /// Nothing received can be processed: if nothing more can come, that is the end. Says whether it is.
    fn starve(&mut self) -> bool {
        let Some(transport) = self.transport else { return false };
        self.end = Some(self.calls.transport_ended(transport, self.input.len()));
        true
    }

    /// SEC_E_INCOMPLETE_MESSAGE with `have` bytes.
    fn lacks(&mut self, have: usize, error: &Error) {
        let missing = error.missing().unwrap_or(1).max(1);
        // No record is longer than the buffer; a larger wish could never be met.
        self.need = have.saturating_add(missing).min(INPUT_LARGE);
    }

    fn read_record(&mut self) {
        let before = self.input.len();
        match self.calls.decrypt(self.input.unread_mut()) {
            Ok(message) if message.status == SuccessStatus::Renegotiate => {
                match self.calls.token(self.input.unread(), &mut self.output) {
                    Ok(outcome) => self.input.consume(outcome.consumed),
                    Err(error) => self.failure = Some(error),
                }
                self.need = 1;
            }
            Ok(message) => {
                self.need = 1;
                self.input.consume_record(before - message.extra.len(), message.data);
                if message.status == SuccessStatus::ContextExpired {
                    self.end = Some(self.calls.closing_report().read_end);
                    // Nothing counts behind a close_notify (RFC 8446 section 6.1).
                    self.input.consume(self.input.len());
                }
            }
            Err(error) if error.status() == ErrorStatus::IncompleteMessage => self.lacks(before, &error),
            Err(error) => {
                if let Some(alert) = error.alert() {
                    // It is said best effort: what failed is what the caller is told.
                    self.calls.control(ControlToken::Alert(alert), &mut self.output).ok();
                }
                self.failure = Some(error);
            }
        }
    }

    /// One reply may be due however many requests came; with a full buffer it waits, so that a peer that asks and does not
    /// read fills nothing.
    fn answer_key_update(&mut self) {
        if self.calls.is_reply_due() && self.output.has_room(KEY_UPDATE_ROOM) {
            // A key that cannot seal a reply cannot seal data either: the next write says so.
            self.calls.answer_key_update(&mut self.output).ok();
        }
    }

    fn refuse_if_full(&self) -> Result<(), Error> {
        if self.output.has_room(KEY_UPDATE_ROOM) {
            return Ok(());
        }
        Err(Error::new(ErrorStatus::InsufficientMemory).because("what waits has to be transmitted first"))
    }
}

/// A KeyUpdate record has 27 bytes, the longest alert record 31 (section 4.3).
const KEY_UPDATE_ROOM: usize = 31;

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver")
            .field("role", &self.role())
            .field("report", &self.closing_report())
            .field("received", &self.input.len())
            .field("waiting", &self.transmit().len())
            .finish_non_exhaustive()
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if self.is_established() && !self.write_closed && self.failure.is_none() {
            tracing::debug!(role = ?self.role(), "a connection is dropped without close_notify; to the peer it looks cut");
        }
    }
}

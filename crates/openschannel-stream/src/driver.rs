//! [`Driver`]: a context between two byte queues.

use std::fmt;

use openschannel::alert::{Alert, AlertLevel};
use openschannel::attributes::Attributes;
use openschannel::credentials::{InboundCredentials, OutboundCredentials};
use openschannel::status::{Error, ErrorStatus, SuccessStatus};
use openschannel::{
    ClosingReport, ContextOptions, ControlToken, Decrypted, KeyUpdateRequest, ReadEnd, Role, SecurityContext,
    TransportEnd,
};

use crate::buffers::{OUTPUT_LIMIT, Output};
use crate::calls::{Calls, no_context};
use crate::halves::{ReceiveDriver, SendDriver};
use crate::observer::Observer;
use crate::reading::{Decrypt, Filled, Reading};
use crate::writing::{ALERT_ROOM, Unclosed, refuse_closed, refuse_if_full, write_records};

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
    pub(crate) calls: Calls,
    pub(crate) reading: Reading,
    pub(crate) output: Output,
    pub(crate) write_closed: bool,
    /// A server closed before it had heard from a client.
    close_waits: bool,
    pub(crate) unclosed: Unclosed,
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
#[derive(Clone, Copy, PartialEq, Eq)]
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
        self.reading.space()
    }

    /// The transport put `n` bytes at the front of [`Driver::receive_space`].
    pub fn received(&mut self, n: usize) {
        self.reading.input.received(n);
    }

    /// The transport gives no more bytes. Records that were received whole are still read; the verdict follows them. Only the first
    /// call counts.
    pub fn transport_ended(&mut self, end: TransportEnd) {
        self.reading.transport_ended(end);
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
        self.reading.input.release();
    }

    /// Goes on with the handshake. A server that asks for a certificate this side does not have (SEC_I_INCOMPLETE_CREDENTIALS) gets
    /// none.
    ///
    /// # Errors
    /// The handshake has failed; the alert for the peer is in [`Driver::transmit`]. Asked again, the same error.
    pub fn advance(&mut self) -> Result<Advance, Error> {
        let mut declined = false;
        loop {
            if let Some(failure) = &self.reading.failure {
                return Err(failure.clone());
            }
            if self.calls.is_established() {
                if core::mem::take(&mut self.close_waits) {
                    self.seal_close()?;
                } else if !self.write_closed {
                    self.unclosed.established();
                }
                return Ok(Advance::Established);
            }
            if let Some(end) = self.reading.end {
                return Ok(Advance::Ended(end));
            }
            if self.reading.input.len() < self.reading.need {
                let calls = &mut self.calls;
                match self.reading.starve(|end, unprocessed| calls.transport_ended(end, unprocessed)) {
                    true => continue,
                    false => return Ok(Advance::NeedsReceive),
                }
            }
            let before = self.reading.input.len();
            match self.calls.token(self.reading.input.unread(), &mut self.output) {
                Ok(outcome) => {
                    self.reading.input.consume(outcome.consumed);
                    self.reading.need = 1;
                    match outcome.status {
                        SuccessStatus::ContextExpired => {
                            self.reading.end = Some(self.calls.closing_report().read_end);
                        }
                        SuccessStatus::IncompleteCredentials if !declined => declined = true,
                        SuccessStatus::Ok => {}
                        // Asked twice, or not a byte of progress: more input is the only thing that can change the answer.
                        _ if outcome.consumed == 0 => self.reading.need = before + 1,
                        _ => {}
                    }
                }
                Err(error) if error.status() == ErrorStatus::IncompleteMessage => {
                    self.reading.lacks(before, &error);
                }
                Err(error) => self.reading.failure = Some(error),
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
            return Err(self.reading.failure.clone().unwrap_or_else(no_context));
        }
        let filled = self
            .reading
            .fill(&mut Connection { calls: &mut self.calls, output: &mut self.output })
            .inspect_err(|_| self.unclosed.ended())?;
        if !matches!(filled, Filled::End(_)) {
            self.answer_key_update();
        }
        Ok(self.reading.plaintext(filled))
    }

    /// Takes `n` bytes away from the front of [`Plaintext::Data`].
    pub fn consume(&mut self, n: usize) {
        self.reading.input.consume_plaintext(n);
    }

    /// Encrypts from the front of `data` and says how many bytes: zero when [`Driver::transmit`] is full.
    ///
    /// # Errors
    /// As [`openschannel::SendHalf::encrypt`]: SEC_E_CONTEXT_EXPIRED after [`Driver::close_write`], a fatal alert or a failure;
    /// SEC_E_INVALID_HANDLE before the handshake is finished.
    pub fn write(&mut self, data: &[u8]) -> Result<usize, Error> {
        if self.write_closed || self.reading.failure.is_some() {
            return Err(refuse_closed());
        }
        let sizes = self.attributes()?.stream_sizes();
        self.answer_key_update();
        let calls = &mut self.calls;
        write_records(&mut self.output, sizes, data, |chunk, output| calls.encrypt(chunk, output))
    }

    /// Closes the sending direction by the documented procedure: ApplyControlToken(SCHANNEL_SHUTDOWN) and a token call. The
    /// close_notify is in [`Driver::transmit`], behind all data. Reading goes on. A second call does nothing, nor does one after a
    /// failure, of which the peer is told by its alert. A server that has not heard from a client yet has nobody to tell: the
    /// close_notify then follows the handshake.
    ///
    /// # Errors
    /// SEC_E_ENCRYPT_FAILURE: the key has protected as many records as it may.
    pub fn close_write(&mut self) -> Result<(), Error> {
        if !self.write_closed && self.reading.failure.is_none() {
            match self.context() {
                Some(_) => self.seal_close()?,
                None => self.close_waits = true,
            }
        }
        self.write_closed = true;
        self.unclosed.ended();
        Ok(())
    }

    /// Sends an alert: ApplyControlToken(SCHANNEL_ALERT) and a token call. A fatal one ends the connection, a close_notify is
    /// [`Driver::close_write`]. A server that has not heard from a client yet has nobody to send it to; whoever comes behind a fatal one
    /// is not served.
    ///
    /// # Errors
    /// SEC_E_CONTEXT_EXPIRED: this side has closed, or the connection has failed. SEC_E_INSUFFICIENT_MEMORY: [`Driver::transmit`] is
    /// full, and the alert is not fatal.
    pub fn send_alert(&mut self, alert: Alert) -> Result<(), Error> {
        if alert.is_close_notify() {
            return self.close_write();
        }
        if self.write_closed || self.reading.failure.is_some() {
            return Err(refuse_closed());
        }
        // A fatal one is the last: it is let in beyond the limit, or a close_notify might follow in its place.
        let is_last = alert.level == AlertLevel::FATAL;
        if !is_last {
            refuse_if_full(&self.output)?;
        }
        self.calls.control(ControlToken::Alert(alert), &mut self.output)?;
        if is_last {
            if self.calls.abandon() {
                self.reading.failure = Some(refuse_closed());
            }
            self.write_closed = true;
            self.unclosed.ended();
        }
        Ok(())
    }

    /// Changes the sending keys, and asks the peer to do the same if `request` says so.
    ///
    /// # Errors
    /// As [`openschannel::SendHalf::key_update`]. SEC_E_INSUFFICIENT_MEMORY: [`Driver::transmit`] is full.
    pub fn key_update(&mut self, request: KeyUpdateRequest) -> Result<(), Error> {
        refuse_if_full(&self.output)?;
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

    /// The two directions, for two threads or tasks. From here on tickets and key updates are consumed while reading, whatever the
    /// mode was. An observer is told by both, under a lock; without one no lock is shared.
    ///
    /// # Errors
    /// The driver itself, unchanged: the handshake is not finished.
    pub fn split(self) -> Result<(SendDriver, ReceiveDriver), Box<Self>> {
        let Self { calls, reading, output, mut write_closed, close_waits, unclosed } = self;
        // The alert for a failure is out already: the sending half shall not find it owed once more.
        write_closed |= reading.failure.is_some();
        match calls.split() {
            Ok((send, receive)) => Ok((
                SendDriver { calls: send, output, write_closed, unclosed },
                ReceiveDriver { calls: receive, reading },
            )),
            Err(calls) => {
                Err(Box::new(Self { calls: *calls, reading, output, write_closed, close_waits, unclosed }))
            }
        }
    }

    /// Puts the directions of one connection together again.
    ///
    /// # Errors
    /// Both, unchanged: they are not of one connection.
    pub fn join(
        mut send: SendDriver,
        receive: ReceiveDriver,
    ) -> Result<Self, Box<(SendDriver, ReceiveDriver)>> {
        // What the receiving half has found out is told by the sending half; a whole driver would take it for told.
        if send.is_twin_of(&receive) {
            send.catch_up();
        }
        let SendDriver { calls, output, write_closed, unclosed } = send;
        let ReceiveDriver { calls: receiving, reading } = receive;
        match Calls::join(calls, receiving) {
            Ok(calls) => Ok(Self { calls, reading, output, write_closed, close_waits: false, unclosed }),
            Err(both) => {
                let (calls, receiving) = *both;
                let send = SendDriver { calls, output, write_closed, unclosed };
                Err(Box::new((send, ReceiveDriver { calls: receiving, reading })))
            }
        }
    }

    pub(crate) fn plaintext(&self) -> &[u8] {
        self.reading.input.plaintext()
    }

    fn new(calls: Calls, output: Output) -> Self {
        let unclosed = Unclosed::new(calls.role());
        Self { calls, reading: Reading::new(), output, write_closed: false, close_waits: false, unclosed }
    }

    fn seal_close(&mut self) -> Result<(), Error> {
        let before = self.output.waiting().len();
        self.calls.control(ControlToken::Shutdown, &mut self.output)?;
        self.output.closed(before);
        Ok(())
    }

    /// One reply may be due however many requests came; with a full buffer it waits, so that a peer that asks and does not
    /// read fills nothing.
    fn answer_key_update(&mut self) {
        if self.calls.is_reply_due() && self.output.has_room(ALERT_ROOM) {
            // A key that cannot seal a reply cannot seal data either: the next write says so.
            self.calls.answer_key_update(&mut self.output).ok();
        }
    }
}

/// Most bytes that wait while a peer in compatible mode, where each KeyUpdate is answered at once, may still ask for one: as many again
/// as data may have put there.
const UNANSWERED_LIMIT: usize = 2 * OUTPUT_LIMIT;

/// What reading needs of a whole connection.
struct Connection<'a> {
    calls: &'a mut Calls,
    output: &'a mut Output,
}

impl Decrypt for Connection<'_> {
    fn decrypt(&mut self, buffer: &mut [u8]) -> Result<Decrypted, Error> {
        self.calls.decrypt(buffer)
    }

    fn renegotiate(&mut self, input: &[u8]) -> Result<usize, Error> {
        if self.output.waiting().len() > UNANSWERED_LIMIT {
            return Err(Error::new(ErrorStatus::InsufficientMemory)
                .because("the peer asks for new keys and does not read the answers"));
        }
        self.calls.token(input, self.output).map(|outcome| outcome.consumed)
    }

    fn owe(&mut self, alert: Alert) {
        // It is said best effort: what failed is what the caller is told.
        self.calls.control(ControlToken::Alert(alert), self.output).ok();
    }

    fn read_end(&self) -> ReadEnd {
        self.calls.closing_report().read_end
    }

    fn transport_ended(&mut self, end: TransportEnd, unprocessed: usize) -> ReadEnd {
        self.calls.transport_ended(end, unprocessed)
    }
}

impl fmt::Debug for Plaintext<'_> {
    /// How much it is, not what: this gets into logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Data(data) => write!(f, "Data({} bytes)", data.len()),
            Self::NeedsReceive => f.write_str("NeedsReceive"),
            Self::End(end) => f.debug_tuple("End").field(end).finish(),
        }
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver")
            .field("role", &self.role())
            .field("report", &self.closing_report())
            .field("received", &self.reading.input.len())
            .field("waiting", &self.transmit().len())
            .finish_non_exhaustive()
    }
}

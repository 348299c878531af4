//! The receiving half.

use core::ops::Range;
use std::sync::Arc;

use crate::alert::{Alert, AlertVersion, LocalFailure, ReceivedAlert, received};
use crate::attributes::{Attributes, Protocol};
use crate::credentials::PostHandshake;
use crate::handshake::{MAX_WARNING_ALERTS, Messages, Resumption, Tickets, TrafficSecret};
use crate::record::{ContentType, Framing, FramingError, OpenFailure, Opened, Opener, TAG_LEN, frame};
use crate::status::{Error, ErrorStatus, Fault, SuccessStatus};

use super::closure::{ReadEnd, Shared, TransportEnd};
use super::table::{self, Message};

/// Records without data a peer may send in a row: BoringSSL's kMaxEmptyRecords. They make this side work for nothing.
const MAX_EMPTY_RECORDS: u32 = 32;

/// Decrypts, and says how its direction of the connection ended.
///
/// Made by [`SecurityContext::split`](super::SecurityContext::split). One thread may use it while another uses the
/// [`SendHalf`](super::SendHalf): no lock is shared.
#[derive(Debug)]
pub struct ReceiveHalf {
    pub(super) opener: Opener,
    pub(super) secret: Option<TrafficSecret>,
    pub(super) tickets: Option<Tickets>,
    pub(super) reconnects: bool,
    pub(super) resumption: Resumption,
    pub(super) messages: Messages,
    /// The record that SEC_I_RENEGOTIATE left in the caller's buffer: not to be opened again when it comes again.
    pub(super) seen: Option<SeenRecord>,
    mode: PostHandshake,
    read_end: ReadEnd,
    /// The caller holds the beginning of a record.
    pub(super) inside_record: bool,
    warnings: u32,
    empty_records: u32,
    /// KeyUpdates and refused renegotiations in a row.
    pub(super) post_handshake: u32,
    bytes_received: u64,
    pub(super) shared: Arc<Shared>,
    pub(super) attributes: Arc<Attributes>,
}

/// Tells one record from all others: its tag depends on its sequence number.
#[derive(Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(Clone, Hash))]
pub(super) struct SeenRecord {
    len: usize,
    tag: [u8; TAG_LEN],
}

impl SeenRecord {
    pub(super) fn of(record: &[u8]) -> Option<Self> {
        Some(Self { len: record.len(), tag: *record.last_chunk()? })
    }

    /// The record's length, if `input` begins with it.
    pub(super) fn starts(&self, input: &[u8]) -> Option<usize> {
        (input.get(..self.len)?.last_chunk() == Some(&self.tag)).then_some(self.len)
    }
}

/// What DecryptMessage made of the caller's buffer (section 2.8); all positions count from its first byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decrypted {
    /// SEC_E_OK, SEC_I_CONTEXT_EXPIRED (the peer closed) or, in compatible mode, SEC_I_RENEGOTIATE.
    pub status: SuccessStatus,
    /// Bytes of SECBUFFER_STREAM_HEADER, at the front.
    pub header: usize,
    /// SECBUFFER_DATA: the plaintext, where the ciphertext was. May be empty.
    pub data: Range<usize>,
    /// SECBUFFER_STREAM_TRAILER.
    pub trailer: Range<usize>,
    /// SECBUFFER_EXTRA: what follows the record and is to be given in next; with SEC_I_RENEGOTIATE the record itself and what
    /// follows, for the token call.
    pub extra: Range<usize>,
}

impl ReceiveHalf {
    #[expect(clippy::too_many_arguments, reason = "the parts of one hand-over, each from somewhere else")]
    pub(super) fn new(
        opener: Opener,
        secret: Option<TrafficSecret>,
        tickets: Option<Tickets>,
        reconnects: bool,
        resumption: Resumption,
        mode: PostHandshake,
        shared: Arc<Shared>,
        attributes: Arc<Attributes>,
    ) -> Self {
        Self {
            opener,
            secret,
            tickets,
            reconnects,
            resumption,
            messages: Messages::default(),
            seen: None,
            mode,
            read_end: ReadEnd::Open,
            inside_record: false,
            warnings: 0,
            empty_records: 0,
            post_handshake: 0,
            bytes_received: 0,
            shared,
            attributes,
        }
    }

    /// DecryptMessage: opens the record at the front of `buffer` where it lies.
    ///
    /// # Errors
    /// - SEC_E_INCOMPLETE_MESSAGE: the record is not whole; [`Error::missing`] says how many bytes are needed at least. Nothing has
    ///   changed.
    /// - SEC_E_CONTEXT_EXPIRED: the connection has failed, or a handshake message waits for the next token call (compatible mode).
    /// - Anything else ends the connection (sections 3.4, 5): SEC_E_MESSAGE_ALTERED for a forged record, SEC_E_ILLEGAL_MESSAGE for a
    ///   breach of the protocol, the status of [`alert::received`](crate::alert::received) for a fatal alert. The buffer may be
    ///   destroyed. After a failure found here [`Error::alert`] is owed to the peer: ApplyControlToken and the token call give its record.
    pub fn decrypt(&mut self, buffer: &mut [u8]) -> Result<Decrypted, Error> {
        if self.shared.is_gated_for_nobody() {
            self.drop_held_message();
        }
        match table::decrypt(self.shared.state()) {
            Message::Process => {}
            Message::Succeed(status) => {
                return Ok(Decrypted { status, header: 0, data: 0..0, trailer: 0..0, extra: 0..0 });
            }
            Message::Refuse(status) => {
                return Err(Error::new(status)
                    .because("nothing can be received on this connection any more, or not now"));
            }
        }
        if let Some(len) = self.seen.as_ref().and_then(|seen| seen.starts(buffer)) {
            self.seen = None;
            self.inside_record = false;
            let header = self.opener.protection().header_len();
            return Ok(Decrypted {
                status: SuccessStatus::Ok,
                header,
                data: header..header,
                trailer: header..len,
                extra: len..buffer.len(),
            });
        }
        let whole = buffer.len();
        let len = match frame(buffer, self.opener.protection().max_fragment()) {
            Ok(Framing::Complete { len, .. }) => len,
            Ok(Framing::Incomplete { missing }) => {
                self.inside_record = whole > 0;
                return Err(Error::new(ErrorStatus::IncompleteMessage).with_missing(missing));
            }
            Err(error) => return Err(self.fail(framing_failure(error))),
        };
        self.inside_record = false;
        let record = buffer.get_mut(..len).unwrap_or_default();
        let opened = self.open(record)?;
        self.seen = None;
        let Opened { content_type, content } = opened;
        let mut decrypted = Decrypted {
            status: SuccessStatus::Ok,
            header: content.start,
            data: content.start..content.start,
            trailer: content.start..len,
            extra: len..whole,
        };
        match content_type {
            ContentType::APPLICATION_DATA => {
                self.take_data(content.len())?;
                decrypted.trailer = content.end..len;
                decrypted.data = content;
            }
            ContentType::ALERT => {
                decrypted.status = self.take_alert(record.get(content).unwrap_or_default())?;
            }
            ContentType::HANDSHAKE if self.leaves_handshake_to_token_calls() => {
                self.push_handshake(record.get(content).unwrap_or_default())?;
                // The caller hands the record to the token call as it came (section 8.1).
                self.opener.restore(record).map_err(|failure| self.fail(open_failure(failure)))?;
                self.seen = SeenRecord::of(record);
                self.shared.set_gate(true);
                decrypted = Decrypted {
                    status: SuccessStatus::Renegotiate,
                    header: 0,
                    data: 0..0,
                    trailer: 0..0,
                    extra: 0..whole,
                };
            }
            ContentType::HANDSHAKE => {
                self.push_handshake(record.get(content).unwrap_or_default())?;
                if self.process_messages()?.renegotiate {
                    self.shared.owe_reply();
                }
            }
            _ => return Err(self.fail(LocalFailure::UnexpectedMessage)),
        }
        Ok(decrypted)
    }

    /// From here on tickets and key updates are consumed by [`ReceiveHalf::decrypt`] (quiet mode): for a half whose other half is on
    /// another thread, where nobody can make the token call that SEC_I_RENEGOTIATE asks for. A message that waits for that call already
    /// still does.
    pub fn consume_post_handshake(&mut self) {
        self.mode = PostHandshake::Quiet;
    }

    /// Tells the half that the transport ended, and gives the verdict. Give every complete record that was received to
    /// [`ReceiveHalf::decrypt`] first; `unprocessed` is how many received bytes are left after that.
    pub fn transport_ended(&mut self, end: TransportEnd, unprocessed: usize) -> ReadEnd {
        self.read_end = self.read_end();
        if self.read_end == ReadEnd::Open {
            self.read_end = match end {
                TransportEnd::Eof => {
                    ReadEnd::Truncated { inside_record: unprocessed > 0 || self.inside_record }
                }
                TransportEnd::Reset => ReadEnd::Reset,
            };
        }
        self.read_end
    }

    /// How this half stands.
    pub fn read_end(&self) -> ReadEnd {
        match self.read_end {
            // By a fatal alert of this side's: what comes now is not read, so it is no end of the peer's.
            ReadEnd::Open if self.shared.is_failed() => ReadEnd::Failed(ErrorStatus::ContextExpired),
            end => end,
        }
    }

    /// Plaintext bytes delivered so far.
    pub fn bytes_received(&self) -> u64 {
        self.bytes_received
    }

    /// What was captured when the handshake finished.
    pub fn attributes(&self) -> &Attributes {
        &self.attributes
    }

    /// Compatible mode, as long as there is somebody to make the call.
    fn leaves_handshake_to_token_calls(&self) -> bool {
        self.mode == PostHandshake::Compatible && self.is_tls13() && !self.shared.has_no_token_calls()
    }

    pub(super) fn is_tls13(&self) -> bool {
        self.opener.protection().is_tls13()
    }

    pub(super) fn max_fragment(&self) -> usize {
        self.opener.protection().max_fragment()
    }

    pub(super) fn open(&mut self, record: &mut [u8]) -> Result<Opened, Error> {
        self.opener.open(record).map_err(|failure| self.fail(open_failure(failure)))
    }

    pub(super) fn push_handshake(&mut self, content: &[u8]) -> Result<(), Error> {
        // RFC 8446 section 5.1: no zero-length fragments of handshake messages.
        if content.is_empty() {
            return Err(self.fail(LocalFailure::UnexpectedMessage));
        }
        self.messages.push(content);
        Ok(())
    }

    /// A failure found here: nothing is received any more, and the peer is owed an alert.
    pub(super) fn fail(&mut self, failure: LocalFailure) -> Error {
        let error = Error::from(failure);
        self.end(ReadEnd::Failed(failure.status()));
        match failure.alert() {
            Some(alert) => {
                self.shared.fail_owing(alert);
                error.with_alert(Alert::fatal(alert))
            }
            None => {
                self.shared.fail();
                error
            }
        }
    }

    pub(super) fn end(&mut self, end: ReadEnd) {
        if self.read_end == ReadEnd::Open {
            self.read_end = end;
        }
    }

    fn take_data(&mut self, len: usize) -> Result<(), Error> {
        // RFC 8446 section 5.1: nothing comes between the pieces of a handshake message.
        if !self.messages.is_aligned() {
            return Err(self.fail(LocalFailure::UnexpectedMessage));
        }
        if len == 0 {
            self.empty_records += 1;
            if self.empty_records > MAX_EMPTY_RECORDS {
                return Err(self.fail(LocalFailure::UnexpectedMessage));
            }
            return Ok(());
        }
        self.empty_records = 0;
        self.warnings = 0;
        self.post_handshake = 0;
        self.bytes_received += len as u64;
        Ok(())
    }

    fn take_alert(&mut self, content: &[u8]) -> Result<SuccessStatus, Error> {
        if !self.messages.is_aligned() {
            return Err(self.fail(LocalFailure::UnexpectedMessage));
        }
        let Some(alert) = Alert::parse(content) else { return Err(self.fail(LocalFailure::DecodeError)) };
        let version = match self.attributes.protocol() {
            Protocol::Tls12 => AlertVersion::Tls12,
            Protocol::Tls13 => AlertVersion::Tls13,
        };
        match received(alert, version) {
            ReceivedAlert::Closed => {
                self.end(ReadEnd::Clean);
                self.shared.close_peer();
                Ok(SuccessStatus::ContextExpired)
            }
            // no_renegotiation answers a request, and none is ever made here.
            ReceivedAlert::Ignored | ReceivedAlert::NoRenegotiation => {
                self.warnings += 1;
                if self.warnings > MAX_WARNING_ALERTS {
                    return Err(self.fail(LocalFailure::UnexpectedMessage));
                }
                Ok(SuccessStatus::Ok)
            }
            ReceivedAlert::Failed(status) => {
                self.end(ReadEnd::Alert(alert.description));
                self.shared.fail();
                Err(Error::new(status).by(Fault::Peer).with_received_alert(alert))
            }
        }
    }
}

#[cfg(test)]
#[path = "schedules_tests/fork_receive.rs"]
pub(super) mod fork;

pub(super) fn framing_failure(error: FramingError) -> LocalFailure {
    match error {
        FramingError::NotTls => LocalFailure::UnexpectedMessage,
        FramingError::TooLong => LocalFailure::RecordOverflow,
    }
}

pub(super) fn open_failure(failure: OpenFailure) -> LocalFailure {
    match failure {
        OpenFailure::UnexpectedType | OpenFailure::NoInnerType => LocalFailure::UnexpectedMessage,
        OpenFailure::Overflow => LocalFailure::RecordOverflow,
        OpenFailure::BadTag => LocalFailure::BadRecordMac,
    }
}

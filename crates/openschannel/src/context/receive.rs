//! The receiving half.

use core::ops::Range;
use std::sync::Arc;

use crate::alert::{Alert, AlertVersion, LocalFailure, ReceivedAlert, received};
use crate::attributes::Attributes;
use crate::credentials::PostHandshake;
use crate::handshake::{HandedOverDirection, KeySource, MAX_WARNING_ALERTS, Messages, Tickets};
use crate::record::{ContentType, Framing, FramingError, OpenFailure, Opened, Opener, TAG_LEN, frame};
use crate::status::{Error, ErrorStatus, Fault, SuccessStatus};

use super::closure::{ReadEnd, Shared, TransportEnd};
use super::table::{self, Message};

/// Records without data a peer may send in a row: BoringSSL's kMaxEmptyRecords. They make this side work for nothing.
const MAX_EMPTY_RECORDS: u8 = 32;

/// Decrypts, and says how its direction of the connection ended.
///
/// Made by [`SecurityContext::split`](super::SecurityContext::split). One thread may use it while another uses the
/// [`SendHalf`](super::SendHalf): no lock is shared.
#[derive(Debug)]
pub struct ReceiveHalf(pub(super) Box<Receiving>);

/// One block of memory; as that of [`SendHalf`](super::SendHalf).
#[derive(Debug)]
#[repr(C)]
pub(super) struct Receiving {
    /// Ends with the sequence number.
    pub(super) opener: Opener,
    bytes_received: u64,
    empty_records: u8,
    warnings: u8,
    /// KeyUpdates and refused renegotiations in a row.
    pub(super) post_handshake: u8,
    mode: PostHandshake,
    /// The caller holds the beginning of a record.
    pub(super) inside_record: bool,
    pub(super) reconnects: bool,
    read_end: ReadEnd,
    /// TLS 1.3's; zero otherwise.
    pub(super) source: KeySource,
    pub(super) pending: Option<Box<Pending>>,
    shared: Arc<Shared>,
}

/// What an idle connection does not have.
#[derive(Debug, Default)]
pub(super) struct Pending {
    pub(super) tickets: Option<Tickets>,
    pub(super) messages: Messages,
    /// The record that SEC_I_RENEGOTIATE left in the caller's buffer: not to be opened again when it comes again.
    pub(super) seen: Option<SeenRecord>,
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
    pub(super) fn new(
        keys: &HandedOverDirection,
        tickets: Option<Tickets>,
        reconnects: bool,
        read_end: ReadEnd,
        shared: Arc<Shared>,
    ) -> Self {
        let mut half = Box::new(Receiving {
            opener: Opener::vacant(keys.keys.protection),
            bytes_received: 0,
            empty_records: 0,
            warnings: 0,
            post_handshake: 0,
            mode: shared.attributes.post_handshake(),
            inside_record: false,
            reconnects,
            read_end,
            source: KeySource::vacant(),
            pending: tickets
                .map(|tickets| Box::new(Pending { tickets: Some(tickets), ..Pending::default() })),
            shared,
        });
        half.opener.set_keys(&keys.keys, keys.seq);
        if let Some(source) = &keys.source {
            half.source.set(source);
        }
        Self(half)
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
        if !self.shared().may_decrypt()
            && let Some(ended) = self.ended()?
        {
            return Ok(ended);
        }
        if let Some(len) = self.seen_at_front_of(buffer) {
            self.forget_seen();
            self.0.inside_record = false;
            let header = self.0.opener.protection().header_len();
            return Ok(Decrypted {
                status: SuccessStatus::Ok,
                header,
                data: header..header,
                trailer: header..len,
                extra: len..buffer.len(),
            });
        }
        let whole = buffer.len();
        let len = match frame(buffer, self.0.opener.protection().max_fragment()) {
            Ok(Framing::Complete { len, .. }) => len,
            Ok(Framing::Incomplete { missing }) => {
                self.0.inside_record = whole > 0;
                return Err(Error::new(ErrorStatus::IncompleteMessage).with_missing(missing));
            }
            Err(error) => return Err(self.fail(framing_failure(error))),
        };
        self.0.inside_record = false;
        let record = buffer.get_mut(..len).unwrap_or_default();
        let opened = match self.0.opener.open(record) {
            Ok(opened) => opened,
            Err(failure) => return Err(self.fail(open_failure(failure))),
        };
        self.forget_seen();
        if opened.content_type != ContentType::APPLICATION_DATA {
            return self.decrypted_message(record, opened, whole);
        }
        let content = opened.content();
        if !self.take_data(content.len()) {
            return Err(self.fail(LocalFailure::UnexpectedMessage));
        }
        // Made where it is returned.
        Ok(Decrypted {
            status: SuccessStatus::Ok,
            header: content.start,
            trailer: content.end..len,
            data: content,
            extra: len..whole,
        })
    }

    /// Behind a record that is no data: an alert or a handshake message.
    #[inline(never)]
    fn decrypted_message(
        &mut self,
        record: &mut [u8],
        opened: Opened,
        whole: usize,
    ) -> Result<Decrypted, Error> {
        let (len, content) = (record.len(), opened.content());
        let status = match opened.content_type {
            ContentType::ALERT => self.take_alert(record.get(content.clone()).unwrap_or_default())?,
            ContentType::HANDSHAKE => {
                self.push_handshake(record.get(content.clone()).unwrap_or_default())?;
                if self.leaves_handshake_to_token_calls() {
                    // The caller hands the record to the token call as it came (section 8.1).
                    self.0.opener.restore(record).map_err(|failure| self.fail(open_failure(failure)))?;
                    self.0.pending.get_or_insert_default().seen = SeenRecord::of(record);
                    self.shared().set_gate(true);
                    return Ok(Decrypted {
                        status: SuccessStatus::Renegotiate,
                        header: 0,
                        data: 0..0,
                        trailer: 0..0,
                        extra: 0..whole,
                    });
                }
                if self.process_messages()?.renegotiate {
                    self.shared().owe_reply();
                }
                SuccessStatus::Ok
            }
            _ => return Err(self.fail(LocalFailure::UnexpectedMessage)),
        };
        Ok(Decrypted {
            status,
            header: content.start,
            data: content.start..content.start,
            trailer: content.start..len,
            extra: len..whole,
        })
    }

    /// The answer where no record is looked at; [`None`] where one is after all.
    #[cold]
    fn ended(&mut self) -> Result<Option<Decrypted>, Error> {
        if self.shared().is_gated_for_nobody() {
            self.drop_held_message();
        }
        match table::decrypt(self.shared().state()) {
            Message::Process => Ok(None),
            Message::Succeed(status) => {
                Ok(Some(Decrypted { status, header: 0, data: 0..0, trailer: 0..0, extra: 0..0 }))
            }
            Message::Refuse(status) => {
                Err(Error::new(status)
                    .because("nothing can be received on this connection any more, or not now"))
            }
        }
    }

    /// From here on tickets and key updates are consumed by [`ReceiveHalf::decrypt`] (quiet mode): for a half whose other half is on
    /// another thread, where nobody can make the token call that SEC_I_RENEGOTIATE asks for. A message that waits for that call already
    /// still does.
    pub fn consume_post_handshake(&mut self) {
        self.0.mode = PostHandshake::Quiet;
    }

    /// Tells the half that the transport ended, and gives the verdict. Give every complete record that was received to
    /// [`ReceiveHalf::decrypt`] first; `unprocessed` is how many received bytes are left after that.
    pub fn transport_ended(&mut self, end: TransportEnd, unprocessed: usize) -> ReadEnd {
        self.0.read_end = self.read_end();
        if self.0.read_end == ReadEnd::Open {
            self.0.read_end = match end {
                TransportEnd::Eof => {
                    ReadEnd::Truncated { inside_record: unprocessed > 0 || self.0.inside_record }
                }
                TransportEnd::Reset => ReadEnd::Reset,
            };
        }
        self.0.read_end
    }

    /// How this half stands.
    pub fn read_end(&self) -> ReadEnd {
        match self.0.read_end {
            // By a fatal alert of this side's: what comes now is not read, so it is no end of the peer's.
            ReadEnd::Open if self.shared().is_failed() => ReadEnd::Failed(ErrorStatus::ContextExpired),
            end => end,
        }
    }

    /// Plaintext bytes delivered so far.
    pub fn bytes_received(&self) -> u64 {
        self.0.bytes_received
    }

    /// What was captured when the handshake finished.
    pub fn attributes(&self) -> &Attributes {
        &self.0.shared.attributes
    }

    /// Drops all but the raw keys: [`SendHalf::park`](super::SendHalf::park). A client that has been given a session ticket waits for no
    /// more of them: what turns tickets into sessions takes more memory than all the rest.
    pub fn park(&mut self) {
        self.0.opener.park();
        if let Some(pending) = &mut self.0.pending {
            pending.tickets.take_if(|tickets| tickets.has_taken_one());
            self.tidy();
        }
    }

    /// Whether the next record has to make the AEAD context first.
    pub fn is_parked(&self) -> bool {
        self.0.opener.is_parked()
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.0.shared
    }

    pub(super) fn shared_arc(&self) -> &Arc<Shared> {
        &self.0.shared
    }

    /// Whether a handshake message ends where the last record ended.
    pub(super) fn is_aligned(&self) -> bool {
        self.0.pending.as_ref().is_none_or(|pending| pending.messages.is_aligned())
    }

    /// Length of the record that was seen before, if `input` begins with it.
    pub(super) fn seen_at_front_of(&self, input: &[u8]) -> Option<usize> {
        self.0.pending.as_ref()?.seen.as_ref()?.starts(input)
    }

    pub(super) fn has_seen(&self) -> bool {
        self.0.pending.as_ref().is_some_and(|pending| pending.seen.is_some())
    }

    pub(super) fn forget_seen(&mut self) {
        if let Some(pending) = &mut self.0.pending {
            pending.seen = None;
            self.tidy();
        }
    }

    /// Gives back the memory of what is not pending any more.
    pub(super) fn tidy(&mut self) {
        let is_done = |pending: &mut Box<Pending>| {
            pending.tickets.is_none() && pending.seen.is_none() && pending.messages.is_aligned()
        };
        drop(self.0.pending.take_if(is_done));
    }

    /// Compatible mode, as long as there is somebody to make the call.
    fn leaves_handshake_to_token_calls(&self) -> bool {
        self.0.mode == PostHandshake::Compatible && self.is_tls13() && !self.shared().has_no_token_calls()
    }

    pub(super) fn is_tls13(&self) -> bool {
        self.0.opener.protection().is_tls13()
    }

    pub(super) fn max_fragment(&self) -> usize {
        self.0.opener.protection().max_fragment()
    }

    pub(super) fn push_handshake(&mut self, content: &[u8]) -> Result<(), Error> {
        // RFC 8446 section 5.1: no zero-length fragments of handshake messages.
        if content.is_empty() {
            return Err(self.fail(LocalFailure::UnexpectedMessage));
        }
        self.0.pending.get_or_insert_default().messages.push(content);
        Ok(())
    }

    /// A failure found here: nothing is received any more, and the peer is owed an alert.
    pub(super) fn fail(&mut self, failure: LocalFailure) -> Error {
        let error = Error::from(failure);
        self.end(ReadEnd::Failed(failure.status()));
        match failure.alert() {
            Some(alert) => {
                self.shared().fail_owing(alert);
                error.with_alert(Alert::fatal(alert))
            }
            None => {
                self.shared().fail();
                error
            }
        }
    }

    pub(super) fn end(&mut self, end: ReadEnd) {
        if self.0.read_end == ReadEnd::Open {
            self.0.read_end = end;
        }
    }

    /// False where data may not come, or no more without any in it.
    #[inline]
    fn take_data(&mut self, len: usize) -> bool {
        if self.0.pending.is_some() && !self.may_data_follow(len) {
            return false;
        }
        if len == 0 {
            self.0.empty_records += 1;
            return self.0.empty_records <= MAX_EMPTY_RECORDS;
        }
        self.0.empty_records = 0;
        self.0.warnings = 0;
        self.0.post_handshake = 0;
        self.0.bytes_received += len as u64;
        true
    }

    #[cold]
    fn may_data_follow(&mut self, len: usize) -> bool {
        // RFC 8446 section 5.1: nothing comes between the pieces of a handshake message.
        if !self.is_aligned() {
            return false;
        }
        if let Some(pending) = self.0.pending.as_mut().filter(|_| len > 0) {
            if pending.tickets.as_mut().is_some_and(|tickets| !tickets.may_follow_data()) {
                pending.tickets = None;
            }
            self.tidy();
        }
        true
    }

    fn take_alert(&mut self, content: &[u8]) -> Result<SuccessStatus, Error> {
        if !self.is_aligned() {
            return Err(self.fail(LocalFailure::UnexpectedMessage));
        }
        let Some(alert) = Alert::parse(content) else { return Err(self.fail(LocalFailure::DecodeError)) };
        let version = if self.is_tls13() { AlertVersion::Tls13 } else { AlertVersion::Tls12 };
        match received(alert, version) {
            ReceivedAlert::Closed => {
                self.end(ReadEnd::Clean);
                self.shared().close_peer();
                Ok(SuccessStatus::ContextExpired)
            }
            // no_renegotiation answers a request, and none is ever made here.
            ReceivedAlert::Ignored | ReceivedAlert::NoRenegotiation => {
                self.0.warnings += 1;
                if u32::from(self.0.warnings) > MAX_WARNING_ALERTS {
                    return Err(self.fail(LocalFailure::UnexpectedMessage));
                }
                Ok(SuccessStatus::Ok)
            }
            ReceivedAlert::Failed(status) => {
                self.end(ReadEnd::Alert(alert.description));
                self.shared().fail();
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
        OpenFailure::NoKey => LocalFailure::Internal,
    }
}

//! The sending half.

use std::sync::Arc;

use crate::alert::{Alert, AlertDescription, AlertLevel};
use crate::attributes::Attributes;
use crate::handshake::{HandedOverDirection, KeySource, seal_alert};
use crate::record::{ContentType, Exhausted, MAX_PLAINTEXT, Sealer};
use crate::status::{Error, ErrorStatus};

use super::closure::Shared;
use super::receive::ReceiveHalf;
use super::table::{self, Emission, Message, State, Waiting};
use super::token::TokenBuffer;

/// KeyUpdate with one byte that says whether the peer is to update as well (RFC 8446 section 4.6.3).
const KEY_UPDATE_LEN: usize = 5;

/// Bytes of a whole KeyUpdate record under every TLS 1.3 suite here.
pub(crate) const KEY_UPDATE_RECORD_LEN: usize = 27;

/// Records kept free under every key for what must still go out when data may not: a KeyUpdate and an alert.
const RESERVED_RECORDS: u64 = 2;

/// How much of the confidentiality limit is left when keys start to be refreshed: an early refresh costs nothing, and a
/// caller that rarely leaves room for one has this many records to do so.
const REFRESH_MARGIN_SHARE: u64 = 16;

/// Encrypts, and ends its direction of the connection.
///
/// Made by [`SecurityContext::split`](super::SecurityContext::split). One thread may use it while another uses the
/// [`ReceiveHalf`](super::ReceiveHalf): no lock is shared.
#[derive(Debug)]
#[must_use = "a connection that is dropped without close() looks like a cut wire to the peer"]
pub struct SendHalf(Box<Sending>);

/// One block of memory, which the handle above points to: a move of the half moves no secret.
///
/// What every record writes lies in the middle, a cache line and more from either end, so that it shares a line neither with the other
/// half nor with anybody else's memory, however the heap aligns the block.
#[derive(Debug)]
#[repr(C)]
struct Sending {
    /// Ends with the sequence number.
    sealer: Sealer,
    bytes_sent: u64,
    refresh_at: u32,
    waiting: Option<Alert>,
    later: Later,
    shared: Arc<Shared>,
    #[cfg(test)]
    limit: u64,
}

/// What is kept for later.
enum Later {
    Nothing,
    /// TLS 1.3, as long as keys may change.
    Source(KeySource),
    /// Given out again when it is asked for again (section 4.4 #16). Behind it nothing is sealed.
    Ended(StoredAlert),
}

/// An alert and the record it was sealed into.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone, PartialEq, Eq, Hash))]
pub(super) struct StoredAlert {
    pub(super) alert: Alert,
    len: u8,
    record: [u8; MAX_ALERT_RECORD],
}

/// The longest alert record: TLS 1.2 with AES-GCM (section 4.3).
const MAX_ALERT_RECORD: usize = 31;

impl StoredAlert {
    /// Seals `alert` into a record.
    pub(super) fn seal(sealer: &mut Sealer, alert: Alert) -> Result<Self, Error> {
        let mut record = [0; MAX_ALERT_RECORD];
        let len = sealer.seal_copy(ContentType::ALERT, &alert.to_bytes(), &mut record).map_err(exhausted)?;
        Ok(Self { alert, len: u8::try_from(len).unwrap_or_default(), record })
    }

    pub(super) fn record(&self) -> &[u8] {
        self.record.get(..usize::from(self.len)).unwrap_or_default()
    }
}

/// What EncryptMessage wrote: the bytes to send are these three, end to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encrypted {
    /// Bytes used of the header buffer.
    pub header: usize,
    /// Bytes of the data buffer, all of them.
    pub data: usize,
    /// Bytes used of the trailer buffer.
    pub trailer: usize,
}

impl Encrypted {
    /// Bytes on the wire.
    pub fn len(&self) -> usize {
        self.header + self.data + self.trailer
    }

    /// Never: every record has a header.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Whether a KeyUpdate asks the peer to update its sending keys too (RFC 8446 section 4.6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyUpdateRequest {
    /// update_not_requested
    NotRequested,
    /// update_requested
    Requested,
}

impl SendHalf {
    pub(super) fn new(keys: &HandedOverDirection, rekey_after: Option<u64>, shared: Arc<Shared>) -> Self {
        let protection = keys.keys.protection;
        let limit = protection.confidentiality_limit();
        let refresh_at = rekey_after.unwrap_or(u64::MAX).min(limit - limit / REFRESH_MARGIN_SHARE);
        let mut half = Box::new(Sending {
            sealer: Sealer::vacant(protection),
            bytes_sent: 0,
            // An early refresh costs nothing.
            refresh_at: u32::try_from(refresh_at).unwrap_or(u32::MAX),
            waiting: None,
            later: if keys.source.is_some() { Later::Source(KeySource::vacant()) } else { Later::Nothing },
            shared,
            #[cfg(test)]
            limit: limit - RESERVED_RECORDS,
        });
        half.sealer.set_keys(&keys.keys, keys.seq);
        if let (Later::Source(place), Some(source)) = (&mut half.later, &keys.source) {
            place.set(source);
        }
        Self(half)
    }

    /// EncryptMessage: seals `data` where it lies, as one record, and fills `header` and `trailer` around it. The three
    /// may lie anywhere; [`SendHalf::encrypt_contiguous`] is faster where they adjoin.
    ///
    /// `header` and `trailer` are at least as long as [`StreamSizes`](crate::attributes::StreamSizes) says; a TLS 1.3 trailer
    /// may be as short as 17 bytes, but a key refresh or the answer to the peer's KeyUpdate needs 44 and waits until then.
    ///
    /// Empty data makes a valid empty record. Receivers, this provider among them, refuse more than 32 of those in a row.
    ///
    /// # Errors
    /// Nothing has changed and no byte is written after any of them (sections 2.7, 3.3):
    /// - SEC_E_BUFFER_TOO_SMALL: `header` or `trailer` is too short.
    /// - SEC_E_ENCRYPT_FAILURE: more than 16384 bytes of data, or this key has protected as many records as it may.
    /// - SEC_E_CONTEXT_EXPIRED: closed or failed, or a handshake message waits for the next token call (compatible mode).
    pub fn encrypt(
        &mut self,
        header: &mut [u8],
        data: &mut [u8],
        trailer: &mut [u8],
    ) -> Result<Encrypted, Error> {
        let protection = self.0.sealer.protection();
        self.may_encrypt(data.len(), trailer.len().saturating_sub(protection.trailer_len()))?;
        let header = header.get_mut(..protection.header_len()).ok_or_else(too_small)?;
        let (own, room) = trailer.split_at_mut_checked(protection.trailer_len()).ok_or_else(too_small)?;
        self.0.sealer.seal_scattered(ContentType::APPLICATION_DATA, header, data, own).map_err(exhausted)?;
        Ok(self.encrypted(data.len(), room))
    }

    /// EncryptMessage where the trailer's room adjoins the data: `body` is `data_len` bytes of data and what is behind them. Faster than
    /// [`SendHalf::encrypt`], above all with ChaCha20.
    ///
    /// # Errors
    /// As [`SendHalf::encrypt`].
    pub fn encrypt_adjoining(
        &mut self,
        header: &mut [u8],
        body: &mut [u8],
        data_len: usize,
    ) -> Result<Encrypted, Error> {
        let protection = self.0.sealer.protection();
        let len = data_len.saturating_add(protection.trailer_len());
        self.may_encrypt(data_len, body.len().saturating_sub(len))?;
        let header = header.get_mut(..protection.header_len()).ok_or_else(too_small)?;
        let (body, room) = body.split_at_mut_checked(len).ok_or_else(too_small)?;
        self.0.sealer.seal_contiguous(ContentType::APPLICATION_DATA, header, body).map_err(exhausted)?;
        Ok(self.encrypted(data_len, room))
    }

    /// EncryptMessage on one buffer: header room, `data_len` bytes of data, trailer room. Gives the number of bytes to send.
    ///
    /// # Errors
    /// As [`SendHalf::encrypt`].
    pub fn encrypt_contiguous(&mut self, buffer: &mut [u8], data_len: usize) -> Result<usize, Error> {
        let len = self.0.sealer.record_len(data_len);
        self.may_encrypt(data_len, buffer.len().saturating_sub(len))?;
        let (record, room) = buffer.split_at_mut_checked(len).ok_or_else(too_small)?;
        let header_len = self.0.sealer.protection().header_len();
        let (header, body) = record.split_at_mut_checked(header_len).ok_or_else(too_small)?;
        self.0.sealer.seal_contiguous(ContentType::APPLICATION_DATA, header, body).map_err(exhausted)?;
        Ok(self.encrypted(data_len, room).len())
    }

    /// EncryptMessage with SECQOP_WRAP_OOB_DATA (section 2.7): an alert record, now. A close_notify or a fatal alert ends this half as
    /// the control tokens do.
    ///
    /// # Errors
    /// As [`SendHalf::encrypt`]; SEC_E_INSUFFICIENT_MEMORY when `output` is too small.
    pub fn encrypt_alert(&mut self, alert: Alert, output: &mut TokenBuffer<'_>) -> Result<(), Error> {
        output.clear();
        self.refuse_unless_open()?;
        self.emit(alert, output)
    }

    /// Sends a KeyUpdate and changes the sending key behind it. As long as an earlier request waits for the peer's KeyUpdate, another one
    /// goes out as update_not_requested (RFC 9846 section 4.7.3): the answer to the first serves both.
    ///
    /// # Errors
    /// SEC_E_UNSUPPORTED_FUNCTION in TLS 1.2; otherwise as [`SendHalf::encrypt`].
    pub fn key_update(
        &mut self,
        request: KeyUpdateRequest,
        output: &mut TokenBuffer<'_>,
    ) -> Result<(), Error> {
        output.clear();
        self.refuse_unless_open()?;
        self.put_key_update(request, output)
    }

    /// Whether the peer waits for an answer to a handshake message that [`ReceiveHalf::decrypt`] consumed: for a KeyUpdate of ours (quiet
    /// mode), in TLS 1.2 for our no to a renegotiation. Several requests want one answer.
    pub fn is_reply_due(&self) -> bool {
        self.shared().is_reply_due()
    }

    /// Writes the answer the peer waits for, a KeyUpdate or in TLS 1.2 a no_renegotiation (RFC 5246 section 7.2.2); nothing if it does not.
    ///
    /// A no_renegotiation for which the key has no record left is dropped, and `output` stays empty: nothing can be sent but the close.
    ///
    /// # Errors
    /// SEC_E_INSUFFICIENT_MEMORY: `output` is too small, and nothing has changed; otherwise as [`SendHalf::encrypt`].
    pub fn answer_key_update(&mut self, output: &mut TokenBuffer<'_>) -> Result<(), Error> {
        output.clear();
        if !self.is_reply_due() {
            return Ok(());
        }
        self.refuse_unless_open()?;
        if self.can_update() {
            return self.put_key_update(KeyUpdateRequest::NotRequested, output);
        }
        // Cleared first: a request that comes in between wants an answer of its own.
        self.shared().reply_done();
        let declined = self.decline_renegotiation(output);
        if declined.is_err() {
            self.shared().owe_reply();
        }
        declined
    }

    pub(super) fn is_key_update_due(&self) -> bool {
        self.can_update() && self.is_reply_due()
    }

    /// Ends this direction: gives the close_notify record, which is to be sent behind all that was encrypted before. The receiving
    /// half goes on. Encrypting afterwards does not compile:
    ///
    /// ```compile_fail,E0382
    /// # fn example(mut send: openschannel::SendHalf) -> Result<(), openschannel::status::Error> {
    /// let close_notify = send.close()?;
    /// send.encrypt(&mut [0; 5], &mut [0; 1], &mut [0; 17])?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// SEC_E_CONTEXT_EXPIRED when the connection has failed; the peer then takes no close_notify. If the failure was found on this side
    /// and the peer was not told yet, the record given is the fatal alert it is owed.
    pub fn close(mut self) -> Result<Vec<u8>, Error> {
        let mut output = TokenBuffer::allocate();
        self.shut_down(&mut output)?;
        self.shared().end_token_calls();
        if output.is_empty() {
            return Err(Error::new(ErrorStatus::ContextExpired).because("the connection has failed before"));
        }
        Ok(output.into_vec())
    }

    /// [`SendHalf::close`] for who goes on with the half, to join it with the other one for instance: ApplyControlToken(SCHANNEL_SHUTDOWN)
    /// and the token call, in one. Asked again it gives the same record (section 4.4 #16); after a failure the fatal alert the peer is
    /// owed, or nothing.
    ///
    /// # Errors
    /// SEC_E_INSUFFICIENT_MEMORY: `output` is too small, and nothing has changed. SEC_E_ENCRYPT_FAILURE: the key has protected as many
    /// records as it may.
    pub fn shut_down(&mut self, output: &mut TokenBuffer<'_>) -> Result<(), Error> {
        output.clear();
        let waiting = self.0.waiting.replace(Alert::CLOSE_NOTIFY);
        self.emit_waiting(output).inspect_err(|_| self.0.waiting = waiting)
    }

    /// A record of any type and content under the current key, whatever state this half is in and without changing it: what a peer
    /// sends that breaks the rules. For programs that test how the other side takes it, and for nothing else; nothing here keeps the
    /// connection usable behind it. A KeyUpdate made this way does not change the key.
    ///
    /// # Errors
    /// SEC_E_ENCRYPT_FAILURE: more than 16384 bytes of content, or this key has protected as many records as it may.
    #[cfg(any(test, feature = "peer-testing"))]
    pub fn forge_record(&mut self, content_type: u8, content: &[u8]) -> Result<Vec<u8>, Error> {
        if self.0.sealer.seq() >= self.limit() + RESERVED_RECORDS {
            return Err(exhausted(Exhausted));
        }
        let len = self.0.sealer.record_len(content.len().min(MAX_PLAINTEXT + 1));
        let mut record = vec![0; len];
        self.0.sealer.seal_copy(ContentType(content_type), content, &mut record).map_err(exhausted)?;
        Ok(record)
    }

    /// What was captured when the handshake finished.
    pub fn attributes(&self) -> &Attributes {
        &self.0.shared.attributes
    }

    /// Whether nothing can be encrypted any more: by the own close, or because the connection has failed. A handshake message that waits
    /// (compatible mode) is no such end.
    pub fn is_closed(&self) -> bool {
        matches!(self.shared().state(), State::LocalClosed | State::BothClosed | State::Failed)
    }

    /// Drops all but the raw keys, for a connection that will be idle: an AEAD context takes ten times as much memory. The next record
    /// makes it anew, which costs about as much as sealing a short record, and is faster than fetching it from memory once there are some
    /// ten thousand. Nothing else changes.
    ///
    /// A new half is parked until its first record. Without a call, halves stay unparked behind a record as long as the process
    /// has few of them.
    pub fn park(&mut self) {
        self.0.sealer.park();
    }

    /// Whether the next record has to make the AEAD context first.
    pub fn is_parked(&self) -> bool {
        self.0.sealer.is_parked()
    }

    /// Bytes before the data in every record: [`StreamSizes::header`](crate::attributes::StreamSizes).
    pub fn header_len(&self) -> usize {
        self.0.sealer.protection().header_len()
    }

    /// Whether this half's close_notify was produced and given to the caller.
    pub fn close_sent(&self) -> bool {
        self.shared().is_close_sent()
    }

    /// Whether `receive` is the other half of the same connection, which [`SecurityContext::join`](super::SecurityContext::join) takes.
    pub fn is_twin_of(&self, receive: &ReceiveHalf) -> bool {
        Arc::ptr_eq(&self.0.shared, receive.shared_arc())
    }

    /// Plaintext bytes encrypted so far.
    pub fn bytes_sent(&self) -> u64 {
        self.0.bytes_sent
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.0.shared
    }

    /// Whether this half's keys can change: in TLS 1.3, until it has ended.
    fn can_update(&self) -> bool {
        matches!(self.0.later, Later::Source(_))
    }

    /// So many records carry data under one key.
    #[cfg(not(test))]
    fn limit(&self) -> u64 {
        self.0.sealer.protection().confidentiality_limit() - RESERVED_RECORDS
    }

    #[cfg(test)]
    fn limit(&self) -> u64 {
        self.0.limit
    }

    pub(super) fn waiting(&self) -> Waiting {
        if self.0.waiting.is_some() { Waiting::ControlToken } else { Waiting::Nothing }
    }

    /// ApplyControlToken: one slot, the last one wins.
    pub(super) fn keep(&mut self, alert: Alert) {
        self.0.waiting = Some(alert);
    }

    /// Emits what waits. The slot is cleared only when the caller has got the bytes.
    pub(super) fn emit_waiting(&mut self, output: &mut TokenBuffer<'_>) -> Result<(), Error> {
        let Some(alert) = self.0.waiting else { return Ok(()) };
        match table::emission(self.shared().state()) {
            // S4 over S6: the own close is out already.
            Emission::Seal if self.shared().is_local_closed() => self.put_stored(alert, output)?,
            Emission::Seal => self.emit(alert, output)?,
            Emission::Stored => self.put_stored(alert, output)?,
            Emission::Owed => self.put_owed(output)?,
        }
        self.0.waiting = None;
        Ok(())
    }

    /// The alert for a failure that a token call found, and which that call reports.
    pub(super) fn seal_failure(&mut self, description: AlertDescription) -> Vec<u8> {
        let may_tell = !self.shared().is_local_closed();
        self.shared().fail();
        if !may_tell {
            return Vec::new();
        }
        self.shared().close_local();
        seal_alert(&mut self.0.sealer, Alert::fatal(description)).unwrap_or_default()
    }

    /// TLS 1.2: declines a renegotiation (RFC 5246 section 7.2.2).
    pub(super) fn decline_renegotiation(&mut self, output: &mut TokenBuffer<'_>) -> Result<(), Error> {
        // Under a key that is used up nobody is answered: what asked has been read, and is not to come again.
        if self.shared().is_local_closed() || self.0.sealer.seq() >= self.limit() {
            return Ok(());
        }
        self.emit(Alert::NO_RENEGOTIATION, output)
    }

    /// As if the suite's confidentiality limit were this low.
    #[cfg(test)]
    pub(super) fn limit_records(&mut self, confidentiality_limit: u64) {
        self.0.limit = confidentiality_limit - RESERVED_RECORDS;
        self.0.refresh_at = u32::try_from(self.0.limit).unwrap_or(u32::MAX);
    }

    /// `room` is what the caller leaves behind the record.
    fn may_encrypt(&self, data_len: usize, room: usize) -> Result<(), Error> {
        self.refuse_unless_open()?;
        if data_len > MAX_PLAINTEXT {
            return Err(
                Error::new(ErrorStatus::EncryptFailure).because("a record carries at most 16384 bytes")
            );
        }
        // With room for a KeyUpdate behind it, data may take the first of the reserved numbers: the second is the KeyUpdate's.
        let refreshed = self.can_update() && room >= KEY_UPDATE_RECORD_LEN;
        if self.0.sealer.seq() >= self.limit() + u64::from(refreshed) {
            return Err(exhausted(Exhausted));
        }
        Ok(())
    }

    fn refuse_unless_open(&self) -> Result<(), Error> {
        match table::encrypt(self.shared().state()) {
            Message::Process => Ok(()),
            Message::Refuse(status) => {
                Err(Error::new(status).because("nothing can be sent on this connection any more, or not now"))
            }
            Message::Succeed(_) => Err(Error::new(ErrorStatus::InternalError)),
        }
    }

    /// Behind a record of data: counts it, and uses the room behind it.
    #[inline]
    fn encrypted(&mut self, data_len: usize, room: &mut [u8]) -> Encrypted {
        let protection = self.0.sealer.protection();
        self.0.bytes_sent += data_len as u64;
        let due = self.0.sealer.seq() >= u64::from(self.0.refresh_at) || self.shared().is_reply_due();
        let refreshed = if due { self.refresh_behind(room) } else { 0 };
        Encrypted {
            header: protection.header_len(),
            data: data_len,
            trailer: protection.trailer_len() + refreshed,
        }
    }

    /// Puts a due KeyUpdate behind the data record if there is room; otherwise it waits.
    #[cold]
    fn refresh_behind(&mut self, room: &mut [u8]) -> usize {
        if !self.can_update() || room.len() < KEY_UPDATE_RECORD_LEN {
            return 0;
        }
        self.seal_key_update(KeyUpdateRequest::NotRequested, room).unwrap_or(0)
    }

    pub(super) fn put_key_update(
        &mut self,
        request: KeyUpdateRequest,
        output: &mut TokenBuffer<'_>,
    ) -> Result<(), Error> {
        if !self.can_update() {
            return Err(
                Error::new(ErrorStatus::UnsupportedFunction).because("TLS 1.2 cannot change its keys")
            );
        }
        output.fits(KEY_UPDATE_RECORD_LEN)?;
        let mut record = [0; KEY_UPDATE_RECORD_LEN];
        let len = self.seal_key_update(request, &mut record).map_err(exhausted)?;
        output.put(record.get(..len).unwrap_or_default())
    }

    fn seal_key_update(&mut self, request: KeyUpdateRequest, out: &mut [u8]) -> Result<usize, Exhausted> {
        if !self.can_update() {
            return Ok(0);
        }
        // Cleared first: a request that comes in between wants an answer of its own.
        let due = self.shared().is_reply_due();
        self.shared().reply_done();
        let asks = request == KeyUpdateRequest::Requested && self.shared().ask_for_update();
        let message: [u8; KEY_UPDATE_LEN] = [24, 0, 0, 1, u8::from(asks)];
        let len = match self.0.sealer.seal_copy(ContentType::HANDSHAKE, &message, out) {
            Ok(len) => len,
            Err(exhausted) => {
                if due {
                    self.shared().owe_reply();
                }
                if asks {
                    self.shared().take_asked_for_update();
                }
                return Err(exhausted);
            }
        };
        let Sending { sealer, later: Later::Source(source), .. } = &mut *self.0 else { return Ok(len) };
        let material = source.update(sealer.protection()).map_err(|_| Exhausted)?;
        sealer.set_keys(&material, 0);
        Ok(len)
    }

    fn emit(&mut self, alert: Alert, output: &mut TokenBuffer<'_>) -> Result<(), Error> {
        // Of the reserved numbers one is for the alert that ends the connection, and for no other.
        let ends = alert.is_close_notify() || alert.level == AlertLevel::FATAL;
        if !ends && self.0.sealer.seq() >= self.limit() {
            return Err(exhausted(Exhausted));
        }
        output.fits(self.0.sealer.record_len(alert.to_bytes().len()))?;
        let sealed = StoredAlert::seal(&mut self.0.sealer, alert)?;
        output.put(sealed.record())?;
        if alert.is_close_notify() {
            self.shared().note_close_sent();
            self.shared().close_local();
            self.0.later = Later::Ended(sealed);
        } else if alert.level == AlertLevel::FATAL {
            self.shared().close_local();
            self.shared().fail();
        }
        Ok(())
    }

    fn put_stored(&self, alert: Alert, output: &mut TokenBuffer<'_>) -> Result<(), Error> {
        match &self.0.later {
            Later::Ended(stored) if stored.alert == alert => output.put(stored.record()),
            _ => Ok(()),
        }
    }

    /// After a local failure the fatal alert goes out in place of what was asked for; asked again, the same record.
    fn put_owed(&mut self, output: &mut TokenBuffer<'_>) -> Result<(), Error> {
        // The other thread may have failed while this one closed.
        let has_ended = matches!(self.0.later, Later::Ended(_));
        if let Some(description) = self.shared().take_owed_alert().filter(|_| !has_ended) {
            let sealed = StoredAlert::seal(&mut self.0.sealer, Alert::fatal(description))?;
            self.shared().close_local();
            self.0.later = Later::Ended(sealed);
        }
        match &self.0.later {
            Later::Ended(stored) if stored.alert.level == AlertLevel::FATAL => output.put(stored.record()),
            _ => Ok(()),
        }
    }
}

impl core::fmt::Debug for Later {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Nothing => f.write_str("Nothing"),
            Self::Source(_) => f.write_str("Source"),
            Self::Ended(stored) => stored.alert.fmt(f),
        }
    }
}

#[cold]
fn too_small() -> Error {
    Error::new(ErrorStatus::BufferTooSmall).because("header or trailer is shorter than StreamSizes says")
}

#[cfg(test)]
#[path = "schedules_tests/fork_send.rs"]
pub(super) mod fork;

#[cold]
fn exhausted(_: Exhausted) -> Error {
    Error::new(ErrorStatus::EncryptFailure)
        .because("this key has protected as many records as it may; in TLS 1.3 give the trailer 44 bytes so that it can be refreshed")
}

//! The sending half's keys change (RFC 8446 section 4.6.3); what TLS 1.2 has for an answer to the peer's wishes.

use crate::record::{ContentType, Exhausted};
use crate::status::{Error, ErrorStatus};

use super::send::{Later, SendHalf, Sending};
use super::stored_alert::exhausted;
use super::token::TokenBuffer;

/// KeyUpdate with one byte that says whether the peer is to update as well (RFC 8446 section 4.6.3).
const KEY_UPDATE_LEN: usize = 5;

/// Bytes of a whole KeyUpdate record under every TLS 1.3 suite here.
pub(crate) const KEY_UPDATE_RECORD_LEN: usize = 27;

/// Whether a KeyUpdate asks the peer to update its sending keys too (RFC 8446 section 4.6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyUpdateRequest {
    /// update_not_requested
    NotRequested,
    /// update_requested
    Requested,
}

impl SendHalf {
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

    /// Whether the peer waits for an answer to a handshake message that [`ReceiveHalf::decrypt`](crate::ReceiveHalf::decrypt) consumed: for a
    /// KeyUpdate of ours (quiet mode), in TLS 1.2 for our no to a renegotiation. Several requests want one answer.
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

    /// Whether this half's keys can change: in TLS 1.3, until it has ended.
    pub(super) fn can_update(&self) -> bool {
        matches!(self.0.later, Later::Source(_))
    }

    /// Puts a due KeyUpdate behind the data record if there is room; otherwise it waits.
    #[cold]
    pub(super) fn refresh_behind(&mut self, room: &mut [u8]) -> usize {
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
}

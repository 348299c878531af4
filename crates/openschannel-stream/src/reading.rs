//! Records in, plaintext out: the part of reading that a whole [`Driver`](crate::Driver) and its receiving half have in common.

use openschannel::alert::Alert;
use openschannel::status::{Error, ErrorStatus, SuccessStatus};
use openschannel::{Decrypted, ReadEnd, TransportEnd};

use crate::buffers::{INPUT_LARGE, Input};
use crate::driver::Plaintext;

/// Received bytes, and how far reading is.
///
/// ```text
///             +-- failure: asked again, the same error
///   reading --+-- end: the peer's close_notify, or the transport's end behind the last whole record
/// ```
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) input: Input,
    /// Received bytes without which the next call would answer SEC_E_INCOMPLETE_MESSAGE.
    pub(crate) need: usize,
    transport: Option<TransportEnd>,
    /// How reading ended, unless by a failure.
    pub(crate) end: Option<ReadEnd>,
    /// What ended the connection; answered again to whoever asks again.
    pub(crate) failure: Option<Error>,
}

/// What [`Reading::fill`] came to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Filled {
    Data,
    NeedsReceive,
    End(ReadEnd),
}

/// Who decrypts.
pub(crate) trait Decrypt {
    /// DecryptMessage.
    fn decrypt(&mut self, buffer: &mut [u8]) -> Result<Decrypted, Error>;

    /// The token call that SEC_I_RENEGOTIATE asks for; gives the bytes it consumed.
    fn renegotiate(&mut self, input: &[u8]) -> Result<usize, Error>;

    /// A failure was found that the peer is to be told of.
    fn owe(&mut self, alert: Alert);

    /// How the receiving half stands.
    fn read_end(&self) -> ReadEnd;

    /// The verdict on a transport that ended with `unprocessed` bytes left.
    fn transport_ended(&mut self, end: TransportEnd, unprocessed: usize) -> ReadEnd;
}

impl Reading {
    pub(crate) fn new() -> Self {
        Self { input: Input::default(), need: 1, transport: None, end: None, failure: None }
    }

    pub(crate) fn space(&mut self) -> &mut [u8] {
        self.input.space(self.need)
    }

    /// Only the first end counts.
    pub(crate) fn transport_ended(&mut self, end: TransportEnd) {
        self.transport.get_or_insert(end);
    }

    /// Decrypts until there is plaintext, or nothing more can be done.
    pub(crate) fn fill(&mut self, from: &mut impl Decrypt) -> Result<Filled, Error> {
        while self.input.plaintext().is_empty() {
            if let Some(failure) = &self.failure {
                return Err(failure.clone());
            }
            if let Some(end) = self.end {
                self.input.release();
                return Ok(Filled::End(end));
            }
            if self.input.len() >= self.need {
                self.read_record(from);
            } else if !self.starve(|end, unprocessed| from.transport_ended(end, unprocessed)) {
                self.input.release_if_quiet();
                return Ok(Filled::NeedsReceive);
            }
        }
        Ok(Filled::Data)
    }

    /// What `filled` means to who asked for data.
    pub(crate) fn plaintext(&self, filled: Filled) -> Plaintext<'_> {
        match filled {
            Filled::Data => Plaintext::Data(self.input.plaintext()),
            Filled::NeedsReceive => Plaintext::NeedsReceive,
            Filled::End(end) => Plaintext::End(end),
        }
    }

    /// Nothing received can be processed: if nothing more can come, that is the end, with the verdict. Says whether it is.
    pub(crate) fn starve(&mut self, verdict: impl FnOnce(TransportEnd, usize) -> ReadEnd) -> bool {
        let Some(transport) = self.transport else { return false };
        self.end = Some(verdict(transport, self.input.len()));
        true
    }

    /// SEC_E_INCOMPLETE_MESSAGE with `have` bytes.
    pub(crate) fn lacks(&mut self, have: usize, error: &Error) {
        let missing = error.missing().unwrap_or(1).max(1);
        // No record is longer than the buffer; a larger wish could never be met.
        self.need = have.saturating_add(missing).min(INPUT_LARGE);
    }

    fn read_record(&mut self, from: &mut impl Decrypt) {
        let before = self.input.len();
        match from.decrypt(self.input.unread_mut()) {
            Ok(message) if message.status == SuccessStatus::Renegotiate => {
                match from.renegotiate(self.input.unread()) {
                    Ok(consumed) => self.input.consume(consumed),
                    Err(error) => self.failure = Some(error),
                }
                self.need = 1;
            }
            Ok(message) => {
                self.need = 1;
                self.input.consume_record(before - message.extra.len(), message.data);
                if message.status == SuccessStatus::ContextExpired {
                    self.end = Some(from.read_end());
                    // Nothing counts behind a close_notify (RFC 8446 section 6.1).
                    self.input.consume(self.input.len());
                }
            }
            Err(error) if error.status() == ErrorStatus::IncompleteMessage => self.lacks(before, &error),
            Err(error) => {
                if let Some(alert) = error.alert() {
                    from.owe(alert);
                }
                self.failure = Some(error);
            }
        }
    }
}

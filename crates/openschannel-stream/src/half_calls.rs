//! The calls on a half of a connection, with the observer told.

use openschannel::alert::Alert;
use openschannel::status::Error;
use openschannel::{Decrypted, KeyUpdateRequest, ReadEnd, ReceiveHalf, SendHalf, TransportEnd};

use crate::buffers::Output;
use crate::calls::{ALERT, KEY_UPDATE, KEY_UPDATE_REPLY, SHUTDOWN, no_context};
use crate::reading::Decrypt;
use crate::watch::Watch;

/// The sending half, watched.
pub(crate) struct SendCalls {
    pub(crate) half: SendHalf,
    pub(crate) watch: Watch,
}

impl SendCalls {
    pub(crate) fn encrypt(&mut self, data: &[u8], output: &mut Output) -> Result<(), Error> {
        self.watch.encrypt(&mut self.half, data, output)
    }

    /// The close_notify; after a failure the alert that is owed.
    pub(crate) fn shut_down(&mut self, output: &mut Output) -> Result<(), Error> {
        let alert = if self.half.is_closed() { None } else { Some(Alert::CLOSE_NOTIFY) };
        self.watch.token_of(SHUTDOWN, alert, output, |token| self.half.shut_down(token))
    }

    pub(crate) fn alert(&mut self, alert: Alert, output: &mut Output) -> Result<(), Error> {
        self.watch.token_of(ALERT, Some(alert), output, |token| self.half.encrypt_alert(alert, token))
    }

    pub(crate) fn key_update(&mut self, request: KeyUpdateRequest, output: &mut Output) -> Result<(), Error> {
        self.watch.token_of(KEY_UPDATE, None, output, |token| self.half.key_update(request, token))
    }

    pub(crate) fn answer_key_update(&mut self, output: &mut Output) -> Result<(), Error> {
        self.watch.token_of(KEY_UPDATE_REPLY, None, output, |token| self.half.answer_key_update(token))
    }
}

/// The receiving half, watched.
pub(crate) struct ReceiveCalls {
    pub(crate) half: ReceiveHalf,
    pub(crate) watch: Watch,
}

impl Decrypt for ReceiveCalls {
    fn decrypt(&mut self, buffer: &mut [u8]) -> Result<Decrypted, Error> {
        self.watch.decrypt(buffer, |buffer| self.half.decrypt(buffer))
    }

    /// Halves are in quiet mode, which never asks for it.
    fn renegotiate(&mut self, _input: &[u8]) -> Result<usize, Error> {
        Err(no_context())
    }

    /// The provider's halves tell each other: the sending one finds the alert when it is next used.
    fn owe(&mut self, _alert: Alert) {}

    fn read_end(&self) -> ReadEnd {
        self.half.read_end()
    }

    fn transport_ended(&mut self, end: TransportEnd, unprocessed: usize) -> ReadEnd {
        self.half.transport_ended(end, unprocessed)
    }
}

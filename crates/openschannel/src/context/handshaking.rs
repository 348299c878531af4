//! S1, S2 and the ends a connection can come to before its handshake is finished.

use crate::alert::{Alert, AlertLevel};
use crate::credentials::OutboundCredentials;
use crate::handshake::{Handshake, Step};
use crate::record::Sealer;
use crate::status::Error;

use super::closure::ReadEnd;
use super::send::StoredAlert;
use super::table::{self, Emission, State, Waiting};
use super::token::TokenBuffer;

/// An unfinished handshake and how either side has given it up.
#[derive(Debug)]
pub(super) struct Handshaking {
    pub(super) handshake: Handshake,
    pub(super) waiting: Option<Alert>,
    sent: Sent,
    pub(super) close_sent: bool,
    /// close_notify was received; `read_end` may have been decided before.
    peer_closed: bool,
    pub(super) read_end: ReadEnd,
}

/// The alert this side has sent.
#[derive(Debug)]
enum Sent {
    Nothing,
    /// S6p.
    Plain,
    /// S6k: under a key of which the engine must not seal another record, since it would take the same nonce.
    Sealed {
        sealer: Box<Sealer>,
        stored: StoredAlert,
    },
}

impl Handshaking {
    pub(super) fn new(handshake: Handshake) -> Self {
        Self {
            handshake,
            waiting: None,
            sent: Sent::Nothing,
            close_sent: false,
            peer_closed: false,
            read_end: ReadEnd::Open,
        }
    }

    pub(super) fn state(&self) -> State {
        match (&self.sent, self.peer_closed) {
            (Sent::Nothing, true) => State::PeerClosedInHandshake,
            (_, true) => State::BothClosedInHandshake,
            (Sent::Sealed { .. }, _) => State::AlertedSealed,
            _ if self.handshake.needs_credentials() => State::NeedsCredentials,
            (Sent::Plain, _) => State::AlertedInPlaintext,
            (Sent::Nothing, _) => State::Handshaking,
        }
    }

    pub(super) fn waiting(&self) -> Waiting {
        if self.waiting.is_some() { Waiting::ControlToken } else { Waiting::Nothing }
    }

    pub(super) fn step(
        &mut self,
        token: &[u8],
        credentials: Option<&OutboundCredentials>,
        output: &mut Vec<u8>,
    ) -> Result<Step, Error> {
        let step = self.handshake.step(token, credentials, output);
        let end = match &step {
            Ok(Step::PeerClosed { .. }) => ReadEnd::Clean,
            Err(error) => match error.received_alert() {
                Some(alert) => ReadEnd::Alert(alert.description),
                None => ReadEnd::Failed(error.status()),
            },
            _ => ReadEnd::Open,
        };
        if self.read_end == ReadEnd::Open {
            self.read_end = end;
        }
        self.peer_closed |= end == ReadEnd::Clean;
        step
    }

    /// Emits the waiting alert; `unsent` is handshake output that goes before it. Cleared only when the caller has got the bytes.
    pub(super) fn emit_waiting(&mut self, unsent: &[u8], output: &mut TokenBuffer<'_>) -> Result<(), Error> {
        let Some(alert) = self.waiting else { return Ok(()) };
        if self.state() == State::BothClosedInHandshake || table::emission(self.state()) == Emission::Stored {
            self.emit_again(alert, unsent, output)?;
        } else {
            self.emit(alert, unsent, output)?;
        }
        self.waiting = None;
        Ok(())
    }

    fn emit(&mut self, alert: Alert, unsent: &[u8], output: &mut TokenBuffer<'_>) -> Result<(), Error> {
        match self.handshake.write_keys()? {
            None => {
                put_both(unsent, &self.handshake.plaintext_alert(alert), output)?;
                self.sent = Sent::Plain;
            }
            Some(mut sealer) => {
                let stored = StoredAlert::seal(&mut sealer, alert)?;
                put_both(unsent, stored.record(), output)?;
                self.sent = Sent::Sealed { sealer, stored };
            }
        }
        self.close_sent |= alert.is_close_notify();
        Ok(())
    }

    fn emit_again(&mut self, alert: Alert, unsent: &[u8], output: &mut TokenBuffer<'_>) -> Result<(), Error> {
        let Sent::Sealed { sealer, stored } = &mut self.sent else { return self.emit(alert, unsent, output) };
        if stored.alert == alert {
            return output.put(stored.record());
        }
        // RFC 8446 section 6.1: user_canceled is followed by a close_notify. It takes the next sequence number.
        let completes_cancel = alert.is_close_notify()
            && !stored.alert.is_close_notify()
            && stored.alert.level != AlertLevel::FATAL;
        if completes_cancel {
            output.fits(sealer.record_len(alert.to_bytes().len()))?;
            *stored = StoredAlert::seal(sealer, alert)?;
            output.put(stored.record())?;
            self.close_sent = true;
        }
        Ok(())
    }
}

fn put_both(first: &[u8], second: &[u8], output: &mut TokenBuffer<'_>) -> Result<(), Error> {
    output.fits(first.len() + second.len())?;
    output.put(first)?;
    output.put(second)
}

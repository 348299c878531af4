//! Telling an [`Observer`] what the calls did.

use std::sync::{Arc, Mutex, PoisonError};

use openschannel::alert::Alert;
use openschannel::status::{Error, ErrorStatus, SecurityStatus, SuccessStatus};
use openschannel::{Decrypted, Role, SendHalf, TokenBuffer};

use crate::buffers::Output;
use crate::observer::{Event, Observer, RecordSeen, first_record, records};

/// Who watches a connection, if anybody does. Without one, nothing is computed for it.
pub(crate) struct Watch {
    side: Role,
    observer: Option<Box<dyn Observer + Send>>,
}

/// What a call did.
#[derive(Default)]
pub(crate) struct Moved<'a> {
    pub(crate) bytes_in: usize,
    pub(crate) bytes_out: usize,
    pub(crate) data: usize,
    pub(crate) records_in: &'a [RecordSeen],
    pub(crate) records_out: &'a [RecordSeen],
    pub(crate) alert: Option<(Alert, Sent)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sent {
    Yes,
    No,
}

impl Watch {
    pub(crate) fn nobody(side: Role) -> Self {
        Self { side, observer: None }
    }

    pub(crate) fn set(&mut self, observer: Box<dyn Observer + Send>) {
        self.observer = Some(observer);
    }

    pub(crate) fn side(&self) -> Role {
        self.side
    }

    pub(crate) fn is_anybody(&self) -> bool {
        self.observer.is_some()
    }

    /// One for each direction. They share a lock if, and only if, there is an observer: it is told of one call at a time.
    pub(crate) fn split(self) -> (Self, Self) {
        let Self { side, observer } = self;
        let Some(observer) = observer else { return (Self::nobody(side), Self::nobody(side)) };
        let shared = Arc::new(Mutex::new(observer));
        let half = |shared| Self { side, observer: Some(Box::new(Shared(shared))) };
        (half(Arc::clone(&shared)), half(shared))
    }

    /// DecryptMessage, by `decrypt`, on the record at the front of `buffer`.
    pub(crate) fn decrypt(
        &mut self,
        buffer: &mut [u8],
        decrypt: impl FnOnce(&mut [u8]) -> Result<Decrypted, Error>,
    ) -> Result<Decrypted, Error> {
        if !self.is_anybody() {
            return decrypt(buffer);
        }
        let record = first_record(buffer);
        let whole = buffer.len();
        let decrypted = decrypt(buffer);
        let (bytes_in, data, alert) = match &decrypted {
            Ok(message) => {
                let closed = message.status == SuccessStatus::ContextExpired;
                (whole - message.extra.len(), message.data.len(), closed.then_some(Alert::CLOSE_NOTIFY))
            }
            Err(error) if error.status() == ErrorStatus::IncompleteMessage => (0, 0, None),
            Err(error) => (record.map_or(0, |record| record.len), 0, error.received_alert()),
        };
        let records_in = record.as_slice().get(..usize::from(bytes_in > 0)).unwrap_or_default();
        let alert = alert.map(|alert| (alert, Sent::No));
        let status = decrypted.as_ref().map(|message| message.status);
        self.tell("DecryptMessage", status, Moved { bytes_in, data, records_in, alert, ..Moved::default() });
        decrypted
    }

    /// EncryptMessage of `data`, at most one record, into `output`.
    pub(crate) fn encrypt(
        &mut self,
        send: &mut SendHalf,
        data: &[u8],
        output: &mut Output,
    ) -> Result<(), Error> {
        let sizes = send.attributes().stream_sizes();
        let trailer = trailer_room(sizes.trailer);
        let sealed =
            output.seal(sizes.header, data, trailer, |buffer| send.encrypt_contiguous(buffer, data.len()));
        if self.is_anybody() {
            let bytes = *sealed.as_ref().unwrap_or(&[].as_slice());
            let (seen, bytes_out) = (records(bytes), bytes.len());
            let data = if sealed.is_ok() { data.len() } else { 0 };
            let status = sealed.as_ref().map(|_| SuccessStatus::Ok);
            self.tell(
                "EncryptMessage",
                status,
                Moved { data, bytes_out, records_out: &seen, ..Moved::default() },
            );
        }
        sealed.map(|_| ())
    }

    /// A call of the sending half's that makes a token: `make` it, tell of it, and put it into `output`.
    pub(crate) fn token_of(
        &mut self,
        call: &'static str,
        alert: Option<Alert>,
        output: &mut Output,
        make: impl FnOnce(&mut TokenBuffer<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut token = TokenBuffer::allocate();
        let made = make(&mut token);
        if self.is_anybody() {
            let seen = records(token.as_bytes());
            let moved = Moved {
                bytes_out: token.len(),
                records_out: &seen,
                alert: alert.filter(|_| !token.is_empty()).map(|alert| (alert, Sent::Yes)),
                ..Moved::default()
            };
            self.tell(call, made.as_ref().map(|()| SuccessStatus::Ok), moved);
        }
        made?;
        output.put(token.into_vec());
        Ok(())
    }

    pub(crate) fn tell(
        &mut self,
        call: &'static str,
        status: Result<SuccessStatus, &Error>,
        moved: Moved<'_>,
    ) {
        let Some(observer) = &mut self.observer else { return };
        let (status, reason) = match status {
            Ok(status) => (SecurityStatus::Success(status), ""),
            Err(error) => (SecurityStatus::Error(error.status()), error.reason()),
        };
        observer.event(&Event {
            side: self.side,
            call,
            status,
            bytes_in: moved.bytes_in,
            bytes_out: moved.bytes_out,
            data: moved.data,
            records_in: moved.records_in,
            records_out: moved.records_out,
            alert: moved.alert.map(|(alert, _)| alert),
            alert_sent: moved.alert.is_some_and(|(_, sent)| sent == Sent::Yes),
            reason,
        });
    }
}

/// The name of the token call of `side`.
pub(crate) fn token_call_of(side: Role) -> &'static str {
    match side {
        Role::Client => "InitializeSecurityContext",
        Role::Server => "AcceptSecurityContext",
    }
}

/// Room behind the data: in compatible mode, whose sizes do not ask for it, too as much as a key refresh wants (44 bytes), or a long
/// transfer would come to the limit of its key.
pub(crate) fn trailer_room(trailer: usize) -> usize {
    trailer.max(44)
}

/// An observer that two halves tell.
struct Shared(Arc<Mutex<Box<dyn Observer + Send>>>);

impl Observer for Shared {
    fn event(&mut self, event: &Event<'_>) {
        // One that has panicked on the other thread is told all the same: what it makes of it is its own affair.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).event(event);
    }
}

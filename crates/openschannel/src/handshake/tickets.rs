//! Session resumption after the hand-over: a client's TLS 1.3 tickets, and forgetting a session.

use rustls::client::ClientConnectionData;
use rustls::kernel::KernelConnection;

use crate::alert::LocalFailure;
use crate::credentials::slot::{TicketSlot, with_slot};
use crate::credentials::{InboundCredentials, OutboundCredentials};
use crate::status::Error;

/// What a client keeps of the engine: enough to turn a NewSessionTicket into a session.
///
/// Larger than all the rest of an idle connection, so it is kept only as long as tickets may be expected. A server sends them in one go
/// when it has read the client's Finished (RFC 8446 section 4.6.1), before or between its first data.
pub(crate) struct Tickets(Box<Kept>);

struct Kept {
    kernel: KernelConnection<ClientConnectionData>,
    slot: TicketSlot,
    taken: bool,
    /// Records of data so far.
    data_records: u8,
}

/// With so many records of data and no ticket among them none is expected any more.
const RECORDS_WITHOUT_TICKET: u8 = 32;

impl Tickets {
    pub(super) fn new(kernel: KernelConnection<ClientConnectionData>, slot: TicketSlot) -> Self {
        Self(Box::new(Kept { kernel, slot, taken: false, data_records: 0 }))
    }

    /// Stores the session of a NewSessionTicket; `body` is the message without its header (RFC 8446 section 4.6.1).
    pub(crate) fn store(&mut self, body: &[u8]) -> Result<(), Error> {
        let Kept { kernel, slot, taken, .. } = &mut *self.0;
        *taken = true;
        let mut slot = slot.slot();
        // A lifetime of zero asks for the ticket to be dropped at once. The engine takes it for one without an end, as in TLS 1.2.
        slot.sessions_disabled |= body.starts_with(&[0; 4]);
        with_slot(&mut slot, || kernel.handle_new_session_ticket(body))
            .map_err(|_| Error::from(LocalFailure::DecodeError))
    }

    /// A record of data has come. Says whether tickets are still to be expected.
    pub(crate) fn may_follow_data(&mut self) -> bool {
        self.0.data_records = self.0.data_records.saturating_add(1);
        !self.0.taken && self.0.data_records < RECORDS_WITHOUT_TICKET
    }
}

impl core::fmt::Debug for Tickets {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Tickets").finish_non_exhaustive()
    }
}

/// Where the sessions of a connection are remembered, so that they can be forgotten.
#[derive(Clone, Debug)]
pub(crate) enum Resumption {
    Client { credentials: OutboundCredentials, target: Option<Box<str>> },
    Server { credentials: InboundCredentials },
}

impl Resumption {
    pub(super) fn client(credentials: &OutboundCredentials, target: Option<&str>) -> Self {
        Self::Client { credentials: credentials.clone(), target: target.map(Into::into) }
    }

    pub(super) fn server(credentials: &InboundCredentials) -> Self {
        Self::Server { credentials: credentials.clone() }
    }

    /// The handshake failed, or the caller wants no session of it: a client drops what it has. A server does so only when the
    /// handshake is finished: whoever replays a ticket that was seen on the wire must not be able to end somebody else's session.
    pub(super) fn forget_before_finished(&self) {
        if let Self::Client { .. } = self {
            self.forget(&[]);
        }
    }

    /// Drops what is stored of this connection's session: after a fatal alert (RFC 5246 section 7.2), or because the caller asks
    /// (SCHANNEL_SESSION, section 6.3). `session_ids` are those a server has given out.
    pub(crate) fn forget(&self, session_ids: &[Vec<u8>]) {
        match self {
            Self::Client { credentials, target: Some(target) } => credentials.forget_session(target),
            Self::Client { target: None, .. } => {}
            Self::Server { credentials } => credentials.forget_sessions(session_ids),
        }
    }
}

impl PartialEq for Resumption {
    /// Of the same credential, not merely of one like it.
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Client { credentials, target },
                Self::Client { credentials: others, target: other_target },
            ) => credentials.is_same(others) && target == other_target,
            (Self::Server { credentials }, Self::Server { credentials: others }) => {
                credentials.is_same(others)
            }
            _ => false,
        }
    }
}

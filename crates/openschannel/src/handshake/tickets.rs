//! Session resumption after the hand-over: a client's TLS 1.3 tickets, and forgetting a session.

use rustls::client::ClientConnectionData;
use rustls::kernel::KernelConnection;

use crate::alert::LocalFailure;
use crate::credentials::slot::{ConnectionSlot, TicketSlot, with_slot};
use crate::credentials::{InboundCredentials, OutboundCredentials};
use crate::status::Error;

/// What a client keeps of the engine: enough to turn a NewSessionTicket into a session.
pub(crate) struct Tickets(Box<Kept>);

struct Kept {
    kernel: KernelConnection<ClientConnectionData>,
    slot: TicketSlot,
}

impl Tickets {
    pub(super) fn new(kernel: KernelConnection<ClientConnectionData>, slot: TicketSlot) -> Self {
        Self(Box::new(Kept { kernel, slot }))
    }

    /// Stores the session of a NewSessionTicket; `body` is the message without its header (RFC 8446 section 4.6.1).
    pub(crate) fn store(&mut self, body: &[u8]) -> Result<(), Error> {
        let Kept { kernel, slot } = &mut *self.0;
        let mut slot = Box::new(slot.slot());
        // A lifetime of zero asks for the ticket to be dropped at once. The engine takes it for one without an end, as in TLS 1.2.
        slot.sessions_disabled |= body.starts_with(&[0; 4]);
        with_slot(&mut slot, || kernel.handle_new_session_ticket(body))
            .map_err(|_| Error::from(LocalFailure::DecodeError))
    }
}

impl core::fmt::Debug for Tickets {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Tickets").finish_non_exhaustive()
    }
}

/// Where the session of a connection is remembered, so that it can be forgotten.
#[derive(Clone, Debug)]
pub(crate) enum Resumption {
    Client { credentials: OutboundCredentials, target: Option<Box<str>> },
    Server { credentials: InboundCredentials, session_ids: Box<[Vec<u8>]> },
}

impl Resumption {
    pub(super) fn client(credentials: &OutboundCredentials, target: Option<&str>) -> Self {
        Self::Client { credentials: credentials.clone(), target: target.map(Into::into) }
    }

    pub(super) fn server(credentials: &InboundCredentials) -> Self {
        Self::Server { credentials: credentials.clone(), session_ids: Box::default() }
    }

    /// Takes over the session identifiers a server has given out in the handshake.
    pub(super) fn with_session_ids(self, slot: &mut ConnectionSlot) -> Self {
        match self {
            Self::Server { credentials, .. } => Self::Server {
                credentials,
                session_ids: core::mem::take(&mut slot.server_session_ids).into(),
            },
            client => client,
        }
    }

    /// The handshake failed, or the caller wants no session of it: a client drops what it has. A server does so only when the
    /// handshake is finished: whoever replays a ticket that was seen on the wire must not be able to end somebody else's session.
    pub(super) fn forget_before_finished(&self) {
        if let Self::Client { .. } = self {
            self.forget();
        }
    }

    /// Drops what is stored of this connection's session: after a fatal alert (RFC 5246 section 7.2), or because the caller asks
    /// (SCHANNEL_SESSION, section 6.3).
    pub(crate) fn forget(&self) {
        match self {
            Self::Client { credentials, target: Some(target) } => credentials.forget_session(target),
            Self::Client { target: None, .. } => {}
            Self::Server { credentials, session_ids } => credentials.forget_sessions(session_ids),
        }
    }
}

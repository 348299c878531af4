//! One context's data while its handshake runs.
//!
//! rustls resumes a session only when verifier and resolver are the very objects it was made with, so every
//! credential has one of each for all its contexts. What differs between contexts reaches these callbacks, and what
//! they find out leaves them, through a thread-local [`ConnectionSlot`].

use std::cell::RefCell;
use std::fmt;
use std::mem;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::sign::CertifiedKey;
use zeroize::Zeroizing;

use super::{ClientAuth, Rejection};
use crate::status::Error;

/// What the engine's callbacks read and write while one context's handshake runs on this thread.
///
/// Everything that can call back has to run inside [`with_slot`]: creating the connection (the session store and
/// [`ClientAuth`] are asked there already), every step of the handshake, and taking in a session ticket afterwards
/// (with [`TicketSlot::slot`]). A callback without a slot stores, resumes and presents nothing.
#[derive(Default)]
pub(crate) struct ConnectionSlot {
    // Read by the callbacks.
    /// What a server that asks is given; `None` is an empty Certificate message.
    pub(crate) client_key: Option<Arc<CertifiedKey>>,
    /// `ISC_REQ_MANUAL_CRED_VALIDATION` on this context.
    pub(crate) manual_validation: bool,
    /// `ISC_REQ_DEFERRED_CRED_VALIDATION` on this context.
    pub(crate) deferred_validation: bool,
    /// The caller named no target: no name to check, and no session to find or keep (section 6.3). The server name
    /// given to rustls is then a mere placeholder.
    pub(crate) no_target: bool,
    /// `SCHANNEL_SESSION` token with `SSL_SESSION_DISABLE_RECONNECTS`: nothing stored, nothing offered, no tickets.
    pub(crate) sessions_disabled: bool,
    /// `ASC_REQ_MUTUAL_AUTH` and the like; `None` leaves it to the credential.
    pub(crate) client_auth: Option<ClientAuth>,

    // Written by the callbacks.
    pub(crate) secrets: Secrets,
    /// DER as presented, leaf first; kept even when refused, empty when the session was resumed.
    pub(crate) peer_chain: Vec<Vec<u8>>,
    /// Why the verifier refused. The engine's error and its alert are then to be replaced by this.
    pub(crate) rejection: Option<Rejection>,
    /// The verifier's answer; `None` when it was not asked (manual validation, resumed session, no certificate). For a resumed session see
    /// [`SessionState::validated`].
    pub(crate) validation: Option<Result<(), Rejection>>,
    /// The DER names of the CertificateRequest.
    pub(crate) issuers: Vec<Vec<u8>>,
    /// What the peer can verify: from its ClientHello or CertificateRequest.
    pub(crate) peer_signature_schemes: Vec<u16>,
    /// SNI as the server's resolver saw it.
    pub(crate) server_name: Option<String>,
    /// What was really used.
    pub(crate) local_key: Option<Arc<CertifiedKey>>,
    /// The server had no certificate to give: `SEC_E_NO_CREDENTIALS`, alert 40.
    pub(crate) no_certificate: bool,
    /// The server's only key can sign with nothing the client verifies.
    pub(crate) unfit_key: bool,
    /// Why the private key did not sign; the engine only says that it did not.
    pub(crate) key_error: Option<Error>,
    /// What [`InboundCredentials::forget_sessions`](super::InboundCredentials) takes to make the sessions of this
    /// context useless: keys of the session store and marks of tickets.
    pub(crate) server_session_ids: Vec<Vec<u8>>,
    pub(crate) session: SessionState,
}

impl ConnectionSlot {
    /// What taking in session tickets after the handshake needs of this slot; `None` when none is to be kept.
    pub(crate) fn for_tickets(&self) -> Option<TicketSlot> {
        self.keeps_sessions().then(|| TicketSlot {
            manual_validation: self.manual_validation,
            local_key: self.local_key.clone(),
            since: self.session.since,
            until: self.session.until,
            local_leaf: self.session.local_leaf.as_deref().map(Into::into),
        })
    }

    /// Whether a session of this context may be kept, and an older one offered.
    pub(super) fn keeps_sessions(&self) -> bool {
        let refused = matches!(self.validation, Some(Err(_)));
        !self.sessions_disabled && !self.no_target && !refused
    }
}

/// The little of a [`ConnectionSlot`] that decides how session tickets are kept: an idle connection holds it as long as it
/// lives, so it is small.
pub(crate) struct TicketSlot {
    manual_validation: bool,
    local_key: Option<Arc<CertifiedKey>>,
    since: Option<SystemTime>,
    until: Option<SystemTime>,
    local_leaf: Option<Box<[u8]>>,
}

impl TicketSlot {
    /// The slot to take a ticket in with.
    pub(crate) fn slot(&self) -> ConnectionSlot {
        ConnectionSlot {
            manual_validation: self.manual_validation,
            local_key: self.local_key.clone(),
            session: SessionState {
                since: self.since,
                until: self.until,
                local_leaf: self.local_leaf.as_deref().map(Into::into),
                ..SessionState::default()
            },
            ..ConnectionSlot::default()
        }
    }
}

impl fmt::Debug for ConnectionSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionSlot")
            .field("server_name", &self.server_name)
            .field("peer_certificates", &self.peer_chain.len())
            .field("validation", &self.validation)
            .field("secrets", &self.secrets)
            .finish_non_exhaustive()
    }
}

/// What a resumed handshake inherits from the one that authenticated the peers.
#[derive(Clone, Debug, Default)]
pub(crate) struct SessionState {
    /// When that was. A chain of resumptions does not outlive one lifespan.
    pub(super) since: Option<SystemTime>,
    /// When the peer's certificate ends, if it was validated. No resumption outlives that either.
    pub(super) until: Option<SystemTime>,
    /// Resumed: whether the peer was validated then, for a context that leaves that to nobody else.
    pub(crate) validated: bool,
    /// Client: the leaf that was presented then.
    pub(super) local_leaf: Option<Vec<u8>>,
    /// Server: the mark that all tickets of the session carry.
    pub(super) mark: Option<[u8; TICKET_MARK_LEN]>,
    /// Server: what was found out about the client then.
    pub(super) client: ClientIdentity,
}

/// Long enough that no two sessions share one by chance, and unlike any session ID (32 bytes).
pub(crate) const TICKET_MARK_LEN: usize = 16;

/// What a server knows of its client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum ClientIdentity {
    /// No certificate was asked for.
    #[default]
    NotAsked,
    /// Asked for, and the client sent an empty list.
    Withheld,
    /// Presented, owned by the client, and not validated.
    Unchecked,
    /// Presented and validated.
    Validated,
}

/// From rustls' key log: the raw material of the exporter, and of records the engine cannot make.
#[derive(Default)]
pub(crate) struct Secrets {
    pub(crate) client_random: [u8; 32],
    /// TLS 1.2.
    pub(crate) master: Option<Zeroizing<Vec<u8>>>,
    pub(crate) client_handshake: Option<Zeroizing<Vec<u8>>>,
    pub(crate) server_handshake: Option<Zeroizing<Vec<u8>>>,
    pub(crate) client_traffic: Option<Zeroizing<Vec<u8>>>,
    pub(crate) server_traffic: Option<Zeroizing<Vec<u8>>>,
    pub(crate) exporter: Option<Zeroizing<Vec<u8>>>,
}

impl Secrets {
    /// Keeps a secret under its label in the key log format.
    pub(super) fn keep(&mut self, label: &str, client_random: &[u8], secret: &[u8]) {
        let place = match label {
            "CLIENT_RANDOM" => &mut self.master,
            "CLIENT_HANDSHAKE_TRAFFIC_SECRET" => &mut self.client_handshake,
            "SERVER_HANDSHAKE_TRAFFIC_SECRET" => &mut self.server_handshake,
            "CLIENT_TRAFFIC_SECRET_0" => &mut self.client_traffic,
            "SERVER_TRAFFIC_SECRET_0" => &mut self.server_traffic,
            "EXPORTER_SECRET" => &mut self.exporter,
            _ => return,
        };
        *place = Some(Zeroizing::new(secret.to_vec()));
        if let Ok(random) = client_random.try_into() {
            self.client_random = random;
        }
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets")
            .field("tls12", &self.master.is_some())
            .field("handshake", &self.client_handshake.is_some())
            .field("traffic", &self.client_traffic.is_some())
            .finish_non_exhaustive()
    }
}

thread_local! {
    static CURRENT: RefCell<Option<ConnectionSlot>> = const { RefCell::new(None) };
}

/// Runs `work` with `slot` in the thread-local; moved back afterwards, on unwind too.
///
/// May be nested: a verifier that opens a TLS connection of its own does so.
pub(crate) fn with_slot<R>(slot: &mut ConnectionSlot, work: impl FnOnce() -> R) -> R {
    struct Installed<'a> {
        slot: &'a mut ConnectionSlot,
        outer: Option<ConnectionSlot>,
    }
    impl Drop for Installed<'_> {
        fn drop(&mut self) {
            let outer = self.outer.take();
            if let Some(used) = CURRENT.with(|current| current.replace(outer)) {
                *self.slot = used;
            }
        }
    }
    let outer = CURRENT.with(|current| current.replace(Some(mem::take(slot))));
    let _installed = Installed { slot, outer };
    work()
}

/// Gives `access` the slot of the running handshake; `None` when none runs on this thread.
///
/// `access` must not call out to code of the user's: the slot is borrowed meanwhile.
pub(super) fn current<R>(access: impl FnOnce(&mut ConnectionSlot) -> R) -> Option<R> {
    CURRENT.try_with(|current| current.try_borrow_mut().ok()?.as_mut().map(access)).ok().flatten()
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    #[test]
    fn the_slot_is_there_inside_and_nowhere_else() {
        let mut slot = ConnectionSlot { no_certificate: true, ..ConnectionSlot::default() };
        assert!(current(|_| ()).is_none());
        let seen = with_slot(&mut slot, || {
            current(|slot| slot.server_name = Some("a.example".into()));
            current(|slot| slot.no_certificate)
        });
        assert_eq!(seen, Some(true));
        assert_eq!(slot.server_name.as_deref(), Some("a.example"));
        assert!(current(|_| ()).is_none());
    }

    #[test]
    fn nested_slots_do_not_mix() {
        let (mut outer, mut inner) = (ConnectionSlot::default(), ConnectionSlot::default());
        with_slot(&mut outer, || {
            with_slot(&mut inner, || current(|slot| slot.issuers.push(vec![1])));
            current(|slot| assert!(slot.issuers.is_empty()));
            current(|slot| slot.issuers.push(vec![2]));
        });
        assert_eq!((outer.issuers, inner.issuers), (vec![vec![2]], vec![vec![1]]));
    }

    #[test]
    fn a_panic_gives_the_slot_back() {
        let mut slot = ConnectionSlot::default();
        let work = || {
            current(|slot| slot.peer_chain.push(vec![7]));
            panic!("a callback failed");
        };
        assert!(catch_unwind(AssertUnwindSafe(|| with_slot(&mut slot, work))).is_err());
        assert_eq!(slot.peer_chain, [[7]]);
        assert!(current(|_| ()).is_none());
    }

    #[test]
    fn secrets_are_kept_by_label_and_never_shown() {
        let mut secrets = Secrets::default();
        secrets.keep("CLIENT_RANDOM", &[1; 32], &[0xAB; 48]);
        secrets.keep("EXPORTER_SECRET", &[1; 32], &[0xCD; 32]);
        secrets.keep("CLIENT_EARLY_TRAFFIC_SECRET", &[1; 32], &[0xEF; 32]);
        assert_eq!(secrets.client_random, [1; 32]);
        assert_eq!(secrets.master.as_deref(), Some(&vec![0xAB; 48]));
        assert_eq!(secrets.exporter.as_deref(), Some(&vec![0xCD; 32]));
        let shown = format!("{secrets:?}");
        assert!(!shown.contains("171") && !shown.to_lowercase().contains("ab,"), "{shown}");
    }
}

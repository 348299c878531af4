//! The provider's credentials behind one handle: one for every set of TLS_PARAMETERS that apply together.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use openschannel::credentials::{
    ClientSessionStore, InboundCredentials, MemoryClientSessions, MemoryServerSessions, OutboundCredentials,
    ServerSessionStore, SystemClock, Trust,
};
use openschannel::status::{Error, ErrorStatus};

use super::offer::Offer;
use super::request::{Lifespan, Request};
use super::{Extras, flags, key_log};

/// The default of `dwSessionLifespan` (section 6.1).
const DEFAULT_LIFESPAN: std::time::Duration = std::time::Duration::from_secs(10 * 60 * 60);

/// Contexts' ALPN lists decide how many sets there are: a handful, unless somebody makes lists up. Then the oldest is built anew.
const MAX_BUILT: usize = 32;

/// Credentials for either side.
#[derive(Clone, Debug)]
pub(super) enum Built {
    Outbound(OutboundCredentials),
    Inbound(InboundCredentials),
}

#[derive(Debug)]
pub(super) struct Variants {
    request: Request,
    extras: Extras,
    sessions: Sessions,
    state: Mutex<State>,
}

/// Shared by all variants: a session belongs to the handle, not to what one context asked for.
#[derive(Debug)]
enum Sessions {
    None,
    Client(Arc<dyn ClientSessionStore>),
    Server(Arc<dyn ServerSessionStore>),
}

#[derive(Debug, Default)]
struct State {
    built: Vec<(Set, Result<Built, Error>)>,
    ticket_keys: Option<Vec<openschannel::credentials::TicketKey>>,
}

/// Which TLS_PARAMETERS apply, one bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Set(u16);

impl Variants {
    /// # Errors
    /// What the builder refuses, SEC_E_ALGORITHM_MISMATCH aside: that is kept for the contexts.
    pub(super) fn new(mut request: Request, extras: &Extras) -> Result<Self, Error> {
        // Read once for all variants.
        request.trust = match std::mem::take(&mut request.trust) {
            Trust::Roots(roots) => {
                Trust::Custom(Arc::new(openschannel::credentials::TrustedRoots::new(roots)?))
            }
            trust => trust,
        };
        let sessions = match request.session_lifespan() {
            None => Sessions::None,
            Some(lifespan) if request.inbound => {
                let lifespan = match lifespan {
                    Lifespan::Default => DEFAULT_LIFESPAN,
                    Lifespan::Of(time) => time,
                };
                let size = MemoryServerSessions::DEFAULT_SESSIONS;
                Sessions::Server(Arc::new(MemoryServerSessions::new(size, lifespan, Arc::new(SystemClock))))
            }
            Some(_) => Sessions::Client(Arc::new(MemoryClientSessions::default())),
        };
        let mut extras = extras.clone();
        extras.key_log = extras.key_log.or_else(key_log::from_environment);
        let variants = Self { request, extras, sessions, state: Mutex::default() };
        match variants.choose(None) {
            Err(error) if error.status() != ErrorStatus::AlgorithmMismatch => Err(error),
            _ => Ok(variants),
        }
    }

    pub(super) fn is_inbound(&self) -> bool {
        self.request.inbound
    }

    /// The variant for a context with these ALPN identifiers.
    pub(super) fn choose(&self, alpn: Option<&[Vec<u8>]>) -> Result<Built, Error> {
        let set = self.set(alpn.unwrap_or_default());
        let mut state = self.lock();
        if let Some((_, built)) = state.built.iter().find(|(known, _)| *known == set) {
            return built.clone();
        }
        let built = self.build(set).and_then(|built| {
            if let (Built::Inbound(credentials), Some(keys)) = (&built, &state.ticket_keys) {
                credentials.set_ticket_keys(keys)?;
            }
            Ok(built)
        });
        if state.built.len() >= MAX_BUILT {
            // The first one, without ALPN, answers queries.
            drop(state.built.remove(1));
        }
        state.built.push((set, built.clone()));
        built
    }

    /// Gives the servers' variants the keys their tickets are to be sealed with, also those yet to be made.
    pub(super) fn set_ticket_keys(
        &self,
        keys: Vec<openschannel::credentials::TicketKey>,
    ) -> Result<(), Error> {
        let mut state = self.lock();
        for (_, built) in &state.built {
            if let Ok(Built::Inbound(credentials)) = built {
                credentials.set_ticket_keys(&keys)?;
            }
        }
        state.ticket_keys = Some(keys);
        Ok(())
    }

    fn set(&self, alpn: &[Vec<u8>]) -> Set {
        let applying = self.request.parameters.iter().enumerate().filter(|(_, one)| one.apply_to(alpn));
        Set(applying.fold(0, |set, (index, _)| set | 1 << index))
    }

    /// What may be negotiated with these parameters.
    fn offer(&self, set: Set) -> Offer {
        let request = &self.request;
        let mut offer = Offer::new(request.protocols, &self.extras);
        request.allowed.restrict(&mut offer);
        for (index, parameters) in request.parameters.iter().enumerate() {
            if set.0 & 1 << index != 0 {
                parameters.restrict(&mut offer, request.inbound);
            }
        }
        offer.without_useless_versions(&request.identities);
        offer
    }

    fn build(&self, set: Set) -> Result<Built, Error> {
        let request = &self.request;
        let offer = self.offer(set);
        // An empty set would stand for the default.
        super::protocols::some(offer.protocols)?;
        /// The settings both builders have.
        macro_rules! common {
            ($builder:expr) => {{
                let mut builder = $builder
                    .protocols(offer.protocols)
                    .cipher_suites(&offer.suites)
                    .groups(&offer.groups)
                    .trust(request.trust.clone())
                    .validation(flags::validation(request.flags, request.inbound))
                    .verify_flags(flags::revocation(request.flags))
                    .remember_chains(!self.extras.forget_chains)
                    .post_handshake(self.extras.post_handshake.unwrap_or(request.post_handshake));
                if let Some(schemes) = offer.restricted_schemes() {
                    builder = builder.signature_schemes(schemes);
                }
                if let Some(log) = &self.extras.key_log {
                    builder = builder.key_log(Arc::clone(log));
                }
                match request.session_lifespan() {
                    None => builder.resumption(false),
                    Some(Lifespan::Default) => builder,
                    Some(Lifespan::Of(time)) => builder.session_lifespan(time),
                }
            }};
        }
        if request.inbound {
            let mut builder = common!(InboundCredentials::builder());
            if let Sessions::Server(store) = &self.sessions {
                builder = builder.session_store(Arc::clone(store));
            }
            let identities = request.identities.iter().cloned();
            let builder = identities.fold(builder, openschannel::credentials::InboundBuilder::identity);
            builder.acquire().map(Built::Inbound)
        } else {
            let mut builder =
                common!(OutboundCredentials::builder()).server_name_check(flags::checks_name(request.flags));
            if let Sessions::Client(store) = &self.sessions {
                builder = builder.session_store(Arc::clone(store));
            }
            if let Some(identity) = request.identities.first() {
                builder = builder.identity(identity.clone());
            }
            builder.acquire().map(Built::Outbound)
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // What a panic left behind is a list with one entry more or less.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

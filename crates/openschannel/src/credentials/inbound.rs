//! Credentials of servers.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::Ticketer;

use super::clock::{Clock, EngineClock};
use super::engine_verify::EngineClientVerifier;
use super::keylog::{EngineKeyLog, KeyLog};
use super::outbound::engine_refuses;
use super::policy::Policy;
use super::select::IdentityResolver;
use super::server_sessions::{
    EngineServerSessions, EngineTickets, MemoryServerSessions, RevokedMarks, ServerSessionStore, SessionRules,
};
use super::settings::{Settings, common_settings};
use super::ticket_keys::{SharedTicketer, TicketKey};
use super::verify::{Trust, Validation, VerifyFlags};
use super::{CipherSuite, ClientAuth, Identity, NamedGroup, PostHandshake, Protocols, SignatureScheme};
use crate::status::{Error, ErrorStatus};

/// A server's credentials: `AcquireCredentialsHandle` with `SECPKG_CRED_INBOUND` (section 2.2).
#[derive(Clone)]
pub struct InboundCredentials {
    inner: Arc<Inbound>,
}

struct Inbound {
    config: Arc<ServerConfig>,
    sessions: Arc<EngineServerSessions>,
    tickets: Option<Arc<EngineTickets>>,
    identities: Vec<Identity>,
    client_auth: ClientAuth,
    policy: Policy,
    settings: Settings,
}

impl InboundCredentials {
    /// Whether both are the same credential, not merely one like it.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    /// Starts with the defaults: TLS 1.2 and 1.3, no certificate yet, clients are not asked for theirs, resumption by
    /// session ID and ticket.
    pub fn builder() -> InboundBuilder {
        InboundBuilder::default()
    }

    /// When the first of the certificates ends to be valid (`ptsExpiry`); `None` without one.
    pub fn expiry(&self) -> Option<SystemTime> {
        self.inner.identities.iter().filter_map(Identity::expiry).min()
    }

    /// The protocol versions that can be negotiated: `SECPKG_ATTR_SUPPORTED_PROTOCOLS`.
    pub fn protocols(&self) -> Protocols {
        self.inner.policy.protocols
    }

    /// The cipher suites that can be negotiated, the preferred one first.
    pub fn cipher_suites(&self) -> &[CipherSuite] {
        &self.inner.policy.cipher_suites
    }

    /// The groups that can be negotiated, the preferred one first.
    pub fn groups(&self) -> &[NamedGroup] {
        &self.inner.policy.groups
    }

    /// Whether chains that were found valid are remembered for some minutes.
    pub fn remembers_chains(&self) -> bool {
        self.inner.settings.chain_memory.is_some()
    }

    /// The server's certificates, in the order in which they are tried.
    pub fn identities(&self) -> &[Identity] {
        &self.inner.identities
    }

    /// Makes and reads session tickets with these keys from now on: the first one makes them, all read them. Servers that share keys
    /// resume each other's sessions, provided that they trust the same clients; to exchange a key, let all of them read the new one
    /// before the first of them makes tickets with it.
    ///
    /// Where tickets are switched off nothing happens.
    ///
    /// # Errors
    /// `SEC_E_INVALID_PARAMETER`: there are none.
    pub fn set_ticket_keys(&self, keys: &[TicketKey]) -> Result<(), Error> {
        if keys.is_empty() {
            return Err(Error::new(ErrorStatus::InvalidParameter).because("there is no ticket key"));
        }
        if let Some(tickets) = &self.inner.tickets {
            let provider = Arc::clone(&self.inner.policy.provider);
            tickets.replace(Arc::new(SharedTicketer { keys: keys.into(), provider }));
        }
        Ok(())
    }

    /// The configuration of a connection; a copy of the credential's own where ALPN is the context's.
    pub(crate) fn server_config(&self, alpn: Option<&[Vec<u8>]>) -> Arc<ServerConfig> {
        match alpn {
            Some(alpn) if alpn != self.alpn() => {
                let mut config = ServerConfig::clone(&self.inner.config);
                config.alpn_protocols = alpn.to_vec();
                Arc::new(config)
            }
            _ => Arc::clone(&self.inner.config),
        }
    }

    pub(crate) fn alpn(&self) -> &[Vec<u8>] {
        &self.inner.settings.alpn
    }

    pub(crate) fn post_handshake(&self) -> PostHandshake {
        self.inner.settings.post_handshake
    }

    pub(crate) fn rekey_after(&self) -> Option<u64> {
        self.inner.settings.rekey_after
    }

    /// After a fatal alert, or `SSL_SESSION_DISABLE_RECONNECTS`: takes the `server_session_ids` of a context's slot.
    ///
    /// Only of a context whose handshake was completed: before that its peer has not shown that the session it
    /// offered is its own.
    pub(crate) fn forget_sessions(&self, keys: &[Vec<u8>]) {
        self.inner.sessions.forget(keys);
    }
}

impl fmt::Debug for InboundCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InboundCredentials")
            .field("policy", &self.inner.policy)
            .field("identities", &self.inner.identities)
            .field("client_auth", &self.inner.client_auth)
            .field("validation", &self.inner.settings.validation)
            .finish_non_exhaustive()
    }
}

/// As many certificates as Windows takes (section 1.2, caps).
const MAX_IDENTITIES: usize = 100;

/// What is asked of [`InboundCredentials`].
#[derive(Clone, Debug)]
pub struct InboundBuilder {
    settings: Settings,
    identities: Vec<Identity>,
    client_auth: ClientAuth,
    sessions: Option<Arc<dyn ServerSessionStore>>,
    tickets: bool,
}

impl Default for InboundBuilder {
    fn default() -> Self {
        Self {
            settings: Settings::default(),
            identities: Vec::new(),
            client_auth: ClientAuth::None,
            sessions: None,
            tickets: true,
        }
    }
}

common_settings!(InboundBuilder);

impl InboundBuilder {
    /// Adds a certificate. Of several the first one counts whose key fits what the client can verify and whose names
    /// match the server name it asked for, else the first one that fits (section 6.1).
    ///
    /// Without any the credentials can be acquired and not used: `AcceptSecurityContext` answers
    /// `SEC_E_NO_CREDENTIALS` (section 2.5).
    #[must_use]
    pub fn identity(mut self, identity: Identity) -> Self {
        self.identities.push(identity);
        self
    }

    /// Whether clients are asked for certificates; a context may decide otherwise. Default: [`ClientAuth::None`].
    #[must_use]
    pub fn client_auth(mut self, client_auth: ClientAuth) -> Self {
        self.client_auth = client_auth;
        self
    }

    /// Where sessions are kept. Default: [`MemoryServerSessions`] of this credential's own.
    #[must_use]
    pub fn session_store(mut self, store: Arc<dyn ServerSessionStore>) -> Self {
        self.sessions = Some(store);
        self
    }

    /// Whether sessions are also given to the client to keep, in tickets that only this credential can read
    /// (RFC 5077, RFC 8446 section 4.6.1). Default: yes; TLS 1.3 then does not use the session store.
    #[must_use]
    pub fn tickets(mut self, tickets: bool) -> Self {
        self.tickets = tickets;
        self
    }

    /// Makes the credentials.
    ///
    /// # Errors
    /// `SEC_E_ALGORITHM_MISMATCH`: nothing of what was asked for can be negotiated, or TLS and DTLS were mixed.
    /// `SEC_E_INVALID_PARAMETER`: ALPN identifiers or limits that make no sense, more than 100 certificates.
    /// `SEC_E_UNKNOWN_CREDENTIALS`: a root that is no certificate. `SEC_E_INTERNAL_ERROR`: no random numbers.
    pub fn acquire(self) -> Result<InboundCredentials, Error> {
        let settings = self.settings;
        settings.check()?;
        if self.identities.len() > MAX_IDENTITIES {
            return Err(
                Error::new(ErrorStatus::InvalidParameter).because("there are more than 100 certificates")
            );
        }
        let policy = Policy::settle(&settings.policy)?;
        let verifier = EngineClientVerifier::new(settings.peer_policy(&policy, false)?, self.client_auth);
        let rules = Arc::new(SessionRules {
            enabled: settings.resumption && !settings.lifespan.is_zero(),
            lifespan: settings.lifespan,
            client_auth: self.client_auth,
            validation: settings.validation,
            clock: Arc::clone(&settings.clock),
            provider: Arc::clone(&policy.provider),
            revoked: Mutex::new(RevokedMarks::default()),
        });
        let sessions = Arc::new(EngineServerSessions {
            store: self.sessions.unwrap_or_else(|| {
                let clock = Arc::clone(&settings.clock);
                let size = MemoryServerSessions::DEFAULT_SESSIONS;
                Arc::new(MemoryServerSessions::new(size, settings.lifespan, clock))
            }),
            rules: Arc::clone(&rules),
        });
        let time = Arc::new(EngineClock(Arc::clone(&settings.clock)));
        let mut config = ServerConfig::builder_with_details(Arc::clone(&policy.provider), time)
            .with_protocol_versions(&policy.versions())
            .map_err(|error| engine_refuses(&error))?
            .with_client_cert_verifier(Arc::new(verifier))
            .with_cert_resolver(Arc::new(IdentityResolver::new(
                &self.identities,
                policy.signatures.as_ref(),
            )));
        config.alpn_protocols.clone_from(&settings.alpn);
        config.session_storage = Arc::<EngineServerSessions>::clone(&sessions);
        let mut tickets = None;
        if self.tickets && rules.enabled {
            let inner = Ticketer::new().map_err(|error| engine_refuses(&error))?;
            let engine = Arc::new(EngineTickets::new(inner, rules));
            config.ticketer = Arc::<EngineTickets>::clone(&engine);
            tickets = Some(engine);
        }
        config.key_log = Arc::new(EngineKeyLog(settings.key_log.clone()));
        config.enable_secret_extraction = true;
        // Windows takes its own order too (section 6.7).
        config.ignore_client_order = true;
        let inner = Inbound {
            config: Arc::new(config),
            sessions,
            tickets,
            identities: self.identities,
            client_auth: self.client_auth,
            policy,
            settings,
        };
        Ok(InboundCredentials { inner: Arc::new(inner) })
    }
}

//! Credentials of clients.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::ClientConfig;
use rustls::client::{ResolvesClientCert, Resumption};
use rustls::sign::CertifiedKey;

use super::clock::{Clock, EngineClock};
use super::engine_verify::EngineServerVerifier;
use super::keylog::{EngineKeyLog, KeyLog};
use super::policy::Policy;
use super::sessions::{ClientSessionStore, EngineClientSessions, MemoryClientSessions};
use super::settings::{Settings, common_settings};
use super::signing::restricted;
use super::slot;
use super::verify::{Trust, Validation, VerifyFlags};
use super::{CipherSuite, Identity, NamedGroup, PostHandshake, Protocols, SignatureScheme};
use crate::status::{Error, ErrorStatus, Fault};

/// A client's credentials: `AcquireCredentialsHandle` with `SECPKG_CRED_OUTBOUND` (section 2.2).
#[derive(Clone)]
pub struct OutboundCredentials {
    inner: Arc<Outbound>,
}

struct Outbound {
    config: Arc<ClientConfig>,
    sessions: Arc<EngineClientSessions>,
    identity: Option<Identity>,
    key: Option<Arc<CertifiedKey>>,
    policy: Policy,
    settings: Settings,
}

impl OutboundCredentials {
    /// Whether both are the same credential, not merely one like it.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    /// Starts with the defaults: TLS 1.2 and 1.3, the system's roots, no client certificate, resumption.
    pub fn builder() -> OutboundBuilder {
        OutboundBuilder::default()
    }

    /// When the client certificate ends to be valid (`ptsExpiry`); `None` without one.
    pub fn expiry(&self) -> Option<SystemTime> {
        self.inner.identity.as_ref().and_then(Identity::expiry)
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

    /// The client certificate.
    pub fn identity(&self) -> Option<&Identity> {
        self.inner.identity.as_ref()
    }

    pub(crate) fn client_config(&self) -> &Arc<ClientConfig> {
        &self.inner.config
    }

    pub(crate) fn certified_key(&self) -> Option<Arc<CertifiedKey>> {
        self.inner.key.clone()
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

    /// After a fatal alert, or `SSL_SESSION_DISABLE_RECONNECTS`: the next connection to the target starts anew.
    pub(crate) fn forget_session(&self, target: &str) {
        self.inner.sessions.forget(target);
    }
}

impl fmt::Debug for OutboundCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutboundCredentials")
            .field("policy", &self.inner.policy)
            .field("identity", &self.inner.identity)
            .field("validation", &self.inner.settings.validation)
            .finish_non_exhaustive()
    }
}

/// What is asked of [`OutboundCredentials`].
#[derive(Clone, Debug)]
pub struct OutboundBuilder {
    settings: Settings,
    server_name_check: bool,
    identity: Option<Identity>,
    sessions: Option<Arc<dyn ClientSessionStore>>,
}

impl Default for OutboundBuilder {
    fn default() -> Self {
        Self { settings: Settings::default(), server_name_check: true, identity: None, sessions: None }
    }
}

common_settings!(OutboundBuilder);

impl OutboundBuilder {
    /// Whether the server's certificate must be for the name connected to. Default: yes;
    /// `SCH_CRED_NO_SERVERNAME_CHECK` says no (section 6.2).
    #[must_use]
    pub fn server_name_check(mut self, check: bool) -> Self {
        self.server_name_check = check;
        self
    }

    /// The client certificate, sent to every server that asks for one (section 6.5). Default: none.
    #[must_use]
    pub fn identity(mut self, identity: Identity) -> Self {
        self.identity = Some(identity);
        self
    }

    /// Where sessions are kept. Default: [`MemoryClientSessions`] of this credential's own.
    #[must_use]
    pub fn session_store(mut self, store: Arc<dyn ClientSessionStore>) -> Self {
        self.sessions = Some(store);
        self
    }

    /// Makes the credentials.
    ///
    /// # Errors
    /// `SEC_E_ALGORITHM_MISMATCH`: nothing of what was asked for can be negotiated, or TLS and DTLS were mixed.
    /// `SEC_E_INVALID_PARAMETER`: ALPN identifiers or limits that make no sense. `SEC_E_UNKNOWN_CREDENTIALS`: a root
    /// that is no certificate.
    pub fn acquire(self) -> Result<OutboundCredentials, Error> {
        let settings = self.settings;
        settings.check()?;
        let policy = Policy::settle(&settings.policy)?;
        let verifier = EngineServerVerifier(settings.peer_policy(&policy, self.server_name_check)?);
        let sessions = Arc::new(EngineClientSessions {
            store: self.sessions.unwrap_or_else(|| Arc::new(MemoryClientSessions::default())),
            enabled: settings.resumption && !settings.lifespan.is_zero(),
            lifespan: settings.lifespan,
            validation: settings.validation,
            clock: Arc::clone(&settings.clock),
        });
        let time = Arc::new(EngineClock(Arc::clone(&settings.clock)));
        let mut config = ClientConfig::builder_with_details(Arc::clone(&policy.provider), time)
            .with_protocol_versions(&policy.versions())
            .map_err(|error| engine_refuses(&error))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_client_cert_resolver(Arc::new(SlotResolver));
        config.alpn_protocols.clone_from(&settings.alpn);
        config.resumption = Resumption::store(Arc::<EngineClientSessions>::clone(&sessions));
        config.key_log = Arc::new(EngineKeyLog(settings.key_log.clone()));
        config.enable_secret_extraction = true;
        let key = self
            .identity
            .as_ref()
            .map(|identity| restricted(identity.certified(), policy.signatures.as_ref()));
        let inner =
            Outbound { config: Arc::new(config), sessions, identity: self.identity, key, policy, settings };
        Ok(OutboundCredentials { inner: Arc::new(inner) })
    }
}

/// A policy that was settled is one the engine takes; should it not, that is a fault of this crate.
pub(super) fn engine_refuses(error: &rustls::Error) -> Error {
    Error::new(ErrorStatus::InternalError).because(error.to_string()).by(Fault::Local)
}

/// Presents the certificate of the context, not of the credential: it may come from another one (section 6.5, retry
/// with new credentials).
#[derive(Debug)]
struct SlotResolver;

impl ResolvesClientCert for SlotResolver {
    fn resolve(
        &self,
        root_hint_subjects: &[&[u8]],
        sigschemes: &[rustls::SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        let key = slot::current(|slot| {
            slot.issuers = root_hint_subjects.iter().map(|name| name.to_vec()).collect();
            slot.peer_signature_schemes = sigschemes.iter().map(|&scheme| scheme.into()).collect();
            slot.client_key.clone()
        })
        .flatten()?;
        // The engine would send an empty list then too; asked first so that the slot says what was really sent.
        key.key.choose_scheme(sigschemes)?;
        slot::current(|slot| slot.local_key = Some(Arc::clone(&key)));
        Some(key)
    }

    fn has_certs(&self) -> bool {
        true
    }
}

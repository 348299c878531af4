//! Settings become credentials.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use openschannel::alert::AlertDescription;
use openschannel::credentials::{
    CipherSuite, ClientAuth, ClientSession, ClientSessionStore, Clock, Identity, InboundCredentials,
    KeyAlgorithm, MemoryClientSessions, NamedGroup, OutboundCredentials, PeerChain, PeerVerifier, PrivateKey,
    Protocols, Rejection, SignatureScheme, Trust,
};
use openschannel::status::{Error, ErrorStatus};

use crate::flags::{Certificate, Settings};

/// Credentials, and the settings they were made from.
pub(crate) struct Credentials {
    settings: Settings,
    pub(crate) side: Side,
    /// The first certificate of each identity, in the order of the flags.
    pub(crate) leaves: Vec<Vec<u8>>,
}

/// Client or server.
pub(crate) enum Side {
    Client(OutboundCredentials),
    Server(InboundCredentials),
}

/// What outlives a credential.
#[derive(Default)]
pub(crate) struct Shared {
    pub(crate) clock: Arc<ShiftedClock>,
    pub(crate) sessions: Arc<CountingSessions>,
    /// The alert by which the next peer is refused, if it is.
    pub(crate) verdict: Arc<Mutex<Option<AlertDescription>>>,
    /// The stapled OCSP response that came last.
    pub(crate) ocsp: Arc<Mutex<Vec<u8>>>,
}

impl Credentials {
    pub(crate) fn acquire(settings: &Settings, shared: &Shared) -> Result<Self, String> {
        let identities = settings
            .certificates
            .iter()
            .filter(|certificate| !certificate.chain_file.is_empty())
            .map(load)
            .collect::<Result<Vec<_>, String>>()?;
        let leaves =
            identities.iter().map(|identity| identity.chain().next().unwrap_or_default().to_vec()).collect();
        let verifier = Verifier {
            verdict: Arc::clone(&shared.verdict),
            root_hints: settings.root_hints.clone(),
            ocsp: Arc::clone(&shared.ocsp),
        };
        let side = if settings.server {
            acquire_inbound(settings, shared, identities, verifier).map(Side::Server)
        } else {
            acquire_outbound(settings, shared, identities, verifier).map(Side::Client)
        };
        let side = side.map_err(|error| format!("no credentials: {error}"))?;
        Ok(Self { settings: settings.clone(), side, leaves })
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }
}

/// What both builders are told; they have no common type.
macro_rules! common {
    ($builder:expr, $settings:expr, $shared:expr, $verifier:expr) => {{
        let mut builder = $builder
            .protocols(protocols($settings))
            .trust(Trust::Custom(Arc::new($verifier)))
            .alpn($settings.alpn.clone())
            .clock(Arc::<ShiftedClock>::clone(&$shared.clock));
        if !$settings.groups.is_empty() {
            builder = builder.group_ids($settings.groups.iter().copied());
        }
        if !$settings.tls13_suites.is_empty() {
            let older = CipherSuite::ALL.iter().filter(|suite| suite.protocol() == Protocols::TLS1_2);
            let suites = $settings.tls13_suites.iter().copied().chain(older.map(|suite| suite.id()));
            builder = builder.cipher_suite_ids(suites);
        }
        if !$settings.verify_schemes.is_empty() {
            builder = builder.signature_schemes(&schemes(&$settings.verify_schemes));
        }
        builder
    }};
}

fn acquire_inbound(
    settings: &Settings,
    shared: &Shared,
    identities: Vec<Identity>,
    verifier: Verifier,
) -> Result<InboundCredentials, Error> {
    let client_auth = match (settings.require_certificate, settings.request_certificate) {
        (true, _) => ClientAuth::Require,
        (false, true) => ClientAuth::Request,
        (false, false) => ClientAuth::None,
    };
    let mut builder = common!(InboundCredentials::builder(), settings, shared, verifier)
        .client_auth(client_auth)
        .tickets(!settings.no_tickets);
    for identity in identities {
        builder = builder.identity(identity);
    }
    builder.acquire()
}

fn acquire_outbound(
    settings: &Settings,
    shared: &Shared,
    mut identities: Vec<Identity>,
    verifier: Verifier,
) -> Result<OutboundCredentials, Error> {
    let mut builder = common!(OutboundCredentials::builder(), settings, shared, verifier)
        .server_name_check(false)
        .resumption(!settings.no_tickets)
        .session_store(Arc::<CountingSessions>::clone(&shared.sessions));
    if let Some(identity) = identities.pop() {
        builder = builder.identity(identity);
    }
    builder.acquire()
}

fn protocols(settings: &Settings) -> Protocols {
    let mut protocols = Protocols::empty();
    for (number, version) in [
        (0x0301, Protocols::TLS1_0),
        (0x0302, Protocols::TLS1_1),
        (0x0303, Protocols::TLS1_2),
        (0x0304, Protocols::TLS1_3),
    ] {
        let above = number >= settings.min_version;
        let below = settings.max_version == 0 || number <= settings.max_version;
        if above && below && !settings.excluded_versions.contains(&number) {
            protocols |= version;
        }
    }
    protocols
}

fn schemes(numbers: &[u16]) -> Vec<SignatureScheme> {
    numbers.iter().copied().map(SignatureScheme).collect()
}

fn load(certificate: &Certificate) -> Result<Identity, String> {
    let read = |file: &str| std::fs::read(file).map_err(|error| format!("{file}: {error}"));
    let refused = |error: Error| format!("no credentials: {error}");
    let identity = Identity::from_pem(&read(&certificate.chain_file)?, &read(&certificate.key_file)?)
        .map_err(refused)?;
    if certificate.signing_schemes.is_empty() {
        return Ok(identity);
    }
    let key = Choosy { key: Arc::clone(identity.key()), schemes: schemes(&certificate.signing_schemes) };
    Identity::new(identity.chain().map(<[u8]>::to_vec).collect(), Arc::new(key)).map_err(refused)
}

/// A key that signs with the schemes of `-signing-prefs` only, the first one preferred.
#[derive(Debug)]
struct Choosy {
    key: Arc<dyn PrivateKey>,
    schemes: Vec<SignatureScheme>,
}

impl PrivateKey for Choosy {
    fn algorithm(&self) -> KeyAlgorithm {
        self.key.algorithm()
    }

    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<SignatureScheme> {
        let mut wanted = self.schemes.iter().filter(|scheme| offered.contains(scheme));
        wanted.find_map(|&scheme| self.key.choose_scheme(&[scheme]))
    }

    fn sign(&self, scheme: SignatureScheme, message: &[u8]) -> Result<Vec<u8>, Error> {
        self.key.sign(scheme, message)
    }

    fn public_key_der(&self) -> Option<Vec<u8>> {
        self.key.public_key_der()
    }
}

/// Accepts every chain, or none.
#[derive(Debug)]
struct Verifier {
    verdict: Arc<Mutex<Option<AlertDescription>>>,
    root_hints: Vec<Vec<u8>>,
    ocsp: Arc<Mutex<Vec<u8>>>,
}

impl PeerVerifier for Verifier {
    fn verify(&self, peer: &PeerChain<'_>) -> Result<(), Rejection> {
        *lock(&self.ocsp) = peer.ocsp.to_vec();
        match *lock(&self.verdict) {
            Some(alert) => {
                let rejection = Rejection::new(ErrorStatus::CertUnknown).with_alert(alert);
                Err(rejection.because("the shim was told to refuse every peer"))
            }
            None => Ok(()),
        }
    }

    fn root_hints(&self) -> Vec<Vec<u8>> {
        self.root_hints.clone()
    }
}

/// The system's time, moved on by `-resumption-delay`.
#[derive(Debug, Default)]
pub(crate) struct ShiftedClock(AtomicU64);

impl ShiftedClock {
    pub(crate) fn advance(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::Relaxed);
    }
}

impl Clock for ShiftedClock {
    fn now(&self) -> SystemTime {
        SystemTime::now() + Duration::from_secs(self.0.load(Ordering::Relaxed))
    }
}

/// The provider's own store, and how many sessions came.
#[derive(Debug, Default)]
pub(crate) struct CountingSessions {
    store: MemoryClientSessions,
    came: AtomicUsize,
}

impl CountingSessions {
    pub(crate) fn came(&self) -> usize {
        self.came.load(Ordering::Relaxed)
    }
}

impl ClientSessionStore for CountingSessions {
    fn put(&self, target: &str, session: ClientSession) {
        self.came.fetch_add(1, Ordering::Relaxed);
        self.store.put(target, session);
    }

    fn get_tls12(&self, target: &str) -> Option<ClientSession> {
        self.store.get_tls12(target)
    }

    fn take_tls13(&self, target: &str) -> Option<ClientSession> {
        self.store.take_tls13(target)
    }

    fn remove_tls12(&self, target: &str) {
        self.store.remove_tls12(target);
    }

    fn remove(&self, target: &str) {
        self.store.remove(target);
    }

    fn set_group_hint(&self, target: &str, group: NamedGroup) {
        self.store.set_group_hint(target, group);
    }

    fn group_hint(&self, target: &str) -> Option<NamedGroup> {
        self.store.group_hint(target)
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

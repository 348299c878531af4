//! Server sessions: a cache of session IDs, and tickets the client keeps for us.
//!
//! Both hold the same bytes: what rustls wants to know again, in an envelope that says when and how the client was
//! authenticated. A context resumes only what answers its own demands: rustls would let a session that was made
//! without asking for a certificate pass where one is required.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::crypto::CryptoProvider;
use rustls::server::{ProducesTickets, StoresServerSessions};
use zeroize::Zeroizing;

use super::clock::{Clock, unix_seconds};
use super::sessions::MAX_TICKET_LIFE;
use super::slot::{self, ClientIdentity, ConnectionSlot, TICKET_MARK_LEN};
use super::{ClientAuth, Validation};

/// Keeps a server's sessions: opaque bytes under opaque keys. The values are secret.
///
/// The servers of a farm may share one, provided that they trust the same clients: who finds a session does not
/// validate the client again. What a store hands out is checked for age and for what was asked of the client.
pub trait ServerSessionStore: Send + Sync + fmt::Debug {
    /// Keeps a value; whether it did.
    fn put(&self, key: &[u8], value: &[u8]) -> bool;

    /// The value; stays in the store.
    fn get(&self, key: &[u8]) -> Option<Vec<u8>>;

    /// The value; leaves the store.
    fn take(&self, key: &[u8]) -> Option<Vec<u8>>;

    /// Whether [`put`](Self::put) can succeed at all. `false` turns TLS 1.2 session IDs off.
    fn can_cache(&self) -> bool {
        true
    }
}

/// The default store: in this process' memory, bounded, oldest entries dropped first.
pub struct MemoryServerSessions {
    entries: Mutex<Entries>,
    capacity: usize,
    lifespan: Duration,
    clock: Arc<dyn Clock>,
}

#[derive(Default)]
struct Entries {
    values: HashMap<Vec<u8>, Entry>,
    // By age: all entries live equally long.
    order: BTreeMap<u64, Vec<u8>>,
    next: u64,
}

struct Entry {
    number: u64,
    expires: SystemTime,
    value: Zeroizing<Vec<u8>>,
}

impl MemoryServerSessions {
    /// How many sessions are remembered unless said otherwise. Without client certificates one takes some 200 bytes,
    /// with them the size of the chain more.
    pub const DEFAULT_SESSIONS: usize = 4096;

    /// A value larger than this is not kept: a client must not fill the memory by the size of its chain.
    pub const MAX_VALUE: usize = 16 * 1024;

    /// Remembers at most so many sessions, each for so long.
    pub fn new(sessions: usize, lifespan: Duration, clock: Arc<dyn Clock>) -> Self {
        Self { entries: Mutex::default(), capacity: sessions, lifespan, clock }
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    fn remove(&mut self, key: &[u8]) -> Option<Entry> {
        let entry = self.values.remove(key)?;
        self.order.remove(&entry.number);
        Some(entry)
    }

    fn drop_expired(&mut self, now: SystemTime) {
        while let Some((_, key)) = self.order.first_key_value() {
            if self.values.get(key).is_some_and(|entry| now < entry.expires) {
                break;
            }
            let key = key.clone();
            if self.remove(&key).is_none() {
                self.order.pop_first();
            }
        }
    }
}

impl ServerSessionStore for MemoryServerSessions {
    fn put(&self, key: &[u8], value: &[u8]) -> bool {
        let now = self.clock.now();
        let Some(expires) = now.checked_add(self.lifespan) else { return false };
        if self.capacity == 0 || value.len() > Self::MAX_VALUE {
            return false;
        }
        let mut entries = self.lock();
        entries.drop_expired(now);
        entries.remove(key);
        while entries.values.len() >= self.capacity {
            let Some((_, oldest)) = entries.order.pop_first() else { break };
            entries.values.remove(&oldest);
        }
        let number = entries.next;
        entries.next += 1;
        entries.order.insert(number, key.to_vec());
        entries.values.insert(key.to_vec(), Entry { number, expires, value: Zeroizing::new(value.to_vec()) });
        true
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        let now = self.clock.now();
        let entries = self.lock();
        let entry = entries.values.get(key).filter(|entry| now < entry.expires)?;
        Some(entry.value.to_vec())
    }

    fn take(&self, key: &[u8]) -> Option<Vec<u8>> {
        let now = self.clock.now();
        let entry = self.lock().remove(key).filter(|entry| now < entry.expires)?;
        Some(entry.value.to_vec())
    }

    fn can_cache(&self) -> bool {
        self.capacity > 0
    }
}

impl fmt::Debug for MemoryServerSessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryServerSessions")
            .field("capacity", &self.capacity)
            .field("lifespan", &self.lifespan)
            .finish_non_exhaustive()
    }
}

/// What store and tickets of one credential have in common.
#[derive(Debug)]
pub(super) struct SessionRules {
    pub(super) enabled: bool,
    pub(super) lifespan: Duration,
    pub(super) client_auth: ClientAuth,
    pub(super) validation: Validation,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) provider: Arc<CryptoProvider>,
    pub(super) revoked: Mutex<RevokedMarks>,
}

impl SessionRules {
    /// Whether this context makes and takes sessions.
    fn in_force(&self) -> bool {
        self.enabled && slot::current(|slot| slot.keeps_sessions()).unwrap_or(false)
    }

    /// Puts the engine's bytes into an envelope.
    fn wrap(&self, plain: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        if !self.in_force() {
            return None;
        }
        let mut fresh = [0; TICKET_MARK_LEN];
        if slot::current(|slot| slot.session.mark.is_none()).unwrap_or(true) {
            self.provider.secure_random.fill(&mut fresh).ok()?;
        }
        let now = self.clock.now();
        slot::current(|slot| {
            let since = *slot.session.since.get_or_insert(now);
            let mark = *slot.session.mark.get_or_insert(fresh);
            if !slot.server_session_ids.iter().any(|known| known == &mark) {
                slot.server_session_ids.push(mark.to_vec());
            }
            let client = match slot.session.client {
                ClientIdentity::NotAsked => 0,
                ClientIdentity::Withheld => 1,
                ClientIdentity::Unchecked => 2,
                ClientIdentity::Validated => 3,
            };
            let mut envelope = Zeroizing::new(Vec::with_capacity(ENVELOPE_LEN + plain.len()));
            envelope.extend([ENVELOPE_VERSION, client]);
            envelope.extend(unix_seconds(since).to_be_bytes());
            envelope.extend(slot.session.until.map_or(NO_END, unix_seconds).to_be_bytes());
            envelope.extend(mark);
            envelope.extend(plain);
            envelope
        })
    }

    /// Takes the engine's bytes out of an envelope, if this context may resume the session.
    fn unwrap(&self, envelope: &[u8]) -> Option<Vec<u8>> {
        if !self.in_force() {
            return None;
        }
        let (&[version, client], rest) = envelope.split_first_chunk()?;
        let (since, rest) = rest.split_first_chunk()?;
        let (until, rest) = rest.split_first_chunk()?;
        let (mark, plain) = rest.split_first_chunk::<TICKET_MARK_LEN>()?;
        let client = match client {
            0 => ClientIdentity::NotAsked,
            1 => ClientIdentity::Withheld,
            2 => ClientIdentity::Unchecked,
            3 => ClientIdentity::Validated,
            _ => return None,
        };
        let moment =
            |seconds: &[u8; 8]| UNIX_EPOCH.checked_add(Duration::from_secs(u64::from_be_bytes(*seconds)));
        let since = moment(since)?;
        let until = if u64::from_be_bytes(*until) == NO_END { None } else { Some(moment(until)?) };
        let lapses = since.checked_add(self.lifespan)?;
        let expires = until.map_or(lapses, |until| lapses.min(until));
        let now = self.clock.now();
        // Stored in whole seconds, so `since` is never later than it was.
        if version != ENVELOPE_VERSION || now < since || now >= expires || self.marks().contains(mark) {
            return None;
        }
        slot::current(|slot| {
            if !self.answers(client, slot) {
                return None;
            }
            slot.session.since = Some(since);
            slot.session.until = until;
            slot.session.validated = client == ClientIdentity::Validated && !self.is_manual(slot);
            slot.session.mark = Some(*mark);
            slot.session.client = client;
            slot.server_session_ids.push(mark.to_vec());
            Some(plain.to_vec())
        })
        .flatten()
    }

    /// Whether what is known of the client is what this context would have asked for.
    fn answers(&self, client: ClientIdentity, slot: &ConnectionSlot) -> bool {
        let identified = client == ClientIdentity::Validated
            || (client == ClientIdentity::Unchecked && self.is_manual(slot));
        match slot.client_auth.unwrap_or(self.client_auth) {
            ClientAuth::None => client == ClientIdentity::NotAsked,
            ClientAuth::Request => identified || client == ClientIdentity::Withheld,
            ClientAuth::Require => identified,
        }
    }

    fn is_manual(&self, slot: &ConnectionSlot) -> bool {
        self.validation == Validation::Manual || slot.manual_validation
    }

    pub(super) fn marks(&self) -> MutexGuard<'_, RevokedMarks> {
        self.revoked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The layout below; tickets outlive neither the process nor this number, stores may.
const ENVELOPE_VERSION: u8 = 2;
/// Version, client, when it was authenticated and when its certificate ends in seconds since 1970, mark.
const ENVELOPE_LEN: usize = 2 + 8 + 8 + TICKET_MARK_LEN;
/// There is no certificate that could end.
const NO_END: u64 = u64::MAX;

/// Marks of tickets that are good no more. A ticket itself cannot be taken back.
#[derive(Debug, Default)]
pub(super) struct RevokedMarks {
    known: HashSet<[u8; TICKET_MARK_LEN]>,
    order: VecDeque<[u8; TICKET_MARK_LEN]>,
}

/// Connections that fail are bounded by nothing; what is forgotten here is a ticket that can be used once more.
pub(super) const MAX_REVOKED: usize = 4096;

impl RevokedMarks {
    pub(super) fn insert(&mut self, mark: [u8; TICKET_MARK_LEN]) {
        if !self.known.insert(mark) {
            return;
        }
        self.order.push_back(mark);
        if self.order.len() > MAX_REVOKED
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }

    pub(super) fn contains(&self, mark: &[u8; TICKET_MARK_LEN]) -> bool {
        self.known.contains(mark)
    }
}

/// A [`ServerSessionStore`] as rustls wants it.
#[derive(Debug)]
pub(super) struct EngineServerSessions {
    pub(super) store: Arc<dyn ServerSessionStore>,
    pub(super) rules: Arc<SessionRules>,
}

impl EngineServerSessions {
    /// Makes sessions useless, by the keys a context collected.
    pub(super) fn forget(&self, keys: &[Vec<u8>]) {
        for key in keys {
            match key.as_slice().try_into() {
                Ok(mark) => self.rules.marks().insert(mark),
                Err(_) => drop(self.store.take(key).map(Zeroizing::new)),
            }
        }
    }
}

impl StoresServerSessions for EngineServerSessions {
    fn put(&self, key: Vec<u8>, value: Vec<u8>) -> bool {
        let value = Zeroizing::new(value);
        let Some(envelope) = self.rules.wrap(&value) else { return false };
        let kept = self.store.put(&key, &envelope);
        if kept {
            slot::current(|slot| slot.server_session_ids.push(key));
        }
        kept
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        if !self.rules.in_force() {
            return None;
        }
        let envelope = Zeroizing::new(self.store.get(key)?);
        let plain = self.rules.unwrap(&envelope)?;
        slot::current(|slot| slot.server_session_ids.push(key.to_vec()));
        Some(plain)
    }

    fn take(&self, key: &[u8]) -> Option<Vec<u8>> {
        if !self.rules.in_force() {
            return None;
        }
        let envelope = Zeroizing::new(self.store.take(key)?);
        self.rules.unwrap(&envelope)
    }

    fn can_cache(&self) -> bool {
        self.rules.in_force() && self.store.can_cache()
    }
}

/// Tickets under rustls' own keys or shared ones, in the envelope.
#[derive(Debug)]
pub(super) struct EngineTickets {
    inner: RwLock<Arc<dyn ProducesTickets>>,
    pub(super) rules: Arc<SessionRules>,
}

impl EngineTickets {
    pub(super) fn new(inner: Arc<dyn ProducesTickets>, rules: Arc<SessionRules>) -> Self {
        Self { inner: RwLock::new(inner), rules }
    }

    /// From now on tickets are made and read with other keys.
    pub(super) fn replace(&self, inner: Arc<dyn ProducesTickets>) {
        *self.inner.write().unwrap_or_else(PoisonError::into_inner) = inner;
    }

    fn inner(&self) -> Arc<dyn ProducesTickets> {
        Arc::clone(&self.inner.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ProducesTickets for EngineTickets {
    /// Asked while a ClientHello is answered: a context without sessions does not promise a ticket.
    fn enabled(&self) -> bool {
        self.inner().enabled() && self.rules.in_force()
    }

    fn lifetime(&self) -> u32 {
        let lifespan = self.rules.lifespan.min(MAX_TICKET_LIFE).as_secs();
        u32::try_from(lifespan).unwrap_or(u32::MAX).min(self.inner().lifetime())
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.inner().encrypt(&self.rules.wrap(plain)?)
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        let envelope = Zeroizing::new(self.inner().decrypt(cipher)?);
        self.rules.unwrap(&envelope)
    }
}

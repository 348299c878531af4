//! Client sessions: what is kept of a connection so that the next one to the same target is short.
//!
//! Section 6.3: a session is found again under the same target name, by the same credential, until its lifespan has
//! passed or the server's certificate has ended. What a context may not resume it is not shown: a session whose peer was not validated is for contexts
//! that validate by hand, and one made with a client certificate is for contexts that present the same.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use rustls::client::{Tls12ClientSessionValue, Tls13ClientSessionValue};
use rustls_pki_types::ServerName;

use super::clock::Clock;
use super::policy::NamedGroup;
use super::slot::{self, ConnectionSlot};
use super::{Protocols, Validation};

/// Keeps a client's sessions.
///
/// `target` is the name connected to, in lower case and without a trailing dot. Sessions of one credential are of no
/// use to another one; a store that several share should tell them apart or be large enough for all.
/// What a store hands out is checked: an expired or unsuitable session is not used.
pub trait ClientSessionStore: Send + Sync + fmt::Debug {
    /// Keeps a session. Of TLS 1.2 sessions with a target only the latest one matters; TLS 1.3 ones are all
    /// different, and each good for one connection.
    fn put(&self, target: &str, session: ClientSession);

    /// The TLS 1.2 session with this target; stays in the store.
    fn get_tls12(&self, target: &str) -> Option<ClientSession>;

    /// A TLS 1.3 session with this target, best the latest one; leaves the store, so that nobody can connect two
    /// connections by the ticket they present (RFC 8446 appendix C.4).
    fn take_tls13(&self, target: &str) -> Option<ClientSession>;

    /// Drops the TLS 1.2 session with this target.
    fn remove_tls12(&self, target: &str);

    /// Drops everything about this target.
    fn remove(&self, target: &str);

    /// Remembers the group the target liked, which spares the next handshake a round trip.
    fn set_group_hint(&self, target: &str, group: NamedGroup);

    /// The remembered group.
    fn group_hint(&self, target: &str) -> Option<NamedGroup>;
}

/// As long as tickets of TLS 1.3 may be promised or kept (RFC 8446 section 4.6.1).
pub(super) const MAX_TICKET_LIFE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// A session to be resumed: opaque, and secret.
#[derive(Clone)]
pub struct ClientSession {
    value: SessionValue,
    since: SystemTime,
    expires: SystemTime,
    until: Option<SystemTime>,
    validated: bool,
    local_leaf: Option<Vec<u8>>,
}

#[derive(Clone)]
enum SessionValue {
    Tls12(Box<Tls12ClientSessionValue>),
    // The engine's value cannot be cloned; whoever takes it out first has it.
    Tls13(Arc<Mutex<Option<Tls13ClientSessionValue>>>),
}

impl ClientSession {
    /// The one protocol version it can be resumed with.
    pub fn protocol(&self) -> Protocols {
        match self.value {
            SessionValue::Tls12(_) => Protocols::TLS1_2,
            SessionValue::Tls13(_) => Protocols::TLS1_3,
        }
    }

    /// When it stops to be used.
    pub fn expires(&self) -> SystemTime {
        self.expires
    }

    /// Whether a context may be resumed from it now.
    fn suits(&self, now: SystemTime, validates: bool, slot: &ConnectionSlot) -> bool {
        let leaf = slot.client_key.as_ref().and_then(|key| key.cert.first());
        let same_client = match &self.local_leaf {
            Some(presented) => leaf.is_some_and(|leaf| leaf.as_ref() == presented.as_slice()),
            None => true,
        };
        let alive = self.since <= now && now < self.expires;
        alive && (self.validated || !validates) && same_client
    }
}

impl fmt::Debug for ClientSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientSession")
            .field("protocol", &self.protocol())
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

/// The default store: in this process' memory, bounded, least recently used targets dropped first.
pub struct MemoryClientSessions {
    targets: Mutex<Targets>,
    capacity: usize,
}

#[derive(Default)]
struct Targets {
    by_name: HashMap<String, Target>,
    uses: u64,
}

#[derive(Default)]
struct Target {
    used: u64,
    group: Option<NamedGroup>,
    tls12: Option<ClientSession>,
    tls13: VecDeque<ClientSession>,
}

impl Targets {
    fn find(&mut self, name: &str) -> Option<&mut Target> {
        let target = self.by_name.get_mut(name)?;
        self.uses += 1;
        target.used = self.uses;
        Some(target)
    }
}

impl MemoryClientSessions {
    /// A TLS 1.3 server sends one or two tickets for each connection; more than a few unused ones would expire.
    pub const TICKETS_PER_TARGET: usize = 4;

    /// How many targets are remembered unless said otherwise. A session holds the server's chain: some 4 KiB.
    pub const DEFAULT_TARGETS: usize = 256;

    /// Remembers sessions with at most so many targets; 0 remembers none.
    pub fn new(targets: usize) -> Self {
        Self { targets: Mutex::default(), capacity: targets }
    }

    fn lock(&self) -> MutexGuard<'_, Targets> {
        // No operation below leaves the map half changed.
        self.targets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn edit(&self, name: &str, edit: impl FnOnce(&mut Target)) {
        if self.capacity == 0 {
            return;
        }
        let mut targets = self.lock();
        if !targets.by_name.contains_key(name) {
            while targets.by_name.len() >= self.capacity {
                let oldest = targets.by_name.iter().min_by_key(|(_, target)| target.used);
                let Some(oldest) = oldest.map(|(name, _)| name.clone()) else { break };
                targets.by_name.remove(&oldest);
            }
            targets.by_name.insert(name.to_owned(), Target::default());
        }
        targets.find(name).map(edit);
    }
}

impl Default for MemoryClientSessions {
    fn default() -> Self {
        Self::new(Self::DEFAULT_TARGETS)
    }
}

impl ClientSessionStore for MemoryClientSessions {
    fn put(&self, target: &str, session: ClientSession) {
        self.edit(target, |entry| {
            if session.protocol() == Protocols::TLS1_2 {
                entry.tls12 = Some(session);
                return;
            }
            while entry.tls13.len() >= Self::TICKETS_PER_TARGET {
                entry.tls13.pop_front();
            }
            entry.tls13.push_back(session);
        });
    }

    fn get_tls12(&self, target: &str) -> Option<ClientSession> {
        self.lock().find(target)?.tls12.clone()
    }

    fn take_tls13(&self, target: &str) -> Option<ClientSession> {
        self.lock().find(target)?.tls13.pop_back()
    }

    fn remove_tls12(&self, target: &str) {
        if let Some(entry) = self.lock().by_name.get_mut(target) {
            entry.tls12 = None;
        }
    }

    fn remove(&self, target: &str) {
        self.lock().by_name.remove(target);
    }

    fn set_group_hint(&self, target: &str, group: NamedGroup) {
        self.edit(target, |entry| entry.group = Some(group));
    }

    fn group_hint(&self, target: &str) -> Option<NamedGroup> {
        self.lock().find(target)?.group
    }
}

impl fmt::Debug for MemoryClientSessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryClientSessions").field("capacity", &self.capacity).finish_non_exhaustive()
    }
}

/// A [`ClientSessionStore`] as rustls wants it, with the rules above applied.
#[derive(Debug)]
pub(super) struct EngineClientSessions {
    pub(super) store: Arc<dyn ClientSessionStore>,
    pub(super) enabled: bool,
    pub(super) lifespan: Duration,
    pub(super) validation: Validation,
    pub(super) clock: Arc<dyn Clock>,
}

impl EngineClientSessions {
    /// Drops everything about this target.
    pub(super) fn forget(&self, target: &str) {
        self.store.remove(&key(target));
    }

    fn keep(&self, server: &ServerName<'_>, value: SessionValue) {
        if !self.enabled {
            return;
        }
        let now = self.clock.now();
        let session = slot::current(|slot| {
            if !slot.keeps_sessions() {
                return None;
            }
            let since = slot.session.since.unwrap_or(now);
            let lapses = since.checked_add(self.lifespan)?;
            let lapses = match value {
                SessionValue::Tls12(_) => lapses,
                SessionValue::Tls13(_) => lapses.min(now.checked_add(MAX_TICKET_LIFE)?),
            };
            let until = slot.session.until;
            let presented =
                slot.local_key.as_ref().and_then(|key| key.cert.first()).map(|leaf| leaf.to_vec());
            Some(ClientSession {
                value,
                since,
                expires: until.map_or(lapses, |until| lapses.min(until)),
                until,
                validated: !self.is_manual(slot),
                local_leaf: presented.or_else(|| slot.session.local_leaf.clone()),
            })
        });
        if let Some(session) = session.flatten().filter(|session| now < session.expires) {
            self.store.put(&key(&server.to_str()), session);
        }
    }

    fn find(
        &self,
        server: &ServerName<'_>,
        get: impl FnOnce(&dyn ClientSessionStore, &str) -> Option<ClientSession>,
    ) -> Option<SessionValue> {
        if !self.enabled || !slot::current(|slot| slot.keeps_sessions()).unwrap_or(false) {
            return None;
        }
        let session = get(&*self.store, &key(&server.to_str()))?;
        let now = self.clock.now();
        let suits = slot::current(|slot| {
            let suits = session.suits(now, !self.is_manual(slot), slot);
            if suits {
                slot.session.since = Some(session.since);
                slot.session.until = session.until;
                slot.session.validated = session.validated && !self.is_manual(slot);
                slot.session.local_leaf = session.local_leaf.clone();
            }
            suits
        });
        suits.unwrap_or(false).then_some(session.value)
    }

    fn is_manual(&self, slot: &ConnectionSlot) -> bool {
        self.validation == Validation::Manual || slot.manual_validation
    }
}

impl rustls::client::ClientSessionStore for EngineClientSessions {
    fn set_kx_hint(&self, server_name: ServerName<'static>, group: rustls::NamedGroup) {
        let named = !slot::current(|slot| slot.no_target).unwrap_or(true);
        if let Some(group) = NamedGroup::from_engine(group).filter(|_| named) {
            self.store.set_group_hint(&key(&server_name.to_str()), group);
        }
    }

    fn kx_hint(&self, server_name: &ServerName<'_>) -> Option<rustls::NamedGroup> {
        if slot::current(|slot| slot.no_target).unwrap_or(true) {
            return None;
        }
        self.store.group_hint(&key(&server_name.to_str())).map(NamedGroup::to_engine)
    }

    fn set_tls12_session(&self, server_name: ServerName<'static>, value: Tls12ClientSessionValue) {
        self.keep(&server_name, SessionValue::Tls12(Box::new(value)));
    }

    fn tls12_session(&self, server_name: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        match self.find(server_name, |store, target| store.get_tls12(target))? {
            SessionValue::Tls12(value) => Some(*value),
            SessionValue::Tls13(_) => None,
        }
    }

    fn remove_tls12_session(&self, server_name: &ServerName<'static>) {
        self.store.remove_tls12(&key(&server_name.to_str()));
    }

    fn insert_tls13_ticket(&self, server_name: ServerName<'static>, value: Tls13ClientSessionValue) {
        self.keep(&server_name, SessionValue::Tls13(Arc::new(Mutex::new(Some(value)))));
    }

    fn take_tls13_ticket(&self, server_name: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        match self.find(server_name, |store, target| store.take_tls13(target))? {
            SessionValue::Tls13(value) => value.lock().unwrap_or_else(PoisonError::into_inner).take(),
            SessionValue::Tls12(_) => None,
        }
    }
}

/// Names that mean the same server are one target.
fn key(target: &str) -> String {
    target.strip_suffix('.').unwrap_or(target).to_ascii_lowercase()
}

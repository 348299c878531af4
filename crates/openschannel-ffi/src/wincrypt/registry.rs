//! What C has pointers and handles to, and how many of them.
//!
//! Everything is looked up here before it is touched: a pointer that is not in the registry is never followed. Stores and contexts
//! depend on each other as on Windows: a store lives until it is closed and nobody has one of its contexts any more; until then
//! `hCertStore` of such a context leads to it.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use super::certificate::{Certificate, Parsed, Properties};
use super::chain::{Chain, Engine};
use super::last_error::code;
use super::types::{CERT_CHAIN_CONTEXT, CERT_CONTEXT, ChainEngineHandle, HCERTSTORE};

static REGISTRY: LazyLock<Mutex<Registry>> = LazyLock::new(Mutex::default);

/// The registry, locked. Nothing that takes long is done meanwhile, and no other lock is held by whoever asks.
pub(super) fn registry() -> MutexGuard<'static, Registry> {
    REGISTRY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The certificate behind a context of ours.
pub(super) fn certificate(context: *const CERT_CONTEXT) -> Option<Arc<Certificate>> {
    registry().certificates.get(&context.addr()).map(|held| Arc::clone(&held.certificate))
}

#[derive(Debug, Default)]
pub(super) struct Registry {
    certificates: HashMap<usize, HeldCertificate>,
    stores: HashMap<usize, Store>,
    chains: HashMap<usize, HeldChain>,
    engines: HashMap<usize, Arc<Engine>>,
    /// Handles given out so far. None is ever used twice.
    handles: usize,
}

#[derive(Debug)]
struct HeldCertificate {
    certificate: Arc<Certificate>,
    /// What C is to free, elements of chains included.
    references: usize,
    /// Whether its store has it: then it stays without references too.
    is_member: bool,
}

#[derive(Debug)]
struct HeldChain {
    chain: Arc<Chain>,
    references: usize,
}

#[derive(Debug)]
struct Store {
    kind: StoreKind,
    /// Handles to close.
    opened: usize,
    /// References that C has to contexts of this store, members or former ones.
    outside: usize,
    members: Vec<Arc<Certificate>>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum StoreKind {
    Memory,
    ReadOnly,
    /// The stores in it, the most important one first.
    Collection(Vec<Sibling>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sibling {
    pub(super) store: usize,
    /// Whether what is added to the collection may go there.
    pub(super) takes_additions: bool,
    pub(super) priority: u32,
}

/// The store of contexts that are in none. It cannot be closed, shows nothing, and forgets what is added.
pub(super) fn no_store() -> HCERTSTORE {
    std::ptr::without_provenance_mut(NO_STORE)
}

const NO_STORE: usize = HANDLE_STEP;

/// Handles look like addresses, so that callers who test alignment or small values as sentinels are content.
const HANDLE_STEP: usize = 0x100;

/// Collections in collections, at most; more would be a circle.
const MAX_COLLECTION_DEPTH: usize = 8;

/// Certificates.
impl Registry {
    /// A context in no store, with one reference for the caller.
    pub(super) fn add_loose(&mut self, parsed: Arc<Parsed>, properties: Properties) -> Arc<Certificate> {
        let certificate = Certificate::new(parsed, no_store(), properties);
        self.refer(&certificate);
        certificate
    }

    /// One more reference for the caller. A certificate that was forgotten meanwhile is known again.
    pub(super) fn refer(&mut self, certificate: &Arc<Certificate>) -> *const CERT_CONTEXT {
        crate::leaks::watch();
        self.held(certificate).references += 1;
        if let Some(store) = self.stores.get_mut(&certificate.store().addr()) {
            store.outside += 1;
        }
        certificate.context()
    }

    pub(super) fn duplicate(&mut self, context: *const CERT_CONTEXT) -> Option<*const CERT_CONTEXT> {
        let certificate = self.certificates.get(&context.addr())?.certificate.clone();
        Some(self.refer(&certificate))
    }

    /// Takes a reference back. False when the caller had none: the context is not ours, or only its store has it.
    pub(super) fn release(&mut self, context: *const CERT_CONTEXT) -> bool {
        let Some(held) = self.certificates.get_mut(&context.addr()) else { return false };
        if held.references == 0 {
            return false;
        }
        held.references -= 1;
        let store = held.certificate.store().addr();
        self.drop_unused(context.addr());
        if let Some(entry) = self.stores.get_mut(&store) {
            entry.outside = entry.outside.saturating_sub(1);
            self.drop_store_if_unused(store);
        }
        true
    }

    pub(super) fn certificate(&self, context: *const CERT_CONTEXT) -> Option<&Arc<Certificate>> {
        self.certificates.get(&context.addr()).map(|held| &held.certificate)
    }

    fn held(&mut self, certificate: &Arc<Certificate>) -> &mut HeldCertificate {
        let held = self.certificates.entry(certificate.context().addr());
        held.or_insert_with(|| HeldCertificate {
            certificate: Arc::clone(certificate),
            references: 0,
            is_member: false,
        })
    }

    /// Forgets a certificate that nobody refers to and no store has.
    fn drop_unused(&mut self, address: usize) {
        if self.certificates.get(&address).is_some_and(|held| held.references == 0 && !held.is_member) {
            self.certificates.remove(&address);
        }
    }
}

/// Stores.
impl Registry {
    pub(super) fn open_store(&mut self, kind: StoreKind) -> HCERTSTORE {
        let handle = self.new_handle();
        self.stores.insert(handle, Store { kind, opened: 1, outside: 0, members: Vec::new() });
        std::ptr::without_provenance_mut(handle)
    }

    pub(super) fn is_store(&self, store: HCERTSTORE) -> bool {
        store.addr() == NO_STORE || self.stores.contains_key(&store.addr())
    }

    pub(super) fn duplicate_store(&mut self, store: HCERTSTORE) -> bool {
        match self.stores.get_mut(&store.addr()) {
            Some(entry) => {
                entry.opened += 1;
                true
            }
            None => store.addr() == NO_STORE,
        }
    }

    /// Gives a handle back. Of `force` the contexts hear too: all references to them are over.
    ///
    /// `Ok(false)`: references to its contexts remain, and with them the store.
    pub(super) fn close_store(&mut self, store: HCERTSTORE, force: bool) -> Result<bool, u32> {
        if store.addr() == NO_STORE {
            return Ok(true);
        }
        let entry = self.stores.get_mut(&store.addr()).ok_or(code::E_INVALIDARG)?;
        entry.opened = entry.opened.checked_sub(1).ok_or(code::E_INVALIDARG)?;
        if entry.opened > 0 {
            // Other handles keep the store; that is not what CERT_CLOSE_STORE_CHECK_FLAG asks about.
            return Ok(true);
        }
        let pending = entry.outside > 0;
        if force {
            entry.outside = 0;
            self.certificates.retain(|_, held| held.certificate.store().addr() != store.addr());
        }
        self.drop_store_if_unused(store.addr());
        Ok(force || !pending)
    }

    fn drop_store_if_unused(&mut self, handle: usize) {
        let Some(entry) = self.stores.get(&handle) else { return };
        if entry.opened > 0 || entry.outside > 0 {
            return;
        }
        let Some(entry) = self.stores.remove(&handle) else { return };
        for member in &entry.members {
            self.certificates.remove(&member.context().addr());
        }
        if let StoreKind::Collection(siblings) = entry.kind {
            for sibling in siblings {
                self.drop_sibling(sibling.store);
            }
        }
    }

    fn drop_sibling(&mut self, handle: usize) {
        if let Some(entry) = self.stores.get_mut(&handle) {
            entry.opened = entry.opened.saturating_sub(1);
            self.drop_store_if_unused(handle);
        }
    }

    /// What is in a store, in the order of adding; of a collection, store by store.
    pub(super) fn members(&self, store: HCERTSTORE) -> Option<Vec<Arc<Certificate>>> {
        let mut found = Vec::new();
        if store.addr() == NO_STORE {
            return Some(found);
        }
        self.stores.contains_key(&store.addr()).then(|| {
            self.collect(store.addr(), 0, &mut found);
            found
        })
    }

    fn collect(&self, handle: usize, depth: usize, found: &mut Vec<Arc<Certificate>>) {
        let Some(entry) = self.stores.get(&handle) else { return };
        if let StoreKind::Collection(siblings) = &entry.kind {
            if depth < MAX_COLLECTION_DEPTH {
                siblings.iter().for_each(|sibling| self.collect(sibling.store, depth + 1, found));
            }
        } else {
            found.extend(entry.members.iter().cloned());
        }
    }

    /// Puts a certificate into a store; of a collection, into the first store that takes additions.
    pub(super) fn add(
        &mut self,
        store: HCERTSTORE,
        parsed: Arc<Parsed>,
        properties: Properties,
    ) -> Result<Arc<Certificate>, u32> {
        if store.addr() == NO_STORE {
            return Ok(Certificate::new(parsed, store, properties));
        }
        let target = self.writable(store.addr(), 0)?;
        let handle = std::ptr::without_provenance_mut(target);
        let certificate = Certificate::new(parsed, handle, properties);
        self.held(&certificate).is_member = true;
        if let Some(entry) = self.stores.get_mut(&target) {
            entry.members.push(Arc::clone(&certificate));
        }
        Ok(certificate)
    }

    fn writable(&self, handle: usize, depth: usize) -> Result<usize, u32> {
        match &self.stores.get(&handle).ok_or(code::E_INVALIDARG)?.kind {
            StoreKind::Memory => Ok(handle),
            StoreKind::ReadOnly => Err(code::ERROR_ACCESS_DENIED),
            StoreKind::Collection(_) if depth >= MAX_COLLECTION_DEPTH => Err(code::E_INVALIDARG),
            StoreKind::Collection(siblings) => siblings
                .iter()
                .filter(|sibling| sibling.takes_additions)
                .find_map(|sibling| self.writable(sibling.store, depth + 1).ok())
                .ok_or(code::ERROR_ACCESS_DENIED),
        }
    }

    /// Takes a certificate out of its store. Who has a reference to it keeps it.
    pub(super) fn remove(&mut self, certificate: &Arc<Certificate>) -> Result<(), u32> {
        let Some(entry) = self.stores.get_mut(&certificate.store().addr()) else { return Ok(()) };
        if entry.kind == StoreKind::ReadOnly {
            return Err(code::ERROR_ACCESS_DENIED);
        }
        entry.members.retain(|member| !Arc::ptr_eq(member, certificate));
        self.held(certificate).is_member = false;
        self.drop_unused(certificate.context().addr());
        Ok(())
    }

    pub(super) fn fill_read_only(&mut self, certificates: &[Arc<Parsed>]) -> HCERTSTORE {
        let store = self.open_store(StoreKind::Memory);
        for parsed in certificates {
            // A store that was opened this moment takes what it is given.
            drop(self.add(store, Arc::clone(parsed), Properties::default()));
        }
        if let Some(entry) = self.stores.get_mut(&store.addr()) {
            entry.kind = StoreKind::ReadOnly;
        }
        store
    }

    pub(super) fn add_sibling(&mut self, collection: HCERTSTORE, sibling: Sibling) -> Result<(), u32> {
        if self.reaches(sibling.store, collection.addr(), 0) {
            return Err(code::E_INVALIDARG);
        }
        if !self.stores.contains_key(&sibling.store) {
            return Err(code::E_INVALIDARG);
        }
        let entry = self.stores.get_mut(&collection.addr()).ok_or(code::E_INVALIDARG)?;
        let StoreKind::Collection(siblings) = &mut entry.kind else { return Err(code::E_INVALIDARG) };
        let position = siblings.iter().position(|other| other.priority < sibling.priority);
        siblings.insert(position.unwrap_or(siblings.len()), sibling);
        if let Some(entry) = self.stores.get_mut(&sibling.store) {
            entry.opened += 1;
        }
        Ok(())
    }

    /// A store that is not in the collection is removed already.
    pub(super) fn remove_sibling(&mut self, collection: HCERTSTORE, sibling: HCERTSTORE) {
        let Some(entry) = self.stores.get_mut(&collection.addr()) else { return };
        let StoreKind::Collection(siblings) = &mut entry.kind else { return };
        let Some(position) = siblings.iter().position(|other| other.store == sibling.addr()) else { return };
        siblings.remove(position);
        self.drop_sibling(sibling.addr());
    }

    /// Whether a store is another one or has it somewhere inside; too deep counts as yes.
    fn reaches(&self, from: usize, to: usize, depth: usize) -> bool {
        if from == to || depth > MAX_COLLECTION_DEPTH {
            return true;
        }
        match self.stores.get(&from).map(|entry| &entry.kind) {
            Some(StoreKind::Collection(siblings)) => {
                siblings.iter().any(|sibling| self.reaches(sibling.store, to, depth + 1))
            }
            _ => false,
        }
    }

    fn new_handle(&mut self) -> usize {
        crate::leaks::watch();
        self.handles += 1;
        NO_STORE + self.handles * HANDLE_STEP
    }
}

/// Chains and engines.
impl Registry {
    /// A new chain, with one reference for the caller.
    pub(super) fn add_chain(&mut self, chain: Arc<Chain>) -> *const CERT_CHAIN_CONTEXT {
        for certificate in chain.certificates() {
            self.refer(certificate);
        }
        let context = chain.context();
        self.chains.insert(context.addr(), HeldChain { chain, references: 1 });
        context
    }

    pub(super) fn chain(&self, context: *const CERT_CHAIN_CONTEXT) -> Option<Arc<Chain>> {
        self.chains.get(&context.addr()).map(|held| Arc::clone(&held.chain))
    }

    pub(super) fn duplicate_chain(&mut self, context: *const CERT_CHAIN_CONTEXT) -> bool {
        let held = self.chains.get_mut(&context.addr());
        held.map(|held| held.references += 1).is_some()
    }

    pub(super) fn release_chain(&mut self, context: *const CERT_CHAIN_CONTEXT) -> bool {
        let Some(held) = self.chains.get_mut(&context.addr()) else { return false };
        held.references -= 1;
        if held.references == 0
            && let Some(held) = self.chains.remove(&context.addr())
        {
            for certificate in held.chain.certificates() {
                self.release(certificate.context());
            }
        }
        true
    }

    pub(super) fn add_engine(&mut self, engine: Engine) -> ChainEngineHandle {
        for store in engine.stores() {
            self.duplicate_store(store);
        }
        let handle = self.new_handle();
        self.engines.insert(handle, Arc::new(engine));
        std::ptr::without_provenance_mut(handle)
    }

    pub(super) fn engine(&self, handle: ChainEngineHandle) -> Option<Arc<Engine>> {
        self.engines.get(&handle.addr()).cloned()
    }

    pub(super) fn remove_engine(&mut self, handle: ChainEngineHandle) {
        if let Some(engine) = self.engines.remove(&handle.addr()) {
            for store in engine.stores() {
                self.drop_sibling(store.addr());
            }
        }
    }

    /// What the caller has not given back, in words.
    pub(super) fn outstanding(&self) -> Vec<String> {
        let mut found = Vec::new();
        for held in self.certificates.values().filter(|held| held.references > 0) {
            let context = held.certificate.context();
            found.push(format!("CERT_CONTEXT {context:p}: {} references", held.references));
        }
        for (handle, store) in self.stores.iter().filter(|(_, store)| store.opened > 0) {
            found.push(format!("HCERTSTORE {handle:#x}: {} handles", store.opened));
        }
        for (address, held) in &self.chains {
            found.push(format!("CERT_CHAIN_CONTEXT {address:#x}: {} references", held.references));
        }
        for handle in self.engines.keys() {
            found.push(format!("HCERTCHAINENGINE {handle:#x}"));
        }
        found.sort();
        found
    }
}

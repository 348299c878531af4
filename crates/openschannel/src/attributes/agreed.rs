//! What connections have in common, kept once for all of them.
//!
//! ```text
//!   Attributes --+                 +--> Chain (the peer's) <---+
//!   Attributes --+--> Agreed ------+                           +---- Agreed of other connections
//!   Attributes --+                 +--> Chain (the own) <------+
//!                        ^                   ^
//!                        '--- weak tables ---'   bounded; an entry that was displaced is merely not shared any more
//! ```
//!
//! Everything here is public: it was on the wire, or is in a credential. Sharing is found by content, never assumed.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use rustls_pki_types::CertificateDer;

use super::Protocol;
use crate::context::Role;
use crate::credentials::{CipherSuite, NamedGroup, PostHandshake, Rejection};
use crate::handshake::Resumption;

/// What a handshake agreed on, as far as it is the same again between the same two programs.
#[derive(Debug, PartialEq)]
pub(crate) struct Agreed {
    pub(crate) role: Role,
    pub(crate) protocol: Protocol,
    pub(crate) post_handshake: PostHandshake,
    pub(crate) cipher_suite: CipherSuite,
    pub(crate) group: Option<NamedGroup>,
    pub(crate) application_protocol: Option<Box<[u8]>>,
    pub(crate) resumed: bool,
    pub(crate) session_id_len: usize,
    pub(crate) remote_chain: Arc<Chain>,
    pub(crate) local_chain: Arc<Chain>,
    pub(crate) server_name: Option<Box<str>>,
    pub(crate) issuers: Box<[Vec<u8>]>,
    pub(crate) signature_schemes: Box<[u16]>,
    pub(crate) extensions: Box<[u16]>,
    pub(crate) validation: Option<Result<(), Rejection>>,
    pub(crate) resumption: Resumption,
}

static AGREED: Table<Agreed> = Table::new();

impl Agreed {
    /// The one of an earlier connection that is equal, or this one for later ones.
    pub(crate) fn shared(self) -> Arc<Self> {
        let mark = hash((
            self.remote_chain.mark(),
            self.local_chain.mark(),
            self.server_name.as_deref(),
            (self.cipher_suite, self.resumed, self.role == Role::Client),
            &self.signature_schemes,
        ));
        AGREED.share(mark, self, |own, other| own == other, |own| own)
    }
}

/// Certificates as they were sent, DER, leaf first.
#[derive(Debug)]
pub(crate) struct Chain(Box<[Vec<u8>]>);

static CHAINS: Table<Chain> = Table::new();

impl Chain {
    pub(crate) fn shared(chain: &[CertificateDer<'_>]) -> Arc<Self> {
        let equals = |chain: &&[CertificateDer<'_>], other: &Self| {
            other.0.len() == chain.len() && other.0.iter().zip(*chain).all(|(other, der)| *other == **der)
        };
        let mark = chain.first().map_or(0, |leaf| mark(leaf));
        CHAINS.share(mark, chain, equals, |chain| Self(chain.iter().map(|der| der.to_vec()).collect()))
    }

    pub(crate) fn certificates(&self) -> &[Vec<u8>] {
        &self.0
    }

    fn mark(&self) -> u64 {
        self.0.first().map_or(0, |leaf| mark(leaf))
    }
}

impl PartialEq for Chain {
    fn eq(&self, other: &Self) -> bool {
        core::ptr::eq(self, other) || self.0 == other.0
    }
}

/// A certificate ends with its signature, so its last bytes tell it from others. Certificates made to collide share a place in the
/// table, and nothing else.
fn mark(certificate: &[u8]) -> u64 {
    certificate.last_chunk().map_or(0, |end| u64::from_le_bytes(*end))
}

fn hash(of: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}

/// Places where a value may be remembered, for each of its marks: how many different values can be shared at a time. What a place holds
/// when its last user has gone is a few words, so the table stays below half a megabyte.
const PLACES: usize = 256;

/// Values with the same place that are remembered at once.
const WAYS: usize = 4;

/// Remembers values as long as somebody uses them.
struct Table<T> {
    places: [Mutex<Place<T>>; PLACES],
}

struct Place<T> {
    ways: [Weak<T>; WAYS],
    /// The way that is displaced next.
    next: usize,
}

impl<T> Table<T> {
    const fn new() -> Self {
        Self {
            places: [const { Mutex::new(Place { ways: [const { Weak::new() }; WAYS], next: 0 }) }; PLACES],
        }
    }

    /// The value that `is` the wanted one, or else a new one.
    fn share<W>(
        &self,
        mark: u64,
        wanted: W,
        is: impl Fn(&W, &T) -> bool,
        make: impl FnOnce(W) -> T,
    ) -> Arc<T> {
        // The remainder fits every integer.
        let index = usize::try_from(mark % PLACES as u64).unwrap_or_default();
        let Some(place) = self.places.get(index) else { return Arc::new(make(wanted)) };
        // Dropped behind the lock: what is looked at may lose its last user meanwhile.
        let known: [Option<Arc<T>>; WAYS];
        // A table behind a panic is still a table.
        let mut place = place.lock().unwrap_or_else(PoisonError::into_inner);
        known = place.ways.each_ref().map(Weak::upgrade);
        if let Some(found) = known.iter().flatten().find(|known| is(&wanted, known)) {
            return found.clone();
        }
        let made = Arc::new(make(wanted));
        let way = known.iter().position(Option::is_none).unwrap_or(place.next % WAYS);
        place.next = way + 1;
        if let Some(way) = place.ways.get_mut(way) {
            *way = Arc::downgrade(&made);
        }
        made
    }
}

//! What an idle connection takes of the heap.

use super::{NAME, heap, setup};
use crate::measure::quartiles;
#[cfg(feature = "openssl")]
use crate::peers::openssl::OpenSsl;
use crate::peers::rust_api::RustApi;
use crate::peers::{self, C_ABI, Connection, Established, Library, RUST_API, RUST_API_PARKED, establish};
use crate::report::{Cell, Measurement, Ratio, Unit};
use crate::setup::Version;
use crate::suites::{Plan, Progress};
use crate::wire::{LONGEST, Wire};

/// A connection's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Who begins.
    Client,
    /// Who answers.
    Server,
}

/// When it is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Behind a full handshake, without tickets.
    Established,
    /// One record of 16 KiB each way later.
    Talked,
    /// Behind a resumed handshake with its tickets, one record of 16 KiB each way later.
    ResumedAndTalked,
}

const ROLES: [Role; 2] = [Role::Client, Role::Server];
const MOMENTS: [Moment; 3] = [Moment::Established, Moment::Talked, Moment::ResumedAndTalked];

/// Few enough for those that take 100 KB a pair, enough for the little that the allocator keeps back.
const PAIRS: usize = 1_000;

/// The same numbers every time, so a few rounds tell all.
const ROUNDS: usize = 3;

/// Freed before the count begins. The allocator caches seven blocks of each size for the thread and counts them as used (glibc's
/// tcache); once it is full, blocks are freed in earnest.
const FREED_FIRST: usize = 16;

pub(super) fn cell(version: Version, role: Role, moment: Moment) -> Cell {
    let role = match role {
        Role::Client => "client",
        Role::Server => "server",
    };
    let moment = match moment {
        Moment::Established => "established",
        Moment::Talked => "after 16 KiB each way",
        Moment::ResumedAndTalked => "resumed, after 16 KiB each way",
    };
    Cell::new(NAME, version.to_string(), format!("{role}, {moment}"))
}

pub(super) fn steps() -> usize {
    Version::ALL.len() * MOMENTS.len()
}

pub(super) fn promises() -> Vec<(Cell, String)> {
    let mut all = Vec::new();
    for version in Version::ALL {
        for (moment, role) in MOMENTS.into_iter().flat_map(|moment| ROLES.map(|role| (moment, role))) {
            all.extend(kinds().into_iter().map(|kind| (cell(version, role, moment), kind.name().to_owned())));
        }
    }
    all
}

pub(super) fn run(plan: &Plan, progress: &mut dyn Progress) -> Vec<Measurement> {
    // One round is for seeing that it runs.
    let rounds = plan.rounds(ROUNDS).rounds.min(ROUNDS);
    let pairs = if plan.quick { PAIRS / 20 } else { PAIRS };
    let mut all = Vec::new();
    for version in Version::ALL {
        for moment in MOMENTS {
            progress.next(&format!("{version}, {moment:?}"));
            // By contender, then by role, a value a round.
            let values: Vec<(&'static str, [Vec<f64>; 2])> = kinds()
                .iter()
                .map(|kind| {
                    let mut values = [Vec::new(), Vec::new()];
                    for _ in 0..rounds {
                        let bytes = kind.measure(version, moment, pairs);
                        values.iter_mut().zip(bytes).for_each(|(values, bytes)| values.push(bytes));
                    }
                    (kind.name(), values)
                })
                .collect();
            for (index, role) in ROLES.into_iter().enumerate() {
                all.extend(measurements(&cell(version, role, moment), index, &values));
            }
        }
    }
    all
}

fn measurements(cell: &Cell, role: usize, values: &[(&'static str, [Vec<f64>; 2])]) -> Vec<Measurement> {
    let others = [peers::RUSTLS_BUFFERED, peers::RUSTLS_UNBUFFERED, peers::OPENSSL, peers::GNUTLS];
    let of = |own: &[f64]| {
        let ratios = others.iter().filter_map(|to| {
            let (_, other) = values.iter().find(|(name, _)| name == to)?;
            let ratios = own.iter().zip(&other[role]).map(|(own, other)| other / own).collect();
            Some(Ratio { to: (*to).to_owned(), value: quartiles(ratios) })
        });
        ratios.collect()
    };
    let measurement = |(name, values): &(&'static str, [Vec<f64>; 2])| Measurement {
        cell: cell.clone(),
        contender: (*name).to_owned(),
        unit: Unit::Bytes,
        value: quartiles(values[role].clone()),
        ratios: of(&values[role]),
        rounds: values[role].len(),
    };
    values.iter().map(measurement).collect()
}

/// A library, and whether its connections are parked when they have nothing to do.
struct Kind {
    library: Box<dyn Library>,
    parked: bool,
}

/// Through the C ABI connections lie in tables that are never freed; what is in them are the same contexts.
fn kinds() -> Vec<Kind> {
    let mut all: Vec<Kind> =
        peers::libraries().into_iter().map(|library| Kind { library, parked: false }).collect();
    all.retain(|kind| kind.name() != C_ABI);
    let own = all.iter().position(|kind| kind.name() == RUST_API).unwrap_or_default();
    all.insert(own + 1, Kind { library: Box::new(RustApi::CONTIGUOUS), parked: true });
    #[cfg(feature = "openssl")]
    if let Some(openssl) = all.iter().position(|kind| kind.name() == peers::OPENSSL) {
        let library = Box::new(OpenSsl { release_buffers: true });
        all.insert(openssl + 1, Kind { library, parked: false });
    }
    all
}

impl Kind {
    fn name(&self) -> &'static str {
        if self.parked { RUST_API_PARKED } else { self.library.name() }
    }

    /// Bytes of a client, and of a server.
    fn measure(&self, version: Version, moment: Moment, pairs: usize) -> [f64; 2] {
        let setup = setup(version, moment == Moment::ResumedAndTalked);
        let endpoints = self.library.endpoints(&setup);
        let mut wire = Wire::keeping();
        let [mut clients, mut servers]: [Vec<Box<dyn Connection>>; 2] = Default::default();
        for _ in 0..FREED_FIRST + pairs {
            let mut pair = establish(&*endpoints);
            setup.check(&pair.client.negotiated());
            if moment != Moment::Established {
                talk(&mut pair, &vec![0x5a; LONGEST], &mut wire);
            }
            if self.parked {
                assert!(pair.client.park() && pair.server.park(), "it can be parked");
            }
            clients.push(pair.client);
            servers.push(pair.server);
        }
        [clients, servers].map(|mut sides| {
            sides.truncate(pairs);
            let before = used();
            sides.clear();
            (before - used()) / pairs as f64
        })
    }
}

/// A record each way.
pub(super) fn talk(Established { client, server }: &mut Established, plaintext: &[u8], wire: &mut Wire) {
    let mut send = |from: &mut dyn Connection, to: &mut dyn Connection| {
        from.prepare(plaintext, 1, wire);
        from.seal_batch(plaintext, 1, wire);
        assert_eq!(to.open_batch(wire), plaintext.len(), "what was sealed");
    };
    send(&mut **client, &mut **server);
    send(&mut **server, &mut **client);
}

pub(super) fn used() -> f64 {
    heap::used().unwrap_or(f64::NAN)
}

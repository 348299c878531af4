//! How memory grows with the number of connections.

use super::idle::{talk, used};
use super::{NAME, heap, setup, thousands};
use crate::measure::quartiles;
use crate::peers::rust_api::RustApi;
use crate::peers::{Established, Library as _, RUST_API, RUST_API_PARKED, establish};
use crate::report::{Cell, Measurement, Unit};
use crate::setup::Version;
use crate::suites::{Plan, Progress};
use crate::wire::Wire;

const KINDS: [(&str, bool); 2] = [(RUST_API, false), (RUST_API_PARKED, true)];

fn counts(plan: &Plan) -> [usize; 3] {
    if plan.quick { [10, 20, 40] } else { [1_000, 10_000, 100_000] }
}

fn cell(version: Version, what: &str, count: usize) -> Cell {
    Cell::new(NAME, format!("{version}, many pairs"), format!("{what} of a pair, {}", thousands(count)))
}

/// Every column. Resident memory of the last count only: the first pairs find room in what the process has already.
fn columns(version: Version, plan: &Plan) -> [Cell; 4] {
    let [few, more, most] = counts(plan);
    [("heap", few), ("heap", more), ("heap", most), ("resident memory", most)]
        .map(|(what, count)| cell(version, what, count))
}

pub(super) fn steps() -> usize {
    Version::ALL.len() * KINDS.len()
}

pub(super) fn promises(plan: &Plan) -> Vec<(Cell, String)> {
    let mut all = Vec::new();
    for version in Version::ALL {
        for cell in columns(version, plan) {
            all.extend(KINDS.map(|(name, _)| (cell.clone(), name.to_owned())));
        }
    }
    all
}

pub(super) fn run(plan: &Plan, progress: &mut dyn Progress) -> Vec<Measurement> {
    let mut all = Vec::new();
    for version in Version::ALL {
        for (name, parked) in KINDS {
            progress.next(&format!("{version}, {} pairs, {name}", thousands(counts(plan)[2])));
            let bytes = grow(version, parked, counts(plan));
            all.extend(columns(version, plan).into_iter().zip(bytes).map(|(cell, bytes)| Measurement {
                cell,
                contender: name.to_owned(),
                unit: Unit::Bytes,
                value: quartiles(vec![bytes]),
                ratios: Vec::new(),
                rounds: 1,
            }));
        }
    }
    all
}

/// Bytes of a pair: of the heap at each count, and resident ones at the last.
fn grow(version: Version, parked: bool, counts: [usize; 3]) -> Vec<f64> {
    let setup = setup(version, true);
    let endpoints = RustApi::CONTIGUOUS.endpoints(&setup);
    let mut wire = Wire::keeping();
    // The session stores reach their full size.
    for _ in 0..10 {
        talk(&mut establish(&*endpoints), &[0x5a; 64], &mut wire);
    }
    heap::trim();
    let mut pairs: Vec<Established> = Vec::with_capacity(counts[2]);
    let (heap, before) = (used(), resident());
    let mut seen = Vec::new();
    for count in 1..=counts[2] {
        let mut pair = establish(&*endpoints);
        setup.check(&pair.client.negotiated());
        talk(&mut pair, &[0x5a; 64], &mut wire);
        if parked {
            assert!(pair.client.park() && pair.server.park(), "it can be parked");
        }
        pairs.push(pair);
        if counts.contains(&count) {
            seen.push((used() - heap) / count as f64);
        }
    }
    seen.push((resident() - before) / counts[2] as f64);
    seen
}

fn resident() -> f64 {
    heap::resident().unwrap_or(f64::NAN)
}

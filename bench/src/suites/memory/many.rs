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

/// What is looked at.
const LOOKS: [&str; 2] = ["heap", "resident"];

const KINDS: [(&str, bool); 2] = [(RUST_API, false), (RUST_API_PARKED, true)];

fn counts(plan: &Plan) -> [usize; 3] {
    if plan.quick { [10, 20, 40] } else { [1_000, 10_000, 100_000] }
}

fn cell(version: Version, look: &str, count: usize) -> Cell {
    Cell::new(NAME, format!("{version}, many pairs"), format!("{look} of a pair, {}", thousands(count)))
}

pub(super) fn steps() -> usize {
    Version::ALL.len() * KINDS.len()
}

pub(super) fn promises(plan: &Plan) -> Vec<(Cell, String)> {
    let mut all = Vec::new();
    for version in Version::ALL {
        for (look, count) in LOOKS.into_iter().flat_map(|look| counts(plan).map(|count| (look, count))) {
            all.extend(KINDS.map(|(name, _)| (cell(version, look, count), name.to_owned())));
        }
    }
    all
}

pub(super) fn run(plan: &Plan, progress: &mut dyn Progress) -> Vec<Measurement> {
    let mut all = Vec::new();
    for version in Version::ALL {
        for (name, parked) in KINDS {
            progress.next(&format!("{version}, {} pairs, {name}", thousands(counts(plan)[2])));
            for (count, bytes) in grow(version, parked, counts(plan)) {
                all.extend(LOOKS.into_iter().zip(bytes).map(|(look, bytes)| Measurement {
                    cell: cell(version, look, count),
                    contender: name.to_owned(),
                    unit: Unit::Bytes,
                    value: quartiles(vec![bytes / count as f64]),
                    ratios: Vec::new(),
                    rounds: 1,
                }));
            }
        }
    }
    all
}

/// At each count the heap's bytes and the resident ones, above those of no pair.
fn grow(version: Version, parked: bool, counts: [usize; 3]) -> Vec<(usize, [f64; 2])> {
    let setup = setup(version, true);
    let endpoints = RustApi::CONTIGUOUS.endpoints(&setup);
    let mut wire = Wire::keeping();
    // The session stores reach their full size.
    for _ in 0..10 {
        talk(&mut establish(&*endpoints), &[0x5a; 64], &mut wire);
    }
    heap::trim();
    let look = || [used(), heap::resident().unwrap_or(f64::NAN)];
    let mut pairs: Vec<Established> = Vec::with_capacity(counts[2]);
    let [heap, resident] = look();
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
            let now = look();
            seen.push((count, [now[0] - heap, now[1] - resident]));
        }
    }
    seen
}

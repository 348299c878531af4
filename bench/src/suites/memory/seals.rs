//! What it costs to fetch a context from memory, and what to make it anew.

use std::hint::black_box;

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use super::{NAME, setup, thousands};
use crate::measure::{Column, Contender, compare, wall};
use crate::peers::rust_api::RustApi;
use crate::peers::{Connection, Library as _, RUST_API, RUST_API_PARKED, establish};
use crate::report::{Cell, Measurement, Unit};
use crate::setup::Version;
use crate::suites::{Plan, Progress};
use crate::wire::Wire;

const AEAD_KEPT: &str = "bare AEAD, kept";
const AEAD_ANEW: &str = "bare AEAD, made anew";
const NAMES: [&str; 4] = [RUST_API, RUST_API_PARKED, AEAD_KEPT, AEAD_ANEW];

const ROUNDS: usize = 200;

/// Records of a batch, each on another connection.
const BATCH: usize = 1_000;

const PLAINTEXT: [u8; 64] = [0x5a; 64];

fn counts(plan: &Plan) -> Vec<usize> {
    if plan.quick { vec![1, 20] } else { vec![1, 100, 1_000, 10_000, 30_000, 100_000] }
}

fn cell(count: usize) -> Cell {
    let connections = if count == 1 { "connection" } else { "connections" };
    Cell::new(NAME, "64 B seals in random order", format!("{} {connections}", thousands(count)))
}

pub(super) fn steps(plan: &Plan) -> usize {
    counts(plan).len()
}

pub(super) fn promises(plan: &Plan) -> Vec<(Cell, String)> {
    counts(plan).into_iter().flat_map(|count| NAMES.map(|name| (cell(count), name.to_owned()))).collect()
}

pub(super) fn run(plan: &Plan, progress: &mut dyn Progress) -> Vec<Measurement> {
    let mut all = Vec::new();
    let mut contenders: Vec<Box<dyn Contender>> = Vec::new();
    for count in counts(plan) {
        progress.next(&cell(count).column);
        contenders.clear();
        contenders.push(Box::new(Connections::new(count, false, plan.seed)));
        contenders.push(Box::new(Connections::new(count, true, plan.seed)));
        contenders.push(Box::new(Keys::new(count, true, plan.seed)));
        contenders.push(Box::new(Keys::new(count, false, plan.seed)));
        let columns = [Column { cell: cell(count), unit: Unit::Nanoseconds }];
        all.extend(compare(&columns, &mut contenders, &[RUST_API_PARKED], plan.rounds(ROUNDS)));
    }
    all
}

/// Which one is next, drawn outside of the clock.
struct Draws {
    random: fastrand::Rng,
    count: usize,
    drawn: Vec<usize>,
}

impl Draws {
    fn new(count: usize, seed: u64) -> Self {
        Self { random: fastrand::Rng::with_seed(seed), count, drawn: vec![0; BATCH] }
    }

    fn draw(&mut self) -> &[usize] {
        for index in &mut self.drawn {
            *index = self.random.usize(..self.count);
        }
        &self.drawn
    }
}

struct Connections {
    clients: Vec<Box<dyn Connection>>,
    parked: bool,
    draws: Draws,
    wire: Wire,
}

impl Connections {
    fn new(count: usize, parked: bool, seed: u64) -> Self {
        // The quickest to make; in the record layer there is no difference.
        let setup = setup(Version::Tls12, true);
        let endpoints = RustApi::CONTIGUOUS.endpoints(&setup);
        let mut wire = Wire::passing();
        let client = |_| {
            let mut client = establish(&*endpoints).client;
            client.prepare(&PLAINTEXT, 1, &mut wire);
            client
        };
        let clients = (0..count).map(client).collect();
        Self { clients, parked, draws: Draws::new(count, seed), wire }
    }
}

impl Contender for Connections {
    fn name(&self) -> String {
        if self.parked { RUST_API_PARKED } else { RUST_API }.to_owned()
    }

    fn batch(&mut self, values: &mut Vec<f64>) {
        let Self { clients, parked, draws, wire } = self;
        let drawn = draws.draw();
        let time = wall(|| {
            for &index in drawn {
                let client = &mut clients[index];
                client.seal_batch(&PLAINTEXT, 1, wire);
                if *parked {
                    client.park();
                }
            }
        });
        values.push(time / BATCH as f64);
    }
}

/// A key for each connection: the AEAD library's context of it, or its bytes.
struct Keys {
    raw: Vec<[u8; 16]>,
    kept: Option<Vec<LessSafeKey>>,
    draws: Draws,
    nonce: u64,
}

impl Keys {
    fn new(count: usize, kept: bool, seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let raw: Vec<[u8; 16]> = (0..count).map(|_| random.u128(..).to_ne_bytes()).collect();
        let kept = kept.then(|| raw.iter().map(made).collect());
        Self { raw, kept, draws: Draws::new(count, seed), nonce: 0 }
    }
}

impl Contender for Keys {
    fn name(&self) -> String {
        if self.kept.is_some() { AEAD_KEPT } else { AEAD_ANEW }.to_owned()
    }

    fn batch(&mut self, values: &mut Vec<f64>) {
        let Self { raw, kept, draws, nonce } = self;
        let drawn = draws.draw();
        let mut buffer = PLAINTEXT;
        let time = wall(|| {
            for &index in drawn {
                *nonce += 1;
                match kept {
                    Some(kept) => seal(&kept[index], *nonce, &mut buffer),
                    None => seal(&made(&raw[index]), *nonce, &mut buffer),
                }
            }
        });
        values.push(time / BATCH as f64);
    }
}

fn made(raw: &[u8; 16]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_128_GCM, raw).expect("as long as the algorithm wants"))
}

fn seal(key: &LessSafeKey, number: u64, buffer: &mut [u8]) {
    let mut nonce = [9; 12];
    nonce[4..].copy_from_slice(&number.to_be_bytes());
    let additional = [3; 13];
    let tag =
        key.seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(additional), buffer);
    let _tag = black_box(tag.expect("sealed"));
}

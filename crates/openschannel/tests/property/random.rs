//! Numbers and bytes that one seed decides, and ways to spoil a token or a record.

use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::wire::{move_records, records};

/// Sets the seed of all tests here, to see a failure again.
const SEED: &str = "OPENSCHANNEL_SEED";

/// Runs one case only, the one a failure named.
const CASE: &str = "OPENSCHANNEL_CASE";

/// Runs `case` so often, each time with other numbers; it gives how many inputs it made. Says the seed when it begins, and which
/// case it was when one fails.
pub(crate) fn run(name: &str, cases: u64, mut case: impl FnMut(&mut Random) -> u64) {
    let number = |variable: &str| std::env::var(variable).ok().and_then(|text| text.parse::<u64>().ok());
    let seed = number(SEED).unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        now.as_secs() << 20 | u64::from(now.subsec_micros())
    });
    let range = number(CASE).map_or(0..cases, |only| only..only + 1);
    say(&format!("{name}: {SEED}={seed}"));
    let started = Instant::now();
    let mut inputs = 0;
    for index in range {
        let mut random = Random::new(seed, index);
        match catch_unwind(AssertUnwindSafe(|| case(&mut random))) {
            Ok(made) => inputs += made,
            Err(panic) => {
                say(&format!("{name} failed: {SEED}={seed} {CASE}={index}"));
                resume_unwind(panic);
            }
        }
    }
    say(&format!("{name}: {cases} cases, {inputs} inputs, {:.1?}", started.elapsed()));
}

/// Past the test harness, which shows print! of failed tests only.
fn say(line: &str) {
    writeln!(std::io::stderr(), "{line}").ok();
}

/// xorshift64*, begun with splitmix64.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64, case: u64) -> Self {
        let mut mixed = seed ^ case.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        Self((mixed ^ mixed >> 31) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    /// Below `bound`, which is not zero.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }

    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.next().to_be_bytes()[7]
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.byte()).collect()
    }

    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    /// Mostly short, now and then around what a record holds.
    pub(crate) fn len(&mut self) -> usize {
        match self.below(16) {
            0 => *self.pick(&[0, 16_383, 16_384, 16_385, 16_640, 16_641, 20_000]),
            1 => self.below(3_000),
            _ => self.below(64),
        }
    }

    /// A number that a length field or a type might be mistaken with.
    fn odd_number(&mut self) -> u16 {
        match self.below(3) {
            0 => *self.pick(&[0, 1, 2, 16, 17, 255, 256, 16_384, 16_385, 16_640, 18_432, 18_433, 65_535]),
            1 => u16::from(self.byte()),
            _ => u16::from_be_bytes([self.byte(), self.byte()]),
        }
    }
}

/// Spoils `bytes` in one to three ways.
pub(crate) fn spoil(random: &mut Random, bytes: &mut Vec<u8>) {
    for _ in 0..=random.below(3) {
        spoil_once(random, bytes);
    }
}

fn spoil_once(random: &mut Random, bytes: &mut Vec<u8>) {
    if bytes.is_empty() {
        let len = random.len();
        bytes.extend(random.bytes(len));
        return;
    }
    let at = random.below(bytes.len());
    let piece = at..at + 1 + random.below((bytes.len() - at).min(80));
    match random.below(13) {
        0 | 1 => bytes[at] ^= 1 << random.below(8),
        2 => bytes[at] = random.byte(),
        3 => bytes.truncate(at),
        4 => {
            let copy = bytes[piece].to_vec();
            let to = random.below(bytes.len() + 1);
            bytes.splice(to..to, copy);
        }
        5 => {
            bytes.drain(piece);
        }
        6 => {
            let len = random.below(40);
            let new = random.bytes(len);
            bytes.splice(piece, new);
        }
        7 => bytes[piece].fill(0),
        8 => {
            let len = random.len();
            bytes.extend(random.bytes(len));
        }
        9 => lie_about_a_record(random, bytes),
        10 => move_records(random, bytes),
        11 => {
            // Somewhere inside, where lengths of extensions and lists are.
            let number = random.odd_number().to_be_bytes();
            for (byte, new) in bytes[at..].iter_mut().zip(number) {
                *byte = new;
            }
        }
        _ => {
            // A handshake message's length.
            let record = *random.pick(&records(bytes));
            let number = random.odd_number().to_be_bytes();
            for (byte, new) in bytes[record.0..record.1].iter_mut().skip(7).zip(number) {
                *byte = new;
            }
        }
    }
}

fn lie_about_a_record(random: &mut Random, bytes: &mut [u8]) {
    let (start, end) = *random.pick(&records(bytes));
    let number = random.odd_number();
    let record = &mut bytes[start..end];
    let fields: &[(usize, u8)] = match random.below(3) {
        0 => &[(3, number.to_be_bytes()[0]), (4, number.to_be_bytes()[1])],
        1 => &[(0, *random.pick(&[0, 19, 20, 21, 22, 23, 24, 128, 255]))],
        _ => &[(1, random.byte()), (2, random.byte())],
    };
    for &(at, value) in fields {
        if let Some(byte) = record.get_mut(at) {
            *byte = value;
        }
    }
}

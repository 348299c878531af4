//! Numbers and bytes that the fuzzer decides, under the names that the provider's property tests use, so that their modules can be
//! taken in as they are.
//!
//! An input that has come to its end goes on as zeros, and zero is always the plain choice: a short input is an undisturbed
//! connection, and every byte more can disturb it somewhere.

use crate::wire::{move_records, records};

/// Lengths and types that a field might be mistaken with: the limits of records, of handshake messages and of short vectors.
const ODD_NUMBERS: [u16; 13] = [0, 1, 2, 16, 17, 255, 256, 16_384, 16_385, 16_640, 18_432, 18_433, 65_535];

/// Most changes that one step makes: more hide each other.
const MAX_CHANGES: usize = 4;

/// What is left of the fuzzer's input.
pub struct Random {
    bytes: Vec<u8>,
    at: usize,
}

impl Random {
    /// All of `bytes`.
    pub fn new(bytes: &[u8]) -> Self {
        Self { bytes: bytes.to_vec(), at: 0 }
    }

    /// Whether only zeros follow.
    pub fn is_exhausted(&self) -> bool {
        self.at >= self.bytes.len()
    }

    /// One byte.
    pub fn byte(&mut self) -> u8 {
        let byte = self.bytes.get(self.at).copied().unwrap_or_default();
        self.at += 1;
        byte
    }

    /// Below `bound`, which is not zero.
    pub fn below(&mut self, bound: usize) -> usize {
        let number = match bound {
            0..=0x100 => usize::from(self.byte()),
            0x101..=0x1_0000 => usize::from(u16::from_be_bytes([self.byte(), self.byte()])),
            _ => u32::from_be_bytes([self.byte(), self.byte(), self.byte(), self.byte()]) as usize,
        };
        number % bound
    }

    /// The rarer choice of `n`.
    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == n - 1
    }

    /// So many bytes, or as many as are left.
    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        let from = self.at.min(self.bytes.len());
        let to = from.saturating_add(len).min(self.bytes.len());
        self.at += len;
        self.bytes[from..to].to_vec()
    }

    /// All that is left.
    pub fn rest(&mut self) -> Vec<u8> {
        self.bytes(self.bytes.len())
    }

    /// One of them.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    /// Mostly short, now and then around what a record holds.
    #[expect(
        clippy::len_without_is_empty,
        reason = "the name that the property tests use; it is no length of this"
    )]
    pub fn len(&mut self) -> usize {
        match self.below(16) {
            15 => *self.pick(&[0, 16_383, 16_384, 16_385, 16_640, 16_641, 20_000]),
            14 => self.below(3_000),
            _ => self.below(64),
        }
    }

    fn odd_number(&mut self) -> u16 {
        match self.below(3) {
            0 => *self.pick(&ODD_NUMBERS),
            1 => u16::from(self.byte()),
            _ => u16::from_be_bytes([self.byte(), self.byte()]),
        }
    }
}

/// Changes `bytes` in one to four places. Gives whether they are other bytes than before.
pub fn spoil(random: &mut Random, bytes: &mut Vec<u8>) -> bool {
    let before = bytes.clone();
    for _ in 0..=random.below(MAX_CHANGES) {
        spoil_once(random, bytes);
    }
    *bytes != before
}

fn spoil_once(random: &mut Random, bytes: &mut Vec<u8>) {
    if bytes.is_empty() {
        let len = random.len();
        return bytes.extend(random.bytes(len));
    }
    let (start, end) = *random.pick(&records(bytes));
    // Places count from the front or the back of a record, where headers, types and tags are, so that they mean the same though
    // random numbers make records of other contents each time.
    let offset = random.below((end - start).max(1));
    let at = if random.one_in(2) { end.saturating_sub(1 + offset) } else { start + offset };
    let piece = at..(at + 1 + random.below(80)).min(bytes.len());
    match random.below(11) {
        0 => bytes[at] ^= 1 << random.below(8),
        1 => bytes[at] = random.byte(),
        2 => bytes.truncate(at),
        3 => {
            let copy = bytes[piece].to_vec();
            bytes.splice(at..at, copy);
        }
        4 => drop(bytes.drain(piece)),
        5 => {
            let len = random.below(40);
            let new = random.bytes(len);
            bytes.splice(piece, new);
        }
        6 => bytes[piece].fill(0),
        7 => {
            let number = random.odd_number().to_be_bytes();
            for (byte, new) in bytes[at..].iter_mut().zip(number) {
                *byte = new;
            }
        }
        8 => {
            // The record's header: its type, its version, its length.
            let header = [random.byte(), 3, random.byte()];
            let length = random.odd_number().to_be_bytes();
            let fields = random.below(8);
            let new = header.into_iter().chain(length).enumerate();
            for (byte, (index, value)) in bytes[start..end].iter_mut().zip(new) {
                if fields >> index.min(2) & 1 == 1 {
                    *byte = value;
                }
            }
        }
        _ => move_records(random, bytes),
    }
}

//! Memory that calls may be pointed at, with guards around every piece of it.

use crate::random::Random;

const GUARD: usize = 64;
const GUARD_BYTE: u8 = 0xA5;
/// Longer than any structure of the interface and than a whole record.
const PIECE: usize = 20_000;
const PIECES: usize = 8;

#[derive(Debug)]
pub(crate) struct Arena {
    memory: Vec<u8>,
}

impl Arena {
    pub(crate) fn new() -> Self {
        let mut arena = Self { memory: vec![GUARD_BYTE; GUARD + PIECES * (PIECE + GUARD)] };
        for piece in 0..PIECES {
            let start = Self::start(piece);
            arena.memory[start..start + PIECE].fill(0);
        }
        arena
    }

    fn start(piece: usize) -> usize {
        GUARD + piece * (PIECE + GUARD)
    }

    /// A place with at least `room` bytes behind it in its piece, at any alignment.
    pub(crate) fn place(&mut self, random: &mut Random, room: usize) -> *mut u8 {
        let offset = match random.below(4) {
            // Often the same place: aliases.
            0 => 0,
            1 => 8 * random.below((PIECE - room) / 8 + 1),
            _ => random.below(PIECE - room + 1),
        };
        let piece = random.below(PIECES);
        // One past the end is a place too, for nothing.
        self.memory.as_mut_ptr().wrapping_add(Self::start(piece) + offset)
    }

    /// Bytes behind `place` in its piece.
    pub(crate) fn room_behind(&self, place: *const u8) -> usize {
        let offset = place.addr() - self.memory.as_ptr().addr() - GUARD;
        PIECE - offset % (PIECE + GUARD)
    }

    /// Whether so many bytes from `place` are one piece's.
    pub(crate) fn holds(&self, place: *const u8, len: usize) -> bool {
        let Some(offset) = place.addr().checked_sub(self.memory.as_ptr().addr() + GUARD) else {
            return false;
        };
        offset < PIECES * (PIECE + GUARD) && offset % (PIECE + GUARD) + len <= PIECE
    }

    /// Fills some of it with anything.
    pub(crate) fn scribble(&mut self, random: &mut Random) {
        let piece = Self::start(random.below(PIECES));
        for chunk in self.memory[piece..piece + random.below(PIECE)].chunks_mut(8) {
            let number = random.next().to_ne_bytes();
            chunk.copy_from_slice(&number[..chunk.len()]);
        }
    }

    pub(crate) fn check(&self, what: &str) {
        for piece in 0..=PIECES {
            let guard = &self.memory[piece * (PIECE + GUARD)..][..GUARD];
            assert!(guard.iter().all(|byte| *byte == GUARD_BYTE), "{what} wrote where no argument points");
        }
    }
}

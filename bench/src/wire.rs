//! Where sealed records lie between one side and the other.

use std::ops::{Deref, DerefMut};

/// A batch of records on their way.
///
/// Implementations with buffers of their own write to and read from `bytes`, a stream. Those that work in place have a slot for each
/// record. A wire that does not keep its records stands for a caller who sends each one before sealing the next: the same memory again
/// and again.
#[derive(Debug, Default)]
pub struct Wire {
    /// The stream; read from [`Self::taken`].
    pub bytes: Vec<u8>,
    /// How much of `bytes` was read.
    pub taken: usize,
    /// A buffer for each record, or one for all; records fill them from the front.
    pub slots: Vec<Slot>,
    /// How long the records in `slots` are.
    pub record_len: usize,
    /// How many records were sealed.
    pub count: usize,
    /// Where plaintext goes that does not stay in place; as long as the longest record's.
    pub plaintext: Vec<u8>,
    keeps: bool,
}

/// Memory that begins with a cache line. Where the allocator happens to put a buffer makes up to five percent of difference for records of
/// 1 KiB, which nobody is to gain or lose by.
#[derive(Debug, Default)]
pub struct Slot {
    memory: Vec<u8>,
    start: usize,
    len: usize,
}

impl Slot {
    /// Grows or shrinks it; the content is lost when it grows.
    pub fn set_len(&mut self, len: usize) {
        const LINE: usize = 64;
        if self.memory.len() < len + LINE {
            self.memory = vec![0x5a; len + LINE];
            self.start = self.memory.as_ptr().align_offset(LINE).min(LINE);
        }
        self.len = len;
    }
}

impl Deref for Slot {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.memory[self.start..self.start + self.len]
    }
}

impl DerefMut for Slot {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.memory[self.start..self.start + self.len]
    }
}

/// More than any implementation puts around a record's plaintext.
const OVERHEAD: usize = 64;

/// The most plaintext in a record.
pub const LONGEST: usize = 16_384;

impl Wire {
    /// One whose records are opened later.
    #[must_use]
    pub fn keeping() -> Self {
        Self { keeps: true, plaintext: vec![0; LONGEST], ..Self::default() }
    }

    /// One whose records are gone as soon as the next is sealed.
    #[must_use]
    pub fn passing() -> Self {
        Self { plaintext: vec![0; LONGEST], ..Self::default() }
    }

    /// Whether the records are opened later.
    #[must_use]
    pub fn keeps(&self) -> bool {
        self.keeps
    }

    /// Empties the stream and makes room in it, so that sealing does not allocate for the wire's sake.
    pub fn reserve(&mut self, plaintext: usize, count: usize) {
        self.bytes.clear();
        self.taken = 0;
        let kept = if self.keeps { count } else { 1 };
        self.bytes.reserve((plaintext + OVERHEAD) * kept);
    }

    /// Slots of `header` bytes, the plaintext, and `trailer` bytes.
    pub fn lay_out(&mut self, header: usize, plaintext: &[u8], trailer: usize, count: usize) {
        let len = header + plaintext.len() + trailer;
        self.slots.resize_with(if self.keeps { count } else { 1 }, Slot::default);
        for slot in &mut self.slots {
            slot.set_len(len);
            if let Some(data) = slot.get_mut(header..header + plaintext.len()) {
                data.copy_from_slice(plaintext);
            }
        }
    }

    /// Before each record of a stream is written: drops the one before it, unless records are kept.
    pub fn sink(&mut self) -> &mut Vec<u8> {
        if !self.keeps {
            self.bytes.clear();
        }
        &mut self.bytes
    }

    /// From one slot to the next: 1, or 0 where there is one for all.
    #[must_use]
    pub fn stride(&self) -> usize {
        usize::from(self.keeps)
    }

    /// What was not read of the stream yet.
    #[must_use]
    pub fn rest(&self) -> &[u8] {
        self.bytes.get(self.taken..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::Slot;

    #[test]
    fn slots_begin_with_a_cache_line() {
        let mut slots: Vec<Slot> = Vec::new();
        for len in [1, 64, 1_000, 16_406] {
            let mut slot = Slot::default();
            slot.set_len(len);
            assert_eq!((slot.len(), slot.as_ptr().addr() % 64), (len, 0));
            slots.push(slot);
        }
        // Moved with the vector, and still where they were.
        assert!(slots.iter().all(|slot| slot.as_ptr().addr().is_multiple_of(64)));
        slots[3].set_len(10);
        assert_eq!((slots[3].len(), slots[3].as_ptr().addr() % 64), (10, 0));
    }
}

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

/// Memory that begins with a cache line, another one of its page each time it is made ready.
///
/// Where in a page a buffer lies makes up to ten percent of difference for records of 1 KiB: the processor takes loads and stores for the
/// same whose addresses end in the same twelve bits, and the AEAD copies its context to the stack. Callers' buffers lie anywhere, so
/// everybody's move through all places, and medians are over them.
#[derive(Debug, Default)]
pub struct Slot {
    memory: Vec<u8>,
    line: usize,
    start: usize,
    len: usize,
}

impl Slot {
    /// Makes it that long, elsewhere: the content is lost.
    pub fn set_len(&mut self, len: usize) {
        const LINE: usize = 64;
        const PAGE: usize = 4_096;
        /// Lines from one place to the next. It comes round to each.
        const STEP: usize = 27;
        if self.memory.len() < len + LINE + PAGE {
            self.memory = vec![0x5a; len + LINE + PAGE];
        }
        self.line = (self.line + STEP) % (PAGE / LINE);
        self.start = self.memory.as_ptr().align_offset(LINE).min(LINE) + self.line * LINE;
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
    use std::collections::BTreeSet;

    use super::Slot;

    #[test]
    fn slots_begin_with_every_cache_line_of_a_page_in_turn() {
        let mut slots: Vec<Slot> = (0..3).map(|_| Slot::default()).collect();
        for (slot, len) in slots.iter_mut().zip([1, 1_000, 16_406]) {
            let mut places = BTreeSet::new();
            for _ in 0..64 {
                slot.set_len(len);
                assert_eq!((slot.len(), slot.as_ptr().addr() % 64), (len, 0));
                places.insert(slot.as_ptr().addr() % 4_096);
            }
            assert_eq!(places.len(), 64);
        }
        let before: Vec<usize> = slots.iter().map(|slot| slot.as_ptr().addr()).collect();
        let moved: Vec<Slot> = slots.into_iter().collect();
        assert_eq!(before, moved.iter().map(|slot| slot.as_ptr().addr()).collect::<Vec<_>>());
    }
}

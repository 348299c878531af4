//! A table of entries that never move and are never freed, so that a handle may be looked up while it is being given back.

use std::hash::{BuildHasher, RandomState};
use std::sync::{LazyLock, Mutex, OnceLock, PoisonError};

use crate::types::SecHandle;

/// Which table a handle belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Credential = 0xC,
    Context = 0xD,
}

/// What a handle says of itself once it is known not to be made up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Name {
    index: usize,
    pub(super) generation: usize,
}

/// Entries in the first chunk; every further chunk is twice as large as the one before.
const FIRST_CHUNK: usize = 64;

/// 64 << 22 entries are more than memory holds contexts.
const CHUNKS: usize = 22;

const KIND_SHIFT: u32 = usize::BITS - 4;
const INDEX_MASK: usize = (1 << KIND_SHIFT) - 1;

/// The top bit of `dwUpper` stays clear: both words all ones are the SDK's mark of an invalid handle.
const UPPER_MASK: usize = usize::MAX >> 1;

/// Spreads neighbouring indices over the word: 2^64 divided by the golden ratio, cut to the word.
#[expect(clippy::cast_possible_truncation, reason = "32-bit systems take the low half")]
const SPREAD: usize = 0x9E37_79B9_7F4A_7C15_u64 as usize;

static SECRET: LazyLock<usize> = LazyLock::new(|| {
    #[expect(clippy::cast_possible_truncation, reason = "32-bit systems take the low half")]
    let secret = RandomState::new().hash_one(FIRST_CHUNK) as usize;
    secret
});

#[derive(Debug)]
pub(super) struct Table<E> {
    kind: Kind,
    chunks: [OnceLock<Box<[E]>>; CHUNKS],
    free: Mutex<Free>,
}

#[derive(Debug)]
struct Free {
    /// Entries given back, used again first: their memory is there.
    returned: Vec<usize>,
    /// The first entry that was never used.
    unused: usize,
}

impl<E: Default> Table<E> {
    pub(super) const fn new(kind: Kind) -> Self {
        let free = Mutex::new(Free { returned: Vec::new(), unused: 0 });
        Self { kind, chunks: [const { OnceLock::new() }; CHUNKS], free }
    }

    /// An entry nobody uses. None when the table is full.
    pub(super) fn reserve(&self) -> Option<usize> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(index) = free.returned.pop() {
            return Some(index);
        }
        let index = free.unused;
        let (chunk, _) = place(index)?;
        self.chunks[chunk].get_or_init(|| (0..FIRST_CHUNK << chunk).map(|_| E::default()).collect());
        free.unused += 1;
        Some(index)
    }

    pub(super) fn release(&self, index: usize) {
        self.free.lock().unwrap_or_else(PoisonError::into_inner).returned.push(index);
    }

    pub(super) fn entry(&self, index: usize) -> Option<&E> {
        let (chunk, offset) = place(index)?;
        self.chunks[chunk].get()?.get(offset)
    }

    /// Every entry that was ever used.
    pub(super) fn used(&self) -> impl Iterator<Item = &E> {
        let used = self.free.lock().unwrap_or_else(PoisonError::into_inner).unused;
        (0..used).filter_map(|index| self.entry(index))
    }

    pub(super) fn handle(&self, index: usize, generation: usize) -> SecHandle {
        SecHandle {
            lower: (self.kind as usize) << KIND_SHIFT | (index + 1),
            upper: (generation ^ mask(index)) & UPPER_MASK,
        }
    }

    fn is_of_this_kind(&self, handle: SecHandle) -> bool {
        handle.lower >> KIND_SHIFT == self.kind as usize && handle.upper & !UPPER_MASK == 0
    }

    /// The entry a handle names, whatever generation that is in by now. On 32-bit systems another provider's address may be of this
    /// kind; it hardly has a number low enough for an entry as well.
    pub(super) fn find(&self, handle: SecHandle) -> Option<(&E, Name)> {
        if !self.is_of_this_kind(handle) {
            return None;
        }
        let index = (handle.lower & INDEX_MASK).checked_sub(1)?;
        let generation = (handle.upper ^ mask(index)) & UPPER_MASK;
        Some((self.entry(index)?, Name { index, generation }))
    }
}

impl Name {
    pub(super) fn index(self) -> usize {
        self.index
    }

    /// Whether the handle is of this generation.
    pub(super) fn is(self, generation: usize) -> bool {
        self.generation == generation
    }

    /// Whether the handle was given out once and has been given back; `current` is the entry's generation.
    pub(super) fn is_past(self, current: usize) -> bool {
        self.generation != 0 && self.generation < current
    }
}

/// The generation behind this one. Zero is never used, so that an entry never used matches no handle.
pub(super) fn next_generation(generation: usize) -> usize {
    let next = generation.wrapping_add(1) & UPPER_MASK;
    next.max(1)
}

fn mask(index: usize) -> usize {
    *SECRET ^ index.wrapping_mul(SPREAD)
}

/// Chunk and offset of an entry.
fn place(index: usize) -> Option<(usize, usize)> {
    let chunk = (index / FIRST_CHUNK + 1).ilog2() as usize;
    let before = FIRST_CHUNK * ((1 << chunk) - 1);
    (chunk < CHUNKS).then(|| (chunk, index - before))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn places_are_distinct_and_inside_their_chunks() {
        let mut expected = 0;
        for chunk in 0..6 {
            for offset in 0..FIRST_CHUNK << chunk {
                assert_eq!(place(expected), Some((chunk, offset)));
                expected += 1;
            }
        }
        assert_eq!(place(FIRST_CHUNK * ((1 << CHUNKS) - 1) - 1).unwrap().0, CHUNKS - 1);
        assert_eq!(place(FIRST_CHUNK * ((1 << CHUNKS) - 1)), None);
    }

    #[test]
    fn handles_lead_back_to_their_entry_and_no_others_do() {
        static TABLE: Table<()> = Table::new(Kind::Context);
        static OTHER: Table<()> = Table::new(Kind::Credential);
        let index = TABLE.reserve().unwrap();
        OTHER.reserve().unwrap();
        let handle = TABLE.handle(index, 7);
        let (_, name) = TABLE.find(handle).unwrap();
        assert_eq!((name.index(), name.generation), (index, 7));
        assert!(OTHER.find(handle).is_none(), "another kind");
        assert!(TABLE.find(SecHandle { lower: 0, upper: 0 }).is_none());
        assert!(TABLE.find(SecHandle { lower: usize::MAX, upper: usize::MAX }).is_none());
        assert!(TABLE.find(SecHandle { lower: handle.lower + 1000, ..handle }).is_none(), "no such entry");
    }
}

//! Random numbers that can be had again (SplitMix64).

use std::env;
use std::hash::{BuildHasher, RandomState};

#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound.max(1) as u64).unwrap()
    }

    /// Once in `of` times.
    pub(crate) fn once_in(&mut self, of: usize) -> bool {
        self.below(of) == 0
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    pub(crate) fn word(&mut self) -> u32 {
        u32::try_from(self.next() >> 32).unwrap()
    }
}

/// Runs `case` so many times, each with numbers of its own.
pub(crate) fn cases(test: &str, count: u64, mut case: impl FnMut(&mut Random)) {
    let number = |name| env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let seed = number("OPENSCHANNEL_SEED").unwrap_or_else(|| RandomState::new().hash_one(test));
    println!("{test}: OPENSCHANNEL_SEED={seed}");
    let only = number("OPENSCHANNEL_CASE");
    for index in 0..count {
        if only.is_none_or(|only| only == index) {
            println!("{test}: OPENSCHANNEL_CASE={index}");
            case(&mut Random::new(seed ^ index.wrapping_mul(0xD134_2543_DE82_EF95)));
        }
    }
}

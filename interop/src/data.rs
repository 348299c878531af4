//! Data to send: random, repeatable, and known by its hash.

use std::fmt::Write as _;
use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest::{Context, SHA256};

/// Names the variable that repeats a run's data.
const SEED_VARIABLE: &str = "OPENSCHANNEL_INTEROP_SEED";

/// How much goes each way where it is the data that is tested.
pub const TEN_MEGABYTES: usize = 10_000_000;

/// This run's seed. Printed where it is first used.
pub static SEED: LazyLock<u64> = LazyLock::new(|| {
    let seed = match std::env::var(SEED_VARIABLE) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{SEED_VARIABLE} is not a number: {text}")),
        Err(_) => SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| u64::from(since.subsec_nanos()) | since.as_secs() << 30),
    };
    #[expect(clippy::print_stderr, reason = "the seed belongs into the test's output")]
    {
        eprintln!("{SEED_VARIABLE}={seed}");
    }
    seed
});

/// Random bytes that depend on the seed and on `stream`, a number to tell one piece of data from the next.
pub fn random(stream: u64, len: usize) -> Vec<u8> {
    let mut state = *SEED ^ stream.wrapping_mul(0xD134_2543_DE82_EF95);
    let mut data = vec![0; len];
    for chunk in data.chunks_mut(8) {
        chunk.copy_from_slice(&split_mix(&mut state).to_le_bytes()[..chunk.len()]);
    }
    data
}

/// SHA-256 in hexadecimal.
pub fn sha256(data: &[u8]) -> String {
    let mut digest = Digest::default();
    digest.update(data);
    digest.finish()
}

/// SHA-256 of data that comes in pieces.
pub struct Digest(Context);

impl Default for Digest {
    fn default() -> Self {
        Self(Context::new(&SHA256))
    }
}

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Digest")
    }
}

impl Digest {
    /// Adds a piece.
    pub fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    /// The hash in hexadecimal.
    pub fn finish(self) -> String {
        self.0.finish().as_ref().iter().fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").unwrap();
            text
        })
    }
}

/// Sebastiano Vigna's SplitMix64: the numbers only have to differ, and to come back with the seed.
fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_comes_back_with_its_number_and_differs_from_other_data() {
        assert_eq!(random(1, 1001), random(1, 1001));
        assert_eq!(random(1, 1001).len(), 1001);
        assert_ne!(random(1, 1001), random(2, 1001));
    }

    /// FIPS 180-2 appendix B.1.
    #[test]
    fn hashes_are_sha256_in_hexadecimal() {
        assert_eq!(sha256(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}

//! EncryptMessage and DecryptMessage against the bare AEAD and against rustls' own connection, in one process.
//!
//! Run by `cargo bench -p openschannel`. Every round times one batch of each contender, in random order, and only batches of the same
//! round are compared: a machine that slows down slows them all. Given are the median over all rounds of
//! (bare AEAD's time / contender's time), its quartiles, and the median time of one record. 1.00 is the speed of the AEAD alone, which
//! no record layer can pass by more than noise. `OPENSCHANNEL_ROUNDS` sets the number of rounds.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what is measured cannot fail")]

#[path = "../tests/common/mod.rs"]
mod common;
#[path = "throughput/contenders.rs"]
mod contenders;

use std::io::Write as _;
use std::time::Duration;

use contenders::{Bare, Contender, Direction, OpenSchannel, Rustls, Shape};
use openschannel::credentials::{CipherSuite, Protocols};

const ROUNDS: usize = 1_000;

/// Rounds whose times are thrown away: caches, branch predictors and the clock speed settle.
const WARM_UP: usize = 50;

/// Plaintext bytes a record, and records a batch: enough for the clock, few enough for the processor's cache.
const SIZES: [(usize, usize); 3] = [(16_384, 24), (1_024, 128), (64, 512)];

const SUITES: [CipherSuite; 6] = [
    CipherSuite::TLS_AES_128_GCM_SHA256,
    CipherSuite::TLS_AES_256_GCM_SHA384,
    CipherSuite::TLS_CHACHA20_POLY1305_SHA256,
    CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
];

fn main() {
    // `cargo bench` passes --bench; `cargo test --benches` does not, and wants it short.
    let asked = std::env::var("OPENSCHANNEL_ROUNDS").ok().and_then(|rounds| rounds.parse().ok());
    let is_bench = std::env::args().any(|argument| argument == "--bench");
    let rounds = asked.unwrap_or(if is_bench { ROUNDS } else { 1 });
    say(&format!(
        "{rounds} rounds; ratio to the bare AEAD: median (lower..upper quartile), nanoseconds a record"
    ));
    for suite in SUITES {
        let version = if suite.protocol() == Protocols::TLS1_3 { "TLS 1.3" } else { "TLS 1.2" };
        say(&format!("\n{suite} ({version})"));
        for direction in [Direction::Encrypt, Direction::Decrypt] {
            for (len, batch) in SIZES {
                compare(suite, direction, len, batch, rounds);
            }
        }
    }
}

fn compare(suite: CipherSuite, direction: Direction, len: usize, batch: usize, rounds: usize) {
    let mut contenders: Vec<Box<dyn Contender>> = vec![Box::new(Bare::new(suite, direction, len, batch))];
    match direction {
        Direction::Encrypt => {
            contenders.push(Box::new(OpenSchannel::new(suite, Shape::Contiguous, len, batch)));
            contenders.push(Box::new(OpenSchannel::new(suite, Shape::Scattered, len, batch)));
        }
        Direction::Decrypt => contenders.push(Box::new(OpenSchannel::new(suite, Shape::Decrypt, len, batch))),
    }
    contenders.push(Box::new(Rustls::new(suite, direction, len, batch)));

    let mut order: Vec<usize> = (0..contenders.len()).collect();
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut times: Vec<Vec<Duration>> = vec![Vec::with_capacity(rounds); contenders.len()];
    for round in 0..WARM_UP.min(rounds) + rounds {
        shuffle(&mut order, &mut random);
        for &index in &order {
            let time = contenders[index].batch();
            if round >= WARM_UP.min(rounds) {
                times[index].push(time);
            }
        }
    }
    let verb = if direction == Direction::Encrypt { "encrypt" } else { "decrypt" };
    for (contender, own) in contenders.iter().zip(&times) {
        let ratios = times[0].iter().zip(own).map(|(bare, own)| bare.as_secs_f64() / own.as_secs_f64());
        let [lower, median, upper] = quartiles(ratios.collect());
        let nanoseconds = own.iter().map(|time| time.as_secs_f64() * 1e9 / batch as f64);
        let [_, record, _] = quartiles(nanoseconds.collect());
        let name = contender.name();
        say(&format!("  {verb} {len:>5}  {name:<24} {median:.3} ({lower:.3}..{upper:.3})  {record:>7.0} ns"));
    }
}

fn shuffle(order: &mut [usize], random: &mut u64) {
    for last in (1..order.len()).rev() {
        *random ^= *random << 13;
        *random ^= *random >> 7;
        *random ^= *random << 17;
        let bound = last as u64 + 1;
        order.swap(last, usize::try_from(*random % bound).unwrap_or_default());
    }
}

fn quartiles(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| values[(values.len() - 1) * quarter / 4])
}

fn say(line: &str) {
    writeln!(std::io::stdout(), "{line}").ok();
}

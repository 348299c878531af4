//! The exported functions in any order, with any arguments in valid memory: the driver of the C ABI's random tests, with the fuzzer in
//! the place of the random numbers.
#![no_main]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a fuzz target fails by it")]

#[path = "../../crates/openschannel-ffi/tests/random_calls/arena.rs"]
mod arena;
#[allow(dead_code, reason = "the tests use all of it")]
#[path = "../../crates/openschannel-ffi/tests/random_calls/calls.rs"]
mod calls;
#[allow(dead_code, reason = "the tests use all of it")]
#[path = "../../crates/openschannel-ffi/tests/random_calls/pair.rs"]
mod pair;
mod random;

use random::Random;

/// Calls in one input, as in the tests.
const CALLS: usize = 250;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let mut random = Random::new(data);
    let mut world = calls::World::new(&mut random);
    let mut pair = pair::Pair::new(&mut random);
    match random.below(4) {
        0 => {
            pair.begin();
            any_calls(&mut random, &mut world, &pair);
        }
        1 => {
            pair.handshake(&mut random, &mut |_, _| ());
            any_calls(&mut random, &mut world, &pair);
        }
        // Between the right calls of a connection come wrong ones that leave it alone: it ends as if they had not been made.
        _ => {
            let mut disturb = |random: &mut Random, pair: &pair::Pair| {
                for _ in 0..random.below(6) {
                    world.wrong_call(random, pair);
                }
            };
            pair.handshake(&mut random, &mut disturb);
            pair.talk(&mut random, &mut disturb);
            pair.close(&mut random, &mut disturb);
        }
    }
    world.clean_up();
});

fn any_calls(random: &mut Random, world: &mut calls::World, pair: &pair::Pair) {
    world.adopt(pair);
    for _ in 0..CALLS {
        if random.is_exhausted() {
            break;
        }
        world.any_call(random);
    }
}

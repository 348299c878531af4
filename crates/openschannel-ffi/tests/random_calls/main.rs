//! The exported functions, called in any order with any arguments in valid memory: wrong, stale and aliased ones among right ones. Nothing
//! crashes, nothing is written where no argument points, and every answer is a documented status.
//!
//! Each test says the seed of its random numbers; `OPENSCHANNEL_SEED` sets it, `OPENSCHANNEL_CASE` runs one case of it only.
#![cfg(not(windows))]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by it, and tells its seed"
)]
#![allow(clippy::multiple_unsafe_ops_per_block, reason = "one promise holds for a whole list of calls")]

mod arena;
mod calls;
mod pair;
mod random;

use random::{Random, cases};

/// Calls in one case: enough for a handshake, data and an end with wrong calls between them.
const CALLS: usize = 250;

#[test]
fn any_call_in_any_order_with_any_arguments() {
    cases("any_call", 400, |random| {
        let mut world = calls::World::new(random);
        let mut pair = pair::Pair::new(random);
        if random.once_in(4) {
            pair.begin();
        } else {
            pair.handshake(random, &mut |_, _| ());
        }
        world.adopt(&pair);
        for _ in 0..CALLS {
            world.any_call(random);
        }
        world.clean_up();
    });
}

/// Between the right calls of a connection come wrong ones that leave it alone: it ends as if they had not been made.
#[test]
fn wrong_calls_leave_a_connection_alone() {
    cases("wrong_calls", 150, |random: &mut Random| {
        let mut world = calls::World::new(random);
        let mut pair = pair::Pair::new(random);
        let mut disturb = |random: &mut Random, pair: &pair::Pair| {
            for _ in 0..random.below(6) {
                world.wrong_call(random, pair);
            }
        };
        pair.handshake(random, &mut disturb);
        pair.talk(random, &mut disturb);
        pair.close(random, &mut disturb);
        world.clean_up();
    });
}

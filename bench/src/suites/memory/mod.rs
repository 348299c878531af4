//! Memory: what an idle connection takes, how it grows with their number, and what it costs to keep less of it.

pub mod heap;
mod idle;
mod many;
mod seals;

use crate::goals::{Bound, Goal, Subject};
use crate::peers::{RUST_API, RUST_API_PARKED};
use crate::report::{Cell, Measurement};
use crate::setup::{Aead, Setup, Version};
use crate::suites::{Plan, Progress, Suite};

pub use idle::{Moment, Role};

/// The suite.
#[derive(Clone, Copy, Debug)]
pub struct Memory;

/// Its name.
pub const NAME: &str = "memory";

impl Suite for Memory {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> &'static str {
        "heap of an idle connection, before and after traffic; 100 000 pairs; seals over that many, kept or parked"
    }

    fn steps(&self, plan: &Plan) -> usize {
        idle::steps() + many::steps() + seals::steps(plan)
    }

    fn promises(&self, plan: &Plan) -> Vec<(Cell, String)> {
        [idle::promises(), many::promises(plan), seals::promises(plan)].concat()
    }

    fn method(&self) -> &'static str {
        "Bytes of a connection are what the heap shrinks by when a thousand of a kind are freed, divided by as many: the C library's \
         mallinfo2, which counts for Rust and C alike and with what the allocator adds to each block. The caller's object is among \
         it, in a box; wires and buffers of this program are not. Sixteen that go first fill the allocator's cache for the thread. \
         Moments: *established*, behind a full handshake without tickets; *after 16 KiB each way*; *resumed, after 16 KiB each \
         way*, behind a resumed handshake, which in TLS 1.3 has brought the client two tickets. *Parked* is the provider after \
         `park()`, *OpenSchannel* without any call.\n\n\
         Many pairs are resumed ones (two tickets in TLS 1.3) that have talked 64 B each way, made one after the other, all of them \
         kept; the heap and the process' resident memory are looked at on the way, so equal figures mean linear growth.\n\n\
         Seals: wall-clock time of a record of 64 B on a connection that is picked at random among N (TLS 1.2, AES-128-GCM, clients \
         alone). *Parked* parks after every record, *OpenSchannel* decides by itself; the *bare AEAD* is aws-lc-rs with a context for each \
         of N keys, or one that is made for every seal."
    }

    fn goals(&self) -> Vec<Goal> {
        use Role::{Client, Server};
        vec![
            goal("memory-server", "an idle server connection, active", 1_700.0, Server, RUST_API),
            goal("memory-server-parked", "an idle server connection, parked", 512.0, Server, RUST_API_PARKED),
            goal("memory-client", "an idle client connection, active", 2_600.0, Client, RUST_API),
            goal(
                "memory-client-parked",
                "an idle client connection, parked",
                1_300.0,
                Client,
                RUST_API_PARKED,
            ),
        ]
    }

    fn run(&self, plan: &Plan, progress: &mut dyn Progress) -> Result<Vec<Measurement>, String> {
        if heap::used().is_none() || heap::resident().is_none() {
            return Err("only counted on Linux with glibc 2.33 or later".to_owned());
        }
        let mut all = idle::run(plan, progress);
        all.extend(many::run(plan, progress));
        all.extend(seals::run(plan, progress));
        Ok(all)
    }
}

/// After traffic, which is when it holds most, both with and without tickets.
fn goal(id: &'static str, what: &'static str, bound: f64, role: Role, contender: &'static str) -> Goal {
    let moments = [Moment::Talked, Moment::ResumedAndTalked];
    let places = Version::ALL.into_iter().flat_map(|version| moments.map(|moment| (version, moment)));
    let subject = |(version, moment): (Version, Moment)| Subject {
        label: if moment == Moment::Talked { version.to_string() } else { format!("{version} resumed") },
        cell: idle::cell(version, role, moment),
        contender,
        to: None,
    };
    Goal { id, what, bound: Bound::AtMost(bound), subjects: places.map(subject).collect() }
}

fn setup(version: Version, resumed: bool) -> Setup {
    Setup { resumed, ..Setup::records(version, Aead::Aes128Gcm) }
}

/// "100 000".
fn thousands(number: usize) -> String {
    if number < 1_000 { number.to_string() } else { format!("{} {:03}", number / 1_000, number % 1_000) }
}

//! Whatever happened to two contexts, deleting them gives back every byte they took, the AEAD library's included.
//!
//! The schedules are those of `src/context/schedules_tests`, here through the public interface alone: each begins with a handshake of its
//! own, so there are fewer of them. What a client makes of tickets is left out there, and in here.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by it")]

#[path = "../common/mod.rs"]
mod common;
#[path = "../allocation/heap.rs"]
#[allow(dead_code, reason = "the fixture of another test, which counts requests too")]
mod heap;
#[path = "mod.rs"]
mod schedules;

use std::io::Write as _;
use std::sync::Arc;

use common::{Pair, inbound, outbound};
use openschannel::credentials::{
    ClientSession, ClientSessionStore, NamedGroup, PostHandshake, Protocols, ServerSessionStore,
};
use openschannel::{ClosingReport, ContextOptions};
use schedules::rules::RUNS;
use schedules::step::{self, Step};
use schedules::world::{Ends, Inspect, Rules, World};

/// Sees what a caller does.
#[derive(Debug)]
struct Outside;

impl Inspect for Outside {
    type State = Option<ClosingReport>;

    fn look(ends: &Ends) -> Self::State {
        ends.report()
    }
}

/// Keeps nothing, so that no session outlives its connection.
#[derive(Debug)]
struct NoSessions;

impl ClientSessionStore for NoSessions {
    fn put(&self, _: &str, _: ClientSession) {}
    fn get_tls12(&self, _: &str) -> Option<ClientSession> {
        None
    }
    fn take_tls13(&self, _: &str) -> Option<ClientSession> {
        None
    }
    fn remove_tls12(&self, _: &str) {}
    fn remove(&self, _: &str) {}
    fn set_group_hint(&self, _: &str, _: NamedGroup) {}
    fn group_hint(&self, _: &str) -> Option<NamedGroup> {
        None
    }
}

impl ServerSessionStore for NoSessions {
    fn put(&self, _: &[u8], _: &[u8]) -> bool {
        false
    }
    fn get(&self, _: &[u8]) -> Option<Vec<u8>> {
        None
    }
    fn take(&self, _: &[u8]) -> Option<Vec<u8>> {
        None
    }
    fn can_cache(&self) -> bool {
        false
    }
}

/// Steps of a schedule here, and behind how many of the beginnings of its run.
const DEPTH: usize = 2;
const BEGINNINGS: usize = 1;

/// Every how many schedules one is brought to its end before both sides are deleted; the others are deleted where they stand.
const FINISHED: usize = 8;

#[test]
fn memory_is_back_to_zero_after_every_schedule() {
    let (mut schedules, mut most) = (0, 0);
    for run in RUNS.iter().filter(|run| run.depth > 0) {
        let establish = establisher(run.rules);
        let list = list(run.beginnings, &establish);
        // What is made once a thread or once a credential is nobody's connection.
        drop(establish());
        for schedule in &list {
            let before = (heap::all().bytes, heap::rust().bytes);
            let mut world = establish();
            schedule.iter().for_each(|step| world.apply(*step));
            most = most.max(heap::all().bytes - before.0);
            schedules += 1;
            if schedules % FINISHED == 0 {
                world.finish();
            }
            drop(world);
            let after = (heap::all().bytes, heap::rust().bytes);
            assert_eq!(after, before, "{}: {}", run.rules.name, step::write(schedule));
        }
    }
    // Past the test harness, which shows print! of failed tests only.
    writeln!(
        std::io::stderr(),
        "schedules, memory: {schedules} schedules; at most {most} bytes, zero after each"
    )
    .ok();
    assert!(schedules > 1_000 && most > 1_000);
}

fn establisher(rules: Rules) -> impl Fn() -> World<Outside> {
    let outbound = outbound().protocols(rules.version).session_store(Arc::new(NoSessions)).acquire().unwrap();
    // A TLS 1.2 server's credential remembers tickets that a fatal alert has made worthless, up to a bound: no connection's memory.
    let inbound = inbound()
        .protocols(rules.version)
        .session_store(Arc::new(NoSessions))
        .tickets(rules.version == Protocols::TLS1_3)
        .acquire()
        .unwrap();
    move || {
        let mode: PostHandshake = rules.mode;
        let options = ContextOptions { post_handshake: Some(mode), ..ContextOptions::default() };
        World::of(rules, Pair::establish(&outbound, &inbound, &options))
    }
}

/// Every schedule of [`DEPTH`] steps.
fn list(beginnings: &[&str], establish: &impl Fn() -> World<Outside>) -> Vec<Vec<Step>> {
    let mut schedules: Vec<_> = beginnings.iter().take(BEGINNINGS).map(|text| step::parse(text)).collect();
    for _ in 0..DEPTH {
        schedules = schedules
            .into_iter()
            .flat_map(|schedule| {
                let mut world = establish();
                schedule.iter().for_each(|step| world.apply(*step));
                let enabled = world.enabled();
                // A schedule that cannot go on stays in the list.
                let rest = if enabled.is_empty() { vec![schedule.clone()] } else { Vec::new() };
                let longer = enabled.into_iter().map(move |next| [&schedule[..], &[next]].concat());
                rest.into_iter().chain(longer).collect::<Vec<_>>()
            })
            .collect();
    }
    schedules
}

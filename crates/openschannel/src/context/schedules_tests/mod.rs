//! Every schedule of two connected contexts, to a stated depth: sending, closing, alerts, key updates, records that arrive whole or in
//! part, ends of the transport, deletion, and somebody on the way.
//!
//! ```text
//!   beginning --+-- step --+-- step --+-- step: a schedule; then what is under way arrives, both close, both are deleted
//!               |          |          '-- every other step that is possible now
//!               |          '-- ...
//!               '-- ...        behind each step: the verdicts, what was sent and delivered, and calls that are wrong in every state
//! ```
//!
//! Contexts are forked at every step, so that schedules with the same beginning share it. A fork is parked: every step is made from raw keys,
//! and the last ones of a schedule, which no fork divides, behind others with kept ones. What is compared before and after a call that
//! may not change anything is all the state there is, keys and sequence numbers included; no key and nonce come twice in a schedule.
//! Nothing is left out because it looks like something else: a step is missing only where it has no object (reading when nothing is
//! under way, anything after deletion).
//!
//! Replay: `OPENSCHANNEL_SCHEDULE="tls13: Cd Ss Cr" cargo test -p openschannel --lib schedules_tests`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a schedule fails by a panic")]

#[path = "../../../tests/schedules/mod.rs"]
mod schedules;

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use super::receive::fork::ReceiveState;
use super::security_context::fork::fork_halves;
use super::send::fork::SendState;
use crate::record::take_sealed;
use schedules::rules::{RUNS, Run};
use schedules::step::{self, Step};
use schedules::world::{Ends, Inspect, Side, World};

/// Sees everything.
#[derive(Debug)]
struct Inside;

impl Inspect for Inside {
    type State = (Option<SendState>, Option<ReceiveState>);

    fn look(ends: &Ends) -> Self::State {
        match ends {
            Ends::Whole(context) => {
                let (send, receive) = context.all_state();
                (Some(send), Some(receive))
            }
            Ends::Halves(send, receive) => (send.as_ref().map(|send| send.state()), Some(receive.state())),
            Ends::Deleted => (None, None),
        }
    }
}

fn fork(world: &World<Inside>) -> World<Inside> {
    let side = |side: &Side| Side {
        ends: match &side.ends {
            Ends::Whole(context) => Ends::Whole(context.fork()),
            Ends::Halves(send, receive) => {
                let (send, receive) = fork_halves(send.as_ref(), receive);
                Ends::Halves(send, receive)
            }
            Ends::Deleted => Ends::Deleted,
        },
        closing: side.closing.clone(),
        ..*side
    };
    World {
        rules: world.rules,
        sides: [side(&world.sides[0]), side(&world.sides[1])],
        lanes: world.lanes.clone(),
        at_once: world.at_once,
        inspect: world.inspect,
    }
}

/// What one run has gone through.
#[derive(Default)]
struct Counts {
    schedules: u64,
    steps: u64,
    ends: HashSet<u64>,
}

struct Explorer {
    path: Vec<Step>,
    counts: Counts,
    /// Every (key, nonce) of this schedule, by depth.
    sealed: Vec<([u8; 8], [u8; 12])>,
    large: Vec<u8>,
}

impl Explorer {
    fn new() -> Self {
        Self { path: Vec::new(), counts: Counts::default(), sealed: Vec::new(), large: vec![0; 16_400] }
    }

    /// Takes `step` in `world` and checks what has to hold.
    fn take(&mut self, world: &mut World<Inside>, step: Step) {
        self.path.push(step);
        self.counts.steps += 1;
        world.apply(step);
        self.note_sealed();
        world.misuse(step.side, &mut self.large);
        assert!(take_sealed().is_empty(), "an error of use has sealed a record");
    }

    fn note_sealed(&mut self) {
        for sealed in take_sealed() {
            assert!(!self.sealed.contains(&sealed), "a key and nonce twice");
            self.sealed.push(sealed);
        }
    }

    fn explore(&mut self, world: World<Inside>, depth: usize) {
        let steps = if depth == 0 { Vec::new() } else { world.enabled() };
        if steps.is_empty() {
            return self.end(world);
        }
        let noted = self.sealed.len();
        for step in steps {
            let mut next = fork(&world);
            self.take(&mut next, step);
            self.explore(next, depth - 1);
            self.path.pop();
            self.sealed.truncate(noted);
        }
    }

    fn end(&mut self, mut world: World<Inside>) {
        self.counts.schedules += 1;
        let mut hasher = DefaultHasher::new();
        world.outline().hash(&mut hasher);
        self.counts.ends.insert(hasher.finish());
        let noted = self.sealed.len();
        world.finish();
        self.note_sealed();
        self.sealed.truncate(noted);
    }
}

/// Goes through one run on `threads` threads.
fn go(run: &Run, depth: usize, threads: usize) -> Counts {
    let roots: Vec<_> = run.beginnings.iter().map(|beginning| (step::parse(beginning), beginning)).collect();
    let total = Mutex::new(Counts::default());
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let start = World::<Inside>::establish(run.rules);
                let mut work = 0;
                let mut explorer = Explorer::new();
                take_sealed();
                for (beginning, _) in &roots {
                    let mut world = fork(&start);
                    explorer.path.clear();
                    explorer.sealed.clear();
                    guarded(run, &mut explorer, |explorer| {
                        for step in beginning {
                            explorer.take(&mut world, *step);
                        }
                    });
                    // One piece of work is what follows one first step.
                    for first in world.enabled() {
                        work += 1;
                        if next.load(Ordering::Relaxed) >= work
                            || next
                                .compare_exchange(work - 1, work, Ordering::AcqRel, Ordering::Relaxed)
                                .is_err()
                        {
                            continue;
                        }
                        let noted = explorer.sealed.len();
                        guarded(run, &mut explorer, |explorer| {
                            let mut world = fork(&world);
                            explorer.take(&mut world, first);
                            explorer.explore(world, depth - 1);
                        });
                        explorer.path.truncate(beginning.len());
                        explorer.sealed.truncate(noted);
                    }
                }
                let mut total = total.lock().unwrap();
                total.schedules += explorer.counts.schedules;
                total.steps += explorer.counts.steps;
                total.ends.extend(explorer.counts.ends);
            });
        }
    });
    total.into_inner().unwrap()
}

/// Says which schedule it was.
fn guarded(run: &Run, explorer: &mut Explorer, work: impl FnOnce(&mut Explorer)) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| work(explorer))) {
        let schedule = format!("{}: {}", run.rules.name, step::write(&explorer.path));
        say(&format!("failing schedule: OPENSCHANNEL_SCHEDULE={schedule:?}"));
        std::panic::resume_unwind(panic);
    }
}

/// Past the test harness, which shows print! of failed tests only.
fn say(line: &str) {
    writeln!(std::io::stderr(), "{line}").ok();
}

fn go_through_all(depth: impl Fn(&Run) -> usize) -> u64 {
    let began = Instant::now();
    let (mut schedules, mut steps, mut ends) = (0, 0, 0);
    for run in RUNS {
        let began = Instant::now();
        let depth = depth(run);
        if depth == 0 {
            continue;
        }
        let counts = go(run, depth, 2);
        say(&format!(
            "schedules, {:26} depth {depth} behind {} beginnings: {:9} schedules, {:9} steps, {:6} distinct ends, {:.1} s",
            run.rules.name,
            run.beginnings.len(),
            counts.schedules,
            counts.steps,
            counts.ends.len(),
            began.elapsed().as_secs_f64()
        ));
        schedules += counts.schedules;
        steps += counts.steps;
        ends += counts.ends.len();
    }
    say(&format!(
        "schedules, all: {schedules} schedules, {steps} steps, {ends} distinct ends, {:.1} s",
        began.elapsed().as_secs_f64()
    ));
    schedules
}

#[test]
fn every_schedule_to_a_small_depth() {
    if let Ok(schedule) = std::env::var("OPENSCHANNEL_SCHEDULE") {
        return replay(&schedule);
    }
    assert!(go_through_all(|run| run.depth) >= 200_000);
}

#[test]
#[ignore = "long: more than ten million schedules, minutes in a release build"]
fn every_schedule_to_a_greater_depth() {
    assert!(go_through_all(|run| run.extended_depth) >= 1_000_000);
}

fn replay(schedule: &str) {
    let (name, steps) = schedule.split_once(':').unwrap();
    let run = RUNS.iter().find(|run| run.rules.name == name).unwrap();
    let mut world = World::<Inside>::establish(run.rules);
    let mut explorer = Explorer::new();
    take_sealed();
    for step in step::parse(steps) {
        say(&format!("{step}"));
        explorer.take(&mut world, step);
        say(&format!("  {:?}\n  {:?}", world.sides[0].report(), world.sides[1].report()));
    }
    explorer.end(world);
}

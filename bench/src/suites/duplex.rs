//! Two threads at once: one seals, the other opens, on one context or on two.
//!
//! ```text
//!   this thread:   prepare -- hand over --> wait for ready -- clock, go -- seal a batch -- clock -- take back
//!   its partner:   take -- open one record -- ready -- wait for go ------- open a batch -- clock -- give back
//! ```

use std::hint::spin_loop;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle, yield_now};
use std::time::Instant;

use crate::goals::{Bound, Goal, Subject};
use crate::measure::{Column, Contender, compare, wall};
use crate::peers::{
    C_ABI, Connection, Halves, Library, RUST_API, Receiving, Sending, c_abi, establish, rust_api,
};
use crate::report::{Cell, Measurement, Unit};
use crate::setup::{Aead, Setup, Version};
use crate::suites::bulk::column;
use crate::suites::{Plan, Progress, Suite};
use crate::wire::Wire;

/// The suite.
#[derive(Clone, Copy, Debug)]
pub struct Duplex;

/// Its name.
pub const NAME: &str = "duplex";

/// Plaintext bytes of a record, and records of a batch: about 50 microseconds on each thread.
const SIZES: [(usize, usize); 3] = [(16_384, 32), (1_024, 192), (64, 400)];

const ROUNDS: usize = 1_000;

const ONE: &str = "OpenSchannel, one context";
const TWO: &str = "OpenSchannel, two contexts";
const IN_TURN: &str = "OpenSchannel, one thread";
const C_ONE: &str = "OpenSchannel, C ABI, one context";
const C_TWO: &str = "OpenSchannel, C ABI, two contexts";
const C_IN_TURN: &str = "OpenSchannel, C ABI, one thread";

/// Name, interface, and who does what.
const CONTENDERS: [(&str, &str, Shape); 6] = [
    (TWO, RUST_API, Shape::TwoContexts),
    (ONE, RUST_API, Shape::OneContext),
    (IN_TURN, RUST_API, Shape::InTurn),
    (C_TWO, C_ABI, Shape::TwoContexts),
    (C_ONE, C_ABI, Shape::OneContext),
    (C_IN_TURN, C_ABI, Shape::InTurn),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// Two threads, each with a context of its own: what the machine can do.
    TwoContexts,
    /// Two threads on one context.
    OneContext,
    /// One thread, one context: first all is sealed, then all opened.
    InTurn,
}

impl Suite for Duplex {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> &'static str {
        "two threads on one context: one seals, the other opens, beside two separate contexts"
    }

    fn method(&self) -> &'static str {
        "One thread seals a batch while another opens one, AES-128-GCM, on one context whose halves they hold, or on two \
         contexts; both begin at the same moment, and the time is that from there to the end of the later one, for one record \
         each way. *One thread* does the same work in turn: half its speed is what two processors could save. Through the C ABI \
         both threads use the same handle."
    }

    fn goals(&self) -> Vec<Goal> {
        let mut subjects = Vec::new();
        for version in Version::ALL {
            for (len, _) in SIZES {
                for (contender, to, interface) in [(ONE, TWO, ""), (C_ONE, C_TWO, " C ABI")] {
                    let label = format!("{version} {}{interface}", column(len));
                    subjects.push(Subject { label, cell: cell(version, len), contender, to: Some(to) });
                }
            }
        }
        vec![Goal {
            id: "duplex",
            what: "two threads on one context, to two contexts",
            bound: Bound::AtLeast(0.97),
            subjects,
        }]
    }

    fn steps(&self, _plan: &Plan) -> usize {
        Version::ALL.len() * SIZES.len()
    }

    fn promises(&self, _plan: &Plan) -> Vec<(Cell, String)> {
        let cells = Version::ALL.into_iter().flat_map(|version| SIZES.map(|(len, _)| cell(version, len)));
        cells.flat_map(|cell| CONTENDERS.map(|(name, ..)| (cell.clone(), name.to_owned()))).collect()
    }

    fn run(&self, plan: &Plan, progress: &mut dyn Progress) -> Result<Vec<Measurement>, String> {
        let partner = Rc::new(Partner::new());
        let mut all = Vec::new();
        for version in Version::ALL {
            for (len, count) in SIZES {
                progress.next(&format!("{version}, {}", column(len)));
                let contender = |(name, interface, shape)| -> Box<dyn Contender> {
                    let library: &dyn Library =
                        if interface == C_ABI { &c_abi::CAbi } else { &rust_api::RustApi::CONTIGUOUS };
                    Box::new(Work::new(name, library, shape, version, len, count, Rc::clone(&partner)))
                };
                let mut contenders = CONTENDERS.map(contender);
                let columns = [Column { cell: cell(version, len), unit: Unit::Nanoseconds }];
                all.extend(compare(&columns, &mut contenders, &[TWO, C_TWO, IN_TURN], plan.rounds(ROUNDS)));
            }
        }
        Ok(all)
    }
}

fn cell(version: Version, len: usize) -> Cell {
    Cell::new(NAME, format!("{version}, {}", Aead::Aes128Gcm), column(len))
}

/// What the two threads do.
struct Work {
    name: &'static str,
    shape: Shape,
    sending: Box<dyn Sending>,
    /// Away while the partner works.
    receiving: Option<Box<dyn Receiving>>,
    /// Seals what is opened.
    peer: Box<dyn Connection>,
    /// What else belongs to the contexts in use.
    _rest: Option<Halves>,
    plaintext: Vec<u8>,
    count: usize,
    sent: Wire,
    received: Option<[Wire; 2]>,
    partner: Rc<Partner>,
}

impl Work {
    fn new(
        name: &'static str,
        library: &dyn Library,
        shape: Shape,
        version: Version,
        len: usize,
        count: usize,
        partner: Rc<Partner>,
    ) -> Self {
        let endpoints = library.endpoints(&Setup::records(version, Aead::Aes128Gcm));
        let pair = || {
            let pair = establish(&*endpoints);
            (pair.client.split().expect("made for two threads"), pair.server)
        };
        let (Halves { sending, receiving }, peer) = pair();
        let (receiving, peer, sending, rest) = if shape == Shape::TwoContexts {
            let (other, _) = pair();
            (receiving, peer, other.sending, Some(Halves { sending, receiving: other.receiving }))
        } else {
            (receiving, peer, sending, None)
        };
        Self {
            name,
            shape,
            sending,
            receiving: Some(receiving),
            peer,
            _rest: rest,
            plaintext: vec![0x5a; len],
            count,
            sent: Wire::passing(),
            received: Some([Wire::keeping(), Wire::keeping()]),
            partner,
        }
    }
}

impl Contender for Work {
    fn name(&self) -> String {
        self.name.to_owned()
    }

    fn batch(&mut self, values: &mut Vec<f64>) {
        let Self { sending, peer, plaintext, count, sent, .. } = self;
        let mut receiving = self.receiving.take().expect("there between two batches");
        let [mut first, mut rest] = self.received.take().expect("there between two batches");
        peer.prepare(plaintext, 1, &mut first);
        peer.seal_batch(plaintext, 1, &mut first);
        peer.prepare(plaintext, *count, &mut rest);
        peer.seal_batch(plaintext, *count, &mut rest);
        sending.prepare(plaintext, *count, sent);
        sending.seal_batch(plaintext, 1, sent);
        let time = if self.shape == Shape::InTurn {
            receiving.open_batch(&mut first);
            wall(|| {
                sending.seal_batch(plaintext, *count, sent);
                receiving.open_batch(&mut rest)
            })
        } else {
            let job = Job { receiving, first, rest };
            let (time, done) = self.partner.beside(job, || sending.seal_batch(plaintext, *count, sent));
            Job { receiving, first, rest } = done;
            time
        };
        values.push(time / *count as f64);
        self.receiving = Some(receiving);
        self.received = Some([first, rest]);
    }
}

/// Opened by the other thread: one record before the clock starts, then the batch.
struct Job {
    receiving: Box<dyn Receiving>,
    first: Wire,
    rest: Wire,
}

/// The other thread. It sleeps between jobs.
struct Partner {
    jobs: Option<Sender<Job>>,
    done: Receiver<(Job, Instant)>,
    signal: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

/// Neither is there.
const APART: usize = 0;
/// The partner waits for the word.
const READY: usize = 1;
/// Both run.
const GO: usize = 2;

impl Partner {
    fn new() -> Self {
        let (jobs, taken) = channel();
        let (given, done) = channel();
        let signal = Arc::new(AtomicUsize::new(APART));
        let shared = Arc::clone(&signal);
        let thread = thread::spawn(move || work(&taken, &given, &shared));
        Self { jobs: Some(jobs), done, signal, thread: Some(thread) }
    }

    /// Does `own` while the other thread does the job: nanoseconds from the common beginning to the later end.
    fn beside(&self, job: Job, own: impl FnOnce()) -> (f64, Job) {
        self.jobs.as_ref().expect("it lives").send(job).expect("it lives");
        await_signal(&self.signal, READY);
        let start = Instant::now();
        self.signal.store(GO, Ordering::Release);
        own();
        let end = Instant::now();
        let (job, other_end) = self.done.recv().expect("it lives");
        let time = end.max(other_end).duration_since(start);
        (time.as_secs_f64() * 1e9, job)
    }
}

impl Drop for Partner {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            thread.join().expect("it ends with its jobs");
        }
    }
}

fn work(jobs: &Receiver<Job>, done: &Sender<(Job, Instant)>, signal: &AtomicUsize) {
    while let Ok(mut job) = jobs.recv() {
        job.receiving.open_batch(&mut job.first);
        signal.store(READY, Ordering::Release);
        await_signal(signal, GO);
        job.receiving.open_batch(&mut job.rest);
        let end = Instant::now();
        signal.store(APART, Ordering::Release);
        if done.send((job, end)).is_err() {
            return;
        }
    }
}

/// Without sleeping, which would take longer than a batch; but where there is one processor only, the other has to get it.
fn await_signal(signal: &AtomicUsize, awaited: usize) {
    /// Some tens of microseconds.
    const SPINS: u32 = 4_096;
    let mut spins = 0_u32;
    while signal.load(Ordering::Acquire) != awaited {
        spins += 1;
        if spins.is_multiple_of(SPINS) { yield_now() } else { spin_loop() }
    }
}

//! `openschannel serve` with connections by the thousand, one after the other and of every kind: orderly ends, half-closes, key updates,
//! cuts, resets, alerts, handshakes that are given up, most of them resumed, in both versions. At the end the server has as much memory,
//! as many descriptors and threads as it had before, and its tally is exact.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "tests")]
#![allow(unreachable_pub, reason = "a test is no library")]

#[path = "../common/mod.rs"]
mod common;
mod load;
mod resources;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::os::fd::AsFd as _;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use common::*;
use load::{Kind, Load, Service};
use resources::Resources;
use serde_json::Value;

/// Of each service. Two of these are the hundred thousand.
const MANY: usize = 50_000;
const SOME: usize = 750;

/// What comes first is not compared: stores of sessions fill, threads start, the allocator takes what it will use again.
const WARM_UP: usize = 5;

/// Growth of memory that is not taken for a leak: what the allocator's arenas differ by when the last connections of two moments lay in
/// different places. A leak of 128 bytes for each of the 40,000 connections between the two would be five mebibytes.
const TOLERANCE_KIB: u64 = 4_096;

/// As many threads as `serve` has for files.
const FILE_THREADS: usize = 64;

/// When the server has not counted its connections by then it will not.
const FOR_EVER: Duration = Duration::from_secs(300);

#[test]
fn an_echo_stays_as_it_is() {
    churn(Service::Echo, SOME);
}

#[test]
fn a_web_server_stays_as_it_is() {
    churn(Service::Www, SOME);
}

#[test]
#[ignore = "long: a hundred thousand connections"]
fn a_hundred_thousand_connections_leave_nothing() {
    churn(Service::Echo, MANY);
    churn(Service::Www, MANY);
}

fn churn(service: Service, number: usize) {
    let site = tempfile::tempdir().unwrap();
    std::fs::write(site.path().join("small"), load::SMALL).unwrap();
    let www = ["--www", site.path().to_str().unwrap()];
    let mut server = Served::start(if service == Service::Echo { &["--echo"] } else { &www });
    let before = Resources::of(server.running.child.id());
    let lines = Lines::read(&server);
    let load = Load::new(&server, service);

    let warm_up = number / WARM_UP;
    load.run(0..warm_up);
    lines.wait_for(warm_up);
    let warm = Resources::settled(server.running.child.id(), &before);
    load.run(warm_up..number);
    lines.wait_for(number);
    let end = Resources::settled(server.running.child.id(), &before);

    println!("{service:?}: {number} connections, {} resumed", load.resumed.load(Ordering::Relaxed));
    println!("  before {before}\n  after {warm_up} {warm}\n  at the end {end}");
    assert_eq!(end.descriptors, before.descriptors);
    assert!(
        end.memory_kib <= warm.memory_kib + TOLERANCE_KIB,
        "{} KiB more",
        end.memory_kib - warm.memory_kib
    );
    match service {
        Service::Echo => assert_eq!(end.threads, before.threads),
        // Those that read files stay for some seconds.
        Service::Www => assert!(end.threads <= before.threads + FILE_THREADS, "{}", end.threads),
    }
    assert!(load.resumed.load(Ordering::Relaxed) > number / 3, "most are resumed");

    server.signal("TERM");
    assert!(server.running.child.wait().unwrap().success());
    assert_tally(&lines.finish(), number, &load);
}

/// To the last connection, and to the last byte.
fn assert_tally(tally: &Value, number: usize, load: &Load) {
    let mut expected = BTreeMap::<&str, u64>::new();
    for index in 0..number {
        *expected.entry(Kind::of(index).outcome()).or_default() += 1;
    }
    assert_eq!(tally["connections"], number, "{tally}");
    for outcome in ["clean", "truncated", "reset", "alert", "failed", "open", "aborted"] {
        assert_eq!(tally[outcome], *expected.get(outcome).unwrap_or(&0), "{outcome}: {tally}");
    }
    assert_eq!(tally["bytes_received"], load.said.load(Ordering::Relaxed), "{tally}");
    assert_eq!(tally["bytes_sent"], load.heard.load(Ordering::Relaxed), "{tally}");
}

/// What the server says on its standard output, read by a thread so that it never waits.
struct Lines {
    seen: Arc<(Mutex<Seen>, Condvar)>,
    reader: thread::JoinHandle<()>,
}

#[derive(Default)]
struct Seen {
    connections: usize,
    tally: Value,
}

impl Lines {
    fn read(server: &Served) -> Self {
        let seen = Arc::<(Mutex<Seen>, Condvar)>::default();
        let shared = Arc::clone(&seen);
        // Nothing but the first line has been said, which is read.
        let pipe = server.running.stdout.get_ref().as_fd().try_clone_to_owned().unwrap();
        let reader = thread::spawn(move || {
            for line in BufReader::new(File::from(pipe)).lines() {
                let line: Value = serde_json::from_str(&line.unwrap()).unwrap();
                let mut seen = shared.0.lock().unwrap();
                match line["event"].as_str() {
                    Some("connection") => seen.connections += 1,
                    _ => seen.tally = line,
                }
                shared.1.notify_all();
            }
        });
        Self { seen, reader }
    }

    /// Until so many connections have been reported.
    fn wait_for(&self, number: usize) {
        let seen = self.seen.0.lock().unwrap();
        let (seen, _) =
            self.seen.1.wait_timeout_while(seen, FOR_EVER, |seen| seen.connections < number).unwrap();
        assert_eq!(seen.connections, number);
    }

    /// The tally, once the server has ended.
    fn finish(self) -> Value {
        self.reader.join().unwrap();
        self.seen.0.lock().unwrap().tally.clone()
    }
}

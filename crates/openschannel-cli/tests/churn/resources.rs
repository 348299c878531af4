//! What a process has of the system's, as /proc tells it.

use std::fmt;
use std::thread;
use std::time::{Duration, Instant};

/// When a descriptor has not been given back by then it will not be.
const FOR_EVER: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug)]
pub struct Resources {
    /// Private memory in use.
    pub memory_kib: u64,
    pub descriptors: usize,
    pub threads: usize,
}

impl Resources {
    pub fn of(process: u32) -> Self {
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
        let field = |name: &str| -> u64 {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.trim().trim_end_matches(" kB").parse().unwrap()
        };
        Self {
            memory_kib: field("RssAnon:"),
            descriptors: std::fs::read_dir(format!("/proc/{process}/fd")).unwrap().count(),
            threads: usize::try_from(field("Threads:")).unwrap(),
        }
    }

    /// Of a server that has reported its last connection: its socket is closed a moment later.
    pub fn settled(process: u32, before: &Self) -> Self {
        let began = Instant::now();
        loop {
            let now = Self::of(process);
            if now.descriptors == before.descriptors || began.elapsed() > FOR_EVER {
                return now;
            }
            thread::yield_now();
        }
    }
}

impl fmt::Display for Resources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { memory_kib, descriptors, threads } = self;
        write!(f, "{memory_kib} KiB, {descriptors} descriptors, {threads} threads")
    }
}

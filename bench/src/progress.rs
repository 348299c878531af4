//! What is being measured, and how long it will take: on stderr, so that stdout has the results alone.

use std::io::{IsTerminal as _, Write as _, stderr};
use std::time::{Duration, Instant};

use crate::suites::Progress;

/// Counts cells.
#[derive(Debug)]
pub struct OnStderr {
    suite: String,
    done: usize,
    all: usize,
    began: Instant,
    /// On a terminal each line takes the place of the one before.
    overwrites: bool,
}

impl OnStderr {
    /// For that many steps in all.
    #[must_use]
    pub fn new(all: usize) -> Self {
        let overwrites = stderr().is_terminal();
        Self { suite: String::new(), done: 0, all, began: Instant::now(), overwrites }
    }

    /// The suite that comes.
    pub fn begin(&mut self, suite: &str) {
        suite.clone_into(&mut self.suite);
    }

    /// Skips what a suite would still have done: it has failed.
    pub fn skip_to(&mut self, done: usize) {
        self.done = done;
    }

    /// How many steps have begun.
    #[must_use]
    pub fn done(&self) -> usize {
        self.done
    }

    /// Leaves the terminal's line.
    pub fn end(&self) {
        if self.overwrites && self.done > 0 {
            writeln!(stderr()).ok();
        }
    }
}

impl Progress for OnStderr {
    fn next(&mut self, what: &str) {
        let left = estimate(self.began.elapsed(), self.done, self.all);
        self.done += 1;
        let text = format!("cell {} of {}{left}: {}: {what}", self.done, self.all, self.suite);
        if self.overwrites {
            write!(stderr(), "\r\u{1b}[K{text}").ok();
        } else {
            writeln!(stderr(), "{text}").ok();
        }
        stderr().flush().ok();
    }
}

/// What is left if the rest takes as long as what is done; nothing as long as nothing is.
fn estimate(elapsed: Duration, done: usize, all: usize) -> String {
    if done == 0 {
        return String::new();
    }
    let left = elapsed.as_secs_f64() / done as f64 * all.saturating_sub(done) as f64;
    match left {
        120.0.. => format!(", about {:.0} minutes left", left / 60.0),
        _ => format!(", about {left:.0} s left"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::estimate;

    #[test]
    fn what_is_left_is_in_proportion_to_what_is_done() {
        assert_eq!(estimate(Duration::from_secs(9), 0, 10), "");
        assert_eq!(estimate(Duration::from_secs(9), 3, 10), ", about 21 s left");
        assert_eq!(estimate(Duration::from_secs(90), 3, 10), ", about 4 minutes left");
        assert_eq!(estimate(Duration::from_secs(9), 10, 10), ", about 0 s left");
    }
}

//! The evidence of one question: who did what, and when.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use serde::Serialize;

/// Lines of evidence for one question. A hand-over line would be too many: a long response is counted in one line.
const MAX_LINES: usize = 400;

/// Shared by a question and whoever ends it when its time is over.
#[derive(Clone, Debug)]
pub(super) struct Log {
    lines: Arc<Mutex<Vec<Line>>>,
    start: Instant,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Evidence {
    /// Milliseconds since the question began.
    pub(super) at_ms: f64,
    pub(super) who: Who,
    pub(super) what: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Who {
    Us,
    Peer,
    /// Neither: what the probe itself noticed.
    Note,
}

#[derive(Debug)]
struct Line {
    evidence: Evidence,
    /// What is counted, for a line that more of the same is added to: records and bytes.
    counted: Option<(&'static str, u64, u64)>,
}

impl Log {
    pub(super) fn new() -> Self {
        Self { lines: Arc::default(), start: Instant::now() }
    }

    pub(super) fn add(&self, who: Who, what: impl Into<String>) {
        self.push(Line { evidence: self.evidence(who, what.into()), counted: None });
    }

    /// One more record of something of which there may be thousands.
    pub(super) fn add_data(&self, who: Who, what: &'static str, bytes: u64) {
        {
            let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(Line { evidence, counted: Some((same, records, total)) }) = lines.last_mut()
                && *same == what
                && evidence.who == who
            {
                *records += 1;
                *total += bytes;
                evidence.what = format!("{what} ({total} bytes in {records} records)");
                return;
            }
        }
        let evidence = self.evidence(who, format!("{what} ({bytes} bytes)"));
        self.push(Line { evidence, counted: Some((what, 1, bytes)) });
    }

    pub(super) fn take(&self) -> Vec<Evidence> {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.drain(..).map(|line| line.evidence).collect()
    }

    fn evidence(&self, who: Who, what: String) -> Evidence {
        // A tenth of a millisecond is as exact as a program is that shares its machine.
        let at_ms = (self.start.elapsed().as_secs_f64() * 10_000.0).round() / 10.0;
        Evidence { at_ms, who, what }
    }

    fn push(&self, line: Line) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() < MAX_LINES {
            lines.push(line);
        }
    }
}

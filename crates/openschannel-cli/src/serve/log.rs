//! What goes to stdout, each line at once: a program may be reading along.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use openschannel_stream::graceful::Tally;
use serde::Serialize;

use crate::report::ConnectionReport;

use super::output::Output;

pub(super) struct Log {
    pub(super) json: bool,
    output: Output,
    /// Connections ended as --misbehave says; the tally has them under what the peer made of it.
    misbehaved: AtomicU64,
}

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
enum Line<'a> {
    Listening { address: &'a str, port: u16, ca: Option<PathBuf> },
    Connection(&'a ConnectionReport),
    Tally(TallyFields),
}

/// The names are part of the program's interface.
#[derive(Serialize)]
struct TallyFields {
    connections: u64,
    clean: u64,
    truncated: u64,
    reset: u64,
    alert: u64,
    failed: u64,
    open: u64,
    aborted: u64,
    misbehaved: u64,
    bytes_sent: u64,
    bytes_received: u64,
}

impl Log {
    pub(super) fn start(json: bool) -> Self {
        Self { json, output: Output::start(), misbehaved: AtomicU64::new(0) }
    }

    pub(super) fn listening(&self, address: &str, port: u16, ca: Option<PathBuf>) {
        let mut text = format!("listening on {address}");
        if let Some(path) = &ca {
            text += &format!("\nthrow-away certificate in {}", path.display());
        }
        self.line(&Line::Listening { address, port, ca }, || text);
    }

    pub(super) fn ended(&self, report: &ConnectionReport) {
        if report.misbehaved.is_some() {
            self.misbehaved.fetch_add(1, Ordering::Relaxed);
        }
        self.line(&Line::Connection(report), || report.to_string());
    }

    /// The last line, and the wait for somebody to read it.
    pub(super) fn finish(&self, tally: &Tally) {
        let misbehaved = self.misbehaved.load(Ordering::Relaxed);
        let fields = TallyFields {
            connections: tally.connections,
            clean: tally.in_order,
            truncated: tally.truncated,
            reset: tally.reset,
            alert: tally.alert,
            failed: tally.failed,
            open: tally.open,
            aborted: tally.aborted,
            misbehaved,
            bytes_sent: tally.bytes_sent,
            bytes_received: tally.bytes_received,
        };
        self.line(&Line::Tally(fields), || match misbehaved {
            0 => tally.to_string(),
            _ => format!("{tally}; {misbehaved} of them as --misbehave says"),
        });
        self.output.finish();
    }

    fn line(&self, line: &Line<'_>, text: impl FnOnce() -> String) {
        // What cannot be put into JSON is said in words.
        let json = self.json.then(|| serde_json::to_string(line).ok()).flatten();
        self.output.line(json.unwrap_or_else(text));
    }
}

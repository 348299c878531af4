//! Standard output from a thread of its own: whoever does not read it, or has closed it, must not hold up connections and signals.

use std::io::{self, Write as _};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

/// Lines that may wait for a reader; a few megabytes of reports. More are counted and not kept.
const MAX_WAITING: usize = 10_000;

/// How long the end of the program waits for a reader to take the last lines.
const LAST_LINES_TIME: Duration = Duration::from_secs(1);

pub(super) struct Output {
    lines: SyncSender<String>,
    /// Disconnected when the thread has written everything or can write no more.
    written: Receiver<()>,
    lost: u64,
}

impl Output {
    pub(super) fn start() -> Self {
        let (lines, waiting) = sync_channel::<String>(MAX_WAITING);
        let (done, written) = sync_channel::<()>(0);
        // Not waited for by anybody: a write that blocks for ever ends with the program.
        drop(thread::spawn(move || {
            let _done = done;
            for line in waiting {
                let mut stdout = io::stdout().lock();
                if writeln!(stdout, "{line}").and_then(|()| stdout.flush()).is_err() {
                    break;
                }
            }
        }));
        Self { lines, written, lost: 0 }
    }

    /// One line, as soon as it is taken.
    pub(super) fn line(&mut self, line: String) {
        if self.lines.try_send(line).is_err() {
            self.lost += 1;
        }
    }

    /// Waits for the last lines to be taken, and says on stderr what was lost.
    pub(super) fn finish(self) {
        let Self { lines, written, lost } = self;
        drop(lines);
        // An error either way: in time it means that the thread is done.
        written.recv_timeout(LAST_LINES_TIME).ok();
        if lost > 0 {
            writeln!(io::stderr().lock(), "openschannel: {lost} lines found nobody to read them").ok();
        }
    }
}

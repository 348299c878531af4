//! Standard output from a thread of its own: whoever does not read it, or has closed it, must not hold up connections and signals.

use std::io::{self, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// Lines that may wait for a reader: a report for each connection when all end at once, and the tally. More are counted and not kept.
const MAX_WAITING: usize = super::limits::MAX_CONNECTIONS + 10;

/// How long the end of the program waits for a reader to take the last lines; with the time for closing less than ten seconds.
const LAST_LINES_TIME: Duration = Duration::from_secs(3);

pub(super) struct Output {
    /// Gone once the output is finished; a line that comes later is lost.
    lines: Mutex<Option<SyncSender<String>>>,
    /// Disconnected when the thread has written everything or can write no more.
    written: Mutex<Receiver<()>>,
    lost: AtomicU64,
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
        Self { lines: Mutex::new(Some(lines)), written: Mutex::new(written), lost: AtomicU64::new(0) }
    }

    /// One line, as soon as it is taken.
    pub(super) fn line(&self, line: String) {
        let taken = lock(&self.lines).as_ref().is_some_and(|lines| lines.try_send(line).is_ok());
        if !taken {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits for the last lines to be taken, and says on stderr what was lost.
    pub(super) fn finish(&self) {
        drop(lock(&self.lines).take());
        // An error either way: in time it means that the thread is done.
        lock(&self.written).recv_timeout(LAST_LINES_TIME).ok();
        let lost = self.lost.load(Ordering::Relaxed);
        if lost > 0 {
            writeln!(io::stderr().lock(), "openschannel: {lost} lines found nobody to read them").ok();
        }
    }
}

/// What is behind these locks is whole whenever somebody lets go of them, by a panic too.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

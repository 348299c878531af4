//! One line on stderr that says how far the probe is, if somebody watches.

use std::io::{IsTerminal as _, Write as _};

/// Shows how many questions are answered, and which is being asked.
pub(super) fn show(done: usize, all: usize, asking: &str) {
    let stderr = std::io::stderr();
    if stderr.is_terminal() {
        // Who cannot be told does not wait for it either.
        write!(stderr.lock(), "\r\x1b[K{done} of {all} answered; {asking}").ok();
    }
}

/// Takes the line away.
pub(super) fn clear() {
    let stderr = std::io::stderr();
    if stderr.is_terminal() {
        write!(stderr.lock(), "\r\x1b[K").ok();
    }
}

//! Many cells at once.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::cell::Cell;
use crate::conductor::{Outcome, PATIENCE, play};
use crate::files::Files;
use crate::subject::Subject;

/// Cells that are played at the same time: they wait as much as they work.
const AT_ONCE: usize = 6;

/// Plays every cell with one subject; in the order of [`Cell::all`].
pub fn play_all(subject: &dyn Subject, files: &Files) -> Vec<(Cell, Outcome)> {
    let parts: Vec<(&dyn Subject, Cell)> = Cell::all().map(|cell| (subject, cell)).collect();
    let outcomes = play_parts(&parts, files);
    parts.into_iter().map(|(_, cell)| cell).zip(outcomes).collect()
}

/// Plays any cells with any subjects; in their order.
pub fn play_parts(parts: &[(&dyn Subject, Cell)], files: &Files) -> Vec<Outcome> {
    let next = AtomicUsize::new(0);
    let outcomes: Vec<Mutex<Option<Outcome>>> = parts.iter().map(|_| Mutex::new(None)).collect();
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some((index, (subject, cell))) = {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    parts.get(index).map(|part| (index, *part))
                } {
                    *outcomes[index].lock().unwrap() = Some(play(subject, cell, files, PATIENCE));
                }
            });
        }
    });
    outcomes.into_iter().map(|outcome| outcome.into_inner().unwrap().unwrap()).collect()
}

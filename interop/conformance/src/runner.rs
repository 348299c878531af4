//! Many cells at once.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::cell::Cell;
use crate::conductor::{Outcome, PATIENCE, play};
use crate::files::Files;
use crate::judge::judge;
use crate::reasons::check;
use crate::subject::Subject;

/// Cells that are played at the same time: they wait as much as they work.
const AT_ONCE: usize = 6;

/// What other people's subjects did otherwise than expected is played so many times more: chance in them, and in how soon they notice an
/// end, is not to fail a build. Ours are played once; what fails once has failed.
const AGAIN: usize = 3;

/// Plays cells and holds what comes of them against the table and the reasons. Says what is not so; what is played again, and with
/// `verbose` every outcome, goes to `say`.
pub fn problems(
    mut parts: Vec<(&dyn Subject, Cell)>,
    files: &Files,
    verbose: bool,
    say: impl Fn(&str),
) -> Vec<String> {
    let mut problems = play_and_check(&mut parts, files, verbose, &say);
    for _ in 0..AGAIN {
        if problems.is_empty() || parts.iter().any(|(subject, _)| subject.is_ours()) {
            break;
        }
        problems.iter().for_each(|problem| say(&format!("played again: {problem}")));
        problems = play_and_check(&mut parts, files, verbose, &say);
    }
    problems
}

/// Those that are not as they should be are left, with what is wrong.
fn play_and_check(
    parts: &mut Vec<(&dyn Subject, Cell)>,
    files: &Files,
    verbose: bool,
    say: &impl Fn(&str),
) -> Vec<String> {
    let outcomes = play_parts(parts, files);
    let mut problems = Vec::new();
    let judged: Vec<((&dyn Subject, Cell), Outcome)> = parts.drain(..).zip(outcomes).collect();
    for ((subject, cell), outcome) in judged {
        let judgement = judge(cell, &outcome, subject.is_ours());
        if verbose {
            say(&format!("{} {cell}: {outcome}", subject.name()));
        }
        if let Err(problem) = check(subject.name(), cell, &judgement) {
            problems.push(format!("{} {cell}: {problem} ({outcome})", subject.name()));
            parts.push((subject, cell));
        }
    }
    problems
}

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

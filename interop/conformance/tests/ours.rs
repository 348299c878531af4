//! Our own subjects in every cell.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use openschannel_conformance::cell::Cell;
use openschannel_conformance::conductor::{PATIENCE, play};
use openschannel_conformance::files::Files;
use openschannel_conformance::subjects;

#[test]
fn every_cell() {
    let files = Files::new();
    for subject in subjects::ours() {
        for cell in Cell::all() {
            let outcome = play(subject.as_ref(), cell, &files, PATIENCE);
            println!("{cell}: {outcome}");
        }
    }
}

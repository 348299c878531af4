//! Our own subjects in every cell: the verdicts of the table, and what is sent behind them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use openschannel_conformance::files::Files;
use openschannel_conformance::judge::{Judgement, judge};
use openschannel_conformance::runner::play_all;
use openschannel_conformance::subject::Subject;
use openschannel_conformance::subjects::{blocking, provider, tokio};

#[test]
fn the_provider() {
    holds(&provider::SUBJECT);
}

#[test]
fn the_blocking_stream() {
    holds(&blocking::SUBJECT);
}

#[test]
fn the_tokio_stream() {
    holds(&tokio::SUBJECT);
}

#[cfg(target_os = "linux")]
#[test]
fn the_c_abi() {
    holds(&openschannel_conformance::subjects::c_abi::SUBJECT);
}

fn holds(subject: &dyn Subject) {
    let files = Files::new();
    let mut wrong = Vec::new();
    for (cell, outcome) in play_all(subject, &files) {
        if judge(cell, &outcome, true) != Judgement::Pass {
            wrong.push(format!("{cell}: {outcome}: {:?}", judge(cell, &outcome, true)));
        }
    }
    assert!(wrong.is_empty(), "{}:\n{}", subject.title(), wrong.join("\n"));
}

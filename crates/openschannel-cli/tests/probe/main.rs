//! `openschannel probe` against servers of which it is known how they end: this program's own, its misbehaving ones, and servers made here.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

#[path = "../common/mod.rs"]
mod common;
mod hostile;
mod misbehave;
mod own;
mod peer;
mod report;
mod scripted;
mod starttls;

use std::collections::BTreeSet;
use std::process::Output;

use serde_json::Value;

use common::program;

/// Every question, in the order of the report.
const IDS: [&str; 16] = [
    "answers-close",
    "ends-connection-close",
    "ends-bad-request",
    "ends-idle",
    "half-close-small",
    "half-close-large",
    "data-after-close",
    "split-close",
    "fatal-close",
    "double-close",
    "fatal-alert",
    "cancel-in-handshake",
    "close-unread",
    "close-with-tickets",
    "close-in-key-update",
    "resumption-after-cut",
];

/// Long enough for an answer on a machine that does something else too, where one is due.
const PATIENT: [&str; 4] = ["--timeout", "20", "--idle-limit", "0"];

/// For servers that do not answer, where nobody minds how late the others do.
const IMPATIENT: [&str; 4] = ["--timeout", "1", "--idle-limit", "0"];

/// The program, asked about localhost.
fn probe(port: u16, ca: &str, arguments: &[&str]) -> Output {
    let mut command = program();
    command.arg("probe").arg(format!("localhost:{port}")).args(["--ca", ca]).args(arguments);
    command.output().unwrap()
}

/// As [`probe`] with --json: the report and the exit code.
fn report(port: u16, ca: &str, arguments: &[&str]) -> (Value, i32) {
    let output = probe(port, ca, &[arguments, &["--json"]].concat());
    let errors = String::from_utf8_lossy(&output.stderr);
    let report = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}{errors}", String::from_utf8_lossy(&output.stdout)));
    assert_eq!(errors, "", "progress is for terminals only");
    (report, output.status.code().unwrap())
}

/// One answer.
fn answer<'a>(report: &'a Value, id: &str, protocol: &str) -> &'a Value {
    let found = report["questions"].as_array().unwrap().iter();
    let mut found = found.filter(|answer| answer["id"] == id && answer["protocol"] == protocol);
    let answer = found.next().unwrap_or_else(|| panic!("{id} {protocol} is missing"));
    assert!(found.next().is_none(), "{id} {protocol} is there twice");
    answer
}

fn verdict<'a>(report: &'a Value, id: &str, protocol: &str) -> &'a str {
    answer(report, id, protocol)["verdict"].as_str().unwrap()
}

fn finding<'a>(report: &'a Value, id: &str, protocol: &str) -> &'a str {
    answer(report, id, protocol)["finding"].as_str().unwrap()
}

/// The questions with this verdict, as `id protocol`.
fn with_verdict(report: &Value, wanted: &str) -> BTreeSet<String> {
    let answers = report["questions"].as_array().unwrap().iter();
    answers
        .filter(|answer| answer["verdict"] == wanted)
        .map(|answer| format!("{} {}", answer["id"].as_str().unwrap(), answer["protocol"].as_str().unwrap()))
        .collect()
}

/// Every answer with its finding, for a test that fails.
fn all(report: &Value) -> String {
    let lines = report["questions"].as_array().unwrap().iter().map(|answer| {
        format!(
            "{} {} {}: {}\n{}",
            answer["protocol"], answer["id"], answer["verdict"], answer["finding"], answer["evidence"]
        )
    });
    lines.collect::<Vec<_>>().join("\n")
}

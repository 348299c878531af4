//! Every mode of `serve --misbehave` is found, in both versions and whatever is served.

use super::common::{Served, noise};
use super::{IMPATIENT, PATIENT, all, finding, report, verdict, with_verdict};

/// What probe is to make of a mode.
struct Expected {
    mode: &'static str,
    serve: &'static [&'static str],
    probe: &'static [&'static str],
    /// Questions that must not be good, with the verdict and a part of the finding.
    found: &'static [(&'static str, &'static str, &'static str)],
    /// With --www.
    grade: &'static str,
}

/// Longer than any test takes.
const HELD: &[&str] = &["--misbehave-time", "3600"];

const SILENCE: &str = "neither close_notify nor FIN";

const EXPECTED: [Expected; 9] = [
    Expected {
        mode: "fin",
        serve: &[],
        probe: &PATIENT,
        found: &[
            ("answers-close", "tolerable", "FIN without close_notify"),
            ("ends-connection-close", "bad", "FIN without close_notify"),
            ("ends-bad-request", "bad", "FIN without close_notify"),
            ("half-close-small", "tolerable", "FIN without close_notify"),
            ("half-close-large", "tolerable", "FIN without close_notify"),
        ],
        grade: "D",
    },
    Expected {
        mode: "rst",
        serve: &[],
        probe: &PATIENT,
        found: &[
            ("answers-close", "bad", "RST without close_notify"),
            ("ends-connection-close", "bad", "RST without close_notify"),
            ("ends-bad-request", "bad", "RST without close_notify"),
        ],
        grade: "F",
    },
    Expected {
        mode: "hang",
        serve: HELD,
        probe: &IMPATIENT,
        found: &[
            ("answers-close", "bad", SILENCE),
            ("ends-connection-close", "bad", SILENCE),
            ("ends-bad-request", "bad", SILENCE),
        ],
        grade: "F",
    },
    Expected {
        mode: "fatal-close",
        serve: &[],
        probe: &PATIENT,
        found: &[
            ("answers-close", "tolerable", "close_notify of level fatal, then FIN"),
            ("ends-connection-close", "tolerable", "close_notify of level fatal, then FIN"),
            ("ends-bad-request", "tolerable", "close_notify of level fatal, then FIN"),
        ],
        grade: "B",
    },
    Expected {
        mode: "data-after-close",
        serve: &[],
        probe: &PATIENT,
        found: &[
            ("answers-close", "bad", "behind the close_notify"),
            ("ends-connection-close", "bad", "behind the close_notify"),
            ("ends-bad-request", "bad", "behind the close_notify"),
            ("half-close-small", "bad", "behind the close_notify"),
            ("half-close-large", "bad", "behind the close_notify"),
        ],
        grade: "F",
    },
    Expected {
        mode: "split-close",
        serve: &[],
        probe: &PATIENT,
        found: &[
            ("answers-close", "tolerable", "pieces"),
            ("ends-connection-close", "tolerable", "pieces"),
            ("ends-bad-request", "tolerable", "pieces"),
        ],
        grade: "B",
    },
    Expected {
        mode: "close-in-record",
        serve: &[],
        probe: &PATIENT,
        found: &[
            ("answers-close", "bad", "FIN in the middle of a record"),
            ("ends-connection-close", "bad", "FIN in the middle of a record"),
            ("ends-bad-request", "bad", "FIN in the middle of a record"),
        ],
        grade: "D",
    },
    Expected {
        mode: "no-answer",
        serve: HELD,
        probe: &IMPATIENT,
        found: &[
            ("answers-close", "bad", SILENCE),
            ("ends-connection-close", "bad", SILENCE),
            ("ends-bad-request", "bad", SILENCE),
        ],
        grade: "F",
    },
    Expected {
        mode: "late-close",
        serve: &["--misbehave-time", "1.2"],
        probe: &PATIENT,
        found: &[
            ("answers-close", "tolerable", "close_notify after "),
            ("ends-connection-close", "tolerable", "close_notify after "),
        ],
        grade: "B",
    },
];

#[test]
fn every_mode_is_found_behind_http() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("index.html"), "<html>hello</html>").unwrap();
    std::fs::write(directory.path().join("large.bin"), noise(1 << 20)).unwrap();
    let www = ["--www", directory.path().to_str().unwrap()];
    each(|expected| {
        let (report, exit) = asked(expected, &www, &["--http", "/large.bin"]);
        for (id, wanted, part) in expected.found {
            check(expected, &report, id, wanted, part);
        }
        assert_eq!(report["grade"], expected.grade, "{}: {}", expected.mode, all(&report));
        let code = match expected.grade {
            "B" => 10,
            "C" => 11,
            "D" => 12,
            _ => 13,
        };
        assert_eq!(exit, code, "{}", expected.mode);
    });
}

#[test]
fn every_mode_is_found_without_http() {
    each(|expected| {
        let (report, _) = asked(expected, &["--echo"], &["--no-http"]);
        let (id, wanted, part) = expected.found[0];
        check(expected, &report, id, wanted, part);
    });
}

#[test]
fn an_honest_end_is_no_worse_for_its_neighbours() {
    // What a mode does at the end of a connection says nothing of how the server takes what is sent to it.
    let served = Served::start(&["--echo", "--misbehave", "fatal-close"]);
    let arguments = [&PATIENT[..], &["--no-http"]].concat();
    let (report, exit) = report(served.port, served.ca.to_str().unwrap(), &arguments);
    let tolerable = ["answers-close tls1.2", "answers-close tls1.3"].map(str::to_owned);
    assert_eq!(with_verdict(&report, "tolerable"), tolerable.into(), "{}", all(&report));
    assert!(with_verdict(&report, "bad").is_empty(), "{}", all(&report));
    assert_eq!(exit, 0);
}

/// All modes side by side: most of the time they wait.
fn each(check: impl Fn(&Expected) + Sync) {
    std::thread::scope(|scope| {
        for expected in &EXPECTED {
            scope.spawn(|| check(expected));
        }
    });
}

fn asked(expected: &Expected, service: &[&str], http: &[&str]) -> (serde_json::Value, i32) {
    let served = Served::start(&[service, &["--misbehave", expected.mode], expected.serve].concat());
    report(served.port, served.ca.to_str().unwrap(), &[expected.probe, http].concat())
}

fn check(expected: &Expected, report: &serde_json::Value, id: &str, wanted: &str, part: &str) {
    for protocol in ["tls1.2", "tls1.3"] {
        assert_eq!(verdict(report, id, protocol), wanted, "{}, {id}: {}", expected.mode, all(report));
        let found = finding(report, id, protocol);
        assert!(found.contains(part), "{}, {id}, {protocol}: {found}", expected.mode);
    }
}

//! The program as its users call it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a fixture that cannot be made ends the test")]

use std::fs;
use std::process::{Command, Output};

fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } =
        Command::new(env!("CARGO_BIN_EXE_openschannel-bench")).args(arguments).output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

#[test]
fn help_lists_suites_peers_and_exit_codes() {
    let (code, stdout, _) = run(&["--help"]);
    assert_eq!(code, Some(0));
    for expected in
        ["bulk", "duplex", "shutdown", "OpenSSL", "GnuTLS", "BoringSSL", "--json", "--plot", "Exit codes"]
    {
        assert!(stdout.contains(expected), "{expected} is not in:\n{stdout}");
    }
}

#[test]
fn an_unknown_suite_is_wrong_usage() {
    let (code, stdout, stderr) = run(&["bulky"]);
    assert_eq!((code, stdout.as_str()), (Some(2), ""));
    assert!(stderr.contains("there is no suite bulky") && stderr.contains("  bulk "), "{stderr}");
    assert_eq!(run(&["--rounds", "0"]).0, Some(2));
    assert_eq!(run(&["bulk", "--from", "x"]).0, Some(2));
}

#[test]
fn a_run_is_saved_and_shown_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (code, json, stderr) = run(&["shutdown", "--rounds", "1", "--seed", "5", "--json"]);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(
        stderr.contains("cell 1 of 4: shutdown: TLS 1.3") && stderr.contains("cell 4 of 4, about"),
        "{stderr}"
    );
    assert!(!stderr.contains('\u{1b}'), "{stderr}");
    let report: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(report["seed"], 5);
    assert_eq!(report["measurements"][0]["rounds"], 1);

    fs::write(path("run.json"), &json).unwrap();
    let page = path("performance.md");
    let (code, stdout, stderr) =
        run(&["--from", &path("run.json"), "--document", &page, "--plot", &path("plots")]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert!(stdout.contains("rustls, buffered") && !stdout.contains('\u{1b}'), "{stdout}");
    let text = fs::read_to_string(page).unwrap();
    let plots: Vec<&str> =
        text.split("](performance/").skip(1).map(|rest| rest.split(')').next().unwrap()).collect();
    assert_eq!(plots.len(), 4);
    for plot in plots {
        let [beside, asked] =
            ["performance", "plots"].map(|name| fs::read(directory.path().join(name).join(plot)).unwrap());
        assert_eq!(beside, asked);
    }

    let (code, ..) = run(&["--from", &path("no such file")]);
    assert_eq!(code, Some(1));
    fs::write(path("other.json"), "{}").unwrap();
    let (code, _, stderr) = run(&["--from", &path("other.json")]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("is no report"), "{stderr}");
}

/// Nobody is ten thousand times as fast, or a tenth: whatever the machine does, the goals' outcome is known.
#[test]
fn a_missed_goal_is_told_by_the_exit_code_if_asked() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("run.json").to_str().unwrap().to_owned();
    let (_, json, _) = run(&["shutdown", "--rounds", "1", "--json"]);
    for (factor, expected) in [(1e-4, 3), (1e4, 0)] {
        let mut report: serde_json::Value = serde_json::from_str(&json).unwrap();
        for measurement in report["measurements"].as_array_mut().unwrap() {
            for ratio in measurement["ratios"].as_array_mut().unwrap() {
                ratio["value"]["median"] = factor.into();
            }
        }
        fs::write(&file, report.to_string()).unwrap();
        assert_eq!(run(&["--from", &file, "--check"]).0, Some(expected));
        assert_eq!(run(&["--from", &file]).0, Some(0));
    }
}

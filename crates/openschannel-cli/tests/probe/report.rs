//! The form of the report, exit codes and what a user is told.

use serde_json::Value;

use super::common::{Served, program, run};
use super::{IDS, IMPATIENT, PATIENT, probe, report as ask};

#[test]
fn the_json_is_what_is_documented() {
    let served = Served::start(&["--echo"]);
    let (report, _) = ask(served.port, served.ca.to_str().unwrap(), &[&PATIENT[..], &["--no-http"]].concat());
    let keys = ["schema", "program", "target", "starttls", "http_path", "grade", "questions"];
    assert_eq!(sorted_keys(&report), sorted(&keys));
    assert_eq!(report["schema"], 1);
    assert_eq!(report["program"], concat!("openschannel ", env!("CARGO_PKG_VERSION")));
    assert_eq!(report["target"], format!("localhost:{}", served.port));
    assert!(report["starttls"].is_null());

    let questions = report["questions"].as_array().unwrap();
    let order: Vec<_> = questions.iter().map(|q| (text(&q["id"]), text(&q["protocol"]))).collect();
    let expected: Vec<_> = IDS.iter().flat_map(|id| [(*id, "tls1.2"), (*id, "tls1.3")]).collect();
    assert_eq!(order, expected);
    for question in questions {
        let keys = ["id", "title", "protocol", "verdict", "finding", "rule", "evidence"];
        assert_eq!(sorted_keys(question), sorted(&keys));
        assert!(["good", "tolerable", "bad", "not-applicable"].contains(&text(&question["verdict"])));
        assert!(!text(&question["finding"]).is_empty() && !text(&question["title"]).is_empty());
        assert_eq!(sorted_keys(&question["rule"]), sorted(&["document", "section", "says"]));
        let mut last = 0.0;
        for line in question["evidence"].as_array().unwrap() {
            assert_eq!(sorted_keys(line), sorted(&["at_ms", "who", "what"]));
            assert!(["us", "peer", "note"].contains(&text(&line["who"])), "{line}");
            let at = line["at_ms"].as_f64().unwrap();
            assert!(at >= last, "times run forward: {question}");
            last = at;
        }
        let evidence = !question["evidence"].as_array().unwrap().is_empty();
        assert_eq!(evidence, question["verdict"] != "not-applicable", "{question}");
    }
}

#[test]
fn the_page_explains_every_question_and_field() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/probe.md")).unwrap();
    let headings: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    for id in IDS {
        let explained = headings.iter().filter(|heading| heading.split(", ").any(|part| part == id)).count();
        assert_eq!(explained, 1, "{id}");
    }
    let example = page.split("```json").nth(1).unwrap().split("```").next().unwrap();
    let example: Value = serde_json::from_str(example).unwrap();
    let served = Served::start(&["--echo"]);
    let (report, _) =
        ask(served.port, served.ca.to_str().unwrap(), &[&IMPATIENT[..], &["--no-http"]].concat());
    assert_eq!(sorted_keys(&example), sorted_keys(&report));
    let first = |report: &Value| report["questions"][0].clone();
    for field in ["", "/rule", "/evidence/0"] {
        let keys = |report: &Value| sorted_keys(first(report).pointer(field).unwrap());
        assert_eq!(keys(&example), keys(&report), "{field}");
    }
}

#[test]
fn evidence_says_who_sent_what() {
    let served = Served::start(&["--echo"]);
    let (report, _) = ask(served.port, served.ca.to_str().unwrap(), &[&PATIENT[..], &["--no-http"]].concat());
    let of = |id: &str, protocol: &str| -> Vec<String> {
        let lines = super::answer(&report, id, protocol)["evidence"].as_array().unwrap().iter();
        lines.map(|line| format!("{} {}", text(&line["who"]), text(&line["what"]))).collect()
    };
    let lines = of("answers-close", "tls1.3");
    assert_eq!(
        lines[2..],
        [
            "us close_notify (24 bytes)",
            // The size of a ticket is the server's affair.
            lines[3].as_str(),
            "peer close_notify, level warning (24 bytes)",
            "peer FIN",
        ]
    );
    assert!(lines[3].starts_with("peer NewSessionTicket ("), "{lines:?}");
    assert_eq!(
        of("answers-close", "tls1.2")[2..],
        ["us close_notify (31 bytes)", "peer close_notify, level warning (31 bytes)", "peer FIN",]
    );
    assert_eq!(of("double-close", "tls1.3")[2], "us two close_notify (48 bytes)");
    assert_eq!(of("split-close", "tls1.2")[2], "us close_notify (31 bytes in 31 segments)");
}

#[test]
fn people_get_a_table_without_colour_in_a_pipe() {
    let served = Served::start(&["--echo", "--misbehave", "fin"]);
    let arguments = [&PATIENT[..], &["--no-http"]].concat();
    let output = probe(served.port, served.ca.to_str().unwrap(), &arguments);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.contains('\x1b'), "{text}");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let row = text.lines().find(|line| line.starts_with("answers a close_notify ")).unwrap();
    assert_eq!(row.split_whitespace().skip(3).collect::<Vec<_>>(), ["tolerable", "tolerable"], "{text}");
    assert!(text.contains("\nGrade A, from 10 of 16 questions\n"), "{text}");
    assert!(text.contains("tolerable: answers a close_notify (answers-close, TLS 1.2, TLS 1.3)\n"), "{text}");
    assert!(text.contains("RFC 5246 section 7.2.1: ") && text.contains("RFC 8446 section 6.1: "), "{text}");
    assert!(text.contains("it needs HTTP: --no-http"), "{text}");
    assert!(!text.contains(" ms  -> close_notify"), "evidence is for who asks for it: {text}");

    let output = probe(served.port, served.ca.to_str().unwrap(), &[&arguments[..], &["--evidence"]].concat());
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains(" ms  -> close_notify (31 bytes)\n"), "{text}");
    assert!(text.contains(" ms  <- FIN\n"), "{text}");
}

#[test]
fn one_version_alone() {
    let served = Served::start(&["--echo"]);
    let ca = served.ca.to_str().unwrap();
    let arguments = [&PATIENT[..], &["--no-http", "--protocol", "tls1.3"]].concat();
    let (report, exit) = ask(served.port, ca, &arguments);
    assert_eq!((exit, super::verdict(&report, "answers-close", "tls1.3")), (0, "good"));
    assert_eq!(super::verdict(&report, "answers-close", "tls1.2"), "not-applicable");
    let text = String::from_utf8(probe(served.port, ca, &arguments).stdout).unwrap();
    assert!(!text.contains("TLS 1.2"), "{text}");
}

#[test]
fn who_cannot_be_asked_is_said_why() {
    let served = Served::start(&["--echo"]);
    let address = format!("localhost:{}", served.port);
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("127.0.0.1:{}", listener.local_addr().unwrap().port())
    };
    let ca = served.ca.to_str().unwrap();
    let cases: [(&[&str], &str); 4] = [
        (&[&closed], "is the server running"),
        (&[&address], "--ca FILE"),
        (&[&address, "--ca", ca, "--sni", "example.org"], "--sni NAME"),
        (&[&address, "--ca", ca, "--starttls", "smtp", "--timeout", "0.2"], "--starttls"),
    ];
    for (arguments, hint) in cases {
        let output = run(&[&["probe"], arguments].concat());
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {errors}");
        assert!(errors.contains(hint), "{arguments:?}: {errors}");
        assert_eq!(output.stdout, b"");
    }
    let insecure = run(&[&["probe", &address, "--insecure", "--no-http"], &PATIENT[..]].concat());
    assert_eq!(insecure.status.code(), Some(0), "{}", String::from_utf8_lossy(&insecure.stderr));
}

#[test]
fn command_lines_that_make_no_sense() {
    let cases: [&[&str]; 9] = [
        &[],
        &["localhost"],
        &["localhost:443", "--ca", "a", "--insecure"],
        &["localhost:443", "--http", "path"],
        &["localhost:443", "--http", "/", "--no-http"],
        &["localhost:25", "--starttls", "smtp", "--http", "/"],
        &["localhost:25", "--starttls", "gopher"],
        &["localhost:443", "--timeout", "0"],
        &["localhost:443", "--idle-limit", "-1"],
    ];
    for arguments in cases {
        let output = run(&[&["probe"], arguments].concat());
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(!output.stderr.is_empty());
    }
    let help = run(&["probe", "--help"]);
    assert_eq!(help.status.code(), Some(0));
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    for part in ["Exit codes:", "13  grade F", "--starttls", "--idle-limit"] {
        assert!(help.contains(part), "{part}");
    }
}

#[test]
fn nobody_who_reads_is_no_crash() {
    let served = Served::start(&["--echo"]);
    let mut command = program();
    command
        .arg("probe")
        .arg(format!("localhost:{}", served.port))
        .args(["--ca", served.ca.to_str().unwrap()]);
    command.args(IMPATIENT).arg("--no-http");
    let mut running = super::common::Running::start(&mut command);
    // The reading end of the pipe goes before anything is written.
    drop(std::mem::replace(&mut running.stdout, std::io::BufReader::new(unused_pipe())));
    let (exit, _, errors) = running.wait();
    assert_eq!(exit, Some(1), "{errors}");
    assert!(errors.contains("cannot write the output"), "{errors}");
}

/// The standard output of a child that writes nothing.
fn unused_pipe() -> std::process::ChildStdout {
    let mut child = program().arg("help").stdout(std::process::Stdio::piped()).spawn().unwrap();
    let pipe = child.stdout.take().unwrap();
    child.wait().unwrap();
    pipe
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

fn sorted_keys(value: &Value) -> Vec<String> {
    let mut keys: Vec<String> = value.as_object().unwrap().keys().cloned().collect();
    keys.sort();
    keys
}

fn sorted(keys: &[&str]) -> Vec<String> {
    let mut keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
    keys.sort();
    keys
}

//! `openschannel serve --misbehave MODE`: each mode is told apart by `connect`, whatever is served and in which version.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;

use std::io::{Read as _, Write as _};

use common::*;
use openschannel::ReadEnd;
use openschannel::credentials::Protocols;

/// What `connect` is to make of a mode.
struct Expected {
    mode: &'static str,
    arguments: &'static [&'static str],
    exit: i32,
    read_end: &'static str,
    inside_record: bool,
    /// What the server says it did begins so.
    done: &'static str,
}

/// Longer than any test takes: only the client's patience ends it.
const HELD: &[&str] = &["--misbehave-time", "3600"];

const EXPECTED: [Expected; 9] = [
    Expected {
        mode: "fin",
        arguments: &[],
        exit: 3,
        read_end: "truncated",
        inside_record: false,
        done: "fin: FIN without a close_notify",
    },
    Expected {
        mode: "rst",
        arguments: &[],
        exit: 4,
        read_end: "reset",
        inside_record: false,
        done: "rst: RST without a close_notify",
    },
    Expected {
        mode: "hang",
        arguments: HELD,
        exit: 6,
        read_end: "open",
        inside_record: false,
        done: "hang: neither close_notify nor FIN",
    },
    Expected {
        mode: "fatal-close",
        arguments: &[],
        exit: 0,
        read_end: "clean",
        inside_record: false,
        done: "fatal-close: close_notify of level fatal, FIN",
    },
    Expected {
        mode: "data-after-close",
        arguments: &[],
        exit: 0,
        read_end: "clean",
        inside_record: false,
        done: "data-after-close: close_notify, 41 bytes of data behind it, FIN",
    },
    Expected {
        mode: "split-close",
        arguments: &[],
        exit: 0,
        read_end: "clean",
        inside_record: false,
        done: "split-close: close_notify in ",
    },
    Expected {
        mode: "close-in-record",
        arguments: &[],
        exit: 3,
        read_end: "truncated",
        inside_record: true,
        done: "close-in-record: ",
    },
    Expected {
        mode: "no-answer",
        arguments: HELD,
        exit: 6,
        read_end: "open",
        inside_record: false,
        done: "no-answer: no close_notify, FIN behind the client's",
    },
    Expected {
        mode: "late-close",
        arguments: &["--misbehave-time", "0.5"],
        exit: 0,
        read_end: "clean",
        inside_record: false,
        done: "late-close: close_notify 0.5 s late, FIN",
    },
];

/// What the client says, and what the server answers up to its end.
const SERVICES: [(&str, &[u8], &[u8]); 3] = [
    ("echo", b"hello", b"hello"),
    ("www", b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", b"<p>index</p>"),
    // Marked by nothing but the end.
    ("www", b"GET / HTTP/1.0\r\n\r\n", b"<p>index</p>"),
];

#[test]
fn connect_tells_every_mode() {
    let site = tempfile::tempdir().unwrap();
    std::fs::write(site.path().join("index.html"), "<p>index</p>").unwrap();
    let root = site.path().to_str().unwrap();
    std::thread::scope(|scope| {
        for expected in &EXPECTED {
            scope.spawn(move || {
                for (service, request, answer) in SERVICES {
                    let service = if service == "echo" { vec!["--echo"] } else { vec!["--www", root] };
                    let arguments = [&service, &["--misbehave", expected.mode][..], expected.arguments];
                    let mut server = Served::start(&arguments.concat());
                    for version in ["tls1.2", "tls1.3"] {
                        assert_told(&server, expected, version, request, answer);
                    }
                    #[cfg(unix)]
                    assert_said(&mut server, expected);
                }
            });
        }
    });
}

fn assert_told(server: &Served, expected: &Expected, version: &str, request: &[u8], answer: &[u8]) {
    let mode = expected.mode;
    // Only those that are never answered take so long.
    let linger = if expected.exit == 6 { "1" } else { "60" };
    let arguments = ["--linger", linger, "--min-protocol", version, "--max-protocol", version];
    let mut client = server.connect(&arguments);
    client.stdin.as_mut().unwrap().write_all(request).unwrap();
    let (code, stdout, stderr) = client.finish();
    let report = report(&stderr);
    assert_eq!(code, Some(expected.exit), "{mode} {version}: {stderr}");
    assert_eq!(report["protocol"], version, "{mode}");
    assert_eq!(report["read_end"], expected.read_end, "{mode} {version}: {report}");
    assert_eq!(report["inside_record"], expected.inside_record, "{mode} {version}: {report}");
    // A reset destroys what is under way.
    if mode != "rst" {
        assert!(stdout.ends_with(answer), "{mode} {version}: {}", String::from_utf8_lossy(&stdout));
    }
    let has_length = String::from_utf8_lossy(&stdout).contains("Content-Length");
    if !stdout.is_empty() {
        assert_eq!(has_length, request.windows(8).any(|part| part == b"HTTP/1.1"), "{mode}");
    }
}

/// Each of the two connections, and the tally.
#[cfg(unix)]
fn assert_said(server: &mut Served, expected: &Expected) {
    server.signal("TERM");
    for _ in 0..2 {
        let line = server.next_line();
        let done = line["misbehaved"].as_str().unwrap_or_else(|| panic!("{}: {line}", expected.mode));
        assert!(done.starts_with(expected.done), "{line}");
        assert_eq!(line["error"], serde_json::Value::Null);
    }
    let tally = server.next_line();
    assert_eq!((&tally["connections"], &tally["misbehaved"]), (&2.into(), &2.into()), "{tally}");
}

/// The two that look alike to a client that only waits: behind its own FIN one ends and the other does not.
#[test]
fn no_answer_ends_with_the_client_and_hang_does_not() {
    for (mode, ends) in [("no-answer", true), ("hang", false)] {
        for protocols in [Protocols::TLS1_2, Protocols::TLS1_3] {
            let server = Served::start(&[&["--echo", "--misbehave", mode], HELD].concat());
            let mut client = server.client(protocols);
            client.close_write().unwrap();
            let patience = std::time::Duration::from_millis(if ends { 60_000 } else { 500 });
            let end = client.linger(patience).unwrap().read_end;
            let expected = if ends { ReadEnd::Truncated { inside_record: false } } else { ReadEnd::Open };
            assert_eq!(end, expected, "{mode}");
        }
    }
}

/// A client that is done before the server says a word cannot tell a late end from a missing one, and must not wait for ever.
#[test]
fn an_impatient_client_does_not_wait_for_a_late_close() {
    let server = Served::start(&["--echo", "--misbehave", "late-close", "--misbehave-time", "3600"]);
    let (code, _, stderr) = server.connect(&["--linger", "0.2"]).finish();
    assert_eq!((code, &report(&stderr)["read_end"]), (Some(6), &"open".into()), "{stderr}");
}

/// A mode that takes its time has as much of it as a stopping server has.
#[cfg(unix)]
#[test]
fn a_stop_ends_what_holds_a_connection() {
    let servers = ["hang", "no-answer", "late-close"].map(|mode| {
        let server = Served::start(&[&["--echo", "--misbehave", mode], HELD].concat());
        let mut client = server.client(Protocols::TLS1_3);
        client.write_all(b"hello").unwrap();
        client.read_exact(&mut [0; 5]).unwrap();
        server.signal("TERM");
        (mode, server, client)
    });
    for (mode, mut server, mut client) in servers {
        let line = server.next_line();
        assert_eq!(line["misbehaved"], format!("{mode}: cut short by the server's stop"), "{line}");
        assert_eq!(server.next_line()["open"], 1);
        assert_eq!(server.running.finish().0, Some(0));
        client.read(&mut [0]).unwrap_err();
        assert_eq!(client.report().read_end, ReadEnd::Truncated { inside_record: false });
    }
}

/// What is no end of the server's making is none of the modes'.
#[test]
fn a_failed_handshake_and_a_client_that_goes_are_treated_as_ever() {
    let mut server = Served::start(&["--echo", "--misbehave", "rst"]);
    let mut socket = std::net::TcpStream::connect(server.address()).unwrap();
    socket.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    assert_eq!(socket.read(&mut [0]).unwrap(), 0, "a FIN, no RST");
    drop(socket);
    let line = server.next_line();
    assert_eq!((&line["read_end"], &line["misbehaved"]), (&"failed".into(), &serde_json::Value::Null));

    let mut client = server.client(Protocols::TLS1_3);
    client.write_all(b"hello").unwrap();
    client.read_exact(&mut [0; 5]).unwrap();
    drop(client);
    let line = server.next_line();
    assert_eq!((&line["read_end"], &line["misbehaved"]), (&"truncated".into(), &serde_json::Value::Null));
}

#[test]
fn the_page_explains_every_mode() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/misbehave.md");
    let page = std::fs::read_to_string(page).unwrap();
    let help = String::from_utf8(run(&["serve", "--help"]).stdout).unwrap();
    for Expected { mode, .. } in &EXPECTED {
        assert!(help.contains(&format!("- {mode}:")), "{mode} in {help}");
        assert!(page.contains(&format!("## {mode}\n")), "{mode}");
    }
}

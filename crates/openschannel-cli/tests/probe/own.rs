//! This program's own servers end as they should, and probe says so.

use super::common::{Served, noise};
use super::{IDS, PATIENT, all, answer, report, with_verdict};

#[test]
fn the_file_server_is_an_a() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("index.html"), "<html>hello</html>").unwrap();
    std::fs::write(directory.path().join("large.bin"), noise(1 << 20)).unwrap();
    let served = Served::start(&["--www", directory.path().to_str().unwrap(), "--idle-time", "1"]);
    let arguments = ["--timeout", "20", "--idle-limit", "60", "--http", "/large.bin"];
    let (report, exit) = report(served.port, served.ca.to_str().unwrap(), &arguments);
    assert_eq!((&report["grade"], exit), (&"A".into(), 0), "{}", all(&report));
    assert_eq!(report["http_path"], "/large.bin");
    // TLS 1.2 has no such thing.
    let unasked = ["close-in-key-update tls1.2", "close-with-tickets tls1.2"];
    assert_eq!(
        with_verdict(&report, "not-applicable"),
        unasked.map(str::to_owned).into(),
        "{}",
        all(&report)
    );
    assert_eq!(with_verdict(&report, "good").len(), 2 * IDS.len() - unasked.len(), "{}", all(&report));
    for protocol in ["tls1.2", "tls1.3"] {
        let large = answer(&report, "half-close-large", protocol)["finding"].as_str().unwrap();
        assert!(large.starts_with("all 1048576 bytes"), "{large}");
    }
    let tickets = answer(&report, "close-with-tickets", "tls1.3")["finding"].as_str().unwrap();
    assert!(tickets.starts_with("1 tickets;"), "{tickets}");
}

#[test]
fn the_echo_server_is_an_a_without_http() {
    let served = Served::start(&["--echo"]);
    let (report, exit) =
        report(served.port, served.ca.to_str().unwrap(), &[&PATIENT[..], &["--no-http"]].concat());
    assert_eq!((&report["grade"], exit), (&"A".into(), 0), "{}", all(&report));
    assert!(report["http_path"].is_null());
    assert_eq!(with_verdict(&report, "good").len(), 18, "{}", all(&report));
    for id in
        ["ends-connection-close", "ends-bad-request", "half-close-small", "half-close-large", "close-unread"]
    {
        let answer = answer(&report, id, "tls1.3");
        assert_eq!(
            (answer["verdict"].as_str().unwrap(), answer["finding"].as_str().unwrap()),
            ("not-applicable", "it needs HTTP: --no-http")
        );
        assert_eq!(answer["evidence"], serde_json::json!([]), "nothing was sent for it");
    }
}

#[test]
fn that_a_server_speaks_no_http_is_found_out() {
    let served = Served::start(&["--echo"]);
    // The echo of a request is no response, and then nothing comes.
    let (report, exit) =
        report(served.port, served.ca.to_str().unwrap(), &["--timeout", "2", "--idle-limit", "0"]);
    assert_eq!(exit, 0, "{}", all(&report));
    assert!(report["http_path"].is_null());
    let finding = answer(&report, "ends-connection-close", "tls1.2")["finding"].as_str().unwrap();
    assert_eq!(finding, "the server does not answer an HTTP request");
}

#[test]
fn a_version_that_is_missing_is_not_held_against_the_server() {
    for (only, missing) in [("tls1.2", "tls1.3"), ("tls1.3", "tls1.2")] {
        let served = Served::start(&["--echo", "--min-protocol", only, "--max-protocol", only]);
        let ca = served.ca.to_str().unwrap();
        let (report, exit) = report(served.port, ca, &[&PATIENT[..], &["--no-http"]].concat());
        assert_eq!(exit, 0, "{}", all(&report));
        let answer = answer(&report, "answers-close", missing);
        assert_eq!(answer["verdict"], "not-applicable");
        let finding = answer["finding"].as_str().unwrap();
        assert!(finding.starts_with("the server does not speak this version"), "{finding}");
    }
}

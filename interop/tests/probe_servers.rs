//! `openschannel` against other people's HTTPS servers. What each of them does at every end is in docs/servers.md, which
//! `interop/servers/table --check` compares.

use std::io::{Read as _, Write as _};
use std::process::Stdio;

use openschannel_interop::certificates::{Certificates, SERVER_NAME};
use openschannel_interop::program::openschannel;
use openschannel_interop::servers::{LARGE, Running, Server};
use serde_json::{Value, json};

/// Question, verdict, finding.
type Fact = (&'static str, &'static str, &'static str);

const VERSIONS: [&str; 2] = ["tls1.2", "tls1.3"];

#[test]
#[ignore = "needs nginx, apache2, haproxy, go, node, java, gnutls-serv, openssl"]
fn every_server_starts_and_answers() {
    let certificates = Certificates::new();
    for server in Server::ALL {
        let running = server.start(&certificates);
        for version in VERSIONS {
            let files = [(Some(server.small), 1), (server.large, LARGE)];
            for (path, length) in files.into_iter().filter_map(|(path, length)| Some((path?, length))) {
                let answer = get(&certificates, &running, path, length, version);
                let head = String::from_utf8_lossy(&answer[..answer.len().min(100)]);
                let context = format!("{}, {path}, {version}: {} bytes, {head}", server.name, answer.len());
                assert!(head.starts_with("HTTP/1.") && head[8..].starts_with(" 200 "), "{context}");
                assert!(answer.len() > length, "{context}");
            }
        }
        running.end();
    }
}

/// How these servers end is known from their sources and from other clients, so it is the probe that is tested here: its verdicts, its JSON
/// and its exit code. The idle question has its own place in the table.
#[test]
#[ignore = "needs nginx, gnutls-serv, openssl"]
fn the_probe_finds_what_is_known() {
    let facts: [(&str, &[Fact]); 3] = [
        // It takes a close_notify for the end of both directions and says nothing more.
        (
            "nginx",
            &[
                ("answers-close", "tolerable", "FIN without close_notify"),
                ("ends-connection-close", "good", "close_notify, then FIN"),
            ],
        ),
        (
            "gnutls",
            &[
                ("answers-close", "good", "close_notify, then FIN"),
                ("ends-connection-close", "good", "close_notify, then FIN"),
            ],
        ),
        // Open since 2016: openssl/openssl#1806.
        (
            "s_server-www",
            &[
                ("answers-close", "good", "close_notify, then FIN"),
                ("ends-connection-close", "tolerable", "close_notify, TCP left open"),
            ],
        ),
    ];
    let certificates = Certificates::new();
    for (name, known) in facts {
        let running = Server::named(name).unwrap().start(&certificates);
        let (report, code) = probe(&certificates, &running);
        for (id, verdict, finding) in known {
            for version in VERSIONS {
                let answer = answer(&report, id, version);
                assert_eq!(
                    (&answer["verdict"], &answer["finding"]),
                    (&json!(verdict), &json!(finding)),
                    "{name}: {answer}"
                );
                assert!(
                    answer["evidence"].as_array().is_some_and(|lines| !lines.is_empty()),
                    "{name}: {answer}"
                );
                assert!(answer["rule"]["section"].is_string(), "{name}: {answer}");
            }
        }
        let grades = [("A", 0), ("B", 10), ("C", 11), ("D", 12), ("F", 13)];
        let expected = grades.iter().find(|(grade, _)| report["grade"] == *grade).map(|(_, code)| *code);
        assert_eq!(code, expected, "{name}: grade {}", report["grade"]);
        running.end();
    }
}

/// The report of `openschannel probe`, and its exit code.
fn probe(certificates: &Certificates, to: &Running) -> (Value, Option<i32>) {
    let probe = openschannel()
        .args([
            "probe",
            &format!("127.0.0.1:{}", to.port),
            "--json",
            "--idle-limit",
            "0",
            "--sni",
            SERVER_NAME,
        ])
        .arg("--ca")
        .arg(certificates.authority_file())
        .output()
        .unwrap();
    let report: Value = serde_json::from_slice(&probe.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&probe.stderr)));
    assert_eq!(report["schema"], 1, "{report}");
    (report, probe.status.code())
}

#[track_caller]
fn answer<'a>(report: &'a Value, id: &str, version: &str) -> &'a Value {
    let mut questions = report["questions"].as_array().unwrap().iter();
    questions
        .find(|question| question["id"] == id && question["protocol"] == version)
        .unwrap_or_else(|| panic!("no {id} for {version} in {report}"))
}

/// What `openschannel connect` gets for one request. It closes its side when more than `length` bytes are there and not before: some
/// servers stop answering then.
fn get(certificates: &Certificates, to: &Running, path: &str, length: usize, version: &str) -> Vec<u8> {
    let mut connect = openschannel()
        .args(["connect", &format!("127.0.0.1:{}", to.port), "--sni", SERVER_NAME, "--linger", "30", "--ca"])
        .arg(certificates.authority_file())
        .args(["--min-protocol", version, "--max-protocol", version])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let (mut input, mut output) = (connect.stdin.take().unwrap(), connect.stdout.take().unwrap());
    let request = format!("GET {path} HTTP/1.1\r\nHost: {SERVER_NAME}\r\nConnection: close\r\n\r\n");
    input.write_all(request.as_bytes()).unwrap();
    let (mut answer, mut buffer) = (Vec::new(), vec![0; 1 << 16]);
    while answer.len() <= length {
        match output.read(&mut buffer).unwrap() {
            0 => break,
            read => answer.extend_from_slice(&buffer[..read]),
        }
    }
    drop(input);
    output.read_to_end(&mut answer).unwrap();
    connect.wait().unwrap();
    answer
}

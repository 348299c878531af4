//! Servers that mean no good, and servers that are no TLS servers.

use std::io::{Read as _, Write as _};

use super::common::Served;
use super::peer::{Server, Serving, end_in_order};
use super::{PATIENT, all, finding, probe, report, verdict, with_verdict};

const BRIEF: [&str; 6] = ["--timeout", "1", "--idle-limit", "0", "--protocol", "tls1.3"];

#[test]
fn an_endless_answer_ends_the_question() {
    let server = Server::tls(|stream| while stream.write_all(&[b'x'; 1024]).is_ok() {});
    let (report, exit) = report(server.port, server.ca(), &BRIEF);
    assert_eq!(verdict(&report, "answers-close", "tls1.3"), "bad", "{}", all(&report));
    assert!(finding(&report, "answers-close", "tls1.3").starts_with("it still sends"), "{}", all(&report));
    assert_eq!(verdict(&report, "split-close", "tls1.3"), "not-applicable", "{}", all(&report));
    assert_ne!(exit, 0);
}

#[test]
fn an_endless_response_ends_the_question() {
    let server = Server::tls(|stream| {
        if super::peer::read_head(stream).is_some_and(|head| head.starts_with("GET")) {
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").ok();
            while stream.write_all(&[b'x'; 1024]).is_ok() {}
        }
        stream.close_write().ok();
    });
    let (report, _) = report(server.port, server.ca(), &BRIEF);
    let protocol = "tls1.3";
    assert_eq!(verdict(&report, "ends-connection-close", protocol), "not-applicable", "{}", all(&report));
    let found = finding(&report, "ends-connection-close", protocol);
    assert!(found.starts_with("the end of the response was not seen"), "{found}");
    assert_eq!(verdict(&report, "answers-close", protocol), "good", "{}", all(&report));
}

/// Every protocol in which the server speaks first, with TLS from the first byte: SMTP, IMAP and POP3 on their old ports.
#[test]
fn a_greeting_is_no_answer() {
    let server = Server::tls(|stream| {
        stream.write_all(b"220 mail.example.org ready\r\n").unwrap();
        end_in_order(stream);
    });
    let (report, exit) = report(server.port, server.ca(), &[&PATIENT[..], &["--no-http"]].concat());
    for protocol in ["tls1.2", "tls1.3"] {
        for id in ["fatal-alert", "data-after-close"] {
            assert_eq!(verdict(&report, id, protocol), "good", "{}", all(&report));
        }
    }
    assert_eq!((with_verdict(&report, "bad").len(), exit), (0, 0), "{}", all(&report));
}

#[test]
fn a_server_that_wants_a_client_certificate_is_not_judged_without() {
    let client = super::common::Certificate::make();
    let mut roots = tempfile::NamedTempFile::new().unwrap();
    roots.write_all(client.pem.as_bytes()).unwrap();
    let mut identity = tempfile::NamedTempFile::new().unwrap();
    identity.write_all([client.pem.as_bytes(), client.key_pem.as_bytes()].concat().as_slice()).unwrap();
    let roots = roots.path().to_str().unwrap();
    let served = Served::start(&["--echo", "--client-auth", "require", "--client-ca", roots]);
    let ca = served.ca.to_str().unwrap();
    let arguments = [&PATIENT[..], &["--no-http"]].concat();
    let output = probe(served.port, ca, &arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(1), b"".as_slice()), "{errors}");
    assert!(errors.contains("certificate_required") && errors.contains("--cert"), "{errors}");

    let identity = identity.path().to_str().unwrap();
    let (report, exit) = report(served.port, ca, &[&arguments[..], &["--cert", identity]].concat());
    assert_eq!((report["grade"].as_str(), exit), (Some("A"), 0), "{}", all(&report));
}

/// Nothing comes on stdout, also with --json, and no control characters of the server's on stderr.
#[test]
fn a_server_that_speaks_no_tls_is_told_by_its_words() {
    let server = Server::start(
        Serving::Many,
        |socket| {
            socket.write_all(b"220 \x1b]0;owned\x07 ready\r\n").unwrap();
            let mut nobody = [0; 4096];
            while matches!(socket.read(&mut nobody), Ok(1..)) {}
            false
        },
        |_| (),
    );
    let output = probe(server.port, server.ca(), &[&PATIENT[..], &["--json"]].concat());
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(1), b"".as_slice()), "{errors}");
    let told = r"openschannel: the server does not speak TLS here but `220 \u{1b}]0;owned\u{7} ready`";
    assert!(errors.starts_with(told) && errors.contains("--starttls"), "{errors}");
    assert!(!errors.contains('\x1b') && !errors.contains('\x07'), "{errors}");
}

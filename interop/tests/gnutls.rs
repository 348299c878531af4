//! GnuTLS, by its own programs gnutls-serv and gnutls-cli.

use std::fs::File;
use std::io::Write as _;
use std::process::Command;
use std::thread;

use openschannel::credentials::InboundCredentials;
use openschannel::{ContextOptions, ReadEnd};
use openschannel_interop::certificates::{Certificates, SERVER_NAME};
use openschannel_interop::connection::{Connection, Incoming};
use openschannel_interop::data::{TEN_MEGABYTES, random, sha256};
use openschannel_interop::process::Process;
use openschannel_interop::{accept, connect, free_port, listen, port, wait_for_port};

use super::conversations::{First, VERSIONS};

/// gnutls-cli writes what it receives byte by byte.
const ONE_MEGABYTE: usize = 1_000_000;

fn priority(version: &str) -> String {
    format!("NORMAL:-VERS-ALL:+VERS-TLS{version}")
}

/// gnutls-serv with our certificate, and its port.
fn serve(certificates: &Certificates, version: &str, options: &[&str]) -> (Process, u16) {
    let port = free_port();
    let process = Process::start(
        Command::new("gnutls-serv")
            .args(["--port", &port.to_string(), "--priority", &priority(version), "--x509certfile"])
            .arg(&certificates.ecdsa.certificate)
            .arg("--x509keyfile")
            .arg(&certificates.ecdsa.key)
            .args(options),
    );
    wait_for_port(port);
    (process, port)
}

/// gnutls-cli, what it said of the connection, and our end of that.
struct Client {
    process: Process,
    log: String,
    output: String,
    connection: Connection,
}

fn client(certificates: &Certificates, credentials: &InboundCredentials, version: &str) -> Client {
    let listener = listen();
    let (log, output) = (certificates.write("log", b""), certificates.write("output", b""));
    let process = Process::start_with_output(
        Command::new("gnutls-cli")
            .args(["127.0.0.1", "--port", &port(&listener).to_string(), "--priority", &priority(version)])
            .args(["--sni-hostname", SERVER_NAME, "--verify-hostname", SERVER_NAME, "--logfile", &log])
            .arg("--x509cafile")
            .arg(certificates.authority_file()),
        File::create(&output).unwrap(),
    );
    let connection = Connection::server(accept(&listener), credentials, &ContextOptions::default()).unwrap();
    Client { process, log, output, connection }
}

fn read(path: &str) -> Vec<u8> {
    std::fs::read(path).unwrap()
}

#[test]
#[ignore = "needs gnutls"]
fn our_client_talks_to_gnutls_serv_and_closes() {
    let certificates = Certificates::new();
    for (version, protocols) in VERSIONS {
        let (_server, port) = serve(&certificates, version, &["--echo"]);
        let credentials = certificates.outbound().protocols(protocols).acquire().unwrap();
        let mut connection =
            Connection::client(connect(port), &credentials, &ContextOptions::default()).unwrap();
        // It echoes lines of text, one at a time.
        for number in 0..100 {
            let mut line: String = sha256(&random(number, 8)).repeat(150);
            line.push('\n');
            connection.send(line.as_bytes());
            assert_eq!(
                connection.receive_exactly(line.len()),
                sha256(line.as_bytes()),
                "TLS {version}, {number}"
            );
        }
        connection.shut_down();
        let rest = connection.receive_all();
        assert_eq!((rest.bytes, rest.end), (0, ReadEnd::Clean), "TLS {version}");
    }
}

#[test]
#[ignore = "needs gnutls"]
fn gnutls_serv_sends_a_file_and_closes() {
    let certificates = Certificates::new();
    let page = random(1, TEN_MEGABYTES);
    let file = certificates.write("page", &page);
    for (version, protocols) in VERSIONS {
        let (_server, port) = serve(&certificates, version, &["--http", "--httpdata", &file]);
        let credentials = certificates.outbound().protocols(protocols).acquire().unwrap();
        let mut connection =
            Connection::client(connect(port), &credentials, &ContextOptions::default()).unwrap();
        connection.send(b"GET / HTTP/1.0\r\n\r\n");
        let mut answer = Vec::new();
        let end = loop {
            match connection.receive() {
                Incoming::Data(data) => answer.extend_from_slice(data),
                Incoming::End(end) => break end,
            }
        };
        assert_eq!(end, ReadEnd::Clean, "TLS {version}");
        assert_eq!(sha256(&answer[answer.len() - page.len()..]), sha256(&page));
        connection.shut_down();
        assert!(connection.report().close_sent);
    }
}

#[test]
#[ignore = "needs gnutls"]
fn gnutls_cli_talks_to_our_server_and_either_side_closes() {
    let certificates = Certificates::new();
    let (ours, theirs) = (random(1, ONE_MEGABYTE), random(2, TEN_MEGABYTES));
    for (version, protocols) in VERSIONS {
        let credentials = certificates.inbound().protocols(protocols).acquire().unwrap();
        for first in [First::Ours, First::Theirs] {
            let Client { mut process, log, output, connection } =
                client(&certificates, &credentials, version);
            let mut input = process.take_input();
            let data = theirs.clone();
            let feeder = thread::spawn(move || {
                input.write_all(&data).unwrap();
                input
            });
            let (mut connection, received) = connection.exchange(&ours, theirs.len(), None);
            assert_eq!(received, sha256(&theirs));
            // The end of its input is what makes it close.
            let input = feeder.join().unwrap();
            match first {
                First::Ours => {
                    connection.shut_down();
                    // It answers a close by a close, or by going away.
                    let end = connection.receive_all().end;
                    assert!(
                        matches!(end, ReadEnd::Clean | ReadEnd::Truncated { inside_record: false }),
                        "{end:?}"
                    );
                    drop(input);
                }
                First::Theirs => {
                    drop(input);
                    let rest = connection.receive_all();
                    assert_eq!((rest.bytes, rest.end), (0, ReadEnd::Clean), "TLS {version}");
                    connection.shut_down();
                }
            }
            process.finish().succeeded();
            assert_eq!(sha256(&read(&output)), sha256(&ours));
            let said = String::from_utf8(read(&log)).unwrap();
            assert!(!said.contains("non-properly terminated"), "{said}");
            if matches!(first, First::Ours) {
                assert!(said.contains("Peer has closed the GnuTLS connection"), "{said}");
            }
        }
    }
}

#[test]
#[ignore = "needs gnutls"]
fn gnutls_cli_notices_an_end_without_close_notify() {
    let certificates = Certificates::new();
    for (version, protocols) in VERSIONS {
        let credentials = certificates.inbound().protocols(protocols).acquire().unwrap();
        for inside_record in [false, true] {
            let Client { mut process, log, mut connection, .. } =
                client(&certificates, &credentials, version);
            let _input = process.take_input();
            if inside_record {
                connection.send_part_of_a_record(b"0123456789", 1);
            }
            connection.end_transport();
            drop(connection);
            let finished = process.finish();
            assert!(!finished.status.success(), "TLS {version}");
            let said = String::from_utf8(read(&log)).unwrap() + &finished.errors;
            let words = if inside_record {
                "terminated the connection abnormally"
            } else {
                "non-properly terminated"
            };
            assert!(said.contains(words), "TLS {version}: {said}");
        }
    }
}

#[test]
#[ignore = "needs gnutls"]
fn a_gnutls_cli_that_is_killed_leaves_a_truncated_connection() {
    let certificates = Certificates::new();
    for (version, protocols) in VERSIONS {
        let credentials = certificates.inbound().protocols(protocols).acquire().unwrap();
        let Client { mut process, mut connection, .. } = client(&certificates, &credentials, version);
        // What it sends shows that it has read all of the handshake.
        let mut input = process.take_input();
        input.write_all(b"here\n").unwrap();
        assert_eq!(connection.receive_exactly(5), sha256(b"here\n"));
        drop(process);
        let end = connection.receive_all().end;
        assert!(
            matches!(end, ReadEnd::Truncated { inside_record: false } | ReadEnd::Reset),
            "TLS {version}: {end:?}"
        );
    }
}

#[test]
#[ignore = "needs gnutls"]
fn gnutls_cli_resumes_a_session() {
    let certificates = Certificates::new();
    for (version, protocols) in VERSIONS {
        let credentials = certificates.inbound().protocols(protocols).acquire().unwrap();
        let listener = listen();
        let process = Process::start(
            Command::new("gnutls-cli")
                .args(["127.0.0.1", "--port", &port(&listener).to_string(), "--priority", &priority(version)])
                .args(["--sni-hostname", SERVER_NAME, "--verify-hostname", SERVER_NAME])
                .args(["--resume", "--waitresumption", "--x509cafile"])
                .arg(certificates.authority_file()),
        );
        for resumed in [false, true] {
            let mut connection =
                Connection::server(accept(&listener), &credentials, &ContextOptions::default()).unwrap();
            assert_eq!(connection.attributes().session_info().resumed, resumed, "TLS {version}");
            if resumed {
                connection.shut_down();
            }
            let end = connection.receive_all().end;
            assert!(matches!(end, ReadEnd::Clean | ReadEnd::Truncated { inside_record: false }), "{end:?}");
        }
        let said = process.finish().succeeded().text();
        assert!(said.contains("*** This is a resumed session"), "{said}");
    }
}

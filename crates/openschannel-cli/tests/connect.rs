//! `openschannel connect`: every way a connection can end, and what the program says about it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener};
use std::sync::mpsc;

use common::*;
use openschannel::alert::{Alert, AlertDescription};
use openschannel::credentials::Protocols;
use openschannel::{ReadEnd, TransportEnd};
use openschannel_stream::Plaintext;
use serde_json::Value;

const VERSIONS: [(Protocols, &str); 2] = [(Protocols::TLS1_2, "tls1.2"), (Protocols::TLS1_3, "tls1.3")];

/// Sent by a peer to say that the handshake is over.
const READY: &[u8] = b"ready";

fn wait_until_ready(client: &mut Running) {
    let mut greeting = [0; READY.len()];
    client.stdout.read_exact(&mut greeting).unwrap();
    assert_eq!(greeting, READY);
}

#[test]
fn an_echo_comes_back_whole_and_both_sides_end_in_order() {
    for (_, version) in VERSIONS {
        let mut server = Served::start(&["--echo", "--accept-count", "1"]);
        let mut client = server.connect(&["--min-protocol", version, "--max-protocol", version]);
        let sent = noise(3_000_000);
        let mut stdin = client.stdin.take().unwrap();
        let (code, received, stderr) = std::thread::scope(|scope| {
            scope.spawn(|| {
                stdin.write_all(&sent).unwrap();
                drop(stdin);
            });
            client.wait()
        });
        assert_eq!(code, Some(0), "{stderr}");
        assert!(received == sent, "the echo differs");
        let report = report(&stderr);
        assert_eq!((&report["read_end"], &report["close_sent"]), (&"clean".into(), &true.into()));
        assert_eq!(report["protocol"], version);
        assert!(report["cipher_suite"].as_str().unwrap().starts_with("TLS_"));
        assert_eq!(
            (&report["bytes_sent"], &report["bytes_received"]),
            (&sent.len().into(), &sent.len().into())
        );

        let line = server.next_line();
        assert_eq!(line["event"], "connection");
        assert_eq!(
            (&line["read_end"], &line["close_sent"], &line["error"]),
            (&"clean".into(), &true.into(), &Value::Null)
        );
        let tally = server.next_line();
        assert_eq!((&tally["event"], &tally["clean"]), (&"tally".into(), &1.into()));
        assert_eq!(server.running.finish().0, Some(0));
    }
}

#[test]
fn a_bare_end_of_the_transport_is_a_truncation() {
    for (protocols, _) in VERSIONS {
        let peer = Peer::start(protocols, |mut driver, mut socket| {
            send(&mut driver, &mut socket, READY);
            socket.shutdown(Shutdown::Write).unwrap();
            // Until the client goes: what it sends must not turn this end into a reset.
            socket.read_to_end(&mut Vec::new()).unwrap();
        });
        let (code, stdout, stderr) = peer.connect(&[]).finish();
        assert_eq!((code, stdout.as_slice()), (Some(3), READY), "{stderr}");
        let report = report(&stderr);
        assert_eq!((&report["read_end"], &report["inside_record"]), (&"truncated".into(), &false.into()));
        assert_eq!(report["handshake_complete"], true);
        peer.done();
    }
}

#[test]
fn an_end_inside_a_record_is_told_apart() {
    for (protocols, _) in VERSIONS {
        for part in [1, 4, 5, 20] {
            let peer = Peer::start(protocols, move |mut driver, mut socket| {
                send(&mut driver, &mut socket, READY);
                driver.write(&[7; 1000]).unwrap();
                socket.write_all(&driver.transmit()[..part]).unwrap();
                socket.shutdown(Shutdown::Write).unwrap();
                socket.read_to_end(&mut Vec::new()).unwrap();
            });
            let (code, stdout, stderr) = peer.connect(&[]).finish();
            assert_eq!((code, stdout.as_slice()), (Some(3), READY), "{stderr}");
            let report = report(&stderr);
            assert_eq!((&report["read_end"], &report["inside_record"]), (&"truncated".into(), &true.into()));
            peer.done();
        }
    }
}

#[test]
fn a_reset_is_a_reset() {
    for (protocols, _) in VERSIONS {
        let peer = Peer::start(protocols, |mut driver, mut socket| {
            send(&mut driver, &mut socket, READY);
            // A socket that is closed while it holds unread bytes is reset.
            socket.peek(&mut [0]).unwrap();
        });
        let mut client = peer.connect(&[]);
        wait_until_ready(&mut client);
        client.stdin.as_mut().unwrap().write_all(b"unread").unwrap();
        let (code, _, stderr) = client.wait();
        assert_eq!(code, Some(4), "{stderr}");
        assert_eq!(report(&stderr)["read_end"], "reset");
        peer.done();
    }
}

/// The close_notify was authenticated; nothing that follows takes it back.
#[test]
fn a_reset_behind_a_close_notify_is_clean() {
    for (protocols, _) in VERSIONS {
        let peer = Peer::start(protocols, |mut driver, mut socket| {
            send(&mut driver, &mut socket, READY);
            socket.peek(&mut [0]).unwrap();
            driver.close_write().unwrap();
            transmit(&mut driver, &mut socket);
        });
        let mut client = peer.connect(&["--linger", "1"]);
        wait_until_ready(&mut client);
        client.stdin.as_mut().unwrap().write_all(b"unread").unwrap();
        let (code, _, stderr) = client.wait();
        assert_eq!(code, Some(0), "{stderr}");
        let report = report(&stderr);
        assert_eq!((&report["read_end"], &report["close_sent"]), (&"clean".into(), &true.into()));
        peer.done();
    }
}

#[test]
fn a_fatal_alert_is_reported_with_its_number() {
    for (protocols, _) in VERSIONS {
        let peer = Peer::start(protocols, |mut driver, mut socket| {
            driver.send_alert(Alert::fatal(AlertDescription::ACCESS_DENIED)).unwrap();
            transmit(&mut driver, &mut socket);
            socket.shutdown(Shutdown::Write).unwrap();
            socket.read_to_end(&mut Vec::new()).ok();
        });
        let (code, _, stderr) = peer.connect(&[]).finish();
        assert_eq!(code, Some(5), "{stderr}");
        let report = report(&stderr);
        assert_eq!((&report["read_end"], &report["alert"]), (&"alert".into(), &49.into()));
        peer.done();
    }
}

#[test]
fn a_silent_peer_is_waited_for_as_long_as_asked() {
    let (over, wait) = mpsc::channel::<()>();
    let peer = Peer::start(Protocols::TLS1_3, move |_, socket| {
        assert!(wait.recv().is_err(), "the client has ended");
        drop(socket);
    });
    let (code, _, stderr) = peer.connect(&["--linger", "1"]).finish();
    assert_eq!(code, Some(6), "{stderr}");
    let report = report(&stderr);
    assert_eq!((&report["read_end"], &report["close_sent"]), (&"open".into(), &true.into()));
    drop(over);
    peer.done();
}

#[test]
fn a_peer_that_ends_first_still_gets_what_stdin_has() {
    for (protocols, _) in VERSIONS {
        let peer = Peer::start(protocols, |mut driver, mut socket| {
            driver.write(READY).unwrap();
            driver.close_write().unwrap();
            transmit(&mut driver, &mut socket);
            let mut received = 0;
            loop {
                match driver.fill_plaintext().unwrap() {
                    Plaintext::Data(data) => {
                        let n = data.len();
                        received += n;
                        driver.consume(n);
                    }
                    Plaintext::NeedsReceive => match socket.read(driver.receive_space()).unwrap() {
                        0 => driver.transport_ended(TransportEnd::Eof),
                        n => driver.received(n),
                    },
                    Plaintext::End(end) => {
                        assert_eq!((end, received), (ReadEnd::Clean, 200_000));
                        break;
                    }
                }
            }
        });
        let mut client = peer.connect(&[]);
        wait_until_ready(&mut client);
        client.stdin.as_mut().unwrap().write_all(&noise(200_000)).unwrap();
        let (code, _, stderr) = client.finish();
        assert_eq!(code, Some(0), "{stderr}");
        peer.done();
    }
}

#[test]
fn the_end_of_the_transport_inside_the_handshake_is_no_connection() {
    let certificate = Certificate::make();
    let peer = Peer::raw(&certificate.pem, |mut socket| {
        let mut header = [0; 5];
        socket.read_exact(&mut header).unwrap();
        let mut hello = vec![0; usize::from(u16::from_be_bytes([header[3], header[4]]))];
        socket.read_exact(&mut hello).unwrap();
    });
    let (code, _, stderr) = peer.connect(&[]).finish();
    assert_eq!(code, Some(1), "{stderr}");
    let report = report(&stderr);
    assert_eq!((&report["handshake_complete"], &report["protocol"]), (&false.into(), &Value::Null));
    assert!(!report["error"].as_str().unwrap().is_empty());
    peer.done();
}

#[test]
fn a_server_that_speaks_something_else_is_no_connection() {
    let certificate = Certificate::make();
    let peer = Peer::raw(&certificate.pem, |mut socket| {
        socket.write_all(b"220 mail.example ESMTP\r\n").unwrap();
        socket.shutdown(Shutdown::Write).unwrap();
        socket.read_to_end(&mut Vec::new()).ok();
    });
    let (code, _, stderr) = peer.connect(&[]).finish();
    assert_eq!(code, Some(1), "{stderr}");
    assert_eq!(report(&stderr)["read_end"], "failed");
    peer.done();
}

#[test]
fn a_certificate_of_somebody_else_is_refused() {
    let server = Served::start(&["--echo"]);
    let stranger = Certificate::make();
    let directory = tempfile::tempdir().unwrap();
    let (ca, _) = stranger.write(directory.path());
    let (code, _, stderr) = connect(server.port, &["--ca", &ca], &[]).finish();
    assert_eq!(code, Some(1), "{stderr}");
    assert_eq!(report(&stderr)["status"], "SEC_E_UNTRUSTED_ROOT");

    let (code, _, stderr) = server.connect(&["--sni", "elsewhere.example"]).finish();
    assert_eq!(code, Some(1), "{stderr}");
    assert_eq!(report(&stderr)["status"], "SEC_E_WRONG_PRINCIPAL");

    let (code, _, stderr) = connect(server.port, &["--insecure"], &["--sni", "elsewhere.example"]).finish();
    assert_eq!(code, Some(0), "{stderr}");
}

#[test]
fn nobody_there() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let output = run(&["connect", &format!("127.0.0.1:{port}")]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("cannot connect"));
}

#[test]
fn usage_errors() {
    for arguments in [
        &[][..],
        &["connect"],
        &["connect", "localhost"],
        &["connect", "::1:443"],
        &["connect", "localhost:1", "--linger", "-1"],
        &["connect", "localhost:1", "--suites", "TLS_RSA_WITH_NULL_MD5"],
        &["connect", "localhost:1", "--min-protocol", "tls1.3", "--max-protocol", "tls1.2"],
        &["connect", "localhost:1", "--ca", "x", "--insecure"],
        &["connect", "localhost:1", "--key", "x"],
        &["connect", "localhost:1", "--cert", "x", "--pfx", "y"],
        &["serve", "--listen", "127.0.0.1:0"],
        &["serve", "--listen", "127.0.0.1:0", "--echo", "--www", "."],
        &["serve", "--listen", "nowhere", "--echo"],
        &["serve", "--listen", "127.0.0.1:0", "--echo", "--client-auth", "require"],
        &["nonsense"],
    ] {
        let output = run(arguments);
        assert_eq!(
            output.status.code(),
            Some(2),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(!output.stderr.is_empty());
    }
    assert_eq!(run(&["--help"]).status.code(), Some(0));
    assert_eq!(run(&["connect", "--help"]).status.code(), Some(0));
}

#[test]
fn what_is_asked_for_is_negotiated() {
    let server = Served::start(&["--echo", "--alpn", "b,c"]);
    let (code, _, stderr) = server
        .connect(&["--alpn", "a,c", "--suites", "TLS_CHACHA20_POLY1305_SHA256", "--groups", "secp384r1"])
        .finish();
    assert_eq!(code, Some(0), "{stderr}");
    let negotiated = report(&stderr);
    assert_eq!(negotiated["cipher_suite"], "TLS_CHACHA20_POLY1305_SHA256");
    assert_eq!((&negotiated["group"], &negotiated["alpn"]), (&"SECP384R1".into(), &"c".into()));

    // no_application_protocol (RFC 7301)
    let (code, _, stderr) = server.connect(&["--alpn", "a"]).finish();
    assert_eq!(code, Some(5), "{stderr}");
    assert_eq!(report(&stderr)["alert"], 120);
}

#[test]
fn the_server_may_want_a_certificate() {
    let directory = tempfile::tempdir().unwrap();
    let (chain, key) = Certificate::make().write(directory.path());
    for (_, version) in VERSIONS {
        let server = Served::start(&["--echo", "--client-auth", "require", "--client-ca", &chain]);
        let limits = ["--min-protocol", version, "--max-protocol", version];
        let with = [&limits[..], &["--cert", &chain, "--key", &key]].concat();
        let (code, _, stderr) = server.connect(&with).finish();
        assert_eq!(code, Some(0), "{stderr}");
        let (code, _, stderr) = server.connect(&limits).finish();
        assert_eq!(code, Some(5), "{stderr}");
        assert_eq!(report(&stderr)["alert"], 116, "{stderr}");
    }
}

#[test]
fn a_trace_shows_the_calls_and_a_key_log_the_secrets() {
    let server = Served::start(&["--echo"]);
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("keys");
    let mut command = program();
    command.arg("connect").arg(format!("127.0.0.1:{}", server.port));
    command.arg("--ca").arg(&server.ca).arg("--trace").arg("--keylog").arg(&log);
    let (code, _, stderr) = Running::start(&mut command).finish();
    assert_eq!(code, Some(0), "{stderr}");
    for expected in [
        "InitializeSecurityContext               SEC_I_CONTINUE_NEEDED",
        "-> handshake, ",
        "ApplyControlToken(SCHANNEL_SHUTDOWN)    SEC_E_OK",
        "SEC_I_CONTEXT_EXPIRED, alert: warning close_notify (0)",
        "the peer ended its side in order; own close_notify sent",
    ] {
        assert!(stderr.contains(expected), "{expected}: {stderr}");
    }
    assert!(std::fs::read_to_string(log).unwrap().contains("CLIENT_TRAFFIC_SECRET_0 "));
}

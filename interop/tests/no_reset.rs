//! On the wire: no reset leaves a program of ours that closes in order while the peer still sends. A reset would destroy what the peer
//! has received and not read yet.
//!
//! Each capture is shown to be able to fail: the same conversation, ended by dropping the socket, has its reset seen.

use openschannel::ContextOptions;
use openschannel_interop::capture::Capture;
use openschannel_interop::certificates::Certificates;
use openschannel_interop::connect;
use openschannel_interop::connection::{Connection, Incoming};
use openschannel_interop::data::{TEN_MEGABYTES, random, sha256};
use openschannel_interop::process::Process;
use openschannel_interop::program::{openschannel, run_connect};
use openschannel_interop::scripted::OPENSSL;
use serde_json::Value;

use super::conversations::VERSIONS;

/// Asks for the last answer on its connection.
const REQUEST: &[u8] = b"GET /page HTTP/1.1\r\nHost: server.test\r\nConnection: close\r\n\r\n";

/// `serve` has answered and closes its side while megabytes of an upload are on their way, which it has no use for.
#[test]
#[ignore = "needs tcpdump and openssl"]
fn serve_closes_while_the_client_sends() {
    let certificates = Certificates::new();
    let page = random(1, 100_000);
    certificates.write("page", &page);
    let request = certificates.write("request", REQUEST);
    let upload = certificates.write("upload", &random(2, TEN_MEGABYTES));
    let mut serve = Process::start(
        openschannel()
            .args(["serve", "--listen", "127.0.0.1:0", "--json", "--accept-count", "2", "--www"])
            .arg(certificates.directory())
            .arg("--cert")
            .arg(&certificates.ecdsa.certificate)
            .arg("--key")
            .arg(&certificates.ecdsa.key),
    );
    let listening: Value = serde_json::from_str(&serve.line("{")).unwrap();
    let port = u16::try_from(listening["port"].as_u64().unwrap()).unwrap();
    let capture = Capture::of_resets(port);
    for (version, _) in VERSIONS {
        let options = [certificates.client_options(), exactly(version)].concat();
        let steps = ["handshake", &format!("send:{request}"), &format!("send:{upload}"), "read", "shutdown"];
        let mut client = OPENSSL.connect_to(port, &options, &steps);
        let received = client.step("received");
        assert_eq!(received.value("end"), "close_notify", "TLS {version}");
        // The page, and a head before it.
        assert!(received.value("bytes").parse::<usize>().unwrap() > page.len(), "TLS {version}");
        client.finish();
    }
    let reports = serve.finish().succeeded();
    let resets = capture.finish();
    assert!(resets.iter().all(|reset| reset.from != port), "{resets:?}\n{}", reports.text());
}

/// `connect` closes its side behind an empty standard input while the server sends. It takes all of it.
#[test]
#[ignore = "needs tcpdump and openssl"]
fn connect_closes_while_the_server_sends() {
    let certificates = Certificates::new();
    let theirs = random(1, TEN_MEGABYTES);
    let send = format!("send:{}", certificates.write("theirs", &theirs));
    let empty = certificates.write("empty", b"");
    for (version, _) in VERSIONS {
        let options = [certificates.server_options(), exactly(version)].concat();
        let (mut server, port) = OPENSSL.serve(&options, &["handshake", &send, "shutdown", "read"]);
        let capture = Capture::of_resets(port);
        let visit = run_connect(&certificates, port, &empty, &[]);
        assert_eq!(visit.code, Some(0), "TLS {version}: {}", visit.report);
        assert_eq!(sha256(&visit.received), sha256(&theirs), "TLS {version}");
        assert_eq!(server.step("received").value("end"), "close_notify", "TLS {version}");
        server.finish();
        let resets = capture.finish();
        assert!(resets.iter().all(|reset| reset.to != port), "TLS {version}: {resets:?}");
    }
}

/// The control for `serve`: a server that has sent its close_notify and drops the socket.
#[test]
#[ignore = "needs tcpdump and openssl"]
fn a_server_that_drops_its_socket_is_seen_to_reset() {
    let certificates = Certificates::new();
    let upload = certificates.write("upload", &random(2, TEN_MEGABYTES));
    let steps = ["handshake", &format!("send:{upload}"), "read"];
    let (mut client, listener) = OPENSSL.connect(&certificates.client_options(), &steps);
    let port = openschannel_interop::port(&listener);
    let capture = Capture::of_resets(port);
    let stream = client.accepted_by(&listener);
    let credentials = certificates.inbound().acquire().unwrap();
    drop_while_receiving(Connection::server(stream, &credentials, &ContextOptions::default()).unwrap());
    client.finish_failing();
    let resets = capture.finish();
    assert!(resets.iter().any(|reset| reset.from == port), "{resets:?}");
}

/// The control for `connect`.
#[test]
#[ignore = "needs tcpdump and openssl"]
fn a_client_that_drops_its_socket_is_seen_to_reset() {
    let certificates = Certificates::new();
    let send = format!("send:{}", certificates.write("theirs", &random(1, TEN_MEGABYTES)));
    let (server, port) = OPENSSL.serve(&certificates.server_options(), &["handshake", &send, "read"]);
    let capture = Capture::of_resets(port);
    let credentials = certificates.outbound().acquire().unwrap();
    drop_while_receiving(
        Connection::client(connect(port), &credentials, &ContextOptions::default()).unwrap(),
    );
    server.finish_failing();
    let resets = capture.finish();
    assert!(resets.iter().any(|reset| reset.to == port), "{resets:?}");
}

/// With its close_notify sent, and the peer in the middle of more than the buffers of both sockets take.
fn drop_while_receiving(mut connection: Connection) {
    assert!(matches!(connection.receive(), Incoming::Data(_)));
    connection.shut_down();
}

fn exactly(version: &str) -> Vec<String> {
    vec![format!("min={version}"), format!("max={version}")]
}

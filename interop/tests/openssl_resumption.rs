//! Sessions are resumed: both versions, both roles, by ticket and by identifier; and they are not where they must not be.

use openschannel::credentials::{InboundBuilder, Protocols};
use openschannel::{ContextOptions, ReadEnd, Role};
use openschannel_interop::certificates::{Certificates, SERVER_NAME};
use openschannel_interop::connection::Connection;
use openschannel_interop::process::Process;
use openschannel_interop::scripted::{OPENSSL, Report};
use openschannel_interop::{accept, connect, listen, port};

use super::conversations::{First, VERSIONS, close};

const TICKETS: [&str; 2] = ["tickets=on", "tickets=off"];

/// How both sides saw one of several connections.
#[derive(Debug, PartialEq, Eq)]
struct Resumed {
    ours: bool,
    theirs: bool,
}

const NO: Resumed = Resumed { ours: false, theirs: false };
const YES: Resumed = Resumed { ours: true, theirs: true };

impl Resumed {
    fn of(connection: &Connection, handshake: &Report) -> Self {
        Self {
            ours: connection.attributes().session_info().resumed,
            theirs: handshake.value("reused") == "1",
        }
    }
}

/// Our client connects three times to one server with the same credentials. `meanwhile` acts on each connection before it ends.
fn as_client(
    version: (&str, Protocols),
    options: &[&str],
    mut meanwhile: impl FnMut(usize, &mut Connection),
) -> [Resumed; 3] {
    let certificates = Certificates::new();
    let mut peer_options = certificates.server_options();
    peer_options.extend(["times=3".into(), format!("min={}", version.0), format!("max={}", version.0)]);
    peer_options.extend(options.iter().map(|&option| option.to_owned()));
    let send = format!("send:{}", certificates.write("theirs", b"hello"));
    let (mut peer, port) = OPENSSL.serve(&peer_options, &["handshake", &send, "recv:2", "read", "shutdown"]);
    let credentials = certificates.outbound().protocols(version.1).acquire().unwrap();
    let seen = [0, 1, 2].map(|number| {
        let mut connection =
            Connection::client(connect(port), &credentials, &ContextOptions::default()).unwrap();
        let handshake = peer.step("handshake");
        // Tickets come before the data.
        connection.receive_exactly(5);
        meanwhile(number, &mut connection);
        connection.send(b"go");
        close_behind_data(&mut peer, &mut connection);
        Resumed::of(&connection, &handshake)
    });
    peer.finish();
    seen
}

/// OpenSSL's client connects three times to our server.
fn as_server(
    version: (&str, Protocols),
    inbound: impl Fn(InboundBuilder) -> InboundBuilder,
    mut meanwhile: impl FnMut(usize, &mut Connection),
) -> [Resumed; 3] {
    let certificates = Certificates::new();
    let mut peer_options = certificates.client_options();
    peer_options.extend(["times=3".into(), format!("min={}", version.0), format!("max={}", version.0)]);
    let (mut peer, listener) = OPENSSL.connect(&peer_options, &["handshake", "recv:5", "read", "shutdown"]);
    let credentials = inbound(certificates.inbound()).protocols(version.1).acquire().unwrap();
    let seen = [0, 1, 2].map(|number| {
        let stream = peer.accepted_by(&listener);
        let mut connection = Connection::server(stream, &credentials, &ContextOptions::default()).unwrap();
        let handshake = peer.step("handshake");
        meanwhile(number, &mut connection);
        connection.send(b"hello");
        close_behind_data(&mut peer, &mut connection);
        Resumed::of(&connection, &handshake)
    });
    peer.finish();
    seen
}

fn close_behind_data(peer: &mut openschannel_interop::scripted::Peer, connection: &mut Connection) {
    assert_eq!(peer.step("received").value("end"), "open");
    close(peer, connection, First::Ours);
}

#[test]
#[ignore = "needs openssl"]
fn a_client_resumes_by_ticket_and_by_identifier() {
    for version in VERSIONS {
        for tickets in TICKETS {
            assert_eq!(as_client(version, &[tickets], |_, _| {}), [NO, YES, YES], "{version:?} {tickets}");
        }
    }
}

#[test]
#[ignore = "needs openssl"]
fn a_server_resumes_by_ticket_and_by_identifier() {
    for version in VERSIONS {
        for tickets in [true, false] {
            let seen = as_server(version, |inbound| inbound.tickets(tickets), |_, _| {});
            assert_eq!(seen, [NO, YES, YES], "{version:?} tickets: {tickets}");
        }
    }
}

#[test]
#[ignore = "needs openssl"]
fn a_server_that_is_told_not_to_resume_does_not() {
    for version in VERSIONS {
        let seen = as_server(version, |inbound| inbound.resumption(false), |_, _| {});
        assert_eq!(seen, [NO, NO, NO], "{version:?}");
    }
}

/// SCHANNEL_SESSION with DISABLE_RECONNECTS (section 6.3): the session of that connection is not resumed by a later one.
#[test]
#[ignore = "needs openssl"]
fn the_session_token_ends_resumption() {
    let disable_on_second = |number: usize, connection: &mut Connection| {
        if number == 1 {
            connection.session(false);
        }
    };
    for version in VERSIONS {
        assert_eq!(as_client(version, &[], disable_on_second), [NO, YES, NO], "client, {version:?}");
    }
}

/// What `openssl s_client` itself calls it.
#[test]
#[ignore = "needs openssl"]
fn s_client_says_reused() {
    let certificates = Certificates::new();
    for (name, protocols) in VERSIONS {
        let credentials = certificates.inbound().protocols(protocols).acquire().unwrap();
        let session = certificates.directory().join(format!("session-{name}")).display().to_string();
        let visit = |option: &str| {
            let listener = listen();
            let process = Process::start(
                std::process::Command::new("openssl")
                    .args(["s_client", "-connect", &format!("127.0.0.1:{}", port(&listener)), "-CAfile"])
                    .arg(certificates.authority_file())
                    .args(["-servername", SERVER_NAME, "-verify_return_error", option, &session]),
            );
            let mut connection =
                Connection::server(accept(&listener), &credentials, &ContextOptions::default()).unwrap();
            connection.send(b"hello\n");
            connection.shut_down();
            // It answers our close with its own, or just goes.
            let end = connection.receive_all().end;
            assert!(matches!(end, ReadEnd::Clean | ReadEnd::Truncated { inside_record: false }), "{end:?}");
            let said = process.finish().succeeded().text();
            assert!(said.contains("hello"), "{said}");
            assert_eq!(connection.attributes().role(), Role::Server);
            (said, connection.attributes().session_info().resumed)
        };
        let (said, resumed) = visit("-sess_out");
        assert!(!resumed && said.contains(&format!("New, TLSv{name}, Cipher is")), "{said}");
        let (said, resumed) = visit("-sess_in");
        assert!(resumed && said.contains(&format!("Reused, TLSv{name}, Cipher is")), "{said}");
    }
}

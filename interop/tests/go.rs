//! Go's crypto/tls.

use openschannel::ContextOptions;
use openschannel_interop::certificates::{CLIENT_NAME, Certificates};
use openschannel_interop::connect;
use openschannel_interop::connection::Connection;
use openschannel_interop::scripted::GO;

use super::conversations::{
    Conversation, First, ROLES, VERSIONS, close, half_close, our_ends, talk_and_close, their_ends,
};

#[test]
#[ignore = "needs go"]
fn data_both_ways_and_an_orderly_end() {
    talk_and_close(&GO);
}

#[test]
#[ignore = "needs go"]
fn data_still_flows_against_a_closed_direction() {
    for version in VERSIONS {
        for first in [First::Ours, First::Theirs] {
            half_close(&GO, version, first);
        }
    }
}

#[test]
#[ignore = "needs go"]
fn ends_of_go_are_told_apart() {
    their_ends(&GO);
}

/// But for the transport's end between two records, which Go takes for an orderly end.
#[test]
#[ignore = "needs go"]
fn go_tells_our_ends_apart() {
    our_ends(&GO, "close_notify");
}

#[test]
#[ignore = "needs go"]
fn client_certificates() {
    let certificates = Certificates::new();
    for version in VERSIONS {
        for role in ROLES {
            let mut conversation = Conversation::new(&certificates, &GO, role).version(version);
            conversation.outbound = conversation.outbound.identity(certificates.client.identity());
            conversation.inbound =
                conversation.inbound.client_auth(openschannel::credentials::ClientAuth::Require);
            let conversation = match role {
                openschannel::Role::Client => conversation.peer(["verify=require".to_owned()]),
                openschannel::Role::Server => conversation.peer(certificates.client.options()),
            };
            let (mut peer, mut connection) = conversation.open(&["handshake", "read", "shutdown"]);
            match role {
                openschannel::Role::Client => assert_eq!(peer.step("handshake").value("peer"), CLIENT_NAME),
                openschannel::Role::Server => {
                    let chain = connection.attributes().remote_certificates().unwrap();
                    assert_eq!(chain, certificates.client.chain());
                }
            }
            close(&mut peer, &mut connection, First::Ours);
            peer.finish();
        }
    }
}

#[test]
#[ignore = "needs go"]
fn sessions_are_resumed() {
    let certificates = Certificates::new();
    let send = format!("send:{}", certificates.write("theirs", b"hello"));
    for (name, protocols) in VERSIONS {
        let versions = ["times=2".to_owned(), format!("min={name}"), format!("max={name}")];
        let (mut peer, port) = GO.serve(
            &[certificates.server_options(), versions.to_vec()].concat(),
            &["handshake", &send, "read", "shutdown"],
        );
        let credentials = certificates.outbound().protocols(protocols).acquire().unwrap();
        for resumed in [false, true] {
            let options = ContextOptions::default();
            let mut connection = Connection::client(connect(port), &credentials, &options).unwrap();
            let theirs = peer.step("handshake").value("reused") == "1";
            assert_eq!(
                (connection.attributes().session_info().resumed, theirs),
                (resumed, resumed),
                "client, TLS {name}"
            );
            connection.receive_exactly(5);
            close(&mut peer, &mut connection, First::Ours);
        }
        peer.finish();
        let (mut peer, listener) = GO.connect(
            &[certificates.client_options(), versions.to_vec()].concat(),
            &["handshake", "recv:5", "read", "shutdown"],
        );
        let credentials = certificates.inbound().protocols(protocols).acquire().unwrap();
        for resumed in [false, true] {
            let stream = peer.accepted_by(&listener);
            let mut connection =
                Connection::server(stream, &credentials, &ContextOptions::default()).unwrap();
            let theirs = peer.step("handshake").value("reused") == "1";
            assert_eq!(
                (connection.attributes().session_info().resumed, theirs),
                (resumed, resumed),
                "server, TLS {name}"
            );
            connection.send(b"hello");
            assert_eq!(peer.step("received").value("end"), "open");
            close(&mut peer, &mut connection, First::Ours);
        }
        peer.finish();
    }
}

//! Client certificates: we present one, we are asked for one, we ask for one.

use openschannel::alert::AlertDescription;
use openschannel::credentials::ClientAuth;
use openschannel::status::ErrorStatus;
use openschannel::{ReadEnd, Role};
use openschannel_interop::certificates::{CLIENT_NAME, Certificates};
use openschannel_interop::connection::{Connection, Incoming};
use openschannel_interop::scripted::OPENSSL;

use super::conversations::{Conversation, First, VERSIONS, close};

const STEPS: [&str; 3] = ["handshake", "read", "shutdown"];

#[test]
#[ignore = "needs openssl"]
fn a_certificate_in_the_credential_is_presented() {
    let certificates = Certificates::new();
    for version in VERSIONS {
        for verify in ["verify=require", "verify=request"] {
            let mut conversation = Conversation::new(&certificates, &OPENSSL, Role::Client)
                .version(version)
                .peer([verify.to_owned()]);
            conversation.outbound = conversation.outbound.identity(certificates.client.identity());
            let (mut peer, mut connection) = conversation.open(&STEPS);
            assert_eq!(peer.step("handshake").value("peer"), CLIENT_NAME, "{version:?}");
            assert_eq!(connection.attributes().local_certificates().unwrap(), certificates.client.chain());
            close(&mut peer, &mut connection, First::Ours);
            peer.finish();
        }
    }
}

/// SEC_I_INCOMPLETE_CREDENTIALS (section 6.5): the caller learns which authorities the server takes, comes with another credential, and
/// its certificate goes out.
#[test]
#[ignore = "needs openssl"]
fn a_client_that_is_asked_may_bring_another_credential() {
    let certificates = Certificates::new();
    for version in VERSIONS {
        let mut options = certificates.server_options();
        options.extend([format!("min={}", version.0), format!("max={}", version.0), "verify=require".into()]);
        let (mut peer, port) = OPENSSL.serve(&options, &STEPS);
        let credentials = certificates.outbound().protocols(version.1).acquire().unwrap();
        let mut asked = 0;
        let mut connection = Connection::client_that_is_asked(
            openschannel_interop::connect(port),
            &credentials,
            &Default::default(),
            |context| {
                asked += 1;
                assert_eq!(context.issuer_list().unwrap(), [certificates.authority_name()]);
                let with = certificates.outbound().identity(certificates.client.identity());
                Some(with.protocols(version.1).acquire().unwrap())
            },
        )
        .unwrap();
        assert_eq!(asked, 1, "{version:?}");
        assert_eq!(peer.step("handshake").value("peer"), CLIENT_NAME);
        assert_eq!(connection.attributes().local_certificates().unwrap(), certificates.client.chain());
        close(&mut peer, &mut connection, First::Ours);
        peer.finish();
    }
}

/// The same credential again, or ISC_REQ_USE_SUPPLIED_CREDS from the start: an empty list, which a server that only requests takes.
#[test]
#[ignore = "needs openssl"]
fn a_client_without_certificate_gets_in_where_it_is_not_required() {
    let certificates = Certificates::new();
    for version in VERSIONS {
        for use_supplied_credentials in [false, true] {
            let mut options = certificates.server_options();
            options.extend([
                format!("min={}", version.0),
                format!("max={}", version.0),
                "verify=request".into(),
            ]);
            let (mut peer, port) = OPENSSL.serve(&options, &STEPS);
            let credentials = certificates.outbound().protocols(version.1).acquire().unwrap();
            let mut asked = 0;
            let context_options =
                openschannel::ContextOptions { use_supplied_credentials, ..Default::default() };
            let mut connection = Connection::client_that_is_asked(
                openschannel_interop::connect(port),
                &credentials,
                &context_options,
                |_| {
                    asked += 1;
                    Some(credentials.clone())
                },
            )
            .unwrap();
            assert_eq!(asked, u32::from(!use_supplied_credentials), "{version:?}");
            assert_eq!(peer.step("handshake").value("peer"), "-");
            let none = connection.attributes().local_certificates().unwrap_err();
            assert_eq!(none.status(), ErrorStatus::NoCredentials);
            close(&mut peer, &mut connection, First::Ours);
            peer.finish();
        }
    }
}

#[test]
#[ignore = "needs openssl"]
fn a_server_gets_the_certificate_it_asks_for() {
    let certificates = Certificates::new();
    for version in VERSIONS {
        for client_auth in [ClientAuth::Request, ClientAuth::Require] {
            let mut conversation = Conversation::new(&certificates, &OPENSSL, Role::Server)
                .version(version)
                .peer(certificates.client.options());
            conversation.inbound = conversation.inbound.client_auth(client_auth);
            let (mut peer, mut connection) = conversation.open(&STEPS);
            assert_eq!(connection.attributes().remote_certificates().unwrap(), certificates.client.chain());
            close(&mut peer, &mut connection, First::Ours);
            peer.finish();
        }
    }
}

#[test]
#[ignore = "needs openssl"]
fn a_server_that_only_requests_lets_a_client_without_one_in() {
    let certificates = Certificates::new();
    for version in VERSIONS {
        let mut conversation = Conversation::new(&certificates, &OPENSSL, Role::Server).version(version);
        conversation.inbound = conversation.inbound.client_auth(ClientAuth::Request);
        let (mut peer, mut connection) = conversation.open(&STEPS);
        let none = connection.attributes().remote_certificates().unwrap_err();
        assert_eq!(none.status(), ErrorStatus::NoCredentials);
        close(&mut peer, &mut connection, First::Ours);
        peer.finish();
    }
}

/// Alert 116 in both versions, as [`ClientAuth::Require`] says; OpenSSL hears it.
#[test]
#[ignore = "needs openssl"]
fn a_server_that_requires_one_refuses_a_client_without() {
    let certificates = Certificates::new();
    for version in VERSIONS {
        let mut conversation = Conversation::new(&certificates, &OPENSSL, Role::Server).version(version);
        conversation.inbound = conversation.inbound.client_auth(ClientAuth::Require);
        let (peer, connection) = conversation.attempt(&STEPS);
        let failure = connection.unwrap_err();
        assert!(matches!(failure.read_end, ReadEnd::Failed(_)), "{failure:?}");
        heard(peer, version.0, "alert:116");
    }
}

/// Signed by an authority that the server does not know: alert 48.
#[test]
#[ignore = "needs openssl"]
fn a_server_refuses_a_strangers_certificate() {
    let (certificates, stranger) = (Certificates::new(), Certificates::new());
    for version in VERSIONS {
        let mut conversation = Conversation::new(&certificates, &OPENSSL, Role::Server)
            .version(version)
            .peer(stranger.client.options());
        conversation.inbound = conversation.inbound.client_auth(ClientAuth::Require);
        let (peer, connection) = conversation.attempt(&STEPS);
        assert_eq!(connection.unwrap_err().status(), ErrorStatus::UntrustedRoot);
        heard(peer, version.0, "alert:48");
    }
}

/// And the other way round: OpenSSL refuses ours. In TLS 1.3 our handshake is over by then.
#[test]
#[ignore = "needs openssl"]
fn a_certificate_of_ours_that_is_refused() {
    let (certificates, stranger) = (Certificates::new(), Certificates::new());
    for version in VERSIONS {
        let mut conversation = Conversation::new(&certificates, &OPENSSL, Role::Client)
            .version(version)
            .peer(["verify=require".to_owned()]);
        conversation.outbound = conversation.outbound.identity(stranger.client.identity());
        let (peer, connection) = conversation.attempt(&STEPS);
        let expected = ReadEnd::Alert(AlertDescription::UNKNOWN_CA);
        match connection {
            Ok(mut connection) => {
                assert_eq!(version.0, "1.3");
                assert_eq!(connection.receive(), Incoming::End(expected));
            }
            Err(failure) => {
                assert_eq!((version.0, failure.read_end), ("1.2", expected));
                assert_eq!(failure.status(), ErrorStatus::UntrustedRoot);
            }
        }
        peer.finish_failing();
    }
}

/// A TLS 1.2 client fails in its handshake; a TLS 1.3 client is through by then and finds the alert when it reads.
fn heard(mut peer: openschannel_interop::scripted::Peer, version: &str, alert: &str) {
    if version == "1.2" {
        assert_eq!(peer.finish_failing().value("end"), alert);
    } else {
        assert_eq!(peer.step("received").value("end"), alert);
    }
}

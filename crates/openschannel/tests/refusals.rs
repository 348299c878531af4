//! Handshakes that fail by what the peer sent, and what the peer is told: cases that BoringSSL's test runner found.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a fixture that cannot be made ends the test")]

mod common;
#[path = "property/forge.rs"]
#[allow(dead_code, reason = "it forges more than this file wants")]
mod forge;

use std::sync::Arc;

use common::*;
use forge::Forger;
use openschannel::alert::{Alert, AlertDescription};
use openschannel::credentials::{InboundCredentials, Protocols, SignatureScheme};
use openschannel::status::{Error, ErrorStatus, SuccessStatus};
use openschannel::{ContextOptions, Role, SecurityContext, TokenBuffer};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;

/// A handshake message that begins in the record of the server's Finished is refused after the own Finished was written: the peer has
/// changed keys by then (RFC 8446 section 7.1), and so has the alert.
#[test]
fn the_alert_behind_the_own_finished_is_under_the_keys_behind_it() {
    forge::forget_secrets();
    let outbound = outbound().cipher_suites(&[forge::TLS13]).key_log(forge::key_log()).acquire().unwrap();
    let inbound = inbound().cipher_suites(&[forge::TLS13]).key_log(forge::key_log()).acquire().unwrap();
    let mut pair = Pair::begin(&outbound, &inbound, &ContextOptions::default());

    let mut reader = Forger::of_handshake(Role::Server).unwrap();
    let mut flight = records(&pair.to_client);
    let sealed: Vec<_> =
        flight.iter().filter(|record| record[0] == 23).map(|r| reader.open(r).unwrap()).collect();
    let (content_type, mut content) = sealed.last().unwrap().clone();
    content.push(4);
    let mut forger = Forger::of_handshake(Role::Server).unwrap();
    forger.seq = reader.seq - 1;
    *flight.last_mut().unwrap() = forger.seal(content_type, &content, 0);

    let error = token_call(&mut pair.client, &flight.concat(), &mut TokenBuffer::allocate()).unwrap_err();
    let told = Alert::fatal(AlertDescription::UNEXPECTED_MESSAGE);
    assert_eq!((error.status(), error.alert()), (ErrorStatus::IllegalMessage, Some(told)));
    let written = records(error.alert_record());
    let mut finished = Forger::of_handshake(Role::Client).unwrap();
    let sealed: Vec<_> = written.iter().filter(|record| record[0] == 23).collect();
    assert_eq!(sealed.len(), 2, "the Finished and the alert");
    assert_eq!(finished.open(sealed[0]).unwrap().1[0], 20);
    let mut data = Forger::of_data(Role::Client, Protocols::TLS1_3, &[]).unwrap();
    assert_eq!(data.open(sealed[1]).unwrap(), (21, told.to_bytes().to_vec()));
}

/// RFC 8446 section 4.4.2.4: decode_error.
#[test]
fn a_server_without_certificate_is_refused_with_decode_error() {
    for version in VERSIONS {
        let outbound = outbound().protocols(version).acquire().unwrap();
        let mut output = TokenBuffer::allocate();
        let (mut client, _) =
            SecurityContext::initialize(&outbound, Some(NAME), &ContextOptions::default(), &mut output)
                .unwrap();
        let mut server = rustls::ServerConnection::new(Arc::new(without_certificate())).unwrap();
        server.read_tls(&mut output.as_bytes()).unwrap();
        server.process_new_packets().unwrap();
        let mut flight = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut flight).unwrap();
        }
        let error = token_call(&mut client, &flight, &mut TokenBuffer::allocate()).unwrap_err();
        assert_told(&error, ErrorStatus::IllegalMessage, AlertDescription::DECODE_ERROR);
        server.read_tls(&mut error.alert_record()).unwrap();
        assert_eq!(
            server.process_new_packets().unwrap_err(),
            rustls::Error::AlertReceived(rustls::AlertDescription::DecodeError),
            "{version:?}"
        );
    }
}

#[test]
fn a_client_that_verifies_nothing_the_only_key_signs_is_told_handshake_failure() {
    for version in VERSIONS {
        let schemes = [SignatureScheme::ECDSA_SECP384R1_SHA384];
        let outbound = outbound().protocols(version).signature_schemes(&schemes).acquire().unwrap();
        let inbound = InboundCredentials::builder()
            .protocols(version)
            .identity(identity(&CERTIFICATES.ecdsa))
            .acquire()
            .unwrap();
        let options = ContextOptions::default();
        let mut hello = TokenBuffer::allocate();
        SecurityContext::initialize(&outbound, Some(NAME), &options, &mut hello).unwrap();
        let error =
            SecurityContext::accept(&inbound, &options, hello.as_bytes(), &mut TokenBuffer::allocate())
                .unwrap_err();
        assert_told(&error, ErrorStatus::AlgorithmMismatch, AlertDescription::HANDSHAKE_FAILURE);
    }
}

/// RFC 5246 section 7.4.1.1: it is empty. An empty one is passed over.
#[test]
fn a_hello_request_with_something_in_it_is_refused() {
    for (message, refused) in [(&[0, 0, 0, 0][..], false), (&[0, 0, 0, 1, 1], true)] {
        forge::forget_secrets();
        let outbound = outbound().cipher_suites(&[forge::TLS12]).key_log(forge::key_log()).acquire().unwrap();
        let inbound = inbound().cipher_suites(&[forge::TLS12]).acquire().unwrap();
        let mut pair = Pair::begin(&outbound, &inbound, &ContextOptions::default());
        // Behind the headers of record and message and the version.
        let server_random = pair.to_client[11..43].to_vec();
        while !pair.client.is_established() {
            let written = deliver(&mut pair.client, &mut pair.to_client);
            pair.to_server.extend(written);
            if !pair.to_server.is_empty() {
                let written = deliver(&mut pair.server, &mut pair.to_server);
                pair.to_client.extend(written);
            }
        }
        let mut forger = Forger::of_data(Role::Server, Protocols::TLS1_2, &server_random).unwrap();
        let record = forger.seal(22, message, 0);
        match decrypt(&mut pair.client, &record) {
            Ok((message, data)) => {
                assert_eq!((message.status, data.len(), refused), (SuccessStatus::Ok, 0, false));
            }
            Err(error) => {
                assert_eq!((error.status(), refused), (ErrorStatus::IllegalMessage, true));
                assert_eq!(error.alert(), Some(Alert::fatal(AlertDescription::DECODE_ERROR)));
            }
        }
    }
}

fn assert_told(error: &Error, status: ErrorStatus, alert: AlertDescription) {
    assert_eq!((error.status(), error.alert()), (status, Some(Alert::fatal(alert))), "{error}");
    assert!(!error.alert_record().is_empty());
}

fn records(mut wire: &[u8]) -> Vec<Vec<u8>> {
    let mut records = Vec::new();
    while !wire.is_empty() {
        let (record, rest) = wire.split_at(5 + usize::from(u16::from_be_bytes([wire[3], wire[4]])));
        records.push(record.to_vec());
        wire = rest;
    }
    records
}

/// A server of the engine's that sends an empty list.
fn without_certificate() -> rustls::ServerConfig {
    #[derive(Debug)]
    struct Empty(Arc<rustls::sign::CertifiedKey>);

    impl rustls::server::ResolvesServerCert for Empty {
        fn resolve(&self, _: rustls::server::ClientHello<'_>) -> Option<Arc<rustls::sign::CertifiedKey>> {
            Some(Arc::clone(&self.0))
        }
    }

    let key = PrivateKeyDer::from_pem_slice(CERTIFICATES.ecdsa.1.as_bytes()).unwrap();
    let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Empty(Arc::new(rustls::sign::CertifiedKey::new(Vec::new(), key)))))
}

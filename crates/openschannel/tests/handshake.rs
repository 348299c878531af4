//! The handshake: any split of tokens, EXTRA and MISSING, credentials asked for, refusals, and what is known afterwards.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod common;

use common::*;
use openschannel::alert::AlertDescription;
use openschannel::credentials::{
    CipherSuite, ClientAuth, InboundCredentials, NamedGroup, OutboundCredentials, Protocols, Trust,
    Validation,
};
use openschannel::status::{Error, ErrorStatus, SuccessStatus};
use openschannel::{ContextOptions, ControlToken, SecurityContext, TokenBuffer};

fn establish(outbound: &OutboundCredentials, inbound: &InboundCredentials) -> Pair {
    Pair::establish(outbound, inbound, &ContextOptions::default())
}

/// Gives `arrived` to the context in pieces of `step` bytes, as a caller does: what is not consumed comes again with more behind it.
/// What is left over belongs to DecryptMessage.
fn deliver_in_pieces(context: &mut SecurityContext, arrived: &[u8], step: usize) -> (Vec<u8>, Vec<u8>) {
    let (mut held, mut written) = (Vec::new(), Vec::new());
    for piece in arrived.chunks(step) {
        held.extend_from_slice(piece);
        while !context.is_established() && !held.is_empty() {
            let mut output = TokenBuffer::allocate();
            match token_call(context, &held, &mut output) {
                Ok(outcome) => {
                    assert_eq!(outcome.consumed + outcome.extra, held.len());
                    held.drain(..outcome.consumed);
                    written.extend(output.into_vec());
                }
                Err(error) => {
                    assert_eq!(error.status(), ErrorStatus::IncompleteMessage, "{error}");
                    let expected = match *held.as_slice() {
                        [_, _, _, high, low, ..] => {
                            5 + usize::from(u16::from_be_bytes([high, low])) - held.len()
                        }
                        _ => 5 - held.len(),
                    };
                    assert_eq!(error.missing(), Some(expected));
                    break;
                }
            }
        }
    }
    (written, held)
}

#[test]
fn tokens_may_be_cut_anywhere() {
    for version in VERSIONS {
        for step in [1, 2, 3, 5, 6, 7, 64, 1000, 100_000] {
            let (outbound, inbound) = credentials(version);
            let mut hello = TokenBuffer::allocate();
            let options = ContextOptions::default();
            let (mut client, _) =
                SecurityContext::initialize(&outbound, Some(NAME), &options, &mut hello).unwrap();
            let mut output = TokenBuffer::allocate();
            let (mut server, _) =
                SecurityContext::accept(&inbound, &options, hello.as_bytes(), &mut output).unwrap();
            let mut to_client = output.into_vec();
            while !client.is_established() || !server.is_established() {
                let (written, rest) = deliver_in_pieces(&mut client, &to_client, step);
                to_client = rest;
                let (written, rest) = deliver_in_pieces(&mut server, &written, step);
                assert!(rest.is_empty());
                to_client.extend(written);
            }
            let mut pair = Pair { client, server, to_client, to_server: Vec::new() };
            pair.settle();
            let record = encrypt(&mut pair.server, b"through").unwrap();
            assert_eq!(decrypt(&mut pair.client, &record).unwrap().1, b"through", "{version:?} {step}");
        }
    }
}

#[test]
fn a_client_hello_in_two_records_makes_a_context_that_waits() {
    let (outbound, inbound) = credentials(Protocols::TLS1_3);
    let mut hello = TokenBuffer::allocate();
    let options = ContextOptions::default();
    SecurityContext::initialize(&outbound, Some(NAME), &options, &mut hello).unwrap();
    let (front, back) = hello.as_bytes()[5..].split_at(100);
    let record = |fragment: &[u8]| {
        let len = u16::try_from(fragment.len()).unwrap().to_be_bytes();
        [&[22, 3, 1, len[0], len[1]], fragment].concat()
    };
    let mut output = TokenBuffer::allocate();
    let (mut server, outcome) =
        SecurityContext::accept(&inbound, &options, &record(front), &mut output).unwrap();
    assert_eq!((outcome.status, outcome.extra, output.len()), (SuccessStatus::ContinueNeeded, 0, 0));
    let outcome = server.accept_security_context(&record(back), &mut output).unwrap();
    assert_eq!(outcome.status, SuccessStatus::ContinueNeeded);
    assert!(!output.is_empty(), "the server's flight");
}

/// Data behind the last flight is EXTRA, stays sealed, and is the first thing DecryptMessage gives.
#[test]
fn data_that_arrives_with_the_last_flight_is_not_lost() {
    for version in VERSIONS {
        for resumed in [false, true] {
            let (outbound, inbound) = credentials(version);
            if resumed {
                let mut first = establish(&outbound, &inbound);
                first.settle();
            }
            let mut pair = Pair::begin(&outbound, &inbound, &ContextOptions::default());
            // Whoever is finished first speaks at once.
            let (early, late) = loop {
                let written = deliver(&mut pair.client, &mut pair.to_client);
                pair.to_server.extend(written);
                if pair.client.is_established() {
                    pair.to_server.extend(encrypt(&mut pair.client, b"early bird").unwrap());
                    break (&mut pair.to_server, &mut pair.server);
                }
                let written = deliver(&mut pair.server, &mut pair.to_server);
                pair.to_client.extend(written);
                if pair.server.is_established() {
                    pair.to_client.extend(encrypt(&mut pair.server, b"early bird").unwrap());
                    break (&mut pair.to_client, &mut pair.client);
                }
            };
            let mut output = TokenBuffer::allocate();
            let outcome = token_call(late, early, &mut output).unwrap();
            assert_eq!(outcome.status, SuccessStatus::Ok);
            assert!(outcome.extra > 10, "SECBUFFER_EXTRA");
            let extra = early[outcome.consumed..].to_vec();
            assert_eq!(decrypt(late, &extra).unwrap().1, b"early bird", "{version:?} {resumed}");
        }
    }
}

/// Section 6.5 and obstacle by obstacle: not consumed, no output, the issuers can be asked for, and the same input goes on.
#[test]
fn a_certificate_is_asked_for_and_the_same_token_goes_on() {
    #[derive(Clone, Copy, Debug)]
    enum Answer {
        NewCertificate,
        SameHandle,
        Nothing,
    }
    for version in VERSIONS {
        for step in [1000, 40, 100_000] {
            for answer in [Answer::NewCertificate, Answer::SameHandle, Answer::Nothing] {
                let plain = outbound().protocols(version).acquire().unwrap();
                let with_certificate =
                    outbound().protocols(version).identity(identity(&CERTIFICATES.client)).acquire().unwrap();
                let inbound =
                    inbound().protocols(version).client_auth(ClientAuth::Request).acquire().unwrap();
                let mut pair = Pair::begin(&plain, &inbound, &ContextOptions::default());
                assert_eq!(pair.client.issuer_list().unwrap_err().status(), ErrorStatus::InvalidHandle);
                let (mut held, mut asked, mut written) = (Vec::new(), 0, Vec::new());
                for piece in pair.to_client.clone().chunks(step) {
                    held.extend_from_slice(piece);
                    while !held.is_empty() {
                        let credentials = match answer {
                            _ if asked == 0 => None,
                            Answer::NewCertificate => Some(&with_certificate),
                            Answer::SameHandle => Some(&plain),
                            Answer::Nothing => None,
                        };
                        let mut output = TokenBuffer::allocate();
                        match pair.client.initialize_security_context(credentials, &held, &mut output) {
                            Ok(outcome) if outcome.status == SuccessStatus::IncompleteCredentials => {
                                asked += 1;
                                assert_eq!((outcome.consumed, outcome.extra, output.len()), (0, 0, 0));
                                assert_eq!(pair.client.issuer_list().unwrap().len(), 1);
                                let empty = token_call(&mut pair.client, &[], &mut output).unwrap_err();
                                assert_eq!(empty.status(), ErrorStatus::IncompleteMessage);
                            }
                            Ok(outcome) => {
                                held.drain(..outcome.consumed);
                                written.extend(output.into_vec());
                            }
                            Err(error) => {
                                assert_eq!(error.status(), ErrorStatus::IncompleteMessage, "{error}");
                                break;
                            }
                        }
                    }
                }
                assert_eq!(asked, 1, "{version:?} {step} {answer:?}: never twice");
                pair.to_server = written;
                let written = deliver(&mut pair.server, &mut pair.to_server);
                assert!(pair.server.is_established());
                if !pair.client.is_established() {
                    deliver(&mut pair.client, &mut written.clone());
                }
                let shown = pair.server.remote_certificates().map(<[_]>::len).map_err(|error| error.status());
                match answer {
                    Answer::NewCertificate => {
                        assert_eq!(shown, Ok(1));
                        assert!(pair.client.local_certificates().is_ok());
                    }
                    _ => assert_eq!(shown, Err(ErrorStatus::NoCredentials)),
                }
            }
        }
    }
}

#[test]
fn supplied_credentials_are_not_asked_for() {
    for version in VERSIONS {
        let plain = outbound().protocols(version).acquire().unwrap();
        let inbound = inbound().protocols(version).client_auth(ClientAuth::Request).acquire().unwrap();
        let options = ContextOptions { use_supplied_credentials: true, ..ContextOptions::default() };
        let pair = Pair::establish(&plain, &inbound, &options);
        assert_eq!(pair.server.remote_certificates().unwrap_err().status(), ErrorStatus::NoCredentials);
    }
}

/// Section 6.5: in TLS 1.3 the refusal of an empty list reaches a client that is finished already.
#[test]
fn a_required_certificate_that_does_not_come_is_refused() {
    for (version, alert) in [
        (Protocols::TLS1_2, AlertDescription::HANDSHAKE_FAILURE),
        (Protocols::TLS1_3, AlertDescription::CERTIFICATE_REQUIRED),
    ] {
        let plain = outbound().protocols(version).acquire().unwrap();
        let inbound = inbound().protocols(version).client_auth(ClientAuth::Require).acquire().unwrap();
        let options = ContextOptions { use_supplied_credentials: true, ..ContextOptions::default() };
        let mut pair = Pair::begin(&plain, &inbound, &options);
        let answer = deliver(&mut pair.client, &mut pair.to_client);
        let error = pair.server.accept_security_context(&answer, &mut TokenBuffer::allocate()).unwrap_err();
        assert_eq!(error.status(), ErrorStatus::LogonDenied);
        assert!(error.alert().is_some(), "{error}");
        let received = if version == Protocols::TLS1_3 {
            assert!(pair.client.is_established());
            decrypt(&mut pair.client, error.alert_record()).unwrap_err()
        } else {
            token_call(&mut pair.client, error.alert_record(), &mut TokenBuffer::allocate()).unwrap_err()
        };
        let received = received.received_alert().unwrap().description;
        assert_eq!(Some(received), error.alert().map(|alert| alert.description));
        assert!(received == alert || received == AlertDescription::CERTIFICATE_REQUIRED, "{received}");
    }
}

/// Rule 6: an output buffer that is too small costs nothing.
#[test]
fn a_token_that_finds_no_room_is_given_when_there_is() {
    for version in VERSIONS {
        let (outbound, inbound) = credentials(version);
        let options = ContextOptions::default();
        let mut memory = [0; 20];
        let error = SecurityContext::initialize(
            &outbound,
            Some(NAME),
            &options,
            &mut TokenBuffer::supplied(&mut memory),
        )
        .unwrap_err();
        assert_eq!(error.status(), ErrorStatus::InsufficientMemory);

        let mut pair = Pair::begin(&outbound, &inbound, &options);
        let mut room = 0;
        while !pair.client.is_established() || !pair.server.is_established() {
            for role in [openschannel::Role::Client, openschannel::Role::Server] {
                let input = match role {
                    openschannel::Role::Client => std::mem::take(&mut pair.to_client),
                    openschannel::Role::Server => std::mem::take(&mut pair.to_server),
                };
                if input.is_empty() || pair.side(role).is_established() {
                    continue;
                }
                let (outcome, written) = loop {
                    let mut memory = vec![0; room];
                    let mut output = TokenBuffer::supplied(&mut memory);
                    match token_call(pair.side(role), &input, &mut output) {
                        Ok(outcome) => break (outcome, output.into_vec()),
                        Err(error) => {
                            assert_eq!(error.status(), ErrorStatus::InsufficientMemory, "{error}");
                            assert!(output.is_empty());
                            room += 7;
                        }
                    }
                };
                room = 0;
                assert_eq!(outcome.extra, 0);
                match role {
                    openschannel::Role::Client => pair.to_server.extend(written),
                    openschannel::Role::Server => pair.to_client.extend(written),
                }
            }
        }
        pair.settle();
        // The alert of a control token waits as well.
        pair.client.apply_control_token(ControlToken::Shutdown).unwrap();
        let mut memory = [0; 23];
        let error = token_call(&mut pair.client, &[], &mut TokenBuffer::supplied(&mut memory)).unwrap_err();
        assert_eq!(error.status(), ErrorStatus::InsufficientMemory);
        assert!(!pair.client.closing_report().close_sent);
        let mut memory = vec![0; if version == Protocols::TLS1_3 { 24 } else { 31 }];
        let mut output = TokenBuffer::supplied(&mut memory);
        token_call(&mut pair.client, &[], &mut output).unwrap();
        assert_eq!(
            decrypt(&mut pair.server, output.as_bytes()).unwrap().0.status,
            SuccessStatus::ContextExpired
        );
    }
}

#[test]
fn an_untrusted_or_misnamed_server_is_refused_and_told() {
    for version in VERSIONS {
        let inbound = inbound().protocols(version).acquire().unwrap();
        let stranger =
            rcgen::generate_simple_self_signed(["other.test".to_owned()]).unwrap().cert.der().to_vec();
        let distrusting = OutboundCredentials::builder()
            .protocols(version)
            .trust(Trust::Roots(vec![stranger]))
            .acquire()
            .unwrap();
        let (error, told) = refused_by_client(&distrusting, &inbound, NAME);
        assert_eq!(error.status(), ErrorStatus::UntrustedRoot);
        assert_eq!(told.status(), ErrorStatus::UntrustedRoot, "unknown_ca, and its status on the other side");

        let trusting = outbound().protocols(version).acquire().unwrap();
        let (error, _) = refused_by_client(&trusting, &inbound, "elsewhere.test");
        assert_eq!(error.status(), ErrorStatus::WrongPrincipal);
        assert_eq!(error.alert().map(|alert| alert.description), Some(AlertDescription::BAD_CERTIFICATE));

        // The caller may decide instead, per credential or per context.
        let manual = OutboundCredentials::builder()
            .protocols(version)
            .validation(Validation::Manual)
            .acquire()
            .unwrap();
        assert!(establish(&manual, &inbound).client.remote_certificates().is_ok());
        let options = ContextOptions { manual_validation: true, ..ContextOptions::default() };
        let pair = Pair::establish(&distrusting, &inbound, &options);
        assert!(pair.client.attributes().unwrap().validation_result().is_none());
        let deferred = OutboundCredentials::builder()
            .protocols(version)
            .trust(Trust::Roots(vec![]))
            .validation(Validation::Deferred)
            .acquire()
            .unwrap();
        let pair = establish(&deferred, &inbound);
        let result = pair.client.attributes().unwrap().validation_result().unwrap();
        assert_eq!(result.unwrap_err().status, ErrorStatus::UntrustedRoot);
    }
}

/// What a session was made with holds for those who are resumed from it: a verdict where there was one, and none where there was not.
#[test]
fn a_resumed_session_has_the_verdict_of_its_first_handshake() {
    for version in VERSIONS {
        for manual in [false, true] {
            let (outbound, inbound) = (
                outbound().protocols(version).identity(identity(&CERTIFICATES.client)).acquire().unwrap(),
                inbound().protocols(version).client_auth(ClientAuth::Request).acquire().unwrap(),
            );
            let options = ContextOptions { manual_validation: manual, ..ContextOptions::default() };
            for resumed in [false, true] {
                let mut pair = Pair::establish(&outbound, &inbound, &options);
                pair.settle();
                for side in [&pair.client, &pair.server] {
                    let attributes = side.attributes().unwrap();
                    assert_eq!(attributes.session_info().resumed, resumed, "{version:?} {manual}");
                    let verdict = attributes.validation_result().map(|verdict| verdict.is_ok());
                    assert_eq!(verdict, (!manual).then_some(true), "{version:?} {resumed} {:?}", side.role());
                }
            }
        }
    }
}

fn refused_by_server(outbound: &OutboundCredentials, inbound: &InboundCredentials) -> (Error, Error) {
    let options = ContextOptions::default();
    let mut output = TokenBuffer::allocate();
    let (mut client, _) = SecurityContext::initialize(outbound, Some(NAME), &options, &mut output).unwrap();
    let error = SecurityContext::accept(inbound, &options, output.as_bytes(), &mut TokenBuffer::allocate())
        .unwrap_err();
    let told = token_call(&mut client, error.alert_record(), &mut TokenBuffer::allocate()).unwrap_err();
    assert_eq!(told.received_alert(), error.alert());
    (error, told)
}

#[test]
fn sides_without_common_ground_part_with_the_documented_alert() {
    let client = |protocols| outbound().protocols(protocols).acquire().unwrap();
    let server = |protocols| inbound().protocols(protocols).acquire().unwrap();
    for (client_speaks, server_speaks) in
        [(Protocols::TLS1_2, Protocols::TLS1_3), (Protocols::TLS1_3, Protocols::TLS1_2)]
    {
        let (error, told) = refused_by_server(&client(client_speaks), &server(server_speaks));
        assert_eq!(error.status(), ErrorStatus::UnsupportedFunction, "{error}");
        assert_eq!(told.received_alert().unwrap().description, AlertDescription::PROTOCOL_VERSION);
    }
    let aes = outbound().cipher_suites(&[CipherSuite::TLS_AES_128_GCM_SHA256]).acquire().unwrap();
    let chacha = inbound().cipher_suites(&[CipherSuite::TLS_CHACHA20_POLY1305_SHA256]).acquire().unwrap();
    let (error, told) = refused_by_server(&aes, &chacha);
    assert_eq!(error.status(), ErrorStatus::AlgorithmMismatch);
    assert_eq!(told.received_alert().unwrap().description, AlertDescription::HANDSHAKE_FAILURE);

    let x25519 = outbound().groups(&[NamedGroup::X25519]).acquire().unwrap();
    let p384 = inbound().groups(&[NamedGroup::SECP384R1]).acquire().unwrap();
    assert_eq!(refused_by_server(&x25519, &p384).0.status(), ErrorStatus::AlgorithmMismatch);

    let spdy = outbound().alpn(vec![b"spdy/1".to_vec()]).acquire().unwrap();
    let http = inbound().alpn(vec![b"http/1.1".to_vec()]).acquire().unwrap();
    let (error, told) = refused_by_server(&spdy, &http);
    assert_eq!(error.status(), ErrorStatus::ApplicationProtocolMismatch);
    assert_eq!(told.received_alert().unwrap().description, AlertDescription::NO_APPLICATION_PROTOCOL);
    assert_eq!(told.status(), ErrorStatus::ApplicationProtocolMismatch);

    let bare = InboundCredentials::builder().acquire().unwrap();
    let (error, told) = refused_by_server(&client(Protocols::TLS1_3), &bare);
    assert_eq!(error.status(), ErrorStatus::NoCredentials);
    assert_eq!(told.received_alert().unwrap().description, AlertDescription::HANDSHAKE_FAILURE);
}

/// RFC 7507: a retry with TLS 1.2 that says so, at a server that speaks TLS 1.3.
#[test]
fn a_fallback_below_what_both_sides_speak_is_refused() {
    let (outbound, inbound) =
        (outbound().protocols(Protocols::TLS1_2).acquire().unwrap(), inbound().acquire().unwrap());
    let mut output = TokenBuffer::allocate();
    let options = ContextOptions::default();
    SecurityContext::initialize(&outbound, Some(NAME), &options, &mut output).unwrap();
    let mut hello = output.into_vec();
    let scsv = hello
        .windows(2)
        .position(|pair| pair == [0x00, 0xff])
        .expect("the renegotiation SCSV, to be replaced");
    hello[scsv..scsv + 2].copy_from_slice(&[0x56, 0x00]);
    let error =
        SecurityContext::accept(&inbound, &options, &hello, &mut TokenBuffer::allocate()).unwrap_err();
    assert_eq!(error.status(), ErrorStatus::DowngradeDetected);
    assert_eq!(error.alert_record(), [21, 3, 3, 0, 2, 2, AlertDescription::INAPPROPRIATE_FALLBACK.0]);
}

#[test]
fn what_is_no_tls_is_told_from_what_breaks_it() {
    for version in VERSIONS {
        let (outbound, inbound) = credentials(version);
        let fresh = || Pair::begin(&outbound, &inbound, &ContextOptions::default());
        for garbage in [vec![0xfa; 100], vec![0; 100], b"HTTP/1.1 400 Bad Request\r\n".to_vec()] {
            let error = token_call(&mut fresh().client, &garbage, &mut TokenBuffer::allocate()).unwrap_err();
            assert_eq!((error.status(), error.alert_record().len()), (ErrorStatus::InvalidToken, 0));
        }
        let mut pair = fresh();
        let server_hello = 5 + usize::from(u16::from_be_bytes([pair.to_client[3], pair.to_client[4]]));
        let mut token = pair.to_client[..server_hello].to_vec();
        token.extend([0xfa; 9]);
        let error = token_call(&mut pair.client, &token, &mut TokenBuffer::allocate()).unwrap_err();
        assert_eq!(error.status(), ErrorStatus::IllegalMessage, "behind a ServerHello it is a breach");
        assert!(!error.alert_record().is_empty());
        let error = token_call(&mut fresh().client, &[22, 3, 3, 0xff, 0xff, 0], &mut TokenBuffer::allocate())
            .unwrap_err();
        assert_eq!(error.alert().unwrap().description, AlertDescription::RECORD_OVERFLOW);
        let error =
            token_call(&mut fresh().client, &[22, 3, 3, 0, 5, 2, 0, 0, 1, 9], &mut TokenBuffer::allocate())
                .unwrap_err();
        assert_eq!(error.alert().unwrap().description, AlertDescription::DECODE_ERROR);
        let error =
            token_call(&mut fresh().client, &[23, 3, 3, 0, 1, 9], &mut TokenBuffer::allocate()).unwrap_err();
        assert_eq!(error.alert().unwrap().description, AlertDescription::UNEXPECTED_MESSAGE, "{error}");
    }
}

#[test]
fn a_tampered_handshake_is_refused_with_decrypt_error_or_bad_mac() {
    let (outbound, inbound) = credentials(Protocols::TLS1_3);
    let mut pair = Pair::begin(&outbound, &inbound, &ContextOptions::default());
    *pair.to_client.last_mut().unwrap() ^= 1;
    let error = token_call(&mut pair.client, &pair.to_client, &mut TokenBuffer::allocate()).unwrap_err();
    assert_eq!(
        (error.status(), error.alert().unwrap().description),
        (ErrorStatus::MessageAltered, AlertDescription::BAD_RECORD_MAC)
    );
    // The alert is sealed under the client's handshake key, and the server can read it.
    let told =
        pair.server.accept_security_context(error.alert_record(), &mut TokenBuffer::allocate()).unwrap_err();
    assert_eq!(told.received_alert(), error.alert());
}

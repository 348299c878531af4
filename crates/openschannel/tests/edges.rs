//! Where two rules meet: a full buffer and a close, a close and a waiting message, a key that fails in the middle of a handshake.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod common;
mod states;

use std::sync::Arc;

use common::*;
use openschannel::alert::{Alert, AlertDescription};
use openschannel::credentials::{
    ClientAuth, Identity, KeyAlgorithm, PostHandshake, PrivateKey, Protocols, SignatureScheme,
};
use openschannel::status::{Error, ErrorStatus, SuccessStatus};
use openschannel::{
    ContextOptions, ControlToken, KeyUpdateRequest, ReadEnd, Role, SecurityContext, TokenBuffer, TransportEnd,
};

fn compatible() -> ContextOptions {
    ContextOptions { post_handshake: Some(PostHandshake::Compatible), ..ContextOptions::default() }
}

/// A key in a token that has been pulled out.
#[derive(Debug)]
struct Absent;

impl PrivateKey for Absent {
    fn algorithm(&self) -> KeyAlgorithm {
        KeyAlgorithm::Ecdsa
    }

    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<SignatureScheme> {
        offered.iter().copied().find(|scheme| *scheme == SignatureScheme::ECDSA_SECP256R1_SHA256)
    }

    fn sign(&self, _: SignatureScheme, _: &[u8]) -> Result<Vec<u8>, Error> {
        Err(Error::new(ErrorStatus::NoCredentials).because("the card is gone"))
    }

    fn public_key_der(&self) -> Option<Vec<u8>> {
        None
    }
}

fn absent(pair: &(String, String)) -> Identity {
    let chain = identity(pair).chain().map(<[u8]>::to_vec).collect();
    Identity::new(chain, Arc::new(Absent)).unwrap()
}

/// Section 5.2: the engine has no alert for this; the peer is told all the same, under the keys of the moment.
#[test]
fn a_key_that_does_not_sign_is_told_to_the_peer() {
    for version in VERSIONS {
        for role in [Role::Client, Role::Server] {
            let client = outbound().protocols(version);
            let server = openschannel::credentials::InboundCredentials::builder()
                .protocols(version)
                .client_auth(ClientAuth::Request)
                .trust(openschannel::credentials::Trust::Roots(vec![CERTIFICATES.authority_der.clone()]));
            let (client, server) = match role {
                Role::Client => (
                    client.identity(absent(&CERTIFICATES.client)),
                    server.identity(identity(&CERTIFICATES.ecdsa)),
                ),
                Role::Server => (
                    client.identity(identity(&CERTIFICATES.client)),
                    server.identity(absent(&CERTIFICATES.ecdsa)),
                ),
            };
            let (client, server) = (client.acquire().unwrap(), server.acquire().unwrap());
            let mut hello = TokenBuffer::allocate();
            let options = ContextOptions::default();
            let (mut client, _) =
                SecurityContext::initialize(&client, Some(NAME), &options, &mut hello).unwrap();
            let mut flight = TokenBuffer::allocate();
            let accepted = SecurityContext::accept(&server, &options, hello.as_bytes(), &mut flight);
            let (error, told) = match (role, accepted) {
                (Role::Server, Err(error)) => {
                    let told = token_call(&mut client, error.alert_record(), &mut TokenBuffer::allocate());
                    (error, told)
                }
                (Role::Client, Ok((mut server, _))) => {
                    let error =
                        token_call(&mut client, flight.as_bytes(), &mut TokenBuffer::allocate()).unwrap_err();
                    let told = token_call(&mut server, error.alert_record(), &mut TokenBuffer::allocate());
                    (error, told)
                }
                (_, other) => panic!("{version:?} {role:?}: {:?}", other.map(|_| ())),
            };
            assert_eq!(
                error.status(),
                ErrorStatus::NoCredentials,
                "{version:?} {role:?}: the key's own status"
            );
            let alert = Alert::fatal(AlertDescription::INTERNAL_ERROR);
            assert_eq!(error.alert(), Some(alert), "{version:?} {role:?}");
            assert_eq!(told.unwrap_err().received_alert(), Some(alert), "{version:?} {role:?}");
        }
    }
}

/// Section 6.4.
#[test]
fn a_malformed_protocol_list_is_refused_before_anything_is_made_of_it() {
    let (outbound, inbound) = credentials(Protocols::TLS1_3);
    let mut hello = TokenBuffer::allocate();
    SecurityContext::initialize(&outbound, Some(NAME), &ContextOptions::default(), &mut hello).unwrap();
    for list in [vec![vec![]], vec![vec![b'x'; 256]], vec![vec![b'x'; 255]; 400]] {
        let options = ContextOptions { alpn: Some(list), ..ContextOptions::default() };
        let mut output = TokenBuffer::allocate();
        let client = SecurityContext::initialize(&outbound, Some(NAME), &options, &mut output).unwrap_err();
        let server = SecurityContext::accept(&inbound, &options, hello.as_bytes(), &mut output).unwrap_err();
        assert_eq!(
            (client.status(), server.status()),
            (ErrorStatus::InvalidToken, ErrorStatus::InvalidToken)
        );
    }
}

/// Compatible mode, and the sending half is gone: nobody can make the token call, so the tickets stand in nobody's way.
#[test]
fn a_consumed_sending_half_leaves_no_gate() {
    for close_first in [false, true] {
        let (outbound, inbound) = credentials(Protocols::TLS1_3);
        let mut pair = Pair::establish(&outbound, &inbound, &compatible());
        let mut wire = std::mem::take(&mut pair.to_client);
        let mut update = TokenBuffer::allocate();
        pair.server.key_update(KeyUpdateRequest::Requested, &mut update).unwrap();
        wire.extend(update.as_bytes());
        wire.extend(encrypt(&mut pair.server, b"under the new key").unwrap());
        wire.extend(shut_down(&mut pair.server));
        let (send, mut receive) = pair.client.split().unwrap();
        let mut send = Some(send);
        if close_first {
            send.take().unwrap().close().unwrap();
        }
        let mut data = Vec::new();
        loop {
            let message = receive.decrypt(&mut wire).unwrap();
            match message.status {
                SuccessStatus::Ok => {
                    data.extend_from_slice(&wire[message.data.clone()]);
                    wire.drain(..message.extra.start);
                }
                SuccessStatus::Renegotiate => {
                    drop(send.take().expect("only before the close").close().unwrap());
                }
                SuccessStatus::ContextExpired => break,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(data, b"under the new key", "close first: {close_first}");
        assert_eq!(receive.read_end(), ReadEnd::Clean);
    }
}

/// Section 4.4 #24 for the side that finds the fault: a session whose peer was refused is not resumed.
#[test]
fn a_fatal_alert_ends_the_session_of_its_sender_too() {
    let (outbound, inbound) = credentials(Protocols::TLS1_2);
    let resumed = || Pair::establish(&outbound, &inbound, &ContextOptions::default());
    resumed();
    let mut pair = resumed();
    assert!(pair.client.attributes().unwrap().session_info().resumed);
    control(&mut pair.client, ControlToken::Alert(Alert::fatal(AlertDescription::CERTIFICATE_UNKNOWN)));
    let mut pair = resumed();
    assert!(!pair.client.attributes().unwrap().session_info().resumed, "refused by the application");
    let mut record = encrypt(&mut pair.server, b"data").unwrap();
    *record.last_mut().unwrap() ^= 1;
    decrypt(&mut pair.client, &record).unwrap_err();
    assert!(!resumed().client.attributes().unwrap().session_info().resumed, "a forged record");
}

/// Rule 6: the alert takes the unsent token with it, and how much of the input was consumed is told afterwards.
#[test]
fn a_close_flushes_a_token_that_found_no_room() {
    for version in VERSIONS {
        let (outbound, inbound) = credentials(version);
        let mut pair = Pair::begin(&outbound, &inbound, &ContextOptions::default());
        let flight = pair.to_client.clone();
        let mut memory = [0; 4];
        let error =
            token_call(&mut pair.client, &flight, &mut TokenBuffer::supplied(&mut memory)).unwrap_err();
        assert_eq!(error.status(), ErrorStatus::InsufficientMemory);
        let token = shut_down(&mut pair.client);
        let mut output = TokenBuffer::allocate();
        let outcome = token_call(&mut pair.client, &flight, &mut output).unwrap();
        assert_eq!((outcome.consumed, output.len()), (flight.len(), 0), "{version:?}");
        if version == Protocols::TLS1_3 {
            let mut wire = token;
            let tickets = deliver(&mut pair.server, &mut wire);
            assert_eq!(decrypt(&mut pair.server, &wire).unwrap().0.status, SuccessStatus::ContextExpired);
            let mut wire = [tickets, encrypt(&mut pair.server, b"not lost").unwrap()].concat();
            let data = loop {
                let message = pair.client.decrypt_message(&mut wire).unwrap();
                if !message.data.is_empty() {
                    break wire[message.data].to_vec();
                }
                wire.drain(..message.extra.start);
            };
            assert_eq!(data, b"not lost");
        }
    }
}

/// What is refused changes nothing: the shutdown does not wait for the next token call, and what waited for it before still does.
#[test]
fn a_shutdown_that_found_no_room_leaves_nothing_behind() {
    for version in VERSIONS {
        for waiting in [None, Some(Alert::fatal(AlertDescription::BAD_CERTIFICATE))] {
            let mut pair = Pair::quiet(version);
            if let Some(alert) = waiting {
                pair.client.apply_control_token(ControlToken::Alert(alert)).unwrap();
            }
            let (mut send, receive) = pair.client.split().unwrap();
            let error = send.shut_down(&mut TokenBuffer::supplied(&mut [0; 3])).unwrap_err();
            assert_eq!(error.status(), ErrorStatus::InsufficientMemory);
            let mut client = SecurityContext::join(send, receive).unwrap();
            assert_eq!(client.has_control_token(), waiting.is_some(), "{version:?}");
            let mut output = TokenBuffer::allocate();
            token_call(&mut client, &[], &mut output).unwrap();
            match waiting {
                None => {
                    assert!(output.is_empty());
                    let record = encrypt(&mut client, b"still open").unwrap();
                    assert_eq!(decrypt(&mut pair.server, &record).unwrap().1, b"still open");
                }
                Some(alert) => {
                    let error = decrypt(&mut pair.server, output.as_bytes()).unwrap_err();
                    assert_eq!(error.received_alert(), Some(alert));
                }
            }
        }
    }
}

/// The answers to what this side asks for are no flood.
#[test]
fn a_sender_may_ask_for_updates_as_often_as_it_likes() {
    let mut pair = Pair::quiet(Protocols::TLS1_3);
    for _ in 0..100 {
        let mut update = TokenBuffer::allocate();
        pair.client.key_update(KeyUpdateRequest::Requested, &mut update).unwrap();
        let wire = [encrypt(&mut pair.client, b"upload").unwrap(), Vec::new()].concat();
        decrypt(&mut pair.server, update.as_bytes()).unwrap();
        decrypt(&mut pair.server, &wire).unwrap();
        let mut answer = TokenBuffer::allocate();
        pair.server.send_half().unwrap().answer_key_update(&mut answer).unwrap();
        decrypt(&mut pair.client, answer.as_bytes()).unwrap();
    }
    assert_eq!(pair.client.closing_report().read_end, ReadEnd::Open);
}

/// RFC 9846 section 4.7.3: who waits for an answer does not ask again.
#[test]
fn a_request_for_an_update_is_not_repeated() {
    let mut pair = Pair::quiet(Protocols::TLS1_3);
    let request = |pair: &mut Pair| {
        let mut update = TokenBuffer::allocate();
        pair.client.key_update(KeyUpdateRequest::Requested, &mut update).unwrap();
        decrypt(&mut pair.server, update.as_bytes()).unwrap();
        let mut answer = TokenBuffer::allocate();
        pair.server.send_half().unwrap().answer_key_update(&mut answer).unwrap();
        answer.into_vec()
    };
    let first = request(&mut pair);
    assert!(!first.is_empty());
    assert!(request(&mut pair).is_empty(), "asked while the answer is under way");
    decrypt(&mut pair.client, &first).unwrap();
    assert!(!request(&mut pair).is_empty(), "the answer has come");
    let sealed = encrypt(&mut pair.client, b"the keys agree").unwrap();
    assert_eq!(decrypt(&mut pair.server, &sealed).unwrap().0.data.len(), 14);
}

/// Section 3.5, SESSION, and a target in a spelling of its own.
#[test]
fn sessions_are_forgotten_however_the_target_was_spelled() {
    for (version, target) in VERSIONS.into_iter().zip(["0:0:0:0:0:0:0:1", "SERVER.test."]) {
        let client = outbound().protocols(version).server_name_check(false).acquire().unwrap();
        let server = inbound().protocols(version).acquire().unwrap();
        let connect = || {
            let mut output = TokenBuffer::allocate();
            let options = ContextOptions::default();
            let (client, _) =
                SecurityContext::initialize(&client, Some(target), &options, &mut output).unwrap();
            let hello = output.into_vec();
            let mut output = TokenBuffer::allocate();
            let (server, _) = SecurityContext::accept(&server, &options, &hello, &mut output).unwrap();
            let mut pair = Pair { client, server, to_client: output.into_vec(), to_server: Vec::new() };
            while !pair.client.is_established() || !pair.server.is_established() {
                if !pair.client.is_established() {
                    pair.to_server = deliver(&mut pair.client, &mut pair.to_client);
                }
                if !pair.server.is_established() {
                    let written = deliver(&mut pair.server, &mut pair.to_server);
                    pair.to_client.extend(written);
                }
            }
            pair.settle();
            pair
        };
        connect();
        let mut pair = connect();
        assert!(pair.client.attributes().unwrap().session_info().resumed, "{target}");
        pair.client.apply_control_token(ControlToken::Session { reconnects: false }).unwrap();
        assert!(!connect().client.attributes().unwrap().session_info().resumed, "{target}");
    }
}

/// Section 8.1: a piece of the record that waits changes nothing.
#[test]
fn a_piece_of_the_held_record_is_incomplete_and_no_more() {
    let mut pair = states::pair(Protocols::TLS1_3, true);
    let mut update = TokenBuffer::allocate();
    pair.server.key_update(KeyUpdateRequest::Requested, &mut update).unwrap();
    let record = update.into_vec();
    assert_eq!(decrypt(&mut pair.client, &record).unwrap().0.status, SuccessStatus::Renegotiate);
    for cut in 1..record.len() {
        let error = token_call(&mut pair.client, &record[..cut], &mut TokenBuffer::allocate()).unwrap_err();
        assert_eq!(error.status(), ErrorStatus::IncompleteMessage, "cut at {cut}");
        assert_eq!(
            decrypt(&mut pair.client, &record).unwrap_err().status(),
            ErrorStatus::ContextExpired,
            "the gate"
        );
    }
    let mut output = TokenBuffer::allocate();
    let outcome = token_call(&mut pair.client, &record, &mut output).unwrap();
    assert_eq!((outcome.status, outcome.consumed, output.len()), (SuccessStatus::Ok, record.len(), 27));
}

/// A connection this side has ended by a fatal alert is not called truncated when the transport ends too.
#[test]
fn an_own_fatal_alert_is_the_end_of_reading() {
    for version in VERSIONS {
        let mut pair = Pair::quiet(version);
        control(&mut pair.client, ControlToken::Alert(Alert::fatal(AlertDescription::ACCESS_DENIED)));
        let failed = ReadEnd::Failed(ErrorStatus::ContextExpired);
        assert_eq!(pair.client.closing_report().read_end, failed);
        assert_eq!(pair.client.transport_ended(TransportEnd::Eof, 0), failed);
    }
}

/// Section 2.7: too much data is refused, however much it is said to be.
#[test]
fn a_length_beyond_everything_is_refused() {
    for version in VERSIONS {
        let mut pair = Pair::quiet(version);
        let mut buffer = [7; 64];
        for len in [16_385, usize::MAX - 1, usize::MAX] {
            let error = pair.client.send_half().unwrap().encrypt_contiguous(&mut buffer, len).unwrap_err();
            assert_eq!((error.status(), buffer), (ErrorStatus::EncryptFailure, [7; 64]), "{len}");
        }
    }
}

/// The front of a record, then the whole record: it is done with, whichever call took it, and an end behind it cuts nothing.
#[test]
fn a_record_begun_in_one_call_and_taken_by_another_is_whole() {
    let between_records = ReadEnd::Truncated { inside_record: false };
    for options in [ContextOptions::default(), compatible()] {
        let (outbound, inbound) = credentials(Protocols::TLS1_3);
        let mut pair = Pair::establish(&outbound, &inbound, &options);
        let mut update = TokenBuffer::allocate();
        pair.client.key_update(KeyUpdateRequest::NotRequested, &mut update).unwrap();
        let record = update.into_vec();
        let error = decrypt(&mut pair.server, &record[..9]).unwrap_err();
        assert_eq!(error.status(), ErrorStatus::IncompleteMessage);
        let outcome = token_call(&mut pair.server, &record, &mut TokenBuffer::allocate()).unwrap();
        assert_eq!(outcome.consumed, record.len());
        assert_eq!(pair.server.transport_ended(TransportEnd::Eof, 0), between_records);
    }

    let (outbound, inbound) = credentials(Protocols::TLS1_3);
    let mut pair = Pair::establish(&outbound, &inbound, &compatible());
    let mut update = TokenBuffer::allocate();
    pair.client.key_update(KeyUpdateRequest::NotRequested, &mut update).unwrap();
    let record = update.into_vec();
    assert_eq!(decrypt(&mut pair.server, &record).unwrap().0.status, SuccessStatus::Renegotiate);
    token_call(&mut pair.server, &[], &mut TokenBuffer::allocate()).unwrap();
    // The caller reads on from a buffer in which the record is not whole any more, or not yet.
    let error = decrypt(&mut pair.server, &record[..9]).unwrap_err();
    assert_eq!(error.status(), ErrorStatus::IncompleteMessage);
    assert_eq!(decrypt(&mut pair.server, &record).unwrap().0.status, SuccessStatus::Ok);
    assert_eq!(pair.server.transport_ended(TransportEnd::Eof, 0), between_records);
}

/// Whose connection has failed waits for no new keys.
#[test]
fn no_answer_is_due_on_a_connection_that_failed() {
    let mut pair = Pair::quiet(Protocols::TLS1_3);
    let mut update = TokenBuffer::allocate();
    pair.client.key_update(KeyUpdateRequest::Requested, &mut update).unwrap();
    decrypt(&mut pair.server, update.as_bytes()).unwrap();
    assert!(pair.server.send_half().unwrap().is_reply_due());
    let alert = Alert::fatal(AlertDescription::INTERNAL_ERROR);
    let record = control(&mut pair.client, ControlToken::Alert(alert));
    decrypt(&mut pair.server, &record).unwrap_err();
    let send = pair.server.send_half().unwrap();
    assert!(!send.is_reply_due());
    let mut output = TokenBuffer::allocate();
    send.answer_key_update(&mut output).unwrap();
    assert!(output.is_empty());
}

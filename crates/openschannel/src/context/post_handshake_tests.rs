//! Handshake messages on an established connection that no well-behaved peer of this crate's would send.

use super::{Role, TokenBuffer};
use crate::alert::{Alert, AlertDescription, AlertLevel};
use crate::credentials::Protocols;
use crate::status::{ErrorStatus, SuccessStatus};

use crate::common::*;
use crate::states;

const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;
const ROLES: [Role; 2] = [Role::Client, Role::Server];

fn forge(pair: &mut Pair, from: Role, content_type: u8, content: &[u8]) -> Vec<u8> {
    pair.side(from).send_half().unwrap().forge_record(content_type, content).unwrap()
}

/// The peer of `from` refuses the records with `alert`, and tells so.
#[track_caller]
fn assert_refused(
    pair: &mut Pair,
    from: Role,
    records: &[Vec<u8>],
    status: ErrorStatus,
    alert: AlertDescription,
) {
    let receiver = pair.side(other(from));
    let (last, before) = records.split_last().unwrap();
    for record in before {
        decrypt(receiver, record).unwrap();
    }
    let error = decrypt(receiver, last).unwrap_err();
    assert_eq!((error.status(), error.alert()), (status, Some(Alert::fatal(alert))));
    let told = shut_down(receiver);
    let error = decrypt(pair.side(from), &told).unwrap_err();
    assert_eq!(error.received_alert(), Some(Alert::fatal(alert)));
}

/// What an alert record says that changes nothing.
fn open_alert(receiver: &mut super::SecurityContext, record: &[u8]) -> [u8; 2] {
    let mut copy = record.to_vec();
    let decrypted = receiver.decrypt_message(&mut copy).unwrap();
    assert_eq!((decrypted.status, decrypted.data.len()), (SuccessStatus::Ok, 0));
    copy[decrypted.header..decrypted.header + 2].try_into().unwrap()
}

/// The profile, second line: consumed by DecryptMessage, and the connection goes on; who sends declines, and so does a token call.
#[test]
fn an_attempt_to_renegotiate_is_declined() {
    for from in ROLES {
        for compatible in [false, true] {
            let message: &[u8] = if from == Role::Server { &[0, 0, 0, 0] } else { &[1, 0, 0, 2, 3, 3] };
            let mut pair = states::pair(Protocols::TLS1_2, compatible);
            let record = forge(&mut pair, from, HANDSHAKE, message);
            let (decrypted, _) = decrypt(pair.side(other(from)), &record).unwrap();
            assert_eq!((decrypted.status, decrypted.data.len()), (SuccessStatus::Ok, 0));
            assert_eq!(
                (decrypted.header, decrypted.trailer.len()),
                (13, message.len() + 16),
                "section 8.1's layout"
            );

            // Asked again before it was answered, it is answered once.
            let record = forge(&mut pair, from, HANDSHAKE, message);
            decrypt(pair.side(other(from)), &record).unwrap();
            let mut output = TokenBuffer::allocate();
            for expected in [Some([1, 100]), None] {
                let answering = pair.side(other(from)).send_half().unwrap();
                assert_eq!(answering.is_reply_due(), expected.is_some());
                answering.answer_key_update(&mut output).unwrap();
                let content = (!output.is_empty()).then(|| open_alert(pair.side(from), output.as_bytes()));
                assert_eq!(content, expected);
            }

            let record = forge(&mut pair, from, HANDSHAKE, message);
            let mut output = TokenBuffer::allocate();
            let outcome = token_call(pair.side(other(from)), &record, &mut output).unwrap();
            assert_eq!((outcome.status, outcome.consumed), (SuccessStatus::NoRenegotiation, record.len()));
            let (decrypted, _) = decrypt(pair.side(from), output.as_bytes()).unwrap();
            assert_eq!(
                (decrypted.status, decrypted.data.len()),
                (SuccessStatus::Ok, 0),
                "warning 100 is ignored"
            );
            let record = encrypt(pair.side(from), b"on we go").unwrap();
            assert_eq!(decrypt(pair.side(other(from)), &record).unwrap().1, b"on we go");
        }
    }
}

#[test]
fn floods_end_somewhere() {
    for (version, message) in
        [(Protocols::TLS1_2, [0, 0, 0, 0].as_slice()), (Protocols::TLS1_3, &[24, 0, 0, 1, 0])]
    {
        let mut pair = states::pair(version, false);
        let mut tolerated = 0;
        let error = loop {
            let record = if version == Protocols::TLS1_3 {
                let mut update = TokenBuffer::allocate();
                pair.server.key_update(super::KeyUpdateRequest::NotRequested, &mut update).unwrap();
                update.into_vec()
            } else {
                forge(&mut pair, Role::Server, HANDSHAKE, message)
            };
            match decrypt(&mut pair.client, &record) {
                Ok(_) => tolerated += 1,
                Err(error) => break error,
            }
        };
        assert_eq!((tolerated, error.status()), (32, ErrorStatus::IllegalMessage));
    }
    for version in VERSIONS {
        let mut pair = states::pair(version, false);
        let records: Vec<_> = (0..33).map(|_| encrypt(&mut pair.server, b"").unwrap()).collect();
        assert_refused(
            &mut pair,
            Role::Server,
            &records,
            ErrorStatus::IllegalMessage,
            AlertDescription::UNEXPECTED_MESSAGE,
        );
        // Data in between starts the count again.
        let mut pair = states::pair(version, false);
        for round in 0..100 {
            let record = encrypt(&mut pair.server, if round % 32 == 31 { b"x" } else { b"" }).unwrap();
            decrypt(&mut pair.client, &record).unwrap();
        }
    }
}

#[test]
fn messages_out_of_place_are_refused() {
    for from in ROLES {
        let certificate_request: &[u8] = &[13, 0, 0, 3, 0, 0, 0];
        let mut pair = states::pair(Protocols::TLS1_3, false);
        for (content_type, content, alert) in [
            (HANDSHAKE, certificate_request, AlertDescription::UNEXPECTED_MESSAGE),
            (HANDSHAKE, &[20, 0, 0, 0], AlertDescription::UNEXPECTED_MESSAGE),
            (HANDSHAKE, &[0, 0, 0, 0], AlertDescription::UNEXPECTED_MESSAGE),
            (HANDSHAKE, &[], AlertDescription::UNEXPECTED_MESSAGE),
            (HANDSHAKE, &[4, 1, 0, 0], AlertDescription::DECODE_ERROR),
            (HANDSHAKE, &[24, 0, 0, 1, 2], AlertDescription::ILLEGAL_PARAMETER),
            (HANDSHAKE, &[24, 0, 0, 2, 0, 0], AlertDescription::DECODE_ERROR),
            (HANDSHAKE, &[24, 0, 0, 1, 0, 24, 0, 0, 1, 0], AlertDescription::UNEXPECTED_MESSAGE),
            (ALERT, &[1], AlertDescription::DECODE_ERROR),
            (ALERT, &[], AlertDescription::UNEXPECTED_MESSAGE),
            (ALERT, &[1, 0, 0], AlertDescription::DECODE_ERROR),
            (20, &[1], AlertDescription::UNEXPECTED_MESSAGE),
            (99, b"?", AlertDescription::UNEXPECTED_MESSAGE),
        ] {
            let record = forge(&mut pair, from, content_type, content);
            let alert = if content_type == ALERT && content.is_empty() {
                AlertDescription::DECODE_ERROR
            } else {
                alert
            };
            assert_refused(&mut pair, from, &[record], ErrorStatus::IllegalMessage, alert);
            pair = states::pair(Protocols::TLS1_3, false);
        }
        let mut pair = states::pair(Protocols::TLS1_2, false);
        let record = forge(&mut pair, from, HANDSHAKE, &[20, 0, 0, 0]);
        assert_refused(
            &mut pair,
            from,
            &[record],
            ErrorStatus::IllegalMessage,
            AlertDescription::UNEXPECTED_MESSAGE,
        );
        let mut pair = states::pair(Protocols::TLS1_2, false);
        let record = forge(&mut pair, from, 20, &[1]);
        assert_refused(
            &mut pair,
            from,
            &[record],
            ErrorStatus::IllegalMessage,
            AlertDescription::UNEXPECTED_MESSAGE,
        );
    }
    // A ticket is the server's to give.
    let mut pair = states::pair(Protocols::TLS1_3, false);
    let record = forge(&mut pair, Role::Client, HANDSHAKE, &[4, 0, 0, 0]);
    assert_refused(
        &mut pair,
        Role::Client,
        &[record],
        ErrorStatus::IllegalMessage,
        AlertDescription::UNEXPECTED_MESSAGE,
    );
    let mut pair = states::pair(Protocols::TLS1_3, false);
    let record = forge(&mut pair, Role::Server, HANDSHAKE, &[4, 0, 0, 1, 9]);
    assert_refused(
        &mut pair,
        Role::Server,
        &[record],
        ErrorStatus::IllegalMessage,
        AlertDescription::DECODE_ERROR,
    );
}

/// RFC 8446 section 5.1: nothing comes between the pieces of a message.
#[test]
fn a_message_in_pieces_is_put_together_and_not_interrupted() {
    for (content_type, content) in [(APPLICATION_DATA, &b"data"[..]), (ALERT, &[1, 0])] {
        let mut pair = states::pair(Protocols::TLS1_3, false);
        let records = [
            forge(&mut pair, Role::Server, HANDSHAKE, &[24, 0]),
            forge(&mut pair, Role::Server, content_type, content),
        ];
        assert_refused(
            &mut pair,
            Role::Server,
            &records,
            ErrorStatus::IllegalMessage,
            AlertDescription::UNEXPECTED_MESSAGE,
        );
    }
    // A NewSessionTicket, one byte a record: lifetime, age_add, nonce, ticket, no extensions.
    let ticket = [4, 0, 0, 15, 0, 0, 1, 0, 1, 2, 3, 4, 1, 7, 0, 1, 9, 0, 0];
    for compatible in [false, true] {
        let mut pair = states::pair(Protocols::TLS1_3, compatible);
        for byte in ticket {
            let record = forge(&mut pair, Role::Server, HANDSHAKE, &[byte]);
            let (decrypted, _) = decrypt(&mut pair.client, &record).unwrap();
            if compatible {
                assert_eq!(decrypted.status, SuccessStatus::Renegotiate);
                let outcome = token_call(&mut pair.client, &record, &mut TokenBuffer::allocate()).unwrap();
                assert_eq!((outcome.status, outcome.consumed), (SuccessStatus::Ok, record.len()));
            } else {
                assert_eq!((decrypted.status, decrypted.data.len()), (SuccessStatus::Ok, 0));
            }
        }
        let record = encrypt(&mut pair.server, b"data").unwrap();
        assert_eq!(decrypt(&mut pair.client, &record).unwrap().1, b"data", "the message is whole");
    }
}

/// Section 5.2 in a token call: the failure's alert is in the error, and nothing is owed afterwards.
#[test]
fn a_failure_in_a_token_call_carries_its_alert() {
    for from in ROLES {
        let mut pair = states::pair(Protocols::TLS1_3, false);
        let record = forge(&mut pair, from, HANDSHAKE, &[13, 0, 0, 3, 0, 0, 0]);
        let receiver = pair.side(other(from));
        let error = token_call(receiver, &record, &mut TokenBuffer::allocate()).unwrap_err();
        assert_eq!(error.status(), ErrorStatus::IllegalMessage);
        assert!(shut_down(receiver).is_empty());
        let told = decrypt(pair.side(from), error.alert_record()).unwrap_err();
        assert_eq!(told.received_alert(), Some(Alert::fatal(AlertDescription::UNEXPECTED_MESSAGE)));
    }
}

/// RFC 8446 section 5.4: padding is no content; section 5.2: but it counts.
#[test]
fn padded_records_are_data() {
    let mut pair = states::pair(Protocols::TLS1_3, false);
    let padded = forge(&mut pair, Role::Server, 0, &[b'x', APPLICATION_DATA, 0, 0, 0, 0]);
    assert_eq!(decrypt(&mut pair.client, &padded).unwrap().1, b"x");
    let nothing = forge(&mut pair, Role::Server, 0, &[0; 20]);
    assert_refused(
        &mut pair,
        Role::Server,
        &[nothing],
        ErrorStatus::IllegalMessage,
        AlertDescription::UNEXPECTED_MESSAGE,
    );
}

/// design.md, Data: at the hard limit it depends on the room. Two numbers are kept for a KeyUpdate and an alert.
#[test]
fn the_last_record_under_a_key_needs_room_for_a_key_update() {
    let mut pair = states::pair(Protocols::TLS1_3, false);
    let send = pair.client.send_half().unwrap();
    send.limit_records(6);
    let mut records = Vec::new();
    let mut encrypt_with = |send: &mut super::SendHalf, room: usize| {
        let (mut header, mut data, mut trailer) = ([0; 5], *b"data", vec![0; room]);
        let sealed = send.encrypt(&mut header, &mut data, &mut trailer)?;
        records.push([&header[..], &data, &trailer[..sealed.trailer]].concat());
        Ok::<_, crate::status::Error>(sealed.trailer)
    };
    for _ in 0..4 {
        assert_eq!(encrypt_with(send, 17).unwrap(), 17);
    }
    assert_eq!(encrypt_with(send, 43).unwrap_err().status(), ErrorStatus::EncryptFailure);
    assert_eq!(encrypt_with(send, 44).unwrap(), 44, "with room the keys change");
    assert_eq!(encrypt_with(send, 17).unwrap(), 17);
    for record in records {
        let (message, data) = decrypt(&mut pair.server, &record).unwrap();
        assert_eq!(data, b"data");
        if !message.extra.is_empty() {
            decrypt(&mut pair.server, &record[message.extra]).unwrap();
        }
    }

    let mut pair = states::pair(Protocols::TLS1_2, false);
    pair.client.send_half().unwrap().limit_records(6);
    let mut sent = 0;
    while encrypt(&mut pair.client, b"data").is_ok() {
        sent += 1;
    }
    assert_eq!(sent, 3, "the Finished was the first of six, two are reserved");
    assert_eq!(shut_down(&mut pair.client).len(), 31, "the close still goes out");
}

/// Alerts that end nothing can be had without end; the two numbers that are kept are not for them.
#[test]
fn warnings_do_not_use_a_key_up() {
    for version in [Protocols::TLS1_2, Protocols::TLS1_3] {
        let mut pair = states::pair(version, false);
        let send = pair.client.send_half().unwrap();
        send.limit_records(6);
        let warning = Alert { level: AlertLevel::WARNING, description: AlertDescription::USER_CANCELED };
        let mut sent = 0;
        let refused = loop {
            match send.encrypt_alert(warning, &mut TokenBuffer::allocate()) {
                Ok(()) if sent < 10 => sent += 1,
                ended => break ended,
            }
        };
        assert_eq!(refused.unwrap_err().status(), ErrorStatus::EncryptFailure, "{version:?}");
        assert_eq!(sent, if version == Protocols::TLS1_2 { 3 } else { 4 });
        assert!(!shut_down(&mut pair.client).is_empty(), "the close still goes out");
    }
}

/// The numbers that are kept are not for a no_renegotiation either: what asked has been read, and who asks on goes without an answer.
#[test]
fn nobody_is_declined_under_a_used_up_key() {
    for from in ROLES {
        let mut pair = states::pair(Protocols::TLS1_2, false);
        let request: &[u8] = if from == Role::Server { &[0, 0, 0, 0] } else { &[1, 0, 0, 2, 3, 3] };
        pair.side(other(from)).send_half().unwrap().limit_records(6);
        while encrypt(pair.side(other(from)), b"data").is_ok() {}

        let record = forge(&mut pair, from, HANDSHAKE, request);
        decrypt(pair.side(other(from)), &record).unwrap();
        let answering = pair.side(other(from)).send_half().unwrap();
        assert!(answering.is_reply_due());
        let mut output = TokenBuffer::allocate();
        assert_eq!(answering.answer_key_update(&mut output), Ok(()), "{from:?}");
        assert!(output.is_empty() && !answering.is_reply_due(), "{from:?}");

        let record = forge(&mut pair, from, HANDSHAKE, request);
        let outcome = token_call(pair.side(other(from)), &record, &mut output).unwrap();
        assert_eq!((outcome.status, outcome.consumed), (SuccessStatus::NoRenegotiation, record.len()));
        assert!(output.is_empty(), "{from:?}");
        assert!(!shut_down(pair.side(other(from))).is_empty(), "the close still goes out");
    }
}

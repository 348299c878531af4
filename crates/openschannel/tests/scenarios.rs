//! Sections 4.3, 4.4 and 5.1, row by row, as far as they concern TLS 1.2 and 1.3. Rows #1 and #2 are in `shutdown.rs`, #14 to #17 in
//! `state_table.rs`; #25 (DTLS), #26 (QUIC) and #27 (renegotiation) do not exist here.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod common;
mod states;

use common::*;
use openschannel::alert::{Alert, AlertDescription};
use openschannel::credentials::{CipherSuite, Protocols};
use openschannel::status::{ErrorStatus, SuccessStatus};
use openschannel::{
    ContextOptions, ControlToken, KeyUpdateRequest, ReadEnd, Role, SecurityContext, TokenBuffer, TransportEnd,
};

const ROLES: [Role; 2] = [Role::Client, Role::Server];

fn every_pair() -> impl Iterator<Item = (Protocols, Role, Pair)> {
    VERSIONS
        .into_iter()
        .flat_map(|version| ROLES.into_iter().map(move |role| (version, role, Pair::quiet(version))))
}

fn fatal(description: AlertDescription) -> ControlToken {
    ControlToken::Alert(Alert::fatal(description))
}

/// Section 4.3, the sealed rows: first bytes and length.
#[test]
fn closing_records_have_the_documented_form() {
    for (suite, front, len) in [
        (CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, [0x15, 3, 3, 0, 0x1a], 31),
        (CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, [0x15, 3, 3, 0, 0x1a], 31),
        (CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, [0x15, 3, 3, 0, 0x12], 23),
        (CipherSuite::TLS_AES_128_GCM_SHA256, [0x17, 3, 3, 0, 0x13], 24),
        (CipherSuite::TLS_AES_256_GCM_SHA384, [0x17, 3, 3, 0, 0x13], 24),
        (CipherSuite::TLS_CHACHA20_POLY1305_SHA256, [0x17, 3, 3, 0, 0x13], 24),
    ] {
        for role in ROLES {
            let mut pair = Pair::quiet_for(suite);
            let record = shut_down(pair.side(role));
            assert_eq!((&record[..5], record.len()), (&front[..], len), "{suite}");
        }
    }
}

/// Section 4.3, the plaintext rows, and the version byte before and behind the ServerHello (open point 28).
#[test]
fn alerts_before_keys_are_seven_plain_bytes() {
    let (outbound, inbound) = credentials(Protocols::TLS1_2);
    let mut pair = Pair::begin(&outbound, &inbound, &ContextOptions::default());
    assert_eq!(shut_down(&mut pair.client), [0x15, 3, 1, 0, 2, 1, 0], "with the version of the ClientHello");
    assert_eq!(
        control(&mut pair.client, fatal(AlertDescription::BAD_CERTIFICATE)),
        [0x15, 3, 1, 0, 2, 2, 0x2a]
    );
    assert_eq!(shut_down(&mut pair.server), [0x15, 3, 3, 0, 2, 1, 0], "with the negotiated version");
}

/// #3, #4; docs/closing.md C-2, C-3: a close ends one direction. What the other side still says arrives, and what this side says to a closed peer goes out.
#[test]
fn half_close_works_both_ways() {
    for (version, first, mut pair) in every_pair() {
        let second = other(first);
        let close_notify = shut_down(pair.side(first));
        assert_eq!(
            decrypt(pair.side(second), &close_notify).unwrap().0.status,
            SuccessStatus::ContextExpired
        );
        for text in [&b"still here"[..], b"", b"and here"] {
            let record = encrypt(pair.side(second), text).unwrap();
            let (message, data) = decrypt(pair.side(first), &record).unwrap();
            assert_eq!((message.status, data.as_slice()), (SuccessStatus::Ok, text), "{version:?} {first:?}");
        }
        let close_notify = shut_down(pair.side(second));
        assert_eq!(decrypt(pair.side(first), &close_notify).unwrap().0.status, SuccessStatus::ContextExpired);
        let report = pair.side(first).closing_report();
        assert_eq!((report.read_end, report.bytes_received, report.close_sent), (ReadEnd::Clean, 18, true));
    }
}

/// #5: tickets that nobody has read do not hide the close behind them, in either mode.
#[test]
fn a_client_that_closes_first_still_reads_its_tickets() {
    for mode in [
        openschannel::credentials::PostHandshake::Quiet,
        openschannel::credentials::PostHandshake::Compatible,
    ] {
        let (outbound, inbound) = credentials(Protocols::TLS1_3);
        let options = ContextOptions { post_handshake: Some(mode), ..ContextOptions::default() };
        let mut pair = Pair::establish(&outbound, &inbound, &options);
        assert!(!pair.to_client.is_empty(), "the server has sent tickets");
        shut_down(&mut pair.client);
        let mut wire = pair.to_client.clone();
        wire.extend(shut_down(&mut pair.server));
        let mut renegotiated = 0;
        loop {
            let (message, _) = decrypt(&mut pair.client, &wire).unwrap();
            match message.status {
                SuccessStatus::Ok => drop(wire.drain(..message.extra.start)),
                SuccessStatus::Renegotiate => {
                    renegotiated += 1;
                    let extra = wire[message.extra].to_vec();
                    let mut output = TokenBuffer::allocate();
                    let outcome = pair.client.initialize_security_context(None, &extra, &mut output).unwrap();
                    assert_eq!((outcome.status, output.len()), (SuccessStatus::Ok, 0));
                    wire.drain(..outcome.consumed);
                }
                SuccessStatus::ContextExpired => break,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(renegotiated > 0, mode == openschannel::credentials::PostHandshake::Compatible);
        assert_eq!(pair.client.closing_report().read_end, ReadEnd::Clean);
    }
}

/// #6; docs/closing.md C-18.
#[test]
fn a_key_update_behind_the_own_close_is_read_and_not_answered() {
    let mut pair = Pair::quiet(Protocols::TLS1_3);
    shut_down(&mut pair.client);
    let mut update = TokenBuffer::allocate();
    pair.server.key_update(KeyUpdateRequest::Requested, &mut update).unwrap();
    assert_eq!(update.len(), 27);
    decrypt(&mut pair.client, update.as_bytes()).unwrap();
    assert!(!pair.client.send_half().unwrap().is_reply_due());
    let record = encrypt(&mut pair.server, b"under the new key").unwrap();
    assert_eq!(decrypt(&mut pair.client, &record).unwrap().1, b"under the new key");
}

/// #7, #8: data goes before the close, and one call takes one record.
#[test]
fn data_and_close_in_one_read_come_one_by_one() {
    for (_, role, mut pair) in every_pair() {
        let close_len;
        let mut wire = encrypt(pair.side(role), b"one").unwrap();
        wire.extend(encrypt(pair.side(role), b"two").unwrap());
        {
            let close_notify = shut_down(pair.side(role));
            close_len = close_notify.len();
            wire.extend(close_notify);
        }
        let receiver = pair.side(other(role));
        for text in [b"one", b"two"] {
            let (message, data) = decrypt(receiver, &wire).unwrap();
            assert_eq!((message.status, data.as_slice()), (SuccessStatus::Ok, &text[..]));
            wire.drain(..message.extra.start);
        }
        assert_eq!(wire.len(), close_len);
        let (message, data) = decrypt(receiver, &wire).unwrap();
        assert_eq!((message.status, data.len(), message.extra.len()), (SuccessStatus::ContextExpired, 0, 0));
        assert_eq!(message.header + message.trailer.len(), close_len, "header and trailer cover the record");
    }
}

/// #9; docs/closing.md C-5.
#[test]
fn what_follows_a_close_is_extra_and_then_ignored() {
    for (_, role, mut pair) in every_pair() {
        let mut wire = shut_down(pair.side(role));
        let len = wire.len();
        wire.extend(b"\x17\x03\x03junk");
        let receiver = pair.side(other(role));
        let (message, _) = decrypt(receiver, &wire).unwrap();
        assert_eq!((message.status, message.extra.clone()), (SuccessStatus::ContextExpired, len..wire.len()));
        let (message, _) = decrypt(receiver, &wire[len..]).unwrap();
        assert_eq!((message.status, message.extra.len()), (SuccessStatus::ContextExpired, 0));
        assert_eq!(receiver.closing_report().read_end, ReadEnd::Clean);
    }
}

/// #10, #11; docs/closing.md C-7: a close_notify cut at every byte is incomplete, and if the transport ends there, truncated.
#[test]
fn a_cut_wire_is_never_taken_for_an_end() {
    for version in VERSIONS {
        let record = {
            let mut pair = Pair::quiet(version);
            shut_down(&mut pair.server)
        };
        for cut in 0..record.len() {
            let mut pair = Pair::quiet(version);
            let close_notify = shut_down(&mut pair.server);
            let error = decrypt(&mut pair.client, &close_notify[..cut]).unwrap_err();
            assert_eq!(error.status(), ErrorStatus::IncompleteMessage);
            let missing = if cut < 5 { 5 - cut } else { close_notify.len() - cut };
            assert_eq!(error.missing(), Some(missing), "cut at {cut}");
            let verdict = pair.client.transport_ended(TransportEnd::Eof, cut);
            assert_eq!(verdict, ReadEnd::Truncated { inside_record: cut > 0 }, "cut at {cut}");
            assert_eq!(pair.client.closing_report().read_end, verdict);
            // The first end decides.
            assert_eq!(pair.client.transport_ended(TransportEnd::Reset, 0), verdict);
        }
        let mut pair = Pair::quiet(version);
        assert_eq!(pair.client.transport_ended(TransportEnd::Reset, 3), ReadEnd::Reset);
        let mut pair = Pair::quiet(version);
        let close_notify = shut_down(&mut pair.server);
        decrypt(&mut pair.client, &close_notify).unwrap();
        assert_eq!(
            pair.client.transport_ended(TransportEnd::Reset, 0),
            ReadEnd::Clean,
            "authenticated before the reset"
        );
    }
}

/// #12: shutdown inside the handshake. The peer takes it for an end, not for a connection.
#[test]
fn a_close_inside_the_handshake_ends_it_on_the_other_side() {
    for version in VERSIONS {
        let (outbound, inbound) = credentials(version);
        // The client gives up before and behind its keys; the server reads plaintext and sealed alerts alike.
        let mut pair = Pair::begin(&outbound, &inbound, &ContextOptions::default());
        let close_notify = shut_down(&mut pair.client);
        let mut output = TokenBuffer::allocate();
        let outcome = pair.server.accept_security_context(&close_notify, &mut output).unwrap();
        assert_eq!((outcome.status, output.len()), (SuccessStatus::ContextExpired, 0), "{version:?}");
        assert!(!pair.server.is_established());
        assert_eq!(pair.server.closing_report().read_end, ReadEnd::Clean);
        assert!(!pair.server.closing_report().handshake_complete);

        let mut pair = Pair::begin(&outbound, &inbound, &ContextOptions::default());
        let close_notify = shut_down(&mut pair.server);
        let mut flight = core::mem::take(&mut pair.to_client);
        flight.extend(close_notify);
        let mut output = TokenBuffer::allocate();
        let outcome = pair.client.initialize_security_context(None, &flight, &mut output).unwrap();
        if version == Protocols::TLS1_3 {
            // The flight ends the client's handshake; the alert behind it is for DecryptMessage.
            assert_eq!((outcome.status, outcome.extra), (SuccessStatus::Ok, 24));
            let rest = flight[outcome.consumed..].to_vec();
            assert_eq!(decrypt(&mut pair.client, &rest).unwrap().0.status, SuccessStatus::ContextExpired);
        } else {
            assert_eq!(outcome.status, SuccessStatus::ContextExpired);
        }
    }
    // TLS 1.3, sealed under the handshake key: user_canceled, then close_notify (RFC 8446 section 6.1).
    let (outbound, inbound) = credentials(Protocols::TLS1_3);
    let mut pair = Pair::begin(&outbound, &inbound, &ContextOptions::default());
    let server_hello = 5 + usize::from(u16::from_be_bytes([pair.to_client[3], pair.to_client[4]]));
    let mut front: Vec<u8> = pair.to_client.drain(..server_hello).collect();
    let mut wire = deliver(&mut pair.client, &mut front);
    wire.extend(control(
        &mut pair.client,
        ControlToken::Alert(Alert::warning(AlertDescription::USER_CANCELED)),
    ));
    wire.extend(shut_down(&mut pair.client));
    assert_eq!(wire.len(), 6 + 24 + 24);
    let outcome = pair.server.accept_security_context(&wire, &mut TokenBuffer::allocate()).unwrap();
    assert_eq!((outcome.status, outcome.consumed), (SuccessStatus::ContextExpired, wire.len()));
}

/// #13: a token that was asked for and never fetched leaves no trace.
#[test]
fn a_context_may_go_without_having_been_asked_for_its_token() {
    for (_, role, mut pair) in every_pair() {
        pair.side(role).apply_control_token(ControlToken::Shutdown).unwrap();
        assert!(!pair.side(role).closing_report().close_sent);
        let record = encrypt(pair.side(role), b"S5e: writing goes on").unwrap();
        let receiver = pair.side(other(role));
        decrypt(receiver, &record).unwrap();
        assert_eq!(
            receiver.transport_ended(TransportEnd::Eof, 0),
            ReadEnd::Truncated { inside_record: false }
        );
    }
}

/// #18.
#[test]
fn both_sides_may_close_at_once() {
    for version in VERSIONS {
        let mut pair = Pair::quiet(version);
        let from_client = shut_down(&mut pair.client);
        let from_server = shut_down(&mut pair.server);
        assert_eq!(decrypt(&mut pair.client, &from_server).unwrap().0.status, SuccessStatus::ContextExpired);
        assert_eq!(decrypt(&mut pair.server, &from_client).unwrap().0.status, SuccessStatus::ContextExpired);
    }
}

/// #19.
#[test]
fn a_fatal_alert_takes_a_pending_shutdown_away() {
    for (_, role, mut pair) in every_pair() {
        pair.side(role).apply_control_token(ControlToken::Shutdown).unwrap();
        let alert = control(pair.side(other(role)), fatal(AlertDescription::UNKNOWN_CA));
        let error = decrypt(pair.side(role), &alert).unwrap_err();
        assert_eq!(error.status(), ErrorStatus::UntrustedRoot);
        assert_eq!(error.received_alert(), Some(Alert::fatal(AlertDescription::UNKNOWN_CA)));
        let mut output = TokenBuffer::allocate();
        let outcome = token_call(pair.side(role), &[], &mut output).unwrap();
        assert_eq!((outcome.status, output.len()), (SuccessStatus::Ok, 0));
        assert_eq!(pair.side(role).closing_report().read_end, ReadEnd::Alert(AlertDescription::UNKNOWN_CA));
    }
}

/// #20; docs/closing.md C-15: as the profile settles it: the peer is told what was wrong; and only if it was not told before that nothing more comes.
#[test]
fn a_local_failure_is_told_in_place_of_the_close() {
    for close_first in [false, true] {
        for (_, role, mut pair) in every_pair() {
            if close_first {
                shut_down(pair.side(role));
            }
            let mut record = encrypt(pair.side(other(role)), b"data").unwrap();
            *record.last_mut().unwrap() ^= 0x80;
            let error = decrypt(pair.side(role), &record).unwrap_err();
            assert_eq!(error.status(), ErrorStatus::MessageAltered);
            assert_eq!(error.alert(), Some(Alert::fatal(AlertDescription::BAD_RECORD_MAC)));
            let told = shut_down(pair.side(role));
            assert_eq!(shut_down(pair.side(role)), told, "asked again, the same record");
            if close_first {
                assert!(told.is_empty());
            } else {
                let error = decrypt(pair.side(other(role)), &told).unwrap_err();
                assert_eq!(error.received_alert(), Some(Alert::fatal(AlertDescription::BAD_RECORD_MAC)));
            }
        }
    }
}

/// #21: the application refuses the certificate of a finished handshake.
#[test]
fn an_application_may_refuse_afterwards() {
    for (_, role, mut pair) in every_pair() {
        let alert = control(pair.side(role), fatal(AlertDescription::CERTIFICATE_UNKNOWN));
        assert_eq!(decrypt(pair.side(other(role)), &alert).unwrap_err().status(), ErrorStatus::CertUnknown);
        let error = encrypt(pair.side(role), b"no more").unwrap_err();
        assert_eq!(error.status(), ErrorStatus::ContextExpired);
    }
}

/// #22: ALERT(warning, 0) is SHUTDOWN, byte for byte.
#[test]
fn a_warning_close_notify_is_a_shutdown() {
    for (_, role, mut pair) in every_pair() {
        let record = control(pair.side(role), ControlToken::Alert(Alert::CLOSE_NOTIFY));
        assert_eq!(shut_down(pair.side(role)), record, "the same stored record");
        assert!(pair.side(role).closing_report().close_sent);
        assert_eq!(decrypt(pair.side(other(role)), &record).unwrap().0.status, SuccessStatus::ContextExpired);
    }
}

/// #23: another warning changes nothing on this side.
#[test]
fn a_warning_leaves_the_connection_open() {
    for (_, role, mut pair) in every_pair() {
        let warning =
            control(pair.side(role), ControlToken::Alert(Alert::warning(AlertDescription::USER_CANCELED)));
        let (message, _) = decrypt(pair.side(other(role)), &warning).unwrap();
        assert_eq!((message.status, message.data.len()), (SuccessStatus::Ok, 0));
        let record = encrypt(pair.side(role), b"on we go").unwrap();
        assert_eq!(decrypt(pair.side(other(role)), &record).unwrap().1, b"on we go");
    }
}

/// #24: an end without a close does not cost the session; a fatal alert does, in TLS 1.2.
#[test]
fn sessions_outlive_a_bare_end_but_not_a_fatal_alert() {
    for version in VERSIONS {
        let (outbound, inbound) = credentials(version);
        let resumed = |outbound, inbound| {
            let mut pair = Pair::establish(outbound, inbound, &ContextOptions::default());
            pair.settle();
            (pair.client.attributes().unwrap().session_info().resumed, pair)
        };
        assert!(!resumed(&outbound, &inbound).0);
        let (again, mut pair) = resumed(&outbound, &inbound);
        assert!(again, "{version:?}: the first connection was just dropped");
        let alert = control(&mut pair.server, fatal(AlertDescription::INTERNAL_ERROR));
        decrypt(&mut pair.client, &alert).unwrap_err();
        if version == Protocols::TLS1_2 {
            assert!(!resumed(&outbound, &inbound).0, "RFC 5246 section 7.2");
        }
    }
}

/// #28: closing wins over a handshake message that waits, and what it means for reading is done all the same.
#[test]
fn a_close_goes_before_a_waiting_handshake_message() {
    for role in ROLES {
        let mut pair = states::pair(Protocols::TLS1_3, true);
        let mut update = TokenBuffer::allocate();
        pair.side(other(role)).key_update(KeyUpdateRequest::Requested, &mut update).unwrap();
        let mut wire = update.into_vec();
        wire.extend(encrypt(pair.side(other(role)), b"under the new key").unwrap());
        assert_eq!(decrypt(pair.side(role), &wire).unwrap().0.status, SuccessStatus::Renegotiate);
        let close_notify = shut_down(pair.side(role));
        assert_eq!(
            decrypt(pair.side(other(role)), &close_notify).unwrap().0.status,
            SuccessStatus::ContextExpired
        );
        // The record is still in the caller's buffer, and is not opened a second time.
        let (message, data) = decrypt(pair.side(role), &wire).unwrap();
        assert_eq!((message.status, data.len()), (SuccessStatus::Ok, 0));
        let rest = wire[message.extra].to_vec();
        assert_eq!(decrypt(pair.side(role), &rest).unwrap().1, b"under the new key");
    }
}

/// Section 5.1, written down once more: alert number and status.
const RECEIVED: &[(u8, ErrorStatus)] = &[
    (10, ErrorStatus::IllegalMessage),
    (20, ErrorStatus::MessageAltered),
    (21, ErrorStatus::DecryptFailure),
    (22, ErrorStatus::IllegalMessage),
    (30, ErrorStatus::MessageAltered),
    (40, ErrorStatus::IllegalMessage),
    (42, ErrorStatus::CertUnknown),
    (43, ErrorStatus::CertUnknown),
    (44, ErrorStatus::CryptERevoked),
    (45, ErrorStatus::CertExpired),
    (46, ErrorStatus::CertUnknown),
    (47, ErrorStatus::IllegalMessage),
    (48, ErrorStatus::UntrustedRoot),
    (49, ErrorStatus::LogonDenied),
    (50, ErrorStatus::IllegalMessage),
    (51, ErrorStatus::DecryptFailure),
    (60, ErrorStatus::IllegalMessage),
    (70, ErrorStatus::UnsupportedFunction),
    (71, ErrorStatus::AlgorithmMismatch),
    (80, ErrorStatus::InternalError),
    (109, ErrorStatus::IllegalMessage),
    (110, ErrorStatus::IllegalMessage),
    (112, ErrorStatus::IllegalMessage),
    (115, ErrorStatus::IllegalMessage),
    (116, ErrorStatus::IllegalMessage),
    (120, ErrorStatus::ApplicationProtocolMismatch),
    (33, ErrorStatus::IllegalMessage),
    (255, ErrorStatus::IllegalMessage),
];

/// Section 5.1 in the handshake (plaintext) and behind it (sealed), both roles and versions.
#[test]
fn every_alert_has_its_status_in_both_phases() {
    for version in VERSIONS {
        let (outbound, inbound) = credentials(version);
        for role in ROLES {
            for (number, status) in RECEIVED {
                let alert = Alert::fatal(AlertDescription(*number));
                let mut pair = Pair::begin(&outbound, &inbound, &ContextOptions::default());
                let mut output = TokenBuffer::allocate();
                let error =
                    token_call(pair.side(role), &[21, 3, 3, 0, 2, 2, *number], &mut output).unwrap_err();
                assert_eq!(
                    (error.status(), error.received_alert()),
                    (*status, Some(alert)),
                    "{role:?} {version:?}"
                );
                assert!(output.is_empty() && error.alert_record().is_empty(), "an alert is not answered");
                assert_eq!(pair.side(role).closing_report().read_end, ReadEnd::Alert(alert.description));

                let mut pair = states::pair(version, false);
                let record = control(pair.side(other(role)), ControlToken::Alert(alert));
                let error = decrypt(pair.side(role), &record).unwrap_err();
                assert_eq!(
                    (error.status(), error.received_alert()),
                    (*status, Some(alert)),
                    "{role:?} {version:?}"
                );
            }
        }
    }
}

/// Section 5.1, last row and the line below the table.
#[test]
fn malformed_alerts_and_floods_of_warnings_end_the_connection() {
    let (outbound, inbound) = credentials(Protocols::TLS1_2);
    let mut pair = Pair::begin(&outbound, &inbound, &ContextOptions::default());
    let error =
        token_call(&mut pair.client, &[21, 3, 3, 0, 3, 2, 40, 0], &mut TokenBuffer::allocate()).unwrap_err();
    assert_eq!(error.status(), ErrorStatus::IllegalMessage);
    assert_eq!(error.alert_record(), [21, 3, 1, 0, 2, 2, AlertDescription::DECODE_ERROR.0]);

    for version in VERSIONS {
        let mut pair = states::pair(version, false);
        let warning = ControlToken::Alert(Alert::warning(AlertDescription::USER_CANCELED));
        let mut tolerated = 0;
        let error = loop {
            let record = control(&mut pair.server, warning);
            match decrypt(&mut pair.client, &record) {
                Ok(_) => tolerated += 1,
                Err(error) => break error,
            }
        };
        assert_eq!((tolerated, error.status()), (4, ErrorStatus::IllegalMessage), "BoringSSL's limit");
    }
}

/// A context that was ended by a verdict keeps its count: nothing is delivered twice or lost.
#[test]
fn delivered_bytes_are_counted() {
    let mut pair = Pair::quiet(Protocols::TLS1_3);
    for len in [0, 1, 16384, 77] {
        let record = encrypt(&mut pair.client, &vec![7; len]).unwrap();
        decrypt(&mut pair.server, &record).unwrap();
    }
    assert_eq!(pair.client.closing_report().bytes_sent, 16462);
    assert_eq!(pair.server.closing_report().bytes_received, 16462);
    let context: &mut SecurityContext = &mut pair.client;
    assert_eq!(encrypt(context, &vec![7; 16385]).unwrap_err().status(), ErrorStatus::EncryptFailure);
    assert_eq!(context.closing_report().bytes_sent, 16462);
}

//! What the random inputs have found, each as one case that needs no luck.

use openschannel::credentials::Protocols;
use openschannel::status::ErrorStatus;
use openschannel::{ContextOptions, ReadEnd, Role, SecurityContext, TokenBuffer, TransportEnd};

use crate::common::*;
use crate::forge::{self, Forger};
use crate::handshakes::SETTINGS;
use crate::wire::records;

/// An empty handshake record, which the engine refuses, and would refuse once more if it were given it again when its alert is fetched;
/// and a message that says it is longer than any may be, for which the engine has no alert.
#[test]
fn a_first_record_that_cannot_be_read_is_refused_once() {
    for token in [&[22, 3, 1, 0, 0][..], &[22, 3, 1, 0, 4, 1, 1, 0, 0]] {
        for protocols in VERSIONS {
            let (_, inbound) = credentials(protocols);
            let mut output = TokenBuffer::allocate();
            let error = SecurityContext::accept(&inbound, &ContextOptions::default(), token, &mut output)
                .err()
                .unwrap();
            assert_eq!(error.status(), ErrorStatus::IllegalMessage, "{error}");
            assert_eq!(error.alert_record(), [21, 3, 3, 0, 2, 2, 50]);
        }
    }
}

/// The last token of a handshake finds too small a buffer: until the caller has it the handshake is not finished, since data that
/// overtook the token would ruin the connection.
#[test]
fn a_handshake_is_not_finished_before_its_last_token_is_out() {
    for (protocols, role) in [(Protocols::TLS1_2, Role::Server), (Protocols::TLS1_3, Role::Client)] {
        let (outbound, inbound) = credentials(protocols);
        let mut pair = Pair::begin(&outbound, &inbound, &ContextOptions::default());
        let last = loop {
            let from_client = deliver(&mut pair.client, &mut pair.to_client);
            pair.to_server.extend(from_client);
            if role == Role::Server && pair.to_server.len() > 60 {
                break std::mem::take(&mut pair.to_server);
            }
            if pair.client.is_established() {
                // A fresh client, stopped before the same token.
                pair = Pair::begin(&outbound, &inbound, &ContextOptions::default());
                break std::mem::take(&mut pair.to_client);
            }
        };
        let side = pair.side(role);
        let mut memory = [0; 20];
        let short = token_call(side, &last, &mut TokenBuffer::supplied(&mut memory)).unwrap_err();
        assert_eq!(short.status(), ErrorStatus::InsufficientMemory);
        assert!(!side.is_established() && !side.closing_report().handshake_complete);
        assert_eq!(side.attributes().unwrap_err().status(), ErrorStatus::InvalidHandle);
        let early = side.encrypt_message(&mut [0; 13], &mut [], &mut [0; 44]).unwrap_err();
        assert_eq!(early.status(), ErrorStatus::InvalidHandle);
        assert_eq!(side.decrypt_message(&mut []).unwrap_err().status(), ErrorStatus::InvalidHandle);

        // Other bytes than those the token answers are told from them by their number.
        let mut output = TokenBuffer::allocate();
        for len in [0, 1, last.len() - 1] {
            let fewer = token_call(side, &last[..len], &mut output).unwrap_err();
            assert_eq!(
                (fewer.status(), fewer.missing()),
                (ErrorStatus::IncompleteMessage, Some(last.len() - len))
            );
        }
        let more = [&last[..], b"behind"].concat();
        let outcome = token_call(side, &more, &mut output).unwrap();
        assert_eq!((outcome.consumed, outcome.extra), (last.len(), 6));
        assert!(!output.is_empty() && side.is_established());
    }
}

/// The first thing that ends the receiving half decides, in the handshake too, and the end of the handshake does not forget it.
#[test]
fn a_verdict_is_final_in_the_handshake() {
    for protocols in VERSIONS {
        let (outbound, inbound) = credentials(protocols);
        let mut pair = Pair::begin(&outbound, &inbound, &ContextOptions::default());
        assert_eq!(pair.server.transport_ended(TransportEnd::Reset, 0), ReadEnd::Reset);
        let close_notify = shut_down(&mut pair.client);
        let mut output = TokenBuffer::allocate();
        token_call(&mut pair.server, &close_notify, &mut output).ok();
        assert_eq!(pair.server.closing_report().read_end, ReadEnd::Reset);

        let mut pair = Pair::begin(&outbound, &inbound, &ContextOptions::default());
        pair.client.transport_ended(TransportEnd::Eof, 0);
        while !pair.client.is_established() {
            let token = deliver(&mut pair.client, &mut pair.to_client);
            pair.to_server.extend(token);
            if !pair.client.is_established() {
                let answer = deliver(&mut pair.server, &mut pair.to_server);
                pair.to_client.extend(answer);
            }
        }
        assert_eq!(pair.client.closing_report().read_end, ReadEnd::Truncated { inside_record: false });
    }
}

/// Bounds of the exporter: past them, and for nothing at all, it refuses and does not ask the engine.
#[test]
fn what_cannot_be_exported_is_refused() {
    for protocols in VERSIONS {
        let pair = Pair::quiet(protocols);
        let attributes = pair.client.attributes().unwrap();
        let export = |label: usize, context: usize, output: usize| {
            let (label, context) = (vec![b'x'; label], vec![1; context]);
            attributes
                .export_keying_material(&label, Some(&context), &mut vec![0; output])
                .map_err(|e| e.status())
        };
        for (label, context, output) in [(1, 0, 1), (249, 65_535, 255 * 32)] {
            assert_eq!(export(label, context, output), Ok(()));
        }
        for (label, context, output) in
            [(0, 0, 1), (250, 0, 1), (1, 65_536, 1), (1, 0, 0), (1, 0, 255 * 48 + 1)]
        {
            assert_eq!(export(label, context, output), Err(ErrorStatus::InvalidParameter));
        }
    }
}

/// Warnings that are passed over take sequence numbers like every record under keys, so the handshake goes on behind them: before the
/// first sealed message in TLS 1.2, before each in TLS 1.3, from either side.
#[test]
fn warnings_under_the_keys_of_a_handshake_are_passed_over() {
    for (version, warning) in [(Protocols::TLS1_2, 112), (Protocols::TLS1_3, 90)] {
        for writer in [Role::Client, Role::Server] {
            // Neither resumption nor client certificates.
            let setting = SETTINGS.iter().filter(|setting| setting.version == version).nth(1).unwrap();
            forge::forget_secrets();
            let mut pair = Pair::begin(&setting.outbound, &setting.inbound, &ContextOptions::default());
            let server_random = pair.to_client[11..43].to_vec();
            // The keys are in the client's log when it has read the ServerHello.
            let (_, end) = records(&pair.to_client)[0];
            let mut hello = pair.to_client.drain(..end).collect();
            pair.to_server = deliver(&mut pair.client, &mut hello);
            let mut warned = 0;
            while !pair.client.is_established() || !pair.server.is_established() {
                let written = match writer {
                    Role::Server => &mut pair.to_client,
                    Role::Client => &mut pair.to_server,
                };
                if warned == 0 && !written.is_empty() {
                    warned = warn_before_sealed(version, writer, &server_random, written, warning);
                }
                if !pair.to_client.is_empty() && !pair.client.is_established() {
                    let written = deliver(&mut pair.client, &mut pair.to_client);
                    pair.to_server.extend(written);
                } else {
                    let written = deliver(&mut pair.server, &mut pair.to_server);
                    pair.to_client.extend(written);
                }
            }
            assert!(warned > 0, "{version:?} {writer:?}");
        }
    }
}

/// RFC 8446 section 5.4: an empty handshake record under keys is unexpected_message. In the clear neither a message nor, once sealed records
/// have come, an alert is anybody's word: it does not open.
#[test]
fn what_has_no_place_among_sealed_messages_is_refused() {
    let empty: fn(&mut Forger) -> Vec<u8> = |forger| forger.seal(22, &[], 0);
    let message: fn(&mut Forger) -> Vec<u8> = |_| vec![22, 3, 3, 0, 5, 11, 0, 0, 1, 0];
    // A request for a certificate, which would have the caller asked for one.
    let request: fn(&mut Forger) -> Vec<u8> =
        |_| vec![22, 3, 3, 0, 15, 13, 0, 0, 11, 0, 0, 8, 0, 13, 0, 4, 0, 2, 4, 3];
    let alert: fn(&mut Forger) -> Vec<u8> =
        |forger| [forger.seal(22, &[8, 0, 0, 2, 0, 0], 0), vec![21, 3, 3, 0, 2, 1, 0]].concat();
    for (bad, expected) in [(empty, 10), (message, 20), (request, 20), (alert, 20)] {
        let setting = SETTINGS.iter().filter(|setting| setting.version == Protocols::TLS1_3).nth(1).unwrap();
        forge::forget_secrets();
        let mut pair = Pair::begin(&setting.outbound, &setting.inbound, &ContextOptions::default());
        let (_, end) = records(&pair.to_client)[0];
        let mut hello = pair.to_client.drain(..end).collect();
        deliver(&mut pair.client, &mut hello);
        let token = bad(&mut Forger::of_handshake(Role::Server).unwrap());
        let error = token_call(&mut pair.client, &token, &mut TokenBuffer::allocate()).unwrap_err();
        assert_eq!(error.alert().map(|alert| alert.to_bytes()), Some([2, expected]), "{error}");
    }
}

/// RFC 8446 section 4.1.3: a client that speaks TLS 1.3 ends the connection when the server's random says that it could have had TLS 1.3,
/// or, which no server should say to it, TLS 1.2. One that speaks TLS 1.2 only takes a random as it is, until the signature over it.
#[test]
fn both_marks_of_a_downgrade_are_heeded() {
    for last in [0, 1] {
        let (_, inbound) = credentials(Protocols::TLS1_2);
        for (protocols, expected) in [
            (Protocols::TLS1_2 | Protocols::TLS1_3, ErrorStatus::DowngradeDetected),
            (Protocols::TLS1_2, ErrorStatus::DecryptFailure),
        ] {
            let (outbound, _) = credentials(protocols);
            let mut pair = Pair::begin(&outbound, &inbound, &ContextOptions::default());
            pair.to_client[35..43].copy_from_slice(&[b"DOWNGRD", &[last][..]].concat());
            let error =
                token_call(&mut pair.client, &pair.to_client, &mut TokenBuffer::allocate()).unwrap_err();
            assert_eq!(error.status(), expected, "{last}");
        }
    }
}

/// Seals what is sealed in `wire` once more, a warning before each record. Says how many that were.
fn warn_before_sealed(
    version: Protocols,
    writer: Role,
    server_random: &[u8],
    wire: &mut Vec<u8>,
    warning: u8,
) -> usize {
    let keys = || {
        if version == Protocols::TLS1_3 {
            return Forger::of_handshake(writer);
        }
        // From the Finished message on.
        let mut forger = Forger::of_data(writer, version, server_random)?;
        forger.seq = 0;
        Some(forger)
    };
    let (Some(mut reader), Some(mut forger)) = (keys(), keys()) else { return 0 };
    let mut warned = 0;
    let mut flight = Vec::new();
    for (start, end) in records(wire) {
        let record = &wire[start..end];
        match reader.open(record) {
            Some((content_type, content)) => {
                flight.extend(forger.seal(21, &[1, warning], 0));
                flight.extend(forger.seal(content_type, &content, 0));
                warned += 1;
            }
            None => flight.extend_from_slice(record),
        }
    }
    *wire = flight;
    warned
}

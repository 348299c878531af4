//! What the random inputs have found, each as one case that needs no luck.

use openschannel::credentials::Protocols;
use openschannel::status::ErrorStatus;
use openschannel::{ContextOptions, ReadEnd, Role, SecurityContext, TokenBuffer, TransportEnd};

use crate::common::*;

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

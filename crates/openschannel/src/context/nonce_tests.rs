//! Every (key, nonce) that is ever sealed under is sealed under once: the engine's own records and ours together (the profile of
//! section 3, S6k).

use std::collections::HashSet;

use super::{ContextOptions, ControlToken, KeyUpdateRequest, TokenBuffer};
use crate::alert::{Alert, AlertDescription};
use crate::credentials::{Protocols, observed};
use crate::record::{always_park, take_sealed};

use crate::common::*;

/// What is done to a side in the middle of its handshake.
const MEDDLING: [&[ControlToken]; 5] = [
    &[],
    &[ControlToken::Shutdown],
    &[ControlToken::Shutdown, ControlToken::Shutdown],
    &[ControlToken::Alert(Alert::warning(AlertDescription::USER_CANCELED)), ControlToken::Shutdown],
    &[ControlToken::Alert(Alert::fatal(AlertDescription::ACCESS_DENIED)), ControlToken::Shutdown],
];

/// The bytes up to the end of the first record, and the rest.
fn first_record(wire: &mut Vec<u8>) -> Vec<u8> {
    let len = 5 + usize::from(u16::from_be_bytes([wire[3], wire[4]]));
    wire.drain(..len).collect()
}

#[test]
fn no_key_and_nonce_are_used_twice() {
    observed::switch_on();
    let mut cases = 0;
    let parked_or_not = [false, true].map(|parked| VERSIONS.map(|version| (parked, version)));
    for (parked, version) in parked_or_not.into_iter().flatten() {
        always_park(parked);
        for resumed in [false, true] {
            for side in 0..2 {
                for meddling in MEDDLING {
                    for moment in 0..12 {
                        let (outbound, inbound) = credentials(version);
                        if resumed {
                            Pair::establish(&outbound, &inbound, &ContextOptions::default()).settle();
                        }
                        take_sealed();
                        run(
                            &mut Pair::begin(&outbound, &inbound, &ContextOptions::default()),
                            side,
                            meddling,
                            moment,
                        );
                        let sealed = take_sealed();
                        let distinct: HashSet<_> = sealed.iter().collect();
                        assert_eq!(
                            distinct.len(),
                            sealed.len(),
                            "parked {parked} {version:?} resumed {resumed} side {side} {meddling:?} behind record {moment}"
                        );
                        assert!(version != Protocols::TLS1_3 || !sealed.is_empty());
                        cases += 1;
                    }
                }
            }
        }
    }
    assert_eq!(cases, 960);
}

/// Feeds record by record; behind the `moment`th one the side is meddled with. Then everything goes on as far as it will.
fn run(pair: &mut Pair, side: usize, meddling: &[ControlToken], moment: usize) {
    for fed in 0..40 {
        if fed == moment {
            let role = if side == 0 { super::Role::Client } else { super::Role::Server };
            for token in meddling {
                pair.side(role).apply_control_token(*token).unwrap();
                let mut output = TokenBuffer::allocate();
                // A refusal is an answer too; what matters is what was sealed.
                token_call(pair.side(role), &[], &mut output).ok();
            }
        }
        let (context, wire, back) = if pair.to_client.is_empty() {
            (&mut pair.server, &mut pair.to_server, &mut pair.to_client)
        } else {
            (&mut pair.client, &mut pair.to_client, &mut pair.to_server)
        };
        if wire.is_empty() {
            break;
        }
        let mut record = first_record(wire);
        if context.is_established() {
            context.decrypt_message(&mut record).ok();
        } else {
            let mut output = TokenBuffer::allocate();
            token_call(context, &record, &mut output).ok();
            back.extend_from_slice(output.as_bytes());
        }
    }
    for role in [super::Role::Client, super::Role::Server] {
        let context = pair.side(role);
        encrypt(context, b"data").ok();
        context.key_update(KeyUpdateRequest::NotRequested, &mut TokenBuffer::allocate()).ok();
        encrypt(context, b"data").ok();
        for _ in 0..2 {
            shut_down(context);
        }
    }
}

//! ApplyControlToken with any payload: a client in its handshake, a client and a server with keys, in the Rust API and through the C ABI,
//! which answer the same.
#![no_main]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a fuzz target fails by it")]

#[allow(dead_code, reason = "the tests use all of it")]
#[path = "../../crates/openschannel-ffi/tests/random_calls/pair.rs"]
mod pair;
#[allow(dead_code, reason = "another target uses all of it")]
mod random;

use core::ops::ControlFlow;

use openschannel::Role;
use openschannel::status::{ErrorStatus, SecurityStatus};
use openschannel_ffi::ApplyControlToken;
use openschannel_ffi::types::{SecBuffer, SecBufferDesc, buffer_type};
use openschannel_fuzz::control::{Subject, payloads};
use pair::{Pair, Side};
use random::Random;

/// Calls in one input: the states of an end are few, and each payload can reach the next one.
const CALLS: usize = 32;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((kind, data)) = data.split_first() else { return };
    let tls13 = kind & 1 == 0;
    let mut pair = if tls13 { Pair::of(0x2000, 0x1000) } else { Pair::of(0x800, 0x400) };
    let (mut subject, index) = if kind & 2 == 0 {
        pair.handshake(&mut Random::new(&[]), &mut |_, _| ());
        let role = if kind & 4 == 0 { Role::Client } else { Role::Server };
        (Subject::established(tls13, role), usize::from(role == Role::Server))
    } else {
        pair.begin();
        (Subject::begun(tls13), 0)
    };
    let side = &mut pair.sides[index];
    let mut calls = 0;
    payloads(data, |payload, emits| {
        assert_eq!(apply(side, payload), subject.apply(payload).err(), "{payload:x?}");
        if emits {
            emit(side, &mut subject);
        }
        calls += 1;
        if calls < CALLS { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    emit(side, &mut subject);
    pair.give_back();
});

/// The payload in memory of exactly its length, where AddressSanitizer sees a byte too much.
fn apply(side: &Side, payload: &[u8]) -> Option<ErrorStatus> {
    let mut bytes = payload.to_vec().into_boxed_slice();
    let mut buffers = [SecBuffer {
        len: u32::try_from(bytes.len()).unwrap(),
        buffer_type: buffer_type::TOKEN,
        buffer: bytes.as_mut_ptr().cast(),
    }];
    let message = SecBufferDesc { version: 0, count: 1, buffers: buffers.as_mut_ptr() };
    // SAFETY: everything lives through the call.
    let status = unsafe { ApplyControlToken(&raw const *side.context.as_ref().unwrap(), &raw const message) };
    error_of(status)
}

fn emit(side: &mut Side, subject: &mut Subject) {
    let (status, token, extra) = side.token_call(&[]);
    assert_eq!(extra, 0);
    match subject.emit() {
        Ok((expected, record)) => {
            assert_eq!(status.cast_unsigned(), expected.code());
            assert_eq!(token.len(), record.len());
            // In plaintext there is nothing random in it.
            assert!(token.len() != 7 || token == record);
        }
        Err(expected) => assert_eq!(error_of(status), Some(expected)),
    }
}

fn error_of(status: i32) -> Option<ErrorStatus> {
    match SecurityStatus::from_code(status.cast_unsigned()) {
        Some(SecurityStatus::Error(error)) => Some(error),
        Some(SecurityStatus::Success(_)) => None,
        None => panic!("{status:#x}, which no page has"),
    }
}

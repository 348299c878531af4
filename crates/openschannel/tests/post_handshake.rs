//! Tickets and key updates on an established connection, in both modes (section 8.1), and its two halves.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod common;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use common::*;
use openschannel::credentials::{Clock, InboundCredentials, OutboundCredentials, PostHandshake, Protocols};
use openschannel::status::{ErrorStatus, SuccessStatus};
use openschannel::{ContextOptions, KeyUpdateRequest, SecurityContext, TokenBuffer};

fn establish(outbound: &OutboundCredentials, inbound: &InboundCredentials) -> Pair {
    Pair::establish(outbound, inbound, &ContextOptions::default())
}

/// Section 8.1: the shapes in which callers answer SEC_I_RENEGOTIATE.
#[test]
fn compatible_mode_takes_the_token_in_every_shape() {
    for shape in 0..4 {
        let options =
            ContextOptions { post_handshake: Some(PostHandshake::Compatible), ..ContextOptions::default() };
        let (outbound, inbound) = credentials(Protocols::TLS1_3);
        let mut pair = Pair::establish(&outbound, &inbound, &options);
        let mut wire = pair.to_client.clone();
        let tickets = wire.len();
        wire.extend(encrypt(&mut pair.server, b"behind the tickets").unwrap());
        let copy = wire.clone();
        let message = pair.client.decrypt_message(&mut wire).unwrap();
        assert_eq!((message.status, message.extra), (SuccessStatus::Renegotiate, 0..wire.len()));
        assert_eq!(wire, copy, "the ciphertext is as it came");
        assert_eq!(pair.client.attributes().unwrap().stream_sizes().trailer, 17);
        let input = match shape {
            0 | 1 => wire.clone(),
            2 => wire[..tickets].to_vec(),
            _ => Vec::new(),
        };
        let mut output = TokenBuffer::allocate();
        let outcome = pair.client.initialize_security_context(None, &input, &mut output).unwrap();
        assert_eq!((outcome.status, output.len()), (SuccessStatus::Ok, 0));
        match shape {
            0 | 1 => assert_eq!(outcome.consumed, tickets, "every handshake record, and no other"),
            2 => assert_eq!((outcome.consumed, outcome.extra), (tickets, 0)),
            _ => {}
        }
        let mut rest = wire[outcome.consumed..].to_vec();
        let text = loop {
            let message = pair.client.decrypt_message(&mut rest).unwrap();
            match message.status {
                SuccessStatus::Ok if message.data.is_empty() => drop(rest.drain(..message.extra.start)),
                SuccessStatus::Ok => break rest[message.data].to_vec(),
                SuccessStatus::Renegotiate => {
                    // A caller that gave nothing in still holds the record.
                    let outcome = pair.client.initialize_security_context(None, &rest, &mut output).unwrap();
                    rest.drain(..outcome.consumed);
                }
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(text, b"behind the tickets", "shape {shape}");
    }
}

/// design.md, Data: keys are refreshed behind a data record as soon as there is room for it.
#[test]
fn keys_are_refreshed_in_the_trailer() {
    let outbound = outbound().protocols(Protocols::TLS1_3).rekey_after(10).acquire().unwrap();
    let inbound = inbound().protocols(Protocols::TLS1_3).acquire().unwrap();
    let mut pair = establish(&outbound, &inbound);
    pair.settle();
    let mut refreshed = 0;
    for round in 0..100_u8 {
        // Every third caller leaves no room; then the refresh waits.
        let room = if round % 3 == 0 { 44 } else { 17 + usize::from(round % 3) * 13 };
        let (mut header, mut data, mut trailer) = ([0; 5], [round; 20], vec![0; room]);
        let sealed = pair.client.encrypt_message(&mut header, &mut data, &mut trailer).unwrap();
        refreshed += usize::from(sealed.trailer == 44);
        assert!(sealed.trailer == 17 || (sealed.trailer == 44 && room >= 44));
        let mut wire = [&header[..], &data, &trailer[..sealed.trailer]].concat();
        let message = pair.server.decrypt_message(&mut wire).unwrap();
        assert_eq!(wire[message.data.clone()], [round; 20]);
        let mut rest = wire[message.extra].to_vec();
        if !rest.is_empty() {
            let message = pair.server.decrypt_message(&mut rest).unwrap();
            assert_eq!((message.status, message.data.len(), message.extra.len()), (SuccessStatus::Ok, 0, 0));
        }
    }
    assert!((5..=10).contains(&refreshed), "{refreshed} refreshes");
}

/// design.md rule 7: the answer to the peer's update is made by a call, or rides behind the next data record.
#[test]
fn a_requested_key_update_is_answered_once() {
    for by_call in [true, false] {
        let mut pair = Pair::quiet(Protocols::TLS1_3);
        for _ in 0..3 {
            let mut update = TokenBuffer::allocate();
            pair.server.key_update(KeyUpdateRequest::Requested, &mut update).unwrap();
            decrypt(&mut pair.client, update.as_bytes()).unwrap();
        }
        assert!(pair.client.send_half().unwrap().is_reply_due());
        let reply = if by_call {
            let mut reply = TokenBuffer::allocate();
            pair.client.send_half().unwrap().answer_key_update(&mut reply).unwrap();
            reply.into_vec()
        } else {
            let record = encrypt(&mut pair.client, b"data").unwrap();
            assert_eq!(record.len(), 5 + 4 + 17 + 27);
            let (message, data) = decrypt(&mut pair.server, &record).unwrap();
            assert_eq!(data, b"data");
            record[message.extra].to_vec()
        };
        assert_eq!(reply.len(), 27, "several requests, one answer");
        assert!(!pair.client.send_half().unwrap().is_reply_due());
        decrypt(&mut pair.server, &reply).unwrap();
        let record = encrypt(&mut pair.client, b"under the new key").unwrap();
        assert_eq!(decrypt(&mut pair.server, &record).unwrap().1, b"under the new key");
    }
    let mut pair = Pair::quiet(Protocols::TLS1_2);
    let error =
        pair.client.key_update(KeyUpdateRequest::Requested, &mut TokenBuffer::allocate()).unwrap_err();
    assert_eq!(error.status(), ErrorStatus::UnsupportedFunction);
}

/// `split` and `join` go together, and only halves of one connection do.
#[test]
fn halves_part_and_meet_again() {
    let pair = Pair::quiet(Protocols::TLS1_3);
    let (outbound, _) = credentials(Protocols::TLS1_3);
    let mut output = TokenBuffer::allocate();
    let (unfinished, _) =
        SecurityContext::initialize(&outbound, Some(NAME), &ContextOptions::default(), &mut output).unwrap();
    assert!(unfinished.split().is_err());
    let (mut client_send, client_receive) = pair.client.split().unwrap();
    let (server_send, mut server_receive) = pair.server.split().unwrap();
    let mut buffer = vec![0; 5 + 4 + 44];
    buffer[5..9].copy_from_slice(b"data");
    let len = client_send.encrypt_contiguous(&mut buffer, 4).unwrap();
    let message = server_receive.decrypt(&mut buffer[..len]).unwrap();
    assert_eq!(&buffer[message.data], b"data");
    let strangers = SecurityContext::join(client_send, server_receive).unwrap_err();
    let mut client = SecurityContext::join(strangers.0, client_receive).unwrap();
    let server = SecurityContext::join(server_send, strangers.1).unwrap();
    assert_eq!(client.role(), openschannel::Role::Client);
    let (server_send, _receive) = server.split().unwrap();
    let close_notify = server_send.close().unwrap();
    assert_eq!(decrypt(&mut client, &close_notify).unwrap().0.status, SuccessStatus::ContextExpired);
}

/// A clock that stands still, at a whole second.
#[derive(Debug)]
struct Standing(SystemTime);

impl Clock for Standing {
    fn now(&self) -> SystemTime {
        self.0
    }
}

/// RFC 9846 section 4.7.1: a lifetime of zero says that the ticket is to be dropped at once. In TLS 1.2 it says nothing (RFC 5077
/// section 3.3).
#[test]
fn a_ticket_without_a_life_is_not_kept() {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let clock = Arc::new(Standing(UNIX_EPOCH + Duration::from_secs(since)));
    for (version, lifespan, resumes) in [
        (Protocols::TLS1_3, Duration::from_secs(1), true),
        (Protocols::TLS1_3, Duration::from_millis(999), false),
        (Protocols::TLS1_2, Duration::from_millis(999), true),
    ] {
        let outbound = outbound().protocols(version).clock(clock.clone()).acquire().unwrap();
        let inbound = inbound().clock(clock.clone()).session_lifespan(lifespan).acquire().unwrap();
        for again in [false, true] {
            let mut pair = establish(&outbound, &inbound);
            pair.settle();
            let resumed = pair.client.attributes().unwrap().session_info().resumed;
            assert_eq!(resumed, again && resumes, "{version:?} {lifespan:?}");
        }
    }
}

//! What the data path and an idle connection take from the heap.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by it")]

#[path = "../common/mod.rs"]
mod common;
mod heap;

use std::hint::black_box;
use std::io::Write as _;

use common::*;
use openschannel::credentials::{CipherSuite, PostHandshake, Protocols};
use openschannel::status::{ErrorStatus, SuccessStatus};
use openschannel::{
    ContextOptions, KeyUpdateRequest, ReceiveHalf, Role, SecurityContext, SendHalf, TokenBuffer,
};

/// Lengths of data: none, one byte, around a cipher block, ordinary, the longest.
const LENGTHS: [usize; 7] = [0, 1, 15, 17, 1_000, 4_096, 16_384];

const ROUNDS: usize = 8;

/// Memory for one record and what rides behind it.
fn room() -> Vec<u8> {
    vec![0x5a; 13 + 16_384 + 44]
}

fn halves(context: SecurityContext) -> (SendHalf, ReceiveHalf) {
    context.split().map_err(|_| "not established").unwrap()
}

/// Zero means something only where one is seen.
#[test]
fn the_counters_count() {
    let (memory, requests) = heap::requests_of(|| black_box(vec![0_u8; 100]));
    assert_eq!(requests, [1, 1]);
    let before = heap::rust().bytes;
    drop(memory);
    assert_eq!(before - heap::rust().bytes, 100);
    // A key of the AEAD library's is C's memory.
    let (_key, requests) = heap::requests_of(|| {
        let key = aws_lc_rs::aead::UnboundKey::new(&aws_lc_rs::aead::AES_128_GCM, &[1; 16]);
        key.map(aws_lc_rs::aead::LessSafeKey::new)
    });
    assert!(!cfg!(all(target_os = "linux", target_env = "gnu")) || requests[1] > requests[0], "{requests:?}");
}

#[test]
fn encrypting_and_decrypting_allocate_nothing() {
    for suite in CipherSuite::ALL {
        let Pair { client, server, .. } = Pair::quiet_for(*suite);
        let sizes = client.attributes().unwrap().stream_sizes();
        let (mut buffer, mut data, mut trailer) = (room(), room(), [0; 44]);
        let (client, server) = (halves(client), halves(server));
        for (mut send, mut receive) in [(client.0, server.1), (server.0, client.1)] {
            // The first record makes the AEAD context.
            let sealed = send.encrypt_contiguous(&mut buffer, 1).unwrap();
            receive.decrypt(&mut buffer[..sealed]).unwrap();
            for len in LENGTHS {
                // The receiving half bears only so many records without data in a row.
                for _ in 0..ROUNDS {
                    let (outcome, requests) = heap::requests_of(|| {
                        let sealed = send.encrypt_contiguous(&mut buffer, len)?;
                        let opened = receive.decrypt(&mut buffer[..sealed])?;
                        Ok::<_, openschannel::status::Error>((
                            opened.status,
                            opened.data.len(),
                            opened.extra.len(),
                        ))
                    });
                    assert_eq!(outcome.unwrap(), (SuccessStatus::Ok, len, 0));
                    assert_eq!(requests, [0, 0], "{suite}, {len} bytes in one buffer");

                    let header = &mut buffer[..sizes.header];
                    let (outcome, requests) = heap::requests_of(|| {
                        send.encrypt(header, &mut data[..len], &mut trailer[..sizes.trailer])
                    });
                    let sealed = outcome.unwrap();
                    assert_eq!(requests, [0, 0], "{suite}, {len} bytes in three buffers");

                    // As it would come from the network: one buffer.
                    buffer[sealed.header..][..len].copy_from_slice(&data[..len]);
                    buffer[sealed.header + len..][..sealed.trailer]
                        .copy_from_slice(&trailer[..sealed.trailer]);
                    let (outcome, requests) =
                        heap::requests_of(|| receive.decrypt(&mut buffer[..sealed.len()]));
                    assert_eq!(outcome.unwrap().data.len(), len);
                    assert_eq!(requests, [0, 0], "{suite}, {len} bytes decrypted");
                }
            }
        }
    }
}

/// A caller that reads in small pieces gets SEC_E_INCOMPLETE_MESSAGE most of the time; the other refusals of a wrong use are as cheap.
#[test]
fn refusals_allocate_nothing() {
    for suite in CipherSuite::ALL {
        let Pair { client, server, .. } = Pair::quiet_for(*suite);
        let ((mut send, _), (_, mut receive)) = (halves(client), halves(server));
        let mut buffer = room();
        let sealed = send.encrypt_contiguous(&mut buffer, 1_000).unwrap();
        for len in [0, 1, 4, 5, 6, 500, sealed - 1] {
            let (outcome, requests) =
                heap::requests_of(|| receive.decrypt(&mut buffer[..len]).map_err(|e| e.status()));
            assert_eq!(outcome, Err(ErrorStatus::IncompleteMessage));
            assert_eq!(requests, [0, 0], "{suite}, {len} bytes of a record");
        }
        let (outcome, requests) = heap::requests_of(|| {
            send.encrypt(&mut [0; 4], &mut [0; 9], &mut [0; 44]).map_err(|error| error.status())
        });
        assert_eq!((outcome, requests), (Err(ErrorStatus::BufferTooSmall), [0, 0]));
        let (outcome, requests) = heap::requests_of(|| {
            send.encrypt(&mut [0; 13], &mut [0; 16_385], &mut [0; 44]).map_err(|error| error.status())
        });
        assert_eq!((outcome, requests), (Err(ErrorStatus::EncryptFailure), [0, 0]));
        assert!(receive.decrypt(&mut buffer[..sealed]).is_ok(), "nothing was lost meanwhile");
    }
}

/// One side of many connections, all idle.
const CONNECTIONS: usize = 64;

/// The goal of the project (bytes of heap a side, the AEAD library's included).
const IDLE_LIMIT: i64 = 4096;

#[test]
fn an_idle_connection_holds_little() {
    for protocols in VERSIONS {
        let (outbound, inbound) = credentials(protocols);
        let establish = || Pair::establish(&outbound, &inbound, &ContextOptions::default());
        // What is made once a process or once a credential, the session caches included, is no connection's.
        drop(black_box(establish()));

        let finished: Vec<_> = (0..CONNECTIONS).map(|_| establish()).collect();
        report(protocols, "handshake finished", finished);

        let ticketed = (0..CONNECTIONS).map(|_| settled(establish())).collect();
        report(protocols, "tickets read", ticketed);

        let used = (0..CONNECTIONS)
            .map(|_| {
                let mut pair = settled(establish());
                exchange(&mut pair);
                pair
            })
            .collect();
        report(protocols, "16 KiB each way", used);

        if protocols == Protocols::TLS1_3 {
            let updated = (0..CONNECTIONS)
                .map(|_| {
                    let mut pair = settled(establish());
                    update_keys(&mut pair);
                    exchange(&mut pair);
                    pair
                })
                .collect();
            report(protocols, "keys updated, 16 KiB each way", updated);

            let options = ContextOptions {
                post_handshake: Some(PostHandshake::Compatible),
                ..ContextOptions::default()
            };
            let compatible =
                (0..CONNECTIONS).map(|_| Pair::establish(&outbound, &inbound, &options)).collect();
            report(protocols, "compatible mode", compatible);
        }
    }
}

fn settled(mut pair: Pair) -> Pair {
    pair.settle();
    pair
}

fn exchange(pair: &mut Pair) {
    for from in [Role::Client, Role::Server] {
        let record = encrypt(pair.side(from), &room()[..16_384]).unwrap();
        assert_eq!(decrypt(pair.side(other(from)), &record).unwrap().1.len(), 16_384);
    }
}

fn update_keys(pair: &mut Pair) {
    for from in [Role::Client, Role::Server] {
        let mut output = TokenBuffer::allocate();
        pair.side(from).key_update(KeyUpdateRequest::NotRequested, &mut output).unwrap();
        decrypt(pair.side(other(from)), output.as_bytes()).unwrap();
    }
}

/// Measured by dropping: what comes back is what the contexts held.
fn report(protocols: Protocols, when: &str, pairs: Vec<Pair>) {
    let (clients, servers): (Vec<_>, Vec<_>) =
        pairs.into_iter().map(|pair| (pair.client, pair.server)).unzip();
    let held = [freed_by(clients), freed_by(servers)];
    let name = if protocols == Protocols::TLS1_2 { "TLS 1.2" } else { "TLS 1.3" };
    // Past the test harness, which shows print! of failed tests only.
    writeln!(
        std::io::stderr(),
        "heap of an idle context, {name}, {when}: client {} bytes (Rust's {}), server {} (Rust's {}); inline {}",
        held[0].0,
        held[0].1,
        held[1].0,
        held[1].1,
        size_of::<SecurityContext>(),
    )
    .ok();
    for (all, _) in held {
        assert!(all < IDLE_LIMIT, "{name}, {when}: {all} bytes");
    }
}

/// Bytes a context: all, and Rust's.
fn freed_by(contexts: Vec<SecurityContext>) -> (i64, i64) {
    let mut contexts = contexts;
    let count = i64::try_from(contexts.len()).unwrap();
    let before = (heap::all().bytes, heap::rust().bytes);
    // The vector's own memory stays.
    contexts.clear();
    let after = (heap::all().bytes, heap::rust().bytes);
    ((before.0 - after.0) / count, (before.1 - after.1) / count)
}

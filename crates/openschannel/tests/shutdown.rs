//! The main job: a connection that opens, talks and ends properly (section 4.4 #1, #2).
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod common;

use common::*;
use openschannel::credentials::CipherSuite;
use openschannel::status::SuccessStatus;
use openschannel::{ReadEnd, Role};

#[test]
fn either_side_ends_the_connection_under_every_suite() {
    for suite in CipherSuite::ALL {
        for first in [Role::Client, Role::Server] {
            let mut pair = Pair::quiet_for(*suite);
            let second = other(first);
            for (from, to, text) in [(first, second, b"there"), (second, first, b"back!")] {
                let record = encrypt(pair.side(from), text).unwrap();
                let (message, data) = decrypt(pair.side(to), &record).unwrap();
                assert_eq!((message.status, data.as_slice()), (SuccessStatus::Ok, &text[..]));
            }
            let expected = match suite.name() {
                name if !name.contains("WITH") => 24,
                name if name.contains("CHACHA20") => 23,
                _ => 31,
            };
            for (from, to) in [(first, second), (second, first)] {
                let close_notify = shut_down(pair.side(from));
                assert_eq!(close_notify.len(), expected, "{suite}");
                let (message, data) = decrypt(pair.side(to), &close_notify).unwrap();
                assert_eq!((message.status, data.len()), (SuccessStatus::ContextExpired, 0));
                assert_eq!(pair.side(to).closing_report().read_end, ReadEnd::Clean);
                assert!(pair.side(from).closing_report().close_sent);
            }
        }
    }
}

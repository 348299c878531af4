//! The dialogues before TLS: what servers of eleven protocols may say.
//!
//! The module is taken in by its path, as in `http_request`.
#![no_main]

#[allow(dead_code, reason = "nothing is sent here")]
#[path = "../../crates/openschannel-cli/src/starttls/mod.rs"]
mod starttls;

use clap::ValueEnum;
use starttls::{Dialogue, Protocol, Refusal, Step};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let [protocol, piece, bytes @ ..] = data else { return };
    let protocols = Protocol::value_variants();
    let protocol = protocols[usize::from(*protocol) % protocols.len()];
    let first = hear(protocol, bytes, usize::from(*piece).max(1));
    // Where the pieces end is nobody's choice. Two things may depend on it: how much more lay behind the go-ahead, and whether
    // what was refused had come to its end.
    let second = hear(protocol, bytes, 1);
    assert_eq!(first.done && second.done, first.done, "{protocol}: TLS begins, but not byte by byte");
    assert!(second.said.starts_with(&first.said) || first.said.starts_with(&second.said));
    for heard in [first, second] {
        let taken = &bytes[..heard.consumed];
        assert!(
            !heard.done || ends_with_a_go_ahead(protocol, taken),
            "{protocol}: more than the go-ahead was taken"
        );
    }
});

/// Whether nothing lies between the go-ahead and TLS. The server's bytes were all it has said, so the go-ahead is at their end.
fn ends_with_a_go_ahead(protocol: Protocol, bytes: &[u8]) -> bool {
    match protocol {
        Protocol::Postgres => bytes == b"S",
        Protocol::Xmpp => bytes.ends_with(b">"),
        // The length is at the front of the last message.
        Protocol::Ldap | Protocol::Mysql => !bytes.is_empty(),
        _ => bytes.ends_with(b"\n"),
    }
}

struct Heard {
    done: bool,
    consumed: usize,
    said: Vec<Vec<u8>>,
}

fn hear(protocol: Protocol, bytes: &[u8], piece: usize) -> Heard {
    let mut dialogue = Dialogue::new(protocol, "example.org");
    let mut heard = Heard { done: false, consumed: 0, said: Vec::new() };
    let mut pieces = bytes.chunks(piece);
    loop {
        match dialogue.step() {
            Ok(Step::Need) => {
                let Some(piece) = pieces.next() else { return heard };
                heard.consumed += piece.len();
                if let Err(refusal) = dialogue.received(piece) {
                    assert!(matches!(refusal, Refusal::TooLong), "{refusal}");
                    return heard;
                }
            }
            Ok(Step::Send(said)) => {
                assert!(!said.is_empty());
                heard.said.push(said);
                assert!(heard.said.len() <= 4, "{protocol}: no dialogue is that long");
            }
            Ok(Step::Done) => {
                heard.done = true;
                return heard;
            }
            Err(refusal) => {
                assert!(!refusal.to_string().is_empty());
                return heard;
            }
        }
    }
}

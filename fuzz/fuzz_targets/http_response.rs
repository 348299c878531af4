//! The responses that `probe` reads: whether one is whole does not depend on how it arrives.
//!
//! The parser is taken in by its path, as in `http_request`.
#![no_main]

#[allow(dead_code, reason = "requests are not made here")]
#[path = "../../crates/openschannel-cli/src/probe/http.rs"]
mod http;

use http::Response;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((piece, bytes)) = data.split_first() else { return };
    let whole = read(bytes, bytes.len().max(1));
    let pieces = read(bytes, usize::from(*piece).max(1));
    for closed in [false, true] {
        let seen = whole.seen(closed);
        assert_eq!(seen, pieces.seen(closed), "in pieces of {piece}");
        assert!(seen.body <= bytes.len() as u64);
        assert!(!seen.complete || seen.status != 0, "what is no response is not complete");
        assert!(!seen.close_delimited || seen.complete == closed, "only the close completes it");
        assert_eq!(seen.complete && !seen.close_delimited, whole.is_complete());
    }
    assert_eq!(whole.is_complete(), whole.completed_at().is_some());
    // A cut response is whole only if it is so by its own framing.
    if whole.is_complete() {
        let mut more = whole;
        let before = more.seen(false);
        more.push(b"HTTP/1.1 500 Another\r\n\r\n");
        assert_eq!(more.seen(false), before, "what follows a complete response changes it");
    }
});

fn read(bytes: &[u8], piece: usize) -> Response {
    let mut response = Response::default();
    for piece in bytes.chunks(piece) {
        response.push(piece);
    }
    response
}

//! The heads of requests that `serve` reads.
//!
//! The parser is a module of a program. It is taken in by its path: it needs nothing of the program, so a library of the program's for
//! this alone would make more public than is tested.
#![no_main]

#[allow(dead_code, reason = "what is answered is not looked at here")]
#[path = "../../crates/openschannel-cli/src/serve/http.rs"]
mod http;

use http::{MAX_HEAD, MAX_TARGET, Method, head_end, oversized, parse, response_head};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((cut, bytes)) = data.split_first() else { return };
    let Some(end) = found_however_it_arrives(bytes, usize::from(*cut)) else {
        if bytes.len() > MAX_HEAD {
            oversized(bytes);
        }
        return;
    };
    let head = &bytes[..end];
    let parsed = parse(head);
    match &parsed {
        Ok(request) => {
            assert!(request.path.len() <= MAX_TARGET);
            let known = request.method != Method::Other;
            assert!(!known || request.path.starts_with('/'), "{request:?}");
            assert!(!request.path.contains('?'), "{request:?}");
            assert!(
                !request.keep_alive || !announces_a_body(head),
                "a body would be read as the next request"
            );
            let answer = response_head(http::Status::Ok, "text/plain", 5, Some(request));
            assert_eq!(head_end(answer.as_bytes(), 0), Some(answer.len()), "{answer}");
        }
        Err(status) => {
            let answer = response_head(*status, "text/plain", 5, None);
            assert!(answer.contains("Connection: close\r\n"), "{answer}");
        }
    }
    // Nothing behind the head belongs to it.
    let again = parse(&[head, b"GET /other HTTP/1.1\r\n".as_slice()].concat());
    assert_eq!(parsed, again);
});

/// The end of the head is the same in one piece and in two, and nothing before it is one.
fn found_however_it_arrives(bytes: &[u8], cut: usize) -> Option<usize> {
    let end = head_end(bytes, 0);
    let cut = cut.min(bytes.len());
    match head_end(&bytes[..cut], 0) {
        Some(early) => assert_eq!(Some(early), end),
        None => assert_eq!(head_end(bytes, cut), end, "cut at {cut}"),
    }
    if let Some(end) = end {
        assert!(bytes[..end].ends_with(b"\n\n") || bytes[..end].ends_with(b"\n\r\n"));
        assert_eq!(head_end(&bytes[..end - 1], 0), None);
    }
    end
}

/// As another server might see it: any field of that name with anything but zeros.
fn announces_a_body(head: &[u8]) -> bool {
    String::from_utf8_lossy(head).lines().skip(1).any(|line| {
        let Some((name, value)) = line.split_once(':') else { return false };
        name.eq_ignore_ascii_case("transfer-encoding")
            || (name.eq_ignore_ascii_case("content-length") && value.contains(|c| matches!(c, '1'..='9')))
    })
}

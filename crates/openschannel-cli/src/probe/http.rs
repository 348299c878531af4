//! The little HTTP that questions need: a request, and whether a response is whole.

use tokio::time::Instant;

/// A response's head may not be longer; more is no HTTP server's.
const MAX_HEAD: usize = 64 * 1024;

/// Header fields of a response; more is no HTTP server's either.
const MAX_FIELDS: usize = 100;

/// Status codes begin with 1 (RFC 9110 section 15); zero is here what is no response.
const LEAST_STATUS: u16 = 100;

/// What the client wants of the connection behind the response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Persistence {
    Close,
    KeepAlive,
}

/// A GET request.
pub(super) fn get(path: &str, host: &str, persistence: Persistence) -> Vec<u8> {
    let connection = match persistence {
        Persistence::Close => "close",
        Persistence::KeepAlive => "keep-alive",
    };
    format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: openschannel-probe/{}\r\nAccept: */*\r\n\
         Connection: {connection}\r\n\r\n",
        env!("CARGO_PKG_VERSION")
    )
    .into_bytes()
}

/// What became of a response.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ResponseSeen {
    /// Zero if what came is no response.
    pub(super) status: u16,
    /// Everything it announced has come; without a length, the server's close_notify has.
    pub(super) complete: bool,
    /// It has no length and lasts until the connection's end.
    pub(super) close_delimited: bool,
    /// The server will not answer on this connection again.
    pub(super) last: bool,
    /// Bytes of the body, framing not counted.
    pub(super) body: u64,
}

/// Reads one response as it comes.
#[derive(Debug, Default)]
pub(super) struct Response {
    state: State,
    status: u16,
    last: bool,
    body: u64,
    completed_at: Option<Instant>,
}

#[derive(Debug)]
enum State {
    Head(Vec<u8>),
    Length(u64),
    ChunkSize(Vec<u8>),
    Chunk(u64),
    /// The empty line or trailer fields behind the last chunk.
    Trailer(Vec<u8>),
    UntilClose,
    Complete,
    NoHttp,
}

impl Default for State {
    fn default() -> Self {
        Self::Head(Vec::new())
    }
}

impl Response {
    pub(super) fn push(&mut self, mut data: &[u8]) {
        while let [first, ..] = *data {
            let taken = match &mut self.state {
                State::Head(head) => {
                    head.push(first);
                    if head.ends_with(b"\r\n\r\n") || head.ends_with(b"\n\n") {
                        let head = std::mem::take(head);
                        self.take_head(&head);
                    } else if head.len() > MAX_HEAD || !b"HTTP/".starts_with(head.get(..5).unwrap_or(head)) {
                        self.state = State::NoHttp;
                    }
                    1
                }
                State::Length(left) | State::Chunk(left) => {
                    let n = data.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                    *left -= n as u64;
                    self.body += n as u64;
                    if *left == 0 {
                        self.state = match self.state {
                            State::Chunk(_) => State::ChunkSize(Vec::new()),
                            _ => State::Complete,
                        };
                    }
                    n
                }
                State::ChunkSize(line) => {
                    line.push(first);
                    // The first line ends the chunk before, so an empty one is no size.
                    if first == b'\n' {
                        let line = std::mem::take(line);
                        self.take_chunk_size(&line);
                    } else if line.len() > MAX_HEAD {
                        self.state = State::NoHttp;
                    }
                    1
                }
                State::Trailer(lines) => {
                    lines.push(first);
                    if matches!(lines.as_slice(), b"\r\n" | b"\n")
                        || lines.ends_with(b"\r\n\r\n")
                        || lines.ends_with(b"\n\n")
                    {
                        self.state = State::Complete;
                    } else if lines.len() > MAX_HEAD {
                        self.state = State::NoHttp;
                    }
                    1
                }
                State::UntilClose => {
                    self.body += data.len() as u64;
                    data.len()
                }
                State::Complete | State::NoHttp => return,
            };
            data = data.get(taken..).unwrap_or_default();
            if matches!(self.state, State::Complete) && self.completed_at.is_none() {
                self.completed_at = Some(Instant::now());
            }
        }
    }

    /// Complete by its own framing.
    pub(super) fn is_complete(&self) -> bool {
        matches!(self.state, State::Complete)
    }

    pub(super) fn completed_at(&self) -> Option<Instant> {
        self.completed_at
    }

    /// `closed`: the server's close_notify has come.
    pub(super) fn seen(&self, closed: bool) -> ResponseSeen {
        let close_delimited = matches!(self.state, State::UntilClose);
        ResponseSeen {
            status: if matches!(self.state, State::NoHttp) { 0 } else { self.status },
            complete: self.is_complete() || (close_delimited && closed),
            close_delimited,
            last: self.last || close_delimited,
            body: self.body,
        }
    }

    fn take_head(&mut self, head: &[u8]) {
        let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
        let mut parsed = httparse::Response::new(&mut fields);
        if !matches!(parsed.parse(head), Ok(httparse::Status::Complete(_))) {
            self.state = State::NoHttp;
            return;
        }
        self.status = parsed.code.unwrap_or_default();
        if self.status < LEAST_STATUS {
            self.state = State::NoHttp;
            return;
        }
        // A list may lie in several fields (RFC 9110 section 5.3).
        let values = |name: &'static str| {
            let named = parsed.headers.iter().filter(move |field| field.name.eq_ignore_ascii_case(name));
            named.filter_map(|field| std::str::from_utf8(field.value).ok().map(str::trim))
        };
        let says = |name, token: &str| {
            values(name)
                .flat_map(|value| value.split(','))
                .any(|part| part.trim().eq_ignore_ascii_case(token))
        };
        let old = parsed.version == Some(0);
        self.last = says("connection", "close") || (old && !says("connection", "keep-alive"));
        self.state = match (self.status, values("content-length").next().map(str::parse::<u64>)) {
            // An interim response: the real one follows.
            (100..=199, _) => State::default(),
            (204 | 304, _) => State::Complete,
            _ if says("transfer-encoding", "chunked") => State::ChunkSize(Vec::new()),
            (_, Some(Ok(0))) => State::Complete,
            (_, Some(Ok(length))) => State::Length(length),
            _ => State::UntilClose,
        };
    }

    fn take_chunk_size(&mut self, line: &[u8]) {
        let text = String::from_utf8_lossy(line);
        let size = text.split(';').next().unwrap_or_default().trim();
        self.state = match u64::from_str_radix(size, 16) {
            // The end of the line behind a chunk.
            Err(_) if size.is_empty() => State::ChunkSize(Vec::new()),
            Err(_) => State::NoHttp,
            Ok(0) => State::Trailer(Vec::new()),
            Ok(size) => State::Chunk(size),
        };
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails")]

    use super::*;

    fn read(bytes: &[u8], closed: bool) -> ResponseSeen {
        let mut whole = Response::default();
        whole.push(bytes);
        let mut bytewise = Response::default();
        for byte in bytes {
            bytewise.push(&[*byte]);
        }
        assert_eq!(whole.seen(closed), bytewise.seen(closed), "it must not matter how it comes");
        whole.seen(closed)
    }

    #[test]
    fn a_length_is_counted_down() {
        let seen = read(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", false);
        assert_eq!((seen.status, seen.complete, seen.body, seen.last), (200, true, 5, false));
        let seen = read(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhell", true);
        assert_eq!((seen.complete, seen.body, seen.last), (false, 4, true));
    }

    #[test]
    fn chunks_end_with_an_empty_one() {
        let head = b"HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        let whole = [head.clone(), b"5\r\nhello\r\n3;x=y\r\nabc\r\n0\r\n\r\n".to_vec()].concat();
        let seen = read(&whole, false);
        assert_eq!((seen.status, seen.complete, seen.body), (404, true, 8));
        let two = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\n\n";
        assert!(
            read(two, false).complete,
            "codings in two fields, and lines that end as some servers end them"
        );
        let cut = [head, b"5\r\nhello\r\n".to_vec()].concat();
        assert!(!read(&cut, true).complete);
    }

    #[test]
    fn without_a_length_only_the_close_completes_it() {
        let bytes = b"HTTP/1.0 200 ok\r\nContent-type: text/html\r\n\r\n<html>";
        assert!(!read(bytes, false).complete);
        let seen = read(bytes, true);
        assert!(seen.complete && seen.close_delimited && seen.last);
    }

    #[test]
    fn interim_responses_are_passed_over() {
        let seen = read(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", false);
        assert_eq!((seen.status, seen.complete), (204, true));
    }

    #[test]
    fn what_is_no_http_says_so() {
        for bytes in [
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".as_slice(),
            b"220 ready\r\n",
            b"HTTP/x 1\r\n\r\n",
            b"HTTP/1.1 000 OK\r\nContent-Length: 0\r\n\r\n",
        ] {
            let seen = read(bytes, true);
            assert_eq!((seen.status, seen.complete), (0, false));
        }
    }
}

//! HTTP/1.0 and 1.1 heads (RFC 9112): what comes in, read strictly, and what goes out.

use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

/// The whole head of a request: as much as common servers take.
pub(super) const MAX_HEAD: usize = 16 * 1024;

/// The target in the request line: RFC 9112 section 3 wants 8000 bytes taken.
pub(super) const MAX_TARGET: usize = 8 * 1024;

/// Header fields of a request; browsers send some twenty.
const MAX_FIELDS: usize = 100;

/// What a response begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Ok,
    BadRequest,
    NotFound,
    MethodNotAllowed,
    TargetTooLong,
    HeadTooLarge,
    ServerError,
    VersionNotSupported,
}

impl Status {
    /// Code and reason.
    pub(super) fn line(self) -> &'static str {
        match self {
            Self::Ok => "200 OK",
            Self::BadRequest => "400 Bad Request",
            Self::NotFound => "404 Not Found",
            Self::MethodNotAllowed => "405 Method Not Allowed",
            Self::TargetTooLong => "414 URI Too Long",
            Self::HeadTooLarge => "431 Request Header Fields Too Large",
            Self::ServerError => "500 Internal Server Error",
            Self::VersionNotSupported => "505 HTTP Version Not Supported",
        }
    }
}

/// What of a request's head counts here.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) method: Method,
    /// Without the query, still percent-encoded.
    pub(super) path: String,
    /// Whether the connection may carry another request behind this one.
    pub(super) keep_alive: bool,
    /// HTTP/1.0 keeps a connection only when it is told so.
    pub(super) minor_version: u8,
    /// Whether the answer says how long it is.
    pub(super) wants_length: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Get,
    Head,
    Other,
}

/// Where the head at the front of `bytes` ends, its empty line included. `from` bytes were searched before.
pub(super) fn head_end(bytes: &[u8], from: usize) -> Option<usize> {
    // The line's end before the empty line may lie in what was searched.
    let start = from.saturating_sub(3);
    let rest = bytes.get(start..)?;
    for (at, _) in rest.iter().enumerate().filter(|(_, byte)| **byte == b'\n') {
        match rest.get(at + 1..) {
            Some([b'\n', ..]) => return Some(start + at + 2),
            Some([b'\r', b'\n', ..]) => return Some(start + at + 3),
            _ => {}
        }
    }
    None
}

/// What is wrong with a head that is longer than [`MAX_HEAD`].
pub(super) fn oversized(bytes: &[u8]) -> Status {
    let line = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    if line > MAX_TARGET { Status::TargetTooLong } else { Status::HeadTooLarge }
}

/// Reads a whole head.
pub(super) fn parse(head: &[u8]) -> Result<Request, Status> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut parsed = httparse::Request::new(&mut fields);
    match parsed.parse(head) {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) => return Err(Status::BadRequest),
        Err(httparse::Error::TooManyHeaders) => return Err(Status::HeadTooLarge),
        Err(httparse::Error::Version) => return Err(Status::VersionNotSupported),
        Err(_) => return Err(Status::BadRequest),
    }
    let (Some(method), Some(target), Some(minor_version)) = (parsed.method, parsed.path, parsed.version)
    else {
        return Err(Status::BadRequest);
    };
    if target.len() > MAX_TARGET {
        return Err(Status::TargetTooLong);
    }
    let method = match method {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        _ => Method::Other,
    };
    let path = match path_of(target) {
        Some(path) => path.to_owned(),
        // `*` and host:port go with other methods, which are refused whatever they name.
        None if method == Method::Other => String::new(),
        None => return Err(Status::BadRequest),
    };
    let connection = Connection::read(parsed.headers, minor_version)?;
    Ok(Request {
        method,
        path,
        keep_alive: connection.keep_alive && !connection.has_body,
        minor_version,
        wants_length: true,
    })
}

/// The head of a response, for a body of `length` bytes.
pub(super) fn response_head(
    status: Status,
    content_type: &str,
    length: u64,
    request: Option<&Request>,
) -> String {
    let mut head = String::with_capacity(256);
    let connection = match request {
        Some(Request { keep_alive: true, minor_version: 0, .. }) => "Connection: keep-alive\r\n",
        Some(Request { keep_alive: true, .. }) => "",
        _ => "Connection: close\r\n",
    };
    let length = match request {
        Some(Request { wants_length: false, .. }) => String::new(),
        _ => format!("Content-Length: {length}\r\n"),
    };
    let allow = if status == Status::MethodNotAllowed { "Allow: GET, HEAD\r\n" } else { "" };
    // Writing to a string does not fail.
    write!(
        head,
        "HTTP/1.1 {}\r\nDate: {}\r\nContent-Type: {content_type}\r\n{length}{allow}{connection}\r\n",
        status.line(),
        http_date(SystemTime::now()),
    )
    .ok();
    head
}

/// What the header fields say about the connection (RFC 9112 sections 3.2, 6.3 and 9.3).
struct Connection {
    keep_alive: bool,
    /// Nothing here takes one, so the connection ends behind such a request: its body is not to be read as the next request.
    has_body: bool,
}

impl Connection {
    fn read(fields: &[httparse::Header<'_>], minor_version: u8) -> Result<Self, Status> {
        let (mut close, mut keep, mut hosts, mut has_body) = (false, false, 0, false);
        let (mut length, mut coded) = (None, false);
        for field in fields {
            let value = std::str::from_utf8(field.value).map(str::trim);
            if field.name.eq_ignore_ascii_case("host") {
                hosts += 1;
            } else if field.name.eq_ignore_ascii_case("connection") {
                for token in value.unwrap_or_default().split(',').map(str::trim) {
                    close |= token.eq_ignore_ascii_case("close");
                    keep |= token.eq_ignore_ascii_case("keep-alive");
                }
            } else if field.name.eq_ignore_ascii_case("transfer-encoding") {
                coded = true;
            } else if field.name.eq_ignore_ascii_case("content-length") {
                let number = value.ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
                let number: u64 = number.and_then(|text| text.parse().ok()).ok_or(Status::BadRequest)?;
                // Several that differ are how requests are smuggled.
                if length.is_some_and(|other| other != number) {
                    return Err(Status::BadRequest);
                }
                length = Some(number);
            }
        }
        if (minor_version > 0 && hosts != 1) || hosts > 1 || (coded && length.is_some()) {
            return Err(Status::BadRequest);
        }
        has_body |= coded || length.is_some_and(|length| length > 0);
        let keep_alive = !close && (minor_version > 0 || keep);
        Ok(Self { keep_alive, has_body })
    }
}

/// The path of an origin-form or absolute-form target (RFC 9112 section 3.2).
fn path_of(target: &str) -> Option<&str> {
    let rest = if target.starts_with('/') {
        target
    } else {
        let (scheme, rest) = target.split_once("://")?;
        if !scheme.eq_ignore_ascii_case("https") && !scheme.eq_ignore_ascii_case("http") {
            return None;
        }
        rest.find(['/', '?']).map_or("/", |at| rest.split_at(at).1)
    };
    let path = rest.split('?').next().unwrap_or_default();
    // https://host?query
    Some(if path.is_empty() { "/" } else { path })
}

/// IMF-fixdate (RFC 9110 section 5.6.7).
fn http_date(time: SystemTime) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Years begin in March, so that the leap day is the last one; eras have 400 of them.
    let shifted = days + 719_468;
    let day_of_era = shifted % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = (march_month + 2) % 12;
    let year = shifted / 146_097 * 400 + year_of_era + u64::from(month < 2);
    let name = |names: &[&'static str], index: u64| {
        usize::try_from(index).ok().and_then(|index| names.get(index).copied()).unwrap_or_default()
    };
    format!(
        "{}, {day:02} {} {year} {:02}:{:02}:{:02} GMT",
        name(&DAYS, days % 7),
        name(&MONTHS, month),
        second / 3600,
        second / 60 % 60,
        second % 60,
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn request(text: &str) -> Result<(Method, String, bool), Status> {
        parse(text.as_bytes()).map(|request| (request.method, request.path, request.keep_alive))
    }

    #[test]
    fn connections_are_kept_as_each_version_says() {
        let kept = |text: &str| request(text).map(|(_, _, keep)| keep);
        assert_eq!(kept("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), Ok(true));
        assert_eq!(kept("GET / HTTP/1.1\r\nHost: a\r\nConnection: foo, Close\r\n\r\n"), Ok(false));
        assert_eq!(kept("GET / HTTP/1.0\r\n\r\n"), Ok(false));
        assert_eq!(kept("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"), Ok(true));
        assert_eq!(kept("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"), Ok(true));
        assert_eq!(kept("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n"), Ok(false));
        assert_eq!(kept("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"), Ok(false));
    }

    #[test]
    fn requests_that_two_servers_could_read_differently_are_refused() {
        for bad in [
            "GET / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "GET nowhere HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET ftp://a/b HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
            "\u{1}\u{2}\r\n\r\n",
        ] {
            assert_eq!(request(bad), Err(Status::BadRequest), "{bad}");
        }
        assert_eq!(request("GET / HTTP/2.0\r\n\r\n"), Err(Status::VersionNotSupported));
        let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "A: b\r\n".repeat(MAX_FIELDS));
        assert_eq!(request(&many), Err(Status::HeadTooLarge));
        let long = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(MAX_TARGET));
        assert_eq!(request(&long), Err(Status::TargetTooLong));
    }

    #[test]
    fn targets_come_in_several_forms() {
        let path = |target: &str| {
            request(&format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")).map(|(_, path, _)| path).unwrap()
        };
        assert_eq!(path("/a/b?c=/d"), "/a/b");
        assert_eq!(path("HTTPS://host:1/a"), "/a");
        assert_eq!(path("http://host"), "/");
        assert_eq!(path("http://host?a/b"), "/");
        let other = request("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n").map(|(method, ..)| method);
        assert_eq!(other, Ok(Method::Other));
    }

    #[test]
    fn a_head_is_found_however_it_arrives() {
        let bytes = b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET";
        for cut in 0..bytes.len() {
            let first = head_end(&bytes[..cut], 0);
            assert_eq!(first, (cut >= 27).then_some(27), "{cut}");
            if first.is_none() {
                assert_eq!(head_end(bytes, cut), Some(27), "{cut}");
            }
        }
        assert_eq!(head_end(b"a\n\nb", 0), Some(3));
    }

    #[test]
    fn dates_are_written_as_http_wants_them() {
        let date = |seconds| http_date(UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(date(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(date(951_827_696), "Tue, 29 Feb 2000 12:34:56 GMT");
        assert_eq!(date(4_107_542_399), "Sun, 28 Feb 2100 23:59:59 GMT");
    }
}

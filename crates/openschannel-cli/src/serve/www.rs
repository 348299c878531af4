//! Answers HTTP requests with files, one behind the other on a connection.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::files::{Found, Root};
use super::http::{MAX_HEAD, Method, Request, Status, head_end, oversized, parse, response_head};
use super::limits::{Limits, Term};
use super::session::{Stream, break_off};

/// One read of a file and one write to the connection. Large enough for the way to the disk and back not to count.
const FILE_BUFFER: usize = 256 * 1024;

const ERROR_TYPE: &str = "text/plain; charset=utf-8";

/// What is served, and how.
pub(super) struct Site {
    pub(super) root: Root,
    /// An answer to HTTP/1.0 ends where the connection does (RFC 9112 section 6.3), so that a client needs its end.
    pub(super) close_delimited: bool,
}

/// Until the client closes its side, one of the two wants no further request, or nothing comes any more.
pub(super) async fn serve(
    stream: &mut Stream,
    site: &Site,
    limits: &Limits,
    term: &Term<'_>,
) -> io::Result<()> {
    let mut received = Vec::new();
    loop {
        let head = tokio::select! {
            head = timeout(limits.idle, read_head(stream, &mut received)) => head,
            () = term.over() => return Ok(()),
        };
        let head = match head {
            Ok(head) => head?,
            Err(_) => return Ok(()),
        };
        let parsed = match head {
            Head::Complete(end) => {
                let parsed = parse(received.get(..end).unwrap_or_default());
                received.drain(..end.min(received.len()));
                parsed
            }
            Head::TooLarge(status) => Err(status),
            Head::End => return Ok(()),
        };
        let keeps = match parsed {
            Ok(mut request) => {
                request.keep_alive &= !term.is_over();
                request.wants_length =
                    request.keep_alive || request.minor_version > 0 || !site.close_delimited;
                answer(stream, &site.root, limits.stall, &request).await?;
                request.keep_alive
            }
            Err(status) => {
                refuse(stream, limits.stall, status, None).await?;
                false
            }
        };
        if !keeps {
            return Ok(());
        }
    }
}

enum Head {
    /// It ends there.
    Complete(usize),
    TooLarge(Status),
    /// The client has closed its side. What is left of a request then is none.
    End,
}

/// Reads on until a whole head lies at the front of `received`. What lies behind it belongs to the next one.
async fn read_head(stream: &mut Stream, received: &mut Vec<u8>) -> io::Result<Head> {
    let mut searched = 0;
    loop {
        if searched == 0 {
            // RFC 9112 section 2.2: empty lines before a request are ignored.
            let blank = received.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
            received.drain(..blank);
        }
        match head_end(received, searched) {
            Some(end) if end <= MAX_HEAD => return Ok(Head::Complete(end)),
            None if received.len() <= MAX_HEAD => {}
            _ => return Ok(Head::TooLarge(oversized(received))),
        }
        searched = received.len();
        let data = stream.fill_buf().await?;
        if data.is_empty() {
            return Ok(Head::End);
        }
        received.extend_from_slice(data);
        let n = data.len();
        stream.consume(n);
    }
}

async fn answer(stream: &mut Stream, root: &Root, stall: Duration, request: &Request) -> io::Result<()> {
    if request.method == Method::Other {
        return refuse(stream, stall, Status::MethodNotAllowed, Some(request)).await;
    }
    let found = match root.find_at_once(&request.path) {
        Some(found) => Ok(found),
        None => {
            let (root, path) = (root.clone(), request.path.clone());
            spawn_blocking(move || root.find(&path)).await.unwrap_or(Err(Status::ServerError))
        }
    };
    match found {
        Ok(found) => {
            let head = response_head(Status::Ok, found.content_type, found.length, Some(request));
            match request.method {
                Method::Head => send(stream, stall, head.as_bytes()).await,
                _ => send_file(stream, stall, head, found).await,
            }
        }
        Err(status) => refuse(stream, stall, status, Some(request)).await,
    }
}

/// Answers with an error, and with a text that says so.
async fn refuse(
    stream: &mut Stream,
    stall: Duration,
    status: Status,
    request: Option<&Request>,
) -> io::Result<()> {
    let body = format!("{}\n", status.line());
    let mut response = response_head(status, ERROR_TYPE, body.len() as u64, request);
    if request.is_none_or(|request| request.method != Method::Head) {
        response += &body;
    }
    send(stream, stall, response.as_bytes()).await
}

/// Head and file through one buffer, in which only the file's part is read from the disk.
async fn send_file(stream: &mut Stream, stall: Duration, head: String, mut found: Found) -> io::Result<()> {
    let mut buffer = head.into_bytes();
    let mut start = buffer.len();
    let mut left = usize::try_from(found.length).unwrap_or(usize::MAX);
    let room = left.saturating_add(start).min(FILE_BUFFER).max(start);
    buffer.resize(room, 0);
    loop {
        let end = start.saturating_add(left).min(room);
        let n = found.read_at_once(buffer.get_mut(start..end).unwrap_or_default());
        (start, left) = (start + n, left - n);
        if start < end {
            let read = move || {
                let n = found.read(buffer.get_mut(start..end).unwrap_or_default());
                (found, buffer, n)
            };
            let n;
            (found, buffer, n) = spawn_blocking(read).await.map_err(io::Error::other)?;
            if n == 0 {
                return Err(break_off(stream, "the file became shorter while it was sent"));
            }
            (start, left) = (start + n, left.saturating_sub(n));
        }
        send(stream, stall, buffer.get(..start).unwrap_or_default()).await?;
        if left == 0 {
            return Ok(());
        }
        start = 0;
    }
}

async fn send(stream: &mut Stream, stall: Duration, bytes: &[u8]) -> io::Result<()> {
    let sent = timeout(stall, async {
        stream.write_all(bytes).await?;
        stream.flush().await
    });
    sent.await.unwrap_or_else(|_| Err(break_off(stream, "the client does not take its answer")))
}

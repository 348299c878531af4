//! The HTTP server of `serve`: what it answers to any bytes that come over a connection, in any records, until the client closes, is cut
//! off or falls silent.
//!
//! The server is a part of a program. It is taken in by its path, with a stream in memory in the place of a socket's.
#![no_main]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a fuzz target fails by it")]

#[path = "../../crates/openschannel-cli/src/serve/files.rs"]
mod files;
#[path = "../../crates/openschannel-cli/src/serve/http.rs"]
mod http;
#[allow(dead_code, reason = "there are no options here")]
#[path = "../../crates/openschannel-cli/src/serve/limits.rs"]
mod limits;
#[path = "../../crates/openschannel-cli/src/serve/www.rs"]
mod www;

/// In the place of the program's.
mod connect {
    pub(super) fn parse_seconds(_: &str) -> Result<std::time::Duration, String> {
        Err("there are no options here".to_owned())
    }
}

/// In the place of the server's.
mod session {
    pub(super) type Stream = openschannel_stream::tokio::TlsStream<tokio::io::DuplexStream>;

    pub(super) fn break_off(_: &mut Stream, why: &'static str) -> std::io::Error {
        panic!("{why}")
    }
}

use std::fs;
use std::sync::LazyLock;
use std::time::Duration;

use files::Root;
use http::{MAX_HEAD, Method, Status, head_end, oversized, parse};
use limits::{Limits, Term};
use openschannel::ReadEnd;
use openschannel_fuzz::stream::connected;
use openschannel_stream::CloseBudget;
use openschannel_stream::graceful::GracefulShutdown;
use session::Stream;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::runtime::Runtime;
use www::Site;

/// What may wait in either direction: all requests of an input and all answers, so that the client may send first and read then.
const IN_FLIGHT: usize = 8 << 20;

/// The clock stands still while anything moves, so nobody ever waits for these.
const LIMITS: Limits = Limits {
    handshake: Duration::from_secs(20),
    idle: Duration::from_secs(30),
    stall: Duration::from_secs(60),
    connection: Duration::from_secs(3600),
    close: CloseBudget::new(64 << 20, Duration::from_secs(3)),
};

/// In a file beside the directory that is served.
const SECRET: &[u8] = b"nobody is to see this";

/// What is served, by the paths that lead to it.
const FILES: [(&str, &[u8]); 4] = [
    ("index.html", b"<p>index</p>"),
    ("a.txt", b"a text\n"),
    ("empty", b""),
    ("b c/index.html", b"<p>another</p>"),
];

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let [how, piece, requests @ ..] = data else { return };
    let end = [ClientEnd::Closes, ClientEnd::Cut, ClientEnd::Silent][usize::from(*how) % 3];
    let close_delimited = how & 0x80 != 0;
    let heard = RUNTIME.block_on(conversation(requests, usize::from(*piece).max(1), end, close_delimited));
    assert!(
        end == ClientEnd::Cut || heard.end == ReadEnd::Clean,
        "the server ends in order, not {:?}",
        heard.end
    );
    let expected = expected(requests, close_delimited);
    let answers = answers(&heard.bytes, &expected);
    // Who has cut himself off has heard nothing.
    assert!(end == ClientEnd::Cut || answers == expected.len(), "{answers} of {expected:?}");
});

/// How the client ends, having sent everything.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ClientEnd {
    Closes,
    Cut,
    Silent,
}

struct Heard {
    bytes: Vec<u8>,
    end: ReadEnd,
}

/// The clock goes on only when nothing else does, so limits of time are reached without waiting.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
});

/// The same directory whichever process makes it.
static ROOT: LazyLock<Root> = LazyLock::new(|| {
    let outside = std::env::temp_dir().join("openschannel-fuzz");
    let root = outside.join("www");
    fs::create_dir_all(root.join("b c")).unwrap();
    for (name, content) in FILES {
        fs::write(root.join(name), content).unwrap();
    }
    fs::create_dir_all(root.join("no-index")).unwrap();
    fs::write(outside.join("secret"), SECRET).unwrap();
    // It is there from the second run on.
    std::os::unix::fs::symlink(outside.join("secret"), root.join("link")).ok();
    Root::new(&root).unwrap()
});

async fn conversation(requests: &[u8], piece: usize, end: ClientEnd, close_delimited: bool) -> Heard {
    let (near, far) = tokio::io::duplex(IN_FLIGHT);
    let (client, server) = connected();
    let mut client = Stream::from_driver(near, client);
    let mut server = Stream::from_driver(far, server);
    let site = Site { root: ROOT.clone(), close_delimited };
    let shutdown = GracefulShutdown::new();
    let guard = shutdown.guard();
    let term = Term::begin(&LIMITS, &guard);
    let serving = async {
        let served = www::serve(&mut server, &site, &LIMITS, &term).await;
        let closed = guard.close(&mut server, LIMITS.close).await;
        drop(server);
        served.and(closed)
    };
    let asking = async {
        let mut bytes = Vec::new();
        let mut taken = [0; 4096];
        for piece in requests.chunks(piece) {
            // A server that has closed takes nothing more; what it said before is still to be read.
            if client.write_all(piece).await.is_err() || client.flush().await.is_err() {
                break;
            }
        }
        match end {
            ClientEnd::Closes => drop(client.close_write().await),
            ClientEnd::Cut => return Heard { bytes, end: ReadEnd::Open },
            ClientEnd::Silent => {}
        }
        while let Ok(n @ 1..) = client.read(&mut taken).await {
            bytes.extend_from_slice(&taken[..n]);
        }
        let end = client.report().read_end;
        drop(client);
        Heard { bytes, end }
    };
    let (served, heard) = tokio::join!(serving, asking);
    assert!(served.is_ok() || end != ClientEnd::Closes, "{served:?}");
    heard
}

/// What is to be answered.
#[derive(Debug)]
struct Answer {
    status: Status,
    body: Vec<u8>,
    head_only: bool,
    /// An answer that does not say how long it is ends with the connection.
    says_length: bool,
}

impl Answer {
    fn refusal(status: Status) -> Self {
        Self {
            status,
            body: format!("{}\n", status.line()).into_bytes(),
            head_only: false,
            says_length: true,
        }
    }
}

/// One answer for each request, until one is refused or wants to be the last.
fn expected(mut bytes: &[u8], close_delimited: bool) -> Vec<Answer> {
    let mut answers = Vec::new();
    loop {
        let blank = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        bytes = &bytes[blank..];
        let end = match head_end(bytes, 0) {
            Some(end) if end <= MAX_HEAD => end,
            None if bytes.len() <= MAX_HEAD => return answers,
            _ => {
                answers.push(Answer::refusal(oversized(bytes)));
                return answers;
            }
        };
        let request = match parse(&bytes[..end]) {
            Ok(request) => request,
            Err(status) => {
                answers.push(Answer::refusal(status));
                return answers;
            }
        };
        let mut answer = match request.method {
            Method::Other => Answer::refusal(Status::MethodNotAllowed),
            _ => found(&request.path),
        };
        answer.head_only = request.method == Method::Head;
        answer.says_length = request.keep_alive || request.minor_version > 0 || !close_delimited;
        answers.push(answer);
        if !request.keep_alive {
            return answers;
        }
        bytes = &bytes[end..];
    }
}

/// A file of the directory, or none.
fn found(path: &str) -> Answer {
    match ROOT.find(path) {
        Ok(mut found) => {
            // One byte more than it should have.
            let mut body = vec![0; usize::try_from(found.length).unwrap() + 1];
            let len = found.read(&mut body);
            body.truncate(len);
            assert_eq!(body.len() as u64, found.length);
            assert!(FILES.iter().any(|(_, content)| *content == body), "{path}: outside of the directory");
            Answer { body, ..Answer::refusal(Status::Ok) }
        }
        Err(status) => Answer::refusal(status),
    }
}

/// Compares what came with what was to be answered, and gives how many answers came whole.
fn answers(mut bytes: &[u8], expected: &[Answer]) -> usize {
    for (index, answer) in expected.iter().enumerate() {
        let Some(end) = head_end(bytes, 0) else {
            assert!(bytes.is_empty(), "a part of a head");
            return index;
        };
        let head = std::str::from_utf8(&bytes[..end]).unwrap();
        bytes = &bytes[end..];
        assert!(head.starts_with(&format!("HTTP/1.1 {}\r\n", answer.status.line())), "{head} for {answer:?}");
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
        assert_eq!(length.is_some(), answer.says_length, "{head} for {answer:?}");
        assert!(length.is_none_or(|length| length == answer.body.len().to_string()), "{head} for {answer:?}");
        let is_last = index + 1 == expected.len();
        assert!(is_last || !head.contains("Connection: close"), "{head}, and another behind it");
        if !answer.head_only {
            let (body, rest) = bytes.split_at_checked(answer.body.len()).expect("the body is cut");
            assert_eq!(body, answer.body, "the body");
            bytes = rest;
        }
    }
    assert!(bytes.is_empty(), "{} bytes behind the last answer", bytes.len());
    expected.len()
}

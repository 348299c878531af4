//! `openschannel serve` with thousands of connections: a signal closes them all, each as far as its client goes along.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "tests")]

mod common;

use std::collections::BTreeMap;
use std::io::{BufRead as _, Read as _, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::*;
use openschannel::alert::AlertDescription;
use openschannel::credentials::{NamedGroup, OutboundCredentials, Protocols, Trust};
use openschannel::{ContextOptions, ReadEnd};
use openschannel_stream::tokio::TlsStream;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

/// What the promise is made for, and what a machine with other things to do manages in a second or two.
const ALL: usize = 10_000;
const SOME: usize = 500;

/// Descriptors of the test and of the server beside those of connections.
const SPARE: usize = 250;

/// Clients that connect at the same time.
const AT_ONCE: usize = 64;

/// The promise: from the signal to the end of the program.
const PROMISE: Duration = Duration::from_secs(10);

/// Of a file whose transfer is under way when the server is stopped; more than the first reads of it take.
const LARGE: usize = 4_000_000;

/// More than all buffers hold: a client that does not read keeps the server from being done.
const ENDLESS: u64 = 200 << 20;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Waits with a connection that is kept, and answers the server's close_notify at once.
    Idle,
    /// Takes the close_notify and never answers it.
    Silent,
    /// Is in the middle of a file that it goes on reading.
    Reading,
    /// Is in the middle of a file that it does not go on reading.
    Stuck,
}

impl Kind {
    fn of(index: usize) -> Self {
        match index % 100 {
            0..5 => Self::Silent,
            5 => Self::Reading,
            6 if index < 400 => Self::Stuck,
            _ => Self::Idle,
        }
    }
}

#[test]
fn a_signal_closes_hundreds() {
    close(SOME);
}

#[test]
#[ignore = "long: ten thousand handshakes"]
fn a_signal_closes_ten_thousand() {
    close(ALL);
}

/// With so many connections, or as many as the file limit lets.
fn close(wanted: usize) {
    let limit = rlimit::increase_nofile_limit((ALL + SPARE) as u64).unwrap();
    let number = wanted.min(usize::try_from(limit).unwrap_or(usize::MAX).saturating_sub(SPARE));
    assert!(number >= SOME.min(wanted), "a file limit of {limit} is too low to test anything");
    let site = site();
    let root = site.path().to_str().unwrap();
    let mut server = Served::start(&["--www", root, "--idle-time", "3600"]);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (over, is_over) = watch::channel(false);

    let began = Instant::now();
    let clients = runtime.block_on(connect_all(&server, number, &is_over));
    let connecting = began.elapsed();
    let memory = resident(&server);

    let began = Instant::now();
    server.signal("TERM");
    let (code, stdout, stderr) = server.running.wait();
    let closing = began.elapsed();
    over.send(true).unwrap();
    println!(
        "{number} connections: made in {connecting:.1?}, {memory} KiB resident, closed in {closing:.1?}"
    );

    assert_eq!(code, Some(0), "{stderr}");
    assert!(closing < PROMISE, "{closing:?}");
    for (kind, client) in clients {
        let end = runtime.block_on(client).unwrap();
        let expected = match kind {
            Kind::Stuck => ReadEnd::Alert(AlertDescription::INTERNAL_ERROR),
            _ => ReadEnd::Clean,
        };
        // What was given up has its alert behind all that was sent, if the transport had room for it.
        let cut = kind == Kind::Stuck && matches!(end, ReadEnd::Truncated { .. } | ReadEnd::Reset);
        assert!(end == expected || cut, "{end:?}");
    }
    assert_counted(&stdout, number);
}

/// A line for each connection and the tally, which say the same.
fn assert_counted(stdout: &[u8], number: usize) {
    let count = |kind| (0..number).filter(|index| Kind::of(*index) == kind).count();
    let mut lines: Vec<Value> =
        stdout.lines().map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
    let tally = lines.pop().unwrap();
    assert_eq!(tally["event"], "tally");
    assert_eq!(tally["connections"], number, "{tally}");
    assert_eq!(tally["clean"], count(Kind::Idle) + count(Kind::Reading), "{tally}");
    assert_eq!(tally["open"], count(Kind::Silent), "{tally}");
    assert_eq!(tally["aborted"], count(Kind::Stuck), "{tally}");
    let mut ends = BTreeMap::<&str, usize>::new();
    for line in &lines {
        *ends.entry(line["read_end"].as_str().unwrap()).or_default() += 1;
    }
    assert_eq!(lines.len(), number);
    assert_eq!(ends["clean"], count(Kind::Idle) + count(Kind::Reading), "{ends:?}");
    assert_eq!(ends["open"], count(Kind::Silent), "{ends:?}");
    let received = |line: &Value| line["bytes_sent"].as_u64().unwrap();
    assert_eq!(lines.iter().map(received).sum::<u64>() > 0, tally["bytes_sent"].as_u64().unwrap() > 0);
}

fn site() -> tempfile::TempDir {
    let site = tempfile::tempdir().unwrap();
    std::fs::write(site.path().join("small"), "small").unwrap();
    std::fs::write(site.path().join("large"), noise(LARGE)).unwrap();
    std::fs::File::create(site.path().join("endless")).unwrap().set_len(ENDLESS).unwrap();
    site
}

type Client = TlsStream<TcpStream>;

/// Each has been answered, or has its answer under way, when this is done.
async fn connect_all(
    server: &Served,
    number: usize,
    is_over: &watch::Receiver<bool>,
) -> Vec<(Kind, JoinHandle<ReadEnd>)> {
    let trust = Trust::roots_from_pem(&std::fs::read(&server.ca).unwrap()).unwrap();
    let credentials = [Protocols::TLS1_2, Protocols::TLS1_3].map(|protocols| {
        let builder = OutboundCredentials::builder().protocols(protocols).trust(trust.clone());
        Arc::new(builder.groups(&[NamedGroup::X25519]).acquire().unwrap())
    });
    let address: SocketAddr = format!("127.0.0.1:{}", server.port).parse().unwrap();
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut connecting = Vec::new();
    for index in 0..number {
        let place = Arc::clone(&places).acquire_owned().await.unwrap();
        let (kind, credentials) = (Kind::of(index), Arc::clone(&credentials[index % 2]));
        connecting.push((
            kind,
            tokio::spawn(async move {
                let socket = TcpStream::connect(address).await.unwrap();
                let options = ContextOptions::default();
                let mut client =
                    TlsStream::connect(socket, &credentials, Some("localhost"), &options).await.unwrap();
                begin(&mut client, kind).await;
                drop(place);
                client
            }),
        ));
    }
    let mut clients = Vec::new();
    for (kind, client) in connecting {
        clients.push((kind, tokio::spawn(end(client.await.unwrap(), kind, is_over.clone()))));
    }
    clients
}

async fn begin(client: &mut Client, kind: Kind) {
    let (path, length) = match kind {
        Kind::Idle | Kind::Silent => ("small", 5),
        Kind::Reading => ("large", 1),
        Kind::Stuck => ("endless", 1),
    };
    let request = format!("GET /{path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    client.write_all(request.as_bytes()).await.unwrap();
    client.flush().await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.unwrap());
    }
    client.read_exact(&mut vec![0; length]).await.unwrap();
}

async fn end(mut client: Client, kind: Kind, mut is_over: watch::Receiver<bool>) -> ReadEnd {
    if kind == Kind::Stuck {
        is_over.wait_for(|over| *over).await.unwrap();
    }
    let mut rest = Vec::new();
    let read = client.read_to_end(&mut rest).await;
    match kind {
        Kind::Idle => client.close_write().await.unwrap(),
        Kind::Silent => drop(is_over.wait_for(|over| *over).await.unwrap()),
        Kind::Reading => {
            assert_eq!(read.unwrap(), LARGE - 1, "all of the answer that was begun");
            client.close_write().await.unwrap();
        }
        Kind::Stuck => assert!(read.is_err(), "it is never taken for whole"),
    }
    client.report().read_end
}

/// In KiB.
fn resident(server: &Served) -> String {
    let status = format!("/proc/{}/status", server.running.child.id());
    let status = std::fs::read_to_string(status).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("unknown");
    line.trim().trim_end_matches(" kB").to_owned()
}

/// `openschannel serve --echo` under a shell's file limits.
fn limited(limits: &str, ca: &Path) -> (Running, u16) {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("{limits} && exec \"$0\" \"$@\"")]);
    command.arg(env!("CARGO_BIN_EXE_openschannel"));
    command.args(["serve", "--listen", "127.0.0.1:0", "--echo", "--json", "--write-ca"]).arg(ca);
    let mut running = Running::start(&mut command);
    let mut line = String::new();
    running.stdout.read_line(&mut line).unwrap();
    let line: Value = serde_json::from_str(&line).unwrap();
    (running, line["port"].as_u64().unwrap().try_into().unwrap())
}

fn plain(port: u16) -> std::net::TcpStream {
    std::net::TcpStream::connect(("127.0.0.1", port)).unwrap()
}

/// Says something that is no TLS, and waits for the server to let go of it.
fn is_served(mut socket: std::net::TcpStream) {
    socket.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    assert_eq!(socket.read(&mut [0]).unwrap(), 0);
}

#[test]
fn a_low_soft_limit_is_raised() {
    let directory = tempfile::tempdir().unwrap();
    let (mut server, port) = limited("ulimit -S -n 32", &directory.path().join("ca.pem"));
    let waiting: Vec<_> = (0..100).map(|_| plain(port)).collect();
    is_served(plain(port));
    drop(waiting);
    server.child.kill().unwrap();
    let mut complaints = String::new();
    server.stderr.read_to_string(&mut complaints).unwrap();
    assert_eq!(complaints, "");
}

#[test]
fn at_the_hard_limit_it_says_so_and_goes_on_when_others_have_gone() {
    let directory = tempfile::tempdir().unwrap();
    let (mut server, port) = limited("ulimit -n 32", &directory.path().join("ca.pem"));
    let mut waiting: Vec<_> = (0..40).map(|_| plain(port)).collect();
    let mut line = String::new();
    server.stderr.read_line(&mut line).unwrap();
    assert!(line.contains("cannot take a connection") && line.contains("`ulimit -n`"), "{line}");
    let last = waiting.pop().unwrap();
    drop(waiting);
    is_served(last);
}

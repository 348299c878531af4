//! A conversation that is played over wires that cut, stumble and dribble, by streams of either kind, with futures that are dropped.
#![allow(dead_code, unreachable_pub, unused_macros, reason = "each test file uses its own part")]

#[path = "../../../openschannel/tests/common/mod.rs"]
pub mod common;
pub mod streams;
pub mod wire;

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use common::{NAME, inbound, outbound};
use openschannel::alert::Alert;
use openschannel::credentials::{InboundCredentials, NamedGroup, OutboundCredentials, Protocols};
use openschannel::{ClosingReport, ContextOptions, KeyUpdateRequest, ReadEnd, Role, TransportEnd};
use openschannel_stream::{CloseReport, Driver, Event, RecordSeen};
use streams::Stream;
use tokio::runtime::{Builder, Handle, Runtime};

/// Makes each test of two: `fn name() = body;`, where the body is generic over the stream.
macro_rules! under_each_kind {
    ($(#[test] fn $test:ident() = $body:ident;)*) => {
        mod over_read_and_write {
            $(#[test]
            fn $test() {
                super::$body::<super::conversation::streams::Blocking>();
            })*
        }

        #[cfg(feature = "tokio")]
        mod over_async_read_and_write {
            $(#[test]
            fn $test() {
                super::$body::<super::conversation::streams::Asynchronous>();
            })*
        }
    };
}

/// Credentials whose handshakes are quick.
pub fn quick_credentials(protocols: Protocols) -> (OutboundCredentials, InboundCredentials) {
    let groups = [NamedGroup::X25519];
    (
        outbound().protocols(protocols).groups(&groups).acquire().unwrap(),
        inbound().protocols(protocols).groups(&groups).acquire().unwrap(),
    )
}

/// What a side does after its handshake.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// So many bytes in one write, as far as it takes them.
    Write(usize),
    /// The same in one write of three parts.
    WriteParts(usize),
    /// So many bytes, in as many reads as it takes.
    Read(usize),
    /// TLS 1.3: new keys, and the peer is asked for its own.
    KeyUpdate,
    Flush,
    CloseWrite,
    /// To the end; and once more, for the same answer.
    ReadEnd,
    Close,
}

/// What the client does of a conversation that has everything: both directions, key updates, a half-close.
pub const CLIENT: &[Step] = &[
    Step::Write(5),
    Step::Write(60),
    Step::Flush,
    Step::Read(161),
    Step::KeyUpdate,
    Step::Write(90),
    Step::CloseWrite,
    Step::ReadEnd,
    Step::Close,
];

/// What the server does of it.
pub const SERVER: &[Step] = &[
    Step::Read(65),
    Step::KeyUpdate,
    Step::Write(1),
    Step::Write(120),
    Step::Write(40),
    Step::Flush,
    Step::ReadEnd,
    Step::Write(30),
    Step::Close,
];

/// As much time as nobody ever needs: no test waits for it.
pub const AGES: Duration = Duration::from_secs(3_600);

/// What came of a side's steps.
#[derive(Debug, Default)]
pub struct Played {
    pub handshake_error: Option<io::Error>,
    pub send_error: Option<io::Error>,
    pub read: Vec<u8>,
    /// What the last read answered, once it was the last.
    pub end: Option<io::Result<()>>,
    /// And the read behind it.
    pub end_again: Option<io::Result<()>>,
    pub close: Option<io::Result<CloseReport>>,
    pub report: Option<ClosingReport>,
}

/// When a future is dropped before it is done, and its call made again.
#[derive(Debug, Default)]
pub struct Impatience {
    /// After so many polls of its own.
    pub after: Option<usize>,
    /// At one poll of all.
    pub at: Option<usize>,
    /// Polls so far that were in vain.
    pub polls: Cell<usize>,
    /// How many failures of sending are answered by asking again.
    pub persistence: Cell<usize>,
}

impl Impatience {
    /// Gives up on a future by answering [`None`].
    pub async fn wait<T>(&self, mut future: Pin<&mut impl Future<Output = T>>) -> Option<T> {
        let mut own = 0;
        let mut give_up = false;
        poll_fn(|cx| {
            if give_up {
                return Poll::Ready(None);
            }
            if let Poll::Ready(output) = future.as_mut().poll(cx) {
                return Poll::Ready(Some(output));
            }
            own += 1;
            give_up = self.after == Some(own) || self.at == Some(self.polls.get());
            self.polls.set(self.polls.get() + 1);
            Poll::Pending
        })
        .await
    }

    /// Whether a call that failed is to be made again.
    fn persists(&self) -> bool {
        let left = self.persistence.get();
        self.persistence.set(left.saturating_sub(1));
        left > 0
    }
}

/// Makes a call until its future was allowed to finish.
macro_rules! insist {
    ($impatience:expr, $call:expr) => {
        loop {
            let attempt = pin!($call);
            if let Some(output) = $impatience.wait(attempt).await {
                break output;
            }
        }
    };
}

/// Does the handshake and then `steps`. When sending fails only reading goes on, to its end; when that has come, only closing does.
pub async fn play(stream: &mut impl Stream, steps: &[Step], impatience: &Impatience) -> Played {
    let mut played = Played::default();
    let mut position = 0;
    if let Err(error) = insist!(impatience, stream.handshake()) {
        played.handshake_error = Some(error);
    }
    let steps = if played.handshake_error.is_none() { steps } else { &[] };
    for step in steps {
        let sends = played.send_error.is_none();
        match *step {
            Step::Write(len) | Step::WriteParts(len) if sends => {
                let data = pattern(position, len);
                let mut done = 0;
                while done < len && played.send_error.is_none() {
                    let rest = &data[done..];
                    let written = match step {
                        Step::WriteParts(_) => {
                            let (front, back) = rest.split_at(rest.len() / 3);
                            let parts = [front, &[], back].map(IoSlice::new);
                            insist!(impatience, stream.write_vectored(&parts))
                        }
                        _ => insist!(impatience, stream.write(rest)),
                    };
                    match written {
                        Ok(n) => done += n,
                        Err(_) if impatience.persists() => {}
                        Err(error) => played.send_error = Some(error),
                    }
                }
                position += len;
            }
            Step::KeyUpdate if sends && stream.is_tls13() => {
                stream.driver().key_update(KeyUpdateRequest::Requested).unwrap();
            }
            Step::Flush if sends => {
                played.send_error = insist!(impatience, stream.flush()).err();
                if played.send_error.is_some() && impatience.persists() {
                    played.send_error = insist!(impatience, stream.flush()).err();
                }
            }
            Step::CloseWrite if sends => {
                played.send_error = insist!(impatience, stream.close_write()).err();
                if played.send_error.is_some() && impatience.persists() {
                    played.send_error = insist!(impatience, stream.close_write()).err();
                }
            }
            Step::Read(len) => {
                let wanted = played.read.len() + len;
                read_on(stream, wanted, impatience, &mut played).await;
            }
            Step::ReadEnd => {
                read_on(stream, usize::MAX, impatience, &mut played).await;
                let mut buffer = [0; 100];
                played.end_again = Some(insist!(impatience, stream.read(&mut buffer)).map(|_| ()));
            }
            Step::Close => played.close = Some(insist!(impatience, stream.close(AGES))),
            _ => {}
        }
    }
    played.report = Some(stream.report());
    played
}

/// Reads until `wanted` bytes are there in all, or the end is.
async fn read_on(stream: &mut impl Stream, wanted: usize, impatience: &Impatience, played: &mut Played) {
    while played.read.len() < wanted && played.end.is_none() {
        let mut buffer = [0; 1_000];
        let room = (wanted - played.read.len()).min(buffer.len());
        match insist!(impatience, stream.read(&mut buffer[..room])) {
            Ok(0) => played.end = Some(Ok(())),
            Ok(n) => played.read.extend_from_slice(&buffer[..n]),
            Err(error) => played.end = Some(Err(error)),
        }
    }
}

thread_local! {
    /// Closing wants a timer to be there. This one never goes off: nobody runs it.
    static TIMER: Runtime = Builder::new_current_thread().enable_time().build().unwrap();
}

/// Polls two futures by turns until both are done.
pub fn run_both<A, B>(a: impl Future<Output = A>, b: impl Future<Output = B>) -> (A, B) {
    if Handle::try_current().is_ok() {
        return by_turns(a, b);
    }
    TIMER.with(|timer| {
        let _entered = timer.enter();
        by_turns(a, b)
    })
}

fn by_turns<A, B>(a: impl Future<Output = A>, b: impl Future<Output = B>) -> (A, B) {
    let (mut a, mut b) = (pin!(a), pin!(b));
    let (mut first, mut second) = (None, None);
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..100_000 {
        if first.is_none()
            && let Poll::Ready(output) = a.as_mut().poll(&mut cx)
        {
            first = Some(output);
        }
        if second.is_none()
            && let Poll::Ready(output) = b.as_mut().poll(&mut cx)
        {
            second = Some(output);
        }
        (first, second) = match (first, second) {
            (Some(a), Some(b)) => return (a, b),
            unfinished => unfinished,
        };
    }
    panic!("the conversation stands still");
}

/// A call that put bytes on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    pub call: &'static str,
    /// Where its last byte is.
    pub end: usize,
    /// Plaintext in it.
    pub data: usize,
    pub is_close: bool,
    /// Type and length of its records.
    pub records: Vec<(u8, usize)>,
}

/// Everything a side has sent, by calls.
pub type Ledger = Arc<Mutex<Vec<Sent>>>;

/// A driver, and the ledger of what it sends.
pub fn driver(role: Role, credentials: &(OutboundCredentials, InboundCredentials)) -> (Driver, Ledger) {
    let options = ContextOptions::default();
    let mut driver = match role {
        Role::Client => Driver::client(&credentials.0, Some(NAME), &options).unwrap(),
        Role::Server => Driver::server(&credentials.1, &options),
    };
    let ledger = Ledger::default();
    let book = ledger.clone();
    let mut end = 0;
    driver.set_observer(Box::new(move |event: &Event<'_>| {
        if event.bytes_out > 0 {
            end += event.bytes_out;
            let records =
                event.records_out.iter().map(|&RecordSeen { content_type, len }| (content_type, len));
            book.lock().unwrap().push(Sent {
                call: event.call,
                end,
                data: event.data,
                is_close: event.alert_sent && event.alert == Some(Alert::CLOSE_NOTIFY),
                records: records.collect(),
            });
        }
    }));
    (driver, ledger)
}

/// Bytes that show where they belong.
pub fn pattern(from: usize, len: usize) -> Vec<u8> {
    (from..from + len).map(|i| (i * 7 + i / 251).to_le_bytes()[0]).collect()
}

/// What a side writes in all.
pub fn written_by(steps: &[Step]) -> usize {
    let len = |step: &Step| if let Step::Write(len) | Step::WriteParts(len) = step { *len } else { 0 };
    steps.iter().map(len).sum()
}

/// What a direction that ended at some byte leaves to its reader.
pub struct Left {
    /// Plaintext in whole records.
    pub data: usize,
    pub end: ReadEnd,
}

/// What is left of `sent` when it ends behind `at` bytes.
pub fn left(sent: &[Sent], at: usize, end: TransportEnd) -> Left {
    let arrived = || sent.iter().take_while(|sent| sent.end <= at);
    let mut boundaries = vec![0];
    for (_, len) in sent.iter().flat_map(|sent| &sent.records) {
        boundaries.push(boundaries[boundaries.len() - 1] + len);
    }
    let end = match end {
        _ if arrived().any(|sent| sent.is_close) => ReadEnd::Clean,
        TransportEnd::Reset => ReadEnd::Reset,
        TransportEnd::Eof => ReadEnd::Truncated { inside_record: !boundaries.contains(&at) },
    };
    Left { data: arrived().map(|sent| sent.data).sum(), end }
}

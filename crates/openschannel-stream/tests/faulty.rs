//! Transports that fail, at every single call: by a signal in between, by taking nothing, for a moment, or for good. What was received
//! before is delivered, what is sent is sent once, nobody waits for what will not come, and the verdict is right.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test that cannot go on fails")]

#[macro_use]
mod conversation;

use std::io::{self, ErrorKind};

use conversation::common::VERSIONS;
use conversation::streams::Stream;
use conversation::wire::{Call, Fault, Struck, Stumble, Wire, wires};
use conversation::{
    Impatience, Left, Played, Sent, Step, driver, left, pattern, play, quick_credentials, run_both,
    written_by,
};
use openschannel::credentials::{InboundCredentials, OutboundCredentials, Protocols};
use openschannel::{ReadEnd, Role, TransportEnd};
use openschannel_stream::{CloseFailed, ReadEnded};

const CLIENT: &[Step] = &[
    Step::Write(5),
    Step::WriteParts(60),
    Step::Flush,
    Step::Read(161),
    Step::KeyUpdate,
    Step::Write(90),
    Step::CloseWrite,
    Step::ReadEnd,
    Step::Close,
];

const SERVER: &[Step] = &[
    Step::Read(65),
    Step::KeyUpdate,
    Step::WriteParts(121),
    Step::Write(40),
    Step::Flush,
    Step::ReadEnd,
    Step::Write(30),
    Step::Close,
];

/// Bytes that a call moves where nothing else is said.
const CHUNK: usize = 60;

/// What a socket's error can be when it is the last one.
const LAST_WORDS: [ErrorKind; 4] = [
    ErrorKind::ConnectionReset,
    ErrorKind::ConnectionAborted,
    ErrorKind::BrokenPipe,
    ErrorKind::HostUnreachable,
];

type Credentials = (OutboundCredentials, InboundCredentials);

/// A side after its part.
struct Side {
    played: Played,
    sent: Vec<Sent>,
    struck: Option<Struck>,
    calls: usize,
}

impl Side {
    /// Type and length of the records behind the handshake, which is longer where no session was left to resume.
    fn records(&self) -> Vec<(u8, usize)> {
        let behind = |sent: &&Sent| sent.data > 0 || sent.is_close || sent.call.starts_with("KeyUpdate");
        self.sent.iter().filter(behind).flat_map(|sent| sent.records.clone()).collect()
    }

    fn is_established(&self) -> bool {
        self.played.report.unwrap().handshake_complete
    }

    /// What `played` has, for comparing two of them.
    fn outcome(&self) -> String {
        format!("{:?} {:?}", self.played, self.records())
    }
}

/// Plays the conversation; the one of `role` over a wire that `disturb` has seen, by a caller who asks again `persistence` times.
fn converse<S: Stream>(
    credentials: &Credentials,
    role: Role,
    persistence: usize,
    disturb: impl Fn(&mut Wire),
) -> [Side; 2] {
    let (mut client, mut server) = wires();
    // So that there are calls in the middle of everything.
    (client.chunk, server.chunk) = (CHUNK, CHUNK);
    disturb(if role == Role::Client { &mut client } else { &mut server });
    let persistence = |side| if side == role { persistence } else { 0 };
    let (client, server) = run_both(
        one_side::<S>(Role::Client, client, credentials, persistence(Role::Client)),
        one_side::<S>(Role::Server, server, credentials, persistence(Role::Server)),
    );
    [client, server]
}

async fn one_side<S: Stream>(role: Role, wire: Wire, credentials: &Credentials, persistence: usize) -> Side {
    let (driver, ledger) = driver(role, credentials);
    let mut stream = S::over(wire, driver);
    let steps = if role == Role::Client { CLIENT } else { SERVER };
    let impatience = Impatience::default();
    impatience.persistence.set(persistence);
    let played = play(&mut stream, steps, &impatience).await;
    let sent = ledger.lock().unwrap().clone();
    let wire = stream.wire();
    Side { played, sent, struck: wire.struck, calls: wire.calls() }
}

/// Credentials whose sessions are resumed, so that no signature makes a record longer or shorter, and what comes of it undisturbed.
fn undisturbed<S: Stream>(version: Protocols) -> (Credentials, [Side; 2]) {
    let credentials = quick_credentials(version);
    for _ in 0..2 {
        converse::<S>(&credentials, Role::Client, 0, |_| ());
    }
    let sides = converse::<S>(&credentials, Role::Client, 0, |_| ());
    for (side, written) in sides.iter().zip([SERVER, CLIENT].map(written_by)) {
        assert!(side.played.read == pattern(0, written), "{:?}", side.played);
        assert!(side.played.close.as_ref().is_some_and(Result::is_ok), "{:?}", side.played);
    }
    (credentials, sides)
}

const ROLES: [Role; 2] = [Role::Client, Role::Server];

/// A side, and the one on the other end.
fn of(role: Role, [client, server]: &[Side; 2]) -> (&Side, &Side) {
    if role == Role::Client { (client, server) } else { (server, client) }
}

/// Calls `test` with every call of either side.
fn at_every_call<S: Stream>(mut test: impl FnMut(&Credentials, &[Side; 2], Role, usize)) {
    for version in VERSIONS {
        let (credentials, expected) = undisturbed::<S>(version);
        for role in ROLES {
            let calls = of(role, &expected).0.calls;
            assert!(calls > 15, "{calls}");
            for at in 0..calls {
                test(&credentials, &expected, role, at);
            }
        }
    }
}

fn assert_same(sides: &[Side; 2], expected: &[Side; 2], what: impl Fn() -> String) {
    for (side, expected) in sides.iter().zip(expected) {
        assert!(
            side.outcome() == expected.outcome(),
            "{}:\n{}\n{}",
            what(),
            side.outcome(),
            expected.outcome()
        );
    }
}

/// EINTR at one call of all, whatever it is, and at each call once.
fn signals<S: Stream>() {
    at_every_call::<S>(|credentials, expected, role, at| {
        let interrupt = Fault::Error(ErrorKind::Interrupted);
        let sides = converse::<S>(credentials, role, 0, |wire| {
            (wire.fault, wire.holds_back) = (Some((at, interrupt)), true);
        });
        assert!(of(role, &sides).0.struck.is_some());
        assert_same(&sides, expected, || format!("{role:?} interrupted at {at}"));
    });
    for version in VERSIONS {
        let (credentials, expected) = undisturbed::<S>(version);
        for role in ROLES {
            for chunk in [1, 7, usize::MAX] {
                let sides = converse::<S>(&credentials, role, 0, |wire| {
                    wire.holds_back = true;
                    (wire.chunk, wire.stumble, wire.stumble_with) =
                        (chunk, Stumble::Always, ErrorKind::Interrupted);
                });
                assert_same(&sides, &expected, || format!("{role:?} interrupted always, {chunk}"));
            }
        }
    }
}

/// Every read and every write moves so many bytes at most, up to the longest there are.
fn short_steps<S: Stream>() {
    for version in VERSIONS {
        let (credentials, expected) = undisturbed::<S>(version);
        let longest =
            expected.iter().flat_map(|side| &side.sent).map(|sent| sent.records.iter().map(|r| r.1).sum());
        let longest: usize = longest.max().unwrap();
        // Beyond the longest record header and tag, where something can be cut in more ways, every fifth is enough.
        for chunk in (1..=longest).filter(|chunk| *chunk <= 100 || chunk % 5 == 0) {
            let role = ROLES[chunk % 2];
            let sides = converse::<S>(&credentials, role, 0, |wire| wire.chunk = chunk);
            assert_same(&sides, &expected, || format!("{role:?} moves {chunk}"));
        }
    }
}

/// One call fails and the transport works on. Who asks again when sending has failed has lost and doubled nothing; a failure of
/// reading is the end of it, and one in the handshake the end of that.
fn moments<S: Stream>() {
    let faults = [ErrorKind::WriteZero, ErrorKind::Other, ErrorKind::PermissionDenied].map(Fault::Error);
    let (mut same, mut handshakes, mut ends, mut closes) = (0, 0, 0, 0);
    at_every_call::<S>(|credentials, expected, role, at| {
        for fault in faults {
            let sides = converse::<S>(credentials, role, 2, |wire| {
                (wire.fault, wire.holds_back) = (Some((at, fault)), true);
            });
            let (side, peer) = of(role, &sides);
            let (own, others) = of(role, expected);
            let about = || {
                format!(
                    "{role:?}, {fault:?} at {at}: {:?}\n{:?}\n{:?}",
                    side.struck, side.played, peer.played
                )
            };
            let Fault::Error(kind) = fault else { unreachable!() };
            let struck = side.struck.unwrap();
            if struck.call == Call::Read {
                let Left { data, end } = left(&peer.sent, struck.delivered, TransportEnd::Reset);
                assert_eq!(side.played.report.unwrap().read_end, end, "{}", about());
                assert_eq!(side.played.read, pattern(0, data), "{}", about());
                ends += 1;
            } else if let Some(error) = &side.played.handshake_error {
                assert_eq!(cause(error), kind, "{}", about());
                handshakes += 1;
            } else if let Some(Err(error)) = &side.played.close {
                let failed = error.get_ref().unwrap().downcast_ref::<CloseFailed>().unwrap();
                assert_eq!(error.kind(), kind, "{}", about());
                // What the peer had to say was read all the same.
                assert_eq!(
                    side.played.read.len() as u64 + failed.report().discarded,
                    own.played.read.len() as u64
                );
                closes += 1;
            } else {
                assert_same(&sides, expected, about);
                same += 1;
            }
            assert!(others.played.read.starts_with(&peer.played.read), "{}", about());
        }
    });
    println!("{same} went on, {ends} ended reading, {handshakes} the handshake, {closes} the close");
    assert!(same > 50 && ends > 50 && handshakes > 10 && closes > 10);
}

/// Bytes that a write has taken are sent, and that the transport would not have them is told once, by whoever sends next.
fn late_news<S: Stream>() {
    for version in VERSIONS {
        for telling in [Step::Write(1), Step::Flush, Step::CloseWrite] {
            let credentials = quick_credentials(version);
            let (client, server) = wires();
            let ours = async {
                let mut stream = S::over(client, driver(Role::Client, &credentials).0);
                stream.handshake().await.unwrap();
                let next = stream.wire().calls();
                stream.wire().fault = Some((next, Fault::Error(ErrorKind::Other)));
                assert_eq!(stream.write(b"said").await.unwrap(), 4);
                assert!(stream.wire().struck.is_some_and(|struck| struck.call == Call::Write));
                let told = match telling {
                    Step::Flush => stream.flush().await,
                    Step::CloseWrite => stream.close_write().await,
                    _ => stream.write(b"not said").await.map(|_| ()),
                };
                assert_eq!(told.unwrap_err().kind(), ErrorKind::Other, "{version:?} {telling:?}");
                stream.close_write().await.unwrap();
            };
            let theirs = async {
                let mut stream = S::over(server, driver(Role::Server, &credentials).0);
                stream.handshake().await.unwrap();
                let mut buffer = [0; 100];
                assert_eq!(stream.read(&mut buffer).await.unwrap(), 4);
                assert_eq!(buffer[..4], *b"said");
                assert_eq!(stream.read(&mut buffer).await.unwrap(), 0);
            };
            run_both(ours, theirs);
        }
    }
}

/// The connection is gone at a call, and says so in its own way.
fn ends<S: Stream>() {
    let mut clean = 0;
    at_every_call::<S>(|credentials, _, role, at| {
        for kind in LAST_WORDS {
            let sides =
                converse::<S>(credentials, role, 1, |wire| wire.fault = Some((at, Fault::Gone(kind))));
            let (side, peer) = of(role, &sides);
            let about = || {
                format!("{role:?}, {kind:?} at {at}: {:?}\n{:?}\n{:?}", side.struck, side.played, peer.played)
            };
            let struck = side.struck.unwrap();
            // Only of a broken pipe reading does not know, and finds a FIN.
            let (reached, end) = match struck.call {
                Call::Read => (struck.delivered, TransportEnd::Reset),
                _ if kind == ErrorKind::BrokenPipe => (struck.arrived, TransportEnd::Eof),
                _ => (struck.arrived, TransportEnd::Reset),
            };
            let own = left(&peer.sent, reached, end);
            let others = left(&side.sent, struck.sent, TransportEnd::Reset);
            for (side, left) in [(side, own), (peer, others)] {
                let end = side.played.report.unwrap().read_end;
                assert_eq!(end, left.end, "{}", about());
                clean += usize::from(end == ReadEnd::Clean);
                if let Some(error) = &side.played.handshake_error {
                    assert!(left.data == 0 && left.end != ReadEnd::Clean, "{}", about());
                    let verdict = error.get_ref().and_then(|source| source.downcast_ref::<ReadEnded>());
                    assert!(verdict.is_none_or(|verdict| verdict.end() == left.end), "{}", about());
                } else {
                    assert!(side.is_established(), "{}", about());
                    assert_eq!(side.played.read, pattern(0, left.data), "{}", about());
                }
            }
        }
    });
    assert!(clean > 20, "{clean}");
}

/// What an error says went wrong with the transport, through what is wrapped around it.
fn cause(error: &io::Error) -> ErrorKind {
    let inner = error.get_ref().and_then(std::error::Error::source);
    inner.and_then(|source| source.downcast_ref::<io::Error>()).map_or_else(|| error.kind(), io::Error::kind)
}

under_each_kind! {
    #[test]
    fn a_signal_at_any_call_changes_nothing() = signals;

    #[test]
    fn no_size_of_a_step_changes_anything() = short_steps;

    #[test]
    fn after_a_failure_at_any_call_nothing_is_lost_or_doubled() = moments;

    #[test]
    fn what_failed_behind_a_write_is_told_by_the_next_call() = late_news;

    #[test]
    fn a_connection_gone_at_any_call_leaves_the_right_verdict() = ends;
}

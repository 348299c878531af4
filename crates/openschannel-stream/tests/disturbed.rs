//! Transports that do not block, move a byte at a time and stumble at any call, and futures that are dropped at any poll: the
//! conversation is the same, record for record.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

#[macro_use]
mod conversation;

use conversation::common::VERSIONS;
use conversation::streams::Stream;
use conversation::wire::{Stumble, Wire, wires};
use conversation::{
    CLIENT, Impatience, SERVER, driver, pattern, play, quick_credentials, run_both, written_by,
};
use openschannel::credentials::{InboundCredentials, OutboundCredentials, Protocols};
use openschannel::{ClosingReport, ReadEnd, Role};
use openschannel_stream::CloseReport;

type Credentials = (OutboundCredentials, InboundCredentials);

/// All that can be seen of a side of a conversation that went well.
#[derive(Debug, PartialEq)]
struct Side {
    /// Type and length of every record.
    records: Vec<(u8, usize)>,
    key_updates: usize,
    read: Vec<u8>,
    close: CloseReport,
    report: ClosingReport,
}

/// How often a side called its transport, and was polled in vain.
#[derive(Clone, Copy, Debug)]
struct Effort {
    calls: usize,
    polls: usize,
}

fn converse<S: Stream>(
    credentials: &Credentials,
    disturb: impl Fn(Role, &mut Wire),
    impatience: [Impatience; 2],
) -> ([Side; 2], [Effort; 2]) {
    let (mut client, mut server) = wires();
    disturb(Role::Client, &mut client);
    disturb(Role::Server, &mut server);
    let ((client, its), (server, others)) = run_both(
        one_side::<S>(Role::Client, client, credentials, &impatience[0]),
        one_side::<S>(Role::Server, server, credentials, &impatience[1]),
    );
    ([client, server], [its, others])
}

async fn one_side<S: Stream>(
    role: Role,
    wire: Wire,
    credentials: &Credentials,
    impatience: &Impatience,
) -> (Side, Effort) {
    let (driver, ledger) = driver(role, credentials);
    let mut stream = S::over(wire, driver);
    let steps = if role == Role::Client { CLIENT } else { SERVER };
    let played = play(&mut stream, steps, impatience).await;
    assert!(matches!((&played.handshake_error, &played.send_error), (None, None)), "{played:?}");
    assert!(matches!((&played.end, &played.end_again), (Some(Ok(())), Some(Ok(())))), "{played:?}");
    let sent = ledger.lock().unwrap().clone();
    assert_eq!(sent.last().map(|sent| sent.is_close), Some(true));
    let side = Side {
        records: sent.iter().flat_map(|sent| sent.records.clone()).collect(),
        key_updates: sent.iter().filter(|sent| sent.call.starts_with("KeyUpdate")).count(),
        read: played.read,
        close: played.close.unwrap().unwrap(),
        report: played.report.unwrap(),
    };
    (side, Effort { calls: stream.wire().calls(), polls: impatience.polls.get() })
}

/// What an undisturbed conversation comes to. Sessions are resumed from the second on, so that no signature makes its records longer
/// or shorter.
fn undisturbed<S: Stream>(version: Protocols) -> (Credentials, [Side; 2], [Effort; 2]) {
    let credentials = quick_credentials(version);
    for _ in 0..2 {
        converse::<S>(&credentials, |_, _| (), Default::default());
    }
    let (sides, efforts) = converse::<S>(&credentials, |_, _| (), Default::default());
    for (side, written) in sides.iter().zip([SERVER, CLIENT].map(written_by)) {
        assert!(side.read == pattern(0, written));
        assert_eq!((side.close.read_end, side.close.close_sent), (ReadEnd::Clean, true));
        let updates = if version == Protocols::TLS1_3 { 2 } else { 0 };
        assert_eq!(side.key_updates, updates, "one of its own, and an answer");
    }
    (credentials, sides, efforts)
}

fn stumble_at_every_call<S: Stream>() {
    for version in VERSIONS {
        let (credentials, expected, efforts) = undisturbed::<S>(version);
        for (disturbed, effort) in [Role::Client, Role::Server].into_iter().zip(efforts) {
            for at in 0..effort.calls {
                let disturb = |role, wire: &mut Wire| {
                    if role == disturbed {
                        wire.stumble = Stumble::At(at);
                    }
                };
                let (sides, _) = converse::<S>(&credentials, disturb, Default::default());
                assert!(sides == expected, "{version:?}, {disturbed:?} at {at}:\n{sides:?}\n{expected:?}");
            }
        }
    }
}

fn dribble_and_stumble<S: Stream>() {
    for version in VERSIONS {
        let (credentials, expected, _) = undisturbed::<S>(version);
        for chunk in [1, 2, 3, 5, 30, 1_000] {
            for stumble in [Stumble::Never, Stumble::Always] {
                let disturb = |_, wire: &mut Wire| (wire.chunk, wire.stumble) = (chunk, stumble);
                let (sides, _) = converse::<S>(&credentials, disturb, Default::default());
                assert!(sides == expected, "{version:?}, {chunk}, {stumble:?}:\n{sides:?}\n{expected:?}");
            }
        }
    }
}

fn drop_every_future<S: Stream>() {
    let disturb = |_, wire: &mut Wire| (wire.chunk, wire.stumble) = (60, Stumble::Always);
    for version in VERSIONS {
        let (credentials, expected, _) = undisturbed::<S>(version);
        // Each one, after so many polls.
        for after in 1..4 {
            let hasty = || Impatience { after: Some(after), ..Impatience::default() };
            let (sides, _) = converse::<S>(&credentials, disturb, [hasty(), hasty()]);
            assert!(sides == expected, "{version:?}, after {after}:\n{sides:?}\n{expected:?}");
        }
        // One of all, at any poll.
        let (_, efforts) = converse::<S>(&credentials, disturb, Default::default());
        for (disturbed, effort) in efforts.into_iter().enumerate() {
            assert!(effort.polls > 20, "{effort:?}");
            for at in 0..effort.polls {
                let mut impatience = [Impatience::default(), Impatience::default()];
                impatience[disturbed].at = Some(at);
                let (sides, _) = converse::<S>(&credentials, disturb, impatience);
                assert!(sides == expected, "{version:?}, {disturbed} at {at}:\n{sides:?}\n{expected:?}");
            }
        }
    }
}

under_each_kind! {
    #[test]
    fn a_stumble_at_any_call_changes_nothing() = stumble_at_every_call;

    #[test]
    fn the_size_of_a_step_changes_nothing() = dribble_and_stumble;

    #[test]
    fn a_future_dropped_at_any_poll_changes_nothing() = drop_every_future;
}

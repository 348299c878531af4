//! close(): what it sends, what it waits for, what it costs at most, and what it reports, for streams of both kinds.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod conversation;

use std::io::{self, ErrorKind, Read, Write};
use std::pin::pin;
use std::thread::sleep;
use std::time::Duration;

use conversation::common::VERSIONS;
use conversation::streams::{Blocking, Stream};
use conversation::wire::{Stumble, wires};
use conversation::{AGES, Impatience, driver, pattern, quick_credentials, run_both};
use openschannel::alert::{Alert, AlertDescription};
use openschannel::credentials::Protocols;
use openschannel::status::ErrorStatus;
use openschannel::{ReadEnd, Role, TransportEnd};
use openschannel_stream::{CloseBudget, CloseFailed, CloseLimit, Truncation};
use tokio::runtime::Builder;

/// A client and a server behind their handshake, with nothing under way.
fn established<S: Stream>(version: Protocols) -> (S, S) {
    let (mut client, mut server) = unfinished::<S>(version);
    let (one, other) = run_both(client.handshake(), server.handshake());
    one.unwrap();
    other.unwrap();
    // Tickets.
    assert!(once(client.read(&mut [0; 1])).is_none());
    (client, server)
}

fn unfinished<S: Stream>(version: Protocols) -> (S, S) {
    let credentials = quick_credentials(version);
    let (client, server) = wires();
    let over = |role, wire| S::over(wire, driver(role, &credentials).0);
    (over(Role::Client, client), over(Role::Server, server))
}

/// One poll.
fn once<T>(call: impl Future<Output = T>) -> Option<T> {
    run_both(Impatience { after: Some(1), ..Impatience::default() }.wait(pin!(call)), async {}).0
}

/// A call that has all it needs.
fn now<T>(call: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    once(call).expect("it waits for something")
}

fn failed(error: &io::Error) -> &CloseFailed {
    error.get_ref().and_then(|source| source.downcast_ref()).expect("what a failed close says")
}

fn what_the_peer_ends_with_is_reported<S: Stream>() {
    for version in VERSIONS {
        // An answer that nobody reads, and a close_notify.
        let (mut one, mut other) = established::<S>(version);
        now(one.write(b"question")).unwrap();
        now(other.write(&pattern(0, 70))).unwrap();
        assert!(once(other.close(AGES)).is_none());
        // Some of it was read before, and some lies decrypted.
        assert_eq!(now(one.read(&mut [0; 20])).unwrap(), 20);
        let report = now(one.close(AGES)).unwrap();
        assert_eq!((report.read_end, report.close_sent), (ReadEnd::Clean, true));
        assert_eq!((report.discarded, report.limit), (50, None));
        let report = now(other.close(AGES)).unwrap();
        assert_eq!((report.read_end, report.discarded), (ReadEnd::Clean, 8));
        // Both may be asked again, and send nothing more.
        assert_eq!(now(one.close(AGES)).unwrap().discarded, 50);

        for end in [TransportEnd::Eof, TransportEnd::Reset] {
            let (mut one, mut other) = established::<S>(version);
            now(other.write(b"answer")).unwrap();
            assert!(once(one.close(AGES)).is_none(), "the peer has not ended");
            one.wire().cut_now(end);
            let report = now(one.close(AGES)).unwrap();
            let expected = match end {
                TransportEnd::Eof => ReadEnd::Truncated { inside_record: false },
                TransportEnd::Reset => ReadEnd::Reset,
            };
            assert_eq!((report.read_end, report.close_sent), (expected, true));
            assert_eq!((report.discarded, report.limit), (6, None));
        }

        let (mut one, mut other) = established::<S>(version);
        let alert = Alert::fatal(AlertDescription::INTERNAL_ERROR);
        other.driver().send_alert(alert).unwrap();
        now(other.flush()).unwrap();
        assert!(once(one.close(AGES)).is_none(), "what is behind the alert must not meet a reset");
        drop(other);
        let report = now(one.close(AGES)).unwrap();
        assert_eq!(report.read_end, ReadEnd::Alert(AlertDescription::INTERNAL_ERROR));
    }
}

fn what_is_sent_too_late_tells_the_peers_reason<S: Stream>() {
    for version in VERSIONS {
        // Data and an alert are on their way when the peer goes.
        let (mut one, mut other) = established::<S>(version);
        now(other.write(b"first")).unwrap();
        other.driver().send_alert(Alert::fatal(AlertDescription::ACCESS_DENIED)).unwrap();
        now(other.flush()).unwrap();
        one.wire().stumble = Stumble::Always;
        assert!(once(one.write(&pattern(0, 40))).is_some_and(|written| written.is_ok()));
        one.wire().stumble = Stumble::Never;
        one.wire().cut_now(TransportEnd::Reset);
        let error = now(one.close(AGES)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        assert!(std::error::Error::source(failed(&error)).is_some());
        let report = failed(&error).report();
        assert_eq!(report.read_end, ReadEnd::Alert(AlertDescription::ACCESS_DENIED), "{version:?}");
        assert_eq!((report.close_sent, report.discarded, report.limit), (false, 5, None));

        // A peer that has closed and let go needs no close_notify.
        let (mut one, mut other) = established::<S>(version);
        now(other.close_write()).unwrap();
        one.wire().cut_now(TransportEnd::Reset);
        let report = now(one.close(AGES)).unwrap();
        assert_eq!((report.read_end, report.close_sent), (ReadEnd::Clean, false));

        // One that has not closed may wait for it.
        let (mut one, mut other) = established::<S>(version);
        now(other.write(b"and then")).unwrap();
        one.wire().cut_now(TransportEnd::Reset);
        let error = now(one.close(AGES)).unwrap_err();
        let report = failed(&error).report();
        assert_eq!((report.read_end, report.close_sent), (ReadEnd::Reset, false));

        // What was written matters, whatever the peer has done.
        let (mut one, mut other) = established::<S>(version);
        now(other.close_write()).unwrap();
        one.wire().stumble = Stumble::Always;
        assert!(once(one.write(&pattern(0, 40))).is_some_and(|written| written.is_ok()));
        one.wire().cut_now(TransportEnd::Reset);
        one.wire().stumble = Stumble::Never;
        let error = now(one.close(AGES)).unwrap_err();
        assert_eq!(failed(&error).report().read_end, ReadEnd::Clean);
    }
}

/// A FIN behind the close_notify: whoever waits for the transport's end, and not for the close_notify, is not left waiting.
fn the_transport_ends_too<S: Stream>() {
    for version in VERSIONS {
        for half in [true, false] {
            let (mut one, mut other) = established::<S>(version);
            match half {
                true => now(one.close_write()).unwrap(),
                false => assert!(once(one.close(AGES)).is_none(), "the peer has not ended"),
            }
            assert_eq!(now(other.read(&mut [0; 1])).unwrap(), 0);
            assert_eq!(Read::read(other.wire(), &mut [0; 1]).unwrap(), 0, "{version:?}");
            // Reading goes on.
            now(other.write(b"late")).unwrap();
            now(other.flush()).unwrap();
            drop(other);
            assert_eq!(now(one.close(AGES)).unwrap().discarded, 4);
        }
    }
}

/// What a close could not send is not sent by the next one either, and not said to be.
fn what_was_lost_stays_lost<S: Stream>() {
    for version in VERSIONS {
        let (mut one, mut other) = established::<S>(version);
        now(other.close_write()).unwrap();
        one.wire().stumble = Stumble::Always;
        assert!(once(one.write(&pattern(0, 40))).is_some_and(|written| written.is_ok()));
        one.wire().cut_now(TransportEnd::Reset);
        one.wire().stumble = Stumble::Never;
        for _ in 0..2 {
            let error = now(one.close(AGES)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionReset);
            let report = failed(&error).report();
            assert_eq!((report.read_end, report.close_sent), (ReadEnd::Clean, false), "{version:?}");
        }

        // Only the close_notify, whoever made it: no error, and no claim.
        let (mut one, mut other) = established::<S>(version);
        now(other.close_write()).unwrap();
        one.wire().capacity = 0;
        assert!(once(one.close_write()).is_none());
        one.wire().capacity = usize::MAX;
        one.wire().cut_now(TransportEnd::Reset);
        for _ in 0..2 {
            let report = now(one.close(AGES)).unwrap();
            assert_eq!((report.read_end, report.close_sent), (ReadEnd::Clean, false), "{version:?}");
        }
    }
}

fn data_and_a_close_count_before_a_reset<S: Stream>() {
    for version in VERSIONS {
        let (mut one, mut other) = established::<S>(version);
        now(other.write(&pattern(0, 70))).unwrap();
        now(other.close_write()).unwrap();
        one.wire().cut_now(TransportEnd::Reset);
        let mut data = [0; 100];
        assert_eq!(now(one.read(&mut data)).unwrap(), 70);
        assert_eq!(data[..70], pattern(0, 70));
        for _ in 0..2 {
            assert_eq!(now(one.read(&mut data)).unwrap(), 0);
        }

        // Without the close, and with a write between that hears of the reset first.
        let (mut one, mut other) = established::<S>(version);
        now(other.write(&pattern(0, 70))).unwrap();
        one.wire().cut_now(TransportEnd::Reset);
        assert_eq!(now(one.write(b"x")).unwrap(), 1);
        assert_eq!(now(one.flush()).unwrap_err().kind(), ErrorKind::ConnectionReset);
        one.set_truncation(Truncation::Accept);
        assert_eq!(now(one.read(&mut data)).unwrap(), 70);
        for _ in 0..2 {
            assert_eq!(now(one.read(&mut data)).unwrap_err().kind(), ErrorKind::ConnectionReset);
        }
    }
}

fn an_unfinished_handshake_is_closed_too<S: Stream>() {
    for version in VERSIONS {
        // The server has answered, and the client has lost interest.
        let (mut client, mut server) = unfinished::<S>(version);
        assert!(once(client.handshake()).is_none());
        assert!(once(server.handshake()).is_none());
        assert!(once(client.close(AGES)).is_none());
        assert!(now(server.handshake()).is_err());
        let report = now(server.close(AGES)).unwrap();
        assert!(!server.report().handshake_complete);
        assert_eq!(report.limit, None);
        drop(server);
        let report = now(client.close(AGES)).unwrap();
        assert_ne!(report.read_end, ReadEnd::Open, "{version:?}");
        assert_eq!(report.limit, None);

        // A client that was never heard of.
        let (client, mut server) = unfinished::<S>(version);
        assert!(once(server.close(AGES)).is_none());
        drop(client);
        let report = now(server.close(AGES)).unwrap();
        assert_eq!(report.read_end, ReadEnd::Truncated { inside_record: false });
        assert!(!report.close_sent);
    }
}

fn a_failure_is_told_and_read_on_behind<S: Stream>() {
    for version in VERSIONS {
        let (mut one, mut other) = established::<S>(version);
        other.wire().write_all(&[&[23, 3, 3, 0, 40][..], &[7; 40], &[9; 5_000]].concat()).unwrap();
        assert!(now(one.read(&mut [0; 9])).is_err());
        assert!(once(one.close(AGES)).is_none());
        let error = now(other.read(&mut [0; 9])).unwrap_err();
        let told: &openschannel::status::Error = error.get_ref().unwrap().downcast_ref().unwrap();
        assert_eq!(told.received_alert().unwrap().description, AlertDescription::BAD_RECORD_MAC);
        drop(other);
        let report = now(one.close(AGES)).unwrap();
        assert_eq!(report.read_end, ReadEnd::Failed(ErrorStatus::MessageAltered));
        assert_eq!((report.close_sent, report.limit), (false, None));
    }
}

/// What lies unread in a socket when it is closed makes a reset, even behind a close_notify.
fn nothing_is_left_behind_a_close_notify<S: Stream>() {
    for version in VERSIONS {
        let (mut one, mut other) = established::<S>(version);
        now(other.close_notify()).unwrap();
        other.wire().write_all(&[0; 9_999]).unwrap();
        let report = now(one.close(AGES)).unwrap();
        assert_eq!((report.read_end, report.limit), (ReadEnd::Clean, None));
        assert_eq!(one.wire().unread(), 0, "{version:?}");
    }
}

fn no_limit_is_passed<S: Stream>() {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap();
    let _timers_go_off = runtime.enter();
    for version in VERSIONS {
        // Time counts from the first call.
        let (mut one, mut other) = established::<S>(version);
        assert!(once(one.close(AGES)).is_none());
        let time = Duration::from_millis(20);
        sleep(time);
        let report = now(one.close(time)).unwrap();
        assert_eq!((report.read_end, report.limit), (ReadEnd::Open, Some(CloseLimit::Time)));
        assert!(report.close_sent);
        // Another call has time of its own, and goes on.
        assert!(once(one.close(AGES)).is_none());
        assert_eq!(now(other.read(&mut [0; 1])).unwrap(), 0);
        now(other.close(AGES)).unwrap();
        assert_eq!(now(one.close(AGES)).unwrap().read_end, ReadEnd::Clean);

        // No time at all is enough for what needs no waiting.
        let (mut one, mut other) = established::<S>(version);
        let report = now(one.close(Duration::ZERO)).unwrap();
        assert_eq!((report.close_sent, report.limit), (true, Some(CloseLimit::Time)));
        assert_eq!(now(other.read(&mut [0; 1])).unwrap(), 0);

        // A transport that takes nothing.
        let (mut one, _other) = established::<S>(version);
        one.wire().capacity = 0;
        let report = now(one.close(Duration::ZERO)).unwrap();
        assert_eq!((report.close_sent, report.limit), (false, Some(CloseLimit::Time)));
        one.wire().capacity = usize::MAX;
        let report = now(one.close(Duration::ZERO)).unwrap();
        assert!(report.close_sent, "nothing was lost by having waited in vain");

        // A peer that sends and sends.
        let (mut one, mut other) = established::<S>(version);
        now(other.write(&pattern(0, 50_000))).unwrap();
        one.wire().chunk = 4_000;
        let mut discarded = 0;
        for _ in 0..3 {
            let report = now(one.close(CloseBudget::new(10_000, AGES))).unwrap();
            assert_eq!((report.close_sent, report.limit), (true, Some(CloseLimit::Bytes)));
            assert!(report.discarded >= discarded && report.discarded < 50_000);
            discarded = report.discarded;
        }
        assert!(discarded > 0);
    }
}

fn an_unread_close_lets_the_peer_write<S: Stream>() {
    // Both have written more than the other side has room for, and neither has read: whoever only sent would wait for ever.
    for version in VERSIONS {
        let (mut one, mut other) = established::<S>(version);
        for stream in [&mut one, &mut other] {
            stream.wire().capacity = 1_000;
            assert_eq!(now(stream.write(&pattern(0, 40_000))).unwrap(), 40_000);
        }
        let (first, second) = run_both(one.close(AGES), other.close(AGES));
        for report in [first.unwrap(), second.unwrap()] {
            assert_eq!((report.read_end, report.close_sent), (ReadEnd::Clean, true));
            assert_eq!((report.discarded, report.limit), (40_000, None));
        }
    }
}

/// Somebody waits for the peer, changes his mind, and closes.
#[test]
fn a_lingering_that_was_given_up_is_no_close() {
    for version in VERSIONS {
        let (mut one, mut other) = established::<Blocking>(version);
        assert_eq!(one.linger(AGES).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert!(once(Stream::close(&mut one, AGES)).is_none());
        assert_eq!(now(Stream::read(&mut other, &mut [0; 1])).unwrap(), 0);
    }
}

macro_rules! kinds {
    ($($module:ident $stream:ty: $($test:ident)*),*) => {$(
        mod $module {
            use super::*;
            $(
                #[test]
                fn $test() {
                    super::$test::<$stream>();
                }
            )*
        }
    )*};
    ($($module:ident $stream:ty);*) => { kinds!($($module $stream:
        what_the_peer_ends_with_is_reported
        what_is_sent_too_late_tells_the_peers_reason
        the_transport_ends_too
        what_was_lost_stays_lost
        data_and_a_close_count_before_a_reset
        an_unfinished_handshake_is_closed_too
        a_failure_is_told_and_read_on_behind
        nothing_is_left_behind_a_close_notify
        no_limit_is_passed
        an_unread_close_lets_the_peer_write
    ),*); };
}

kinds!(over_read_and_write Blocking);

#[cfg(feature = "tokio")]
kinds!(over_async_read_and_write conversation::streams::Asynchronous);

//! A whole conversation whose transport ends at every single byte, under streams of both kinds: only a whole close_notify is a clean
//! end, what was received whole is delivered, and no policy changes what the report says (section 4.4 #8 to #11).
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod conversation;

use std::io::ErrorKind;

use conversation::common::{VERSIONS, other};
use conversation::streams::{Blocking, Stream};
use conversation::wire::wires;
use conversation::{
    CLIENT, Impatience, Ledger, Played, SERVER, Step, driver, left, pattern, play, quick_credentials,
    run_both,
};
use openschannel::credentials::{InboundCredentials, OutboundCredentials};
use openschannel::{ReadEnd, Role, TransportEnd};
use openschannel_stream::{CloseFailed, ReadEnded, Truncation};

/// Plays the conversation with `reader` cut off, and judges what it says. Answers whether the cut came behind everything, and how much
/// the peer has sent.
fn cut_once<S: Stream>(
    credentials: &(OutboundCredentials, InboundCredentials),
    steps: [&[Step]; 2],
    reader: Role,
    at: usize,
    end: TransportEnd,
) -> (bool, usize) {
    let (mut wire, peers_wire) = wires();
    wire.cut(at, end);
    let (own_driver, _) = driver(reader, credentials);
    let (peers_driver, sent) = driver(other(reader), credentials);
    let [own_steps, peers_steps] = if reader == Role::Client { steps } else { [steps[1], steps[0]] };
    let patient = Impatience::default();
    let own = async {
        let mut stream = S::over(wire, own_driver);
        let played = play(&mut stream, own_steps, &patient).await;
        let wrong = judge(&mut stream, &played, &sent, at, end).await;
        assert_eq!(wrong, "", "{reader:?}, {end:?} at {at}: {played:?}");
    };
    let peer = async {
        let mut stream = S::over(peers_wire, peers_driver);
        play(&mut stream, peers_steps, &patient).await;
    };
    run_both(own, peer);
    let sent = sent.lock().unwrap();
    let whole = sent.iter().any(|sent| sent.is_close && sent.end <= at);
    (whole, sent.last().map_or(0, |sent| sent.end))
}

/// What is wrong with how a side ended.
async fn judge(
    stream: &mut impl Stream,
    played: &Played,
    sent: &Ledger,
    at: usize,
    end: TransportEnd,
) -> &'static str {
    let left = left(&sent.lock().unwrap(), at, end);
    let was_reset = end == TransportEnd::Reset;
    let report = stream.report();
    if report.read_end != left.end {
        return "another verdict in the report";
    }
    if let Some(error) = &played.handshake_error {
        let Some(ended) = error.get_ref().and_then(|source| source.downcast_ref::<ReadEnded>()) else {
            return "the handshake's error has no verdict";
        };
        // A side whose last flight met the reset has finished its handshake, and its peer never will.
        let unfinished = ended.in_handshake() && !report.handshake_complete;
        let unsent = !ended.in_handshake() && report.handshake_complete && left.end == ReadEnd::Reset;
        return match (ended.end() == left.end, unfinished || unsent, left.data) {
            (true, true, 0) => "",
            _ => "another verdict in the handshake's error",
        };
    }
    if played.read != pattern(0, left.data) || report.bytes_received != left.data as u64 {
        return "what was received whole was not delivered";
    }
    for policy in [Truncation::Accept, Truncation::AcceptAtRecordBoundary, Truncation::Strict] {
        stream.set_truncation(policy);
        let read = stream.read(&mut [0; 9]).await;
        let accepted = match left.end {
            ReadEnd::Clean => true,
            ReadEnd::Truncated { inside_record: false } => policy != Truncation::Strict,
            ReadEnd::Truncated { inside_record: true } => policy == Truncation::Accept,
            _ => false,
        };
        if accepted != matches!(read, Ok(0)) {
            return "a policy that is not kept";
        }
    }
    let [Some(end), Some(again)] = [&played.end, &played.end_again] else { return "no end" };
    for end in [end, again] {
        let (Err(error), false) = (end, left.end == ReadEnd::Clean) else {
            match (end, left.end) {
                (Ok(()), ReadEnd::Clean) => continue,
                _ => return "a cut taken for an end, or the other way round",
            }
        };
        let expected = match left.end {
            ReadEnd::Reset => ErrorKind::ConnectionReset,
            _ => ErrorKind::UnexpectedEof,
        };
        let verdict = error.get_ref().and_then(|source| source.downcast_ref::<ReadEnded>());
        let Some(verdict) = verdict.filter(|_| error.kind() == expected) else { return "another error" };
        if (verdict.end(), verdict.delivered(), verdict.in_handshake()) != (left.end, left.data as u64, false)
        {
            return "another verdict in the error";
        }
        if (left.end == ReadEnd::Reset) != std::error::Error::source(verdict).is_some() {
            return "the transport's error is not what it was";
        }
    }
    let closed = match &played.close {
        Some(Ok(report)) if report.close_sent || left.end == ReadEnd::Clean => Some(*report),
        // Data of this side's met the reset.
        Some(Err(error)) if was_reset => error
            .get_ref()
            .and_then(|source| source.downcast_ref::<CloseFailed>())
            .map(CloseFailed::report)
            .filter(|report| !report.close_sent),
        _ => None,
    };
    match closed.map(|report| (report.read_end, report.limit, report.discarded)) {
        Some(closed) if closed == (left.end, None, 0) => "",
        _ => "another end in the close report",
    }
}

fn cut_everywhere<S: Stream>(reader: Role, end: TransportEnd) {
    for version in VERSIONS {
        let credentials = quick_credentials(version);
        let mut at = 0;
        while !cut_once::<S>(&credentials, [CLIENT, SERVER], reader, at, end).0 {
            at += 1;
            assert!(at < 100_000, "it never ends");
        }
        assert!(at > 300, "{at}: hardly a conversation");
    }
}

/// Records of the greatest size: around their boundaries, and here and there between.
fn cut_large_records<S: Stream>(reader: Role) {
    let upload: &[Step] = &[Step::Write(40_000), Step::CloseWrite, Step::ReadEnd, Step::Close];
    let download: &[Step] = &[Step::Write(40_000), Step::ReadEnd, Step::Close];
    for version in VERSIONS {
        let credentials = quick_credentials(version);
        let cut = |at, end| cut_once::<S>(&credentials, [upload, download], reader, at, end);
        // The last record, its plaintext and what TLS adds, and the close_notify behind it.
        let len = cut(usize::MAX, TransportEnd::Eof).1;
        let last_record = len - (40_000 - 2 * 16_384);
        let around = [last_record - 70..last_record - 35, len - 35..len + 1];
        for end in [TransportEnd::Eof, TransportEnd::Reset] {
            for at in (2_000..len).step_by(1_997).chain(around.iter().cloned().flatten()) {
                cut(at, end);
            }
        }
    }
}

macro_rules! kinds {
    ($($module:ident $stream:ty),*) => {$(
        mod $module {
            use super::*;

            #[test]
            fn an_eof_at_every_byte_a_client_reads() {
                cut_everywhere::<$stream>(Role::Client, TransportEnd::Eof);
            }

            #[test]
            fn an_eof_at_every_byte_a_server_reads() {
                cut_everywhere::<$stream>(Role::Server, TransportEnd::Eof);
            }

            #[test]
            fn a_reset_at_every_byte_a_client_reads() {
                cut_everywhere::<$stream>(Role::Client, TransportEnd::Reset);
            }

            #[test]
            fn a_reset_at_every_byte_a_server_reads() {
                cut_everywhere::<$stream>(Role::Server, TransportEnd::Reset);
            }

            #[test]
            fn large_records_are_cut() {
                for reader in [Role::Client, Role::Server] {
                    cut_large_records::<$stream>(reader);
                }
            }
        }
    )*};
}

kinds!(over_read_and_write Blocking);

#[cfg(feature = "tokio")]
mod asynchronous {
    use super::*;
    use conversation::streams::Asynchronous;

    kinds!(over_async_read_and_write Asynchronous);
}

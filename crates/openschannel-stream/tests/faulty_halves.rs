//! The halves of a stream over transports that fail at every single call: each half gets its own signals and failures, and the other
//! one does not suffer.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

#[macro_use]
mod conversation;

use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::task::Poll;

use conversation::common::VERSIONS;
use conversation::streams::{Blocking, Stream};
use conversation::wire::{Fault, Wire, wires};
use conversation::{driver, left, pattern, quick_credentials, run_both};
use openschannel::credentials::Protocols;
use openschannel::{KeyUpdateRequest, ReadEnd, Role, TransportEnd};
use openschannel_stream::{ReceiveDriver, SendDriver, blocking};

/// A stream that can be taken apart.
trait Halved: Stream {
    type Reader: Reader;
    type Writer: Writer;

    fn halves(self) -> (Self::Reader, Self::Writer);
}

trait Reader {
    async fn read(&mut self, buf: &mut [u8]) -> io::Result<usize>;
    fn wire(&mut self) -> &mut Wire;
    fn driver(&self) -> &ReceiveDriver;
}

trait Writer {
    async fn write(&mut self, buf: &[u8]) -> io::Result<usize>;
    async fn flush(&mut self) -> io::Result<()>;
    async fn close_write(&mut self) -> io::Result<()>;
    fn wire(&mut self) -> &mut Wire;
    fn driver(&mut self) -> &mut SendDriver;
}

/// Which half of the client meets a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Half {
    Reading,
    Writing,
}

/// What came of a side.
#[derive(Debug)]
struct Side {
    read: Vec<u8>,
    end: ReadEnd,
    sent: io::Result<()>,
    /// Calls of the half in question, and where its wire stood when it met the fault.
    calls: usize,
    struck: Option<conversation::wire::Struck>,
}

const WRITES: [usize; 5] = [5, 100, 1, 90, 300];

/// Both sides say everything and read everything; the client's `half` meets `fault`.
fn converse<S: Halved>(
    version: Protocols,
    half: Half,
    fault: Option<(usize, Fault)>,
) -> ([Side; 2], [conversation::Ledger; 2]) {
    let credentials = quick_credentials(version);
    let (client, server) = wires();
    let (ours, our_ledger) = driver(Role::Client, &credentials);
    let (theirs, their_ledger) = driver(Role::Server, &credentials);
    let (mut client, mut server) = (S::over(client, ours), S::over(server, theirs));
    let (one, other) = run_both(client.handshake(), server.handshake());
    one.and(other).unwrap();
    let (client, server) = run_both(
        one_side(client.halves(), half, fault, version),
        one_side(server.halves(), half, None, version),
    );
    ([client, server], [our_ledger, their_ledger])
}

async fn one_side<R: Reader, W: Writer>(
    (mut reader, mut writer): (R, W),
    half: Half,
    fault: Option<(usize, Fault)>,
    version: Protocols,
) -> Side {
    for wire in [reader.wire(), writer.wire()] {
        wire.chunk = 60;
    }
    let wire = if half == Half::Reading { reader.wire() } else { writer.wire() };
    let before = wire.calls();
    wire.fault = fault.map(|(at, fault)| (before + at, fault));
    let reading = async {
        let (mut read, mut buffer) = (Vec::new(), [0; 70]);
        loop {
            match reader.read(&mut buffer).await {
                Ok(0) | Err(_) => break,
                Ok(n) => read.extend_from_slice(&buffer[..n]),
            }
        }
        read
    };
    let writing = async {
        let sent = say(&mut writer, version).await;
        let wire = writer.wire();
        (sent, wire.calls(), wire.struck)
    };
    let (read, (sent, calls, struck)) = tokio::join!(reading, writing);
    let end = reader.driver().read_end();
    match half {
        Half::Reading => {
            let wire = reader.wire();
            Side { read, end, sent, calls: wire.calls() - before, struck: wire.struck }
        }
        Half::Writing => Side { read, end, sent, calls: calls - before, struck },
    }
}

/// Everything, and the end. Who is refused asks again, once in all.
async fn say(writer: &mut impl Writer, version: Protocols) -> io::Result<()> {
    let (mut position, mut patience) = (0, 1);
    let mut failed = |error: io::Error| {
        patience -= 1;
        if patience < 0 { Err(error) } else { Ok(()) }
    };
    for (number, len) in WRITES.into_iter().enumerate() {
        if number == 2 && version == Protocols::TLS1_3 {
            writer.driver().key_update(KeyUpdateRequest::Requested).unwrap();
        }
        let data = pattern(position, len);
        let mut done = 0;
        while done < len {
            match writer.write(&data[done..]).await {
                Ok(n) => done += n,
                Err(error) => failed(error)?,
            }
        }
        position += len;
        if let Err(error) = writer.flush().await {
            failed(error)?;
        }
    }
    loop {
        match writer.close_write().await {
            Ok(()) => return Ok(()),
            Err(error) => failed(error)?,
        }
    }
}

fn everything() -> Vec<u8> {
    pattern(0, WRITES.iter().sum())
}

/// Calls `test` with every call of either half.
fn at_every_call<S: Halved>(test: impl Fn(Protocols, Half, usize)) {
    for version in VERSIONS {
        for half in [Half::Reading, Half::Writing] {
            let (sides, _) = converse::<S>(version, half, None);
            assert_whole(&sides, || format!("{version:?}, undisturbed"));
            let calls = sides[0].calls;
            assert!(calls > 10, "{calls}");
            (0..calls).for_each(|at| test(version, half, at));
        }
    }
}

fn assert_whole(sides: &[Side; 2], about: impl Fn() -> String) {
    for side in sides {
        assert!(
            side.read == everything() && side.end == ReadEnd::Clean && side.sent.is_ok(),
            "{}: {side:?}",
            about()
        );
    }
}

fn signals<S: Halved>() {
    at_every_call::<S>(|version, half, at| {
        let (sides, _) = converse::<S>(version, half, Some((at, Fault::Error(ErrorKind::Interrupted))));
        assert!(sides[0].struck.is_some());
        assert_whole(&sides, || format!("{version:?}, {half:?} at {at}"));
    });
}

fn moments<S: Halved>() {
    for kind in [ErrorKind::Other, ErrorKind::WriteZero] {
        at_every_call::<S>(|version, half, at| {
            let (sides, [_, theirs]) = converse::<S>(version, half, Some((at, Fault::Error(kind))));
            let about = || format!("{version:?}, {half:?}, {kind:?} at {at}: {sides:?}");
            let [client, server] = &sides;
            // Whatever happened to the client's reading, its writing went on, and the other way round.
            assert!(server.read == everything() && server.end == ReadEnd::Clean, "{}", about());
            assert!(client.sent.is_ok() && server.sent.is_ok(), "{}", about());
            if half == Half::Reading {
                let struck = client.struck.unwrap();
                let left = left(&theirs.lock().unwrap(), struck.delivered, TransportEnd::Reset);
                assert!(client.read == pattern(0, left.data) && client.end == left.end, "{}", about());
            } else {
                assert!(client.read == everything() && client.end == ReadEnd::Clean, "{}", about());
            }
        });
    }
}

fn ends<S: Halved>() {
    for kind in [ErrorKind::ConnectionReset, ErrorKind::ConnectionAborted] {
        at_every_call::<S>(|version, half, at| {
            let (sides, [ours, theirs]) = converse::<S>(version, half, Some((at, Fault::Gone(kind))));
            let about = || format!("{version:?}, {half:?}, {kind:?} at {at}: {sides:?}");
            let [client, server] = &sides;
            let struck = client.struck.unwrap();
            let reached = if half == Half::Reading { struck.delivered } else { struck.arrived };
            let left_to_us = left(&theirs.lock().unwrap(), reached, TransportEnd::Reset);
            let left_to_them = left(&ours.lock().unwrap(), struck.sent, TransportEnd::Reset);
            for (side, left) in [(client, left_to_us), (server, left_to_them)] {
                assert!(side.read == pattern(0, left.data), "{}", about());
                assert_eq!(side.end, left.end, "{}", about());
            }
        });
    }
}

/// A call that would block is made again with every poll.
async fn again<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    poll_fn(|_| match call() {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Poll::Pending,
        result => Poll::Ready(result),
    })
    .await
}

impl Halved for Blocking {
    type Reader = blocking::ReadHalf<Wire>;
    type Writer = blocking::WriteHalf<Wire>;

    fn halves(self) -> (Self::Reader, Self::Writer) {
        self.into_split().unwrap()
    }
}

impl Reader for blocking::ReadHalf<Wire> {
    async fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        again(|| io::Read::read(self, buf)).await
    }

    fn wire(&mut self) -> &mut Wire {
        self.get_mut()
    }

    fn driver(&self) -> &ReceiveDriver {
        self.driver()
    }
}

impl Writer for blocking::WriteHalf<Wire> {
    async fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        again(|| io::Write::write(self, buf)).await
    }

    async fn flush(&mut self) -> io::Result<()> {
        again(|| io::Write::flush(self)).await
    }

    async fn close_write(&mut self) -> io::Result<()> {
        again(|| self.close_write()).await
    }

    fn wire(&mut self) -> &mut Wire {
        self.get_mut()
    }

    fn driver(&mut self) -> &mut SendDriver {
        self.driver_mut()
    }
}

under_each_kind! {
    #[test]
    fn a_signal_at_any_call_changes_nothing() = signals;

    #[test]
    fn after_a_failure_at_any_call_the_other_half_goes_on() = moments;

    #[test]
    fn a_connection_gone_at_any_call_leaves_the_right_verdict() = ends;
}

#[cfg(feature = "tokio")]
mod asynchronous {
    use super::*;
    use conversation::streams::Asynchronous;
    use openschannel_stream::tokio::{ReadHalf, WriteHalf};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    impl Halved for Asynchronous {
        type Reader = ReadHalf<Wire>;
        type Writer = WriteHalf<Wire>;

        fn halves(self) -> (Self::Reader, Self::Writer) {
            self.into_split().unwrap()
        }
    }

    impl Reader for ReadHalf<Wire> {
        async fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            AsyncReadExt::read(self, buf).await
        }

        fn wire(&mut self) -> &mut Wire {
            self.get_mut()
        }

        fn driver(&self) -> &ReceiveDriver {
            self.driver()
        }
    }

    impl Writer for WriteHalf<Wire> {
        async fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
            AsyncWriteExt::write(self, buf).await
        }

        async fn flush(&mut self) -> io::Result<()> {
            AsyncWriteExt::flush(self).await
        }

        async fn close_write(&mut self) -> io::Result<()> {
            self.close_write().await
        }

        fn wire(&mut self) -> &mut Wire {
            self.get_mut()
        }

        fn driver(&mut self) -> &mut SendDriver {
            self.driver_mut()
        }
    }
}

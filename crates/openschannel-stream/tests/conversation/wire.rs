//! A socket in memory that never blocks, and that can be told to misbehave.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use openschannel::TransportEnd;
use openschannel_stream::blocking::Transport;
use openschannel_stream::{SplitError, SplitTransport};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// One direction.
#[derive(Debug, Default)]
struct Direction {
    under_way: VecDeque<u8>,
    sent: usize,
    delivered: usize,
    finished: bool,
    cut: Option<(usize, TransportEnd)>,
}

/// One end.
#[derive(Debug)]
pub struct Wire {
    inbox: Arc<Mutex<Direction>>,
    outbox: Arc<Mutex<Direction>>,
    /// Most bytes a call moves.
    pub chunk: usize,
    /// Most bytes that can be under way.
    pub capacity: usize,
    pub stumble: Stumble,
    /// Whether what is written goes out with the next flush only.
    pub holds_back: bool,
    held: Vec<u8>,
    /// What a stumble says.
    pub stumble_with: ErrorKind,
    /// The call that meets a fault.
    pub fault: Option<(usize, Fault)>,
    /// Where the wire stood then.
    pub struck: Option<Struck>,
    /// Calls so far.
    calls: usize,
    /// Whether the last call of a kind was one that stumbled.
    stumbled: [bool; 4],
    /// To either half.
    reset_told: Arc<AtomicBool>,
    /// Of a wire in halves; the direction's end is the other half's to say.
    is_reader: bool,
    timeouts: [Option<Duration>; 2],
}

/// What is wrong with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It fails, and the next one works. A write that fails with [`ErrorKind::WriteZero`] says instead that it took no bytes.
    Error(ErrorKind),
    /// It fails, and the connection is gone: for a read with what had not been read, otherwise with what had not been sent.
    Gone(ErrorKind),
}

/// Which call met the fault, and how far the two directions were.
#[derive(Clone, Copy, Debug)]
pub struct Struck {
    pub call: Call,
    pub delivered: usize,
    pub arrived: usize,
    pub sent: usize,
}

/// Which calls only say WouldBlock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stumble {
    #[default]
    Never,
    /// One.
    At(usize),
    /// Every one, the first time it is made.
    Always,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    Read,
    Write,
    Flush,
    Shutdown,
}

/// The two ends of a wire.
pub fn wires() -> (Wire, Wire) {
    let (up, down) = (Arc::<Mutex<Direction>>::default(), Arc::<Mutex<Direction>>::default());
    let wire = |inbox: &Arc<Mutex<Direction>>, outbox: &Arc<Mutex<Direction>>| Wire {
        inbox: inbox.clone(),
        outbox: outbox.clone(),
        chunk: usize::MAX,
        capacity: usize::MAX,
        stumble: Stumble::Never,
        holds_back: false,
        held: Vec::new(),
        stumble_with: ErrorKind::WouldBlock,
        fault: None,
        struck: None,
        calls: 0,
        stumbled: [false; 4],
        reset_told: Arc::default(),
        is_reader: false,
        timeouts: [None; 2],
    };
    (wire(&down, &up), wire(&up, &down))
}

impl Wire {
    /// What is read ends behind `at` bytes.
    pub fn cut(&mut self, at: usize, end: TransportEnd) {
        self.inbox.lock().unwrap().cut = Some((at, end));
    }

    /// What the peer has sent so far ends now.
    pub fn cut_now(&mut self, end: TransportEnd) {
        let mut inbox = self.inbox.lock().unwrap();
        inbox.cut = Some((inbox.sent, end));
    }

    pub fn calls(&self) -> usize {
        self.calls
    }

    /// Bytes that have arrived and were not read.
    pub fn unread(&self) -> usize {
        self.inbox.lock().unwrap().under_way.len()
    }

    fn call(&mut self, call: Call) -> io::Result<()> {
        let number = self.calls;
        self.calls += 1;
        let stumbled = &mut self.stumbled[call as usize];
        *stumbled = match self.stumble {
            Stumble::Never => false,
            Stumble::At(at) => at == number,
            Stumble::Always => !*stumbled,
        };
        if *stumbled {
            return Err(self.stumble_with.into());
        }
        match self.fault {
            Some((at, fault)) if at == number => Err(self.strike(call, fault)),
            _ => Ok(()),
        }
    }

    fn strike(&mut self, call: Call, fault: Fault) -> io::Error {
        let (mut inbox, mut outbox) = (self.inbox.lock().unwrap(), self.outbox.lock().unwrap());
        self.struck =
            Some(Struck { call, delivered: inbox.delivered, arrived: inbox.sent, sent: outbox.sent });
        match fault {
            Fault::Error(kind) => kind.into(),
            Fault::Gone(kind) => {
                let left = if call == Call::Read { inbox.delivered } else { inbox.sent };
                inbox.cut.get_or_insert((left, TransportEnd::Reset));
                let sent = outbox.sent;
                outbox.cut.get_or_insert((sent, TransportEnd::Reset));
                self.reset_told.store(true, Relaxed);
                kind.into()
            }
        }
    }

    /// As the kernel does it: a reset is told once, to whoever asks first.
    fn tell_reset(&mut self, afterwards: io::Result<usize>) -> io::Result<usize> {
        if self.reset_told.load(Relaxed) { afterwards } else { Err(ErrorKind::ConnectionReset.into()) }
    }
}

impl Read for Wire {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        assert!(!buf.is_empty(), "a read into nothing would look like the end");
        self.call(Call::Read)?;
        let mut inbox = self.inbox.lock().unwrap();
        let whole = inbox.cut.map_or(usize::MAX, |(at, _)| at - inbox.delivered);
        let n = buf.len().min(self.chunk).min(inbox.under_way.len()).min(whole);
        match (n, inbox.cut) {
            (0, Some((at, TransportEnd::Reset))) if at == inbox.delivered => {
                drop(inbox);
                let told = self.tell_reset(Ok(0));
                self.reset_told.store(true, Relaxed);
                told
            }
            (0, Some((at, TransportEnd::Eof))) if at == inbox.delivered => Ok(0),
            (0, _) if inbox.finished => Ok(0),
            (0, _) => Err(ErrorKind::WouldBlock.into()),
            (n, _) => {
                inbox.delivered += n;
                for (to, from) in buf.iter_mut().zip(inbox.under_way.drain(..n)) {
                    *to = from;
                }
                Ok(n)
            }
        }
    }
}

impl Write for Wire {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match self.call(Call::Write) {
            Err(error) if error.kind() == ErrorKind::WriteZero => return Ok(0),
            called => called?,
        }
        let inbox = self.inbox.lock().unwrap();
        if inbox.cut.is_some_and(|(at, end)| end == TransportEnd::Reset && inbox.sent >= at) {
            drop(inbox);
            let told = self.tell_reset(Err(ErrorKind::BrokenPipe.into()));
            self.reset_told.store(true, Relaxed);
            return told;
        }
        let mut outbox = self.outbox.lock().unwrap();
        assert!(!outbox.finished, "nothing is sent behind the end");
        let room = self.capacity.saturating_sub(outbox.under_way.len());
        let n = buf.len().min(self.chunk).min(room);
        if n == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        if self.holds_back {
            self.held.extend(&buf[..n]);
        } else {
            outbox.under_way.extend(&buf[..n]);
            outbox.sent += n;
        }
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.call(Call::Flush)?;
        let mut outbox = self.outbox.lock().unwrap();
        outbox.sent += self.held.len();
        outbox.under_way.extend(self.held.drain(..));
        Ok(())
    }
}

impl Transport for Wire {
    fn shutdown_write(&mut self) -> io::Result<()> {
        self.call(Call::Shutdown)?;
        self.outbox.lock().unwrap().finished = true;
        Ok(())
    }

    fn read_timeout(&self) -> io::Result<Option<Duration>> {
        Ok(self.timeouts[0])
    }

    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        assert_ne!(timeout, Some(Duration::ZERO));
        self.timeouts[0] = timeout;
        Ok(())
    }

    fn write_timeout(&self) -> io::Result<Option<Duration>> {
        Ok(self.timeouts[1])
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        assert_ne!(timeout, Some(Duration::ZERO));
        self.timeouts[1] = timeout;
        Ok(())
    }
}

/// Each half counts its own calls.
impl SplitTransport for Wire {
    type ReadHalf = Self;
    type WriteHalf = Self;

    fn split(self) -> Result<(Self, Self), SplitError<Self>> {
        let read = Self {
            inbox: self.inbox.clone(),
            outbox: self.outbox.clone(),
            held: Vec::new(),
            reset_told: self.reset_told.clone(),
            is_reader: true,
            ..self
        };
        Ok((read, self))
    }

    fn reunite(_read: Self, write: Self) -> Result<Self, (Self, Self)> {
        Ok(write)
    }
}

/// A closed socket says so to the other end.
impl Drop for Wire {
    fn drop(&mut self) {
        if let Ok(mut outbox) = self.outbox.lock()
            && !self.is_reader
        {
            outbox.finished = true;
        }
    }
}

fn poll<T>(result: io::Result<T>) -> Poll<io::Result<T>> {
    match result {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Poll::Pending,
        result => Poll::Ready(result),
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = self.read(buf.initialize_unfilled());
        poll(read.map(|n| buf.advance(n)))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        poll(self.write(buf))
    }

    fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        poll(self.flush())
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        poll(self.shutdown_write())
    }
}

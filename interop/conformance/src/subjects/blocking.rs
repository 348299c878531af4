//! Our blocking stream: whole where one thread is enough, as two halves where it also writes.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use openschannel::status::Error;
use openschannel::{KeyUpdateRequest, ReadEnd, Role};
use openschannel_interop::certificates::SERVER_NAME;
use openschannel_stream::blocking::{TlsStream, Transport};
use openschannel_stream::{ReadEnded, SplitError, SplitTransport, TlsAcceptor, TlsConnector};

use super::provider::{PIECE, inbound, outbound, said, text};
use crate::cell::State;
use crate::conductor::{AFTERWARDS, BLOCKED, PATIENCE, PING, PONG, SENDING};
use crate::subject::{InProcess, Part, Stop, Voice};
use crate::verdict::Verdict;

/// The subject.
pub const SUBJECT: InProcess = InProcess {
    name: "blocking",
    title: "OpenSchannel, blocking stream",
    play,
    version: super::our_version,
    ours: true,
};

/// Room for what one read gives.
pub(super) const ROOM: usize = 1 << 14;

fn play(part: &Part, voice: &Voice) -> Result<(), String> {
    let socket = Socket { socket: voice.connect(part)?, stop: voice.stop() };
    let mut stream = match part.role {
        Role::Client => TlsConnector::from(outbound(part)?).begin(SERVER_NAME, socket).map_err(text)?,
        Role::Server => TlsAcceptor::from(inbound(part)?).begin(socket),
    };
    let shaken = stream.handshake();
    if part.state == State::Handshake {
        let error = shaken.err().ok_or("the handshake was finished")?;
        voice.say(said(ended(&error)?, 0));
        return close(stream);
    }
    shaken.map_err(text)?;
    if part.state != State::Tickets {
        stream.write_all(PING).map_err(text)?;
        stream.read_exact(&mut [0; PONG.len()]).map_err(text)?;
    }
    match part.state {
        State::Closed => stream.close_notify().map_err(text)?,
        State::KeyUpdateAsked => {
            stream.driver_mut().key_update(KeyUpdateRequest::Requested).map_err(text)?;
            stream.flush().map_err(text)?;
        }
        _ => {}
    }
    voice.say("ready");
    let mut stream = match part.state {
        State::Sending => read_and_write(stream, voice, SENDING, false)?,
        State::Blocked => read_and_write(stream, voice, BLOCKED, true)?,
        _ => {
            voice.say(read_to_end(&mut stream, voice)?);
            stream
        }
    };
    // What the contract promises: as long as sending is possible it works, and the own end goes out.
    stream.write_all(AFTERWARDS).ok();
    close(stream)
}

/// Whether it can still be sent is the conductor's to see. Behind the order to stop the socket waits for nothing.
fn close(mut stream: TlsStream<Socket>) -> Result<(), String> {
    stream.close(PATIENCE).ok();
    Ok(())
}

/// Reads while another thread writes; gives that up behind the verdict if nobody is going to read all of it.
fn read_and_write(
    stream: TlsStream<Socket>,
    voice: &Voice,
    bytes: usize,
    give_up: bool,
) -> Result<TlsStream<Socket>, String> {
    let (mut reading, mut writing) = stream.into_split().map_err(text)?;
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for _ in 0..bytes / PIECE {
                if over.load(Ordering::Relaxed) || writing.write_all(&[7; PIECE]).is_err() {
                    break;
                }
            }
        });
        let verdict = read_to_end(&mut reading, voice);
        if let Ok(verdict) = &verdict {
            voice.say(verdict);
        }
        over.store(give_up, Ordering::Relaxed);
        writer.join().map_err(|_| "the writer has panicked".to_owned()).and(verdict)
    })?;
    TlsStream::reunite(reading, writing).map_err(|_| "the halves are strangers".to_owned())
}

fn read_to_end(stream: &mut impl Read, voice: &Voice) -> Result<Verdict, String> {
    let mut buffer = [0; ROOM];
    let mut received = 0;
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return Ok(said(ReadEnd::Clean, received)),
            Ok(n) => received += n as u64,
            Err(error) => return ended(&error).map(|end| said(end, received)),
        }
        voice.received(received);
    }
}

/// What an error of reading says, to a program that looks at it.
pub(super) fn ended(error: &io::Error) -> Result<ReadEnd, String> {
    if error.kind() == ErrorKind::WouldBlock {
        return Ok(ReadEnd::Open);
    }
    let source = error.get_ref();
    if let Some(ended) = source.and_then(|source| source.downcast_ref::<ReadEnded>()) {
        return Ok(ended.end());
    }
    let error = source.and_then(|source| source.downcast_ref::<Error>()).ok_or_else(|| text(error))?;
    Ok(match error.received_alert() {
        Some(alert) => ReadEnd::Alert(alert.description),
        None => ReadEnd::Failed(error.status()),
    })
}

/// A socket that blocks, until the order to stop comes.
#[derive(Debug)]
struct Socket {
    socket: TcpStream,
    stop: Arc<Stop>,
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.socket.read(buffer) {
            Ok(0) if self.stop.is_given() => Err(ErrorKind::WouldBlock.into()),
            read => read,
        }
    }
}

impl Write for Socket {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.socket.write(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush()
    }
}

impl Transport for Socket {
    fn shutdown_write(&mut self) -> io::Result<()> {
        self.socket.shutdown(Shutdown::Write)
    }

    fn read_timeout(&self) -> io::Result<Option<Duration>> {
        self.socket.read_timeout()
    }

    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.socket.set_read_timeout(timeout)
    }

    fn write_timeout(&self) -> io::Result<Option<Duration>> {
        self.socket.write_timeout()
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.socket.set_write_timeout(timeout)
    }
}

impl SplitTransport for Socket {
    type ReadHalf = Self;
    type WriteHalf = Self;

    fn split(self) -> Result<(Self, Self), SplitError<Self>> {
        match self.socket.try_clone() {
            Ok(socket) => {
                let twin = Self { socket, stop: Arc::clone(&self.stop) };
                Ok((self, twin))
            }
            Err(error) => Err(SplitError::new(self, error)),
        }
    }

    fn reunite(read: Self, _write: Self) -> Result<Self, (Self, Self)> {
        Ok(read)
    }

    fn is_gone(read: &Self) -> bool {
        TcpStream::is_gone(&read.socket)
    }
}

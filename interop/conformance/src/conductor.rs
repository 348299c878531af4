//! The conductor: the other end of a subject's connection, which brings about one end of it and hears the subject's verdict.
//!
//! ```text
//!   subject                                   conductor
//!     |------------- connects, TLS -------------->|
//!     |------------- ping ----------------------->|   the prelude; not in the handshake and not with tickets
//!     |<------------ pong ------------------------|
//!     |  says ready, does what its state is       |
//!     |<------------ last!, and the end ----------|   in one write
//!     |  says its verdict                         |
//!     |------------- what it still sends -------->|   of ours only: still, and its own end
//! ```
//!
//! Silence is the one end that cannot be waited for: the subject is asked to stop. To catch one that gives a verdict of its own accord it is
//! given a moment first, so that a slow machine can pass a wrong subject, and never fail a right one.

mod handshake;
mod sent;

use std::fmt;
use std::io::Write;
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use openschannel::{KeyUpdateRequest, SendHalf, TokenBuffer};
use openschannel_interop::{listen, port};
use socket2::SockRef;

use crate::cell::{ALERT, Cell, End, State};
use crate::files::Files;
use crate::subject::{Heard, Part, Playing, Subject};
use crate::verdict::Verdict;
use handshake::{Begun, OtherEnd, complete, first_flight};
use sent::Listener;
pub use sent::{Item, Sent, Transport};

/// What a subject writes first.
pub const PING: &[u8] = b"ping";

/// What it is answered.
pub const PONG: &[u8] = b"pong";

/// What the conductor says right before the end. Whoever has not read it has lost data.
pub const LAST: &[u8] = b"last!";

/// What our own subjects say behind their verdict.
pub const AFTERWARDS: &[u8] = b"still";

/// Bytes that a subject writes while it is sending.
pub const SENDING: usize = 4 << 20;

/// Bytes of them that are read before the end comes.
const READ_BEFORE: usize = 1 << 20;

/// Bytes that a subject would write to be blocked: more than the buffers of both kernels hold.
pub const BLOCKED: usize = 64 << 20;

/// The conductor's receive buffer: small, so that who writes to somebody who does not read soon stands still.
const RECEIVE_BUFFER: usize = 64 << 10;

/// So many bytes in it mean that the subject writes and nobody reads.
const FULL: usize = RECEIVE_BUFFER / 2;

/// How long a subject may take for anything. It bounds a hang, and is far above what a loaded machine needs.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// How long a subject has for a verdict that nobody asked for.
pub(crate) const MOMENT: Duration = Duration::from_millis(20);

/// How long one of other people's has for its verdict before it is asked for it. Some ends are not noticed by everybody.
const UNNOTICED: Duration = Duration::from_secs(3);

/// What came of a cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A verdict.
    Played(Played),
    /// The subject cannot play the part; why.
    Unsupported(String),
    /// The subject did not keep to the rules, or the machine does not have it.
    Broken(String),
}

/// A verdict and its circumstances.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Played {
    /// What the subject said.
    pub verdict: Verdict,
    /// Whether it said so before it was asked, where nothing had happened.
    pub early: bool,
    /// What one of ours has sent; [`None`] for others, and behind a reset.
    pub sent: Option<Sent>,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Played(Played { verdict, early, sent }) => {
                write!(f, "{verdict}")?;
                if *early {
                    write!(f, ", before it was asked")?;
                }
                sent.as_ref().map_or(Ok(()), |sent| write!(f, "; sent {sent}"))
            }
            Self::Unsupported(reason) => write!(f, "unsupported: {reason}"),
            Self::Broken(why) => write!(f, "broken: {why}"),
        }
    }
}

/// Plays one cell.
pub fn play(subject: &dyn Subject, cell: Cell, files: &Files, patience: Duration) -> Outcome {
    match Stage::open(subject, cell, files, patience).and_then(Stage::play) {
        Ok(played) => Outcome::Played(played),
        Err(Stopped::Unsupported(reason)) => Outcome::Unsupported(reason),
        Err(Stopped::Broken(why)) => Outcome::Broken(why),
    }
}

enum Stopped {
    Unsupported(String),
    Broken(String),
}

impl From<String> for Stopped {
    fn from(why: String) -> Self {
        Self::Broken(why)
    }
}

/// A subject at work and its connection.
struct Stage<'a> {
    cell: Cell,
    files: &'a Files,
    ours: bool,
    patience: Duration,
    /// For a verdict that nobody asked for.
    moment: Duration,
    heard: Receiver<Heard>,
    playing: Box<dyn Playing>,
    /// Gone with a reset.
    socket: Option<TcpStream>,
    /// A verdict that came when none was expected.
    early: Option<Verdict>,
}

impl<'a> Stage<'a> {
    /// Starts the subject and waits until it has connected.
    fn open(
        subject: &dyn Subject,
        cell: Cell,
        files: &'a Files,
        patience: Duration,
    ) -> Result<Self, Stopped> {
        let listener = listen();
        SockRef::from(&listener).set_recv_buffer_size(RECEIVE_BUFFER).unwrap();
        let port = port(&listener);
        let part = Part {
            role: cell.role,
            version: cell.version,
            state: cell.state,
            port,
            certificates: files.directory().to_owned(),
        };
        let (hears, heard) = channel();
        let playing = subject.start(&part, hears.clone())?;
        let acceptor =
            thread::spawn(move || accept(&listener, |socket| hears.send(Heard::Connected(socket)).ok()));
        let connected = match heard.recv_timeout(patience) {
            Ok(Heard::Connected(socket)) => Ok(socket),
            Ok(Heard::Line(line)) => Err(match line.strip_prefix("unsupported ") {
                Some(reason) => Stopped::Unsupported(reason.to_owned()),
                None => Stopped::Broken(format!("in place of connecting: {line}")),
            }),
            Ok(Heard::Gone(why)) => Err(Stopped::Broken(format!("it ended without connecting: {why}"))),
            Err(why) => Err(Stopped::Broken(format!("it did not connect: {why}"))),
        };
        if connected.is_err() {
            // Accepting knows no deadline. It is over already if the subject has connected and gone.
            drop(TcpStream::connect((Ipv4Addr::LOCALHOST, port)));
        }
        acceptor.join().unwrap();
        let socket = connected?;
        socket.set_nodelay(true).unwrap();
        socket.set_read_timeout(Some(patience)).unwrap();
        socket.set_write_timeout(Some(patience)).unwrap();
        let (ours, socket, moment) = (subject.is_ours(), Some(socket), subject.moment(cell.state));
        Ok(Self { cell, files, ours, patience, moment, heard, playing, socket, early: None })
    }

    fn play(mut self) -> Result<Played, Stopped> {
        if self.cell.state == State::Handshake {
            return self.play_handshake();
        }
        let Cell { end, state, version, role } = self.cell;
        let socket = self.socket().try_clone().unwrap();
        let done = complete(socket, role, version, state, self.files).map_err(|why| self.instead(why))?;
        let OtherEnd { context, socket, inbox, withheld } = done;
        let (mut send, receive) = context.split().map_err(|_| "the halves cannot be parted".to_owned())?;
        let mut listener = Listener::new(receive, socket, &inbox);
        if state != State::Tickets {
            listener.expect(PING).map_err(|why| self.instead(why))?;
            let pong = send.forge_record(DATA, PONG).map_err(|error| error.to_string())?;
            self.write(&pong)?;
        }
        self.expect_ready()?;
        match state {
            State::Sending => listener.read_data(READ_BEFORE)?,
            State::Blocked => {
                self.wait_until_full()?;
                // Its kernel still takes some of it.
                self.early = self.hear(self.moment)?.map(|line| verdict(&line)).transpose()?;
            }
            _ => {}
        }
        let burst = burst(self.cell, &mut send, &withheld)?;
        self.write(&burst)?;
        if end == End::Rst {
            drop(listener);
            self.reset();
            return self.judged(None);
        }
        self.end_transport();
        if state == State::Sending {
            // Or its write, and with it a subject of one thread, would stand still.
            let reading = thread::spawn(|| listener.read_all());
            let mut played = self.verdict();
            if !self.ours || played.is_err() {
                self.socket().shutdown(Shutdown::Both).ok();
            }
            let sent = reading.join().unwrap();
            if let Ok(played) = &mut played {
                played.sent = self.ours.then_some(sent);
            }
            return played;
        }
        self.judged(Some(listener))
    }

    fn play_handshake(mut self) -> Result<Played, Stopped> {
        let Cell { end, version, role, .. } = self.cell;
        let socket = self.socket().try_clone().unwrap();
        let begun = first_flight(socket, role, version, end, self.files).map_err(|why| self.instead(why))?;
        let Begun { socket, answer, alerts, context, inbox } = begun;
        match end {
            End::Clean | End::Alert => self.write(&alerts)?,
            // Of its last record, as a TLS 1.3 client's is behind a change_cipher_spec.
            End::FinInside => self.write(&answer[..answer.len() - CUT_OFF])?,
            End::Fin | End::Rst | End::Silence => {}
        }
        if end == End::Rst {
            drop(socket);
            self.reset();
            return self.judged(None);
        }
        self.end_transport();
        let listener = match context.split() {
            Ok((_, receive)) => Listener::new(receive, socket, &inbox),
            Err(_) => Listener::without_keys(socket, &inbox),
        };
        self.judged(Some(listener))
    }

    /// Waits for the verdict, and then for what one of ours sends.
    fn judged(mut self, listener: Option<Listener>) -> Result<Played, Stopped> {
        let mut played = self.verdict()?;
        if self.ours {
            played.sent = listener.map(Listener::read_all);
        }
        Ok(played)
    }

    fn verdict(&mut self) -> Result<Played, Stopped> {
        if self.cell.end == End::Silence {
            if self.early.is_none() {
                self.early = self.hear(self.moment)?.map(|line| verdict(&line)).transpose()?;
            }
            self.playing.stop();
        }
        if let Some(verdict) = self.early.take() {
            return Ok(Played { verdict, early: true, sent: None });
        }
        let mut line = self.hear(if self.ours { self.patience } else { UNNOTICED })?;
        if line.is_none() && !self.ours {
            self.playing.stop();
            line = self.hear(self.patience)?;
        }
        let line = line.ok_or_else(|| "it gives no verdict".to_owned())?;
        Ok(Played { verdict: verdict(&line)?, early: false, sent: None })
    }

    fn expect_ready(&mut self) -> Result<(), Stopped> {
        match self.hear(self.patience)?.as_deref() {
            Some("ready") => Ok(()),
            Some(line) => Err(Stopped::Broken(format!("in place of ready: {line}"))),
            None => Err(Stopped::Broken("it does not become ready".to_owned())),
        }
    }

    /// The next line; [`None`] if there is none in that time.
    fn hear(&mut self, within: Duration) -> Result<Option<String>, Stopped> {
        match self.heard.recv_timeout(within) {
            Ok(Heard::Line(line)) => match line.strip_prefix("unsupported ") {
                Some(reason) => Err(Stopped::Unsupported(reason.to_owned())),
                None => Ok(Some(line)),
            },
            Ok(Heard::Gone(why)) => Err(Stopped::Broken(format!("it ended without a verdict: {why}"))),
            Ok(Heard::Connected(_)) => Err(Stopped::Broken("it connected twice".to_owned())),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(Stopped::Broken("it is gone".to_owned())),
        }
    }

    /// When the connection did not come so far: what the subject has to say counts more than what the conductor saw.
    fn instead(&mut self, why: String) -> Stopped {
        self.socket().shutdown(Shutdown::Both).ok();
        match self.hear(self.patience) {
            Err(Stopped::Unsupported(reason)) => Stopped::Unsupported(reason),
            Err(Stopped::Broken(said)) => Stopped::Broken(format!("{why}; {said}")),
            Ok(said) => Stopped::Broken(format!("{why}; it says: {}", said.unwrap_or_default())),
        }
    }

    fn wait_until_full(&self) -> Result<(), Stopped> {
        let mut seen = vec![0; FULL];
        let began = Instant::now();
        // What goes wrong here goes wrong again when the end is brought about.
        while self.socket().peek(&mut seen).unwrap_or_default() < FULL {
            if began.elapsed() > self.patience {
                return Err(Stopped::Broken("it does not write".to_owned()));
            }
            thread::yield_now();
        }
        Ok(())
    }

    fn write(&self, bytes: &[u8]) -> Result<(), Stopped> {
        let written = self.socket().write_all(bytes);
        written.map_err(|error| Stopped::Broken(format!("the subject does not take the end: {error}")))
    }

    fn end_transport(&self) {
        if matches!(self.cell.end, End::Fin | End::FinInside) {
            // A subject that has gone already has no verdict either, and that is reported.
            self.socket().shutdown(Shutdown::Write).ok();
        }
    }

    /// Every other handle of the socket is dropped by now.
    fn reset(&mut self) {
        if let Some(socket) = self.socket.take() {
            SockRef::from(&socket).set_linger(Some(Duration::ZERO)).unwrap();
        }
    }

    fn socket(&self) -> &TcpStream {
        self.socket.as_ref().unwrap()
    }
}

/// The content type of data, and that of alerts.
const DATA: u8 = 23;
const ALERTS: u8 = 21;

/// Bytes of a handshake's last record that are not sent for [`End::FinInside`].
const CUT_OFF: usize = 10;

/// All that the conductor sends at the end, for one write.
fn burst(cell: Cell, send: &mut SendHalf, withheld: &[u8]) -> Result<Vec<u8>, String> {
    let mut burst = withheld.to_vec();
    let forged = |send: &mut SendHalf, content_type, content: &[u8]| {
        send.forge_record(content_type, content).map_err(|error| error.to_string())
    };
    if cell.state == State::KeyUpdateOwed {
        let mut output = TokenBuffer::allocate();
        send.key_update(KeyUpdateRequest::Requested, &mut output).map_err(|error| error.to_string())?;
        burst.extend_from_slice(output.as_bytes());
    }
    burst.extend(forged(send, DATA, LAST)?);
    match cell.end {
        End::Clean => burst.extend(forged(send, ALERTS, &[1, 0])?),
        End::Alert => burst.extend(forged(send, ALERTS, &[2, ALERT])?),
        End::FinInside => {
            let record = forged(send, DATA, &[0; 100])?;
            burst.extend_from_slice(&record[..record.len() / 2]);
        }
        End::Fin | End::Rst | End::Silence => {}
    }
    Ok(burst)
}

fn verdict(line: &str) -> Result<Verdict, Stopped> {
    Verdict::parse(line).ok_or_else(|| Stopped::Broken(format!("no verdict: {line}")))
}

fn accept(listener: &TcpListener, connected: impl FnOnce(TcpStream) -> Option<()>) {
    if let Ok((socket, _)) = listener.accept() {
        connected(socket);
    }
}

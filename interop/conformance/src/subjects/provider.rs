//! Our provider's Rust API on a blocking socket: what a program does that makes every call itself.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use openschannel::credentials::{Identity, InboundCredentials, OutboundCredentials, Trust};
use openschannel::status::{Error, ErrorStatus, SuccessStatus};
use openschannel::{
    ContextOptions, ControlToken, KeyUpdateRequest, ReadEnd, ReceiveHalf, Role, SecurityContext, SendHalf,
    TokenBuffer, TransportEnd,
};
use openschannel_interop::certificates::SERVER_NAME;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use crate::cell::State;
use crate::conductor::{AFTERWARDS, BLOCKED, PING, PONG, SENDING};
use crate::subject::{InProcess, Part, Stop, Voice};
use crate::verdict::{Verdict, Word};

/// The subject.
pub const SUBJECT: InProcess = InProcess {
    name: "provider",
    title: "OpenSchannel, provider",
    play: |part, voice| play(part, voice, Outgoing::say_goodbye),
    version: super::our_version,
    ours: true,
};

/// Bytes of one write.
pub(super) const PIECE: usize = 16 << 10;

/// Room for received bytes: a few records of the longest kind.
const ROOM: usize = 1 << 16;

/// Plays a part. `goodbye` is what it does behind its verdict.
///
/// # Errors
/// The connection did not come so far; why.
pub fn play(part: &Part, voice: &Voice, goodbye: fn(&mut Outgoing)) -> Result<(), String> {
    let socket = voice.connect(part)?;
    let mut incoming = Incoming { socket, stop: voice.stop(), buffer: Vec::new() };
    let (mut context, end) = shake_hands(part, &mut incoming)?;
    if part.state == State::Handshake {
        let end = end.ok_or("the handshake was finished")?;
        voice.say(said(end, 0));
        // What a program does whose handshake was ended: the documented shutdown, whatever it gives.
        let mut output = TokenBuffer::allocate();
        context.apply_control_token(ControlToken::Shutdown).map_err(text)?;
        if token_call(&mut context, &[], &mut output).is_ok() {
            incoming.socket.write_all(output.as_bytes()).ok();
        }
        incoming.socket.shutdown(Shutdown::Write).ok();
        return Ok(());
    }
    if let Some(end) = end {
        return Err(format!("the handshake ended: {end:?}"));
    }
    let (send, mut receive) = context.split().map_err(|_| "the halves cannot be parted")?;
    // Nobody is there for the token calls of compatible mode.
    receive.consume_post_handshake();
    let mut outgoing = Outgoing { socket: incoming.socket.try_clone().map_err(text)?, send };
    let mut before = 0;
    if part.state != State::Tickets {
        outgoing.data(PING)?;
        while receive.bytes_received() < PONG.len() as u64 {
            if let Some(end) = incoming.read(&mut receive) {
                return Err(format!("in place of the answer: {end:?}"));
            }
        }
        before = PONG.len() as u64;
    }
    match part.state {
        State::Closed => outgoing.close()?,
        State::KeyUpdateAsked => outgoing.key_update()?,
        _ => {}
    }
    voice.say("ready");
    let give_up = Arc::<AtomicBool>::default();
    let writer = match part.state {
        State::Sending => Writer::start(outgoing, SENDING, &give_up),
        State::Blocked => Writer::start(outgoing, BLOCKED, &give_up),
        _ => Writer::Idle(Box::new(outgoing)),
    };
    let end = loop {
        if let Some(end) = incoming.read(&mut receive) {
            break end;
        }
        voice.received(receive.bytes_received() - before);
    };
    voice.say(said(end, receive.bytes_received() - before));
    give_up.store(part.state == State::Blocked, Ordering::Relaxed);
    let mut outgoing = writer.finish()?;
    goodbye(&mut outgoing);
    outgoing.socket.shutdown(Shutdown::Write).ok();
    Ok(())
}

/// The verdict's line.
pub(super) fn said(end: ReadEnd, received: u64) -> Verdict {
    let (word, detail) = match end {
        ReadEnd::Open => (Word::Open, String::new()),
        ReadEnd::Clean => (Word::Closed, String::new()),
        ReadEnd::Truncated { inside_record: false } => (Word::Truncated, String::new()),
        ReadEnd::Truncated { inside_record: true } => (Word::TruncatedInside, String::new()),
        ReadEnd::Reset => (Word::Reset, String::new()),
        ReadEnd::Alert(alert) => (Word::Alert(alert.0), String::new()),
        ReadEnd::Failed(status) => (Word::Failed, status.name().to_owned()),
    };
    Verdict { word, received, detail }
}

/// A client's credentials for a part.
pub(super) fn outbound(part: &Part) -> Result<OutboundCredentials, String> {
    let authority = CertificateDer::from_pem_file(part.certificates.join("ca.pem")).map_err(text)?;
    let trust = Trust::Roots(vec![authority.to_vec()]);
    OutboundCredentials::builder().trust(trust).protocols(part.version.protocols()).acquire().map_err(text)
}

/// A server's.
pub(super) fn inbound(part: &Part) -> Result<InboundCredentials, String> {
    let read = |name: &str| std::fs::read(part.certificates.join(name)).map_err(text);
    let identity = Identity::from_pem(&read("chain.pem")?, &read("key.pem")?).map_err(text)?;
    InboundCredentials::builder()
        .identity(identity)
        .protocols(part.version.protocols())
        .acquire()
        .map_err(text)
}

pub(super) fn text(error: impl ToString) -> String {
    error.to_string()
}

/// The token loop. Gives how the handshake ended if it was not finished.
fn shake_hands(part: &Part, incoming: &mut Incoming) -> Result<(SecurityContext, Option<ReadEnd>), String> {
    let options = ContextOptions::default();
    let mut output = TokenBuffer::allocate();
    let mut context = match part.role {
        Role::Client => {
            let made =
                SecurityContext::initialize(&outbound(part)?, Some(SERVER_NAME), &options, &mut output);
            made.map_err(text)?.0
        }
        Role::Server => {
            let credentials = inbound(part)?;
            loop {
                match SecurityContext::accept(&credentials, &options, &incoming.buffer, &mut output) {
                    Ok((context, outcome)) => {
                        incoming.buffer.drain(..outcome.consumed);
                        break context;
                    }
                    Err(error) if error.status() == ErrorStatus::IncompleteMessage => {}
                    Err(error) => return Err(text(error)),
                }
                if let Err(end) = incoming.fill() {
                    return Err(format!("before the hello: {end:?}"));
                }
            }
        }
    };
    loop {
        incoming.socket.write_all(output.as_bytes()).map_err(text)?;
        let answer = match incoming.buffer.is_empty() {
            true => Err(Error::new(ErrorStatus::IncompleteMessage)),
            false => token_call(&mut context, &incoming.buffer, &mut output),
        };
        match answer {
            Ok(outcome) => {
                incoming.buffer.drain(..outcome.consumed);
                match outcome.status {
                    SuccessStatus::Ok => {
                        incoming.socket.write_all(output.as_bytes()).map_err(text)?;
                        return Ok((context, None));
                    }
                    SuccessStatus::ContinueNeeded => {}
                    _ => break,
                }
            }
            Err(error) if error.status() == ErrorStatus::IncompleteMessage => {
                output = TokenBuffer::allocate();
                match incoming.fill() {
                    Ok(()) => {}
                    Err(Some(end)) => {
                        context.transport_ended(end, incoming.buffer.len());
                        break;
                    }
                    Err(None) => break,
                }
            }
            Err(error) => {
                incoming.socket.write_all(error.alert_record()).ok();
                break;
            }
        }
    }
    let end = context.closing_report().read_end;
    Ok((context, Some(end)))
}

/// The token call of either role.
pub(crate) fn token_call(
    context: &mut SecurityContext,
    input: &[u8],
    output: &mut TokenBuffer<'_>,
) -> Result<openschannel::TokenOutcome, Error> {
    match context.role() {
        Role::Client => context.initialize_security_context(None, input, output),
        Role::Server => context.accept_security_context(input, output),
    }
}

/// The reading direction.
struct Incoming {
    socket: TcpStream,
    stop: Arc<Stop>,
    buffer: Vec<u8>,
}

impl Incoming {
    /// Takes one record, or reads more. Gives the end.
    fn read(&mut self, receive: &mut ReceiveHalf) -> Option<ReadEnd> {
        if !self.buffer.is_empty() {
            match receive.decrypt(&mut self.buffer) {
                Ok(message) if message.status == SuccessStatus::Ok => {
                    let taken = self.buffer.len() - message.extra.len();
                    self.buffer.drain(..taken);
                    return None;
                }
                Err(error) if error.status() == ErrorStatus::IncompleteMessage => {}
                _ => return Some(receive.read_end()),
            }
        }
        match self.fill() {
            Ok(()) => None,
            Err(Some(end)) => Some(receive.transport_ended(end, self.buffer.len())),
            Err(None) => Some(receive.read_end()),
        }
    }

    /// Reads more, or gives the transport's end; [`None`] is the order to stop.
    fn fill(&mut self) -> Result<(), Option<TransportEnd>> {
        let len = self.buffer.len();
        self.buffer.resize(len + ROOM, 0);
        let read = self.socket.read(&mut self.buffer[len..]);
        self.buffer.truncate(len + *read.as_ref().unwrap_or(&0));
        match read {
            Ok(0) if self.stop.is_given() => Err(None),
            // The kernel tells of a reset once. Told to the thread that writes, it looks like a FIN here; but a connection that was reset
            // has no peer any more.
            Ok(0) if self.socket.peer_addr().is_err() => Err(Some(TransportEnd::Reset)),
            Ok(0) => Err(Some(TransportEnd::Eof)),
            Ok(_) => Ok(()),
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(()),
            Err(_) => Err(Some(TransportEnd::Reset)),
        }
    }
}

/// The sending direction.
#[derive(Debug)]
pub struct Outgoing {
    socket: TcpStream,
    send: SendHalf,
}

impl Outgoing {
    /// Sends data; the answer to a KeyUpdate before it where one is owed.
    ///
    /// # Errors
    /// The provider's or the socket's.
    pub fn data(&mut self, data: &[u8]) -> Result<(), String> {
        let mut output = TokenBuffer::allocate();
        self.send.answer_key_update(&mut output).map_err(text)?;
        let sizes = self.send.attributes().stream_sizes();
        let mut record = vec![0; sizes.header + data.len() + sizes.trailer];
        record[sizes.header..sizes.header + data.len()].copy_from_slice(data);
        let len = self.send.encrypt_contiguous(&mut record, data.len()).map_err(text)?;
        self.write(output.as_bytes())?;
        self.write(&record[..len])
    }

    fn key_update(&mut self) -> Result<(), String> {
        let mut output = TokenBuffer::allocate();
        self.send.key_update(KeyUpdateRequest::Requested, &mut output).map_err(text)?;
        self.write(output.as_bytes())
    }

    /// Sends a close_notify.
    ///
    /// # Errors
    /// The provider's or the socket's.
    pub fn close(&mut self) -> Result<(), String> {
        let mut output = TokenBuffer::allocate();
        self.send.shut_down(&mut output).map_err(text)?;
        self.write(output.as_bytes())
    }

    /// Sends what the provider would refuse.
    ///
    /// # Errors
    /// The provider's or the socket's.
    pub fn forge(&mut self, content_type: u8, content: &[u8]) -> Result<(), String> {
        let record = self.send.forge_record(content_type, content).map_err(text)?;
        self.write(&record)
    }

    /// What the contract promises behind the end of reading: as long as sending is possible it works, and the own end goes out.
    pub fn say_goodbye(&mut self) {
        // After the own close, a fatal alert or a reset these are refused, and the conductor sees that nothing came.
        self.data(AFTERWARDS).ok();
        if !self.send.close_sent() {
            self.close().ok();
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.socket.write_all(bytes).map_err(text)
    }
}

enum Writer {
    Idle(Box<Outgoing>),
    Busy(JoinHandle<Outgoing>),
}

impl Writer {
    fn start(mut outgoing: Outgoing, bytes: usize, give_up: &Arc<AtomicBool>) -> Self {
        let give_up = Arc::clone(give_up);
        Self::Busy(thread::spawn(move || {
            for _ in 0..bytes / PIECE {
                // A write that fails is the end of writing; what it means for reading is for reading to say.
                if give_up.load(Ordering::Relaxed) || outgoing.data(&[7; PIECE]).is_err() {
                    break;
                }
            }
            outgoing
        }))
    }

    fn finish(self) -> Result<Outgoing, String> {
        match self {
            Self::Idle(outgoing) => Ok(*outgoing),
            Self::Busy(writer) => writer.join().map_err(|_| "the writer has panicked".to_owned()),
        }
    }
}

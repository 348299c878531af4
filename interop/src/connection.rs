//! A blocking connection: a context, a socket, and the calls in between as the provider documents them.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;

use openschannel::attributes::Attributes;
use openschannel::credentials::{InboundCredentials, OutboundCredentials};
use openschannel::status::{Error, ErrorStatus, SuccessStatus};
use openschannel::{
    ClosingReport, ContextOptions, ControlToken, Decrypted, KeyUpdateRequest, ReadEnd, ReceiveHalf, Role,
    SecurityContext, SendHalf, TokenBuffer, TokenOutcome, TransportEnd,
};

use crate::certificates::SERVER_NAME;
use crate::data::Digest;

/// Room for received bytes: a few records of the longest kind.
const INBOX: usize = 1 << 16;

/// An established connection.
#[derive(Debug)]
pub struct Connection {
    context: SecurityContext,
    stream: TcpStream,
    inbox: Inbox,
}

/// A handshake that was not finished.
#[derive(Debug)]
pub struct Failure {
    /// What the provider answered; [`None`] when the transport ended.
    pub error: Option<Error>,
    /// How it stood then.
    pub read_end: ReadEnd,
}

impl Failure {
    /// What the provider answered; fails the test if it was the transport that ended.
    #[track_caller]
    pub fn status(&self) -> ErrorStatus {
        self.error.as_ref().unwrap_or_else(|| panic!("the transport ended: {:?}", self.read_end)).status()
    }
}

/// What arrived.
#[derive(Debug, PartialEq, Eq)]
pub enum Incoming<'a> {
    /// Some data.
    Data(&'a [u8]),
    /// Nothing more will.
    End(ReadEnd),
}

/// All that arrived up to the end.
#[derive(Debug, PartialEq, Eq)]
pub struct Everything {
    /// How many bytes.
    pub bytes: usize,
    /// Their hash.
    pub sha256: String,
    /// How it ended.
    pub end: ReadEnd,
}

impl Connection {
    /// A client's handshake for [`SERVER_NAME`]. When the server asks for a certificate it gets the credential's.
    pub fn client(
        stream: TcpStream,
        credentials: &OutboundCredentials,
        options: &ContextOptions,
    ) -> Result<Self, Failure> {
        Self::client_that_is_asked(stream, credentials, options, |_| None)
    }

    /// A client's handshake; `asked` is called on SEC_I_INCOMPLETE_CREDENTIALS and may give other credentials to go on with.
    pub fn client_that_is_asked(
        stream: TcpStream,
        credentials: &OutboundCredentials,
        options: &ContextOptions,
        mut asked: impl FnMut(&SecurityContext) -> Option<OutboundCredentials>,
    ) -> Result<Self, Failure> {
        let mut output = TokenBuffer::allocate();
        let (mut context, outcome) =
            SecurityContext::initialize(credentials, Some(SERVER_NAME), options, &mut output).unwrap();
        assert_eq!(outcome.status, SuccessStatus::ContinueNeeded);
        write(&stream, output.as_bytes()).unwrap();
        let mut given = None;
        let mut inbox = Inbox::default();
        inbox.fill(&stream).ok();
        shake_hands(&mut inbox, &stream, &mut context, |context, input, output| {
            let outcome = context.initialize_security_context(given.as_ref(), input, output);
            if outcome.as_ref().is_ok_and(|outcome| outcome.status == SuccessStatus::IncompleteCredentials) {
                given = asked(context);
            }
            outcome
        })?;
        Ok(Self { context, stream, inbox })
    }

    /// A server's handshake.
    pub fn server(
        stream: TcpStream,
        credentials: &InboundCredentials,
        options: &ContextOptions,
    ) -> Result<Self, Failure> {
        let mut inbox = Inbox::default();
        let mut output = TokenBuffer::allocate();
        let (mut context, outcome) = loop {
            match inbox.fill(&stream) {
                Ok(0) => {
                    return Err(Failure {
                        error: None,
                        read_end: ReadEnd::Truncated { inside_record: false },
                    });
                }
                Ok(_) => {}
                Err(_) => return Err(Failure { error: None, read_end: ReadEnd::Reset }),
            }
            match SecurityContext::accept(credentials, options, inbox.bytes(), &mut output) {
                Ok(made) => break made,
                Err(error) if error.status() == ErrorStatus::IncompleteMessage => {}
                Err(error) => {
                    refuse(&stream, &error);
                    return Err(Failure { read_end: ReadEnd::Failed(error.status()), error: Some(error) });
                }
            }
        };
        assert_eq!(outcome.status, SuccessStatus::ContinueNeeded);
        inbox.consume(outcome.consumed);
        write(&stream, output.as_bytes()).ok();
        shake_hands(&mut inbox, &stream, &mut context, SecurityContext::accept_security_context)?;
        Ok(Self { context, stream, inbox })
    }

    /// Sends data.
    pub fn send(&mut self, data: &[u8]) {
        seal(self.context.send_half().unwrap(), data, |record| write(&self.stream, record).unwrap());
    }

    /// The next piece of data, or the end.
    pub fn receive(&mut self) -> Incoming<'_> {
        self.inbox.next(&self.stream, &mut self.context)
    }

    /// So many bytes, no more; their hash.
    #[track_caller]
    pub fn receive_exactly(&mut self, len: usize) -> String {
        receive_exactly(&mut self.inbox, &self.stream, &mut self.context, len)
    }

    /// Everything up to the end.
    pub fn receive_all(&mut self) -> Everything {
        let (mut bytes, mut digest) = (0, Digest::default());
        loop {
            match self.receive() {
                Incoming::Data(data) => {
                    bytes += data.len();
                    digest.update(data);
                }
                Incoming::End(end) => return Everything { bytes, sha256: digest.finish(), end },
            }
        }
    }

    /// Sends and receives at the same time, each on a thread and half of its own. Gives the hash of what came. A KeyUpdate goes out
    /// with half of the data sent.
    #[must_use]
    pub fn exchange(self, data: &[u8], expected: usize, update: Option<KeyUpdateRequest>) -> (Self, String) {
        let Self { context, stream, mut inbox } = self;
        let (mut send, mut receive) = context.split().unwrap();
        let received = thread::scope(|scope| {
            let sender = scope.spawn(|| {
                let (first, second) = data.split_at(data.len() / 2);
                seal(&mut send, first, |record| write(&stream, record).unwrap());
                if let Some(request) = update {
                    let mut output = TokenBuffer::allocate();
                    send.key_update(request, &mut output).unwrap();
                    write(&stream, output.as_bytes()).unwrap();
                }
                seal(&mut send, second, |record| write(&stream, record).unwrap());
            });
            let received = receive_exactly(&mut inbox, &stream, &mut receive, expected);
            sender.join().unwrap();
            received
        });
        let context = SecurityContext::join(send, receive).unwrap();
        (Self { context, stream, inbox }, received)
    }

    /// The documented procedure (section 4.1): ApplyControlToken, the token call with empty input, its output to the peer. Gives the
    /// close_notify record.
    pub fn shut_down(&mut self) -> Vec<u8> {
        self.control(ControlToken::Shutdown)
    }

    /// The same procedure with another token.
    pub fn control(&mut self, token: ControlToken) -> Vec<u8> {
        self.context.apply_control_token(token).unwrap();
        let mut output = TokenBuffer::allocate();
        let outcome = match self.context.role() {
            Role::Client => self.context.initialize_security_context(None, &[], &mut output),
            Role::Server => self.context.accept_security_context(&[], &mut output),
        };
        assert_eq!(outcome.unwrap(), TokenOutcome { status: SuccessStatus::Ok, consumed: 0, extra: 0 });
        // The peer may be gone; whether it got this is its to say.
        write(&self.stream, output.as_bytes()).ok();
        output.into_vec()
    }

    /// ApplyControlToken with SCHANNEL_SESSION: takes effect at once and sends nothing.
    pub fn session(&mut self, reconnects: bool) {
        self.context.apply_control_token(ControlToken::Session { reconnects }).unwrap();
    }

    /// Sends a KeyUpdate.
    pub fn key_update(&mut self, request: KeyUpdateRequest) {
        let mut output = TokenBuffer::allocate();
        self.context.key_update(request, &mut output).unwrap();
        self.send_raw(output.as_bytes());
    }

    /// Answers a KeyUpdate that asked for one. Gives whether it did.
    pub fn answer_key_update(&mut self) -> bool {
        let mut output = TokenBuffer::allocate();
        self.context.send_half().unwrap().answer_key_update(&mut output).unwrap();
        self.send_raw(output.as_bytes());
        !output.is_empty()
    }

    /// Sends a record of data but its last `missing` bytes.
    pub fn send_part_of_a_record(&mut self, data: &[u8], missing: usize) {
        seal(self.context.send_half().unwrap(), data, |record| {
            write(&self.stream, &record[..record.len() - missing]).unwrap();
        });
    }

    /// Sends bytes as they are.
    pub fn send_raw(&self, bytes: &[u8]) {
        write(&self.stream, bytes).unwrap();
    }

    /// Ends the sending direction of the transport.
    pub fn end_transport(&self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    /// The socket.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// The context's answers.
    pub fn attributes(&self) -> &Attributes {
        self.context.attributes().unwrap()
    }

    /// How the connection stands.
    pub fn report(&self) -> ClosingReport {
        self.context.closing_report()
    }
}

/// Received bytes that the provider has not consumed.
#[derive(Debug)]
struct Inbox {
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    transport_end: Option<TransportEnd>,
}

impl Default for Inbox {
    fn default() -> Self {
        Self { buffer: vec![0; INBOX].into(), start: 0, end: 0, transport_end: None }
    }
}

impl Inbox {
    fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    fn consume(&mut self, len: usize) {
        self.start += len;
    }

    /// Reads more. Zero is the end of the transport.
    fn fill(&mut self, mut stream: &TcpStream) -> io::Result<usize> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        let read = stream.read(&mut self.buffer[self.end..]);
        if let Err(error) = &read {
            let timeout = matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut);
            assert!(!timeout, "the peer is silent");
        }
        self.end += read.as_ref().unwrap_or(&0);
        read
    }

    fn next(&mut self, stream: &TcpStream, half: &mut impl Receiving) -> Incoming<'_> {
        loop {
            if self.start < self.end {
                match half.decrypt(&mut self.buffer[self.start..self.end]) {
                    Ok(message) => {
                        let from = self.start;
                        self.start = self.end - message.extra.len();
                        match message.status {
                            SuccessStatus::Ok if message.data.is_empty() => continue,
                            SuccessStatus::Ok => {
                                let data = from + message.data.start..from + message.data.end;
                                return Incoming::Data(&self.buffer[data]);
                            }
                            SuccessStatus::ContextExpired => return Incoming::End(half.read_end()),
                            SuccessStatus::Renegotiate => {
                                self.start += half.post_handshake(stream, &self.buffer[self.start..self.end]);
                            }
                            status => panic!("DecryptMessage answers {}", status.name()),
                        }
                    }
                    Err(error) if error.status() == ErrorStatus::IncompleteMessage => {}
                    Err(_) => return Incoming::End(half.read_end()),
                }
            }
            let end = match self.transport_end {
                Some(end) => end,
                None => match self.fill(stream) {
                    Ok(0) => TransportEnd::Eof,
                    Ok(_) => continue,
                    Err(_) => TransportEnd::Reset,
                },
            };
            self.transport_end = Some(end);
            return Incoming::End(half.transport_ended(end, self.end - self.start));
        }
    }
}

/// A context or its receiving half.
trait Receiving {
    fn decrypt(&mut self, buffer: &mut [u8]) -> Result<Decrypted, Error>;
    fn transport_ended(&mut self, end: TransportEnd, unprocessed: usize) -> ReadEnd;
    fn read_end(&self) -> ReadEnd;

    /// SEC_I_RENEGOTIATE: the token call, its answer to the peer. Gives how many bytes it consumed.
    fn post_handshake(&mut self, stream: &TcpStream, input: &[u8]) -> usize;
}

impl Receiving for SecurityContext {
    fn decrypt(&mut self, buffer: &mut [u8]) -> Result<Decrypted, Error> {
        self.decrypt_message(buffer)
    }

    fn transport_ended(&mut self, end: TransportEnd, unprocessed: usize) -> ReadEnd {
        Self::transport_ended(self, end, unprocessed)
    }

    fn read_end(&self) -> ReadEnd {
        self.closing_report().read_end
    }

    fn post_handshake(&mut self, stream: &TcpStream, input: &[u8]) -> usize {
        let mut output = TokenBuffer::allocate();
        let outcome = match self.role() {
            Role::Client => self.initialize_security_context(None, input, &mut output),
            Role::Server => self.accept_security_context(input, &mut output),
        }
        .unwrap();
        assert_eq!(outcome.status, SuccessStatus::Ok);
        write(stream, output.as_bytes()).unwrap();
        outcome.consumed
    }
}

impl Receiving for ReceiveHalf {
    fn decrypt(&mut self, buffer: &mut [u8]) -> Result<Decrypted, Error> {
        Self::decrypt(self, buffer)
    }

    fn transport_ended(&mut self, end: TransportEnd, unprocessed: usize) -> ReadEnd {
        Self::transport_ended(self, end, unprocessed)
    }

    fn read_end(&self) -> ReadEnd {
        Self::read_end(self)
    }

    fn post_handshake(&mut self, _: &TcpStream, _: &[u8]) -> usize {
        panic!("compatible mode needs the whole context");
    }
}

#[track_caller]
fn receive_exactly(inbox: &mut Inbox, stream: &TcpStream, half: &mut impl Receiving, len: usize) -> String {
    let (mut received, mut digest) = (0, Digest::default());
    while received < len {
        match inbox.next(stream, half) {
            Incoming::Data(data) => {
                received += data.len();
                digest.update(data);
            }
            Incoming::End(end) => panic!("{end:?} after {received} of {len} bytes"),
        }
    }
    assert_eq!(received, len, "more came than was sent");
    digest.finish()
}

/// EncryptMessage for all of `data`, with the answer to a KeyUpdate before a record where one is due.
fn seal(half: &mut SendHalf, data: &[u8], mut write: impl FnMut(&[u8])) {
    let sizes = half.attributes().stream_sizes();
    let mut buffer = vec![0; sizes.header + sizes.maximum_message + sizes.trailer];
    let mut output = TokenBuffer::allocate();
    for chunk in data.chunks(sizes.maximum_message) {
        half.answer_key_update(&mut output).unwrap();
        if !output.is_empty() {
            write(output.as_bytes());
        }
        buffer[sizes.header..sizes.header + chunk.len()].copy_from_slice(chunk);
        let room = sizes.header + chunk.len() + sizes.trailer;
        let len = half.encrypt_contiguous(&mut buffer[..room], chunk.len()).unwrap();
        write(&buffer[..len]);
    }
}

/// The token loop: gives what arrived to `call` and sends what it answers until it is done.
fn shake_hands(
    inbox: &mut Inbox,
    stream: &TcpStream,
    context: &mut SecurityContext,
    mut call: impl FnMut(&mut SecurityContext, &[u8], &mut TokenBuffer<'_>) -> Result<TokenOutcome, Error>,
) -> Result<(), Failure> {
    loop {
        let mut more = inbox.bytes().is_empty();
        if !more {
            let mut output = TokenBuffer::allocate();
            match call(context, inbox.bytes(), &mut output) {
                Ok(outcome) => {
                    inbox.consume(outcome.consumed);
                    // A peer that refused and went away is found out by reading what it said.
                    write(stream, output.as_bytes()).ok();
                    match outcome.status {
                        SuccessStatus::Ok => return Ok(()),
                        SuccessStatus::ContinueNeeded | SuccessStatus::IncompleteCredentials => {}
                        status => panic!("the token call answers {}", status.name()),
                    }
                }
                Err(error) if error.status() == ErrorStatus::IncompleteMessage => more = true,
                Err(error) => {
                    refuse(stream, &error);
                    let read_end = context.closing_report().read_end;
                    return Err(Failure { error: Some(error), read_end });
                }
            }
        }
        if more {
            let end = match inbox.fill(stream) {
                Ok(0) => TransportEnd::Eof,
                Ok(_) => continue,
                Err(_) => TransportEnd::Reset,
            };
            let read_end = context.transport_ended(end, inbox.bytes().len());
            return Err(Failure { error: None, read_end });
        }
    }
}

/// Sends the alert, and waits for the peer to go: a socket closed on top of unread bytes would be reset, and the alert lost.
fn refuse(mut stream: &TcpStream, error: &Error) {
    if write(stream, error.alert_record()).is_ok() && stream.shutdown(Shutdown::Write).is_ok() {
        io::copy(&mut stream, &mut io::sink()).ok();
    }
}

fn write(mut stream: &TcpStream, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes)
}

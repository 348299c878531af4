//! One connection of the demonstration: two contexts, the sockets between them, and every call written down.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::time::Duration;

use openschannel::alert::Alert;
use openschannel::attributes::{Attributes, Protocol};
use openschannel::credentials::{InboundCredentials, OutboundCredentials, Protocols, Trust};
use openschannel::status::{Error, ErrorStatus, SecurityStatus, SuccessStatus};
use openschannel::{ContextOptions, ControlToken, Role, SecurityContext, TokenBuffer, TransportEnd};

use crate::certs::ThrowAway;
use crate::exit::Failure;
use crate::report::Report;
use crate::trace::{CallRecord, records_in, side_name};

/// The name the certificate is for.
const TARGET: &str = "localhost";

const FROM_CLIENT: &[u8] = b"Hello from the client.";
const FROM_SERVER: &[u8] = b"And from the server: good-bye.";

/// Both ends live in this process; a socket that says nothing for so long is broken.
const PATIENCE: Duration = Duration::from_secs(10);

/// More than one flight of a handshake.
const READ_SIZE: usize = 16 * 1024;

/// Both sides with their sockets.
pub(super) struct Connection {
    client: Endpoint,
    server: Endpoint,
    outbound: OutboundCredentials,
    inbound: InboundCredentials,
    calls: Vec<CallRecord>,
}

struct Endpoint {
    role: Role,
    context: Option<SecurityContext>,
    socket: TcpStream,
    /// From the peer, not yet used up.
    received: Vec<u8>,
    /// Sent by the peer, not yet read from the socket.
    on_the_way: usize,
}

impl Connection {
    /// Sockets and credentials. No call on a context yet.
    pub(super) fn open(protocol: Protocol, certificate: &ThrowAway) -> Result<Self, Failure> {
        let (near, far) = sockets().map_err(|error| {
            Failure::new(format!("cannot connect two loopback sockets: {error}"))
                .hint("is the loopback interface (127.0.0.1) up, and may this program use it?")
        })?;
        let protocols = match protocol {
            Protocol::Tls12 => Protocols::TLS1_2,
            Protocol::Tls13 => Protocols::TLS1_3,
        };
        const ACQUIRE: &str = "AcquireCredentialsHandle";
        let mut calls = Vec::new();
        let outbound = OutboundCredentials::builder()
            .protocols(protocols)
            .trust(Trust::Roots(vec![certificate.der.clone()]))
            .acquire();
        calls.push(call_record(Role::Client, ACQUIRE, status_of(outbound.as_ref())));
        let inbound = InboundCredentials::builder()
            .protocols(protocols)
            .identity(certificate.identity.clone())
            .acquire();
        calls.push(call_record(Role::Server, ACQUIRE, status_of(inbound.as_ref())));
        Ok(Self {
            client: Endpoint::new(Role::Client, near),
            server: Endpoint::new(Role::Server, far),
            outbound: outbound.map_err(|error| refused(ACQUIRE, &error))?,
            inbound: inbound.map_err(|error| refused(ACQUIRE, &error))?,
            calls,
        })
    }

    /// Handshake, a message each way, shutdown by `initiator`, then by the other side.
    pub(super) fn run(&mut self, initiator: Role) -> Result<(), Failure> {
        self.handshake()?;
        for (from, message) in [(Role::Client, FROM_CLIENT), (Role::Server, FROM_SERVER)] {
            self.encrypt(from, message)?;
            if self.decrypt(other(from))?.as_deref() != Some(message) {
                return Err(Failure::new("a message arrived as another one"));
            }
        }
        for from in [initiator, other(initiator)] {
            self.shut_down(from)?;
            if self.decrypt(other(from))?.is_some() {
                return Err(Failure::new("data arrived where a close_notify was sent"));
            }
        }
        self.end_transport()
    }

    pub(super) fn cipher_suite(&self) -> Option<&'static str> {
        let attributes = self.client.context.as_ref()?.attributes().ok()?;
        Some(attributes.cipher_suite().name())
    }

    pub(super) fn report(&self, side: Role) -> Report {
        let endpoint = match side {
            Role::Client => &self.client,
            Role::Server => &self.server,
        };
        endpoint.context.as_ref().map_or_else(Report::nothing, |context| context.closing_report().into())
    }

    /// Deletes both contexts, which says nothing on the wire.
    pub(super) fn into_calls(mut self) -> Vec<CallRecord> {
        for side in [Role::Client, Role::Server] {
            if self.endpoint(side).context.take().is_some() {
                let deleted = SecurityStatus::Success(SuccessStatus::Ok);
                self.calls.push(call_record(side, "DeleteSecurityContext", deleted));
            }
        }
        self.calls
    }

    fn handshake(&mut self) -> Result<(), Failure> {
        self.token_call(Role::Client)?;
        while let Some(side) = [Role::Server, Role::Client].into_iter().find(|&side| self.is_waited_for(side))
        {
            self.token_call(side)?;
        }
        if self.client.is_established() && self.server.is_established() {
            Ok(())
        } else {
            Err(Failure::new("the handshake stands still: both sides wait for the other"))
        }
    }

    fn is_waited_for(&mut self, side: Role) -> bool {
        let endpoint = self.endpoint(side);
        !endpoint.is_established() && (endpoint.on_the_way > 0 || !endpoint.received.is_empty())
    }

    /// One call of the handshake, on what has arrived.
    fn token_call(&mut self, side: Role) -> Result<(), Failure> {
        let (outbound, inbound) = (self.outbound.clone(), self.inbound.clone());
        let endpoint = self.endpoint(side);
        if endpoint.received.is_empty() && endpoint.on_the_way > 0 {
            endpoint.read()?;
        }
        let (call, mut output) = (call_name(side), TokenBuffer::allocate());
        let (input, options) = (&endpoint.received, ContextOptions::default());
        let answer = match (&mut endpoint.context, side) {
            (Some(context), Role::Client) => context.initialize_security_context(None, input, &mut output),
            (Some(context), Role::Server) => context.accept_security_context(input, &mut output),
            (unmade, Role::Client) => {
                SecurityContext::initialize(&outbound, Some(TARGET), &options, &mut output).map(
                    |(context, outcome)| {
                        *unmade = Some(context);
                        outcome
                    },
                )
            }
            (unmade, Role::Server) => {
                SecurityContext::accept(&inbound, &options, input, &mut output).map(|(context, outcome)| {
                    *unmade = Some(context);
                    outcome
                })
            }
        };
        let (status, consumed) = match &answer {
            Ok(outcome) => (outcome.status.into(), outcome.consumed),
            Err(error) => (error.status().into(), 0),
        };
        let used: Vec<u8> = endpoint.received.drain(..consumed.min(endpoint.received.len())).collect();
        let mut record = call_record(side, call, status);
        record.took(&used);
        record.made(output.as_bytes());
        if let Err(error) = &answer {
            record.alert = error.received_alert().or_else(|| error.alert());
            record.made(error.alert_record());
        }
        self.calls.push(record);
        match answer {
            Ok(_) => self.send(side, output.as_bytes()),
            Err(error) if error.status() == ErrorStatus::IncompleteMessage => self.endpoint(side).read(),
            Err(error) => {
                self.send(side, error.alert_record())?;
                Err(refused(call, &error))
            }
        }
    }

    fn encrypt(&mut self, side: Role, message: &[u8]) -> Result<(), Failure> {
        const QUERY: &str = "QueryContextAttributes(STREAM_SIZES)";
        let sizes = self.endpoint(side).context()?.attributes().map(Attributes::stream_sizes);
        self.calls.push(call_record(side, QUERY, status_of(sizes.as_ref())));
        let sizes = sizes.map_err(|error| refused(QUERY, &error))?;

        let (mut header, mut data, mut trailer) =
            (vec![0; sizes.header], message.to_vec(), vec![0; sizes.trailer]);
        let answer = self.endpoint(side).context()?.encrypt_message(&mut header, &mut data, &mut trailer);
        let mut record = call_record(side, "EncryptMessage", status_of(answer.as_ref()));
        let sealed = answer.map(|sealed| {
            header.truncate(sealed.header);
            trailer.truncate(sealed.trailer);
            [header, data, trailer].concat()
        });
        if let Ok(bytes) = &sealed {
            record.data = message.len();
            record.made(bytes);
        }
        self.calls.push(record);
        self.send(side, &sealed.map_err(|error| refused("EncryptMessage", &error))?)
    }

    /// DecryptMessage until data comes or the peer's close_notify, which gives nothing.
    fn decrypt(&mut self, side: Role) -> Result<Option<Vec<u8>>, Failure> {
        loop {
            let endpoint = self.endpoint(side);
            if endpoint.received.is_empty() {
                endpoint.read()?;
            }
            let Endpoint { context: Some(context), received, .. } = endpoint else {
                return Err(Failure::new("there is no context yet"));
            };
            let before = received.clone();
            let answer = context.decrypt_message(received);
            let status: SecurityStatus =
                answer.as_ref().map_or_else(|error| error.status().into(), |message| message.status.into());
            let mut record = call_record(side, "DecryptMessage", status);
            let mut data = Vec::new();
            match &answer {
                Ok(message) => {
                    data = received.get(message.data.clone()).unwrap_or_default().to_vec();
                    record.data = data.len();
                    record.took(before.get(..message.extra.start).unwrap_or(&before));
                    record.alert =
                        (message.status == SuccessStatus::ContextExpired).then_some(Alert::CLOSE_NOTIFY);
                    received.drain(..message.extra.start.min(received.len()));
                }
                Err(error) => record.alert = error.received_alert().or_else(|| error.alert()),
            }
            self.calls.push(record);
            match answer {
                Ok(message) if message.status == SuccessStatus::ContextExpired => return Ok(None),
                Ok(_) if data.is_empty() => {}
                Ok(_) => return Ok(Some(data)),
                Err(error) if error.status() == ErrorStatus::IncompleteMessage => {
                    self.endpoint(side).read()?;
                }
                Err(error) => return Err(refused("DecryptMessage", &error)),
            }
        }
    }

    /// The documented procedure (section 4.1).
    fn shut_down(&mut self, side: Role) -> Result<(), Failure> {
        let context = self.endpoint(side).context()?;
        let applied = context.apply_control_token(ControlToken::Shutdown);
        let mut record = call_record(side, "ApplyControlToken", status_of(applied.as_ref()));
        record.alert = Some(Alert::CLOSE_NOTIFY);
        self.calls.push(record);
        applied.map_err(|error| refused("ApplyControlToken", &error))?;

        let (call, mut output) = (call_name(side), TokenBuffer::allocate());
        let context = self.endpoint(side).context()?;
        let answer = match side {
            Role::Client => context.initialize_security_context(None, &[], &mut output),
            Role::Server => context.accept_security_context(&[], &mut output),
        };
        let status =
            answer.as_ref().map_or_else(|error| error.status().into(), |outcome| outcome.status.into());
        let mut record = call_record(side, call, status);
        record.made(output.as_bytes());
        record.alert = answer.is_ok().then_some(Alert::CLOSE_NOTIFY);
        self.calls.push(record);
        answer.map_err(|error| refused(call, &error))?;
        self.send(side, output.as_bytes())
    }

    /// FIN both ways, and each side is told of the other's.
    fn end_transport(&mut self) -> Result<(), Failure> {
        for side in [Role::Client, Role::Server] {
            self.endpoint(side).socket.shutdown(Shutdown::Write).map_err(broken)?;
        }
        for side in [Role::Client, Role::Server] {
            let endpoint = self.endpoint(side);
            let mut rest = Vec::new();
            endpoint.socket.read_to_end(&mut rest).map_err(broken)?;
            endpoint.received.extend(rest);
            let unprocessed = endpoint.received.len();
            endpoint.context()?.transport_ended(TransportEnd::Eof, unprocessed);
        }
        Ok(())
    }

    fn send(&mut self, side: Role, bytes: &[u8]) -> Result<(), Failure> {
        self.endpoint(side).socket.write_all(bytes).map_err(broken)?;
        self.endpoint(other(side)).on_the_way += bytes.len();
        Ok(())
    }

    fn endpoint(&mut self, side: Role) -> &mut Endpoint {
        match side {
            Role::Client => &mut self.client,
            Role::Server => &mut self.server,
        }
    }
}

impl Endpoint {
    fn new(role: Role, socket: TcpStream) -> Self {
        Self { role, context: None, socket, received: Vec::new(), on_the_way: 0 }
    }

    fn context(&mut self) -> Result<&mut SecurityContext, Failure> {
        self.context.as_mut().ok_or_else(|| Failure::new("there is no context yet"))
    }

    fn is_established(&self) -> bool {
        self.context.as_ref().is_some_and(SecurityContext::is_established)
    }

    /// Reads what the socket has, at least one byte.
    fn read(&mut self) -> Result<(), Failure> {
        let mut buffer = vec![0; READ_SIZE];
        let count = self.socket.read(&mut buffer).map_err(broken)?;
        if count == 0 {
            return Err(Failure::new(format!("the {}'s socket ended too early", side_name(self.role))));
        }
        self.received.extend(buffer.into_iter().take(count));
        self.on_the_way = self.on_the_way.saturating_sub(count);
        Ok(())
    }
}

impl CallRecord {
    fn took(&mut self, bytes: &[u8]) {
        self.bytes_in += bytes.len();
        self.records.extend(records_in("in", bytes));
    }

    fn made(&mut self, bytes: &[u8]) {
        self.bytes_out += bytes.len();
        self.records.extend(records_in("out", bytes));
    }
}

fn call_record(side: Role, call: &'static str, status: SecurityStatus) -> CallRecord {
    CallRecord {
        side: side_name(side),
        call,
        status,
        bytes_in: 0,
        bytes_out: 0,
        data: 0,
        records: Vec::new(),
        alert: None,
    }
}

/// For calls that succeed in one way only.
fn status_of<T>(answer: Result<T, &Error>) -> SecurityStatus {
    answer.map_or_else(|error| error.status().into(), |_| SuccessStatus::Ok.into())
}

fn call_name(side: Role) -> &'static str {
    match side {
        Role::Client => "InitializeSecurityContext",
        Role::Server => "AcceptSecurityContext",
    }
}

fn other(side: Role) -> Role {
    match side {
        Role::Client => Role::Server,
        Role::Server => Role::Client,
    }
}

/// Client's end, server's end.
fn sockets() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let near = TcpStream::connect(listener.local_addr()?)?;
    let (far, _) = listener.accept()?;
    for socket in [&near, &far] {
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
    }
    Ok((near, far))
}

fn refused(call: &str, error: &Error) -> Failure {
    Failure::new(format!("{call}: {error}"))
}

fn broken(error: io::Error) -> Failure {
    Failure::new(format!("the loopback connection broke: {error}"))
}

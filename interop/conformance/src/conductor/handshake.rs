//! The conductor's handshakes: to the end, or as far as the subject's first flight.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

use openschannel::alert::{Alert, AlertDescription};
use openschannel::credentials::PostHandshake;
use openschannel::status::{ErrorStatus, SuccessStatus};
use openschannel::{ContextOptions, ControlToken, Role, SecurityContext, TokenBuffer};
use openschannel_interop::certificates::SERVER_NAME;

use crate::cell::{ALERT, End, State, Version};
use crate::files::Files;
use crate::subjects::provider::token_call;

/// The conductor's side of a connection.
#[derive(Debug)]
pub(super) struct OtherEnd {
    pub(super) context: SecurityContext,
    pub(super) socket: TcpStream,
    /// Received and not consumed.
    pub(super) inbox: Vec<u8>,
    /// Tickets that are still to be sent.
    pub(super) withheld: Vec<u8>,
}

/// A handshake in which only the subject's first flight was sent.
pub(super) struct Begun {
    pub(super) socket: TcpStream,
    /// As the other side of it would go on.
    pub(super) answer: Vec<u8>,
    /// The alerts of a clean end or a failure, as this stage of the handshake sends them.
    pub(super) alerts: Vec<u8>,
    /// Established if the first flight was all that the conductor wants of the subject.
    pub(super) context: SecurityContext,
    pub(super) inbox: Vec<u8>,
}

/// Shakes hands. With [`State::Tickets`] a server's tickets are withheld.
pub(super) fn complete(
    mut socket: TcpStream,
    subject: Role,
    version: Version,
    state: State,
    files: &Files,
) -> Result<OtherEnd, String> {
    let mut inbox = Vec::new();
    let mut output = TokenBuffer::allocate();
    let mut context = begin(&mut socket, subject, version, files, &mut inbox, &mut output)?;
    let mut done = false;
    while !done {
        write(&mut socket, output.as_bytes())?;
        done = step(&mut context, &mut socket, &mut inbox, &mut output)?;
    }
    // In TLS 1.2 and from a client it is the Finished; a TLS 1.3 server has sent that before.
    let withhold = state == State::Tickets && subject == Role::Client;
    let last = output.into_vec();
    let (now, withheld) = if withhold { (Vec::new(), last) } else { (last, Vec::new()) };
    write(&mut socket, &now)?;
    Ok(OtherEnd { context, socket, inbox, withheld })
}

/// Lets the subject send its first flight, and sends nothing of what follows it.
pub(super) fn first_flight(
    mut socket: TcpStream,
    subject: Role,
    version: Version,
    end: End,
    files: &Files,
) -> Result<Begun, String> {
    let mut inbox = Vec::new();
    let mut output = TokenBuffer::allocate();
    let mut context = begin(&mut socket, subject, version, files, &mut inbox, &mut output)?;
    let mut alerts = plain_alerts(end);
    if subject == Role::Server {
        write(&mut socket, output.as_bytes())?;
        if version == Version::Tls13 && matches!(end, End::Clean | End::Alert) {
            alerts = sealed_alerts(&mut context, &mut socket, &mut inbox, end)?;
            output = TokenBuffer::allocate();
        }
        let mut answer = Vec::new();
        // Behind a close or a fatal alert of its own the context takes nothing more. A TLS 1.2 client goes on when it has heard the other
        // side; one of TLS 1.3 sends its change_cipher_spec at once and is done when the flight is.
        if version == Version::Tls12 || !matches!(end, End::Clean | End::Alert) {
            let mut done = false;
            while !done {
                done = step(&mut context, &mut socket, &mut inbox, &mut output)? || version == Version::Tls12;
                answer.extend_from_slice(output.as_bytes());
            }
        }
        return Ok(Begun { socket, answer, alerts, context, inbox });
    }
    Ok(Begun { socket, answer: output.into_vec(), alerts, context, inbox })
}

/// A TLS 1.3 client that has not finished seals its alerts under the handshake keys, which it has from the ServerHello on. They have to be
/// sealed at that moment: a context that has read on has other keys.
fn sealed_alerts(
    context: &mut SecurityContext,
    socket: &mut TcpStream,
    inbox: &mut Vec<u8>,
    end: End,
) -> Result<Vec<u8>, String> {
    let hello = loop {
        match first_record(inbox) {
            Some(hello) => break hello,
            None => read(socket, inbox)?,
        }
    };
    let mut output = TokenBuffer::allocate();
    let outcome = context.initialize_security_context(None, &inbox[..hello], &mut output);
    let outcome = outcome.map_err(|error| format!("the ServerHello: {error}"))?;
    // The change_cipher_spec that stands before whatever a client in compatibility mode seals first; a second ClientHello would be longer.
    let mut alerts = output.as_bytes().to_vec();
    if outcome.status != SuccessStatus::ContinueNeeded || ![&[][..], &CHANGE_CIPHER_SPEC].contains(&&*alerts)
    {
        return Err("this ServerHello asks for another ClientHello".to_owned());
    }
    inbox.drain(..outcome.consumed);
    let tokens = match end {
        End::Clean => vec![ControlToken::Alert(Alert::warning(USER_CANCELED)), ControlToken::Shutdown],
        _ => vec![ControlToken::Alert(Alert::fatal(AlertDescription(ALERT)))],
    };
    for token in tokens {
        context.apply_control_token(token).map_err(|error| error.to_string())?;
        context
            .initialize_security_context(None, &[], &mut output)
            .map_err(|error| format!("the alert: {error}"))?;
        alerts.extend_from_slice(output.as_bytes());
    }
    Ok(alerts)
}

/// Alerts before there are keys.
fn plain_alerts(end: End) -> Vec<u8> {
    let record = |level: u8, number: u8| [21, 3, 3, 0, 2, level, number];
    match end {
        // RFC 8446 section 6.1: who gives up says so by user_canceled, and a close_notify follows.
        End::Clean => [record(1, USER_CANCELED.0), record(1, 0)].concat(),
        _ => record(2, ALERT).to_vec(),
    }
}

const CHANGE_CIPHER_SPEC: [u8; 6] = [20, 3, 3, 0, 1, 1];
const USER_CANCELED: AlertDescription = AlertDescription(90);

/// A context and its first token, not sent yet; a server's when the hello has come.
fn begin(
    socket: &mut TcpStream,
    subject: Role,
    version: Version,
    files: &Files,
    inbox: &mut Vec<u8>,
    output: &mut TokenBuffer<'_>,
) -> Result<SecurityContext, String> {
    // Nobody makes the token calls of compatible mode here.
    let options = ContextOptions { post_handshake: Some(PostHandshake::Quiet), ..ContextOptions::default() };
    if subject == Role::Server {
        let name = Some(SERVER_NAME);
        let made = SecurityContext::initialize(files.outbound(version), name, &options, output);
        return made.map(|(context, _)| context).map_err(|error| error.to_string());
    }
    loop {
        read(socket, inbox)?;
        match SecurityContext::accept(files.inbound(version), &options, inbox, output) {
            Ok((context, outcome)) => {
                inbox.drain(..outcome.consumed);
                return Ok(context);
            }
            Err(error) if error.status() == ErrorStatus::IncompleteMessage => {}
            Err(error) => return Err(format!("the subject's hello: {error}")),
        }
    }
}

/// Takes what the subject sends until there is an answer to it; says whether it is the last.
fn step(
    context: &mut SecurityContext,
    socket: &mut TcpStream,
    inbox: &mut Vec<u8>,
    output: &mut TokenBuffer<'_>,
) -> Result<bool, String> {
    loop {
        let answer = (!inbox.is_empty()).then(|| token_call(context, inbox, output));
        match answer {
            Some(Ok(outcome)) => {
                inbox.drain(..outcome.consumed);
                match outcome.status {
                    SuccessStatus::Ok => return Ok(true),
                    SuccessStatus::ContinueNeeded if !output.is_empty() => return Ok(false),
                    SuccessStatus::ContinueNeeded => {}
                    status => return Err(format!("the handshake: {}", status.name())),
                }
                if !inbox.is_empty() {
                    continue;
                }
            }
            Some(Err(error)) if error.status() != ErrorStatus::IncompleteMessage => {
                return Err(format!("the handshake: {error}"));
            }
            _ => {}
        }
        read(socket, inbox)?;
    }
}

fn first_record(bytes: &[u8]) -> Option<usize> {
    let length = usize::from(u16::from_be_bytes([*bytes.get(3)?, *bytes.get(4)?]));
    (bytes.len() >= 5 + length).then_some(5 + length)
}

fn read(socket: &mut TcpStream, inbox: &mut Vec<u8>) -> Result<(), String> {
    let mut buffer = [0; 1 << 14];
    match socket.read(&mut buffer) {
        Ok(0) => Err("the subject ended the transport in the handshake".to_owned()),
        Ok(n) => {
            inbox.extend_from_slice(&buffer[..n]);
            Ok(())
        }
        Err(error) if error.kind() == ErrorKind::Interrupted => Ok(()),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
            Err("the subject is silent in the handshake".to_owned())
        }
        Err(error) => Err(format!("in the handshake: {error}")),
    }
}

fn write(socket: &mut TcpStream, bytes: &[u8]) -> Result<(), String> {
    socket.write_all(bytes).map_err(|error| format!("the subject takes nothing: {error}"))
}

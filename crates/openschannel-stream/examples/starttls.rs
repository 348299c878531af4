//! A line protocol that begins in plain text and goes on in TLS over the same socket: SMTP without the envelopes.
//!
//! ```text
//! cargo run -p openschannel-stream --example starttls -- serve 127.0.0.1:2525 chain.pem key.pem
//! echo "Dear Ada, ..." | cargo run -p openschannel-stream --example starttls -- send localhost:2525 chain.pem
//! ```
//!
//! What there is to see:
//! - Lines are read through a buffer, which may hold more than the line: what came behind `STARTTLS` in plain text. It was not protected,
//!   whoever wrote it, so nothing of it may be taken for a part of the conversation in TLS (CVE-2011-0411: a man in the middle put
//!   commands there, and servers obeyed them as if they came from the client). Here a buffer that is not empty ends the connection, on
//!   both sides, and only the bare socket goes on to TLS. What comes later in plain text is no TLS, and the handshake refuses it.
//! - What was said before counts for nothing afterwards (RFC 3207 section 4.2): the client greets again.
//! - QUIT ends the protocol, close_notify ends TLS, FIN ends TCP: in this order, and on both sides. A client that is cut off inside a
//!   message has not sent it.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example says what it does")]

use std::error::Error;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use openschannel::credentials::{Identity, Trust};
use openschannel_stream::blocking::TlsStream;
use openschannel_stream::{CloseReport, TlsAcceptor, TlsConnector};

/// For the peer to end behind our close.
const CLOSE_TIME: Duration = Duration::from_secs(5);

/// RFC 5321 section 4.5.3.1.6: a line of a message, with its end. Commands are shorter.
const MAX_LINE: u64 = 1000;

/// Lines of one message; a peer must not fill the memory.
const MAX_LINES: usize = 10_000;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["serve", address, chain, key] => {
            let identity = Identity::from_pem(&std::fs::read(chain)?, &std::fs::read(key)?)?;
            let acceptor = TlsAcceptor::builder().identity(identity).build()?;
            for socket in TcpListener::bind(address)?.incoming() {
                match serve(socket?, &acceptor) {
                    Ok((messages, closed)) => println!("{} messages; {:?}", messages.len(), closed.read_end),
                    Err(error) => println!("ended: {error}"),
                }
            }
            Ok(())
        }
        ["send", address, roots] => {
            let roots = Trust::roots_from_pem(&std::fs::read(roots)?)?;
            let connector = TlsConnector::builder().trust(roots).build()?;
            let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
            let message = io::read_to_string(io::stdin())?;
            let closed = send(TcpStream::connect(address)?, &connector, host, &message)?;
            println!("accepted; {:?}", closed.read_end);
            Ok(())
        }
        _ => Err("usage: starttls serve ADDRESS CHAIN KEY | starttls send HOST:PORT ROOTS".into()),
    }
}

/// Serves one client, in plain text until it wants TLS. Gives its messages, and how the connection ended.
///
/// # Errors
/// The client broke the protocol, was cut off, or never asked for TLS.
pub fn serve(socket: TcpStream, acceptor: &TlsAcceptor) -> io::Result<(Vec<String>, CloseReport)> {
    let mut plain = BufReader::new(socket);
    say(plain.get_mut(), "220 localhost at your service")?;
    loop {
        let line = read_line(&mut plain)?;
        match line.to_ascii_uppercase().as_str() {
            "STARTTLS" if !plain.buffer().is_empty() => {
                say(plain.get_mut(), "554 nothing may follow STARTTLS before TLS does")?;
                return Err(injected());
            }
            "STARTTLS" => break,
            "QUIT" => {
                say(plain.get_mut(), "221 goodbye")?;
                return Err(io::Error::other("the client went without TLS"));
            }
            command if command.starts_with("EHLO ") => {
                say(plain.get_mut(), "250-localhost")?;
                say(plain.get_mut(), "250 STARTTLS")?;
            }
            _ => say(plain.get_mut(), "530 say STARTTLS first")?,
        }
    }
    say(plain.get_mut(), "220 go ahead")?;
    // The buffer is empty: the socket is all there is.
    let mut stream = acceptor.accept(plain.into_inner())?;
    let messages = converse(&mut stream);
    // Whatever happened, the client is told that nothing more comes.
    let closed = stream.close(CLOSE_TIME);
    Ok((messages?, closed?))
}

/// The conversation in TLS, which knows nothing of the one before.
fn converse(stream: &mut TlsStream<TcpStream>) -> io::Result<Vec<String>> {
    let mut greeted = false;
    let mut messages = Vec::new();
    loop {
        // The stream is a `BufRead` itself.
        let line = read_line(stream)?;
        match line.to_ascii_uppercase().as_str() {
            "QUIT" => {
                say(stream, "221 goodbye")?;
                return Ok(messages);
            }
            "DATA" if greeted => {
                say(stream, "354 end with a dot")?;
                // Only a message that came whole is one: a cut leaves by the question mark.
                messages.push(read_message(stream)?);
                say(stream, "250 accepted")?;
            }
            command if command.starts_with("EHLO ") => {
                greeted = true;
                say(stream, "250 localhost")?;
            }
            _ => say(stream, "503 not now")?,
        }
    }
}

/// Sends one message over TLS. A server without STARTTLS gets nothing.
///
/// # Errors
/// The server refused, broke the protocol, or was cut off before it had accepted the message.
pub fn send(
    socket: TcpStream,
    connector: &TlsConnector,
    host: &str,
    message: &str,
) -> io::Result<CloseReport> {
    let mut plain = BufReader::new(socket);
    expect(&mut plain, "220")?;
    say(plain.get_mut(), "EHLO client")?;
    if !expect(&mut plain, "250")?.iter().any(|line| line == "STARTTLS") {
        return Err(io::Error::other("the server does not offer STARTTLS"));
    }
    say(plain.get_mut(), "STARTTLS")?;
    expect(&mut plain, "220")?;
    // An answer that came before TLS is nobody's answer to what is asked in TLS.
    if !plain.buffer().is_empty() {
        return Err(injected());
    }
    let mut stream = connector.connect(host, plain.into_inner())?;
    let sent = deliver(&mut stream, message);
    let closed = stream.close(CLOSE_TIME);
    sent?;
    closed
}

fn deliver(stream: &mut TlsStream<TcpStream>, message: &str) -> io::Result<()> {
    say(stream, "EHLO client")?;
    expect(stream, "250")?;
    say(stream, "DATA")?;
    expect(stream, "354")?;
    for line in message.lines() {
        // RFC 5321 section 4.5.2: a dot of the message's own is doubled.
        let dot = if line.starts_with('.') { "." } else { "" };
        say(stream, &format!("{dot}{line}"))?;
    }
    say(stream, ".")?;
    expect(stream, "250")?;
    say(stream, "QUIT")?;
    expect(stream, "221")?;
    Ok(())
}

fn say(to: &mut impl Write, line: &str) -> io::Result<()> {
    to.write_all(format!("{line}\r\n").as_bytes())?;
    to.flush()
}

/// An answer of one or more lines, without their numbers.
fn expect(from: &mut impl BufRead, code: &str) -> io::Result<Vec<String>> {
    let mut lines = Vec::new();
    loop {
        let line = read_line(from)?;
        let Some(text) = line.strip_prefix(code) else {
            return Err(io::Error::other(format!("the server said {line}")));
        };
        lines.push(text.get(1..).unwrap_or_default().to_owned());
        if !text.starts_with('-') {
            return Ok(lines);
        }
        if lines.len() > MAX_LINES {
            return Err(invalid("the answer does not end"));
        }
    }
}

fn read_message(from: &mut impl BufRead) -> io::Result<String> {
    let mut message = String::new();
    for _ in 0..MAX_LINES {
        let line = read_line(from)?;
        if line == "." {
            return Ok(message);
        }
        message.push_str(line.strip_prefix('.').unwrap_or(&line));
        message.push('\n');
    }
    Err(invalid("the message is too long"))
}

/// One line, without its end. In TLS the end of the connection is an error of its own if it was cut; here an orderly end is one as
/// well, since nobody goes without a word.
fn read_line(from: &mut impl BufRead) -> io::Result<String> {
    let mut line = Vec::new();
    from.take(MAX_LINE).read_until(b'\n', &mut line)?;
    match line.strip_suffix(b"\n").map(|line| line.strip_suffix(b"\r").unwrap_or(line)) {
        Some(whole) => String::from_utf8(whole.to_vec()).map_err(|_| invalid("a line is not UTF-8")),
        None if line.len() as u64 == MAX_LINE => Err(invalid("a line is too long")),
        None => Err(ErrorKind::UnexpectedEof.into()),
    }
}

fn injected() -> io::Error {
    invalid("plain text came behind STARTTLS: it may be anybody's")
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what)
}

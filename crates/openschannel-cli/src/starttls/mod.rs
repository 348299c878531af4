//! STARTTLS: the plaintext dialogue before TLS begins on a connection of another protocol.
//!
//! [`Dialogue`] does no I/O: it is given what came and says what to send. [`begin`] runs one over a socket.
//!
//! ```text
//!   server's bytes --> received() --+
//!                                   +--> step() --> Need, Send(bytes), Done
//! ```
//!
//! What a server sends behind its go-ahead would be read as if it had come protected, so it ends the dialogue with an error.

mod binary;
mod lines;

use std::fmt;
use std::io;

use clap::ValueEnum;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// Everything a server may say before TLS: greetings and lists of capabilities have a few hundred bytes.
const MAX_PLAINTEXT: usize = 64 * 1024;

/// One read of the socket.
const READ_LEN: usize = 4 * 1024;

/// A protocol that begins without TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Protocol {
    /// RFC 3207
    Smtp,
    /// RFC 2033
    Lmtp,
    /// RFC 9051
    Imap,
    /// RFC 2595
    Pop3,
    /// RFC 4217, AUTH TLS
    Ftp,
    /// RFC 4642
    Nntp,
    /// ManageSieve, RFC 5804
    Sieve,
    /// RFC 6120
    Xmpp,
    /// RFC 4511
    Ldap,
    /// PostgreSQL's SSLRequest
    Postgres,
    /// MySQL's and MariaDB's SSL request packet
    Mysql,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to_possible_value() {
            Some(value) => f.write_str(value.get_name()),
            None => Ok(()),
        }
    }
}

/// Why TLS cannot begin.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The server does not offer it.
    NotOffered,
    /// It answered so, where the go-ahead or a step towards it was due.
    Answered(String),
    /// It sent more behind the go-ahead: so many bytes.
    Behind(usize),
    /// It said more than a dialogue can need.
    TooLong,
    /// It ended the connection.
    Ended,
    Transport(io::Error),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotOffered => f.write_str("the server does not offer TLS"),
            Self::Answered(text) => write!(f, "the server answered `{}`", in_one_line(text)),
            Self::Behind(bytes) => write!(
                f,
                "{bytes} unprotected bytes came behind the server's go-ahead, where TLS was to begin"
            ),
            Self::TooLong => write!(f, "the server said more than {MAX_PLAINTEXT} bytes before TLS"),
            Self::Ended => f.write_str("the server ended the connection before TLS began"),
            Self::Transport(error) => error.fmt(f),
        }
    }
}

/// Runs the dialogue up to where TLS begins. `tell` hears every step: whether it is this side's, and what it was.
pub(crate) async fn begin<S: AsyncRead + AsyncWrite + Unpin>(
    transport: &mut S,
    protocol: Protocol,
    name: &str,
    tell: &mut (dyn FnMut(bool, &str) + Send),
) -> Result<(), Refusal> {
    let mut dialogue = Dialogue::new(protocol, name);
    let mut buffer = [0; READ_LEN];
    loop {
        match dialogue.step()? {
            Step::Done => return Ok(()),
            Step::Send(bytes) => {
                tell(true, &shown(&bytes));
                transport.write_all(&bytes).await.map_err(Refusal::Transport)?;
            }
            Step::Need => {
                let n = transport.read(&mut buffer).await.map_err(Refusal::Transport)?;
                if n == 0 {
                    return Err(Refusal::Ended);
                }
                let bytes = buffer.get(..n).unwrap_or_default();
                tell(false, &shown(bytes));
                dialogue.received(bytes)?;
            }
        }
    }
}

/// One line for the evidence.
fn shown(bytes: &[u8]) -> String {
    format!("plaintext `{}` ({} bytes)", in_one_line(&String::from_utf8_lossy(bytes)), bytes.len())
}

/// Nothing of what a peer says reaches a terminal as it is, nor without end.
pub(crate) fn in_one_line(text: &str) -> String {
    const LEN: usize = 200;
    text.trim_end().escape_default().take(LEN).collect()
}

/// What the dialogue wants.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// More of the server's bytes.
    Need,
    Send(Vec<u8>),
    /// TLS begins with the next byte.
    Done,
}

/// A client's side of the dialogue.
pub(crate) struct Dialogue {
    talk: Box<dyn Talk + Send>,
    opening: Option<Vec<u8>>,
    buffer: Vec<u8>,
    total: usize,
    done: bool,
}

/// One protocol's part.
trait Talk {
    /// Looks at what came and was not taken yet, and says how much of it is taken and what follows from it.
    fn hear(&mut self, bytes: &[u8]) -> Result<(usize, Reply), Refusal>;
}

/// What follows from something heard.
enum Reply {
    /// Wait for more.
    More,
    Say(Vec<u8>),
    /// TLS begins.
    Go,
    /// TLS begins behind this last plaintext.
    SayAndGo(Vec<u8>),
}

impl Dialogue {
    /// `name` is the server's, for protocols in which the client says whom it wants.
    pub(crate) fn new(protocol: Protocol, name: &str) -> Self {
        let (talk, opening): (Box<dyn Talk + Send>, _) = match protocol {
            Protocol::Xmpp => {
                (Box::new(binary::Xmpp::default()) as Box<dyn Talk + Send>, Some(binary::xmpp_opening(name)))
            }
            Protocol::Ldap => (Box::new(binary::Ldap), Some(binary::LDAP_START_TLS.to_vec())),
            Protocol::Postgres => (Box::new(binary::Postgres), Some(binary::POSTGRES_SSL_REQUEST.to_vec())),
            Protocol::Mysql => (Box::new(binary::Mysql), None),
            Protocol::Smtp => (Box::new(lines::Mail::new("EHLO")), None),
            Protocol::Lmtp => (Box::new(lines::Mail::new("LHLO")), None),
            Protocol::Imap => (Box::new(lines::Imap::default()), None),
            Protocol::Pop3 => (Box::new(lines::Pop3::default()), None),
            Protocol::Ftp => (Box::new(lines::Coded::ftp()), None),
            Protocol::Nntp => (Box::new(lines::Coded::nntp()), None),
            Protocol::Sieve => (Box::new(lines::Sieve::default()), None),
        };
        Self { talk, opening, buffer: Vec::new(), total: 0, done: false }
    }

    /// The server sent `bytes`.
    pub(crate) fn received(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        self.total += bytes.len();
        if self.total > MAX_PLAINTEXT {
            return Err(Refusal::TooLong);
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    pub(crate) fn step(&mut self) -> Result<Step, Refusal> {
        if let Some(opening) = self.opening.take() {
            return Ok(Step::Send(opening));
        }
        while !self.done {
            if self.buffer.is_empty() {
                return Ok(Step::Need);
            }
            let (taken, reply) = self.talk.hear(&self.buffer)?;
            self.buffer.drain(..taken.min(self.buffer.len()));
            match reply {
                Reply::More if taken == 0 => return Ok(Step::Need),
                Reply::More => {}
                Reply::Say(bytes) => return Ok(Step::Send(bytes)),
                Reply::Go => self.done = true,
                Reply::SayAndGo(bytes) => {
                    self.done = true;
                    self.refuse_what_is_behind()?;
                    return Ok(Step::Send(bytes));
                }
            }
        }
        self.refuse_what_is_behind()?;
        Ok(Step::Done)
    }

    fn refuse_what_is_behind(&self) -> Result<(), Refusal> {
        match self.buffer.len() {
            0 => Ok(()),
            bytes => Err(Refusal::Behind(bytes)),
        }
    }
}

#[cfg(test)]
mod tests;

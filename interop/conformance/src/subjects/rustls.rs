//! rustls, by its buffered API: a [`Connection`] fed by hand from a blocking socket. Reading and writing are two threads that share it; the
//! lock is not held while the socket is waited for, so that a write that stands still keeps nobody from reading.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use openschannel::Role;
use openschannel_interop::certificates::SERVER_NAME;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{
    AlertDescription, ClientConfig, ClientConnection, Connection, Error, RootCertStore, ServerConfig,
    ServerConnection, SupportedProtocolVersion,
};

use super::provider::{PIECE, text};
use crate::cell::{State, Version};
use crate::conductor::{BLOCKED, PING, PONG, SENDING};
use crate::subject::{InProcess, Part, Stop, Voice};
use crate::verdict::{Verdict, Word};

/// The subject.
pub const SUBJECT: InProcess =
    InProcess { name: "rustls", title: "rustls", play, version: || version().to_owned(), ours: false };

fn play(part: &Part, voice: &Voice) -> Result<(), String> {
    let connection = connection(part).map_err(text)?;
    let socket = voice.connect(part)?;
    let mut session =
        Session { connection: Mutex::new(connection), socket, stop: voice.stop(), met: Mutex::default() };
    let mut received = 0;
    let (word, detail) = match session.converse(part.state, voice, &mut received) {
        Ok(never) => match never {},
        Err(end) => end.verdict(),
    };
    voice.say(Verdict { word, received, detail });
    Ok(())
}

/// Nobody can name a value of it: a conversation goes on until something ends it.
enum Never {}

/// What a program knows when a call did not give what it wanted.
enum End {
    /// A close_notify has come: `Reader::read` gives 0, or a handshake fails by that alert.
    Closed,
    /// `Reader::read` gives [`ErrorKind::UnexpectedEof`], or the socket has ended in the handshake.
    Truncated,
    /// The socket fails.
    Socket(io::Error),
    /// What came is refused, or is an alert.
    Refused(Error),
    /// The order to stop.
    Stopped,
    /// The part cannot be played on.
    Other(&'static str),
}

impl End {
    fn verdict(self) -> (Word, String) {
        match self {
            Self::Closed => (Word::Closed, String::new()),
            Self::Truncated => (Word::Truncated, "UnexpectedEof".to_owned()),
            Self::Socket(error) if error.kind() == ErrorKind::ConnectionReset => {
                (Word::Reset, error.to_string())
            }
            Self::Socket(error) => (Word::Failed, error.to_string()),
            Self::Refused(Error::AlertReceived(alert)) => (Word::Alert(alert.into()), format!("{alert:?}")),
            Self::Refused(error) => (Word::Failed, error.to_string()),
            Self::Stopped => (Word::Open, String::new()),
            Self::Other(what) => (Word::Failed, what.to_owned()),
        }
    }
}

struct Session {
    connection: Mutex<Connection>,
    socket: TcpStream,
    stop: Arc<Stop>,
    /// What reading has met behind data that is not taken yet.
    met: Mutex<Option<End>>,
}

impl Session {
    fn converse(&mut self, state: State, voice: &Voice, received: &mut u64) -> Result<Never, End> {
        self.shake_hands()?;
        if state == State::Handshake {
            return Err(End::Other("the handshake was completed"));
        }
        if state != State::Tickets {
            self.write(PING)?;
            let mut answer = Vec::new();
            while answer.len() < PONG.len() {
                self.read(&mut answer)?;
            }
            if answer != PONG {
                return Err(End::Other("no pong"));
            }
        }
        match state {
            State::Closed => self.lock().send_close_notify(),
            State::KeyUpdateAsked => self.lock().refresh_traffic_keys().map_err(End::Refused)?,
            _ => {}
        }
        self.flush()?;
        voice.say("ready");
        let amount = match state {
            State::Sending => SENDING,
            State::Blocked => BLOCKED,
            _ => 0,
        };
        self.read_while_writing(amount, voice, received)
    }

    fn shake_hands(&self) -> Result<(), End> {
        loop {
            self.flush()?;
            let connection = self.lock();
            if !connection.is_handshaking() {
                return Ok(());
            }
            drop(connection);
            self.fill()?;
        }
    }

    fn read_while_writing(&self, amount: usize, voice: &Voice, received: &mut u64) -> Result<Never, End> {
        thread::scope(|scope| {
            let writer = scope.spawn(move || {
                for _ in 0..amount / PIECE {
                    self.write(&[7; PIECE])?;
                }
                Ok(())
            });
            let mut data = Vec::new();
            let end = loop {
                let read = self.read(&mut data);
                *received += data.len() as u64;
                voice.received(*received);
                data.clear();
                if let Err(end) = read {
                    break end;
                }
            };
            // Wakes a write that stands still.
            self.socket.shutdown(Shutdown::Both).ok();
            let written = writer.join().unwrap();
            Err(match (end, written) {
                // The kernel tells a reset once, to whoever comes first; a read then finds a mere end.
                (End::Truncated, Err(End::Socket(error))) if error.kind() == ErrorKind::ConnectionReset => {
                    End::Socket(error)
                }
                (end, _) => end,
            })
        })
    }

    /// Waits for data.
    fn read(&self, data: &mut Vec<u8>) -> Result<(), End> {
        loop {
            let mut buffer = [0; PIECE];
            let read = self.lock().reader().read(&mut buffer);
            match read {
                Ok(0) => return Err(End::Closed),
                Ok(n) => {
                    data.extend_from_slice(&buffer[..n]);
                    return Ok(());
                }
                Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(End::Truncated),
                Err(_) => {}
            }
            let mut met = self.met.lock().unwrap_or_else(PoisonError::into_inner);
            // Data before it counts, and has been taken by now.
            if let Some(end) = met.take() {
                return Err(end);
            }
            *met = self.fill().err();
        }
    }

    /// Gives rustls what the socket has.
    fn fill(&self) -> Result<(), End> {
        let mut buffer = [0; PIECE];
        let read = (&self.socket).read(&mut buffer).map_err(End::Socket)?;
        if read == 0 && self.stop.is_given() {
            return Err(End::Stopped);
        }
        let mut connection = self.lock();
        let mut left = &buffer[..read];
        loop {
            connection.read_tls(&mut left).map_err(End::Socket)?;
            match connection.process_new_packets() {
                Ok(_) if read == 0 && connection.is_handshaking() => return Err(End::Truncated),
                Ok(_) => {}
                Err(Error::AlertReceived(AlertDescription::CloseNotify)) => return Err(End::Closed),
                Err(error) => return Err(End::Refused(error)),
            }
            if left.is_empty() {
                return Ok(());
            }
        }
    }

    fn write(&self, data: &[u8]) -> Result<(), End> {
        self.lock().writer().write_all(data).map_err(End::Socket)?;
        self.flush()
    }

    /// Only one thread calls it at a time: the one that writes.
    fn flush(&self) -> Result<(), End> {
        let mut out = Vec::new();
        let mut connection = self.lock();
        while connection.wants_write() {
            connection.write_tls(&mut out).map_err(End::Socket)?;
        }
        drop(connection);
        (&self.socket).write_all(&out).map_err(End::Socket)
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn connection(part: &Part) -> Result<Connection, Error> {
    let versions: &[&SupportedProtocolVersion] = match part.version {
        Version::Tls12 => &[&rustls::version::TLS12],
        Version::Tls13 => &[&rustls::version::TLS13],
    };
    let file = |name: &str| part.certificates.join(name);
    let unreadable = |error: rustls::pki_types::pem::Error| Error::General(error.to_string());
    Ok(match part.role {
        Role::Client => {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from_pem_file(file("ca.pem")).map_err(unreadable)?)?;
            let config = ClientConfig::builder_with_protocol_versions(versions);
            let config = config.with_root_certificates(roots).with_no_client_auth();
            let name = ServerName::try_from(SERVER_NAME).map_err(|_| Error::General("name".to_owned()))?;
            ClientConnection::new(Arc::new(config), name)?.into()
        }
        Role::Server => {
            let chain = CertificateDer::pem_file_iter(file("chain.pem")).map_err(unreadable)?;
            let chain = chain.collect::<Result<_, _>>().map_err(unreadable)?;
            let key = PrivateKeyDer::from_pem_file(file("key.pem")).map_err(unreadable)?;
            let config = ServerConfig::builder_with_protocol_versions(versions);
            let config = config.with_no_client_auth().with_single_cert(chain, key)?;
            ServerConnection::new(Arc::new(config))?.into()
        }
    })
}

/// As the lock file has it.
fn version() -> &'static str {
    let lock = include_str!("../../../../Cargo.lock");
    let entry = lock.split("[[package]]").find(|entry| entry.contains("name = \"rustls\"\n"));
    let version = entry.and_then(|entry| entry.split("version = \"").nth(1));
    version.and_then(|rest| rest.split('"').next()).unwrap_or("unknown")
}

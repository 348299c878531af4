//! rustls, fed one record at a time.
//!
//! The engine keeps the bytes it was fed until rustls says that they may go: a handshake message that spans records is decrypted in
//! place and looked at again. Feeding one record at a time leaves what follows the handshake to the caller.

use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::ServerName;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, UnbufferedStatus};
use rustls::{CommonState, ProtocolVersion};

use super::Tickets;
use crate::credentials::slot::{ConnectionSlot, with_slot};
use crate::credentials::{InboundCredentials, OutboundCredentials};

enum Connection {
    Client(Box<UnbufferedClientConnection>),
    Server(Box<UnbufferedServerConnection>),
}

/// One handshake of rustls.
pub(super) struct Engine {
    connection: Connection,
    /// Fed, and not yet released by rustls.
    held: Vec<u8>,
}

/// Where the engine stands after it was fed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress {
    WantsMore,
    Finished,
}

impl Engine {
    /// A client; rustls writes the ClientHello on the first [`Engine::drive`].
    pub(super) fn client(
        credentials: &OutboundCredentials,
        server_name: ServerName<'static>,
        alpn: Vec<Vec<u8>>,
        slot: &mut Box<ConnectionSlot>,
    ) -> Result<Self, rustls::Error> {
        let connection = with_slot(slot, || {
            UnbufferedClientConnection::new_with_alpn(credentials.client_config().clone(), server_name, alpn)
        })?;
        Ok(Self { connection: Connection::Client(Box::new(connection)), held: Vec::new() })
    }

    pub(super) fn server(
        credentials: &InboundCredentials,
        alpn: Option<&[Vec<u8>]>,
        slot: &mut Box<ConnectionSlot>,
    ) -> Result<Self, rustls::Error> {
        let connection =
            with_slot(slot, || UnbufferedServerConnection::new(credentials.server_config(alpn)))?;
        Ok(Self { connection: Connection::Server(Box::new(connection)), held: Vec::new() })
    }

    /// Takes one whole record and whatever handshake bytes it makes rustls write.
    pub(super) fn feed(
        &mut self,
        record: &[u8],
        slot: &mut Box<ConnectionSlot>,
        output: &mut Vec<u8>,
    ) -> Result<Progress, rustls::Error> {
        self.held.extend_from_slice(record);
        self.drive(slot, output)
    }

    /// Runs rustls until it wants more input, is finished, or fails.
    pub(super) fn drive(
        &mut self,
        slot: &mut Box<ConnectionSlot>,
        output: &mut Vec<u8>,
    ) -> Result<Progress, rustls::Error> {
        let Self { connection, held } = self;
        with_slot(slot, || {
            loop {
                let (discard, next) = match connection {
                    Connection::Client(client) => act(client.process_tls_records(held), output),
                    Connection::Server(server) => act(server.process_tls_records(held), output),
                };
                held.drain(..discard.min(held.len()));
                match next {
                    Act::Again => {}
                    Act::Blocked => return Ok(Progress::WantsMore),
                    // A TLS 1.3 server may write before it has seen the client's Finished.
                    Act::MayWrite if common(connection).is_handshaking() => return Ok(Progress::WantsMore),
                    Act::MayWrite => return Ok(Progress::Finished),
                    Act::Failed(error) => return Err(error),
                }
            }
        })
    }

    /// Behind a failure: what rustls still wants to say, its alert last. It has to see the held bytes again, and must not be run
    /// beyond its own output, or it fails on them a second time.
    pub(super) fn drain_failed(&mut self, slot: &mut Box<ConnectionSlot>, output: &mut Vec<u8>) {
        let Self { connection, held } = self;
        with_slot(slot, || {
            while common(connection).wants_write() {
                let (discard, next) = match connection {
                    Connection::Client(client) => act(client.process_tls_records(held), output),
                    Connection::Server(server) => act(server.process_tls_records(held), output),
                };
                held.drain(..discard.min(held.len()));
                if !matches!(next, Act::Again) {
                    break;
                }
            }
        });
    }

    pub(super) fn state(&self) -> &CommonState {
        common(&self.connection)
    }

    /// What a TLS 1.3 client keeps for session tickets, if it wants any.
    pub(super) fn into_tickets(self, slot: &ConnectionSlot) -> Result<Option<Tickets>, rustls::Error> {
        let is_tls13 = self.state().protocol_version() == Some(ProtocolVersion::TLSv1_3);
        match (self.connection, slot.for_tickets()) {
            (Connection::Client(client), Some(slot)) if is_tls13 => {
                let (_, kernel) = client.dangerous_into_kernel_connection()?;
                Ok(Some(Tickets::new(kernel, slot)))
            }
            _ => Ok(None),
        }
    }
}

impl core::fmt::Debug for Engine {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Engine").field("held", &self.held.len()).finish_non_exhaustive()
    }
}

fn common(connection: &Connection) -> &CommonState {
    match connection {
        Connection::Client(client) => client,
        Connection::Server(server) => server,
    }
}

enum Act {
    Again,
    Blocked,
    MayWrite,
    Failed(rustls::Error),
}

/// Does the one thing rustls asks for.
fn act<Data>(status: UnbufferedStatus<'_, '_, Data>, output: &mut Vec<u8>) -> (usize, Act) {
    let next = match status.state {
        Ok(ConnectionState::EncodeTlsData(mut pending)) => {
            let at = output.len();
            let mut fits = pending.encode(&mut []);
            if let Err(EncodeError::InsufficientSize(short)) = &fits {
                output.resize(at + short.required_size, 0);
                fits = pending.encode(output.get_mut(at..).unwrap_or_default());
            }
            match fits {
                Ok(written) => {
                    output.truncate(at + written);
                    Act::Again
                }
                Err(_) => {
                    Act::Failed(rustls::Error::General("a handshake record could not be written".into()))
                }
            }
        }
        Ok(ConnectionState::TransmitTlsData(sent)) => {
            sent.done();
            Act::Again
        }
        Ok(ConnectionState::BlockedHandshake) => Act::Blocked,
        Ok(ConnectionState::WriteTraffic(_)) => Act::MayWrite,
        // One record at a time is fed and none behind the end of the handshake; alerts are taken out before. So neither data
        // nor a close reaches rustls, and early data is never offered.
        Ok(_) => Act::Failed(rustls::Error::InappropriateMessage {
            expect_types: vec![rustls::ContentType::Handshake],
            got_type: rustls::ContentType::ApplicationData,
        }),
        Err(error) => Act::Failed(error),
    };
    (status.discard, next)
}

//! [`TlsAcceptor`]: what a server's connections have in common.

use std::io::{self, Read, Write};
use std::sync::Arc;

use openschannel::ContextOptions;
use openschannel::credentials::{
    CipherSuite, ClientAuth, Identity, InboundBuilder, InboundCredentials, KeyLog, NamedGroup, Protocols,
    ServerSessionStore, Trust, Validation,
};
use openschannel::status::Error;

use crate::{Driver, Truncation, blocking};

/// Accepts clients. Clones share their credentials, and with them the sessions to resume.
///
/// ```no_run
/// use std::time::Duration;
///
/// use openschannel::credentials::Identity;
/// use openschannel_stream::TlsAcceptor;
///
/// let identity = Identity::from_pem(&std::fs::read("chain.pem")?, &std::fs::read("key.pem")?)?;
/// let acceptor = TlsAcceptor::builder().identity(identity).build()?;
/// for socket in std::net::TcpListener::bind("127.0.0.1:4433")?.incoming() {
///     let acceptor = acceptor.clone();
///     std::thread::spawn(move || {
///         let mut stream = acceptor.accept(socket?)?;
///         std::io::Write::write_all(&mut stream, b"hello\n")?;
///         stream.close(Duration::from_secs(2))
///     });
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct TlsAcceptor {
    credentials: InboundCredentials,
    options: ContextOptions,
    truncation: Truncation,
}

impl TlsAcceptor {
    /// Everything at its default, and no certificate yet: TLS 1.2 and 1.3, clients are not asked for theirs,
    /// [`Truncation::Strict`].
    pub fn builder() -> TlsAcceptorBuilder {
        InboundCredentials::builder().into()
    }

    /// Accepts a client over a transport that blocks. It waits as long as the transport does, and a timeout of that begins with every
    /// byte that comes: where clients are strangers, [`begin`](Self::begin), and then
    /// [`handshake_within`](blocking::TlsStream::handshake_within).
    ///
    /// # Errors
    /// As [`handshake`](blocking::TlsStream::handshake). The transport goes with the error: where it is wanted back, or does not
    /// block, use [`begin`](Self::begin).
    pub fn accept<S: Read + Write>(&self, transport: S) -> io::Result<blocking::TlsStream<S>> {
        let mut stream = self.begin(transport);
        stream.handshake()?;
        Ok(stream)
    }

    /// A stream with its handshake still to do: call [`handshake`](blocking::TlsStream::handshake), and again while the transport
    /// says [`WouldBlock`](io::ErrorKind::WouldBlock).
    pub fn begin<S: Read + Write>(&self, transport: S) -> blocking::TlsStream<S> {
        let mut stream = blocking::TlsStream::from_driver(transport, self.driver());
        stream.set_truncation(self.truncation);
        stream
    }

    /// Accepts a client over an asynchronous transport. Dropping the future drops the transport too, and so it can be given a time
    /// (`tokio::time::timeout`): by itself it waits for ever.
    ///
    /// # Errors
    /// As [`accept`](Self::accept); the counterpart of [`begin`](Self::begin) is [`begin_async`](Self::begin_async).
    #[cfg(feature = "tokio")]
    pub async fn accept_async<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin>(
        &self,
        transport: S,
    ) -> io::Result<crate::tokio::TlsStream<S>> {
        let mut stream = self.begin_async(transport);
        stream.handshake().await?;
        Ok(stream)
    }

    /// A stream with its handshake still to do: [`handshake`](crate::tokio::TlsStream::handshake), whose future may be dropped and
    /// asked for again.
    #[cfg(feature = "tokio")]
    pub fn begin_async<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin>(
        &self,
        transport: S,
    ) -> crate::tokio::TlsStream<S> {
        let mut stream = crate::tokio::TlsStream::from_driver(transport, self.driver());
        stream.set_truncation(self.truncation);
        stream
    }

    /// A connection without I/O.
    pub fn driver(&self) -> Driver {
        Driver::server(&self.credentials, &self.options)
    }
}

/// What is asked of a [`TlsAcceptor`]. For rarer wishes make it [`From`] an [`InboundBuilder`].
#[derive(Clone, Debug)]
pub struct TlsAcceptorBuilder {
    credentials: InboundBuilder,
    options: ContextOptions,
    truncation: Truncation,
}

common_settings!(TlsAcceptorBuilder of InboundBuilder, TlsAcceptor of InboundCredentials);

impl TlsAcceptorBuilder {
    /// Adds a certificate. Of several the first one is used that fits the name and the algorithms the client asks for.
    #[must_use]
    pub fn identity(mut self, identity: Identity) -> Self {
        self.credentials = self.credentials.identity(identity);
        self
    }

    /// Whether clients are asked for certificates. Default: [`ClientAuth::None`].
    #[must_use]
    pub fn client_auth(mut self, client_auth: ClientAuth) -> Self {
        self.credentials = self.credentials.client_auth(client_auth);
        self
    }

    /// Where sessions to resume are kept. Default: with the acceptor.
    #[must_use]
    pub fn session_store(mut self, store: Arc<dyn ServerSessionStore>) -> Self {
        self.credentials = self.credentials.session_store(store);
        self
    }

    /// Whether clients are given tickets to resume sessions with. Default: yes.
    #[must_use]
    pub fn tickets(mut self, tickets: bool) -> Self {
        self.credentials = self.credentials.tickets(tickets);
        self
    }
}

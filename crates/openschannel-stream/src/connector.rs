//! [`TlsConnector`]: what a client's connections have in common.

use std::io::{self, Read, Write};
use std::sync::Arc;

use openschannel::ContextOptions;
use openschannel::credentials::{
    CipherSuite, ClientSessionStore, Identity, KeyLog, NamedGroup, OutboundBuilder, OutboundCredentials,
    Protocols, Trust, Validation,
};
use openschannel::status::Error;

use crate::error::unusable;
use crate::{Driver, Truncation, blocking};

/// Connects clients. Clones share their credentials, and with them the sessions to resume.
///
/// ```no_run
/// use std::io::{Read, Write};
/// use std::time::Duration;
///
/// use openschannel_stream::TlsConnector;
///
/// let connector = TlsConnector::builder().build()?; // trusts whom the system trusts
/// let socket = std::net::TcpStream::connect("example.org:443")?;
/// let mut stream = connector.connect("example.org", socket)?;
/// stream.write_all(b"GET / HTTP/1.1\r\nHost: example.org\r\nConnection: close\r\n\r\n")?;
/// let mut answer = Vec::new();
/// stream.read_to_end(&mut answer)?;
/// stream.close(Duration::from_secs(2))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct TlsConnector {
    credentials: OutboundCredentials,
    options: ContextOptions,
    truncation: Truncation,
}

impl TlsConnector {
    /// Everything at its default: the system's trust, TLS 1.2 and 1.3, no client certificate, [`Truncation::Strict`].
    pub fn builder() -> TlsConnectorBuilder {
        OutboundCredentials::builder().into()
    }

    /// Connects to `target` over a transport that blocks.
    ///
    /// # Errors
    /// [`InvalidInput`](io::ErrorKind::InvalidInput): the target cannot be a server's name. Otherwise as
    /// [`handshake`](blocking::TlsStream::handshake). The transport goes with the error: where it is wanted back, or does not block,
    /// use [`begin`](Self::begin).
    pub fn connect<S: Read + Write>(&self, target: &str, transport: S) -> io::Result<blocking::TlsStream<S>> {
        let mut stream = self.begin(target, transport)?;
        stream.handshake()?;
        Ok(stream)
    }

    /// A stream with its handshake still to do: call [`handshake`](blocking::TlsStream::handshake), and again while the transport
    /// says [`WouldBlock`](io::ErrorKind::WouldBlock).
    ///
    /// # Errors
    /// [`InvalidInput`](io::ErrorKind::InvalidInput): the target cannot be a server's name.
    pub fn begin<'t, S: Read + Write>(
        &self,
        target: impl Into<Option<&'t str>>,
        transport: S,
    ) -> io::Result<blocking::TlsStream<S>> {
        let driver = self.driver(target).map_err(unusable)?;
        let mut stream = blocking::TlsStream::from_driver(transport, driver);
        stream.set_truncation(self.truncation);
        Ok(stream)
    }

    /// Connects to `target` over an asynchronous transport. Dropping the future drops the transport too.
    ///
    /// # Errors
    /// As [`connect`](Self::connect); the counterpart of [`begin`](Self::begin) is [`begin_async`](Self::begin_async).
    #[cfg(feature = "tokio")]
    pub async fn connect_async<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin>(
        &self,
        target: &str,
        transport: S,
    ) -> io::Result<crate::tokio::TlsStream<S>> {
        let mut stream = self.begin_async(target, transport)?;
        stream.handshake().await?;
        Ok(stream)
    }

    /// A stream with its handshake still to do: [`handshake`](crate::tokio::TlsStream::handshake), whose future may be dropped and
    /// asked for again.
    ///
    /// # Errors
    /// As [`begin`](Self::begin).
    #[cfg(feature = "tokio")]
    pub fn begin_async<'t, S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin>(
        &self,
        target: impl Into<Option<&'t str>>,
        transport: S,
    ) -> io::Result<crate::tokio::TlsStream<S>> {
        let driver = self.driver(target).map_err(unusable)?;
        let mut stream = crate::tokio::TlsStream::from_driver(transport, driver);
        stream.set_truncation(self.truncation);
        Ok(stream)
    }

    /// A connection without I/O. Without a target no name is sent and no session kept, and automatic validation refuses every
    /// server unless the name check is off.
    ///
    /// # Errors
    /// As [`Driver::client`].
    pub fn driver<'t>(&self, target: impl Into<Option<&'t str>>) -> Result<Driver, Error> {
        Driver::client(&self.credentials, target.into(), &self.options)
    }
}

/// What is asked of a [`TlsConnector`]. For rarer wishes make it [`From`] an [`OutboundBuilder`].
#[derive(Clone, Debug)]
pub struct TlsConnectorBuilder {
    credentials: OutboundBuilder,
    options: ContextOptions,
    truncation: Truncation,
}

common_settings!(TlsConnectorBuilder of OutboundBuilder, TlsConnector of OutboundCredentials);

impl TlsConnectorBuilder {
    /// The client certificate, for servers that ask for one. Default: none.
    #[must_use]
    pub fn identity(mut self, identity: Identity) -> Self {
        self.credentials = self.credentials.identity(identity);
        self
    }

    /// Whether the server's certificate must be for the target. Default: yes.
    #[must_use]
    pub fn server_name_check(mut self, check: bool) -> Self {
        self.credentials = self.credentials.server_name_check(check);
        self
    }

    /// Where sessions to resume are kept. Default: with the connector.
    #[must_use]
    pub fn session_store(mut self, store: Arc<dyn ClientSessionStore>) -> Self {
        self.credentials = self.credentials.session_store(store);
        self
    }
}

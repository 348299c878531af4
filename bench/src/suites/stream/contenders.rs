//! Whose streams are compared, and how each is made.

use std::io;
use std::net::TcpStream;
use std::sync::Arc;
use std::thread;

use openschannel::ContextOptions;
use openschannel::credentials::{
    CipherSuite, Identity, InboundCredentials, NamedGroup, OutboundCredentials, Trust,
};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::peers::rustls::{client_config, server_config};
use crate::setup::{NAME, Setup, certificates};

use super::pair::{Asynchronous, Blocking, Pair, runtime, sockets};

/// This project's streams.
pub(super) const OWN: &str = crate::peers::RUST_API;
/// No TLS.
pub(super) const PLAIN: &str = "TCP alone";

/// rustls' stream of that kind.
pub(super) fn rustls_name(blocking: bool) -> &'static str {
    if blocking { "rustls::StreamOwned" } else { "tokio-rustls" }
}

/// Makes connections.
pub(super) struct Maker {
    pub(super) name: &'static str,
    pub(super) make: fn(&Setup) -> io::Result<Box<dyn Pair>>,
}

/// Everybody who is built in, in the order of tables.
pub(super) fn makers(blocking: bool) -> Vec<Maker> {
    let rustls = rustls_name(blocking);
    if blocking {
        vec![
            Maker { name: OWN, make: own },
            Maker { name: rustls, make: rustls_owned },
            #[cfg(feature = "openssl")]
            Maker { name: "OpenSSL, openssl::ssl::SslStream", make: openssl::blocking },
            Maker { name: PLAIN, make: plain },
        ]
    } else {
        vec![
            Maker { name: OWN, make: own_tokio },
            Maker { name: rustls, make: tokio_rustls },
            #[cfg(feature = "openssl")]
            Maker { name: "OpenSSL, tokio-openssl", make: openssl::asynchronous },
            Maker { name: PLAIN, make: plain_tokio },
        ]
    }
}

fn plain(_: &Setup) -> io::Result<Box<dyn Pair>> {
    let (client, server) = sockets()?;
    Ok(Box::new(Blocking { client, server }))
}

fn plain_tokio(_: &Setup) -> io::Result<Box<dyn Pair>> {
    asynchronous(async |socket| Ok(socket), async |socket| Ok(socket))
}

fn own(setup: &Setup) -> io::Result<Box<dyn Pair>> {
    use openschannel_stream::blocking::TlsStream;
    let (outbound, inbound) = own_credentials(setup);
    let options = ContextOptions::default();
    blocking(
        |socket| TlsStream::connect(socket, &outbound, Some(NAME), &options),
        |socket| TlsStream::accept(socket, &inbound, &options),
    )
}

fn own_tokio(setup: &Setup) -> io::Result<Box<dyn Pair>> {
    use openschannel_stream::tokio::TlsStream;
    let (outbound, inbound) = own_credentials(setup);
    let options = ContextOptions::default();
    asynchronous(
        async |socket| TlsStream::connect(socket, &outbound, Some(NAME), &options).await,
        async |socket| TlsStream::accept(socket, &inbound, &options).await,
    )
}

fn own_credentials(setup: &Setup) -> (OutboundCredentials, InboundCredentials) {
    let certificates = certificates(setup.key);
    let suite = [CipherSuite::from_id(setup.suite()).expect("a known suite")];
    let identity = Identity::from_der(vec![certificates.leaf_der.clone()], &certificates.key_der);
    let outbound = OutboundCredentials::builder()
        .trust(Trust::Roots(vec![certificates.root_der.clone()]))
        .cipher_suites(&suite)
        .groups(&[NamedGroup::X25519])
        .resumption(false)
        .acquire();
    let inbound = InboundCredentials::builder()
        .identity(identity.expect("certificate and key belong together"))
        .cipher_suites(&suite)
        .groups(&[NamedGroup::X25519])
        .resumption(false)
        .acquire();
    (outbound.expect("a possible policy"), inbound.expect("a possible policy"))
}

fn rustls_owned(setup: &Setup) -> io::Result<Box<dyn Pair>> {
    use rustls::{ClientConnection, ServerConnection, StreamOwned};
    let (client, server) = (Arc::new(client_config(setup)), Arc::new(server_config(setup)));
    blocking(
        |socket| {
            let connection = ClientConnection::new(client, NAME.try_into().expect("a name"));
            Ok(StreamOwned::new(connection.map_err(io::Error::other)?, socket))
        },
        |socket| Ok(StreamOwned::new(ServerConnection::new(server).map_err(io::Error::other)?, socket)),
    )
}

fn tokio_rustls(setup: &Setup) -> io::Result<Box<dyn Pair>> {
    let connector = tokio_rustls::TlsConnector::from(Arc::new(client_config(setup)));
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(server_config(setup)));
    asynchronous(
        async |socket| connector.connect(NAME.try_into().expect("a name"), socket).await,
        async |socket| acceptor.accept(socket).await,
    )
}

/// Blocking streams, with a byte sent each way: then the handshake is over at both ends, whoever does it when.
fn blocking<C, S>(
    connect: impl FnOnce(TcpStream) -> io::Result<C>,
    accept: impl FnOnce(TcpStream) -> io::Result<S> + Send,
) -> io::Result<Box<dyn Pair>>
where
    C: io::Read + io::Write + Send + 'static,
    S: io::Read + io::Write + Send + 'static,
{
    let (client, server) = sockets()?;
    thread::scope(|scope| {
        let server = scope.spawn(|| {
            let mut server = accept(server)?;
            server.read_exact(&mut [0])?;
            server.write_all(&[0])?;
            server.flush().map(|()| server)
        });
        let mut client = connect(client)?;
        client.write_all(&[0])?;
        client.flush()?;
        client.read_exact(&mut [0])?;
        let server = server.join().map_err(|_| io::Error::other("the server's thread has panicked"))??;
        Ok(Box::new(Blocking { client, server }) as Box<dyn Pair>)
    })
}

/// As [`blocking`], each in a runtime of its own.
fn asynchronous<C, S>(
    connect: impl AsyncFnOnce(tokio::net::TcpStream) -> io::Result<C>,
    accept: impl AsyncFnOnce(tokio::net::TcpStream) -> io::Result<S> + Send,
) -> io::Result<Box<dyn Pair>>
where
    C: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (client, server) = sockets()?;
    client.set_nonblocking(true)?;
    server.set_nonblocking(true)?;
    thread::scope(|scope| {
        let server = scope.spawn(|| {
            let runtime = runtime()?;
            let server = runtime.block_on(async {
                let mut server = accept(tokio::net::TcpStream::from_std(server)?).await?;
                server.read_exact(&mut [0]).await?;
                server.write_all(&[0]).await?;
                server.flush().await.map(|()| server)
            })?;
            io::Result::Ok((runtime, Some(server)))
        });
        let runtime = runtime()?;
        let client = runtime.block_on(async {
            let mut client = connect(tokio::net::TcpStream::from_std(client)?).await?;
            client.write_all(&[0]).await?;
            client.flush().await?;
            client.read_exact(&mut [0]).await?;
            io::Result::Ok(client)
        })?;
        let server = server.join().map_err(|_| io::Error::other("the server's thread has panicked"))??;
        Ok(Box::new(Asynchronous { client: (runtime, Some(client)), server }) as Box<dyn Pair>)
    })
}

/// OpenSSL's streams.
#[cfg(feature = "openssl")]
mod openssl {
    use std::pin::Pin;

    use ::openssl::pkey::PKey;
    use ::openssl::ssl::{Ssl, SslContext, SslContextBuilder, SslMethod, SslVerifyMode, SslVersion};
    use ::openssl::x509::X509;
    use tokio_openssl::SslStream;

    use super::*;

    pub(super) fn blocking(setup: &Setup) -> io::Result<Box<dyn Pair>> {
        let (client, server) = contexts(setup).map_err(io::Error::other)?;
        super::blocking(
            |socket| client_of(&client)?.connect(socket).map_err(io::Error::other),
            |socket| Ssl::new(&server).map_err(io::Error::other)?.accept(socket).map_err(io::Error::other),
        )
    }

    pub(super) fn asynchronous(setup: &Setup) -> io::Result<Box<dyn Pair>> {
        let (client, server) = contexts(setup).map_err(io::Error::other)?;
        super::asynchronous(
            async |socket| {
                let mut stream = SslStream::new(client_of(&client)?, socket).map_err(io::Error::other)?;
                Pin::new(&mut stream).connect().await.map_err(io::Error::other)?;
                Ok(stream)
            },
            async |socket| {
                let ssl = Ssl::new(&server).map_err(io::Error::other)?;
                let mut stream = SslStream::new(ssl, socket).map_err(io::Error::other)?;
                Pin::new(&mut stream).accept().await.map_err(io::Error::other)?;
                Ok(stream)
            },
        )
    }

    fn client_of(context: &SslContext) -> io::Result<Ssl> {
        let mut ssl = Ssl::new(context).map_err(io::Error::other)?;
        ssl.set_hostname(NAME).map_err(io::Error::other)?;
        ssl.param_mut().set_host(NAME).map_err(io::Error::other)?;
        Ok(ssl)
    }

    /// TLS 1.3 with AES-128-GCM, and no tickets, as with the others.
    fn contexts(setup: &Setup) -> Result<(SslContext, SslContext), ::openssl::error::ErrorStack> {
        let certificates = certificates(setup.key);
        let builder = || {
            let mut builder = SslContextBuilder::new(SslMethod::tls())?;
            builder.set_min_proto_version(Some(SslVersion::TLS1_3))?;
            builder.set_ciphersuites("TLS_AES_128_GCM_SHA256")?;
            builder.set_groups_list("X25519")?;
            Ok::<_, ::openssl::error::ErrorStack>(builder)
        };
        let (mut client, mut server) = (builder()?, builder()?);
        client.cert_store_mut().add_cert(X509::from_der(&certificates.root_der)?)?;
        client.set_verify(SslVerifyMode::PEER);
        let (leaf, key) =
            (X509::from_der(&certificates.leaf_der)?, PKey::private_key_from_der(&certificates.key_der)?);
        server.set_certificate(&leaf)?;
        server.set_private_key(&key)?;
        server.set_num_tickets(0)?;
        Ok((client.build(), server.build()))
    }
}

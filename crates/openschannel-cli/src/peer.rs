//! Whom `connect` and `probe` speak to, whom they trust, and what to do where that fails.

use std::fmt;
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use openschannel::credentials::{OutboundBuilder, Validation};
use openschannel::status::ErrorStatus;
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::time::{Instant, timeout, timeout_at};

use crate::exit::Failure;
use crate::options::{IdentityOptions, read_roots};

/// For a connection that cannot be made.
pub(crate) const NETWORK_HINT: &str =
    "is the name right, is the server running, and does a firewall let you through?";

/// For a dialogue before TLS that fails.
pub(crate) const STARTTLS_HINT: &str = "is this the port for it, and is --starttls the right protocol?";

/// The server, and both sides' certificates.
#[derive(Debug, Args)]
pub(crate) struct PeerOptions {
    /// Where to: name or address, and port; an IPv6 address in brackets
    #[arg(value_name = "HOST:PORT", value_parser = parse_address)]
    pub(crate) address: Address,
    /// The server's name, for SNI and to check the certificate against [default: HOST]
    #[arg(long, value_name = "NAME")]
    sni: Option<String>,
    /// Trust these root certificates (PEM) in place of the system's
    #[arg(long, value_name = "FILE", conflicts_with = "insecure")]
    ca: Option<PathBuf>,
    /// Do not verify the server's certificate at all: whoever sits on the wire can read and change everything
    #[arg(long)]
    insecure: bool,
    #[command(flatten)]
    identity: IdentityOptions,
}

impl PeerOptions {
    /// The server's name.
    pub(crate) fn name(&self) -> &str {
        self.sni.as_deref().unwrap_or(&self.address.host)
    }

    /// Whom to trust, and the own certificate.
    pub(crate) fn credentials(&self, mut builder: OutboundBuilder) -> Result<OutboundBuilder, Failure> {
        if let Some(path) = &self.ca {
            builder = builder.trust(read_roots(path)?);
        }
        if self.insecure {
            builder = builder.validation(Validation::Manual);
        }
        if let Some(identity) = self.identity.load()? {
            builder = builder.identity(identity);
        }
        Ok(builder)
    }
}

/// HOST:PORT, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Address {
    /// A name may have addresses that do not answer, so each that is left has its share of the time.
    pub(crate) async fn connect(&self, time: Duration, receive_window: Option<u32>) -> io::Result<TcpStream> {
        let end = Instant::now() + time;
        let found = timeout_at(end, lookup_host((self.host.as_str(), self.port)));
        let all: Vec<_> = found.await.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()))?.collect();
        let mut last = io::Error::new(ErrorKind::NotFound, "the name has no address");
        for (address, left) in all.iter().zip((1..=all.len()).rev()) {
            let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
            if let Some(bytes) = receive_window {
                socket.set_recv_buffer_size(bytes)?;
            }
            let rest = end.saturating_duration_since(Instant::now());
            let share = rest / u32::try_from(left).unwrap_or(u32::MAX);
            match timeout(share, socket.connect(*address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => last = error,
                Err(_) => last = ErrorKind::TimedOut.into(),
            }
        }
        Err(last)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

/// For a certificate of the server's that was refused.
pub(crate) fn certificate_hint(status: ErrorStatus) -> Option<&'static str> {
    match status {
        ErrorStatus::UntrustedRoot => Some(
            "if you trust the server's certificate, name it or its authority with --ca FILE; --insecure does not look \
             at it",
        ),
        ErrorStatus::WrongPrincipal => {
            Some("the certificate is for another name: --sni NAME says which one to expect")
        }
        ErrorStatus::CertExpired => {
            Some("has this machine the right date? --insecure does not look at the certificate")
        }
        _ => None,
    }
}

fn parse_address(text: &str) -> Result<Address, String> {
    let (host, port) =
        text.rsplit_once(':').ok_or("the port is missing; write HOST:PORT, such as example.org:443")?;
    let port =
        port.parse().map_err(|_| format!("`{port}` is no port; write HOST:PORT, such as example.org:443"))?;
    let host = match host.strip_prefix('[').map(|rest| rest.strip_suffix(']')) {
        Some(Some(address)) => address,
        Some(None) => return Err("a bracket is not closed; write [ADDRESS]:PORT".to_owned()),
        None if host.contains(':') => {
            return Err("an IPv6 address goes into brackets, such as [::1]:443".to_owned());
        }
        None => host,
    };
    if host.is_empty() {
        return Err("the host is missing; write HOST:PORT, such as example.org:443".to_owned());
    }
    Ok(Address { host: host.to_owned(), port })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_ports() {
        let parsed = |text: &str| parse_address(text).map(|address| (address.host, address.port)).ok();
        assert_eq!(parsed("example.org:443"), Some(("example.org".to_owned(), 443)));
        assert_eq!(parsed("127.0.0.1:1"), Some(("127.0.0.1".to_owned(), 1)));
        assert_eq!(parsed("[::1]:443"), Some(("::1".to_owned(), 443)));
        for bad in ["example.org", ":443", "::1:443", "[::1:443", "a:", "a:65536", "a:-1", "", "[]:1"] {
            assert_eq!(parsed(bad), None, "{bad}");
        }
    }
}

//! What every question needs: whom to ask, and how.

use std::time::Duration;

use openschannel::credentials::{OutboundBuilder, OutboundCredentials, Protocols};

use crate::exit::Failure;
use crate::options::{Version, not_acquired};
use crate::peer::Address;
use crate::starttls;

use super::http::{self, Persistence};

/// For TCP, STARTTLS and the handshake together; more than --timeout says, if that is short.
const CONNECT_TIME: Duration = Duration::from_secs(10);

/// What questions that need no large response ask for: every HTTP server has some answer to it.
pub(super) const SMALL_PATH: &str = "/";

/// Whom to ask, and how.
pub(super) struct Setup {
    pub(super) address: Address,
    /// The server's name, for SNI and its certificate.
    pub(super) name: String,
    pub(super) starttls: Option<starttls::Protocol>,
    /// How long the server may be silent.
    pub(super) timeout: Duration,
    pub(super) idle_limit: Duration,
    /// The path of the large response; none: no HTTP.
    pub(super) http_path: Option<String>,
    credentials: [OutboundCredentials; 2],
    builder: OutboundBuilder,
}

impl Setup {
    pub(super) fn new(
        address: Address,
        name: String,
        starttls: Option<starttls::Protocol>,
        timeout: Duration,
        idle_limit: Duration,
        http_path: Option<String>,
        builder: OutboundBuilder,
    ) -> Result<Self, Failure> {
        let fresh = |version| {
            let builder = builder.clone().protocols(protocols(version)).resumption(false);
            builder.acquire().map_err(|error| not_acquired(&error))
        };
        let credentials = [fresh(Version::Tls12)?, fresh(Version::Tls13)?];
        Ok(Self { address, name, starttls, timeout, idle_limit, http_path, credentials, builder })
    }

    /// Credentials that never resume, so that no question depends on another.
    pub(super) fn credentials(&self, version: Version) -> &OutboundCredentials {
        match version {
            Version::Tls12 => &self.credentials[0],
            Version::Tls13 => &self.credentials[1],
        }
    }

    /// The same with credentials that resume, and have nothing to resume yet.
    pub(super) fn resuming(&self, version: Version) -> Option<Self> {
        let credentials = self.builder.clone().protocols(protocols(version)).acquire().ok()?;
        Some(Self {
            address: self.address.clone(),
            name: self.name.clone(),
            http_path: self.http_path.clone(),
            builder: self.builder.clone(),
            credentials: [credentials.clone(), credentials],
            ..*self
        })
    }

    pub(super) fn connect_time(&self) -> Duration {
        CONNECT_TIME.max(self.timeout)
    }

    /// A request for a response that may be small.
    pub(super) fn small_request(&self, persistence: Persistence) -> Vec<u8> {
        http::get(SMALL_PATH, &self.host_field(), persistence)
    }

    /// A request for what --http names.
    pub(super) fn large_request(&self, persistence: Persistence) -> Vec<u8> {
        let path = self.http_path.as_deref().unwrap_or(SMALL_PATH);
        http::get(path, &self.host_field(), persistence)
    }

    fn host_field(&self) -> String {
        let name = if self.name.contains(':') { format!("[{}]", self.name) } else { self.name.clone() };
        if self.address.port == 443 { name } else { format!("{name}:{}", self.address.port) }
    }
}

fn protocols(version: Version) -> Protocols {
    match version {
        Version::Tls12 => Protocols::TLS1_2,
        Version::Tls13 => Protocols::TLS1_3,
    }
}

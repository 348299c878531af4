//! rustls' own connections, with the same cryptography underneath.

mod buffered;
mod unbuffered;

use std::sync::Arc;

use rustls::client::{ClientSessionMemoryCache, Resumption};
use rustls::crypto::aws_lc_rs::{Ticketer, default_provider};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::server::NoServerSessionStorage;
use rustls::{
    ClientConfig, CommonState, HandshakeKind, NamedGroup, ProtocolVersion, RootCertStore, ServerConfig,
};

use super::{Connection, Endpoints, Library, RUSTLS_BUFFERED, RUSTLS_UNBUFFERED, establish};
use crate::setup::{Group, NAME, Negotiated, Setup, TICKETS, Version, certificates};

/// With rustls' buffers, or with its caller's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rustls {
    /// `ClientConnection` and `ServerConnection`.
    Buffered,
    /// `UnbufferedClientConnection` and `UnbufferedServerConnection`.
    Unbuffered,
}

impl Library for Rustls {
    fn name(&self) -> &'static str {
        match self {
            Self::Buffered => RUSTLS_BUFFERED,
            Self::Unbuffered => RUSTLS_UNBUFFERED,
        }
    }

    fn version(&self) -> String {
        crate::machine::locked("rustls").to_owned()
    }

    fn supports(&self, setup: &Setup) -> bool {
        setup.is_possible()
    }

    fn endpoints(&self, setup: &Setup) -> Box<dyn Endpoints> {
        let configs = Configs {
            api: *self,
            client: Arc::new(client_config(setup)),
            server: Arc::new(server_config(setup)),
        };
        if setup.resumed {
            drop(establish(&configs));
        }
        Box::new(configs)
    }
}

struct Configs {
    api: Rustls,
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
}

impl Endpoints for Configs {
    fn client(&self) -> Box<dyn Connection> {
        let (config, name) = (Arc::clone(&self.client), ServerName::try_from(NAME).expect("a name"));
        match self.api {
            Rustls::Buffered => buffered::client(config, name),
            Rustls::Unbuffered => unbuffered::client(config, name),
        }
    }

    fn server(&self) -> Box<dyn Connection> {
        match self.api {
            Rustls::Buffered => buffered::server(Arc::clone(&self.server)),
            Rustls::Unbuffered => unbuffered::server(Arc::clone(&self.server)),
        }
    }
}

/// A client that allows this setup alone, and remembers sessions if it is to resume them.
#[must_use]
pub fn client_config(setup: &Setup) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(certificates(setup.key).root_der.clone())).expect("a root");
    let mut config = ClientConfig::builder_with_provider(provider(setup))
        .with_safe_default_protocol_versions()
        .expect("a version of this suite")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.resumption = if setup.resumed {
        Resumption::store(Arc::new(ClientSessionMemoryCache::new(8)))
    } else {
        Resumption::disabled()
    };
    config
}

/// A server that allows this setup alone; it gives tickets if sessions are to be resumed.
#[must_use]
pub fn server_config(setup: &Setup) -> ServerConfig {
    let certificates = certificates(setup.key);
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(certificates.key_der.clone()));
    let mut config = ServerConfig::builder_with_provider(provider(setup))
        .with_safe_default_protocol_versions()
        .expect("a version of this suite")
        .with_no_client_auth()
        .with_single_cert(vec![CertificateDer::from(certificates.leaf_der.clone())], key)
        .expect("certificate and key belong together");
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = if setup.resumed { TICKETS } else { 0 };
    if setup.resumed {
        config.ticketer = Ticketer::new().expect("a ticketer");
    }
    config
}

fn provider(setup: &Setup) -> Arc<rustls::crypto::CryptoProvider> {
    let mut provider = default_provider();
    provider.cipher_suites.retain(|suite| u16::from(suite.suite()) == setup.suite());
    let groups: &[NamedGroup] = match (setup.group, setup.version) {
        (Group::X25519, Version::Tls13) => &[NamedGroup::X25519],
        (Group::X25519, Version::Tls12) => &[NamedGroup::X25519, NamedGroup::secp256r1],
        (Group::X25519Mlkem768, _) => &[NamedGroup::X25519MLKEM768],
    };
    provider.kx_groups.retain(|group| groups.contains(&group.name()));
    provider.kx_groups.sort_by_key(|group| groups.iter().position(|name| *name == group.name()));
    Arc::new(provider)
}

fn negotiated(state: &CommonState) -> Negotiated {
    Negotiated {
        version: match state.protocol_version() {
            Some(ProtocolVersion::TLSv1_2) => Version::Tls12,
            Some(ProtocolVersion::TLSv1_3) => Version::Tls13,
            other => panic!("{other:?}"),
        },
        suite: state.negotiated_cipher_suite().expect("established").suite().into(),
        group: state.negotiated_key_exchange_group().map(|group| group.name().into()),
        resumed: state.handshake_kind() == Some(HandshakeKind::Resumed),
    }
}

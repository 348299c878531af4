//! Tests of the room as a whole: real certificates, and real handshakes of the engine in memory.

mod certificates;
mod chain_memory;
mod clocks;
mod fixtures;
mod handshakes;
mod identities;
mod negotiation;
mod paths;
mod resumption;
mod stores;
mod validation;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SerialNumber, SignatureAlgorithm,
};
use rustls::{ClientConnection, HandshakeKind, ServerConnection};
use rustls_pki_types::ServerName;

use super::slot::{ConnectionSlot, with_slot};
use super::*;

/// A certification authority of the test's own.
pub(super) struct Authority {
    pub(super) der: Vec<u8>,
    pub(super) issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(super) fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = named(name, &[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let der = params.self_signed(&key).unwrap().der().to_vec();
        Self { der, issuer: Issuer::new(params, key) }
    }

    pub(super) fn trust(&self) -> Trust {
        Trust::Roots(vec![self.der.clone()])
    }

    /// A P-256 certificate for these names.
    pub(super) fn identity(&self, names: &[&str]) -> Identity {
        self.identity_with(&rcgen::PKCS_ECDSA_P256_SHA256, names, |_| ())
    }

    pub(super) fn identity_with(
        &self,
        algorithm: &'static SignatureAlgorithm,
        names: &[&str],
        edit: impl FnOnce(&mut CertificateParams),
    ) -> Identity {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let chain = vec![self.certificate(&key, names, edit)];
        Identity::from_der(chain, &key.serialize_der()).unwrap()
    }

    pub(super) fn certificate(
        &self,
        key: &KeyPair,
        names: &[&str],
        edit: impl FnOnce(&mut CertificateParams),
    ) -> Vec<u8> {
        let mut params = named("leaf", names);
        params.serial_number = Some(SerialNumber::from(4711));
        edit(&mut params);
        params.signed_by(key, &self.issuer).unwrap().der().to_vec()
    }
}

pub(super) fn named(name: &str, alternatives: &[&str]) -> CertificateParams {
    let alternatives: Vec<String> = alternatives.iter().map(|&name| name.into()).collect();
    let mut params = CertificateParams::new(alternatives).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

pub(super) fn leaf(identity: &Identity) -> Vec<u8> {
    identity.chain().next().unwrap().to_vec()
}

pub(super) fn days(count: u64) -> Duration {
    Duration::from_secs(count * 24 * 60 * 60)
}

/// A time at which the certificates made here are valid.
pub(super) fn noon() -> SystemTime {
    UNIX_EPOCH + days(20_000)
}

/// Both ends after a handshake, or after its failure.
pub(super) struct Outcome {
    pub(super) client: Result<(), rustls::Error>,
    pub(super) server: Result<(), rustls::Error>,
    pub(super) client_slot: ConnectionSlot,
    pub(super) server_slot: ConnectionSlot,
    pub(super) kind: Option<HandshakeKind>,
    pub(super) client_connection: ClientConnection,
}

impl Outcome {
    pub(super) fn succeeded(self) -> Self {
        assert_eq!((&self.client, &self.server), (&Ok(()), &Ok(())));
        self
    }

    pub(super) fn resumed(&self) -> bool {
        self.kind == Some(HandshakeKind::Resumed)
    }
}

pub(super) fn connect(client: &OutboundCredentials, server: &InboundCredentials, name: &str) -> Outcome {
    connect_with(client, server, name, slot_of(client), ConnectionSlot::default())
}

/// The slot of a context that presents its credential's certificate.
pub(super) fn slot_of(client: &OutboundCredentials) -> ConnectionSlot {
    ConnectionSlot { client_key: client.certified_key(), ..ConnectionSlot::default() }
}

pub(super) fn connect_with(
    client: &OutboundCredentials,
    server: &InboundCredentials,
    name: &str,
    mut client_slot: ConnectionSlot,
    mut server_slot: ConnectionSlot,
) -> Outcome {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let config = Arc::clone(client.client_config());
    let mut client = with_slot(&mut client_slot, || ClientConnection::new(config, name)).unwrap();
    let config = server.server_config(None);
    let mut server = with_slot(&mut server_slot, || ServerConnection::new(config)).unwrap();
    let (mut client_result, mut server_result) = (Ok(()), Ok(()));
    loop {
        let mut wire = Vec::new();
        client.write_tls(&mut wire).unwrap();
        let mut moved = !wire.is_empty();
        if server_result.is_ok() && moved {
            server.read_tls(&mut &wire[..]).unwrap();
            server_result = with_slot(&mut server_slot, || server.process_new_packets()).map(|_| ());
        }
        let mut wire = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut wire).unwrap();
        }
        moved |= !wire.is_empty();
        let mut rest = &wire[..];
        while client_result.is_ok() && !rest.is_empty() {
            client.read_tls(&mut rest).unwrap();
            client_result = with_slot(&mut client_slot, || client.process_new_packets()).map(|_| ());
        }
        if !moved {
            break;
        }
    }
    Outcome {
        kind: client.handshake_kind(),
        client: client_result,
        server: server_result,
        client_slot,
        server_slot,
        client_connection: client,
    }
}

/// The alert that the other end was sent.
pub(super) fn alert_of(result: &Result<(), rustls::Error>) -> u8 {
    match result {
        Err(rustls::Error::AlertReceived(description)) => (*description).into(),
        other => panic!("no alert arrived: {other:?}"),
    }
}

//! From a finished engine to the two halves of a connection, and to what can be asked about it.

use rustls::{HandshakeKind, SupportedCipherSuite};
use zeroize::Zeroizing;

use super::engine::Engine;
use super::key_schedule::{Exporter, TrafficSecret};
use super::tickets::{Resumption, Tickets};
use super::watch::Watch;
use crate::attributes::{Attributes, Protocol};
use crate::context::Role;
use crate::credentials::slot::{ConnectionSlot, EngineKeys};
use crate::credentials::{CipherSuite, NamedGroup, PostHandshake};
use crate::record::{Opener, Sealer};

/// What a finished handshake leaves.
#[derive(Debug)]
pub(crate) struct HandedOver {
    pub(crate) sealer: Sealer,
    pub(crate) opener: Opener,
    /// TLS 1.3: what the next generations of keys come from.
    pub(crate) send_secret: Option<TrafficSecret>,
    pub(crate) receive_secret: Option<TrafficSecret>,
    /// A TLS 1.3 client's.
    pub(crate) tickets: Option<Tickets>,
    /// Whether sessions of this connection may be stored.
    pub(crate) reconnects: bool,
    pub(crate) resumption: Resumption,
    pub(crate) attributes: Attributes,
    /// Records one key may protect (RFC 8446 section 5.5).
    pub(crate) confidentiality_limit: u64,
}

/// [`None`] is a contradiction inside the engine: finished, but without what every finished handshake has.
pub(super) fn hand_over(
    role: Role,
    engine: Engine,
    mut slot: Box<ConnectionSlot>,
    watch: &Watch,
    resumption: Resumption,
    post_handshake: PostHandshake,
) -> Option<HandedOver> {
    let state = engine.state();
    let suite = state.negotiated_cipher_suite()?;
    let tls13 = matches!(suite, SupportedCipherSuite::Tls13(_));
    let hello = watch.server_hello()?;
    let secrets = &slot.secrets;
    let exporter = match suite {
        SupportedCipherSuite::Tls13(suite) => {
            Exporter::Tls13 { suite, secret: Zeroizing::new(secrets.exporter.as_ref()?.to_vec()) }
        }
        SupportedCipherSuite::Tls12(suite) => Exporter::Tls12 {
            suite,
            master: Zeroizing::new(secrets.master.as_ref()?.to_vec()),
            client_random: secrets.client_random,
            server_random: hello.random,
        },
    };
    let traffic_secret = |secret: Option<&Zeroizing<Vec<u8>>>| match suite {
        SupportedCipherSuite::Tls13(suite) => Some(Some(TrafficSecret::new(suite, secret?)?)),
        SupportedCipherSuite::Tls12(_) => Some(None),
    };
    let client_secret = traffic_secret(secrets.client_traffic.as_ref())?;
    let server_secret = traffic_secret(secrets.server_traffic.as_ref())?;
    let (send_secret, receive_secret) = match role {
        Role::Client => (client_secret, server_secret),
        Role::Server => (server_secret, client_secret),
    };
    let resumed = state.handshake_kind() == Some(HandshakeKind::Resumed);
    let attributes = Attributes {
        role,
        protocol: if tls13 { Protocol::Tls13 } else { Protocol::Tls12 },
        post_handshake,
        cipher_suite: CipherSuite::from_id(u16::from(suite.suite()))?,
        group: state
            .negotiated_key_exchange_group()
            .and_then(|group| NamedGroup::from_id(u16::from(group.name()))),
        application_protocol: state.alpn_protocol().map(Into::into),
        resumed,
        session_id: hello.session_id.as_slice().into(),
        remote_chain: state
            .peer_certificates()
            .map(|chain| chain.iter().map(|der| der.to_vec()).collect())
            .unwrap_or_default(),
        local_chain: local_chain(&slot).into(),
        server_name: slot.server_name.take().map(Into::into),
        issuers: watch.certificate_request().map_or_else(
            || core::mem::take(&mut slot.issuers).into(),
            |request| request.authorities.as_slice().into(),
        ),
        signature_schemes: core::mem::take(&mut slot.peer_signature_schemes).into(),
        extensions: watch.negotiated_extensions(secrets).into(),
        unique: secrets.first_verify_data,
        validation: slot.validation.clone().or_else(|| (resumed && slot.session.validated).then_some(Ok(()))),
        exporter,
    };
    let resumption = resumption.with_session_ids(&mut slot);
    let reconnects = !slot.sessions_disabled;
    if !reconnects {
        resumption.forget();
    }
    let confidentiality_limit = match suite {
        SupportedCipherSuite::Tls13(suite) => suite.common.confidentiality_limit,
        SupportedCipherSuite::Tls12(suite) => suite.common.confidentiality_limit,
    };
    let tickets = engine.into_tickets(&slot).ok()?;
    let EngineKeys { write, read } = core::mem::take(&mut slot.secrets.keys);
    drop(slot);
    Some(HandedOver {
        sealer: Sealer::new(&write.current?, write.records).ok()?,
        opener: Opener::new(&read.current?, read.records).ok()?,
        send_secret,
        receive_secret,
        tickets,
        reconnects,
        resumption,
        attributes,
        confidentiality_limit,
    })
}

pub(super) fn local_chain(slot: &ConnectionSlot) -> Vec<Vec<u8>> {
    slot.local_key.as_ref().map(|key| key.cert.iter().map(|der| der.to_vec()).collect()).unwrap_or_default()
}

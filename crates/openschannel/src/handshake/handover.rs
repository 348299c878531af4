//! From a finished engine to the two halves of a connection, and to what can be asked about it.

use rustls::{HandshakeKind, SupportedCipherSuite};
use zeroize::Zeroizing;

use super::engine::Engine;
use super::key_schedule::{Randoms, extracted};
use super::tickets::{Resumption, Tickets};
use super::watch::Watch;
use crate::attributes::{Agreed, Attributes, Chain, Protocol};
use crate::context::Role;
use crate::credentials::slot::ConnectionSlot;
use crate::credentials::{CipherSuite, NamedGroup, PostHandshake};
use crate::record::KeyMaterial;

/// What a finished handshake leaves.
///
/// The secrets lie in memory of their own until they are put where they stay.
#[derive(Debug)]
pub(crate) struct HandedOver {
    pub(crate) send: Direction,
    pub(crate) receive: Direction,
    /// A TLS 1.3 client's.
    pub(crate) tickets: Option<Tickets>,
    /// Whether sessions of this connection may be stored.
    pub(crate) reconnects: bool,
    /// Without the exporter's secret.
    pub(crate) attributes: Attributes,
    pub(crate) exporter_secret: Secret,
}

/// One direction's keys.
#[derive(Debug)]
pub(crate) struct Direction {
    pub(crate) keys: KeyMaterial,
    pub(crate) seq: u64,
    /// TLS 1.3: what the next generations of keys come from.
    pub(crate) source: Option<Secret>,
}

/// Bytes that are wiped.
pub(crate) struct Secret(Zeroizing<Vec<u8>>);

impl core::ops::Deref for Secret {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl core::fmt::Debug for Secret {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Secret").finish_non_exhaustive()
    }
}

/// [`None`] is a contradiction inside the engine: finished, but without what every finished handshake has.
pub(super) fn hand_over(
    role: Role,
    engine: Engine,
    mut slot: ConnectionSlot,
    watch: &Watch,
    resumption: Resumption,
    post_handshake: PostHandshake,
) -> Option<HandedOver> {
    let state = engine.state();
    let suite = state.negotiated_cipher_suite()?;
    let tls13 = matches!(suite, SupportedCipherSuite::Tls13(_));
    let hello = watch.server_hello()?;
    let resumed = state.handshake_kind() == Some(HandshakeKind::Resumed);
    let unique = if tls13 { None } else { watch.first_verify_data(&slot.secrets, suite) };
    let randoms = (!tls13).then(|| both_randoms(&slot.secrets.client_random, &hello.random));
    let agreed = Agreed {
        role,
        protocol: if tls13 { Protocol::Tls13 } else { Protocol::Tls12 },
        post_handshake,
        cipher_suite: CipherSuite::from_id(u16::from(suite.suite()))?,
        group: state
            .negotiated_key_exchange_group()
            .and_then(|group| NamedGroup::from_id(u16::from(group.name()))),
        application_protocol: state.alpn_protocol().map(Into::into),
        resumed,
        session_id_len: hello.session_id.len(),
        remote_chain: Chain::shared(state.peer_certificates().unwrap_or_default()),
        local_chain: Chain::shared(
            slot.local_key.as_ref().map(|key| key.cert.as_slice()).unwrap_or_default(),
        ),
        server_name: slot.server_name.take().map(Into::into),
        issuers: watch.certificate_request().map_or_else(
            || core::mem::take(&mut slot.issuers).into(),
            |request| request.authorities.as_slice().into(),
        ),
        signature_schemes: core::mem::take(&mut slot.peer_signature_schemes).into(),
        extensions: watch.negotiated_extensions().into(),
        validation: slot.validation.clone().or_else(|| (resumed && slot.session.validated).then_some(Ok(()))),
        resumption,
    };
    let mut attributes = Attributes::new(agreed, &hello.session_id);
    if let Some(randoms) = randoms {
        attributes.set_tls12(randoms, unique);
    }
    attributes.set_session_ids(core::mem::take(&mut slot.server_session_ids));
    let reconnects = !slot.sessions_disabled;
    if !reconnects {
        attributes.forget_session();
    }
    let (keys, tickets) = engine.into_secrets(&slot).ok()?;
    let secrets = &mut slot.secrets;
    let exporter_secret = if tls13 { secrets.exporter.take()? } else { secrets.master.take()? };
    let (mut send_source, mut receive_source) =
        (secrets.client_traffic.take(), secrets.server_traffic.take());
    if role == Role::Server {
        core::mem::swap(&mut send_source, &mut receive_source);
    }
    let direction = |(seq, keys): &(u64, _), source: Option<Zeroizing<Vec<u8>>>| {
        let source = if tls13 { Some(Secret(source?)) } else { None };
        Some(Direction { keys: extracted(tls13, keys).ok()?, seq: *seq, source })
    };
    Some(HandedOver {
        send: direction(&keys.tx, send_source)?,
        receive: direction(&keys.rx, receive_source)?,
        tickets: tickets.filter(|_| tls13 && reconnects),
        reconnects,
        attributes,
        exporter_secret: Secret(exporter_secret),
    })
}

pub(super) fn local_chain(slot: &ConnectionSlot) -> Vec<Vec<u8>> {
    slot.local_key.as_ref().map(|key| key.cert.iter().map(|der| der.to_vec()).collect()).unwrap_or_default()
}

fn both_randoms(client: &[u8; 32], server: &[u8; 32]) -> Randoms {
    let mut both = [0; 64];
    for (to, from) in both.iter_mut().zip(client.iter().chain(server)) {
        *to = *from;
    }
    both
}

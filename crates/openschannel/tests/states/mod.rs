//! A context in each state of section 3, with the peer that led it there.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part")]

use std::fmt;

use openschannel::alert::{Alert, AlertDescription};
use openschannel::credentials::{
    ClientAuth, InboundCredentials, OutboundCredentials, PostHandshake, Protocols,
};
use openschannel::status::SuccessStatus;
use openschannel::{ContextOptions, ControlToken, KeyUpdateRequest, Role, SecurityContext, TokenBuffer};

use super::common::*;

/// The states; S9 by what led there, and S9h before the handshake was finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Id {
    S1,
    S2,
    S3,
    S4,
    S5h,
    S5e,
    S6,
    S6p,
    S6k,
    S7,
    S7h,
    S8,
    S8h,
    S9sent,
    S9received,
    S9local,
    S9h,
}

const IDS: [Id; 17] = [
    Id::S1,
    Id::S2,
    Id::S3,
    Id::S4,
    Id::S5h,
    Id::S5e,
    Id::S6,
    Id::S6p,
    Id::S6k,
    Id::S7,
    Id::S7h,
    Id::S8,
    Id::S8h,
    Id::S9sent,
    Id::S9received,
    Id::S9local,
    Id::S9h,
];

/// A context in a state.
pub struct Subject {
    pub id: Id,
    pub role: Role,
    pub version: Protocols,
    pub context: SecurityContext,
    pub peer: SecurityContext,
    /// What the peer has sent and the context has not been given.
    pub wire: Vec<u8>,
    /// The closing record the context has given out.
    pub closed_with: Option<Vec<u8>>,
    sealed: bool,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {:?} {:?}", self.id, self.role, self.version)
    }
}

impl Subject {
    /// What the peer would say next: its handshake bytes where it owes some, else a data record or anything.
    pub fn next_token(&mut self) -> Vec<u8> {
        match self.id {
            Id::S3 => encrypt(&mut self.peer, b"data").unwrap(),
            _ if !self.wire.is_empty() => self.wire.clone(),
            _ => vec![23, 3, 3, 0, 1, 0],
        }
    }

    /// Bytes of a close_notify of this context's (section 4.3).
    pub fn close_len(&self) -> usize {
        self.alert_len()
    }

    pub fn alert_len(&self) -> usize {
        match (self.sealed, self.version == Protocols::TLS1_3) {
            (false, _) => 7,
            (true, true) => 24,
            (true, false) => 31,
        }
    }
}

/// Every state that exists for both roles and versions.
pub fn all_subjects() -> Vec<Subject> {
    let mut subjects = Vec::new();
    for version in VERSIONS {
        for role in [Role::Client, Role::Server] {
            subjects.extend(IDS.into_iter().filter_map(|id| subject(id, role, version)));
        }
    }
    subjects
}

/// An established pair; compatible or quiet on both sides.
pub fn pair(version: Protocols, compatible: bool) -> Pair {
    let mode = if compatible { PostHandshake::Compatible } else { PostHandshake::Quiet };
    // Without tickets nothing is left in the wire.
    let outbound = outbound().protocols(version).post_handshake(mode).acquire().unwrap();
    let inbound = inbound().protocols(version).post_handshake(mode).resumption(false).acquire().unwrap();
    let mut pair = Pair::establish(&outbound, &inbound, &ContextOptions::default());
    pair.settle();
    pair
}

fn subject(id: Id, role: Role, version: Protocols) -> Option<Subject> {
    let tls13 = version == Protocols::TLS1_3;
    match id {
        Id::S1 => Some(handshaking(id, role, version)),
        Id::S2 => (role == Role::Client).then(|| needs_credentials(version)),
        Id::S5h => {
            let mut subject = handshaking(id, role, version);
            subject.context.apply_control_token(ControlToken::Shutdown).unwrap();
            Some(subject)
        }
        Id::S6p => Some(plaintext_phase(role, version)),
        Id::S6k => sealed_phase(role, version),
        Id::S7h => Some(peer_closed_in_handshake(id, role, version)),
        Id::S8h => {
            let mut subject = peer_closed_in_handshake(id, role, version);
            subject.closed_with = Some(shut_down(&mut subject.context));
            Some(subject)
        }
        Id::S9h => {
            let mut subject = handshaking(id, role, version);
            let alert = [21, 3, 3, 0, 2, 2, AlertDescription::HANDSHAKE_FAILURE.0];
            token_call(&mut subject.context, &alert, &mut TokenBuffer::allocate()).unwrap_err();
            subject.wire = vec![22, 3, 3, 0, 1, 0];
            Some(subject)
        }
        Id::S4 if !tls13 => None,
        _ => Some(established(id, role, version)),
    }
}

fn established(id: Id, role: Role, version: Protocols) -> Subject {
    let Pair { client, server, .. } = pair(version, id == Id::S4);
    let (context, peer) = if role == Role::Client { (client, server) } else { (server, client) };
    let mut subject =
        Subject { id, role, version, context, peer, wire: Vec::new(), closed_with: None, sealed: true };
    match id {
        Id::S4 => {
            let mut update = TokenBuffer::allocate();
            subject.peer.key_update(KeyUpdateRequest::NotRequested, &mut update).unwrap();
            subject.wire = update.into_vec();
            let (message, _) = decrypt(&mut subject.context, &subject.wire).unwrap();
            assert_eq!(message.status, SuccessStatus::Renegotiate);
        }
        Id::S5e => subject.context.apply_control_token(ControlToken::Shutdown).unwrap(),
        Id::S6 => subject.closed_with = Some(shut_down(&mut subject.context)),
        Id::S7 | Id::S8 => {
            let close_notify = shut_down(&mut subject.peer);
            let (message, _) = decrypt(&mut subject.context, &close_notify).unwrap();
            assert_eq!(message.status, SuccessStatus::ContextExpired);
            if id == Id::S8 {
                subject.closed_with = Some(shut_down(&mut subject.context));
            }
        }
        Id::S9sent => {
            let alert = Alert::fatal(AlertDescription::ACCESS_DENIED);
            assert!(!control(&mut subject.context, ControlToken::Alert(alert)).is_empty());
        }
        Id::S9received => {
            let alert = control(
                &mut subject.peer,
                ControlToken::Alert(Alert::fatal(AlertDescription::ACCESS_DENIED)),
            );
            decrypt(&mut subject.context, &alert).unwrap_err();
        }
        Id::S9local => {
            let mut record = encrypt(&mut subject.peer, b"data").unwrap();
            *record.last_mut().unwrap() ^= 1;
            decrypt(&mut subject.context, &record).unwrap_err();
        }
        _ => {}
    }
    subject
}

fn begin(outbound: &OutboundCredentials) -> (SecurityContext, Vec<u8>) {
    let mut output = TokenBuffer::allocate();
    let options = ContextOptions::default();
    let (client, _) = SecurityContext::initialize(outbound, Some(NAME), &options, &mut output).unwrap();
    (client, output.into_vec())
}

fn accept(inbound: &InboundCredentials, hello: &[u8]) -> (SecurityContext, Vec<u8>) {
    let mut output = TokenBuffer::allocate();
    let (server, _) =
        SecurityContext::accept(inbound, &ContextOptions::default(), hello, &mut output).unwrap();
    (server, output.into_vec())
}

/// S1: a client that waits for the server's flight, a server that waits for the client's.
fn handshaking(id: Id, role: Role, version: Protocols) -> Subject {
    let (outbound, inbound) = credentials(version);
    let (mut client, hello) = begin(&outbound);
    let (server, flight) = accept(&inbound, &hello);
    let tls13 = version == Protocols::TLS1_3;
    if role == Role::Client {
        let (context, peer) = (client, server);
        return Subject { id, role, version, context, peer, wire: flight, closed_with: None, sealed: false };
    }
    let mut wire = flight;
    let finished = deliver(&mut client, &mut wire);
    let (context, peer) = (server, client);
    Subject { id, role, version, context, peer, wire: finished, closed_with: None, sealed: tls13 }
}

/// S2: a client without a certificate before a server that asks for one.
fn needs_credentials(version: Protocols) -> Subject {
    let outbound = outbound().protocols(version).acquire().unwrap();
    let inbound = inbound().protocols(version).client_auth(ClientAuth::Request).acquire().unwrap();
    let (mut client, hello) = begin(&outbound);
    let (server, flight) = accept(&inbound, &hello);
    let mut output = TokenBuffer::allocate();
    let outcome = client.initialize_security_context(None, &flight, &mut output).unwrap();
    assert_eq!(
        (outcome.status, outcome.consumed, outcome.extra),
        (SuccessStatus::IncompleteCredentials, 0, 0)
    );
    assert!(output.is_empty());
    let sealed = version == Protocols::TLS1_3;
    Subject {
        id: Id::S2,
        role: Role::Client,
        version,
        context: client,
        peer: server,
        wire: flight,
        closed_with: None,
        sealed,
    }
}

/// S6p: the alert went out before there were keys. The server has seen only the front of a ClientHello in two records.
fn plaintext_phase(role: Role, version: Protocols) -> Subject {
    if role == Role::Client {
        let mut subject = handshaking(Id::S6p, role, version);
        subject.closed_with = Some(shut_down(&mut subject.context));
        return subject;
    }
    let (outbound, inbound) = credentials(version);
    let (client, hello) = begin(&outbound);
    let (front, rest) = hello[5..].split_at(40);
    let record = |fragment: &[u8]| {
        let len = u16::try_from(fragment.len()).unwrap().to_be_bytes();
        [&[22, 3, 1, len[0], len[1]], fragment].concat()
    };
    let (mut server, nothing) = accept(&inbound, &record(front));
    assert!(nothing.is_empty());
    let closed_with = Some(shut_down(&mut server));
    Subject {
        id: Id::S6p,
        role,
        version,
        context: server,
        peer: client,
        wire: record(rest),
        closed_with,
        sealed: false,
    }
}

/// S6k: the alert was sealed before the handshake was finished.
fn sealed_phase(role: Role, version: Protocols) -> Option<Subject> {
    let mut subject = match (role, version == Protocols::TLS1_3) {
        // Before the server's ServerHello a client has no keys, behind its Finished no handshake.
        (Role::Client, true) => {
            let mut subject = handshaking(Id::S6k, role, version);
            let server_hello = 5 + usize::from(u16::from_be_bytes([subject.wire[3], subject.wire[4]]));
            let mut flight: Vec<u8> = subject.wire.drain(..server_hello).collect();
            assert_eq!(deliver(&mut subject.context, &mut flight).len(), 6, "ChangeCipherSpec");
            subject
        }
        (Role::Client, false) => {
            // The client has sent its Finished and waits for the server's.
            let (outbound, inbound) = credentials(version);
            let (mut client, hello) = begin(&outbound);
            let (mut server, mut flight) = accept(&inbound, &hello);
            let mut finished = deliver(&mut client, &mut flight);
            let wire = deliver(&mut server, &mut finished);
            Subject {
                id: Id::S6k,
                role,
                version,
                context: client,
                peer: server,
                wire,
                closed_with: None,
                sealed: true,
            }
        }
        (Role::Server, true) => handshaking(Id::S6k, role, version),
        (Role::Server, false) => {
            // Resuming, the server sends its Finished first.
            let (outbound, inbound) = credentials(version);
            Pair::establish(&outbound, &inbound, &ContextOptions::default());
            let (mut client, hello) = begin(&outbound);
            let (server, mut flight) = accept(&inbound, &hello);
            let wire = deliver(&mut client, &mut flight);
            Subject {
                id: Id::S6k,
                role,
                version,
                context: server,
                peer: client,
                wire,
                closed_with: None,
                sealed: true,
            }
        }
    };
    subject.sealed = true;
    subject.closed_with = Some(shut_down(&mut subject.context));
    Some(subject)
}

/// S7h.
fn peer_closed_in_handshake(id: Id, role: Role, version: Protocols) -> Subject {
    let mut subject = handshaking(id, role, version);
    let mut output = TokenBuffer::allocate();
    let outcome = token_call(&mut subject.context, &[21, 3, 3, 0, 2, 1, 0], &mut output).unwrap();
    assert_eq!((outcome.status, outcome.consumed), (SuccessStatus::ContextExpired, 7));
    assert!(output.is_empty());
    subject
}

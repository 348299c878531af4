//! What is the same with every peer: opening a connection from either side, and ending one.

use openschannel::alert::{Alert, AlertDescription};
use openschannel::credentials::{InboundBuilder, OutboundBuilder, Protocols};
use openschannel::{ContextOptions, ControlToken, ReadEnd, Role};
use openschannel_interop::certificates::Certificates;
use openschannel_interop::connect;
use openschannel_interop::connection::{Connection, Failure};
use openschannel_interop::data::{TEN_MEGABYTES, random, sha256};
use openschannel_interop::scripted::{Implementation, Peer, Report};

/// A protocol version, as the peers and the provider name it.
pub(crate) const VERSIONS: [(&str, Protocols); 2] = [("1.2", Protocols::TLS1_2), ("1.3", Protocols::TLS1_3)];

pub(crate) const ROLES: [Role; 2] = [Role::Client, Role::Server];

/// Enough for a few records.
pub(crate) const SOME: usize = 50_000;

/// Whose close_notify comes first.
#[derive(Clone, Copy, Debug)]
pub(crate) enum First {
    Ours,
    Theirs,
}

/// Everything there is to choose about a connection.
pub(crate) struct Conversation<'a> {
    pub(crate) certificates: &'a Certificates,
    pub(crate) implementation: &'static Implementation,
    /// Our side.
    pub(crate) role: Role,
    pub(crate) outbound: OutboundBuilder,
    pub(crate) inbound: InboundBuilder,
    pub(crate) options: ContextOptions,
    /// For the peer, besides its certificates.
    pub(crate) peer_options: Vec<String>,
}

impl<'a> Conversation<'a> {
    pub(crate) fn new(
        certificates: &'a Certificates,
        implementation: &'static Implementation,
        role: Role,
    ) -> Self {
        Self {
            certificates,
            implementation,
            role,
            outbound: certificates.outbound(),
            inbound: certificates.inbound(),
            options: ContextOptions::default(),
            peer_options: Vec::new(),
        }
    }

    /// Both sides with one version only.
    pub(crate) fn version(mut self, (name, protocols): (&str, Protocols)) -> Self {
        self.outbound = self.outbound.protocols(protocols);
        self.inbound = self.inbound.protocols(protocols);
        self.peer([format!("min={name}"), format!("max={name}")])
    }

    /// More options for the peer.
    pub(crate) fn peer(mut self, options: impl IntoIterator<Item = String>) -> Self {
        self.peer_options.extend(options);
        self
    }

    /// Starts the peer and makes the handshake on our side.
    pub(crate) fn attempt(&self, steps: &[&str]) -> (Peer, Result<Connection, Failure>) {
        match self.role {
            Role::Client => {
                let options = [self.certificates.server_options(), self.peer_options.clone()].concat();
                let (peer, port) = self.implementation.serve(&options, steps);
                let credentials = self.outbound.clone().acquire().unwrap();
                (peer, Connection::client(connect(port), &credentials, &self.options))
            }
            Role::Server => {
                let options = [self.certificates.client_options(), self.peer_options.clone()].concat();
                let (mut peer, listener) = self.implementation.connect(&options, steps);
                let credentials = self.inbound.clone().acquire().unwrap();
                let stream = peer.accepted_by(&listener);
                (peer, Connection::server(stream, &credentials, &self.options))
            }
        }
    }

    /// The same, where both sides are to succeed. The peer's report of its handshake is still to be read.
    #[track_caller]
    pub(crate) fn open(&self, steps: &[&str]) -> (Peer, Connection) {
        let (mut peer, connection) = self.attempt(steps);
        match connection {
            Ok(connection) => (peer, connection),
            Err(failure) => panic!("{failure:?}; {}", peer.step("").text()),
        }
    }

    /// Ten megabytes each way at once, then both directions closed in order. Gives our side and what the peer said of its handshake.
    #[track_caller]
    pub(crate) fn exchange_and_close(&self, first: First) -> (Connection, Report) {
        let (ours, theirs) = (random(1, TEN_MEGABYTES), random(2, TEN_MEGABYTES));
        let file = self.certificates.write("theirs", &theirs);
        let both = format!("both:{file}:{TEN_MEGABYTES}");
        let (mut peer, connection) = match first {
            First::Ours => self.open(&["handshake", &both, "read", "shutdown"]),
            First::Theirs => self.open(&["handshake", &both, "shutdown", "read"]),
        };
        let handshake = peer.step("handshake");
        let (mut connection, received) = connection.exchange(&ours, theirs.len(), None);
        assert_eq!(received, sha256(&theirs));
        assert_eq!(peer.step("received").value("sha256"), sha256(&ours));
        close(&mut peer, &mut connection, first);
        let report = connection.report();
        assert_eq!((report.bytes_sent, report.bytes_received), (TEN_MEGABYTES as u64, TEN_MEGABYTES as u64));
        peer.finish();
        (connection, handshake)
    }
}

/// The orderly end, up to both close_notify. The peer's steps are `read` and `shutdown` in that order or the other.
#[track_caller]
pub(crate) fn close(peer: &mut Peer, connection: &mut Connection, first: First) {
    match first {
        First::Ours => {
            connection.shut_down();
            assert_eq!(peer.step("received").value("end"), "close_notify");
            let rest = connection.receive_all();
            assert_eq!((rest.bytes, rest.end), (0, ReadEnd::Clean));
        }
        First::Theirs => {
            let rest = connection.receive_all();
            assert_eq!((rest.bytes, rest.end), (0, ReadEnd::Clean));
            connection.shut_down();
            assert_eq!(peer.step("received").value("end"), "close_notify");
        }
    }
    let report = connection.report();
    assert_eq!((report.read_end, report.close_sent, report.handshake_complete), (ReadEnd::Clean, true, true));
}

/// Ten megabytes each way and an orderly end from either side: both roles, both versions.
#[track_caller]
pub(crate) fn talk_and_close(implementation: &'static Implementation) {
    let certificates = Certificates::new();
    for role in ROLES {
        for version in VERSIONS {
            for first in [First::Ours, First::Theirs] {
                let conversation = Conversation::new(&certificates, implementation, role).version(version);
                let (connection, _) = conversation.exchange_and_close(first);
                assert_eq!(connection.attributes().protocol().name(), format!("TLS {}", version.0));
            }
        }
    }
}

/// The direction that was not closed first goes on: both roles.
#[track_caller]
pub(crate) fn half_close(implementation: &'static Implementation, version: (&str, Protocols), first: First) {
    let certificates = Certificates::new();
    let (ours, theirs) = (random(1, SOME), random(2, SOME));
    let send = format!("send:{}", certificates.write("theirs", &theirs));
    for role in ROLES {
        let conversation = Conversation::new(&certificates, implementation, role).version(version);
        let mut steps = ["handshake", "read", &send, "shutdown"];
        if matches!(first, First::Theirs) {
            steps = ["handshake", &send, "shutdown", "read"];
        }
        let (mut peer, mut connection) = conversation.open(&steps);
        if matches!(first, First::Theirs) {
            receive_everything(&mut connection, &theirs);
        }
        connection.send(&ours);
        connection.shut_down();
        let received = peer.step("received");
        let expected = (sha256(&ours), "close_notify");
        assert_eq!(
            (received.value("sha256"), received.value("end")),
            (expected.0.as_str(), expected.1),
            "{role:?}"
        );
        if matches!(first, First::Ours) {
            receive_everything(&mut connection, &theirs);
        }
        peer.finish();
    }
}

/// The peer ends in three ways after data, and each is recognised: both roles, both versions.
#[track_caller]
pub(crate) fn their_ends(implementation: &'static Implementation) {
    let certificates = Certificates::new();
    let theirs = random(1, SOME);
    let send = format!("send:{}", certificates.write("theirs", &theirs));
    let ends = [
        ("close", ReadEnd::Truncated { inside_record: false }),
        ("reset", ReadEnd::Reset),
        ("shutdown", ReadEnd::Clean),
    ];
    for role in ROLES {
        for version in VERSIONS {
            for (end, expected) in ends {
                let conversation = Conversation::new(&certificates, implementation, role).version(version);
                let (peer, mut connection) = conversation.open(&["handshake", &send, "recv:2", end]);
                assert_eq!(connection.receive_exactly(theirs.len()), sha256(&theirs));
                connection.send(b"go");
                assert_eq!(connection.receive_all().end, expected, "{role:?} {version:?} {end}");
                peer.finish();
            }
        }
    }
}

/// We end in ways that are not orderly, and the peer tells them apart: both roles, both versions. `bare` is what it calls an end
/// between two records.
#[track_caller]
pub(crate) fn our_ends(implementation: &'static Implementation, bare: &str) {
    type End = fn(&mut Connection);
    let ends: [(&str, End); 4] = [
        (bare, |connection| connection.end_transport()),
        ("eof", |connection| {
            connection.send_part_of_a_record(b"0123456789", 1);
            connection.end_transport();
        }),
        ("alert:80", |connection| {
            let alert = Alert::fatal(AlertDescription::INTERNAL_ERROR);
            connection.control(ControlToken::Alert(alert));
        }),
        ("close_notify", |connection| {
            connection.shut_down();
        }),
    ];
    let certificates = Certificates::new();
    for role in ROLES {
        for version in VERSIONS {
            for (expected, end) in ends {
                let conversation = Conversation::new(&certificates, implementation, role).version(version);
                let (mut peer, mut connection) = conversation.open(&["handshake", "read"]);
                end(&mut connection);
                assert_eq!(peer.step("received").value("end"), expected, "{role:?} {version:?}");
                peer.finish();
            }
        }
    }
}

#[track_caller]
fn receive_everything(connection: &mut Connection, expected: &[u8]) {
    let everything = connection.receive_all();
    assert_eq!((everything.sha256, everything.end), (sha256(expected), ReadEnd::Clean));
}

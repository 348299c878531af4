//! Two watched contexts on their way through a handshake, and the settings they are made with.

use std::sync::LazyLock;

use openschannel::credentials::{
    ClientAuth, InboundCredentials, NamedGroup, OutboundCredentials, PostHandshake, Protocols, Validation,
};
use openschannel::status::{ErrorStatus, SuccessStatus};
use openschannel::{ContextOptions, Role, SecurityContext, TokenBuffer};

use crate::check::Checked;
use crate::common::{CERTIFICATES, NAME, identity, inbound, outbound};
use crate::forge::{self, Forger};
use crate::random::{Random, spoil};
use crate::wire::{move_messages, open_flight, seal_flight};

/// Most rounds of one handshake: one goes well in three, and arrives in pieces in some more.
const MAX_ROUNDS: usize = 60;

/// One kind of connection.
pub struct Setting {
    pub version: Protocols,
    pub client_auth: ClientAuth,
    pub outbound: OutboundCredentials,
    /// Has a certificate, if the server asks and the first credential has none.
    pub with_certificate: OutboundCredentials,
    pub inbound: InboundCredentials,
}

/// Both versions, each with a server that does not ask for a certificate, one that asks and one that insists. Nothing is resumed, so
/// that an input meets the same handshake whatever ran before it.
pub static SETTINGS: LazyLock<Vec<Setting>> = LazyLock::new(|| {
    let mut all = Vec::new();
    for client_auth in [ClientAuth::None, ClientAuth::Request, ClientAuth::Require] {
        for (version, suite) in [(Protocols::TLS1_3, forge::TLS13), (Protocols::TLS1_2, forge::TLS12)] {
            let client = || {
                outbound()
                    .cipher_suites(&[suite])
                    .groups(&[NamedGroup::X25519])
                    .alpn(vec![b"one".to_vec(), b"two".to_vec()])
                    .resumption(false)
                    .key_log(forge::key_log())
            };
            let server = inbound()
                .cipher_suites(&[suite])
                .groups(&[NamedGroup::X25519])
                .alpn(vec![b"two".to_vec()])
                .client_auth(client_auth)
                .validation(Validation::Automatic)
                .resumption(client_auth == ClientAuth::Request);
            all.push(Setting {
                version,
                client_auth,
                outbound: client().acquire().unwrap(),
                with_certificate: client().identity(identity(&CERTIFICATES.client)).acquire().unwrap(),
                inbound: server.acquire().unwrap(),
            });
        }
    }
    all
});

/// A handshake between two watched contexts.
pub(crate) struct Handshake {
    setting: &'static Setting,
    pub client: Checked,
    pub server: Checked,
    pub to_client: Vec<u8>,
    pub to_server: Vec<u8>,
    asked: bool,
}

impl Handshake {
    /// The ClientHello, and what the server says to it.
    pub fn begin(random: &mut Random, setting: &'static Setting) -> Self {
        forge::forget_secrets();
        let compatible = random.one_in(2);
        let post_handshake = if compatible { PostHandshake::Compatible } else { PostHandshake::Quiet };
        let options = ContextOptions {
            post_handshake: Some(post_handshake),
            use_supplied_credentials: random.one_in(3),
            ..ContextOptions::default()
        };
        let (client, hello) = client(setting, &options);
        let mut output = TokenBuffer::allocate();
        let (server, _) = SecurityContext::accept(&setting.inbound, &options, &hello, &mut output).unwrap();
        let to_client = output.into_vec();
        Self {
            setting,
            client: Checked::new(client, compatible),
            server: Checked::new(server, compatible),
            to_client,
            to_server: Vec::new(),
            asked: false,
        }
    }

    /// Undisturbed, to its end.
    pub fn finish(&mut self, random: &mut Random) {
        for _ in 0..MAX_ROUNDS {
            if self.is_finished() || !self.go_on(random) {
                break;
            }
        }
    }

    pub fn is_finished(&self) -> bool {
        self.client.is_established() && self.server.is_established()
    }

    /// Whether it could only go well, had nobody disturbed it.
    pub fn has_to_succeed(&self) -> bool {
        self.setting.client_auth != ClientAuth::Require
    }

    /// One token call on each side that has something to read; `false` when nothing moves any more.
    pub fn go_on(&mut self, random: &mut Random) -> bool {
        let client = self.step(random, Role::Client);
        let server = self.step(random, Role::Server);
        client || server
    }

    /// What is on its way to `reader` becomes something else. Gives whether it did.
    pub fn spoil(&mut self, random: &mut Random, reader: Role) -> bool {
        let (writer, wire) = match reader {
            Role::Client => (Role::Server, &mut self.to_client),
            Role::Server => (Role::Client, &mut self.to_server),
        };
        if self.setting.version == Protocols::TLS1_3 && random.one_in(2) {
            reseal(random, writer, wire)
        } else {
            spoil(random, wire)
        }
    }

    fn step(&mut self, random: &mut Random, role: Role) -> bool {
        let (side, wire, out) = match role {
            Role::Client => (&mut self.client, &mut self.to_client, &mut self.to_server),
            Role::Server => (&mut self.server, &mut self.to_server, &mut self.to_client),
        };
        if side.is_established() || side.has_failed() || wire.is_empty() {
            return false;
        }
        // All of it, or as much as came so far.
        let len = if random.one_in(4) { 1 + random.below(wire.len()) } else { wire.len() };
        let credentials = (self.asked && random.one_in(2)).then_some(&self.setting.with_certificate);
        // Too small a buffer loses nothing: the same call again.
        let room = random.one_in(5).then(|| random.below(60));
        match side.token(role, credentials, &wire[..len], room) {
            Ok((outcome, token)) => {
                self.asked |= outcome.status == SuccessStatus::IncompleteCredentials;
                out.extend(token);
                wire.drain(..outcome.consumed);
                outcome.status != SuccessStatus::ContextExpired
            }
            Err(error) => {
                out.extend(error.alert_record());
                matches!(error.status(), ErrorStatus::IncompleteMessage if len < wire.len())
                    || error.status() == ErrorStatus::InsufficientMemory
            }
        }
    }
}

/// A client's context and its first token.
pub fn client(setting: &Setting, options: &ContextOptions) -> (SecurityContext, Vec<u8>) {
    let mut output = TokenBuffer::allocate();
    let (client, outcome) =
        SecurityContext::initialize(&setting.outbound, Some(NAME), options, &mut output).unwrap();
    assert_eq!(outcome.status, SuccessStatus::ContinueNeeded);
    (client, output.into_vec())
}

/// Opens what is sealed in `wire`, changes it, and seals it again in other pieces: a peer that has the keys and breaks the rules. Gives
/// whether other bytes than before came out of it.
fn reseal(random: &mut Random, writer: Role, wire: &mut Vec<u8>) -> bool {
    let (Some(mut reader), Some(mut forger)) = (Forger::of_handshake(writer), Forger::of_handshake(writer))
    else {
        return spoil(random, wire);
    };
    let (mut clear, mut messages) = open_flight(&mut reader, wire);
    if messages.is_empty() {
        return spoil(random, wire);
    }
    let mut content_type = 22;
    match random.below(4) {
        0 => {
            messages = move_messages(random, &messages, |random, message| {
                spoil(random, message);
            });
        }
        1 => content_type = random.byte(),
        2 => drop(spoil(random, &mut messages)),
        // Other records, the same messages.
        _ => {}
    }
    seal_flight(random, &mut forger, content_type, &messages, &mut clear);
    *wire = clear;
    true
}

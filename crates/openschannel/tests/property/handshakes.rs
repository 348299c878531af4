//! Spoiled tokens at every stage of a handshake.

use std::sync::LazyLock;

use openschannel::credentials::{
    ClientAuth, InboundCredentials, NamedGroup, OutboundCredentials, Protocols, Validation,
};
use openschannel::status::{ErrorStatus, SuccessStatus};
use openschannel::{ContextOptions, Role, SecurityContext, TokenBuffer};

use crate::check::Checked;
use crate::common::{CERTIFICATES, NAME, identity, inbound, outbound};
use crate::forge::{self, Forger};
use crate::random::{Random, run, spoil};
use crate::wire::{move_messages, open_flight, seal_flight};

/// Most token calls of one handshake: more than any that goes well.
const MAX_CALLS: usize = 40;

/// One kind of connection.
pub(crate) struct Setting {
    pub(crate) version: Protocols,
    pub(crate) outbound: OutboundCredentials,
    /// Has a certificate, if the server asks and the first credential has none.
    pub(crate) with_certificate: OutboundCredentials,
    pub(crate) inbound: InboundCredentials,
}

/// Both versions, each with a server that does not ask for a certificate, one that asks and one that insists.
pub(crate) static SETTINGS: LazyLock<Vec<Setting>> = LazyLock::new(|| {
    let mut all = Vec::new();
    for (version, suite) in [(Protocols::TLS1_2, forge::TLS12), (Protocols::TLS1_3, forge::TLS13)] {
        for (client_auth, resumption) in [
            (ClientAuth::None, true),
            (ClientAuth::None, false),
            (ClientAuth::Request, false),
            (ClientAuth::Require, false),
        ] {
            let client = || {
                outbound()
                    .cipher_suites(&[suite])
                    .groups(&[NamedGroup::X25519, NamedGroup::SECP256R1])
                    .alpn(vec![b"one".to_vec(), b"two".to_vec()])
                    .resumption(resumption)
                    .key_log(forge::key_log())
            };
            let server = inbound()
                .cipher_suites(&[suite])
                .groups(&[NamedGroup::X25519, NamedGroup::SECP256R1])
                .alpn(vec![b"two".to_vec()])
                .client_auth(client_auth)
                .validation(Validation::Automatic)
                .resumption(resumption);
            all.push(Setting {
                version,
                outbound: client().acquire().unwrap(),
                with_certificate: client().identity(identity(&CERTIFICATES.client)).acquire().unwrap(),
                inbound: server.acquire().unwrap(),
            });
        }
    }
    all
});

/// A ClientHello of each setting, to be spoiled without making a new one each time.
static HELLOS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let hello = |setting: &Setting| client(setting, &ContextOptions::default()).1;
    SETTINGS.iter().map(hello).collect()
});

pub(crate) fn client(setting: &Setting, options: &ContextOptions) -> (SecurityContext, Vec<u8>) {
    let mut output = TokenBuffer::allocate();
    let (client, outcome) =
        SecurityContext::initialize(&setting.outbound, Some(NAME), options, &mut output).unwrap();
    assert_eq!(outcome.status, SuccessStatus::ContinueNeeded);
    (client, output.into_vec())
}

/// The first AcceptSecurityContext with anything.
fn accept(random: &mut Random, setting: &Setting, token: &[u8]) -> Option<(SecurityContext, Vec<u8>, usize)> {
    let mut memory = vec![0; random.below(6_000)];
    let mut output =
        if random.one_in(6) { TokenBuffer::supplied(&mut memory) } else { TokenBuffer::allocate() };
    match SecurityContext::accept(&setting.inbound, &ContextOptions::default(), token, &mut output) {
        Ok((server, outcome)) => {
            assert!(matches!(outcome.status, SuccessStatus::ContinueNeeded | SuccessStatus::ContextExpired));
            assert_eq!(outcome.consumed + outcome.extra, token.len());
            Some((server, output.into_vec(), outcome.consumed))
        }
        Err(error) => {
            assert!(output.is_empty());
            if error.status() == ErrorStatus::IncompleteMessage {
                assert!(error.missing().is_some_and(|missing| missing > 0));
            }
            None
        }
    }
}

/// First tokens: noise, noise that begins like TLS, spoiled ClientHellos.
#[test]
fn servers_bear_any_first_token() {
    run("first tokens", 50_000, |random| {
        let index = random.below(SETTINGS.len());
        let mut token = match random.below(4) {
            0 => {
                let len = random.len();
                random.bytes(len)
            }
            1 => {
                let len = random.len();
                let mut noise = random.bytes(len);
                for (byte, front) in noise.iter_mut().zip([22, 3, 1, 0, 60, 1, 0, 0, 56, 3, 3]) {
                    *byte = front;
                }
                noise
            }
            _ => HELLOS[index].clone(),
        };
        spoil(random, &mut token);
        if let Some((server, ..)) = accept(random, &SETTINGS[index], &token) {
            let mut server = Checked::new(server, false);
            let len = random.len();
            let more = random.bytes(len);
            server.token(Role::Server, None, &more, None).ok();
        }
        1
    });
}

/// A client that is given anything for the server's first flight.
#[test]
fn clients_bear_any_first_answer() {
    // What a server said to some other client.
    let answers: Vec<Vec<u8>> = SETTINGS
        .iter()
        .zip(HELLOS.iter())
        .map(|(setting, hello)| {
            let mut output = TokenBuffer::allocate();
            SecurityContext::accept(&setting.inbound, &ContextOptions::default(), hello, &mut output)
                .unwrap();
            output.into_vec()
        })
        .collect();
    run("first answers", 15_000, |random| {
        let index = random.below(SETTINGS.len());
        let (client, _) = client(&SETTINGS[index], &ContextOptions::default());
        let mut client = Checked::new(client, false);
        let mut token = answers[index].clone();
        spoil(random, &mut token);
        client.token(Role::Client, None, &token, None).ok();
        let len = random.len();
        let more = random.bytes(len);
        client.token(Role::Client, None, &more, None).ok();
        2
    });
}

/// Handshakes that go well until one token is spoiled, in the clear or, in TLS 1.3, under the right keys.
#[test]
fn handshakes_bear_spoiled_tokens_at_every_stage() {
    run("handshakes", 16_000, |random| {
        let setting = random.pick(&SETTINGS);
        let stage = random.below(6);
        let mut handshake = Handshake::begin(random, setting);
        for call in 0..MAX_CALLS {
            if call == stage {
                handshake.spoil(random);
            }
            if !handshake.go_on(random) {
                break;
            }
        }
        handshake.inputs
    });
}

/// A handshake between two watched contexts.
pub(crate) struct Handshake<'a> {
    setting: &'a Setting,
    pub(crate) client: Checked,
    pub(crate) server: Checked,
    pub(crate) to_client: Vec<u8>,
    pub(crate) to_server: Vec<u8>,
    pub(crate) server_random: Vec<u8>,
    asked: bool,
    pub(crate) inputs: u64,
}

impl<'a> Handshake<'a> {
    pub(crate) fn begin(random: &mut Random, setting: &'a Setting) -> Self {
        Self::begin_with(random, setting, &ContextOptions::default(), false)
    }

    pub(crate) fn begin_with(
        random: &mut Random,
        setting: &'a Setting,
        options: &ContextOptions,
        compatible: bool,
    ) -> Self {
        forge::forget_secrets();
        let options = ContextOptions { use_supplied_credentials: random.one_in(3), ..options.clone() };
        let (client, hello) = client(setting, &options);
        let mut output = TokenBuffer::allocate();
        let (server, _) = SecurityContext::accept(&setting.inbound, &options, &hello, &mut output).unwrap();
        let to_client = output.into_vec();
        Self {
            setting,
            client: Checked::new(client, compatible),
            server: Checked::new(server, compatible),
            // Record header, message header, version, then the random.
            server_random: to_client[11..43].to_vec(),
            to_client,
            to_server: Vec::new(),
            asked: false,
            inputs: 1,
        }
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.client.is_established() && self.server.is_established()
    }

    /// One token call on each side that has something to read; `false` when nothing moves any more.
    pub(crate) fn go_on(&mut self, random: &mut Random) -> bool {
        let client = self.step(random, Role::Client);
        let server = self.step(random, Role::Server);
        client || server
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
        let credentials =
            if self.asked && random.one_in(2) { Some(&self.setting.with_certificate) } else { None };
        // Too small a buffer loses nothing: the same call again.
        if random.one_in(5) {
            let room = random.below(60);
            let small = side.token(role, credentials, &wire[..len], Some(room));
            self.inputs += 1;
            match small {
                Err(error) if error.status() == ErrorStatus::InsufficientMemory => {}
                Ok((outcome, token)) => {
                    self.asked |= outcome.status == SuccessStatus::IncompleteCredentials;
                    out.extend(token);
                    wire.drain(..outcome.consumed);
                    return true;
                }
                Err(_) => return !side.has_failed() && len < wire.len(),
            }
        }
        self.inputs += 1;
        match side.token(role, credentials, &wire[..len], None) {
            Ok((outcome, token)) => {
                self.asked |= outcome.status == SuccessStatus::IncompleteCredentials;
                out.extend(token);
                wire.drain(..outcome.consumed);
                outcome.status != SuccessStatus::ContextExpired
            }
            Err(error) => {
                out.extend(error.alert_record());
                // A part was not enough: all of it, next time.
                error.status() == ErrorStatus::IncompleteMessage && len < wire.len()
            }
        }
    }

    fn spoil(&mut self, random: &mut Random) {
        let (writer, wire) = match random.below(2) {
            0 if !self.to_client.is_empty() => (Role::Server, &mut self.to_client),
            _ => (Role::Client, &mut self.to_server),
        };
        if self.setting.version == Protocols::TLS1_3 && random.one_in(2) {
            reseal(random, writer, wire);
        } else {
            spoil(random, wire);
        }
    }
}

/// Opens what is sealed in `wire`, spoils it, and seals it again in other pieces.
fn reseal(random: &mut Random, writer: Role, wire: &mut Vec<u8>) {
    let (Some(mut reader), Some(mut forger)) = (Forger::of_handshake(writer), Forger::of_handshake(writer))
    else {
        return spoil(random, wire);
    };
    let (mut clear, mut messages) = open_flight(&mut reader, wire);
    if messages.is_empty() {
        return spoil(random, wire);
    }
    let mut content_type = 22;
    match random.below(8) {
        0 => content_type = *random.pick(&[0, 20, 21, 23, 24, 255]),
        // One message twice, or one left out, or a length changed.
        1..=3 => {
            messages = move_messages(random, &messages, spoil);
        }
        _ => spoil(random, &mut messages),
    }
    seal_flight(random, &mut forger, content_type, &messages, &mut clear);
    *wire = clear;
}

//! This provider, called from Rust as its documentation says.

use openschannel::attributes::Protocol;
use openschannel::credentials::{
    CipherSuite, Identity, InboundCredentials, NamedGroup, OutboundCredentials, Trust,
};
use openschannel::status::{ErrorStatus, SuccessStatus};
use openschannel::{
    ContextOptions, ControlToken, ReceiveHalf, SecurityContext, SendHalf, TokenBuffer, TokenOutcome,
};

use super::{
    Connection, Endpoints, Halves, Library, RUST_API, RUST_API_SCATTERED, RUST_API_VERIFYING, Receiving,
    Sending, establish,
};
use crate::setup::{Group, NAME, Negotiated, Setup, Version, certificates};
use crate::wire::{Slot, Wire};

/// EncryptMessage on one buffer, with room for the trailer behind the data.
#[derive(Clone, Copy, Debug)]
pub struct RustApi {
    scattered: bool,
    remembers_chains: bool,
}

impl RustApi {
    /// One buffer for header, data and trailer: `SendHalf::encrypt_contiguous`.
    pub const CONTIGUOUS: Self = Self { scattered: false, remembers_chains: true };
    /// Three that do not adjoin: `SecurityContext::encrypt_message`.
    pub const SCATTERED: Self = Self { scattered: true, remembers_chains: true };
    /// Every chain is verified, whether it was found valid before or not.
    pub const VERIFYING: Self = Self { scattered: false, remembers_chains: false };
}

impl Library for RustApi {
    fn name(&self) -> &'static str {
        match (self.scattered, self.remembers_chains) {
            (true, _) => RUST_API_SCATTERED,
            (false, true) => RUST_API,
            (false, false) => RUST_API_VERIFYING,
        }
    }

    fn version(&self) -> String {
        env!("CARGO_PKG_VERSION").to_owned()
    }

    fn supports(&self, setup: &Setup) -> bool {
        setup.is_possible()
    }

    fn endpoints(&self, setup: &Setup) -> Box<dyn Endpoints> {
        let certificates = certificates(setup.key);
        let suite = [CipherSuite::from_id(setup.suite()).expect("a known suite")];
        let groups: &[NamedGroup] = match (setup.group, setup.version) {
            (Group::X25519, Version::Tls13) => &[NamedGroup::X25519],
            (Group::X25519, Version::Tls12) => &[NamedGroup::X25519, NamedGroup::SECP256R1],
            (Group::X25519Mlkem768, _) => &[NamedGroup::X25519MLKEM768],
        };
        let outbound = OutboundCredentials::builder()
            .trust(Trust::Roots(vec![certificates.root_der.clone()]))
            .remember_chains(self.remembers_chains)
            .cipher_suites(&suite)
            .groups(groups)
            .resumption(setup.resumed);
        let identity = Identity::from_der(vec![certificates.leaf_der.clone()], &certificates.key_der);
        let inbound = InboundCredentials::builder()
            .identity(identity.expect("certificate and key belong together"))
            .cipher_suites(&suite)
            .groups(groups)
            .resumption(setup.resumed);
        let endpoints = Configured {
            outbound: outbound.acquire().expect("credentials"),
            inbound: inbound.acquire().expect("credentials"),
            scattered: self.scattered,
        };
        if setup.resumed {
            drop(establish(&endpoints));
        }
        Box::new(endpoints)
    }
}

struct Configured {
    outbound: OutboundCredentials,
    inbound: InboundCredentials,
    scattered: bool,
}

impl Endpoints for Configured {
    fn client(&self) -> Box<dyn Connection> {
        Box::new(Side::new(State::Client(self.outbound.clone()), self.scattered))
    }

    fn server(&self) -> Box<dyn Connection> {
        Box::new(Side::new(State::Server(self.inbound.clone()), self.scattered))
    }
}

/// Before the first token call there is no context yet.
enum State {
    Client(OutboundCredentials),
    Server(InboundCredentials),
    Begun(SecurityContext),
}

/// No larger than it must be: the memory of connections is measured too.
struct Side {
    state: State,
    scattered: Option<Box<Scattered>>,
}

/// Three buffers that lie apart.
#[derive(Default)]
struct Scattered {
    header: Slot,
    data: Slot,
    trailer: Slot,
}

impl Side {
    fn new(state: State, scattered: bool) -> Self {
        Self { state, scattered: scattered.then(Box::default) }
    }

    fn context(&mut self) -> &mut SecurityContext {
        match &mut self.state {
            State::Begun(context) => context,
            _ => panic!("not begun"),
        }
    }

    /// One token call; `None` while there is not enough input.
    fn token_call(&mut self, input: &[u8], output: &mut Vec<u8>) -> Option<TokenOutcome> {
        let mut token = TokenBuffer::allocate();
        let options = ContextOptions::default();
        let outcome = match &mut self.state {
            State::Client(credentials) => {
                let begun = SecurityContext::initialize(credentials, Some(NAME), &options, &mut token);
                begun.map(|(context, outcome)| {
                    self.state = State::Begun(context);
                    outcome
                })
            }
            State::Server(_) if input.is_empty() => return None,
            State::Server(credentials) => {
                let begun = SecurityContext::accept(credentials, &options, input, &mut token);
                begun.map(|(context, outcome)| {
                    self.state = State::Begun(context);
                    outcome
                })
            }
            State::Begun(context) => continued(context, input, &mut token),
        };
        output.extend_from_slice(token.as_bytes());
        match outcome {
            Ok(outcome) => Some(outcome),
            Err(error) if error.status() == ErrorStatus::IncompleteMessage => None,
            Err(error) => panic!("the handshake fails: {error}"),
        }
    }
}

fn continued(
    context: &mut SecurityContext,
    input: &[u8],
    token: &mut TokenBuffer<'_>,
) -> Result<TokenOutcome, openschannel::status::Error> {
    match context.role() {
        openschannel::Role::Client => context.initialize_security_context(None, input, token),
        openschannel::Role::Server => context.accept_security_context(input, token),
    }
}

impl Connection for Side {
    fn step(&mut self, input: &mut Vec<u8>, output: &mut Vec<u8>) -> bool {
        loop {
            if let State::Begun(context) = &mut self.state
                && context.is_established()
            {
                // Tickets.
                while !input.is_empty() {
                    let message = context.decrypt_message(input).expect("a ticket");
                    input.drain(..message.extra.start);
                }
                return true;
            }
            let begins = matches!(self.state, State::Client(_));
            if input.is_empty() && !begins {
                return false;
            }
            let Some(outcome) = self.token_call(input, output) else { return false };
            input.drain(..outcome.consumed);
            if begins {
                return false;
            }
        }
    }

    fn negotiated(&self) -> Negotiated {
        let State::Begun(context) = &self.state else { panic!("not begun") };
        let attributes = context.attributes().expect("established");
        Negotiated {
            version: match attributes.protocol() {
                Protocol::Tls12 => Version::Tls12,
                Protocol::Tls13 => Version::Tls13,
            },
            suite: attributes.cipher_suite().id(),
            group: attributes.named_group().map(NamedGroup::id),
            resumed: attributes.session_info().resumed,
        }
    }

    fn prepare(&mut self, plaintext: &[u8], count: usize, wire: &mut Wire) {
        let sizes = self.context().attributes().expect("established").stream_sizes();
        if let Some(scattered) = &mut self.scattered {
            scattered.header.set_len(sizes.header);
            scattered.data.set_len(plaintext.len());
            scattered.data.copy_from_slice(plaintext);
            scattered.trailer.set_len(sizes.trailer);
        } else {
            wire.lay_out(sizes.header, plaintext, sizes.trailer, count);
        }
    }

    fn seal_batch(&mut self, plaintext: &[u8], count: usize, wire: &mut Wire) {
        if let Self { state: State::Begun(context), scattered: Some(scattered) } = self {
            assert!(!wire.keeps(), "three buffers are sent one after the other");
            let Scattered { header, data, trailer } = &mut **scattered;
            for _ in 0..count {
                context.encrypt_message(header, data, trailer).expect("sealed");
            }
            return;
        }
        let (len, stride) = (plaintext.len(), wire.stride());
        let context = self.context();
        for index in 0..count {
            let slot = &mut wire.slots[index * stride];
            let half = context.send_half().expect("established");
            wire.record_len = half.encrypt_contiguous(slot, len).expect("sealed");
        }
        wire.count = count;
    }

    fn open_batch(&mut self, wire: &mut Wire) -> usize {
        let context = self.context();
        let mut total = 0;
        for slot in &mut wire.slots[..wire.count] {
            let message = context.decrypt_message(&mut slot[..wire.record_len]).expect("opened");
            total += message.data.len();
        }
        total
    }

    fn close(&mut self, output: &mut Vec<u8>) {
        let mut room = [0; 64];
        let mut token = TokenBuffer::supplied(&mut room);
        let context = self.context();
        context.apply_control_token(ControlToken::Shutdown).expect("a shutdown");
        continued(context, &[], &mut token).expect("a close_notify");
        output.extend_from_slice(token.as_bytes());
    }

    fn take_close(&mut self, input: &mut Vec<u8>) -> bool {
        let message = self.context().decrypt_message(input).expect("opened");
        input.drain(..message.extra.start);
        message.status == SuccessStatus::ContextExpired
    }

    fn park(&mut self) -> bool {
        self.context().park();
        true
    }

    fn split(self: Box<Self>) -> Option<Halves> {
        let State::Begun(context) = self.state else { return None };
        let (sending, receiving) = context.split().ok()?;
        Some(Halves { sending: Box::new(sending), receiving: Box::new(receiving) })
    }
}

impl Sending for SendHalf {
    fn prepare(&mut self, plaintext: &[u8], count: usize, wire: &mut Wire) {
        let sizes = self.attributes().stream_sizes();
        wire.lay_out(sizes.header, plaintext, sizes.trailer, count);
    }

    fn seal_batch(&mut self, plaintext: &[u8], count: usize, wire: &mut Wire) {
        let (len, stride) = (plaintext.len(), wire.stride());
        for index in 0..count {
            let slot = &mut wire.slots[index * stride];
            wire.record_len = self.encrypt_contiguous(slot, len).expect("sealed");
        }
        wire.count = count;
    }
}

impl Receiving for ReceiveHalf {
    fn open_batch(&mut self, wire: &mut Wire) -> usize {
        let mut total = 0;
        for slot in &mut wire.slots[..wire.count] {
            total += self.decrypt(&mut slot[..wire.record_len]).expect("opened").data.len();
        }
        total
    }
}

//! [`SecurityContext`]: one connection with all its calls.

use std::sync::Arc;

use crate::attributes::{Attributes, Protocol};
use crate::credentials::{InboundCredentials, OutboundCredentials, PostHandshake};
use crate::handshake::{Handshake, Step};
use crate::record::HEADER_LEN;
use crate::status::{Error, ErrorStatus, SuccessStatus};

use super::closure::{ClosingReport, ReadEnd, Shared, TransportEnd};
use super::handshaking::Handshaking;
use super::post_handshake;
use super::receive::{Decrypted, ReceiveHalf};
use super::send::{Encrypted, KeyUpdateRequest, SendHalf};
use super::table::{self, Control, State, Token, Waiting};
use super::token::{ControlToken, TokenBuffer, TokenOutcome};
use super::{ContextOptions, Role};

/// A connection, from its first token to its end.
///
/// Dropping it is DeleteSecurityContext: silent on the wire, keys wiped, a pending control token discarded.
#[derive(Debug)]
pub struct SecurityContext {
    phase: Phase,
    /// Until the handshake's last token is given out.
    beginning: Option<Box<Beginning>>,
}

/// Established, which a context is nearly all its life, or not: no larger than its halves.
#[derive(Debug)]
enum Phase {
    Established { send: SendHalf, receive: ReceiveHalf },
    Unfinished(Box<Unfinished>),
}

#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "it is boxed, and what has failed is about to go")]
enum Unfinished {
    Handshaking(Handshaking),
    /// S9 before the handshake was finished.
    Failed(FailedHandshake),
}

/// A borrowed [`Phase`].
enum View<'a> {
    Handshaking(&'a Handshaking),
    Established { send: &'a SendHalf, receive: &'a ReceiveHalf },
    Failed(&'a FailedHandshake),
}

/// A mutably borrowed [`Phase`].
enum ViewMut<'a> {
    Handshaking(&'a mut Handshaking),
    Established { send: &'a mut SendHalf, receive: &'a mut ReceiveHalf },
    Failed(&'a mut FailedHandshake),
}

impl Phase {
    fn view(&self) -> View<'_> {
        match self {
            Self::Established { send, receive } => View::Established { send, receive },
            Self::Unfinished(unfinished) => match &**unfinished {
                Unfinished::Handshaking(handshaking) => View::Handshaking(handshaking),
                Unfinished::Failed(failed) => View::Failed(failed),
            },
        }
    }

    fn view_mut(&mut self) -> ViewMut<'_> {
        match self {
            Self::Established { send, receive } => ViewMut::Established { send, receive },
            Self::Unfinished(unfinished) => match &mut **unfinished {
                Unfinished::Handshaking(handshaking) => ViewMut::Handshaking(handshaking),
                Unfinished::Failed(failed) => ViewMut::Failed(failed),
            },
        }
    }
}

#[derive(Debug)]
struct Beginning {
    role: Role,
    /// What the halves are to be made with.
    post_handshake: PostHandshake,
    rekey_after: Option<u64>,
    unsent: Option<Unsent>,
}

#[derive(Debug)]
struct FailedHandshake {
    waiting: Waiting,
    read_end: ReadEnd,
    close_sent: bool,
    peer_chain: Vec<Vec<u8>>,
    local_chain: Vec<Vec<u8>>,
    issuers: Vec<Vec<u8>>,
}

/// A token the caller's buffer was too small for, and what was to be answered with it.
#[derive(Debug)]
struct Unsent {
    token: Vec<u8>,
    outcome: TokenOutcome,
}

impl SecurityContext {
    /// The first InitializeSecurityContext (S0): a client's context, with its ClientHello in `output`.
    ///
    /// `target` is the server's DNS name or IP address: sent as SNI (names only), checked against the certificate, and the key of
    /// the session cache. A trailing dot is dropped.
    ///
    /// Gives SEC_I_CONTINUE_NEEDED.
    ///
    /// # Errors
    /// No context is made. SEC_E_TARGET_UNKNOWN: `target` is neither name nor address. SEC_E_INSUFFICIENT_MEMORY: `output` is too small.
    pub fn initialize(
        credentials: &OutboundCredentials,
        target: Option<&str>,
        options: &ContextOptions,
        output: &mut TokenBuffer<'_>,
    ) -> Result<(Self, TokenOutcome), Error> {
        output.clear();
        let mut token = Vec::new();
        let handshake = Handshake::client(credentials, target, options, &mut token)?;
        output.put(&token)?;
        let post_handshake = options.post_handshake.unwrap_or_else(|| credentials.post_handshake());
        let context = Self::handshaking(handshake, post_handshake, credentials.rekey_after());
        Ok((context, TokenOutcome::ignoring_input(SuccessStatus::ContinueNeeded)))
    }

    /// The first AcceptSecurityContext (S0): a server's context, from the front of a ClientHello.
    ///
    /// # Errors
    /// No context is made. SEC_E_INCOMPLETE_MESSAGE: no whole record yet, [`Error::missing`] bytes are missing; call again with all of it.
    /// Otherwise as [`SecurityContext::accept_security_context`].
    pub fn accept(
        credentials: &InboundCredentials,
        options: &ContextOptions,
        input: &[u8],
        output: &mut TokenBuffer<'_>,
    ) -> Result<(Self, TokenOutcome), Error> {
        output.clear();
        let handshake = Handshake::server(credentials, options)?;
        let post_handshake = options.post_handshake.unwrap_or_else(|| credentials.post_handshake());
        let mut context = Self::handshaking(handshake, post_handshake, credentials.rekey_after());
        let outcome = context.accept_security_context(input, output)?;
        Ok((context, outcome))
    }

    /// Every later InitializeSecurityContext. `input` is what arrived, empty for none.
    ///
    /// `credentials` matters only behind SEC_I_INCOMPLETE_CREDENTIALS: its certificate is the answer to the server's request, and an
    /// empty list is if it holds none; [`None`] is the credential of the first call.
    ///
    /// - SEC_I_CONTINUE_NEEDED: send `output`, if any, and call again with more of the peer's bytes, [`TokenOutcome::extra`] first.
    /// - SEC_E_OK: finished; `output` is to be sent also now. [`TokenOutcome::extra`] bytes belong to DecryptMessage.
    /// - SEC_I_INCOMPLETE_CREDENTIALS: the server wants a certificate. Nothing was consumed: call again with the same input.
    /// - SEC_I_CONTEXT_EXPIRED: the peer has closed, or there is nothing left to produce.
    /// - With a control token waiting: SEC_E_OK, and its alert in `output`; `input` is not looked at (section 4).
    ///
    /// # Errors
    /// - SEC_E_INCOMPLETE_MESSAGE: no whole record; nothing has changed.
    /// - SEC_E_INSUFFICIENT_MEMORY: `output` is too small; call again with the same input.
    /// - SEC_E_INVALID_HANDLE: a server's context, and no control token waits.
    /// - Anything else ends the context; [`Error::alert_record`] is to be sent.
    pub fn initialize_security_context(
        &mut self,
        credentials: Option<&OutboundCredentials>,
        input: &[u8],
        output: &mut TokenBuffer<'_>,
    ) -> Result<TokenOutcome, Error> {
        self.token_call(Role::Client, credentials, input, output)
    }

    /// Every later AcceptSecurityContext; as [`SecurityContext::initialize_security_context`].
    ///
    /// # Errors
    /// As there; SEC_E_NO_CREDENTIALS when the credential has no certificate for this client.
    pub fn accept_security_context(
        &mut self,
        input: &[u8],
        output: &mut TokenBuffer<'_>,
    ) -> Result<TokenOutcome, Error> {
        self.token_call(Role::Server, None, input, output)
    }

    /// ApplyControlToken (sections 2.6, 3.5). A shutdown or an alert is emitted by the next token call; until then nothing
    /// changes. A second one replaces the first.
    ///
    /// # Errors
    /// SEC_E_UNSUPPORTED_FUNCTION: renegotiation.
    pub fn apply_control_token(&mut self, token: ControlToken) -> Result<(), Error> {
        match (table::control(token), token) {
            (Control::Refuse(status), _) => Err(Error::new(status).because("renegotiation is not supported")),
            (Control::Session, ControlToken::Session { reconnects }) => {
                self.set_reconnects(reconnects);
                Ok(())
            }
            _ => {
                let Some(alert) = token.alert() else { return Ok(()) };
                match self.phase.view_mut() {
                    ViewMut::Handshaking(handshaking) => handshaking.waiting = Some(alert),
                    ViewMut::Established { send, .. } => send.keep(alert),
                    ViewMut::Failed(failed) => failed.waiting = Waiting::ControlToken,
                }
                Ok(())
            }
        }
    }

    /// EncryptMessage: [`SendHalf::encrypt`].
    ///
    /// # Errors
    /// As there; SEC_E_INVALID_HANDLE before the handshake is finished.
    pub fn encrypt_message(
        &mut self,
        header: &mut [u8],
        data: &mut [u8],
        trailer: &mut [u8],
    ) -> Result<Encrypted, Error> {
        self.send_half()?.encrypt(header, data, trailer)
    }

    /// DecryptMessage: [`ReceiveHalf::decrypt`].
    ///
    /// # Errors
    /// As there; SEC_E_INVALID_HANDLE before the handshake is finished.
    pub fn decrypt_message(&mut self, buffer: &mut [u8]) -> Result<Decrypted, Error> {
        match self.phase.view_mut() {
            ViewMut::Established { receive, .. } if self.beginning.is_none() => receive.decrypt(buffer),
            _ => Err(unfinished()),
        }
    }

    /// Sends a KeyUpdate: [`SendHalf::key_update`].
    ///
    /// # Errors
    /// As there; SEC_E_INVALID_HANDLE before the handshake is finished.
    pub fn key_update(
        &mut self,
        request: KeyUpdateRequest,
        output: &mut TokenBuffer<'_>,
    ) -> Result<(), Error> {
        self.send_half()?.key_update(request, output)
    }

    /// The sending half.
    ///
    /// # Errors
    /// SEC_E_INVALID_HANDLE before the handshake is finished.
    pub fn send_half(&mut self) -> Result<&mut SendHalf, Error> {
        match self.phase.view_mut() {
            ViewMut::Established { send, .. } if self.beginning.is_none() => Ok(send),
            _ => Err(unfinished()),
        }
    }

    /// QueryContextAttributes: the answers a finished handshake leaves (section 3.6).
    ///
    /// # Errors
    /// SEC_E_INVALID_HANDLE before the handshake is finished.
    pub fn attributes(&self) -> Result<&Attributes, Error> {
        table::query(self.state(), self.is_established())
            .map_err(|status| Error::new(status).because(UNFINISHED))?;
        match self.phase.view() {
            View::Established { send, .. } if self.beginning.is_none() => Ok(send.attributes()),
            _ => Err(unfinished()),
        }
    }

    /// SECPKG_ATTR_REMOTE_CERTIFICATES, from the moment the peer's Certificate has been processed, and after a refusal too (section
    /// 3.6). Behind SEC_I_INCOMPLETE_CREDENTIALS that moment is still to come.
    ///
    /// # Errors
    /// SEC_E_NO_CREDENTIALS: there is none, or not yet.
    pub fn remote_certificates(&self) -> Result<&[Vec<u8>], Error> {
        let chain = match self.phase.view() {
            View::Handshaking(handshaking) => handshaking.handshake.peer_chain(),
            View::Established { send, .. } => return send.attributes().remote_certificates(),
            View::Failed(failed) => &failed.peer_chain,
        };
        not_empty(chain)
    }

    /// SECPKG_ATTR_LOCAL_CERT_CONTEXT and its chain, once it is chosen.
    ///
    /// # Errors
    /// SEC_E_NO_CREDENTIALS: there is none, or not yet.
    pub fn local_certificates(&self) -> Result<Vec<Vec<u8>>, Error> {
        let chain = match self.phase.view() {
            View::Handshaking(handshaking) => handshaking.handshake.local_chain(),
            View::Established { send, .. } => {
                return send.attributes().local_certificates().map(<[_]>::to_vec);
            }
            View::Failed(failed) => failed.local_chain.clone(),
        };
        not_empty(&chain).map(<[_]>::to_vec)
    }

    /// SECPKG_ATTR_ISSUER_LIST_EX: the names in the server's CertificateRequest, DER.
    ///
    /// # Errors
    /// SEC_E_INVALID_HANDLE: the handshake has not come so far.
    pub fn issuer_list(&self) -> Result<&[Vec<u8>], Error> {
        match self.phase.view() {
            View::Handshaking(handshaking) => handshaking.handshake.issuers().ok_or_else(unfinished),
            View::Established { send, .. } => Ok(send.attributes().issuer_list()),
            View::Failed(failed) => Ok(&failed.issuers),
        }
    }

    /// Tells the context that the transport ended and gives the verdict: [`ReceiveHalf::transport_ended`].
    pub fn transport_ended(&mut self, end: TransportEnd, unprocessed: usize) -> ReadEnd {
        let read_end = match self.phase.view_mut() {
            ViewMut::Established { receive, .. } => return receive.transport_ended(end, unprocessed),
            ViewMut::Handshaking(handshaking) => &mut handshaking.read_end,
            ViewMut::Failed(failed) => &mut failed.read_end,
        };
        if *read_end == ReadEnd::Open {
            *read_end = match end {
                TransportEnd::Eof => ReadEnd::Truncated { inside_record: unprocessed > 0 },
                TransportEnd::Reset => ReadEnd::Reset,
            };
        }
        *read_end
    }

    /// How the connection stands.
    pub fn closing_report(&self) -> ClosingReport {
        let in_handshake = |read_end, close_sent| ClosingReport {
            read_end,
            handshake_complete: false,
            close_sent,
            bytes_sent: 0,
            bytes_received: 0,
        };
        match self.phase.view() {
            View::Handshaking(handshaking) => in_handshake(handshaking.read_end, handshaking.close_sent),
            View::Failed(failed) => in_handshake(failed.read_end, failed.close_sent),
            View::Established { send, receive } => ClosingReport {
                read_end: receive.read_end(),
                handshake_complete: self.is_established(),
                close_sent: send.close_sent(),
                bytes_sent: send.bytes_sent(),
                bytes_received: receive.bytes_received(),
            },
        }
    }

    /// Whether the handshake is finished. It is not while its last token waits for a large enough buffer: what is encrypted may only
    /// follow that token.
    pub fn is_established(&self) -> bool {
        matches!(self.phase, Phase::Established { .. }) && self.beginning.is_none()
    }

    /// Drops all but the raw keys of both directions: [`SendHalf::park`]. Nothing before the handshake is finished.
    pub fn park(&mut self) {
        if let Phase::Established { send, receive } = &mut self.phase {
            send.park();
            receive.park();
        }
    }

    /// Whether both directions hold raw keys only.
    pub fn is_parked(&self) -> bool {
        matches!(&self.phase, Phase::Established { send, receive } if send.is_parked() && receive.is_parked())
    }

    /// Whether a control token waits for the next token call (S5), which then serves either role and does not look at its input.
    pub fn has_control_token(&self) -> bool {
        self.waiting() == Waiting::ControlToken
    }

    /// Which side this is.
    pub fn role(&self) -> Role {
        match (&self.beginning, self.phase.view()) {
            (Some(beginning), _) => beginning.role,
            (None, View::Established { send, .. }) => send.attributes().role(),
            (None, View::Handshaking(handshaking)) => handshaking.handshake.role(),
            // A failed handshake has not given its last token out.
            (None, View::Failed(_)) => Role::Client,
        }
    }

    /// The two halves, for two threads.
    ///
    /// # Errors
    /// The context itself, unchanged: its handshake is not finished, or a token waits that found no room.
    pub fn split(self) -> Result<(SendHalf, ReceiveHalf), Box<Self>> {
        match self {
            Self { phase: Phase::Established { send, receive }, beginning: None } => Ok((send, receive)),
            other => Err(Box::new(other)),
        }
    }

    /// Puts the halves of one connection together again.
    ///
    /// # Errors
    /// The halves themselves: they are not of one connection.
    pub fn join(send: SendHalf, receive: ReceiveHalf) -> Result<Self, Box<(SendHalf, ReceiveHalf)>> {
        if !send.is_twin_of(&receive) {
            return Err(Box::new((send, receive)));
        }
        Ok(Self { phase: Phase::Established { send, receive }, beginning: None })
    }

    fn handshaking(handshake: Handshake, post_handshake: PostHandshake, rekey_after: Option<u64>) -> Self {
        let beginning = Beginning { role: handshake.role(), post_handshake, rekey_after, unsent: None };
        let unfinished = Unfinished::Handshaking(Handshaking::new(handshake));
        Self { phase: Phase::Unfinished(Box::new(unfinished)), beginning: Some(Box::new(beginning)) }
    }

    fn state(&self) -> State {
        match self.phase.view() {
            View::Handshaking(handshaking) => handshaking.state(),
            View::Established { send, .. } => send.shared().state(),
            View::Failed(_) => State::Failed,
        }
    }

    fn waiting(&self) -> Waiting {
        match self.phase.view() {
            View::Handshaking(handshaking) => handshaking.waiting(),
            View::Established { send, .. } => send.waiting(),
            View::Failed(failed) => failed.waiting,
        }
    }

    /// Rows 3.1 and 3.2 of the table.
    fn token_call(
        &mut self,
        caller: Role,
        credentials: Option<&OutboundCredentials>,
        input: &[u8],
        output: &mut TokenBuffer<'_>,
    ) -> Result<TokenOutcome, Error> {
        output.clear();
        let (state, waiting) = (self.state(), self.waiting());
        // Section 4.2: with a control token waiting either call serves either side.
        if caller != self.role() && waiting == Waiting::Nothing {
            return Err(Error::new(ErrorStatus::InvalidHandle).because("the context is the other side's"));
        }
        if waiting == Waiting::Nothing
            && let Some(unsent) = self.beginning.as_mut().and_then(|beginning| beginning.unsent.take())
        {
            return self.deliver_again(unsent, input, output);
        }
        let answer =
            if input.is_empty() { table::empty(state, waiting) } else { table::token(state, waiting) };
        match answer {
            Token::Control => self.emit_waiting(output),
            Token::Step => self.step(credentials, input, output),
            Token::PostHandshake | Token::PostHandshakeReadOnly => match self.phase.view_mut() {
                ViewMut::Established { send, receive } => {
                    post_handshake::process_token(send, receive, input, output)
                }
                _ => Err(unfinished()),
            },
            Token::Renegotiate => Ok(TokenOutcome::ignoring_input(self.renegotiate())),
            Token::Succeed(status) => Ok(TokenOutcome::ignoring_input(status)),
            Token::Refuse(status) => {
                let error = Error::new(status);
                Err(if status == ErrorStatus::IncompleteMessage {
                    error.with_missing(HEADER_LEN)
                } else {
                    error
                })
            }
        }
    }

    /// The profile's first line: nothing is renegotiated, and a TLS 1.3 client that asks is not disturbed.
    fn renegotiate(&self) -> SuccessStatus {
        match self.phase.view() {
            View::Established { send, .. }
                if self.role() == Role::Client && send.attributes().protocol() == Protocol::Tls13 =>
            {
                SuccessStatus::Ok
            }
            _ => SuccessStatus::NoRenegotiation,
        }
    }

    fn emit_waiting(&mut self, output: &mut TokenBuffer<'_>) -> Result<TokenOutcome, Error> {
        let unsent = self.beginning.as_ref().and_then(|beginning| beginning.unsent.as_ref());
        let unsent = unsent.map(|unsent| unsent.token.as_slice()).unwrap_or_default();
        match self.phase.view_mut() {
            ViewMut::Handshaking(handshaking) => handshaking.emit_waiting(unsent, output)?,
            ViewMut::Established { send, receive } => {
                output.put(unsent)?;
                send.emit_waiting(output).inspect_err(|_| output.clear())?;
                receive.drop_held_message();
            }
            ViewMut::Failed(failed) => failed.waiting = Waiting::Nothing,
        }
        // The token is out; how much of its input was consumed is still to be told.
        // Behind a fatal alert nobody needs to know.
        if self.state() == State::Failed {
            self.delivered();
        } else if let Some(unsent) = self.beginning.as_mut().and_then(|beginning| beginning.unsent.as_mut()) {
            unsent.token.clear();
        }
        Ok(TokenOutcome::ignoring_input(SuccessStatus::Ok))
    }

    fn step(
        &mut self,
        credentials: Option<&OutboundCredentials>,
        input: &[u8],
        output: &mut TokenBuffer<'_>,
    ) -> Result<TokenOutcome, Error> {
        let ViewMut::Handshaking(handshaking) = self.phase.view_mut() else { return Err(unfinished()) };
        let mut token = Vec::new();
        let outcome = match handshaking.step(input, credentials, &mut token) {
            Ok(Step::Incomplete { missing }) => {
                return Err(Error::new(ErrorStatus::IncompleteMessage).with_missing(missing));
            }
            Ok(Step::NeedsCredentials) => TokenOutcome::ignoring_input(SuccessStatus::IncompleteCredentials),
            Ok(Step::Continue { consumed }) => {
                TokenOutcome::consumed(SuccessStatus::ContinueNeeded, consumed, input)
            }
            Ok(Step::PeerClosed { consumed }) => {
                TokenOutcome::consumed(SuccessStatus::ContextExpired, consumed, input)
            }
            Ok(Step::Finished { consumed }) => {
                self.establish()?;
                TokenOutcome::consumed(SuccessStatus::Ok, consumed, input)
            }
            Err(error) => {
                self.give_up();
                return Err(error);
            }
        };
        self.deliver(Unsent { token, outcome }, output)
    }

    /// Gives out a token that found no room before, for the input it was the answer to; more bytes may have come behind it.
    fn deliver_again(
        &mut self,
        unsent: Unsent,
        input: &[u8],
        output: &mut TokenBuffer<'_>,
    ) -> Result<TokenOutcome, Error> {
        let TokenOutcome { status, consumed, .. } = unsent.outcome;
        if let Some(missing) = consumed.checked_sub(input.len()).filter(|missing| *missing > 0) {
            self.keep(unsent);
            return Err(Error::new(ErrorStatus::IncompleteMessage)
                .because("the input is shorter than the one whose answer found no room")
                .with_missing(missing));
        }
        let outcome = TokenOutcome::consumed(status, consumed, input);
        self.deliver(Unsent { token: unsent.token, outcome }, output)
    }

    /// Gives a token out, or keeps it for the next call.
    fn deliver(&mut self, unsent: Unsent, output: &mut TokenBuffer<'_>) -> Result<TokenOutcome, Error> {
        match output.put(&unsent.token) {
            Ok(()) => {
                self.delivered();
                Ok(unsent.outcome)
            }
            Err(error) => {
                self.keep(unsent);
                Err(error)
            }
        }
    }

    fn keep(&mut self, unsent: Unsent) {
        if let Some(beginning) = &mut self.beginning {
            beginning.unsent = Some(unsent);
        }
    }

    /// No token waits for a larger buffer any more.
    fn delivered(&mut self) {
        if let Phase::Established { .. } = self.phase {
            self.beginning = None;
        } else if let Some(beginning) = &mut self.beginning {
            beginning.unsent = None;
        }
    }

    /// S1 to S3: the engine's keys go to the two halves, the rest of it away.
    fn establish(&mut self) -> Result<(), Error> {
        let Some(beginning) = &self.beginning else { return Err(unfinished()) };
        let (post_handshake, rekey_after) = (beginning.post_handshake, beginning.rekey_after);
        let Some(handshaking) = self.give_up() else { return Err(unfinished()) };
        let (close_sent, read_end) = (handshaking.close_sent, handshaking.read_end);
        let parts = handshaking.handshake.hand_over(post_handshake).inspect_err(|error| {
            if let ViewMut::Failed(failed) = self.phase.view_mut() {
                failed.read_end = ReadEnd::Failed(error.status());
            }
        })?;
        let mut shared = Arc::new(Shared::new(parts.attributes));
        if let Some(shared) = Arc::get_mut(&mut shared) {
            shared.attributes.set_exporter_secret(&parts.exporter_secret);
        }
        if close_sent {
            shared.note_close_sent();
        }
        let send = SendHalf::new(&parts.send, rekey_after, shared.clone());
        let receive = ReceiveHalf::new(&parts.receive, parts.tickets, parts.reconnects, read_end, shared);
        self.phase = Phase::Established { send, receive };
        Ok(())
    }

    /// S1 to S9. Gives the handshake, if that is what it was.
    fn give_up(&mut self) -> Option<Handshaking> {
        let failed = match self.phase.view() {
            View::Handshaking(handshaking) => FailedHandshake {
                waiting: Waiting::Nothing,
                read_end: handshaking.read_end,
                close_sent: handshaking.close_sent,
                peer_chain: handshaking.handshake.peer_chain().to_vec(),
                local_chain: handshaking.handshake.local_chain(),
                issuers: handshaking.handshake.issuers().unwrap_or_default().to_vec(),
            },
            _ => FailedHandshake {
                waiting: Waiting::Nothing,
                read_end: ReadEnd::Failed(ErrorStatus::InternalError),
                close_sent: false,
                peer_chain: Vec::new(),
                local_chain: Vec::new(),
                issuers: Vec::new(),
            },
        };
        let failed = Phase::Unfinished(Box::new(Unfinished::Failed(failed)));
        match core::mem::replace(&mut self.phase, failed) {
            Phase::Unfinished(before) => match *before {
                Unfinished::Handshaking(handshaking) => Some(handshaking),
                Unfinished::Failed(_) => None,
            },
            Phase::Established { .. } => None,
        }
    }

    fn set_reconnects(&mut self, reconnects: bool) {
        match self.phase.view_mut() {
            ViewMut::Handshaking(handshaking) => handshaking.handshake.set_reconnects(reconnects),
            ViewMut::Established { receive, .. } => receive.set_reconnects(reconnects),
            ViewMut::Failed(_) => {}
        }
    }
}

#[cfg(test)]
#[path = "schedules_tests/fork_context.rs"]
pub(super) mod fork;

const UNFINISHED: &str = "the handshake is not finished";

fn unfinished() -> Error {
    Error::new(ErrorStatus::InvalidHandle).because(UNFINISHED)
}

fn not_empty(chain: &[Vec<u8>]) -> Result<&[Vec<u8>], Error> {
    if chain.is_empty() {
        return Err(Error::new(ErrorStatus::NoCredentials).because("there is no certificate, or not yet"));
    }
    Ok(chain)
}

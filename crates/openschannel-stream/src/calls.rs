//! The calls of SSPI as the driver makes them: on a context that a server does not have yet at first, and with the observer told.

use openschannel::alert::Alert;
use openschannel::credentials::{InboundCredentials, OutboundCredentials};
use openschannel::status::{Error, ErrorStatus, SuccessStatus};
use openschannel::{
    ClosingReport, ContextOptions, ControlToken, Decrypted, KeyUpdateRequest, ReadEnd, Role, SecurityContext,
    TokenBuffer, TokenOutcome, TransportEnd,
};

use crate::buffers::Output;
use crate::half_calls::{ReceiveCalls, SendCalls};
use crate::observer::{Observer, RecordSeen, records};
use crate::watch::{Moved, Sent, Watch, token_call_of};

/// A context and who watches it.
pub(crate) struct Calls {
    stage: Stage,
    watch: Watch,
    /// What a client's first call produced, until an observer has been told.
    first_token: Vec<RecordSeen>,
}

enum Stage {
    /// A server that has no whole first record: SSPI has no context either.
    Listening {
        credentials: InboundCredentials,
        options: ContextOptions,
        read_end: ReadEnd,
    },
    Context(SecurityContext),
}

impl Calls {
    /// The first InitializeSecurityContext.
    pub(crate) fn client(
        credentials: &OutboundCredentials,
        target: Option<&str>,
        options: &ContextOptions,
        output: &mut Output,
    ) -> Result<Self, Error> {
        let mut token = TokenBuffer::allocate();
        let (context, _) = SecurityContext::initialize(credentials, target, options, &mut token)?;
        let first_token = records(token.as_bytes());
        output.put(token.into_vec());
        Ok(Self { stage: Stage::Context(context), watch: Watch::nobody(Role::Client), first_token })
    }

    pub(crate) fn server(credentials: &InboundCredentials, options: &ContextOptions) -> Self {
        let stage = Stage::Listening {
            credentials: credentials.clone(),
            options: options.clone(),
            read_end: ReadEnd::Open,
        };
        Self { stage, watch: Watch::nobody(Role::Server), first_token: Vec::new() }
    }

    pub(crate) fn set_observer(&mut self, observer: Box<dyn Observer + Send>) {
        self.watch.set(observer);
        let first = core::mem::take(&mut self.first_token);
        if !first.is_empty() {
            let bytes_out = first.iter().map(|record| record.len).sum();
            let status = Ok(SuccessStatus::ContinueNeeded);
            self.watch.tell(
                token_call_of(self.role()),
                status,
                Moved { bytes_out, records_out: &first, ..Moved::default() },
            );
        }
    }

    pub(crate) fn role(&self) -> Role {
        self.watch.side()
    }

    pub(crate) fn context(&self) -> Option<&SecurityContext> {
        match &self.stage {
            Stage::Context(context) => Some(context),
            Stage::Listening { .. } => None,
        }
    }

    pub(crate) fn context_mut(&mut self) -> Option<&mut SecurityContext> {
        match &mut self.stage {
            Stage::Context(context) => Some(context),
            Stage::Listening { .. } => None,
        }
    }

    pub(crate) fn is_established(&self) -> bool {
        self.context().is_some_and(SecurityContext::is_established)
    }

    pub(crate) fn closing_report(&self) -> ClosingReport {
        match &self.stage {
            Stage::Context(context) => context.closing_report(),
            Stage::Listening { read_end, .. } => ClosingReport {
                read_end: *read_end,
                handshake_complete: false,
                close_sent: false,
                bytes_sent: 0,
                bytes_received: 0,
            },
        }
    }

    pub(crate) fn transport_ended(&mut self, end: TransportEnd, unprocessed: usize) -> ReadEnd {
        match &mut self.stage {
            Stage::Context(context) => context.transport_ended(end, unprocessed),
            Stage::Listening { read_end, .. } => {
                if *read_end == ReadEnd::Open {
                    *read_end = match end {
                        TransportEnd::Eof => ReadEnd::Truncated { inside_record: unprocessed > 0 },
                        TransportEnd::Reset => ReadEnd::Reset,
                    };
                }
                *read_end
            }
        }
    }

    /// InitializeSecurityContext or AcceptSecurityContext. The token, or after a failure the alert, is put into `output`.
    pub(crate) fn token(&mut self, input: &[u8], output: &mut Output) -> Result<TokenOutcome, Error> {
        self.token_call(input, output, None)
    }

    /// ApplyControlToken and the token call that emits what it asks for. Without a context there is nobody to tell.
    pub(crate) fn control(&mut self, token: ControlToken, output: &mut Output) -> Result<(), Error> {
        let Stage::Context(context) = &mut self.stage else { return Ok(()) };
        let applied = context.apply_control_token(token);
        let (call, alert) = match token {
            ControlToken::Shutdown => (SHUTDOWN, Some(Alert::CLOSE_NOTIFY)),
            ControlToken::Alert(alert) => (ALERT, Some(alert)),
            _ => ("ApplyControlToken", None),
        };
        self.watch.tell(call, applied.as_ref().map(|()| SuccessStatus::Ok), Moved::default());
        applied?;
        self.token_call(&[], output, alert)?;
        Ok(())
    }

    /// A server without a context will not make one any more: an own fatal alert was asked for. False where there is a context, which
    /// knows by itself, and behind the transport's end, which came first.
    pub(crate) fn abandon(&mut self) -> bool {
        let Stage::Listening { read_end, .. } = &mut self.stage else { return false };
        let is_open = *read_end == ReadEnd::Open;
        if is_open {
            *read_end = ReadEnd::Failed(ErrorStatus::ContextExpired);
        }
        is_open
    }

    /// DecryptMessage on the record at the front of `buffer`.
    pub(crate) fn decrypt(&mut self, buffer: &mut [u8]) -> Result<Decrypted, Error> {
        let Stage::Context(context) = &mut self.stage else { return Err(no_context()) };
        self.watch.decrypt(buffer, |buffer| context.decrypt_message(buffer))
    }

    /// EncryptMessage of `data`, at most one record, into `output`.
    pub(crate) fn encrypt(&mut self, data: &[u8], output: &mut Output) -> Result<(), Error> {
        let Stage::Context(context) = &mut self.stage else { return Err(no_context()) };
        self.watch.encrypt(context.send_half()?, data, output)
    }

    /// Sends a KeyUpdate.
    pub(crate) fn key_update(&mut self, request: KeyUpdateRequest, output: &mut Output) -> Result<(), Error> {
        let Stage::Context(context) = &mut self.stage else { return Err(no_context()) };
        self.watch.token_of(KEY_UPDATE, None, output, |token| context.key_update(request, token))
    }

    /// Whether the peer waits for a KeyUpdate.
    pub(crate) fn is_reply_due(&mut self) -> bool {
        self.context_mut()
            .and_then(|context| context.send_half().ok())
            .is_some_and(|send| send.is_reply_due())
    }

    /// Answers the peer's KeyUpdate.
    pub(crate) fn answer_key_update(&mut self, output: &mut Output) -> Result<(), Error> {
        let Stage::Context(context) = &mut self.stage else { return Err(no_context()) };
        let send = context.send_half()?;
        self.watch.token_of(KEY_UPDATE_REPLY, None, output, |token| send.answer_key_update(token))
    }

    /// The two directions, each with its watch.
    ///
    /// # Errors
    /// All of it, unchanged, before the handshake is finished.
    pub(crate) fn split(self) -> Result<(SendCalls, ReceiveCalls), Box<Self>> {
        let Self { stage, watch, first_token } = self;
        let context = match stage {
            Stage::Context(context) => context,
            stage @ Stage::Listening { .. } => return Err(Box::new(Self { stage, watch, first_token })),
        };
        match context.split() {
            Ok((send, mut receive)) => {
                receive.consume_post_handshake();
                let (sending, receiving) = watch.split();
                Ok((
                    SendCalls { half: send, watch: sending },
                    ReceiveCalls { half: receive, watch: receiving },
                ))
            }
            Err(context) => Err(Box::new(Self { stage: Stage::Context(*context), watch, first_token })),
        }
    }

    /// The opposite of [`Calls::split`].
    ///
    /// # Errors
    /// Both, unchanged: they are not of one connection.
    pub(crate) fn join(
        send: SendCalls,
        receive: ReceiveCalls,
    ) -> Result<Self, Box<(SendCalls, ReceiveCalls)>> {
        match SecurityContext::join(send.half, receive.half) {
            Ok(context) => {
                Ok(Self { stage: Stage::Context(context), watch: send.watch, first_token: Vec::new() })
            }
            Err(halves) => {
                let (half, other) = *halves;
                Err(Box::new((
                    SendCalls { half, watch: send.watch },
                    ReceiveCalls { half: other, watch: receive.watch },
                )))
            }
        }
    }

    fn token_call(
        &mut self,
        input: &[u8],
        output: &mut Output,
        emitted: Option<Alert>,
    ) -> Result<TokenOutcome, Error> {
        let mut token = TokenBuffer::allocate();
        let done = self.call_for_token(input, &mut token);
        let token = match &done {
            Ok(_) => token.into_vec(),
            Err(error) => error.alert_record().to_vec(),
        };
        if self.watch.is_anybody() {
            let consumed = match &done {
                Ok(outcome) => outcome.consumed,
                Err(error) if error.status() == ErrorStatus::IncompleteMessage => 0,
                Err(_) => input.len(),
            };
            let (seen_in, seen_out) = (records(input.get(..consumed).unwrap_or_default()), records(&token));
            let alert = match &done {
                Ok(outcome) if outcome.status == SuccessStatus::ContextExpired && outcome.consumed > 0 => {
                    Some((Alert::CLOSE_NOTIFY, Sent::No))
                }
                Ok(_) => emitted.filter(|_| !token.is_empty()).map(|alert| (alert, Sent::Yes)),
                Err(error) => error
                    .received_alert()
                    .map(|alert| (alert, Sent::No))
                    .or_else(|| error.alert().filter(|_| !token.is_empty()).map(|alert| (alert, Sent::Yes))),
            };
            let moved = Moved {
                bytes_in: consumed,
                bytes_out: token.len(),
                data: 0,
                records_in: &seen_in,
                records_out: &seen_out,
                alert,
            };
            self.watch.tell(token_call_of(self.role()), done.as_ref().map(|outcome| outcome.status), moved);
        }
        output.put(token);
        done
    }

    fn call_for_token(&mut self, input: &[u8], token: &mut TokenBuffer<'_>) -> Result<TokenOutcome, Error> {
        match (&mut self.stage, self.watch.side()) {
            (Stage::Context(context), Role::Client) => {
                context.initialize_security_context(None, input, token)
            }
            (Stage::Context(context), Role::Server) => context.accept_security_context(input, token),
            (Stage::Listening { credentials, options, read_end }, _) => {
                match SecurityContext::accept(credentials, options, input, token) {
                    Ok((context, outcome)) => {
                        self.stage = Stage::Context(context);
                        Ok(outcome)
                    }
                    Err(error) => {
                        if error.status() != ErrorStatus::IncompleteMessage && *read_end == ReadEnd::Open {
                            *read_end = match error.received_alert() {
                                Some(alert) => ReadEnd::Alert(alert.description),
                                None => ReadEnd::Failed(error.status()),
                            };
                        }
                        Err(error)
                    }
                }
            }
        }
    }
}

pub(crate) const SHUTDOWN: &str = "ApplyControlToken(SCHANNEL_SHUTDOWN)";
pub(crate) const ALERT: &str = "ApplyControlToken(SCHANNEL_ALERT)";
pub(crate) const KEY_UPDATE: &str = "KeyUpdate";
pub(crate) const KEY_UPDATE_REPLY: &str = "KeyUpdate(reply)";

/// What every call answers where SSPI has no handle.
pub(crate) fn no_context() -> Error {
    Error::new(ErrorStatus::InvalidHandle).because("the handshake is not finished")
}

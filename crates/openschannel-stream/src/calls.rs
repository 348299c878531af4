//! The calls of SSPI as the driver makes them: on a context that a server does not have yet at first, and with the observer told.

use openschannel::alert::Alert;
use openschannel::credentials::{InboundCredentials, OutboundCredentials};
use openschannel::status::{Error, ErrorStatus, SecurityStatus, SuccessStatus};
use openschannel::{
    ClosingReport, ContextOptions, ControlToken, Decrypted, KeyUpdateRequest, ReadEnd, Role, SecurityContext,
    TokenBuffer, TokenOutcome, TransportEnd,
};

use crate::buffers::Output;
use crate::observer::{Event, Observer, RecordSeen, first_record, records};

/// A context and who watches it.
pub(crate) struct Calls {
    stage: Stage,
    role: Role,
    observer: Option<Box<dyn Observer + Send>>,
    /// What a client's first call produced, until an observer has been told.
    first_token: Vec<RecordSeen>,
}

#[expect(
    clippy::large_enum_variant,
    reason = "nearly every connection is in the large one for nearly all its life"
)]
enum Stage {
    /// A server that has no whole first record: SSPI has no context either.
    Listening {
        credentials: InboundCredentials,
        options: ContextOptions,
        read_end: ReadEnd,
    },
    Context(SecurityContext),
}

/// What a call did, for the observer.
#[derive(Default)]
struct Moved<'a> {
    bytes_in: usize,
    bytes_out: usize,
    data: usize,
    records_in: &'a [RecordSeen],
    records_out: &'a [RecordSeen],
    alert: Option<(Alert, Sent)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sent {
    Yes,
    No,
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
        Ok(Self { stage: Stage::Context(context), role: Role::Client, observer: None, first_token })
    }

    pub(crate) fn server(credentials: &InboundCredentials, options: &ContextOptions) -> Self {
        let stage = Stage::Listening {
            credentials: credentials.clone(),
            options: options.clone(),
            read_end: ReadEnd::Open,
        };
        Self { stage, role: Role::Server, observer: None, first_token: Vec::new() }
    }

    pub(crate) fn set_observer(&mut self, observer: Box<dyn Observer + Send>) {
        self.observer = Some(observer);
        let first = core::mem::take(&mut self.first_token);
        if !first.is_empty() {
            let bytes_out = first.iter().map(|record| record.len).sum();
            let status = Ok(SuccessStatus::ContinueNeeded);
            self.tell(
                self.token_name(),
                status,
                Moved { bytes_out, records_out: &first, ..Moved::default() },
            );
        }
    }

    pub(crate) fn role(&self) -> Role {
        self.role
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
            ControlToken::Shutdown => ("ApplyControlToken(SCHANNEL_SHUTDOWN)", Some(Alert::CLOSE_NOTIFY)),
            ControlToken::Alert(alert) => ("ApplyControlToken(SCHANNEL_ALERT)", Some(alert)),
            _ => ("ApplyControlToken", None),
        };
        self.tell(call, applied.as_ref().map(|()| SuccessStatus::Ok), Moved::default());
        applied?;
        self.token_call(&[], output, alert)?;
        Ok(())
    }

    /// DecryptMessage on the record at the front of `buffer`.
    pub(crate) fn decrypt(&mut self, buffer: &mut [u8]) -> Result<Decrypted, Error> {
        let record = if self.observer.is_some() { first_record(buffer) } else { None };
        let whole = buffer.len();
        let Some(context) = self.context_mut() else { return Err(no_context()) };
        let decrypted = context.decrypt_message(buffer);
        if self.observer.is_some() {
            let (bytes_in, data, alert) = match &decrypted {
                Ok(message) => {
                    let closed = message.status == SuccessStatus::ContextExpired;
                    (whole - message.extra.len(), message.data.len(), closed.then_some(Alert::CLOSE_NOTIFY))
                }
                Err(error) if error.status() == ErrorStatus::IncompleteMessage => (0, 0, None),
                Err(error) => (record.map_or(0, |record| record.len), 0, error.received_alert()),
            };
            let records_in = record.as_slice().get(..usize::from(bytes_in > 0)).unwrap_or_default();
            let alert = alert.map(|alert| (alert, Sent::No));
            let status = decrypted.as_ref().map(|message| message.status);
            self.tell(
                "DecryptMessage",
                status,
                Moved { bytes_in, data, records_in, alert, ..Moved::default() },
            );
        }
        decrypted
    }

    /// EncryptMessage of `data`, at most one record, into `output`.
    pub(crate) fn encrypt(&mut self, data: &[u8], output: &mut Output) -> Result<(), Error> {
        let Some(context) = self.context_mut() else { return Err(no_context()) };
        let sizes = context.attributes()?.stream_sizes();
        let trailer = trailer_room(sizes.trailer);
        let send = context.send_half()?;
        let sealed =
            output.seal(sizes.header, data, trailer, |buffer| send.encrypt_contiguous(buffer, data.len()));
        if self.observer.is_some() {
            let bytes = *sealed.as_ref().unwrap_or(&[].as_slice());
            let (seen, bytes_out) = (records(bytes), bytes.len());
            let data = if sealed.is_ok() { data.len() } else { 0 };
            let status = sealed.as_ref().map(|_| SuccessStatus::Ok);
            self.tell(
                "EncryptMessage",
                status,
                Moved { data, bytes_out, records_out: &seen, ..Moved::default() },
            );
        }
        sealed.map(|_| ())
    }

    /// Sends a KeyUpdate.
    pub(crate) fn key_update(&mut self, request: KeyUpdateRequest, output: &mut Output) -> Result<(), Error> {
        let Some(context) = self.context_mut() else { return Err(no_context()) };
        let mut token = TokenBuffer::allocate();
        let updated = context.key_update(request, &mut token);
        self.finish_key_update("KeyUpdate", updated, token, output)
    }

    /// Whether the peer waits for a KeyUpdate.
    pub(crate) fn is_reply_due(&mut self) -> bool {
        self.context_mut()
            .and_then(|context| context.send_half().ok())
            .is_some_and(|send| send.is_reply_due())
    }

    /// Answers the peer's KeyUpdate.
    pub(crate) fn answer_key_update(&mut self, output: &mut Output) -> Result<(), Error> {
        let Some(context) = self.context_mut() else { return Err(no_context()) };
        let mut token = TokenBuffer::allocate();
        let answered = context.send_half()?.answer_key_update(&mut token);
        self.finish_key_update("KeyUpdate(reply)", answered, token, output)
    }

    fn finish_key_update(
        &mut self,
        call: &'static str,
        done: Result<(), Error>,
        token: TokenBuffer<'_>,
        output: &mut Output,
    ) -> Result<(), Error> {
        if self.observer.is_some() {
            let seen = records(token.as_bytes());
            let status = done.as_ref().map(|()| SuccessStatus::Ok);
            self.tell(call, status, Moved { bytes_out: token.len(), records_out: &seen, ..Moved::default() });
        }
        done?;
        output.put(token.into_vec());
        Ok(())
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
        if self.observer.is_some() {
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
            self.tell(self.token_name(), done.as_ref().map(|outcome| outcome.status), moved);
        }
        output.put(token);
        done
    }

    fn call_for_token(&mut self, input: &[u8], token: &mut TokenBuffer<'_>) -> Result<TokenOutcome, Error> {
        match (&mut self.stage, self.role) {
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

    fn token_name(&self) -> &'static str {
        match self.role {
            Role::Client => "InitializeSecurityContext",
            Role::Server => "AcceptSecurityContext",
        }
    }

    fn tell(&mut self, call: &'static str, status: Result<SuccessStatus, &Error>, moved: Moved<'_>) {
        let Some(observer) = &mut self.observer else { return };
        let (status, reason) = match status {
            Ok(status) => (SecurityStatus::Success(status), ""),
            Err(error) => (SecurityStatus::Error(error.status()), error.reason()),
        };
        observer.event(&Event {
            side: self.role,
            call,
            status,
            bytes_in: moved.bytes_in,
            bytes_out: moved.bytes_out,
            data: moved.data,
            records_in: moved.records_in,
            records_out: moved.records_out,
            alert: moved.alert.map(|(alert, _)| alert),
            alert_sent: moved.alert.is_some_and(|(_, sent)| sent == Sent::Yes),
            reason,
        });
    }
}

/// Room behind the data: in compatible mode, whose sizes do not ask for it, too as much as a key refresh wants (44 bytes), or a long
/// transfer would come to the limit of its key.
pub(crate) fn trailer_room(trailer: usize) -> usize {
    trailer.max(44)
}

/// What every call answers where SSPI has no handle.
pub(crate) fn no_context() -> Error {
    Error::new(ErrorStatus::InvalidHandle).because("the handshake is not finished")
}

//! A context that is watched: after every call, what every call has to keep is checked.

use core::ops::Range;

use openschannel::credentials::OutboundCredentials;
use openschannel::status::{Error, ErrorStatus as E, Fault, SuccessStatus as S};
use openschannel::{
    ClosingReport, ControlToken, Decrypted, KeyUpdateRequest, ReadEnd, Role, SecurityContext, SendHalf,
    TokenBuffer, TokenOutcome, TransportEnd,
};

/// What a token call may fail with: its own refusals, the statuses of received alerts (section 5.1) and those of local
/// failures (section 5.2).
const TOKEN_ERRORS: &[E] = &[
    E::InvalidHandle,
    E::IncompleteMessage,
    E::InsufficientMemory,
    E::ContextExpired,
    E::InvalidToken,
    E::IllegalMessage,
    E::MessageAltered,
    E::DecryptFailure,
    E::UnsupportedFunction,
    E::AlgorithmMismatch,
    E::ApplicationProtocolMismatch,
    E::DowngradeDetected,
    E::LogonDenied,
    E::NoCredentials,
    E::UntrustedRoot,
    E::CertExpired,
    E::CertUnknown,
    E::CertWrongUsage,
    E::WrongPrincipal,
    E::CryptERevoked,
    E::UnfinishedContextDeleted,
    E::InternalError,
];

/// What DecryptMessage may fail with once there are keys.
const DECRYPT_ERRORS: &[E] = &[
    E::IncompleteMessage,
    E::ContextExpired,
    E::MessageAltered,
    E::DecryptFailure,
    E::IllegalMessage,
    E::UnsupportedFunction,
    E::AlgorithmMismatch,
    E::ApplicationProtocolMismatch,
    E::LogonDenied,
    E::UntrustedRoot,
    E::CertExpired,
    E::CertUnknown,
    E::CryptERevoked,
    E::UnfinishedContextDeleted,
    E::InternalError,
];

const SEND_ERRORS: &[E] = &[E::InvalidHandle, E::ContextExpired, E::EncryptFailure];

/// All that can be seen of a context's state without changing it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    report: ClosingReport,
    established: bool,
    answers: bool,
    remote: usize,
    local: usize,
    issuers: Option<usize>,
}

#[derive(Debug)]
pub(crate) struct Checked {
    /// [`None`] only while it is taken apart.
    context: Option<SecurityContext>,
    compatible: bool,
    seen: Seen,
    failed: bool,
    control_waits: bool,
}

impl Checked {
    pub(crate) fn new(context: SecurityContext, compatible: bool) -> Self {
        let seen = look(&context);
        Self { context: Some(context), compatible, seen, failed: false, control_waits: false }
    }

    pub(crate) fn get(&self) -> &SecurityContext {
        self.context.as_ref().unwrap()
    }

    pub(crate) fn report(&self) -> ClosingReport {
        self.seen.report
    }

    pub(crate) fn is_established(&self) -> bool {
        self.seen.established
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.failed
    }

    /// InitializeSecurityContext or AcceptSecurityContext, as `caller` says, into memory of its own or `room` bytes.
    pub(crate) fn token(
        &mut self,
        caller: Role,
        credentials: Option<&OutboundCredentials>,
        input: &[u8],
        room: Option<usize>,
    ) -> Result<(TokenOutcome, Vec<u8>), Error> {
        let mut memory = vec![0xaa; room.unwrap_or_default()];
        let mut output = match room {
            Some(_) => TokenBuffer::supplied(&mut memory),
            None => TokenBuffer::allocate(),
        };
        let context = self.context.as_mut().unwrap();
        let result = match caller {
            Role::Client => context.initialize_security_context(credentials, input, &mut output),
            Role::Server => context.accept_security_context(input, &mut output),
        };
        let token = output.into_vec();
        match &result {
            Ok(outcome) => {
                assert!(
                    matches!(
                        outcome.status,
                        S::Ok
                            | S::ContinueNeeded
                            | S::ContextExpired
                            | S::IncompleteCredentials
                            | S::NoRenegotiation
                    ),
                    "{outcome:?}"
                );
                let ignored = outcome.consumed == 0 && outcome.extra == 0;
                assert!(
                    ignored || outcome.consumed + outcome.extra == input.len(),
                    "{outcome:?} of {}",
                    input.len()
                );
                assert!(!self.failed || self.control_waits, "{outcome:?} after a failure");
                self.control_waits = false;
            }
            Err(error) => {
                assert!(TOKEN_ERRORS.contains(&error.status()), "{error}");
                assert!(token.is_empty(), "a token with {error}");
                let only_refused =
                    !self.failed || matches!(error.status(), E::ContextExpired | E::InvalidHandle);
                assert!(only_refused || self.control_waits, "{error} after a failure");
                if error.status() == E::InternalError {
                    assert_eq!(error.fault(), Fault::Peer, "{error}");
                }
                // Behind the own close nothing is sent any more.
                if let Some(alert) = error.alert()
                    && !self.seen.report.close_sent
                {
                    assert!(error.alert_record().len() >= 7, "{error} owes the peer {alert}");
                }
            }
        }
        self.settle(result.as_ref().err(), &[E::InvalidHandle, E::IncompleteMessage, E::InsufficientMemory]);
        result.map(|outcome| (outcome, token))
    }

    pub(crate) fn control(&mut self, token: ControlToken) {
        let result = self.context.as_mut().unwrap().apply_control_token(token);
        match (token, &result) {
            (ControlToken::Renegotiate, Err(error)) => assert_eq!(error.status(), E::UnsupportedFunction),
            (ControlToken::Renegotiate, Ok(())) => panic!("renegotiation accepted"),
            (_, Err(error)) => panic!("{token:?}: {error}"),
            (ControlToken::Session { .. }, Ok(())) => {}
            (_, Ok(())) => self.control_waits = true,
        }
        let before = self.seen.clone();
        self.settle(None, &[]);
        assert_eq!(before, self.seen, "a control token changes nothing by itself");
    }

    pub(crate) fn decrypt(&mut self, buffer: &mut [u8]) -> Result<Decrypted, Error> {
        let before = buffer.to_vec();
        let result = self.context.as_mut().unwrap().decrypt_message(buffer);
        match &result {
            Ok(message) => {
                assert!(!self.failed, "{message:?} after a failure");
                match message.status {
                    S::Ok | S::ContextExpired => {}
                    S::Renegotiate => {
                        assert!(self.compatible, "SEC_I_RENEGOTIATE in quiet mode");
                        assert_eq!(before, buffer, "the record is to be passed on as it came");
                    }
                    other => panic!("{other}"),
                }
                let Decrypted { header, data, trailer, extra, .. } = message;
                assert_in_order(*header, data, trailer, extra, buffer.len());
            }
            Err(error) if !self.seen.established => assert_eq!(error.status(), E::InvalidHandle),
            Err(error) => {
                assert!(DECRYPT_ERRORS.contains(&error.status()), "{error}");
                assert!(!self.failed || error.status() == E::ContextExpired, "{error} after a failure");
                if matches!(error.status(), E::IncompleteMessage | E::ContextExpired) {
                    assert_eq!(before, buffer, "nothing has changed");
                }
                assert_eq!(
                    error.status() == E::IncompleteMessage,
                    error.missing().is_some_and(|missing| missing > 0)
                );
                if error.status() == E::InternalError {
                    assert_eq!(error.fault(), Fault::Peer, "{error}");
                }
            }
        }
        self.settle(result.as_ref().err(), &[E::InvalidHandle, E::IncompleteMessage, E::ContextExpired]);
        result
    }

    /// EncryptMessage in three buffers; gives the record.
    pub(crate) fn encrypt(&mut self, header: usize, data: &[u8], trailer: usize) -> Result<Vec<u8>, Error> {
        let (mut header, mut content, mut trailer) = (vec![0x11; header], data.to_vec(), vec![0x22; trailer]);
        let result = self.context.as_mut().unwrap().encrypt_message(&mut header, &mut content, &mut trailer);
        self.sent(result.as_ref().err(), &[E::BufferTooSmall]);
        match result {
            Ok(sealed) => {
                assert_eq!(sealed.data, data.len());
                header.truncate(sealed.header);
                trailer.truncate(sealed.trailer);
                Ok([header, content, trailer].concat())
            }
            Err(error) => {
                let untouched =
                    header.iter().all(|byte| *byte == 0x11) && trailer.iter().all(|byte| *byte == 0x22);
                assert!(untouched && content == data, "written to with {error}");
                Err(error)
            }
        }
    }

    /// EncryptMessage in a buffer of `room` bytes that is said to hold `data_len`.
    pub(crate) fn encrypt_contiguous(
        &mut self,
        room: usize,
        data: &[u8],
        data_len: usize,
    ) -> Result<Vec<u8>, Error> {
        let mut buffer = vec![0x33; room];
        if let Ok(attributes) = self.get().attributes() {
            let header = attributes.stream_sizes().header;
            for (byte, data) in buffer.iter_mut().skip(header).zip(data) {
                *byte = *data;
            }
        }
        let before = buffer.clone();
        let result = self.with_send(|send| send.encrypt_contiguous(&mut buffer, data_len));
        self.sent(result.as_ref().err(), &[E::BufferTooSmall]);
        match result {
            Ok(len) => {
                buffer.truncate(len);
                Ok(buffer)
            }
            Err(error) => {
                assert_eq!(before, buffer, "written to with {error}");
                Err(error)
            }
        }
    }

    /// A call of the sending half's that writes a token.
    pub(crate) fn send_token(
        &mut self,
        room: Option<usize>,
        call: impl FnOnce(&mut SendHalf, &mut TokenBuffer<'_>) -> Result<(), Error>,
    ) -> Result<Vec<u8>, Error> {
        let mut memory = vec![0; room.unwrap_or_default()];
        let mut output = match room {
            Some(_) => TokenBuffer::supplied(&mut memory),
            None => TokenBuffer::allocate(),
        };
        let result = self.with_send(|send| call(send, &mut output));
        let token = output.into_vec();
        self.sent(result.as_ref().err(), &[E::InsufficientMemory, E::UnsupportedFunction]);
        assert!(result.is_ok() || token.is_empty());
        result.map(|()| token)
    }

    pub(crate) fn key_update(
        &mut self,
        request: KeyUpdateRequest,
        room: Option<usize>,
    ) -> Result<Vec<u8>, Error> {
        self.send_token(room, |send, output| send.key_update(request, output))
    }

    pub(crate) fn transport_ended(&mut self, end: TransportEnd, unprocessed: usize) {
        let verdict = self.context.as_mut().unwrap().transport_ended(end, unprocessed);
        let before = self.seen.report.read_end;
        self.settle(None, &[]);
        assert_eq!(verdict, self.seen.report.read_end);
        if before == ReadEnd::Open {
            match end {
                TransportEnd::Eof => assert!(matches!(verdict, ReadEnd::Truncated { .. })),
                TransportEnd::Reset => assert_eq!(verdict, ReadEnd::Reset),
            }
        }
    }

    /// Changes nothing that can be seen.
    pub(crate) fn park(&mut self) {
        let before = self.seen.clone();
        let context = self.context.as_mut().unwrap();
        context.park();
        assert!(context.is_parked() || !context.is_established());
        self.settle(None, &[]);
        assert_eq!(before, self.seen);
    }

    /// Takes the context apart and puts it together again.
    pub(crate) fn split_and_join(&mut self) {
        let before = self.seen.clone();
        match self.context.take().unwrap().split() {
            Ok((send, receive)) => {
                assert_eq!(send.bytes_sent(), before.report.bytes_sent);
                self.context =
                    Some(SecurityContext::join(send, receive).map_err(|_| "not of one connection").unwrap());
            }
            Err(context) => self.context = Some(*context),
        }
        self.settle(None, &[]);
        assert_eq!(before, self.seen);
    }

    /// Closes by the sending half alone; the context is gone after that.
    pub(crate) fn close(mut self) -> Option<Vec<u8>> {
        let may = self.encrypt(13, &[], 44).is_ok();
        let (send, _receive) = self.context?.split().ok()?;
        let closed = send.close();
        match closed {
            // After a failure at most the alert the peer is owed.
            Ok(record) => Some(record),
            Err(error) => {
                assert!(!may && error.status() == E::ContextExpired, "{error}");
                None
            }
        }
    }

    fn with_send<R>(&mut self, call: impl FnOnce(&mut SendHalf) -> Result<R, Error>) -> Result<R, Error> {
        self.context.as_mut().unwrap().send_half().and_then(call)
    }

    fn sent(&mut self, error: Option<&Error>, also: &[E]) {
        if let Some(error) = error {
            assert!(SEND_ERRORS.contains(&error.status()) || also.contains(&error.status()), "{error}");
            if self.failed {
                assert!(matches!(
                    error.status(),
                    E::ContextExpired | E::InvalidHandle | E::UnsupportedFunction
                ));
            }
        }
        let unchanged: Vec<E> = SEND_ERRORS.iter().chain(also).copied().collect();
        self.settle(error, &unchanged);
    }

    /// Looks again, and compares with what was seen before the call.
    fn settle(&mut self, error: Option<&Error>, of_use: &[E]) {
        let now = look(self.context.as_ref().unwrap());
        let mut before = core::mem::replace(&mut self.seen, now);
        let now = &self.seen;
        let (was, is) = (before.report, now.report);
        if let Some(error) = error {
            if of_use.contains(&error.status()) && error.received_alert().is_none() {
                if error.status() == E::InsufficientMemory {
                    // The peer's token was read, its certificate and its end too; what came out of it waits for a larger buffer.
                    (before.remote, before.local, before.issuers) = (now.remote, now.local, now.issuers);
                    if now.report.read_end == ReadEnd::Clean && !now.established {
                        before.report.read_end = ReadEnd::Clean;
                    }
                }
                assert_eq!(&before, now, "changed by {error}");
            } else if !of_use.contains(&error.status()) && error.status() != E::ContextExpired {
                self.failed = true;
            }
        }
        assert!(was.read_end == ReadEnd::Open || was.read_end == is.read_end, "{was:?} then {is:?}");
        assert!(is.handshake_complete || !was.handshake_complete);
        assert!(is.close_sent || !was.close_sent);
        assert!(is.bytes_sent >= was.bytes_sent && is.bytes_received >= was.bytes_received);
        assert_eq!(is.handshake_complete, now.established);
        assert_eq!(now.answers, now.established);
        self.failed |= matches!(is.read_end, ReadEnd::Alert(_) | ReadEnd::Failed(_));
    }
}

fn look(context: &SecurityContext) -> Seen {
    Seen {
        report: context.closing_report(),
        established: context.is_established(),
        answers: context.attributes().is_ok(),
        remote: context.remote_certificates().map_or(0, <[_]>::len),
        local: context.local_certificates().map_or(0, |chain| chain.len()),
        issuers: context.issuer_list().map(<[_]>::len).ok(),
    }
}

fn assert_in_order(
    header: usize,
    data: &Range<usize>,
    trailer: &Range<usize>,
    extra: &Range<usize>,
    len: usize,
) {
    let empty = |range: &Range<usize>| range.start == range.end;
    let marks = [0, header, data.start, data.end, trailer.start, trailer.end, extra.start, extra.end, len];
    let nothing = header == 0 && empty(data) && empty(trailer);
    assert!(nothing || marks.is_sorted(), "{marks:?}");
    assert!(extra.start <= extra.end && extra.end <= len, "{marks:?}");
}

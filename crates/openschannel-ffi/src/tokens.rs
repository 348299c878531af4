//! InitializeSecurityContext, AcceptSecurityContext, ApplyControlToken, DeleteSecurityContext (sections 2.4-2.6, 2.10).
//!
//! ```text
//!   arguments --> Input, Output (read whole) --> the provider's token call --> token, EXTRA or MISSING, attributes, handle
//! ```
//!
//! Nothing is written before the provider has answered, so the same descriptor may serve as input and output.

use std::sync::Arc;

use openschannel::status::{Error, ErrorStatus, SuccessStatus};
use openschannel::{ControlToken, Role, SecurityContext, TokenOutcome};

use crate::attributes::Requested;
use crate::boundary::{self, Answer};
use crate::buffers::Descriptor;
use crate::context::{Companion, Held};
use crate::credentials::Credential;
use crate::elsewhere;
use crate::handles::{Connection, contexts, credentials};
use crate::strings;
use crate::time;
use crate::token_input::Input;
use crate::token_output::Output;
use crate::types::{
    SecBufferDesc, SecHandle, SecWchar, SecurityStatusCode, TimeStamp, asc, buffer_type, isc,
};

/// The same call for either character type.
macro_rules! initialize_security_context {
    ($($(#[$meta:meta])* $name:ident, $char:ty, $charset:ident, $table:ident;)+) => { $(
        $(#[$meta])*
        #[unsafe(no_mangle)]
        pub unsafe extern "system" fn $name(
            phCredential: *const SecHandle,
            phContext: *const SecHandle,
            pszTargetName: *const $char,
            fContextReq: u32,
            Reserved1: u32,
            TargetDataRep: u32,
            pInput: *const SecBufferDesc,
            Reserved2: u32,
            phNewContext: *mut SecHandle,
            pOutput: *const SecBufferDesc,
            pfContextAttr: *mut u32,
            ptsExpiry: *mut TimeStamp,
        ) -> SecurityStatusCode {
            // SAFETY: the caller's promise.
            if unsafe { is_elsewhere(phCredential, phContext) } {
                elsewhere::pass_on!(
                    elsewhere::$table(),
                    initialize_security_context(
                        phCredential,
                        phContext,
                        pszTargetName,
                        fContextReq,
                        Reserved1,
                        TargetDataRep,
                        pInput,
                        Reserved2,
                        phNewContext,
                        pOutput,
                        pfContextAttr,
                        ptsExpiry
                    )
                );
            }
            // SAFETY: the caller's promise.
            let target = || unsafe { strings::$charset(pszTargetName) };
            let (caller, flags) = (Role::Client, fContextReq);
            let call = Call { caller, phCredential, phContext, flags, pInput, phNewContext, pOutput };
            // SAFETY: the caller's promise.
            boundary::status(|| unsafe { call.run(target, pfContextAttr, ptsExpiry) })
        }
    )+ };
}

initialize_security_context! {
    /// InitializeSecurityContextW: a client's handshake, and for either side the call that emits what ApplyControlToken asked for.
    ///
    /// `phContext` is null in the first call, which needs `phNewContext`. `pInput` is what arrived, in a TOKEN; an EMPTY behind it becomes EXTRA or MISSING. The
    /// token goes to the first TOKEN of `pOutput`, else to its first EMPTY.
    ///
    /// - SEC_I_CONTINUE_NEEDED: send the token, if any, and call again with more of the peer's bytes, EXTRA first.
    /// - SEC_E_OK: finished, or the control token's alert was made; the token is to be sent also now.
    /// - SEC_I_INCOMPLETE_CREDENTIALS: the server wants a certificate; nothing was consumed.
    /// - SEC_I_CONTEXT_EXPIRED: the peer has closed, or there is nothing left to produce.
    /// - SEC_E_INCOMPLETE_MESSAGE: no whole record; nothing has changed.
    /// - SEC_E_INSUFFICIENT_MEMORY: the output buffer is too small; nothing is lost.
    /// - SEC_E_INVALID_TOKEN: descriptors that make no sense, or a token that is no TLS. SEC_E_INVALID_HANDLE: not these handles.
    /// - SEC_E_TARGET_UNKNOWN: `pszTargetName` is neither name nor address.
    /// - Otherwise as sections 3 and 5 have it; with ISC_REQ_EXTENDED_ERROR the token is an alert to be sent.
    ///
    /// # Safety
    /// Pointers are null or point to what the SDK says; the buffers' memory is the call's alone while it runs.
    InitializeSecurityContextW, SecWchar, wide, wide;
    /// InitializeSecurityContextA: as [`InitializeSecurityContextW`], with the target name in UTF-8 (on Windows: in the system's code page).
    ///
    /// # Safety
    /// As [`InitializeSecurityContextW`].
    InitializeSecurityContextA, u8, ansi, ansi;
}

/// AcceptSecurityContext: a server's handshake; otherwise as [`InitializeSecurityContextW`]. The first call needs the front of a
/// ClientHello, and makes no context before the first record is whole.
///
/// - SEC_E_NO_CREDENTIALS: the credential has no certificate for this client.
///
/// # Safety
/// As [`InitializeSecurityContextW`].
#[unsafe(no_mangle)]
pub unsafe extern "system" fn AcceptSecurityContext(
    phCredential: *const SecHandle,
    phContext: *const SecHandle,
    pInput: *const SecBufferDesc,
    fContextReq: u32,
    TargetDataRep: u32,
    phNewContext: *mut SecHandle,
    pOutput: *const SecBufferDesc,
    pfContextAttr: *mut u32,
    ptsExpiry: *mut TimeStamp,
) -> SecurityStatusCode {
    // SAFETY: the caller's promise.
    if unsafe { is_elsewhere(phCredential, phContext) } {
        elsewhere::pass_on!(
            elsewhere::wide(),
            accept_security_context(
                phCredential,
                phContext,
                pInput,
                fContextReq,
                TargetDataRep,
                phNewContext,
                pOutput,
                pfContextAttr,
                ptsExpiry
            )
        );
    }
    let call = Call {
        caller: Role::Server,
        phCredential,
        phContext,
        flags: fContextReq,
        pInput,
        phNewContext,
        pOutput,
    };
    // SAFETY: the caller's promise.
    boundary::status(|| unsafe { call.run(|| Ok(None), pfContextAttr, ptsExpiry) })
}

/// ApplyControlToken: SCHANNEL_SHUTDOWN or SCHANNEL_ALERT, emitted by the next InitializeSecurityContext or AcceptSecurityContext;
/// SCHANNEL_SESSION, at once. The payload is copied.
///
/// - SEC_E_INVALID_HANDLE; SEC_E_INTERNAL_ERROR: `pInput` is null; SEC_E_INVALID_TOKEN: not one TOKEN buffer, or one that is cut
///   short; SEC_E_UNSUPPORTED_FUNCTION: renegotiation, an unknown type, less than four bytes.
///
/// # Safety
/// Pointers are null or point to what the SDK says.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn ApplyControlToken(
    phContext: *const SecHandle,
    pInput: *const SecBufferDesc,
) -> SecurityStatusCode {
    elsewhere::forward!(phContext, apply_control_token(phContext, pInput));
    boundary::status(|| {
        // SAFETY: the caller's promise.
        let handle = unsafe { elsewhere::read_handle(phContext) }?;
        // SAFETY: the caller's promise.
        let input = unsafe { Descriptor::read(pInput) };
        contexts().whole(handle, |connection| {
            let input = input?.ok_or(ErrorStatus::InternalError)?;
            let token = match (input.count(), input.get(0)) {
                (1, Some(token)) if token.kind() == buffer_type::TOKEN => token,
                _ => return Err(ErrorStatus::InvalidToken),
            };
            let memory = token.memory().ok_or(ErrorStatus::InvalidToken)?;
            // SAFETY: the caller's promise.
            let token = ControlToken::parse(unsafe { memory.as_slice() }).map_err(|error| error.status())?;
            connection.context.apply_control_token(token).map_err(|error| error.status())
        })?;
        Ok(SuccessStatus::Ok)
    })
}

/// DeleteSecurityContext: silent on the wire; keys are wiped, a waiting control token is dropped. Waits for calls under way on other threads.
///
/// - SEC_E_OK, also for a context that was deleted before. SEC_E_INVALID_HANDLE: it never was one.
///
/// # Safety
/// `phContext` is null or points to a handle.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn DeleteSecurityContext(phContext: *const SecHandle) -> SecurityStatusCode {
    elsewhere::forward!(phContext, delete_security_context(phContext));
    boundary::status(|| {
        // SAFETY: the caller's promise.
        let handle = unsafe { elsewhere::read_handle(phContext) }?;
        contexts().remove(handle)?;
        Ok(SuccessStatus::Ok)
    })
}

/// Whether the handle that decides is somebody else's: the context's, in a first call the credential's. Whether a context handle that is
/// there and empty makes a first call is for the credential's own package to say.
///
/// # Safety
/// The pointers are null or point to handles.
unsafe fn is_elsewhere(credential: *const SecHandle, context: *const SecHandle) -> bool {
    // SAFETY: the caller's promise.
    if unsafe { elsewhere::names_nobody(context) } {
        // SAFETY: the caller's promise.
        unsafe { elsewhere::of_handle(credential) }.is_some()
    } else {
        // SAFETY: the caller's promise.
        unsafe { elsewhere::of_handle(context) }.is_some()
    }
}

/// What the two token calls have in common.
#[expect(non_snake_case, reason = "the parameters' names")]
struct Call {
    caller: Role,
    phCredential: *const SecHandle,
    phContext: *const SecHandle,
    flags: u32,
    pInput: *const SecBufferDesc,
    phNewContext: *mut SecHandle,
    pOutput: *const SecBufferDesc,
}

/// What is written when the provider has answered.
struct Told {
    answer: Answer,
    attributes: u32,
    handle: Option<SecHandle>,
    expiry: Option<TimeStamp>,
}

impl Call {
    /// # Safety
    /// All pointers are null or point to what the SDK says.
    unsafe fn run(
        &self,
        target: impl FnOnce() -> Result<Option<String>, ErrorStatus>,
        attributes: *mut u32,
        expiry: *mut TimeStamp,
    ) -> Answer {
        let told = if self.phContext.is_null() {
            // SAFETY: the caller's promise.
            unsafe { self.first(target) }
        } else {
            // SAFETY: the caller's promise.
            unsafe { self.later() }
        }?;
        if !attributes.is_null() {
            // SAFETY: not null, so writable by the caller's promise.
            unsafe { attributes.write_unaligned(told.attributes) };
        }
        if !expiry.is_null()
            && let Some(time) = told.expiry
        {
            // SAFETY: as above.
            unsafe { expiry.write_unaligned(time) };
        }
        if !self.phNewContext.is_null()
            && let Some(handle) = told.handle
        {
            // SAFETY: as above.
            unsafe { self.phNewContext.write_unaligned(handle) };
        }
        told.answer
    }

    /// S0.
    ///
    /// # Safety
    /// As [`Call::run`].
    unsafe fn first(
        &self,
        target: impl FnOnce() -> Result<Option<String>, ErrorStatus>,
    ) -> Result<Told, ErrorStatus> {
        // SAFETY: the caller's promise.
        let credential = credentials().get(unsafe { elsewhere::read_handle(self.phCredential) }?)?;
        credential.is_for(self.caller)?;
        if self.phNewContext.is_null() {
            return Err(ErrorStatus::InvalidHandle);
        }
        if self.caller == Role::Client && self.flags & (isc::DELEGATE | isc::PROMPT_FOR_CREDS) != 0 {
            return Err(ErrorStatus::UnsupportedFunction);
        }
        // SAFETY: the caller's promise.
        let input = unsafe { Input::read(self.pInput) }?;
        // SAFETY: the caller's promise.
        let mut output = unsafe { Output::read(self.pOutput, self.allocates()) }?;
        // SAFETY: the caller's promise.
        let options = unsafe { input.context_options(self.caller, self.flags) }?;
        let alpn = options.alpn.as_deref();
        let made = match self.caller {
            Role::Client => {
                let target = target()?;
                credential.outbound(alpn).and_then(|credentials| {
                    SecurityContext::initialize(&credentials, target.as_deref(), &options, output.room())
                })
            }
            Role::Server => {
                input.check_extra_place()?;
                // SAFETY: the caller's promise.
                let token = unsafe { input.token() }?;
                credential.inbound(alpn).and_then(|credentials| {
                    SecurityContext::accept(&credentials, &options, token, output.room())
                })
            }
        };
        let (context, outcome) = match made {
            Ok(made) => made,
            Err(error) => return Ok(self.failed_first(&input, &output, &error)),
        };
        let returned = self.returned(&context);
        let companion =
            Companion { credential, held: Held::Nothing, returned, requested: Requested::default() };
        let handle = contexts().insert(context, companion)?;
        self.write_success(&input, &output, &outcome);
        Ok(Told {
            answer: Ok(outcome.status),
            attributes: returned,
            handle: Some(handle),
            expiry: Some(time::ZERO),
        })
    }

    /// A first call that made no context.
    fn failed_first(&self, input: &Input, output: &Output, error: &Error) -> Told {
        let attributes = match error.status() {
            // The call is to be made again, by some callers with what is returned here (TSDuck).
            ErrorStatus::IncompleteMessage => self.always() | self.flags & self.echoes(),
            // The alert is sent by those who find its bit.
            _ if !error.alert_record().is_empty() => BARE | self.flags & self.extended_error(),
            _ => BARE,
        };
        self.write_failure(input, output, error);
        Told { answer: Err(error.status()), attributes, handle: None, expiry: None }
    }

    /// S1 and all that follows.
    ///
    /// # Safety
    /// As [`Call::run`].
    unsafe fn later(&self) -> Result<Told, ErrorStatus> {
        // SAFETY: the caller's promise.
        let handle = unsafe { elsewhere::read_handle(self.phContext) }?;
        contexts().whole(handle, |Connection { context, companion }| {
            let told = if context.has_control_token() {
                // SAFETY: the caller's promise.
                unsafe { self.emit(context) }
            } else {
                // SAFETY: the caller's promise.
                unsafe { self.go_on(context, companion) }
            }?;
            companion.returned = told.attributes;
            Ok(Told { handle: told.answer.is_ok().then_some(handle), ..told })
        })
    }

    /// A control token waits: either call serves, credential and input are not looked at (section 4.2).
    ///
    /// # Safety
    /// As [`Call::run`].
    unsafe fn emit(&self, context: &mut SecurityContext) -> Result<Told, ErrorStatus> {
        // SAFETY: the caller's promise.
        let mut output = unsafe { Output::read(self.pOutput, self.allocates()) }?;
        let outcome = context.initialize_security_context(None, &[], output.room());
        let status = outcome.map_err(|error| error.status())?.status;
        output.write_token();
        Ok(Told { answer: Ok(status), attributes: self.returned(context), handle: None, expiry: None })
    }

    /// # Safety
    /// As [`Call::run`].
    unsafe fn go_on(
        &self,
        context: &mut SecurityContext,
        companion: &mut Companion,
    ) -> Result<Told, ErrorStatus> {
        let mut other = None;
        if !self.phCredential.is_null() {
            // SAFETY: the caller's promise.
            let given = credentials().get(unsafe { elsewhere::read_handle(self.phCredential) }?)?;
            given.is_for(context.role())?;
            // It may change: another certificate, say, behind SEC_I_INCOMPLETE_CREDENTIALS.
            if !Arc::ptr_eq(&given, &companion.credential) {
                other = Some(given);
            }
        }
        // SAFETY: the caller's promise.
        let input = unsafe { Input::read(self.pInput) }?;
        input.check_extra_place()?;
        if input.is_given() && !input.has_token() && !context.is_established() {
            return Err(ErrorStatus::InvalidToken);
        }
        // SAFETY: the caller's promise.
        let token = unsafe { input.token() }?;
        // SAFETY: the caller's promise.
        let mut output = unsafe { Output::read(self.pOutput, self.allocates()) }?;
        let was_established = context.is_established();
        let outcome = step(context, companion, other, token, &mut output);
        let answer = match &outcome {
            Ok(outcome) => {
                self.write_success(&input, &output, outcome);
                Ok(outcome.status)
            }
            Err(error) => {
                self.write_failure(&input, &output, error);
                Err(error.status())
            }
        };
        let expiry = match context.attributes() {
            _ if was_established => None,
            Ok(attributes) => Some(attributes.expiry().map_or(time::NEVER, time::stamp)),
            Err(_) => Some(time::ZERO),
        };
        Ok(Told { answer, attributes: self.returned(context), handle: None, expiry })
    }

    fn allocates(&self) -> bool {
        // The same bit on both sides.
        self.flags & isc::ALLOCATE_MEMORY != 0
    }

    fn extended_error(&self) -> u32 {
        match self.caller {
            Role::Client => isc::EXTENDED_ERROR,
            Role::Server => asc::EXTENDED_ERROR,
        }
    }

    /// The attribute bits to return: four always, and echoes of what this call asked for (section 2.4). In the numbers of the function
    /// that was called, whichever side the context is.
    fn returned(&self, context: &SecurityContext) -> u32 {
        // The same bit on both sides.
        let mutual = isc::MUTUAL_AUTH;
        let shown = self.flags & mutual != 0
            && context.attributes().is_ok_and(|attributes| {
                matches!(attributes.validation_result(), Some(Ok(())))
                    && attributes.remote_certificates().is_ok()
            });
        self.always() | self.flags & self.echoes() | if shown { mutual } else { 0 }
    }

    fn always(&self) -> u32 {
        match self.caller {
            Role::Client => BARE | isc::STREAM,
            Role::Server => BARE | asc::STREAM,
        }
    }

    fn echoes(&self) -> u32 {
        match self.caller {
            Role::Client => {
                isc::ALLOCATE_MEMORY
                    | isc::USE_SUPPLIED_CREDS
                    | isc::EXTENDED_ERROR
                    | isc::DATAGRAM
                    | isc::MANUAL_CRED_VALIDATION
                    | isc::INTEGRITY
            }
            Role::Server => asc::ALLOCATE_MEMORY | asc::EXTENDED_ERROR | asc::DATAGRAM | asc::INTEGRITY,
        }
    }

    fn write_success(&self, input: &Input, output: &Output, outcome: &TokenOutcome) {
        // The input first: with one descriptor for both, the output has the last word.
        if outcome.extra > 0 {
            input.write_extra(outcome.extra);
        }
        output.write_token();
    }

    fn write_failure(&self, input: &Input, output: &Output, error: &Error) {
        match error.status() {
            // Nothing has changed, the outputs neither (section 2.4).
            ErrorStatus::IncompleteMessage => {
                if let Some(missing) = error.missing() {
                    input.write_missing(missing);
                }
            }
            ErrorStatus::InsufficientMemory => {}
            _ if self.flags & self.extended_error() != 0 => output.write(error.alert_record()),
            _ => output.write(&[]),
        }
    }
}

/// The bits returned where no context was made; the same on both sides.
const BARE: u32 = isc::CONFIDENTIALITY | isc::SEQUENCE_DETECT | isc::REPLAY_DETECT;

/// One step of the context's own side: some servers go on with InitializeSecurityContext (Qt, aws-c-io).
fn step(
    context: &mut SecurityContext,
    companion: &mut Companion,
    other: Option<Arc<Credential>>,
    token: &[u8],
    output: &mut Output,
) -> Result<TokenOutcome, Error> {
    let held = std::mem::take(&mut companion.held);
    let joined;
    let input = match &held {
        Held::Unanswered(bytes) if token.is_empty() => bytes.as_slice(),
        Held::Rest(bytes) => {
            joined = [bytes, token].concat();
            joined.as_slice()
        }
        Held::Nothing | Held::Unanswered(_) => token,
    };
    let outcome = match context.role() {
        Role::Client => {
            other.as_ref().map(|other| other.outbound(None)).transpose().and_then(|credentials| {
                context.initialize_security_context(credentials.as_ref(), input, output.room())
            })
        }
        Role::Server => context.accept_security_context(input, output.room()),
    };
    if let (Some(other), Ok(_)) = (other, &outcome) {
        companion.credential = other;
    }
    match outcome {
        Ok(outcome) => {
            let unread = outcome.extra.saturating_sub(token.len());
            companion.held = if outcome.status == SuccessStatus::IncompleteCredentials {
                Held::Unanswered(input.to_vec())
            } else if unread > 0 {
                let from = input.len() - outcome.extra;
                Held::Rest(input.get(from..from + unread).unwrap_or_default().to_vec())
            } else {
                Held::Nothing
            };
            Ok(TokenOutcome { extra: outcome.extra - unread, ..outcome })
        }
        Err(error) => {
            // Nothing was consumed; the caller still has its part.
            if matches!(error.status(), ErrorStatus::IncompleteMessage | ErrorStatus::InsufficientMemory) {
                companion.held = held;
            }
            Err(error)
        }
    }
}

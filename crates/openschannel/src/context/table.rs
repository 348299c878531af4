//! The state x call table: what each call answers in each state, in the order of section 3.
//!
//! ```text
//!          token                                  SHUTDOWN, then the next call
//!   S0 --> S1 <--> S2            S3 ---------------------------------> S6
//!          |  \                  | \  compatible mode:                 |
//!          |   \ Finished        |  <--> S4                            | close_notify
//!          |    +--------------> |                                     | received
//!          |                     | close_notify received               v
//!          |                     +---------------> S7 ---------------> S8
//!          |                                            SHUTDOWN
//!          | alert sent in plaintext    S6p   the handshake goes on
//!          | alert sent sealed          S6k   the engine is never asked again
//!          | close_notify received      S7h   own alert sent behind it: S8h
//!          |
//!   any ---+--> S9 by a fatal alert, sent or received, or a failure here
//! ```
//!
//! S5 is not a state of its own: a pending control token ([`Waiting`]) rides on any of them, and touches nothing but the next
//! InitializeSecurityContext or AcceptSecurityContext. S10 is a value that was dropped.

use crate::status::{ErrorStatus, SuccessStatus};

use super::ControlToken;

/// Where a context stands; names as in section 3 and the profile at its head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// S1.
    Handshaking,
    /// S2.
    NeedsCredentials,
    /// S6p.
    AlertedInPlaintext,
    /// S6k.
    AlertedSealed,
    /// S7h.
    PeerClosedInHandshake,
    /// S8h.
    BothClosedInHandshake,
    /// S3.
    Established,
    /// S4; from S3 or, when the own close was sent before, from S6.
    PostHandshakePending,
    /// S6.
    LocalClosed,
    /// S7.
    PeerClosed,
    /// S8.
    BothClosed,
    /// S9.
    Failed,
}

/// What InitializeSecurityContext and AcceptSecurityContext do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    /// Emit what the control token asks for; the input is not looked at.
    Control,
    /// Go on with the handshake.
    Step,
    /// Read post-handshake records and answer them.
    PostHandshake,
    /// Read post-handshake records; anything else is SEC_E_CONTEXT_EXPIRED.
    PostHandshakeReadOnly,
    /// A local wish to renegotiate (profile, first line).
    Renegotiate,
    Succeed(SuccessStatus),
    Refuse(ErrorStatus),
}

/// Whether a control token waits: S5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waiting {
    Nothing,
    ControlToken,
}

/// Section 3.1: a token that is not empty.
pub(crate) fn token(state: State, waiting: Waiting) -> Token {
    if waiting == Waiting::ControlToken {
        return Token::Control;
    }
    match state {
        State::Handshaking | State::NeedsCredentials | State::AlertedInPlaintext => Token::Step,
        State::AlertedSealed => Token::Refuse(ErrorStatus::ContextExpired),
        State::PeerClosedInHandshake | State::BothClosedInHandshake => {
            Token::Succeed(SuccessStatus::ContextExpired)
        }
        State::Established | State::PostHandshakePending => Token::PostHandshake,
        State::LocalClosed => Token::PostHandshakeReadOnly,
        State::PeerClosed | State::BothClosed => Token::Succeed(SuccessStatus::ContextExpired),
        State::Failed => Token::Refuse(ErrorStatus::ContextExpired),
    }
}

/// Section 3.2: empty buffers.
pub(crate) fn empty(state: State, waiting: Waiting) -> Token {
    if waiting == Waiting::ControlToken {
        return Token::Control;
    }
    match state {
        State::Handshaking | State::NeedsCredentials | State::AlertedInPlaintext | State::AlertedSealed => {
            Token::Refuse(ErrorStatus::IncompleteMessage)
        }
        State::PeerClosedInHandshake | State::BothClosedInHandshake => {
            Token::Succeed(SuccessStatus::ContextExpired)
        }
        State::Established => Token::Renegotiate,
        State::PostHandshakePending => Token::PostHandshake,
        State::LocalClosed | State::PeerClosed | State::BothClosed => {
            Token::Succeed(SuccessStatus::ContextExpired)
        }
        State::Failed => Token::Refuse(ErrorStatus::ContextExpired),
    }
}

/// What EncryptMessage and DecryptMessage do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    Process,
    Succeed(SuccessStatus),
    Refuse(ErrorStatus),
}

/// Section 3.3.
pub(crate) fn encrypt(state: State) -> Message {
    match state {
        State::Established | State::PeerClosed => Message::Process,
        State::PostHandshakePending | State::LocalClosed | State::BothClosed | State::Failed => {
            Message::Refuse(ErrorStatus::ContextExpired)
        }
        _ => Message::Refuse(ErrorStatus::InvalidHandle),
    }
}

/// Section 3.4.
pub(crate) fn decrypt(state: State) -> Message {
    match state {
        State::Established | State::LocalClosed => Message::Process,
        State::PostHandshakePending | State::Failed => Message::Refuse(ErrorStatus::ContextExpired),
        State::PeerClosed | State::BothClosed => Message::Succeed(SuccessStatus::ContextExpired),
        _ => Message::Refuse(ErrorStatus::InvalidHandle),
    }
}

/// What ApplyControlToken does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Control {
    /// Keep it for the next InitializeSecurityContext or AcceptSecurityContext, in place of one that waits already.
    Keep,
    /// Session resumption: at once.
    Session,
    Refuse(ErrorStatus),
}

/// Section 3.5. The state makes no difference: callers run the shutdown in destructors, from wherever they are.
pub(crate) fn control(token: ControlToken) -> Control {
    match token {
        ControlToken::Shutdown | ControlToken::Alert(_) => Control::Keep,
        ControlToken::Session { .. } => Control::Session,
        ControlToken::Renegotiate => Control::Refuse(ErrorStatus::UnsupportedFunction),
    }
}

/// What a waiting control token makes the next call emit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Emission {
    /// A new alert record.
    Seal,
    /// The stored record again if it is the same alert; otherwise nothing.
    Stored,
    /// The fatal alert a local failure owes the peer, if it does.
    Owed,
}

/// Sections 3.5 and 4.4 #14 to #23.
pub(crate) fn emission(state: State) -> Emission {
    match state {
        State::AlertedSealed | State::LocalClosed | State::BothClosed => Emission::Stored,
        State::Failed => Emission::Owed,
        _ => Emission::Seal,
    }
}

/// Section 3.6: the answers a finished handshake leaves. A later failure does not take them away.
pub(crate) fn query(state: State, handshake_finished: bool) -> Result<(), ErrorStatus> {
    match state {
        State::Failed if handshake_finished => Ok(()),
        State::Established
        | State::PostHandshakePending
        | State::LocalClosed
        | State::PeerClosed
        | State::BothClosed => Ok(()),
        _ => Err(ErrorStatus::InvalidHandle),
    }
}

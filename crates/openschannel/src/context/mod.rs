//! Security contexts: the calls of SSPI, and what each answers in each state.

mod closure;
mod handshaking;
mod key_update;
mod phase;
mod post_handshake;
mod receive;
mod security_context;
mod send;
mod stored_alert;
mod table;
mod token;

pub use closure::{ClosingReport, ReadEnd, TransportEnd};
pub use key_update::KeyUpdateRequest;
pub use receive::{Decrypted, ReceiveHalf};
pub use security_context::SecurityContext;
pub use send::{Encrypted, SendHalf};
pub use token::{ControlToken, TokenBuffer, TokenOutcome};

use crate::credentials::{ClientAuth, PostHandshake};

/// Which side of a connection a context is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Made by InitializeSecurityContext.
    Client,
    /// Made by AcceptSecurityContext.
    Server,
}

/// What the first token call asks for beyond its credential: the requirement flags and option buffers of sections 1.6 and 6.4.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContextOptions {
    /// SECBUFFER_APPLICATION_PROTOCOLS: ALPN for this context in place of the credential's.
    pub alpn: Option<Vec<Vec<u8>>>,
    /// ISC_REQ_MANUAL_CRED_VALIDATION: the caller judges the peer's chain after the handshake.
    pub manual_validation: bool,
    /// ISC_REQ_DEFERRED_CRED_VALIDATION: the outcome of validation is told by SECPKG_ATTR_CERT_CHECK_RESULT and fails no handshake.
    pub deferred_validation: bool,
    /// ISC_REQ_USE_SUPPLIED_CREDS: a server that asks for a certificate is given what the credential holds, if need be an empty list,
    /// without SEC_I_INCOMPLETE_CREDENTIALS (section 6.5).
    pub use_supplied_credentials: bool,
    /// ASC_REQ_MUTUAL_AUTH and its opposite: client authentication for this context in place of the credential's.
    pub client_auth: Option<ClientAuth>,
    /// How tickets and key updates are met, in place of the credential's choice.
    pub post_handshake: Option<PostHandshake>,
}

#[cfg(test)]
mod nonce_tests;
#[cfg(test)]
mod post_handshake_tests;
#[cfg(test)]
mod schedules_tests;

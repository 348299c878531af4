//! Credentials: what `AcquireCredentialsHandle` makes.
//!
//! [`OutboundCredentials`] are for clients, [`InboundCredentials`] for servers. Both are handles: cheap to clone, usable
//! by many threads at once, and kept alive by every context made from them (section 2.3). They hold what contexts
//! share: the own certificates, whom to trust, what to negotiate, and the sessions to resume.
//!
//! ```
//! use openschannel::credentials::{OutboundCredentials, Protocols};
//!
//! let credentials = OutboundCredentials::builder().protocols(Protocols::TLS1_3).acquire()?;
//! assert_eq!(credentials.protocols(), Protocols::TLS1_3);
//! # Ok::<(), openschannel::status::Error>(())
//! ```

mod chain_memory;
mod clock;
mod engine_verify;
mod identity;
mod inbound;
mod keylog;
#[cfg(test)]
pub(crate) mod observed;
mod outbound;
mod path;
mod pfx;
#[cfg(feature = "system-trust")]
mod platform;
mod policy;
mod roots;
mod select;
mod server_sessions;
mod sessions;
mod settings;
mod signing;
pub(crate) mod slot;
mod ticket_keys;
mod verify;
pub(crate) mod x509;

#[cfg(test)]
mod tests;

pub use chain_memory::TrustDigest;
pub use clock::{Clock, SystemClock};
pub use identity::Identity;
pub use inbound::{InboundBuilder, InboundCredentials};
pub use keylog::{KeyLog, KeyLogFile};
pub use outbound::{OutboundBuilder, OutboundCredentials};
pub use path::{PathFailure, SignatureCheck, check_signature, is_valid_for_name, verify_path};
pub use pfx::{PfxCertificate, PfxContents, PfxError};
#[cfg(feature = "system-trust")]
pub use platform::system_roots;
#[cfg(all(feature = "system-trust", unix))]
pub use platform::system_roots_without_environment;
pub use policy::{CipherSuite, NamedGroup, Protocols};
pub use roots::TrustedRoots;
pub use server_sessions::{MemoryServerSessions, ServerSessionStore};
pub use sessions::{ClientSession, ClientSessionStore, MemoryClientSessions};
pub(crate) use settings::alpn_list;
pub use signing::{KeyAlgorithm, PrivateKey, SignatureScheme};
pub use ticket_keys::TicketKey;
pub use verify::{PeerChain, PeerRole, PeerVerifier, Rejection, Trust, Validation, VerifyFlags};
pub use x509::CertificateSummary;

/// Whether a server asks its clients for certificates (section 6.6).
///
/// What comes is validated like a server's certificate: by [`Trust`], as [`Validation`] says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ClientAuth {
    /// No.
    #[default]
    None,
    /// Yes, and a client without one gets in; the caller finds no remote certificate. This is what
    /// `ASC_REQ_MUTUAL_AUTH` does on Windows.
    Request,
    /// Yes, and a client without one is refused with alert 116, `certificate_required`.
    Require,
}

/// How TLS 1.3 messages after the handshake, session tickets and key updates, meet the caller (section 8.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PostHandshake {
    /// They are consumed while data is decrypted. The caller sees nothing of them.
    #[default]
    Quiet,
    /// `SEC_I_RENEGOTIATE`, exactly as documented for `SCH_CREDENTIALS`: the message is to be passed to the handshake
    /// call.
    Compatible,
}

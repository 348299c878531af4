//! Schannel, the TLS provider behind Windows' SSPI, in safe Rust: the same calls, statuses and buffer rules on every platform, and
//! an end of a connection that can be relied on.
//!
//! The provider never sees a socket. A program gives it the bytes that arrived and sends the bytes it returns; the crate
//! `openschannel-stream` does that for whoever wants a stream.
//!
//! - [`mod@credentials`]: AcquireCredentialsHandle. Certificates, trust, protocols, sessions.
//! - [`SecurityContext`]: InitializeSecurityContext, AcceptSecurityContext, EncryptMessage, DecryptMessage, ApplyControlToken.
//! - [`SendHalf`] and [`ReceiveHalf`]: the two directions, for two threads.
//! - [`mod@attributes`], what QueryContextAttributes answers.
//! - [`mod@status`] and [`mod@alert`]: every SECURITY_STATUS, every TLS alert, and the tables between them.
//!
//! # Opening, talking, and ending a connection
//!
//! ```
//! use openschannel::credentials::{Identity, InboundCredentials, OutboundCredentials, Trust};
//! use openschannel::status::SuccessStatus;
//! use openschannel::{ContextOptions, ControlToken, ReadEnd, SecurityContext, TokenBuffer};
//!
//! # let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
//! # let (chain_pem, key_pem) = (made.cert.pem(), made.signing_key.serialize_pem());
//! let server = InboundCredentials::builder()
//!     .identity(Identity::from_pem(chain_pem.as_bytes(), key_pem.as_bytes())?)
//!     .acquire()?;
//! let client = OutboundCredentials::builder().trust(Trust::Roots(vec![made.cert.der().to_vec()])).acquire()?;
//! let options = ContextOptions::default();
//!
//! // The handshake: tokens go to and fro until both sides answer SEC_E_OK.
//! let mut token = TokenBuffer::allocate();
//! let (mut client, _) = SecurityContext::initialize(&client, Some("localhost"), &options, &mut token)?;
//! let hello = token.into_vec();
//! let mut token = TokenBuffer::allocate();
//! let (mut server, _) = SecurityContext::accept(&server, &options, &hello, &mut token)?;
//! let flight = token.into_vec();
//! let mut token = TokenBuffer::allocate();
//! assert_eq!(client.initialize_security_context(None, &flight, &mut token)?.status, SuccessStatus::Ok);
//! let finished = token.into_vec(); // SEC_E_OK, and yet to be sent
//! let mut token = TokenBuffer::allocate();
//! assert_eq!(server.accept_security_context(&finished, &mut token)?.status, SuccessStatus::Ok);
//! let mut tickets = token.into_vec();
//! let message = client.decrypt_message(&mut tickets)?;
//! assert_eq!((message.status, message.data.len()), (SuccessStatus::Ok, 0));
//!
//! // A message: header, data and trailer go on the wire end to end.
//! let sizes = client.attributes()?.stream_sizes();
//! let mut header = vec![0; sizes.header];
//! let mut data = b"hello".to_vec();
//! let mut trailer = vec![0; sizes.trailer];
//! let sealed = client.encrypt_message(&mut header, &mut data, &mut trailer)?;
//! let mut wire = [&header[..sealed.header], &data, &trailer[..sealed.trailer]].concat();
//! let message = server.decrypt_message(&mut wire)?;
//! assert_eq!(&wire[message.data], b"hello");
//!
//! // The end, as documented: ApplyControlToken, then the token call with empty input; send what it gives.
//! client.apply_control_token(ControlToken::Shutdown)?;
//! let mut close_notify = TokenBuffer::allocate();
//! client.initialize_security_context(None, &[], &mut close_notify)?;
//! let mut wire = close_notify.into_vec();
//! assert_eq!(wire.len(), 24);
//!
//! // The other side recognises it and does the same.
//! assert_eq!(server.decrypt_message(&mut wire)?.status, SuccessStatus::ContextExpired);
//! server.apply_control_token(ControlToken::Shutdown)?;
//! let mut close_notify = TokenBuffer::allocate();
//! server.accept_security_context(&[], &mut close_notify)?;
//! let mut wire = close_notify.into_vec();
//! assert_eq!(client.decrypt_message(&mut wire)?.status, SuccessStatus::ContextExpired);
//!
//! // Neither took a cut wire for an end.
//! assert_eq!(client.closing_report().read_end, ReadEnd::Clean);
//! assert_eq!(server.closing_report().read_end, ReadEnd::Clean);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

// The fixtures of the integration tests serve the unit tests too, and name the crate as they do.
#[cfg(test)]
#[path = "../tests/common/mod.rs"]
mod common;
#[cfg(test)]
extern crate self as openschannel;
#[cfg(test)]
#[path = "../tests/states/mod.rs"]
mod states;

pub mod alert;
pub mod attributes;
mod context;
pub mod credentials;
mod handshake;
mod record;
pub mod status;

pub use context::{
    ClosingReport, ContextOptions, ControlToken, Decrypted, Encrypted, KeyUpdateRequest, ReadEnd,
    ReceiveHalf, Role, SecurityContext, SendHalf, TokenBuffer, TokenOutcome, TransportEnd,
};

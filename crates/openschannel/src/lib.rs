//! The provider.
#![forbid(unsafe_code)]

pub mod alert;
// Much of it is called by the handshake room only.
#[allow(dead_code)]
pub mod credentials;
pub mod status;

//! The provider.
#![forbid(unsafe_code)]

pub mod alert;
pub mod attributes;
mod context;
pub mod credentials;
mod handshake;
mod record;
pub mod status;

pub use context::*;

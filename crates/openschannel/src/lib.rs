//! The provider.
#![forbid(unsafe_code)]

pub mod alert;
mod record;
pub mod status;

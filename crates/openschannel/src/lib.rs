//! The provider.
#![forbid(unsafe_code)]

pub mod alert;
pub mod status;

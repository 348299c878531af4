//! The provider.
#![forbid(unsafe_code)]
mod record;

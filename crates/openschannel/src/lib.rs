//! The provider.
#![forbid(unsafe_code)]

//! Interop.
#![forbid(unsafe_code)]

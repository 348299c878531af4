//! What the fuzz targets do with their inputs; `fuzz_targets/` has one small program for each.
//!
//! A target asserts what docs/closing.md and the contract promise, not only that nothing crashes. The contexts are watched by the
//! provider's own property tests' `Checked`, which is taken in by its path, as are their fixtures.
#![allow(missing_docs, reason = "an internal crate; the modules say what they do")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a fuzz target fails by it")]

#[allow(dead_code, reason = "the tests use all of it")]
#[path = "../../crates/openschannel/tests/property/check.rs"]
mod check;
#[path = "../../crates/openschannel/tests/common/mod.rs"]
mod common;
#[allow(dead_code, reason = "the tests use all of it")]
#[path = "../../crates/openschannel/tests/property/forge.rs"]
mod forge;
#[allow(dead_code, reason = "the tests use all of it")]
#[path = "../../crates/openschannel/tests/property/wire.rs"]
mod wire;

pub mod certificates;
pub mod connection;
pub mod control;
pub mod handshake;
pub mod identities;
pub mod random;
pub mod stream;
pub mod tokens;

//! Bad input never panics, and what every call has to keep it keeps: spoiled tokens and records, and calls in any order.
//!
//! Each test says the seed of its random numbers; `OPENSCHANNEL_SEED` sets it, `OPENSCHANNEL_CASE` runs one case of it only.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by it")]

#[path = "../common/mod.rs"]
mod common;

mod calls;
mod check;
mod forge;
mod handshakes;
mod known;
mod random;
mod records;
mod wire;

//! Exhaustive schedules: the parts that go through the public interface.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    reason = "two test programs each use their own part, and a schedule fails by a panic"
)]

pub mod acts;
pub mod finish;
pub mod misuse;
pub mod reading;
pub mod rules;
pub mod step;
pub mod wire;
pub mod world;

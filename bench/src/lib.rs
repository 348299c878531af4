//! How fast and how small the provider is, beside the bare AEAD and other TLS implementations, in one process.
//!
//! ```text
//!   suites/ -- contenders --> peers/ (one interface to every implementation)
//!      |
//!      +--> measure.rs: rounds, random order, ratios inside a round --> report.rs: Measurement, plain data, JSON
//!                                                                          |
//!                            text.rs (tables), plot.rs (SVG), document.rs (docs/performance.md) <---- goals.rs
//! ```
#![deny(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "what is measured cannot fail; when it does, there is nothing to measure"
)]

pub mod document;
pub mod goals;
pub mod machine;
pub mod measure;
pub mod peers;
pub mod plot;
pub mod progress;
pub mod report;
pub mod setup;
pub mod suites;
pub mod text;
pub mod wire;

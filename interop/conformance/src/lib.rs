//! How TLS implementations take the end of a connection.
//!
//! ```text
//!   expectations.rs: the table                        docs/conformance.md
//!        |                                                  ^
//!        v                                                  |
//!   conductor --- TLS over loopback TCP --- subject      document.rs
//!        |  brings the end about               |            ^
//!        '----- lines: ready, verdict, stop ---'            |
//!                        outcome ----------> judged --------'
//! ```
//!
//! A *subject* is a TLS implementation in one role; the *conductor* is the other end of its connection and brings about one end while the
//! subject is in one state. The subject says how it believes that the connection ended, and that is held against the table. Our own
//! subjects are held to what they send afterwards as well.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a harness: what goes wrong here is to fail, at the spot"
)]

pub mod cell;
pub mod conductor;
pub mod document;
pub mod expectations;
pub mod files;
pub mod judge;
pub mod reasons;
pub mod runner;
pub mod subject;
pub mod subjects;
pub mod verdict;

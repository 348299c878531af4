//! The implementations that play subjects.

pub mod provider;

use crate::subject::Subject;

/// Ours.
pub fn ours() -> Vec<Box<dyn Subject>> {
    vec![Box::new(provider::SUBJECT)]
}

/// Everybody.
pub fn all() -> Vec<Box<dyn Subject>> {
    ours()
}

fn our_version() -> String {
    format!("OpenSchannel {}", env!("CARGO_PKG_VERSION"))
}

//! The implementations that play subjects.

pub mod blocking;
pub mod c_abi;
pub mod foreign;
pub mod provider;
pub mod rustls;
pub mod tokio;

use crate::subject::Subject;

/// Ours.
pub fn ours() -> Vec<Box<dyn Subject>> {
    vec![
        Box::new(provider::SUBJECT),
        Box::new(blocking::SUBJECT),
        Box::new(tokio::SUBJECT),
        Box::new(c_abi::SUBJECT),
    ]
}

/// Everybody.
pub fn all() -> Vec<Box<dyn Subject>> {
    let mut all = ours();
    all.extend(foreign::all());
    all
}

fn our_version() -> String {
    format!("OpenSchannel {}", env!("CARGO_PKG_VERSION"))
}

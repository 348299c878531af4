//! Streams over [`openschannel`]: a [`Driver`] without I/O, a [`blocking`] adaptor and one for [`tokio`].
#![forbid(unsafe_code)]

pub mod blocking;
mod buffers;
mod calls;
mod driver;
mod error;
mod linger;
mod observer;
#[cfg(feature = "tokio")]
pub mod tokio;

pub use driver::{Advance, Driver, Plaintext};
pub use error::ReadEnded;
pub use linger::{LingerBudget, LingerLimit, Lingered};
pub use observer::{Event, Observer, RecordSeen};

//! Handles: numbers that name an entry of a table, never an address.
//!
//! ```text
//!   dwLower   kind (4 bits) | index + 1
//!   dwUpper   generation of the entry, masked with a number only this process knows
//! ```
//!
//! An entry's generation goes up whenever a handle to it is given back, so a stale handle names nobody, and a handle that was
//! made up, belongs to somebody else's library or is of the other kind does not pass either.

mod contexts;
mod credentials;
mod table;

pub(crate) use contexts::{Connection, contexts};
pub(crate) use credentials::credentials;

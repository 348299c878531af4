//! Streams over [`openschannel`]: what a program wants that has a socket and no wish to move tokens itself.
//!
//! - [`Driver`]: a context between two byte queues, without I/O. Whatever moves the bytes can use it.
//! - [`blocking::TlsStream`]: over [`Read`](std::io::Read) and [`Write`](std::io::Write).
//! - `tokio::TlsStream`, with the feature `tokio`: over `AsyncRead` and `AsyncWrite`.
//! - [`Observer`]: is told of every SSPI call, every record and every alert.
//!
//! # The end of a connection
//!
//! The two directions end one by one. A clean end of reading is the peer's close_notify and nothing else: a transport that ends without
//! one is an error with a [`ReadEnded`] in it, so nobody takes a cut wire for an end. Who has closed his own direction goes on reading;
//! what comes is neither refused nor dropped. To close without destroying what is under way:
//!
//! 1. `close_write()`: sends what waits, the close_notify, and ends the transport's sending direction.
//! 2. `linger(budget)`: reads until the peer has ended too, but no longer and no more than one is willing to.
//! 3. `report()` says how it ended.
//!
//! # Example
//!
//! ```
//! use std::io::{Read, Write};
//! use std::net::{TcpListener, TcpStream};
//! use std::time::Duration;
//!
//! use openschannel::credentials::{Identity, InboundCredentials, OutboundCredentials, Trust};
//! use openschannel::{ContextOptions, ReadEnd};
//! use openschannel_stream::blocking::TlsStream;
//!
//! # let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
//! # let (chain_pem, key_pem) = (made.cert.pem(), made.signing_key.serialize_pem());
//! let inbound = InboundCredentials::builder()
//!     .identity(Identity::from_pem(chain_pem.as_bytes(), key_pem.as_bytes())?)
//!     .acquire()?;
//! let outbound = OutboundCredentials::builder().trust(Trust::Roots(vec![made.cert.der().to_vec()])).acquire()?;
//!
//! let listener = TcpListener::bind("127.0.0.1:0")?;
//! let address = listener.local_addr()?;
//! let server = std::thread::spawn(move || -> std::io::Result<_> {
//!     let mut stream = TlsStream::accept(listener.accept()?.0, &inbound, &ContextOptions::default())?;
//!     let mut request = String::new();
//!     stream.read_to_string(&mut request)?; // to the client's close_notify
//!     stream.write_all(request.to_uppercase().as_bytes())?;
//!     stream.close_write()?;
//!     stream.linger(Duration::from_secs(2))
//! });
//!
//! let mut stream = TlsStream::connect(
//!     TcpStream::connect(address)?,
//!     &outbound,
//!     Some("localhost"),
//!     &ContextOptions::default(),
//! )?;
//! stream.write_all(b"hello")?;
//! stream.close_write()?; // and go on reading
//! let mut answer = String::new();
//! stream.read_to_string(&mut answer)?;
//! assert_eq!(answer, "HELLO");
//! assert_eq!(stream.report().read_end, ReadEnd::Clean);
//! let lingered = server.join().expect("the server does not panic")?;
//! assert_eq!(lingered.read_end, ReadEnd::Clean);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

pub mod blocking;
mod buffers;
mod calls;
mod driver;
mod error;
mod half_calls;
mod halves;
mod linger;
mod observer;
mod reading;
#[cfg(feature = "tokio")]
pub mod tokio;
mod watch;
mod writing;

pub use driver::{Advance, Driver, Plaintext};
pub use error::ReadEnded;
pub use halves::{ReceiveDriver, SendDriver};
pub use linger::{LingerBudget, LingerLimit, Lingered};
pub use observer::{Event, Observer, RecordSeen};

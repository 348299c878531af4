//! Streams over [`openschannel`]: what a program wants that has a socket and no wish to move tokens itself.
//!
//! ```
//! use std::io::{Read, Write};
//! use std::net::{TcpListener, TcpStream};
//! use std::time::Duration;
//!
//! use openschannel::ReadEnd;
//! use openschannel::credentials::{Identity, Trust};
//! use openschannel_stream::{TlsAcceptor, TlsConnector};
//!
//! # let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
//! # let (chain_pem, key_pem) = (made.cert.pem(), made.signing_key.serialize_pem());
//! # let root_der = made.cert.der().to_vec();
//! let identity = Identity::from_pem(chain_pem.as_bytes(), key_pem.as_bytes())?;
//! let acceptor = TlsAcceptor::builder().identity(identity).build()?;
//! let connector = TlsConnector::builder().trust(Trust::Roots(vec![root_der])).build()?;
//!
//! let listener = TcpListener::bind("127.0.0.1:0")?;
//! let address = listener.local_addr()?;
//! let server = std::thread::spawn(move || -> std::io::Result<_> {
//!     let mut stream = acceptor.accept(listener.accept()?.0)?;
//!     let mut request = String::new();
//!     stream.read_to_string(&mut request)?; // to the client's close_notify, and no cut wire is taken for it
//!     stream.write_all(request.to_uppercase().as_bytes())?;
//!     stream.close(Duration::from_secs(2))
//! });
//!
//! let mut stream = connector.connect("localhost", TcpStream::connect(address)?)?;
//! stream.write_all(b"hello")?;
//! stream.close_write()?; // half-close: reading goes on
//! let mut answer = String::new();
//! stream.read_to_string(&mut answer)?;
//! assert_eq!(answer, "HELLO");
//! let report = stream.close(Duration::from_secs(2))?;
//! assert_eq!((report.read_end, report.close_sent), (ReadEnd::Clean, true));
//! assert_eq!(server.join().expect("the server does not panic")?.read_end, ReadEnd::Clean);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! - [`TlsConnector`] and [`TlsAcceptor`]: from settings, or from credentials, to streams.
//! - [`blocking::TlsStream`]: over [`Read`](std::io::Read) and [`Write`](std::io::Write).
//! - `tokio::TlsStream`, with the feature `tokio`: over `AsyncRead` and `AsyncWrite`.
//! - [`Driver`]: a context between two byte queues, without I/O. Whatever moves the bytes can use it.
//! - `graceful`, with the feature `tokio`: the end of a server with thousands of them.
//! - [`Observer`]: is told of every SSPI call, every record and every alert.
//!
//! [`manual`] has the rest: how connections end, how to read from peers that end badly, transports that do not block, what may be
//! cancelled.

#![forbid(unsafe_code)]

#[macro_use]
mod settings;

mod acceptor;
pub mod blocking;
mod buffers;
mod calls;
mod close;
mod connector;
mod directions;
mod driver;
mod error;
#[cfg(feature = "tokio")]
pub mod graceful;
mod half_calls;
mod halves;
pub mod manual;
mod observer;
mod reading;
mod spare;
mod split;
#[cfg(feature = "tokio")]
pub mod tokio;
mod truncation;
mod vectored;
mod watch;
mod writing;

pub use acceptor::{TlsAcceptor, TlsAcceptorBuilder};
pub use close::{CloseBudget, CloseFailed, CloseLimit, CloseReport};
pub use connector::{TlsConnector, TlsConnectorBuilder};
pub use driver::{Advance, Driver, Plaintext};
pub use error::ReadEnded;
pub use halves::{ReceiveDriver, SendDriver};
pub use observer::{Event, Observer, RecordSeen};
pub use split::{SplitError, SplitTransport};
pub use truncation::Truncation;

//! Manual: how connections end, and what that asks of a program.
//!
//! # The end of a connection
//!
//! The two directions end one by one (RFC 8446 section 6.1). A clean end of reading is the peer's close_notify and nothing else. Who has
//! closed his own direction goes on reading; what comes is neither refused nor dropped.
//!
//! | What happens | Reading gives | [`read_end`](openschannel::ClosingReport::read_end) |
//! |---|---|---|
//! | close_notify | `Ok(0)` | `Clean` |
//! | FIN without one | `UnexpectedEof` with a [`ReadEnded`](crate::ReadEnded) | `Truncated`, and whether inside a record |
//! | reset | `ConnectionReset` with a [`ReadEnded`](crate::ReadEnded) | `Reset` |
//! | fatal alert | `InvalidData` with an [`Error`](openschannel::status::Error) | `Alert` |
//! | what came is no TLS, or forged | `InvalidData` with an [`Error`](openschannel::status::Error) | `Failed` |
//!
//! What was received whole before any of these is delivered first. Asking again gives the same answer again.
//!
//! ## Closing
//!
//! `close(budget)` does it all: it sends what waits and the close_notify, ends the transport's sending direction, and reads on until the
//! peer has ended too. The last step is what makes the difference. A socket that is closed while bytes lie in it unread, or are still
//! under way to it, answers with a reset, and a reset destroys what the peer has received and not read yet: the end of our own
//! answer, perhaps. Peers that never end are why there is a [budget](crate::CloseBudget), in bytes and in time.
//!
//! What is read by `close` is thrown away and counted: a program that wants the peer's last words calls `close_write()`, reads to the
//! end, and then `close(budget)`, which has little left to do. The [`CloseReport`](crate::CloseReport) says how the peer ended, whether
//! the transport took our close_notify, what was thrown away, and whether the budget was too small.
//!
//! Dropping a stream sends nothing: it cannot wait, and it cannot say what went wrong. A stream that is dropped unclosed looks cut to
//! its peer, and says so in an event of the crate `tracing`, at level debug.
//!
//! # Peers that end badly
//!
//! Without a close_notify nobody can tell the end of the data from a cut wire, whoever cut it. Where a protocol frames its messages
//! itself and its peers are known to be careless, a [`Truncation`](crate::Truncation) policy has reading end quietly:
//!
//! ```
//! use openschannel_stream::{TlsConnector, Truncation};
//!
//! let connector = TlsConnector::builder().truncation(Truncation::AcceptAtRecordBoundary).build()?;
//! # Ok::<(), openschannel::status::Error>(())
//! ```
//!
//! `set_truncation` does it for one stream. The report keeps to what happened. No policy accepts a reset, an alert, a failure, or any
//! end inside the handshake.
//!
//! # Transports that do not block
//!
//! [`blocking::TlsStream`](crate::blocking::TlsStream) works over them too. Every call, the handshake and `close` included, may answer
//! [`WouldBlock`](std::io::ErrorKind::WouldBlock): wait until the transport is readable, or as long as
//! [`driver().transmit()`](crate::Driver::transmit) is not empty until it is one of readable and writable, and make the same call again.
//! Nothing is lost and nothing is done twice. `close` counts its time from the first call. To connect or accept, begin a stream and call its handshake until it is done:
//!
//! ```no_run
//! use std::io::ErrorKind;
//!
//! # fn wait_for(_socket: &std::net::TcpStream) {}
//! # let connector = openschannel_stream::TlsConnector::builder().build()?;
//! let socket = std::net::TcpStream::connect("example.org:443")?;
//! socket.set_nonblocking(true)?;
//! let mut stream = connector.begin("example.org", socket)?;
//! loop {
//!     match stream.handshake() {
//!         Ok(()) => break,
//!         Err(error) if error.kind() == ErrorKind::WouldBlock => wait_for(stream.get_ref()),
//!         Err(error) => return Err(error.into()),
//!     }
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A `write` that answers how much it has taken has encrypted it; what the transport has not taken yet goes out with the next write, or
//! with `flush`.
//!
//! # Cancelling
//!
//! Every future of `tokio::TlsStream` may be dropped before it is done, and asked for again: what was received stays, what was encrypted
//! is still sent once, a handshake or close that was begun goes on where it stood. `read_exact`, `write_all` and their like are tokio's
//! and say themselves what they lose. `connect_async` and `accept_async` own the transport: who wants to give up on a handshake in
//! order uses `begin_async`, `handshake`, and then `close`.
//!
//! # When it fails
//!
//! A failure of the handshake or of reading has told the peer by an alert, as far as the transport took it. `close(budget)` is in place
//! here too: it sends what is left of the alert and reads on, so that no reset destroys it. `connect` and `accept` drop the transport
//! with their error; `begin` leaves the stream with the caller.

//! Owning the two directions of a stream apart.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpStream};
#[cfg(unix)]
use std::os::unix::net::UnixStream;

use crate::driver::Driver;
use crate::halves::{ReceiveDriver, SendDriver};

/// A transport whose directions can be owned apart, so that two threads or tasks use them without a common lock.
///
/// A type of one's own that has no such halves can still be shared: `tokio::io::split` and `Arc<Mutex<_>>` work on the whole stream.
pub trait SplitTransport: Sized {
    /// What is read from.
    type ReadHalf;
    /// What is written to. Dropping it may end the direction, as tokio's does, or not, as a duplicate of a descriptor does.
    type WriteHalf;

    /// The two halves.
    ///
    /// # Errors
    /// The transport itself and why: a duplicate of a descriptor could not be had.
    fn split(self) -> Result<(Self::ReadHalf, Self::WriteHalf), SplitError<Self>>;

    /// The opposite of [`SplitTransport::split`].
    ///
    /// # Errors
    /// Both halves: they are not of one transport, as far as it can tell.
    fn reunite(
        read: Self::ReadHalf,
        write: Self::WriteHalf,
    ) -> Result<Self, (Self::ReadHalf, Self::WriteHalf)>;

    /// Whether there is no connection any more, so that no call on the writing half waits. Asked when reading has met its end: a reset
    /// that the writing half is told of in that moment looks like a FIN to the reading half. `false`, the default, asks nothing more.
    ///
    /// At `true` the reading half waits for a call of the writing half's that is under way, on its own thread and without sleeping: it
    /// is about to return. While a write, a flush or a shutdown can still block, `true` burns a processor, and holds the thread that a
    /// task runs on, until that call returns.
    fn is_gone(_read: &Self::ReadHalf) -> bool {
        false
    }
}

macro_rules! duplicated {
    ($($(#[$attribute:meta])* $socket:ty $(, $is_gone:expr)?);*) => {$(
        /// Both halves are duplicates of one socket; the last that is dropped closes it.
        $(#[$attribute])*
        impl SplitTransport for $socket {
            type ReadHalf = Self;
            type WriteHalf = Self;

            fn split(self) -> Result<(Self, Self), SplitError<Self>> {
                match self.try_clone() {
                    Ok(twin) => Ok((self, twin)),
                    Err(error) => Err(SplitError::new(self, error)),
                }
            }

            fn reunite(read: Self, _write: Self) -> Result<Self, (Self, Self)> {
                Ok(read)
            }

            $(fn is_gone(read: &Self) -> bool {
                $is_gone(read.peer_addr())
            })?
        }
    )*};
}

duplicated!(
    TcpStream, has_no_peer;
    #[cfg(unix)]
    UnixStream
);

/// A socket that was reset has no peer; one that has only read a FIN has.
fn has_no_peer(peer: io::Result<SocketAddr>) -> bool {
    peer.is_err_and(|error| error.kind() == ErrorKind::NotConnected)
}

#[cfg(feature = "tokio")]
macro_rules! owned_halves {
    ($($(#[$attribute:meta])* $socket:ty, $module:ident $(, $is_gone:expr)?);*) => {$(
        $(#[$attribute])*
        impl SplitTransport for $socket {
            type ReadHalf = ::tokio::net::$module::OwnedReadHalf;
            type WriteHalf = ::tokio::net::$module::OwnedWriteHalf;

            fn split(self) -> Result<(Self::ReadHalf, Self::WriteHalf), SplitError<Self>> {
                Ok(self.into_split())
            }

            fn reunite(
                read: Self::ReadHalf,
                write: Self::WriteHalf,
            ) -> Result<Self, (Self::ReadHalf, Self::WriteHalf)> {
                read.reunite(write).map_err(|::tokio::net::$module::ReuniteError(read, write)| (read, write))
            }

            $(fn is_gone(read: &Self::ReadHalf) -> bool {
                $is_gone(read.peer_addr())
            })?
        }
    )*};
}

#[cfg(feature = "tokio")]
owned_halves!(
    ::tokio::net::TcpStream, tcp, has_no_peer;
    #[cfg(unix)]
    ::tokio::net::UnixStream, unix
);

/// What a stream's two halves consist of.
pub(crate) struct Parts<S: SplitTransport> {
    pub(crate) reader: S::ReadHalf,
    pub(crate) writer: S::WriteHalf,
    pub(crate) send: SendDriver,
    pub(crate) receive: ReceiveDriver,
}

/// A transport and a driver of their halves; the parts again where they are not of one.
pub(crate) fn reunite<S: SplitTransport>(parts: Parts<S>) -> Result<(S, Driver), Box<Parts<S>>> {
    let Parts { reader, writer, send, receive } = parts;
    if !send.is_twin_of(&receive) {
        return Err(Box::new(Parts { reader, writer, send, receive }));
    }
    match S::reunite(reader, writer) {
        // Nothing but halves of two connections is refused.
        Ok(transport) => {
            Ok((transport, Driver::join(send, receive).expect("the halves are of one connection")))
        }
        Err((reader, writer)) => Err(Box::new(Parts { reader, writer, send, receive })),
    }
}

/// What does not depend on how a half does its I/O. It stands beside `TlsStream`, `ReadHalf` and `WriteHalf`; the arguments are what a
/// stream has beyond the fields that both kinds have.
macro_rules! halves {
    ($($field:ident: $value:expr),*) => {
        /// The halves of a [`TlsStream`] over `S`.
        pub type Halves<S> =
            (ReadHalf<<S as SplitTransport>::ReadHalf>, WriteHalf<<S as SplitTransport>::WriteHalf>);

        impl<S: SplitTransport> TlsStream<S> {
            /// The two directions, for two threads or tasks; neither ever waits for the other. Each ends by itself: the
            /// writing half by [`WriteHalf::close_write`], the reading half when the peer ends. To close within a budget, make
            /// one stream of them again: [`TlsStream::reunite`].
            ///
            /// # Errors
            /// The stream, unchanged, with [`ErrorKind::NotConnected`](io::ErrorKind::NotConnected) as long as its handshake is
            /// not finished, or with the error of the transport's.
            pub fn into_split(self) -> Result<Halves<S>, SplitError<Self>> {
                let Self { transport, driver, incoming, outgoing, send_error, closing, .. } = self;
                let (error, transport, driver) = match &send_error {
                    _ if !driver.is_established() => (unfinished(), transport, driver),
                    // Something is missing on the wire.
                    Some(error) => (alike(error), transport, driver),
                    None => match transport.split() {
                        Err(refused) => {
                            let (transport, error) = refused.into_parts();
                            (error, transport, driver)
                        }
                        Ok((read, write)) => {
                            // Nothing but an unfinished handshake refuses.
                            let (send, receive) = driver.split().expect("the handshake is finished");
                            let reset = Arc::clone(&incoming.reset);
                            return Ok((
                                ReadHalf { transport: read, driver: receive, incoming, is_gone: S::is_gone },
                                WriteHalf { transport: write, driver: send, outgoing, reset },
                            ));
                        }
                    },
                };
                Err(SplitError::new(
                    Self { transport, driver, incoming, outgoing, send_error, closing, $($field: $value),* },
                    error,
                ))
            }

            /// The opposite of [`TlsStream::into_split`].
            ///
            /// # Errors
            /// Both halves, unchanged: they are not of one connection, or their transports are not of one transport.
            pub fn reunite(
                read: ReadHalf<S::ReadHalf>,
                write: WriteHalf<S::WriteHalf>,
            ) -> Result<Self, Box<Halves<S>>> {
                let ReadHalf { transport: reader, driver: receive, incoming, is_gone } = read;
                let WriteHalf { transport: writer, driver: send, outgoing, reset } = write;
                match reunite(Parts { reader, writer, send, receive }) {
                    Ok((transport, driver)) => Ok(Self {
                        transport,
                        driver,
                        incoming,
                        outgoing,
                        send_error: None,
                        closing: None,
                        $($field: $value),*
                    }),
                    Err(parts) => {
                        let Parts { reader, writer, send, receive } = *parts;
                        Err(Box::new((
                            ReadHalf { transport: reader, driver: receive, incoming, is_gone },
                            WriteHalf { transport: writer, driver: send, outgoing, reset },
                        )))
                    }
                }
            }
        }

        impl<R> ReadHalf<R> {
            /// The driver's half: how reading stands or has ended, how much was read, what was negotiated.
            pub fn driver(&self) -> &$crate::ReceiveDriver {
                &self.driver
            }

            /// As [`ReadHalf::driver`].
            pub fn driver_mut(&mut self) -> &mut $crate::ReceiveDriver {
                &mut self.driver
            }

            /// What a transport's end without a close_notify means to readers.
            pub fn truncation(&self) -> $crate::Truncation {
                self.incoming.truncation
            }

            /// As [`TlsStream::set_truncation`].
            pub fn set_truncation(&mut self, truncation: $crate::Truncation) {
                self.incoming.truncation = truncation;
            }

            /// The transport's half.
            pub fn get_ref(&self) -> &R {
                &self.transport
            }

            /// The transport's half. Bytes read from it are lost to the connection.
            pub fn get_mut(&mut self) -> &mut R {
                &mut self.transport
            }
        }

        impl<W> WriteHalf<W> {
            /// The driver's half: key updates, alerts, how much was written, what was negotiated. What it wants sent goes out with the next
            /// write or flush.
            pub fn driver(&self) -> &$crate::SendDriver {
                &self.driver
            }

            /// As [`WriteHalf::driver`].
            pub fn driver_mut(&mut self) -> &mut $crate::SendDriver {
                &mut self.driver
            }

            /// The transport's half.
            pub fn get_ref(&self) -> &W {
                &self.transport
            }

            /// The transport's half. Bytes written to it are lost to the connection.
            pub fn get_mut(&mut self) -> &mut W {
                &mut self.transport
            }
        }
    };
}

pub(crate) use halves;

/// Something could not be split, and is as it was.
pub struct SplitError<T>(Box<(T, io::Error)>);

impl<T> SplitError<T> {
    /// For transports of one's own.
    pub fn new(whole: T, error: io::Error) -> Self {
        Self(Box::new((whole, error)))
    }

    /// What was to be split, and why it was not.
    pub fn into_parts(self) -> (T, io::Error) {
        *self.0
    }
}

impl<T> fmt::Debug for SplitError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SplitError").field("error", &self.0.1).finish_non_exhaustive()
    }
}

impl<T> fmt::Display for SplitError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the stream cannot be split: {}", self.0.1)
    }
}

impl<T> std::error::Error for SplitError<T> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0.1)
    }
}

impl<T> From<SplitError<T>> for io::Error {
    fn from(error: SplitError<T>) -> Self {
        error.0.1
    }
}

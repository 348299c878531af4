//! How the adaptors put verdicts and failures into [`std::io::Error`].

use std::fmt;
use std::io::{self, ErrorKind};
use std::sync::Arc;

use openschannel::status::{Error, ErrorStatus};
use openschannel::{ReadEnd, TransportEnd};

/// The connection ended in another way than by the peer's close_notify, or before its handshake was finished.
///
/// It is what [`io::Error::get_ref`] gives for [`ErrorKind::UnexpectedEof`] and [`ErrorKind::ConnectionReset`]. A protocol that frames
/// its messages itself may find that nothing is missing after all:
///
/// ```
/// use openschannel::ReadEnd;
/// use openschannel_stream::ReadEnded;
///
/// fn cut_between_records(error: &std::io::Error) -> bool {
///     let ended = error.get_ref().and_then(|source| source.downcast_ref::<ReadEnded>());
///     ended.is_some_and(|ended| ended.end() == ReadEnd::Truncated { inside_record: false })
/// }
/// ```
#[derive(Debug)]
pub struct ReadEnded {
    end: ReadEnd,
    delivered: u64,
    in_handshake: bool,
    transport: Option<Arc<io::Error>>,
}

impl ReadEnded {
    pub(crate) fn new(
        end: ReadEnd,
        delivered: u64,
        in_handshake: bool,
        transport: Option<Arc<io::Error>>,
    ) -> Self {
        Self { end, delivered, in_handshake, transport }
    }

    /// The verdict.
    pub fn end(&self) -> ReadEnd {
        self.end
    }

    /// Plaintext bytes that were delivered before.
    pub fn delivered(&self) -> u64 {
        self.delivered
    }

    /// Whether the handshake was unfinished.
    pub fn in_handshake(&self) -> bool {
        self.in_handshake
    }
}

impl fmt::Display for ReadEnded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.end {
            ReadEnd::Open => "the connection is open",
            ReadEnd::Clean => "the peer closed",
            ReadEnd::Truncated { inside_record: true } => "the transport ended inside a record",
            ReadEnd::Truncated { inside_record: false } => "the transport ended without a close_notify",
            ReadEnd::Reset => "the transport was reset",
            ReadEnd::Alert(_) => "the peer ended the connection by a fatal alert",
            ReadEnd::Failed(_) => "the connection has failed",
        })?;
        if self.in_handshake {
            f.write_str(" before the handshake was finished")
        } else {
            write!(f, " after {} bytes of data", self.delivered)
        }
    }
}

impl std::error::Error for ReadEnded {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.transport.as_deref().map(|error| error as _)
    }
}

impl From<ReadEnded> for io::Error {
    fn from(ended: ReadEnded) -> Self {
        let kind = match ended.end {
            ReadEnd::Reset => ErrorKind::ConnectionReset,
            ReadEnd::Alert(_) | ReadEnd::Failed(_) => ErrorKind::InvalidData,
            ReadEnd::Truncated { .. } | ReadEnd::Clean | ReadEnd::Open => ErrorKind::UnexpectedEof,
        };
        Self::new(kind, ended)
    }
}

/// A failure of the handshake or of reading.
pub(crate) fn failed(error: Error) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, error)
}

/// A refusal to write.
pub(crate) fn refused(error: Error) -> io::Error {
    let kind = match error.status() {
        ErrorStatus::ContextExpired => ErrorKind::BrokenPipe,
        ErrorStatus::InvalidHandle => ErrorKind::NotConnected,
        _ => ErrorKind::Other,
    };
    io::Error::new(kind, error)
}

/// There are no halves before the handshake is finished.
pub(crate) fn unfinished() -> io::Error {
    io::Error::new(ErrorKind::NotConnected, "the handshake is not finished")
}

/// A context could not be made.
pub(crate) fn unusable(error: Error) -> io::Error {
    io::Error::new(ErrorKind::InvalidInput, error)
}

/// Whether the transport has only asked to be tried again later. A timeout that was set on it says either, by platform; but Unix says
/// [`ErrorKind::TimedOut`] when the peer has not acknowledged for too long, and that is the end.
pub(crate) fn is_retry(error: &io::Error) -> bool {
    match error.kind() {
        ErrorKind::WouldBlock => true,
        ErrorKind::TimedOut => cfg!(not(unix)) || error.raw_os_error().is_none(),
        _ => false,
    }
}

/// Whether an error of sending says that nothing more can be received either. A socket tells of its reset once, to whoever asks first,
/// and behind that reading looks like a FIN.
pub(crate) fn is_end_of_both(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::TimedOut
            | ErrorKind::HostUnreachable
            | ErrorKind::NetworkUnreachable
    )
}

/// Whether an error of sending says that the connection is gone, so that reading on finds what the peer said last and then an end. Behind
/// any other the peer may wait for what was not sent, and nothing would come for ever.
pub(crate) fn is_gone(error: &io::Error) -> bool {
    is_end_of_both(error) || matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::NotConnected)
}

/// An error of the same kind, with the system's number if it has one.
pub(crate) fn alike(error: &io::Error) -> io::Error {
    error.raw_os_error().map_or_else(|| error.kind().into(), io::Error::from_raw_os_error)
}

/// What an error of the transport's means for reading. One that is itself layered says UnexpectedEof for a cut.
pub(crate) fn transport_end(error: &io::Error) -> TransportEnd {
    match error.kind() {
        ErrorKind::UnexpectedEof => TransportEnd::Eof,
        _ => TransportEnd::Reset,
    }
}

/// A transport that takes nothing will not take more later.
pub(crate) fn write_zero() -> io::Error {
    io::Error::new(ErrorKind::WriteZero, "the transport takes no more bytes")
}

//! Closing within limits, and what it came to. The adaptors do the I/O.
//!
//! Who sends his close_notify and closes the socket at once makes the kernel answer whatever is still under way with a reset, and a
//! reset destroys what the peer has received and not yet read. The remedy is to close only the sending direction and to read until
//! the peer ends; and never for longer than one is willing to.
//!
//! ```text
//!   Send --everything sent, or sending failed--> Shut --the transport's end of sending--> Read --the peer's end--> done
//!    |                                            |                                        |
//!    +--------------------------------------------+----- a limit of the budget ------------+---------------------> done
//! ```
//!
//! While it sends it reads too: a peer that waits for room before it reads would otherwise wait for ever, and so would we.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::time::Duration;

use openschannel::ReadEnd;

use crate::directions::{Incoming, Outgoing};
use crate::driver::{Advance, Driver, Plaintext};
use crate::error::alike;

/// How long a close takes without being told: long enough for a round trip round the world and a lost packet or two, short enough for
/// nobody to notice a peer that never answers.
const DEFAULT_TIME: Duration = Duration::from_secs(2);

/// How much it receives without being told: what a peer has under way when the close reaches it is bounded by its window.
const DEFAULT_BYTES: u64 = 1 << 20;

/// Bytes read at once from a peer whose connection has ended; what they are does not matter.
pub(crate) const DISCARDED_AT_ONCE: usize = 2048;

/// What a close may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CloseBudget {
    /// Bytes received from the transport. The reading that reaches this is the last.
    pub bytes: u64,
    /// Time from the first call.
    pub time: Duration,
}

impl CloseBudget {
    /// Both limits.
    pub const fn new(bytes: u64, time: Duration) -> Self {
        Self { bytes, time }
    }
}

impl Default for CloseBudget {
    /// One mebibyte, two seconds.
    fn default() -> Self {
        Self::new(DEFAULT_BYTES, DEFAULT_TIME)
    }
}

impl From<Duration> for CloseBudget {
    /// One mebibyte, and this time.
    fn from(time: Duration) -> Self {
        Self::new(DEFAULT_BYTES, time)
    }
}

/// A limit of [`CloseBudget`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseLimit {
    /// [`CloseBudget::bytes`].
    Bytes,
    /// [`CloseBudget::time`].
    Time,
}

/// How a close came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CloseReport {
    /// How reading ended; [`ReadEnd::Open`] if a limit was reached first.
    pub read_end: ReadEnd,
    /// Whether the transport took everything up to and with the close_notify. Never after a failure, of which an alert tells.
    pub close_sent: bool,
    /// Plaintext bytes that were read and thrown away, in all closes and lingerings on this stream.
    pub discarded: u64,
    /// The limit that was reached before the peer ended. Another call has a new budget and goes on.
    pub limit: Option<CloseLimit>,
}

impl CloseReport {
    pub(crate) fn new(
        driver: &Driver,
        incoming: &Incoming,
        outgoing: &Outgoing,
        limit: Option<CloseLimit>,
    ) -> Self {
        Self {
            read_end: driver.closing_report().read_end,
            close_sent: outgoing.close_sent,
            discarded: incoming.discarded,
            limit,
        }
    }
}

/// A close that could not send what it had to, after it had read to the peer's end all the same.
///
/// It is what [`io::Error::get_ref`] gives for an error of `close`; its source is the transport's error.
#[derive(Debug)]
pub struct CloseFailed {
    report: CloseReport,
    transport: io::Error,
}

impl CloseFailed {
    /// What there is to report in spite of it: how the peer ended may say why.
    pub fn report(&self) -> CloseReport {
        self.report
    }
}

impl fmt::Display for CloseFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what had to be sent before the end could not be sent")
    }
}

impl StdError for CloseFailed {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.transport)
    }
}

/// A close that was begun, on a clock of type `I`.
#[derive(Debug)]
pub(crate) struct Closing<I> {
    pub(crate) began: I,
    pub(crate) begun: Begun,
    pub(crate) stage: Stage,
    /// Bytes received since.
    pub(crate) received: u64,
    send_error: Option<io::Error>,
    lost: Lost,
}

/// What was begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Begun {
    Close,
    /// Only the last stage of it.
    Linger,
}

/// What a close is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Send,
    Shut,
    Read,
}

/// What did not get through when sending failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lost {
    Nothing,
    OnlyTheClose,
    Data,
}

impl<I> Closing<I> {
    pub(crate) fn new(began: I, begun: Begun) -> Self {
        let stage = match begun {
            Begun::Close => Stage::Send,
            Begun::Linger => Stage::Read,
        };
        Self { began, begun, stage, received: 0, send_error: None, lost: Lost::Nothing }
    }

    /// The stage Send is over: everything was sent, or sending failed.
    pub(crate) fn sent(
        &mut self,
        sent: io::Result<()>,
        driver: &Driver,
        outgoing: &mut Outgoing,
        kept: &mut Option<io::Error>,
    ) {
        match sent {
            Ok(()) => outgoing.note_close(driver.closing_report().close_sent),
            Err(error) => self.sending_failed(error, driver, outgoing, kept),
        }
        self.stage = Stage::Shut;
    }

    /// The stage Shut is over.
    pub(crate) fn shut(
        &mut self,
        shut: io::Result<()>,
        driver: &Driver,
        outgoing: &Outgoing,
        kept: &mut Option<io::Error>,
    ) {
        if let Err(error) = shut {
            self.sending_failed(error, driver, outgoing, kept);
        }
        self.stage = Stage::Read;
    }

    /// What the peer has to say is read all the same. Where data was lost by it, `kept` has the next close fail too.
    fn sending_failed(
        &mut self,
        error: io::Error,
        driver: &Driver,
        outgoing: &Outgoing,
        kept: &mut Option<io::Error>,
    ) {
        if self.send_error.is_none() {
            let only_the_close = driver.output.is_only_close() && !outgoing.unflushed;
            self.lost = if only_the_close { Lost::OnlyTheClose } else { Lost::Data };
            if self.lost == Lost::Data {
                kept.get_or_insert_with(|| alike(&error));
            }
            self.send_error = Some(error);
        }
    }

    /// What it comes to. Who has ended in order and let go of the transport needs no close_notify.
    pub(crate) fn finish(self, report: CloseReport) -> io::Result<CloseReport> {
        match self.send_error {
            Some(transport) if !(self.lost == Lost::OnlyTheClose && report.read_end == ReadEnd::Clean) => {
                Err(io::Error::new(transport.kind(), CloseFailed { report, transport }))
            }
            _ => Ok(report),
        }
    }
}

/// What is to be read next from the transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// What comes, for the driver.
    Input,
    /// What comes until the transport ends, for nobody: the connection has failed, and the alert that says so must not meet a reset.
    Anything,
    /// What has come already, for nobody: the peer has closed, and nothing counts behind that; but what lies unread in a socket when
    /// it is closed makes a reset all the same.
    Leftovers,
    /// Nothing: the transport has ended.
    Nothing,
}

/// Takes in what was received, gives it to `deliver`, and says what to read next.
///
/// A handshake goes on silently, so that the peer's verdict on it is heard: what it would send stays behind the end.
pub(crate) fn take_in(driver: &mut Driver, discarded: &mut u64, deliver: &mut impl FnMut(&[u8])) -> Wanted {
    let wanted = loop {
        if !driver.is_established() {
            match driver.advance() {
                Ok(Advance::Established) => continue,
                Ok(Advance::NeedsReceive) => break Wanted::Input,
                Ok(Advance::Ended(ReadEnd::Clean)) => break Wanted::Leftovers,
                Ok(Advance::Ended(_)) => break Wanted::Nothing,
                Err(_) => break Wanted::Anything,
            }
        }
        match driver.fill_plaintext() {
            Ok(Plaintext::Data(data)) => {
                let len = data.len();
                deliver(data);
                *discarded += len as u64;
                driver.consume(len);
            }
            Ok(Plaintext::End(ReadEnd::Clean)) => break Wanted::Leftovers,
            Ok(Plaintext::End(_)) => break Wanted::Nothing,
            Ok(Plaintext::NeedsReceive) => break Wanted::Input,
            Err(_) => break Wanted::Anything,
        }
    };
    match wanted {
        Wanted::Input if driver.receive_space().is_empty() => Wanted::Anything,
        wanted => wanted,
    }
}

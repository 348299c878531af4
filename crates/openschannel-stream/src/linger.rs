//! Waiting for the peer's end, within limits.
//!
//! Who sends his close_notify and closes the socket at once makes the kernel answer whatever is still under way with a reset, and a
//! reset destroys what the peer has received and not yet read. The remedy is to close only the sending direction and to read until
//! the peer ends; and never for longer than one is willing to.

use std::time::Duration;

use openschannel::ReadEnd;

/// How long to linger without being told: long enough for a round trip round the world and a lost packet or two, short enough for
/// nobody to notice a peer that never answers.
const DEFAULT_TIME: Duration = Duration::from_secs(2);

/// How much to receive without being told: what a peer has under way when the close reaches it is bounded by its window.
const DEFAULT_BYTES: u64 = 1 << 20;

/// Bytes read at once from a peer whose connection has failed; what they are does not matter.
pub(crate) const DISCARDED_AT_ONCE: usize = 2048;

/// What a lingering close may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LingerBudget {
    /// Bytes received from the transport. The reading that reaches this is the last.
    pub bytes: u64,
    /// Time from the call.
    pub time: Duration,
}

impl LingerBudget {
    /// Both limits.
    pub const fn new(bytes: u64, time: Duration) -> Self {
        Self { bytes, time }
    }
}

impl Default for LingerBudget {
    /// One mebibyte, two seconds.
    fn default() -> Self {
        Self::new(DEFAULT_BYTES, DEFAULT_TIME)
    }
}

impl From<Duration> for LingerBudget {
    /// One mebibyte, and this time.
    fn from(time: Duration) -> Self {
        Self::new(DEFAULT_BYTES, time)
    }
}

/// How lingering ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lingered {
    /// How reading ended; [`ReadEnd::Open`] if a limit was reached first.
    pub read_end: ReadEnd,
    /// The limit that was reached. Another call goes on.
    pub limit: Option<LingerLimit>,
    /// Plaintext bytes that were read while lingering, in all calls on this stream.
    pub discarded: u64,
}

/// A limit of [`LingerBudget`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LingerLimit {
    /// [`LingerBudget::bytes`].
    Bytes,
    /// [`LingerBudget::time`], or the transport's own read timeout.
    Time,
}

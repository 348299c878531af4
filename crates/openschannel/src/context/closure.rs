//! How the two halves of a connection end, and the little they know of each other.
//!
//! ```text
//!   sending half                               receiving half
//!
//!   Open --SHUTDOWN or close()--> Closed       Open --close_notify------> Clean
//!     |                                          | --transport's end----> Truncated, Reset
//!     +--fatal alert-----------> Closed          | --fatal alert--------> Alert(n)
//!                                                +--failure here--------> Failed
//! ```
//!
//! Neither end moves the other (RFC 8446 section 6.1). The first thing that ends the receiving half decides; what comes later
//! changes no verdict.

use core::sync::atomic::{AtomicU32, Ordering};

use crate::alert::AlertDescription;
use crate::attributes::{Attributes, Protocol};
use crate::status::ErrorStatus;

use super::table::State;

/// How the receiving half ended: never a bare zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadEnd {
    /// It has not.
    Open,
    /// By the peer's close_notify, which the keys authenticate once the handshake is finished: everything the peer sent has arrived.
    Clean,
    /// The transport ended without a close_notify: bytes may be missing.
    Truncated {
        /// In the middle of a record rather than between two.
        inside_record: bool,
    },
    /// The transport was reset.
    Reset,
    /// By a fatal alert from the peer.
    Alert(AlertDescription),
    /// By a failure found on this side; the status says which.
    Failed(ErrorStatus),
}

/// What the caller saw of the transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransportEnd {
    /// Reading gave no more bytes: the peer's FIN.
    Eof,
    /// Reading or writing failed: a TCP reset and the like.
    Reset,
}

/// How a connection stands or has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClosingReport {
    /// The receiving half.
    pub read_end: ReadEnd,
    /// Whether the handshake was finished.
    pub handshake_complete: bool,
    /// Whether this side's close_notify was produced and given to the caller.
    pub close_sent: bool,
    /// Plaintext bytes encrypted so far.
    pub bytes_sent: u64,
    /// Plaintext bytes delivered so far.
    pub bytes_received: u64,
}

/// What the halves of one connection share: a few bits, no lock, and what can be asked about the connection.
///
/// Both halves write some of the bits, so every write is a read-modify-write and has to stay one: a store would lose the other
/// half's. On the data path both halves only load.
#[derive(Debug)]
pub(super) struct Shared {
    bits: AtomicU32,
    pub(super) attributes: Attributes,
}

/// The own close or a fatal alert was produced (sending half).
const LOCAL_CLOSED: u32 = 1;
/// close_notify was received (receiving half).
const PEER_CLOSED: u32 = 1 << 1;
/// A handshake message waits for the next token call (receiving half, compatible mode).
const GATED: u32 = 1 << 2;
/// No call does anything any more (either half).
const FAILED: u32 = 1 << 3;
/// The peer wants its KeyUpdate, or in TLS 1.2 its wish to renegotiate, answered (set by the receiving half, taken by the sending half).
const REPLY_DUE: u32 = 1 << 4;
/// The alert in the top byte is owed to the peer (set by the receiving half, taken by the sending half).
const ALERT_OWED: u32 = 1 << 5;
/// The sending half was consumed by its close: no token call will ever open the gate (sending half).
const NO_TOKEN_CALLS: u32 = 1 << 6;
/// The peer was asked for a KeyUpdate and has not sent one since (set by the sending half, taken by the receiving half).
const UPDATE_ASKED: u32 = 1 << 7;
/// This side's close_notify was given to the caller (sending half).
const CLOSE_SENT: u32 = 1 << 8;
const ALERT_SHIFT: u32 = 24;

impl Shared {
    pub(super) fn new(attributes: Attributes) -> Self {
        Self { bits: AtomicU32::new(0), attributes }
    }

    pub(super) fn state(&self) -> State {
        let bits = self.bits.load(Ordering::Acquire);
        let gated = bits & (GATED | NO_TOKEN_CALLS) == GATED;
        match (bits & FAILED != 0, gated, bits & LOCAL_CLOSED != 0, bits & PEER_CLOSED != 0) {
            (true, _, _, _) => State::Failed,
            (_, true, _, _) => State::PostHandshakePending,
            (_, _, true, true) => State::BothClosed,
            (_, _, true, false) => State::LocalClosed,
            (_, _, false, true) => State::PeerClosed,
            (_, _, false, false) => State::Established,
        }
    }

    pub(super) fn is_local_closed(&self) -> bool {
        self.has(LOCAL_CLOSED)
    }

    pub(super) fn close_local(&self) {
        self.set(LOCAL_CLOSED);
        // Nothing is sent behind the own close (RFC 8446 section 6.1), a KeyUpdate's answer neither.
        self.clear(REPLY_DUE);
    }

    /// The close_notify was produced and given out, possibly before there were keys.
    pub(super) fn note_close_sent(&self) {
        self.set(CLOSE_SENT);
    }

    pub(super) fn is_close_sent(&self) -> bool {
        self.has(CLOSE_SENT)
    }

    pub(super) fn close_peer(&self) {
        self.set(PEER_CLOSED);
    }

    pub(super) fn set_gate(&self, gated: bool) {
        if gated {
            self.set(GATED);
        } else {
            self.clear(GATED);
        }
    }

    /// The sending half goes away with its close.
    pub(super) fn end_token_calls(&self) {
        self.set(NO_TOKEN_CALLS);
    }

    /// Whether a handshake message waits for a token call that will never be made.
    pub(super) fn is_gated_for_nobody(&self) -> bool {
        self.has(GATED) && self.has(NO_TOKEN_CALLS)
    }

    pub(super) fn has_no_token_calls(&self) -> bool {
        self.has(NO_TOKEN_CALLS)
    }

    /// By an alert that was sent or received: nobody is owed anything.
    pub(super) fn fail(&self) {
        self.set(FAILED);
        self.end_session();
    }

    pub(super) fn is_failed(&self) -> bool {
        self.has(FAILED)
    }

    /// By a failure found while decrypting, which has nowhere to put an alert: the peer is owed it, unless it was told before
    /// that nothing more will come.
    pub(super) fn fail_owing(&self, alert: AlertDescription) {
        let owed = if self.is_local_closed() { 0 } else { ALERT_OWED | u32::from(alert.0) << ALERT_SHIFT };
        self.set(FAILED | owed);
        self.end_session();
    }

    /// A fatal alert ends the session of TLS 1.2 (RFC 5246 section 7.2), whichever half meets it.
    fn end_session(&self) {
        if self.attributes.protocol() == Protocol::Tls12 {
            self.attributes.forget_session();
        }
    }

    pub(super) fn take_owed_alert(&self) -> Option<AlertDescription> {
        let bits = self.bits.fetch_and(!ALERT_OWED, Ordering::AcqRel);
        (bits & ALERT_OWED != 0).then(|| AlertDescription((bits >> ALERT_SHIFT).to_le_bytes()[0]))
    }

    pub(super) fn owe_reply(&self) {
        if !self.is_local_closed() {
            self.set(REPLY_DUE);
        }
    }

    pub(super) fn is_reply_due(&self) -> bool {
        self.bits.load(Ordering::Acquire) & (REPLY_DUE | LOCAL_CLOSED | FAILED) == REPLY_DUE
    }

    pub(super) fn reply_done(&self) {
        self.clear(REPLY_DUE);
    }

    /// The peer is about to be asked for a KeyUpdate. False while an earlier wish waits for its answer: RFC 9846 section 4.7.3 forbids
    /// to repeat it.
    pub(super) fn ask_for_update(&self) -> bool {
        self.bits.fetch_or(UPDATE_ASKED, Ordering::AcqRel) & UPDATE_ASKED == 0
    }

    /// A KeyUpdate has come, or the wish for one could not be sent: whether it was asked for. If so it is no flood.
    pub(super) fn take_asked_for_update(&self) -> bool {
        self.bits.fetch_and(!UPDATE_ASKED, Ordering::AcqRel) & UPDATE_ASKED != 0
    }

    /// Another one with the same bits; what a failure ends is the same session.
    #[cfg(test)]
    pub(super) fn fork(&self) -> Self {
        Self { bits: AtomicU32::new(self.word()), attributes: self.attributes.fork() }
    }

    #[cfg(test)]
    pub(super) fn word(&self) -> u32 {
        self.bits.load(Ordering::Acquire)
    }

    fn set(&self, bits: u32) {
        self.bits.fetch_or(bits, Ordering::AcqRel);
    }

    fn clear(&self, bits: u32) {
        self.bits.fetch_and(!bits, Ordering::AcqRel);
    }

    fn has(&self, bit: u32) -> bool {
        self.bits.load(Ordering::Acquire) & bit != 0
    }
}

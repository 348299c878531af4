//! What a context consists of, before its handshake is finished and after it.

use super::closure::ReadEnd;
use super::handshaking::Handshaking;
use super::receive::ReceiveHalf;
use super::send::SendHalf;
use super::table::Waiting;

/// Established, which a context is nearly all its life, or not: no larger than its halves.
#[derive(Debug)]
pub(super) enum Phase {
    Established { send: SendHalf, receive: ReceiveHalf },
    Unfinished(Box<Unfinished>),
}

/// Each in a block of its own size: in one as large as the other there would lie what the stack held before.
#[derive(Debug)]
pub(super) enum Unfinished {
    Handshaking(Box<Handshaking>),
    /// S9 before the handshake was finished.
    Failed(Box<FailedHandshake>),
}

/// A borrowed [`Phase`].
pub(super) enum View<'a> {
    Handshaking(&'a Handshaking),
    Established { send: &'a SendHalf, receive: &'a ReceiveHalf },
    Failed(&'a FailedHandshake),
}

/// A mutably borrowed [`Phase`].
pub(super) enum ViewMut<'a> {
    Handshaking(&'a mut Handshaking),
    Established { send: &'a mut SendHalf, receive: &'a mut ReceiveHalf },
    Failed(&'a mut FailedHandshake),
}

impl Phase {
    pub(super) fn view(&self) -> View<'_> {
        match self {
            Self::Established { send, receive } => View::Established { send, receive },
            Self::Unfinished(unfinished) => match &**unfinished {
                Unfinished::Handshaking(handshaking) => View::Handshaking(handshaking),
                Unfinished::Failed(failed) => View::Failed(failed),
            },
        }
    }

    pub(super) fn view_mut(&mut self) -> ViewMut<'_> {
        match self {
            Self::Established { send, receive } => ViewMut::Established { send, receive },
            Self::Unfinished(unfinished) => match &mut **unfinished {
                Unfinished::Handshaking(handshaking) => ViewMut::Handshaking(handshaking),
                Unfinished::Failed(failed) => ViewMut::Failed(failed),
            },
        }
    }
}

#[derive(Debug)]
pub(super) struct FailedHandshake {
    pub(super) waiting: Waiting,
    pub(super) read_end: ReadEnd,
    pub(super) close_sent: bool,
    pub(super) peer_chain: Vec<Vec<u8>>,
    pub(super) local_chain: Vec<Vec<u8>>,
    pub(super) issuers: Vec<Vec<u8>>,
}

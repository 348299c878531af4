//! A second sending half in the same state, and all of that state.

use super::{Alert, Arc, SendHalf, Shared, StoredAlert};

/// Everything that changes in a sending half.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::context) struct SendState {
    pub(in crate::context) place: ([u8; 8], u64),
    secret: Option<Vec<u8>>,
    limits: [u64; 2],
    waiting: Option<Alert>,
    stored: Option<StoredAlert>,
    close_sent: bool,
    bytes_sent: u64,
    shared: u32,
}

impl SendHalf {
    /// `shared` is the fork's, which its receiving half has too.
    pub(in crate::context) fn fork(&self, shared: Arc<Shared>) -> Self {
        // Field by field: one that is added is missed by the compiler.
        let Self {
            sealer,
            secret,
            refresh_at,
            limit,
            waiting,
            stored,
            close_sent,
            bytes_sent,
            shared: _,
            attributes,
        } = self;
        Self {
            sealer: sealer.fork(),
            secret: secret.as_ref().map(|secret| secret.fork()),
            refresh_at: *refresh_at,
            limit: *limit,
            waiting: *waiting,
            stored: stored.clone(),
            close_sent: *close_sent,
            bytes_sent: *bytes_sent,
            shared,
            attributes: attributes.clone(),
        }
    }

    pub(in crate::context) fn state(&self) -> SendState {
        SendState {
            place: self.sealer.place(),
            secret: self.secret.as_ref().map(|secret| secret.bytes()),
            limits: [self.refresh_at, self.limit],
            waiting: self.waiting,
            stored: self.stored.clone(),
            close_sent: self.close_sent,
            bytes_sent: self.bytes_sent,
            shared: self.shared.word(),
        }
    }
}

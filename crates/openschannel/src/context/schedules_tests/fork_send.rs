//! A second sending half in the same state, and all of that state.

use super::{Alert, Arc, Later, SendHalf, Sending, Shared, StoredAlert};

/// Everything that changes in a sending half.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::context) struct SendState {
    pub(in crate::context) place: ([u8; 8], u64),
    secret: Option<Vec<u8>>,
    limits: [u64; 2],
    waiting: Option<Alert>,
    stored: Option<StoredAlert>,
    bytes_sent: u64,
    shared: u32,
}

impl SendHalf {
    /// `shared` is the fork's, which its receiving half has too.
    pub(in crate::context) fn fork(&self, shared: Arc<Shared>) -> Self {
        // Field by field: one that is added is missed by the compiler.
        let Sending { sealer, bytes_sent, refresh_at, waiting, later, shared: _, limit } = &*self.0;
        Self(Box::new(Sending {
            sealer: sealer.fork(),
            bytes_sent: *bytes_sent,
            refresh_at: *refresh_at,
            waiting: *waiting,
            later: match later {
                Later::Nothing => Later::Nothing,
                Later::Source(source) => Later::Source(source.fork()),
                Later::Ended(stored) => Later::Ended(stored.clone()),
            },
            shared,
            limit: *limit,
        }))
    }

    pub(in crate::context) fn state(&self) -> SendState {
        let (secret, stored) = match &self.0.later {
            Later::Nothing => (None, None),
            Later::Source(source) => (Some(source.bytes()), None),
            Later::Ended(stored) => (None, Some(stored.clone())),
        };
        SendState {
            place: self.0.sealer.place(),
            secret,
            limits: [u64::from(self.0.refresh_at), self.0.limit],
            waiting: self.0.waiting,
            stored,
            bytes_sent: self.0.bytes_sent,
            shared: self.shared().word(),
        }
    }
}

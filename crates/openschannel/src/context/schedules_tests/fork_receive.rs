//! A second receiving half in the same state, and all of that state.

use super::{Arc, Messages, Pending, ReadEnd, ReceiveHalf, Receiving, SeenRecord, Shared};
use crate::credentials::PostHandshake;

/// Everything that changes in a receiving half.
///
/// Without `inside_record`: that a piece of a record was shown is remembered for the verdict, also by a call that reports an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::context) struct ReceiveState {
    place: ([u8; 8], u64),
    secret: Vec<u8>,
    messages: Messages,
    seen: Option<SeenRecord>,
    mode: PostHandshake,
    read_end: ReadEnd,
    counts: [u8; 3],
    reconnects: bool,
    bytes_received: u64,
    shared: u32,
}

impl ReceiveHalf {
    /// `shared` is the fork's, which its sending half has too. What turns tickets into sessions cannot be had twice and is left out:
    /// tickets are read and then dropped.
    pub(in crate::context) fn fork(&self, shared: Arc<Shared>) -> Self {
        // Field by field: one that is added is missed by the compiler.
        let Receiving {
            opener,
            bytes_received,
            empty_records,
            warnings,
            post_handshake,
            mode,
            inside_record,
            reconnects,
            read_end,
            source,
            pending,
            shared: _,
        } = &*self.0;
        let pending = pending.as_ref().map(|pending| {
            let Pending { tickets: _, messages, seen } = &**pending;
            Box::new(Pending { tickets: None, messages: messages.clone(), seen: seen.clone() })
        });
        let mut fork = Self(Box::new(Receiving {
            opener: opener.fork(),
            bytes_received: *bytes_received,
            empty_records: *empty_records,
            warnings: *warnings,
            post_handshake: *post_handshake,
            mode: *mode,
            inside_record: *inside_record,
            reconnects: *reconnects,
            read_end: *read_end,
            source: source.fork(),
            pending,
            shared,
        }));
        fork.tidy();
        fork
    }

    pub(in crate::context) fn state(&self) -> ReceiveState {
        let Receiving { opener, source, mode, read_end, reconnects, bytes_received, pending, .. } = &*self.0;
        let pending = pending.as_deref();
        ReceiveState {
            place: opener.place(),
            secret: source.bytes(),
            messages: pending.map(|pending| pending.messages.clone()).unwrap_or_default(),
            seen: pending.and_then(|pending| pending.seen.clone()),
            mode: *mode,
            read_end: *read_end,
            counts: [self.0.warnings, self.0.empty_records, self.0.post_handshake],
            reconnects: *reconnects,
            bytes_received: *bytes_received,
            shared: self.shared().word(),
        }
    }
}

//! A second receiving half in the same state, and all of that state.

use super::{Arc, Messages, ReadEnd, ReceiveHalf, SeenRecord, Shared};
use crate::credentials::PostHandshake;

/// Everything that changes in a receiving half.
///
/// Without `inside_record`: that a piece of a record was shown is remembered for the verdict, also by a call that reports an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::context) struct ReceiveState {
    place: ([u8; 8], u64),
    secret: Option<Vec<u8>>,
    messages: Messages,
    seen: Option<SeenRecord>,
    mode: PostHandshake,
    read_end: ReadEnd,
    counts: [u32; 3],
    reconnects: bool,
    bytes_received: u64,
    shared: u32,
}

impl ReceiveHalf {
    /// `shared` is the fork's, which its sending half has too. What turns tickets into sessions cannot be had twice and is left out:
    /// tickets are read and then dropped.
    pub(in crate::context) fn fork(&self, shared: Arc<Shared>) -> Self {
        // Field by field: one that is added is missed by the compiler.
        let Self {
            opener,
            secret,
            tickets: _,
            reconnects,
            resumption,
            messages,
            seen,
            mode,
            read_end,
            inside_record,
            warnings,
            empty_records,
            post_handshake,
            bytes_received,
            shared: _,
            attributes,
        } = self;
        Self {
            opener: opener.fork(),
            secret: secret.as_ref().map(|secret| secret.fork()),
            tickets: None,
            reconnects: *reconnects,
            resumption: resumption.clone(),
            messages: messages.clone(),
            seen: seen.clone(),
            mode: *mode,
            read_end: *read_end,
            inside_record: *inside_record,
            warnings: *warnings,
            empty_records: *empty_records,
            post_handshake: *post_handshake,
            bytes_received: *bytes_received,
            shared,
            attributes: attributes.clone(),
        }
    }

    pub(in crate::context) fn state(&self) -> ReceiveState {
        ReceiveState {
            place: self.opener.place(),
            secret: self.secret.as_ref().map(|secret| secret.bytes()),
            messages: self.messages.clone(),
            seen: self.seen.clone(),
            mode: self.mode,
            read_end: self.read_end,
            counts: [self.warnings, self.empty_records, self.post_handshake],
            reconnects: self.reconnects,
            bytes_received: self.bytes_received,
            shared: self.shared.word(),
        }
    }
}

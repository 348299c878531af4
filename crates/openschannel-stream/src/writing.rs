//! Plaintext in, records out: the part of writing that a whole [`Driver`](crate::Driver) and its sending half have in common.

use openschannel::Role;
use openschannel::attributes::StreamSizes;
use openschannel::status::{Error, ErrorStatus};

use crate::buffers::{OUTPUT_LIMIT, Output};
use crate::watch::trailer_room;

/// A KeyUpdate record has 27 bytes, the longest alert record 31 (section 4.3).
pub(crate) const ALERT_ROOM: usize = 31;

/// Encrypts from the front of `data`, as many records as `output` takes, by `encrypt`; says how many bytes.
///
/// # Errors
/// Of the first record. A later one's comes again at the next call: what was sealed is sent.
pub(crate) fn write_records(
    output: &mut Output,
    sizes: StreamSizes,
    data: &[u8],
    mut encrypt: impl FnMut(&[u8], &mut Output) -> Result<(), Error>,
) -> Result<usize, Error> {
    let overhead = sizes.header + trailer_room(sizes.trailer);
    let records = data.len().div_ceil(sizes.maximum_message.max(1));
    let room = OUTPUT_LIMIT.saturating_sub(output.waiting().len());
    if !data.is_empty() {
        output.reserve(records.saturating_mul(overhead).saturating_add(data.len()).min(room));
    }
    let mut written = 0;
    for chunk in data.chunks(sizes.maximum_message.max(1)) {
        if !output.has_room(overhead + chunk.len()) {
            break;
        }
        match encrypt(chunk, output) {
            Ok(()) => written += chunk.len(),
            Err(_) if written > 0 => break,
            Err(error) => return Err(error),
        }
    }
    Ok(written)
}

/// SEC_E_INSUFFICIENT_MEMORY while there is no room for a record that a caller could ask for again and again.
pub(crate) fn refuse_if_full(output: &Output) -> Result<(), Error> {
    if output.has_room(ALERT_ROOM) {
        return Ok(());
    }
    Err(Error::new(ErrorStatus::InsufficientMemory).because("what waits has to be transmitted first"))
}

/// What writing answers behind the end.
pub(crate) fn refuse_closed() -> Error {
    Error::new(ErrorStatus::ContextExpired).because("this side has closed, or the connection has failed")
}

/// Says so when a connection goes away that this side has not closed: to the peer it looks cut.
#[derive(Debug)]
pub(crate) struct Unclosed {
    side: Role,
    is_open: bool,
}

impl Unclosed {
    pub(crate) fn new(side: Role) -> Self {
        Self { side, is_open: false }
    }

    /// The handshake is finished: from here on the peer waits for an end.
    pub(crate) fn established(&mut self) {
        self.is_open = true;
    }

    /// The peer was told, or the connection has failed.
    pub(crate) fn ended(&mut self) {
        self.is_open = false;
    }
}

impl Drop for Unclosed {
    fn drop(&mut self) {
        if self.is_open {
            tracing::debug!(role = ?self.side, "a connection is dropped without close_notify; to the peer it looks cut");
        }
    }
}

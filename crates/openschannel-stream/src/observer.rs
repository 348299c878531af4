//! What a program sees that wants to watch the calls go by.

use openschannel::Role;
use openschannel::alert::Alert;
use openschannel::status::SecurityStatus;

/// Is told of every call the driver makes, in order, after it was made.
pub trait Observer {
    /// One call. It must not block: the connection waits for it.
    fn event(&mut self, event: &Event<'_>);
}

impl<F: FnMut(&Event<'_>)> Observer for F {
    fn event(&mut self, event: &Event<'_>) {
        self(event);
    }
}

/// One call, and the bytes it moved.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Event<'a> {
    /// The side that called.
    pub side: Role,
    /// The call by its SSPI name, with the kind of a control token: `InitializeSecurityContext`, `AcceptSecurityContext`,
    /// `ApplyControlToken(SCHANNEL_SHUTDOWN)`, `ApplyControlToken(SCHANNEL_ALERT)`, `EncryptMessage`, `DecryptMessage`. Two have no
    /// counterpart there: `KeyUpdate`, and `KeyUpdate(reply)` for the answer to the peer's, in TLS 1.2 for the
    /// no to its wish to renegotiate.
    pub call: &'static str,
    /// What it answered.
    pub status: SecurityStatus,
    /// Received bytes it consumed.
    pub bytes_in: usize,
    /// Bytes for the peer it produced.
    pub bytes_out: usize,
    /// Plaintext bytes it encrypted or decrypted.
    pub data: usize,
    /// The records among the consumed bytes.
    pub records_in: &'a [RecordSeen],
    /// The records among the produced bytes.
    pub records_out: &'a [RecordSeen],
    /// The alert it received or produced.
    pub alert: Option<Alert>,
    /// Whether [`Event::alert`] is this side's own.
    pub alert_sent: bool,
    /// What was wrong, in words; empty when the status says it all.
    pub reason: &'a str,
}

/// A record as anybody on the wire sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordSeen {
    /// The type in its header: 20 change_cipher_spec, 21 alert, 22 handshake, 23 application_data. An encrypted TLS 1.3 record says 23
    /// whatever it holds.
    pub content_type: u8,
    /// Bytes of the whole record, its header included.
    pub len: usize,
}

/// The records `bytes` consist of. A last one that is not whole is listed with the bytes that are there.
pub(crate) fn records(mut bytes: &[u8]) -> Vec<RecordSeen> {
    let mut seen = Vec::new();
    while let Some(record) = first_record(bytes) {
        bytes = bytes.get(record.len..).unwrap_or_default();
        seen.push(record);
    }
    seen
}

/// The record at the front of `bytes`.
pub(crate) fn first_record(bytes: &[u8]) -> Option<RecordSeen> {
    let &[content_type, ref rest @ ..] = bytes else { return None };
    let len = match rest {
        &[_, _, high, low, ..] => 5 + usize::from(u16::from_be_bytes([high, low])),
        _ => bytes.len(),
    };
    Some(RecordSeen { content_type, len: len.min(bytes.len()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_told_apart_by_their_headers() {
        let bytes = [22, 3, 3, 0, 2, 9, 9, 21, 3, 3, 0, 2, 1, 0, 23, 3, 3, 0, 9, 1];
        let types: Vec<_> = records(&bytes).iter().map(|record| (record.content_type, record.len)).collect();
        assert_eq!(types, [(22, 7), (21, 7), (23, 6)]);
        assert!(records(&[]).is_empty());
        assert_eq!(records(&[20, 3]), [RecordSeen { content_type: 20, len: 2 }]);
    }
}

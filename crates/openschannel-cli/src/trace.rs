//! SSPI calls and the records they took and made, as `demo` and `--trace` show them.

use std::fmt;
use std::io::Write as _;

use openschannel::Role;
use openschannel::alert::Alert;
use openschannel::status::SecurityStatus;
use openschannel_stream::{Event, Observer, RecordSeen};
use serde::{Serialize, Serializer};

/// Writes every call of one connection to stderr: lines for people, or one JSON object on a line.
#[derive(Debug)]
pub(crate) struct Tracer {
    /// What tells this connection from others.
    pub(crate) peer: Option<String>,
    pub(crate) json: bool,
}

impl Observer for Tracer {
    fn event(&mut self, event: &Event<'_>) {
        let record = CallRecord::from(event);
        let text = if self.json {
            let line = TraceLine { event: "call", peer: self.peer.as_deref(), call: &record };
            // A struct of strings and numbers always serializes.
            serde_json::to_string(&line).unwrap_or_default()
        } else {
            let prefix = self.peer.as_ref().map(|peer| format!("{peer}  ")).unwrap_or_default();
            format!("{prefix}{record}")
        };
        writeln!(std::io::stderr().lock(), "{text}").ok();
    }
}

#[derive(Serialize)]
struct TraceLine<'a> {
    event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer: Option<&'a str>,
    #[serde(flatten)]
    call: &'a CallRecord,
}

impl From<&Event<'_>> for CallRecord {
    fn from(event: &Event<'_>) -> Self {
        let lines = |direction, records: &[RecordSeen]| -> Vec<RecordLine> {
            records.iter().map(|record| RecordLine::new(direction, record.content_type, record.len)).collect()
        };
        let mut records = lines("in", event.records_in);
        records.extend(lines("out", event.records_out));
        Self {
            side: side_name(event.side),
            call: event.call,
            status: event.status,
            bytes_in: event.bytes_in,
            bytes_out: event.bytes_out,
            data: event.data,
            records,
            alert: event.alert,
        }
    }
}

/// type, version, length (RFC 8446 section 5.1)
const RECORD_HEADER_LEN: usize = 5;

/// One call, what it answered, and what it did on the wire.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct CallRecord {
    /// `client` or `server`.
    pub(crate) side: &'static str,
    pub(crate) call: &'static str,
    #[serde(serialize_with = "status_name")]
    pub(crate) status: SecurityStatus,
    /// Bytes from the peer that the call used up.
    pub(crate) bytes_in: usize,
    /// Bytes for the peer that the call made.
    pub(crate) bytes_out: usize,
    /// Plaintext bytes that went in or came out.
    pub(crate) data: usize,
    pub(crate) records: Vec<RecordLine>,
    /// The alert that was asked for, sent or received.
    #[serde(serialize_with = "alert_words")]
    pub(crate) alert: Option<Alert>,
}

/// One record on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct RecordLine {
    /// `out` to the peer, `in` from it.
    pub(crate) direction: &'static str,
    #[serde(rename = "type")]
    pub(crate) content_type: &'static str,
    /// With its header.
    pub(crate) length: usize,
}

impl RecordLine {
    pub(crate) fn new(direction: &'static str, content_type: u8, length: usize) -> Self {
        Self { direction, content_type: content_type_name(content_type), length }
    }
}

impl fmt::Display for CallRecord {
    /// A line for the call and one for each record.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:6}  {:38}  {}", self.side, self.call, self.status.name())?;
        if self.data > 0 {
            write!(f, ", {} bytes of data", self.data)?;
        }
        if let Some(alert) = self.alert {
            write!(f, ", alert: {alert}")?;
        }
        for record in &self.records {
            let arrow = if record.direction == "out" { "->" } else { "<-" };
            write!(f, "\n          {arrow} {}, {} bytes", record.content_type, record.length)?;
        }
        Ok(())
    }
}

pub(crate) fn side_name(role: Role) -> &'static str {
    match role {
        Role::Client => "client",
        Role::Server => "server",
    }
}

/// The whole records at the front of `bytes`.
pub(crate) fn records_in(direction: &'static str, mut bytes: &[u8]) -> Vec<RecordLine> {
    let mut records = Vec::new();
    while let [content_type, _, _, high, low, ..] = *bytes {
        let length = RECORD_HEADER_LEN + usize::from(u16::from_be_bytes([high, low]));
        let Some(rest) = bytes.get(length..) else { break };
        records.push(RecordLine::new(direction, content_type, length));
        bytes = rest;
    }
    records
}

/// The names of RFC 8446 section 5.1. Behind TLS 1.3 keys everything looks like `application_data`.
fn content_type_name(content_type: u8) -> &'static str {
    match content_type {
        20 => "change_cipher_spec",
        21 => "alert",
        22 => "handshake",
        23 => "application_data",
        _ => "unknown",
    }
}

fn status_name<S: Serializer>(status: &SecurityStatus, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(status.name())
}

fn alert_words<S: Serializer>(alert: &Option<Alert>, serializer: S) -> Result<S::Ok, S::Error> {
    match alert {
        Some(alert) => serializer.collect_str(alert),
        None => serializer.serialize_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_records_are_listed() {
        let mut bytes = vec![22, 3, 3, 0, 1, 9, 21, 3, 3, 0, 2, 1, 0];
        assert_eq!(records_in("in", &bytes), [RecordLine::new("in", 22, 6), RecordLine::new("in", 21, 7)]);
        bytes.pop();
        assert_eq!(records_in("in", &bytes).len(), 1);
        assert_eq!(records_in("in", &bytes[..3]), []);
    }
}

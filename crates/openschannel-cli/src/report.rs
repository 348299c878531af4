//! Closing reports, as JSON and in words.

use std::fmt;

use openschannel::attributes::{Attributes, Protocol};
use openschannel::{ClosingReport, ReadEnd};
use serde::Serialize;

/// How one side of a connection stands or ended. The field names are part of the program's interface.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    /// `open`, `clean`, `truncated`, `reset`, `alert` or `failed`.
    pub(crate) read_end: &'static str,
    /// With `truncated`: the transport ended in the middle of a record.
    pub(crate) inside_record: bool,
    /// With `alert`: its number.
    pub(crate) alert: Option<u8>,
    /// With `failed`: the status that says why.
    pub(crate) status: Option<&'static str>,
    pub(crate) handshake_complete: bool,
    pub(crate) close_sent: bool,
    pub(crate) bytes_sent: u64,
    pub(crate) bytes_received: u64,
}

impl Report {
    /// Of a side that has not even begun.
    pub(crate) fn nothing() -> Self {
        Self::from(ClosingReport {
            read_end: ReadEnd::Open,
            handshake_complete: false,
            close_sent: false,
            bytes_sent: 0,
            bytes_received: 0,
        })
    }

    /// Whether both directions were ended in order.
    pub(crate) fn is_clean(&self) -> bool {
        self.read_end == "clean" && self.close_sent && self.handshake_complete
    }
}

impl From<ClosingReport> for Report {
    fn from(report: ClosingReport) -> Self {
        let (read_end, inside_record, alert, status) = match report.read_end {
            ReadEnd::Open => ("open", false, None, None),
            ReadEnd::Clean => ("clean", false, None, None),
            ReadEnd::Truncated { inside_record } => ("truncated", inside_record, None, None),
            ReadEnd::Reset => ("reset", false, None, None),
            ReadEnd::Alert(description) => ("alert", false, Some(description.0), None),
            ReadEnd::Failed(status) => ("failed", false, None, Some(status.name())),
        };
        Self {
            read_end,
            inside_record,
            alert,
            status,
            handshake_complete: report.handshake_complete,
            close_sent: report.close_sent,
            bytes_sent: report.bytes_sent,
            bytes_received: report.bytes_received,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.read_end, self.alert, self.status) {
            ("open", ..) => f.write_str("the peer has not ended its side")?,
            ("clean", ..) => f.write_str("the peer ended its side in order")?,
            ("truncated", ..) if self.inside_record => {
                f.write_str("TRUNCATED: the transport ended inside a record, data is missing")?;
            }
            ("truncated", ..) => {
                f.write_str("TRUNCATED: the transport ended without a close_notify, data may be missing")?;
            }
            ("reset", ..) => f.write_str("RESET: the transport was reset, data may be missing")?,
            (_, Some(alert), _) => {
                write!(
                    f,
                    "ALERT: the peer ended the connection by {}",
                    openschannel::alert::AlertDescription(alert)
                )?;
            }
            (_, _, status) => write!(f, "FAILED: {}", status.unwrap_or("the connection"))?,
        }
        if !self.handshake_complete {
            f.write_str("; the handshake was not finished")?;
        }
        f.write_str(if self.close_sent { "; own close_notify sent" } else { "; own close_notify not sent" })?;
        write!(f, "; {} bytes sent, {} received", self.bytes_sent, self.bytes_received)
    }
}

/// What was negotiated, with the report of one side.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ConnectionReport {
    /// The other end's address.
    pub(crate) peer: Option<String>,
    /// `tls1.2` or `tls1.3`; none before the handshake is finished, like the next four.
    pub(crate) protocol: Option<&'static str>,
    pub(crate) cipher_suite: Option<&'static str>,
    pub(crate) group: Option<&'static str>,
    pub(crate) alpn: Option<String>,
    pub(crate) resumed: Option<bool>,
    #[serde(flatten)]
    pub(crate) report: Report,
    /// What went wrong, in words.
    pub(crate) error: Option<String>,
    /// What `serve --misbehave` did, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) misbehaved: Option<String>,
}

impl ConnectionReport {
    pub(crate) fn new(peer: Option<String>, attributes: Option<&Attributes>, report: ClosingReport) -> Self {
        Self {
            peer,
            protocol: attributes.map(|known| protocol_name(known.protocol())),
            cipher_suite: attributes.map(|known| known.cipher_suite().name()),
            group: attributes.and_then(|known| known.named_group()).map(|group| group.name()),
            alpn: attributes
                .and_then(Attributes::application_protocol)
                .map(|id| String::from_utf8_lossy(id).into_owned()),
            resumed: attributes.map(|known| known.session_info().resumed),
            report: report.into(),
            error: None,
            misbehaved: None,
        }
    }

    /// One line of JSON, without the line's end.
    pub(crate) fn to_json(&self) -> String {
        // A struct of strings and numbers always serializes.
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl fmt::Display for ConnectionReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(peer) = &self.peer {
            write!(f, "{peer}: ")?;
        }
        if let (Some(protocol), Some(suite)) = (self.protocol, self.cipher_suite) {
            write!(f, "{protocol} {suite}")?;
            if let Some(group) = self.group {
                write!(f, " {group}")?;
            }
            if let Some(alpn) = &self.alpn {
                write!(f, " alpn={}", alpn.escape_default())?;
            }
            if self.resumed == Some(true) {
                f.write_str(" resumed")?;
            }
            f.write_str(": ")?;
        }
        write!(f, "{}", self.report)?;
        if let Some(done) = &self.misbehaved {
            write!(f, "; {done}")?;
        }
        match &self.error {
            Some(error) => write!(f, "; {error}"),
            None => Ok(()),
        }
    }
}

/// The name that `--protocol` and its like take.
pub(crate) fn protocol_name(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tls12 => "tls1.2",
        Protocol::Tls13 => "tls1.3",
    }
}

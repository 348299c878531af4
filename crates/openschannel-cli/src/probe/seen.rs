//! What was seen of a server's end on one connection: what verdicts are made from.

use std::time::Duration;

use openschannel::alert::{Alert, AlertLevel};

use super::http::ResponseSeen;

/// Everything a verdict may look at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// How TCP ended.
    pub(super) end: End,
    /// The server's close_notify.
    pub(super) close: Option<PeerClose>,
    /// An alert of the server's that ended the connection.
    pub(super) alert: Option<Alert>,
    /// A record that could not be opened, in words.
    pub(super) broken: Option<String>,
    /// The transport ended in the middle of a record, or stands there.
    pub(super) inside_record: bool,
    /// Bytes of application data.
    pub(super) data: u64,
    /// Bytes of records behind the close_notify, further alerts left out.
    pub(super) behind_close: u64,
    /// A write met the reset.
    pub(super) write_reset: bool,
    pub(super) tickets: u32,
    pub(super) key_updates: u32,
    /// The HTTP response, where one was asked for.
    pub(super) response: Option<ResponseSeen>,
    /// It still sent when the time for reading was over.
    pub(super) endless: bool,
    /// From the last thing that was sent to now.
    pub(super) waited: Duration,
}

/// How the server's direction of TCP stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum End {
    #[default]
    Open,
    Fin,
    Reset,
}

/// A close_notify that was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PeerClose {
    /// 1 is warning, as it should be.
    pub(super) level: u8,
    /// In how many reads its record came.
    pub(super) pieces: u32,
    /// How long it was due.
    pub(super) after: Duration,
}

/// How a connection was ended, the better the smaller. What variants of a close are compared by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Manner {
    /// close_notify, FIN.
    InOrder,
    /// close_notify, and TCP left open.
    TcpOpen,
    /// close_notify, RST.
    CloseThenReset,
    /// FIN alone.
    Fin,
    /// An alert that is no close_notify.
    Alert,
    Reset,
    Nothing,
}

impl Seen {
    pub(super) fn manner(&self) -> Manner {
        match (self.close.is_some(), self.alert.is_some(), self.end) {
            (true, _, End::Fin) => Manner::InOrder,
            (true, _, End::Open) => Manner::TcpOpen,
            (true, _, End::Reset) => Manner::CloseThenReset,
            (false, true, _) => Manner::Alert,
            (false, false, End::Fin) => Manner::Fin,
            (false, false, End::Reset) => Manner::Reset,
            (false, false, End::Open) => Manner::Nothing,
        }
    }

    /// The end in words: `close_notify, then FIN`.
    pub(super) fn words(&self) -> String {
        let mut text = match self.manner() {
            Manner::InOrder => format!("{}, then FIN", self.close_words()),
            Manner::TcpOpen => format!("{}, TCP left open", self.close_words()),
            Manner::CloseThenReset => format!("{}, then RST", self.close_words()),
            Manner::Fin if self.inside_record => "FIN in the middle of a record".to_owned(),
            Manner::Fin => "FIN without close_notify".to_owned(),
            Manner::Reset => "RST without close_notify".to_owned(),
            Manner::Nothing if self.endless => {
                format!("it still sends after {:.0} s", self.waited.as_secs_f64())
            }
            Manner::Nothing => {
                format!("neither close_notify nor FIN within {:.1} s", self.waited.as_secs_f64())
            }
            Manner::Alert => {
                let alert = self.alert.map(|alert| alert.to_string()).unwrap_or_default();
                let end = match self.end {
                    End::Open => "TCP left open",
                    End::Fin => "then FIN",
                    End::Reset => "then RST",
                };
                format!("alert {alert}, {end}")
            }
        };
        if self.behind_close > 0 {
            text += &format!(", {} bytes of records behind the close_notify", self.behind_close);
        }
        if let Some(broken) = &self.broken {
            text += &format!("; a record was refused: {broken}");
        }
        text
    }

    fn close_words(&self) -> String {
        let Some(close) = self.close else { return String::new() };
        let mut text = "close_notify".to_owned();
        if close.level != AlertLevel::WARNING.0 {
            text += &format!(" of level {}", AlertLevel(close.level).name());
        }
        if close.is_in_pieces() {
            text += &format!(" in {} pieces", close.pieces);
        }
        if close.is_late() {
            text += &format!(" after {:.1} s", close.after.as_secs_f64());
        }
        text
    }
}

/// A close_notify that takes longer is late: over any network, an answer that needs no thought is back before.
const LATE: Duration = Duration::from_secs(1);

/// A record may lie across a boundary of TCP's; one that comes in three reads was sent in pieces.
const PIECES: u32 = 3;

impl PeerClose {
    pub(super) fn is_late(self) -> bool {
        self.after > LATE
    }

    pub(super) fn is_in_pieces(self) -> bool {
        self.pieces >= PIECES
    }

    /// As every server should send it.
    pub(super) fn is_plain(self) -> bool {
        self.level == AlertLevel::WARNING.0 && !self.is_late() && !self.is_in_pieces()
    }
}

//! The questions: names that never change, and the sentences their verdicts rest on.

use std::fmt;

use serde::Serialize;

use crate::options::Version;

macro_rules! questions {
    ($($variant:ident $id:literal $title:literal)+) => {
        /// One question.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub(super) enum Question { $($variant),+ }

        impl Question {
            /// In the order of the report.
            pub(super) const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name in JSON.
            pub(super) fn id(self) -> &'static str {
                match self { $(Self::$variant => $id),+ }
            }

            /// What it asks, for people.
            pub(super) fn title(self) -> &'static str {
                match self { $(Self::$variant => $title),+ }
            }
        }
    };
}

questions! {
    AnswersClose "answers-close" "answers a close_notify"
    EndsConnectionClose "ends-connection-close" "ends in order behind Connection: close"
    EndsBadRequest "ends-bad-request" "ends in order behind a bad request"
    EndsIdle "ends-idle" "ends an idle connection in order"
    HalfCloseSmall "half-close-small" "half-close: a small response"
    HalfCloseLarge "half-close-large" "half-close: a large response"
    DataAfterClose "data-after-close" "ignores data behind a close_notify"
    SplitClose "split-close" "takes a close_notify byte by byte"
    FatalClose "fatal-close" "takes a close_notify of level fatal"
    DoubleClose "double-close" "takes two close_notify"
    FatalAlert "fatal-alert" "ends behind a fatal alert"
    CancelInHandshake "cancel-in-handshake" "ends a handshake that is cancelled"
    CloseUnread "close-unread" "destroys nothing unread by RST"
    CloseWithTickets "close-with-tickets" "takes a close before its tickets are read"
    CloseInKeyUpdate "close-in-key-update" "takes a close inside a key update"
    ResumptionAfterCut "resumption-after-cut" "resumes behind a cut connection"
}

impl Question {
    pub(super) fn exists_in(self, version: Version) -> bool {
        version == Version::Tls13 || !matches!(self, Self::CloseWithTickets | Self::CloseInKeyUpdate)
    }

    /// Whether it takes a server that speaks HTTP.
    pub(super) fn needs_http(self) -> bool {
        matches!(
            self,
            Self::EndsConnectionClose
                | Self::EndsBadRequest
                | Self::HalfCloseSmall
                | Self::HalfCloseLarge
                | Self::CloseUnread
        )
    }

    pub(super) fn rule(self, version: Version) -> Rule {
        match (self, version) {
            (Self::AnswersClose, Version::Tls12) => ANSWER_12,
            (
                Self::AnswersClose | Self::EndsConnectionClose | Self::EndsBadRequest | Self::EndsIdle,
                Version::Tls13,
            ) => CLOSE_13,
            (Self::EndsConnectionClose | Self::EndsBadRequest | Self::EndsIdle, Version::Tls12) => CLOSE_12,
            (Self::HalfCloseSmall | Self::HalfCloseLarge, Version::Tls12) => ANSWER_12,
            (Self::HalfCloseSmall | Self::HalfCloseLarge, Version::Tls13) => HALF_CLOSE_13,
            (Self::DataAfterClose | Self::DoubleClose, Version::Tls12) => IGNORE_12,
            (Self::DataAfterClose | Self::DoubleClose, Version::Tls13) => IGNORE_13,
            (Self::SplitClose, Version::Tls12) => STREAM_12,
            (Self::SplitClose, Version::Tls13) => STREAM_13,
            (Self::FatalClose, Version::Tls12) => LEVEL_12,
            (Self::FatalClose, Version::Tls13) => LEVEL_13,
            (Self::FatalAlert, Version::Tls12) => FATAL_12,
            (Self::FatalAlert, Version::Tls13) => FATAL_13,
            (Self::CancelInHandshake, Version::Tls12) => CANCEL_12,
            (Self::CancelInHandshake, Version::Tls13) => CANCEL_13,
            (Self::CloseUnread, _) => RESET,
            (Self::CloseWithTickets, _) => TICKETS,
            (Self::CloseInKeyUpdate, _) => KEY_UPDATE,
            (Self::ResumptionAfterCut, Version::Tls12) => RESUME_12,
            (Self::ResumptionAfterCut, Version::Tls13) => RESUME_13,
        }
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.id())
    }
}

/// What a verdict rests on, in own words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Rule {
    pub(super) document: &'static str,
    pub(super) section: &'static str,
    pub(super) says: &'static str,
}

const fn rule(document: &'static str, section: &'static str, says: &'static str) -> Rule {
    Rule { document, section, says }
}

const ANSWER_12: Rule = rule(
    "RFC 5246",
    "7.2.1",
    "Who receives a close_notify must answer with its own, close at once and drop what it still had to send.",
);
const CLOSE_12: Rule = rule(
    "RFC 5246",
    "7.2.1",
    "Each side must send a close_notify before it closes its sending side, unless a fatal alert was sent.",
);
const CLOSE_13: Rule = rule(
    "RFC 8446",
    "6.1",
    "Each side must send a close_notify before it closes its sending side, unless it has sent an error alert.",
);
const HALF_CLOSE_13: Rule = rule(
    "RFC 8446",
    "6.1",
    "A close_notify ends only the sender's direction; other than in TLS 1.2 the receiver need not drop what it still has to send.",
);
const IGNORE_12: Rule = rule("RFC 5246", "7.2.1", "Data behind a closure alert is to be ignored.");
const IGNORE_13: Rule = rule("RFC 8446", "6.1", "Data behind a closure alert must be ignored.");
const STREAM_12: Rule = rule(
    "RFC 5246",
    "1",
    "Records go over a reliable transport such as TCP; where it cuts its stream of bytes has no meaning to them.",
);
const STREAM_13: Rule = rule(
    "RFC 8446",
    "1",
    "All that TLS wants of the transport is a reliable stream of bytes in order; where TCP cuts it has no meaning.",
);
const LEVEL_12: Rule = rule(
    "RFC 5246",
    "7.2",
    "An alert of level fatal ends the connection at once; close_notify ends the sender's direction.",
);
const LEVEL_13: Rule =
    rule("RFC 8446", "6", "How grave an alert is follows from its kind; the level may be ignored.");
const FATAL_12: Rule =
    rule("RFC 5246", "7.2.2", "Who sends or receives a fatal alert must close the connection at once.");
const FATAL_13: Rule =
    rule("RFC 8446", "6.2", "Who sends or receives a fatal alert must close the connection at once.");
const CANCEL_12: Rule = rule(
    "RFC 5246",
    "7.2.2",
    "user_canceled calls the handshake off; a close_notify should follow it, which ends the connection.",
);
const CANCEL_13: Rule = rule(
    "RFC 8446",
    "6.1",
    "user_canceled calls the handshake off; a close_notify should follow it, which ends the connection.",
);
const RESET: Rule = rule(
    "RFC 9112",
    "9.6",
    "A server that closes with unread input causes a reset, which can destroy its last response before the client \
     has read it; so it first closes its sending side only, and reads on until the client closes too.",
);
const TICKETS: Rule = rule(
    "RFC 8446",
    "4.6.1",
    "A server may send tickets at any time behind the client's Finished; a client that has closed meanwhile is closed \
     like any other.",
);
const KEY_UPDATE: Rule = rule(
    "RFC 8446",
    "4.6.3",
    "Who is asked for a key update must send one before its next application data, which a server that only closes \
     has not.",
);
const RESUME_12: Rule = rule(
    "RFC 5246",
    "7.2.1",
    "Since TLS 1.1 a connection that was not closed properly may still be resumed.",
);
const RESUME_13: Rule = rule(
    "RFC 8446",
    "2.2",
    "A ticket stands for the handshake it came from; how that connection ended does not end it.",
);

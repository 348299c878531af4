//! What a subject says about the end it met.

use std::fmt;

/// How the subject believes that the connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Word {
    /// In good order, by an authenticated close_notify.
    Closed,
    /// The transport ended without one.
    Truncated,
    /// The same, and the subject knows that it was inside a record.
    TruncatedInside,
    /// By a TCP reset.
    Reset,
    /// By a fatal alert of that number.
    Alert(u8),
    /// It has not.
    Open,
    /// By anything else.
    Failed,
}

/// The line `verdict WORD received=N detail=...`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// How it ended.
    pub word: Word,
    /// Bytes of application data delivered behind the prelude.
    pub received: u64,
    /// What else the subject has to say.
    pub detail: String,
}

impl Word {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "closed" => Self::Closed,
            "truncated" => Self::Truncated,
            "truncated-inside" => Self::TruncatedInside,
            "reset" => Self::Reset,
            "open" => Self::Open,
            "failed" => Self::Failed,
            _ => Self::Alert(text.strip_prefix("alert:")?.parse().ok()?),
        })
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("closed"),
            Self::Truncated => f.write_str("truncated"),
            Self::TruncatedInside => f.write_str("truncated-inside"),
            Self::Reset => f.write_str("reset"),
            Self::Alert(number) => write!(f, "alert:{number}"),
            Self::Open => f.write_str("open"),
            Self::Failed => f.write_str("failed"),
        }
    }
}

impl Verdict {
    /// From a subject's line; [`None`] if it is no verdict.
    pub fn parse(line: &str) -> Option<Self> {
        let rest = line.strip_prefix("verdict ")?;
        let (word, rest) = rest.split_once(' ')?;
        let rest = rest.strip_prefix("received=")?;
        let (received, detail) = rest.split_once(" detail=").unwrap_or((rest, ""));
        Some(Self {
            word: Word::parse(word)?,
            received: received.trim_end().parse().ok()?,
            detail: detail.to_owned(),
        })
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "verdict {} received={}", self.word, self.received)?;
        if self.detail.is_empty() { Ok(()) } else { write!(f, " detail={}", self.detail) }
    }
}

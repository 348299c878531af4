//! How the program ends: one code for each thing a script may want to tell apart.

use std::fmt;
use std::io::Write as _;
use std::process::ExitCode;

/// The exit codes. The numbers are part of the program's interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Both sides ended the connection in order; for `serve`, it was asked to stop and did.
    Clean = 0,
    /// Anything without a code of its own: no connection, a refused certificate, a transport that ended inside the handshake.
    Failed = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// The transport ended without the peer's close_notify: data may be missing.
    Truncated = 3,
    /// The transport was reset.
    Reset = 4,
    /// The peer ended the connection by an alert.
    Alert = 5,
    /// The linger time was over and the peer had not ended its side.
    NoEnd = 6,
    /// `probe` could ask, and the server is not graded A: one code for each grade.
    GradeB = 10,
    GradeC = 11,
    GradeD = 12,
    GradeF = 13,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command gave up, and what its user can do about it.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    what: String,
    hint: Option<String>,
}

impl Failure {
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self { exit: Exit::Failed, what: what.into(), hint: None }
    }

    /// The command line asks for something that cannot be.
    pub(crate) fn usage(what: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, what: what.into(), hint: Some("see `openschannel help`".to_owned()) }
    }

    /// Says what to do next.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn exit(&self) -> Exit {
        self.exit
    }

    /// Tells the user, on stderr; nothing is to be done where that fails.
    pub(crate) fn tell(&self) {
        writeln!(std::io::stderr().lock(), "openschannel: {self}").ok();
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        match &self.hint {
            Some(hint) => write!(f, "\n  {hint}"),
            None => Ok(()),
        }
    }
}

/// For output that could not be written.
pub(crate) fn cannot_write(error: std::io::Error) -> Failure {
    Failure::new(format!("cannot write the output: {error}"))
}

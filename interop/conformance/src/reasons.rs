//! Why subjects deviate from the table. A deviation without a reason fails the document and its check, and so does a reason whose
//! deviation does not come.

use openschannel::Role;

use crate::cell::{Cell, End, State, Version};
use crate::judge::Judgement;

/// A reason for some cells of some subjects.
#[derive(Clone, Copy, Debug)]
pub struct Reason {
    /// [`Subject::name`](crate::subject::Subject::name)s.
    pub subjects: &'static [&'static str],
    /// Which ends; empty for all.
    pub ends: &'static [End],
    /// Which states; empty for all.
    pub states: &'static [State],
    /// Which versions; empty for both.
    pub versions: &'static [Version],
    /// Which roles; empty for both.
    pub roles: &'static [Role],
    /// What is observed in place of what is expected, more than one thing where chance decides: the text of [`Judgement::Deviates`], or
    /// [`UNSUPPORTED`].
    pub observed: &'static [&'static str],
    /// Whether what is expected comes too, by chance.
    pub sometimes: bool,
    /// Why, in whole sentences.
    pub why: &'static str,
}

/// The subject cannot play the part.
pub const UNSUPPORTED: &str = "unsupported";

/// All reasons. Those of a subject stand together; the first that fits counts.
pub const REASONS: &[Reason] = &[];

/// The reason for a cell of a subject.
pub fn reason(subject: &str, cell: Cell) -> Option<&'static Reason> {
    REASONS.iter().find(|reason| reason.fits(subject, cell))
}

/// Whether what became of a cell is what the reasons say; a sentence if it is not.
pub fn check(subject: &str, cell: Cell, judgement: &Judgement) -> Result<(), String> {
    let reason = reason(subject, cell);
    let observed = match judgement {
        Judgement::Pass if reason.is_none_or(|reason| reason.sometimes) => return Ok(()),
        Judgement::Pass => "as expected",
        Judgement::Deviates(observed) => observed,
        Judgement::Unsupported(_) => UNSUPPORTED,
        Judgement::Broken(why) => return Err(format!("broken: {why}")),
    };
    match reason {
        Some(reason) if reason.observed.contains(&observed) => Ok(()),
        Some(reason) => Err(format!("{observed}; the reason is for {}", reason.text())),
        None => Err(format!("{observed}, and there is no reason")),
    }
}

impl Reason {
    /// What is observed, as one text.
    pub fn text(&self) -> String {
        let observed = self.observed.join(" or ");
        if self.sometimes { format!("{observed} by chance") } else { observed }
    }

    fn fits(&self, subject: &str, cell: Cell) -> bool {
        fn among<T: PartialEq>(list: &[T], one: T) -> bool {
            list.is_empty() || list.contains(&one)
        }
        self.subjects.contains(&subject)
            && among(self.ends, cell.end)
            && among(self.states, cell.state)
            && among(self.versions, cell.version)
            && among(self.roles, cell.role)
    }
}

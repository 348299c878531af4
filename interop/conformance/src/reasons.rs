//! Why subjects deviate from the table. A deviation without a reason fails the document and its check.

use openschannel::Role;

use crate::cell::{Cell, End, State, Version};

/// A reason for some cells of one subject.
#[derive(Clone, Copy, Debug)]
pub struct Reason {
    /// [`Subject::name`](crate::subject::Subject::name).
    pub subject: &'static str,
    /// Which ends; empty for all.
    pub ends: &'static [End],
    /// Which states; empty for all.
    pub states: &'static [State],
    /// Which versions; empty for both.
    pub versions: &'static [Version],
    /// Which roles; empty for both.
    pub roles: &'static [Role],
    /// What is observed in place of what is expected: [`Judgement::Deviates`](crate::expectations::Judgement::Deviates).
    pub observed: &'static str,
    /// Why, as a sentence.
    pub why: &'static str,
}

/// All reasons. Those of a subject stand together.
pub const REASONS: &[Reason] = &[];

/// The reason for what was observed, by its place in [`REASONS`].
pub fn reason(subject: &str, cell: Cell, observed: &str) -> Option<usize> {
    REASONS.iter().position(|reason| reason.subject == subject && reason.fits(cell, observed))
}

impl Reason {
    fn fits(&self, cell: Cell, observed: &str) -> bool {
        fn among<T: PartialEq>(list: &[T], one: T) -> bool {
            list.is_empty() || list.contains(&one)
        }
        among(self.ends, cell.end)
            && among(self.states, cell.state)
            && among(self.versions, cell.version)
            && among(self.roles, cell.role)
            && self.observed == observed
    }
}

//! One letter for all verdicts.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::exit::Exit;

use super::question::Question;
use super::verdict::Verdict;

/// How well a server ends its connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) enum Grade {
    A,
    B,
    C,
    D,
    F,
}

/// As many questions may be tolerable in an A: a server has reasons now and then.
const TOLERABLE_IN_A: usize = 2;

/// More bad answers than one are a D, more than this an F.
const BAD_IN_D: usize = 3;

/// Each question counts once, with the worse verdict of the two versions. Nothing bad is an A with at most two questions tolerable, and a
/// B with more; one bad is a C, two or three a D, more an F. Who ends an answered connection without close_notify, or answers what came
/// behind one, gets no better than D: there truncation or injection goes unnoticed.
pub(super) fn grade(verdicts: impl IntoIterator<Item = (Question, Verdict)>) -> Grade {
    let mut worst: BTreeMap<Question, Verdict> = BTreeMap::new();
    for (question, verdict) in verdicts {
        let known = worst.entry(question).or_insert(verdict);
        *known = verdict.max(*known);
    }
    let count = |wanted| worst.values().filter(|verdict| **verdict == wanted).count();
    let is_bad = |question| worst.get(&question) == Some(&Verdict::Bad);
    let grade = match (count(Verdict::Bad), count(Verdict::Tolerable)) {
        (0, ..=TOLERABLE_IN_A) => Grade::A,
        (0, _) => Grade::B,
        (1, _) => Grade::C,
        (2..=BAD_IN_D, _) => Grade::D,
        _ => Grade::F,
    };
    match is_bad(Question::EndsConnectionClose) || is_bad(Question::DataAfterClose) {
        true => grade.max(Grade::D),
        false => grade,
    }
}

impl fmt::Display for Grade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::A => "A",
            Self::B => "B",
            Self::C => "C",
            Self::D => "D",
            Self::F => "F",
        })
    }
}

impl From<Grade> for Exit {
    fn from(grade: Grade) -> Self {
        match grade {
            Grade::A => Self::Clean,
            Grade::B => Self::GradeB,
            Grade::C => Self::GradeC,
            Grade::D => Self::GradeD,
            Grade::F => Self::GradeF,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first questions are bad, the next tolerable, the others good.
    fn graded(bad: usize, tolerable: usize) -> Grade {
        // The two that weigh more come last.
        let mut order: Vec<Question> = Question::ALL.to_vec();
        order.sort_by_key(|q| matches!(q, Question::EndsConnectionClose | Question::DataAfterClose));
        grade(order.into_iter().enumerate().map(|(i, question)| match i {
            i if i < bad => (question, Verdict::Bad),
            i if i < bad + tolerable => (question, Verdict::Tolerable),
            _ => (question, Verdict::Good),
        }))
    }

    #[test]
    fn the_rule_as_it_is_documented() {
        let table = [
            (0, 0, Grade::A),
            (0, 2, Grade::A),
            (0, 3, Grade::B),
            (0, 14, Grade::B),
            (1, 0, Grade::C),
            (1, 13, Grade::C),
            (2, 0, Grade::D),
            (3, 0, Grade::D),
            (4, 0, Grade::F),
            (14, 0, Grade::F),
        ];
        for (bad, tolerable, expected) in table {
            assert_eq!(graded(bad, tolerable), expected, "{bad} bad, {tolerable} tolerable");
        }
    }

    #[test]
    fn both_versions_count_once() {
        let both = [(Question::SplitClose, Verdict::Bad), (Question::SplitClose, Verdict::Good)];
        assert_eq!(grade(both), Grade::C);
        assert_eq!(grade([both[0], both[0]]), Grade::C);
    }

    #[test]
    fn what_hides_truncation_or_injection_weighs_more() {
        assert_eq!(grade([(Question::EndsConnectionClose, Verdict::Bad)]), Grade::D);
        assert_eq!(grade([(Question::DataAfterClose, Verdict::Bad)]), Grade::D);
        assert_eq!(grade([(Question::EndsConnectionClose, Verdict::Tolerable)]), Grade::A);
        assert_eq!(grade([(Question::EndsConnectionClose, Verdict::NotApplicable)]), Grade::A);
    }
}

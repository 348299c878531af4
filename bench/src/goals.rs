//! What has to be reached, as data, and what a run says of it. Each suite brings its own goals.

use std::fmt;

use crate::report::{Cell, Report, Unit};
use crate::suites;

/// One line of what has to be shown. It is reached when all of its subjects reach it.
#[derive(Clone, Debug, PartialEq)]
pub struct Goal {
    /// Names it in `bench/limits.md`: "seal-16k-tls13".
    pub id: &'static str,
    /// In words: "EncryptMessage, 16 KiB, AES-GCM, TLS 1.3".
    pub what: &'static str,
    /// What the median has to reach.
    pub bound: Bound,
    /// Whose median.
    pub subjects: Vec<Subject>,
}

/// A limit, inclusive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    /// Of a ratio, or of what is the better the more it is.
    AtLeast(f64),
    /// Of what is the better the less it is.
    AtMost(f64),
}

/// One figure that a goal looks at.
#[derive(Clone, Debug, PartialEq)]
pub struct Subject {
    /// Tells it from the goal's others: "AES-128-GCM". Empty if it is the only one.
    pub label: String,
    /// Where it is.
    pub cell: Cell,
    /// Whose it is.
    pub contender: &'static str,
    /// The ratio to this contender; without it the value itself.
    pub to: Option<&'static str>,
}

/// What a run says of a goal.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// The goal.
    pub goal: Goal,
    /// Medians, one a subject; `None` where it was not measured.
    pub measured: Vec<Option<Figure>>,
}

/// A median.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figure {
    /// The number.
    pub median: f64,
    /// What it is in; `None` for a ratio.
    pub unit: Option<Unit>,
}

/// How a goal fared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Everything was measured and reaches it.
    Reached,
    /// Something does not.
    Missed,
    /// Something was not measured, and what was reaches it.
    Unknown,
}

/// Every goal of every suite.
#[must_use]
pub fn all() -> Vec<Goal> {
    suites::all().iter().flat_map(|suite| suite.goals()).collect()
}

/// What a run says of each of `goals`.
#[must_use]
pub fn judge(goals: Vec<Goal>, report: &Report) -> Vec<Verdict> {
    let figure = |subject: &Subject| {
        let measurement = report.find(&subject.cell, subject.contender)?;
        Some(match subject.to {
            Some(to) => Figure { median: measurement.ratio_to(to)?.median, unit: None },
            None => Figure { median: measurement.value.median, unit: Some(measurement.unit) },
        })
    };
    let verdict = |goal: Goal| Verdict { measured: goal.subjects.iter().map(figure).collect(), goal };
    goals.into_iter().map(verdict).collect()
}

impl Verdict {
    /// How it fared.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let reaches = |figure: &Figure| self.goal.bound.is_reached_by(figure.median);
        if !self.measured.iter().flatten().all(reaches) {
            Outcome::Missed
        } else if self.measured.iter().any(Option::is_none) {
            Outcome::Unknown
        } else {
            Outcome::Reached
        }
    }

    /// The bound in the unit of what was measured: ">= 0.975", "<= 1700 B".
    #[must_use]
    pub fn bound(&self) -> String {
        let unit = self.measured.iter().flatten().next().and_then(|figure| figure.unit);
        match (self.goal.bound, unit) {
            (Bound::AtLeast(bound), None) => format!("\u{2265} {bound}"),
            (Bound::AtMost(bound), None) => format!("\u{2264} {bound}"),
            (Bound::AtLeast(bound), Some(unit)) => format!("\u{2265} {}", unit.show(bound)),
            (Bound::AtMost(bound), Some(unit)) => format!("\u{2264} {}", unit.show(bound)),
        }
    }

    /// What was measured, with the subjects' labels.
    #[must_use]
    pub fn figures(&self) -> String {
        if self.measured.iter().all(Option::is_none) {
            return "not measured".to_owned();
        }
        let pairs = self.goal.subjects.iter().zip(&self.measured);
        let each = pairs.map(|(subject, figure)| {
            let figure = figure.map_or_else(|| "not measured".to_owned(), |figure| figure.to_string());
            if subject.label.is_empty() { figure } else { format!("{}: {figure}", subject.label) }
        });
        each.collect::<Vec<_>>().join(", ")
    }
}

impl Bound {
    /// Whether a median is good enough.
    #[must_use]
    pub fn is_reached_by(self, median: f64) -> bool {
        match self {
            Self::AtLeast(bound) => median >= bound,
            Self::AtMost(bound) => median <= bound,
        }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.unit {
            Some(unit) => f.write_str(&unit.show(self.median)),
            None if self.median >= 10.0 => write!(f, "{:.1}", self.median),
            None => write!(f, "{:.3}", self.median),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reached => "reached",
            Self::Missed => "missed",
            Self::Unknown => "not measured",
        })
    }
}

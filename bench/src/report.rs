//! What a run found, as plain data: tables, plots, JSON and the document are made from it, now or later.

use serde::{Deserialize, Serialize};

use crate::machine::Machine;

/// A whole run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The day, UTC: "2026-01-31".
    pub date: String,
    /// Where and with what.
    pub machine: Machine,
    /// What the order of contenders followed from.
    pub seed: u64,
    /// Whether it was a quick one, which shows that everything runs, and not how fast.
    pub quick: bool,
    /// Peers that were not built in.
    pub left_out: Vec<String>,
    /// Suites that could not run, and why.
    pub failed: Vec<(String, String)>,
    /// In the order in which they were made.
    pub measurements: Vec<Measurement>,
}

impl Report {
    /// What was measured of that contender in that cell.
    #[must_use]
    pub fn find(&self, cell: &Cell, contender: &str) -> Option<&Measurement> {
        self.measurements.iter().find(|it| it.cell == *cell && it.contender == contender)
    }

    /// The suites, in order.
    #[must_use]
    pub fn suites(&self) -> Vec<&str> {
        distinct(self.measurements.iter().map(|it| it.cell.suite.as_str()))
    }

    /// The tables of a suite, in order.
    #[must_use]
    pub fn tables(&self, suite: &str) -> Vec<Table<'_>> {
        let of_suite = || self.measurements.iter().filter(|it| it.cell.suite == suite);
        let headings = distinct(of_suite().map(|it| it.cell.table.as_str()));
        let table =
            |heading| Table { heading, cells: of_suite().filter(|it| it.cell.table == heading).collect() };
        headings.into_iter().map(table).collect()
    }
}

/// A table of a report: its columns are cells, its rows contenders.
#[derive(Clone, Debug)]
pub struct Table<'a> {
    /// What is above it.
    pub heading: &'a str,
    /// Everything in it.
    pub cells: Vec<&'a Measurement>,
}

impl<'a> Table<'a> {
    /// The columns' headings, in order.
    #[must_use]
    pub fn columns(&self) -> Vec<&'a str> {
        distinct(self.cells.iter().map(|it| it.cell.column.as_str()))
    }

    /// The contenders, in order.
    #[must_use]
    pub fn contenders(&self) -> Vec<&'a str> {
        distinct(self.cells.iter().map(|it| it.contender.as_str()))
    }

    /// What is in a row and a column.
    #[must_use]
    pub fn at(&self, contender: &str, column: &str) -> Option<&'a Measurement> {
        self.cells.iter().find(|it| it.contender == contender && it.cell.column == column).copied()
    }
}

/// Each once, in the order of their first appearance.
fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut all = Vec::new();
    for name in names {
        if !all.contains(&name) {
            all.push(name);
        }
    }
    all
}

/// What was measured of one contender in one cell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// Where it belongs.
    pub cell: Cell,
    /// The name of the contender.
    pub contender: String,
    /// What `value` is in.
    pub unit: Unit,
    /// Over all rounds.
    pub value: Quartiles,
    /// How many times as good as others of the same cell, each taken inside a round. The first is the one that tables show.
    pub ratios: Vec<Ratio>,
    /// How many rounds the quartiles are over.
    pub rounds: usize,
}

impl Measurement {
    /// The ratio that tables show, and to whom it is.
    #[must_use]
    pub fn main_ratio(&self) -> Option<&Ratio> {
        self.ratios.first()
    }

    /// The ratio to that contender.
    #[must_use]
    pub fn ratio_to(&self, other: &str) -> Option<&Quartiles> {
        self.ratios.iter().find(|ratio| ratio.to == other).map(|ratio| &ratio.value)
    }
}

/// A column of a table. The rows are the contenders.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Cell {
    /// The suite's name: "bulk".
    pub suite: String,
    /// The table's heading: "TLS 1.3, AES-128-GCM".
    pub table: String,
    /// The column's heading: "seal 16 KiB".
    pub column: String,
}

impl Cell {
    /// A column of a table of a suite.
    #[must_use]
    pub fn new(suite: &str, table: impl Into<String>, column: impl Into<String>) -> Self {
        Self { suite: suite.to_owned(), table: table.into(), column: column.into() }
    }
}

/// What a value counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// For one record, handshake or cycle. Less is better.
    Nanoseconds,
    /// For one connection. Less is better.
    Bytes,
    /// More is better.
    PerSecond,
    /// More is better.
    BytesPerSecond,
    /// As the column says, without a unit; more is better.
    Times,
}

impl Unit {
    /// A value with its unit, to three or four digits: "1474 ns", "9.81 GB/s".
    #[must_use]
    pub fn show(self, value: f64) -> String {
        // From which value on, divided by what, called what.
        let scaled = |steps: &[(f64, f64, &str)]| {
            let found = steps.iter().rev().find(|(from, ..)| value >= *from);
            let (_, factor, unit) = found.unwrap_or(&steps[0]);
            format!("{} {unit}", digits(value / factor))
        };
        match self {
            Self::Nanoseconds => scaled(&[(0.0, 1.0, "ns"), (1e4, 1e3, "\u{b5}s"), (1e7, 1e6, "ms")]),
            Self::Bytes => scaled(&[(0.0, 1.0, "B"), (1e4, 1e3, "kB"), (1e7, 1e6, "MB")]),
            Self::PerSecond => scaled(&[(0.0, 1.0, "/s")]),
            Self::BytesPerSecond => {
                scaled(&[(0.0, 1.0, "B/s"), (1e3, 1e3, "kB/s"), (1e6, 1e6, "MB/s"), (1e9, 1e9, "GB/s")])
            }
            Self::Times => digits(value),
        }
    }

    /// Whether the smaller of two values is the better one.
    #[must_use]
    pub fn less_is_better(self) -> bool {
        matches!(self, Self::Nanoseconds | Self::Bytes)
    }
}

/// Three digits at least, and no more behind the point than that takes.
fn digits(value: f64) -> String {
    match value {
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// How many times as good as another contender of the same cell: above 1 is better than it, whatever the unit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ratio {
    /// The other one's name.
    pub to: String,
    /// Over the rounds that both took part in.
    pub value: Quartiles,
}

/// The middle of a distribution.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quartiles {
    /// A quarter lies below.
    pub lower: f64,
    /// A half lies below.
    pub median: f64,
    /// A quarter lies above.
    pub upper: f64,
}

#[cfg(test)]
mod tests {
    use super::Unit;

    #[test]
    fn values_are_shown_to_three_digits() {
        let shown = [
            (Unit::Nanoseconds, 95.4, "95.4 ns"),
            (Unit::Nanoseconds, 1474.4, "1474 ns"),
            (Unit::Nanoseconds, 300_040.0, "300 \u{b5}s"),
            (Unit::Bytes, 2_272.0, "2272 B"),
            (Unit::Bytes, 36_063.0, "36.1 kB"),
            (Unit::BytesPerSecond, 9.812e9, "9.81 GB/s"),
            (Unit::PerSecond, 3_333.3, "3333 /s"),
            (Unit::Times, 1.714, "1.71"),
        ];
        for (unit, value, expected) in shown {
            assert_eq!(unit.show(value), expected);
        }
    }
}

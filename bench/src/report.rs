//! What a run found, as plain data: tables, plots, JSON and the document are made from it, now or later.

use serde::{Deserialize, Serialize};

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
    /// How many times as good as others of the same cell, each taken inside a round.
    pub ratios: Vec<Ratio>,
    /// How many rounds the quartiles are over.
    pub rounds: usize,
}

impl Measurement {
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
    /// Whether the smaller of two values is the better one.
    #[must_use]
    pub fn less_is_better(self) -> bool {
        matches!(self, Self::Nanoseconds | Self::Bytes)
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

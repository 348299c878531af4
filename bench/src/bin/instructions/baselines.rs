//! The committed counts.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::operations::Operation;

/// What `instructions.json` holds.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Baselines {
    /// The compiler: another one makes other code of the same source.
    rustc: String,
    /// It decides which instructions of the processor the programs see.
    valgrind: String,
    /// By the operation's name.
    instructions: BTreeMap<String, u64>,
}

/// How a count stands to its baseline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Within,
    More,
    Less,
}

impl Verdict {
    pub(crate) fn remark(self) -> &'static str {
        match self {
            Self::Within => "",
            Self::More => "  MORE",
            Self::Less => "  less",
        }
    }
}

impl Baselines {
    pub(crate) fn read(file: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
        serde_json::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))
    }

    pub(crate) fn write(&self, file: &Path) -> Result<(), String> {
        let mut text = serde_json::to_string_pretty(self).map_err(|error| error.to_string())?;
        text.push('\n');
        std::fs::write(file, text).map_err(|error| format!("{}: {error}", file.display()))
    }

    pub(crate) fn of(&self, operation: &Operation) -> Option<u64> {
        self.instructions.get(&operation.name).copied()
    }

    /// An operation without a baseline takes more than it may: a guard that knows nothing of it is none.
    pub(crate) fn verdict(&self, operation: &Operation, count: u64) -> Verdict {
        let Some(baseline) = self.of(operation) else { return Verdict::More };
        // Rounded up, so that operations of few instructions have room for one.
        let room = (baseline * operation.tolerance).div_ceil(100);
        if count > baseline + room {
            Verdict::More
        } else if count + room < baseline {
            Verdict::Less
        } else {
            Verdict::Within
        }
    }

    /// `all` operations there are: those that are no more go.
    pub(crate) fn renew(&mut self, operations: &[Operation], counts: &[u64], all: bool, valgrind: String) {
        if all {
            self.instructions.clear();
        }
        let new = operations.iter().map(|operation| operation.name.clone()).zip(counts.iter().copied());
        self.instructions.extend(new);
        rustc().clone_into(&mut self.rustc);
        self.valgrind = valgrind;
    }

    /// What was another when the baselines were made, and may be why counts differ.
    pub(crate) fn made_otherwise(&self, valgrind: &str) -> Option<String> {
        (self.rustc != rustc() || self.valgrind != valgrind).then(|| {
            format!(
                "The baselines were made with {} and {}, this is {} and {valgrind}: small differences may come from there.",
                self.rustc,
                self.valgrind,
                rustc(),
            )
        })
    }
}

/// The compiler of this program.
fn rustc() -> &'static str {
    env!("BENCH_RUSTC")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::Work;

    struct Nothing;

    impl Work for Nothing {
        fn work(&mut self) {}
    }

    fn operation(name: &str, tolerance: u64) -> Operation {
        Operation { name: name.to_owned(), tolerance, times: 1, prepare: Box::new(|| Box::new(Nothing)) }
    }

    #[test]
    fn a_count_is_judged_by_its_operations_tolerance() {
        let mut baselines = Baselines::default();
        let (small, large) = (operation("small", 1), operation("large", 3));
        let both = [operation("small", 1), operation("large", 3)];
        baselines.renew(&both, &[150, 10_000], true, "valgrind".to_owned());
        // One percent of 150 is rounded up to 2.
        let verdicts = [148, 152, 147, 153].map(|count| baselines.verdict(&small, count));
        assert_eq!(verdicts, [Verdict::Within, Verdict::Within, Verdict::Less, Verdict::More]);
        let verdicts = [9_700, 10_300, 9_699, 10_301].map(|count| baselines.verdict(&large, count));
        assert_eq!(verdicts, [Verdict::Within, Verdict::Within, Verdict::Less, Verdict::More]);
        assert_eq!(baselines.verdict(&operation("new", 3), 1), Verdict::More);
    }

    #[test]
    fn renewing_a_part_leaves_the_rest_and_renewing_all_forgets_what_is_gone() {
        let mut baselines = Baselines::default();
        baselines.renew(&[operation("a", 1), operation("b", 1)], &[1, 2], true, "valgrind".to_owned());
        baselines.renew(&[operation("b", 1)], &[3], false, "valgrind".to_owned());
        assert_eq!((baselines.of(&operation("a", 1)), baselines.of(&operation("b", 1))), (Some(1), Some(3)));
        baselines.renew(&[operation("b", 1)], &[4], true, "valgrind".to_owned());
        assert_eq!((baselines.of(&operation("a", 1)), baselines.of(&operation("b", 1))), (None, Some(4)));
        assert_eq!(baselines.made_otherwise("valgrind"), None);
        assert!(baselines.made_otherwise("another").is_some());
    }

    #[test]
    fn they_are_read_as_they_were_written() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("instructions.json");
        let mut baselines = Baselines::default();
        baselines.renew(&[operation("a", 1)], &[7], true, "valgrind".to_owned());
        baselines.write(&file).unwrap();
        assert_eq!(Baselines::read(&file).unwrap().instructions, baselines.instructions);
        assert!(Baselines::read(&directory.path().join("none")).is_err());
    }
}

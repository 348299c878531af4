//! What is measured. A suite turns a plan into measurements.

pub mod bulk;
pub mod duplex;
pub mod handshake;
pub mod memory;
pub mod serve;
pub mod shutdown;
pub mod stream;

use crate::goals::Goal;
use crate::measure::Rounds;
use crate::report::{Cell, Measurement};

/// What was asked for on the command line.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How many rounds; a suite has its own number otherwise.
    pub rounds: Option<usize>,
    /// Few rounds and few cells: to see that it runs, not to know.
    pub quick: bool,
    /// Order of contenders.
    pub seed: u64,
}

impl Plan {
    /// The rounds of a suite that takes `usual` without being asked. Quick runs take a twentieth.
    #[must_use]
    pub fn rounds(&self, usual: usize) -> Rounds {
        let rounds = self.rounds.unwrap_or_else(|| if self.quick { usual.div_ceil(20) } else { usual });
        // Fifty are enough for caches, branch predictors and the clock speed.
        Rounds { rounds, warm_up: rounds.min(50), seed: self.seed }
    }
}

/// Told of each cell before it is measured.
pub trait Progress {
    /// The next cell begins, one of those that [`Suite::promises`] promised or a group of them.
    fn next(&mut self, what: &str);
}

/// A set of measurements under one name.
pub trait Suite: Sync {
    /// As on the command line.
    fn name(&self) -> &'static str;

    /// One line of help.
    fn about(&self) -> &'static str;

    /// How many times a run calls [`Progress::next`].
    fn steps(&self, plan: &Plan) -> usize;

    /// Every cell that a run gives, with the contenders in it. Goals and tests rely on it.
    fn promises(&self, plan: &Plan) -> Vec<(Cell, String)>;

    /// How it is measured: a paragraph or two for the page, in Markdown.
    fn method(&self) -> &'static str;

    /// What has to be reached, in cells of this suite.
    fn goals(&self) -> Vec<Goal>;

    /// Measures.
    ///
    /// # Errors
    /// What is missing (a program, a limit of the system), in words.
    fn run(&self, plan: &Plan, progress: &mut dyn Progress) -> Result<Vec<Measurement>, String>;
}

/// All suites of this program, in the order in which they run.
#[must_use]
pub fn all() -> Vec<&'static dyn Suite> {
    vec![
        &bulk::Bulk,
        &duplex::Duplex,
        &handshake::Handshake,
        &memory::Memory,
        &shutdown::Shutdown,
        &stream::Streams,
        &serve::Serve,
    ]
}

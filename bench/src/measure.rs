//! Rounds: every contender does one batch in each, in random order, and only batches of the same round are compared.
//!
//! A machine whose speed drifts slows all of a round alike. What is reported of a ratio is therefore the median of the rounds' ratios,
//! not the ratio of two medians.

use std::hint::black_box;
use std::time::Instant;

use rustix::time::{ClockId, clock_gettime};

use crate::report::{Cell, Measurement, Quartiles, Ratio, Unit};

/// Takes part in rounds.
pub trait Contender {
    /// Its name in tables.
    fn name(&self) -> String;

    /// One batch: appends a value for each column, in its unit and for one operation (not for the batch).
    ///
    /// What does not belong to the comparison happens outside of the clock, see [`wall`] and [`processor`].
    fn batch(&mut self, values: &mut Vec<f64>);
}

/// How often, and in which order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rounds {
    /// Counted rounds.
    pub rounds: usize,
    /// Rounds before them that are thrown away: caches, branch predictors and the clock speed settle.
    pub warm_up: usize,
    /// What the order of contenders in each round follows from.
    pub seed: u64,
}

/// A column of what [`compare`] measures.
#[derive(Clone, Debug)]
pub struct Column {
    /// Where the values go.
    pub cell: Cell,
    /// What they count.
    pub unit: Unit,
}

/// Lets the contenders run, and gives each one's measurements column by column, with ratios to those of `baselines` that take part.
pub fn compare(
    columns: &[Column],
    contenders: &mut [Box<dyn Contender>],
    baselines: &[&str],
    rounds: Rounds,
) -> Vec<Measurement> {
    let mut random = fastrand::Rng::with_seed(rounds.seed);
    let mut order: Vec<usize> = (0..contenders.len()).collect();
    // By contender and column, a value a round.
    let mut values = vec![vec![Vec::with_capacity(rounds.rounds); columns.len()]; contenders.len()];
    let mut sample = Vec::with_capacity(columns.len());
    for round in 0..rounds.warm_up + rounds.rounds {
        random.shuffle(&mut order);
        for &index in &order {
            sample.clear();
            contenders[index].batch(&mut sample);
            assert_eq!(sample.len(), columns.len(), "a value for each column");
            if round >= rounds.warm_up {
                for (all, value) in values[index].iter_mut().zip(&sample) {
                    all.push(*value);
                }
            }
        }
    }
    let names: Vec<String> = contenders.iter().map(|contender| contender.name()).collect();
    let mut measurements = Vec::new();
    for (position, column) in columns.iter().enumerate() {
        for (index, name) in names.iter().enumerate() {
            let own = &values[index][position];
            let ratios = names.iter().enumerate().filter(|(_, other)| baselines.contains(&other.as_str()));
            let ratios = ratios.map(|(other, to)| Ratio {
                to: to.clone(),
                value: ratio(column.unit, own, &values[other][position]),
            });
            measurements.push(Measurement {
                cell: column.cell.clone(),
                contender: name.clone(),
                unit: column.unit,
                value: quartiles(own.clone()),
                ratios: ratios.collect(),
                rounds: rounds.rounds,
            });
        }
    }
    measurements
}

/// How many times as good `own` is as `other`, round by round.
fn ratio(unit: Unit, own: &[f64], other: &[f64]) -> Quartiles {
    let pairs = own.iter().zip(other);
    quartiles(
        pairs.map(|(own, other)| if unit.less_is_better() { other / own } else { own / other }).collect(),
    )
}

/// The middle of the values; between two of them it is interpolated.
#[must_use]
pub fn quartiles(mut values: Vec<f64>) -> Quartiles {
    values.sort_by(f64::total_cmp);
    let at = |quarter: usize| {
        let Some(last) = values.len().checked_sub(1) else { return f64::NAN };
        let (whole, rest) = (last * quarter / 4, last * quarter % 4);
        let (low, high) = (values[whole], values[(whole + 1).min(last)]);
        low + (high - low) * rest as f64 / 4.0
    };
    Quartiles { lower: at(1), median: at(2), upper: at(3) }
}

/// Nanoseconds that `work` took.
pub fn wall<T>(work: impl FnOnce() -> T) -> f64 {
    let start = Instant::now();
    black_box(work());
    start.elapsed().as_secs_f64() * 1e9
}

/// Nanoseconds of processor time that `work` took on this thread: what the machine did in between does not count.
pub fn processor<T>(work: impl FnOnce() -> T) -> f64 {
    let start = clock_gettime(ClockId::ThreadCPUTime);
    black_box(work());
    let end = clock_gettime(ClockId::ThreadCPUTime);
    (end.tv_sec - start.tv_sec) as f64 * 1e9 + (end.tv_nsec - start.tv_nsec) as f64
}

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
            // In the order of `baselines`.
            let ratios = baselines.iter().filter_map(|to| {
                let other = names.iter().position(|name| name == to)?;
                let value = ratio(column.unit, own, &values[other][position]);
                Some(Ratio { to: (*to).to_owned(), value })
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

#[cfg(test)]
mod tests {
    use super::{Column, Contender, Rounds, compare, quartiles};
    use crate::report::{Cell, Quartiles, Unit};

    #[test]
    fn quartiles_of_known_numbers() {
        let of = |values: &[f64]| quartiles(values.to_vec());
        assert_eq!(of(&[5.0]), Quartiles { lower: 5.0, median: 5.0, upper: 5.0 });
        assert_eq!(of(&[4.0, 1.0, 3.0, 2.0, 5.0]), Quartiles { lower: 2.0, median: 3.0, upper: 4.0 });
        assert_eq!(of(&[1.0, 2.0, 3.0, 4.0]), Quartiles { lower: 1.75, median: 2.5, upper: 3.25 });
        assert!(of(&[]).median.is_nan());
    }

    /// Gives the numbers it was made with, a row a batch.
    struct Scripted(&'static str, Vec<[f64; 2]>, usize);

    impl Contender for Scripted {
        fn name(&self) -> String {
            self.0.to_owned()
        }

        fn batch(&mut self, values: &mut Vec<f64>) {
            values.extend(self.1[self.2]);
            self.2 += 1;
        }
    }

    /// The machine is ten times slower in the second round; nobody's ratio shows it. The first round only warms up.
    #[test]
    fn ratios_are_taken_inside_a_round() {
        let warm_up = [99.0, 1.0];
        let mut contenders: Vec<Box<dyn Contender>> = vec![
            Box::new(Scripted("base", vec![warm_up, [10.0, 8.0], [100.0, 80.0], [10.0, 8.0]], 0)),
            Box::new(Scripted("other", vec![warm_up, [20.0, 4.0], [200.0, 40.0], [40.0, 4.0]], 0)),
        ];
        let column = |name: &str, unit| Column { cell: Cell::new("suite", "table", name), unit };
        let columns = [column("time", Unit::Nanoseconds), column("speed", Unit::PerSecond)];
        let rounds = Rounds { rounds: 3, warm_up: 1, seed: 7 };
        let found = compare(&columns, &mut contenders, &["absent", "base"], rounds);
        let by = |column: &str, contender: &str| {
            found.iter().find(|it| it.cell.column == column && it.contender == contender).unwrap()
        };
        assert_eq!(found.len(), 4);
        assert_eq!(by("time", "base").value.median, 10.0);
        assert_eq!(by("time", "other").value.median, 40.0);
        let ratio = by("time", "other").ratio_to("base").unwrap();
        assert_eq!((ratio.lower, ratio.median, ratio.upper), (0.375, 0.5, 0.5));
        assert_eq!(by("speed", "other").ratio_to("base").unwrap().median, 0.5);
        assert_eq!(by("speed", "base").main_ratio().unwrap().value.median, 1.0);
        assert!(by("speed", "other").ratio_to("absent").is_none());
    }

    /// The order differs from round to round, and follows from the seed alone.
    #[test]
    fn the_order_is_random_and_repeatable() {
        use std::cell::RefCell;
        use std::rc::Rc;

        struct Noting(usize, Rc<RefCell<Vec<usize>>>);
        impl Contender for Noting {
            fn name(&self) -> String {
                self.0.to_string()
            }

            fn batch(&mut self, values: &mut Vec<f64>) {
                self.1.borrow_mut().push(self.0);
                values.push(1.0);
            }
        }

        let order = |seed| {
            let noted = Rc::new(RefCell::new(Vec::new()));
            let mut contenders: Vec<Box<dyn Contender>> = Vec::new();
            for index in 0..5 {
                contenders.push(Box::new(Noting(index, Rc::clone(&noted))));
            }
            let columns = [Column { cell: Cell::new("", "", ""), unit: Unit::Times }];
            compare(&columns, &mut contenders, &[], Rounds { rounds: 8, warm_up: 0, seed });
            noted.take()
        };
        let first = order(1);
        assert_eq!(first, order(1));
        assert_ne!(first, order(2));
        assert_ne!(first[..5], first[5..10]);
        for round in first.chunks(5) {
            let mut sorted = round.to_vec();
            sorted.sort_unstable();
            assert_eq!(sorted, [0, 1, 2, 3, 4]);
        }
    }
}

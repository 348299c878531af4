//! Every suite gives what it promises, goals look at cells that exist, and a report turns into everything it is to turn into.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a fixture that cannot be made ends the test")]

use std::collections::BTreeSet;

use openschannel_bench::goals;
use openschannel_bench::suites::{self, Plan, Progress, Suite};

const ONE_ROUND: Plan = Plan { rounds: Some(1), quick: true, seed: 1 };

/// Suites that need more than this process; their own tests run them.
const ELSEWHERE: [&str; 2] = ["stream", "serve"];

#[derive(Default)]
struct Steps(usize);

impl Progress for Steps {
    fn next(&mut self, what: &str) {
        assert!(!what.is_empty());
        self.0 += 1;
    }
}

#[test]
fn every_suite_gives_every_cell_it_promises() {
    for suite in suites::all() {
        if !ELSEWHERE.contains(&suite.name()) {
            gives_what_it_promises(suite);
        }
    }
}

fn gives_what_it_promises(suite: &dyn Suite) {
    let mut steps = Steps::default();
    let measured = suite.run(&ONE_ROUND, &mut steps).unwrap();
    assert_eq!(steps.0, suite.steps(&ONE_ROUND), "{}", suite.name());
    let given: Vec<_> = measured.iter().map(|it| (it.cell.clone(), it.contender.clone())).collect();
    let (given_set, promised): (BTreeSet<_>, BTreeSet<_>) =
        (given.iter().cloned().collect(), suite.promises(&ONE_ROUND).into_iter().collect());
    assert_eq!(given.len(), given_set.len(), "{}: something is there twice", suite.name());
    assert_eq!(given_set, promised, "{}", suite.name());
    for it in &measured {
        let what = format!("{} {:?}", it.contender, it.cell);
        assert_eq!(it.cell.suite, suite.name(), "{what}");
        assert!(it.value.median.is_finite() && it.value.median > 0.0, "{what}: {:?}", it.value);
        for ratio in &it.ratios {
            assert!(ratio.value.median.is_finite() && ratio.value.median > 0.0, "{what}: {ratio:?}");
        }
    }
}

/// A peer that is not built in is nowhere; what a goal says of it is then not measured.
#[test]
fn goals_look_at_cells_and_contenders_that_exist() {
    let plan = Plan { rounds: None, quick: false, seed: 1 };
    for suite in suites::all() {
        let promised: BTreeSet<_> = suite.promises(&plan).into_iter().collect();
        for goal in suite.goals() {
            assert!(!goal.subjects.is_empty(), "{}", goal.id);
            for subject in &goal.subjects {
                let own = (subject.cell.clone(), subject.contender.to_owned());
                assert!(promised.contains(&own), "{}: {own:?}", goal.id);
                let optional = openschannel_bench::peers::OPTIONAL;
                if let Some(to) = subject.to
                    && !optional.iter().any(|peer| to.starts_with(peer.name) && !peer.built_in)
                {
                    let other = (subject.cell.clone(), to.to_owned());
                    assert!(promised.contains(&other), "{}: {other:?}", goal.id);
                }
            }
        }
    }
}

#[test]
fn goals_have_names_of_their_own() {
    let all = goals::all();
    let names: BTreeSet<_> = all.iter().map(|goal| goal.id).collect();
    assert_eq!(names.len(), all.len());
    for goal in &all {
        let labels: BTreeSet<_> = goal.subjects.iter().map(|subject| &subject.label).collect();
        assert_eq!(labels.len(), goal.subjects.len(), "{}: two subjects with one label", goal.id);
    }
}

#[test]
fn every_suite_says_how_it_measures() {
    for suite in suites::all() {
        assert!(suite.method().len() > 100, "{}", suite.name());
        assert!(!suite.about().is_empty() && suite.about().len() < 100, "{}", suite.name());
    }
}

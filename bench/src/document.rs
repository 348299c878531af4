//! The page for docs/: a run in Markdown, with its goals and plots.

use std::fmt::Write as _;

use crate::goals::{Outcome, Verdict};
use crate::peers::OPTIONAL;
use crate::plot;
use crate::report::{Measurement, Report, Table};
use crate::suites;

/// What limits a missed figure, by the goal's name. Written by hand.
const LIMITS: &str = include_str!("../limits.md");

/// The page as Markdown; its plots are in the directory `plots` beside it.
#[must_use]
pub fn page(report: &Report, verdicts: &[Verdict], plots: &str) -> String {
    let mut out = String::new();
    head(&mut out, report);
    machine(&mut out, report);
    how_to_read(&mut out);
    goals(&mut out, verdicts);
    limits(&mut out, verdicts);
    for suite in report.suites() {
        put(&mut out, &format!("## {suite}\n"));
        if let Some(known) = suites::all().iter().find(|known| known.name() == suite) {
            put(&mut out, &format!("{}\n", known.method()));
        }
        let all = plot::all(report);
        for heading in report.tables(suite) {
            put(&mut out, &format!("### {}\n", heading.heading));
            if let Some(plot) = all.iter().find(|plot| plot.suite == suite && plot.table == heading.heading) {
                put(&mut out, &format!("![{}]({plots}/{})\n", heading.heading, plot.file));
            }
            table(&mut out, &heading);
        }
    }
    format!("{}\n", out.trim_end())
}

fn head(out: &mut String, report: &Report) {
    put(out, "# Performance\n");
    put(
        out,
        "How fast and how small OpenSchannel is, beside the bare AEAD and other implementations of TLS. Written by\n",
    );
    let built_in = OPTIONAL.iter().filter(|peer| !report.left_out.iter().any(|name| name == peer.name));
    let features: Vec<&str> = built_in.map(|peer| peer.feature).collect();
    let features =
        if features.is_empty() { String::new() } else { format!(" --features {}", features.join(",")) };
    let command =
        format!("cargo run --release -p openschannel-bench{features} -- --document docs/performance.md");
    put(out, &format!("```\n{command}\n```\n"));
    if report.quick {
        put(out, "**This was a quick run: it shows that everything works, and not how fast.**\n");
    }
    for (suite, why) in &report.failed {
        put(out, &format!("Not measured: {suite} ({why}).\n"));
    }
    if !report.left_out.is_empty() {
        put(out, &format!("Not built in: {}.\n", report.left_out.join(", ")));
    }
}

fn machine(out: &mut String, report: &Report) {
    let machine = &report.machine;
    let kind = if machine.is_virtual { " of a virtual machine" } else { "" };
    put(out, "| | |\n|---|---|");
    put(out, &format!("| Date | {}, seed {} |", report.date, report.seed));
    put(out, &format!("| Processors | {}{kind}, {} |", machine.processors, machine.processor));
    put(out, &format!("| which has | {} |", machine.features.join(", ")));
    put(out, &format!("| Kernel | {}; load {} at the beginning |", machine.kernel, machine.load));
    put(out, &format!("| Compiler | {} |", machine.compiler));
    for (name, version) in &machine.versions {
        put(out, &format!("| {name} | {version} |"));
    }
    put(out, "");
}

fn how_to_read(out: &mut String) {
    put(
        out,
        "## How to read it\n\n\
         In every round each contender runs one batch, in random order, and is compared with the others of the same round only: a\n\
         machine whose speed drifts slows all of them. A cell shows the median of these ratios over all rounds (above 1 is better than\n\
         who it is compared with, whatever is counted), its quartiles in brackets, and the median of the value itself, which is this\n\
         machine's. What lies closer together than quartiles do is the same. In the plots, bars are medians and whiskers quartiles.\n",
    );
}

fn goals(out: &mut String, verdicts: &[Verdict]) {
    let count = |outcome| verdicts.iter().filter(|verdict| verdict.outcome() == outcome).count();
    let [reached, missed, unknown] = [Outcome::Reached, Outcome::Missed, Outcome::Unknown].map(count);
    put(out, "## Goals\n");
    put(
        out,
        &format!(
            "Of {} goals {reached} are reached, {missed} missed, {unknown} not measured.\n",
            verdicts.len()
        ),
    );
    put(out, "| What | Goal | Measured | |\n|---|---|---|---|");
    for verdict in verdicts {
        let outcome = match verdict.outcome() {
            Outcome::Missed => "**missed**".to_owned(),
            other => other.to_string(),
        };
        put(
            out,
            &format!("| {} | {} | {} | {outcome} |", verdict.goal.what, verdict.bound(), verdict.figures()),
        );
    }
    put(out, "");
}

/// What is known of each missed goal.
fn limits(out: &mut String, verdicts: &[Verdict]) {
    let missed: Vec<&Verdict> =
        verdicts.iter().filter(|verdict| verdict.outcome() == Outcome::Missed).collect();
    if missed.is_empty() {
        return;
    }
    put(out, "## What limits what is missed\n");
    let (known, unknown): (Vec<_>, Vec<_>) =
        missed.into_iter().partition(|verdict| limit(LIMITS, verdict.goal.id).is_some());
    for (ids, text) in sections(LIMITS) {
        let of_this = known.iter().filter(|verdict| names(ids).any(|id| id == verdict.goal.id));
        let what: Vec<&str> = of_this.map(|verdict| verdict.goal.what).collect();
        if !what.is_empty() {
            put(out, &format!("**{}.** {text}\n", what.join("; ")));
        }
    }
    if !unknown.is_empty() {
        let what: Vec<&str> = unknown.iter().map(|verdict| verdict.goal.what).collect();
        put(out, &format!("Not looked into yet: {}.\n", what.join("; ")));
    }
}

/// What `text` says under a heading that names `id`.
fn limit<'a>(text: &'a str, id: &str) -> Option<&'a str> {
    sections(text).find(|(ids, _)| names(ids).any(|name| name == id)).map(|(_, body)| body)
}

/// The goals that a heading names.
fn names(heading: &str) -> impl Iterator<Item = &str> {
    heading.split(' ')
}

/// Headings of the second level, and what is under each.
fn sections(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let parts = text.split("\n## ").skip(1);
    parts
        .map(|part| part.split_once('\n').unwrap_or((part, "")))
        .map(|(heading, body)| (heading.trim(), body.trim()))
}

fn table(out: &mut String, table: &Table<'_>) {
    let columns = table.columns();
    let first = table.cells.first();
    let rounds = first.map_or(0, |cell| cell.rounds);
    let to = first
        .and_then(|cell| cell.main_ratio())
        .map(|ratio| format!(", to {}", ratio.to))
        .unwrap_or_default();
    put(out, &format!("| {rounds} rounds{to} | {} |", columns.join(" | ")));
    put(out, &format!("|---|{}", "---|".repeat(columns.len())));
    for contender in table.contenders() {
        let cells =
            columns.iter().map(|column| table.at(contender, column).map_or_else(|| "-".to_owned(), cell));
        let cells: Vec<String> = cells.collect();
        put(out, &format!("| {contender} | {} |", cells.join(" | ")));
    }
    put(out, "");
}

fn cell(cell: &Measurement) -> String {
    let value = cell.unit.show(cell.value.median);
    match cell.main_ratio() {
        Some(ratio) => {
            let ratio = &ratio.value;
            format!("{:.3} ({:.3} to {:.3}), {value}", ratio.median, ratio.lower, ratio.upper)
        }
        None => {
            let [lower, upper] = [cell.value.lower, cell.value.upper].map(|value| cell.unit.show(value));
            format!("{value} ({lower} to {upper})")
        }
    }
}

fn put(out: &mut String, line: &str) {
    writeln!(out, "{line}").expect("memory");
}

#[cfg(test)]
mod tests {
    use super::{LIMITS, limit, names, sections};
    use crate::goals;

    #[test]
    fn limits_are_found_by_the_goals_name() {
        let text = "What this is.\n\n## one uno\n\nThe first.\nOf two lines.\n\n## two\nThe second.\n";
        assert_eq!(limit(text, "one"), Some("The first.\nOf two lines."));
        assert_eq!(limit(text, "uno"), limit(text, "one"));
        assert_eq!(limit(text, "two"), Some("The second."));
        assert_eq!(limit(text, "three"), None);
    }

    #[test]
    fn every_section_on_limits_belongs_to_a_goal() {
        let goals = goals::all();
        for (heading, body) in sections(LIMITS) {
            for id in names(heading) {
                assert!(goals.iter().any(|goal| goal.id == id), "no goal is called {id}");
            }
            assert!(!body.is_empty(), "{heading}");
        }
    }
}

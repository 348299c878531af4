//! A report for people: tables on a terminal or in a file.

use std::fmt::Write as _;

use crate::goals::{Outcome, Verdict};
use crate::report::{Measurement, Report};

/// Whether names of this provider are emphasised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// No escape sequences.
    Plain,
    /// For terminals.
    Terminal,
}

/// Everything that was measured, a block for each cell.
#[must_use]
pub fn tables(report: &Report, style: Style) -> String {
    let mut out = String::new();
    for suite in report.suites() {
        for table in report.tables(suite) {
            line(&mut out, &style.bold(&format!("{suite}: {}", table.heading)));
            for column in table.columns() {
                let rows: Vec<&Measurement> =
                    table.contenders().iter().filter_map(|name| table.at(name, column)).collect();
                let (rounds, to) = rows.first().map_or((0, ""), |row| {
                    (row.rounds, row.main_ratio().map_or("", |ratio| ratio.to.as_str()))
                });
                let of = if to.is_empty() { String::new() } else { format!(", times as good as {to}") };
                line(&mut out, &format!("  {column}: medians (quartiles) of {rounds} rounds{of}"));
                for row in rows {
                    line(&mut out, &format!("    {}", cells(row, style)));
                }
            }
            line(&mut out, "");
        }
    }
    for (suite, why) in &report.failed {
        line(&mut out, &format!("{suite}: not measured: {why}"));
    }
    out
}

fn cells(row: &Measurement, style: Style) -> String {
    let show = |value| row.unit.show(value);
    let value = format!("{} ({}..{})", show(row.value.median), show(row.value.lower), show(row.value.upper));
    let ratio = row.main_ratio().map_or_else(String::new, |ratio| {
        let value = &ratio.value;
        format!("{:.3} ({:.3}..{:.3})", value.median, value.lower, value.upper)
    });
    // Padded before it is emphasised: escape sequences have no width.
    let name = format!("{:<28}", row.contender);
    let name = if row.contender.starts_with("OpenSchannel") { style.bold(&name) } else { name };
    format!("{name} {ratio:>22}  {value}")
}

/// The goals of a run, and which were reached.
#[must_use]
pub fn goals(verdicts: &[Verdict], style: Style) -> String {
    let mut out = String::new();
    line(&mut out, &style.bold("Goals"));
    for verdict in verdicts.iter().filter(|verdict| verdict.measured.iter().any(Option::is_some)) {
        let outcome = verdict.outcome();
        let mark = match outcome {
            Outcome::Missed => style.bold("MISSED "),
            _ => format!("{outcome:<7}"),
        };
        line(&mut out, &format!("  {mark} {} {}", verdict.goal.what, verdict.bound()));
        line(&mut out, &format!("          {}", verdict.figures()));
    }
    out
}

/// On what it was made.
#[must_use]
pub fn machine(report: &Report) -> String {
    let machine = &report.machine;
    let mut out = String::new();
    let virtual_machine = if machine.is_virtual { ", in a virtual machine" } else { "" };
    let processor = format!("{} x {}{virtual_machine}", machine.processors, machine.processor);
    line(&mut out, &format!("{processor} ({})", machine.features.join(", ")));
    line(
        &mut out,
        &format!("{}, load {} at the beginning; {}", machine.kernel, machine.load, machine.compiler),
    );
    let versions: Vec<String> =
        machine.versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
    line(&mut out, &versions.join(", "));
    let quick = if report.quick { "; a quick run: it shows that everything works, and no more" } else { "" };
    line(&mut out, &format!("{}, seed {}{quick}", report.date, report.seed));
    line(&mut out, "");
    out
}

impl Style {
    fn bold(self, text: &str) -> String {
        match self {
            Self::Plain => text.to_owned(),
            Self::Terminal => format!("\u{1b}[1m{text}\u{1b}[0m"),
        }
    }
}

fn line(out: &mut String, text: &str) {
    writeln!(out, "{text}").expect("memory");
}

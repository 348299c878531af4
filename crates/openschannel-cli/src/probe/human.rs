//! The report for people.

use std::fmt::{self, Write as _};

use crate::options::Version;

use super::grade::Grade;
use super::question::{Question, Rule};
use super::report::{Answer, Report};
use super::verdict::Verdict;

/// Whether the report may have colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Colour {
    Yes,
    No,
}

const TITLE_WIDTH: usize = 44;
const CELL_WIDTH: usize = 14;

/// As wide as a terminal is at least.
const TEXT_WIDTH: usize = 80;

/// A grade from fewer answers says little; a server without HTTP has more.
const FEW: usize = 6;

/// The table, what is not good and why, and what to do; with `evidence`, everything that was sent and came.
pub(super) fn render(report: &Report, versions: &[Version], colour: Colour, evidence: bool) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    table(&mut out, report, versions, colour).ok();
    explain(&mut out, report, versions, colour).ok();
    if evidence {
        all_evidence(&mut out, report, versions).ok();
    }
    out
}

fn table(out: &mut String, report: &Report, versions: &[Version], colour: Colour) -> fmt::Result {
    let starttls = report.starttls.as_ref().map(|name| format!(" (STARTTLS: {name})")).unwrap_or_default();
    writeln!(out, "How {}{starttls} ends TLS connections\n", report.target)?;
    write!(out, "{:TITLE_WIDTH$}", "")?;
    for version in versions {
        write!(out, "{:CELL_WIDTH$}", name(*version))?;
    }
    writeln!(out)?;
    for question in Question::ALL {
        write!(out, "{:TITLE_WIDTH$}", question.title())?;
        for version in versions {
            let verdict = find(report, *question, *version).map(|answer| answer.verdict);
            let verdict = verdict.unwrap_or(Verdict::NotApplicable);
            let cell = format!("{verdict:CELL_WIDTH$}");
            write!(out, "{}", paint(&cell, code(verdict), colour))?;
        }
        writeln!(out)?;
    }
    let letter = paint(&report.grade.to_string(), code_of_grade(report.grade), colour);
    let (answered, all) = report.answered();
    writeln!(out, "\nGrade {letter}, from {answered} of {all} questions")
}

fn explain(out: &mut String, report: &Report, versions: &[Version], colour: Colour) -> fmt::Result {
    let mut listed = false;
    for wanted in [Verdict::Bad, Verdict::Tolerable] {
        for (answer, protocols) in grouped(report, versions, wanted) {
            let label = paint(&wanted.to_string(), code(wanted), colour);
            writeln!(out, "\n{label}: {} ({}, {protocols})", answer.id.title(), answer.id)?;
            wrapped(out, "  ", &answer.finding)?;
            for rule in rules(report, answer, &protocols) {
                wrapped(out, "  ", &format!("{} section {}: {}", rule.document, rule.section, rule.says))?;
            }
            listed = true;
        }
    }
    let unasked = reasons(report, versions);
    if !unasked.is_empty() {
        writeln!(out, "\nNot answered:")?;
        for (finding, questions) in unasked {
            wrapped(out, "  ", &format!("{}: {finding}", questions.join(", ")))?;
        }
    }
    writeln!(out)?;
    let next = match (listed, report.grade) {
        (false, _) if report.answered().0 < FEW => "Too few questions were answered to say more.",
        (false, _) => "Nothing to do.",
        (true, Grade::A | Grade::B) => {
            "What is tolerable harms nobody who keeps the rules; docs/probe.md says when it matters. --evidence shows \
             what was sent and what came."
        }
        (true, _) => {
            "What to do next: look for the server's settings on lingering close, keep-alive and TLS shutdown, or report \
             the finding to its authors with the output of --evidence; docs/probe.md explains every question."
        }
    };
    wrapped(out, "", next)
}

fn all_evidence(out: &mut String, report: &Report, versions: &[Version]) -> fmt::Result {
    for answer in report.questions.iter().filter(|answer| versions.contains(&answer.protocol)) {
        writeln!(out, "\n{} ({}): {}", answer.id, name(answer.protocol), answer.verdict)?;
        wrapped(out, "  ", &answer.finding)?;
        for line in &answer.evidence {
            let who = match line.who {
                super::log::Who::Us => "->",
                super::log::Who::Peer => "<-",
                super::log::Who::Note => "  ",
            };
            writeln!(out, "  {:>9.1} ms  {who} {}", line.at_ms, line.what)?;
        }
    }
    Ok(())
}

/// Answers with this verdict; where the versions agree in every word, one for both.
fn grouped<'a>(report: &'a Report, versions: &[Version], verdict: Verdict) -> Vec<(&'a Answer, String)> {
    let mut groups: Vec<(&Answer, String)> = Vec::new();
    for answer in &report.questions {
        if answer.verdict != verdict || !versions.contains(&answer.protocol) {
            continue;
        }
        match groups.last_mut() {
            Some((same, protocols)) if same.id == answer.id && same.finding == answer.finding => {
                *protocols += ", ";
                *protocols += name(answer.protocol);
            }
            _ => groups.push((answer, name(answer.protocol).to_owned())),
        }
    }
    groups
}

/// The rules behind an answer that stands for these versions.
fn rules(report: &Report, answer: &Answer, protocols: &str) -> Vec<Rule> {
    let mut rules: Vec<Rule> = Vec::new();
    for same in report.questions.iter().filter(|same| same.id == answer.id) {
        if protocols.contains(name(same.protocol)) && !rules.contains(&same.rule) {
            rules.push(same.rule);
        }
    }
    rules
}

/// Why questions were not answered, each reason once. That a question does not exist in a version needs no reason.
fn reasons<'a>(report: &'a Report, versions: &[Version]) -> Vec<(&'a str, Vec<String>)> {
    let mut reasons: Vec<(&str, Vec<String>)> = Vec::new();
    for (answer, protocols) in grouped(report, versions, Verdict::NotApplicable) {
        if !answer.id.exists_in(answer.protocol) {
            continue;
        }
        let question = format!("{} ({protocols})", answer.id);
        match reasons.iter_mut().find(|(finding, _)| *finding == answer.finding) {
            Some((_, questions)) => questions.push(question),
            None => reasons.push((&answer.finding, vec![question])),
        }
    }
    // A version that the server does not speak is named instead of all its questions.
    for (_, questions) in &mut reasons {
        for version in versions {
            let suffix = format!(" ({})", name(*version));
            let asked = Question::ALL.iter().filter(|question| question.exists_in(*version)).count();
            if questions.len() == asked && questions.iter().all(|question| question.ends_with(&suffix)) {
                *questions = vec![name(*version).to_owned()];
            }
        }
    }
    reasons
}

fn find(report: &Report, question: Question, version: Version) -> Option<&Answer> {
    report.questions.iter().find(|answer| answer.id == question && answer.protocol == version)
}

fn name(version: Version) -> &'static str {
    match version {
        Version::Tls12 => "TLS 1.2",
        Version::Tls13 => "TLS 1.3",
    }
}

fn wrapped(out: &mut String, indent: &str, text: &str) -> fmt::Result {
    let mut line = indent.to_owned();
    for word in text.split_whitespace() {
        if line.len() > indent.len() && line.len() + 1 + word.len() > TEXT_WIDTH {
            writeln!(out, "{line}")?;
            line.truncate(indent.len());
        }
        if line.len() > indent.len() {
            line.push(' ');
        }
        line += word;
    }
    writeln!(out, "{line}")
}

fn paint(text: &str, code: &str, colour: Colour) -> String {
    match colour {
        Colour::Yes => format!("\x1b[{code}m{text}\x1b[0m"),
        Colour::No => text.to_owned(),
    }
}

fn code(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Good => "32",
        Verdict::Tolerable => "33",
        Verdict::Bad => "31",
        Verdict::NotApplicable => "2",
    }
}

fn code_of_grade(grade: Grade) -> &'static str {
    match grade {
        Grade::A | Grade::B => "1;32",
        Grade::C => "1;33",
        Grade::D | Grade::F => "1;31",
    }
}

#[cfg(test)]
mod tests {
    use super::super::verdict::Judgement;
    use super::*;

    const BOTH: [Version; 2] = [Version::Tls12, Version::Tls13];

    /// Everything good but what is said otherwise.
    fn report(other: &[(Question, Version, Judgement)]) -> Report {
        let mut answers = Vec::new();
        for question in Question::ALL {
            for version in BOTH {
                let found = other.iter().find(|(id, protocol, _)| (id, protocol) == (question, &version));
                let judgement =
                    found.map_or_else(|| Judgement::good("fine"), |(.., judgement)| judgement.clone());
                answers.push(Answer::new(*question, version, judgement, Vec::new()));
            }
        }
        Report::new("localhost:1".to_owned(), None, None, answers)
    }

    #[test]
    fn colour_changes_nothing_but_colour() {
        let bad = Judgement::bad("it does not");
        let report = report(&[(Question::AnswersClose, Version::Tls13, bad)]);
        let plain = render(&report, &BOTH, Colour::No, true);
        let coloured = render(&report, &BOTH, Colour::Yes, true);
        assert!(!plain.contains('\x1b'));
        assert!(coloured.contains("\x1b[31m") && coloured.contains("\x1b[32m"));
        let mut stripped = coloured;
        for code in ["\x1b[0m", "\x1b[1;33m", "\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[2m"] {
            stripped = stripped.replace(code, "");
        }
        assert_eq!(stripped, plain);
    }

    #[test]
    fn a_missing_version_is_one_line() {
        let reason = Judgement::not_applicable("the server does not speak this version");
        let all: Vec<_> = Question::ALL.iter().map(|id| (*id, Version::Tls13, reason.clone())).collect();
        let text = render(&report(&all), &BOTH, Colour::No, false);
        assert!(text.contains("\n  TLS 1.3: the server does not speak this version\n"), "{text}");
        assert!(text.ends_with("\nNothing to do.\n"), "{text}");
    }

    #[test]
    fn a_grade_from_few_answers_says_so() {
        let reason = Judgement::not_applicable("no connection for this question: Connection refused");
        let refused = |version| Question::ALL.iter().skip(1).map(move |id| (*id, version));
        let all: Vec<_> = BOTH.into_iter().flat_map(refused).map(|(id, v)| (id, v, reason.clone())).collect();
        let text = render(&report(&all), &BOTH, Colour::No, false);
        assert!(text.contains("\nGrade A, from 1 of 16 questions\n"), "{text}");
        assert!(text.ends_with("\nToo few questions were answered to say more.\n"), "{text}");
    }

    #[test]
    fn no_line_is_wider_than_a_terminal() {
        let long = Judgement::tolerable("a finding that goes on ".repeat(20));
        let text =
            render(&report(&[(Question::CloseUnread, Version::Tls12, long)]), &BOTH, Colour::No, false);
        for line in text.lines() {
            assert!(line.len() <= TEXT_WIDTH, "{line}");
        }
    }
}

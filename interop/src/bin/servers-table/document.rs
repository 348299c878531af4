//! docs/servers.md: an introduction written by hand, and behind a mark what is made from the answers.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use openschannel_interop::servers::LARGE;

use crate::answers::{Answer, Answers, Question, VERSIONS};

/// What follows this line is made by the command.
const MARK: &str = "<!-- From here on written by interop/servers/table -->";

/// Between the verdict in TLS 1.2 and that in 1.3, where they differ.
const BETWEEN: &str = " / ";

/// The row with the grades.
const GRADE: &str = "grade";

/// Lines of evidence that are shown for a finding: the last, as it is the end that was asked for.
const EVIDENCE: usize = 6;

/// Byte counts with more digits change from run to run; not that of the whole large response.
const STEADY_DIGITS: usize = 4;

/// The table in docs/servers.md.
pub(crate) struct Committed {
    /// By row and column.
    cells: BTreeMap<(String, String), String>,
}

pub(crate) fn write(answers: &[Answers]) {
    let text = fs::read_to_string(path()).unwrap();
    let (introduction, _) =
        text.split_once(MARK).unwrap_or_else(|| panic!("no \"{MARK}\" in docs/servers.md"));
    fs::write(path(), format!("{introduction}{MARK}\n\n{}", generated(answers))).unwrap();
}

pub(crate) fn read() -> Committed {
    let text = fs::read_to_string(path()).unwrap();
    let mut rows = text.lines().filter(|line| line.starts_with('|')).map(cells);
    let header =
        rows.find(|row| row.last().is_some_and(|last| last == "openschannel serve")).unwrap_or_default();
    let mut cells = BTreeMap::new();
    for row in rows {
        // The name stands in backticks behind the title.
        let Some(id) = row.first().and_then(|first| first.split('`').nth(1)) else { continue };
        for (title, cell) in header.iter().zip(&row).skip(1) {
            cells.insert((id.to_owned(), title.clone()), cell.clone());
        }
    }
    Committed { cells }
}

/// Table, versions, findings.
pub(crate) fn generated(answers: &[Answers]) -> String {
    let mut text = String::from("## The table\n\n");
    row(&mut text, "", answers.iter().map(|one| one.server.title.to_owned()));
    row(&mut text, "---", answers.iter().map(|_| "---".to_owned()));
    row(&mut text, &format!("**`{GRADE}`**"), answers.iter().map(Answers::grades));
    for (index, question) in answers[0].questions.iter().enumerate() {
        let name = format!("{} (`{}`)", question.title, question.id);
        row(&mut text, &name, answers.iter().map(|one| cell(&one.questions[index])));
    }
    text += "\n## What was tested\n\n";
    for one in answers {
        writeln!(text, "- {}: {}", one.server.title, one.server.version()).unwrap();
    }
    text += "\n## What is not good\n";
    for one in answers {
        writeln!(text, "\n### {}: {}\n", one.server.title, one.grades()).unwrap();
        let before = text.len();
        one.questions.iter().for_each(|question| findings(&mut text, question));
        if text.len() == before {
            text += "Nothing.\n";
        }
    }
    text
}

impl Committed {
    /// Each begins with [`Question::place`] and a colon.
    pub(crate) fn differences(&self, answers: &Answers) -> Vec<String> {
        let mut differences = Vec::new();
        let mut compare = |place: String, id: &str, version: Option<usize>, found: &str| {
            let cell = self.cells.get(&(id.to_owned(), answers.server.title.to_owned()));
            let cell = cell.map_or("nothing", String::as_str);
            let known = match (version, cell.split_once(BETWEEN)) {
                (Some(0), Some((first, _))) => first,
                (Some(_), Some((_, second))) => second,
                _ => cell,
            };
            if !known.split(" or ").any(|known| known == found) {
                differences.push(format!("{place}: {found}; the table says {known}"));
            }
        };
        compare(GRADE.to_owned(), GRADE, None, &answers.grades());
        for question in &answers.questions {
            for version in 0..VERSIONS.len() {
                compare(question.place(version), &question.id, Some(version), &question.verdict(version));
            }
        }
        differences
    }
}

fn cell(question: &Question) -> String {
    let [first, second] = [question.verdict(0), question.verdict(1)];
    if first == second { first } else { format!("{first}{BETWEEN}{second}") }
}

/// Everything tolerable or bad about one question; once if both versions have it in common.
fn findings(text: &mut String, question: &Question) {
    let poor = |version: usize| {
        question.answers[version]
            .iter()
            .filter(|answer| matches!(answer.verdict.as_str(), "tolerable" | "bad"))
            .map(move |answer| (version, answer))
    };
    let mut told: Vec<(String, &Answer, String)> = Vec::new();
    for (version, answer) in poor(0).chain(poor(1)) {
        let (name, finding) = (VERSIONS[version].1, steady(&answer.finding));
        match told.iter_mut().find(|(_, other, told)| other.verdict == answer.verdict && *told == finding) {
            Some((versions, ..)) => write!(versions, ", {name}").unwrap(),
            None => told.push((name.to_owned(), answer, finding)),
        }
    }
    for (versions, Answer { verdict, evidence, .. }, finding) in told {
        writeln!(text, "- `{}`, {versions}: **{verdict}**: {finding}", question.id).unwrap();
        // How it came to the question is the same for all.
        let telling: Vec<&str> = evidence
            .iter()
            .filter(|line| !line.starts_with("note: connected") && !line.starts_with("note: handshake done"))
            .map(|line| line.split(" (").next().unwrap_or_default())
            .collect();
        let left_out = telling.len().saturating_sub(EVIDENCE);
        let dots = if left_out > 0 { "... " } else { "" };
        writeln!(text, "  <br>{dots}{}", telling[left_out..].join(" | ")).unwrap();
    }
}

/// A finding without what changes from run to run: seconds are rounded, long byte counts become words.
fn steady(finding: &str) -> String {
    let word = |word: &str| {
        let number = word.trim_end_matches([',', ';']);
        let rest = &word[number.len()..];
        match number.parse::<f64>() {
            Ok(seconds) if number.contains('.') => format!("{seconds:.0}{rest}"),
            Ok(_) if number.len() > STEADY_DIGITS && number != LARGE.to_string() => format!("some{rest}"),
            _ => word.to_owned(),
        }
    };
    finding.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

fn row(text: &mut String, first: &str, cells: impl Iterator<Item = String>) {
    write!(text, "| {first} |").unwrap();
    cells.for_each(|cell| write!(text, " {cell} |").unwrap());
    text.push('\n');
}

fn cells(row: &str) -> Vec<String> {
    row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
}

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/servers.md")
}

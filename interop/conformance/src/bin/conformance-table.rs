//! Plays every cell with every subject and keeps docs/conformance.md. Started by `interop/conformance/table`, which says how.
#![forbid(unsafe_code)]

use std::io::{self, Write as _};
use std::process::ExitCode;

use openschannel_conformance::cell::Cell;
use openschannel_conformance::document;
use openschannel_conformance::files::Files;
use openschannel_conformance::runner::problems;
use openschannel_conformance::subject::Subject;
use openschannel_conformance::subjects;

struct Options {
    check: bool,
    all: bool,
    verbose: bool,
    subjects: Vec<Box<dyn Subject>>,
}

fn main() -> ExitCode {
    let options = match options() {
        Ok(options) => options,
        Err(problem) => {
            say(&problem);
            return ExitCode::from(2);
        }
    };
    let files = Files::new();
    let parts: Vec<(&dyn Subject, Cell)> = options
        .subjects
        .iter()
        .flat_map(|subject| Cell::all().map(move |cell| (subject.as_ref(), cell)))
        .collect();
    let problems = problems(parts, &files, options.verbose, say);
    if !problems.is_empty() {
        problems.iter().for_each(|problem| say(problem));
        say("the table (expectations.rs) or the reasons (reasons.rs) say otherwise");
        return ExitCode::FAILURE;
    }
    if options.all { keep(options.check, &options.subjects) } else { ExitCode::SUCCESS }
}

/// Writes the document, or compares all of it but the versions, which differ from machine to machine.
fn keep(check: bool, subjects: &[Box<dyn Subject>]) -> ExitCode {
    let (expectations, results) = (document::expectations(), document::results(subjects));
    if !check {
        document::write(&[expectations, results, document::versions(subjects)].join("\n"));
        say("docs/conformance.md is written");
        return ExitCode::SUCCESS;
    }
    let committed = document::read();
    if !committed.contains(&expectations) || !committed.contains(&results) {
        say("docs/conformance.md is not what was found; interop/conformance/table writes it anew");
        return ExitCode::FAILURE;
    }
    say("every cell is as docs/conformance.md says");
    ExitCode::SUCCESS
}

fn options() -> Result<Options, String> {
    let mut options = Options { check: false, all: false, verbose: false, subjects: Vec::new() };
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--check" => options.check = true,
            "--verbose" => options.verbose = true,
            name => {
                let mut all = subjects::all();
                let found = all.iter().position(|subject| subject.name() == name);
                options
                    .subjects
                    .push(all.swap_remove(found.ok_or_else(|| format!("there is no subject {name}"))?));
            }
        }
    }
    options.all = options.subjects.is_empty();
    if options.all {
        options.subjects = subjects::all();
    }
    Ok(options)
}

fn say(text: &str) {
    writeln!(io::stderr().lock(), "{text}").ok();
}

//! `cargo run --release -p openschannel-bench -- --help`

use std::fs;
use std::io::{ErrorKind, IsTerminal as _, Write as _, stderr, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser};
use openschannel_bench::goals::{self, Outcome};
use openschannel_bench::machine::{self, Machine};
use openschannel_bench::peers::OPTIONAL;
use openschannel_bench::progress::OnStderr;
use openschannel_bench::report::Report;
use openschannel_bench::suites::{self, Plan, Suite};
use openschannel_bench::text::{self, Style};
use openschannel_bench::{document, plot};

/// Measures how fast and how small OpenSchannel is, beside the bare AEAD and other TLS implementations in the same process.
///
/// In every round each contender runs one batch, in random order; ratios are taken inside a round, and what is shown is the median over all
/// rounds with its quartiles. Tables go to stdout, progress to stderr.
#[derive(Debug, Parser)]
#[command(name = "openschannel-bench", version, max_term_width = 110)]
struct Options {
    /// What to measure; everything if nothing is named
    #[arg(value_name = "SUITE")]
    suites: Vec<String>,
    /// Print one JSON document in place of tables; `--from` takes it
    #[arg(long)]
    json: bool,
    /// Write a plot of each table to this directory, as SVG
    #[arg(long, value_name = "DIR")]
    plot: Option<PathBuf>,
    /// Write the page for docs/ to this file; its plots go to a directory of the same name beside it
    #[arg(long, value_name = "FILE")]
    document: Option<PathBuf>,
    /// Do not measure: take the results of an earlier run
    #[arg(long, value_name = "FILE", conflicts_with_all = ["suites", "rounds", "seed", "quick"])]
    from: Option<PathBuf>,
    /// Rounds in place of each suite's own number
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rounds: Option<u32>,
    /// What the order of contenders follows from [default: another one each time]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// A twentieth of the rounds: to see that everything works
    #[arg(long)]
    quick: bool,
    /// Exit with 3 if a goal is missed
    #[arg(long)]
    check: bool,
}

/// How the program ends; usage errors are clap's, with 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exit {
    Done = 0,
    /// A suite could not run, or a file could not be read or written.
    Failed = 1,
    Usage = 2,
    /// With `--check`.
    GoalMissed = 3,
}

fn main() -> ExitCode {
    let command = Options::command().after_help(listing());
    let options = match Options::from_arg_matches(&command.get_matches()) {
        Ok(options) => options,
        Err(error) => error.exit(),
    };
    let exit = run(&options).unwrap_or_else(|(exit, why)| {
        say(&format!("openschannel-bench: {why}"));
        exit
    });
    ExitCode::from(exit as u8)
}

fn run(options: &Options) -> Result<Exit, (Exit, String)> {
    let failed = |why| (Exit::Failed, why);
    let report = match &options.from {
        Some(file) => read(file).map_err(failed)?,
        None => measure(options)?,
    };
    let verdicts = goals::judge(goals::all(), &report);
    if options.json {
        let json = serde_json::to_string_pretty(&report).map_err(|error| failed(error.to_string()))?;
        print(&json).map_err(failed)?;
    } else {
        let coloured = stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        let style = if coloured { Style::Terminal } else { Style::Plain };
        let parts = [text::machine(&report), text::tables(&report, style), text::goals(&verdicts, style)];
        print(parts.concat().trim_end()).map_err(failed)?;
    }
    if let Some(directory) = &options.plot {
        write_plots(&report, directory).map_err(failed)?;
    }
    if let Some(file) = &options.document {
        let directory = file.with_extension("");
        write_plots(&report, &directory).map_err(failed)?;
        let name = directory.file_name().unwrap_or_default().to_string_lossy().into_owned();
        write(file, &document::page(&report, &verdicts, &name)).map_err(failed)?;
    }
    let missed = verdicts.iter().any(|verdict| verdict.outcome() == Outcome::Missed);
    Ok(match (report.failed.is_empty(), options.check && missed) {
        (false, _) => Exit::Failed,
        (true, true) => Exit::GoalMissed,
        (true, false) => Exit::Done,
    })
}

fn measure(options: &Options) -> Result<Report, (Exit, String)> {
    let chosen = choose(&options.suites).map_err(|why| (Exit::Usage, why))?;
    let seed = options.seed.unwrap_or_else(|| fastrand::u64(1_000..1_000_000));
    let rounds = options.rounds.map(|rounds| rounds as usize);
    let plan = Plan { rounds, quick: options.quick, seed };
    for missing in OPTIONAL.iter().filter(|peer| !peer.built_in) {
        say(&format!(
            "{} is not built in: cargo run --release -p openschannel-bench --features {}",
            missing.name, missing.feature
        ));
    }
    if cfg!(debug_assertions) {
        say("This is a debug build; its figures mean nothing. Use cargo run --release.");
    }
    let mut report = Report {
        date: machine::today(),
        machine: Machine::describe(),
        seed,
        quick: options.quick,
        left_out: OPTIONAL.iter().filter(|peer| !peer.built_in).map(|peer| peer.name.to_owned()).collect(),
        failed: Vec::new(),
        measurements: Vec::new(),
    };
    let mut progress = OnStderr::new(chosen.iter().map(|suite| suite.steps(&plan)).sum());
    let mut steps = 0;
    for suite in chosen {
        progress.begin(suite.name());
        match suite.run(&plan, &mut progress) {
            Ok(measurements) => report.measurements.extend(measurements),
            Err(why) => report.failed.push((suite.name().to_owned(), why)),
        }
        steps += suite.steps(&plan);
        progress.skip_to(steps);
    }
    progress.end();
    Ok(report)
}

/// The suites of these names, in their own order.
fn choose(names: &[String]) -> Result<Vec<&'static dyn Suite>, String> {
    let all = suites::all();
    if let Some(unknown) =
        names.iter().find(|name| *name != "all" && !all.iter().any(|suite| suite.name() == **name))
    {
        return Err(format!("there is no suite {unknown}\n\n{}", listing()));
    }
    let everything = names.is_empty() || names.iter().any(|name| name == "all");
    Ok(all.into_iter().filter(|suite| everything || names.iter().any(|name| name == suite.name())).collect())
}

/// Suites, peers and exit codes, for the end of the help.
fn listing() -> String {
    let mut text = String::from("Suites:\n");
    for suite in suites::all() {
        text.push_str(&format!("  {:<10} {}\n", suite.name(), suite.about()));
    }
    text.push_str("  all        everything\n\nPeers:\n");
    for peer in OPTIONAL {
        let how =
            if peer.built_in { "built in".to_owned() } else { format!("with --features {}", peer.feature) };
        text.push_str(&format!("  {:<10} {how}\n", peer.name));
    }
    text.push_str(
        "\nExit codes: 0 done; 1 a suite could not run, or a file could not be read or written; 2 wrong usage;\n\
         3 a goal was missed (with --check)",
    );
    text
}

fn read(file: &Path) -> Result<Report, String> {
    let text = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    serde_json::from_str(&text).map_err(|error| format!("{} is no report: {error}", file.display()))
}

fn write_plots(report: &Report, directory: &Path) -> Result<(), String> {
    fs::create_dir_all(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    plot::all(report).iter().try_for_each(|plot| write(&directory.join(&plot.file), &plot.svg))
}

fn write(file: &Path, text: &str) -> Result<(), String> {
    fs::write(file, text).map_err(|error| format!("{}: {error}", file.display()))
}

fn print(text: &str) -> Result<(), String> {
    match writeln!(stdout(), "{text}") {
        // Whoever reads has seen enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        done => done.map_err(|error| format!("stdout: {error}")),
    }
}

fn say(line: &str) {
    writeln!(stderr(), "{line}").ok();
}

//! How many instructions sealing, opening, closing and handshakes take, against what they took when somebody looked last.
//!
//! Times of a shared machine cannot tell one percent; the number of instructions under valgrind can, and is the same from run to run. So a
//! change that makes a call dearer is seen before anybody measures.
//!
//! ```text
//! instructions            counts, and shows the counts beside the baselines
//! instructions --check    fails when an operation takes more than its tolerance above its baseline
//! instructions --renew    writes what was counted into the baselines: commit them with the change that is the reason
//! ```
//!
//! Each operation is counted in a process of its own: this program runs itself under `valgrind --tool=callgrind`, which collects only
//! inside of [`count_these_instructions`]. Setting up, the handshake before a record for instance, is not in the numbers.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for people")]
#![forbid(unsafe_code)]

mod baselines;
mod operations;

use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use baselines::{Baselines, Verdict};
use clap::Parser;
use operations::{Operation, Work};

/// Counts instructions under valgrind and compares them with the committed baselines.
#[derive(Debug, Parser)]
#[command(name = "instructions")]
struct Arguments {
    /// Fail when an operation takes more instructions than its baseline and tolerance allow
    #[arg(long, conflicts_with = "renew")]
    check: bool,
    /// Write the counts into the baselines
    #[arg(long)]
    renew: bool,
    /// Only operations whose name contains this
    #[arg(value_name = "NAME")]
    only: Option<String>,
    /// The file with the baselines
    #[arg(long, value_name = "FILE", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/instructions.json"))]
    baselines: PathBuf,
    /// Keep what callgrind wrote, for callgrind_annotate
    #[arg(long, value_name = "DIR")]
    profiles: Option<PathBuf>,
    /// Run one operation, to be counted by a valgrind around this process
    #[arg(long, value_name = "NAME", hide = true)]
    run: Option<String>,
}

/// An operation takes more than it may.
const EXIT_MORE: u8 = 1;
/// Nothing was compared: no valgrind, no baselines.
const EXIT_NOT_COUNTED: u8 = 2;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let operations = operations::all();
    if let Some(name) = &arguments.run {
        let Some(operation) = operations.iter().find(|operation| operation.name == *name) else {
            eprintln!("instructions: there is no operation {name:?}");
            return ExitCode::from(EXIT_NOT_COUNTED);
        };
        let mut work = (operation.prepare)();
        // Once for what is only done the first time.
        work.ready();
        work.work();
        work.ready();
        count_these_instructions(&mut *work);
        return ExitCode::SUCCESS;
    }
    match counted(&arguments, operations) {
        Ok(verdict) => verdict,
        Err(reason) => {
            eprintln!("instructions: {reason}");
            ExitCode::from(EXIT_NOT_COUNTED)
        }
    }
}

/// callgrind knows it by its name; [`COLLECTED`] is the same.
#[inline(never)]
fn count_these_instructions(work: &mut dyn Work) {
    work.work();
    // Behind the call, so that it is none in the tail, which would leave the function before the work is done.
    std::hint::black_box(());
}

const COLLECTED: &str = "*count_these_instructions*";

fn counted(arguments: &Arguments, operations: Vec<Operation>) -> Result<ExitCode, String> {
    let wanted = |operation: &Operation| {
        arguments.only.as_ref().is_none_or(|part| operation.name.contains(part.as_str()))
    };
    let operations: Vec<Operation> = operations.into_iter().filter(wanted).collect();
    if operations.is_empty() {
        return Err("no operation has that in its name".to_owned());
    }
    let mut baselines = match Baselines::read(&arguments.baselines) {
        Ok(baselines) => baselines,
        Err(_) if arguments.renew => Baselines::default(),
        Err(reason) => return Err(format!("{reason}; --renew makes new ones")),
    };
    let counts = count_all(&operations, arguments.profiles.as_deref())?;

    println!("instructions for one operation, under {}", valgrind_version()?);
    println!("{:<60} {:>12} {:>12} {:>8}  may differ by", "", "now", "baseline", "");
    let mut more = 0;
    let mut less = 0;
    for (operation, count) in operations.iter().zip(&counts) {
        let verdict = baselines.verdict(operation, *count);
        more += usize::from(verdict == Verdict::More);
        less += usize::from(verdict == Verdict::Less);
        let baseline = baselines.of(operation);
        println!(
            "{:<60} {count:>12} {:>12} {:>8}  {} % {}",
            operation.name,
            baseline.map_or_else(|| "-".to_owned(), |baseline| baseline.to_string()),
            baseline.map_or_else(String::new, |baseline| difference(*count, baseline)),
            operation.tolerance,
            verdict.remark(),
        );
    }
    if arguments.renew {
        let all = arguments.only.is_none();
        baselines.renew(&operations, &counts, all, valgrind_version()?);
        baselines.write(&arguments.baselines)?;
        println!("\nwritten to {}", arguments.baselines.display());
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(difference) = baselines.made_otherwise(&valgrind_version()?) {
        println!("\n{difference}");
    }
    if less > 0 {
        println!("\n{less} take less than before: --renew keeps it that way");
    }
    if more > 0 {
        println!(
            "\n{more} take more than they may, or are new. If that is the price of something that is worth it: --renew"
        );
        if arguments.check {
            return Ok(ExitCode::from(EXIT_MORE));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// As many at a time as there are processors.
fn count_all(operations: &[Operation], profiles: Option<&Path>) -> Result<Vec<u64>, String> {
    valgrind_version()?;
    let scratch = std::env::temp_dir().join(format!("openschannel-instructions-{}", std::process::id()));
    let directory = profiles.unwrap_or(&scratch);
    std::fs::create_dir_all(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    let next = AtomicUsize::new(0);
    let counts = Mutex::new(vec![Err(String::new()); operations.len()]);
    let at_a_time = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| {
        for _ in 0..at_a_time {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(operation) = operations.get(index) else { return };
                    eprintln!("{} of {}: {}", index + 1, operations.len(), operation.name);
                    let count = count(operation, &directory.join(format!("callgrind.{index}")));
                    if let Ok(mut counts) = counts.lock() {
                        counts[index] = count;
                    }
                }
            });
        }
    });
    if profiles.is_none() {
        std::fs::remove_dir_all(&scratch).ok();
    }
    counts.into_inner().map_err(|error| error.to_string())?.into_iter().collect()
}

fn count(operation: &Operation, output: &Path) -> Result<u64, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut file = std::ffi::OsString::from("--callgrind-out-file=");
    file.push(output);
    let run = Command::new("valgrind")
        .args(["--quiet", "--tool=callgrind", &format!("--toggle-collect={COLLECTED}")])
        .arg(file)
        .arg(program)
        .args(["--run", &operation.name])
        .output()
        .map_err(|error| format!("valgrind: {error}"))?;
    if !run.status.success() {
        return Err(format!("{}: {}", operation.name, String::from_utf8_lossy(&run.stderr)));
    }
    let profile = std::fs::read_to_string(output).map_err(|error| error.to_string())?;
    let total = profile.lines().find_map(|line| line.strip_prefix("totals: "));
    let total: u64 = total.and_then(|number| number.trim().parse().ok()).unwrap_or(0);
    if total == 0 {
        return Err(format!("{}: callgrind has counted nothing", operation.name));
    }
    Ok(total / operation.times)
}

fn valgrind_version() -> Result<String, String> {
    let run = Command::new("valgrind").arg("--version").output();
    let run = run.map_err(|_| "valgrind is missing: apt-get install valgrind".to_owned())?;
    Ok(String::from_utf8_lossy(&run.stdout).trim().to_owned())
}

#[expect(clippy::cast_precision_loss, reason = "a percentage with one place")]
fn difference(now: u64, before: u64) -> String {
    format!("{:+.1} %", (now as f64 / before as f64 - 1.0) * 100.0)
}

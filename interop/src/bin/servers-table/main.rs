//! Asks every server how it ends its connections, and keeps the answers in docs/servers.md. Started by `interop/servers/table`, which says
//! how.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a tool for developers: what goes wrong ends it, at the spot"
)]

mod answers;
mod document;

use std::collections::VecDeque;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::sync::Mutex;
use std::{fs, io, thread};

use openschannel_interop::certificates::{Certificates, SERVER_NAME};
use openschannel_interop::program::openschannel;
use openschannel_interop::servers::{Running, Server};

use answers::Answers;

/// Rounds that the table is written from. A verdict that depends on chance shows itself in one of them, as a rule.
const ROUNDS: usize = 3;

/// A verdict that --check finds changed is asked for so many times more; chance is not to fail a build.
const AGAIN: usize = 3;

/// Servers that are probed at the same time. The probe waits more than it works.
const AT_ONCE: usize = 5;

/// For the idle question, in seconds. The longest time that stands at its default is half a minute, in our own server.
const IDLE_LIMIT: &str = "40";

/// A server and its port.
type Listening = (Server, u16);

struct Options {
    check: bool,
    json: Option<PathBuf>,
    servers: Vec<Server>,
}

fn main() -> ExitCode {
    let options = match options() {
        Ok(options) => options,
        Err(problem) => {
            say(&problem);
            return ExitCode::from(2);
        }
    };
    let certificates = Certificates::new();
    let running: Vec<Running> = options.servers.iter().map(|server| server.start(&certificates)).collect();
    let listening: Vec<Listening> = running.iter().map(|one| (one.server, one.port)).collect();
    let mut answers: Vec<Answers> = Vec::new();
    for round in 0..if options.check { 1 } else { ROUNDS } {
        for (known, new) in ask_all(&certificates, &listening, &options, round).into_iter().enumerate() {
            match answers.get_mut(known) {
                Some(known) => known.add(new),
                None => answers.push(new),
            }
        }
    }
    if options.check {
        return check(&certificates, &listening, &options, answers);
    }
    if options.servers.len() < Server::ALL.len() {
        io::stdout().write_all(document::generated(&answers).as_bytes()).unwrap();
    } else {
        document::write(&answers);
        say("docs/servers.md is written");
    }
    ExitCode::SUCCESS
}

/// Fails if an answer is none of those in the table, however often it is asked for.
fn check(
    certificates: &Certificates,
    listening: &[Listening],
    options: &Options,
    answers: Vec<Answers>,
) -> ExitCode {
    let committed = document::read();
    let mut failed = false;
    for (&to, mut answers) in listening.iter().zip(answers) {
        let mut differences = committed.differences(&answers);
        for round in 1..=AGAIN {
            if differences.is_empty() {
                break;
            }
            say(&format!("{}: asked again: {}", to.0.name, differences.join("; ")));
            answers = ask(certificates, to, options, round);
            let still = committed.differences(&answers);
            // What was right once is right.
            differences.retain(|difference| still.iter().any(|other| place(other) == place(difference)));
        }
        for difference in &differences {
            failed = true;
            say(&format!("{}: {difference}", to.0.name));
            say(&answers.evidence(place(difference)));
        }
    }
    if failed {
        say("this is not what docs/servers.md says; if it is right, interop/servers/table writes it anew");
        return ExitCode::FAILURE;
    }
    say("every verdict is as in docs/servers.md");
    ExitCode::SUCCESS
}

/// A difference begins with the question.
fn place(difference: &str) -> &str {
    difference.split(':').next().unwrap_or_default()
}

/// One round, in the servers' order.
fn ask_all(
    certificates: &Certificates,
    listening: &[Listening],
    options: &Options,
    round: usize,
) -> Vec<Answers> {
    let queue: Mutex<VecDeque<usize>> = Mutex::new((0..listening.len()).collect());
    let results: Mutex<Vec<Option<Answers>>> = Mutex::new(listening.iter().map(|_| None).collect());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let Some(next) = queue.lock().unwrap().pop_front() else { return };
                    let answers = ask(certificates, listening[next], options, round);
                    results.lock().unwrap()[next] = Some(answers);
                }
            });
        }
    });
    results.into_inner().unwrap().into_iter().map(Option::unwrap).collect()
}

/// All questions to one server.
fn ask(certificates: &Certificates, to: Listening, options: &Options, round: usize) -> Answers {
    let mut probe: Command = openschannel();
    probe
        .args(["probe", &format!("127.0.0.1:{}", to.1), "--json", "--sni", SERVER_NAME, "--ca"])
        .arg(certificates.authority_file())
        .args(["--http", to.0.large.unwrap_or(to.0.small), "--idle-limit", IDLE_LIMIT]);
    let output = probe.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    // The grade is the exit code; 1 and 2 are no grades.
    assert!(!matches!(output.status.code(), Some(1 | 2) | None), "{probe:?}: {}\n{errors}", output.status);
    if let Some(directory) = &options.json {
        fs::create_dir_all(directory).unwrap();
        fs::write(directory.join(format!("{}.{round}.json", to.0.name)), &output.stdout).unwrap();
    }
    let answers = Answers::from_json(to.0, &output.stdout);
    say(&format!("{}: {}", to.0.name, answers.grades()));
    answers
}

fn options() -> Result<Options, String> {
    let mut options = Options { check: false, json: None, servers: Vec::new() };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--check" => options.check = true,
            "--json" => options.json = Some(arguments.next().ok_or("--json needs a directory")?.into()),
            name => {
                let server = Server::named(name).ok_or_else(|| format!("there is no server {name}"))?;
                options.servers.push(server);
            }
        }
    }
    if options.servers.is_empty() {
        options.servers = Server::ALL.to_vec();
    }
    Ok(options)
}

fn say(text: &str) {
    writeln!(io::stderr().lock(), "{text}").ok();
}

//! Other programs: started, listened to line by line, killed when dropped.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use crate::DEADLINE;

/// A running program. Dropping it kills it.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    heard: Vec<String>,
    errors: Option<JoinHandle<String>>,
}

impl Process {
    /// Starts it with pipes for its input and output. A program that is not there fails the test and is named.
    pub fn start(command: &mut Command) -> Self {
        Self::start_with_output(command, Stdio::piped())
    }

    /// Starts it with its output somewhere else; its lines are then never heard.
    pub fn start_with_output(command: &mut Command, output: impl Into<Stdio>) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        let mut child =
            command.stdin(Stdio::piped()).stdout(output).stderr(Stdio::piped()).spawn().unwrap_or_else(
                |error| panic!("{name} cannot be started ({error}); interop/peers/setup installs it"),
            );
        let mut complaints = child.stderr.take().unwrap();
        let (sender, lines) = mpsc::channel();
        if let Some(output) = child.stdout.take() {
            let sender = sender.clone();
            thread::spawn(move || {
                let mut output = BufReader::new(output);
                let mut line = Vec::new();
                // Not by `lines()`: programs print what is no UTF-8.
                while output.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                    if sender.send(String::from_utf8_lossy(&line).trim_end().to_owned()).is_err() {
                        break;
                    }
                    line.clear();
                }
            });
        }
        let errors = thread::spawn(move || {
            let mut text = Vec::new();
            complaints.read_to_end(&mut text).ok();
            // The channel is open until both outputs have ended.
            drop(sender);
            String::from_utf8_lossy(&text).into_owned()
        });
        let input = child.stdin.take();
        Self { name, child, input, lines, heard: Vec::new(), errors: Some(errors) }
    }

    /// The next line of its output that begins with `start`; others before it are passed over.
    pub fn line(&mut self, start: &str) -> String {
        let began = Instant::now();
        loop {
            match self.lines.recv_timeout(DEADLINE.saturating_sub(began.elapsed())) {
                Ok(line) => {
                    self.heard.push(line.clone());
                    if line.starts_with(start) {
                        return line;
                    }
                }
                Err(why) => self.fail(&format!("no line \"{start}\" ({why})")),
            }
        }
    }

    /// Its standard input; once.
    pub fn take_input(&mut self) -> ChildStdin {
        self.input.take().unwrap()
    }

    /// Ends its standard input.
    pub fn close_input(&mut self) {
        self.input = None;
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for its end. Gives the exit status, and everything it printed.
    pub fn finish(mut self) -> Finished {
        self.input = None;
        let began = Instant::now();
        loop {
            match self.lines.recv_timeout(DEADLINE.saturating_sub(began.elapsed())) {
                Ok(line) => self.heard.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => self.fail("it does not end"),
            }
        }
        // Its outputs have ended, so it is as good as gone.
        let status = self.child.wait().unwrap();
        let errors = self.errors.take().unwrap().join().unwrap();
        Finished { status, output: std::mem::take(&mut self.heard), errors }
    }

    /// Fails the test with all that the program has said.
    fn fail(&mut self, what: &str) -> ! {
        self.child.kill().ok();
        let status = self.child.wait();
        let errors = self.errors.take().and_then(|errors| errors.join().ok()).unwrap_or_default();
        let mut said = String::new();
        for line in &self.heard {
            writeln!(said, "  {line}").unwrap();
        }
        panic!("{}: {what}; {status:?}; it said:\n{said}and complained:\n{errors}", self.name);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A program that has ended.
#[derive(Debug)]
pub struct Finished {
    /// How.
    pub status: ExitStatus,
    /// The lines it printed.
    pub output: Vec<String>,
    /// Its standard error.
    pub errors: String,
}

impl Finished {
    /// Fails the test unless it ended well.
    #[track_caller]
    pub fn succeeded(self) -> Self {
        assert!(self.status.success(), "{}\n{}\n{}", self.status, self.output.join("\n"), self.errors);
        self
    }

    /// Its output as one text.
    pub fn text(&self) -> String {
        self.output.join("\n")
    }
}

/// Runs a program to its end; fails the test unless it ends well.
pub fn run(command: &mut Command) -> Finished {
    Process::start(command).finish().succeeded()
}

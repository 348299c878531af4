//! wrk: asks one server for a second.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::rc::Rc;

use super::Ask;
use super::servers::{LOADS_CORE, Server, Site, find, on_core};
use crate::measure::Contender;

/// What wrk says at the end: microseconds, answers, bytes, and what went wrong. Its own words are rounded.
const SCRIPT: &str = "done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format('\\nRESULT %d %d %d %d\\n', summary.duration, summary.requests, summary.bytes,
    e.connect + e.read + e.write + e.status + e.timeout))
end
";

/// The program, and its script.
#[derive(Debug)]
pub(super) struct Wrk {
    program: PathBuf,
    script: PathBuf,
}

impl Wrk {
    pub(super) fn find(site: &Site) -> Result<Self, String> {
        let program = find("wrk").ok_or("wrk asks the servers, and it is not there: apt-get install wrk")?;
        let script = site.path("result.lua");
        fs::write(&script, SCRIPT).map_err(|error| format!("no script for wrk: {error}"))?;
        Ok(Self { program, script })
    }

    /// Asks for a second.
    fn run(&self, port: u16, ask: Ask) -> Result<Outcome, String> {
        let connections = if ask == Ask::Small { "-c32" } else { "-c8" };
        let mut command = Command::new(&self.program);
        command.args(["-t1", connections, "-d1s", "-s"]).arg(&self.script);
        command.arg(format!("https://127.0.0.1:{port}/{}", ask.file()));
        let output = on_core(LOADS_CORE, || command.output())?.map_err(|error| format!("wrk: {error}"))?;
        let text = String::from_utf8_lossy(&output.stdout);
        parse(&text).ok_or_else(|| format!("wrk says: {text} {}", String::from_utf8_lossy(&output.stderr)))
    }
}

/// What wrk saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Outcome {
    microseconds: u64,
    answers: u64,
    bytes: u64,
    errors: u64,
}

fn parse(text: &str) -> Option<Outcome> {
    let line = text.lines().find_map(|line| line.strip_prefix("RESULT "))?;
    let numbers: Vec<u64> = line.split(' ').map(str::parse).collect::<Result<_, _>>().ok()?;
    let [microseconds, answers, bytes, errors] = numbers.try_into().ok()?;
    Some(Outcome { microseconds, answers, bytes, errors })
}

/// A server, asked by wrk.
pub(super) struct Asked {
    pub(super) server: Rc<Server>,
    pub(super) wrk: Rc<Wrk>,
    pub(super) ask: Ask,
}

impl Contender for Asked {
    fn name(&self) -> String {
        self.server.name.to_owned()
    }

    fn batch(&mut self, values: &mut Vec<f64>) {
        let outcome = self.wrk.run(self.server.port, self.ask).unwrap_or_else(|why| panic!("{why}"));
        let seconds = outcome.microseconds as f64 / 1e6;
        values.push(match self.ask {
            Ask::Small => {
                assert_eq!(outcome.errors, 0, "{}: answers that are none do not count", self.server.name);
                outcome.answers as f64 / seconds
            }
            // A connection that the server ends behind an answer counts as an error with wrk.
            Ask::Large => outcome.bytes as f64 / seconds,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_wrk_says_is_read() {
        let said = "Running 1s test\n  4 requests in 1.00s\n\nRESULT 1000123 4 4400 0\n";
        assert_eq!(
            parse(said),
            Some(Outcome { microseconds: 1_000_123, answers: 4, bytes: 4_400, errors: 0 })
        );
        assert_eq!(parse("unable to connect"), None);
        assert_eq!(parse("RESULT 1 2 3"), None);
    }
}

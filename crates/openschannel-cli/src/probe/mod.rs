//! `openschannel probe`: how a TLS server ends its connections.
//!
//! ```text
//!   questions/  what is sent and awaited on a connection        one connection for each question and version
//!      |
//!      v
//!   wire ----> log (evidence) and seen (what came) ----> verdict ----> grade ----> report, human
//!   (the only part with a socket)                        pure functions from here on
//! ```

mod grade;
mod http;
mod human;
mod log;
mod options;
mod progress;
mod question;
mod questions;
mod report;
mod run;
mod seen;
mod setup;
mod verdict;
mod wire;

use std::io::{IsTerminal as _, Write as _};

use crate::exit::{Exit, Failure, cannot_write};
use crate::options::Version;

pub(crate) use options::ProbeOptions;

use human::{Colour, render};
use run::probe;

pub(crate) fn run(options: &ProbeOptions) -> Result<Exit, Failure> {
    let setup = options.setup()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("cannot start: {error}")))?;
    let versions: &[Version] = match options.protocol {
        Some(Version::Tls12) => &[Version::Tls12],
        Some(Version::Tls13) => &[Version::Tls13],
        None => &[Version::Tls12, Version::Tls13],
    };
    let result = runtime.block_on(async {
        tokio::select! {
            report = probe(setup, options.target(), versions) => report,
            _ = tokio::signal::ctrl_c() => Err(Failure::new("interrupted; nothing is reported")),
        }
    });
    progress::clear();
    // A name may still be looked up; nobody waits for it.
    runtime.shutdown_background();
    let report = result?;
    let stdout = std::io::stdout();
    let text = if options.json {
        report.to_json() + "\n"
    } else {
        let is_plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let colour = if stdout.is_terminal() && !is_plain { Colour::Yes } else { Colour::No };
        render(&report, versions, colour, options.evidence)
    };
    stdout.lock().write_all(text.as_bytes()).map_err(cannot_write)?;
    Ok(report.grade.into())
}

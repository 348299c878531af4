//! The program `openschannel`: connections that open, talk and end properly, over the Schannel provider.
#![forbid(unsafe_code)]

mod certs;
mod connect;
mod demo;
mod exit;
mod options;
mod peer;
mod probe;
mod report;
mod serve;
mod starttls;
mod trace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use exit::{Exit, Failure};

/// TLS connections that open, talk and end properly, over the Schannel provider.
#[derive(Debug, Parser)]
#[command(
    name = "openschannel",
    version,
    after_help = "\
Examples:
  openschannel demo                                  the main job, with nothing set up
  openschannel serve --listen 127.0.0.1:8443 --echo --write-ca ca.pem
  openschannel connect localhost:8443 --ca ca.pem < file > echo
  openschannel serve --listen 127.0.0.1:8443 --www . --write-ca ca.pem
  openschannel probe localhost:8443 --ca ca.pem      how does this server close?

How the other side ended is in connect's exit code: 0 in order, 3 truncated, 4 reset, 5 by an alert, 6 not at all."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::DemoOptions),
    Connect(connect::ConnectOptions),
    Serve(serve::ServeOptions),
    Probe(probe::ProbeOptions),
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version come this way too; where it cannot be printed nobody is there to read it.
            error.print().ok();
            return if error.use_stderr() { Exit::Usage.into() } else { Exit::Clean.into() };
        }
    };
    let result = match &cli.command {
        Command::Demo(options) => demo::run(options),
        Command::Connect(options) => connect::run(options),
        Command::Serve(options) => serve::run(options),
        Command::Probe(options) => probe::run(options),
    };
    match result {
        Ok(exit) => exit.into(),
        Err(failure) => {
            failure.tell();
            Failure::exit(&failure).into()
        }
    }
}

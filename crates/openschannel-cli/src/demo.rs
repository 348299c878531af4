//! `openschannel demo`: the main job over loopback sockets, with every SSPI call in the open.
//!
//! Both sides run in one thread and take turns: what the calls answer, and in which order they come, is then the same in every run.

mod connection;

use std::fmt::Write as _;
use std::io::Write as _;

use clap::Args;
use openschannel::Role;
use openschannel::attributes::Protocol;
use serde::Serialize;

use crate::certs::ThrowAway;
use crate::exit::{Exit, Failure, cannot_write};
use crate::options::Version;
use crate::report::{Report, protocol_name};
use crate::trace::{CallRecord, side_name};

use connection::Connection;

/// Shows the main job with nothing set up: a server and a client over real loopback sockets, a message each way, and the
/// documented shutdown, first by the client, then by the server.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  openschannel demo                     both protocol versions, for people
  openschannel demo --protocol tls1.3   one of them
  openschannel demo --json              one JSON document on stdout, for programs

Exit code 0 if every connection was opened, used and ended in order; otherwise 1.")]
pub(crate) struct DemoOptions {
    /// Only this protocol version [default: both]
    #[arg(long, value_enum)]
    protocol: Option<Version>,
    /// One JSON document on stdout
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(options: &DemoOptions) -> Result<Exit, Failure> {
    let certificate = ThrowAway::make()?;
    let versions = options.protocol.map_or_else(|| vec![Version::Tls12, Version::Tls13], |one| vec![one]);
    let mut connections = Vec::new();
    for version in versions {
        for initiator in [Role::Client, Role::Server] {
            connections.push(demonstrate(version.protocol(), initiator, &certificate));
        }
    }
    let clean = connections.iter().all(Demonstration::is_clean);
    let document = Document { verdict: if clean { "clean" } else { "failed" }, connections };
    let text = if options.json { document.to_json()? } else { document.to_text() };
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).map_err(cannot_write)?;
    Ok(if clean { Exit::Clean } else { Exit::Failed })
}

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Document {
    connections: Vec<Demonstration>,
    verdict: &'static str,
}

/// One connection from its first call to its last.
#[derive(Debug, Serialize)]
struct Demonstration {
    protocol: &'static str,
    initiator: &'static str,
    cipher_suite: Option<&'static str>,
    calls: Vec<CallRecord>,
    client: Report,
    server: Report,
    /// What kept it from coming to its end.
    error: Option<String>,
}

fn demonstrate(protocol: Protocol, initiator: Role, certificate: &ThrowAway) -> Demonstration {
    let mut demonstration = Demonstration {
        protocol: protocol_name(protocol),
        initiator: side_name(initiator),
        cipher_suite: None,
        calls: Vec::new(),
        client: Report::nothing(),
        server: Report::nothing(),
        error: None,
    };
    match Connection::open(protocol, certificate) {
        Ok(mut connection) => {
            demonstration.error = connection.run(initiator).err().map(|failure| failure.to_string());
            demonstration.cipher_suite = connection.cipher_suite();
            demonstration.client = connection.report(Role::Client);
            demonstration.server = connection.report(Role::Server);
            demonstration.calls = connection.into_calls();
        }
        Err(failure) => demonstration.error = Some(failure.to_string()),
    }
    demonstration
}

impl Demonstration {
    fn is_clean(&self) -> bool {
        self.error.is_none() && self.client.is_clean() && self.server.is_clean()
    }
}

impl Document {
    fn to_json(&self) -> Result<String, Failure> {
        serde_json::to_string_pretty(self)
            .map(|json| json + "\n")
            .map_err(|error| Failure::new(format!("cannot write JSON: {error}")))
    }

    fn to_text(&self) -> String {
        let mut text = String::new();
        for shown in &self.connections {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{}: the {} ends the connection first", shown.protocol, shown.initiator);
            for call in &shown.calls {
                let _ = writeln!(text, "  {}", call.to_string().replace('\n', "\n  "));
            }
            for (side, report) in [("client", &shown.client), ("server", &shown.server)] {
                let _ = writeln!(text, "  {side}'s closing report: {report}");
            }
            if let Some(error) = &shown.error {
                let _ = writeln!(text, "  {error}");
            }
            text.push('\n');
        }
        let (count, clean) =
            (self.connections.len(), self.connections.iter().filter(|shown| shown.is_clean()).count());
        let _ = writeln!(
            text,
            "verdict: {}: {clean} of {count} connections were ended in order by both sides",
            self.verdict
        );
        text
    }
}

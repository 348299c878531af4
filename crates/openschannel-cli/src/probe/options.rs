//! The command line of `probe`.

use std::time::Duration;

use clap::Args;
use openschannel::credentials::OutboundCredentials;

use crate::exit::Failure;
use crate::options::Version;
use crate::peer::PeerOptions;
use crate::starttls;

use super::setup::{SMALL_PATH, Setup};

/// A healthy server answers within milliseconds, one at the other end of the world within one second.
const DEFAULT_TIMEOUT: &str = "5";

/// Many servers end idle connections after 5 to 30 seconds; who watches waits no longer without being asked.
const DEFAULT_IDLE_LIMIT: &str = "40";

/// A longer silence is a mistake on the command line.
const MAX_TIMEOUT: f64 = 60.0;

/// An hour, likewise.
const MAX_IDLE_LIMIT: f64 = 3_600.0;

/// Finds out how a TLS server ends its connections.
///
/// Each question has a connection of its own, for TLS 1.2 and TLS 1.3: does the server answer a close_notify, send one before its FIN,
/// survive half-close, ignore what comes behind the end? The report has a verdict for each, the rule it rests on, and a grade.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes:
  0   grade A
  1   the server could not be probed
  2   the command line makes no sense
  10  grade B
  11  grade C
  12  grade D
  13  grade F

At most four connections are open at once, two idle ones beside them. What each question does, its verdicts and the JSON
are in docs/probe.md.

Examples:
  openschannel probe example.org:443
  openschannel probe localhost:8443 --ca ca.pem --http /large.bin --evidence
  openschannel probe mail.example.org:25 --starttls smtp --json > report.json")]
pub(crate) struct ProbeOptions {
    #[command(flatten)]
    peer: PeerOptions,
    /// Begin TLS by this protocol's STARTTLS; no HTTP is spoken then
    #[arg(long, value_enum, value_name = "PROTOCOL", conflicts_with_all = ["http", "no_http"])]
    starttls: Option<starttls::Protocol>,
    /// A path with a large response, 256 KiB at least, for the questions that need one [default: /]
    #[arg(long, value_name = "PATH", value_parser = parse_path)]
    http: Option<String>,
    /// The server does not speak HTTP: ask only what needs no request
    #[arg(long, conflicts_with = "http")]
    no_http: bool,
    /// Ask in this version only
    #[arg(long, value_enum, value_name = "VERSION")]
    pub(super) protocol: Option<Version>,
    /// How many seconds of silence stand for `nothing comes`
    #[arg(long, value_name = "SECONDS", default_value = DEFAULT_TIMEOUT, value_parser = parse_timeout)]
    timeout: Duration,
    /// How many seconds an idle connection is watched; 0 does not ask
    #[arg(long, value_name = "SECONDS", default_value = DEFAULT_IDLE_LIMIT, value_parser = parse_idle_limit)]
    idle_limit: Duration,
    /// The report as one JSON object
    #[arg(long)]
    pub(super) json: bool,
    /// Show what was sent and what came, for every question; JSON always has it
    #[arg(long, visible_alias = "verbose", short_alias = 'v')]
    pub(super) evidence: bool,
}

impl ProbeOptions {
    pub(super) fn setup(&self) -> Result<Setup, Failure> {
        let builder = self.peer.credentials(OutboundCredentials::builder())?;
        let http_path = match (self.no_http, self.starttls) {
            (false, None) => Some(self.http.clone().unwrap_or_else(|| SMALL_PATH.to_owned())),
            _ => None,
        };
        let (address, name) = (self.peer.address.clone(), self.peer.name().to_owned());
        Setup::new(address, name, self.starttls, self.timeout, self.idle_limit, http_path, builder)
    }

    /// As it was asked for.
    pub(super) fn target(&self) -> String {
        self.peer.address.to_string()
    }
}

fn parse_path(text: &str) -> Result<String, String> {
    if text.starts_with('/') && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(text.to_owned())
    } else {
        Err("a path begins with / and has neither spaces nor control characters".to_owned())
    }
}

fn parse_timeout(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.1..=MAX_TIMEOUT).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err(format!("a number of seconds from 0.1 to {MAX_TIMEOUT}")),
    }
}

fn parse_idle_limit(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.0..=MAX_IDLE_LIMIT).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err(format!("a number of seconds from 0 to {MAX_IDLE_LIMIT}")),
    }
}

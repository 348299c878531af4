//! `openschannel serve`: many connections at once, each ended in order and accounted for.

mod echo;
mod files;
mod http;
mod misbehave;
mod output;
mod session;
mod stop;
mod www;

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use openschannel::credentials::{ClientAuth, InboundCredentials};
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::task::{JoinError, JoinSet};
use tokio::time::sleep;

use crate::certs::ThrowAway;
use crate::connect::parse_seconds;
use crate::exit::{Exit, Failure};
use crate::options::{IdentityOptions, TlsOptions, not_acquired, read_roots, with_tls_options};
use crate::report::ConnectionReport;

use files::Root;
use misbehave::{Misbehaviour, Mode};
use output::Output;
use session::{Service, Session};
use stop::{Signals, Stop, Stopper};

/// Connections at once; more wait in the system's queue. Each costs a file descriptor and, while data flows, some 400 KiB.
const MAX_CONNECTIONS: usize = 10_000;

/// After an accept that failed, for want of descriptors as a rule: until some are free again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// After SIGINT or SIGTERM every connection is to be closed within this time; what then still runs is cut.
const STOP_TIME: Duration = Duration::from_secs(5);

/// Serves TLS: an echo for tests, or the files of a directory over HTTP/1.1.
///
/// Without a certificate a throw-away one is made for localhost, 127.0.0.1 and ::1. SIGINT and SIGTERM close every connection in
/// order, within five seconds.
#[derive(Debug, Args)]
#[command(after_help = "\
On stdout: `listening on ADDRESS:PORT` when connections are taken, then a closing report for each connection, at the end a
tally; with --json each as one JSON object on a line, its field `event` being `listening`, `connection` or `tally`.

Exit codes:
  0  asked to stop, or all connections of --accept-count served
  1  cannot listen, cannot read the certificate, anything else
  2  the command line makes no sense

Examples:
  openschannel serve --listen 127.0.0.1:8443 --echo --write-ca ca.pem
  openschannel connect localhost:8443 --ca ca.pem
  openschannel serve --listen 0.0.0.0:443 --cert chain.pem --key key.pem --www /srv/www
  curl --cacert ca.pem https://localhost:8443/file")]
pub(crate) struct ServeOptions {
    /// Where to listen: address and port; port 0 takes a free one
    #[arg(long, value_name = "ADDR:PORT")]
    listen: String,
    #[command(flatten)]
    identity: IdentityOptions,
    /// Where the throw-away certificate is written, for clients to trust [default: a new file in the temporary directory]
    #[arg(long, value_name = "FILE", conflicts_with_all = ["cert", "pfx"])]
    write_ca: Option<PathBuf>,
    #[command(flatten)]
    service: ServiceOptions,
    /// End after so many connections
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    accept_count: Option<u64>,
    /// Ask clients for a certificate, or refuse those without
    #[arg(long, value_enum, value_name = "HOW", requires = "client_ca")]
    client_auth: Option<AskClients>,
    /// The roots (PEM) that client certificates must lead to
    #[arg(long, value_name = "FILE", requires = "client_auth")]
    client_ca: Option<PathBuf>,
    /// Break the rules where a connection would be ended in order, for tests of clients; docs/misbehave.md explains each
    #[arg(long, value_enum, value_name = "MODE")]
    misbehave: Option<Mode>,
    /// How many seconds hang and no-answer hold a connection [default: 60], and how late late-close is [default: 3]
    #[arg(long, value_name = "SECONDS", requires = "misbehave", value_parser = parse_seconds)]
    misbehave_time: Option<Duration>,
    #[command(flatten)]
    tls: TlsOptions,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct ServiceOptions {
    /// Send back what comes until the client closes its side
    #[arg(long)]
    echo: bool,
    /// Answer HTTP/1.1 GET and HEAD with the files of this directory
    #[arg(long, value_name = "DIR")]
    www: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum AskClients {
    /// A client without a certificate is served too
    Request,
    /// A client without a certificate is refused
    Require,
}

pub(crate) fn run(options: &ServeOptions) -> Result<Exit, Failure> {
    let (credentials, ca) = credentials(options)?;
    let service = match &options.service.www {
        Some(directory) => Service::Www(Root::new(directory).map_err(|error| {
            Failure::new(format!("cannot serve {}: {error}", directory.display()))
                .hint("--www takes a directory")
        })?),
        None => Service::Echo,
    };
    let misbehaviour = options.misbehave.map(|mode| Misbehaviour { mode, time: options.misbehave_time });
    let session =
        Session { credentials, service, misbehaviour, trace: options.tls.trace, json: options.tls.json };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("cannot start: {error}")))?;
    let result = runtime.block_on(serve(options, Arc::new(session), ca));
    // A file system that does not answer must not keep the program from ending.
    runtime.shutdown_background();
    result
}

/// The credentials, and where the certificate made for them lies.
fn credentials(options: &ServeOptions) -> Result<(InboundCredentials, Option<PathBuf>), Failure> {
    let (identity, ca) = match options.identity.load()? {
        Some(identity) => (identity, None),
        None => {
            let made = ThrowAway::make()?;
            let path = made.write(options.write_ca.as_deref())?;
            (made.identity, Some(path))
        }
    };
    let mut builder = with_tls_options!(InboundCredentials::builder(), &options.tls).identity(identity);
    if let (Some(how), Some(path)) = (options.client_auth, &options.client_ca) {
        builder = builder.trust(read_roots(path)?).client_auth(match how {
            AskClients::Request => ClientAuth::Request,
            AskClients::Require => ClientAuth::Require,
        });
    }
    Ok((builder.acquire().map_err(|error| not_acquired(&error))?, ca))
}

async fn serve(options: &ServeOptions, session: Arc<Session>, ca: Option<PathBuf>) -> Result<Exit, Failure> {
    let mut signals =
        Signals::listen().map_err(|error| Failure::new(format!("cannot watch for signals: {error}")))?;
    let listener =
        TcpListener::bind(&options.listen).await.map_err(|error| cannot_listen(&options.listen, &error))?;
    let address = listener.local_addr().map_err(|error| cannot_listen(&options.listen, &error))?;
    let mut log = Log { json: options.tls.json, output: Output::start() };
    log.listening(&address.to_string(), address.port(), ca);

    let (stopper, stop) = Stopper::new();
    let mut live = JoinSet::new();
    let mut tally = Tally::default();
    let mut to_accept = options.accept_count.unwrap_or(u64::MAX);
    while to_accept > 0 {
        tokio::select! {
            () = signals.received() => break,
            Some(ended) = live.join_next() => log.ended(ended, &mut tally),
            accepted = listener.accept(), if live.len() < MAX_CONNECTIONS => match accepted {
                Ok((socket, peer)) => {
                    to_accept -= 1;
                    live.spawn(Arc::clone(&session).run(socket, peer, Stop::clone(&stop)));
                }
                // The connection is gone, or descriptors are short; neither is a reason to end.
                Err(error) => {
                    writeln!(io::stderr().lock(), "openschannel: cannot take a connection: {error}").ok();
                    sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    let mut stopping = to_accept > 0;
    if stopping {
        stopper.stop(STOP_TIME - session::LAST_WORD_TIME);
    }
    loop {
        tokio::select! {
            ended = live.join_next() => match ended {
                Some(ended) => log.ended(ended, &mut tally),
                None => break,
            },
            () = signals.received(), if !stopping => {
                stopping = true;
                stopper.stop(STOP_TIME - session::LAST_WORD_TIME);
            }
        }
    }
    log.tally(&tally);
    log.output.finish();
    Ok(Exit::Clean)
}

fn cannot_listen(address: &str, error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::InvalidInput => Failure::usage(format!("--listen {address}: {error}")),
        _ => Failure::new(format!("cannot listen on {address}: {error}"))
            .hint("is the port taken, or reserved for the administrator? port 0 takes a free one"),
    }
}

/// What became of all connections.
#[derive(Debug, Default, Serialize)]
struct Tally {
    connections: u64,
    /// Both sides ended in order.
    clean: u64,
    truncated: u64,
    reset: u64,
    alert: u64,
    failed: u64,
    /// The peer never ended its side, or this one had to let go first.
    open: u64,
    /// Ended by --misbehave, whatever the peer made of it.
    misbehaved: u64,
    bytes_sent: u64,
    bytes_received: u64,
}

impl Tally {
    fn add(&mut self, ended: &ConnectionReport) {
        self.connections += 1;
        self.bytes_sent += ended.report.bytes_sent;
        self.bytes_received += ended.report.bytes_received;
        let count = match ended.report.read_end {
            _ if ended.misbehaved.is_some() => &mut self.misbehaved,
            _ if ended.report.is_clean() && ended.error.is_none() => &mut self.clean,
            "truncated" => &mut self.truncated,
            "reset" => &mut self.reset,
            "alert" => &mut self.alert,
            "open" => &mut self.open,
            _ => &mut self.failed,
        };
        *count += 1;
    }
}

/// What goes to stdout, each line at once: a program may be reading along.
struct Log {
    json: bool,
    output: Output,
}

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
enum Line<'a> {
    Listening { address: &'a str, port: u16, ca: Option<PathBuf> },
    Connection(&'a ConnectionReport),
    Tally(&'a Tally),
}

impl Log {
    fn listening(&mut self, address: &str, port: u16, ca: Option<PathBuf>) {
        let mut text = format!("listening on {address}");
        if let Some(path) = &ca {
            text += &format!("\nthrow-away certificate in {}", path.display());
        }
        self.line(&Line::Listening { address, port, ca }, &text);
    }

    fn ended(&mut self, ended: Result<ConnectionReport, JoinError>, tally: &mut Tally) {
        match ended {
            Ok(report) => {
                tally.add(&report);
                self.line(&Line::Connection(&report), &report.to_string());
            }
            Err(error) => {
                tally.connections += 1;
                tally.failed += 1;
                writeln!(io::stderr().lock(), "openschannel: a connection broke down: {error}").ok();
            }
        }
    }

    fn tally(&mut self, tally: &Tally) {
        let Tally { connections, clean, truncated, reset, alert, failed, open, misbehaved, .. } = tally;
        let mut text = format!(
            "{connections} connections: {clean} ended in order, {truncated} truncated, {reset} reset, {alert} ended by an alert, \
             {failed} failed, {open} not ended by the peer"
        );
        if *misbehaved > 0 {
            text += &format!(", {misbehaved} ended as --misbehave says");
        }
        self.line(&Line::Tally(tally), &text);
    }

    fn line(&mut self, line: &Line<'_>, text: &str) {
        // What cannot be put into JSON is said in words.
        let json = self.json.then(|| serde_json::to_string(line).ok()).flatten();
        self.output.line(json.unwrap_or_else(|| text.to_owned()));
    }
}

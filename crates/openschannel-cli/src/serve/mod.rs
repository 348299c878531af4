//! `openschannel serve`: many connections at once, each ended in order and accounted for.

mod echo;
mod files;
mod http;
mod limits;
mod log;
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
use openschannel_stream::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};

use crate::certs::ThrowAway;
use crate::connect::parse_seconds;
use crate::exit::{Exit, Failure};
use crate::options::{IdentityOptions, TlsOptions, not_acquired, read_roots, with_tls_options};

use files::Root;
use limits::LimitOptions;
use log::Log;
use misbehave::{Misbehaviour, Mode};
use session::{Service, Session};
use stop::Signals;
use www::Site;

/// Descriptors beside those of connections: the listener, standard streams, and files that are being sent.
const SPARE_FILES: u64 = 1_000;

/// Threads that wait for files at the same time; more answers queue. A disk is not faster for more, and a thread is not free.
const FILE_THREADS: usize = 64;

/// After an accept that failed, for want of descriptors as a rule: until some are free again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Between two complaints about that: it lasts as a rule, and the first says it.
const COMPLAINT_TIME: Duration = Duration::from_secs(10);

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
  curl --cacert ca.pem https://localhost:8443/file
  openschannel serve --listen 127.0.0.1:8443 --echo --write-ca ca.pem --misbehave close-in-record")]
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
    #[command(flatten)]
    limits: LimitOptions,
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
        Some(directory) => Service::Www(Site {
            root: Root::new(directory).map_err(|error| {
                Failure::new(format!("cannot serve {}: {error}", directory.display()))
                    .hint("--www takes a directory")
            })?,
            close_delimited: options.misbehave.is_some(),
        }),
        None => Service::Echo,
    };
    let limits = options.limits.limits(matches!(service, Service::Echo));
    let misbehaviour = options.misbehave.map(|mode| Misbehaviour {
        mode,
        time: options.misbehave_time,
        close: limits.close,
    });
    let session = Session {
        credentials,
        service,
        limits,
        misbehaviour,
        trace: options.tls.trace,
        log: Log::start(options.tls.json),
    };
    // As far as the administrator lets it; where that is not far enough, connections that find no descriptor wait.
    rlimit::increase_nofile_limit(options.limits.places() as u64 + SPARE_FILES).ok();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(FILE_THREADS)
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
    session.log.listening(&address.to_string(), address.port(), ca);

    let graceful = GracefulShutdown::new();
    let to_accept = options.accept_count.unwrap_or(u64::MAX);
    let places = Arc::new(Semaphore::new(options.limits.places()));
    let stopped = tokio::select! {
        () = signals.received() => true,
        () = accept(&listener, to_accept, &places, &session, &graceful) => false,
    };
    drop(listener);
    let stopped = stopped
        || tokio::select! {
            () = signals.received() => true,
            () = graceful.drained() => false,
        };
    let tally = if stopped { graceful.shutdown(STOP_TIME).await } else { graceful.tally() };
    session.log.finish(&tally);
    Ok(Exit::Clean)
}

/// Takes so many connections and lets each run by itself.
async fn accept(
    listener: &TcpListener,
    mut to_accept: u64,
    places: &Arc<Semaphore>,
    session: &Arc<Session>,
    graceful: &GracefulShutdown,
) {
    let mut complaint: Option<Instant> = None;
    while to_accept > 0 {
        // Nobody closes it.
        let Ok(place) = Arc::clone(places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((socket, peer)) => {
                to_accept -= 1;
                // It answers for itself, by its guard. Not wrapped in another future, which would have room for it twice.
                drop(tokio::spawn(Arc::clone(session).run(socket, peer, graceful.guard(), place)));
            }
            // The connection is gone, or descriptors are short; neither is a reason to end.
            Err(error) => {
                if complaint.is_none_or(|last| last.elapsed() >= COMPLAINT_TIME) {
                    complaint = Some(Instant::now());
                    not_accepted(&error, graceful.live());
                }
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn not_accepted(error: &io::Error, live: u64) {
    let mut text = format!("openschannel: cannot take a connection: {error}");
    if is_file_limit(error) {
        text += &format!("; {live} are open, more wait until some have ended; `ulimit -n` is the limit");
    }
    writeln!(io::stderr().lock(), "{text}").ok();
}

/// EMFILE or ENFILE; the numbers are the same on all systems that have them.
fn is_file_limit(error: &io::Error) -> bool {
    cfg!(unix) && matches!(error.raw_os_error(), Some(23 | 24))
}

fn cannot_listen(address: &str, error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::InvalidInput => Failure::usage(format!("--listen {address}: {error}")),
        _ => Failure::new(format!("cannot listen on {address}: {error}"))
            .hint("is the port taken, or reserved for the administrator? port 0 takes a free one"),
    }
}

//! `openschannel connect`: stdin to the peer, the peer to stdout, and an honest account of how it ended.

mod pump;

use std::io::Write as _;
use std::time::Duration;

use clap::Args;
use openschannel::credentials::OutboundCredentials;
use openschannel::status::Error;
use openschannel::{ContextOptions, ReadEnd};
use openschannel_stream::Driver;
use openschannel_stream::tokio::TlsStream;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::exit::{Exit, Failure};
use crate::options::{TlsOptions, not_acquired, with_tls_options};
use crate::peer::{NETWORK_HINT, PeerOptions, STARTTLS_HINT, certificate_hint};
use crate::report::ConnectionReport;
use crate::starttls;
use crate::trace::Tracer;

use pump::{Pumped, pump};

/// For all addresses of a name together: what a user who watches puts up with.
const CONNECT_TIME: Duration = Duration::from_secs(30);

/// How long a server that was refused is given to read the alert.
const LAST_WORD_TIME: Duration = Duration::from_secs(1);

/// As long again for a peer that takes the connection and then says nothing.
const HANDSHAKE_TIME: Duration = Duration::from_secs(30);

/// Long enough for a server to think about an answer, short enough for a script that meets a dead one.
const DEFAULT_LINGER: &str = "10";

/// A day: a longer wait is a mistake on the command line.
const MAX_LINGER: f64 = 86_400.0;

/// Connects to a TLS server: stdin to the peer, the peer to stdout.
///
/// The end of stdin closes the sending side in order (close_notify); what the peer still sends is read until it ends its side, or
/// has been silent for the linger time. Where the peer ends first, stdin is sent on until it ends or has been silent for as long.
/// The closing report goes to stderr.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes:
  0  both sides ended in order
  1  no connection, a refused certificate, the transport's end inside the handshake, anything else
  2  the command line makes no sense
  3  truncated: the transport ended without the peer's close_notify
  4  the transport was reset
  5  the peer ended the connection by an alert
  6  the linger time was over and the peer had not ended its side

Examples:
  printf 'GET / HTTP/1.0\\r\\n\\r\\n' | openschannel connect example.org:443
  openschannel connect localhost:8443 --ca ca.pem --trace < request > answer
  openschannel connect '[::1]:8443' --sni localhost --ca ca.pem --max-protocol tls1.2
  openschannel connect mail.example.org:25 --starttls smtp < commands
  openschannel connect localhost:8443 --ca ca.pem --pfx me.pfx --pass secret --json")]
pub(crate) struct ConnectOptions {
    #[command(flatten)]
    peer: PeerOptions,
    /// Begin TLS by this protocol's STARTTLS
    #[arg(long, value_enum, value_name = "PROTOCOL")]
    starttls: Option<starttls::Protocol>,
    /// How many seconds of silence to wait for the other end's end
    #[arg(long, value_name = "SECONDS", default_value = DEFAULT_LINGER, value_parser = parse_seconds)]
    linger: Duration,
    #[command(flatten)]
    tls: TlsOptions,
}

pub(crate) fn run(options: &ConnectOptions) -> Result<Exit, Failure> {
    let credentials = credentials(options)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("cannot start: {error}")))?;
    let result = runtime.block_on(connect(options, &credentials));
    // A thread may still wait for stdin; nobody waits for the thread.
    runtime.shutdown_background();
    result
}

fn credentials(options: &ConnectOptions) -> Result<OutboundCredentials, Failure> {
    let builder = with_tls_options!(OutboundCredentials::builder(), &options.tls);
    let builder = options.peer.credentials(builder)?;
    builder.acquire().map_err(|error| not_acquired(&error))
}

async fn connect(options: &ConnectOptions, credentials: &OutboundCredentials) -> Result<Exit, Failure> {
    let address = &options.peer.address;
    let target = options.peer.name();
    let mut driver =
        Driver::client(credentials, Some(target), &ContextOptions::default()).map_err(|error| {
            Failure::new(format!("{target}: {error}")).hint("give the server's name with --sni NAME")
        })?;
    if options.tls.trace {
        driver.set_observer(Box::new(Tracer { peer: None, json: options.tls.json }));
    }
    let mut socket = address
        .connect(CONNECT_TIME, None)
        .await
        .map_err(|error| Failure::new(format!("cannot connect to {address}: {error}")).hint(NETWORK_HINT))?;
    let peer = socket.peer_addr().ok().map(|address| address.to_string());
    // It only delays small records; a socket that refuses the option works all the same.
    socket.set_nodelay(true).ok();
    if let Some(protocol) = options.starttls {
        start_tls(&mut socket, protocol, target).await?;
    }
    let mut stream = TlsStream::from_driver(socket, driver);
    let shaken = timeout(HANDSHAKE_TIME, stream.handshake()).await;
    let outcome = match shaken {
        Ok(Ok(())) => {
            let outcome = judge(pump(&mut stream, options.linger).await, &stream);
            if matches!(stream.report().read_end, ReadEnd::Failed(_)) {
                say_last_word(&mut stream).await;
            }
            outcome
        }
        Ok(Err(error)) => {
            let outcome = Outcome::of_handshake(&error, stream.report().read_end);
            say_last_word(&mut stream).await;
            outcome
        }
        Err(_) => Outcome::failed("the server did not finish the handshake in time", None),
    };
    let mut report = ConnectionReport::new(peer, stream.driver().attributes().ok(), stream.report());
    report.error = outcome.error;
    let text = if options.tls.json { report.to_json() } else { format!("openschannel: {report}") };
    let mut stderr = std::io::stderr().lock();
    // Whoever closed stderr does not want the report.
    writeln!(stderr, "{text}").ok();
    if let (Some(hint), false) = (outcome.hint, options.tls.json) {
        writeln!(stderr, "  {hint}").ok();
    }
    Ok(outcome.exit)
}

/// The server shall hear why: what it has under way must not meet a closed socket, whose reset would destroy the alert.
async fn say_last_word(stream: &mut TlsStream<TcpStream>) {
    let told = async {
        stream.close_write().await.ok();
        stream.linger(LAST_WORD_TIME).await
    };
    timeout(LAST_WORD_TIME, told).await.ok();
}

async fn start_tls(
    socket: &mut TcpStream,
    protocol: starttls::Protocol,
    target: &str,
) -> Result<(), Failure> {
    let mut untold = |_: bool, _: &str| ();
    timeout(HANDSHAKE_TIME, starttls::begin(socket, protocol, target, &mut untold))
        .await
        .map_err(|_| "the server did not answer in time".to_owned())
        .and_then(|begun| begun.map_err(|refusal| refusal.to_string()))
        .map_err(|what| Failure::new(format!("STARTTLS ({protocol}): {what}")).hint(STARTTLS_HINT))
}

/// How it ended, in the order in which it counts.
struct Outcome {
    exit: Exit,
    error: Option<String>,
    hint: Option<&'static str>,
}

impl Outcome {
    fn failed(error: impl Into<String>, hint: Option<&'static str>) -> Self {
        Self { exit: Exit::Failed, error: Some(error.into()), hint }
    }

    fn of_handshake(error: &std::io::Error, end: ReadEnd) -> Self {
        let cause = error.get_ref().and_then(|source| source.downcast_ref::<Error>());
        let hint = cause.and_then(|cause| certificate_hint(cause.status()));
        let exit = if matches!(end, ReadEnd::Alert(_)) { Exit::Alert } else { Exit::Failed };
        Self { exit, error: Some(format!("no connection: {error}")), hint }
    }
}

fn judge(pumped: Pumped, stream: &TlsStream<TcpStream>) -> Outcome {
    let report = stream.report();
    if let Some(error) = pumped.local_error {
        return Outcome::failed(error, None);
    }
    let exit = match report.read_end {
        ReadEnd::Truncated { .. } => Exit::Truncated,
        ReadEnd::Reset => Exit::Reset,
        ReadEnd::Alert(_) => Exit::Alert,
        ReadEnd::Failed(_) => Exit::Failed,
        ReadEnd::Open => Exit::NoEnd,
        ReadEnd::Clean if report.close_sent && pumped.undelivered.is_none() => Exit::Clean,
        ReadEnd::Clean => Exit::Failed,
    };
    let hint = matches!(exit, Exit::NoEnd)
        .then_some("the server may need longer: --linger SECONDS says how long it may be silent");
    let error = pumped.read_error.or(pumped.undelivered);
    Outcome { exit, error, hint }
}

pub(crate) fn parse_seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.0..=MAX_LINGER).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err(format!("a number of seconds from 0 to {MAX_LINGER}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linger_times() {
        assert_eq!(parse_seconds("1.5"), Ok(Duration::from_millis(1500)));
        assert_eq!(parse_seconds("0"), Ok(Duration::ZERO));
        for bad in ["-1", "NaN", "inf", "1e300", "", "soon"] {
            assert!(parse_seconds(bad).is_err(), "{bad}");
        }
    }
}

//! Ends that break the rules, or bend them: for authors of clients, who cannot make an honest server send them.
//!
//! Up to its end the connection is like any other. What goes over the wire then, and what a client has to make of it, stands in
//! docs/misbehave.md.

use std::io;
use std::time::Duration;

use clap::ValueEnum;
use openschannel::alert::{AlertDescription, AlertLevel};
use openschannel::status::Error;
use openschannel_stream::CloseBudget;
use openschannel_stream::graceful::Guard;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use super::session::Stream;

/// How long `hang` and `no-answer` hold a connection without being told: longer than most clients are willing to wait for an end.
const HOLD_TIME: Duration = Duration::from_secs(60);

/// How late `late-close` is without being told: later than any answer over a network, within what patient clients wait.
const LATE_TIME: Duration = Duration::from_secs(3);

/// Between the bytes of `split-close`: time for each to be read alone, and the whole record is there in less than a second.
const SPLIT_PAUSE: Duration = Duration::from_millis(10);

/// What `data-after-close` says behind its close_notify. Who finds it among the data has read too far.
const BEHIND_THE_END: &[u8] = b"openschannel: data behind a close_notify\n";

/// The content of the record that `close-in-record` cuts in the middle.
const CUT_SHORT: &[u8] = b"openschannel: a record that never arrives whole\n";

/// Record types (RFC 8446 section 5.1).
const ALERT: u8 = 21;
const APPLICATION_DATA: u8 = 23;

/// What is done where a connection would be ended in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Mode {
    /// FIN without a close_notify
    Fin,
    /// RST without a close_notify; what the client's system has not received by then is lost
    Rst,
    /// Neither close_notify nor FIN, whatever the client does; let go of after --misbehave-time [60]
    Hang,
    /// A close_notify of level fatal, then FIN
    FatalClose,
    /// A close_notify, application data behind it, then FIN
    DataAfterClose,
    /// A close_notify byte by byte, each in a segment of its own, then FIN
    SplitClose,
    /// Half of a record of application data, then FIN
    CloseInRecord,
    /// No close_notify; FIN once the client has sent its own, or after --misbehave-time [60]
    NoAnswer,
    /// close_notify and FIN as it should be, but only after --misbehave-time [3]
    LateClose,
}

/// A mode, and the time of those that take theirs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Misbehaviour {
    pub(super) mode: Mode,
    /// [`None`] for the mode's own.
    pub(super) time: Option<Duration>,
    /// Of the connection's limits: what is sent has to be taken, and the client to end, within so much.
    pub(super) close: CloseBudget,
}

impl Misbehaviour {
    /// Ends the connection so, and says in words what was done.
    ///
    /// # Errors
    /// The transport's: the client has gone before it could be treated so.
    pub(super) async fn end(self, stream: &mut Stream, guard: &Guard) -> io::Result<String> {
        let done = tokio::select! {
            done = self.misbehave(stream, guard) => done?,
            () = guard.over() => "cut short by the server's stop".to_owned(),
        };
        let name = self.mode.to_possible_value().map(|value| value.get_name().to_owned());
        Ok(format!("{}: {done}", name.unwrap_or_default()))
    }

    async fn misbehave(self, stream: &mut Stream, guard: &Guard) -> io::Result<String> {
        let hold = self.time.unwrap_or(HOLD_TIME);
        within(self.close.time, stream.flush()).await?;
        let done = match self.mode {
            Mode::Fin => "FIN without a close_notify".to_owned(),
            Mode::Rst => {
                stream.get_ref().set_zero_linger()?;
                // Sent when the socket is dropped, and nothing in between may take its place.
                return Ok("RST without a close_notify".to_owned());
            }
            Mode::Hang => {
                let begin = Instant::now();
                self.hold_open(stream, guard, hold).await;
                let held = begin.elapsed().as_secs_f64();
                return Ok(format!("neither close_notify nor FIN for {held:.1} s"));
            }
            Mode::NoAnswer => {
                let ended = self.wait_for_fin(stream, guard, hold).await;
                let when = if ended { "behind the client's" } else { "when the time was over" };
                format!("no close_notify, FIN {when}")
            }
            Mode::FatalClose => {
                let close = [AlertLevel::FATAL.0, AlertDescription::CLOSE_NOTIFY.0];
                let record = forge(stream, ALERT, &close)?;
                self.send(stream, &record).await?;
                "close_notify of level fatal, FIN".to_owned()
            }
            Mode::DataAfterClose => {
                let mut records = close_notify(stream)?;
                records.extend(forge(stream, APPLICATION_DATA, BEHIND_THE_END)?);
                self.send(stream, &records).await?;
                format!("close_notify, {} bytes of data behind it, FIN", BEHIND_THE_END.len())
            }
            Mode::SplitClose => {
                let record = close_notify(stream)?;
                for byte in &record {
                    self.send(stream, &[*byte]).await?;
                    sleep(SPLIT_PAUSE).await;
                }
                format!("close_notify in {} segments, FIN", record.len())
            }
            Mode::CloseInRecord => {
                let record = forge(stream, APPLICATION_DATA, CUT_SHORT)?;
                let (sent, _) = record.split_at(record.len() / 2);
                self.send(stream, sent).await?;
                format!("{} of a record's {} bytes, FIN", sent.len(), record.len())
            }
            Mode::LateClose => {
                let late = self.time.unwrap_or(LATE_TIME);
                let_pass(guard, late).await;
                let record = close_notify(stream)?;
                self.send(stream, &record).await?;
                format!("close_notify {} s late, FIN", late.as_secs_f64())
            }
        };
        // The client may be gone by now; what it was sent is sent.
        stream.get_mut().shutdown().await.ok();
        stream.linger(self.close).await;
        Ok(done)
    }

    /// Reads whatever comes, so that the client is not held up by anything but the missing end, and goes on holding the socket when
    /// nothing more can come.
    async fn hold_open(self, stream: &mut Stream, guard: &Guard, time: Duration) {
        let end = Instant::now() + time;
        if self.wait_for_fin(stream, guard, time).await {
            let_pass(guard, end.saturating_duration_since(Instant::now())).await;
        }
    }

    /// Says whether the client's FIN came within the time. A reset ends the waiting too: nobody is there any more.
    async fn wait_for_fin(self, stream: &mut Stream, guard: &Guard, time: Duration) -> bool {
        let begun_stopped = guard.is_asked();
        let fin = async {
            stream.linger(CloseBudget::new(self.close.bytes, time)).await;
            let mut nobody = [0; 2048];
            loop {
                match stream.get_mut().read(&mut nobody).await {
                    Ok(0) => return true,
                    Ok(_) => {}
                    Err(_) => return false,
                }
            }
        };
        tokio::select! {
            fin = timeout_at(Instant::now() + time, fin) => fin.unwrap_or(false),
            // Who was ended by the stop itself is held until the server's own time is over.
            () = guard.asked(), if !begun_stopped => false,
        }
    }

    /// Past the stream, which knows of honest records only.
    async fn send(self, stream: &mut Stream, bytes: &[u8]) -> io::Result<()> {
        within(self.close.time, stream.get_mut().write_all(bytes)).await
    }
}

/// Lets `time` pass, or less if the server is asked to stop meanwhile.
async fn let_pass(guard: &Guard, time: Duration) {
    let begun_stopped = guard.is_asked();
    tokio::select! {
        () = sleep_until(Instant::now() + time) => {}
        () = guard.asked(), if !begun_stopped => {}
    }
}

/// The close_notify as an honest end has it, for other hands to send.
fn close_notify(stream: &mut Stream) -> io::Result<Vec<u8>> {
    let driver = stream.driver_mut();
    driver.close_write().map_err(io::Error::other)?;
    let record = driver.transmit().to_vec();
    driver.transmitted(record.len());
    Ok(record)
}

fn forge(stream: &mut Stream, content_type: u8, content: &[u8]) -> io::Result<Vec<u8>> {
    let context = stream.driver_mut().context_mut().ok_or(io::ErrorKind::NotConnected)?;
    let forged: Result<_, Error> =
        context.send_half().and_then(|half| half.forge_record(content_type, content));
    forged.map_err(io::Error::other)
}

async fn within(time: Duration, sending: impl Future<Output = io::Result<()>>) -> io::Result<()> {
    tokio::time::timeout(time, sending)
        .await
        .unwrap_or_else(|_| Err(io::Error::other("the client takes no more bytes")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

    use openschannel::ContextOptions;
    use openschannel::credentials::{InboundCredentials, OutboundCredentials, Trust};
    use openschannel_stream::graceful::GracefulShutdown;
    use openschannel_stream::tokio::TlsStream;
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::certs::ThrowAway;

    /// On a clock that goes on when everybody waits for it.
    const CLOSE_TIME: u64 = 777;

    async fn established() -> (Stream, Stream) {
        let made = ThrowAway::make().map_err(|_| "no certificate").unwrap();
        let inbound = InboundCredentials::builder().identity(made.identity).acquire().unwrap();
        let outbound = OutboundCredentials::builder().trust(Trust::Roots(vec![made.der])).acquire().unwrap();
        let options = ContextOptions::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        let (server, client) = tokio::join!(
            TlsStream::accept(server, &inbound, &options),
            TlsStream::connect(client, &outbound, Some("localhost"), &options),
        );
        (server.unwrap(), client.unwrap())
    }

    /// For how many seconds of that clock a client was treated so, and what was said.
    async fn ended(mode: Mode, stream: &mut Stream) -> (u64, io::Result<String>) {
        let close = CloseBudget::new(1 << 20, Duration::from_secs(CLOSE_TIME));
        let misbehaviour = Misbehaviour { mode, time: None, close };
        let guard = GracefulShutdown::new().guard();
        tokio::time::pause();
        let began = Instant::now();
        let said = misbehaviour.end(stream, &guard).await;
        (began.elapsed().as_secs(), said)
    }

    #[tokio::test]
    async fn a_client_that_does_not_end_has_the_time_of_the_limits() {
        let (mut server, _client) = established().await;
        let (took, said) = ended(Mode::Fin, &mut server).await;
        assert_eq!((took, said.is_ok()), (CLOSE_TIME, true));
    }

    #[tokio::test]
    async fn a_client_that_takes_nothing_has_the_time_of_the_limits() {
        let (mut server, _client) = established().await;
        // Until the kernels of both take no more.
        tokio::time::pause();
        let full = async { while server.get_mut().write_all(&[0; 1 << 16]).await.is_ok() {} };
        tokio::time::timeout(Duration::from_secs(1), full).await.unwrap_err();
        tokio::time::resume();
        let (took, said) = ended(Mode::FatalClose, &mut server).await;
        assert_eq!((took, said.is_err()), (CLOSE_TIME, true));
    }
}

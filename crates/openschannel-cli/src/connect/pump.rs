//! Both directions of a connection at once, in one task.

use std::future::{Future as _, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use openschannel_stream::tokio::TlsStream;
use tokio::io::{AsyncBufRead as _, AsyncRead as _, AsyncWrite, AsyncWriteExt as _, ReadBuf, Stdin, Stdout};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};
use zeroize::Zeroizing;

/// One read of stdin: four full records.
const CHUNK: usize = 64 * 1024;

/// What the closing report does not say.
#[derive(Debug, Default)]
pub(super) struct Pumped {
    /// stdin or stdout failed.
    pub(super) local_error: Option<String>,
    /// Why reading from the peer ended, if not in order.
    pub(super) read_error: Option<String>,
    /// Not all of stdin has reached the peer's side.
    pub(super) undelivered: Option<String>,
}

/// Moves bytes until both sides have ended, reading has failed, or `linger` has passed without a byte after either has ended.
pub(super) async fn pump(stream: &mut TlsStream<TcpStream>, linger: Duration) -> Pumped {
    let mut pump = Pump {
        stream,
        stdin: tokio::io::stdin(),
        stdout: tokio::io::stdout(),
        stdout_unflushed: false,
        stdout_blocked: false,
        chunk: Zeroizing::new(vec![0; CHUNK]),
        waiting: 0..0,
        stdin_ended: false,
        sending: Sending::Data,
        peer_ended: false,
        result: Pumped::default(),
    };
    let mut silence = pin!(sleep(linger));
    poll_fn(|cx| pump.poll(cx, silence.as_mut(), linger)).await;
    if let Err(error) = pump.stdout.flush().await {
        pump.result.local_error.get_or_insert_with(|| format!("cannot write to stdout: {error}"));
    }
    pump.result
}

struct Pump<'a> {
    stream: &'a mut TlsStream<TcpStream>,
    stdin: Stdin,
    stdout: Stdout,
    stdout_unflushed: bool,
    /// Data of the peer's waits for whoever reads stdout: the peer is not the one who is silent.
    stdout_blocked: bool,
    /// From stdin; of it `waiting` is not encrypted yet.
    chunk: Zeroizing<Vec<u8>>,
    waiting: std::ops::Range<usize>,
    stdin_ended: bool,
    sending: Sending,
    peer_ended: bool,
    result: Pumped,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sending {
    Data,
    /// The close_notify is made and not all sent.
    Closing,
    /// It is sent.
    Closed,
    /// The transport takes nothing more.
    Failed,
}

impl Pump<'_> {
    fn poll(&mut self, cx: &mut Context<'_>, mut silence: Pin<&mut Sleep>, linger: Duration) -> Poll<()> {
        loop {
            let received = self.receive(cx);
            let sent = self.send(cx);
            if self.is_over() {
                return Poll::Ready(());
            }
            if received || sent {
                silence.as_mut().reset(Instant::now() + linger);
                continue;
            }
            if self.stdout_blocked {
                return Poll::Pending;
            }
            // While both sides talk, silence is theirs to keep.
            let one_has_ended = self.peer_ended || self.stdin_ended || self.sending != Sending::Data;
            if !one_has_ended || silence.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            if !self.peer_ended || !self.give_up_stdin() {
                return Poll::Ready(());
            }
            silence.as_mut().reset(Instant::now() + linger);
        }
    }

    fn is_over(&self) -> bool {
        let own_end = matches!(self.sending, Sending::Closed | Sending::Failed);
        self.result.local_error.is_some() || self.result.read_error.is_some() || (self.peer_ended && own_end)
    }

    /// From the peer to stdout. Says whether anything moved.
    fn receive(&mut self, cx: &mut Context<'_>) -> bool {
        self.stdout_blocked = false;
        if self.peer_ended {
            return self.flush_stdout(cx);
        }
        match Pin::new(&mut *self.stream).poll_fill_buf(cx) {
            // Nobody knows when more will come: what is there must not wait for it.
            Poll::Pending => self.flush_stdout(cx),
            Poll::Ready(Ok([])) => {
                self.peer_ended = true;
                true
            }
            Poll::Ready(Ok(data)) => match Pin::new(&mut self.stdout).poll_write(cx, data) {
                Poll::Pending => {
                    self.stdout_blocked = true;
                    false
                }
                Poll::Ready(Ok(n)) => {
                    Pin::new(&mut *self.stream).consume(n);
                    self.stdout_unflushed = true;
                    true
                }
                Poll::Ready(Err(error)) => {
                    self.result.local_error = Some(format!("cannot write to stdout: {error}"));
                    true
                }
            },
            Poll::Ready(Err(error)) => {
                self.result.read_error = Some(error.to_string());
                true
            }
        }
    }

    /// Says whether that failed, which ends everything.
    fn flush_stdout(&mut self, cx: &mut Context<'_>) -> bool {
        if !self.stdout_unflushed {
            return false;
        }
        match Pin::new(&mut self.stdout).poll_flush(cx) {
            Poll::Pending => false,
            Poll::Ready(Ok(())) => {
                self.stdout_unflushed = false;
                false
            }
            Poll::Ready(Err(error)) => {
                self.result.local_error = Some(format!("cannot write to stdout: {error}"));
                true
            }
        }
    }

    /// From stdin to the peer, and the close behind it. Says whether anything moved.
    fn send(&mut self, cx: &mut Context<'_>) -> bool {
        match self.sending {
            Sending::Closed | Sending::Failed => false,
            Sending::Closing => self.flush(cx),
            Sending::Data if !self.waiting.is_empty() => self.write(cx),
            Sending::Data if self.stdin_ended => self.close(cx),
            Sending::Data => {
                let read = self.read_stdin(cx);
                // What is encrypted must not wait for more.
                read | self.flush(cx)
            }
        }
    }

    fn read_stdin(&mut self, cx: &mut Context<'_>) -> bool {
        let mut space = ReadBuf::new(&mut self.chunk);
        match Pin::new(&mut self.stdin).poll_read(cx, &mut space) {
            Poll::Pending => false,
            Poll::Ready(Ok(())) => {
                self.waiting = 0..space.filled().len();
                self.stdin_ended = self.waiting.is_empty();
                true
            }
            Poll::Ready(Err(error)) => {
                self.result.local_error = Some(format!("cannot read stdin: {error}"));
                true
            }
        }
    }

    fn write(&mut self, cx: &mut Context<'_>) -> bool {
        let data = self.chunk.get(self.waiting.clone()).unwrap_or_default();
        match Pin::new(&mut *self.stream).poll_write(cx, data) {
            Poll::Pending => false,
            Poll::Ready(Ok(n)) => {
                self.waiting.start += n;
                true
            }
            Poll::Ready(Err(error)) => {
                self.stop_sending(&error.to_string());
                true
            }
        }
    }

    /// The close_notify, once all data is in the transport: only then does a transport that fails now lose nothing else. Says
    /// whether that changed anything.
    fn close(&mut self, cx: &mut Context<'_>) -> bool {
        match Pin::new(&mut *self.stream).poll_flush(cx) {
            Poll::Pending => return false,
            Poll::Ready(Err(error)) => self.stop_sending(&error.to_string()),
            Poll::Ready(Ok(())) => match self.stream.driver_mut().close_write() {
                Ok(()) => self.sending = Sending::Closing,
                Err(error) => self.stop_sending(&error.to_string()),
            },
        }
        true
    }

    /// Says whether that changed anything.
    fn flush(&mut self, cx: &mut Context<'_>) -> bool {
        let flushed = Pin::new(&mut *self.stream).poll_flush(cx);
        match (flushed, self.sending) {
            (Poll::Pending, _) | (Poll::Ready(Ok(())), Sending::Data) => return false,
            (Poll::Ready(Ok(())), _) => self.sending = Sending::Closed,
            // The peer has let go before it was told that nothing more comes. How it ended is for reading to find out.
            (Poll::Ready(Err(_)), Sending::Closing) => self.sending = Sending::Failed,
            (Poll::Ready(Err(error)), _) => self.stop_sending(&error.to_string()),
        }
        true
    }

    /// Reading goes on: what the peer said before it let go counts.
    fn stop_sending(&mut self, why: &str) {
        self.sending = Sending::Failed;
        self.result.undelivered = Some(format!("not everything could be sent: {why}"));
    }

    /// The peer has ended and stdin is silent: it is taken as ended. Says whether there was something left to do so with.
    fn give_up_stdin(&mut self) -> bool {
        let idle = self.sending == Sending::Data && self.waiting.is_empty() && !self.stdin_ended;
        if idle {
            self.stdin_ended = true;
        } else {
            self.stop_sending("the peer takes no more bytes");
        }
        idle
    }
}

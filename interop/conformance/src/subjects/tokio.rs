//! Our asynchronous stream, on tokio.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use openschannel::{KeyUpdateRequest, ReadEnd, Role};
use openschannel_interop::certificates::SERVER_NAME;
use openschannel_stream::tokio::TlsStream;
use openschannel_stream::{SplitError, SplitTransport, TlsAcceptor, TlsConnector};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::runtime::Builder;

use super::blocking::{ROOM, ended};
use super::provider::{PIECE, inbound, outbound, said, text};
use crate::cell::State;
use crate::conductor::{AFTERWARDS, BLOCKED, PATIENCE, PING, PONG, SENDING};
use crate::subject::{InProcess, Part, Stop, Voice};
use crate::verdict::Verdict;

/// The subject.
pub const SUBJECT: InProcess = InProcess {
    name: "tokio",
    title: "OpenSchannel, tokio stream",
    play: |part, voice| {
        let runtime = Builder::new_current_thread().enable_all().build().map_err(text)?;
        runtime.block_on(play(part, voice))
    },
    version: super::our_version,
    ours: true,
};

async fn play(part: &Part, voice: &Voice) -> Result<(), String> {
    let socket = voice.connect(part)?;
    socket.set_nonblocking(true).map_err(text)?;
    let socket = Stoppable { inner: TcpStream::from_std(socket).map_err(text)?, stop: voice.stop() };
    let mut stream = match part.role {
        Role::Client => TlsConnector::from(outbound(part)?).begin_async(SERVER_NAME, socket).map_err(text)?,
        Role::Server => TlsAcceptor::from(inbound(part)?).begin_async(socket),
    };
    let shaken = unless_stopped(voice, stream.handshake()).await;
    if part.state == State::Handshake {
        let end = match shaken {
            Some(shaken) => ended(&shaken.err().ok_or("the handshake was finished")?)?,
            None => ReadEnd::Open,
        };
        voice.say(said(end, 0));
        return close(stream, voice).await;
    }
    shaken.ok_or("stopped in the handshake")?.map_err(text)?;
    if part.state != State::Tickets {
        stream.write_all(PING).await.map_err(text)?;
        stream.read_exact(&mut [0; PONG.len()]).await.map_err(text)?;
    }
    match part.state {
        State::Closed => stream.close_notify().await.map_err(text)?,
        State::KeyUpdateAsked => {
            stream.driver_mut().key_update(KeyUpdateRequest::Requested).map_err(text)?;
            stream.flush().await.map_err(text)?;
        }
        _ => stream.flush().await.map_err(text)?,
    }
    voice.say("ready");
    let mut stream = match part.state {
        State::Sending => read_and_write(stream, voice, SENDING, false).await?,
        State::Blocked => read_and_write(stream, voice, BLOCKED, true).await?,
        _ => {
            voice.say(read_to_end(&mut stream, voice).await?);
            stream
        }
    };
    // What the contract promises: as long as sending is possible it works, and the own end goes out.
    stream.write_all(AFTERWARDS).await.ok();
    close(stream, voice).await
}

/// Whether it can still be sent is the conductor's to see.
async fn close(mut stream: TlsStream<Stoppable<TcpStream>>, voice: &Voice) -> Result<(), String> {
    match voice.stop().is_given() {
        // There is nothing to wait for.
        true => stream.close_write().await.ok(),
        false => stream.close(PATIENCE).await.ok().map(drop),
    };
    Ok(())
}

/// What comes of `call`, or nothing when the order to stop finds it waiting.
async fn unless_stopped<T>(voice: &Voice, call: impl Future<Output = T>) -> Option<T> {
    let stop = voice.stop();
    let mut call = pin!(call);
    poll_fn(|cx| match call.as_mut().poll(cx) {
        Poll::Pending if stop.is_given() => Poll::Ready(None),
        answer => answer.map(Some),
    })
    .await
}

/// Two halves at once; writing is given up behind the verdict if nobody is going to read all of it.
async fn read_and_write(
    stream: TlsStream<Stoppable<TcpStream>>,
    voice: &Voice,
    bytes: usize,
    give_up: bool,
) -> Result<TlsStream<Stoppable<TcpStream>>, String> {
    let (mut reading, mut writing) = stream.into_split().map_err(text)?;
    let over = AtomicBool::new(false);
    let write = async {
        for _ in 0..bytes / PIECE {
            if over.load(Ordering::Relaxed) || writing.write_all(&[7; PIECE]).await.is_err() {
                break;
            }
        }
    };
    let read = async {
        let verdict = read_to_end(&mut reading, voice).await?;
        voice.say(verdict);
        over.store(give_up, Ordering::Relaxed);
        Ok::<_, String>(())
    };
    let ((), read) = tokio::join!(write, read);
    read?;
    TlsStream::reunite(reading, writing).map_err(|_| "the halves are strangers".to_owned())
}

async fn read_to_end(stream: &mut (impl AsyncRead + Unpin), voice: &Voice) -> Result<Verdict, String> {
    let mut buffer = [0; ROOM];
    let mut received = 0;
    loop {
        match unless_stopped(voice, stream.read(&mut buffer)).await {
            None => return Ok(said(ReadEnd::Open, received)),
            Some(Ok(0)) => return Ok(said(ReadEnd::Clean, received)),
            Some(Ok(n)) => received += n as u64,
            Some(Err(error)) => return ended(&error).map(|end| said(end, received)),
        }
        voice.received(received);
    }
}

/// A socket, or its reading half, whose end may be the order to stop.
#[derive(Debug)]
struct Stoppable<T> {
    inner: T,
    stop: Arc<Stop>,
}

impl<T: AsyncRead + Unpin> AsyncRead for Stoppable<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        match Pin::new(&mut self.inner).poll_read(cx, buffer) {
            // Whoever waits looks at the order himself.
            Poll::Ready(Ok(())) if buffer.filled().len() == before && self.stop.is_given() => Poll::Pending,
            read => read,
        }
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Stoppable<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buffer)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

impl SplitTransport for Stoppable<TcpStream> {
    type ReadHalf = Stoppable<OwnedReadHalf>;
    type WriteHalf = Stoppable<OwnedWriteHalf>;

    fn split(self) -> Result<(Self::ReadHalf, Self::WriteHalf), SplitError<Self>> {
        let Self { inner, stop } = self;
        let (read, write) = inner.into_split();
        Ok((Stoppable { inner: read, stop: Arc::clone(&stop) }, Stoppable { inner: write, stop }))
    }

    fn reunite(
        read: Self::ReadHalf,
        write: Self::WriteHalf,
    ) -> Result<Self, (Self::ReadHalf, Self::WriteHalf)> {
        let Stoppable { inner, stop } = read;
        inner.reunite(write.inner).map(|inner| Self { inner, stop: Arc::clone(&stop) }).map_err(|error| {
            let twin = Stoppable { inner: error.1, stop: Arc::clone(&stop) };
            (Stoppable { inner: error.0, stop }, twin)
        })
    }

    fn is_gone(read: &Self::ReadHalf) -> bool {
        TcpStream::is_gone(&read.inner)
    }
}

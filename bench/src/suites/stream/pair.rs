//! A connection over loopback TCP with a thread at either end, and what is sent through it.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::runtime::Runtime;

/// What a reader asks for at once: more than any of the libraries hands out, so that each gives what it has.
const READ_AT_ONCE: usize = 64 * 1024;

/// What crosses the connection in one batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Load {
    /// Bytes of one write.
    pub(super) chunk: usize,
    /// Writes of one batch; in each direction, if there are two.
    pub(super) count: usize,
    pub(super) shape: Shape,
}

/// Who sends when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// The client sends, the server reads.
    OneWay,
    /// Both send and read at the same time. Asynchronous streams only: a blocking one takes a thread for either direction, and rustls'
    /// and OpenSSL's cannot be used by two.
    BothWays,
    /// One writes, the other reads all of it and writes as much: one message is under way at a time.
    Exchange,
}

/// An established connection.
pub(super) trait Pair {
    /// How long the batch took, from the first write until the last byte was read.
    ///
    /// # Errors
    /// The connection's: then the figure is worth nothing.
    fn run(&mut self, load: Load) -> io::Result<Duration>;
}

/// Two sockets that are connected to each other, with Nagle's algorithm off: it only delays the small records.
///
/// # Errors
/// The system's.
pub(super) fn sockets() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let client = TcpStream::connect(listener.local_addr()?)?;
    let server = listener.accept()?.0;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    Ok((client, server))
}

/// Runs both ends, each on a thread of its own that begins when the other one does.
fn both(
    client: impl FnOnce() -> io::Result<()> + Send,
    server: impl FnOnce() -> io::Result<()> + Send,
) -> io::Result<Duration> {
    let start = Barrier::new(2);
    thread::scope(|scope| {
        let client = scope.spawn(|| timed(&start, client));
        let (began, ended) = timed(&start, server)?;
        let (other_began, other_ended) =
            client.join().map_err(|_| io::Error::other("the client's thread has panicked"))??;
        Ok(ended.max(other_ended).duration_since(began.min(other_began)))
    })
}

fn timed(start: &Barrier, end: impl FnOnce() -> io::Result<()>) -> io::Result<(Instant, Instant)> {
    start.wait();
    let began = Instant::now();
    end()?;
    Ok((began, Instant::now()))
}

/// Blocking streams.
pub(super) struct Blocking<C, S> {
    pub(super) client: C,
    pub(super) server: S,
}

impl<C: Read + Write + Send, S: Read + Write + Send> Pair for Blocking<C, S> {
    fn run(&mut self, load: Load) -> io::Result<Duration> {
        let Self { client, server } = self;
        let data = vec![0x5a; load.chunk];
        match load.shape {
            Shape::OneWay => {
                both(|| write(client, &data, load.count), || read(server, load.chunk * load.count))
            }
            Shape::BothWays => Err(io::ErrorKind::Unsupported.into()),
            Shape::Exchange => both(
                || {
                    (0..load.count).try_for_each(|_| {
                        write(client, &data, 1)?;
                        read(client, load.chunk)
                    })
                },
                || {
                    (0..load.count).try_for_each(|_| {
                        read(server, load.chunk)?;
                        write(server, &data, 1)
                    })
                },
            ),
        }
    }
}

fn write(stream: &mut impl Write, data: &[u8], count: usize) -> io::Result<()> {
    for _ in 0..count {
        stream.write_all(data)?;
    }
    stream.flush()
}

fn read(stream: &mut impl Read, mut left: usize) -> io::Result<()> {
    let mut buffer = vec![0; READ_AT_ONCE];
    while left > 0 {
        let most = buffer.len().min(left);
        match stream.read(buffer.get_mut(..most).unwrap_or_default())? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => left -= n,
        }
    }
    Ok(())
}

/// tokio's streams, each in a runtime of one thread: what is compared is the streams, not a scheduler.
pub(super) struct Asynchronous<C, S> {
    pub(super) client: (Runtime, Option<C>),
    pub(super) server: (Runtime, Option<S>),
}

/// A runtime of one thread.
///
/// # Errors
/// The system's.
pub(super) fn runtime() -> io::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

impl<C, S> Pair for Asynchronous<C, S>
where
    C: AsyncRead + AsyncWrite + Unpin + Send,
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    fn run(&mut self, load: Load) -> io::Result<Duration> {
        let Self { client: (client_runtime, client), server: (server_runtime, server) } = self;
        let data = vec![0x5a; load.chunk];
        both(
            || client_runtime.block_on(async_end(client, load, true, &data)),
            || server_runtime.block_on(async_end(server, load, false, &data)),
        )
    }
}

async fn async_end<T: AsyncRead + AsyncWrite + Unpin>(
    place: &mut Option<T>,
    load: Load,
    is_client: bool,
    data: &[u8],
) -> io::Result<()> {
    let Some(mut stream) = place.take() else { return Err(io::ErrorKind::NotConnected.into()) };
    let total = load.chunk * load.count;
    match (load.shape, is_client) {
        (Shape::OneWay, true) => async_write(&mut stream, data, load.count).await?,
        (Shape::OneWay, false) => async_read(&mut stream, total).await?,
        (Shape::Exchange, _) => {
            for _ in 0..load.count {
                if is_client {
                    async_write(&mut stream, data, 1).await?;
                    async_read(&mut stream, load.chunk).await?;
                } else {
                    async_read(&mut stream, load.chunk).await?;
                    async_write(&mut stream, data, 1).await?;
                }
            }
        }
        (Shape::BothWays, _) => {
            let (mut reader, mut writer) = tokio::io::split(stream);
            let (read, written) =
                tokio::join!(async_read(&mut reader, total), async_write(&mut writer, data, load.count));
            stream = reader.unsplit(writer);
            read.and(written)?;
        }
    }
    *place = Some(stream);
    Ok(())
}

async fn async_write(stream: &mut (impl AsyncWrite + Unpin), data: &[u8], count: usize) -> io::Result<()> {
    for _ in 0..count {
        stream.write_all(data).await?;
    }
    stream.flush().await
}

async fn async_read(stream: &mut (impl AsyncRead + Unpin), mut left: usize) -> io::Result<()> {
    let mut buffer = vec![0; READ_AT_ONCE];
    while left > 0 {
        let most = buffer.len().min(left);
        match stream.read(buffer.get_mut(..most).unwrap_or_default()).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => left -= n,
        }
    }
    Ok(())
}

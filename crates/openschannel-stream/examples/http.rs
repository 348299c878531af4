//! HTTP/1.1 and HTTP/2 with hyper, chosen by ALPN, and ended in order on both sides.
//!
//! ```text
//! cargo run -p openschannel-stream --features tokio --example http -- serve 127.0.0.1:8443 chain.pem key.pem
//! cargo run -p openschannel-stream --features tokio --example http -- get localhost:8443 /lines chain.pem
//! ```
//!
//! What there is to see:
//! - hyper takes the stream by value and ends with `poll_shutdown`: close_notify and FIN. [`Lent`] gives the stream back afterwards, so
//!   that it can be read until the peer has ended too: a socket that is closed before may reset what the peer has yet to read.
//! - A server that is asked to stop finishes the requests it has; every connection then ends with a close_notify.
//! - A body without a length ends where the connection ends (RFC 9112 section 6.3). hyper takes a read of zero bytes for that, and this
//!   stream reads zero bytes only behind a close_notify: what was cut is an error, and [`Fetched::cut`] says so.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example says what it does")]

use std::convert::Infallible;
use std::error::Error;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body, Bytes, Frame, Incoming};
use hyper::client::conn as client;
use hyper::server::conn as server;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use openschannel::ReadEnd;
use openschannel::credentials::{Identity, Trust};
use openschannel_stream::tokio::TlsStream;
use openschannel_stream::{CloseReport, ReadEnded, TlsAcceptor, TlsConnector};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

/// What both sides can speak, the better one first. Who says none of it by ALPN is refused; who says nothing speaks HTTP/1.
pub const ALPN: [&[u8]; 3] = [b"h2", b"http/1.1", b"http/1.0"];

/// For the peer to end behind our close.
const CLOSE_TIME: Duration = Duration::from_secs(5);

type Pages = BoxBody<Bytes, Infallible>;
type Failure = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let alpn = ALPN.map(<[u8]>::to_vec).to_vec();
    match arguments[..] {
        ["serve", address, chain, key] => {
            let identity = Identity::from_pem(&std::fs::read(chain)?, &std::fs::read(key)?)?;
            let acceptor = TlsAcceptor::builder().identity(identity).alpn(alpn).build()?;
            runtime.block_on(async {
                let listener = TcpListener::bind(address).await?;
                println!("listening on {}; Ctrl-C ends every connection in order", listener.local_addr()?);
                let (stop, stopped) = watch::channel(false);
                let serving = tokio::spawn(serve(listener, acceptor, answer, stopped));
                tokio::signal::ctrl_c().await?;
                stop.send_replace(true);
                for ended in serving.await? {
                    println!("{ended}");
                }
                Ok(())
            })
        }
        ["get", address, path, roots] => {
            let connector = TlsConnector::builder()
                .trust(Trust::roots_from_pem(&std::fs::read(roots)?)?)
                .alpn(alpn)
                .build()?;
            let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
            let fetched = runtime.block_on(async {
                let socket = TcpStream::connect(address).await?;
                fetch(socket, &connector, host, path, Version::HTTP_11).await
            })?;
            print!("{}", String::from_utf8_lossy(&fetched.body));
            eprintln!("{:?} {}; {:?}", fetched.version, fetched.status, fetched.closed);
            match fetched.cut {
                Some(end) => Err(format!("the body is not complete: {end:?}").into()),
                None => Ok(()),
            }
        }
        _ => Err("usage: http serve ADDRESS CHAIN KEY | http get HOST:PORT PATH ROOTS".into()),
    }
}

/// How one of the server's connections ended.
#[derive(Debug)]
pub struct Ended {
    /// The client.
    pub peer: SocketAddr,
    /// An error: no handshake, or not everything could be sent.
    pub closed: io::Result<CloseReport>,
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.closed {
            Ok(report) => write!(f, "{}: {:?}", self.peer, report.read_end),
            Err(error) => write!(f, "{}: {error}", self.peer),
        }
    }
}

/// Serves until `stop` is true; then takes nobody new, lets every request that runs be answered, and says how each connection ended.
pub async fn serve<H, F>(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    handler: H,
    mut stop: watch::Receiver<bool>,
) -> Vec<Ended>
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Pages>> + Send + 'static,
{
    let mut connections = JoinSet::new();
    let mut ended = Vec::new();
    loop {
        let (socket, peer) = tokio::select! {
            Ok(accepted) = listener.accept() => accepted,
            Some(Ok(one)) = connections.join_next() => {
                ended.push(one);
                continue;
            }
            _ = stop.wait_for(|stop| *stop) => break,
        };
        let (acceptor, handler, stop) = (acceptor.clone(), handler.clone(), stop.clone());
        connections.spawn(async move {
            let closed = converse(socket, &acceptor, handler, stop).await;
            Ended { peer, closed }
        });
    }
    drop(listener);
    while let Some(one) = connections.join_next().await {
        ended.extend(one);
    }
    ended
}

/// One connection from its handshake to its end.
async fn converse<H, F>(
    socket: TcpStream,
    acceptor: &TlsAcceptor,
    handler: H,
    stop: watch::Receiver<bool>,
) -> io::Result<CloseReport>
where
    H: Fn(Request<Incoming>) -> F + Send + 'static,
    F: Future<Output = Response<Pages>> + Send + 'static,
{
    let stream = acceptor.accept_async(socket).await?;
    let is_http2 = negotiated(&stream) == Some(ALPN[0]);
    let (lent, back) = Lent::new(stream);
    let service = service_fn(move |request| {
        let answered = handler(request);
        async { Ok::<_, Infallible>(answered.await) }
    });
    // What hyper says of a peer that goes is known from the stream, and more exactly.
    if is_http2 {
        let builder = server::http2::Builder::new(TokioExecutor::new());
        let connection = builder.serve_connection(TokioIo::new(lent), service);
        until(connection, stop, |connection| connection.graceful_shutdown()).await.ok();
    } else {
        let connection = server::http1::Builder::new().serve_connection(TokioIo::new(lent), service);
        until(connection, stop, |connection| connection.graceful_shutdown()).await.ok();
    }
    close(back).await
}

/// Runs `connection` to its end, which it is asked for when `stop` is true.
async fn until<C: Future>(
    connection: C,
    mut stop: watch::Receiver<bool>,
    end: impl FnOnce(Pin<&mut C>),
) -> C::Output {
    let mut connection = pin!(connection);
    tokio::select! {
        output = connection.as_mut() => return output,
        _ = stop.wait_for(|stop| *stop) => end(connection.as_mut()),
    }
    connection.await
}

/// The end of a stream that hyper is done with, which has sent the close_notify and FIN unless something failed.
async fn close(back: oneshot::Receiver<TlsStream<TcpStream>>) -> io::Result<CloseReport> {
    let mut stream = back.await.map_err(|_| io::Error::other("the stream did not come back"))?;
    stream.close(CLOSE_TIME).await
}

/// What came of a request.
#[derive(Debug)]
pub struct Fetched {
    /// Of the answer.
    pub version: Version,
    /// Of the answer.
    pub status: StatusCode,
    /// As much as came.
    pub body: Vec<u8>,
    /// How the connection ended before the body was complete.
    pub cut: Option<ReadEnd>,
    /// How it ended at last.
    pub closed: io::Result<CloseReport>,
}

/// One GET over one connection, which is closed behind it. `version` says which HTTP/1 is asked for where HTTP/2 is not spoken.
pub async fn fetch(
    socket: TcpStream,
    connector: &TlsConnector,
    host: &str,
    path: &str,
    version: Version,
) -> Result<Fetched, Failure> {
    let stream = connector.connect_async(host, socket).await?;
    let is_http2 = negotiated(&stream) == Some(ALPN[0]);
    let (lent, back) = Lent::new(stream);
    let (response, connection) = if is_http2 {
        let request = Request::get(format!("https://{host}{path}")).body(Full::<Bytes>::default())?;
        let (mut sender, connection) =
            client::http2::handshake(TokioExecutor::new(), TokioIo::new(lent)).await?;
        let connection = tokio::spawn(async { drop(connection.await) });
        (sender.send_request(request).await?, connection)
    } else {
        let request =
            Request::get(path).version(version).header("host", host).body(Full::<Bytes>::default())?;
        let (mut sender, connection) = client::http1::handshake(TokioIo::new(lent)).await?;
        let connection = tokio::spawn(async { drop(connection.await) });
        (sender.send_request(request).await?, connection)
    };
    let (version, status) = (response.version(), response.status());
    let mut incoming = response.into_body();
    let mut body = Vec::new();
    let mut cut = None;
    while let Some(frame) = incoming.frame().await {
        match frame {
            Ok(frame) => body.extend_from_slice(frame.data_ref().map_or(&[], |data| data)),
            Err(error) => {
                cut = Some(verdict(&error).ok_or(error)?);
                break;
            }
        }
    }
    // Nobody asks for anything more: hyper ends the connection.
    drop(incoming);
    connection.await?;
    Ok(Fetched { version, status, body, cut, closed: close(back).await })
}

/// How the connection ended, if that is what `error` comes from.
fn verdict(error: &(dyn Error + 'static)) -> Option<ReadEnd> {
    if let Some(error) = error.downcast_ref::<io::Error>() {
        return error.get_ref().and_then(|source| source.downcast_ref::<ReadEnded>()).map(ReadEnded::end);
    }
    verdict(error.source()?)
}

fn negotiated<S: AsyncRead + AsyncWrite + Unpin>(stream: &TlsStream<S>) -> Option<&[u8]> {
    stream.driver().attributes().ok()?.application_protocol()
}

/// The pages of this server.
async fn answer(request: Request<Incoming>) -> Response<Pages> {
    match request.uri().path() {
        "/" => page(Full::from("hello\n")),
        "/lines" => page(Lines { left: 10_000 }),
        _ => {
            let mut missing = page(Full::from("no such page\n"));
            *missing.status_mut() = StatusCode::NOT_FOUND;
            missing
        }
    }
}

/// An answer that is all right.
pub fn page<B>(body: B) -> Response<Pages>
where
    B: Body<Data = Bytes, Error = Infallible> + Send + Sync + 'static,
{
    Response::new(body.boxed())
}

/// A body whose length nobody knows beforehand: in chunks for HTTP/1.1, and to the connection's end for HTTP/1.0.
#[derive(Debug)]
pub struct Lines {
    /// Lines still to come.
    pub left: u32,
}

impl Body for Lines {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(left) = self.left.checked_sub(1) else { return Poll::Ready(None) };
        self.left = left;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from(format!("{left} to go\n"))))))
    }
}

/// A stream that comes back to its owner when the one it was lent to drops it.
#[derive(Debug)]
pub struct Lent<S> {
    /// There until the drop.
    stream: Option<S>,
    owner: Option<oneshot::Sender<S>>,
}

impl<S: Unpin> Lent<S> {
    /// The stream to lend, and where it will come back.
    pub fn new(stream: S) -> (Self, oneshot::Receiver<S>) {
        let (owner, back) = oneshot::channel();
        (Self { stream: Some(stream), owner: Some(owner) }, back)
    }

    fn inner(self: Pin<&mut Self>) -> io::Result<Pin<&mut S>> {
        self.get_mut().stream.as_mut().map(Pin::new).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl<S> Drop for Lent<S> {
    fn drop(&mut self) {
        if let (Some(stream), Some(owner)) = (self.stream.take(), self.owner.take()) {
            // An owner that is gone does not want it back.
            drop(owner.send(stream));
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Lent<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.inner()?.poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Lent<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.inner()?.poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner()?.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner()?.poll_shutdown(cx)
    }
}

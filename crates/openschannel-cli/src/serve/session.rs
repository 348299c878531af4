//! One connection of the server: handshake, service, and an end that destroys nothing.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use openschannel::alert::{Alert, AlertDescription};
use openschannel::credentials::InboundCredentials;
use openschannel::{ContextOptions, ReadEnd};
use openschannel_stream::tokio::TlsStream;
use openschannel_stream::{CloseBudget, Driver};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::report::ConnectionReport;
use crate::trace::Tracer;

use super::files::Root;
use super::misbehave::Misbehaviour;
use super::stop::Stop;
use super::{echo, www};

/// For the whole handshake: nobody holds a place without showing at least that he speaks TLS.
const HANDSHAKE_TIME: Duration = Duration::from_secs(20);

/// For what waits to be sent, and the close_notify behind it, to get into the transport.
pub(super) const CLOSE_TIME: Duration = Duration::from_secs(10);

/// For the peer to end its side after this one has. Shorter than the time a stopping server has, so that a silent peer is
/// let go of and reported.
pub(super) const LINGER_TIME: Duration = Duration::from_secs(3);

/// What a peer may still send meanwhile; it is read so that no reset destroys what it has not read yet.
pub(super) const LINGER_BYTES: u64 = 64 << 20;

/// Of the time to stop, what is kept for telling a peer that its connection is given up.
pub(super) const LAST_WORD_TIME: Duration = Duration::from_secs(1);

/// The stream of a connection.
pub(super) type Stream = TlsStream<TcpStream>;

/// What all connections have in common.
pub(super) struct Session {
    pub(super) credentials: InboundCredentials,
    pub(super) service: Service,
    pub(super) misbehaviour: Option<Misbehaviour>,
    pub(super) trace: bool,
    pub(super) json: bool,
}

/// What is done with a connection.
pub(super) enum Service {
    Echo,
    Www(Root),
}

impl Session {
    pub(super) async fn run(
        self: Arc<Self>,
        socket: TcpStream,
        peer: SocketAddr,
        stop: Stop,
    ) -> ConnectionReport {
        // It only delays small records; a socket that refuses the option works all the same.
        socket.set_nodelay(true).ok();
        let mut driver = Driver::server(&self.credentials, &ContextOptions::default());
        if self.trace {
            driver.set_observer(Box::new(Tracer { peer: Some(peer.to_string()), json: self.json }));
        }
        let mut stream = TlsStream::from_driver(socket, driver);
        let result = tokio::select! {
            result = self.converse(&mut stream, stop.clone()) => Some(result),
            () = stop.over() => None,
        };
        let result = match result {
            Some(result) => result,
            // It is cut like everything else of the kind, and not told.
            None if self.misbehaviour.is_some() => Ok(Some("the server's stop cut it short".to_owned())),
            None => {
                give_up(&mut stream).await;
                Err(io::Error::other("the server stops and the connection was not done in time"))
            }
        };
        let mut report =
            ConnectionReport::new(Some(peer.to_string()), stream.driver().attributes().ok(), stream.report());
        match result {
            Ok(misbehaved) => report.misbehaved = misbehaved,
            Err(error) => report.error = Some(error.to_string()),
        }
        report
    }

    /// What was done instead of an end in order, if so.
    async fn converse(&self, stream: &mut Stream, mut stop: Stop) -> io::Result<Option<String>> {
        let handshake = async {
            timeout(HANDSHAKE_TIME, stream.handshake())
                .await
                .unwrap_or_else(|_| Err(io::Error::other("the client did not finish the handshake in time")))
        };
        let shaken = tokio::select! {
            shaken = handshake => shaken,
            () = stop.asked() => Err(io::Error::other("the server stops")),
        };
        if let Err(error) = shaken {
            // The alert for a failure waits to be sent, or a close_notify tells that nothing will come.
            close(stream).await.ok();
            return Err(error);
        }
        let served = match &self.service {
            Service::Echo => echo::serve(stream, &mut stop).await,
            Service::Www(root) => www::serve(stream, root, self.misbehaviour.is_some(), &mut stop).await,
        };
        if let (Ok(()), Some(misbehaviour)) = (&served, self.misbehaviour) {
            return misbehaviour.end(stream, &mut stop).await.map(Some);
        }
        match (served, close(stream).await) {
            (Err(error), _) | (Ok(()), Err(error)) => Err(error),
            (Ok(()), Ok(())) => Ok(None),
        }
    }
}

/// For what is not done when the time to stop is over: an alert behind what was sent, so that it is taken neither for an end nor for
/// a cut wire.
async fn give_up(stream: &mut Stream) {
    let last_word = async {
        if !stream.report().close_sent {
            stream.driver_mut().send_alert(Alert::fatal(AlertDescription::INTERNAL_ERROR)).ok();
        }
        stream.close_write().await
    };
    timeout(LAST_WORD_TIME, last_word).await.ok();
}

/// close_notify behind what waits, the transport's own end of sending, and the peer's end within limits.
///
/// After a failure its alert takes the place of the close_notify. Where nothing can be sent any more, what the peer has sent still says
/// why.
async fn close(stream: &mut Stream) -> io::Result<()> {
    let closed = timeout(CLOSE_TIME, stream.close_write())
        .await
        .unwrap_or_else(|_| Err(io::Error::other("the peer takes no more bytes")));
    stream.linger(CloseBudget::new(LINGER_BYTES, LINGER_TIME)).await;
    match stream.report().read_end {
        // Who has ended in order and let go needs no answer.
        ReadEnd::Clean => Ok(()),
        _ => closed,
    }
}

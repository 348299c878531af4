//! One connection of the server: handshake, service, and an end that destroys nothing.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use openschannel::ContextOptions;
use openschannel::credentials::InboundCredentials;
use openschannel_stream::graceful::Guard;
use openschannel_stream::tokio::TlsStream;
use openschannel_stream::{CloseBudget, Driver};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::report::ConnectionReport;
use crate::trace::Tracer;

use super::echo;
use super::log::Log;
use super::misbehave::Misbehaviour;
use super::www::{self, Site};

/// For the whole handshake: nobody holds a place without showing at least that he speaks TLS.
const HANDSHAKE_TIME: Duration = Duration::from_secs(20);

/// For the close_notify to get into the transport and the peer to end its side after this one has. Shorter than the time a stopping
/// server has, so that a silent peer is let go of and reported. What the peer may still send meanwhile is read, so that no reset
/// destroys what it has not read yet.
pub(super) const CLOSE_BUDGET: CloseBudget = CloseBudget::new(64 << 20, Duration::from_secs(3));

/// The stream of a connection.
pub(super) type Stream = TlsStream<TcpStream>;

/// What all connections have in common.
pub(super) struct Session {
    pub(super) credentials: InboundCredentials,
    pub(super) service: Service,
    pub(super) misbehaviour: Option<Misbehaviour>,
    pub(super) trace: bool,
    pub(super) log: Log,
}

/// What is done with a connection.
pub(super) enum Service {
    /// A client that sends nothing for so long is let go of.
    Echo(Duration),
    Www(Site),
}

impl Session {
    /// From the handshake to the end, which is reported to the log and to the guard.
    pub(super) async fn run(self: Arc<Self>, socket: TcpStream, peer: SocketAddr, guard: Guard) {
        // It only delays small records; a socket that refuses the option works all the same.
        socket.set_nodelay(true).ok();
        let mut driver = Driver::server(&self.credentials, &ContextOptions::default());
        if self.trace {
            driver.set_observer(Box::new(Tracer { peer: Some(peer.to_string()), json: self.log.json }));
        }
        let mut stream = TlsStream::from_driver(socket, driver);
        let result = self.serve_and_end(&mut stream, &guard).await;
        let closing = stream.report();
        let mut report =
            ConnectionReport::new(Some(peer.to_string()), stream.driver().attributes().ok(), closing);
        let failed = result.is_err();
        match result {
            Ok(misbehaved) => report.misbehaved = misbehaved,
            Err(error) => report.error = Some(error.to_string()),
        }
        self.log.ended(&report);
        if failed && report.report.is_clean() {
            guard.report_failed(&closing);
        } else {
            guard.report(&closing);
        }
    }

    /// What was done instead of an end in order, if so.
    async fn serve_and_end(&self, stream: &mut Stream, guard: &Guard) -> io::Result<Option<String>> {
        let served = tokio::select! {
            served = self.serve(stream, guard) => served,
            () = guard.last_word() => {
                guard.give_up(stream).await;
                return Err(io::Error::other("the server stops and the connection was not done in time"));
            }
        };
        match (&served, self.misbehaviour) {
            (Ok(()), Some(misbehaviour)) => misbehaviour.end(stream, guard).await.map(Some),
            _ => {
                // Behind a failure it is the alert for it that is sent, or a close_notify that tells that nothing will come.
                let closed = guard.close(stream, CLOSE_BUDGET).await;
                served.and(closed).map(|_| None)
            }
        }
    }

    async fn serve(&self, stream: &mut Stream, guard: &Guard) -> io::Result<()> {
        let handshake = async {
            timeout(HANDSHAKE_TIME, stream.handshake())
                .await
                .unwrap_or_else(|_| Err(io::Error::other("the client did not finish the handshake in time")))
        };
        tokio::select! {
            shaken = handshake => shaken?,
            () = guard.asked() => return Err(io::Error::other("the server stops")),
        }
        match &self.service {
            Service::Echo(idle_time) => echo::serve(stream, *idle_time, guard).await,
            Service::Www(site) => www::serve(stream, site, guard).await,
        }
    }
}

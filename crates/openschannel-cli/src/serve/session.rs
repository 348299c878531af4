//! One connection of the server: handshake, service, and an end that destroys nothing.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use openschannel::ContextOptions;
use openschannel::alert::{Alert, AlertDescription};
use openschannel::credentials::InboundCredentials;
use openschannel_stream::Driver;
use openschannel_stream::graceful::Guard;
use openschannel_stream::tokio::TlsStream;
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use crate::report::ConnectionReport;
use crate::trace::Tracer;

use super::echo;
use super::limits::{Limits, Term};
use super::log::Log;
use super::misbehave::Misbehaviour;
use super::www::{self, Site};

/// The stream of a connection.
pub(super) type Stream = TlsStream<TcpStream>;

/// What all connections have in common.
pub(super) struct Session {
    pub(super) credentials: InboundCredentials,
    pub(super) service: Service,
    pub(super) limits: Limits,
    pub(super) misbehaviour: Option<Misbehaviour>,
    pub(super) trace: bool,
    pub(super) log: Log,
}

/// What is done with a connection.
pub(super) enum Service {
    Echo,
    Www(Site),
}

impl Session {
    /// From the handshake to the end, which is reported to the log and to the guard. `_place` is held until then.
    pub(super) async fn run(
        self: Arc<Self>,
        socket: TcpStream,
        peer: SocketAddr,
        guard: Guard,
        _place: OwnedSemaphorePermit,
    ) {
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
            // Apart: every connection would have room for all that it may do, which nearly none does.
            (Ok(()), Some(misbehaviour)) => Box::pin(misbehaviour.end(stream, guard)).await.map(Some),
            _ => {
                // Behind a failure it is the alert for it that is sent, or a close_notify that tells that nothing will come.
                let closed = guard.close(stream, self.limits.close).await;
                served.and(closed).map(|_| None)
            }
        }
    }

    async fn serve(&self, stream: &mut Stream, guard: &Guard) -> io::Result<()> {
        let term = Term::begin(&self.limits, guard);
        let handshake = async {
            timeout(self.limits.handshake, stream.handshake())
                .await
                .unwrap_or_else(|_| Err(io::Error::other("the client did not finish the handshake in time")))
        };
        tokio::select! {
            shaken = handshake => shaken?,
            () = guard.asked() => return Err(io::Error::other("the server stops")),
        }
        match &self.service {
            Service::Echo => echo::serve(stream, &self.limits, &term).await,
            Service::Www(site) => www::serve(stream, site, &self.limits, &term).await,
        }
    }
}

/// What was to be sent is not all sent and will not be. An orderly end would pass for the end of it with careless clients, so it is an
/// alert that waits behind what was sent, for the close to send.
pub(super) fn break_off(stream: &mut Stream, why: &'static str) -> io::Error {
    // A connection that can send no alert has failed already, and its bare end says the same.
    stream.driver_mut().send_alert(Alert::fatal(AlertDescription::INTERNAL_ERROR)).ok();
    io::Error::other(why)
}

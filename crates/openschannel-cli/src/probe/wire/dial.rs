//! From nothing to an established connection.

use openschannel::ContextOptions;
use openschannel::status::{Error, ErrorStatus};
use openschannel_stream::{Advance, Driver};
use tokio::time::{Instant, timeout, timeout_at};

use crate::options::Version;
use crate::starttls;

use super::super::log::{Log, Who};
use super::super::seen::Seen;
use super::super::setup::Setup;
use super::{Received, Wire};

/// A receive window for questions that want the server to be held up: the least Linux gives is of this order.
const SMALL_WINDOW: u32 = 4 * 1024;

/// A connection that could not be had.
#[derive(Debug)]
pub(in super::super) struct NoConnection {
    pub(in super::super) what: String,
    pub(in super::super) cause: Cause,
}

/// What kept a connection from being made, for the hint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Cause {
    /// The network, or nobody listens.
    Network,
    /// Before TLS: the STARTTLS dialogue.
    StartTls,
    /// The handshake was refused by an alert, or ended.
    Refused,
    /// This side refused it; the status says why.
    Here(ErrorStatus),
    /// What came in its place is no TLS.
    NoTls,
    /// Behind the client's handshake the server refused that it had no certificate.
    WantsCertificate,
    /// Nothing came in time.
    Time,
    /// The time for a question was over.
    Over,
}

impl Cause {
    /// Whether another version of TLS has to fail for the same reason.
    pub(in super::super) fn is_final(self) -> bool {
        match self {
            Self::Network | Self::StartTls | Self::NoTls => true,
            Self::Here(status) => status != ErrorStatus::AlgorithmMismatch,
            Self::Refused | Self::WantsCertificate | Self::Time | Self::Over => false,
        }
    }
}

impl Wire {
    /// TCP, STARTTLS if asked for, and the whole handshake.
    pub(in super::super) async fn connect(
        setup: &Setup,
        version: Version,
        log: &Log,
    ) -> Result<Self, NoConnection> {
        let mut wire = Self::begin(setup, version, log, Window::Default).await?;
        wire.handshake(setup).await?;
        wire.flush().await;
        Ok(wire)
    }

    /// As [`Wire::connect`] with what the caller asks for: a window, a store of sessions, the last flight unsent.
    pub(in super::super) async fn connect_held(
        setup: &Setup,
        version: Version,
        log: &Log,
        window: Window,
    ) -> Result<Self, NoConnection> {
        let mut wire = Self::begin(setup, version, log, window).await?;
        wire.handshake(setup).await?;
        Ok(wire)
    }

    /// TCP and STARTTLS, and the ClientHello unsent.
    pub(in super::super) async fn begin(
        setup: &Setup,
        version: Version,
        log: &Log,
        window: Window,
    ) -> Result<Self, NoConnection> {
        let driver =
            Driver::client(setup.credentials(version), Some(&setup.name), &ContextOptions::default())
                .map_err(|error| NoConnection {
                    what: format!("{}: {error}", setup.name),
                    cause: Cause::Here(error.status()),
                })?;
        let mut socket =
            setup.address.connect(setup.connect_time(), window.bytes()).await.map_err(|error| {
                NoConnection {
                    what: format!("cannot connect to {}: {error}", setup.address),
                    cause: Cause::Network,
                }
            })?;
        // It only delays small records; a socket that refuses the option works all the same.
        socket.set_nodelay(true).ok();
        let connected = socket.peer_addr().map_or_else(|_| String::new(), |address| format!(" to {address}"));
        log.add(Who::Note, format!("connected{connected}"));
        if let Some(protocol) = setup.starttls {
            let mut tell = |us: bool, line: &str| log.add(if us { Who::Us } else { Who::Peer }, line);
            let begun = starttls::begin(&mut socket, protocol, &setup.name, &mut tell);
            timeout(setup.connect_time(), begun)
                .await
                .map_err(|_| NoConnection {
                    what: format!("STARTTLS ({protocol}): the server did not answer in time"),
                    cause: Cause::Time,
                })?
                .map_err(|error| NoConnection {
                    what: format!("STARTTLS ({protocol}): {error}"),
                    cause: Cause::StartTls,
                })?;
        }
        Ok(Self {
            socket,
            driver,
            log: log.clone(),
            silence: setup.timeout,
            input: Vec::new(),
            pieces: 0,
            seen: Seen::default(),
            mark: Instant::now(),
            close_record_len: 0,
            response: None,
        })
    }

    /// The handshake up to the own last flight, which waits for [`Wire::flush`].
    async fn handshake(&mut self, setup: &Setup) -> Result<(), NoConnection> {
        let deadline = Instant::now() + setup.connect_time();
        loop {
            match self.driver.advance() {
                Ok(Advance::Established) => break,
                Ok(Advance::NeedsReceive) => {}
                Ok(Advance::Ended(_)) => {
                    return Err(no_handshake("the server ended the connection inside the handshake"));
                }
                Err(error) => {
                    // The server is told why, best effort.
                    self.flush().await;
                    return Err(failed_handshake(&error));
                }
            }
            self.flush().await;
            while self.first_record_len().is_none() {
                match timeout_at(deadline, self.receive()).await {
                    Err(_) => {
                        return Err(NoConnection {
                            what: "the server did not finish the handshake in time".to_owned(),
                            cause: Cause::Time,
                        });
                    }
                    Ok(Received::Bytes) => self.refuse_plaintext()?,
                    Ok(Received::End) => {
                        return Err(no_handshake("the server ended the connection inside the handshake"));
                    }
                }
            }
            self.feed_one_record();
        }
        if let Ok(known) = self.driver.attributes() {
            let resumed = if known.session_info().resumed { ", resumed" } else { "" };
            let name = crate::report::protocol_name(known.protocol());
            self.log
                .add(Who::Note, format!("handshake done: {name} {}{resumed}", known.cipher_suite().name()));
        }
        Ok(())
    }

    /// Sends the ClientHello and takes in the server's first record, with which its keys are known.
    pub(in super::super) async fn hello(&mut self, setup: &Setup) -> Result<(), NoConnection> {
        self.driver.advance().map_err(|error| failed_handshake(&error))?;
        self.flush().await;
        self.log.add(Who::Us, "ClientHello");
        let deadline = Instant::now() + setup.connect_time();
        while self.first_record_len().is_none() {
            match timeout_at(deadline, self.receive()).await {
                Ok(Received::Bytes) => {}
                _ => return Err(no_handshake("no ServerHello came")),
            }
        }
        self.feed_one_record();
        self.log.add(Who::Peer, "its first handshake record");
        self.driver.advance().map_err(|error| failed_handshake(&error))?;
        Ok(())
    }

    /// A server of another protocol greets, or answers the ClientHello in its own words; read as a record's header they would be waited for.
    fn refuse_plaintext(&self) -> Result<(), NoConnection> {
        if matches!(self.input.first(), None | Some(20..=24)) {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&self.input);
        let text = starttls::in_one_line(&text);
        Err(NoConnection {
            what: format!("the server does not speak TLS here but `{text}`"),
            cause: Cause::NoTls,
        })
    }

    /// Gives the driver one record and not a byte more, so that what follows the handshake stays here.
    fn feed_one_record(&mut self) {
        let Some(len) = self.first_record_len() else { return };
        let record: Vec<u8> = self.input.drain(..len).collect();
        self.pieces = u32::from(!self.input.is_empty());
        let mut rest = record.as_slice();
        while !rest.is_empty() {
            let space = self.driver.receive_space();
            let n = rest.len().min(space.len());
            if n == 0 {
                return;
            }
            let (now, later) = rest.split_at(n);
            space.get_mut(..n).unwrap_or_default().copy_from_slice(now);
            self.driver.received(n);
            rest = later;
        }
    }
}

/// How much the server may send before this side reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Window {
    Default,
    Small,
}

impl Window {
    fn bytes(self) -> Option<u32> {
        (self == Self::Small).then_some(SMALL_WINDOW)
    }
}

fn no_handshake(what: &str) -> NoConnection {
    NoConnection { what: what.to_owned(), cause: Cause::Refused }
}

fn failed_handshake(error: &Error) -> NoConnection {
    match error.received_alert() {
        Some(alert) => no_handshake(&format!("the server refuses the handshake: alert {alert}")),
        None => NoConnection { what: format!("no connection: {error}"), cause: Cause::Here(error.status()) },
    }
}

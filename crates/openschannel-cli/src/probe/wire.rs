//! One connection to the server, down to its records, and everything that was seen on it.
//!
//! The handshake is the driver's. Behind it records are opened one by one, so that the level of an alert, the reads a record came in,
//! what follows a close_notify, and FIN and RST with their times can be told.

mod dial;

use std::io::{self, ErrorKind};
use std::time::Duration;

use openschannel::alert::Alert;
use openschannel::status::SuccessStatus;
use openschannel::{Decrypted, KeyUpdateRequest};
use openschannel_stream::Driver;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use super::http::Response;
use super::log::{Log, Who};
use super::seen::{End, PeerClose, Seen};

pub(super) use dial::{Cause, NoConnection, Window};

/// Type, version, length (RFC 8446 section 5.1).
const HEADER_LEN: usize = 5;

/// Record types (RFC 8446 section 5.1).
pub(super) const ALERT: u8 = 21;
pub(super) const APPLICATION_DATA: u8 = 23;

/// Behind an own record: the tag and the inner content type of TLS 1.3.
const TAG_LEN: usize = 16;

/// One read of the socket.
const READ_LEN: usize = 64 * 1024;

/// A FIN follows a close_notify at once or not before this side's: whoever waits longer learns nothing.
const FIN_TIME: Duration = Duration::from_secs(2);

/// As many silences the server may go on sending, for a server may send for ever; a large response over a slow line has to fit in.
const READ_SILENCES: u32 = 4;

/// Between the bytes of a record that is sent in pieces: long enough for each to leave as a segment of its own.
const PIECE_PAUSE: Duration = Duration::from_millis(2);

/// The connection.
pub(super) struct Wire {
    socket: TcpStream,
    driver: Driver,
    log: Log,
    silence: Duration,
    input: Vec<u8>,
    /// Reads since the record at the front of `input` began.
    pieces: u32,
    seen: Seen,
    /// Since when the server is expected to end.
    mark: Instant,
    close_record_len: usize,
    /// What the data that comes is read as.
    response: Option<Response>,
}

impl Wire {
    pub(super) fn seen(&self) -> Seen {
        let mut seen = self.seen.clone();
        seen.waited = self.mark.elapsed();
        seen.response = self.response.as_ref().map(|response| response.seen(seen.close.is_some()));
        seen
    }

    pub(super) fn is_resumed(&self) -> bool {
        self.driver.attributes().is_ok_and(|known| known.session_info().resumed)
    }

    pub(super) fn driver_mut(&mut self) -> &mut Driver {
        &mut self.driver
    }

    /// Data that has come does not count from now on. How many bytes it was.
    pub(super) fn forget_data(&mut self) -> u64 {
        std::mem::take(&mut self.seen.data)
    }

    /// From now on what comes is an HTTP response.
    pub(super) fn expect_response(&mut self) {
        self.response = Some(Response::default());
    }

    /// Sealed data, to be sent with [`Wire::send`].
    pub(super) fn seal(&mut self, data: &[u8]) -> Vec<u8> {
        self.driver.write(data).ok();
        self.take_transmit()
    }

    /// A record of any kind, whatever was sent before.
    pub(super) fn forge(&mut self, content_type: u8, content: &[u8]) -> Vec<u8> {
        let half = self.driver.context_mut().and_then(|context| context.send_half().ok());
        half.and_then(|half| half.forge_record(content_type, content).ok()).unwrap_or_default()
    }

    /// The close_notify.
    pub(super) fn close(&mut self) -> Vec<u8> {
        self.driver.close_write().ok();
        self.take_transmit()
    }

    pub(super) fn key_update(&mut self, request: KeyUpdateRequest) -> Vec<u8> {
        self.driver.key_update(request).ok();
        self.take_transmit()
    }

    /// What the driver has to send: the last flight of a held handshake.
    pub(super) fn take_transmit(&mut self) -> Vec<u8> {
        let bytes = self.driver.transmit().to_vec();
        self.driver.transmitted(bytes.len());
        bytes
    }

    /// Sends, says so in the evidence, and has the time run from here in which the server is to end.
    pub(super) async fn send(&mut self, bytes: &[u8], what: &str) {
        self.log.add(Who::Us, format!("{what} ({} bytes)", bytes.len()));
        self.write(bytes).await;
        self.mark = Instant::now();
    }

    /// As [`Wire::send`], each byte in a segment of its own.
    pub(super) async fn send_in_pieces(&mut self, bytes: &[u8], what: &str) {
        self.log.add(Who::Us, format!("{what} ({0} bytes in {0} segments)", bytes.len()));
        for byte in bytes {
            if !self.write(&[*byte]).await {
                break;
            }
            sleep(PIECE_PAUSE).await;
        }
        self.mark = Instant::now();
    }

    /// Has the time run from here in which the server is to end.
    pub(super) fn rest(&mut self) {
        self.mark = Instant::now();
    }

    /// Ends the sending side of TCP.
    pub(super) async fn send_fin(&mut self) {
        self.log.add(Who::Us, "FIN");
        self.socket.shutdown().await.ok();
    }

    /// Reads until the server has ended the connection, or been silent for the time that --timeout says.
    pub(super) async fn until_end(&mut self) -> Seen {
        let silence = self.silence;
        self.read_while(silence, |_| true).await;
        if self.seen.end == End::Open && !self.seen.endless {
            let silent = match self.seen.close {
                Some(_) => "no FIN behind the close_notify",
                None => "nothing more in time",
            };
            self.log.add(Who::Note, silent);
        }
        self.seen()
    }

    /// As [`Wire::until_end`] with a longer patience.
    pub(super) async fn until_end_within(&mut self, silence: Duration) -> Seen {
        self.read_while(silence, |_| true).await;
        self.seen()
    }

    /// Reads until the response is complete, or as [`Wire::until_end`].
    pub(super) async fn until_response(&mut self) -> Seen {
        let silence = self.silence;
        self.read_while(silence, |wire| !wire.is_response_complete()).await;
        self.seen()
    }

    /// Reads until at least so many bytes of data or a whole response have come, or as [`Wire::until_end`].
    pub(super) async fn until_data(&mut self, bytes: u64) -> Seen {
        let silence = self.silence;
        self.read_while(silence, |wire| wire.seen.data < bytes && !wire.is_response_complete()).await;
        self.seen()
    }

    /// Reads until a ticket has come, or `silence` is over.
    pub(super) async fn until_ticket(&mut self, silence: Duration) -> Seen {
        self.read_while(silence, |wire| wire.seen.tickets == 0).await;
        self.seen()
    }

    /// Reads raw bytes until the end, for a connection whose handshake will never be done.
    pub(super) async fn until_raw_end(&mut self) -> Seen {
        let over = Instant::now() + self.silence * (1 + READ_SILENCES);
        loop {
            while let Some(len) = self.first_record_len() {
                let record: Vec<u8> = self.input.drain(..len).collect();
                self.pieces = u32::from(!self.input.is_empty());
                match record.as_slice() {
                    &[ALERT, _, _, 0, 2, level, description] => {
                        let alert = Alert::parse(&[level, description]);
                        let text = alert.map(|alert| alert.to_string()).unwrap_or_default();
                        self.log.add(Who::Peer, format!("alert {text}"));
                        if description == 0 {
                            self.seen.close =
                                Some(PeerClose { level, pieces: 1, after: self.mark.elapsed() });
                        } else {
                            self.seen.alert = alert;
                        }
                    }
                    _ => self.log.add_data(Who::Peer, "handshake records", len as u64),
                }
            }
            match timeout(self.silence, self.receive()).await {
                Ok(Received::Bytes) if self.is_endless(over) => break,
                Ok(Received::Bytes) => {}
                Ok(Received::End) => break,
                Err(_) => {
                    self.log.add(Who::Note, "nothing more in time");
                    break;
                }
            }
        }
        self.seen()
    }

    fn is_response_complete(&self) -> bool {
        self.response.as_ref().is_some_and(Response::is_complete)
    }

    async fn read_while(&mut self, silence: Duration, wanted: impl Fn(&Self) -> bool) {
        let over = Instant::now() + silence + self.silence * READ_SILENCES;
        loop {
            self.process();
            if !wanted(self) || self.seen.end != End::Open || self.is_endless(over) {
                return;
            }
            let patience = if self.seen.close.is_some() { silence.min(FIN_TIME) } else { silence };
            if timeout(patience, self.receive()).await.is_err() {
                return;
            }
        }
    }

    /// Whether the server has been sending for longer than anybody reads.
    fn is_endless(&mut self, over: Instant) -> bool {
        if Instant::now() < over {
            return false;
        }
        self.log.add(Who::Note, "it still sends; the time for reading is over");
        self.seen.endless = true;
        true
    }

    /// One read of the socket.
    async fn receive(&mut self) -> Received {
        if self.seen.end != End::Open {
            return Received::End;
        }
        let mut buffer = vec![0; READ_LEN];
        match self.socket.read(&mut buffer).await {
            Ok(0) => {
                self.log.add(Who::Peer, "FIN");
                self.seen.end = End::Fin;
                Received::End
            }
            Ok(n) => {
                self.input.extend_from_slice(buffer.get(..n).unwrap_or_default());
                self.pieces += 1;
                Received::Bytes
            }
            Err(error) => {
                self.lost(&error);
                Received::End
            }
        }
    }

    /// Opens every whole record that was received.
    fn process(&mut self) {
        while let Some(len) = self.first_record_len() {
            let mut record: Vec<u8> = self.input.drain(..len).collect();
            let pieces = std::mem::replace(&mut self.pieces, u32::from(!self.input.is_empty()));
            self.take_record(&mut record, pieces);
        }
        self.seen.inside_record = !self.input.is_empty();
    }

    fn take_record(&mut self, record: &mut [u8], pieces: u32) {
        let len = record.len();
        if self.seen.close.is_some() {
            // A second close_notify, which nobody minds, looks like the first.
            let is_alert = record.first() == Some(&ALERT) || len == self.close_record_len;
            if !is_alert {
                self.seen.behind_close += len as u64;
            }
            let what = if is_alert { "another alert" } else { "a record" };
            self.log.add(Who::Peer, format!("{what} behind its close_notify ({len} bytes)"));
            return;
        }
        if self.seen.alert.is_some() || self.seen.broken.is_some() {
            self.log.add(Who::Peer, format!("a record behind the end of the connection ({len} bytes)"));
            return;
        }
        let opened = match self.driver.context_mut() {
            Some(context) => context.decrypt_message(record),
            None => return,
        };
        match opened {
            Ok(decrypted) if decrypted.status == SuccessStatus::ContextExpired => {
                let level = record.get(decrypted.header).copied().unwrap_or_default();
                self.take_close(level, pieces, len);
            }
            Ok(decrypted) => self.take_content(record, &decrypted),
            Err(error) => match error.received_alert() {
                Some(alert) => {
                    self.log.add(Who::Peer, format!("alert {alert} ({len} bytes)"));
                    self.seen.alert = Some(alert);
                }
                None => {
                    self.log.add(Who::Peer, format!("a record that is refused: {error} ({len} bytes)"));
                    self.seen.broken = Some(error.to_string());
                }
            },
        }
    }

    fn take_close(&mut self, level: u8, pieces: u32, len: usize) {
        let since = self.response.as_ref().and_then(Response::completed_at).unwrap_or(self.mark);
        let after = since.max(self.mark).elapsed();
        let in_pieces = if pieces > 1 { format!(" in {pieces} reads") } else { String::new() };
        let level_name = openschannel::alert::AlertLevel(level).name();
        self.log.add(Who::Peer, format!("close_notify, level {level_name} ({len} bytes{in_pieces})"));
        self.close_record_len = len;
        self.seen.close = Some(PeerClose { level, pieces, after });
    }

    fn take_content(&mut self, record: &[u8], decrypted: &Decrypted) {
        let data = record.get(decrypted.data.clone()).unwrap_or_default();
        if !data.is_empty() {
            self.seen.data += data.len() as u64;
            self.log.add_data(Who::Peer, "application data", data.len() as u64);
            if let Some(response) = &mut self.response {
                response.push(data);
            }
            return;
        }
        let what = match self.handshake_message(record, decrypted) {
            Some(4) => {
                self.seen.tickets += 1;
                "NewSessionTicket"
            }
            Some(24) => {
                self.seen.key_updates += 1;
                "KeyUpdate"
            }
            Some(_) => "a handshake message",
            None => "a record without data",
        };
        self.log.add(Who::Peer, format!("{what} ({} bytes)", record.len()));
    }

    /// The type of the message in an opened record: the plaintext lies where the ciphertext was, in TLS 1.3 with its type behind it.
    fn handshake_message(&self, record: &[u8], decrypted: &Decrypted) -> Option<u8> {
        const HANDSHAKE: u8 = 22;
        let is_handshake = match *record.first()? {
            HANDSHAKE => true,
            APPLICATION_DATA => {
                let inner = record.get(HEADER_LEN..record.len().checked_sub(TAG_LEN)?)?;
                inner.iter().rev().find(|byte| **byte != 0) == Some(&HANDSHAKE)
            }
            _ => false,
        };
        is_handshake.then(|| record.get(decrypted.header).copied()).flatten()
    }

    /// The length of the record at the front of the input, if it is whole.
    fn first_record_len(&self) -> Option<usize> {
        let &[_, _, _, high, low, ..] = self.input.as_slice() else { return None };
        let len = HEADER_LEN + usize::from(u16::from_be_bytes([high, low]));
        (self.input.len() >= len).then_some(len)
    }

    /// Sends what the driver has, without a line of evidence.
    async fn flush(&mut self) {
        let bytes = self.take_transmit();
        self.write(&bytes).await;
    }

    /// Says whether all of it could be sent.
    async fn write(&mut self, bytes: &[u8]) -> bool {
        match timeout(self.silence, self.socket.write_all(bytes)).await {
            Ok(Ok(())) => return true,
            Ok(Err(error)) => {
                self.log.add(Who::Note, format!("sending failed: {error}"));
                // What was received is read all the same; a reset that a write has met is not told again by a read.
                self.seen.write_reset |= error.kind() == ErrorKind::ConnectionReset;
                self.drain_after_reset().await;
            }
            Err(_) => self.log.add(Who::Note, "the server takes no more bytes"),
        }
        false
    }

    /// Behind a reset that a write has met, reading gives what had arrived and then zero, which is no FIN.
    async fn drain_after_reset(&mut self) {
        if !self.seen.write_reset {
            return;
        }
        let mut buffer = vec![0; READ_LEN];
        while let Ok(Ok(n)) = timeout(FIN_TIME, self.socket.read(&mut buffer)).await {
            if n == 0 {
                break;
            }
            self.input.extend_from_slice(buffer.get(..n).unwrap_or_default());
            self.pieces += 1;
        }
        self.log.add(Who::Peer, "RST");
        self.seen.end = End::Reset;
    }

    fn lost(&mut self, error: &io::Error) {
        let text = match error.kind() {
            ErrorKind::ConnectionReset => "RST".to_owned(),
            _ => format!("the transport failed: {error}"),
        };
        self.log.add(Who::Peer, text);
        self.seen.end = End::Reset;
    }
}

enum Received {
    Bytes,
    End,
}

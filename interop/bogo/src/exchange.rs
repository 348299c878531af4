//! One connection: handshake, what the flags want written, an echo, shutdown.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpStream};

use openschannel::alert::{Alert, AlertDescription};
use openschannel::attributes::Protocol;
use openschannel::status::Error;
use openschannel::{ContextOptions, KeyUpdateRequest, ReadEnd, TransportEnd};
use openschannel_stream::{Advance, Driver, Plaintext};

use crate::credentials::{Credentials, Shared, Side};
use crate::expectations;
use crate::flags::{Actions, Options, Test};

/// The name connected to where the flags give none and a session is to be found again by it.
const TARGET: &str = "bogo.test";

/// What `-shim-writes-first` writes where the flags do not say.
const GREETING: &str = "hello";

/// How much the shim reads at a time: so little that records come out in several pieces.
const READ_SIZE: usize = 512;

/// The pieces of `-write-different-record-sizes`, around the largest record and its multiples, and the byte they are made of.
const RECORD_SIZES: [usize; 11] = [0, 1, 255, 256, 257, 16_383, 16_384, 16_385, 32_767, 32_768, 32_769];
const RECORD_FILL: u8 = 0x42;

/// Connects and does what the options say.
pub(crate) fn run(
    test: &Test,
    options: &Options,
    credentials: &Credentials,
    shared: &Shared,
    resumed: bool,
) -> Result<(), String> {
    let mut socket = connect(test).map_err(|error| format!("cannot connect: {error}"))?;
    let driver = begin(options, credentials, test.resume_count > 0)?;
    let step = if options.actions.byte_by_byte { 1 } else { usize::MAX };
    let mut connection = Connection { driver, socket: &socket, step, held: false };
    let outcome = talk(&mut connection, options, credentials, shared, resumed);
    // The alert of a failure waits here.
    let sent = connection.send();
    drain(&mut socket);
    drop(sent);
    outcome
}

fn talk(
    connection: &mut Connection<'_>,
    options: &Options,
    credentials: &Credentials,
    shared: &Shared,
    resumed: bool,
) -> Result<(), String> {
    let Options { actions, expectations, .. } = options;
    let sessions_before = shared.sessions.came();
    connection.handshake(actions)?;
    expectations::check(&connection.driver, expectations, credentials, shared, resumed)?;
    if actions.export_length > 0 {
        let context = actions.use_export_context.then_some(actions.export_context.as_bytes());
        let mut exported = vec![0; actions.export_length];
        let attributes = connection.driver.attributes().map_err(describe)?;
        attributes
            .export_keying_material(actions.export_label.as_bytes(), context, &mut exported)
            .map_err(describe)?;
        connection.write(&exported)?;
    }
    if actions.tls_unique {
        let bindings =
            connection.driver.attributes().map_err(describe)?.unique_bindings().map_err(describe)?;
        connection.write(bindings.strip_prefix(b"tls-unique:").unwrap_or(&bindings))?;
    }
    if actions.send_alert {
        let alert = Alert::fatal(AlertDescription::DECOMPRESSION_FAILURE);
        return connection.driver.send_alert(alert).map_err(describe);
    }
    let mut end = ReadEnd::Open;
    if actions.write_different_record_sizes {
        for size in RECORD_SIZES {
            connection.write(&vec![RECORD_FILL; size])?;
        }
    } else {
        write_greeting(connection, actions)?;
        if !actions.shuts_down {
            end = echo(connection, actions)?;
        }
    }
    let protocol = connection.driver.attributes().map_err(describe)?.protocol();
    let client = matches!(credentials.side, Side::Client(_));
    if client && protocol == Protocol::Tls13 {
        let expected =
            !expectations.no_session && !actions.shuts_down && !actions.write_different_record_sizes;
        if expected && shared.sessions.came() == sessions_before {
            return Err("expectation: no session came".to_owned());
        }
    }
    if client && expectations.ticket_renewal && shared.sessions.came() == sessions_before {
        return Err("expectation: the ticket was not renewed".to_owned());
    }
    shut_down(connection, actions, end)
}

fn write_greeting(connection: &mut Connection<'_>, actions: &Actions) -> Result<(), String> {
    let greeting = actions.initial_write.as_deref().unwrap_or(GREETING).as_bytes();
    if actions.read_with_unfinished_write {
        // The record is there, and only its first byte goes out before something was read.
        connection.driver.write(greeting).map_err(describe)?;
        connection.send_at_most(1)?;
        connection.held = true;
    } else if actions.writes_first {
        for _ in 0..actions.repeat_initial_write.unwrap_or(1) {
            connection.write(greeting)?;
        }
    }
    Ok(())
}

/// Gives everything back with its bits turned, to the end.
fn echo(connection: &mut Connection<'_>, actions: &Actions) -> Result<ReadEnd, String> {
    let size = actions.read_size.unwrap_or(READ_SIZE);
    loop {
        if actions.key_update_before_read {
            connection.key_update()?;
        }
        let mut data = match connection.read(size, actions.peek)? {
            Received::Data(data) => data,
            Received::End(end) => return Ok(end),
        };
        if actions.export_between_reads {
            let attributes = connection.driver.attributes().map_err(describe)?;
            attributes.export_keying_material(b"between reads", None, &mut [0; 1]).map_err(describe)?;
        }
        connection.held = false;
        connection.send()?;
        if actions.key_update {
            connection.key_update()?;
        }
        for byte in &mut data {
            *byte ^= 0xff;
        }
        connection.write(&data)?;
    }
}

/// Ends the own direction; with `-check-close-notify` both, by what the runner sends.
fn shut_down(connection: &mut Connection<'_>, actions: &Actions, mut end: ReadEnd) -> Result<(), String> {
    connection.driver.close_write().map_err(describe)?;
    if let Err(failure) = connection.send()
        && actions.check_close_notify
    {
        return Err(failure);
    }
    if !actions.check_close_notify {
        return Ok(());
    }
    if actions.shuts_down {
        match connection.read(READ_SIZE, false)? {
            // The provider would go on reading: half-close is what it is for. The test is about a program that wants nothing more.
            Received::Data(_) => return Err("data came behind the own close".to_owned()),
            Received::End(ended) => end = ended,
        }
    }
    match end {
        ReadEnd::Clean => Ok(()),
        end => Err(format!("the peer did not close: {end:?}")),
    }
}

fn begin(options: &Options, credentials: &Credentials, resumes: bool) -> Result<Driver, String> {
    let context = ContextOptions::default();
    match &credentials.side {
        Side::Server(credentials) => Ok(Driver::server(credentials, &context)),
        Side::Client(credentials) => {
            let target = options.actions.host_name.as_deref().or(if resumes { Some(TARGET) } else { None });
            Driver::client(credentials, target, &context).map_err(describe)
        }
    }
}

fn connect(test: &Test) -> std::io::Result<TcpStream> {
    let address = match test.ipv6 {
        true => SocketAddr::from((Ipv6Addr::LOCALHOST, test.port)),
        false => SocketAddr::from((Ipv4Addr::LOCALHOST, test.port)),
    };
    let mut socket = TcpStream::connect(address)?;
    socket.set_nodelay(true)?;
    // The runner has one listener for all shims; this says whose connection it is.
    socket.write_all(&test.shim_id.to_le_bytes())?;
    Ok(socket)
}

/// Ends the socket in order and reads what the peer still sends, so that nothing of ours is lost to a reset.
fn drain(socket: &mut TcpStream) {
    if socket.shutdown(Shutdown::Write).is_ok() {
        let mut unread = [0; READ_SIZE];
        while matches!(socket.read(&mut unread), Ok(1..)) {}
    }
}

enum Received {
    Data(Vec<u8>),
    End(ReadEnd),
}

/// A driver and its socket.
struct Connection<'a> {
    driver: Driver,
    socket: &'a TcpStream,
    /// Most bytes of one read from the socket.
    step: usize,
    /// Sending waits.
    held: bool,
}

impl Connection<'_> {
    fn handshake(&mut self, actions: &Actions) -> Result<(), String> {
        loop {
            let advance = self.driver.advance();
            self.send()?;
            match advance.map_err(describe)? {
                Advance::Established => break,
                Advance::NeedsReceive => self.receive()?,
                Advance::Ended(end) => return Err(format!("the handshake ended: {end:?}")),
            }
        }
        if actions.advance_twice && !matches!(self.driver.advance(), Ok(Advance::Established)) {
            return Err("the second handshake call was not idle".to_owned());
        }
        Ok(())
    }

    fn read(&mut self, size: usize, peek: bool) -> Result<Received, String> {
        loop {
            let received = match self.driver.fill_plaintext() {
                Ok(Plaintext::NeedsReceive) => None,
                Ok(Plaintext::End(end)) => Some(Received::End(end)),
                Ok(Plaintext::Data(data)) => Some(Received::Data(data[..data.len().min(size)].to_vec())),
                Err(error) => {
                    self.send()?;
                    return Err(describe(error));
                }
            };
            self.send()?;
            match received {
                None => self.receive()?,
                Some(Received::End(end @ (ReadEnd::Reset | ReadEnd::Open))) => {
                    return Err(format!("the transport failed: {end:?}"));
                }
                Some(Received::End(end)) => return Ok(Received::End(end)),
                Some(Received::Data(data)) => {
                    if peek {
                        let again = self.driver.fill_plaintext().map_err(describe)?;
                        if !matches!(again, Plaintext::Data(seen) if seen.starts_with(&data)) {
                            return Err("what was looked at twice differs".to_owned());
                        }
                    }
                    self.driver.consume(data.len());
                    return Ok(Received::Data(data));
                }
            }
        }
    }

    fn write(&mut self, mut data: &[u8]) -> Result<(), String> {
        while !data.is_empty() {
            let written = self.driver.write(data).map_err(describe)?;
            data = &data[written..];
            self.send()?;
        }
        Ok(())
    }

    fn key_update(&mut self) -> Result<(), String> {
        self.driver.key_update(KeyUpdateRequest::NotRequested).map_err(describe)?;
        self.send()
    }

    fn receive(&mut self) -> Result<(), String> {
        let space = self.driver.receive_space();
        let room = space.len().min(self.step);
        match self.socket.read(&mut space[..room]) {
            Ok(0) => self.driver.transport_ended(TransportEnd::Eof),
            Ok(n) => self.driver.received(n),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => self.driver.transport_ended(TransportEnd::Reset),
        }
        Ok(())
    }

    fn send(&mut self) -> Result<(), String> {
        if self.held { Ok(()) } else { self.send_at_most(usize::MAX) }
    }

    fn send_at_most(&mut self, most: usize) -> Result<(), String> {
        let waiting = self.driver.transmit();
        let sent = waiting.len().min(most);
        self.socket.write_all(&waiting[..sent]).map_err(|error| format!("cannot send: {error}"))?;
        self.driver.transmitted(sent);
        Ok(())
    }
}

/// The status, what the peer was told or told us, and the reason: what the error map of the runner knows.
fn describe(error: Error) -> String {
    let told = error.alert().map(|alert| format!(" [tells {}]", alert.description.name()));
    let heard = error.received_alert().map(|alert| format!(" [was told {}]", alert.description.name()));
    format!("{error}{}{}", told.unwrap_or_default(), heard.unwrap_or_default())
}

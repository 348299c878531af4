//! One connection: handshake, what the flags want written, an echo, shutdown.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpStream};

use openschannel::alert::{Alert, AlertDescription};
use openschannel::attributes::Protocol;
use openschannel::status::Error;
use openschannel::{ContextOptions, KeyUpdateRequest, ReadEnd, TransportEnd};
use openschannel_stream::{Advance, Driver, Plaintext, ReceiveDriver, SendDriver};

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
    let sessions_before = shared.sessions.came();
    let mut driver = begin(options, credentials, test.resume_count > 0)?;
    let established = handshake(&mut driver, &socket, &options.actions);
    // The alert of a failure waits here; that of a connection which is closed cannot be sent, and nobody waits for it.
    send_all(&mut &socket, driver.transmit(), usize::MAX).ok();
    let sent = driver.transmit().len();
    driver.transmitted(sent);
    let outcome = established.and_then(|()| {
        let (send, receive) = driver.split().map_err(|_| "the handshake is not finished".to_owned())?;
        let step = options.actions.step();
        let mut connection = Connection { send, receive, socket: &socket, step, held: false };
        let outcome =
            expectations::check(connection.send.attributes(), options, credentials, shared, resumed)
                .and_then(|()| talk(&mut connection, options))
                .and_then(|end| {
                    session_came(&connection, test, options, shared.sessions.came() > sessions_before)?;
                    shut_down(&mut connection, &options.actions, end)
                });
        connection.send.catch_up();
        connection.flush().ok();
        outcome
    });
    drain(&mut socket);
    outcome
}

fn talk(connection: &mut Connection<'_>, options: &Options) -> Result<ReadEnd, String> {
    let actions = &options.actions;
    if actions.export_length > 0 {
        let context = actions.use_export_context.then_some(actions.export_context.as_bytes());
        let mut exported = vec![0; actions.export_length];
        let attributes = connection.send.attributes();
        attributes
            .export_keying_material(actions.export_label.as_bytes(), context, &mut exported)
            .map_err(describe)?;
        connection.write(&exported)?;
    }
    if actions.tls_unique {
        let bindings = connection.send.attributes().unique_bindings().map_err(describe)?;
        connection.write(bindings.strip_prefix(b"tls-unique:").unwrap_or(&bindings))?;
    }
    if actions.send_alert {
        let alert = Alert::fatal(AlertDescription::DECOMPRESSION_FAILURE);
        connection.send.send_alert(alert).map_err(describe)?;
        return Ok(ReadEnd::Open);
    }
    if actions.write_different_record_sizes {
        for size in RECORD_SIZES {
            connection.write(&vec![RECORD_FILL; size])?;
        }
        return Ok(ReadEnd::Open);
    }
    write_greeting(connection, actions)?;
    if actions.shuts_down { Ok(ReadEnd::Open) } else { echo(connection, actions) }
}

/// Sessions are kept by the name connected to, and TLS 1.3's come with the data.
fn session_came(
    connection: &Connection<'_>,
    test: &Test,
    options: &Options,
    came: bool,
) -> Result<(), String> {
    let Options { settings, actions, expectations } = options;
    let with_data = connection.send.attributes().protocol() == Protocol::Tls13
        && target(options, test.resume_count > 0).is_some()
        && !(actions.shuts_down || actions.send_alert || actions.write_different_record_sizes)
        && !expectations.no_session;
    if !settings.server && (with_data || expectations.ticket_renewal) && !came {
        return Err("expectation: no session came".to_owned());
    }
    Ok(())
}

fn write_greeting(connection: &mut Connection<'_>, actions: &Actions) -> Result<(), String> {
    let greeting = actions.initial_write.as_deref().unwrap_or(GREETING).as_bytes();
    if actions.read_with_unfinished_write {
        // The record is there, and only its first byte goes out before something was read.
        connection.send.write(greeting).map_err(describe)?;
        connection.flush_at_most(1)?;
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
            let attributes = connection.send.attributes();
            attributes.export_keying_material(b"between reads", None, &mut [0; 1]).map_err(describe)?;
        }
        connection.held = false;
        connection.flush()?;
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
    connection.send.close_write().map_err(describe)?;
    if let Err(failure) = connection.flush()
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
    let mut context = ContextOptions::default();
    match &credentials.side {
        Side::Server(credentials) => Ok(Driver::server(credentials, &context)),
        Side::Client(credentials) => {
            // Without -verify-peer BoringSSL's clients ask their verifier and go on whatever it says.
            context.deferred_validation = !options.settings.request_certificate;
            Driver::client(credentials, target(options, resumes), &context).map_err(describe)
        }
    }
}

fn target(options: &Options, resumes: bool) -> Option<&str> {
    options.actions.host_name.as_deref().or(if resumes { Some(TARGET) } else { None })
}

fn handshake(driver: &mut Driver, mut socket: &TcpStream, actions: &Actions) -> Result<(), String> {
    loop {
        let advance = driver.advance();
        let sent = send_all(&mut socket, driver.transmit(), usize::MAX)?;
        driver.transmitted(sent);
        match advance.map_err(describe)? {
            Advance::Established => break,
            Advance::NeedsReceive => match receive(&mut socket, driver.receive_space(), actions.step()) {
                Ok(n) => driver.received(n),
                Err(end) => driver.transport_ended(end),
            },
            Advance::Ended(end) => return Err(format!("the handshake ended: {end:?}")),
        }
    }
    if actions.advance_twice && !matches!(driver.advance(), Ok(Advance::Established)) {
        return Err("the second handshake call was not idle".to_owned());
    }
    Ok(())
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

/// The two directions and their socket. They are apart so that what the peer asks of us, the answer to a KeyUpdate, waits for the next
/// write, as BoringSSL's does.
struct Connection<'a> {
    send: SendDriver,
    receive: ReceiveDriver,
    socket: &'a TcpStream,
    /// Most bytes of one read from the socket.
    step: usize,
    /// Sending waits.
    held: bool,
}

impl Connection<'_> {
    fn read(&mut self, size: usize, peek: bool) -> Result<Received, String> {
        loop {
            let data = match self.receive.fill_plaintext().map_err(describe)? {
                Plaintext::Data(data) => data[..data.len().min(size)].to_vec(),
                Plaintext::NeedsReceive => {
                    match receive(&mut self.socket, self.receive.receive_space(), self.step) {
                        Ok(n) => self.receive.received(n),
                        Err(end) => self.receive.transport_ended(end),
                    }
                    continue;
                }
                Plaintext::End(end @ (ReadEnd::Reset | ReadEnd::Open)) => {
                    return Err(format!("the transport failed: {end:?}"));
                }
                Plaintext::End(end) => return Ok(Received::End(end)),
            };
            if peek {
                let again = self.receive.fill_plaintext().map_err(describe)?;
                if !matches!(again, Plaintext::Data(seen) if seen.starts_with(&data)) {
                    return Err("what was looked at twice differs".to_owned());
                }
            }
            self.receive.consume(data.len());
            return Ok(Received::Data(data));
        }
    }

    fn write(&mut self, mut data: &[u8]) -> Result<(), String> {
        while !data.is_empty() {
            let written = self.send.write(data).map_err(describe)?;
            data = &data[written..];
            self.flush()?;
        }
        Ok(())
    }

    fn key_update(&mut self) -> Result<(), String> {
        self.send.key_update(KeyUpdateRequest::NotRequested).map_err(describe)?;
        self.flush()
    }

    fn flush(&mut self) -> Result<(), String> {
        if self.held { Ok(()) } else { self.flush_at_most(usize::MAX) }
    }

    fn flush_at_most(&mut self, most: usize) -> Result<(), String> {
        let sent = send_all(&mut self.socket, self.send.transmit(), most)?;
        self.send.transmitted(sent);
        Ok(())
    }
}

fn receive(socket: &mut &TcpStream, space: &mut [u8], step: usize) -> Result<usize, TransportEnd> {
    let room = space.len().min(step);
    loop {
        match socket.read(&mut space[..room]) {
            Ok(0) => return Err(TransportEnd::Eof),
            Ok(n) => return Ok(n),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return Err(TransportEnd::Reset),
        }
    }
}

fn send_all(socket: &mut &TcpStream, waiting: &[u8], most: usize) -> Result<usize, String> {
    let length = waiting.len().min(most);
    socket.write_all(&waiting[..length]).map_err(|error| format!("cannot send: {error}"))?;
    Ok(length)
}

/// The status, what the peer was told or told us, and the reason: what the error map of the runner knows.
fn describe(error: Error) -> String {
    let told = error.alert().map(|alert| format!(" [tells {}]", alert.description.name()));
    let heard = error.received_alert().map(|alert| format!(" [was told {}]", alert.description.name()));
    format!("{error}{}{}", told.unwrap_or_default(), heard.unwrap_or_default())
}

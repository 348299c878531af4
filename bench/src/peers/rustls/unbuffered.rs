//! Through `process_tls_records`, with the caller's buffers.

use std::sync::Arc;

use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::ServerName;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, UnbufferedStatus};
use rustls::{ClientConfig, CommonState, ServerConfig};

use super::super::Connection;
use crate::setup::Negotiated;
use crate::wire::Wire;

/// Longer than what a record, or a flight's piece of a handshake, has around it.
const ROOM: usize = 18_432;

pub(super) fn client(config: Arc<ClientConfig>, name: ServerName<'static>) -> Box<dyn Connection> {
    let connection = UnbufferedClientConnection::new(config, name).expect("a client");
    Box::new(Side { connection, is_established: false })
}

pub(super) fn server(config: Arc<ServerConfig>) -> Box<dyn Connection> {
    let connection = UnbufferedServerConnection::new(config).expect("a server");
    Box::new(Side { connection, is_established: false })
}

/// What the two types have in common, which rustls has under a private name.
trait Unbuffered: Send {
    type Data;

    fn process<'c, 'i>(&'c mut self, input: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data>;

    fn state(&self) -> &CommonState;
}

impl Unbuffered for UnbufferedClientConnection {
    type Data = rustls::client::ClientConnectionData;

    fn process<'c, 'i>(&'c mut self, input: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(input)
    }

    fn state(&self) -> &CommonState {
        self
    }
}

impl Unbuffered for UnbufferedServerConnection {
    type Data = rustls::server::ServerConnectionData;

    fn process<'c, 'i>(&'c mut self, input: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(input)
    }

    fn state(&self) -> &CommonState {
        self
    }
}

struct Side<C> {
    connection: C,
    is_established: bool,
}

impl<C: Unbuffered> Connection for Side<C> {
    fn step(&mut self, input: &mut Vec<u8>, output: &mut Vec<u8>) -> bool {
        let mut taken = 0;
        loop {
            let UnbufferedStatus { discard, state, .. } = self.connection.process(&mut input[taken..]);
            let mut waits = false;
            match state.expect("the handshake goes on") {
                ConnectionState::EncodeTlsData(mut data) => {
                    let start = output.len();
                    let needed = match data.encode(&mut []) {
                        Err(EncodeError::InsufficientSize(size)) => size.required_size,
                        other => panic!("{other:?}"),
                    };
                    output.resize(start + needed, 0);
                    data.encode(&mut output[start..]).expect("written");
                }
                ConnectionState::TransmitTlsData(data) => data.done(),
                ConnectionState::BlockedHandshake | ConnectionState::WriteTraffic(_) => waits = true,
                other => panic!("{other:?}"),
            }
            taken += discard;
            if waits {
                break;
            }
        }
        input.drain(..taken);
        self.is_established |= !self.connection.state().is_handshaking();
        self.is_established
    }

    fn negotiated(&self) -> Negotiated {
        super::negotiated(self.connection.state())
    }

    fn prepare(&mut self, plaintext: &[u8], count: usize, wire: &mut Wire) {
        wire.reserve(plaintext.len(), count);
        // Records are written into memory that is there already.
        let room = if wire.keeps() { wire.bytes.capacity() } else { ROOM };
        wire.bytes.resize(room, 0);
        wire.record_len = 0;
    }

    fn seal_batch(&mut self, plaintext: &[u8], count: usize, wire: &mut Wire) {
        let mut end = 0;
        for _ in 0..count {
            let at = end * wire.stride();
            let UnbufferedStatus { state, .. } = self.connection.process(&mut []);
            let Ok(ConnectionState::WriteTraffic(mut traffic)) = state else { panic!("not ready to send") };
            end = at + traffic.encrypt(plaintext, &mut wire.bytes[at..]).expect("sealed");
        }
        if wire.keeps() {
            wire.bytes.truncate(end);
        }
        wire.count = count;
    }

    fn open_batch(&mut self, wire: &mut Wire) -> usize {
        let mut total = 0;
        while wire.taken < wire.bytes.len() {
            let UnbufferedStatus { mut discard, state, .. } =
                self.connection.process(&mut wire.bytes[wire.taken..]);
            let Ok(ConnectionState::ReadTraffic(mut traffic)) = state else { panic!("nothing to read") };
            while let Some(record) = traffic.next_record() {
                let record = record.expect("opened");
                discard += record.discard;
                total += record.payload.len();
            }
            wire.taken += discard;
        }
        // Gives what is left to be discarded.
        total
    }

    fn close(&mut self, output: &mut Vec<u8>) {
        let mut room = [0; 64];
        let UnbufferedStatus { state, .. } = self.connection.process(&mut []);
        let Ok(ConnectionState::WriteTraffic(mut traffic)) = state else { panic!("not ready to send") };
        let len = traffic.queue_close_notify(&mut room).expect("sealed");
        output.extend_from_slice(&room[..len]);
    }

    fn take_close(&mut self, input: &mut Vec<u8>) -> bool {
        let UnbufferedStatus { discard, state, .. } = self.connection.process(input);
        let closed = matches!(state, Ok(ConnectionState::PeerClosed));
        input.drain(..discard);
        closed
    }
}

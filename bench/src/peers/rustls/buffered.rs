//! Through `writer`, `write_tls`, `read_tls` and `reader`.

use std::io::{ErrorKind, Read as _, Write as _};
use std::ops::DerefMut;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, ConnectionCommon, ServerConfig, ServerConnection, SideData};

use super::super::Connection;
use crate::setup::Negotiated;
use crate::wire::Wire;

pub(super) fn client(config: Arc<ClientConfig>, name: ServerName<'static>) -> Box<dyn Connection> {
    let mut connection = ClientConnection::new(config, name).expect("a client");
    connection.set_buffer_limit(None);
    Box::new(Side(connection))
}

pub(super) fn server(config: Arc<ServerConfig>) -> Box<dyn Connection> {
    let mut connection = ServerConnection::new(config).expect("a server");
    connection.set_buffer_limit(None);
    Box::new(Side(connection))
}

struct Side<C>(C);

impl<C, D> Connection for Side<C>
where
    C: DerefMut<Target = ConnectionCommon<D>> + Send,
    D: SideData,
{
    fn step(&mut self, input: &mut Vec<u8>, output: &mut Vec<u8>) -> bool {
        let mut rest = &input[..];
        while !rest.is_empty() {
            self.0.read_tls(&mut rest).expect("read");
            self.0.process_new_packets().expect("the handshake goes on");
        }
        input.clear();
        while self.0.wants_write() {
            self.0.write_tls(output).expect("written");
        }
        !self.0.is_handshaking()
    }

    fn negotiated(&self) -> Negotiated {
        super::negotiated(&self.0)
    }

    fn seal_batch(&mut self, plaintext: &[u8], count: usize, wire: &mut Wire) {
        for _ in 0..count {
            let sink = wire.sink();
            self.0.writer().write_all(plaintext).expect("sealed");
            while self.0.wants_write() {
                self.0.write_tls(sink).expect("written");
            }
        }
        wire.count = count;
    }

    fn open_batch(&mut self, wire: &mut Wire) -> usize {
        let mut rest = wire.bytes.get(wire.taken..).unwrap_or_default();
        let mut total = 0;
        while !rest.is_empty() {
            self.0.read_tls(&mut rest).expect("read");
            self.0.process_new_packets().expect("opened");
            loop {
                match self.0.reader().read(&mut wire.plaintext) {
                    Ok(0) => break,
                    Ok(len) => total += len,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) => panic!("{error}"),
                }
            }
        }
        wire.taken = wire.bytes.len();
        total
    }

    fn close(&mut self, output: &mut Vec<u8>) {
        self.0.send_close_notify();
        while self.0.wants_write() {
            self.0.write_tls(output).expect("written");
        }
    }

    fn take_close(&mut self, input: &mut Vec<u8>) -> bool {
        let mut rest = &input[..];
        self.0.read_tls(&mut rest).expect("read");
        let closed = self.0.process_new_packets().expect("opened").peer_has_closed();
        let taken = input.len() - rest.len();
        input.drain(..taken);
        closed
    }
}

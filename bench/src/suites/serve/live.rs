//! What connections take that are there and have nothing to do.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::rc::Rc;

use openschannel::ContextOptions;
use openschannel::credentials::{CipherSuite, OutboundCredentials, Trust};
use openschannel_stream::blocking::TlsStream;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::Ask;
use super::servers::{LOADS_CORE, Server, Site, on_core};
use crate::measure::Contender;
use crate::setup::{KeyKind, NAME, certificates};

/// Descriptors beside those of connections.
const SPARE_FILES: usize = 100;

/// Lets this process, and the servers that it starts, have so many connections.
pub(super) fn raise_limit(connections: usize) -> Result<(), String> {
    let wanted = (connections + SPARE_FILES) as u64;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < wanted) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: limit.maximum })
            .map_err(|error| format!("{connections} connections take as many descriptors: {error}"))?;
    }
    Ok(())
}

/// A server, started anew for each batch.
pub(super) struct Live {
    pub(super) name: &'static str,
    pub(super) site: Rc<Site>,
    pub(super) connections: usize,
}

impl Live {
    fn grown(&self) -> Result<f64, String> {
        let server = Server::start(self.name, &self.site)?;
        let resident = || server.resident().ok_or("only Linux tells what memory a process has");
        let before = resident()?;
        let credentials = OutboundCredentials::builder()
            .trust(Trust::Roots(vec![certificates(KeyKind::EcdsaP256).root_der.clone()]))
            .cipher_suites(&[CipherSuite::TLS_AES_128_GCM_SHA256])
            .acquire()
            .map_err(|error| error.to_string())?;
        let held: io::Result<Vec<_>> = on_core(LOADS_CORE, || {
            (0..self.connections).map(|_| answered(&credentials, server.port)).collect()
        })?;
        let held = held.map_err(|error| format!("{}: {error}", self.name))?;
        let after = resident()?;
        assert_eq!(held.len(), self.connections);
        Ok(after.saturating_sub(before) as f64)
    }
}

impl Contender for Live {
    fn name(&self) -> String {
        self.name.to_owned()
    }

    fn batch(&mut self, values: &mut Vec<f64>) {
        values.push(self.grown().unwrap_or_else(|why| panic!("{why}")));
    }
}

/// A connection that has had its answer.
fn answered(credentials: &OutboundCredentials, port: u16) -> io::Result<TlsStream<TcpStream>> {
    let socket = TcpStream::connect(("127.0.0.1", port))?;
    let mut stream = TlsStream::connect(socket, credentials, Some(NAME), &ContextOptions::default())?;
    let request = format!("GET /{} HTTP/1.1\r\nHost: {NAME}\r\n\r\n", Ask::Small.file());
    stream.write_all(request.as_bytes())?;
    stream.flush()?;
    let mut answer = Vec::new();
    let mut part = [0; 4_096];
    loop {
        let head = answer.windows(4).position(|four| four == b"\r\n\r\n");
        if head.is_some_and(|end| answer.len() >= end + 4 + Ask::Small.len()) {
            return Ok(stream);
        }
        match stream.read(&mut part)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => answer.extend_from_slice(part.get(..n).unwrap_or_default()),
        }
    }
}

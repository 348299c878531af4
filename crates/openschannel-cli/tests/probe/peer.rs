//! Servers made here: each connection does what a test says.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use openschannel::ContextOptions;
use openschannel::credentials::{Identity, InboundCredentials};
use openschannel_stream::Driver;
use openschannel_stream::blocking::TlsStream;

use super::common::Certificate;

pub(crate) type Stream = TlsStream<TcpStream>;

/// A server that runs until the test's process ends.
pub(crate) struct Server {
    pub(crate) port: u16,
    pub(crate) certificate: tempfile::NamedTempFile,
}

/// How many connections are served at once.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Serving {
    Many,
    OneByOne,
}

impl Server {
    /// `before` speaks on the bare socket, and says whether to go on with TLS; `act` behind the handshake.
    pub(crate) fn start(
        serving: Serving,
        before: impl Fn(&mut TcpStream) -> bool + Send + Sync + 'static,
        act: impl Fn(&mut Stream) + Send + Sync + 'static,
    ) -> Self {
        let made = Certificate::make();
        let identity = Identity::from_pem(made.pem.as_bytes(), made.key_pem.as_bytes()).unwrap();
        let credentials = InboundCredentials::builder().identity(identity).acquire().unwrap();
        let mut certificate = tempfile::NamedTempFile::new().unwrap();
        certificate.write_all(made.pem.as_bytes()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let serve = Arc::new(move |mut socket: TcpStream| {
            socket.set_nodelay(true).unwrap();
            if !before(&mut socket) {
                return;
            }
            let driver = Driver::server(&credentials, &ContextOptions::default());
            let mut stream = TlsStream::from_driver(socket, driver);
            // A probe also asks what becomes of a handshake that is called off: the alert in answer is all it gets.
            match stream.handshake() {
                Ok(()) => act(&mut stream),
                Err(_) => drop(stream.flush()),
            }
        });
        std::thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                let serve = Arc::clone(&serve);
                match serving {
                    Serving::Many => drop(std::thread::spawn(move || serve(socket))),
                    Serving::OneByOne => serve(socket),
                }
            }
        });
        Self { port, certificate }
    }

    pub(crate) fn tls(act: impl Fn(&mut Stream) + Send + Sync + 'static) -> Self {
        Self::start(Serving::Many, |_| true, act)
    }

    pub(crate) fn ca(&self) -> &str {
        self.certificate.path().to_str().unwrap()
    }
}

/// Reads to the end and closes as it should be.
pub(crate) fn end_in_order(stream: &mut Stream) {
    let mut buffer = [0; 4096];
    while matches!(stream.read(&mut buffer), Ok(1..)) {}
    end_first(stream);
}

/// Closes, and reads what comes behind the client's end too: unread, it would turn the end into a reset.
pub(crate) fn end_first(stream: &mut Stream) {
    stream.close_write().ok();
    let mut buffer = [0; 4096];
    while matches!(stream.get_mut().read(&mut buffer), Ok(1..)) {}
}

/// Reads one request's head; whether there was one.
pub(crate) fn read_head(stream: &mut Stream) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return None,
        }
    }
    Some(String::from_utf8_lossy(&head).into_owned())
}

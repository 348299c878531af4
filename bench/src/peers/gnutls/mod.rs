//! GnuTLS, the system's library, through its push and pull functions.
#![allow(unsafe_code, reason = "a C library")]

mod ffi;
mod session;

use std::ffi::c_uint;
use std::sync::{Arc, Mutex};

use super::{Connection, Endpoints, GNUTLS, Library};
use crate::setup::{Aead, Group, KeyKind, NAME, Negotiated, Setup, TICKETS, Version, certificates};
use crate::wire::Wire;
use session::{Bytes, Configuration, Session};

/// GnuTLS as it comes.
#[derive(Clone, Copy, Debug)]
pub struct GnuTls;

impl Library for GnuTls {
    fn name(&self) -> &'static str {
        GNUTLS
    }

    fn version(&self) -> String {
        format!("GnuTLS {}", session::version())
    }

    fn supports(&self, setup: &Setup) -> bool {
        // The hybrid groups came with 3.8.9.
        setup.group == Group::X25519
    }

    fn endpoints(&self, setup: &Setup) -> Box<dyn Endpoints> {
        let priorities = priorities(setup);
        let made = certificates(setup.key);
        let mut client = Configuration::new(&priorities, NAME);
        client.trust(&made.root_der);
        let mut server = Configuration::new(&priorities, NAME);
        server.identity(&made.leaf_der, &made.key_der);
        if setup.resumed {
            server.issue_tickets();
        }
        let endpoints = Configurations {
            client: Arc::new(client),
            server: Arc::new(server),
            sessions: Arc::default(),
            setup: *setup,
        };
        if setup.resumed {
            drop(super::establish(&endpoints));
            assert!(endpoints.sessions.lock().unwrap().is_some(), "the server has issued no session");
        }
        Box::new(endpoints)
    }
}

/// The latest one that the client was given.
type Sessions = Arc<Mutex<Option<Arc<Bytes>>>>;

struct Configurations {
    client: Arc<Configuration>,
    server: Arc<Configuration>,
    sessions: Sessions,
    setup: Setup,
}

impl Configurations {
    fn flags(&self) -> c_uint {
        if self.setup.resumed { ffi::GNUTLS_NO_AUTO_SEND_TICKET } else { ffi::GNUTLS_NO_TICKETS }
    }

    fn tickets(&self) -> usize {
        if self.setup.resumed { TICKETS } else { 0 }
    }
}

impl Endpoints for Configurations {
    fn client(&self) -> Box<dyn Connection> {
        let mut session = Session::client(&self.client, self.flags());
        if let Some(data) = self.sessions.lock().unwrap().clone() {
            session.resume(&data);
        }
        let sessions = self.setup.resumed.then(|| Arc::clone(&self.sessions));
        Box::new(GnuTlsConnection { session, established: false, tickets: 0, sessions })
    }

    fn server(&self) -> Box<dyn Connection> {
        let session = Session::server(&self.server, self.flags());
        Box::new(GnuTlsConnection { session, established: false, tickets: self.tickets(), sessions: None })
    }
}

struct GnuTlsConnection {
    session: Session,
    established: bool,
    /// How many a TLS 1.3 server issues.
    tickets: usize,
    /// Where a client that resumes keeps its sessions.
    sessions: Option<Sessions>,
}

impl GnuTlsConnection {
    /// Lends the connection both wires while `work` runs, so that an idle one holds no buffer of this program's.
    fn with_wires<T>(
        &mut self,
        input: &mut Vec<u8>,
        output: &mut Vec<u8>,
        work: impl FnOnce(&mut Self) -> T,
    ) -> T {
        let transport = self.session.transport_mut();
        core::mem::swap(&mut transport.input, input);
        core::mem::swap(&mut transport.output, output);
        transport.taken = 0;
        let result = work(self);
        let transport = self.session.transport_mut();
        transport.input.drain(..transport.taken);
        core::mem::swap(&mut transport.input, input);
        core::mem::swap(&mut transport.output, output);
        result
    }

    fn shake_hands(&mut self) {
        self.established = self.session.handshake();
        if !self.established {
            return;
        }
        if self.tickets > 0 && self.session.version() == ffi::GNUTLS_TLS1_3 {
            self.session.send_tickets(self.tickets);
        }
        self.keep_session();
    }

    /// A client's, once there is one that it does not have yet.
    fn keep_session(&mut self) {
        if let Some(sessions) = &self.sessions
            && self.session.has_ticket()
        {
            *sessions.lock().unwrap() = Some(Arc::new(self.session.resumption()));
        }
    }
}

impl Connection for GnuTlsConnection {
    fn step(&mut self, input: &mut Vec<u8>, output: &mut Vec<u8>) -> bool {
        self.with_wires(input, output, |connection| {
            if !connection.established {
                connection.shake_hands();
            }
            // Tickets are taken in by a call that finds no data behind them.
            let transport = connection.session.transport_mut();
            if connection.established && transport.taken < transport.input.len() {
                assert_eq!(connection.session.receive(&mut [0]), None, "nobody has sent data");
                connection.keep_session();
            }
            connection.established
        })
    }

    fn negotiated(&self) -> Negotiated {
        let version = match self.session.version() {
            ffi::GNUTLS_TLS1_2 => Version::Tls12,
            ffi::GNUTLS_TLS1_3 => Version::Tls13,
            other => panic!("negotiated version {other}"),
        };
        let aead = match self.session.cipher() {
            ffi::GNUTLS_CIPHER_AES_128_GCM => Aead::Aes128Gcm,
            ffi::GNUTLS_CIPHER_AES_256_GCM => Aead::Aes256Gcm,
            ffi::GNUTLS_CIPHER_CHACHA20_POLY1305 => Aead::ChaCha20Poly1305,
            other => panic!("negotiated cipher {other}"),
        };
        let key = match self.session.key_exchange() {
            ffi::GNUTLS_KX_ECDHE_RSA => KeyKind::Rsa2048,
            _ => KeyKind::EcdsaP256,
        };
        let resumed = self.session.is_resumed();
        let group = match self.session.group() {
            // Of a resumed TLS 1.2 session it is the first connection's.
            _ if version == Version::Tls12 && resumed => None,
            ffi::GNUTLS_GROUP_X25519 => Some(Group::X25519.id()),
            other => panic!("negotiated group {other}"),
        };
        Negotiated { version, suite: aead.suite(version, key), group, resumed }
    }

    fn seal_batch(&mut self, plaintext: &[u8], count: usize, wire: &mut Wire) {
        let keeps = wire.keeps();
        core::mem::swap(&mut self.session.transport_mut().output, &mut wire.bytes);
        for _ in 0..count {
            if !keeps {
                self.session.transport_mut().output.clear();
            }
            self.session.send(plaintext);
        }
        core::mem::swap(&mut self.session.transport_mut().output, &mut wire.bytes);
        wire.count = count;
    }

    fn open_batch(&mut self, wire: &mut Wire) -> usize {
        let transport = self.session.transport_mut();
        core::mem::swap(&mut transport.input, &mut wire.bytes);
        transport.taken = wire.taken;
        let mut received = 0;
        for _ in 0..wire.count {
            received += self.session.receive(&mut wire.plaintext).expect("a record");
        }
        let transport = self.session.transport_mut();
        wire.taken = transport.taken;
        core::mem::swap(&mut transport.input, &mut wire.bytes);
        received
    }

    fn close(&mut self, output: &mut Vec<u8>) {
        self.with_wires(&mut Vec::new(), output, |connection| connection.session.close());
    }

    fn take_close(&mut self, input: &mut Vec<u8>) -> bool {
        self.with_wires(input, &mut Vec::new(), |connection| connection.session.receive(&mut [0]) == Some(0))
    }
}

/// Exactly the setup, out of what the library has by itself.
fn priorities(setup: &Setup) -> String {
    let cipher = match setup.aead {
        Aead::Aes128Gcm => "AES-128-GCM",
        Aead::Aes256Gcm => "AES-256-GCM",
        Aead::ChaCha20Poly1305 => "CHACHA20-POLY1305",
    };
    let rest = match (setup.version, setup.key) {
        (Version::Tls13, _) => "+VERS-TLS1.3",
        (Version::Tls12, KeyKind::EcdsaP256) => "+VERS-TLS1.2:+GROUP-SECP256R1:-KX-ALL:+ECDHE-ECDSA",
        (Version::Tls12, KeyKind::Rsa2048) => "+VERS-TLS1.2:+GROUP-SECP256R1:-KX-ALL:+ECDHE-RSA",
    };
    format!("NORMAL:-VERS-ALL:-CIPHER-ALL:+{cipher}:-GROUP-ALL:+GROUP-X25519:{rest}")
}

//! OpenSSL, vendored, over a transport in memory.
//!
//! The transport is a BIO with the Rust side's `Read` and `Write`: a memory BIO without its bookkeeping. OpenSSL copies out of and into
//! it whatever the BIO is, as its interface has it.

use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex};

use openssl::pkey::PKey;
use openssl::ssl::{
    ErrorCode, ShutdownState, Ssl, SslContext, SslContextBuilder, SslMethod, SslMode, SslOptions, SslRef,
    SslSession, SslSessionCacheMode, SslStream, SslVerifyMode, SslVersion,
};
use openssl::x509::X509;

use super::{Connection, Endpoints, Library, OPENSSL, OPENSSL_RELEASE_BUFFERS};
use crate::setup::{Aead, Group, KeyKind, NAME, Negotiated, Setup, TICKETS, Version, certificates};
use crate::wire::Wire;

/// OpenSSL as it comes, or told to give its buffers back whenever they are empty.
#[derive(Clone, Copy, Debug)]
pub struct OpenSsl {
    /// SSL_MODE_RELEASE_BUFFERS.
    pub release_buffers: bool,
}

impl Library for OpenSsl {
    fn name(&self) -> &'static str {
        if self.release_buffers { OPENSSL_RELEASE_BUFFERS } else { OPENSSL }
    }

    fn version(&self) -> String {
        openssl::version::version().to_owned()
    }

    fn supports(&self, setup: &Setup) -> bool {
        setup.is_possible()
    }

    fn endpoints(&self, setup: &Setup) -> Box<dyn Endpoints> {
        let sessions = Arc::default();
        let client = self.client_context(setup, &sessions);
        let server = self.server_context(setup);
        let endpoints = Contexts { client, server, sessions, resumed: setup.resumed };
        if setup.resumed {
            drop(super::establish(&endpoints));
            assert!(endpoints.sessions.lock().unwrap().is_some(), "the server has issued no session");
        }
        Box::new(endpoints)
    }
}

impl OpenSsl {
    fn client_context(self, setup: &Setup, sessions: &Sessions) -> SslContext {
        let mut builder = self.context(SslMethod::tls_client(), setup);
        let root = X509::from_der(&certificates(setup.key).root_der).expect("a certificate");
        builder.cert_store_mut().add_cert(root).expect("a root");
        builder.set_verify(SslVerifyMode::PEER);
        if setup.resumed {
            let sessions = Arc::clone(sessions);
            builder.set_session_cache_mode(SslSessionCacheMode::CLIENT | SslSessionCacheMode::NO_INTERNAL);
            builder.set_new_session_callback(move |_, session| *sessions.lock().unwrap() = Some(session));
        }
        builder.build()
    }

    fn server_context(self, setup: &Setup) -> SslContext {
        let mut builder = self.context(SslMethod::tls_server(), setup);
        let made = certificates(setup.key);
        let key = PKey::private_key_from_der(&made.key_der).expect("a key");
        let leaf = X509::from_der(&made.leaf_der).expect("a certificate");
        builder.set_certificate(&leaf).expect("a certificate");
        builder.set_private_key(&key).expect("the certificate's key");
        builder.set_num_tickets(if setup.resumed { TICKETS } else { 0 }).expect("a number of tickets");
        builder.set_session_id_context(b"benchmark").expect("a short identifier");
        builder.build()
    }

    fn context(self, method: SslMethod, setup: &Setup) -> SslContextBuilder {
        let mut builder = SslContext::builder(method).expect("a context");
        let version = match setup.version {
            Version::Tls12 => SslVersion::TLS1_2,
            Version::Tls13 => SslVersion::TLS1_3,
        };
        builder.set_min_proto_version(Some(version)).expect("a version");
        builder.set_max_proto_version(Some(version)).expect("a version");
        match setup.version {
            Version::Tls12 => builder.set_cipher_list(tls12_suite(setup)).expect("a suite"),
            Version::Tls13 => builder.set_ciphersuites(tls13_suite(setup.aead)).expect("a suite"),
        }
        builder.set_groups_list(groups(setup)).expect("groups");
        builder.set_session_cache_mode(SslSessionCacheMode::OFF);
        if !setup.resumed {
            builder.set_options(SslOptions::NO_TICKET);
        }
        if self.release_buffers {
            builder.set_mode(SslMode::RELEASE_BUFFERS);
        }
        builder
    }
}

type Sessions = Arc<Mutex<Option<SslSession>>>;

struct Contexts {
    client: SslContext,
    server: SslContext,
    /// The latest one that the client was given.
    sessions: Sessions,
    resumed: bool,
}

impl Endpoints for Contexts {
    fn client(&self) -> Box<dyn Connection> {
        let mut ssl = Ssl::new(&self.client).expect("a connection");
        ssl.set_hostname(NAME).expect("a name");
        ssl.param_mut().set_host(NAME).expect("a name");
        ssl.set_connect_state();
        if self.resumed
            && let Some(session) = &*self.sessions.lock().unwrap()
        {
            resume(&mut ssl, session);
        }
        Box::new(OpenSslConnection::new(ssl))
    }

    fn server(&self) -> Box<dyn Connection> {
        let mut ssl = Ssl::new(&self.server).expect("a connection");
        ssl.set_accept_state();
        Box::new(OpenSslConnection::new(ssl))
    }
}

#[expect(
    unsafe_code,
    reason = "the binding leaves it to its caller that session and context belong together"
)]
fn resume(ssl: &mut SslRef, session: &SslSession) {
    // SAFETY: the session comes from a connection of the same context, whose callback is the only writer of `Contexts::sessions`.
    unsafe { ssl.set_session(session) }.expect("a session");
}

struct OpenSslConnection {
    stream: SslStream<Transport>,
    established: bool,
}

impl OpenSslConnection {
    fn new(ssl: Ssl) -> Self {
        Self { stream: SslStream::new(ssl, Transport::default()).expect("a connection"), established: false }
    }

    /// Lends the connection both wires while `work` runs, so that an idle one holds no buffer of this program's.
    fn with_wires<T>(
        &mut self,
        input: &mut Vec<u8>,
        output: &mut Vec<u8>,
        work: impl FnOnce(&mut Self) -> T,
    ) -> T {
        let transport = self.stream.get_mut();
        core::mem::swap(&mut transport.input, input);
        core::mem::swap(&mut transport.output, output);
        transport.taken = 0;
        let result = work(self);
        let transport = self.stream.get_mut();
        transport.input.drain(..transport.taken);
        core::mem::swap(&mut transport.input, input);
        core::mem::swap(&mut transport.output, output);
        result
    }
}

impl Connection for OpenSslConnection {
    fn step(&mut self, input: &mut Vec<u8>, output: &mut Vec<u8>) -> bool {
        self.with_wires(input, output, |connection| {
            if !connection.established {
                match connection.stream.do_handshake() {
                    Ok(()) => connection.established = true,
                    Err(error) => assert_eq!(error.code(), ErrorCode::WANT_READ, "{error}"),
                }
            }
            // Tickets are taken in by a read that finds no data behind them.
            if connection.established && connection.stream.get_ref().has_input() {
                let error = connection.stream.ssl_read(&mut [0]).expect_err("nobody has sent data");
                assert_eq!(error.code(), ErrorCode::WANT_READ, "{error}");
            }
            connection.established
        })
    }

    fn negotiated(&self) -> Negotiated {
        let ssl = self.stream.ssl();
        let version = match ssl.version2() {
            Some(SslVersion::TLS1_2) => Version::Tls12,
            Some(SslVersion::TLS1_3) => Version::Tls13,
            other => panic!("negotiated {other:?}"),
        };
        let resumed = ssl.session_reused();
        let [high, low] = ssl.current_cipher().expect("a suite").protocol_id();
        Negotiated {
            version,
            suite: u16::from_be_bytes([high, low]),
            // Of a resumed TLS 1.2 session it is the first connection's.
            group: if version == Version::Tls12 && resumed { None } else { negotiated_group(ssl) },
            resumed,
        }
    }

    fn seal_batch(&mut self, plaintext: &[u8], count: usize, wire: &mut Wire) {
        let keeps = wire.keeps();
        core::mem::swap(&mut self.stream.get_mut().output, &mut wire.bytes);
        for _ in 0..count {
            if !keeps {
                self.stream.get_mut().output.clear();
            }
            let written = self.stream.ssl_write(plaintext).expect("written");
            assert_eq!(written, plaintext.len(), "one record");
        }
        core::mem::swap(&mut self.stream.get_mut().output, &mut wire.bytes);
        wire.count = count;
    }

    fn open_batch(&mut self, wire: &mut Wire) -> usize {
        let transport = self.stream.get_mut();
        core::mem::swap(&mut transport.input, &mut wire.bytes);
        transport.taken = wire.taken;
        let mut received = 0;
        for _ in 0..wire.count {
            received += self.stream.ssl_read(&mut wire.plaintext).expect("read");
        }
        let transport = self.stream.get_mut();
        wire.taken = transport.taken;
        core::mem::swap(&mut transport.input, &mut wire.bytes);
        received
    }

    fn close(&mut self, output: &mut Vec<u8>) {
        self.with_wires(&mut Vec::new(), output, |connection| connection.stream.shutdown().expect("closed"));
    }

    fn take_close(&mut self, input: &mut Vec<u8>) -> bool {
        self.with_wires(input, &mut Vec::new(), |connection| {
            let end = connection.stream.ssl_read(&mut [0]);
            end.is_err_and(|error| error.code() == ErrorCode::ZERO_RETURN)
        })
    }
}

impl Drop for OpenSslConnection {
    /// A connection that is freed without a close_notify would take its session with it.
    fn drop(&mut self) {
        self.stream.set_shutdown(ShutdownState::SENT);
    }
}

/// What the connection reads from and writes to.
#[derive(Default)]
struct Transport {
    input: Vec<u8>,
    taken: usize,
    output: Vec<u8>,
}

impl Transport {
    fn has_input(&self) -> bool {
        self.taken < self.input.len()
    }
}

impl Read for Transport {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut rest = self.input.get(self.taken..).unwrap_or_default();
        if rest.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let len = rest.read(buffer)?;
        self.taken += len;
        Ok(len)
    }
}

impl Write for Transport {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.output.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn tls12_suite(setup: &Setup) -> &'static str {
    match (setup.key, setup.aead) {
        (KeyKind::EcdsaP256, Aead::Aes128Gcm) => "ECDHE-ECDSA-AES128-GCM-SHA256",
        (KeyKind::EcdsaP256, Aead::Aes256Gcm) => "ECDHE-ECDSA-AES256-GCM-SHA384",
        (KeyKind::EcdsaP256, Aead::ChaCha20Poly1305) => "ECDHE-ECDSA-CHACHA20-POLY1305",
        (KeyKind::Rsa2048, Aead::Aes128Gcm) => "ECDHE-RSA-AES128-GCM-SHA256",
        (KeyKind::Rsa2048, Aead::Aes256Gcm) => "ECDHE-RSA-AES256-GCM-SHA384",
        (KeyKind::Rsa2048, Aead::ChaCha20Poly1305) => "ECDHE-RSA-CHACHA20-POLY1305",
    }
}

fn tls13_suite(aead: Aead) -> &'static str {
    match aead {
        Aead::Aes128Gcm => "TLS_AES_128_GCM_SHA256",
        Aead::Aes256Gcm => "TLS_AES_256_GCM_SHA384",
        Aead::ChaCha20Poly1305 => "TLS_CHACHA20_POLY1305_SHA256",
    }
}

/// In TLS 1.2 the list restricts the certificate's curve too.
fn groups(setup: &Setup) -> &'static str {
    match (setup.version, setup.group) {
        (Version::Tls12, _) => "X25519:P-256",
        (Version::Tls13, Group::X25519) => "X25519",
        (Version::Tls13, Group::X25519Mlkem768) => "X25519MLKEM768",
    }
}

#[expect(unsafe_code, reason = "the safe binding does not have the question")]
fn negotiated_group(ssl: &SslRef) -> Option<u16> {
    use foreign_types::ForeignTypeRef as _;
    use std::ffi::CStr;
    // SAFETY: the pointer is that of a live connection; the answer is null or a string of static life.
    let name = unsafe { openssl_sys::SSL_get0_group_name(ssl.as_ptr()) };
    if name.is_null() {
        return None;
    }
    // SAFETY: it is not null, so it is a string that ends in a zero.
    let name = unsafe { CStr::from_ptr(name) };
    match name.to_str().ok()?.to_ascii_lowercase().as_str() {
        "x25519" => Some(Group::X25519.id()),
        "x25519mlkem768" => Some(Group::X25519Mlkem768.id()),
        other => panic!("negotiated {other}"),
    }
}

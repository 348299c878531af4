//! What is measured. Each contender does all that takes no part in the comparison outside the time it gives.

use std::hint::black_box;
use std::io::{Read as _, Write as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use openschannel::attributes::Protocol;
use openschannel::credentials::{CipherSuite, Protocols};
use openschannel::{ReceiveHalf, SecurityContext, SendHalf};
use rustls::crypto::aws_lc_rs as engine;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};

use crate::common::{CERTIFICATES, NAME, Pair};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Encrypt,
    Decrypt,
}

pub(crate) trait Contender {
    fn name(&self) -> &'static str;

    /// Does one batch and says how long it took.
    fn batch(&mut self) -> Duration;
}

fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

/// The AEAD alone, on the plaintext's length and the additional data of the version.
pub(crate) struct Bare {
    key: LessSafeKey,
    additional: Vec<u8>,
    seq: u64,
    len: usize,
    batch: usize,
    /// One to seal in, or a sealed one each to open.
    buffers: Vec<Vec<u8>>,
    direction: Direction,
}

impl Bare {
    pub(crate) fn new(suite: CipherSuite, direction: Direction, len: usize, batch: usize) -> Self {
        let algorithm = match suite.name() {
            name if name.contains("CHACHA20") => &CHACHA20_POLY1305,
            name if name.contains("AES_128") => &AES_128_GCM,
            _ => &AES_256_GCM,
        };
        let key =
            UnboundKey::new(algorithm, &vec![7; algorithm.key_len()]).expect("a key of the right length");
        let additional = vec![3; if suite.protocol() == Protocols::TLS1_3 { 5 } else { 13 }];
        let buffers = vec![vec![0x5a; len]; if direction == Direction::Encrypt { 1 } else { batch }];
        Self { key: LessSafeKey::new(key), additional, seq: 0, len, batch, buffers, direction }
    }

    fn nonce(seq: u64) -> Nonce {
        let mut nonce = [9; 12];
        nonce[4..].copy_from_slice(&seq.to_be_bytes());
        Nonce::assume_unique_for_key(nonce)
    }
}

impl Contender for Bare {
    fn name(&self) -> &'static str {
        "bare AEAD"
    }

    fn batch(&mut self) -> Duration {
        let Self { key, additional, seq, len, batch, buffers, direction } = self;
        if *direction == Direction::Encrypt {
            let buffer = &mut buffers[0];
            return timed(|| {
                for _ in 0..*batch {
                    *seq += 1;
                    let tag =
                        key.seal_in_place_separate_tag(Self::nonce(*seq), Aad::from(&additional[..]), buffer);
                    let _tag = black_box(tag.expect("sealed"));
                }
            });
        }
        let first = *seq;
        for buffer in buffers.iter_mut() {
            *seq += 1;
            buffer.truncate(*len);
            let sealed = key.seal_in_place_append_tag(Self::nonce(*seq), Aad::from(&additional[..]), buffer);
            sealed.expect("sealed");
        }
        timed(|| {
            for (seq, buffer) in (first + 1..).zip(buffers.iter_mut()) {
                let opened = key.open_in_place(Self::nonce(seq), Aad::from(&additional[..]), buffer);
                black_box(opened.expect("opened"));
            }
        })
    }
}

/// How this provider is called.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Header, data and trailer in one buffer.
    Contiguous,
    /// In three.
    Scattered,
    Decrypt,
}

pub(crate) struct OpenSchannel {
    send: SendHalf,
    receive: ReceiveHalf,
    shape: Shape,
    len: usize,
    batch: usize,
    /// One to encrypt in, or a record each to decrypt.
    buffers: Vec<Vec<u8>>,
    header: Vec<u8>,
    data: Vec<u8>,
    trailer: Vec<u8>,
}

impl OpenSchannel {
    pub(crate) fn new(suite: CipherSuite, shape: Shape, len: usize, batch: usize) -> Self {
        let Pair { client, server, .. } = Pair::quiet_for(suite);
        let halves = |context: SecurityContext| context.split().expect("established");
        let ((send, _), (_, receive)) = (halves(client), halves(server));
        let sizes = send.attributes().stream_sizes();
        let room = sizes.header + len + sizes.trailer;
        Self {
            send,
            receive,
            shape,
            len,
            batch,
            buffers: vec![vec![0x5a; room]; if shape == Shape::Decrypt { batch } else { 1 }],
            header: vec![0; sizes.header],
            data: vec![0x5a; len],
            trailer: vec![0; sizes.trailer],
        }
    }
}

impl Contender for OpenSchannel {
    fn name(&self) -> &'static str {
        match self.shape {
            Shape::Contiguous => "EncryptMessage, one part",
            Shape::Scattered => "EncryptMessage, scatter",
            Shape::Decrypt => "DecryptMessage",
        }
    }

    fn batch(&mut self) -> Duration {
        let Self { send, receive, shape, len, batch, buffers, header, data, trailer } = self;
        match shape {
            Shape::Contiguous => timed(|| {
                for _ in 0..*batch {
                    black_box(send.encrypt_contiguous(&mut buffers[0], *len).expect("encrypted"));
                }
            }),
            Shape::Scattered => timed(|| {
                for _ in 0..*batch {
                    black_box(send.encrypt(header, data, trailer).expect("encrypted"));
                }
            }),
            Shape::Decrypt => {
                for buffer in buffers.iter_mut() {
                    send.encrypt_contiguous(buffer, *len).expect("encrypted");
                }
                let record = send.attributes().stream_sizes().header + *len + record_trailer(send);
                timed(|| {
                    for buffer in buffers.iter_mut() {
                        black_box(receive.decrypt(&mut buffer[..record]).expect("decrypted"));
                    }
                })
            }
        }
    }
}

/// What a record without a KeyUpdate behind it has of the trailer.
fn record_trailer(send: &SendHalf) -> usize {
    match send.attributes().protocol() {
        Protocol::Tls12 => 16,
        Protocol::Tls13 => 17,
    }
}

/// rustls' own connection, with its buffers, as its users call it.
pub(crate) struct Rustls {
    client: ClientConnection,
    server: ServerConnection,
    direction: Direction,
    data: Vec<u8>,
    wire: Vec<u8>,
    batch: usize,
}

impl Rustls {
    pub(crate) fn new(suite: CipherSuite, direction: Direction, len: usize, batch: usize) -> Self {
        let mut provider = engine::default_provider();
        provider.cipher_suites.retain(|known| u16::from(known.suite()) == suite.id());
        let provider = Arc::new(provider);
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(CERTIFICATES.authority_der.clone())).expect("a root");
        let client = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .expect("a version with this suite")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let chain =
            vec![CertificateDer::from_pem_slice(CERTIFICATES.ecdsa.0.as_bytes()).expect("a certificate")];
        let key = PrivateKeyDer::from_pem_slice(CERTIFICATES.ecdsa.1.as_bytes()).expect("a key");
        let server = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("a version with this suite")
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .expect("certificate and key belong together");
        let name = ServerName::try_from(NAME).expect("a name");
        let mut rustls = Self {
            client: ClientConnection::new(Arc::new(client), name).expect("a client"),
            server: ServerConnection::new(Arc::new(server)).expect("a server"),
            direction,
            data: vec![0x5a; len],
            wire: Vec::new(),
            batch,
        };
        rustls.shake_hands();
        rustls
    }

    fn shake_hands(&mut self) {
        while self.client.wants_write() || self.server.wants_write() {
            let mut wire = Vec::new();
            self.client.write_tls(&mut wire).expect("written");
            let mut rest = &wire[..];
            while !rest.is_empty() {
                self.server.read_tls(&mut rest).expect("read");
                self.server.process_new_packets().expect("processed");
            }
            let mut wire = Vec::new();
            self.server.write_tls(&mut wire).expect("written");
            let mut rest = &wire[..];
            while !rest.is_empty() {
                self.client.read_tls(&mut rest).expect("read");
                self.client.process_new_packets().expect("processed");
            }
        }
        self.client.set_buffer_limit(None);
    }
}

impl Contender for Rustls {
    fn name(&self) -> &'static str {
        "rustls, buffered"
    }

    fn batch(&mut self) -> Duration {
        let Self { client, server, direction, data, wire, batch } = self;
        let mut seal = |wire: &mut Vec<u8>| {
            client.writer().write_all(data).expect("written");
            while client.wants_write() {
                client.write_tls(wire).expect("written");
            }
        };
        if *direction == Direction::Encrypt {
            return timed(|| {
                for _ in 0..*batch {
                    wire.clear();
                    seal(wire);
                }
            });
        }
        wire.clear();
        for _ in 0..*batch {
            seal(wire);
        }
        let mut rest = &wire[..];
        timed(|| {
            let mut received = 0;
            while received < data.len() * *batch {
                if !rest.is_empty() {
                    server.read_tls(&mut rest).expect("read");
                    server.process_new_packets().expect("processed");
                }
                loop {
                    match server.reader().read(data) {
                        Ok(len) if len > 0 => received += len,
                        _ => break,
                    }
                }
            }
        })
    }
}

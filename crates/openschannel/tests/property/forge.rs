//! Records with a right tag and a wrong content: what a peer that keeps the keys and breaks the rules would send.
//!
//! The secrets come out of the key log; the keys are derived here once more (RFC 8446 section 7, RFC 5246 section 6.3), for the AES-128
//! suites only.

use std::cell::RefCell;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use openschannel::Role;
use openschannel::credentials::{CipherSuite, KeyLog, Protocols};

pub(crate) const TLS12: CipherSuite = CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256;
pub(crate) const TLS13: CipherSuite = CipherSuite::TLS_AES_128_GCM_SHA256;

/// Label, client random, secret.
type Logged = (String, Vec<u8>, Vec<u8>);

thread_local! {
    static SECRETS: RefCell<Vec<Logged>> = const { RefCell::new(Vec::new()) };
}

/// Remembers the secrets of this thread's connections.
#[derive(Debug)]
struct Remember;

impl KeyLog for Remember {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        SECRETS.with_borrow_mut(|all| all.push((label.to_owned(), client_random.to_vec(), secret.to_vec())));
    }
}

pub(crate) fn key_log() -> Arc<dyn KeyLog> {
    Arc::new(Remember)
}

/// Forgets what earlier connections logged.
pub(crate) fn forget_secrets() {
    SECRETS.with_borrow_mut(Vec::clear);
}

fn secret(label: &str) -> Option<(Vec<u8>, Vec<u8>)> {
    SECRETS.with_borrow(|all| {
        all.iter()
            .rev()
            .find(|(known, ..)| known == label)
            .map(|(_, random, secret)| (random.clone(), secret.clone()))
    })
}

/// One direction's key.
pub(crate) struct Forger {
    key: LessSafeKey,
    iv: [u8; 12],
    pub(crate) seq: u64,
    tls13: bool,
}

impl Forger {
    /// What `writer` seals its part of a TLS 1.3 handshake with.
    pub(crate) fn of_handshake(writer: Role) -> Option<Self> {
        let label = match writer {
            Role::Client => "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
            Role::Server => "SERVER_HANDSHAKE_TRAFFIC_SECRET",
        };
        Some(Self::tls13(&secret(label)?.1))
    }

    /// What `writer` seals its data with; `server_random` is for TLS 1.2.
    pub(crate) fn of_data(writer: Role, version: Protocols, server_random: &[u8]) -> Option<Self> {
        if version == Protocols::TLS1_3 {
            let label = match writer {
                Role::Client => "CLIENT_TRAFFIC_SECRET_0",
                Role::Server => "SERVER_TRAFFIC_SECRET_0",
            };
            return Some(Self::tls13(&secret(label)?.1));
        }
        let (client_random, master) = secret("CLIENT_RANDOM")?;
        let block = prf(&master, &[b"key expansion", server_random, &client_random].concat(), 2 * 16 + 2 * 4);
        let (key, salt) = match writer {
            Role::Client => (&block[..16], &block[32..36]),
            Role::Server => (&block[16..32], &block[36..40]),
        };
        let mut iv = [0; 12];
        iv[..4].copy_from_slice(salt);
        // Sequence number 0 was the Finished message's.
        Some(Self { key: aead(key), iv, seq: 1, tls13: false })
    }

    fn tls13(secret: &[u8]) -> Self {
        let key = expand(secret, b"tls13 key", 16);
        let iv = expand(secret, b"tls13 iv", 12).try_into().unwrap();
        Self { key: aead(&key), iv, seq: 0, tls13: true }
    }

    /// A whole record; `padding` zeros go behind the type in TLS 1.3.
    pub(crate) fn seal(&mut self, content_type: u8, content: &[u8], padding: usize) -> Vec<u8> {
        let mut inner = content.to_vec();
        let (header, explicit, aad) = if self.tls13 {
            inner.push(content_type);
            inner.resize(inner.len() + padding, 0);
            let header = header(23, inner.len() + 16);
            (header, Vec::new(), header.to_vec())
        } else {
            let explicit = (self.seq ^ 0x5555).to_be_bytes().to_vec();
            (header(content_type, 8 + inner.len() + 16), explicit, self.tls12_aad(content_type, inner.len()))
        };
        let nonce = self.nonce(&explicit);
        self.key.seal_in_place_append_tag(nonce, Aad::from(aad), &mut inner).unwrap();
        self.seq += 1;
        [&header[..], &explicit, &inner].concat()
    }

    /// Opens a record: type and content.
    pub(crate) fn open(&mut self, record: &[u8]) -> Option<(u8, Vec<u8>)> {
        let explicit = if self.tls13 { &[][..] } else { record.get(5..13)? };
        let mut body = record.get(5 + explicit.len()..)?.to_vec();
        let aad = if self.tls13 {
            record[..5].to_vec()
        } else {
            self.tls12_aad(record[0], body.len().checked_sub(16)?)
        };
        let opened = self.key.open_in_place(self.nonce(explicit), Aad::from(aad), &mut body).ok()?;
        self.seq += 1;
        if !self.tls13 {
            return Some((record[0], opened.to_vec()));
        }
        let end = opened.iter().rposition(|byte| *byte != 0)?;
        Some((opened[end], opened[..end].to_vec()))
    }

    fn nonce(&self, explicit: &[u8]) -> Nonce {
        let mut nonce = self.iv;
        if self.tls13 {
            for (byte, s) in nonce[4..].iter_mut().zip(self.seq.to_be_bytes()) {
                *byte ^= s;
            }
        } else {
            nonce[4..].copy_from_slice(explicit);
        }
        Nonce::assume_unique_for_key(nonce)
    }

    fn tls12_aad(&self, content_type: u8, len: usize) -> Vec<u8> {
        [&self.seq.to_be_bytes()[..], &header(content_type, len)].concat()
    }
}

fn header(content_type: u8, len: usize) -> [u8; 5] {
    let len = u16::try_from(len).unwrap_or(u16::MAX).to_be_bytes();
    [content_type, 3, 3, len[0], len[1]]
}

fn aead(key: &[u8]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_128_GCM, key).unwrap())
}

/// HKDF-Expand-Label with an empty context, of at most one hash output.
fn expand(secret: &[u8], label: &[u8], len: u8) -> Vec<u8> {
    let info = [&[0, len, u8::try_from(label.len()).unwrap()], label, &[0, 1]].concat();
    sign(secret, &info)[..usize::from(len)].to_vec()
}

/// P_SHA256 (RFC 5246 section 5); `seed` begins with the label.
fn prf(secret: &[u8], seed: &[u8], len: usize) -> Vec<u8> {
    let mut output = Vec::new();
    let mut a = seed.to_vec();
    while output.len() < len {
        a = sign(secret, &a);
        output.extend(sign(secret, &[&a, seed].concat()));
    }
    output.truncate(len);
    output
}

fn sign(key: &[u8], data: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), data).as_ref().to_vec()
}

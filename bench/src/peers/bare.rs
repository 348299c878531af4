//! The AEAD alone, with the lengths of a record's plaintext and additional data: what no record layer can pass.

use std::hint::black_box;

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};

use crate::setup::{Aead, Version};
use crate::wire::Slot;

/// What plaintext is made of here.
const FILLER: u8 = 0x5a;

/// AES-GCM's and ChaCha20-Poly1305's.
const TAG_LEN: usize = 16;

/// How the byte that TLS 1.3 puts behind the plaintext is dealt with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TypeByte {
    /// There is none: the plaintext alone.
    Without,
    /// In the same memory, as one message.
    Behind,
    /// Elsewhere: the AEAD is given two pieces.
    Apart,
}

/// One key, and a batch of messages under it.
#[derive(Debug)]
pub struct Bare {
    key: LessSafeKey,
    additional: Vec<u8>,
    type_byte: TypeByte,
    seq: u64,
    len: usize,
    /// As long as a record's header: the plaintext lies where it would in a record, because where it lies makes a difference.
    front: usize,
    /// Room for the tag lies behind each.
    buffers: Vec<Slot>,
    /// How many of them are sealed.
    count: usize,
}

impl Bare {
    /// For messages of `len` bytes of plaintext.
    #[must_use]
    pub fn new(aead: Aead, version: Version, type_byte: TypeByte, len: usize) -> Self {
        let algorithm = match aead {
            Aead::Aes128Gcm => &AES_128_GCM,
            Aead::Aes256Gcm => &AES_256_GCM,
            Aead::ChaCha20Poly1305 => &CHACHA20_POLY1305,
        };
        let key = UnboundKey::new(algorithm, &vec![7; algorithm.key_len()]).expect("the key's length");
        let additional = vec![
            3;
            match version {
                Version::Tls12 => 13,
                Version::Tls13 => 5,
            }
        ];
        let front = match (version, aead) {
            (Version::Tls12, Aead::Aes128Gcm | Aead::Aes256Gcm) => 13,
            _ => 5,
        };
        Self {
            key: LessSafeKey::new(key),
            additional,
            type_byte,
            seq: 0,
            len,
            front,
            buffers: Vec::new(),
            count: 0,
        }
    }

    /// How many bytes are sealed in one piece.
    fn sealed_len(&self) -> usize {
        self.len + usize::from(self.type_byte == TypeByte::Behind)
    }

    /// Not measured: one buffer to seal in.
    pub fn prepare(&mut self) {
        self.make_buffers(1);
        self.buffers[0].set_len(self.front + self.len + 1 + TAG_LEN);
    }

    /// Seals `count` times in the same buffer.
    pub fn seal_batch(&mut self, count: usize) {
        let len = self.sealed_len();
        let Self { key, additional, type_byte, seq, front, buffers, .. } = self;
        let (data, trailer) = buffers[0][*front..].split_at_mut(len);
        for _ in 0..count {
            *seq += 1;
            seal(key, additional, *type_byte, *seq, data, trailer);
        }
    }

    /// Not measured: `count` sealed messages, each in a buffer of its own. They are what [`Bare::open_batch`] opens.
    pub fn prepare_sealed(&mut self, count: usize) {
        let len = self.sealed_len();
        self.make_buffers(count);
        self.count = count;
        for buffer in &mut self.buffers[..count] {
            buffer.set_len(self.front + len + TAG_LEN);
            buffer.fill(FILLER);
            self.seq += 1;
            let (data, trailer) = buffer[self.front..].split_at_mut(len);
            seal(&self.key, &self.additional, TypeByte::Without, self.seq, data, trailer);
        }
    }

    /// Opens all that was prepared.
    pub fn open_batch(&mut self) {
        let (len, first) = (self.sealed_len(), self.seq + 1 - self.count as u64);
        let reads_type = self.type_byte != TypeByte::Without;
        for (seq, buffer) in (first..).zip(&mut self.buffers[..self.count]) {
            let (data, tag) = buffer[self.front..].split_at_mut(len);
            open(&self.key, &self.additional, seq, data, tag);
            // Who opens a record of TLS 1.3 has to look at the byte that was decrypted last, which is still on its way to the cache.
            assert!(!reads_type || data.last() == Some(&FILLER), "the type");
        }
    }

    fn make_buffers(&mut self, count: usize) {
        if self.buffers.len() < count {
            self.buffers.resize_with(count, Slot::default);
        }
    }
}

/// What a connection's close takes of the AEAD: two alerts, each sealed under the key of its sender and opened under that of its
/// receiver.
#[derive(Debug)]
pub struct Alerts {
    /// Sender's and receiver's, for each direction.
    keys: [[LessSafeKey; 2]; 2],
    additional: Vec<u8>,
    /// Alert, the type byte of TLS 1.3, tag.
    buffer: Vec<u8>,
    seq: u64,
}

impl Alerts {
    /// Four keys of their own.
    #[must_use]
    pub fn new(aead: Aead, version: Version) -> Self {
        let key = || Bare::new(aead, version, TypeByte::Without, 0).key;
        let Bare { additional, .. } = Bare::new(aead, version, TypeByte::Without, 0);
        let len = if version == Version::Tls13 { 3 } else { 2 };
        Self { keys: [[key(), key()], [key(), key()]], additional, buffer: vec![1; len + TAG_LEN], seq: 0 }
    }

    /// Two alerts there and back.
    pub fn exchange(&mut self) {
        self.seq += 1;
        let len = self.buffer.len() - TAG_LEN;
        for [sender, receiver] in &self.keys {
            let (data, trailer) = self.buffer.split_at_mut(len);
            seal(sender, &self.additional, TypeByte::Without, self.seq, data, trailer);
            open(receiver, &self.additional, self.seq, data, trailer);
        }
    }
}

fn seal(
    key: &LessSafeKey,
    additional: &[u8],
    type_byte: TypeByte,
    seq: u64,
    data: &mut [u8],
    trailer: &mut [u8],
) {
    let additional = Aad::from(additional);
    if type_byte == TypeByte::Apart {
        let sealed =
            key.seal_in_place_scatter(nonce(seq), additional, data, &[23], &mut trailer[..1 + TAG_LEN]);
        sealed.expect("sealed");
    } else {
        let tag = key.seal_in_place_separate_tag(nonce(seq), additional, data).expect("sealed");
        trailer[..TAG_LEN].copy_from_slice(tag.as_ref());
    }
}

/// With the tag apart, which is the faster of the library's two forms.
fn open(key: &LessSafeKey, additional: &[u8], seq: u64, data: &mut [u8], tag: &[u8]) {
    let opened = key.open_in_place_separate_tag(nonce(seq), Aad::from(additional), tag, data);
    black_box(opened.expect("opened"));
}

fn nonce(seq: u64) -> Nonce {
    let mut nonce = [9; 12];
    nonce[4..].copy_from_slice(&seq.to_be_bytes());
    Nonce::assume_unique_for_key(nonce)
}

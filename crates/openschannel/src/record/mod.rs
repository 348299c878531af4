//! Sealing and opening TLS records in place. The only room that names the AEAD library.
//!
//! ```text
//!            header            data                     trailer
//! TLS 1.3   | 17 03 03 len    | content               | type 1 | tag 16        |   5 + n + 17
//! TLS 1.2   | tt 03 03 len    |                       |        |               |
//!   AES-GCM |  + nonce 8      | content               |        | tag 16        |  13 + n + 16
//!   ChaCha  |                 | content               |        | tag 16        |   5 + n + 16
//! ```
//!
//! A [`Sealer`] and an [`Opener`] share nothing: each has its own key, nonce base and sequence number, so one thread may
//! seal while another opens. Either is made empty where it is to stay, and its keys are written there afterwards: no move leaves
//! anything secret behind.

mod framing;
mod keys;
mod open;
mod seal;

pub(crate) use framing::{ContentType, Framing, FramingError, MAX_FRAGMENT_BEFORE_VERSION, frame};
pub(crate) use open::{OpenFailure, Opened, Opener};
pub(crate) use seal::{Exhausted, Sealer};

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Algorithm, CHACHA20_POLY1305, NONCE_LEN};
use zeroize::Zeroizing;

/// Bytes of the record header: type 1, version 2, length 2 (RFC 8446 section 5.1, RFC 5246 section 6.2.1).
pub(crate) const HEADER_LEN: usize = 5;

/// Bytes of explicit nonce behind the header of a TLS 1.2 AES-GCM record (RFC 5288 section 3).
pub(crate) const EXPLICIT_NONCE_LEN: usize = 8;

/// Bytes of authentication tag; every suite here has 16.
pub(crate) const TAG_LEN: usize = 16;

/// Most plaintext bytes one record carries, 2^14 (RFC 8446 section 5.1).
pub(crate) const MAX_PLAINTEXT: usize = 1 << 14;

/// Longest AEAD key of any suite here (AES-256, ChaCha20).
const MAX_KEY_LEN: usize = 32;

/// How records of one connection are protected; fixes the layout drawn above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protection {
    Tls12Aes128Gcm,
    Tls12Aes256Gcm,
    Tls12ChaCha20Poly1305,
    Tls13Aes128Gcm,
    Tls13Aes256Gcm,
    Tls13ChaCha20Poly1305,
}

impl Protection {
    pub(crate) fn is_tls13(self) -> bool {
        matches!(self, Self::Tls13Aes128Gcm | Self::Tls13Aes256Gcm | Self::Tls13ChaCha20Poly1305)
    }

    fn has_explicit_nonce(self) -> bool {
        matches!(self, Self::Tls12Aes128Gcm | Self::Tls12Aes256Gcm)
    }

    /// Bytes in front of the content.
    pub(crate) fn header_len(self) -> usize {
        if self.has_explicit_nonce() { HEADER_LEN + EXPLICIT_NONCE_LEN } else { HEADER_LEN }
    }

    /// Bytes behind the content.
    pub(crate) fn trailer_len(self) -> usize {
        if self.is_tls13() { 1 + TAG_LEN } else { TAG_LEN }
    }

    pub(crate) fn key_len(self) -> usize {
        match self {
            Self::Tls12Aes128Gcm | Self::Tls13Aes128Gcm => 16,
            _ => MAX_KEY_LEN,
        }
    }

    /// Largest value of the length field a peer may send: 2^14 + 256 in TLS 1.3 (RFC 8446 section 5.2), 2^14 + 2048 in
    /// TLS 1.2 (RFC 5246 section 6.2.3).
    pub(crate) fn max_fragment(self) -> usize {
        if self.is_tls13() { MAX_PLAINTEXT + 256 } else { MAX_PLAINTEXT + 2048 }
    }

    /// Records one key may protect: 2^24 under AES-GCM (RFC 8446 section 5.5), under ChaCha20 more than there are sequence numbers.
    pub(crate) fn confidentiality_limit(self) -> u64 {
        match self {
            Self::Tls12ChaCha20Poly1305 | Self::Tls13ChaCha20Poly1305 => u64::MAX,
            _ => 1 << 24,
        }
    }

    fn algorithm(self) -> &'static Algorithm {
        match self {
            Self::Tls12Aes128Gcm | Self::Tls13Aes128Gcm => &AES_128_GCM,
            Self::Tls12Aes256Gcm | Self::Tls13Aes256Gcm => &AES_256_GCM,
            Self::Tls12ChaCha20Poly1305 | Self::Tls13ChaCha20Poly1305 => &CHACHA20_POLY1305,
        }
    }
}

/// One direction's key and nonce base on their way to a [`Sealer`] or [`Opener`]. Wiped when dropped.
pub(crate) struct KeyMaterial {
    pub(crate) protection: Protection,
    /// In memory of its own: where the material is moved to, nothing is left behind.
    secret: Box<Zeroizing<RawKey>>,
}

/// The key, as long as the suite wants it, then unused bytes, then the nonce base.
///
/// The nonce base is, in TLS 1.3 and with ChaCha20, the whole IV; in TLS 1.2 with AES-GCM the salt, then the base of the explicit nonce
/// (any value will do to open).
type RawKey = [u8; MAX_KEY_LEN + NONCE_LEN];

/// The key or nonce base does not have the length the suite wants.
#[derive(Debug)]
pub(crate) struct WrongKeyLength;

impl KeyMaterial {
    pub(crate) fn new(
        protection: Protection,
        key: &[u8],
        iv: &[u8; NONCE_LEN],
    ) -> Result<Self, WrongKeyLength> {
        let mut material = Self { protection, secret: Box::new(Zeroizing::new([0; _])) };
        if key.len() != protection.key_len() {
            return Err(WrongKeyLength);
        }
        material.secret[..key.len()].copy_from_slice(key);
        material.secret[MAX_KEY_LEN..].copy_from_slice(iv);
        Ok(material)
    }
}

impl core::fmt::Debug for KeyMaterial {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("KeyMaterial").field("protection", &self.protection).finish_non_exhaustive()
    }
}

/// `iv` XOR the big-endian sequence number (RFC 8446 section 5.3; RFC 7905 section 2 for ChaCha20 in TLS 1.2). TLS 1.2 AES-GCM uses
/// the last eight bytes as its explicit nonce: unique as long as the sequence number is (RFC 5288 section 3).
#[inline]
pub(crate) fn nonce(iv: &[u8; NONCE_LEN], seq: u64) -> [u8; NONCE_LEN] {
    let [a, b, c, d, base @ ..] = *iv;
    let [e, f, g, h, i, j, k, l] = (u64::from_be_bytes(base) ^ seq).to_be_bytes();
    [a, b, c, d, e, f, g, h, i, j, k, l]
}

/// TLS 1.3 additional data: the header itself (RFC 8446 section 5.2).
#[inline]
fn tls13_aad(content: usize) -> [u8; HEADER_LEN] {
    let len = wire_len(content + 1 + TAG_LEN);
    [ContentType::APPLICATION_DATA.0, 3, 3, len[0], len[1]]
}

/// TLS 1.2 additional data: sequence number, then the header with the *plaintext* length (RFC 5246 section 6.2.3.3).
fn tls12_aad(seq: u64, content_type: ContentType, plaintext_len: usize) -> [u8; 13] {
    let s = seq.to_be_bytes();
    let l = wire_len(plaintext_len);
    [s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7], content_type.0, 3, 3, l[0], l[1]]
}

/// A length that is known to be at most [`Protection::max_fragment`], as the wire has it.
fn wire_len(len: usize) -> [u8; 2] {
    let bytes = (len as u64).to_be_bytes();
    [bytes[6], bytes[7]]
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) use tests::{identity_of, note_sealed, take_sealed};

//! The receiving direction.

use core::ops::Range;

use aws_lc_rs::aead::{Aad, NONCE_LEN, Nonce};

use super::keys::{Keys, NoKey, boxed};
use super::{
    ContentType, EXPLICIT_NONCE_LEN, HEADER_LEN, KeyMaterial, MAX_PLAINTEXT, Protection, TAG_LEN,
    WrongKeyLength, nonce, tls12_aad,
};

/// Opens records under one key, in order.
#[repr(transparent)]
pub(crate) struct Opener {
    keys: Keys,
}

/// A record that was opened where it lay. Small enough to be returned in a register: what goes through memory in pieces and is read at
/// once costs more than the whole of the checks here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Opened {
    /// TLS 1.3: the inner type.
    pub(crate) content_type: ContentType,
    header_len: u8,
    content_len: u16,
}

impl Opened {
    /// Where the content lies, counted from the record's first byte.
    #[inline]
    pub(crate) fn content(self) -> Range<usize> {
        let start = usize::from(self.header_len);
        start..start + usize::from(self.content_len)
    }
}

/// Why a whole record could not be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OpenFailure {
    /// The outer type is not one this protection has.
    UnexpectedType,
    /// More content than 2^14 bytes.
    Overflow,
    /// Shorter than nonce and tag, or forged, or out of order.
    BadTag,
    /// TLS 1.3: nothing but padding inside (RFC 8446 section 5.4).
    NoInnerType,
    /// There is no memory for the key.
    NoKey,
}

impl Opener {
    pub(crate) fn new(material: &KeyMaterial, seq: u64) -> Result<Box<Self>, WrongKeyLength> {
        boxed(Self::vacant(material.protection), |opener| &mut opener.keys, material, seq)
    }

    /// Without keys: to be put where it stays, and given its keys there.
    pub(crate) fn vacant(protection: Protection) -> Self {
        Self { keys: Keys::vacant(protection) }
    }

    /// Goes on with other keys.
    pub(crate) fn set_keys(&mut self, material: &KeyMaterial, seq: u64) {
        self.keys.set(material, seq);
    }

    #[inline]
    pub(crate) fn protection(&self) -> Protection {
        self.keys.protection()
    }

    /// Keeps no more than the raw keys, until the next record.
    pub(crate) fn park(&mut self) {
        self.keys.park();
    }

    pub(crate) fn is_parked(&self) -> bool {
        self.keys.is_parked()
    }

    /// Opens the one whole record that fills `record`. The sequence number moves only when the tag was right; after
    /// a failure the bytes may be destroyed.
    pub(crate) fn open(&mut self, record: &mut [u8]) -> Result<Opened, OpenFailure> {
        let protection = self.protection();
        let seq = self.keys.seq();
        let next = seq.checked_add(1).ok_or(OpenFailure::BadTag)?;
        let (nonce, outer) = self.nonce_of(record)?;
        let header_len = protection.header_len();
        let (header, sealed) = record.split_at_mut_checked(header_len).ok_or(OpenFailure::BadTag)?;
        let (content, tag) = sealed.split_last_chunk_mut::<TAG_LEN>().ok_or(OpenFailure::BadTag)?;
        let content_len = content.len();
        if content_len > MAX_PLAINTEXT && !protection.is_tls13() {
            return Err(OpenFailure::Overflow);
        }
        let key = self.keys.aead().map_err(|NoKey| OpenFailure::NoKey)?;
        let nonce = Nonce::assume_unique_for_key(nonce);
        // With the tag apart: the library's other form moves the plaintext once more, to where it lies.
        let done = if protection.is_tls13() {
            key.open_in_place_separate_tag(nonce, Aad::from(&*header), tag, content).is_ok()
        } else {
            let aad = Aad::from(tls12_aad(seq, outer, content_len));
            key.open_in_place_separate_tag(nonce, aad, tag, content).is_ok()
        };
        if !done {
            self.keys.done();
            return Err(OpenFailure::BadTag);
        }
        self.keys.done();
        self.keys.set_seq(next);
        if !protection.is_tls13() {
            return Ok(opened(outer, header_len, content_len));
        }
        // The limit is on the inner plaintext with its padding (RFC 8446 section 5.2).
        if content_len > MAX_PLAINTEXT + 1 {
            return Err(OpenFailure::Overflow);
        }
        let type_at = content.iter().rposition(|byte| *byte != 0).ok_or(OpenFailure::NoInnerType)?;
        let content_type = ContentType(content.get(type_at).copied().unwrap_or_default());
        Ok(opened(content_type, header_len, type_at))
    }

    /// Puts back, byte for byte, the record that the last [`Opener::open`] opened in `record`: the same key, nonce and plaintext
    /// give the ciphertext the peer sent, so nothing new is ever sealed under a receiving key.
    pub(crate) fn restore(&mut self, record: &mut [u8]) -> Result<(), OpenFailure> {
        let protection = self.protection();
        let seq = self.keys.seq().checked_sub(1).ok_or(OpenFailure::BadTag)?;
        let nonce = match self.explicit_nonce(record) {
            Some(nonce) => nonce,
            None => nonce(self.keys.iv(), seq),
        };
        let outer = ContentType(record.first().copied().unwrap_or_default());
        let (header, sealed) =
            record.split_at_mut_checked(protection.header_len()).ok_or(OpenFailure::BadTag)?;
        let (content, tag) = sealed.split_last_chunk_mut::<TAG_LEN>().ok_or(OpenFailure::BadTag)?;
        let key = self.keys.aead().map_err(|NoKey| OpenFailure::NoKey)?;
        let nonce = Nonce::assume_unique_for_key(nonce);
        let done = if protection.is_tls13() {
            key.seal_in_place_scatter(nonce, Aad::from(&*header), content, &[], tag)
        } else {
            let aad = Aad::from(tls12_aad(seq, outer, content.len()));
            key.seal_in_place_scatter(nonce, aad, content, &[], tag)
        };
        self.keys.done();
        done.map_err(|_| OpenFailure::BadTag)
    }

    /// Takes the last [`Opener::open`] back: the record will be opened again.
    pub(crate) fn rewind(&mut self) {
        self.keys.set_seq(self.keys.seq().saturating_sub(1));
    }

    #[inline]
    fn nonce_of(&self, record: &[u8]) -> Result<([u8; NONCE_LEN], ContentType), OpenFailure> {
        let &[content_type, major, minor, high, low, ..] = record else { return Err(OpenFailure::BadTag) };
        let outer = ContentType(content_type);
        if usize::from(u16::from_be_bytes([high, low])) != record.len() - HEADER_LEN {
            return Err(OpenFailure::BadTag);
        }
        // TLS 1.3 authenticates the header as it stands; TLS 1.2 authenticates the agreed version, so it must be that one.
        if !self.protection().is_tls13() && (major, minor) != (3, 3) {
            return Err(OpenFailure::UnexpectedType);
        }
        if self.protection().is_tls13() && outer != ContentType::APPLICATION_DATA {
            return Err(OpenFailure::UnexpectedType);
        }
        if !self.protection().has_explicit_nonce() {
            return Ok((nonce(self.keys.iv(), self.keys.seq()), outer));
        }
        Ok((self.explicit_nonce(record).ok_or(OpenFailure::BadTag)?, outer))
    }

    /// TLS 1.2 AES-GCM: the salt, then the eight bytes behind the header, whatever the peer chose.
    fn explicit_nonce(&self, record: &[u8]) -> Option<[u8; NONCE_LEN]> {
        if !self.protection().has_explicit_nonce() {
            return None;
        }
        let explicit = record.get(HEADER_LEN..HEADER_LEN + EXPLICIT_NONCE_LEN)?;
        let mut nonce = *self.keys.iv();
        nonce[NONCE_LEN - EXPLICIT_NONCE_LEN..].copy_from_slice(explicit);
        Some(nonce)
    }
}

/// The lengths are known to be at most [`MAX_PLAINTEXT`].
#[inline]
#[expect(
    clippy::cast_possible_truncation,
    reason = "the lengths are in bounds, and a check is one too many here"
)]
fn opened(content_type: ContentType, header_len: usize, content_len: usize) -> Opened {
    Opened { content_type, header_len: header_len as u8, content_len: content_len as u16 }
}

#[cfg(test)]
impl Opener {
    /// As the one of [`Sealer`](super::Sealer).
    pub(crate) fn fork(&self) -> Self {
        Self { keys: self.keys.fork() }
    }

    /// As the one of [`Sealer`](super::Sealer).
    pub(crate) fn place(&self) -> ([u8; 8], u64) {
        self.keys.place()
    }

    /// Where the secrets lie.
    pub(super) fn secrets(&self) -> [*const u8; 2] {
        self.keys.secrets()
    }
}

impl core::fmt::Debug for Opener {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Opener")
            .field("protection", &self.protection())
            .field("seq", &self.keys.seq())
            .finish_non_exhaustive()
    }
}

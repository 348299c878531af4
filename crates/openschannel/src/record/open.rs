//! The receiving direction.

use core::ops::Range;

use aws_lc_rs::aead::{Aad, LessSafeKey, NONCE_LEN, Nonce};

use super::{
    ContentType, EXPLICIT_NONCE_LEN, HEADER_LEN, KeyMaterial, MAX_PLAINTEXT, NonceBase, Protection, TAG_LEN,
    WrongKeyLength, nonce, tls12_aad,
};

/// Opens records under one key, in order.
pub(crate) struct Opener {
    key: LessSafeKey,
    iv: NonceBase,
    seq: u64,
    protection: Protection,
    #[cfg(test)]
    material: KeyMaterial,
}

/// A record that was opened where it lay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Opened {
    /// TLS 1.3: the inner type.
    pub(crate) content_type: ContentType,
    /// Where the content lies, counted from the record's first byte.
    pub(crate) content: Range<usize>,
}

/// Why a whole record could not be opened. All but [`OpenFailure::BadTag`] are told without a key.
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
}

impl Opener {
    pub(crate) fn new(material: &KeyMaterial, seq: u64) -> Result<Self, WrongKeyLength> {
        Ok(Self {
            key: material.aead_key()?,
            iv: NonceBase::copy_of(&material.iv),
            seq,
            protection: material.protection,
            #[cfg(test)]
            material: material.copy(),
        })
    }

    pub(crate) fn protection(&self) -> Protection {
        self.protection
    }

    /// Opens the one whole record that fills `record`. The sequence number moves only when the tag was right; after
    /// a failure the bytes may be destroyed.
    pub(crate) fn open(&mut self, record: &mut [u8]) -> Result<Opened, OpenFailure> {
        let (nonce, outer) = self.nonce_of(record)?;
        let header_len = self.protection.header_len();
        let sealed_len = record.len().checked_sub(header_len).ok_or(OpenFailure::BadTag)?;
        let content_len = sealed_len.checked_sub(TAG_LEN).ok_or(OpenFailure::BadTag)?;
        if content_len > MAX_PLAINTEXT && !self.protection.is_tls13() {
            return Err(OpenFailure::Overflow);
        }
        let next = self.seq.checked_add(1).ok_or(OpenFailure::BadTag)?;
        let (header, sealed) = record.split_at_mut_checked(header_len).ok_or(OpenFailure::BadTag)?;
        if self.protection.is_tls13() {
            let mut aad = [0; HEADER_LEN];
            aad.copy_from_slice(header);
            self.key
                .open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(aad), sealed)
                .map_err(|_| OpenFailure::BadTag)?;
        } else {
            let aad = tls12_aad(self.seq, outer, content_len);
            self.key
                .open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(aad), sealed)
                .map_err(|_| OpenFailure::BadTag)?;
        }
        self.seq = next;
        if !self.protection.is_tls13() {
            return Ok(Opened { content_type: outer, content: header_len..header_len + content_len });
        }
        let inner = sealed.get(..content_len).unwrap_or_default();
        // The limit is on the inner plaintext with its padding (RFC 8446 section 5.2).
        if content_len > MAX_PLAINTEXT + 1 {
            return Err(OpenFailure::Overflow);
        }
        let type_at = inner.iter().rposition(|byte| *byte != 0).ok_or(OpenFailure::NoInnerType)?;
        let content_type = ContentType(inner.get(type_at).copied().unwrap_or_default());
        Ok(Opened { content_type, content: header_len..header_len + type_at })
    }

    /// Puts back, byte for byte, the record that the last [`Opener::open`] opened in `record`: the same key, nonce and plaintext
    /// give the ciphertext the peer sent, so nothing new is ever sealed under a receiving key.
    pub(crate) fn restore(&self, record: &mut [u8]) -> Result<(), OpenFailure> {
        let seq = self.seq.checked_sub(1).ok_or(OpenFailure::BadTag)?;
        let nonce = match self.explicit_nonce(record) {
            Some(nonce) => nonce,
            None => nonce(&self.iv, seq),
        };
        let outer = ContentType(record.first().copied().unwrap_or_default());
        let header_len = self.protection.header_len();
        let (header, sealed) = record.split_at_mut_checked(header_len).ok_or(OpenFailure::BadTag)?;
        let content_len = sealed.len().checked_sub(TAG_LEN).ok_or(OpenFailure::BadTag)?;
        let (content, tag_out) = sealed.split_at_mut_checked(content_len).ok_or(OpenFailure::BadTag)?;
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = if self.protection.is_tls13() {
            let mut aad = [0; HEADER_LEN];
            aad.copy_from_slice(header);
            self.key.seal_in_place_separate_tag(nonce, Aad::from(aad), content)
        } else {
            let aad = tls12_aad(seq, outer, content_len);
            self.key.seal_in_place_separate_tag(nonce, Aad::from(aad), content)
        }
        .map_err(|_| OpenFailure::BadTag)?;
        tag_out.copy_from_slice(tag.as_ref());
        Ok(())
    }

    /// Takes the last [`Opener::open`] back: the record will be opened again.
    pub(crate) fn rewind(&mut self) {
        self.seq = self.seq.saturating_sub(1);
    }

    fn nonce_of(&self, record: &[u8]) -> Result<([u8; NONCE_LEN], ContentType), OpenFailure> {
        let &[content_type, major, minor, high, low, ..] = record else { return Err(OpenFailure::BadTag) };
        let outer = ContentType(content_type);
        if usize::from(u16::from_be_bytes([high, low])) != record.len() - HEADER_LEN {
            return Err(OpenFailure::BadTag);
        }
        // TLS 1.3 authenticates the header as it stands; TLS 1.2 authenticates the agreed version, so it must be that one.
        if !self.protection.is_tls13() && (major, minor) != (3, 3) {
            return Err(OpenFailure::UnexpectedType);
        }
        if self.protection.is_tls13() && outer != ContentType::APPLICATION_DATA {
            return Err(OpenFailure::UnexpectedType);
        }
        if !self.protection.has_explicit_nonce() {
            return Ok((nonce(&self.iv, self.seq), outer));
        }
        Ok((self.explicit_nonce(record).ok_or(OpenFailure::BadTag)?, outer))
    }

    /// TLS 1.2 AES-GCM: the salt, then the eight bytes behind the header, whatever the peer chose.
    fn explicit_nonce(&self, record: &[u8]) -> Option<[u8; NONCE_LEN]> {
        if !self.protection.has_explicit_nonce() {
            return None;
        }
        let explicit = record.get(HEADER_LEN..HEADER_LEN + EXPLICIT_NONCE_LEN)?;
        let mut nonce = *self.iv;
        nonce[NONCE_LEN - EXPLICIT_NONCE_LEN..].copy_from_slice(explicit);
        Some(nonce)
    }
}

#[cfg(test)]
impl Opener {
    /// As the one of [`Sealer`](super::Sealer).
    pub(crate) fn fork(&self) -> Self {
        Self::new(&self.material, self.seq).unwrap()
    }

    /// As the one of [`Sealer`](super::Sealer).
    pub(crate) fn place(&self) -> ([u8; 8], u64) {
        (super::tests::key_identity(&self.material), self.seq)
    }

    /// Where the nonce base lies.
    pub(super) fn nonce_base(&self) -> *const [u8; NONCE_LEN] {
        &raw const *self.iv
    }
}

impl core::fmt::Debug for Opener {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Opener")
            .field("protection", &self.protection)
            .field("seq", &self.seq)
            .finish_non_exhaustive()
    }
}

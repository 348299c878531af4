//! The sending direction.

use aws_lc_rs::aead::{Aad, LessSafeKey, NONCE_LEN, Nonce};

use super::{
    ContentType, HEADER_LEN, KeyMaterial, MAX_PLAINTEXT, NonceBase, Protection, TAG_LEN, WrongKeyLength,
    nonce, tls12_aad, wire_len,
};

/// Seals records under one key, in order.
pub(crate) struct Sealer {
    key: LessSafeKey,
    iv: NonceBase,
    seq: u64,
    protection: Protection,
    #[cfg(test)]
    identity: [u8; 8],
    #[cfg(test)]
    material: KeyMaterial,
}

/// The sequence numbers of this key are used up, or a buffer does not have the length of the layout. Nothing was sealed.
#[derive(Debug)]
pub(crate) struct Exhausted;

impl Sealer {
    pub(crate) fn new(material: &KeyMaterial, seq: u64) -> Result<Self, WrongKeyLength> {
        Ok(Self {
            key: material.aead_key()?,
            iv: NonceBase::copy_of(&material.iv),
            seq,
            protection: material.protection,
            #[cfg(test)]
            identity: super::tests::key_identity(material),
            #[cfg(test)]
            material: material.copy(),
        })
    }

    pub(crate) fn protection(&self) -> Protection {
        self.protection
    }

    /// The sequence number the next record takes.
    pub(crate) fn seq(&self) -> u64 {
        self.seq
    }

    /// Bytes of the whole record that carries `content` bytes.
    pub(crate) fn record_len(&self, content: usize) -> usize {
        // Any number may be asked for; no buffer is as long as the largest.
        content.saturating_add(self.protection.header_len() + self.protection.trailer_len())
    }

    /// Seals `data` where it lies and fills the exactly sized `header` and `trailer` around it.
    pub(crate) fn seal_scattered(
        &mut self,
        content_type: ContentType,
        header: &mut [u8],
        data: &mut [u8],
        trailer: &mut [u8],
    ) -> Result<(), Exhausted> {
        if trailer.len() != self.protection.trailer_len() {
            return Err(Exhausted);
        }
        let (nonce, next) = self.begin(content_type, header, data.len())?;
        if self.protection.is_tls13() {
            let aad = tls13_aad(data.len());
            self.key
                .seal_in_place_scatter(
                    Nonce::assume_unique_for_key(nonce),
                    Aad::from(aad),
                    data,
                    &[content_type.0],
                    trailer,
                )
                .map_err(|_| Exhausted)?;
        } else {
            let aad = tls12_aad(self.seq, content_type, data.len());
            let tag = self
                .key
                .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(aad), data)
                .map_err(|_| Exhausted)?;
            trailer.copy_from_slice(tag.as_ref());
        }
        self.seq = next;
        Ok(())
    }

    /// Seals the record that fills `record`: the content lies behind the header already, the rest is written here. One AEAD
    /// pass over adjoining bytes, which is the faster form (ChaCha20 gains most).
    pub(crate) fn seal_contiguous(
        &mut self,
        content_type: ContentType,
        record: &mut [u8],
    ) -> Result<(), Exhausted> {
        let header_len = self.protection.header_len();
        let content =
            record.len().checked_sub(header_len + self.protection.trailer_len()).ok_or(Exhausted)?;
        let (header, body) = record.split_at_mut_checked(header_len).ok_or(Exhausted)?;
        let (nonce, next) = self.begin(content_type, header, content)?;
        let (sealed, tag_out) =
            body.split_at_mut_checked(body.len().saturating_sub(TAG_LEN)).ok_or(Exhausted)?;
        let tag = if self.protection.is_tls13() {
            if let Some(inner_type) = sealed.last_mut() {
                *inner_type = content_type.0;
            }
            let aad = tls13_aad(content);
            self.key.seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(aad), sealed)
        } else {
            let aad = tls12_aad(self.seq, content_type, content);
            self.key.seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(aad), sealed)
        }
        .map_err(|_| Exhausted)?;
        tag_out.copy_from_slice(tag.as_ref());
        self.seq = next;
        Ok(())
    }

    /// Seals a short content (an alert, a KeyUpdate) into the front of `out`; gives the record's length.
    pub(crate) fn seal_copy(
        &mut self,
        content_type: ContentType,
        content: &[u8],
        out: &mut [u8],
    ) -> Result<usize, Exhausted> {
        let len = self.record_len(content.len());
        let header_len = self.protection.header_len();
        let record = out.get_mut(..len).ok_or(Exhausted)?;
        record.get_mut(header_len..header_len + content.len()).ok_or(Exhausted)?.copy_from_slice(content);
        self.seal_contiguous(content_type, record)?;
        Ok(len)
    }

    /// Checks the lengths, writes the header, and gives the nonce and the sequence number that follows.
    fn begin(
        &self,
        content_type: ContentType,
        header: &mut [u8],
        content: usize,
    ) -> Result<([u8; NONCE_LEN], u64), Exhausted> {
        if header.len() != self.protection.header_len() || content > MAX_PLAINTEXT {
            return Err(Exhausted);
        }
        let next = self.seq.checked_add(1).ok_or(Exhausted)?;
        let nonce = nonce(&self.iv, self.seq);
        let outer = if self.protection.is_tls13() { ContentType::APPLICATION_DATA } else { content_type };
        let fragment = content + self.protection.trailer_len() + (self.protection.header_len() - HEADER_LEN);
        let len = wire_len(fragment);
        // The length was checked above, so both parts of the header exist.
        let (front, explicit) = header.split_at_mut(HEADER_LEN);
        front.copy_from_slice(&[outer.0, 3, 3, len[0], len[1]]);
        if !explicit.is_empty() {
            explicit.copy_from_slice(&nonce[NONCE_LEN - explicit.len()..]);
        }
        #[cfg(test)]
        super::tests::note_sealed(self.identity, nonce);
        Ok((nonce, next))
    }
}

#[cfg(test)]
impl Sealer {
    /// Another one at the same place: for tests that go on from one state in many ways.
    pub(crate) fn fork(&self) -> Self {
        Self::new(&self.material, self.seq).unwrap()
    }

    /// All there is to it: which key, and the next sequence number.
    pub(crate) fn place(&self) -> ([u8; 8], u64) {
        (self.identity, self.seq)
    }

    /// Where the nonce base lies.
    pub(super) fn nonce_base(&self) -> *const [u8; NONCE_LEN] {
        &raw const *self.iv
    }
}

impl core::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Sealer")
            .field("protection", &self.protection)
            .field("seq", &self.seq)
            .finish_non_exhaustive()
    }
}

/// TLS 1.3 additional data: the header itself (RFC 8446 section 5.2).
fn tls13_aad(content: usize) -> [u8; HEADER_LEN] {
    let len = wire_len(content + 1 + TAG_LEN);
    [ContentType::APPLICATION_DATA.0, 3, 3, len[0], len[1]]
}

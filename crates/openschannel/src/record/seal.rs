//! The sending direction.

use aws_lc_rs::aead::{Aad, NONCE_LEN, Nonce};

use super::keys::{Keys, NoKey, boxed};
use super::{
    ContentType, EXPLICIT_NONCE_LEN, HEADER_LEN, KeyMaterial, MAX_PLAINTEXT, Protection, TAG_LEN,
    WrongKeyLength, nonce, tls12_aad, tls13_aad, wire_len,
};

/// Seals records under one key, in order.
#[repr(transparent)]
pub(crate) struct Sealer {
    keys: Keys,
}

/// The sequence numbers of this key are used up, a buffer does not have the length of the layout, or there is no memory for the key.
/// Nothing was sealed.
#[derive(Debug)]
pub(crate) struct Exhausted;

impl Sealer {
    pub(crate) fn new(material: &KeyMaterial, seq: u64) -> Result<Box<Self>, WrongKeyLength> {
        boxed(Self::vacant(material.protection), |sealer| &mut sealer.keys, material, seq)
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

    /// The sequence number the next record takes.
    #[inline]
    pub(crate) fn seq(&self) -> u64 {
        self.keys.seq()
    }

    /// Keeps no more than the raw keys, until the next record.
    pub(crate) fn park(&mut self) {
        self.keys.park();
    }

    pub(crate) fn is_parked(&self) -> bool {
        self.keys.is_parked()
    }

    /// Bytes of the whole record that carries `content` bytes.
    pub(crate) fn record_len(&self, content: usize) -> usize {
        // Any number may be asked for; no buffer is as long as the largest.
        content.saturating_add(self.protection().header_len() + self.protection().trailer_len())
    }

    /// Seals `data` where it lies and fills the exactly sized `header` and `trailer` around it.
    pub(crate) fn seal_scattered(
        &mut self,
        content_type: ContentType,
        header: &mut [u8],
        data: &mut [u8],
        trailer: &mut [u8],
    ) -> Result<(), Exhausted> {
        if trailer.len() != self.protection().trailer_len() {
            return Err(Exhausted);
        }
        let content = data.len();
        let inner_type = [content_type.0];
        let inner_type: &[u8] = if self.protection().is_tls13() { &inner_type } else { &[] };
        self.seal(content_type, header, content, data, inner_type, trailer)
    }

    /// Seals the record that fills `header` and `body`: the content lies at the front of `body` already, the rest is written here. One
    /// AEAD pass over adjoining bytes, which is the faster form (ChaCha20 gains most).
    pub(crate) fn seal_contiguous(
        &mut self,
        content_type: ContentType,
        header: &mut [u8],
        body: &mut [u8],
    ) -> Result<(), Exhausted> {
        let content = body.len().checked_sub(self.protection().trailer_len()).ok_or(Exhausted)?;
        let (sealed, tag) = body.split_last_chunk_mut::<TAG_LEN>().ok_or(Exhausted)?;
        if self.protection().is_tls13()
            && let Some(inner_type) = sealed.last_mut()
        {
            *inner_type = content_type.0;
        }
        self.seal(content_type, header, content, sealed, &[], tag)
    }

    /// Seals a short content (an alert, a KeyUpdate) into the front of `out`; gives the record's length.
    pub(crate) fn seal_copy(
        &mut self,
        content_type: ContentType,
        content: &[u8],
        out: &mut [u8],
    ) -> Result<usize, Exhausted> {
        let len = self.record_len(content.len());
        let header_len = self.protection().header_len();
        let record = out.get_mut(..len).ok_or(Exhausted)?;
        record.get_mut(header_len..header_len + content.len()).ok_or(Exhausted)?.copy_from_slice(content);
        let (header, body) = record.split_at_mut_checked(header_len).ok_or(Exhausted)?;
        self.seal_contiguous(content_type, header, body)?;
        Ok(len)
    }

    /// One call of the AEAD: `sealed` in place, then `behind`, which with the tag fills `trailer`.
    #[inline]
    fn seal(
        &mut self,
        content_type: ContentType,
        header: &mut [u8],
        content: usize,
        sealed: &mut [u8],
        behind: &[u8],
        trailer: &mut [u8],
    ) -> Result<(), Exhausted> {
        let protection = self.protection();
        let seq = self.seq();
        let (nonce, next) = self.begin(content_type, header, content)?;
        let key = self.keys.aead().map_err(|NoKey| Exhausted)?;
        let nonce = Nonce::assume_unique_for_key(nonce);
        let done = if protection.is_tls13() {
            key.seal_in_place_scatter(nonce, Aad::from(tls13_aad(content)), sealed, behind, trailer)
        } else {
            let aad = Aad::from(tls12_aad(seq, content_type, content));
            key.seal_in_place_scatter(nonce, aad, sealed, behind, trailer)
        };
        self.keys.done();
        done.map_err(|_| Exhausted)?;
        self.keys.set_seq(next);
        Ok(())
    }

    /// Checks the lengths, writes the header, and gives the nonce and the sequence number that follows.
    #[inline]
    fn begin(
        &self,
        content_type: ContentType,
        header: &mut [u8],
        content: usize,
    ) -> Result<([u8; NONCE_LEN], u64), Exhausted> {
        let protection = self.protection();
        if header.len() != protection.header_len() || content > MAX_PLAINTEXT {
            return Err(Exhausted);
        }
        let next = self.seq().checked_add(1).ok_or(Exhausted)?;
        let nonce = nonce(self.keys.iv(), self.seq());
        let outer = if protection.is_tls13() { ContentType::APPLICATION_DATA } else { content_type };
        let fragment = content + protection.trailer_len() + (protection.header_len() - HEADER_LEN);
        let len = wire_len(fragment);
        let (front, explicit) = header.split_first_chunk_mut::<HEADER_LEN>().ok_or(Exhausted)?;
        *front = [outer.0, 3, 3, len[0], len[1]];
        if let Ok(explicit) = <&mut [u8; EXPLICIT_NONCE_LEN]>::try_from(explicit) {
            let (_, own) = nonce.split_last_chunk().ok_or(Exhausted)?;
            *explicit = *own;
        }
        #[cfg(test)]
        super::tests::note_sealed(self.keys.place().0, nonce);
        Ok((nonce, next))
    }
}

#[cfg(test)]
impl Sealer {
    /// Another one at the same place: for tests that go on from one state in many ways.
    pub(crate) fn fork(&self) -> Self {
        Self { keys: self.keys.fork() }
    }

    /// All there is to it: which key, and the next sequence number.
    pub(crate) fn place(&self) -> ([u8; 8], u64) {
        self.keys.place()
    }

    /// Where the secrets lie.
    pub(super) fn secrets(&self) -> [*const u8; 2] {
        self.keys.secrets()
    }
}

impl core::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Sealer")
            .field("protection", &self.protection())
            .field("seq", &self.seq())
            .finish_non_exhaustive()
    }
}

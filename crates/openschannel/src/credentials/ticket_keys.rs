//! Session tickets under keys that several servers share (RFC 5077 section 5.5).
//!
//! ```text
//!   ticket = key id (16) | salt (32) | AES-256-GCM of the session (n + 16)
//!            additional data: key id and salt
//!            key and nonce:   HKDF-Expand(HKDF-Extract(keying material), salt), fresh for every ticket
//! ```
//!
//! With a key of its own for every ticket no count of tickets makes a nonce come twice, however many servers share the keying
//! material and however long.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};
use rustls::crypto::CryptoProvider;
use rustls::server::ProducesTickets;
use std::sync::Arc;
use zeroize::Zeroizing;

use crate::status::{Error, ErrorStatus};

const ID_LEN: usize = 16;
const SALT_LEN: usize = 32;
const KEY_LEN: usize = 32;
const NONCE_LEN: usize = 12;
const HEADER_LEN: usize = ID_LEN + SALT_LEN;

/// Less than the strength of the ticket's cipher would undo it.
const MIN_MATERIAL: usize = 32;

/// One of the keys that [`InboundCredentials::set_ticket_keys`](super::InboundCredentials::set_ticket_keys) takes.
#[derive(Clone)]
pub struct TicketKey {
    id: [u8; ID_LEN],
    secret: Prk,
}

impl TicketKey {
    /// From an identifier, which is written into every ticket, and secret keying material.
    ///
    /// # Errors
    /// `SEC_E_INVALID_PARAMETER`: less than 32 bytes of material.
    pub fn new(id: [u8; 16], material: &[u8]) -> Result<Self, Error> {
        if material.len() < MIN_MATERIAL {
            return Err(Error::new(ErrorStatus::InvalidParameter)
                .because("a ticket key needs 32 bytes of keying material at least"));
        }
        let secret = Salt::new(HKDF_SHA256, b"openschannel session tickets").extract(material);
        Ok(Self { id, secret })
    }

    /// Key and nonce of the ticket with this salt.
    fn of_ticket(&self, salt: &[u8]) -> Option<(LessSafeKey, Nonce)> {
        let mut derived = Zeroizing::new([0; KEY_LEN + NONCE_LEN]);
        self.secret.expand(&[salt], Both).ok()?.fill(&mut *derived).ok()?;
        let (key, nonce) = derived.split_at(KEY_LEN);
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).ok()?);
        Some((key, Nonce::try_assume_unique_for_key(nonce).ok()?))
    }
}

impl fmt::Debug for TicketKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TicketKey").field("id", &self.id).finish_non_exhaustive()
    }
}

struct Both;

impl KeyType for Both {
    fn len(&self) -> usize {
        KEY_LEN + NONCE_LEN
    }
}

/// The first key seals, all open.
#[derive(Debug)]
pub(super) struct SharedTicketer {
    pub(super) keys: Box<[TicketKey]>,
    pub(super) provider: Arc<CryptoProvider>,
}

impl ProducesTickets for SharedTicketer {
    fn enabled(&self) -> bool {
        !self.keys.is_empty()
    }

    /// As long as the credential says: whoever shares keys renews them.
    fn lifetime(&self) -> u32 {
        u32::MAX
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let key = self.keys.first()?;
        let mut salt = [0; SALT_LEN];
        self.provider.secure_random.fill(&mut salt).ok()?;
        let (cipher, nonce) = key.of_ticket(&salt)?;
        let mut ticket = Zeroizing::new(Vec::with_capacity(HEADER_LEN + plain.len() + AES_256_GCM.tag_len()));
        ticket.extend(key.id);
        ticket.extend(salt);
        // Sealed where it lies, in memory that does not grow: no copy of the session stays behind.
        ticket.extend(plain);
        let (header, session) = ticket.split_at_mut_checked(HEADER_LEN)?;
        let tag = cipher.seal_in_place_separate_tag(nonce, Aad::from(&*header), session).ok()?;
        ticket.extend(tag.as_ref());
        Some(core::mem::take(&mut *ticket))
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        let (header, sealed) = ticket.split_at_checked(HEADER_LEN)?;
        let (id, salt) = header.split_at(ID_LEN);
        let key = self.keys.iter().find(|key| key.id == id)?;
        let (cipher, nonce) = key.of_ticket(salt)?;
        let mut plain = sealed.to_vec();
        let len = cipher.open_in_place(nonce, Aad::from(header), &mut plain).ok()?.len();
        plain.truncate(len);
        Some(plain)
    }
}

#[cfg(test)]
mod tests {
    use rustls::crypto::aws_lc_rs::default_provider;

    use super::*;

    fn ticketer(keys: &[(u8, u8)]) -> SharedTicketer {
        let keys =
            keys.iter().map(|(id, secret)| TicketKey::new([*id; 16], &[*secret; 64]).unwrap()).collect();
        SharedTicketer { keys, provider: Arc::new(default_provider()) }
    }

    #[test]
    fn the_first_key_seals_and_all_open() {
        let old = ticketer(&[(1, 1)]);
        let both = ticketer(&[(2, 2), (1, 1)]);
        let new = ticketer(&[(2, 2)]);
        let ticket = old.encrypt(b"session").unwrap();
        assert_eq!(both.decrypt(&ticket).unwrap(), b"session");
        assert_eq!(new.decrypt(&ticket), None);
        let ticket = both.encrypt(b"session").unwrap();
        assert_eq!(new.decrypt(&ticket).unwrap(), b"session");
        assert_eq!(old.decrypt(&ticket), None);
        assert_eq!(
            ticketer(&[(1, 3)]).decrypt(&old.encrypt(b"session").unwrap()),
            None,
            "same name, other key"
        );
    }

    #[test]
    fn a_ticket_that_was_touched_opens_nowhere() {
        let ticketer = ticketer(&[(1, 1)]);
        let ticket = ticketer.encrypt(b"session").unwrap();
        assert_ne!(ticketer.encrypt(b"session").unwrap(), ticket);
        for at in 0..ticket.len() {
            let mut touched = ticket.clone();
            touched[at] ^= 1;
            assert_eq!(ticketer.decrypt(&touched), None, "{at}");
            assert_eq!(ticketer.decrypt(&ticket[..at]), None, "{at}");
        }
    }

    #[test]
    fn keys_are_long_enough_and_never_shown() {
        let short = TicketKey::new([0; 16], &[7; 31]).unwrap_err();
        assert_eq!(short.status(), ErrorStatus::InvalidParameter);
        let shown = format!("{:?}", TicketKey::new([1; 16], &[0xAB; 32]).unwrap());
        assert!(!shown.contains("171"), "{shown}");
    }
}

//! One direction's raw keys, and the AEAD library's context that is made of them.
//!
//! ```text
//!             first record              few contexts in the process
//!   Parked ----------------> context --------------------------------> Kept ---+
//!     ^  ^                      |                                              |
//!     |  '----------------------'  many: it goes when the record is done       |
//!     '----------------------------------------- park() ----------------------'
//! ```
//!
//! The context is ten times as large as the key it is made of. Up to [`MANY`] of them lie in the processor's caches and are kept; beyond,
//! making one anew is quicker than fetching it from memory, and an idle connection is small.

use core::sync::atomic::{AtomicUsize, Ordering};

use aws_lc_rs::aead::{LessSafeKey, NONCE_LEN, UnboundKey};
use zeroize::Zeroizing;

use super::{KeyMaterial, MAX_KEY_LEN, Protection, WrongKeyLength};

/// From so many contexts on none is kept any more: about where fetching one from memory costs more than making it anew
/// (docs/performance.md). Two belong to a connection that talks both ways.
const MANY: usize = 20_000;

/// Contexts kept in this process.
///
/// It only chooses between two ways to the same bytes, so nothing needs to be ordered with it.
static KEPT: AtomicUsize = AtomicUsize::new(0);

/// Raw key, nonce base, sequence number, and the AEAD context if there is one.
///
/// Moved only while it is vacant. The order of the fields keeps the sequence number, which is written with every record, away from
/// the front; see [`SendHalf`](crate::SendHalf).
#[repr(C)]
pub(super) struct Keys {
    key: Zeroizing<[u8; MAX_KEY_LEN]>,
    iv: Zeroizing<[u8; NONCE_LEN]>,
    protection: Protection,
    use_of_aead: Use,
    aead: Option<LessSafeKey>,
    seq: u64,
}

/// What holds the AEAD context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    /// There is none.
    Parked,
    /// It goes when the record is done.
    Once,
    /// It stays, and is counted in [`KEPT`].
    Kept,
}

/// The AEAD library gave no context: there is no memory for one.
#[derive(Debug)]
pub(crate) struct NoKey;

impl Keys {
    /// Without keys; nothing may be sealed or opened before [`Keys::set`].
    pub(super) fn vacant(protection: Protection) -> Self {
        Self {
            key: Zeroizing::new([0; MAX_KEY_LEN]),
            iv: Zeroizing::new([0; NONCE_LEN]),
            protection,
            use_of_aead: Use::Parked,
            aead: None,
            // The last one, which seals and opens nothing.
            seq: u64::MAX,
        }
    }

    /// Takes over new keys, in place of those that were there.
    pub(super) fn set(&mut self, material: &KeyMaterial, seq: u64) {
        self.park();
        let (key, iv) = material.secret.split_at(MAX_KEY_LEN);
        self.key.copy_from_slice(key);
        self.iv.copy_from_slice(iv);
        self.protection = material.protection;
        self.seq = seq;
    }

    #[inline]
    pub(super) fn protection(&self) -> Protection {
        self.protection
    }

    #[inline]
    pub(super) fn iv(&self) -> &[u8; NONCE_LEN] {
        &self.iv
    }

    #[inline]
    pub(super) fn seq(&self) -> u64 {
        self.seq
    }

    #[inline]
    pub(super) fn set_seq(&mut self, seq: u64) {
        self.seq = seq;
    }

    pub(super) fn is_parked(&self) -> bool {
        self.use_of_aead == Use::Parked
    }

    /// Drops the AEAD context; the next record makes it anew.
    pub(super) fn park(&mut self) {
        self.aead = None;
        if core::mem::replace(&mut self.use_of_aead, Use::Parked) == Use::Kept {
            KEPT.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// The AEAD context, for one record; [`Keys::done`] is to follow.
    #[inline]
    pub(super) fn aead(&mut self) -> Result<&LessSafeKey, NoKey> {
        if self.aead.is_none() {
            self.unpark()?;
        }
        self.aead.as_ref().ok_or(NoKey)
    }

    /// Behind the record, whatever came of it.
    #[inline]
    pub(super) fn done(&mut self) {
        if self.use_of_aead != Use::Kept {
            self.park();
        }
    }

    #[cold]
    fn unpark(&mut self) -> Result<(), NoKey> {
        let algorithm = self.protection.algorithm();
        // Only memory can be missing: the length is the suite's.
        let key = self.key.get(..self.protection.key_len()).ok_or(NoKey)?;
        let key = UnboundKey::new(algorithm, key).map_err(|_| NoKey)?;
        self.aead = Some(LessSafeKey::new(key));
        self.use_of_aead = if is_kept() {
            KEPT.fetch_add(1, Ordering::Relaxed);
            Use::Kept
        } else {
            Use::Once
        };
        Ok(())
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        self.park();
    }
}

/// A box with keys in it that never lay anywhere else.
pub(super) fn boxed<T>(
    vacant: T,
    keys: impl FnOnce(&mut T) -> &mut Keys,
    material: &KeyMaterial,
    seq: u64,
) -> Result<Box<T>, WrongKeyLength> {
    let mut place = Box::new(vacant);
    keys(&mut place).set(material, seq);
    Ok(place)
}

#[cfg(not(test))]
fn is_kept() -> bool {
    KEPT.load(Ordering::Relaxed) < MANY
}

#[cfg(test)]
pub(crate) use tests::{always_park, is_kept};

#[cfg(test)]
impl Keys {
    pub(super) fn fork(&self) -> Self {
        let mut fork = Self::vacant(self.protection);
        fork.key = self.key.clone();
        fork.iv = self.iv.clone();
        fork.seq = self.seq;
        fork
    }

    /// All there is to it: which key, and the next sequence number.
    pub(super) fn place(&self) -> ([u8; 8], u64) {
        (super::identity_of(&*self.key), self.seq)
    }

    /// Where the secrets lie.
    pub(super) fn secrets(&self) -> [*const u8; 2] {
        [self.key.as_ptr(), self.iv.as_ptr()]
    }
}

#[cfg(test)]
mod tests {
    use core::cell::Cell;

    use super::*;

    thread_local! {
        static ALWAYS_PARK: Cell<bool> = const { Cell::new(false) };
    }

    /// As if there were many contexts, on this thread.
    pub(crate) fn always_park(always: bool) {
        ALWAYS_PARK.set(always);
    }

    pub(crate) fn is_kept() -> bool {
        !ALWAYS_PARK.get() && KEPT.load(Ordering::Relaxed) < MANY
    }
}

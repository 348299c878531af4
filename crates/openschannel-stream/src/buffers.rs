//! The memory of a connection: ciphertext in, with the plaintext where it was decrypted, and ciphertext out.
//!
//! Both give their memory back when they run empty: a server holds thousands of connections, and most of them wait. Large pieces go
//! round between connections ([`spare`](crate::spare)).
//!
//! Memory that plaintext has lain in is wiped before it is given back, as far as it was used: that costs less than the transport's bytes
//! cost anyway, and nothing while data flows. Until then what was consumed lies there and is written over by what comes next.

use core::ops::Range;

use zeroize::{Zeroize, optimization_barrier};

use crate::spare;

/// The longest record a peer may send: header, 2^14 bytes of content, and the expansion RFC 5246 section 6.2.3 allows.
pub(crate) const MAX_RECORD: usize = 5 + 16_384 + 2_048;

/// Room for ciphertext while data flows: one maximal record is the least that works, four make one read of the transport worth
/// its system call.
pub(crate) const INPUT_LARGE: usize = 4 * MAX_RECORD;

/// Room for ciphertext while little comes: a page, which holds most requests and alerts. It grows as soon as a record wants more.
pub(crate) const INPUT_SMALL: usize = 4_096;

/// The longest record this side makes: header with TLS 1.2's explicit nonce, content, and the trailer with room for a KeyUpdate.
const MAX_SEALED: usize = 13 + 16_384 + 44;

/// Most sealed bytes that wait for the transport before [`Driver::write`](crate::Driver::write) takes no more: four records, as many
/// as one read of the peer's takes. An alert that ends the connection is let in beyond it.
pub(crate) const OUTPUT_LIMIT: usize = 4 * MAX_SEALED;

/// Received bytes. Each lies where the transport put it until it is moved to the front to make room.
///
/// ```text
///   | used up | plaintext waiting | used up | ciphertext unread | room |
///             ^plain.start        ^plain.end ^start             ^end
/// ```
#[derive(Debug, Default)]
pub(crate) struct Input {
    memory: Memory,
    plain: Range<usize>,
    start: usize,
    end: usize,
    /// The transport last gave so much that more is likely to follow.
    busy: bool,
    /// Nobody waits with memory in hand: it is released when the transport has nothing, and so may be large from the beginning.
    releases: bool,
}

impl Input {
    /// Ciphertext that no call has consumed.
    pub(crate) fn unread(&self) -> &[u8] {
        self.memory.bytes.get(self.start..self.end).unwrap_or_default()
    }

    pub(crate) fn unread_mut(&mut self) -> &mut [u8] {
        self.memory.bytes.get_mut(self.start..self.end).unwrap_or_default()
    }

    pub(crate) fn len(&self) -> usize {
        self.end - self.start
    }

    /// `len` bytes at the front of the ciphertext are done with.
    pub(crate) fn consume(&mut self, len: usize) {
        self.start = (self.start + len).min(self.end);
    }

    /// As [`Input::consume`], and of these bytes `data` is plaintext now.
    pub(crate) fn consume_record(&mut self, len: usize, data: Range<usize>) {
        self.plain = self.start + data.start..self.start + data.end;
        self.consume(len);
    }

    /// Plaintext the caller has not taken.
    pub(crate) fn plaintext(&self) -> &[u8] {
        self.memory.bytes.get(self.plain.clone()).unwrap_or_default()
    }

    pub(crate) fn consume_plaintext(&mut self, len: usize) {
        self.plain.start = (self.plain.start + len).min(self.plain.end);
    }

    /// Room for ciphertext, so that at least `need` bytes can lie unread; less, or none, only while plaintext waits.
    pub(crate) fn space(&mut self, need: usize) -> &mut [u8] {
        if self.plain.is_empty() {
            let room = self.memory.bytes.len() - self.end;
            if self.start == self.end || room < MAX_RECORD {
                self.memory.bytes.copy_within(self.start..self.end, 0);
                self.end -= self.start;
                self.start = 0;
                self.plain = 0..0;
            }
        }
        let is_large = self.busy || self.releases || need > INPUT_SMALL;
        self.memory.grow(if is_large { INPUT_LARGE } else { INPUT_SMALL });
        self.memory.bytes.get_mut(self.end..).unwrap_or_default()
    }

    /// The transport put `len` bytes into the front of [`Input::space`].
    pub(crate) fn received(&mut self, len: usize) {
        let room = self.memory.bytes.len() - self.end;
        self.busy = len >= room || len > INPUT_SMALL;
        self.end += len.min(room);
        self.memory.used = self.memory.used.max(self.end);
    }

    /// From here on the owner calls [`Input::release`] whenever the transport has nothing.
    pub(crate) fn set_releases(&mut self, releases: bool) {
        self.releases = releases;
    }

    /// As [`Input::release`], where one waits with memory in hand and little has come.
    pub(crate) fn release_if_quiet(&mut self) {
        if !self.busy && !self.releases {
            self.release();
        }
    }

    /// Gives the memory back if nothing lies in it.
    pub(crate) fn release(&mut self) {
        if self.plain.is_empty() && self.start == self.end {
            *self = Self { releases: self.releases, ..Self::default() };
        }
    }
}

/// Memory of one of two sizes, wiped when it is given back.
#[derive(Debug, Default)]
struct Memory {
    bytes: Vec<u8>,
    /// Behind so many bytes nothing has ever lain.
    used: usize,
}

impl Memory {
    /// Makes it at least `len` bytes long. Not by reallocation, which would leave a copy behind.
    fn grow(&mut self, len: usize) {
        if self.bytes.len() < len {
            let spare = if len == INPUT_LARGE { spare::INPUT.take() } else { None };
            let mut larger = Self { bytes: spare.unwrap_or_else(|| vec![0; len]), used: self.used };
            if let (Some(place), Some(used)) =
                (larger.bytes.get_mut(..self.used), self.bytes.get(..self.used))
            {
                place.copy_from_slice(used);
            }
            *self = larger;
        }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        wipe(self.bytes.get_mut(..self.used).unwrap_or_default());
        if self.bytes.len() == INPUT_LARGE {
            spare::INPUT.give(core::mem::take(&mut self.bytes));
        }
    }
}

/// As [`Zeroize::zeroize`], which writes byte by byte: as slow as decrypting.
fn wipe(bytes: &mut [u8]) {
    bytes.fill(0);
    optimization_barrier(bytes);
}

/// Sealed bytes on their way to the transport. Plaintext lies in it only while it is being sealed, in memory that does not grow then.
#[derive(Debug, Default)]
pub(crate) struct Output {
    memory: Vec<u8>,
    sent: usize,
    /// Bytes of the close_notify, at the end of `memory`.
    close: usize,
}

impl Output {
    /// What the transport has not taken.
    pub(crate) fn waiting(&self) -> &[u8] {
        self.memory.get(self.sent..).unwrap_or_default()
    }

    /// The transport took `len` bytes.
    pub(crate) fn sent(&mut self, len: usize) {
        self.sent = (self.sent + len).min(self.memory.len());
        if self.sent == self.memory.len() {
            self.release();
        }
    }

    fn release(&mut self) {
        let Self { mut memory, .. } = core::mem::take(self);
        if (OUTPUT_LIMIT..2 * OUTPUT_LIMIT).contains(&memory.capacity()) {
            memory.clear();
            spare::OUTPUT.give(memory);
        }
    }

    /// Whether `len` more bytes stay within [`OUTPUT_LIMIT`].
    pub(crate) fn has_room(&self, len: usize) -> bool {
        self.waiting().len() + len <= OUTPUT_LIMIT
    }

    /// Adds a token.
    pub(crate) fn put(&mut self, token: Vec<u8>) {
        if self.memory.is_empty() {
            self.memory = token;
        } else {
            self.memory.extend_from_slice(&token);
        }
    }

    /// What waits behind the first `before` bytes is the close_notify.
    pub(crate) fn closed(&mut self, before: usize) {
        self.close = self.waiting().len().saturating_sub(before);
    }

    /// Whether nothing but the close_notify, or a part of it, waits.
    pub(crate) fn is_only_close(&self) -> bool {
        self.waiting().len() <= self.close
    }

    /// Makes room for `len` bytes in one piece, in the place of what was sent.
    pub(crate) fn reserve(&mut self, len: usize) {
        if self.sent > 0 {
            self.memory.drain(..self.sent);
            self.sent = 0;
        }
        if self.memory.capacity() == 0 && len > INPUT_SMALL {
            self.memory = spare::OUTPUT.take().unwrap_or_else(|| Vec::with_capacity(OUTPUT_LIMIT));
        }
        self.memory.reserve_exact(len);
    }

    /// Lays out `header` bytes, `data` and `trailer` bytes and lets `seal` make a record of them. It says how long that is; nothing
    /// is left behind if it fails.
    pub(crate) fn seal<E>(
        &mut self,
        header: usize,
        data: &[u8],
        trailer: usize,
        seal: impl FnOnce(&mut [u8]) -> Result<usize, E>,
    ) -> Result<&[u8], E> {
        let start = self.memory.len();
        self.memory.reserve(header + data.len() + trailer);
        self.memory.resize(start + header, 0);
        self.memory.extend_from_slice(data);
        self.memory.resize(start + header + data.len() + trailer, 0);
        let place = self.memory.get_mut(start..).unwrap_or_default();
        let sealed = seal(place);
        if sealed.is_err() {
            place.zeroize();
        }
        let len = *sealed.as_ref().unwrap_or(&0);
        self.memory.truncate(start + len);
        sealed?;
        Ok(self.memory.get(start..).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(input: &mut Input, need: usize, len: usize) {
        let space = input.space(need);
        assert!(space.len() >= len, "{} for {len}", space.len());
        space[..len].fill(7);
        input.received(len);
    }

    #[test]
    fn input_grows_for_records_and_goes_when_it_is_empty() {
        let mut input = Input::default();
        assert_eq!(input.space(1).len(), INPUT_SMALL);
        fill(&mut input, 1, 100);
        input.consume(100);
        input.release();
        assert_eq!(input.memory.bytes.capacity(), 0);
        // A record that is larger than a page.
        fill(&mut input, 1, 5);
        assert_eq!(input.space(MAX_RECORD).len(), INPUT_LARGE - 5);
        // A transport that gives all it is asked for.
        let mut input = Input::default();
        fill(&mut input, 1, INPUT_SMALL);
        assert_eq!(input.space(1).len(), INPUT_LARGE - INPUT_SMALL);
        // Nothing goes while something lies in it.
        input.release();
        assert_eq!(input.len(), INPUT_SMALL);
        input.consume_record(INPUT_SMALL, 5..9);
        input.release();
        assert_eq!(input.plaintext().len(), 4);
        input.consume_plaintext(4);
        input.release();
        assert_eq!(input.memory.bytes.capacity(), 0);
    }

    /// It may be another connection's next.
    #[test]
    fn memory_that_goes_round_is_wiped() {
        let mut input = Input::default();
        input.set_releases(true);
        fill(&mut input, 1, 40_000);
        input.consume_record(30_000, 5..20_000);
        input.consume(10_000);
        input.consume_plaintext(20_000);
        input.release();
        let mut seen = 0;
        while let Some(spare) = spare::INPUT.take() {
            assert!(spare.len() == INPUT_LARGE && spare.iter().all(|byte| *byte == 0));
            seen += 1;
        }
        // Other tests take and give meanwhile; alone, this one finds its own.
        assert!(seen <= 16, "no more are kept: {seen}");
        assert_eq!(input.space(1).len(), INPUT_LARGE, "and what releases may be large from the beginning");
    }

    /// However the records lie: once all that is whole is consumed, the rest of the next one fits.
    #[test]
    fn there_is_always_room_for_the_rest_of_a_record() {
        let mut input = Input::default();
        for round in 0..1_000 {
            let record = 1 + round * 7_919 % MAX_RECORD;
            while input.len() < record {
                let space = input.space(record).len();
                assert!(space > 0);
                fill(&mut input, record, space.min(1 + round * 31 % 30_000));
            }
            input.consume_record(record, 0..record / 2);
            input.consume_plaintext(record);
        }
    }

    #[test]
    fn output_goes_when_it_is_sent() {
        let mut output = Output::default();
        output.put(vec![1; 100]);
        output.sent(60);
        output.reserve(10);
        output.put(vec![2; 10]);
        assert_eq!((output.waiting().len(), output.waiting()[0], output.waiting()[40]), (50, 1, 2));
        assert!(output.seal::<()>(5, &[9; 20], 16, |_| Err(())).is_err());
        assert_eq!(output.waiting().len(), 50, "a failure leaves nothing behind");
        assert_eq!(
            output.seal::<()>(5, &[9; 20], 16, |buffer| Ok(buffer.len() - 3)).map(<[u8]>::len),
            Ok(38)
        );
        output.sent(1_000);
        assert_eq!((output.waiting().len(), output.memory.capacity()), (0, 0));
    }
}

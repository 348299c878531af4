//! Where sealed records lie between one side and the other.

/// A batch of records on their way.
///
/// Implementations with buffers of their own write to and read from `bytes`, a stream. Those that work in place have a slot for each
/// record. A wire that does not keep its records stands for a caller who sends each one before sealing the next: the same memory again
/// and again.
#[derive(Debug, Default)]
pub struct Wire {
    /// The stream; read from [`Self::taken`].
    pub bytes: Vec<u8>,
    /// How much of `bytes` was read.
    pub taken: usize,
    /// A buffer for each record, or one for all; records fill them from the front.
    pub slots: Vec<Vec<u8>>,
    /// How long the records in `slots` are.
    pub record_len: usize,
    /// How many records were sealed.
    pub count: usize,
    /// Where plaintext goes that does not stay in place; as long as the longest record's.
    pub plaintext: Vec<u8>,
    keeps: bool,
}

/// More than any implementation puts around a record's plaintext.
const OVERHEAD: usize = 64;

/// The most plaintext in a record.
pub const LONGEST: usize = 16_384;

impl Wire {
    /// One whose records are opened later.
    #[must_use]
    pub fn keeping() -> Self {
        Self { keeps: true, plaintext: vec![0; LONGEST], ..Self::default() }
    }

    /// One whose records are gone as soon as the next is sealed.
    #[must_use]
    pub fn passing() -> Self {
        Self { plaintext: vec![0; LONGEST], ..Self::default() }
    }

    /// Whether the records are opened later.
    #[must_use]
    pub fn keeps(&self) -> bool {
        self.keeps
    }

    /// Empties the stream and makes room in it, so that sealing does not allocate for the wire's sake.
    pub fn reserve(&mut self, plaintext: usize, count: usize) {
        self.bytes.clear();
        self.taken = 0;
        let kept = if self.keeps { count } else { 1 };
        self.bytes.reserve((plaintext + OVERHEAD) * kept);
    }

    /// Slots of `header` bytes, the plaintext, and `trailer` bytes.
    pub fn lay_out(&mut self, header: usize, plaintext: &[u8], trailer: usize, count: usize) {
        let len = header + plaintext.len() + trailer;
        self.slots.resize_with(if self.keeps { count } else { 1 }, Vec::new);
        for slot in &mut self.slots {
            slot.resize(len, 0);
            if let Some(data) = slot.get_mut(header..header + plaintext.len()) {
                data.copy_from_slice(plaintext);
            }
        }
    }

    /// Before each record of a stream is written: drops the one before it, unless records are kept.
    pub fn sink(&mut self) -> &mut Vec<u8> {
        if !self.keeps {
            self.bytes.clear();
        }
        &mut self.bytes
    }

    /// From one slot to the next: 1, or 0 where there is one for all.
    #[must_use]
    pub fn stride(&self) -> usize {
        usize::from(self.keeps)
    }

    /// What was not read of the stream yet.
    #[must_use]
    pub fn rest(&self) -> &[u8] {
        self.bytes.get(self.taken..).unwrap_or_default()
    }
}

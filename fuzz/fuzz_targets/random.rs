//! The fuzzer's bytes under the names of the C ABI's random tests (`openschannel_fuzz::random` has those of the provider's). Behind the
//! end of an input come zeros.

#[derive(Debug)]
pub(crate) struct Random {
    bytes: Vec<u8>,
    at: usize,
}

impl Random {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        Self { bytes: bytes.to_vec(), at: 0 }
    }

    pub(crate) fn is_exhausted(&self) -> bool {
        self.at >= self.bytes.len()
    }

    pub(crate) fn next(&mut self) -> u64 {
        u64::from_be_bytes([(); 8].map(|()| self.byte()))
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        let number = match bound {
            0..=0x100 => usize::from(self.byte()),
            _ => usize::from(u16::from_be_bytes([self.byte(), self.byte()])),
        };
        number % bound.max(1)
    }

    /// Once in `of` times.
    pub(crate) fn once_in(&mut self, of: usize) -> bool {
        self.below(of) == of - 1
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    pub(crate) fn word(&mut self) -> u32 {
        match self.byte() {
            // Most words are flags, versions and attributes: small, or one bit.
            small @ 0..=0x9f => u32::from(small),
            bit @ 0xa0..=0xbf => 1 << (bit & 31),
            _ => u32::from_be_bytes([(); 4].map(|()| self.byte())),
        }
    }

    fn byte(&mut self) -> u8 {
        let byte = self.bytes.get(self.at).copied().unwrap_or_default();
        self.at += 1;
        byte
    }
}

//! Several buffers in one write: a header and a body shall not become two records if one holds both.

use std::io::IoSlice;
use std::ops::Deref;

use zeroize::Zeroizing;

/// Most plaintext in one record (RFC 8446 section 5.1).
const RECORD: usize = 16_384;

/// One of the buffers, or a copy of several: plaintext, so the copy is wiped.
pub(crate) enum Gathered<'a> {
    One(&'a [u8]),
    Several(Zeroizing<Vec<u8>>),
}

/// What one write takes of `slices`: the first that has anything, or as many as fill a record.
pub(crate) fn gather<'a>(slices: &'a [IoSlice<'_>]) -> Gathered<'a> {
    let mut filled = slices.iter().filter(|slice| !slice.is_empty());
    let Some(first) = filled.next() else { return Gathered::One(&[]) };
    let mut rest = filled.peekable();
    if first.len() >= RECORD || rest.peek().is_none() {
        return Gathered::One(first);
    }
    let mut record = Zeroizing::new(Vec::with_capacity(RECORD));
    record.extend_from_slice(first);
    for slice in rest {
        let room = RECORD - record.len();
        record.extend_from_slice(slice.get(..room).unwrap_or(slice));
        if record.len() == RECORD {
            break;
        }
    }
    Gathered::Several(record)
}

impl Deref for Gathered<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::One(buffer) => buffer,
            Self::Several(record) => record,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_filled_and_nothing_is_copied_for_one_buffer() {
        let (small, large) = (vec![1; 10], vec![2; 20_000]);
        assert!(gather(&[]).is_empty());
        let [empty, small, large] = [&[][..], &small, &large].map(IoSlice::new);
        assert!(matches!(gather(&[empty, small, empty]), Gathered::One(slice) if slice.len() == 10));
        assert!(matches!(gather(&[large, small]), Gathered::One(slice) if slice.len() == 20_000));
        let mixed = [small, empty, small, large, small];
        let mixed = gather(&mixed);
        assert_eq!((mixed.len(), &mixed[8..22]), (RECORD, [[1; 12].as_slice(), &[2, 2]].concat().as_slice()));
    }
}

//! Where one record ends and the next begins.

use super::{HEADER_LEN, MAX_PLAINTEXT};

/// The type byte of a record, or of a TLS 1.3 inner plaintext (RFC 8446 appendix B.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ContentType(pub(crate) u8);

impl ContentType {
    pub(crate) const CHANGE_CIPHER_SPEC: Self = Self(20);
    pub(crate) const ALERT: Self = Self(21);
    pub(crate) const HANDSHAKE: Self = Self(22);
    pub(crate) const APPLICATION_DATA: Self = Self(23);
}

/// What the front of a byte string holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// Not yet a whole record: at least this many bytes are missing.
    Incomplete { missing: usize },
    /// One whole record of `len` bytes, its header included.
    Complete { content_type: ContentType, len: usize },
}

/// What cannot be the front of a TLS record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FramingError {
    /// No TLS content type, or no version 3.x.
    NotTls,
    /// The length field is above what the protocol allows.
    TooLong,
}

/// Looks at the first record of `bytes`; `max_fragment` bounds its length field. A wrong type or version is told from the
/// first byte that shows it, before the header is whole.
pub(crate) fn frame(bytes: &[u8], max_fragment: usize) -> Result<Framing, FramingError> {
    if bytes.first().is_some_and(|content_type| !(20..=23).contains(content_type)) {
        return Err(FramingError::NotTls);
    }
    // The minor version is not looked at: RFC 8446 section 5.1 has it ignored, and first flights carry 03 01.
    if bytes.get(1).is_some_and(|major| *major != 3) {
        return Err(FramingError::NotTls);
    }
    let &[content_type, _, _, high, low, ..] = bytes else {
        return Ok(Framing::Incomplete { missing: HEADER_LEN - bytes.len() });
    };
    let fragment = usize::from(u16::from_be_bytes([high, low]));
    if fragment > max_fragment {
        return Err(FramingError::TooLong);
    }
    let len = HEADER_LEN + fragment;
    if bytes.len() < len {
        return Ok(Framing::Incomplete { missing: len - bytes.len() });
    }
    Ok(Framing::Complete { content_type: ContentType(content_type), len })
}

/// Bound of the length field before a version is agreed: the larger one, TLS 1.2's.
pub(crate) const MAX_FRAGMENT_BEFORE_VERSION: usize = MAX_PLAINTEXT + 2048;

//! The system's code page.

/// A string in the system's code page.
pub(crate) fn decode_ansi(bytes: &[u8]) -> Option<String> {
    String::from_utf8(bytes.to_vec()).ok()
}

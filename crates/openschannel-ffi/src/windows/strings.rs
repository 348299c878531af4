//! The system's code page.

use windows_sys::Win32::Globalization::{CP_ACP, MB_ERR_INVALID_CHARS, MultiByteToWideChar};

/// A string in the system's code page; `None` for bytes that are none.
pub(crate) fn decode_ansi(bytes: &[u8]) -> Option<String> {
    if bytes.is_ascii() {
        return Some(bytes.iter().copied().map(char::from).collect());
    }
    let len = i32::try_from(bytes.len()).ok()?;
    // No code page has characters of more units than bytes.
    let mut units = vec![0; bytes.len()];
    // SAFETY: reads and writes at most the lengths that are named, which are the same.
    let count = unsafe {
        MultiByteToWideChar(CP_ACP, MB_ERR_INVALID_CHARS, bytes.as_ptr(), len, units.as_mut_ptr(), len)
    };
    units.truncate(usize::try_from(count).ok().filter(|&count| count > 0)?);
    String::from_utf16(&units).ok()
}

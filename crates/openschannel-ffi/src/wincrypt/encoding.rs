//! CryptStringToBinary and CryptBinaryToString.

use core::ffi::c_char;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::last_error::{answer, code};
use super::output::{Relocatable, Unit, copy_out};
use super::text::{from_narrow, from_wide};
use super::types::slice;

/// `CRYPT_STRING_*`
mod format {
    pub(super) const BASE64_HEADER: u32 = 0;
    pub(super) const BASE64: u32 = 1;
    pub(super) const BINARY: u32 = 2;
    pub(super) const REQUEST_HEADER: u32 = 3;
    pub(super) const HEX: u32 = 4;
    pub(super) const BASE64_ANY: u32 = 6;
    pub(super) const ANY: u32 = 7;
    pub(super) const HEX_ANY: u32 = 8;
    pub(super) const CRL_HEADER: u32 = 9;
    pub(super) const HEX_RAW: u32 = 12;
    /// The rest are modifiers.
    pub(super) const MASK: u32 = 0xFFFF;
    pub(super) const NO_CRLF: u32 = 0x4000_0000;
    pub(super) const NO_CR: u32 = 0x8000_0000;
}

/// Base64 characters in a line (RFC 7468), and bytes in a line of hexadecimals.
const LINE: usize = 64;
const HEX_LINE: usize = 16;

/// Padding is looked at here; bits left over at the end are dropped, as Windows drops them.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(true),
);

/// `CryptStringToBinaryA`: Base64 with or without headers, hexadecimals. FALSE with ERROR_INVALID_DATA for what is not that,
/// ERROR_INVALID_PARAMETER for other formats.
///
/// # Safety
/// `pszString` points to `cchString` characters, for 0 to a C string; `pcbBinary` to a DWORD, `pbBinary` to as many bytes as that says
/// or is null; `pdwSkip` and `pdwFlags` are null or point to DWORDs.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn CryptStringToBinaryA(
    pszString: *const c_char,
    cchString: u32,
    dwFlags: u32,
    pbBinary: *mut u8,
    pcbBinary: *mut u32,
    pdwSkip: *mut u32,
    pdwFlags: *mut u32,
) -> i32 {
    answer(|| {
        let text = match cchString {
            // SAFETY: as the caller's.
            0 => unsafe { from_narrow(pszString) },
            // SAFETY: as the caller's.
            len => unsafe { slice(pszString.cast::<u8>(), len) }
                .map(|bytes| String::from_utf8_lossy(bytes).into_owned()),
        };
        let decoded = decode(&text.ok_or(code::ERROR_INVALID_PARAMETER)?, dwFlags)?;
        // SAFETY: as the caller's.
        unsafe { decoded.hand_out(pbBinary, pcbBinary, pdwSkip, pdwFlags) }
    })
}

/// `CryptStringToBinaryW`
///
/// # Safety
/// As [`CryptStringToBinaryA`].
#[unsafe(no_mangle)]
pub unsafe extern "system" fn CryptStringToBinaryW(
    pszString: *const u16,
    cchString: u32,
    dwFlags: u32,
    pbBinary: *mut u8,
    pcbBinary: *mut u32,
    pdwSkip: *mut u32,
    pdwFlags: *mut u32,
) -> i32 {
    answer(|| {
        let text = match cchString {
            // SAFETY: as the caller's.
            0 => unsafe { from_wide(pszString) },
            // SAFETY: as the caller's.
            len => unsafe { slice(pszString, len) }.map(String::from_utf16_lossy),
        };
        let decoded = decode(&text.ok_or(code::ERROR_INVALID_PARAMETER)?, dwFlags)?;
        // SAFETY: as the caller's.
        unsafe { decoded.hand_out(pbBinary, pcbBinary, pdwSkip, pdwFlags) }
    })
}

/// `CryptBinaryToStringA`: the other way round. Without a place the length with the terminator, afterwards without.
///
/// # Safety
/// `pbBinary` points to `cbBinary` bytes; `pcchString` to a DWORD, `pszString` to as many characters as that says or is null.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn CryptBinaryToStringA(
    pbBinary: *const u8,
    cbBinary: u32,
    dwFlags: u32,
    pszString: *mut c_char,
    pcchString: *mut u32,
) -> i32 {
    // SAFETY: as the caller's.
    unsafe { binary_to_string::<u8>(pbBinary, cbBinary, dwFlags, pszString.cast(), pcchString) }
}

/// `CryptBinaryToStringW`
///
/// # Safety
/// As [`CryptBinaryToStringA`].
#[unsafe(no_mangle)]
pub unsafe extern "system" fn CryptBinaryToStringW(
    pbBinary: *const u8,
    cbBinary: u32,
    dwFlags: u32,
    pszString: *mut u16,
    pcchString: *mut u32,
) -> i32 {
    // SAFETY: as the caller's.
    unsafe { binary_to_string::<u16>(pbBinary, cbBinary, dwFlags, pszString, pcchString) }
}

/// # Safety
/// As [`CryptBinaryToStringA`].
unsafe fn binary_to_string<U: Unit>(
    binary: *const u8,
    len: u32,
    flags: u32,
    place: *mut U,
    room: *mut u32,
) -> i32 {
    answer(|| {
        // SAFETY: as the caller's.
        let bytes = unsafe { slice(binary, len) }.ok_or(code::ERROR_INVALID_PARAMETER)?;
        if room.is_null() {
            return Err(code::ERROR_INVALID_PARAMETER);
        }
        let text = U::encode(&encode(bytes, flags)?);
        let needed = u32::try_from(text.len()).map_err(|_| code::ERROR_INVALID_PARAMETER)?;
        // SAFETY: the caller vouches for it; it is not null.
        let available = unsafe { room.read_unaligned() };
        if place.is_null() || available < needed {
            // SAFETY: as above.
            unsafe { room.write_unaligned(needed) };
            return if place.is_null() { Ok(()) } else { Err(code::ERROR_MORE_DATA) };
        }
        // SAFETY: the caller vouches for the room, which is enough.
        unsafe { std::ptr::copy_nonoverlapping(text.as_ptr(), place, text.len()) };
        // SAFETY: as above.
        unsafe { room.write_unaligned(needed - 1) };
        Ok(())
    })
}

/// What a string stood for.
#[derive(Debug)]
struct Decoded {
    bytes: Vec<u8>,
    /// Characters before the header.
    skipped: usize,
    format: u32,
}

impl Decoded {
    /// # Safety
    /// As [`CryptStringToBinaryA`].
    unsafe fn hand_out(
        self,
        place: *mut u8,
        len: *mut u32,
        skip: *mut u32,
        flags: *mut u32,
    ) -> Result<(), u32> {
        // SAFETY: as the caller's.
        unsafe { copy_out(Relocatable::plain(&self.bytes), place, len) }?;
        if !skip.is_null() {
            // SAFETY: the caller vouches for it; it is not null.
            unsafe { skip.write_unaligned(u32::try_from(self.skipped).unwrap_or(u32::MAX)) };
        }
        if !flags.is_null() {
            // SAFETY: as above.
            unsafe { flags.write_unaligned(self.format) };
        }
        Ok(())
    }
}

fn decode(text: &str, flags: u32) -> Result<Decoded, u32> {
    let format = flags & format::MASK;
    let text = text.split('\0').next().unwrap_or_default();
    let plain = |bytes: Option<Vec<u8>>, format| bytes.map(|bytes| Decoded { bytes, skipped: 0, format });
    let base64 = || plain(from_base64(text), format::BASE64);
    let decoded = match format {
        format::BASE64_HEADER | format::REQUEST_HEADER | format::CRL_HEADER => with_header(text, format),
        format::BASE64 => base64(),
        format::BINARY => plain(Some(text.as_bytes().to_vec()), format),
        format::BASE64_ANY => with_header(text, format::BASE64_HEADER).or_else(base64),
        format::ANY => with_header(text, format::BASE64_HEADER)
            .or_else(base64)
            .or_else(|| plain(Some(text.as_bytes().to_vec()), format::BINARY)),
        format::HEX | format::HEX_RAW => plain(from_hex(text), format),
        format::HEX_ANY => plain(from_hex(text), format::HEX),
        _ => return Err(code::ERROR_INVALID_PARAMETER),
    };
    decoded.ok_or(code::ERROR_INVALID_DATA)
}

/// Between "-----BEGIN anything-----" and "-----END".
fn with_header(text: &str, format: u32) -> Option<Decoded> {
    const BEGIN: &str = "-----BEGIN ";
    const DASHES: &str = "-----";
    let skipped = text.find(BEGIN)?;
    let behind = &text[skipped + BEGIN.len()..];
    let body = &behind[behind.find(DASHES)? + DASHES.len()..];
    let end = body.find("-----END ")?;
    Some(Decoded { bytes: from_base64(&body[..end])?, skipped, format })
}

fn encode(bytes: &[u8], flags: u32) -> Result<String, u32> {
    let end = match flags {
        flags if flags & format::NO_CRLF != 0 => "",
        flags if flags & format::NO_CR != 0 => "\n",
        _ => "\r\n",
    };
    let between = |label: &str| {
        let end = if end.is_empty() { "\r\n" } else { end };
        format!("-----BEGIN {label}-----{end}{}-----END {label}-----{end}", lines(&to_base64(bytes), end))
    };
    Ok(match flags & format::MASK {
        format::BASE64_HEADER => between("CERTIFICATE"),
        format::REQUEST_HEADER => between("NEW CERTIFICATE REQUEST"),
        format::CRL_HEADER => between("X509 CRL"),
        format::BASE64 => lines(&to_base64(bytes), end),
        format::HEX_RAW => bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>() + end,
        format::HEX => hex_lines(bytes, end),
        _ => return Err(code::ERROR_INVALID_PARAMETER),
    })
}

fn lines(text: &str, end: &str) -> String {
    if end.is_empty() {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len() + text.len() / LINE * end.len() + end.len());
    for (index, character) in text.chars().enumerate() {
        if index > 0 && index % LINE == 0 {
            out.push_str(end);
        }
        out.push(character);
    }
    out.push_str(end);
    out
}

/// Sixteen to a line, a wider gap in its middle.
fn hex_lines(bytes: &[u8], end: &str) -> String {
    let mut out = String::with_capacity(bytes.len() * 3 + end.len());
    for (index, byte) in bytes.iter().enumerate() {
        out.push_str(match index % HEX_LINE {
            0 if index == 0 => "",
            0 if end.is_empty() => " ",
            0 => end,
            8 => "  ",
            _ => " ",
        });
        out.push_str(&format!("{byte:02x}"));
    }
    out.push_str(end);
    out
}

fn to_base64(bytes: &[u8]) -> String {
    BASE64.encode(bytes)
}

/// White space does not count; padding may be missing.
fn from_base64(text: &str) -> Option<Vec<u8>> {
    let text = text.bytes().filter(|byte| !byte.is_ascii_whitespace());
    let text: Vec<u8> = text.collect();
    let content = text.iter().position(|byte| *byte == b'=').map_or(&text[..], |end| &text[..end]);
    let padding = text.len() - content.len();
    let is_padded_wrongly = padding > 2 || (padding > 0 && !text.len().is_multiple_of(4));
    if is_padded_wrongly || text[content.len()..].iter().any(|byte| *byte != b'=') {
        return None;
    }
    BASE64.decode(content).ok()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .filter(|character| !character.is_ascii_whitespace())
        .map(|character| character.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect();
    let digits = digits?;
    if digits.len() % 2 != 0 {
        return None;
    }
    Some(digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

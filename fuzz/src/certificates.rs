//! Certificates and texts that the C ABI takes apart: CryptDecodeObject, names, CryptStringToBinary. Memory of exactly the size that was
//! asked for lets AddressSanitizer see a byte too much.

use core::ffi::{c_char, c_void};
use core::ptr::{null, null_mut};

use openschannel_ffi::wincrypt::{
    Blob, CERT_CONTEXT, CertCreateCertificateContext, CertFreeCertificateContext, CertGetEnhancedKeyUsage,
    CertGetIntendedKeyUsage, CertGetNameStringA, CertNameToStrA, CryptBinaryToStringA, CryptDecodeObject,
    CryptStringToBinaryA, PFXIsPFXBlob,
};

/// `X509_ASN_ENCODING`
const ENCODING: u32 = 1;

/// `X509_ALTERNATE_NAME`, `X509_BASIC_CONSTRAINTS2`, `X509_ENHANCED_KEY_USAGE`
const STRUCTURES: [usize; 3] = [12, 15, 36];

/// `CRYPT_STRING_BASE64HEADER`, `BASE64`, `BASE64_ANY`, `ANY`, `HEX`, `HEX_ANY`, `HEXRAW`
const FORMATS: [u32; 7] = [0, 1, 6, 7, 4, 8, 12];

/// Those that can be written, with `CRYPT_STRING_NOCRLF` and `NOCR` among the modifiers.
const WRITTEN: [u32; 6] = [1, 4, 12, 0x4000_0001, 0x4000_000c, 0x8000_0004];

/// `CERT_*_NAME_STR` with its modifiers.
const STYLES: [u32; 6] = [1, 2, 3, 0x200_0003, 0x1000_0003, 0x6800_0001];

/// The first byte chooses what the rest is.
pub fn certificates(data: &[u8]) {
    let Some((kind, bytes)) = data.split_first() else { return };
    match usize::from(*kind) {
        kind @ 0..=2 => decode(STRUCTURES[kind], bytes),
        3 => certificate(bytes),
        4 => binary(bytes),
        kind => text(FORMATS[kind % FORMATS.len()], bytes),
    }
}

fn decode(structure: usize, bytes: &[u8]) {
    let structure: *const c_char = core::ptr::without_provenance(structure);
    sized(|place, len| {
        // SAFETY: the lengths are those of the memory.
        unsafe { CryptDecodeObject(ENCODING, structure, bytes.as_ptr(), len32(bytes), 0, place.cast(), len) }
    });
}

fn certificate(bytes: &[u8]) {
    // SAFETY: the length is that of the memory.
    let context = unsafe { CertCreateCertificateContext(ENCODING, bytes.as_ptr(), len32(bytes)) };
    if context.is_null() {
        return;
    }
    // SAFETY: given out by the call before.
    let seen = unsafe { &*context };
    // What is behind a certificate is no part of it.
    // SAFETY: as above.
    let encoded = unsafe { core::slice::from_raw_parts(seen.encoded, seen.encoded_len as usize) };
    assert!(bytes.starts_with(encoded));
    // SAFETY: as above.
    let info = unsafe { &*seen.info };
    for name in [info.subject, info.issuer] {
        for style in STYLES {
            // SAFETY: the blob is the certificate's.
            counted(|place, len| unsafe { CertNameToStrA(ENCODING, &raw const name, style, place, len) });
        }
    }
    for kind in 1..=8 {
        for flags in 0..4 {
            name_string(context, kind, flags);
        }
    }
    sized(|place, len| {
        // SAFETY: the room is what `len` says.
        unsafe { CertGetEnhancedKeyUsage(context, 0, place.cast(), len) }
    });
    let mut usage = [0xa5; 3];
    // SAFETY: two bytes are there.
    unsafe { CertGetIntendedKeyUsage(ENCODING, seen.info, usage.as_mut_ptr(), 2) };
    assert_eq!(usage[2], 0xa5);
    // SAFETY: given out before, and not used any more.
    unsafe { CertFreeCertificateContext(context) };
}

fn name_string(context: *const CERT_CONTEXT, kind: u32, flags: u32) {
    let style = 3_u32;
    let para: *const c_void = match kind {
        2 => (&raw const style).cast(),
        3 => c"2.5.4.3".as_ptr().cast(),
        _ => null(),
    };
    // SAFETY: the parameter is what the kind takes, the room what `len` says.
    counted(|place, len| unsafe { CertGetNameStringA(context, kind, flags, para, place, len) });
}

/// What is written can be read again.
fn binary(bytes: &[u8]) {
    let blob = Blob { len: len32(bytes), data: bytes.as_ptr() };
    // SAFETY: the blob says the truth.
    unsafe { PFXIsPFXBlob(&raw const blob) };
    for flags in WRITTEN {
        let mut len = 0;
        // SAFETY: without a place nothing but the length is written.
        let known =
            unsafe { CryptBinaryToStringA(bytes.as_ptr(), len32(bytes), flags, null_mut(), &raw mut len) };
        assert_ne!(known, 0);
        let mut written = vec![0_u8; len as usize];
        let place = written.as_mut_ptr().cast();
        // SAFETY: the room is what was asked for.
        let done = unsafe { CryptBinaryToStringA(bytes.as_ptr(), len32(bytes), flags, place, &raw mut len) };
        assert_ne!(done, 0);
        assert_eq!((written.len(), written.last()), (len as usize + 1, Some(&0)));
        // An empty string would be measured up to its terminator.
        if len > 0 {
            assert_eq!(read(flags & 0xffff, &written[..len as usize]).as_deref(), Some(bytes), "{flags:#x}");
        }
    }
}

fn text(format: u32, bytes: &[u8]) {
    if let Some(decoded) = read(format, bytes) {
        assert!(decoded.len() <= bytes.len() * 3, "more came out than went in");
    }
}

fn read(format: u32, text: &[u8]) -> Option<Vec<u8>> {
    if text.is_empty() {
        return None;
    }
    sized(|place, len| {
        // SAFETY: the lengths are those of the memory.
        unsafe {
            CryptStringToBinaryA(
                text.as_ptr().cast(),
                len32(text),
                format,
                place,
                len,
                null_mut(),
                null_mut(),
            )
        }
    })
}

/// A call that is first asked for the size, then given too little, then exactly that.
fn sized(mut call: impl FnMut(*mut u8, *mut u32) -> i32) -> Option<Vec<u8>> {
    let mut len = 0;
    if call(null_mut(), &raw mut len) == 0 {
        return None;
    }
    let size = len as usize;
    if let Some(short) = size.checked_sub(1).filter(|short| *short > 0) {
        let mut room = vec![0_u64; short / 8 + 1];
        let mut available = u32::try_from(short).unwrap();
        assert_eq!(call(room.as_mut_ptr().cast(), &raw mut available), 0, "it was too small");
        assert_eq!((available, room.iter().all(|word| *word == 0)), (len, true));
    }
    // Aligned for anything, as a structure has to be.
    let mut room = vec![0_u64; size.div_ceil(8)];
    assert_ne!(call(room.as_mut_ptr().cast(), &raw mut len), 0, "its own size is too small");
    assert_eq!(len as usize, size);
    let bytes = room.iter().flat_map(|word| word.to_ne_bytes()).take(size);
    Some(bytes.collect())
}

/// A call that answers with the number of characters, the terminator included.
fn counted(call: impl Fn(*mut c_char, u32) -> u32) {
    let wanted = call(null_mut(), 0);
    assert!(wanted > 0, "there is always a terminator");
    for size in [wanted, wanted / 2, 1] {
        let mut room = vec![0xa5_u8; size as usize];
        if size == 0 {
            continue;
        }
        let written = call(room.as_mut_ptr().cast(), size);
        assert!(written <= size, "{written} of {size} characters");
        assert_eq!(room[(written.max(1) - 1) as usize], 0, "without a terminator");
        assert!(size < wanted || written == wanted);
    }
}

fn len32(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap()
}

//! What Windows' interface cannot say, prefixed `OpenSchannel` (`openschannel.h`): how the connection ended, quiet mode, key updates, a key
//! log. Structures begin with their size, so that they can grow.

use core::ffi::{CStr, c_char, c_void};
use core::mem::offset_of;
use std::path::PathBuf;
use std::sync::Arc;

use openschannel::credentials::{KeyLog, KeyLogFile, PostHandshake};
use openschannel::status::{ErrorStatus, SecurityStatus, SuccessStatus};
use openschannel::{ClosingReport, KeyUpdateRequest, ReadEnd, SendHalf, TransportEnd};

use crate::boundary;
use crate::c_memory::read_array;
use crate::credentials::Extras;
use crate::credentials_calls;
use crate::elsewhere;
use crate::handles::contexts;
use crate::token_output::Output;
use crate::types::{SecBufferDesc, SecHandle, SecurityStatusCode, TimeStamp, layout};

/// `OPENSCHANNEL_CREDENTIAL_OPTIONS`
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the members are documented in openschannel.h")]
pub struct CredentialOptions {
    pub size: u32,
    pub flags: u32,
    pub key_log_file: *const c_char,
    pub cipher_suite_count: u32,
    pub cipher_suites: *const u16,
    pub group_count: u32,
    pub groups: *const u16,
}
layout!(
    CredentialOptions, 48, size @ 0, flags @ 4, key_log_file @ 8, cipher_suite_count @ 16, cipher_suites @ 24,
    group_count @ 32, groups @ 40,
);

/// `OPENSCHANNEL_CLOSING`
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the members are documented in openschannel.h")]
pub struct Closing {
    pub size: u32,
    pub read_end: u32,
    pub alert: u32,
    pub failure: SecurityStatusCode,
    pub handshake_complete: i32,
    pub close_sent: i32,
    pub bytes_sent: u64,
    pub bytes_received: u64,
}
layout!(
    Closing, 40, size @ 0, read_end @ 4, alert @ 8, failure @ 12, handshake_complete @ 16, close_sent @ 20,
    bytes_sent @ 24, bytes_received @ 32,
);

/// `OPENSCHANNEL_QUIET`
const QUIET: u32 = 1;
/// `OPENSCHANNEL_COMPATIBLE`
const COMPATIBLE: u32 = 2;
/// `OPENSCHANNEL_FORGET_CHAINS`
const FORGET_CHAINS: u32 = 4;
/// `OPENSCHANNEL_REQUEST_UPDATE`
const REQUEST_UPDATE: u32 = 1;
/// `OPENSCHANNEL_TRANSPORT_EOF`
const TRANSPORT_EOF: u32 = 1;
/// `OPENSCHANNEL_TRANSPORT_RESET`
const TRANSPORT_RESET: u32 = 2;

/// More suites or groups than this are not negotiated by anything.
const MAX_IDS: usize = 256;

/// AcquireCredentialsHandle with what its structures have no place for.
///
/// - SEC_E_INVALID_PARAMETER: `cbSize` is none that was ever current, both modes at once, a key log that cannot be opened.
/// - Otherwise as AcquireCredentialsHandle.
///
/// # Safety
/// Pointers are null or point to what `openschannel.h` says.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn OpenSchannelAcquireCredentials(
    fCredentialUse: u32,
    pAuthData: *const c_void,
    pOptions: *const CredentialOptions,
    phCredential: *mut SecHandle,
    ptsExpiry: *mut TimeStamp,
) -> SecurityStatusCode {
    boundary::status(|| {
        // SAFETY: the caller's promise.
        let extras = unsafe { read_options(pOptions) }?;
        // SAFETY: the caller's promise.
        unsafe { credentials_calls::acquire(fCredentialUse, pAuthData, &extras, phCredential, ptsExpiry) }
    })
}

/// Tells the context that the transport ended (OPENSCHANNEL_TRANSPORT_EOF or _RESET), and gives the verdict on the connection. Give every whole record
/// that was received to DecryptMessage first; `cbUnprocessed` is how many received bytes are left after that.
///
/// - SEC_E_INVALID_HANDLE; SEC_E_INVALID_PARAMETER: another `dwTransportEnd`, or a `cbSize` that was never current.
///
/// # Safety
/// Pointers are null or point to what `openschannel.h` says.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn OpenSchannelTransportEnded(
    phContext: *const SecHandle,
    dwTransportEnd: u32,
    cbUnprocessed: usize,
    pClosing: *mut Closing,
) -> SecurityStatusCode {
    boundary::status(|| {
        // SAFETY: the caller's promise.
        let handle = unsafe { elsewhere::read_handle(phContext) }?;
        let end = match dwTransportEnd {
            TRANSPORT_EOF => TransportEnd::Eof,
            TRANSPORT_RESET => TransportEnd::Reset,
            _ => return Err(ErrorStatus::InvalidParameter),
        };
        // SAFETY: the caller's promise.
        let room = unsafe { closing_room(pClosing) }?;
        let report = contexts().whole(handle, |connection| {
            connection.context.transport_ended(end, cbUnprocessed);
            Ok(connection.context.closing_report())
        })?;
        // SAFETY: the caller's promise, and `closing_room` has looked at the size.
        unsafe { write_closing(room, report) };
        Ok(SuccessStatus::Ok)
    })
}

/// How the connection stands, or has ended.
///
/// - SEC_E_INVALID_HANDLE; SEC_E_INVALID_PARAMETER: `pClosing` is null, or its `cbSize` was never current.
///
/// # Safety
/// Pointers are null or point to what `openschannel.h` says.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn OpenSchannelQueryClosing(
    phContext: *const SecHandle,
    pClosing: *mut Closing,
) -> SecurityStatusCode {
    boundary::status(|| {
        // SAFETY: the caller's promise.
        let handle = unsafe { elsewhere::read_handle(phContext) }?;
        // SAFETY: the caller's promise.
        let room = unsafe { closing_room(pClosing) }?;
        if room.is_null() {
            return Err(ErrorStatus::InvalidParameter);
        }
        let report = contexts().whole(handle, |connection| Ok(connection.context.closing_report()))?;
        // SAFETY: the caller's promise, and `closing_room` has looked at the size.
        unsafe { write_closing(room, report) };
        Ok(SuccessStatus::Ok)
    })
}

/// Sends a TLS 1.3 KeyUpdate: its record goes to `pOutput`, and the sending key changes behind it. OPENSCHANNEL_REQUEST_UPDATE asks the peer
/// to change its own too.
///
/// - SEC_E_INVALID_HANDLE: no such context, or its handshake is not finished. SEC_E_UNSUPPORTED_FUNCTION: TLS 1.2.
/// - SEC_E_CONTEXT_EXPIRED, SEC_E_INVALID_TOKEN, SEC_E_INSUFFICIENT_MEMORY: as for EncryptMessage and the token calls.
///
/// # Safety
/// Pointers are null or point to what the SDK says.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn OpenSchannelKeyUpdate(
    phContext: *const SecHandle,
    dwFlags: u32,
    pOutput: *const SecBufferDesc,
) -> SecurityStatusCode {
    let request = match dwFlags {
        0 => KeyUpdateRequest::NotRequested,
        REQUEST_UPDATE => KeyUpdateRequest::Requested,
        _ => return boundary::code(ErrorStatus::InvalidParameter.code()),
    };
    // SAFETY: the caller's promise.
    unsafe { put(phContext, pOutput, |half, output| half.key_update(request, output.room())) }
}

/// The KeyUpdate a peer waits for, in quiet mode; an empty token if it waits for none. Who encrypts first sends it behind the data instead.
/// In TLS 1.2 the no_renegotiation that a peer waits for, which nothing else sends once DecryptMessage has consumed its request;
/// an empty token if the key has protected as many records as it may, and only the close can still be sent.
///
/// - As [`OpenSchannelKeyUpdate`].
///
/// # Safety
/// As there.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn OpenSchannelAnswerKeyUpdate(
    phContext: *const SecHandle,
    pOutput: *const SecBufferDesc,
) -> SecurityStatusCode {
    // SAFETY: the caller's promise.
    unsafe { put(phContext, pOutput, |half, output| half.answer_key_update(output.room())) }
}

/// The library's version, "openschannel/0.1.0".
#[unsafe(no_mangle)]
pub extern "system" fn OpenSchannelVersion() -> *const c_char {
    const VERSION: &str = concat!("openschannel/", env!("CARGO_PKG_VERSION"), "\0");
    VERSION.as_ptr().cast()
}

/// A status' name in the SDK headers, "SEC_I_CONTEXT_EXPIRED"; "unknown" for a value this library never returns. The text is static.
#[unsafe(no_mangle)]
pub extern "system" fn OpenSchannelStatusName(ssStatus: SecurityStatusCode) -> *const c_char {
    boundary::value(c"unknown".as_ptr(), || {
        let status = SecurityStatus::from_code(ssStatus.cast_unsigned());
        texts::of(status.map_or("unknown", SecurityStatus::name)).as_ptr()
    })
}

/// One sentence on a status for the programmer who got it. The text is static.
#[unsafe(no_mangle)]
pub extern "system" fn OpenSchannelStatusMeaning(ssStatus: SecurityStatusCode) -> *const c_char {
    boundary::value(c"unknown".as_ptr(), || {
        let status = SecurityStatus::from_code(ssStatus.cast_unsigned());
        texts::of(status.map_or("no status of this library", SecurityStatus::meaning)).as_ptr()
    })
}

/// # Safety
/// `options` is null or points to a structure as long as it says.
unsafe fn read_options(options: *const CredentialOptions) -> Result<Extras, ErrorStatus> {
    let mut extras = Extras::default();
    if options.is_null() {
        return Ok(extras);
    }
    // SAFETY: the size is always there.
    let size = unsafe { options.cast::<u32>().read_unaligned() };
    if size as usize != size_of::<CredentialOptions>() {
        return Err(ErrorStatus::InvalidParameter);
    }
    // SAFETY: as long as it says.
    let options = unsafe { options.read_unaligned() };
    extras.forget_chains = options.flags & FORGET_CHAINS != 0;
    extras.post_handshake = match options.flags & !FORGET_CHAINS {
        0 => None,
        QUIET => Some(PostHandshake::Quiet),
        COMPATIBLE => Some(PostHandshake::Compatible),
        _ => return Err(ErrorStatus::InvalidParameter),
    };
    if !options.key_log_file.is_null() {
        // SAFETY: not null, so a string by the caller's promise.
        let path = unsafe { CStr::from_ptr(options.key_log_file) };
        let path = PathBuf::from(path.to_str().map_err(|_| ErrorStatus::InvalidParameter)?);
        let file = KeyLogFile::create(path).map_err(|_| ErrorStatus::InvalidParameter)?;
        extras.key_log = Some(Arc::new(file) as Arc<dyn KeyLog>);
    }
    // SAFETY: the caller's promise.
    extras.cipher_suites = unsafe { read_ids(options.cipher_suites, options.cipher_suite_count) }?;
    // SAFETY: the caller's promise.
    extras.groups = unsafe { read_ids(options.groups, options.group_count) }?;
    Ok(extras)
}

/// # Safety
/// `ids` points to `count` numbers.
unsafe fn read_ids(ids: *const u16, count: u32) -> Result<Option<Vec<u16>>, ErrorStatus> {
    if count == 0 {
        return Ok(None);
    }
    // SAFETY: the caller's promise.
    unsafe { read_array(ids, count, MAX_IDS) }.map(Some).map_err(|error| error.status())
}

/// # Safety
/// Pointers are null or point to what the SDK says.
unsafe fn put(
    context: *const SecHandle,
    output: *const SecBufferDesc,
    call: impl FnOnce(&mut SendHalf, &mut Output) -> Result<(), openschannel::status::Error>,
) -> SecurityStatusCode {
    boundary::status(|| {
        // SAFETY: the caller's promise.
        let handle = unsafe { elsewhere::read_handle(context) }?;
        contexts().sending(handle, |half| {
            // Whoever gives a length and an address gets it written there; otherwise the library allocates.
            // SAFETY: the caller's promise.
            let mut output = unsafe { Output::read_or_allocate(output) }?;
            call(half, &mut output).map_err(|error| error.status())?;
            output.write_token();
            Ok(())
        })?;
        Ok(SuccessStatus::Ok)
    })
}

/// Looks at the size the caller wrote.
///
/// # Safety
/// `closing` is null or points to a structure as long as it says.
unsafe fn closing_room(closing: *mut Closing) -> Result<*mut Closing, ErrorStatus> {
    if closing.is_null() {
        return Ok(closing);
    }
    let at = closing.cast::<u8>().wrapping_add(offset_of!(Closing, size)).cast::<u32>();
    // SAFETY: the size is always there.
    let size = unsafe { at.read_unaligned() };
    if size as usize == size_of::<Closing>() { Ok(closing) } else { Err(ErrorStatus::InvalidParameter) }
}

/// # Safety
/// `closing` is null or can be written to.
unsafe fn write_closing(closing: *mut Closing, report: ClosingReport) {
    if closing.is_null() {
        return;
    }
    let (read_end, alert, failure) = match report.read_end {
        ReadEnd::Open => (0, 0, 0),
        ReadEnd::Clean => (1, 0, 0),
        ReadEnd::Truncated { inside_record: false } => (2, 0, 0),
        ReadEnd::Truncated { inside_record: true } => (3, 0, 0),
        ReadEnd::Reset => (4, 0, 0),
        ReadEnd::Alert(description) => (5, u32::from(description.0), 0),
        ReadEnd::Failed(status) => (6, 0, boundary::code(status.code())),
    };
    let told = Closing {
        size: u32::try_from(size_of::<Closing>()).unwrap_or_default(),
        read_end,
        alert,
        failure,
        handshake_complete: i32::from(report.handshake_complete),
        close_sent: i32::from(report.close_sent),
        bytes_sent: report.bytes_sent,
        bytes_received: report.bytes_received,
    };
    // SAFETY: not null, so writable by the caller's promise.
    unsafe { closing.write_unaligned(told) };
}

/// Static texts with the NUL that C wants.
mod texts {
    use std::collections::HashMap;
    use std::ffi::{CStr, CString};
    use std::sync::{LazyLock, Mutex, PoisonError};

    static TEXTS: LazyLock<Mutex<HashMap<&'static str, &'static CStr>>> = LazyLock::new(Mutex::default);

    /// Each text is made once and stays: there are two for every status.
    pub(super) fn of(text: &'static str) -> &'static CStr {
        let mut texts = TEXTS.lock().unwrap_or_else(PoisonError::into_inner);
        texts.entry(text).or_insert_with(|| {
            CString::new(text).map_or(c"unknown", |text| Box::leak(text.into_boxed_c_str()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flags_of_a_credential() {
        let read = |flags| {
            let options = CredentialOptions {
                size: 48,
                flags,
                key_log_file: std::ptr::null(),
                cipher_suite_count: 0,
                cipher_suites: std::ptr::null(),
                group_count: 0,
                groups: std::ptr::null(),
            };
            // SAFETY: the structure is there.
            unsafe { read_options(&raw const options) }
                .map(|extras| (extras.post_handshake, extras.forget_chains))
        };
        assert_eq!(read(0), Ok((None, false)));
        assert_eq!(read(1), Ok((Some(PostHandshake::Quiet), false)));
        assert_eq!(read(2), Ok((Some(PostHandshake::Compatible), false)));
        assert_eq!(read(4), Ok((None, true)));
        assert_eq!(read(5), Ok((Some(PostHandshake::Quiet), true)));
        assert_eq!(read(6), Ok((Some(PostHandshake::Compatible), true)));
        for unknown in [3, 7, 8, 12, 1 << 31] {
            assert_eq!(read(unknown), Err(ErrorStatus::InvalidParameter), "{unknown}");
        }
    }
}

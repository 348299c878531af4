//! EncryptMessage and DecryptMessage (sections 2.7, 2.8), also under their old names.

use openschannel::alert::Alert;
use openschannel::status::{ErrorStatus, SuccessStatus};
use openschannel::{Decrypted, SendHalf, TokenBuffer};

use crate::boundary;
use crate::buffers::{Descriptor, Memory, buffer, length};
use crate::elsewhere;
use crate::handles::contexts;
use crate::types::{
    SECQOP_WRAP_OOB_DATA, SecBuffer, SecBufferDesc, SecHandle, SecurityStatusCode, buffer_type,
};

/// EncryptMessage: seals the DATA buffer where it lies, and fills the buffers before and behind it. What is to be sent are the three, end
/// to end, as long as their `cbBuffer` then says.
///
/// `pMessage` holds {STREAM_HEADER, DATA, STREAM_TRAILER}, or {TOKEN, DATA, TOKEN}; other buffers are left alone. `fQOP` is 0, or
/// SECQOP_WRAP_OOB_DATA to send the alert in DATA (level, number).
///
/// - SEC_E_INVALID_HANDLE: no such context, or its handshake is not finished.
/// - SEC_E_INVALID_TOKEN: a buffer is missing, is twice there, overlaps another one or is read-only.
/// - SEC_E_BUFFER_TOO_SMALL: header or trailer is shorter than SECPKG_ATTR_STREAM_SIZES says.
/// - SEC_E_ENCRYPT_FAILURE: more than cbMaximumMessage bytes, or the key may protect no more records.
/// - SEC_E_CONTEXT_EXPIRED: closed or failed, or a handshake message waits for the next token call; the three lengths become zero.
/// - SEC_E_QOP_NOT_SUPPORTED: another `fQOP`.
///
/// # Safety
/// Pointers are null or point to what the SDK says; the buffers' memory is the call's alone while it runs.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn EncryptMessage(
    phContext: *const SecHandle,
    fQOP: u32,
    pMessage: *const SecBufferDesc,
    MessageSeqNo: u32,
) -> SecurityStatusCode {
    elsewhere::forward!(phContext, encrypt_message(phContext, fQOP, pMessage, MessageSeqNo));
    boundary::status(|| {
        // SAFETY: the caller's promise.
        let handle = unsafe { elsewhere::read_handle(phContext) }?;
        // SAFETY: the caller's promise.
        let message = unsafe { Descriptor::read(pMessage) };
        contexts().sending(handle, |half| {
            let message = message?.ok_or(ErrorStatus::InvalidToken)?;
            let parts = Parts::find(&message)?;
            let sealed = match fQOP {
                // SAFETY: `Parts::find` made sure that no two of the buffers overlap; the rest is the caller's promise.
                0 => unsafe { parts.encrypt(half, &message) },
                _ if half.is_closed() => Err(ErrorStatus::ContextExpired),
                // SAFETY: as above.
                SECQOP_WRAP_OOB_DATA => unsafe { parts.encrypt_alert(half, &message) },
                // SECQOP_WRAP_NO_ENCRYPT among them.
                _ => Err(ErrorStatus::QopNotSupported),
            };
            // By the own close, a failure, or a handshake message that has to be answered first.
            if sealed == Err(ErrorStatus::ContextExpired) {
                parts.empty(&message);
            }
            sealed
        })?;
        Ok(SuccessStatus::Ok)
    })
}

/// DecryptMessage: opens the record at the front of the DATA buffer where it lies.
///
/// `pMessage` holds one DATA buffer and at least three EMPTY ones. Afterwards they are STREAM_HEADER, DATA, STREAM_TRAILER and EXTRA
/// (EMPTY where nothing follows the record), in the order of their indices.
///
/// - SEC_E_OK: the plaintext is in DATA; it may be empty.
/// - SEC_I_CONTEXT_EXPIRED: the peer has closed, authenticated. DATA is empty.
/// - SEC_I_RENEGOTIATE: a handshake message waits; EXTRA, which begins with its record, goes to InitializeSecurityContext or
///   AcceptSecurityContext.
/// - SEC_E_INCOMPLETE_MESSAGE: DATA and the first EMPTY became MISSING, with the number of bytes that are missing at least.
/// - SEC_E_INVALID_TOKEN: not these buffers. SEC_E_INVALID_HANDLE: no such context, or its handshake is not finished.
/// - SEC_E_CONTEXT_EXPIRED: failed, or a handshake message waits for the next token call.
/// - Otherwise as sections 3.4 and 5 have it; the connection has failed, and the ciphertext may be gone.
///
/// # Safety
/// Pointers are null or point to what the SDK says; the buffers' memory is the call's alone while it runs.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn DecryptMessage(
    phContext: *const SecHandle,
    pMessage: *const SecBufferDesc,
    MessageSeqNo: u32,
    pfQOP: *mut u32,
) -> SecurityStatusCode {
    elsewhere::forward!(phContext, decrypt_message(phContext, pMessage, MessageSeqNo, pfQOP));
    boundary::status(|| {
        // SAFETY: the caller's promise.
        let handle = unsafe { elsewhere::read_handle(phContext) }?;
        // SAFETY: the caller's promise.
        let message = unsafe { Descriptor::read(pMessage) };
        let status = contexts().receiving(handle, |half| {
            let message = message?.ok_or(ErrorStatus::InvalidToken)?;
            let places = Places::find(&message)?;
            let memory = places.data.memory().ok_or(ErrorStatus::InvalidToken)?;
            let half = half.ok_or(ErrorStatus::InvalidHandle)?;
            // SAFETY: the caller's promise.
            let bytes = unsafe { memory.as_mut_slice() };
            match half.decrypt(bytes) {
                Ok(decrypted) => {
                    places.fill(&message, memory, &decrypted);
                    Ok(decrypted.status)
                }
                Err(error) => {
                    if let Some(missing) = error.missing() {
                        places.fill_missing(&message, missing);
                    }
                    Err(error.status())
                }
            }
        })?;
        if !pfQOP.is_null() {
            // SAFETY: not null, so writable by the caller's promise.
            unsafe { pfQOP.write_unaligned(0) };
        }
        Ok(status)
    })
}

/// EncryptMessage under the name it had before it was documented.
///
/// # Safety
/// As [`EncryptMessage`].
#[unsafe(no_mangle)]
pub unsafe extern "system" fn SealMessage(
    phContext: *const SecHandle,
    fQOP: u32,
    pMessage: *const SecBufferDesc,
    MessageSeqNo: u32,
) -> SecurityStatusCode {
    // SAFETY: the caller's promise.
    unsafe { EncryptMessage(phContext, fQOP, pMessage, MessageSeqNo) }
}

/// DecryptMessage under the name it had before it was documented.
///
/// # Safety
/// As [`DecryptMessage`].
#[unsafe(no_mangle)]
pub unsafe extern "system" fn UnsealMessage(
    phContext: *const SecHandle,
    pMessage: *const SecBufferDesc,
    MessageSeqNo: u32,
    pfQOP: *mut u32,
) -> SecurityStatusCode {
    // SAFETY: the caller's promise.
    unsafe { DecryptMessage(phContext, pMessage, MessageSeqNo, pfQOP) }
}

/// The three buffers of EncryptMessage; no two of them overlap.
struct Parts {
    header: Part,
    data: Part,
    trailer: Part,
}

/// A buffer that may be written, and its place in the descriptor.
#[derive(Clone, Copy)]
struct Part {
    index: usize,
    buffer: SecBuffer,
    memory: Memory,
}

impl Part {
    #[inline]
    fn new(index: usize, buffer: SecBuffer) -> Result<Self, ErrorStatus> {
        let memory = buffer.memory().filter(|_| buffer.is_writable()).ok_or(ErrorStatus::InvalidToken)?;
        Ok(Self { index, buffer, memory })
    }
}

impl Parts {
    /// Types decide, not positions; a TOKEN before DATA is the header, one behind it the trailer.
    #[inline]
    fn find(message: &Descriptor) -> Result<Self, ErrorStatus> {
        let parts = match Self::find_usual(message) {
            Some(parts) => parts?,
            None => Self::find_any(message)?,
        };
        let Self { header, data, trailer } = &parts;
        let overlap = header.memory.overlaps(data.memory)
            || header.memory.overlaps(trailer.memory)
            || data.memory.overlaps(trailer.memory);
        if overlap { Err(ErrorStatus::InvalidToken) } else { Ok(parts) }
    }

    /// As nearly everybody has it: header, data, trailer, and at most one EMPTY behind them.
    #[inline]
    fn find_usual(message: &Descriptor) -> Option<Result<Self, ErrorStatus>> {
        let (header, data, trailer) = (message.get(0)?, message.get(1)?, message.get(2)?);
        let is_usual = header.kind() == buffer_type::STREAM_HEADER
            && data.kind() == buffer_type::DATA
            && trailer.kind() == buffer_type::STREAM_TRAILER
            && message.get(3).is_none_or(|behind| behind.kind() == buffer_type::EMPTY)
            && message.count() <= 4;
        if !is_usual {
            return None;
        }
        let parts = || {
            Ok(Self {
                header: Part::new(0, header)?,
                data: Part::new(1, data)?,
                trailer: Part::new(2, trailer)?,
            })
        };
        Some(parts())
    }

    #[cold]
    fn find_any(message: &Descriptor) -> Result<Self, ErrorStatus> {
        let (mut header, mut data, mut trailer) = (None, None, None);
        for (index, found) in message.iter() {
            let slot = match found.kind() {
                buffer_type::STREAM_HEADER => &mut header,
                buffer_type::STREAM_TRAILER => &mut trailer,
                buffer_type::TOKEN if data.is_none() => &mut header,
                buffer_type::TOKEN if trailer.is_none() => &mut trailer,
                buffer_type::DATA => &mut data,
                _ => continue,
            };
            if slot.replace(Part::new(index, found)?).is_some() {
                return Err(ErrorStatus::InvalidToken);
            }
        }
        match (header, data, trailer) {
            (Some(header), Some(data), Some(trailer)) => Ok(Self { header, data, trailer }),
            _ => Err(ErrorStatus::InvalidToken),
        }
    }

    /// # Safety
    /// The memory of the three buffers is the call's alone.
    #[inline]
    unsafe fn encrypt(&self, half: &mut SendHalf, message: &Descriptor) -> Result<(), ErrorStatus> {
        // SAFETY: the caller's promise; `find` made sure that the three do not overlap.
        let header = unsafe { self.header.memory.as_mut_slice() };
        let sealed = if let Some(body) = self.data.memory.joined(self.trailer.memory) {
            // SAFETY: as above, for two pieces that adjoin.
            let body = unsafe { body.as_mut_slice() };
            half.encrypt_adjoining(header, body, self.data.memory.len)
        } else {
            // SAFETY: as above.
            let data = unsafe { self.data.memory.as_mut_slice() };
            // SAFETY: as above.
            let trailer = unsafe { self.trailer.memory.as_mut_slice() };
            half.encrypt(header, data, trailer)
        }
        .map_err(|error| error.status())?;
        self.report(message, sealed.header, sealed.trailer);
        Ok(())
    }

    /// SECQOP_WRAP_OOB_DATA.
    ///
    /// # Safety
    /// The memory of the three buffers is the call's alone.
    unsafe fn encrypt_alert(&self, half: &mut SendHalf, message: &Descriptor) -> Result<(), ErrorStatus> {
        /// The longest alert record: TLS 1.2 with AES-GCM (section 4.3).
        const ROOM: usize = 31;
        // SAFETY: the caller's promise.
        let data = unsafe { self.data.memory.as_mut_slice() };
        let alert = Alert::parse(data).ok_or(ErrorStatus::InvalidToken)?;
        let header_len = half.header_len();
        if self.header.memory.len < header_len {
            return Err(ErrorStatus::BufferTooSmall);
        }
        let mut room = [0; ROOM];
        // As much of the scratch record as the caller's buffers can take.
        let taken = (header_len + data.len()).saturating_add(self.trailer.memory.len).min(ROOM);
        let mut output = TokenBuffer::supplied(&mut room[..taken]);
        half.encrypt_alert(alert, &mut output).map_err(|error| match error.status() {
            ErrorStatus::InsufficientMemory => ErrorStatus::BufferTooSmall,
            status => status,
        })?;
        let record = output.as_bytes();
        let (front, rest) = record.split_at_checked(header_len).ok_or(ErrorStatus::InternalError)?;
        let (middle, back) = rest.split_at_checked(data.len()).ok_or(ErrorStatus::InternalError)?;
        data.copy_from_slice(middle);
        // SAFETY: the caller's promise; `find` made sure that the three do not overlap.
        let header = unsafe { self.header.memory.as_mut_slice() };
        header.get_mut(..front.len()).ok_or(ErrorStatus::InternalError)?.copy_from_slice(front);
        // SAFETY: as above.
        let trailer = unsafe { self.trailer.memory.as_mut_slice() };
        trailer.get_mut(..back.len()).ok_or(ErrorStatus::InternalError)?.copy_from_slice(back);
        self.report(message, front.len(), back.len());
        Ok(())
    }

    /// Nothing to send. Poco takes SEC_E_CONTEXT_EXPIRED for a success and sends what the lengths say, which would be the plaintext.
    fn empty(&self, message: &Descriptor) {
        for Part { index, buffer, .. } in [self.header, self.data, self.trailer] {
            message.set(index, SecBuffer { len: 0, ..buffer });
        }
    }

    fn report(&self, message: &Descriptor, header: usize, trailer: usize) {
        message.set(self.header.index, SecBuffer { len: length(header), ..self.header.buffer });
        message.set(self.trailer.index, SecBuffer { len: length(trailer), ..self.trailer.buffer });
    }
}

/// The buffers of DecryptMessage: DATA, and the four that are rewritten.
struct Places {
    data_index: usize,
    data: SecBuffer,
    first_empty: usize,
    rewritten: [usize; 4],
}

impl Places {
    #[inline]
    fn find(message: &Descriptor) -> Result<Self, ErrorStatus> {
        Self::find_usual(message).map_or_else(|| Self::find_any(message), Ok)
    }

    /// As nearly everybody has it: DATA, then three EMPTY.
    #[inline]
    fn find_usual(message: &Descriptor) -> Option<Self> {
        let data = message.get(0)?;
        let is_empty =
            |index| message.get(index).is_some_and(|buffer: SecBuffer| buffer.kind() == buffer_type::EMPTY);
        let is_usual = message.count() == 4
            && data.kind() == buffer_type::DATA
            && data.is_writable()
            && (is_empty(1) && is_empty(2) && is_empty(3));
        is_usual.then_some(Self { data_index: 0, data, first_empty: 1, rewritten: [0, 1, 2, 3] })
    }

    #[cold]
    fn find_any(message: &Descriptor) -> Result<Self, ErrorStatus> {
        let (mut data, mut first_empty, mut empty) = (None, None, 0);
        let mut rewritten = [usize::MAX; 4];
        let mut found = 0;
        for (index, buffer) in message.iter() {
            match buffer.kind() {
                buffer_type::DATA => {
                    if data.replace((index, buffer)).is_some() {
                        return Err(ErrorStatus::InvalidToken);
                    }
                }
                buffer_type::EMPTY => {
                    empty += 1;
                    first_empty.get_or_insert(index);
                }
                _ => continue,
            }
            // DATA is one of the four wherever it stands.
            if found < 4 - usize::from(data.is_none()) {
                rewritten[found] = index;
                found += 1;
            }
        }
        match (data, first_empty) {
            (Some((data_index, data)), Some(first_empty)) if empty >= 3 && data.is_writable() => {
                Ok(Self { data_index, data, first_empty, rewritten })
            }
            _ => Err(ErrorStatus::InvalidToken),
        }
    }

    fn fill(&self, message: &Descriptor, memory: Memory, decrypted: &Decrypted) {
        let at = |range: core::ops::Range<usize>, kind| {
            buffer(kind, memory.start.wrapping_add(range.start), range.len())
        };
        let [header, data, trailer, extra] = self.rewritten;
        message.set(header, at(0..decrypted.header, buffer_type::STREAM_HEADER));
        message.set(data, at(decrypted.data.clone(), buffer_type::DATA));
        message.set(trailer, at(decrypted.trailer.clone(), buffer_type::STREAM_TRAILER));
        let kind = if decrypted.extra.is_empty() { buffer_type::EMPTY } else { buffer_type::EXTRA };
        message.set(extra, at(decrypted.extra.clone(), kind));
    }

    fn fill_missing(&self, message: &Descriptor, missing: usize) {
        let kind = buffer_type::MISSING;
        message.set(self.data_index, SecBuffer { len: length(missing), buffer_type: kind, ..self.data });
        if let Some(empty) = message.get(self.first_empty) {
            message.set(self.first_empty, SecBuffer { len: length(missing), buffer_type: kind, ..empty });
        }
    }
}

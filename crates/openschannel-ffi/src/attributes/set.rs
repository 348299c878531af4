//! SetContextAttributes (sections 2.9, 3.7).

use core::ffi::c_void;
use std::fmt;

use openschannel::status::ErrorStatus;
use zeroize::Zeroizing;

use crate::handles::Connection;
use crate::types::{EapPrfInfo, EarlyStart, KeyingMaterialInfo, SessionAppData, attribute};

use super::Place;

/// Most a context keeps for its program.
const MAX_APP_DATA: u32 = 64 * 1024;

/// A label is shorter (RFC 8446 section 7.1), and so is an EAP type.
const MAX_PRF_DATA: u32 = 255;

/// Most an exporter gives: 255 times the longest hash (RFC 5869 section 2.3).
const MAX_KEYING_MATERIAL: u32 = 255 * 48;

/// What SetContextAttributes left for later queries.
#[derive(Default)]
pub(crate) struct Requested {
    pub(super) keying: Option<KeyingRequest>,
    pub(super) eap: Option<EapMethod>,
    /// dwFlags and the bytes.
    pub(super) app_data: Option<(u32, Zeroizing<Vec<u8>>)>,
}

/// A SecPkgContext_KeyingMaterialInfo.
pub(super) struct KeyingRequest {
    pub(super) label: Vec<u8>,
    pub(super) context: Option<Vec<u8>>,
    pub(super) len: usize,
}

/// How an EAP method asks for its keys.
pub(super) struct EapMethod {
    pub(super) label: Vec<u8>,
    /// RFC 3748 section 5; what counts in TLS 1.3.
    pub(super) number: u8,
}

/// SetContextAttributes.
///
/// # Safety
/// `buffer` is null or points to `len` bytes.
pub(crate) unsafe fn set(
    connection: Connection<'_>,
    attribute: u32,
    buffer: *const c_void,
    len: u32,
) -> Result<(), ErrorStatus> {
    let requested = &mut connection.companion.requested;
    match attribute {
        attribute::KEYING_MATERIAL_INFO => {
            // SAFETY: the caller's promise.
            let info = unsafe { structure(buffer, len) }?;
            // SAFETY: the caller's promise.
            requested.keying = Some(unsafe { KeyingRequest::read(&info) }?);
        }
        attribute::EAP_PRF_INFO => {
            // SAFETY: the caller's promise.
            let info: EapPrfInfo = unsafe { structure(buffer, len) }?;
            // SAFETY: the caller's promise.
            let data = unsafe { bytes(info.prf_data, info.prf_data_len, MAX_PRF_DATA) }?;
            requested.eap = Some(EapMethod::named(&data).ok_or(ErrorStatus::InvalidParameter)?);
        }
        attribute::APP_DATA => {
            // SAFETY: the caller's promise.
            let data: SessionAppData = unsafe { structure(buffer, len) }?;
            // SAFETY: the caller's promise.
            let bytes = unsafe { bytes(data.app_data, data.app_data_len, MAX_APP_DATA) }?;
            requested.app_data = Some((data.flags, Zeroizing::new(bytes)));
        }
        // A leave to write before the server's Finished, which is not made use of.
        attribute::EARLY_START if !connection.context.is_established() => {
            // SAFETY: the caller's promise.
            let _: EarlyStart = unsafe { structure(buffer, len) }?;
        }
        // Among the others is SECPKG_ATTR_DTLS_MTU, which only DTLS has.
        _ => return Err(ErrorStatus::UnsupportedFunction),
    }
    Ok(())
}

/// # Safety
/// `buffer` is null or points to `len` bytes.
unsafe fn structure<T: Copy>(buffer: *const c_void, len: u32) -> Result<T, ErrorStatus> {
    let place = Place::new(buffer.cast_mut(), Some(len))?;
    // SAFETY: the caller's promise; there are enough of them.
    Ok(unsafe { place.read() })
}

/// # Safety
/// `start` is null or points to `len` bytes.
unsafe fn bytes(start: *const u8, len: u32, most: u32) -> Result<Vec<u8>, ErrorStatus> {
    if len == 0 {
        return Ok(Vec::new());
    }
    if start.is_null() || len > most {
        return Err(ErrorStatus::InvalidParameter);
    }
    let len = usize::try_from(len).map_err(|_| ErrorStatus::InvalidParameter)?;
    // SAFETY: the caller's promise.
    Ok(unsafe { std::slice::from_raw_parts(start, len) }.to_vec())
}

impl KeyingRequest {
    /// # Safety
    /// The pointers are null or point to as many bytes as the structure says.
    pub(super) unsafe fn read(info: &KeyingMaterialInfo) -> Result<Self, ErrorStatus> {
        // SAFETY: the caller's promise.
        let mut label = unsafe { bytes(info.label, info.label_len.into(), u16::MAX.into()) }?;
        // The length counts the NUL; a label itself has none.
        if label.last() == Some(&0) {
            label.pop();
        }
        // SAFETY: the caller's promise.
        let context = unsafe { bytes(info.context, info.context_len.into(), u16::MAX.into()) }?;
        // In TLS 1.2 no context and an empty one differ.
        let context = (!info.context.is_null()).then_some(context);
        let len = Some(info.keying_material_len).filter(|len| (1..=MAX_KEYING_MATERIAL).contains(len));
        let len = len.and_then(|len| usize::try_from(len).ok()).ok_or(ErrorStatus::InvalidParameter)?;
        if label.is_empty() {
            return Err(ErrorStatus::InvalidParameter);
        }
        Ok(Self { label, context, len })
    }
}

const EAP_TLS_LABEL: &[u8] = b"client EAP encryption";
const EAP_TTLS_LABEL: &[u8] = b"ttls keying material";
const EAP_TLS: u8 = 13;
const EAP_TTLS: u8 = 21;

impl EapMethod {
    /// A method by its type number, one byte, or by the label it has in TLS 1.2.
    fn named(data: &[u8]) -> Option<Self> {
        let label = data.strip_suffix(&[0]).unwrap_or(data);
        match *label {
            [] => None,
            [EAP_TTLS] => Some(Self { label: EAP_TTLS_LABEL.to_vec(), number: EAP_TTLS }),
            [number] => Some(Self { number, ..Self::default() }),
            _ if label == EAP_TTLS_LABEL => Some(Self { label: label.to_vec(), number: EAP_TTLS }),
            _ => Some(Self { label: label.to_vec(), number: EAP_TLS }),
        }
    }
}

impl Default for EapMethod {
    fn default() -> Self {
        Self { label: EAP_TLS_LABEL.to_vec(), number: EAP_TLS }
    }
}

impl fmt::Debug for Requested {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Requested").finish_non_exhaustive()
    }
}

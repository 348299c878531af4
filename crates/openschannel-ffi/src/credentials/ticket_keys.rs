//! SetCredentialsAttributes: the keys a farm of servers shares for its session tickets.

use core::ffi::c_void;

use openschannel::credentials::TicketKey;
use openschannel::status::ErrorStatus;
use zeroize::Zeroize;

use crate::types::{SessionTicketKey, SessionTicketKeys, attribute};

use super::Credential;
use crate::c_memory::{read, read_array};

/// More than two are there only while keys are exchanged; every ticket that arrives names its key.
const MAX_TICKET_KEYS: usize = 16;

/// SetCredentialsAttributes.
///
/// # Safety
/// `buffer` is null or points to `len` bytes.
pub(crate) unsafe fn set(
    credential: &Credential,
    attribute: u32,
    buffer: *const c_void,
    len: u32,
) -> Result<(), ErrorStatus> {
    if attribute != attribute::SESSION_TICKET_KEYS || !credential.variants.is_inbound() {
        return Err(ErrorStatus::UnsupportedFunction);
    }
    if buffer.is_null() {
        return Err(ErrorStatus::InternalError);
    }
    if usize::try_from(len).is_ok_and(|len| len < size_of::<SessionTicketKeys>()) {
        return Err(ErrorStatus::BufferTooSmall);
    }
    // SAFETY: the caller's promise.
    let keys = unsafe { read(buffer.cast::<SessionTicketKeys>()) };
    // SAFETY: the caller's promise.
    let keys = unsafe { read_array(keys.keys.cast_const(), keys.count, MAX_TICKET_KEYS) };
    let mut structures = keys.map_err(|error| error.status())?;
    let keys: Option<Vec<_>> = structures.iter().map(ticket_key).collect();
    for structure in &mut structures {
        structure.keying_material.zeroize();
    }
    let keys = keys.filter(|keys| !keys.is_empty()).ok_or(ErrorStatus::InvalidParameter)?;
    credential.variants.set_ticket_keys(keys).map_err(|error| error.status())
}

fn ticket_key(structure: &SessionTicketKey) -> Option<TicketKey> {
    /// SESSION_TICKET_INFO_V0
    const VERSION: u32 = 0;
    let material = structure.keying_material.get(..structure.keying_material_len.into())?;
    if structure.ticket_info_version != VERSION {
        return None;
    }
    TicketKey::new(structure.key_id, material).ok()
}

//! Keying material of the connection, for other protocols (RFC 5705, RFC 8446 section 7.5, RFC 5216, RFC 9190).

use openschannel::ReadEnd;
use openschannel::attributes::Attributes;
use openschannel::status::ErrorStatus;
use zeroize::Zeroizing;

use crate::memory::Block;
use crate::types::{EapKeyBlock, KeyingMaterial, KeyingMaterialInfo, KeyingMaterialInproc};

use super::Query;
use super::connection::number;
use super::set::{EapMethod, KeyingRequest};

/// # Safety
/// The query's buffer is null or a SecPkgContext_KeyingMaterial.
pub(super) unsafe fn material(query: &Query<'_>) -> Result<(), ErrorStatus> {
    let place = query.place()?;
    usable(query)?;
    let asked = query.connection.companion.requested.keying.as_ref();
    let (keying_material_len, keying_material) =
        export(query, asked.ok_or(ErrorStatus::UnsupportedFunction)?)?;
    // SAFETY: the caller's promise.
    unsafe { place.write(KeyingMaterial { keying_material_len, keying_material }) };
    Ok(())
}

/// Question and answer in one structure.
///
/// # Safety
/// The query's buffer is null or a SecPkgContext_KeyingMaterial_Inproc with label and context.
pub(super) unsafe fn material_inproc(query: &Query<'_>) -> Result<(), ErrorStatus> {
    let place = query.place::<KeyingMaterialInproc>()?;
    usable(query)?;
    // SAFETY: the caller's promise.
    let mut structure = unsafe { place.read() };
    let info = KeyingMaterialInfo {
        label_len: structure.label_len,
        label: structure.label,
        context_len: structure.context_len,
        context: structure.context,
        keying_material_len: structure.keying_material_len,
    };
    // SAFETY: the caller's promise.
    let asked = unsafe { KeyingRequest::read(&info) }?;
    (structure.keying_material_len, structure.keying_material) = export(query, &asked)?;
    // SAFETY: the caller's promise.
    unsafe { place.write(structure) };
    Ok(())
}

fn export(query: &Query<'_>, asked: &KeyingRequest) -> Result<(u32, *mut u8), ErrorStatus> {
    let mut block = Block::new(asked.len);
    usable(query)?
        .export_keying_material(&asked.label, asked.context.as_deref(), block.bytes())
        .map_err(|error| error.status())?;
    Ok((number(asked.len)?, block.give_out().as_ptr()))
}

/// # Safety
/// The query's buffer is null or a SecPkgContext_EapKeyBlock.
pub(super) unsafe fn eap_key_block(query: &Query<'_>) -> Result<(), ErrorStatus> {
    let place = query.place()?;
    let attributes = usable(query)?;
    let default = EapMethod::default();
    let method = query.connection.companion.requested.eap.as_ref().unwrap_or(&default);
    let (keys, ivs) =
        attributes.eap_key_block(&method.label, method.number).map_err(|error| error.status())?;
    let keys = Zeroizing::new(keys);
    // SAFETY: the caller's promise.
    unsafe { place.write(EapKeyBlock { keys: *keys, ivs }) };
    Ok(())
}

/// The secrets of a connection that has failed are nobody's: SEC_E_INVALID_HANDLE (section 3.6). What else was negotiated can still be
/// asked for.
fn usable<'a>(query: &'a Query<'_>) -> Result<&'a Attributes, ErrorStatus> {
    let attributes = query.attributes()?;
    match query.connection.context.closing_report().read_end {
        ReadEnd::Alert(_) | ReadEnd::Failed(_) => Err(ErrorStatus::InvalidHandle),
        ReadEnd::Open | ReadEnd::Clean | ReadEnd::Truncated { .. } | ReadEnd::Reset => Ok(attributes),
    }
}

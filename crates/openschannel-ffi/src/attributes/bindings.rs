//! Channel bindings (RFC 5929) behind their header.

use openschannel::status::{Error, ErrorStatus};

use crate::memory::Block;
use crate::types::{Bindings, ChannelBindings};

use super::Query;
use super::connection::number;

/// # Safety
/// The query's buffer is null or a SecPkgContext_Bindings.
pub(super) unsafe fn unique(query: &Query<'_>) -> Result<(), ErrorStatus> {
    let place = query.place()?;
    let answer = structure(query.attributes()?.unique_bindings())?;
    // SAFETY: the caller's promise.
    unsafe { place.write(answer) };
    Ok(())
}

/// # Safety
/// The query's buffer is null or a SecPkgContext_Bindings.
pub(super) unsafe fn endpoint(query: &Query<'_>) -> Result<(), ErrorStatus> {
    let place = query.place()?;
    let answer = structure(query.attributes()?.endpoint_bindings())?;
    // SAFETY: the caller's promise.
    unsafe { place.write(answer) };
    Ok(())
}

/// SEC_CHANNEL_BINDINGS and the bytes behind it, in one block.
fn structure(data: Result<Vec<u8>, Error>) -> Result<Bindings, ErrorStatus> {
    const HEADER_LEN: usize = size_of::<ChannelBindings>();
    let data = data.map_err(|error| error.status())?;
    let header = ChannelBindings {
        initiator_addr_type: 0,
        initiator_len: 0,
        initiator_offset: 0,
        acceptor_addr_type: 0,
        acceptor_len: 0,
        acceptor_offset: 0,
        application_data_len: number(data.len())?,
        application_data_offset: number(HEADER_LEN)?,
    };
    let bindings_len = number(HEADER_LEN + data.len())?;
    let mut block = Block::new(HEADER_LEN + data.len());
    block.bytes().get_mut(HEADER_LEN..).ok_or(ErrorStatus::InternalError)?.copy_from_slice(&data);
    let start = block.address().cast::<ChannelBindings>();
    // SAFETY: the block has room for the header, and blocks are aligned for any type.
    unsafe { start.write(header) };
    Ok(Bindings { bindings_len, bindings: block.give_out().cast().as_ptr() })
}

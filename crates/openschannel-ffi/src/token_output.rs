//! The output descriptor of a token call.
//!
//! The token is made in memory of the library and copied into the caller's only when the call is done with its input: the two may be the
//! same memory.

use openschannel::TokenBuffer;
use openschannel::status::ErrorStatus;

use crate::buffers::{Descriptor, length};
use crate::memory::Block;
use crate::types::{SecBuffer, SecBufferDesc, buffer_type};

/// Where a token call puts its token.
#[derive(Debug)]
pub(crate) struct Output {
    descriptor: Descriptor,
    index: usize,
    buffer: SecBuffer,
    alert: Option<(usize, SecBuffer)>,
    allocates: Allocates,
    room: TokenBuffer<'static>,
}

/// Who provides the memory of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Allocates {
    /// ISC_REQ_ALLOCATE_MEMORY: the library; what the caller's pointers say is not looked at.
    Asked,
    /// The library too: there is a length and no address (section 2.4).
    Unasked,
    /// The caller.
    Not,
}

impl Output {
    /// # Errors
    /// SEC_E_INVALID_TOKEN: no descriptor, or neither a TOKEN nor an EMPTY in it. SEC_E_INSUFFICIENT_MEMORY: an ALERT without room.
    ///
    /// # Safety
    /// As [`Descriptor::read`].
    pub(crate) unsafe fn read(descriptor: *const SecBufferDesc, asked: bool) -> Result<Self, ErrorStatus> {
        // SAFETY: the caller's promise.
        let descriptor = unsafe { Descriptor::read(descriptor) }?.ok_or(ErrorStatus::InvalidToken)?;
        let find = |kind| descriptor.iter().find(|(_, found)| found.kind() == kind && found.is_writable());
        let (index, buffer) =
            find(buffer_type::TOKEN).or_else(|| find(buffer_type::EMPTY)).ok_or(ErrorStatus::InvalidToken)?;
        let alert = find(buffer_type::ALERT);
        let allocates = match (asked, buffer.buffer.is_null(), buffer.len) {
            (true, _, _) => Allocates::Asked,
            (false, true, 1..) => Allocates::Unasked,
            _ => Allocates::Not,
        };
        if !asked && alert.is_some_and(|(_, alert)| alert.len == 0) {
            return Err(ErrorStatus::InsufficientMemory);
        }
        let room = match allocates {
            Allocates::Not => TokenBuffer::allocate_at_most(buffer.len as usize),
            _ => TokenBuffer::allocate(),
        };
        Ok(Self { descriptor, index, buffer, alert, allocates, room })
    }

    /// As [`Output::read`], for calls without requirement flags: a buffer without an address asks the library to allocate.
    ///
    /// # Errors
    /// As there.
    ///
    /// # Safety
    /// As there.
    pub(crate) unsafe fn read_or_allocate(descriptor: *const SecBufferDesc) -> Result<Self, ErrorStatus> {
        // SAFETY: the caller's promise.
        let output = unsafe { Self::read(descriptor, true) }?;
        if output.buffer.buffer.is_null() {
            return Ok(output);
        }
        // SAFETY: the caller's promise.
        unsafe { Self::read(descriptor, false) }
    }

    /// Where the provider puts the token.
    pub(crate) fn room(&mut self) -> &mut TokenBuffer<'static> {
        &mut self.room
    }

    /// Gives out what the provider put there.
    pub(crate) fn write_token(&self) {
        self.write(self.room.as_bytes());
    }

    /// Gives out `token`; an alert record too long for the caller's buffer is left out.
    pub(crate) fn write(&self, token: &[u8]) {
        let fits = self.allocates != Allocates::Not || token.len() <= self.buffer.len as usize;
        let token = if fits { token } else { &[] };
        let address = match self.allocates {
            Allocates::Asked if token.is_empty() => core::ptr::null_mut(),
            Allocates::Asked | Allocates::Unasked if !token.is_empty() => {
                Block::copy_of(token).give_out().as_ptr().cast()
            }
            _ => self.buffer.buffer,
        };
        if self.allocates == Allocates::Not && !token.is_empty() {
            // SAFETY: the caller's buffer is at least as long and may be written; the token is in memory of the library.
            unsafe { core::ptr::copy_nonoverlapping(token.as_ptr(), address.cast(), token.len()) };
        }
        let kind = self.buffer.buffer_type & !buffer_type::TYPE_MASK | buffer_type::TOKEN;
        self.descriptor
            .set(self.index, SecBuffer { len: length(token.len()), buffer_type: kind, buffer: address });
        // The alert record belongs into the token (section 4.2).
        if let Some((index, alert)) = self.alert {
            let address =
                if self.allocates == Allocates::Asked { core::ptr::null_mut() } else { alert.buffer };
            self.descriptor.set(index, SecBuffer { len: 0, buffer: address, ..alert });
        }
    }
}

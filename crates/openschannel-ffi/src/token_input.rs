//! The input descriptor of a token call.

use openschannel::credentials::ClientAuth;
use openschannel::status::ErrorStatus;
use openschannel::{ContextOptions, Role};

use crate::buffers::{Descriptor, Memory, length};
use crate::types::{SecBuffer, SecBufferDesc, SecFlags, asc, buffer_type, isc, wide_req};

/// `SecApplicationProtocolNegotiationExt_ALPN`
const ALPN_EXTENSION: u32 = 2;

/// What a token call was given.
#[derive(Debug)]
pub(crate) struct Input {
    descriptor: Option<Descriptor>,
    token: Option<SecBuffer>,
    /// The EMPTY behind the token: becomes EXTRA or MISSING.
    extra: Option<(usize, SecBuffer)>,
    protocols: Option<SecBuffer>,
    flags: Option<SecBuffer>,
}

impl Input {
    /// # Safety
    /// As [`Descriptor::read`].
    pub(crate) unsafe fn read(descriptor: *const SecBufferDesc) -> Result<Self, ErrorStatus> {
        // SAFETY: the caller's promise.
        let descriptor = unsafe { Descriptor::read(descriptor) }?;
        let find = |kind| descriptor.as_ref().and_then(|descriptor| descriptor.find(kind));
        let token = find(buffer_type::TOKEN);
        let behind = token.as_ref().map_or(0, |(index, _)| index + 1);
        let extra = descriptor.as_ref().and_then(|descriptor| {
            descriptor.iter().find(|(index, buffer)| *index >= behind && buffer.kind() == buffer_type::EMPTY)
        });
        let protocols = find(buffer_type::APPLICATION_PROTOCOLS).map(|(_, buffer)| buffer);
        let flags = find(buffer_type::FLAGS).map(|(_, buffer)| buffer);
        Ok(Self { descriptor, token: token.map(|(_, buffer)| buffer), extra, protocols, flags })
    }

    /// Whether there is a descriptor at all.
    pub(crate) fn is_given(&self) -> bool {
        self.descriptor.is_some()
    }

    pub(crate) fn has_token(&self) -> bool {
        self.token.is_some()
    }

    /// An EMPTY that claims to have memory is a mistake (section 2.4).
    pub(crate) fn check_extra_place(&self) -> Result<(), ErrorStatus> {
        match self.extra {
            Some((_, buffer)) if self.has_token() && buffer.len != 0 => Err(ErrorStatus::InvalidToken),
            _ => Ok(()),
        }
    }

    /// The bytes that arrived; none without a TOKEN.
    ///
    /// # Safety
    /// The buffer's memory can be read, and nobody writes it as long as the slice lives.
    pub(crate) unsafe fn token<'a>(&self) -> Result<&'a [u8], ErrorStatus> {
        let Some(token) = self.token else { return Ok(&[]) };
        let memory = token.memory().ok_or(ErrorStatus::InvalidToken)?;
        // SAFETY: the caller's promise.
        Ok(unsafe { memory.as_slice() })
    }

    /// SECBUFFER_FLAGS: the requirement bits above the first 32.
    ///
    /// # Errors
    /// SEC_E_INVALID_PARAMETER: bits of the lower half. SEC_E_UNSUPPORTED_FUNCTION: messages without records (QUIC).
    ///
    /// # Safety
    /// The buffer's memory can be read.
    unsafe fn wide_flags(&self) -> Result<u64, ErrorStatus> {
        let Some(buffer) = self.flags else { return Ok(0) };
        let memory = buffer.memory().filter(|memory| memory.len >= size_of::<SecFlags>());
        let Memory { start, .. } = memory.ok_or(ErrorStatus::InvalidToken)?;
        // SAFETY: long enough, and readable by the caller's promise.
        let SecFlags { flags } = unsafe { start.cast::<SecFlags>().read_unaligned() };
        if flags & u64::from(u32::MAX) != 0 {
            return Err(ErrorStatus::InvalidParameter);
        }
        if flags & wide_req::MESSAGES != 0 {
            return Err(ErrorStatus::UnsupportedFunction);
        }
        Ok(flags)
    }

    /// What a first call asks for beyond its credential.
    ///
    /// # Safety
    /// The buffers' memory can be read.
    pub(crate) unsafe fn context_options(
        &self,
        role: Role,
        flags: u32,
    ) -> Result<ContextOptions, ErrorStatus> {
        // SAFETY: the caller's promise.
        let wide = unsafe { self.wide_flags() }?;
        let alpn = match self.protocols {
            None => None,
            Some(buffer) => {
                let memory = buffer.memory().ok_or(ErrorStatus::InvalidToken)?;
                // SAFETY: the caller's promise.
                Some(alpn_list(unsafe { memory.as_slice() })?)
            }
        };
        let client = role == Role::Client;
        Ok(ContextOptions {
            alpn,
            manual_validation: client && flags & isc::MANUAL_CRED_VALIDATION != 0,
            deferred_validation: client && wide & wide_req::DEFERRED_CRED_VALIDATION != 0,
            use_supplied_credentials: client && flags & isc::USE_SUPPLIED_CREDS != 0,
            client_auth: (!client && flags & asc::MUTUAL_AUTH != 0).then_some(ClientAuth::Request),
            post_handshake: None,
        })
    }

    /// Says how many bytes at the end of the token were not looked at.
    pub(crate) fn write_extra(&self, extra: usize) {
        let unread = self.token.map_or(core::ptr::null_mut(), |token| {
            let read = (token.len as usize).saturating_sub(extra);
            token.buffer.cast::<u8>().wrapping_add(read).cast()
        });
        self.write(SecBuffer { len: length(extra), buffer_type: buffer_type::EXTRA, buffer: unread });
    }

    /// Says how many bytes are missing at least.
    pub(crate) fn write_missing(&self, missing: usize) {
        let buffer = self.extra.map_or(core::ptr::null_mut(), |(_, buffer)| buffer.buffer);
        self.write(SecBuffer { len: length(missing), buffer_type: buffer_type::MISSING, buffer });
    }

    fn write(&self, buffer: SecBuffer) {
        if let (Some(descriptor), Some((index, empty))) = (&self.descriptor, &self.extra)
            && self.has_token()
            && empty.is_writable()
        {
            descriptor.set(*index, buffer);
        }
    }
}

/// SEC_APPLICATION_PROTOCOLS: the ALPN identifiers of all its lists.
fn alpn_list(bytes: &[u8]) -> Result<Vec<Vec<u8>>, ErrorStatus> {
    let malformed = ErrorStatus::InvalidToken;
    let mut rest = Reader(bytes);
    let size = rest.u32().ok_or(malformed)? as usize;
    let mut lists = Reader(rest.take(size).ok_or(malformed)?);
    let mut protocols = Vec::new();
    while !lists.0.is_empty() {
        let extension = lists.u32().ok_or(malformed)?;
        let size = usize::from(lists.u16().ok_or(malformed)?);
        let mut list = Reader(lists.take(size).ok_or(malformed)?);
        while !list.0.is_empty() {
            let len = usize::from(list.u8().ok_or(malformed)?);
            let id = list.take(len).filter(|id| !id.is_empty()).ok_or(malformed)?;
            if extension == ALPN_EXTENSION {
                protocols.push(id.to_vec());
            }
        }
        // What C's alignment put behind the last list is not another one.
        if lists.0.len() < size_of::<u32>() + size_of::<u16>() {
            break;
        }
    }
    Ok(protocols)
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn u16(&mut self) -> Option<u16> {
        Some(u16::from_ne_bytes(self.take(2)?.try_into().ok()?))
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_ne_bytes(self.take(4)?.try_into().ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lists(lists: &[(u32, &[u8])]) -> Vec<u8> {
        let mut all = Vec::new();
        for (extension, list) in lists {
            all.extend(extension.to_ne_bytes());
            all.extend(u16::try_from(list.len()).unwrap_or_default().to_ne_bytes());
            all.extend_from_slice(list);
        }
        let size = u32::try_from(all.len()).unwrap_or_default();
        [&size.to_ne_bytes()[..], &all].concat()
    }

    /// Section 1.4: one list has ListsSize 6 + n, the buffer 10 + n bytes.
    #[test]
    fn alpn_lists_are_read_as_callers_build_them() {
        let h2 = lists(&[(2, b"\x02h2\x08http/1.1")]);
        assert_eq!(h2.len(), 10 + 12);
        let both = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        assert_eq!(alpn_list(&h2), Ok(both.clone()));
        let padded = [h2, vec![0, 0]].concat();
        assert_eq!(alpn_list(&padded), Ok(both), "padding behind the lists");
        assert_eq!(alpn_list(&lists(&[(1, b"\x06spdy/3"), (2, b"\x02h2")])), Ok(vec![b"h2".to_vec()]));
        assert_eq!(alpn_list(&lists(&[])), Ok(vec![]));
    }

    #[test]
    fn malformed_alpn_lists_are_refused() {
        let good = lists(&[(2, b"\x02h2")]);
        for len in 0..good.len() {
            assert_eq!(alpn_list(&good[..len]), Err(ErrorStatus::InvalidToken), "cut at {len}");
        }
        assert_eq!(alpn_list(&lists(&[(2, b"\x03h2")])), Err(ErrorStatus::InvalidToken));
        assert_eq!(alpn_list(&lists(&[(2, b"\x00")])), Err(ErrorStatus::InvalidToken));
    }
}

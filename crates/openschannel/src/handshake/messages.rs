//! Handshake messages out of record contents, and the few of their fields that are read here.

/// Longest handshake message that is put together: the engine's own bound, which a certificate chain fits (the length field would
/// allow 16 MiB and let a peer fill memory).
pub(crate) const MAX_MESSAGE: usize = 0xffff;

const MESSAGE_HEADER_LEN: usize = 4;

/// Handshake message types (RFC 8446 appendix B.3, RFC 5246 section 7.4).
pub(crate) mod message_type {
    pub(crate) const HELLO_REQUEST: u8 = 0;
    pub(crate) const CLIENT_HELLO: u8 = 1;
    pub(crate) const SERVER_HELLO: u8 = 2;
    pub(crate) const NEW_SESSION_TICKET: u8 = 4;
    pub(crate) const ENCRYPTED_EXTENSIONS: u8 = 8;
    pub(crate) const CERTIFICATE: u8 = 11;
    pub(crate) const CERTIFICATE_REQUEST: u8 = 13;
    pub(crate) const SERVER_HELLO_DONE: u8 = 14;
    pub(crate) const FINISHED: u8 = 20;
    pub(crate) const KEY_UPDATE: u8 = 24;
    pub(crate) const COMPRESSED_CERTIFICATE: u8 = 25;
}

/// One whole handshake message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) message_type: u8,
    pub(crate) body: Vec<u8>,
}

/// A message is longer than [`MAX_MESSAGE`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct MessageTooLong;

/// Puts messages together that come in pieces or several at a time.
#[derive(Debug, Default)]
#[cfg_attr(test, derive(Clone, PartialEq, Eq, Hash))]
pub(crate) struct Messages {
    buffer: Vec<u8>,
}

impl Messages {
    /// Adds one record's content.
    pub(crate) fn push(&mut self, fragment: &[u8]) {
        self.buffer.extend_from_slice(fragment);
    }

    /// Splits a whole message off the front of a content, if nothing of one waits here: type and body. It stays where it is.
    pub(crate) fn split_off<'a>(&self, content: &mut &'a [u8]) -> Option<(u8, &'a [u8])> {
        let &[message_type, a, b, c, ..] = *content else { return None };
        let len = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
        if len > MAX_MESSAGE || !self.is_aligned() {
            return None;
        }
        let (message, rest) = content.split_at_checked(MESSAGE_HEADER_LEN + len)?;
        *content = rest;
        Some((message_type, message.get(MESSAGE_HEADER_LEN..)?))
    }

    /// Takes the next whole message out; [`None`] when more content is needed.
    pub(crate) fn take(&mut self) -> Result<Option<Message>, MessageTooLong> {
        let &[message_type, a, b, c, ..] = self.buffer.as_slice() else { return Ok(None) };
        let len = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
        if len > MAX_MESSAGE {
            return Err(MessageTooLong);
        }
        let Some(body) = self.buffer.get(MESSAGE_HEADER_LEN..MESSAGE_HEADER_LEN + len) else {
            return Ok(None);
        };
        let message = Message { message_type, body: body.to_vec() };
        self.buffer.drain(..MESSAGE_HEADER_LEN + len);
        if self.buffer.is_empty() {
            // Messages come in bursts; between them an idle connection shall not keep the space.
            self.buffer = Vec::new();
        }
        Ok(Some(message))
    }

    /// Whether a message ends where the last record ended.
    pub(crate) fn is_aligned(&self) -> bool {
        self.buffer.is_empty()
    }
}

/// Reads length-prefixed fields from the front of a body.
#[derive(Clone, Copy, Debug)]
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self, len: usize) -> Option<usize> {
        Some(self.take(len)?.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)))
    }

    /// A vector behind a length of `prefix` bytes.
    fn vector(&mut self, prefix: usize) -> Option<Self> {
        let len = self.number(prefix)?;
        Some(Self(self.take(len)?))
    }

    fn u16s(mut self) -> impl Iterator<Item = u16> {
        core::iter::from_fn(move || {
            let &[high, low] = self.take(2)? else { return None };
            Some(u16::from_be_bytes([high, low]))
        })
    }

    fn extension_kinds(self) -> Vec<u16> {
        self.extensions().filter_map(|(kind, _)| u16::try_from(kind).ok()).collect()
    }

    /// (type, content) of each extension.
    fn extensions(mut self) -> impl Iterator<Item = (usize, Fields<'a>)> {
        core::iter::from_fn(move || Some((self.number(2)?, self.vector(2)?)))
    }
}

const EXTENSION_SIGNATURE_ALGORITHMS: usize = 13;
const EXTENSION_SUPPORTED_VERSIONS: usize = 43;
const EXTENSION_CERTIFICATE_AUTHORITIES: usize = 47;
pub(crate) const TLS1_3: usize = 0x0304;

/// What is kept of a ServerHello.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServerHello {
    pub(crate) random: [u8; 32],
    pub(crate) session_id: Vec<u8>,
    pub(crate) is_tls13: bool,
    /// The kinds of its extensions.
    pub(crate) extensions: Vec<u16>,
}

impl ServerHello {
    pub(crate) fn parse(body: &[u8]) -> Option<Self> {
        let mut fields = Fields(body);
        fields.take(2)?;
        let random = fields.take(32)?.try_into().ok()?;
        let session_id = fields.vector(1)?.0.to_vec();
        fields.take(3)?;
        // A ServerHello of TLS 1.2 may have no extensions at all.
        let block = fields.vector(2);
        let is_tls13 = block.is_some_and(|extensions| {
            extensions.extensions().any(|(kind, mut value)| {
                kind == EXTENSION_SUPPORTED_VERSIONS && value.number(2) == Some(TLS1_3)
            })
        });
        let extensions = block.map(Fields::extension_kinds).unwrap_or_default();
        Some(Self { random, session_id, is_tls13, extensions })
    }

    /// A HelloRetryRequest is a ServerHello with this random (RFC 8446 section 4.1.3).
    pub(crate) fn is_retry(&self) -> bool {
        const RETRY: [u8; 32] = [
            0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
            0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
        ];
        self.random == RETRY
    }

    /// Whether the random of this answer says that the server speaks a later version than it was asked for: TLS 1.3 by the last byte 1,
    /// TLS 1.2 by 0 (RFC 8446 section 4.1.3).
    pub(crate) fn is_downgrade(&self) -> bool {
        !self.is_tls13 && matches!(self.random.last_chunk(), Some(b"DOWNGRD\x00" | b"DOWNGRD\x01"))
    }
}

/// The kinds of extensions in an EncryptedExtensions message (RFC 8446 section 4.3.1).
pub(crate) fn encrypted_extensions(body: &[u8]) -> Vec<u16> {
    Fields(body).vector(2).map(Fields::extension_kinds).unwrap_or_default()
}

/// Whether a ClientHello carries TLS_FALLBACK_SCSV, and the highest version it offers (RFC 7507).
pub(crate) fn client_hello_fallback(body: &[u8]) -> Option<(bool, usize)> {
    const FALLBACK_SCSV: u16 = 0x5600;
    let mut fields = Fields(body);
    let legacy_version = fields.number(2)?;
    fields.take(32)?;
    fields.vector(1)?;
    let is_signalled = fields.vector(2)?.u16s().any(|suite| suite == FALLBACK_SCSV);
    fields.vector(1)?;
    let offered = fields
        .vector(2)
        .and_then(|extensions| {
            extensions.extensions().find(|(kind, _)| *kind == EXTENSION_SUPPORTED_VERSIONS)
        })
        .and_then(|(_, mut versions)| versions.vector(1))
        .map(|versions| versions.u16s());
    // GREASE values (RFC 8701) are no versions.
    let is_version = |version: &usize| (0x0300..=TLS1_3).contains(version);
    let highest = offered
        .map_or(Some(legacy_version), |versions| versions.map(usize::from).filter(is_version).max())?;
    Some((is_signalled, highest))
}

/// What a server says about the client certificate it asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CertificateRequest {
    /// Distinguished names, DER.
    pub(crate) authorities: Vec<Vec<u8>>,
    pub(crate) signature_schemes: Vec<u16>,
}

impl CertificateRequest {
    /// RFC 5246 section 7.4.4.
    pub(crate) fn parse_tls12(body: &[u8]) -> Option<Self> {
        let mut fields = Fields(body);
        fields.vector(1)?;
        let signature_schemes = fields.vector(2)?.u16s().collect();
        Some(Self { authorities: names(fields.vector(2)?), signature_schemes })
    }

    /// RFC 8446 section 4.3.2.
    pub(crate) fn parse_tls13(body: &[u8]) -> Option<Self> {
        let mut fields = Fields(body);
        fields.vector(1)?;
        let mut request = Self::default();
        for (kind, mut value) in fields.vector(2)?.extensions() {
            match kind {
                EXTENSION_SIGNATURE_ALGORITHMS => {
                    request.signature_schemes = value.vector(2)?.u16s().collect();
                }
                EXTENSION_CERTIFICATE_AUTHORITIES => request.authorities = names(value.vector(2)?),
                _ => {}
            }
        }
        Some(request)
    }
}

fn names(mut list: Fields<'_>) -> Vec<Vec<u8>> {
    core::iter::from_fn(|| Some(list.vector(2)?.0.to_vec())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_out_whole_however_they_were_cut() {
        let stream = [&[4u8, 0, 0, 2, 7, 8][..], &[24, 0, 0, 1, 1], &[0, 0, 0, 0]].concat();
        for step in 1..=stream.len() {
            let mut messages = Messages::default();
            let mut found = Vec::new();
            for piece in stream.chunks(step) {
                messages.push(piece);
                while let Some(message) = messages.take().unwrap() {
                    found.push((message.message_type, message.body));
                }
            }
            assert_eq!(found, [(4, vec![7, 8]), (24, vec![1]), (0, vec![])], "step {step}");
            assert!(messages.is_aligned());
        }
    }

    #[test]
    fn whole_messages_are_split_off_unless_a_piece_waits() {
        let stream = [&[4u8, 0, 0, 2, 7, 8][..], &[24, 0, 0, 1]].concat();
        let mut content = stream.as_slice();
        let mut messages = Messages::default();
        assert_eq!(messages.split_off(&mut content), Some((4, &[7, 8][..])));
        assert_eq!(messages.split_off(&mut content), None, "a byte is missing");
        assert_eq!(content, [24, 0, 0, 1]);
        let mut long = &[&[4u8, 1, 0, 0][..], &[0; MAX_MESSAGE + 1]].concat()[..];
        assert_eq!(messages.split_off(&mut long), None, "too long");
        messages.push(content);
        let mut content = stream.as_slice();
        assert_eq!(messages.split_off(&mut content), None, "its front waits");
        assert_eq!(content, stream);
    }

    #[test]
    fn a_message_beyond_the_bound_is_refused_from_its_header() {
        let mut messages = Messages::default();
        messages.push(&[4, 1, 0, 0]);
        assert_eq!(messages.take(), Err(MessageTooLong));
    }

    #[test]
    fn certificate_requests_of_both_versions_are_read() {
        let tls12 = [&[2u8, 1, 64][..], &[0, 4, 4, 3, 8, 4], &[0, 5, 0, 3, b'a', b'b', b'c']].concat();
        let expected = CertificateRequest {
            authorities: vec![b"abc".to_vec()],
            signature_schemes: vec![0x0403, 0x0804],
        };
        assert_eq!(CertificateRequest::parse_tls12(&tls12), Some(expected.clone()));
        let tls13 = [
            &[0u8, 0, 21][..],
            &[0, 13, 0, 6, 0, 4, 4, 3, 8, 4],
            &[0, 47, 0, 7, 0, 5, 0, 3, b'a', b'b', b'c'],
        ]
        .concat();
        assert_eq!(CertificateRequest::parse_tls13(&tls13), Some(expected));
        for cut in 0..tls12.len() {
            assert_eq!(CertificateRequest::parse_tls12(&tls12[..cut]).map(|_| cut), None);
        }
    }
}

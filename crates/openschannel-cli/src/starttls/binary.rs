//! Protocols that do not consist of lines.

use super::{Refusal, Reply, Talk};

/// XMPP: a stream, its features, starttls, proceed (RFC 6120 section 5.4).
#[derive(Default)]
pub(super) struct Xmpp {
    asked: bool,
}

const XMPP_TLS: &str = "urn:ietf:params:xml:ns:xmpp-tls";

pub(super) fn xmpp_opening(name: &str) -> Vec<u8> {
    let name: String =
        name.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '_')).collect();
    format!(
        "<?xml version='1.0'?><stream:stream xmlns='jabber:client' \
         xmlns:stream='http://etherx.jabber.org/streams' to='{name}' version='1.0'>"
    )
    .into_bytes()
}

impl Talk for Xmpp {
    fn hear(&mut self, bytes: &[u8]) -> Result<(usize, Reply), Refusal> {
        // The stream is UTF-8 (RFC 6120 section 11.6); a character may still lack its last bytes.
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) if error.error_len().is_none() => {
                std::str::from_utf8(bytes.get(..error.valid_up_to()).unwrap_or_default()).unwrap_or_default()
            }
            Err(_) => return Err(Refusal::Answered(String::from_utf8_lossy(bytes).into_owned())),
        };
        if text.contains("<stream:error") || text.contains("<failure") {
            return Err(Refusal::Answered(text.to_owned()));
        }
        if self.asked {
            let Some(begin) = text.find("<proceed") else { return Ok((0, Reply::More)) };
            return match end_of_element(text, begin, "</proceed>") {
                Some(end) => Ok((end, Reply::Go)),
                None => Ok((0, Reply::More)),
            };
        }
        const FEATURES_END: &str = "</stream:features>";
        let Some(end) = text.find(FEATURES_END) else {
            // A server that offers nothing at all writes an empty element.
            return if text.contains("<stream:features/>") {
                Err(Refusal::NotOffered)
            } else {
                Ok((0, Reply::More))
            };
        };
        if !text.get(..end).unwrap_or_default().contains(XMPP_TLS) {
            return Err(Refusal::NotOffered);
        }
        self.asked = true;
        Ok((end + FEATURES_END.len(), Reply::Say(format!("<starttls xmlns='{XMPP_TLS}'/>").into_bytes())))
    }
}

/// Behind an element that begins at `begin` and holds nothing.
fn end_of_element(text: &str, begin: usize, end_tag: &str) -> Option<usize> {
    let tag_end = begin + text.get(begin..)?.find('>')? + 1;
    if text.get(..tag_end)?.ends_with("/>") {
        return Some(tag_end);
    }
    Some(tag_end + text.get(tag_end..)?.find(end_tag)? + end_tag.len())
}

/// LDAPMessage with message 1, an ExtendedRequest for StartTLS (RFC 4511 section 4.14.1).
pub(super) const LDAP_START_TLS: &[u8] = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037";

pub(super) struct Ldap;

impl Talk for Ldap {
    fn hear(&mut self, bytes: &[u8]) -> Result<(usize, Reply), Refusal> {
        let refused = || Refusal::Answered(String::from_utf8_lossy(bytes).into_owned());
        let (message, len) = match element(bytes, 0x30) {
            Element::Whole { content, len } => (content, len),
            Element::Partial => return Ok((0, Reply::More)),
            Element::Other => return Err(refused()),
        };
        // messageID, then the ExtendedResponse, whose first field is the resultCode.
        let Element::Whole { content: &[1], len: id_len } = element(message, 0x02) else {
            return Err(refused());
        };
        let response = element(message.get(id_len..).unwrap_or_default(), 0x78);
        let Element::Whole { content: response, .. } = response else { return Err(refused()) };
        match element(response, 0x0a) {
            Element::Whole { content: &[0], .. } => Ok((len, Reply::Go)),
            _ => Err(refused()),
        }
    }
}

enum Element<'a> {
    Whole { content: &'a [u8], len: usize },
    Partial,
    Other,
}

/// The BER element with `tag` at the front of `bytes`, of a definite length that one or two more bytes hold at most.
fn element(bytes: &[u8], tag: u8) -> Element<'_> {
    let (header, length) = match *bytes {
        [first, ..] if first != tag => return Element::Other,
        [_, short @ 0..=0x7f, ..] => (2, usize::from(short)),
        [_, 0x81, length, ..] => (3, usize::from(length)),
        [_, 0x82, high, low, ..] => (4, usize::from(u16::from_be_bytes([high, low]))),
        // Some servers write every length in four bytes.
        [_, 0x84, 0, 0, high, low, ..] => (6, usize::from(u16::from_be_bytes([high, low]))),
        [_, 0x81 | 0x82 | 0x84, ..] | [_] | [] if bytes.len() < 6 => return Element::Partial,
        _ => return Element::Other,
    };
    match bytes.get(header..header + length) {
        Some(content) => Element::Whole { content, len: header + length },
        None => Element::Partial,
    }
}

/// A message of eight bytes with the request's number (PostgreSQL, "Message Formats", SSLRequest).
pub(super) const POSTGRES_SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

pub(super) struct Postgres;

impl Talk for Postgres {
    fn hear(&mut self, bytes: &[u8]) -> Result<(usize, Reply), Refusal> {
        match bytes {
            [b'S', ..] => Ok((1, Reply::Go)),
            [b'N', ..] => Err(Refusal::NotOffered),
            _ => Err(Refusal::Answered(String::from_utf8_lossy(bytes).into_owned())),
        }
    }
}

/// The server's first packet, answered with a request for TLS, which begins right behind it (MySQL, "Connection Phase").
pub(super) struct Mysql;

/// Capability flags.
const CLIENT_PROTOCOL_41: u32 = 0x200;
const CLIENT_SSL: u32 = 0x800;
const CLIENT_SECURE_CONNECTION: u32 = 0x8000;

const MYSQL_MAX_PACKET: u32 = 1 << 24;

/// utf8_general_ci
const MYSQL_CHARSET: u8 = 33;

impl Talk for Mysql {
    fn hear(&mut self, bytes: &[u8]) -> Result<(usize, Reply), Refusal> {
        let &[low, middle, high, _, ..] = bytes else { return Ok((0, Reply::More)) };
        let len = 4 + usize::try_from(u32::from_le_bytes([low, middle, high, 0])).unwrap_or(usize::MAX - 4);
        if len > super::MAX_PLAINTEXT {
            return Err(Refusal::TooLong);
        }
        let Some(payload) = bytes.get(4..len) else { return Ok((0, Reply::More)) };
        let refused = || Refusal::Answered(String::from_utf8_lossy(payload).into_owned());
        let [10, rest @ ..] = payload else { return Err(refused()) };
        let version_end = rest.iter().position(|byte| *byte == 0).ok_or_else(refused)?;
        // Connection id, eight bytes of a challenge, a filler; then the lower half of the capabilities.
        let flags =
            rest.get(version_end + 1 + 4 + 8 + 1..).and_then(<[u8]>::first_chunk).ok_or_else(refused)?;
        if u32::from(u16::from_le_bytes(*flags)) & CLIENT_SSL == 0 {
            return Err(Refusal::NotOffered);
        }
        let mut request = vec![32, 0, 0, 1];
        request.extend((CLIENT_PROTOCOL_41 | CLIENT_SSL | CLIENT_SECURE_CONNECTION).to_le_bytes());
        request.extend(MYSQL_MAX_PACKET.to_le_bytes());
        request.push(MYSQL_CHARSET);
        request.extend([0; 23]);
        Ok((len, Reply::SayAndGo(request)))
    }
}

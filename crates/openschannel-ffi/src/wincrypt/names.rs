//! Names as text.

use core::ffi::{c_char, c_void};

use x509_parser::asn1_rs::{Any, FromDer, Tag};
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::x509::X509Name;

use super::certificate::Certificate;
use super::import::blob;
use super::last_error::{code, value};
use super::output::{Unit, string_out};
use super::properties::id;
use super::registry::certificate;
use super::text::from_narrow;
use super::types::{Blob, CERT_CONTEXT};

/// `CERT_*_NAME_STR`: the low bits of dwStrType.
mod style {
    pub(super) const SIMPLE: u32 = 1;
    pub(super) const OID: u32 = 2;
    pub(super) const X500: u32 = 3;
    pub(super) const MASK: u32 = 0xFFFF;
    pub(super) const REVERSE: u32 = 0x200_0000;
    pub(super) const CRLF: u32 = 0x800_0000;
    pub(super) const NO_QUOTING: u32 = 0x1000_0000;
    pub(super) const NO_PLUS: u32 = 0x2000_0000;
    pub(super) const SEMICOLON: u32 = 0x4000_0000;
}

/// `CERT_NAME_*_TYPE`
mod kind {
    pub(super) const EMAIL: u32 = 1;
    pub(super) const RDN: u32 = 2;
    pub(super) const ATTR: u32 = 3;
    pub(super) const SIMPLE_DISPLAY: u32 = 4;
    pub(super) const FRIENDLY_DISPLAY: u32 = 5;
    pub(super) const DNS: u32 = 6;
    pub(super) const URL: u32 = 7;
}

/// `CERT_NAME_ISSUER_FLAG`
const OF_ISSUER: u32 = 1;
/// `CERT_NAME_SEARCH_ALL_NAMES_FLAG`
const ALL_NAMES: u32 = 2;

const COMMON_NAME: &str = "2.5.4.3";
const ORGANIZATION: &str = "2.5.4.10";
const ORGANIZATIONAL_UNIT: &str = "2.5.4.11";
const EMAIL_ADDRESS: &str = "1.2.840.113549.1.9.1";

/// What attributes are called in X.500 strings.
const KEYS: &[(&str, &str)] = &[
    (COMMON_NAME, "CN"),
    ("2.5.4.4", "SN"),
    ("2.5.4.5", "SERIALNUMBER"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "S"),
    ("2.5.4.9", "STREET"),
    (ORGANIZATION, "O"),
    (ORGANIZATIONAL_UNIT, "OU"),
    ("2.5.4.12", "T"),
    ("2.5.4.17", "PostalCode"),
    ("2.5.4.42", "G"),
    ("2.5.4.43", "I"),
    ("2.5.4.46", "dnQualifier"),
    (EMAIL_ADDRESS, "E"),
    ("0.9.2342.19200300.100.1.25", "DC"),
];

/// `CertNameToStrA`: a name as text, in UTF-8. Answers with the length, the terminator included.
///
/// # Safety
/// `pName` is null or points to a blob that says the truth; `psz` is null or points to `csz` characters.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn CertNameToStrA(
    _dwCertEncodingType: u32,
    pName: *const Blob,
    dwStrType: u32,
    psz: *mut c_char,
    csz: u32,
) -> u32 {
    // SAFETY: as the caller's.
    unsafe { name_to_str::<u8>(pName, dwStrType, psz.cast(), csz) }
}

/// `CertNameToStrW`
///
/// # Safety
/// As [`CertNameToStrA`].
#[unsafe(no_mangle)]
pub unsafe extern "system" fn CertNameToStrW(
    _dwCertEncodingType: u32,
    pName: *const Blob,
    dwStrType: u32,
    psz: *mut u16,
    csz: u32,
) -> u32 {
    // SAFETY: as the caller's.
    unsafe { name_to_str::<u16>(pName, dwStrType, psz, csz) }
}

/// `CertGetNameStringA`: one of the names in a certificate, in UTF-8. Answers with the length, the terminator included: 1 when there is
/// no such name. With CERT_NAME_SEARCH_ALL_NAMES_FLAG all of them, each terminated, and one more terminator.
///
/// # Safety
/// `pvTypePara` is null or points to what `dwType` takes; `pszNameString` is null or points to `cchNameString` characters.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn CertGetNameStringA(
    pCertContext: *const CERT_CONTEXT,
    dwType: u32,
    dwFlags: u32,
    pvTypePara: *const c_void,
    pszNameString: *mut c_char,
    cchNameString: u32,
) -> u32 {
    // SAFETY: as the caller's.
    unsafe {
        name_string::<u8>(pCertContext, dwType, dwFlags, pvTypePara, pszNameString.cast(), cchNameString)
    }
}

/// `CertGetNameStringW`
///
/// # Safety
/// As [`CertGetNameStringA`].
#[unsafe(no_mangle)]
pub unsafe extern "system" fn CertGetNameStringW(
    pCertContext: *const CERT_CONTEXT,
    dwType: u32,
    dwFlags: u32,
    pvTypePara: *const c_void,
    pszNameString: *mut u16,
    cchNameString: u32,
) -> u32 {
    // SAFETY: as the caller's.
    unsafe { name_string::<u16>(pCertContext, dwType, dwFlags, pvTypePara, pszNameString, cchNameString) }
}

/// # Safety
/// As [`CertNameToStrA`].
unsafe fn name_to_str<U: Unit>(name: *const Blob, style: u32, place: *mut U, room: u32) -> u32 {
    value(0, || {
        // SAFETY: as the caller's.
        let name = unsafe { blob(name) }.ok_or(code::E_INVALIDARG)?;
        let text = to_text(name, style);
        // SAFETY: as the caller's.
        Ok(unsafe { string_out(&U::encode(&text), place, room) })
    })
}

/// # Safety
/// As [`CertGetNameStringA`].
unsafe fn name_string<U: Unit>(
    context: *const CERT_CONTEXT,
    kind: u32,
    flags: u32,
    parameter: *const c_void,
    place: *mut U,
    room: u32,
) -> u32 {
    let empty = || U::encode("");
    let text = value(empty(), || {
        let certificate = certificate(context).ok_or(code::E_INVALIDARG)?;
        // SAFETY: as the caller's.
        let names = unsafe { names(&certificate, kind, flags, parameter) };
        if flags & ALL_NAMES == 0 {
            return Ok(names.first().map_or_else(empty, |name| U::encode(name)));
        }
        let mut all: Vec<U> = names.iter().flat_map(|name| U::encode(name)).collect();
        all.push(U::default());
        Ok(all)
    });
    // SAFETY: as the caller's.
    unsafe { string_out(&text, place, room) }
}

/// # Safety
/// `parameter` is null or points to what `kind` takes.
unsafe fn names(certificate: &Certificate, kind: u32, flags: u32, parameter: *const c_void) -> Vec<String> {
    let of_issuer = flags & OF_ISSUER != 0;
    let names = certificate.parsed().names();
    let name = if of_issuer { &names.issuer } else { &names.subject };
    let of_attribute = |oid: &str| {
        attributes(name)
            .into_iter()
            .filter(|(found, _)| found == oid)
            .map(|(_, value)| value)
            .collect::<Vec<_>>()
    };
    let or_attribute = |found: Vec<String>, oid| if found.is_empty() { of_attribute(oid) } else { found };
    match kind {
        kind::EMAIL => or_attribute(alternatives(certificate, of_issuer, email), EMAIL_ADDRESS),
        kind::RDN => {
            let style = if parameter.is_null() {
                style::SIMPLE
            } else {
                // SAFETY: the caller vouches for a DWORD; it is not null.
                unsafe { parameter.cast::<u32>().read_unaligned() }
            };
            vec![to_text(name, style)]
        }
        kind::ATTR => {
            // SAFETY: the caller vouches for a string.
            let oid = unsafe { from_narrow(parameter.cast()) };
            oid.map(|oid| of_attribute(&oid)).unwrap_or_default()
        }
        kind::FRIENDLY_DISPLAY if !of_issuer => match friendly_name(certificate) {
            Some(name) => vec![name],
            None => display_name(certificate, of_issuer, name),
        },
        kind::SIMPLE_DISPLAY | kind::FRIENDLY_DISPLAY => display_name(certificate, of_issuer, name),
        kind::DNS => or_attribute(alternatives(certificate, of_issuer, dns), COMMON_NAME),
        kind::URL => alternatives(certificate, of_issuer, url),
        _ => Vec::new(),
    }
}

/// The attribute that says most to people.
fn display_name(certificate: &Certificate, of_issuer: bool, name: &[u8]) -> Vec<String> {
    let attributes = attributes(name);
    let preferred = [COMMON_NAME, ORGANIZATIONAL_UNIT, ORGANIZATION, EMAIL_ADDRESS];
    let best = preferred
        .iter()
        .find_map(|oid| attributes.iter().find(|(found, _)| found == oid))
        .or_else(|| attributes.first());
    match best {
        Some((_, value)) => vec![value.clone()],
        None => {
            let mut found = alternatives(certificate, of_issuer, email);
            found.extend(alternatives(certificate, of_issuer, dns));
            found
        }
    }
}

fn friendly_name(certificate: &Certificate) -> Option<String> {
    let properties = certificate.properties();
    let bytes = properties.values.get(&id::FRIENDLY_NAME)?;
    let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| u16::from_ne_bytes([pair[0], pair[1]])).collect();
    let text = String::from_utf16_lossy(&units);
    Some(text.trim_end_matches('\0').to_owned())
}

fn email(name: &GeneralName<'_>) -> Option<String> {
    if let GeneralName::RFC822Name(name) = name { Some((*name).to_owned()) } else { None }
}

fn dns(name: &GeneralName<'_>) -> Option<String> {
    if let GeneralName::DNSName(name) = name { Some((*name).to_owned()) } else { None }
}

fn url(name: &GeneralName<'_>) -> Option<String> {
    if let GeneralName::URI(name) = name { Some((*name).to_owned()) } else { None }
}

/// Of the subject's or issuer's alternative names those of one kind.
fn alternatives(
    certificate: &Certificate,
    of_issuer: bool,
    kind: fn(&GeneralName<'_>) -> Option<String>,
) -> Vec<String> {
    let Some(certificate) = certificate.parsed().x509() else { return Vec::new() };
    let names = certificate.extensions().iter().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::SubjectAlternativeName(names) if !of_issuer => Some(&names.general_names),
        ParsedExtension::IssuerAlternativeName(names) if of_issuer => Some(&names.general_names),
        _ => None,
    });
    names.map(|names| names.iter().filter_map(kind).collect()).unwrap_or_default()
}

/// The attributes of a DER name: object identifier and text, in the order of encoding. None for what is no name.
pub(super) fn attributes(name: &[u8]) -> Vec<(String, String)> {
    rdns(name).into_iter().flatten().collect()
}

/// A DER name as text, in one of the styles of CertNameToStr.
pub(super) fn to_text(name: &[u8], style: u32) -> String {
    let mut rdns = rdns(name);
    if style & style::REVERSE != 0 {
        rdns.reverse();
    }
    let separator = match style {
        style if style & style::SEMICOLON != 0 => "; ",
        style if style & style::CRLF != 0 => "\r\n",
        _ => ", ",
    };
    let plus = if style & style::NO_PLUS != 0 { " " } else { " + " };
    let attribute = |(oid, value): &(String, String)| {
        let value = if style & style::NO_QUOTING != 0 { value.clone() } else { quoted(value) };
        match style & style::MASK {
            style::X500 => match KEYS.iter().find(|(known, _)| known == oid) {
                Some((_, key)) => format!("{key}={value}"),
                None => format!("OID.{oid}={value}"),
            },
            style::OID => format!("{oid}={value}"),
            _ => value,
        }
    };
    let rdn = |rdn: &Vec<(String, String)>| rdn.iter().map(attribute).collect::<Vec<_>>().join(plus);
    rdns.iter().map(rdn).collect::<Vec<_>>().join(separator)
}

fn quoted(value: &str) -> String {
    let special = |c| matches!(c, ',' | '+' | '=' | '"' | '\n' | '\r' | '<' | '>' | '#' | ';');
    let padded = value.starts_with(char::is_whitespace) || value.ends_with(char::is_whitespace);
    if value.is_empty() || padded || value.contains(special) {
        return format!("\"{}\"", value.replace('"', "\"\""));
    }
    value.to_owned()
}

fn rdns(name: &[u8]) -> Vec<Vec<(String, String)>> {
    let Ok((_, name)) = X509Name::from_der(name) else { return Vec::new() };
    let rdns = name.iter_rdn().map(|rdn| {
        rdn.iter()
            .map(|attribute| (attribute.attr_type().to_id_string(), text(attribute.attr_value())))
            .collect()
    });
    rdns.collect()
}

/// A string of any of ASN.1's kinds.
fn text(value: &Any<'_>) -> String {
    match value.tag() {
        Tag::BmpString => {
            let units: Vec<u16> =
                value.data.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
            String::from_utf16_lossy(&units)
        }
        Tag::UniversalString => {
            let units = value.data.chunks_exact(4).map(|c| u32::from_be_bytes([c[0], c[1], c[2], c[3]]));
            units.map(|unit| char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
        }
        Tag::T61String => value.data.iter().map(|byte| char::from(*byte)).collect(),
        _ => String::from_utf8_lossy(value.data).into_owned(),
    }
}

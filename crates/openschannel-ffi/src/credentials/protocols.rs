//! SP_PROT bits (section 1.8): an allow-list in SCHANNEL_CRED, a deny-list in SCH_CREDENTIALS.

use openschannel::credentials::Protocols;
use openschannel::status::{Error, ErrorStatus};

const SERVER: u32 = 0x4005_1555;
const CLIENT: u32 = 0x800A_2AAA;
const DTLS: u32 = 0x000F_0000;
/// SP_PROT_TLS1_2 and SP_PROT_TLS1_3, both roles in each.
const TLS1_2: u32 = 0xC00;
const TLS1_3: u32 = 0x3000;

/// `grbitEnabledProtocols`. Bits of the other role do not count beside ones of the own, nor do versions nobody should use beside ones
/// that can be had.
///
/// # Errors
/// SEC_E_ALGORITHM_MISMATCH: nothing that can be had, or TLS and DTLS together.
pub(super) fn allowed(bits: u32, inbound: bool) -> Result<Protocols, Error> {
    if bits == 0 {
        return Ok(Protocols::SUPPORTED);
    }
    let own = bits & role(inbound);
    if own & DTLS != 0 && own & !DTLS != 0 {
        return Err(mismatch("TLS and DTLS versions are asked for together"));
    }
    some(versions(own))
}

/// `grbitDisabledProtocols`: what is left. Callers set bits of every kind here, also ones without a meaning.
pub(super) fn without(protocols: Protocols, bits: u32, inbound: bool) -> Protocols {
    protocols - versions(bits & role(inbound))
}

/// # Errors
/// SEC_E_ALGORITHM_MISMATCH: none is left.
pub(super) fn some(protocols: Protocols) -> Result<Protocols, Error> {
    if protocols.is_empty() {
        return Err(mismatch("none of the protocol versions asked for is supported"));
    }
    Ok(protocols)
}

/// What SECPKG_ATTR_SUPPORTED_PROTOCOLS reports.
pub(super) fn bits(protocols: Protocols, inbound: bool) -> u32 {
    let mut bits = 0;
    if protocols.contains(Protocols::TLS1_2) {
        bits |= TLS1_2;
    }
    if protocols.contains(Protocols::TLS1_3) {
        bits |= TLS1_3;
    }
    bits & role(inbound)
}

fn role(inbound: bool) -> u32 {
    if inbound { SERVER } else { CLIENT }
}

fn versions(own: u32) -> Protocols {
    let mut versions = Protocols::empty();
    versions.set(Protocols::TLS1_2, own & TLS1_2 != 0);
    versions.set(Protocols::TLS1_3, own & TLS1_3 != 0);
    versions
}

pub(super) fn mismatch(reason: &'static str) -> Error {
    Error::new(ErrorStatus::AlgorithmMismatch).because(reason)
}

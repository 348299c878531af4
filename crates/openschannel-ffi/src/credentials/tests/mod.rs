//! The room as a whole: structures in memory as C programs build them, and the handshakes that come of them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that finds the unexpected is to stop there")]

mod choices;
mod table;
#[cfg(not(windows))]
mod with_certificates;

use core::ffi::c_void;
use std::sync::Arc;

use openschannel::ContextOptions;
use openschannel::credentials::{Identity, SignatureScheme, Trust};
use openschannel::status::ErrorStatus;

use super::common::{CERTIFICATES, Pair, identity};
use super::*;
use crate::types::{
    CryptoSettings, SchCredentials, SchannelCred, SecWchar, TlsParameters, UnicodeString, cred_flags,
};

pub(super) const CLIENT: u32 = SECPKG_CRED_OUTBOUND;
pub(super) const SERVER: u32 = SECPKG_CRED_INBOUND;

/// Everything zero but the version.
pub(super) fn schannel_cred() -> SchannelCred {
    SchannelCred {
        version: 4,
        cred_count: 0,
        creds: std::ptr::null_mut(),
        root_store: std::ptr::null_mut(),
        mapper_count: 0,
        mappers: std::ptr::null_mut(),
        supported_alg_count: 0,
        supported_algs: std::ptr::null_mut(),
        enabled_protocols: 0,
        minimum_cipher_strength: 0,
        maximum_cipher_strength: 0,
        session_lifespan: 0,
        flags: 0,
        cred_format: 0,
    }
}

pub(super) fn sch_credentials() -> SchCredentials {
    SchCredentials {
        version: 5,
        cred_format: 0,
        cred_count: 0,
        creds: std::ptr::null_mut(),
        root_store: std::ptr::null_mut(),
        mapper_count: 0,
        mappers: std::ptr::null_mut(),
        session_lifespan: 0,
        flags: 0,
        tls_parameter_count: 0,
        tls_parameters: std::ptr::null_mut(),
    }
}

/// AcquireCredentialsHandle, with the structure at an address that fits nothing.
pub(super) fn acquired<T: Copy>(side: u32, structure: &T) -> Result<Credential, ErrorStatus> {
    let mut memory = vec![0u8; size_of::<T>() + 1];
    let place = memory[1..].as_mut_ptr().cast::<T>();
    // SAFETY: there is room behind the first byte.
    unsafe { place.write_unaligned(*structure) };
    // SAFETY: the structure is there, and the tests hang on it what it says.
    unsafe { acquire(side, place.cast_const().cast(), &Extras::default()) }.map_err(|error| error.status())
}

/// A request as it is behind the structures, with certificates that need no store of the system's.
pub(super) fn request(side: u32) -> Request {
    Request {
        inbound: side == SERVER,
        identities: if side == SERVER {
            vec![identity(&CERTIFICATES.ecdsa), identity(&CERTIFICATES.rsa)]
        } else {
            Vec::new()
        },
        trust: Trust::Roots(vec![CERTIFICATES.authority_der.clone()]),
        ..Request::of_nobody()
    }
}

pub(super) fn credential(request: Request) -> Credential {
    Credential::new(request, &Extras::default()).unwrap()
}

pub(super) fn connected(client: &Credential, server: &Credential) -> Pair {
    let (client, server) = (client.outbound(None).unwrap(), server.inbound(None).unwrap());
    let mut pair = Pair::establish(&client, &server, &ContextOptions::default());
    pair.settle();
    pair
}

pub(super) fn resumed(pair: &Pair) -> bool {
    pair.server.attributes().unwrap().session_info().resumed
}

/// A UNICODE_STRING that owns its text.
pub(super) fn unicode(text: &str) -> UnicodeString {
    let units: Vec<SecWchar> = text.encode_utf16().collect();
    let length = u16::try_from(units.len() * 2).unwrap();
    let buffer = Vec::leak(units).as_mut_ptr();
    UnicodeString { length, maximum_length: length, buffer }
}

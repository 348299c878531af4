//! SCH_CREDENTIALS, `dwVersion` 5.

use openschannel::credentials::{PostHandshake, Protocols};
use openschannel::status::{Error, ErrorStatus};

use crate::types::{CryptoSettings, SchCredentials, TlsParameters};

use super::algorithms::AllowList;
use super::crypto_settings::{Denied, Parameters};
use super::protocols;
use super::request::{Certificates, Request};
use crate::c_memory::{invalid, read as read_value, read_array, read_string};

/// SCH_CREDENTIALS_VERSION
pub(super) const VERSION: u32 = 5;

/// As many of everything as Windows takes (section 1.2, caps).
const MAX_TLS_PARAMETERS: usize = 16;
const MAX_ALPN_IDS: usize = 16;
const MAX_CRYPTO_SETTINGS: usize = 16;
const MAX_CHAINING_MODES: usize = 16;

/// TLS_PARAMS_OPTIONAL
const OPTIONAL: u32 = 1;

/// # Safety
/// `from` points to a SCH_CREDENTIALS, aligned or not, with all that hangs on it.
pub(super) unsafe fn read(from: *const SchCredentials, inbound: bool) -> Result<Request, Error> {
    // SAFETY: the caller's promise.
    let cred = unsafe { read_value(from) };
    if cred.cred_format != 0 {
        // Hashes of certificates in a store are the kernel's format.
        return Err(Error::new(ErrorStatus::UnknownCredentials));
    }
    let count = cred.tls_parameter_count;
    // SAFETY: the caller's promise.
    let structures = unsafe { read_array(cred.tls_parameters.cast_const(), count, MAX_TLS_PARAMETERS) }?;
    let mut parameters = Vec::with_capacity(structures.len());
    for structure in structures {
        // SAFETY: the caller's promise.
        parameters.push(unsafe { read_parameters(structure, inbound) }?);
    }
    let certificates = Certificates {
        count: cred.cred_count,
        creds: cred.creds.cast_const(),
        root_store: cred.root_store,
        flags: cred.flags,
    };
    // SAFETY: the caller's promise.
    let (identities, trust) = unsafe { certificates.read(inbound) }?;
    // What holds for every context must leave a version; what is bound to ALPN identifiers is judged when a context brings them.
    let unbound = parameters.iter().filter(|one| one.alpn.is_empty() && !one.optional);
    let left = unbound
        .fold(Protocols::SUPPORTED, |left, one| protocols::without(left, one.disabled_protocols, inbound));
    protocols::some(left)?;
    Ok(Request {
        inbound,
        identities,
        trust,
        flags: cred.flags,
        lifespan: cred.session_lifespan,
        protocols: Protocols::SUPPORTED,
        allowed: AllowList::default(),
        parameters,
        post_handshake: PostHandshake::Compatible,
    })
}

/// # Safety
/// As [`read`].
unsafe fn read_parameters(from: TlsParameters, inbound: bool) -> Result<Parameters, Error> {
    // SAFETY: the caller's promise.
    let ids = unsafe { read_array(from.alpn_ids.cast_const(), from.alpn_id_count, MAX_ALPN_IDS) }?;
    let mut alpn = Vec::with_capacity(ids.len());
    for id in ids {
        // SAFETY: the caller's promise.
        alpn.push(unsafe { read_string(id) }?.into_bytes());
    }
    let count = from.disabled_crypto_count;
    // SAFETY: the caller's promise.
    let settings = unsafe { read_array(from.disabled_crypto.cast_const(), count, MAX_CRYPTO_SETTINGS) }?;
    let mut denied = Vec::with_capacity(settings.len());
    for setting in settings {
        // SAFETY: the caller's promise.
        denied.push(unsafe { read_setting(setting) }?);
    }
    let optional = inbound && from.flags & OPTIONAL != 0;
    Ok(Parameters { alpn, disabled_protocols: from.disabled_protocols, denied, optional })
}

/// # Safety
/// As [`read`].
unsafe fn read_setting(from: CryptoSettings) -> Result<Denied, Error> {
    // SAFETY: the caller's promise.
    let name = unsafe { read_string(from.cng_alg_id) }?;
    let count = from.chaining_mode_count;
    // SAFETY: the caller's promise.
    let strings = unsafe { read_array(from.chaining_modes.cast_const(), count, MAX_CHAINING_MODES) }?;
    let mut modes = Vec::with_capacity(strings.len());
    for string in strings {
        // SAFETY: the caller's promise.
        modes.push(unsafe { read_string(string) }?);
    }
    Denied::new(from.algorithm_usage, &name, modes, from.min_bit_length, from.max_bit_length)
        .ok_or_else(invalid)
}

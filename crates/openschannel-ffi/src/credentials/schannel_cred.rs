//! SCHANNEL_CRED, `dwVersion` 4: what programs written before Windows 10 1809 pass, and most still do.

use openschannel::credentials::PostHandshake;
use openschannel::status::{Error, ErrorStatus};

use crate::types::SchannelCred;

use super::algorithms::AllowList;
use super::protocols;
use super::request::{Certificates, Request};
use crate::c_memory::{read as read_value, read_array};

/// SCHANNEL_CRED_VERSION
pub(super) const VERSION: u32 = 4;

/// As many algorithms as Windows takes (section 1.2, caps).
const MAX_ALGS: usize = 256;

/// # Safety
/// `from` points to a SCHANNEL_CRED, aligned or not, with all that hangs on it.
pub(super) unsafe fn read(from: *const SchannelCred, inbound: bool) -> Result<Request, Error> {
    // SAFETY: the caller's promise.
    let cred = unsafe { read_value(from) };
    if cred.cred_format != 0 {
        // Hashes of certificates in a store are the kernel's format.
        return Err(Error::new(ErrorStatus::UnknownCredentials));
    }
    let alg_count = if cred.supported_algs.is_null() { 0 } else { cred.supported_alg_count };
    // SAFETY: the caller's promise.
    let algs = unsafe { read_array(cred.supported_algs.cast_const(), alg_count, MAX_ALGS) }?;
    let certificates = Certificates {
        count: cred.cred_count,
        creds: cred.creds.cast_const(),
        root_store: cred.root_store,
        flags: cred.flags,
    };
    // SAFETY: the caller's promise.
    let (identities, trust) = unsafe { certificates.read(inbound) }?;
    Ok(Request {
        inbound,
        identities,
        trust,
        flags: cred.flags,
        lifespan: cred.session_lifespan,
        protocols: protocols::allowed(cred.enabled_protocols, inbound)?,
        allowed: AllowList {
            algs,
            minimum_strength: cred.minimum_cipher_strength,
            maximum_strength: cred.maximum_cipher_strength,
        },
        parameters: Vec::new(),
        // Written before there were session tickets to be passed on (section 6.1).
        post_handshake: PostHandshake::Quiet,
    })
}

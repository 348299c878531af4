//! Certificates, keys and trust, through crypt32.

mod capi;
mod chain;
mod cng;
mod keys;
mod objects;
mod rsa_blob;
mod trust;
mod verdict;

use openschannel::credentials::{Identity, Trust};
use openschannel::status::{Error, ErrorStatus, Fault};
use windows_sys::Win32::Foundation::GetLastError;

#[allow(unreachable_pub, reason = "public structures have them as members")]
pub use windows_sys::Win32::Security::Cryptography::{CERT_CHAIN_CONTEXT, CERT_CONTEXT, HCERTSTORE};

use objects::{Certificate, MemoryStore};

/// The certificate, its chain without the root (with it for `send_root`, SCH_SEND_ROOT_CERT, where it is found), and its private key.
///
/// # Errors
/// SEC_E_UNKNOWN_CREDENTIALS: no certificate, or its key cannot be used. SEC_E_NO_CREDENTIALS: no private key.
///
/// # Safety
/// `context` is a certificate context of crypt32's, or null.
pub(crate) unsafe fn identity(context: *const CERT_CONTEXT, send_root: bool) -> Result<Identity, Error> {
    // SAFETY: as this function's own contract.
    let certificate = unsafe { Certificate::duplicate(context) }
        .ok_or_else(|| Error::new(ErrorStatus::UnknownCredentials).because("there is no certificate"))?;
    let chain = chain::to_send(&certificate, send_root);
    let key = keys::private_key(certificate)?;
    Identity::new(chain, key)
}

/// Whom credentials with these `SCH_CRED_*` flags trust: the system's roots, or those of `root_store` where it counts.
///
/// # Errors
/// SEC_E_UNKNOWN_CREDENTIALS: the store cannot be read.
///
/// # Safety
/// `root_store` is an open store of crypt32's, or null.
pub(crate) unsafe fn trust(root_store: HCERTSTORE, flags: u32, inbound: bool) -> Result<Trust, Error> {
    // SAFETY: as this function's own contract.
    unsafe { trust::custom(root_store, flags, inbound) }
}

/// A certificate context for the caller, who frees it; its `hCertStore` holds the whole chain (section 7).
///
/// # Errors
/// SEC_E_NO_CREDENTIALS: there is no certificate. SEC_E_CERT_UNKNOWN: crypt32 cannot read it.
pub(crate) fn certificate_context(chain: &[Vec<u8>]) -> Result<*const CERT_CONTEXT, Error> {
    Ok(leaf_in_store(chain)?.0.into_raw())
}

/// The chain that crypt32 builds from the certificates, for the caller, who frees it.
///
/// # Errors
/// As [`certificate_context`]; SEC_E_INTERNAL_ERROR: crypt32 builds none.
pub(crate) fn chain_context(chain: &[Vec<u8>]) -> Result<*const CERT_CHAIN_CONTEXT, Error> {
    let (leaf, store) = leaf_in_store(chain)?;
    Ok(chain::build_offline(&leaf, store.handle())?.into_raw())
}

fn leaf_in_store(chain: &[Vec<u8>]) -> Result<(Certificate, MemoryStore), Error> {
    let (leaf, others) = chain
        .split_first()
        .ok_or_else(|| Error::new(ErrorStatus::NoCredentials).because("the peer has shown no certificate"))?;
    let store = MemoryStore::new()?;
    let leaf = store.add(leaf).ok_or_else(|| {
        Error::new(ErrorStatus::CertUnknown).because("the system cannot read the certificate")
    })?;
    for other in others {
        // One that crypt32 cannot read is of no use to anybody; the rest is.
        store.add(other);
    }
    Ok((leaf, store))
}

/// The calling thread's last error, as a system call left it.
fn last_error() -> u32 {
    // SAFETY: reads a number of this thread's.
    unsafe { GetLastError() }
}

/// A system call that should work did not.
fn system_failed(what: &'static str, code: u32) -> Error {
    Error::new(ErrorStatus::InternalError)
        .because(format!("{what} failed with 0x{code:08X}"))
        .by(Fault::Local)
}

/// A line for each object that is alive: certificates are the system's, which counts them itself.
pub(crate) fn outstanding() -> Vec<String> {
    Vec::new()
}

#[cfg(test)]
mod tests;

//! Off Windows: the part of `wincrypt.h` that callers of Schannel need.
//!
//! - `certificate`, `registry`: what contexts and stores are, and who has them.
//! - `contexts`, `stores`, `find`, `import`: how they are made and found.
//! - `properties`, `names`, `inspect`: what can be asked of a certificate.
//! - `chain`: chains, and the policies that judge them.

mod certificate;
mod chain;
mod contexts;
mod decode;
mod encoding;
mod find;
mod import;
mod inspect;
mod last_error;
mod names;
mod output;
mod properties;
mod query;
mod registry;
mod stores;
mod text;
mod types;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::SystemTime;

use openschannel::credentials::{Identity, Trust};
use openschannel::status::{Error, ErrorStatus};

use crate::debug::has_borrowed_rights;
use crate::types::cred_flags;

pub use chain::*;
pub use contexts::*;
pub use decode::*;
pub use encoding::*;
pub use find::*;
pub use import::*;
pub use inspect::*;
pub use last_error::{GetLastError, SetLastError};
pub use names::*;
pub use properties::*;
pub use query::*;
pub use stores::*;
pub use types::{
    AlgorithmId, BitBlob, Blob, CERT_CHAIN_CONTEXT, CERT_CONTEXT, CertInfo, ChainElement, ChainEngineHandle,
    EnhancedKeyUsage, Extension, FileTime, HCERTSTORE, PublicKeyInfo, RevocationInfo, SimpleChain,
    TrustStatus,
};

use certificate::{Certificate, Parsed, Properties};
use last_error::code;
use registry::{StoreKind, registry};

/// The certificate of a credential, its intermediates out of the store it is in, and its private key.
///
/// # Errors
/// SEC_E_UNKNOWN_CREDENTIALS: it is no certificate context, or it names a key that is not there. SEC_E_NO_CREDENTIALS: it has no
/// private key.
///
/// # Safety
/// None is needed here: a pointer that is not ours is not followed. On Windows it is.
pub(crate) unsafe fn identity(context: *const CERT_CONTEXT, send_root: bool) -> Result<Identity, Error> {
    let Some(leaf) = registry::certificate(context) else {
        return Err(Error::new(ErrorStatus::UnknownCredentials).because("it is no certificate context"));
    };
    let Some(key) = leaf.key() else {
        if leaf.properties().names_a_key() {
            return Err(Error::new(ErrorStatus::UnknownCredentials)
                .because("the certificate names a private key that is not there"));
        }
        return Err(Error::new(ErrorStatus::NoCredentials).because("the certificate has no private key"));
    };
    let beside = registry().members(leaf.store()).unwrap_or_default();
    Identity::new(chain_of(&leaf, &beside, send_root), key)
}

/// Whom a credential trusts. Its root store is for the certificates of clients (section 6.1); with SCH_CRED_RESTRICTED_ROOTS for
/// servers too.
///
/// # Errors
/// SEC_E_UNKNOWN_CREDENTIALS: it is no store, or holds what cannot be a root.
///
/// # Safety
/// None is needed here: a handle that is not ours is not followed. On Windows it is.
pub(crate) unsafe fn trust(root_store: HCERTSTORE, flags: u32, inbound: bool) -> Result<Trust, Error> {
    if root_store.is_null() || !(inbound || flags & cred_flags::RESTRICTED_ROOTS != 0) {
        return Ok(match has_borrowed_rights() {
            true => Trust::Roots(system_roots().iter().map(|root| root.der().to_vec()).collect()),
            false => Trust::System,
        });
    }
    let Some(roots) = registry().members(root_store) else {
        return Err(Error::new(ErrorStatus::UnknownCredentials).because("hRootStore is no certificate store"));
    };
    Ok(Trust::Roots(roots.iter().map(|root| root.der().to_vec()).collect()))
}

/// A peer's certificates, leaf first, in a store of their own; the context is the caller's to free, and the store goes with it.
///
/// # Errors
/// SEC_E_NO_CREDENTIALS: there is none. SEC_E_CERT_UNKNOWN: one cannot be parsed.
pub(crate) fn certificate_context(chain: &[Vec<u8>]) -> Result<*const CERT_CONTEXT, Error> {
    let chain = parse(chain)?;
    let mut registry = registry();
    let leaf = store_chain(&mut registry, chain).map_err(unexpected)?;
    let context = registry.refer(&leaf);
    registry.close_store(leaf.store(), false).map_err(unexpected)?;
    Ok(context)
}

/// The chain of a peer's certificates, leaf first, built as CertGetCertificateChain does without any conditions.
///
/// # Errors
/// As for [`certificate_context`].
pub(crate) fn chain_context(chain: &[Vec<u8>]) -> Result<*const CERT_CHAIN_CONTEXT, Error> {
    let chain = parse(chain)?;
    let leaf = store_chain(&mut registry(), chain).map_err(unexpected)?;
    let request = Request::plain(&leaf, SystemTime::now());
    let built = build(&request);
    let mut registry = registry();
    let context = registry.add_chain(built);
    registry.close_store(leaf.store(), false).map_err(unexpected)?;
    Ok(context)
}

/// What the caller has not given back, in words, for the leak report.
pub(crate) fn outstanding() -> Vec<String> {
    registry().outstanding()
}

fn parse(chain: &[Vec<u8>]) -> Result<Vec<Arc<Parsed>>, Error> {
    if chain.is_empty() {
        return Err(Error::new(ErrorStatus::NoCredentials).because("there is no certificate"));
    }
    let parsed = chain.iter().map(|der| {
        Parsed::read(der)
            .ok_or_else(|| Error::new(ErrorStatus::CertUnknown).because("a certificate cannot be parsed"))
    });
    parsed.collect()
}

/// A new store, open, with these certificates; the leaf in it.
fn store_chain(registry: &mut registry::Registry, chain: Vec<Arc<Parsed>>) -> Result<Arc<Certificate>, u32> {
    let store = registry.open_store(StoreKind::Memory);
    let mut leaf = None;
    for parsed in chain {
        let added = registry.add(store, parsed, Properties::default())?;
        leaf.get_or_insert(added);
    }
    leaf.ok_or(code::E_INVALIDARG)
}

/// A store that was opened this moment refused what stores take.
fn unexpected(_: u32) -> Error {
    Error::new(ErrorStatus::InternalError)
}

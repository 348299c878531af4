//! The calls that build chains and configure engines.

use core::ffi::c_void;
use std::sync::Arc;
use std::time::SystemTime;

use super::build::{Request, RevocationScope, build, file_time};
use super::engine::Engine;
use super::usage::UsageMatch;
use crate::wincrypt::certificate::{Certificate, Parsed};
use crate::wincrypt::find::usage_oids;
use crate::wincrypt::last_error::{answer, code, value};
use crate::wincrypt::registry::{certificate, registry};
use crate::wincrypt::stores::system_roots;
use crate::wincrypt::types::{
    CERT_CHAIN_CONTEXT, CERT_CONTEXT, ChainEngineHandle, EnhancedKeyUsage, FileTime, HCERTSTORE, layout,
    slice,
};

/// `CERT_CHAIN_REVOCATION_CHECK_*`
const REVOCATION_END_CERT: u32 = 0x1000_0000;
const REVOCATION_CHAIN: u32 = 0x2000_0000;
const REVOCATION_CHAIN_EXCLUDE_ROOT: u32 = 0x4000_0000;

/// `HCCE_SERIAL_LOCAL_MACHINE`: this and the numbers below it are engines that are always there.
const LAST_PREDEFINED_ENGINE: usize = 2;

/// `USAGE_MATCH_TYPE_OR`
const MATCH_ONE: u32 = 1;

/// `CERT_CHAIN_EXCLUSIVE_ENABLE_CA_FLAG`
const EXCLUSIVE_ENABLE_CA: u32 = 1;

/// `CERT_CHAIN_PARA`, as far as every version has it.
#[repr(C)]
#[derive(Clone, Copy)]
struct ChainPara {
    size: u32,
    requested: RequestedUsage,
}
layout!(ChainPara, 32, requested @ 8);

/// `CERT_USAGE_MATCH`
#[repr(C)]
#[derive(Clone, Copy)]
struct RequestedUsage {
    kind: u32,
    usage: EnhancedKeyUsage,
}
layout!(RequestedUsage, 24, usage @ 8);

/// `CERT_CHAIN_ENGINE_CONFIG`, with the fields of Windows 7 and Windows 8.
#[repr(C)]
#[derive(Clone, Copy)]
struct EngineConfig {
    size: u32,
    restricted_root: HCERTSTORE,
    restricted_trust: HCERTSTORE,
    restricted_other: HCERTSTORE,
    additional_count: u32,
    additional: *const HCERTSTORE,
    flags: u32,
    url_retrieval_timeout: u32,
    maximum_cached_certificates: u32,
    cycle_detection_modulus: u32,
    exclusive_root: HCERTSTORE,
    exclusive_trusted_people: HCERTSTORE,
    exclusive_flags: u32,
}
layout!(EngineConfig, 88, restricted_root @ 8, additional_count @ 32, additional @ 40, exclusive_root @ 64, exclusive_flags @ 80);

/// `CertGetCertificateChain`: the best chain there is for a certificate, out of its store, `hAdditionalStore`, the engine's stores and
/// the roots. TRUE whatever is wrong with it: that stands in the chain. Nothing is fetched from the network; a revocation check
/// that is asked for leaves CERT_TRUST_REVOCATION_STATUS_UNKNOWN.
///
/// FALSE with E_INVALIDARG for handles that are not ours.
///
/// # Safety
/// `pTime` is null or points to a FILETIME; `pChainPara` is null or points to a CERT_CHAIN_PARA that says the truth; `ppChainContext`
/// points to a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn CertGetCertificateChain(
    hChainEngine: ChainEngineHandle,
    pCertContext: *const CERT_CONTEXT,
    pTime: *const FileTime,
    hAdditionalStore: HCERTSTORE,
    pChainPara: *const c_void,
    dwFlags: u32,
    _pvReserved: *const c_void,
    ppChainContext: *mut *const CERT_CHAIN_CONTEXT,
) -> i32 {
    answer(|| {
        if ppChainContext.is_null() {
            return Err(code::E_INVALIDARG);
        }
        // SAFETY: the caller vouches for it; it is not null.
        unsafe { ppChainContext.write_unaligned(std::ptr::null()) };
        let leaf = certificate(pCertContext).ok_or(code::E_INVALIDARG)?;
        let engine = engine(hChainEngine)?;
        let now = match pTime.is_null() {
            true => file_time(SystemTime::now()),
            // SAFETY: the caller vouches for it; it is not null.
            false => unsafe { pTime.read_unaligned() },
        };
        // SAFETY: as the caller's.
        let usage = unsafe { requested_usage(pChainPara.cast()) }?;
        let request = Request {
            candidates: candidates(&leaf, hAdditionalStore, &engine)?,
            leaf,
            roots: roots(&engine)?,
            any_root: engine.any_root,
            now,
            usage,
            revocation: scope(dwFlags),
            create_flags: dwFlags,
        };
        let chain = build(&request);
        let context = registry().add_chain(chain);
        // SAFETY: as above.
        unsafe { ppChainContext.write_unaligned(context) };
        Ok(())
    })
}

/// `CertDuplicateCertificateChain`: one more reference to the same chain. NULL for what is no chain.
///
/// # Safety
/// None is needed: a pointer that is not ours is not followed.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn CertDuplicateCertificateChain(
    pChainContext: *const CERT_CHAIN_CONTEXT,
) -> *const CERT_CHAIN_CONTEXT {
    value(std::ptr::null(), || match registry().duplicate_chain(pChainContext) {
        true => Ok(pChainContext),
        false => Err(code::E_INVALIDARG),
    })
}

/// `CertFreeCertificateChain`: gives a reference back.
///
/// # Safety
/// None is needed: a pointer that is not ours is not followed.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn CertFreeCertificateChain(pChainContext: *const CERT_CHAIN_CONTEXT) {
    crate::boundary::value((), || {
        registry().release_chain(pChainContext);
    });
}

/// `CertCreateCertificateChainEngine`: hRestrictedRoot, hExclusiveRoot with CERT_CHAIN_EXCLUSIVE_ENABLE_CA_FLAG, and the additional
/// stores count. FALSE with E_INVALIDARG for handles that are no stores.
///
/// # Safety
/// `pConfig` points to a CERT_CHAIN_ENGINE_CONFIG of the size it says; `phChainEngine` to a handle.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn CertCreateCertificateChainEngine(
    pConfig: *const c_void,
    phChainEngine: *mut ChainEngineHandle,
) -> i32 {
    answer(|| {
        if phChainEngine.is_null() {
            return Err(code::E_INVALIDARG);
        }
        // SAFETY: the caller vouches for it; it is not null.
        unsafe { phChainEngine.write_unaligned(std::ptr::null_mut()) };
        // SAFETY: as the caller's.
        let config = unsafe { read_config(pConfig) }?;
        // SAFETY: the caller vouches for the array.
        let additional = unsafe { slice(config.additional, config.additional_count) };
        let store = |handle: HCERTSTORE| (!handle.is_null()).then_some(handle);
        let engine = Engine {
            restricted_root: store(config.restricted_root),
            exclusive_root: store(config.exclusive_root),
            any_root: config.exclusive_flags & EXCLUSIVE_ENABLE_CA != 0 && !config.exclusive_root.is_null(),
            additional: additional.ok_or(code::E_INVALIDARG)?.to_vec(),
        };
        let mut registry = registry();
        if !engine.stores().all(|store| registry.is_store(store)) {
            return Err(code::E_INVALIDARG);
        }
        let handle = registry.add_engine(engine);
        // SAFETY: as above.
        unsafe { phChainEngine.write_unaligned(handle) };
        Ok(())
    })
}

/// `CertFreeCertificateChainEngine`
///
/// # Safety
/// None is needed.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn CertFreeCertificateChainEngine(hChainEngine: ChainEngineHandle) {
    crate::boundary::value((), || registry().remove_engine(hChainEngine));
}

fn engine(handle: ChainEngineHandle) -> Result<Arc<Engine>, u32> {
    if handle.addr() <= LAST_PREDEFINED_ENGINE {
        return Ok(Arc::default());
    }
    registry().engine(handle).ok_or(code::E_INVALIDARG)
}

fn candidates(
    leaf: &Arc<Certificate>,
    additional: HCERTSTORE,
    engine: &Engine,
) -> Result<Vec<Arc<Certificate>>, u32> {
    let registry = registry();
    let mut found = registry.members(leaf.store()).unwrap_or_default();
    if !additional.is_null() {
        found.extend(registry.members(additional).ok_or(code::E_INVALIDARG)?);
    }
    for store in &engine.additional {
        found.extend(registry.members(*store).unwrap_or_default());
    }
    Ok(found)
}

fn roots(engine: &Engine) -> Result<Vec<Arc<Parsed>>, u32> {
    let in_store = |store: HCERTSTORE| -> Result<Vec<Arc<Parsed>>, u32> {
        let members = registry().members(store).ok_or(code::E_INVALIDARG)?;
        Ok(members.iter().map(|member| Arc::clone(member.parsed())).collect())
    };
    if let Some(exclusive) = engine.exclusive_root {
        return in_store(exclusive);
    }
    let Some(restricted) = engine.restricted_root else { return Ok(system_roots().to_vec()) };
    let mut roots = in_store(restricted)?;
    roots.retain(|root| system_roots().iter().any(|trusted| trusted.der() == root.der()));
    Ok(roots)
}

/// Of several flags the one with the highest coverage.
fn scope(flags: u32) -> RevocationScope {
    match flags {
        flags if flags & REVOCATION_CHAIN != 0 => RevocationScope::Chain,
        flags if flags & REVOCATION_CHAIN_EXCLUDE_ROOT != 0 => RevocationScope::ChainWithoutRoot,
        flags if flags & REVOCATION_END_CERT != 0 => RevocationScope::Leaf,
        _ => RevocationScope::Nothing,
    }
}

/// # Safety
/// `para` is null or points to a CERT_CHAIN_PARA that says the truth.
unsafe fn requested_usage(para: *const ChainPara) -> Result<Option<UsageMatch>, u32> {
    if para.is_null() {
        return Ok(None);
    }
    // SAFETY: the caller vouches for it; it is not null.
    let para = unsafe { para.read_unaligned() };
    // SAFETY: the caller vouches for the strings.
    let oids = unsafe { usage_oids(&raw const para.requested.usage) }?;
    let one_is_enough = para.requested.kind == MATCH_ONE;
    Ok((!oids.is_empty()).then_some(UsageMatch { one_is_enough, oids }))
}

/// # Safety
/// `config` is null or points to a CERT_CHAIN_ENGINE_CONFIG of the size it says.
unsafe fn read_config(config: *const c_void) -> Result<EngineConfig, u32> {
    const OLDEST: usize = std::mem::offset_of!(EngineConfig, exclusive_root);
    if config.is_null() {
        return Err(code::E_INVALIDARG);
    }
    // SAFETY: the caller vouches for its first field; it is not null.
    let size = unsafe { config.cast::<u32>().read_unaligned() } as usize;
    if size < OLDEST {
        return Err(code::E_INVALIDARG);
    }
    let mut whole = std::mem::MaybeUninit::<EngineConfig>::zeroed();
    let known = size.min(size_of::<EngineConfig>());
    // SAFETY: the caller vouches for `size` bytes, of which no more are copied than there is room for.
    unsafe { std::ptr::copy_nonoverlapping(config.cast::<u8>(), whole.as_mut_ptr().cast::<u8>(), known) };
    // SAFETY: all fields are numbers and raw pointers, which may be zero.
    Ok(unsafe { whole.assume_init() })
}

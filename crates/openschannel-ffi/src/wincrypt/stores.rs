//! Certificate stores: in memory, the system's roots, and collections of stores.

use core::ffi::{c_char, c_void};
use std::sync::{Arc, OnceLock};

use super::certificate::{Certificate, Parsed, Properties};
use super::contexts::read;
use super::last_error::{answer, code, value};
use super::registry::{Registry, Sibling, StoreKind, certificate, registry};
use super::text::{from_narrow, from_wide};
use super::types::{CERT_CONTEXT, HCERTSTORE, slice};
use crate::debug::has_borrowed_rights;

/// `CERT_STORE_PROV_*`, as numbers in the place of a name.
mod provider {
    pub(super) const MEMORY: usize = 2;
    pub(super) const SYSTEM_A: usize = 9;
    pub(super) const SYSTEM_W: usize = 10;
    pub(super) const COLLECTION: usize = 11;
    pub(super) const SYSTEM_REGISTRY_A: usize = 12;
    pub(super) const SYSTEM_REGISTRY_W: usize = 13;
    /// The largest number that is not an address of a name.
    pub(super) const LAST: usize = 0xFFFF;
}

/// `CERT_STORE_ADD_*`
mod disposition {
    pub(super) const NEW: u32 = 1;
    pub(super) const USE_EXISTING: u32 = 2;
    pub(super) const REPLACE_EXISTING: u32 = 3;
    pub(super) const ALWAYS: u32 = 4;
    pub(super) const REPLACE_EXISTING_INHERIT_PROPERTIES: u32 = 5;
    pub(super) const NEWER: u32 = 6;
    pub(super) const NEWER_INHERIT_PROPERTIES: u32 = 7;
}

/// `CERT_CLOSE_STORE_FORCE_FLAG`
const CLOSE_FORCE: u32 = 1;
/// `CERT_CLOSE_STORE_CHECK_FLAG`
const CLOSE_CHECK: u32 = 2;
/// `CERT_STORE_READONLY_FLAG`
const READ_ONLY: u32 = 0x8000;
/// `CERT_STORE_DELETE_FLAG`: there is nothing to delete.
const DELETE: u32 = 0x10;
/// `CERT_PHYSICAL_STORE_ADD_ENABLE_FLAG`
const ADD_ENABLE: u32 = 1;

/// `CertOpenStore`: CERT_STORE_PROV_MEMORY, CERT_STORE_PROV_COLLECTION, and CERT_STORE_PROV_SYSTEM with ROOT, the system's roots, or
/// any other name, an empty store of this process. NULL with ERROR_FILE_NOT_FOUND for other providers.
///
/// # Safety
/// `lpszStoreProvider` is a number or points to a C string, `pvPara` to a string of the width that the provider says.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn CertOpenStore(
    lpszStoreProvider: *const c_char,
    _dwEncodingType: u32,
    _hCryptProv: usize,
    dwFlags: u32,
    pvPara: *const c_void,
) -> HCERTSTORE {
    value(std::ptr::null_mut(), || {
        if dwFlags & DELETE != 0 {
            return Err(code::ERROR_ACCESS_DENIED);
        }
        // SAFETY: as the caller's.
        let provider = unsafe { provider_number(lpszStoreProvider) }.ok_or(code::ERROR_FILE_NOT_FOUND)?;
        match provider {
            provider::MEMORY if dwFlags & READ_ONLY != 0 => Ok(registry().open_store(StoreKind::ReadOnly)),
            provider::MEMORY => Ok(registry().open_store(StoreKind::Memory)),
            provider::COLLECTION => Ok(registry().open_store(StoreKind::Collection(Vec::new()))),
            provider::SYSTEM_A | provider::SYSTEM_REGISTRY_A => {
                // SAFETY: as the caller's.
                let name = unsafe { from_narrow(pvPara.cast()) };
                system_store(&name.ok_or(code::E_INVALIDARG)?)
            }
            provider::SYSTEM_W | provider::SYSTEM_REGISTRY_W => {
                // SAFETY: as the caller's.
                let name = unsafe { from_wide(pvPara.cast()) };
                system_store(&name.ok_or(code::E_INVALIDARG)?)
            }
            _ => Err(code::ERROR_FILE_NOT_FOUND),
        }
    })
}

/// `CertOpenSystemStoreA`: ROOT, the system's roots; every other name is an empty store.
///
/// # Safety
/// `szSubsystemProtocol` is null or a C string.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn CertOpenSystemStoreA(
    _hProv: usize,
    szSubsystemProtocol: *const c_char,
) -> HCERTSTORE {
    value(std::ptr::null_mut(), || {
        // SAFETY: as the caller's.
        let name = unsafe { from_narrow(szSubsystemProtocol) };
        system_store(&name.ok_or(code::E_INVALIDARG)?)
    })
}

/// `CertOpenSystemStoreW`, the same.
///
/// # Safety
/// `szSubsystemProtocol` is null or a string of 16-bit units.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn CertOpenSystemStoreW(
    _hProv: usize,
    szSubsystemProtocol: *const u16,
) -> HCERTSTORE {
    value(std::ptr::null_mut(), || {
        // SAFETY: as the caller's.
        let name = unsafe { from_wide(szSubsystemProtocol) };
        system_store(&name.ok_or(code::E_INVALIDARG)?)
    })
}

/// `CertDuplicateStore`: one more handle to close. NULL for what is no store.
///
/// # Safety
/// None is needed.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn CertDuplicateStore(hCertStore: HCERTSTORE) -> HCERTSTORE {
    value(std::ptr::null_mut(), || match registry().duplicate_store(hCertStore) {
        true => Ok(hCertStore),
        false => Err(code::E_INVALIDARG),
    })
}

/// `CertCloseStore`. With CERT_CLOSE_STORE_CHECK_FLAG FALSE and CRYPT_E_PENDING_CLOSE when contexts of the store have not been freed;
/// the store is closed all the same, and goes with the last of them. With CERT_CLOSE_STORE_FORCE_FLAG they go at once.
///
/// # Safety
/// None is needed; with CERT_CLOSE_STORE_FORCE_FLAG no context of the store may be used afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn CertCloseStore(hCertStore: HCERTSTORE, dwFlags: u32) -> i32 {
    answer(|| {
        if hCertStore.is_null() {
            return Ok(());
        }
        match registry().close_store(hCertStore, dwFlags & CLOSE_FORCE != 0)? {
            false if dwFlags & CLOSE_CHECK != 0 => Err(code::CRYPT_E_PENDING_CLOSE),
            _ => Ok(()),
        }
    })
}

/// `CertAddCertificateContextToStore`: a copy of the certificate, properties and private key included. FALSE with CRYPT_E_EXISTS as the
/// disposition says, ERROR_ACCESS_DENIED for a store that takes nothing.
///
/// # Safety
/// `ppStoreContext` is null or points to a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn CertAddCertificateContextToStore(
    hCertStore: HCERTSTORE,
    pCertContext: *const CERT_CONTEXT,
    dwAddDisposition: u32,
    ppStoreContext: *mut *const CERT_CONTEXT,
) -> i32 {
    answer(|| {
        let source = certificate(pCertContext).ok_or(code::E_INVALIDARG)?;
        let properties = source.properties().clone();
        let mut registry = registry();
        let new = add(&mut registry, hCertStore, Arc::clone(source.parsed()), properties, dwAddDisposition)?;
        // SAFETY: as the caller's.
        unsafe { hand_out(&mut registry, &new, ppStoreContext) };
        Ok(())
    })
}

/// `CertAddEncodedCertificateToStore`: the same with a certificate in DER.
///
/// # Safety
/// `pbCertEncoded` is null or points to `cbCertEncoded` bytes; `ppCertContext` is null or points to a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn CertAddEncodedCertificateToStore(
    hCertStore: HCERTSTORE,
    dwCertEncodingType: u32,
    pbCertEncoded: *const u8,
    cbCertEncoded: u32,
    dwAddDisposition: u32,
    ppCertContext: *mut *const CERT_CONTEXT,
) -> i32 {
    answer(|| {
        // SAFETY: as the caller's.
        let bytes = unsafe { slice(pbCertEncoded, cbCertEncoded) };
        let parsed = read(dwCertEncodingType, bytes)?;
        let mut registry = registry();
        let new = add(&mut registry, hCertStore, parsed, Properties::default(), dwAddDisposition)?;
        // SAFETY: as the caller's.
        unsafe { hand_out(&mut registry, &new, ppCertContext) };
        Ok(())
    })
}

/// `CertDeleteCertificateFromStore`: takes the certificate out of its store and gives the caller's reference back, the latter always.
///
/// # Safety
/// None is needed: a pointer that is not ours is not followed.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn CertDeleteCertificateFromStore(pCertContext: *const CERT_CONTEXT) -> i32 {
    answer(|| {
        let mut registry = registry();
        let certificate = registry.certificate(pCertContext).cloned().ok_or(code::E_INVALIDARG)?;
        let outcome = registry.remove(&certificate);
        registry.release(pCertContext);
        outcome
    })
}

/// `CertEnumCertificatesInStore`: the certificate behind `pPrevCertContext`, whose reference is given back; the first one for NULL. NULL with
/// CRYPT_E_NOT_FOUND behind the last one.
///
/// # Safety
/// None is needed: a pointer that is not ours is not followed.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn CertEnumCertificatesInStore(
    hCertStore: HCERTSTORE,
    pPrevCertContext: *const CERT_CONTEXT,
) -> *const CERT_CONTEXT {
    value(std::ptr::null(), || next(hCertStore, pPrevCertContext, |_| true))
}

/// `CertAddStoreToCollection`: what is in `hSiblingStore` is in the collection too, now and later. FALSE with E_INVALIDARG when one of them is
/// no store, or the collection would end up in itself.
///
/// # Safety
/// None is needed.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn CertAddStoreToCollection(
    hCollectionStore: HCERTSTORE,
    hSiblingStore: HCERTSTORE,
    dwUpdateFlags: u32,
    dwPriority: u32,
) -> i32 {
    answer(|| {
        // Documented: NULL is no mistake.
        if hSiblingStore.is_null() {
            return Ok(());
        }
        let takes_additions = dwUpdateFlags & ADD_ENABLE != 0;
        registry().add_sibling(
            hCollectionStore,
            Sibling { store: hSiblingStore.addr(), takes_additions, priority: dwPriority },
        )
    })
}

/// `CertRemoveStoreFromCollection`
///
/// # Safety
/// None is needed.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn CertRemoveStoreFromCollection(
    hCollectionStore: HCERTSTORE,
    hSiblingStore: HCERTSTORE,
) {
    crate::boundary::value((), || registry().remove_sibling(hCollectionStore, hSiblingStore));
}

/// `CertControlStore`: stores here have nothing behind them to resynchronise with, so that every command is done at once.
///
/// # Safety
/// None is needed.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn CertControlStore(
    hCertStore: HCERTSTORE,
    _dwFlags: u32,
    _dwCtrlType: u32,
    _pvCtrlPara: *const c_void,
) -> i32 {
    answer(|| match registry().is_store(hCertStore) {
        true => Ok(()),
        false => Err(code::E_INVALIDARG),
    })
}

/// The next certificate of a store that `wanted` likes, with a reference for the caller; that to `previous` is given back.
pub(super) fn next(
    store: HCERTSTORE,
    previous: *const CERT_CONTEXT,
    wanted: impl Fn(&Certificate) -> bool,
) -> Result<*const CERT_CONTEXT, u32> {
    let members = registry().members(store);
    let found = members.map(|members| {
        let behind = members.iter().position(|member| member.context() == previous);
        // One that was taken out meanwhile has no successor; starting over might never end.
        let start = if previous.is_null() { Some(0) } else { behind.map(|position| position + 1) };
        start.and_then(|start| members.into_iter().skip(start).find(|member| wanted(member)))
    });
    let mut registry = registry();
    let answer = match found {
        None => Err(code::E_INVALIDARG),
        Some(None) => Err(code::CRYPT_E_NOT_FOUND),
        Some(Some(found)) => Ok(registry.refer(&found)),
    };
    registry.release(previous);
    answer
}

/// Adds as the disposition says.
pub(super) fn add(
    registry: &mut Registry,
    store: HCERTSTORE,
    parsed: Arc<Parsed>,
    mut properties: Properties,
    disposition: u32,
) -> Result<Arc<Certificate>, u32> {
    let members = registry.members(store).ok_or(code::E_INVALIDARG)?;
    // Issuer and serial number are what a certificate is known by.
    let same = members.into_iter().find(|member| {
        let (ours, new) = (member.parsed().names(), parsed.names());
        ours.issuer == new.issuer && ours.serial == new.serial
    });
    if let Some(existing) = &same {
        let is_newer = || parsed.info().not_before.ticks() > existing.parsed().info().not_before.ticks();
        let inherit = |properties: &mut Properties| {
            let old = existing.properties().clone();
            properties.key = properties.key.take().or(old.key);
            for (id, bytes) in old.values {
                properties.values.entry(id).or_insert(bytes);
            }
        };
        match disposition {
            disposition::NEW => return Err(code::CRYPT_E_EXISTS),
            disposition::USE_EXISTING => {
                let mut kept = existing.properties();
                kept.key = kept.key.take().or(properties.key);
                for (id, bytes) in properties.values {
                    kept.values.entry(id).or_insert(bytes);
                }
                drop(kept);
                return Ok(Arc::clone(existing));
            }
            disposition::REPLACE_EXISTING => registry.remove(existing)?,
            disposition::REPLACE_EXISTING_INHERIT_PROPERTIES => {
                inherit(&mut properties);
                registry.remove(existing)?;
            }
            disposition::NEWER | disposition::NEWER_INHERIT_PROPERTIES if !is_newer() => {
                return Err(code::CRYPT_E_EXISTS);
            }
            disposition::NEWER => registry.remove(existing)?,
            disposition::NEWER_INHERIT_PROPERTIES => {
                inherit(&mut properties);
                registry.remove(existing)?;
            }
            disposition::ALWAYS => {}
            _ => return Err(code::E_INVALIDARG),
        }
    } else if !(disposition::NEW..=disposition::NEWER_INHERIT_PROPERTIES).contains(&disposition) {
        return Err(code::E_INVALIDARG);
    }
    registry.add(store, parsed, properties)
}

/// Gives the caller a reference, if there is a place for it.
///
/// # Safety
/// `place` is null or points to a pointer.
pub(super) unsafe fn hand_out(
    registry: &mut Registry,
    certificate: &Arc<Certificate>,
    place: *mut *const CERT_CONTEXT,
) {
    if place.is_null() {
        return;
    }
    let context = registry.refer(certificate);
    // SAFETY: the caller vouches for the place; it is not null.
    unsafe { place.write_unaligned(context) };
}

/// # Safety
/// `provider` is a number or points to a C string.
unsafe fn provider_number(provider: *const c_char) -> Option<usize> {
    if provider.addr() <= provider::LAST {
        return Some(provider.addr());
    }
    // SAFETY: the caller vouches for what is not a number.
    let name = unsafe { from_narrow(provider) }?;
    match name.to_ascii_lowercase().as_str() {
        "memory" => Some(provider::MEMORY),
        "collection" => Some(provider::COLLECTION),
        "system" => Some(provider::SYSTEM_W),
        "systemregistry" => Some(provider::SYSTEM_REGISTRY_W),
        _ => None,
    }
}

fn system_store(name: &str) -> Result<HCERTSTORE, u32> {
    if name.is_empty() {
        return Err(code::E_INVALIDARG);
    }
    // "user\\ROOT" and the like name the same store for somebody else.
    let name = name.rsplit('\\').next().unwrap_or(name);
    if name.eq_ignore_ascii_case("ROOT") || name.eq_ignore_ascii_case("AuthRoot") {
        return Ok(registry().fill_read_only(system_roots()));
    }
    Ok(registry().open_store(StoreKind::Memory))
}

/// The operating system's roots, read once; what the environment adds to them only where it is the program's own.
pub(super) fn system_roots() -> &'static [Arc<Parsed>] {
    static ROOTS: OnceLock<Vec<Arc<Parsed>>> = OnceLock::new();
    ROOTS.get_or_init(|| {
        let roots = match has_borrowed_rights() {
            true => openschannel::credentials::system_roots_without_environment(),
            false => openschannel::credentials::system_roots(),
        };
        roots.iter().filter_map(|root| Parsed::read(root)).collect()
    })
}

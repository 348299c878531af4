//! Certificates with their private keys: PKCS #12, PEM and DER.

use core::ffi::c_void;
use std::sync::Arc;

use openschannel::credentials::{Identity, PfxContents, PfxError, PrivateKey};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroizing;

use super::certificate::{Certificate, Parsed, Properties};
use super::last_error::{answer, code, value};
use super::properties::id;
use super::registry::{StoreKind, certificate, registry};
use super::stores::{add, hand_out};
use super::text::{secret_from_wide, to_wide};
use super::types::{Blob, CERT_CONTEXT, HCERTSTORE, slice};

/// `CERT_STORE_ADD_ALWAYS` and `CERT_STORE_ADD_USE_EXISTING`
const ADD_ALWAYS: u32 = 4;
const ADD_USE_EXISTING: u32 = 2;

/// `PFXImportCertStore`: the certificates and private keys of a PKCS #12 file, as a store in memory. Every key belongs to its
/// certificate there and stays inside. NULL with ERROR_INVALID_PASSWORD for a wrong password or a changed file, CRYPT_E_BAD_ENCODE for
/// what is no such file. The flags say where Windows keeps keys; here that is always the store.
///
/// # Safety
/// `pPFX` is null or points to a blob that says the truth; `szPassword` is null or a string of 16-bit units.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn PFXImportCertStore(
    pPFX: *const Blob,
    szPassword: *const u16,
    _dwFlags: u32,
) -> HCERTSTORE {
    value(std::ptr::null_mut(), || {
        // SAFETY: as the caller's.
        let bytes = unsafe { blob(pPFX) }.ok_or(code::E_INVALIDARG)?;
        // SAFETY: as the caller's.
        let password = unsafe { secret_from_wide(szPassword) }.unwrap_or_default();
        let contents = PfxContents::open(bytes, &password).map_err(|error| refusal(&error))?;
        Ok(pfx_store(contents))
    })
}

/// `PFXIsPFXBlob`: whether it looks like PKCS #12.
///
/// # Safety
/// `pPFX` is null or points to a blob that says the truth.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn PFXIsPFXBlob(pPFX: *const Blob) -> i32 {
    crate::boundary::value(0, || {
        // SAFETY: as the caller's.
        let bytes = unsafe { blob(pPFX) };
        i32::from(bytes.is_some_and(PfxContents::looks_like_one))
    })
}

/// `PFXVerifyPassword`: FALSE with ERROR_INVALID_PASSWORD for a wrong one.
///
/// # Safety
/// `pPFX` is null or points to a blob that says the truth; `szPassword` is null or a string of 16-bit units.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn PFXVerifyPassword(
    pPFX: *const Blob,
    szPassword: *const u16,
    _dwFlags: u32,
) -> i32 {
    answer(|| {
        // SAFETY: as the caller's.
        let bytes = unsafe { blob(pPFX) }.ok_or(code::E_INVALIDARG)?;
        // SAFETY: as the caller's.
        let password = unsafe { secret_from_wide(szPassword) }.unwrap_or_default();
        PfxContents::open(bytes, &password).map(drop).map_err(|error| refusal(&error))
    })
}

/// `OpenSchannelImportPem`: certificates, leaf first, and the leaf's private key, each as PEM or DER; the key as PKCS #8, PKCS #1 or
/// SEC 1, unencrypted. Without `pbKey` the key is looked for among the certificates, and need not be there. `hStore` gets them all;
/// with NULL they are in a store of their own, which lives as long as the context and is its `hCertStore`. `ppContext` receives the
/// leaf, which is to be freed.
///
/// FALSE with CRYPT_E_BAD_ENCODE when there is no certificate or the key cannot be read, CRYPT_E_NO_MATCH when it is another
/// certificate's, E_INVALIDARG for arguments that make no sense.
///
/// # Safety
/// `pbChain` and `pbKey` are null or point to as many bytes as are said; `ppContext` is null or points to a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn OpenSchannelImportPem(
    pbChain: *const u8,
    cbChain: u32,
    pbKey: *const u8,
    cbKey: u32,
    hStore: HCERTSTORE,
    ppContext: *mut *const CERT_CONTEXT,
) -> i32 {
    answer(|| {
        // SAFETY: as the caller's.
        let chain = unsafe { slice(pbChain, cbChain) }.ok_or(code::E_INVALIDARG)?;
        // SAFETY: as the caller's.
        let key = unsafe { slice(pbKey, cbKey) }.ok_or(code::E_INVALIDARG)?;
        if hStore.is_null() && ppContext.is_null() {
            return Err(code::E_INVALIDARG);
        }
        let found = certificates(chain)?;
        let leaf = found.first().ok_or(code::CRYPT_E_BAD_ENCODE)?;
        let key = match (key.is_empty(), keys(chain).is_empty()) {
            (false, _) => Some(key_of(leaf.der(), key)?),
            (true, false) => Some(key_of(leaf.der(), chain)?),
            (true, true) => None,
        };
        let mut registry = registry();
        let own = hStore.is_null();
        let store = if own { registry.open_store(StoreKind::Memory) } else { hStore };
        let mut leaf = None;
        for (index, parsed) in found.into_iter().enumerate() {
            let properties = Properties { key: key.clone().filter(|_| index == 0), ..Properties::default() };
            let added = add(&mut registry, store, parsed, properties, ADD_USE_EXISTING)?;
            leaf.get_or_insert(added);
        }
        if let Some(leaf) = &leaf {
            // SAFETY: as the caller's.
            unsafe { hand_out(&mut registry, leaf, ppContext) };
        }
        if own {
            registry.close_store(store, false)?;
        }
        Ok(())
    })
}

/// `OpenSchannelSetPrivateKey`: gives a certificate its private key: PEM or DER; PKCS #8, PKCS #1 or SEC 1; unencrypted. FALSE with
/// CRYPT_E_BAD_ENCODE when it cannot be read, CRYPT_E_NO_MATCH when it is another certificate's.
///
/// # Safety
/// `pbKey` is null or points to `cbKey` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn OpenSchannelSetPrivateKey(
    pContext: *const CERT_CONTEXT,
    pbKey: *const u8,
    cbKey: u32,
) -> i32 {
    answer(|| {
        let certificate = certificate(pContext).ok_or(code::E_INVALIDARG)?;
        // SAFETY: as the caller's.
        let key = unsafe { slice(pbKey, cbKey) }.ok_or(code::E_INVALIDARG)?;
        let key = key_of(certificate.der(), key)?;
        certificate.properties().key = Some(key);
        Ok(())
    })
}

/// `CryptAcquireCertificatePrivateKey`: refused. Keys are used by the credentials made from their certificate and have no handle:
/// NTE_BAD_KEYSET with a key, CRYPT_E_NO_KEY_PROPERTY without.
///
/// # Safety
/// None is needed: a pointer that is not ours is not followed, and nothing is written.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn CryptAcquireCertificatePrivateKey(
    pCert: *const CERT_CONTEXT,
    _dwFlags: u32,
    _pvParameters: *const c_void,
    _phCryptProvOrNCryptKey: *mut usize,
    _pdwKeySpec: *mut u32,
    _pfCallerFreeProvOrNCryptKey: *mut i32,
) -> i32 {
    answer(|| match certificate(pCert).ok_or(code::E_INVALIDARG)?.key() {
        Some(_) => Err(code::NTE_BAD_KEYSET),
        None => Err(code::CRYPT_E_NO_KEY_PROPERTY),
    })
}

/// The certificates in PEM or DER. DER is one certificate.
pub(super) fn certificates(bytes: &[u8]) -> Result<Vec<Arc<Parsed>>, u32> {
    if let Some(parsed) = Parsed::read(bytes) {
        return Ok(vec![parsed]);
    }
    let mut found = Vec::new();
    for der in CertificateDer::pem_slice_iter(bytes) {
        let der = der.map_err(|_| code::CRYPT_E_BAD_ENCODE)?;
        found.push(Parsed::read(&der).ok_or(code::CRYPT_E_BAD_ENCODE)?);
    }
    if found.is_empty() { Err(code::CRYPT_E_BAD_ENCODE) } else { Ok(found) }
}

/// A store with what a PKCS #12 file holds.
pub(super) fn pfx_store(contents: PfxContents) -> HCERTSTORE {
    let mut registry = registry();
    let store = registry.open_store(StoreKind::Memory);
    for entry in contents.certificates {
        let Some(parsed) = Parsed::read(&entry.der) else { continue };
        let mut properties = Properties { key: entry.key, ..Properties::default() };
        if let Some(name) = entry.friendly_name {
            let units = to_wide(&name);
            properties
                .values
                .insert(id::FRIENDLY_NAME, units.iter().flat_map(|unit| unit.to_le_bytes()).collect());
        }
        // The same certificate twice is what the disposition is for.
        let disposition = if properties.key.is_some() { ADD_USE_EXISTING } else { ADD_ALWAYS };
        drop(add(&mut registry, store, parsed, properties, disposition));
    }
    store
}

/// A private key for a certificate.
fn key_of(certificate: &[u8], key: &[u8]) -> Result<Arc<dyn PrivateKey>, u32> {
    let mut error = code::CRYPT_E_BAD_ENCODE;
    for key in keys(key) {
        match Identity::from_der(vec![certificate.to_vec()], key.secret_der()) {
            Ok(identity) => return Ok(Arc::clone(identity.key())),
            // It was read, or it was not; a key of a kind nobody can use is not told apart.
            Err(_) => error = code::CRYPT_E_NO_MATCH,
        }
    }
    Err(error)
}

fn keys(bytes: &[u8]) -> Vec<Zeroizing<PrivateKeyDer<'static>>> {
    if let Ok(key) = PrivateKeyDer::try_from(bytes) {
        return vec![Zeroizing::new(key.clone_key())];
    }
    PrivateKeyDer::pem_slice_iter(bytes).filter_map(Result::ok).map(Zeroizing::new).collect()
}

fn refusal(error: &PfxError) -> u32 {
    match error {
        PfxError::Password(_) => code::ERROR_INVALID_PASSWORD,
        _ => code::CRYPT_E_BAD_ENCODE,
    }
}

/// # Safety
/// `blob` is null or points to a blob that says the truth.
pub(super) unsafe fn blob<'a>(blob: *const Blob) -> Option<&'a [u8]> {
    if blob.is_null() {
        return None;
    }
    // SAFETY: the caller vouches for the blob; it is not null.
    let blob = unsafe { blob.read_unaligned() };
    // SAFETY: the caller vouches for what the blob says.
    unsafe { blob.bytes() }
}

/// The certificates that belong above a leaf, in sending order, out of those it is stored with. A root is left out (peers have it or
/// do not trust it), unless `send_root` (SCH_SEND_ROOT_CERT) asks for it.
pub(super) fn chain_of(
    leaf: &Arc<Certificate>,
    candidates: &[Arc<Certificate>],
    send_root: bool,
) -> Vec<Vec<u8>> {
    let mut chain = vec![Arc::clone(leaf)];
    while let Some(top) = chain.last()
        && !top.parsed().is_self_issued()
    {
        let next = candidates.iter().find(|candidate| {
            candidate.parsed().names().subject == top.parsed().names().issuer
                && (send_root || !candidate.parsed().is_self_issued())
                && !chain.iter().any(|used| used.der() == candidate.der())
                && super::chain::key_ids_agree(top.parsed(), candidate.parsed())
        });
        match next {
            Some(next) => chain.push(Arc::clone(next)),
            None => break,
        }
    }
    chain.iter().map(|certificate| certificate.der().to_vec()).collect()
}

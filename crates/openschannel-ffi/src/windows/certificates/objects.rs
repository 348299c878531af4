//! crypt32's objects, freed when they are dropped.

use core::ffi::c_void;
use core::ptr;
use std::slice;

use openschannel::status::Error;
use windows_sys::Win32::Security::Cryptography::{
    CERT_CHAIN_CONTEXT, CERT_CONTEXT, CERT_STORE_ADD_ALWAYS, CERT_STORE_PROV_MEMORY,
    CertAddEncodedCertificateToStore, CertCloseStore, CertDuplicateCertificateContext,
    CertEnumCertificatesInStore, CertFreeCertificateChain, CertFreeCertificateContext, CertOpenStore,
    HCERTSTORE, PKCS_7_ASN_ENCODING, X509_ASN_ENCODING,
};
use windows_sys::Win32::System::Memory::{
    MEM_COMMIT, MEMORY_BASIC_INFORMATION, PAGE_GUARD, PAGE_NOACCESS, VirtualQuery,
};

use super::{last_error, system_failed};

/// A reference to a certificate context. Contexts are counted and do not change but for their properties, which crypt32 locks.
#[derive(Debug)]
pub(super) struct Certificate(*const CERT_CONTEXT);

// SAFETY: crypt32 lets any thread use a certificate context.
unsafe impl Send for Certificate {}
// SAFETY: as above.
unsafe impl Sync for Certificate {}

impl Certificate {
    /// Another reference to the caller's certificate. `None` for null and for what is no memory.
    ///
    /// # Safety
    /// `context` is a certificate context, or null. Memory that is not there is noticed, because callers pass it (section 2.2).
    pub(super) unsafe fn duplicate(context: *const CERT_CONTEXT) -> Option<Self> {
        if !is_readable(context.cast(), size_of::<CERT_CONTEXT>()) {
            return None;
        }
        // SAFETY: it can be read, and is a certificate context by this function's contract.
        let copy = unsafe { CertDuplicateCertificateContext(context) };
        let certificate = (!copy.is_null()).then(|| Self(copy))?;
        let encoded = certificate.fields();
        is_readable(encoded.pbCertEncoded.cast(), encoded.cbCertEncoded as usize).then_some(certificate)
    }

    /// Takes over a reference that crypt32 has returned.
    ///
    /// # Safety
    /// `context` is a certificate context whose reference is the caller's, or null.
    pub(super) unsafe fn from_raw(context: *const CERT_CONTEXT) -> Option<Self> {
        (!context.is_null()).then(|| Self(context))
    }

    pub(super) fn fields(&self) -> &CERT_CONTEXT {
        // SAFETY: a certificate context stays as it is while there is a reference to it.
        unsafe { &*self.0 }
    }

    pub(super) fn der(&self) -> &[u8] {
        let fields = self.fields();
        // SAFETY: the encoding is a part of the context.
        unsafe { bytes(fields.pbCertEncoded, fields.cbCertEncoded) }
    }

    pub(super) const fn as_ptr(&self) -> *const CERT_CONTEXT {
        self.0
    }

    /// The reference, for a caller that frees it.
    pub(super) fn into_raw(self) -> *const CERT_CONTEXT {
        let context = self.0;
        #[expect(clippy::mem_forget, reason = "the reference goes to the caller")]
        std::mem::forget(self);
        context
    }
}

impl Drop for Certificate {
    fn drop(&mut self) {
        // SAFETY: the reference is this object's own.
        unsafe { CertFreeCertificateContext(self.0) };
    }
}

/// A store in memory.
#[derive(Debug)]
pub(super) struct MemoryStore(HCERTSTORE);

// SAFETY: crypt32 lets any thread use a store.
unsafe impl Send for MemoryStore {}
// SAFETY: as above.
unsafe impl Sync for MemoryStore {}

impl MemoryStore {
    pub(super) fn new() -> Result<Self, Error> {
        // SAFETY: a store in memory takes no parameters.
        let store = unsafe { CertOpenStore(CERT_STORE_PROV_MEMORY, 0, 0, 0, ptr::null()) };
        if store.is_null() { Err(system_failed("CertOpenStore", last_error())) } else { Ok(Self(store)) }
    }

    /// Adds a certificate in DER; `None` when crypt32 cannot read it.
    pub(super) fn add(&self, der: &[u8]) -> Option<Certificate> {
        let mut context = ptr::null_mut();
        let len = u32::try_from(der.len()).ok()?;
        let encoding = X509_ASN_ENCODING | PKCS_7_ASN_ENCODING;
        // SAFETY: the bytes are the slice's; the context goes to a variable.
        let added = unsafe {
            CertAddEncodedCertificateToStore(
                self.0,
                encoding,
                der.as_ptr(),
                len,
                CERT_STORE_ADD_ALWAYS,
                &raw mut context,
            )
        };
        if added == 0 {
            return None;
        }
        // SAFETY: the call has made the reference for this function.
        unsafe { Certificate::from_raw(context) }
    }

    pub(super) const fn handle(&self) -> HCERTSTORE {
        self.0
    }
}

impl Drop for MemoryStore {
    fn drop(&mut self) {
        // SAFETY: the handle is this object's own. Contexts in use outlive it: that is what flags of 0 say.
        unsafe { CertCloseStore(self.0, 0) };
    }
}

/// The certificates of a store, in its order.
///
/// # Safety
/// `store` is an open store.
pub(super) unsafe fn certificates_in(store: HCERTSTORE) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let mut context: *const CERT_CONTEXT = ptr::null();
    loop {
        // SAFETY: the store is open, and the context is the last one it has given, which this call frees.
        context = unsafe { CertEnumCertificatesInStore(store, context) };
        if context.is_null() {
            return found;
        }
        // SAFETY: it is not null, and the store's until the next call.
        let fields = unsafe { &*context };
        // SAFETY: the encoding is a part of the context.
        found.push(unsafe { bytes(fields.pbCertEncoded, fields.cbCertEncoded) }.to_vec());
    }
}

/// A chain that crypt32 has built.
#[derive(Debug)]
pub(super) struct Chain(*const CERT_CHAIN_CONTEXT);

impl Chain {
    /// # Safety
    /// `context` is a chain context whose reference is the caller's.
    pub(super) const unsafe fn from_raw(context: *const CERT_CHAIN_CONTEXT) -> Self {
        Self(context)
    }

    pub(super) fn fields(&self) -> &CERT_CHAIN_CONTEXT {
        // SAFETY: a chain context stays as it is while there is a reference to it.
        unsafe { &*self.0 }
    }

    pub(super) const fn as_ptr(&self) -> *const CERT_CHAIN_CONTEXT {
        self.0
    }

    /// The reference, for a caller that frees it.
    pub(super) fn into_raw(self) -> *const CERT_CHAIN_CONTEXT {
        let context = self.0;
        #[expect(clippy::mem_forget, reason = "the reference goes to the caller")]
        std::mem::forget(self);
        context
    }
}

impl Drop for Chain {
    fn drop(&mut self) {
        // SAFETY: the reference is this object's own.
        unsafe { CertFreeCertificateChain(self.0) };
    }
}

/// What C describes by address and length; empty for null.
///
/// # Safety
/// Unless `start` is null, there are `len` bytes there, which stay as they are as long as the caller says.
pub(super) unsafe fn bytes<'a>(start: *const u8, len: u32) -> &'a [u8] {
    if start.is_null() {
        return &[];
    }
    // SAFETY: as this function's own contract.
    unsafe { slice::from_raw_parts(start, len as usize) }
}

/// Whether there is memory that can be read.
fn is_readable(start: *const c_void, len: usize) -> bool {
    let mut at = start.addr();
    let Some(end) = at.checked_add(len) else { return false };
    while at < end {
        let mut region = MEMORY_BASIC_INFORMATION::default();
        let query = ptr::without_provenance(at);
        // SAFETY: asks about an address without touching it; the answer goes to a variable of the size that is named.
        let size = unsafe { VirtualQuery(query, &raw mut region, size_of::<MEMORY_BASIC_INFORMATION>()) };
        if size == 0 || region.State != MEM_COMMIT || region.Protect & (PAGE_NOACCESS | PAGE_GUARD) != 0 {
            return false;
        }
        let Some(next) = region.BaseAddress.addr().checked_add(region.RegionSize) else { return false };
        at = next;
    }
    true
}

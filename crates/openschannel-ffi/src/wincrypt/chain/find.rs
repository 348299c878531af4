//! CertFindChainInStore: the certificates that a client may present.

use core::ffi::{c_char, c_void};
use std::sync::Arc;
use std::time::SystemTime;

use super::build::{Request, build};
use super::usage::usages;
use crate::wincrypt::certificate::Certificate;
use crate::wincrypt::last_error::{code, value};
use crate::wincrypt::registry::registry;
use crate::wincrypt::text::from_narrow;
use crate::wincrypt::types::{Blob, CERT_CHAIN_CONTEXT, CERT_CONTEXT, HCERTSTORE, layout, slice};

/// `CERT_CHAIN_FIND_BY_ISSUER`
const FIND_BY_ISSUER: u32 = 1;
/// `CERT_CHAIN_FIND_BY_ISSUER_NO_KEY_FLAG`
const NO_KEY: u32 = 0x4000;

/// `CERT_CHAIN_FIND_BY_ISSUER_PARA`, as far as every version has it.
#[repr(C)]
#[derive(Clone, Copy)]
struct FindByIssuer {
    size: u32,
    usage: *const c_char,
    key_spec: u32,
    acquire_flags: u32,
    issuer_count: u32,
    issuers: *const Blob,
    callback: Option<unsafe extern "system" fn(*const CERT_CONTEXT, *mut c_void) -> i32>,
    callback_argument: *mut c_void,
}
layout!(FindByIssuer, 56, usage @ 8, key_spec @ 16, issuer_count @ 24, issuers @ 32, callback @ 40);

/// `CertFindChainInStore`: the chain of the next certificate in a store that has a private key, the usage that is asked for, and one of
/// the issuers above it. `pPrevChainContext` is freed. NULL with CRYPT_E_NOT_FOUND when there is none, E_INVALIDARG for other kinds of
/// search.
///
/// # Safety
/// `pvFindPara` is null or points to a CERT_CHAIN_FIND_BY_ISSUER_PARA that says the truth.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn CertFindChainInStore(
    hCertStore: HCERTSTORE,
    _dwCertEncodingType: u32,
    dwFindFlags: u32,
    dwFindType: u32,
    pvFindPara: *const c_void,
    pPrevChainContext: *const CERT_CHAIN_CONTEXT,
) -> *const CERT_CHAIN_CONTEXT {
    value(std::ptr::null(), || {
        let previous = registry().chain(pPrevChainContext);
        registry().release_chain(pPrevChainContext);
        let members = registry().members(hCertStore).ok_or(code::E_INVALIDARG)?;
        if dwFindType != FIND_BY_ISSUER {
            return Err(code::E_INVALIDARG);
        }
        let start = match previous {
            // One that is not in the store any more has no successor; starting over might never end.
            Some(previous) => members
                .iter()
                .position(|member| {
                    previous.certificates().first().is_some_and(|leaf| Arc::ptr_eq(leaf, member))
                })
                .map_or(members.len(), |position| position + 1),
            None if pPrevChainContext.is_null() => 0,
            None => return Err(code::E_INVALIDARG),
        };
        // SAFETY: as the caller's.
        let wanted = unsafe { Wanted::read(pvFindPara.cast(), dwFindFlags) }?;
        for certificate in &members[start..] {
            if !wanted.may_be(certificate) {
                continue;
            }
            let chain = build(&Request::plain(certificate, SystemTime::now()));
            let issuers =
                |element: &Arc<Certificate>| wanted.issuers.contains(&element.parsed().names().issuer);
            if (wanted.issuers.is_empty() || chain.certificates().iter().any(issuers))
                // SAFETY: the caller vouches for its own function.
                && unsafe { wanted.is_accepted(certificate) }
            {
                return Ok(registry().add_chain(chain));
            }
        }
        Err(code::CRYPT_E_NOT_FOUND)
    })
}

struct Wanted {
    usage: Option<String>,
    needs_key: bool,
    /// DER names; none is any.
    issuers: Vec<Vec<u8>>,
    callback: Option<(unsafe extern "system" fn(*const CERT_CONTEXT, *mut c_void) -> i32, *mut c_void)>,
}

impl Wanted {
    /// # Safety
    /// `para` is null or points to a CERT_CHAIN_FIND_BY_ISSUER_PARA that says the truth.
    unsafe fn read(para: *const FindByIssuer, flags: u32) -> Result<Self, u32> {
        let needs_key = flags & NO_KEY == 0;
        if para.is_null() {
            return Ok(Self { usage: None, needs_key, issuers: Vec::new(), callback: None });
        }
        // SAFETY: the caller vouches for it; it is not null.
        let para = unsafe { para.read_unaligned() };
        // SAFETY: the caller vouches for the string.
        let usage = unsafe { from_narrow(para.usage) };
        // SAFETY: the caller vouches for the array.
        let names = unsafe { slice(para.issuers, para.issuer_count) }.ok_or(code::E_INVALIDARG)?;
        let mut issuers = Vec::with_capacity(names.len());
        for name in names {
            // SAFETY: the caller vouches for the blobs.
            issuers.push(unsafe { name.bytes() }.ok_or(code::E_INVALIDARG)?.to_vec());
        }
        let callback = para.callback.map(|callback| (callback, para.callback_argument));
        Ok(Self { usage, needs_key, issuers, callback })
    }

    fn may_be(&self, certificate: &Certificate) -> bool {
        let fits = match (&self.usage, usages(certificate.parsed())) {
            (Some(usage), Some(allowed)) => allowed.contains(usage),
            _ => true,
        };
        fits && (!self.needs_key || certificate.key().is_some())
    }

    /// # Safety
    /// The function is one, and takes its argument.
    unsafe fn is_accepted(&self, certificate: &Arc<Certificate>) -> bool {
        match self.callback {
            // SAFETY: as the caller's.
            Some((callback, argument)) => unsafe { callback(certificate.context(), argument) != 0 },
            None => true,
        }
    }
}

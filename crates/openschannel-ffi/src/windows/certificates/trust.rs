//! Peers judged by the system's chain engine, as the credential's flags say (section 6.2).

use core::cell::Cell;
use core::mem::offset_of;
use core::ptr;
use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use openschannel::credentials::{PeerChain, PeerRole, PeerVerifier, Rejection, Trust, VerifyFlags};
use openschannel::status::{Error, ErrorStatus};
use windows_sys::Win32::Foundation::FILETIME;
use windows_sys::Win32::Security::Cryptography::{
    AUTHTYPE_CLIENT, AUTHTYPE_SERVER, CERT_CHAIN_CACHE_ONLY_URL_RETRIEVAL, CERT_CHAIN_ENGINE_CONFIG,
    CERT_CHAIN_PARA, CERT_CHAIN_POLICY_IGNORE_ALL_REV_UNKNOWN_FLAGS, CERT_CHAIN_POLICY_PARA,
    CERT_CHAIN_POLICY_SSL, CERT_CHAIN_POLICY_STATUS, CERT_CHAIN_REVOCATION_CHECK_CACHE_ONLY,
    CERT_CHAIN_REVOCATION_CHECK_CHAIN, CERT_CHAIN_REVOCATION_CHECK_CHAIN_EXCLUDE_ROOT,
    CERT_CHAIN_REVOCATION_CHECK_END_CERT, CERT_USAGE_MATCH, CTL_USAGE, CertCreateCertificateChainEngine,
    CertFreeCertificateChainEngine, CertGetCertificateChain, CertVerifyCertificateChainPolicy,
    HCERTCHAINENGINE, HCERTSTORE, HTTPSPolicyCallbackData, HTTPSPolicyCallbackData_0, USAGE_MATCH_TYPE_OR,
};

use super::objects::{Chain, MemoryStore, bytes, certificates_in};
use super::verdict::{nothing_overlooked, rejection};
use super::{last_error, system_failed};
use crate::types::cred_flags;

/// # Errors
/// SEC_E_INTERNAL_ERROR: crypt32 makes no store or engine of the roots.
///
/// # Safety
/// `root_store` is an open store, or null.
pub(super) unsafe fn custom(root_store: HCERTSTORE, flags: u32, inbound: bool) -> Result<Trust, Error> {
    // A server's root store is for its clients (section 6.1); a client's counts when it is told to trust nothing else.
    let exclusive = !root_store.is_null() && (inbound || flags & cred_flags::RESTRICTED_ROOTS != 0);
    let roots = if exclusive {
        // SAFETY: the store is open by this function's contract, and not null.
        let roots = unsafe { certificates_in(root_store) };
        Some(ExclusiveRoots::new(&roots)?)
    } else {
        None
    };
    Ok(Trust::Custom(Arc::new(SystemVerifier { roots })))
}

/// Asks crypt32 about a peer.
#[derive(Debug)]
struct SystemVerifier {
    roots: Option<ExclusiveRoots>,
}

/// `szOID_PKIX_KP_SERVER_AUTH`, and the two names it had before there were standards.
const SERVER_USAGES: [&core::ffi::CStr; 3] =
    [c"1.3.6.1.5.5.7.3.1", c"1.3.6.1.4.1.311.10.3.3", c"2.16.840.1.113730.4.1"];
/// `szOID_PKIX_KP_CLIENT_AUTH`
const CLIENT_USAGES: [&core::ffi::CStr; 1] = [c"1.3.6.1.5.5.7.3.2"];

impl PeerVerifier for SystemVerifier {
    fn verify(&self, peer: &PeerChain<'_>) -> Result<(), Rejection> {
        let within = Judging::enter();
        let chain = self.build(peer, within.is_nested())?;
        let mut code = policy(&chain, peer, 0)?;
        if code != 0 {
            let refused = rejection(code);
            let pardon = match refused.status {
                ErrorStatus::CryptENoRevocationCheck => VerifyFlags::IGNORE_NO_REVOCATION_CHECK,
                ErrorStatus::CryptERevocationOffline => VerifyFlags::IGNORE_REVOCATION_OFFLINE,
                _ => return Err(refused),
            };
            if !peer.flags.contains(pardon) {
                // Whose revocation nobody knows because nobody knows who it is, is told that.
                return nothing_overlooked(&chain.fields().TrustStatus).and(Err(refused));
            }
            // What else is wrong with the chain still counts.
            code = policy(&chain, peer, CERT_CHAIN_POLICY_IGNORE_ALL_REV_UNKNOWN_FLAGS)?;
        }
        if code == 0 { nothing_overlooked(&chain.fields().TrustStatus) } else { Err(rejection(code)) }
    }

    fn root_hints(&self) -> Vec<Vec<u8>> {
        self.roots.as_ref().map(|roots| roots.names.clone()).unwrap_or_default()
    }
}

impl SystemVerifier {
    fn build(&self, peer: &PeerChain<'_>, offline: bool) -> Result<Chain, Rejection> {
        let store = MemoryStore::new().map_err(|error| local(&error))?;
        let leaf = store.add(peer.end_entity).ok_or_else(|| {
            Rejection::new(ErrorStatus::CertUnknown).because("the system cannot read the certificate")
        })?;
        for intermediate in peer.intermediates {
            store.add(intermediate);
        }
        let usages: &[&core::ffi::CStr] = match peer.role {
            PeerRole::Server => &SERVER_USAGES,
            PeerRole::Client => &CLIENT_USAGES,
        };
        let mut usages: Vec<_> = usages.iter().map(|usage| usage.as_ptr().cast_mut().cast::<u8>()).collect();
        let parameters = CERT_CHAIN_PARA {
            cbSize: size_of_u32::<CERT_CHAIN_PARA>(),
            RequestedUsage: CERT_USAGE_MATCH {
                dwType: USAGE_MATCH_TYPE_OR,
                Usage: CTL_USAGE {
                    cUsageIdentifier: u32::try_from(usages.len()).unwrap_or_default(),
                    rgpszUsageIdentifier: usages.as_mut_ptr(),
                },
            },
            ..CERT_CHAIN_PARA::default()
        };
        let now = file_time(peer.now);
        let engine = self.roots.as_ref().map_or(ptr::null_mut(), |roots| roots.engine);
        let mut context = ptr::null_mut();
        // SAFETY: engine, certificate and store are open; the rest are variables that outlive the call.
        let built = unsafe {
            CertGetCertificateChain(
                engine,
                leaf.as_ptr(),
                &raw const now,
                store.handle(),
                &raw const parameters,
                chain_flags(peer.flags, offline),
                ptr::null(),
                &raw mut context,
            )
        };
        if built == 0 {
            return Err(local(&system_failed("CertGetCertificateChain", last_error())));
        }
        // SAFETY: the call has made the reference for this function.
        Ok(unsafe { Chain::from_raw(context) })
    }
}

fn chain_flags(flags: VerifyFlags, offline: bool) -> u32 {
    // Of the three depths the one with the highest coverage counts.
    let mut chain_flags = if flags.contains(VerifyFlags::REVOCATION_CHECK_CHAIN) {
        CERT_CHAIN_REVOCATION_CHECK_CHAIN
    } else if flags.contains(VerifyFlags::REVOCATION_CHECK_CHAIN_EXCLUDE_ROOT) {
        CERT_CHAIN_REVOCATION_CHECK_CHAIN_EXCLUDE_ROOT
    } else if flags.contains(VerifyFlags::REVOCATION_CHECK_END_CERT) {
        CERT_CHAIN_REVOCATION_CHECK_END_CERT
    } else {
        0
    };
    if offline || flags.contains(VerifyFlags::REVOCATION_CHECK_CACHE_ONLY) {
        chain_flags |= CERT_CHAIN_REVOCATION_CHECK_CACHE_ONLY;
    }
    if offline || flags.contains(VerifyFlags::CACHE_ONLY_URL_RETRIEVAL) {
        chain_flags |= CERT_CHAIN_CACHE_ONLY_URL_RETRIEVAL;
    }
    chain_flags
}

/// `SECURITY_FLAG_IGNORE_CERT_CN_INVALID`
const IGNORE_NAME: u32 = 0x1000;

/// What the SSL policy says about the chain: 0, or why not.
fn policy(chain: &Chain, peer: &PeerChain<'_>, flags: u32) -> Result<u32, Rejection> {
    // A trailing dot does not count (section 6.4).
    let name = peer.name.map(|name| name.strip_suffix('.').unwrap_or(name));
    let mut wide: Vec<u16> = name.unwrap_or_default().encode_utf16().chain([0]).collect();
    let mut ssl = HTTPSPolicyCallbackData {
        Anonymous: HTTPSPolicyCallbackData_0 { cbSize: size_of_u32::<HTTPSPolicyCallbackData>() },
        // Whose certificate it is.
        dwAuthType: match peer.role {
            PeerRole::Server => AUTHTYPE_SERVER,
            PeerRole::Client => AUTHTYPE_CLIENT,
        },
        fdwChecks: if name.is_some() { 0 } else { IGNORE_NAME },
        pwszServerName: if name.is_some() { wide.as_mut_ptr() } else { ptr::null_mut() },
    };
    let parameters = CERT_CHAIN_POLICY_PARA {
        cbSize: size_of_u32::<CERT_CHAIN_POLICY_PARA>(),
        dwFlags: flags,
        pvExtraPolicyPara: (&raw mut ssl).cast(),
    };
    let mut status = CERT_CHAIN_POLICY_STATUS {
        cbSize: size_of_u32::<CERT_CHAIN_POLICY_STATUS>(),
        ..CERT_CHAIN_POLICY_STATUS::default()
    };
    // SAFETY: the chain is open; the rest are variables that outlive the call.
    let asked = unsafe {
        CertVerifyCertificateChainPolicy(
            CERT_CHAIN_POLICY_SSL,
            chain.as_ptr(),
            &raw const parameters,
            &raw mut status,
        )
    };
    if asked == 0 {
        return Err(local(&system_failed("CertVerifyCertificateChainPolicy", last_error())));
    }
    Ok(status.dwError)
}

/// A chain engine that knows these roots and no others.
struct ExclusiveRoots {
    engine: HCERTCHAINENGINE,
    names: Vec<Vec<u8>>,
    /// The engine reads it as long as it lives.
    _store: MemoryStore,
}

// SAFETY: crypt32 lets any thread use a chain engine.
unsafe impl Send for ExclusiveRoots {}
// SAFETY: as above.
unsafe impl Sync for ExclusiveRoots {}

impl ExclusiveRoots {
    fn new(roots: &[Vec<u8>]) -> Result<Self, Error> {
        let store = MemoryStore::new()?;
        let added = roots.iter().filter_map(|root| store.add(root));
        let names = added
            .filter_map(|root| {
                // SAFETY: the certificate's decoded form lives as long as the certificate.
                let subject = &unsafe { root.fields().pCertInfo.as_ref() }?.Subject;
                // SAFETY: the name is a part of it.
                Some(unsafe { bytes(subject.pbData, subject.cbData) }.to_vec())
            })
            .collect();
        let config = CERT_CHAIN_ENGINE_CONFIG {
            // Without the last member, which Windows 7 does not have.
            cbSize: ENGINE_CONFIG_SIZE,
            hExclusiveRoot: store.handle(),
            ..CERT_CHAIN_ENGINE_CONFIG::default()
        };
        let mut engine = ptr::null_mut();
        // SAFETY: the structure is a variable, and its store lives as long as the engine.
        let created = unsafe { CertCreateCertificateChainEngine(&raw const config, &raw mut engine) };
        if created == 0 {
            return Err(system_failed("CertCreateCertificateChainEngine", last_error()));
        }
        Ok(Self { engine, names, _store: store })
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the size of a small structure")]
const ENGINE_CONFIG_SIZE: u32 = offset_of!(CERT_CHAIN_ENGINE_CONFIG, dwExclusiveFlags) as u32;

impl fmt::Debug for ExclusiveRoots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExclusiveRoots").field("roots", &self.names.len()).finish_non_exhaustive()
    }
}

impl Drop for ExclusiveRoots {
    fn drop(&mut self) {
        // SAFETY: the engine is this object's own.
        unsafe { CertFreeCertificateChainEngine(self.engine) };
    }
}

thread_local! {
    static JUDGING: Cell<bool> = const { Cell::new(false) };
}

/// That this thread is asking crypt32 about a peer. crypt32 may fetch issuers and revocation lists, through WinHTTP or WinINet, which
/// may come back here with a connection of their own; that one is judged without the network, so that it ends there.
struct Judging {
    outer: bool,
}

impl Judging {
    fn enter() -> Self {
        Self { outer: JUDGING.replace(true) }
    }

    const fn is_nested(&self) -> bool {
        self.outer
    }
}

impl Drop for Judging {
    fn drop(&mut self) {
        JUDGING.set(self.outer);
    }
}

/// 100 ns since 1601.
fn file_time(time: SystemTime) -> FILETIME {
    const UNIX_EPOCH_AS_FILETIME: u64 = 116_444_736_000_000_000;
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos() / 100;
    let count = u64::try_from(since).unwrap_or(u64::MAX).saturating_add(UNIX_EPOCH_AS_FILETIME);
    let [a, b, c, d, e, f, g, h] = count.to_le_bytes();
    FILETIME {
        dwLowDateTime: u32::from_le_bytes([a, b, c, d]),
        dwHighDateTime: u32::from_le_bytes([e, f, g, h]),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the size of a small structure")]
const fn size_of_u32<T>() -> u32 {
    size_of::<T>() as u32
}

fn local(error: &Error) -> Rejection {
    Rejection::new(ErrorStatus::CertUnknown).because(error.reason().to_owned())
}

//! Chains: built, looked at, and judged by policies.

mod build;
mod engine;
mod exports;
mod find;
mod policy;
mod usage;

use std::sync::Arc;

use super::certificate::Certificate;
use super::types::{
    CERT_CHAIN_CONTEXT, ChainElement, EnhancedKeyUsage, RevocationInfo, SimpleChain, TrustStatus, len32,
};

pub(super) use build::{Request, build, file_time, is_self_signed, key_ids_agree, subject_key_id};
pub(super) use engine::Engine;
pub(super) use usage::{usage_names, usages};

pub use exports::*;
pub use find::*;
pub use policy::*;

/// `CERT_TRUST_*`: what is wrong with a certificate or a chain.
pub(super) mod trust_error {
    pub(crate) const NOT_TIME_VALID: u32 = 0x1;
    pub(crate) const REVOKED: u32 = 0x4;
    pub(crate) const NOT_SIGNATURE_VALID: u32 = 0x8;
    pub(crate) const NOT_VALID_FOR_USAGE: u32 = 0x10;
    pub(crate) const UNTRUSTED_ROOT: u32 = 0x20;
    pub(crate) const REVOCATION_STATUS_UNKNOWN: u32 = 0x40;
    pub(crate) const INVALID_EXTENSION: u32 = 0x100;
    pub(crate) const INVALID_BASIC_CONSTRAINTS: u32 = 0x400;
    pub(crate) const INVALID_NAME_CONSTRAINTS: u32 = 0x800;
    pub(crate) const NOT_SUPPORTED_NAME_CONSTRAINT: u32 = 0x1000;
    pub(crate) const NOT_PERMITTED_NAME_CONSTRAINT: u32 = 0x4000;
    pub(crate) const PARTIAL_CHAIN: u32 = 0x1_0000;
    pub(crate) const OFFLINE_REVOCATION: u32 = 0x100_0000;
    pub(crate) const NOT_SUPPORTED_CRITICAL_EXTENSION: u32 = 0x800_0000;
}

/// `CERT_TRUST_*`: what else is known.
pub(super) mod trust_info {
    pub(crate) const KEY_MATCH_ISSUER: u32 = 0x2;
    pub(crate) const NAME_MATCH_ISSUER: u32 = 0x4;
    pub(crate) const SELF_SIGNED: u32 = 0x8;
    pub(crate) const PREFERRED_ISSUER: u32 = 0x100;
}

/// One certificate of a chain and what was found about it.
#[derive(Debug)]
pub(super) struct Element {
    pub(super) certificate: Arc<Certificate>,
    pub(super) trust: TrustStatus,
    /// The outcome of a revocation check, an error number; None when there was no check.
    pub(super) revocation: Option<u32>,
    /// The usages that the chain up to here leaves; None for any.
    pub(super) usages: Option<Vec<String>>,
}

/// A CERT_CHAIN_CONTEXT and all it points to. The parts are behind `Arc`s: C has pointers into them.
pub(super) struct Chain {
    context: Arc<CERT_CHAIN_CONTEXT>,
    elements: Vec<Element>,
    certificates: Vec<Arc<Certificate>>,
    _simple: Arc<SimpleChain>,
    _simples: Arc<[*const SimpleChain]>,
    _element_pointers: Arc<[*const ChainElement]>,
    _element_memory: Arc<[ChainElement]>,
    _revocations: Vec<Option<Arc<RevocationInfo>>>,
    _usages: Vec<Option<Usages>>,
}

// SAFETY: the pointers lead into memory that is owned here and never written.
unsafe impl Send for Chain {}
// SAFETY: as above.
unsafe impl Sync for Chain {}

/// A CERT_ENHKEY_USAGE and its strings.
struct Usages {
    usage: Arc<EnhancedKeyUsage>,
    _pointers: Arc<[*const core::ffi::c_char]>,
    _strings: Vec<Arc<[u8]>>,
}

impl Chain {
    /// Leaf first. `error` is what is wrong with the chain as a whole, beside what is wrong with its elements.
    #[expect(clippy::arc_with_non_send_sync, reason = "the whole is both")]
    pub(super) fn new(elements: Vec<Element>, error: u32, create_flags: u32) -> Arc<Self> {
        let certificates: Vec<_> = elements.iter().map(|element| Arc::clone(&element.certificate)).collect();
        let revocations: Vec<_> = elements.iter().map(|element| element.revocation.map(revocation)).collect();
        let usages: Vec<_> =
            elements.iter().map(|element| element.usages.as_deref().map(Usages::new)).collect();
        let trust = TrustStatus {
            error: elements.iter().fold(error, |all, element| all | element.trust.error),
            info: elements.iter().fold(u32::MAX, |all, element| all & element.trust.info)
                & trust_info::PREFERRED_ISSUER,
        };
        let memory: Arc<[ChainElement]> = elements
            .iter()
            .zip(revocations.iter().zip(&usages))
            .map(|(element, (revocation, usage))| ChainElement {
                size: size_of_u32::<ChainElement>(),
                certificate: element.certificate.context(),
                trust: element.trust,
                revocation: revocation.as_ref().map_or(std::ptr::null(), Arc::as_ptr),
                issuance_usage: std::ptr::null(),
                application_usage: usage.as_ref().map_or(std::ptr::null(), |usage| Arc::as_ptr(&usage.usage)),
                extended_error: std::ptr::null(),
            })
            .collect();
        let pointers: Arc<[*const ChainElement]> = memory.iter().map(std::ptr::from_ref).collect();
        let simple = Arc::new(SimpleChain {
            size: size_of_u32::<SimpleChain>(),
            trust,
            element_count: len32(&pointers),
            elements: pointers.as_ptr(),
            trust_list: std::ptr::null_mut(),
            has_freshness_time: 0,
            freshness_time: 0,
        });
        let simples: Arc<[*const SimpleChain]> = Arc::new([Arc::as_ptr(&simple)]);
        let context = Arc::new(CERT_CHAIN_CONTEXT {
            size: size_of_u32::<CERT_CHAIN_CONTEXT>(),
            trust,
            chain_count: len32(&simples),
            chains: simples.as_ptr(),
            lower_quality_count: 0,
            lower_quality: std::ptr::null(),
            has_freshness_time: 0,
            freshness_time: 0,
            create_flags,
            id: [0; 16],
        });
        Arc::new(Self {
            context,
            elements,
            certificates,
            _simple: simple,
            _simples: simples,
            _element_pointers: pointers,
            _element_memory: memory,
            _revocations: revocations,
            _usages: usages,
        })
    }

    pub(super) fn context(&self) -> *const CERT_CHAIN_CONTEXT {
        Arc::as_ptr(&self.context)
    }

    pub(super) fn certificates(&self) -> &[Arc<Certificate>] {
        &self.certificates
    }

    pub(super) fn elements(&self) -> &[Element] {
        &self.elements
    }

    pub(super) fn trust(&self) -> TrustStatus {
        self.context.trust
    }
}

impl std::fmt::Debug for Chain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Chain").field("elements", &self.elements).finish_non_exhaustive()
    }
}

impl Usages {
    #[expect(clippy::arc_with_non_send_sync, reason = "the whole is both")]
    fn new(oids: &[String]) -> Self {
        let strings: Vec<Arc<[u8]>> = oids.iter().map(|oid| super::text::to_narrow(oid).into()).collect();
        let pointers: Arc<[_]> = strings.iter().map(|text| text.as_ptr().cast()).collect();
        let usage = Arc::new(EnhancedKeyUsage { count: len32(&pointers), oids: pointers.as_ptr() });
        Self { usage, _pointers: pointers, _strings: strings }
    }
}

#[expect(clippy::arc_with_non_send_sync, reason = "the whole is both")]
fn revocation(result: u32) -> Arc<RevocationInfo> {
    Arc::new(RevocationInfo {
        size: size_of_u32::<RevocationInfo>(),
        result,
        oid: std::ptr::null(),
        specific: std::ptr::null_mut(),
        has_freshness_time: 0,
        freshness_time: 0,
        crl: std::ptr::null_mut(),
    })
}

/// The `cbSize` of a structure of ours.
#[expect(clippy::cast_possible_truncation, reason = "no structure comes near 4 GiB")]
const fn size_of_u32<T>() -> u32 {
    size_of::<T>() as u32
}

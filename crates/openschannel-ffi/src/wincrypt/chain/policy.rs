//! CertVerifyCertificateChainPolicy: whether a chain is good enough.

use core::ffi::{c_char, c_void};

use openschannel::credentials::is_valid_for_name;

use super::{Chain, trust_error as error};
use crate::wincrypt::last_error::{answer, code};
use crate::wincrypt::output::number_or_oid;
use crate::wincrypt::registry::registry;
use crate::wincrypt::text::from_wide;
use crate::wincrypt::types::{CERT_CHAIN_CONTEXT, layout};

/// `CERT_CHAIN_POLICY_*`
const POLICY_BASE: usize = 1;
const POLICY_SSL: usize = 4;
const POLICY_BASIC_CONSTRAINTS: usize = 5;

/// The flags of CERT_CHAIN_POLICY_PARA, and those of fdwChecks (wininet.h).
mod ignore {
    pub(super) const NOT_TIME_VALID: u32 = 0x1;
    pub(super) const INVALID_BASIC_CONSTRAINTS: u32 = 0x8;
    pub(super) const UNKNOWN_CA: u32 = 0x10;
    pub(super) const WRONG_USAGE: u32 = 0x20;
    pub(super) const INVALID_NAME: u32 = 0x40;
    pub(super) const END_REVOCATION_UNKNOWN: u32 = 0x100;
    pub(super) const CA_REVOCATION_UNKNOWN: u32 = 0x400;
    pub(super) const ROOT_REVOCATION_UNKNOWN: u32 = 0x800;
    pub(super) const CRITICAL_EXTENSION: u32 = 0x2000;

    pub(super) const SECURITY_REVOCATION: u32 = 0x80;
    pub(super) const SECURITY_UNKNOWN_CA: u32 = 0x100;
    pub(super) const SECURITY_WRONG_USAGE: u32 = 0x200;
    pub(super) const SECURITY_CERT_CN_INVALID: u32 = 0x1000;
    pub(super) const SECURITY_CERT_DATE_INVALID: u32 = 0x2000;
}

/// What a policy can say.
mod verdict {
    pub(super) const CERT_E_EXPIRED: u32 = 0x800B_0101;
    pub(super) const CERT_E_UNTRUSTED_ROOT: u32 = 0x800B_0109;
    pub(super) const CERT_E_CHAINING: u32 = 0x800B_010A;
    pub(super) const CERT_E_CN_NO_MATCH: u32 = 0x800B_010F;
    pub(super) const CERT_E_WRONG_USAGE: u32 = 0x800B_0110;
    pub(super) const CERT_E_CRITICAL: u32 = 0x800B_0105;
    pub(super) const CERT_E_INVALID_NAME: u32 = 0x800B_0114;
    pub(super) const TRUST_E_CERT_SIGNATURE: u32 = 0x8009_6004;
    pub(super) const TRUST_E_BASIC_CONSTRAINTS: u32 = 0x8009_6019;
}

/// `AUTHTYPE_CLIENT`
const AUTHTYPE_CLIENT: u32 = 1;
/// `AUTHTYPE_SERVER`
const AUTHTYPE_SERVER: u32 = 2;

/// szOID_PKIX_KP_SERVER_AUTH, and what was used before it: szOID_SERVER_GATED_CRYPTO, szOID_SGC_NETSCAPE.
const SERVER_USAGES: &[&str] = &["1.3.6.1.5.5.7.3.1", "1.3.6.1.4.1.311.10.3.3", "2.16.840.1.113730.4.1"];
/// szOID_PKIX_KP_CLIENT_AUTH
const CLIENT_USAGES: &[&str] = &["1.3.6.1.5.5.7.3.2"];

/// `CERT_CHAIN_POLICY_PARA`
#[repr(C)]
#[derive(Clone, Copy)]
struct PolicyPara {
    size: u32,
    flags: u32,
    extra: *const c_void,
}
layout!(PolicyPara, 16, flags @ 4, extra @ 8);

/// `SSL_EXTRA_CERT_CHAIN_POLICY_PARA`
#[repr(C)]
#[derive(Clone, Copy)]
struct SslPara {
    size: u32,
    auth_type: u32,
    checks: u32,
    server_name: *const u16,
}
layout!(SslPara, 24, auth_type @ 4, checks @ 8, server_name @ 16);

/// `CERT_CHAIN_POLICY_STATUS`
#[repr(C)]
#[derive(Clone, Copy)]
struct PolicyStatus {
    size: u32,
    error: u32,
    chain_index: i32,
    element_index: i32,
    extra: *mut c_void,
}
layout!(PolicyStatus, 24, error @ 4, chain_index @ 8, element_index @ 12, extra @ 16);

/// What a policy found: the error, and the certificate it is about; -1 for the chain as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Verdict {
    error: u32,
    element: i32,
}

/// What is asked of a chain.
#[derive(Clone, Debug, Default)]
struct Conditions {
    /// `CERT_CHAIN_POLICY_IGNORE_*`
    ignore: u32,
    usages: Option<&'static [&'static str]>,
    name: Option<String>,
}

/// `CertVerifyCertificateChainPolicy`: CERT_CHAIN_POLICY_BASE, CERT_CHAIN_POLICY_SSL and CERT_CHAIN_POLICY_BASIC_CONSTRAINTS. TRUE when
/// the policy could be asked; what it says is `dwError` of the status. FALSE with ERROR_FILE_NOT_FOUND for other policies, E_INVALIDARG
/// for what is no chain.
///
/// # Safety
/// `pszPolicyOID` is a number or a C string; `pPolicyPara` is null or points to a CERT_CHAIN_POLICY_PARA with what hangs on it;
/// `pPolicyStatus` points to a CERT_CHAIN_POLICY_STATUS.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn CertVerifyCertificateChainPolicy(
    pszPolicyOID: *const c_char,
    pChainContext: *const CERT_CHAIN_CONTEXT,
    pPolicyPara: *const c_void,
    pPolicyStatus: *mut c_void,
) -> i32 {
    answer(|| {
        if pPolicyStatus.is_null() {
            return Err(code::E_INVALIDARG);
        }
        // SAFETY: as the caller's.
        let policy = unsafe { number_or_oid(pszPolicyOID) }.unwrap_or(0);
        if ![POLICY_BASE, POLICY_SSL, POLICY_BASIC_CONSTRAINTS].contains(&policy) {
            return Err(code::ERROR_FILE_NOT_FOUND);
        }
        let chain = registry().chain(pChainContext).ok_or(code::E_INVALIDARG)?;
        // SAFETY: as the caller's.
        let conditions = unsafe { conditions(policy, pPolicyPara.cast()) };
        let verdict = match policy {
            POLICY_BASIC_CONSTRAINTS => first(&chain, error::INVALID_BASIC_CONSTRAINTS)
                .map(|element| Verdict { error: verdict::TRUST_E_BASIC_CONSTRAINTS, element }),
            _ => judge(&chain, &conditions),
        };
        let verdict = verdict.unwrap_or(Verdict { error: 0, element: -1 });
        let status = pPolicyStatus.cast::<PolicyStatus>();
        // SAFETY: the caller vouches for it; it is not null. The size is left alone: there are callers who never set it.
        let mut answer = unsafe { status.read_unaligned() };
        answer.error = verdict.error;
        answer.chain_index = if verdict.error == 0 { -1 } else { 0 };
        answer.element_index = verdict.element;
        // SAFETY: as above.
        unsafe { status.write_unaligned(answer) };
        Ok(())
    })
}

/// The first thing that is wrong, the gravest before the others.
fn judge(chain: &Chain, conditions: &Conditions) -> Option<Verdict> {
    let ignored = |flag| conditions.ignore & flag != 0;
    let about = |found: Option<i32>, error| found.map(|element| Verdict { error, element });
    let unless = |flag, found: Option<i32>, error| if ignored(flag) { None } else { about(found, error) };
    about(first(chain, error::NOT_SIGNATURE_VALID), verdict::TRUST_E_CERT_SIGNATURE)
        .or_else(|| about(first(chain, error::REVOKED), code::CRYPT_E_REVOKED))
        .or_else(|| {
            unless(ignore::UNKNOWN_CA, first(chain, error::UNTRUSTED_ROOT), verdict::CERT_E_UNTRUSTED_ROOT)
        })
        .or_else(|| {
            let is_partial = chain.trust().error & error::PARTIAL_CHAIN != 0;
            unless(ignore::UNKNOWN_CA, is_partial.then_some(-1), verdict::CERT_E_CHAINING)
        })
        .or_else(|| {
            unless(ignore::NOT_TIME_VALID, first(chain, error::NOT_TIME_VALID), verdict::CERT_E_EXPIRED)
        })
        .or_else(|| {
            let found = first(chain, error::INVALID_BASIC_CONSTRAINTS);
            unless(ignore::INVALID_BASIC_CONSTRAINTS, found, verdict::TRUST_E_BASIC_CONSTRAINTS)
        })
        .or_else(|| {
            let constraints = error::INVALID_NAME_CONSTRAINTS
                | error::NOT_SUPPORTED_NAME_CONSTRAINT
                | error::NOT_PERMITTED_NAME_CONSTRAINT;
            unless(ignore::INVALID_NAME, first(chain, constraints), verdict::CERT_E_INVALID_NAME)
        })
        .or_else(|| {
            let found = first(chain, error::NOT_SUPPORTED_CRITICAL_EXTENSION | error::INVALID_EXTENSION);
            unless(ignore::CRITICAL_EXTENSION, found, verdict::CERT_E_CRITICAL)
        })
        .or_else(|| {
            let found = first(chain, error::NOT_VALID_FOR_USAGE).or_else(|| wrong_usage(chain, conditions));
            unless(ignore::WRONG_USAGE, found, verdict::CERT_E_WRONG_USAGE)
        })
        .or_else(|| wrong_name(chain, conditions))
        .or_else(|| revocation(chain, conditions))
}

/// The first certificate with one of these errors.
fn first(chain: &Chain, errors: u32) -> Option<i32> {
    let found = chain.elements().iter().position(|element| element.trust.error & errors != 0)?;
    i32::try_from(found).ok()
}

fn wrong_usage(chain: &Chain, conditions: &Conditions) -> Option<i32> {
    let wanted = conditions.usages?;
    // What the authorities above may not certify their own word cannot give the leaf.
    let allowed = chain.elements().first()?.usages.as_deref()?;
    let fits = allowed.iter().any(|oid| wanted.contains(&oid.as_str()));
    (!fits).then_some(0)
}

fn wrong_name(chain: &Chain, conditions: &Conditions) -> Option<Verdict> {
    let name = conditions.name.as_deref()?;
    let leaf = chain.elements().first()?;
    let fits = is_valid_for_name(leaf.certificate.der(), name);
    (!fits).then_some(Verdict { error: verdict::CERT_E_CN_NO_MATCH, element: 0 })
}

fn revocation(chain: &Chain, conditions: &Conditions) -> Option<Verdict> {
    let top = chain.elements().len().saturating_sub(1);
    chain.elements().iter().enumerate().find_map(|(index, element)| {
        let flag = match index {
            0 => ignore::END_REVOCATION_UNKNOWN,
            index if index == top => ignore::ROOT_REVOCATION_UNKNOWN,
            _ => ignore::CA_REVOCATION_UNKNOWN,
        };
        let error = element.revocation.filter(|_| conditions.ignore & flag == 0)?;
        Some(Verdict { error, element: i32::try_from(index).ok()? })
    })
}

/// # Safety
/// `para` is null or points to a CERT_CHAIN_POLICY_PARA with what hangs on it.
unsafe fn conditions(policy: usize, para: *const PolicyPara) -> Conditions {
    let mut conditions = Conditions::default();
    if para.is_null() {
        return conditions;
    }
    // SAFETY: the caller vouches for it; it is not null.
    let para = unsafe { para.read_unaligned() };
    conditions.ignore = para.flags;
    if policy != POLICY_SSL || para.extra.is_null() {
        return conditions;
    }
    // SAFETY: the caller vouches for what hangs on it; it is not null.
    let ssl = unsafe { para.extra.cast::<SslPara>().read_unaligned() };
    let revocation =
        ignore::END_REVOCATION_UNKNOWN | ignore::CA_REVOCATION_UNKNOWN | ignore::ROOT_REVOCATION_UNKNOWN;
    let translation = [
        (ignore::SECURITY_REVOCATION, revocation),
        (ignore::SECURITY_UNKNOWN_CA, ignore::UNKNOWN_CA),
        (ignore::SECURITY_WRONG_USAGE, ignore::WRONG_USAGE),
        (ignore::SECURITY_CERT_DATE_INVALID, ignore::NOT_TIME_VALID),
    ];
    for (check, flags) in translation {
        if ssl.checks & check != 0 {
            conditions.ignore |= flags;
        }
    }
    conditions.usages = match ssl.auth_type {
        AUTHTYPE_CLIENT => Some(CLIENT_USAGES),
        AUTHTYPE_SERVER => Some(SERVER_USAGES),
        _ => None,
    };
    let is_name_checked = ssl.auth_type == AUTHTYPE_SERVER
        && ssl.checks & ignore::SECURITY_CERT_CN_INVALID == 0
        && conditions.ignore & ignore::INVALID_NAME == 0;
    if is_name_checked && !ssl.server_name.is_null() {
        // What is too long for a name is one all the same, and no certificate is for it.
        // SAFETY: the caller vouches for the string.
        conditions.name = Some(unsafe { from_wide(ssl.server_name) }.unwrap_or_default());
    }
    conditions
}

//! What crypt32 says about a chain, as section 5.2 has it.

use openschannel::credentials::Rejection;
use openschannel::status::ErrorStatus;
use windows_sys::Win32::Security::Cryptography::{
    CERT_TRUST_IS_CYCLIC, CERT_TRUST_IS_EXPLICIT_DISTRUST, CERT_TRUST_IS_NOT_SIGNATURE_VALID,
    CERT_TRUST_IS_NOT_TIME_VALID, CERT_TRUST_IS_NOT_VALID_FOR_USAGE, CERT_TRUST_IS_PARTIAL_CHAIN,
    CERT_TRUST_IS_PEER_TRUSTED, CERT_TRUST_IS_REVOKED, CERT_TRUST_IS_UNTRUSTED_ROOT, CERT_TRUST_STATUS,
};

/// What the policy let pass although the chain says it: Wine's finds nothing in a chain that ends before a root. A peer that the user
/// has said to trust needs no root.
pub(super) fn nothing_overlooked(trust: &CERT_TRUST_STATUS) -> Result<(), Rejection> {
    let codes = [
        (CERT_TRUST_IS_NOT_SIGNATURE_VALID, 0x8009_6004),
        (CERT_TRUST_IS_EXPLICIT_DISTRUST, 0x800B_0109),
        (CERT_TRUST_IS_UNTRUSTED_ROOT, 0x800B_0109),
        (CERT_TRUST_IS_PARTIAL_CHAIN, 0x800B_010A),
        (CERT_TRUST_IS_CYCLIC, 0x800B_010A),
        (CERT_TRUST_IS_REVOKED, 0x8009_2010),
        (CERT_TRUST_IS_NOT_TIME_VALID, 0x800B_0101),
        (CERT_TRUST_IS_NOT_VALID_FOR_USAGE, 0x800B_0110),
    ];
    let found = codes.iter().find(|(bit, _)| trust.dwErrorStatus & bit != 0);
    match found {
        Some(&(_, code)) if trust.dwInfoStatus & CERT_TRUST_IS_PEER_TRUSTED == 0 => Err(rejection(code)),
        _ => Ok(()),
    }
}

/// The refusal for a policy's `dwError`.
pub(super) fn rejection(code: u32) -> Rejection {
    let because = |status, reason: &'static str| Rejection::new(status).because(reason);
    match code {
        // CERT_E_EXPIRED, CERT_E_VALIDITYPERIODNESTING
        0x800B_0101 | 0x800B_0102 => {
            because(ErrorStatus::CertExpired, "a certificate of the chain is outside its validity period")
        }
        // CERT_E_UNTRUSTEDROOT, _UNTRUSTEDCA, _UNTRUSTEDTESTROOT; CERT_E_CHAINING, CERT_E_ISSUERCHAINING: no root was found at all.
        0x800B_0109 | 0x800B_0112 | 0x800B_010D | 0x800B_010A | 0x800B_0107 => {
            because(ErrorStatus::UntrustedRoot, "the chain leads to no root that the system trusts")
        }
        // CERT_E_CN_NO_MATCH
        0x800B_010F => because(ErrorStatus::WrongPrincipal, "the certificate is for other names"),
        // CRYPT_E_REVOKED, CERT_E_REVOKED
        0x8009_2010 | 0x800B_010C => {
            because(ErrorStatus::CryptERevoked, "a certificate of the chain has been revoked")
        }
        // CRYPT_E_NO_REVOCATION_CHECK, CRYPT_E_NO_REVOCATION_DLL
        0x8009_2012 | 0x8009_2011 => because(
            ErrorStatus::CryptENoRevocationCheck,
            "there is nothing to check the certificate's revocation with",
        ),
        // CRYPT_E_REVOCATION_OFFLINE, CERT_E_REVOCATION_FAILURE
        0x8009_2013 | 0x800B_010E => because(
            ErrorStatus::CryptERevocationOffline,
            "nobody could be reached who knows whether the certificate was revoked",
        ),
        // CERT_E_WRONG_USAGE, CERT_E_PURPOSE
        0x800B_0110 | 0x800B_0106 => {
            because(ErrorStatus::CertWrongUsage, "the certificate may not be used in the peer's role")
        }
        other => Rejection::new(ErrorStatus::CertUnknown).because(format!("the system says 0x{other:08X}")),
    }
}

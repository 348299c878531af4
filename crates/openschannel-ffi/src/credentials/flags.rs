//! `dwFlags` (section 6.2).

use openschannel::credentials::{Validation, VerifyFlags};

use crate::types::cred_flags;

/// Who validates the peer. MANUAL wins over everything else; a server that maps no accounts leaves its clients to the program, unless
/// that asked for a verdict to be read later (section 6.6).
pub(super) fn validation(flags: u32, inbound: bool) -> Validation {
    let has = |flag| flags & flag != 0;
    if has(cred_flags::MANUAL_CRED_VALIDATION) {
        Validation::Manual
    } else if has(cred_flags::DEFERRED_CRED_VALIDATION) {
        Validation::Deferred
    } else if inbound && has(cred_flags::NO_SYSTEM_MAPPER) {
        Validation::Manual
    } else {
        Validation::Automatic
    }
}

/// What validation has to do about revocation.
pub(super) fn revocation(flags: u32) -> VerifyFlags {
    VerifyFlags::from_bits_truncate(flags)
}

/// Whether the server's name is checked.
pub(super) fn checks_name(flags: u32) -> bool {
    flags & cred_flags::NO_SERVERNAME_CHECK == 0
}

/// Whether what the flags restrict the credential to is out of reach: DTLS, pre-shared keys.
pub(super) fn out_of_reach(flags: u32) -> bool {
    flags & (cred_flags::USE_DTLS_ONLY | cred_flags::USE_PRESHAREDKEY_ONLY) != 0
}

/// Whether sessions may be resumed. Documented for servers; a client that sets the flag means the same.
pub(super) fn resumes(flags: u32) -> bool {
    flags & cred_flags::DISABLE_RECONNECTS == 0
}

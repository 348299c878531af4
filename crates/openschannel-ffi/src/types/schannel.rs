//! `schannel.h`: credentials (sections 1.2, 1.8).

use core::ffi::c_void;

use crate::certificates::{CERT_CONTEXT, HCERTSTORE};

use super::{SecWchar, UnicodeString, layout};

/// `SCHANNEL_CRED`, `dwVersion` 4.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the fields are those of the SDK's header")]
pub struct SchannelCred {
    pub version: u32,
    pub cred_count: u32,
    pub creds: *mut *const CERT_CONTEXT,
    pub root_store: HCERTSTORE,
    pub mapper_count: u32,
    pub mappers: *mut c_void,
    pub supported_alg_count: u32,
    pub supported_algs: *mut u32,
    pub enabled_protocols: u32,
    pub minimum_cipher_strength: u32,
    pub maximum_cipher_strength: u32,
    pub session_lifespan: u32,
    pub flags: u32,
    pub cred_format: u32,
}
layout!(
    SchannelCred, 80, version @ 0, cred_count @ 4, creds @ 8, root_store @ 16, mapper_count @ 24, mappers @ 32,
    supported_alg_count @ 40, supported_algs @ 48, enabled_protocols @ 56, minimum_cipher_strength @ 60,
    maximum_cipher_strength @ 64, session_lifespan @ 68, flags @ 72, cred_format @ 76,
);

/// `SCH_CREDENTIALS`, `dwVersion` 5.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the fields are those of the SDK's header")]
pub struct SchCredentials {
    pub version: u32,
    pub cred_format: u32,
    pub cred_count: u32,
    pub creds: *mut *const CERT_CONTEXT,
    pub root_store: HCERTSTORE,
    pub mapper_count: u32,
    pub mappers: *mut c_void,
    pub session_lifespan: u32,
    pub flags: u32,
    pub tls_parameter_count: u32,
    pub tls_parameters: *mut TlsParameters,
}
layout!(
    SchCredentials, 72, version @ 0, cred_format @ 4, cred_count @ 8, creds @ 16, root_store @ 24, mapper_count @ 32,
    mappers @ 40, session_lifespan @ 48, flags @ 52, tls_parameter_count @ 56, tls_parameters @ 64,
);

/// `TLS_PARAMETERS`
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the fields are those of the SDK's header")]
pub struct TlsParameters {
    pub alpn_id_count: u32,
    pub alpn_ids: *mut UnicodeString,
    pub disabled_protocols: u32,
    pub disabled_crypto_count: u32,
    pub disabled_crypto: *mut CryptoSettings,
    pub flags: u32,
}
layout!(
    TlsParameters, 40, alpn_id_count @ 0, alpn_ids @ 8, disabled_protocols @ 16, disabled_crypto_count @ 20,
    disabled_crypto @ 24, flags @ 32,
);

/// `CRYPTO_SETTINGS`
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the fields are those of the SDK's header")]
pub struct CryptoSettings {
    pub algorithm_usage: i32,
    pub cng_alg_id: UnicodeString,
    pub chaining_mode_count: u32,
    pub chaining_modes: *mut UnicodeString,
    pub min_bit_length: u32,
    pub max_bit_length: u32,
}
layout!(
    CryptoSettings, 48, algorithm_usage @ 0, cng_alg_id @ 8, chaining_mode_count @ 24, chaining_modes @ 32,
    min_bit_length @ 40, max_bit_length @ 44,
);

/// `SCH_CRED_*`, `SCH_SEND_*`, `SCH_USE_*`: `dwFlags` of a credential (section 1.8).
#[expect(missing_docs, reason = "the names are those of the SDK's header")]
pub mod cred_flags {
    pub const NO_SYSTEM_MAPPER: u32 = 0x2;
    pub const NO_SERVERNAME_CHECK: u32 = 0x4;
    pub const MANUAL_CRED_VALIDATION: u32 = 0x8;
    pub const NO_DEFAULT_CREDS: u32 = 0x10;
    pub const AUTO_CRED_VALIDATION: u32 = 0x20;
    pub const USE_DEFAULT_CREDS: u32 = 0x40;
    pub const DISABLE_RECONNECTS: u32 = 0x80;
    pub const REVOCATION_CHECK_END_CERT: u32 = 0x100;
    pub const REVOCATION_CHECK_CHAIN: u32 = 0x200;
    pub const REVOCATION_CHECK_CHAIN_EXCLUDE_ROOT: u32 = 0x400;
    pub const IGNORE_NO_REVOCATION_CHECK: u32 = 0x800;
    pub const IGNORE_REVOCATION_OFFLINE: u32 = 0x1000;
    pub const RESTRICTED_ROOTS: u32 = 0x2000;
    pub const REVOCATION_CHECK_CACHE_ONLY: u32 = 0x4000;
    pub const CACHE_ONLY_URL_RETRIEVAL: u32 = 0x8000;
    pub const SEND_ROOT_CERT: u32 = 0x4_0000;
    pub const SNI_CREDENTIAL: u32 = 0x8_0000;
    pub const USE_STRONG_CRYPTO: u32 = 0x40_0000;
    pub const USE_PRESHAREDKEY_ONLY: u32 = 0x80_0000;
    pub const USE_DTLS_ONLY: u32 = 0x100_0000;
    pub const DEFERRED_CRED_VALIDATION: u32 = 0x400_0000;
}

/// `SCHANNEL_ALERT_TOKEN` (section 1.3).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the fields are those of the SDK's header")]
pub struct SchannelAlertToken {
    pub token_type: u32,
    pub alert_type: u32,
    pub alert_number: u32,
}
layout!(SchannelAlertToken, 12, token_type @ 0, alert_type @ 4, alert_number @ 8);

/// `SCHANNEL_SESSION_TOKEN` (section 1.3).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the fields are those of the SDK's header")]
pub struct SchannelSessionToken {
    pub token_type: u32,
    pub flags: u32,
}
layout!(SchannelSessionToken, 8, token_type @ 0, flags @ 4);

/// `UNISP_NAME`
pub const UNISP_NAME: &str = "Microsoft Unified Security Protocol Provider";
/// `SCHANNEL_NAME`
pub const SCHANNEL_NAME: &str = "Schannel";
/// `DEFAULT_TLS_SSP_NAME`
pub const DEFAULT_TLS_SSP_NAME: &str = "Default TLS SSP";

const _: () = assert!(size_of::<SecWchar>() == 2);

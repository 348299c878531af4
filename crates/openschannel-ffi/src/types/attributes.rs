//! `SecPkgContext_*` and `SecPkgCred_*` (section 1.4).

#![expect(missing_docs, reason = "the fields are those of the SDK's header")]

use super::{SecPkgInfo, SecWchar, TimeStamp, layout};

macro_rules! structures {
    (@checked $name:ident) => { $name };
    (@checked $name:ident $c:ident) => { $name<SecWchar> };
    ($($(#[$meta:meta])* $name:ident $(<$c:ident>)? ($c_name:literal, $size:literal) {
        $($field:ident: $type:ty = $offset:literal),+ $(,)?
    })+) => {
        $(
            #[doc = concat!("`", $c_name, "`")]
            $(#[$meta])*
            #[repr(C)]
            #[derive(Clone, Copy, Debug)]
            pub struct $name $(<$c>)? {
                $(pub $field: $type,)+
            }
            layout!(structures!(@checked $name $($c)?), $size, $($field @ $offset),+);
        )+
    };
}

structures! {
    Sizes("SecPkgContext_Sizes", 16) { max_token: u32 = 0, max_signature: u32 = 4, block_size: u32 = 8, security_trailer: u32 = 12 }
    StreamSizes("SecPkgContext_StreamSizes", 20) {
        header: u32 = 0, trailer: u32 = 4, maximum_message: u32 = 8, buffers: u32 = 12, block_size: u32 = 16,
    }
    Lifespan("SecPkgContext_Lifespan", 16) { start: TimeStamp = 0, expiry: TimeStamp = 8 }
    Flags("SecPkgContext_Flags", 4) { flags: u32 = 0 }
    KeyInfo<C>("SecPkgContext_KeyInfoW and SecPkgContext_KeyInfoA", 32) {
        signature_algorithm_name: *mut C = 0, encrypt_algorithm_name: *mut C = 8, key_size: u32 = 16,
        signature_algorithm: u32 = 20, encrypt_algorithm: u32 = 24,
    }
    PackageInfo<C>("SecPkgContext_PackageInfoW and SecPkgContext_PackageInfoA", 8) { package_info: *mut SecPkgInfo<C> = 0 }
    ConnectionInfo("SecPkgContext_ConnectionInfo", 28) {
        protocol: u32 = 0, cipher: u32 = 4, cipher_strength: u32 = 8, hash: u32 = 12, hash_strength: u32 = 16,
        exchange: u32 = 20, exchange_strength: u32 = 24,
    }
    ConnectionInfoEx("SecPkgContext_ConnectionInfoEx", 404) {
        version: u32 = 0, protocol: u32 = 4, cipher: [SecWchar; 64] = 8, cipher_strength: u32 = 136,
        hash: [SecWchar; 64] = 140, hash_strength: u32 = 268, exchange: [SecWchar; 64] = 272, exchange_strength: u32 = 400,
    }
    CipherInfo("SecPkgContext_CipherInfo", 680) {
        version: u32 = 0, protocol: u32 = 4, cipher_suite: u32 = 8, base_cipher_suite: u32 = 12,
        cipher_suite_name: [SecWchar; 64] = 16, cipher: [SecWchar; 64] = 144, cipher_len: u32 = 272,
        cipher_block_len: u32 = 276, hash: [SecWchar; 64] = 280, hash_len: u32 = 408, exchange: [SecWchar; 64] = 412,
        min_exchange_len: u32 = 540, max_exchange_len: u32 = 544, certificate: [SecWchar; 64] = 548, key_type: u32 = 676,
    }
    SessionInfo("SecPkgContext_SessionInfo", 40) { flags: u32 = 0, session_id_len: u32 = 4, session_id: [u8; 32] = 8 }
    SessionAppData("SecPkgContext_SessionAppData", 16) { flags: u32 = 0, app_data_len: u32 = 4, app_data: *mut u8 = 8 }
    ApplicationProtocol("SecPkgContext_ApplicationProtocol", 264) {
        status: i32 = 0, extension: i32 = 4, id_len: u8 = 8, id: [u8; 255] = 9,
    }
    ChannelBindings("SEC_CHANNEL_BINDINGS", 32) {
        initiator_addr_type: u32 = 0, initiator_len: u32 = 4, initiator_offset: u32 = 8, acceptor_addr_type: u32 = 12,
        acceptor_len: u32 = 16, acceptor_offset: u32 = 20, application_data_len: u32 = 24, application_data_offset: u32 = 28,
    }
    Bindings("SecPkgContext_Bindings", 16) { bindings_len: u32 = 0, bindings: *mut ChannelBindings = 8 }
    KeyingMaterialInfo("SecPkgContext_KeyingMaterialInfo", 40) {
        label_len: u16 = 0, label: *mut u8 = 8, context_len: u16 = 16, context: *mut u8 = 24, keying_material_len: u32 = 32,
    }
    KeyingMaterial("SecPkgContext_KeyingMaterial", 16) { keying_material_len: u32 = 0, keying_material: *mut u8 = 8 }
    KeyingMaterialInproc("SecPkgContext_KeyingMaterial_Inproc", 48) {
        label_len: u16 = 0, label: *mut u8 = 8, context_len: u16 = 16, context: *mut u8 = 24,
        keying_material_len: u32 = 32, keying_material: *mut u8 = 40,
    }
    NameBlob("CERT_NAME_BLOB, CRYPT_DATA_BLOB", 16) { len: u32 = 0, data: *mut u8 = 8 }
    IssuerListInfoEx("SecPkgContext_IssuerListInfoEx", 16) { issuers: *mut NameBlob = 0, issuer_count: u32 = 8 }
    NegotiatedTlsExtensions("SecPkgContext_NegotiatedTlsExtensions", 16) { count: u32 = 0, extensions: *mut u16 = 8 }
    SupportedSignatures("SecPkgContext_SupportedSignatures", 16) { count: u16 = 0, signature_and_hash: *mut u16 = 8 }
    Certificates("SecPkgContext_Certificates", 16) { count: u32 = 0, chain_len: u32 = 4, chain: *mut u8 = 8 }
    CertInfo("SecPkgContext_CertInfo", 40) {
        version: u32 = 0, subject_len: u32 = 4, subject: *mut SecWchar = 8, issuer_len: u32 = 16,
        issuer: *mut SecWchar = 24, key_size: u32 = 32,
    }
    EapKeyBlock("SecPkgContext_EapKeyBlock", 192) { keys: [u8; 128] = 0, ivs: [u8; 64] = 128 }
    EapPrfInfo("SecPkgContext_EapPrfInfo", 16) { version: u32 = 0, prf_data_len: u32 = 4, prf_data: *mut u8 = 8 }
    EarlyStart("SecPkgContext_EarlyStart", 4) { flags: u32 = 0 }
    CertificateValidationResult("SecPkgContext_CertificateValidationResult", 8) {
        chain_error_status: u32 = 0, verify_chain_status: i32 = 4,
    }
    SupportedAlgs("SecPkgCred_SupportedAlgs", 16) { count: u32 = 0, algs: *mut u32 = 8 }
    CipherStrengths("SecPkgCred_CipherStrengths", 8) { minimum: u32 = 0, maximum: u32 = 4 }
    SupportedProtocols("SecPkgCred_SupportedProtocols", 4) { protocols: u32 = 0 }
    SessionTicketKey("SecPkgCred_SessionTicketKey", 88) {
        ticket_info_version: u32 = 0, key_id: [u8; 16] = 4, keying_material: [u8; 64] = 20, keying_material_len: u8 = 84,
    }
    SessionTicketKeys("SecPkgCred_SessionTicketKeys", 16) { count: u32 = 0, keys: *mut SessionTicketKey = 8 }
}

/// `SECPKG_ATTR_*` numbers (section 1.7).
pub mod attribute {
    pub const SIZES: u32 = 0;
    pub const NAMES: u32 = 1;
    pub const LIFESPAN: u32 = 2;
    pub const STREAM_SIZES: u32 = 4;
    pub const KEY_INFO: u32 = 5;
    pub const PACKAGE_INFO: u32 = 10;
    pub const FLAGS: u32 = 14;
    pub const UNIQUE_BINDINGS: u32 = 25;
    pub const ENDPOINT_BINDINGS: u32 = 26;
    pub const DTLS_MTU: u32 = 34;
    pub const APPLICATION_PROTOCOL: u32 = 35;
    pub const NEGOTIATED_TLS_EXTENSIONS: u32 = 36;
    pub const REMOTE_CERT_CONTEXT: u32 = 0x53;
    pub const LOCAL_CERT_CONTEXT: u32 = 0x54;
    pub const SUPPORTED_ALGS: u32 = 0x56;
    pub const CIPHER_STRENGTHS: u32 = 0x57;
    pub const SUPPORTED_PROTOCOLS: u32 = 0x58;
    pub const ISSUER_LIST_EX: u32 = 0x59;
    pub const CONNECTION_INFO: u32 = 0x5a;
    pub const EAP_KEY_BLOCK: u32 = 0x5b;
    pub const SESSION_INFO: u32 = 0x5d;
    pub const APP_DATA: u32 = 0x5e;
    pub const REMOTE_CERTIFICATES: u32 = 0x5f;
    pub const LOCAL_CERT_INFO: u32 = 0x63;
    pub const CIPHER_INFO: u32 = 0x64;
    pub const EAP_PRF_INFO: u32 = 0x65;
    pub const SUPPORTED_SIGNATURES: u32 = 0x66;
    pub const REMOTE_CERT_CHAIN: u32 = 0x67;
    pub const EARLY_START: u32 = 0x69;
    pub const KEYING_MATERIAL_INFO: u32 = 0x6a;
    pub const KEYING_MATERIAL: u32 = 0x6b;
    pub const CONNECTION_INFO_EX: u32 = 0x6e;
    pub const KEYING_MATERIAL_INPROC: u32 = 0x70;
    pub const CERT_CHECK_RESULT: u32 = 0x71;
    pub const CERT_CHECK_RESULT_INPROC: u32 = 0x72;
    pub const SESSION_TICKET_KEYS: u32 = 0x73;
    /// Credentials only: `SECPKG_CRED_ATTR_NAMES`.
    pub const CRED_NAMES: u32 = 1;
}

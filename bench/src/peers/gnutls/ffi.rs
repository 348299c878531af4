//! What is used of GnuTLS' C interface (`gnutls/gnutls.h`, 3.7.4 or later).
#![expect(non_camel_case_types, reason = "the header's own names")]

use std::ffi::{c_char, c_int, c_uint, c_void};

/// `gnutls_session_t`'s target.
#[repr(C)]
pub(super) struct gnutls_session_int {
    opaque: [u8; 0],
}

/// `gnutls_certificate_credentials_t`'s target.
#[repr(C)]
pub(super) struct gnutls_certificate_credentials_st {
    opaque: [u8; 0],
}

/// `gnutls_priority_t`'s target.
#[repr(C)]
pub(super) struct gnutls_priority_st {
    opaque: [u8; 0],
}

pub(super) type gnutls_session_t = *mut gnutls_session_int;
pub(super) type gnutls_certificate_credentials_t = *mut gnutls_certificate_credentials_st;
pub(super) type gnutls_priority_t = *mut gnutls_priority_st;

#[repr(C)]
pub(super) struct gnutls_datum_t {
    pub(super) data: *mut u8,
    pub(super) size: c_uint,
}

pub(super) type gnutls_push_func = unsafe extern "C" fn(*mut c_void, *const c_void, usize) -> isize;
pub(super) type gnutls_pull_func = unsafe extern "C" fn(*mut c_void, *mut c_void, usize) -> isize;

pub(super) const GNUTLS_SERVER: c_uint = 1;
pub(super) const GNUTLS_CLIENT: c_uint = 1 << 1;
pub(super) const GNUTLS_NONBLOCK: c_uint = 1 << 3;
pub(super) const GNUTLS_NO_TICKETS: c_uint = 1 << 10;
pub(super) const GNUTLS_NO_AUTO_SEND_TICKET: c_uint = 1 << 21;
pub(super) const GNUTLS_CRD_CERTIFICATE: c_int = 1;
pub(super) const GNUTLS_NAME_DNS: c_int = 1;
pub(super) const GNUTLS_X509_FMT_DER: c_int = 0;
pub(super) const GNUTLS_SHUT_WR: c_int = 1;
pub(super) const GNUTLS_SFLAGS_SESSION_TICKET: c_uint = 1 << 7;
pub(super) const GNUTLS_E_AGAIN: c_int = -28;
pub(super) const GNUTLS_TLS1_2: c_int = 4;
pub(super) const GNUTLS_TLS1_3: c_int = 5;
pub(super) const GNUTLS_CIPHER_AES_128_GCM: c_int = 10;
pub(super) const GNUTLS_CIPHER_AES_256_GCM: c_int = 11;
pub(super) const GNUTLS_CIPHER_CHACHA20_POLY1305: c_int = 23;
pub(super) const GNUTLS_KX_ECDHE_RSA: c_int = 12;
pub(super) const GNUTLS_GROUP_X25519: c_int = 6;

#[link(name = "gnutls")]
unsafe extern "C" {
    /// A variable: the function that frees what the library has allocated.
    pub(super) static gnutls_free: unsafe extern "C" fn(*mut c_void);

    pub(super) fn gnutls_check_version(required: *const c_char) -> *const c_char;
    pub(super) fn gnutls_strerror(error: c_int) -> *const c_char;

    pub(super) fn gnutls_priority_init(
        priority: *mut gnutls_priority_t,
        priorities: *const c_char,
        error_position: *mut *const c_char,
    ) -> c_int;
    pub(super) fn gnutls_priority_deinit(priority: gnutls_priority_t);
    pub(super) fn gnutls_certificate_allocate_credentials(
        credentials: *mut gnutls_certificate_credentials_t,
    ) -> c_int;
    pub(super) fn gnutls_certificate_free_credentials(credentials: gnutls_certificate_credentials_t);
    /// Gives how many were added.
    pub(super) fn gnutls_certificate_set_x509_trust_mem(
        credentials: gnutls_certificate_credentials_t,
        authority: *const gnutls_datum_t,
        format: c_int,
    ) -> c_int;
    /// Gives an index.
    pub(super) fn gnutls_certificate_set_x509_key_mem(
        credentials: gnutls_certificate_credentials_t,
        certificate: *const gnutls_datum_t,
        key: *const gnutls_datum_t,
        format: c_int,
    ) -> c_int;
    pub(super) fn gnutls_session_ticket_key_generate(key: *mut gnutls_datum_t) -> c_int;

    pub(super) fn gnutls_init(session: *mut gnutls_session_t, flags: c_uint) -> c_int;
    pub(super) fn gnutls_deinit(session: gnutls_session_t);
    /// The session refers to the priorities.
    pub(super) fn gnutls_priority_set(session: gnutls_session_t, priority: gnutls_priority_t) -> c_int;
    /// The session refers to the credentials.
    pub(super) fn gnutls_credentials_set(
        session: gnutls_session_t,
        kind: c_int,
        credentials: *mut c_void,
    ) -> c_int;
    /// The session refers to the name.
    pub(super) fn gnutls_session_set_verify_cert(
        session: gnutls_session_t,
        name: *const c_char,
        flags: c_uint,
    );
    pub(super) fn gnutls_server_name_set(
        session: gnutls_session_t,
        kind: c_int,
        name: *const c_void,
        len: usize,
    ) -> c_int;
    pub(super) fn gnutls_transport_set_ptr(session: gnutls_session_t, transport: *mut c_void);
    pub(super) fn gnutls_transport_set_push_function(session: gnutls_session_t, push: gnutls_push_func);
    pub(super) fn gnutls_transport_set_pull_function(session: gnutls_session_t, pull: gnutls_pull_func);
    pub(super) fn gnutls_transport_set_errno(session: gnutls_session_t, number: c_int);

    pub(super) fn gnutls_handshake(session: gnutls_session_t) -> c_int;
    pub(super) fn gnutls_record_send(session: gnutls_session_t, data: *const c_void, len: usize) -> isize;
    pub(super) fn gnutls_record_recv(session: gnutls_session_t, data: *mut c_void, len: usize) -> isize;
    pub(super) fn gnutls_bye(session: gnutls_session_t, how: c_int) -> c_int;

    pub(super) fn gnutls_session_ticket_enable_server(
        session: gnutls_session_t,
        key: *const gnutls_datum_t,
    ) -> c_int;
    pub(super) fn gnutls_session_ticket_send(
        session: gnutls_session_t,
        count: c_uint,
        flags: c_uint,
    ) -> c_int;
    pub(super) fn gnutls_session_get_data2(session: gnutls_session_t, data: *mut gnutls_datum_t) -> c_int;
    pub(super) fn gnutls_session_set_data(
        session: gnutls_session_t,
        data: *const c_void,
        len: usize,
    ) -> c_int;

    pub(super) fn gnutls_session_is_resumed(session: gnutls_session_t) -> c_int;
    pub(super) fn gnutls_session_get_flags(session: gnutls_session_t) -> c_uint;
    pub(super) fn gnutls_protocol_get_version(session: gnutls_session_t) -> c_int;
    pub(super) fn gnutls_cipher_get(session: gnutls_session_t) -> c_int;
    pub(super) fn gnutls_kx_get(session: gnutls_session_t) -> c_int;
    pub(super) fn gnutls_group_get(session: gnutls_session_t) -> c_int;
}

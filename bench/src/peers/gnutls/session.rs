//! GnuTLS' interface without pointers.

use std::ffi::{CStr, CString, c_int, c_uint, c_void};
use std::ptr::{NonNull, null, null_mut};
use std::sync::Arc;

use super::ffi;

/// What a session refers to while it lives.
pub(super) struct Configuration {
    priorities: ffi::gnutls_priority_t,
    credentials: ffi::gnutls_certificate_credentials_t,
    /// Of the server's tickets, if it issues any.
    ticket_key: Option<Bytes>,
    /// Of the server, for the client.
    name: CString,
}

// SAFETY: what it points to is not changed any more once it is made, and the library lets sessions of several threads refer to it.
unsafe impl Send for Configuration {}
// SAFETY: as above.
unsafe impl Sync for Configuration {}

impl Configuration {
    pub(super) fn new(priorities: &str, name: &str) -> Self {
        let (priorities, name) = (CString::new(priorities).unwrap(), CString::new(name).unwrap());
        let mut configuration =
            Self { priorities: null_mut(), credentials: null_mut(), ticket_key: None, name };
        // SAFETY: both pointers are valid for the call; no error position is asked for.
        check(unsafe {
            ffi::gnutls_priority_init(&raw mut configuration.priorities, priorities.as_ptr(), null_mut())
        });
        // SAFETY: the pointer is valid for the call.
        check(unsafe { ffi::gnutls_certificate_allocate_credentials(&raw mut configuration.credentials) });
        configuration
    }

    pub(super) fn trust(&mut self, root: &[u8]) {
        let root = datum(root);
        // SAFETY: the credentials are allocated, and the library only reads the datum.
        let added = check(unsafe {
            ffi::gnutls_certificate_set_x509_trust_mem(
                self.credentials,
                &raw const root,
                ffi::GNUTLS_X509_FMT_DER,
            )
        });
        assert_eq!(added, 1, "one root");
    }

    pub(super) fn identity(&mut self, certificate: &[u8], key: &[u8]) {
        let (certificate, key) = (datum(certificate), datum(key));
        // SAFETY: the credentials are allocated, and the library only reads the data.
        check(unsafe {
            ffi::gnutls_certificate_set_x509_key_mem(
                self.credentials,
                &raw const certificate,
                &raw const key,
                ffi::GNUTLS_X509_FMT_DER,
            )
        });
    }

    pub(super) fn issue_tickets(&mut self) {
        let mut key = Bytes::empty();
        // SAFETY: the pointer is valid for the call.
        check(unsafe { ffi::gnutls_session_ticket_key_generate(&raw mut key.0) });
        self.ticket_key = Some(key);
    }
}

impl Drop for Configuration {
    fn drop(&mut self) {
        // SAFETY: sessions hold a reference to this, so none refers to it any more.
        unsafe { ffi::gnutls_certificate_free_credentials(self.credentials) };
        // SAFETY: as above.
        unsafe { ffi::gnutls_priority_deinit(self.priorities) };
    }
}

/// A connection's one side.
pub(super) struct Session {
    session: ffi::gnutls_session_t,
    /// Belongs to this; the library has the pointer too, and uses it within calls.
    transport: NonNull<Transport>,
    _configuration: Arc<Configuration>,
}

// SAFETY: the library does not tie a session to a thread, and what is shared is behind Arc and Sync.
unsafe impl Send for Session {}

/// What the callbacks read from and write to.
pub(super) struct Transport {
    pub(super) input: Vec<u8>,
    pub(super) taken: usize,
    pub(super) output: Vec<u8>,
    session: ffi::gnutls_session_t,
}

impl Session {
    pub(super) fn client(configuration: &Arc<Configuration>, flags: c_uint) -> Self {
        let client = Self::new(configuration, flags | ffi::GNUTLS_CLIENT);
        let name = &configuration.name;
        let len = name.as_bytes().len();
        // SAFETY: the session is live, and the library copies the name.
        check(unsafe {
            ffi::gnutls_server_name_set(client.session, ffi::GNUTLS_NAME_DNS, name.as_ptr().cast(), len)
        });
        // SAFETY: the session is live, and the name lives as long, in its configuration.
        unsafe { ffi::gnutls_session_set_verify_cert(client.session, name.as_ptr(), 0) };
        client
    }

    pub(super) fn server(configuration: &Arc<Configuration>, flags: c_uint) -> Self {
        let server = Self::new(configuration, flags | ffi::GNUTLS_SERVER);
        if let Some(key) = &configuration.ticket_key {
            // SAFETY: the session is live, and the library copies the key.
            check(unsafe { ffi::gnutls_session_ticket_enable_server(server.session, &raw const key.0) });
        }
        server
    }

    fn new(configuration: &Arc<Configuration>, flags: c_uint) -> Self {
        let mut session = null_mut();
        // SAFETY: the pointer is valid for the call.
        check(unsafe { ffi::gnutls_init(&raw mut session, flags | ffi::GNUTLS_NONBLOCK) });
        // SAFETY: session and priorities are live; the priorities stay so, by the Arc below.
        check(unsafe { ffi::gnutls_priority_set(session, configuration.priorities) });
        let credentials = configuration.credentials.cast();
        // SAFETY: session and credentials are live; the credentials stay so, by the Arc below.
        check(unsafe { ffi::gnutls_credentials_set(session, ffi::GNUTLS_CRD_CERTIFICATE, credentials) });
        let transport = Transport { input: Vec::new(), taken: 0, output: Vec::new(), session };
        let transport = NonNull::from(Box::leak(Box::new(transport)));
        // SAFETY: the session is live; the transport lives until the session is gone.
        unsafe { ffi::gnutls_transport_set_ptr(session, transport.as_ptr().cast()) };
        // SAFETY: the session is live, and the function keeps to its contract.
        unsafe { ffi::gnutls_transport_set_push_function(session, push) };
        // SAFETY: the session is live, and the function keeps to its contract.
        unsafe { ffi::gnutls_transport_set_pull_function(session, pull) };
        Self { session, transport, _configuration: Arc::clone(configuration) }
    }

    pub(super) fn transport_mut(&mut self) -> &mut Transport {
        // SAFETY: it is this session's own, and the library uses it only within calls, which borrow the session as well.
        unsafe { self.transport.as_mut() }
    }

    /// Whether it is finished; otherwise it wants input.
    pub(super) fn handshake(&mut self) -> bool {
        // SAFETY: the session is live, and no reference to its transport is.
        let status = unsafe { ffi::gnutls_handshake(self.session) };
        status != ffi::GNUTLS_E_AGAIN && check(status) == 0
    }

    /// One record.
    pub(super) fn send(&mut self, data: &[u8]) {
        // SAFETY: the session is live, no reference to its transport is, and the data is only read.
        let sent = unsafe { ffi::gnutls_record_send(self.session, data.as_ptr().cast(), data.len()) };
        assert_eq!(sent.cast_unsigned(), data.len(), "one record");
    }

    /// The data of one record at most; [`None`] while there is none, zero at the end.
    pub(super) fn receive(&mut self, buffer: &mut [u8]) -> Option<usize> {
        // SAFETY: the session is live, no reference to its transport is, and the library writes no more than the length.
        let received =
            unsafe { ffi::gnutls_record_recv(self.session, buffer.as_mut_ptr().cast(), buffer.len()) };
        match usize::try_from(received) {
            Ok(len) => Some(len),
            Err(_) if received == ffi::GNUTLS_E_AGAIN as isize => None,
            Err(_) => panic!("receiving fails: {received}"),
        }
    }

    pub(super) fn close(&mut self) {
        // SAFETY: the session is live, and no reference to its transport is.
        check(unsafe { ffi::gnutls_bye(self.session, ffi::GNUTLS_SHUT_WR) });
    }

    pub(super) fn send_tickets(&mut self, count: usize) {
        let count = c_uint::try_from(count).expect("few");
        // SAFETY: the session is live, and no reference to its transport is.
        check(unsafe { ffi::gnutls_session_ticket_send(self.session, count, 0) });
    }

    pub(super) fn has_ticket(&self) -> bool {
        // SAFETY: the session is live.
        unsafe { ffi::gnutls_session_get_flags(self.session) & ffi::GNUTLS_SFLAGS_SESSION_TICKET != 0 }
    }

    /// What [`resume`](Self::resume) takes.
    pub(super) fn resumption(&mut self) -> Bytes {
        let mut data = Bytes::empty();
        // SAFETY: the session is live, and the pointer is valid for the call.
        check(unsafe { ffi::gnutls_session_get_data2(self.session, &raw mut data.0) });
        data
    }

    pub(super) fn resume(&mut self, Bytes(data): &Bytes) {
        let len = usize::try_from(data.size).expect("no more than memory");
        // SAFETY: the session is live, and the library only reads the data.
        check(unsafe { ffi::gnutls_session_set_data(self.session, data.data.cast_const().cast(), len) });
    }

    pub(super) fn is_resumed(&self) -> bool {
        // SAFETY: the session is live.
        unsafe { ffi::gnutls_session_is_resumed(self.session) != 0 }
    }

    pub(super) fn version(&self) -> c_int {
        // SAFETY: the session is live.
        unsafe { ffi::gnutls_protocol_get_version(self.session) }
    }

    pub(super) fn cipher(&self) -> c_int {
        // SAFETY: the session is live.
        unsafe { ffi::gnutls_cipher_get(self.session) }
    }

    pub(super) fn key_exchange(&self) -> c_int {
        // SAFETY: the session is live.
        unsafe { ffi::gnutls_kx_get(self.session) }
    }

    pub(super) fn group(&self) -> c_int {
        // SAFETY: the session is live.
        unsafe { ffi::gnutls_group_get(self.session) }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // SAFETY: the session is live, and not used again.
        unsafe { ffi::gnutls_deinit(self.session) };
        // SAFETY: it was leaked from a box, and who else had the pointer is gone.
        drop(unsafe { Box::from_raw(self.transport.as_ptr()) });
    }
}

/// What the library has allocated.
pub(super) struct Bytes(ffi::gnutls_datum_t);

// SAFETY: they belong to this alone, and the library's allocator is that of all threads.
unsafe impl Send for Bytes {}
// SAFETY: nothing changes them.
unsafe impl Sync for Bytes {}

impl Bytes {
    fn empty() -> Self {
        Self(ffi::gnutls_datum_t { data: null_mut(), size: 0 })
    }
}

impl Drop for Bytes {
    fn drop(&mut self) {
        // SAFETY: the library sets the variable when it is loaded and nobody changes it here.
        let free = unsafe { ffi::gnutls_free };
        // SAFETY: the library has allocated it, or it is null, which may be freed too.
        unsafe { free(self.0.data.cast()) };
    }
}

/// Of the library that is linked, which need not be the one this was built with.
pub(super) fn version() -> String {
    // SAFETY: null asks for no particular version.
    let version = unsafe { ffi::gnutls_check_version(null()) };
    // SAFETY: without a requirement the answer is a string of static life.
    unsafe { CStr::from_ptr(version) }.to_string_lossy().into_owned()
}

/// What is measured does not fail.
fn check(status: c_int) -> c_int {
    if status < 0 {
        // SAFETY: any number is allowed.
        let text = unsafe { ffi::gnutls_strerror(status) };
        // SAFETY: the answer is a string of static life.
        panic!("GnuTLS: {}", unsafe { CStr::from_ptr(text) }.to_string_lossy());
    }
    status
}

/// For calls that only read it.
fn datum(bytes: &[u8]) -> ffi::gnutls_datum_t {
    let size = c_uint::try_from(bytes.len()).expect("a certificate's length");
    ffi::gnutls_datum_t { data: bytes.as_ptr().cast_mut(), size }
}

unsafe extern "C" fn push(transport: *mut c_void, data: *const c_void, len: usize) -> isize {
    // SAFETY: the library passes what it was given, the session's own transport, to which there is no other reference within calls.
    let transport = unsafe { &mut *transport.cast::<Transport>() };
    // SAFETY: the library passes `len` bytes.
    let data = unsafe { std::slice::from_raw_parts(data.cast::<u8>(), len) };
    transport.output.extend_from_slice(data);
    len.cast_signed()
}

unsafe extern "C" fn pull(transport: *mut c_void, buffer: *mut c_void, len: usize) -> isize {
    // SAFETY: as in `push`.
    let transport = unsafe { &mut *transport.cast::<Transport>() };
    let rest = transport.input.get(transport.taken..).unwrap_or_default();
    let len = len.min(rest.len());
    if len == 0 {
        // SAFETY: the session that calls this is live.
        unsafe { ffi::gnutls_transport_set_errno(transport.session, EAGAIN) };
        return -1;
    }
    // SAFETY: the library has room for at least `len` bytes, and its memory and this one's do not overlap.
    unsafe { std::ptr::copy_nonoverlapping(rest.as_ptr(), buffer.cast::<u8>(), len) };
    transport.taken += len;
    len.cast_signed()
}

/// Of every system that GnuTLS' feature is for.
const EAGAIN: c_int = rustix::io::Errno::AGAIN.raw_os_error();

//! This provider through its C ABI, as a program written for SSPI calls it: three buffers end to end in one piece of memory.
#![expect(unsafe_code, reason = "the C ABI")]

use core::ffi::c_void;
use core::mem::MaybeUninit;
use core::ptr::{null, null_mut};
use std::sync::{Arc, LazyLock};

use openschannel_ffi::types::{
    CERT_CONTEXT, CipherInfo, HCERTSTORE, SECPKG_CRED_INBOUND, SECPKG_CRED_OUTBOUND, SchannelCred, SecBuffer,
    SecBufferDesc, SecHandle, SessionInfo, StreamSizes, attribute, buffer_type, cred_flags,
};
use openschannel_ffi::wincrypt::{
    CertAddEncodedCertificateToStore, CertCloseStore, CertFreeCertificateContext, CertOpenStore,
    OpenSchannelImportPem,
};
use openschannel_ffi::{
    AcceptSecurityContext, ApplyControlToken, CredentialOptions, DecryptMessage, DeleteSecurityContext,
    EncryptMessage, FreeContextBuffer, FreeCredentialsHandle, InitializeSecurityContextW,
    OpenSchannelAcquireCredentials, QueryContextAttributesW,
};

use super::{C_ABI, Connection, Endpoints, Halves, Library, Receiving, Sending, establish};
use crate::setup::{Certificates, NAME, Negotiated, Setup, Version, certificates};
use crate::wire::Wire;

const OK: i32 = 0;
const CONTINUE_NEEDED: i32 = 0x0009_0312;
const CONTEXT_EXPIRED: i32 = 0x0009_0317;
const INCOMPLETE_MESSAGE: i32 = 0x8009_0318_u32.cast_signed();
/// Of ISC and ASC: CONFIDENTIALITY and ALLOCATE_MEMORY.
const ALLOCATING: u32 = 0x110;
/// CONFIDENTIALITY: the token goes to the caller's memory.
const SUPPLIED: u32 = 0x10;
/// SCHANNEL_SHUTDOWN
const SHUTDOWN: u32 = 1;
/// SSL_SESSION_RECONNECT
const RECONNECT: u32 = 1;
/// CERT_STORE_PROV_MEMORY
const MEMORY_STORE: usize = 2;
/// CERT_STORE_ADD_ALWAYS
const ADD_ALWAYS: u32 = 4;
/// X509_ASN_ENCODING
const X509: u32 = 1;

/// The exported functions.
#[derive(Clone, Copy, Debug)]
pub struct CAbi;

impl Library for CAbi {
    fn name(&self) -> &'static str {
        C_ABI
    }

    fn version(&self) -> String {
        env!("CARGO_PKG_VERSION").to_owned()
    }

    fn supports(&self, setup: &Setup) -> bool {
        setup.is_possible()
    }

    fn endpoints(&self, setup: &Setup) -> Box<dyn Endpoints> {
        let certificates = certificates(setup.key);
        let endpoints = Handles {
            client: Arc::new(Credential::outbound(setup, certificates)),
            server: Arc::new(Credential::inbound(setup, certificates)),
        };
        if setup.resumed {
            drop(establish(&endpoints));
        }
        Box::new(endpoints)
    }
}

struct Handles {
    client: Arc<Credential>,
    server: Arc<Credential>,
}

impl Endpoints for Handles {
    fn client(&self) -> Box<dyn Connection> {
        Box::new(Side::new(Arc::clone(&self.client), false))
    }

    fn server(&self) -> Box<dyn Connection> {
        Box::new(Side::new(Arc::clone(&self.server), true))
    }
}

/// A CredHandle; freed with the last connection.
struct Credential(SecHandle);

impl Credential {
    fn outbound(setup: &Setup, certificates: &Certificates) -> Self {
        // SAFETY: the provider is the number of one that takes no parameter.
        let store = unsafe { CertOpenStore(core::ptr::without_provenance(MEMORY_STORE), 0, 0, 0, null()) };
        let root = &certificates.root_der;
        // SAFETY: pointer and length are those of the certificate.
        let added = unsafe {
            CertAddEncodedCertificateToStore(store, X509, root.as_ptr(), length(root), ADD_ALWAYS, null_mut())
        };
        assert_ne!(added, 0, "a root");
        let flags = cred_flags::RESTRICTED_ROOTS | cred_flags::AUTO_CRED_VALIDATION;
        let credential = Self::acquire(SECPKG_CRED_OUTBOUND, setup, flags, store, &mut []);
        // SAFETY: a store of ours; nobody uses it any more.
        let closed = unsafe { CertCloseStore(store, 0) };
        assert_ne!(closed, 0, "closed");
        credential
    }

    fn inbound(setup: &Setup, certificates: &Certificates) -> Self {
        let (chain, key) = (certificates.leaf_pem.as_bytes(), certificates.key_pem.as_bytes());
        let mut leaf: *const CERT_CONTEXT = null();
        // SAFETY: the lengths are those of the texts.
        let imported = unsafe {
            OpenSchannelImportPem(
                chain.as_ptr(),
                length(chain),
                key.as_ptr(),
                length(key),
                null_mut(),
                &raw mut leaf,
            )
        };
        assert_ne!(imported, 0, "certificate and key belong together");
        let credential = Self::acquire(SECPKG_CRED_INBOUND, setup, 0, null_mut(), &mut [leaf]);
        // SAFETY: a context of ours.
        let freed = unsafe { CertFreeCertificateContext(leaf) };
        assert_ne!(freed, 0, "freed");
        credential
    }

    fn acquire(
        side: u32,
        setup: &Setup,
        flags: u32,
        root_store: HCERTSTORE,
        creds: &mut [*const CERT_CONTEXT],
    ) -> Self {
        let auth = SchannelCred {
            version: 4,
            cred_count: length(creds),
            creds: creds.as_mut_ptr(),
            root_store,
            mapper_count: 0,
            mappers: null_mut(),
            supported_alg_count: 0,
            supported_algs: null_mut(),
            enabled_protocols: 0,
            minimum_cipher_strength: 0,
            maximum_cipher_strength: 0,
            session_lifespan: 0,
            flags: flags | if setup.resumed { 0 } else { cred_flags::DISABLE_RECONNECTS },
            cred_format: 0,
        };
        let suites = [setup.suite()];
        // P-256 for the signature.
        let groups = [setup.group.id(), 23];
        let groups = if setup.version == Version::Tls12 { &groups[..] } else { &groups[..1] };
        let options = CredentialOptions {
            size: u32::try_from(size_of::<CredentialOptions>()).expect("small"),
            flags: 0,
            key_log_file: null(),
            cipher_suite_count: length(&suites),
            cipher_suites: suites.as_ptr(),
            group_count: length(groups),
            groups: groups.as_ptr(),
        };
        let mut handle = SecHandle { lower: 0, upper: 0 };
        let auth: *const c_void = core::ptr::from_ref(&auth).cast();
        // SAFETY: everything lives through the call.
        let status = unsafe {
            OpenSchannelAcquireCredentials(side, auth, &raw const options, &raw mut handle, null_mut())
        };
        assert_eq!(status, OK, "credentials");
        Self(handle)
    }
}

impl Drop for Credential {
    fn drop(&mut self) {
        // SAFETY: a handle of ours.
        let freed = unsafe { FreeCredentialsHandle(&raw const self.0) };
        assert_eq!(freed, OK);
    }
}

/// No larger than it must be: the memory of connections is measured too.
struct Side {
    credential: Arc<Credential>,
    server: bool,
    context: Option<SecHandle>,
    is_established: bool,
    /// Of SecPkgContext_StreamSizes, once asked for.
    header: u32,
    trailer: u32,
}

impl Side {
    fn new(credential: Arc<Credential>, server: bool) -> Self {
        Self { credential, server, context: None, is_established: false, header: 0, trailer: 0 }
    }

    fn handle(&self) -> SecHandle {
        self.context.expect("begun")
    }

    /// # Safety
    /// `into` is the structure that belongs to the attribute.
    unsafe fn query<T>(&self, attribute: u32, into: *mut T) {
        let context = self.handle();
        // SAFETY: the caller's promise.
        let status = unsafe { QueryContextAttributesW(&raw const context, attribute, into.cast::<c_void>()) };
        assert_eq!(status, OK, "established");
    }

    /// The side's token call: its status, and how many bytes of the input are left.
    fn token_call(&mut self, input: &mut [u8], output: &mut SecBuffer, flags: u32) -> (i32, usize) {
        let mut inputs = [buffer(buffer_type::TOKEN, input), EMPTY];
        let (input, output) = (descriptor(&mut inputs), descriptor(core::slice::from_mut(output)));
        let context = self.context.as_ref().map_or(null(), |handle| &raw const *handle);
        let credential = &raw const self.credential.0;
        let mut new = SecHandle { lower: 0, upper: 0 };
        let status = if self.server {
            // SAFETY: everything lives through the call.
            unsafe {
                AcceptSecurityContext(
                    credential,
                    context,
                    &raw const input,
                    flags,
                    0,
                    &raw mut new,
                    &raw const output,
                    null_mut(),
                    null_mut(),
                )
            }
        } else {
            static TARGET: LazyLock<Vec<u16>> = LazyLock::new(|| NAME.encode_utf16().chain([0]).collect());
            let name = TARGET.as_ptr();
            // SAFETY: everything lives through the call.
            unsafe {
                InitializeSecurityContextW(
                    credential,
                    context,
                    name,
                    flags,
                    0,
                    0,
                    &raw const input,
                    0,
                    &raw mut new,
                    &raw const output,
                    null_mut(),
                    null_mut(),
                )
            }
        };
        if self.context.is_none() && status >= 0 {
            self.context = Some(new);
        }
        let extra = if inputs[1].buffer_type == buffer_type::EXTRA { inputs[1].len as usize } else { 0 };
        (status, extra)
    }

    /// How long SECBUFFER_STREAM_HEADER and SECBUFFER_STREAM_TRAILER are.
    fn sizes(&self) -> [u32; 2] {
        let mut sizes = StreamSizes { header: 0, trailer: 0, maximum_message: 0, buffers: 0, block_size: 0 };
        // SAFETY: the structure of this attribute.
        unsafe { self.query(attribute::STREAM_SIZES, &raw mut sizes) };
        [sizes.header, sizes.trailer]
    }
}

impl Connection for Side {
    fn step(&mut self, input: &mut Vec<u8>, output: &mut Vec<u8>) -> bool {
        loop {
            if self.is_established {
                // Tickets.
                while !input.is_empty() {
                    let (status, _, extra) = decrypt(&self.handle(), input);
                    assert_eq!(status, OK, "a ticket");
                    input.drain(..input.len() - extra);
                }
                return true;
            }
            let begins = !self.server && self.context.is_none();
            if input.is_empty() && !begins {
                return false;
            }
            let mut token = SecBuffer { buffer_type: buffer_type::TOKEN, ..EMPTY };
            let (status, extra) = self.token_call(input, &mut token, ALLOCATING);
            if !token.buffer.is_null() {
                // SAFETY: given out by the call, so many bytes long.
                let bytes = unsafe {
                    core::slice::from_raw_parts(token.buffer.cast::<u8>().cast_const(), token.len as usize)
                };
                output.extend_from_slice(bytes);
                // SAFETY: given out by the call, and not used behind this.
                let freed = unsafe { FreeContextBuffer(token.buffer) };
                assert_eq!(freed, OK);
            }
            match status {
                INCOMPLETE_MESSAGE => return false,
                OK => self.is_established = true,
                CONTINUE_NEEDED => {}
                other => panic!("the handshake fails: {other:#x}"),
            }
            if begins {
                return false;
            }
            input.drain(..input.len() - extra);
        }
    }

    fn negotiated(&self) -> Negotiated {
        let mut cipher = MaybeUninit::<CipherInfo>::zeroed();
        // SAFETY: the structure of this attribute.
        unsafe { self.query(attribute::CIPHER_INFO, cipher.as_mut_ptr()) };
        // SAFETY: numbers and texts, for which zeros are values too.
        let cipher = unsafe { cipher.assume_init() };
        let mut session = SessionInfo { flags: 0, session_id_len: 0, session_id: [0; 32] };
        // SAFETY: the structure of this attribute.
        unsafe { self.query(attribute::SESSION_INFO, &raw mut session) };
        Negotiated {
            version: if cipher.protocol == 0x304 { Version::Tls13 } else { Version::Tls12 },
            suite: u16::try_from(cipher.cipher_suite).expect("two bytes"),
            group: u16::try_from(cipher.key_type).ok().filter(|group| *group != 0),
            resumed: session.flags & RECONNECT != 0,
        }
    }

    fn prepare(&mut self, plaintext: &[u8], count: usize, wire: &mut Wire) {
        [self.header, self.trailer] = self.sizes();
        wire.lay_out(self.header as usize, plaintext, self.trailer as usize, count);
    }

    fn seal_batch(&mut self, plaintext: &[u8], count: usize, wire: &mut Wire) {
        seal_batch(self.handle(), [self.header, self.trailer], plaintext, count, wire);
    }

    fn open_batch(&mut self, wire: &mut Wire) -> usize {
        open_batch(self.handle(), wire)
    }

    fn close(&mut self, output: &mut Vec<u8>) {
        let mut kind = SHUTDOWN.to_ne_bytes();
        let mut control = [buffer(buffer_type::TOKEN, &mut kind)];
        let (context, control) = (self.handle(), descriptor(&mut control));
        // SAFETY: everything lives through the call.
        let status = unsafe { ApplyControlToken(&raw const context, &raw const control) };
        assert_eq!(status, OK, "a shutdown");
        let mut room = [0; 64];
        let mut token = buffer(buffer_type::TOKEN, &mut room);
        let (status, _) = self.token_call(&mut [], &mut token, SUPPLIED);
        assert_eq!(status, OK, "a close_notify");
        output.extend_from_slice(&room[..token.len as usize]);
    }

    fn take_close(&mut self, input: &mut Vec<u8>) -> bool {
        let (status, _, extra) = decrypt(&self.handle(), input);
        input.drain(..input.len() - extra);
        status == CONTEXT_EXPIRED
    }

    fn split(self: Box<Self>) -> Option<Halves> {
        let sizes = self.sizes();
        let side = Arc::new(*self);
        let sending = Half { side: Arc::clone(&side), sizes };
        Some(Halves { sending: Box::new(sending), receiving: Box::new(Half { side, sizes }) })
    }
}

/// One thread's use of a handle that another thread uses too, as SSPI allows.
struct Half {
    side: Arc<Side>,
    sizes: [u32; 2],
}

impl Sending for Half {
    fn prepare(&mut self, plaintext: &[u8], count: usize, wire: &mut Wire) {
        let [header, trailer] = self.sizes;
        wire.lay_out(header as usize, plaintext, trailer as usize, count);
    }

    fn seal_batch(&mut self, plaintext: &[u8], count: usize, wire: &mut Wire) {
        seal_batch(self.side.handle(), self.sizes, plaintext, count, wire);
    }
}

impl Receiving for Half {
    fn open_batch(&mut self, wire: &mut Wire) -> usize {
        open_batch(self.side.handle(), wire)
    }
}

/// EncryptMessage `count` times; `sizes` are those of header and trailer.
fn seal_batch(context: SecHandle, sizes: [u32; 2], plaintext: &[u8], count: usize, wire: &mut Wire) {
    let ([header, trailer], data, stride) = (sizes, length(plaintext), wire.stride());
    for index in 0..count {
        let start = wire.slots[index * stride].as_mut_ptr();
        let part = |kind, from: u32, len| SecBuffer {
            len,
            buffer_type: kind,
            buffer: start.wrapping_add(from as usize).cast(),
        };
        let mut buffers = [
            part(buffer_type::STREAM_HEADER, 0, header),
            part(buffer_type::DATA, header, data),
            part(buffer_type::STREAM_TRAILER, header + data, trailer),
            EMPTY,
        ];
        let message = descriptor(&mut buffers);
        // SAFETY: the slot is as long as the three parts, and everything lives through the call.
        let status = unsafe { EncryptMessage(&raw const context, 0, &raw const message, 0) };
        assert_eq!(status, OK, "sealed");
        wire.record_len = (buffers[0].len + buffers[1].len + buffers[2].len) as usize;
    }
    wire.count = count;
}

/// DecryptMessage on each record of the wire.
fn open_batch(context: SecHandle, wire: &mut Wire) -> usize {
    let mut total = 0;
    for slot in &mut wire.slots[..wire.count] {
        let (status, data, _) = decrypt(&context, &mut slot[..wire.record_len]);
        assert_eq!(status, OK, "opened");
        total += data;
    }
    total
}

/// DecryptMessage on the record at the front: the status, the length of its plaintext, and how much lies behind it.
fn decrypt(handle: &SecHandle, record: &mut [u8]) -> (i32, usize, usize) {
    let mut buffers = [buffer(buffer_type::DATA, record), EMPTY, EMPTY, EMPTY];
    let message = descriptor(&mut buffers);
    // SAFETY: everything lives through the call.
    let status = unsafe { DecryptMessage(&raw const *handle, &raw const message, 0, null_mut()) };
    let extra = if buffers[3].buffer_type == buffer_type::EXTRA { buffers[3].len as usize } else { 0 };
    (status, buffers[1].len as usize, extra)
}

impl Drop for Side {
    fn drop(&mut self) {
        if let Some(context) = &self.context {
            // SAFETY: a handle of ours.
            let deleted = unsafe { DeleteSecurityContext(&raw const *context) };
            assert_eq!(deleted, OK);
        }
    }
}

const EMPTY: SecBuffer = SecBuffer { len: 0, buffer_type: buffer_type::EMPTY, buffer: null_mut() };

fn buffer(kind: u32, bytes: &mut [u8]) -> SecBuffer {
    SecBuffer { len: length(bytes), buffer_type: kind, buffer: bytes.as_mut_ptr().cast() }
}

fn descriptor(buffers: &mut [SecBuffer]) -> SecBufferDesc {
    SecBufferDesc { version: 0, count: length(buffers), buffers: buffers.as_mut_ptr() }
}

fn length<T>(items: &[T]) -> u32 {
    u32::try_from(items.len()).expect("no more than 4 GiB")
}

//! Answers that only a caller in trouble sees, through the exported functions.
#![cfg(not(windows))]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by it")]

use core::ptr::{null, null_mut};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};

use openschannel_ffi::types::{
    KeyingMaterial, KeyingMaterialInfo, SECPKG_CRED_INBOUND, SECPKG_CRED_OUTBOUND, SchCredentials, SecBuffer,
    SecBufferDesc, SecHandle, SessionInfo, attribute, buffer_type, cred_flags,
};
use openschannel_ffi::wincrypt::OpenSchannelImportPem;
use openschannel_ffi::*;

const ALLOCATE_MEMORY: u32 = 0x100;
const MUTUAL_AUTH: u32 = 2;

const OK: u32 = 0;
const CONTINUE_NEEDED: u32 = 0x0009_0312;
const RENEGOTIATE: u32 = 0x0009_0321;
const INVALID_HANDLE: u32 = 0x8009_0301;
const MESSAGE_ALTERED: u32 = 0x8009_030F;
const CONTEXT_EXPIRED: u32 = 0x8009_0317;

/// Poco takes SEC_E_CONTEXT_EXPIRED for a success and sends what the three buffers say. Between SEC_I_RENEGOTIATE on the reading thread and
/// its token call that would be the plaintext.
#[test]
fn nothing_is_left_to_send_while_a_handshake_message_waits() {
    let (mut client, mut server) = established();
    let wire = server.encrypt(b"behind the tickets").1;
    client.input.extend(wire);
    assert_eq!(client.decrypt().0, RENEGOTIATE);
    let (status, _, lengths) = client.encrypt(b"secret");
    assert_eq!((status, lengths), (CONTEXT_EXPIRED, [0; 3]));
    // The token call opens the gate.
    let (status, _) = client.token_call();
    assert_eq!(status, OK);
    let (status, wire, _) = client.encrypt(b"secret");
    assert_eq!(status, OK);
    server.input.extend(wire);
    assert_eq!(server.decrypt(), (OK, b"secret".to_vec()));
}

/// Section 3.6: keying material of a failed connection is SEC_E_INVALID_HANDLE, other answers stay.
#[test]
fn a_failed_connection_gives_no_keying_material() {
    let (mut client, mut server) = established();
    let mut label = *b"EXPORTER-test\0";
    let mut info = KeyingMaterialInfo {
        label_len: 14,
        label: label.as_mut_ptr(),
        context_len: 0,
        context: null_mut(),
        keying_material_len: 32,
    };
    // SAFETY: everything lives through the call.
    let status = unsafe {
        SetContextAttributesW(
            &raw const server.context,
            attribute::KEYING_MATERIAL_INFO,
            (&raw mut info).cast(),
            40,
        )
    };
    assert_eq!(status, 0);
    assert_eq!(server.keying_material(), OK);
    let mut wire = client.encrypt(b"forged").1;
    *wire.last_mut().unwrap() ^= 1;
    server.input.extend(wire);
    assert_eq!(server.decrypt().0, MESSAGE_ALTERED);
    assert_eq!(server.keying_material(), INVALID_HANDLE);
    let mut sizes = [0_u32; 5];
    // SAFETY: everything lives through the call.
    let status = unsafe {
        QueryContextAttributesW(&raw const server.context, attribute::STREAM_SIZES, sizes.as_mut_ptr().cast())
    };
    assert_eq!(status, 0);
}

/// ISC_RET_MUTUAL_AUTH says that the server was authenticated. Where the program is to see to that, it was not, by a resumed session
/// either.
#[test]
fn a_resumed_session_authenticates_nobody_who_was_not() {
    let (mut client, mut server) = sides();
    for resumed in [false, true] {
        (client, server) =
            (Side { context: NONE, ..client }, Side { context: NONE, input: Vec::new(), ..server });
        let returned = connect(&mut client, &mut server);
        assert_eq!(client.is_resumed(), resumed);
        assert_eq!(returned & MUTUAL_AUTH, 0, "resumed: {resumed}");
        while !client.input.is_empty() {
            assert_eq!(client.decrypt().0, RENEGOTIATE);
            assert_eq!(client.token_call().0, OK);
        }
    }
}

/// Both directions at once, queries between them, and the handle given back under all of it.
#[test]
fn a_context_may_be_deleted_while_it_is_used() {
    for round in 0..20 {
        let (mut client, mut server) = established();
        let tokens = server.encrypt(b"x").1;
        client.input.extend(tokens);
        while client.decrypt().0 != OK {
            assert_eq!(client.token_call().0, OK);
        }
        let records: Vec<u8> = (0..200).flat_map(|_| server.encrypt(&[7; 1000]).1).collect();
        let (start, stop) = (Barrier::new(4), AtomicBool::new(false));
        let context = client.context;
        let ended = |status: u32| [INVALID_HANDLE, CONTEXT_EXPIRED].contains(&status);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut side = Side { input: records, ..Side::bare(context) };
                start.wait();
                while !side.input.is_empty() {
                    let (status, data) = side.decrypt();
                    if ended(status) {
                        break;
                    }
                    assert_eq!((status, data), (OK, vec![7; 1000]));
                }
                stop.store(true, Ordering::Release);
            });
            scope.spawn(|| {
                let mut side = Side::bare(context);
                start.wait();
                loop {
                    let status = side.encrypt(&[1; 100]).0;
                    if ended(status) {
                        break;
                    }
                    assert_eq!(status, OK);
                }
            });
            scope.spawn(|| {
                start.wait();
                loop {
                    let mut sizes = [0_u32; 5];
                    // SAFETY: everything lives through the call.
                    let status = unsafe {
                        QueryContextAttributesW(
                            &raw const context,
                            attribute::STREAM_SIZES,
                            sizes.as_mut_ptr().cast(),
                        )
                    };
                    if ended(status.cast_unsigned()) {
                        break;
                    }
                    assert_eq!(status, 0);
                }
            });
            start.wait();
            if round % 2 == 0 {
                while !stop.load(Ordering::Acquire) {
                    std::thread::yield_now();
                }
            }
            // SAFETY: a handle.
            assert_eq!(unsafe { DeleteSecurityContext(&raw const context) }, 0);
            // SAFETY: a handle.
            assert_eq!(unsafe { DeleteSecurityContext(&raw const context) }, 0);
        });
    }
}

#[derive(Debug)]
struct Side {
    credential: SecHandle,
    context: SecHandle,
    server: bool,
    input: Vec<u8>,
    /// The attribute bits of the last token call.
    returned: u32,
}

const NONE: SecHandle = SecHandle { lower: 0, upper: 0 };

/// TLS 1.3 in compatible mode on both sides; the client has not read the server's tickets.
fn established() -> (Side, Side) {
    let (mut client, mut server) = sides();
    connect(&mut client, &mut server);
    (client, server)
}

fn sides() -> (Side, Side) {
    (
        Side { credential: acquire(false), ..Side::bare(NONE) },
        Side { credential: acquire(true), server: true, ..Side::bare(NONE) },
    )
}

/// A handshake; what its last call returned to the client.
fn connect(client: &mut Side, server: &mut Side) -> u32 {
    for _ in 0..5 {
        let (status, token) = client.token_call();
        server.input.extend(token);
        if status == OK {
            let returned = client.returned;
            let (status, token) = server.token_call();
            assert_eq!(status, OK);
            client.input.extend(token);
            return returned;
        }
        assert_eq!(status, CONTINUE_NEEDED);
        let (status, token) = server.token_call();
        assert_eq!(status, CONTINUE_NEEDED);
        client.input.extend(token);
    }
    panic!("the handshake does not end");
}

fn acquire(inbound: bool) -> SecHandle {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let mut certificate = null();
    let len = |text: &str| u32::try_from(text.len()).unwrap();
    // SAFETY: the lengths are those of the texts.
    let done = unsafe {
        OpenSchannelImportPem(
            chain.as_ptr(),
            len(&chain),
            key.as_ptr(),
            len(&key),
            null_mut(),
            &raw mut certificate,
        )
    };
    assert_ne!(done, 0);
    let auth = SchCredentials {
        version: 5,
        cred_format: 0,
        cred_count: u32::from(inbound),
        creds: &raw mut certificate,
        root_store: null_mut(),
        mapper_count: 0,
        mappers: null_mut(),
        session_lifespan: 0,
        flags: if inbound { 0 } else { cred_flags::MANUAL_CRED_VALIDATION },
        tls_parameter_count: 0,
        tls_parameters: null_mut(),
    };
    let package: Vec<u16> = "Schannel\0".encode_utf16().collect();
    let mut handle = NONE;
    let side = if inbound { SECPKG_CRED_INBOUND } else { SECPKG_CRED_OUTBOUND };
    // SAFETY: everything lives through the call.
    let status = unsafe {
        AcquireCredentialsHandleW(
            null(),
            package.as_ptr(),
            side,
            null(),
            (&raw const auth).cast(),
            null(),
            null(),
            &raw mut handle,
            null_mut(),
        )
    };
    assert_eq!(status, 0);
    handle
}

impl Side {
    fn bare(context: SecHandle) -> Self {
        Self { credential: NONE, context, server: false, input: Vec::new(), returned: 0 }
    }

    /// What arrived goes in; what was not looked at stays.
    fn token_call(&mut self) -> (u32, Vec<u8>) {
        let mut inputs = [buffer(buffer_type::TOKEN, &mut self.input), buffer(buffer_type::EMPTY, &mut [])];
        let mut outputs = [SecBuffer { len: 0, buffer_type: buffer_type::TOKEN, buffer: null_mut() }];
        let (input, output) = (descriptor(&mut inputs), descriptor(&mut outputs));
        let name: Vec<u16> = "localhost\0".encode_utf16().collect();
        let context = if self.context == NONE { null() } else { &raw const self.context };
        let credential = &raw const self.credential;
        let mut made = self.context;
        let (input, output, new) = (&raw const input, &raw const output, &raw mut made);
        let status = if self.server {
            // SAFETY: everything lives through the call.
            unsafe {
                AcceptSecurityContext(
                    credential,
                    context,
                    input,
                    ALLOCATE_MEMORY,
                    0,
                    new,
                    output,
                    null_mut(),
                    null_mut(),
                )
            }
        } else {
            let name = name.as_ptr();
            // SAFETY: everything lives through the call.
            unsafe {
                InitializeSecurityContextW(
                    credential,
                    context,
                    name,
                    ALLOCATE_MEMORY | MUTUAL_AUTH,
                    0,
                    0,
                    input,
                    0,
                    new,
                    output,
                    &raw mut self.returned,
                    null_mut(),
                )
            }
        };
        self.context = made;
        let extra = if inputs[1].buffer_type == buffer_type::EXTRA { inputs[1].len as usize } else { 0 };
        self.input.drain(..self.input.len() - extra);
        let mut token = Vec::new();
        if !outputs[0].buffer.is_null() {
            // SAFETY: given out by the call, so many bytes long.
            token.extend_from_slice(unsafe {
                core::slice::from_raw_parts(outputs[0].buffer.cast::<u8>(), outputs[0].len as usize)
            });
            // SAFETY: given out by the call.
            assert_eq!(unsafe { FreeContextBuffer(outputs[0].buffer) }, 0);
        }
        (status.cast_unsigned(), token)
    }

    /// The record, and what the three lengths are afterwards.
    fn encrypt(&mut self, data: &[u8]) -> (u32, Vec<u8>, [u32; 3]) {
        let (mut header, mut data, mut trailer) = (vec![0; 13], data.to_vec(), vec![0; 44]);
        let mut buffers = [
            buffer(buffer_type::STREAM_HEADER, &mut header),
            buffer(buffer_type::DATA, &mut data),
            buffer(buffer_type::STREAM_TRAILER, &mut trailer),
        ];
        let message = descriptor(&mut buffers);
        // SAFETY: everything lives through the call.
        let status = unsafe { EncryptMessage(&raw const self.context, 0, &raw const message, 0) };
        let lengths = buffers.map(|buffer| buffer.len);
        let record =
            [&header[..lengths[0] as usize], &data[..lengths[1] as usize], &trailer[..lengths[2] as usize]];
        (status.cast_unsigned(), record.concat(), lengths)
    }

    /// One record; what follows it stays.
    fn decrypt(&mut self) -> (u32, Vec<u8>) {
        let mut buffers = [
            buffer(buffer_type::DATA, &mut self.input),
            buffer(buffer_type::EMPTY, &mut []),
            buffer(buffer_type::EMPTY, &mut []),
            buffer(buffer_type::EMPTY, &mut []),
        ];
        let message = descriptor(&mut buffers);
        // SAFETY: everything lives through the call.
        let status = unsafe { DecryptMessage(&raw const self.context, &raw const message, 0, null_mut()) };
        let mut data = Vec::new();
        if buffers[1].buffer_type == buffer_type::DATA {
            let start = buffers[1].buffer.addr() - self.input.as_ptr().addr();
            data.extend_from_slice(&self.input[start..start + buffers[1].len as usize]);
        }
        let extra = if buffers[3].buffer_type == buffer_type::EXTRA { buffers[3].len as usize } else { 0 };
        self.input.drain(..self.input.len() - extra);
        (status.cast_unsigned(), data)
    }

    fn is_resumed(&self) -> bool {
        let mut info = SessionInfo { flags: 0, session_id_len: 0, session_id: [0; 32] };
        let attribute = attribute::SESSION_INFO;
        // SAFETY: everything lives through the call.
        let status =
            unsafe { QueryContextAttributesW(&raw const self.context, attribute, (&raw mut info).cast()) };
        assert_eq!(status, 0);
        info.flags == 1
    }

    fn keying_material(&self) -> u32 {
        let mut answer = KeyingMaterial { keying_material_len: 0, keying_material: null_mut() };
        let attribute = attribute::KEYING_MATERIAL;
        // SAFETY: everything lives through the call.
        let status =
            unsafe { QueryContextAttributesW(&raw const self.context, attribute, (&raw mut answer).cast()) };
        // SAFETY: given out by the call, or null.
        assert_eq!(unsafe { FreeContextBuffer(answer.keying_material.cast()) }, 0);
        status.cast_unsigned()
    }
}

fn buffer(kind: u32, bytes: &mut [u8]) -> SecBuffer {
    let pointer = if bytes.is_empty() { null_mut() } else { bytes.as_mut_ptr().cast() };
    SecBuffer { len: u32::try_from(bytes.len()).unwrap(), buffer_type: kind, buffer: pointer }
}

fn descriptor(buffers: &mut [SecBuffer]) -> SecBufferDesc {
    let count = u32::try_from(buffers.len()).unwrap();
    SecBufferDesc { version: 0, count, buffers: buffers.as_mut_ptr() }
}

//! A client and a server, driven through the exported functions as a program would.

use core::ptr::{null, null_mut};
use std::sync::OnceLock;

use openschannel_ffi::types::{
    CERT_CONTEXT, SECPKG_CRED_INBOUND, SECPKG_CRED_OUTBOUND, SchannelCred, SecBuffer, SecBufferDesc,
    SecHandle, buffer_type, cred_flags,
};
use openschannel_ffi::wincrypt::OpenSchannelImportPem;
use openschannel_ffi::*;

use crate::random::Random;

pub(crate) const OK: i32 = 0;
pub(crate) const CONTINUE_NEEDED: i32 = 0x0009_0312;
pub(crate) const CONTEXT_EXPIRED: i32 = 0x0009_0317;
const INCOMPLETE_MESSAGE: i32 = 0x8009_0318_u32.cast_signed();
/// ISC and ASC: ALLOCATE_MEMORY and CONFIDENTIALITY.
const FLAGS: u32 = 0x110;

/// The server's certificate, imported once.
fn certificate() -> *const CERT_CONTEXT {
    static MADE: OnceLock<usize> = OnceLock::new();
    let address = *MADE.get_or_init(|| {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        let mut context = null();
        let (chain_len, key_len) = (u32::try_from(chain.len()).unwrap(), u32::try_from(key.len()).unwrap());
        // SAFETY: the lengths are those of the texts.
        let done = unsafe {
            OpenSchannelImportPem(
                chain.as_ptr(),
                chain_len,
                key.as_ptr(),
                key_len,
                null_mut(),
                &raw mut context,
            )
        };
        assert_ne!(done, 0);
        context.expose_provenance()
    });
    core::ptr::with_exposed_provenance(address)
}

/// A SCHANNEL_CRED for either side.
pub(crate) fn auth_data(
    inbound: bool,
    protocols: u32,
    certificates: &mut [*const CERT_CONTEXT; 1],
) -> SchannelCred {
    certificates[0] = certificate();
    SchannelCred {
        version: 4,
        cred_count: u32::from(inbound),
        creds: certificates.as_mut_ptr(),
        root_store: null_mut(),
        mapper_count: 0,
        mappers: null_mut(),
        supported_alg_count: 0,
        supported_algs: null_mut(),
        enabled_protocols: protocols,
        minimum_cipher_strength: 0,
        maximum_cipher_strength: 0,
        session_lifespan: 0,
        flags: if inbound { 0 } else { cred_flags::MANUAL_CRED_VALIDATION },
        cred_format: 0,
    }
}

pub(crate) fn acquire(inbound: bool, protocols: u32) -> SecHandle {
    acquire_with(inbound, &auth_data(inbound, protocols, &mut [null()]))
}

pub(crate) fn acquire_with(inbound: bool, auth: &SchannelCred) -> SecHandle {
    let package: Vec<u16> = "Schannel\0".encode_utf16().collect();
    let mut handle = SecHandle { lower: 0, upper: 0 };
    let side = if inbound { SECPKG_CRED_INBOUND } else { SECPKG_CRED_OUTBOUND };
    // SAFETY: everything lives through the call.
    let status = unsafe {
        AcquireCredentialsHandleW(
            null(),
            package.as_ptr(),
            side,
            null(),
            core::ptr::from_ref(auth).cast(),
            null(),
            null(),
            &raw mut handle,
            null_mut(),
        )
    };
    assert_eq!(status, OK);
    handle
}

#[derive(Debug)]
pub(crate) struct Side {
    pub(crate) credential: SecHandle,
    pub(crate) context: Option<SecHandle>,
    server: bool,
    /// What arrived and was not looked at yet.
    input: Vec<u8>,
    established: bool,
}

#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) sides: [Side; 2],
}

impl Pair {
    pub(crate) fn new(random: &mut Random) -> Self {
        // TLS 1.2, TLS 1.3, both.
        let (client, server) = random.pick(&[(0x800, 0x400), (0x2000, 0x1000), (0x2800, 0x1400)]);
        Self::of(client, server)
    }

    /// With these bits of grbitEnabledProtocols.
    pub(crate) fn of(client: u32, server: u32) -> Self {
        let side = |server: bool, protocols| Side {
            credential: acquire(server, protocols),
            context: None,
            server,
            input: Vec::new(),
            established: false,
        };
        Self { sides: [side(false, client), side(true, server)] }
    }

    pub(crate) fn handshake(&mut self, random: &mut Random, disturb: &mut impl FnMut(&mut Random, &Self)) {
        let mut turns = 0;
        while !self.sides.iter().all(|side| side.established) {
            disturb(random, self);
            let [client, server] = &mut self.sides;
            let (side, other) = if turns % 2 == 0 { (client, server) } else { (server, client) };
            side.step(other);
            turns += 1;
            assert!(turns < 20, "the handshake does not end");
        }
    }

    /// The client's first token only.
    pub(crate) fn begin(&mut self) {
        let [client, server] = &mut self.sides;
        client.step(server);
    }

    pub(crate) fn talk(&mut self, random: &mut Random, disturb: &mut impl FnMut(&mut Random, &Self)) {
        for _ in 0..4 {
            disturb(random, self);
            let from = random.below(2);
            let data: Vec<u8> = (0..random.below(3000)).map(|index| index.to_le_bytes()[0]).collect();
            let wire = self.sides[from].encrypt(&data);
            disturb(random, self);
            let to = &mut self.sides[1 - from];
            to.input.extend(wire);
            assert_eq!(to.decrypt_all(), (data, OK));
        }
    }

    pub(crate) fn close(mut self, random: &mut Random, disturb: &mut impl FnMut(&mut Random, &Self)) {
        let first = random.below(2);
        for from in [first, 1 - first] {
            disturb(random, &self);
            let wire = self.sides[from].shut_down();
            disturb(random, &self);
            let to = &mut self.sides[1 - from];
            to.input.extend(wire);
            assert_eq!(to.decrypt_all(), (Vec::new(), CONTEXT_EXPIRED));
        }
        self.give_back();
    }

    /// What was made so far.
    pub(crate) fn give_back(self) {
        for side in &self.sides {
            if let Some(context) = &side.context {
                // SAFETY: a handle of ours.
                assert_eq!(unsafe { DeleteSecurityContext(&raw const *context) }, OK);
            }
            // SAFETY: a handle of ours.
            assert_eq!(unsafe { FreeCredentialsHandle(&raw const side.credential) }, OK);
        }
    }
}

impl Side {
    fn step(&mut self, other: &mut Self) {
        let (status, token, extra) = self.token_call(&self.input.clone());
        assert!(
            [OK, CONTINUE_NEEDED, INCOMPLETE_MESSAGE].contains(&status),
            "server {}: {status:#x}",
            self.server
        );
        if status != INCOMPLETE_MESSAGE {
            self.input.drain(..self.input.len() - extra);
        }
        self.established |= status == OK;
        other.input.extend(token);
    }

    /// The side's own token call: its status, the token, and how much of the input is left.
    pub(crate) fn token_call(&mut self, input: &[u8]) -> (i32, Vec<u8>, usize) {
        let mut input = input.to_vec();
        let mut inputs = [buffer(buffer_type::TOKEN, &mut input), empty()];
        let mut outputs = [SecBuffer { buffer_type: buffer_type::TOKEN, ..empty() }];
        let (input, output) = (descriptor(&mut inputs), descriptor(&mut outputs));
        let name: Vec<u16> = "localhost\0".encode_utf16().collect();
        let context = self.context.as_ref().map_or(null(), |handle| &raw const *handle);
        let mut new = SecHandle { lower: 0, upper: 0 };
        // SAFETY: everything lives through the call.
        let status = unsafe {
            if self.server {
                AcceptSecurityContext(
                    &raw const self.credential,
                    context,
                    &raw const input,
                    FLAGS,
                    0,
                    &raw mut new,
                    &raw const output,
                    null_mut(),
                    null_mut(),
                )
            } else {
                InitializeSecurityContextW(
                    &raw const self.credential,
                    context,
                    name.as_ptr(),
                    FLAGS,
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
        let extra = if inputs[1].buffer_type == buffer_type::EXTRA { inputs[1].len } else { 0 };
        let mut token = Vec::new();
        if !outputs[0].buffer.is_null() {
            // SAFETY: given out by the call, so many bytes long.
            token.extend_from_slice(unsafe {
                core::slice::from_raw_parts(outputs[0].buffer.cast::<u8>(), outputs[0].len as usize)
            });
            // SAFETY: given out by the call.
            assert_eq!(unsafe { FreeContextBuffer(outputs[0].buffer) }, OK);
        }
        (status, token, extra as usize)
    }

    pub(crate) fn encrypt(&mut self, data: &[u8]) -> Vec<u8> {
        let (mut header, mut data, mut trailer) = (vec![0; 13], data.to_vec(), vec![0; 44]);
        let mut buffers = [
            buffer(buffer_type::STREAM_HEADER, &mut header),
            buffer(buffer_type::DATA, &mut data),
            buffer(buffer_type::STREAM_TRAILER, &mut trailer),
        ];
        let message = descriptor(&mut buffers);
        // SAFETY: everything lives through the call.
        let status =
            unsafe { EncryptMessage(&raw const *self.context.as_ref().unwrap(), 0, &raw const message, 0) };
        assert_eq!(status, OK);
        [&header[..buffers[0].len as usize], &data, &trailer[..buffers[2].len as usize]].concat()
    }

    /// The data of all whole records, and the last status.
    fn decrypt_all(&mut self) -> (Vec<u8>, i32) {
        let mut all = Vec::new();
        while !self.input.is_empty() {
            let mut buffers = [buffer(buffer_type::DATA, &mut self.input), empty(), empty(), empty()];
            let message = descriptor(&mut buffers);
            let context = &raw const *self.context.as_ref().unwrap();
            // SAFETY: everything lives through the call.
            let status = unsafe { DecryptMessage(context, &raw const message, 0, null_mut()) };
            assert!([OK, CONTEXT_EXPIRED].contains(&status), "{status:#x}");
            let start = buffers[1].buffer.addr() - self.input.as_ptr().addr();
            all.extend_from_slice(&self.input[start..start + buffers[1].len as usize]);
            let extra =
                if buffers[3].buffer_type == buffer_type::EXTRA { buffers[3].len as usize } else { 0 };
            self.input.drain(..self.input.len() - extra);
            if status == CONTEXT_EXPIRED {
                return (all, status);
            }
        }
        (all, OK)
    }

    fn shut_down(&mut self) -> Vec<u8> {
        let mut kind = 1_u32.to_ne_bytes();
        let mut buffers = [buffer(buffer_type::TOKEN, &mut kind)];
        let message = descriptor(&mut buffers);
        // SAFETY: everything lives through the call.
        let status =
            unsafe { ApplyControlToken(&raw const *self.context.as_ref().unwrap(), &raw const message) };
        assert_eq!(status, OK);
        let (status, token, _) = self.token_call(&[]);
        assert_eq!(status, OK);
        assert!([24, 31].contains(&token.len()), "{}", token.len());
        token
    }
}

fn buffer(kind: u32, bytes: &mut [u8]) -> SecBuffer {
    let len = u32::try_from(bytes.len()).unwrap();
    SecBuffer { len, buffer_type: kind, buffer: bytes.as_mut_ptr().cast() }
}

fn empty() -> SecBuffer {
    SecBuffer { len: 0, buffer_type: buffer_type::EMPTY, buffer: null_mut() }
}

fn descriptor(buffers: &mut [SecBuffer]) -> SecBufferDesc {
    let count = u32::try_from(buffers.len()).unwrap();
    SecBufferDesc { version: 0, count, buffers: buffers.as_mut_ptr() }
}

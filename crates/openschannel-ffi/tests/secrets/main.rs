//! Secrets leave no trace in memory that the C library frees: certificates with their keys, passwords, connections, what is asked about
//! them, and their key log. In debug builds only: what dependencies leave behind is told by names of functions.
#![cfg(all(not(windows), debug_assertions))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by it")]

#[path = "../../../openschannel/tests/secrets/heap.rs"]
mod heap;
#[path = "../../../openschannel/tests/secrets/known.rs"]
mod known;
#[allow(dead_code, clippy::multiple_unsafe_ops_per_block, reason = "another test's")]
#[path = "../random_calls/pair.rs"]
mod pair;
#[allow(dead_code, clippy::print_stdout, reason = "another test's")]
#[path = "../random_calls/random.rs"]
mod random;
#[path = "../../../openschannel/tests/secrets/theirs.rs"]
mod theirs;

use core::ptr::{null, null_mut};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use heap::{unwatched, watched};
use known::{Known, Told, canary};
use openschannel_ffi::types::{
    EapKeyBlock, KeyingMaterial, KeyingMaterialInfo, SecBuffer, SecBufferDesc, SecHandle, SessionTicketKey,
    SessionTicketKeys, attribute, buffer_type,
};
use openschannel_ffi::wincrypt::{
    Blob, CertCloseStore, CertFreeCertificateContext, OpenSchannelImportPem, PFXImportCertStore,
    PFXVerifyPassword,
};
use openschannel_ffi::*;
use pair::Pair;
use random::Random;

const OK: i32 = 0;

/// The environment asks for the key log, and is asked once a process: so in one of the test's own.
#[test]
fn the_c_library_frees_no_secret_of_ours_unwiped() {
    if let Some(file) = std::env::var_os("SSLKEYLOGFILE") {
        return search(&std::path::PathBuf::from(file));
    }
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("keys");
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "the_c_library_frees_no_secret_of_ours_unwiped", "--nocapture"]);
    let output = child.env("SSLKEYLOGFILE", &file).env("OPENSCHANNEL_DEBUG", "keylog").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    writeln!(
        std::io::stderr(),
        "{}",
        said.lines().find(|line| line.contains("searched")).unwrap_or_default()
    )
    .ok();
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
}

fn search(key_log: &std::path::Path) {
    let mut known = Known::default();
    let data = canary(3_000);
    let mut world = World::new(&mut known);
    let ((), freed) = watched(|| {
        world.import();
        for (client, server) in [(0x800, 0x400), (0x2000, 0x1000)] {
            let (random, mut undisturbed) =
                (&mut Random::new(1), |_: &mut Random, _: &Pair| heap::clear_stack());
            // Deleted in the middle.
            let mut pair = Pair::of(client, server);
            pair.begin();
            world.give_back(pair);
            let mut pair = Pair::of(client, server);
            world.set_ticket_keys(&pair.sides[1].credential);
            pair.handshake(random, &mut undisturbed);
            let contexts = pair.sides.each_ref().map(|side| side.context.unwrap());
            // A client of TLS 1.3 has tickets in front of the data: only it sends.
            world.pass(&contexts[0], &contexts[1], &data);
            world.ask(&contexts[1]);
            world.give_back(pair);
        }
    });
    known.add("plaintext", &data);
    known.add("keying material", &world.exported);
    known.add("EAP keys", &world.eap);
    let log = std::fs::read_to_string(key_log).unwrap();
    known.add_logged(&Told::of(&log));
    let mut seen = theirs::Seen::default();
    let found: Vec<_> = freed.find(&known).into_iter().filter(|found| !seen.excuses(found)).collect();
    writeln!(std::io::stderr(), "searched {} freed blocks for {} secrets", freed.blocks(), known.len()).ok();
    let found: Vec<_> = found.iter().map(ToString::to_string).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// What a program has in its own memory.
struct World {
    pfx: Vec<u8>,
    password: Vec<u16>,
    wrong: Vec<u16>,
    pem: (String, String),
    ticket_key: Vec<u8>,
    buffer: Vec<u8>,
    exported: [u8; 48],
    eap: [u8; 128],
}

impl World {
    fn new(known: &mut Known) -> Self {
        use p12_keystore::{Certificate, KeyStore, KeyStoreEntry, PrivateKey, PrivateKeyChain};
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = made.signing_key.serialize_der();
        known.add_p256("private key", &key);
        let [password, wrong] = [canary(70), canary(70)].map(|text| String::from_utf8(text).unwrap());
        known.add("password", password.as_bytes());
        known.add("wrong password", wrong.as_bytes());
        let ticket_key = canary(64);
        known.add("ticket key", &ticket_key);
        let mut store = KeyStore::new();
        let chain = [Certificate::from_der(made.cert.der()).unwrap()];
        let entry = PrivateKeyChain::new("1", PrivateKey::from_der(&key).unwrap(), chain);
        store.add_entry("server", KeyStoreEntry::PrivateKeyChain(entry));
        let pfx = store.writer(&password).encryption_iterations(100).mac_iterations(100).write().unwrap();
        let wide = |text: &str| text.encode_utf16().chain([0]).collect();
        Self {
            pfx,
            password: wide(&password),
            wrong: wide(&wrong),
            pem: (made.cert.pem(), made.signing_key.serialize_pem()),
            ticket_key,
            buffer: vec![0; 5_000],
            exported: [0; 48],
            eap: [0; 128],
        }
    }

    fn import(&self) {
        let blob = Blob { len: length(&self.pfx), data: self.pfx.as_ptr() };
        // SAFETY: everything lives through the calls.
        let store = unsafe { PFXImportCertStore(&raw const blob, self.password.as_ptr(), 0) };
        assert!(!store.is_null());
        // SAFETY: a store that was just made.
        assert_ne!(unsafe { CertCloseStore(store, 0) }, 0);
        // SAFETY: as before.
        assert!(unsafe { PFXImportCertStore(&raw const blob, self.wrong.as_ptr(), 0) }.is_null());
        // SAFETY: as before.
        assert_ne!(unsafe { PFXVerifyPassword(&raw const blob, self.password.as_ptr(), 0) }, 0);
        let (chain, key) = &self.pem;
        let der = unwatched(|| rcgen::KeyPair::from_pem(key).unwrap().serialize_der());
        for key in [key.as_bytes(), &der] {
            let mut context = null();
            // SAFETY: the lengths are those of the texts.
            let done = unsafe {
                OpenSchannelImportPem(
                    chain.as_ptr(),
                    length(chain.as_bytes()),
                    key.as_ptr(),
                    length(key),
                    null_mut(),
                    &raw mut context,
                )
            };
            assert_ne!(done, 0);
            // SAFETY: it was just given out.
            assert_ne!(unsafe { CertFreeCertificateContext(context) }, 0);
        }
        unwatched(|| drop(der));
    }

    fn set_ticket_keys(&mut self, credential: &SecHandle) {
        let mut key = SessionTicketKey {
            ticket_info_version: 0,
            key_id: [7; 16],
            keying_material: [0; 64],
            keying_material_len: 64,
        };
        key.keying_material.copy_from_slice(&self.ticket_key);
        let keys = SessionTicketKeys { count: 1, keys: &raw mut key };
        // SAFETY: everything lives through the call.
        let status = unsafe {
            SetCredentialsAttributesW(
                credential,
                attribute::SESSION_TICKET_KEYS,
                (&raw const keys).cast_mut().cast(),
                u32::try_from(size_of::<SessionTicketKeys>()).unwrap(),
            )
        };
        assert_eq!(status, OK);
    }

    /// One record of data, in the program's memory.
    fn pass(&mut self, from: &SecHandle, to: &SecHandle, data: &[u8]) {
        let (header, rest) = self.buffer.split_at_mut(13);
        let (body, trailer) = rest.split_at_mut(data.len());
        body.copy_from_slice(data);
        let mut buffers = [
            buffer(buffer_type::STREAM_HEADER, header),
            buffer(buffer_type::DATA, body),
            buffer(buffer_type::STREAM_TRAILER, &mut trailer[..44]),
        ];
        let message = descriptor(&mut buffers);
        // SAFETY: everything lives through the call.
        assert_eq!(unsafe { EncryptMessage(from, 0, &raw const message, 0) }, OK);
        let header_len = buffers[0].len as usize;
        let trailer_len = buffers[2].len as usize;
        // A header that is shorter than its room leaves a gap in front of the data.
        self.buffer.copy_within(13..13 + data.len() + trailer_len, header_len);
        let len = header_len + data.len() + trailer_len;
        let empty = || SecBuffer { len: 0, buffer_type: buffer_type::EMPTY, buffer: null_mut() };
        let mut buffers = [buffer(buffer_type::DATA, &mut self.buffer[..len]), empty(), empty(), empty()];
        let message = descriptor(&mut buffers);
        // SAFETY: everything lives through the call.
        assert_eq!(unsafe { DecryptMessage(to, &raw const message, 0, null_mut()) }, OK);
        assert_eq!(self.buffer[header_len..][..data.len()], *data);
    }

    /// Keying material, which the program gives back.
    fn ask(&mut self, context: &SecHandle) {
        let mut label = *b"EXPORTER-test\0";
        let mut info = KeyingMaterialInfo {
            label_len: 14,
            label: label.as_mut_ptr(),
            context_len: 0,
            context: null_mut(),
            keying_material_len: 48,
        };
        // SAFETY: everything lives through the call.
        let status = unsafe {
            SetContextAttributesW(context, attribute::KEYING_MATERIAL_INFO, (&raw mut info).cast(), 40)
        };
        assert_eq!(status, OK);
        let mut material = KeyingMaterial { keying_material_len: 0, keying_material: null_mut() };
        // SAFETY: everything lives through the call.
        let status = unsafe {
            QueryContextAttributesW(context, attribute::KEYING_MATERIAL, (&raw mut material).cast())
        };
        assert_eq!((status, material.keying_material_len), (OK, 48));
        // SAFETY: given out by the call, so many bytes long.
        self.exported.copy_from_slice(unsafe { core::slice::from_raw_parts(material.keying_material, 48) });
        // SAFETY: given out by the call.
        assert_eq!(unsafe { FreeContextBuffer(material.keying_material.cast()) }, OK);
        let mut block = EapKeyBlock { keys: [0; 128], ivs: [0; 64] };
        // SAFETY: everything lives through the call.
        let status =
            unsafe { QueryContextAttributesW(context, attribute::EAP_KEY_BLOCK, (&raw mut block).cast()) };
        assert_eq!(status, OK);
        self.eap = block.keys;
    }

    fn give_back(&self, pair: Pair) {
        for side in &pair.sides {
            if let Some(context) = &side.context {
                // SAFETY: a handle of ours.
                assert_eq!(unsafe { DeleteSecurityContext(context) }, OK);
            }
            // SAFETY: a handle of ours.
            assert_eq!(unsafe { FreeCredentialsHandle(&raw const side.credential) }, OK);
        }
    }
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap()
}

fn buffer(kind: u32, bytes: &mut [u8]) -> SecBuffer {
    SecBuffer { len: length(bytes), buffer_type: kind, buffer: bytes.as_mut_ptr().cast() }
}

fn descriptor(buffers: &mut [SecBuffer]) -> SecBufferDesc {
    SecBufferDesc { version: 0, count: u32::try_from(buffers.len()).unwrap(), buffers: buffers.as_mut_ptr() }
}

//! Queries of two contexts that really talk, into memory at odd addresses.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that finds the unexpected is to stop there")]

use core::ffi::c_void;
use std::sync::Arc;

use openschannel::credentials::{
    CertificateSummary, CipherSuite, ClientAuth, InboundBuilder, OutboundBuilder, Protocols, Validation,
};
use openschannel::status::ErrorStatus;
use openschannel::{ContextOptions, Role, SecurityContext, TokenBuffer};

use super::*;
use crate::certificates::CERT_CONTEXT;
use crate::context::Companion;
use crate::credentials::common::{CERTIFICATES, NAME, Pair, identity, inbound, outbound};
use crate::credentials::{self, Extras};
use crate::memory;
use crate::types::*;

const BOTH: [Protocols; 2] = [Protocols::TLS1_2, Protocols::TLS1_3];

/// A context and what the C ABI keeps beside it.
struct Side {
    context: SecurityContext,
    companion: Companion,
}

impl Side {
    fn new(context: SecurityContext) -> Self {
        // SAFETY: there is no structure.
        let credential =
            unsafe { credentials::acquire(SECPKG_CRED_OUTBOUND, std::ptr::null(), &Extras::default()) };
        let companion = Companion {
            credential: Arc::new(credential.unwrap()),
            held: Default::default(),
            returned: 0x8000_001C,
            requested: Requested::default(),
        };
        Self { context, companion }
    }

    fn connection(&mut self) -> Connection<'_> {
        Connection { context: &mut self.context, companion: &mut self.companion }
    }

    /// A query into a structure that is `before`, at an address that fits nothing; with and without its length.
    fn ask_over<T: Copy>(&mut self, charset: Charset, attribute: u32, before: T) -> Result<T, ErrorStatus> {
        let size = u32::try_from(size_of::<T>()).unwrap();
        let short = self.ask_with(charset, attribute, before, Some(size - 1));
        let short = short.map(|_| ()).unwrap_err();
        let answer = self.ask_with(charset, attribute, before, Some(size));
        if answer.is_ok() {
            assert_eq!(short, ErrorStatus::BufferTooSmall, "{attribute}");
        }
        answer
    }

    fn ask_with<T: Copy>(
        &mut self,
        charset: Charset,
        attribute: u32,
        before: T,
        len: Option<u32>,
    ) -> Result<T, ErrorStatus> {
        let mut room = vec![0u8; size_of::<T>() + 1];
        let place = room[1..].as_mut_ptr().cast::<T>();
        // SAFETY: there is room behind the first byte.
        unsafe { place.write_unaligned(before) };
        let untouched = room.clone();
        // SAFETY: there is room for the structure, as long as `len` says.
        let answer = unsafe { query(self.connection(), charset, attribute, place.cast(), len) };
        if let Err(status) = answer {
            assert_eq!(room, untouched, "{attribute} wrote on failure");
            return Err(status);
        }
        // SAFETY: it was written.
        Ok(unsafe { place.read_unaligned() })
    }

    fn ask<T: Copy>(&mut self, attribute: u32) -> Result<T, ErrorStatus> {
        // SAFETY: the structures are integers and pointers, which may be zero.
        let zero = unsafe { core::mem::zeroed() };
        self.ask_over(Charset::Wide, attribute, zero)
    }

    fn give<T>(&mut self, attribute: u32, value: &T, len: u32) -> Result<(), ErrorStatus> {
        let from: *const c_void = std::ptr::from_ref(value).cast();
        // SAFETY: there is a structure of at least that length.
        unsafe { set(self.connection(), attribute, from, len) }
    }
}

fn sides(pair: Pair) -> (Side, Side) {
    (Side::new(pair.client), Side::new(pair.server))
}

fn connected(
    protocols: Protocols,
    client: impl FnOnce(OutboundBuilder) -> OutboundBuilder,
    server: impl FnOnce(InboundBuilder) -> InboundBuilder,
    options: &ContextOptions,
) -> (Side, Side) {
    let client = client(outbound().protocols(protocols)).acquire().unwrap();
    let server = server(inbound().protocols(protocols)).acquire().unwrap();
    let mut pair = Pair::establish(&client, &server, options);
    pair.settle();
    sides(pair)
}

fn plain(protocols: Protocols) -> (Side, Side) {
    connected(protocols, |client| client, |server| server, &ContextOptions::default())
}

/// Bytes the library gave out, which it takes back.
fn taken(start: *const u8, len: u32) -> Vec<u8> {
    // SAFETY: so many were given out.
    let bytes = unsafe { std::slice::from_raw_parts(start, usize::try_from(len).unwrap()) }.to_vec();
    assert!(memory::take_back(start.cast_mut().cast()));
    bytes
}

fn taken_u16s(start: *const u16, len: u32) -> Vec<u16> {
    let bytes = taken(start.cast(), len * 2);
    bytes.chunks(2).map(|pair| u16::from_ne_bytes([pair[0], pair[1]])).collect()
}

fn taken_wide(start: *const u16) -> String {
    // SAFETY: strings end with a NUL.
    let len = (0..).take_while(|&at| unsafe { start.wrapping_add(at).read() } != 0).count();
    String::from_utf16(&taken_u16s(start, u32::try_from(len).unwrap())).unwrap()
}

fn text(units: &[u16]) -> String {
    let end = units.iter().position(|unit| *unit == 0).unwrap();
    String::from_utf16(&units[..end]).unwrap()
}

#[test]
fn sizes_and_connection_of_both_versions() {
    for (protocols, stream, bits, suite, wire) in [
        (Protocols::TLS1_2, (13, 16), (0x800, 0x400), 0xc02c, 0x0303),
        (Protocols::TLS1_3, (5, 44), (0x2000, 0x1000), 0x1302, 0x0304),
    ] {
        let (client, server) = plain(protocols);
        for (mut side, bit) in [(client, bits.0), (server, bits.1)] {
            let sizes: StreamSizes = side.ask(attribute::STREAM_SIZES).unwrap();
            assert_eq!((sizes.header, sizes.trailer), stream);
            assert_eq!((sizes.maximum_message, sizes.buffers, sizes.block_size), (16384, 4, 16));
            let sizes: Sizes = side.ask(attribute::SIZES).unwrap();
            assert_eq!(
                (sizes.max_token, sizes.max_signature, sizes.security_trailer),
                (0x6000, 16, stream.1)
            );
            let info: ConnectionInfo = side.ask(attribute::CONNECTION_INFO).unwrap();
            assert_eq!((info.protocol, info.cipher, info.cipher_strength), (bit, 0x6610, 256));
            assert_eq!((info.hash, info.hash_strength, info.exchange), (0x800D, 0, 0xAE06));
            // SAFETY: integers.
            let zero: ConnectionInfoEx = unsafe { core::mem::zeroed() };
            let ask = |side: &mut Side, version| {
                let before = ConnectionInfoEx { version, ..zero };
                side.ask_over(Charset::Wide, attribute::CONNECTION_INFO_EX, before)
            };
            let info = ask(&mut side, 1).unwrap();
            assert_eq!((info.protocol, info.cipher_strength), (bit, 256));
            let strings = (text(&info.cipher), text(&info.hash), text(&info.exchange));
            assert_eq!(strings, ("AES".into(), "SHA384".into(), "ECDH".into()));
            assert_eq!(ask(&mut side, 0).unwrap().version, 1);
            // SAFETY: integers.
            let zero: CipherInfo = unsafe { core::mem::zeroed() };
            let ask = |side: &mut Side, version| {
                side.ask_over(Charset::Ansi, attribute::CIPHER_INFO, CipherInfo { version, ..zero })
            };
            let info = ask(&mut side, 1).unwrap();
            assert_eq!((info.protocol, info.cipher_suite, info.base_cipher_suite), (wire, suite, suite));
            assert_eq!((info.cipher_len, info.cipher_block_len, info.hash_len), (256, 16, 0));
            let name = CipherSuite::from_id(u16::try_from(suite).unwrap()).unwrap().name();
            assert_eq!(
                (text(&info.cipher_suite_name).as_str(), text(&info.exchange).as_str()),
                (name, "ECDH")
            );
            assert_eq!(ask(&mut side, 0).unwrap().version, 1);
            let flags: Flags = side.ask(attribute::FLAGS).unwrap();
            assert_eq!(flags.flags, 0x8000_001C);
        }
    }
}

#[test]
fn key_and_package_in_both_charsets() {
    for protocols in BOTH {
        for (identity_of, name, number) in
            [(&CERTIFICATES.ecdsa, "ECDSA", 0x2203), (&CERTIFICATES.rsa, "RSA", 0x2400)]
        {
            let client = outbound().protocols(protocols).acquire().unwrap();
            let server = openschannel::credentials::InboundCredentials::builder();
            let server = server.identity(identity(identity_of)).acquire().unwrap();
            let mut pair = Pair::establish(&client, &server, &ContextOptions::default());
            pair.settle();
            let (client, server) = sides(pair);
            for mut side in [client, server] {
                let wide: KeyInfo<u16> = side.ask(attribute::KEY_INFO).unwrap();
                assert_eq!(
                    (wide.signature_algorithm, wide.encrypt_algorithm, wide.key_size),
                    (number, 0x6610, 256)
                );
                assert_eq!(taken_wide(wide.signature_algorithm_name), name);
                assert_eq!(taken_wide(wide.encrypt_algorithm_name), "AES");
                // SAFETY: integers and pointers.
                let zero = unsafe { core::mem::zeroed() };
                let ansi: KeyInfo<u8> = side.ask_over(Charset::Ansi, attribute::KEY_INFO, zero).unwrap();
                let len = u32::try_from(name.len() + 1).unwrap();
                assert_eq!(taken(ansi.signature_algorithm_name, len), [name.as_bytes(), &[0]].concat());
                assert_eq!(taken(ansi.encrypt_algorithm_name, 4), b"AES\0");
            }
        }
    }
    let (mut client, _) = plain(Protocols::TLS1_3);
    let wide: PackageInfo<u16> = client.ask(attribute::PACKAGE_INFO).unwrap();
    // SAFETY: it was given out.
    let info = unsafe { wide.package_info.read() };
    assert_eq!((info.capabilities, info.max_token), (0x1_07B3, 0x6000));
    assert!(memory::take_back(wide.package_info.cast()));
}

#[test]
fn sessions_and_alpn() {
    for protocols in BOTH {
        let client = outbound().protocols(protocols).acquire().unwrap();
        let server = inbound().protocols(protocols).acquire().unwrap();
        let options = ContextOptions { alpn: Some(vec![b"h2".to_vec()]), ..ContextOptions::default() };
        for resumed in [0, 1] {
            let mut pair = Pair::establish(&client, &server, &options);
            pair.settle();
            let (client, server) = sides(pair);
            for mut side in [client, server] {
                let info: SessionInfo = side.ask(attribute::SESSION_INFO).unwrap();
                assert_eq!((info.flags, info.session_id_len <= 32), (resumed, true));
                let alpn: ApplicationProtocol = side.ask(attribute::APPLICATION_PROTOCOL).unwrap();
                assert_eq!(
                    (alpn.status, alpn.extension, alpn.id_len, &alpn.id[..3]),
                    (1, 2, 2, &b"h2\0"[..])
                );
            }
        }
        let (mut client, _) = plain(protocols);
        let alpn: ApplicationProtocol = client.ask(attribute::APPLICATION_PROTOCOL).unwrap();
        assert_eq!((alpn.status, alpn.extension, alpn.id_len), (0, 0, 0));
    }
}

#[test]
fn extensions_and_signatures() {
    let alpn = ContextOptions { alpn: Some(vec![b"h2".to_vec()]), ..ContextOptions::default() };
    for protocols in BOTH {
        let (mut client, mut server) = connected(protocols, |client| client, |server| server, &alpn);
        let both = [&mut client, &mut server].map(|side| {
            let list: NegotiatedTlsExtensions = side.ask(attribute::NEGOTIATED_TLS_EXTENSIONS).unwrap();
            taken_u16s(list.extensions, list.count)
        });
        assert_eq!(both[0], both[1], "{protocols:?}");
        assert!(both[0].contains(&16), "{both:?}");
        assert_eq!(both[0].contains(&43), protocols == Protocols::TLS1_3);
        let list: SupportedSignatures = server.ask(attribute::SUPPORTED_SIGNATURES).unwrap();
        let pairs = taken_u16s(list.signature_and_hash, list.count.into());
        // ECDSA (3) in the upper byte, SHA-256 (4) in the lower.
        assert!(pairs.contains(&0x0304), "{pairs:x?}");
    }
}

#[test]
fn bindings() {
    for protocols in BOTH {
        let (mut client, mut server) = plain(protocols);
        let read = |side: &mut Side, attribute| {
            let bindings: Bindings = side.ask(attribute)?;
            let bytes = taken(bindings.bindings.cast(), bindings.bindings_len);
            let number = |at: usize| u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap());
            assert!(bytes[..24].iter().all(|byte| *byte == 0));
            assert_eq!((number(24) + 32, number(28)), (bindings.bindings_len, 32));
            Ok(bytes[32..].to_vec())
        };
        let ends = [&mut client, &mut server].map(|side| read(side, attribute::ENDPOINT_BINDINGS).unwrap());
        assert_eq!(ends[0], ends[1]);
        assert_eq!((&ends[0][..21], ends[0].len()), (&b"tls-server-end-point:"[..], 53));
        let unique = [&mut client, &mut server].map(|side| read(side, attribute::UNIQUE_BINDINGS));
        assert_eq!(unique[0], unique[1]);
        match protocols {
            Protocols::TLS1_2 => {
                let unique = unique[0].clone().unwrap();
                assert_eq!((&unique[..11], unique.len()), (&b"tls-unique:"[..], 23));
            }
            _ => assert_eq!(unique[0], Err(ErrorStatus::UnsupportedFunction)),
        }
    }
}

#[test]
fn certificates_of_both_sides() {
    for protocols in BOTH {
        let asking = ContextOptions { client_auth: Some(ClientAuth::Request), ..ContextOptions::default() };
        let with = |client: OutboundBuilder| client.identity(identity(&CERTIFICATES.client));
        let (mut client, mut server) = connected(protocols, with, |server| server, &asking);
        for (side, remote, local) in [
            (&mut client, &CERTIFICATES.ecdsa, &CERTIFICATES.client),
            (&mut server, &CERTIFICATES.client, &CERTIFICATES.ecdsa),
        ] {
            let (remote, local) = (identity(remote), identity(local));
            let (remote, local) = (remote.chain().next().unwrap(), local.chain().next().unwrap());
            let blob: Certificates = side.ask(attribute::REMOTE_CERTIFICATES).unwrap();
            let bytes = taken(blob.chain, blob.chain_len);
            assert_eq!(blob.count, 1);
            assert_eq!(bytes, [&u32::try_from(remote.len()).unwrap().to_ne_bytes()[..], remote].concat());
            for attribute in [attribute::REMOTE_CERT_CONTEXT, attribute::LOCAL_CERT_CONTEXT] {
                let context: *const CERT_CONTEXT = side.ask(attribute).unwrap();
                assert!(!context.is_null());
            }
            let info: CertInfo = side.ask(attribute::LOCAL_CERT_INFO).unwrap();
            let summary = CertificateSummary::from_der(local).unwrap();
            assert_eq!((info.version, info.key_size), (0, 256));
            assert_eq!(info.subject_len, u32::try_from(2 * (summary.subject.len() + 1)).unwrap());
            assert_eq!(
                (taken_wide(info.subject), taken_wide(info.issuer)),
                (summary.subject, summary.issuer)
            );
        }
        let list: IssuerListInfoEx = client.ask(attribute::ISSUER_LIST_EX).unwrap();
        assert_eq!(list.issuer_count, 1);
        // SAFETY: one entry was given out.
        let issuer = unsafe { list.issuers.read() };
        // SAFETY: it points into the same block.
        let name =
            unsafe { std::slice::from_raw_parts(issuer.data, usize::try_from(issuer.len).unwrap()) }.to_vec();
        assert!(
            CERTIFICATES.authority_der.windows(name.len()).any(|window| window == name) && !name.is_empty()
        );
        assert!(memory::take_back(list.issuers.cast()));

        let (mut client, mut server) = plain(protocols);
        for attribute in [attribute::REMOTE_CERT_CONTEXT, attribute::REMOTE_CERT_CHAIN] {
            assert_eq!(server.ask::<*const CERT_CONTEXT>(attribute), Err(ErrorStatus::NoCredentials));
        }
        assert!(matches!(
            server.ask::<Certificates>(attribute::REMOTE_CERTIFICATES),
            Err(ErrorStatus::NoCredentials)
        ));
        assert_eq!(
            client.ask::<*const CERT_CONTEXT>(attribute::LOCAL_CERT_CONTEXT),
            Err(ErrorStatus::NoCredentials)
        );
        assert!(matches!(
            client.ask::<CertInfo>(attribute::LOCAL_CERT_INFO),
            Err(ErrorStatus::NoCredentials)
        ));
        let list: IssuerListInfoEx = client.ask(attribute::ISSUER_LIST_EX).unwrap();
        assert_eq!(list.issuer_count, 0);
        assert!(memory::take_back(list.issuers.cast()));
    }
}

#[test]
fn verdicts_on_the_peer() {
    let result = |side: &mut Side| {
        let answers = [attribute::CERT_CHECK_RESULT, attribute::CERT_CHECK_RESULT_INPROC].map(|attribute| {
            let answer = side.ask::<CertificateValidationResult>(attribute)?;
            Ok((answer.chain_error_status, answer.verify_chain_status))
        });
        assert_eq!(answers[0], answers[1]);
        answers[0]
    };
    let options = ContextOptions::default();
    let (mut client, mut server) = plain(Protocols::TLS1_3);
    assert_eq!(result(&mut client), Ok((0, 0)));
    assert_eq!(result(&mut server), Err(ErrorStatus::NoCredentials));
    let stranger = || {
        let other = identity(&CERTIFICATES.client).chain().next().unwrap().to_vec();
        openschannel::credentials::Trust::Roots(vec![other])
    };
    let deferred = |client: OutboundBuilder| client.trust(stranger()).validation(Validation::Deferred);
    let (mut client, _) = connected(Protocols::TLS1_2, deferred, |server| server, &options);
    assert_eq!(result(&mut client), Ok((0x20, 0x800B_0109_u32.cast_signed())));
    let manual = |client: OutboundBuilder| client.trust(stranger()).validation(Validation::Manual);
    let (mut client, _) = connected(Protocols::TLS1_2, manual, |server| server, &options);
    assert_eq!(result(&mut client), Err(ErrorStatus::InvalidHandle));
    // Nor in a session that is resumed, whatever later calls ask for and with which credential.
    for protocols in BOTH {
        for (builder, expected) in
            [(manual(outbound()), Err(ErrorStatus::InvalidHandle)), (outbound(), Ok((0, 0)))]
        {
            let client = builder.protocols(protocols).acquire().unwrap();
            let server = inbound().protocols(protocols).acquire().unwrap();
            for resumed in [false, true] {
                let mut pair = Pair::establish(&client, &server, &options);
                pair.settle();
                let (mut client, _) = sides(pair);
                assert_eq!(client.context.attributes().unwrap().session_info().resumed, resumed);
                assert_eq!(result(&mut client), expected, "{protocols:?} {resumed}");
            }
        }
    }
}

#[test]
fn keying_material() {
    let mut label = *b"EXPERIMENT test\0";
    let mut context = *b"context";
    for protocols in BOTH {
        let (mut client, mut server) = plain(protocols);
        let none = client.ask::<KeyingMaterial>(attribute::KEYING_MATERIAL);
        assert!(matches!(none, Err(ErrorStatus::UnsupportedFunction)), "nothing was asked for");
        let info = KeyingMaterialInfo {
            label_len: 16,
            label: label.as_mut_ptr(),
            context_len: 7,
            context: context.as_mut_ptr(),
            keying_material_len: 40,
        };
        client.give(attribute::KEYING_MATERIAL_INFO, &info, 40).unwrap();
        let material: KeyingMaterial = client.ask(attribute::KEYING_MATERIAL).unwrap();
        assert_eq!(material.keying_material_len, 40);
        let of_client = taken(material.keying_material, 40);
        let mut expected = [0; 40];
        let attributes = server.context.attributes().unwrap();
        attributes.export_keying_material(b"EXPERIMENT test", Some(b"context"), &mut expected).unwrap();
        assert_eq!(of_client, expected);
        let inproc = KeyingMaterialInproc {
            label_len: 15,
            label: label.as_mut_ptr(),
            context_len: 7,
            context: context.as_mut_ptr(),
            keying_material_len: 40,
            keying_material: std::ptr::null_mut(),
        };
        let answer = server.ask_over(Charset::Wide, attribute::KEYING_MATERIAL_INPROC, inproc).unwrap();
        assert_eq!(taken(answer.keying_material, answer.keying_material_len), expected);
        for wrong in [
            KeyingMaterialInfo { label_len: 0, ..info },
            KeyingMaterialInfo { label: std::ptr::null_mut(), ..info },
            KeyingMaterialInfo { keying_material_len: 0, ..info },
            KeyingMaterialInfo { keying_material_len: u32::MAX, ..info },
            KeyingMaterialInfo { context: std::ptr::null_mut(), ..info },
        ] {
            assert_eq!(
                client.give(attribute::KEYING_MATERIAL_INFO, &wrong, 40),
                Err(ErrorStatus::InvalidParameter)
            );
        }
        assert_eq!(client.give(attribute::KEYING_MATERIAL_INFO, &info, 39), Err(ErrorStatus::BufferTooSmall));
    }
}

#[test]
fn eap_keys() {
    for protocols in BOTH {
        let (mut client, mut server) = plain(protocols);
        let one: EapKeyBlock = client.ask(attribute::EAP_KEY_BLOCK).unwrap();
        let other: EapKeyBlock = server.ask(attribute::EAP_KEY_BLOCK).unwrap();
        assert_eq!((one.keys, one.ivs), (other.keys, other.ivs));
        assert_eq!(one.ivs == [0; 64], protocols == Protocols::TLS1_3);
        let mut expected = [0; 128];
        let attributes = server.context.attributes().unwrap();
        let exported = match protocols {
            Protocols::TLS1_2 => {
                attributes.export_keying_material(b"client EAP encryption", None, &mut expected)
            }
            _ => attributes.export_keying_material(
                b"EXPORTER_EAP_TLS_Key_Material",
                Some(&[13]),
                &mut expected,
            ),
        };
        exported.unwrap();
        assert_eq!(one.keys, expected);
        for mut data in [b"ttls keying material".to_vec(), vec![21]] {
            let info = EapPrfInfo {
                version: 0,
                prf_data_len: u32::try_from(data.len()).unwrap(),
                prf_data: data.as_mut_ptr(),
            };
            client.give(attribute::EAP_PRF_INFO, &info, 16).unwrap();
            let ttls: EapKeyBlock = client.ask(attribute::EAP_KEY_BLOCK).unwrap();
            let attributes = server.context.attributes().unwrap();
            let exported = match protocols {
                Protocols::TLS1_2 => {
                    attributes.export_keying_material(b"ttls keying material", None, &mut expected)
                }
                _ => attributes.export_keying_material(
                    b"EXPORTER_EAP_TLS_Key_Material",
                    Some(&[21]),
                    &mut expected,
                ),
            };
            exported.unwrap();
            assert_eq!(ttls.keys, expected);
        }
        let nothing = EapPrfInfo { version: 0, prf_data_len: 0, prf_data: std::ptr::null_mut() };
        assert_eq!(client.give(attribute::EAP_PRF_INFO, &nothing, 16), Err(ErrorStatus::InvalidParameter));
    }
}

#[test]
fn app_data_and_what_cannot_be_set() {
    let (mut client, _) = plain(Protocols::TLS1_3);
    let before: SessionAppData = client.ask(attribute::APP_DATA).unwrap();
    assert_eq!((before.app_data_len, before.app_data.is_null()), (0, true));
    let mut bytes = *b"mine";
    let data = SessionAppData { flags: 7, app_data_len: 4, app_data: bytes.as_mut_ptr() };
    client.give(attribute::APP_DATA, &data, 16).unwrap();
    let after: SessionAppData = client.ask(attribute::APP_DATA).unwrap();
    assert_eq!((after.flags, taken(after.app_data, after.app_data_len)), (7, b"mine".to_vec()));
    let endless = SessionAppData { app_data_len: u32::MAX, ..data };
    assert_eq!(client.give(attribute::APP_DATA, &endless, 16), Err(ErrorStatus::InvalidParameter));
    for attribute in [attribute::DTLS_MTU, attribute::EARLY_START, attribute::SIZES, 999] {
        assert_eq!(client.give(attribute, &data, 16), Err(ErrorStatus::UnsupportedFunction), "{attribute}");
    }
    // SAFETY: there is no structure.
    let nowhere = unsafe { set(client.connection(), attribute::APP_DATA, std::ptr::null(), 16) };
    assert_eq!(nowhere, Err(ErrorStatus::InternalError));
}

/// Every attribute that is answered, and its structure's size.
const ANSWERED: [(u32, u32); 26] = [
    (attribute::SIZES, 16),
    (attribute::STREAM_SIZES, 20),
    (attribute::LIFESPAN, 16),
    (attribute::FLAGS, 4),
    (attribute::KEY_INFO, 32),
    (attribute::CONNECTION_INFO, 28),
    (attribute::CONNECTION_INFO_EX, 404),
    (attribute::CIPHER_INFO, 680),
    (attribute::SESSION_INFO, 40),
    (attribute::APPLICATION_PROTOCOL, 264),
    (attribute::NEGOTIATED_TLS_EXTENSIONS, 16),
    (attribute::SUPPORTED_SIGNATURES, 16),
    (attribute::APP_DATA, 16),
    (attribute::UNIQUE_BINDINGS, 16),
    (attribute::ENDPOINT_BINDINGS, 16),
    (attribute::CERT_CHECK_RESULT, 8),
    (attribute::CERT_CHECK_RESULT_INPROC, 8),
    (attribute::KEYING_MATERIAL, 16),
    (attribute::KEYING_MATERIAL_INPROC, 48),
    (attribute::EAP_KEY_BLOCK, 192),
    (attribute::ISSUER_LIST_EX, 16),
    (attribute::REMOTE_CERTIFICATES, 16),
    (attribute::REMOTE_CERT_CONTEXT, 8),
    (attribute::REMOTE_CERT_CHAIN, 8),
    (attribute::LOCAL_CERT_CONTEXT, 8),
    (attribute::LOCAL_CERT_INFO, 40),
];

#[test]
fn buffers_that_are_none_or_too_small_and_attributes_that_are_none() {
    let (mut client, _) = plain(Protocols::TLS1_3);
    for (attribute, size) in ANSWERED.into_iter().chain([(attribute::PACKAGE_INFO, 8)]) {
        for charset in [Charset::Ansi, Charset::Wide] {
            // SAFETY: there is no buffer.
            let nowhere =
                unsafe { query(client.connection(), charset, attribute, std::ptr::null_mut(), None) };
            assert_eq!(nowhere, Err(ErrorStatus::InternalError), "{attribute:#x}");
            for len in [0, size - 1] {
                let small = client.ask_with(charset, attribute, [0u8; 680], Some(len));
                assert_eq!(small, Err(ErrorStatus::BufferTooSmall), "{attribute:#x} {len}");
            }
        }
    }
    let known: Vec<u32> =
        ANSWERED.iter().map(|(attribute, _)| *attribute).chain([attribute::PACKAGE_INFO]).collect();
    for attribute in (0..0x100).chain([u32::MAX]).filter(|attribute| !known.contains(attribute)) {
        let answer = client.ask_with(Charset::Wide, attribute, [0u8; 680], None);
        assert_eq!(answer, Err(ErrorStatus::UnsupportedFunction), "{attribute:#x}");
    }
}

#[test]
fn before_the_handshake_is_finished() {
    let client = outbound().acquire().unwrap();
    let mut hello = TokenBuffer::allocate();
    let options = ContextOptions::default();
    let (client, _) = SecurityContext::initialize(&client, Some(NAME), &options, &mut hello).unwrap();
    let mut client = Side::new(client);
    for (attribute, _) in ANSWERED {
        let certificate = [
            attribute::REMOTE_CERTIFICATES,
            attribute::REMOTE_CERT_CONTEXT,
            attribute::REMOTE_CERT_CHAIN,
            attribute::LOCAL_CERT_CONTEXT,
            attribute::LOCAL_CERT_INFO,
        ];
        let expected = if certificate.contains(&attribute) {
            ErrorStatus::NoCredentials
        } else {
            ErrorStatus::InvalidHandle
        };
        let answer = client.ask_with(Charset::Wide, attribute, [0u8; 680], None);
        assert_eq!(answer, Err(expected), "{attribute:#x}");
    }
    let info: PackageInfo<u16> = client.ask(attribute::PACKAGE_INFO).unwrap();
    assert!(memory::take_back(info.package_info.cast()));
    client.give(attribute::EARLY_START, &1u32, 4).unwrap();
    let mut bytes = *b"mine";
    let data = SessionAppData { flags: 0, app_data_len: 4, app_data: bytes.as_mut_ptr() };
    client.give(attribute::APP_DATA, &data, 16).unwrap();

    // The server's certificate is there as soon as it was seen, refused or not; nothing else is.
    let stranger = openschannel::credentials::OutboundCredentials::builder()
        .trust(openschannel::credentials::Trust::Roots(vec![
            identity(&CERTIFICATES.client).chain().next().unwrap().to_vec(),
        ]))
        .acquire()
        .unwrap();
    let mut pair = Pair::begin(&stranger, &inbound().acquire().unwrap(), &options);
    let refused =
        pair.client.initialize_security_context(None, &pair.to_client, &mut TokenBuffer::allocate());
    assert_eq!(refused.unwrap_err().status(), ErrorStatus::UntrustedRoot);
    let mut client = Side::new(pair.client);
    assert_eq!(client.context.role(), Role::Client);
    let blob: Certificates = client.ask(attribute::REMOTE_CERTIFICATES).unwrap();
    assert!(taken(blob.chain, blob.chain_len).len() > 4);
    assert!(matches!(client.ask::<SessionInfo>(attribute::SESSION_INFO), Err(ErrorStatus::InvalidHandle)));
}

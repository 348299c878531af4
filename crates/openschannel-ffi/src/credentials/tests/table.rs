//! What AcquireCredentialsHandle answers: the table of section 2.2, and sections 6.1 and 2.9.

use openschannel::credentials::{CipherSuite, NamedGroup, PostHandshake, Protocols};

use super::*;
use crate::memory;
use crate::types::{CipherStrengths, SupportedAlgs, SupportedProtocols, TimeStamp, attribute};

fn status(result: Result<Credential, ErrorStatus>) -> Option<ErrorStatus> {
    result.err()
}

fn without_structure(side: u32) -> Option<ErrorStatus> {
    // SAFETY: there is no structure.
    unsafe { acquire(side, std::ptr::null(), &Extras::default()) }.err().map(|error| error.status())
}

#[test]
fn the_use_is_diagnosed_first() {
    for side in [0, 3, 4, 17] {
        assert_eq!(without_structure(side), Some(ErrorStatus::NoCredentials), "{side}");
        assert_eq!(status(acquired(side, &0u32)), Some(ErrorStatus::NoCredentials), "{side}");
        assert_eq!(status(acquired(side, &schannel_cred())), Some(ErrorStatus::NoCredentials), "{side}");
    }
    assert_eq!(without_structure(SERVER), Some(ErrorStatus::NoCredentials));
    assert_eq!(without_structure(CLIENT), None);
}

#[test]
fn versions() {
    for side in [CLIENT, SERVER] {
        for version in [0, 1, 2, 3, 6, u32::MAX] {
            let cred = SchannelCred { version, cred_count: 1, ..schannel_cred() };
            assert_eq!(status(acquired(side, &cred)), Some(ErrorStatus::UnknownCredentials), "{version}");
        }
        assert_eq!(status(acquired(side, &schannel_cred())), None);
        assert_eq!(status(acquired(side, &sch_credentials())), None);
        let kernel = SchannelCred { cred_format: 1, ..schannel_cred() };
        assert_eq!(status(acquired(side, &kernel)), Some(ErrorStatus::UnknownCredentials));
        let kernel = SchCredentials { cred_format: 2, ..sch_credentials() };
        assert_eq!(status(acquired(side, &kernel)), Some(ErrorStatus::UnknownCredentials));
    }
}

#[test]
fn certificates_that_are_none() {
    let mut none = [std::ptr::null(); 2];
    for side in [CLIENT, SERVER] {
        for (cred_count, creds) in [(1, std::ptr::null_mut()), (1, none.as_mut_ptr()), (2, none.as_mut_ptr())]
        {
            let four = SchannelCred { cred_count, creds, ..schannel_cred() };
            assert_eq!(status(acquired(side, &four)), Some(ErrorStatus::UnknownCredentials));
            let five = SchCredentials { cred_count, creds, ..sch_credentials() };
            assert_eq!(status(acquired(side, &five)), Some(ErrorStatus::UnknownCredentials));
        }
        let many = SchannelCred { cred_count: 101, creds: none.as_mut_ptr(), ..schannel_cred() };
        assert_eq!(status(acquired(side, &many)), Some(ErrorStatus::InvalidParameter));
        // The format is looked at before the certificates, and they before the protocols.
        let wrong = SchannelCred { cred_count: 1, enabled_protocols: 0x80, ..schannel_cred() };
        assert_eq!(status(acquired(side, &wrong)), Some(ErrorStatus::UnknownCredentials));
    }
}

#[test]
fn protocols_of_a_schannel_cred() {
    let mismatch = Err(ErrorStatus::AlgorithmMismatch);
    let both = Ok(Protocols::SUPPORTED);
    let (one, other) = (Ok(Protocols::TLS1_2), Ok(Protocols::TLS1_3));
    let table = [
        (CLIENT, 0, both),
        (CLIENT, 0x800, one),
        (CLIENT, 0x2000, other),
        (CLIENT, 0x2800, both),
        (CLIENT, 0x2AA0, both),
        (CLIENT, 0xC00, one),
        (CLIENT, 0x8000_0800, one),
        (CLIENT, 0x400, mismatch),
        (CLIENT, 0x1000, mismatch),
        (CLIENT, 0x80, mismatch),
        (CLIENT, 0x2A8, mismatch),
        (CLIENT, 0x8_0000, mismatch),
        (CLIENT, 0x8_0800, mismatch),
        (CLIENT, 0x8_0080, mismatch),
        (CLIENT, 0x4_0800, one),
        (SERVER, 0x400, one),
        (SERVER, 0x1000, other),
        (SERVER, 0x3FF0, both),
        (SERVER, 0x800, mismatch),
        (SERVER, 0x140, mismatch),
        (SERVER, 0x1_0000, mismatch),
        (SERVER, 0x1_0400, mismatch),
    ];
    for (side, enabled_protocols, expected) in table {
        let cred = SchannelCred { enabled_protocols, ..schannel_cred() };
        assert_eq!(acquired(side, &cred).map(negotiable), expected, "{side} {enabled_protocols:#x}");
    }
    for flags in [cred_flags::USE_DTLS_ONLY, cred_flags::USE_PRESHAREDKEY_ONLY] {
        let cred = SchannelCred { flags, ..schannel_cred() };
        assert_eq!(acquired(CLIENT, &cred).map(negotiable), mismatch);
        let cred = SchCredentials { flags, ..sch_credentials() };
        assert_eq!(acquired(CLIENT, &cred).map(negotiable), mismatch);
    }
}

fn negotiable(credential: Credential) -> Protocols {
    if credential.variants.is_inbound() {
        credential.inbound(None).unwrap().protocols()
    } else {
        credential.outbound(None).unwrap().protocols()
    }
}

#[test]
fn a_handle_serves_one_side() {
    let client = acquired(CLIENT, &schannel_cred()).unwrap();
    let server = acquired(SERVER, &schannel_cred()).unwrap();
    assert_eq!(client.inbound(None).unwrap_err().status(), ErrorStatus::InvalidHandle);
    assert_eq!(server.outbound(None).unwrap_err().status(), ErrorStatus::InvalidHandle);
}

#[test]
fn the_defaults_are_windows() {
    let suites = [0x1302, 0x1301, 0xc02c, 0xc02b, 0xc030, 0xc02f].map(|id| CipherSuite::from_id(id).unwrap());
    let groups = [NamedGroup::X25519, NamedGroup::SECP256R1, NamedGroup::SECP384R1];
    let client = acquired(CLIENT, &sch_credentials()).unwrap().outbound(None).unwrap();
    assert_eq!((client.cipher_suites(), client.groups()), (&suites[..], &groups[..]));
    let server = acquired(SERVER, &schannel_cred()).unwrap().inbound(None).unwrap();
    assert_eq!((server.cipher_suites(), server.groups()), (&suites[..], &groups[..]));
}

#[test]
fn extras_overrule_defaults() {
    let extras = Extras {
        groups: Some(vec![0x11ec, 0x1234]),
        cipher_suites: Some(vec![0x1303]),
        post_handshake: Some(PostHandshake::Compatible),
        ..Extras::default()
    };
    // SAFETY: there is no structure.
    let credential = unsafe { acquire(CLIENT, std::ptr::null(), &extras) }.unwrap();
    let client = credential.outbound(None).unwrap();
    assert_eq!(client.cipher_suites(), [CipherSuite::TLS_CHACHA20_POLY1305_SHA256]);
    assert_eq!(client.groups(), [NamedGroup::X25519MLKEM768]);
}

#[test]
fn chains_are_remembered_unless_told_otherwise() {
    for forget_chains in [false, true] {
        let extras = Extras { forget_chains, ..Extras::default() };
        // SAFETY: there is no structure.
        let client = unsafe { acquire(CLIENT, std::ptr::null(), &extras) }.unwrap();
        assert_eq!(client.outbound(None).unwrap().remembers_chains(), !forget_chains);
        let structure = schannel_cred();
        // SAFETY: the structure is there.
        let server = unsafe { acquire(SERVER, (&raw const structure).cast(), &extras) }.unwrap();
        assert_eq!(server.inbound(None).unwrap().remembers_chains(), !forget_chains);
    }
}

#[test]
fn impossible_algorithms_are_told_to_the_context() {
    let mut algs = [0x6801u32];
    let listed =
        SchannelCred { supported_alg_count: 1, supported_algs: algs.as_mut_ptr(), ..schannel_cred() };
    let strong = SchannelCred { minimum_cipher_strength: 512, ..schannel_cred() };
    let null = SchannelCred {
        minimum_cipher_strength: u32::MAX,
        maximum_cipher_strength: u32::MAX,
        ..schannel_cred()
    };
    for cred in [listed, strong, null] {
        let client = acquired(CLIENT, &cred).unwrap();
        assert_eq!(client.outbound(None).unwrap_err().status(), ErrorStatus::AlgorithmMismatch);
        let server = acquired(SERVER, &cred).unwrap();
        assert_eq!(server.inbound(None).unwrap_err().status(), ErrorStatus::AlgorithmMismatch);
    }
    let ignored = SchannelCred { supported_alg_count: 1, ..schannel_cred() };
    assert!(acquired(CLIENT, &ignored).unwrap().outbound(None).is_ok(), "no list is the default");
    let too_many =
        SchannelCred { supported_alg_count: 257, supported_algs: algs.as_mut_ptr(), ..schannel_cred() };
    assert_eq!(status(acquired(CLIENT, &too_many)), Some(ErrorStatus::InvalidParameter));
}

#[test]
fn caps_of_sch_credentials() {
    let invalid = Some(ErrorStatus::InvalidParameter);
    let parameters = TlsParameters {
        alpn_id_count: 0,
        alpn_ids: std::ptr::null_mut(),
        disabled_protocols: 0,
        disabled_crypto_count: 0,
        disabled_crypto: std::ptr::null_mut(),
        flags: 0,
    };
    let acquire = |list: &mut [TlsParameters]| {
        let tls_parameter_count = u32::try_from(list.len()).unwrap();
        status(acquired(
            CLIENT,
            &SchCredentials { tls_parameter_count, tls_parameters: list.as_mut_ptr(), ..sch_credentials() },
        ))
    };
    assert_eq!(acquire(&mut [parameters; 16]), None);
    assert_eq!(acquire(&mut [parameters; 17]), invalid);
    let missing = SchCredentials { tls_parameter_count: 1, ..sch_credentials() };
    assert_eq!(status(acquired(CLIENT, &missing)), invalid);

    let mut ids = [unicode("h2"); 17];
    let mut with_ids =
        |count| TlsParameters { alpn_id_count: count, alpn_ids: ids.as_mut_ptr(), ..parameters };
    assert_eq!(acquire(&mut [with_ids(16)]), None);
    assert_eq!(acquire(&mut [with_ids(17)]), invalid);
    assert_eq!(acquire(&mut [TlsParameters { alpn_ids: std::ptr::null_mut(), ..with_ids(1) }]), invalid);

    let mut modes = [unicode("ChainingModeCBC"); 17];
    let setting = CryptoSettings {
        algorithm_usage: 2,
        cng_alg_id: unicode("AES"),
        chaining_mode_count: 16,
        chaining_modes: modes.as_mut_ptr(),
        min_bit_length: 0,
        max_bit_length: 0,
    };
    let settings = |edit: &dyn Fn(&mut CryptoSettings), count: u32| {
        let mut list = [setting; 17];
        list.iter_mut().for_each(edit);
        acquire(&mut [TlsParameters {
            disabled_crypto_count: count,
            disabled_crypto: list.as_mut_ptr(),
            ..parameters
        }])
    };
    assert_eq!(settings(&|_| (), 16), None);
    assert_eq!(settings(&|_| (), 17), invalid);
    assert_eq!(settings(&|one| one.chaining_mode_count = 17, 1), invalid);
    assert_eq!(settings(&|one| one.algorithm_usage = 5, 1), invalid);
    assert_eq!(settings(&|one| one.cng_alg_id.length = 3, 1), invalid);
    assert_eq!(settings(&|one| one.cng_alg_id.buffer = std::ptr::null_mut(), 1), invalid);
    assert_eq!(settings(&|one| one.cng_alg_id = unicode("Skipjack"), 1), None);
}

#[test]
fn expiry_is_the_first_of_the_certificates() {
    assert_eq!(
        acquired(CLIENT, &schannel_cred()).unwrap().expiry(),
        TimeStamp { low: u32::MAX, high: i32::MAX }
    );
    let expected = identity(&CERTIFICATES.ecdsa).expiry().unwrap();
    assert_eq!(credential(request(SERVER)).expiry(), crate::time::stamp(expected));
}

/// QueryCredentialsAttributes into misaligned memory of `len` bytes.
fn ask<T: Copy>(credential: &Credential, attribute: u32, len: Option<u32>) -> Result<T, ErrorStatus> {
    let mut room = vec![0u8; size_of::<T>() + 1];
    let place = room[1..].as_mut_ptr();
    // SAFETY: there is room for a T.
    unsafe { query(credential, attribute, place.cast(), len) }?;
    // SAFETY: the query has written one.
    Ok(unsafe { place.cast::<T>().read_unaligned() })
}

#[test]
fn attributes_of_credentials() {
    let cred = SchannelCred { enabled_protocols: 0xC00, minimum_cipher_strength: 256, ..schannel_cred() };
    let client = acquired(CLIENT, &cred).unwrap();
    let server = acquired(SERVER, &cred).unwrap();
    let strengths: CipherStrengths = ask(&client, attribute::CIPHER_STRENGTHS, Some(8)).unwrap();
    assert_eq!((strengths.minimum, strengths.maximum), (256, 256));
    for (credential, bit) in [(&client, 0x800), (&server, 0x400)] {
        let protocols: SupportedProtocols = ask(credential, attribute::SUPPORTED_PROTOCOLS, None).unwrap();
        assert_eq!(protocols.protocols, bit);
    }
    let algs: SupportedAlgs = ask(&client, attribute::SUPPORTED_ALGS, Some(16)).unwrap();
    // SAFETY: so many were given out.
    let listed = unsafe { std::slice::from_raw_parts(algs.algs, usize::try_from(algs.count).unwrap()) };
    assert_eq!(listed, [0x6610, 0x800D, 0xAE06, 0x2400, 0x2203]);
    assert!(memory::take_back(algs.algs.cast()));

    assert_eq!(ask::<u64>(&client, attribute::CRED_NAMES, None), Err(ErrorStatus::NoCredentials));
    assert_eq!(ask::<u64>(&client, 4, None), Err(ErrorStatus::UnsupportedFunction));
    for (attribute, size) in [
        (attribute::SUPPORTED_ALGS, 16),
        (attribute::CIPHER_STRENGTHS, 8),
        (attribute::SUPPORTED_PROTOCOLS, 4),
    ] {
        assert_eq!(ask::<[u8; 16]>(&client, attribute, Some(size - 1)), Err(ErrorStatus::BufferTooSmall));
        // SAFETY: there is no buffer.
        let nowhere = unsafe { query(&client, attribute, std::ptr::null_mut(), Some(size)) };
        assert_eq!(nowhere, Err(ErrorStatus::InternalError));
    }
}

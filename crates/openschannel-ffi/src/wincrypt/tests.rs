#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::ptr::{null, null_mut};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use super::*;

/// Root, intermediate and leaf.
struct Made {
    root: Vec<u8>,
    intermediate: Vec<u8>,
    leaf: Vec<u8>,
    key_pem: String,
    chain_pem: String,
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

fn made() -> Made {
    let root = CertifiedIssuer::self_signed(authority("Test Root"), KeyPair::generate().unwrap()).unwrap();
    let intermediate =
        CertifiedIssuer::signed_by(authority("Test Intermediate"), KeyPair::generate().unwrap(), &root)
            .unwrap();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, "a.example");
    params.extended_key_usages.push(rcgen::ExtendedKeyUsagePurpose::ServerAuth);
    let leaf = params.signed_by(&key, &intermediate).unwrap();
    Made {
        root: root.der().to_vec(),
        intermediate: intermediate.der().to_vec(),
        leaf: leaf.der().to_vec(),
        key_pem: key.serialize_pem(),
        chain_pem: format!("{}{}{}", leaf.pem(), intermediate.pem(), root.pem()),
    }
}

fn create(der: &[u8]) -> *const CERT_CONTEXT {
    // SAFETY: the slice says the truth.
    unsafe { CertCreateCertificateContext(1, der.as_ptr(), der.len().try_into().unwrap()) }
}

fn last_error() -> u32 {
    // SAFETY: needs nothing.
    unsafe { GetLastError() }
}

fn free(context: *const CERT_CONTEXT) {
    // SAFETY: needs nothing.
    assert_eq!(unsafe { CertFreeCertificateContext(context) }, 1);
}

fn open(provider: usize) -> HCERTSTORE {
    // SAFETY: a number.
    unsafe { CertOpenStore(std::ptr::without_provenance(provider), 0, 0, 0, null()) }
}

fn close(store: HCERTSTORE, flags: u32) -> i32 {
    // SAFETY: needs nothing.
    unsafe { CertCloseStore(store, flags) }
}

fn import(made: &Made, store: HCERTSTORE) -> *const CERT_CONTEXT {
    let (chain, key) = (made.chain_pem.as_bytes(), made.key_pem.as_bytes());
    let mut context = null();
    let (chain_len, key_len) = (chain.len().try_into().unwrap(), key.len().try_into().unwrap());
    // SAFETY: slices and a local.
    let done = unsafe {
        OpenSchannelImportPem(chain.as_ptr(), chain_len, key.as_ptr(), key_len, store, &raw mut context)
    };
    assert_eq!(done, 1, "{:#x}", last_error());
    context
}

#[test]
fn an_imported_certificate_is_an_identity_with_its_intermediates() {
    let made = made();
    let context = import(&made, null_mut());
    // SAFETY: needs nothing here.
    let identity = unsafe { identity(context, false) }.unwrap();
    assert_eq!(identity.chain().collect::<Vec<_>>(), [&made.leaf[..], &made.intermediate]);
    // SAFETY: needs nothing here. SCH_SEND_ROOT_CERT.
    let with_root = unsafe { super::identity(context, true) }.unwrap();
    assert_eq!(with_root.chain().collect::<Vec<_>>(), [&made.leaf[..], &made.intermediate, &made.root]);
    free(context);
    // SAFETY: needs nothing here.
    let refused = unsafe { super::identity(context, false) };
    assert_eq!(refused.unwrap_err().status(), ErrorStatus::UnknownCredentials);
}

#[test]
fn without_a_key_there_are_no_credentials_and_what_is_no_context_is_unknown() {
    let made = made();
    let context = create(&made.leaf);
    // SAFETY: needs nothing here.
    assert_eq!(unsafe { identity(context, false) }.unwrap_err().status(), ErrorStatus::NoCredentials);
    let key = made.key_pem.as_bytes();
    // SAFETY: slices.
    let set = |key: &[u8]| unsafe {
        OpenSchannelSetPrivateKey(context, key.as_ptr(), key.len().try_into().unwrap())
    };
    assert_eq!(set(KeyPair::generate().unwrap().serialize_pem().as_bytes()), 0);
    assert_eq!(last_error(), code::CRYPT_E_NO_MATCH);
    assert_eq!(set(b"junk"), 0);
    assert_eq!(last_error(), code::CRYPT_E_BAD_ENCODE);
    assert_eq!(set(key), 1);
    // SAFETY: needs nothing here.
    assert_eq!(unsafe { identity(context, false) }.unwrap().chain().len(), 1);
    free(context);
    let wild = [null(), std::ptr::without_provenance(1), std::ptr::from_ref(&made).cast()];
    for bogus in wild {
        // SAFETY: needs nothing here.
        assert_eq!(unsafe { identity(bogus, false) }.unwrap_err().status(), ErrorStatus::UnknownCredentials);
        // SAFETY: needs nothing.
        assert_eq!(unsafe { CertDuplicateCertificateContext(bogus) }, null());
        free(bogus);
    }
}

#[test]
fn a_peers_certificate_keeps_its_store_until_it_is_freed() {
    let made = made();
    let context = certificate_context(&[made.leaf.clone(), made.intermediate]).unwrap();
    // SAFETY: a context of ours.
    let store = unsafe { &*context }.store;
    assert_eq!(registry().members(store).unwrap().len(), 2);
    // SAFETY: needs nothing.
    let again = unsafe { CertDuplicateCertificateContext(context) };
    assert_eq!(again, context);
    free(context);
    assert_eq!(registry().members(store).unwrap().len(), 2);
    assert_eq!(close(store, 0), 0, "it was never given out as a handle");
    free(context);
    assert!(registry().members(store).is_none());
    free(context);
    assert_eq!(certificate_context(&[]).unwrap_err().status(), ErrorStatus::NoCredentials);
    assert_eq!(certificate_context(&[vec![1]]).unwrap_err().status(), ErrorStatus::CertUnknown);
}

#[test]
fn a_closed_store_waits_for_its_contexts_unless_forced() {
    let made = made();
    for (flags, answer, gone) in [(0, 1, false), (2, 0, false), (1, 1, true)] {
        let store = open(2);
        let context = import(&made, store);
        assert_eq!(close(store, flags), answer);
        assert_eq!(registry().members(store).is_none(), gone);
        free(context);
        assert!(registry().members(store).is_none());
        assert_eq!(close(store, 0), 0);
    }
}

#[test]
fn trust_is_the_stores_for_clients_certificates_and_for_restricted_roots() {
    let made = made();
    let store = open(2);
    // SAFETY: slices.
    let add = |der: &[u8]| unsafe {
        CertAddEncodedCertificateToStore(store, 1, der.as_ptr(), der.len().try_into().unwrap(), 1, null_mut())
    };
    assert_eq!(add(&made.root), 1);
    assert_eq!((add(&made.root), last_error()), (0, code::CRYPT_E_EXISTS));
    // SAFETY: needs nothing here.
    let trust = |store, flags, inbound| unsafe { trust(store, flags, inbound) };
    let is_ours = |trust| matches!(trust, Ok(Trust::Roots(roots)) if roots == [made.root.clone()]);
    assert!(is_ours(trust(store, 0, true)));
    assert!(is_ours(trust(store, cred_flags::RESTRICTED_ROOTS, false)));
    assert!(matches!(trust(store, 0, false), Ok(Trust::System)));
    assert!(matches!(trust(null_mut(), 0, true), Ok(Trust::System)));
    assert_eq!(close(store, 2), 1);
    assert_eq!(trust(store, 0, true).unwrap_err().status(), ErrorStatus::UnknownCredentials);
}

#[test]
fn cert_info_is_filled() {
    let made = made();
    let context = create(&made.leaf);
    // SAFETY: a context of ours.
    let info = unsafe { &*context }.info;
    // SAFETY: as above.
    let info = unsafe { &*info };
    let (_, parsed) = x509_parser::parse_x509_certificate(&made.leaf).unwrap();
    // SAFETY: CERT_INFO says the truth.
    let bytes = |blob: Blob| unsafe { blob.bytes() }.unwrap().to_vec();
    assert_eq!(info.version, 2);
    let serial: Vec<u8> = bytes(info.serial).into_iter().rev().collect();
    assert_eq!(serial, parsed.raw_serial());
    assert_eq!(bytes(info.subject), parsed.subject().as_raw());
    assert_eq!(bytes(info.issuer), parsed.issuer().as_raw());
    // SAFETY: a string of ours.
    let oid = |oid| unsafe { text::from_narrow(oid) }.unwrap();
    assert_eq!(oid(info.signature_algorithm.oid), "1.2.840.10045.4.3.2");
    assert_eq!(info.signature_algorithm.parameters.len, 0);
    assert_eq!(oid(info.public_key.algorithm.oid), "1.2.840.10045.2.1");
    assert_eq!(bytes(info.public_key.algorithm.parameters), [6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7]);
    assert_eq!((info.public_key.key.len, info.public_key.key.unused_bits), (65, 0));
    assert_eq!(info.extension_count as usize, parsed.extensions().len());
    // 1975-01-01 and 4096-01-01, rcgen's defaults.
    assert_eq!(info.not_before.ticks(), (157_766_400 + 11_644_473_600) * 10_000_000);
    assert_eq!(info.not_after.ticks(), (67_090_118_400 + 11_644_473_600) * 10_000_000);
    free(context);
}

#[test]
fn a_chain_context_holds_the_whole_chain() {
    let made = made();
    let chain = [made.leaf.clone(), made.intermediate.clone(), made.root];
    let context = chain_context(&chain).unwrap();
    let built = registry().chain(context).unwrap();
    let ders: Vec<_> = built.certificates().iter().map(|certificate| certificate.der().to_vec()).collect();
    assert_eq!(ders, chain);
    assert_eq!(built.trust().error, trust_error::UNTRUSTED_ROOT);
    assert!(registry().release_chain(context));
    assert!(!registry().release_chain(context));
    assert!(registry().members(built.certificates()[0].store()).is_none());
}

/// A NUL in a name would end it early in C, or make two names of it: whoever owns the rest of it could pass for somebody else.
#[test]
fn a_nul_inside_a_name_neither_ends_nor_splits_it() {
    let wrong = "a.example\0b.example";
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::CommonName, wrong);
    params.subject_alt_names.push(rcgen::SanType::DnsName(wrong.try_into().unwrap()));
    let der = params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec();
    let context = create(&der);
    let shown = "a.example\u{fffd}b.example";

    // CERT_NAME_SIMPLE_DISPLAY_TYPE, CERT_NAME_DNS_TYPE; the first and all of them (CERT_NAME_SEARCH_ALL_NAMES_FLAG).
    for (kind, flags) in [(4, 0), (6, 0), (6, 2)] {
        let mut wide = [0xFFFF_u16; 64];
        // SAFETY: a place and its length.
        let len = unsafe { CertGetNameStringW(context, kind, flags, null(), wide.as_mut_ptr(), 64) } as usize;
        let end = if flags == 0 { 1 } else { 2 };
        assert_eq!(String::from_utf16(&wide[..len - end]).unwrap(), shown, "{kind} {flags}");
        assert_eq!(wide[len - end..len], [0; 2][..end]);
        let mut narrow = [0xFF_u8; 64];
        // SAFETY: as above.
        let len = unsafe { CertGetNameStringA(context, kind, flags, null(), narrow.as_mut_ptr().cast(), 64) };
        assert_eq!(str::from_utf8(&narrow[..len as usize - end]).unwrap(), shown, "{kind} {flags}");
    }

    // SAFETY: a context of ours.
    let info = unsafe { &*context }.info;
    // SAFETY: as above.
    let info = unsafe { &*info };
    let mut narrow = [0xFF_u8; 64];
    // SAFETY: a place and its length. CERT_SIMPLE_NAME_STR.
    let len = unsafe { CertNameToStrA(1, &raw const info.subject, 1, narrow.as_mut_ptr().cast(), 64) };
    assert_eq!(str::from_utf8(&narrow[..len as usize - 1]).unwrap(), shown);

    // SAFETY: strings and extensions of ours.
    let found = unsafe { CertFindExtension(c"2.5.29.17".as_ptr(), info.extension_count, info.extensions) };
    // SAFETY: as above.
    let names = unsafe { (*found).value };
    let mut memory: *mut core::ffi::c_void = null_mut();
    // SAFETY: a blob of ours and a place for a pointer. X509_ALTERNATE_NAME, CRYPT_DECODE_ALLOC_FLAG.
    let done = unsafe {
        CryptDecodeObjectEx(
            1,
            std::ptr::without_provenance(12),
            names.data,
            names.len,
            0x8000,
            null(),
            (&raw mut memory).cast(),
            null_mut(),
        )
    };
    assert_eq!(done, 1);
    // CERT_ALT_NAME_INFO, then the first CERT_ALT_NAME_ENTRY: its string stands behind dwAltNameChoice.
    let entries = memory.cast::<*const *const u16>().wrapping_add(1);
    // SAFETY: what was decoded.
    let entry = unsafe { entries.read() }.wrapping_add(1);
    // SAFETY: as above.
    let name = unsafe { entry.read() };
    // SAFETY: as above.
    let text = unsafe { text::from_wide(name) };
    assert_eq!(text.as_deref(), Some(shown));
    // SAFETY: needs nothing.
    assert!(unsafe { LocalFree(memory) }.is_null());
    free(context);
}

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use core::ffi::c_void;
use core::ptr;

use aws_lc_rs::signature::{
    RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512,
    UnparsedPublicKey, VerificationAlgorithm,
};
use openschannel::credentials::{KeyAlgorithm, SignatureScheme};
use windows_sys::Win32::Security::Cryptography::{
    AT_KEYEXCHANGE, AT_SIGNATURE, CERT_KEY_CONTEXT, CERT_KEY_CONTEXT_0, CERT_KEY_CONTEXT_PROP_ID,
    CERT_KEY_PROV_INFO_PROP_ID, CERT_NCRYPT_KEY_SPEC, CRYPT_DELETEKEYSET, CRYPT_EXPORTABLE,
    CRYPT_KEY_PROV_INFO, CRYPT_NEWKEYSET, CertSetCertificateContextProperty, CryptAcquireContextW,
    CryptDestroyKey, CryptExportKey, CryptGenKey, CryptReleaseContext, MS_ENH_RSA_AES_PROV,
    MS_ENHANCED_PROV_W, NCryptCreatePersistedKey, NCryptExportKey, NCryptFinalizeKey,
    NCryptOpenStorageProvider, NCryptSetProperty, PROV_RSA_AES, PROV_RSA_FULL, PUBLICKEYBLOB,
};
use windows_sys::core::w;

use super::*;
use crate::windows::modules::is_wine;

const RSA_SCHEMES: [(SignatureScheme, &dyn VerificationAlgorithm); 7] = [
    (SignatureScheme::RSA_PKCS1_SHA1, &RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY),
    (SignatureScheme::RSA_PKCS1_SHA256, &RSA_PKCS1_2048_8192_SHA256),
    (SignatureScheme::RSA_PKCS1_SHA384, &RSA_PKCS1_2048_8192_SHA384),
    (SignatureScheme::RSA_PKCS1_SHA512, &RSA_PKCS1_2048_8192_SHA512),
    (SignatureScheme::RSA_PSS_RSAE_SHA256, &RSA_PSS_2048_8192_SHA256),
    (SignatureScheme::RSA_PSS_RSAE_SHA384, &RSA_PSS_2048_8192_SHA384),
    (SignatureScheme::RSA_PSS_RSAE_SHA512, &RSA_PSS_2048_8192_SHA512),
];

/// A certificate for a public key, from an authority that nobody knows.
fn certificate_for(modulus: &[u8], exponent: &[u8]) -> Certificate {
    struct RsaPublicKey(Vec<u8>);
    impl rcgen::PublicKeyData for RsaPublicKey {
        fn der_bytes(&self) -> &[u8] {
            &self.0
        }
        fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
            &rcgen::PKCS_RSA_SHA256
        }
    }
    let authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
    let issuer = rcgen::Issuer::new(authority, rcgen::KeyPair::generate().unwrap());
    let subject = rcgen::CertificateParams::new(["a.example".to_owned()]).unwrap();
    let key = RsaPublicKey(rsa_blob::der_integer_pair(modulus, exponent));
    let certificate = subject.signed_by(&key, &issuer).unwrap();
    leaf_in_store(&[certificate.der().to_vec()]).unwrap().0
}

fn set_property(certificate: &Certificate, property: u32, value: *const c_void) {
    // SAFETY: the value is what the property takes.
    let set = unsafe { CertSetCertificateContextProperty(certificate.as_ptr(), property, 0, value) };
    assert_ne!(set, 0, "0x{:08X}", last_error());
}

/// A certificate whose key is in a container of CryptoAPI's, which goes with it.
struct InContainer {
    name: Vec<u16>,
    provider: *const u16,
    provider_type: u32,
    certificate: Certificate,
}

impl InContainer {
    fn new(name: &str, (provider, provider_type): (*const u16, u32), spec: u32, exportable: bool) -> Self {
        let mut name: Vec<u16> =
            format!("openschannel-{}-{name}\0", std::process::id()).encode_utf16().collect();
        let mut handle = 0;
        // SAFETY: the names are terminated.
        let opened = unsafe {
            CryptAcquireContextW(&raw mut handle, name.as_ptr(), provider, provider_type, CRYPT_NEWKEYSET)
        };
        assert_ne!(opened, 0, "0x{:08X}", last_error());
        let flags = 2048 << 16 | if exportable { CRYPT_EXPORTABLE } else { 0 };
        let mut key = 0;
        // SAFETY: the provider is open.
        let generated = unsafe { CryptGenKey(handle, spec, flags, &raw mut key) };
        assert_ne!(generated, 0, "0x{:08X}", last_error());
        // Header, "RSA1", length in bits, exponent, modulus; little-endian.
        let mut blob = [0; 20 + 256];
        let mut len = 276;
        // SAFETY: writes at most the length that is named.
        let exported = unsafe { CryptExportKey(key, 0, PUBLICKEYBLOB, 0, blob.as_mut_ptr(), &raw mut len) };
        assert_eq!((exported, len), (1, 276));
        blob.reverse();
        let certificate = certificate_for(&blob[..256], &blob[256..260]);
        // SAFETY: the handle is this function's.
        unsafe { CryptDestroyKey(key) };
        // SAFETY: as above.
        unsafe { CryptReleaseContext(handle, 0) };
        let info = CRYPT_KEY_PROV_INFO {
            pwszContainerName: name.as_mut_ptr(),
            pwszProvName: provider.cast_mut(),
            dwProvType: provider_type,
            dwKeySpec: spec,
            ..CRYPT_KEY_PROV_INFO::default()
        };
        set_property(&certificate, CERT_KEY_PROV_INFO_PROP_ID, (&raw const info).cast());
        Self { name, provider, provider_type, certificate }
    }

    /// The container's provider.
    fn open(&self, flags: u32) -> usize {
        let mut handle = 0;
        // SAFETY: the names are terminated.
        let opened = unsafe {
            CryptAcquireContextW(
                &raw mut handle,
                self.name.as_ptr(),
                self.provider,
                self.provider_type,
                flags,
            )
        };
        assert_ne!(opened, 0, "0x{:08X}", last_error());
        handle
    }

    fn identity(&self) -> Identity {
        // SAFETY: a certificate context.
        unsafe { identity(self.certificate.as_ptr(), false) }.unwrap()
    }
}

impl Drop for InContainer {
    fn drop(&mut self) {
        self.open(CRYPT_DELETEKEYSET);
    }
}

fn signs_tls13(identity: &Identity) -> bool {
    let schemes = [
        SignatureScheme::RSA_PSS_RSAE_SHA256,
        SignatureScheme::RSA_PSS_RSAE_SHA384,
        SignatureScheme::RSA_PSS_RSAE_SHA512,
        SignatureScheme::ECDSA_SECP256R1_SHA256,
        SignatureScheme::ECDSA_SECP384R1_SHA384,
        SignatureScheme::ECDSA_SECP521R1_SHA512,
        SignatureScheme::ED25519,
    ];
    identity.key().choose_scheme(&schemes).is_some()
}

/// Every scheme the key offers gives a signature that the certificate's key verifies.
fn signs(identity: &Identity) -> Vec<SignatureScheme> {
    let certificate = identity.chain().next().unwrap().to_vec();
    let public_key = rsa_public_key(&certificate);
    let mut works = Vec::new();
    for (scheme, algorithm) in RSA_SCHEMES {
        if identity.key().choose_scheme(&[scheme]).is_some() {
            let signature = identity.key().sign(scheme, b"the message").unwrap();
            let key = UnparsedPublicKey::new(algorithm, &public_key);
            key.verify(b"the message", &signature).unwrap_or_else(|_| panic!("{scheme:?} does not verify"));
            assert!(key.verify(b"another message", &signature).is_err());
            works.push(scheme);
        }
    }
    assert_eq!(identity.key().algorithm(), KeyAlgorithm::Rsa);
    works
}

/// The certificate's RSAPublicKey: the bit string behind the algorithm's identifier.
fn rsa_public_key(certificate: &[u8]) -> Vec<u8> {
    let identifier = [0x30, 0x0D, 6, 9, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 1, 1, 5, 0, 3, 0x82];
    let at = certificate.windows(identifier.len()).position(|window| window == identifier).unwrap()
        + identifier.len();
    let len = usize::from(certificate[at]) << 8 | usize::from(certificate[at + 1]);
    certificate[at + 3..at + 2 + len].to_vec()
}

const AES: (*const u16, u32) = (MS_ENH_RSA_AES_PROV, PROV_RSA_AES);
const OLD: (*const u16, u32) = (MS_ENHANCED_PROV_W, PROV_RSA_FULL);

const WITHOUT_SHA1: [SignatureScheme; 6] = [
    SignatureScheme::RSA_PKCS1_SHA256,
    SignatureScheme::RSA_PKCS1_SHA384,
    SignatureScheme::RSA_PKCS1_SHA512,
    SignatureScheme::RSA_PSS_RSAE_SHA256,
    SignatureScheme::RSA_PSS_RSAE_SHA384,
    SignatureScheme::RSA_PSS_RSAE_SHA512,
];

#[test]
fn an_exportable_key_of_cryptoapi_signs_for_every_version() {
    for (name, provider) in [("aes", AES), ("old", OLD)] {
        let identity = InContainer::new(name, provider, AT_KEYEXCHANGE, true).identity();
        assert_eq!(signs(&identity), WITHOUT_SHA1, "{name}");
        assert!(signs_tls13(&identity));
    }
}

#[test]
fn a_key_that_stays_in_its_place_signs_there() {
    for (name, provider, spec) in
        [("aes", AES, AT_KEYEXCHANGE), ("old", OLD, AT_KEYEXCHANGE), ("signature", AES, AT_SIGNATURE)]
    {
        let made = InContainer::new(&format!("fixed-{name}"), provider, spec, false);
        let identity = made.identity();
        let works = signs(&identity);
        if is_wine() {
            // CryptoAPI alone: all hashes, and nothing that it cannot do is offered.
            assert_eq!(
                works,
                RSA_SCHEMES[..4].iter().map(|(scheme, _)| *scheme).collect::<Vec<_>>(),
                "{name}"
            );
            assert!(!signs_tls13(&identity));
        } else {
            assert_eq!(works, WITHOUT_SHA1, "{name}: Windows has a view of the key in CNG");
        }
        let offered = [
            SignatureScheme::RSA_PKCS1_SHA1,
            SignatureScheme::RSA_PKCS1_SHA512,
            SignatureScheme::RSA_PKCS1_SHA256,
        ];
        assert_eq!(identity.key().choose_scheme(&offered), Some(SignatureScheme::RSA_PKCS1_SHA256));
    }
}

#[test]
fn a_key_of_a_key_context_outlives_its_context_and_the_programs_handle() {
    let made = InContainer::new("context", AES, AT_KEYEXCHANGE, false);
    let bare = leaf_in_store(&[made.certificate.der().to_vec()]).unwrap().0;
    let context = CERT_KEY_CONTEXT {
        cbSize: u32::try_from(size_of::<CERT_KEY_CONTEXT>()).unwrap(),
        Anonymous: CERT_KEY_CONTEXT_0 { hCryptProv: made.open(0) },
        dwKeySpec: AT_KEYEXCHANGE,
    };
    set_property(&bare, CERT_KEY_CONTEXT_PROP_ID, (&raw const context).cast());
    // SAFETY: a certificate context.
    let identity = unsafe { identity(bare.as_ptr(), false) }.unwrap();
    // The context was given the handle, and closes it.
    drop(bare);
    assert!(signs(&identity).contains(&SignatureScheme::RSA_PKCS1_SHA256));
}

#[test]
fn somebody_elses_key_is_refused() {
    let made = InContainer::new("else", AES, AT_KEYEXCHANGE, false);
    let other = certificate_for(&[0x81; 256], &[1, 0, 1]);
    let context = CERT_KEY_CONTEXT {
        cbSize: u32::try_from(size_of::<CERT_KEY_CONTEXT>()).unwrap(),
        Anonymous: CERT_KEY_CONTEXT_0 { hCryptProv: made.open(0) },
        dwKeySpec: AT_KEYEXCHANGE,
    };
    set_property(&other, CERT_KEY_CONTEXT_PROP_ID, (&raw const context).cast());
    // SAFETY: a certificate context.
    assert_eq!(
        unsafe { identity(other.as_ptr(), false) }.unwrap_err().status(),
        ErrorStatus::UnknownCredentials
    );
}

#[test]
fn a_key_of_cng_signs_for_every_version() {
    let (mut provider, mut key) = (0, 0);
    // SAFETY: the handle goes to a variable.
    let opened = unsafe {
        NCryptOpenStorageProvider(&raw mut provider, w!("Microsoft Software Key Storage Provider"), 0)
    };
    assert_eq!(opened, 0);
    // SAFETY: the provider is open; no name is a key in memory.
    let created = unsafe { NCryptCreatePersistedKey(provider, &raw mut key, w!("RSA"), ptr::null(), 0, 0) };
    assert_eq!(created, 0);
    let bits = 2048_u32.to_le_bytes();
    // SAFETY: the key is open.
    assert_eq!(unsafe { NCryptSetProperty(key, w!("Length"), bits.as_ptr(), 4, 0) }, 0);
    // SAFETY: as above.
    assert_eq!(unsafe { NCryptFinalizeKey(key, 0) }, 0);
    // Six numbers, of which the third is the exponent's length; then exponent and modulus, big-endian.
    let mut blob = [0; 512];
    let mut len = 0;
    // SAFETY: writes at most the length that is named.
    let exported = unsafe {
        NCryptExportKey(key, 0, w!("RSAPUBLICBLOB"), ptr::null(), blob.as_mut_ptr(), 512, &raw mut len, 0)
    };
    assert_eq!(exported, 0, "0x{exported:08X}");
    let (exponent, modulus) = blob[24..len as usize].split_at(usize::from(blob[8]));
    let certificate = certificate_for(modulus, exponent);
    let context = CERT_KEY_CONTEXT {
        cbSize: u32::try_from(size_of::<CERT_KEY_CONTEXT>()).unwrap(),
        Anonymous: CERT_KEY_CONTEXT_0 { hNCryptKey: key },
        dwKeySpec: CERT_NCRYPT_KEY_SPEC,
    };
    set_property(&certificate, CERT_KEY_CONTEXT_PROP_ID, (&raw const context).cast());
    // SAFETY: a certificate context.
    let identity = unsafe { identity(certificate.as_ptr(), false) }.unwrap();
    assert!(signs_tls13(&identity));
    assert_eq!(signs(&identity), WITHOUT_SHA1);
}

#[test]
fn who_has_no_key_and_what_is_no_certificate() {
    let bare = certificate_for(&[0x81; 256], &[1, 0, 1]);
    // SAFETY: a certificate context.
    assert_eq!(unsafe { identity(bare.as_ptr(), false) }.unwrap_err().status(), ErrorStatus::NoCredentials);
    let missing: Vec<u16> = "openschannel-no-such-container\0".encode_utf16().collect();
    let info = CRYPT_KEY_PROV_INFO {
        pwszContainerName: missing.as_ptr().cast_mut(),
        pwszProvName: AES.0.cast_mut(),
        dwProvType: AES.1,
        dwKeySpec: AT_KEYEXCHANGE,
        ..CRYPT_KEY_PROV_INFO::default()
    };
    set_property(&bare, CERT_KEY_PROV_INFO_PROP_ID, (&raw const info).cast());
    // SAFETY: a certificate context.
    assert_eq!(
        unsafe { identity(bare.as_ptr(), false) }.unwrap_err().status(),
        ErrorStatus::UnknownCredentials
    );
    for nothing in [0_usize, 1, 0xDEAD_BEEF, usize::MAX - 8] {
        // SAFETY: no memory, which is noticed.
        let outcome = unsafe { identity(ptr::without_provenance(nothing), false) };
        assert_eq!(outcome.unwrap_err().status(), ErrorStatus::UnknownCredentials);
    }
}

#[test]
fn a_certificate_for_the_caller_holds_the_whole_chain() {
    let chain: Vec<_> =
        (1..4).map(|n| certificate_for(&[0x80 + n; 256], &[1, 0, 1]).der().to_vec()).collect();
    // SAFETY: the reference is this test's.
    let leaf = unsafe { Certificate::from_raw(certificate_context(&chain).unwrap()) }.unwrap();
    assert_eq!(leaf.der(), chain[0]);
    // SAFETY: the store of a context is open as long as it.
    let mut held = unsafe { objects::certificates_in(leaf.fields().hCertStore) };
    let mut expected = chain.clone();
    held.sort();
    expected.sort();
    assert_eq!(held, expected);
    let built = chain_context(&chain).unwrap();
    // SAFETY: the reference is this test's.
    let built = unsafe { objects::Chain::from_raw(built) };
    assert!(built.fields().cChain >= 1);
    assert_eq!(certificate_context(&[]).unwrap_err().status(), ErrorStatus::NoCredentials);
    assert_eq!(certificate_context(&[vec![1]]).unwrap_err().status(), ErrorStatus::CertUnknown);
}

#[test]
fn numbers_in_asn1() {
    assert_eq!(rsa_blob::der_integer_pair(&[0, 0, 5], &[0x80]), [0x30, 7, 2, 1, 5, 2, 2, 0, 0x80]);
    assert_eq!(rsa_blob::der_integer_pair(&[0], &[]), [0x30, 6, 2, 1, 0, 2, 1, 0]);
    let long = rsa_blob::der_integer_pair(&[0x7F; 66], &[0xFF; 66]);
    assert_eq!(long[..5], [0x30, 0x81, 2 + 66 + 2 + 67, 2, 66]);
    for junk in [&[][..], &[0; 20], b"\x07\x02\0\0\0\xa4\0\0RSA2\0\x08\0\0\x01\0\x01\0"] {
        assert!(rsa_blob::pkcs1(junk).is_none());
    }
}

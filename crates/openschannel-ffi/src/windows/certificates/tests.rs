#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use core::ptr;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384,
    RSA_PSS_2048_8192_SHA512, UnparsedPublicKey, VerificationAlgorithm,
};
use openschannel::credentials::KeyAlgorithm;
use windows_sys::Win32::Security::Cryptography::{
    AT_KEYEXCHANGE, AT_SIGNATURE, CALG_RSA_KEYX, CALG_RSA_SIGN, CERT_NCRYPT_KEY_HANDLE_PROP_ID, CRYPT_DELETEKEYSET,
    CRYPT_EXPORTABLE, CRYPT_INTEGER_BLOB, CRYPT_KEY_PROV_INFO, CRYPT_NEWKEYSET, CRYPT_VERIFYCONTEXT,
    CertCreateCertificateContext, CertCreateSelfSignCertificate, CertSetCertificateContextProperty, CryptAcquireContextW,
    CryptDestroyKey, CryptGenKey, CryptReleaseContext, MS_ENH_RSA_AES_PROV, MS_ENHANCED_PROV_W, NCRYPT_KEY_HANDLE,
    NCryptCreatePersistedKey, NCryptFinalizeKey, NCryptOpenStorageProvider, PROV_RSA_AES, PROV_RSA_FULL,
    X509_ASN_ENCODING,
};
use windows_sys::core::w;

use super::*;

const RSA_SCHEMES: [(SignatureScheme, &dyn VerificationAlgorithm); 7] = [
    (SignatureScheme::RSA_PKCS1_SHA1, &RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY),
    (SignatureScheme::RSA_PKCS1_SHA256, &RSA_PKCS1_2048_8192_SHA256),
    (SignatureScheme::RSA_PKCS1_SHA384, &RSA_PKCS1_2048_8192_SHA384),
    (SignatureScheme::RSA_PKCS1_SHA512, &RSA_PKCS1_2048_8192_SHA512),
    (SignatureScheme::RSA_PSS_RSAE_SHA256, &RSA_PSS_2048_8192_SHA256),
    (SignatureScheme::RSA_PSS_RSAE_SHA384, &RSA_PSS_2048_8192_SHA384),
    (SignatureScheme::RSA_PSS_RSAE_SHA512, &RSA_PSS_2048_8192_SHA512),
];

/// A self-signed certificate whose key is in a container of its own, which goes with it.
struct InContainer {
    name: Vec<u16>,
    provider: *const u16,
    provider_type: u32,
    certificate: *const CERT_CONTEXT,
}

impl InContainer {
    fn new(name: &str, (provider, provider_type): (*const u16, u32), spec: u32, exportable: bool) -> Self {
        let mut name: Vec<u16> = format!("openschannel-{}-{name}\0", std::process::id()).encode_utf16().collect();
        let mut handle = 0;
        // SAFETY: the names are terminated.
        let opened = unsafe {
            CryptAcquireContextW(&raw mut handle, name.as_ptr(), provider, provider_type, CRYPT_NEWKEYSET)
        };
        assert_ne!(opened, 0, "0x{:08X}", last_error());
        let algorithm = if spec == AT_SIGNATURE { CALG_RSA_SIGN } else { CALG_RSA_KEYX };
        assert!([CALG_RSA_SIGN, CALG_RSA_KEYX].contains(&algorithm));
        let flags = 2048 << 16 | if exportable { CRYPT_EXPORTABLE } else { 0 };
        let mut key = 0;
        // SAFETY: the provider is open.
        let generated = unsafe { CryptGenKey(handle, spec, flags, &raw mut key) };
        assert_ne!(generated, 0, "0x{:08X}", last_error());
        // "CN=x"
        let mut subject = [0x30, 12, 0x31, 10, 0x30, 8, 6, 3, 0x55, 4, 3, 0x0C, 1, b'x'];
        let subject = CRYPT_INTEGER_BLOB { cbData: 14, pbData: subject.as_mut_ptr() };
        let info = CRYPT_KEY_PROV_INFO {
            pwszContainerName: name.as_mut_ptr(),
            pwszProvName: provider.cast_mut(),
            dwProvType: provider_type,
            dwKeySpec: spec,
            ..CRYPT_KEY_PROV_INFO::default()
        };
        // SAFETY: the provider is open and has the key.
        let certificate = unsafe {
            CertCreateSelfSignCertificate(
                handle,
                &raw const subject,
                0,
                &raw const info,
                ptr::null(),
                ptr::null(),
                ptr::null(),
                ptr::null(),
            )
        };
        assert!(!certificate.is_null(), "0x{:08X}", last_error());
        // SAFETY: the handle is this function's.
        unsafe { CryptDestroyKey(key) };
        // SAFETY: as above.
        unsafe { CryptReleaseContext(handle, 0) };
        Self { name, provider, provider_type, certificate }
    }
}

impl Drop for InContainer {
    fn drop(&mut self) {
        // SAFETY: the reference is this object's own.
        drop(unsafe { Certificate::from_raw(self.certificate) });
        let mut handle = 0;
        // SAFETY: the names are terminated.
        unsafe {
            CryptAcquireContextW(
                &raw mut handle,
                self.name.as_ptr(),
                self.provider,
                self.provider_type,
                CRYPT_DELETEKEYSET,
            )
        };
    }
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
    let at = certificate.windows(identifier.len()).position(|window| window == identifier).unwrap() + identifier.len();
    let len = usize::from(certificate[at]) << 8 | usize::from(certificate[at + 1]);
    certificate[at + 3..at + 2 + len].to_vec()
}

const AES: (*const u16, u32) = (MS_ENH_RSA_AES_PROV, PROV_RSA_AES);
const OLD: (*const u16, u32) = (MS_ENHANCED_PROV_W, PROV_RSA_FULL);

#[test]
fn an_exportable_key_of_cryptoapi_signs_for_every_version() {
    for (name, provider) in [("aes", AES), ("old", OLD)] {
        let made = InContainer::new(name, provider, AT_KEYEXCHANGE, true);
        // SAFETY: a certificate context.
        let identity = unsafe { identity(made.certificate) }.unwrap();
        assert!(signs_tls13(&identity));
        assert!(signs(&identity).ends_with(&[
            SignatureScheme::RSA_PKCS1_SHA256,
            SignatureScheme::RSA_PKCS1_SHA384,
            SignatureScheme::RSA_PKCS1_SHA512,
            SignatureScheme::RSA_PSS_RSAE_SHA256,
            SignatureScheme::RSA_PSS_RSAE_SHA384,
            SignatureScheme::RSA_PSS_RSAE_SHA512,
        ]));
    }
}

#[test]
fn a_key_that_stays_in_its_place_signs_there() {
    for (name, provider, spec) in
        [("aes", AES, AT_KEYEXCHANGE), ("old", OLD, AT_KEYEXCHANGE), ("signature", AES, AT_SIGNATURE)]
    {
        let made = InContainer::new(&format!("fixed-{name}"), provider, spec, false);
        // SAFETY: a certificate context.
        let identity = unsafe { identity(made.certificate) }.unwrap();
        let works = signs(&identity);
        assert!(works.contains(&SignatureScheme::RSA_PKCS1_SHA256), "{name}: {works:?}");
        // Where CNG has a view of the key it signs for TLS 1.3 too; without one that is refused, not tried.
        assert_eq!(signs_tls13(&identity), works.contains(&SignatureScheme::RSA_PSS_RSAE_SHA256), "{name}");
        assert_eq!(signs_tls13(&identity), !crate::windows::modules::is_wine(), "{name}: {works:?}");
    }
}

#[test]
fn a_key_of_cng_signs_for_every_version() {
    let (mut provider, mut key): (usize, NCRYPT_KEY_HANDLE) = (0, 0);
    // SAFETY: the handle goes to a variable.
    let opened = unsafe { NCryptOpenStorageProvider(&raw mut provider, w!("Microsoft Software Key Storage Provider"), 0) };
    assert_eq!(opened, 0);
    // SAFETY: the provider is open; no name is a key in memory.
    let created = unsafe { NCryptCreatePersistedKey(provider, &raw mut key, w!("RSA"), ptr::null(), 0, 0) };
    assert_eq!(created, 0);
    // SAFETY: the key is open.
    assert_eq!(unsafe { NCryptFinalizeKey(key, 0) }, 0);
    let _ = key;
}

#[test]
fn who_has_no_key_and_what_is_no_certificate() {
    let made = InContainer::new("none", AES, AT_KEYEXCHANGE, true);
    // SAFETY: a certificate context.
    let certificate = unsafe { Certificate::duplicate(made.certificate) }.unwrap();
    let bare = certificate_context(&[certificate.der().to_vec()]).unwrap();
    // SAFETY: a certificate context.
    assert_eq!(unsafe { identity(bare) }.unwrap_err().status(), ErrorStatus::NoCredentials);
    // SAFETY: the reference is this test's.
    drop(unsafe { Certificate::from_raw(bare) });
    for nothing in [0_usize, 1, 0xDEAD_BEEF, usize::MAX - 8] {
        // SAFETY: no memory, which is noticed.
        let outcome = unsafe { identity(ptr::without_provenance(nothing)) };
        assert_eq!(outcome.unwrap_err().status(), ErrorStatus::UnknownCredentials);
    }
}

#[test]
fn a_certificate_for_the_caller_holds_the_whole_chain() {
    let made: Vec<_> = ["a", "b", "c"].iter().map(|name| InContainer::new(name, AES, AT_KEYEXCHANGE, true)).collect();
    let chain: Vec<_> = made
        .iter()
        .map(|made| {
            // SAFETY: a certificate context.
            let certificate = unsafe { Certificate::duplicate(made.certificate) }.unwrap();
            certificate.der().to_vec()
        })
        .collect();
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
    let _ = (&ECDSA_P256_SHA256_ASN1, CRYPT_VERIFYCONTEXT, X509_ASN_ENCODING, CERT_NCRYPT_KEY_HANDLE_PROP_ID);
    let _ = (CertCreateCertificateContext as *const (), CertSetCertificateContextProperty as *const ());
}

//! From a certificate to a private key that signs: where crypt32 keeps the key, and what kind it is.

use core::ffi::CStr;
use core::mem::MaybeUninit;
use core::ptr;
use std::sync::Arc;

use openschannel::credentials::{PrivateKey, SignatureScheme};
use openschannel::status::{Error, ErrorStatus};
use windows_sys::Win32::Foundation::{CRYPT_E_NO_KEY_PROPERTY, NTE_SILENT_CONTEXT};
use windows_sys::Win32::Security::Cryptography::{
    CERT_KEY_CONTEXT, CERT_KEY_CONTEXT_PROP_ID, CERT_KEY_PROV_INFO_PROP_ID, CERT_NCRYPT_KEY_HANDLE_PROP_ID,
    CERT_NCRYPT_KEY_SPEC, CRYPT_ACQUIRE_COMPARE_KEY_FLAG, CRYPT_ACQUIRE_PREFER_NCRYPT_KEY_FLAG,
    CRYPT_ACQUIRE_SILENT_FLAG, CertGetCertificateContextProperty, CertGetPublicKeyLength,
    CryptAcquireCertificatePrivateKey, X509_ASN_ENCODING,
};

use super::objects::{Certificate, bytes};
use super::{capi, cng, last_error};

/// The certificate's private key. It keeps the certificate, which may be what keeps the key's handle.
///
/// # Errors
/// SEC_E_NO_CREDENTIALS: the certificate has none. SEC_E_UNKNOWN_CREDENTIALS: it has one that is not there or not for TLS.
pub(super) fn private_key(certificate: Certificate) -> Result<Arc<dyn PrivateKey>, Error> {
    let kind = Kind::of(&certificate)?;
    match find(&certificate)? {
        Found::Cng(handle) => cng::private_key(handle, kind, certificate),
        Found::Csp(provider) if kind.is_rsa() => capi::private_key(provider, kind, certificate),
        Found::Csp(_) => Err(unusable("the key is not in CNG, and CryptoAPI signs with RSA only")),
    }
}

/// What a certificate's public key says about its private key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// With the modulus' length in bytes.
    Rsa {
        len: usize,
    },
    Ecdsa(Curve),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Curve {
    P256,
    P384,
    P521,
}

impl Curve {
    /// TLS 1.3 has one scheme a curve; in TLS 1.2 every peer that knows the curve knows it too.
    pub(super) const fn scheme(self) -> SignatureScheme {
        match self {
            Self::P256 => SignatureScheme::ECDSA_SECP256R1_SHA256,
            Self::P384 => SignatureScheme::ECDSA_SECP384R1_SHA384,
            Self::P521 => SignatureScheme::ECDSA_SECP521R1_SHA512,
        }
    }
}

impl Kind {
    const fn is_rsa(self) -> bool {
        matches!(self, Self::Rsa { .. })
    }

    fn of(certificate: &Certificate) -> Result<Self, Error> {
        // SAFETY: the certificate's decoded form lives as long as the certificate.
        let info = unsafe { certificate.fields().pCertInfo.as_ref() }
            .ok_or_else(|| unusable("the certificate cannot be read"))?;
        let key = &info.SubjectPublicKeyInfo;
        if key.Algorithm.pszObjId.is_null() {
            return Err(unusable("the certificate does not name its key's algorithm"));
        }
        // SAFETY: it is not null, and crypt32 terminates object identifiers.
        let algorithm = unsafe { CStr::from_ptr(key.Algorithm.pszObjId.cast_const().cast()) };
        match algorithm.to_bytes() {
            b"1.2.840.113549.1.1.1" => {
                // SAFETY: reads the decoded public key.
                let bits = unsafe { CertGetPublicKeyLength(X509_ASN_ENCODING, key) };
                Ok(Self::Rsa { len: bits.div_ceil(8) as usize })
            }
            b"1.2.840.10045.2.1" => {
                let parameters = &key.Algorithm.Parameters;
                // SAFETY: they are a part of the decoded certificate.
                let curve = match unsafe { bytes(parameters.pbData, parameters.cbData) } {
                    [6, 8, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 3, 1, 7] => Curve::P256,
                    [6, 5, 0x2B, 0x81, 4, 0, 34] => Curve::P384,
                    [6, 5, 0x2B, 0x81, 4, 0, 35] => Curve::P521,
                    _ => {
                        return Err(unusable("the certificate's curve is not one of P-256, P-384 and P-521"));
                    }
                };
                Ok(Self::Ecdsa(curve))
            }
            _ => Err(unusable("the certificate's key is neither RSA nor ECDSA")),
        }
    }
}

enum Found {
    Cng(cng::Handle),
    Csp(capi::Provider),
}

/// First what the program has tied to the context, then what the certificate's key container holds.
fn find(certificate: &Certificate) -> Result<Found, Error> {
    if let Some(key) = property::<usize>(certificate, CERT_NCRYPT_KEY_HANDLE_PROP_ID).filter(|&key| key != 0)
    {
        return Ok(Found::Cng(cng::Handle::borrowed(key)));
    }
    if let Some(context) = property::<CERT_KEY_CONTEXT>(certificate, CERT_KEY_CONTEXT_PROP_ID) {
        // SAFETY: both members are one number of the same size.
        let key = unsafe { context.Anonymous.hCryptProv };
        if key != 0 && context.dwKeySpec == CERT_NCRYPT_KEY_SPEC {
            return Ok(Found::Cng(cng::Handle::borrowed(key)));
        }
        if key != 0 {
            return capi::Provider::shared(key, context.dwKeySpec).map(Found::Csp);
        }
    }
    acquire(certificate)
}

fn acquire(certificate: &Certificate) -> Result<Found, Error> {
    let flags = CRYPT_ACQUIRE_PREFER_NCRYPT_KEY_FLAG | CRYPT_ACQUIRE_COMPARE_KEY_FLAG;
    // Silent where that is possible; a card that has to be asked for may ask.
    let acquired = match acquire_with(certificate, flags | CRYPT_ACQUIRE_SILENT_FLAG) {
        Err(code) if code == NTE_SILENT_CONTEXT.cast_unsigned() => acquire_with(certificate, flags),
        done => done,
    };
    acquired.map_err(|code| {
        // Wine says the same of a key container that is not there.
        if code == CRYPT_E_NO_KEY_PROPERTY.cast_unsigned() && !names_container(certificate) {
            return Error::new(ErrorStatus::NoCredentials).because("the certificate has no private key");
        }
        unusable(format!("the certificate's private key cannot be had from the system: 0x{code:08X}"))
    })
}

fn acquire_with(certificate: &Certificate, flags: u32) -> Result<Found, u32> {
    let (mut key, mut spec, mut ours) = (0, 0, 0);
    // SAFETY: the certificate is open; the rest are variables.
    let acquired = unsafe {
        CryptAcquireCertificatePrivateKey(
            certificate.as_ptr(),
            flags,
            ptr::null(),
            &raw mut key,
            &raw mut spec,
            &raw mut ours,
        )
    };
    if acquired == 0 {
        return Err(last_error());
    }
    match (spec, ours != 0) {
        (CERT_NCRYPT_KEY_SPEC, true) => Ok(Found::Cng(cng::Handle::owned(key))),
        (CERT_NCRYPT_KEY_SPEC, false) => Ok(Found::Cng(cng::Handle::borrowed(key))),
        (spec, true) => Ok(Found::Csp(capi::Provider::owned(key, spec))),
        (spec, false) => capi::Provider::shared(key, spec).map(Found::Csp).map_err(|_| last_error()),
    }
}

fn names_container(certificate: &Certificate) -> bool {
    let mut len = 0;
    // SAFETY: the certificate is open; only the length is asked for.
    let found = unsafe {
        CertGetCertificateContextProperty(
            certificate.as_ptr(),
            CERT_KEY_PROV_INFO_PROP_ID,
            ptr::null_mut(),
            &raw mut len,
        )
    };
    found != 0
}

/// A property of fixed size; `None` when it is not set.
fn property<T: Copy>(certificate: &Certificate, property: u32) -> Option<T> {
    let mut value = MaybeUninit::<T>::zeroed();
    let mut len = u32::try_from(size_of::<T>()).ok()?;
    // SAFETY: the certificate is open; at most the length named is written.
    let found = unsafe {
        CertGetCertificateContextProperty(
            certificate.as_ptr(),
            property,
            value.as_mut_ptr().cast(),
            &raw mut len,
        )
    };
    // SAFETY: numbers only, all of them zeroed before the call.
    (found != 0).then(|| unsafe { value.assume_init() })
}

pub(super) fn unusable(reason: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorStatus::UnknownCredentials).because(reason)
}

/// The first of `own` that the peer can verify.
pub(super) fn first_offered(own: &[SignatureScheme], offered: &[SignatureScheme]) -> Option<SignatureScheme> {
    own.iter().copied().find(|scheme| offered.contains(scheme))
}

//! Keys of CNG's: files, smart cards, TPMs. They sign in their place.
//!
//! ncrypt.dll is looked up when a key needs it and not imported, so that this library loads where there is none.

use core::ffi::c_void;
use core::ptr;
use std::sync::{Arc, OnceLock};

use aws_lc_rs::digest;
use openschannel::credentials::{KeyAlgorithm, PrivateKey, SignatureScheme};
use openschannel::status::{Error, ErrorStatus, Fault};
use windows_sys::Win32::Foundation::NTE_SILENT_CONTEXT;
use windows_sys::Win32::Security::Cryptography::{
    BCRYPT_PKCS1_PADDING_INFO, BCRYPT_PSS_PADDING_INFO, NCRYPT_PAD_PKCS1_FLAG, NCRYPT_PAD_PSS_FLAG,
    NCRYPT_SILENT_FLAG,
};
use windows_sys::core::w;

use super::keys::{Curve, Kind, first_offered, unusable};
use super::objects::Certificate;
use super::rsa_blob::der_integer_pair;
use crate::windows::modules::{Module, is_wine};

/// A key for `handle`.
///
/// # Errors
/// SEC_E_UNKNOWN_CREDENTIALS: the system has no CNG.
pub(super) fn private_key(
    handle: Handle,
    kind: Kind,
    certificate: Certificate,
) -> Result<Arc<dyn PrivateKey>, Error> {
    let functions =
        Functions::get().ok_or_else(|| unusable("the key is in CNG, which this system does not have"))?;
    let schemes = match kind {
        Kind::Ecdsa(curve) => vec![curve.scheme()],
        Kind::Rsa { len } => rsa_schemes(len, functions.pads_pss(handle.value)),
    };
    Ok(Arc::new(CngKey { handle, kind, schemes, functions, _certificate: certificate }))
}

/// RSA-PSS first, as TLS 1.3 takes nothing else. What the modulus has no room for is left out (RFC 8017 section 9.1.1: hash, a salt
/// of the same length, and two bytes).
fn rsa_schemes(modulus_len: usize, pss: bool) -> Vec<SignatureScheme> {
    let with_pss = [
        (SignatureScheme::RSA_PSS_RSAE_SHA256, 32),
        (SignatureScheme::RSA_PSS_RSAE_SHA384, 48),
        (SignatureScheme::RSA_PSS_RSAE_SHA512, 64),
    ];
    let fitting = with_pss.into_iter().filter(|(_, hash_len)| pss && modulus_len >= 2 * hash_len + 2);
    let pkcs1 = [
        SignatureScheme::RSA_PKCS1_SHA256,
        SignatureScheme::RSA_PKCS1_SHA384,
        SignatureScheme::RSA_PKCS1_SHA512,
    ];
    fitting.map(|(scheme, _)| scheme).chain(pkcs1).collect()
}

#[derive(Debug)]
struct CngKey {
    handle: Handle,
    kind: Kind,
    schemes: Vec<SignatureScheme>,
    functions: &'static Functions,
    /// A borrowed handle may be the certificate's.
    _certificate: Certificate,
}

impl PrivateKey for CngKey {
    fn algorithm(&self) -> KeyAlgorithm {
        match self.kind {
            Kind::Rsa { .. } => KeyAlgorithm::Rsa,
            Kind::Ecdsa(_) => KeyAlgorithm::Ecdsa,
        }
    }

    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<SignatureScheme> {
        first_offered(&self.schemes, offered)
    }

    fn sign(&self, scheme: SignatureScheme, message: &[u8]) -> Result<Vec<u8>, Error> {
        let (hash, name) = match scheme {
            SignatureScheme::RSA_PSS_RSAE_SHA256 | SignatureScheme::RSA_PKCS1_SHA256 => {
                (&digest::SHA256, w!("SHA256"))
            }
            SignatureScheme::RSA_PSS_RSAE_SHA384 | SignatureScheme::RSA_PKCS1_SHA384 => {
                (&digest::SHA384, w!("SHA384"))
            }
            SignatureScheme::RSA_PSS_RSAE_SHA512 | SignatureScheme::RSA_PKCS1_SHA512 => {
                (&digest::SHA512, w!("SHA512"))
            }
            SignatureScheme::ECDSA_SECP256R1_SHA256 => (&digest::SHA256, ptr::null()),
            SignatureScheme::ECDSA_SECP384R1_SHA384 => (&digest::SHA384, ptr::null()),
            SignatureScheme::ECDSA_SECP521R1_SHA512 => (&digest::SHA512, ptr::null()),
            _ => {
                return Err(Error::new(ErrorStatus::AlgorithmMismatch)
                    .because("the key cannot sign with that scheme"));
            }
        };
        let hashed = digest::digest(hash, message);
        let salt_len = u32::try_from(hash.output_len()).unwrap_or_default();
        let pkcs1 = BCRYPT_PKCS1_PADDING_INFO { pszAlgId: name };
        let pss = BCRYPT_PSS_PADDING_INFO { pszAlgId: name, cbSalt: salt_len };
        let (padding, flags): (*const c_void, u32) = match scheme {
            SignatureScheme::RSA_PKCS1_SHA256
            | SignatureScheme::RSA_PKCS1_SHA384
            | SignatureScheme::RSA_PKCS1_SHA512 => ((&raw const pkcs1).cast(), NCRYPT_PAD_PKCS1_FLAG),
            _ if self.algorithm() == KeyAlgorithm::Rsa => ((&raw const pss).cast(), NCRYPT_PAD_PSS_FLAG),
            _ => (ptr::null(), 0),
        };
        // Silent where that is possible; a card whose PIN has to be asked for may ask.
        let signature = match self.sign_hash(padding, hashed.as_ref(), flags | NCRYPT_SILENT_FLAG) {
            Err(NTE_SILENT_CONTEXT) => self.sign_hash(padding, hashed.as_ref(), flags),
            done => done,
        };
        let signature = signature.map_err(|code| {
            let reason = format!("the private key did not sign: NCryptSignHash failed with 0x{code:08X}");
            Error::new(ErrorStatus::InternalError).because(reason).by(Fault::Local)
        })?;
        match self.kind {
            Kind::Rsa { .. } => Ok(signature),
            // CNG gives r and s end to end, TLS wants them as ASN.1.
            Kind::Ecdsa(_) => {
                let (r, s) = signature.split_at(signature.len() / 2);
                Ok(der_integer_pair(r, s))
            }
        }
    }
}

impl CngKey {
    fn sign_hash(&self, padding: *const c_void, hash: &[u8], flags: u32) -> Result<Vec<u8>, i32> {
        let mut signature = match self.kind {
            Kind::Rsa { len } => vec![0; len],
            Kind::Ecdsa(Curve::P256) => vec![0; 2 * 32],
            Kind::Ecdsa(Curve::P384) => vec![0; 2 * 48],
            Kind::Ecdsa(Curve::P521) => vec![0; 2 * 66],
        };
        let hash_len = u32::try_from(hash.len()).unwrap_or_default();
        let room = u32::try_from(signature.len()).unwrap_or_default();
        let mut len = 0;
        // SAFETY: the key is open as long as this object; the padding is the structure the flags say.
        let status = unsafe {
            (self.functions.sign_hash)(
                self.handle.value,
                padding,
                hash.as_ptr(),
                hash_len,
                signature.as_mut_ptr(),
                room,
                &raw mut len,
                flags,
            )
        };
        if status != 0 {
            return Err(status);
        }
        signature.truncate(len as usize);
        Ok(signature)
    }
}

/// An NCRYPT_KEY_HANDLE. CNG takes calls with one key from any thread.
#[derive(Debug)]
pub(super) struct Handle {
    value: usize,
    owned: bool,
}

impl Handle {
    pub(super) const fn owned(value: usize) -> Self {
        Self { value, owned: true }
    }

    /// Somebody else frees it: the certificate, or the program, which keeps it as long as the credentials.
    pub(super) const fn borrowed(value: usize) -> Self {
        Self { value, owned: false }
    }

    /// CNG's view of a key that was opened through CryptoAPI; `None` where the provider has none.
    pub(super) fn of_csp(provider: usize, spec: u32) -> Option<Self> {
        // Wine exports NCryptTranslateHandle, and ends the process in it.
        let functions = Functions::get().filter(|_| !is_wine())?;
        let mut key = 0;
        // SAFETY: the provider is open; the key goes to a variable.
        let status =
            unsafe { (functions.translate_handle)(ptr::null_mut(), &raw mut key, provider, 0, spec, 0) };
        (status == 0 && key != 0).then(|| Self::owned(key))
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if let (true, Some(functions)) = (self.owned, Functions::get()) {
            // SAFETY: the handle is this object's own.
            unsafe { (functions.free_object)(self.value) };
        }
    }
}

type SignHash =
    unsafe extern "system" fn(usize, *const c_void, *const u8, u32, *mut u8, u32, *mut u32, u32) -> i32;
type GetProperty = unsafe extern "system" fn(usize, *const u16, *mut u8, u32, *mut u32, u32) -> i32;
type TranslateHandle = unsafe extern "system" fn(*mut usize, *mut usize, usize, usize, u32, u32) -> i32;
type FreeObject = unsafe extern "system" fn(usize) -> i32;

/// What is used of ncrypt.dll.
#[derive(Debug)]
struct Functions {
    sign_hash: SignHash,
    get_property: GetProperty,
    translate_handle: TranslateHandle,
    free_object: FreeObject,
}

/// `BCRYPT_SUPPORTED_PAD_PSS_SIG`
const SUPPORTED_PAD_PSS_SIG: u32 = 0x10;

impl Functions {
    fn get() -> Option<&'static Self> {
        static FUNCTIONS: OnceLock<Option<Functions>> = OnceLock::new();
        FUNCTIONS.get_or_init(Self::load).as_ref()
    }

    fn load() -> Option<Self> {
        let ncrypt = Module::system("ncrypt.dll")?;
        let sign_hash = ncrypt.function(c"NCryptSignHash")?;
        let get_property = ncrypt.function(c"NCryptGetProperty")?;
        let translate_handle = ncrypt.function(c"NCryptTranslateHandle")?;
        let free_object = ncrypt.function(c"NCryptFreeObject")?;
        Some(Self {
            // SAFETY: NCryptSignHash has this signature.
            sign_hash: unsafe { core::mem::transmute::<*const c_void, SignHash>(sign_hash) },
            // SAFETY: NCryptGetProperty has this signature.
            get_property: unsafe { core::mem::transmute::<*const c_void, GetProperty>(get_property) },
            // SAFETY: NCryptTranslateHandle has this signature.
            translate_handle: unsafe {
                core::mem::transmute::<*const c_void, TranslateHandle>(translate_handle)
            },
            // SAFETY: NCryptFreeObject has this signature.
            free_object: unsafe { core::mem::transmute::<*const c_void, FreeObject>(free_object) },
        })
    }

    /// Whether the key pads for RSA-PSS. Smart cards often do not; a provider that does not say is believed to.
    fn pads_pss(&self, key: usize) -> bool {
        let (mut schemes, mut len) = (0_u32, 0);
        let place = (&raw mut schemes).cast();
        // SAFETY: the key is open; at most four bytes are written.
        let status = unsafe { (self.get_property)(key, w!("PaddingSchemes"), place, 4, &raw mut len, 0) };
        status != 0 || len != 4 || schemes & SUPPORTED_PAD_PSS_SIG != 0
    }
}

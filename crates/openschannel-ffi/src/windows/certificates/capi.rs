//! Keys of CryptoAPI's: RSA, and no RSA-PSS.
//!
//! A key is used where more can be done with it, in this order: through CNG, where its provider has a view there; in memory, where
//! it may be exported; through CryptoAPI, with PKCS #1 padding only, which is TLS 1.2.

use core::ptr;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::digest;
use openschannel::credentials::{Identity, KeyAlgorithm, PrivateKey, SignatureScheme};
use openschannel::status::{Error, ErrorStatus, Fault};
use windows_sys::Win32::Security::Cryptography::{
    AT_KEYEXCHANGE, AT_SIGNATURE, CALG_SHA_256, CALG_SHA_384, CALG_SHA_512, CALG_SHA1, CRYPT_MACHINE_KEYSET,
    CRYPT_SILENT, CryptAcquireContextW, CryptContextAddRef, CryptCreateHash, CryptDestroyHash,
    CryptDestroyKey, CryptExportKey, CryptGetProvParam, CryptGetUserKey, CryptReleaseContext,
    CryptSetHashParam, CryptSignHashW, HP_HASHVAL, MS_ENH_RSA_AES_PROV, PRIVATEKEYBLOB, PROV_RSA_AES,
};
use zeroize::Zeroizing;

use super::keys::{Kind, first_offered, unusable};
use super::objects::{Certificate, bytes};
use super::{cng, last_error, rsa_blob};

/// # Errors
/// SEC_E_UNKNOWN_CREDENTIALS: the provider signs with no hash that TLS has.
pub(super) fn private_key(
    provider: Provider,
    kind: Kind,
    certificate: Certificate,
) -> Result<Arc<dyn PrivateKey>, Error> {
    let provider = provider
        .with_key_of(&certificate)
        .ok_or_else(|| unusable("the private key does not belong to the certificate"))?;
    if let Some(handle) = cng::Handle::of_csp(provider.handle, provider.spec) {
        return cng::private_key(handle, kind, certificate);
    }
    if let Some(key) = provider.exported(&certificate) {
        return Ok(key);
    }
    let provider = provider.with_sha2();
    let hashes: Vec<_> = HASHES.iter().filter(|hash| provider.hash(hash.id).is_ok()).collect();
    if hashes.is_empty() {
        return Err(unusable("the key's provider signs with none of the hashes of TLS"));
    }
    let schemes = hashes.iter().map(|hash| hash.scheme).collect();
    Ok(Arc::new(CspKey { provider: Mutex::new(provider), schemes }))
}

struct Hash {
    scheme: SignatureScheme,
    id: u32,
    algorithm: &'static digest::Algorithm,
}

/// SHA-1 is for providers that know nothing else, old smart cards among them, and for peers that offer it.
const HASHES: [Hash; 4] = [
    Hash { scheme: SignatureScheme::RSA_PKCS1_SHA256, id: CALG_SHA_256, algorithm: &digest::SHA256 },
    Hash { scheme: SignatureScheme::RSA_PKCS1_SHA384, id: CALG_SHA_384, algorithm: &digest::SHA384 },
    Hash { scheme: SignatureScheme::RSA_PKCS1_SHA512, id: CALG_SHA_512, algorithm: &digest::SHA512 },
    Hash {
        scheme: SignatureScheme::RSA_PKCS1_SHA1,
        id: CALG_SHA1,
        algorithm: &digest::SHA1_FOR_LEGACY_USE_ONLY,
    },
];

#[derive(Debug)]
struct CspKey {
    /// CryptoAPI does not say that two threads may sign through one provider handle.
    provider: Mutex<Provider>,
    schemes: Vec<SignatureScheme>,
}

impl PrivateKey for CspKey {
    fn algorithm(&self) -> KeyAlgorithm {
        KeyAlgorithm::Rsa
    }

    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<SignatureScheme> {
        first_offered(&self.schemes, offered)
    }

    fn sign(&self, scheme: SignatureScheme, message: &[u8]) -> Result<Vec<u8>, Error> {
        let hash = HASHES.iter().find(|hash| hash.scheme == scheme).ok_or_else(|| {
            Error::new(ErrorStatus::AlgorithmMismatch).because("the key cannot sign with that scheme")
        })?;
        let value = digest::digest(hash.algorithm, message);
        let provider = self.provider.lock().unwrap_or_else(PoisonError::into_inner);
        provider.sign(hash.id, value.as_ref()).map_err(|code| {
            let reason = format!("the private key did not sign: CryptoAPI failed with 0x{code:08X}");
            Error::new(ErrorStatus::InternalError).because(reason).by(Fault::Local)
        })
    }
}

/// An HCRYPTPROV, and which of its two keys is meant.
#[derive(Debug)]
pub(super) struct Provider {
    handle: usize,
    spec: u32,
}

const PP_CONTAINER: u32 = 6;
const PP_KEYSET_TYPE: u32 = 27;

impl Provider {
    /// Takes over a handle.
    pub(super) const fn owned(handle: usize, spec: u32) -> Self {
        Self { handle, spec }
    }

    /// Another reference to a handle that is somebody else's.
    pub(super) fn shared(handle: usize, spec: u32) -> Result<Self, Error> {
        // SAFETY: CryptoAPI checks the handle.
        let referenced = unsafe { CryptContextAddRef(handle, ptr::null(), 0) };
        if referenced == 0 {
            return Err(unusable("the provider of the certificate's key context is not open"));
        }
        Ok(Self { handle, spec })
    }

    /// `None` when it holds another certificate's key. Wine's PFX import calls its keys AT_KEYEXCHANGE and AT_SIGNATURE at once, and the
    /// certificate says which of the two is meant. A key whose public half cannot be had is believed.
    fn with_key_of(mut self, certificate: &Certificate) -> Option<Self> {
        let wanted = public_key_of(certificate).to_vec();
        let specs = match self.spec {
            known @ (AT_KEYEXCHANGE | AT_SIGNATURE) => vec![known],
            _ => vec![AT_KEYEXCHANGE, AT_SIGNATURE],
        };
        for spec in specs {
            self.spec = spec;
            if self.public_key().is_none_or(|key| key == wanted) && self.user_key().is_some() {
                return Some(self);
            }
        }
        None
    }

    /// The key in memory, if its provider gives it away.
    fn exported(&self, certificate: &Certificate) -> Option<Arc<dyn PrivateKey>> {
        let blob = self.private_key_blob()?;
        let pkcs1 = rsa_blob::pkcs1(&blob)?;
        // This compares the public halves as well.
        let identity = Identity::from_der(vec![certificate.der().to_vec()], &pkcs1).ok()?;
        Some(Arc::clone(identity.key()))
    }

    fn private_key_blob(&self) -> Option<Zeroizing<Vec<u8>>> {
        let key = self.user_key()?;
        let mut len = 0;
        // SAFETY: asks for the length.
        let sized = unsafe { CryptExportKey(key.0, 0, PRIVATEKEYBLOB, 0, ptr::null_mut(), &raw mut len) };
        if sized == 0 {
            return None;
        }
        let mut blob = Zeroizing::new(vec![0; len as usize]);
        // SAFETY: writes at most the length that is named.
        let exported =
            unsafe { CryptExportKey(key.0, 0, PRIVATEKEYBLOB, 0, blob.as_mut_ptr(), &raw mut len) };
        (exported != 0).then_some(blob)
    }

    fn user_key(&self) -> Option<UserKey> {
        let mut key = 0;
        // SAFETY: the provider is open; the key goes to a variable.
        let found = unsafe { CryptGetUserKey(self.handle, self.spec, &raw mut key) };
        (found != 0).then_some(UserKey(key))
    }

    /// The same container through the provider that knows SHA-2. The older ones of Microsoft's, which certificates often name, share
    /// their containers with it and know SHA-1 only.
    fn with_sha2(self) -> Self {
        if self.hash(CALG_SHA_256).is_ok() {
            return self;
        }
        self.reopened().unwrap_or(self)
    }

    fn reopened(&self) -> Option<Self> {
        let container = self.container()?;
        let flags = CRYPT_SILENT | self.keyset();
        let mut handle = 0;
        // SAFETY: the names are terminated; the handle goes to a variable.
        let opened = unsafe {
            CryptAcquireContextW(
                &raw mut handle,
                container.as_ptr(),
                MS_ENH_RSA_AES_PROV,
                PROV_RSA_AES,
                flags,
            )
        };
        if opened == 0 {
            return None;
        }
        let reopened = Self { handle, spec: self.spec };
        // Another vendor's container of the same name has other keys, or none.
        let same = reopened.public_key_blob().is_some_and(|blob| self.public_key_blob() == Some(blob));
        same.then_some(reopened)
    }

    fn public_key_blob(&self) -> Option<Vec<u8>> {
        const PUBLICKEYBLOB: u32 = 6;
        let key = self.user_key()?;
        let mut blob = vec![0; 4096];
        let mut len = u32::try_from(blob.len()).ok()?;
        // SAFETY: writes at most the length that is named.
        let exported = unsafe { CryptExportKey(key.0, 0, PUBLICKEYBLOB, 0, blob.as_mut_ptr(), &raw mut len) };
        blob.truncate(len as usize);
        (exported != 0).then_some(blob)
    }

    /// The public half as `RSAPublicKey`. A blob is a header of eight bytes, "RSA1", the length in bits, exponent and modulus.
    fn public_key(&self) -> Option<Vec<u8>> {
        let mut numbers = self.public_key_blob()?.get(16..)?.to_vec();
        numbers.reverse();
        let (modulus, exponent) = numbers.split_at_checked(numbers.len().checked_sub(4)?)?;
        Some(rsa_blob::der_integer_pair(modulus, exponent))
    }

    /// The container's name in UTF-16, terminated. CryptoAPI gives it in the system's code page; only plain ASCII is taken, which
    /// is what generated names are.
    fn container(&self) -> Option<Vec<u16>> {
        let mut name = vec![0_u8; 1024];
        let mut len = u32::try_from(name.len()).ok()?;
        // SAFETY: the provider is open; at most the length named is written.
        let found =
            unsafe { CryptGetProvParam(self.handle, PP_CONTAINER, name.as_mut_ptr(), &raw mut len, 0) };
        let name = name.split(|&byte| byte == 0).next().filter(|name| !name.is_empty() && name.is_ascii())?;
        (found != 0).then(|| name.iter().map(|&byte| u16::from(byte)).chain([0]).collect())
    }

    fn keyset(&self) -> u32 {
        let (mut keyset, mut len) = (0_u32, 4);
        // SAFETY: the provider is open; four bytes are written.
        let found = unsafe {
            CryptGetProvParam(self.handle, PP_KEYSET_TYPE, (&raw mut keyset).cast(), &raw mut len, 0)
        };
        if found == 0 { 0 } else { keyset & CRYPT_MACHINE_KEYSET }
    }

    fn hash(&self, algorithm: u32) -> Result<HashObject, u32> {
        let mut hash = 0;
        // SAFETY: the provider is open; the hash goes to a variable.
        let created = unsafe { CryptCreateHash(self.handle, algorithm, 0, 0, &raw mut hash) };
        if created == 0 { Err(last_error()) } else { Ok(HashObject(hash)) }
    }

    fn sign(&self, algorithm: u32, value: &[u8]) -> Result<Vec<u8>, u32> {
        let hash = self.hash(algorithm)?;
        // SAFETY: the hash is open; the value is as long as its algorithm says.
        let set = unsafe { CryptSetHashParam(hash.0, HP_HASHVAL, value.as_ptr(), 0) };
        if set == 0 {
            return Err(last_error());
        }
        let mut len = 0;
        // SAFETY: asks for the length.
        let sized =
            unsafe { CryptSignHashW(hash.0, self.spec, ptr::null(), 0, ptr::null_mut(), &raw mut len) };
        if sized == 0 {
            return Err(last_error());
        }
        let mut signature = vec![0; len as usize];
        // SAFETY: writes at most the length that is named.
        let signed = unsafe {
            CryptSignHashW(hash.0, self.spec, ptr::null(), 0, signature.as_mut_ptr(), &raw mut len)
        };
        if signed == 0 {
            return Err(last_error());
        }
        signature.truncate(len as usize);
        // CryptoAPI's numbers begin with the lowest byte.
        signature.reverse();
        Ok(signature)
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        // SAFETY: the reference is this object's own.
        unsafe { CryptReleaseContext(self.handle, 0) };
    }
}

/// The certificate's public key, which is an `RSAPublicKey`.
fn public_key_of(certificate: &Certificate) -> &[u8] {
    // SAFETY: the certificate's decoded form lives as long as the certificate.
    let Some(info) = (unsafe { certificate.fields().pCertInfo.as_ref() }) else { return &[] };
    let key = &info.SubjectPublicKeyInfo.PublicKey;
    // SAFETY: the key is a part of it.
    unsafe { bytes(key.pbData, key.cbData) }
}

struct UserKey(usize);

impl Drop for UserKey {
    fn drop(&mut self) {
        // SAFETY: the handle is this object's own.
        unsafe { CryptDestroyKey(self.0) };
    }
}

struct HashObject(usize);

impl Drop for HashObject {
    fn drop(&mut self) {
        // SAFETY: the handle is this object's own.
        unsafe { CryptDestroyHash(self.0) };
    }
}

//! QueryCredentialsAttributes (section 2.9).

use core::ffi::c_void;

use openschannel::credentials::{CipherSuite, Protocols};
use openschannel::status::ErrorStatus;

use crate::memory::Block;
use crate::types::{CipherStrengths, SupportedAlgs, SupportedProtocols, attribute};

use super::variants::Built;
use super::{Credential, algorithms, protocols};

/// Where nothing can be negotiated there is no strength either; both bounds are documented to be above zero.
const DEFAULT_STRENGTHS: (u32, u32) = (128, 256);

/// QueryCredentialsAttributes.
///
/// # Safety
/// `buffer` is null or points to the structure of `attribute`; `len` is its size where the caller said it (the Ex calls).
pub(crate) unsafe fn query(
    credential: &Credential,
    attribute: u32,
    buffer: *mut c_void,
    len: Option<u32>,
) -> Result<(), ErrorStatus> {
    match attribute {
        attribute::CRED_NAMES => Err(ErrorStatus::NoCredentials),
        attribute::SUPPORTED_ALGS => {
            let place = Place::<SupportedAlgs>::new(buffer, len)?;
            let algs = algorithms::ids(&credential.negotiable().0);
            let count = u32::try_from(algs.len()).map_err(|_| ErrorStatus::InternalError)?;
            let bytes: Vec<u8> = algs.iter().flat_map(|alg| alg.to_ne_bytes()).collect();
            let algs = Block::copy_of(&bytes).give_out().cast().as_ptr();
            // SAFETY: the caller's promise.
            unsafe { place.write(SupportedAlgs { count, algs }) };
            Ok(())
        }
        attribute::CIPHER_STRENGTHS => {
            let place = Place::new(buffer, len)?;
            let (minimum, maximum) =
                algorithms::strengths(&credential.negotiable().0).unwrap_or(DEFAULT_STRENGTHS);
            // SAFETY: the caller's promise.
            unsafe { place.write(CipherStrengths { minimum, maximum }) };
            Ok(())
        }
        attribute::SUPPORTED_PROTOCOLS => {
            let place = Place::new(buffer, len)?;
            let protocols = protocols::bits(credential.negotiable().1, credential.variants.is_inbound());
            // SAFETY: the caller's promise.
            unsafe { place.write(SupportedProtocols { protocols }) };
            Ok(())
        }
        _ => Err(ErrorStatus::UnsupportedFunction),
    }
}

impl Credential {
    /// Suites and versions of a context without ALPN.
    fn negotiable(&self) -> (Vec<CipherSuite>, Protocols) {
        match self.variants.choose(None) {
            Ok(Built::Outbound(credentials)) => {
                (credentials.cipher_suites().to_vec(), credentials.protocols())
            }
            Ok(Built::Inbound(credentials)) => {
                (credentials.cipher_suites().to_vec(), credentials.protocols())
            }
            Err(_) => (Vec::new(), Protocols::empty()),
        }
    }
}

/// Where an answer goes; large enough, as far as the caller says.
pub(crate) struct Place<T>(*mut T);

impl<T> Place<T> {
    pub(crate) fn new(buffer: *mut c_void, len: Option<u32>) -> Result<Self, ErrorStatus> {
        if buffer.is_null() {
            return Err(ErrorStatus::InternalError);
        }
        if len.is_some_and(|len| usize::try_from(len).is_ok_and(|len| len < size_of::<T>())) {
            return Err(ErrorStatus::BufferTooSmall);
        }
        Ok(Self(buffer.cast()))
    }

    /// What the caller put there.
    ///
    /// # Safety
    /// The buffer holds a `T`, aligned or not.
    pub(crate) unsafe fn read(&self) -> T
    where
        T: Copy,
    {
        // SAFETY: the caller's promise.
        unsafe { self.0.read_unaligned() }
    }

    /// # Safety
    /// The buffer has room for a `T`, aligned or not.
    pub(crate) unsafe fn write(self, value: T) {
        // SAFETY: the caller's promise.
        unsafe { self.0.write_unaligned(value) };
    }
}

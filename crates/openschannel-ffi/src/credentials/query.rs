//! QueryCredentialsAttributes (section 2.9).

use core::ffi::c_void;

use openschannel::credentials::{CipherSuite, Protocols};
use openschannel::status::ErrorStatus;

use crate::attributes::Place;
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

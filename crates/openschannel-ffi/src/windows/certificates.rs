//! Certificates, keys and trust, through crypt32.

#![expect(non_camel_case_types, reason = "the names are those of the SDK's header")]

use core::ffi::c_void;

use openschannel::credentials::{Identity, Trust};
use openschannel::status::{Error, ErrorStatus};

/// A certificate.
#[repr(C)]
#[derive(Debug)]
pub struct CERT_CONTEXT {
    private: [usize; 5],
}

/// A chain.
#[repr(C)]
#[derive(Debug)]
pub struct CERT_CHAIN_CONTEXT {
    private: usize,
}

/// A certificate store.
pub type HCERTSTORE = *mut c_void;

pub(crate) unsafe fn identity(_context: *const CERT_CONTEXT) -> Result<Identity, Error> {
    Err(Error::new(ErrorStatus::UnknownCredentials))
}

pub(crate) unsafe fn trust(_root_store: HCERTSTORE, _flags: u32, _inbound: bool) -> Result<Trust, Error> {
    Ok(Trust::System)
}

pub(crate) fn certificate_context(_chain: &[Vec<u8>]) -> Result<*const CERT_CONTEXT, Error> {
    Err(Error::new(ErrorStatus::NoCredentials))
}

pub(crate) fn chain_context(_chain: &[Vec<u8>]) -> Result<*const CERT_CHAIN_CONTEXT, Error> {
    Err(Error::new(ErrorStatus::NoCredentials))
}

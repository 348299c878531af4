//! AcquireCredentialsHandle (section 2.2): what a SCHANNEL_CRED or SCH_CREDENTIALS asks for, as credentials of the provider.

use core::ffi::c_void;
use std::sync::Arc;

use openschannel::Role;
use openschannel::credentials::{InboundCredentials, OutboundCredentials};
use openschannel::status::{Error, ErrorStatus};

use crate::types::{SECPKG_CRED_INBOUND, SECPKG_CRED_OUTBOUND, TimeStamp};

/// What a credential handle stands for.
#[derive(Debug)]
pub(crate) struct Credential {
    side: Side,
}

#[derive(Debug)]
enum Side {
    Outbound(OutboundCredentials),
    Inbound(InboundCredentials),
}

impl Credential {
    /// The client's credentials for a context that offers `alpn`.
    ///
    /// # Errors
    /// SEC_E_INVALID_HANDLE: it is a server's.
    pub(crate) fn outbound(&self, _alpn: Option<&[Vec<u8>]>) -> Result<OutboundCredentials, Error> {
        match &self.side {
            Side::Outbound(credentials) => Ok(credentials.clone()),
            Side::Inbound(_) => Err(Error::new(ErrorStatus::InvalidHandle)),
        }
    }

    /// The server's credentials for a context that accepts `alpn`.
    ///
    /// # Errors
    /// SEC_E_INVALID_HANDLE: it is a client's.
    pub(crate) fn inbound(&self, _alpn: Option<&[Vec<u8>]>) -> Result<InboundCredentials, Error> {
        match &self.side {
            Side::Inbound(credentials) => Ok(credentials.clone()),
            Side::Outbound(_) => Err(Error::new(ErrorStatus::InvalidHandle)),
        }
    }

    /// SEC_E_INVALID_HANDLE unless it is for this side.
    pub(crate) fn is_for(&self, role: Role) -> Result<(), ErrorStatus> {
        match (&self.side, role) {
            (Side::Outbound(_), Role::Client) | (Side::Inbound(_), Role::Server) => Ok(()),
            _ => Err(ErrorStatus::InvalidHandle),
        }
    }

    /// ptsExpiry: the earliest end of a certificate, else the end of time.
    pub(crate) fn expiry(&self) -> TimeStamp {
        TimeStamp { low: u32::MAX, high: i32::MAX }
    }
}

/// What only `OpenSchannelAcquireCredentials` can ask for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Extras {
    pub(crate) post_handshake: Option<openschannel::credentials::PostHandshake>,
    pub(crate) key_log: Option<Arc<dyn openschannel::credentials::KeyLog>>,
    /// IANA numbers, in order of preference.
    pub(crate) groups: Option<Vec<u16>>,
    /// IANA numbers, in order of preference.
    pub(crate) cipher_suites: Option<Vec<u16>>,
}

/// AcquireCredentialsHandle behind its package name.
///
/// # Safety
/// `auth_data` is null or points to what its first DWORD says: a SCHANNEL_CRED or SCH_CREDENTIALS with all that hangs on it.
pub(crate) unsafe fn acquire(
    credential_use: u32,
    _auth_data: *const c_void,
    _extras: &Extras,
) -> Result<Credential, Error> {
    let side = match credential_use {
        SECPKG_CRED_OUTBOUND => Side::Outbound(OutboundCredentials::builder().acquire()?),
        SECPKG_CRED_INBOUND => Side::Inbound(InboundCredentials::builder().acquire()?),
        _ => return Err(Error::new(ErrorStatus::NoCredentials)),
    };
    Ok(Credential { side })
}

/// QueryCredentialsAttributes.
///
/// # Safety
/// `buffer` is null or points to the structure of `attribute`; `len` is its size where the caller said it (the Ex calls).
pub(crate) unsafe fn query(
    _credential: &Credential,
    _attribute: u32,
    _buffer: *mut c_void,
    _len: Option<u32>,
) -> Result<(), ErrorStatus> {
    Err(ErrorStatus::UnsupportedFunction)
}

/// SetCredentialsAttributes.
///
/// # Safety
/// `buffer` is null or points to `len` bytes.
pub(crate) unsafe fn set(
    _credential: &Credential,
    _attribute: u32,
    _buffer: *const c_void,
    _len: u32,
) -> Result<(), ErrorStatus> {
    Err(ErrorStatus::UnsupportedFunction)
}

//! AcquireCredentialsHandle (section 2.2): what a SCHANNEL_CRED or SCH_CREDENTIALS asks for, as credentials of the provider.
//!
//! ```text
//!   SCHANNEL_CRED     schannel_cred \                     offer: what may be negotiated, cut down by
//!   SCH_CREDENTIALS   sch_credentials > Request > Credential     ALG_IDs (allow-list) or CRYPTO_SETTINGS (deny-list)
//!   nothing           defaults      /                     variants: one per set of TLS_PARAMETERS that apply
//! ```

mod algorithms;
/// The provider's fixtures: certificates, and two contexts that talk.
#[cfg(test)]
#[path = "../../../openschannel/tests/common/mod.rs"]
pub(crate) mod common;
mod crypto_settings;
mod flags;
mod key_log;
mod offer;
mod protocols;
mod query;
mod request;
mod sch_credentials;
mod schannel_cred;
#[cfg(test)]
mod tests;
mod ticket_keys;
mod variants;

use core::ffi::c_void;
use std::sync::Arc;

use openschannel::Role;
use openschannel::credentials::{InboundCredentials, OutboundCredentials};
use openschannel::status::{Error, ErrorStatus};

use crate::c_memory;
use crate::types::{SECPKG_CRED_INBOUND, SECPKG_CRED_OUTBOUND, TimeStamp};
use request::Request;
use variants::{Built, Variants};

pub(crate) use query::query;
pub(crate) use ticket_keys::set;

/// What a credential handle stands for.
#[derive(Debug)]
pub(crate) struct Credential {
    variants: Variants,
    expiry: TimeStamp,
}

impl Credential {
    /// The client's credentials for a context that offers `alpn`.
    ///
    /// # Errors
    /// SEC_E_INVALID_HANDLE: it is a server's. SEC_E_ALGORITHM_MISMATCH: nothing is left that could be negotiated.
    pub(crate) fn outbound(&self, alpn: Option<&[Vec<u8>]>) -> Result<OutboundCredentials, Error> {
        if self.variants.is_inbound() {
            return Err(Error::new(ErrorStatus::InvalidHandle));
        }
        match self.variants.choose(alpn)? {
            Built::Outbound(credentials) => Ok(credentials),
            Built::Inbound(_) => Err(Error::new(ErrorStatus::InvalidHandle)),
        }
    }

    /// The server's credentials for a context that accepts `alpn`.
    ///
    /// # Errors
    /// SEC_E_INVALID_HANDLE: it is a client's. SEC_E_ALGORITHM_MISMATCH: nothing is left that could be negotiated.
    pub(crate) fn inbound(&self, alpn: Option<&[Vec<u8>]>) -> Result<InboundCredentials, Error> {
        if !self.variants.is_inbound() {
            return Err(Error::new(ErrorStatus::InvalidHandle));
        }
        match self.variants.choose(alpn)? {
            Built::Inbound(credentials) => Ok(credentials),
            Built::Outbound(_) => Err(Error::new(ErrorStatus::InvalidHandle)),
        }
    }

    /// SEC_E_INVALID_HANDLE unless it is for this side.
    pub(crate) fn is_for(&self, role: Role) -> Result<(), ErrorStatus> {
        let inbound = role == Role::Server;
        if self.variants.is_inbound() == inbound { Ok(()) } else { Err(ErrorStatus::InvalidHandle) }
    }

    /// Whose it is, in words.
    pub(crate) fn role_name(&self) -> &'static str {
        if self.variants.is_inbound() { "server" } else { "client" }
    }

    /// ptsExpiry: the earliest end of a certificate, else the end of time.
    pub(crate) fn expiry(&self) -> TimeStamp {
        self.expiry
    }

    /// # Errors
    /// What keeps the credentials from being acquired. What only keeps them from being used, an impossible list of algorithms, is told
    /// by [`Credential::outbound`] and [`Credential::inbound`] (section 6.1).
    fn new(request: Request, extras: &Extras) -> Result<Self, Error> {
        let expiry = request.expiry();
        Ok(Self { variants: Variants::new(request, extras)?, expiry })
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
    /// Verifies every certificate chain anew.
    pub(crate) forget_chains: bool,
}

/// AcquireCredentialsHandle behind its package name.
///
/// # Safety
/// `auth_data` is null or points to what its first DWORD says: a SCHANNEL_CRED or SCH_CREDENTIALS with all that hangs on it.
pub(crate) unsafe fn acquire(
    credential_use: u32,
    auth_data: *const c_void,
    extras: &Extras,
) -> Result<Credential, Error> {
    let inbound = match credential_use {
        SECPKG_CRED_OUTBOUND => false,
        SECPKG_CRED_INBOUND if !auth_data.is_null() => true,
        _ => return Err(Error::new(ErrorStatus::NoCredentials)),
    };
    #[cfg_attr(not(windows), expect(unused_mut, reason = "changed on Windows"))]
    let mut request = if auth_data.is_null() {
        Request::of_nobody()
    } else {
        // SAFETY: the caller's promise; every version begins with the DWORD that says so.
        match unsafe { c_memory::read(auth_data.cast::<u32>()) } {
            schannel_cred::VERSION => {
                // SAFETY: the version says that a SCHANNEL_CRED is there.
                unsafe { schannel_cred::read(auth_data.cast(), inbound) }?
            }
            sch_credentials::VERSION => {
                // SAFETY: the version says that a SCH_CREDENTIALS is there.
                unsafe { sch_credentials::read(auth_data.cast(), inbound) }?
            }
            // 1 to 3 are structures nobody has the layout of any more.
            _ => return Err(Error::new(ErrorStatus::UnknownCredentials)),
        }
    };
    #[cfg(windows)]
    if !inbound && crate::windows::callers::drop_the_last_token() {
        request.protocols.remove(openschannel::credentials::Protocols::TLS1_3);
        protocols::some(request.protocols)?;
    }
    Credential::new(request, extras)
}

//! What AcquireCredentialsHandle was asked for, in memory of our own.

use std::time::Duration;

use openschannel::credentials::{Identity, PostHandshake, Protocols, Trust};
use openschannel::status::{Error, ErrorStatus};

use crate::certificates::{self, CERT_CONTEXT, HCERTSTORE};
use crate::time;
use crate::types::{TimeStamp, cred_flags};

use super::algorithms::AllowList;
use super::crypto_settings::Parameters;
use super::{flags, protocols};
use crate::c_memory::{invalid, read_array};

/// As many certificates as Windows takes (section 1.2, caps).
const MAX_CREDS: u32 = 100;

/// `dwSessionLifespan` of a client that wants no resumption (section 6.1).
const NO_RESUMPTION: u32 = u32::MAX;

/// Both structures in one form.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) inbound: bool,
    /// A client has at most one.
    pub(super) identities: Vec<Identity>,
    pub(super) trust: Trust,
    /// `dwFlags`
    pub(super) flags: u32,
    /// `dwSessionLifespan`
    pub(super) lifespan: u32,
    pub(super) protocols: Protocols,
    pub(super) allowed: AllowList,
    pub(super) parameters: Vec<Parameters>,
    pub(super) post_handshake: PostHandshake,
}

impl Request {
    /// A client's that passed no structure: the defaults.
    pub(super) fn of_nobody() -> Self {
        Self {
            inbound: false,
            identities: Vec::new(),
            // SAFETY: there is no store.
            trust: unsafe { certificates::trust(core::ptr::null_mut(), 0, false) }.unwrap_or_default(),
            flags: 0,
            lifespan: 0,
            protocols: Protocols::SUPPORTED,
            allowed: AllowList::default(),
            parameters: Vec::new(),
            post_handshake: PostHandshake::Quiet,
        }
    }

    /// [`None`]: no resumption.
    pub(super) fn session_lifespan(&self) -> Option<Lifespan> {
        match self.lifespan {
            _ if !flags::resumes(self.flags) => None,
            NO_RESUMPTION if !self.inbound => None,
            0 => Some(Lifespan::Default),
            milliseconds => Some(Lifespan::Of(Duration::from_millis(milliseconds.into()))),
        }
    }

    /// ptsExpiry.
    pub(super) fn expiry(&self) -> TimeStamp {
        let first = self.identities.iter().filter_map(Identity::expiry).min();
        first.map_or(time::NEVER, time::stamp)
    }
}

/// How long sessions may be resumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lifespan {
    /// Ten hours.
    Default,
    Of(Duration),
}

/// What the certificates of both structures have in common: paCred, hRootStore, dwFlags.
pub(super) struct Certificates {
    pub(super) count: u32,
    pub(super) creds: *const *const CERT_CONTEXT,
    pub(super) root_store: HCERTSTORE,
    pub(super) flags: u32,
}

impl Certificates {
    /// # Errors
    /// SEC_E_INVALID_PARAMETER: too many. SEC_E_UNKNOWN_CREDENTIALS: one is no certificate; with several, also one without a key.
    /// SEC_E_NO_CREDENTIALS: the only one has no private key. SEC_E_ALGORITHM_MISMATCH: the flags ask for what cannot be had.
    ///
    /// # Safety
    /// `creds` is null or points to `count` pointers, each null or to a certificate; `root_store` is null or a store.
    pub(super) unsafe fn read(&self, inbound: bool) -> Result<(Vec<Identity>, Trust), Error> {
        if self.count > MAX_CREDS {
            return Err(invalid());
        }
        let unknown = || Error::new(ErrorStatus::UnknownCredentials);
        // SAFETY: the caller's promise.
        let creds = unsafe { read_array(self.creds, self.count, 100) }.map_err(|_| unknown())?;
        let send_root = self.flags & cred_flags::SEND_ROOT_CERT != 0;
        let mut identities = Vec::with_capacity(creds.len());
        for cred in &creds {
            if cred.is_null() {
                return Err(unknown());
            }
            // SAFETY: the caller's promise.
            let identity = unsafe { certificates::identity(*cred, send_root) };
            identities.push(identity.map_err(|error| if creds.len() > 1 { unknown() } else { error })?);
        }
        if !inbound {
            // A client has one certificate to show.
            identities.truncate(1);
        }
        if flags::out_of_reach(self.flags) {
            return Err(protocols::mismatch("neither DTLS nor pre-shared keys are supported"));
        }
        // Who validates by hand needs nobody's roots; a server tells its clients their names all the same.
        let trust = if !inbound && self.flags & cred_flags::MANUAL_CRED_VALIDATION != 0 {
            Trust::System
        } else {
            // SAFETY: the caller's promise.
            unsafe { certificates::trust(self.root_store, self.flags, inbound) }?
        };
        Ok((identities, trust))
    }
}

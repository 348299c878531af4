//! Validating the peer's certificate: the trait, what it is asked and what it may answer.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use super::chain_memory::TrustDigest;
#[cfg(feature = "system-trust")]
use super::platform::SystemTrust;
use super::roots::TrustedRoots;
use crate::alert::{Alert, AlertDescription, LocalFailure};
use crate::status::{Error, ErrorStatus, Fault};

/// Decides whether a peer's certificate chain is good enough.
///
/// That the peer owns the certificate's private key is verified elsewhere, always, and not subject to this. Asked
/// before the own Finished message is sent, so that a refusal fails the handshake and not the connection after it
/// (section 6.2). Every call may come from any thread.
pub trait PeerVerifier: Send + Sync + fmt::Debug {
    /// Accepts the chain, or says why not.
    ///
    /// # Errors
    /// The refusal: the status the caller gets and the alert the peer gets.
    fn verify(&self, peer: &PeerChain<'_>) -> Result<(), Rejection>;

    /// The names of the certification authorities a server tells its clients to have certificates of, each a DER
    /// `Name`. None is "any".
    fn root_hints(&self) -> Vec<Vec<u8>> {
        Vec::new()
    }

    /// What the answers about peers of this role rest on besides the question, if the answer "valid" may be remembered for some
    /// minutes and given to other credentials whose verifier has the same digest. Default: [`None`], every chain is judged anew.
    ///
    /// Whoever gives one promises that [`verify`](Self::verify) is a function of the question and of what the digest was made of, and that
    /// a chain which is valid stays so as long as all certificates in the question are within their dates. Where revocation is
    /// checked ([`VerifyFlags::checks_revocation`]) nothing is remembered anyway.
    fn trust_digest(&self, role: PeerRole) -> Option<TrustDigest> {
        let _ = role;
        None
    }
}

/// Which end of the connection the peer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PeerRole {
    /// We are the client.
    Server,
    /// We are the server, and the client presented a certificate.
    Client,
}

/// What there is to judge a peer by.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct PeerChain<'a> {
    /// Which end it is; decides the usage a certificate must allow.
    pub role: PeerRole,
    /// The peer's own certificate, DER.
    pub end_entity: &'a [u8],
    /// What else it sent, DER, in the order of sending.
    pub intermediates: &'a [&'a [u8]],
    /// The name the caller connected to, a DNS name or IP address; `None` when the name is not to be checked.
    pub name: Option<&'a str>,
    /// A stapled OCSP response, DER; empty when there is none.
    pub ocsp: &'a [u8],
    /// The time to judge validity periods by.
    pub now: SystemTime,
    /// What the credential asks of revocation.
    pub flags: VerifyFlags,
}

impl<'a> PeerChain<'a> {
    /// A chain without name, OCSP response and flags.
    pub const fn new(
        role: PeerRole,
        end_entity: &'a [u8],
        intermediates: &'a [&'a [u8]],
        now: SystemTime,
    ) -> Self {
        Self { role, end_entity, intermediates, name: None, ocsp: &[], now, flags: VerifyFlags::empty() }
    }
}

bitflags::bitflags! {
    /// How revocation is to be checked: the `SCH_CRED_*` flags of section 6.2 that concern it, with their values.
    ///
    /// Of the first three the one with the highest coverage counts; the others do nothing without one of them.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct VerifyFlags: u32 {
        /// The peer's certificate only.
        const REVOCATION_CHECK_END_CERT = 0x100;
        /// The whole chain.
        const REVOCATION_CHECK_CHAIN = 0x200;
        /// The whole chain but its root.
        const REVOCATION_CHECK_CHAIN_EXCLUDE_ROOT = 0x400;
        /// A certificate whose revocation cannot be checked passes.
        const IGNORE_NO_REVOCATION_CHECK = 0x800;
        /// A revocation service that cannot be reached is no reason to refuse.
        const IGNORE_REVOCATION_OFFLINE = 0x1000;
        /// No network for revocation.
        const REVOCATION_CHECK_CACHE_ONLY = 0x4000;
        /// No network for missing intermediate certificates.
        const CACHE_ONLY_URL_RETRIEVAL = 0x8000;
    }
}

impl VerifyFlags {
    /// Whether revocation is to be checked at all.
    pub const fn checks_revocation(self) -> bool {
        self.intersects(
            Self::REVOCATION_CHECK_END_CERT
                .union(Self::REVOCATION_CHECK_CHAIN)
                .union(Self::REVOCATION_CHECK_CHAIN_EXCLUDE_ROOT),
        )
    }
}

/// Why a peer's certificate was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// What the caller is answered.
    pub status: ErrorStatus,
    /// What the peer is told, at fatal level.
    pub alert: AlertDescription,
    /// What was wrong, in words: lower case, no full stop.
    pub reason: Cow<'static, str>,
}

impl Rejection {
    /// A refusal with the alert that section 5.2 has for the status; `certificate_unknown` where it has none.
    pub fn new(status: ErrorStatus) -> Self {
        let certificate_failures = [
            LocalFailure::UntrustedRoot,
            LocalFailure::CertificateExpired,
            LocalFailure::CertificateRevoked,
            LocalFailure::RevocationUnknown,
            LocalFailure::RevocationOffline,
            LocalFailure::NameMismatch,
            LocalFailure::WrongUsage,
        ];
        let alert = certificate_failures
            .into_iter()
            .find(|failure| failure.status() == status)
            .and_then(LocalFailure::alert)
            .unwrap_or(AlertDescription::CERTIFICATE_UNKNOWN);
        Self { status, alert, reason: Cow::Borrowed("") }
    }

    /// Adds what was wrong, in words.
    #[must_use]
    pub fn because(mut self, reason: impl Into<Cow<'static, str>>) -> Self {
        self.reason = reason.into();
        self
    }

    /// Tells the peer something other than the status' usual alert.
    #[must_use]
    pub fn with_alert(mut self, alert: AlertDescription) -> Self {
        self.alert = alert;
        self
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.status.name())?;
        if !self.reason.is_empty() {
            write!(f, ": {}", self.reason)?;
        }
        Ok(())
    }
}

impl std::error::Error for Rejection {}

impl From<Rejection> for Error {
    fn from(rejection: Rejection) -> Self {
        Self::new(rejection.status)
            .because(rejection.reason)
            .by(Fault::Peer)
            .with_alert(Alert::fatal(rejection.alert))
    }
}

/// Whom to trust.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum Trust {
    /// The operating system's roots, through its own validation where it has one. Trusts nobody in a build without the
    /// feature `system-trust`.
    #[default]
    System,
    /// These root certificates (DER) and no others. A peer that presents one of them as its own certificate is
    /// trusted too: see [`TrustedRoots`].
    Roots(Vec<Vec<u8>>),
    /// Somebody else decides.
    Custom(Arc<dyn PeerVerifier>),
}

impl Trust {
    /// The CERTIFICATE sections of PEM data, and no others.
    ///
    /// # Errors
    /// `SEC_E_UNKNOWN_CREDENTIALS`: a section is damaged, or there is none.
    pub fn roots_from_pem(pem: &[u8]) -> Result<Self, Error> {
        let unusable = |reason: String| Error::new(ErrorStatus::UnknownCredentials).because(reason);
        let mut roots = Vec::new();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate =
                certificate.map_err(|error| unusable(format!("the PEM certificate is damaged: {error}")))?;
            roots.push(certificate.to_vec());
        }
        if roots.is_empty() {
            return Err(unusable("there is no CERTIFICATE section in the PEM data".to_owned()));
        }
        Ok(Self::Roots(roots))
    }

    /// # Errors
    /// `SEC_E_UNKNOWN_CREDENTIALS`: one of the roots is no certificate.
    pub(super) fn into_verifier(self) -> Result<Arc<dyn PeerVerifier>, Error> {
        Ok(match self {
            #[cfg(feature = "system-trust")]
            Self::System => Arc::new(SystemTrust::default()),
            #[cfg(not(feature = "system-trust"))]
            Self::System => Arc::new(TrustedRoots::new(Vec::new())?),
            Self::Roots(roots) => Arc::new(TrustedRoots::new(roots)?),
            Self::Custom(verifier) => verifier,
        })
    }
}

/// Who validates the peer, and what becomes of the outcome (section 6.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Validation {
    /// The handshake does, and fails when the peer is refused.
    #[default]
    Automatic,
    /// The caller does, after the handshake. Only the possession of the private key is verified.
    Manual,
    /// The handshake does and succeeds in any case; the outcome is read with `SECPKG_ATTR_CERT_CHECK_RESULT`.
    Deferred,
}

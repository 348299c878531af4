//! Validation against a given set of roots.

use std::fmt;
use std::time::UNIX_EPOCH;

use rustls::crypto::aws_lc_rs;
use rustls_pki_types::{CertificateDer, ServerName, SignatureVerificationAlgorithm, TrustAnchor, UnixTime};
use webpki::{
    CertRevocationList, EndEntityCert, ExpirationPolicy, KeyUsage, OwnedCertRevocationList,
    RevocationCheckDepth, RevocationOptions, RevocationOptionsBuilder, UnknownStatusPolicy,
};

use super::chain_memory::TrustDigest;
use super::x509::{self, Usage};
use super::{PeerChain, PeerRole, PeerVerifier, Rejection, VerifyFlags};
use crate::status::{Error, ErrorStatus};

/// Trusts what these roots have signed, and the roots themselves.
///
/// A peer that presents one of the roots, byte for byte, as its own certificate is trusted without a chain: dates,
/// usage and name are checked all the same. That is how self-signed certificates are used, and those that
/// `openssl req -x509` makes call themselves authorities, which path validation (RFC 5280) refuses in a server.
///
/// Revocation is checked against [`with_revocation_lists`](Self::with_revocation_lists), and nothing is fetched. When
/// [`VerifyFlags`] ask for a check that the lists do not answer, the status is `CRYPT_E_NO_REVOCATION_CHECK`, for
/// an outdated list `CRYPT_E_REVOCATION_OFFLINE`, each unless its `IGNORE_` flag is set.
pub struct TrustedRoots {
    roots: Vec<Vec<u8>>,
    anchors: Vec<TrustAnchor<'static>>,
    lists: Vec<CertRevocationList<'static>>,
    digest: TrustDigest,
    algorithms: &'static [&'static dyn SignatureVerificationAlgorithm],
}

impl TrustedRoots {
    /// Takes root certificates in DER. No roots at all is allowed, and trusts nobody.
    ///
    /// # Errors
    /// `SEC_E_UNKNOWN_CREDENTIALS`: one of them is no certificate that could be a root.
    pub fn new(roots: Vec<Vec<u8>>) -> Result<Self, Error> {
        let anchors = roots.iter().enumerate().map(|(index, root)| {
            webpki::anchor_from_trusted_cert(&CertificateDer::from(root.as_slice()))
                .map(|anchor| anchor.to_owned())
                .map_err(|error| unusable(format!("root certificate {} cannot be used: {error}", index + 1)))
        });
        let anchors = anchors.collect::<Result<_, _>>()?;
        let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms.all;
        let digest = TrustDigest::new("roots", roots.iter().map(Vec::as_slice));
        Ok(Self { roots, anchors, lists: Vec::new(), digest, algorithms })
    }

    /// Adds revocation lists in DER, each signed by the issuer it speaks for.
    ///
    /// # Errors
    /// `SEC_E_UNKNOWN_CREDENTIALS`: one of them is no revocation list, or of an unsupported kind.
    pub fn with_revocation_lists(mut self, lists: Vec<Vec<u8>>) -> Result<Self, Error> {
        for (index, list) in lists.iter().enumerate() {
            let list = OwnedCertRevocationList::from_der(list).map_err(|error| {
                unusable(format!("revocation list {} cannot be used: {error}", index + 1))
            })?;
            self.lists.push(list.into());
        }
        Ok(self)
    }

    /// The chain, its dates, its usage and its revocation; not the name.
    fn verify_chain(&self, peer: &PeerChain<'_>, certificate: &EndEntityCert<'_>) -> Result<(), Rejection> {
        let intermediates: Vec<_> = peer.intermediates.iter().map(|der| CertificateDer::from(*der)).collect();
        let usage = match peer.role {
            PeerRole::Server => KeyUsage::server_auth(),
            PeerRole::Client => KeyUsage::client_auth(),
        };
        let lists: Vec<&CertRevocationList<'_>> = self.lists.iter().collect();
        let now = UnixTime::since_unix_epoch(peer.now.duration_since(UNIX_EPOCH).unwrap_or_default());
        certificate
            .verify_for_usage(
                self.algorithms,
                &self.anchors,
                &intermediates,
                now,
                usage,
                revocation(&lists, peer.flags),
                None,
            )
            .map(|_| ())
            .map_err(|error| rejection(&error, peer.end_entity))
    }

    /// What remains to be checked of a certificate that is itself a root.
    fn verify_pinned(peer: &PeerChain<'_>) -> Result<(), Rejection> {
        let Some((not_before, not_after)) = x509::validity(peer.end_entity) else {
            return Err(Rejection::new(ErrorStatus::CertUnknown).because("the certificate cannot be parsed"));
        };
        if peer.now < not_before {
            return Err(Rejection::new(ErrorStatus::CertExpired).because("the certificate is not valid yet"));
        }
        if peer.now > not_after {
            return Err(Rejection::new(ErrorStatus::CertExpired).because("the certificate has expired"));
        }
        let usage = match peer.role {
            PeerRole::Server => Usage::Server,
            PeerRole::Client => Usage::Client,
        };
        if !x509::allows(peer.end_entity, usage) {
            return Err(wrong_usage());
        }
        Ok(())
    }
}

impl PeerVerifier for TrustedRoots {
    fn verify(&self, peer: &PeerChain<'_>) -> Result<(), Rejection> {
        let der = CertificateDer::from(peer.end_entity);
        let certificate =
            EndEntityCert::try_from(&der).map_err(|error| rejection(&error, peer.end_entity))?;
        if self.roots.iter().any(|root| root == peer.end_entity) {
            Self::verify_pinned(peer)?;
        } else {
            self.verify_chain(peer, &certificate)?;
            if self.lists.is_empty() {
                require_revocation_answer(peer.flags)?;
            }
        }
        match peer.name {
            Some(name) => verify_name(&certificate, name),
            None => Ok(()),
        }
    }

    fn root_hints(&self) -> Vec<Vec<u8>> {
        self.roots.iter().filter_map(|root| x509::raw_names(root).map(|(subject, _)| subject)).collect()
    }

    /// None where there are revocation lists: they have dates of their own.
    fn trust_digest(&self, _: PeerRole) -> Option<TrustDigest> {
        self.lists.is_empty().then_some(self.digest)
    }
}

impl fmt::Debug for TrustedRoots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrustedRoots")
            .field("roots", &self.roots.len())
            .field("revocation_lists", &self.lists.len())
            .finish()
    }
}

/// Nobody can answer: a check that was asked for fails, unless that is to be ignored.
pub(super) fn require_revocation_answer(flags: VerifyFlags) -> Result<(), Rejection> {
    let ignore = VerifyFlags::IGNORE_NO_REVOCATION_CHECK | VerifyFlags::IGNORE_REVOCATION_OFFLINE;
    if flags.checks_revocation() && !flags.intersects(ignore) {
        return Err(Rejection::new(ErrorStatus::CryptENoRevocationCheck)
            .because("there is nothing to check the certificate's revocation with"));
    }
    Ok(())
}

/// A trailing dot of the expected name does not count (section 6.4).
fn verify_name(certificate: &EndEntityCert<'_>, name: &str) -> Result<(), Rejection> {
    let wrong = |why: String| Rejection::new(ErrorStatus::WrongPrincipal).because(why);
    let expected = ServerName::try_from(name)
        .map_err(|_| wrong(format!("{name:?} is neither a DNS name nor an IP address")))?;
    certificate
        .verify_is_valid_for_subject_name(&expected)
        .map_err(|_| wrong(format!("the certificate is not valid for {name:?}")))
}

fn revocation<'a>(
    lists: &'a [&'a CertRevocationList<'a>],
    flags: VerifyFlags,
) -> Option<RevocationOptions<'a>> {
    let whole_chain = VerifyFlags::REVOCATION_CHECK_CHAIN | VerifyFlags::REVOCATION_CHECK_CHAIN_EXCLUDE_ROOT;
    let depth = match flags.checks_revocation() && !flags.intersects(whole_chain) {
        true => RevocationCheckDepth::EndEntity,
        false => RevocationCheckDepth::Chain,
    };
    let strict = |ignore| flags.checks_revocation() && !flags.contains(ignore);
    let unknown = match strict(VerifyFlags::IGNORE_NO_REVOCATION_CHECK) {
        true => UnknownStatusPolicy::Deny,
        false => UnknownStatusPolicy::Allow,
    };
    let outdated = match strict(VerifyFlags::IGNORE_REVOCATION_OFFLINE) {
        true => ExpirationPolicy::Enforce,
        false => ExpirationPolicy::Ignore,
    };
    // The builder refuses an empty set of lists, which is no check at all.
    let builder = RevocationOptionsBuilder::new(lists).ok()?;
    Some(builder.with_depth(depth).with_status_policy(unknown).with_expiration_policy(outdated).build())
}

/// The certificate rows of section 5.2.
fn rejection(error: &webpki::Error, end_entity: &[u8]) -> Rejection {
    use webpki::Error as E;
    let because = |status, reason: &'static str| Rejection::new(status).because(reason);
    match error {
        E::CertExpired { .. } | E::InvalidCertValidity => {
            because(ErrorStatus::CertExpired, "a certificate of the chain has expired")
        }
        E::CertNotValidYet { .. } => {
            because(ErrorStatus::CertExpired, "a certificate of the chain is not valid yet")
        }
        E::UnknownIssuer | E::CertDistrusted => {
            because(ErrorStatus::UntrustedRoot, "the chain leads to none of the trusted roots")
        }
        // Asked before its issuer is looked for; that nobody trusts it is the better answer.
        E::CaUsedAsEndEntity if x509::is_self_issued(end_entity) => because(
            ErrorStatus::UntrustedRoot,
            "the certificate is self-signed and not one of the trusted roots",
        ),
        E::CertRevoked => because(ErrorStatus::CryptERevoked, "a certificate of the chain has been revoked"),
        E::UnknownRevocationStatus => because(
            ErrorStatus::CryptENoRevocationCheck,
            "no revocation list covers a certificate of the chain",
        ),
        E::CrlExpired { .. } => {
            because(ErrorStatus::CryptERevocationOffline, "a revocation list is out of date")
        }
        E::RequiredEkuNotFoundContext(_) | E::EmptyEkuExtension => wrong_usage(),
        E::CertNotValidForName(_) => {
            because(ErrorStatus::WrongPrincipal, "the certificate is for other names")
        }
        other => Rejection::new(ErrorStatus::CertUnknown).because(format!("the chain is not valid: {other}")),
    }
}

fn wrong_usage() -> Rejection {
    Rejection::new(ErrorStatus::CertWrongUsage)
        .because("extended key usage does not allow the certificate in the peer's role")
}

fn unusable(reason: String) -> Error {
    Error::new(ErrorStatus::UnknownCredentials).because(reason)
}

//! Building a chain, and finding out what is wrong with it.

use std::sync::Arc;
use std::time::SystemTime;

use openschannel::credentials::{PathFailure, SignatureCheck, check_signature, verify_path};
use x509_parser::extensions::ParsedExtension;

use super::usage::{UsageMatch, usages};
use super::{Chain, Element, trust_error as error, trust_info as info};
use crate::wincrypt::certificate::{Certificate, Parsed, Properties};
use crate::wincrypt::last_error::code;
use crate::wincrypt::registry::{no_store, registry};
use crate::wincrypt::stores::system_roots;
use crate::wincrypt::types::{FileTime, TrustStatus};

/// Signatures a search may verify. Whoever makes certificates that lead in circles pays with a chain that is not found.
const MAX_SIGNATURES: usize = 256;

/// Certificates in a chain; one more is a partial chain.
const MAX_LENGTH: usize = 10;

/// How far revocation is to be checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::wincrypt) enum RevocationScope {
    Nothing,
    Leaf,
    Chain,
    ChainWithoutRoot,
}

/// What a chain is to be built from, and what is asked of it.
#[derive(Debug)]
pub(in crate::wincrypt) struct Request {
    pub(super) leaf: Arc<Certificate>,
    /// Where issuers are looked for.
    pub(super) candidates: Vec<Arc<Certificate>>,
    pub(super) roots: Vec<Arc<Parsed>>,
    /// Whether a root need not be self-signed.
    pub(super) any_root: bool,
    pub(super) now: FileTime,
    pub(super) usage: Option<UsageMatch>,
    pub(super) revocation: RevocationScope,
    pub(super) create_flags: u32,
}

impl Request {
    /// No conditions, the system's roots, and the store the leaf is in.
    pub(in crate::wincrypt) fn plain(leaf: &Arc<Certificate>, now: SystemTime) -> Self {
        let candidates = registry().members(leaf.store()).unwrap_or_default();
        Self {
            candidates,
            leaf: Arc::clone(leaf),
            roots: system_roots().to_vec(),
            any_root: false,
            now: file_time(now),
            usage: None,
            revocation: RevocationScope::Nothing,
            create_flags: 0,
        }
    }
}

pub(in crate::wincrypt) fn file_time(time: SystemTime) -> FileTime {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    FileTime::from_unix(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

/// The best chain there is. There always is one: the leaf alone is a partial chain.
pub(in crate::wincrypt) fn build(request: &Request) -> Arc<Chain> {
    let mut search = Search { request, signatures_left: MAX_SIGNATURES, best: None };
    search.extend(&mut vec![Step { certificate: Arc::clone(&request.leaf), signature: None }]);
    let path = search.best.map(|(_, path)| path).unwrap_or_default();
    judge(request, &path)
}

/// Whether the authority key identifier of one is the other's; without identifiers names have to do.
pub(in crate::wincrypt) fn key_ids_agree(certificate: &Parsed, issuer: &Parsed) -> bool {
    match (authority_key_id(certificate), subject_key_id(issuer)) {
        (Some(wanted), Some(found)) => wanted == found,
        _ => true,
    }
}

/// A certificate of a path; the signature that the one below it in the path has from it.
#[derive(Clone, Debug)]
struct Step {
    certificate: Arc<Certificate>,
    signature: Option<SignatureCheck>,
}

struct Search<'a> {
    request: &'a Request,
    signatures_left: usize,
    /// With what there is to be said for it: the more important first.
    best: Option<((u8, bool, usize), Vec<Step>)>,
}

impl Search<'_> {
    /// Tries everything above the last certificate of the path. True when the search is over.
    fn extend(&mut self, path: &mut Vec<Step>) -> bool {
        let Some(top) = path.last().map(|step| Arc::clone(&step.certificate)) else { return true };
        if self.is_root(&top) {
            return self.record(path, End::Root);
        }
        if is_self_signed(top.parsed()) {
            return self.record(path, End::SelfSigned);
        }
        if self.record(path, End::Partial) || path.len() >= MAX_LENGTH {
            return false;
        }
        for step in self.issuers(&top) {
            if path.iter().any(|used| used.certificate.der() == step.certificate.der()) {
                continue;
            }
            path.push(step);
            let done = self.extend(path);
            path.pop();
            if done {
                return true;
            }
        }
        false
    }

    /// Keeps the path if it is better than what there was. True when it cannot be better.
    fn record(&mut self, path: &[Step], end: End) -> bool {
        let is_signed = path.iter().all(|step| matches!(step.signature, None | Some(SignatureCheck::Valid)));
        let is_in_time = path.iter().all(|step| is_in_time(step.certificate.parsed(), self.request.now));
        // An issuer whose signature is wrong says more than none.
        let rank = match (end, is_signed) {
            (End::Root, true) => 5,
            (End::SelfSigned, true) => 4,
            (End::Root, false) => 3,
            (End::SelfSigned, false) => 2,
            (End::Partial, is_signed) => u8::from(is_signed),
        };
        let length = if end == End::Partial { path.len() } else { 0 };
        let quality = (rank, is_in_time, length);
        if self.best.as_ref().is_none_or(|(best, _)| quality > *best) {
            self.best = Some((quality, path.to_vec()));
        }
        end == End::Root && is_signed && is_in_time
    }

    /// Who may have signed it, by name; those who did first. Whose signature it is not counts only when there is nobody else.
    fn issuers(&mut self, of: &Certificate) -> Vec<Step> {
        let name = &of.parsed().names().issuer;
        let known = self.request.candidates.iter();
        let known = known.filter(|candidate| candidate.parsed().names().subject == *name).cloned();
        let roots = self.request.roots.iter().filter(|root| root.names().subject == *name);
        let roots = roots.map(|root| Certificate::new(Arc::clone(root), no_store(), Properties::default()));
        let mut found: Vec<Step> = Vec::new();
        for certificate in known.chain(roots) {
            if found.iter().any(|other| other.certificate.der() == certificate.der()) {
                continue;
            }
            let Some(left) = self.signatures_left.checked_sub(1) else { break };
            self.signatures_left = left;
            let signature = Some(check_signature(of.der(), certificate.der()));
            found.push(Step { certificate, signature });
        }
        if found.iter().any(|step| step.signature == Some(SignatureCheck::Valid)) {
            found.retain(|step| step.signature == Some(SignatureCheck::Valid));
        }
        found.sort_by_key(|step| {
            let parsed = step.certificate.parsed();
            let root = self.is_root(&step.certificate);
            (!key_ids_agree(of.parsed(), parsed), !is_in_time(parsed, self.request.now), !root)
        });
        found
    }

    fn is_root(&self, certificate: &Certificate) -> bool {
        is_root(self.request, certificate.parsed())
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Root,
    SelfSigned,
    Partial,
}

fn is_root(request: &Request, certificate: &Parsed) -> bool {
    (request.any_root || certificate.is_self_issued())
        && request.roots.iter().any(|root| root.der() == certificate.der())
}

/// Finds what is wrong, certificate by certificate.
fn judge(request: &Request, path: &[Step]) -> Arc<Chain> {
    let top = path.len().saturating_sub(1);
    let ends_in_root = path.last().is_some_and(|step| is_root(request, step.certificate.parsed()));
    let ends_self_signed = path.last().is_some_and(|step| is_self_signed(step.certificate.parsed()));
    let mut allowed: Option<Vec<String>> = None;
    let mut elements = Vec::with_capacity(path.len());
    // From the top, because usages are handed down.
    for (index, step) in path.iter().enumerate().rev() {
        let parsed = step.certificate.parsed();
        let issuer = path.get(index + 1);
        let mut trust = TrustStatus::default();
        if !is_in_time(parsed, request.now) {
            trust.error |= error::NOT_TIME_VALID;
        }
        match issuer {
            Some(issuer) => {
                if issuer.signature != Some(SignatureCheck::Valid) {
                    trust.error |= error::NOT_SIGNATURE_VALID;
                }
                trust.info |= info::PREFERRED_ISSUER | match_kind(parsed, issuer.certificate.parsed());
            }
            None if ends_self_signed || ends_in_root => {
                trust.info |= info::PREFERRED_ISSUER | info::NAME_MATCH_ISSUER | info::SELF_SIGNED;
                if !ends_in_root {
                    trust.error |= error::UNTRUSTED_ROOT;
                }
            }
            None => {}
        }
        if index > 0 && !(index == top && ends_in_root) && !may_certify(parsed, index - 1) {
            trust.error |= error::INVALID_BASIC_CONSTRAINTS;
        }
        allowed = intersect(allowed, usages(parsed));
        if request.usage.as_ref().is_some_and(|usage| !usage.is_met_by(allowed.as_deref())) {
            trust.error |= error::NOT_VALID_FOR_USAGE;
        }
        let revocation =
            is_to_be_checked(request.revocation, index, index == top && issuer.is_none() && ends_self_signed)
                .then(|| revocation(parsed));
        trust.error |= match revocation {
            Some(code::CRYPT_E_REVOCATION_OFFLINE) => {
                error::REVOCATION_STATUS_UNKNOWN | error::OFFLINE_REVOCATION
            }
            Some(_) => error::REVOCATION_STATUS_UNKNOWN,
            None => 0,
        };
        let certificate = Arc::clone(&step.certificate);
        elements.push(Element { certificate, trust, revocation, usages: allowed.clone() });
    }
    elements.reverse();
    if let Some(leaf) = elements.first_mut() {
        leaf.trust.error |= rules(path);
    }
    let whole = if ends_in_root || ends_self_signed { 0 } else { error::PARTIAL_CHAIN };
    Chain::new(elements, whole, request.create_flags)
}

/// What RFC 5280 asks of a path beside dates, signatures and authority: name constraints, critical extensions, lengths. The provider's
/// validation is asked about a moment when all certificates are valid, so that it does not stop at dates.
fn rules(path: &[Step]) -> u32 {
    let ders: Vec<&[u8]> = path.iter().map(|step| step.certificate.der()).collect();
    let times = || path.iter().map(|step| step.certificate.parsed().info());
    let from = times().map(|info| info.not_before.ticks()).max().unwrap_or(0);
    let until = times().map(|info| info.not_after.ticks()).min().unwrap_or(0);
    let outcome = match (system_time(from), from <= until && ders.len() > 1) {
        (Some(moment), true) => verify_path(&ders, moment),
        _ => Err(PathFailure::Authority),
    };
    match outcome {
        Ok(()) => 0,
        Err(PathFailure::Signature) => error::NOT_SIGNATURE_VALID,
        Err(PathFailure::BasicConstraints) => error::INVALID_BASIC_CONSTRAINTS,
        Err(PathFailure::NameConstraints) => error::NOT_PERMITTED_NAME_CONSTRAINT,
        Err(PathFailure::CriticalExtension) => error::NOT_SUPPORTED_CRITICAL_EXTENSION,
        // The provider does not validate authorities as end entities. What cannot be seen from here is not accepted.
        Err(PathFailure::Authority | PathFailure::Time) => unseen_rules(path),
        Err(_) => error::INVALID_EXTENSION,
    }
}

fn unseen_rules(path: &[Step]) -> u32 {
    let mut found = 0;
    for (index, step) in path.iter().enumerate() {
        let Some(certificate) = step.certificate.parsed().x509() else { continue };
        for extension in certificate.extensions() {
            match extension.parsed_extension() {
                ParsedExtension::NameConstraints(_) if index > 0 => {
                    found |= error::NOT_SUPPORTED_NAME_CONSTRAINT;
                }
                ParsedExtension::UnsupportedExtension { .. } if extension.critical => {
                    found |= error::NOT_SUPPORTED_CRITICAL_EXTENSION;
                }
                ParsedExtension::ParseError { .. } => found |= error::INVALID_EXTENSION,
                _ => {}
            }
        }
    }
    found
}

fn is_to_be_checked(scope: RevocationScope, index: usize, is_root: bool) -> bool {
    match scope {
        RevocationScope::Nothing => false,
        RevocationScope::Leaf => index == 0,
        RevocationScope::Chain => true,
        RevocationScope::ChainWithoutRoot => !is_root,
    }
}

/// Nothing is fetched: whoever could be asked is out of reach.
fn revocation(certificate: &Parsed) -> u32 {
    let can_be_asked = certificate.x509().is_some_and(|certificate| {
        certificate.extensions().iter().any(|extension| {
            matches!(
                extension.parsed_extension(),
                ParsedExtension::CRLDistributionPoints(_) | ParsedExtension::AuthorityInfoAccess(_)
            )
        })
    });
    if can_be_asked { code::CRYPT_E_REVOCATION_OFFLINE } else { code::CRYPT_E_NO_REVOCATION_CHECK }
}

/// Whether it may stand above `below` authorities and an end entity.
fn may_certify(certificate: &Parsed, below: usize) -> bool {
    let Some(certificate) = certificate.x509() else { return false };
    let is_authority = certificate.basic_constraints().is_ok_and(|extension| {
        extension.is_some_and(|extension| {
            let longest = extension.value.path_len_constraint;
            extension.value.ca
                && longest.is_none_or(|longest| usize::try_from(longest).is_ok_and(|l| below <= l))
        })
    });
    let may_sign = certificate
        .key_usage()
        .is_ok_and(|extension| extension.is_none_or(|extension| extension.value.key_cert_sign()));
    is_authority && may_sign
}

/// A root's own signature proves nothing; one that cannot be verified is taken for it.
pub(in crate::wincrypt) fn is_self_signed(certificate: &Parsed) -> bool {
    certificate.is_self_issued()
        && check_signature(certificate.der(), certificate.der()) != SignatureCheck::Invalid
}

fn is_in_time(certificate: &Parsed, now: FileTime) -> bool {
    let info = certificate.info();
    (info.not_before.ticks()..=info.not_after.ticks()).contains(&now.ticks())
}

fn match_kind(certificate: &Parsed, issuer: &Parsed) -> u32 {
    match authority_key_id(certificate).is_some() && subject_key_id(issuer).is_some() {
        true if key_ids_agree(certificate, issuer) => info::KEY_MATCH_ISSUER,
        _ => info::NAME_MATCH_ISSUER,
    }
}

fn intersect(above: Option<Vec<String>>, own: Option<Vec<String>>) -> Option<Vec<String>> {
    match (above, own) {
        (Some(above), Some(own)) => Some(own.into_iter().filter(|oid| above.contains(oid)).collect()),
        (above, own) => own.or(above),
    }
}

fn authority_key_id(certificate: &Parsed) -> Option<Vec<u8>> {
    certificate.x509()?.extensions().iter().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::AuthorityKeyIdentifier(id) => id.key_identifier.as_ref().map(|id| id.0.to_vec()),
        _ => None,
    })
}

pub(in crate::wincrypt) fn subject_key_id(certificate: &Parsed) -> Option<Vec<u8>> {
    certificate.x509()?.extensions().iter().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0.to_vec()),
        _ => None,
    })
}

fn system_time(ticks: u64) -> Option<SystemTime> {
    let since = ticks.checked_sub(crate::wincrypt::types::UNIX_EPOCH_TICKS)?;
    // A second's fraction would lie before the moment it was taken from.
    SystemTime::UNIX_EPOCH.checked_add(std::time::Duration::from_secs(since.div_ceil(10_000_000)))
}

//! The operating system's trust store.

#[cfg(unix)]
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::UNIX_EPOCH;

use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::aws_lc_rs;
use rustls::{CertificateError, Error as EngineError};
use rustls_native_certs::CertificateResult;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use rustls_platform_verifier::Verifier;

use super::chain_memory::TrustDigest;
use super::roots::{TrustedRoots, require_revocation_answer};
use super::{PeerChain, PeerRole, PeerVerifier, Rejection, x509};
use crate::status::ErrorStatus;

/// Servers are judged by the operating system (Windows, macOS, iOS, Android) or by its roots (elsewhere); clients by
/// its roots everywhere, because the systems' own validation knows server certificates only.
///
/// Loaded when the first peer is judged: a machine without roots can still acquire credentials, and a server
/// that asks for no certificates never reads them.
#[derive(Debug, Default)]
pub(super) struct SystemTrust {
    servers: OnceLock<Option<Verifier>>,
    clients: OnceLock<Option<TrustedRoots>>,
    /// No other has it.
    number: OnceLock<u64>,
}

static NEXT: AtomicU64 = AtomicU64::new(0);

impl PeerVerifier for SystemTrust {
    fn verify(&self, peer: &PeerChain<'_>) -> Result<(), Rejection> {
        match peer.role {
            PeerRole::Server => {
                let verifier = self.servers.get_or_init(|| {
                    Verifier::new(Arc::new(aws_lc_rs::default_provider()))
                        .inspect_err(|error| tracing::warn!(%error, "the system's roots could not be loaded"))
                        .ok()
                });
                verify_server(verifier.as_ref().ok_or_else(no_roots)?, peer)
            }
            PeerRole::Client => {
                let roots = self.clients.get_or_init(load_roots);
                roots.as_ref().ok_or_else(no_roots)?.verify(peer)
            }
        }
    }

    /// Roots that are read once do not change any more; the next credential reads them anew, and so has a digest of its own. None where
    /// the system decides: it may decide otherwise at any moment.
    fn trust_digest(&self, role: PeerRole) -> Option<TrustDigest> {
        if role == PeerRole::Server && IS_SYSTEMS_OWN {
            return None;
        }
        let number = *self.number.get_or_init(|| NEXT.fetch_add(1, Ordering::Relaxed));
        Some(TrustDigest::new("system", [&number.to_be_bytes()[..]]))
    }
}

fn verify_server(verifier: &Verifier, peer: &PeerChain<'_>) -> Result<(), Rejection> {
    // The interface has no way to leave out the name; one of the certificate's own always matches.
    let own_name = if peer.name.is_none() { x509::some_name(peer.end_entity) } else { None };
    let name = peer.name.or(own_name.as_deref()).unwrap_or(NAMELESS);
    let wrong_name = || {
        Rejection::new(ErrorStatus::WrongPrincipal)
            .because(format!("the certificate is not valid for {name:?}"))
    };
    let server_name =
        ServerName::try_from(name.strip_suffix('.').unwrap_or(name)).map_err(|_| wrong_name())?;
    let intermediates: Vec<_> = peer.intermediates.iter().map(|der| CertificateDer::from(*der)).collect();
    let now = UnixTime::since_unix_epoch(peer.now.duration_since(UNIX_EPOCH).unwrap_or_default());
    let end_entity = CertificateDer::from(peer.end_entity);
    let outcome = verifier.verify_server_cert(&end_entity, &intermediates, &server_name, peer.ocsp, now);
    match outcome {
        Ok(_) if IS_SYSTEMS_OWN => Ok(()),
        Ok(_) => require_revocation_answer(peer.flags),
        Err(EngineError::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        )) => Err(wrong_name()),
        Err(error) => Err(rejection(&error, peer.end_entity)),
    }
}

/// Matches no certificate (RFC 2606).
const NAMELESS: &str = "name.invalid";

/// Whether servers are judged by the system itself. Then the decision on revocation is its own too.
const IS_SYSTEMS_OWN: bool = cfg!(any(windows, target_vendor = "apple", target_os = "android"));

/// The certificate rows of section 5.2.
fn rejection(error: &EngineError, end_entity: &[u8]) -> Rejection {
    let EngineError::InvalidCertificate(cause) = error else {
        return Rejection::new(ErrorStatus::CertUnknown).because(error.to_string());
    };
    let status = match cause {
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => ErrorStatus::CertExpired,
        CertificateError::Revoked => ErrorStatus::CryptERevoked,
        CertificateError::UnknownIssuer => ErrorStatus::UntrustedRoot,
        CertificateError::UnknownRevocationStatus => ErrorStatus::CryptENoRevocationCheck,
        CertificateError::ExpiredRevocationList | CertificateError::ExpiredRevocationListContext { .. } => {
            ErrorStatus::CryptERevocationOffline
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            ErrorStatus::CertWrongUsage
        }
        // The verifier reports a wrong usage as an error of its own, without a name to know it by.
        CertificateError::Other(_) if !x509::allows(end_entity, x509::Usage::Server) => {
            ErrorStatus::CertWrongUsage
        }
        // A self-signed authority in the place of a server is refused as such before anybody looks for its issuer.
        CertificateError::Other(_) if x509::is_self_issued(end_entity) => {
            return Rejection::new(ErrorStatus::UntrustedRoot)
                .because("the certificate is self-signed and the system does not trust it");
        }
        _ => ErrorStatus::CertUnknown,
    };
    Rejection::new(status).because(cause.to_string())
}

/// The operating system's root certificates in DER, read anew by every call; none when there are none to be found. Outside of Windows
/// the environment variables `SSL_CERT_FILE` and `SSL_CERT_DIR` have a say.
pub fn system_roots() -> Vec<Vec<u8>> {
    usable(rustls_native_certs::load_native_certs())
}

/// As [`system_roots`], but only from the files and directories in which systems keep them: for programs that have more rights than
/// whoever runs them (set-user-ID and the like), and whose environment is that one's.
///
/// It fails closed: what a system keeps elsewhere is not found, and who goes by it is not trusted. On Apple's systems that is what was
/// added to the keychain. It is read by way of [`system_roots`] only, which asks the environment first, and a part of it belongs to
/// the user.
#[cfg(unix)]
pub fn system_roots_without_environment() -> Vec<Vec<u8>> {
    roots_in(BUNDLES.iter().map(Path::new), openssl_probe::candidate_cert_dirs())
}

/// Files that hold all roots of a system, which may have them nowhere else. Every path is one that only the system's administrator
/// writes to on that system: `/usr/local` is left out where package managers give it to a user.
#[cfg(unix)]
const BUNDLES: &[&str] = if cfg!(any(target_os = "freebsd", target_os = "dragonfly")) {
    &["/etc/ssl/cert.pem", "/usr/local/etc/ssl/cert.pem", "/usr/local/share/certs/ca-root-nss.crt"]
} else if cfg!(target_os = "netbsd") {
    &["/etc/openssl/certs/ca-certificates.crt", "/etc/ssl/cert.pem"]
} else if cfg!(any(target_os = "illumos", target_os = "solaris")) {
    &["/etc/ssl/cacert.pem", "/etc/certs/ca-certificates.crt", "/etc/ssl/certs/ca-certificates.crt"]
} else {
    &[
        // Debian, Gentoo, Arch
        "/etc/ssl/certs/ca-certificates.crt",
        // Fedora and RHEL; the second one before they had the first
        "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
        "/etc/pki/tls/certs/ca-bundle.crt",
        // openSUSE
        "/etc/ssl/ca-bundle.pem",
        // Alpine, OpenBSD, macOS
        "/etc/ssl/cert.pem",
    ]
};

#[cfg(unix)]
pub(super) fn roots_in<'a>(
    bundles: impl Iterator<Item = &'a Path>,
    directories: impl Iterator<Item = &'a Path>,
) -> Vec<Vec<u8>> {
    let mut found = CertificateResult::default();
    let bundles = bundles.filter(|bundle| bundle.exists()).map(|bundle| (Some(bundle), None));
    for (bundle, directory) in bundles.chain(directories.map(|directory| (None, Some(directory)))) {
        let mut more = rustls_native_certs::load_certs_from_paths(bundle, directory);
        found.certs.append(&mut more.certs);
        found.errors.append(&mut more.errors);
    }
    // Most systems have both, the one made of the other.
    found.certs.sort_unstable_by(|one, other| one.as_ref().cmp(other.as_ref()));
    found.certs.dedup();
    usable(found)
}

fn usable(found: CertificateResult) -> Vec<Vec<u8>> {
    for error in &found.errors {
        tracing::warn!(%error, "a part of the system's roots could not be loaded");
    }
    // System stores hold the occasional certificate that cannot be a root; it must not cost all others.
    let usable = found.certs.into_iter().map(|root| root.to_vec());
    usable.filter(|root| TrustedRoots::new(vec![root.clone()]).is_ok()).collect()
}

fn load_roots() -> Option<TrustedRoots> {
    let roots = system_roots();
    if roots.is_empty() { None } else { TrustedRoots::new(roots).ok() }
}

fn no_roots() -> Rejection {
    Rejection::new(ErrorStatus::UntrustedRoot).because("the system has no trusted roots")
}

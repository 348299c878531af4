//! [`PeerVerifier`]s as rustls wants them.
//!
//! What is decided here, and not by the verifier: whether it is asked at all, whether its answer counts, and that the
//! peer owns its key. What it said goes into the slot; rustls gets the error whose alert is the same, if it has one.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, OtherError, PeerMisbehaved, SignatureScheme,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::chain_memory::{ChainMemory, Verdict};
use super::slot::{self, ClientIdentity};
use super::{ClientAuth, PeerChain, PeerRole, PeerVerifier, Rejection, Validation, VerifyFlags};
use crate::alert::AlertDescription;
use crate::status::ErrorStatus;

/// How one credential validates its peers.
#[derive(Debug)]
pub(super) struct PeerPolicy {
    pub(super) verifier: Arc<dyn PeerVerifier>,
    pub(super) validation: Validation,
    pub(super) check_name: bool,
    pub(super) flags: VerifyFlags,
    pub(super) algorithms: WebPkiSupportedAlgorithms,
    pub(super) signatures: Option<Arc<[super::SignatureScheme]>>,
    /// [`None`]: every chain is verified anew.
    pub(super) memory: Option<Arc<ChainMemory>>,
}

impl PeerPolicy {
    /// Whether this context leaves validation to its caller. Manual wins over everything else (section 6.2).
    fn is_manual(&self) -> bool {
        self.validation == Validation::Manual || slot::current(|slot| slot.manual_validation).unwrap_or(false)
    }

    /// Whether the handshake goes on whatever the verifier says.
    fn is_deferred(&self) -> bool {
        self.validation == Validation::Deferred
            || slot::current(|slot| slot.deferred_validation).unwrap_or(false)
    }

    /// What the peer is told that it may sign with.
    fn schemes(&self) -> Vec<SignatureScheme> {
        let mut schemes = self.algorithms.supported_schemes();
        if let Some(allowed) = &self.signatures {
            schemes.retain(|scheme| allowed.contains(&super::SignatureScheme((*scheme).into())));
        }
        schemes
    }

    /// The engine takes any signature it can verify, told or not.
    fn refuse_others(&self, signed: &DigitallySignedStruct) -> Result<(), rustls::Error> {
        let scheme = super::SignatureScheme(signed.scheme.into());
        match &self.signatures {
            Some(allowed) if !allowed.contains(&scheme) => {
                Err(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme.into())
            }
            _ => Ok(()),
        }
    }

    /// Asks the verifier, keeps its answer, and says whether the handshake may go on.
    fn judge(&self, peer: &PeerChain<'_>) -> Result<(), rustls::Error> {
        let verdict = match &self.memory {
            Some(memory) if !self.is_deferred() => memory.verify(&*self.verifier, peer),
            _ => Verdict::anew(&*self.verifier, peer),
        };
        slot::current(|slot| slot.session.until = verdict.until);
        self.conclude(verdict.outcome)
    }

    /// Keeps the answer, and says whether the handshake may go on.
    fn conclude(&self, outcome: Result<(), Rejection>) -> Result<(), rustls::Error> {
        let refused = if self.is_deferred() { None } else { outcome.as_ref().err().cloned() };
        let answer = refused.as_ref().map_or(Ok(()), |rejection| Err(engine_error(rejection)));
        slot::current(|slot| {
            slot.validation = Some(outcome);
            slot.rejection = refused;
        });
        answer
    }
}

/// Verifies servers.
#[derive(Debug)]
pub(super) struct EngineServerVerifier(pub(super) PeerPolicy);

impl ServerCertVerifier for EngineServerVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let no_target = slot::current(|slot| {
            slot.peer_chain = owned_chain(end_entity, intermediates);
            // A full handshake: what an offered session would have handed down does not count.
            slot.session = slot::SessionState::default();
            slot.no_target
        })
        .unwrap_or(false);
        if self.0.is_manual() {
            return Ok(ServerCertVerified::assertion());
        }
        if self.0.check_name && no_target {
            return self.0.conclude(Err(nobody_named())).map(|()| ServerCertVerified::assertion());
        }
        let name = server_name.to_str();
        let others = borrowed(intermediates);
        let peer = PeerChain {
            name: self.0.check_name.then_some(&name),
            ocsp: ocsp_response,
            flags: self.0.flags,
            ..PeerChain::new(PeerRole::Server, end_entity, &others, system_time(now))
        };
        self.0.judge(&peer).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.refuse_others(dss)?;
        verify_tls12_signature(message, cert, dss, &self.0.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.refuse_others(dss)?;
        verify_tls13_signature(message, cert, dss, &self.0.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.schemes()
    }
}

/// Verifies clients, and decides whether they are asked.
#[derive(Debug)]
pub(super) struct EngineClientVerifier {
    pub(super) policy: PeerPolicy,
    pub(super) client_auth: ClientAuth,
    pub(super) hints: Vec<DistinguishedName>,
}

impl EngineClientVerifier {
    pub(super) fn new(policy: PeerPolicy, client_auth: ClientAuth) -> Self {
        let mut hints = policy.verifier.root_hints();
        if hints.iter().map(Vec::len).sum::<usize>() > MAX_HINT_BYTES {
            hints.clear();
        }
        Self { policy, client_auth, hints: hints.into_iter().map(DistinguishedName::from).collect() }
    }

    fn wanted(&self) -> ClientAuth {
        slot::current(|slot| slot.client_auth).flatten().unwrap_or(self.client_auth)
    }
}

/// A longer list is not sent at all, which means "any": it would fill most of a record in every handshake, and
/// the list's own field ends at 64 KiB.
const MAX_HINT_BYTES: usize = 12 * 1024;

impl ClientCertVerifier for EngineClientVerifier {
    /// rustls asks when the connection is made and again when a full handshake comes to its CertificateRequest.
    fn offer_client_auth(&self) -> bool {
        let asked = self.wanted() != ClientAuth::None;
        slot::current(|slot| {
            slot.session = slot::SessionState::default();
            slot.session.client = if asked { ClientIdentity::Withheld } else { ClientIdentity::NotAsked };
        });
        asked
    }

    fn client_auth_mandatory(&self) -> bool {
        self.wanted() == ClientAuth::Require
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.hints
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        slot::current(|slot| {
            slot.peer_chain = owned_chain(end_entity, intermediates);
            slot.session.client = ClientIdentity::Unchecked;
        });
        if self.policy.is_manual() {
            return Ok(ClientCertVerified::assertion());
        }
        let others = borrowed(intermediates);
        let peer = PeerChain {
            flags: self.policy.flags,
            ..PeerChain::new(PeerRole::Client, end_entity, &others, system_time(now))
        };
        self.policy.judge(&peer)?;
        slot::current(|slot| {
            if slot.validation == Some(Ok(())) {
                slot.session.client = ClientIdentity::Validated;
            }
        });
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.policy.refuse_others(dss)?;
        verify_tls12_signature(message, cert, dss, &self.policy.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.policy.refuse_others(dss)?;
        verify_tls13_signature(message, cert, dss, &self.policy.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.policy.schemes()
    }
}

/// The engine's error that makes it send the verifier's alert. Alerts that say nothing about certificates become
/// certificate_unknown, as the engine has no error for them.
fn engine_error(rejection: &Rejection) -> rustls::Error {
    rustls::Error::InvalidCertificate(match rejection.alert {
        AlertDescription::BAD_CERTIFICATE => CertificateError::NotValidForName,
        AlertDescription::UNSUPPORTED_CERTIFICATE => CertificateError::InvalidPurpose,
        AlertDescription::CERTIFICATE_REVOKED => CertificateError::Revoked,
        AlertDescription::CERTIFICATE_EXPIRED => CertificateError::Expired,
        AlertDescription::UNKNOWN_CA => CertificateError::UnknownIssuer,
        AlertDescription::ACCESS_DENIED => CertificateError::ApplicationVerificationFailure,
        AlertDescription::DECRYPT_ERROR => CertificateError::BadSignature,
        AlertDescription::BAD_CERTIFICATE_STATUS_RESPONSE => CertificateError::InvalidOcspResponse,
        _ => CertificateError::Other(OtherError(Arc::new(rejection.clone()))),
    })
}

/// A name was to be checked and the caller gave none: nobody was identified (RFC 9525 section 6.1).
fn nobody_named() -> Rejection {
    Rejection {
        status: ErrorStatus::WrongPrincipal,
        alert: AlertDescription::BAD_CERTIFICATE,
        reason: "there is no target name to check the certificate against".into(),
    }
}

fn owned_chain(end_entity: &CertificateDer<'_>, intermediates: &[CertificateDer<'_>]) -> Vec<Vec<u8>> {
    std::iter::once(end_entity).chain(intermediates).map(|certificate| certificate.to_vec()).collect()
}

fn borrowed<'a>(intermediates: &'a [CertificateDer<'_>]) -> Vec<&'a [u8]> {
    intermediates.iter().map(AsRef::as_ref).collect()
}

fn system_time(now: UnixTime) -> std::time::SystemTime {
    // Both ends of the conversion are this crate's clock; saturation would need a clock at the end of time.
    std::time::UNIX_EPOCH
        .checked_add(std::time::Duration::from_secs(now.as_secs()))
        .unwrap_or(std::time::UNIX_EPOCH)
}

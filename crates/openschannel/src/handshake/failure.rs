//! What the engine's errors mean in the contract's terms (section 5.2).

use rustls::{CertificateError, Error as Engine, PeerIncompatible, PeerMisbehaved};

use crate::alert::{Alert, AlertDescription, AlertVersion, LocalFailure, ReceivedAlert, received};
use crate::credentials::Rejection;
use crate::status::{Error, ErrorStatus, Fault};

/// A handshake that failed by what the peer sent. `alert` is what the engine tells the peer; `rejection` is why the
/// peer's certificate was refused, if it was.
pub(super) fn translate(error: &Engine, rejection: Option<&Rejection>, alert: Option<Alert>) -> Error {
    let translated = match (error, rejection) {
        (Engine::InvalidCertificate(_), Some(rejection)) => {
            Error::new(rejection.status).because(rejection.reason.clone()).by(Fault::Peer)
        }
        _ => without_rejection(error, alert),
    };
    match alert {
        Some(alert) => translated.with_alert(alert),
        None => translated,
    }
}

/// A handshake that could not even begin.
pub(super) fn local(error: Engine) -> Error {
    match error {
        Engine::General(reason) => {
            Error::new(ErrorStatus::AlgorithmMismatch).because(reason).by(Fault::Local)
        }
        other => Error::from(LocalFailure::Internal).because(other.to_string()),
    }
}

fn without_rejection(error: &Engine, alert: Option<Alert>) -> Error {
    let failure = match error {
        Engine::InappropriateMessage { .. } | Engine::InappropriateHandshakeMessage { .. } => {
            LocalFailure::UnexpectedMessage
        }
        Engine::InvalidMessage(_) => LocalFailure::DecodeError,
        Engine::PeerSentOversizedRecord => LocalFailure::RecordOverflow,
        Engine::NoApplicationProtocol => LocalFailure::NoApplicationProtocol,
        // The engine has one error for a wrong tag and a wrong Finished; its alert tells them apart.
        Engine::DecryptError if told(alert, AlertDescription::DECRYPT_ERROR) => LocalFailure::DecryptError,
        Engine::DecryptError => LocalFailure::BadRecordMac,
        Engine::InvalidCertificate(
            CertificateError::BadSignature
            | CertificateError::UnsupportedSignatureAlgorithmContext { .. }
            | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. },
        ) => LocalFailure::DecryptError,
        Engine::InvalidCertificate(_) => LocalFailure::BadCertificate,
        // The engine has an alert for clients without a certificate and none for servers (RFC 8446 section 4.4.2.4).
        Engine::NoCertificatesPresented if alert.is_none() => LocalFailure::DecodeError,
        Engine::NoCertificatesPresented => {
            return Error::new(ErrorStatus::LogonDenied)
                .because("a client certificate is required and the client sent none")
                .by(Fault::Peer);
        }
        Engine::PeerIncompatible(why) => incompatible(why),
        Engine::PeerMisbehaved(PeerMisbehaved::AttemptedDowngradeToTls12WhenTls13IsSupported) => {
            LocalFailure::DowngradeSentinel
        }
        Engine::PeerMisbehaved(PeerMisbehaved::IncorrectBinder) => LocalFailure::DecryptError,
        // The engine ends by these without an alert.
        Engine::PeerMisbehaved(
            PeerMisbehaved::IllegalMiddleboxChangeCipherSpec
            | PeerMisbehaved::MessageInterleavedWithHandshakeMessage,
        ) => LocalFailure::UnexpectedMessage,
        Engine::PeerMisbehaved(_) if told(alert, AlertDescription::MISSING_EXTENSION) => {
            LocalFailure::MissingExtension
        }
        Engine::PeerMisbehaved(_) if told(alert, AlertDescription::UNEXPECTED_MESSAGE) => {
            LocalFailure::UnexpectedMessage
        }
        Engine::PeerMisbehaved(_) => LocalFailure::IllegalParameter,
        // Alerts are answered before they reach the engine, but for those it finds where no key of ours opened the record.
        Engine::AlertReceived(description) => return alert_from_engine(u8::from(*description)),
        _ => LocalFailure::Internal,
    };
    Error::from(failure).because(error.to_string())
}

fn incompatible(why: &PeerIncompatible) -> LocalFailure {
    use PeerIncompatible as P;
    match why {
        P::ServerDoesNotSupportTls12Or13
        | P::ServerTlsVersionIsDisabledByOurConfig
        | P::SupportedVersionsExtensionRequired
        | P::Tls12NotOffered
        | P::Tls12NotOfferedOrEnabled => LocalFailure::NoSharedVersion,
        P::NoCertificateRequestSignatureSchemesInCommon
        | P::NoCipherSuitesInCommon
        | P::NoEcPointFormatsInCommon
        | P::NoKxGroupsInCommon
        | P::NoSignatureSchemesInCommon
        | P::UncompressedEcPointsRequired => LocalFailure::NoSharedAlgorithm,
        P::KeyShareExtensionRequired
        | P::NamedGroupsExtensionRequired
        | P::SignatureAlgorithmsExtensionRequired => LocalFailure::MissingExtension,
        _ => LocalFailure::IllegalParameter,
    }
}

fn told(alert: Option<Alert>, description: AlertDescription) -> bool {
    alert.is_some_and(|alert| alert.description == description)
}

fn alert_from_engine(description: u8) -> Error {
    let alert = Alert::fatal(AlertDescription(description));
    let status = match received(alert, AlertVersion::Unknown) {
        ReceivedAlert::Failed(status) => status,
        _ => ErrorStatus::IllegalMessage,
    };
    Error::new(status).with_received_alert(alert).by(Fault::Peer)
}

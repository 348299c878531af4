//! TLS alerts, and the tables between alerts and statuses: section 5 of the behaviour reference.
//!
//! [`received`] is section 5.1, what an alert of the peer's means here. [`LocalFailure`] is section 5.2, what a
//! failure found here is called and which alert tells the peer.

use std::fmt;

use crate::status::{Error, ErrorStatus, Fault};

/// An alert as it stands on the wire: two bytes (RFC 5246 section 7.2, RFC 8446 section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Alert {
    /// How grave the sender calls it; without meaning in TLS 1.3.
    pub level: AlertLevel,
    /// What happened.
    pub description: AlertDescription,
}

impl Alert {
    /// The orderly end of the sender's direction: warning, 0.
    pub const CLOSE_NOTIFY: Self = Self::warning(AlertDescription::CLOSE_NOTIFY);
    /// The polite refusal of a TLS 1.2 renegotiation: warning, 100. The connection lives on, so this is no
    /// [`LocalFailure`]; the caller is answered `SEC_I_NO_RENEGOTIATION`.
    pub const NO_RENEGOTIATION: Self = Self::warning(AlertDescription::NO_RENEGOTIATION);

    /// An alert that ends the connection.
    pub const fn fatal(description: AlertDescription) -> Self {
        Self { level: AlertLevel::FATAL, description }
    }

    /// An alert at warning level.
    pub const fn warning(description: AlertDescription) -> Self {
        Self { level: AlertLevel::WARNING, description }
    }

    /// Level, then description.
    pub const fn to_bytes(self) -> [u8; 2] {
        [self.level.0, self.description.0]
    }

    /// Reads exactly two bytes. `None` is a malformed alert: [`LocalFailure::DecodeError`], section 5.1.
    pub const fn parse(bytes: &[u8]) -> Option<Self> {
        match bytes {
            &[level, description] => {
                Some(Self { level: AlertLevel(level), description: AlertDescription(description) })
            }
            _ => None,
        }
    }

    /// Whether this ends the sender's direction in an orderly way. The level does not matter: some stacks have sent
    /// it as fatal, and an authenticated close is a close.
    pub const fn is_close_notify(self) -> bool {
        self.description.0 == AlertDescription::CLOSE_NOTIFY.0
    }
}

impl fmt::Display for Alert {
    /// `warning close_notify (0)`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.level, self.description)
    }
}

/// The first byte of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AlertLevel(pub u8);

impl AlertLevel {
    /// The connection may go on.
    pub const WARNING: Self = Self(1);
    /// The connection is over.
    pub const FATAL: Self = Self(2);

    /// `warning`, `fatal` or, for any other byte, `unknown`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::WARNING => "warning",
            Self::FATAL => "fatal",
            _ => "unknown",
        }
    }
}

impl fmt::Display for AlertLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The second byte of an alert: section 1.9, names as in the RFCs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AlertDescription(pub u8);

impl fmt::Display for AlertDescription {
    /// `close_notify (0)`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name(), self.0)
    }
}

/// Number, constant, RFC name and meaning of an alert stand together.
macro_rules! descriptions {
    ($($number:literal $constant:ident $name:literal $meaning:literal)+) => {
        impl AlertDescription {
            $(#[doc = concat!("`", $name, "` (", $number, "): ", $meaning, ".")] pub const $constant: Self = Self($number);)+

            /// Every description of section 1.9, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$constant,)+];

            /// The name in the RFCs; `unknown` for a number that section 1.9 does not have.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$constant => $name,)+
                    _ => "unknown",
                }
            }
        }
    };
}

descriptions! {
    0 CLOSE_NOTIFY "close_notify" "the sender will send nothing more"
    10 UNEXPECTED_MESSAGE "unexpected_message" "a message came that has no place in this state"
    20 BAD_RECORD_MAC "bad_record_mac" "a record failed its integrity check"
    21 DECRYPTION_FAILED "decryption_failed" "a record could not be decrypted; reserved since TLS 1.1"
    22 RECORD_OVERFLOW "record_overflow" "a record is longer than allowed"
    30 DECOMPRESSION_FAILURE "decompression_failure" "a record could not be decompressed; reserved in TLS 1.3"
    40 HANDSHAKE_FAILURE "handshake_failure" "no acceptable set of parameters was found"
    42 BAD_CERTIFICATE "bad_certificate" "a certificate is corrupt, or not for this name"
    43 UNSUPPORTED_CERTIFICATE "unsupported_certificate" "a certificate is of a kind that does not serve here"
    44 CERTIFICATE_REVOKED "certificate_revoked" "a certificate was revoked by its issuer"
    45 CERTIFICATE_EXPIRED "certificate_expired" "a certificate is outside its validity period"
    46 CERTIFICATE_UNKNOWN "certificate_unknown" "a certificate was refused for some other reason"
    47 ILLEGAL_PARAMETER "illegal_parameter" "a field of the handshake has a value it must not have"
    48 UNKNOWN_CA "unknown_ca" "the certificate chain leads to no trusted root"
    49 ACCESS_DENIED "access_denied" "the certificate is valid, and its owner may not enter"
    50 DECODE_ERROR "decode_error" "a message could not be parsed"
    51 DECRYPT_ERROR "decrypt_error" "a signature or a Finished message did not verify"
    60 EXPORT_RESTRICTION "export_restriction" "a negotiation broke the export rules of old; reserved"
    70 PROTOCOL_VERSION "protocol_version" "the protocol version is not supported"
    71 INSUFFICIENT_SECURITY "insufficient_security" "the server wants stronger parameters than it was offered"
    80 INTERNAL_ERROR "internal_error" "the sender failed by itself"
    86 INAPPROPRIATE_FALLBACK "inappropriate_fallback" "the client retries with a lower version than it can (RFC 7507)"
    90 USER_CANCELED "user_canceled" "the sender gives up for reasons outside the protocol"
    100 NO_RENEGOTIATION "no_renegotiation" "a new TLS 1.2 handshake is declined"
    109 MISSING_EXTENSION "missing_extension" "a mandatory extension is missing"
    110 UNSUPPORTED_EXTENSION "unsupported_extension" "an extension came that was not asked for"
    112 UNRECOGNIZED_NAME "unrecognized_name" "no server goes by the name in the server name extension (RFC 6066)"
    113 BAD_CERTIFICATE_STATUS_RESPONSE "bad_certificate_status_response" "a stapled OCSP response is bad (RFC 6066)"
    115 UNKNOWN_PSK_IDENTITY "unknown_psk_identity" "no pre-shared key goes by that identity"
    116 CERTIFICATE_REQUIRED "certificate_required" "the server wanted a client certificate and got none"
    120 NO_APPLICATION_PROTOCOL "no_application_protocol" "none of the offered ALPN protocols is known (RFC 7301)"
}

/// What was negotiated when an alert arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AlertVersion {
    /// Nothing yet; levels are read as in TLS 1.2.
    Unknown,
    /// TLS 1.2: warnings are warnings.
    Tls12,
    /// TLS 1.3: the level byte is ignored (RFC 8446 section 6).
    Tls13,
}

/// What an alert of the peer's does to the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReceivedAlert {
    /// The peer's direction ended in an orderly way: `SEC_I_CONTEXT_EXPIRED`.
    Closed,
    /// Nothing happened. Whoever reads records limits how many of these may come in a row.
    Ignored,
    /// The peer declines a new handshake: `SEC_I_NO_RENEGOTIATION` to a caller who had asked for one.
    NoRenegotiation,
    /// The connection is over.
    Failed(ErrorStatus),
}

/// Section 5.1, for the handshake and for data alike.
///
/// A level that is neither warning nor fatal is malformed where levels count, so it fails the connection whatever
/// the description says.
pub const fn received(alert: Alert, version: AlertVersion) -> ReceivedAlert {
    match (version, alert.level, alert.description) {
        (AlertVersion::Tls13, _, AlertDescription::CLOSE_NOTIFY) => ReceivedAlert::Closed,
        // A close_notify follows (RFC 8446 section 6.1).
        (AlertVersion::Tls13, _, AlertDescription::USER_CANCELED) => ReceivedAlert::Ignored,
        (AlertVersion::Tls13, _, description) => ReceivedAlert::Failed(failed_status(description)),
        (_, AlertLevel::WARNING | AlertLevel::FATAL, AlertDescription::CLOSE_NOTIFY) => ReceivedAlert::Closed,
        (_, AlertLevel::WARNING, AlertDescription::NO_RENEGOTIATION) => ReceivedAlert::NoRenegotiation,
        (_, AlertLevel::WARNING, _) => ReceivedAlert::Ignored,
        (_, AlertLevel::FATAL, description) => ReceivedAlert::Failed(failed_status(description)),
        _ => ReceivedAlert::Failed(ErrorStatus::IllegalMessage),
    }
}

/// The status column of section 5.1 for alerts that end the connection.
const fn failed_status(description: AlertDescription) -> ErrorStatus {
    match description {
        AlertDescription::BAD_RECORD_MAC | AlertDescription::DECOMPRESSION_FAILURE => {
            ErrorStatus::MessageAltered
        }
        AlertDescription::DECRYPTION_FAILED | AlertDescription::DECRYPT_ERROR => ErrorStatus::DecryptFailure,
        AlertDescription::BAD_CERTIFICATE
        | AlertDescription::UNSUPPORTED_CERTIFICATE
        | AlertDescription::CERTIFICATE_UNKNOWN => ErrorStatus::CertUnknown,
        AlertDescription::CERTIFICATE_REVOKED => ErrorStatus::CryptERevoked,
        AlertDescription::CERTIFICATE_EXPIRED => ErrorStatus::CertExpired,
        AlertDescription::UNKNOWN_CA => ErrorStatus::UntrustedRoot,
        AlertDescription::ACCESS_DENIED => ErrorStatus::LogonDenied,
        AlertDescription::PROTOCOL_VERSION => ErrorStatus::UnsupportedFunction,
        AlertDescription::INSUFFICIENT_SECURITY => ErrorStatus::AlgorithmMismatch,
        AlertDescription::INTERNAL_ERROR => ErrorStatus::InternalError,
        AlertDescription::USER_CANCELED => ErrorStatus::UnfinishedContextDeleted,
        // The documentation prints this status' value beside another one's name; the value is what programs see
        // (section 9 #10).
        AlertDescription::NO_APPLICATION_PROTOCOL => ErrorStatus::ApplicationProtocolMismatch,
        _ => ErrorStatus::IllegalMessage,
    }
}

/// Cause, status, alert and reason of a local failure stand together.
macro_rules! local_failures {
    ($($failure:ident, $status:ident, $alert:expr, $fault:ident, $reason:literal;)+) => {
        /// The rows of section 5.2: failures found on this side, each with its status and the alert it sends.
        ///
        /// Two rows are missing because they are no failures: an empty client certificate list succeeds (section 6.6),
        /// and a refused renegotiation leaves the connection alive ([`Alert::NO_RENEGOTIATION`]).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum LocalFailure {
            $(#[doc = concat!($reason, ".")] $failure,)+
        }

        impl LocalFailure {
            /// Every row, in the order of section 5.2.
            pub const ALL: &'static [Self] = &[$(Self::$failure,)+];

            /// What the caller is answered.
            pub const fn status(self) -> ErrorStatus {
                match self { $(Self::$failure => ErrorStatus::$status,)+ }
            }

            /// What the peer is told, at fatal level; `None` when there is nobody who would understand.
            pub const fn alert(self) -> Option<AlertDescription> {
                match self { $(Self::$failure => $alert,)+ }
            }

            const fn fault(self) -> Fault {
                match self { $(Self::$failure => Fault::$fault,)+ }
            }

            const fn reason(self) -> &'static str {
                match self { $(Self::$failure => $reason,)+ }
            }
        }
    };
}

local_failures! {
    NotTls, InvalidToken, None, Peer, "what arrived is not TLS";
    UnexpectedMessage, IllegalMessage, Some(AlertDescription::UNEXPECTED_MESSAGE), Peer,
        "a well-formed message came that has no place in this state";
    DecodeError, IllegalMessage, Some(AlertDescription::DECODE_ERROR), Peer, "a message could not be parsed";
    IllegalParameter, IllegalMessage, Some(AlertDescription::ILLEGAL_PARAMETER), Peer,
        "a handshake field has a value it must not have";
    BadRecordMac, MessageAltered, Some(AlertDescription::BAD_RECORD_MAC), Peer,
        "the record's authentication tag does not match";
    DecryptError, DecryptFailure, Some(AlertDescription::DECRYPT_ERROR), Peer,
        "the peer's signature or Finished message does not verify";
    RecordOverflow, IllegalMessage, Some(AlertDescription::RECORD_OVERFLOW), Peer,
        "a record is longer than the protocol allows";
    NoSharedVersion, UnsupportedFunction, Some(AlertDescription::PROTOCOL_VERSION), Peer,
        "the two sides share no protocol version";
    NoSharedAlgorithm, AlgorithmMismatch, Some(AlertDescription::HANDSHAKE_FAILURE), Peer,
        "the two sides share no cipher suite or group";
    DowngradeSentinel, DowngradeDetected, Some(AlertDescription::ILLEGAL_PARAMETER), Peer,
        "the server's random says that it could have negotiated a higher version";
    InappropriateFallback, DowngradeDetected, Some(AlertDescription::INAPPROPRIATE_FALLBACK), Peer,
        "the client marks this as a retry with a lower version than both sides support";
    MissingExtension, IllegalMessage, Some(AlertDescription::MISSING_EXTENSION), Peer,
        "an extension that TLS 1.3 demands is missing";
    NoApplicationProtocol, ApplicationProtocolMismatch, Some(AlertDescription::NO_APPLICATION_PROTOCOL), Peer,
        "the two sides share no application protocol";
    UntrustedRoot, UntrustedRoot, Some(AlertDescription::UNKNOWN_CA), Peer,
        "the peer's certificate chain leads to no trusted root";
    CertificateExpired, CertExpired, Some(AlertDescription::CERTIFICATE_EXPIRED), Peer,
        "the peer's certificate is outside its validity period";
    CertificateRevoked, CryptERevoked, Some(AlertDescription::CERTIFICATE_REVOKED), Peer,
        "the peer's certificate has been revoked";
    RevocationUnknown, CryptENoRevocationCheck, Some(AlertDescription::CERTIFICATE_UNKNOWN), Peer,
        "the revocation of the peer's certificate cannot be checked";
    RevocationOffline, CryptERevocationOffline, Some(AlertDescription::CERTIFICATE_UNKNOWN), Peer,
        "the revocation service of the peer's issuer cannot be reached";
    NameMismatch, WrongPrincipal, Some(AlertDescription::BAD_CERTIFICATE), Peer,
        "the peer's certificate is for other names";
    WrongUsage, CertWrongUsage, Some(AlertDescription::UNSUPPORTED_CERTIFICATE), Peer,
        "the peer's certificate may not be used in the peer's role";
    BadCertificate, CertUnknown, Some(AlertDescription::CERTIFICATE_UNKNOWN), Peer,
        "the peer's certificate chain is not valid";
    OutOfMemory, InsufficientMemory, Some(AlertDescription::INTERNAL_ERROR), Local, "memory ran out";
    Internal, InternalError, Some(AlertDescription::INTERNAL_ERROR), Local,
        "the handshake reached a state it cannot be in";
}

impl From<LocalFailure> for Error {
    fn from(failure: LocalFailure) -> Self {
        let error = Self::new(failure.status()).because(failure.reason()).by(failure.fault());
        match failure.alert() {
            Some(description) => error.with_alert(Alert::fatal(description)),
            None => error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::SecurityStatus;

    /// Section 1.9 with the status column of section 5.1, written down apart from the code above. The last number of
    /// each line stands for a fatal alert in TLS 1.2.
    const SECTION_5_1: &[(u8, &str, u32)] = &[
        (10, "unexpected_message", 0x8009_0326),
        (20, "bad_record_mac", 0x8009_030F),
        (21, "decryption_failed", 0x8009_0330),
        (22, "record_overflow", 0x8009_0326),
        (30, "decompression_failure", 0x8009_030F),
        (40, "handshake_failure", 0x8009_0326),
        (42, "bad_certificate", 0x8009_0327),
        (43, "unsupported_certificate", 0x8009_0327),
        (44, "certificate_revoked", 0x8009_2010),
        (45, "certificate_expired", 0x8009_0328),
        (46, "certificate_unknown", 0x8009_0327),
        (47, "illegal_parameter", 0x8009_0326),
        (48, "unknown_ca", 0x8009_0325),
        (49, "access_denied", 0x8009_030C),
        (50, "decode_error", 0x8009_0326),
        (51, "decrypt_error", 0x8009_0330),
        (60, "export_restriction", 0x8009_0326),
        (70, "protocol_version", 0x8009_0302),
        (71, "insufficient_security", 0x8009_0331),
        (80, "internal_error", 0x8009_0304),
        (86, "inappropriate_fallback", 0x8009_0326),
        (90, "user_canceled", 0x8009_0333),
        (100, "no_renegotiation", 0x8009_0326),
        (109, "missing_extension", 0x8009_0326),
        (110, "unsupported_extension", 0x8009_0326),
        (112, "unrecognized_name", 0x8009_0326),
        (113, "bad_certificate_status_response", 0x8009_0326),
        (115, "unknown_psk_identity", 0x8009_0326),
        (116, "certificate_required", 0x8009_0326),
        (120, "no_application_protocol", 0x8009_0367),
    ];

    #[test]
    fn every_number_at_every_level_in_every_version() {
        for number in 0..=255 {
            let failed = ReceivedAlert::Failed(status_in_table(number));
            let [tls12_warning, tls12_fatal, tls13] = match number {
                0 => [ReceivedAlert::Closed; 3],
                90 => [ReceivedAlert::Ignored, failed, ReceivedAlert::Ignored],
                100 => [ReceivedAlert::NoRenegotiation, failed, failed],
                _ => [ReceivedAlert::Ignored, failed, failed],
            };
            let description = AlertDescription(number);
            for version in [AlertVersion::Unknown, AlertVersion::Tls12] {
                assert_eq!(
                    received(Alert::warning(description), version),
                    tls12_warning,
                    "warning {description}"
                );
                assert_eq!(received(Alert::fatal(description), version), tls12_fatal, "fatal {description}");
                let illegal = ReceivedAlert::Failed(ErrorStatus::IllegalMessage);
                for level in [0, 3, 255].map(AlertLevel) {
                    assert_eq!(
                        received(Alert { level, description }, version),
                        illegal,
                        "{level:?} {description}"
                    );
                }
            }
            for level in [0, 1, 2, 3, 255].map(AlertLevel) {
                let alert = Alert { level, description };
                assert_eq!(received(alert, AlertVersion::Tls13), tls13, "TLS 1.3, {alert}");
            }
        }
    }

    fn status_in_table(number: u8) -> ErrorStatus {
        let code = SECTION_5_1.iter().find(|row| row.0 == number).map_or(0x8009_0326, |row| row.2);
        match SecurityStatus::from_code(code) {
            Some(SecurityStatus::Error(status)) => status,
            other => panic!("row {number}: {other:?} is no error"),
        }
    }

    #[test]
    fn every_description_of_section_1_9_has_its_name() {
        let names = |number: u8| AlertDescription(number).name();
        assert_eq!(names(0), "close_notify");
        for &(number, name, _) in SECTION_5_1 {
            assert_eq!(names(number), name);
        }
        assert_eq!(AlertDescription::ALL.len(), SECTION_5_1.len() + 1);
        assert_eq!(
            (0..=255).filter(|&number| names(number) != "unknown").count(),
            AlertDescription::ALL.len()
        );
    }

    #[test]
    fn every_row_of_section_5_2() {
        let rows: &[(LocalFailure, u32, Option<u8>)] = &[
            (LocalFailure::NotTls, 0x8009_0308, None),
            (LocalFailure::UnexpectedMessage, 0x8009_0326, Some(10)),
            (LocalFailure::DecodeError, 0x8009_0326, Some(50)),
            (LocalFailure::IllegalParameter, 0x8009_0326, Some(47)),
            (LocalFailure::BadRecordMac, 0x8009_030F, Some(20)),
            (LocalFailure::DecryptError, 0x8009_0330, Some(51)),
            (LocalFailure::RecordOverflow, 0x8009_0326, Some(22)),
            (LocalFailure::NoSharedVersion, 0x8009_0302, Some(70)),
            (LocalFailure::NoSharedAlgorithm, 0x8009_0331, Some(40)),
            (LocalFailure::DowngradeSentinel, 0x8009_0350, Some(47)),
            (LocalFailure::InappropriateFallback, 0x8009_0350, Some(86)),
            (LocalFailure::MissingExtension, 0x8009_0326, Some(109)),
            (LocalFailure::NoApplicationProtocol, 0x8009_0367, Some(120)),
            (LocalFailure::UntrustedRoot, 0x8009_0325, Some(48)),
            (LocalFailure::CertificateExpired, 0x8009_0328, Some(45)),
            (LocalFailure::CertificateRevoked, 0x8009_2010, Some(44)),
            (LocalFailure::RevocationUnknown, 0x8009_2012, Some(46)),
            (LocalFailure::RevocationOffline, 0x8009_2013, Some(46)),
            (LocalFailure::NameMismatch, 0x8009_0322, Some(42)),
            (LocalFailure::WrongUsage, 0x8009_0349, Some(43)),
            (LocalFailure::BadCertificate, 0x8009_0327, Some(46)),
            (LocalFailure::OutOfMemory, 0x8009_0300, Some(80)),
            (LocalFailure::Internal, 0x8009_0304, Some(80)),
        ];
        assert_eq!(rows.iter().map(|row| row.0).collect::<Vec<_>>(), LocalFailure::ALL);
        for &(failure, code, number) in rows {
            let error = Error::from(failure);
            assert_eq!(error.status().code(), code, "{failure:?}");
            assert_eq!(error.alert().map(Alert::to_bytes), number.map(|n| [2, n]), "{failure:?}");
            assert!(!error.reason().is_empty() && error.alert_record().is_empty(), "{failure:?}");
            let ours = matches!(failure, LocalFailure::OutOfMemory | LocalFailure::Internal);
            assert_eq!(error.fault(), if ours { Fault::Local } else { Fault::Peer }, "{failure:?}");
        }
    }

    #[test]
    fn an_alert_is_exactly_two_bytes() {
        let alert = Alert::fatal(AlertDescription::UNKNOWN_CA);
        assert_eq!(alert.to_bytes(), [2, 48]);
        assert_eq!(Alert::parse(&alert.to_bytes()), Some(alert));
        for malformed in [&[][..], &[1], &[1, 0, 0]] {
            assert_eq!(Alert::parse(malformed), None);
        }
        assert_eq!(Alert::parse(&[7, 200]).map(Alert::to_bytes), Some([7, 200]));
    }

    #[test]
    fn a_close_is_told_apart_and_shown() {
        assert!(Alert::CLOSE_NOTIFY.is_close_notify());
        assert!(Alert::fatal(AlertDescription::CLOSE_NOTIFY).is_close_notify());
        assert!(!Alert::warning(AlertDescription::USER_CANCELED).is_close_notify());
        assert_eq!(Alert::CLOSE_NOTIFY.to_string(), "warning close_notify (0)");
        assert_eq!(Alert::NO_RENEGOTIATION.to_string(), "warning no_renegotiation (100)");
        assert_eq!(
            Alert { level: AlertLevel(7), description: AlertDescription(200) }.to_string(),
            "unknown unknown (200)"
        );
    }
}

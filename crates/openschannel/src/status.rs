//! Every `SECURITY_STATUS` this provider answers with, and the error built on the negative ones.
//!
//! Values and names are those of section 1.10 of the behaviour reference (SDK header `winerror.h`). Four pairs share
//! their low 31 bits (`SEC_I_CONTEXT_EXPIRED` is `0x00090317`, `SEC_E_CONTEXT_EXPIRED` is `0x80090317`) and mean
//! unrelated things, so successes and errors are two types here: the peer's orderly close can never be
//! mistaken for a misuse of a closed context.

use std::borrow::Cow;
use std::fmt;

use crate::alert::Alert;

/// What a call answered: section 1.10, both halves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SecurityStatus {
    /// The call did what was asked, or says what to do next.
    Success(SuccessStatus),
    /// The call failed.
    Error(ErrorStatus),
}

impl SecurityStatus {
    /// The 32-bit value; negative as an `i32` for errors.
    pub const fn code(self) -> u32 {
        match self {
            Self::Success(status) => status.code(),
            Self::Error(status) => status.code(),
        }
    }

    /// The constant's name in the SDK headers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Success(status) => status.name(),
            Self::Error(status) => status.name(),
        }
    }

    /// One sentence for the programmer who got it.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Success(status) => status.meaning(),
            Self::Error(status) => status.meaning(),
        }
    }

    /// The status with this value; `None` for a value that is not in section 1.10.
    pub fn from_code(code: u32) -> Option<Self> {
        SuccessStatus::from_code(code)
            .map(Self::Success)
            .or_else(|| ErrorStatus::from_code(code).map(Self::Error))
    }
}

impl fmt::Display for SecurityStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl From<SuccessStatus> for SecurityStatus {
    fn from(status: SuccessStatus) -> Self {
        Self::Success(status)
    }
}

impl From<ErrorStatus> for SecurityStatus {
    fn from(status: ErrorStatus) -> Self {
        Self::Error(status)
    }
}

/// A failed call: the status, and what the caller needs besides it.
///
/// Shown as `SEC_E_MESSAGE_ALTERED (0x8009030F): meaning; reason`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    status: ErrorStatus,
    fault: Fault,
    missing: Option<usize>,
    alert: Option<Alert>,
    received_alert: Option<Alert>,
    // Empty vectors and borrowed reasons own no memory: `SEC_E_INCOMPLETE_MESSAGE` is part of every read loop
    // and must stay free of allocations.
    alert_record: Vec<u8>,
    reason: Cow<'static, str>,
}

/// Who has to change something before the call can succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The program that called: wrong state, wrong buffers, wrong parameters.
    Caller,
    /// The other end of the connection, or whoever sits on the wire.
    Peer,
    /// This machine or this library: memory, key material, the cryptographic library.
    Local,
}

impl Error {
    /// An error with nothing but its status; the fault is the one this status usually has.
    ///
    /// Public because implementations of this crate's traits (a private key that will not sign) answer with it.
    pub const fn new(status: ErrorStatus) -> Self {
        Self {
            status,
            fault: status.usual_fault(),
            missing: None,
            alert: None,
            received_alert: None,
            alert_record: Vec::new(),
            reason: Cow::Borrowed(""),
        }
    }

    /// Adds what was wrong this time, in words: lower case, no full stop.
    #[must_use]
    pub fn because(mut self, reason: impl Into<Cow<'static, str>>) -> Self {
        self.reason = reason.into();
        self
    }

    /// Says whose fault it is where that differs from the status' usual one.
    #[must_use]
    pub fn by(mut self, fault: Fault) -> Self {
        self.fault = fault;
        self
    }

    /// The status, section 1.10.
    pub const fn status(&self) -> ErrorStatus {
        self.status
    }

    /// How many more bytes are needed at least: `SECBUFFER_MISSING`, with `SEC_E_INCOMPLETE_MESSAGE`.
    pub const fn missing(&self) -> Option<usize> {
        self.missing
    }

    /// The alert that tells the peer, section 5.2; `None` when the peer is told nothing.
    pub const fn alert(&self) -> Option<Alert> {
        self.alert
    }

    /// The alert by which the peer ended the connection, section 5.1.
    pub const fn received_alert(&self) -> Option<Alert> {
        self.received_alert
    }

    /// [`alert`](Self::alert) as one complete record to send; empty when there is none.
    pub fn alert_record(&self) -> &[u8] {
        &self.alert_record
    }

    /// What was wrong this time; empty when the status says it all.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Who has to change something.
    pub const fn fault(&self) -> Fault {
        self.fault
    }

    pub(crate) fn with_missing(mut self, bytes: usize) -> Self {
        self.missing = Some(bytes);
        self
    }

    pub(crate) fn with_alert(mut self, alert: Alert) -> Self {
        self.alert = Some(alert);
        self
    }

    pub(crate) fn with_received_alert(mut self, alert: Alert) -> Self {
        self.received_alert = Some(alert);
        self
    }

    pub(crate) fn with_alert_record(mut self, record: Vec<u8>) -> Self {
        self.alert_record = record;
        self
    }
}

impl From<ErrorStatus> for Error {
    fn from(status: ErrorStatus) -> Self {
        Self::new(status)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = self.status;
        write!(f, "{} (0x{:08X}): {}", status.name(), status.code(), status.meaning())?;
        if !self.reason.is_empty() {
            write!(f, "; {}", self.reason)?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

/// Declares a status enum; value, variant, header name and meaning of a status stand together.
macro_rules! statuses {
    (
        $(#[$attribute:meta])*
        $enum:ident { $($code:literal $variant:ident $name:literal $meaning:literal)+ }
    ) => {
        $(#[$attribute])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        #[repr(u32)]
        pub enum $enum {
            $(#[doc = concat!("`", $name, "`: ", $meaning, ".")] $variant = $code,)+
        }

        impl $enum {
            /// All of them, in the order of their values.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The 32-bit value.
            pub const fn code(self) -> u32 {
                self as u32
            }

            /// The constant's name in the SDK headers.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// One sentence for the programmer who got it; lower case, no full stop.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)+ }
            }

            /// The status with this value.
            pub const fn from_code(code: u32) -> Option<Self> {
                match code {
                    $($code => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }

        impl fmt::Display for $enum {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.name())
            }
        }
    };
}

statuses! {
    /// The non-negative statuses of section 1.10: success, and what to do next.
    SuccessStatus {
        0x0000_0000 Ok "SEC_E_OK"
            "the call did what was asked"
        0x0009_0312 ContinueNeeded "SEC_I_CONTINUE_NEEDED"
            "send the output token if there is one, then call again with the peer's next token"
        0x0009_0313 CompleteNeeded "SEC_I_COMPLETE_NEEDED"
            "the token needs CompleteAuthToken before it is sent; a TLS provider never asks for that"
        0x0009_0314 CompleteAndContinue "SEC_I_COMPLETE_AND_CONTINUE"
            "call CompleteAuthToken, send the token and continue; a TLS provider never asks for that"
        0x0009_0316 GenericExtensionReceived "SEC_I_GENERIC_EXTENSION_RECEIVED"
            "the TLS extension that was subscribed to has arrived; read it, then call again"
        0x0009_0317 ContextExpired "SEC_I_CONTEXT_EXPIRED"
            "the peer closed its sending direction with close_notify: no more data will come, and none is missing"
        0x0009_0320 IncompleteCredentials "SEC_I_INCOMPLETE_CREDENTIALS"
            "the server asks for a client certificate; call again with credentials that hold one, or unchanged to go \
             on without"
        0x0009_0321 Renegotiate "SEC_I_RENEGOTIATE"
            "a handshake message arrived in place of data; pass it to the handshake call before moving more data"
        0x0009_0323 NoLsaContext "SEC_I_NO_LSA_CONTEXT"
            "the context has no counterpart in a security authority process; none is needed here"
        0x0009_0360 NoRenegotiation "SEC_I_NO_RENEGOTIATION"
            "the new handshake was declined; the connection goes on with the keys it has"
        0x0009_0364 MessageFragment "SEC_I_MESSAGE_FRAGMENT"
            "the output holds a part of a datagram flight; send it and call again for the next part"
        0x0009_0366 ContinueNeededMessageOk "SEC_I_CONTINUE_NEEDED_MESSAGE_OK"
            "the handshake is unfinished, but messages can be protected already"
        0x0009_0368 AsyncCallPending "SEC_I_ASYNC_CALL_PENDING"
            "the call runs on and reports its result later"
    }
}

statuses! {
    /// The negative statuses of section 1.10.
    ErrorStatus {
        0x8009_0300 InsufficientMemory "SEC_E_INSUFFICIENT_MEMORY"
            "there is no memory, or an output buffer of the handshake has none, for what has to be returned"
        0x8009_0301 InvalidHandle "SEC_E_INVALID_HANDLE"
            "the handle is not live, or its context has not reached the state this call needs"
        0x8009_0302 UnsupportedFunction "SEC_E_UNSUPPORTED_FUNCTION"
            "this provider does not do that, or the two sides have no protocol version in common"
        0x8009_0303 TargetUnknown "SEC_E_TARGET_UNKNOWN"
            "the target name cannot be used to find or to name a server"
        0x8009_0304 InternalError "SEC_E_INTERNAL_ERROR"
            "something that cannot happen did, here or at the peer that reported it"
        0x8009_0305 SecpkgNotFound "SEC_E_SECPKG_NOT_FOUND"
            "no security package has that name"
        0x8009_0306 NotOwner "SEC_E_NOT_OWNER"
            "the credentials belong to somebody else"
        0x8009_0308 InvalidToken "SEC_E_INVALID_TOKEN"
            "the token is no TLS, or the buffers are not the ones this call takes"
        0x8009_030A QopNotSupported "SEC_E_QOP_NOT_SUPPORTED"
            "this quality of protection is not available"
        0x8009_030B NoImpersonation "SEC_E_NO_IMPERSONATION"
            "the peer is not known as a user that could be impersonated"
        0x8009_030C LogonDenied "SEC_E_LOGON_DENIED"
            "access was denied to these credentials"
        0x8009_030D UnknownCredentials "SEC_E_UNKNOWN_CREDENTIALS"
            "the credentials cannot be read, or certificate and key do not belong together"
        0x8009_030E NoCredentials "SEC_E_NO_CREDENTIALS"
            "there is no certificate with a private key for the role asked for"
        0x8009_030F MessageAltered "SEC_E_MESSAGE_ALTERED"
            "a record failed its integrity check: it was changed on the way or protected with other keys"
        0x8009_0310 OutOfSequence "SEC_E_OUT_OF_SEQUENCE"
            "the message is not the next one in order"
        0x8009_0311 NoAuthenticatingAuthority "SEC_E_NO_AUTHENTICATING_AUTHORITY"
            "no authority could be reached to check the credentials"
        0x8009_0316 BadPkgid "SEC_E_BAD_PKGID"
            "the package identifier is not one of this provider's"
        0x8009_0317 ContextExpired "SEC_E_CONTEXT_EXPIRED"
            "this direction of the connection is closed, or a pending handshake message has to be processed first"
        0x8009_0318 IncompleteMessage "SEC_E_INCOMPLETE_MESSAGE"
            "the record is not complete yet; receive more bytes, append them and call again"
        0x8009_0320 IncompleteCredentials "SEC_E_INCOMPLETE_CREDENTIALS"
            "the server insists on a client certificate and the credentials hold none"
        0x8009_0321 BufferTooSmall "SEC_E_BUFFER_TOO_SMALL"
            "a buffer is too small for the result; nothing has changed, call again with a larger one"
        0x8009_0322 WrongPrincipal "SEC_E_WRONG_PRINCIPAL"
            "the certificate is not for the name that was asked for"
        0x8009_0324 TimeSkew "SEC_E_TIME_SKEW"
            "the clocks of the two sides are too far apart"
        0x8009_0325 UntrustedRoot "SEC_E_UNTRUSTED_ROOT"
            "the certificate chain does not lead to a root that the checking side trusts"
        0x8009_0326 IllegalMessage "SEC_E_ILLEGAL_MESSAGE"
            "the peer sent a message that breaks the protocol, or says that we did"
        0x8009_0327 CertUnknown "SEC_E_CERT_UNKNOWN"
            "the certificate was refused for a reason that has no status of its own"
        0x8009_0328 CertExpired "SEC_E_CERT_EXPIRED"
            "the certificate is outside its validity period"
        0x8009_0329 EncryptFailure "SEC_E_ENCRYPT_FAILURE"
            "the message cannot be encrypted: it is too long for one record, or the key has reached its limit"
        0x8009_0330 DecryptFailure "SEC_E_DECRYPT_FAILURE"
            "a signature, a Finished message or a key exchange did not verify"
        0x8009_0331 AlgorithmMismatch "SEC_E_ALGORITHM_MISMATCH"
            "the two sides have no cipher suite or group in common, or none was left by what was asked for"
        0x8009_0332 SecurityQosFailed "SEC_E_SECURITY_QOS_FAILED"
            "the security properties that were asked for could not be reached"
        0x8009_0333 UnfinishedContextDeleted "SEC_E_UNFINISHED_CONTEXT_DELETED"
            "the handshake was given up before it was finished"
        0x8009_0336 WrongCredentialHandle "SEC_E_WRONG_CREDENTIAL_HANDLE"
            "the credential handle is not the one this context was begun with"
        0x8009_0337 CryptoSystemInvalid "SEC_E_CRYPTO_SYSTEM_INVALID"
            "an algorithm that was asked for is not fit for this use"
        0x8009_0346 BadBindings "SEC_E_BAD_BINDINGS"
            "the channel bindings are not those of this connection"
        0x8009_0349 CertWrongUsage "SEC_E_CERT_WRONG_USAGE"
            "the certificate's extended key usage does not allow the role it was presented in"
        0x8009_0350 DowngradeDetected "SEC_E_DOWNGRADE_DETECTED"
            "somebody on the way tried to lower the protocol version"
        0x8009_035D InvalidParameter "SEC_E_INVALID_PARAMETER"
            "a parameter is outside what this call takes"
        0x8009_0363 MutualAuthFailed "SEC_E_MUTUAL_AUTH_FAILED"
            "the peer could not be authenticated, though the caller asked for it"
        0x8009_0367 ApplicationProtocolMismatch "SEC_E_APPLICATION_PROTOCOL_MISMATCH"
            "the two sides have no application protocol (ALPN) in common"
        0x8009_036A ExtBufferTooSmall "SEC_E_EXT_BUFFER_TOO_SMALL"
            "the buffer for a subscribed extension is too small; call again with a larger one"
        0x8009_036B InsufficientBuffers "SEC_E_INSUFFICIENT_BUFFERS"
            "there are fewer buffers than the result has parts"
        0x8009_2010 CryptERevoked "CRYPT_E_REVOKED"
            "the certificate has been revoked by its issuer"
        0x8009_2012 CryptENoRevocationCheck "CRYPT_E_NO_REVOCATION_CHECK"
            "the certificate names no way to check whether it has been revoked"
        0x8009_2013 CryptERevocationOffline "CRYPT_E_REVOCATION_OFFLINE"
            "the issuer's revocation service could not be reached"
        0x800B_0101 CertEExpired "CERT_E_EXPIRED"
            "a certificate of the chain is outside its validity period"
        0x800B_0109 CertEUntrustedRoot "CERT_E_UNTRUSTEDROOT"
            "the chain ends in a root that is not trusted"
        0x800B_010A CertEChaining "CERT_E_CHAINING"
            "no chain could be built from the certificate to a root"
        0x800B_010F CertECnNoMatch "CERT_E_CN_NO_MATCH"
            "the certificate's names do not include the one that was asked for"
        0x800B_0110 CertEWrongUsage "CERT_E_WRONG_USAGE"
            "a certificate of the chain may not be used for this purpose"
    }
}

impl ErrorStatus {
    const fn usual_fault(self) -> Fault {
        match self {
            Self::InsufficientMemory | Self::InternalError => Fault::Local,
            Self::LogonDenied
            | Self::MessageAltered
            | Self::OutOfSequence
            | Self::IncompleteMessage
            | Self::WrongPrincipal
            | Self::TimeSkew
            | Self::UntrustedRoot
            | Self::IllegalMessage
            | Self::CertUnknown
            | Self::CertExpired
            | Self::DecryptFailure
            | Self::UnfinishedContextDeleted
            | Self::CertWrongUsage
            | Self::DowngradeDetected
            | Self::MutualAuthFailed
            | Self::ApplicationProtocolMismatch
            | Self::CryptERevoked
            | Self::CryptENoRevocationCheck
            | Self::CryptERevocationOffline
            | Self::CertEExpired
            | Self::CertEUntrustedRoot
            | Self::CertEChaining
            | Self::CertECnNoMatch
            | Self::CertEWrongUsage => Fault::Peer,
            _ => Fault::Caller,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::AlertDescription;

    /// Section 1.10 row by row, written down apart from the tables above.
    const SECTION_1_10: &[(u32, &str)] = &[
        (0x00000000, "SEC_E_OK"),
        (0x80090300, "SEC_E_INSUFFICIENT_MEMORY"),
        (0x80090301, "SEC_E_INVALID_HANDLE"),
        (0x80090302, "SEC_E_UNSUPPORTED_FUNCTION"),
        (0x80090303, "SEC_E_TARGET_UNKNOWN"),
        (0x80090304, "SEC_E_INTERNAL_ERROR"),
        (0x80090305, "SEC_E_SECPKG_NOT_FOUND"),
        (0x80090306, "SEC_E_NOT_OWNER"),
        (0x80090308, "SEC_E_INVALID_TOKEN"),
        (0x8009030A, "SEC_E_QOP_NOT_SUPPORTED"),
        (0x8009030B, "SEC_E_NO_IMPERSONATION"),
        (0x8009030C, "SEC_E_LOGON_DENIED"),
        (0x8009030D, "SEC_E_UNKNOWN_CREDENTIALS"),
        (0x8009030E, "SEC_E_NO_CREDENTIALS"),
        (0x8009030F, "SEC_E_MESSAGE_ALTERED"),
        (0x80090310, "SEC_E_OUT_OF_SEQUENCE"),
        (0x80090311, "SEC_E_NO_AUTHENTICATING_AUTHORITY"),
        (0x00090312, "SEC_I_CONTINUE_NEEDED"),
        (0x00090313, "SEC_I_COMPLETE_NEEDED"),
        (0x00090314, "SEC_I_COMPLETE_AND_CONTINUE"),
        (0x00090316, "SEC_I_GENERIC_EXTENSION_RECEIVED"),
        (0x80090316, "SEC_E_BAD_PKGID"),
        (0x00090317, "SEC_I_CONTEXT_EXPIRED"),
        (0x80090317, "SEC_E_CONTEXT_EXPIRED"),
        (0x80090318, "SEC_E_INCOMPLETE_MESSAGE"),
        (0x00090320, "SEC_I_INCOMPLETE_CREDENTIALS"),
        (0x80090320, "SEC_E_INCOMPLETE_CREDENTIALS"),
        (0x80090321, "SEC_E_BUFFER_TOO_SMALL"),
        (0x00090321, "SEC_I_RENEGOTIATE"),
        (0x80090322, "SEC_E_WRONG_PRINCIPAL"),
        (0x00090323, "SEC_I_NO_LSA_CONTEXT"),
        (0x80090324, "SEC_E_TIME_SKEW"),
        (0x80090325, "SEC_E_UNTRUSTED_ROOT"),
        (0x80090326, "SEC_E_ILLEGAL_MESSAGE"),
        (0x80090327, "SEC_E_CERT_UNKNOWN"),
        (0x80090328, "SEC_E_CERT_EXPIRED"),
        (0x80090329, "SEC_E_ENCRYPT_FAILURE"),
        (0x80090330, "SEC_E_DECRYPT_FAILURE"),
        (0x80090331, "SEC_E_ALGORITHM_MISMATCH"),
        (0x80090332, "SEC_E_SECURITY_QOS_FAILED"),
        (0x80090333, "SEC_E_UNFINISHED_CONTEXT_DELETED"),
        (0x80090336, "SEC_E_WRONG_CREDENTIAL_HANDLE"),
        (0x80090337, "SEC_E_CRYPTO_SYSTEM_INVALID"),
        (0x80090346, "SEC_E_BAD_BINDINGS"),
        (0x80090349, "SEC_E_CERT_WRONG_USAGE"),
        (0x80090350, "SEC_E_DOWNGRADE_DETECTED"),
        (0x8009035D, "SEC_E_INVALID_PARAMETER"),
        (0x00090360, "SEC_I_NO_RENEGOTIATION"),
        (0x80090363, "SEC_E_MUTUAL_AUTH_FAILED"),
        (0x00090364, "SEC_I_MESSAGE_FRAGMENT"),
        (0x00090366, "SEC_I_CONTINUE_NEEDED_MESSAGE_OK"),
        (0x80090367, "SEC_E_APPLICATION_PROTOCOL_MISMATCH"),
        (0x00090368, "SEC_I_ASYNC_CALL_PENDING"),
        (0x8009036A, "SEC_E_EXT_BUFFER_TOO_SMALL"),
        (0x8009036B, "SEC_E_INSUFFICIENT_BUFFERS"),
        (0x80092010, "CRYPT_E_REVOKED"),
        (0x80092012, "CRYPT_E_NO_REVOCATION_CHECK"),
        (0x80092013, "CRYPT_E_REVOCATION_OFFLINE"),
        (0x800B0101, "CERT_E_EXPIRED"),
        (0x800B0109, "CERT_E_UNTRUSTEDROOT"),
        (0x800B010A, "CERT_E_CHAINING"),
        (0x800B010F, "CERT_E_CN_NO_MATCH"),
        (0x800B0110, "CERT_E_WRONG_USAGE"),
    ];

    #[test]
    fn every_status_of_section_1_10_and_no_other() {
        for &(code, name) in SECTION_1_10 {
            let status = SecurityStatus::from_code(code).unwrap_or_else(|| panic!("{name} has no entry"));
            assert_eq!((status.code(), status.name()), (code, name));
            assert_eq!(status.to_string(), name);
            assert_eq!(
                matches!(status, SecurityStatus::Error(_)),
                code >> 31 == 1,
                "{name} on the wrong side"
            );
        }
        // The same length and every row found: nothing is left over, and no value or name stands twice.
        assert_eq!(SuccessStatus::ALL.len() + ErrorStatus::ALL.len(), SECTION_1_10.len());
    }

    #[test]
    fn values_outside_the_table_have_no_status() {
        for code in [1, 0x0009_0300, 0x8009_0307, 0x8009_0312, 0x8000_0000, u32::MAX] {
            assert_eq!(SecurityStatus::from_code(code), None, "0x{code:08X}");
        }
    }

    #[test]
    fn meanings_are_sentences_of_their_own() {
        let successes = SuccessStatus::ALL.iter().map(|status| status.meaning());
        let mut meanings: Vec<_> = successes.chain(ErrorStatus::ALL.iter().map(|s| s.meaning())).collect();
        assert!(
            meanings.iter().all(|m| m.len() > 20 && !m.ends_with('.') && !m.contains("  ")),
            "{meanings:?}"
        );
        meanings.sort_unstable();
        meanings.dedup();
        assert_eq!(meanings.len(), SECTION_1_10.len());
    }

    #[test]
    fn an_error_is_shown_with_status_meaning_and_reason() {
        let bare = Error::new(ErrorStatus::IncompleteMessage);
        assert_eq!(
            bare.to_string(),
            "SEC_E_INCOMPLETE_MESSAGE (0x80090318): the record is not complete yet; receive more bytes, append them \
             and call again"
        );
        let explained = Error::new(ErrorStatus::CertExpired).because(format!("expired {} days ago", 3));
        assert_eq!(
            explained.to_string(),
            "SEC_E_CERT_EXPIRED (0x80090328): the certificate is outside its validity period; expired 3 days ago"
        );
    }

    #[test]
    fn builders_set_what_they_name_and_nothing_else() {
        let bare = Error::from(ErrorStatus::InvalidToken);
        assert_eq!(bare.status(), ErrorStatus::InvalidToken);
        assert_eq!((bare.missing(), bare.alert(), bare.received_alert()), (None, None, None));
        assert_eq!((bare.alert_record(), bare.reason(), bare.fault()), (&[][..], "", Fault::Caller));

        let sent = Alert::fatal(AlertDescription::BAD_RECORD_MAC);
        let received = Alert::fatal(AlertDescription::UNKNOWN_CA);
        let full = bare.because("garbage").by(Fault::Peer).with_missing(7).with_alert(sent);
        let full = full.with_received_alert(received).with_alert_record(vec![21, 3, 3, 0, 2, 2, 20]);
        assert_eq!(full.status(), ErrorStatus::InvalidToken);
        assert_eq!(
            (full.missing(), full.alert(), full.received_alert()),
            (Some(7), Some(sent), Some(received))
        );
        assert_eq!((full.reason(), full.fault()), ("garbage", Fault::Peer));
        assert_eq!(full.alert_record(), [21, 3, 3, 0, 2, 2, 20]);
    }

    #[test]
    fn an_error_without_a_record_owns_no_memory() {
        let error = Error::new(ErrorStatus::IncompleteMessage).because("a header").with_missing(3);
        assert_eq!(error.alert_record.capacity(), 0);
        assert!(matches!(error.reason, Cow::Borrowed(_)));
    }
}

//! Flags the provider has nothing for, and why. A test that needs one of the first table counts as unimplemented. None of them is about
//! closing, alerts, KeyUpdate, record limits or resumption as such; those that come near say so in their reason.

/// Why the provider cannot do what this flag asks for.
pub(crate) fn unimplemented(flag: &str) -> Option<&'static str> {
    UNIMPLEMENTED.iter().find(|(_, flags)| flags.contains(&flag)).map(|(reason, _)| *reason)
}

/// A flag without value that changes nothing here.
pub(crate) fn has_no_effect(flag: &str) -> bool {
    NO_EFFECT.iter().any(|(_, flags)| flags.contains(&flag))
}

/// A flag with a value that is not looked at.
pub(crate) fn is_not_checked(flag: &str) -> bool {
    NOT_CHECKED.iter().any(|(_, flags)| flags.contains(&flag))
}

type Reasons = &'static [(&'static str, &'static [&'static str])];

const UNIMPLEMENTED: Reasons = &[
    (
        "DTLS and QUIC are other packages on Windows",
        &[
            "-dtls",
            "-quic",
            "-mtu",
            "-initial-timeout-duration-ms",
            "-srtp-profiles",
            "-quic-transport-params",
            "-expect-quic-transport-params",
            "-quic-use-legacy-codepoint",
            "-quic-early-data-context",
        ],
    ),
    (
        "Schannel sends and takes no early data",
        &[
            "-enable-early-data",
            "-expect-ticket-supports-early-data",
            "-expect-accept-early-data",
            "-expect-reject-early-data",
            "-early-write-after-message",
        ],
    ),
    (
        "the peer may always leave out renegotiation_info; no call makes that an error",
        &["-no-legacy-server-connect"],
    ),
    (
        "suites without forward secrecy or with CBC do not exist here, so OpenSSL's lists cannot be asked for",
        &["-cipher", "-cbc-record-splitting"],
    ),
    (
        "the order of suites is the credential's, whatever the processor is good at",
        &["-expect-cipher-aes", "-expect-cipher-no-aes", "-tls13-ciphers-flags", "-curves-flags"],
    ),
    (
        "a client sends one key share, that of its first group; no call chooses others",
        &["-key-shares", "-no-key-shares", "-server-supported-groups-hint"],
    ),
    (
        "False Start: data goes behind the peer's Finished only",
        &["-false-start", "-allow-false-start-without-alpn"],
    ),
    (
        "NPN, Channel ID and ALPS never became standards",
        &[
            "-advertise-npn",
            "-advertise-empty-npn",
            "-expect-next-proto",
            "-expect-no-next-proto",
            "-select-next-proto",
            "-select-empty-next-proto",
            "-enable-channel-id",
            "-send-channel-id",
            "-expect-channel-id",
            "-application-settings",
            "-defer-alps",
            "-expect-peer-application-settings",
            "-alps-use-new-codepoint",
        ],
    ),
    (
        "an empty or foreign ALPN identifier cannot be asked for",
        &["-select-empty-alpn", "-allow-unknown-alpn-protos"],
    ),
    (
        "encrypted ClientHello is not there",
        &[
            "-enable-ech-grease",
            "-reject-unusable-ech-config",
            "-ech-server-config",
            "-ech-server-key",
            "-ech-is-retry-config",
            "-ech-config-list",
            "-expect-ech-accept",
            "-expect-ech-name-override",
            "-expect-no-ech-name-override",
            "-expect-ech-retry-configs",
            "-expect-no-ech-retry-configs",
            "-fail-early-callback-ech-rewind",
        ],
    ),
    (
        "external and password-derived keys are not there",
        &[
            "-psk",
            "-psk-identity",
            "-new-psk-credential",
            "-psk-importer-key",
            "-psk-importer-identity",
            "-psk-importer-context",
            "-psk-importer-sha256",
            "-psk-importer-sha384",
            "-new-spake2plusv1-credential",
        ],
    ),
    (
        "certificates are X.509; neither raw keys nor delegated credentials",
        &[
            "-new-rpk-credential",
            "-new-delegated-credential",
            "-delegated-credential",
            "-accepted-peer-cert-types",
            "-available-client-cert-types",
            "-expect-peer-certificate-type",
            "-expect-peer-rpk-sha256",
        ],
    ),
    (
        "trust anchor identifiers and issuer matching: a draft",
        &[
            "-must-match-issuer",
            "-cert-properties",
            "-requested-trust-anchors",
            "-available-trust-anchors",
            "-expect-peer-match-trust-anchor",
            "-expect-no-peer-match-trust-anchor",
            "-expect-peer-available-trust-anchors",
        ],
    ),
    (
        "a server staples nothing, and signed certificate timestamps are not asked for",
        &[
            "-ocsp-response",
            "-use-ocsp-callback",
            "-set-ocsp-in-callback",
            "-decline-ocsp-callback",
            "-fail-ocsp-callback",
            "-signed-cert-timestamps",
            "-expect-signed-cert-timestamps",
            "-enable-signed-cert-timestamps",
        ],
    ),
    (
        "certificate compression is not there",
        &["-install-cert-compression-algs", "-install-one-cert-compression-alg"],
    ),
    (
        "callbacks of BoringSSL that have no counterpart",
        &[
            "-fail-early-callback",
            "-install-ddos-callback",
            "-fail-ddos-callback",
            "-fail-cert-callback",
            "-fail-cert-callback-alert",
            "-expect-msg-callback",
            "-private-key-delay-ms",
            "-retain-only-sha256-client-cert",
            "-expect-sha256-client-cert",
        ],
    ),
    (
        "resumption: tickets have a form of their own, made and read without callbacks; the rest of resumption is tested",
        &[
            "-ticket-key",
            "-use-ticket-callback",
            "-use-ticket-aead-callback",
            "-renew-ticket",
            "-skip-ticket",
            "-expect-ticket-age-skew",
        ],
    ),
    (
        "resumption: a session belongs to the credential it was made with; contexts and names cannot be set on it",
        &[
            "-session-id-context",
            "-resumption-across-names-enabled",
            "-expect-resumable-across-names",
            "-expect-not-resumable-across-names",
        ],
    ),
    (
        "resumption: the outcome of validation is kept with the session and not asked for again",
        &["-reverify-on-resume"],
    ),
    ("the limits of handshake messages are constants", &["-max-cert-list"]),
    (
        "record limits: the largest record is that of the RFCs; callers that want smaller ones encrypt smaller pieces",
        &["-max-send-fragment"],
    ),
    (
        "no attribute tells this",
        &["-expect-certificate-types", "-expect-advertised-alpn", "-export-traffic-secrets"],
    ),
    (
        "GREASE is not sent, and extensions have an order of the engine's own",
        &["-enable-grease", "-permute-extensions"],
    ),
    ("this side never repeats a handshake with a lower version", &["-fallback-scsv"]),
    (
        "profiles of other authorities",
        &["-fips-202205", "-fips-202609", "-wpa-202304", "-cnsa-202407", "-cnsa1-202603", "-cnsa2-202603"],
    ),
    (
        "workarounds for one release of Java, and an extension that asks servers for padding",
        &[
            "-jdk11-workaround",
            "-request-server-padding",
            "-expect-server-sent-requested-padding",
            "-server-supports-padding",
            "-no-server-name-ack",
        ],
    ),
    ("handshakes stay in one process", &["-handshake-hints", "-handshaker-resume", "-allow-hint-mismatch"]),
    ("made for people at a terminal", &["-wait-for-debugger"]),
];

const NO_EFFECT: Reasons = &[
    (
        "resumption: a TLS 1.2 server gives an identifier beside its ticket too (RFC 5077 section 3.4 leaves that open)",
        &["-expect-no-session-id"],
    ),
    ("older versions do not exist here", &["-no-tls1", "-no-tls11"]),
    (
        "no attribute tells whether there was a HelloRetryRequest; the runner makes sure that there is, or not",
        &["-expect-hrr", "-expect-no-hrr"],
    ),
    (
        "another of BoringSSL's ways to configure the same",
        &["-use-old-client-cert-callback", "-use-early-callback", "-implicit-handshake"],
    ),
    (
        "renegotiation is declined, whatever is asked for",
        &["-renegotiate-ignore", "-renegotiate-once", "-renegotiate-freely", "-renegotiate-explicit"],
    ),
    (
        "always so",
        &[
            "-enable-ocsp-stapling",
            "-server-preference",
            "-partial-write",
            "-forbid-renegotiation-after-handshake",
            "-expect-no-offer-early-data",
        ],
    ),
];

const NOT_CHECKED: Reasons = &[
    (
        "as in BoringSSL's shim, whether the peer is trusted is decided by flag, not by its chain",
        &["-trust-cert"],
    ),
    (
        "no attribute tells it; the runner offers only this scheme where it matters",
        &["-expect-peer-signature-algorithm"],
    ),
    (
        "early data is neither sent nor taken, so there is no reason for its fate",
        &["-expect-early-data-reason"],
    ),
    ("there are no renegotiations to be counted", &["-expect-total-renegotiations"]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flag_stands_in_one_table_only() {
        let mut seen = std::collections::HashSet::new();
        for (reason, flags) in [UNIMPLEMENTED, NO_EFFECT, NOT_CHECKED].into_iter().flatten() {
            assert!(!reason.is_empty());
            for flag in *flags {
                assert!(flag.starts_with('-') && seen.insert(flag), "{flag}");
            }
        }
    }
}

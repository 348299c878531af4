//! What both kinds of credentials are asked for.

use std::sync::Arc;
use std::time::Duration;

use super::PostHandshake;
use super::chain_memory::ChainMemory;
use super::clock::{Clock, SystemClock};
use super::engine_verify::PeerPolicy;
use super::keylog::KeyLog;
use super::policy::{Policy, PolicyRequest};
use super::verify::{Trust, Validation, VerifyFlags};
use crate::status::{Error, ErrorStatus};

/// The default of `dwSessionLifespan`: 36,000,000 ms (section 6.1).
const DEFAULT_LIFESPAN: Duration = Duration::from_secs(10 * 60 * 60);

/// As many ALPN identifiers as Windows takes (section 1.2, caps).
const MAX_ALPN_IDS: usize = 16;

/// The length field of an ALPN identifier is one byte (RFC 7301 section 3.1).
const MAX_ALPN_ID_LEN: usize = 255;

/// Whether `list` can be sent: every identifier has 1 to 255 bytes, and there are not too many. Says what is wrong.
pub(crate) fn alpn_list(list: &[Vec<u8>]) -> Result<(), &'static str> {
    if list.len() > MAX_ALPN_IDS {
        return Err("there are more than 16 ALPN identifiers");
    }
    if list.iter().any(|id| id.is_empty() || id.len() > MAX_ALPN_ID_LEN) {
        return Err("an ALPN identifier is empty or longer than 255 bytes");
    }
    Ok(())
}

#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) policy: PolicyRequest,
    pub(super) trust: Trust,
    pub(super) validation: Validation,
    pub(super) flags: VerifyFlags,
    pub(super) alpn: Vec<Vec<u8>>,
    pub(super) resumption: bool,
    pub(super) lifespan: Duration,
    pub(super) key_log: Option<Arc<dyn KeyLog>>,
    pub(super) post_handshake: PostHandshake,
    pub(super) rekey_after: Option<u64>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) chain_memory: Option<Arc<ChainMemory>>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            policy: PolicyRequest::default(),
            trust: Trust::default(),
            validation: Validation::default(),
            flags: VerifyFlags::empty(),
            alpn: Vec::new(),
            resumption: true,
            lifespan: DEFAULT_LIFESPAN,
            key_log: None,
            post_handshake: PostHandshake::default(),
            rekey_after: None,
            clock: Arc::new(SystemClock),
            chain_memory: Some(ChainMemory::of_the_process()),
        }
    }
}

impl Settings {
    /// Refuses what cannot be meant.
    pub(super) fn check(&self) -> Result<(), Error> {
        let invalid = |reason: &'static str| Err(Error::new(ErrorStatus::InvalidParameter).because(reason));
        alpn_list(&self.alpn).or_else(invalid)?;
        if self.rekey_after == Some(0) {
            return invalid("keys cannot be renewed after zero records");
        }
        Ok(())
    }

    pub(super) fn peer_policy(&self, policy: &Policy, check_name: bool) -> Result<PeerPolicy, Error> {
        Ok(PeerPolicy {
            verifier: self.trust.clone().into_verifier()?,
            validation: self.validation,
            check_name,
            flags: self.flags,
            signatures: policy.signatures.clone(),
            algorithms: policy.provider.signature_verification_algorithms,
            memory: self.chain_memory.clone(),
        })
    }
}

/// The builder methods that outbound and inbound credentials share.
macro_rules! common_settings {
    ($builder:ident) => {
        impl $builder {
            /// Protocol versions to allow; an empty set stands for the default, TLS 1.2 and TLS 1.3.
            ///
            /// Versions out of the engine's reach are ignored beside ones within it. Alone they are refused at
            /// [`acquire`](Self::acquire), and so is a mixture of TLS and DTLS.
            #[must_use]
            pub fn protocols(mut self, protocols: Protocols) -> Self {
                self.settings.policy.protocols = protocols;
                self
            }

            /// Cipher suites to allow, the preferred one first. Default: all of [`CipherSuite::ALL`].
            #[must_use]
            pub fn cipher_suites(self, suites: &[CipherSuite]) -> Self {
                self.cipher_suite_ids(suites.iter().map(|suite| suite.id()))
            }

            /// Cipher suites to allow, by IANA number. Unknown ones are ignored beside known ones.
            #[must_use]
            pub fn cipher_suite_ids(mut self, ids: impl IntoIterator<Item = u16>) -> Self {
                self.settings.policy.cipher_suites = Some(ids.into_iter().collect());
                self
            }

            /// Key exchange groups to allow, the preferred one first. Default: [`NamedGroup::DEFAULT`].
            #[must_use]
            pub fn groups(self, groups: &[NamedGroup]) -> Self {
                self.group_ids(groups.iter().map(|group| group.id()))
            }

            /// Key exchange groups to allow, by IANA number. Unknown ones are ignored beside known ones.
            #[must_use]
            pub fn group_ids(mut self, ids: impl IntoIterator<Item = u16>) -> Self {
                self.settings.policy.groups = Some(ids.into_iter().collect());
                self
            }

            /// Signature schemes to allow: what the peer may sign the handshake with, and what the own keys sign with. The peer is told
            /// them for its certificates too, and is not held to it there: what its authorities sign with is for [`Trust`] to judge.
            /// Unknown ones are ignored beside known ones. Default: all the engine can do.
            #[must_use]
            pub fn signature_schemes(mut self, schemes: &[SignatureScheme]) -> Self {
                self.settings.policy.signatures = Some(schemes.to_vec());
                self
            }

            /// Whom to trust. Default: [`Trust::System`].
            #[must_use]
            pub fn trust(mut self, trust: Trust) -> Self {
                self.settings.trust = trust;
                self
            }

            /// Who validates the peer's certificate. Default: [`Validation::Automatic`].
            #[must_use]
            pub fn validation(mut self, validation: Validation) -> Self {
                self.settings.validation = validation;
                self
            }

            /// What validation has to do about revocation. Default: nothing.
            #[must_use]
            pub fn verify_flags(mut self, flags: VerifyFlags) -> Self {
                self.settings.flags = flags;
                self
            }

            /// Whether a chain that was found valid within the last ten minutes is taken for valid without building it again and checking
            /// its signatures. Default: yes.
            ///
            /// It has to be the very same question: the same certificates byte for byte, name, trust, role and flags. Every date is
            /// looked at each time, and that the peer owns its key is verified each time. Only where validation is automatic, and where
            /// revocation is not checked; with [`Trust::Roots`], with the system's roots where they are files, and with a verifier that has a
            /// [`trust_digest`](super::PeerVerifier::trust_digest).
            #[must_use]
            pub fn remember_chains(mut self, remember: bool) -> Self {
                self.settings.chain_memory = remember.then(super::chain_memory::ChainMemory::of_the_process);
                self
            }

            /// A memory of the test's own.
            #[cfg(test)]
            pub(super) fn chain_memory(mut self, memory: &Arc<super::chain_memory::ChainMemory>) -> Self {
                self.settings.chain_memory = Some(Arc::clone(memory));
                self
            }

            /// ALPN identifiers (RFC 7301), the preferred one first; a context may bring its own. Default: none.
            #[must_use]
            pub fn alpn(mut self, protocols: Vec<Vec<u8>>) -> Self {
                self.settings.alpn = protocols;
                self
            }

            /// Whether sessions are resumed (section 6.3). Default: yes.
            #[must_use]
            pub fn resumption(mut self, resumption: bool) -> Self {
                self.settings.resumption = resumption;
                self
            }

            /// How long after the peers authenticated each other a session may be resumed: `dwSessionLifespan`. Default:
            /// ten hours. A chain of resumptions does not last longer either.
            #[must_use]
            pub fn session_lifespan(mut self, lifespan: Duration) -> Self {
                self.settings.lifespan = lifespan;
                self
            }

            /// Where the secrets of every connection go, for debugging. Default: nowhere.
            #[must_use]
            pub fn key_log(mut self, log: Arc<dyn KeyLog>) -> Self {
                self.settings.key_log = Some(log);
                self
            }

            /// How TLS 1.3 messages after the handshake meet the caller. Default: [`PostHandshake::Quiet`].
            #[must_use]
            pub fn post_handshake(mut self, mode: PostHandshake) -> Self {
                self.settings.post_handshake = mode;
                self
            }

            /// Renews TLS 1.3 sending keys after so many records, where the suite's own limit (RFC 8446 section 5.5)
            /// does not come first. Default: that limit.
            #[must_use]
            pub fn rekey_after(mut self, records: u64) -> Self {
                self.settings.rekey_after = Some(records);
                self
            }

            /// The time for validity periods and sessions. Default: [`SystemClock`](super::SystemClock).
            #[must_use]
            pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
                self.settings.clock = clock;
                self
            }
        }
    };
}

pub(super) use common_settings;

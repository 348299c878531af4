//! Chains that were found valid a short while ago. Building a chain and checking its signatures is the most expensive part of a client's
//! full handshake, and a program that connects to the same few peers asks the same question over and over.
//!
//! ```text
//!                 PeerChain + TrustDigest
//!   handshake ----------------------------> Question: SHA-256 over all that decides, dates apart
//!                                               |
//!            found, and now within its dates    |    not found, or too old, or from the future
//!           +-----------------------------------+---------------------------------+
//!           v                                                                     v
//!         valid                                                PeerVerifier::verify, without a lock
//!                                                                                 | valid: remembered
//!                                                                                 v
//!                                                                             its answer
//! ```
//!
//! # Why this is safe
//!
//! *An answer is given again only to the same question.* The key is a SHA-256 over the verifier's [`TrustDigest`] (its roots), which end
//! the peer is, the verification flags, the name in the form that the check compares (lower case, without a dot at its end) or that there
//! is none to check, the stapled OCSP response, and every certificate in the order of sending. Every part has its length in front, so no
//! two questions are one string of bytes. Whoever wants another answer's place has to find a collision of SHA-256.
//!
//! *Only time is left, and it is looked at every time.* A verifier that has a digest promises that its answers rest on the question alone,
//! and on time only by the dates of the certificates in it. An answer is used from the second it was found until the first of these
//! certificates ends, those that the path did without included, and at most for [`LIFE`]. A clock that says a time before the
//! verification, or before one of the certificates begins, gets no answer.
//!
//! *Only "valid" is remembered.* A peer that is refused is judged anew each time, so nobody is shut out by what was, and what is
//! remembered cannot be planted by anybody whose chain does not verify.
//!
//! *Whatever can change without a trace in the question is left out:* everything where revocation has a say (flags that ask for it, roots
//! with revocation lists), verification by the operating system itself (Windows, Apple, Android), whose store and policies may change at
//! any moment, and verifiers of the program's own that do not say what they rest on. Where the system's roots are read from files, a
//! credential reads them once and keeps them; what it remembers is for itself alone, and gone with it. Changed roots of a program
//! are another digest.
//!
//! *Manual decisions stay out of it.* Manual and deferred validation neither ask nor fill the memory: what a caller makes of a peer that was
//! refused never becomes an answer for another connection.
//!
//! *The peer is still asked for its key.* The signature over the handshake (CertificateVerify, ServerKeyExchange) is checked in every
//! full handshake with the key of the certificate at hand. Having been there before helps nobody who has only the certificate.
//!
//! What it does tell: a peer that measures how long its certificate takes may learn that the process has accepted the same chain within
//! [`LIFE`], with the same trust and name. Credentials share the memory, so this crosses them. Whoever minds switches it off.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use aws_lc_rs::digest::{self, SHA256, SHA256_OUTPUT_LEN};

use super::{PeerChain, PeerRole, PeerVerifier, Rejection, x509};

/// How long an answer is used. The dates of the certificates are looked at besides, so this is for what nobody has thought of, such as a
/// verifier that promises too much: short beside the days that certificates and revocation lists are dated in, and longer than the
/// pauses of a program that is at work with a peer. Sessions, which save the same work and more, live for hours.
pub(super) const LIFE: Duration = Duration::from_secs(10 * 60);

/// How many chains are remembered, for all credentials together: more peers than a program is at work with, in some 200 KiB at most. The
/// oldest goes first; who is asked for a certificate can fill it only with chains that verify.
pub(super) const CHAINS: usize = 1024;

/// What the answers of a [`PeerVerifier`] rest on besides the question: two verifiers with the same digest answer alike.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TrustDigest([u8; SHA256_OUTPUT_LEN]);

impl TrustDigest {
    /// Of everything that decides. `kind` keeps verifiers apart that decide in different ways from the same parts.
    pub fn new<'a>(kind: &str, parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut hash = Framed::new(b"trust");
        hash.add(kind.as_bytes());
        parts.into_iter().for_each(|part| hash.add(part));
        Self(hash.finish())
    }
}

impl fmt::Debug for TrustDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrustDigest").finish_non_exhaustive()
    }
}

/// Remembers which questions were answered with "valid".
#[derive(Default)]
pub(super) struct ChainMemory {
    valid: Mutex<Valid>,
}

#[derive(Default)]
struct Valid {
    answers: HashMap<Question, Answer>,
    // By age.
    order: BTreeMap<u64, Question>,
    next: u64,
}

#[derive(Clone, Copy)]
struct Answer {
    number: u64,
    /// When it was given; good from then on.
    since: SystemTime,
    /// The last second it is good for.
    until: SystemTime,
    /// When the peer's own certificate ends.
    end_entity_until: SystemTime,
}

/// What a verifier said, and when the peer's certificate ends, if it says so.
pub(super) struct Verdict {
    pub(super) outcome: Result<(), Rejection>,
    pub(super) until: Option<SystemTime>,
}

impl Verdict {
    /// The verifier's own, whatever was before.
    pub(super) fn anew(verifier: &dyn PeerVerifier, peer: &PeerChain<'_>) -> Self {
        let until = x509::validity(peer.end_entity).map(|(_, not_after)| not_after);
        Self { outcome: verifier.verify(peer), until }
    }
}

impl ChainMemory {
    /// The memory of this process.
    pub(super) fn of_the_process() -> Arc<Self> {
        static MEMORY: LazyLock<Arc<ChainMemory>> = LazyLock::new(Arc::default);
        Arc::clone(&MEMORY)
    }

    /// The verifier's answer, by memory if there is one to be had.
    pub(super) fn verify(&self, verifier: &dyn PeerVerifier, peer: &PeerChain<'_>) -> Verdict {
        let Some(question) = Question::about(verifier, peer) else { return Verdict::anew(verifier, peer) };
        if let Some(answer) = self.recall(&question, peer.now) {
            return Verdict { outcome: Ok(()), until: Some(answer.end_entity_until) };
        }
        let verdict = Verdict::anew(verifier, peer);
        if verdict.outcome.is_ok()
            && let Some(answer) = Answer::from_now(peer)
        {
            self.remember(question, answer);
        }
        verdict
    }

    fn recall(&self, question: &Question, now: SystemTime) -> Option<Answer> {
        let answer = self.lock().answers.get(question).copied()?;
        (answer.since <= now && now <= answer.until).then_some(answer)
    }

    fn remember(&self, question: Question, mut answer: Answer) {
        let mut valid = self.lock();
        answer.number = valid.next;
        valid.next += 1;
        valid.order.insert(answer.number, question);
        if let Some(former) = valid.answers.insert(question, answer) {
            valid.order.remove(&former.number);
        }
        while valid.answers.len() > CHAINS {
            let Some((_, oldest)) = valid.order.pop_first() else { break };
            valid.answers.remove(&oldest);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Valid> {
        // What a panic could leave half done is an answer that does not go in time, or one that is not found.
        self.valid.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        let valid = self.lock();
        assert_eq!(valid.answers.len(), valid.order.len());
        valid.answers.len()
    }
}

impl fmt::Debug for ChainMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChainMemory").field("chains", &self.lock().answers.len()).finish()
    }
}

impl Answer {
    /// [`None`] where a date cannot be read, or the time is not within all of them.
    fn from_now(peer: &PeerChain<'_>) -> Option<Self> {
        let (_, end_entity_until) = x509::validity(peer.end_entity)?;
        let mut until = peer.now.checked_add(LIFE)?;
        for certificate in std::iter::once(&peer.end_entity).chain(peer.intermediates) {
            let (not_before, not_after) = x509::validity(certificate)?;
            if peer.now < not_before || peer.now > not_after {
                return None;
            }
            until = until.min(not_after);
        }
        Some(Self { number: 0, since: peer.now, until, end_entity_until })
    }
}

/// All that decides, time apart.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Question([u8; SHA256_OUTPUT_LEN]);

impl Question {
    /// [`None`] where the answer may rest on more than that.
    fn about(verifier: &dyn PeerVerifier, peer: &PeerChain<'_>) -> Option<Self> {
        if peer.flags.checks_revocation() {
            return None;
        }
        let TrustDigest(trust) = verifier.trust_digest(peer.role)?;
        let mut hash = Framed::new(b"chain");
        hash.add(&trust);
        hash.add(match peer.role {
            PeerRole::Server => b"server",
            PeerRole::Client => b"client",
        });
        hash.add(&peer.flags.bits().to_be_bytes());
        match peer.name {
            Some(name) => {
                hash.add(b"for");
                hash.add(name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase().as_bytes());
            }
            None => hash.add(b"for anybody"),
        }
        hash.add(peer.ocsp);
        hash.add(peer.end_entity);
        peer.intermediates.iter().for_each(|certificate| hash.add(certificate));
        Some(Self(hash.finish()))
    }
}

/// SHA-256 over parts, each behind its length: other parts are other bytes.
struct Framed(digest::Context);

impl Framed {
    fn new(kind: &[u8]) -> Self {
        let mut framed = Self(digest::Context::new(&SHA256));
        framed.add(kind);
        framed
    }

    fn add(&mut self, part: &[u8]) {
        self.0.update(&(part.len() as u64).to_be_bytes());
        self.0.update(part);
    }

    fn finish(self) -> [u8; SHA256_OUTPUT_LEN] {
        let mut output = [0; SHA256_OUTPUT_LEN];
        // Both are the length of a SHA-256.
        for (to, from) in output.iter_mut().zip(self.0.finish().as_ref()) {
            *to = *from;
        }
        output
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Anybody;

    impl PeerVerifier for Anybody {
        fn verify(&self, _: &PeerChain<'_>) -> Result<(), Rejection> {
            Ok(())
        }

        fn trust_digest(&self, _: PeerRole) -> Option<TrustDigest> {
            Some(TrustDigest::new("anybody", []))
        }
    }

    /// The same bytes, cut elsewhere.
    #[test]
    fn parts_do_not_run_into_each_other() {
        let about = |chain: &[&[u8]], name: Option<&str>, ocsp: &[u8]| {
            let peer = PeerChain::new(PeerRole::Server, chain[0], &chain[1..], SystemTime::UNIX_EPOCH);
            let Question(digest) = Question::about(&Anybody, &PeerChain { name, ocsp, ..peer }).unwrap();
            digest
        };
        let all = [
            about(&[b"ab", b"c"], None, b""),
            about(&[b"a", b"bc"], None, b""),
            about(&[b"abc"], None, b""),
            about(&[b"abc", b""], None, b""),
            about(&[b"bc"], None, b"a"),
            about(&[b"bc"], Some("a"), b""),
            about(&[b"c"], Some("a"), b"b"),
            about(&[b"abc"], Some(""), b""),
            about(&[b"abc"], Some("anybody"), b""),
        ];
        for (index, digest) in all.iter().enumerate() {
            assert!(!all[..index].contains(digest), "{index}");
        }
        assert_ne!(TrustDigest::new("k", [&b"ab"[..], b"c"]), TrustDigest::new("k", [&b"a"[..], b"bc"]));
        assert_ne!(TrustDigest::new("k", [&b"a"[..]]), TrustDigest::new("ka", []));
        assert_ne!(TrustDigest::new("k", [&b"a"[..]]), TrustDigest::new("l", [&b"a"[..]]));
    }
}

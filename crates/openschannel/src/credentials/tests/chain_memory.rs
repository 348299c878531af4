//! Chains that are remembered: what is asked once is not asked again, and what differs in anything is.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};

use rcgen::KeyPair;

use super::*;
use crate::credentials::chain_memory::{CHAINS, ChainMemory, LIFE};
use crate::credentials::clock::tests::ManualClock;
use crate::status::ErrorStatus;

const SECOND: Duration = Duration::from_secs(1);
const BOTH: [Protocols; 2] = [Protocols::TLS1_2, Protocols::TLS1_3];

/// Counts how often it is really asked.
#[derive(Debug)]
struct Counting {
    roots: TrustedRoots,
    asked: AtomicUsize,
}

impl Counting {
    fn trusting(roots: &[&[u8]]) -> Arc<Self> {
        Self::with(TrustedRoots::new(roots.iter().map(|root| root.to_vec()).collect()).unwrap())
    }

    fn with(roots: TrustedRoots) -> Arc<Self> {
        Arc::new(Self { roots, asked: AtomicUsize::new(0) })
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn trust(self: &Arc<Self>) -> Trust {
        Trust::Custom(Arc::<Self>::clone(self))
    }
}

impl PeerVerifier for Counting {
    fn verify(&self, peer: &PeerChain<'_>) -> Result<(), Rejection> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.roots.verify(peer)
    }

    fn trust_digest(&self, role: PeerRole) -> Option<TrustDigest> {
        self.roots.trust_digest(role)
    }
}

/// A chain of three that is good for either end, and two names.
struct Chain {
    root: Vec<u8>,
    intermediate: Vec<u8>,
    leaf: Vec<u8>,
    /// Certifies nobody here.
    bystander: Vec<u8>,
    verifier: Arc<Counting>,
    memory: ChainMemory,
}

impl Chain {
    fn new() -> Self {
        Self::dated([None; 3])
    }

    /// From and until when leaf, intermediate and bystander are valid.
    fn dated(dates: [Option<(SystemTime, SystemTime)>; 3]) -> Self {
        let limit = |params: &mut CertificateParams, dates: Option<(SystemTime, SystemTime)>| {
            if let Some((from, until)) = dates {
                (params.not_before, params.not_after) = (from.into(), until.into());
            }
        };
        let root = Authority::new("Root");
        let key = KeyPair::generate().unwrap();
        let mut params = named("Intermediate", &[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        limit(&mut params, dates[1]);
        let intermediate = params.signed_by(&key, &root.issuer).unwrap().der().to_vec();
        let issuer = Authority { der: intermediate.clone(), issuer: Issuer::new(params, key) };
        let key = KeyPair::generate().unwrap();
        let leaf = issuer.certificate(&key, &["a.example", "b.example"], |params| limit(params, dates[0]));
        let bystander = root.certificate(&key, &["c.example"], |params| limit(params, dates[2]));
        let verifier = Counting::trusting(&[&root.der]);
        Self { root: root.der, intermediate, leaf, bystander, verifier, memory: ChainMemory::default() }
    }

    /// Asks about the whole chain, as edited: whether the verifier was asked, and the answer.
    fn ask(&self, edit: impl FnOnce(&mut PeerChain<'_>)) -> (bool, Result<(), ErrorStatus>) {
        self.ask_for(&[&self.leaf, &self.intermediate, &self.bystander], edit)
    }

    /// The chain with another OCSP response for each number.
    fn ask_numbered(&self, number: usize, now: SystemTime) -> (bool, Result<(), ErrorStatus>) {
        let number = number.to_be_bytes();
        let mut peer = PeerChain::new(PeerRole::Server, &self.leaf, &[], now);
        let intermediates = [&*self.intermediate];
        (peer.intermediates, peer.ocsp) = (&intermediates, &number);
        self.judge(&peer)
    }

    fn judge(&self, peer: &PeerChain<'_>) -> (bool, Result<(), ErrorStatus>) {
        let before = self.verifier.asked();
        let outcome = self.memory.verify(&*self.verifier, peer).outcome;
        (self.verifier.asked() > before, outcome.map_err(|rejection| rejection.status))
    }

    fn ask_for(
        &self,
        chain: &[&[u8]],
        edit: impl FnOnce(&mut PeerChain<'_>),
    ) -> (bool, Result<(), ErrorStatus>) {
        let mut peer = PeerChain::new(PeerRole::Server, chain[0], &chain[1..], noon());
        peer.name = Some("a.example");
        edit(&mut peer);
        self.judge(&peer)
    }
}

const ANEW: (bool, Result<(), ErrorStatus>) = (true, Ok(()));
const REMEMBERED: (bool, Result<(), ErrorStatus>) = (false, Ok(()));

#[test]
fn the_same_question_is_asked_once() {
    let chain = Chain::new();
    assert_eq!(chain.ask(|_| ()), ANEW);
    for name in ["a.example", "A.Example", "a.example."] {
        assert_eq!(chain.ask(|peer| peer.name = Some(name)), REMEMBERED, "the check takes them for the same");
    }
    assert_eq!(chain.memory.len(), 1);
}

#[test]
fn whatever_else_is_asked_is_another_question() {
    let chain = Chain::new();
    let (leaf, intermediate, bystander) = (&*chain.leaf, &*chain.intermediate, &*chain.bystander);
    assert_eq!(chain.ask(|_| ()), ANEW);
    // Each is valid too, and so would pass for the first.
    assert_eq!(chain.ask(|peer| peer.name = Some("b.example")), ANEW);
    assert_eq!(chain.ask(|peer| peer.name = None), ANEW);
    assert_eq!(chain.ask(|peer| peer.role = PeerRole::Client), ANEW);
    assert_eq!(chain.ask(|peer| peer.ocsp = b"stapled"), ANEW);
    assert_eq!(chain.ask(|peer| peer.flags = VerifyFlags::IGNORE_NO_REVOCATION_CHECK), ANEW);
    assert_eq!(chain.ask(|peer| peer.flags = VerifyFlags::CACHE_ONLY_URL_RETRIEVAL), ANEW);
    assert_eq!(chain.ask_for(&[leaf, bystander, intermediate], |_| ()), ANEW, "another order");
    assert_eq!(chain.ask_for(&[leaf, intermediate], |_| ()), ANEW, "one less");
    assert_eq!(chain.ask_for(&[leaf, intermediate, bystander, bystander], |_| ()), ANEW, "one more");
    assert_eq!(chain.memory.len(), 10);
    // And these are not.
    assert_eq!(chain.ask(|peer| peer.name = Some("c.example")), (true, Err(ErrorStatus::WrongPrincipal)));
    assert_eq!(chain.ask(|peer| peer.name = Some("")), (true, Err(ErrorStatus::WrongPrincipal)));
    assert_eq!(chain.ask_for(&[leaf], |_| ()), (true, Err(ErrorStatus::UntrustedRoot)));
    assert!(chain.ask_for(&[bystander, intermediate, leaf], |_| ()).0);
    assert_eq!(chain.memory.len(), 10);
    assert_eq!(chain.ask(|_| ()), REMEMBERED);
}

/// One bit anywhere in the chain, also where it makes no difference to the path.
#[test]
fn one_bit_is_another_chain() {
    let chain = Chain::new();
    assert_eq!(chain.ask(|_| ()), ANEW);
    let good = [&*chain.leaf, &chain.intermediate, &chain.bystander];
    for which in 0..good.len() {
        for at in (0..good[which].len()).step_by(7).chain([good[which].len() - 1]) {
            let mut bad = good[which].to_vec();
            bad[at] ^= 1 << (at % 8);
            let mut sent = good;
            sent[which] = &bad;
            let (asked, outcome) = chain.ask_for(&sent, |_| ());
            assert!(asked, "certificate {which}, byte {at}");
            assert!(outcome.is_err() || which == 2, "certificate {which}, byte {at}");
        }
    }
}

#[test]
fn other_roots_are_other_questions() {
    let chain = Chain::new();
    let other = Authority::new("Other").der;
    let ask = |verifier: &Arc<Counting>| {
        let peer = PeerChain::new(PeerRole::Server, &chain.leaf, &[], noon());
        let intermediates = [&*chain.intermediate];
        let peer = PeerChain { intermediates: &intermediates, ..peer };
        let before = verifier.asked();
        let outcome = chain.memory.verify(&**verifier, &peer).outcome;
        (verifier.asked() > before, outcome.is_ok())
    };
    assert_eq!(ask(&chain.verifier), (true, true));
    assert_eq!(ask(&chain.verifier), (false, true));
    assert_eq!(ask(&Counting::trusting(&[&chain.root])), (false, true), "the same trust, another credential");
    assert_eq!(ask(&Counting::trusting(&[&other])), (true, false));
    assert_eq!(ask(&Counting::trusting(&[])), (true, false));
    assert_eq!(ask(&Counting::trusting(&[&chain.root, &other])), (true, true));
}

/// A verifier that does not say what it rests on, and each system's own.
#[test]
fn answers_without_a_digest_are_not_remembered() {
    #[derive(Debug)]
    struct Silent(AtomicUsize);
    impl PeerVerifier for Silent {
        fn verify(&self, _: &PeerChain<'_>) -> Result<(), Rejection> {
            self.0.fetch_add(1, Ordering::SeqCst);
            Ok(())
        }
    }
    let chain = Chain::new();
    let silent = Silent(AtomicUsize::new(0));
    for asked in 1..4 {
        let peer = PeerChain::new(PeerRole::Server, &chain.leaf, &[], noon());
        assert!(chain.memory.verify(&silent, &peer).outcome.is_ok());
        assert_eq!(silent.0.load(Ordering::SeqCst), asked);
    }
    assert_eq!(chain.memory.len(), 0);
}

#[cfg(feature = "system-trust")]
#[test]
fn the_systems_roots_are_each_credentials_own() {
    let verifiers = [platform::SystemTrust::default(), platform::SystemTrust::default()];
    for role in [PeerRole::Server, PeerRole::Client] {
        let [one, other] = verifiers.each_ref().map(|verifier| verifier.trust_digest(role));
        let systems_own = cfg!(any(windows, target_vendor = "apple", target_os = "android"));
        assert_eq!(one.is_none(), systems_own && role == PeerRole::Server);
        assert_eq!(one, verifiers[0].trust_digest(role));
        assert!(one.is_none() || one != other);
    }
}

#[test]
fn where_revocation_has_a_say_nothing_is_remembered() {
    let chain = Chain::new();
    let lenient = VerifyFlags::IGNORE_NO_REVOCATION_CHECK | VerifyFlags::IGNORE_REVOCATION_OFFLINE;
    for check in [
        VerifyFlags::REVOCATION_CHECK_END_CERT,
        VerifyFlags::REVOCATION_CHECK_CHAIN,
        VerifyFlags::REVOCATION_CHECK_CHAIN_EXCLUDE_ROOT,
    ] {
        for _ in 0..2 {
            assert_eq!(chain.ask(|peer| peer.flags = check | lenient), ANEW);
        }
    }
    let listed = TrustedRoots::new(vec![chain.root.clone()]).unwrap();
    let listed = listed.with_revocation_lists(vec![revocation_list()]).unwrap();
    assert!(listed.trust_digest(PeerRole::Server).is_none());
    let listed = Counting::with(listed);
    for asked in 1..3 {
        let intermediates = [&*chain.intermediate];
        let peer = PeerChain::new(PeerRole::Server, &chain.leaf, &intermediates, noon());
        assert!(chain.memory.verify(&*listed, &peer).outcome.is_ok());
        assert_eq!(listed.asked(), asked);
    }
    assert_eq!(chain.memory.len(), 0);
}

/// Somebody's; it speaks for none of the certificates here.
fn revocation_list() -> Vec<u8> {
    let mut params = named("Lister", &[]);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![rcgen::KeyUsagePurpose::CrlSign];
    let issuer = Issuer::new(params, KeyPair::generate().unwrap());
    let list = rcgen::CertificateRevocationListParams {
        this_update: (noon() - days(1)).into(),
        next_update: (noon() + days(1)).into(),
        crl_number: SerialNumber::from(1),
        issuing_distribution_point: None,
        revoked_certs: vec![],
        key_identifier_method: rcgen::KeyIdMethod::Sha256,
    };
    list.signed_by(&issuer).unwrap().der().to_vec()
}

#[test]
fn a_refusal_is_found_anew_each_time() {
    let chain = Chain::new();
    for _ in 0..3 {
        let wrong = chain.ask(|peer| peer.name = Some("c.example"));
        assert_eq!(wrong, (true, Err(ErrorStatus::WrongPrincipal)));
        assert_eq!(
            chain.ask(|peer| peer.now = noon() + days(1_000_000)),
            (true, Err(ErrorStatus::CertExpired))
        );
    }
    assert_eq!(chain.memory.len(), 0);
}

#[test]
fn an_answer_has_its_time() {
    let chain = Chain::new();
    assert_eq!(chain.ask(|_| ()), ANEW);
    assert_eq!(chain.ask(|peer| peer.now = noon() + LIFE), REMEMBERED, "to the last second");
    assert_eq!(chain.ask(|peer| peer.now = noon() + LIFE + SECOND), ANEW);
    assert_eq!(chain.ask(|peer| peer.now = noon() + LIFE * 2 + SECOND), REMEMBERED, "since then");
    assert_eq!(chain.ask(|peer| peer.now = noon() + LIFE * 3), ANEW, "to be used is not to be renewed");
    assert_eq!(chain.memory.len(), 1);
}

#[test]
fn a_clock_that_goes_back_gets_no_answer() {
    let chain = Chain::new();
    assert_eq!(chain.ask(|_| ()), ANEW);
    assert_eq!(chain.ask(|peer| peer.now = noon() - SECOND), ANEW);
    assert_eq!(chain.ask(|_| ()), REMEMBERED);
    assert_eq!(chain.ask(|peer| peer.now = noon() - SECOND * 2), ANEW);
}

/// Each certificate's end and beginning, also of the one that no path needs.
#[test]
fn no_answer_outlives_a_certificate() {
    let dates = Some((noon() - SECOND * 5, noon() + SECOND * 5));
    for which in 0..3 {
        let mut all = [None; 3];
        all[which] = dates;
        let chain = Chain::dated(all);
        // The end entity, the intermediate: refused. The bystander: nobody minds, and it is asked anew all the same.
        let outside = if which == 2 { ANEW } else { (true, Err(ErrorStatus::CertExpired)) };
        let at = |now| chain.ask(|peer| peer.now = now);
        assert_eq!(at(noon() - SECOND * 6), outside, "{which}");
        assert_eq!(chain.memory.len(), 0, "{which}: begun too early");
        assert_eq!(at(noon() - SECOND * 5), ANEW, "{which}");
        assert_eq!(at(noon()), REMEMBERED, "{which}");
        assert_eq!(at(noon() + SECOND * 5), REMEMBERED, "{which}: the last second");
        assert_eq!(at(noon() + SECOND * 6), outside, "{which}");
        assert_eq!(at(noon() + SECOND * 6), outside, "{which}");
    }
}

#[test]
fn the_memory_is_bounded_and_the_oldest_goes_first() {
    let chain = Chain::new();
    let ask = |number| chain.ask_numbered(number, noon());
    for number in 0..CHAINS {
        assert_eq!(ask(number), ANEW);
    }
    assert_eq!(ask(0), REMEMBERED);
    assert_eq!(chain.memory.len(), CHAINS);
    assert_eq!(ask(CHAINS), ANEW);
    assert_eq!(chain.memory.len(), CHAINS);
    assert_eq!(ask(1), REMEMBERED);
    assert_eq!(ask(0), ANEW, "the first one, which pushes the second out");
    assert_eq!(ask(1), ANEW);
    assert_eq!(ask(CHAINS), REMEMBERED);
    // An answer that was given anew is young again.
    assert_eq!(chain.ask_numbered(3, noon() - SECOND), ANEW);
    assert_eq!(ask(CHAINS + 1), ANEW);
    assert_eq!(ask(3), REMEMBERED);
    assert_eq!(chain.memory.len(), CHAINS);
}

/// A slow verifier on one thread keeps nobody waiting, itself included: it may connect somewhere with the same credentials.
#[test]
fn no_lock_is_held_while_a_verifier_is_asked() {
    #[derive(Debug)]
    struct Nested {
        chain: Vec<u8>,
        memory: ChainMemory,
        deep: AtomicUsize,
    }
    impl PeerVerifier for Nested {
        fn verify(&self, _: &PeerChain<'_>) -> Result<(), Rejection> {
            if self.deep.fetch_add(1, Ordering::SeqCst) < 3 {
                let peer = PeerChain::new(PeerRole::Server, &self.chain, &[], noon());
                return self.memory.verify(self, &peer).outcome;
            }
            Ok(())
        }

        fn trust_digest(&self, _: PeerRole) -> Option<TrustDigest> {
            Some(TrustDigest::new("nested", []))
        }
    }
    let nested =
        Nested { chain: Chain::new().leaf, memory: ChainMemory::default(), deep: AtomicUsize::new(0) };
    let peer = PeerChain::new(PeerRole::Server, &nested.chain, &[], noon());
    assert!(nested.memory.verify(&nested, &peer).outcome.is_ok());
    assert_eq!((nested.deep.load(Ordering::SeqCst), nested.memory.len()), (4, 1));
}

#[test]
fn threads_share_it() {
    const ROUNDS: usize = 50;
    let chain = Chain::new();
    let start = Barrier::new(2);
    let run = || {
        start.wait();
        for round in 0..ROUNDS {
            let (_, outcome) = chain.ask_numbered(round, noon());
            assert_eq!(outcome, Ok(()));
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(run);
        scope.spawn(run);
    });
    assert_eq!(chain.memory.len(), ROUNDS);
    assert!((ROUNDS..=2 * ROUNDS).contains(&chain.verifier.asked()));
    for round in 0..ROUNDS {
        assert_eq!(chain.ask_numbered(round, noon()), REMEMBERED);
    }
}

/// Both ends present certificates and count how often they verify; nobody resumes.
struct Pair {
    authority: Authority,
    memory: Arc<ChainMemory>,
    clock: Arc<ManualClock>,
    for_client: Arc<Counting>,
    for_server: Arc<Counting>,
    version: Protocols,
}

impl Pair {
    fn new(version: Protocols) -> Self {
        let authority = Authority::new("Root");
        let [for_client, for_server] = [(); 2].map(|()| Counting::trusting(&[&authority.der]));
        let (memory, clock) = (Arc::default(), ManualClock::at(noon()));
        Self { authority, memory, clock, for_client, for_server, version }
    }

    fn outbound(&self) -> OutboundBuilder {
        OutboundCredentials::builder()
            .trust(self.for_client.trust())
            .protocols(self.version)
            .identity(self.authority.identity(&["client"]))
            .resumption(false)
            .clock(Arc::<ManualClock>::clone(&self.clock))
            .chain_memory(&self.memory)
    }

    fn inbound(&self) -> InboundBuilder {
        InboundCredentials::builder()
            .trust(self.for_server.trust())
            .client_auth(ClientAuth::Require)
            .identity(self.authority.identity(&["a.example"]))
            .resumption(false)
            .clock(Arc::<ManualClock>::clone(&self.clock))
            .chain_memory(&self.memory)
    }

    fn asked(&self) -> [usize; 2] {
        [self.for_client.asked(), self.for_server.asked()]
    }
}

#[test]
fn both_ends_verify_once_and_answer_the_same() {
    for version in BOTH {
        let pair = Pair::new(version);
        let (client, server) = (pair.outbound().acquire().unwrap(), pair.inbound().acquire().unwrap());
        let mut seen = Vec::new();
        for _ in 0..3 {
            let outcome = connect(&client, &server, "a.example").succeeded();
            assert!(!outcome.resumed());
            seen.push([outcome.client_slot, outcome.server_slot].map(|slot| {
                let session = format!("{:?}", slot.session);
                (slot.validation, slot.rejection, slot.peer_chain, session)
            }));
        }
        assert_eq!(pair.asked(), [1, 1], "{version:?}");
        assert_eq!(seen[0][0].0, Some(Ok(())));
        assert_eq!(seen[0][1].0, Some(Ok(())));
        assert!(seen[0][0].3.contains("until: Some("));
        assert!(seen[0][1].3.contains("client: Validated"));
        assert!(seen.iter().all(|each| *each == seen[0]), "{version:?}: {seen:?}");
        pair.clock.advance(LIFE + SECOND);
        connect(&client, &server, "a.example").succeeded();
        assert_eq!(pair.asked(), [2, 2], "{version:?}");
        pair.clock.set(noon());
        connect(&client, &server, "a.example").succeeded();
        assert_eq!(pair.asked(), [3, 3], "{version:?}: the clock went back");
    }
}

#[test]
fn other_credentials_with_the_same_trust_share_it() {
    let pair = Pair::new(Protocols::TLS1_3);
    let (client, server) = (pair.outbound(), pair.inbound());
    for _ in 0..3 {
        let (client, server) = (client.clone().acquire().unwrap(), server.clone().acquire().unwrap());
        connect(&client, &server, "a.example").succeeded();
    }
    assert_eq!(pair.asked(), [1, 1]);
    // Another name, none to check, and another set of roots.
    let unchecked = client.clone().server_name_check(false).acquire().unwrap();
    connect(&unchecked, &server.clone().acquire().unwrap(), "b.example").succeeded();
    assert_eq!(pair.asked(), [2, 1]);
    let named = client.clone().acquire().unwrap();
    assert!(connect(&named, &server.clone().acquire().unwrap(), "b.example").client.is_err());
    assert_eq!(pair.asked(), [3, 1]);
    let distrusting = client.trust(Authority::new("Other").trust()).acquire().unwrap();
    assert!(connect(&distrusting, &server.acquire().unwrap(), "a.example").client.is_err());
}

#[test]
fn credentials_remember_unless_told_otherwise() {
    for remember in [true, false] {
        // The process' own memory; nobody else has these certificates.
        let pair = Pair::new(Protocols::TLS1_3);
        let client = pair.outbound().remember_chains(remember).acquire().unwrap();
        let server = pair.inbound().remember_chains(remember).acquire().unwrap();
        for _ in 0..2 {
            connect(&client, &server, "a.example").succeeded();
        }
        assert_eq!(pair.asked(), if remember { [1, 1] } else { [2, 2] });
        assert_eq!([client.remembers_chains(), server.remembers_chains()], [remember; 2]);
    }
    assert!(OutboundCredentials::builder().acquire().unwrap().remembers_chains());
    assert!(InboundCredentials::builder().acquire().unwrap().remembers_chains());
}

/// Neither asked nor filled, be it the credential that is manual or the context.
#[test]
fn manual_and_deferred_validation_stay_out_of_it() {
    let pair = Pair::new(Protocols::TLS1_3);
    let credentials = |validation| {
        let client = pair.outbound().validation(validation).acquire().unwrap();
        (client, pair.inbound().validation(validation).acquire().unwrap())
    };
    let slots = |client: &OutboundCredentials, manual, deferred| {
        let own = || ConnectionSlot {
            manual_validation: manual,
            deferred_validation: deferred,
            ..ConnectionSlot::default()
        };
        [ConnectionSlot { client_key: client.certified_key(), ..own() }, own()]
    };
    for (validation, manual, deferred, asks) in [
        (Validation::Manual, false, false, 0),
        (Validation::Automatic, true, false, 0),
        (Validation::Deferred, false, false, 1),
        (Validation::Automatic, false, true, 1),
    ] {
        let about = format!("{validation:?} {manual} {deferred}");
        let before = pair.asked();
        let (client, server) = credentials(validation);
        for _ in 0..2 {
            let [ours, theirs] = slots(&client, manual, deferred);
            let outcome = connect_with(&client, &server, "a.example", ours, theirs).succeeded();
            let expected = (asks > 0).then_some(Ok(()));
            assert_eq!(outcome.client_slot.validation, expected, "{about}");
        }
        assert_eq!(pair.asked(), before.map(|count| count + 2 * asks), "{about}");
        assert_eq!(pair.memory.len(), 0, "{about}: not filled");
    }
    let (client, server) = credentials(Validation::Automatic);
    connect(&client, &server, "a.example").succeeded();
    assert_eq!(pair.memory.len(), 2);
    let before = pair.asked();
    let (client, server) = credentials(Validation::Deferred);
    connect(&client, &server, "a.example").succeeded();
    assert_eq!(pair.asked(), before.map(|count| count + 1), "not asked");
}

/// An error that was ignored never becomes an answer.
#[test]
fn what_was_let_pass_is_refused_by_the_next() {
    let pair = Pair::new(Protocols::TLS1_3);
    let stranger = Authority::new("Stranger").identity(&["a.example"]);
    let server = InboundCredentials::builder().identity(stranger).acquire().unwrap();
    for lenient in [Validation::Manual, Validation::Deferred] {
        let client = pair.outbound().validation(lenient).acquire().unwrap();
        connect(&client, &server, "a.example").succeeded();
    }
    let client = pair.outbound().acquire().unwrap();
    for asked in [2, 3] {
        assert!(connect(&client, &server, "a.example").client.is_err());
        assert_eq!(pair.asked(), [asked, 0]);
    }
    assert_eq!(pair.memory.len(), 0);
}

#[test]
fn a_resumed_session_does_not_touch_it() {
    for version in BOTH {
        let pair = Pair::new(version);
        let client = pair.outbound().resumption(true).acquire().unwrap();
        let server = pair.inbound().resumption(true).acquire().unwrap();
        assert!(!connect(&client, &server, "a.example").succeeded().resumed());
        for _ in 0..2 {
            assert!(connect(&client, &server, "a.example").succeeded().resumed());
        }
        assert_eq!(pair.asked(), [1, 1]);
        // By the second handshake its answer would be too old: nobody has renewed it meanwhile.
        pair.clock.advance(LIFE + SECOND);
        assert!(connect(&client, &server, "a.example").succeeded().resumed());
        client.forget_session("a.example");
        connect(&client, &server, "a.example").succeeded();
        assert_eq!(pair.asked(), [2, 2]);
    }
}

/// Who has only the certificate fails at its signature, however well the chain is remembered.
#[test]
fn the_peers_signature_is_checked_on_a_hit() {
    for version in BOTH {
        let pair = Pair::new(version);
        let [key, wrong] = [(); 2].map(|()| KeyPair::generate().unwrap());
        let chain = vec![pair.authority.certificate(&key, &["a.example"], |_| ())];
        let owner = Identity::from_der(chain.clone(), &key.serialize_der()).unwrap();
        let stolen = Identity::new(chain, Arc::new(WrongKey::new(&wrong))).unwrap();
        let client = |identity: &Identity| pair.outbound().identity(identity.clone()).acquire().unwrap();
        let server = |identity: &Identity| {
            InboundCredentials::builder()
                .trust(pair.for_server.trust())
                .chain_memory(&pair.memory)
                .clock(Arc::<ManualClock>::clone(&pair.clock))
                .client_auth(ClientAuth::Require)
                .identity(identity.clone())
                .acquire()
                .unwrap()
        };
        connect(&client(&owner), &server(&owner), "a.example").succeeded();
        assert_eq!(pair.asked(), [1, 1]);
        let outcome = connect(&client(&owner), &server(&stolen), "a.example");
        assert!(outcome.client.is_err());
        assert_eq!(alert_of(&outcome.server), 51, "decrypt_error");
        assert!(connect(&client(&stolen), &server(&owner), "a.example").server.is_err());
        assert_eq!(pair.asked(), [1, 1], "{version:?}");
    }
}

/// Signs with a key that is not the certificate's, and does not say so.
#[derive(Debug)]
struct WrongKey(Identity);

impl WrongKey {
    fn new(key: &KeyPair) -> Self {
        let own = named("own", &[]).self_signed(key).unwrap().der().to_vec();
        Self(Identity::from_der(vec![own], &key.serialize_der()).unwrap())
    }
}

impl PrivateKey for WrongKey {
    fn algorithm(&self) -> KeyAlgorithm {
        self.0.key().algorithm()
    }

    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<SignatureScheme> {
        self.0.key().choose_scheme(offered)
    }

    fn sign(&self, scheme: SignatureScheme, message: &[u8]) -> Result<Vec<u8>, crate::status::Error> {
        self.0.key().sign(scheme, message)
    }
}

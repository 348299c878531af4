//! Any call of wincrypt.h with any handle: never more than a refusal. In a process of its own: it gives back what may be somebody else's.
#![cfg(not(windows))]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]
#![allow(clippy::print_stderr, reason = "the seed of a random test")]

use core::ffi::c_void;
use std::hash::{BuildHasher, RandomState};
use std::ptr::{null, null_mut, without_provenance, without_provenance_mut};

use openschannel_ffi::wincrypt::*;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

/// Calls of one run; the pools stay small enough that aliases and stale handles are frequent.
const CALLS: usize = 6_000;
const KEPT: usize = 12;

/// "ROOT" in wide characters; in narrow ones "R".
const NAME: [u16; 5] = [0x52, 0x4F, 0x4F, 0x54, 0];

/// xorshift64*: good enough to choose with.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() >> 33).unwrap() % bound
    }

    fn word(&mut self) -> u32 {
        match self.below(4) {
            0 => 0,
            1 => u32::try_from(self.below(130)).unwrap(),
            2 => 1 << self.below(32),
            _ => u32::try_from(self.next() >> 32).unwrap(),
        }
    }
}

/// Everything that was ever a pointer or a handle, alive or not, and some that never were.
struct Pool {
    random: Random,
    known: Vec<usize>,
    made: Made,
    memory: Box<[u64; 64]>,
}

impl Pool {
    /// A handle of any kind for a place that wants any other.
    fn any(&mut self) -> usize {
        match self.random.below(8) {
            0 => 0,
            1 => self.random.below(5),
            2 => self.memory.as_ptr().addr() + self.random.below(32),
            3 => usize::MAX - self.random.below(3),
            _ if self.known.is_empty() => 0,
            _ => self.known[self.random.below(self.known.len())],
        }
    }

    fn context(&mut self) -> *const CERT_CONTEXT {
        without_provenance(self.any())
    }

    fn store(&mut self) -> HCERTSTORE {
        without_provenance_mut(self.any())
    }

    fn chain(&mut self) -> *const CERT_CHAIN_CONTEXT {
        without_provenance(self.any())
    }

    fn keep(&mut self, address: usize) {
        if address != 0 {
            if self.known.len() >= KEPT {
                let place = self.random.below(KEPT);
                self.known.swap_remove(place);
            }
            self.known.push(address);
        }
    }

    fn certificate(&mut self) -> Vec<u8> {
        let mut der = match self.random.below(3) {
            0 => self.made.root.clone(),
            1 => self.made.intermediate.clone(),
            _ => self.made.leaf.clone(),
        };
        match self.random.below(4) {
            0 => der.truncate(self.random.below(der.len())),
            1 => {
                let place = self.random.below(der.len());
                der[place] ^= 1 << self.random.below(8);
            }
            _ => {}
        }
        der
    }

    /// One call. What it answers does not matter; that it does, matters.
    #[expect(clippy::multiple_unsafe_ops_per_block, reason = "one call in each arm")]
    fn call(&mut self) {
        let der = self.certificate();
        let len = u32::try_from(der.len()).unwrap();
        let (context, other) = (self.context(), self.context());
        let (store, sibling) = (self.store(), self.store());
        let chain = self.chain();
        let (word, second) = (self.random.word(), self.random.word());
        let mut out = null();
        let (mut size, mut flags) = (0, word);
        // Valid memory for every parameter that is memory, whatever it is taken for.
        let room: *mut c_void = self.memory.as_mut_ptr().cast();
        let blob = Blob { len, data: der.as_ptr() };
        let provider = [2, 9, 10, 11, 7][self.random.below(5)];
        // SAFETY: handles need nothing; all memory is valid.
        let kept = unsafe {
            match self.random.below(30) {
                0 => CertCreateCertificateContext(1, der.as_ptr(), len).addr(),
                1 => CertDuplicateCertificateContext(context).addr(),
                2 | 3 => usize::from(CertFreeCertificateContext(context) == 7),
                4 => CertOpenStore(without_provenance(provider), 0, 0, word & !0x10, NAME.as_ptr().cast())
                    .addr(),
                5 => CertDuplicateStore(store).addr(),
                6 | 7 => usize::from(CertCloseStore(store, word) == 7),
                8 => {
                    CertAddCertificateContextToStore(store, context, word % 9, &raw mut out);
                    out.addr()
                }
                9 => {
                    let disposition = word % 9;
                    CertAddEncodedCertificateToStore(store, 1, der.as_ptr(), len, disposition, &raw mut out);
                    out.addr()
                }
                10 => usize::from(CertDeleteCertificateFromStore(context) == 7),
                11 => CertEnumCertificatesInStore(store, context).addr(),
                12 => CertFindCertificateInStore(store, 1, 0, 0, null(), context).addr(),
                13 => CertFindCertificateInStore(store, 1, 0, 12 << 16, other.cast(), context).addr(),
                14 => CertFindCertificateInStore(store, 1, 0, 13 << 16, other.cast(), context).addr(),
                15 => {
                    CertFindCertificateInStore(store, 1, 0, 1 << 16, (&raw const blob).cast(), context).addr()
                }
                16 => usize::from(CertAddStoreToCollection(store, sibling, word, second) == 7),
                17 => {
                    CertRemoveStoreFromCollection(store, sibling);
                    0
                }
                18 => CertGetIssuerCertificateFromStore(store, context, other, &raw mut flags).addr(),
                19 => usize::from(CertVerifySubjectCertificateContext(context, other, &raw mut flags) == 7),
                20 => {
                    CertGetCertificateContextProperty(context, word, null_mut(), &raw mut size);
                    size = size.min(512);
                    usize::from(CertGetCertificateContextProperty(context, word, room, &raw mut size) == 7)
                }
                21 => usize::from(
                    CertSetCertificateContextProperty(context, 11, 0, (&raw const blob).cast()) == 7,
                ),
                22 => usize::from(CertEnumCertificateContextProperties(context, word) == u32::MAX),
                23 => {
                    let mut built = null();
                    let time = null();
                    CertGetCertificateChain(
                        store,
                        context,
                        time,
                        sibling,
                        null(),
                        word,
                        null(),
                        &raw mut built,
                    );
                    built.addr()
                }
                24 => CertDuplicateCertificateChain(chain).addr(),
                25 => {
                    CertFreeCertificateChain(chain);
                    0
                }
                26 => CertFindChainInStore(store, 1, word, 1, null(), chain).addr(),
                27 => {
                    let policy = without_provenance(usize::try_from(word % 8).unwrap());
                    usize::from(CertVerifyCertificateChainPolicy(policy, chain, null(), room) == 7)
                }
                28 => {
                    let name =
                        CertGetNameStringA(context, word % 9, second & 3, null(), room.cast(), word % 512);
                    usize::from(name == u32::MAX)
                }
                _ => {
                    let key = self.made.key_pem.as_bytes();
                    usize::from(
                        OpenSchannelSetPrivateKey(context, key.as_ptr(), key.len().try_into().unwrap()) == 7,
                    )
                }
            }
        };
        self.keep(kept);
    }
}

/// Root, intermediate and leaf.
struct Made {
    root: Vec<u8>,
    intermediate: Vec<u8>,
    leaf: Vec<u8>,
    key_pem: String,
}

fn made() -> Made {
    let authority = |name: &str| {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
    };
    let key = || KeyPair::generate().unwrap();
    let root = CertifiedIssuer::self_signed(authority("Root"), key()).unwrap();
    let intermediate = CertifiedIssuer::signed_by(authority("Intermediate"), key(), &root).unwrap();
    let key = key();
    let leaf =
        CertificateParams::new(vec!["a.example".to_owned()]).unwrap().signed_by(&key, &intermediate).unwrap();
    Made {
        root: root.der().to_vec(),
        intermediate: intermediate.der().to_vec(),
        leaf: leaf.der().to_vec(),
        key_pem: key.serialize_pem(),
    }
}

#[test]
fn any_call_with_any_handle_is_answered() {
    let seed = std::env::var("OPENSCHANNEL_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| RandomState::new().hash_one(0)) | 1;
    eprintln!("OPENSCHANNEL_SEED={seed}");
    let memory = Box::new([0; 64]);
    let mut pool = Pool { random: Random(seed), known: Vec::new(), made: made(), memory };
    for _ in 0..CALLS {
        pool.call();
    }
}

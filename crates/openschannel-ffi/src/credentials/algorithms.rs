//! ALG_IDs: `palgSupportedAlgs` and the cipher strengths of a SCHANNEL_CRED, and SECPKG_ATTR_SUPPORTED_ALGS.

use openschannel::credentials::{CipherSuite, Protocols};

use super::offer::{self, Cipher, Offer};

const CALG_ECDSA: u32 = 0x2203;
const CALG_RSA_SIGN: u32 = 0x2400;
const CALG_AES_128: u32 = 0x660E;
const CALG_AES_256: u32 = 0x6610;
const CALG_AES: u32 = 0x6611;
const CALG_SHA_256: u32 = 0x800C;
const CALG_SHA_384: u32 = 0x800D;
const CALG_ECDH: u32 = 0xAA05;
const CALG_ECDH_EPHEM: u32 = 0xAE06;

/// GET_ALG_CLASS
const CLASS_MASK: u32 = 7 << 13;
const CLASS_SIGNATURE: u32 = 1 << 13;
const CLASS_DATA_ENCRYPT: u32 = 3 << 13;
const CLASS_HASH: u32 = 4 << 13;
const CLASS_KEY_EXCHANGE: u32 = 5 << 13;

/// Strengths of 0 are the default; this one asks for suites without encryption, of which there are none.
const NULL_CIPHERS: u32 = u32::MAX;

/// What a SCHANNEL_CRED allows.
#[derive(Clone, Debug, Default)]
pub(super) struct AllowList {
    pub(super) algs: Vec<u32>,
    pub(super) minimum_strength: u32,
    pub(super) maximum_strength: u32,
}

impl AllowList {
    /// A class of algorithms that is named at all is restricted to what is named of it.
    pub(super) fn restrict(&self, offer: &mut Offer) {
        let named = |class| self.algs.iter().any(|alg| alg & CLASS_MASK == class);
        let has = |alg| self.algs.contains(&alg);
        if named(CLASS_DATA_ENCRYPT) {
            // ChaCha20 has no ALG_ID.
            offer.suites.retain(|suite| match offer::cipher(*suite) {
                (Cipher::AesGcm, 128) => has(CALG_AES_128) || has(CALG_AES),
                (Cipher::AesGcm, _) => has(CALG_AES_256) || has(CALG_AES),
                (Cipher::ChaCha20, _) => false,
            });
        }
        if named(CLASS_HASH) {
            offer.suites.retain(|suite| match offer::suite_hash(*suite) {
                384 => has(CALG_SHA_384),
                _ => has(CALG_SHA_256),
            });
        }
        if named(CLASS_SIGNATURE) {
            offer
                .schemes
                .retain(|scheme| if offer::is_rsa(*scheme) { has(CALG_RSA_SIGN) } else { has(CALG_ECDSA) });
        }
        if named(CLASS_KEY_EXCHANGE) && !has(CALG_ECDH_EPHEM) && !has(CALG_ECDH) {
            offer.suites.clear();
        }
        self.restrict_strength(offer);
    }

    fn restrict_strength(&self, offer: &mut Offer) {
        if self.minimum_strength == NULL_CIPHERS || self.maximum_strength == NULL_CIPHERS {
            offer.suites.clear();
        }
        let most = if self.maximum_strength == 0 { u32::MAX } else { self.maximum_strength };
        offer.suites.retain(|suite| (self.minimum_strength..=most).contains(&offer::cipher(*suite).1));
    }
}

/// SECPKG_ATTR_SUPPORTED_ALGS: the ALG_IDs of what these suites use.
pub(super) fn ids(suites: &[CipherSuite]) -> Vec<u32> {
    let any = |test: &dyn Fn(CipherSuite) -> bool| suites.iter().copied().any(test);
    let tls13 = any(&|suite| suite.protocol() == Protocols::TLS1_3);
    let known = [
        (CALG_AES_128, any(&|suite| offer::cipher(suite) == (Cipher::AesGcm, 128))),
        (CALG_AES_256, any(&|suite| offer::cipher(suite) == (Cipher::AesGcm, 256))),
        (CALG_SHA_256, any(&|suite| offer::suite_hash(suite) == 256)),
        (CALG_SHA_384, any(&|suite| offer::suite_hash(suite) == 384)),
        (CALG_ECDH_EPHEM, !suites.is_empty()),
        (CALG_RSA_SIGN, tls13 || any(&offer::is_rsa_suite)),
        (CALG_ECDSA, tls13 || any(&offer::is_ecdsa_suite)),
    ];
    known.into_iter().filter(|(_, used)| *used).map(|(alg, _)| alg).collect()
}

/// SECPKG_ATTR_CIPHER_STRENGTHS: the shortest and the longest key, in bits.
pub(super) fn strengths(suites: &[CipherSuite]) -> Option<(u32, u32)> {
    let strengths = suites.iter().map(|suite| offer::cipher(*suite).1);
    Some((strengths.clone().min()?, strengths.max()?))
}

#[cfg(test)]
mod tests {
    use super::super::Extras;
    use super::*;

    fn left(algs: &[u32], minimum_strength: u32, maximum_strength: u32) -> Offer {
        let extras = Extras { cipher_suites: Some(ALL.to_vec()), ..Extras::default() };
        let mut offer = Offer::new(Protocols::SUPPORTED, &extras);
        AllowList { algs: algs.to_vec(), minimum_strength, maximum_strength }.restrict(&mut offer);
        offer
    }

    fn suites(algs: &[u32], minimum: u32, maximum: u32) -> Vec<u16> {
        left(algs, minimum, maximum).suites.iter().map(|suite| suite.id()).collect()
    }

    const ALL: [u16; 7] = [0x1302, 0x1301, 0x1303, 0xc02c, 0xc02b, 0xc030, 0xc02f];

    #[test]
    fn only_named_classes_are_restricted() {
        assert_eq!(suites(&[], 0, 0), ALL);
        // CALG_TLS1PRF's class is the hashes'; what belongs to no class here (CALG_OID_INFO) restricts nothing.
        assert_eq!(suites(&[0xFFFF_FFFF], 0, 0), ALL);
        assert_eq!(suites(&[CALG_AES_128], 0, 0), [0x1301, 0xc02b, 0xc02f]);
        assert_eq!(suites(&[CALG_AES_256], 0, 0), [0x1302, 0xc02c, 0xc030]);
        assert_eq!(suites(&[CALG_AES], 0, 0), [0x1302, 0x1301, 0xc02c, 0xc02b, 0xc030, 0xc02f]);
        assert_eq!(suites(&[CALG_SHA_384], 0, 0), [0x1302, 0xc02c, 0xc030]);
        assert_eq!(suites(&[CALG_SHA_256, CALG_SHA_384, CALG_ECDH_EPHEM], 0, 0), ALL);
        assert_eq!(suites(&[CALG_ECDH], 0, 0), ALL);
        let rsa = left(&[CALG_RSA_SIGN, 0x2200], 0, 0);
        assert_eq!(rsa.suites.len(), ALL.len());
        assert!(rsa.schemes.iter().all(|scheme| offer::is_rsa(*scheme)) && !rsa.schemes.is_empty());
        let ecdsa = left(&[CALG_ECDSA], 0, 0);
        assert!(ecdsa.schemes.iter().all(|scheme| !offer::is_rsa(*scheme)) && !ecdsa.schemes.is_empty());
    }

    #[test]
    fn impossible_lists_leave_nothing() {
        // CALG_RC4, CALG_3DES; CALG_RSA_KEYX, CALG_DH_EPHEM; CALG_SHA1, CALG_MD5.
        for algs in [
            &[0x6801, 0x6603][..],
            &[0xA400],
            &[0xAA02],
            &[0x8004, 0x8003],
            &[CALG_AES, CALG_SHA_256, 0xA400],
        ] {
            assert_eq!(suites(algs, 0, 0), [0; 0], "{algs:x?}");
        }
        assert!(left(&[0x2200], 0, 0).schemes.is_empty());
    }

    #[test]
    fn strengths_are_bounds_in_bits() {
        assert_eq!(suites(&[], 128, 128), [0x1301, 0xc02b, 0xc02f]);
        assert_eq!(suites(&[], 129, 0), [0x1302, 0x1303, 0xc02c, 0xc030]);
        assert_eq!(suites(&[], 0, 168), [0x1301, 0xc02b, 0xc02f]);
        for (minimum, maximum) in [
            (NULL_CIPHERS, NULL_CIPHERS),
            (NULL_CIPHERS, 0),
            (0, NULL_CIPHERS),
            (257, 0),
            (256, 128),
            (0, 40),
        ] {
            assert_eq!(suites(&[], minimum, maximum), [0; 0], "{minimum} {maximum}");
        }
    }

    #[test]
    fn what_is_reported_is_what_the_suites_use() {
        let of = |ids: &[u16]| {
            let suites: Vec<_> = ids.iter().copied().filter_map(CipherSuite::from_id).collect();
            (super::ids(&suites), strengths(&suites))
        };
        let everything = vec![0x660E, 0x6610, 0x800C, 0x800D, 0xAE06, 0x2400, 0x2203];
        assert_eq!(of(&ALL), (everything, Some((128, 256))));
        assert_eq!(of(&[0xc02f]), (vec![0x660E, 0x800C, 0xAE06, 0x2400], Some((128, 128))));
        assert_eq!(of(&[]), (vec![], None));
    }
}

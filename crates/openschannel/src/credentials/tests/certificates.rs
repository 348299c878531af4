//! What is read out of certificates.

use aws_lc_rs::digest;
use rcgen::{KeyPair, RsaKeySize};

use super::fixtures::{self, decode};
use super::*;
use crate::credentials::x509;

#[test]
fn the_endpoint_hash_is_the_signatures_or_sha256_in_place_of_a_weak_one() {
    let self_signed = |key: KeyPair| named("x", &[]).self_signed(&key).unwrap().der().to_vec();
    let of = |algorithm| self_signed(KeyPair::generate_for(algorithm).unwrap());
    let rsa = |algorithm| self_signed(KeyPair::generate_rsa_for(algorithm, RsaKeySize::_2048).unwrap());
    for (der, hash) in [
        (of(&rcgen::PKCS_ECDSA_P256_SHA256), &digest::SHA256),
        (of(&rcgen::PKCS_ECDSA_P384_SHA384), &digest::SHA384),
        (of(&rcgen::PKCS_ECDSA_P521_SHA512), &digest::SHA512),
        (rsa(&rcgen::PKCS_RSA_SHA256), &digest::SHA256),
        (rsa(&rcgen::PKCS_RSA_SHA384), &digest::SHA384),
        (rsa(&rcgen::PKCS_RSA_SHA512), &digest::SHA512),
        (decode(fixtures::SHA1_SIGNED), &digest::SHA256),
        (decode(fixtures::PSS_SHA384_SIGNED), &digest::SHA384),
    ] {
        let expected = digest::digest(hash, &der);
        assert_eq!(x509::end_point_hash(&der).as_deref(), Some(expected.as_ref()), "{hash:?}");
    }
    assert_eq!(x509::end_point_hash(&of(&rcgen::PKCS_ED25519)), None);
    assert_eq!(x509::end_point_hash(b"junk"), None);
}

#[test]
fn names_and_dates() {
    let authority = Authority::new("The Root");
    let key = KeyPair::generate().unwrap();
    let dated = authority.certificate(&key, &["a.example"], |params| {
        params.not_before = rcgen::date_time_ymd(1960, 1, 1);
        params.not_after = rcgen::date_time_ymd(2060, 1, 1);
    });
    assert_eq!(x509::subject(&dated).as_deref(), Some("CN=leaf"));
    let (not_before, not_after) = x509::validity(&dated).unwrap();
    assert_eq!(not_before, UNIX_EPOCH - Duration::from_secs(315_619_200));
    assert_eq!(not_after, UNIX_EPOCH + Duration::from_secs(2_840_140_800));
    assert!(!x509::is_self_issued(&dated) && x509::is_self_issued(&authority.der));
    let (subject, issuer) = x509::raw_names(&authority.der).unwrap();
    assert_eq!((&subject, x509::raw_names(&dated).map(|names| names.1)), (&issuer, Some(issuer.clone())));
    assert_eq!((x509::validity(b""), x509::subject(b"")), (None, None));
}

#[test]
fn some_name_is_one_the_certificate_is_valid_for() {
    let authority = Authority::new("Root");
    let key = KeyPair::generate().unwrap();
    let roots = TrustedRoots::new(vec![authority.der.clone()]).unwrap();
    for name in ["a.example", "*.a.example", "192.0.2.7", "2001:db8::7"] {
        let der = authority.certificate(&key, &[name], |_| ());
        let found = x509::some_name(&der).unwrap();
        let peer = PeerChain { name: Some(&found), ..PeerChain::new(PeerRole::Server, &der, &[], noon()) };
        assert_eq!(roots.verify(&peer), Ok(()), "{name} as {found}");
    }
    assert_eq!(x509::some_name(&authority.der), None);
}

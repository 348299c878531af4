//! Path validation step by step, and whole PKCS #12 files.

use rcgen::{CertifiedIssuer, CustomExtension, GeneralSubtree, KeyPair, NameConstraints, RsaKeySize};

use super::fixtures::{self, decode};
use super::*;

fn authority(name: &str, edit: impl FnOnce(&mut CertificateParams)) -> CertificateParams {
    let mut params = named(name, &[]);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    edit(&mut params);
    params
}

fn key() -> KeyPair {
    KeyPair::generate().unwrap()
}

#[test]
fn a_path_is_judged_by_the_first_thing_that_is_wrong() {
    let root = CertifiedIssuer::self_signed(authority("Root", |_| ()), key()).unwrap();
    let below = |edit: &dyn Fn(&mut CertificateParams)| {
        CertifiedIssuer::signed_by(authority("Intermediate", edit), key(), &root).unwrap()
    };
    let leaf = |issuer: &Issuer<'_, KeyPair>, edit: &dyn Fn(&mut CertificateParams)| {
        let mut params = named("leaf", &["a.example"]);
        edit(&mut params);
        params.signed_by(&key(), issuer).unwrap().der().to_vec()
    };
    let plain = below(&|_| ());
    let judge = |leaf: &[u8], issuer: &[u8]| verify_path(&[leaf, issuer, root.der()], noon());
    let good = leaf(&plain, &|_| ());
    assert_eq!(judge(&good, plain.der()), Ok(()));
    assert_eq!(verify_path(&[&good, plain.der(), root.der()], UNIX_EPOCH), Err(PathFailure::Time));
    let client_only = leaf(&plain, &|params| {
        params.extended_key_usages.push(rcgen::ExtendedKeyUsagePurpose::ClientAuth);
    });
    assert_eq!(judge(&client_only, plain.der()), Ok(()), "the usage is not looked at");
    let other = below(&|_| ());
    assert_eq!(judge(&good, other.der()), Err(PathFailure::Signature));
    let constrained = below(&|params| {
        params.name_constraints = Some(NameConstraints {
            permitted_subtrees: vec![GeneralSubtree::DnsName("b.example".to_owned())],
            excluded_subtrees: Vec::new(),
        });
    });
    let outside = leaf(&constrained, &|_| ());
    assert_eq!(judge(&outside, constrained.der()), Err(PathFailure::NameConstraints));
    let critical = leaf(&plain, &|params| {
        let mut extension = CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99_999, 1], vec![5, 0]);
        extension.set_criticality(true);
        params.custom_extensions.push(extension);
    });
    assert_eq!(judge(&critical, plain.der()), Err(PathFailure::CriticalExtension));
    let no_authority = below(&|params| params.is_ca = IsCa::NoCa);
    let below_none = leaf(&no_authority, &|_| ());
    assert_eq!(judge(&below_none, no_authority.der()), Err(PathFailure::BasicConstraints));
    assert_eq!(judge(other.der(), plain.der()), Err(PathFailure::Authority));
    assert_eq!(verify_path(&[&good], noon()), Err(PathFailure::Other));
    assert_eq!(judge(b"junk", plain.der()), Err(PathFailure::Other));
}

#[test]
fn a_signature_is_checked_alone() {
    let issuer = Authority::new("Root");
    let good = issuer.certificate(&key(), &["a.example"], |_| ());
    assert_eq!(check_signature(&good, &issuer.der), SignatureCheck::Valid);
    assert_eq!(check_signature(&issuer.der, &issuer.der), SignatureCheck::Valid);
    assert_eq!(check_signature(&good, &Authority::new("Root").der), SignatureCheck::Invalid);
    let mut changed = good.clone();
    *changed.last_mut().unwrap() ^= 1;
    assert_eq!(check_signature(&changed, &issuer.der), SignatureCheck::Invalid);
    let sha1 = decode(fixtures::SHA1_SIGNED);
    assert_eq!(check_signature(&sha1, &sha1), SignatureCheck::Unsupported);
    assert_eq!(check_signature(b"junk", &issuer.der), SignatureCheck::Invalid);
    assert_eq!(check_signature(&good, b""), SignatureCheck::Invalid);
    let rsa = KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA384, RsaKeySize::_2048).unwrap();
    let rsa = named("x", &[]).self_signed(&rsa).unwrap();
    assert_eq!(check_signature(rsa.der(), rsa.der()), SignatureCheck::Valid);
    let pss = decode(fixtures::PSS_SHA384_SIGNED);
    assert_eq!(check_signature(&pss, &pss), SignatureCheck::Unsupported, "a salt of unusual length");
}

#[test]
fn names_are_the_alternative_ones() {
    let issuer = Authority::new("Root");
    let der = issuer.certificate(&key(), &["a.example", "*.b.example", "192.0.2.7"], |_| ());
    for name in ["a.example", "A.Example.", "x.b.example", "192.0.2.7"] {
        assert!(is_valid_for_name(&der, name), "{name}");
    }
    for name in ["leaf", "b.example", "x.y.b.example", "192.0.2.8", "", "not a name"] {
        assert!(!is_valid_for_name(&der, name), "{name}");
    }
    assert!(!is_valid_for_name(b"junk", "a.example"));
}

#[test]
fn a_pkcs12_file_is_read_whole() {
    for file in [fixtures::MODERN, fixtures::LEGACY] {
        let file = decode(file);
        assert!(PfxContents::looks_like_one(&file));
        let contents = PfxContents::open(&file, "correct").unwrap();
        assert_eq!(contents.certificates.len(), 2, "the root too");
        let leaf = decode(fixtures::LEAF);
        for certificate in &contents.certificates {
            assert_eq!(certificate.key.is_some(), certificate.der == leaf);
            assert_eq!(certificate.friendly_name.as_deref(), (certificate.der == leaf).then_some("leaf"));
        }
        assert!(matches!(PfxContents::open(&file, "wrong"), Err(PfxError::Password(_))));
    }
    let contents = PfxContents::open(&decode(fixtures::WITHOUT_KEY), "correct").unwrap();
    assert!(contents.certificates.iter().all(|certificate| certificate.key.is_none()));
    assert!(matches!(PfxContents::open(b"junk", ""), Err(PfxError::Unreadable(_))));
    assert!(!PfxContents::looks_like_one(&decode(fixtures::LEAF)) && !PfxContents::looks_like_one(b"0"));
}

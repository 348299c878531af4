//! The certificate rows of section 5.2, straight and through handshakes.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateRevocationListParams, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, RevokedCertParams, SanType, SerialNumber,
};

use super::*;
use crate::alert::AlertDescription;
use crate::status::ErrorStatus;

fn judge(
    verifier: &dyn PeerVerifier,
    chain: &[&[u8]],
    edit: impl FnOnce(&mut PeerChain<'_>),
) -> Result<(), ErrorStatus> {
    let mut peer = PeerChain::new(PeerRole::Server, chain[0], &chain[1..], noon());
    edit(&mut peer);
    verifier.verify(&peer).map_err(|rejection| rejection.status)
}

fn trusting(roots: &[&[u8]]) -> TrustedRoots {
    TrustedRoots::new(roots.iter().map(|root| root.to_vec()).collect()).unwrap()
}

#[test]
fn chain_dates_names_and_usage() {
    let (known, unknown) = (Authority::new("Known"), Authority::new("Unknown"));
    let key = KeyPair::generate().unwrap();
    let roots = trusting(&[&known.der]);
    let good = known.certificate(&key, &["a.example", "*.wild.example", "192.0.2.7", "2001:db8::7"], |_| ());
    for name in ["a.example", "A.EXAMPLE", "a.example.", "x.wild.example", "192.0.2.7", "2001:db8::7"] {
        assert_eq!(judge(&roots, &[&good], |peer| peer.name = Some(name)), Ok(()), "{name}");
    }
    for name in [
        "b.example",
        "wild.example",
        "x.y.wild.example",
        "192.0.2.8",
        "2001:db8::8",
        "",
        "a b",
        "a.example..",
    ] {
        let outcome = judge(&roots, &[&good], |peer| peer.name = Some(name));
        assert_eq!(outcome, Err(ErrorStatus::WrongPrincipal), "{name:?}");
    }
    assert_eq!(judge(&roots, &[&good], |_| ()), Ok(()));
    let stranger = unknown.certificate(&key, &["a.example"], |_| ());
    assert_eq!(judge(&roots, &[&stranger], |_| ()), Err(ErrorStatus::UntrustedRoot));
    assert_eq!(judge(&roots, &[&stranger, &unknown.der], |_| ()), Err(ErrorStatus::UntrustedRoot));
    assert_eq!(judge(&trusting(&[]), &[&good], |_| ()), Err(ErrorStatus::UntrustedRoot));

    let short = known.certificate(&key, &["a.example"], |params| {
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2021, 1, 1);
    });
    let at = |day| judge(&roots, &[&short], |peer| peer.now = UNIX_EPOCH + days(day));
    assert_eq!(at(18_400), Ok(()));
    assert_eq!(at(18_000), Err(ErrorStatus::CertExpired));
    assert_eq!(at(19_000), Err(ErrorStatus::CertExpired));

    let usage = |purpose| {
        known.certificate(&key, &["a.example"], |params| params.extended_key_usages = vec![purpose])
    };
    let (server, client) =
        (usage(ExtendedKeyUsagePurpose::ServerAuth), usage(ExtendedKeyUsagePurpose::ClientAuth));
    assert_eq!(judge(&roots, &[&server], |_| ()), Ok(()));
    assert_eq!(judge(&roots, &[&client], |_| ()), Err(ErrorStatus::CertWrongUsage));
    assert_eq!(judge(&roots, &[&client], |peer| peer.role = PeerRole::Client), Ok(()));
    let server_as_client = judge(&roots, &[&server], |peer| peer.role = PeerRole::Client);
    assert_eq!(server_as_client, Err(ErrorStatus::CertWrongUsage));

    assert_eq!(judge(&roots, &[b"junk"], |_| ()), Err(ErrorStatus::CertUnknown));
    let authority_leaf = known.certificate(&key, &["a.example"], |params| {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    });
    assert_eq!(judge(&roots, &[&authority_leaf], |_| ()), Err(ErrorStatus::CertUnknown));
}

#[test]
fn a_self_signed_certificate_is_trusted_as_leaf_and_as_root() {
    let key = KeyPair::generate().unwrap();
    for is_ca in [IsCa::NoCa, IsCa::ExplicitNoCa, IsCa::Ca(BasicConstraints::Unconstrained)] {
        let mut params = named("self", &["self.example"]);
        params.is_ca = is_ca;
        params.not_after = rcgen::date_time_ymd(2030, 1, 1);
        let own = params.self_signed(&key).unwrap().der().to_vec();
        let roots = trusting(&[&own]);
        assert_eq!(judge(&roots, &[&own], |peer| peer.name = Some("self.example")), Ok(()));
        let wrong_name = judge(&roots, &[&own], |peer| peer.name = Some("other.example"));
        assert_eq!(wrong_name, Err(ErrorStatus::WrongPrincipal));
        let late = judge(&roots, &[&own], |peer| peer.now = UNIX_EPOCH + days(30_000));
        assert_eq!(late, Err(ErrorStatus::CertExpired));
        let early = judge(&roots, &[&own], |peer| peer.now = UNIX_EPOCH);
        assert_eq!(early, Err(ErrorStatus::CertExpired));

        // To everybody else it is a stranger, whatever it says of itself.
        let stranger = judge(&trusting(&[&Authority::new("Other").der]), &[&own], |_| ());
        assert_eq!(stranger, Err(ErrorStatus::UntrustedRoot));
        let impostor = params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec();
        assert!(judge(&roots, &[&impostor], |_| ()).is_err());
    }
    let mut for_clients = named("self", &["self.example"]);
    for_clients.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let own = for_clients.self_signed(&key).unwrap().der().to_vec();
    assert_eq!(judge(&trusting(&[&own]), &[&own], |_| ()), Err(ErrorStatus::CertWrongUsage));
    assert_eq!(judge(&trusting(&[&own]), &[&own], |peer| peer.role = PeerRole::Client), Ok(()));

    let authority = Authority::new("Root");
    let leaf = authority.certificate(&key, &["a.example"], |_| ());
    assert_eq!(judge(&trusting(&[&authority.der]), &[&leaf, &authority.der], |_| ()), Ok(()));
}

#[test]
fn a_root_that_is_no_certificate_is_refused() {
    let error = TrustedRoots::new(vec![b"junk".to_vec()]).unwrap_err();
    assert_eq!(error.status(), ErrorStatus::UnknownCredentials);
    let builder = OutboundCredentials::builder().trust(Trust::Roots(vec![b"junk".to_vec()]));
    assert_eq!(builder.acquire().unwrap_err().status(), ErrorStatus::UnknownCredentials);
    let lists = trusting(&[]).with_revocation_lists(vec![b"junk".to_vec()]);
    assert_eq!(lists.unwrap_err().status(), ErrorStatus::UnknownCredentials);
}

#[test]
fn roots_are_read_from_pem() {
    let certificates: Vec<_> = ["one", "two"]
        .map(|name| named(name, &[]).self_signed(&KeyPair::generate().unwrap()).unwrap())
        .into_iter()
        .collect();
    let pem = certificates.iter().map(|certificate| certificate.pem()).collect::<String>();
    let Ok(Trust::Roots(roots)) = Trust::roots_from_pem(pem.as_bytes()) else { panic!("they are good") };
    assert_eq!(roots, certificates.iter().map(|certificate| certificate.der().to_vec()).collect::<Vec<_>>());
    for bad in ["", "junk", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"] {
        let error = Trust::roots_from_pem(bad.as_bytes()).unwrap_err();
        assert_eq!(error.status(), ErrorStatus::UnknownCredentials, "{bad}");
    }
}

#[test]
fn revocation_is_revoked_unknown_or_offline() {
    let key = KeyPair::generate().unwrap();
    let mut params = named("Root", &[]);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let der = params.self_signed(&key).unwrap().der().to_vec();
    let authority = Authority { der, issuer: Issuer::new(params, key) };
    let key = KeyPair::generate().unwrap();
    let leaf = authority.certificate(&key, &["a.example"], |_| ());
    let list = |serial: u64, until| {
        let list = CertificateRevocationListParams {
            this_update: rcgen::date_time_ymd(2020, 1, 1),
            next_update: rcgen::date_time_ymd(until, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: vec![RevokedCertParams {
                serial_number: SerialNumber::from(serial),
                revocation_time: rcgen::date_time_ymd(2020, 1, 1),
                reason_code: None,
                invalidity_date: None,
            }],
            key_identifier_method: rcgen::KeyIdMethod::Sha256,
        };
        let list = list.signed_by(&authority.issuer).unwrap().der().to_vec();
        trusting(&[&authority.der]).with_revocation_lists(vec![list]).unwrap()
    };
    let asked = |verifier: &TrustedRoots, flags| judge(verifier, &[&leaf], |peer| peer.flags = flags);
    let (end, chain) = (VerifyFlags::REVOCATION_CHECK_END_CERT, VerifyFlags::REVOCATION_CHECK_CHAIN);
    for flags in [VerifyFlags::empty(), end, chain, end | VerifyFlags::IGNORE_NO_REVOCATION_CHECK] {
        assert_eq!(asked(&list(4711, 2090), flags), Err(ErrorStatus::CryptERevoked), "{flags:?}");
        assert_eq!(asked(&list(4712, 2090), flags), Ok(()), "{flags:?}");
    }
    let outdated = list(4712, 2021);
    assert_eq!(asked(&outdated, end), Err(ErrorStatus::CryptERevocationOffline));
    assert_eq!(asked(&outdated, end | VerifyFlags::IGNORE_REVOCATION_OFFLINE), Ok(()));
    assert_eq!(asked(&outdated, VerifyFlags::empty()), Ok(()));
    let without_lists = trusting(&[&authority.der]);
    assert_eq!(asked(&without_lists, chain), Err(ErrorStatus::CryptENoRevocationCheck));
    assert_eq!(asked(&without_lists, chain | VerifyFlags::IGNORE_NO_REVOCATION_CHECK), Ok(()));
    assert_eq!(asked(&without_lists, VerifyFlags::IGNORE_NO_REVOCATION_CHECK), Ok(()));
}

#[test]
fn every_refusal_reaches_the_peer_as_the_alert_of_section_5_2() {
    #[derive(Debug)]
    struct Refuses(ErrorStatus);
    impl PeerVerifier for Refuses {
        fn verify(&self, _: &PeerChain<'_>) -> Result<(), Rejection> {
            Err(Rejection::new(self.0).because("the test says so"))
        }
    }
    let server = InboundCredentials::builder().identity(Authority::new("Root").identity(&["a.example"]));
    let server = server.acquire().unwrap();
    for (status, alert) in [
        (ErrorStatus::UntrustedRoot, 48),
        (ErrorStatus::CertExpired, 45),
        (ErrorStatus::CryptERevoked, 44),
        (ErrorStatus::CryptENoRevocationCheck, 46),
        (ErrorStatus::CryptERevocationOffline, 46),
        (ErrorStatus::WrongPrincipal, 42),
        (ErrorStatus::CertWrongUsage, 43),
        (ErrorStatus::CertUnknown, 46),
        (ErrorStatus::LogonDenied, 46),
    ] {
        assert_eq!(Rejection::new(status).alert, AlertDescription(alert), "{status:?}");
        let client = OutboundCredentials::builder().trust(Trust::Custom(Arc::new(Refuses(status))));
        let outcome = connect(&client.acquire().unwrap(), &server, "a.example");
        assert_eq!(alert_of(&outcome.server), alert, "{status:?}");
        let rejection = outcome.client_slot.rejection.unwrap();
        assert_eq!(outcome.client_slot.validation, Some(Err(rejection.clone())));
        let error = crate::status::Error::from(rejection);
        assert_eq!((error.status(), error.reason()), (status, "the test says so"));
        assert_eq!(error.alert().map(|sent| sent.description), Some(AlertDescription(alert)));
        assert_eq!(outcome.client_slot.peer_chain.len(), 1, "the chain is kept when it is refused");
    }
}

#[test]
fn refusals_of_real_chains_through_handshakes() {
    let (known, unknown) = (Authority::new("Known"), Authority::new("Unknown"));
    let expired = |params: &mut CertificateParams| params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    let future = |params: &mut CertificateParams| params.not_before = rcgen::date_time_ymd(2090, 1, 1);
    let usage = |params: &mut CertificateParams| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    };
    let address = |params: &mut CertificateParams| {
        params.subject_alt_names = vec![SanType::IpAddress([192, 0, 2, 7].into())];
    };
    let p256 = &rcgen::PKCS_ECDSA_P256_SHA256;
    let names = &["a.example"];
    let wrong = Err(ErrorStatus::WrongPrincipal);
    for (identity, name, expected, alert) in [
        (known.identity(names), "a.example", Ok(()), 0),
        (known.identity_with(p256, names, address), "192.0.2.7", Ok(()), 0),
        (known.identity_with(p256, names, address), "192.0.2.8", wrong, 42),
        (known.identity(names), "b.example", wrong, 42),
        (unknown.identity(names), "a.example", Err(ErrorStatus::UntrustedRoot), 48),
        (known.identity_with(p256, names, expired), "a.example", Err(ErrorStatus::CertExpired), 45),
        (known.identity_with(p256, names, future), "a.example", Err(ErrorStatus::CertExpired), 45),
        (known.identity_with(p256, names, usage), "a.example", Err(ErrorStatus::CertWrongUsage), 43),
    ] {
        for version in [Protocols::TLS1_2, Protocols::TLS1_3] {
            let server = InboundCredentials::builder().identity(identity.clone()).acquire().unwrap();
            let client =
                OutboundCredentials::builder().protocols(version).trust(known.trust()).acquire().unwrap();
            let outcome = connect(&client, &server, name);
            let status =
                outcome.client_slot.validation.clone().unwrap().map_err(|rejection| rejection.status);
            assert_eq!(status, expected, "{name} {version:?}");
            match expected {
                Ok(()) => drop(outcome.succeeded()),
                Err(_) => assert_eq!(alert_of(&outcome.server), alert, "{name} {version:?}"),
            }
        }
    }
}

#[test]
fn the_name_is_checked_unless_the_credential_says_not_to() {
    let authority = Authority::new("Root");
    let server =
        InboundCredentials::builder().identity(authority.identity(&["a.example"])).acquire().unwrap();
    let builder = OutboundCredentials::builder().trust(authority.trust());
    let unchecked = builder.clone().server_name_check(false).acquire().unwrap();
    connect(&unchecked, &server, "b.example").succeeded();
    let checked = builder.acquire().unwrap();
    assert!(connect(&checked, &server, "b.example").client.is_err());
    let nameless = ConnectionSlot { no_target: true, ..ConnectionSlot::default() };
    let outcome = connect_with(&checked, &server, "192.0.2.1", nameless, ConnectionSlot::default());
    let told = outcome.client_slot.rejection.unwrap();
    assert_eq!((told.status, told.alert), (ErrorStatus::WrongPrincipal, AlertDescription::BAD_CERTIFICATE));
    let nameless = ConnectionSlot { no_target: true, ..ConnectionSlot::default() };
    connect_with(&unchecked, &server, "192.0.2.1", nameless, ConnectionSlot::default()).succeeded();
    let stranger =
        OutboundCredentials::builder().trust(Authority::new("Other").trust()).server_name_check(false);
    assert!(connect(&stranger.acquire().unwrap(), &server, "b.example").client.is_err());
}

#[test]
fn manual_validation_accepts_and_deferred_validation_tells() {
    let authority = Authority::new("Root");
    let server =
        InboundCredentials::builder().identity(authority.identity(&["a.example"])).acquire().unwrap();
    let strict = OutboundCredentials::builder().trust(Authority::new("Other").trust());
    for version in [Protocols::TLS1_2, Protocols::TLS1_3] {
        let strict = strict.clone().protocols(version);
        let manual = strict.clone().validation(Validation::Manual).acquire().unwrap();
        let outcome = connect(&manual, &server, "a.example").succeeded();
        assert_eq!(outcome.client_slot.validation, None);
        assert_eq!(outcome.client_slot.peer_chain.len(), 1);

        let deferred = strict.clone().validation(Validation::Deferred).acquire().unwrap();
        let outcome = connect(&deferred, &server, "a.example").succeeded();
        let told = outcome.client_slot.validation.unwrap().unwrap_err();
        assert_eq!((told.status, outcome.client_slot.rejection), (ErrorStatus::UntrustedRoot, None));
        let again = connect(&deferred, &server, "a.example").succeeded();
        assert!(!again.resumed(), "a refused peer leaves no session");

        let automatic = strict.acquire().unwrap();
        let per_context = ConnectionSlot { manual_validation: true, ..ConnectionSlot::default() };
        connect_with(&automatic, &server, "a.example", per_context, ConnectionSlot::default()).succeeded();
        let per_context = ConnectionSlot { deferred_validation: true, ..ConnectionSlot::default() };
        let outcome = connect_with(&automatic, &server, "a.example", per_context, ConnectionSlot::default());
        let told = outcome.succeeded().client_slot.validation.unwrap().unwrap_err();
        assert_eq!(told.status, ErrorStatus::UntrustedRoot);
        assert!(connect(&automatic, &server, "a.example").client.is_err(), "and leaves no way in for others");
    }
}

#[cfg(feature = "system-trust")]
#[test]
fn the_systems_roots_do_not_know_a_stranger() {
    let key = KeyPair::generate().unwrap();
    let mut own = named("self", &["self.example"]);
    own.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let own = own.self_signed(&key).unwrap().der().to_vec();
    let stranger = Authority::new("Root").certificate(&key, &["self.example"], |_| ());
    let system = platform::SystemTrust::default();
    for certificate in [&own, &stranger] {
        for name in [Some("self.example"), None] {
            for role in [PeerRole::Server, PeerRole::Client] {
                let outcome = judge(&system, &[certificate], |peer| {
                    peer.name = name;
                    peer.role = role;
                });
                assert_eq!(outcome, Err(ErrorStatus::UntrustedRoot), "{name:?} {role:?}");
            }
        }
    }
}

/// Alpine and OpenBSD have a bundle only, others directories only, most have both.
#[cfg(all(feature = "system-trust", unix))]
#[test]
fn roots_are_found_in_bundles_and_in_directories() {
    let directory = std::env::temp_dir().join(format!("openschannel-roots-{}", std::process::id()));
    let (bundle, single) = (directory.join("bundle.pem"), directory.join("certs").join("one.pem"));
    std::fs::create_dir_all(single.parent().unwrap()).unwrap();
    let made = ["One", "Two", "Three"].map(|name| {
        let mut params = named(name, &[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap()
    });
    std::fs::write(&bundle, made[0].pem() + &made[1].pem()).unwrap();
    std::fs::write(&single, made[1].pem() + &made[2].pem()).unwrap();
    let found = platform::roots_in(
        [&*directory.join("none.pem"), &*bundle].into_iter(),
        [single.parent().unwrap()].into_iter(),
    );
    std::fs::remove_dir_all(&directory).unwrap();
    assert_eq!(found.len(), 3, "each once");
    assert!(made.iter().all(|made| found.contains(&made.der().to_vec())));
}

/// In a process of its own, whose environment names nothing. Apple's keychain is read with the environment only.
#[cfg(all(feature = "system-trust", unix, not(target_vendor = "apple")))]
#[test]
fn without_the_environment_the_systems_roots_are_all_there() {
    use std::process::Command;

    const NAME: &str =
        "credentials::tests::validation::without_the_environment_the_systems_roots_are_all_there";
    if ["SSL_CERT_FILE", "SSL_CERT_DIR"].into_iter().all(|name| std::env::var_os(name).is_none()) {
        let found = system_roots_without_environment();
        assert!(system_roots().iter().all(|root| found.contains(root)));
        return;
    }
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", NAME]).env_remove("SSL_CERT_FILE").env_remove("SSL_CERT_DIR");
    let output = child.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

/// In a process of its own, whose environment names another root.
#[cfg(all(feature = "system-trust", unix))]
#[test]
fn the_environment_adds_roots_only_where_it_is_heard() {
    use std::process::Command;

    const ROOT: &str = "OPENSCHANNEL_TEST_ROOT";
    const NAME: &str = "credentials::tests::validation::the_environment_adds_roots_only_where_it_is_heard";
    if let Some(root) = std::env::var_os(ROOT) {
        let root = std::fs::read(root).unwrap();
        let Trust::Roots(added) = Trust::roots_from_pem(&root).unwrap() else { panic!("roots") };
        assert!(system_roots().contains(&added[0]));
        assert!(!system_roots_without_environment().contains(&added[0]));
        return;
    }
    let file = std::env::temp_dir().join(format!("openschannel-root-{}.pem", std::process::id()));
    let mut params = named("Root", &[]);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    std::fs::write(&file, params.self_signed(&KeyPair::generate().unwrap()).unwrap().pem()).unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", NAME]).env(ROOT, &file).env("SSL_CERT_FILE", &file);
    let output = child.output().unwrap();
    std::fs::remove_file(&file).unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

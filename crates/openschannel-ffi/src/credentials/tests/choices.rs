//! What credentials negotiate, whom they trust and what they resume.

use openschannel::SecurityContext;
use openschannel::attributes::Protocol;
use openschannel::credentials::{ClientAuth, KeyAlgorithm, PrivateKey, Protocols, Validation};
use openschannel::status::{Error, SuccessStatus};
use openschannel::{Role, TokenBuffer};

use super::super::common::{NAME, deliver};
use super::super::crypto_settings::{Denied, Parameters};
use super::*;
use crate::types::{SessionTicketKey, SessionTicketKeys, attribute};

fn parameters(alpn: &[&str], disabled_protocols: u32, denied: Vec<Denied>) -> Parameters {
    let alpn = alpn.iter().map(|id| id.as_bytes().to_vec()).collect();
    Parameters { alpn, disabled_protocols, denied, optional: false }
}

fn deny(usage: i32, name: &str) -> Denied {
    Denied::new(usage, name, Vec::new(), 0, 0).unwrap()
}

#[test]
fn parameters_hold_for_the_contexts_they_name() {
    let mut asked = request(CLIENT);
    asked.parameters = vec![
        parameters(&[], 0, vec![deny(0, "x25519")]),
        parameters(&["h2", "h3"], 0x800, Vec::new()),
        parameters(&["http/1.1"], 0x2000, Vec::new()),
    ];
    let credential = credential(asked);
    let with = |ids: &[&str]| {
        let ids: Vec<_> = ids.iter().map(|id| id.as_bytes().to_vec()).collect();
        credential.outbound(Some(&ids)).map(|found| (found.protocols(), found.groups().len()))
    };
    assert_eq!(credential.outbound(None).unwrap().protocols(), Protocols::SUPPORTED);
    assert_eq!(with(&[]), Ok((Protocols::SUPPORTED, 2)));
    assert_eq!(with(&["spdy"]), Ok((Protocols::SUPPORTED, 2)));
    assert_eq!(with(&["spdy", "h2"]), Ok((Protocols::TLS1_3, 2)));
    assert_eq!(with(&["http/1.1"]), Ok((Protocols::TLS1_2, 2)));
    assert_eq!(with(&["h2", "http/1.1"]).unwrap_err().status(), ErrorStatus::AlgorithmMismatch);
}

#[test]
fn a_deny_list_may_hold_any_protocol_bits() {
    let structure = |disabled_protocols| {
        let one = TlsParameters {
            alpn_id_count: 0,
            alpn_ids: std::ptr::null_mut(),
            disabled_protocols,
            disabled_crypto_count: 0,
            disabled_crypto: std::ptr::null_mut(),
            flags: 0,
        };
        let tls_parameters = Vec::leak(vec![one]).as_mut_ptr();
        SchCredentials { tls_parameter_count: 1, tls_parameters, ..sch_credentials() }
    };
    let client = |bits| acquired(CLIENT, &structure(bits)).map(|c| c.outbound(None).unwrap().protocols());
    let server = |bits| acquired(SERVER, &structure(bits)).map(|c| c.inbound(None).unwrap().protocols());
    assert_eq!(client(!0x2800), Ok(Protocols::SUPPORTED), "Qt's way");
    assert_eq!(client(!0x800), Ok(Protocols::TLS1_2));
    assert_eq!(client(0x1000), Ok(Protocols::SUPPORTED), "the other side's bit");
    assert_eq!(server(0x1000), Ok(Protocols::TLS1_2));
    assert_eq!(client(u32::MAX), Err(ErrorStatus::AlgorithmMismatch));
    assert_eq!(server(0x1400), Err(ErrorStatus::AlgorithmMismatch));
}

#[test]
fn optional_parameters_are_a_preference() {
    let mut asked = request(SERVER);
    let optional =
        Parameters { optional: true, ..parameters(&[], u32::MAX, vec![deny(0, "ECDH"), deny(3, "SHA384")]) };
    asked.parameters = vec![optional];
    let server = credential(asked).inbound(None).unwrap();
    assert_eq!(server.protocols(), Protocols::SUPPORTED);
    let suites: Vec<_> = server.cipher_suites().iter().map(|suite| suite.id()).collect();
    assert_eq!(suites, [0x1301, 0xc02b, 0xc02f, 0x1302, 0xc02c, 0xc030]);
    assert_eq!(server.groups().len(), 3);
}

#[test]
fn denied_signatures_are_not_negotiated() {
    // Both certificates are there; the client does not take ECDSA, so it is shown the RSA one.
    for protocols in [Protocols::TLS1_2, Protocols::TLS1_3] {
        let mut asked = request(CLIENT);
        asked.protocols = protocols;
        asked.parameters = vec![parameters(&[], 0, vec![deny(1, "ECDSA"), deny(1, "Ed25519")])];
        let pair = connected(&credential(asked), &credential(request(SERVER)));
        let shown = pair.client.remote_certificates().unwrap()[0].clone();
        assert_eq!(Some(shown.as_slice()), identity(&CERTIFICATES.rsa).chain().next(), "{protocols:?}");
        let offered = pair.server.attributes().unwrap().supported_signatures().to_vec();
        assert!(
            offered.iter().all(|scheme| !matches!(scheme, 0x0403 | 0x0503 | 0x0603 | 0x0807)),
            "{offered:x?}"
        );
    }
}

#[test]
fn denied_signatures_are_not_made() {
    let mut asked = request(SERVER);
    asked.parameters = vec![parameters(&[], 0, vec![deny(1, "ECDSA")])];
    let pair = connected(&credential(request(CLIENT)), &credential(asked));
    let shown = pair.client.remote_certificates().unwrap()[0].clone();
    assert_eq!(Some(shown.as_slice()), identity(&CERTIFICATES.rsa).chain().next());
}

/// An RSA key behind a provider that knows no PSS.
#[derive(Debug)]
struct OldKey(Identity);

impl PrivateKey for OldKey {
    fn algorithm(&self) -> KeyAlgorithm {
        KeyAlgorithm::Rsa
    }

    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<SignatureScheme> {
        let known: Vec<_> = offered.iter().copied().filter(|scheme| scheme.0 & 0xFF == 1).collect();
        self.0.key().choose_scheme(&known)
    }

    fn sign(&self, scheme: SignatureScheme, message: &[u8]) -> Result<Vec<u8>, Error> {
        self.0.key().sign(scheme, message)
    }
}

#[test]
fn keys_that_cannot_sign_for_tls_1_3_leave_tls_1_2() {
    let rsa = identity(&CERTIFICATES.rsa);
    let chain = rsa.chain().map(<[u8]>::to_vec).collect();
    let old = Identity::new(chain, Arc::new(OldKey(rsa))).unwrap();
    let mut asked = request(SERVER);
    asked.identities = vec![old.clone()];
    let pair = connected(&credential(request(CLIENT)), &credential(asked));
    assert_eq!(pair.client.attributes().unwrap().protocol(), Protocol::Tls12);

    let mut beside = request(SERVER);
    beside.identities.push(old.clone());
    assert_eq!(credential(beside).inbound(None).unwrap().protocols(), Protocols::SUPPORTED);
    let mut only = request(CLIENT);
    only.identities = vec![old];
    only.protocols = Protocols::TLS1_3;
    assert_eq!(credential(only).outbound(None).unwrap().protocols(), Protocols::TLS1_3, "there is no other");
}

#[test]
fn who_validates() {
    use cred_flags as f;
    let table = [
        (0, Validation::Automatic, Validation::Automatic),
        (f::AUTO_CRED_VALIDATION, Validation::Automatic, Validation::Automatic),
        (f::AUTO_CRED_VALIDATION | f::MANUAL_CRED_VALIDATION, Validation::Manual, Validation::Manual),
        (f::DEFERRED_CRED_VALIDATION, Validation::Deferred, Validation::Deferred),
        (f::DEFERRED_CRED_VALIDATION | f::MANUAL_CRED_VALIDATION, Validation::Manual, Validation::Manual),
        (f::NO_SYSTEM_MAPPER, Validation::Automatic, Validation::Manual),
        (f::NO_SYSTEM_MAPPER | f::DEFERRED_CRED_VALIDATION, Validation::Deferred, Validation::Deferred),
    ];
    for (flags, client, server) in table {
        assert_eq!(flags::validation(flags, false), client, "{flags:#x}");
        assert_eq!(flags::validation(flags, true), server, "{flags:#x}");
    }
}

#[test]
fn the_structure_says_how_tickets_are_met() {
    let manual = cred_flags::MANUAL_CRED_VALIDATION;
    let four = acquired(CLIENT, &SchannelCred { flags: manual, ..schannel_cred() }).unwrap();
    let five = acquired(CLIENT, &SchCredentials { flags: manual, ..sch_credentials() }).unwrap();
    let server = credential(request(SERVER)).inbound(None).unwrap();
    for (client, expected) in [(four, SuccessStatus::Ok), (five, SuccessStatus::Renegotiate)] {
        let client = client.outbound(None).unwrap();
        let mut pair = Pair::establish(&client, &server, &ContextOptions::default());
        assert_eq!(pair.client.decrypt_message(&mut pair.to_client).unwrap().status, expected);
    }
}

/// The client's answer to the server's first flight.
fn client_sees(flags: u32, target: &str, trusted: bool) -> Result<SuccessStatus, ErrorStatus> {
    let mut asked = request(CLIENT);
    asked.flags = flags;
    if !trusted {
        asked.trust = Trust::Roots(vec![identity(&CERTIFICATES.client).chain().next().unwrap().to_vec()]);
    }
    let client = credential(asked).outbound(None).unwrap();
    let server = credential(request(SERVER)).inbound(None).unwrap();
    let options = ContextOptions::default();
    let mut hello = TokenBuffer::allocate();
    let (mut client, _) = SecurityContext::initialize(&client, Some(target), &options, &mut hello).unwrap();
    let mut flight = TokenBuffer::allocate();
    SecurityContext::accept(&server, &options, &hello.into_vec(), &mut flight).unwrap();
    let flight = flight.into_vec();
    let outcome = client.initialize_security_context(None, &flight, &mut TokenBuffer::allocate());
    outcome.map(|outcome| outcome.status).map_err(|error| error.status())
}

#[test]
fn flags_reach_the_validation_of_servers() {
    use cred_flags as f;
    let done = Ok(SuccessStatus::Ok);
    assert_eq!(client_sees(0, NAME, true), done);
    assert_eq!(client_sees(0, "other.test", true), Err(ErrorStatus::WrongPrincipal));
    assert_eq!(client_sees(f::NO_SERVERNAME_CHECK, "other.test", true), done);
    assert_eq!(client_sees(f::NO_SERVERNAME_CHECK, NAME, false), Err(ErrorStatus::UntrustedRoot));
    assert_eq!(client_sees(f::MANUAL_CRED_VALIDATION, "other.test", false), done);
    assert_eq!(client_sees(f::DEFERRED_CRED_VALIDATION, NAME, false), done);
}

#[test]
fn flags_reach_the_validation_of_clients() {
    for (flags, passes) in
        [(0, false), (cred_flags::NO_SYSTEM_MAPPER, true), (cred_flags::MANUAL_CRED_VALIDATION, true)]
    {
        let mut asked = request(SERVER);
        asked.flags = flags;
        asked.trust = Trust::Roots(vec![identity(&CERTIFICATES.rsa).chain().next().unwrap().to_vec()]);
        let mut client = request(CLIENT);
        client.identities = vec![identity(&CERTIFICATES.client)];
        let options = ContextOptions { client_auth: Some(ClientAuth::Request), ..ContextOptions::default() };
        let (client, server) = (credential(client), credential(asked));
        let mut pair = Pair::begin(&client.outbound(None).unwrap(), &server.inbound(None).unwrap(), &options);
        let finished = deliver(&mut pair.client, &mut pair.to_client);
        let outcome = pair.server.accept_security_context(&finished, &mut TokenBuffer::allocate());
        assert_eq!(outcome.is_ok(), passes, "{flags:#x}");
        assert!(pair.side(Role::Server).remote_certificates().is_ok());
    }
}

fn resumes(client: Request, server: Request) -> bool {
    let (client, server) = (credential(client), credential(server));
    assert!(!resumed(&connected(&client, &server)));
    resumed(&connected(&client, &server))
}

#[test]
fn lifespan_and_flags_decide_about_resumption() {
    for protocols in [Protocols::TLS1_2, Protocols::TLS1_3] {
        let with = |side, lifespan, flags| Request { lifespan, flags, protocols, ..request(side) };
        let none = cred_flags::DISABLE_RECONNECTS;
        assert!(resumes(with(CLIENT, 0, 0), with(SERVER, 0, 0)));
        assert!(resumes(with(CLIENT, 60_000, 0), with(SERVER, u32::MAX, 0)));
        assert!(!resumes(with(CLIENT, u32::MAX, 0), with(SERVER, 0, 0)));
        assert!(!resumes(with(CLIENT, 0, 0), with(SERVER, 0, none)));
        assert!(!resumes(with(CLIENT, 0, none), with(SERVER, 0, 0)));
    }
}

#[test]
fn servers_with_the_same_ticket_keys_resume_each_others_sessions() {
    let key = |number: u8| SessionTicketKey {
        ticket_info_version: 0,
        key_id: [number; 16],
        keying_material: [number; 64],
        keying_material_len: 64,
    };
    let give = |credential: &Credential, keys: &mut [SessionTicketKey]| {
        let keys = SessionTicketKeys { count: u32::try_from(keys.len()).unwrap(), keys: keys.as_mut_ptr() };
        let from: *const c_void = std::ptr::from_ref(&keys).cast();
        // SAFETY: the structure is there, and its keys.
        unsafe { set(credential, attribute::SESSION_TICKET_KEYS, from, 16) }
    };
    for protocols in [Protocols::TLS1_2, Protocols::TLS1_3] {
        let side = |side| Request { protocols, ..request(side) };
        let (client, one, two) =
            (credential(side(CLIENT)), credential(side(SERVER)), credential(side(SERVER)));
        connected(&client, &one);
        assert!(!resumed(&connected(&client, &two)), "they share nothing yet");
        give(&one, &mut [key(1)]).unwrap();
        give(&two, &mut [key(2), key(1)]).unwrap();
        let client = credential(side(CLIENT));
        connected(&client, &one);
        assert!(resumed(&connected(&client, &two)), "{protocols:?}");
        assert!(!resumed(&connected(&client, &one)), "one does not know key 2: {protocols:?}");
    }

    let (client, server) = (credential(request(CLIENT)), credential(request(SERVER)));
    assert_eq!(give(&client, &mut [key(1)]), Err(ErrorStatus::UnsupportedFunction));
    assert_eq!(give(&server, &mut []), Err(ErrorStatus::InvalidParameter));
    assert_eq!(give(&server, &mut [key(1); 17]), Err(ErrorStatus::InvalidParameter));
    for wrong in [
        SessionTicketKey { ticket_info_version: 1, ..key(1) },
        SessionTicketKey { keying_material_len: 16, ..key(1) },
        SessionTicketKey { keying_material_len: 65, ..key(1) },
    ] {
        assert_eq!(give(&server, &mut [wrong]), Err(ErrorStatus::InvalidParameter));
    }
    let bytes = [0u8; 16];
    let from: *const c_void = bytes.as_ptr().cast();
    for (attribute, from, len, expected) in [
        (0x74, from, 16, ErrorStatus::UnsupportedFunction),
        (attribute::SESSION_TICKET_KEYS, std::ptr::null(), 16, ErrorStatus::InternalError),
        (attribute::SESSION_TICKET_KEYS, from, 15, ErrorStatus::BufferTooSmall),
    ] {
        // SAFETY: there are 16 bytes, or none.
        assert_eq!(unsafe { set(&server, attribute, from, len) }, Err(expected));
    }
}

//! Certificates as C programs hold them.

use super::super::common::NAME;
use super::*;
use crate::certificates::{
    CERT_CONTEXT, CertFreeCertificateContext, OpenSchannelImportPem, certificate_context,
};

/// A certificate of a program's; given back when it goes.
struct Held(*const CERT_CONTEXT);

impl Held {
    fn with_key(pair: &(String, String)) -> Self {
        let mut context = std::ptr::null();
        let (chain, key) = (pair.0.as_bytes(), pair.1.as_bytes());
        let (chain_len, key_len) = (u32::try_from(chain.len()).unwrap(), u32::try_from(key.len()).unwrap());
        let (chain, key) = (chain.as_ptr(), key.as_ptr());
        // SAFETY: both buffers are there.
        let done = unsafe {
            OpenSchannelImportPem(chain, chain_len, key, key_len, std::ptr::null_mut(), &raw mut context)
        };
        assert_ne!(done, 0);
        Self(context)
    }

    fn without_key(pair: &(String, String)) -> Self {
        let chain: Vec<_> = identity(pair).chain().map(<[u8]>::to_vec).collect();
        Self(certificate_context(&chain).unwrap())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // SAFETY: it is held once.
        unsafe { CertFreeCertificateContext(self.0) };
    }
}

fn acquire_with(side: u32, held: &[&Held]) -> [Result<Credential, ErrorStatus>; 2] {
    let mut creds: Vec<_> = held.iter().map(|one| one.0).collect();
    let (cred_count, creds) = (u32::try_from(creds.len()).unwrap(), creds.as_mut_ptr());
    let manual = cred_flags::MANUAL_CRED_VALIDATION;
    [
        acquired(side, &SchannelCred { cred_count, creds, flags: manual, ..schannel_cred() }),
        acquired(side, &SchCredentials { cred_count, creds, flags: manual, ..sch_credentials() }),
    ]
}

#[test]
fn what_is_needed_is_taken_at_once() {
    let (ecdsa, rsa) = (Held::with_key(&CERTIFICATES.ecdsa), Held::with_key(&CERTIFICATES.rsa));
    let servers = acquire_with(SERVER, &[&ecdsa, &rsa]);
    let clients = acquire_with(CLIENT, &[&rsa, &ecdsa]);
    drop((ecdsa, rsa));
    for server in servers {
        let server = server.unwrap();
        assert_eq!(server.inbound(None).unwrap().identities().len(), 2);
        let pair = connected(&credential(request(CLIENT)), &server);
        assert_eq!(pair.server.attributes().unwrap().server_name(), Some(NAME));
    }
    for client in clients {
        let client = client.unwrap().outbound(None).unwrap();
        let shown = client.identity().unwrap().chain().next().unwrap().to_vec();
        assert_eq!(
            Some(shown.as_slice()),
            identity(&CERTIFICATES.rsa).chain().next(),
            "the first one counts"
        );
    }
}

#[test]
fn keys_that_are_not_there() {
    let (good, bare) = (Held::with_key(&CERTIFICATES.ecdsa), Held::without_key(&CERTIFICATES.ecdsa));
    for side in [CLIENT, SERVER] {
        for answer in acquire_with(side, &[&bare]) {
            assert_eq!(answer.err(), Some(ErrorStatus::NoCredentials));
        }
        for held in [[&good, &bare], [&bare, &good]] {
            for answer in acquire_with(side, &held) {
                assert_eq!(answer.err(), Some(ErrorStatus::UnknownCredentials));
            }
        }
    }
}

//! Which of a server's certificates a client gets.

use std::sync::Arc;

use rustls::client::verify_server_name;
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::ServerName;

use super::signing::restricted;
use super::{Identity, SignatureScheme, slot};

/// Section 6.1: the first whose key fits and whose names match, else the first whose key fits.
#[derive(Debug)]
pub(super) struct IdentityResolver {
    keys: Vec<Arc<CertifiedKey>>,
}

impl IdentityResolver {
    pub(super) fn new(identities: &[Identity], allowed: Option<&Arc<[SignatureScheme]>>) -> Self {
        Self { keys: identities.iter().map(|identity| restricted(identity.certified(), allowed)).collect() }
    }

    fn choose(
        &self,
        server_name: Option<&str>,
        fits: impl Fn(&CertifiedKey) -> bool,
    ) -> Option<&Arc<CertifiedKey>> {
        // One that fits nothing fails later, and then with the alert for that: 40.
        let only = match self.keys.as_slice() {
            [only] => return Some(only),
            keys => keys.first()?,
        };
        let mut fitting = self.keys.iter().filter(|key| fits(key)).peekable();
        let first = fitting.peek().copied().unwrap_or(only);
        let name = server_name.and_then(|name| ServerName::try_from(name).ok());
        Some(name.and_then(|name| fitting.find(|key| is_for(key, &name))).unwrap_or(first))
    }
}

impl ResolvesServerCert for IdentityResolver {
    /// The engine has already struck those schemes out that none of the common TLS 1.2 suites can be used with.
    fn resolve(&self, client_hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let schemes = client_hello.signature_schemes();
        let chosen = self.choose(client_hello.server_name(), |key| key.key.choose_scheme(schemes).is_some());
        slot::current(|slot| {
            slot.server_name = client_hello.server_name().map(str::to_owned);
            slot.peer_signature_schemes = schemes.iter().map(|&scheme| scheme.into()).collect();
            slot.no_certificate = chosen.is_none();
            slot.unfit_key = chosen.is_some_and(|key| key.key.choose_scheme(schemes).is_none());
            slot.local_key = chosen.cloned();
        });
        chosen.cloned()
    }
}

fn is_for(key: &CertifiedKey, name: &ServerName<'_>) -> bool {
    let Ok(leaf) = key.end_entity_cert() else { return false };
    ParsedCertificate::try_from(leaf).is_ok_and(|certificate| verify_server_name(&certificate, name).is_ok())
}

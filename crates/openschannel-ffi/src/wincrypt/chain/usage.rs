//! What certificates may be used for.

use x509_parser::extensions::ExtendedKeyUsage;

use crate::wincrypt::certificate::Parsed;

/// `CERT_USAGE_MATCH`
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct UsageMatch {
    /// USAGE_MATCH_TYPE_OR: one is enough.
    pub(super) one_is_enough: bool,
    pub(super) oids: Vec<String>,
}

impl UsageMatch {
    /// None: everything is allowed.
    pub(super) fn is_met_by(&self, allowed: Option<&[String]>) -> bool {
        let Some(allowed) = allowed else { return true };
        let mut wanted = self.oids.iter();
        match self.one_is_enough {
            true => self.oids.is_empty() || wanted.any(|oid| allowed.contains(oid)),
            false => wanted.all(|oid| allowed.contains(oid)),
        }
    }
}

/// The object identifiers of extended key usage; None for any usage.
pub(in crate::wincrypt) fn usages(certificate: &Parsed) -> Option<Vec<String>> {
    let certificate = certificate.x509()?;
    let usage = match certificate.extended_key_usage() {
        Ok(usage) => usage?.value,
        // An extension that cannot be read allows nothing.
        Err(_) => return Some(Vec::new()),
    };
    if usage.any {
        return None;
    }
    Some(usage_names(usage))
}

/// The object identifiers in the extension, the one for any usage aside.
pub(in crate::wincrypt) fn usage_names(usage: &ExtendedKeyUsage<'_>) -> Vec<String> {
    let named = [
        (usage.server_auth, "1.3.6.1.5.5.7.3.1"),
        (usage.client_auth, "1.3.6.1.5.5.7.3.2"),
        (usage.code_signing, "1.3.6.1.5.5.7.3.3"),
        (usage.email_protection, "1.3.6.1.5.5.7.3.4"),
        (usage.time_stamping, "1.3.6.1.5.5.7.3.8"),
        (usage.ocsp_signing, "1.3.6.1.5.5.7.3.9"),
    ];
    let named = named.iter().filter(|(allowed, _)| *allowed).map(|(_, oid)| (*oid).to_owned());
    named.chain(usage.other.iter().map(|oid| oid.to_id_string())).collect()
}

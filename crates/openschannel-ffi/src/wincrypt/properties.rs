//! Properties: what is attached to a certificate.

use super::certificate::Properties;

/// `CERT_KEY_PROV_INFO_PROP_ID`
pub(super) const KEY_PROV_INFO: u32 = 2;
/// `CERT_FRIENDLY_NAME_PROP_ID`
pub(super) const FRIENDLY_NAME: u32 = 11;

impl Properties {
    /// Whether the caller says where its private key is, which is never here.
    pub(super) fn names_a_key(&self) -> bool {
        self.values.contains_key(&KEY_PROV_INFO)
    }
}

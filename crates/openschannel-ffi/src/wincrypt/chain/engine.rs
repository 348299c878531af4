//! Chain engines: which roots count, and where else to look.

use crate::wincrypt::types::HCERTSTORE;

/// What CertCreateCertificateChainEngine was told.
#[derive(Debug, Default)]
pub(in crate::wincrypt) struct Engine {
    /// Roots count only if they are in here too, on top of being trusted.
    pub(super) restricted_root: Option<HCERTSTORE>,
    /// The only roots, in the place of the system's.
    pub(super) exclusive_root: Option<HCERTSTORE>,
    /// Whether the exclusive roots need not be self-signed.
    pub(super) any_root: bool,
    /// Where issuers are looked for, beside the usual places.
    pub(super) additional: Vec<HCERTSTORE>,
}

// SAFETY: the handles are numbers.
unsafe impl Send for Engine {}
// SAFETY: as above.
unsafe impl Sync for Engine {}

impl Engine {
    /// The stores it keeps open.
    pub(in crate::wincrypt) fn stores(&self) -> impl Iterator<Item = HCERTSTORE> {
        self.restricted_root.iter().chain(&self.exclusive_root).chain(&self.additional).copied()
    }
}

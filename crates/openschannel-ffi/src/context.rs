//! What the C ABI keeps beside a security context.

use std::sync::Arc;

use openschannel::Role;

use crate::attributes::Requested;
use crate::credentials::Credential;

/// Lives as long as the context.
#[derive(Debug)]
pub(crate) struct Companion {
    pub(crate) role: Role,
    /// The credential of the first call: later calls may leave it out (section 2.4).
    pub(crate) credential: Arc<Credential>,
    /// The attribute bits the last token call returned: SECPKG_ATTR_FLAGS.
    pub(crate) returned: u32,
    /// What SetContextAttributes left for later queries.
    pub(crate) requested: Requested,
}

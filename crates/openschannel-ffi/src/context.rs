//! What the C ABI keeps beside a security context.

use std::sync::Arc;

use crate::attributes::Requested;
use crate::credentials::Credential;

/// Lives as long as the context.
#[derive(Debug)]
pub(crate) struct Companion {
    /// The credential of the first call: later calls may leave it out (section 2.4).
    pub(crate) credential: Arc<Credential>,
    /// Input that is still to be looked at.
    pub(crate) held: Held,
    /// The attribute bits the last token call returned: SECPKG_ATTR_FLAGS.
    pub(crate) returned: u32,
    /// What SetContextAttributes left for later queries.
    pub(crate) requested: Requested,
}

/// Input the library keeps because not every caller does: behind SEC_I_INCOMPLETE_CREDENTIALS some hand the same bytes in again, others
/// (SslStream, Qt) have dropped them and come with an empty token.
#[derive(Debug, Default)]
pub(crate) enum Held {
    #[default]
    Nothing,
    /// The whole token of that call.
    Unanswered(Vec<u8>),
    /// What was left of it when it was answered from here: it goes before the next token.
    Rest(Vec<u8>),
}

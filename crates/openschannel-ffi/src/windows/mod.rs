//! On Windows: certificates and keys are the system's, and what is not Schannel's is passed on to it.

pub(crate) mod certificates;
pub(crate) mod strings;
pub(crate) mod system;

//! On Windows: certificates and keys are the system's.

pub(crate) mod certificates;

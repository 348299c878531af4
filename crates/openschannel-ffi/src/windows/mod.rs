//! On Windows: certificates and keys are the system's, and so is whatever of `secur32.dll` is not Schannel's.

pub(crate) mod callers;
pub(crate) mod certificates;
mod forward;
mod forward_names;
mod modules;
mod names;
pub(crate) mod strings;
pub(crate) mod system;

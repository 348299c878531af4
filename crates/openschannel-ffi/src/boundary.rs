//! The edge between C and Rust: no panic crosses it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use openschannel::status::{ErrorStatus, SuccessStatus};

use crate::types::SecurityStatusCode;

/// How a call ended: the status, both halves of section 1.10.
pub(crate) type Answer = Result<SuccessStatus, ErrorStatus>;

/// Runs the body of an exported function that answers with a SECURITY_STATUS. A panic becomes SEC_E_INTERNAL_ERROR; what the body held
/// locked is left as [`crate::handles`] says.
pub(crate) fn status(body: impl FnOnce() -> Answer) -> SecurityStatusCode {
    // Nothing the body touches is looked at again behind a panic without its own check: tables by generation, contexts by their state.
    let answer = catch_unwind(AssertUnwindSafe(body)).unwrap_or(Err(ErrorStatus::InternalError));
    code(match answer {
        Ok(status) => status.code(),
        Err(status) => status.code(),
    })
}

/// Runs the body of an exported function that answers with anything else; `fallen` is the answer behind a panic.
pub(crate) fn value<T>(fallen: T, body: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or(fallen)
}

/// A status of the provider's as C sees it: negative for errors.
pub(crate) const fn code(status: u32) -> SecurityStatusCode {
    status.cast_signed()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic, reason = "it is what is tested")]

    use super::*;

    #[test]
    fn a_panic_becomes_an_internal_error() {
        assert_eq!(status(|| panic!("inside")), code(0x8009_0304));
        assert_eq!(status(|| Ok(SuccessStatus::ContextExpired)), 0x0009_0317);
        assert_eq!(status(|| Err(ErrorStatus::ContextExpired)), code(0x8009_0317));
        assert_eq!(value(7, || panic!("inside")), 7);
    }
}

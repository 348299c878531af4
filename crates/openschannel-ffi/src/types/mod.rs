//! The C structures and constants, as Windows lays them out on 64-bit systems (section 1). `unsigned long` is 32 bits wide here on
//! every system, `SEC_WCHAR` 16.

mod attributes;
mod schannel;
mod sspi;

pub use crate::certificates::{CERT_CONTEXT, HCERTSTORE};
pub use attributes::*;
pub use schannel::*;
pub use sspi::*;

/// A SECURITY_STATUS as it crosses the C boundary.
pub type SecurityStatusCode = i32;

/// UTF-16 code unit, `SEC_WCHAR`.
pub type SecWchar = u16;

/// Checks a structure's size and the offsets of fields against section 1.
macro_rules! layout {
    ($type:ty, $size:literal $(, $field:ident @ $offset:literal)* $(,)?) => {
        #[cfg(target_pointer_width = "64")]
        const _: () = {
            assert!(::core::mem::size_of::<$type>() == $size);
            $(assert!(::core::mem::offset_of!($type, $field) == $offset);)*
        };
    };
}
pub(crate) use layout;

//! What a name of `secur32.dll` that is not Schannel's does: the system's function of that name is called with the same arguments.
//! Where there is none the answer is a refusal of the kind callers of that name understand.

use core::ffi::{CStr, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;

use openschannel::status::ErrorStatus;
use windows_sys::Win32::Foundation::SetLastError;

use super::system;

/// The system's function of one name, looked for at the first call.
pub(super) struct Forward {
    name: &'static CStr,
    found: OnceLock<Option<Address>>,
}

#[derive(Clone, Copy)]
struct Address(*const c_void);

// SAFETY: a function's address is the same for every thread.
unsafe impl Send for Address {}
// SAFETY: as above.
unsafe impl Sync for Address {}

impl Forward {
    pub(super) const fn new(name: &'static CStr) -> Self {
        Self { name, found: OnceLock::new() }
    }

    pub(super) fn find(&self) -> Option<*const c_void> {
        // No panic goes out to C from here.
        let look = || system::function(self.name).map(Address);
        let found = self.found.get_or_init(|| catch_unwind(AssertUnwindSafe(look)).unwrap_or(None));
        found.map(|address| address.0)
    }
}

/// How a call is refused.
#[derive(Clone, Copy)]
pub(super) enum Refusal {
    /// A SECURITY_STATUS: SEC_E_UNSUPPORTED_FUNCTION.
    Unsupported,
    /// A SECURITY_STATUS where a package is asked for by name: SEC_E_SECPKG_NOT_FOUND.
    NoPackage,
    /// An NTSTATUS: STATUS_NOT_IMPLEMENTED.
    NotImplemented,
    /// A BOOLEAN: FALSE, with this last error.
    False(u32),
    /// A Win32 error code: ERROR_CALL_NOT_IMPLEMENTED.
    Win32,
    /// Nothing is returned, or nothing was done: 0.
    Nothing,
}

/// `ERROR_NONE_MAPPED`: no such name.
pub(super) const NONE_MAPPED: u32 = 1332;
/// `ERROR_CANT_ACCESS_DOMAIN_INFO`: this machine is in no domain.
pub(super) const NO_DOMAIN: u32 = 1351;
/// `ERROR_CALL_NOT_IMPLEMENTED`
pub(super) const CALL_NOT_IMPLEMENTED: u32 = 120;

impl Refusal {
    /// What comes back in the register for results.
    pub(super) fn answer(self) -> usize {
        const STATUS_NOT_IMPLEMENTED: u32 = 0xC000_0002;
        let code = match self {
            Self::Unsupported => ErrorStatus::UnsupportedFunction.code(),
            Self::NoPackage => ErrorStatus::SecpkgNotFound.code(),
            Self::NotImplemented => STATUS_NOT_IMPLEMENTED,
            Self::Win32 => CALL_NOT_IMPLEMENTED,
            Self::Nothing => 0,
            Self::False(error) => {
                // SAFETY: sets a number of this thread's.
                unsafe { SetLastError(error) };
                0
            }
        };
        code as usize
    }
}

/// Exports functions under these names. Every argument is a machine word, however it is declared in C: that is how they are passed.
macro_rules! forwards {
    ($($name:ident($($argument:ident),*) else $refusal:expr;)+) => {
        $(
            #[doc = concat!("`", stringify!($name), "`: passed on to the system's; refused where it has none.")]
            ///
            /// # Safety
            /// As the system's function of that name says.
            #[unsafe(no_mangle)]
            pub unsafe extern "system" fn $name($($argument: usize),*) -> usize {
                static FUNCTION: Forward = Forward::new(forwards!(@name $name));
                let Some(function) = FUNCTION.find() else { return $refusal.answer() };
                // SAFETY: the system's function of this name takes these arguments, and returns at most a word.
                let function = unsafe {
                    core::mem::transmute::<*const core::ffi::c_void, unsafe extern "system" fn($(forwards!(@word $argument)),*) -> usize>(function)
                };
                // SAFETY: the caller's arguments as they came.
                unsafe { function($($argument),*) }
            }
        )+
    };
    (@word $argument:ident) => { usize };
    (@name $name:ident) => {{
        const NAME: &core::ffi::CStr = match core::ffi::CStr::from_bytes_with_nul(concat!(stringify!($name), "\0").as_bytes()) {
            Ok(name) => name,
            Err(_) => c"",
        };
        NAME
    }};
}
pub(super) use forwards;

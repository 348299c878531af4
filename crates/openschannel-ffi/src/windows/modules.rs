//! The system's own DLLs, loaded when they are first needed and by their full path: a DLL of the same name beside the program, which
//! this one may be, does not come in between.

use core::ffi::{CStr, c_void};

use windows_sys::Win32::Foundation::{HMODULE, MAX_PATH};
use windows_sys::Win32::System::LibraryLoader::{
    GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS, GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT, GetModuleHandleExW,
    GetProcAddress, LOAD_WITH_ALTERED_SEARCH_PATH, LoadLibraryExW,
};
use windows_sys::Win32::System::SystemInformation::GetSystemDirectoryW;

/// Whether the system is Wine. Its DLLs export names that raise an exception when they are called, and a name's address does not tell.
pub(super) fn is_wine() -> bool {
    Module::system("ntdll.dll").is_some_and(|ntdll| ntdll.function(c"wine_get_version").is_some())
}

/// Whether the address lies in this library.
pub(super) fn is_ours(address: *const c_void) -> bool {
    let here = containing((is_ours as fn(*const c_void) -> bool) as *const c_void);
    here.is_some() && containing(address) == here
}

/// The loaded DLL, or the program, that the address lies in.
pub(super) fn containing(address: *const c_void) -> Option<HMODULE> {
    let flags = GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT;
    let mut module = core::ptr::null_mut();
    // SAFETY: with this flag the name is an address, which is not read; the module goes to a variable.
    let found = unsafe { GetModuleHandleExW(flags, address.cast(), &raw mut module) };
    (found != 0).then_some(module)
}

/// A loaded DLL. It stays loaded, as what it has given out may be in use until the process ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Module(HMODULE);

// SAFETY: a module's handle is its address, the same for every thread.
unsafe impl Send for Module {}
// SAFETY: as above.
unsafe impl Sync for Module {}

impl Module {
    /// Loads `name` from the system's directory.
    pub(super) fn system(name: &str) -> Option<Self> {
        let mut path = [0; MAX_PATH as usize];
        // SAFETY: writes at most the length that is named.
        let len = unsafe { GetSystemDirectoryW(path.as_mut_ptr(), MAX_PATH) } as usize;
        let directory = path.get(..len).filter(|directory| !directory.is_empty())?;
        let path: Vec<u16> = directory
            .iter()
            .copied()
            .chain("\\".encode_utf16())
            .chain(name.encode_utf16())
            .chain([0])
            .collect();
        // SAFETY: the path is terminated. The flag makes what the DLL imports come from beside it.
        let module =
            unsafe { LoadLibraryExW(path.as_ptr(), core::ptr::null_mut(), LOAD_WITH_ALTERED_SEARCH_PATH) };
        (!module.is_null()).then_some(Self(module))
    }

    pub(super) const fn handle(self) -> HMODULE {
        self.0
    }

    /// The address of an exported function.
    pub(super) fn function(self, name: &CStr) -> Option<*const c_void> {
        // SAFETY: the module stays loaded, and the name is terminated.
        let function = unsafe { GetProcAddress(self.0, name.as_ptr().cast()) };
        function.map(|function| function as *const c_void)
    }
}

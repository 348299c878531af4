//! The system's own SSPI, where it can be reached without coming back here.
//!
//! On Windows `secur32.dll` forwards to `sspicli.dll`; under Wine it is the other way round, so that `sspicli.dll` leads to whatever
//! `secur32.dll` the process has: this one. Both are asked, in that order, and what they give is taken only if it does not lie in
//! this library.

use core::ffi::{CStr, c_void};
use core::mem::offset_of;
use std::sync::OnceLock;

use super::modules::{Module, is_ours};
use crate::function_table::SecurityFunctionTable;
use crate::types::SecWchar;

/// The system's W functions. Looked for once; never from DllMain, where nothing may be loaded.
pub(crate) fn table_w() -> Option<&'static SecurityFunctionTable<SecWchar>> {
    static TABLE: OnceLock<Option<SecurityFunctionTable<SecWchar>>> = OnceLock::new();
    TABLE.get_or_init(|| table(c"InitSecurityInterfaceW")).as_ref()
}

/// The system's A functions.
pub(crate) fn table_a() -> Option<&'static SecurityFunctionTable<u8>> {
    static TABLE: OnceLock<Option<SecurityFunctionTable<u8>>> = OnceLock::new();
    TABLE.get_or_init(|| table(c"InitSecurityInterfaceA")).as_ref()
}

/// The system's function of this name.
pub(super) fn function(name: &CStr) -> Option<*const c_void> {
    modules().iter().filter_map(|module| module.function(name)).find(|&function| !is_ours(function))
}

fn modules() -> &'static [Module] {
    static MODULES: OnceLock<Vec<Module>> = OnceLock::new();
    MODULES.get_or_init(|| {
        let names = ["sspicli.dll", "secur32.dll"];
        names
            .into_iter()
            .filter_map(Module::system)
            .filter(|module| !is_ours(module.handle().cast_const()))
            .collect()
    })
}

/// Functions of a table in version 1, with how many there are in all in the versions after it (section 1.13).
const ENTRIES: [usize; 5] = [26, 27, 28, 29, 31];

/// A copy of the system's table that is as long as ours: an older one ends earlier, and its missing entries are holes here.
fn table<C>(init: &CStr) -> Option<SecurityFunctionTable<C>> {
    let init = function(init)?;
    // SAFETY: both functions of this name take nothing and return a table.
    let init =
        unsafe { core::mem::transmute::<*const c_void, unsafe extern "system" fn() -> *const Raw>(init) };
    // SAFETY: it may be called at any time.
    let source = unsafe { init() };
    if source.is_null() {
        return None;
    }
    // SAFETY: every table begins with its version.
    let version = unsafe { (*source).version };
    let known = usize::try_from(version).ok()?.checked_sub(1)?;
    let count = ENTRIES.get(known).or(ENTRIES.last()).copied()?;
    let mut raw = Raw { version, entries: [None; 31] };
    let first = source.wrapping_byte_add(offset_of!(Raw, entries)).cast::<Entry>();
    for (index, entry) in raw.entries.iter_mut().enumerate().take(count) {
        // SAFETY: the version says that the table reaches that far.
        let place = unsafe { first.add(index) };
        // SAFETY: the version says that the table has this entry.
        *entry = unsafe { *place };
    }
    // A table whose functions are ours leads back here.
    let mut entries = raw.entries.iter().flatten();
    if entries.any(|&entry| is_ours(entry as *const c_void)) {
        return None;
    }
    // SAFETY: the same layout, with functions or holes in all places.
    Some(unsafe { core::mem::transmute_copy::<Raw, SecurityFunctionTable<C>>(&raw) })
}

type Entry = Option<unsafe extern "system" fn()>;

#[repr(C)]
struct Raw {
    version: u32,
    entries: [Entry; 31],
}

const _: () = assert!(size_of::<Raw>() == size_of::<SecurityFunctionTable<SecWchar>>());
const _: () = assert!(size_of::<Raw>() == size_of::<SecurityFunctionTable<u8>>());

//! Callers that TLS 1.3 does not work with.

use core::ffi::c_void;

use windows_sys::Win32::System::Diagnostics::Debug::RtlCaptureStackBackTrace;
use windows_sys::Win32::System::LibraryLoader::GetModuleHandleW;
use windows_sys::core::w;

use super::modules::{containing, is_wine};

/// Frames that are looked at: those of this library and of a function table's caller are fewer.
const FRAMES: u32 = 32;

/// Whether a client is being acquired by Wine's winhttp.dll or wininet.dll. Theirs (of Wine 8) do not send what comes with SEC_E_OK, in
/// TLS 1.2 nothing, in TLS 1.3 the client's Finished, without which the server has no connection.
pub(crate) fn drop_the_last_token() -> bool {
    if !is_wine() {
        return false;
    }
    let names = [w!("winhttp.dll"), w!("wininet.dll")];
    // SAFETY: the names are terminated; a DLL that is not loaded is null.
    let modules = names.map(|name| unsafe { GetModuleHandleW(name) });
    let mut frames = [core::ptr::null_mut::<c_void>(); FRAMES as usize];
    // SAFETY: writes at most as many addresses as there is room for.
    let count = unsafe { RtlCaptureStackBackTrace(0, FRAMES, frames.as_mut_ptr(), core::ptr::null_mut()) };
    let callers = frames.iter().take(usize::from(count));
    callers.filter_map(|&frame| containing(frame)).any(|module| modules.contains(&module))
}

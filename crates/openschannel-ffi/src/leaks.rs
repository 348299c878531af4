//! `OPENSCHANNEL_DEBUG=leaks`: what is still alive when the process ends goes to stderr, a line each.

use std::ffi::c_int;
use std::io::Write;
use std::sync::Once;

use crate::certificates;
use crate::debug;
use crate::handles::{contexts, credentials};
use crate::memory;

unsafe extern "C" {
    fn atexit(callback: extern "C" fn()) -> c_int;
}

/// Arranges for the report, once, if it is wanted. Called wherever something is made that may leak.
pub(crate) fn watch() {
    static WATCH: Once = Once::new();
    WATCH.call_once(|| {
        if debug::has(&debug::words(), "leaks") {
            // SAFETY: the callback lives as long as the library, takes nothing and does not unwind.
            unsafe { atexit(report) };
        }
    });
}

extern "C" fn report() {
    crate::boundary::value((), || {
        let blocks = memory::outstanding();
        let buffers = blocks.iter().map(|len| format!("buffer of {len} bytes (FreeContextBuffer)"));
        let all: Vec<String> = contexts()
            .live()
            .into_iter()
            .chain(credentials().live())
            .chain(buffers)
            .chain(certificates::outstanding())
            .collect();
        let mut stderr = std::io::stderr().lock();
        // A closed stderr is no reason to fail at the very end.
        writeln!(stderr, "openschannel: {} alive at exit", all.len()).ok();
        for one in all {
            writeln!(stderr, "openschannel: leaked {one}").ok();
        }
    });
}

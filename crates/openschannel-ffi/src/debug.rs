//! The environment variable OPENSCHANNEL_DEBUG: words, however they are separated and whatever their case.

/// Its value; empty where it is not set.
pub(crate) fn words() -> String {
    std::env::var_os("OPENSCHANNEL_DEBUG")
        .map(|words| words.to_string_lossy().into_owned())
        .unwrap_or_default()
}

/// Whether whoever set the environment has the rights of the program: not so where the program took more by itself, as a set-user-ID
/// program does.
pub(crate) fn is_trusted() -> bool {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        use core::ffi::c_ulong;
        unsafe extern "C" {
            fn getauxval(kind: c_ulong) -> c_ulong;
        }
        /// Whether the kernel has started the program in its secure mode.
        const AT_SECURE: c_ulong = 23;
        // SAFETY: it takes a number and gives one.
        unsafe { getauxval(AT_SECURE) == 0 }
    }
    #[cfg(all(unix, not(any(target_os = "linux", target_os = "android"))))]
    {
        unsafe extern "C" {
            fn issetugid() -> core::ffi::c_int;
        }
        // SAFETY: it takes nothing and gives a number.
        unsafe { issetugid() == 0 }
    }
    #[cfg(not(unix))]
    true
}

/// Whether `words` has this one.
pub(crate) fn has(words: &str, wanted: &str) -> bool {
    words.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word.eq_ignore_ascii_case(wanted))
}

//! The environment variable OPENSCHANNEL_DEBUG: words, however they are separated and whatever their case.

use std::ffi::OsString;

/// Its value; empty where it is not set, and in a program that has more rights than whoever runs it: the environment is that one's.
pub(crate) fn words() -> String {
    believed(std::env::var_os("OPENSCHANNEL_DEBUG"), has_borrowed_rights())
}

/// Whether `words` has this one.
pub(crate) fn has(words: &str, wanted: &str) -> bool {
    words.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word.eq_ignore_ascii_case(wanted))
}

fn believed(words: Option<OsString>, borrowed_rights: bool) -> String {
    let words = words.filter(|_| !borrowed_rights);
    words.map(|words| words.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Whether the program was started with rights that its caller does not have: set-user-ID, set-group-ID, file capabilities. Windows has
/// no such programs.
pub(crate) fn has_borrowed_rights() -> bool {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        use core::ffi::c_ulong;

        const AT_SECURE: c_ulong = 23;
        unsafe extern "C" {
            safe fn getauxval(kind: c_ulong) -> c_ulong;
        }
        return getauxval(AT_SECURE) != 0;
    }
    #[cfg(any(
        target_vendor = "apple",
        target_os = "freebsd",
        target_os = "netbsd",
        target_os = "openbsd",
        target_os = "dragonfly",
        target_os = "illumos",
        target_os = "solaris"
    ))]
    {
        unsafe extern "C" {
            safe fn issetugid() -> core::ffi::c_int;
        }
        return issetugid() != 0;
    }
    #[allow(unreachable_code, reason = "where a system has been asked")]
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_somebody_with_fewer_rights_are_not_heard() {
        let words = || Some(OsString::from("keylog"));
        assert_eq!(believed(words(), false), "keylog");
        assert_eq!(believed(words(), true), "");
        assert_eq!(believed(None, false), "");
        assert!(!has_borrowed_rights(), "tests are run with the rights of who runs them");
    }
}

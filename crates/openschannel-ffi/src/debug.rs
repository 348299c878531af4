//! The environment variable OPENSCHANNEL_DEBUG: words, however they are separated and whatever their case.

/// Its value; empty where it is not set.
pub(crate) fn words() -> String {
    std::env::var_os("OPENSCHANNEL_DEBUG")
        .map(|words| words.to_string_lossy().into_owned())
        .unwrap_or_default()
}

/// Whether `words` has this one.
pub(crate) fn has(words: &str, wanted: &str) -> bool {
    words.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word.eq_ignore_ascii_case(wanted))
}

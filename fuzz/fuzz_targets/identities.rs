//! See `identities`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| openschannel_fuzz::identities::identities(data));

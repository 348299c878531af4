//! See `certificates`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| openschannel_fuzz::certificates::certificates(data));

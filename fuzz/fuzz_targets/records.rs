//! See `connection::disturbed`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| openschannel_fuzz::connection::disturbed(data));

//! What a client makes of a server's tokens.
#![no_main]

use openschannel::Role;

libfuzzer_sys::fuzz_target!(|data: &[u8]| openschannel_fuzz::tokens::tokens(Role::Client, data));

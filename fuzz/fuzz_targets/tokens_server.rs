//! What a server makes of a client's tokens.
#![no_main]

use openschannel::Role;

libfuzzer_sys::fuzz_target!(|data: &[u8]| openschannel_fuzz::tokens::tokens(Role::Server, data));

//! The provider against other TLS implementations, and each of them against the provider, on loopback.
//!
//! `interop/peers/setup` installs the peers; then `cargo test --release -p openschannel-interop -- --include-ignored`. A peer that is
//! missing fails its tests.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests, and what they share is no different")]

mod conversations;
mod curl;
mod ffi_headers;
mod gnutls;
mod go;
mod java;
mod nginx;
mod no_reset;
mod nss;
mod openssl_client_certs;
mod openssl_closing;
mod openssl_key_update;
mod openssl_resumption;
mod openssl_suites;
mod post_quantum;
mod probe_servers;
mod program_closing;
mod program_pfx;

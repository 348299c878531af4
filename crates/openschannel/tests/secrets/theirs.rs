//! What dependencies free unwiped, by the function that does it. SECURITY.md says that nothing is promised about it.
#![allow(dead_code, reason = "other crates' tests use a part of it")]

use std::collections::BTreeSet;

use super::heap::Found;
use super::known::Form;

struct Exception {
    form: Form,
    /// In the secret's name.
    secrets: &'static [&'static str],
    /// One of them freed the block.
    functions: &'static [&'static str],
    why: &'static str,
    /// Met in every run; the others depend on what happened to lie on the stack.
    always: bool,
}

const TLS12: &[&str] = &["CLIENT_RANDOM", "session"];
const TLS13: &[&str] =
    &["CLIENT_HANDSHAKE_", "SERVER_HANDSHAKE_", "CLIENT_TRAFFIC_", "SERVER_TRAFFIC_", "EXPORTER_"];
/// Anybody's.
const IVS: &[&str] = &[" iv"];
const ALL: &[&str] = &[
    "CLIENT_HANDSHAKE_",
    "SERVER_HANDSHAKE_",
    "CLIENT_TRAFFIC_",
    "SERVER_TRAFFIC_",
    "EXPORTER_",
    "CLIENT_RANDOM",
];

const THEIRS: &[Exception] = &[
    Exception {
        form: Form::Raw,
        secrets: TLS12,
        functions: &["rustls::client::tls12::Expect", "rustls::server::tls12::Expect"],
        why: "rustls moves its states, and the master secret in them, out of their boxes",
        always: true,
    },
    Exception {
        form: Form::Raw,
        secrets: TLS13,
        functions: &["rustls::client::tls13::Expect", "rustls::server::tls13::Expect"],
        why: "rustls moves its states, and the key schedule in them, out of their boxes",
        always: true,
    },
    Exception {
        form: Form::Raw,
        secrets: TLS12,
        functions: &["ConnectionSecrets::make_cipher_pair"],
        why: "rustls derives the key block of TLS 1.2 in a vector",
        always: true,
    },
    Exception {
        form: Form::Raw,
        secrets: TLS12,
        functions: &[
            "ServerSessionValue as rustls::msgs::codec::Codec>::encode",
            "rustls::server::tls12::emit_ticket",
            "rustls::server::tls12::client_hello::CompleteClientHelloHandling::handle_client_hello",
            "rustls::server::tls13::client_hello::CompleteClientHelloHandling::attempt_tls13_ticket_decryption",
        ],
        why: "rustls writes a session, its secret included, into a vector that grows, and reads it from one",
        always: true,
    },
    Exception {
        form: Form::Raw,
        secrets: TLS12,
        functions: &[
            "rustls::crypto::aws_lc_rs::ticketer::Rfc5077Ticketer",
            "PaddedBlockEncryptingKey::encrypt",
        ],
        why: "the ticketer of rustls copies what it seals, and keeps what it opens in a vector",
        always: true,
    },
    Exception {
        form: Form::Raw,
        secrets: ALL,
        functions: &["drop<dyn rustls::crypto::cipher::Message"],
        why: "the ciphers of rustls do not wipe their IV",
        always: true,
    },
    Exception {
        form: Form::Raw,
        secrets: ALL,
        functions: &[
            "drop<rustls::client::client_conn::Unbuffered",
            "drop<rustls::server::server_conn::Unbuffered",
        ],
        why: "what rustls had on the stack gets into the unused part of its enums",
        always: false,
    },
    Exception {
        form: Form::Raw,
        secrets: &["CLIENT_TRAFFIC_", "SERVER_TRAFFIC_", "CLIENT_RANDOM"],
        functions: &["drop<openschannel::handshake::tickets::Kept"],
        why: "the same: a connection of rustls lies in it",
        always: false,
    },
    Exception {
        form: Form::Raw,
        secrets: TLS12,
        functions: &["drop<openschannel::context::security_context::Unfinished"],
        why: "what rustls had on the stack gets into the unused part of the enums of an unfinished handshake",
        always: false,
    },
    Exception {
        form: Form::Raw,
        secrets: IVS,
        functions: &["drop<openschannel::context::"],
        why: "the nonce of a key's first record is its IV; it is made on the stack, and gets into the unused part of enums",
        always: false,
    },
    Exception {
        form: Form::Base64,
        secrets: &["private key", "other private key"],
        functions: &["pem_keys", "wincrypt::import::keys", "rustls_pki_types::pem::SliceIter"],
        why: "rustls-pki-types collects the base64 text of a section in a vector",
        always: true,
    },
    Exception {
        form: Form::Raw,
        secrets: &["private key"],
        functions: &["p12_keystore::codec::parse_bags", "drop<p12_keystore::archive::PrivateKeyBag"],
        why: "p12-keystore holds keys in vectors",
        always: true,
    },
    Exception {
        form: Form::Utf16,
        secrets: &["password", "wrong password"],
        functions: &["pkcs12::kdf::derive_key_utf8"],
        why: "pkcs12 spells the password in UTF-16 in a vector that grows",
        always: true,
    },
];

/// Which exceptions were needed.
#[derive(Default)]
pub(crate) struct Seen(BTreeSet<usize>);

impl Seen {
    pub(crate) fn excuses(&mut self, found: &Found) -> bool {
        let freed_by = found.freed_by();
        let place = THEIRS.iter().position(|exception| {
            exception.form == found.form
                && exception.secrets.iter().any(|secret| found.secret.contains(secret))
                && exception.functions.iter().any(|function| freed_by.contains(function))
        });
        self.0.extend(place);
        place.is_some()
    }

    /// Exceptions for nothing.
    pub(crate) fn unused(&self) -> Vec<&'static str> {
        let unused = THEIRS
            .iter()
            .enumerate()
            .filter(|(place, exception)| exception.always && !self.0.contains(place));
        unused.map(|(_, exception)| exception.why).collect()
    }
}

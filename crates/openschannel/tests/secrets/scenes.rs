//! What the provider does with secrets, from the first call to the last drop. What only the test does is unwatched.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use openschannel::credentials::{
    CipherSuite, ClientSessionStore as _, Identity, KeyLog, KeyLogFile, MemoryClientSessions, PfxContents,
    PostHandshake, ServerSessionStore, TicketKey,
};
use openschannel::status::{Error, SuccessStatus};
use openschannel::{
    ContextOptions, ControlToken, KeyUpdateRequest, ReceiveHalf, SecurityContext, SendHalf, TokenBuffer,
};
use tracing::subscriber::with_default;

use super::common::*;
use super::heap::{Freed, clear_stack, unwatched, watched};
use super::known::{Known, Told, canary};
use super::text::Text;

/// What was freed, and what must not be in it.
pub(crate) struct Scene {
    pub(crate) freed: Freed,
    pub(crate) known: Known,
}

/// Named, and made when it is its turn.
pub(crate) type Play = (&'static str, fn() -> Scene);

pub(crate) const ALL: &[Play] = &[
    ("connections", connections),
    ("given up", given_up),
    ("compatible mode", compatible),
    ("identities", identities),
    ("PKCS #12", pfx),
    ("key log file", key_log_file),
];

/// Two connections by each suite and each way to remember sessions, the second one resumed: data, key updates, keying material, both
/// ends, and the credentials at the end.
fn connections() -> Scene {
    let (mut world, mut known) = (World::new(), Known::default());
    let (store, ticket_key) = (Arc::new(Stolen::default()), canary(64));
    known.add("ticket key", &ticket_key);
    known.add("ticket key, extracted", &extracted(&ticket_key));
    let suites = CipherSuite::ALL.iter().filter(|suite| !suite.name().contains("RSA"));
    let ((), freed) = watched(|| {
        for suite in suites {
            for sessions in ["tickets", "shared keys", "store"] {
                // Before the credentials too: reading certificates boxes large values.
                clear_stack();
                let outbound =
                    outbound().cipher_suites(&[*suite]).key_log(world.told.clone()).acquire().unwrap();
                let mut server = inbound().cipher_suites(&[*suite]).key_log(world.told.clone());
                if sessions == "store" {
                    server = server.tickets(false).session_store(store.clone());
                }
                let inbound = server.acquire().unwrap();
                if sessions == "shared keys" {
                    inbound.set_ticket_keys(&[TicketKey::new([1; 16], &ticket_key).unwrap()]).unwrap();
                }
                for round in 0..2 {
                    clear_stack();
                    let mut pair = Pair::begin(&outbound, &inbound, &ContextOptions::default());
                    world.establish(&mut pair, usize::MAX);
                    let resumed = pair.client.attributes().unwrap().session_info().resumed;
                    assert_eq!(resumed, round == 1, "{suite}, {sessions}");
                    park(&mut pair);
                    world.talk(&mut pair);
                    world.export(&pair);
                    park(&mut pair);
                    close(pair);
                }
            }
        }
    });
    known.add("plaintext", &world.data);
    known.add("keying material", &world.exported);
    known.add_logged(&world.told);
    let taken = store.values.lock().unwrap();
    assert!(!taken.is_empty());
    for (number, value) in taken.iter().enumerate() {
        known.add(format!("session {number}"), value);
    }
    Scene { freed, known }
}

/// Left in the middle of a handshake, failed there, and failed later.
fn given_up() -> Scene {
    let (mut world, mut known) = (World::new(), Known::default());
    let ((), freed) = watched(|| {
        for protocols in VERSIONS {
            let outbound = outbound().protocols(protocols).key_log(world.told.clone()).acquire().unwrap();
            let inbound = inbound().protocols(protocols).key_log(world.told.clone()).acquire().unwrap();
            let begin = || {
                clear_stack();
                Pair::begin(&outbound, &inbound, &ContextOptions::default())
            };
            for tokens in 0..4 {
                let mut pair = begin();
                world.establish(&mut pair, tokens);
                // One side is told, the other one is not; then both go.
                if !pair.client.is_established() {
                    control(&mut pair.client, ControlToken::Shutdown);
                }
            }
            for spoilt in 0..4 {
                world.fail_in_handshake(&mut begin(), spoilt);
            }
            let mut pair = begin();
            world.establish(&mut pair, usize::MAX);
            world.talk(&mut pair);
            world.forge(&mut pair);
            // Established, and dropped without a word: after a talk, parked behind one, and never used.
            for (talks, parks) in [(true, false), (true, true), (false, false)] {
                let mut pair = begin();
                world.establish(&mut pair, usize::MAX);
                if talks {
                    world.talk(&mut pair);
                }
                if parks {
                    park(&mut pair);
                }
            }
        }
    });
    known.add("plaintext", &world.data);
    known.add_logged(&world.told);
    Scene { freed, known }
}

/// Post-handshake messages by token calls.
fn compatible() -> Scene {
    let (mut world, mut known) = (World::new(), Known::default());
    let ((), freed) = watched(|| {
        let outbound = outbound().key_log(world.told.clone()).acquire().unwrap();
        let inbound = inbound().key_log(world.told.clone()).acquire().unwrap();
        let options =
            ContextOptions { post_handshake: Some(PostHandshake::Compatible), ..ContextOptions::default() };
        let mut pair = Pair::begin(&outbound, &inbound, &options);
        world.establish(&mut pair, usize::MAX);
        assert!(!pair.to_client.is_empty(), "tickets");
        while !pair.to_client.is_empty() {
            let message = pair.client.decrypt_message(&mut pair.to_client).unwrap();
            assert_eq!(message.status, SuccessStatus::Renegotiate);
            deliver(&mut pair.client, &mut pair.to_client);
        }
        let mut output = TokenBuffer::allocate();
        pair.server.key_update(KeyUpdateRequest::Requested, &mut output).unwrap();
        let mut record = output.into_vec();
        let message = pair.client.decrypt_message(&mut record).unwrap();
        assert_eq!(message.status, SuccessStatus::Renegotiate);
        let mut reply = deliver(&mut pair.client, &mut record);
        // The answer waits for the server as well.
        assert_eq!(pair.server.decrypt_message(&mut reply).unwrap().status, SuccessStatus::Renegotiate);
        deliver(&mut pair.server, &mut reply);
        world.pass(&mut pair.client, &mut pair.server);
        world.pass(&mut pair.server, &mut pair.client);
    });
    known.add("plaintext", &world.data);
    known.add_logged(&world.told);
    Scene { freed, known }
}

/// Private keys, read in every form, refused, and used.
fn identities() -> Scene {
    let mut known = Known::default();
    let (chain, key) = &CERTIFICATES.ecdsa;
    let (_, other) = &CERTIFICATES.client;
    let der = |pem: &str| rcgen::KeyPair::from_pem(pem).unwrap().serialize_der();
    let (key_der, chain_der) = (der(key), identity(&CERTIFICATES.ecdsa).chain().next().unwrap().to_vec());
    known.add_p256("private key", &key_der);
    known.add_p256("other private key", &der(other));
    let many = [other.as_str(), key].concat();
    let ((), freed) = watched(|| {
        Identity::from_pem(chain.as_bytes(), key.as_bytes()).unwrap();
        Identity::from_pem(chain.as_bytes(), many.as_bytes()).unwrap();
        Identity::from_pem(chain.as_bytes(), other.as_bytes()).unwrap_err();
        // Cut short inside the key.
        Identity::from_pem(chain.as_bytes(), &key.as_bytes()[..key.len() - 40]).unwrap_err();
        Identity::from_der(vec![chain_der.clone()], &key_der).unwrap();
        Identity::from_der(vec![chain_der], &key_der[..key_der.len() - 1]).unwrap_err();
    });
    Scene { freed, known }
}

/// PKCS #12 files with the right and with a wrong password.
fn pfx() -> Scene {
    let mut known = Known::default();
    let Pfx { file, password, wrong, .. } = Pfx::new(&mut known);
    let ((), freed) = watched(|| {
        Identity::from_pfx(&file, &password).unwrap();
        Identity::from_pfx(&file, &wrong).unwrap_err();
        Identity::from_pfx(&file[..file.len() / 2], &password).unwrap_err();
        PfxContents::open(&file, &password).unwrap();
        PfxContents::open(&file, &wrong).unwrap_err();
    });
    Scene { freed, known }
}

/// A PKCS #12 file, and what is secret in it.
struct Pfx {
    file: Vec<u8>,
    password: String,
    wrong: String,
    /// PKCS #8.
    key: Vec<u8>,
}

impl Pfx {
    fn new(known: &mut Known) -> Self {
        use p12_keystore::{Certificate, KeyStore, KeyStoreEntry, PrivateKey, PrivateKeyChain};
        let key = rcgen::KeyPair::from_pem(&CERTIFICATES.ecdsa.1).unwrap().serialize_der();
        let [password, wrong] = [canary(70), canary(70)].map(|text| String::from_utf8(text).unwrap());
        known.add_p256("private key", &key);
        known.add("password", password.as_bytes());
        known.add("wrong password", wrong.as_bytes());
        let leaf = identity(&CERTIFICATES.ecdsa).chain().next().unwrap().to_vec();
        let chain = [Certificate::from_der(&leaf).unwrap()];
        let mut store = KeyStore::new();
        let entry = PrivateKeyChain::new("1", PrivateKey::from_der(&key).unwrap(), chain);
        store.add_entry("server", KeyStoreEntry::PrivateKeyChain(entry));
        let file = store.writer(&password).encryption_iterations(100).mac_iterations(100).write().unwrap();
        Self { file, password, wrong, key }
    }
}

/// The text of a key log.
fn key_log_file() -> Scene {
    let mut known = Known::default();
    let secret = canary(48);
    known.add("secret", &secret);
    let path = std::env::temp_dir().join(format!("openschannel-secrets-{}", std::process::id()));
    let ((), freed) = watched(|| {
        let log = KeyLogFile::create(&path).unwrap();
        log.log("CLIENT_TRAFFIC_SECRET_0", &[7; 32], &secret);
    });
    std::fs::remove_file(&path).unwrap();
    Scene { freed, known }
}

/// Everything public that may hold a secret, shown in the states of two connections by each version, with all that is traced meanwhile.
pub(crate) fn shown() -> (Text, Known) {
    let (mut world, mut known, text) = (World::new(), Known::default(), Text::default());
    let (store, ticket_key) = (Arc::new(Stolen::default()), canary(64));
    known.add("ticket key", &ticket_key);
    known.add("ticket key, extracted", &extracted(&ticket_key));
    with_default(text.clone(), || {
        for (protocols, tickets) in
            VERSIONS.into_iter().flat_map(|version| [(version, false), (version, true)])
        {
            let sessions = Arc::new(MemoryClientSessions::default());
            let client =
                outbound().protocols(protocols).key_log(world.told.clone()).session_store(sessions.clone());
            text.show(&client);
            let server = inbound().protocols(protocols).key_log(world.told.clone()).tickets(tickets);
            let server = if tickets { server } else { server.session_store(store.clone()) };
            text.show(&server);
            let (outbound, inbound) = (client.acquire().unwrap(), server.acquire().unwrap());
            if tickets {
                let key = TicketKey::new([1; 16], &ticket_key).unwrap();
                inbound.set_ticket_keys(std::slice::from_ref(&key)).unwrap();
                text.show(&key);
            }
            for _ in 0..2 {
                let mut pair = Pair::begin(&outbound, &inbound, &ContextOptions::default());
                for _ in 0..4 {
                    world.show(&pair, &text);
                    world.establish(&mut pair, 1);
                }
                world.establish(&mut pair, usize::MAX);
                world.talk(&mut pair);
                world.show(&pair, &text);
                park(&mut pair);
                world.show(&pair, &text);
                text.show(&pair.client.attributes().unwrap());
                text.show(&sessions);
                // A caller's buffer in which plaintext lies.
                let mut buffer = unwatched(|| world.data.clone());
                text.show(&TokenBuffer::supplied(&mut buffer));
                if let Some(session) = sessions.get_tls12(NAME).or_else(|| sessions.take_tls13(NAME)) {
                    text.show(&session);
                }
                let (send, receive) = pair.client.split().unwrap();
                text.show(&(&send, &receive));
                pair.client = SecurityContext::join(send, receive).unwrap();
                world.forge(&mut pair);
                world.show(&pair, &text);
            }
            for spoilt in 0..4 {
                let mut pair = Pair::begin(&outbound, &inbound, &ContextOptions::default());
                world.fail_in_handshake(&mut pair, spoilt);
                world.show(&pair, &text);
                text.show(&world.errors);
                for error in world.errors.drain(..) {
                    text.say(&error.to_string());
                }
            }
            text.show(&(&outbound, &inbound));
        }
    });
    with_default(text.clone(), || show_identities(&mut known, &text));
    known.add("plaintext", &world.data);
    known.add_logged(&world.told);
    for (number, value) in store.values.lock().unwrap().iter().enumerate() {
        known.add(format!("session {number}"), value);
    }
    (text, known)
}

/// Identities, their keys, PKCS #12 files, and how they are refused.
fn show_identities(known: &mut Known, text: &Text) {
    let Pfx { file, password, wrong, key } = Pfx::new(known);
    let identity = Identity::from_pfx(&file, &password).unwrap();
    text.show(&(&identity, identity.key()));
    text.show(&PfxContents::open(&file, &password).unwrap());
    let refused = PfxContents::open(&file, &wrong).unwrap_err();
    text.show(&refused);
    text.say(&refused.to_string());
    let chain = || identity.chain().map(<[u8]>::to_vec).collect::<Vec<_>>();
    let pem = &CERTIFICATES.ecdsa.1;
    for error in [
        Identity::from_pfx(&file, &wrong).unwrap_err(),
        Identity::from_pfx(&file[..file.len() / 2], &password).unwrap_err(),
        Identity::from_der(chain(), &key[..key.len() - 1]).unwrap_err(),
        Identity::from_pem(pem.as_bytes(), pem.as_bytes()).unwrap_err(),
        Identity::from_pem(CERTIFICATES.client.0.as_bytes(), pem.as_bytes()).unwrap_err(),
        Identity::from_pem(CERTIFICATES.client.0.as_bytes(), pem.replace("END", "FIN").as_bytes())
            .unwrap_err(),
    ] {
        text.show(&error);
        text.say(&error.to_string());
    }
    let path = std::env::temp_dir().join(format!("openschannel-shown-{}", std::process::id()));
    text.show(&KeyLogFile::create(&path).unwrap());
    std::fs::remove_file(&path).unwrap();
}

/// What the test keeps for itself beside the connections.
struct World {
    told: Arc<Told>,
    data: Vec<u8>,
    /// Caller's memory, for records.
    buffer: Vec<u8>,
    exported: [u8; 48],
    errors: Vec<Error>,
}

impl World {
    fn new() -> Self {
        Self {
            told: Told::new(),
            data: canary(4_000),
            buffer: vec![0; 20_000],
            exported: [0; 48],
            errors: Vec::with_capacity(100),
        }
    }

    fn show(&self, pair: &Pair, text: &Text) {
        for side in [&pair.client, &pair.server] {
            text.show(side);
            text.show(&side.closing_report());
        }
    }

    /// Goes on with a handshake for so many tokens.
    fn establish(&mut self, pair: &mut Pair, tokens: usize) {
        clear_stack();
        if pair.to_client.get(5) == Some(&2) {
            self.told.server_hello(&pair.to_client);
        }
        for _ in 0..tokens {
            if pair.client.is_established() && pair.server.is_established() {
                return;
            }
            let to_client = !pair.client.is_established() && !pair.to_client.is_empty();
            match to_client {
                true => pair.to_server.extend(deliver(&mut pair.client, &mut pair.to_client)),
                false => pair.to_client.extend(deliver(&mut pair.server, &mut pair.to_server)),
            }
        }
    }

    /// As [`World::establish`], with a byte changed in one of the tokens.
    fn fail_in_handshake(&mut self, pair: &mut Pair, spoilt: usize) {
        clear_stack();
        self.told.server_hello(&pair.to_client);
        for token in 0.. {
            let to_client = !pair.to_client.is_empty();
            let (context, wire) = match to_client {
                true => (&mut pair.client, &mut pair.to_client),
                false => (&mut pair.server, &mut pair.to_server),
            };
            if context.is_established() {
                return;
            }
            let mut input = std::mem::take(wire);
            if token == spoilt {
                let last = input.len() - 3;
                input[last] ^= 1;
            }
            let mut output = TokenBuffer::allocate();
            let done = token_call(context, &input, &mut output);
            let told = match &done {
                Ok(_) => output.into_vec(),
                Err(error) => error.alert_record().to_vec(),
            };
            match to_client {
                true => pair.to_server = told,
                false => pair.to_client = told,
            }
            if let Err(error) = done {
                let (context, wire) = match to_client {
                    true => (&mut pair.server, &mut pair.to_server),
                    false => (&mut pair.client, &mut pair.to_client),
                };
                let heard = if context.is_established() {
                    context.decrypt_message(wire).map(drop)
                } else {
                    token_call(context, wire, &mut TokenBuffer::allocate()).map(drop)
                };
                self.errors.extend([error, heard.unwrap_err()]);
                return;
            }
        }
    }

    /// Tickets, data each way, and in TLS 1.3 new keys in between.
    fn talk(&mut self, pair: &mut Pair) {
        pair.settle();
        self.pass(&mut pair.client, &mut pair.server);
        self.pass(&mut pair.server, &mut pair.client);
        if pair.client.attributes().unwrap().protocol().wire_version() == 0x0304 {
            for request in [KeyUpdateRequest::Requested, KeyUpdateRequest::NotRequested] {
                let mut output = TokenBuffer::allocate();
                pair.client.key_update(request, &mut output).unwrap();
                let mut record = output.into_vec();
                pair.server.decrypt_message(&mut record).unwrap();
                // The answer rides behind the data.
                self.pass(&mut pair.server, &mut pair.client);
                self.pass(&mut pair.client, &mut pair.server);
            }
        }
    }

    fn pass(&mut self, from: &mut SecurityContext, to: &mut SecurityContext) {
        let header = from.attributes().unwrap().stream_sizes().header;
        self.buffer[header..][..self.data.len()].copy_from_slice(&self.data);
        let send = from.send_half().unwrap();
        let sealed = send.encrypt_contiguous(&mut self.buffer, self.data.len()).unwrap();
        let mut at = 0;
        while at < sealed {
            let message = to.decrypt_message(&mut self.buffer[at..sealed]).unwrap();
            assert!([0, self.data.len()].contains(&message.data.len()));
            at += message.extra.start;
        }
    }

    /// A record that was changed ends the connection.
    fn forge(&mut self, pair: &mut Pair) {
        self.buffer[13..][..self.data.len()].copy_from_slice(&self.data);
        let send = pair.client.send_half().unwrap();
        let sealed = send.encrypt_contiguous(&mut self.buffer, self.data.len()).unwrap();
        self.buffer[sealed - 1] ^= 1;
        pair.server.decrypt_message(&mut self.buffer[..sealed]).unwrap_err();
        let mut record = control(&mut pair.server, ControlToken::Shutdown);
        pair.client.decrypt_message(&mut record).unwrap_err();
    }

    /// The same keying material on every connection would be found by chance only: the last one's is searched for.
    fn export(&mut self, pair: &Pair) {
        let attributes = pair.server.attributes().unwrap();
        attributes.export_keying_material(b"EXPORTER-test", None, &mut self.exported).unwrap();
        attributes.eap_key_block(b"client EAP encryption", 13).ok();
    }
}

fn park(pair: &mut Pair) {
    for context in [&mut pair.client, &mut pair.server] {
        context.park();
        assert!(context.is_parked());
    }
}

/// Both halves on their own, closed, and one of them joined again.
fn close(pair: Pair) {
    let halves = |context: SecurityContext| -> (SendHalf, ReceiveHalf) { context.split().unwrap() };
    let ((send, mut receive), (other_send, other_receive)) = (halves(pair.client), halves(pair.server));
    let mut other = SecurityContext::join(other_send, other_receive).unwrap();
    let mut record = send.close().unwrap();
    other.decrypt_message(&mut record).unwrap();
    let mut record = shut_down(&mut other);
    receive.decrypt(&mut record).unwrap();
}

/// HKDF-Extract with the salt of the provider: what a ticket key is kept as.
fn extracted(material: &[u8]) -> Vec<u8> {
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, b"openschannel session tickets");
    aws_lc_rs::hmac::sign(&key, material).as_ref().to_vec()
}

/// A session store that somebody reads along in.
#[derive(Default)]
struct Stolen {
    sessions: Mutex<HashMap<Vec<u8>, Vec<u8>>>,
    /// The secrets of the sessions: the PSK in TLS 1.3, the master secret in TLS 1.2.
    values: Mutex<Vec<Vec<u8>>>,
}

/// Credentials show their store, by what it says of itself.
impl std::fmt::Debug for Stolen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Stolen")
    }
}

impl ServerSessionStore for Stolen {
    fn put(&self, key: &[u8], value: &[u8]) -> bool {
        unwatched(|| {
            self.values.lock().unwrap().push(secret_of(value));
            self.sessions.lock().unwrap().insert(key.to_vec(), value.to_vec());
        });
        true
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        unwatched(|| self.sessions.lock().unwrap().get(key).cloned())
    }

    fn take(&self, key: &[u8]) -> Option<Vec<u8>> {
        unwatched(|| self.sessions.lock().unwrap().remove(key))
    }
}

/// Behind the provider's envelope the engine writes the server's name, version and suite, then the secret with its length.
fn secret_of(value: &[u8]) -> Vec<u8> {
    let name = value.windows(NAME.len()).position(|bytes| bytes == NAME.as_bytes()).unwrap();
    let secret = &value[name + NAME.len() + 4..];
    let len = usize::from(secret[0]);
    assert!([32, 48].contains(&len), "{value:?}");
    secret[1..=len].to_vec()
}

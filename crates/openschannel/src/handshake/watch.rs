//! What is seen of a handshake from outside the engine: where keys change, what the hellos say, whether a client certificate is
//! asked for, and alerts. The engine is never asked to undo anything, so these things are known *before* a record is fed.

use rustls::SupportedCipherSuite;

use super::key_schedule::TrafficSecret;
use super::messages::{
    CertificateRequest, Messages, ServerHello, TLS1_3, client_hello_fallback, encrypted_extensions,
    message_type,
};
use crate::alert::Alert;
use crate::context::Role;
use crate::credentials::slot::Secrets;
use crate::record::{
    ContentType, Framing, HEADER_LEN, KeyMaterial, MAX_FRAGMENT_BEFORE_VERSION, Opener, frame,
};

/// What one incoming record is, as far as the handshake's keys can tell.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// For the engine.
    Handshake,
    /// For the engine, but it completes the server's request for a client certificate.
    CertificateRequest,
    /// Not for the engine, unless it was sealed and is passed over: the engine counts the records under keys.
    Alert { alert: Alert, is_sealed: bool },
    /// An alert that is not two bytes long.
    MalformedAlert,
    /// A handshake record under keys with nothing in it (RFC 8446 section 5.4), which the engine would pass over.
    Empty,
    /// A ClientHello that fell back below what this server speaks (RFC 7507).
    Fallback,
    /// A ServerHello of TLS 1.2 whose random says that the server could have done better (RFC 8446 section 4.1.3).
    Downgrade,
}

/// Whether the server's request for a client certificate has passed by.
#[derive(Debug)]
enum Request {
    Open,
    Seen(CertificateRequest),
    Never,
}

/// Everything known of one unfinished handshake without the engine.
#[derive(Debug)]
pub(super) struct Watch {
    role: Role,
    /// Unencrypted or peeked handshake messages of the peer.
    from_peer: Messages,
    /// Own handshake messages, until the ServerHello is found in them (server).
    from_own: Messages,
    server_hello: Option<ServerHello>,
    /// TLS 1.3 client: the rest of the server's answer to its extensions.
    encrypted_extensions: Vec<u16>,
    request: Request,
    /// Opens copies of the peer's records under the keys of the handshake.
    opener: Option<Box<Opener>>,
    /// How many it has opened.
    opened: u64,
    peer_changed_cipher: bool,
    own_changed_cipher: bool,
    /// Own records under keys: in TLS 1.2 those since the own ChangeCipherSpec, in TLS 1.3 those of the handshake.
    sealed_by_engine: u64,
    highest_version: usize,
}

impl Watch {
    /// `highest_version` is the highest protocol version this side accepts, as the wire has it.
    pub(super) fn new(role: Role, highest_version: usize) -> Self {
        Self {
            role,
            from_peer: Messages::default(),
            from_own: Messages::default(),
            server_hello: None,
            encrypted_extensions: Vec::new(),
            request: if role == Role::Client { Request::Open } else { Request::Never },
            opener: None,
            opened: 0,
            peer_changed_cipher: false,
            own_changed_cipher: false,
            sealed_by_engine: 0,
            highest_version,
        }
    }

    /// Looks at a record of the peer's that is about to be fed. Each record is to be shown once.
    pub(super) fn incoming(&mut self, content_type: ContentType, record: &[u8], secrets: &Secrets) -> Seen {
        let fragment = record.get(HEADER_LEN..).unwrap_or_default();
        match content_type {
            ContentType::CHANGE_CIPHER_SPEC => {
                self.peer_changed_cipher = true;
                Seen::Handshake
            }
            ContentType::APPLICATION_DATA => self.peek(record, secrets),
            ContentType::ALERT if self.peer_protects() => self.peek(record, secrets),
            // Once the peer has shown that it has the keys, an alert without them is somebody else's; the engine refuses it.
            ContentType::ALERT if self.opened > 0 => Seen::Handshake,
            ContentType::ALERT => seen_alert(fragment, false),
            _ if self.peer_protects() && self.is_certainly_finished(record, secrets) => Seen::Handshake,
            _ if self.peer_protects() => self.peek(record, secrets),
            // Nor does a message in the clear count then, not even as a question to the caller.
            ContentType::HANDSHAKE if self.is_behind_tls13_hello() => Seen::Handshake,
            _ => self.handshake_content(fragment),
        }
    }

    /// Looks at what the engine has written.
    pub(super) fn outgoing(&mut self, mut records: &[u8]) {
        while let Ok(Framing::Complete { content_type, len }) = frame(records, MAX_FRAGMENT_BEFORE_VERSION) {
            // `frame` says that `len` bytes are there.
            let (record, rest) = records.split_at(len);
            records = rest;
            let is_tls13 = self.server_hello.as_ref().is_some_and(|hello| hello.is_tls13);
            if content_type == ContentType::CHANGE_CIPHER_SPEC {
                self.own_changed_cipher = true;
            } else if self.own_changed_cipher && !is_tls13 || content_type == ContentType::APPLICATION_DATA {
                self.sealed_by_engine += 1;
            } else if self.role == Role::Server && content_type == ContentType::HANDSHAKE {
                let mut content = record.get(HEADER_LEN..).unwrap_or_default();
                while let Some((kind, body)) = self.from_own.split_off(&mut content) {
                    self.note_server_hello(kind, body);
                }
                self.from_own.push(content);
                while let Ok(Some(message)) = self.from_own.take() {
                    self.note_server_hello(message.message_type, &message.body);
                }
            }
        }
    }

    pub(super) fn server_hello(&self) -> Option<&ServerHello> {
        self.server_hello.as_ref()
    }

    /// The extensions the server answered: those both sides use.
    pub(super) fn negotiated_extensions(&self, secrets: &Secrets) -> Vec<u16> {
        let hello = self.server_hello.as_ref().map(|hello| hello.extensions.as_slice()).unwrap_or_default();
        [hello, &self.encrypted_extensions, &encrypted_extensions(&secrets.encrypted_extensions)].concat()
    }

    pub(super) fn certificate_request(&self) -> Option<&CertificateRequest> {
        match &self.request {
            Request::Seen(request) => Some(request),
            _ => None,
        }
    }

    /// The keys this side writes with now, and the sequence number that follows the engine's last; [`None`] in plaintext.
    pub(super) fn write_keys<'a>(&self, secrets: &'a Secrets) -> Option<(&'a KeyMaterial, u64)> {
        let keys = &secrets.keys.write;
        let latest = keys.current.as_ref()?;
        match (self.role, &keys.former) {
            _ if !latest.protection.is_tls13() => {
                self.own_changed_cipher.then_some((latest, self.sealed_by_engine))
            }
            // A server changes to its traffic key behind its own Finished and writes nothing under it before the client's.
            (Role::Server, Some(_)) => Some((latest, 0)),
            (_, handshake) => Some((handshake.as_ref().unwrap_or(latest), self.sealed_by_engine)),
        }
    }

    /// What a TLS 1.3 client writes with once its Finished is written, which is when the engine makes that secret. A handshake that
    /// fails then is over to its peer.
    pub(super) fn keys_behind_own_finished(
        &self,
        secrets: &Secrets,
        suite: Option<SupportedCipherSuite>,
    ) -> Option<KeyMaterial> {
        let (Role::Client, Some(SupportedCipherSuite::Tls13(suite))) = (self.role, suite) else {
            return None;
        };
        TrafficSecret::new(suite, secrets.client_traffic.as_ref()?)?.key_material().ok()
    }

    /// Whether the peer's next handshake or alert record is protected by TLS 1.2 keys.
    fn peer_protects(&self) -> bool {
        self.peer_changed_cipher && self.server_hello.as_ref().is_some_and(|hello| !hello.is_tls13)
    }

    /// Whether everything of the peer's but ChangeCipherSpec is sealed from now on, as TLS 1.3 has it behind the ServerHello.
    fn is_behind_tls13_hello(&self) -> bool {
        self.server_hello.as_ref().is_some_and(|hello| hello.is_tls13 && !hello.is_retry())
    }

    /// A handshake record under TLS 1.2 keys that is not empty: it is Finished, or the engine refuses it. There is nothing to be learnt from
    /// opening it twice.
    fn is_certainly_finished(&self, record: &[u8], secrets: &Secrets) -> bool {
        let overhead = secrets.keys.read.current.as_ref().map(|key| key.protection.overhead());
        self.opener.is_none() && overhead.is_some_and(|overhead| record.len() > overhead)
    }

    /// Opens a copy of a protected record. What does not open is left to the engine, which knows what may be skipped.
    fn peek(&mut self, record: &[u8], secrets: &Secrets) -> Seen {
        if self.opener.is_none() {
            let keys = &secrets.keys.read;
            // In TLS 1.2 the engine may have opened some already.
            self.opener = keys.current.as_ref().and_then(|key| Opener::new(key, keys.records).ok());
        }
        let Some(opener) = &mut self.opener else { return Seen::Handshake };
        let mut copy = zeroize::Zeroizing::new(record.to_vec());
        let Ok(opened) = opener.open(&mut copy) else { return Seen::Handshake };
        self.opened += 1;
        let content = copy.get(opened.content()).unwrap_or_default();
        match opened.content_type {
            ContentType::HANDSHAKE if content.is_empty() => Seen::Empty,
            ContentType::ALERT => seen_alert(content, true),
            ContentType::HANDSHAKE => self.handshake_content(content),
            _ => Seen::Handshake,
        }
    }

    fn handshake_content(&mut self, content: &[u8]) -> Seen {
        if matches!(self.request, Request::Never | Request::Seen(_)) && self.server_hello.is_some() {
            return Seen::Handshake;
        }
        let mut content = content;
        let mut seen = Seen::Handshake;
        while let Some((kind, body)) = self.from_peer.split_off(&mut content) {
            self.message(kind, body, &mut seen);
        }
        self.from_peer.push(content);
        // A message that is too long is the engine's to refuse.
        while let Ok(Some(message)) = self.from_peer.take() {
            self.message(message.message_type, &message.body, &mut seen);
        }
        seen
    }

    fn message(&mut self, kind: u8, body: &[u8], seen: &mut Seen) {
        match (self.role, kind) {
            (Role::Server, message_type::CLIENT_HELLO) => {
                let fallback = client_hello_fallback(body);
                if fallback.is_some_and(|(signalled, highest)| signalled && highest < self.highest_version) {
                    *seen = Seen::Fallback;
                }
            }
            (Role::Client, message_type::SERVER_HELLO) => {
                self.note_server_hello(kind, body);
                if self.highest_version >= TLS1_3
                    && self.server_hello.as_ref().is_some_and(ServerHello::is_downgrade)
                {
                    *seen = Seen::Downgrade;
                }
            }
            (Role::Client, message_type::ENCRYPTED_EXTENSIONS) => {
                self.encrypted_extensions = encrypted_extensions(body);
            }
            (Role::Client, message_type::CERTIFICATE_REQUEST) => {
                let is_tls13 = self.server_hello.as_ref().is_some_and(|hello| hello.is_tls13);
                let request = if is_tls13 {
                    CertificateRequest::parse_tls13(body)
                } else {
                    CertificateRequest::parse_tls12(body)
                };
                // A request that cannot be read is the engine's to refuse.
                if let Some(request) = request {
                    self.request = Request::Seen(request);
                    *seen = Seen::CertificateRequest;
                }
            }
            (Role::Client, kind) if matches!(self.request, Request::Open) && self.is_past_request(kind) => {
                self.request = Request::Never;
            }
            _ => {}
        }
    }

    /// TLS 1.3 asks before its Certificate; TLS 1.2 behind it, before ServerHelloDone.
    fn is_past_request(&self, kind: u8) -> bool {
        let is_tls13 = self.server_hello.as_ref().is_some_and(|hello| hello.is_tls13);
        match kind {
            message_type::FINISHED | message_type::SERVER_HELLO_DONE => true,
            message_type::CERTIFICATE | message_type::COMPRESSED_CERTIFICATE => is_tls13,
            _ => false,
        }
    }

    fn note_server_hello(&mut self, kind: u8, body: &[u8]) {
        if kind != message_type::SERVER_HELLO {
            return;
        }
        // A HelloRetryRequest is not the ServerHello, but says the version just as well.
        if let Some(hello) = ServerHello::parse(body)
            && self.server_hello.as_ref().is_none_or(ServerHello::is_retry)
        {
            self.server_hello = Some(hello);
        }
    }
}

fn seen_alert(content: &[u8], is_sealed: bool) -> Seen {
    Alert::parse(content).map_or(Seen::MalformedAlert, |alert| Seen::Alert { alert, is_sealed })
}

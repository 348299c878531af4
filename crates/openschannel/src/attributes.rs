//! QueryContextAttributes: what can be asked about a connection, captured when its handshake finished (sections 3.6 and 7).

mod agreed;

pub(crate) use agreed::{Agreed, Chain};

use std::sync::Arc;
use std::time::SystemTime;

use crate::context::Role;
use crate::credentials::slot::TICKET_MARK_LEN;
use crate::credentials::{CipherSuite, NamedGroup, PostHandshake, Rejection, x509};
use crate::handshake::{CannotExport, Exporter, ExporterSecret, Randoms};
use crate::status::{Error, ErrorStatus};

/// The protocol version of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// TLS 1.2, RFC 5246.
    Tls12,
    /// TLS 1.3, RFC 8446.
    Tls13,
}

impl Protocol {
    /// "TLS 1.2" or "TLS 1.3".
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tls12 => "TLS 1.2",
            Self::Tls13 => "TLS 1.3",
        }
    }

    /// The version number on the wire.
    pub const fn wire_version(self) -> u16 {
        match self {
            Self::Tls12 => 0x0303,
            Self::Tls13 => 0x0304,
        }
    }
}

/// SecPkgContext_StreamSizes: how much room EncryptMessage needs around the data, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamSizes {
    /// cbHeader.
    pub header: usize,
    /// cbTrailer. In TLS 1.3 and quiet mode 44: the 17 bytes every record needs, and 27 for a KeyUpdate that rides behind it.
    pub trailer: usize,
    /// cbMaximumMessage: most bytes of data in one call.
    pub maximum_message: usize,
    /// cBuffers: buffers DecryptMessage wants.
    pub buffers: usize,
    /// cbBlockSize.
    pub block_size: usize,
}

/// SecPkgContext_ConnectionInfo: the same answers as numbers of Windows' headers (section 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionInfo {
    /// dwProtocol: the SP_PROT bit of this side's role.
    pub protocol: u32,
    /// aiCipher: an ALG_ID; zero for ChaCha20, which has none.
    pub cipher: u32,
    /// dwCipherStrength, in bits.
    pub cipher_strength: u32,
    /// aiHash: the ALG_ID of the suite's hash.
    pub hash: u32,
    /// dwHashStrength: zero, since every suite here authenticates with its cipher.
    pub hash_strength: u32,
    /// aiExch: CALG_ECDH_EPHEM.
    pub exchange: u32,
    /// dwExchStrength, in bits; zero where a resumed TLS 1.2 session exchanged no key.
    pub exchange_strength: u32,
}

/// SecPkgContext_CipherInfo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CipherInfo {
    /// dwProtocol: the version number on the wire.
    pub protocol: u16,
    /// dwCipherSuite and dwBaseCipherSuite: the IANA number.
    pub cipher_suite: u16,
    /// szCipherSuite: the IANA name.
    pub name: &'static str,
    /// szCipher.
    pub cipher: &'static str,
    /// dwCipherLen, in bits.
    pub cipher_len: u32,
    /// dwCipherBlockLen, in bytes.
    pub cipher_block_len: u32,
    /// szHash: empty for suites that authenticate with their cipher.
    pub hash: &'static str,
    /// szExchange.
    pub exchange: &'static str,
    /// szCertificate: the kind of key in the server's certificate, as the suite names it.
    pub certificate: &'static str,
    /// dwKeyType: the IANA number of the group, zero if no key was exchanged.
    pub key_type: u16,
}

/// SecPkgContext_SessionInfo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionInfo<'a> {
    /// SSL_SESSION_RECONNECT: an earlier session was resumed.
    pub resumed: bool,
    /// The session identifier of the ServerHello, at most 32 bytes. TLS 1.3 echoes the client's there, which means nothing.
    pub session_id: &'a [u8],
}

/// The answers. Kept as long as either half of the connection.
pub struct Attributes {
    agreed: Arc<Agreed>,
    exporter: ExporterSecret,
    session_id: [u8; MAX_SESSION_ID],
    /// What all tickets of the session carry that a server has given out; zero if there are none.
    ticket_mark: [u8; TICKET_MARK_LEN],
    rest: Option<Box<Rest>>,
}

/// RFC 8446 section 4.1.3, RFC 5246 section 7.4.1.3.
const MAX_SESSION_ID: usize = 32;

/// What only some connections have.
#[derive(Default)]
struct Rest {
    /// TLS 1.2.
    randoms: Option<Randoms>,
    /// TLS 1.2: verify_data of the first Finished.
    unique: Option<[u8; 12]>,
    /// A server's, in its store.
    session_ids: Vec<Vec<u8>>,
}

/// Room for a KeyUpdate behind a data record.
const REFRESH_ROOM: usize = 27;

impl Attributes {
    pub(crate) fn new(agreed: Agreed, session_id: &[u8]) -> Self {
        let mut attributes = Self {
            agreed: agreed.shared(),
            exporter: ExporterSecret::vacant(),
            session_id: [0; MAX_SESSION_ID],
            ticket_mark: [0; TICKET_MARK_LEN],
            rest: None,
        };
        for (to, from) in attributes.session_id.iter_mut().zip(session_id) {
            *to = *from;
        }
        attributes
    }

    /// TLS 1.2: the hellos' random bytes, and verify_data of the first Finished.
    pub(crate) fn set_tls12(&mut self, randoms: Randoms, unique: Option<[u8; 12]>) {
        let rest = self.rest.get_or_insert_default();
        rest.randoms = Some(randoms);
        rest.unique = unique;
    }

    /// What a server has given out to resume the session by.
    pub(crate) fn set_session_ids(&mut self, session_ids: Vec<Vec<u8>>) {
        match session_ids.as_slice() {
            [] => {}
            [mark] if mark.len() == TICKET_MARK_LEN => self.ticket_mark.copy_from_slice(mark),
            _ => self.rest.get_or_insert_default().session_ids = session_ids,
        }
    }

    /// Only where the attributes stay: a move would leave the secret behind.
    pub(crate) fn set_exporter_secret(&mut self, secret: &[u8]) {
        self.exporter.set(secret);
    }

    pub(crate) fn post_handshake(&self) -> PostHandshake {
        self.agreed.post_handshake
    }

    /// Drops what is stored of this connection's session.
    pub(crate) fn forget_session(&self) {
        match &self.rest {
            Some(rest) if !rest.session_ids.is_empty() => self.agreed.resumption.forget(&rest.session_ids),
            _ if self.ticket_mark == [0; TICKET_MARK_LEN] => self.agreed.resumption.forget(&[]),
            _ => self.agreed.resumption.forget(&[self.ticket_mark.to_vec()]),
        }
    }

    /// Which side of the connection this is.
    pub fn role(&self) -> Role {
        self.agreed.role
    }

    /// The protocol version.
    pub fn protocol(&self) -> Protocol {
        self.agreed.protocol
    }

    /// The cipher suite.
    pub fn cipher_suite(&self) -> CipherSuite {
        self.agreed.cipher_suite
    }

    /// The group of the key exchange; [`None`] where a resumed TLS 1.2 session exchanged no key.
    pub fn named_group(&self) -> Option<NamedGroup> {
        self.agreed.group
    }

    /// SECPKG_ATTR_STREAM_SIZES.
    pub fn stream_sizes(&self) -> StreamSizes {
        let (header, trailer) = match (self.agreed.protocol, self.cipher()) {
            (Protocol::Tls12, Cipher::Aes(_)) => (13, 16),
            (Protocol::Tls12, Cipher::ChaCha20) => (5, 16),
            (Protocol::Tls13, _) if self.agreed.post_handshake == PostHandshake::Quiet => {
                (5, 17 + REFRESH_ROOM)
            }
            (Protocol::Tls13, _) => (5, 17),
        };
        StreamSizes {
            header,
            trailer,
            maximum_message: crate::record::MAX_PLAINTEXT,
            buffers: 4,
            block_size: 16,
        }
    }

    /// SECPKG_ATTR_CONNECTION_INFO.
    pub fn connection_info(&self) -> ConnectionInfo {
        const CALG_AES_128: u32 = 0x660E;
        const CALG_AES_256: u32 = 0x6610;
        const CALG_SHA_256: u32 = 0x800C;
        const CALG_SHA_384: u32 = 0x800D;
        const CALG_ECDH_EPHEM: u32 = 0xAE06;
        let (cipher, cipher_strength) = match self.cipher() {
            Cipher::Aes(128) => (CALG_AES_128, 128),
            Cipher::Aes(bits) => (CALG_AES_256, bits),
            Cipher::ChaCha20 => (0, 256),
        };
        ConnectionInfo {
            protocol: match (self.agreed.protocol, self.agreed.role) {
                (Protocol::Tls12, Role::Server) => 0x400,
                (Protocol::Tls12, Role::Client) => 0x800,
                (Protocol::Tls13, Role::Server) => 0x1000,
                (Protocol::Tls13, Role::Client) => 0x2000,
            },
            cipher,
            cipher_strength,
            hash: if self.agreed.cipher_suite.name().ends_with("SHA384") {
                CALG_SHA_384
            } else {
                CALG_SHA_256
            },
            hash_strength: 0,
            exchange: CALG_ECDH_EPHEM,
            exchange_strength: self.agreed.group.map_or(0, NamedGroup::bits),
        }
    }

    /// SECPKG_ATTR_CIPHER_INFO.
    pub fn cipher_info(&self) -> CipherInfo {
        let name = self.agreed.cipher_suite.name();
        let (cipher, cipher_len, cipher_block_len) = match self.cipher() {
            Cipher::Aes(bits) => ("AES", bits, 16),
            Cipher::ChaCha20 => ("CHACHA20_POLY1305", 256, 1),
        };
        CipherInfo {
            protocol: self.agreed.protocol.wire_version(),
            cipher_suite: self.agreed.cipher_suite.id(),
            name,
            cipher,
            cipher_len,
            cipher_block_len,
            hash: "",
            exchange: "ECDH",
            certificate: if name.contains("ECDSA") {
                "ECDSA"
            } else if name.contains("RSA") {
                "RSA"
            } else {
                ""
            },
            key_type: self.agreed.group.map_or(0, NamedGroup::id),
        }
    }

    /// SECPKG_ATTR_SESSION_INFO.
    pub fn session_info(&self) -> SessionInfo<'_> {
        SessionInfo {
            resumed: self.agreed.resumed,
            session_id: self.session_id.get(..self.agreed.session_id_len).unwrap_or_default(),
        }
    }

    /// SECPKG_ATTR_APPLICATION_PROTOCOL: what ALPN agreed on, if anything.
    pub fn application_protocol(&self) -> Option<&[u8]> {
        self.agreed.application_protocol.as_deref()
    }

    /// SECPKG_ATTR_REMOTE_CERTIFICATES: the peer's chain as it was sent, DER, leaf first. Known in resumed sessions too.
    ///
    /// # Errors
    /// SEC_E_NO_CREDENTIALS: the peer has shown none.
    pub fn remote_certificates(&self) -> Result<&[Vec<u8>], Error> {
        certificates(self.agreed.remote_chain.certificates(), "the peer has shown no certificate")
    }

    /// SECPKG_ATTR_LOCAL_CERT_CONTEXT and the chain behind it, as this side sent it.
    ///
    /// # Errors
    /// SEC_E_NO_CREDENTIALS: this side has shown none.
    pub fn local_certificates(&self) -> Result<&[Vec<u8>], Error> {
        certificates(self.agreed.local_chain.certificates(), "this side has shown no certificate")
    }

    /// SECPKG_ATTR_ISSUER_LIST_EX: the names of the server's CertificateRequest, DER. Empty if it named none or made none.
    pub fn issuer_list(&self) -> &[Vec<u8>] {
        &self.agreed.issuers
    }

    /// SECPKG_ATTR_SUPPORTED_SIGNATURES: IANA numbers of what the peer can verify, where it said so.
    pub fn supported_signatures(&self) -> &[u16] {
        &self.agreed.signature_schemes
    }

    /// SECPKG_ATTR_NEGOTIATED_TLS_EXTENSIONS: IANA numbers of the extensions that both sides used, in the order of the server's answer.
    pub fn negotiated_extensions(&self) -> &[u16] {
        &self.agreed.extensions
    }

    /// On a server: the name the client asked for (SNI).
    pub fn server_name(&self) -> Option<&str> {
        self.agreed.server_name.as_deref()
    }

    /// SECPKG_ATTR_CERT_CHECK_RESULT: what the verification of the peer's chain gave, in a resumed session that of its first
    /// handshake; [`None`] if there was none (manual validation, no certificate).
    pub fn validation_result(&self) -> Option<Result<(), &Rejection>> {
        self.agreed.validation.as_ref().map(|result| result.as_ref().copied())
    }

    /// SECPKG_ATTR_LIFESPAN, tsExpiry: when the peer's certificate ends.
    pub fn expiry(&self) -> Option<SystemTime> {
        x509::validity(self.agreed.remote_chain.certificates().first()?).map(|(_, not_after)| not_after)
    }

    /// SECPKG_ATTR_ENDPOINT_BINDINGS: `tls-server-end-point:` and the hash of the server's certificate (RFC 5929 section 4).
    ///
    /// # Errors
    /// SEC_E_NO_CREDENTIALS: there is no server certificate. SEC_E_UNSUPPORTED_FUNCTION: its signature has no single hash.
    pub fn endpoint_bindings(&self) -> Result<Vec<u8>, Error> {
        let chain = match self.agreed.role {
            Role::Client => self.remote_certificates()?,
            Role::Server => self.local_certificates()?,
        };
        let leaf = chain.first().ok_or_else(|| Error::new(ErrorStatus::NoCredentials))?;
        let hash = x509::end_point_hash(leaf).ok_or_else(|| {
            Error::new(ErrorStatus::UnsupportedFunction)
                .because("the certificate's signature algorithm has no single hash")
        })?;
        Ok([b"tls-server-end-point:".as_slice(), &hash].concat())
    }

    /// SECPKG_ATTR_UNIQUE_BINDINGS: `tls-unique:` and the first Finished message's verify_data (RFC 5929 section 3).
    ///
    /// # Errors
    /// SEC_E_UNSUPPORTED_FUNCTION: TLS 1.3 does not define it; use [`Attributes::exporter_bindings`].
    pub fn unique_bindings(&self) -> Result<Vec<u8>, Error> {
        let verify_data = self.rest.as_ref().and_then(|rest| rest.unique.as_ref()).ok_or_else(|| {
            Error::new(ErrorStatus::UnsupportedFunction).because("tls-unique is not defined for TLS 1.3")
        })?;
        Ok([b"tls-unique:".as_slice(), verify_data].concat())
    }

    /// `tls-exporter:` and the 32 bytes of RFC 9266.
    ///
    /// # Errors
    /// As [`Attributes::export_keying_material`].
    pub fn exporter_bindings(&self) -> Result<Vec<u8>, Error> {
        let mut exported = [0; 32];
        self.export_keying_material(b"EXPORTER-Channel-Binding", Some(&[]), &mut exported)?;
        Ok([b"tls-exporter:".as_slice(), &exported].concat())
    }

    /// SECPKG_ATTR_KEYING_MATERIAL: fills `output` from the connection's exporter (RFC 5705, RFC 8446 section 7.5). In TLS 1.2 no
    /// context and an empty one differ.
    ///
    /// # Errors
    /// SEC_E_INVALID_PARAMETER: the label is empty or longer than 249 bytes, the context longer than 65535, or the output empty or longer
    /// than 255 times the suite's hash.
    pub fn export_keying_material(
        &self,
        label: &[u8],
        context: Option<&[u8]>,
        output: &mut [u8],
    ) -> Result<(), Error> {
        let exporter = self.exporter().ok_or_else(|| Error::new(ErrorStatus::InternalError))?;
        exporter.export(label, context, output).map_err(|CannotExport| {
            Error::new(ErrorStatus::InvalidParameter)
                .because("label or output is empty, or one of them or the context too long")
        })
    }

    /// SECPKG_ATTR_EAP_KEY_BLOCK: 128 bytes of keys and 64 of initialization vectors for the EAP method of this name. TLS 1.2: `label`, in
    /// the way of RFC 5216 section 2.3. TLS 1.3: the method's type number, in the way of RFC 9190 section 2.3, which has no vectors: they
    /// are zero.
    ///
    /// # Errors
    /// As [`Attributes::export_keying_material`].
    pub fn eap_key_block(&self, label: &[u8], method: u8) -> Result<([u8; 128], [u8; 64]), Error> {
        let (mut keys, mut vectors) = ([0; 128], [0; 64]);
        match self.exporter().and_then(|exporter| exporter.without_secret(label, &mut vectors)) {
            None => {
                self.export_keying_material(b"EXPORTER_EAP_TLS_Key_Material", Some(&[method]), &mut keys)?;
            }
            Some(()) => self.export_keying_material(label, None, &mut keys)?,
        }
        Ok((keys, vectors))
    }

    /// Another one for tests that go on from one state in many ways.
    #[cfg(test)]
    pub(crate) fn fork(&self) -> Self {
        let Self { agreed, exporter, session_id, ticket_mark, rest } = self;
        let rest = rest.as_ref().map(|rest| {
            let Rest { randoms, unique, session_ids } = &**rest;
            Box::new(Rest { randoms: *randoms, unique: *unique, session_ids: session_ids.clone() })
        });
        Self {
            agreed: agreed.clone(),
            exporter: exporter.fork(),
            session_id: *session_id,
            ticket_mark: *ticket_mark,
            rest,
        }
    }

    fn exporter(&self) -> Option<Exporter<'_>> {
        let randoms = self.rest.as_ref().and_then(|rest| rest.randoms.as_ref());
        self.exporter.exporter(self.agreed.cipher_suite, randoms)
    }

    fn cipher(&self) -> Cipher {
        let name = self.agreed.cipher_suite.name();
        if name.contains("CHACHA20") {
            Cipher::ChaCha20
        } else if name.contains("AES_128") {
            Cipher::Aes(128)
        } else {
            Cipher::Aes(256)
        }
    }
}

impl core::fmt::Debug for Attributes {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Attributes")
            .field("agreed", &self.agreed)
            .field("session_id", &self.session_info().session_id)
            .finish_non_exhaustive()
    }
}

/// The record cipher of a suite; AES with its key length in bits.
enum Cipher {
    Aes(u32),
    ChaCha20,
}

fn certificates<'a>(chain: &'a [Vec<u8>], none: &'static str) -> Result<&'a [Vec<u8>], Error> {
    if chain.is_empty() { Err(Error::new(ErrorStatus::NoCredentials).because(none)) } else { Ok(chain) }
}

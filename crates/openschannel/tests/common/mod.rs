//! Two contexts in one process: certificates, credentials, and the token loop.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test file uses its own part, and a fixture that cannot be made ends the test"
)]

use std::sync::LazyLock;

use openschannel::credentials::{
    CipherSuite, Identity, InboundBuilder, InboundCredentials, NamedGroup, OutboundBuilder,
    OutboundCredentials, Protocols, Trust,
};
use openschannel::status::SuccessStatus;
use openschannel::{
    ContextOptions, ControlToken, Decrypted, Role, SecurityContext, TokenBuffer, TokenOutcome,
};

/// The name every test certificate is for.
pub const NAME: &str = "server.test";

/// One authority and what it has signed, made once a process.
pub struct Certificates {
    pub authority_der: Vec<u8>,
    pub ecdsa: (String, String),
    pub rsa: (String, String),
    pub client: (String, String),
}

pub static CERTIFICATES: LazyLock<Certificates> = LazyLock::new(|| {
    use rcgen::{
        BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    };
    let authority_key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::new(vec![]).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.distinguished_name.push(rcgen::DnType::CommonName, "test authority");
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let authority_der = authority.self_signed(&authority_key).unwrap().der().to_vec();
    let issuer = Issuer::new(authority, authority_key);
    let sign = |key: KeyPair, purpose: ExtendedKeyUsagePurpose| {
        let mut leaf = CertificateParams::new(vec![NAME.to_owned()]).unwrap();
        leaf.distinguished_name.push(rcgen::DnType::CommonName, NAME);
        leaf.extended_key_usages = vec![purpose];
        let certificate = leaf.signed_by(&key, &issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    };
    let rsa = KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap();
    Certificates {
        authority_der,
        ecdsa: sign(KeyPair::generate().unwrap(), ExtendedKeyUsagePurpose::ServerAuth),
        rsa: sign(rsa, ExtendedKeyUsagePurpose::ServerAuth),
        client: sign(KeyPair::generate().unwrap(), ExtendedKeyUsagePurpose::ClientAuth),
    }
});

pub fn identity(pair: &(String, String)) -> Identity {
    Identity::from_pem(pair.0.as_bytes(), pair.1.as_bytes()).unwrap()
}

pub fn outbound() -> OutboundBuilder {
    OutboundCredentials::builder().trust(Trust::Roots(vec![CERTIFICATES.authority_der.clone()]))
}

pub fn inbound() -> InboundBuilder {
    InboundCredentials::builder()
        .identity(identity(&CERTIFICATES.ecdsa))
        .identity(identity(&CERTIFICATES.rsa))
        .trust(Trust::Roots(vec![CERTIFICATES.authority_der.clone()]))
}

pub const VERSIONS: [Protocols; 2] = [Protocols::TLS1_2, Protocols::TLS1_3];

/// Credentials of both sides for one protocol version.
pub fn credentials(protocols: Protocols) -> (OutboundCredentials, InboundCredentials) {
    (outbound().protocols(protocols).acquire().unwrap(), inbound().protocols(protocols).acquire().unwrap())
}

/// Both sides with one cipher suite, over a group that is quick to make.
pub fn credentials_for(suite: CipherSuite) -> (OutboundCredentials, InboundCredentials) {
    (
        outbound()
            .cipher_suites(&[suite])
            .groups(&[NamedGroup::X25519, NamedGroup::SECP256R1])
            .acquire()
            .unwrap(),
        inbound()
            .cipher_suites(&[suite])
            .groups(&[NamedGroup::X25519, NamedGroup::SECP256R1])
            .acquire()
            .unwrap(),
    )
}

/// The later token call that belongs to the context's side.
pub fn token_call(
    context: &mut SecurityContext,
    input: &[u8],
    output: &mut TokenBuffer<'_>,
) -> Result<TokenOutcome, openschannel::status::Error> {
    match context.role() {
        Role::Client => context.initialize_security_context(None, input, output),
        Role::Server => context.accept_security_context(input, output),
    }
}

/// Two contexts and the bytes between them.
pub struct Pair {
    pub client: SecurityContext,
    pub server: SecurityContext,
    pub to_client: Vec<u8>,
    pub to_server: Vec<u8>,
}

impl Pair {
    /// A client's first token, and the server that has not seen it yet is made with it.
    pub fn begin(
        outbound: &OutboundCredentials,
        inbound: &InboundCredentials,
        options: &ContextOptions,
    ) -> Self {
        let mut output = TokenBuffer::allocate();
        let (client, outcome) =
            SecurityContext::initialize(outbound, Some(NAME), options, &mut output).unwrap();
        assert_eq!(outcome.status, SuccessStatus::ContinueNeeded);
        let hello = output.into_vec();
        let mut output = TokenBuffer::allocate();
        let (server, outcome) = SecurityContext::accept(inbound, options, &hello, &mut output).unwrap();
        assert_eq!(outcome.extra, 0);
        Self { client, server, to_client: output.into_vec(), to_server: Vec::new() }
    }

    /// Runs the handshake to its end on both sides. What is left in the wires belongs to DecryptMessage.
    pub fn establish(
        outbound: &OutboundCredentials,
        inbound: &InboundCredentials,
        options: &ContextOptions,
    ) -> Self {
        let mut pair = Self::begin(outbound, inbound, options);
        while !pair.client.is_established() || !pair.server.is_established() {
            let before = (pair.to_client.len(), pair.to_server.len());
            if !pair.client.is_established() && !pair.to_client.is_empty() {
                let written = deliver(&mut pair.client, &mut pair.to_client);
                pair.to_server.extend(written);
            }
            if !pair.server.is_established() && !pair.to_server.is_empty() {
                let written = deliver(&mut pair.server, &mut pair.to_server);
                pair.to_client.extend(written);
            }
            assert_ne!(before, (pair.to_client.len(), pair.to_server.len()), "the handshake stands still");
        }
        pair
    }

    /// With default options, and nothing left in the wires: tickets are read.
    pub fn quiet(protocols: Protocols) -> Self {
        let (outbound, inbound) = credentials(protocols);
        let mut pair = Self::establish(&outbound, &inbound, &ContextOptions::default());
        pair.settle();
        pair
    }

    pub fn quiet_for(suite: CipherSuite) -> Self {
        let (outbound, inbound) = credentials_for(suite);
        let mut pair = Self::establish(&outbound, &inbound, &ContextOptions::default());
        pair.settle();
        pair
    }

    /// Lets the client read what a finished handshake leaves in the wire.
    pub fn settle(&mut self) {
        while !self.to_client.is_empty() {
            let message = self.client.decrypt_message(&mut self.to_client).unwrap();
            assert_eq!((message.status, message.data.len()), (SuccessStatus::Ok, 0));
            self.to_client.drain(..message.extra.start);
        }
        assert!(self.to_server.is_empty());
    }

    pub fn side(&mut self, role: Role) -> &mut SecurityContext {
        match role {
            Role::Client => &mut self.client,
            Role::Server => &mut self.server,
        }
    }
}

pub fn other(role: Role) -> Role {
    match role {
        Role::Client => Role::Server,
        Role::Server => Role::Client,
    }
}

/// Gives a side its input, takes what was consumed out of the wire, and returns what it wants sent.
pub fn deliver(context: &mut SecurityContext, wire: &mut Vec<u8>) -> Vec<u8> {
    let mut output = TokenBuffer::allocate();
    let outcome = token_call(context, wire, &mut output).unwrap();
    assert!(matches!(outcome.status, SuccessStatus::Ok | SuccessStatus::ContinueNeeded), "{outcome:?}");
    wire.drain(..outcome.consumed);
    output.into_vec()
}

/// EncryptMessage into one vector.
pub fn encrypt(context: &mut SecurityContext, data: &[u8]) -> Result<Vec<u8>, openschannel::status::Error> {
    let sizes = context.attributes()?.stream_sizes();
    let (mut header, mut body, mut trailer) = (vec![0; sizes.header], data.to_vec(), vec![0; sizes.trailer]);
    let sealed = context.encrypt_message(&mut header, &mut body, &mut trailer)?;
    header.truncate(sealed.header);
    trailer.truncate(sealed.trailer);
    Ok([header, body, trailer].concat())
}

/// DecryptMessage on a copy; the plaintext with the layout.
pub fn decrypt(
    context: &mut SecurityContext,
    record: &[u8],
) -> Result<(Decrypted, Vec<u8>), openschannel::status::Error> {
    let mut buffer = record.to_vec();
    let message = context.decrypt_message(&mut buffer)?;
    let data = buffer[message.data.clone()].to_vec();
    Ok((message, data))
}

/// ApplyControlToken and the token call behind it, with empty input.
pub fn control(context: &mut SecurityContext, token: ControlToken) -> Vec<u8> {
    context.apply_control_token(token).unwrap();
    let mut output = TokenBuffer::allocate();
    let outcome = token_call(context, &[], &mut output).unwrap();
    assert_eq!(outcome, TokenOutcome { status: SuccessStatus::Ok, consumed: 0, extra: 0 });
    output.into_vec()
}

pub fn shut_down(context: &mut SecurityContext) -> Vec<u8> {
    control(context, ControlToken::Shutdown)
}

/// A client that refuses the server's certificate: its error, and what the server then hears.
pub fn refused_by_client(
    outbound: &OutboundCredentials,
    inbound: &InboundCredentials,
    target: &str,
) -> (openschannel::status::Error, openschannel::status::Error) {
    let options = ContextOptions::default();
    let mut output = TokenBuffer::allocate();
    let (mut client, _) = SecurityContext::initialize(outbound, Some(target), &options, &mut output).unwrap();
    let hello = output.into_vec();
    let mut output = TokenBuffer::allocate();
    let (mut server, _) = SecurityContext::accept(inbound, &options, &hello, &mut output).unwrap();
    let error = token_call(&mut client, output.as_bytes(), &mut TokenBuffer::allocate()).unwrap_err();
    assert!(client.remote_certificates().is_ok(), "the refused chain can be looked at");
    let told = token_call(&mut server, error.alert_record(), &mut TokenBuffer::allocate()).unwrap_err();
    assert_eq!(told.received_alert(), error.alert());
    let again = token_call(&mut client, b"\x16", &mut TokenBuffer::allocate()).unwrap_err();
    assert_eq!(again.status(), openschannel::status::ErrorStatus::ContextExpired);
    (error, told)
}

//! The same connection through the Rust API.

use openschannel::credentials::{
    CipherSuite, Identity, InboundCredentials, OutboundCredentials, Protocols, Validation,
};
use openschannel::status::SuccessStatus;
use openschannel::{ContextOptions, ReceiveHalf, SecurityContext, SendHalf, TokenBuffer};

/// The client's sending half and the server's receiving half, of the suite that the C ABI prefers.
pub(crate) fn halves(protocol: u32) -> (SendHalf, ReceiveHalf) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let identity =
        Identity::from_pem(made.cert.pem().as_bytes(), made.signing_key.serialize_pem().as_bytes()).unwrap();
    let protocols = if protocol == 0x800 { Protocols::TLS1_2 } else { Protocols::TLS1_3 };
    let suites = [0x1302, 0xc02c].map(|id| CipherSuite::from_id(id).unwrap());
    let server = InboundCredentials::builder()
        .identity(identity)
        .protocols(protocols)
        .cipher_suites(&suites)
        .acquire()
        .unwrap();
    let client = OutboundCredentials::builder()
        .validation(Validation::Manual)
        .protocols(protocols)
        .cipher_suites(&suites)
        .acquire()
        .unwrap();
    let options = ContextOptions::default();
    let mut token = TokenBuffer::allocate();
    let (mut client, _) =
        SecurityContext::initialize(&client, Some("localhost"), &options, &mut token).unwrap();
    let mut to_client = TokenBuffer::allocate();
    let (mut server, _) =
        SecurityContext::accept(&server, &options, token.as_bytes(), &mut to_client).unwrap();
    loop {
        let mut to_server = TokenBuffer::allocate();
        let client_done =
            client.initialize_security_context(None, to_client.as_bytes(), &mut to_server).unwrap().status;
        if to_server.is_empty() {
            break;
        }
        to_client = TokenBuffer::allocate();
        let server_done =
            server.accept_security_context(to_server.as_bytes(), &mut to_client).unwrap().status;
        if (client_done, server_done) == (SuccessStatus::Ok, SuccessStatus::Ok) {
            break;
        }
    }
    (client.split().unwrap().0, server.split().unwrap().1)
}

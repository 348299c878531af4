//! Connectors and acceptors: their settings, their errors, and handshakes that are gone on with.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod conversation;

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use conversation::common::{CERTIFICATES, NAME, VERSIONS, identity};
use conversation::streams::Blocking;
use conversation::wire::{Stumble, Wire, wires};
use openschannel::attributes::Protocol;
use openschannel::credentials::{OutboundCredentials, Protocols, Trust};
use openschannel::status::{Error, ErrorStatus};
use openschannel::{ContextOptions, ReadEnd};
use openschannel_stream::{TlsAcceptor, TlsConnector, Truncation};

fn trust() -> Trust {
    Trust::Roots(vec![CERTIFICATES.authority_der.clone()])
}

fn connector() -> TlsConnector {
    TlsConnector::builder().trust(trust()).build().unwrap()
}

fn acceptor() -> TlsAcceptor {
    TlsAcceptor::builder().identity(identity(&CERTIFICATES.ecdsa)).build().unwrap()
}

fn again(result: io::Result<()>) -> Option<io::Result<()>> {
    match result {
        Err(error) if error.kind() == ErrorKind::WouldBlock => None,
        result => Some(result),
    }
}

/// Both handshakes, over transports that do not block.
fn shake_hands(client: &mut Blocking, server: &mut Blocking) -> [io::Result<()>; 2] {
    let mut done = [None, None];
    for _ in 0..10_000 {
        for (stream, done) in [&mut *client, &mut *server].into_iter().zip(&mut done) {
            if done.is_none() {
                *done = again(stream.handshake());
            }
        }
    }
    done.map(|done| done.expect("the handshake stands still"))
}

fn established(connector: &TlsConnector, acceptor: &TlsAcceptor) -> (Blocking, Blocking) {
    let (client, server) = wires();
    let (mut client, mut server) = (connector.begin(NAME, client).unwrap(), acceptor.begin(server));
    for result in shake_hands(&mut client, &mut server) {
        result.unwrap();
    }
    (client, server)
}

#[test]
fn settings_reach_the_connection() {
    for version in VERSIONS {
        let protocols = |names: &[&str]| names.iter().map(|name| name.as_bytes().to_vec()).collect();
        let connector = TlsConnector::builder()
            .trust(trust())
            .protocols(version)
            .alpn(protocols(&["h2", "http/1.1"]))
            .truncation(Truncation::Accept)
            .build()
            .unwrap();
        let acceptor = TlsAcceptor::builder()
            .identity(identity(&CERTIFICATES.ecdsa))
            .alpn(protocols(&["http/1.1"]))
            .truncation(Truncation::AcceptAtRecordBoundary)
            .build()
            .unwrap();
        let (client, mut server) = established(&connector, &acceptor);
        let expected = if version == Protocols::TLS1_3 { Protocol::Tls13 } else { Protocol::Tls12 };
        for stream in [&client, &server] {
            let attributes = stream.driver().attributes().unwrap();
            assert_eq!(attributes.protocol(), expected);
            assert_eq!(attributes.application_protocol(), Some(&b"http/1.1"[..]));
        }
        assert_eq!(client.truncation(), Truncation::Accept);
        assert_eq!(server.truncation(), Truncation::AcceptAtRecordBoundary);
        // A client that goes without a word.
        drop(client);
        assert_eq!(server.read(&mut [0; 9]).unwrap(), 0);
        assert_eq!(server.report().read_end, ReadEnd::Truncated { inside_record: false });
        server.set_truncation(Truncation::Strict);
        assert_eq!(server.read(&mut [0; 9]).unwrap_err().kind(), ErrorKind::UnexpectedEof);

        // What a context may choose stands above what the credentials say.
        let options = ContextOptions { alpn: Some(protocols(&["one"])), ..ContextOptions::default() };
        let connector = connector.with_options(options.clone()).with_truncation(Truncation::Strict);
        let acceptor = acceptor.with_options(options).with_truncation(Truncation::Accept);
        let (client, server) = established(&connector, &acceptor);
        let chosen = server.driver().attributes().unwrap().application_protocol();
        assert_eq!(chosen, Some(&b"one"[..]));
        assert_eq!((client.truncation(), server.truncation()), (Truncation::Strict, Truncation::Accept));
    }
}

/// Clones and repeated use share sessions.
#[test]
fn a_connector_resumes() {
    let (connector, acceptor) = (connector(), acceptor());
    let (mut client, server) = established(&connector, &acceptor);
    assert_eq!(client.read(&mut [0; 1]).unwrap_err().kind(), ErrorKind::WouldBlock, "tickets");
    assert!(!server.driver().attributes().unwrap().session_info().resumed);
    let clones = (connector.clone(), acceptor.clone());
    drop((connector, acceptor));
    let (client, server) = established(&clones.0, &clones.1);
    for stream in [client, server] {
        assert!(stream.driver().attributes().unwrap().session_info().resumed);
    }
}

#[test]
fn errors_keep_their_sources() {
    let source = |error: &io::Error| -> ErrorStatus {
        let source = error.get_ref().and_then(|source| source.downcast_ref::<Error>());
        source.expect("the provider's error").status()
    };
    // No name of any server.
    let (client, _server) = wires();
    let error = connector().begin("no name!", client).unwrap_err();
    assert_eq!((error.kind(), source(&error)), (ErrorKind::InvalidInput, ErrorStatus::TargetUnknown));

    // Another server.
    let (client, server) = wires();
    let (mut client, mut server) =
        (connector().begin("another.test", client).unwrap(), acceptor().begin(server));
    let [one, other] = shake_hands(&mut client, &mut server);
    let (one, other) = (one.unwrap_err(), other.unwrap_err());
    assert_eq!((one.kind(), source(&one)), (ErrorKind::InvalidData, ErrorStatus::WrongPrincipal));
    assert_eq!(other.kind(), ErrorKind::InvalidData);
    let told: &Error = other.get_ref().unwrap().downcast_ref().unwrap();
    assert!(told.received_alert().is_some(), "the server hears of it");

    // Nobody was named, so nobody can be refused for his name, and nobody is trusted.
    let (client, server) = wires();
    let (mut client, mut server) = (connector().begin(None, client).unwrap(), acceptor().begin(server));
    let [one, _] = shake_hands(&mut client, &mut server);
    assert_eq!(source(&one.unwrap_err()), ErrorStatus::WrongPrincipal);
    let nameless = TlsConnector::from(
        OutboundCredentials::builder().trust(trust()).server_name_check(false).acquire().unwrap(),
    );
    let (client, server) = wires();
    let (mut client, mut server) = (nameless.begin(None, client).unwrap(), acceptor().begin(server));
    for result in shake_hands(&mut client, &mut server) {
        result.unwrap();
    }
    assert!(nameless.driver(None).unwrap().transmit().len() > 100, "a ClientHello");
}

/// Every call is made again, and the handshake goes on where it stood.
#[test]
fn a_handshake_goes_on_where_the_transport_stumbled() {
    let (mut client, mut server) = wires();
    for wire in [&mut client, &mut server] {
        (wire.chunk, wire.stumble) = (7, Stumble::Always);
    }
    let (mut client, mut server) = (connector().begin(NAME, client).unwrap(), acceptor().begin(server));
    for result in shake_hands(&mut client, &mut server) {
        result.unwrap();
    }
    client.get_mut().stumble = Stumble::Never;
    client.write_all(b"hello").unwrap();
    server.get_mut().stumble = Stumble::Never;
    let mut data = [0; 5];
    server.read_exact(&mut data).unwrap();
    assert_eq!(&data, b"hello");
}

#[test]
fn connect_and_accept_do_it_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = thread::spawn(move || acceptor().accept(listener.accept().unwrap().0).unwrap());
    let client = connector().connect(NAME, TcpStream::connect(address).unwrap()).unwrap();
    let server = server.join().unwrap();
    assert!(client.report().handshake_complete && server.report().handshake_complete);
}

#[cfg(feature = "tokio")]
#[test]
fn connect_and_accept_do_it_asynchronously() {
    use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt, duplex};

    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let (client, server) = duplex(1_000);
        let accepted = tokio::spawn(async move { acceptor().accept_async(server).await.unwrap() });
        let mut client = connector().connect_async(NAME, client).await.unwrap();
        let mut server = accepted.await.unwrap();
        assert!(client.is_write_vectored());
        let parts = [IoSlice::new(b"head "), IoSlice::new(b"and body")];
        assert_eq!(client.write_vectored(&parts).await.unwrap(), 13);
        client.flush().await.unwrap();
        // One record of both: it is read at once.
        let mut data = [0; 100];
        assert_eq!(server.read(&mut data).await.unwrap(), 13);
        assert_eq!(&data[..13], b"head and body");
        let error = connector().connect_async("no name!", duplex(1).0).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    });
}

#[test]
fn a_header_and_a_body_make_one_record() {
    let (mut client, mut server) = established(&connector(), &acceptor());
    assert_eq!(client.write_vectored(&[IoSlice::new(b"head "), IoSlice::new(b"and body")]).unwrap(), 13);
    let mut data = [0; 100];
    assert_eq!(server.read(&mut data).unwrap(), 13);
    assert_eq!(&data[..13], b"head and body");
}

/// What servers do with streams: move them between threads and keep them where they like.
#[test]
fn streams_are_what_their_transports_are() {
    fn movable<T: Send + Unpin + 'static>() {}
    fn shared<T: Send + Sync + Clone + std::fmt::Debug + 'static>() {}
    movable::<openschannel_stream::blocking::TlsStream<Wire>>();
    #[cfg(feature = "tokio")]
    movable::<openschannel_stream::tokio::TlsStream<Wire>>();
    shared::<TlsConnector>();
    shared::<TlsAcceptor>();
    let (client, _server) = established(&connector(), &acceptor());
    assert!(format!("{:?}", client.driver()).contains("Client"));
}

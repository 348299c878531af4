//! STARTTLS: every protocol against a server that speaks it as far as TLS, by `probe` and by `connect`.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use super::common::{connect, report as closing_report};
use super::peer::{Server, Serving, Stream, end_in_order};
use super::{PATIENT, all, probe, report, verdict};

/// What the server says, and what it then waits for: the end of a client's message.
type Script = &'static [(&'static [u8], &'static [u8])];

const PROTOCOLS: [(&str, Script); 11] = [
    (
        "smtp",
        &[
            (b"220-mail\r\n220 ready\r\n", b"EHLO localhost\r\n"),
            (b"250-mail\r\n250-STARTTLS\r\n250 SIZE\r\n", b"STARTTLS\r\n"),
            (b"220 go ahead\r\n", b""),
        ],
    ),
    (
        "lmtp",
        &[
            (b"220 ready\r\n", b"LHLO localhost\r\n"),
            (b"250-mail\r\n250 STARTTLS\r\n", b"STARTTLS\r\n"),
            (b"220 go ahead\r\n", b""),
        ],
    ),
    (
        "imap",
        &[
            (b"* OK ready\r\n", b"a1 CAPABILITY\r\n"),
            (b"* CAPABILITY IMAP4rev1 STARTTLS\r\na1 OK done\r\n", b"a2 STARTTLS\r\n"),
            (b"a2 OK begin\r\n", b""),
        ],
    ),
    ("pop3", &[(b"+OK ready\r\n", b"STLS\r\n"), (b"+OK begin\r\n", b"")]),
    ("ftp", &[(b"220-hello\r\n220 ready\r\n", b"AUTH TLS\r\n"), (b"234 begin\r\n", b"")]),
    ("nntp", &[(b"200 ready\r\n", b"STARTTLS\r\n"), (b"382 begin\r\n", b"")]),
    (
        "sieve",
        &[
            (b"\"IMPLEMENTATION\" \"x\"\r\n\"STARTTLS\"\r\nOK\r\n", b"STARTTLS\r\n"),
            (b"OK \"begin\"\r\n", b""),
        ],
    ),
    (
        "xmpp",
        &[
            (b"", b"to='localhost' version='1.0'>"),
            (
                b"<?xml version='1.0'?><stream:stream id='1'><stream:features><starttls \
                  xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features>",
                b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
            ),
            (b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", b""),
        ],
    ),
    (
        "ldap",
        &[
            (b"", b"\x80\x161.3.6.1.4.1.1466.20037"),
            (b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00", b""),
        ],
    ),
    ("postgres", &[(b"", b"\x00\x00\x00\x08\x04\xd2\x16\x2f"), (b"S", b"")]),
    (
        "mysql",
        // The request ends with its 23 zeros behind the character set.
        &[(
            b"\x1d\0\0\0\x0a8.0.36\0\x01\0\0\0abcdefgh\0\xff\xff\0\0\0\0\0\0",
            b"\x21\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        )],
    ),
];

/// Whether the client said what it should.
fn play(socket: &mut TcpStream, script: Script) -> bool {
    let mut heard = Vec::new();
    for (say, await_end) in script {
        socket.write_all(say).unwrap();
        heard.clear();
        let mut byte = [0];
        while !heard.ends_with(await_end) {
            match socket.read(&mut byte) {
                Ok(1) => heard.push(byte[0]),
                _ => return false,
            }
        }
    }
    true
}

fn echo(stream: &mut Stream) {
    let mut buffer = [0; 4096];
    while let Ok(n @ 1..) = stream.read(&mut buffer) {
        stream.write_all(&buffer[..n]).unwrap();
    }
    end_in_order(stream);
}

#[test]
fn every_protocol_is_probed_behind_its_dialogue() {
    for (name, script) in PROTOCOLS {
        let server = Server::start(Serving::Many, move |socket| play(socket, script), echo);
        let (report, exit) =
            report(server.port, server.ca(), &[&PATIENT[..], &["--starttls", name]].concat());
        assert_eq!(exit, 0, "{name}: {}", all(&report));
        assert_eq!(report["starttls"], name);
        assert!(report["http_path"].is_null(), "{name}");
        for protocol in ["tls1.2", "tls1.3"] {
            assert_eq!(verdict(&report, "answers-close", protocol), "good", "{name}: {}", all(&report));
            assert_eq!(verdict(&report, "close-unread", protocol), "not-applicable", "{name}");
        }
    }
}

#[test]
fn every_protocol_is_connected_to() {
    for (name, script) in PROTOCOLS {
        let server = Server::start(Serving::Many, move |socket| play(socket, script), echo);
        let mut running = connect(server.port, &["--ca", server.ca()], &["--starttls", name]);
        running.stdin.take().unwrap().write_all(b"hello").unwrap();
        let (exit, out, errors) = running.wait();
        assert_eq!((exit, out.as_slice()), (Some(0), b"hello".as_slice()), "{name}: {errors}");
        assert_eq!(closing_report(&errors)["read_end"], "clean", "{name}");
    }
}

#[test]
fn a_dialogue_that_leads_nowhere_is_said_so() {
    let cases: [(&[u8], &str); 3] = [
        (b"554 not today\r\n", "the server answered `554 not today`"),
        (b"220 ready\r\n", "the server does not offer TLS"),
        (b"", "the server ended the connection before TLS began"),
    ];
    for (greeting, words) in cases {
        let server = Server::start(
            Serving::Many,
            move |socket| {
                socket.write_all(greeting).unwrap();
                if greeting.starts_with(b"220") && play(socket, &[(b"", b"EHLO localhost\r\n")]) {
                    socket.write_all(b"250 mail\r\n").unwrap();
                    let mut nobody = [0; 512];
                    while matches!(socket.read(&mut nobody), Ok(1..)) {}
                }
                false
            },
            |_| (),
        );
        let output = probe(server.port, server.ca(), &["--starttls", "smtp"]);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{errors}");
        assert!(errors.contains(words) && errors.contains("--starttls"), "{errors}");
        let (exit, _, errors) =
            connect(server.port, &["--ca", server.ca()], &["--starttls", "smtp"]).finish();
        assert_eq!(exit, Some(1), "{errors}");
        assert!(errors.contains(words), "{errors}");
    }
}

#[test]
fn plaintext_behind_the_go_ahead_is_not_taken_for_protected() {
    let script: Script = &[(b"+OK ready\r\n", b"STLS\r\n"), (b"+OK begin\r\n+OK logged in already\r\n", b"")];
    let server = Server::start(Serving::Many, move |socket| play(socket, script), echo);
    let output = probe(server.port, server.ca(), &["--starttls", "pop3"]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains("23 unprotected bytes came behind"), "{errors}");
}

//! Writes the seeds of all targets into `fuzz/seeds`: `cargo run --manifest-path fuzz/Cargo.toml --example seeds`.
//!
//! Certificates, and what is recorded of handshakes, have other random bytes each time.
#![allow(clippy::unwrap_used, reason = "a seed that cannot be made ends the program")]

use std::path::Path;
use std::{fs, io};

use openschannel::{ContextOptions, Role, SecurityContext, TokenBuffer};
use openschannel_fuzz::handshake::{SETTINGS, client};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

#[allow(dead_code, reason = "the tests use all of it")]
#[path = "../../crates/openschannel/src/credentials/tests/fixtures.rs"]
mod fixtures;

/// Inputs of a target whose inputs are calls: the undisturbed one, and some that have nothing to say.
const CALL_SEEDS: u64 = 12;

/// Bytes of such an input: some fifty calls.
const CALL_SEED_LEN: usize = 160;

fn main() -> io::Result<()> {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds");
    if seeds.exists() {
        fs::remove_dir_all(&seeds)?;
    }
    let put = |target: &str, name: &str, bytes: &[u8]| {
        let directory = seeds.join(target);
        fs::create_dir_all(&directory)?;
        fs::write(directory.join(name), bytes)
    };
    for target in ["tokens_client", "tokens_server", "records", "calls", "stream", "abi"] {
        put(target, "plain", &[0; 24])?;
        for number in 0..CALL_SEEDS {
            put(target, &format!("calls-{number}"), &noise(number, CALL_SEED_LEN))?;
        }
    }
    control_tokens(&put)?;
    flights(&put)?;
    files(&put)?;
    texts(&put)
}

/// Payloads: the state, then for each a byte with its length and whether the token call follows.
fn control_tokens(put: &impl Fn(&str, &str, &[u8]) -> io::Result<()>) -> io::Result<()> {
    let payload = |words: &[u32]| {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
        [&[u8::try_from(bytes.len()).unwrap() << 1 | 1], &bytes[..]].concat()
    };
    let (shutdown, renegotiate) = (payload(&[1]), payload(&[0]));
    let (warning, fatal) = (payload(&[2, 1, 90]), payload(&[2, 2, 40]));
    let (session, unknown) = (payload(&[3, 2]), payload(&[7, 0, 0]));
    for state in 0..8_u8 {
        put("control_tokens", &format!("shutdown-{state}"), &[&[state], &shutdown[..], &shutdown].concat())?;
        put(
            "control_tokens",
            &format!("alerts-{state}"),
            &[&[state], &warning[..], &fatal, &shutdown].concat(),
        )?;
        put(
            "control_tokens",
            &format!("others-{state}"),
            &[&[state], &session[..], &unknown, &renegotiate].concat(),
        )?;
    }
    Ok(())
}

/// Recorded flights: the setting, the mode, two bytes for the size of a piece, the flight.
fn flights(put: &impl Fn(&str, &str, &[u8]) -> io::Result<()>) -> io::Result<()> {
    const ANY_FLIGHT: u8 = 1;
    for (index, setting) in SETTINGS.iter().enumerate() {
        let head = [u8::try_from(index).unwrap(), ANY_FLIGHT, 0, 99];
        let options = ContextOptions::default();
        let (_, hello) = client(setting, &options);
        let mut output = TokenBuffer::allocate();
        let (server, _) = SecurityContext::accept(&setting.inbound, &options, &hello, &mut output).unwrap();
        assert_eq!(server.role(), Role::Server);
        put("tokens_server", &format!("hello-{index}"), &[&head[..], &hello].concat())?;
        put("tokens_client", &format!("flight-{index}"), &[&head[..], output.as_bytes()].concat())?;
    }
    for (name, record) in [
        ("close", &[21, 3, 3, 0, 2, 1, 0][..]),
        ("alert", &[21, 3, 3, 0, 2, 2, 40]),
        ("sslv2", &[0x80, 46, 1, 3, 1]),
    ] {
        for target in ["tokens_client", "tokens_server"] {
            put(target, name, &[&[0, ANY_FLIGHT, 0, 0][..], record].concat())?;
        }
    }
    Ok(())
}

/// Certificates, keys, and what holds them.
fn files(put: &impl Fn(&str, &str, &[u8]) -> io::Result<()>) -> io::Result<()> {
    let with = |kind: u8, bytes: &[u8]| [&[kind], bytes].concat();
    for (name, file, kind) in [
        ("modern", fixtures::MODERN, 0),
        ("legacy", fixtures::LEGACY, 0),
        ("without-mac", fixtures::WITHOUT_MAC, 0),
        ("without-key", fixtures::WITHOUT_KEY, 0),
        ("empty-password", fixtures::EMPTY_PASSWORD, 1),
    ] {
        let pem =
            format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", file.replace(' ', ""));
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
        put("identities", &format!("pfx-{name}"), &with(kind, &der))?;
    }
    // A chain whose first certificate is not the key's; the password is that of the others.
    put("identities", "pfx-authority-first", &with(0, include_bytes!("authority-first.p12")))?;
    let made = rcgen::generate_simple_self_signed(["a.example".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    put("identities", "pem", &with(2, format!("{chain}\n=====\n{key}").as_bytes()))?;
    put("identities", "pem-together", &with(2, format!("{key}{chain}").as_bytes()))?;
    put("identities", "roots", &with(3, format!("a comment\n{chain}{chain}").as_bytes()))?;

    put("certificates", "der", &with(3, made.cert.der()))?;
    put("certificates", "binary", &with(4, made.cert.der().get(..90).unwrap_or_default()))?;
    let names = b"\x30\x1e\x82\x01a\x81\x03a@b\x86\x04x://\x87\x04\x7f\0\0\x01\x88\x02\x2a\x03\xa0\x06\x06\x01\x2a\xa0\x01\x00";
    put("certificates", "names", &with(0, names))?;
    put("certificates", "constraints", &with(1, b"\x30\x06\x01\x01\xff\x02\x01\x03"))?;
    put("certificates", "usage", &with(2, b"\x30\x0a\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x01"))?;
    // The format is the kind modulo seven.
    for (kind, text) in
        [(7, chain.as_str()), (8, "aGVsbG8="), (9, "aGVs bG8"), (11, "00 ff 0a"), (13, "00ff0a")]
    {
        put("certificates", &format!("text-{kind}"), &with(kind, text.as_bytes()))?;
    }
    Ok(())
}

/// Heads of requests, responses, and what servers say before TLS.
fn texts(put: &impl Fn(&str, &str, &[u8]) -> io::Result<()>) -> io::Result<()> {
    let requests = [
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /a/b?c=/d HTTP/1.1\r\nHost: a\r\nConnection: foo, Close\r\n\r\nGET",
        "HEAD https://host:1/a HTTP/1.1\r\nHost: host:1\r\nContent-Length: 0\r\n\r\n",
        "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
        "OPTIONS * HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    ];
    for (index, text) in requests.iter().enumerate() {
        put("http_request", &format!("request-{index}"), &[&[40], text.as_bytes()].concat())?;
    }
    // How the client ends, the bytes of a record, and requests that follow each other.
    let sites = [
        "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /a.txt HTTP/1.1\r\nHost: a\r\n\r\n",
        "\r\nHEAD /b%20c/ HTTP/1.1\r\nHost: a\r\n\r\nGET /empty HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET /",
        "GET /a.txt HTTP/1.0\r\n\r\nGET / HTTP/1.0\r\n\r\n",
        "GET /a.txt HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /../secret HTTP/1.0\r\n\r\n",
        "GET /link HTTP/1.1\r\nHost: a\r\n\r\nGET /no-index/ HTTP/1.1\r\nHost: a\r\n\r\nGET /%2e%2e/secret HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /a.txt HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    ];
    for (index, text) in sites.iter().enumerate() {
        let number = u8::try_from(index).unwrap();
        put(
            "http_server",
            &format!("requests-{index}"),
            &[&[number, 90 * (index as u8 % 2) + 9], text.as_bytes()].concat(),
        )?;
    }
    let responses = [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3;x=y\r\nabc\r\n0\r\n\r\n",
        "HTTP/1.0 200 ok\r\nContent-type: text/html\r\n\r\n<html>",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\nA: b\r\n\r\n",
        "HTTP/1.0 304 Not Modified\nConnection: keep-alive\n\n",
        "HTTP/1.1 000 OK\r\nContent-Length: 0\r\n\r\n",
    ];
    for (index, text) in responses.iter().enumerate() {
        put("http_response", &format!("response-{index}"), &[&[7], text.as_bytes()].concat())?;
    }
    let mysql = b"\x29\0\0\0\x0a8.0.36\0\x01\0\0\0abcdefgh\0\xff\xff\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    let dialogues: [&[u8]; 11] = [
        b"220-mx\r\n220 ready\r\n250-mx\r\n250-starttls\r\n250 SIZE\r\n220 go\r\n",
        b"220 mx\r\n250-mx\r\n250 STARTTLS\r\n220 go\r\n",
        b"* OK ready\r\n* CAPABILITY IMAP4rev1 STARTTLS\r\na1 OK done\r\na2 OK begin\r\n",
        b"+OK ready\r\n+OK begin\r\n",
        b"220-hello\r\n any text\r\n220 ready\r\n234 go\r\n",
        b"200 ready\r\n382 go\r\n",
        b"\"IMPLEMENTATION\" \"x\"\r\n\"STARTTLS\"\r\nOK\r\nOK \"begin\"\r\n",
        b"<stream:stream><stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features><proceed/>",
        b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00",
        b"S",
        mysql,
    ];
    for (index, text) in dialogues.iter().enumerate() {
        put("starttls", &format!("dialogue-{index}"), &[&[u8::try_from(index).unwrap(), 9], *text].concat())?;
    }
    // What is no text before the go-ahead, and something behind it.
    let hidden = b"\x07\x09<stream:features>urn:ietf:params:xml:ns:xmpp-tls</stream:features>\xff\xff\xff<proceed/><iq/>";
    put("starttls", "no-text", hidden)
}

/// The same bytes each time (xorshift64*).
fn noise(number: u64, len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15 ^ (number + 1).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let next = || {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_be_bytes()[0]
    };
    std::iter::repeat_with(next).take(len).collect()
}

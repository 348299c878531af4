//! `openschannel` against other people's HTTPS servers. What each of them does at every end is in docs/servers.md, which
//! `interop/servers/table --check` compares.

use std::io::{Read as _, Write as _};
use std::process::Stdio;

use openschannel_interop::certificates::{Certificates, SERVER_NAME};
use openschannel_interop::program::openschannel;
use openschannel_interop::servers::{LARGE, Running, Server};

const VERSIONS: [&str; 2] = ["tls1.2", "tls1.3"];

#[test]
#[ignore = "needs nginx, apache2, haproxy, go, node, java, gnutls-serv, openssl"]
fn every_server_starts_and_answers() {
    let certificates = Certificates::new();
    for server in Server::ALL {
        let running = server.start(&certificates);
        for version in VERSIONS {
            let files = [(Some(server.small), 1), (server.large, LARGE)];
            for (path, length) in files.into_iter().filter_map(|(path, length)| Some((path?, length))) {
                let answer = get(&certificates, &running, path, length, version);
                let head = String::from_utf8_lossy(&answer[..answer.len().min(100)]);
                let context = format!("{}, {path}, {version}: {} bytes, {head}", server.name, answer.len());
                assert!(head.starts_with("HTTP/1.") && head[8..].starts_with(" 200 "), "{context}");
                assert!(answer.len() > length, "{context}");
            }
        }
        running.end();
    }
}

/// What `openschannel connect` gets for one request. It closes its side when more than `length` bytes are there and not before: some
/// servers stop answering then.
fn get(certificates: &Certificates, to: &Running, path: &str, length: usize, version: &str) -> Vec<u8> {
    let mut connect = openschannel()
        .args(["connect", &format!("127.0.0.1:{}", to.port), "--sni", SERVER_NAME, "--linger", "30", "--ca"])
        .arg(certificates.authority_file())
        .args(["--min-protocol", version, "--max-protocol", version])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let (mut input, mut output) = (connect.stdin.take().unwrap(), connect.stdout.take().unwrap());
    let request = format!("GET {path} HTTP/1.1\r\nHost: {SERVER_NAME}\r\nConnection: close\r\n\r\n");
    input.write_all(request.as_bytes()).unwrap();
    let (mut answer, mut buffer) = (Vec::new(), vec![0; 1 << 16]);
    while answer.len() <= length {
        match output.read(&mut buffer).unwrap() {
            0 => break,
            read => answer.extend_from_slice(&buffer[..read]),
        }
    }
    drop(input);
    output.read_to_end(&mut answer).unwrap();
    connect.wait().unwrap();
    answer
}

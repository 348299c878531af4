//! `openschannel serve`: files over HTTP, and an end in order for every connection.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;

use common::*;
use openschannel::ReadEnd;
use openschannel::alert::AlertDescription;
use openschannel::credentials::Protocols;
use openschannel_stream::blocking::TlsStream;

type Client = TlsStream<TcpStream>;

/// A directory to serve, with things in it and beside it.
fn site() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("www");
    std::fs::create_dir_all(root.join("sub")).unwrap();
    std::fs::create_dir(root.join("bare")).unwrap();
    std::fs::write(root.join("index.html"), "<p>index</p>").unwrap();
    std::fs::write(root.join("sub/a b.txt"), "spaced").unwrap();
    std::fs::write(root.join("empty"), "").unwrap();
    std::fs::write(root.join("large.bin"), noise(5_000_000)).unwrap();
    std::fs::write(directory.path().join("secret"), "secret").unwrap();
    directory
}

fn serve(site: &Path, arguments: &[&str]) -> Served {
    let root = site.join("www");
    Served::start(&[&["--www", root.to_str().unwrap()], arguments].concat())
}

#[derive(Debug, PartialEq, Eq)]
struct Response {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Response {
    fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.head.lines().filter_map(|line| line.split_once(": "));
        fields.find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// Reads one response, and no byte more.
fn response(client: &mut Client, has_body: bool) -> Response {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let mut response = Response { status, head, body: Vec::new() };
    if has_body {
        response.body = vec![0; response.field("Content-Length").unwrap().parse().unwrap()];
        client.read_exact(&mut response.body).unwrap();
    }
    response
}

fn ask(client: &mut Client, request: &str) -> Response {
    client.write_all(request.as_bytes()).unwrap();
    client.flush().unwrap();
    response(client, !request.starts_with("HEAD"))
}

fn get(client: &mut Client, target: &str) -> Response {
    ask(client, &format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n"))
}

/// Nothing more comes, and the server has said so.
fn assert_ended(client: &mut Client) {
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
    assert_eq!(client.report().read_end, ReadEnd::Clean);
    client.close_write().unwrap();
}

#[test]
fn files_arrive_whole_over_a_connection_that_is_kept() {
    let site = site();
    for protocols in [Protocols::TLS1_2, Protocols::TLS1_3] {
        let mut server = serve(site.path(), &["--accept-count", "1"]);
        let mut client = server.client(protocols);
        let index = get(&mut client, "/");
        assert_eq!((index.status, index.body.as_slice()), (200, &b"<p>index</p>"[..]));
        assert_eq!(index.field("Content-Type"), Some("text/html; charset=utf-8"));
        assert!(index.field("Date").unwrap().ends_with(" GMT"));
        let large = get(&mut client, "/large.bin?with=query");
        assert!(large.status == 200 && large.body == noise(5_000_000));
        assert_eq!(large.field("Content-Type"), Some("application/octet-stream"));
        assert_eq!(get(&mut client, "/sub/a%20b.txt").body, b"spaced");
        assert_eq!(get(&mut client, "https://localhost/sub/a%20b.txt").body, b"spaced");
        assert_eq!(get(&mut client, "/empty"), Response { body: vec![], ..get(&mut client, "/empty") });
        let missing = get(&mut client, "/missing");
        assert_eq!((missing.status, missing.field("Connection")), (404, None));
        assert_eq!(get(&mut client, "/bare").status, 404, "a directory without an index");
        assert_eq!(get(&mut client, "/empty/").status, 404, "a file is no directory");

        let head = ask(&mut client, "HEAD /large.bin HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!((head.status, head.field("Content-Length")), (200, Some("5000000")));
        assert_eq!(ask(&mut client, "HEAD /missing HTTP/1.1\r\nHost: a\r\n\r\n").status, 404);

        let last = ask(&mut client, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        assert_eq!((last.status, last.field("Connection")), (200, Some("close")));
        assert_ended(&mut client);
        let line = server.next_line();
        assert_eq!((&line["read_end"], &line["close_sent"]), (&"clean".into(), &true.into()), "{line}");
        assert_eq!(server.running.finish().0, Some(0));
    }
}

/// With an end in order a careless client would take the part for the whole.
#[test]
fn a_file_that_shrinks_ends_in_an_alert() {
    // More than the buffers of all sockets hold, so that the server is still sending when the file shrinks.
    const LENGTH: u64 = 200 << 20;
    let site = site();
    let file = std::fs::File::create(site.path().join("www/shrinks")).unwrap();
    file.set_len(LENGTH).unwrap();
    let mut server = serve(site.path(), &["--accept-count", "1"]);
    let mut client = server.client(Protocols::TLS1_3);
    client.write_all(b"GET /shrinks HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let head = response(&mut client, false);
    assert_eq!(head.field("Content-Length"), Some(LENGTH.to_string().as_str()));
    file.set_len(0).unwrap();
    let mut rest = Vec::new();
    assert_eq!(client.read_to_end(&mut rest).unwrap_err().kind(), std::io::ErrorKind::InvalidData);
    assert!(rest.len() < 200 << 20);
    assert_eq!(client.report().read_end, ReadEnd::Alert(AlertDescription::INTERNAL_ERROR));
    drop(client);
    assert!(server.next_line()["error"].as_str().unwrap().contains("shorter"));
}

#[test]
fn requests_may_come_all_at_once_and_in_pieces() {
    let (site, server) = {
        let site = site();
        let server = serve(site.path(), &[]);
        (site, server)
    };
    let mut client = server.client(Protocols::TLS1_3);
    let one = "\r\nGET /sub/a%20b.txt HTTP/1.1\r\nHost: a\r\n\r\n";
    client.write_all(one.repeat(20).as_bytes()).unwrap();
    // Half-close: the answers still come.
    client.close_write().unwrap();
    for _ in 0..20 {
        assert_eq!(response(&mut client, true).body, b"spaced");
    }
    assert_ended(&mut client);

    let mut client = server.client(Protocols::TLS1_2);
    for byte in one.bytes() {
        client.write_all(&[byte]).unwrap();
        client.flush().unwrap();
    }
    assert_eq!(response(&mut client, true).body, b"spaced");
    drop(site);
}

/// RFC 8446 section 6.1: who has closed one direction still gets what comes from the other. In TLS 1.2 a server may stop at once
/// (RFC 5246 section 7.2.1); this one does not.
#[test]
fn a_client_that_half_closes_behind_its_request_gets_the_whole_large_answer() {
    let site = site();
    let server = serve(site.path(), &[]);
    for protocols in [Protocols::TLS1_2, Protocols::TLS1_3] {
        for connection in ["keep-alive", "close"] {
            for with_fin in [false, true] {
                let mut client = server.client(protocols);
                let request =
                    format!("GET /large.bin HTTP/1.1\r\nHost: a\r\nConnection: {connection}\r\n\r\n");
                // Both in one segment.
                let driver = client.driver_mut();
                assert_eq!(driver.write(request.as_bytes()).unwrap(), request.len());
                driver.close_write().unwrap();
                client.close_notify().unwrap();
                if with_fin {
                    client.close_write().unwrap();
                }
                let answer = response(&mut client, true);
                assert!(answer.status == 200 && answer.body == noise(5_000_000));
                assert_ended(&mut client);
            }
        }
    }
}

/// Idle from the beginning, between two requests, and in the middle of one: each time a close_notify comes before the FIN.
#[test]
fn idle_connections_are_closed_in_order() {
    let site = site();
    let root = site.path().join("www");
    // Long enough for a machine with other things to do to say its hello in between.
    let idle = ["--idle-time", "2"];
    let services = [vec!["--echo"], vec!["--www", root.to_str().unwrap()]];
    let mut servers = services.map(|service| Served::start(&[&service[..], &idle].concat()));
    let mut clients = Vec::new();
    for protocols in [Protocols::TLS1_2, Protocols::TLS1_3] {
        let [echo, www] = &servers;
        clients.extend([echo.client(protocols), www.client(protocols)]);
        let mut client = echo.client(protocols);
        client.write_all(b"hello").unwrap();
        client.read_exact(&mut [0; 5]).unwrap();
        clients.push(client);
        let mut client = www.client(protocols);
        assert_eq!(get(&mut client, "/").status, 200);
        client.write_all(b"GET / HT").unwrap();
        client.flush().unwrap();
        clients.push(client);
    }
    for client in &mut clients {
        assert_ended(client);
    }
    for server in &mut servers {
        for _ in 0..4 {
            let line = server.next_line();
            assert_eq!((&line["read_end"], &line["error"]), (&"clean".into(), &serde_json::Value::Null));
        }
    }
}

/// What a refused client still sends is read: closing on it would be a reset, which destroys the answer.
#[test]
fn a_refused_client_that_sends_on_reads_the_refusal_and_the_end() {
    let site = site();
    let server = serve(site.path(), &[]);
    for protocols in [Protocols::TLS1_2, Protocols::TLS1_3] {
        let mut client = server.client(protocols);
        let body = noise(10_000_000);
        let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len());
        client.write_all(head.as_bytes()).unwrap();
        client.write_all(&body).unwrap();
        client.close_write().unwrap();
        let answer = response(&mut client, true);
        assert_eq!((answer.status, answer.field("Connection")), (405, Some("close")));
        assert_ended(&mut client);
    }
}

#[test]
fn http_1_0_is_kept_only_when_asked_to() {
    let site = site();
    let server = serve(site.path(), &[]);
    let mut client = server.client(Protocols::TLS1_3);
    let kept = ask(&mut client, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert_eq!((kept.status, kept.field("Connection")), (200, Some("keep-alive")));
    let last = ask(&mut client, "GET / HTTP/1.0\r\n\r\n");
    assert_eq!((last.status, last.field("Connection")), (200, Some("close")));
    assert_ended(&mut client);
}

#[test]
fn what_is_no_proper_request_is_refused_and_the_connection_ended() {
    let site = site();
    let server = serve(site.path(), &[]);
    for (request, status) in [
        ("nonsense\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/3.0\r\nHost: a\r\n\r\n".to_owned(), 505),
        (format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(9_000)), 414),
        (format!("GET /{}", "a".repeat(20_000)), 414),
        (format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "a".repeat(20_000)), 431),
        (format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: a\r\n".repeat(200)), 431),
    ] {
        let mut client = server.client(Protocols::TLS1_3);
        let answer = ask(&mut client, &request);
        assert_eq!((answer.status, answer.field("Connection")), (status, Some("close")), "{request:.40}");
        assert_ended(&mut client);
    }
    let mut client = server.client(Protocols::TLS1_3);
    let refused = ask(&mut client, "DELETE / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!((refused.status, refused.field("Allow")), (405, Some("GET, HEAD")));
    // A body is not taken for the next request.
    let posted =
        ask(&mut client, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18\r\n\r\nGET / HTTP/1.1\r\n\r\n");
    assert_eq!((posted.status, posted.field("Connection")), (405, Some("close")));
    assert_ended(&mut client);
}

#[test]
fn nothing_outside_the_directory_is_served() {
    let site = site();
    let root = site.path().join("www");
    #[cfg(unix)]
    {
        use std::os::unix::fs::symlink;
        symlink(site.path().join("secret"), root.join("link")).unwrap();
        symlink(site.path(), root.join("up")).unwrap();
        symlink("index.html", root.join("inside")).unwrap();
        symlink("loop", root.join("loop")).unwrap();
    }
    // Its name begins like the root's.
    std::fs::create_dir(site.path().join("www-other")).unwrap();
    std::fs::write(site.path().join("www-other/secret"), "secret").unwrap();
    let server = serve(site.path(), &[]);
    let mut client = server.client(Protocols::TLS1_3);
    for target in [
        "/../secret",
        "/%2e%2e/secret",
        "/sub/../../secret",
        "/sub/..%2f..%2fsecret",
        "/..%5csecret",
        "/../www-other/secret",
        "/..",
        "/link",
        "/up/secret",
        "/up/",
        "/loop",
        "/index.html%00.txt",
        "/%",
        "//etc/passwd",
    ] {
        let answer = get(&mut client, target);
        assert!(matches!(answer.status, 400 | 404), "{target}: {answer:?}");
        assert!(!String::from_utf8_lossy(&answer.body).contains("secret"), "{target}");
    }
    #[cfg(unix)]
    assert_eq!(get(&mut client, "/inside").body, b"<p>index</p>");
}

#[test]
fn many_connections_at_once() {
    const CLIENTS: usize = 24;
    let site = site();
    let mut server = serve(site.path(), &["--accept-count", &CLIENTS.to_string()]);
    let expected = noise(5_000_000);
    std::thread::scope(|scope| {
        for index in 0..CLIENTS {
            let (server, expected) = (&server, &expected);
            scope.spawn(move || {
                let protocols = [Protocols::TLS1_2, Protocols::TLS1_3][index % 2];
                let mut client = server.client(protocols);
                assert!(get(&mut client, "/large.bin").body == *expected);
                client.close_write().unwrap();
                assert_ended(&mut client);
            });
        }
    });
    for _ in 0..CLIENTS {
        assert_eq!(server.next_line()["read_end"], "clean");
    }
    assert_eq!(server.next_line()["clean"], CLIENTS);
    assert_eq!(server.running.finish().0, Some(0));
}

#[test]
fn a_client_that_just_goes_is_reported_as_truncated() {
    let mut server = Served::start(&["--echo", "--accept-count", "1"]);
    let mut client = server.client(Protocols::TLS1_3);
    client.write_all(b"hello").unwrap();
    client.read_exact(&mut [0; 5]).unwrap();
    drop(client);
    let line = server.next_line();
    assert_eq!((&line["read_end"], &line["inside_record"]), (&"truncated".into(), &false.into()));
    assert_eq!((&line["bytes_sent"], &line["bytes_received"]), (&5.into(), &5.into()));
    assert_eq!(server.next_line()["truncated"], 1);
    assert_eq!(server.running.finish().0, Some(0));
}

#[test]
fn who_speaks_no_tls_is_let_go_and_nobody_else_suffers() {
    let mut server = Served::start(&["--echo"]);
    let mut socket = TcpStream::connect(server.address()).unwrap();
    socket.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).unwrap();
    // Section 5.2: what is no TLS gets no alert.
    assert!(answer.is_empty(), "{answer:?}");
    drop(socket);
    let line = server.next_line();
    assert_eq!((&line["read_end"], &line["status"]), (&"failed".into(), &"SEC_E_INVALID_TOKEN".into()));
    assert_eq!(server.connect(&[]).finish().0, Some(0));
}

#[cfg(unix)]
#[test]
fn a_signal_closes_every_connection_in_order() {
    let site = site();
    for (signal, protocols) in [("TERM", Protocols::TLS1_3), ("INT", Protocols::TLS1_2)] {
        let root = site.path().join("www");
        for service in [&["--echo"][..], &["--www", root.to_str().unwrap()]] {
            let mut server = Served::start(service);
            let mut clients: Vec<_> = (0..3).map(|_| server.client(protocols)).collect();
            // The server has taken them all once it has answered.
            for client in &mut clients {
                if service.len() == 1 {
                    client.write_all(b"hello").unwrap();
                    client.read_exact(&mut [0; 5]).unwrap();
                } else {
                    assert_eq!(get(client, "/").status, 200);
                }
            }
            server.signal(signal);
            for client in &mut clients {
                assert_ended(client);
            }
            for _ in &clients {
                assert_eq!(server.next_line()["read_end"], "clean");
            }
            assert_eq!(server.next_line()["clean"], 3);
            assert_eq!(server.running.finish().0, Some(0));
        }
    }
}

/// Within five seconds, whatever the peer does.
#[cfg(unix)]
#[test]
fn a_silent_client_does_not_keep_a_stopping_server() {
    let mut server = Served::start(&["--echo"]);
    let mut client = server.client(Protocols::TLS1_3);
    client.write_all(b"hello").unwrap();
    client.read_exact(&mut [0; 5]).unwrap();
    // A second one that has not even said hello.
    let mute = TcpStream::connect(server.address()).unwrap();
    let begun = std::time::Instant::now();
    server.signal("TERM");
    let (code, stdout, stderr) = server.running.wait();
    assert_eq!(code, Some(0), "{stderr}");
    assert!(begun.elapsed().as_secs() < 10);
    let stdout = String::from_utf8(stdout).unwrap();
    assert!(stdout.lines().last().unwrap().contains("\"event\":\"tally\""), "{stdout}");
    assert_eq!(client.read(&mut [0]).unwrap(), 0, "it was told all the same");
    drop(mute);
}

#[test]
fn people_get_the_port_and_the_certificate_in_words() {
    let mut command = program();
    command.args(["serve", "--listen", "127.0.0.1:0", "--echo", "--accept-count", "1"]);
    let mut running = Running::start(&mut command);
    let mut lines = [String::new(), String::new()];
    for line in &mut lines {
        std::io::BufRead::read_line(&mut running.stdout, line).unwrap();
    }
    let port: u16 = lines[0].trim().strip_prefix("listening on 127.0.0.1:").unwrap().parse().unwrap();
    let ca = lines[1].trim().strip_prefix("throw-away certificate in ").unwrap();
    let (code, _, stderr) = connect(port, &["--ca", ca], &[]).finish();
    std::fs::remove_file(ca).unwrap();
    assert_eq!(code, Some(0), "{stderr}");
    let (code, stdout, _) = running.finish();
    assert_eq!(code, Some(0));
    assert!(String::from_utf8(stdout).unwrap().contains("1 connections: 1 ended in order"));
}

#[test]
fn an_own_certificate_is_used() {
    let directory = tempfile::tempdir().unwrap();
    let certificate = Certificate::make();
    let (chain, key) = certificate.write(directory.path());
    let both = directory.path().join("both.pem");
    std::fs::write(&both, certificate.pem.clone() + &certificate.key_pem).unwrap();
    for identity in [&["--cert", chain.as_str(), "--key", &key][..], &["--cert", both.to_str().unwrap()]] {
        let mut command = program();
        command.args(["serve", "--listen", "127.0.0.1:0", "--echo", "--json"]).args(identity);
        let mut running = Running::start(&mut command);
        let mut line = String::new();
        std::io::BufRead::read_line(&mut running.stdout, &mut line).unwrap();
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(line["ca"], serde_json::Value::Null);
        let port = line["port"].as_u64().unwrap().try_into().unwrap();
        let (code, _, stderr) = connect(port, &["--ca", &chain], &[]).finish();
        assert_eq!(code, Some(0), "{stderr}");
    }
    let output = run(&["serve", "--listen", "127.0.0.1:0", "--echo", "--cert", &chain]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("--key FILE"));
}

//! nginx as an HTTPS server: requests over one connection, and the end from either side.

use std::process::Command;

use openschannel::credentials::Protocols;
use openschannel::{ContextOptions, ReadEnd};
use openschannel_interop::certificates::Certificates;
use openschannel_interop::connection::{Connection, Incoming};
use openschannel_interop::data::{TEN_MEGABYTES, random, sha256};
use openschannel_interop::process::Process;
use openschannel_interop::{connect, free_port, wait_for_port};

use super::conversations::VERSIONS;

/// nginx on the files beside the certificates, and its port. It runs until it is dropped.
fn serve(certificates: &Certificates) -> (Process, u16) {
    let (port, directory) = (free_port(), certificates.directory().display().to_string());
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|module| format!("{module}_temp_path {directory}/{module};"))
        .concat();
    let configuration = format!(
        "daemon off; master_process off; pid {directory}/nginx.pid; error_log stderr; events {{}}
         http {{
             access_log off; {temporary}
             server {{
                 listen 127.0.0.1:{port} ssl; root {directory};
                 ssl_protocols TLSv1.2 TLSv1.3;
                 ssl_certificate {}; ssl_certificate_key {};
             }}
         }}",
        certificates.ecdsa.certificate.display(),
        certificates.ecdsa.key.display()
    );
    let file = certificates.write("nginx.conf", configuration.as_bytes());
    // Not on every user's path.
    let system = "/usr/sbin/nginx";
    let program = if std::path::Path::new(system).exists() { system } else { "nginx" };
    let process = Process::start(Command::new(program).args(["-p", &directory, "-e", "stderr", "-c", &file]));
    wait_for_port(port);
    (process, port)
}

fn open(certificates: &Certificates, port: u16, protocols: Protocols) -> Connection {
    let credentials = certificates.outbound().protocols(protocols).acquire().unwrap();
    Connection::client(connect(port), &credentials, &ContextOptions::default()).unwrap()
}

/// One request and the body of its answer, by its length.
fn get(connection: &mut Connection, path: &str, header: &str) -> Vec<u8> {
    connection.send(format!("GET /{path} HTTP/1.1\r\nHost: server.test\r\n{header}\r\n").as_bytes());
    let mut answer = Vec::new();
    let body = loop {
        match connection.receive() {
            Incoming::Data(data) => answer.extend_from_slice(data),
            Incoming::End(end) => panic!("{end:?} after {} bytes", answer.len()),
        }
        if let Some(body) = answer.windows(4).position(|window| window == b"\r\n\r\n") {
            break body + 4;
        }
    };
    let head = String::from_utf8(answer[..body].to_vec()).unwrap().to_lowercase();
    assert!(head.starts_with("http/1.1 200"), "{head}");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    let length: usize = length.parse().unwrap();
    let mut content = answer.split_off(body);
    while content.len() < length {
        match connection.receive() {
            Incoming::Data(data) => content.extend_from_slice(data),
            Incoming::End(end) => panic!("{end:?} after {} of {length} bytes", content.len()),
        }
    }
    content
}

#[test]
#[ignore = "needs nginx"]
fn requests_over_one_connection_and_nginx_closes() {
    let certificates = Certificates::new();
    let page = random(1, TEN_MEGABYTES);
    certificates.write("page", &page);
    let (_nginx, port) = serve(&certificates);
    for (version, protocols) in VERSIONS {
        let mut connection = open(&certificates, port, protocols);
        for header in ["", "", "Connection: close\r\n"] {
            assert_eq!(sha256(&get(&mut connection, "page", header)), sha256(&page), "TLS {version}");
        }
        let rest = connection.receive_all();
        assert_eq!((rest.bytes, rest.end), (0, ReadEnd::Clean), "TLS {version}");
        connection.shut_down();
        assert!(connection.report().close_sent);
    }
}

/// nginx takes our close for the end of both directions, and answers with the transport's end and nothing else.
#[test]
#[ignore = "needs nginx"]
fn we_close_a_connection_that_is_kept_alive() {
    let certificates = Certificates::new();
    certificates.write("page", b"short");
    let (_nginx, port) = serve(&certificates);
    for (version, protocols) in VERSIONS {
        let mut connection = open(&certificates, port, protocols);
        assert_eq!(get(&mut connection, "page", ""), b"short");
        connection.shut_down();
        let rest = connection.receive_all();
        assert_eq!((rest.bytes, rest.end), (0, ReadEnd::Truncated { inside_record: false }), "TLS {version}");
    }
}

/// Killed in the middle of an answer: what came is not taken for all of it.
#[test]
#[ignore = "needs nginx"]
fn an_nginx_that_is_killed_leaves_a_connection_without_end() {
    let certificates = Certificates::new();
    certificates.write("page", b"short");
    for (version, protocols) in VERSIONS {
        let (nginx, port) = serve(&certificates);
        let mut connection = open(&certificates, port, protocols);
        assert_eq!(get(&mut connection, "page", ""), b"short");
        drop(nginx);
        assert_eq!(
            connection.receive_all().end,
            ReadEnd::Truncated { inside_record: false },
            "TLS {version}"
        );
    }
}

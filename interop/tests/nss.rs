//! NSS, by its own programs selfserv and tstclnt.

use std::fs::File;
use std::process::Command;

use openschannel::{ContextOptions, ReadEnd};
use openschannel_interop::certificates::{Certificates, SERVER_NAME};
use openschannel_interop::connection::{Connection, Incoming};
use openschannel_interop::data::{random, sha256};
use openschannel_interop::process::{Process, run};
use openschannel_interop::{accept, connect, free_port, listen, port, wait_for_port};

use super::conversations::VERSIONS;

const SOME: usize = 1_000_000;

/// NSS wants certificates in a database of its own.
fn database(certificates: &Certificates) -> String {
    let directory = format!("sql:{}", certificates.directory().display());
    let bundle = certificates.directory().join("server.p12").display().to_string();
    let authority = certificates.authority_file().display().to_string();
    run(Command::new("certutil").args(["-N", "-d", &directory, "--empty-password"]));
    run(Command::new("certutil").args([
        "-A",
        "-d",
        &directory,
        "-n",
        "authority",
        "-t",
        "C,,",
        "-i",
        &authority,
    ]));
    run(Command::new("openssl")
        .args(["pkcs12", "-export", "-name", "server", "-passout", "pass:", "-out", &bundle, "-in"])
        .arg(&certificates.ecdsa.certificate)
        .arg("-inkey")
        .arg(&certificates.ecdsa.key));
    run(Command::new("pk12util").args(["-i", &bundle, "-d", &directory, "-W", "", "-K", ""]));
    directory
}

#[test]
#[ignore = "needs nss"]
fn selfserv_answers_and_closes() {
    let certificates = Certificates::new();
    let directory = database(&certificates);
    for (version, protocols) in VERSIONS {
        let port = free_port();
        let range = format!("tls{version}:tls{version}");
        let _server = Process::start(Command::new("selfserv").args([
            "-d",
            &directory,
            "-n",
            "server",
            "-p",
            &port.to_string(),
            "-V",
            &range,
        ]));
        wait_for_port(port);
        let credentials = certificates.outbound().protocols(protocols).acquire().unwrap();
        let mut connection =
            Connection::client(connect(port), &credentials, &ContextOptions::default()).unwrap();
        connection.send(b"GET / HTTP/1.0\r\n\r\n");
        let mut answer = Vec::new();
        let end = loop {
            match connection.receive() {
                Incoming::Data(data) => answer.extend_from_slice(data),
                Incoming::End(end) => break end,
            }
        };
        assert_eq!(end, ReadEnd::Clean, "TLS {version}");
        assert!(answer.starts_with(b"HTTP/1.0 200 OK"), "{}", String::from_utf8_lossy(&answer));
        connection.shut_down();
        assert!(connection.report().close_sent);
    }
}

#[test]
#[ignore = "needs nss"]
fn tstclnt_sends_receives_and_closes() {
    let certificates = Certificates::new();
    let directory = database(&certificates);
    let (ours, theirs) = (random(1, SOME), random(2, SOME));
    let request = certificates.write("request", &theirs);
    for (version, protocols) in VERSIONS {
        let listener = listen();
        let output = certificates.write("output", b"");
        let range = format!("tls{version}:tls{version}");
        let process = Process::start_with_output(
            Command::new("tstclnt")
                .args(["-h", "127.0.0.1", "-a", SERVER_NAME, "-p", &port(&listener).to_string()])
                // The certificate is for a name, and tstclnt checks it for the address.
                .args(["-d", &directory, "-V", &range, "-o", "-A", &request]),
            File::create(&output).unwrap(),
        );
        let credentials = certificates.inbound().protocols(protocols).acquire().unwrap();
        let mut connection =
            Connection::server(accept(&listener), &credentials, &ContextOptions::default()).unwrap();
        assert_eq!(connection.receive_exactly(theirs.len()), sha256(&theirs), "TLS {version}");
        connection.send(&ours);
        connection.shut_down();
        let end = connection.receive_all().end;
        assert_eq!(end, ReadEnd::Clean, "TLS {version}");
        process.finish().succeeded();
        assert_eq!(sha256(&std::fs::read(&output).unwrap()), sha256(&ours), "TLS {version}");
    }
}

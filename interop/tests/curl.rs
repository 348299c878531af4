//! curl downloads from `openschannel serve --www`.

use std::io::Read as _;
use std::process::{Child, Command, Stdio};
use std::thread;

use openschannel_interop::certificates::{Certificates, SERVER_NAME};
use openschannel_interop::data::{Digest, random, sha256};
use openschannel_interop::process::Process;
use openschannel_interop::program::openschannel;
use serde_json::Value;

const HUNDRED_MEGABYTES: usize = 100_000_000;

const CONNECTIONS: usize = 50;

/// `openschannel serve` for so many connections, and its port.
fn serve(certificates: &Certificates, connections: usize, options: &[&str]) -> (Process, u16) {
    let mut process = Process::start(
        openschannel()
            .args(["serve", "--listen", "127.0.0.1:0", "--json", "--accept-count", &connections.to_string()])
            .arg("--www")
            .arg(certificates.directory())
            .arg("--cert")
            .arg(&certificates.ecdsa.certificate)
            .arg("--key")
            .arg(&certificates.ecdsa.key)
            .args(options),
    );
    let listening: Value = serde_json::from_str(&process.line("{")).unwrap();
    assert_eq!(listening["event"], "listening");
    let port = listening["port"].as_u64().unwrap().try_into().unwrap();
    (process, port)
}

fn curl(certificates: &Certificates, port: u16, options: &[&str], files: &[&str]) -> Command {
    let mut command = Command::new("curl");
    command
        .args(["--silent", "--show-error", "--fail", "--max-time", "300"])
        .args(["--resolve", &format!("{SERVER_NAME}:{port}:127.0.0.1"), "--cacert"])
        .arg(certificates.authority_file())
        .args(options)
        .args(files.iter().map(|file| format!("https://{SERVER_NAME}:{port}/{file}")));
    command
}

/// The reports of all connections, which the server prints before it ends by itself.
#[track_caller]
fn reports(server: Process, connections: usize) -> Vec<Value> {
    let finished = server.finish().succeeded();
    let lines = finished.output.iter().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let reports: Vec<Value> = lines.filter(|line| line["event"] == "connection").collect();
    assert_eq!(reports.len(), connections, "{}", finished.text());
    reports
}

#[track_caller]
fn assert_clean(report: &Value) {
    let end = (&report["read_end"], &report["close_sent"], &report["handshake_complete"]);
    assert_eq!(end, (&"clean".into(), &true.into(), &true.into()), "{report}");
}

/// A running curl. Dropping it kills it.
struct Download(Child);

impl Drop for Download {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

impl Download {
    /// Its output's hash; fails the test unless it ends well.
    fn finish(mut self) -> String {
        let (mut output, mut digest, mut buffer) =
            (self.0.stdout.take().unwrap(), Digest::default(), vec![0; 1 << 17]);
        loop {
            match output.read(&mut buffer).unwrap() {
                0 => break,
                read => digest.update(&buffer[..read]),
            }
        }
        let status = self.0.wait().unwrap();
        assert!(status.success(), "curl: {status}");
        digest.finish()
    }
}

#[test]
#[ignore = "needs curl"]
fn fifty_downloads_of_a_hundred_megabytes_at_once() {
    let certificates = Certificates::new();
    let data = random(1, HUNDRED_MEGABYTES);
    certificates.write("large", &data);
    let expected = sha256(&data);
    let (server, port) = serve(&certificates, CONNECTIONS, &[]);
    let downloads: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let mut command = curl(&certificates, port, &[], &["large"]);
            let download = Download(
                command.stdout(Stdio::piped()).spawn().expect("curl; interop/peers/setup installs it"),
            );
            thread::spawn(move || download.finish())
        })
        .collect();
    for download in downloads {
        assert_eq!(download.join().unwrap(), expected);
    }
    for report in reports(server, CONNECTIONS) {
        assert_clean(&report);
        assert!(report["bytes_sent"].as_u64().unwrap() > HUNDRED_MEGABYTES as u64, "{report}");
    }
}

/// Three files over one connection, in either version, and one connection each where curl asks for that.
#[test]
#[ignore = "needs curl"]
fn keep_alive_and_its_opposite() {
    let certificates = Certificates::new();
    let files = ["one", "two", "three"];
    let contents = [random(1, 100_000), Vec::new(), random(3, 1)];
    for (name, content) in files.iter().zip(&contents) {
        certificates.write(name, content);
    }
    for version in [["--tlsv1.2", "--tls-max", "1.2"], ["--tlsv1.3", "--tls-max", "1.3"]] {
        let closing = [&version[..], &["--header", "Connection: close"]].concat();
        let old = [&version[..], &["--http1.0"]].concat();
        for (options, connections) in [(version.to_vec(), 1), (closing, 3), (old, 3)] {
            let (server, port) = serve(&certificates, connections, &[]);
            let output = curl(&certificates, port, &options, &files).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            assert_eq!(sha256(&output.stdout), sha256(&contents.concat()), "{options:?}");
            for report in reports(server, connections) {
                assert_clean(&report);
                assert_eq!(report["protocol"], version[0].replace("--tlsv", "tls"));
            }
        }
    }
}

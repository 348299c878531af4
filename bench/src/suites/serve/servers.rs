//! The servers: how each is configured, started on a core of its own, and ended.

use std::env;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use super::Ask;
use crate::setup::{KeyKind, certificates};

/// This project's program.
pub(super) const OWN: &str = "openschannel serve";
/// As it comes.
pub(super) const NGINX: &str = "nginx";
/// With larger buffers and open files remembered.
pub(super) const NGINX_TUNED: &str = "nginx, tuned";
/// Begins like the peer's name.
pub(super) const OPENSSL: &str = "OpenSSL s_server";

/// In the order of tables.
const ALL: [&str; 4] = [OWN, NGINX, NGINX_TUNED, OPENSSL];

/// Where servers run, and where those who ask do.
pub(super) const SERVERS_CORE: usize = 0;
pub(super) const LOADS_CORE: usize = 1;

/// How long a server may take to listen; it only bounds a hang.
const START_TIME: Duration = Duration::from_secs(20);
/// Between two looks whether it does.
const LOOK_TIME: Duration = Duration::from_millis(20);

/// A directory with the files, the certificate, and what servers want to write.
#[derive(Debug)]
pub(super) struct Site {
    directory: tempfile::TempDir,
}

/// A process of this one's.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) name: &'static str,
    pub(super) port: u16,
    child: Child,
}

/// Those that run at the same time.
#[derive(Debug)]
pub(super) struct Servers {
    pub(super) all: Vec<Rc<Server>>,
}

impl Site {
    pub(super) fn make() -> Result<Self, String> {
        let failed = |error: std::io::Error| format!("no temporary directory: {error}");
        let site = Self { directory: tempfile::tempdir().map_err(failed)? };
        let made = certificates(KeyKind::EcdsaP256);
        fs::create_dir(site.path("www")).map_err(failed)?;
        fs::write(site.path("certificate.pem"), &made.leaf_pem).map_err(failed)?;
        fs::write(site.path("key.pem"), &made.key_pem).map_err(failed)?;
        for ask in Ask::ALL {
            let noise: Vec<u8> = (0..ask.len()).map(|_| fastrand::u8(..)).collect();
            fs::write(site.path("www").join(ask.file()), noise).map_err(failed)?;
        }
        Ok(site)
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}

impl Servers {
    /// Every server that is there.
    pub(super) fn start(site: &Site) -> Result<Self, String> {
        let there = ALL.into_iter().filter(|name| is_there(name));
        Ok(Self { all: there.map(|name| Server::start(name, site).map(Rc::new)).collect::<Result<_, _>>()? })
    }
}

impl Server {
    /// Starts it on its core, and waits until it listens.
    pub(super) fn start(name: &'static str, site: &Site) -> Result<Self, String> {
        let failed = |error: std::io::Error| format!("{name} cannot be started: {error}");
        let free = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).map_err(failed)?;
        let mut command = match name {
            OWN => own(site, free.port()),
            NGINX | NGINX_TUNED => nginx(site, free.port(), name == NGINX_TUNED).map_err(failed)?,
            _ => openssl(site, free.port()),
        };
        let child = on_core(SERVERS_CORE, || command.spawn())?.map_err(failed)?;
        let mut server = Self { name, port: free.port(), child };
        server.wait_until_it_listens()?;
        Ok(server)
    }

    /// Bytes of memory that the process has now.
    pub(super) fn resident(&self) -> Option<u64> {
        let pages = fs::read_to_string(format!("/proc/{}/statm", self.child.id())).ok()?;
        let pages: u64 = pages.split(' ').nth(1)?.parse().ok()?;
        Some(pages * rustix::param::page_size() as u64)
    }

    fn wait_until_it_listens(&mut self) -> Result<(), String> {
        if let Some(stdout) = self.child.stdout.take() {
            let mut line = String::new();
            BufReader::new(stdout).read_line(&mut line).ok();
        }
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            match self.child.try_wait() {
                Ok(None) if began.elapsed() < START_TIME => thread::sleep(LOOK_TIME),
                ended => return Err(format!("{} does not listen: {ended:?}", self.name)),
            }
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The program beside this one, unless another is named.
fn program() -> PathBuf {
    let beside = || {
        let name = format!("openschannel{}", env::consts::EXE_SUFFIX);
        let own = env::current_exe().unwrap_or_default();
        own.parent().map_or_else(|| name.clone().into(), |directory| directory.join(&name))
    };
    env::var_os("OPENSCHANNEL_PROGRAM").map_or_else(beside, PathBuf::from)
}

/// Whether it can be started.
pub(super) fn is_there(name: &str) -> bool {
    match name {
        OWN => program().is_file(),
        NGINX | NGINX_TUNED => find("nginx").is_some(),
        _ => find("openssl").is_some(),
    }
}

/// What is not there, and how to get it; empty if everything is.
pub(super) fn missing() -> String {
    let ways = [
        (OWN, "openschannel, by cargo build --release"),
        (NGINX, "nginx, by apt-get install nginx"),
        (OPENSSL, "openssl, by apt-get install openssl"),
    ];
    let missing: Vec<_> = ways.iter().filter(|(name, _)| !is_there(name)).map(|(_, how)| *how).collect();
    missing.join("; ")
}

/// A program where programs are; servers lie in a directory that is not everybody's.
pub(super) fn find(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let directories = env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    directories.map(|directory| directory.join(name)).find(|program| program.is_file())
}

fn own(site: &Site, port: u16) -> Command {
    let mut command = Command::new(program());
    command
        .args(["serve", "--listen", &format!("127.0.0.1:{port}"), "--idle-time", "600"])
        .args(["--min-protocol", "tls1.3"])
        .args(["--suites", "TLS_AES_128_GCM_SHA256"])
        .arg("--cert")
        .arg(site.path("certificate.pem"))
        .arg("--key")
        .arg(site.path("key.pem"))
        .arg("--www")
        .arg(site.path("www"))
        .stdout(Stdio::null());
    command
}

fn nginx(site: &Site, port: u16, is_tuned: bool) -> std::io::Result<Command> {
    let directory = site.directory.path().display();
    let tuning = if is_tuned { "ssl_buffer_size 64k; open_file_cache max=1000;" } else { "" };
    // Whoever is the administrator would otherwise lose the right to read the directory.
    let configuration = format!(
        "user root; daemon off; master_process off; worker_processes 1; worker_rlimit_nofile 20000;
         pid {directory}/{port}.pid; error_log {directory}/{port}.log;
         events {{ worker_connections 20000; }}
         http {{
           access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000; keepalive_timeout 3600; {tuning}
           client_body_temp_path {directory}/t1; proxy_temp_path {directory}/t2; fastcgi_temp_path {directory}/t3;
           uwsgi_temp_path {directory}/t4; scgi_temp_path {directory}/t5;
           server {{
             listen 127.0.0.1:{port} ssl backlog=4096; root {directory}/www;
             ssl_certificate {directory}/certificate.pem; ssl_certificate_key {directory}/key.pem;
             ssl_protocols TLSv1.3; ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;
           }}
         }}"
    );
    let file = site.path(&format!("{port}.conf"));
    fs::write(&file, configuration)?;
    let mut command = Command::new(find("nginx").unwrap_or_default());
    command.arg("-c").arg(file).stderr(Stdio::null());
    Ok(command)
}

fn openssl(site: &Site, port: u16) -> Command {
    let mut command = Command::new(find("openssl").unwrap_or_default());
    command
        .args(["s_server", "-WWW", "-quiet", "-accept", &format!("127.0.0.1:{port}"), "-tls1_3"])
        .args(["-ciphersuites", "TLS_AES_128_GCM_SHA256"])
        .arg("-cert")
        .arg(site.path("certificate.pem"))
        .arg("-key")
        .arg(site.path("key.pem"))
        .current_dir(site.path("www"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// Runs `start` on that core; a process that it starts stays there.
pub(super) fn on_core<T>(core: usize, start: impl FnOnce() -> T) -> Result<T, String> {
    let failed = |error| format!("no core {core} to run on, and two are needed: {error}");
    let before = sched_getaffinity(None).map_err(failed)?;
    let mut alone = CpuSet::new();
    alone.set(core);
    sched_setaffinity(None, &alone).map_err(failed)?;
    let started = start();
    sched_setaffinity(None, &before).map_err(failed)?;
    Ok(started)
}

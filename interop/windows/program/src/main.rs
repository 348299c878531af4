//! A TLS client and a TLS server on the crate `schannel`: what a Rust program for Windows does with SSPI.
//!
//! `schannel-program client PORT CA.pem [options]`, `schannel-program server PFX [options]`; the server prints the port it took.
//! Options: `tls12`, `tls13` (default: what the system offers), `alpn=a,b`, `expect-alpn=a`, `closes` (this side ends the
//! connection; otherwise the peer does), `kilobytes=n` to be echoed, `keys=fixed` (the server's key cannot be exported).
//!
//! The client sends, reads the echo, and one side ends; exit code 0 says that everything was as it should be, the last line in any
//! case what was.

use std::error::Error;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};

use schannel::cert_context::CertContext;
use schannel::cert_store::{Memory, PfxImportOptions};
use schannel::schannel_cred::{Direction, Protocol, SchannelCred};
use schannel::tls_stream::{Builder, TlsStream};

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => println!("as expected"),
        Err(error) => {
            println!("failed: {error}");
            std::process::exit(1);
        }
    }
}

fn run(arguments: &[String]) -> Outcome<()> {
    let options = Options { all: arguments };
    match arguments {
        [role, port, ca, ..] if role == "client" => client(port.parse()?, ca, &options),
        [role, pfx, ..] if role == "server" => server(pfx, &options),
        _ => Err("client PORT CA.pem, or server PFX".into()),
    }
}

struct Options<'a> {
    all: &'a [String],
}

impl Options<'_> {
    fn has(&self, name: &str) -> bool {
        self.all.iter().any(|option| option == name)
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.all.iter().find_map(|option| option.strip_prefix(name)?.strip_prefix('='))
    }

    fn alpn(&self) -> Vec<&[u8]> {
        self.value("alpn").map(|list| list.split(',').map(str::as_bytes).collect()).unwrap_or_default()
    }

    fn payload(&self) -> Outcome<Vec<u8>> {
        let kilobytes: usize = self.value("kilobytes").unwrap_or("1").parse()?;
        Ok((0..kilobytes * 1024).map(|at| (at * 31 + at / 251) as u8).collect())
    }

    fn credentials(&self, direction: Direction, certificate: Option<CertContext>) -> Outcome<SchannelCred> {
        let mut builder = SchannelCred::builder();
        match (self.has("tls12"), self.has("tls13")) {
            (true, _) => builder.enabled_protocols(&[Protocol::Tls12]),
            (_, true) => builder.enabled_protocols(&[Protocol::Tls13]),
            _ => &mut builder,
        };
        if let Some(certificate) = certificate {
            builder.cert(certificate);
        }
        Ok(builder.acquire(direction).map_err(|error| format!("credentials: {error}"))?)
    }
}

/// CERT_E_REVOCATION_FAILURE, CRYPT_E_NO_REVOCATION_CHECK, CRYPT_E_REVOCATION_OFFLINE
const REVOCATION_UNKNOWN: [Option<i32>; 3] =
    [Some(0x800B_010E_u32 as i32), Some(0x8009_2012_u32 as i32), Some(0x8009_2013_u32 as i32)];

fn client(port: u16, ca: &str, options: &Options<'_>) -> Outcome<()> {
    let credentials = options.credentials(Direction::Outbound, None)?;
    let mut roots = Memory::new()?;
    let ca = CertContext::from_pem(&std::fs::read_to_string(ca)?)?;
    roots.add_encoded_certificate(ca.to_der())?;
    let mut builder = Builder::new();
    builder.domain("localhost").cert_store(roots.into_store()).verify_callback(|validation| match validation
        .result()
    {
        // The crate asks for revocation, which an authority made for a test knows nothing of.
        Err(error) if REVOCATION_UNKNOWN.contains(&error.raw_os_error()) => Ok(()),
        other => other,
    });
    let alpn = options.alpn();
    if !alpn.is_empty() {
        builder.request_application_protocols(&alpn);
    }
    let socket = TcpStream::connect(("127.0.0.1", port))?;
    let mut stream = builder.connect(credentials, socket).map_err(|error| format!("handshake: {error:?}"))?;
    check_alpn(&stream, options)?;

    let payload = options.payload()?;
    stream.write_all(&payload)?;
    stream.flush()?;
    let mut echo = vec![0; payload.len()];
    stream.read_exact(&mut echo)?;
    if echo != payload {
        return Err("the echo is not what was sent".into());
    }
    end(&mut stream, options.has("closes"))
}

fn server(pfx: &str, options: &Options<'_>) -> Outcome<()> {
    let mut import = PfxImportOptions::new();
    import.password("secret").exportable_private_key(options.value("keys") != Some("fixed"));
    let store = import.import(&std::fs::read(pfx)?)?;
    // Wine says of every certificate of the file that the key is its own.
    let mut credentials = Err("no certificate in the file".into());
    for certificate in store.certs() {
        credentials = options.credentials(Direction::Inbound, Some(certificate));
        if credentials.is_ok() {
            break;
        }
    }
    let credentials = credentials?;
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    println!("port {}", listener.local_addr()?.port());
    std::io::stdout().flush()?;
    let (socket, _) = listener.accept()?;
    let mut builder = Builder::new();
    let alpn = options.alpn();
    if !alpn.is_empty() {
        builder.request_application_protocols(&alpn);
    }
    let mut stream = builder.accept(credentials, socket).map_err(|error| format!("handshake: {error:?}"))?;
    check_alpn(&stream, options)?;

    let mut left = options.payload()?.len();
    let mut buffer = vec![0; 8192];
    while left > 0 {
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            return Err("the peer ended before it had sent everything".into());
        }
        stream.write_all(&buffer[..count])?;
        left = left.checked_sub(count).ok_or("the peer has sent too much")?;
    }
    stream.flush()?;
    end(&mut stream, options.has("closes"))
}

fn check_alpn(stream: &TlsStream<TcpStream>, options: &Options<'_>) -> Outcome<()> {
    let negotiated = stream.negotiated_application_protocol()?;
    let negotiated = negotiated.as_deref().map(String::from_utf8_lossy);
    if negotiated.as_deref() != options.value("expect-alpn") {
        return Err(format!("ALPN is {negotiated:?}").into());
    }
    Ok(())
}

/// Ends the connection, first or second. A peer that ends first keeps its socket open until it has our close_notify: if reading comes
/// to an end while nothing is to be had from the socket, not even its end, then it was the close_notify that was recognised.
fn end(stream: &mut TlsStream<TcpStream>, first: bool) -> Outcome<()> {
    if first {
        stream.shutdown().map_err(|error| format!("shutdown: {error}"))?;
    }
    let mut rest = [0; 1];
    if stream.read(&mut rest).map_err(|error| format!("reading the end: {error}"))? != 0 {
        return Err("there is data behind the end".into());
    }
    if !first {
        stream.get_ref().set_nonblocking(true)?;
        let at_end = stream.get_ref().peek(&mut rest);
        stream.get_ref().set_nonblocking(false)?;
        match at_end {
            Err(error) if error.kind() == ErrorKind::WouldBlock => println!("close_notify was recognised"),
            other => {
                return Err(
                    format!("reading ended with the transport, not with close_notify: {other:?}").into()
                );
            }
        }
        stream.shutdown().map_err(|error| format!("shutdown: {error}"))?;
    }
    Ok(())
}

//! A download whose length nobody says: it is complete when the connection ends in order, and only then gets its name.
//!
//! ```text
//! cargo run -p openschannel-stream --example download -- localhost:8443 /file file.out roots.pem
//! cargo run -p openschannel-stream --example download -- localhost:8443 /file file.out roots.pem boundary
//! ```
//!
//! HTTP/1.0 sends a body without a length to the end of the connection (RFC 9112 section 6.3), as FTP and many others do. To TCP every
//! end looks alike; close_notify tells them apart. What has come lies in `file.out.part` until the end was seen to be clean.
//!
//! The last argument is the policy, [`Truncation`]. It decides whether reading a cut connection fails, and changes nothing of how the
//! connection ended: with every policy the file stays a `.part`, since nothing else says that it is whole.
#![allow(clippy::print_stdout, reason = "an example says what it does")]

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, BufRead, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use openschannel::ReadEnd;
use openschannel::credentials::Trust;
use openschannel_stream::blocking::TlsStream;
use openschannel_stream::{ReadEnded, TlsConnector, Truncation};

/// For the server to end behind our close; it has had its say by then.
const CLOSE_TIME: Duration = Duration::from_secs(2);

/// A head that is longer is none.
const MAX_HEAD: u64 = 64 * 1024;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, path, file, roots, policy @ ..] = &arguments[..] else {
        return Err("usage: download HOST:PORT PATH FILE ROOTS [strict|boundary|any]".into());
    };
    let policy = match policy.first().map(String::as_str) {
        None | Some("strict") => Truncation::Strict,
        Some("boundary") => Truncation::AcceptAtRecordBoundary,
        Some("any") => Truncation::Accept,
        Some(other) => return Err(format!("no such policy: {other}").into()),
    };
    let roots = Trust::roots_from_pem(&fs::read(roots)?)?;
    let connector = TlsConnector::builder().trust(roots).truncation(policy).build()?;
    let host = address.rsplit_once(':').map_or(address.as_str(), |(host, _)| host);
    match download(TcpStream::connect(address)?, &connector, host, path, Path::new(file))? {
        Outcome::Complete { bytes } => {
            println!("{file}: {bytes} bytes, complete");
            Ok(())
        }
        Outcome::Cut { bytes, end, part } => {
            Err(format!("cut after {bytes} bytes ({end:?}); they are in {}", part.display()).into())
        }
    }
}

/// What came of a download.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The file is there under its name.
    Complete {
        /// Its length.
        bytes: u64,
    },
    /// Some of it may be missing.
    Cut {
        /// How much has come.
        bytes: u64,
        /// How the connection ended.
        end: ReadEnd,
        /// Where it is.
        part: PathBuf,
    },
}

/// Fetches `path` from `host` into `file`.
///
/// # Errors
/// No connection, no such page, a file that cannot be written.
pub fn download(
    socket: TcpStream,
    connector: &TlsConnector,
    host: &str,
    path: &str,
    file: &Path,
) -> io::Result<Outcome> {
    let mut stream = connector.connect(host, socket)?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n").as_bytes())?;
    read_head(&mut stream)?;

    let part = part_of(file);
    let mut writing = File::create(&part)?;
    let (bytes, end) = save(&mut stream, &mut writing)?;
    writing.sync_all()?;
    drop(writing);

    // Our own end, for the server to see that nobody has cut us off. Whether it still hears that changes nothing here.
    drop(stream.close(CLOSE_TIME));
    if end == ReadEnd::Clean {
        fs::rename(&part, file)?;
        Ok(Outcome::Complete { bytes })
    } else {
        Ok(Outcome::Cut { bytes, end, part })
    }
}

/// Copies to the end of the connection, and says which it was.
fn save(stream: &mut TlsStream<TcpStream>, writing: &mut File) -> io::Result<(u64, ReadEnd)> {
    let mut bytes = 0;
    loop {
        let len = match stream.fill_buf() {
            // Behind a close_notify; or, with another policy than the strict one, behind a cut. The report knows.
            Ok([]) => return Ok((bytes, stream.report().read_end)),
            Ok(data) => {
                writing.write_all(data)?;
                data.len()
            }
            // A cut or a reset is what this program is about. An alert or a forgery is an error as any other.
            Err(error) => {
                let ended = error.get_ref().and_then(|source| source.downcast_ref::<ReadEnded>());
                let end = ended.map(ReadEnded::end).ok_or(error)?;
                return Ok((bytes, end));
            }
        };
        bytes += len as u64;
        stream.consume(len);
    }
}

fn read_head(stream: &mut TlsStream<TcpStream>) -> io::Result<()> {
    let mut head = stream.take(MAX_HEAD);
    let mut status = String::new();
    head.read_line(&mut status)?;
    if status.split_ascii_whitespace().nth(1) != Some("200") {
        return Err(io::Error::other(format!("the server said {}", status.trim_end())));
    }
    let mut line = status;
    while line.ends_with('\n') {
        line.clear();
        head.read_line(&mut line)?;
        if line.trim_end().is_empty() && !line.is_empty() {
            return Ok(());
        }
    }
    Err(io::Error::other("the head of the answer does not end"))
}

fn part_of(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

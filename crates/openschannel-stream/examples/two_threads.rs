//! Both directions at once, on two threads: standard input goes to the peer, what the peer says goes to standard output.
//!
//! ```text
//! cargo run -p openschannel-stream --example two_threads -- localhost:8443 roots.pem < request > answer
//! ```
//!
//! What there is to see:
//! - With one thread that first writes and then reads, two sides that send much to each other stand still: each waits for the other to
//!   make room. The halves share no lock, so the thread that reads goes on while the other is stuck in a write.
//! - The end of the input ends our direction and nothing else: close_notify and FIN, and what the peer still says arrives.
//! - When both have ended, one stream is made of the halves again, to close within a budget and to hear how it ended.
//! - When reading fails, nobody waits for the thread that may be waiting for input: the connection has failed for it too.
#![allow(clippy::print_stderr, reason = "an example says what it does")]

use std::error::Error;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use openschannel::credentials::Trust;
use openschannel_stream::blocking::TlsStream;
use openschannel_stream::{CloseReport, TlsConnector};

/// For the peer to end behind our close; it has had its say by then.
const CLOSE_TIME: Duration = Duration::from_secs(2);

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, roots] = &arguments[..] else {
        return Err("usage: two_threads HOST:PORT ROOTS".into());
    };
    let connector = TlsConnector::builder().trust(Trust::roots_from_pem(&std::fs::read(roots)?)?).build()?;
    let host = address.rsplit_once(':').map_or(address.as_str(), |(host, _)| host);
    let stream = connector.connect(host, TcpStream::connect(address)?)?;
    let closed = talk(stream, io::stdin(), &mut io::stdout())?;
    eprintln!("{:?}", closed.read_end);
    Ok(())
}

/// Sends all of `input` and then the end, and meanwhile writes to `output` what comes, until the peer ends as well.
///
/// # Errors
/// The peer did not end in order, or not all of `input` could be sent.
pub fn talk(
    stream: TlsStream<TcpStream>,
    mut input: impl Read + Send + 'static,
    output: &mut impl Write,
) -> io::Result<CloseReport> {
    let (mut read, mut write) = stream.into_split().map_err(|refused| refused.into_parts().1)?;
    let sending = thread::spawn(move || {
        let sent = copy(&mut input, &mut write);
        // The peer is told that nothing more comes, if it can be told anything. What was not sent is the worse news.
        let closed = write.close_write();
        (write, sent.and(closed))
    });
    copy(&mut read, output)?;
    let (write, sent) = sending.join().map_err(|_| io::Error::other("the sending thread has panicked"))?;
    sent?;
    let mut stream = TlsStream::<TcpStream>::reunite(read, write)
        .map_err(|_| io::Error::other("halves of two streams"))?;
    stream.close(CLOSE_TIME)
}

/// As [`io::copy`], but what has come is passed on before more is waited for.
fn copy(from: &mut impl Read, to: &mut impl Write) -> io::Result<()> {
    let mut chunk = vec![0; 64 * 1024];
    loop {
        match from.read(&mut chunk) {
            Ok(0) => return Ok(()),
            Ok(n) => {
                to.write_all(chunk.get(..n).unwrap_or_default())?;
                to.flush()?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

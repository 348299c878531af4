//! The examples, run on loopback: when all goes well, and when it does not.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]
#![cfg(feature = "tokio")]

#[path = "../../openschannel/tests/common/mod.rs"]
mod common;
#[path = "../examples/download.rs"]
#[allow(dead_code, unreachable_pub, reason = "its main is not called")]
mod download;
#[path = "../examples/http.rs"]
#[allow(dead_code, unreachable_pub, reason = "its main is not called")]
mod http;
#[path = "../examples/starttls.rs"]
#[allow(dead_code, unreachable_pub, reason = "its main is not called")]
mod starttls;
#[path = "../examples/two_threads.rs"]
#[allow(dead_code, unreachable_pub, reason = "its main is not called")]
mod two_threads;

use std::fs;
use std::future::Future;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use common::{NAME, VERSIONS, credentials, inbound, outbound};
use download::{Outcome, download};
use http_body_util::Full;
use hyper::Version;
use openschannel::ReadEnd;
use openschannel::credentials::Protocols;
use openschannel_stream::blocking::TlsStream;
use openschannel_stream::{TlsAcceptor, TlsConnector, Truncation};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::{Semaphore, watch};

/// Only bounds a hang.
const SOON: Duration = Duration::from_secs(30);

fn both(version: Protocols) -> (TlsConnector, TlsAcceptor) {
    let (outbound, inbound) = credentials(version);
    (outbound.into(), inbound.into())
}

fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(SOON, future).await.expect("it stands still") })
}

/// What `serve` says of one client.
fn listen<T: Send + 'static>(
    serve: impl FnOnce(TcpStream) -> T + Send + 'static,
) -> (SocketAddr, JoinHandle<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (address, thread::spawn(move || serve(bounded(listener.accept().unwrap().0))))
}

fn connect(address: SocketAddr) -> TcpStream {
    bounded(TcpStream::connect(address).unwrap())
}

fn bounded(socket: TcpStream) -> TcpStream {
    socket.set_read_timeout(Some(SOON)).unwrap();
    socket
}

mod http_over_tls {
    use super::*;

    fn alpn(protocols: &[&[u8]]) -> Vec<Vec<u8>> {
        protocols.iter().map(|id| id.to_vec()).collect()
    }

    fn acceptor() -> TlsAcceptor {
        inbound().alpn(alpn(&http::ALPN)).acquire().unwrap().into()
    }

    fn connector(protocols: &[&[u8]]) -> TlsConnector {
        outbound().alpn(alpn(protocols)).acquire().unwrap().into()
    }

    /// What clients speak, and what is spoken then.
    const SPOKEN: [(&[&[u8]], Version); 4] = [
        (&http::ALPN, Version::HTTP_2),
        (&[b"h2"], Version::HTTP_2),
        (&[b"http/1.1"], Version::HTTP_11),
        (&[], Version::HTTP_11),
    ];

    /// Whole answers, in chunks, in frames or to the end of the connection; and clean ends on both sides. docs/closing.md C-33, C-34.
    #[test]
    fn alpn_chooses_and_both_sides_end_in_order() {
        run(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let (stop, stopped) = watch::channel(false);
            let handler = |_| async { http::page(http::Lines { left: 10_000 }) };
            let serving = tokio::spawn(http::serve(listener, acceptor(), handler, stopped));
            let whole: String = (0..10_000).rev().map(|left| format!("{left} to go\n")).collect();
            let asked = SPOKEN.map(|(protocols, spoken)| (protocols, Version::HTTP_11, spoken));
            let old = (SPOKEN[2].0, Version::HTTP_10, Version::HTTP_10);
            for (protocols, version, spoken) in asked.into_iter().chain([old]) {
                let socket = tokio::net::TcpStream::connect(address).await.unwrap();
                let fetched =
                    http::fetch(socket, &connector(protocols), NAME, "/lines", version).await.unwrap();
                assert_eq!((fetched.version, fetched.status.as_u16()), (spoken, 200));
                assert!(fetched.body == whole.as_bytes(), "{spoken:?}: {} bytes", fetched.body.len());
                assert_eq!(fetched.cut, None);
                let closed = fetched.closed.unwrap();
                assert_eq!((closed.read_end, closed.close_sent, closed.limit), (ReadEnd::Clean, true, None));
            }
            stop.send_replace(true);
            let ended = serving.await.unwrap();
            assert_eq!(ended.len(), SPOKEN.len() + 1);
            for one in ended {
                let closed = one.closed.unwrap();
                assert_eq!((closed.read_end, closed.close_sent, closed.limit), (ReadEnd::Clean, true, None));
            }
        });
    }

    /// The request that runs is answered, and only then the connection ends; nobody new is taken.
    #[test]
    fn a_server_that_stops_answers_what_it_was_asked() {
        for (protocols, spoken) in SPOKEN {
            run(async {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                let address = listener.local_addr().unwrap();
                let (stop, stopped) = watch::channel(false);
                let (asked, go_on) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
                let handler = {
                    let (asked, go_on) = (asked.clone(), go_on.clone());
                    move |_| {
                        let (asked, go_on) = (asked.clone(), go_on.clone());
                        async move {
                            asked.add_permits(1);
                            go_on.acquire().await.unwrap().forget();
                            http::page(Full::from("in the end"))
                        }
                    }
                };
                let serving = tokio::spawn(http::serve(listener, acceptor(), handler, stopped));
                let client = tokio::spawn(async move {
                    let socket = tokio::net::TcpStream::connect(address).await.unwrap();
                    http::fetch(socket, &connector(protocols), NAME, "/", Version::HTTP_11).await
                });
                asked.acquire().await.unwrap().forget();
                stop.send_replace(true);
                // The listener goes at once; whoever comes now is refused, or reset if the kernel had taken him.
                while tokio::net::TcpStream::connect(address).await.is_ok() {
                    tokio::task::yield_now().await;
                }
                assert!(!serving.is_finished(), "the request still runs");
                go_on.add_permits(1);
                let fetched = client.await.unwrap().unwrap();
                assert_eq!((fetched.version, &fetched.body[..]), (spoken, &b"in the end"[..]));
                assert_eq!(fetched.closed.unwrap().read_end, ReadEnd::Clean);
                let closed = serving.await.unwrap().pop().unwrap().closed.unwrap();
                assert_eq!((closed.read_end, closed.close_sent), (ReadEnd::Clean, true));
            });
        }
    }

    /// The server has sent its end and waits for the client's: a socket closed before would answer it with a reset. docs/closing.md
    /// C-29.
    #[test]
    fn a_server_that_ends_first_reads_the_clients_end() {
        run(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let (stop, stopped) = watch::channel(false);
            let handler = |_| async { http::page(Full::from("that is all")) };
            let serving = tokio::spawn(http::serve(listener, acceptor(), handler, stopped));
            let socket = tokio::net::TcpStream::connect(address).await.unwrap();
            let mut stream = connector(&[]).connect_async(NAME, socket).await.unwrap();
            stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await.unwrap();
            assert!(answer.ends_with(b"that is all"));
            // All of the server's end is here; only now comes ours.
            assert_eq!(stream.close(SOON).await.unwrap().read_end, ReadEnd::Clean);
            stop.send_replace(true);
            let closed = serving.await.unwrap().pop().unwrap().closed.unwrap();
            assert_eq!((closed.read_end, closed.close_sent, closed.limit), (ReadEnd::Clean, true, None));
        });
    }

    /// A server that says `answer` and is cut off.
    fn cut_behind(answer: &'static str, bare: &'static [u8]) -> http::Fetched {
        let (_, acceptor) = both(Protocols::TLS1_3);
        let (address, server) = listen(move |socket| {
            let mut stream = acceptor.accept(socket).unwrap();
            read_head(&mut stream);
            stream.write_all(answer.as_bytes()).unwrap();
            let (mut socket, _) = stream.into_parts();
            socket.write_all(bare).unwrap();
            socket.shutdown(Shutdown::Write).unwrap();
            // Until the client has gone: nothing of its close may meet a closed socket.
            drop(socket.read_to_end(&mut Vec::new()));
        });
        let fetched = run(async {
            let socket = tokio::net::TcpStream::connect(address).await.unwrap();
            http::fetch(socket, &connector(&[]), NAME, "/", Version::HTTP_11).await.unwrap()
        });
        server.join().unwrap();
        fetched
    }

    /// docs/closing.md C-33.
    #[test]
    fn a_body_without_a_length_is_not_complete_when_the_connection_is_cut() {
        let fetched = cut_behind("HTTP/1.1 200 OK\r\n\r\nhalf of i", b"");
        assert_eq!(fetched.body, b"half of i");
        assert_eq!(fetched.cut, Some(ReadEnd::Truncated { inside_record: false }));
        let fetched = cut_behind("HTTP/1.1 200 OK\r\n\r\nhalf of i", &[23, 3, 3, 1]);
        assert_eq!(fetched.cut, Some(ReadEnd::Truncated { inside_record: true }));
        let fetched = cut_behind("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", b"");
        assert_eq!((&fetched.body[..], fetched.cut.is_some()), (&b"half"[..], true));
    }

    /// docs/closing.md C-33: who knows the length needs no close_notify for it.
    #[test]
    fn a_body_with_a_length_is_complete_without_a_close() {
        let fetched = cut_behind("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nall of i", b"");
        assert_eq!((&fetched.body[..], fetched.cut), (&b"all of i"[..], None));
        let closed = fetched.closed.unwrap();
        assert_eq!(closed.read_end, ReadEnd::Truncated { inside_record: false });
    }
}

/// To the empty line.
fn read_head(stream: &mut TlsStream<TcpStream>) {
    let mut line = String::new();
    while line != "\r\n" {
        line.clear();
        assert!(stream.read_line(&mut line).unwrap() > 0, "the request has no end");
    }
}

mod plain_text_first {
    use super::*;

    const MESSAGE: &str = "Dear Ada,\n.hidden dots stay\n\nyours";

    #[test]
    fn a_message_goes_over_tls_and_both_sides_end_in_order() {
        for version in VERSIONS {
            let (connector, acceptor) = both(version);
            let (address, server) = listen(move |socket| starttls::serve(socket, &acceptor));
            let socket = connect(address);
            let closed = starttls::send(socket, &connector, NAME, MESSAGE).unwrap();
            let (messages, served) = server.join().unwrap().unwrap();
            assert_eq!(messages, [format!("{MESSAGE}\n")]);
            for closed in [closed, served] {
                assert_eq!((closed.read_end, closed.close_sent, closed.limit), (ReadEnd::Clean, true, None));
            }
        }
    }

    /// A client that speaks for itself in plain text.
    fn plain_client(serve: impl FnOnce(&mut BufReader<TcpStream>)) -> std::io::Error {
        let (_, acceptor) = both(Protocols::TLS1_3);
        let (address, server) = listen(move |socket| starttls::serve(socket, &acceptor));
        let mut client = BufReader::new(connect(address));
        assert!(line(&mut client).starts_with("220"));
        serve(&mut client);
        server.join().unwrap().unwrap_err()
    }

    fn line(from: &mut impl BufRead) -> String {
        let mut line = String::new();
        from.read_line(&mut line).unwrap();
        line
    }

    /// CVE-2011-0411: in the segment of the STARTTLS.
    #[test]
    fn commands_behind_starttls_are_refused() {
        let error = plain_client(|client| {
            client.get_mut().write_all(b"STARTTLS\r\nEHLO evil\r\nDATA\r\n").unwrap();
            assert!(line(client).starts_with("554"));
            assert_eq!(client.read_to_end(&mut Vec::new()).unwrap_or(0), 0, "nothing else is said");
        });
        assert_eq!((error.kind(), error.to_string().contains("STARTTLS")), (ErrorKind::InvalidData, true));
    }

    /// In one of their own, behind the go-ahead: they are no TLS.
    #[test]
    fn plain_text_in_place_of_the_handshake_is_refused() {
        let error = plain_client(|client| {
            client.get_mut().write_all(b"STARTTLS\r\n").unwrap();
            assert!(line(client).starts_with("220"));
            client.get_mut().write_all(b"EHLO evil\r\nDATA\r\n").unwrap();
            let mut said = Vec::new();
            drop(client.read_to_end(&mut said));
            assert!(!said.windows(3).any(|three| three == b"354" || three == b"250"), "{said:?}");
        });
        assert_eq!(error.kind(), ErrorKind::InvalidData);
    }

    /// The same from the other side: an answer in plain text to what will be asked in TLS.
    #[test]
    fn answers_behind_the_go_ahead_are_refused() {
        let (connector, _) = both(Protocols::TLS1_3);
        let (address, server) = listen(|socket| {
            let mut client = BufReader::new(socket);
            client.get_mut().write_all(b"220 hello\r\n").unwrap();
            line(&mut client);
            client.get_mut().write_all(b"250-hello\r\n250 STARTTLS\r\n").unwrap();
            line(&mut client);
            client.get_mut().write_all(b"220 go ahead\r\n250 hello again\r\n").unwrap();
            let mut rest = Vec::new();
            drop(client.read_to_end(&mut rest));
            rest
        });
        let socket = connect(address);
        let error = starttls::send(socket, &connector, NAME, MESSAGE).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        assert_eq!(server.join().unwrap(), b"", "not even a ClientHello");
    }

    /// Somebody takes the offer out of the answer.
    #[test]
    fn without_starttls_nothing_is_sent() {
        let (connector, _) = both(Protocols::TLS1_3);
        let (address, server) = listen(|socket| {
            let mut client = BufReader::new(socket);
            client.get_mut().write_all(b"220 hello\r\n").unwrap();
            line(&mut client);
            client.get_mut().write_all(b"250 hello\r\n").unwrap();
            let mut rest = Vec::new();
            client.read_to_end(&mut rest).unwrap();
            rest
        });
        let socket = connect(address);
        assert!(starttls::send(socket, &connector, NAME, MESSAGE).is_err());
        assert_eq!(server.join().unwrap(), b"");
    }

    /// A message that is cut is none, wherever the cut is.
    #[test]
    fn a_client_that_is_cut_off_has_sent_nothing() {
        for close in [false, true] {
            let (connector, acceptor) = both(Protocols::TLS1_3);
            let (address, server) = listen(move |socket| starttls::serve(socket, &acceptor));
            let mut plain = BufReader::new(connect(address));
            line(&mut plain);
            plain.get_mut().write_all(b"STARTTLS\r\n").unwrap();
            line(&mut plain);
            let mut stream = connector.connect(NAME, plain.into_inner()).unwrap();
            for command in ["EHLO client\r\n", "DATA\r\n"] {
                stream.write_all(command.as_bytes()).unwrap();
                line(&mut stream);
            }
            stream.write_all(b"DELETE FROM users\r\n").unwrap();
            if close {
                stream.close_write().unwrap();
            } else {
                stream.get_ref().shutdown(Shutdown::Write).unwrap();
            }
            let error = server.join().unwrap().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
        }
    }
}

mod without_a_length {
    use super::*;

    const PAGE: &[u8] = b"half of it, or all: who knows\n";

    /// How the server ends behind the page.
    #[derive(Clone, Copy)]
    enum End {
        Close,
        Cut,
        CutInsideRecord,
    }

    /// Downloads the page from a server that ends like this.
    fn fetch(end: End, policy: Truncation, file: &Path) -> Outcome {
        let (connector, acceptor) = both(Protocols::TLS1_3);
        let (address, server) = listen(move |socket| {
            let mut stream = acceptor.accept(socket).unwrap();
            read_head(&mut stream);
            stream.write_all(b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n").unwrap();
            stream.write_all(PAGE).unwrap();
            if matches!(end, End::Close) {
                assert_eq!(stream.close(SOON).unwrap().read_end, ReadEnd::Clean);
                return;
            }
            let (mut socket, mut driver) = stream.into_parts();
            if matches!(end, End::CutInsideRecord) {
                driver.write(b"a record that nobody gets whole").unwrap();
                socket.write_all(&driver.transmit()[..9]).unwrap();
            }
            socket.shutdown(Shutdown::Write).unwrap();
            drop(socket.read_to_end(&mut Vec::new()));
        });
        let socket = connect(address);
        let outcome = download(socket, &connector.with_truncation(policy), NAME, "/page", file).unwrap();
        server.join().unwrap();
        outcome
    }

    #[test]
    fn a_file_gets_its_name_behind_a_close_notify() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("page");
        let outcome = fetch(End::Close, Truncation::Strict, &file);
        assert_eq!(outcome, Outcome::Complete { bytes: PAGE.len() as u64 });
        assert_eq!(fs::read(&file).unwrap(), PAGE);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "no part is left");
    }

    /// docs/closing.md C-7, C-33.
    #[test]
    fn a_cut_download_leaves_no_file_whatever_the_policy() {
        for policy in [Truncation::Strict, Truncation::AcceptAtRecordBoundary, Truncation::Accept] {
            for (end, inside_record) in [(End::Cut, false), (End::CutInsideRecord, true)] {
                let directory = tempfile::tempdir().unwrap();
                let file = directory.path().join("page");
                fs::write(&file, "an older page").unwrap();
                let outcome = fetch(end, policy, &file);
                let part = directory.path().join("page.part");
                assert_eq!(fs::read(&part).unwrap(), PAGE, "what came is there");
                let end = ReadEnd::Truncated { inside_record };
                assert_eq!(outcome, Outcome::Cut { bytes: PAGE.len() as u64, end, part }, "{policy:?}");
                assert_eq!(fs::read(&file).unwrap(), b"an older page");
            }
        }
    }
}

mod both_directions_at_once {
    use super::*;
    use std::io::Cursor;
    use std::sync::mpsc;

    /// More than both sides' sockets hold: whoever writes all of it before he reads waits for ever.
    const MUCH: usize = 8 << 20;

    fn pattern() -> Vec<u8> {
        (0..=250).cycle().take(MUCH).collect()
    }

    #[test]
    fn two_sides_that_talk_all_the_time_end_in_order() {
        for version in VERSIONS {
            let (connector, acceptor) = both(version);
            let talk = |stream| {
                let mut heard = Vec::new();
                let closed = two_threads::talk(stream, Cursor::new(pattern()), &mut heard).unwrap();
                assert!(heard == pattern(), "{} bytes", heard.len());
                closed
            };
            let (address, server) = listen(move |socket| talk(acceptor.accept(socket).unwrap()));
            let closed = talk(connector.connect(NAME, connect(address)).unwrap());
            for closed in [closed, server.join().unwrap()] {
                assert_eq!((closed.read_end, closed.close_sent, closed.limit), (ReadEnd::Clean, true, None));
            }
        }
    }

    /// The end of the input ends one direction: the answer comes behind it. docs/closing.md C-2.
    #[test]
    fn the_answer_comes_behind_the_end_of_the_question() {
        let (connector, acceptor) = both(Protocols::TLS1_3);
        let (address, server) = listen(move |socket| {
            let mut stream = acceptor.accept(socket).unwrap();
            let question = std::io::read_to_string(&mut stream).unwrap();
            stream.write_all(question.to_uppercase().as_bytes()).unwrap();
            stream.close(SOON).unwrap()
        });
        let stream = connector.connect(NAME, connect(address)).unwrap();
        let mut heard = Vec::new();
        let closed = two_threads::talk(stream, Cursor::new("is it whole?"), &mut heard).unwrap();
        assert_eq!((heard.as_slice(), closed.read_end), (&b"IS IT WHOLE?"[..], ReadEnd::Clean));
        assert_eq!(server.join().unwrap().read_end, ReadEnd::Clean);
    }

    /// Input that never comes, until its other end is dropped.
    struct Silence(mpsc::Receiver<()>);

    impl Read for Silence {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            self.0.recv().ok();
            Ok(0)
        }
    }

    /// docs/closing.md C-7.
    #[test]
    fn a_cut_is_told_while_the_other_thread_waits_for_input() {
        let (connector, acceptor) = both(Protocols::TLS1_3);
        let (address, server) = listen(move |socket| {
            let mut stream = acceptor.accept(socket).unwrap();
            stream.write_all(b"half of i").unwrap();
            stream.get_ref().shutdown(Shutdown::Write).unwrap();
            stream
        });
        let stream = connector.connect(NAME, connect(address)).unwrap();
        let (quiet, silence) = mpsc::channel();
        let mut heard = Vec::new();
        let error = two_threads::talk(stream, Silence(silence), &mut heard).unwrap_err();
        assert_eq!((error.kind(), heard.as_slice()), (ErrorKind::UnexpectedEof, &b"half of i"[..]));
        drop((quiet, server.join().unwrap()));
    }
}

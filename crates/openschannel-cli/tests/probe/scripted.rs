//! Behaviour that no mode of `serve` has.

use std::io::{Read as _, Write as _};
use std::sync::mpsc;

use super::common::program;
use super::peer::{Server, Serving, Stream, end_first, read_head};
use super::{PATIENT, all, finding, report, verdict};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

fn http(stream: &mut Stream) {
    while let Some(head) = read_head(stream) {
        stream.write_all(OK).unwrap();
        // Nor does it go on behind what is no request.
        if head.contains("Connection: close") || !head.contains("HTTP/1.1") {
            break;
        }
    }
    end_first(stream);
}

#[test]
fn a_server_of_one_connection_at_a_time_is_waited_for() {
    let server = Server::start(Serving::OneByOne, |_| true, http);
    let (report, exit) = report(server.port, server.ca(), &PATIENT);
    assert_eq!(exit, 0, "{}", all(&report));
    assert_eq!(verdict(&report, "resumption-after-cut", "tls1.3"), "good", "{}", all(&report));
}

#[test]
fn an_idle_end_with_and_without_close_notify() {
    for (closes, wanted, words) in
        [(true, "good", "close_notify, then FIN"), (false, "tolerable", "the response before was whole")]
    {
        let server = Server::tls(move |stream| {
            let head = read_head(stream).unwrap_or_default();
            if !head.contains("keep-alive") {
                if !head.is_empty() {
                    stream.write_all(OK).unwrap();
                }
                return end_first(stream);
            }
            // Idle for no time at all, and then the end.
            stream.write_all(OK).unwrap();
            if closes {
                end_first(stream);
            }
        });
        let (report, _) = report(server.port, server.ca(), &["--timeout", "20", "--idle-limit", "30"]);
        for protocol in ["tls1.2", "tls1.3"] {
            assert_eq!(verdict(&report, "ends-idle", protocol), wanted, "{}", all(&report));
            assert!(finding(&report, "ends-idle", protocol).contains(words), "{}", all(&report));
        }
    }
}

#[test]
fn an_idle_server_that_outlasts_the_limit_is_not_judged() {
    let server = Server::tls(http);
    let (report, _) = report(server.port, server.ca(), &["--timeout", "20", "--idle-limit", "0.3"]);
    assert_eq!(verdict(&report, "ends-idle", "tls1.3"), "not-applicable");
    assert!(finding(&report, "ends-idle", "tls1.3").contains("--idle-limit"), "{}", all(&report));
}

#[test]
fn an_answer_to_what_lies_behind_the_close_is_bad() {
    let server = Server::tls(|stream| {
        let mut buffer = [0; 4096];
        // Seen before the stream takes it; in TLS 1.2 the server speaks last, so that all of it is still to come.
        let records = stream.get_mut().peek(&mut buffer).map_or(0, |n| count_records(&buffer[..n]));
        let is_data_behind = records == 2 && buffer.get(usize::from(buffer[4]) + 5) == Some(&23);
        while matches!(stream.read(&mut buffer), Ok(1..)) {}
        if is_data_behind {
            stream.write_all(b"an answer\r\n").ok();
        }
        end_first(stream);
    });
    let arguments = [&PATIENT[..], &["--no-http", "--protocol", "tls1.2"]].concat();
    let (report, exit) = report(server.port, server.ca(), &arguments);
    assert_eq!(verdict(&report, "data-after-close", "tls1.2"), "bad", "{}", all(&report));
    assert!(finding(&report, "data-after-close", "tls1.2").starts_with("11 bytes in answer"));
    assert_eq!(verdict(&report, "answers-close", "tls1.2"), "good", "{}", all(&report));
    let graded = (report["grade"].as_str(), exit);
    assert_eq!(graded, (Some("D"), 12), "injection weighs more than one bad answer");
}

fn count_records(mut bytes: &[u8]) -> usize {
    let mut count = 0;
    while let [_, _, _, high, low, rest @ ..] = bytes {
        bytes = rest.get(usize::from(u16::from_be_bytes([*high, *low]))..).unwrap_or_default();
        count += 1;
    }
    count
}

#[test]
fn a_server_that_answers_every_close_notify_is_not_blamed_for_what_was_behind_one() {
    let server = Server::tls(|stream| {
        let mut buffer = [0; 4096];
        while matches!(stream.read(&mut buffer), Ok(1..)) {}
        stream.write_all(b"farewell\r\n").ok();
        end_first(stream);
    });
    let (report, _) = report(server.port, server.ca(), &[&PATIENT[..], &["--no-http"]].concat());
    for protocol in ["tls1.2", "tls1.3"] {
        assert_eq!(verdict(&report, "data-after-close", protocol), "good", "{}", all(&report));
    }
}

#[test]
fn a_response_that_is_cut_short_is_bad_however_it_ends() {
    let server = Server::tls(|stream| {
        if read_head(stream).is_some() {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel").unwrap();
        }
        end_first(stream);
    });
    let (report, _) = report(server.port, server.ca(), &PATIENT);
    assert_eq!(verdict(&report, "ends-connection-close", "tls1.2"), "bad");
    let found = finding(&report, "ends-connection-close", "tls1.2");
    assert_eq!(found, "the response is cut at 3 bytes; close_notify, then FIN", "{}", all(&report));
}

#[test]
fn a_large_response_is_asked_for_where_there_is_none() {
    let server = Server::tls(http);
    let (report, _) = report(server.port, server.ca(), &PATIENT);
    assert_eq!(verdict(&report, "half-close-large", "tls1.3"), "not-applicable");
    let found = finding(&report, "half-close-large", "tls1.3");
    assert!(found.contains("only 5 bytes") && found.contains("--http PATH"), "{found}");
}

#[test]
#[cfg(unix)]
fn an_interrupt_ends_it_at_once_and_in_words() {
    let (begun, waiting) = mpsc::channel();
    // Whoever connects is left waiting.
    let server = Server::start(
        Serving::Many,
        move |socket| {
            begun.send(()).ok();
            let mut nobody = [0; 4096];
            while matches!(socket.read(&mut nobody), Ok(1..)) {}
            false
        },
        |_| (),
    );
    let mut command = program();
    command.arg("probe").arg(format!("localhost:{}", server.port)).args(["--ca", server.ca()]);
    let mut running = super::common::Running::start(&mut command);
    waiting.recv().unwrap();
    let id = running.child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-s", "INT", &id]).status().unwrap().success());
    let (exit, out, errors) = running.wait();
    assert_eq!((exit, out.as_slice()), (Some(1), b"".as_slice()), "{errors}");
    assert_eq!(errors, "openschannel: interrupted; nothing is reported\n");
}

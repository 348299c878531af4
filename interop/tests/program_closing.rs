//! `openschannel connect` against OpenSSL: what it makes of each end, by exit code and closing report.

use openschannel_interop::certificates::Certificates;
use openschannel_interop::data::{random, sha256};
use openschannel_interop::program::{Connected, run_connect};
use openschannel_interop::scripted::OPENSSL;
use serde_json::{Value, json};

use super::conversations::VERSIONS;

/// A few hundred records each way.
const SOME: usize = 5_000_000;

/// One visit in each version: `steps` for OpenSSL behind its handshake, where "SEND" stands for sending [`SOME`] bytes. Checks the exit
/// code and the fields of the report that are given.
#[track_caller]
fn visits(steps: &[&str], server_options: &[&str], options: &[&str], code: i32, expected: &Value) {
    let certificates = Certificates::new();
    let (ours, theirs) = (random(1, SOME), random(2, SOME));
    let input = certificates.write("ours", &ours);
    let send = format!("send:{}", certificates.write("theirs", &theirs));
    let sends = steps.contains(&"SEND");
    let steps: Vec<&str> =
        ["handshake"].iter().chain(steps).map(|&step| if step == "SEND" { &send } else { step }).collect();
    for (name, _) in VERSIONS {
        let mut peer_options = certificates.server_options();
        peer_options.extend([format!("min={name}"), format!("max={name}")]);
        peer_options.extend(server_options.iter().map(|&option| option.to_owned()));
        let (mut peer, port) = OPENSSL.serve(&peer_options, &steps);
        let Connected { code: got, received, report } = run_connect(&certificates, port, &input, options);
        assert_eq!(got, Some(code), "TLS {name}: {report}");
        for (field, value) in expected.as_object().unwrap() {
            assert_eq!(&report[field], value, "TLS {name}, {field}: {report}");
        }
        assert_eq!(report["protocol"], format!("tls{name}"));
        if sends {
            assert_eq!(sha256(&received), sha256(&theirs), "{} bytes", received.len());
            assert_eq!(report["bytes_received"], SOME);
        }
        if steps.contains(&"read") {
            let heard = peer.step("received");
            assert_eq!((heard.value("sha256"), heard.value("end")), (sha256(&ours).as_str(), "close_notify"));
        }
        peer.release();
    }
}

#[test]
#[ignore = "needs openssl"]
fn an_orderly_end_is_code_0() {
    let expected = json!({"read_end": "clean", "inside_record": false, "alert": null, "handshake_complete": true,
        "close_sent": true, "bytes_sent": SOME});
    visits(&["SEND", "shutdown", "read"], &[], &[], 0, &expected);
    visits(&["read", "SEND", "shutdown"], &[], &[], 0, &expected);
}

#[test]
#[ignore = "needs openssl"]
fn an_end_without_close_notify_is_code_3() {
    let expected = json!({"read_end": "truncated", "inside_record": false, "close_sent": true});
    visits(&["read", "SEND", "close"], &[], &[], 3, &expected);
}

#[test]
#[ignore = "needs openssl"]
fn an_end_inside_a_record_is_code_3_and_the_report_says_so() {
    let expected = json!({"read_end": "truncated", "inside_record": true, "close_sent": true});
    visits(&["read", "SEND", "cut:1", "close"], &[], &[], 3, &expected);
}

#[test]
#[ignore = "needs openssl"]
fn a_reset_is_code_4() {
    visits(
        &["read", "reset"],
        &[],
        &[],
        4,
        &json!({"read_end": "reset", "inside_record": false, "alert": null}),
    );
}

/// The first thing that ended the read side decides.
#[test]
#[ignore = "needs openssl"]
fn a_reset_behind_both_close_notify_is_code_0() {
    visits(&["shutdown", "read", "reset"], &[], &[], 0, &json!({"read_end": "clean", "close_sent": true}));
}

#[test]
#[ignore = "needs openssl"]
fn a_fatal_alert_is_code_5() {
    visits(
        &["spoil", "fin", "hold"],
        &[],
        &[],
        5,
        &json!({"read_end": "alert", "alert": 20, "inside_record": false}),
    );
}

#[test]
#[ignore = "needs openssl"]
fn a_peer_that_never_answers_is_code_6() {
    let expected = json!({"read_end": "open", "close_sent": true, "handshake_complete": true});
    visits(&["read", "hold"], &[], &["--linger", "1"], 6, &expected);
}

#[test]
#[ignore = "needs openssl"]
fn a_transport_end_inside_the_handshake_is_code_1() {
    let certificates = Certificates::new();
    let input = certificates.write("ours", b"");
    let (peer, port) = OPENSSL.serve(&certificates.server_options(), &["close"]);
    let visit = run_connect(&certificates, port, &input, &[]);
    assert_eq!(
        (visit.code, &visit.report["handshake_complete"]),
        (Some(1), &json!(false)),
        "{}",
        visit.report
    );
    peer.finish();
}

#[test]
#[ignore = "needs openssl"]
fn a_refused_certificate_is_code_1() {
    let (certificates, stranger) = (Certificates::new(), Certificates::new());
    let input = certificates.write("ours", b"");
    let (peer, port) = OPENSSL.serve(&certificates.server_options(), &["handshake"]);
    let visit = run_connect(&stranger, port, &input, &[]);
    assert_eq!(
        (visit.code, &visit.report["handshake_complete"]),
        (Some(1), &json!(false)),
        "{}",
        visit.report
    );
    assert_eq!(peer.finish_failing().value("end"), "alert:48");
}

#[test]
#[ignore = "needs openssl"]
fn a_client_certificate_is_presented() {
    let certificates = Certificates::new();
    let input = certificates.write("ours", b"hello");
    let mut options = certificates.server_options();
    options.push("verify=require".to_owned());
    let (mut peer, port) = OPENSSL.serve(&options, &["handshake", "read", "shutdown"]);
    let (certificate, key) = (&certificates.client.certificate, &certificates.client.key);
    let (certificate, key) = (certificate.display().to_string(), key.display().to_string());
    let visit = run_connect(&certificates, port, &input, &["--cert", &certificate, "--key", &key]);
    assert_eq!(visit.code, Some(0), "{}", visit.report);
    assert_eq!(peer.step("handshake").value("peer"), openschannel_interop::certificates::CLIENT_NAME);
    assert_eq!(peer.step("received").value("sha256"), sha256(b"hello"));
    peer.finish();
}

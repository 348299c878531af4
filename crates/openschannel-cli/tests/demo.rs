//! `openschannel demo`: what it prints is the documented shutdown (sections 4.1, 4.3, 4.4 #1 and #2).
#![allow(clippy::unwrap_used, reason = "tests")]

use std::process::{Command, Output};

use serde_json::Value;

fn demo(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_openschannel")).arg("demo").args(arguments).output().unwrap()
}

fn document(arguments: &[&str]) -> Value {
    let output = demo(arguments);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The calls of `side` from its ApplyControlToken on, and the peer's last call.
fn ending<'a>(calls: &'a [Value], side: &str) -> (Vec<(&'a str, &'a str, u64)>, &'a Value) {
    let line = |call: &'a Value| {
        (
            call["call"].as_str().unwrap(),
            call["status"].as_str().unwrap(),
            call["bytes_out"].as_u64().unwrap(),
        )
    };
    let of_side: Vec<&Value> = calls.iter().filter(|call| call["side"] == side).collect();
    let start = of_side.iter().position(|call| call["call"] == "ApplyControlToken").unwrap();
    let token = calls.iter().position(|call| std::ptr::eq(call, of_side[start + 1])).unwrap();
    (of_side[start..start + 2].iter().map(|call| line(call)).collect(), &calls[token + 1])
}

#[test]
fn every_call_of_the_shutdown_answers_as_documented() {
    let document = document(&["--json"]);
    let connections = document["connections"].as_array().unwrap();
    let kinds: Vec<_> = connections
        .iter()
        .map(|shown| (shown["protocol"].as_str().unwrap(), shown["initiator"].as_str().unwrap()))
        .collect();
    assert_eq!(
        kinds,
        [("tls1.2", "client"), ("tls1.2", "server"), ("tls1.3", "client"), ("tls1.3", "server")]
    );
    for shown in connections {
        let calls = shown["calls"].as_array().unwrap();
        let close_notify = match (shown["protocol"].as_str(), shown["cipher_suite"].as_str().unwrap()) {
            (Some("tls1.3"), _) => 24,
            (_, suite) if suite.contains("CHACHA20") => 23,
            _ => 31,
        };
        for side in ["client", "server"] {
            let call = if side == "client" { "InitializeSecurityContext" } else { "AcceptSecurityContext" };
            let (own, answer) = ending(calls, side);
            assert_eq!(own, [("ApplyControlToken", "SEC_E_OK", 0), (call, "SEC_E_OK", close_notify)]);
            assert_ne!(answer["side"], side);
            assert_eq!(answer["call"], "DecryptMessage");
            assert_eq!(answer["status"], "SEC_I_CONTEXT_EXPIRED");
            assert_eq!((&answer["data"], &answer["bytes_out"]), (&0.into(), &0.into()));
        }
        let last: Vec<_> =
            calls[calls.len() - 2..].iter().map(|call| (&call["call"], &call["side"])).collect();
        let deleted = &Value::from("DeleteSecurityContext");
        assert_eq!(last, [(deleted, &"client".into()), (deleted, &"server".into())]);
        let first = calls.iter().find(|call| call["call"] == "ApplyControlToken").unwrap();
        assert_eq!(first["side"], shown["initiator"]);
        for (side, other) in [("client", "server"), ("server", "client")] {
            let report = &shown[side];
            assert_eq!(report["read_end"], "clean");
            assert_eq!(report["inside_record"], false);
            assert_eq!(report["alert"], Value::Null);
            assert_eq!(report["handshake_complete"], true);
            assert_eq!(report["close_sent"], true);
            assert!(report["bytes_sent"].as_u64().unwrap() > 0);
            assert_eq!(report["bytes_sent"], shown[other]["bytes_received"]);
        }
    }
}

#[test]
fn every_byte_on_the_wire_belongs_to_a_listed_record() {
    for shown in document(&["--json"])["connections"].as_array().unwrap() {
        let mut sent = [0, 0];
        let mut taken = [0, 0];
        for call in shown["calls"].as_array().unwrap() {
            let side = usize::from(call["side"] == "server");
            for record in call["records"].as_array().unwrap() {
                let total = if record["direction"] == "out" { &mut sent } else { &mut taken };
                total[side] += record["length"].as_u64().unwrap();
            }
            let listed = |direction: &str| -> u64 {
                let records = call["records"].as_array().unwrap().iter();
                records.filter(|r| r["direction"] == direction).map(|r| r["length"].as_u64().unwrap()).sum()
            };
            assert_eq!(call["bytes_out"], listed("out"), "{call}");
            assert_eq!(call["bytes_in"], listed("in"), "{call}");
        }
        assert_eq!([sent[1], sent[0]], taken, "what one side sends the other takes");
    }
}

#[test]
fn one_version_can_be_named() {
    for version in ["tls1.2", "tls1.3"] {
        let document = document(&["--protocol", version, "--json"]);
        let connections = document["connections"].as_array().unwrap();
        assert_eq!(connections.len(), 2);
        assert!(connections.iter().all(|shown| shown["protocol"] == version));
    }
}

#[test]
fn people_get_the_verdict_on_the_last_line() {
    let output = demo(&[]);
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.lines().last().unwrap().starts_with("verdict: clean"), "{text}");
    assert!(text.contains("SEC_I_CONTEXT_EXPIRED") && text.contains("close_notify"), "{text}");
    assert!(!text.contains('\u{1b}'), "no colour");
}

#[test]
fn a_version_nobody_speaks_is_a_usage_error() {
    assert_eq!(demo(&["--protocol", "tls1.1"]).status.code(), Some(2));
}

//! The JDK's JSSE.

use openschannel_interop::scripted::JAVA;

use super::conversations::{First, VERSIONS, half_close, our_ends, talk_and_close, their_ends};

#[test]
#[ignore = "needs java"]
fn data_both_ways_and_an_orderly_end() {
    talk_and_close(&JAVA);
}

/// In TLS 1.2 Java answers our close_notify at once and sends no more (RFC 5246 section 7.2.1), so there it is the one to begin.
#[test]
#[ignore = "needs java"]
fn data_still_flows_against_a_closed_direction() {
    let [tls12, tls13] = VERSIONS;
    half_close(&JAVA, tls12, First::Theirs);
    half_close(&JAVA, tls13, First::Theirs);
    half_close(&JAVA, tls13, First::Ours);
}

#[test]
#[ignore = "needs java"]
fn ends_of_java_are_told_apart() {
    their_ends(&JAVA);
}

#[test]
#[ignore = "needs java"]
fn java_tells_our_ends_apart() {
    our_ends(&JAVA, "eof");
}

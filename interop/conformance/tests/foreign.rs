//! Other people's TLS in every cell: the verdicts of the table, or those that the reasons name.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use openschannel::Role;
use openschannel_conformance::cell::{Cell, End, State, Version};
use openschannel_conformance::conductor::{Outcome, PATIENCE, play};
use openschannel_conformance::files::Files;
use openschannel_conformance::runner::problems;
use openschannel_conformance::subject::Subject;
use openschannel_conformance::subjects::foreign::{GNUTLS, GO, JAVA, JAVA_AS_IT_COMES, OPENSSL};
use openschannel_conformance::subjects::rustls;
use openschannel_conformance::verdict::Word;

#[test]
fn rustls_needs_nothing_else() {
    holds(&rustls::SUBJECT);
}

#[test]
#[ignore = "needs OpenSSL"]
fn openssl() {
    holds(&OPENSSL);
}

#[test]
#[ignore = "needs GnuTLS"]
fn gnutls() {
    holds(&GNUTLS);
}

#[test]
#[ignore = "needs Go"]
fn go() {
    holds(&GO);
}

#[test]
#[ignore = "needs Java"]
fn java() {
    holds(&JAVA);
}

/// What the property is set for that the subject `java` is started with.
#[test]
#[ignore = "needs Java"]
fn java_as_it_comes_takes_every_cut_for_an_end() {
    let files = Files::new();
    for (end, role) in [(End::Fin, Role::Client), (End::FinInside, Role::Server)] {
        let cell = Cell { end, state: State::Idle, version: Version::Tls13, role };
        let Outcome::Played(played) = play(&JAVA_AS_IT_COMES, cell, &files, PATIENCE) else {
            panic!("{cell}")
        };
        assert_eq!(played.verdict.word, Word::Closed, "{cell}");
    }
}

fn holds(subject: &dyn Subject) {
    let parts = Cell::all().map(|cell| (subject, cell)).collect();
    let wrong = problems(parts, &Files::new(), false, |_| ());
    assert!(wrong.is_empty(), "{}:\n{}", subject.title(), wrong.join("\n"));
}

//! docs/conformance.md: an introduction written by hand, and behind a mark what follows from the table and the reasons.
//!
//! A cell of the results is what the reasons say, and `pass` without one; the command that writes them has played every cell and found it
//! so.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use openschannel::Role;

use crate::cell::{Cell, End, State, Version, role_name};
use crate::expectations::{Expectation, TABLE};
use crate::reasons::{distinct, reason};
use crate::subject::Subject;

/// What follows this line is made by the command.
pub const MARK: &str = "<!-- From here on written by interop/conformance/table -->";

/// The document as it is.
pub fn read() -> String {
    fs::read_to_string(path()).unwrap()
}

/// Writes it anew, but for the introduction.
pub fn write(generated: &str) {
    let text = read();
    let (introduction, _) =
        text.split_once(MARK).unwrap_or_else(|| panic!("no \"{MARK}\" in docs/conformance.md"));
    fs::write(path(), format!("{introduction}{MARK}\n\n{generated}")).unwrap();
}

/// What is expected: a table for each state.
pub fn expectations() -> String {
    let mut text = String::from("## What is expected\n");
    for state in State::ALL {
        let none = if state.exists_in(Version::Tls12) { "" } else { " TLS 1.2 has none of this." };
        write!(text, "\n### {}\n\n{}{none}\n\n", capital(state.title()), describe(state)).unwrap();
        text += "| End | Verdict | Ours can then send | Why | Where |\n| --- | --- | --- | --- | --- |\n";
        for Expectation { end, word, after, why, source, rules, .. } in
            TABLE.iter().filter(|row| row.state == state)
        {
            let rules: Vec<String> = rules.iter().map(|rule| format!("C-{rule}")).collect();
            let (end, after, rules) = (end.title(), after.text(), rules.join(", "));
            writeln!(text, "| {end} | {word} | {after} | {why} | {source}; {rules} |").unwrap();
        }
    }
    text
}

/// What became of it, for everybody.
pub fn results(subjects: &[Box<dyn Subject>]) -> String {
    let mut text = String::from("## Results\n\n| State | End |");
    subjects.iter().for_each(|subject| write!(text, " {} |", subject.title()).unwrap());
    text += "\n| --- | --- |";
    subjects.iter().for_each(|_| text += " --- |");
    text.push('\n');
    for state in State::ALL {
        for end in End::ALL {
            write!(text, "| {} | {} |", state.title(), end.title()).unwrap();
            subjects
                .iter()
                .for_each(|subject| write!(text, " {} |", result(subject.name(), state, end)).unwrap());
            text.push('\n');
        }
    }
    text += "\n## Reasons\n\n";
    for (number, reason) in distinct().into_iter().enumerate() {
        let titles = subjects.iter().filter(|subject| reason.subjects.contains(&subject.name()));
        let titles: Vec<&str> = titles.map(|subject| subject.title()).collect();
        writeln!(text, "{}. {}: **{}**. {}", number + 1, titles.join(", "), reason.text(), reason.why)
            .unwrap();
    }
    text
}

/// On what it was tried.
pub fn versions(subjects: &[Box<dyn Subject>]) -> String {
    let mut text = String::from("## What was tested\n\n");
    writeln!(text, "- OpenSchannel: {}", env!("CARGO_PKG_VERSION")).unwrap();
    for subject in subjects.iter().filter(|subject| !subject.is_ours()) {
        writeln!(text, "- {}: {}", subject.title(), subject.version()).unwrap();
    }
    text
}

/// Both versions and both roles of one end in one state.
fn result(subject: &str, state: State, end: End) -> String {
    let text = |version, role| match reason(subject, Cell { end, state, version, role }) {
        Some(reason) => {
            let number = 1 + distinct().iter().position(|known| known.is_like(reason)).unwrap();
            format!("{} ({number})", reason.text())
        }
        None => "pass".to_owned(),
    };
    let versions: Vec<(Version, [String; 2])> = Version::ALL
        .into_iter()
        .filter(|version| state.exists_in(*version))
        .map(|version| (version, [Role::Client, Role::Server].map(|role| text(version, role))))
        .collect();
    let first = &versions[0].1[0];
    if versions.iter().flat_map(|(_, roles)| roles).all(|other| other == first) {
        return first.clone();
    }
    let mut parts = Vec::new();
    let by_role = versions.iter().all(|(_, roles)| *roles == versions[0].1);
    for (version, [client, server]) in &versions {
        let prefix = if by_role { String::new() } else { format!("{version} ") };
        if client == server {
            parts.push(format!("{version}: {client}"));
        } else {
            parts.push(format!("{prefix}{}: {client}", role_name(Role::Client)));
            parts.push(format!("{prefix}{}: {server}", role_name(Role::Server)));
        }
        if by_role {
            break;
        }
    }
    parts.join("; ")
}

fn describe(state: State) -> &'static str {
    match state {
        State::Idle => "The subject reads.",
        State::Sending => {
            "The subject writes 4 MiB and reads at the same time. The other side has read a quarter when the end comes, and reads on."
        }
        State::Blocked => {
            "The subject writes more than the buffers of both kernels hold, and reads at the same time. Nobody reads what it writes."
        }
        State::Closed => "The subject has sent its close_notify and reads on.",
        State::KeyUpdateAsked => {
            "The subject has sent a KeyUpdate that asks for one. It is not answered before the end."
        }
        State::KeyUpdateOwed => {
            "A KeyUpdate that asks for one comes in the same packet, before the last data and the end."
        }
        State::Tickets => {
            "To a client: session tickets, the last data and the end come in one packet. A server has sent its tickets, and nobody has read them."
        }
        State::Handshake => {
            "The subject has sent its first flight: a client its hello, a server everything up to the client's turn."
        }
    }
}

fn capital(title: &str) -> String {
    let (first, rest) = title.split_at(1);
    first.to_uppercase() + rest
}

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/conformance.md")
}

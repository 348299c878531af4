//! The suite finds subjects out that are wrong, in the cells that ask for it and in no others.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use openschannel::Role;
use openschannel_conformance::cell::{Cell, End, State, Version};
use openschannel_conformance::conductor::{AFTERWARDS, Outcome, PATIENCE, play};
use openschannel_conformance::expectations::{After, expectation};
use openschannel_conformance::files::Files;
use openschannel_conformance::judge::{Judgement, judge};
use openschannel_conformance::runner::play_parts;
use openschannel_conformance::subject::{Heard, InProcess, Part, Playing, Subject};
use openschannel_conformance::subjects::provider::{self, Outgoing};

#[test]
fn a_fin_that_is_taken_for_an_end() {
    finds_out(&altered(|line| line.replace("truncated ", "closed ")), |cell| cell.end == End::Fin);
}

#[test]
fn a_reset_that_is_taken_for_a_fin() {
    finds_out(&altered(|line| line.replace("reset", "truncated")), |cell| cell.end == End::Rst);
}

#[test]
fn a_cut_record_that_is_not_noticed() {
    finds_out(&altered(|line| line.replace("-inside", "")), |cell| cell.end == End::FinInside);
}

#[test]
fn an_alert_without_its_number() {
    finds_out(&altered(|line| line.replace("alert:80", "failed")), |cell| cell.end == End::Alert);
}

#[test]
fn an_end_that_nobody_made() {
    finds_out(&altered(|line| line.replace("open", "closed")), |cell| cell.end == End::Silence);
}

/// Behind a reset data may be lost.
#[test]
fn the_last_data_is_lost() {
    finds_out(&altered(|line| line.replace("received=5", "received=0")), |cell| {
        cell.end != End::Rst && cell.state != State::Handshake
    });
}

/// Where silence is the end, the verdict would have been right. The conductor waits until it is there, however long that takes.
#[test]
fn a_verdict_before_it_was_asked_for() {
    let hasty = Altered {
        speaks_early: true,
        ..altered(|line| line.replace("ready", "ready\nverdict open received=5"))
    };
    finds_out(&hasty, |cell| cell.state != State::Handshake);
}

#[test]
fn no_close_notify() {
    let mutant =
        goodbye(|part, voice| provider::play(part, voice, |outgoing| drop(outgoing.data(AFTERWARDS))));
    finds_out(&mutant, says_both);
}

#[test]
fn nothing_is_said_to_a_peer_that_has_closed() {
    let mutant = goodbye(|part, voice| provider::play(part, voice, |outgoing| drop(outgoing.close())));
    // The own close_notify is asked for a second time there, and is given out again.
    finds_out(&mutant, |cell| says_both(cell) || is_closed(cell));
}

#[test]
fn data_behind_the_own_close() {
    let mutant = goodbye(|part, voice| {
        provider::play(part, voice, |outgoing| {
            outgoing.say_goodbye();
            outgoing.forge(23, AFTERWARDS).ok();
        })
    });
    finds_out(&mutant, |cell| cell.state != State::Handshake && cell.end != End::Rst);
}

#[test]
fn an_alert_in_place_of_the_close() {
    let mutant = goodbye(|part, voice| {
        provider::play(part, voice, |outgoing: &mut Outgoing| {
            outgoing.data(AFTERWARDS).ok();
            outgoing.forge(21, &[2, 80]).ok();
        })
    });
    finds_out(&mutant, |cell| cell.state != State::Handshake && cell.end != End::Rst);
}

#[test]
fn subjects_that_break_the_rules_are_said_to() {
    let files = Files::new();
    let cell = Cell { end: End::Clean, state: State::Idle, version: Version::Tls13, role: Role::Client };
    let short = Duration::from_millis(200);
    for (mutant, why) in [
        (goodbye(|_, _| Ok(())), "it ended without connecting"),
        (goodbye(|_, _| Err("no such thing".to_owned())), "no such thing"),
        (goodbye(|part, voice| voice.connect(part).map(drop)), "it ended without"),
    ] {
        let Outcome::Broken(said) = play(&mutant, cell, &files, short) else { panic!("{why}") };
        assert!(said.contains(why), "{said}");
    }
    for (mutant, why) in [
        (altered(|line| line.replace("ready", "nearly")), "in place of ready: nearly"),
        (altered(|line| line.replace("verdict", "opinion")), "no verdict: opinion closed received=5"),
        (altered(|line| line.replace("closed", "shut")), "no verdict: verdict shut received=5"),
    ] {
        let Outcome::Broken(said) = play(&mutant, cell, &files, Duration::from_secs(5)) else {
            panic!("{why}")
        };
        assert!(said.contains(why), "{said}");
    }
}

fn says_both(cell: Cell) -> bool {
    expectation(cell).after == After::Both
}

fn is_closed(cell: Cell) -> bool {
    cell.state == State::Closed && !matches!(cell.end, End::Rst | End::Alert)
}

/// Plays a part of the cells, with every end and state in both versions, and compares which are not as expected.
#[track_caller]
fn finds_out(subject: &dyn Subject, expected: fn(Cell) -> bool) {
    let files = Files::new();
    let parts: Vec<(&dyn Subject, Cell)> = Cell::all()
        .filter(|cell| (cell.version == Version::Tls13) == (cell.role == Role::Client))
        .map(|cell| (subject, cell))
        .collect();
    for ((_, cell), outcome) in parts.iter().zip(play_parts(&parts, &files)) {
        let found = judge(*cell, &outcome, true);
        assert_eq!(found != Judgement::Pass, expected(*cell), "{cell}: {outcome}: {found:?}");
        assert!(!matches!(found, Judgement::Broken(_)), "{cell}: {outcome}");
    }
}

/// Our provider with another goodbye.
fn goodbye(play: fn(&Part, &openschannel_conformance::subject::Voice) -> Result<(), String>) -> InProcess {
    InProcess { play, ..provider::SUBJECT }
}

/// Our provider, with its words turned round.
fn altered(alter: fn(&str) -> String) -> Altered {
    Altered { alter, speaks_early: false }
}

#[derive(Debug)]
struct Altered {
    alter: fn(&str) -> String,
    /// Gives its verdict behind every `ready`.
    speaks_early: bool,
}

impl Subject for Altered {
    fn name(&self) -> &'static str {
        "altered"
    }

    fn title(&self) -> &'static str {
        "altered"
    }

    fn version(&self) -> String {
        String::new()
    }

    fn is_ours(&self) -> bool {
        true
    }

    fn moment(&self, state: State) -> Duration {
        // In the handshake nobody is ready.
        if self.speaks_early && state != State::Handshake {
            PATIENCE
        } else {
            provider::SUBJECT.moment(state)
        }
    }

    fn start(&self, part: &Part, heard: Sender<Heard>) -> Result<Box<dyn Playing>, String> {
        let (hears, said) = channel();
        let alter = self.alter;
        thread::spawn(move || {
            for what in said {
                match what {
                    Heard::Line(line) => {
                        alter(&line).lines().for_each(|line| drop(heard.send(Heard::Line(line.to_owned()))));
                    }
                    other => drop(heard.send(other)),
                }
            }
        });
        provider::SUBJECT.start(part, hears)
    }
}

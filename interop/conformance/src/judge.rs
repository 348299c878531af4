//! Holds what came of a cell against the table.

use openschannel::Role;

use crate::cell::{Cell, End, State, Version};
use crate::conductor::{AFTERWARDS, BLOCKED, Item, LAST, Outcome, Played, SENDING, Sent, Transport};
use crate::expectations::{After, expectation};
use crate::verdict::Word;

/// What became of a cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// As expected.
    Pass,
    /// Otherwise: what was observed.
    Deviates(String),
    /// The subject cannot play the part; why.
    Unsupported(String),
    /// The subject did not play by the rules.
    Broken(String),
}

/// Holds an outcome against the table.
pub fn judge(cell: Cell, outcome: &Outcome, ours: bool) -> Judgement {
    let played = match outcome {
        Outcome::Played(played) => played,
        Outcome::Unsupported(reason) => return Judgement::Unsupported(reason.clone()),
        Outcome::Broken(why) => return Judgement::Broken(why.clone()),
    };
    let deviations: Vec<String> =
        [verdict_deviates(cell, played, ours), if ours { sent_deviates(cell, played) } else { None }]
            .into_iter()
            .flatten()
            .collect();
    if deviations.is_empty() { Judgement::Pass } else { Judgement::Deviates(deviations.join("; ")) }
}

/// What is wrong with the verdict.
fn verdict_deviates(cell: Cell, played: &Played, ours: bool) -> Option<String> {
    let expected = expectation(cell).word;
    let verdict = &played.verdict;
    // Few interfaces tell whether a cut was inside a record; ours does.
    let accepted = verdict.word == expected
        || (!ours && expected == Word::TruncatedInside && verdict.word == Word::Truncated);
    let mut wrong = Vec::new();
    if !accepted {
        wrong.push(verdict.word.to_string());
    }
    let received = if cell.state == State::Handshake { 0 } else { LAST.len() as u64 };
    if verdict.word != Word::Reset && verdict.received != received {
        wrong.push(format!("{} of {received} bytes", verdict.received));
    }
    if played.early {
        wrong.push("before it was asked".to_owned());
    }
    (!wrong.is_empty()).then(|| wrong.join(", "))
}

/// What is wrong with what one of ours sent.
fn sent_deviates(cell: Cell, played: &Played) -> Option<String> {
    let after = expectation(cell).after;
    let Some(sent) = &played.sent else {
        return (after != After::Unseen).then(|| "what it sent was not seen".to_owned());
    };
    (!is_as_expected(cell, after, sent)).then(|| format!("sent {sent} in place of {}", after.text()))
}

fn is_as_expected(cell: Cell, after: After, sent: &Sent) -> bool {
    let mut items = sent.items.as_slice();
    let before = match cell.state {
        State::Closed => Some(Item::CloseNotify),
        State::KeyUpdateAsked => Some(Item::KeyUpdate),
        // The answer goes before the next data, and only there.
        State::KeyUpdateOwed if after == After::Both => Some(Item::KeyUpdate),
        // It may be on its way before the alert is read.
        State::KeyUpdateOwed if items.first() == Some(&Item::KeyUpdate) => Some(Item::KeyUpdate),
        State::Tickets if cell.role == Role::Server => Some(Item::Message),
        // The rest of the first flight, where the conductor has not taken it.
        State::Handshake if items.first() == Some(&Item::Message) => Some(Item::Message),
        _ => None,
    };
    if let Some(before) = before {
        let Some((first, rest)) = items.split_first() else { return false };
        if *first != before {
            return false;
        }
        items = rest;
    }
    let whole = match cell.state {
        State::Sending => SENDING..=SENDING,
        State::Blocked => 1..=BLOCKED,
        _ => 0..=0,
    };
    let fits = match (after, items) {
        (After::Both, [Item::Data(bytes), Item::CloseNotify]) => {
            sent.last == AFTERWARDS && whole.contains(&(bytes - AFTERWARDS.len()))
        }
        (After::Close, [Item::CloseNotify]) => true,
        // The conductor's context, in a handshake that it does not finish, gives no keys out: that it is a close_notify is not seen.
        (After::Close, [Item::SealedAlert]) => {
            cell.version == Version::Tls13
                && matches!(
                    (cell.end, cell.role),
                    (End::Clean, Role::Server) | (End::FinInside, Role::Client)
                )
        }
        (After::Nothing, []) => true,
        (After::Nothing, [Item::Data(bytes)]) => *bytes <= *whole.end() && sent.last != AFTERWARDS,
        _ => false,
    };
    fits && sent.transport == Some(Transport::Fin)
}

//! What can happen next, and how a schedule is written down: "Cd Ss Cr" is data by the client, a shutdown by the server, and the
//! client reading one record.

use std::fmt;

/// One of the things that happen to a side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Act {
    /// EncryptMessage.
    Data,
    /// ApplyControlToken(SHUTDOWN) and the token call; of halves `close` or `shut_down`.
    Shutdown,
    /// ApplyControlToken(SHUTDOWN) alone.
    Apply,
    /// ApplyControlToken(SHUTDOWN) and a token call that has no room for the record.
    NoRoom,
    /// A token call without input.
    Empty,
    /// A token call with the next record.
    Token,
    /// The warning user_canceled.
    Warning,
    /// The fatal alert internal_error.
    Fatal,
    /// KeyUpdate, update_not_requested.
    Update,
    /// KeyUpdate, update_requested.
    Ask,
    /// The answer to the peer's KeyUpdate, if one is due.
    Answer,
    /// The next record arrives, or what is missing of it, and is given to DecryptMessage.
    Record,
    /// Half of the next record arrives and is given to DecryptMessage.
    Half,
    /// The transport ends for this side: what is under way to it is lost.
    Cut,
    /// The same by a reset.
    Reset,
    /// DeleteSecurityContext.
    Delete,
    /// Somebody on the way takes the next record to this side out.
    Lose,
    /// Somebody on the way flips a bit of the next record to this side.
    Flip,
    /// Somebody on the way sends the next record to this side twice.
    Repeat,
    /// Somebody on the way lets the next two records to this side change places.
    Swap,
    /// Somebody on the way puts a close_notify in plaintext before the next record to this side.
    Forge,
}

use Act::*;

/// The letters, which are the replay format.
const LETTERS: [(Act, char); 21] = [
    (Data, 'd'),
    (Shutdown, 's'),
    (Apply, 'p'),
    (NoRoom, 'n'),
    (Empty, 'e'),
    (Token, 't'),
    (Warning, 'w'),
    (Fatal, 'f'),
    (Update, 'u'),
    (Ask, 'U'),
    (Answer, 'a'),
    (Record, 'r'),
    (Half, 'h'),
    (Cut, 'c'),
    (Reset, 'x'),
    (Delete, 'k'),
    (Lose, 'l'),
    (Flip, 'b'),
    (Repeat, 'q'),
    (Swap, 'v'),
    (Forge, 'y'),
];

/// An act of one side: 0 is the client, 1 the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Step {
    pub side: usize,
    pub act: Act,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = LETTERS.iter().find(|(act, _)| *act == self.act).map_or('?', |(_, letter)| *letter);
        write!(f, "{}{letter}", if self.side == 0 { 'C' } else { 'S' })
    }
}

/// Reads what [`write`] wrote.
pub fn parse(schedule: &str) -> Vec<Step> {
    schedule
        .split_whitespace()
        .map(|word| {
            let mut letters = word.chars();
            let side = match letters.next() {
                Some('C') => 0,
                Some('S') => 1,
                _ => panic!("{word}: C or S first"),
            };
            let letter = letters.next();
            let act = LETTERS.iter().find(|(_, known)| Some(*known) == letter).map(|(act, _)| *act);
            Step { side, act: act.unwrap_or_else(|| panic!("{word}: no such act")) }
        })
        .collect()
}

pub fn write(schedule: &[Step]) -> String {
    schedule.iter().map(Step::to_string).collect::<Vec<_>>().join(" ")
}

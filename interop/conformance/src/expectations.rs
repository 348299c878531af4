//! The table: what every cell has to come to, and by which rule.
//!
//! A row holds for both versions and both roles, as far as the state exists there. The verdict is everybody's; what is sent behind it is
//! asked of our own subjects only, because it is what our documentation promises (docs/closing.md).

use crate::cell::{ALERT, Cell, End, State};
use crate::verdict::Word;

/// A row.
#[derive(Clone, Copy, Debug)]
pub struct Expectation {
    /// What happens.
    pub end: End,
    /// In the middle of what.
    pub state: State,
    /// What the subject has to say.
    pub word: Word,
    /// Why, in our words.
    pub why: &'static str,
    /// Where that stands.
    pub source: &'static str,
    /// Its rules in docs/closing.md.
    pub rules: &'static [u8],
    /// What ours send then.
    pub after: After,
}

/// What our own subjects send behind their verdict, when they try to write [`AFTERWARDS`](crate::conductor::AFTERWARDS) and to close.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// The data and a close_notify.
    Both,
    /// A close_notify: there is no data before a handshake is finished.
    Close,
    /// Nothing.
    Nothing,
    /// Nothing that anybody could see.
    Unseen,
}

const TRUNCATED: Word = Word::Truncated;
const CLOSE: &str = "RFC 8446 section 6.1; RFC 5246 section 7.2.1";
const FATAL: &str = "RFC 8446 section 6.2; RFC 5246 section 7.2.2";
const RESET: &str = "RFC 9293 section 3.10.7.4";

/// The table.
pub const TABLE: &[Expectation] = &[
    row(
        End::Clean,
        State::Idle,
        Word::Closed,
        After::Both,
        &[2, 8],
        CLOSE,
        "A close_notify says that nothing more will be sent. It is shown as the end of the data, and ends one direction only.",
    ),
    row(
        End::Fin,
        State::Idle,
        TRUNCATED,
        After::Both,
        &[7, 28],
        CLOSE,
        "When the transport ends before a close_notify came, nobody can know whether all the data did. A FIN is not authenticated.",
    ),
    row(
        End::FinInside,
        State::Idle,
        Word::TruncatedInside,
        After::Both,
        &[7],
        CLOSE,
        "The same; and half a record shows that something is missing.",
    ),
    row(
        End::Rst,
        State::Idle,
        Word::Reset,
        After::Unseen,
        &[29, 31],
        RESET,
        "A reset is told to whoever waits in a call. It is no end of the data, and what had arrived unread may be lost with it.",
    ),
    row(
        End::Alert,
        State::Idle,
        Word::Alert(ALERT),
        After::Nothing,
        &[14],
        FATAL,
        "A fatal alert ends the connection at once and is an error; data before it counts, and nobody sends any more.",
    ),
    row(
        End::Silence,
        State::Idle,
        Word::Open,
        After::Both,
        &[4, 30],
        CLOSE,
        "Nothing was said, so nothing has ended: the end of the data is a close_notify and no span of time.",
    ),
    row(
        End::Clean,
        State::Sending,
        Word::Closed,
        After::Both,
        &[2, 3],
        CLOSE,
        "The peer's close_notify does not touch this side's direction: what is being written arrives whole. (RFC 5246 has the write given up \
         in TLS 1.2; the verdict is the same.)",
    ),
    row(
        End::Fin,
        State::Sending,
        TRUNCATED,
        After::Both,
        &[7, 28],
        "RFC 8446 section 6.1; RFC 9293 section 3.6",
        "A FIN ends the peer's direction of TCP. Writing still works, and makes a cut no end.",
    ),
    row(
        End::FinInside,
        State::Sending,
        Word::TruncatedInside,
        After::Both,
        &[7, 28],
        "RFC 8446 section 6.1; RFC 9293 section 3.6",
        "The same; and half a record shows that something is missing.",
    ),
    row(
        End::Rst,
        State::Sending,
        Word::Reset,
        After::Unseen,
        &[29],
        RESET,
        "A reset is told to reading and writing calls alike. If a write hears of it first, reading is not to take what it then sees for a FIN.",
    ),
    row(
        End::Alert,
        State::Sending,
        Word::Alert(ALERT),
        After::Nothing,
        &[14],
        FATAL,
        "After a fatal alert neither side sends any more data: writing stops at a whole record, and no close_notify follows.",
    ),
    row(
        End::Silence,
        State::Sending,
        Word::Open,
        After::Both,
        &[4],
        CLOSE,
        "Nothing was said, so nothing has ended; what is written arrives.",
    ),
    row(
        End::Clean,
        State::Blocked,
        Word::Closed,
        After::Both,
        &[2, 8],
        CLOSE,
        "The end of the data is told to a reader although a write stands still: the directions do not wait for each other.",
    ),
    row(
        End::Fin,
        State::Blocked,
        TRUNCATED,
        After::Both,
        &[7, 28],
        CLOSE,
        "A cut is told to a reader although a write stands still.",
    ),
    row(
        End::FinInside,
        State::Blocked,
        Word::TruncatedInside,
        After::Both,
        &[7],
        CLOSE,
        "The same; and half a record shows that something is missing.",
    ),
    row(
        End::Rst,
        State::Blocked,
        Word::Reset,
        After::Unseen,
        &[29],
        RESET,
        "The write that stands still is ended by the reset, and often hears of it first. Reading is told of a reset all the same.",
    ),
    row(
        End::Alert,
        State::Blocked,
        Word::Alert(ALERT),
        After::Nothing,
        &[14],
        FATAL,
        "An alert is read although a write stands still, and nothing is sent behind the record that was under way.",
    ),
    row(
        End::Silence,
        State::Blocked,
        Word::Open,
        After::Both,
        &[4],
        CLOSE,
        "A peer that does not read has not ended anything.",
    ),
    row(
        End::Clean,
        State::Closed,
        Word::Closed,
        After::Nothing,
        &[2, 4, 26],
        CLOSE,
        "Who has closed goes on reading: data that was under way arrives, and then the peer's own close_notify. Nothing is sent behind the \
         own one.",
    ),
    row(
        End::Fin,
        State::Closed,
        TRUNCATED,
        After::Nothing,
        &[4, 7],
        CLOSE,
        "Having closed oneself says nothing about the other direction: without the peer's close_notify its data may be cut short.",
    ),
    row(
        End::FinInside,
        State::Closed,
        Word::TruncatedInside,
        After::Nothing,
        &[4, 7],
        CLOSE,
        "The same; and half a record shows that something is missing.",
    ),
    row(
        End::Rst,
        State::Closed,
        Word::Reset,
        After::Unseen,
        &[29],
        RESET,
        "A reset behind the own close is a reset. The peer's direction had not ended.",
    ),
    row(
        End::Alert,
        State::Closed,
        Word::Alert(ALERT),
        After::Nothing,
        &[6, 14],
        FATAL,
        "An alert counts although this side has closed; it is not answered.",
    ),
    row(
        End::Silence,
        State::Closed,
        Word::Open,
        After::Nothing,
        &[4, 30],
        CLOSE,
        "The peer may take its time with its own close_notify. Until then its direction is open.",
    ),
    row(
        End::Clean,
        State::KeyUpdateAsked,
        Word::Closed,
        After::Both,
        &[18],
        "RFC 8446 sections 4.6.3 and 6.1",
        "The answer to a KeyUpdate goes before the next data of whoever was asked. Until it comes the old keys are in use, and a close_notify \
         under them is a good one.",
    ),
    row(
        End::Fin,
        State::KeyUpdateAsked,
        TRUNCATED,
        After::Both,
        &[7, 18],
        "RFC 8446 sections 4.6.3 and 6.1",
        "An answer that is still to come makes no difference: a FIN without a close_notify is a cut.",
    ),
    row(
        End::FinInside,
        State::KeyUpdateAsked,
        Word::TruncatedInside,
        After::Both,
        &[7, 18],
        "RFC 8446 sections 4.6.3 and 6.1",
        "The same; and half a record shows that something is missing.",
    ),
    row(End::Rst, State::KeyUpdateAsked, Word::Reset, After::Unseen, &[29], RESET, "A reset is a reset."),
    row(
        End::Alert,
        State::KeyUpdateAsked,
        Word::Alert(ALERT),
        After::Nothing,
        &[14, 18],
        "RFC 8446 sections 4.6.3 and 6.2",
        "An alert under the old keys is a good one too.",
    ),
    row(
        End::Silence,
        State::KeyUpdateAsked,
        Word::Open,
        After::Both,
        &[18],
        "RFC 8446 section 4.6.3",
        "There is no time within which a KeyUpdate has to be answered.",
    ),
    row(
        End::Clean,
        State::KeyUpdateOwed,
        Word::Closed,
        After::Both,
        &[18, 19],
        "RFC 8446 sections 4.6.3 and 6.1",
        "Data and close_notify behind a KeyUpdate are under the new keys. The answer that is owed goes before the next data; the peer's close \
         does not cancel it.",
    ),
    row(
        End::Fin,
        State::KeyUpdateOwed,
        TRUNCATED,
        After::Both,
        &[7, 19],
        "RFC 8446 sections 4.6.3 and 6.1",
        "New keys authenticate no FIN.",
    ),
    row(
        End::FinInside,
        State::KeyUpdateOwed,
        Word::TruncatedInside,
        After::Both,
        &[7, 19],
        "RFC 8446 sections 4.6.3 and 6.1",
        "The same; and half a record shows that something is missing.",
    ),
    row(
        End::Rst,
        State::KeyUpdateOwed,
        Word::Reset,
        After::Unseen,
        &[29],
        RESET,
        "A reset is a reset, whether it meets a reader or the answer to the KeyUpdate.",
    ),
    row(
        End::Alert,
        State::KeyUpdateOwed,
        Word::Alert(ALERT),
        After::Nothing,
        &[14, 18],
        "RFC 8446 sections 4.6.3 and 6.2",
        "The alert is under the new keys. Behind it no answer is owed any more; one may have gone out before it was read.",
    ),
    row(
        End::Silence,
        State::KeyUpdateOwed,
        Word::Open,
        After::Both,
        &[18],
        "RFC 8446 section 4.6.3",
        "The answer is owed before the next data and not earlier; having nothing to say ends nothing.",
    ),
    row(
        End::Clean,
        State::Tickets,
        Word::Closed,
        After::Both,
        &[21],
        "RFC 8446 sections 4.6.1 and 6.1",
        "Tickets may come at any time behind the handshake, in one packet with data and close_notify too. They are neither data nor an end.",
    ),
    row(
        End::Fin,
        State::Tickets,
        TRUNCATED,
        After::Both,
        &[7, 21],
        "RFC 8446 sections 4.6.1 and 6.1",
        "A cut behind a ticket is a cut.",
    ),
    row(
        End::FinInside,
        State::Tickets,
        Word::TruncatedInside,
        After::Both,
        &[7, 21],
        "RFC 8446 sections 4.6.1 and 6.1",
        "The same; and half a record shows that something is missing.",
    ),
    row(
        End::Rst,
        State::Tickets,
        Word::Reset,
        After::Unseen,
        &[29],
        RESET,
        "A reset is a reset, whether tickets were read or not.",
    ),
    row(
        End::Alert,
        State::Tickets,
        Word::Alert(ALERT),
        After::Nothing,
        &[14, 21],
        "RFC 8446 sections 4.6.1 and 6.2",
        "An alert behind a ticket ends the connection.",
    ),
    row(
        End::Silence,
        State::Tickets,
        Word::Open,
        After::Both,
        &[21],
        "RFC 8446 section 4.6.1",
        "A ticket asks for no answer and ends nothing.",
    ),
    row(
        End::Clean,
        State::Handshake,
        Word::Closed,
        After::Close,
        &[12, 13],
        CLOSE,
        "user_canceled and close_notify in a handshake: the peer gives up and says so. No connection came about, and nothing went wrong on \
         the way.",
    ),
    row(
        End::Fin,
        State::Handshake,
        TRUNCATED,
        After::Close,
        &[7, 13],
        CLOSE,
        "A FIN in a handshake is a cut: anybody on the way can make one.",
    ),
    row(
        End::FinInside,
        State::Handshake,
        Word::TruncatedInside,
        After::Close,
        &[7, 13],
        CLOSE,
        "The same, inside a handshake message's record.",
    ),
    row(
        End::Rst,
        State::Handshake,
        Word::Reset,
        After::Unseen,
        &[29],
        RESET,
        "A reset in a handshake is a reset.",
    ),
    row(
        End::Alert,
        State::Handshake,
        Word::Alert(ALERT),
        After::Nothing,
        &[13, 14],
        FATAL,
        "A fatal alert ends a handshake, and says why: in the clear before there are keys, sealed with those of the handshake behind them.",
    ),
    row(
        End::Silence,
        State::Handshake,
        Word::Open,
        After::Close,
        &[13, 30],
        "RFC 8446 section 4; RFC 5246 section 7.4",
        "No document limits the time of a handshake: who wants a limit has to set one himself.",
    ),
];

/// The row of a cell.
pub fn expectation(cell: Cell) -> &'static Expectation {
    TABLE.iter().find(|row| (row.end, row.state) == (cell.end, cell.state)).unwrap()
}

impl After {
    /// For people, with the rules of docs/closing.md.
    pub fn text(self) -> &'static str {
        match self {
            Self::Both => "data, close_notify",
            Self::Close => "close_notify",
            Self::Nothing => "nothing",
            Self::Unseen => "-",
        }
    }
}

const fn row(
    end: End,
    state: State,
    word: Word,
    after: After,
    rules: &'static [u8],
    source: &'static str,
    why: &'static str,
) -> Expectation {
    Expectation { end, state, word, why, source, rules, after }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cell_has_one_row() {
        for cell in Cell::all() {
            let rows = TABLE.iter().filter(|row| (row.end, row.state) == (cell.end, cell.state)).count();
            assert_eq!(rows, 1, "{cell}");
        }
        assert_eq!(TABLE.len(), End::ALL.len() * State::ALL.len());
    }

    #[test]
    fn rows_stand_in_the_order_of_states_and_ends() {
        assert!(TABLE.is_sorted_by_key(|row| (row.state, row.end)));
    }
}

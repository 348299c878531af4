//! The scripted wire: records with what they are, as far as the side that made them knows.

use std::collections::VecDeque;

use openschannel::TransportEnd;

/// What a record is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Data(Vec<u8>),
    CloseNotify,
    /// The stored closing record, given out again.
    Again,
    Warning,
    Fatal,
    Update {
        requested: bool,
    },
    Ticket,
    /// Changed or made up on the way, or behind one that was taken out.
    Hostile,
}

#[derive(Clone, Debug)]
pub struct Record {
    pub bytes: Vec<u8>,
    pub kind: Kind,
}

/// A record that has arrived, or the front of it.
#[derive(Clone, Debug)]
pub struct Held {
    pub record: Record,
    /// How much of it has arrived.
    pub arrived: usize,
    /// It answered SEC_I_RENEGOTIATE: what it says is taken in by a token call, or was, and it comes again.
    pub seen: bool,
}

impl Held {
    pub fn is_whole(&self) -> bool {
        self.arrived == self.record.bytes.len()
    }

    pub fn bytes(&self) -> &[u8] {
        &self.record.bytes[..self.arrived]
    }
}

/// One direction: from the side that has its index to the other one.
#[derive(Clone, Debug, Default)]
pub struct Lane {
    pub under_way: VecDeque<Record>,
    /// What the receiver has in its buffer.
    pub held: Option<Held>,
    /// Nothing arrives any more.
    pub cut: Option<TransportEnd>,
    /// Somebody on the way has changed something that was not read before the end.
    pub tampered: bool,
    /// A closing record that was taken out; the same one, given out again, is what it was.
    pub lost: Option<Kind>,
    /// Plaintext that was encrypted, before the sender closed.
    pub sent: Vec<u8>,
    /// Plaintext that was delivered.
    pub received: Vec<u8>,
}

impl Lane {
    pub fn put(&mut self, record: Record) {
        if self.cut.is_none() {
            self.under_way.push_back(record);
        }
    }

    /// Whether there is anything to read.
    pub fn has_more(&self) -> bool {
        match &self.held {
            Some(held) => self.cut.is_none() || held.is_whole(),
            None => self.cut.is_none() && !self.under_way.is_empty(),
        }
    }

    /// Lets the rest of the record arrive that is next, whole.
    pub fn arrive(&mut self) -> &mut Held {
        if self.cut.is_none() && self.held.is_none() {
            self.held = self.under_way.pop_front().map(|record| Held { record, arrived: 0, seen: false });
        }
        let held = self.held.as_mut().unwrap();
        held.arrived = held.record.bytes.len();
        held
    }

    /// Lets half of the next record arrive.
    pub fn arrive_half(&mut self) -> &Held {
        assert!(self.held.is_none());
        let record = self.under_way.pop_front().unwrap();
        let arrived = record.bytes.len() / 2;
        self.held.insert(Held { record, arrived, seen: false })
    }

    /// The transport ends. A record of which only the front arrived stays so.
    pub fn end(&mut self, end: TransportEnd) {
        self.cut = Some(end);
        self.under_way.clear();
    }
}

//! What a subject sent behind its prelude, as the conductor's keys open it.

use std::fmt;
use std::io::{self, ErrorKind, Read};
use std::net::TcpStream;

use openschannel::ReceiveHalf;
use openschannel::status::{ErrorStatus, SuccessStatus};

use super::AFTERWARDS;

/// Bytes of a TLS 1.3 record with a KeyUpdate: header, message, content type and tag. A NewSessionTicket is longer.
const KEY_UPDATE_RECORD: usize = 5 + 5 + 1 + 16;

/// An alert behind the header of its TLS 1.3 record; no other message is so short.
const SEALED_ALERT: usize = 2 + 1 + 16;

/// Room for received bytes: a few records of the longest kind.
const ROOM: usize = 1 << 16;

/// What came, in order, neighbours of a kind put together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// The records.
    pub items: Vec<Item>,
    /// The last bytes of data, as many as [`AFTERWARDS`] has.
    pub last: Vec<u8>,
    /// How TCP ended behind them.
    pub transport: Option<Transport>,
}

/// A record, or several of the same kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// So many bytes of data.
    Data(usize),
    /// A KeyUpdate.
    KeyUpdate,
    /// Another message behind the handshake: a ticket.
    Message,
    /// The orderly end.
    CloseNotify,
    /// A fatal alert.
    Alert(u8),
    /// An alert that the conductor has no keys for.
    SealedAlert,
    /// What does not open, or breaks the protocol.
    Bad(String),
    /// So many bytes behind a close_notify or an alert, whatever they are.
    Behind(usize),
    /// So many bytes of a record that never became whole.
    Part(usize),
}

/// How the subject's TCP connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// By a FIN.
    Fin,
    /// By a reset.
    Reset,
    /// Not at all, within the conductor's patience.
    Silent,
}

impl Sent {
    /// Bytes of data.
    pub fn data(&self) -> usize {
        self.items.iter().map(|item| if let Item::Data(n) = item { *n } else { 0 }).sum()
    }

    fn add(&mut self, item: Item) {
        match (self.items.last_mut(), &item) {
            (Some(Item::Data(known)), Item::Data(more)) => *known += more,
            (Some(Item::Message), Item::Message) => {}
            (Some(Item::Behind(known)), Item::Behind(more)) => *known += more,
            _ => self.items.push(item),
        }
    }
}

impl fmt::Display for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for item in &self.items {
            match item {
                Item::Data(n) => write!(f, "data {n}, "),
                Item::KeyUpdate => write!(f, "KeyUpdate, "),
                Item::Message => write!(f, "tickets, "),
                Item::CloseNotify => write!(f, "close_notify, "),
                Item::Alert(number) => write!(f, "alert {number}, "),
                Item::SealedAlert => write!(f, "a sealed alert, "),
                Item::Bad(why) => write!(f, "bad: {why}, "),
                Item::Behind(n) => write!(f, "{n} bytes behind that, "),
                Item::Part(n) => write!(f, "{n} bytes of a record, "),
            }?;
        }
        f.write_str(match self.transport {
            Some(Transport::Fin) => "FIN",
            Some(Transport::Reset) => "RST",
            Some(Transport::Silent) => "silence",
            None => "not read on",
        })
    }
}

/// Reads what the subject sends.
#[derive(Debug)]
pub(crate) struct Listener {
    /// None before there are keys.
    half: Option<ReceiveHalf>,
    /// An alert has ended what counts.
    ended: bool,
    socket: TcpStream,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    sent: Sent,
    over: bool,
}

impl Listener {
    /// `received` is what the handshake left over.
    pub(crate) fn new(half: ReceiveHalf, socket: TcpStream, received: &[u8]) -> Self {
        Self { half: Some(half), ..Self::without_keys(socket, received) }
    }

    /// In a handshake: sees alerts in the clear, and sealed ones by their length.
    pub(crate) fn without_keys(socket: TcpStream, received: &[u8]) -> Self {
        let mut buffer = vec![0; ROOM.max(received.len() * 2)];
        buffer[..received.len()].copy_from_slice(received);
        Self {
            half: None,
            ended: false,
            socket,
            buffer: buffer.into(),
            start: 0,
            end: received.len(),
            sent: Sent::default(),
            over: false,
        }
    }

    /// Reads the prelude; what comes behind it counts.
    pub(crate) fn expect(&mut self, prelude: &[u8]) -> Result<(), String> {
        self.read_while(|sent| sent.data() < prelude.len());
        if self.sent.data() != prelude.len() || self.sent.last != prelude {
            return Err(format!("in place of the prelude: {}", self.sent));
        }
        self.sent = Sent::default();
        Ok(())
    }

    /// Reads until so many bytes of data have come.
    pub(crate) fn read_data(&mut self, bytes: usize) -> Result<(), String> {
        self.read_while(|sent| sent.data() < bytes);
        if self.over { Err(format!("in place of {bytes} bytes of data: {}", self.sent)) } else { Ok(()) }
    }

    /// Reads to the end.
    pub(crate) fn read_all(mut self) -> Sent {
        self.read_while(|_| true);
        self.sent
    }

    fn read_while(&mut self, go_on: impl Fn(&Sent) -> bool) {
        while !self.over && go_on(&self.sent) {
            if !self.open_record() {
                self.fill();
            }
        }
    }

    /// False: there is no whole record.
    fn open_record(&mut self) -> bool {
        let waiting = &mut self.buffer[self.start..self.end];
        if waiting.is_empty() {
            return false;
        }
        if self.ended {
            self.sent.add(Item::Behind(waiting.len()));
            self.start = self.end;
            return true;
        }
        let opened = match &mut self.half {
            Some(half) => opened(half, waiting, &mut self.sent.last),
            None => seen(waiting),
        };
        let Some((taken, item)) = opened else { return false };
        self.ended = matches!(item, Item::CloseNotify | Item::Alert(_) | Item::SealedAlert | Item::Bad(_));
        self.sent.add(item);
        self.start += taken;
        true
    }

    fn fill(&mut self) {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        let transport = match self.socket.read(&mut self.buffer[self.end..]) {
            Ok(n) if n > 0 => {
                self.end += n;
                return;
            }
            Ok(_) => Transport::Fin,
            Err(error) if error.kind() == ErrorKind::Interrupted => return,
            Err(error) if is_timeout(&error) => Transport::Silent,
            Err(_) => Transport::Reset,
        };
        if self.start < self.end {
            self.sent.add(Item::Part(self.end - self.start));
        }
        self.sent.transport = Some(transport);
        self.over = true;
    }
}

/// The record at the front: its length, and what is in it.
fn opened(half: &mut ReceiveHalf, waiting: &mut [u8], last: &mut Vec<u8>) -> Option<(usize, Item)> {
    match half.decrypt(waiting) {
        Ok(message) => {
            let taken = waiting.len() - message.extra.len();
            let data = &waiting[message.data.clone()];
            let item = match message.status {
                SuccessStatus::ContextExpired => Item::CloseNotify,
                _ if !data.is_empty() => {
                    let whole = [last.as_slice(), data].concat();
                    *last = whole[whole.len().saturating_sub(AFTERWARDS.len())..].to_vec();
                    Item::Data(data.len())
                }
                _ if taken == KEY_UPDATE_RECORD => Item::KeyUpdate,
                _ => Item::Message,
            };
            Some((taken, item))
        }
        Err(error) if error.status() == ErrorStatus::IncompleteMessage => None,
        // How much of it that was does not matter: nothing behind it counts.
        Err(error) => Some(match error.received_alert() {
            Some(alert) => (waiting.len(), Item::Alert(alert.description.0)),
            None => (waiting.len(), Item::Bad(format!("{}: {}", error.status().name(), error.reason()))),
        }),
    }
}

/// The same without keys.
fn seen(waiting: &[u8]) -> Option<(usize, Item)> {
    let (header, rest) = waiting.split_at_checked(5)?;
    let length = usize::from(u16::from_be_bytes([header[3], header[4]]));
    let content = rest.get(..length)?;
    let item = match (header[0], content) {
        (21, [_, 0]) => Item::CloseNotify,
        (21, [_, number]) => Item::Alert(*number),
        (23, _) if length == SEALED_ALERT => Item::SealedAlert,
        _ => Item::Message,
    };
    Some((5 + length, item))
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

//! Two contexts, the wire between them, and what is noted of each side's calls: enough to say what may not happen next.
//!
//! There is no model of TLS here. What is known of a side is what it was asked and what it answered: that it gave out its closing
//! record, that it failed, that it wants a token call. What is known of a record is which call made it.
//!
//! ```text
//!   sides[0]  client --- lanes[0]: under way, held ---> server  sides[1]
//!                    <-- lanes[1]: held, under way ----
//! ```

use std::fmt::Debug;

use openschannel::credentials::{PostHandshake, Protocols};
use openschannel::{
    ClosingReport, ContextOptions, ReadEnd, ReceiveHalf, Role, SecurityContext, SendHalf, TokenBuffer,
};

use super::step::{Act, Step};
use super::wire::{Kind, Lane, Record};
use crate::common::{Pair, credentials};

/// What one run goes through.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    pub name: &'static str,
    pub version: Protocols,
    pub mode: PostHandshake,
    pub form: Form,
    /// The server's tickets are under way when the schedules begin.
    pub tickets: bool,
    /// What may happen, to either side.
    pub acts: &'static [Act],
}

/// How the caller holds a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Context,
    /// Halves; closed by [`SendHalf::close`], which consumes one.
    Consumed,
    /// Halves; closed by [`SendHalf::shut_down`].
    Kept,
    /// As `Consumed`, in compatible mode, and nobody said that no token call will be made: a message that wants one is in the way until
    /// the sending half is gone.
    Gated,
}

/// One side's connection.
#[derive(Debug)]
pub enum Ends {
    Whole(SecurityContext),
    Halves(Option<SendHalf>, ReceiveHalf),
    Deleted,
}

/// How much of a context can be looked at.
pub trait Inspect {
    type State: PartialEq + Debug;
    fn look(ends: &Ends) -> Self::State;
}

/// How a side's sending half has ended, as its caller saw it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Closing {
    Open,
    /// By this close_notify.
    Notify(Vec<u8>),
    /// By a fatal alert that was asked for.
    Fatal,
    /// By this alert, which the peer was owed.
    Owed(Vec<u8>),
}

/// Why nothing goes on any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Failure {
    None,
    Sent,
    Received,
    Found,
}

#[derive(Debug)]
pub struct Side {
    pub ends: Ends,
    pub closing: Closing,
    pub failure: Failure,
    /// The peer's close_notify was given to DecryptMessage whole, and taken for what it is.
    pub peer_closed: bool,
    /// SEC_I_RENEGOTIATE was answered, and no token call came behind it.
    pub gated: bool,
    /// ApplyControlToken(SHUTDOWN) waits.
    pub waiting: bool,
    /// KeyUpdates that asked for one and were taken in since this side's last.
    pub requests: u32,
    /// Warnings since the last data that came.
    pub warnings: u32,
    /// What the verdict has to be from now on, once it is no longer open.
    pub verdict: Option<ReadEnd>,
    /// Data records so far.
    pub count: u8,
}

#[derive(Debug)]
pub struct World<I> {
    pub rules: Rules,
    pub sides: [Side; 2],
    /// By the side that sends.
    pub lanes: [Lane; 2],
    /// DecryptMessage is given all that is under way in one buffer, rather than one record.
    pub at_once: bool,
    pub inspect: core::marker::PhantomData<I>,
}

impl<I: Inspect> World<I> {
    /// After a handshake of its own.
    pub fn establish(rules: Rules) -> Self {
        let (outbound, inbound) = credentials(rules.version);
        let options = ContextOptions { post_handshake: Some(rules.mode), ..ContextOptions::default() };
        Self::of(rules, Pair::establish(&outbound, &inbound, &options))
    }

    pub fn of(rules: Rules, mut pair: Pair) -> Self {
        if !rules.tickets {
            read_tickets(&mut pair);
        }
        let mut lanes = [Lane::default(), Lane::default()];
        let mut rest = pair.to_client.as_slice();
        while !rest.is_empty() {
            let (record, behind) = rest.split_at(record_len(rest));
            lanes[1].put(Record { bytes: record.to_vec(), kind: Kind::Ticket });
            rest = behind;
        }
        let sides = [pair.client, pair.server].map(|context| Side::new(context, rules.form));
        Self { rules, sides, lanes, at_once: false, inspect: core::marker::PhantomData }
    }

    /// Every step that means something now.
    pub fn enabled(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        for side in 0..2 {
            let may = self.rules.acts.iter().filter(|act| self.is_enabled(side, **act));
            steps.extend(may.map(|act| Step { side, act: *act }));
        }
        steps
    }

    fn is_enabled(&self, index: usize, act: Act) -> bool {
        let (side, lane) = (&self.sides[index], &self.lanes[1 - index]);
        if matches!(side.ends, Ends::Deleted) {
            return false;
        }
        let arriving = lane.cut.is_none() && !lane.under_way.is_empty() && lane.held.is_none();
        match act {
            Act::Data | Act::Warning | Act::Fatal | Act::Update | Act::Ask | Act::Answer | Act::Shutdown => {
                side.can_send()
            }
            Act::Apply | Act::NoRoom | Act::Empty | Act::Delete => true,
            Act::Record | Act::Token => lane.has_more(),
            Act::Half => arriving,
            Act::Cut | Act::Reset => lane.cut.is_none(),
            Act::Lose | Act::Flip | Act::Repeat | Act::Forge => arriving && !lane.tampered,
            Act::Swap => {
                // A closing record and the same again are one record twice.
                let differ =
                    lane.under_way.get(1).is_some_and(|second| second.bytes != lane.under_way[0].bytes);
                arriving && !lane.tampered && differ
            }
        }
    }

    /// What can be told of the whole world from outside, in few bytes.
    pub fn outline(&self) -> Vec<u8> {
        let mut outline = Vec::with_capacity(64);
        for (side, lane) in self.sides.iter().zip(&self.lanes) {
            if let Some(report) = side.report() {
                outline.extend(format!("{:?}", report.read_end).bytes());
                let flags = [report.close_sent, side.gated, side.waiting, side.peer_closed];
                outline.extend(flags.map(u8::from));
                outline.extend([side.failure as u8, side.count, u8::try_from(side.requests).unwrap_or(255)]);
            }
            outline.extend(format!("{:?}", lane.cut).bytes());
            outline.extend([255, u8::try_from(lane.received.len()).unwrap_or(255)]);
            outline.extend(lane.held.iter().map(|held| 1 + u8::from(held.is_whole())));
            outline.extend(lane.under_way.iter().map(|record| match &record.kind {
                Kind::Data(_) => 3,
                Kind::CloseNotify => 4,
                Kind::Again => 5,
                Kind::Warning => 6,
                Kind::Fatal => 7,
                Kind::Update { requested } => 8 + u8::from(*requested),
                Kind::Ticket => 10,
                Kind::Hostile => 11,
            }));
        }
        outline
    }
}

impl Side {
    fn new(context: SecurityContext, form: Form) -> Self {
        let ends = match form {
            Form::Context => Ends::Whole(context),
            Form::Consumed | Form::Kept | Form::Gated => {
                let (send, mut receive) = context.split().unwrap();
                if form != Form::Gated {
                    // As documented for halves on two threads.
                    receive.consume_post_handshake();
                }
                Ends::Halves(Some(send), receive)
            }
        };
        Self {
            ends,
            closing: Closing::Open,
            failure: Failure::None,
            peer_closed: false,
            gated: false,
            waiting: false,
            requests: 0,
            warnings: 0,
            verdict: None,
            count: 0,
        }
    }

    /// [`ClosingReport`]; of halves put together from both.
    pub fn report(&self) -> Option<ClosingReport> {
        self.ends.report()
    }

    pub fn is_closed(&self) -> bool {
        self.closing != Closing::Open
    }

    pub fn has_failed(&self) -> bool {
        self.failure != Failure::None
    }

    /// Whether there is a sending half to ask; one that was consumed is a call that does not compile.
    pub fn can_send(&self) -> bool {
        !matches!(self.ends, Ends::Deleted | Ends::Halves(None, _))
    }

    /// Whether EncryptMessage has to work.
    pub fn is_open(&self) -> bool {
        self.can_send() && !self.is_closed() && !self.has_failed() && !self.gated
    }

    /// A message waits for a token call that this form of a connection has not.
    pub fn is_stuck(&self) -> bool {
        self.gated && matches!(self.ends, Ends::Halves(Some(_), _))
    }

    pub fn send(&mut self) -> Option<&mut SendHalf> {
        match &mut self.ends {
            Ends::Whole(context) => context.send_half().ok(),
            Ends::Halves(send, _) => send.as_mut(),
            Ends::Deleted => None,
        }
    }
}

impl Ends {
    pub fn report(&self) -> Option<ClosingReport> {
        match self {
            Self::Whole(context) => Some(context.closing_report()),
            Self::Halves(send, receive) => Some(ClosingReport {
                read_end: receive.read_end(),
                handshake_complete: true,
                close_sent: send.as_ref().is_some_and(SendHalf::close_sent),
                bytes_sent: send.as_ref().map_or(0, SendHalf::bytes_sent),
                bytes_received: receive.bytes_received(),
            }),
            Self::Deleted => None,
        }
    }
}

/// Bytes of the first record.
pub fn record_len(records: &[u8]) -> usize {
    5 + usize::from(u16::from_be_bytes([records[3], records[4]]))
}

fn read_tickets(pair: &mut Pair) {
    while !pair.to_client.is_empty() {
        let message = pair.client.decrypt_message(&mut pair.to_client).unwrap();
        let mut rest = pair.to_client.split_off(message.extra.start);
        if message.status == openschannel::status::SuccessStatus::Renegotiate {
            let outcome =
                pair.client.initialize_security_context(None, &rest, &mut TokenBuffer::allocate()).unwrap();
            rest.drain(..outcome.consumed);
        }
        pair.to_client = rest;
    }
    assert_eq!(pair.client.role(), Role::Client);
}

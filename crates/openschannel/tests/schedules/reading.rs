//! What each side reads, and what has to come of it; somebody on the way is here too.

use openschannel::alert::AlertLevel;
use openschannel::status::{Error, ErrorStatus as E, SuccessStatus as S};
use openschannel::{Decrypted, ReadEnd, TokenBuffer, TokenOutcome, TransportEnd};

use super::step::Act;
use super::wire::{Kind, Record};
use super::world::{Ends, Failure, Inspect, Side, World};
use crate::common::token_call;

/// A close_notify that no key has seen.
const PLAIN_CLOSE: [u8; 7] = [21, 3, 3, 0, 2, 1, 0];

/// C-16: in a row.
const WARNINGS_TAKEN: u32 = 4;

impl<I: Inspect> World<I> {
    pub fn token(&mut self, i: usize) {
        let before = self.look(i);
        let lane = &mut self.lanes[1 - i];
        let held = lane.arrive();
        let (seen, kind, bytes) = (held.seen, held.record.kind.clone(), held.record.bytes.clone());
        let side = &mut self.sides[i];
        if side.waiting {
            return self.empty_token(i);
        }
        let Ends::Whole(context) = &mut side.ends else { return };
        let mut output = TokenBuffer::allocate();
        let result = token_call(context, &bytes, &mut output);
        let produced = output.into_vec();
        if side.has_failed() {
            assert_eq!(result.unwrap_err().status(), E::ContextExpired);
            return self.unchanged(i, &before, &produced);
        }
        if side.peer_closed {
            let nothing = TokenOutcome { status: S::ContextExpired, consumed: 0, extra: 0 };
            assert_eq!(result.unwrap(), nothing);
            return self.unchanged(i, &before, &produced);
        }
        let ours = matches!(kind, Kind::Update { .. } | Kind::Ticket);
        if !ours && side.is_closed() {
            assert_eq!(result.unwrap_err().status(), E::ContextExpired);
            return self.unchanged(i, &before, &produced);
        }
        let outcome = result.unwrap();
        assert_eq!(outcome.status, S::Ok);
        if ours {
            assert_eq!((outcome.consumed, outcome.extra), (bytes.len(), 0));
            self.lanes[1 - i].held = None;
            if side.gated {
                self.gate_opened_by(i, &kind);
            } else if !seen {
                self.take_in(i, &kind);
            }
        } else {
            assert_eq!(
                (outcome.consumed, outcome.extra),
                (0, bytes.len()),
                "{kind:?} is not for a token call"
            );
        }
        self.answered(i, &produced);
    }

    pub fn record(&mut self, i: usize) {
        self.lanes[1 - i].arrive();
        self.deliver(i);
    }

    pub fn half(&mut self, i: usize) {
        let before = self.look(i);
        let missing = self.lanes[1 - i].arrive_half();
        let missing = missing.record.bytes.len() - missing.arrived;
        match self.decrypt_held(i) {
            Ok((message, _)) => {
                assert!(self.sides[i].peer_closed && message.status == S::ContextExpired);
                assert!(message.data.is_empty() && message.extra.is_empty());
            }
            Err(error) => {
                let side = &self.sides[i];
                let expected = if side.has_failed() || side.gated {
                    (E::ContextExpired, None)
                } else if self.lanes[1 - i].held.as_ref().is_some_and(|held| held.arrived < 5) {
                    (E::IncompleteMessage, Some(5 - self.lanes[1 - i].held.as_ref().unwrap().arrived))
                } else {
                    (E::IncompleteMessage, Some(missing))
                };
                assert_eq!((error.status(), error.missing()), expected);
            }
        }
        self.unchanged(i, &before, &[]);
    }

    /// Gives the whole record that is held to DecryptMessage.
    pub fn deliver(&mut self, i: usize) {
        let before = self.look(i);
        let held = self.lanes[1 - i].held.clone().unwrap();
        let result = self.decrypt_held(i);
        let side = &mut self.sides[i];
        // A sending half that is gone makes no token call.
        side.gated &= !matches!(side.ends, Ends::Halves(None, _));
        if side.has_failed() || side.gated {
            let error = result.unwrap_err();
            assert_eq!((error.status(), error.received_alert()), (E::ContextExpired, None));
            return self.unchanged(i, &before, &[]);
        }
        if side.peer_closed {
            // RFC 8446 section 6.1: what comes behind the close is ignored.
            let (message, data) = result.unwrap();
            assert_eq!((message.status, data.len()), (S::ContextExpired, 0));
            self.lanes[1 - i].held = None;
            return self.unchanged(i, &before, &[]);
        }
        let flooded = held.record.kind == Kind::Warning && side.warnings == WARNINGS_TAKEN;
        if held.record.kind == Kind::Hostile || flooded {
            let error = result.unwrap_err();
            assert!(matches!(error.status(), E::MessageAltered | E::IllegalMessage), "{error}");
            assert!(error.alert().is_some());
            side.failure = Failure::Found;
            side.requests = 0;
            side.verdict.get_or_insert_with(|| ReadEnd::Failed(error.status()));
            self.lanes[1 - i].held = None;
            return;
        }
        if held.record.kind == Kind::Fatal {
            let error = result.unwrap_err();
            let alert = error.received_alert().unwrap();
            assert_eq!(alert.level, AlertLevel::FATAL);
            side.failure = Failure::Received;
            side.requests = 0;
            side.verdict.get_or_insert(ReadEnd::Alert(alert.description));
            self.lanes[1 - i].held = None;
            return;
        }
        let (message, data) = result.unwrap();
        if message.status == S::Renegotiate {
            assert!(matches!(held.record.kind, Kind::Update { .. } | Kind::Ticket) && !held.seen);
            assert!(side.leaves_messages_to_token_calls());
            side.gated = true;
            self.lanes[1 - i].held.as_mut().unwrap().seen = true;
            return;
        }
        self.lanes[1 - i].held = None;
        if held.seen {
            assert_eq!(
                (message.status, data.len()),
                (S::Ok, 0),
                "a record that comes again says nothing new"
            );
            return;
        }
        let expected_status = if held.record.kind == Kind::CloseNotify { S::ContextExpired } else { S::Ok };
        assert_eq!(message.status, expected_status, "{:?}", held.record.kind);
        match &held.record.kind {
            Kind::Data(sent) => {
                assert_eq!(&data, sent, "altered");
                side.warnings = 0;
                self.lanes[1 - i].received.extend(data);
            }
            Kind::CloseNotify => {
                assert!(data.is_empty());
                side.peer_closed = true;
                side.verdict.get_or_insert(ReadEnd::Clean);
            }
            Kind::Update { .. } | Kind::Ticket => {
                assert!(data.is_empty() && !side.leaves_messages_to_token_calls());
                self.take_in(i, &held.record.kind);
            }
            Kind::Warning => {
                side.warnings += 1;
                assert!(data.is_empty());
            }
            other => panic!("{other:?} was accepted"),
        }
    }

    /// The transport ends for this side, whose caller does first what it has to: every whole record goes to DecryptMessage.
    pub fn end_transport(&mut self, i: usize, end: TransportEnd) {
        while self.lanes[1 - i].held.as_ref().is_some_and(|held| held.is_whole())
            && !self.sides[i].has_failed()
            && !self.sides[i].peer_closed
            && !self.sides[i].is_stuck()
        {
            if self.sides[i].gated {
                self.empty_token(i);
            }
            self.deliver(i);
        }
        let left = self.lanes[1 - i].held.as_ref().map_or(0, |held| held.arrived);
        self.lanes[1 - i].end(end);
        let side = &mut self.sides[i];
        let verdict = match &mut side.ends {
            Ends::Whole(context) => context.transport_ended(end, left),
            Ends::Halves(_, receive) => receive.transport_ended(end, left),
            Ends::Deleted => unreachable!(),
        };
        let expected = match end {
            TransportEnd::Eof => ReadEnd::Truncated { inside_record: left > 0 },
            TransportEnd::Reset => ReadEnd::Reset,
        };
        assert_eq!(verdict, *side.verdict.get_or_insert(expected), "a cut is a cut");
    }

    pub fn tamper(&mut self, i: usize, act: Act) {
        let lane = &mut self.lanes[1 - i];
        lane.tampered = true;
        match act {
            Act::Lose => match lane.under_way.pop_front().unwrap().kind {
                Kind::Again => return,
                kind @ (Kind::CloseNotify | Kind::Fatal) => {
                    match lane.under_way.front_mut() {
                        Some(again) => again.kind = kind,
                        None => lane.lost = Some(kind),
                    }
                    return;
                }
                _ => {}
            },
            Act::Swap => lane.under_way.swap(0, 1),
            Act::Repeat => {
                let first = lane.under_way.pop_front().unwrap();
                for record in &mut lane.under_way {
                    record.kind = Kind::Hostile;
                }
                lane.under_way.push_front(Record { bytes: first.bytes.clone(), kind: Kind::Hostile });
                lane.under_way.push_front(first);
                return;
            }
            Act::Forge => {
                lane.under_way.push_front(Record { bytes: PLAIN_CLOSE.to_vec(), kind: Kind::Hostile });
            }
            _ => {
                let record = lane.under_way.front_mut().unwrap();
                // Behind the header and the explicit nonce: content, inner type or tag.
                let at = record.bytes.len() - 17;
                record.bytes[at] ^= 1;
            }
        }
        // No record opens in another's place.
        for record in &mut lane.under_way {
            record.kind = Kind::Hostile;
        }
    }

    /// The record that is held, to DecryptMessage. What it leaves of a record it did not take is the record.
    pub fn decrypt_held(&mut self, i: usize) -> Result<(Decrypted, Vec<u8>), Error> {
        let held = self.lanes[1 - i].held.as_ref().unwrap();
        let mut buffer = held.bytes().to_vec();
        if held.is_whole() && self.at_once {
            let behind = self.lanes[1 - i].under_way.iter();
            behind.for_each(|record| buffer.extend_from_slice(&record.bytes));
        }
        let given = buffer.clone();
        let result = match &mut self.sides[i].ends {
            Ends::Whole(context) => context.decrypt_message(&mut buffer),
            Ends::Halves(_, receive) => receive.decrypt(&mut buffer),
            Ends::Deleted => unreachable!(),
        };
        let taken = match &result {
            Ok(message) => {
                matches!(message.status, S::Ok) || (message.status == S::ContextExpired && message.header > 0)
            }
            Err(error) => !matches!(error.status(), E::ContextExpired | E::IncompleteMessage),
        };
        let own = if taken { held.arrived } else { 0 };
        assert_eq!(&buffer[own..], &given[own..], "bytes that were not taken were changed");
        result.map(|message| {
            let rest = match message.status {
                S::Renegotiate => 0,
                _ if taken => held.arrived,
                _ => message.extra.start,
            };
            let end = if taken || message.status == S::Renegotiate { buffer.len() } else { rest };
            assert_eq!(message.extra, rest..end, "what follows the record");
            let data = buffer[message.data.clone()].to_vec();
            (message, data)
        })
    }

    /// A token call that did something: the message that waited has been taken in.
    pub fn gate_opened(&mut self, i: usize) {
        if self.sides[i].gated {
            let kind = self.lanes[1 - i].held.as_ref().map(|held| held.record.kind.clone());
            self.gate_opened_by(i, &kind.unwrap());
        }
    }

    pub fn gate_opened_by(&mut self, i: usize, kind: &Kind) {
        self.sides[i].gated = false;
        self.take_in(i, kind);
    }

    pub fn take_in(&mut self, i: usize, kind: &Kind) {
        let side = &mut self.sides[i];
        if *kind == (Kind::Update { requested: true }) && !side.is_closed() && !side.has_failed() {
            side.requests += 1;
        }
    }
}

impl Side {
    fn leaves_messages_to_token_calls(&self) -> bool {
        match &self.ends {
            Ends::Whole(context) => {
                context.attributes().is_ok_and(|attributes| attributes.stream_sizes().trailer == 17)
            }
            Ends::Halves(Some(_), receive) => receive.attributes().stream_sizes().trailer == 17,
            _ => false,
        }
    }
}

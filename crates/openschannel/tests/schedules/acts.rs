//! What each step does, and what a side gives out.

use openschannel::alert::{Alert, AlertDescription, AlertLevel};
use openschannel::credentials::Protocols;
use openschannel::status::{Error, ErrorStatus as E, SuccessStatus as S};
use openschannel::{ControlToken, KeyUpdateRequest, ReadEnd, TokenBuffer, TokenOutcome, TransportEnd};

use super::step::{Act, Step};
use super::wire::{Kind, Record};
use super::world::{Closing, Ends, Failure, Form, Inspect, World, record_len};
use crate::common::token_call;

/// RFC 8446 section 6.1: the receiver reads on.
const WARNING: Alert = Alert { level: AlertLevel::WARNING, description: AlertDescription(90) };
const FATAL: Alert = Alert { level: AlertLevel::FATAL, description: AlertDescription(80) };

/// Room behind a data record in which the answer to a KeyUpdate rides along.
const TRAILER_WITH_ANSWER: usize = 44;

impl<I: Inspect> World<I> {
    /// Takes a step that is enabled, and checks everything.
    pub fn apply(&mut self, step: Step) {
        let i = step.side;
        match step.act {
            Act::Data => self.encrypt(i),
            Act::Shutdown => self.shut_down(i),
            Act::Apply => self.apply_shutdown(i),
            Act::NoRoom => self.shut_down_without_room(i),
            Act::Empty => self.empty_token(i),
            Act::Token => self.token(i),
            Act::Warning => self.alert(i, WARNING, Kind::Warning),
            Act::Fatal => self.alert(i, FATAL, Kind::Fatal),
            Act::Update => self.key_update(i, KeyUpdateRequest::NotRequested),
            Act::Ask => self.key_update(i, KeyUpdateRequest::Requested),
            Act::Answer => self.answer(i),
            Act::Record => self.record(i),
            Act::Half => self.half(i),
            Act::Cut => self.end_transport(i, TransportEnd::Eof),
            Act::Reset => self.end_transport(i, TransportEnd::Reset),
            Act::Early => self.end_too_early(i),
            Act::Delete => {
                self.sides[i].ends = Ends::Deleted;
                self.lanes[1 - i].held = None;
            }
            Act::Lose | Act::Flip | Act::Repeat | Act::Swap | Act::Forge => self.tamper(i, step.act),
        }
        self.check_verdicts();
    }

    fn encrypt(&mut self, i: usize) {
        let before = self.look(i);
        let side = &mut self.sides[i];
        let (open, due, scattered) = (side.is_open(), side.requests > 0, side.count.is_multiple_of(2));
        let data = vec![[b'c', b's'][i]; 3 + usize::from(side.count % 3)];
        let data: Vec<u8> = data.into_iter().chain([side.count]).collect();
        let send = side.send().unwrap();
        let sizes = send.attributes().stream_sizes();
        // Both entries of EncryptMessage in turn.
        let mut buffer = [&vec![0x11; sizes.header][..], &data, &vec![0x22; sizes.trailer]].concat();
        let given = buffer.clone();
        let sealed = if scattered {
            let (header, rest) = buffer.split_at_mut(sizes.header);
            let (body, trailer) = rest.split_at_mut(data.len());
            send.encrypt(header, body, trailer).map(|sealed| sealed.len())
        } else {
            send.encrypt_contiguous(&mut buffer, data.len())
        };
        match sealed {
            Ok(len) => {
                assert!(open, "encrypted after the end of its direction");
                side.count += 1;
                let mut kinds = vec![Kind::Data(data.clone())];
                if due && sizes.trailer == TRAILER_WITH_ANSWER {
                    kinds.push(Kind::Update { requested: false });
                }
                self.lanes[i].sent.extend(data);
                self.emit(i, &buffer[..len], &kinds);
            }
            Err(error) => {
                assert_eq!(buffer, given, "written to with {error}");
                self.refused(i, open, &error, &before);
            }
        }
    }

    fn consumes(&self) -> bool {
        matches!(self.rules.form, Form::Consumed | Form::Gated)
    }

    fn shut_down(&mut self, i: usize) {
        let consumes = self.consumes();
        let before = self.look(i);
        let produced = match &mut self.sides[i].ends {
            Ends::Whole(context) => {
                context.apply_control_token(ControlToken::Shutdown).unwrap();
                assert!(context.has_control_token());
                let mut output = TokenBuffer::allocate();
                let outcome = token_call(context, &[], &mut output).unwrap();
                assert_eq!(outcome, TokenOutcome { status: S::Ok, consumed: 0, extra: 0 });
                assert!(!context.has_control_token());
                output.into_vec()
            }
            Ends::Halves(send, _) if consumes => match send.take().unwrap().close() {
                Ok(record) => record,
                Err(error) => {
                    assert_eq!(error.status(), E::ContextExpired);
                    Vec::new()
                }
            },
            Ends::Halves(send, _) => {
                let mut output = TokenBuffer::allocate();
                send.as_mut().unwrap().shut_down(&mut output).unwrap();
                output.into_vec()
            }
            Ends::Deleted => unreachable!(),
        };
        let unchanged = self.consumes() || self.look(i) == before;
        let waited = self.sides[i].waiting;
        self.closing_output(i, &produced, unchanged || waited);
        self.sides[i].waiting = false;
        // Where the half is gone, the next DecryptMessage takes in what waits.
        if !consumes {
            self.gate_opened(i);
        }
    }

    /// The record that a shutdown gives: a new one once, then the same for ever.
    fn closing_output(&mut self, i: usize, produced: &[u8], unchanged: bool) {
        let side = &self.sides[i];
        let gated = side.gated;
        match (&side.closing, side.failure) {
            (Closing::Open, Failure::None) => {
                self.emit(i, produced, &[Kind::CloseNotify]);
                self.sides[i].closing = Closing::Notify(produced.to_vec());
                self.sides[i].requests = 0;
            }
            (Closing::Open, Failure::Found) => {
                self.emit(i, produced, &[Kind::Fatal]);
                self.sides[i].closing = Closing::Owed(produced.to_vec());
            }
            (Closing::Notify(record), Failure::None) | (Closing::Owed(record), _) => {
                assert_eq!(produced, record, "a repeated shutdown gives the stored record");
                assert!(unchanged || gated, "a repeated shutdown changes nothing");
                let kind = self.lanes[i].lost.take().unwrap_or(Kind::Again);
                self.lanes[i].put(Record { bytes: produced.to_vec(), kind });
            }
            _ => {
                assert!(produced.is_empty(), "after a failure the peer takes no close_notify");
                // The own verdict is not moved by asking.
                assert!(unchanged || gated);
            }
        }
    }

    fn apply_shutdown(&mut self, i: usize) {
        let Ends::Whole(context) = &mut self.sides[i].ends else { return };
        context.apply_control_token(ControlToken::Shutdown).unwrap();
        assert!(context.has_control_token());
        self.sides[i].waiting = true;
    }

    fn shut_down_without_room(&mut self, i: usize) {
        self.apply_shutdown(i);
        let before = self.look(i);
        let side = &mut self.sides[i];
        let Ends::Whole(context) = &mut side.ends else { return };
        let mut memory = [0; 6];
        let mut output = TokenBuffer::supplied(&mut memory);
        match token_call(context, &[], &mut output) {
            Err(error) => {
                assert_eq!(error.status(), E::InsufficientMemory);
                assert!(output.is_empty() && context.has_control_token());
                // An alert that is owed is made once, and kept until there is room.
                let made = self.sides[i].failure == Failure::Found;
                assert!(made || self.look(i) == before, "changed by a closing record that found no room");
            }
            Ok(_) => {
                assert!(output.is_empty());
                side.waiting = false;
                let may = side.has_failed();
                assert!(may, "the closing record is lost");
                self.gate_opened(i);
            }
        }
    }

    pub fn empty_token(&mut self, i: usize) {
        let before = self.look(i);
        let side = &mut self.sides[i];
        let Ends::Whole(context) = &mut side.ends else { return };
        let mut output = TokenBuffer::allocate();
        let result = token_call(context, &[], &mut output);
        let produced = output.into_vec();
        if side.waiting {
            assert_eq!(result.unwrap(), TokenOutcome { status: S::Ok, consumed: 0, extra: 0 });
            side.waiting = false;
            // The slot is empty now, which is a change.
            self.closing_output(i, &produced, true);
            self.gate_opened(i);
            return;
        }
        if side.has_failed() {
            let error = result.unwrap_err();
            assert_eq!(error.status(), E::ContextExpired);
            return self.unchanged(i, &before, &produced);
        }
        let outcome = result.unwrap();
        if side.gated {
            assert_eq!(outcome.status, S::Ok);
            self.gate_opened(i);
            return self.answered(i, &produced);
        }
        let expected = match (side.is_closed() || side.peer_closed, i, self.rules.version) {
            (true, _, _) => S::ContextExpired,
            (false, 0, Protocols::TLS1_3) => S::Ok,
            _ => S::NoRenegotiation,
        };
        assert_eq!(outcome, TokenOutcome { status: expected, consumed: 0, extra: 0 });
        self.unchanged(i, &before, &produced);
    }

    /// What a token call gives out besides control tokens: the KeyUpdate that is due, and nothing else.
    pub fn answered(&mut self, i: usize, produced: &[u8]) {
        if self.sides[i].requests > 0 && !self.sides[i].is_closed() {
            self.emit(i, produced, &[Kind::Update { requested: false }]);
        } else {
            assert!(produced.is_empty(), "an answer to nothing");
        }
    }

    fn alert(&mut self, i: usize, alert: Alert, kind: Kind) {
        let before = self.look(i);
        let side = &mut self.sides[i];
        let open = side.is_open();
        let mut output = TokenBuffer::allocate();
        if let Ends::Whole(context) = &mut side.ends {
            context.apply_control_token(ControlToken::Alert(alert)).unwrap();
            let outcome = token_call(context, &[], &mut output).unwrap();
            assert_eq!(outcome, TokenOutcome { status: S::Ok, consumed: 0, extra: 0 });
            side.waiting = false;
        } else if let Err(error) = side.send().unwrap().encrypt_alert(alert, &mut output) {
            assert!(output.is_empty());
            return self.refused(i, open, &error, &before);
        }
        let produced = output.into_vec();
        let side = &mut self.sides[i];
        match (&side.closing, side.failure) {
            (Closing::Open, Failure::None) => {
                self.emit(i, &produced, std::slice::from_ref(&kind));
                if kind == Kind::Fatal {
                    let side = &mut self.sides[i];
                    side.closing = Closing::Fatal;
                    side.failure = Failure::Sent;
                    side.requests = 0;
                    side.verdict.get_or_insert(ReadEnd::Failed(E::ContextExpired));
                }
            }
            // Whatever alert is asked for, the peer gets the one it is owed.
            (_, Failure::Found) => self.closing_output(i, &produced, true),
            _ => assert!(produced.is_empty(), "an alert behind the own close"),
        }
        self.gate_opened(i);
    }

    fn key_update(&mut self, i: usize, request: KeyUpdateRequest) {
        let before = self.look(i);
        let side = &mut self.sides[i];
        let open = side.is_open() && self.rules.version == Protocols::TLS1_3;
        let mut output = TokenBuffer::allocate();
        match side.send().unwrap().key_update(request, &mut output) {
            Ok(()) => {
                assert!(open, "a KeyUpdate after the end of its direction");
                // RFC 9846 section 4.7.3: a wish is not repeated before it is answered. What went out is seen by what the peer answers.
                let requested = request == KeyUpdateRequest::Requested && !side.asked;
                side.asked |= requested;
                self.emit(i, &output.into_vec(), &[Kind::Update { requested }]);
            }
            Err(error) => {
                assert!(output.is_empty());
                self.refused(i, open, &error, &before);
            }
        }
    }

    fn answer(&mut self, i: usize) {
        let before = self.look(i);
        let side = &mut self.sides[i];
        let due = side.requests > 0;
        let open = side.is_open();
        let send = side.send().unwrap();
        assert!(!send.is_reply_due() || due, "a reply to nothing is due");
        let mut output = TokenBuffer::allocate();
        match send.answer_key_update(&mut output) {
            Ok(()) if due => {
                assert!(open, "a reply after the end of its direction");
                self.emit(i, &output.into_vec(), &[Kind::Update { requested: false }]);
            }
            Ok(()) => self.unchanged(i, &before, output.as_bytes()),
            Err(error) => {
                assert!(output.is_empty() && due);
                self.refused(i, open, &error, &before);
            }
        }
    }

    /// Puts on the wire what a call gave out: exactly these records.
    pub fn emit(&mut self, i: usize, produced: &[u8], kinds: &[Kind]) {
        assert!(
            !self.sides[i].is_closed() && !self.sides[i].has_failed() || kinds == [Kind::Fatal],
            "output behind the end"
        );
        let mut rest = produced;
        for kind in kinds {
            assert!(rest.len() > 5, "{kind:?} is missing");
            let (record, behind) = rest.split_at(record_len(rest));
            let mut kind = kind.clone();
            if let Kind::Update { .. } = kind {
                self.sides[i].requests = 0;
            }
            if self.lanes[i].tampered {
                kind = Kind::Hostile;
            }
            self.lanes[i].put(Record { bytes: record.to_vec(), kind });
            rest = behind;
        }
        assert!(rest.is_empty(), "more than {kinds:?}");
    }

    /// A call was refused because of the state it was made in, or rightly for another reason; nothing has changed.
    pub fn refused(&self, i: usize, open: bool, error: &Error, before: &I::State) {
        let expected = if self.rules.version == Protocols::TLS1_2 && error.status() == E::UnsupportedFunction
        {
            E::UnsupportedFunction
        } else {
            assert!(!open, "{error}");
            E::ContextExpired
        };
        assert_eq!(error.status(), expected);
        self.unchanged(i, before, &[]);
    }

    pub fn unchanged(&self, i: usize, before: &I::State, produced: &[u8]) {
        assert!(produced.is_empty(), "output of a call that does nothing");
        assert_eq!(&I::look(&self.sides[i].ends), before, "changed by a call that does nothing");
    }

    pub fn look(&self, i: usize) -> I::State {
        I::look(&self.sides[i].ends)
    }

    /// What has to hold between any two steps.
    fn check_verdicts(&self) {
        for (i, side) in self.sides.iter().enumerate() {
            let Some(report) = side.report() else { continue };
            let (incoming, outgoing) = (&self.lanes[1 - i], &self.lanes[i]);
            let verdict = side.verdict.unwrap_or(ReadEnd::Open);
            assert_eq!(report.read_end, verdict, "the first end decides");
            assert!(incoming.sent.starts_with(&incoming.received), "not what was sent");
            assert_eq!(report.bytes_received, incoming.received.len() as u64);
            if side.can_send() {
                assert_eq!(report.bytes_sent, outgoing.sent.len() as u64);
                assert_eq!(report.close_sent, matches!(side.closing, Closing::Notify(_)));
            }
            if report.read_end == ReadEnd::Clean {
                assert!(side.peer_closed, "a clean end without a close_notify");
                assert_eq!(incoming.received, incoming.sent, "a clean end of less than everything");
            }
        }
    }
}

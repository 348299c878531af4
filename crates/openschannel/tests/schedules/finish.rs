//! Every schedule is brought to an end: what is under way arrives, both sides close, and what comes out has to be right.

use openschannel::alert::AlertDescription;
use openschannel::credentials::Protocols;
use openschannel::status::ErrorStatus;
use openschannel::{ReadEnd, TransportEnd};

use super::step::{Act, Step};
use super::wire::Kind;
use super::world::{Closing, Ends, Failure, Form, Inspect, World};

/// More rounds than any schedule leaves records.
const MANY: usize = 200;

impl<I: Inspect> World<I> {
    pub fn finish(&mut self) {
        self.at_once = true;
        self.read_everything();
        for i in 0..2 {
            if self.sides[i].is_open() {
                // Half-close: this direction goes on although the other may have ended.
                self.step(i, Act::Data);
                if self.rules.version == Protocols::TLS1_3 {
                    self.step(i, Act::Answer);
                }
            }
            if self.sides[i].can_send() {
                self.step(i, Act::Shutdown);
            }
            self.read_everything();
        }
        // Nobody produces anything any more.
        for i in 0..2 {
            for act in [Act::Data, Act::Warning, Act::Fatal, Act::Shutdown] {
                if self.sides[i].can_send() {
                    self.step(i, act);
                }
            }
            if self.rules.version == Protocols::TLS1_3 && self.sides[i].can_send() {
                self.step(i, Act::Answer);
            }
            if self.rules.form == Form::Context && !matches!(self.sides[i].ends, Ends::Deleted) {
                self.step(i, Act::Empty);
            }
        }
        self.read_everything();
        for i in 0..2 {
            self.check_end(i);
        }
        for i in 0..2 {
            if !matches!(self.sides[i].ends, Ends::Deleted) {
                self.step(i, Act::Delete);
            }
        }
    }

    fn read_everything(&mut self) {
        for _ in 0..MANY {
            let mut progress = false;
            for i in 0..2 {
                let side = &self.sides[i];
                let lane = &self.lanes[1 - i];
                let over = matches!(side.ends, Ends::Deleted) || side.has_failed() || side.is_stuck();
                if over || !lane.has_more() {
                    continue;
                }
                progress = true;
                self.step(i, if side.gated && side.can_send() { Act::Empty } else { Act::Record });
            }
            if !progress {
                return;
            }
        }
        panic!("reading does not end");
    }

    /// The verdict, from what the other side did and what became of it on the way.
    fn check_end(&mut self, i: usize) {
        let (side, sender, lane) = (&self.sides[i], &self.sides[1 - i], &self.lanes[1 - i]);
        let Some(report) = side.report() else { return };
        let arrived = lane.cut.is_none() && !lane.tampered;
        match (side.failure, &sender.closing) {
            (Failure::None, Closing::Notify(_)) if arrived => {
                assert_eq!(report.read_end, ReadEnd::Clean, "everything arrived");
                assert_eq!(lane.received, lane.sent);
            }
            (Failure::Received, Closing::Fatal) if side.verdict != Some(ReadEnd::Clean) && arrived => {
                assert_eq!(report.read_end, ReadEnd::Alert(AlertDescription(80)));
            }
            (Failure::Sent, _) if arrived => {
                assert!(matches!(
                    report.read_end,
                    ReadEnd::Clean | ReadEnd::Failed(ErrorStatus::ContextExpired)
                ));
            }
            _ => {}
        }
        if report.read_end == ReadEnd::Open {
            // The other side went without a word, or what it said was taken out.
            let silent = matches!(sender.ends, Ends::Deleted) && sender.closing == Closing::Open;
            assert!(silent || lane.tampered, "an end that was lost");
            assert!(!lane.under_way.iter().any(|record| record.kind == Kind::CloseNotify));
            self.step(i, Act::Cut);
            let verdict = self.sides[i].report().unwrap().read_end;
            assert_eq!(verdict, ReadEnd::Truncated { inside_record: false });
        }
        for end in [TransportEnd::Reset, TransportEnd::Eof] {
            let verdict = self.sides[i].report().unwrap().read_end;
            let told = match &mut self.sides[i].ends {
                Ends::Whole(context) => context.transport_ended(end, 7),
                Ends::Halves(_, receive) => receive.transport_ended(end, 7),
                Ends::Deleted => return,
            };
            assert_eq!(told, verdict, "what comes later changes no verdict");
        }
    }

    fn step(&mut self, side: usize, act: Act) {
        self.apply(Step { side, act });
    }
}

//! Control tokens: what ApplyControlToken makes of any bytes, and what the call behind it emits.

use core::ops::ControlFlow;

use openschannel::alert::{Alert, AlertDescription, AlertLevel};
use openschannel::status::{ErrorStatus, SuccessStatus};
use openschannel::{ControlToken, ReadEnd, Role};

use crate::check::Checked;
use crate::handshake::{Handshake, SETTINGS};
use crate::random::Random;

/// A record that holds an alert: in plaintext, in TLS 1.3, in TLS 1.2 with a suite of GCM.
const ALERT_RECORDS: [usize; 3] = [7, 24, 31];

/// A context that is given payloads, and a peer that hears what comes of them.
pub struct Subject {
    tls13: bool,
    role: Role,
    context: Checked,
    peer: Checked,
    /// The alert that the next token call is to emit.
    waiting: Option<Alert>,
    /// The subject has sent its last.
    ended: bool,
}

impl Subject {
    /// A client whose hello is under way.
    #[must_use]
    pub fn begun(tls13: bool) -> Self {
        Self::new(tls13, Role::Client, begin(tls13))
    }

    /// Either side of a finished handshake.
    #[must_use]
    pub fn established(tls13: bool, role: Role) -> Self {
        let mut handshake = begin(tls13);
        handshake.finish(&mut Random::new(&[]));
        assert!(handshake.is_finished());
        Self::new(tls13, role, handshake)
    }

    fn new(tls13: bool, role: Role, handshake: Handshake) -> Self {
        let (context, peer) = match role {
            Role::Client => (handshake.client, handshake.server),
            Role::Server => (handshake.server, handshake.client),
        };
        Self { tls13, role, context, peer, waiting: None, ended: false }
    }

    /// Reads the payload and applies what it says.
    pub fn apply(&mut self, payload: &[u8]) -> Result<(), ErrorStatus> {
        let token = ControlToken::parse(payload).map_err(|error| error.status());
        assert_eq!(token, meaning(payload), "{payload:x?}");
        let token = token?;
        self.context.control(token);
        match token {
            ControlToken::Renegotiate => return Err(ErrorStatus::UnsupportedFunction),
            ControlToken::Shutdown => self.waiting = Some(Alert::warning(AlertDescription::CLOSE_NOTIFY)),
            ControlToken::Alert(alert) => self.waiting = Some(alert),
            ControlToken::Session { .. } => {}
        }
        Ok(())
    }

    /// The token call with nothing to read. Gives the record; the peer has heard of it what it says.
    pub fn emit(&mut self) -> Result<(SuccessStatus, Vec<u8>), ErrorStatus> {
        let asked = self.waiting.take();
        let (outcome, record) =
            self.context.token(self.role, None, &[], None).map_err(|error| error.status())?;
        if let Some(alert) = asked
            && !record.is_empty()
        {
            assert!(ALERT_RECORDS.contains(&record.len()), "{} bytes for {alert}", record.len());
            self.heard(alert, &record);
        }
        Ok((outcome.status, record))
    }

    /// What is sealed arrives as it was asked for, and nothing but a close_notify is one. TLS 1.2 has two levels, and an alert of another is
    /// no alert there (C-11).
    fn heard(&mut self, alert: Alert, record: &[u8]) {
        if self.ended || !self.peer.is_established() || self.peer.has_failed() {
            return;
        }
        let mut bytes = record.to_vec();
        let answer = self.peer.decrypt(&mut bytes);
        let has_meaning = self.tls13 || [AlertLevel::WARNING, AlertLevel::FATAL].contains(&alert.level);
        if alert.is_close_notify() && has_meaning {
            assert_eq!(
                answer.map(|message| message.status).ok(),
                Some(SuccessStatus::ContextExpired),
                "{alert}"
            );
            assert_eq!(self.peer.report().read_end, ReadEnd::Clean);
            self.ended = true;
            return;
        }
        assert_ne!(self.peer.report().read_end, ReadEnd::Clean, "{alert} passes for a close");
        if let Err(error) = answer {
            // Too many warnings end it too.
            assert!(error.received_alert().is_none_or(|received| received == alert), "{error}");
            self.ended = true;
        }
        self.ended |= alert.is_close_notify();
    }
}

/// Payloads, one behind the other: a length, that many bytes, and whether the token call follows.
pub fn payloads(data: &[u8], mut each: impl FnMut(&[u8], bool) -> ControlFlow<()>) {
    let mut random = Random::new(data);
    while !random.is_exhausted() {
        let how = random.byte();
        let payload = random.bytes(usize::from(how >> 1) % 24);
        if each(&payload, how & 1 == 1).is_break() {
            return;
        }
    }
}

fn begin(tls13: bool) -> Handshake {
    let version = usize::from(!tls13);
    Handshake::begin(&mut Random::new(&[]), &SETTINGS[version])
}

/// Sections 1.3 and 2.6, once more: DWORDs of the machine, alerts cut to a byte each.
fn meaning(payload: &[u8]) -> Result<ControlToken, ErrorStatus> {
    let (words, _) = payload.as_chunks::<4>();
    let words: Vec<u32> = words.iter().map(|word| u32::from_ne_bytes(*word)).collect();
    match words[..] {
        [0, ..] => Ok(ControlToken::Renegotiate),
        [1, ..] => Ok(ControlToken::Shutdown),
        [2, level, number, ..] => Ok(ControlToken::Alert(Alert {
            level: AlertLevel((level & 0xff) as u8),
            description: AlertDescription((number & 0xff) as u8),
        })),
        [3, 1, ..] => Ok(ControlToken::Session { reconnects: true }),
        [3, 2, ..] => Ok(ControlToken::Session { reconnects: false }),
        [2 | 3, ..] => Err(ErrorStatus::InvalidToken),
        _ => Err(ErrorStatus::UnsupportedFunction),
    }
}

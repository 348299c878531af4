//! Tokens: what a server or a client makes of any bytes, at every stage of a handshake, however they arrive.

use openschannel::alert::Alert;
use openschannel::status::{Error, ErrorStatus, SuccessStatus};
use openschannel::{ContextOptions, ControlToken, ReadEnd, Role, SecurityContext, TokenBuffer};

use crate::check::Checked;
use crate::common::token_call;
use crate::connection::MAX_RECORD;
use crate::handshake::{Handshake, SETTINGS, Setting, client};
use crate::random::Random;

/// Most rounds of a disturbed handshake.
const MAX_ROUNDS: usize = 40;

/// The first byte chooses the setting, the second between a flight that is anything and one of a real peer that is disturbed.
pub fn tokens(subject: Role, data: &[u8]) {
    let mut random = Random::new(data);
    let setting = random.pick(&SETTINGS);
    if random.one_in(2) {
        any_flight(subject, setting, &mut random);
    } else {
        disturbed_handshake(subject, setting, &mut random);
    }
}

/// Whatever comes in place of the peer's first flight: how it is cut into pieces changes nothing that comes of it.
fn any_flight(subject: Role, setting: &Setting, random: &mut Random) {
    let piece = 1 + random.below(300);
    let flight = random.rest();
    let whole = hear(subject, setting, flight.len().max(1), &flight);
    assert_eq!(whole, hear(subject, setting, piece, &flight), "in pieces of {piece}");
    assert!(!whole.established, "without the peer's key");
    if whole.read_end == ReadEnd::Clean {
        assert!(
            flight.windows(7).any(|record| record[..1] == [21] && record[3..5] == [0, 2] && record[6] == 0),
            "nobody closed"
        );
    }
}

/// What came of a flight.
#[derive(Debug, PartialEq, Eq)]
struct Heard {
    status: Result<SuccessStatus, ErrorStatus>,
    alert: Option<Alert>,
    received_alert: Option<Alert>,
    consumed: usize,
    established: bool,
    read_end: ReadEnd,
}

/// A context that is given `flight` in pieces as a program would do it: what was not taken comes again with what follows.
fn hear(subject: Role, setting: &Setting, piece: usize, flight: &[u8]) -> Heard {
    // What a server asks for is declined without asking the program, whose answer would depend on the pieces.
    let options = ContextOptions { use_supplied_credentials: true, ..ContextOptions::default() };
    let mut context = (subject == Role::Client).then(|| client(setting, &options).0);
    let mut waiting = Vec::new();
    let mut heard = Heard {
        status: Ok(SuccessStatus::ContinueNeeded),
        alert: None,
        received_alert: None,
        consumed: 0,
        established: false,
        read_end: ReadEnd::Open,
    };
    let mut pieces = flight.chunks(piece);
    loop {
        let before = waiting.len();
        match first_or_later(&mut context, setting, &options, &waiting) {
            _ if waiting.is_empty() => {}
            Ok((status, consumed)) => {
                waiting.drain(..consumed);
                heard.consumed += consumed;
                heard.status = Ok(status);
                if status == SuccessStatus::ContextExpired
                    || context.as_ref().is_some_and(SecurityContext::is_established)
                {
                    break;
                }
            }
            Err(error) if error.status() == ErrorStatus::IncompleteMessage => {
                assert!(
                    error.missing().is_some_and(|missing| (1..=MAX_RECORD).contains(&missing)),
                    "{error}"
                );
                assert!(error.alert_record().is_empty());
            }
            Err(error) => {
                assert_eq!(error.alert().is_some(), !error.alert_record().is_empty(), "{error}");
                assert!(
                    error.received_alert().is_none() || error.alert().is_none(),
                    "an alert is not answered"
                );
                // How much of it was taken an error does not say.
                heard.consumed = 0;
                heard.status = Err(error.status());
                heard.alert = error.alert();
                heard.received_alert = error.received_alert();
                break;
            }
        }
        if waiting.len() == before || waiting.is_empty() {
            match pieces.next() {
                Some(piece) => waiting.extend_from_slice(piece),
                None => break,
            }
        }
    }
    if let Some(context) = context {
        heard.established = context.is_established();
        heard.read_end = context.closing_report().read_end;
    }
    heard
}

fn first_or_later(
    context: &mut Option<SecurityContext>,
    setting: &Setting,
    options: &ContextOptions,
    input: &[u8],
) -> Result<(SuccessStatus, usize), Error> {
    if input.is_empty() {
        return Ok((SuccessStatus::ContinueNeeded, 0));
    }
    let mut output = TokenBuffer::allocate();
    let outcome = match context {
        Some(context) => token_call(context, input, &mut output)?,
        None => {
            let (made, outcome) = SecurityContext::accept(&setting.inbound, options, input, &mut output)?;
            *context = Some(made);
            outcome
        }
    };
    assert!(outcome.consumed <= input.len());
    Ok((outcome.status, outcome.consumed))
}

/// A handshake with a real peer, of whose tokens some are changed: in the clear, or under the right keys.
fn disturbed_handshake(subject: Role, setting: &'static Setting, random: &mut Random) {
    let mut handshake = Handshake::begin(random, setting);
    let mut disturbed = false;
    for round in 0.. {
        if random.one_in(4) {
            disturbed |= handshake.spoil(random, subject);
        }
        if !handshake.go_on(random) || round == MAX_ROUNDS {
            break;
        }
    }
    if !disturbed && random.is_exhausted() && handshake.has_to_succeed() {
        handshake.finish(random);
        assert!(handshake.is_finished(), "nothing disturbed it");
    }
    if handshake.is_finished() {
        agree(&handshake);
    }
    end(Role::Client, handshake.client);
    end(Role::Server, handshake.server);
}

/// Who finishes a handshake has the peer's view of it: nothing that was changed on the way is part of it.
fn agree(handshake: &Handshake) {
    let view = |side: &Checked| {
        let attributes = side.get().attributes().unwrap();
        let mut exported = [0; 32];
        attributes.export_keying_material(b"EXPORTER-fuzz", None, &mut exported).unwrap();
        let protocol = attributes.application_protocol().map(<[u8]>::to_vec);
        (exported, attributes.protocol(), attributes.cipher_suite(), attributes.named_group(), protocol)
    };
    assert_eq!(view(&handshake.client), view(&handshake.server), "both finished, and do not agree");
}

/// The documented procedure works wherever a context stands, and again, with the same bytes.
fn end(role: Role, mut side: Checked) {
    side.control(ControlToken::Shutdown);
    let once = side.token(role, None, &[], None).unwrap();
    side.control(ControlToken::Shutdown);
    let twice = side.token(role, None, &[1, 2, 3], None).unwrap();
    assert_eq!((once.0.status, twice.0.status), (SuccessStatus::Ok, SuccessStatus::Ok));
    // The first time what found no room before goes ahead of it.
    assert!(
        once.1.ends_with(&twice.1) && once.1.is_empty() == twice.1.is_empty(),
        "asked again, the same record"
    );
}

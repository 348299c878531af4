//! Two watched contexts, any calls on either, and the rules of docs/closing.md behind every call.
//!
//! ```text
//!     End 0 --- made() ---> Wire: bytes, and what was said with them ---> read(), token() --- End 1
//!           <-----------------------------------------------------------
//! ```
//!
//! A wire remembers what its writer has sealed, forged records included. Whoever keeps to the protocol delivers exactly that, in that order,
//! and takes nothing else for an end; what somebody on the way does to the bytes can only make it stop earlier.

use openschannel::alert::{Alert, AlertDescription, AlertLevel};
use openschannel::credentials::Protocols;
use openschannel::status::{Error, ErrorStatus, SuccessStatus};
use openschannel::{ControlToken, KeyUpdateRequest, ReadEnd, Role, SendHalf, TokenBuffer, TransportEnd};

use crate::check::Checked;
use crate::common::other;
use crate::handshake::{Handshake, SETTINGS};
use crate::random::{Random, spoil};
use crate::wire::records;

/// Most calls of one input: each opens a way for the others, and a longer input says nothing new.
const MAX_CALLS: usize = 120;

/// Bytes of an alert before there are keys.
const PLAINTEXT_ALERT: usize = 7;

/// Nobody waits for more than the longest record of either version (RFC 5246 section 6.2.3).
pub(crate) const MAX_RECORD: usize = 5 + 16_384 + 2_048;

/// Content types that mean something, and their neighbours.
const CONTENT_TYPES: [u8; 8] = [23, 21, 22, 20, 24, 19, 0, 255];

/// Records that are changed on the way, and records that no honest peer seals, for a connection whose handshake is finished.
pub fn disturbed(data: &[u8]) {
    run(data, true);
}

/// Any call on either side, from anywhere in the handshake on. The bytes arrive as they were sent, or not at all.
pub fn undisturbed(data: &[u8]) {
    run(data, false);
}

fn run(data: &[u8], hostile: bool) {
    let mut random = Random::new(data);
    // Those that do not insist on a certificate.
    let setting = &SETTINGS[random.below(4)];
    let mut handshake = Handshake::begin(&mut random, setting);
    let stop_at = if hostile || !random.one_in(4) { usize::MAX } else { random.below(6) };
    let mut rounds = 0;
    while rounds < stop_at && handshake.go_on(&mut random) {
        rounds += 1;
    }
    let Handshake { client, server, to_client, to_server, .. } = handshake;
    let mut ends = [
        End::new(Role::Client, setting.version, client, to_client),
        End::new(Role::Server, setting.version, server, to_server),
    ];
    if hostile {
        assert!(ends.iter().all(|end| end.context.is_established()), "nothing disturbed the handshake");
    }
    for _ in 0..MAX_CALLS {
        if random.is_exhausted() {
            break;
        }
        let index = random.below(2);
        if hostile && random.one_in(3) {
            disturb(&mut random, &mut ends, index);
        } else {
            call(&mut random, &mut ends, index);
        }
        ends.iter().for_each(End::check_clean);
    }
    finish(&mut random, ends);
}

/// One side, and what is on its way to it.
struct End {
    role: Role,
    version: Protocols,
    context: Checked,
    incoming: Vec<u8>,
    /// What the other side has sealed.
    said: Said,
    /// Plaintext delivered so far.
    delivered: Vec<u8>,
    /// What came was changed, so that nothing has to arrive.
    disturbed: bool,
    /// The record this side has closed with.
    closed_with: Option<Vec<u8>>,
    /// A fatal alert went out.
    failed_openly: bool,
}

/// What a writer has sealed.
#[derive(Default)]
struct Said {
    data: Vec<u8>,
    /// How much data lies before the first close_notify.
    closed_at: Option<usize>,
}

impl End {
    fn new(role: Role, version: Protocols, context: Checked, incoming: Vec<u8>) -> Self {
        Self {
            role,
            version,
            context,
            incoming,
            said: Said::default(),
            delivered: Vec::new(),
            disturbed: false,
            closed_with: None,
            failed_openly: false,
        }
    }

    /// C-7, C-8, C-14: an end is clean only by the close_notify itself, behind all data; and only data that was sealed is delivered.
    fn check_clean(&self) {
        let report = self.context.report();
        assert!(self.said.data.starts_with(&self.delivered), "other bytes than were sealed");
        assert_eq!(report.bytes_received, self.delivered.len() as u64);
        if report.read_end == ReadEnd::Clean && report.handshake_complete {
            assert_eq!(self.said.closed_at, Some(self.delivered.len()), "clean, and something is missing");
        }
    }
}

/// C-6: nothing follows the own close, and nothing a fatal alert. What a call has made goes into the wire. An alert in plaintext ends
/// nothing on its sender's side: the handshake goes on, as observed (section 3, S6p).
fn made(ends: &mut [End; 2], from: usize, bytes: Vec<u8>, fatal: bool) {
    if bytes.is_empty() {
        return;
    }
    let own = &mut ends[from];
    let closed = own.context.report().close_sent;
    let in_plaintext = bytes.len() == PLAINTEXT_ALERT;
    match &own.closed_with {
        Some(record) if record.len() == PLAINTEXT_ALERT => {}
        Some(record) => assert_eq!(*record, bytes, "{:?}: something behind the own close", own.role),
        // A token that had found no room goes ahead of it.
        None if closed => {
            let (start, end) = records(&bytes).into_iter().next_back().unwrap();
            own.closed_with = Some(bytes[start..end].to_vec());
        }
        // The alert that is owed may be asked for again.
        None => assert!(!own.failed_openly || fatal, "{:?}: something behind the own fatal alert", own.role),
    }
    own.failed_openly |= fatal && !in_plaintext;
    let peer = &mut ends[1 - from];
    if closed && peer.said.closed_at.is_none() {
        peer.said.closed_at = Some(peer.said.data.len());
    }
    peer.incoming.extend(bytes);
}

fn call(random: &mut Random, ends: &mut [End; 2], index: usize) {
    let room = random.one_in(6).then(|| random.below(80));
    let role = ends[index].role;
    match random.below(16) {
        0..=2 => encrypt(random, ends, index),
        3..=5 => read(random, ends, index),
        6 | 7 => token(random, ends, index, room),
        8 => ends[index].context.control(ControlToken::Shutdown),
        9 => {
            let token = match random.below(4) {
                0 => ControlToken::Session { reconnects: random.one_in(2) },
                1 => ControlToken::Alert(Alert::warning(AlertDescription::USER_CANCELED)),
                2 => ControlToken::Renegotiate,
                _ => ControlToken::Alert(any_alert(random)),
            };
            ends[index].context.control(token);
        }
        10 => {
            let request =
                if random.one_in(2) { KeyUpdateRequest::Requested } else { KeyUpdateRequest::NotRequested };
            let update = ends[index].context.key_update(request, room);
            made(ends, index, update.unwrap_or_default(), false);
        }
        11 => {
            let answer = ends[index].context.send_token(room, |half, output| half.answer_key_update(output));
            made(ends, index, answer.unwrap_or_default(), false);
        }
        12 => {
            let alert = any_alert(random);
            let record =
                ends[index].context.send_token(room, |half, output| half.encrypt_alert(alert, output));
            let fatal = alert.level == AlertLevel::FATAL && !alert.is_close_notify();
            made(ends, index, record.unwrap_or_default(), fatal);
        }
        13 => ends[index].context.split_and_join(),
        14 if random.one_in(4) => {
            let end = if random.one_in(2) { TransportEnd::Eof } else { TransportEnd::Reset };
            let left = random.below(9);
            ends[index].context.transport_ended(end, left);
        }
        _ => {
            // The role's own call with nothing at all.
            let answer = ends[index].context.token(role, None, &[], room);
            answered(ends, index, answer.map(|(_, token)| token));
        }
    }
}

/// A token call's result: its token, or the alert that comes with its error.
fn answered(ends: &mut [End; 2], index: usize, answer: Result<Vec<u8>, Error>) {
    match answer {
        Ok(token) => {
            let fatal = ends[index].context.has_failed();
            made(ends, index, token, fatal);
        }
        Err(error) => made(ends, index, error.alert_record().to_vec(), true),
    }
}

fn encrypt(random: &mut Random, ends: &mut [End; 2], index: usize) {
    let context = &mut ends[index].context;
    let len = random.len();
    let from = context.report().bytes_sent;
    let data: Vec<u8> = (from..).take(len).map(|place| (place % 251).to_le_bytes()[0]).collect();
    let sizes = context.get().attributes().map(|attributes| attributes.stream_sizes()).ok();
    let (mut header, mut trailer) = sizes.map_or((13, 44), |sizes| (sizes.header, sizes.trailer));
    if random.one_in(5) {
        (header, trailer) = (random.below(20), random.below(60));
    }
    let sealed = if random.one_in(2) {
        context.encrypt_contiguous(header + len + trailer, &data, len)
    } else {
        context.encrypt(header, &data, trailer)
    };
    let Ok(record) = sealed else { return };
    let closed = ends[index].closed_with.as_ref().is_some_and(|record| record.len() != PLAINTEXT_ALERT);
    assert!(!closed, "encrypted behind the own close");
    say(&mut ends[1 - index], &data);
    made(ends, index, record, false);
}

fn say(reader: &mut End, data: &[u8]) {
    reader.said.data.extend_from_slice(data);
}

/// DecryptMessage with all that came, or a part of it.
fn read(random: &mut Random, ends: &mut [End; 2], index: usize) {
    let end = &mut ends[index];
    let len = if random.one_in(4) { random.below(end.incoming.len() + 1) } else { end.incoming.len() };
    let ended = end.context.report().read_end != ReadEnd::Open;
    let mut buffer = end.incoming[..len].to_vec();
    let message = match end.context.decrypt(&mut buffer) {
        Ok(message) => message,
        Err(error) => {
            assert!(error.missing().is_none_or(|missing| missing <= MAX_RECORD), "{error}");
            return;
        }
    };
    let data = &buffer[message.data.clone()];
    match message.status {
        SuccessStatus::Renegotiate => {}
        SuccessStatus::ContextExpired => {
            assert!(data.is_empty());
            // Looked at once, and at nothing behind it (C-5).
            if !ended {
                end.incoming.drain(..message.extra.start);
            }
        }
        _ => {
            end.delivered.extend_from_slice(data);
            end.incoming.drain(..message.extra.start);
        }
    }
}

/// A token call of either side's, with what came or a part of it.
fn token(random: &mut Random, ends: &mut [End; 2], index: usize, room: Option<usize>) {
    let end = &mut ends[index];
    let caller = if random.one_in(8) { other(end.role) } else { end.role };
    let len = if random.one_in(4) { random.below(end.incoming.len() + 1) } else { end.incoming.len() };
    let input = end.incoming[..len].to_vec();
    let setting = random.pick(&SETTINGS);
    let credentials = random.one_in(3).then_some(&setting.with_certificate);
    let answer = end.context.token(caller, credentials, &input, room);
    if let Ok((outcome, _)) = &answer {
        end.incoming.drain(..outcome.consumed);
    }
    answered(ends, index, answer.map(|(_, token)| token));
}

/// What is on its way to one side is changed, or is joined by a record that only a peer who breaks the rules can have sealed.
fn disturb(random: &mut Random, ends: &mut [End; 2], index: usize) {
    if random.one_in(2) {
        let end = &mut ends[index];
        end.disturbed |= if random.one_in(4) {
            bare_record(random, &mut end.incoming)
        } else {
            spoil(random, &mut end.incoming)
        };
        return;
    }
    let (content_type, content) = content(random);
    let mut forged = Vec::new();
    let writer = &mut ends[1 - index];
    // It is no call of the interface: neither a close nor a failure keeps it from being made, and its errors are its own.
    let call = |half: &mut SendHalf, _: &mut TokenBuffer<'_>| {
        forged = half.forge_record(content_type, &content).unwrap_or_default();
        Ok(())
    };
    writer.context.send_token(None, call).ok();
    if forged.is_empty() {
        return;
    }
    let reader = &mut ends[index];
    reader.incoming.extend(forged);
    let (content_type, content) = meant(reader.version, content_type, &content);
    match (content_type, content) {
        (23, data) => say(reader, data),
        (21, [_, 0]) if reader.said.closed_at.is_none() => {
            reader.said.closed_at = Some(reader.said.data.len())
        }
        _ => {}
    }
}

/// A whole record that nobody has sealed comes in between: often one that is too short for what a sealed one begins and ends with.
fn bare_record(random: &mut Random, bytes: &mut Vec<u8>) -> bool {
    let at = if bytes.is_empty() { 0 } else { random.pick(&records(bytes)).0 };
    let len = random.below(48);
    let mut content = random.bytes(len);
    content.resize(len, 0);
    let header = [*random.pick(&CONTENT_TYPES), 3, 3, 0, u8::try_from(len).unwrap()];
    bytes.splice(at..at, header.into_iter().chain(content));
    true
}

/// In TLS 1.3 the type is the last byte that is not zero (RFC 8446 section 5.2): type 0 makes padding of itself.
fn meant(version: Protocols, content_type: u8, content: &[u8]) -> (u8, &[u8]) {
    if version != Protocols::TLS1_3 || content_type != 0 {
        return (content_type, content);
    }
    match content.iter().rposition(|byte| *byte != 0) {
        Some(at) => (content[at], &content[..at]),
        None => (0, &[]),
    }
}

/// A type and a content: messages that nearly are what they should be, and anything.
fn content(random: &mut Random) -> (u8, Vec<u8>) {
    let (content_type, mut content) = match random.below(11) {
        0 => (21, vec![random.byte(), random.byte()]),
        1 => (23, vec![7; random.len()]),
        2 => (22, vec![24, 0, 0, 1, random.byte()]),
        3 => {
            // NewSessionTicket: lifetime, age_add, nonce, ticket, an extension.
            let ticket = random.bytes(16);
            let body =
                [&[0, 0, 14, 16, 9, 9, 9, 9, 1, 0, 0, 16][..], &ticket, &[0, 8, 0, 42, 0, 4, 0, 0, 0, 9]]
                    .concat();
            (22, [&[4, 0, 0, u8::try_from(body.len()).unwrap()][..], &body].concat())
        }
        4 => (22, vec![0, 0, 0, 0]),
        5 => (22, vec![13, 0, 0, 11, 0, 0, 8, 0, 13, 0, 4, 0, 2, 4, 3]),
        6 => (20, vec![1]),
        7 => (21, vec![1, 0]),
        // In TLS 1.3 nothing but padding.
        8 => (0, vec![0; random.below(48)]),
        _ => {
            let content_type = *random.pick(&CONTENT_TYPES);
            let len = random.len();
            let mut content = random.bytes(len);
            content.resize(len, 0);
            (content_type, content)
        }
    };
    if random.one_in(3) {
        spoil(random, &mut content);
    }
    (content_type, content)
}

fn any_alert(random: &mut Random) -> Alert {
    Alert { level: AlertLevel(random.byte() % 4), description: AlertDescription(random.byte() % 121) }
}

/// The documented procedure works from wherever a context stands; and what nobody disturbed arrives to the last byte.
fn finish(random: &mut Random, mut ends: [End; 2]) {
    for index in 0..2 {
        for _ in 0..2 {
            ends[index].context.control(ControlToken::Shutdown);
            let role = ends[index].role;
            let (outcome, token) = ends[index].context.token(role, None, &[1, 2, 3], None).unwrap();
            assert_eq!((outcome.status, outcome.consumed, outcome.extra), (SuccessStatus::Ok, 0, 0));
            let fatal = ends[index].context.has_failed();
            made(&mut ends, index, token, fatal);
        }
    }
    for end in &mut ends {
        while end.context.is_established() && end.context.report().read_end == ReadEnd::Open {
            let mut buffer = end.incoming.clone();
            match end.context.decrypt(&mut buffer) {
                Ok(message) if message.status == SuccessStatus::Renegotiate => {
                    let Ok((outcome, _)) = end.context.token(end.role, None, &buffer, None) else { break };
                    if outcome.consumed == 0 {
                        break;
                    }
                    end.incoming.drain(..outcome.consumed);
                }
                Ok(message) => {
                    end.delivered.extend_from_slice(&buffer[message.data.clone()]);
                    end.incoming.drain(..message.extra.start);
                }
                Err(error) => {
                    assert!(
                        end.context.has_failed() || error.status() == ErrorStatus::IncompleteMessage,
                        "{error}"
                    );
                    break;
                }
            }
        }
        end.check_clean();
    }
    for end in ends {
        if random.one_in(3) {
            end.context.close();
        }
    }
}

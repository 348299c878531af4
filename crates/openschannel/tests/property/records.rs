//! Spoiled records, and well sealed ones with a wrong content, for contexts whose handshake is finished.

use openschannel::credentials::{PostHandshake, Protocols};
use openschannel::status::{ErrorStatus, SuccessStatus};
use openschannel::{ContextOptions, ControlToken, KeyUpdateRequest, ReadEnd, Role};

use crate::check::Checked;
use crate::common::other;
use crate::forge::Forger;
use crate::handshakes::{Handshake, SETTINGS};
use crate::random::{Random, run, spoil};

/// A finished connection in one of the two modes, with what is left in the wire.
pub(crate) struct Connection {
    pub(crate) client: Checked,
    pub(crate) server: Checked,
    /// Tickets, as a rule.
    pub(crate) to_client: Vec<u8>,
    pub(crate) version: Protocols,
    server_random: Vec<u8>,
}

impl Connection {
    pub(crate) fn open(random: &mut Random) -> Self {
        let compatible = random.one_in(2);
        let post_handshake = if compatible { PostHandshake::Compatible } else { PostHandshake::Quiet };
        let options = ContextOptions { post_handshake: Some(post_handshake), ..ContextOptions::default() };
        // Those that do not insist on a certificate; resumed as a rule, which is quick.
        let index = *random.pick(&[0, 0, 0, 1, 4, 4, 4, 5]);
        let setting = &SETTINGS[index];
        let mut handshake = Handshake::begin_with(random, setting, &options, compatible);
        while !handshake.is_finished() {
            assert!(handshake.go_on(random), "the handshake stands still");
        }
        assert!(handshake.to_server.is_empty());
        let Handshake { client, server, to_client, server_random, .. } = handshake;
        Self { client, server, to_client, version: setting.version, server_random }
    }

    pub(crate) fn side(&mut self, role: Role) -> &mut Checked {
        match role {
            Role::Client => &mut self.client,
            Role::Server => &mut self.server,
        }
    }

    /// Reads the tickets, so that nothing is left in the wire.
    pub(crate) fn settle(&mut self) {
        while !self.to_client.is_empty() {
            let message = self.client.decrypt(&mut self.to_client).unwrap();
            let done = if message.status == SuccessStatus::Renegotiate {
                let (outcome, token) = self.client.token(Role::Client, None, &self.to_client, None).unwrap();
                assert!(token.is_empty());
                outcome.consumed
            } else {
                message.extra.start
            };
            self.to_client.drain(..done);
        }
    }

    /// What `writer` would seal with next, if it has sent nothing but the tickets.
    fn forger(&self, writer: Role) -> Forger {
        let mut forger = Forger::of_data(writer, self.version, &self.server_random).unwrap();
        if writer == Role::Server && self.version == Protocols::TLS1_3 {
            forger.seq =
                crate::wire::records(&self.to_client).iter().filter(|(start, end)| start < end).count()
                    as u64;
        }
        forger
    }
}

fn either(random: &mut Random) -> Role {
    if random.one_in(2) { Role::Client } else { Role::Server }
}

/// Does one of the things that come before the spoiled record, so that it meets every state.
fn enter_state(random: &mut Random, connection: &mut Connection, reader: Role) {
    let reading = connection.side(reader);
    match random.below(8) {
        // S6.
        0 | 1 => {
            reading.control(ControlToken::Shutdown);
            reading.token(reader, None, &[], None).unwrap();
        }
        // S5.
        2 => reading.control(ControlToken::Shutdown),
        // S7.
        3 => {
            let writing = connection.side(other(reader));
            writing.control(ControlToken::Shutdown);
            let mut close_notify = writing.token(other(reader), None, &[], None).unwrap().1;
            let reading = connection.side(reader);
            let end = reading.decrypt(&mut close_notify).unwrap();
            assert_eq!(
                (end.status, reading.report().read_end),
                (SuccessStatus::ContextExpired, ReadEnd::Clean)
            );
        }
        // S4 in compatible mode.
        4 if connection.version == Protocols::TLS1_3 => {
            let mut update =
                connection.side(other(reader)).key_update(KeyUpdateRequest::Requested, None).unwrap();
            connection.side(reader).decrypt(&mut update).unwrap();
        }
        _ => {}
    }
}

/// Records on the wire that were changed, cut, doubled or made up.
#[test]
fn decrypting_bears_spoiled_records() {
    run("spoiled records", 16_000, |random| {
        let mut connection = Connection::open(random);
        connection.settle();
        let reader = either(random);
        let writer = other(reader);
        enter_state(random, &mut connection, reader);
        let mut wire = Vec::new();
        for _ in 0..random.below(4) {
            let len = random.len().min(16_384);
            // Nothing in S7, where the peer has closed.
            wire.extend(connection.side(writer).encrypt(13, &vec![9; len], 44).unwrap_or_default());
        }
        let sent = connection.side(writer).report().bytes_sent;
        spoil(random, &mut wire);
        let clean_before = connection.side(reader).report().read_end == ReadEnd::Clean;
        let inputs = read_all(random, connection.side(reader), reader, wire);
        let report = connection.side(reader).report();
        assert!(report.bytes_received <= sent);
        assert!(clean_before || report.read_end != ReadEnd::Clean, "no close_notify was sent");
        inputs
    });
}

/// Gives all of `wire` to DecryptMessage, or where it is told so, or sometimes anyway, to the token call.
fn read_all(random: &mut Random, side: &mut Checked, role: Role, mut wire: Vec<u8>) -> u64 {
    let mut inputs = 0;
    let mut to_token_call = false;
    while inputs < 60 {
        inputs += 1;
        let before = wire.len();
        if to_token_call || random.one_in(12) {
            to_token_call = false;
            match side.token(role, None, &wire, None) {
                Ok((outcome, _)) => drop(wire.drain(..outcome.consumed)),
                Err(_) if side.has_failed() => break,
                Err(_) => {}
            }
        } else {
            match side.decrypt(&mut wire) {
                Ok(message) if message.status == SuccessStatus::Renegotiate => to_token_call = true,
                Ok(message) if message.status == SuccessStatus::ContextExpired => break,
                Ok(message) => drop(wire.drain(..message.extra.start)),
                Err(error) if error.status() == ErrorStatus::IncompleteMessage => break,
                Err(_) if side.has_failed() => break,
                Err(_) => to_token_call = true,
            }
        }
        if wire.is_empty() || (wire.len() == before && random.one_in(4)) {
            break;
        }
    }
    // What a program does at the end, whatever happened.
    side.control(ControlToken::Shutdown);
    let once = side.token(role, None, &wire, None).unwrap();
    side.control(ControlToken::Shutdown);
    let twice = side.token(role, None, &[], None).unwrap();
    // A message that was held may have been found wrong behind the first record.
    assert!(once.1 == twice.1 || (side.has_failed() && twice.1.is_empty()), "asked again, the same record");
    inputs + 2
}

/// Records under the right key whose type or content no honest peer sends.
#[test]
fn decrypting_bears_forged_contents() {
    run("forged contents", 16_000, |random| {
        let mut connection = Connection::open(random);
        let reader = either(random);
        let mut forger = connection.forger(other(reader));
        if reader == Role::Client && forger.seq > 0 {
            connection.settle();
        }
        let mut wire = Vec::new();
        let mut may_close = false;
        let mut data = 0;
        for _ in 0..=random.below(4) {
            let (content_type, content) = content(random);
            // Type 0 is padding in TLS 1.3, and the last byte of the content then the type.
            may_close |= matches!(content_type, 0 | 21);
            data += if matches!(content_type, 0 | 23) { content.len() as u64 } else { 0 };
            let piece = if random.one_in(6) { 1 + random.below(9) } else { 16_384 };
            let padding = if random.one_in(6) { random.below(17_000 - content.len().min(16_000)) } else { 0 };
            for part in content.chunks(piece) {
                wire.extend(forger.seal(content_type, part, padding));
            }
            if content.is_empty() {
                wire.extend(forger.seal(content_type, &[], padding));
            }
        }
        let local_close = random.one_in(5);
        if local_close {
            let reading = connection.side(reader);
            reading.control(ControlToken::Shutdown);
            reading.token(reader, None, &[], None).unwrap();
        }
        let reading = connection.side(reader);
        let inputs = read_all(random, reading, reader, wire);
        let report = reading.report();
        assert!(report.read_end != ReadEnd::Clean || may_close);
        assert!(report.bytes_received <= data);
        inputs
    });
}

/// A type and a content: messages that nearly are what they should be, and noise.
fn content(random: &mut Random) -> (u8, Vec<u8>) {
    let mut message = match random.below(8) {
        0 => {
            let len = random.len().min(16_600);
            return (*random.pick(&[0, 19, 20, 21, 22, 23, 24, 255]), random.bytes(len));
        }
        1 => return (21, vec![random.byte() % 4, random.byte() % 121]),
        2 => {
            let len = random.below(4);
            return (21, random.bytes(len));
        }
        3 => return (23, vec![7; random.below(20)]),
        4 | 5 => vec![24, 0, 0, 1, random.byte() % 3],
        6 => {
            // NewSessionTicket: lifetime, age_add, nonce, ticket, early_data.
            let ticket = random.below(40);
            let lifetime = random.bytes(8);
            let body = [
                &lifetime[..],
                &[1, 0, 0, u8::try_from(ticket).unwrap()],
                &random.bytes(ticket),
                &[0, 8, 0, 42, 0, 4, 0, 0, 0, 9],
            ]
            .concat();
            [&[4, 0, 0, u8::try_from(body.len()).unwrap()][..], &body].concat()
        }
        _ => match random.below(4) {
            0 => vec![0, 0, 0, 0],
            1 => vec![13, 0, 0, 11, 0, 0, 8, 0, 13, 0, 4, 0, 2, 4, 3],
            2 => vec![1, 0, 0, 4, 3, 3, 0, 0],
            _ => vec![*random.pick(&[2, 8, 11, 12, 14, 15, 16, 20, 25]), 0, 0, 2, 1, 1],
        },
    };
    if random.one_in(2) {
        spoil(random, &mut message);
    }
    // Several in one record, and messages in pieces.
    if random.one_in(6) {
        message.extend(message.clone());
    }
    message.truncate(16_384);
    (22, message)
}

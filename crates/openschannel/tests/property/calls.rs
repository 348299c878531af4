//! Every call in any order, with any arguments, on both ends of one connection.

use openschannel::alert::{Alert, AlertDescription, AlertLevel};
use openschannel::credentials::PostHandshake;
use openschannel::status::{ErrorStatus, SuccessStatus};
use openschannel::{ContextOptions, ControlToken, KeyUpdateRequest, ReadEnd, Role, TransportEnd};

use crate::check::Checked;
use crate::common::other;
use crate::handshakes::{Handshake, SETTINGS};
use crate::random::{Random, run, spoil};

/// Calls of one case.
const CALLS: usize = 60;

/// What stands at each place of a stream.
fn stream(at: u64, len: usize) -> Vec<u8> {
    (at..).take(len).map(|place| (place % 251).to_le_bytes()[0]).collect()
}

/// One end, and what is on its way to it.
struct End {
    role: Role,
    context: Checked,
    incoming: Vec<u8>,
    /// Where the peer's close_notify ends in the stream of what was made for this end.
    close_ends: Option<u64>,
    /// Bytes taken out of `incoming`.
    consumed: u64,
    /// What came was changed or left out, so that nothing authentic can follow.
    disturbed: bool,
}

impl End {
    fn new(role: Role, context: Checked, incoming: Vec<u8>) -> Self {
        Self { role, context, incoming, close_ends: None, consumed: 0, disturbed: false }
    }

    fn consume(&mut self, len: usize) {
        self.incoming.drain(..len);
        self.consumed += len as u64;
    }
}

#[test]
fn calls_in_any_order() {
    run("calls", 6_000, |random| {
        let compatible = random.one_in(2);
        let post_handshake = if compatible { PostHandshake::Compatible } else { PostHandshake::Quiet };
        let options = ContextOptions { post_handshake: Some(post_handshake), ..ContextOptions::default() };
        let setting = random.pick(&SETTINGS);
        let mut handshake = Handshake::begin_with(random, setting, &options, compatible);
        // From anywhere in the handshake, more often from behind it.
        let stop_at = if random.one_in(4) { random.below(6) } else { usize::MAX };
        let mut calls = 0;
        while calls < stop_at && handshake.go_on(random) {
            calls += 1;
        }
        let Handshake { client, server, to_client, to_server, inputs, .. } = handshake;
        let mut ends = [End::new(Role::Client, client, to_client), End::new(Role::Server, server, to_server)];
        for _ in 0..CALLS {
            let index = random.below(2);
            call(random, &mut ends, index);
            check(&ends);
        }
        finish(random, ends);
        inputs + CALLS as u64
    });
}

/// What holds between the two ends at any time.
fn check(ends: &[End; 2]) {
    for (one, other) in [(&ends[0], &ends[1]), (&ends[1], &ends[0])] {
        let (report, peer) = (one.context.report(), other.context.report());
        assert!(report.bytes_received <= peer.bytes_sent, "{report:?} of {peer:?}");
        if report.read_end == ReadEnd::Clean && report.handshake_complete {
            assert!(peer.close_sent, "no close_notify was ever sent");
            // A wire that lost the close_notify whole may bring the stored one, which is as good.
            assert!(
                one.disturbed || one.close_ends.is_some_and(|end| one.consumed >= end),
                "the close_notify has not arrived"
            );
            assert_eq!(report.bytes_received, peer.bytes_sent, "clean, and something is missing");
        }
    }
}

fn call(random: &mut Random, ends: &mut [End; 2], index: usize) {
    let room = random.one_in(3).then(|| random.below(60));
    let role = ends[index].role;
    match random.below(24) {
        0..=3 => encrypt(random, ends, index),
        4..=9 => read(random, ends, index),
        10..=12 => token(random, ends, index, room),
        13 if random.one_in(2) => ends[index].context.control(ControlToken::Shutdown),
        14 => {
            let token = match random.below(6) {
                0 if random.one_in(4) => ControlToken::Alert(any_alert(random)),
                1 | 2 => ControlToken::Session { reconnects: random.one_in(2) },
                3 => ControlToken::Alert(Alert::warning(AlertDescription::USER_CANCELED)),
                _ => ControlToken::Renegotiate,
            };
            ends[index].context.control(token);
        }
        15 | 16 => {
            let request =
                if random.one_in(2) { KeyUpdateRequest::Requested } else { KeyUpdateRequest::NotRequested };
            let made = ends[index].context.key_update(request, room);
            send(ends, index, made.unwrap_or_default());
        }
        17 => {
            let made = ends[index].context.send_token(room, |half, output| half.answer_key_update(output));
            send(ends, index, made.unwrap_or_default());
        }
        18 if random.one_in(6) => {
            let alert = any_alert(random);
            let made = ends[index].context.send_token(room, |half, output| half.encrypt_alert(alert, output));
            send(ends, index, made.unwrap_or_default());
        }
        19 => {
            ends[index].context.split_and_join();
            if random.one_in(2) {
                ends[index].context.park();
            }
        }
        20 => ask(random, &ends[index].context),
        21 if random.one_in(12) => {
            let end = if random.one_in(2) { TransportEnd::Eof } else { TransportEnd::Reset };
            let left = random.below(9);
            ends[index].context.transport_ended(end, left);
        }
        22 if random.one_in(12) => {
            // Somebody on the way.
            spoil(random, &mut ends[index].incoming);
            ends[index].disturbed = true;
        }
        _ => {
            // Asks for the role's own call with nothing at all.
            if let Ok((_, made)) = ends[index].context.token(role, None, &[], room) {
                send(ends, index, made);
            }
        }
    }
}

/// Puts what one end has made into the wire of the other.
fn send(ends: &mut [End; 2], from: usize, made: Vec<u8>) {
    let closed = ends[from].context.report().close_sent;
    let peer = &mut ends[1 - from];
    if peer.context.report().read_end == ReadEnd::Clean && peer.incoming.is_empty() {
        // The same close_notify once more; nobody reads it.
        return;
    }
    let already = peer.consumed + peer.incoming.len() as u64;
    peer.incoming.extend(&made);
    if closed && peer.close_ends.is_none() && !made.is_empty() {
        peer.close_ends = Some(already + made.len() as u64);
    }
}

fn encrypt(random: &mut Random, ends: &mut [End; 2], index: usize) {
    let context = &mut ends[index].context;
    let len = random.len();
    let data = stream(context.report().bytes_sent, len);
    // Header, data and trailer as StreamSizes says, or not.
    let sizes = context.get().attributes().map(|attributes| attributes.stream_sizes()).ok();
    let (mut header, mut trailer) = sizes.map_or((13, 44), |sizes| (sizes.header, sizes.trailer));
    if random.one_in(5) {
        (header, trailer) = (random.below(20), random.below(60));
    }
    let made = if random.one_in(2) {
        context.encrypt(header, &data, trailer)
    } else {
        let room = if random.one_in(8) { random.below(100) } else { header + len + trailer };
        let said = if random.one_in(30) { *random.pick(&[usize::MAX, usize::MAX / 2, 16_385]) } else { len };
        context.encrypt_contiguous(room, &data, said)
    };
    send(ends, index, made.unwrap_or_default());
}

/// DecryptMessage with all that came, a part of it, or nothing.
fn read(random: &mut Random, ends: &mut [End; 2], index: usize) {
    let end = &mut ends[index];
    let len = if random.one_in(4) { random.below(end.incoming.len() + 1) } else { end.incoming.len() };
    let before = end.context.report();
    let mut buffer = end.incoming[..len].to_vec();
    let Ok(message) = end.context.decrypt(&mut buffer) else { return };
    match message.status {
        SuccessStatus::Renegotiate => {}
        SuccessStatus::ContextExpired if before.read_end == ReadEnd::Clean => {}
        _ => {
            if !end.disturbed {
                let data = &buffer[message.data.clone()];
                assert!(data == stream(before.bytes_received, data.len()), "other bytes than were sent");
            }
            let after = end.context.report();
            assert_eq!(after.bytes_received - before.bytes_received, message.data.len() as u64);
            end.consume(message.extra.start);
        }
    }
}

/// A token call of either side's, with what came, with noise, or with nothing.
fn token(random: &mut Random, ends: &mut [End; 2], index: usize, room: Option<usize>) {
    let end = &mut ends[index];
    let caller = if random.one_in(8) { other(end.role) } else { end.role };
    let noise = random.one_in(40);
    let input = if noise {
        end.disturbed = true;
        let len = random.len();
        random.bytes(len)
    } else {
        let len = if random.one_in(4) { random.below(end.incoming.len() + 1) } else { end.incoming.len() };
        end.incoming[..len].to_vec()
    };
    let setting = random.pick(&SETTINGS);
    let credentials = random.one_in(3).then_some(&setting.with_certificate);
    match end.context.token(caller, credentials, &input, room) {
        Ok((outcome, made)) => {
            if !noise {
                end.consume(outcome.consumed);
            }
            send(ends, index, made);
        }
        Err(error) => {
            let record = error.alert_record().to_vec();
            assert!(record.is_empty() || error.status() != ErrorStatus::IncompleteMessage);
            send(ends, index, record);
        }
    }
}

/// Questions with any arguments; they have answers or refusals and nothing else.
fn ask(random: &mut Random, context: &Checked) {
    let Ok(attributes) = context.get().attributes() else { return };
    let lens = [0, 1, 32, 200, 249, 250, 255, 256, 5_000, 65_535, 65_536, 70_000];
    let label_len = *random.pick(&lens).min(&300);
    let label = random.bytes(label_len);
    let use_context = random.one_in(2);
    let value = vec![1; *random.pick(&lens)];
    let mut output = vec![0; *random.pick(&lens)];
    let exported = attributes.export_keying_material(&label, use_context.then_some(&value), &mut output);
    if let Err(error) = exported {
        assert_eq!(error.status(), ErrorStatus::InvalidParameter);
    }
    assert!(attributes.exporter_bindings().is_ok());
    assert!(attributes.endpoint_bindings().is_ok());
    attributes.unique_bindings().ok();
    attributes.connection_info();
    attributes.cipher_info();
    attributes.expiry();
    attributes.validation_result();
}

fn any_alert(random: &mut Random) -> Alert {
    Alert { level: AlertLevel(random.byte() % 4), description: AlertDescription(random.byte() % 121) }
}

/// The documented procedure works from wherever a context stands; then everything goes.
fn finish(random: &mut Random, ends: [End; 2]) {
    for mut end in ends {
        if random.one_in(3) {
            end.context.close();
            continue;
        }
        end.context.control(ControlToken::Shutdown);
        let (outcome, _) = end.context.token(end.role, None, &[1, 2, 3], None).unwrap();
        assert_eq!((outcome.status, outcome.consumed, outcome.extra), (SuccessStatus::Ok, 0, 0));
    }
}

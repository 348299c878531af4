//! Two drivers and the two byte queues between them: any calls, any chunks, a cut anywhere.

use std::sync::LazyLock;

use openschannel::alert::{Alert, AlertDescription, AlertLevel};
use openschannel::credentials::{
    InboundCredentials, NamedGroup, OutboundCredentials, PostHandshake, Protocols,
};
use openschannel::status::{Error, ErrorStatus};
use openschannel::{ContextOptions, KeyUpdateRequest, ReadEnd, TransportEnd};
use openschannel_stream::{Advance, Driver, Plaintext};

use crate::common::{NAME, VERSIONS, inbound, outbound};
use crate::random::Random;
use crate::wire::records;

/// Most steps of one input.
const MAX_STEPS: usize = 400;

/// More in a row, with the other side's answers, are a flood that ends the connection.
const MAX_KEY_UPDATES: usize = 15;

/// What a driver lets wait for the transport: four records, and a handshake's flight or an alert beyond them.
const MAX_WAITING: usize = 5 * (16_384 + 61);

static CREDENTIALS: LazyLock<Vec<(OutboundCredentials, InboundCredentials)>> = LazyLock::new(|| {
    let both = |protocols: Protocols| {
        (
            outbound()
                .protocols(protocols)
                .groups(&[NamedGroup::X25519])
                .resumption(false)
                .acquire()
                .unwrap(),
            inbound().protocols(protocols).groups(&[NamedGroup::X25519]).acquire().unwrap(),
        )
    };
    VERSIONS.into_iter().rev().map(both).collect()
});

struct End {
    /// [`None`] only while it is taken apart.
    driver: Option<Driver>,
    /// On its way to this side.
    incoming: Vec<u8>,
    /// All that was ever on its way, for the borders of its records.
    history: Vec<u8>,
    /// Bytes of `history` that were given to the driver.
    arrived: usize,
    cut: Option<TransportEnd>,
    written: u64,
    read: u64,
    write_closed: bool,
    /// An alert of any kind was sent, which can end the other side.
    alerted: bool,
    key_updates: usize,
    ended: Option<ReadEnd>,
    /// Why there is nothing more to read.
    failed: Option<Error>,
}

pub fn stream(data: &[u8]) {
    let mut random = Random::new(data);
    let (outbound, inbound) = random.pick(&CREDENTIALS);
    let compatible = random.one_in(4);
    let options = ContextOptions {
        post_handshake: compatible.then_some(PostHandshake::Compatible),
        ..ContextOptions::default()
    };
    let mut ends = [
        End::new(Driver::client(outbound, Some(NAME), &options).unwrap()),
        End::new(Driver::server(inbound, &options)),
    ];
    if !random.one_in(4) {
        settle(&mut ends);
        assert!(ends.iter().all(|end| end.driver().is_established()), "nothing disturbed the handshake");
    }
    for _ in 0..MAX_STEPS {
        if random.is_exhausted() {
            break;
        }
        let index = random.below(2);
        step(&mut random, &mut ends, index);
        check(&ends);
    }
    finish(&mut ends);
}

/// A client and a server behind their handshake, in TLS 1.3.
#[must_use]
pub fn connected() -> (Driver, Driver) {
    let (outbound, inbound) = &CREDENTIALS[0];
    let options = ContextOptions::default();
    let mut ends = [
        End::new(Driver::client(outbound, Some(NAME), &options).unwrap()),
        End::new(Driver::server(inbound, &options)),
    ];
    settle(&mut ends);
    let [client, server] = ends.map(|end| end.driver.unwrap());
    assert!(client.is_established() && server.is_established());
    (client, server)
}

impl End {
    fn new(driver: Driver) -> Self {
        Self {
            driver: Some(driver),
            incoming: Vec::new(),
            history: Vec::new(),
            arrived: 0,
            cut: None,
            written: 0,
            read: 0,
            write_closed: false,
            alerted: false,
            key_updates: 0,
            ended: None,
            failed: None,
        }
    }

    fn driver(&self) -> &Driver {
        self.driver.as_ref().unwrap()
    }

    fn driver_mut(&mut self) -> &mut Driver {
        self.driver.as_mut().unwrap()
    }

    /// Gives the driver up to `len` bytes, as far as it has room.
    fn receive(&mut self, len: usize) -> usize {
        if self.cut.is_some() {
            return 0;
        }
        let incoming = std::mem::take(&mut self.incoming);
        let space = self.driver_mut().receive_space();
        let n = len.min(incoming.len()).min(space.len());
        space[..n].copy_from_slice(&incoming[..n]);
        self.driver_mut().received(n);
        self.incoming = incoming[n..].to_vec();
        self.arrived += n;
        n
    }

    /// Goes on as far as what was received lets it: the handshake, or one piece of data of at most `len` bytes.
    fn go_on(&mut self, len: usize) -> bool {
        let established = self.driver().is_established();
        if !established {
            return match self.driver_mut().advance() {
                Ok(Advance::Established) => true,
                Ok(Advance::NeedsReceive) => false,
                Ok(Advance::Ended(end)) => self.end(end),
                Err(error) => self.fail(error),
            };
        }
        let from = self.read;
        match self.driver_mut().fill_plaintext() {
            Ok(Plaintext::Data(data)) => {
                assert!(!data.is_empty());
                let n = len.min(data.len());
                assert!(data[..n] == pattern(from, n), "other bytes than were written");
                self.driver_mut().consume(n);
                self.read += n as u64;
                assert!(self.ended.is_none() && self.failed.is_none(), "data behind the end");
                n > 0
            }
            Ok(Plaintext::NeedsReceive) => false,
            Ok(Plaintext::End(end)) => self.end(end),
            Err(error) => self.fail(error),
        }
    }

    fn end(&mut self, end: ReadEnd) -> bool {
        assert!(self.failed.is_none(), "{end:?} behind a failure");
        assert!(self.ended.is_none_or(|before| before == end), "{:?}, then {end:?}", self.ended);
        assert_eq!(end, self.driver().closing_report().read_end);
        if let ReadEnd::Truncated { inside_record } = end {
            assert_eq!(self.cut, Some(TransportEnd::Eof));
            let (_, border) = records(&self.history[..self.arrived]).into_iter().next_back().unwrap();
            let whole = border == self.arrived && ends_whole(&self.history[..self.arrived]);
            assert_eq!(inside_record, !whole, "cut behind {} bytes", self.arrived);
        }
        if end == ReadEnd::Reset {
            assert_eq!(self.cut, Some(TransportEnd::Reset));
        }
        self.ended = Some(end);
        false
    }

    fn fail(&mut self, error: Error) -> bool {
        assert!(self.ended.is_none(), "{error} behind {:?}", self.ended);
        self.failed = Some(error);
        false
    }
}

fn step(random: &mut Random, ends: &mut [End; 2], index: usize) {
    let end = &mut ends[index];
    match random.below(16) {
        0..=2 => {
            let len = random.len();
            let data = pattern(end.written, len);
            let may = !end.write_closed && end.driver().is_established();
            match end.driver_mut().write(&data) {
                Ok(n) => {
                    assert!(may && n <= len);
                    end.written += n as u64;
                }
                Err(error) => assert!(
                    matches!(error.status(), ErrorStatus::ContextExpired | ErrorStatus::InvalidHandle),
                    "{error}"
                ),
            }
        }
        3..=5 => {
            let len = random.len();
            transmit(ends, index, len);
        }
        6..=8 => {
            let len = random.len();
            end.receive(len);
            end.go_on(usize::MAX);
        }
        9 => {
            let len = random.len();
            end.go_on(len);
        }
        10 => {
            end.receive(usize::MAX);
        }
        11 if end.driver().is_established() && end.key_updates < MAX_KEY_UPDATES => {
            end.key_updates += 1;
            let request =
                if random.one_in(2) { KeyUpdateRequest::Requested } else { KeyUpdateRequest::NotRequested };
            end.driver_mut().key_update(request).ok();
        }
        12 if random.one_in(2) => close(end),
        13 if random.one_in(4) => {
            let level = if random.one_in(2) { AlertLevel::FATAL } else { AlertLevel(1) };
            let alert = Alert { level, description: AlertDescription(random.byte() % 121) };
            if end.driver_mut().send_alert(alert).is_ok() {
                end.alerted |= !alert.is_close_notify();
                end.write_closed |= alert.is_close_notify() || alert.level == AlertLevel::FATAL;
            }
        }
        14 if random.one_in(4) => {
            // The wire ends behind what has arrived; what is under way is lost.
            let kind = if random.one_in(2) { TransportEnd::Reset } else { TransportEnd::Eof };
            if end.cut.is_none() {
                end.cut = Some(kind);
                end.incoming.clear();
                end.driver_mut().transport_ended(kind);
            }
        }
        _ => take_apart(random, end),
    }
}

fn close(end: &mut End) {
    end.driver_mut().close_write().unwrap();
    end.write_closed = true;
    assert!(end.driver_mut().write(b"more").is_err(), "written behind the own close");
}

fn take_apart(random: &mut Random, end: &mut End) {
    if random.one_in(2) {
        return end.driver_mut().release_buffers();
    }
    let before = (end.driver().closing_report(), end.driver().transmit().to_vec());
    end.driver = match end.driver.take().unwrap().split() {
        Ok((send, receive)) => Some(Driver::join(send, receive).map_err(drop).unwrap()),
        Err(driver) => Some(*driver),
    };
    assert_eq!(before, (end.driver().closing_report(), end.driver().transmit().to_vec()));
}

fn transmit(ends: &mut [End; 2], from: usize, len: usize) -> usize {
    let waiting = ends[from].driver().transmit();
    let bytes = waiting[..len.min(waiting.len())].to_vec();
    ends[from].driver_mut().transmitted(bytes.len());
    let to = &mut ends[1 - from];
    if to.cut.is_none() {
        to.incoming.extend_from_slice(&bytes);
        to.history.extend_from_slice(&bytes);
    }
    bytes.len()
}

/// What holds at any time.
fn check(ends: &[End; 2]) {
    for (one, other) in [(&ends[0], &ends[1]), (&ends[1], &ends[0])] {
        let report = one.driver().closing_report();
        assert!(one.read <= other.written, "more than was written");
        assert_eq!(report.bytes_sent, one.written);
        assert!(one.driver().transmit().len() <= MAX_WAITING, "{} bytes wait", one.driver().transmit().len());
        if one.ended == Some(ReadEnd::Clean) {
            assert!(other.driver().closing_report().close_sent, "nobody closed");
            assert!(
                !report.handshake_complete || one.read == other.written,
                "clean, and something is missing"
            );
        }
    }
}

/// Both close, and all bytes go. Where nothing was cut and nobody sent an alert, everything arrives, and both ends are clean.
fn finish(ends: &mut [End; 2]) {
    let undisturbed = ends.iter().all(|end| end.cut.is_none() && !end.alerted && !end.write_closed)
        || ends.iter().all(|end| end.cut.is_none() && !end.alerted && end.driver().is_established());
    settle(ends);
    ends.iter_mut().for_each(close);
    settle(ends);
    check(ends);
    for (one, other) in [(&ends[0], &ends[1]), (&ends[1], &ends[0])] {
        assert!(one.driver().transmit().is_empty());
        if undisturbed {
            assert_eq!(
                (one.ended, one.read),
                (Some(ReadEnd::Clean), other.written),
                "nothing disturbed it: {:?} {:?} and {:?}",
                one.failed,
                one.driver,
                other.driver
            );
        }
    }
}

/// Until nothing moves any more.
fn settle(ends: &mut [End; 2]) {
    loop {
        let mut moved = 0;
        for index in 0..2 {
            while ends[index].go_on(usize::MAX)
                && (ends[index].ended.is_none() && ends[index].failed.is_none())
            {
                if !ends[index].driver().is_established() {
                    break;
                }
            }
            moved += transmit(ends, index, usize::MAX);
            moved += ends[index].receive(usize::MAX);
        }
        if moved == 0 {
            return;
        }
    }
}

/// Whether `bytes` end with a whole record.
fn ends_whole(bytes: &[u8]) -> bool {
    let (start, end) = records(bytes).into_iter().next_back().unwrap();
    match bytes[start..end] {
        [_, _, _, high, low, ref content @ ..] => {
            content.len() == usize::from(u16::from_be_bytes([high, low]))
        }
        [] => true,
        _ => false,
    }
}

fn pattern(from: u64, len: usize) -> Vec<u8> {
    (from..).take(len).map(|place| (place % 251).to_le_bytes()[0]).collect()
}

//! Streams over loopback TCP: what a program that reads and writes gets, system calls included.

mod contenders;
mod pair;

use std::io;

use crate::goals::{Bound, Goal, Subject};
use crate::measure::{Column, Contender, Rounds, compare};
use crate::report::{Cell, Measurement, Unit};
use crate::setup::{Aead, Setup, Version};
use crate::suites::{Plan, Progress, Suite};

use contenders::{Maker, PLAIN};
use pair::{Load, Pair, Shape};

/// The suite.
#[derive(Clone, Copy, Debug)]
pub struct Streams;

/// Its name.
pub const NAME: &str = "stream";

/// Bytes of one write, and what the column is called.
const CHUNKS: [(usize, &str); 3] = [(1 << 10, "1 KiB"), (16 << 10, "16 KiB"), (1 << 20, "1 MiB")];

/// Bytes of a batch in one direction: some milliseconds, many times what starting its threads takes.
const BATCH: usize = 16 << 20;
/// The same where every write is a system call, or is waited for.
const SMALL_BATCH: usize = 2 << 20;

/// A round takes a tenth of a second.
const ROUNDS: usize = 200;
/// Connections have settled after these: windows, buffers, and the clock speed.
const WARM_UP: usize = 5;

impl Suite for Streams {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> &'static str {
        "streams over loopback TCP, blocking and tokio, beside rustls', tokio-rustls and OpenSSL's"
    }

    fn method(&self) -> &'static str {
        "TLS 1.3, AES-128-GCM, X25519, over loopback TCP with Nagle's algorithm off; one process, a thread for either end, and with tokio \
         a runtime of one thread at either end. A batch is 16 MiB in each direction that is used, 2 MiB where the writes are of 1 KiB or \
         waited for; the clock runs from the first write until the last byte is read. Readers ask for 64 KiB at once. *Exchange*: one \
         writes, the other reads all of it and writes as much. *Both ways*: both write and read at the same time, behind \
         `tokio::io::split`. *TCP alone* is the same without TLS: what is left for a stream to win lies between it and the row in \
         question."
    }

    fn goals(&self) -> Vec<Goal> {
        [("stream-std", true), ("stream-tokio", false)]
            .into_iter()
            .map(|(id, blocking)| Goal {
                id,
                what: if blocking {
                    "blocking stream, bulk over loopback TCP, to rustls'"
                } else {
                    "tokio's stream, bulk over loopback TCP, to tokio-rustls"
                },
                bound: Bound::AtLeast(1.2),
                subjects: CHUNKS[1..]
                    .iter()
                    .map(|(_, column)| Subject {
                        label: format!("{column} writes"),
                        cell: cell(blocking, Shape::OneWay, column),
                        contender: contenders::OWN,
                        to: Some(contenders::rustls_name(blocking)),
                    })
                    .collect(),
            })
            .collect()
    }

    fn steps(&self, _plan: &Plan) -> usize {
        tables().len() * CHUNKS.len()
    }

    fn promises(&self, _plan: &Plan) -> Vec<(Cell, String)> {
        let mut all = Vec::new();
        for (blocking, shape) in tables() {
            for (_, column) in CHUNKS {
                let makers = contenders::makers(blocking);
                all.extend(makers.iter().map(|maker| (cell(blocking, shape, column), maker.name.to_owned())));
            }
        }
        all
    }

    fn run(&self, plan: &Plan, progress: &mut dyn Progress) -> Result<Vec<Measurement>, String> {
        let setup = Setup::records(Version::Tls13, Aead::Aes128Gcm);
        let rounds = Rounds { warm_up: WARM_UP, ..plan.rounds(ROUNDS) };
        let mut all = Vec::new();
        for (blocking, shape) in tables() {
            for (chunk, column) in CHUNKS {
                let cell = cell(blocking, shape, column);
                progress.next(&format!("{}, {column}", cell.table));
                let is_small = chunk == CHUNKS[0].0 || (shape == Shape::Exchange && chunk < CHUNKS[2].0);
                let count = (if is_small { SMALL_BATCH } else { BATCH }) / chunk;
                let load = Load { chunk, count, shape };
                let made: io::Result<Vec<_>> = contenders::makers(blocking)
                    .into_iter()
                    .map(|Maker { name, make }| {
                        let pair = make(&setup)?;
                        Ok(Box::new(Transfer { name, pair, load }) as Box<dyn Contender>)
                    })
                    .collect();
                let mut made = made.map_err(|error| format!("no connection over loopback TCP: {error}"))?;
                let columns = [Column { cell, unit: Unit::BytesPerSecond }];
                let baselines = [contenders::rustls_name(blocking), PLAIN, contenders::OWN];
                all.extend(compare(&columns, &mut made, &baselines, rounds));
            }
        }
        Ok(all)
    }
}

/// Who waits how, and who sends when.
fn tables() -> Vec<(bool, Shape)> {
    vec![
        (true, Shape::OneWay),
        (false, Shape::OneWay),
        (false, Shape::BothWays),
        (true, Shape::Exchange),
        (false, Shape::Exchange),
    ]
}

fn cell(blocking: bool, shape: Shape, column: &str) -> Cell {
    let kind = if blocking { "blocking" } else { "tokio" };
    let shape = match shape {
        Shape::OneWay => "one way",
        Shape::BothWays => "both ways",
        Shape::Exchange => "exchange",
    };
    Cell::new(NAME, format!("{kind}, {shape}"), column)
}

/// Moves a load over its connection.
struct Transfer {
    name: &'static str,
    pair: Box<dyn Pair>,
    load: Load,
}

impl Contender for Transfer {
    fn name(&self) -> String {
        self.name.to_owned()
    }

    fn batch(&mut self, values: &mut Vec<f64>) {
        let time = self.pair.run(self.load).expect("a connection of this process's own");
        let directions = if self.load.shape == Shape::OneWay { 1 } else { 2 };
        values.push((self.load.chunk * self.load.count * directions) as f64 / time.as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everybody, in every shape, with writes that are no multiple of anything.
    #[test]
    fn everything_that_is_sent_arrives() {
        let setup = Setup::records(Version::Tls13, Aead::Aes128Gcm);
        for (blocking, shape) in tables() {
            for maker in contenders::makers(blocking) {
                let mut pair = (maker.make)(&setup).expect("a connection");
                for chunk in [1, 70_001] {
                    let took = pair.run(Load { chunk, count: 3, shape });
                    assert!(took.is_ok_and(|time| !time.is_zero()), "{} {shape:?} {chunk}", maker.name);
                }
            }
        }
    }
}

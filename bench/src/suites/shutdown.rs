//! The end of connections: close_notify both ways, taken by both, and both contexts freed.

use crate::goals::{Bound, Goal, Subject};
use crate::measure::{Column, Contender, compare, processor, wall};
use crate::peers::bare::Alerts;
use crate::peers::{self, C_ABI, Connection, Endpoints, Established, Library, RUST_API, establish};
use crate::report::{Cell, Measurement, Unit};
use crate::setup::{Aead, Setup, Version};
use crate::suites::bulk::BARE;
use crate::suites::{Plan, Progress, Suite};
use crate::wire::Wire;

/// The suite.
#[derive(Clone, Copy, Debug)]
pub struct Shutdown;

/// Its name.
pub const NAME: &str = "shutdown";
/// Close, take, and free.
pub const CYCLE: &str = "close, take, free";
/// Close and take, on contexts just used.
pub const ALERTS: &str = "alerts alone, hot";

/// Connections of a batch of whole cycles. They are established one after the other before the first is closed, so that none is in the
/// processor's nearest cache any more.
const COLD: usize = 64;
/// Connections of a batch of alerts: few enough for the nearest cache.
const HOT: usize = 4;

/// Every batch needs fresh connections, and a handshake takes a hundred times as long as what is measured.
const COLD_ROUNDS: usize = 200;
const HOT_ROUNDS: usize = 1_000;

impl Suite for Shutdown {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> &'static str {
        "the end of connections: close_notify both ways, taken by both, both contexts freed"
    }

    fn method(&self) -> &'static str {
        "AES-128-GCM. A cycle is: the client's close_notify made, taken by the server, the server's made, taken by the client, both \
         freed; in memory, on connections that were established and have carried a record each way outside of the clock. *Close, take, free* ends 64 of them in a row, which are not \
         in the nearest cache any more, and counts the thread's processor time; a batch takes 64 handshakes, so there are 200 rounds, \
         of 64 cycles each. *Alerts alone, hot* is the same without freeing, on four connections that have just carried another \
         record each way. The bare AEAD seals and opens two alerts under four keys of their own, and frees the keys."
    }

    fn goals(&self) -> Vec<Goal> {
        let goal = |id, what, bound, column, to| {
            let subject = |version: Version| Subject {
                label: version.to_string(),
                cell: cell(version, column),
                contender: RUST_API,
                to: Some(to),
            };
            Goal { id, what, bound: Bound::AtLeast(bound), subjects: Version::ALL.map(subject).to_vec() }
        };
        vec![
            goal(
                "shutdown-rustls",
                "shutdown with both frees, to rustls, buffered",
                2.2,
                CYCLE,
                peers::RUSTLS_BUFFERED,
            ),
            goal("shutdown-openssl", "shutdown with both frees, to OpenSSL", 13.0, CYCLE, peers::OPENSSL),
            goal("alerts", "alerts of a shutdown, hot, to the bare AEAD", 0.95, ALERTS, BARE),
        ]
    }

    fn steps(&self, _plan: &Plan) -> usize {
        Version::ALL.len() * 2
    }

    fn promises(&self, _plan: &Plan) -> Vec<(Cell, String)> {
        let mut all = Vec::new();
        for version in Version::ALL {
            for column in [CYCLE, ALERTS] {
                let libraries = libraries(version);
                let names = [BARE].into_iter().chain(libraries.iter().map(|library| library.name()));
                all.extend(names.map(|name| (cell(version, column), name.to_owned())));
            }
        }
        all
    }

    fn run(&self, plan: &Plan, progress: &mut dyn Progress) -> Result<Vec<Measurement>, String> {
        let mut all = Vec::new();
        for version in Version::ALL {
            for (column, to, rounds) in
                [(CYCLE, peers::RUSTLS_BUFFERED, COLD_ROUNDS), (ALERTS, BARE, HOT_ROUNDS)]
            {
                progress.next(&format!("{version}, {column}"));
                let mut contenders: Vec<Box<dyn Contender>> = vec![Box::new(Bare { version, column })];
                for library in libraries(version) {
                    let endpoints = library.endpoints(&setup(version));
                    setup(version).check(&establish(&*endpoints).client.negotiated());
                    contenders.push(Box::new(Close { name: library.name(), endpoints, column }));
                }
                let columns = [Column { cell: cell(version, column), unit: Unit::Nanoseconds }];
                let others = [peers::RUSTLS_BUFFERED, BARE, RUST_API, C_ABI, peers::OPENSSL, peers::GNUTLS];
                let mut baselines = vec![to];
                baselines.extend(others.into_iter().filter(|other| *other != to));
                all.extend(compare(&columns, &mut contenders, &baselines, plan.rounds(rounds)));
            }
        }
        Ok(all)
    }
}

fn setup(version: Version) -> Setup {
    Setup::records(version, Aead::Aes128Gcm)
}

fn cell(version: Version, column: &str) -> Cell {
    Cell::new(NAME, format!("{version}, {column}"), "a used connection")
}

fn libraries(version: Version) -> Vec<Box<dyn Library>> {
    let mut all = peers::libraries();
    all.retain(|library| library.supports(&setup(version)));
    all
}

/// Ends connections of an implementation.
struct Close {
    name: &'static str,
    endpoints: Box<dyn Endpoints>,
    column: &'static str,
}

impl Contender for Close {
    fn name(&self) -> String {
        self.name.to_owned()
    }

    fn batch(&mut self, values: &mut Vec<f64>) {
        let mut wire = Wire::keeping();
        let mut used = || {
            let Established { mut client, mut server } = establish(&*self.endpoints);
            talk(&mut *client, &mut *server, &mut wire);
            talk(&mut *server, &mut *client, &mut wire);
            Established { client, server }
        };
        let (mut to_server, mut to_client) = (Vec::with_capacity(1_024), Vec::with_capacity(1_024));
        if self.column == CYCLE {
            let pairs: Vec<Established> = (0..COLD).map(|_| used()).collect();
            let time = processor(|| {
                for mut pair in pairs {
                    exchange(&mut pair, &mut to_server, &mut to_client);
                }
            });
            values.push(time / COLD as f64);
            return;
        }
        let mut pairs: Vec<Established> = (0..=HOT).map(|_| used()).collect();
        for Established { client, server } in &mut pairs {
            talk(&mut **client, &mut **server, &mut wire);
            talk(&mut **server, &mut **client, &mut wire);
        }
        // The calls themselves are to be hot as well.
        let mut first = pairs.pop().expect("one more");
        exchange(&mut first, &mut to_server, &mut to_client);
        let time = wall(|| {
            for pair in &mut pairs {
                exchange(pair, &mut to_server, &mut to_client);
            }
        });
        values.push(time / HOT as f64);
    }
}

/// A record.
fn talk(from: &mut dyn Connection, to: &mut dyn Connection, wire: &mut Wire) {
    from.prepare(&[0x5a; 64], 1, wire);
    from.seal_batch(&[0x5a; 64], 1, wire);
    assert_eq!(to.open_batch(wire), 64, "opened");
}

/// close_notify there and back.
fn exchange(pair: &mut Established, to_server: &mut Vec<u8>, to_client: &mut Vec<u8>) {
    let Established { client, server } = pair;
    client.close(to_server);
    assert!(server.take_close(to_server), "closed");
    server.close(to_client);
    assert!(client.take_close(to_client), "closed");
}

/// The least that anybody's shutdown takes.
struct Bare {
    version: Version,
    column: &'static str,
}

impl Contender for Bare {
    fn name(&self) -> String {
        BARE.to_owned()
    }

    fn batch(&mut self, values: &mut Vec<f64>) {
        let keys = |count| (0..count).map(|_| Alerts::new(Aead::Aes128Gcm, self.version)).collect::<Vec<_>>();
        if self.column == CYCLE {
            let all = keys(COLD);
            let time = processor(|| {
                for mut alerts in all {
                    alerts.exchange();
                }
            });
            values.push(time / COLD as f64);
            return;
        }
        let mut all = keys(HOT);
        all.iter_mut().for_each(Alerts::exchange);
        let time = wall(|| all.iter_mut().for_each(Alerts::exchange));
        values.push(time / HOT as f64);
    }
}

//! Handshakes in memory: both sides with what it costs to free them, and each side apart.

use crate::goals::{Bound, Goal, Subject};
use crate::measure::{Column, Contender, compare, processor};
use crate::peers::rust_api::RustApi;
use crate::peers::{
    self, Connection, Endpoints, Library, RUST_API, RUST_API_VERIFYING, RUSTLS_BUFFERED, establish,
};
use crate::report::{Cell, Measurement, Unit};
use crate::setup::{Aead, Group, KeyKind, Setup, TICKETS, Version};
use crate::suites::{Plan, Progress, Suite};

/// The suite.
#[derive(Clone, Copy, Debug)]
pub struct Handshake;

/// Its name.
pub const NAME: &str = "handshake";
/// One pair after the other, from the first object to freeing the last.
pub const BOTH: &str = "both sides, freed";
/// The client's part, without freeing it.
pub const CLIENT: &str = "client";
/// The server's part, without freeing it.
pub const SERVER: &str = "server";

const COLUMNS: [&str; 3] = [BOTH, CLIENT, SERVER];

const ROUNDS: usize = 1_000;

/// Behind the client's first one. A handshake has four at most.
const FLIGHTS: usize = 8;

/// The table of a setup.
#[must_use]
pub fn table(setup: &Setup) -> String {
    let Setup { version, key, group, resumed, .. } = setup;
    match (resumed, version) {
        // Neither takes part.
        (true, Version::Tls12) => format!("{version}, resumed"),
        (true, Version::Tls13) => format!("{version}, resumed, {group}"),
        (false, _) => format!("{version}, full, {key}, {group}"),
    }
}

impl Suite for Handshake {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> &'static str {
        "handshakes in memory: full with ECDSA, RSA, X25519MLKEM768, and resumed; both sides, and each apart"
    }

    fn steps(&self, _plan: &Plan) -> usize {
        setups().len()
    }

    fn promises(&self, _plan: &Plan) -> Vec<(Cell, String)> {
        let mut all = Vec::new();
        for (setup, _) in setups() {
            for column in COLUMNS {
                all.extend(
                    libraries(&setup).iter().map(|library| (cell(&setup, column), library.name().to_owned())),
                );
            }
        }
        all
    }

    fn method(&self) -> &'static str {
        "Processor time of the thread, for batches of 4 handshakes (TLS 1.2, resumed: 24), in memory. *Both sides, freed* is one \
         handshake after the other: both objects made, every flight in one piece, tickets delivered and taken in, both freed. *Client* and \
         *server* are other handshakes: all of a batch go on flight by flight in step, and the clock is read between the sides. \
         All have the same certificates, a root and a leaf that it has signed, and every client verifies chain and name; AES-128-GCM \
         throughout. What was negotiated is checked for every connection, and in resumed setups that both sides resumed. \
         A server in TLS 1.3 issues two tickets where sessions are resumed (the client keeps them), and none otherwise. \
         *OpenSchannel* is the provider as it comes, remembering valid chains for ten minutes, so its client does not verify one twice; \
         *chains verified anew* has that switched off and does the same work as all the others."
    }

    fn goals(&self) -> Vec<Goal> {
        goals()
    }

    fn run(&self, plan: &Plan, progress: &mut dyn Progress) -> Result<Vec<Measurement>, String> {
        let mut all = Vec::new();
        for (setup, count) in setups() {
            progress.next(&table(&setup));
            let columns =
                COLUMNS.map(|column| Column { cell: cell(&setup, column), unit: Unit::Nanoseconds });
            let mut contenders: Vec<Box<dyn Contender>> = Vec::new();
            for library in libraries(&setup) {
                contenders.push(Box::new(Handshakes::new(&*library, setup, count)));
            }
            let baselines = [RUSTLS_BUFFERED, peers::RUSTLS_UNBUFFERED, peers::OPENSSL, peers::GNUTLS];
            let baselines = [&baselines[..], &[peers::BORINGSSL, RUST_API]].concat();
            all.extend(compare(&columns, &mut contenders, &baselines, plan.rounds(ROUNDS)));
        }
        Ok(all)
    }
}

fn goals() -> Vec<Goal> {
    let goal = |id, what, bound, wanted: fn(&Setup) -> bool, column, contender| {
        let setups: Vec<Setup> = setups().into_iter().map(|(setup, _)| setup).filter(wanted).collect();
        let subject = |setup: &Setup| Subject {
            label: if setups.len() > 1 {
                format!("{} {} {}", setup.version, setup.key, setup.group)
            } else {
                String::new()
            },
            cell: cell(setup, column),
            contender,
            to: Some(RUSTLS_BUFFERED),
        };
        Goal { id, what, bound: Bound::AtLeast(bound), subjects: setups.iter().map(subject).collect() }
    };
    vec![
        goal(
            "handshake-full",
            "full handshake, both sides, chains verified anew, to rustls, buffered",
            0.99,
            |setup| !setup.resumed,
            BOTH,
            RUST_API_VERIFYING,
        ),
        goal(
            "handshake-resumed-tls12",
            "TLS 1.2 handshake, resumed, both sides, to rustls, buffered",
            0.95,
            |setup| setup.resumed && setup.version == Version::Tls12,
            BOTH,
            RUST_API,
        ),
        goal(
            "handshake-client-warm",
            "client of a full ECDSA handshake, its chain remembered, to rustls, buffered",
            1.4,
            |setup| !setup.resumed && setup.key == KeyKind::EcdsaP256 && setup.group == Group::X25519,
            CLIENT,
            RUST_API,
        ),
    ]
}

/// With how many handshakes a batch has: about a millisecond's worth.
fn setups() -> Vec<(Setup, usize)> {
    let mut all = Vec::new();
    for version in Version::ALL {
        let full = Setup::records(version, Aead::Aes128Gcm);
        all.push((full, 4));
        all.push((Setup { key: KeyKind::Rsa2048, ..full }, 4));
        if version == Version::Tls13 {
            all.push((Setup { group: Group::X25519Mlkem768, ..full }, 4));
        }
        all.push((Setup { resumed: true, ..full }, if version == Version::Tls12 { 24 } else { 4 }));
    }
    all
}

fn cell(setup: &Setup, column: &str) -> Cell {
    Cell::new(NAME, table(setup), column)
}

/// A resumed session brings no chain to remember.
fn libraries(setup: &Setup) -> Vec<Box<dyn Library>> {
    let mut all = peers::libraries();
    if !setup.resumed {
        all.insert(1, Box::new(RustApi::VERIFYING));
    }
    all.retain(|library| library.supports(setup));
    all
}

struct Handshakes {
    name: &'static str,
    endpoints: Box<dyn Endpoints>,
    setup: Setup,
    count: usize,
    wires: Vec<Wires>,
}

/// Both directions of a pair.
#[derive(Default)]
struct Wires {
    to_client: Vec<u8>,
    to_server: Vec<u8>,
}

impl Handshakes {
    fn new(library: &dyn Library, setup: Setup, count: usize) -> Self {
        let endpoints = library.endpoints(&setup);
        // In step every client of a batch wants a ticket before the first one has got new ones.
        for _ in 0..count.div_ceil(TICKETS) {
            drop(establish(&*endpoints));
        }
        let wires = (0..count).map(|_| Wires::default()).collect();
        Self { name: library.name(), endpoints, setup, count, wires }
    }

    /// One handshake after the other: nanoseconds of them all, freed.
    fn apart(&self) -> f64 {
        processor(|| {
            for _ in 0..self.count {
                drop(establish(&*self.endpoints));
            }
        })
    }

    /// All of them in step: nanoseconds of all clients, and of all servers.
    fn in_step(&mut self) -> [f64; 2] {
        let endpoints = &*self.endpoints;
        let count = self.count;
        let [mut clients, mut servers]: [Vec<Side>; 2] = Default::default();
        clients.reserve(count);
        servers.reserve(count);
        let wires = &mut self.wires;
        let mut times = [
            processor(|| {
                for wires in &mut *wires {
                    let mut client = Side { connection: endpoints.client(), client: true, done: false };
                    client.step(wires);
                    clients.push(client);
                }
            }),
            processor(|| {
                for _ in 0..count {
                    servers.push(Side { connection: endpoints.server(), client: false, done: false });
                }
            }),
        ];
        for flight in 0.. {
            assert!(flight < FLIGHTS, "{}: the handshake stands still", self.name);
            let (sides, time) = if flight % 2 == 0 { (&mut servers, 1) } else { (&mut clients, 0) };
            times[time] += processor(|| {
                for (side, wires) in sides.iter_mut().zip(&mut *wires) {
                    side.step(wires);
                }
            });
            let done = clients.iter().chain(&servers).all(|side| side.done);
            if done && wires.iter().all(|wires| wires.to_client.is_empty() && wires.to_server.is_empty()) {
                break;
            }
        }
        for side in clients.iter().chain(&servers) {
            self.setup.check(&side.connection.negotiated());
        }
        times
    }
}

impl Contender for Handshakes {
    fn name(&self) -> String {
        self.name.to_owned()
    }

    fn batch(&mut self, values: &mut Vec<f64>) {
        let both = self.apart();
        let [client, server] = self.in_step();
        values.extend([both, client, server].map(|time| time / self.count as f64));
    }
}

struct Side {
    connection: Box<dyn Connection>,
    client: bool,
    done: bool,
}

impl Side {
    fn step(&mut self, Wires { to_client, to_server }: &mut Wires) {
        let (input, output) = if self.client { (to_client, to_server) } else { (to_server, to_client) };
        self.done |= self.connection.step(input, output);
    }
}

//! What is counted.

use openschannel_bench::peers::bare::{Bare, TypeByte};
use openschannel_bench::peers::c_abi::CAbi;
use openschannel_bench::peers::rust_api::RustApi;
use openschannel_bench::peers::{Connection, Endpoints, Established, Library, establish};
use openschannel_bench::setup::{Aead, Group, KeyKind, Setup, Version};
use openschannel_bench::wire::Wire;

/// Something that is counted.
pub(crate) struct Operation {
    /// As in the table and in the baselines.
    pub(crate) name: String,
    /// By how many percent the count may differ from its baseline.
    pub(crate) tolerance: u64,
    /// How often [`Work::work`] does it.
    pub(crate) times: u64,
    /// Sets up, in the process that is counted.
    pub(crate) prepare: Box<dyn Fn() -> Box<dyn Work> + Send + Sync>,
}

/// One operation, or several alike.
pub(crate) trait Work {
    /// Makes ready what [`Self::work`] uses up. Not counted.
    fn ready(&mut self) {}

    /// Counted.
    fn work(&mut self);
}

/// Records do the same every time: the counts are exact, and one percent is room for another compiler.
const RECORDS: u64 = 1;

/// What is freed goes to an allocator whose ways depend on what was freed before.
const ENDS: u64 = 2;

/// Random numbers make signatures of different lengths, and hash tables different walks.
const HANDSHAKES: u64 = 3;

/// Records a batch.
const BATCH: usize = 32;

/// Connections that are closed and freed.
const PAIRS: usize = 16;

/// Handshakes, to level out what is random in them; under valgrind each takes some ten milliseconds.
const AT_ONCE: usize = 8;

/// Plaintext bytes of records: the overhead shows in the short one, a copy in the long one.
const SIZES: [usize; 2] = [64, 16_384];

/// All operations.
pub(crate) fn all() -> Vec<Operation> {
    let mut all = Vec::new();
    for (version, aead) in [
        (Version::Tls13, Aead::Aes128Gcm),
        (Version::Tls13, Aead::ChaCha20Poly1305),
        (Version::Tls12, Aead::Aes128Gcm),
    ] {
        for size in SIZES {
            for direction in [Direction::Seal, Direction::Open] {
                all.push(bare(version, aead, size, direction));
                for caller in Caller::ALL {
                    all.push(records(caller, version, aead, size, direction));
                }
            }
        }
    }
    for version in Version::ALL {
        for caller in Caller::ALL {
            all.extend([Step::CloseNotify, Step::Freed].map(|step| ends(caller, version, step)));
        }
    }
    for version in Version::ALL {
        for (resumed, key) in
            [(false, KeyKind::EcdsaP256), (false, KeyKind::Rsa2048), (true, KeyKind::EcdsaP256)]
        {
            for caller in Caller::ALL {
                all.push(handshakes(caller, version, key, resumed));
            }
        }
    }
    all
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Seal,
    Open,
}

impl Direction {
    fn verb(self) -> &'static str {
        match self {
            Self::Seal => "seal",
            Self::Open => "open",
        }
    }
}

#[derive(Clone, Copy)]
enum Caller {
    Rust,
    C,
}

impl Caller {
    const ALL: [Self; 2] = [Self::Rust, Self::C];

    fn library(self) -> Box<dyn Library> {
        match self {
            Self::Rust => Box::new(RustApi::CONTIGUOUS),
            Self::C => Box::new(CAbi),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Rust => "Rust API",
            Self::C => "C ABI",
        }
    }
}

fn bare(version: Version, aead: Aead, size: usize, direction: Direction) -> Operation {
    Operation {
        name: format!("{} {size} B, {version} {aead}, the AEAD alone", direction.verb()),
        tolerance: RECORDS,
        times: BATCH as u64,
        prepare: Box::new(move || {
            let mut bare = Bare::new(aead, version, TypeByte::Without, size);
            bare.prepare();
            Box::new(BareRecords { bare, direction })
        }),
    }
}

struct BareRecords {
    bare: Bare,
    direction: Direction,
}

impl Work for BareRecords {
    fn ready(&mut self) {
        match self.direction {
            Direction::Seal => self.bare.prepare(),
            Direction::Open => self.bare.prepare_sealed(BATCH),
        }
    }

    fn work(&mut self) {
        match self.direction {
            Direction::Seal => self.bare.seal_batch(BATCH),
            Direction::Open => self.bare.open_batch(),
        }
    }
}

fn records(caller: Caller, version: Version, aead: Aead, size: usize, direction: Direction) -> Operation {
    Operation {
        name: format!("{} {size} B, {version} {aead}, {}", direction.verb(), caller.name()),
        tolerance: RECORDS,
        times: BATCH as u64,
        prepare: Box::new(move || {
            let pair = establish(&*caller.library().endpoints(&Setup::records(version, aead)));
            Box::new(Records { pair, direction, plaintext: vec![0x5a; size], wire: Wire::keeping() })
        }),
    }
}

struct Records {
    pair: Established,
    direction: Direction,
    plaintext: Vec<u8>,
    wire: Wire,
}

impl Work for Records {
    fn ready(&mut self) {
        self.pair.client.prepare(&self.plaintext, BATCH, &mut self.wire);
        if self.direction == Direction::Open {
            self.pair.client.seal_batch(&self.plaintext, BATCH, &mut self.wire);
        }
    }

    fn work(&mut self) {
        match self.direction {
            Direction::Seal => self.pair.client.seal_batch(&self.plaintext, BATCH, &mut self.wire),
            Direction::Open => {
                let opened = self.pair.server.open_batch(&mut self.wire);
                assert_eq!(opened, BATCH * self.plaintext.len());
            }
        }
    }
}

/// Of a connection's end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Both sides make theirs and take the other's.
    CloseNotify,
    /// Both sides.
    Freed,
}

fn ends(caller: Caller, version: Version, step: Step) -> Operation {
    let what = match step {
        Step::CloseNotify => "close_notify both ways",
        Step::Freed => "free both sides",
    };
    Operation {
        name: format!("{what}, {version}, {}", caller.name()),
        tolerance: ENDS,
        times: PAIRS as u64,
        prepare: Box::new(move || {
            let setup = Setup::records(version, Aead::Aes128Gcm);
            Box::new(Ends { endpoints: caller.library().endpoints(&setup), pairs: Vec::new(), step })
        }),
    }
}

struct Ends {
    endpoints: Box<dyn Endpoints>,
    pairs: Vec<Established>,
    step: Step,
}

impl Ends {
    fn close(&mut self) {
        let (mut to_server, mut to_client) = (Vec::with_capacity(64), Vec::with_capacity(64));
        for Established { client, server } in &mut self.pairs {
            client.close(&mut to_server);
            assert!(server.take_close(&mut to_server));
            server.close(&mut to_client);
            assert!(client.take_close(&mut to_client));
        }
    }
}

/// A pair that has sent a record each way.
fn talked(endpoints: &dyn Endpoints) -> Established {
    let Established { mut client, mut server } = establish(endpoints);
    say(&mut *client, &mut *server);
    say(&mut *server, &mut *client);
    Established { client, server }
}

fn say(from: &mut dyn Connection, to: &mut dyn Connection) {
    let mut wire = Wire::keeping();
    from.prepare(b"x", 1, &mut wire);
    from.seal_batch(b"x", 1, &mut wire);
    assert_eq!(to.open_batch(&mut wire), 1);
}

impl Work for Ends {
    fn ready(&mut self) {
        self.pairs.clear();
        // As after any conversation: a half makes its AEAD context with its first record.
        self.pairs.resize_with(PAIRS, || talked(&*self.endpoints));
        if self.step == Step::Freed {
            self.close();
        }
    }

    fn work(&mut self) {
        match self.step {
            Step::CloseNotify => self.close(),
            Step::Freed => self.pairs.clear(),
        }
    }
}

fn handshakes(caller: Caller, version: Version, key: KeyKind, resumed: bool) -> Operation {
    let kind = if resumed { "resumed".to_owned() } else { format!("full, {key}") };
    Operation {
        name: format!("handshake, both sides, {kind}, {version}, {}", caller.name()),
        tolerance: HANDSHAKES,
        times: AT_ONCE as u64,
        prepare: Box::new(move || {
            let setup = Setup { version, aead: Aead::Aes128Gcm, key, group: Group::X25519, resumed };
            Box::new(Handshakes { endpoints: caller.library().endpoints(&setup) })
        }),
    }
}

struct Handshakes {
    endpoints: Box<dyn Endpoints>,
}

impl Work for Handshakes {
    fn work(&mut self) {
        for _ in 0..AT_ONCE {
            drop(establish(&*self.endpoints));
        }
    }
}

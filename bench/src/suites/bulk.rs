//! Records in memory, one direction at a time: what sealing and opening cost above the bare AEAD.

use crate::goals::{Bound, Goal, Subject};
use crate::measure::{Column, Contender, compare, wall};
use crate::peers::bare::{Bare, TypeByte};
use crate::peers::rust_api::RustApi;
use crate::peers::{self, C_ABI, Established, Library, RUST_API, establish};
use crate::report::{Cell, Measurement, Unit};
use crate::setup::{Aead, Setup, Version};
use crate::suites::{Plan, Progress, Suite};
use crate::wire::{Slot, Wire};

/// The suite.
#[derive(Clone, Copy, Debug)]
pub struct Bulk;

/// Its name.
pub const NAME: &str = "bulk";
/// The AEAD alone on the plaintext: what ratios are to.
pub const BARE: &str = "bare AEAD";
/// The AEAD on plaintext and type byte in one piece: a ceiling of TLS 1.3.
pub const BARE_TYPED: &str = "bare AEAD, type byte behind";
/// The AEAD on plaintext and type byte in two pieces: the other ceiling of TLS 1.3.
pub const BARE_APART: &str = "bare AEAD, type byte apart";

/// Plaintext bytes of a record, and records of a batch: about 25 microseconds of AES-GCM, enough for the clock and few enough for the
/// processor's cache.
pub const SIZES: [(usize, usize); 4] = [(16_384, 16), (4_096, 48), (1_024, 96), (64, 200)];

/// Fewer where each record has a buffer of its own, so that a batch stays in the second cache even if a neighbour uses half of it.
const FEWER: usize = 2;

/// ChaCha20-Poly1305 takes five times as long for long records.
const SLOWER: usize = 4;

const ROUNDS: usize = 1_000;

/// What a batch does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// EncryptMessage.
    Seal,
    /// DecryptMessage.
    Open,
}

/// The table of a version, an AEAD and a direction.
#[must_use]
pub fn table(version: Version, aead: Aead, direction: Direction) -> String {
    let verb = match direction {
        Direction::Seal => "seal",
        Direction::Open => "open",
    };
    format!("{version}, {aead}, {verb}")
}

/// The column of a size.
#[must_use]
pub fn column(len: usize) -> String {
    if len < 1_024 { format!("{len} B") } else { format!("{} KiB", len / 1_024) }
}

impl Suite for Bulk {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> &'static str {
        "records in memory: seal and open, each AEAD, 64 B to 16 KiB, beside the bare AEAD"
    }

    fn steps(&self, _plan: &Plan) -> usize {
        cells().count()
    }

    fn promises(&self, _plan: &Plan) -> Vec<(Cell, String)> {
        let mut all = Vec::new();
        for (setup, direction, len, _) in cells() {
            let bare = bare(setup.version, direction).iter().map(|(name, _)| *name);
            let libraries = libraries(&setup, direction);
            let names = bare.chain(libraries.iter().map(|library| library.name()));
            all.extend(names.map(|name| (cell(&setup, direction, len), name.to_owned())));
        }
        all
    }

    fn method(&self) -> &'static str {
        "A batch is 2 to 200 records, 12 to 35 \u{b5}s, in memory; wall-clock time of the calls alone. Sealing uses one buffer \
         again and again, as a caller does who sends a record before it makes the next; what is opened lies in a buffer for each \
         record. Buffers begin with a cache line, in every batch another one of their page, because where they lie makes up to \
         ten percent of difference; the plaintext lies behind the header of a record, for the bare AEAD too. One record outside \
         of the clock comes first, so that all begin with warm caches. *Bare AEAD* is aws-lc-rs, by the fastest of its calls, on \
         the plaintext alone. TLS 1.3 seals a type byte with each record: *type byte behind* and *type byte apart* are the AEAD \
         with it, in one piece and in two, and with them the ceiling of any record layer. *OpenSchannel* is called from Rust with \
         header, data and trailer in one buffer, *scattered* with three, and through the C ABI with three `SecBuffer`s that \
         adjoin. rustls buffered is `write_all` and `write_tls`, `read_tls`, `process_new_packets` and `read`."
    }

    fn goals(&self) -> Vec<Goal> {
        goals()
    }

    fn run(&self, plan: &Plan, progress: &mut dyn Progress) -> Result<Vec<Measurement>, String> {
        let mut all = Vec::new();
        for (setup, direction, len, count) in cells() {
            progress.next(&format!("{}, {}", table(setup.version, setup.aead, direction), column(len)));
            let columns = [Column { cell: cell(&setup, direction, len), unit: Unit::Nanoseconds }];
            let mut contenders = contenders(&setup, direction, len, count);
            let baselines = [BARE, BARE_TYPED, BARE_APART, peers::RUSTLS_BUFFERED, peers::RUSTLS_UNBUFFERED];
            let baselines = [&baselines[..], &[peers::OPENSSL, peers::GNUTLS, RUST_API]];
            all.extend(compare(&columns, &mut contenders, &baselines.concat(), plan.rounds(ROUNDS)));
        }
        Ok(all)
    }
}

fn goals() -> Vec<Goal> {
    use Direction::{Open, Seal};
    use Version::{Tls12, Tls13};
    const AES: [Aead; 2] = [Aead::Aes128Gcm, Aead::Aes256Gcm];
    let bare = |id, what, bound, version, direction, len| Goal {
        id,
        what,
        bound: Bound::AtLeast(bound),
        subjects: subjects(&[version], &AES, &[direction], len, RUST_API, BARE),
    };
    let others = |id, what, bound, directions: &[Direction], contender, to| Goal {
        id,
        what,
        bound: Bound::AtLeast(bound),
        subjects: subjects(&Version::ALL, &AES, directions, 16_384, contender, to),
    };
    vec![
        bare(
            "seal-16k-tls13",
            "EncryptMessage, 16 KiB, AES-GCM, TLS 1.3, to the bare AEAD",
            0.975,
            Tls13,
            Seal,
            16_384,
        ),
        bare(
            "seal-16k-tls12",
            "EncryptMessage, 16 KiB, AES-GCM, TLS 1.2, to the bare AEAD",
            0.99,
            Tls12,
            Seal,
            16_384,
        ),
        bare(
            "open-16k-tls13",
            "DecryptMessage, 16 KiB, AES-GCM, TLS 1.3, to the bare AEAD",
            0.985,
            Tls13,
            Open,
            16_384,
        ),
        bare(
            "open-16k-tls12",
            "DecryptMessage, 16 KiB, AES-GCM, TLS 1.2, to the bare AEAD",
            0.985,
            Tls12,
            Open,
            16_384,
        ),
        bare(
            "seal-1k-tls13",
            "EncryptMessage, 1 KiB, AES-GCM, TLS 1.3, to the bare AEAD",
            0.88,
            Tls13,
            Seal,
            1_024,
        ),
        bare(
            "seal-1k-tls12",
            "EncryptMessage, 1 KiB, AES-GCM, TLS 1.2, to the bare AEAD",
            0.96,
            Tls12,
            Seal,
            1_024,
        ),
        bare(
            "open-1k-tls13",
            "DecryptMessage, 1 KiB, AES-GCM, TLS 1.3, to the bare AEAD",
            0.92,
            Tls13,
            Open,
            1_024,
        ),
        bare(
            "open-1k-tls12",
            "DecryptMessage, 1 KiB, AES-GCM, TLS 1.2, to the bare AEAD",
            0.96,
            Tls12,
            Open,
            1_024,
        ),
        bare(
            "seal-64-tls13",
            "EncryptMessage, 64 B, AES-GCM, TLS 1.3, to the bare AEAD",
            0.79,
            Tls13,
            Seal,
            64,
        ),
        bare(
            "seal-64-tls12",
            "EncryptMessage, 64 B, AES-GCM, TLS 1.2, to the bare AEAD",
            0.92,
            Tls12,
            Seal,
            64,
        ),
        bare(
            "open-64-tls13",
            "DecryptMessage, 64 B, AES-GCM, TLS 1.3, to the bare AEAD",
            0.86,
            Tls13,
            Open,
            64,
        ),
        bare(
            "open-64-tls12",
            "DecryptMessage, 64 B, AES-GCM, TLS 1.2, to the bare AEAD",
            0.91,
            Tls12,
            Open,
            64,
        ),
        Goal {
            id: "chacha-16k",
            what: "both calls, 16 KiB, ChaCha20-Poly1305, to the bare AEAD",
            bound: Bound::AtLeast(0.98),
            subjects: subjects(
                &Version::ALL,
                &[Aead::ChaCha20Poly1305],
                &[Seal, Open],
                16_384,
                RUST_API,
                BARE,
            ),
        },
        others(
            "c-abi-16k",
            "both calls, 16 KiB, AES-GCM, C ABI to Rust API",
            0.99,
            &[Seal, Open],
            C_ABI,
            RUST_API,
        ),
        others(
            "seal-rustls",
            "EncryptMessage, 16 KiB, AES-GCM, to rustls, buffered",
            1.5,
            &[Seal],
            RUST_API,
            peers::RUSTLS_BUFFERED,
        ),
        others(
            "open-rustls",
            "DecryptMessage, 16 KiB, AES-GCM, to rustls, buffered",
            1.75,
            &[Open],
            RUST_API,
            peers::RUSTLS_BUFFERED,
        ),
        others(
            "openssl",
            "both calls, 16 KiB, AES-GCM, to OpenSSL",
            2.8,
            &[Seal, Open],
            RUST_API,
            peers::OPENSSL,
        ),
        others(
            "gnutls",
            "both calls, 16 KiB, AES-GCM, to GnuTLS",
            2.8,
            &[Seal, Open],
            RUST_API,
            peers::GNUTLS,
        ),
    ]
}

fn subjects(
    versions: &[Version],
    aeads: &[Aead],
    directions: &[Direction],
    len: usize,
    contender: &'static str,
    to: &'static str,
) -> Vec<Subject> {
    let mut all = Vec::new();
    for version in versions {
        for aead in aeads {
            for direction in directions {
                let verb = if *direction == Direction::Seal { "seal" } else { "open" };
                // What the goal's own words leave open.
                let label = [
                    (aeads.len() > 1).then(|| aead.to_string()),
                    (versions.len() > 1).then(|| version.to_string()),
                    (directions.len() > 1).then(|| verb.to_owned()),
                ];
                let label = label.into_iter().flatten().collect::<Vec<_>>().join(" ");
                let cell = cell(&Setup::records(*version, *aead), *direction, len);
                all.push(Subject { label, cell, contender, to: Some(to) });
            }
        }
    }
    all
}

/// Every cell: a setup, a direction, bytes of a record, records of a batch.
fn cells() -> impl Iterator<Item = (Setup, Direction, usize, usize)> {
    let setups =
        Version::ALL.into_iter().flat_map(|version| Aead::ALL.map(|aead| Setup::records(version, aead)));
    let kinds =
        setups.flat_map(|setup| [Direction::Seal, Direction::Open].map(|direction| (setup, direction)));
    kinds.flat_map(|(setup, direction)| {
        SIZES.map(|(len, count)| {
            let fewer = if direction == Direction::Open && len >= 4_096 { FEWER } else { 1 };
            let slower = if setup.aead == Aead::ChaCha20Poly1305 && len > 64 { SLOWER } else { 1 };
            (setup, direction, len, count / fewer / slower)
        })
    })
}

fn cell(setup: &Setup, direction: Direction, len: usize) -> Cell {
    Cell::new(NAME, table(setup.version, setup.aead, direction), column(len))
}

/// Opening has no pieces: the type byte lies behind the plaintext.
fn bare(version: Version, direction: Direction) -> &'static [(&'static str, TypeByte)] {
    let all = &[(BARE, TypeByte::Without), (BARE_TYPED, TypeByte::Behind), (BARE_APART, TypeByte::Apart)];
    match (version, direction) {
        (Version::Tls12, _) => &all[..1],
        (Version::Tls13, Direction::Open) => &all[..2],
        (Version::Tls13, Direction::Seal) => all,
    }
}

/// Scattered buffers make a difference for sealing only.
fn libraries(setup: &Setup, direction: Direction) -> Vec<Box<dyn Library>> {
    let mut all = peers::libraries();
    if direction == Direction::Seal {
        all.insert(1, Box::new(RustApi::SCATTERED));
    }
    all.retain(|library| library.supports(setup));
    all
}

fn contenders(setup: &Setup, direction: Direction, len: usize, count: usize) -> Vec<Box<dyn Contender>> {
    let mut all: Vec<Box<dyn Contender>> = Vec::new();
    for (name, type_byte) in bare(setup.version, direction) {
        let bare = Bare::new(setup.aead, setup.version, *type_byte, len);
        all.push(Box::new(Alone { name, bare, direction, count }));
    }
    for library in libraries(setup, direction) {
        let pair = establish(&*library.endpoints(setup));
        setup.check(&pair.client.negotiated());
        let wire = if direction == Direction::Open { Wire::keeping() } else { Wire::passing() };
        let mut plaintext = Slot::default();
        plaintext.set_len(len);
        all.push(Box::new(Records { name: library.name(), pair, direction, plaintext, count, wire }));
    }
    all
}

struct Alone {
    name: &'static str,
    bare: Bare,
    direction: Direction,
    count: usize,
}

impl Contender for Alone {
    fn name(&self) -> String {
        self.name.to_owned()
    }

    fn batch(&mut self, values: &mut Vec<f64>) {
        let Self { bare, count, .. } = self;
        let time = match self.direction {
            Direction::Seal => {
                bare.prepare();
                bare.seal_batch(1);
                wall(|| bare.seal_batch(*count))
            }
            Direction::Open => {
                bare.prepare_sealed(1);
                bare.open_batch();
                bare.prepare_sealed(*count);
                wall(|| bare.open_batch())
            }
        };
        values.push(time / *count as f64);
    }
}

/// The client seals, the server opens.
struct Records {
    name: &'static str,
    pair: Established,
    direction: Direction,
    plaintext: Slot,
    count: usize,
    wire: Wire,
}

impl Contender for Records {
    fn name(&self) -> String {
        self.name.to_owned()
    }

    fn batch(&mut self, values: &mut Vec<f64>) {
        let Self { pair: Established { client, server }, plaintext, count, wire, .. } = self;
        plaintext.set_len(plaintext.len());
        // Everybody begins with one record outside of the clock: what the others have pushed out of the caches is back then.
        let time = match self.direction {
            Direction::Seal => {
                client.prepare(plaintext, *count, wire);
                client.seal_batch(plaintext, 1, wire);
                wall(|| client.seal_batch(plaintext, *count, wire))
            }
            Direction::Open => {
                client.prepare(plaintext, 1, wire);
                client.seal_batch(plaintext, 1, wire);
                server.open_batch(wire);
                client.prepare(plaintext, *count, wire);
                client.seal_batch(plaintext, *count, wire);
                let mut opened = 0;
                let time = wall(|| opened = server.open_batch(wire));
                assert_eq!(opened, plaintext.len() * *count, "all of it");
                time
            }
        };
        values.push(time / *count as f64);
    }
}

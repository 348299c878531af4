//! The runs: what is enumerated, and from where.

use openschannel::credentials::{PostHandshake, Protocols};

use super::step::Act::{self, *};
use super::world::{Form, Rules};

/// One run: every interleaving of so many steps behind each of the beginnings.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    pub rules: Rules,
    pub beginnings: &'static [&'static str],
    /// Steps in `cargo test`, and in the extended run; none: the run is not in it.
    pub depth: usize,
    pub extended_depth: usize,
}

const TLS12: &[Act] = &[Data, Shutdown, Warning, Fatal, Record, Half, Cut, Reset, Delete];
const TLS13: &[Act] =
    &[Data, Shutdown, Warning, Fatal, Update, Ask, Answer, Record, Half, Cut, Reset, Delete];
const TOKENS: &[Act] =
    &[Data, Shutdown, Apply, NoRoom, Empty, Token, Fatal, Update, Ask, Record, Half, Cut, Delete];
const TOKENS12: &[Act] = &[Data, Shutdown, Apply, NoRoom, Empty, Token, Warning, Fatal, Record, Half, Cut];
const HOSTILE: &[Act] = &[Data, Shutdown, Ask, Fatal, Record, Cut, Early, Lose, Flip, Repeat, Swap, Forge];
const HOSTILE12: &[Act] =
    &[Data, Shutdown, Warning, Fatal, Record, Cut, Early, Lose, Flip, Repeat, Swap, Forge];

/// Nothing has happened; one side has closed; both have; a half-close with data in flight; two requests for new keys.
const BEGINNINGS: &[&str] = &["", "Cs Sr", "Ss Cr Cs Sr", "Sd Cs Sd", "CU Cd CU"];
const BEGINNINGS12: &[&str] = &["", "Cs Sr", "Ss Cr Cs Sr", "Sd Cs Sd", "Cw Cd Cw"];
const START: &[&str] = &[""];
/// A record of either kind is on its way to each side.
const UNDER_WAY: &[&str] = &["", "Su Sd Cd Cu"];
const UNDER_WAY12: &[&str] = &["", "Sd Cd Sw"];

const fn run(
    name: &'static str,
    version: Protocols,
    form: Form,
    acts: &'static [Act],
    beginnings: &'static [&'static str],
    depths: [usize; 2],
) -> Run {
    let rules = Rules { name, version, mode: PostHandshake::Quiet, form, tickets: false, acts };
    Run { rules, beginnings, depth: depths[0], extended_depth: depths[1] }
}

const fn compatible(run: Run) -> Run {
    Run { rules: Rules { mode: PostHandshake::Compatible, ..run.rules }, ..run }
}

const fn with_tickets(run: Run) -> Run {
    Run { rules: Rules { tickets: true, ..run.rules }, ..run }
}

pub const RUNS: &[Run] = &[
    run("tls12", Protocols::TLS1_2, Form::Context, TLS12, BEGINNINGS12, [3, 5]),
    run("tls12-tokens", Protocols::TLS1_2, Form::Context, TOKENS12, UNDER_WAY12, [3, 4]),
    run("tls12-hostile", Protocols::TLS1_2, Form::Context, HOSTILE12, UNDER_WAY12, [3, 4]),
    run("tls12-hostile-longer", Protocols::TLS1_2, Form::Context, HOSTILE12, START, [0, 5]),
    run("tls12-halves", Protocols::TLS1_2, Form::Consumed, TLS12, START, [3, 4]),
    run("tls13", Protocols::TLS1_3, Form::Context, TLS13, BEGINNINGS, [3, 4]),
    run("tls13-longer", Protocols::TLS1_3, Form::Context, TLS13, START, [0, 5]),
    run("tls13-tokens", Protocols::TLS1_3, Form::Context, TOKENS, UNDER_WAY, [3, 4]),
    run("tls13-hostile", Protocols::TLS1_3, Form::Context, HOSTILE, UNDER_WAY, [3, 4]),
    run("tls13-hostile-longer", Protocols::TLS1_3, Form::Context, HOSTILE, START, [0, 5]),
    run("tls13-halves", Protocols::TLS1_3, Form::Consumed, TLS13, START, [3, 4]),
    run("tls13-halves-kept", Protocols::TLS1_3, Form::Kept, TLS13, START, [3, 4]),
    compatible(run("tls13-halves-gated", Protocols::TLS1_3, Form::Gated, TLS13, UNDER_WAY, [3, 4])),
    compatible(run("tls13-compatible", Protocols::TLS1_3, Form::Context, TOKENS, BEGINNINGS, [3, 4])),
    with_tickets(run("tls13-tickets", Protocols::TLS1_3, Form::Context, TLS13, START, [3, 4])),
    compatible(with_tickets(run(
        "tls13-compatible-tickets",
        Protocols::TLS1_3,
        Form::Context,
        TOKENS,
        &["", "Cs", "Cs Cr"],
        [3, 4],
    ))),
];

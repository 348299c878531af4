//! `openschannel serve --www` beside other servers: requests and bytes in a second, and what connections take that wait.
//!
//! ```text
//!   core 0: one server at a time is asked     core 1: wrk, or this process with its 5,000 connections
//!           the others sleep in accept()
//! ```

mod live;
mod load;
mod servers;

use std::rc::Rc;

use crate::goals::{Bound, Goal, Subject};
use crate::measure::{Column, Contender, Rounds, compare};
use crate::report::{Cell, Measurement, Unit};
use crate::suites::{Plan, Progress, Suite};

use servers::{NGINX, NGINX_TUNED, OPENSSL, OWN, Servers};

/// The suite.
#[derive(Clone, Copy, Debug)]
pub struct Serve;

/// Its name.
pub const NAME: &str = "serve";

/// The column of what connections take.
const LIVE: &str = "5,000 connections";
/// Connections that wait.
const LIVE_CONNECTIONS: usize = 5_000;
/// What they may take: 64 MB.
const LIVE_BOUND: f64 = 64e6;

/// A run of wrk takes a second, so a round takes one for each server.
const ROUNDS: usize = 20;
/// Every server starts anew in each.
const LIVE_ROUNDS: usize = 3;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ask {
    /// Kept connections, a small answer each time.
    Small,
    /// A file much larger than any buffer.
    Large,
}

impl Ask {
    const ALL: [Self; 2] = [Self::Small, Self::Large];

    fn table(self) -> &'static str {
        match self {
            Self::Small => "1 KiB, connections kept",
            Self::Large => "10 MB file",
        }
    }

    fn column(self) -> &'static str {
        match self {
            Self::Small => "requests",
            Self::Large => "bytes",
        }
    }

    fn unit(self) -> Unit {
        match self {
            Self::Small => Unit::PerSecond,
            Self::Large => Unit::BytesPerSecond,
        }
    }

    /// Its name in the directory that is served.
    fn file(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::Large => "large",
        }
    }

    /// The length of the file.
    fn len(self) -> usize {
        match self {
            Self::Small => 1 << 10,
            Self::Large => 10_000_000,
        }
    }

    /// Who can be asked. `openssl s_server -WWW` ends the connection behind each answer and serves one after the other.
    fn servers(self) -> &'static [&'static str] {
        match self {
            Self::Small => &[OWN, NGINX, NGINX_TUNED],
            Self::Large => &[OWN, NGINX, NGINX_TUNED, OPENSSL],
        }
    }
}

impl Suite for Serve {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> &'static str {
        "`openschannel serve --www` beside nginx; wants cargo build --release, and apt-get install wrk nginx openssl"
    }

    fn method(&self) -> &'static str {
        "TLS 1.3, AES-128-GCM, one certificate (ECDSA P-256) for all, files in the page cache. Every server has core 0 and one worker; wrk \
         has core 1, one thread, and 32 connections (8 for the large file, for which `openssl s_server` opens a new one each time). A run \
         takes a second; servers take turns in random order. nginx: one process, `access_log off`, `sendfile on`, `tcp_nopush on`, \
         connections kept without end; *tuned* has `ssl_buffer_size 64k` and `open_file_cache` too. wrk decrypts with OpenSSL: what \
         it cannot take no server can give. *5,000 connections*: each has had a small answer and waits; what the server's resident \
         memory has grown by since it began to listen. The program is the one beside this one, or the one that OPENSCHANNEL_PROGRAM \
         names."
    }

    fn goals(&self) -> Vec<Goal> {
        let subject = |cell, to| Subject { label: String::new(), cell, contender: OWN, to };
        let mut goals: Vec<_> = [("serve-small", Ask::Small), ("serve-large", Ask::Large)]
            .map(|(id, ask)| Goal {
                id,
                what: match ask {
                    Ask::Small => "serve, 1 KiB over kept connections, to nginx",
                    Ask::Large => "serve, a 10 MB file, to nginx",
                },
                bound: Bound::AtLeast(0.9),
                subjects: vec![subject(cell(ask), Some(NGINX))],
            })
            .into();
        goals.push(Goal {
            id: "serve-live",
            what: "serve, memory of 5,000 live connections",
            bound: Bound::AtMost(LIVE_BOUND),
            subjects: vec![subject(live_cell(), None)],
        });
        goals
    }

    fn steps(&self, _plan: &Plan) -> usize {
        Ask::ALL.len() + 1
    }

    fn promises(&self, _plan: &Plan) -> Vec<(Cell, String)> {
        let asked = Ask::ALL
            .into_iter()
            .flat_map(|ask| ask.servers().iter().map(move |name| (cell(ask), (*name).to_owned())));
        asked.chain([OWN, NGINX].map(|name| (live_cell(), name.to_owned()))).collect()
    }

    fn run(&self, plan: &Plan, progress: &mut dyn Progress) -> Result<Vec<Measurement>, String> {
        let site = Rc::new(servers::Site::make()?);
        let mut all = Vec::new();
        let missing = servers::missing();
        let without = if missing.is_empty() { String::new() } else { format!(" (without {missing})") };
        {
            let servers = Servers::start(&site)?;
            let wrk = Rc::new(load::Wrk::find(&site)?);
            for ask in Ask::ALL {
                progress.next(&format!("{}{without}", ask.table()));
                let mut contenders: Vec<Box<dyn Contender>> = Vec::new();
                for server in servers.all.iter().filter(|server| ask.servers().contains(&server.name)) {
                    let (server, wrk) = (Rc::clone(server), Rc::clone(&wrk));
                    contenders.push(Box::new(load::Asked { server, wrk, ask }));
                }
                let columns = [Column { cell: cell(ask), unit: ask.unit() }];
                let rounds = Rounds { warm_up: 1, ..plan.rounds(ROUNDS) };
                all.extend(compare(&columns, &mut contenders, &[NGINX, NGINX_TUNED, OWN], rounds));
            }
        }
        progress.next(&format!("{LIVE}{without}"));
        live::raise_limit(LIVE_CONNECTIONS)?;
        let mut contenders: Vec<Box<dyn Contender>> = Vec::new();
        for name in [OWN, NGINX] {
            if servers::is_there(name) {
                let site = Rc::clone(&site);
                contenders.push(Box::new(live::Live { name, site, connections: LIVE_CONNECTIONS }));
            }
        }
        let columns = [Column { cell: live_cell(), unit: Unit::Bytes }];
        let rounds = Rounds { warm_up: 0, ..plan.rounds(LIVE_ROUNDS) };
        all.extend(compare(&columns, &mut contenders, &[NGINX, OWN], rounds));
        Ok(all)
    }
}

fn cell(ask: Ask) -> Cell {
    Cell::new(NAME, ask.table(), ask.column())
}

fn live_cell() -> Cell {
    Cell::new(NAME, "memory of connections that wait", LIVE)
}

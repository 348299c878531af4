//! What is asked: one end of a connection, in one state of the subject, in one version, with the subject in one role.

use std::fmt;

use openschannel::Role;
use openschannel::credentials::Protocols;

/// What the conductor does to the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum End {
    /// A close_notify. The TCP connection stays open behind it.
    Clean,
    /// A FIN between two records.
    Fin,
    /// A FIN inside a record.
    FinInside,
    /// A TCP reset.
    Rst,
    /// The fatal alert [`ALERT`]. The TCP connection stays open behind it.
    Alert,
    /// Nothing: the subject is asked how the connection stands.
    Silence,
}

/// internal_error: no implementation has a reason to send it here by itself.
pub const ALERT: u8 = 80;

/// What the subject is doing meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// It reads.
    Idle,
    /// It writes, and somebody reads that.
    Sending,
    /// It writes more than anybody reads, so that the write cannot finish.
    Blocked,
    /// It has sent its close_notify and reads.
    Closed,
    /// It has asked for a KeyUpdate that does not come.
    KeyUpdateAsked,
    /// It was asked for a KeyUpdate right before the end.
    KeyUpdateOwed,
    /// Session tickets are under way: to it if it is the client, from it if it is the server.
    Tickets,
    /// The first flight has been sent.
    Handshake,
}

/// The protocol version, the only one the subject offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// TLS 1.2.
    Tls12,
    /// TLS 1.3.
    Tls13,
}

/// One question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cell {
    /// What happens.
    pub end: End,
    /// In the middle of what.
    pub state: State,
    /// In which version.
    pub version: Version,
    /// The subject's role.
    pub role: Role,
}

impl Cell {
    /// All there are, in the order of the table.
    pub fn all() -> impl Iterator<Item = Self> {
        State::ALL.into_iter().flat_map(|state| {
            End::ALL.into_iter().flat_map(move |end| {
                Version::ALL.into_iter().filter(move |version| state.exists_in(*version)).flat_map(
                    move |version| {
                        [Role::Client, Role::Server].map(|role| Self { end, state, version, role })
                    },
                )
            })
        })
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { end, state, version, role } = self;
        write!(f, "{state} {end} {version} {}", role_name(*role))
    }
}

impl End {
    /// In the order of the table.
    pub const ALL: [Self; 6] =
        [Self::Clean, Self::Fin, Self::FinInside, Self::Rst, Self::Alert, Self::Silence];

    /// As a column's title.
    pub fn title(self) -> &'static str {
        match self {
            Self::Clean => "close_notify",
            Self::Fin => "FIN between records",
            Self::FinInside => "FIN inside a record",
            Self::Rst => "RST",
            Self::Alert => "fatal alert",
            Self::Silence => "silence",
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Clean => "clean",
            Self::Fin => "fin",
            Self::FinInside => "fin-inside",
            Self::Rst => "rst",
            Self::Alert => "alert",
            Self::Silence => "silence",
        })
    }
}

impl State {
    /// In the order of the table.
    pub const ALL: [Self; 8] = [
        Self::Idle,
        Self::Sending,
        Self::Blocked,
        Self::Closed,
        Self::KeyUpdateAsked,
        Self::KeyUpdateOwed,
        Self::Tickets,
        Self::Handshake,
    ];

    /// Whether there is such a thing in that version: TLS 1.2 has no KeyUpdate, and its tickets belong to the handshake.
    pub fn exists_in(self, version: Version) -> bool {
        version == Version::Tls13
            || !matches!(self, Self::KeyUpdateAsked | Self::KeyUpdateOwed | Self::Tickets)
    }

    /// As a row's title.
    pub fn title(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Sending => "sending",
            Self::Blocked => "blocked in a write",
            Self::Closed => "already closed",
            Self::KeyUpdateAsked => "KeyUpdate asked for",
            Self::KeyUpdateOwed => "KeyUpdate owed",
            Self::Tickets => "tickets under way",
            Self::Handshake => "in the handshake",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Idle => "idle",
            Self::Sending => "sending",
            Self::Blocked => "blocked",
            Self::Closed => "closed",
            Self::KeyUpdateAsked => "key-update-asked",
            Self::KeyUpdateOwed => "key-update-owed",
            Self::Tickets => "tickets",
            Self::Handshake => "handshake",
        })
    }
}

impl Version {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Tls12, Self::Tls13];

    /// As the provider names it.
    pub fn protocols(self) -> Protocols {
        match self {
            Self::Tls12 => Protocols::TLS1_2,
            Self::Tls13 => Protocols::TLS1_3,
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tls12 => "1.2",
            Self::Tls13 => "1.3",
        })
    }
}

/// `client` or `server`.
pub fn role_name(role: Role) -> &'static str {
    match role {
        Role::Client => "client",
        Role::Server => "server",
    }
}

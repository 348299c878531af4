//! Why subjects deviate from the table. A deviation without a reason fails the document and its check, and so does a reason whose
//! deviation does not come.

use openschannel::Role;

use crate::cell::{Cell, End, State, Version};
use crate::judge::Judgement;

/// A reason for some cells of some subjects.
#[derive(Clone, Copy, Debug)]
pub struct Reason {
    /// [`Subject::name`](crate::subject::Subject::name)s.
    pub subjects: &'static [&'static str],
    /// Which ends; empty for all.
    pub ends: &'static [End],
    /// Which states; empty for all.
    pub states: &'static [State],
    /// Which versions; empty for both.
    pub versions: &'static [Version],
    /// Which roles; empty for both.
    pub roles: &'static [Role],
    /// What is observed in place of what is expected, more than one thing where chance decides: the text of [`Judgement::Deviates`], or
    /// [`UNSUPPORTED`].
    pub observed: &'static [&'static str],
    /// Whether what is expected comes too, by chance.
    pub sometimes: bool,
    /// Why, in whole sentences.
    pub why: &'static str,
}

/// The subject cannot play the part.
pub const UNSUPPORTED: &str = "unsupported";

/// All reasons. Those of a subject stand together; the first that fits counts.
pub static REASONS: &[Reason] = &[
    Reason {
        subjects: &["gnutls"],
        ends: &[End::FinInside],
        observed: &["failed"],
        why: "gnutls_record_recv and gnutls_handshake give GNUTLS_E_UNEXPECTED_PACKET_LENGTH, as for a record that was sealed too short: \
              a record cut by the transport's end is an error, but no call tells that it is this one (GnuTLS 3.7.9, lib/record.c, \
              recv_headers and _gnutls_recv_in_buffers). Between two records the end has a code of its own.",
        ..ANY
    },
    Reason {
        subjects: &["gnutls"],
        ends: &[End::Clean],
        states: &[State::Handshake],
        versions: &[Version::Tls13],
        roles: &[Role::Server],
        observed: &["alert:90"],
        why: "In TLS 1.3 GnuTLS takes every alert but close_notify for a fatal one, user_canceled too (GnuTLS 3.7.9, lib/record.c, \
              record_add_to_buffers; OpenJDK met it as JDK-8282600). RFC 8446 section 6.1 has user_canceled among the closure alerts and \
              a close_notify behind it. Before the version is settled it is a warning here as well, so a client is not concerned.",
        ..ANY
    },
    Reason {
        subjects: &["rustls"],
        ends: &[End::Clean],
        states: &[State::Handshake],
        versions: &[Version::Tls12],
        observed: &["open"],
        why: UNAUTHENTICATED,
        ..ANY
    },
    Reason {
        subjects: &["rustls"],
        ends: &[End::Clean],
        states: &[State::Handshake],
        versions: &[Version::Tls13],
        roles: &[Role::Client],
        observed: &["open"],
        why: UNAUTHENTICATED,
        ..ANY
    },
    Reason {
        subjects: &["go"],
        states: &[State::KeyUpdateAsked],
        observed: &[UNSUPPORTED],
        why: "crypto/tls has no call that sends a KeyUpdate. It answers them (src/crypto/tls/conn.go, handleKeyUpdate).",
        ..ANY
    },
    Reason {
        subjects: &["go"],
        ends: &[End::Fin],
        observed: &["closed"],
        why: "crypto/tls gives io.EOF for a FIN between two records as for a close_notify, on purpose: its readRecordOrCCS \
              (src/crypto/tls/conn.go) says that RFC 8446 section 6.1 would have it an error and that web sites do it. No setting changes \
              that. A program can know by a net.Conn of its own below, which sees the FIN; inside a record it is told \
              io.ErrUnexpectedEOF.",
        ..ANY
    },
    Reason {
        subjects: &["go"],
        ends: &[End::Clean],
        states: &[State::Handshake],
        versions: &[Version::Tls13],
        roles: &[Role::Server],
        observed: &["alert:90"],
        why: "In TLS 1.3 Go 1.19 takes every alert but close_notify for an error, user_canceled too (src/crypto/tls/conn.go, \
              readRecordOrCCS). Later versions pass over it, because of JDK-8323517. A client does not know the version yet and passes \
              over it in any case.",
        ..ANY
    },
    Reason {
        subjects: &["java"],
        ends: &[End::Clean],
        states: &[State::KeyUpdateAsked],
        observed: &["failed"],
        why: "JSSE asks for a KeyUpdate when a key has done so much (jdk.tls.keyLimits), and asks again with every record while the answer \
              is out (JDK-8329548). At the close_notify it does so too, because tryKeyUpdate of JDK 17.0.15 looks at the outbound direction \
              only; startHandshake then throws \"Socket has been closed or broken\", and the orderly end is told as a failure \
              (sun/security/ssl/SSLSocketImpl.java; later versions look at both directions).",
        ..ANY
    },
];

const UNAUTHENTICATED: &str = "As long as no application data may come, rustls takes no close_notify for an end, since nobody has \
                               authenticated it; it goes on waiting for the handshake (rustls 0.23, src/common_state.rs, process_alert). \
                               A program sees the end when the transport ends.";

const ANY: Reason = Reason {
    subjects: &[],
    ends: &[],
    states: &[],
    versions: &[],
    roles: &[],
    observed: &[],
    sometimes: false,
    why: "",
};

/// One of each kind: what stands in the document is the same for several entries where their cells cannot be named in one.
pub fn distinct() -> Vec<&'static Reason> {
    let mut distinct: Vec<&Reason> = Vec::new();
    for reason in REASONS {
        if !distinct.iter().any(|known| known.is_like(reason)) {
            distinct.push(reason);
        }
    }
    distinct
}

/// The reason for a cell of a subject.
pub fn reason(subject: &str, cell: Cell) -> Option<&'static Reason> {
    REASONS.iter().find(|reason| reason.fits(subject, cell))
}

/// Whether what became of a cell is what the reasons say; a sentence if it is not.
pub fn check(subject: &str, cell: Cell, judgement: &Judgement) -> Result<(), String> {
    let reason = reason(subject, cell);
    let observed = match judgement {
        Judgement::Pass if reason.is_none_or(|reason| reason.sometimes) => return Ok(()),
        Judgement::Pass => "as expected",
        Judgement::Deviates(observed) => observed,
        Judgement::Unsupported(_) => UNSUPPORTED,
        Judgement::Broken(why) => return Err(format!("broken: {why}")),
    };
    match reason {
        Some(reason) if reason.observed.contains(&observed) => Ok(()),
        Some(reason) => Err(format!("{observed}; the reason is for {}", reason.text())),
        None => Err(format!("{observed}, and there is no reason")),
    }
}

impl Reason {
    /// What is observed, as one text.
    pub fn text(&self) -> String {
        let observed = self.observed.join(" or ");
        if self.sometimes { format!("{observed} by chance") } else { observed }
    }

    /// Whether it says the same.
    pub fn is_like(&self, other: &Self) -> bool {
        (self.subjects, self.text(), self.why) == (other.subjects, other.text(), other.why)
    }

    fn fits(&self, subject: &str, cell: Cell) -> bool {
        fn among<T: PartialEq>(list: &[T], one: T) -> bool {
            list.is_empty() || list.contains(&one)
        }
        self.subjects.contains(&subject)
            && among(self.ends, cell.end)
            && among(self.states, cell.state)
            && among(self.versions, cell.version)
            && among(self.roles, cell.role)
    }
}

//! Verdicts, and how they are reached from what was seen: pure functions.

use std::fmt;

use serde::Serialize;

use super::seen::{End, Manner, Seen};

/// What a server's behaviour is worth, the better the smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Verdict {
    /// The question does not exist here, or could not be answered.
    NotApplicable,
    /// As the RFCs have it.
    Good,
    /// Off the rule, or at its edge, without harm to a peer that keeps it.
    Tolerable,
    /// Against a rule, and somebody pays: data is lost, a cut cannot be told from an end, or somebody waits for nothing.
    Bad,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::NotApplicable => "-",
            Self::Good => "good",
            Self::Tolerable => "tolerable",
            Self::Bad => "bad",
        })
    }
}

/// A verdict and what was found, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Judgement {
    pub(super) verdict: Verdict,
    pub(super) finding: String,
}

impl Judgement {
    pub(super) fn new(verdict: Verdict, finding: impl Into<String>) -> Self {
        Self { verdict, finding: finding.into() }
    }

    pub(super) fn good(finding: impl Into<String>) -> Self {
        Self::new(Verdict::Good, finding)
    }

    pub(super) fn tolerable(finding: impl Into<String>) -> Self {
        Self::new(Verdict::Tolerable, finding)
    }

    pub(super) fn bad(finding: impl Into<String>) -> Self {
        Self::new(Verdict::Bad, finding)
    }

    pub(super) fn not_applicable(finding: impl Into<String>) -> Self {
        Self::new(Verdict::NotApplicable, finding)
    }

    /// The worse of two, with both findings.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            verdict: self.verdict.max(other.verdict),
            finding: format!("{}; {}", self.finding, other.finding),
        }
    }
}

/// The end of a connection that was closed to the server, or by it.
pub(super) fn of_end(seen: &Seen) -> Verdict {
    if seen.behind_close > 0 || seen.broken.is_some() {
        return Verdict::Bad;
    }
    match (seen.manner(), seen.close) {
        (Manner::InOrder, Some(close)) if close.is_plain() => Verdict::Good,
        (Manner::InOrder | Manner::TcpOpen | Manner::CloseThenReset, _) => Verdict::Tolerable,
        _ => Verdict::Bad,
    }
}

/// The answer to a close_notify.
pub(super) fn answer(seen: &Seen) -> Judgement {
    Judgement::new(of_answer(seen), seen.words())
}

/// As [`of_end`] where this side has closed first: it needs not wait for an answer, and nothing was under way that a bare FIN could hide.
fn of_answer(seen: &Seen) -> Verdict {
    match seen.manner() {
        Manner::Fin if !seen.inside_record && seen.broken.is_none() => Verdict::Tolerable,
        _ => of_end(seen),
    }
}

/// The answer to a close_notify that came in an unusual way, against the answer to an ordinary one.
pub(super) fn variant(seen: &Seen, ordinary: Option<&Seen>) -> Judgement {
    let Some(ordinary) = ordinary else {
        return Judgement::not_applicable("it is not known how the server answers an ordinary close_notify");
    };
    let verdict = match of_answer(seen) {
        // It is no worse than always, and what is always so has a question of its own.
        _ if (seen.behind_close == 0 || ordinary.behind_close > 0)
            && seen.broken.is_none()
            && seen.inside_record == ordinary.inside_record
            && seen.manner() <= ordinary.manner() =>
        {
            Verdict::Good
        }
        verdict => verdict,
    };
    let same = if seen.manner() == ordinary.manner() { ", as to any close_notify" } else { "" };
    Judgement::new(verdict, format!("{}{same}", seen.words()))
}

/// A connection that the server has ended by itself, behind a response or in its place.
pub(super) fn own_end(seen: &Seen) -> Judgement {
    if let Some(untold) = endless(seen) {
        return untold;
    }
    let response = match &seen.response {
        Some(response) if response.status != 0 => Some(response),
        _ => None,
    };
    let verdict = of_end(seen);
    match response {
        Some(response) if !response.complete && !response.close_delimited => {
            Judgement::bad(format!("the response is cut at {} bytes; {}", response.body, seen.words()))
        }
        Some(response) if verdict == Verdict::Bad && response.close_delimited => Judgement::bad(format!(
            "{}, behind a response without a length: nobody can tell whether it was whole",
            seen.words()
        )),
        _ => Judgement::new(verdict, seen.words()),
    }
}

/// A response that went on for longer than anybody reads: its end was not seen.
fn endless(seen: &Seen) -> Option<Judgement> {
    let endless = seen.endless && seen.manner() == Manner::Nothing;
    endless
        .then(|| Judgement::not_applicable(format!("the end of the response was not seen: {}", seen.words())))
}

/// As [`own_end`] for a connection with nothing under way: behind a whole response a missing close_notify hides no cut.
pub(super) fn idle_end(seen: &Seen, limit: f64) -> Judgement {
    if seen.manner() == Manner::Nothing {
        return Judgement::not_applicable(format!(
            "still open after {limit:.0} s without a request; --idle-limit SECONDS waits longer"
        ));
    }
    let response_whole = seen.response.is_some_and(|response| response.complete);
    match (seen.manner(), seen.behind_close) {
        // How late a close_notify is has no meaning here.
        (Manner::InOrder, 0) if seen.close.is_some_and(|close| close.is_plain() || close.is_late()) => {
            Judgement::good(format!("close_notify, then FIN, after {:.1} s", seen.waited.as_secs_f64()))
        }
        (Manner::Fin, _) if response_whole && !seen.inside_record => Judgement::tolerable(format!(
            "FIN without close_notify after {:.1} s; the response before was whole",
            seen.waited.as_secs_f64()
        )),
        (Manner::Alert, _) => Judgement::tolerable(seen.words()),
        _ => Judgement::new(of_end(seen), seen.words()),
    }
}

/// What came of a response behind this side's close_notify; `whole` is its length otherwise.
pub(super) fn half_close(seen: &Seen, whole: u64, is_tls13: bool) -> Judgement {
    if let Some(untold) = endless(seen) {
        return untold;
    }
    let (status, complete, body) =
        seen.response.map_or((0, false, 0), |response| (response.status, response.complete, response.body));
    let delivered = status != 0 && body >= whole && complete;
    let ended = seen.words();
    if seen.behind_close > 0 || seen.broken.is_some() {
        return Judgement::bad(ended);
    }
    if delivered {
        return match seen.manner() {
            Manner::InOrder | Manner::TcpOpen => Judgement::good(format!("all {body} bytes; {ended}")),
            Manner::CloseThenReset => Judgement::tolerable(format!("all {body} bytes; {ended}")),
            _ => Judgement::tolerable(format!("all {body} bytes, but {ended}")),
        };
    }
    let came = if status == 0 { "no response".to_owned() } else { format!("{body} of {whole} bytes") };
    let finding = format!("{came}; {ended}");
    match (seen.manner(), is_tls13) {
        // A part that is said to be the whole.
        _ if status != 0 && complete => Judgement::bad(format!("{finding}: the part looks whole")),
        (Manner::InOrder | Manner::TcpOpen, false) => Judgement::good(finding),
        // TLS 1.2 has the rest dropped; only the manner is off.
        (Manner::CloseThenReset | Manner::Reset, false) => Judgement::tolerable(finding),
        (Manner::InOrder | Manner::TcpOpen | Manner::CloseThenReset, _) => Judgement::tolerable(finding),
        (Manner::Fin, _) if status == 0 => Judgement::tolerable(finding),
        _ => Judgement::bad(finding),
    }
}

/// What came of a second close_notify behind the first.
pub(super) fn double_close(seen: &Seen, ordinary: Option<&Seen>) -> Judgement {
    match seen.manner() {
        // As with data: nobody waits for anything, and the second one lay unread.
        Manner::Reset if ordinary.is_some_and(|ordinary| ordinary.manner() < Manner::Reset) => {
            Judgement::tolerable(format!("{}, as the second lay unread", seen.words()))
        }
        _ => variant(seen, ordinary),
    }
}

/// What came of data behind this side's close_notify.
pub(super) fn data_behind(seen: &Seen, ordinary: Option<&Seen>) -> Judgement {
    if ordinary.is_some_and(|ordinary| ordinary.endless) {
        return Judgement::not_applicable("the server goes on sending behind any close_notify");
    }
    // Some servers answer every close_notify, with an error page for the request that did not come.
    if seen.data > ordinary.map_or(0, |ordinary| ordinary.data) {
        return Judgement::bad(format!("{} bytes in answer to it; {}", seen.data, seen.words()));
    }
    match seen.manner() {
        // The bytes it ignored lay unread when it closed.
        Manner::CloseThenReset => Judgement::tolerable(seen.words()),
        Manner::Reset if ordinary.is_some_and(|ordinary| ordinary.manner() < Manner::Reset) => {
            Judgement::tolerable(format!("{}, as the data lay unread", seen.words()))
        }
        Manner::Alert => Judgement::tolerable(format!("{}: it is to be ignored", seen.words())),
        _ => variant(seen, ordinary),
    }
}

/// A close_notify of level fatal: either an end like any other, or in TLS 1.2 an error that ends the connection at once.
pub(super) fn fatal_close(seen: &Seen, ordinary: Option<&Seen>, is_tls13: bool) -> Judgement {
    match seen.manner() {
        Manner::Fin | Manner::Reset if !is_tls13 => {
            Judgement::good(format!("{}: taken for a fatal alert", seen.words()))
        }
        Manner::Fin | Manner::Reset => {
            let judged = variant(seen, ordinary);
            Judgement { verdict: judged.verdict.min(Verdict::Tolerable), ..judged }
        }
        Manner::Alert => Judgement::tolerable(seen.words()),
        _ => variant(seen, ordinary),
    }
}

/// A fatal alert, with a request behind it.
pub(super) fn fatal_alert(seen: &Seen) -> Judgement {
    let status = seen.response.map_or(0, |response| response.status);
    match (seen.data, status, seen.end) {
        (0, ..) => {}
        // A farewell that the client will not read: the connection is over all the same.
        (_, 400.., End::Fin | End::Reset) => {
            return Judgement::tolerable(format!("an error response ({status}) behind it; {}", seen.words()));
        }
        (bytes, ..) => {
            return Judgement::bad(format!("{bytes} bytes of data behind it; {}", seen.words()));
        }
    }
    match seen.end {
        End::Fin | End::Reset => Judgement::good(seen.words()),
        End::Open => Judgement::bad(seen.words()),
    }
}

/// user_canceled and close_notify inside the handshake.
pub(super) fn cancel(seen: &Seen) -> Judgement {
    match seen.end {
        End::Fin => Judgement::good("the server ends the connection"),
        End::Reset => Judgement::good("the server ends the connection by RST; there is no data to lose"),
        End::Open => Judgement::bad(format!(
            "the server still holds the connection after {:.1} s",
            seen.waited.as_secs_f64()
        )),
    }
}

/// Data that the server need not read lies behind a request with `Connection: close`.
pub(super) fn unread_upload(seen: &Seen) -> Judgement {
    if let Some(untold) = endless(seen) {
        return untold;
    }
    let response = seen.response.unwrap_or_default();
    let whole = response.status != 0 && response.complete;
    let ended = seen.words();
    match (whole, seen.manner()) {
        (true, Manner::InOrder | Manner::TcpOpen) if seen.behind_close == 0 => {
            Judgement::good(format!("unread upload: the response is whole; {ended}"))
        }
        (true, Manner::CloseThenReset) => Judgement::tolerable(format!(
            "unread upload: {ended}; here the response was whole, over a slow line it could be destroyed"
        )),
        (true, Manner::Reset) => Judgement::tolerable(format!(
            "unread upload: the response was whole by its length, then {ended}, which over a slow line can destroy it"
        )),
        (_, Manner::Reset | Manner::CloseThenReset) => {
            Judgement::bad(format!("unread upload: {} bytes of the response, then {ended}", response.body))
        }
        (false, Manner::Nothing) => Judgement::not_applicable(format!("unread upload: {ended}")),
        // What is wrong with this end it has in common with others, which have questions of their own.
        (_, _) => Judgement::good(format!("unread upload: no RST; {ended}")),
    }
}

/// The server was sending more than this side had read when this side closed.
pub(super) fn unread_download(seen: &Seen, is_tls13: bool) -> Judgement {
    if let Some(untold) = endless(seen) {
        return untold;
    }
    let response = seen.response.unwrap_or_default();
    let ended = seen.words();
    match seen.manner() {
        Manner::Reset | Manner::CloseThenReset if response.complete => {
            Judgement::tolerable(format!("closing while it sends: all {} bytes, {ended}", response.body))
        }
        Manner::Reset | Manner::CloseThenReset => {
            // TLS 1.2 has the rest dropped; only the manner is off.
            let verdict = if is_tls13 { Verdict::Bad } else { Verdict::Tolerable };
            Judgement::new(
                verdict,
                format!("closing while it sends: {} bytes came, then {ended}", response.body),
            )
        }
        Manner::Nothing => Judgement::bad(format!("closing while it sends: {ended}")),
        _ if response.complete || !is_tls13 => {
            Judgement::good(format!("closing while it sends: {} bytes, {ended}", response.body))
        }
        _ => Judgement::tolerable(format!(
            "closing while it sends: it stops at {} bytes, {ended}",
            response.body
        )),
    }
}

/// Resumption behind a connection that was cut; `control`: behind one that was ended in order.
pub(super) fn resumption(behind_cut: bool, control: Option<bool>) -> Judgement {
    match (behind_cut, control) {
        (true, _) => Judgement::good("resumed behind a connection that was cut"),
        (false, Some(true)) => Judgement::tolerable(
            "resumed behind an orderly end, and not behind a cut: a full handshake each time",
        ),
        (false, _) => Judgement::not_applicable("the server resumes no sessions"),
    }
}

#[cfg(test)]
mod tests;

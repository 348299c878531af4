//! Asks all questions, a few at a time.
//!
//! ```text
//!   for each version: answers-close, ends-connection-close    which versions, whether HTTP, what the others compare with
//!     |
//!     v
//!   can two connections be open at once? -- no --> one at a time, the idle ones last
//!     |
//!    yes --> four at once, the idle ones beside them
//! ```

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use openschannel::status::ErrorStatus;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};

use crate::exit::Failure;
use crate::options::Version;

use super::log::{Log, Who};
use super::progress;
use super::question::Question;
use super::questions::{Asking, Known, connection_close};
use super::report::{Answer, Report};
use super::setup::Setup;
use super::verdict::Judgement;
use super::wire::{Cause, NoConnection, Wire};

/// Connections at once, idle ones not counted: a probe is no load test.
const MAX_AT_ONCE: usize = 4;

/// Idle ones beside them: one for each version.
const MAX_IDLE: usize = 2;

/// For one question, idle time not counted: several silences of the default length, or a large response over a slow line.
const QUESTION_TIME: Duration = Duration::from_secs(60);

/// For all questions, idle time not counted: what is not asked by then is not asked.
const PROBE_TIME: Duration = Duration::from_secs(600);

/// For a second handshake while the first connection is open; a server that serves one at a time lets it wait.
const SECOND_TIME: Duration = Duration::from_secs(2);

pub(super) async fn probe(setup: Setup, target: String, versions: &[Version]) -> Result<Report, Failure> {
    let mut run = Run {
        deadline: Instant::now() + PROBE_TIME + setup.idle_limit,
        setup: Arc::new(setup),
        answers: Vec::new(),
        all: Question::ALL.len() * 2,
    };
    let mut refused = Vec::new();
    let mut ready = Vec::new();
    for version in [Version::Tls12, Version::Tls13] {
        if !versions.contains(&version) {
            run.leave_out(version, "not asked: --protocol names the other version");
            continue;
        }
        match run.begin(version).await? {
            Ok(known) => ready.push((version, known)),
            Err(reason) => refused.push((version, reason)),
        }
    }
    if ready.is_empty() {
        let reason = refused.into_iter().next_back().map(|(_, reason)| reason);
        let reason = reason.unwrap_or_else(|| "no version was asked for".to_owned());
        return Err(Failure::new(reason).hint(
            "no TLS 1.2 or 1.3 connection can be made; does the server speak TLS there, or does it need --starttls \
             or --sni?",
        ));
    }
    for (version, reason) in refused {
        run.leave_out(version, &format!("the server does not speak this version: {reason}"));
    }
    let speaks_http = ready.iter().any(|(_, known)| known.small.is_some());
    run.ask_all(ready).await;
    let starttls = run.setup.starttls.map(|protocol| protocol.to_string());
    let http_path = run.setup.http_path.clone().filter(|_| speaks_http);
    Ok(Report::new(target, starttls, http_path, run.answers))
}

struct Run {
    setup: Arc<Setup>,
    deadline: Instant,
    answers: Vec<Answer>,
    all: usize,
}

impl Run {
    /// The first two questions. What is wrong with the certificate or the network ends the probe; a refused version does not.
    async fn begin(&mut self, version: Version) -> Result<Result<Known, String>, Failure> {
        let mut asking = self.asking(version, Known::default());
        self.show(Question::AnswersClose);
        let ordinary = match asking.ordinary().await {
            Ok((judgement, seen)) => {
                self.answer(Question::AnswersClose, &asking, judgement);
                seen
            }
            Err(failed) if matches!(failed.cause, Cause::Refused) => return Ok(Err(failed.what)),
            Err(NoConnection { cause: Cause::Here(ErrorStatus::AlgorithmMismatch), what }) => {
                return Ok(Err(what));
            }
            Err(failed) => return Err(failure(failed)),
        };
        let mut known = Known { ordinary: Some(ordinary), small: None };
        if self.setup.http_path.is_some() {
            asking = self.asking(version, known.clone());
            self.show(Question::EndsConnectionClose);
            match connection_close(&asking).await {
                Ok((judgement, small)) => {
                    known.small = small;
                    self.answer(Question::EndsConnectionClose, &asking, judgement);
                }
                Err(failed) => self.answer(Question::EndsConnectionClose, &asking, unasked(&failed)),
            }
        }
        Ok(Ok(known))
    }

    async fn ask_all(&mut self, ready: Vec<(Version, Known)>) {
        let Some((first, _)) = ready.first() else { return };
        let at_once = self.is_parallel(*first).await;
        let mut queue = VecDeque::new();
        let mut idle = VecDeque::new();
        for question in Question::ALL {
            for (version, known) in &ready {
                if self.answers.iter().any(|known| known.id == *question && known.protocol == *version) {
                    continue;
                }
                let asking = self.asking(*version, known.clone());
                if let Some(reason) = without_asking(*question, &asking) {
                    self.answer(*question, &asking, Judgement::not_applicable(reason));
                } else if *question == Question::EndsIdle {
                    idle.push_back((*question, asking));
                } else {
                    queue.push_back((*question, asking));
                }
            }
        }
        let limit = if at_once {
            for asking in idle.into_iter().rev() {
                queue.push_front(asking);
            }
            MAX_AT_ONCE + MAX_IDLE
        } else {
            queue.extend(idle);
            1
        };
        let mut asked = JoinSet::new();
        loop {
            while asked.len() < limit
                && let Some((question, asking)) = queue.pop_front()
            {
                self.show(question);
                asked.spawn(ask(question, asking, self.deadline));
            }
            match asked.join_next().await {
                Some(Ok((question, asking, judgement))) => self.answer(question, &asking, judgement),
                Some(Err(_)) => {}
                None => return,
            }
        }
    }

    /// Whether a second connection is served while the first is open.
    async fn is_parallel(&self, version: Version) -> bool {
        let log = Log::new();
        let Ok(mut first) = Wire::connect(&self.setup, version, &log).await else { return false };
        let second = timeout(SECOND_TIME, Wire::connect(&self.setup, version, &log)).await;
        let mut both = vec![&mut first];
        let mut second = second.ok().and_then(Result::ok);
        let is_parallel = second.is_some();
        both.extend(second.as_mut());
        for wire in both {
            let close = wire.close();
            wire.send(&close, "close_notify").await;
            wire.send_fin().await;
        }
        is_parallel
    }

    fn asking(&self, version: Version, known: Known) -> Asking {
        Asking { setup: Arc::clone(&self.setup), version, log: Log::new(), known }
    }

    fn answer(&mut self, question: Question, asking: &Asking, judgement: Judgement) {
        self.answers.push(Answer::new(question, asking.version, judgement, asking.log.take()));
    }

    fn leave_out(&mut self, version: Version, reason: &str) {
        for question in Question::ALL {
            let judgement = Judgement::not_applicable(match question.exists_in(version) {
                true => reason,
                false => ONLY_TLS13,
            });
            self.answers.push(Answer::new(*question, version, judgement, Vec::new()));
        }
    }

    fn show(&self, question: Question) {
        let idle = if question == Question::EndsIdle { " (takes its time)" } else { "" };
        progress::show(self.answers.len(), self.all, &format!("asking {question}{idle}"));
    }
}

const ONLY_TLS13: &str = "there is no such thing in TLS 1.2";

async fn ask(question: Question, mut asking: Asking, deadline: Instant) -> (Question, Asking, Judgement) {
    // Its times count from here, not from when it was queued.
    asking.log = Log::new();
    let time = match question {
        Question::EndsIdle => QUESTION_TIME + asking.setup.idle_limit,
        _ => QUESTION_TIME,
    };
    let end = deadline.min(Instant::now() + time);
    let judgement = match timeout_at(end, asking.ask(question)).await {
        Ok(Ok(judgement)) => judgement,
        Ok(Err(failed)) => unasked(&failed),
        Err(_) => {
            asking.log.add(Who::Note, "the time for this question is over");
            Judgement::not_applicable("it was not answered in the time there is for a question")
        }
    };
    (question, asking, judgement)
}

/// Why a question is not asked at all.
fn without_asking(question: Question, asking: &Asking) -> Option<&'static str> {
    if !question.exists_in(asking.version) {
        return Some(ONLY_TLS13);
    }
    if question.needs_http() && asking.known.small.is_none() {
        return Some(match (asking.setup.starttls, &asking.setup.http_path) {
            (Some(_), _) => "it needs HTTP, which is not spoken behind STARTTLS",
            (None, None) => "it needs HTTP: --no-http",
            (None, Some(_)) => "the server does not answer an HTTP request",
        });
    }
    None
}

fn unasked(failed: &NoConnection) -> Judgement {
    Judgement::not_applicable(format!("no connection for this question: {}", failed.what))
}

fn failure(failed: NoConnection) -> Failure {
    let failure = Failure::new(failed.what);
    match failed.cause {
        Cause::Network => {
            failure.hint("is the name right, is the server running, and does a firewall let you through?")
        }
        Cause::StartTls => failure.hint("is this the port for it, and is --starttls the right protocol?"),
        Cause::Time => failure.hint("does the server speak TLS on this port, or does it need --starttls?"),
        Cause::Here(ErrorStatus::UntrustedRoot) => failure.hint(
            "if you trust the server's certificate, name it or its authority with --ca FILE; --insecure does not look \
             at it",
        ),
        Cause::Here(ErrorStatus::WrongPrincipal) => {
            failure.hint("the certificate is for another name: --sni NAME says which one to expect")
        }
        Cause::Here(ErrorStatus::TargetUnknown) => failure.hint("give the server's name with --sni NAME"),
        Cause::Here(ErrorStatus::CertExpired) => {
            failure.hint("has this machine the right date? --insecure does not look at the certificate")
        }
        Cause::Here(_) | Cause::Refused => failure.hint(
            "does the server speak TLS on this port, or does it need --starttls or --sni? --insecure does not look at \
             its certificate",
        ),
    }
}

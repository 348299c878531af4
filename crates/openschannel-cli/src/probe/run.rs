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

use openschannel::alert::{Alert, AlertDescription};
use openschannel::status::ErrorStatus;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};

use crate::exit::Failure;
use crate::options::Version;
use crate::peer::{NETWORK_HINT, STARTTLS_HINT, certificate_hint};

use super::log::{Log, Who};
use super::progress;
use super::question::Question;
use super::questions::{Asking, Known, connection_close};
use super::report::{Answer, Report};
use super::seen::Seen;
use super::setup::Setup;
use super::verdict::Judgement;
use super::wire::{Cause, NoConnection, Wire};

/// Connections at once, idle ones not counted: a probe is no load test.
const MAX_AT_ONCE: usize = 4;

/// Idle ones beside them: one for each version.
const MAX_IDLE: usize = 2;

/// For one question, idle time not counted: several silences of the default length, or a large response over a slow line.
const QUESTION_TIME: Duration = Duration::from_secs(60);

/// As many silences fit into a question's time, however long --timeout says they are.
const SILENCES: u32 = 6;

/// For all questions, idle time not counted: as many times that of one. What is not asked by then is not asked.
const PROBE_TIMES: u32 = 10;

/// For a second handshake while the first connection is open; a server that serves one at a time lets it wait.
const SECOND_TIME: Duration = Duration::from_secs(2);

pub(super) async fn probe(setup: Setup, target: String, versions: &[Version]) -> Result<Report, Failure> {
    let mut run = Run {
        deadline: Instant::now() + question_time(&setup) * PROBE_TIMES + setup.idle_limit,
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
        match run.begin(version).await {
            Ok(known) => ready.push((version, known)),
            Err(failed) if ready.is_empty() && failed.cause.is_final() => return Err(failure(failed)),
            Err(failed) => refused.push((version, failed)),
        }
    }
    if ready.is_empty() {
        let last = |cause| refused.iter().rposition(|(_, failed)| failed.cause == cause);
        let telling = last(Cause::WantsCertificate).or_else(|| last(Cause::Refused)).unwrap_or_default();
        return Err(match refused.into_iter().nth(telling) {
            Some((_, failed)) => failure(failed),
            None => Failure::new("no version was asked for"),
        });
    }
    for (version, failed) in refused {
        let reason = match failed.cause {
            Cause::Refused | Cause::Here(_) => "the server does not speak this version",
            _ => "no connection in this version",
        };
        run.leave_out(version, &format!("{reason}: {}", failed.what));
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
    /// The first two questions.
    async fn begin(&mut self, version: Version) -> Result<Known, NoConnection> {
        let mut asking = self.asking(version, Known::default());
        self.show(Question::AnswersClose);
        let (judgement, ordinary) = self.in_time(&asking, asking.ordinary()).await?;
        if let Some(alert) = wants_certificate(&ordinary) {
            return Err(NoConnection {
                what: format!("the server accepts no client without a certificate it trusts: alert {alert}"),
                cause: Cause::WantsCertificate,
            });
        }
        self.answer(Question::AnswersClose, &asking, judgement);
        let mut known = Known { ordinary: Some(ordinary), small: None };
        if self.setup.http_path.is_some() {
            asking = self.asking(version, known.clone());
            self.show(Question::EndsConnectionClose);
            match self.in_time(&asking, connection_close(&asking)).await {
                Ok((judgement, small)) => {
                    known.small = small;
                    self.answer(Question::EndsConnectionClose, &asking, judgement);
                }
                Err(failed) => self.answer(Question::EndsConnectionClose, &asking, unasked(&failed)),
            }
        }
        Ok(known)
    }

    async fn in_time<T>(
        &self,
        asking: &Asking,
        answer: impl Future<Output = Result<T, NoConnection>>,
    ) -> Result<T, NoConnection> {
        in_time(&asking.log, self.deadline.min(Instant::now() + question_time(&self.setup)), answer).await
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
    let mut time = question_time(&asking.setup);
    if question == Question::EndsIdle {
        time += asking.setup.idle_limit;
    }
    let end = deadline.min(Instant::now() + time);
    let judgement = match in_time(&asking.log, end, asking.ask(question)).await {
        Ok(judgement) => judgement,
        Err(failed) => unasked(&failed),
    };
    (question, asking, judgement)
}

fn question_time(setup: &Setup) -> Duration {
    QUESTION_TIME.max(setup.timeout * SILENCES)
}

async fn in_time<T>(
    log: &Log,
    end: Instant,
    answer: impl Future<Output = Result<T, NoConnection>>,
) -> Result<T, NoConnection> {
    timeout_at(end, answer).await.unwrap_or_else(|_| {
        log.add(Who::Note, "the time for this question is over");
        let what = "it was not answered in the time there is for a question".to_owned();
        Err(NoConnection { what, cause: Cause::Over })
    })
}

/// In TLS 1.3 the client has finished its handshake before it hears that its missing certificate is not accepted.
fn wants_certificate(seen: &Seen) -> Option<Alert> {
    seen.alert.filter(|alert| {
        matches!(
            alert.description,
            AlertDescription::CERTIFICATE_REQUIRED
                | AlertDescription::BAD_CERTIFICATE
                | AlertDescription::HANDSHAKE_FAILURE
        )
    })
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
    match failed.cause {
        Cause::Over => Judgement::not_applicable(failed.what.clone()),
        _ => Judgement::not_applicable(format!("no connection for this question: {}", failed.what)),
    }
}

fn failure(failed: NoConnection) -> Failure {
    let failure = Failure::new(failed.what);
    match failed.cause {
        Cause::Network => failure.hint(NETWORK_HINT),
        Cause::StartTls => failure.hint(STARTTLS_HINT),
        Cause::Time | Cause::Over | Cause::NoTls => {
            failure.hint("does the server speak TLS on this port, or does it need --starttls?")
        }
        Cause::WantsCertificate => failure.hint("--cert FILE with --key FILE, or --pfx FILE, has one"),
        Cause::Refused => failure.hint(
            "no TLS 1.2 or 1.3 connection can be made; does the server speak TLS there, or does it need --starttls, \
             --sni or a client certificate (--cert)?",
        ),
        Cause::Here(ErrorStatus::TargetUnknown) => failure.hint("give the server's name with --sni NAME"),
        Cause::Here(status) => failure.hint(certificate_hint(status).unwrap_or(
            "does the server speak TLS on this port, or does it need --starttls or --sni? --insecure does not look at \
             its certificate",
        )),
    }
}

//! What each question does on its connection. The verdicts are made in [`verdict`](super::verdict).

mod behind;
mod closes;
mod ends;
mod half_close;
mod handshake;
mod resumption;

use std::sync::Arc;

use crate::options::Version;

use super::http::ResponseSeen;
use super::log::Log;
use super::question::Question;
use super::seen::Seen;
use super::setup::Setup;
use super::verdict::Judgement;
use super::wire::NoConnection;

pub(super) use ends::connection_close;

/// One question to one version.
#[derive(Clone)]
pub(super) struct Asking {
    pub(super) setup: Arc<Setup>,
    pub(super) version: Version,
    pub(super) log: Log,
    /// What the first questions found out.
    pub(super) known: Known,
}

/// What later questions build upon.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    /// How an ordinary close_notify is answered.
    pub(super) ordinary: Option<Seen>,
    /// The response to the small request; none if the server speaks no HTTP.
    pub(super) small: Option<ResponseSeen>,
}

pub(super) type Asked = Result<Judgement, NoConnection>;

impl Asking {
    pub(super) async fn ask(&self, question: Question) -> Asked {
        match question {
            Question::AnswersClose => Ok(closes::ordinary(self).await?.0),
            Question::EndsConnectionClose => Ok(connection_close(self).await?.0),
            Question::EndsBadRequest => ends::bad_request(self).await,
            Question::EndsIdle => ends::idle(self).await,
            Question::HalfCloseSmall => half_close::small(self).await,
            Question::HalfCloseLarge => half_close::large(self).await,
            Question::DataAfterClose => behind::data(self).await,
            Question::SplitClose => closes::split(self).await,
            Question::FatalClose => closes::fatal(self).await,
            Question::DoubleClose => closes::double(self).await,
            Question::FatalAlert => behind::fatal_alert(self).await,
            Question::CancelInHandshake => handshake::cancel(self).await,
            Question::CloseUnread => behind::unread(self).await,
            Question::CloseWithTickets => closes::with_tickets(self).await,
            Question::CloseInKeyUpdate => closes::in_key_update(self).await,
            Question::ResumptionAfterCut => resumption::after_cut(self).await,
        }
    }

    /// How an ordinary close_notify is answered, and the verdict on it.
    pub(super) async fn ordinary(&self) -> Result<(Judgement, Seen), NoConnection> {
        closes::ordinary(self).await
    }

    fn is_tls13(&self) -> bool {
        self.version == Version::Tls13
    }

    fn speaks_http(&self) -> bool {
        self.known.small.is_some()
    }
}

//! Connections that the server ends by itself.

use super::super::http::{Persistence, ResponseSeen};
use super::super::log::Who;
use super::super::seen::{Manner, Seen};
use super::super::verdict::{Judgement, idle_end, own_end};
use super::super::wire::{NoConnection, Wire};
use super::{Asked, Asking};

/// No request line at all, so that no server can want to go on.
const BAD_REQUEST: &[u8] = b"THIS IS NO REQUEST LINE AT ALL\r\nHost: \x01\r\n\r\n";

/// Gives the response too: it shows whether the server speaks HTTP, and how long its answer is.
pub(in super::super) async fn connection_close(
    asking: &Asking,
) -> Result<(Judgement, Option<ResponseSeen>), NoConnection> {
    let mut wire = Wire::connect(&asking.setup, asking.version, &asking.log).await?;
    let request = wire.seal(&asking.setup.small_request(Persistence::Close));
    wire.expect_response();
    wire.send(&request, "GET with Connection: close").await;
    let seen = wire.until_end().await;
    let Some(response) = seen.response.filter(|response| response.status != 0) else {
        return Ok((Judgement::not_applicable("the server does not answer an HTTP request"), None));
    };
    Ok((own_end(&seen), Some(response)))
}

pub(in super::super) async fn bad_request(asking: &Asking) -> Asked {
    let mut wire = Wire::connect(&asking.setup, asking.version, &asking.log).await?;
    let request = wire.seal(BAD_REQUEST);
    wire.expect_response();
    wire.send(&request, "what is no HTTP request").await;
    let seen = wire.until_end().await;
    let status = seen.response.map_or(0, |response| response.status);
    if seen.manner() == Manner::Nothing && !promises_end(&seen) {
        let answered = if status == 0 { "does not answer" } else { "answers" };
        return Ok(Judgement::not_applicable(format!("the server {answered} and keeps the connection")));
    }
    let judged = own_end(&seen);
    let answered = if status == 0 { String::new() } else { format!("{status}, ") };
    Ok(Judgement { finding: format!("{answered}{}", judged.finding), ..judged })
}

pub(super) async fn idle(asking: &Asking) -> Asked {
    let limit = asking.setup.idle_limit;
    if limit.is_zero() {
        return Ok(Judgement::not_applicable("not asked: --idle-limit 0"));
    }
    let mut wire = Wire::connect(&asking.setup, asking.version, &asking.log).await?;
    if asking.speaks_http() {
        let request = wire.seal(&asking.setup.small_request(Persistence::KeepAlive));
        wire.expect_response();
        wire.send(&request, "GET with Connection: keep-alive").await;
        let seen = wire.until_response().await;
        if promises_end(&seen) {
            return Ok(Judgement::not_applicable("the server keeps no connection open behind a response"));
        }
    }
    wire.rest();
    asking.log.add(Who::Note, format!("silent for up to {} s", limit.as_secs()));
    let seen = wire.until_end_within(limit).await;
    Ok(idle_end(&seen, limit.as_secs_f64()))
}

fn promises_end(seen: &Seen) -> bool {
    seen.response.is_some_and(|response| response.last)
}

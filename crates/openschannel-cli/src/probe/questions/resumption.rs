//! Whether a connection that was cut can be resumed.

use std::time::Duration;

use super::super::http::Persistence;
use super::super::log::Who;
use super::super::setup::Setup;
use super::super::verdict::{Judgement, resumption};
use super::super::wire::{NoConnection, Wire};
use super::{Asked, Asking};

/// Tickets come with the first data or before; where there is none, they are there within this time or not at all.
const TICKET_TIME: Duration = Duration::from_secs(1);

pub(super) async fn after_cut(asking: &Asking) -> Asked {
    let Some(setup) = asking.setup.resuming(asking.version) else {
        return Ok(Judgement::not_applicable("no credentials for it"));
    };
    begin(asking, &setup).await?.send_fin().await;
    asking.log.add(Who::Note, "cut: FIN without close_notify; now resuming");
    if Wire::connect(&setup, asking.version, &asking.log).await?.is_resumed() {
        return Ok(resumption(true, None));
    }
    let Some(setup) = asking.setup.resuming(asking.version) else {
        return Ok(resumption(false, None));
    };
    asking.log.add(Who::Note, "not resumed; now the same behind an orderly end");
    let mut wire = begin(asking, &setup).await?;
    let close = wire.close();
    wire.send(&close, "close_notify").await;
    wire.until_end().await;
    let resumed = Wire::connect(&setup, asking.version, &asking.log).await?.is_resumed();
    Ok(resumption(false, Some(resumed)))
}

/// A connection with whatever it takes to resume it.
async fn begin(asking: &Asking, setup: &Setup) -> Result<Wire, NoConnection> {
    let mut wire = Wire::connect(setup, asking.version, &asking.log).await?;
    if asking.speaks_http() {
        let request = wire.seal(&setup.small_request(Persistence::KeepAlive));
        wire.expect_response();
        wire.send(&request, "GET").await;
        wire.until_response().await;
    }
    if asking.is_tls13() {
        wire.until_ticket(TICKET_TIME).await;
    }
    Ok(wire)
}

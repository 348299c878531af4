//! A request with the close_notify right behind it: TLS 1.3 lets the response come all the same.

use super::super::http::Persistence;
use super::super::log::Who;
use super::super::verdict::{Judgement, half_close};
use super::super::wire::{Window, Wire};
use super::{Asked, Asking};

/// A response is large if it cannot be in the server's and the network's buffers before the server comes to the close_notify.
pub(super) const LARGE: u64 = 256 * 1024;

pub(super) async fn small(asking: &Asking) -> Asked {
    let Some(whole) = asking.known.small else {
        return Ok(Judgement::not_applicable("the server does not answer an HTTP request"));
    };
    let mut wire = Wire::connect(&asking.setup, asking.version, &asking.log).await?;
    let mut both = wire.seal(&asking.setup.small_request(Persistence::Close));
    both.extend(wire.close());
    wire.expect_response();
    wire.send(&both, "GET, close_notify").await;
    Ok(half_close(&wire.until_end().await, whole.body, asking.is_tls13()))
}

pub(super) async fn large(asking: &Asking) -> Asked {
    let mut wire = Wire::connect(&asking.setup, asking.version, &asking.log).await?;
    let request = wire.seal(&asking.setup.large_request(Persistence::Close));
    wire.expect_response();
    wire.send(&request, "GET, to know the response's length").await;
    let ordinary = wire.until_response().await;
    let Some(whole) = ordinary.response.filter(|whole| whole.complete) else {
        return Ok(Judgement::not_applicable(format!("no whole response came: {}", ordinary.words())));
    };
    if whole.body < LARGE {
        return Ok(too_small(whole.body));
    }
    drop(wire);
    asking.log.add(Who::Note, format!("the response has {} bytes; now with half-close", whole.body));
    let mut wire = Wire::connect_held(&asking.setup, asking.version, &asking.log, Window::Small).await?;
    let mut all = wire.take_transmit();
    all.extend(wire.seal(&asking.setup.large_request(Persistence::Close)));
    all.extend(wire.close());
    wire.expect_response();
    wire.send(&all, "Finished, GET, close_notify").await;
    Ok(half_close(&wire.until_end().await, whole.body, asking.is_tls13()))
}

pub(super) fn too_small(body: u64) -> Judgement {
    Judgement::not_applicable(format!(
        "the response has only {body} bytes; name one of {LARGE} at least with --http PATH"
    ))
}

//! A close_notify from this side, in all its ways.

use openschannel::KeyUpdateRequest;
use openschannel::alert::{Alert, AlertDescription, AlertLevel};

use super::super::log::Who;
use super::super::seen::{Manner, Seen};
use super::super::verdict::{Judgement, answer, double_close, fatal_close, variant};
use super::super::wire::{ALERT, NoConnection, Window, Wire};
use super::{Asked, Asking};

const FATAL_CLOSE: Alert = Alert { level: AlertLevel::FATAL, description: AlertDescription::CLOSE_NOTIFY };

pub(super) async fn ordinary(asking: &Asking) -> Result<(Judgement, Seen), NoConnection> {
    let mut wire = connect(asking).await?;
    let close = wire.close();
    wire.send(&close, "close_notify").await;
    let seen = wire.until_end().await;
    Ok((answer(&seen), seen))
}

pub(super) async fn split(asking: &Asking) -> Asked {
    if let Some(untold) = untold(asking) {
        return Ok(untold);
    }
    let mut wire = connect(asking).await?;
    let close = wire.close();
    wire.send_in_pieces(&close, "close_notify").await;
    Ok(variant(&wire.until_end().await, asking.known.ordinary.as_ref()))
}

pub(super) async fn fatal(asking: &Asking) -> Asked {
    if let Some(untold) = untold(asking) {
        return Ok(untold);
    }
    let mut wire = connect(asking).await?;
    let close = wire.forge(ALERT, &FATAL_CLOSE.to_bytes());
    wire.send(&close, "close_notify of level fatal").await;
    Ok(fatal_close(&wire.until_end().await, asking.known.ordinary.as_ref(), asking.is_tls13()))
}

pub(super) async fn double(asking: &Asking) -> Asked {
    if let Some(untold) = untold(asking) {
        return Ok(untold);
    }
    let mut wire = connect(asking).await?;
    let mut both = wire.close();
    both.extend(wire.forge(ALERT, &Alert::CLOSE_NOTIFY.to_bytes()));
    wire.send(&both, "two close_notify").await;
    Ok(double_close(&wire.until_end().await, asking.known.ordinary.as_ref()))
}

/// The close_notify goes out in one piece with the Finished, before the server can have sent a ticket.
pub(super) async fn with_tickets(asking: &Asking) -> Asked {
    if let Some(untold) = untold(asking) {
        return Ok(untold);
    }
    let mut wire = Wire::connect_held(&asking.setup, asking.version, &asking.log, Window::Default).await?;
    let mut both = wire.take_transmit();
    both.extend(wire.close());
    wire.send(&both, "Finished, close_notify").await;
    let seen = wire.until_end().await;
    let judged = variant(&seen, asking.known.ordinary.as_ref());
    let finding = format!("{} tickets; {}", seen.tickets, judged.finding);
    Ok(Judgement { finding, ..judged })
}

/// Twice: the server is asked for a key update by who then closes, and it meets a close under new keys.
pub(super) async fn in_key_update(asking: &Asking) -> Asked {
    if let Some(untold) = untold(asking) {
        return Ok(untold);
    }
    let ordinary = asking.known.ordinary.as_ref();
    let mut judged = Vec::new();
    for (request, name) in [
        (KeyUpdateRequest::Requested, "KeyUpdate(update_requested), close_notify"),
        (KeyUpdateRequest::NotRequested, "KeyUpdate(update_not_requested), close_notify"),
    ] {
        let mut wire = connect(asking).await?;
        let mut both = wire.key_update(request);
        both.extend(wire.close());
        wire.send(&both, name).await;
        let seen = wire.until_end().await;
        let reply = if seen.key_updates > 0 { " (and a KeyUpdate)" } else { "" };
        let judgement = variant(&seen, ordinary);
        judged.push(Judgement { finding: format!("{}{reply}", judgement.finding), ..judgement });
        asking.log.add(Who::Note, "done with this connection");
    }
    let worst =
        judged.into_iter().reduce(|first, second| if first == second { first } else { first.and(second) });
    Ok(worst.unwrap_or_else(|| Judgement::not_applicable("nothing was asked")))
}

async fn connect(asking: &Asking) -> Result<Wire, NoConnection> {
    Wire::connect(&asking.setup, asking.version, &asking.log).await
}

/// Nothing can be learnt from a variant where an ordinary close_notify already gets no answer.
fn untold(asking: &Asking) -> Option<Judgement> {
    match asking.known.ordinary.as_ref().map(Seen::manner) {
        Some(Manner::Nothing) => {
            Some(Judgement::not_applicable("an ordinary close_notify gets no answer either"))
        }
        _ => None,
    }
}

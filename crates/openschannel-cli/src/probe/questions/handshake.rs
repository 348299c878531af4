//! A handshake that is called off.

use openschannel::alert::{Alert, AlertDescription};

use super::super::verdict::cancel as verdict;
use super::super::wire::{Window, Wire};
use super::{Asked, Asking};

/// Behind the server's first record: in TLS 1.3 the alerts are sealed by then.
pub(super) async fn cancel(asking: &Asking) -> Asked {
    let mut wire = Wire::begin(&asking.setup, asking.version, &asking.log, Window::Default).await?;
    wire.hello(&asking.setup).await?;
    // What the handshake would go on with is not sent.
    let driver = wire.driver_mut();
    driver.send_alert(Alert::warning(AlertDescription::USER_CANCELED)).ok();
    driver.close_write().ok();
    let both = wire.take_transmit();
    wire.send(&both, "user_canceled, close_notify").await;
    Ok(verdict(&wire.until_raw_end().await))
}

//! What lies behind a close_notify, an alert or a response, on the one side or the other.

use openschannel::alert::{Alert, AlertDescription};

use super::super::http::Persistence;
use super::super::log::Who;
use super::super::seen::Seen;
use super::super::verdict::{Judgement, data_behind, fatal_alert as verdict, unread_download, unread_upload};
use super::super::wire::{ALERT, APPLICATION_DATA, Window, Wire};
use super::half_close::LARGE;
use super::{Asked, Asking};

/// For a server without HTTP.
const DATA: &[u8] = b"data behind the end\r\n";

/// Sent behind a request that is the last: more than a server reads along with the request, less than its receive buffer.
const UPLOAD_RECORDS: usize = 6;
const UPLOAD_RECORD: [u8; 8 * 1024] = [b'x'; 8 * 1024];

/// Read of a large response before this side closes.
const LITTLE: u64 = 16 * 1024;

pub(super) async fn data(asking: &Asking) -> Asked {
    let mut wire = Wire::connect(&asking.setup, asking.version, &asking.log).await?;
    let greeting = take_greeting(asking, &mut wire).await;
    let mut both = wire.close();
    let request = asking.setup.small_request(Persistence::Close);
    let data = if asking.speaks_http() { request.as_slice() } else { DATA };
    both.extend(wire.forge(APPLICATION_DATA, data));
    wire.send(&both, "close_notify, and data behind it").await;
    let ordinary = asking
        .known
        .ordinary
        .clone()
        .map(|ordinary| Seen { data: ordinary.data.saturating_sub(greeting), ..ordinary });
    Ok(data_behind(&wire.until_end().await, ordinary.as_ref()))
}

pub(super) async fn fatal_alert(asking: &Asking) -> Asked {
    let mut wire = Wire::connect(&asking.setup, asking.version, &asking.log).await?;
    take_greeting(asking, &mut wire).await;
    let mut both = wire.forge(ALERT, &Alert::fatal(AlertDescription::INTERNAL_ERROR).to_bytes());
    let request = asking.setup.small_request(Persistence::Close);
    let data = if asking.speaks_http() { request.as_slice() } else { DATA };
    both.extend(wire.forge(APPLICATION_DATA, data));
    if asking.speaks_http() {
        wire.expect_response();
    }
    wire.send(&both, "fatal alert internal_error, and data behind it").await;
    Ok(verdict(&wire.until_end().await))
}

/// What a server says without being asked is no answer to what comes next. How many bytes it was.
async fn take_greeting(asking: &Asking, wire: &mut Wire) -> u64 {
    let speaks_first = asking.known.ordinary.as_ref().is_some_and(|ordinary| ordinary.data > 0);
    if asking.speaks_http() || !speaks_first {
        return 0;
    }
    wire.until_data(1).await;
    wire.forget_data()
}

/// Two connections: this side closes while the server sends, and the server closes while this side has sent more than it reads.
pub(super) async fn unread(asking: &Asking) -> Asked {
    let mut wire = Wire::connect(&asking.setup, asking.version, &asking.log).await?;
    let mut upload = wire.seal(&asking.setup.small_request(Persistence::Close));
    for _ in 0..UPLOAD_RECORDS {
        upload.extend(wire.seal(&UPLOAD_RECORD));
    }
    wire.expect_response();
    wire.send(&upload, "GET with Connection: close, and an upload nobody asked for").await;
    let upload = unread_upload(&wire.until_end().await);
    drop(wire);

    asking.log.add(Who::Note, "now closing while the server sends");
    let mut wire = Wire::connect_held(&asking.setup, asking.version, &asking.log, Window::Small).await?;
    let mut request = wire.take_transmit();
    // Kept alive, so that it is this side's close that the server meets, and not its own.
    request.extend(wire.seal(&asking.setup.large_request(Persistence::KeepAlive)));
    wire.expect_response();
    wire.send(&request, "Finished, GET").await;
    let begun = wire.until_data(LITTLE).await;
    if begun.response.is_none_or(|response| response.complete || response.body < LITTLE / 2) {
        return Ok(Judgement {
            finding: format!(
                "{}; closing while it sends: not asked, for want of a large response",
                upload.finding
            ),
            ..upload
        });
    }
    let close = wire.close();
    wire.send(&close, "close_notify").await;
    let seen = wire.until_end().await;
    if seen.response.is_some_and(|response| response.complete && response.body < LARGE) {
        return Ok(upload);
    }
    Ok(upload.and(unread_download(&seen, asking.is_tls13())))
}

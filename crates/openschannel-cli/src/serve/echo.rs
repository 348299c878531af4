//! Sends back what comes.

use std::io;
use std::time::Duration;

use openschannel_stream::Plaintext;
use openschannel_stream::graceful::Guard;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use super::session::Stream;

/// What is sent back in one piece at most: as much as one read of the transport gives.
const CHUNK: usize = 64 * 1024;

/// A client that sends nothing for so long is not coming back, unless --idle-time says otherwise.
pub(super) const IDLE_TIME: Duration = Duration::from_secs(300);

/// A client that takes nothing of its echo for so long is stuck.
const STALL_TIME: Duration = Duration::from_secs(60);

/// Until the client closes its side, the server stops, or nothing comes any more.
pub(super) async fn serve(stream: &mut Stream, idle_time: Duration, guard: &Guard) -> io::Result<()> {
    loop {
        let ended = tokio::select! {
            data = timeout(idle_time, stream.fill_buf()) => match data {
                Ok(data) => data?.is_empty(),
                Err(_) => true,
            },
            () = guard.asked() => true,
        };
        if ended {
            return Ok(());
        }
        // Made when something has come: an idle connection holds no buffer.
        let chunk = take_waiting(stream);
        timeout(STALL_TIME, async {
            stream.write_all(&chunk).await?;
            stream.flush().await
        })
        .await
        .unwrap_or_else(|_| Err(io::Error::other("the client does not take its echo")))?;
    }
}

/// What has been received, as far as it fits. That reading has ended or failed is for the next read to say.
fn take_waiting(stream: &mut Stream) -> Vec<u8> {
    let mut chunk = Vec::new();
    while let Ok(Plaintext::Data(data)) = stream.driver_mut().fill_plaintext() {
        let n = data.len();
        if chunk.len() + n > CHUNK {
            break;
        }
        chunk.extend_from_slice(data);
        stream.driver_mut().consume(n);
    }
    chunk
}

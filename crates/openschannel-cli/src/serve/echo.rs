//! Sends back what comes.

use std::io;

use openschannel_stream::Plaintext;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::limits::{Limits, Term};
use super::session::{Stream, break_off};

/// What is sent back in one piece at most: as much as one read of the transport gives.
const CHUNK: usize = 64 * 1024;

/// Until the client closes its side, the connection's term is over, or nothing comes any more.
pub(super) async fn serve(stream: &mut Stream, limits: &Limits, term: &Term<'_>) -> io::Result<()> {
    loop {
        let ended = tokio::select! {
            data = timeout(limits.idle, stream.fill_buf()) => match data {
                Ok(data) => data?.is_empty(),
                Err(_) => true,
            },
            () = term.over() => true,
        };
        if ended {
            return Ok(());
        }
        // Made when something has come: an idle connection holds no buffer.
        let chunk = take_waiting(stream);
        let echoed = timeout(limits.stall, async {
            stream.write_all(&chunk).await?;
            stream.flush().await
        });
        match echoed.await {
            Ok(echoed) => echoed?,
            Err(_) => return Err(break_off(stream, "the client does not take its echo")),
        }
    }
}

/// What has been received, as far as it fits. That reading has ended or failed is for the next read to say.
fn take_waiting(stream: &mut Stream) -> Zeroizing<Vec<u8>> {
    // As large as it may become: growing would leave copies of what clients send.
    let mut chunk = Zeroizing::new(Vec::with_capacity(CHUNK));
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

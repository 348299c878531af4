//! What types can be sent to and shared with other threads, asserted at compile time: a field that is neither would be found by users.

use openschannel_stream::{
    CloseBudget, CloseFailed, CloseReport, Driver, ReadEnded, ReceiveDriver, SendDriver, SplitError,
    TlsAcceptor, TlsAcceptorBuilder, TlsConnector, TlsConnectorBuilder, Truncation, blocking,
};
use std::net::TcpStream;

fn sent<T: Send + Unpin + 'static>() {}

fn shared<T: Send + Sync + Unpin + 'static>() {}

fn errors<T: std::error::Error + Send + Sync + 'static>() {}

#[test]
fn streams_and_halves_go_to_other_threads() {
    sent::<Driver>();
    sent::<SendDriver>();
    sent::<ReceiveDriver>();
    sent::<blocking::TlsStream<TcpStream>>();
    sent::<blocking::ReadHalf<TcpStream>>();
    sent::<blocking::WriteHalf<TcpStream>>();
    sent::<SplitError<blocking::TlsStream<TcpStream>>>();
}

#[test]
fn what_many_connections_have_in_common_is_shared() {
    shared::<TlsConnector>();
    shared::<TlsAcceptor>();
    shared::<TlsConnectorBuilder>();
    shared::<TlsAcceptorBuilder>();
    shared::<(CloseBudget, CloseReport, Truncation)>();
    errors::<ReadEnded>();
    errors::<CloseFailed>();
}

#[cfg(feature = "tokio")]
mod tasks {
    use super::*;
    use ::tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
    use openschannel_stream::graceful::{GracefulShutdown, Guard};
    use openschannel_stream::tokio as asynchronous;
    use std::time::Duration;

    type Stream = asynchronous::TlsStream<::tokio::net::TcpStream>;

    #[test]
    fn streams_go_to_other_tasks_and_so_do_their_futures() {
        sent::<Stream>();
        sent::<asynchronous::ReadHalf<OwnedReadHalf>>();
        sent::<asynchronous::WriteHalf<OwnedWriteHalf>>();
        shared::<GracefulShutdown>();
        shared::<Guard>();
        let _every_future = |stream: &'static mut Stream, guard: &'static Guard| {
            spawned(async move {
                stream.handshake().await?;
                stream.close_notify().await?;
                stream.linger(Duration::ZERO).await;
                guard.idle(stream).await;
                guard.give_up(stream).await;
                guard.close(stream, Duration::ZERO).await?;
                stream.close(Duration::ZERO).await
            });
        };
        let _connecting = |connector: TlsConnector, acceptor: TlsAcceptor, one, other| {
            spawned(async move { connector.connect_async("localhost", one).await.map(Stream::into_parts) });
            spawned(async move { acceptor.accept_async(other).await.map(Stream::into_parts) });
        };
    }

    fn spawned<T>(_: impl Future<Output = T> + Send + 'static) {}
}

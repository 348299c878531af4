//! How the server is asked to stop, and how its connections learn of it.

use std::io;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// SIGINT and SIGTERM; on Windows Ctrl-C.
pub(super) struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    pub(super) fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    pub(super) async fn received(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(not(unix))]
impl Signals {
    #[expect(clippy::unnecessary_wraps, reason = "it can fail elsewhere")]
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {})
    }

    pub(super) async fn received(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            // There is no such thing here: the program is ended in other ways.
            std::future::pending().await
        }
    }
}

/// Tells every connection to stop.
pub(super) struct Stopper(watch::Sender<Option<Instant>>);

/// A connection's view of it.
#[derive(Clone)]
pub(super) struct Stop(watch::Receiver<Option<Instant>>);

impl Stopper {
    pub(super) fn new() -> (Self, Stop) {
        let (sender, receiver) = watch::channel(None);
        (Self(sender), Stop(receiver))
    }

    /// Now, and whoever is not done after `time` is cut.
    pub(super) fn stop(&self, time: Duration) {
        self.0.send_replace(Some(Instant::now() + time));
    }
}

impl Stop {
    pub(super) fn is_asked(&self) -> bool {
        self.0.borrow().is_some()
    }

    /// Until the server is asked to stop.
    pub(super) async fn asked(&mut self) {
        self.deadline().await;
    }

    /// Until it has been asked to and the time for it is over.
    pub(super) async fn over(mut self) {
        let deadline = self.deadline().await;
        sleep_until(deadline).await;
    }

    async fn deadline(&mut self) -> Instant {
        let asked = self.0.wait_for(Option::is_some).await.map(|deadline| *deadline);
        match asked {
            Ok(Some(deadline)) => deadline,
            // The server ends without having been asked to: nobody asks any more.
            _ => std::future::pending().await,
        }
    }
}

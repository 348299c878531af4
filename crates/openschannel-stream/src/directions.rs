//! How a transport's two directions stand: what both adaptors, and their halves, remember beside the driver.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;

use openschannel::{ReadEnd, TransportEnd};

use crate::Truncation;
use crate::driver::Driver;
use crate::error::{ReadEnded, alike, is_end_of_both, is_retry, transport_end};
use crate::halves::{ReceiveDriver, SendDriver};

/// The reading direction.
#[derive(Debug, Default)]
pub(crate) struct Incoming {
    pub(crate) truncation: Truncation,
    /// What the transport's end was, for the error that tells it.
    error: Option<Arc<io::Error>>,
    /// Sending met a reset: what looks like a FIN behind it is none.
    pub(crate) reset: Arc<Reset>,
    /// Plaintext bytes that closing threw away.
    pub(crate) discarded: u64,
}

/// What sending has met that is the end of reading too. Two halves of a stream share it.
#[derive(Debug, Default)]
pub(crate) struct Reset {
    error: OnceLock<io::Error>,
    /// A half is inside a call that sends. What it is told there it has not noted yet.
    sending: AtomicBool,
}

/// The writing direction.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    /// The transport was given bytes and has not been flushed since.
    pub(crate) unflushed: bool,
    /// The transport's sending direction was ended.
    pub(crate) shut: bool,
    /// The transport took the close_notify.
    pub(crate) close_sent: bool,
    /// Why bytes that a write has taken could not be sent. That write said how many it took, as it must; the next one tells.
    late: Option<io::Error>,
}

impl Reset {
    /// Sending failed; some ways of that are the end of reading too.
    pub(crate) fn note(&self, error: io::Error) -> io::Error {
        if !is_retry(&error) && is_end_of_both(&error) {
            self.error.get_or_init(|| alike(&error));
        }
        error
    }

    /// A half is about to make a call that sends, and to note what comes of it, while the result lives.
    pub(crate) fn sending(&self) -> Sending<'_> {
        self.sending.store(true, Ordering::SeqCst);
        Sending(self)
    }
}

/// See [`Reset::sending`].
#[derive(Debug)]
pub(crate) struct Sending<'a>(&'a Reset);

impl Drop for Sending<'_> {
    fn drop(&mut self) {
        self.0.sending.store(false, Ordering::SeqCst);
    }
}

impl Outgoing {
    /// Sending failed behind a write that has taken bytes.
    pub(crate) fn fail_later(&mut self, error: io::Error) {
        if !is_retry(&error) {
            self.late = Some(error);
        }
    }

    /// What failed behind an earlier write. Asking again goes on where sending stopped.
    pub(crate) fn tell_late(&mut self) -> io::Result<()> {
        self.late.take().map_or(Ok(()), Err)
    }

    /// The transport has taken everything that waits, the close_notify too if that was `made`. Behind the transport's end nothing is
    /// taken, only thrown away.
    pub(crate) fn note_close(&mut self, made: bool) {
        self.close_sent |= made && !self.shut;
    }
}

impl Incoming {
    /// The transport's read gave nothing: what that is.
    ///
    /// `is_gone` says whether there is a connection any more. If there is none, the other half may have been told of a reset this very
    /// moment, and what it was told decides. It does not wait for anything then, so it is waited for, by spinning: see
    /// [`SplitTransport::is_gone`](crate::SplitTransport::is_gone).
    pub(crate) fn eof(&mut self, is_gone: impl FnOnce() -> bool) -> TransportEnd {
        if self.reset.error.get().is_none() && is_gone() {
            while self.reset.sending.load(Ordering::SeqCst) && self.reset.error.get().is_none() {
                thread::yield_now();
            }
        }
        match self.reset.error.get() {
            Some(error) => {
                self.error.get_or_insert_with(|| Arc::new(alike(error)));
                TransportEnd::Reset
            }
            None => TransportEnd::Eof,
        }
    }

    /// The transport's read failed: what that is.
    pub(crate) fn failed(&mut self, error: io::Error) -> TransportEnd {
        let end = transport_end(&error);
        self.error.get_or_insert_with(|| Arc::new(error));
        end
    }

    /// The error that tells how reading ended.
    pub(crate) fn ended(&self, end: ReadEnd, delivered: u64, in_handshake: bool) -> io::Error {
        ReadEnded::new(end, delivered, in_handshake, self.error.clone()).into()
    }
}

/// Who has bytes for the transport: a whole driver or its sending half.
pub(crate) trait Transmit {
    fn transmit(&self) -> &[u8];
    fn transmitted(&mut self, n: usize);
}

/// Who takes bytes from the transport: a whole driver or its receiving half.
pub(crate) trait Receive {
    fn receive_space(&mut self) -> &mut [u8];
    fn received(&mut self, n: usize);
    fn transport_ended(&mut self, end: TransportEnd);
    #[cfg(feature = "tokio")]
    fn release_buffers(&mut self);
    #[cfg(feature = "tokio")]
    fn plaintext(&self) -> &[u8];
    #[cfg(feature = "tokio")]
    fn consume(&mut self, n: usize);
}

macro_rules! transmit {
    ($($driver:ty),*) => {$(
        impl Transmit for $driver {
            fn transmit(&self) -> &[u8] {
                <$driver>::transmit(self)
            }

            fn transmitted(&mut self, n: usize) {
                <$driver>::transmitted(self, n);
            }
        }
    )*};
}

macro_rules! receive {
    ($($driver:ty),*) => {$(
        impl Receive for $driver {
            fn receive_space(&mut self) -> &mut [u8] {
                <$driver>::receive_space(self)
            }

            fn received(&mut self, n: usize) {
                <$driver>::received(self, n);
            }

            fn transport_ended(&mut self, end: TransportEnd) {
                <$driver>::transport_ended(self, end);
            }

            #[cfg(feature = "tokio")]
            fn release_buffers(&mut self) {
                <$driver>::release_buffers(self);
            }

            #[cfg(feature = "tokio")]
            fn plaintext(&self) -> &[u8] {
                <$driver>::plaintext(self)
            }

            #[cfg(feature = "tokio")]
            fn consume(&mut self, n: usize) {
                <$driver>::consume(self, n);
            }
        }
    )*};
}

transmit!(Driver, SendDriver);
receive!(Driver, ReceiveDriver);

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::sync::mpsc::channel;

    use super::*;

    /// The kernel tells one call, and the other one that waits sees the end before the first has come back from it.
    #[test]
    fn a_reset_that_the_other_half_is_just_being_told_of_is_waited_for() {
        for (told, end) in [
            (ErrorKind::ConnectionReset, TransportEnd::Reset),
            // The FIN was there before.
            (ErrorKind::BrokenPipe, TransportEnd::Eof),
        ] {
            let mut incoming = Incoming::default();
            let reset = Arc::clone(&incoming.reset);
            let (begins, begun) = channel();
            let (returns, returned) = channel();
            let writer = thread::spawn(move || {
                let _under_way = reset.sending();
                begins.send(()).ok();
                returned.recv().ok();
                reset.note(told.into())
            });
            begun.recv().ok();
            assert_eq!(incoming.eof(|| returns.send(()).is_ok()), end);
            assert_eq!(writer.join().ok().map(|error| error.kind()), Some(told));
        }
    }

    /// Or a reader would wait for a write that nobody takes.
    #[test]
    fn a_fin_does_not_wait_for_the_other_half() {
        let mut incoming = Incoming::default();
        let reset = Arc::clone(&incoming.reset);
        let _under_way = reset.sending();
        assert_eq!(incoming.eof(|| false), TransportEnd::Eof);
    }
}

//! Wall-clock time, the only clock this crate knows: certificate validity and the life of sessions.

use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rustls_pki_types::UnixTime;

/// Where the time comes from. Replaceable for machines without a clock, and for tests.
pub trait Clock: Send + Sync + fmt::Debug {
    /// The time now.
    fn now(&self) -> SystemTime;
}

/// The operating system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }
}

/// A [`Clock`] as rustls wants it.
#[derive(Debug)]
pub(super) struct EngineClock(pub(super) Arc<dyn Clock>);

impl rustls::time_provider::TimeProvider for EngineClock {
    fn current_time(&self) -> Option<UnixTime> {
        self.0.now().duration_since(UNIX_EPOCH).ok().map(UnixTime::since_unix_epoch)
    }
}

/// Seconds since 1970; 0 for a clock that is set to a time before that.
pub(super) fn unix_seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use rustls::time_provider::TimeProvider;

    use super::*;

    /// A clock that moves only when it is told to.
    #[derive(Debug)]
    pub(crate) struct ManualClock(Mutex<SystemTime>);

    impl ManualClock {
        pub(crate) fn at(time: SystemTime) -> Arc<Self> {
            Arc::new(Self(Mutex::new(time)))
        }

        pub(crate) fn advance(&self, by: Duration) {
            *self.0.lock().unwrap() += by;
        }

        pub(crate) fn set(&self, time: SystemTime) {
            *self.0.lock().unwrap() = time;
        }
    }

    impl Clock for ManualClock {
        fn now(&self) -> SystemTime {
            *self.0.lock().unwrap()
        }
    }

    #[test]
    fn the_engine_sees_the_clocks_time_and_none_before_1970() {
        let clock = ManualClock::at(UNIX_EPOCH + Duration::from_secs(7));
        assert_eq!(EngineClock(clock.clone()).current_time().map(|t| t.as_secs()), Some(7));
        assert_eq!(unix_seconds(clock.now()), 7);
        let early = UNIX_EPOCH - Duration::from_secs(1);
        assert!(EngineClock(ManualClock::at(early)).current_time().is_none());
        assert_eq!(unix_seconds(early), 0);
    }
}

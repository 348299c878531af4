//! TimeStamp: 100 ns since 1601-01-01, as FILETIME counts.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::types::TimeStamp;

/// What intermediate calls return.
pub(crate) const ZERO: TimeStamp = TimeStamp { low: 0, high: 0 };

/// The end of time: 0x7FFFFFFFFFFFFFFF.
pub(crate) const NEVER: TimeStamp = TimeStamp { low: u32::MAX, high: i32::MAX };

/// A time as a TimeStamp; times before 1601 are its zero, times beyond its range [`NEVER`].
pub(crate) fn stamp(time: SystemTime) -> TimeStamp {
    const UNIX_EPOCH_IN_TICKS: i128 = 116_444_736_000_000_000;
    const NANOSECONDS_PER_TICK: u128 = 100;
    let ticks = |duration: Duration| {
        i128::try_from(duration.as_nanos() / NANOSECONDS_PER_TICK).unwrap_or(i128::MAX / 2)
    };
    let since_unix = match time.duration_since(UNIX_EPOCH) {
        Ok(after) => ticks(after),
        Err(before) => -ticks(before.duration()),
    };
    let [a, b, c, d, e, f, g, h, ..] =
        (UNIX_EPOCH_IN_TICKS + since_unix).clamp(0, i64::MAX.into()).to_le_bytes();
    TimeStamp { low: u32::from_le_bytes([a, b, c, d]), high: i32::from_le_bytes([e, f, g, h]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_become_filetimes() {
        assert_eq!(stamp(UNIX_EPOCH), TimeStamp { low: 0xD53E_8000, high: 0x019D_B1DE });
        let later = stamp(UNIX_EPOCH + Duration::new(1_700_000_000, 500));
        let ticks: u64 = 116_444_736_000_000_000 + 17_000_000_000_000_000 + 5;
        assert_eq!(u64::from(later.low) | (u64::from(later.high.cast_unsigned()) << 32), ticks);
        // Windows has no times before 1601 at all.
        let before = UNIX_EPOCH.checked_sub(Duration::from_secs(400 * 366 * 24 * 60 * 60));
        assert!(before.is_none_or(|before| stamp(before) == ZERO));
    }
}

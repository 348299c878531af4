//! TimeStamp: 100 ns since 1601-01-01, as FILETIME counts.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::types::TimeStamp;

/// What intermediate calls return.
pub(crate) const ZERO: TimeStamp = TimeStamp { low: 0, high: 0 };

/// The end of time: 0x7FFFFFFFFFFFFFFF.
pub(crate) const NEVER: TimeStamp = TimeStamp { low: u32::MAX, high: i32::MAX };

/// Seconds from 1601 to 1970.
const EPOCH_SECONDS: u64 = 11_644_473_600;

/// 100 ns in a second.
const TICKS: u64 = 10_000_000;

/// A time as a TimeStamp; times before 1970 are its beginning, times beyond its range [`NEVER`].
pub(crate) fn stamp(time: SystemTime) -> TimeStamp {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let ticks = since
        .as_secs()
        .checked_add(EPOCH_SECONDS)
        .and_then(|seconds| seconds.checked_mul(TICKS))
        .and_then(|ticks| ticks.checked_add(u64::from(since.subsec_nanos() / 100)))
        .and_then(|ticks| i64::try_from(ticks).ok());
    ticks.map_or(NEVER, |ticks| {
        let [l0, l1, l2, l3, h0, h1, h2, h3] = ticks.to_le_bytes();
        TimeStamp { low: u32::from_le_bytes([l0, l1, l2, l3]), high: i32::from_le_bytes([h0, h1, h2, h3]) }
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn stamps_count_from_1601() {
        assert_eq!(stamp(UNIX_EPOCH), TimeStamp { low: 0xD53E_8000, high: 0x019D_B1DE });
        assert_eq!(
            stamp(UNIX_EPOCH + Duration::from_secs(u64::MAX / 20_000_000_000)),
            stamp(UNIX_EPOCH + Duration::from_secs(922_337_203))
        );
        assert_eq!(stamp(UNIX_EPOCH + Duration::from_secs(i64::MAX.cast_unsigned() / TICKS)), NEVER);
    }
}

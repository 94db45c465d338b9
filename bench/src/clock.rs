//! The only clock of the benchmark: it measures, so it must ask.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A moment of the monotonic clock.
#[derive(Clone, Copy)]
pub struct Moment(Instant);

impl Moment {
    /// Now.
    #[expect(clippy::disallowed_methods, reason = "the one place of the benchmark that reads the monotonic clock")]
    pub fn now() -> Self {
        Self(Instant::now())
    }

    /// Time from this moment until now; zero when it lies in the future.
    pub fn elapsed(self) -> Duration {
        Self::now().0.saturating_duration_since(self.0)
    }

    /// This moment moved on.
    pub fn plus(self, by: Duration) -> Self {
        Self(self.0 + by)
    }
}

/// Seconds since the epoch, as JWTs count.
#[expect(clippy::disallowed_methods, reason = "the one place of the benchmark that reads the calendar")]
pub fn unix_seconds() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

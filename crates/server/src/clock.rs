//! The only file that asks what time it is.

use counterfoil_core::time::Time;

/// The machine's clock. A value, so that whoever needs the time is given it.
#[derive(Clone, Copy, Debug)]
pub struct Clock;

impl Clock {
    /// A moment to measure from.
    pub fn mark(self) -> Mark {
        #[allow(clippy::disallowed_methods, reason = "this file is the clock")]
        let now = std::time::Instant::now();
        Mark(now)
    }

    /// Now. A clock before 1970 is read as 1970.
    pub fn now(self) -> Time {
        #[allow(clippy::disallowed_methods, reason = "this file is the clock")]
        let now = std::time::SystemTime::now();
        let since = now.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Time::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

/// A moment to measure from; it runs on when the clock is set.
#[derive(Clone, Copy, Debug)]
pub struct Mark(std::time::Instant);

impl Mark {
    /// How long ago that was.
    pub fn elapsed(self) -> std::time::Duration {
        self.0.elapsed()
    }
}

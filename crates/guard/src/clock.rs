//! The one place where the guard asks what time it is.

use counterfoil_core::time::Time;
use std::sync::OnceLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Milliseconds on a clock that nobody can set back: how long something has been silent is measured on this one,
/// because an operator or a time server may move the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Monotonic(u64);

impl Monotonic {
    /// The given number of milliseconds after an origin that only differences reveal: time is a number that a test writes.
    #[cfg(test)]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds from `earlier` to this moment; nought when `earlier` is later.
    pub const fn millis_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// The wall clock: what `iat` and `exp` are compared with.
#[allow(clippy::disallowed_methods, reason = "the guard's only reading of the wall clock")]
pub fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// The steady clock: what silence is measured with.
#[allow(clippy::disallowed_methods, reason = "the guard's only reading of the steady clock")]
pub fn monotonic() -> Monotonic {
    static ORIGIN: OnceLock<Instant> = OnceLock::new();
    let now = Instant::now();
    let since = now.saturating_duration_since(*ORIGIN.get_or_init(|| now));
    Monotonic(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

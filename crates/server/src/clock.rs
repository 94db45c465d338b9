//! The only file that asks what time it is.

use counterfoil_core::time::Time;

/// The machine's clock. A value, so that whoever needs the time is given it.
#[derive(Clone, Copy, Debug)]
pub struct Clock;

impl Clock {
    /// Now. A clock before 1970 is read as 1970.
    pub fn now(self) -> Time {
        #[allow(clippy::disallowed_methods, reason = "this file is the clock")]
        let now = std::time::SystemTime::now();
        let since = now.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Time::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

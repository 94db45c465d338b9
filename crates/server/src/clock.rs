//! The only file that asks what time it is.

use counterfoil_core::time::Time;

/// Tells the time. A value, so that a test can hold it still.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The machine's clock.
    System,
    /// A time that a test writes.
    #[cfg(test)]
    Fixed(std::sync::Arc<std::sync::atomic::AtomicI64>),
}

impl Clock {
    /// Now. A clock before 1970 is read as 1970: everything has then expired, which is the safe side.
    pub fn now(&self) -> Time {
        match self {
            Self::System => {
                #[allow(clippy::disallowed_methods, reason = "this file is the clock")]
                let now = std::time::SystemTime::now();
                let since = now.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
                Time::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
            }
            #[cfg(test)]
            Self::Fixed(millis) => Time::from_millis(millis.load(std::sync::atomic::Ordering::Relaxed)),
        }
    }
}

//! The clock of a code app, which is not the server's.

use counterfoil_core::time::Time;

/// Now.
pub fn now() -> Time {
    #[allow(clippy::disallowed_methods, reason = "this file is the clock")]
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    Time::from_seconds(i64::try_from(now).unwrap())
}

//! The real clock: the guard under test reads it, so its tokens are made by it.

use counterfoil_core::time::Time;
use std::time::{SystemTime, UNIX_EPOCH};

/// Now.
#[allow(clippy::disallowed_methods, reason = "the tests' only reading of the clock")]
pub fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Time::from_millis(i64::try_from(since.as_millis()).unwrap())
}

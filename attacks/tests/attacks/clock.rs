//! The only clock of these tests: codes need the time of day, and waiting needs an end.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A condition that has not come true by then will not.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often a condition is looked at.
const PAUSE: Duration = Duration::from_millis(25);

/// Seconds since the epoch.
#[expect(clippy::disallowed_methods, reason = "the one place of these tests that reads the calendar")]
pub fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

#[expect(clippy::disallowed_methods, reason = "the one place of these tests that reads the monotonic clock")]
fn now() -> Instant {
    Instant::now()
}

/// Looks until `look` sees something. On giving up, what it saw last.
pub async fn until<T>(mut look: impl AsyncFnMut() -> Result<T, String>) -> Result<T, String> {
    let end = now() + PATIENCE;
    loop {
        let missing = match look().await {
            Ok(found) => return Ok(found),
            Err(missing) => missing,
        };
        if now() > end {
            return Err(missing);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

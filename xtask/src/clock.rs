//! The only clock of xtask: how long a step took, and how long to wait for a server.

use std::time::{Duration, Instant};

/// A running stopwatch.
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts now.
    #[expect(clippy::disallowed_methods, reason = "the one place of xtask that reads a clock")]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Time since the start.
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// Asks again every `pause` until `ready` says yes; false after `limit`.
pub fn wait_until(limit: Duration, pause: Duration, mut ready: impl FnMut() -> bool) -> bool {
    let watch = Stopwatch::start();
    while watch.elapsed() < limit {
        if ready() {
            return true;
        }
        std::thread::sleep(pause);
    }
    false
}

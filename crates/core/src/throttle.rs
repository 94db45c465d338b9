//! How often an authenticator may be tried (SP 800-63B-4 §3.2.2), by arithmetic on the failures that are on record.
//!
//! The attempt is committed before the answer is compared, so that a crash or a second node gives no free try. A
//! success begins a new series.

use crate::{limits, time::Time};

/// Failures that cost nothing: fingers slip.
const FREE_FAILURES: u32 = 3;
/// The wait after the first failure that costs something; it doubles with each further one.
const FIRST_WAIT_SECONDS: i64 = 2;
/// The longest wait between two attempts.
const LONGEST_WAIT_SECONDS: i64 = 300;

/// What an authenticator's record says about one more attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may be tried.
    Try,
    /// Not before then. Nothing is compared, and nothing is counted.
    Wait {
        /// From when on it may be tried.
        until: Time,
    },
    /// It is disabled, and must be bound again.
    Disabled,
}

/// Judges an attempt at `now`, after `failures` consecutive ones of which the last was at `last`.
pub fn judge(failures: u32, last: Option<Time>, now: Time) -> Verdict {
    if failures >= limits::CONSECUTIVE_FAILURES {
        return Verdict::Disabled;
    }
    let Some(last) = last else { return Verdict::Try };
    let until = last.plus_seconds(wait_seconds(failures));
    if now < until { Verdict::Wait { until } } else { Verdict::Try }
}

/// Whether the failure that makes it `failures` disables the authenticator.
pub const fn disables(failures: u32) -> bool {
    failures >= limits::CONSECUTIVE_FAILURES
}

/// How long after the last of `failures` the next attempt waits.
pub const fn wait_seconds(failures: u32) -> i64 {
    if failures < FREE_FAILURES {
        return 0;
    }
    let doublings = failures - FREE_FAILURES;
    // Beyond 2^8 the longest wait holds anyway; shifting further could overflow.
    let wait = FIRST_WAIT_SECONDS << if doublings < 8 { doublings } else { 8 };
    if wait < LONGEST_WAIT_SECONDS { wait } else { LONGEST_WAIT_SECONDS }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_and_end_in_a_disabled_authenticator() {
        let waits: Vec<_> = (0..limits::CONSECUTIVE_FAILURES).map(wait_seconds).collect();
        assert_eq!(waits, [0, 0, 0, 2, 4, 8, 16, 32, 64, 128]);
        assert_eq!(wait_seconds(u32::MAX), LONGEST_WAIT_SECONDS);
        let now = Time::from_seconds(1_800_000_000);
        assert_eq!(judge(limits::CONSECUTIVE_FAILURES, None, now), Verdict::Disabled);
        assert!(disables(limits::CONSECUTIVE_FAILURES) && !disables(limits::CONSECUTIVE_FAILURES - 1));
    }

    #[test]
    fn an_attempt_waits_from_the_last_failure_on() {
        let last = Time::from_seconds(1_800_000_000);
        assert_eq!(judge(0, None, last), Verdict::Try);
        assert_eq!(judge(2, Some(last), last), Verdict::Try);
        assert_eq!(judge(5, Some(last), last), Verdict::Wait { until: last.plus_seconds(8) });
        assert_eq!(judge(5, Some(last), last.plus_seconds(8)), Verdict::Try);
    }
}

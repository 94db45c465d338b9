//! How many guesses an authenticator takes, and how long the next one has to wait (SP 800-63B-4 §3.2.2).
//!
//! Each guess is written down before it is compared, one after the other: each takes the turn after the newest that it found,
//! so that of many that come at once the first few are compared and the others wait for those. Two counts:
//!
//! - **In a series**, over all browsers: what was compared since the last success. Too many disable the authenticator.
//! - **Lately**, for browsers that the person is known by, and apart from them for all others: more of them wait longer.
//!   A success takes nothing off this count but itself, so that waiting tells nobody that somebody signed in; and guesses
//!   from elsewhere never make the person's own browser wait.

use crate::{
    limits::{CONSECUTIVE_FAILURES, FREE_GUESSES, GUESS_WAIT_SECONDS, GUESS_WAIT_SECONDS_MAX},
    time::Time,
};

/// What may be done with a guess.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guess {
    /// Compare it.
    Compare,
    /// Do not compare it: it came too early.
    Wait {
        /// How long it should have waited still; at least one.
        seconds: i64,
    },
}

/// Guesses that lie before one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Earlier {
    /// How many there were lately.
    pub guesses: u32,
    /// When the newest was made, however long ago.
    pub newest: Option<Time>,
}

impl Earlier {
    /// When a guess at `now` counts as made: after all of these, so that the newest is always the last that had its turn,
    /// whichever node's clock is behind.
    pub fn next_at(&self, now: Time) -> Time {
        self.newest.map_or(now, |newest| now.max(Time::from_millis(newest.millis().saturating_add(1))))
    }
}

/// Seconds between the newest of `guesses` and the next one: none for the first few, then twice as long each time.
pub fn wait_seconds(guesses: u32) -> i64 {
    let Some(over) = guesses.checked_sub(FREE_GUESSES) else { return 0 };
    // A shift by more than the type's width would wrap; the maximum is reached long before.
    let doubled = 1_i64.checked_shl(over.min(32)).unwrap_or(i64::MAX);
    GUESS_WAIT_SECONDS.saturating_mul(doubled).min(GUESS_WAIT_SECONDS_MAX)
}

/// Judges a guess at `now` by those before it. Where the clock has gone back, the newest guess is the later time.
pub fn judge(earlier: &Earlier, now: Time) -> Guess {
    let Some(newest) = earlier.newest else { return Guess::Compare };
    let wait_millis = wait_seconds(earlier.guesses).saturating_mul(1_000);
    let left = wait_millis - now.max(newest).millis().saturating_sub(newest.millis());
    if left <= 0 { Guess::Compare } else { Guess::Wait { seconds: (left + 999) / 1_000 } }
}

/// Whether an authenticator with so many guesses in its series, the present one included, is to be disabled instead of
/// compared. A guess that was not counted is none.
pub fn is_used_up(guesses_in_series: i64) -> bool {
    !(1..=i64::from(CONSECUTIVE_FAILURES)).contains(&guesses_in_series)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_guesses_are_compared_than_the_limit() {
        let last = i64::from(CONSECUTIVE_FAILURES);
        for (guesses, used_up) in [(1, false), (last, false), (last + 1, true), (i64::MAX, true), (0, true), (-1, true)]
        {
            assert_eq!(is_used_up(guesses), used_up, "{guesses}");
        }
    }

    #[test]
    fn waits_begin_after_the_free_guesses_grow_and_stop_growing() {
        let waits: Vec<i64> = (0..40).map(wait_seconds).collect();
        assert!(waits.iter().take(FREE_GUESSES as usize).all(|wait| *wait == 0), "{waits:?}");
        assert_eq!(waits.get(FREE_GUESSES as usize), Some(&GUESS_WAIT_SECONDS));
        assert!(waits.windows(2).all(|pair| pair[0] <= pair[1]), "{waits:?}");
        assert_eq!((waits.last(), wait_seconds(u32::MAX)), (Some(&GUESS_WAIT_SECONDS_MAX), GUESS_WAIT_SECONDS_MAX));
    }

    #[test]
    fn each_guess_is_made_after_all_before_it() {
        let now = Time::from_seconds(1_800_000_000);
        assert_eq!(Earlier::default().next_at(now), now);
        for (newest, expected) in [(-1, 0), (0, 1), (5_000, 5_001)] {
            let at = |millis: i64| Time::from_millis(now.millis() + millis);
            assert_eq!(Earlier { guesses: 1, newest: Some(at(newest)) }.next_at(now), at(expected), "{newest}");
        }
    }

    #[test]
    fn a_guess_waits_from_the_newest_one_and_a_clock_that_goes_back_shortens_nothing() {
        let newest = Time::from_seconds(1_800_000_000);
        let earlier = Earlier { guesses: FREE_GUESSES, newest: Some(newest) };
        let all = Guess::Wait { seconds: GUESS_WAIT_SECONDS };
        assert_eq!(judge(&Earlier::default(), newest), Guess::Compare);
        assert_eq!(judge(&earlier, newest), all);
        assert_eq!(judge(&earlier, newest.plus_seconds(-3_600)), all);
        assert_eq!(judge(&earlier, newest.plus_seconds(GUESS_WAIT_SECONDS - 1)), Guess::Wait { seconds: 1 });
        assert_eq!(judge(&earlier, newest.plus_seconds(GUESS_WAIT_SECONDS)), Guess::Compare);
        assert_eq!(judge(&Earlier { guesses: FREE_GUESSES - 1, ..earlier }, newest), Guess::Compare);
    }

    /// What the limit of consecutive failures costs somebody who knows a name and nothing else: days, not seconds.
    #[test]
    fn a_name_alone_disables_nothing_within_three_days() {
        let start = Time::from_seconds(1_800_000_000);
        let (mut now, mut earlier) = (start, Earlier::default());
        for number in 1..=i64::from(CONSECUTIVE_FAILURES) {
            if let Guess::Wait { seconds } = judge(&earlier, now) {
                now = now.plus_seconds(seconds);
            }
            assert_eq!(judge(&earlier, now), Guess::Compare, "{number}");
            earlier = Earlier { guesses: earlier.guesses.saturating_add(1), newest: Some(now) };
            // Guesses of yesterday are not counted as lately: the steady wait of an hour still leaves a day's worth.
            earlier.guesses = earlier.guesses.min(24);
        }
        assert!(now.seconds_since(start) > 72 * 3_600, "{}", now.seconds_since(start));
    }
}

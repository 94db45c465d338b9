//! How many guesses an authenticator takes: each is written down before it is compared, so that guesses that come at
//! once are all counted (SP 800-63B-4 §3.2.2).

use crate::limits::CONSECUTIVE_FAILURES;

/// What may be done with a guess that has just been written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guess {
    /// Compare it. If it is wrong, `left` more may follow; at 0 the authenticator is to be disabled.
    Compare {
        /// Guesses that are left after this one.
        left: u32,
    },
    /// Do not even compare it: the series is used up, and the authenticator is to be disabled if it is not yet.
    UsedUp,
}

/// Judges a guess by the number of guesses in the authenticator's series, itself included. A success begins a new series.
pub fn judge(guesses_in_series: i64) -> Guess {
    match u32::try_from(guesses_in_series) {
        Ok(number @ 1..=CONSECUTIVE_FAILURES) => Guess::Compare { left: CONSECUTIVE_FAILURES - number },
        // A guess that was not counted is none.
        _ => Guess::UsedUp,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_guesses_are_compared_than_the_limit() {
        let last = i64::from(CONSECUTIVE_FAILURES);
        for (guesses, want) in [
            (1, Guess::Compare { left: CONSECUTIVE_FAILURES - 1 }),
            (last, Guess::Compare { left: 0 }),
            (last + 1, Guess::UsedUp),
            (i64::MAX, Guess::UsedUp),
            (0, Guess::UsedUp),
            (-1, Guess::UsedUp),
        ] {
            assert_eq!(judge(guesses), want, "{guesses}");
        }
    }
}

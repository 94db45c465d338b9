//! Medians and percentiles, and how numbers are written in the table.

use std::time::Duration;

/// The middle value; of an even count the lower of the two. None of nothing.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len().saturating_sub(1) / 2).copied()
}

/// The smallest value that at least `percent` of all values do not exceed (nearest rank). `sorted` ascends.
pub fn percentile(sorted: &[Duration], percent: f64) -> Option<Duration> {
    let rank = (percent / 100.0 * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied()
}

/// A duration in milliseconds.
pub fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// A duration in microseconds.
pub fn microseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        for (values, wanted) in [
            (&[][..], None),
            (&[3.0], Some(3.0)),
            (&[2.0, 1.0], Some(1.0)),
            (&[9.0, 1.0, 5.0], Some(5.0)),
            (&[5.0, 4.0, 3.0, 2.0, 1.0], Some(3.0)),
        ] {
            assert_eq!(median(values), wanted, "{values:?}");
        }
    }

    #[test]
    fn percentiles_by_nearest_rank() {
        let hundred: Vec<Duration> = (1..=100).map(Duration::from_millis).collect();
        for (percent, wanted) in [(50.0, 50), (99.0, 99), (100.0, 100), (0.0, 1)] {
            assert_eq!(percentile(&hundred, percent), Some(Duration::from_millis(wanted)), "{percent}");
        }
        assert_eq!(percentile(&[], 50.0), None);
    }
}

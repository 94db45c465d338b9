//! What was read before it was changed does not count, whoever remembers it and when.
//!
//! A memory that is only emptied can be filled again by somebody who read before the change and is slow. So a reader takes the count
//! of its keys first, and what it remembers is good for as long as nobody has counted on.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::atomic::{AtomicU64, Ordering},
};

/// Keys share so many counts (128 KB): whoever forgets one forgets each of the others with one chance in so many, which costs
/// their next reader a read.
const COUNTS: usize = 16_384;

/// How often each key was forgotten.
pub struct Forgotten(Box<[AtomicU64]>);

/// How often two keys had been forgotten when something was about to be read that ends with either.
#[derive(Debug, Clone, Copy)]
pub struct Since([(usize, u64); 2]);

/// The place of a key's count.
fn place(key: &impl Hash) -> usize {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish() as usize % COUNTS
}

impl Forgotten {
    /// Nothing yet.
    pub fn nothing() -> Self {
        Self((0..COUNTS).map(|_| AtomicU64::new(0)).collect())
    }

    /// To be taken before reading.
    pub fn now(&self, one: &impl Hash, other: &impl Hash) -> Since {
        Since([place(one), place(other)].map(|place| (place, self.count(place))))
    }

    /// Is what was read since then still good?
    pub fn none(&self, since: Since) -> bool {
        since.0.iter().all(|(place, count)| self.count(*place) == *count)
    }

    /// To be called once the change is committed: who reads later finds it.
    pub fn forget(&self, key: &impl Hash) {
        // INVARIANT: a place is below COUNTS.
        self.0[place(key)].fetch_add(1, Ordering::SeqCst);
    }

    fn count(&self, place: usize) -> u64 {
        self.0[place].load(Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_before_either_of_its_keys_was_forgotten_is_not_good() {
        let forgotten = Forgotten::nothing();
        let (one, other, third) = ("one", "other", "third");
        let places: std::collections::HashSet<_> = [one, other, third].map(|key| place(&key)).into();
        assert_eq!(places.len(), 3, "or this shows nothing");
        for forget in [&one, &other] {
            let early = forgotten.now(&one, &other);
            assert!(forgotten.none(early));
            forgotten.forget(&third);
            assert!(forgotten.none(early), "it has nothing to do with that");
            forgotten.forget(forget);
            assert!(!forgotten.none(early));
            assert!(forgotten.none(forgotten.now(&one, &other)), "who reads afterwards remembers");
        }
    }
}

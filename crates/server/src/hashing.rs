//! Room for password hashing: a few at once, some that wait, and nobody beyond them. Each takes 19 MiB and a core for tens of
//! milliseconds, so a queue without an end would be an end of the process.

use crate::problem::{Kind, Problem};
use counterfoil_core::limits;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The rooms: of those who hash, and of all who are there.
#[derive(Debug)]
pub struct Hashing {
    at_once: Arc<Semaphore>,
    places: Arc<Semaphore>,
}

/// A place among those who hash or wait for it. Taken before a guess is counted: who finds no room has not guessed.
#[must_use = "a place that nobody uses keeps others out"]
#[derive(Debug)]
pub struct Place {
    at_once: Arc<Semaphore>,
    place: OwnedSemaphorePermit,
}

impl Hashing {
    /// Empty rooms.
    pub fn new() -> Self {
        Self {
            at_once: Arc::new(Semaphore::new(limits::HASHES_AT_ONCE)),
            places: Arc::new(Semaphore::new(limits::HASHES_AT_ONCE + limits::HASHES_WAITING)),
        }
    }

    /// A place, or "come back in a moment".
    pub fn enter(&self) -> Result<Place, Problem> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| Problem::new(Kind::BUSY))?;
        Ok(Place { at_once: Arc::clone(&self.at_once), place })
    }
}

impl Place {
    /// Waits for its turn, then runs the work off the async threads.
    pub async fn hash<T: Send + 'static>(self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
        let permit = self.at_once.acquire_owned().await.map_err(Problem::internal)?;
        let place = self.place;
        // Whoever asked may be gone by now; the work goes on, and so does what it takes.
        tokio::task::spawn_blocking(move || {
            let done = work();
            drop((permit, place));
            done
        })
        .await
        .map_err(Problem::internal)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]
    use super::*;

    #[tokio::test]
    async fn who_finds_the_waiting_room_full_is_told_so_at_once() {
        let hashing = Hashing::new();
        let places: Vec<Place> =
            (0..limits::HASHES_AT_ONCE + limits::HASHES_WAITING).map(|_| hashing.enter().unwrap()).collect();
        assert_eq!(hashing.enter().unwrap_err().kind(), Kind::BUSY);
        for place in places {
            place.hash(|| ()).await.unwrap();
        }
        assert_eq!(hashing.enter().unwrap().hash(|| 7).await.unwrap(), 7);
    }
}

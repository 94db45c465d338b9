//! Room for password hashing: a few at once, some that wait, and nobody beyond them. Each takes 19 MiB and a core for tens of
//! milliseconds, so a queue without an end would be an end of the process.

use crate::{
    problem::{Kind, Problem},
    share::{Seat, Share},
};
use counterfoil_core::limits;
use std::{net::IpAddr, sync::Arc};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The rooms: of those who hash, and of all who are there.
#[derive(Debug)]
pub struct Hashing {
    at_once: Arc<Semaphore>,
    places: Arc<Semaphore>,
    share: Share,
}

/// A place among those who hash or wait for it. Taken before a guess is counted: who finds no room has not guessed.
#[must_use = "a place that nobody uses keeps others out"]
#[derive(Debug)]
pub struct Place {
    at_once: Arc<Semaphore>,
    place: OwnedSemaphorePermit,
    seat: Seat,
}

impl Hashing {
    /// Empty rooms.
    pub fn new() -> Self {
        Self {
            at_once: Arc::new(Semaphore::new(limits::HASHES_AT_ONCE)),
            places: Arc::new(Semaphore::new(limits::HASHES_AT_ONCE + limits::HASHES_WAITING)),
            share: Share::new("passwords being hashed", limits::HASHES_PER_NETWORK, &[]),
        }
    }

    /// A place for somebody at this address, or "come back in a moment".
    pub fn enter(&self, ip: IpAddr) -> Result<Place, Problem> {
        let crowded = || Problem::new(Kind::CROWDED).with("retry_after_seconds", 1);
        let seat = self.share.seat(ip).ok_or_else(crowded)?;
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| Problem::new(Kind::BUSY))?;
        Ok(Place { at_once: Arc::clone(&self.at_once), place, seat })
    }
}

impl Place {
    /// Waits for its turn, then runs the work off the async threads.
    pub async fn hash<T: Send + 'static>(self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
        let permit = self.at_once.acquire_owned().await.map_err(Problem::internal)?;
        let (place, seat) = (self.place, self.seat);
        // Whoever asked may be gone by now; the work goes on, and so does what it takes.
        tokio::task::spawn_blocking(move || {
            let done = work();
            drop((permit, place, seat));
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
        let all = limits::HASHES_AT_ONCE + limits::HASHES_WAITING;
        let ip = |n: usize| IpAddr::from([10, 0, 0, u8::try_from(n / limits::HASHES_PER_NETWORK).unwrap()]);
        let mut places: Vec<Place> = (0..all).map(|n| hashing.enter(ip(n)).unwrap()).collect();
        assert_eq!(hashing.enter(IpAddr::from([10, 0, 1, 0])).unwrap_err().kind(), Kind::BUSY);
        // Whoever has many keeps others waiting, never out.
        let theirs = places.split_off(limits::HASHES_PER_NETWORK);
        for place in theirs {
            place.hash(|| ()).await.unwrap();
        }
        assert_eq!(hashing.enter(ip(0)).unwrap_err().kind(), Kind::CROWDED);
        assert_eq!(hashing.enter(ip(all)).unwrap().hash(|| 7).await.unwrap(), 7);
        drop(places);
        assert_eq!(hashing.enter(ip(0)).unwrap().hash(|| 7).await.unwrap(), 7);
    }
}

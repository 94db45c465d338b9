//! Guesses are counted by whoever compares, on both engines and over two nodes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test that cannot go on should stop.

use crate::support::{House, drawn, event, people};
use counterfoil_core::{
    digest::Digest,
    id::EventId,
    limits::{CONSECUTIVE_FAILURES, FREE_GUESSES, GUESS_MEMORY_SECONDS, GUESS_WINDOW_SECONDS},
};
use counterfoil_store::{Attempt, CommitError, Store, Tx, Upkeep};

crate::on_both_engines! {
    of_many_simultaneous_guesses_no_more_than_the_limit_are_compared,
    a_guess_that_was_right_is_forgotten_and_one_that_was_put_off_still_slows,
}

async fn commit(house: &House, store: &Store, fill: impl FnOnce(&mut Tx)) -> Result<(), CommitError> {
    let mut tx = Tx::new(house.now());
    fill(&mut tx);
    tx.commit(store, event(house.now())).await.map(drop)
}

async fn of_many_simultaneous_guesses_no_more_than_the_limit_are_compared(house: House) {
    let (a, b) = (house.open("a").await, house.open("b").await);
    let person = people::signed_in(&house, &a, "alice").await;
    let enrolled = people::enrolled(house.now(), person.subject.id, None);
    commit(&house, &a, |tx| {
        tx.enrol_authenticator(&enrolled);
    })
    .await
    .unwrap();
    let (start, many) = (house.now(), 2 * CONSECUTIVE_FAILURES);
    let guesses = (0..many).map(|n| {
        let (store, enrolled, now) = (if n % 2 == 0 { a.clone() } else { b.clone() }, enrolled.clone(), start);
        tokio::spawn(async move {
            let id = EventId::new(now, drawn());
            let attempt =
                Attempt { id, at: Some((enrolled.id, enrolled.series)), slows: "name:x".to_owned(), when: now };
            let mut upkeep = Upkeep::new(now);
            upkeep.record_attempt(&attempt);
            upkeep.commit(&store).await.unwrap();
            let compared = store.attempts(&enrolled).await.unwrap() <= i64::from(CONSECUTIVE_FAILURES);
            let others = store.earlier_attempts("name:x", now, Some(id)).await.unwrap();
            (compared, others.guesses < FREE_GUESSES)
        })
    });
    let (mut compared, mut free) = (0, 0);
    for guess in guesses.collect::<Vec<_>>() {
        let (is_compared, is_free) = guess.await.unwrap();
        compared += u32::from(is_compared);
        free += u32::from(is_free);
    }
    assert!(compared <= CONSECUTIVE_FAILURES, "{compared} were compared");
    // The guess that was committed as the n-th sees at least n-1 others, whichever node it came to.
    assert!(free <= FREE_GUESSES, "{free} would have had to wait for nobody");
    let all = a.earlier_attempts("name:x", start, None).await.unwrap();
    assert_eq!((all.guesses, all.newest), (many, Some(start)), "all of them count");
    assert_eq!(a.earlier_attempts("name:y", start, None).await.unwrap().guesses, 0);
}

async fn a_guess_that_was_right_is_forgotten_and_one_that_was_put_off_still_slows(house: House) {
    let store = house.open("a").await;
    let person = people::signed_in(&house, &store, "alice").await;
    let enrolled = people::enrolled(house.now(), person.subject.id, None);
    let key = Digest::of(b"key");
    commit(&house, &store, |tx| {
        tx.enrol_authenticator(&enrolled);
    })
    .await
    .unwrap();
    let now = house.now();
    let attempt = |n: u8| Attempt {
        id: EventId::new(now, [n; 10]),
        at: Some((enrolled.id, enrolled.series)),
        slows: "name:x".to_owned(),
        when: now,
    };
    for n in 1..=3 {
        let mut upkeep = Upkeep::new(now);
        upkeep.record_attempt(&Attempt { at: None, ..attempt(n) });
        upkeep.commit(&store).await.unwrap();
    }
    assert_eq!(store.attempts(&enrolled).await.unwrap(), 0, "what may have to wait is in no series");
    for n in [1, 3] {
        let mut upkeep = Upkeep::new(now);
        upkeep.count_attempt(&attempt(n));
        upkeep.commit(&store).await.unwrap();
    }
    assert!(!store.knows_browser(person.subject.id, &key).await.unwrap());
    commit(&house, &store, |tx| {
        tx.forget_attempt(&attempt(3)).remember_browser(person.subject.id, &key);
    })
    .await
    .unwrap();
    assert!(store.knows_browser(person.subject.id, &key).await.unwrap());
    assert_eq!(store.attempts(&enrolled).await.unwrap(), 1);
    assert_eq!(store.earlier_attempts("name:x", now, None).await.unwrap().guesses, 2);
    // Guesses that only slow go after two days, those of a series much later.
    for (later, left) in
        [(2 * GUESS_WINDOW_SECONDS, 2), (2 * GUESS_WINDOW_SECONDS + 1, 1), (GUESS_MEMORY_SECONDS + 1, 0)]
    {
        store.sweep(now.plus_seconds(later)).await.unwrap();
        assert_eq!(store.earlier_attempts("name:x", now, None).await.unwrap().guesses, left, "after {later} s");
    }
}

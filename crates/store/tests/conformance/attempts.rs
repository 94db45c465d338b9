//! Guesses are counted by whoever compares, on both engines and over two nodes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test that cannot go on should stop.

use crate::support::{House, drawn, event, people};
use counterfoil_core::{
    digest::Digest,
    id::EventId,
    limits::{CONSECUTIVE_FAILURES, FREE_GUESSES, GUESS_MEMORY_SECONDS, GUESS_WAIT_SECONDS, GUESS_WINDOW_SECONDS},
    throttle::{Guess, judge},
    time::Time,
};
use counterfoil_store::{Attempt, CommitError, Store, Tx, Upkeep};

crate::on_both_engines! {
    of_many_simultaneous_guesses_no_more_than_the_limit_are_compared,
    of_64_guesses_at_once_the_first_few_have_their_turn,
    a_turn_that_is_given_back_lets_one_more_guess_in,
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
            let at = Some((enrolled.id, enrolled.series));
            let attempt = Attempt { id, at, slows: "name:x".to_owned(), when: now, after: None };
            let mut upkeep = Upkeep::new(now);
            upkeep.count_attempt(&attempt);
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

/// Takes a turn as the server does; none if it has to wait.
async fn turn(store: &Store, now: Time, look_back: Time) -> Option<Attempt> {
    loop {
        let earlier = store.earlier_attempts("name:x", look_back, None).await.unwrap();
        if judge(&earlier, now) != Guess::Compare {
            return None;
        }
        let when = earlier.next_at(now);
        let id = EventId::new(when, drawn());
        let attempt = Attempt { id, at: None, slows: "name:x".to_owned(), when, after: earlier.newest };
        let mut upkeep = Upkeep::new(now);
        upkeep.take_turn(&attempt);
        match upkeep.commit(store).await {
            Ok(()) => return Some(attempt),
            Err(error) => assert!(error.spent().is_some(), "{error}"),
        }
    }
}

/// In one batch, and over two nodes of which one's clock is behind.
async fn of_64_guesses_at_once_the_first_few_have_their_turn(house: House) {
    let (a, b) = (house.open("a").await, house.open("b").await);
    let now = house.now();
    let guesses = (0..64).map(|n| {
        let (store, now) = if n % 2 == 0 { (a.clone(), now) } else { (b.clone(), now.plus_seconds(-4)) };
        tokio::spawn(async move { turn(&store, now, now.plus_seconds(-GUESS_WINDOW_SECONDS)).await })
    });
    let mut turns = Vec::new();
    for guess in guesses.collect::<Vec<_>>() {
        turns.extend(guess.await.unwrap());
    }
    assert_eq!(turns.len(), FREE_GUESSES as usize);
    for one in &turns {
        // What is asked again before comparing refuses none of them.
        let others = a.earlier_attempts("name:x", now.plus_seconds(-60), Some(one.id)).await.unwrap();
        assert_eq!(judge(&others, one.when), Guess::Compare);
    }
    // Once the wait is over, one of as many.
    let later = now.plus_seconds(GUESS_WAIT_SECONDS + 1);
    let guesses = (0..64).map(|n| {
        let store = if n % 2 == 0 { a.clone() } else { b.clone() };
        tokio::spawn(async move { turn(&store, later, later.plus_seconds(-GUESS_WINDOW_SECONDS)).await })
    });
    let mut turns = 0;
    for guess in guesses.collect::<Vec<_>>() {
        turns += usize::from(guess.await.unwrap().is_some());
    }
    assert_eq!(turns, 1);
}

async fn a_turn_that_is_given_back_lets_one_more_guess_in(house: House) {
    let store = house.open("a").await;
    let (now, since) = (house.now(), house.now().plus_seconds(-60));
    let mut turns = Vec::new();
    while let Some(one) = turn(&store, now, since).await {
        turns.push(one);
    }
    assert_eq!(turns.len(), FREE_GUESSES as usize);
    // Whichever it was, and though others came after it.
    for right in [0, 3, 4] {
        commit(&house, &store, |tx| {
            tx.forget_attempt(&turns[right]);
        })
        .await
        .unwrap();
        turns[right] = turn(&store, now, since).await.unwrap();
        assert!(turn(&store, now, since).await.is_none(), "one for one");
    }
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
        after: (n > 1).then(|| now.plus_seconds(i64::from(n))),
    };
    for n in 1..=3 {
        let mut upkeep = Upkeep::new(now);
        upkeep.take_turn(&attempt(n));
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

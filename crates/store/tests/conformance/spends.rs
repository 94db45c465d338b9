//! Something that can be done once is done once, and whoever fails gives back what it had taken.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test that cannot go on should stop.

use crate::support::{House, event};
use counterfoil_store::{CommitError, SpendKey, Store, Tx};
use std::collections::BTreeSet;

crate::on_both_engines! {
    of_64_simultaneous_uses_of_a_key_one_wins,
    of_64_uses_over_two_writers_one_wins,
    a_unit_that_loses_one_key_gives_back_the_others,
    a_key_once_spent_stays_spent_after_a_restart,
}

fn key(id: &str) -> SpendKey {
    SpendKey::new("test", id)
}

async fn spend(store: Store, house_now: counterfoil_core::time::Time, keys: Vec<String>) -> Result<(), CommitError> {
    let mut tx = Tx::new(house_now);
    for id in keys {
        tx.spend(key(&id), house_now.plus_seconds(60));
    }
    tx.commit(&store, event(house_now)).await.map(drop)
}

/// Runs all of them at once; which of them won.
async fn race(house: &House, units: Vec<(Store, Vec<String>)>) -> Vec<Result<(), CommitError>> {
    let now = house.now();
    let tasks: Vec<_> = units.into_iter().map(|(store, keys)| tokio::spawn(spend(store, now, keys))).collect();
    let mut results = Vec::new();
    for task in tasks {
        results.push(task.await.unwrap());
    }
    results
}

fn winners(results: &[Result<(), CommitError>]) -> usize {
    for result in results {
        assert!(result.is_ok() || result.as_ref().unwrap_err().spent().is_some(), "{result:?}");
    }
    results.iter().filter(|result| result.is_ok()).count()
}

async fn of_64_simultaneous_uses_of_a_key_one_wins(house: House) {
    let store = house.open("a").await;
    for round in 0..4 {
        let results = race(&house, vec![(store.clone(), vec![format!("key-{round}")]); 64]).await;
        assert_eq!(winners(&results), 1);
    }
    // Four winners and the run's first event: whoever was refused left nothing.
    assert_eq!(house.numbers("SELECT COUNT(*) FROM events").await, [5]);
}

async fn of_64_uses_over_two_writers_one_wins(house: House) {
    let (a, b) = (house.open("a").await, house.open("b").await);
    for round in 0..8 {
        let units = (0..64).map(|n| (if n % 2 == 0 { a.clone() } else { b.clone() }, vec![format!("key-{round}")]));
        assert_eq!(winners(&race(&house, units.collect()).await), 1);
    }
}

async fn a_unit_that_loses_one_key_gives_back_the_others(house: House) {
    let store = house.open("a").await;
    spend(store.clone(), house.now(), vec!["taken".into()]).await.unwrap();
    // The first of each pair takes `free-n` and fails on `taken`; the second must then get `free-n`.
    let units = (0..32).flat_map(|n| [vec![format!("free-{n}"), "taken".into()], vec![format!("free-{n}")]]);
    let results = race(&house, units.map(|keys| (store.clone(), keys)).collect()).await;
    let won: BTreeSet<usize> =
        results.iter().enumerate().filter(|(_, result)| result.is_ok()).map(|(n, _)| n).collect();
    assert_eq!(won, (0..64).filter(|n| n % 2 == 1).collect());
    assert_eq!(house.numbers("SELECT COUNT(*) FROM spends").await, [33]);
}

async fn a_key_once_spent_stays_spent_after_a_restart(house: House) {
    let store = house.open("a").await;
    spend(store.clone(), house.now(), vec!["once".into()]).await.unwrap();
    store.close().await;
    let store = house.open("a").await;
    let refused = spend(store, house.now(), vec!["once".into()]).await.unwrap_err();
    assert_eq!(refused.spent(), Some("test:once"));
}

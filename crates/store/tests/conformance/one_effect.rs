//! R1: one approval, one effect. Over interleavings of two writers, duplicates in one batch, faults before and after the
//! commit, lost replies, retries and restarts, each challenge has at most one (caller, redemption_id) that is ever told
//! "spent for you".
//!
//! Every run prints its seed when it fails; `COUNTERFOIL_SEED` runs one again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test that cannot go on should stop.

use crate::support::{Engine, House, event, people};
use counterfoil_core::{id::ChallengeId, session::Login};
use counterfoil_store::{ChallengeRecord, CommitError, Fault, Sequencer, Store, Tx};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

const SEEDS: u64 = 12;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r1_one_approval_one_effect_on_sqlite() {
    over_seeds(Engine::Sqlite, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r1_one_approval_one_effect_on_postgres_with_two_writers() {
    over_seeds(Engine::Postgres, 2).await;
}

async fn over_seeds(engine: Engine, writers: usize) {
    let seeds = match std::env::var("COUNTERFOIL_SEED") {
        Ok(seed) => vec![seed.parse().unwrap()],
        Err(_) => (0..SEEDS).collect(),
    };
    for seed in seeds {
        let result = tokio::spawn(interleaving(engine, writers, seed)).await;
        assert!(result.is_ok(), "COUNTERFOIL_SEED={seed} on {engine:?}: {}", result.unwrap_err());
    }
}

/// A small generator (SplitMix64), so that a seed is all there is to repeat.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

/// Who was told "spent for you", by challenge.
type Told = Arc<Mutex<BTreeMap<ChallengeId, BTreeSet<String>>>>;

async fn interleaving(engine: Engine, writers: usize, seed: u64) {
    let mut chance = Chance(seed);
    let house = Arc::new(House::new(engine).await);
    let names: Vec<String> = (0..writers).map(|n| format!("node-{n}")).collect();
    let mut stores = Vec::new();
    for name in &names {
        stores.push(house.open(name).await);
    }
    people::activate(&house, &stores[0]).await;
    let person = people::signed_in(&house, &stores[0], "alice").await;
    let mut challenges = Vec::new();
    for _ in 0..4 {
        challenges.push(people::proven_challenge(&house, &stores[0], &person).await);
    }
    let told: Told = Told::default();
    for _ in 0..5 {
        let mut tasks = Vec::new();
        for _ in 0..chance.below(60) + 4 {
            let at = chance.below(writers as u64) as usize;
            if chance.below(25) == 0 {
                let faults = [Fault::BeforeCommit, Fault::AfterCommit, Fault::DieBeforeCommit, Fault::DieAfterCommit];
                stores[at].fail_next(faults[chance.below(4) as usize]);
            }
            let challenge = challenges[chance.below(4) as usize].clone();
            // Some callers use a name for two approvals: it serves one of them.
            let redemption_id = format!("redemption-{}", chance.below(6));
            let (store, login) = (stores[at].clone(), person.login.clone());
            let (told, now) = (Arc::clone(&told), house.now());
            let lost = chance.below(8) == 0;
            tasks.push(tokio::spawn(async move {
                let answer = redeem(&store, now, &challenge, &login, &redemption_id).await;
                // A lost reply: the caller hears nothing, and will ask again under the same name.
                if answer && !lost {
                    told.lock().unwrap().entry(challenge.id).or_default().insert(redemption_id);
                }
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
        let at = chance.below(writers as u64) as usize;
        stores[at].crash();
        stores[at] = house.open(&names[at]).await;
    }
    for (store, name) in stores.iter_mut().zip(&names) {
        store.crash();
        *store = house.open(name).await;
    }
    let told = told.lock().unwrap().clone();
    for (challenge, callers) in &told {
        assert_eq!(callers.len(), 1, "{challenge}: told {callers:?}");
        let kept = stores[0].redemption(*challenge).await.unwrap().expect("what was told is kept");
        assert_eq!(callers.first(), Some(&kept.redemption_id));
    }
    let names: BTreeSet<&String> = told.values().flatten().collect();
    assert_eq!(names.len(), told.len(), "one name was told for two approvals");
    assert_eq!(told.len(), challenges.len(), "somebody got through in the end");
    // R5, the part of it that R1 needs: each spend that was told is an event in the log, and the chains hold.
    let sequenced = Sequencer::new(stores[0].clone()).step(&crate::log::TestLog::new()).await.unwrap();
    assert!(sequenced.refused.is_empty(), "{:?}", sequenced.refused);
    for challenge in &challenges {
        let events = stores[0].log().events_about(&format!("challenge:{}", challenge.id)).await.unwrap();
        assert_eq!(events.len(), 3, "opened, proven, spent once");
        assert!(events.iter().all(|event| event.leaf_index.is_some()));
    }
}

/// What an honest caller does: asks, and asks again under the same name when it hears nothing. Was it told "for you"?
async fn redeem(
    store: &Store,
    now: counterfoil_core::time::Time,
    challenge: &ChallengeRecord,
    login: &Login,
    redemption_id: &str,
) -> bool {
    let redemption = people::redemption(now, challenge.id, login, redemption_id);
    for _ in 0..4 {
        if let Ok(Some(kept)) = store.redemption(challenge.id).await {
            return kept.is_replay_of(&redemption.audience, redemption_id, &redemption.digest);
        }
        let mut tx = Tx::new(now);
        tx.redeem(&redemption, challenge);
        match tx.commit(store, event(now)).await {
            Ok(_) => return true,
            // Refused, unknown, or a dead writer: only what is kept counts.
            Err(CommitError::Internal(reason)) => panic!("{reason}"),
            Err(_) => {}
        }
    }
    false
}

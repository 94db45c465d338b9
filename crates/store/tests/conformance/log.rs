//! Every yes that was told is a leaf, in order, and whoever edits the database is seen.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test that cannot go on should stop.

use crate::support::{Engine, House, event};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use counterfoil_core::audit::{
    chain::ChainError,
    checkpoint::{Checkpoint, LogKey, Signer},
    event::{EventKind, Leaf, LeafHash},
    tree::TileId,
};
use counterfoil_store::{Fault, OpenError, SequenceError, Sequencer, Store, Tx};
use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    time::Duration,
};
use tokio::time::timeout;

crate::on_both_engines! {
    committed_events_become_leaves_under_a_signed_checkpoint,
    two_sequencers_make_one_history,
    a_step_that_panics_ends_alone,
    an_edited_event_becomes_no_leaf,
    an_edit_is_told_even_if_the_step_that_found_it_failed,
    a_deleted_event_stops_its_run,
    a_database_behind_the_high_water_file_does_not_open,
    an_edited_tree_does_not_open,
    a_head_that_somebody_wrote_is_never_signed,
    one_tampered_run_does_not_hold_up_the_others,
    a_missing_high_water_file_raises_the_epoch,
    a_new_node_beside_one_that_works_raises_no_epoch,
    a_restarted_writer_names_its_predecessor,
    what_was_told_before_a_crash_is_in_the_log,
}

pub struct TestLog(Ed25519KeyPair, LogKey);

impl TestLog {
    pub fn new() -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[3; 32]).unwrap();
        let public = pair.public_key().as_ref().try_into().unwrap();
        Self(pair, LogKey::new("localhost/log", public).unwrap())
    }
}

impl Signer for TestLog {
    fn log_key(&self) -> &LogKey {
        &self.1
    }

    fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).as_ref().try_into().unwrap()
    }
}

/// Signs once it hears that others go on.
struct Waits(TestLog, Mutex<mpsc::Receiver<()>>, tokio::sync::mpsc::UnboundedSender<bool>);

impl Signer for Waits {
    fn log_key(&self) -> &LogKey {
        self.0.log_key()
    }

    fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.2.send(false).unwrap();
        let heard = self.1.lock().unwrap().recv_timeout(Duration::from_secs(10));
        self.2.send(heard.is_ok()).unwrap();
        self.0.sign(message)
    }
}

/// All that others do is on this one thread.
#[tokio::test(flavor = "current_thread")]
async fn a_step_keeps_no_thread_from_the_requests() {
    let house = House::new(Engine::Sqlite).await;
    let store = house.open("a").await;
    commit(&store, &house, 1).await;
    let (go_on, hears) = mpsc::channel();
    let (says, mut said) = tokio::sync::mpsc::unbounded_channel();
    let running = tokio::spawn(Sequencer::new(store.clone()).run(Waits(TestLog::new(), Mutex::new(hears), says)));
    let mut hear = async || timeout(Duration::from_secs(30), said.recv()).await.ok().flatten();
    assert_eq!(hear().await, Some(false), "it signs");
    go_on.send(()).unwrap();
    assert_eq!(hear().await, Some(true), "nobody could go on while it signed");
    running.abort();
}

/// Panics the first time.
struct Panics(TestLog, AtomicBool);

impl Signer for Panics {
    fn log_key(&self) -> &LogKey {
        self.0.log_key()
    }

    fn sign(&self, message: &[u8]) -> [u8; 64] {
        assert!(self.1.swap(true, Ordering::Relaxed), "this panic belongs to the test");
        self.0.sign(message)
    }
}

async fn a_step_that_panics_ends_alone(house: House) {
    let store = house.open("a").await;
    commit(&store, &house, 3).await;
    let running = tokio::spawn(Sequencer::new(store.clone()).run(Panics(TestLog::new(), AtomicBool::new(false))));
    let signed = async {
        loop {
            match store.log().last_checkpoint().await.unwrap() {
                Some(checkpoint) if checkpoint.size == 4 => return,
                _ => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    };
    timeout(Duration::from_secs(30), signed).await.expect("the next step signs what that one did not");
    running.abort();
    let report = store.log().verify(crate::verify::given(&TestLog::new())).await.unwrap();
    assert!(report.holds(), "{:?}", report.findings);
}

pub async fn commit(store: &Store, house: &House, count: usize) {
    let now = house.now();
    let tasks: Vec<_> = (0..count)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { Tx::new(now).commit(&store, event(now)).await.unwrap() })
        })
        .collect();
    for task in tasks {
        let _ = task.await.unwrap();
    }
}

async fn committed_events_become_leaves_under_a_signed_checkpoint(house: House) {
    let (store, log) = (house.open("a").await, TestLog::new());
    let mut sequencer = Sequencer::new(store.clone());
    let mut roots = Vec::new();
    for (round, count) in [1, 40, 300, 5].into_iter().enumerate() {
        commit(&store, &house, count).await;
        let sequenced = sequencer.step(&log).await.unwrap();
        assert_eq!(sequenced.added, count as u64 + u64::from(round == 0), "the run's first event is a leaf too");
        let stored = store.log().last_checkpoint().await.unwrap().unwrap();
        let checkpoint = Checkpoint::verify(&stored.note.parse().unwrap(), &[log.log_key().clone()]).unwrap();
        assert_eq!((checkpoint.size, stored.size), (sequenced.size, sequenced.size));
        roots.push((checkpoint.size, checkpoint.root));
    }
    let (size, root) = *roots.last().unwrap();
    let leaves = store.log().leaves(0, 1_000).await.unwrap();
    assert_eq!(leaves.len() as u64, size);
    for (index, leaf) in leaves.iter().enumerate() {
        assert_eq!(leaf.leaf_index, Some(index as u64));
        assert_eq!(store.log().leaf_index(leaf.link.run, leaf.link.number).await.unwrap(), Some(index as u64));
        let proof = store.log().inclusion(index as u64, size).await.unwrap();
        proof.verify(&LeafHash::of(&leaf.leaf), &root).unwrap();
    }
    for pair in roots.windows(2) {
        let proof = store.log().consistency(pair[0].0, pair[1].0).await.unwrap();
        proof.verify(&pair[0].1, &pair[1].1).unwrap();
    }
    assert_eq!(store.log().leaves(40, 10).await.unwrap(), leaves[40..50]);
}

async fn two_sequencers_make_one_history(house: House) {
    let (a, b, log) = (house.open("a").await, house.open("b").await, TestLog::new());
    let (mut first, mut second) = (Sequencer::new(a.clone()), Sequencer::new(b.clone()));
    for _ in 0..6 {
        commit(&a, &house, 20).await;
        commit(&b, &house, 20).await;
        let (one, two) = tokio::join!(first.step(&log), second.step(&log));
        for result in [one, two] {
            // Who meets the other's commit is refused and begins anew; nobody forks.
            if let Err(error) = result {
                assert!(error.to_string().contains("no longer as it was read"), "{error}");
            }
        }
        // The lease passes to whoever asks first.
        house.wait_seconds(6);
    }
    first.step(&log).await.unwrap();
    house.wait_seconds(6);
    second.step(&log).await.unwrap();
    let leaves = a.log().leaves(0, 1_000).await.unwrap();
    assert_eq!(leaves.len(), 6 * 40 + 2);
    let ids: std::collections::BTreeSet<_> = leaves.iter().map(|leaf| leaf.id).collect();
    assert_eq!(ids.len(), leaves.len(), "each event once");
    let head = a.log().head().await.unwrap();
    assert_eq!(a.log().root_at(head.size).await.unwrap(), head.root);
    let mut before: Option<Checkpoint> = None;
    for stored in a.log().checkpoints(0, 100).await.unwrap() {
        let checkpoint = Checkpoint::verify(&stored.note.parse().unwrap(), &[log.log_key().clone()]).unwrap();
        if let Some(before) = before {
            let proof = a.log().consistency(before.size, checkpoint.size).await.unwrap();
            proof.verify(&before.root, &checkpoint.root).unwrap();
        }
        before = Some(checkpoint);
    }
}

async fn an_edited_event_becomes_no_leaf(house: House) {
    let (store, log) = (house.open("a").await, TestLog::new());
    commit(&store, &house, 5).await;
    house.tamper("UPDATE events SET leaf = (SELECT leaf FROM events WHERE number = 1) WHERE number = 3").await;
    let sequenced = Sequencer::new(store.clone()).step(&log).await.unwrap();
    assert_eq!((sequenced.size, sequenced.refused.len()), (3, 1));
    assert_eq!(sequenced.refused[0].error, ChainError::Mac);
}

async fn an_edit_is_told_even_if_the_step_that_found_it_failed(house: House) {
    let (store, log) = (house.open("a").await, TestLog::new());
    let mut sequencer = Sequencer::new(store.clone());
    sequencer.step(&log).await.unwrap();
    commit(&store, &house, 5).await;
    house.tamper("UPDATE events SET leaf = (SELECT leaf FROM events WHERE number = 1) WHERE number = 3").await;
    store.fail_next(Fault::AfterCommit);
    assert!(matches!(sequencer.step(&log).await, Err(SequenceError::Commit(_))));
    let refused = sequencer.step(&log).await.unwrap().refused;
    assert_eq!(refused.iter().map(|refused| refused.error).collect::<Vec<_>>(), [ChainError::Mac]);
    assert_eq!(sequencer.step(&log).await.unwrap().refused, [], "told once");
}

async fn a_deleted_event_stops_its_run(house: House) {
    let (store, log) = (house.open("a").await, TestLog::new());
    commit(&store, &house, 5).await;
    house.tamper("DELETE FROM events WHERE number = 2").await;
    let sequenced = Sequencer::new(store.clone()).step(&log).await.unwrap();
    assert_eq!(sequenced.size, 2);
    assert_eq!(sequenced.refused[0].error, ChainError::Gap { expected: 2, found: 3 });
}

async fn a_database_behind_the_high_water_file_does_not_open(house: House) {
    let (store, log) = (house.open("a").await, TestLog::new());
    commit(&store, &house, 5).await;
    Sequencer::new(store.clone()).step(&log).await.unwrap();
    store.close().await;
    house.tamper("UPDATE log_head SET size = 2").await;
    let refused = house.try_open("a").await.unwrap_err();
    assert!(matches!(refused, OpenError::RolledBack { marked: 6, found: 2, .. }), "{refused}");
}

async fn an_edited_tree_does_not_open(house: House) {
    let (store, log) = (house.open("a").await, TestLog::new());
    commit(&store, &house, 5).await;
    Sequencer::new(store.clone()).step(&log).await.unwrap();
    store.close().await;
    let wrong = match house.engine {
        Engine::Sqlite => "UPDATE tiles SET hashes = zeroblob(6 * 32)",
        Engine::Postgres => "UPDATE tiles SET hashes = decode(repeat('00', 6 * 32), 'hex')",
    };
    house.tamper(wrong).await;
    assert!(matches!(house.try_open("a").await.unwrap_err(), OpenError::Forked { size: 6, .. }));
}

async fn a_head_that_somebody_wrote_is_never_signed(house: House) {
    let (store, log) = (house.open("a").await, TestLog::new());
    commit(&store, &house, 5).await;
    let mut sequencer = Sequencer::new(store.clone());
    sequencer.step(&log).await.unwrap();
    let file = std::fs::read_to_string(house.high_water("a")).unwrap();
    let root = match house.engine {
        Engine::Sqlite => "zeroblob(32)",
        Engine::Postgres => "decode(repeat('00', 32), 'hex')",
    };
    for head in [format!("size = 7, root = {root}"), format!("size = 6, root = {root}"), "size = 3".to_owned()] {
        house.tamper(&format!("UPDATE log_head SET {head}")).await;
        for mut sequencer in
            [Sequencer::new(store.clone()), std::mem::replace(&mut sequencer, Sequencer::new(store.clone()))]
        {
            house.wait_seconds(6); // The lease is the other's.
            sequencer.step(&log).await.unwrap_err();
        }
        assert_eq!(house.numbers("SELECT size FROM checkpoints ORDER BY size").await, [6], "{head}");
        assert_eq!(std::fs::read_to_string(house.high_water("a")).unwrap(), file, "{head}");
    }
    // A whole tree of somebody's own, which agrees with its head, does not continue what was signed either.
    let other = House::new(house.engine).await;
    let theirs = other.open("a").await;
    commit(&theirs, &other, 9).await;
    Sequencer::new(theirs.clone()).step(&log).await.unwrap();
    let head = theirs.log().head().await.unwrap();
    let tile = theirs.log().tile(TileId { level: 0, index: 0 }).await.unwrap().unwrap();
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let literal = |bytes: &[u8]| match house.engine {
        Engine::Sqlite => format!("X'{}'", hex(bytes)),
        Engine::Postgres => format!("decode('{}', 'hex')", hex(bytes)),
    };
    house.tamper(&format!("UPDATE tiles SET hashes = {}", literal(&tile.bytes()))).await;
    let root = literal(head.root.as_bytes());
    house.tamper(&format!("UPDATE log_head SET size = {}, root = {root}", head.size)).await;
    house.wait_seconds(6);
    let refused = Sequencer::new(store.clone()).step(&log).await.unwrap_err();
    assert!(matches!(refused, SequenceError::Forked { size: 6 }), "{refused}");
    assert_eq!(house.numbers("SELECT size FROM checkpoints ORDER BY size").await, [6]);
}

async fn one_tampered_run_does_not_hold_up_the_others(house: House) {
    let log = TestLog::new();
    let store = house.open("a").await;
    commit(&store, &house, 5).await;
    store.close().await;
    house.tamper("UPDATE events SET leaf = (SELECT leaf FROM events WHERE number = 1) WHERE number = 2").await;
    // Runs that nobody began, older than every other.
    for n in 0..20 {
        let mac = if house.engine == Engine::Sqlite { "zeroblob(32)" } else { "decode(repeat('00', 32), 'hex')" };
        house
            .tamper(&format!(
                "INSERT INTO runs (id, epoch, node, predecessor, at, head, mac) \
                 VALUES ('00000000-0000-7000-8000-0000000000{n:02}', 1, 'x', NULL, 0, 1000000, {mac})"
            ))
            .await;
    }
    house.wait_seconds(1);
    let store = house.open("a").await;
    let mut sequencer = Sequencer::new(store.clone());
    let first = sequencer.step(&log).await.unwrap();
    assert_eq!(first.refused.len(), 21);
    assert_eq!(first.added, 2 + 1, "what is whole of the tampered run, and the new run's first");
    commit(&store, &house, 5).await;
    let second = sequencer.step(&log).await.unwrap();
    assert_eq!((second.added, second.refused), (5, Vec::new()), "a refused run is said once");
}

async fn a_missing_high_water_file_raises_the_epoch(house: House) {
    let (store, log) = (house.open("a").await, TestLog::new());
    commit(&store, &house, 5).await;
    Sequencer::new(store.clone()).step(&log).await.unwrap();
    assert_eq!(store.epoch_raised_at().await.unwrap(), None);
    store.close().await;
    std::fs::remove_file(house.high_water("a")).unwrap();
    house.wait_seconds(10);
    let store = house.open("a").await;
    assert_eq!(store.log().epoch().await.unwrap(), 2);
    assert_eq!(store.epoch_raised_at().await.unwrap(), Some(house.now()));
    let sequenced = Sequencer::new(store.clone()).step(&log).await.unwrap();
    let last = store.log().leaves(sequenced.size - 1, 1).await.unwrap();
    let leaf = Leaf::parse(&last[0].leaf).unwrap();
    assert!(matches!(leaf.kind, EventKind::EpochRaised { from: 1, to: 2, .. }), "{leaf:?}");
    store.close().await;
    assert_eq!(house.open("a").await.log().epoch().await.unwrap(), 2, "raised once");
}

async fn a_new_node_beside_one_that_works_raises_no_epoch(house: House) {
    let (first, log) = (house.open("a").await, TestLog::new());
    commit(&first, &house, 5).await;
    Sequencer::new(first.clone()).step(&log).await.unwrap();
    house.wait_seconds(1);
    let second = house.open("b").await;
    assert_eq!(second.log().epoch().await.unwrap(), 1);
    assert!(house.high_water("b").exists(), "from now on it would notice");
    house.wait_seconds(60);
    let third = house.open("c").await;
    assert_eq!(third.log().epoch().await.unwrap(), 2, "nobody has worked for a minute");
}

async fn a_restarted_writer_names_its_predecessor(house: House) {
    let store = house.open("a").await;
    commit(&store, &house, 3).await;
    store.close().await;
    house.wait_seconds(1);
    let store = house.open("a").await;
    let runs = store.log().runs().await.unwrap();
    assert_eq!(runs.len(), 2);
    let begun = store.log().event_at(runs[1].id, 0).await.unwrap().unwrap();
    match Leaf::parse(&begun.leaf).unwrap().kind {
        EventKind::RunBegun { predecessor: Some(before), .. } => {
            assert_eq!((before.run, before.number), (runs[0].id, 3));
        }
        other => panic!("{other:?}"),
    }
}

async fn what_was_told_before_a_crash_is_in_the_log(house: House) {
    let log = TestLog::new();
    let mut told = std::collections::BTreeSet::new();
    for fault in [Fault::DieBeforeCommit, Fault::DieAfterCommit, Fault::BeforeCommit, Fault::AfterCommit] {
        let store = house.open("a").await;
        let now = house.now();
        let tasks: Vec<_> = (0..600)
            .map(|n| {
                let store = store.clone();
                tokio::spawn(async move {
                    if n == 200 {
                        store.fail_next(fault);
                    }
                    let event = event(now);
                    let id = event.id;
                    Tx::new(now).commit(&store, event).await.is_ok().then_some(id)
                })
            })
            .collect();
        for task in tasks {
            told.extend(task.await.unwrap());
        }
        // As a killed process: nobody says goodbye.
        store.crash();
    }
    let store = house.open("a").await;
    let sequenced = Sequencer::new(store.clone()).step(&log).await.unwrap();
    assert!(sequenced.refused.is_empty(), "{:?}", sequenced.refused);
    let leaves = store.log().leaves(0, 10_000).await.unwrap();
    let logged: std::collections::BTreeSet<_> = leaves.iter().map(|leaf| leaf.id).collect();
    assert_eq!(told.difference(&logged).count(), 0);
    assert!(told.len() >= 400, "most were told: {}", told.len());
}

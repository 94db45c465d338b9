//! A unit is kept whole or not at all, whatever else is in its batch, and its caller hears what became of it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test that cannot go on should stop.

use crate::support::{Engine, House, event, people};
use counterfoil_core::{limits::WRITER_QUEUE, subject::Group};
use counterfoil_store::{ChallengeRecord, CommitError, DecisionRecord, Fault, Refusal, Sequencer, Store, Tx};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::tcp::{OwnedReadHalf, OwnedWriteHalf},
};

crate::on_both_engines! {
    an_impossible_unit_fails_alone,
    a_refused_unit_leaves_nothing,
    a_lost_answer_is_unknown_and_never_yes,
    a_connection_that_breaks_before_the_commit_costs_nobody_anything,
    a_connection_that_breaks_under_every_batch_keeps_nobody_waiting,
    of_64_changes_of_one_row_one_wins,
    a_full_queue_says_busy_and_keeps_its_word_to_the_rest,
    what_begins_together_needs_no_condition,
    a_spend_under_another_pack_or_by_a_suspended_person_is_refused,
    a_risen_epoch_voids_what_was_open,
    a_writer_of_an_old_epoch_writes_no_more,
    of_decisions_side_by_side_an_impossible_one_fails_alone,
    decisions_are_never_kept_in_a_run_of_an_old_epoch,
    a_decision_whose_answer_is_lost_is_unknown_and_never_yes,
    close_keeps_what_was_queued,
    a_writer_whose_connection_was_lost_while_it_rested_costs_nobody_anything,
    reads_outlive_the_connections_that_rested,
    a_read_that_nobody_waits_for_spoils_no_other,
}

fn group(name: &str) -> Group {
    Group { name: name.to_owned(), description: String::new(), version: 0 }
}

async fn put_group(house: &House, store: &Store, name: &str) -> Result<(), CommitError> {
    let mut tx = Tx::new(house.now());
    tx.put_group(&group(name));
    tx.commit(store, event(house.now())).await.map(drop)
}

async fn an_impossible_unit_fails_alone(house: House) {
    let store = house.open("a").await;
    put_group(&house, &store, "there").await.unwrap();
    let names: Vec<String> = (0..20).map(|n| if n == 7 { "there".to_owned() } else { format!("group-{n}") }).collect();
    let results = futures_util::future::join_all(names.iter().map(|name| put_group(&house, &store, name))).await;
    for (name, result) in names.iter().zip(results) {
        match result {
            Ok(()) => assert!(store.group(name).await.unwrap().is_some()),
            Err(error) => assert!(name == "there" && matches!(error, CommitError::Internal(_)), "{name}: {error}"),
        }
    }
    assert_eq!(house.numbers("SELECT COUNT(*) FROM people_groups").await, [20]);
}

async fn a_refused_unit_leaves_nothing(house: House) {
    let store = house.open("a").await;
    let person = people::signed_in(&house, &store, "alice").await;
    let events = house.numbers("SELECT COUNT(*) FROM events").await;
    let mut tx = Tx::new(house.now());
    tx.put_group(&group("never")).spend(counterfoil_store::SpendKey::nonce("n"), house.now());
    tx.require_policy(people::policy().version).end_login(&person.login);
    let refused = tx.commit(&store, event(house.now())).await.unwrap_err();
    assert!(matches!(refused, CommitError::Refused(Refusal::Condition { table: "active", .. })), "{refused}");
    assert_eq!(store.group("never").await.unwrap(), None);
    assert_eq!(house.numbers("SELECT COUNT(*) FROM events").await, events);
    assert!(!store.is_spent(&counterfoil_store::SpendKey::nonce("n")).await.unwrap());
    assert!(store.login(person.login.id).await.unwrap().unwrap().is_open());
}

async fn a_lost_answer_is_unknown_and_never_yes(house: House) {
    let store = house.open("a").await;
    store.fail_next(Fault::AfterCommit);
    assert!(matches!(put_group(&house, &store, "kept").await, Err(CommitError::Unknown)));
    assert!(store.group("kept").await.unwrap().is_some(), "it was kept, but nobody could know");
    put_group(&house, &store, "next").await.unwrap();
    assert_eq!(store.log().runs().await.unwrap().len(), 2, "a new run names the one that broke");
}

async fn a_connection_that_breaks_before_the_commit_costs_nobody_anything(house: House) {
    let store = house.open("a").await;
    store.fail_next(Fault::BeforeCommit);
    put_group(&house, &store, "kept").await.unwrap();
    let sequenced = Sequencer::new(store.clone()).step(&crate::log::TestLog::new()).await.unwrap();
    assert!(sequenced.refused.is_empty());
    assert_eq!(sequenced.size, 3, "two runs began, one unit");
}

async fn a_connection_that_breaks_under_every_batch_keeps_nobody_waiting(house: House) {
    let store = house.open("a").await;
    store.fail_next(Fault::BeforeEveryCommit);
    assert!(matches!(put_group(&house, &store, "never").await, Err(CommitError::Unavailable(_))));
    // It ends with this one more, which is kept in a run of its own.
    store.fail_next(Fault::BeforeCommit);
    put_group(&house, &store, "later").await.unwrap();
    assert!(store.group("never").await.unwrap().is_none());
    assert!(store.group("later").await.unwrap().is_some());
    store.close().await;
}

async fn of_64_changes_of_one_row_one_wins(house: House) {
    let (a, b) = (house.open("a").await, house.open("b").await);
    let person = people::signed_in(&house, &a, "alice").await;
    let challenge = people::proven_challenge(&house, &a, &person).await;
    let changes = (0..64).map(|n| {
        let (store, now) = (if n % 2 == 0 { a.clone() } else { b.clone() }, house.now());
        let changed = ChallengeRecord { state: format!("state-{n}"), ..challenge.clone() };
        tokio::spawn(async move {
            let mut tx = Tx::new(now);
            tx.change_challenge(&changed);
            tx.commit(&store, event(now)).await.map(|_| changed.state)
        })
    });
    let mut won = Vec::new();
    for change in changes.collect::<Vec<_>>() {
        match change.await.unwrap() {
            Ok(state) => won.push(state),
            Err(CommitError::Refused(Refusal::Condition { table: "challenges", .. })) => {}
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(won.len(), 1);
    assert_eq!(a.challenge(challenge.id).await.unwrap().unwrap().state, won[0]);
}

async fn a_full_queue_says_busy_and_keeps_its_word_to_the_rest(house: House) {
    let store = house.open("a").await;
    let lock = house.lock().await;
    let tasks: Vec<_> = (0..WRITER_QUEUE + 1_000)
        .map(|_| {
            let (store, now) = (store.clone(), house.now());
            tokio::spawn(async move { Tx::new(now).commit(&store, event(now)).await.map(drop) })
        })
        .collect();
    // Everybody has asked once the first was turned away and the others wait; then the lock goes.
    while tasks.iter().filter(|task| task.is_finished()).count() < 400 {
        tokio::task::yield_now().await;
    }
    lock.release().await;
    let (mut kept, mut busy) = (0, 0);
    for task in tasks {
        match task.await.unwrap() {
            Ok(()) => kept += 1,
            Err(CommitError::Busy) => busy += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert!(busy > 0 && kept >= WRITER_QUEUE, "{kept} kept, {busy} busy");
    assert_eq!(house.numbers("SELECT COUNT(*) FROM events").await, [i64::try_from(kept).unwrap() + 1]);
}

async fn what_begins_together_needs_no_condition(house: House) {
    let store = house.open("a").await;
    let subject = people::subject(house.now(), "alice");
    let login = people::login(house.now(), subject.id, &[]);
    let session = people::session(house.now(), &login);
    let mut tx = Tx::new(house.now());
    tx.begin_session(&session).begin_login(&login, &[]).add_subject(&subject);
    tx.issue_code(&people::code(house.now(), &login)).put_client(&people::client());
    tx.commit(&store, event(house.now())).await.unwrap();
    assert!(store.session_of_login(&login).await.unwrap().is_some());
}

async fn a_spend_under_another_pack_or_by_a_suspended_person_is_refused(house: House) {
    let store = house.open("a").await;
    people::activate(&house, &store).await;
    let person = people::signed_in(&house, &store, "alice").await;
    let challenge = people::proven_challenge(&house, &store, &person).await;
    let redeem = async |table: &str| {
        let mut tx = Tx::new(house.now());
        tx.redeem(&people::redemption(house.now(), challenge.id, &person.login, "r"), &challenge);
        match tx.commit(&store, event(house.now())).await {
            Err(CommitError::Refused(Refusal::Condition { table: found, .. })) => assert_eq!(found, table),
            other => panic!("{other:?}"),
        }
    };
    let active = store.active_policy().await.unwrap();
    let mut tx = Tx::new(house.now());
    tx.activate_policy(active.as_ref(), counterfoil_core::digest::Digest::of(b"another pack"));
    tx.commit(&store, event(house.now())).await.unwrap();
    redeem("active").await;
    let active = store.active_policy().await.unwrap();
    let mut back = Tx::new(house.now());
    back.activate_policy(active.as_ref(), people::policy().version);
    back.commit(&store, event(house.now())).await.unwrap();

    let mut suspended = person.subject.clone();
    suspended.state = counterfoil_core::subject::SubjectState::Suspended { at: house.now() };
    let mut tx = Tx::new(house.now());
    tx.change_subject(&person.subject, &suspended);
    tx.commit(&store, event(house.now())).await.unwrap();
    redeem("subjects").await;
    assert_eq!(store.redemption(challenge.id).await.unwrap(), None);
}

async fn a_risen_epoch_voids_what_was_open(house: House) {
    let store = house.open("a").await;
    people::activate(&house, &store).await;
    let person = people::signed_in(&house, &store, "alice").await;
    let challenge = people::proven_challenge(&house, &store, &person).await;
    let code = people::code(house.now(), &person.login);
    let decision = people::decision(house.now(), person.subject.id);
    people::register_client(&house, &store).await;
    let mut tx = Tx::new(house.now());
    tx.issue_code(&code).record_decision(&decision);
    tx.commit(&store, people::decided(&decision)).await.unwrap();
    Sequencer::new(store.clone()).step(&crate::log::TestLog::new()).await.unwrap();
    store.close().await;
    std::fs::remove_file(house.high_water("a")).unwrap();

    let store = house.open("a").await;
    assert_eq!(store.challenge(challenge.id).await.unwrap(), None);
    assert_eq!(store.code(&code.hash).await.unwrap(), None);
    assert!(!store.decision(decision.id).await.unwrap().unwrap().current);
    let mut redeem = Tx::new(house.now());
    redeem.redeem(&people::redemption(house.now(), challenge.id, &person.login, "r"), &challenge);
    let mut token = Tx::new(house.now());
    token.redeem_code(&code);
    let mut open = Tx::new(house.now());
    open.open_challenge(&people::challenge(house.now(), person.session.id, person.subject.id, Some(decision.id)));
    for (tx, table) in [(redeem, "challenges"), (token, "codes"), (open, "decisions")] {
        match tx.commit(&store, event(house.now())).await {
            Err(CommitError::Refused(Refusal::Condition { table: found, .. })) => assert_eq!(found, table),
            other => panic!("{table}: {other:?}"),
        }
    }
}

async fn a_writer_of_an_old_epoch_writes_no_more(house: House) {
    let old = house.open("old").await;
    put_group(&house, &old, "before").await.unwrap();
    house.tamper("UPDATE meta SET number = 2 WHERE name = 'epoch'").await;
    house.wait_seconds(1);
    put_group(&house, &old, "after").await.unwrap();
    let runs = old.log().runs().await.unwrap();
    assert_eq!(runs.iter().map(|run| run.epoch).collect::<Vec<_>>(), [1, 2], "it began anew, in the new epoch");
}

async fn record(store: &Store, decision: &DecisionRecord) -> Result<(), CommitError> {
    let mut tx = Tx::new(decision.at);
    tx.record_decision(decision);
    tx.commit(store, people::decided(decision)).await.map(drop)
}

/// Units that only add are one statement on PostgreSQL; nothing of it is to be kept for one of them that cannot be.
async fn of_decisions_side_by_side_an_impossible_one_fails_alone(house: House) {
    let store = house.open("a").await;
    let subject = people::subject(house.now(), "alice").id;
    let mut decisions: Vec<DecisionRecord> = (0..20).map(|_| people::decision(house.now(), subject)).collect();
    record(&store, &decisions[7]).await.unwrap();
    decisions[7].action = "another".to_owned();
    let results = futures_util::future::join_all(decisions.iter().map(|decision| record(&store, decision))).await;
    for (n, result) in results.iter().enumerate() {
        let fails = matches!(result, Err(CommitError::Internal(_)));
        assert!(if n == 7 { fails } else { result.is_ok() }, "{n}: {result:?}");
    }
    assert_eq!(house.numbers("SELECT COUNT(*) FROM decisions").await, [20]);
    for decision in &decisions {
        let found = store.decision(decision.id).await.unwrap().unwrap();
        assert_eq!(found.record.action, "payout.change");
    }
    let sequenced = Sequencer::new(store.clone()).step(&crate::log::TestLog::new()).await.unwrap();
    assert!(sequenced.refused.is_empty());
}

async fn decisions_are_never_kept_in_a_run_of_an_old_epoch(house: House) {
    let store = house.open("old").await;
    let subject = people::subject(house.now(), "alice").id;
    house.tamper("UPDATE meta SET number = 2 WHERE name = 'epoch'").await;
    house.wait_seconds(1);
    let decisions: Vec<DecisionRecord> = (0..8).map(|_| people::decision(house.now(), subject)).collect();
    let results = futures_util::future::join_all(decisions.iter().map(|decision| record(&store, decision))).await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    for decision in &decisions {
        let found = store.decision(decision.id).await.unwrap().unwrap();
        assert_eq!((found.epoch, found.current), (2, true));
    }
    let runs = store.log().runs().await.unwrap();
    assert_eq!(runs.iter().map(|run| (run.epoch, run.head)).collect::<Vec<_>>(), [(1, 1), (2, 9)]);
}

async fn a_decision_whose_answer_is_lost_is_unknown_and_never_yes(house: House) {
    let store = house.open("a").await;
    let decision = people::decision(house.now(), people::subject(house.now(), "alice").id);
    store.fail_next(Fault::AfterCommit);
    assert!(matches!(record(&store, &decision).await, Err(CommitError::Unknown)));
    assert!(store.decision(decision.id).await.unwrap().is_some(), "it was kept, but nobody could know");
    record(&store, &people::decision(house.now(), people::subject(house.now(), "alice").id)).await.unwrap();
    assert_eq!(store.log().runs().await.unwrap().len(), 2, "a new run names the one that broke");
}

async fn close_keeps_what_was_queued(house: House) {
    let store = house.open("a").await;
    let tasks: Vec<_> = (0..300)
        .map(|_| {
            let (store, now) = (store.clone(), house.now());
            tokio::spawn(async move { Tx::new(now).commit(&store, event(now)).await.is_ok() })
        })
        .collect();
    store.close().await;
    let mut kept = 0;
    for task in tasks {
        kept += i64::from(task.await.unwrap());
    }
    assert_eq!(house.numbers("SELECT COUNT(*) FROM events").await, [kept + 1]);
    assert!(put_group(&house, &store, "late").await.is_err());
}

/// A writer that was not asked for a while finds out that its connection is gone before it says anything that it could not take back.
async fn a_writer_whose_connection_was_lost_while_it_rested_costs_nobody_anything(house: House) {
    let store = house.open("a").await;
    let subject = people::subject(house.now(), "alice").id;
    record(&store, &people::decision(house.now(), subject)).await.unwrap();
    let runs = store.log().runs().await.unwrap().len();
    house.end_connections().await;
    house.wait_seconds(2);
    record(&store, &people::decision(house.now(), subject)).await.unwrap();
    assert_eq!(house.numbers("SELECT COUNT(*) FROM decisions").await, [2]);
    let begun = usize::from(house.engine == Engine::Postgres);
    assert_eq!(store.log().runs().await.unwrap().len(), runs + begun);
}

/// As after the database server was started anew, or a firewall forgot who talks to whom.
async fn reads_outlive_the_connections_that_rested(house: House) {
    let store = house.open("a").await;
    put_group(&house, &store, "there").await.unwrap();
    // More at once than connections that read.
    let many = || futures_util::future::join_all((0..40).map(|_| store.group("there")));
    assert!(many().await.into_iter().all(|found| found.unwrap().is_some()));
    house.end_connections().await;
    assert!(many().await.into_iter().all(|found| found.unwrap().is_some()));
}

async fn a_read_that_nobody_waits_for_spoils_no_other(house: House) {
    let store = house.open("a").await;
    for n in 0..10 {
        put_group(&house, &store, &format!("group-{n}")).await.unwrap();
    }
    let opened =
        "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'counterfoil'";
    for round in 0..100 {
        let patience = std::time::Duration::from_micros(round * 20);
        let left = (0..10).map(|n| {
            let store = store.clone();
            async move { tokio::time::timeout(patience, store.group(&format!("group-{n}"))).await.ok() }
        });
        for (n, found) in futures_util::future::join_all(left).await.into_iter().enumerate() {
            assert!(found.is_none_or(|found| found.unwrap().unwrap().name == format!("group-{n}")));
        }
        let (n, missing) = (round % 10, store.group("nobody").await.unwrap());
        assert!(missing.is_none());
        assert_eq!(store.group(&format!("group-{n}")).await.unwrap().unwrap().name, format!("group-{n}"));
        if house.engine == Engine::Postgres && round % 20 == 0 {
            // Eight that read, and the writer's.
            assert!(house.numbers(opened).await[0] <= 9);
        }
    }
}

/// A server that is between two lives is waited for, and one that vanished without a word is not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_server_is_left_and_a_starting_one_is_waited_for() {
    let house = House::new(Engine::Postgres).await;
    let (before, after) = house.url.split_once("127.0.0.1:").unwrap();
    let (port, rest) = after.split_once('/').unwrap();
    let between = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = between.local_addr().unwrap();
    drop(between);
    let url = format!("{before}{address}/{rest}");
    // Nobody listens yet.
    let opening = tokio::spawn({
        let house = house.again(&url);
        async move { house.open("b").await }
    });
    tokio::time::sleep(std::time::Duration::from_millis(400)).await;
    let silent = Arc::new(AtomicBool::new(false));
    let listener = tokio::net::TcpListener::bind(address).await.unwrap();
    tokio::spawn(relay(listener, format!("127.0.0.1:{port}"), Arc::clone(&silent)));
    let store = opening.await.unwrap();
    assert!(store.group("nobody").await.unwrap().is_none());
    // What is connected hears nothing more; who connects anew does.
    silent.store(true, Ordering::SeqCst);
    let found = tokio::time::timeout(std::time::Duration::from_secs(12), store.group("nobody")).await;
    assert!(found.expect("a read hangs").unwrap().is_none());
}

/// Passes everything on, until all connections of before fall silent without an end.
async fn relay(listener: tokio::net::TcpListener, to: String, silent: Arc<AtomicBool>) {
    while let Ok((near, _)) = listener.accept().await {
        let (to, silent, born_silent) = (to.clone(), Arc::clone(&silent), silent.load(Ordering::SeqCst));
        tokio::spawn(async move {
            let far = tokio::net::TcpStream::connect(to).await.unwrap();
            let (near_in, near_out) = near.into_split();
            let (far_in, far_out) = far.into_split();
            let falls_silent = move || silent.load(Ordering::SeqCst) && !born_silent;
            tokio::join!(pass(near_in, far_out, falls_silent.clone()), pass(far_in, near_out, falls_silent));
        });
    }
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, falls_silent: impl Fn() -> bool) {
    let mut bytes = vec![0; 16_384];
    while let Ok(read @ 1..) = from.read(&mut bytes).await {
        if falls_silent() {
            std::future::pending::<()>().await;
        }
        if to.write_all(&bytes[..read]).await.is_err() {
            break;
        }
    }
}

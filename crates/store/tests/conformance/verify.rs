//! A log that lives verifies, and whoever edits it, or what stands beside it, is found.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop; clippy exempts #[test] functions, and these are called by two of them, one for each engine"
)]

use crate::{
    log::{TestLog, commit},
    support::{Engine, House, event},
};
use counterfoil_core::{
    audit::{
        chain::ChainError,
        checkpoint::Signer,
        event::{ContainmentCause, Event, EventKind},
        tree::TileId,
        verify::{Contradiction, Given, Problem, Report},
    },
    digest::Digest,
    id::LoginId,
    seal::MasterKey,
};
use counterfoil_store::{Sequencer, Store, Tx};

crate::on_both_engines! {
    a_living_log_verifies,
    every_kind_of_edit_is_found,
    an_edit_beside_the_events_is_found,
    what_waits_is_read_in_the_order_that_it_will_have,
    a_gap_as_long_as_what_is_read_at_once_hides_nothing,
}

pub fn given(log: &TestLog) -> Given {
    let chain_key = Some(MasterKey::from_bytes([7; 32]).chain().unwrap());
    Given { chain_key, log_keys: vec![log.log_key().clone()], ..Given::default() }
}

async fn verified(store: &Store, log: &TestLog) -> Report {
    store.log().verify(given(log)).await.unwrap()
}

async fn a_living_log_verifies(house: House) {
    let (a, b, log) = (house.open("a").await, house.open("b").await, TestLog::new());
    let (mut one, mut other) = (Sequencer::new(a.clone()), Sequencer::new(b.clone()));
    for round in 0..6 {
        let (_, _, report, _) =
            tokio::join!(commit(&a, &house, 40), commit(&b, &house, 40), verified(&a, &log), one.step(&log),);
        assert!(report.holds(), "round {round}: {:?}", report.findings);
        house.wait_seconds(6);
        let _ = other.step(&log).await;
        house.wait_seconds(6);
    }
    let report = verified(&a, &log).await;
    assert!(report.holds(), "{:?}", report.findings);
    assert_eq!((report.size + report.waiting, report.runs), (2 * 6 * 40 + 2, 2));
    assert!(report.checkpoints > 0);
}

async fn every_kind_of_edit_is_found(house: House) {
    let (store, log) = (house.open("a").await, TestLog::new());
    commit(&store, &house, 9).await;
    Sequencer::new(store.clone()).step(&log).await.unwrap();
    commit(&store, &house, 3).await;
    assert!(verified(&store, &log).await.holds());
    // Each on top of the others: once something is wrong, more that is wrong is found too.
    let mut findings = 0;
    for edit in [
        "UPDATE events SET leaf = (SELECT leaf FROM events WHERE number = 12) WHERE number = 11",
        "DELETE FROM events WHERE number = 10",
        "UPDATE events SET mac = (SELECT mac FROM events WHERE number = 1) WHERE number = 2",
        "UPDATE events SET leaf = (SELECT leaf FROM events WHERE number = 1) WHERE number = 5",
        "DELETE FROM spans",
    ] {
        assert!(house.tamper(edit).await > 0, "{edit}");
        let report = verified(&store, &log).await;
        assert!(report.findings.len() > findings, "{edit}: {:?}", report.findings);
        findings = if edit.contains("spans") { findings } else { report.findings.len().min(findings + 1) };
    }
}

async fn an_edit_beside_the_events_is_found(house: House) {
    let (store, log) = (house.open("a").await, TestLog::new());
    let mut sequencer = Sequencer::new(store.clone());
    // More leaves than one tile has, and more than are read at once.
    for count in [200, 500, 600] {
        commit(&store, &house, count).await;
        sequencer.step(&log).await.unwrap();
    }
    commit(&store, &house, 3).await;
    assert!(verified(&store, &log).await.holds());
    let run = store.log().runs().await.unwrap()[0].id;
    let root = "(SELECT mac FROM events WHERE number = 1)";
    let head = store.log().head().await.unwrap().root;
    let literal = |bytes: &[u8]| {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        match house.engine {
            Engine::Sqlite => format!("x'{hex}'"),
            Engine::Postgres => format!("decode('{hex}', 'hex')"),
        }
    };
    let tile = async |level: u8, index: u64| {
        let id = TileId { level, index };
        (id, literal(&store.log().tile(id).await.unwrap().unwrap().bytes()))
    };
    let (first, first_bytes) = tile(0, 0).await;
    let (last, last_bytes) = tile(0, 5).await;
    let (upper, upper_bytes) = tile(1, 0).await;
    let at = |id: TileId| format!("WHERE level = {} AND tile = {}", id.level, id.index);
    let swap = |id: TileId, bytes: &str| format!("UPDATE tiles SET hashes = {bytes} {}", at(id));
    let mac = literal(store.log().event_at(run, 1_300).await.unwrap().unwrap().link.mac.as_bytes());
    let short = |said| Problem::RunLength { run, said, found: 1_304 };
    for (altered, mended, expected) in [
        (swap(first, &last_bytes), swap(first, &first_bytes), Problem::Tile(first)),
        (swap(last, &first_bytes), swap(last, &last_bytes), Problem::Tile(last)),
        (swap(upper, root), swap(upper, &upper_bytes), Problem::Tile(upper)),
        (
            format!("UPDATE log_head SET root = {root}"),
            format!("UPDATE log_head SET root = {}", literal(head.as_bytes())),
            Problem::Head,
        ),
        ("UPDATE runs SET head = 1305".to_owned(), "UPDATE runs SET head = 1304".to_owned(), short(1_305)),
        ("UPDATE runs SET head = 1303".to_owned(), "UPDATE runs SET head = 1304".to_owned(), short(1_303)),
        (
            "UPDATE log_head SET size = size + 1".to_owned(),
            "UPDATE log_head SET size = size - 1".to_owned(),
            Problem::Head,
        ),
        (
            "UPDATE log_head SET size = size + 1000000000000".to_owned(),
            "UPDATE log_head SET size = size - 1000000000000".to_owned(),
            Problem::Head,
        ),
        (
            format!("UPDATE sequenced SET mac = {}", literal(b"short")),
            format!("UPDATE sequenced SET mac = {mac}"),
            Problem::Unreadable { table: "sequenced" },
        ),
        (swap(first, &literal(b"short")), swap(first, &first_bytes), Problem::Tile(first)),
        (
            "UPDATE sequenced SET number = 1304".to_owned(),
            "UPDATE sequenced SET number = 1301".to_owned(),
            Problem::Sequenced { run },
        ),
        (
            format!("UPDATE sequenced SET mac = {root}"),
            format!("UPDATE sequenced SET mac = {mac}"),
            Problem::Sequenced { run },
        ),
    ] {
        assert_eq!(house.tamper(&altered).await, 1, "{altered}");
        let report = verified(&store, &log).await;
        let found: Vec<_> = report.findings.into_iter().map(|finding| finding.problem).collect();
        assert_eq!(found, [expected], "{altered}");
        assert_eq!(house.tamper(&mended).await, 1, "{mended}");
        assert!(verified(&store, &log).await.holds(), "{mended}");
    }
    assert_eq!(house.tamper(&format!("DELETE FROM tiles {}", at(first))).await, 1);
    let report = verified(&store, &log).await;
    assert!(report.findings.iter().any(|finding| finding.problem == Problem::Tile(first)), "{:?}", report.findings);
}

async fn what_waits_is_read_in_the_order_that_it_will_have(house: House) {
    let (a, log) = (house.open("a").await, TestLog::new());
    let b = match house.engine {
        Engine::Postgres => house.open("b").await,
        // One writer at a time: what it wrote before is another run.
        Engine::Sqlite => a.clone(),
    };
    let login = LoginId::new(house.now(), [1; 10]);
    let contained =
        EventKind::Contained { logins: vec![login], authenticators: vec![], cause: ContainmentCause::Owner };
    let reversed = EventKind::ContainmentReversed { logins: vec![login], decision: None };
    let code = EventKind::CodeIssued {
        code: Digest::of(b"code"),
        client_id: "treasury".to_owned(),
        login,
        challenge: None,
        expires_at: house.now().plus_seconds(300),
    };
    for (store, kind) in [(&a, contained), (&b, reversed), (&a, code)] {
        house.wait_seconds(60);
        let event = Event { kind, ..event(house.now()) };
        let _ = Tx::new(house.now()).commit(store, event).await.unwrap();
    }
    let problems = async || -> Vec<Problem> {
        verified(&a, &log).await.findings.into_iter().map(|finding| finding.problem).collect()
    };
    // Nobody signed in. That is all.
    let expected = [Problem::Contradiction(Contradiction::IssuedWithoutLogin)];
    assert_eq!(problems().await, expected, "while it waits");
    Sequencer::new(a.clone()).step(&log).await.unwrap();
    assert_eq!(problems().await, expected, "as leaves");
}

async fn a_gap_as_long_as_what_is_read_at_once_hides_nothing(house: House) {
    let (store, log) = (house.open("a").await, TestLog::new());
    commit(&store, &house, 1).await;
    Sequencer::new(store.clone()).step(&log).await.unwrap();
    commit(&store, &house, 1_100).await;
    assert_eq!(house.tamper("DELETE FROM events WHERE number BETWEEN 2 AND 1060").await, 1_059);
    let report = verified(&store, &log).await;
    assert_eq!(report.waiting, 1_101 - 1_060, "what is left is read");
    let gap = Problem::Chain(ChainError::Gap { expected: 2, found: 1_061 });
    assert!(report.findings.iter().any(|finding| finding.problem == gap), "{:?}", report.findings);
}

//! Any edit, deletion, swap or insertion of a row makes verification fail (R5).

use crate::log::{Log, LogSigner, enrolled, run};
use counterfoil_core::{
    audit::{
        checkpoint::{Checkpoint, Note, Signer},
        event::{EventKind, Leaf, Personal},
        kind::Predecessor,
        verify::{Given, Problem, Report, Residue, Row, verify},
    },
    digest::Digest,
    seal::MasterKey,
};
use proptest::prelude::*;

/// Two runs, three stories.
fn log() -> Log {
    let mut log = Log::begin();
    log.story(1);
    log.begin_run(2);
    log.story(2);
    log.story(3);
    log
}

/// What an attacker who writes to the database makes of its rows.
fn renumbered(mut rows: Vec<Row>) -> Vec<Row> {
    (0..).zip(&mut rows).for_each(|(index, row)| row.index = Some(index));
    rows
}

fn edited(row: &Row) -> Row {
    let mut leaf = Leaf::parse(&row.leaf).unwrap();
    leaf.at = leaf.at.plus_seconds(1);
    Row { leaf: leaf.bytes().unwrap(), ..row.clone() }
}

/// With the chain's key, with the checkpoint, and with both.
fn reports(log: &Log, rows: &[Row]) -> [Report; 3] {
    let given = log.given();
    let by_chain = Given { checkpoints: vec![], ..given.clone() };
    let by_tree = Given { chain_key: None, ..given.clone() };
    [by_chain, by_tree, given].map(|given| verify(given, rows))
}

#[test]
fn an_honest_log_holds_and_says_what_it_cannot_exclude() {
    let log = log();
    let report = log.verify();
    assert_eq!(report.findings, []);
    assert_eq!((report.size, report.runs, report.checkpoints), (log.rows.len() as u64, 2, 1));
    assert_eq!(report.residue, [Residue::NoTrustedCheckpoint, Residue::Tail]);

    let nothing = verify(Given::default(), &log.rows);
    assert!(nothing.holds());
    let unsigned = Residue::Unsigned(log.rows.len() as u64);
    assert_eq!(
        nothing.residue,
        [Residue::NoChainKey, Residue::NoLogKey, Residue::NoTrustedCheckpoint, unsigned, Residue::Tail]
    );
}

#[test]
fn events_that_wait_for_the_sequencer_are_checked_too() {
    let mut log = log();
    let given = log.given();
    log.add(enrolled(9));
    log.rows.last_mut().unwrap().index = None;
    let report = verify(given.clone(), &log.rows);
    assert!(report.holds(), "{:?}", report.findings);
    assert_eq!(report.waiting, 1);
    assert!(report.residue.contains(&Residue::Unsigned(1)), "{:?}", report.residue);
    let last = log.rows.len() - 1;
    log.rows[last] = edited(&log.rows[last]);
    assert!(!verify(given, &log.rows).holds());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_edit_of_a_row_makes_verification_fail(at in any::<prop::sample::Index>()) {
        let log = log();
        let mut rows = log.rows.clone();
        let at = at.index(rows.len());
        rows[at] = edited(&rows[at]);
        for report in reports(&log, &rows) {
            prop_assert!(!report.holds(), "row {at}");
        }
    }

    #[test]
    fn any_deletion_of_a_row_makes_verification_fail(at in any::<prop::sample::Index>()) {
        let log = log();
        let mut rows = log.rows.clone();
        let at = at.index(rows.len());
        rows.remove(at);
        let [by_chain, by_tree, by_both] = reports(&log, &renumbered(rows));
        prop_assert!(!by_tree.holds() && !by_both.holds(), "row {at}");
        // The end of the last run is what only a checkpoint holds.
        prop_assert!(!by_chain.holds() || at == log.rows.len() - 1, "row {at}");
    }

    #[test]
    fn any_swap_of_two_rows_makes_verification_fail(a in any::<prop::sample::Index>(), b in any::<prop::sample::Index>()) {
        let log = log();
        let (a, b) = (a.index(log.rows.len()), b.index(log.rows.len()));
        prop_assume!(a != b);
        let mut rows = log.rows.clone();
        rows.swap(a, b);
        let [_, by_tree, by_both] = reports(&log, &renumbered(rows.clone()));
        prop_assert!(!by_tree.holds() && !by_both.holds(), "rows {a} and {b}");
        prop_assert!(!verify(log.given(), &rows).holds(), "rows {a} and {b}, indexes and all");
    }

    #[test]
    fn any_insertion_of_a_row_makes_verification_fail(
        at in any::<prop::sample::Index>(),
        copied in any::<prop::sample::Index>(),
        edit in any::<bool>(),
    ) {
        let log = log();
        let (at, copied) = (at.index(log.rows.len() + 1), copied.index(log.rows.len()));
        let mut rows = log.rows.clone();
        let row = if edit { edited(&rows[copied]) } else { rows[copied].clone() };
        rows.insert(at, row);
        for report in reports(&log, &renumbered(rows)) {
            prop_assert!(!report.holds(), "row {copied} again at {at}");
        }
    }

    #[test]
    fn any_flipped_bit_of_a_row_makes_verification_fail(
        at in any::<prop::sample::Index>(),
        byte in any::<prop::sample::Index>(),
        bit in 0u8..8,
    ) {
        let log = log();
        let mut rows = log.rows.clone();
        let at = at.index(rows.len());
        let byte = byte.index(rows[at].leaf.len());
        rows[at].leaf[byte] ^= 1 << bit;
        for report in reports(&log, &rows) {
            prop_assert!(!report.holds(), "row {at}, byte {byte}");
        }
    }
}

#[test]
fn a_rewritten_log_fails_under_a_checkpoint_from_outside() {
    let log = log();
    let mut rewritten = Log::begin();
    rewritten.story(1);
    let trusted = Some(log.checkpoint());
    // Even with every key in the attacker's hands, and a checkpoint of their own.
    let report = verify(Given { trusted: trusted.clone(), ..rewritten.given() }, &rewritten.rows);
    let cut = Problem::Cut { which: "trusted", size: log.rows.len() as u64 };
    assert_eq!(report.findings.iter().map(|finding| finding.problem.clone()).collect::<Vec<_>>(), [cut]);
    rewritten.begin_run(2);
    rewritten.story(2);
    rewritten.story(4);
    rewritten.story(5);
    let report = verify(Given { trusted, ..rewritten.given() }, &rewritten.rows);
    assert!(report.findings.iter().any(|f| matches!(f.problem, Problem::Root { which: "trusted", .. })));
}

#[test]
fn checkpoints_of_two_histories_do_not_both_hold() {
    let log = log();
    let size = log.rows.len() as u64;
    let other = Checkpoint { origin: crate::log::ORIGIN.to_owned(), size: size - 1, root: Digest::of(b"other") };
    let mut given = log.given();
    given.checkpoints.insert(0, other.sign(&LogSigner::new(1)).unwrap().to_string());
    let report = verify(given, &log.rows);
    assert_eq!(report.findings[0].problem, Problem::Root { which: "stored", size: size - 1 });
    assert_eq!((report.findings.len(), report.checkpoints), (1, 1));
}

#[test]
fn checkpoints_that_the_log_did_not_sign_are_findings() {
    let log = log();
    let stranger = LogSigner::new(2);
    let checkpoint = Checkpoint::parse(log.checkpoint().parse::<Note>().unwrap().unverified_text()).unwrap();
    for note in [checkpoint.sign(&stranger).unwrap().to_string(), "nothing".to_owned()] {
        let report = verify(Given { checkpoints: vec![note], ..log.given() }, &log.rows);
        assert!(matches!(report.findings[0].problem, Problem::Note { which: "stored", .. }));
    }
    let keys = vec![stranger.log_key().clone(), LogSigner::new(1).log_key().clone()];
    assert!(verify(Given { log_keys: keys, ..log.given() }, &log.rows).holds(), "an older key may verify too");
}

#[test]
fn a_run_that_was_cut_is_missed_by_its_successor() {
    // Without key and checkpoint, the numbers alone.
    let log = log();
    let last_of_first = log.rows.iter().rposition(|row| row.run == run(1)).unwrap();
    let mut rows = log.rows.clone();
    rows.remove(last_of_first);
    let report = verify(Given::default(), &renumbered(rows));
    let number = log.rows[last_of_first].number;
    assert!(report.findings.iter().any(|f| f.problem == Problem::RunCut { run: run(1), number }));
}

#[test]
fn a_run_begins_with_its_own_first_event() {
    let mut log = log();
    let mac = log.rows[0].mac;
    let predecessor = Some(Predecessor { run: run(1), number: 0, mac });
    log.add(EventKind::RunBegun { run: run(2), epoch: 1, predecessor });
    assert!(log.verify().findings.iter().any(|f| f.problem == Problem::RunStart));
    let without_start = renumbered(log.rows[1..5].to_vec());
    let report = verify(Given::default(), &without_start);
    assert_eq!(report.findings[0].problem, Problem::RunStart);
}

#[test]
fn personal_values_are_those_committed_to_or_erased_on_record() {
    let mut log = log();
    let at = log.rows.iter().position(|row| row.personal.is_some()).unwrap();
    let original = log.rows[at].personal.take();
    assert_eq!(log.verify().findings[0].problem, Problem::PersonalMissing);
    log.rows[at].personal = Some(Personal::new([7; 16], [("user_agent", "curl".to_owned())]));
    assert_eq!(log.verify().findings[0].problem, Problem::Personal);
    let first = log.rows.iter().position(|row| row.personal.is_none()).unwrap();
    let mut planted = log;
    planted.rows[at].personal = original.clone();
    planted.rows[first].personal = original;
    assert_eq!(planted.verify().findings[0].problem, Problem::Personal);
    planted.rows[first].personal = None;

    let event = Leaf::parse(&planted.rows[at].leaf).unwrap().id;
    planted.rows[at].personal = None;
    planted.add(EventKind::PersonalErased {
        events: vec![event],
        by: vec![crate::log::subject(1), crate::log::subject(2)],
    });
    assert_eq!(planted.verify().findings, []);
}

#[test]
fn another_installations_key_fits_no_chain() {
    let log = log();
    let other = MasterKey::from_bytes([2; 32]).chain().unwrap();
    assert!(!verify(Given { chain_key: Some(other), ..log.given() }, &log.rows).holds());
}

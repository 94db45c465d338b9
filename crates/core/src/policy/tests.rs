//! What every pack holds, and what a broken one says.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should stop")]
use super::*;

#[test]
fn packs_that_come_with_the_product_load_without_warnings() {
    for files in [default_pack(), starter_pack()] {
        let pack = Pack::load(&files).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(pack.warnings(), <[String; 0]>::default());
    }
}

#[test]
fn packs_that_come_with_the_product_pass_their_own_tests() {
    for files in [default_pack(), starter_pack()] {
        let pack = Pack::load(&files).unwrap_or_else(|error| panic!("{error}"));
        let reports = testing::run(&pack).unwrap_or_else(|error| panic!("{error}"));
        assert!(reports.len() >= 14, "{}: too few tests", pack.name());
        let failed: Vec<_> = reports.iter().filter(|report| !report.passed()).collect();
        assert!(failed.is_empty(), "{failed:#?}");
    }
}

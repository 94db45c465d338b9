//! Edits of a bundle, byte by byte and part by part: each one refuses, and the examination says which check it was.

use crate::{
    bundle::{key, statement, story},
    log::{Log, LogSigner},
};
use counterfoil_core::{
    audit::{
        bundle::{Bundle, BundleError, Check, LoggedLeaf, Verdict},
        checkpoint::Signer as _,
    },
    digest::Digest,
    statement::Statement,
};

/// What a reader of this text would make of it.
fn read(text: &[u8]) -> Result<Bundle, BundleError> {
    let bundle = Bundle::parse(text)?;
    bundle.verify(&key()).map(drop)?;
    Ok(bundle)
}

#[test]
fn any_other_byte_in_any_place_of_a_bundle_refuses() {
    let (_, bundle, _) = story(&statement(), |_| {});
    // Without white space, so that every byte is one of a member.
    let text = serde_json::to_vec(&bundle).unwrap();
    assert_eq!(read(&text), Ok(bundle));
    for at in 0..text.len() {
        let mut touched = text.clone();
        // Another letter, another case, another digit: still text in most places.
        touched[at] ^= [0x01, 0x20, 0x02, 0x04][at % 4];
        assert!(
            read(&touched).is_err(),
            "byte {at}: {}",
            String::from_utf8_lossy(&touched[at.saturating_sub(20)..=at])
        );
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(400))]
    #[test]
    fn any_edit_of_a_bundle_refuses_or_changes_nothing(
        at in proptest::prelude::any::<proptest::sample::Index>(),
        byte in proptest::prelude::any::<u8>(),
        kind in 0..3u8,
    ) {
        static STORY: std::sync::LazyLock<(Bundle, Vec<u8>)> = std::sync::LazyLock::new(|| {
            let (_, bundle, _) = story(&statement(), |_| {});
            let text = serde_json::to_vec(&bundle).unwrap();
            (bundle, text)
        });
        let (bundle, text) = &*STORY;
        let (mut touched, at) = (text.clone(), at.index(text.len()));
        match kind {
            0 => touched[at] = byte,
            1 => touched.insert(at, byte),
            _ => drop(touched.remove(at)),
        }
        // White space between members is no edit of any of them.
        if let Ok(unchanged) = read(&touched) {
            proptest::prop_assert_eq!(&unchanged, bundle);
        }
    }
}

#[test]
fn one_spelling_only_is_a_bundle() {
    let (_, bundle, _) = story(&statement(), |_| {});
    let text = serde_json::to_string(&bundle).unwrap();
    for (from, to) in [
        ("abababab-abab-abab-abab-abababababab", "ABABABAB-ABAB-ABAB-ABAB-ABABABABABAB"),
        ("abababab-abab-abab-abab-abababababab", "abababababababababababababababab"),
        ("\"v\":1", "\"v\":1.0"),
        ("\"v\":1", "\"v\":1,\"v\":1"),
        ("\"v\":1", "\"v\":1,\"note\":\"\""),
        ("\"v\":1", "\"v\":2"),
    ] {
        assert!(text.contains(from), "{from}");
        assert_eq!(Bundle::parse(text.replacen(from, to, 1).as_bytes()), Err(BundleError::Form), "{to}");
    }
    assert_eq!(Bundle::parse(bundle.to_json().unwrap().as_bytes()), Ok(bundle));
}

#[test]
fn a_checkpoint_from_before_the_story_or_of_another_log_refuses() {
    let (log, bundle, _) = story(&statement(), |_| {});
    // Signed by the right key, over the log as it was when the challenge had been opened.
    let mut earlier = Log::begin();
    earlier.rows = log.rows[..=bundle.opened.index as usize].to_vec();
    let stale = Bundle { checkpoint: earlier.checkpoint(), ..bundle.clone() };
    assert!(matches!(stale.verify(&key()), Err(BundleError::NotLogged { .. })));
    // A log of the same name and key with another story in it.
    let mut other = Log::begin();
    other.story(3);
    other.story(4);
    let foreign = Bundle { checkpoint: other.checkpoint(), ..bundle.clone() };
    assert!(matches!(foreign.verify(&key()), Err(BundleError::NotLogged { .. })));
    // The whole bundle of another log, under a key that the reader does not know.
    assert!(matches!(bundle.verify(&[LogSigner::new(2).log_key().clone()]), Err(BundleError::Checkpoint(_))));
    assert!(matches!(bundle.verify(&[]), Err(BundleError::Checkpoint(_))));
}

#[test]
fn an_assertion_for_something_else_refuses_though_it_is_a_right_one() {
    let (_, bundle, _) = story(&statement(), |_| {});
    let small = Statement { txn_digest: Some(Digest::of(b"a small payment")), ..statement() };
    let (_, other, _) = story(&small, |_| {});
    // Another passkey's, and the same passkey's over another statement.
    let swapped = Bundle { assertion: other.assertion.clone(), ..bundle.clone() };
    assert_eq!(swapped.verify(&key()), Err(BundleError::Mismatch("assertion and log")));
    let with_key = Bundle { credential: other.credential.clone(), ..swapped };
    assert_eq!(with_key.verify(&key()), Err(BundleError::Mismatch("credential and enrolment")));
}

#[test]
fn every_check_is_named_with_how_it_came_out() {
    let (_, bundle, _) = story(&statement(), |_| {});
    let keys = key();
    let examined = bundle.examine(&keys);
    assert!(examined.holds() && examined.checks().iter().all(|checked| checked.verdict == Verdict::Passed));
    assert_eq!(examined.checks().len(), 16);

    let damaged = LoggedLeaf {
        leaf: bundle.opened.leaf.replace("challenge.opened", "challenge.opined"),
        ..bundle.opened.clone()
    };
    let damaged = Bundle { opened: damaged, display_text: "Pay out 1.00 EUR to Acme".to_owned(), ..bundle };
    let examined = damaged.examine(&keys);
    let failed = |check| examined.checks().iter().find(|checked| checked.check == check).unwrap().verdict.clone();
    assert!(!examined.holds());
    assert!(matches!(failed(Check::Logged("opened")), Verdict::Failed(BundleError::Leaf { which: "opened", .. })));
    assert_eq!(failed(Check::Shown), Verdict::Failed(BundleError::Mismatch("text and statement")));
    assert_eq!((failed(Check::Committed), failed(Check::InOrder)), (Verdict::NotMade, Verdict::NotMade));
    assert_eq!((failed(Check::Signed), failed(Check::Approved)), (Verdict::Passed, Verdict::Passed));
}

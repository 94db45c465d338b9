//! An evidence bundle proves its story with the log's public key alone, and any touched member refuses.

use crate::log::{
    Log, LogSigner, ORIGIN as LOG, START, decided, enrolled, issued, opened, passkey, proven, reported, signed_in,
    spent, subject,
};
use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use counterfoil_core::{
    assurance::{Acr, Method, Tier},
    audit::{
        bundle::{Bundle, BundleError, Check, LoggedLeaf, Verdict},
        checkpoint::Signer,
        event::{EventKind, LeafHash, Outcome, ReportedOutcome},
        kind::decision_record_digest,
        tree::{Edge, Plan, Tile, TileId},
    },
    authenticator::{
        Holder,
        webauthn::{Algorithm, Assertion, Attestation, Credential, Expected, verify},
    },
    challenge::{Challenge, Opening},
    digest::Digest,
    statement::{Displayed, Initiator, Nonce, Purpose, ResourceRef, SignerRole, Statement},
};
use std::collections::BTreeMap;

const ORIGIN: &str = "https://id.example.org";
const OBJECT: &[u8] = b"attestation object";
const RECORD: &str = r#"{"salt":"BwcHBwcHBwcHBwcHBwcHBw","input":{},"answer":{}}"#;
const TEXT: &str = "Pay out 12.00 EUR to Acme";

fn transaction() -> serde_json::Value {
    serde_json::json!({"type": "payout_change", "resource": {"type": "account", "id": "7"}, "iban": "DE89370400440532013000"})
}

fn txn_digest() -> Digest {
    Digest::of(&serde_json_canonicalizer::to_vec(&transaction()).unwrap())
}

fn statement() -> Statement {
    Statement {
        purpose: Purpose::Transaction,
        issuer: ORIGIN.to_owned(),
        rp_id: "id.example.org".to_owned(),
        origin: ORIGIN.to_owned(),
        challenge_id: crate::log::challenge(1),
        decision_id: Some(crate::log::decision(1)),
        subject: Some(subject(1)),
        signer: Some(subject(1)),
        role: SignerRole::Owner,
        initiator: Initiator::Client { client_id: "treasury".to_owned() },
        client_id: Some("treasury".to_owned()),
        dpop_jkt: Some(Digest::of(b"jkt")),
        aud: Some("https://api.example.org".to_owned()),
        resource: Some(ResourceRef { kind: "account".to_owned(), id: "7".to_owned() }),
        action: Some("payout.change".to_owned()),
        tier: Some(Tier::High),
        txn_digest: Some(txn_digest()),
        displayed: Some(Displayed {
            template: "payout_change".to_owned(),
            template_version: Digest::of(b"template"),
            lang: "en".to_owned(),
            display_digest: Digest::of(TEXT.as_bytes()),
        }),
        registration_challenge: None,
        policy_version: Digest::of(b"policy"),
        iat: START,
        exp: START.plus_seconds(300),
    }
}

/// A passkey in software, and its assertion over `nonce`.
fn signed(nonce: &Digest) -> (Credential, Assertion) {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
    let point = pair.public_key().as_ref();
    let cose = [
        &[0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20],
        &point[1..33],
        &[0x22, 0x58, 0x20],
        &point[33..],
    ]
    .concat();
    let id = URL_SAFE_NO_PAD.encode([7; 32]);
    let client_data =
        format!(r#"{{"type":"webauthn.get","challenge":"{nonce}","origin":"{ORIGIN}","crossOrigin":false}}"#);
    let data = [Digest::of(b"id.example.org").as_bytes(), &[5u8][..], &[0, 0, 0, 1]].concat();
    let message = [&data[..], Digest::of(client_data.as_bytes()).as_bytes()].concat();
    let signature = pair.sign(&SystemRandom::new(), &message).unwrap();
    let assertion = Assertion {
        id: id.clone(),
        client_data_json: URL_SAFE_NO_PAD.encode(client_data),
        authenticator_data: URL_SAFE_NO_PAD.encode(data),
        signature: URL_SAFE_NO_PAD.encode(signature.as_ref()),
        user_handle: None,
    };
    let credential = Credential {
        id,
        cose_key: URL_SAFE_NO_PAD.encode(cose),
        algorithm: Algorithm::Es256,
        sign_count: 0,
        backup_eligible: false,
        backup_state: false,
        user_verifying: true,
        hardware_bound: false,
        transports: vec![],
        aaguid: uuid::Uuid::from_bytes([0xab; 16]),
        attestation: Some(Attestation {
            format: "packed".to_owned(),
            digest: Digest::of(OBJECT),
            object: Some(URL_SAFE_NO_PAD.encode(OBJECT)),
        }),
    };
    (credential, assertion)
}

/// The story of one payout, in a log with another before it.
fn story(statement: &Statement, change: impl Fn(&mut EventKind)) -> (Log, Bundle, Credential) {
    let nonce = Nonce::new([9; 32]);
    let (credential, assertion) = signed(&statement.ceremony_nonce(nonce.as_bytes()).unwrap());
    let mut events = [
        enrolled(1),
        decided(1, Outcome::StepUp),
        opened(1),
        proven(1),
        spent(1),
        reported(1),
        signed_in(1),
        issued(1),
    ];
    for event in &mut events {
        match event {
            EventKind::AuthenticatorEnrolled { credential: public, attestation, .. } => {
                *public = Some(credential.digest().unwrap());
                *attestation = Some(Digest::of(OBJECT));
            }
            EventKind::DecisionMade { txn_digest: digest, record, .. } => {
                *digest = Some(txn_digest());
                *record = decision_record_digest(&[7; 16], RECORD.as_bytes());
            }
            EventKind::ChallengeOpened { statement: committed, ceremony_nonce, txn_digest: digest, .. } => {
                *committed = statement.digest().unwrap();
                *ceremony_nonce = statement.ceremony_nonce(nonce.as_bytes()).unwrap();
                *digest = Some(txn_digest());
            }
            EventKind::ChallengeProven { assertion: signed, .. } => *signed = Some(assertion.digest().unwrap()),
            EventKind::Spent { txn_digest: digest, .. } => *digest = txn_digest(),
            _ => {}
        }
        change(event);
    }
    let mut log = Log::begin();
    log.story(2);
    let first = log.rows.len();
    events.into_iter().for_each(|event| log.add(event));
    let leaf = |nth: usize| logged(&log, first + nth);
    let bundle = Bundle {
        v: 1,
        statement: statement.clone(),
        nonce,
        transaction: transaction(),
        display_text: TEXT.to_owned(),
        assertion,
        credential: credential.fixed(),
        attestation_object: Some(URL_SAFE_NO_PAD.encode(OBJECT)),
        enrolled: leaf(0),
        decided: leaf(1),
        opened: leaf(2),
        proven: leaf(3),
        spent: Some(leaf(4)),
        reported: Some(leaf(5)),
        decision_record: Some(RECORD.to_owned()),
        checkpoint: log.checkpoint(),
    };
    (log, bundle, credential)
}

fn logged(log: &Log, index: usize) -> LoggedLeaf {
    let leaves: Vec<_> = log.rows.iter().map(|row| LeafHash::of(&row.leaf)).collect();
    let tiles: BTreeMap<TileId, Tile> = Edge::empty().append(&leaves).into_iter().map(|tile| (tile.id, tile)).collect();
    let plan = Plan::inclusion(index as u64, leaves.len() as u64).unwrap();
    LoggedLeaf {
        leaf: String::from_utf8(log.rows[index].leaf.clone()).unwrap(),
        index: index as u64,
        path: plan.assemble(|id| tiles.get(&id)).unwrap(),
    }
}

fn key() -> Vec<counterfoil_core::audit::checkpoint::LogKey> {
    vec![LogSigner::new(1).log_key().clone()]
}

#[test]
fn a_bundle_proves_its_story_with_public_keys_alone() {
    let (_, bundle, _) = story(&statement(), |_| {});
    let json = serde_json::to_vec_pretty(&bundle).unwrap();
    let read = Bundle::parse(&json).unwrap();
    let proven = read.verify(&key()).unwrap();
    assert_eq!(proven.statement(), &statement());
    assert_eq!((proven.transaction(), proven.display_text()), (&transaction(), TEXT));
    assert_eq!((proven.ceiling_at_enrolment(), proven.user_verified()), (Acr::Phr, true));
    assert_eq!(proven.outcome(), Some(ReportedOutcome::Executed));
    assert!(proven.approved_at() < proven.spent_at().unwrap());
    assert_eq!(proven.checkpoint().origin, LOG);

    let unspent = Bundle { spent: None, reported: None, ..read.clone() };
    assert_eq!(unspent.verify(&key()).unwrap().spent_at(), None);
    let half = Bundle { spent: None, ..read };
    assert!(matches!(half.verify(&key()), Err(BundleError::Mismatch(_))));
}

#[test]
fn a_bundle_is_gathered_from_a_proven_challenge_and_the_leaves_about_it() {
    let (log, bundle, credential) = story(&statement(), |_| {});
    let opening = Opening {
        statement: statement(),
        nonce: bundle.nonce,
        session: crate::log::session(1),
        asked: vec![Method::Passkey],
        allowed: vec![],
        user_verification: true,
        display_text: Some(TEXT.to_owned()),
        transaction: Some(transaction()),
        request: None,
        registration: None,
        return_to: None,
    };
    let holder = Holder { subject: subject(1), authenticator: passkey(1), ceiling: Acr::Phr };
    let open = Challenge::open(opening).unwrap();
    let gather = |challenge: &Challenge, without: Option<usize>| {
        let leaves = (0..log.rows.len()).filter(|nth| Some(*nth) != without).map(|nth| logged(&log, nth));
        Bundle::gather(challenge, &credential, leaves, bundle.checkpoint.clone())
    };
    assert_eq!(gather(&open, None), Err(BundleError::Unsigned));
    let expected = Expected::by(&open).unwrap();
    let verified = verify(bundle.assertion.clone(), &credential, &holder, &expected, START).unwrap();
    let proven = open.prove(verified.proof, START.plus_seconds(1)).unwrap();
    assert_eq!(gather(&proven, None), Ok(Bundle { decision_record: None, ..bundle.clone() }));
    let enrolment = bundle.enrolled.index as usize;
    assert_eq!(gather(&proven, Some(enrolment)), Err(BundleError::Missing("authenticator.enrolled")));
}

/// Every place in the JSON where a value stands.
fn places(json: &serde_json::Value, at: String, out: &mut Vec<String>) {
    match json {
        serde_json::Value::Object(members) => {
            members.iter().for_each(|(name, value)| places(value, format!("{at}/{name}"), out));
        }
        serde_json::Value::Array(items) => {
            items.iter().enumerate().for_each(|(nth, value)| places(value, format!("{at}/{nth}"), out));
        }
        _ => out.push(at),
    }
}

#[test]
fn any_touched_member_of_a_bundle_refuses() {
    let (_, bundle, _) = story(&statement(), |_| {});
    let json = serde_json::to_value(&bundle).unwrap();
    let mut all = Vec::new();
    places(&json, String::new(), &mut all);
    let mut tried = 0;
    for place in &all {
        let mut touched = json.clone();
        let value = touched.pointer_mut(place).unwrap();
        *value = match &*value {
            serde_json::Value::String(text) => {
                let middle = text.len() / 2;
                let middle = (0..=middle).rev().find(|at| text.is_char_boundary(*at)).unwrap();
                let (head, tail) = text.split_at(middle);
                let other = if tail.starts_with('A') { 'B' } else { 'A' };
                format!("{head}{other}{}", tail.chars().skip(1).collect::<String>()).into()
            }
            serde_json::Value::Number(number) => (number.as_i64().unwrap() + 1).into(),
            serde_json::Value::Bool(truth) => (!truth).into(),
            other => panic!("{place}: {other}"),
        };
        let refused =
            Bundle::parse(&serde_json::to_vec(&touched).unwrap()).and_then(|bundle| bundle.verify(&key()).map(|_| ()));
        assert!(refused.is_err(), "{place}");
        tried += 1;
    }
    assert!(tried > 60, "{tried}");
    for member in ["statement", "assertion", "opened", "checkpoint", "v"] {
        let mut cut = json.clone();
        cut.as_object_mut().unwrap().remove(member);
        assert_eq!(Bundle::parse(&serde_json::to_vec(&cut).unwrap()), Err(BundleError::Form), "{member}");
    }
}

#[test]
fn leaves_that_are_logged_but_do_not_belong_together_refuse() {
    type Change = fn(&mut EventKind);
    let cases: [(Change, &str); 9] = [
        (
            |e| {
                if let EventKind::Spent { txn_digest, .. } = e {
                    *txn_digest = Digest::of(b"x")
                }
            },
            "what was spent",
        ),
        (
            |e| {
                if let EventKind::Spent { audience, .. } = e {
                    *audience = "https://x.example".to_owned()
                }
            },
            "the API",
        ),
        (
            |e| {
                if let EventKind::Spent { policy_version, .. } = e {
                    *policy_version = Digest::of(b"x")
                }
            },
            "the spend's policy",
        ),
        (
            |e| {
                if let EventKind::DecisionMade { outcome, .. } = e {
                    *outcome = Outcome::Deny
                }
            },
            "the decision denied",
        ),
        (
            |e| {
                if let EventKind::DecisionMade { subject: s, .. } = e {
                    *s = Some(subject(2))
                }
            },
            "the decision's subject",
        ),
        (
            |e| {
                if let EventKind::AuthenticatorEnrolled { subject: s, .. } = e {
                    *s = subject(2)
                }
            },
            "the authenticator's holder",
        ),
        (
            |e| {
                if let EventKind::ChallengeProven { authenticator, .. } = e {
                    *authenticator = passkey(2)
                }
            },
            "the authenticator",
        ),
        (
            |e| {
                if let EventKind::ChallengeOpened { purpose, .. } = e {
                    *purpose = Purpose::SignIn
                }
            },
            "challenge and statement",
        ),
        (
            |e| {
                if let EventKind::OutcomeReported { redemption, .. } = e {
                    *redemption = Digest::of(b"x")
                }
            },
            "outcome and spend",
        ),
    ];
    for (change, what) in cases {
        let (_, bundle, _) = story(&statement(), change);
        match bundle.verify(&key()) {
            Err(BundleError::Mismatch(place)) => assert!(place.starts_with(what), "{place}, not {what}"),
            other => panic!("{what}: {other:?}"),
        }
    }
}

#[test]
fn a_leaf_of_another_kind_or_tree_refuses() {
    let (log, bundle, _) = story(&statement(), |_| {});
    let swapped = Bundle { opened: bundle.proven.clone(), proven: bundle.opened.clone(), ..bundle.clone() };
    assert_eq!(swapped.verify(&key()), Err(BundleError::OtherKind { which: "opened" }));
    let elsewhere = logged(&log, 0);
    let moved = LoggedLeaf { index: elsewhere.index, path: elsewhere.path, ..bundle.proven.clone() };
    let moved = Bundle { proven: moved, ..bundle.clone() };
    assert!(matches!(moved.verify(&key()), Err(BundleError::NotLogged { which: "proven", .. })));
    let stranger = LogSigner::new(2);
    assert!(matches!(bundle.verify(&[stranger.log_key().clone()]), Err(BundleError::Checkpoint(_))));
}

#[test]
fn a_proof_that_came_too_late_is_none() {
    let early = Statement { exp: START.plus_seconds(10), ..statement() };
    let (_, bundle, _) = story(&early, |event| {
        if let EventKind::ChallengeOpened { expires_at, .. } = event {
            *expires_at = START.plus_seconds(10);
        }
    });
    assert_eq!(bundle.verify(&key()), Err(BundleError::Order("the proof came after its time")));
}

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
